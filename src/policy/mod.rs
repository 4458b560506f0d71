//! Who is trusted for what: `verified.toml`, its layers, and the verdict on each fetch.
//!
//! A [`Layer`] is one file's rules ([`Layer::parse`]); a [`Policy`] is all layers present, and a fetch must be allowed by
//! every one. Within a layer the first rule in the file whose `match` covers the fetch decides, and what no rule covers
//! is refused. Verdicts are pure functions of policy, fetch, evidence and time. The file's form is described in `docs/policy.md`.

mod demand;
mod files;
pub(crate) mod glob;
mod judge;
mod keys;
mod proofs;
mod read;
pub(crate) mod strict;
pub mod url;
mod verdict;

pub use files::{Files, LocalFolder, relative};
pub use judge::{Body, Pin, Replaced, RunNeeds, Subject};
pub use proofs::{Unchecked, Wanted, commit_subject};
pub use read::{Layer, files_needed};
pub use strict::FileError as PolicyError;
pub use verdict::{By, Passed, Refusal, RuleAt, Verdict};

/// All policy layers of a build, the organisation's before the project's.
#[derive(Clone, Debug)]
pub struct Policy {
    layers: Vec<Layer>,
    built_in: bool,
}

impl Policy {
    /// The policy of `layers`, or of the built-in catalogue (empty in this version) where there are none.
    #[must_use]
    pub fn new(layers: Vec<Layer>) -> Self {
        let built_in = layers.is_empty();
        let layers = if built_in {
            vec![Layer::built_in()]
        } else {
            layers
        };
        Self { layers, built_in }
    }

    /// Whether a layer demands that every fetch is in the lock.
    #[must_use]
    pub fn locked(&self) -> bool {
        self.layers.iter().any(|layer| layer.locked)
    }
}

#[cfg(test)]
mod tests;
