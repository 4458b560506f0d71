//! Certificates: an ordered chain from the signer to a root, checked as Notary v2 wants it.
//!
//! The rules are those of `signature-specification.md`, section "Certificate Requirements", with one that is stricter: a critical
//! extension other than basic constraints, key usage and extended key usage is refused, as RFC 5280 section 4.2 has it, where Notary v2
//! would pass over it.

use jiff::Timestamp;
use rsa::{signature::hazmat::PrehashVerifier as _, traits::PublicKeyParts as _};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_cert::{
    Certificate,
    der::{Decode as _, Encode as _, asn1::ObjectIdentifier},
    ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName, name::GeneralName},
    spki::{DecodePublicKey as _, SubjectPublicKeyInfoOwned},
};

use super::super::{Failure, shown};

/// Longest chain read.
pub(in crate::verify) const MAX_CHAIN: usize = 8;

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
const EMAIL_PROTECTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// anyExtendedKeyUsage, serverAuth, clientAuth, emailProtection, timeStamping, OCSPSigning: other trades than code signing.
const OTHER_TRADES: [ObjectIdentifier; 6] = [
    ObjectIdentifier::new_unwrap("2.5.29.37.0"),
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1"),
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2"),
    EMAIL_PROTECTION,
    TIME_STAMPING,
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9"),
];

/// What the leaf is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::verify) enum Purpose {
    CodeSigning,
    TimeStamping,
    /// Of git's objects, as S/MIME's certificates do.
    Objects,
}

/// The hash functions that signatures use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::verify) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(in crate::verify) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

/// A public key of one of the algorithms that Notary v2 knows.
pub(in crate::verify) enum PublicKey {
    Rsa(rsa::RsaPublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
}

/// The refusal of a certificate, by its subject.
fn bad(certificate: &Certificate, why: &str) -> Failure {
    Failure::Certificate(format!("`{}`: {why}", name(certificate)))
}

/// The subject, as RFC 4514 writes it.
pub(in crate::verify) fn name(certificate: &Certificate) -> String {
    shown(&certificate.tbs_certificate.subject.to_string())
}

/// Reads one DER certificate.
pub(in crate::verify) fn read(der: &[u8]) -> Result<Certificate, Failure> {
    let certificate = Certificate::from_der(der)
        .map_err(|error| Failure::Certificate(shown(&format!("it cannot be read: {error}"))))?;
    // What was signed is the encoding; it must be the one read.
    if certificate.to_der().ok().as_deref() != Some(der) {
        return Err(bad(&certificate, "it is not in its one encoding (DER)"));
    }
    Ok(certificate)
}

impl PublicKey {
    pub(in crate::verify) fn of(certificate: &Certificate) -> Result<Self, Failure> {
        Self::read(&certificate.tbs_certificate.subject_public_key_info)
            .map_err(|why| bad(certificate, &why))
    }

    fn read(info: &SubjectPublicKeyInfoOwned) -> Result<Self, String> {
        let parameters = || {
            let parameters = info.algorithm.parameters.as_ref()?;
            parameters.decode_as::<ObjectIdentifier>().ok()
        };
        let point = info.subject_public_key.as_bytes().unwrap_or_default();
        let wrong = |_| "its public key is malformed".to_owned();
        match (info.algorithm.oid, parameters()) {
            (EC, Some(P256)) => p256::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .map(Self::P256)
                .map_err(wrong),
            (EC, Some(P384)) => p384::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .map(Self::P384)
                .map_err(wrong),
            (EC, Some(P521)) => p521::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .map(Self::P521)
                .map_err(wrong),
            (RSA, _) => {
                let der = info.to_der().unwrap_or_default();
                let key = rsa::RsaPublicKey::from_public_key_der(&der)
                    .map_err(|_| "its public key is malformed or has more than 4096 bits")?;
                if key.n().bits() < 2048 {
                    return Err(format!("its RSA key has only {} bits", key.n().bits()));
                }
                if *key.e() < rsa::BigUint::from(65_537_u32) {
                    return Err("its RSA key's public exponent is below 65537".to_owned());
                }
                Ok(Self::Rsa(key))
            }
            _ => Err("its public key is neither RSA nor ECDSA P-256, P-384 or P-521".to_owned()),
        }
    }

