//! `check`: every fetch of every Dockerfile against policy and lock, and what its RUN steps would download or weaken.

use super::{
    CannotRun, Clean,
    args::{CheckArgs, CheckFormat},
    print, project,
};
use crate::report::{Finding, Kind, Level, github, json, sarif};

pub(super) fn run(args: &CheckArgs, colour: bool) -> Result<Clean, CannotRun> {
    if let Some(code) = &args.explain {
        return explain(code);
    }
    let mut all: Vec<Finding> = Vec::new();
    let paths = project::dockerfiles(&args.paths)?;
    let (mut fetches, mut files) = (0_usize, 0_usize);
    for path in paths {
        let project = project::Project::open(&path, &args.build)?;
        let mut checked = project.check()?;
        files = files.saturating_add(1);
        fetches = checked
            .outcome
            .iter()
            .flat_map(|outcome| &outcome.platforms)
            .fold(fetches, |sum, built| {
                sum.saturating_add(built.fetches.len())
            });
        checked.findings.extend(project.steps(&checked));
        if args.format == CheckFormat::Text {
            print(project.render(&shown(&checked.findings, args.notes), colour))?;
        }
        all.extend(checked.findings);
    }
    let failed = |error: serde_json::Error| CannotRun::new("the findings", error);
    match args.format {
        CheckFormat::Json => print(format!("{}\n", json::render(&all).map_err(failed)?))?,
        CheckFormat::Sarif => {
            let log = serde_json::to_string_pretty(&sarif::value(&all)).map_err(failed)?;
            print(format!("{log}\n"))?;
        }
        CheckFormat::Github => print(github::render(&shown(&all, args.notes)))?,
        CheckFormat::Text => print(summary(files, fetches, &all))?,
    }
    Ok(
        if all.iter().any(|finding| finding.kind.level() < Level::Note) {
            Clean::No
        } else {
            Clean::Yes
        },
    )
}

/// Without notes, unless they are asked for.
fn shown(findings: &[Finding], notes: bool) -> Vec<Finding> {
    let kept = |finding: &&Finding| notes || finding.kind.level() < Level::Note;
    findings.iter().filter(kept).cloned().collect()
}

/// `2 Dockerfiles, 8 fetches: 0 findings, 1 note (--notes)`, and below it how many findings there are of each kind.
fn summary(files: usize, fetches: usize, all: &[Finding]) -> String {
    let count = |number: usize, one: &str, many: &str| {
        format!("{number} {}", if number == 1 { one } else { many })
    };
    let notes = all
        .iter()
        .filter(|finding| finding.kind.level() == Level::Note)
        .count();
    let mut out = format!(
        "{}, {}: {}",
        count(files, "Dockerfile", "Dockerfiles"),
        count(fetches, "fetch", "fetches"),
        count(all.len().saturating_sub(notes), "finding", "findings"),
    );
    if notes > 0 {
        out.push_str(&format!(", {} (--notes)", count(notes, "note", "notes")));
    }
    out.push('\n');
    let kinds: Vec<(&Kind, usize)> = crate::report::ALL
        .iter()
        .filter(|kind| kind.level() < Level::Note)
        .map(|kind| {
            (
                kind,
                all.iter().filter(|finding| finding.kind == *kind).count(),
            )
        })
        .filter(|(_, count)| *count > 0)
        .collect();
    // One kind alone is counted already.
    if kinds.len() > 1 {
        for (kind, count) in kinds {
            out.push_str(&format!("{count:>6}  {} {}\n", kind.code(), kind.title()));
        }
    }
    out
}

fn explain(code: &str) -> Result<Clean, CannotRun> {
    let Some(kind) = Kind::find(code) else {
        let known: Vec<&str> = crate::report::ALL.iter().map(|kind| kind.code()).collect();
        return Err(CannotRun::new(
            code,
            format!("there is no such code; there are {}", known.join(", ")),
        ));
    };
    print(kind.page())?;
    Ok(Clean::Yes)
}
