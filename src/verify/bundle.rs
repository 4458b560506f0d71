//! Sigstore bundles signed with a public key.
//!
//! A bundle (media type `application/vnd.dev.sigstore.bundle.v0.3+json`) is what cosign 3 attaches to an image as a referrer and
//! writes for a file. For an image it holds a DSSE envelope around an in-toto statement whose one subject is the image's digest
//! and whose predicate type is [`PREDICATE`]; for a file a signature over the file's bytes. Transparency log entries and
//! timestamps say when something was signed; a key that the policy names is trusted at any time, so they are not needed, and not
//! believed.
//!
//! The statement names no repository: a key that signs several repositories is to be kept apart by the rules that name it.
//!
//! Source: `sigstore_bundle.proto` and `sigstore_common.proto` of sigstore/protobuf-specs (JSON mapping), DSSE's `protocol.md` (PAE), the
//! in-toto Statement v1 specification, cosign's `cmd/cosign/cli/sign/sign.go` for what an image's statement holds.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
};

use jiff::Timestamp;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    Artifact, Content, Failure, PublicKey, Signer, base64, json, key::PrehashError, shown,
};
use crate::digest::{Algorithm, Digest};

/// The kind's name in `Dockerfile.evidence`.
pub const KIND: &str = "sigstore-bundle";
/// The media type of the bundles read, also as the artifact type of the referrer.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The predicate type of a statement that says: this image is signed.
pub const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";
/// Largest file that is read into memory.
const MAX_FILE: u64 = 256 << 20;
/// Largest bundle read, in bytes.
pub const MAX_BUNDLE: usize = 4 * 1024 * 1024;

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const STATEMENT: &str = "https://in-toto.io/Statement/v1";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<MessageSignature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Material {
    public_key: Option<PublicKeyHint>,
    certificate: Option<IgnoredAny>,
    x509_certificate_chain: Option<IgnoredAny>,
    #[serde(rename = "tlogEntries", default)]
    _tlog_entries: Vec<IgnoredAny>,
    #[serde(rename = "timestampVerificationData", default)]
    _timestamps: Option<json::AnyObject>,
}

/// A hint is for finding a key; ours are found by name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicKeyHint {
    #[serde(rename = "hint", default)]
    _hint: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeSignature {
    sig: String,
    #[serde(rename = "keyid", default)]
    _keyid: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct MessageSignature {
    #[serde(rename = "messageDigest", default)]
    _digest: Option<MessageDigest>,
    signature: String,
}

/// For looking up, says the specification: not what is verified.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageDigest {
    #[serde(rename = "algorithm", default)]
    _algorithm: String,
    #[serde(rename = "digest", default)]
    _digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
    #[serde(rename = "predicate", default)]
    _predicate: Option<json::AnyObject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    #[serde(rename = "name", default)]
    _name: String,
    digest: BTreeMap<String, String>,
    #[serde(rename = "annotations", default)]
    _annotations: Option<json::AnyObject>,
}

/// The tag under which a registry without the referrers API lists the referrers of `digest`: `sha256-HEX`.
///
/// Source: OCI distribution-spec, "Referrers Tag Schema".
#[must_use]
pub fn fallback_tag(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex())
}

/// Checks that `key` made the bundle `bytes` for `artifact`. A key that the policy names is trusted at any time.
///
/// # Errors
/// [`Failure`].
pub fn verify(
    artifact: &Artifact<'_>,
    bytes: &[u8],
    key: &PublicKey,
    _at: Timestamp,
) -> Result<Signer, Failure> {
    let bundle: Bundle = json::read(bytes, MAX_BUNDLE).map_err(|error| Failure::Form {
        what: "bundle",
        why: error.to_string(),
    })?;
    if bundle.media_type != MEDIA_TYPE {
        return Err(Failure::Type {
            what: "bundle's media type",
            found: shown(&bundle.media_type),
            wanted: MEDIA_TYPE,
        });
    }
    let material = &bundle.verification_material;
    if material.certificate.is_some() || material.x509_certificate_chain.is_some() {
        return Err(Failure::Keyless);
    }
    if material.public_key.is_none() {
        return Err(Failure::Form {
            what: "bundle",
            why: "its verificationMaterial has no publicKey".to_owned(),
        });
    }
    match (bundle.dsse_envelope, bundle.message_signature, artifact) {
        (Some(envelope), None, Artifact::Image { digest, .. }) => image(digest, &envelope, key),
        (None, Some(message), Artifact::File { digest, content }) => {
            file(digest, *content, &message, key)
        }
        (Some(_), Some(_), _) | (None, None, _) => Err(Failure::Form {
            what: "bundle",
            why: "it must hold either a dsseEnvelope or a messageSignature".to_owned(),
        }),
        (None, Some(_), Artifact::Image { .. } | Artifact::Git(_)) => Err(Failure::Type {
            what: "bundle's content",
            found: "messageSignature".to_owned(),
            wanted: "dsseEnvelope",
        }),
        (Some(_), None, Artifact::File { .. } | Artifact::Git(_)) => Err(Failure::Type {
            what: "bundle's content",
            found: "dsseEnvelope".to_owned(),
            wanted: "messageSignature",
        }),
    }
}

