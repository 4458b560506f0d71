//! Commands: what they reach beyond their inputs is the policy's decision, the rest is checked here.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    digest::Digest,
    llb::{
        audit::{
            EscapeKind, Expected, Lines, SeenExec,
            graph::{At, MAX_SHOWN, Refusals, show},
        },
        ops::{ExecOp, Meta, Mount, MountType, NetMode, SecurityMode},
    },
};

/// How many demands of a command are named in a message.
const MAX_DEMANDS: usize = 8;

/// Something a command reaches beyond its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Demand {
    /// The worker's network.
    Network,
    /// The host's own network.
    HostNetwork,
    /// All privileges of the host.
    Insecure,
    /// An SSH agent of the client. The client may forward any socket under that name, so this is a way out
    /// also without network.
    Ssh {
        /// The agent's id; empty is `default`.
        id: String,
    },
    /// A directory that earlier builds wrote, audited or not.
    Cache {
        /// Its name, with the name space.
        id: String,
    },
    /// A host device.
    Device {
        /// Its CDI name.
        name: String,
    },
}

impl Demand {
    fn text(&self) -> String {
        match self {
            Self::Network => "the network".to_owned(),
            Self::HostNetwork => "the host's network".to_owned(),
            Self::Insecure => "all privileges".to_owned(),
            Self::Ssh { id } => format!("the SSH agent {}", show(id)),
            Self::Cache { id } => format!("the cache directory {}", show(id)),
            Self::Device { name } => format!("the device {}", show(name)),
        }
    }
}

/// A command that demands something.
#[derive(Clone, Copy, Debug)]
pub struct ExecRequest<'a> {
    /// The operation's id.
    pub op: &'a Digest,
    /// The arguments, program first; a shell form has the shell in front (`/bin/sh -c …`).
    pub argv: &'a [String],
    /// What it demands; never empty, in the order network, security, mounts, devices.
    pub demands: &'a [Demand],
    /// The ids of client secrets it reads, as files or variables.
    pub secrets: &'a [String],
    /// The whole operation.
    pub exec: &'a ExecOp,
    /// Where it comes from; lines of the rewritten file.
    pub lines: &'a [Lines],
}

/// The answer for a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecDecision {
    /// All its demands are allowed.
    Allowed {
        /// By what, for the report.
        by: String,
    },
    /// At least one is not.
    Refused {
        /// Why.
        why: String,
        /// What to do about it.
        next: String,
    },
}

