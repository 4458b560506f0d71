//! Who signs with Sigstore's tools, and what the signature has to say.
//!
//! Two kinds of proof are checked with such a key: [`bundle`](super::bundle) and [`cosign`](super::cosign). A signer is named by
//! the public key of a cosign key pair, or by an identity for which the certificate authority of a Sigstore instance
//! issued a short-lived certificate ("keyless").

mod crypto;
mod identity;
pub(super) mod keyless;
pub(super) mod legacy;
mod roots;
pub(super) mod statement;

pub use identity::{Identity, IdentityError, Matcher};
pub use roots::{EMBEDDED, MAX_ROOTS, Roots, RootsError};
pub use statement::Provenance;

use super::PublicKey;

/// A signer and the statement expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Who signs.
    pub by: By,
    /// What the signature has to say.
    pub claim: Claim,
}

/// Who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The holder of a key pair, at any time. With `log`, the signature must also be in one of that instance's transparency logs.
    PublicKey {
        /// The public half.
        key: PublicKey,
        /// Whose logs must hold the signature, if any.
        log: Option<Roots>,
    },
    /// Whoever an instance's certificate authority vouched for at the time of signing.
    Identity {
        /// Who.
        identity: Identity,
        /// The instance.
        roots: Roots,
    },
}

/// What a signature has to say of the artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// That it is the signer's: a signature over the file, cosign's payload for an image, or cosign's statement
    /// (`https://sigstore.dev/cosign/sign/v1`) with the image as its one subject.
    Signature,
    /// How it was built: a statement with SLSA provenance, the artifact among its subjects.
    Provenance(Provenance),
    /// Anything: a signature, or any statement with the artifact among its subjects. For looking at one bundle by hand.
    Any,
}

impl Key {
    /// The fingerprint of the key or the identity.
    #[must_use]
    pub fn who(&self) -> String {
        match &self.by {
            By::PublicKey { key, .. } => key.who(),
            By::Identity { identity, .. } => identity.to_string(),
        }
    }
}

/// A plain signature by a key pair, without a log.
impl From<PublicKey> for Key {
    fn from(key: PublicKey) -> Self {
        Self {
            by: By::PublicKey { key, log: None },
            claim: Claim::Signature,
        }
    }
}
