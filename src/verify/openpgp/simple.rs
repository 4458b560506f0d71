//! Simple signing of images: a message whose data says which image it is about.
//!
//! ```json
//! {"critical":{"identity":{"docker-reference":"registry.example.com/team/app:1.0"},
//!              "image":{"docker-manifest-digest":"sha256:…"},
//!              "type":"atomic container signature"},
//!  "optional":{"creator":"…","timestamp":1700000000}}
//! ```
//!
//! The tag in `docker-reference` is not compared, as with `matchRepository` of a containers policy: the image is fixed by its
//! digest.
//!
//! Source: containers/image, `docs/containers-signature.5.md`; an unknown key below `critical` makes a signature invalid.

use serde::Deserialize;

use super::{Failure, shown};
use crate::{digest::Digest, reference::ImageReference, verify::json};

/// Largest data read, in bytes.
const MAX_PAYLOAD: usize = 1 << 20;
const TYPE: &str = "atomic container signature";

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

/// Whether the signed data is about the image `digest` of `repository`.
pub(super) fn is_about(
    content: &[u8],
    digest: &Digest,
    repository: Option<&str>,
) -> Result<(), Failure> {
    let payload: Payload = json::read(content, MAX_PAYLOAD).map_err(|error| Failure::Form {
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
            wanted: digest.clone(),
        });
    }
    let signed = ImageReference::parse(&critical.identity.reference)
        .map_err(|error| Failure::Form {
            what: "payload's docker-reference",
            why: error.to_string(),
        })?
        .repository();
    match repository {
        None => Err(Failure::NoRepository(signed)),
        Some(wanted) if wanted != signed => Err(Failure::Identity {
            signed,
            wanted: wanted.to_owned(),
        }),
        Some(_) => Ok(()),
    }
}
