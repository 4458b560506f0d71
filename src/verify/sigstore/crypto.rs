//! The cryptography under the library `sigstore-verify`: RustCrypto, as everywhere else in this program.
//!
//! The library finds its functions through a process-wide hook. What is installed there is a table of pure functions without
//! state, always the same, so that nothing depends on who installs it first. RSA keys have 2048 to 4096 bits and an exponent of
//! 65537 or more; small-order Ed25519 keys and points are refused; ML-DSA is not supported.

use rsa::{
    pkcs1::DecodeRsaPublicKey as _, signature::hazmat::PrehashVerifier as _,
    traits::PublicKeyParts as _,
};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use sigstore_verify::{
    crypto::{CryptoProvider, Error, HashContext, Result, SigningScheme, install_default_provider},
    types::HashAlgorithm,
};

/// Makes the library use the functions below. Called before every use of the library; all calls but the first do nothing.
pub(super) fn install() {
    // An error says that a table is installed already: ours, or what a program that embeds this library has chosen.
    let _ = install_default_provider(&RustCrypto);
}

#[derive(Debug)]
struct RustCrypto;

struct Hasher<H>(H);

impl<H: sha2::Digest + Send> HashContext for Hasher<H> {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn finalize(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}

impl CryptoProvider for RustCrypto {
    fn hash(&self, algorithm: HashAlgorithm) -> Result<Box<dyn HashContext>> {
        Ok(match algorithm {
            HashAlgorithm::Sha2256 => Box::new(Hasher(Sha256::new())),
            HashAlgorithm::Sha2384 => Box::new(Hasher(Sha384::new())),
            HashAlgorithm::Sha2512 => Box::new(Hasher(Sha512::new())),
            other => return Err(Error::UnsupportedAlgorithm(other.to_string())),
        })
    }

    fn verify_raw(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        data: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        use SigningScheme as S;
        let held = match scheme {
            S::Ed25519 => ed25519(key, data, signature),
            S::RsaPssSha256 => pss::<Sha256>(key, data, signature),
            S::RsaPssSha384 => pss::<Sha384>(key, data, signature),
            S::RsaPssSha512 => pss::<Sha512>(key, data, signature),
            other => match other.hash_algorithm() {
                Some(HashAlgorithm::Sha2256) => {
                    prehashed(other, key, &Sha256::digest(data), signature)
                }
                Some(HashAlgorithm::Sha2384) => {
                    prehashed(other, key, &Sha384::digest(data), signature)
                }
                Some(HashAlgorithm::Sha2512) => {
                    prehashed(other, key, &Sha512::digest(data), signature)
                }
                _ => None,
            },
        };
        answer(scheme, held)
    }

    fn verify_prehashed(
        &self,
        scheme: SigningScheme,
        key: &[u8],
        digest: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        answer(scheme, prehashed(scheme, key, digest, signature))
    }
}

fn answer(scheme: SigningScheme, held: Option<bool>) -> Result<()> {
    match held {
        Some(true) => Ok(()),
        Some(false) => Err(Error::Verification(format!(
            "the {} signature does not hold",
            scheme.name()
        ))),
        None => Err(Error::UnsupportedAlgorithm(format!(
            "{} with this key",
            scheme.name()
        ))),
    }
}

/// Whether the signature holds; nothing if key and scheme do not go together or the key is not acceptable.
fn prehashed(scheme: SigningScheme, key: &[u8], hash: &[u8], signature: &[u8]) -> Option<bool> {
    use SigningScheme as S;
    Some(match scheme {
        S::EcdsaP256Sha256 | S::EcdsaP256Sha384 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
            p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(hash, &signature).is_ok())
        }
        S::EcdsaP384Sha256 | S::EcdsaP384Sha384 => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
            p384::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(hash, &signature).is_ok())
        }
        S::RsaPkcs1Sha256 => pkcs1::<Sha256>(key, hash, signature)?,
        S::RsaPkcs1Sha384 => pkcs1::<Sha384>(key, hash, signature)?,
        S::RsaPkcs1Sha512 => pkcs1::<Sha512>(key, hash, signature)?,
        _ => return None,
    })
}

fn rsa_key(der: &[u8]) -> Option<rsa::RsaPublicKey> {
    // The decoder refuses more than 4096 bits.
    let key = rsa::RsaPublicKey::from_pkcs1_der(der).ok()?;
    let strong = key.n().bits() >= 2048 && *key.e() >= rsa::BigUint::from(65_537_u32);
    strong.then_some(key)
}

fn pkcs1<H>(key: &[u8], hash: &[u8], signature: &[u8]) -> Option<bool>
where
    H: sha2::Digest + rsa::pkcs8::AssociatedOid,
{
    let scheme = rsa::Pkcs1v15Sign::new::<H>();
    Some(rsa_key(key)?.verify(scheme, hash, signature).is_ok())
}

fn pss<H>(key: &[u8], data: &[u8], signature: &[u8]) -> Option<bool>
where
    H: sha2::Digest + sha2::digest::FixedOutputReset + Clone + Send + Sync + 'static,
{
    let scheme = rsa::Pss::new::<H>();
    Some(
        rsa_key(key)?
            .verify(scheme, &H::digest(data), signature)
            .is_ok(),
    )
}

/// Ed25519, or Ed25519ph without context, which cosign 3 uses for bundles (both in RFC 8032, the second kept apart by its prefix).
fn ed25519(key: &[u8], data: &[u8], signature: &[u8]) -> Option<bool> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
    if key.is_weak() {
        return None;
    }
    let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else {
        return Some(false);
    };
    let hash = Sha512::new_with_prefix(data);
    Some(
        key.verify_strict(data, &signature).is_ok()
            || key.verify_prehashed_strict(hash, None, &signature).is_ok(),
    )
}
