//! Whether the evidence at hand proves what a rule asks for; and what else would have to be fetched or read.

use jiff::Timestamp;

use super::{
    demand::{ProofAt, SignedBy, beside},
    verdict::By,
};
use crate::{
    digest::Digest,
    lock::{Evidence, Item},
    verify::{
        self, Artifact, Failure, Key, Proof, Signer, TrustedKey, Written, attestation, checksums,
        git, openpgp, signify,
    },
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
    /// The signatures that an image's registry has, of the image or of the attestations about it.
    Registry(attestation::Signed),
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
        ProofAt::Registry { signed, .. } => Wanted::Registry(*signed),
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

/// Whether a list could meet `demand`, were the file's digest by another hash function known.
pub(super) fn needs_digests(
    fixed: Fixed<'_>,
    demand: &SignedBy,
    evidence: &Evidence,
    now: Timestamp,
) -> bool {
    let (Fixed::File { digest, url }, Some(list_at)) = (fixed, demand.at.checksums()) else {
        return false;
    };
    evidence.other_digests(digest).is_empty()
        && evidence.of(digest).take(MAX_TRIED).any(|item| {
            let Proof::Checksums(list) = item.proof() else {
                return false;
            };
            let found = listed(digest, url, list_at, list, demand, evidence, now);
            matches!(found, Err(Failure::NeedsBytes))
        })
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
        (Fixed::Image { digest, repository }, ProofAt::Registry { signed, signed_as }) => {
            let repository = signed_as.as_deref().or(repository);
            match (signed, item.proof()) {
                (attestation::Signed::Image, _) => check(Artifact::Image { digest, repository }),
                (attestation::Signed::Attestations, Proof::Attestations(documents)) => {
                    attestation::verify(digest, documents, |about| {
                        let proofs = evidence.of(&about.manifest).take(MAX_TRIED);
                        let proofs = proofs.map(Item::proof);
                        attestation::signed_by(about, repository, proofs, &demand.keys, now)
                    })
                    .map(|(trusted, signer)| by(trusted, signer, item))
                }
                (attestation::Signed::Attestations, proof) => Err(Failure::OtherKind(
                    "of a rule with `signed = \"attestations\"`".to_owned(),
                    proof.kind(),
                )),
            }
            .map_err(|failure| failure.to_string())
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
        (
            Fixed::File { digest, url },
            ProofAt::Beside {
                checksums: Some(list_at),
                ..
            },
        ) => {
            let Proof::Checksums(list) = item.proof() else {
                return Err(format!(
                    "the rule asks for a signed list of checksums, and this is a signature ({})",
                    item.proof().kind()
                ));
            };
            let in_list =
                |digest: &Digest| listed(digest, url, list_at, list, demand, evidence, now);
            // The list may be by another hash function than the pin.
            let others = evidence.other_digests(digest);
            in_list(digest)
                .or_else(|failure| match failure {
                    Failure::NeedsBytes => others
                        .iter()
                        .find_map(|other| in_list(other).ok())
                        .ok_or(failure),
                    _ => Err(failure),
                })
                .map(|(trusted, signer)| by(trusted, signer, item))
                .map_err(|failure| failure.to_string())
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

/// Who signed the list of checksums that has the digest under the name that the file at `url` has in it.
fn listed<'d>(
    digest: &Digest,
    url: &str,
    list_at: &str,
    list: &[u8],
    demand: &'d SignedBy,
    evidence: &Evidence,
    now: Timestamp,
) -> Result<(&'d TrustedKey, Signer), Failure> {
    let artifact = Artifact::File {
        digest,
        content: None,
    };
    let name = name_in_list(url, list_at);
    let within = Proof::of_file(list.to_vec()).ok();
    let clear = match &within {
        Some(Proof::OpenPgp(message)) => Some(opened(message, demand, now)?),
        Some(Proof::Signify(message)) => {
            signify::message(message)?.map(|text| (text.to_vec(), None))
        }
        _ => None,
    };
    match clear {
        // Opening it has checked the signature.
        Some((text, Some((trusted, signer)))) => {
            checksums::verify(&artifact, &text, &name, |_| Ok((trusted, signer)))
        }
        Some((text, None)) => checksums::verify(&artifact, &text, &name, |text| {
            let proof = within.as_ref().ok_or(Failure::NeedsBytes)?;
            verify::verify(text, proof, &demand.keys, now)
        }),
        None => checksums::verify(&artifact, list, &name, |list| {
            let mut failure = Failure::List("has no signature".to_owned());
            let Artifact::File { digest, .. } = list else {
                return Err(failure);
            };
            for item in evidence.of(digest).take(MAX_TRIED) {
                match verify::verify(list, item.proof(), &demand.keys, now) {
                    Ok(signed) => return Ok(signed),
                    Err(why) => failure = why,
                }
            }
            Err(failure)
        }),
    }
}

type Opened<'d> = (Vec<u8>, Option<(&'d TrustedKey, Signer)>);

/// The text within a message of OpenPGP, and who signed it.
fn opened<'d>(message: &[u8], demand: &'d SignedBy, now: Timestamp) -> Result<Opened<'d>, Failure> {
    let mut failure = None;
    for trusted in &demand.keys {
        let Key::OpenPgp(key) = &trusted.key else {
            continue;
        };
        match openpgp::open(message, key, now) {
            Ok((text, signer)) => return Ok((text, Some((trusted, signer)))),
            Err(why) => failure = Some(why),
        }
    }
    let names: Vec<_> = demand.keys.iter().map(|key| key.name.as_str()).collect();
    Err(failure.unwrap_or_else(|| Failure::OtherKind(names.join(", "), openpgp::KIND)))
}

/// The name that the file at `url` has in the list at `list_at`: its path from the list's folder, or its last part.
fn name_in_list(url: &str, list_at: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let list = beside(url, list_at).unwrap_or_default();
    let folder = list.rsplit_once('/').map_or("", |(folder, _)| folder);
    let below = path
        .strip_prefix(folder)
        .and_then(|rest| rest.strip_prefix('/'));
    let last = path.rsplit_once('/').map_or(path, |(_, last)| last);
    below.unwrap_or(last).to_owned()
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
