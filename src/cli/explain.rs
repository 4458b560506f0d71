//! `explain`: every fetch, with pin, rule and proof.

use super::{
    CannotRun, Clean,
    args::{ExplainArgs, Format},
    complain, print, project,
};
use crate::report::explain;

pub(super) fn run(args: &ExplainArgs) -> Result<Clean, CannotRun> {
    let project = project::Project::open(&args.path, &args.build)?;
    let checked = project.check()?;
    let Some(outcome) = checked.outcome else {
        complain(&project.render(&checked.findings, false));
        return Ok(Clean::No);
    };
    match args.format {
        Format::Text => print(explain::text(&project.name, &outcome))?,
        Format::Json => {
            let json = serde_json::to_string_pretty(&explain::json(&project.name, &outcome))
                .map_err(|error| CannotRun::new(&project.name, error))?;
            print(format!("{json}\n"))?;
        }
    }
    Ok(Clean::Yes)
}
