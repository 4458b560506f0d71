//! `Dockerfile.evidence`: signatures and bundles, so that a build verifies again without asking anyone.
//!
//! One JSON object a line. `id` is the SHA-256 of the object's other members, written without white space in the order below:
//!
//! ```json
//! {"id":"sha256:…","kind":"cosign-signature","subject":"sha256:…","payload":"BASE64","signature":"BASE64"}
//! {"id":"sha256:…","kind":"sigstore-bundle","subject":"sha256:…","bundle":"BASE64"}
//! {"id":"sha256:…","kind":"openpgp","subject":"sha256:…","signature":"BASE64"}
//! {"id":"sha256:…","kind":"minisign","subject":"sha256:…","signature":"BASE64"}
//! {"id":"sha256:…","kind":"signify","subject":"sha256:…","signature":"BASE64"}
//! {"id":"sha256:…","kind":"ssh","subject":"sha256:…","signature":"BASE64"}
//! {"id":"sha256:…","kind":"notation","subject":"sha256:…","media-type":"application/jose+json","envelope":"BASE64"}
//! {"id":"sha256:…","kind":"checksums","subject":"sha256:…","list":"BASE64"}
//! {"id":"sha256:…","kind":"git","subject":"sha256:…","tags":["BASE64"],"commit":"BASE64"}
//! {"id":"sha256:…","kind":"attestations","subject":"sha256:…","index":"BASE64","manifests":["BASE64"],"statements":["BASE64"]}
//! ```
//!
//! A keyless signature of cosign's older format has the members `certificate`, `log` and `timestamp`, too: its annotations as they are.
//! `subject` is the digest that the item is offered for: an image's, a file's, a checksum list's; for git that of the commit's
//! id as text. It finds the item, and proves nothing. A checksum list proves something if another item signs it, or it is
//! signed within itself; attestations, if other items sign their manifests.

use std::{collections::BTreeMap, fmt};

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    policy::strict::FileError,
    verify::{
        Proof, Signer, attestation, bundle, checksums, cosign, git, json, minisign, notation,
        openpgp, signify, ssh,
    },
};

/// Largest file read, in bytes.
pub const MAX_FILE: usize = 64 * 1024 * 1024;
/// Longest line, in bytes: the largest bundle in base64, and room for the rest.
const MAX_LINE: usize = bundle::MAX_BUNDLE / 3 * 4 + 64 * 1024;
/// Most items in a file.
const MAX_ITEMS: usize = 20_000;

/// Proofs by the digest that they are offered for: those of the file, and those found live.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    items: BTreeMap<Digest, BTreeMap<Digest, Item>>,
    /// What the step that reads files' bytes has found, by the ids of item and key. Never part of the file.
    checked: BTreeMap<(Digest, Digest), Result<Signer, String>>,
    /// The digests by other hash functions that it has found, by the one that the file is fixed to.
    others: BTreeMap<Digest, Vec<Digest>>,
}

/// One proof. Untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    id: Digest,
    subject: Digest,
    proof: Proof,
}

/// The members that `id` covers, in their order.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Content {
    CosignSignature {
        subject: Digest,
        payload: String,
        signature: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timestamp: Option<String>,
    },
    SigstoreBundle {
        subject: Digest,
        bundle: String,
    },
    Openpgp(Signature),
    Minisign(Signature),
    Signify(Signature),
    Ssh(Signature),
    Notation {
        subject: Digest,
        #[serde(rename = "media-type")]
        media_type: String,
        envelope: String,
    },
    Checksums {
        subject: Digest,
        list: String,
    },
    Git {
        subject: Digest,
        tags: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
    },
    Attestations {
        subject: Digest,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<String>,
        manifests: Vec<String>,
        statements: Vec<String>,
    },
}

/// A signature that is one file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    subject: Digest,
    signature: String,
}

impl Signature {
    fn new(subject: Digest, bytes: &[u8]) -> Self {
        Self {
            subject,
            signature: Base64::encode_string(bytes),
        }
    }
}

impl Item {
    /// The SHA-256 of the content.
    #[must_use]
    pub fn id(&self) -> &Digest {
        &self.id
    }

    /// The digest that the proof is offered for.
    #[must_use]
    pub fn subject(&self) -> &Digest {
        &self.subject
    }

    /// What may prove it.
    #[must_use]
    pub fn proof(&self) -> &Proof {
        &self.proof
    }
}

