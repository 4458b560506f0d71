//! The annotations of cosign's older signatures as a bundle, so that one verifier checks both.
//!
//! ```json
//! {"SignedEntryTimestamp":"BASE64",
//!  "Payload":{"body":"BASE64","integratedTime":1670000000,"logIndex":12,"logID":"HEX"}}
//! ```
//!
//! Source: cosign's `specs/SIGNATURE_SPEC.md` ("Transparency Log", "RFC3161 Timestamp") and `pkg/cosign/bundle/rekor.go`.

use base64ct::{Base64, Encoding as _};
use p256::pkcs8::Document;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sigstore_verify::types;

use crate::{
    digest::Digest,
    verify::{
        Failure, base64,
        bundle::{MAX_BUNDLE, MEDIA_TYPE},
        cosign::{MAX_ANNOTATION, Signature},
        json::read,
        key::unhex,
        shown,
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Log {
    signed_entry_timestamp: String,
    payload: Entry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Entry {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

/// What an entry says of itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Body {
    api_version: String,
    kind: String,
    #[serde(rename = "spec")]
    _spec: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Timestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    token: String,
}

/// The bundle that `signature` is, with the PEM `certificate` or of a key pair.
pub(in crate::verify) fn bundle(
    signature: &Signature,
    certificate: Option<&str>,
) -> Result<types::Bundle, Failure> {
    let content = json!({
        "messageDigest": {
            "algorithm": "SHA2_256",
            "digest": Base64::encode_string(&Sha256::digest(&signature.payload)),
        },
        "signature": signature.signature,
    });
    let (log, timestamp) = (signature.log.as_deref(), signature.timestamp.as_deref());
    let bundle = value(certificate, log, timestamp, ("messageSignature", content))?;
    serde_json::from_value(bundle).map_err(|error| Failure::Form {
        what: "annotation",
        why: shown(&error.to_string()),
    })
}

/// The bundle, in JSON, that an attestation of the older format is: an `envelope` with the annotations of its layer.
pub(in crate::verify) fn attestation(
    envelope: &[u8],
    certificate: Option<&str>,
    log: Option<&str>,
    timestamp: Option<&str>,
) -> Result<Vec<u8>, Failure> {
    // Read as what it is when the bundle is verified; here only nothing may be there twice.
    let form = |why: String| Failure::Form {
        what: "envelope",
        why,
    };
    read::<IgnoredAny>(envelope, MAX_BUNDLE / 2).map_err(|error| form(error.to_string()))?;
    let content: Value =
        serde_json::from_slice(envelope).map_err(|error| form(error.to_string()))?;
    let bundle = value(certificate, log, timestamp, ("dsseEnvelope", content))?;
    serde_json::to_vec(&bundle).map_err(|error| form(error.to_string()))
}

/// A bundle. Where no log entry is, it is one of version 0.3, which only trust roots without logs accept.
fn value(
    certificate: Option<&str>,
    log: Option<&str>,
    timestamp: Option<&str>,
    (content_name, content): (&str, Value),
) -> Result<Value, Failure> {
    let annotations = [certificate, log, timestamp].into_iter().flatten();
    if annotations.map(str::len).any(|len| len > MAX_ANNOTATION) {
        return Err(Failure::Form {
            what: "annotation",
            why: format!("it has more than {MAX_ANNOTATION} bytes"),
        });
    }
    let entry = log.map(log_entry).transpose()?;
    let version = match &entry {
        None => MEDIA_TYPE,
        Some(_) => "application/vnd.dev.sigstore.bundle+json;version=0.1",
    };
    let (name, material) = match (certificate, &entry) {
        (None, _) => ("publicKey", json!({"hint": ""})),
        (Some(pem), None) => ("certificate", raw_certificate(pem)?),
        (Some(pem), Some(_)) => (
            "x509CertificateChain",
            json!({"certificates": [raw_certificate(pem)?]}),
        ),
    };
    let stamps: Vec<Value> = match timestamp {
        None => Vec::new(),
        Some(text) => {
            let stamp: Timestamp = annotation("timestamp", text)?;
            vec![json!({"signedTimestamp": stamp.token})]
        }
    };
    Ok(json!({
        "mediaType": version,
        "verificationMaterial": {
            name: material,
            "tlogEntries": entry.into_iter().collect::<Vec<_>>(),
            "timestampVerificationData": {"rfc3161Timestamps": stamps},
        },
        content_name: content,
    }))
}

fn raw_certificate(pem: &str) -> Result<Value, Failure> {
    let form = |why: &str| Failure::Form {
        what: "certificate",
        why: why.to_owned(),
    };
    let pem = pem.replace("\r\n", "\n");
    let (label, der) = Document::from_pem(&pem).map_err(|_| form("it is not one PEM block"))?;
    if label != "CERTIFICATE" {
        return Err(form("it is a PEM block of something else"));
    }
    Ok(json!({"rawBytes": Base64::encode_string(der.as_bytes())}))
}

fn log_entry(text: &str) -> Result<Value, Failure> {
    let Log {
        signed_entry_timestamp,
        payload,
    } = annotation("log entry", text)?;
    let body = base64("log entry's body", &payload.body)?;
    let body: Body = read(&body, MAX_ANNOTATION).map_err(|error| Failure::Form {
        what: "log entry's body",
        why: error.to_string(),
    })?;
    // A log's id is a SHA-256 digest without its name.
    let id: Digest = format!("sha256:{}", payload.log_id)
        .parse()
        .map_err(|error| Failure::Form {
            what: "log entry's logID",
            why: format!("{error}"),
        })?;
    Ok(json!({
        "logIndex": payload.log_index.to_string(),
        "logId": {"keyId": Base64::encode_string(&unhex(id.hex()))},
        "kindVersion": {"kind": body.kind, "version": body.api_version},
        "integratedTime": payload.integrated_time.to_string(),
        "inclusionPromise": {"signedEntryTimestamp": signed_entry_timestamp},
        "canonicalizedBody": payload.body,
    }))
}

fn annotation<T: serde::de::DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, Failure> {
    read(text.as_bytes(), MAX_ANNOTATION).map_err(|error| Failure::Form {
        what,
        why: error.to_string(),
    })
}
