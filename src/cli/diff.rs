//! `diff`: from each Dockerfile to what would be built.

use super::{CannotRun, Clean, args::DiffArgs, complain, print, project};
use crate::{
    report::{explain, served},
    rewrite::diff,
};

pub(super) fn run(args: &DiffArgs, colour: bool) -> Result<Clean, CannotRun> {
    let (mut differs, mut unreadable) = (false, false);
    for path in project::dockerfiles(&args.paths)? {
        let project = project::Project::open(&path, &args.build)?;
        let checked = project.check()?;
        let mut shown: Vec<String> = Vec::new();
        for built in checked
            .outcome
            .iter()
            .flat_map(|outcome| &outcome.platforms)
        {
            let (before, after) = (&project.bytes, &built.rewritten.bytes);
            let diff = if args.side_by_side {
                diff::side_by_side(&project.name, before, after, width(), colour)
            } else {
                diff::unified(&project.name, before, after, colour)
            };
            if !diff.is_empty() && !shown.contains(&diff) {
                shown.push(diff);
            }
        }
        differs |= !shown.is_empty();
        // In front, where tools that apply a diff take it for a comment.
        let mut notes: Vec<String> = Vec::new();
        for built in checked
            .outcome
            .iter()
            .flat_map(|outcome| &outcome.platforms)
        {
            notes.extend(served::lines(&project.name, &built.plan, &checked.lock));
        }
        notes.dedup();
        print(notes.concat())?;
        unreadable |= checked.outcome.is_none();
        print(shown.concat())?;
        if checked.outcome.is_none() {
            complain(&project.render(&checked.findings, false));
        } else {
            complain(&explain::refusals(&checked.findings));
        }
    }
    Ok(if unreadable || args.exit_code && differs {
        Clean::No
    } else {
        Clean::Yes
    })
}

/// How many columns there are, by the variable that shells set; 160 if none is.
fn width() -> usize {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok())
        .unwrap_or(160)
}