impl Evidence {
    /// Reads the evidence `bytes` of the file called `file`.
    ///
    /// # Errors
    /// The first line that is not exactly as described above, or whose content is not the one that its `id` names.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, FileError> {
        let mut evidence = Self::default();
        let mut start: usize = 0;
        let error = |line: usize, span, message| FileError {
            file: file.to_owned(),
            span,
            line,
            column: 1,
            message,
        };
        if bytes.len() > MAX_FILE {
            return Err(error(
                1,
                0..0,
                format!("the file has more than {MAX_FILE} bytes"),
            ));
        }
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        if bytes.is_empty() {
            return Ok(evidence);
        }
        for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let number = index.saturating_add(1);
            let span = start..start.saturating_add(line.len());
            start = span.end.saturating_add(1);
            if number > MAX_ITEMS {
                return Err(error(
                    number,
                    span,
                    format!("the file has more than {MAX_ITEMS} lines"),
                ));
            }
            let item = read_line(line).map_err(|why| error(number, span.clone(), why))?;
            let id = item.id.clone();
            if !evidence.add(item) {
                return Err(error(number, span, format!("{id} is there twice")));
            }
        }
        Ok(evidence)
    }

    /// Adds a proof offered for `subject`, found live, and gives its `id`.
    pub fn insert(&mut self, subject: Digest, proof: Proof) -> Digest {
        let id = id(&Content::new(&subject, &proof));
        self.add(Item {
            id: id.clone(),
            subject,
            proof,
        });
        id
    }

    /// Notes what came of checking the item `item` with the key `key` over the file's bytes.
    pub fn note(&mut self, item: Digest, key: Digest, outcome: Result<Signer, String>) {
        self.checked.insert((item, key), outcome);
    }

    /// What came of checking the item `item` with the key `key` over the file's bytes; `None` if nobody did.
    #[must_use]
    pub fn checked(&self, item: &Digest, key: &Digest) -> Option<&Result<Signer, String>> {
        self.checked.get(&(item.clone(), key.clone()))
    }

    /// Notes that the file with the digest `digest` has these digests by other hash functions.
    pub fn note_digests(&mut self, digest: Digest, others: Vec<Digest>) {
        self.others.insert(digest, others);
    }

    /// The digests by other hash functions of the file with the digest `digest`; none if nobody read it.
    #[must_use]
    pub fn other_digests(&self, digest: &Digest) -> &[Digest] {
        self.others.get(digest).map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, item: Item) -> bool {
        let of_subject = self.items.entry(item.subject.clone()).or_default();
        of_subject.insert(item.id.clone(), item).is_none()
    }

    /// The proofs offered for `subject`, in the order of their `id`s.
    pub fn of(&self, subject: &Digest) -> impl Iterator<Item = &Item> {
        self.items
            .get(subject)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// All proofs, by subject, then `id`.
    pub fn iter(&self) -> impl Iterator<Item = &Item> {
        self.items.values().flat_map(BTreeMap::values)
    }
}

/// The text of the file: sorted by subject, then `id`.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in self.iter() {
            let content = canonical(&Content::new(&item.subject, &item.proof));
            let members = content.strip_prefix('{').unwrap_or(&content);
            writeln!(f, "{{\"id\":\"{}\",{members}", item.id)?;
        }
        Ok(())
    }
}

impl Content {
    fn new(subject: &Digest, proof: &Proof) -> Self {
        let subject = subject.clone();
        match proof {
            Proof::Cosign(signature) => Self::CosignSignature {
                subject,
                payload: Base64::encode_string(&signature.payload),
                signature: signature.signature.clone(),
                certificate: signature.certificate.clone(),
                log: signature.log.clone(),
                timestamp: signature.timestamp.clone(),
            },
            Proof::Bundle(bytes) => Self::SigstoreBundle {
                subject,
                bundle: Base64::encode_string(bytes),
            },
            Proof::OpenPgp(bytes) => Self::Openpgp(Signature::new(subject, bytes)),
            Proof::Minisign(bytes) => Self::Minisign(Signature::new(subject, bytes)),
            Proof::Signify(bytes) => Self::Signify(Signature::new(subject, bytes)),
            Proof::Ssh(bytes) => Self::Ssh(Signature::new(subject, bytes)),
            Proof::Notation(proof) => {
                let (media_type, envelope) = proof.parts();
                Self::Notation {
                    subject,
                    media_type: media_type.to_owned(),
                    envelope: Base64::encode_string(envelope),
                }
            }
            Proof::Checksums(bytes) => Self::Checksums {
                subject,
                list: Base64::encode_string(bytes),
            },
            Proof::Git(objects) => Self::Git {
                subject,
                tags: objects
                    .tags
                    .iter()
                    .map(|tag| Base64::encode_string(tag))
                    .collect(),
                commit: objects.commit.as_deref().map(Base64::encode_string),
            },
            Proof::Attestations(documents) => {
                let texts =
                    |all: &[Vec<u8>]| all.iter().map(|one| Base64::encode_string(one)).collect();
                Self::Attestations {
                    subject,
                    index: documents.index.as_deref().map(Base64::encode_string),
                    manifests: texts(&documents.manifests),
                    statements: texts(&documents.statements),
                }
            }
        }
    }

