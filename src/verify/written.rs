//! Keys in the form in which they are written down, so that a build step can be given them.

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

use super::{
    Key, PublicKey, minisign, notation, openpgp, signify,
    sigstore::{self, By, Claim, Identity, Matcher, Provenance, Roots},
    ssh, x509,
};
use crate::digest::Digest;

/// The bytes of a key and how they are meant: what [`Key`] is read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Written {
    /// A public key as cosign writes it, or an identity for which an instance of Sigstore vouches.
    Sigstore {
        /// The PEM block of the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pem: Option<String>,
        /// Otherwise who signs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        identity: Option<WrittenIdentity>,
        /// What the signature has to say, if more than that it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provenance: Option<WrittenProvenance>,
    },
    /// A trust store of Notary v2.
    Notation {
        /// Certificates (PEM).
        certificates: String,
        /// Whether they are a signing authority's.
        authority: bool,
        /// Whom they must have certified: `x509.subject: ...`, or `*`.
        identity: String,
        /// The roots of time stamp authorities (PEM), if signatures must have a timestamp.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timestamps: Option<String>,
    },
    /// Certificate authorities.
    X509 {
        /// Certificates (PEM).
        certificates: String,
        /// Whom they must have certified: an e-mail address, `x509.subject: ...`, or `*`.
        identity: String,
        /// The roots of time stamp authorities (PEM), if signatures must have a timestamp.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timestamps: Option<String>,
    },
    /// A signify key.
    Signify {
        /// The file.
        text: String,
    },
    /// SSH keys: a public key file, or an allowed-signers file.
    Ssh {
        /// The file.
        text: String,
        /// The only identity that counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        principal: Option<String>,
        /// The namespace of files, if not `file`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
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

/// Who signs keyless.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WrittenIdentity {
    /// The issuer of the identity, exactly.
    pub issuer: String,
    /// The identity, with stars or without.
    pub subject: String,
    /// The instance's `trusted_root.json`, or [`Written::GITHUB`]; none for the public-good one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<String>,
}

/// What SLSA provenance has to say, each with stars or without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WrittenProvenance {
    /// The builder's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<String>,
    /// The source repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The git ref.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

impl Written {
    /// GitHub's own instance of Sigstore, by its name.
    pub const GITHUB: &str = "github";

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
            Self::Sigstore {
                pem,
                identity,
                provenance,
            } => {
                sigstore(pem.as_deref(), identity.as_ref(), provenance.as_ref()).map(Key::Sigstore)
            }
            Self::Notation {
                certificates,
                authority,
                identity,
                timestamps,
            } => {
                let store = if *authority {
                    notation::Store::SigningAuthority
                } else {
                    notation::Store::Ca
                };
                let mut key = notation::Key::parse(certificates, store, identity)
                    .map_err(|failure| failure.to_string())?;
                if let Some(roots) = timestamps {
                    key = key
                        .with_timestamps(roots)
                        .map_err(|failure| failure.to_string())?;
                }
                Ok(Key::Notation(key))
            }
            Self::X509 {
                certificates,
                identity,
                timestamps,
            } => x509::Key::parse(certificates, identity, timestamps.as_deref())
                .map(Key::X509)
                .map_err(|failure| failure.to_string()),
            Self::Signify { text } => signify::Key::parse(text)
                .map(Key::Signify)
                .map_err(|failure| failure.to_string()),
            Self::Ssh {
                text,
                principal,
                namespace,
            } => {
                let mut key = ssh::Key::parse(text).map_err(|failure| failure.to_string())?;
                if let Some(principal) = principal {
                    key = key.with_principal(principal);
                }
                if let Some(namespace) = namespace {
                    key = key.with_namespace(namespace);
                }
                Ok(Key::Ssh(key))
            }
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

fn sigstore(
    pem: Option<&str>,
    identity: Option<&WrittenIdentity>,
    provenance: Option<&WrittenProvenance>,
) -> Result<sigstore::Key, String> {
    let by = match (pem, identity) {
        (Some(pem), None) => By::PublicKey {
            key: PublicKey::from_pem(pem).map_err(|error| error.to_string())?,
            log: None,
        },
        (None, Some(who)) => {
            let issuer = Matcher::exact(&who.issuer).map_err(|why| format!("the issuer: {why}"))?;
            let subject = matcher(&who.subject).map_err(|why| format!("the identity: {why}"))?;
            let roots = match who.roots.as_deref() {
                None => Roots::public_good(),
                Some(Written::GITHUB) => Roots::github(),
                Some(json) => Roots::parse(json.as_bytes()),
            };
            By::Identity {
                identity: Identity::new(issuer, subject)
                    .map_err(|why| format!("the identity: {why}"))?,
                roots: roots.map_err(|error| error.to_string())?,
            }
        }
        _ => return Err("it is either a public key or an identity".to_owned()),
    };
    let part = |text: &Option<String>| text.as_deref().map(matcher).transpose();
    let claim = match provenance {
        None => Claim::Signature,
        Some(wanted) => Claim::Provenance(Provenance {
            builder: part(&wanted.builder)?,
            source: part(&wanted.source)?,
            reference: part(&wanted.reference)?,
        }),
    };
    Ok(sigstore::Key { by, claim })
}

/// An exact value, or a pattern if there is a star in it.
fn matcher(text: &str) -> Result<Matcher, String> {
    let made = if text.contains('*') {
        Matcher::pattern(text)
    } else {
        Matcher::exact(text)
    };
    made.map_err(|error| error.to_string())
}
