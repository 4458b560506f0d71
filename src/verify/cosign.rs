//! cosign's older signature format: a simple-signing payload and a signature over its bytes.
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

use super::{Artifact, Failure, PublicKey, Signer, base64, json, shown};
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

const TYPE: &str = "cosign container image signature";

/// A payload and the signature over it. Untrusted until [`verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The exact bytes of the layer.
    pub payload: Vec<u8>,
    /// The annotation's value: base64.
    pub signature: String,
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

/// Checks that `key` made `signature` for the image `artifact`. A key that the policy names is trusted at any time.
///
/// # Errors
/// [`Failure`]; a file is refused, since this format is about images.
pub fn verify(
    artifact: &Artifact<'_>,
    signature: &Signature,
    key: &PublicKey,
    _at: Timestamp,
) -> Result<Signer, Failure> {
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
    let bytes = base64("signature", &signature.signature)?;
    key.require(key.verify(&signature.payload, &bytes))?;

    let payload: Payload =
        json::read(&signature.payload, MAX_PAYLOAD).map_err(|error| Failure::Form {
            what: "payload",
            why: error.to_string(),
        })?;
    let critical = payload.critical;
    if critical.kind != TYPE {
        return Err(Failure::Type {
            what: "payload's type",
            found: shown(&critical.kind),
            wanted: TYPE,
        });
    }
    if critical.image.digest != digest.to_string() {
        return Err(Failure::Digest {
            signed: shown(&critical.image.digest),
            wanted: (*digest).clone(),
        });
    }
    let identity =
        ImageReference::parse(&critical.identity.reference).map_err(|error| Failure::Form {
            what: "payload's docker-reference",
            why: error.to_string(),
        })?;
    if identity.tag().is_some() || identity.digest().is_some() {
        return Err(form(
            "payload's docker-reference",
            "it names a tag or digest; cosign signs a repository",
        ));
    }
    let signed = identity.repository();
    match repository {
        None => Err(Failure::NoRepository(signed)),
        Some(wanted) if *wanted != signed => Err(Failure::Identity {
            signed,
            wanted: (*wanted).to_owned(),
        }),
        Some(_) => Ok(key.signer()),
    }
}
