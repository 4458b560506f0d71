//! What the audit found: escapes, or what the graph does.

use std::fmt;

use serde::Serialize;

use crate::{digest::Digest, llb::audit::Demand};

/// Lines of a file of the source map, counted from 1, both included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lines {
    /// The file's name.
    pub filename: String,
    /// First line.
    pub start: u32,
    /// Last line.
    pub end: u32,
}

/// What is wrong, as a stable name; [`EscapeKind::code`] is for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EscapeKind {
    /// The bytes are not exactly one known definition.
    Malformed,
    /// More than is read.
    TooLarge,
    /// No operations, or the last one is not a terminal with exactly one input, or an earlier one is.
    Terminal,
    /// An input that is not an output of an earlier operation.
    Input,
    /// An operation that is there twice.
    DuplicateOperation,
    /// A kind of operation that no Dockerfile makes.
    Operation,
    /// Worker constraints.
    Constraints,
    /// A platform that is not expected.
    Platform,
    /// A source's scheme.
    Scheme,
    /// A source's identifier is not in canonical form.
    Identifier,
    /// A source that was not verified.
    Source,
    /// A source without digest, or with another one.
    Digest,
    /// A source's attribute, or its value.
    Attribute,
    /// A command's network, privileges, devices, agents or caches, not allowed by the policy.
    Exec,
    /// A command's proxies or hosts.
    Environment,
    /// A command's mounts.
    Mount,
    /// A command's other fields.
    Command,
    /// A file operation.
    File,
    /// A merge.
    Merge,
    /// Metadata that belongs to no operation.
    Metadata,
    /// The source map names another file, or none.
    SourceFile,
    /// The source map is not consistent.
    SourceMap,
}

impl EscapeKind {
    /// The name in machine-readable output.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::Terminal => "terminal",
            Self::Input => "input",
            Self::DuplicateOperation => "duplicate-operation",
            Self::Operation => "operation",
            Self::Constraints => "constraints",
            Self::Platform => "platform",
            Self::Scheme => "scheme",
            Self::Identifier => "identifier",
            Self::Source => "source",
            Self::Digest => "digest",
            Self::Attribute => "attribute",
            Self::Exec => "exec",
            Self::Environment => "environment",
            Self::Mount => "mount",
            Self::Command => "command",
            Self::File => "file",
            Self::Merge => "merge",
            Self::Metadata => "metadata",
            Self::SourceFile => "source-file",
            Self::SourceMap => "source-map",
        }
    }
}

/// Something in the graph that was not verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Escape {
    /// The operation, unless it is the definition as a whole.
    pub op: Option<Digest>,
    /// What is wrong.
    pub kind: EscapeKind,
    /// What it is, in words: the source or command and what differs.
    pub reason: String,
    /// What to do about it.
    pub next: String,
    /// Where it comes from; lines of the rewritten file, empty if the source map does not say.
    pub lines: Vec<Lines>,
}

impl fmt::Display for Escape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(lines) = self.lines.first() {
            write!(f, "{}:{}: ", lines.filename, lines.start)?;
        }
        write!(f, "{}; {}", self.reason, self.next)
    }
}

/// What the graph does, all of it allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many operations it has.
    pub operations: usize,
    /// Every source, in the order of the graph.
    pub sources: Vec<SeenSource>,
    /// Every command, in the order of the graph.
    pub execs: Vec<SeenExec>,
}

/// Where a source comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// A registry.
    Image,
    /// A URL.
    Http,
    /// A repository.
    Git,
    /// The client's directory.
    Local,
    /// The client's OCI layout.
    OciLayout,
    /// The frontend's own image.
    Own,
}

/// A source of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenSource {
    /// The operation.
    pub op: Digest,
    /// Where it comes from.
    pub kind: SourceKind,
    /// The identifier, as in the graph; for a repository its remote.
    pub identifier: String,
    /// What fixes it: digest or commit; `None` for the client's directories.
    pub pin: Option<String>,
    /// Whether the submodules of a repository are fetched too. Their commits are fixed by the tree, their hosts are not.
    pub submodules: bool,
    /// Where it comes from; lines of the rewritten file.
    pub lines: Vec<Lines>,
}

/// A command of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenExec {
    /// The operation.
    pub op: Digest,
    /// The arguments.
    pub argv: Vec<String>,
    /// What it reaches beyond its inputs.
    pub demands: Vec<Demand>,
    /// What allowed that, in the policy's words; `None` if it demands nothing.
    pub allowed_by: Option<String>,
    /// The ids of the client secrets it reads.
    pub secrets: Vec<String>,
    /// Whether it has proxies in its environment.
    pub proxies: bool,
    /// Additional hosts, `name=address`.
    pub extra_hosts: Vec<String>,
    /// Where it comes from; lines of the rewritten file.
    pub lines: Vec<Lines>,
}
