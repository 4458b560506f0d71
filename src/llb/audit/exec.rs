//! Commands.

use serde::Serialize;

use crate::{
    digest::Digest,
    llb::{audit::Lines, ops::ExecOp},
};

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
            next: "run it with --network=none and without agents, caches and devices".to_owned(),
        }
    }
}
