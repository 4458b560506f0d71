//! Simple signing: images signed with OpenPGP, as Podman, Skopeo and Red Hat's registries have it.
//!
//! A proof is a file of a lookaside store, `…/REPOSITORY@sha256=HEX/signature-1`: an OpenPGP message (not a detached signature) around a
//! payload like [`super::cosign`]'s, of the type `atomic container signature`, whose reference has the tag that was signed.
//!
//! The repository must be the image's. The tag is not compared, as containers-policy has it for images that are named by digest
//! (`matchRepoDigestOrExact`): the build names every image so, and one image may bear many tags. Which image a tag means today is
//! for the lock to say.
//!
//! Source: containers/image, `docs/containers-signature.5.md`, `docs/containers-policy.json.5.md`,
//! `docs/containers-registries.d.5.md`.

use jiff::Timestamp;

use super::{Artifact, Failure, Signer, cosign, openpgp};

/// The kind's name in `Dockerfile.evidence`.
pub const KIND: &str = "simple-signing";
/// Largest proof read, in bytes.
pub const MAX_PROOF: usize = 4 * 1024 * 1024;

const TYPE: &str = "atomic container signature";

/// Checks the signed message `proof` for the image `artifact` against one key or keyring.
///
/// # Errors
/// [`Failure`]; the signature is looked at before the payload.
pub fn verify(
    artifact: &Artifact<'_>,
    proof: &[u8],
    key: &openpgp::Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let Artifact::Image { digest, repository } = artifact else {
        return Err(Failure::Type {
            what: "proof",
            found: KIND.to_owned(),
            wanted: "a signature over a file",
        });
    };
    if proof.len() > MAX_PROOF {
        return Err(Failure::Form {
            what: "simple signature",
            why: format!("more than {MAX_PROOF} bytes"),
        });
    }
    let (payload, signer) = openpgp::open(proof, key, at)?;
    cosign::check_payload(&payload, digest, *repository, TYPE, true)?;
    Ok(signer)
}
