//! One signature packet over data (RFC 9580 section 5.2), with what must hold before its hash is computed.

use jiff::Timestamp;
use pgp::{
    crypto::{hash::HashAlgorithm, public_key::PublicKeyAlgorithm},
    packet::{
        PacketHeader, Signature as Packet, SignatureType, SignatureVersionSpecific, Subpacket,
        SubpacketData,
    },
    types::{Fingerprint, KeyDetails, KeyId, SignatureBytes, Tag},
};

use super::Failure;

/// A signature over data: version 4 or 6, binary or text, by algorithms that prove something.
#[derive(Clone, Debug)]
pub(super) struct DataSignature {
    /// Whether line endings are hashed as CR LF.
    pub(super) text: bool,
    /// The hash function.
    pub(super) hash: HashAlgorithm,
    /// Hashed before the data; empty in version 4.
    pub(super) salt: Vec<u8>,
    /// Hashed after the data: the signature's own hashed part and the trailer of RFC 9580 section 5.2.4.
    pub(super) trailer: Vec<u8>,
    /// The first two bytes of the hash, as the signature states them.
    pub(super) check: [u8; 2],
    /// When it says that it was made.
    pub(super) created: Timestamp,
    /// From when on it no longer holds, if it says so.
    pub(super) expires: Option<Timestamp>,
    /// 4 or 6, the same as the key's.
    pub(super) version: u8,
    algorithm: PublicKeyAlgorithm,
    fingerprints: Vec<Fingerprint>,
    ids: Vec<KeyId>,
    value: SignatureBytes,
}

impl DataSignature {
    /// Reads the body of a signature packet.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Failure> {
        let version = match body {
            [version @ (4 | 6), ..] => *version,
            [version @ (2 | 3), ..] => {
                return Err(weak(format!(
                    "it is of version {version}, which protects neither its time nor its issuer; wanted is 4 or 6"
                )));
            }
            _ => return Err(form("its version is neither 4 nor 6")),
        };
        let packet = read(body).map_err(form)?;
        let (Some(config), Some(value), Some(check)) = (
            packet.config(),
            packet.signature(),
            packet.signed_hash_value(),
        ) else {
            return Err(form("its version is neither 4 nor 6"));
        };
        let text = match config.typ {
            SignatureType::Binary => false,
            SignatureType::Text => true,
            other => {
                return Err(Failure::Type {
                    what: "signature's type",
                    found: format!("{other:?}"),
                    wanted: "Binary or Text",
                });
            }
        };
        if let Some(why) = weak_hash(config.hash_alg) {
            return Err(weak(why));
        }
        if let Some(why) = weak_algorithm(config.pub_alg) {
            return Err(weak(why));
        }
        let times = Times::read(&config.hashed_subpackets).map_err(form)?;
        for subpacket in &config.hashed_subpackets {
            understood(subpacket, false).map_err(form)?;
        }
        let salt = match &config.version_specific {
            SignatureVersionSpecific::V6 { salt } => salt.clone(),
            _ => Vec::new(),
        };
        Ok(Self {
            text,
            hash: config.hash_alg,
            salt,
            trailer: trailer(version, body).ok_or_else(|| form("it is cut off"))?,
            check,
            created: times.created,
            expires: times.expires,
            version,
            algorithm: config.pub_alg,
            fingerprints: config.issuer_fingerprint().into_iter().cloned().collect(),
            ids: config.issuer_key_id().into_iter().copied().collect(),
            value: value.clone(),
        })
    }

    /// Whether the signature says that `key` made it: by fingerprint where it names one, else by key id. What is said is
    /// believed only when the signature holds.
    pub(super) fn names(&self, key: &impl KeyDetails) -> bool {
        if self.fingerprints.is_empty() {
            self.ids.contains(&key.legacy_key_id())
        } else {
            self.fingerprints.contains(&key.fingerprint())
        }
    }

    /// Who made it, by its own word.
    pub(super) fn issuer(&self) -> String {
        match (self.fingerprints.first(), self.ids.first()) {
            (Some(fingerprint), _) => hex(fingerprint.as_bytes()),
            (None, Some(id)) => hex(id.as_ref()),
            (None, None) => "nobody it names".to_owned(),
        }
    }

    /// Whether this is a signature by `key` over data with this hash.
    pub(super) fn holds(&self, key: &impl pgp::types::VerifyingKey, hash: &[u8]) -> bool {
        hash.starts_with(&self.check)
            && u8::from(key.version()) == self.version
            && key.algorithm() == self.algorithm
            && key.verify(self.hash, hash, &self.value).is_ok()
    }
}

/// The packet library's reading of a signature's body, all of it.
pub(super) fn read(body: &[u8]) -> Result<Packet, String> {
    let len = u32::try_from(body.len()).map_err(|_| "it is too long")?;
    let mut rest = body;
    let packet = Packet::try_from_reader(PacketHeader::new_fixed(Tag::Signature, len), &mut rest)
        .map_err(|error| format!("it is cut off or not well-formed ({error})"))?;
    if !rest.is_empty() {
        return Err("something follows the signature within its packet".to_owned());
    }
    Ok(packet)
}

/// When a signature was made and until when it holds, from its hashed part only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) created: Timestamp,
    pub(super) expires: Option<Timestamp>,
}

