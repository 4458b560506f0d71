//! What our own image does as a step of a build: the work that the frontend process cannot do, because it has neither
//! the network nor the files. The frontend reads the file that a step writes; see [`super::buildkit`].

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::registry::{
    Client, Options, Repository,
    auth::Credentials,
    signatures::{self, RawSignature},
};
use crate::{
    digest::Digest,
    lock::{Evidence, Item},
    reference::ImageReference,
    verify::{Proof, attestation::Signed, cosign},
};

/// Where the step finds the client's Docker `config.json`, if the client gave one.
pub const CREDENTIALS_FILE: &str = "/run/secrets/registry";
/// Largest file of logins that is read.
const MAX_CREDENTIALS: u64 = 1 << 20;

/// What the step that fetches signatures tells the frontend. Untrusted, as everything from a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What was found, each with the digest that it is offered for; perhaps nothing.
    Found(Vec<(Digest, Proof)>),
    /// Why nothing could be fetched.
    Failed {
        /// What the registry said.
        cause: String,
        /// What to do about it.
        next: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Written {
    /// As `Dockerfile.evidence` has it.
    Found(String),
    Failed {
        cause: String,
        next: String,
    },
}

/// Reads what the step wrote.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Answer, String> {
    match serde_json::from_slice(bytes).map_err(|error| error.to_string())? {
        Written::Failed { cause, next } => Ok(Answer::Failed { cause, next }),
        Written::Found(text) => {
            let found = Evidence::parse(text.as_bytes(), "the step's answer")
                .map_err(|error| error.to_string())?;
            let pair = |item: &Item| (item.subject().clone(), item.proof().clone());
            Ok(Answer::Found(found.iter().map(pair).collect()))
        }
    }
}

fn write(answer: &Answer) -> serde_json::Result<Vec<u8>> {
    let written = match answer {
        Answer::Failed { cause, next } => Written::Failed {
            cause: cause.clone(),
            next: next.clone(),
        },
        Answer::Found(list) => {
            let mut found = Evidence::default();
            for (subject, proof) in list {
                found.insert(subject.clone(), proof.clone());
            }
            Written::Found(found.to_string())
        }
    };
    serde_json::to_vec(&written)
}

impl From<RawSignature> for Proof {
    fn from(signature: RawSignature) -> Self {
        match signature {
            RawSignature::Cosign {
                payload,
                signature,
                certificate,
                chain: _,
                bundle,
                timestamp,
            } => Self::Cosign(cosign::Signature {
                payload,
                signature,
                certificate,
                log: bundle,
                timestamp,
            }),
            RawSignature::Bundle { json } => Self::Bundle(json),
            RawSignature::Notation(envelope) => Self::Notation(envelope),
        }
    }
}

/// Fetches the signatures of `reference` (`repository@digest`), or the attestations about it with theirs, and writes the answer to `out`.
///
/// That the registry does not answer is an answer, too: the frontend shows it at the user's own line.
///
/// # Errors
/// Whatever writing says.
pub fn fetch_proofs(reference: &str, signed: Signed, out: &Path) -> io::Result<()> {
    let answer = collect(reference, signed, Path::new(CREDENTIALS_FILE));
    File::create(out)?.write_all(&write(&answer)?)
}

fn collect(reference: &str, signed: Signed, credentials: &Path) -> Answer {
    let failed = |cause: String| Answer::Failed {
        cause,
        next: "check the registry, or put the signatures beside the lock".to_owned(),
    };
    let parsed = match ImageReference::parse(reference) {
        Ok(parsed) => parsed,
        Err(error) => return failed(error.to_string()),
    };
    let Some(digest) = parsed.digest() else {
        return failed(format!("{reference} has no digest"));
    };
    let found = Repository::new(parsed.domain(), parsed.path()).and_then(|repository| {
        let credentials = match read_limited(credentials) {
            Some(bytes) => Credentials::from_docker_config(&bytes)?,
            None => Credentials::anonymous(),
        };
        let client = Client::new(Options {
            credentials,
            ..Options::default()
        })?;
        match signed {
            Signed::Attestations => signatures::attestations(&client, &repository, digest),
            Signed::Image => {
                signatures::collect(&client, &repository, digest, &signatures::Place::ALL)
                    .map(|found| found.offered(digest).collect())
            }
        }
    });
    match found {
        Ok(found) => Answer::Found(found),
        Err(error) => failed(error.to_string()),
    }
}