    /// The hash that Notary v2 wants with this key, by its size; none for a size that it does not know.
    pub(in crate::verify) fn hash(&self) -> Option<Hash> {
        match self {
            Self::Rsa(key) => match key.n().bits() {
                2048 => Some(Hash::Sha256),
                3072 => Some(Hash::Sha384),
                4096 => Some(Hash::Sha512),
                _ => None,
            },
            Self::P256(_) => Some(Hash::Sha256),
            Self::P384(_) => Some(Hash::Sha384),
            Self::P521(_) => Some(Hash::Sha512),
        }
    }

    /// Whether `signature` is one over `message` as JWS and COSE have it: RSASSA-PSS with a salt as long as the hash, or `r ‖ s`.
    pub(in crate::verify) fn verify_jose(
        &self,
        hash: Hash,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let digest = hash.digest(message);
        match self {
            Self::Rsa(key) => {
                let scheme = match hash {
                    Hash::Sha256 => rsa::Pss::new_with_salt::<Sha256>(32),
                    Hash::Sha384 => rsa::Pss::new_with_salt::<Sha384>(48),
                    Hash::Sha512 => rsa::Pss::new_with_salt::<Sha512>(64),
                };
                key.verify(scheme, &digest, signature).is_ok()
            }
            Self::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            Self::P384(key) => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            Self::P521(key) => p521::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
        }
    }

