//! One entry of a lock, whatever it is about.

use std::fmt;

use super::{Locked, LockedCommit};
use crate::{digest::Digest, reference::ImageReference};

/// What is fixed. In the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// An image with its tag; for one platform where platforms differ.
    Image(ImageReference, Option<String>),
    /// A file, by its URL in normal form.
    Http(String),
    /// A git remote in normal form, and what of it; nothing is the default branch.
    Git(String, String),
}

/// For people, and for patterns: `docker.io/library/alpine:3.20`, a URL, `REMOTE#REF`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(reference, None) => write!(f, "{reference}"),
            Self::Image(reference, Some(platform)) => write!(f, "{reference} ({platform})"),
            Self::Http(url) => f.write_str(url),
            Self::Git(remote, reference) if reference.is_empty() => f.write_str(remote),
            Self::Git(remote, reference) => write!(f, "{remote}#{reference}"),
        }
    }
}

/// What it is fixed to, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Digest or full commit.
    pub pin: String,
    /// The names of the keys that signed it when it was locked, sorted.
    pub verified_by: Vec<String>,
    /// The identifiers of the evidence in `Dockerfile.evidence`, sorted.
    pub evidence: Vec<Digest>,
}

impl From<&Locked> for Entry {
    fn from(locked: &Locked) -> Self {
        Self {
            pin: locked.digest.to_string(),
            verified_by: locked.verified_by.clone(),
            evidence: locked.evidence.clone(),
        }
    }
}

impl From<&LockedCommit> for Entry {
    fn from(locked: &LockedCommit) -> Self {
        Self {
            pin: locked.commit.clone(),
            verified_by: locked.verified_by.clone(),
            evidence: locked.evidence.clone(),
        }
    }
}