/// Decides about commands that reach more than their inputs.
pub trait ExecPolicy {
    /// Whether all demands of the command are allowed.
    fn judge(&self, request: &ExecRequest<'_>) -> ExecDecision;
}

/// Refuses every command that demands something.
#[derive(Clone, Copy, Debug, Default)]
pub struct DenyAll;

impl ExecPolicy for DenyAll {
    fn judge(&self, _: &ExecRequest<'_>) -> ExecDecision {
        ExecDecision::Refused {
            why: "no policy allows it".to_owned(),
            next: "run it with --network=none and without agents, caches, devices and privileges"
                .to_owned(),
        }
    }
}

/// How many outputs the command has, and what it does.
pub(super) fn judge(
    at: At<'_>,
    exec: &ExecOp,
    inputs: usize,
    expected: &Expected,
    policy: &dyn ExecPolicy,
    out: &mut Refusals,
) -> (usize, SeenExec) {
    let default = Meta::default();
    let meta = exec.meta.as_ref().unwrap_or(&default);
    let name = command_text(&meta.args);
    command(meta, &name, out);
    environment(meta, &name, expected, out);
    let outputs = mounts(exec, inputs, out);
    let demands = demands(exec);
    let secrets = secrets(exec);
    let mut allowed_by = None;
    if !demands.is_empty() {
        let request = ExecRequest {
            op: at.id,
            argv: &meta.args,
            demands: &demands,
            secrets: &secrets,
            exec,
            lines: at.lines,
        };
        match policy.judge(&request) {
            ExecDecision::Allowed { by } => allowed_by = Some(by),
            ExecDecision::Refused { why, next } => {
                let wants = demands.iter().take(MAX_DEMANDS).map(Demand::text);
                let wants = wants.collect::<Vec<_>>().join(", ");
                out.add(
                    EscapeKind::Exec,
                    format!("the command {name} has {wants}: {why}"),
                    next,
                );
            }
        }
    }
    let seen = SeenExec {
        op: at.id.clone(),
        argv: meta.args.clone(),
        demands,
        allowed_by,
        secrets,
        proxies: meta.proxy_env.is_some(),
        extra_hosts: meta
            .extra_hosts
            .iter()
            .map(|host| format!("{}={}", host.host, host.ip))
            .collect(),
        lines: at.lines.to_vec(),
    };
    (outputs, seen)
}

/// The command line for messages; only its beginning, so that a message costs nothing.
fn command_text(args: &[String]) -> String {
    let mut text = String::new();
    for arg in args.iter().take(MAX_SHOWN) {
        if text.len() > MAX_SHOWN {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.extend(arg.chars().take(MAX_SHOWN + 1));
    }
    show(&text)
}

fn demands(exec: &ExecOp) -> Vec<Demand> {
    let mut demands = Vec::new();
    match exec.network {
        NetMode::None => {}
        NetMode::Unset => demands.push(Demand::Network),
        NetMode::Host => demands.push(Demand::HostNetwork),
    }
    if exec.security == SecurityMode::Insecure {
        demands.push(Demand::Insecure);
    }
    for mount in &exec.mounts {
        match mount.mount_type {
            MountType::Ssh => {
                let id = mount
                    .ssh_opt
                    .as_ref()
                    .map(|opt| opt.id.clone())
                    .unwrap_or_default();
                demands.push(Demand::Ssh { id });
            }
            MountType::Cache => {
                let id = mount
                    .cache_opt
                    .as_ref()
                    .map(|opt| opt.id.clone())
                    .unwrap_or_default();
                demands.push(Demand::Cache { id });
            }
            MountType::Bind | MountType::Secret | MountType::Tmpfs => {}
        }
    }
    demands.extend(exec.cdi_devices.iter().map(|device| Demand::Device {
        name: device.name.clone(),
    }));
    demands
}

fn secrets(exec: &ExecOp) -> Vec<String> {
    let files = exec
        .mounts
        .iter()
        .filter(|mount| mount.mount_type == MountType::Secret);
    let files = files.map(|mount| {
        mount
            .secret_opt
            .as_ref()
            .map(|opt| opt.id.clone())
            .unwrap_or_default()
    });
    let ids: BTreeSet<String> = files
        .chain(exec.secret_env.iter().map(|secret| secret.id.clone()))
        .collect();
    ids.into_iter().collect()
}

fn command(meta: &Meta, name: &str, out: &mut Refusals) {
    if meta.args.is_empty() {
        out.foreign(EscapeKind::Command, "a command without arguments");
    }
    if !meta.valid_exit_codes.0.is_empty() {
        out.foreign(
            EscapeKind::Command,
            format!("the command {name} may fail and still count as done"),
        );
    }
}

fn environment(meta: &Meta, name: &str, expected: &Expected, out: &mut Refusals) {
    if meta.proxy_env.is_some() && meta.proxy_env != expected.proxy {
        out.add(
            EscapeKind::Environment,
            format!("the command {name} has proxies that are not the build's"),
            "give proxies as build arguments, the same for all commands",
        );
    }
    for host in meta
        .extra_hosts
        .iter()
        .filter(|host| !expected.extra_hosts.contains(host))
    {
        out.add(
            EscapeKind::Environment,
            format!(
                "the command {} has the host {}={}, which is not an option of the build",
                name,
                show(&host.host),
                show(&host.ip)
            ),
            "give additional hosts with --add-host",
        );
    }
}

/// Checks the mounts and counts the outputs, which are numbered in the order of the bind mounts that have one.
fn mounts(exec: &ExecOp, inputs: usize, out: &mut Refusals) -> usize {
    let mut outputs = 0_usize;
    for mount in &exec.mounts {
        if let Some(what) = mount_problem(mount, inputs, &mut outputs) {
            out.foreign(
                EscapeKind::Mount,
                format!("the mount at {} {what}", show(&mount.dest)),
            );
        }
    }
    let roots = exec.mounts.iter().filter(|mount| mount.dest == "/").count();
    if roots != 1 {
        out.foreign(
            EscapeKind::Mount,
            format!("a command has {roots} root file systems instead of one"),
        );
    }
    outputs
}

fn mount_problem(mount: &Mount, inputs: usize, outputs: &mut usize) -> Option<&'static str> {
    let wanted = [
        (MountType::Secret, mount.secret_opt.is_some()),
        (MountType::Ssh, mount.ssh_opt.is_some()),
        (MountType::Cache, mount.cache_opt.is_some()),
        (MountType::Tmpfs, mount.tmpfs_opt.is_some()),
    ];
    if wanted
        .iter()
        .any(|(kind, present)| *present != (mount.mount_type == *kind))
    {
        return Some("has the options of another type of mount, or none");
    }
    if mount.dest == "/" && mount.mount_type != MountType::Bind {
        return Some("is a root file system that is no bind mount");
    }
    if !mount.result_id.is_empty() {
        return Some("takes a result of the gateway protocol");
    }
    let input = match mount.mount_type {
        MountType::Bind | MountType::Cache => {
            usize::try_from(mount.input).is_ok_and(|input| input < inputs)
        }
        // Older client/llb leaves 0 there; the daemon mounts the secret or agent instead.
        MountType::Secret | MountType::Ssh => mount.input == 0 && inputs > 0,
        MountType::Tmpfs => false,
    };
    if mount.input != -1 && !input {
        return Some("names an input that the operation does not have");
    }
    let number = i64::try_from(*outputs).unwrap_or(i64::MAX);
    match (mount.mount_type, mount.output) {
        // client/llb leaves 0 there; the daemon does not look at it.
        (MountType::Secret | MountType::Ssh, 0) | (_, -1) => None,
        (MountType::Bind, output) if output == number => {
            *outputs = outputs.saturating_add(1);
            None
        }
        _ => Some("has an output out of order"),
    }
}
