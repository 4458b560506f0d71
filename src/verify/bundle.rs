//! Sigstore bundles: of a key pair, or of an identity with its certificate.
//!
//! A bundle (media type `application/vnd.dev.sigstore.bundle.v0.3+json`) is what cosign 3 attaches to an image as a referrer and
//! writes for a file, and what GitHub keeps as an artifact attestation. It holds a signature over a file's bytes, or a DSSE
//! envelope around an in-toto statement about an image or file ([`Claim`] says which statements count). Versions 0.1 and 0.2 differ
//! in what they demand of log entries and in holding a chain of certificates.
//!
//! Of a key pair, log entries and timestamps are not needed and not believed, unless the policy names a log: a key that it
//! names is trusted at any time. Of an identity they are what proves that the certificate was valid when it was used.
//!
//! cosign's statement names no repository: a key that signs several repositories is to be kept apart by the rules that name it.
//!
//! Source: `sigstore_bundle.proto` and `sigstore_common.proto` of sigstore/protobuf-specs (JSON mapping), DSSE's `protocol.md` (PAE), the
//! in-toto Statement v1 specification, cosign's `cmd/cosign/cli/sign/sign.go` for what an image's statement holds.

use jiff::Timestamp;
use serde::{Deserialize, de::IgnoredAny};
use sigstore_verify::types;

use super::{
    Artifact, Content, Failure, PublicKey, Signer, base64, json, shown,
    sigstore::{
        By, Claim, Key,
        keyless::{self, Input},
        statement::{self, PAYLOAD_TYPE},
    },
    stream,
};
use crate::digest::Digest;

pub use super::sigstore::statement::SIGNED as PREDICATE;

/// The kind's name in `Dockerfile.evidence`.
pub const KIND: &str = "sigstore-bundle";
/// The media type of the bundles written today, also as the artifact type of the referrer.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Largest bundle read, in bytes.
pub const MAX_BUNDLE: usize = 4 * 1024 * 1024;
/// Most log entries or timestamps in a bundle; usual is one of each.
const MAX_WITNESSES: usize = 16;
/// Most certificates in a bundle.
const MAX_CHAIN: usize = 16;

const V0_1: &str = "application/vnd.dev.sigstore.bundle+json;version=0.1";
const V0_2: &str = "application/vnd.dev.sigstore.bundle+json;version=0.2";
const V0_3: &str = "application/vnd.dev.sigstore.bundle+json;version=0.3";

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
    x509_certificate_chain: Option<Chain>,
    #[serde(default)]
    tlog_entries: Vec<LogEntry>,
    timestamp_verification_data: Option<Timestamps>,
}

