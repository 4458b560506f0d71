//! X.509 signatures of git objects by an identity, as gitsign makes them: a CMS message, without the content, by a short-lived certificate of
//! Sigstore's, and proof of when it was made.
//!
//! The CMS signature is over the signed attributes, one of which is the digest of the object. So the attributes are the artifact of a
//! Sigstore signature, and what proves the time stands beside it, in attributes that are not signed:
//!
//! - [`LOG_ENTRY`]: Rekor's entry (`gitsign.rekorMode = offline`) as the protobuf `TransparencyLogEntry` without its body, which is made
//!   again from the certificate, the attributes and the signature;
//! - [`cms::TIMESTAMP`]: an RFC 3161 timestamp over the signature.
//!
//! gitsign's other mode leaves the entry in the log, under the commit's id; a signature of that kind proves no time by itself, and is
//! refused.
//!
//! Source: gitsign's `docs/bundle-cms.md`, `docs/timestamp.md` and `internal/rekor/oid/oid.go`, `sigstore_rekor.proto`, RFC 5652, RFC 5544's
//! attribute as RFC 3161 appendix A has it.

use jiff::Timestamp;
use p256::pkcs8::LineEnding;
use prost::Message as _;
use serde_json::{Value, json};
use sigstore_verify::types;
use x509_cert::der::{
    Encode as _,
    asn1::{ObjectIdentifier, OctetString},
};

use super::{
    Failure, Signer, bundle,
    cms::{self, DATA, Message, TIMESTAMP},
    notation::chain::Hash,
    shown,
    sigstore::{
        By, Claim, Key, Roots,
        keyless::{self, Input},
    },
    stream::hex,
};

/// The unsigned attribute with Rekor's entry.
const LOG_ENTRY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.3.1");

// The parts of `TransparencyLogEntry` (sigstore_rekor.proto) that are not empty in gitsign's.

