//! What a RUN step would download, read from its text before anything runs; and what the step checks by itself.
//!
//! [`read`] walks a shell text (sh or bash) with the variables that are known: it follows `case`, `if`, loops, functions,
//! subshells and `$( )`, puts words together as far as they can be known, and asks a table for each command what it
//! fetches. Nothing here decides about a build: that the step has no network does. It tells early and well.
//!
//! Total: any text gives a [`Reading`]. What it cannot read, or runs what it does not know, is [`Unclear`], never
//! nothing. Depth, size and work are bounded; behind a bound, the rest is unclear, too.
//!
//! The grammar is that of POSIX.1-2024, "Shell Command Language", with the common extensions of bash.

mod builtin;
mod check;
mod expand;
mod filter;
mod options;
mod parse;
mod pattern;
mod secret;
mod syntax;
#[cfg(test)]
mod tests;
mod tools;
mod value;
mod walk;
mod word;
mod wrapper;

use std::collections::BTreeMap;

pub use crate::dockerfile::Span;
pub use secret::{masked, redacted};

/// Variables that tools look for although no command names them.
pub const LOOKED_FOR: [&str; 12] = [
    "GIT_SSL_NO_VERIFY",
    "GOFLAGS",
    "GOINSECURE",
    "GONOSUMCHECK",
    "GONOSUMDB",
    "GOSUMDB",
    "HOME",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "NPM_CONFIG_STRICT_SSL",
    "PIP_TRUSTED_HOST",
    "PYTHONHTTPSVERIFY",
    "npm_config_strict_ssl",
];

/// How many bytes of a step are read; the rest is unclear.
const MAX_TEXT: usize = 256 << 10;
/// How many things of a kind are listed; the rest is unclear.
const MAX_FOUND: usize = 2_000;

/// What a step runs, and with which variables.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The command as BuildKit passes it on: of a shell form the shell, its option and the text.
    pub argv: &'a [String],
    /// The script that stands at `argv[0]` (a heredoc that begins with `#!`).
    pub script: Option<&'a str>,
    /// What is known of ENV and ARG.
    pub variables: &'a BTreeMap<String, String>,
    /// The architecture to build for, as BuildKit names it: `amd64`, `arm64`.
    pub architecture: &'a str,
}

/// What was found. All spans are bytes of the step's text: the last of [`Step::argv`] of a shell form, or the script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What it would download, in the order of the text.
    pub fetches: Vec<Fetch>,
    /// What it checks by itself.
    pub checks: Vec<Check>,
    /// What weakens verification.
    pub weaknesses: Vec<Weakness>,
    /// Where it cannot be told.
    pub unclear: Vec<Unclear>,
}

/// One download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The command.
    pub span: Span,
    /// The tool: `curl`, `apt`, `git`.
    pub tool: &'static str,
    /// What it fetches.
    pub what: What,
    /// The file it is written to, by its name; holes as `${NAME}`. `None`: to standard output, or to nobody knows where.
    pub saved: Option<String>,
    /// How the step checks it by itself.
    pub checked: Option<Checked>,
}

/// What a download is. Parts that are not known stand as `${NAME}` or `$(command)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A file: all the addresses that it may have. Secrets in them are replaced.
    Url(Vec<String>),
    /// A repository.
    Git {
        /// The remote.
        remote: String,
        /// Branch, tag or commit.
        reference: Option<String>,
        /// Whether submodules come with it.
        submodules: bool,
    },
    /// Packages, by their names as written; none: what a file of the project lists.
    Packages(Vec<String>),
    /// The list of packages.
    Index,
    /// Keys by fingerprint or id.
    Keys {
        /// As written.
        ids: Vec<String>,
        /// The server.
        server: Option<String>,
    },
    /// A container image.
    Image(String),
}