impl Times {
    pub(super) fn read(subpackets: &[Subpacket]) -> Result<Self, String> {
        let created = only(subpackets, "creation time", |data| match data {
            SubpacketData::SignatureCreationTime(time) => Some(time.as_secs()),
            _ => None,
        })?
        .ok_or("it does not say when it was made")?;
        let lasts = only(subpackets, "expiration time", |data| match data {
            SubpacketData::SignatureExpirationTime(time) => Some(time.as_secs()),
            _ => None,
        })?;
        Ok(Self {
            created: seconds(created, 0),
            expires: lasts
                .filter(|lasts| *lasts != 0)
                .map(|lasts| seconds(created, lasts)),
        })
    }
}

/// The one subpacket of a kind, or none; twice is an error.
pub(super) fn only<T>(
    subpackets: &[Subpacket],
    what: &str,
    pick: impl Fn(&SubpacketData) -> Option<T>,
) -> Result<Option<T>, String> {
    let mut found = subpackets
        .iter()
        .filter_map(|subpacket| pick(&subpacket.data));
    let first = found.next();
    if found.next().is_some() {
        return Err(format!("its {what} is there twice"));
    }
    Ok(first)
}

/// Refuses what is marked as critical and not acted on here.
pub(super) fn understood(subpacket: &Subpacket, on_key: bool) -> Result<(), String> {
    if !subpacket.is_critical {
        return Ok(());
    }
    let known = match &subpacket.data {
        SubpacketData::SignatureCreationTime(_)
        | SubpacketData::SignatureExpirationTime(_)
        | SubpacketData::IssuerKeyId(_)
        | SubpacketData::IssuerFingerprint(_)
        | SubpacketData::SignersUserID(_) => true,
        SubpacketData::Notation(notation) => {
            let name: String = String::from_utf8_lossy(&notation.name)
                .chars()
                .filter(|c| !c.is_control())
                .take(80)
                .collect();
            return Err(format!("it has the unknown critical notation `{name}`"));
        }
        SubpacketData::KeyExpirationTime(_)
        | SubpacketData::KeyFlags(_)
        | SubpacketData::IsPrimary(_)
        | SubpacketData::Features(_)
        | SubpacketData::EmbeddedSignature(_)
        | SubpacketData::RevocationKey(_)
        | SubpacketData::RevocationReason(..)
        | SubpacketData::Revocable(_)
        | SubpacketData::ExportableCertification(_)
        | SubpacketData::PreferredSymmetricAlgorithms(_)
        | SubpacketData::PreferredHashAlgorithms(_)
        | SubpacketData::PreferredCompressionAlgorithms(_)
        | SubpacketData::PreferredAeadAlgorithms(_)
        | SubpacketData::PreferredEncryptionModes(_)
        | SubpacketData::KeyServerPreferences(_)
        | SubpacketData::PreferredKeyServer(_) => on_key,
        _ => false,
    };
    if known {
        Ok(())
    } else {
        let (kind, _) = (subpacket.typ().as_u8(false), ());
        Err(format!("it has the unknown critical subpacket {kind}"))
    }
}

/// Why a hash function proves nothing, if so.
pub(super) fn weak_hash(hash: HashAlgorithm) -> Option<String> {
    match hash {
        HashAlgorithm::Sha256
        | HashAlgorithm::Sha384
        | HashAlgorithm::Sha512
        | HashAlgorithm::Sha3_256
        | HashAlgorithm::Sha3_512 => None,
        other => Some(format!(
            "its hash is {other}; wanted is SHA-256, SHA-384, SHA-512 or SHA-3"
        )),
    }
}

/// Why a signature algorithm proves nothing, if so.
pub(super) fn weak_algorithm(algorithm: PublicKeyAlgorithm) -> Option<String> {
    match algorithm {
        PublicKeyAlgorithm::RSA
        | PublicKeyAlgorithm::RSASign
        | PublicKeyAlgorithm::ECDSA
        | PublicKeyAlgorithm::EdDSALegacy
        | PublicKeyAlgorithm::Ed25519
        | PublicKeyAlgorithm::Ed448 => None,
        other => Some(format!(
            "its algorithm is {other:?}; wanted is RSA, ECDSA or EdDSA"
        )),
    }
}

/// The hashed part of the signature in its own bytes, and the trailer.
fn trailer(version: u8, body: &[u8]) -> Option<Vec<u8>> {
    let (fixed, len) = match (version, body) {
        (4, [_, _, _, _, a, b, ..]) => (6_usize, u32::from_be_bytes([0, 0, *a, *b])),
        (6, [_, _, _, _, a, b, c, d, ..]) => (8, u32::from_be_bytes([*a, *b, *c, *d])),
        _ => return None,
    };
    let end = fixed.checked_add(usize::try_from(len).ok()?)?;
    let mut trailer = body.get(..end)?.to_vec();
    trailer.extend([version, 0xff]);
    trailer.extend(u32::try_from(end).ok()?.to_be_bytes());
    Some(trailer)
}

/// `from` and `lasts` of OpenPGP are unsigned seconds; their sum lies well within what a timestamp holds.
pub(super) fn seconds(from: u32, lasts: u32) -> Timestamp {
    Timestamp::from_second(i64::from(from).saturating_add(i64::from(lasts))).unwrap_or_default()
}

/// Upper-case hexadecimal digits, as OpenPGP tools show fingerprints.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn form(why: impl Into<String>) -> Failure {
    Failure::Form {
        what: "OpenPGP signature",
        why: why.into(),
    }
}

fn weak(why: String) -> Failure {
    Failure::Weak {
        what: "OpenPGP signature",
        why,
    }
}
