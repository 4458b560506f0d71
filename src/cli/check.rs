//! `check`: every fetch of every Dockerfile against policy and lock, and what its RUN steps would download or weaken.

use std::collections::BTreeSet;

use super::{
    CannotRun, Clean,
    args::{CheckArgs, CheckFormat},
    print, project,
};
use crate::report::{Finding, Kind, Level, github, json, list, sarif};

/// How many findings in several Dockerfiles are shown with excerpts.
const MAX_EXCERPTS: usize = 50;

pub(super) fn run(args: &CheckArgs, colour: bool) -> Result<Clean, CannotRun> {
    if let Some(code) = &args.explain {
        return explain(code);
    }
    let mut all: Vec<Finding> = Vec::new();
    let paths = project::dockerfiles(&args.paths)?;
    let many = |count: usize| paths.len() > 1 && count > MAX_EXCERPTS;
    let (mut fetches, mut seen) = (0_usize, 0_usize);
    let (mut excerpts, mut lines) = (String::new(), String::new());
    for path in &paths {
        let project = project::Project::open(path, &args.build)?;
        let mut checked = project.check_all()?;
        fetches = fetches.saturating_add(count(&checked));
        checked.findings.extend(project.steps(&checked));
        let shown = shown(&checked.findings, args.notes);
        seen = seen.saturating_add(shown.len());
        match args.format {
            Some(CheckFormat::Text) => print(project.render(&shown, colour))?,
            Some(CheckFormat::List) => print(project.list(&shown, colour))?,
            // Which of both is known in the end.
            None => {
                lines.push_str(&project.list(&shown, colour));
                if many(seen) {
                    excerpts = String::new();
                } else {
                    excerpts.push_str(&project.render(&shown, colour));
                }
            }
            Some(CheckFormat::Json | CheckFormat::Sarif | CheckFormat::Github) => {}
        }
        all.extend(checked.findings);
    }
    let failed = |error: serde_json::Error| CannotRun::new("the findings", error);
    match args.format {
        Some(CheckFormat::Json) => print(format!("{}\n", json::render(&all).map_err(failed)?))?,
        Some(CheckFormat::Sarif) => {
            let log = serde_json::to_string_pretty(&sarif::value(&all)).map_err(failed)?;
            print(format!("{log}\n"))?;
        }
        Some(CheckFormat::Github) => print(github::render(&shown(&all, args.notes)))?,
        Some(CheckFormat::Text) => print(summary(paths.len(), fetches, &all))?,
        Some(CheckFormat::List) => {
            print(summary(paths.len(), fetches, &all))?;
            print(list::frequent(&all))?;
        }
        None if many(seen) => {
            print(lines)?;
            print(summary(paths.len(), fetches, &all))?;
            print(list::frequent(&all))?;
            print(
                "`check FILE` shows excerpts and what to do, `check --explain CODE` the page of a code; `init` proposes a policy\n",
            )?;
        }
        None => {
            print(excerpts)?;
            print(summary(paths.len(), fetches, &all))?;
        }
    }
    Ok(
        if all.iter().any(|finding| finding.kind.level() < Level::Note) {
            Clean::No
        } else {
            Clean::Yes
        },
    )
}

/// How many things are fetched, each place for each platform once, whichever targets reach it.
fn count(checked: &project::Checked) -> usize {
    let platforms = checked
        .outcome
        .iter()
        .flat_map(|outcome| &outcome.platforms);
    let fetches = platforms.flat_map(|built| {
        let platform = built.platform.to_string();
        let places = built.plan.fetches.iter();
        places.map(move |fetch| {
            let place = (fetch.place.span.start, fetch.place.span.end);
            (platform.clone(), place, fetch.expanded.as_str())
        })
    });
    fetches.collect::<BTreeSet<_>>().len()
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