impl What {
    /// Replaces every secret, whichever tool was given it.
    fn redact(&mut self) {
        let clean = |text: &mut String| *text = redacted(text).0;
        match self {
            Self::Url(texts) | Self::Packages(texts) => texts.iter_mut().for_each(clean),
            Self::Git {
                remote, reference, ..
            } => {
                clean(remote);
                reference.iter_mut().for_each(clean);
            }
            Self::Keys { ids, server } => {
                ids.iter_mut().for_each(clean);
                server.iter_mut().for_each(clean);
            }
            Self::Image(reference) => clean(reference),
            Self::Index => {}
        }
    }
}

/// How a step checks what it fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checked {
    /// By a hash that stands in the Dockerfile.
    Hash,
    /// By a signature.
    Signature,
    /// By a list of hashes that itself has a signature that the step checks.
    SignedList,
    /// By a list of hashes that came from somewhere.
    List,
    /// It is a commit.
    Commit,
}

impl Checked {
    /// Whether the one who publishes, or who wrote the Dockerfile, vouches for it, not only the server.
    #[must_use]
    pub fn holds(self) -> bool {
        self != Self::List
    }
}

/// Something that the step checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The command.
    pub span: Span,
    /// How.
    pub kind: CheckKind,
    /// The file, by its name, where that can be told.
    pub file: Option<String>,
}

/// The ways to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// A hash.
    Hash {
        /// `sha256`, `sha512`, `sha1`, `md5`, ...
        algorithm: &'static str,
        /// What is expected, if it stands in the text: digits in lower case, one for each architecture and the like.
        expected: Vec<String>,
        /// The file that has the expected hashes, where it is not in the text.
        list: Option<String>,
    },
    /// An OpenPGP signature.
    OpenPgp {
        /// The fingerprints that the step names; empty: keys that are there already, or came from somewhere.
        fingerprints: Vec<String>,
        /// The file with the signature.
        signature: Option<String>,
        /// Whether that file holds what is signed, too.
        inline: bool,
    },
    /// `cosign verify`, `cosign verify-blob`, `gh attestation verify`, `slsa-verifier`.
    Sigstore,
    /// `minisign -V`, `signify -V`, `ssh-keygen -Y verify`, `openssl dgst -verify`.
    Key,
}

/// Something that weakens verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weakness {
    /// Where.
    pub span: Span,
    /// What kind of thing.
    pub kind: Weak,
    /// What is meant: the option or variable.
    pub what: String,
}

/// Kinds of [`Weakness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weak {
    /// TLS certificates are not checked.
    Tls,
    /// Signatures of packages are not checked.
    Packages,
    /// What is downloaded is run, and nothing checked it.
    Runs,
    /// A password or token in an address or an argument.
    Secret,
    /// A hash function that does not hold (MD5, SHA-1) is all that checks a download.
    Hash,
    /// Without TLS, and nothing else checks it.
    Plain,
}

/// A part of which nobody can tell whether it downloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unclear {
    /// The part.
    pub span: Span,
    /// Why: a clause that begins in lower case.
    pub why: String,
}

/// The shells whose grammar is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sh,
    Bash,
}

impl Dialect {
    /// The dialect of the program `name`, by its last part.
    fn of(name: &str) -> Option<Self> {
        match tools::base_name(name) {
            "sh" | "ash" | "dash" => Some(Self::Sh),
            "bash" | "zsh" | "ksh" | "mksh" | "rbash" => Some(Self::Bash),
            _ => None,
        }
    }
}

/// How much work may go into the steps of one file, in letters and commands; what is left of it.
#[derive(Clone, Copy, Debug)]
pub struct Budget(u64);

impl Default for Budget {
    /// Enough for some hundred steps as people write them; spent in seconds.
    fn default() -> Self {
        Self(20_000_000)
    }
}

/// Reads a step.
#[must_use]
pub fn read(step: &Step<'_>) -> Reading {
    read_within(step, &mut Budget::default())
}

/// Reads one of several steps, which share a budget: where it is spent, all is unclear.
#[must_use]
pub fn read_within(step: &Step<'_>, budget: &mut Budget) -> Reading {
    walk::step(step, budget)
}
