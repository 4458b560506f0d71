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

#[cfg(test)]
mod tests {
    use rsa::{
        BigUint, RsaPrivateKey, pkcs1::EncodeRsaPublicKey as _, rand_core::OsRng,
        traits::SignatureScheme as _,
    };

    use super::*;

    /// Primes of keys made for this test alone.
    const PRIMES: [&str; 4] = [
        "E1FC3B15C997061F16158D532F3B0B112C2C5209F111CB121A2DE9DA8A03E0DF2A96B0C881F14A8DF956F119196566C2B6FE14FAD369573B1DA6E09AE386635F1BF03E98BF0C6AC99CC0E3FB091F60E864C35221E64272AE7B2F4D6C92735D3E14BEA8ADB2CE7F6B8187A11774E16E2F8B09FDF3E84F3B416365C096FD94DB59",
        "FBB5E13156B26E6C8E211424521B9CD8FC7E6799B9166DD337952590A8A5ED3434F8A95FEADC4A5491553D2ABC06EDAA535DCFAC554E13ECEDCE84BD84C72889B2C356F009737BB297C13F98A7AF629DF0E13FFBA32B71057B37ECB1894AA04A0624BB0E10C9B4FC0721742C6C62705967B34C04C179882F2592FFA73C7D36C5",
        "C2D707884EF46BD06F71BB901731D1EE0431FE8B79D0709095A2640EEF479C6ACA3476D59D22B0CDD3A5966083110D9518F91AFF674C53D47036C2100AFC4AC9",
        "CA621AA85CBE1FF0571005DEB5584F31B0FDCD7183088DFB0EB090A5A4789416D3DC62DE8257148AE48A38AF71394537F6E370417DA550CAC79BD245979ADB93",
    ];

    fn key(exponent: u32, primes: [&str; 2]) -> (RsaPrivateKey, Vec<u8>) {
        let [p, q] = primes.map(|hex| BigUint::parse_bytes(hex.as_bytes(), 16).unwrap());
        let key = RsaPrivateKey::from_p_q(p, q, exponent.into()).unwrap();
        let der = key.to_public_key().to_pkcs1_der().unwrap();
        (key, der.as_bytes().to_vec())
    }

    #[test]
    fn rsa_signatures_of_both_paddings() {
        let (private, public) = key(65537, [PRIMES[0], PRIMES[1]]);
        let hash = Sha384::digest(b"data");
        let pss = rsa::Pss::new::<Sha384>()
            .sign(Some(&mut OsRng), &private, &hash)
            .unwrap();
        let pkcs1 = rsa::Pkcs1v15Sign::new::<Sha384>()
            .sign(None::<&mut OsRng>, &private, &hash)
            .unwrap();
        let check = |scheme, data: &[u8], signature: &[u8]| {
            RustCrypto
                .verify_raw(scheme, &public, data, signature)
                .is_ok()
        };
        assert!(check(SigningScheme::RsaPssSha384, b"data", &pss));
        assert!(check(SigningScheme::RsaPkcs1Sha384, b"data", &pkcs1));
        assert!(!check(SigningScheme::RsaPssSha384, b"datA", &pss));
        assert!(!check(SigningScheme::RsaPkcs1Sha384, b"datA", &pkcs1));
        for (scheme, signature) in [
            (SigningScheme::RsaPssSha256, &pss),
            (SigningScheme::RsaPssSha512, &pss),
            (SigningScheme::RsaPkcs1Sha384, &pss),
            (SigningScheme::RsaPkcs1Sha256, &pkcs1),
            (SigningScheme::RsaPkcs1Sha512, &pkcs1),
            (SigningScheme::RsaPssSha384, &pkcs1),
            (SigningScheme::Ed25519, &pss),
            (SigningScheme::EcdsaP256Sha256, &pss),
            (SigningScheme::MlDsa44, &pss),
        ] {
            assert!(!check(scheme, b"data", signature), "{}", scheme.name());
        }
    }

    #[test]
    fn weak_keys_are_refused_though_their_signatures_hold() {
        for (exponent, primes, accepted) in [
            (65537, [PRIMES[0], PRIMES[1]], true),
            (65537, [PRIMES[2], PRIMES[3]], false),
        ] {
            let (private, public) = key(exponent, primes);
            let hash = Sha256::digest(b"data");
            let scheme = rsa::Pkcs1v15Sign::new::<Sha256>();
            let signature = scheme.sign(None::<&mut OsRng>, &private, &hash).unwrap();
            let held =
                RustCrypto.verify_raw(SigningScheme::RsaPkcs1Sha256, &public, b"data", &signature);
            assert_eq!(held.is_ok(), accepted);
        }
        // The neutral element signs everything as Ed25519 is often implemented.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let held = RustCrypto.verify_raw(SigningScheme::Ed25519, &neutral, b"data", &signature);
        assert!(held.is_err());
    }
}
