//! Public keys that policies name, and the signature algorithms they imply.
//!
//! A key is a PEM block of an X.509 SubjectPublicKeyInfo (RFC 7468 section 13, RFC 5280 section 4.1). The algorithm follows from
//! the key alone, never from what a signature claims:
//!
//! | key | signature |
//! | --- | --- |
//! | ECDSA P-256 | SHA-256, DER (FIPS 186-5, SEC 1) |
//! | ECDSA P-384 | SHA-384 as bundles use, or SHA-256 as cosign's older format uses; DER |
//! | RSA, 2048 to 4096 bits | PKCS #1 v1.5 with SHA-256 (RFC 8017 section 8.2) |
//! | Ed25519 | Ed25519, or Ed25519ph without context as cosign 3 signs bundles (RFC 8032); small-order keys and points refused |

use std::fmt;

use p256::pkcs8::{Document, ObjectIdentifier, SubjectPublicKeyInfoRef};
use rsa::{signature::hazmat::PrehashVerifier as _, traits::PublicKeyParts as _};
use sha2::Digest as _;

use super::{Failure, Signer};
use crate::digest::{Algorithm, Digest};

/// Largest PEM file read as a key, in bytes.
pub const MAX_KEY_BYTES: usize = 64 * 1024;

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// A public key of one of the known algorithms.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: Key,
    der: Vec<u8>,
    fingerprint: Digest,
}

#[derive(Clone, PartialEq, Eq)]
enum Key {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Rsa(rsa::RsaPublicKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// Why a text is no usable [`PublicKey`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// More than [`MAX_KEY_BYTES`].
    #[error("a public key file has at most {MAX_KEY_BYTES} bytes")]
    Size,
    /// Not exactly one PEM block.
    #[error("no PEM block; a public key file is one `-----BEGIN PUBLIC KEY-----` block")]
    Pem,
    /// A private key where a public one belongs.
    #[error(
        "this is a private key; keep it out of the policy's folder and give its public half (for cosign: the .pub file)"
    )]
    Private,
    /// A PEM block of something else.
    #[error("this is a PEM block of `{0}`; wanted is `PUBLIC KEY`")]
    Label(String),
    /// The block holds no SubjectPublicKeyInfo.
    #[error("the PEM block holds no well-formed public key")]
    Der,
    /// An algorithm or curve that is not in the module's table.
    #[error(
        "this key's algorithm is not supported; known are ECDSA P-256 and P-384, RSA and Ed25519"
    )]
    Algorithm,
    /// An RSA modulus outside 2048 to 4096 bits.
    #[error("this RSA key has {0} bits; accepted are 2048 to 4096")]
    RsaSize(usize),
    /// An RSA public exponent below 65537.
    #[error("this RSA key's public exponent is below 65537")]
    RsaExponent,
    /// An Ed25519 key of small order, for which anyone can make signatures.
    #[error("this Ed25519 key is of small order: anyone can sign for it")]
    WeakEd25519,
}

