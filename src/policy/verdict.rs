//! What a policy says of a fetch or a step, for people and for reports.

use std::fmt;

use jiff::civil::Date;

use crate::{digest::Digest, verify::Signer};

/// The policy's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Every layer allows it, at least one because of a proof. One entry for each layer, in order.
    Verified(Vec<Passed>),
    /// Every layer allows it, none because of a proof. One entry for each layer that has a rule for it.
    Accepted(Vec<Passed>),
    /// At least one layer does not allow it. One entry for each layer that does not.
    Refused(Vec<Refusal>),
}

/// A rule, by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleAt {
    /// The line of the rule's header in the layer's file, from 1.
    pub line: usize,
    /// The rule's `match`.
    pub pattern: String,
}

/// Why one layer allows something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The layer's file name.
    pub layer: String,
    /// The rule that decided.
    pub rule: RuleAt,
    /// On what ground.
    pub by: By,
}

/// The ground on which a rule allows something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// A signature by a key of the rule.
    Signature {
        /// The key's name in the policy.
        key: String,
        /// The key's fingerprint or the identity, and when it was signed if that is known.
        signer: Signer,
        /// The kind of proof, `cosign-signature` or `sigstore-bundle`.
        kind: &'static str,
        /// The identifier of the evidence, as in `Dockerfile.evidence`.
        evidence: Digest,
    },
    /// It is OpenPGP keys that the rule names.
    Keys {
        /// Their fingerprints.
        fingerprints: Vec<String>,
    },
    /// An explicit, dated acceptance.
    Acceptance {
        /// The rule's `reason`.
        reason: String,
        /// The last day (UTC) on which the rule holds.
        until: Date,
    },
}

/// Why one layer does not allow something, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The layer's file name, or `built-in catalogue`.
    pub layer: String,
    /// The rule that decided; none if no rule covers it.
    pub rule: Option<RuleAt>,
    /// What was found, one sentence a line.
    pub cause: String,
    /// What to do, with lines of TOML where lines are to be added.
    pub next: String,
}

impl Verdict {
    /// Whether the build must fail.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// All layers' answers as one: refused if one refuses, verified if one has a proof.
    pub(super) fn combine(layers: impl IntoIterator<Item = Result<Passed, Refusal>>) -> Self {
        let (mut passed, mut refused) = (Vec::new(), Vec::new());
        for layer in layers {
            match layer {
                Ok(ground) => passed.push(ground),
                Err(refusal) => refused.push(refusal),
            }
        }
        if !refused.is_empty() || passed.is_empty() {
            Self::Refused(refused)
        } else if passed
            .iter()
            .any(|ground| matches!(ground.by, By::Signature { .. } | By::Keys { .. }))
        {
            Self::Verified(passed)
        } else {
            Self::Accepted(passed)
        }
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            layer,
            rule: RuleAt { line, pattern },
            by,
        } = self;
        match by {
            By::Signature { key, kind, .. } => {
                write!(
                    f,
                    "signed by `{key}` ({kind}), rule `{pattern}` at {layer}:{line}"
                )
            }
            By::Keys { fingerprints } => {
                let keys = fingerprints.join(", ");
                write!(f, "keys {keys}, rule `{pattern}` at {layer}:{line}")
            }
            By::Acceptance { reason, until } => {
                write!(
                    f,
                    "accepted until {until}: {reason}, rule `{pattern}` at {layer}:{line}"
                )
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(RuleAt { line, pattern }) => {
                write!(
                    f,
                    "{} (rule `{pattern}` at {}:{line})",
                    self.cause, self.layer
                )
            }
            None => write!(f, "{} ({})", self.cause, self.layer),
        }
    }
}
