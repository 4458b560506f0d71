//! Keys in the form in which they are written down, so that a build step can be given them.

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

use super::{Key, PublicKey, minisign, openpgp};
use crate::digest::Digest;

/// The bytes of a key and how they are meant: what [`Key`] is read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Written {
    /// A public key as cosign writes it (PEM).
    Cosign {
        /// The PEM block.
        pem: String,
    },
    /// An OpenPGP key or keyring.
    OpenPgp {
        /// Base64 of the file.
        file: String,
        /// The only fingerprint that counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
    },
    /// A minisign key.
    Minisign {
        /// The file, or its second line.
        text: String,
        /// Whether signatures of the older form count, which say less.
        legacy: bool,
    },
}

impl Written {
    /// An OpenPGP key file.
    #[must_use]
    pub fn openpgp(file: &[u8], fingerprint: Option<String>) -> Self {
        Self::OpenPgp {
            file: Base64::encode_string(file),
            fingerprint,
        }
    }

    /// The key.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn read(&self) -> Result<Key, String> {
        match self {
            Self::Cosign { pem } => PublicKey::from_pem(pem)
                .map(|key| Key::Sigstore(key.into()))
                .map_err(|error| error.to_string()),
            Self::OpenPgp { file, fingerprint } => {
                let bytes = Base64::decode_vec(file).map_err(|error| error.to_string())?;
                openpgp::Key::parse(&bytes, fingerprint.as_deref())
                    .map(Key::OpenPgp)
                    .map_err(|error| error.to_string())
            }
            Self::Minisign { text, legacy } => {
                let key = minisign::Key::parse(text).map_err(|error| error.to_string())?;
                Ok(Key::Minisign(if *legacy { key.with_legacy() } else { key }))
            }
        }
    }

    /// What tells this key, meant in this way, from every other.
    #[must_use]
    pub fn id(&self) -> Digest {
        // Serializing texts to memory cannot fail; an empty text would only make an id that matches nothing.
        Digest::sha256(&serde_json::to_vec(self).unwrap_or_default())
    }
}
