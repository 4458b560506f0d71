//! Of which stages a build can be.

use std::collections::BTreeSet;

use super::{Build, Finding, too_large, whole_file};
use crate::fetch::{self, Configs, ImageConfig};

/// How many targets of one file are looked at.
const MAX_TARGETS: usize = 100;

/// The targets that together reach everything that can be built, and none that others of them reach: the last stage (`None`), then named
/// ones from the end. Only `build.target`, if there is one.
///
/// What bases bring (triggers) is not known here: it may make a target needless, and takes none away.
///
/// # Errors
/// There are more than a hundred.
pub fn targets(build: &Build<'_>) -> Result<Vec<Option<String>>, Box<Finding>> {
    if let Some(target) = build.target {
        return Ok(vec![Some(target.to_owned())]);
    }
    let mut targets = vec![None];
    // What is too large, or has no stages, is told when it is walked.
    let Ok(stages) = build.dockerfile.stages() else {
        return Ok(targets);
    };
    if too_large(build).is_some() {
        return Ok(targets);
    }
    let configs = Configs {
        assumed: Some(ImageConfig::default()),
        ..Configs::default()
    };
    let mut names: Vec<String> = stages
        .stages
        .iter()
        .rev()
        .skip(1)
        .map(|stage| stage.name.clone().into_owned())
        .collect();
    names.retain(|name| !name.is_empty());
    if names.is_empty() {
        return Ok(targets);
    }
    for platform in build.platforms {
        let reached = |target: &Option<String>| {
            let options = fetch::Options {
                target: target.clone(),
                ..build.options(platform)
            };
            fetch::collect(build.dockerfile, &options, &configs)
                .map(|plan| plan.stages)
                .unwrap_or_default()
        };
        let mut seen: BTreeSet<String> = targets.iter().flat_map(reached).collect();
        for name in &names {
            if !seen.insert(name.clone()) {
                continue;
            }
            let target = Some(name.clone());
            seen.extend(reached(&target));
            if targets.contains(&target) {
                continue;
            }
            if targets.len() >= MAX_TARGETS {
                return Err(Box::new(whole_file(
                    build,
                    "the Dockerfile",
                    format!("it has more than {MAX_TARGETS} stages that no other one needs"),
                    "name those that you build: --target",
                )));
            }
            targets.push(target);
        }
    }
    Ok(targets)
}