#[derive(Clone, PartialEq, prost::Message)]
struct LogEntry {
    #[prost(int64, tag = "1")]
    log_index: i64,
    #[prost(message, optional, tag = "2")]
    log_id: Option<LogId>,
    #[prost(message, optional, tag = "3")]
    kind_version: Option<KindVersion>,
    #[prost(int64, tag = "4")]
    integrated_time: i64,
    #[prost(message, optional, tag = "5")]
    inclusion_promise: Option<Promise>,
    #[prost(message, optional, tag = "6")]
    inclusion_proof: Option<Proof>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LogId {
    #[prost(bytes = "vec", tag = "1")]
    key_id: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KindVersion {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Promise {
    #[prost(bytes = "vec", tag = "1")]
    signed_entry_timestamp: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Proof {
    #[prost(int64, tag = "1")]
    log_index: i64,
    #[prost(bytes = "vec", tag = "2")]
    root_hash: Vec<u8>,
    #[prost(int64, tag = "3")]
    tree_size: i64,
    #[prost(bytes = "vec", repeated, tag = "4")]
    hashes: Vec<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    checkpoint: Option<Checkpoint>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Checkpoint {
    #[prost(string, tag = "1")]
    envelope: String,
}

/// Checks that `key` made the signature `armor` over the bytes `payload` before `at`.
///
/// # Errors
/// [`Failure`].
pub(super) fn verify(
    payload: &[u8],
    armor: &[u8],
    key: &Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let By::Identity { identity, roots } = &key.by else {
        return Err(Failure::Keyless);
    };
    if let Claim::Provenance(_) = key.claim {
        return Err(Failure::Type {
            what: "proof",
            found: "signature of a git object".to_owned(),
            wanted: "an attestation",
        });
    }
    let der = cms::unarmor(armor).map_err(|error| refused(&error, ""))?;
    let message = Message::read(&der, DATA, "data").map_err(|error| refused(&error, ""))?;
    if message.content.is_some() {
        return Err(form("it has a content of its own, besides the object"));
    }
    let attributes = message
        .check(payload)
        .map_err(|error| refused(&error, &identity.to_string()))?;
    let bundle = bundle(&message, &attributes, roots)?;
    bundle::check_sizes(&bundle)?;
    keyless::by_identity(&bundle, &Input::Bytes(&attributes), identity, roots, at)
        .map(|held| held.signer)
}

pub(super) fn form(why: &str) -> Failure {
    Failure::Form {
        what: "X.509 signature",
        why: why.to_owned(),
    }
}

/// The failure of a CMS message that should have been made by `who`.
pub(super) fn refused(error: &cms::Error, who: &str) -> Failure {
    match error {
        cms::Error::Form(why) => form(why),
        cms::Error::Signature(_) => Failure::Signature(who.to_owned()),
    }
}

/// The signature with what proves its time, in the form in which Sigstore's signatures of files are.
fn bundle(message: &Message, attributes: &[u8], roots: &Roots) -> Result<types::Bundle, Failure> {
    let refuse = |error: cms::Error| refused(&error, "");
    let certificate = message
        .leaf
        .to_der()
        .map_err(|_| form("its certificate cannot be encoded"))?;
    let entry = match message.unsigned(LOG_ENTRY, "log entry").map_err(refuse)? {
        None => None,
        Some(value) => {
            let bytes = octets(value)?;
            let entry = LogEntry::decode(bytes.as_slice())
                .map_err(|error| form(&shown(&format!("its log entry is malformed: {error}"))))?;
            let signature = message.signer.signature.as_bytes();
            Some(entry.json(attributes, signature, &certificate)?)
        }
    };
    let stamp = match message.unsigned(TIMESTAMP, "timestamp").map_err(refuse)? {
        None => None,
        Some(value) => {
            let token = value
                .to_der()
                .map_err(|_| form("its timestamp is malformed"))?;
            Some(json!({ "signedTimestamp": base64(&token) }))
        }
    };
    if entry.is_none() && (stamp.is_none() || roots.has_logs()) {
        let missing = if stamp.is_none() {
            "neither an entry of the log nor a timestamp"
        } else {
            "no entry of the log"
        };
        return Err(Failure::Witness {
            what: "time of signing",
            why: format!(
                "there is {missing} in the object (gitsign.rekorMode = offline puts the entry there)"
            ),
        });
    }
    let bundle = json!({
        "mediaType": bundle::MEDIA_TYPE,
        "verificationMaterial": {
            "certificate": { "rawBytes": base64(&certificate) },
            "tlogEntries": entry.into_iter().collect::<Vec<_>>(),
            "timestampVerificationData": { "rfc3161Timestamps": stamp.into_iter().collect::<Vec<_>>() },
        },
        "messageSignature": {
            "messageDigest": { "algorithm": "SHA2_256", "digest": base64(&Hash::Sha256.digest(attributes)) },
            "signature": base64(message.signer.signature.as_bytes()),
        },
    });
    serde_json::from_value(bundle).map_err(|error| form(&shown(&error.to_string())))
}

fn octets(value: &x509_cert::der::Any) -> Result<Vec<u8>, Failure> {
    let octets: OctetString = value
        .decode_as()
        .map_err(|_| form("its log entry is no octet string"))?;
    Ok(octets.into_bytes())
}

impl LogEntry {
    /// As a bundle has it, with the body that the entry must have had for this certificate, these attributes and this signature.
    fn json(
        self,
        attributes: &[u8],
        signature: &[u8],
        certificate: &[u8],
    ) -> Result<Value, Failure> {
        let kind = self.kind_version.unwrap_or_default();
        if (kind.kind.as_str(), kind.version.as_str()) != ("hashedrekord", "0.0.1") {
            return Err(form(&format!(
                "its log entry is of the kind {} {}, not hashedrekord 0.0.1",
                shown(&kind.kind),
                shown(&kind.version)
            )));
        }
        let pem = x509_cert::der::pem::encode_string("CERTIFICATE", LineEnding::LF, certificate)
            .map_err(|_| form("its certificate cannot be encoded"))?;
        // Canonical JSON (RFC 8785), which these values need no escapes for.
        let body = format!(
            concat!(
                r#"{{"apiVersion":"0.0.1","kind":"hashedrekord","spec":{{"data":{{"hash":{{"algorithm":"sha256","value":"{}"}}}},"#,
                r#""signature":{{"content":"{}","publicKey":{{"content":"{}"}}}}}}}}"#
            ),
            hex(&Hash::Sha256.digest(attributes)),
            base64(signature),
            base64(pem.as_bytes())
        );
        let promise = self.inclusion_promise.map(
            |promise| json!({ "signedEntryTimestamp": base64(&promise.signed_entry_timestamp) }),
        );
        let proof = self.inclusion_proof.map(|proof| {
            let hashes: Vec<_> = proof.hashes.iter().map(|hash| base64(hash)).collect();
            json!({
                "logIndex": proof.log_index.to_string(),
                "rootHash": base64(&proof.root_hash),
                "treeSize": proof.tree_size.to_string(),
                "hashes": hashes,
                "checkpoint": { "envelope": proof.checkpoint.unwrap_or_default().envelope },
            })
        });
        Ok(json!({
            "logIndex": self.log_index.to_string(),
            "logId": { "keyId": base64(&self.log_id.unwrap_or_default().key_id) },
            "kindVersion": { "kind": kind.kind, "version": kind.version },
            "integratedTime": self.integrated_time.to_string(),
            "inclusionPromise": promise,
            "inclusionProof": proof,
            "canonicalizedBody": base64(body.as_bytes()),
        }))
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64ct::Encoding as _;
    base64ct::Base64::encode_string(bytes)
}
