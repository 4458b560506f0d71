//! Signatures over a file's bytes, checked by our own image as a build step: the frontend has no files.
//!
//! The frontend writes a [`Request`], the step an answer; both are JSON. BuildKit caches the step by what is in the
//! request and by the file's digest, so that the same signature over the same file is checked once.

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
};

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    lock::Evidence,
    policy::Unchecked,
    verify::{self, Artifact, Content, Proof, Signer, TrustedKey, Written},
};

/// Largest request or answer, in bytes.
const MAX: u64 = 256 << 20;

/// What is to be checked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Request {
    digest: Digest,
    /// The time that counts.
    at: Timestamp,
    /// The signatures, as `Dockerfile.evidence` has them.
    evidence: String,
    /// Which of them is to be checked with which key.
    checks: Vec<Check>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Check {
    item: Digest,
    key: Written,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Outcome {
    Signed { who: String, at: Option<Timestamp> },
    Failed(String),
}

impl Request {
    /// Asks for `checks` over the file with the digest `digest`. The time that counts is the end of `now`'s day, so that one
    /// day's builds ask the same: what expires today counts as expired.
    #[must_use]
    pub fn new(digest: &Digest, checks: &[Unchecked], now: Timestamp) -> Self {
        let mut evidence = Evidence::default();
        for check in checks {
            evidence.insert(digest.clone(), check.item.proof().clone());
        }
        Self {
            digest: digest.clone(),
            at: end_of_day(now),
            evidence: evidence.to_string(),
            checks: checks
                .iter()
                .map(|check| Check {
                    item: check.item.id().clone(),
                    key: check.key.clone(),
                })
                .collect(),
        }
    }

    /// As the step reads it.
    ///
    /// # Errors
    /// A sentence.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }

    /// What the step wrote, in the order of the checks.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn answer(&self, bytes: &[u8]) -> Result<Vec<Result<Signer, String>>, String> {
        let outcomes: Vec<Outcome> =
            serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if outcomes.len() != self.checks.len() {
            return Err("it has another number of outcomes".to_owned());
        }
        Ok(outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::Signed { who, at } => Ok(Signer { who, signed: at }),
                Outcome::Failed(why) => Err(why),
            })
            .collect())
    }
}

fn one(
    content: &dyn Content,
    digest: &Digest,
    proof: &Proof,
    key: TrustedKey,
    at: Timestamp,
) -> Result<Signer, String> {
    let artifact = Artifact::File {
        digest,
        content: Some(content),
    };
    verify::verify(&artifact, proof, &[key], at)
        .map(|(_, signer)| signer)
        .map_err(|failure| failure.to_string())
}

/// Checks them here, where the file is `content`: what came of each, in their order.
#[must_use]
pub fn check(
    content: &dyn Content,
    digest: &Digest,
    checks: &[Unchecked],
    now: Timestamp,
) -> Vec<Result<Signer, String>> {
    checks
        .iter()
        .map(|check| {
            let key = TrustedKey {
                name: "key".to_owned(),
                key: check.key.read()?,
            };
            one(content, digest, check.item.proof(), key, end_of_day(now))
        })
        .collect()
}

fn end_of_day(now: Timestamp) -> Timestamp {
    now.to_zoned(TimeZone::UTC).end_of_day().map_or_else(
        |_| now.saturating_add(24.hours()).unwrap_or(now),
        |end| end.timestamp(),
    )
}

/// The step: checks the signatures in the file `request` over `file`, and writes what came of it to `out`.
///
/// That a signature does not hold is an answer, too: the frontend shows it at the user's own line.
///
/// # Errors
/// Whatever reading or writing says.
pub fn run(file: &Path, request: &Path, out: &Path) -> io::Result<()> {
    let mut bytes = Vec::new();
    File::open(request)?.take(MAX).read_to_end(&mut bytes)?;
    let request: Request = serde_json::from_slice(&bytes)?;
    let evidence = Evidence::parse(request.evidence.as_bytes(), "the request")
        .map_err(|error| io::Error::other(error.to_string()))?;
    let content = file.to_path_buf();
    let outcomes: Vec<Outcome> = request
        .checks
        .iter()
        .map(|check| {
            let item = evidence.iter().find(|item| *item.id() == check.item);
            let item = item.ok_or("there is no such signature")?;
            let key = TrustedKey {
                name: "key".to_owned(),
                key: check.key.read()?,
            };
            one(&content, &request.digest, item.proof(), key, request.at)
        })
        .map(|outcome: Result<Signer, String>| match outcome {
            Ok(Signer { who, signed: at }) => Outcome::Signed { who, at },
            Err(why) => Outcome::Failed(why),
        })
        .collect();
    fs::File::create(out)?.write_all(&serde_json::to_vec(&outcomes)?)
}
