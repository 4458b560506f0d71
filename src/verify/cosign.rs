//! cosign's older signature format: a simple-signing payload and a signature over its bytes.
//!
//! Signed by a key pair, or by an identity: then other annotations of the layer hold its certificate, the log's promise (of Rekor v1) and
//! possibly a timestamp, which together are a bundle of version 0.1 and are checked as one.
//!
//! Stored as an image under the tag `sha256-HEX.sig` beside the signed one: each layer is a payload, and the layer's
//! annotation [`ANNOTATION`] the base64 signature over exactly the layer's bytes. The payload is
//!
//! ```json
//! {"critical":{"identity":{"docker-reference":"registry.example.com/team/app"},
//!              "image":{"docker-manifest-digest":"sha256:…"},
//!              "type":"cosign container image signature"},
//!  "optional":{"creator":"…"}}
//! ```
//!
//! Source: cosign's `specs/SIGNATURE_SPEC.md`, and containers/image's `docs/containers-signature.5.md` for the rule that an
//! unknown key below `critical` makes a signature invalid. The identity is a repository without a tag, as cosign writes it.

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Artifact, Failure, Signer, base64, json, shown,
    sigstore::{
        By, Claim, Key,
        keyless::{self, Input},
        legacy,
    },
};
use crate::{digest::Digest, reference::ImageReference};

/// The kind's name in `Dockerfile.evidence`.
pub const KIND: &str = "cosign-signature";
/// The layer annotation that holds the signature.
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// The media type of a payload layer.
pub const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Largest payload read, in bytes.
pub const MAX_PAYLOAD: usize = 1024 * 1024;
/// Longest base64 signature read, in bytes; an RSA 4096 one has 684.
pub const MAX_SIGNATURE: usize = 8 * 1024;

/// The media type of an attestation's layer.
pub const ENVELOPE_TYPE: &str = "application/vnd.dsse.envelope.v1+json";

const TYPE: &str = "cosign container image signature";

/// Longest of the other annotations read, in bytes.
pub const MAX_ANNOTATION: usize = 256 * 1024;
/// The layer annotation with the certificate, of a keyless signature.
pub const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// The layer annotation with the log's promise to include the signature.
pub const LOG: &str = "dev.sigstore.cosign/bundle";
/// The layer annotation with an RFC 3161 timestamp.
pub const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// A payload and the signature over it. Untrusted until [`verify`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// The exact bytes of the layer.
    pub payload: Vec<u8>,
    /// The value of [`ANNOTATION`]: base64.
    pub signature: String,
    /// The value of [`CERTIFICATE`]: PEM, of a keyless signature. Its chain is not needed: a trust root holds the whole of it.
    pub certificate: Option<String>,
    /// The value of [`LOG`]: JSON, with an entry of Rekor and its promise.
    pub log: Option<String>,
    /// The value of [`TIMESTAMP`]: JSON.
    pub timestamp: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    critical: Critical,
    #[serde(rename = "optional", default)]
    _optional: Option<json::AnyObject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// The tag under which cosign keeps the signatures of the image `digest`: `sha256-HEX.sig`.
#[must_use]
pub fn tag(digest: &Digest) -> String {
    format!("{}-{}.sig", digest.algorithm().name(), digest.hex())
}

/// The tag under which cosign keeps the attestations of the image `digest`, if not as referrers: `sha256-HEX.att`.
#[must_use]
pub fn attestation_tag(digest: &Digest) -> String {
    format!("{}-{}.att", digest.algorithm().name(), digest.hex())
}

/// An attestation from below [`attestation_tag`], as the Sigstore bundle that says the same: the layer `envelope`, of the type
/// [`ENVELOPE_TYPE`], and the values of its annotations [`CERTIFICATE`], [`LOG`] and [`TIMESTAMP`].
///
/// # Errors
/// [`Failure::Form`] if they cannot be read. What the bundle is worth is for [`super::bundle::verify`] to say.
pub fn attestation(
    envelope: &[u8],
    certificate: Option<&str>,
    log: Option<&str>,
    timestamp: Option<&str>,
) -> Result<Vec<u8>, Failure> {
    legacy::attestation(envelope, certificate, log, timestamp)
}