impl PublicKey {
    /// Reads one PEM block of a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// Anything else, with the reason.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if pem.len() > MAX_KEY_BYTES {
            return Err(KeyError::Size);
        }
        let pem = pem.trim();
        let label = pem
            .strip_prefix("-----BEGIN ")
            .and_then(|rest| rest.split_once("-----"))
            .map(|(label, _)| label)
            .ok_or(KeyError::Pem)?;
        if label.contains("PRIVATE KEY") {
            return Err(KeyError::Private);
        }
        if label != "PUBLIC KEY" {
            return Err(KeyError::Label(label.chars().take(40).collect()));
        }
        let normal = pem.replace("\r\n", "\n");
        let (_, der) = Document::from_pem(&normal).map_err(|_| KeyError::Pem)?;
        Self::from_der(der.as_bytes())
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| KeyError::Der)?;
        let key = match (info.algorithm.oid, info.algorithm.parameters_oid()) {
            (EC, Ok(P256)) => Key::P256(DecodePublicKeyDer::read(der)?),
            (EC, Ok(P384)) => Key::P384(DecodePublicKeyDer::read(der)?),
            (ED25519, _) => {
                let key: ed25519_dalek::VerifyingKey = DecodePublicKeyDer::read(der)?;
                if key.is_weak() {
                    return Err(KeyError::WeakEd25519);
                }
                Key::Ed25519(key)
            }
            (RSA, _) => {
                let key: rsa::RsaPublicKey = DecodePublicKeyDer::read(der)?;
                let bits = key.n().bits();
                if !(2048..=4096).contains(&bits) {
                    return Err(KeyError::RsaSize(bits));
                }
                if *key.e() < rsa::BigUint::from(65_537_u32) {
                    return Err(KeyError::RsaExponent);
                }
                Key::Rsa(key)
            }
            _ => return Err(KeyError::Algorithm),
        };
        Ok(Self {
            key,
            der: der.to_vec(),
            fingerprint: Digest::sha256(der),
        })
    }

    /// The SHA-256 digest of the DER form, which tells keys of the same name apart.
    #[must_use]
    pub fn fingerprint(&self) -> &Digest {
        &self.fingerprint
    }

    /// The algorithm's name for people: `ECDSA P-256`, `RSA 3072`, ...
    #[must_use]
    pub fn algorithm(&self) -> String {
        match &self.key {
            Key::P256(_) => "ECDSA P-256".to_owned(),
            Key::P384(_) => "ECDSA P-384".to_owned(),
            Key::Rsa(key) => format!("RSA {}", key.n().bits()),
            Key::Ed25519(_) => "Ed25519".to_owned(),
        }
    }

    /// The SubjectPublicKeyInfo.
    pub(super) fn der(&self) -> &[u8] {
        &self.der
    }

    /// The fingerprint, SHA-256 of the key's DER form: `sha256:HEX`.
    #[must_use]
    pub fn who(&self) -> String {
        self.fingerprint.to_string()
    }

    /// That this key made a signature; a key says nothing of the time.
    pub(crate) fn signer(&self) -> Signer {
        Signer {
            who: self.who(),
            signed: None,
        }
    }

    /// [`Failure::Signature`] with this key's fingerprint unless `holds`.
    pub(crate) fn require(&self, holds: bool) -> Result<(), Failure> {
        if holds {
            Ok(())
        } else {
            Err(Failure::Signature(self.who()))
        }
    }

    /// Whether `signature` is one by this key over `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::P384(_) => {
                self.verify_prehash(&sha2::Sha384::digest(message), signature)
                    || self.verify_prehash(&sha2::Sha256::digest(message), signature)
            }
            Key::Ed25519(key) => {
                ed25519_dalek::Signature::from_slice(signature).is_ok_and(|signature| {
                    let prehashed = sha2::Sha512::new_with_prefix(message);
                    key.verify_strict(message, &signature).is_ok()
                        || key
                            .verify_prehashed_strict(prehashed, None, &signature)
                            .is_ok()
                })
            }
            Key::P256(_) | Key::Rsa(_) => {
                self.verify_prehash(&sha2::Sha256::digest(message), signature)
            }
        }
    }

    /// Checks `signature` over bytes of which only the digest is known.
    pub(super) fn verify_digest(&self, digest: &Digest, signature: &[u8]) -> Result<(), Failure> {
        match (&self.key, digest.algorithm()) {
            (Key::Ed25519(_), Algorithm::Sha256 | Algorithm::Sha384) => Err(Failure::NeedsBytes),
            (Key::P256(_) | Key::Rsa(_), Algorithm::Sha256)
            | (Key::P384(_), Algorithm::Sha256 | Algorithm::Sha384) => {
                self.require(self.verify_prehash(&unhex(digest.hex()), signature))
            }
            _ => Err(Failure::Hash {
                signed: self.algorithm(),
                known: digest.algorithm().name(),
            }),
        }
    }

    /// A check of `signature` over bytes that come piece by piece.
    pub(super) fn running<'k>(&'k self, signature: &'k [u8]) -> Result<Running<'k>, Failure> {
        let over = match &self.key {
            Key::P256(_) | Key::Rsa(_) => Over::Sha256(sha2::Sha256::new()),
            Key::P384(_) => Over::Both(sha2::Sha256::new(), sha2::Sha384::new()),
            Key::Ed25519(key) => {
                let stream = ed25519_dalek::Signature::from_slice(signature)
                    .and_then(|signature| key.verify_stream(&signature))
                    .map_err(|_| Failure::Signature(self.who()))?;
                Over::Bytes(Box::new(stream), sha2::Sha512::new())
            }
        };
        Ok(Running {
            key: self,
            signature,
            over,
        })
    }

    fn verify_prehash(&self, hash: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Key::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(hash, &signature).is_ok()),
            Key::P384(key) => p384::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(hash, &signature).is_ok()),
            Key::Rsa(key) => {
                let scheme = rsa::Pkcs1v15Sign::new::<sha2::Sha256>();
                key.verify(scheme, hash, signature).is_ok()
            }
            Key::Ed25519(_) => false,
        }
    }
}