/// The file's bytes; `None` if it is not there, which means that the client gave no logins.
fn read_limited(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .ok()?
        .take(MAX_CREDENTIALS.saturating_add(1))
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// Streams `file` through SHA-256 and writes `sha256:<hex>` to `out`.
///
/// # Errors
/// Whatever reading or writing says.
pub fn sha256(file: &Path, out: &Path) -> io::Result<()> {
    let mut hash = sha2::Sha256::new();
    stream(file, |part| hash.update(part))?;
    File::create(out)?.write_all(line("sha256", &hash.finalize()).as_bytes())
}

/// Streams `file` through SHA-384 and SHA-512 and writes the digests to `out`, one a line.
///
/// # Errors
/// Whatever reading or writing says.
pub fn digests(file: &Path, out: &Path) -> io::Result<()> {
    let (mut short, mut long) = (sha2::Sha384::new(), sha2::Sha512::new());
    stream(file, |part| {
        short.update(part);
        long.update(part);
    })?;
    let lines = [
        line("sha384", &short.finalize()),
        line("sha512", &long.finalize()),
    ];
    File::create(out)?.write_all(lines.join("\n").as_bytes())
}

/// Reads what [`digests`] wrote.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read_digests(bytes: &[u8]) -> Result<Vec<Digest>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    text.lines()
        .map(|line| line.parse().map_err(|error| format!("{error}")))
        .collect()
}

fn line(algorithm: &str, digest: &[u8]) -> String {
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{algorithm}:{hex}")
}

fn stream(file: &Path, mut update: impl FnMut(&[u8])) -> io::Result<()> {
    let mut reader = File::open(file)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = reader.read(&mut buffer)?;
        match buffer.get(..read) {
            Some([]) | None => return Ok(()),
            Some(part) => update(part),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::attestation::Attestations;

    fn folder(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("verified-step-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn the_step_writes_the_digest_of_the_file() {
        let dir = folder("sha256");
        let (file, out) = (dir.join("in"), dir.join("out"));
        let bytes = vec![7_u8; 200_000];
        std::fs::write(&file, &bytes).unwrap();
        sha256(&file, &out).unwrap();
        let written = std::fs::read_to_string(&out).unwrap();
        assert_eq!(written, crate::digest::Digest::sha256(&bytes).to_string());
        assert!(sha256(&dir.join("none"), &out).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn answers_come_back_as_they_were_written() {
        for answer in [
            Answer::Failed {
                cause: "c".into(),
                next: "n".into(),
            },
            Answer::Found(vec![]),
            Answer::Found(vec![
                (Digest::sha256(b"x"), Proof::Bundle(b"{}".to_vec())),
                (
                    Digest::sha256(b"y"),
                    Proof::Cosign(cosign::Signature {
                        payload: vec![0, 255],
                        signature: "MEUC".into(),
                        certificate: Some("PEM".into()),
                        log: Some("{}".into()),
                        timestamp: None,
                    }),
                ),
                (
                    Digest::sha256(b"z"),
                    Proof::Attestations(Attestations {
                        index: Some(b"{}".to_vec()),
                        manifests: vec![b"m".to_vec()],
                        statements: vec![b"s".to_vec(), Vec::new()],
                    }),
                ),
            ]),
        ] {
            let back = read(&write(&answer).unwrap()).unwrap();
            let sorted = |answer: Answer| match answer {
                Answer::Found(mut list) => {
                    list.sort_by_key(|(_, proof)| proof.kind());
                    Answer::Found(list)
                }
                other => other,
            };
            assert_eq!(sorted(back), sorted(answer));
        }
        for bad in ["", "[]", "{\"found\":\"{}\"}", "{\"other\":1}"] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_registry_that_is_not_there_is_an_answer() {
        let dir = folder("fetch");
        // Nothing listens on the discard port of this machine.
        let digest = crate::digest::Digest::sha256(b"");
        let out = dir.join("out");
        let reference = format!("127.0.0.1:9/none@{digest}");
        fetch_proofs(&reference, Signed::Image, &out).unwrap();
        assert!(matches!(
            read(&std::fs::read(&out).unwrap()).unwrap(),
            Answer::Failed { .. }
        ));
        for bad in ["127.0.0.1:9/none", "UPPER@sha256:0"] {
            assert!(matches!(
                collect(bad, Signed::Attestations, Path::new("/none")),
                Answer::Failed { .. }
            ));
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