    /// Whether `signature` is one over `message` as certificates and CMS have it: PKCS #1 v1.5, or DER.
    pub(in crate::verify) fn verify_x509(
        &self,
        hash: Hash,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let digest = hash.digest(message);
        match self {
            Self::Rsa(key) => {
                let scheme = match hash {
                    Hash::Sha256 => rsa::Pkcs1v15Sign::new::<Sha256>(),
                    Hash::Sha384 => rsa::Pkcs1v15Sign::new::<Sha384>(),
                    Hash::Sha512 => rsa::Pkcs1v15Sign::new::<Sha512>(),
                };
                key.verify(scheme, &digest, signature).is_ok()
            }
            Self::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            Self::P384(key) => p384::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            Self::P521(key) => p521::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
        }
    }
}

/// The hash of a certificate's signature algorithm, and whether it is for RSA keys.
pub(in crate::verify) fn algorithm(oid: ObjectIdentifier) -> Result<(Hash, bool), String> {
    match oid.to_string().as_str() {
        "1.2.840.113549.1.1.11" => Ok((Hash::Sha256, true)),
        "1.2.840.113549.1.1.12" => Ok((Hash::Sha384, true)),
        "1.2.840.113549.1.1.13" => Ok((Hash::Sha512, true)),
        "1.2.840.10045.4.3.2" => Ok((Hash::Sha256, false)),
        "1.2.840.10045.4.3.3" => Ok((Hash::Sha384, false)),
        "1.2.840.10045.4.3.4" => Ok((Hash::Sha512, false)),
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => Err("it is signed with SHA-1".to_owned()),
        other => Err(format!("it is signed by the unknown algorithm {other}")),
    }
}

/// From `leaf` to one of `trusted` that nobody else vouches for, by the names of issuers; those of `trusted` come before `others`.
/// Nothing in it is checked yet.
pub(in crate::verify) fn build(
    leaf: &Certificate,
    others: &[Certificate],
    trusted: &[Certificate],
) -> Option<Vec<Certificate>> {
    let mut chain = vec![leaf.clone()];
    while let Some(last) = chain.last() {
        let tbs = &last.tbs_certificate;
        if tbs.subject == tbs.issuer {
            return trusted.contains(last).then_some(chain);
        }
        if chain.len() == MAX_CHAIN {
            return None;
        }
        let named = || {
            let all = trusted.iter().chain(others);
            all.filter(|above| {
                above.tbs_certificate.subject == tbs.issuer && !chain.contains(above)
            })
        };
        // An authority that renewed its key has two of one name.
        let issuer = named().find(|above| signed_by(last, above).is_ok());
        let issuer = issuer.or_else(|| named().next())?.clone();
        chain.push(issuer);
    }
    None
}

/// The addresses that the certificate is for (RFC 822 names).
pub(in crate::verify) fn addresses(certificate: &Certificate) -> Result<Vec<String>, Failure> {
    let list = certificate.tbs_certificate.extensions.iter().flatten();
    let mut names = list.filter(|extension| extension.extn_id == SUBJECT_ALT_NAME);
    let Some(names) = names.next() else {
        return Ok(Vec::new());
    };
    let names = SubjectAltName::from_der(names.extn_value.as_bytes())
        .map_err(|_| bad(certificate, "an extension is malformed"))?;
    let names = names.0.into_iter().filter_map(|name| match name {
        GeneralName::Rfc822Name(address) => Some(address.to_string()),
        _ => None,
    });
    Ok(names.collect())
}

/// Checks the chain itself: each certificate is signed by the next, the last by itself, and each may do what it does.
pub(in crate::verify) fn check(chain: &[Certificate], purpose: Purpose) -> Result<(), Failure> {
    let Some((leaf, issuers)) = chain.split_first() else {
        return Err(Failure::Certificate("there is none".to_owned()));
    };
    for (index, certificate) in chain.iter().enumerate() {
        let tbs = &certificate.tbs_certificate;
        let itself = tbs.subject == tbs.issuer;
        match chain.get(index.saturating_add(1)) {
            Some(_) if itself => {
                return Err(bad(certificate, "it is self-issued, but not the last one"));
            }
            Some(issuer) => signed_by(certificate, issuer)?,
            None if itself => signed_by(certificate, certificate)?,
            None => {
                return Err(bad(certificate, "the chain does not end with a root"));
            }
        }
    }
    may_sign(leaf, purpose)?;
    for (below, issuer) in issuers.iter().enumerate() {
        may_issue(issuer, below, purpose)?;
    }
    Ok(())
}

fn signed_by(certificate: &Certificate, issuer: &Certificate) -> Result<(), Failure> {
    let tbs = &certificate.tbs_certificate;
    if tbs.issuer != issuer.tbs_certificate.subject {
        return Err(bad(
            certificate,
            &format!("it is not issued by `{}`", name(issuer)),
        ));
    }
    if tbs.signature != certificate.signature_algorithm {
        return Err(bad(certificate, "it names two signature algorithms"));
    }
    let (hash, rsa) =
        algorithm(certificate.signature_algorithm.oid).map_err(|why| bad(certificate, &why))?;
    let key = PublicKey::of(issuer)?;
    let message = tbs
        .to_der()
        .map_err(|_| bad(certificate, "it cannot be encoded"))?;
    let signature = certificate.signature.as_bytes().unwrap_or_default();
    if rsa != matches!(key, PublicKey::Rsa(_)) || !key.verify_x509(hash, &message, signature) {
        return Err(bad(
            certificate,
            &format!("it is not signed by `{}`", name(issuer)),
        ));
    }
    Ok(())
}

/// The extensions that count.
#[derive(Default)]
struct Extensions {
    constraints: Option<(bool, BasicConstraints)>,
    usage: Option<(bool, KeyUsage)>,
    trades: Option<(bool, ExtendedKeyUsage)>,
    names: bool,
}

fn extensions(certificate: &Certificate, purpose: Purpose) -> Result<Extensions, Failure> {
    let mut found = Extensions::default();
    let list = certificate.tbs_certificate.extensions.iter().flatten();
    for extension in list {
        let value = extension.extn_value.as_bytes();
        let unreadable = |_| bad(certificate, "an extension is malformed");
        let twice = match extension.extn_id {
            BASIC_CONSTRAINTS => {
                let value = BasicConstraints::from_der(value).map_err(unreadable)?;
                let old = found.constraints.replace((extension.critical, value));
                old.is_some()
            }
            KEY_USAGE => {
                let value = KeyUsage::from_der(value).map_err(unreadable)?;
                found.usage.replace((extension.critical, value)).is_some()
            }
            EXTENDED_KEY_USAGE => {
                let value = ExtendedKeyUsage::from_der(value).map_err(unreadable)?;
                found.trades.replace((extension.critical, value)).is_some()
            }
            // Critical in a certificate without a subject.
            SUBJECT_ALT_NAME if purpose == Purpose::Objects => {
                std::mem::replace(&mut found.names, true)
            }
            other if extension.critical => {
                return Err(bad(
                    certificate,
                    &format!("unknown critical extension {other}"),
                ));
            }
            _ => false,
        };
        if twice {
            return Err(bad(certificate, "an extension is there twice"));
        }
    }
    Ok(found)
}

fn may_sign(leaf: &Certificate, purpose: Purpose) -> Result<(), Failure> {
    let extensions = extensions(leaf, purpose)?;
    if extensions.constraints.is_some_and(|(_, value)| value.ca) {
        return Err(bad(leaf, "it is a CA, which may not sign artifacts"));
    }
    let (critical, usage) = extensions
        .usage
        .ok_or_else(|| bad(leaf, "it has no key usage"))?;
    // Notary v2 asks for it with code signing only.
    if !critical && purpose == Purpose::CodeSigning {
        return Err(bad(leaf, "its key usage is not critical"));
    }
    if purpose == Purpose::Objects {
        let may = usage.digital_signature() || usage.non_repudiation();
        let trades = extensions.trades.map(|(_, trades)| trades.0);
        let other_trade = trades.is_some_and(|trades| {
            let is = |trade| [EMAIL_PROTECTION, CODE_SIGNING].contains(trade);
            !trades.iter().any(is)
        });
        return match (may, other_trade) {
            (true, false) => Ok(()),
            (false, _) => Err(bad(leaf, "its key usage is not digital signature")),
            (_, true) => Err(bad(
                leaf,
                "its extended key usage is neither e-mail protection nor code signing",
            )),
        };
    }
    let other = usage.key_encipherment()
        || usage.data_encipherment()
        || usage.key_agreement()
        || usage.key_cert_sign()
        || usage.crl_sign()
        || usage.encipher_only()
        || usage.decipher_only();
    if !usage.digital_signature() || other {
        return Err(bad(leaf, "its key usage is not just digital signature"));
    }
    match (purpose, extensions.trades) {
        (Purpose::CodeSigning, None) => Ok(()),
        (Purpose::CodeSigning, Some((_, trades))) => {
            if trades.0.iter().any(|trade| OTHER_TRADES.contains(trade)) {
                return Err(bad(leaf, "its extended key usage is not code signing"));
            }
            Ok(())
        }
        (Purpose::TimeStamping, Some((true, trades))) if trades.0 == [TIME_STAMPING] => Ok(()),
        (Purpose::TimeStamping | Purpose::Objects, _) => Err(bad(
            leaf,
            "its extended key usage is not critical and time stamping only",
        )),
    }
}

fn may_issue(issuer: &Certificate, below: usize, purpose: Purpose) -> Result<(), Failure> {
    let extensions = extensions(issuer, purpose)?;
    let (critical, constraints) = extensions
        .constraints
        .ok_or_else(|| bad(issuer, "it has no basic constraints, so it is no CA"))?;
    if !critical || !constraints.ca {
        return Err(bad(issuer, "it is no CA"));
    }
    if constraints
        .path_len_constraint
        .is_some_and(|most| usize::from(most) < below)
    {
        return Err(bad(issuer, "too many certificates are below it"));
    }
    match extensions.usage {
        Some((critical, usage))
            if usage.key_cert_sign() && (critical || purpose != Purpose::CodeSigning) =>
        {
            Ok(())
        }
        _ => Err(bad(issuer, "its key usage is not to sign certificates")),
    }
}

/// Whether all of them are valid at `at`.
pub(in crate::verify) fn valid(chain: &[Certificate], at: Timestamp) -> Result<(), Failure> {
    for certificate in chain {
        let validity = &certificate.tbs_certificate.validity;
        let time = |time: &x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs())
                .ok()
                .and_then(|seconds| Timestamp::from_second(seconds).ok())
                .ok_or_else(|| bad(certificate, "its validity is no time"))
        };
        let (from, until) = (time(&validity.not_before)?, time(&validity.not_after)?);
        let what = || format!("certificate `{}`", name(certificate));
        if at < from {
            return Err(Failure::NotYetValid { what: what(), from });
        }
        if at > until {
            return Err(Failure::Expired {
                what: what(),
                at: until,
            });
        }
    }
    Ok(())
}
