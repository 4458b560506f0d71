//! `rewrite`: the Dockerfile that would be built, without the line that names this frontend, so that stock BuildKit
//! builds it by itself.

use super::{CannotRun, Clean, args::OneFile, complain, print, project};
use crate::pipeline;

pub(super) fn run(args: &OneFile) -> Result<Clean, CannotRun> {
    let project = project::Project::open(&args.path, &args.build)?;
    let checked = project.check()?;
    // Half a rewrite would look like a whole one.
    if !checked.findings.is_empty() {
        complain(&project.render(&checked.findings, false));
        return Ok(Clean::No);
    }
    let Some(outcome) = checked.outcome else {
        return Ok(Clean::No);
    };
    let mut texts: Vec<&[u8]> = outcome
        .platforms
        .iter()
        .map(|built| built.rewritten.bytes.as_slice())
        .collect();
    texts.dedup();
    let [text] = texts.as_slice() else {
        return Err(CannotRun::new(
            project.name,
            "the platforms need different pins in the same place; rewrite one platform at a time",
        ));
    };
    print(pipeline::without_syntax(text))?;
    Ok(Clean::Yes)
}
