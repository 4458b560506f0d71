//! `check`: every fetch of every Dockerfile against policy and lock.

use super::{
    CannotRun, Clean,
    args::{CheckArgs, Format},
    print, project,
};
use crate::report::{Finding, json};

pub(super) fn run(args: &CheckArgs, colour: bool) -> Result<Clean, CannotRun> {
    let mut all: Vec<Finding> = Vec::new();
    let paths = project::dockerfiles(&args.paths)?;
    let (mut fetches, mut files) = (0_usize, 0_usize);
    for path in paths {
        let project = project::Project::open(&path, &args.build)?;
        let checked = project.check()?;
        files = files.saturating_add(1);
        fetches = checked
            .outcome
            .iter()
            .flat_map(|outcome| &outcome.platforms)
            .fold(fetches, |sum, built| {
                sum.saturating_add(built.fetches.len())
            });
        if args.format == Format::Text {
            print(project.render(&checked.findings, colour))?;
        }
        all.extend(checked.findings);
    }
    match args.format {
        Format::Json => {
            let json = json::render(&all).map_err(|error| CannotRun::new("the findings", error))?;
            print(format!("{json}\n"))?;
        }
        Format::Text => {
            let count = |number: usize, one: &str, many: &str| {
                format!("{number} {}", if number == 1 { one } else { many })
            };
            print(format!(
                "{}, {}: {}\n",
                count(files, "Dockerfile", "Dockerfiles"),
                count(fetches, "fetch", "fetches"),
                count(all.len(), "finding", "findings"),
            ))?;
        }
    }
    Ok(if all.is_empty() {
        Clean::Yes
    } else {
        Clean::No
    })
}