/// A check of a signature over bytes that come piece by piece.
pub(super) struct Running<'k> {
    key: &'k PublicKey,
    signature: &'k [u8],
    over: Over,
}

enum Over {
    Sha256(sha2::Sha256),
    Both(sha2::Sha256, sha2::Sha384),
    Bytes(Box<ed25519_dalek::StreamVerifier>, sha2::Sha512),
}

impl Running<'_> {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.over {
            Over::Sha256(hasher) => hasher.update(bytes),
            Over::Both(sha256, sha384) => {
                sha256.update(bytes);
                sha384.update(bytes);
            }
            Over::Bytes(stream, sha512) => {
                stream.update(bytes);
                sha512.update(bytes);
            }
        }
    }

    pub(super) fn holds(self) -> bool {
        let prehashed = |hash: &[u8]| self.key.verify_prehash(hash, self.signature);
        match (self.over, &self.key.key) {
            (Over::Sha256(hasher), _) => prehashed(&hasher.finalize()),
            (Over::Both(sha256, sha384), _) => {
                prehashed(&sha384.finalize()) || prehashed(&sha256.finalize())
            }
            (Over::Bytes(stream, sha512), Key::Ed25519(key)) => {
                stream.finalize_and_verify().is_ok()
                    || ed25519_dalek::Signature::from_slice(self.signature).is_ok_and(|signature| {
                        key.verify_prehashed_strict(sha512, None, &signature)
                            .is_ok()
                    })
            }
            (Over::Bytes(..), _) => false,
        }
    }
}

/// One error for the DER readers of four crates.
struct DecodePublicKeyDer;

impl DecodePublicKeyDer {
    fn read<K: p256::pkcs8::DecodePublicKey>(der: &[u8]) -> Result<K, KeyError> {
        K::from_public_key_der(der).map_err(|_| KeyError::Der)
    }
}

pub(super) fn unhex(hex: &str) -> Vec<u8> {
    let nibble = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
    hex.as_bytes()
        .chunks(2)
        .filter_map(|pair| match pair {
            [high, low] => Some((nibble(*high) << 4) | nibble(*low)),
            _ => None,
        })
        .collect()
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm(), self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> String {
        let path = format!("{}/testdata/cosign/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn the_supported_algorithms_are_read() {
        for (name, algorithm) in [
            ("p256", "ECDSA P-256"),
            ("p384", "ECDSA P-384"),
            ("rsa", "RSA 2048"),
            ("ed25519", "Ed25519"),
        ] {
            let pem = file(&format!("{name}.pub"));
            assert_eq!(PublicKey::from_pem(&pem).unwrap().algorithm(), algorithm);
            let windows = PublicKey::from_pem(&pem.replace('\n', "\r\n")).unwrap();
            assert_eq!(windows, PublicKey::from_pem(&pem).unwrap());
        }
    }

    #[test]
    fn other_keys_are_refused_with_the_reason() {
        let p256 = file("p256.pub");
        let number = "-----BEGIN PUBLIC KEY-----\nMAMCAQE=\n-----END PUBLIC KEY-----\n".to_owned();
        let identity = {
            // An Ed25519 SubjectPublicKeyInfo (RFC 8410) whose point is the neutral element.
            let mut der = vec![
                0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, 0x01,
            ];
            der.extend([0; 31]);
            der
        };
        assert_eq!(PublicKey::from_der(&identity), Err(KeyError::WeakEd25519));
        for (pem, error) in [
            (file("rsa1024.pub"), KeyError::RsaSize(1024)),
            (file("p521.pub"), KeyError::Algorithm),
            (String::new(), KeyError::Pem),
            ("ssh-ed25519 AAAA".to_owned(), KeyError::Pem),
            (
                p256.replace("PUBLIC KEY", "ENCRYPTED SIGSTORE PRIVATE KEY"),
                KeyError::Private,
            ),
            (
                p256.replace("PUBLIC KEY", "EC PRIVATE KEY"),
                KeyError::Private,
            ),
            (
                p256.replace("PUBLIC KEY", "CERTIFICATE"),
                KeyError::Label("CERTIFICATE".into()),
            ),
            (number, KeyError::Der),
            (format!("{p256}{p256}"), KeyError::Pem),
            (p256.replace("-----END PUBLIC KEY-----", ""), KeyError::Pem),
            ("-".repeat(MAX_KEY_BYTES + 1), KeyError::Size),
        ] {
            assert_eq!(PublicKey::from_pem(&pem), Err(error), "{pem:.60}");
        }
    }
}
