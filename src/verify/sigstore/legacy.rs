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

/// The bundle that `signature` is, with the PEM `certificate` or of a key pair. Where no log entry is, it is one of version 0.3, which
/// only trust roots without logs accept.
pub(in crate::verify) fn bundle(
    signature: &Signature,
    certificate: Option<&str>,
) -> Result<types::Bundle, Failure> {
    let material = match certificate {
        Some(pem) => {
            let form = |why: &str| Failure::Form {
                what: "certificate",
                why: why.to_owned(),
            };
            let pem = pem.replace("\r\n", "\n");
            let (label, der) =
                Document::from_pem(&pem).map_err(|_| form("it is not one PEM block"))?;
            if label != "CERTIFICATE" {
                return Err(form("it is a PEM block of something else"));
            }
            (
                "certificate",
                json!({"rawBytes": Base64::encode_string(der.as_bytes())}),
            )
        }
        None => ("publicKey", json!({"hint": ""})),
    };
    let entry = signature.log.as_deref().map(log_entry).transpose()?;
    let (version, (name, content)) = match (&entry, material) {
        (None, material) => ("application/vnd.dev.sigstore.bundle.v0.3+json", material),
        (Some(_), ("certificate", one)) => (
            "application/vnd.dev.sigstore.bundle+json;version=0.1",
            ("x509CertificateChain", json!({"certificates": [one]})),
        ),
        (Some(_), material) => (
            "application/vnd.dev.sigstore.bundle+json;version=0.1",
            material,
        ),
    };
    let stamps: Vec<Value> = match &signature.timestamp {
        None => Vec::new(),
        Some(text) => {
            let stamp: Timestamp = annotation("timestamp", text)?;
            vec![json!({"signedTimestamp": stamp.token})]
        }
    };
    let bundle = json!({
        "mediaType": version,
        "verificationMaterial": {
            name: content,
            "tlogEntries": entry.into_iter().collect::<Vec<_>>(),
            "timestampVerificationData": {"rfc3161Timestamps": stamps},
        },
        "messageSignature": {
            "messageDigest": {
                "algorithm": "SHA2_256",
                "digest": Base64::encode_string(&Sha256::digest(&signature.payload)),
            },
            "signature": signature.signature,
        },
    });
    serde_json::from_value(bundle).map_err(|error| Failure::Form {
        what: "annotation",
        why: shown(&error.to_string()),
    })
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