#[derive(Deserialize)]
struct Chain {
    #[serde(default)]
    certificates: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogEntry {
    inclusion_promise: Option<IgnoredAny>,
    inclusion_proof: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Timestamps {
    #[serde(default)]
    rfc3161_timestamps: Vec<IgnoredAny>,
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

/// The tag under which a registry without the referrers API lists the referrers of `digest`: `sha256-HEX`.
///
/// Source: OCI distribution-spec, "Referrers Tag Schema".
#[must_use]
pub fn fallback_tag(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex())
}

/// Checks that `key` made the bundle `bytes` for `artifact` before `at`, and that it says what is claimed.
///
/// # Errors
/// [`Failure`].
pub fn verify(
    artifact: &Artifact<'_>,
    bytes: &[u8],
    key: &Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let bundle: Bundle = json::read(bytes, MAX_BUNDLE).map_err(|error| form(&error.to_string()))?;
    bundle.check()?;
    match (&key.by, bundle.verification_material.has_certificate()) {
        (By::PublicKey { .. }, true) => return Err(Failure::Keyless),
        (By::Identity { .. }, false) => return Err(Failure::Keyed),
        _ => bundle.verification_material.is_one()?,
    }
    let content_type = |found: &str, wanted| Failure::Type {
        what: "bundle's content",
        found: found.to_owned(),
        wanted,
    };
    match (&bundle.dsse_envelope, &bundle.message_signature, artifact) {
        (Some(envelope), None, Artifact::Image { digest, .. }) => {
            attested(digest, bytes, envelope, key, at)
        }
        (Some(envelope), None, Artifact::File { digest, .. }) if key.claim != Claim::Signature => {
            attested(digest, bytes, envelope, key, at)
        }
        (Some(_), None, Artifact::File { .. } | Artifact::Git(_)) => {
            Err(content_type("dsseEnvelope", "messageSignature"))
        }
        (None, Some(message), Artifact::File { digest, content })
            if !matches!(key.claim, Claim::Provenance(_)) =>
        {
            file(digest, *content, bytes, message, key, at)
        }
        (None, Some(_), _) => Err(content_type("messageSignature", "dsseEnvelope")),
        (Some(_), Some(_), _) | (None, None, _) => Err(form(
            "it must hold either a dsseEnvelope or a messageSignature",
        )),
    }
}

fn form(why: &str) -> Failure {
    Failure::Form {
        what: "bundle",
        why: why.to_owned(),
    }
}

impl Bundle {
    /// What holds for every bundle, whoever signed it.
    fn check(&self) -> Result<(), Failure> {
        let material = &self.verification_material;
        let mut entries = material.tlog_entries.iter();
        match self.media_type.as_str() {
            MEDIA_TYPE | V0_3 => {}
            V0_1 if entries.any(|entry| entry.inclusion_promise.is_some()) => {}
            V0_2 if entries.any(|entry| entry.inclusion_proof.is_some()) => {}
            V0_1 | V0_2 => {
                return Err(form(&format!(
                    "its media type is `{}`, and no log entry has the promise (0.1) or proof (0.2) that goes with it",
                    self.media_type
                )));
            }
            other => {
                return Err(Failure::Type {
                    what: "bundle's media type",
                    found: shown(other),
                    wanted: MEDIA_TYPE,
                });
            }
        }
        if material.public_key.is_none() && !material.has_certificate() {
            return Err(form(
                "its verificationMaterial has no publicKey and no certificate",
            ));
        }
        let chain = material.x509_certificate_chain.as_ref();
        let stamps = material.timestamp_verification_data.as_ref();
        for (what, count, most) in [
            ("log entries", material.tlog_entries.len(), MAX_WITNESSES),
            (
                "timestamps",
                stamps.map_or(0, |stamps| stamps.rfc3161_timestamps.len()),
                MAX_WITNESSES,
            ),
            (
                "certificates",
                chain.map_or(0, |chain| chain.certificates.len()),
                MAX_CHAIN,
            ),
        ] {
            if count > most {
                return Err(form(&format!("it has {count} {what}; read are {most}")));
            }
        }
        Ok(())
    }
}

impl Material {
    /// That there is one way to say who signed.
    fn is_one(&self) -> Result<(), Failure> {
        let certificate = self.certificate.is_some();
        let chain = self.x509_certificate_chain.is_some();
        match (self.public_key.is_some(), certificate, chain) {
            (true, false, false) | (false, true, false) | (false, false, true) => Ok(()),
            _ => Err(form(
                "its verificationMaterial has more than one of publicKey, certificate and x509CertificateChain",
            )),
        }
    }

    fn has_certificate(&self) -> bool {
        self.certificate.is_some() || self.x509_certificate_chain.is_some()
    }
}

/// A statement about an image or file.
fn attested(
    digest: &Digest,
    bytes: &[u8],
    envelope: &Envelope,
    key: &Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let [signature] = envelope.signatures.as_slice() else {
        return Err(form(&format!(
            "its envelope has {} signatures instead of one",
            envelope.signatures.len()
        )));
    };
    let payload = base64("bundle's payload", &envelope.payload)?;
    let signature = base64("bundle's signature", &signature.sig)?;
    let input = Input::Digest(digest, None);
    let (signer, source) = match &key.by {
        By::PublicKey { key, log } => {
            let message = pre_authentication_encoding(&envelope.payload_type, &payload);
            key.require(key.verify(&message, &signature))?;
            (logged(bytes, &input, key, log.as_ref(), at), None)
        }
        By::Identity { identity, roots } => {
            let held = keyless::by_identity(&library(bytes)?, &input, identity, roots, at);
            match held {
                Ok(held) => (Ok(held.signer), held.source),
                Err(failure) => (Err(failure), None),
            }
        }
    };
    match signer {
        // The library looks at subjects after the signature, and says less about them.
        Ok(_) | Err(Failure::Digest { .. }) => {}
        Err(other) => return Err(other),
    }
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(Failure::Type {
            what: "envelope's payload type",
            found: shown(&envelope.payload_type),
            wanted: PAYLOAD_TYPE,
        });
    }
    statement::check(&payload, digest, &key.claim, source.as_ref())?;
    signer
}

/// A signature over a file.
fn file(
    digest: &Digest,
    content: Option<&dyn Content>,
    bytes: &[u8],
    message: &MessageSignature,
    key: &Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let signature = base64("bundle's signature", &message.signature)?;
    let input = Input::Digest(digest, content);
    match &key.by {
        By::PublicKey { key, log } => {
            over_file(digest, content, &signature, key)?;
            logged(bytes, &input, key, log.as_ref(), at)
        }
        By::Identity { identity, roots } => {
            keyless::by_identity(&library(bytes)?, &input, identity, roots, at)
                .map(|held| held.signer)
        }
    }
}

/// The signer; if the policy names a log, only if the bundle proves that it is in one.
fn logged(
    bytes: &[u8],
    input: &Input<'_>,
    key: &PublicKey,
    log: Option<&super::sigstore::Roots>,
    at: Timestamp,
) -> Result<Signer, Failure> {
    match log {
        None => Ok(key.signer()),
        Some(roots) => keyless::by_key_in_log(&library(bytes)?, input, key, roots, at),
    }
}

/// The bundle as the library reads it; that it says nothing twice is known.
fn library(bytes: &[u8]) -> Result<types::Bundle, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|error| form(&error.to_string()))?;
    let bundle =
        types::Bundle::from_json(text).map_err(|error| form(&shown(&error.to_string())))?;
    check_sizes(&bundle)?;
    Ok(bundle)
}

