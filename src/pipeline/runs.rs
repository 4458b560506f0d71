//! What the policy says of each RUN: by the text that a shell runs, or the words of the exec form.

use jiff::Timestamp;

use super::{Build, place, refusal};
use crate::{
    fetch::{MountKind, Network, RunStep},
    policy::{Policy, RunNeeds},
    report::{Finding, Kind},
};

/// Why no rule gives a command what it needs; `None` if one does. `command` is from [`command_text`].
#[must_use]
pub fn run_refusal(
    policy: &Policy,
    command: &str,
    needs: RunNeeds,
    now: Timestamp,
) -> Option<(String, String)> {
    let (cause, next) = refusal(&policy.run(command, needs, now))?;
    if command == SCRIPT {
        let next = "write the script without its #! line: then a run rule can name its text";
        return Some((cause, next.to_owned()));
    }
    Some((cause, next))
}

/// What became of the RUN steps.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// For each step of the plan, whether its network is taken away.
    pub without_network: Vec<bool>,
    /// See [`super::PlatformOutcome::force_no_network`].
    pub force_no_network: bool,
    /// What no rule allows.
    pub findings: Vec<Finding>,
}

/// Shells whose last argument is the text that they run. By path: what else is called by such a name is another program.
const SHELLS: [&str; 9] = [
    "/bin/sh",
    "/bin/ash",
    "/bin/bash",
    "/bin/dash",
    "/bin/zsh",
    "/usr/bin/sh",
    "/usr/bin/bash",
    "/usr/bin/dash",
    "/usr/bin/zsh",
];

/// Options of a shell that do not change what text it runs. Any other word may be the name of a script.
const SHELL_OPTIONS: [&str; 6] = ["-e", "-u", "-x", "-eu", "-ex", "-eux"];

/// What may follow `-o`.
const NAMED_OPTIONS: [&str; 4] = ["pipefail", "errexit", "nounset", "xtrace"];

/// The options that announce the text: `-c`, alone or with harmless ones.
const TEXT_OPTIONS: [&str; 7] = ["-c", "-ec", "-xc", "-uc", "-exc", "-euc", "-euxc"];

/// Where BuildKit puts the scripts of heredocs that begin with `#!`.
const SCRIPTS: &str = "/dev/pipes/";

/// What a script is called where rules are matched. Only `*` matches it: its text is not among the arguments, so any
/// narrower rule would allow every other script too.
const SCRIPT: &str = "\u{0}";

/// The text that run rules are matched with: what a shell would run, or the words of the exec form.
///
/// The audit takes the same from the LLB, so it is decided by the arguments alone. Whoever writes the Dockerfile writes
/// the arguments too, so a text counts as the shell's only where the words before it can mean nothing else.
#[must_use]
pub fn command_text(argv: &[String]) -> String {
    let text = match argv {
        [shell, options @ .., text]
            if SHELLS.contains(&shell.as_str()) && announces_text(options) =>
        {
            Some(text)
        }
        _ => None,
    };
    if text.unwrap_or(&String::new()).starts_with(SCRIPTS)
        || argv.iter().any(|word| word.starts_with(SCRIPTS))
    {
        return SCRIPT.to_owned();
    }
    text.cloned().unwrap_or_else(|| argv.join(" "))
}

/// Whether `options` are known ones and the last one, and only that, announces the text.
fn announces_text(options: &[String]) -> bool {
    let Some((last, mut before)) = options.split_last() else {
        return false;
    };
    loop {
        before = match before {
            [] => return TEXT_OPTIONS.contains(&last.as_str()),
            [named, name, rest @ ..] if named == "-o" && NAMED_OPTIONS.contains(&name.as_str()) => {
                rest
            }
            // `-eo pipefail` and the like.
            [both, name, rest @ ..]
                if ["-eo", "-euo", "-exo", "-euxo"].contains(&both.as_str())
                    && NAMED_OPTIONS.contains(&name.as_str()) =>
            {
                rest
            }
            [option, rest @ ..] if SHELL_OPTIONS.contains(&option.as_str()) => rest,
            _ => return false,
        };
    }
}

/// Decides about every RUN of the file. Only those that the target reaches can be refused.
pub(super) fn all(build: &Build<'_>, steps: &[RunStep]) -> Runs {
    let mut out = Runs::default();
    let mut keeps_network = false;
    for step in steps {
        let command = command_text(&step.argv);
        let network = RunNeeds {
            network: true,
            ..RunNeeds::default()
        };
        let may = step.network == Network::Default
            && !build.policy.run(&command, network, build.now).is_refused();
        keeps_network |= may && step.reachable;
        let take = step.network == Network::Default && !may;
        out.without_network.push(take);
        if take && step.reachable && step.flags_at.is_none() {
            out.force_no_network = true;
        }
        if !step.reachable {
            continue;
        }
        let has_network = may || step.network == Network::Host;
        let needs = RunNeeds {
            network: may,
            host_network: step.network == Network::Host,
            insecure: step.insecure,
            ssh: has_network && step.mounts.iter().any(|mount| mount.kind == MountKind::Ssh),
            devices: !step.devices.is_empty(),
        };
        if let Some((cause, next)) = run_refusal(build.policy, &command, needs, build.now) {
            out.findings
                .push(run_finding(build, step, &command, cause, next));
        }
    }
    if out.force_no_network && keeps_network {
        out.force_no_network = false;
        for (step, take) in steps.iter().zip(&out.without_network) {
            if *take && step.reachable && step.flags_at.is_none() {
                out.findings.push(run_finding(
                    build,
                    step,
                    &command_text(&step.argv),
                    "a trigger of the base image runs this with a network that cannot be taken away, because another step may keep its network".to_owned(),
                    "build upon an image without that trigger, or allow it by a run rule".to_owned(),
                ));
            }
        }
    }
    out
}

fn run_finding(
    build: &Build<'_>,
    step: &RunStep,
    command: &str,
    cause: String,
    next: String,
) -> Finding {
    let command = match &step.script {
        Some(script) if command == SCRIPT => script,
        _ => command,
    };
    let mut shown: String = command
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(60)
        .collect();
    if shown.len() < command.len() {
        shown.push_str(" ...");
    }
    Finding {
        kind: Kind::Run,
        file: build.file.to_owned(),
        place: Some(place(&step.place)),
        subject: format!("RUN {shown}"),
        cause,
        next,
    }
}