/// Checks that `key` made `signature` for the image `artifact` before `at`. A key pair that the policy names is trusted at any time.
///
/// # Errors
/// [`Failure`]; a file is refused, since this format is about images.
pub fn verify(
    artifact: &Artifact<'_>,
    signature: &Signature,
    key: &Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    if let Claim::Provenance(_) = key.claim {
        return Err(Failure::Type {
            what: "proof",
            found: KIND.to_owned(),
            wanted: "an attestation",
        });
    }
    let Artifact::Image { digest, repository } = artifact else {
        return Err(Failure::Type {
            what: "proof",
            found: KIND.to_owned(),
            wanted: "a signature over a file",
        });
    };
    let form = |what, why: &str| Failure::Form {
        what,
        why: why.to_owned(),
    };
    if signature.payload.len() > MAX_PAYLOAD {
        return Err(form("payload", &format!("more than {MAX_PAYLOAD} bytes")));
    }
    if signature.signature.len() > MAX_SIGNATURE {
        return Err(form(
            "signature",
            &format!("more than {MAX_SIGNATURE} bytes"),
        ));
    }
    let annotations = [&signature.certificate, &signature.log, &signature.timestamp];
    for annotation in annotations.into_iter().flatten() {
        if annotation.len() > MAX_ANNOTATION {
            return Err(form(
                "annotation",
                &format!("more than {MAX_ANNOTATION} bytes"),
            ));
        }
    }
    let bytes = base64("signature", &signature.signature)?;
    let signer = match &key.by {
        By::PublicKey { key, log: None } => {
            key.require(key.verify(&signature.payload, &bytes))?;
            key.signer()
        }
        By::PublicKey {
            key,
            log: Some(roots),
        } => {
            key.require(key.verify(&signature.payload, &bytes))?;
            let bundle = legacy::bundle(signature, None)?;
            let input = Input::Bytes(&signature.payload);
            keyless::by_key_in_log(&bundle, &input, key, roots, at)?
        }
        By::Identity { identity, roots } => {
            let certificate = signature.certificate.as_deref().ok_or(Failure::Keyed)?;
            let bundle = legacy::bundle(signature, Some(certificate))?;
            let input = Input::Bytes(&signature.payload);
            keyless::by_identity(&bundle, &input, identity, roots, at)?.signer
        }
    };
    check_payload(&signature.payload, digest, *repository, TYPE, false)?;
    Ok(signer)
}

/// Whether a payload that is signed is about the image: of type `kind`, its digest, its repository, and `tagged` or never.
pub(super) fn check_payload(
    payload: &[u8],
    digest: &Digest,
    repository: Option<&str>,
    kind: &'static str,
    tagged: bool,
) -> Result<(), Failure> {
    let payload: Payload = json::read(payload, MAX_PAYLOAD).map_err(|error| Failure::Form {
        what: "payload",
        why: error.to_string(),
    })?;
    let critical = payload.critical;
    if critical.kind != kind {
        return Err(Failure::Type {
            what: "payload's type",
            found: shown(&critical.kind),
            wanted: kind,
        });
    }
    if critical.image.digest != digest.to_string() {
        return Err(Failure::Digest {
            signed: shown(&critical.image.digest),
            wanted: digest.clone(),
        });
    }
    let identity =
        ImageReference::parse(&critical.identity.reference).map_err(|error| Failure::Form {
            what: "payload's docker-reference",
            why: error.to_string(),
        })?;
    if (identity.tag().is_some() && !tagged) || identity.digest().is_some() {
        return Err(Failure::Form {
            what: "payload's docker-reference",
            why: if tagged {
                "it names a digest; the signer names a tag"
            } else {
                "it names a tag or digest; cosign signs a repository"
            }
            .to_owned(),
        });
    }
    let signed = identity.repository();
    match repository {
        None => Err(Failure::NoRepository(signed)),
        Some(wanted) if wanted != signed => Err(Failure::Identity {
            signed,
            wanted: wanted.to_owned(),
        }),
        Some(_) => Ok(()),
    }
}