/// That the log entries of `bundle` are proven for the tree that their checkpoint is of.
pub(super) fn check_sizes(bundle: &types::Bundle) -> Result<(), Failure> {
    for entry in &bundle.verification_material.tlog_entries {
        // The library compares the roots of proof and checkpoint, not their sizes. Rekor v2 does without the former.
        let proof = entry
            .inclusion_proof
            .as_ref()
            .filter(|_| entry.kind_version != types::KindVersion::HashedRekordV002);
        let sizes = proof.and_then(|proof| {
            let checkpoint = proof.checkpoint.checkpoint()?;
            Some((proof.tree_size, checkpoint.tree_size()))
        });
        if let Some((proven, signed)) = sizes.filter(|(proven, signed)| proven != signed) {
            return Err(Failure::Witness {
                what: "log entry",
                why: format!(
                    "its proof is for a tree of {proven} entries, its checkpoint for one of {signed}"
                ),
            });
        }
    }
    Ok(())
}

/// By the digest if that is enough, else in one pass over the bytes.
fn over_file(
    digest: &Digest,
    content: Option<&dyn Content>,
    signature: &[u8],
    key: &PublicKey,
) -> Result<(), Failure> {
    let by_digest = key.verify_digest(digest, signature);
    if by_digest.is_ok() || content.is_none() {
        return by_digest;
    }
    let artifact = Artifact::File { digest, content };
    let mut running = key.running(signature)?;
    stream::read(&artifact, KIND, |bytes| running.update(bytes))?;
    key.require(running.holds())
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
