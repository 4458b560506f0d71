//! Whether the evidence at hand proves what a rule asks for; and what else would have to be fetched or read.

use jiff::Timestamp;

use super::{
    demand::{ProofAt, SignedBy, beside},
    verdict::By,
};
use crate::{
    digest::Digest,
    lock::{Evidence, Item},
    verify::{self, Artifact, Failure, Proof, Signer, TrustedKey, Written, git},
};

/// Most pieces of evidence looked at for one digest, so that a registry full of signatures costs bounded time.
const MAX_TRIED: usize = 64;
/// Most failures listed in a refusal.
const MAX_LISTED: usize = 8;

/// What is signed, fixed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fixed<'a> {
    Image {
        digest: &'a Digest,
        repository: Option<&'a str>,
    },
    File {
        digest: &'a Digest,
        url: &'a str,
    },
    Commit {
        commit: &'a str,
        /// As the Dockerfile names it; empty for the default branch.
        reference: &'a str,
    },
}

/// What a rule asks for, and where it is outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The signatures that an image's registry has.
    Registry,
    /// Files, by their URLs: a list of checksums, if there is one, and the signature of that list or of the file.
    Files {
        /// The list of checksums.
        checksums: Option<String>,
        /// The signature; none if the list is signed within itself.
        signature: Option<String>,
    },
    /// Tag and commit objects of the repository.
    Objects,
}

/// A signature over a file's bytes, to be checked by somebody who has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unchecked {
    /// The signature.
    pub item: Item,
    /// A key that may have made it.
    pub key: Written,
}

/// What `demand` asks for, if it is not at hand; `url` is the file's.
pub(super) fn wanted(demand: &SignedBy, url: &str) -> Wanted {
    match &demand.at {
        ProofAt::Registry { .. } => Wanted::Registry,
        ProofAt::Repository(_) => Wanted::Objects,
        ProofAt::Beside {
            checksums,
            signature,
        } => {
            let at = |base: &str, name: &String| beside(base, name).ok();
            let checksums = checksums.as_ref().and_then(|name| at(url, name));
            let signed = checksums.as_deref().unwrap_or(url);
            let signature = signature.as_ref().and_then(|name| at(signed, name));
            Wanted::Files {
                checksums,
                signature,
            }
        }
    }
}

/// The digest that evidence about a commit is kept under: of its id as text.
#[must_use]
pub fn commit_subject(commit: &str) -> Digest {
    Digest::sha256(commit.as_bytes())
}

/// On what ground `demand` is met.
pub(super) fn signed(
    fixed: Fixed<'_>,
    demand: &SignedBy,
    evidence: &Evidence,
    now: Timestamp,
) -> Result<By, String> {
    let mut failures: Vec<String> = Vec::new();
    let mut tried: usize = 0;
    let (subject, shown) = subject(fixed);
    for item in evidence.of(&subject) {
        if tried == MAX_TRIED {
            failures.push(format!(
                "only the first {MAX_TRIED} pieces of evidence were looked at"
            ));
            break;
        }
        tried = tried.saturating_add(1);
        match one(fixed, item, demand, evidence, now) {
            Ok(by) => return Ok(by),
            Err(failure) => {
                if !failures.contains(&failure) && failures.len() < MAX_LISTED {
                    failures.push(failure);
                }
            }
        }
    }
    if failures.is_empty() {
        Err(format!("no signature of {shown} was found"))
    } else {
        Err(failures.join("\n"))
    }
}

/// The signatures that could meet `demand`, had somebody the file's bytes.
pub(super) fn unchecked(
    fixed: Fixed<'_>,
    demand: &SignedBy,
    evidence: &Evidence,
    now: Timestamp,
) -> Vec<Unchecked> {
    let Fixed::File { digest, .. } = fixed else {
        return Vec::new();
    };
    let artifact = Artifact::File {
        digest,
        content: None,
    };
    let mut pairs = Vec::new();
    for item in evidence.of(digest).take(MAX_TRIED) {
        for (trusted, key) in demand.pairs() {
            let outcome =
                verify::verify(&artifact, item.proof(), std::slice::from_ref(trusted), now);
            let is_open = matches!(outcome, Err(Failure::NeedsBytes))
                && evidence.checked(item.id(), &key.id()).is_none();
            if is_open {
                pairs.push(Unchecked {
                    item: item.clone(),
                    key: key.clone(),
                });
            }
        }
    }
    pairs
}

fn subject(fixed: Fixed<'_>) -> (Digest, String) {
    match fixed {
        Fixed::Image { digest, .. } | Fixed::File { digest, .. } => {
            (digest.clone(), digest.to_string())
        }
        Fixed::Commit { commit, .. } => (commit_subject(commit), commit.to_owned()),
    }
}

fn one(
    fixed: Fixed<'_>,
    item: &Item,
    demand: &SignedBy,
    evidence: &Evidence,
    now: Timestamp,
) -> Result<By, String> {
    let check = |artifact: Artifact<'_>| {
        verify::verify(&artifact, item.proof(), &demand.keys, now)
            .map(|(trusted, signer)| by(trusted, signer, item))
    };
    match (fixed, &demand.at) {
        (Fixed::Image { digest, repository }, ProofAt::Registry { signed_as }) => {
            let repository = signed_as.as_deref().or(repository);
            check(Artifact::Image { digest, repository }).map_err(|failure| failure.to_string())
        }
        (
            Fixed::File { digest, .. },
            ProofAt::Beside {
                checksums: None, ..
            },
        ) => {
            let artifact = Artifact::File {
                digest,
                content: None,
            };
            match check(artifact) {
                Err(Failure::NeedsBytes) => over_bytes(item, demand, evidence),
                outcome => outcome.map_err(|failure| failure.to_string()),
            }
        }
        (Fixed::Commit { commit, reference }, ProofAt::Repository(signed)) => {
            let reference = if reference.starts_with("refs/") {
                reference.to_owned()
            } else {
                format!("refs/tags/{reference}")
            };
            let checkout = git::Checkout {
                commit,
                reference: &reference,
                signed: *signed,
            };
            check(Artifact::Git(checkout)).map_err(|failure| failure.to_string())
        }
        _ => Err(format!(
            "a proof of the kind {} is not what the rule asks for",
            item.proof().kind()
        )),
    }
}

/// What somebody who had the file's bytes found.
fn over_bytes(item: &Item, demand: &SignedBy, evidence: &Evidence) -> Result<By, String> {
    let mut why = Failure::NeedsBytes.to_string();
    for (trusted, key) in demand.pairs() {
        match evidence.checked(item.id(), &key.id()) {
            Some(Ok(signer)) => return Ok(by(trusted, signer.clone(), item)),
            Some(Err(failure)) => why.clone_from(failure),
            None => {}
        }
    }
    Err(why)
}

fn by(trusted: &TrustedKey, signer: Signer, item: &Item) -> By {
    By::Signature {
        key: trusted.name.clone(),
        signer,
        kind: Proof::kind(item.proof()),
        evidence: item.id().clone(),
    }
}