    fn into_item(self, id: Digest) -> Result<Item, String> {
        let decode = |member: &str, text: &str, limit: usize| {
            let bytes = Base64::decode_vec(text)
                .map_err(|_| format!("`{member}` is no base64 (RFC 4648, padded)"))?;
            if bytes.len() > limit {
                return Err(format!("`{member}` has more than {limit} bytes"));
            }
            Ok(bytes)
        };
        let (subject, proof) = match self {
            Self::CosignSignature {
                subject,
                payload,
                signature,
                certificate,
                log,
                timestamp,
            } => {
                let annotations = [&certificate, &log, &timestamp];
                let most = cosign::MAX_ANNOTATION;
                if annotations
                    .into_iter()
                    .flatten()
                    .any(|text| text.len() > most)
                {
                    return Err(format!("an annotation has more than {most} bytes"));
                }
                if signature.len() > cosign::MAX_SIGNATURE {
                    return Err(format!(
                        "`signature` has more than {} bytes",
                        cosign::MAX_SIGNATURE
                    ));
                }
                let payload = decode("payload", &payload, cosign::MAX_PAYLOAD)?;
                (
                    subject,
                    Proof::Cosign(cosign::Signature {
                        payload,
                        signature,
                        certificate,
                        log,
                        timestamp,
                    }),
                )
            }
            Self::SigstoreBundle { subject, bundle } => (
                subject,
                Proof::Bundle(decode("bundle", &bundle, bundle::MAX_BUNDLE)?),
            ),
            Self::Openpgp(Signature { subject, signature }) => (
                subject,
                Proof::OpenPgp(decode("signature", &signature, openpgp::MAX_PROOF)?),
            ),
            Self::Minisign(Signature { subject, signature }) => (
                subject,
                Proof::Minisign(decode("signature", &signature, minisign::MAX_PROOF)?),
            ),
            Self::Signify(Signature { subject, signature }) => (
                subject,
                Proof::Signify(decode("signature", &signature, signify::MAX_PROOF)?),
            ),
            Self::Ssh(Signature { subject, signature }) => (
                subject,
                Proof::Ssh(decode("signature", &signature, ssh::MAX_PROOF)?),
            ),
            Self::Notation {
                subject,
                media_type,
                envelope,
            } => {
                let bytes = decode("envelope", &envelope, notation::MAX_ENVELOPE)?;
                let proof = notation::Proof::new(&media_type, bytes)
                    .ok_or_else(|| "`media-type` is none of an envelope".to_owned())?;
                (subject, Proof::Notation(proof))
            }
            Self::Checksums { subject, list } => (
                subject,
                Proof::Checksums(decode("list", &list, checksums::MAX_LIST)?),
            ),
            Self::Git {
                subject,
                tags,
                commit,
            } => {
                if tags.len() > git::MAX_TAGS {
                    return Err(format!("`tags` has more than {} entries", git::MAX_TAGS));
                }
                let tags = tags
                    .iter()
                    .map(|tag| decode("tags", tag, git::MAX_OBJECT))
                    .collect::<Result<_, _>>()?;
                let commit = commit
                    .map(|commit| decode("commit", &commit, git::MAX_OBJECT))
                    .transpose()?;
                (subject, Proof::Git(git::Objects { tags, commit }))
            }
            Self::Attestations {
                subject,
                index,
                manifests,
                statements,
            } => {
                let all = |member: &str, texts: Vec<String>| {
                    let texts = texts.iter();
                    texts
                        .map(|text| decode(member, text, attestation::MAX_BYTES))
                        .collect::<Result<Vec<_>, _>>()
                };
                let index = index.map(|text| decode("index", &text, attestation::MAX_BYTES));
                let documents = attestation::Attestations {
                    index: index.transpose()?,
                    manifests: all("manifests", manifests)?,
                    statements: all("statements", statements)?,
                };
                (subject, Proof::Attestations(documents))
            }
        };
        Ok(Item { id, subject, proof })
    }
}

/// The members in their order, without white space.
fn canonical(content: &Content) -> String {
    // Serializing texts to memory cannot fail; an empty text would only make an `id` that matches nothing.
    serde_json::to_string(content).unwrap_or_default()
}

fn id(content: &Content) -> Digest {
    Digest::sha256(canonical(content).as_bytes())
}

fn read_line(line: &[u8]) -> Result<Item, String> {
    let mut object: serde_json::Map<String, serde_json::Value> =
        json::read(line, MAX_LINE).map_err(|error| format!("not one JSON object: {error}"))?;
    let named: Digest = match object.remove("id") {
        Some(serde_json::Value::String(text)) => {
            text.parse().map_err(|error| format!("`id`: {error}"))?
        }
        _ => return Err("`id` is missing or no text".to_owned()),
    };
    let content: Content = serde_json::from_value(serde_json::Value::Object(object))
        .map_err(|error| error.to_string())?;
    let found = id(&content);
    if found != named {
        return Err(format!(
            "the content is {found}, not {named}: it was changed"
        ));
    }
    content.into_item(named)
}
