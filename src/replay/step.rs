//! Which step a recording is of: what the step is, and not what is around it.

use serde::Serialize;

use crate::{
    digest::Digest,
    llb::ops::{ExecOp, Op},
};

/// Where BuildKit puts the scripts of heredocs that begin with `#!`.
const SCRIPTS: &str = "/dev/pipes";

/// Everything that a step's requests may depend on and that is in the Dockerfile or in its base's configuration. Not what is
/// mounted and what ran before: a step that asks for something else because of these is told so when it runs.
#[derive(Serialize)]
struct Step<'a> {
    platform: Option<String>,
    command: &'a [String],
    environment: Vec<&'a str>,
    folder: &'a str,
    user: &'a str,
    /// The files that are run instead of a text, by the ids of the operations that write them.
    scripts: Vec<&'a str>,
    /// Which of several equal ones.
    number: usize,
}

/// The key of the step that runs `exec` in the operation `op`: the same as long as command, variables, folder, user and platform
/// are. `number` counts the equal ones before it in the same build.
#[must_use]
pub fn key(op: &Op, exec: &ExecOp, number: usize) -> Digest {
    let empty = crate::llb::ops::Meta::default();
    let meta = exec.meta.as_ref().unwrap_or(&empty);
    let mut environment: Vec<&str> = meta.env.iter().map(String::as_str).collect();
    environment.sort_unstable();
    let scripts = exec
        .mounts
        .iter()
        .filter(|mount| mount.dest.starts_with(SCRIPTS))
        .filter_map(|mount| op.inputs.get(usize::try_from(mount.input).ok()?))
        .map(|input| input.digest.as_str());
    let step = Step {
        platform: op.platform.as_ref().map(|platform| {
            format!(
                "{}/{}/{}",
                platform.os, platform.architecture, platform.variant
            )
        }),
        command: &meta.args,
        environment,
        folder: &meta.cwd,
        user: &meta.user,
        scripts: scripts.collect(),
        number,
    };
    // Texts and numbers always have a form in JSON.
    Digest::sha256(&serde_json::to_vec(&step).unwrap_or_default())
}