fn image(digest: &Digest, envelope: &Envelope, key: &PublicKey) -> Result<Signer, Failure> {
    let [signature] = envelope.signatures.as_slice() else {
        return Err(Failure::Form {
            what: "bundle",
            why: format!(
                "its envelope has {} signatures instead of one",
                envelope.signatures.len()
            ),
        });
    };
    let payload = base64("bundle's payload", &envelope.payload)?;
    let signature = base64("bundle's signature", &signature.sig)?;
    let message = pre_authentication_encoding(&envelope.payload_type, &payload);
    key.require(key.verify(&message, &signature))?;

    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(Failure::Type {
            what: "envelope's payload type",
            found: shown(&envelope.payload_type),
            wanted: PAYLOAD_TYPE,
        });
    }
    let statement: Statement = json::read(&payload, MAX_BUNDLE).map_err(|error| Failure::Form {
        what: "statement",
        why: error.to_string(),
    })?;
    if statement.kind != STATEMENT {
        return Err(Failure::Type {
            what: "statement's type",
            found: shown(&statement.kind),
            wanted: STATEMENT,
        });
    }
    if statement.predicate_type != PREDICATE {
        return Err(Failure::Type {
            what: "statement's predicate type",
            found: shown(&statement.predicate_type),
            wanted: PREDICATE,
        });
    }
    let [subject] = statement.subject.as_slice() else {
        return Err(Failure::Subjects(statement.subject.len()));
    };
    let mut digests = subject.digest.iter();
    match (digests.next(), digests.next()) {
        (Some((algorithm, hex)), None)
            if algorithm == digest.algorithm().name() && hex == digest.hex() =>
        {
            Ok(key.signer())
        }
        (Some((algorithm, hex)), None) => Err(Failure::Digest {
            signed: shown(&format!("{algorithm}:{hex}")),
            wanted: digest.clone(),
        }),
        _ => Err(Failure::Form {
            what: "statement",
            why: format!(
                "its subject has {} digests instead of one",
                subject.digest.len()
            ),
        }),
    }
}

fn file(
    digest: &Digest,
    content: Option<&dyn Content>,
    message: &MessageSignature,
    key: &PublicKey,
) -> Result<Signer, Failure> {
    let signature = base64("bundle's signature", &message.signature)?;
    if let Some(content) = content.filter(|_| digest.algorithm() == Algorithm::Sha256) {
        let bytes = read(content)?;
        let found = Digest::sha256(&bytes);
        if found != *digest {
            return Err(Failure::Digest {
                signed: found.to_string(),
                wanted: digest.clone(),
            });
        }
        key.require(key.verify(&bytes, &signature))?;
        return Ok(key.signer());
    }
    match key.verify_digest(digest, &signature) {
        Ok(()) => Ok(key.signer()),
        Err(PrehashError::Mismatch) => Err(Failure::Signature(key.who())),
        Err(PrehashError::NeedsBytes) => Err(Failure::NeedsBytes),
        Err(PrehashError::Hash) => Err(Failure::Hash {
            signed: key.algorithm(),
            known: digest.algorithm().name(),
        }),
    }
}

/// All of the file, up to a bound: Ed25519 signs bytes.
fn read(content: &dyn Content) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::Read(error.to_string());
    let mut bytes = Vec::new();
    let most = MAX_FILE.saturating_add(1);
    let reader = content.open().map_err(failed)?;
    reader.take(most).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Failure::Read(format!("it has more than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

/// DSSE's encoding of type and body, which is what is signed.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    );
    let mut message = head.into_bytes();
    message.extend_from_slice(payload);
    message
}
