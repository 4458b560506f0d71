//! One certificate (transferable public key, RFC 9580 section 10.1): the keys in it, and what its own signatures say of them.
//!
//! Only what the primary key itself signed counts. Signatures by others, and those that do not hold, are left out; a
//! revocation that cannot be read is an error, because leaving it out would make the key good.

use jiff::Timestamp;
use pgp::{
    crypto::hash::HashAlgorithm,
    packet::{
        PacketHeader, PublicKey, PublicSubkey, RevocationCode, Signature as Packet,
        SignatureType as Type, SubpacketData, UserId,
    },
    ser::Serialize,
    types::{KeyDetails, Tag},
};

use super::{
    packet::{self, tag},
    signature::{Times, hex, only, read, seconds, understood, weak_hash},
};

/// Most packets read of one certificate.
const MAX_PACKETS: usize = 20_000;
/// Most signatures checked of one key file: those that its primary keys seem to have made.
pub(super) const MAX_CHECKS: usize = 4096;
/// Until then a SHA-1 signature of a key over its own parts is taken (2023-02-01), as Sequoia does: finding a second
/// preimage is still out of reach, and the owner chooses what is signed. Signatures over data never are.
const SHA1_UNTIL: i64 = 1_675_209_600;

/// A primary key with its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) primary: PublicKey,
    /// What the primary key says of itself, in direct signatures and on its user ids, newest last.
    pub(super) statements: Vec<Statement>,
    pub(super) revocations: Vec<Revocation>,
    pub(super) subkeys: Vec<Subkey>,
    /// Why statements were left out, if one was because of its hash.
    pub(super) weak: Option<String>,
    /// Fingerprints of those who may revoke the key besides its owner, and a revocation by one of them was seen.
    pub(super) revoked_by_other: Option<String>,
}

/// A subkey with what the primary key says of it, newest last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subkey {
    pub(super) key: PublicSubkey,
    pub(super) statements: Vec<Statement>,
    pub(super) revocations: Vec<Revocation>,
    pub(super) weak: Option<String>,
}

/// What a signature of the primary key says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) created: Timestamp,
    /// The end of the statement itself.
    pub(super) expires: Option<Timestamp>,
    /// The end of the key's validity.
    pub(super) key_expires: Option<Timestamp>,
    /// Whether the key may sign data; none if nothing is said.
    pub(super) may_sign: Option<bool>,
    /// Whether the key itself agrees to belong to the primary key.
    pub(super) back: bool,
    /// Whether it is about the key itself, not about a user id.
    pub(super) direct: bool,
}

/// That a key is no longer to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Revocation {
    pub(super) created: Timestamp,
    /// Whether what was signed before stays good: the key was only replaced or retired.
    pub(super) soft: bool,
    pub(super) why: String,
}

impl Certificate {
    /// Upper-case hexadecimal digits of the primary key's fingerprint.
    pub(super) fn fingerprint(&self) -> String {
        hex(self.primary.fingerprint().as_bytes())
    }

    /// Takes one certificate from the front of `bytes`: a primary key and all up to the next. One without the fingerprint
    /// `wanted` is passed over: then there is only its fingerprint, or why it has none. `checks` is how many signatures may
    /// still be checked.
    pub(super) fn take(
        bytes: &mut &[u8],
        wanted: Option<&str>,
        checks: &mut usize,
    ) -> Result<Result<Self, String>, String> {
        let first = packet::next(bytes)?.ok_or("it is empty")?;
        match first.tag {
            tag::PUBLIC_KEY => {}
            tag::SECRET_KEY => return Err(PRIVATE.to_owned()),
            other => {
                return Err(format!(
                    "it begins with a packet of type {other}, not with a public key"
                ));
            }
        }
        let mut reader = match (primary(&first.body), wanted) {
            (Ok(primary), None) => Ok(Reader::new(primary, checks)),
            (Err(why), None) => return Err(why),
            (Err(why), Some(_)) => Err(format!("one that cannot be read ({why})")),
            (Ok(primary), Some(wanted)) => {
                let fingerprint = hex(primary.fingerprint().as_bytes());
                if fingerprint == wanted {
                    Ok(Reader::new(primary, checks))
                } else {
                    Err(fingerprint)
                }
            }
        };
        for count in 0.. {
            let mut rest = *bytes;
            let Some(packet) = packet::next(&mut rest)? else {
                break;
            };
            if packet.tag == tag::PUBLIC_KEY {
                break;
            }
            if count == MAX_PACKETS {
                return Err(format!("a key has more than {MAX_PACKETS} packets"));
            }
            *bytes = rest;
            if let Ok(reader) = &mut reader {
                reader.packet(packet.tag, &packet.body)?;
            }
        }
        Ok(reader.map(Reader::finish))
    }
}

/// A private key where a public one belongs.
pub(super) const PRIVATE: &str = "this is a private key; keep it out of the policy's folder and give its public half (gpg --export, sq key ... delete)";

/// What the signatures that follow are about.
enum About {
    Primary,
    UserId(UserId, Vec<Statement>, Option<Timestamp>),
    Subkey(Box<Subkey>),
    /// A part that is not looked at, such as a photograph or an encryption subkey of an unknown algorithm.
    Other,
}

struct Reader<'c> {
    certificate: Certificate,
    about: About,
    checks: &'c mut usize,
    may_revoke: Vec<Vec<u8>>,
    revokers: Vec<Vec<u8>>,
}

impl<'c> Reader<'c> {
    fn new(primary: PublicKey, checks: &'c mut usize) -> Self {
        Self {
            certificate: Certificate {
                primary,
                statements: Vec::new(),
                revocations: Vec::new(),
                subkeys: Vec::new(),
                weak: None,
                revoked_by_other: None,
            },
            about: About::Primary,
            checks,
            may_revoke: Vec::new(),
            revokers: Vec::new(),
        }
    }

    fn packet(&mut self, kind: u8, body: &[u8]) -> Result<(), String> {
        match kind {
            tag::SIGNATURE => return self.signature(body),
            tag::USER_ID => {
                self.close();
                let header = header(Tag::UserId, body)?;
                self.about = UserId::try_from_reader(header, body)
                    .map_or(About::Other, |id| About::UserId(id, Vec::new(), None));
            }
            tag::USER_ATTRIBUTE => {
                self.close();
                self.about = About::Other;
            }
            tag::PUBLIC_SUBKEY => {
                self.close();
                let mut rest = body;
                let header = header(Tag::PublicSubkey, body)?;
                let key = PublicSubkey::try_from_reader(header, &mut rest)
                    .ok()
                    .filter(|key| rest.is_empty() && same(key, body));
                self.about = key.map_or(About::Other, |key| {
                    About::Subkey(Box::new(Subkey {
                        key,
                        statements: Vec::new(),
                        revocations: Vec::new(),
                        weak: None,
                    }))
                });
            }
            tag::SECRET_KEY | tag::SECRET_SUBKEY => return Err(PRIVATE.to_owned()),
            tag::TRUST | tag::MARKER | tag::PADDING | 40..=63 => {}
            other => return Err(format!("a packet of type {other} does not belong in a key")),
        }
        Ok(())
    }

    fn signature(&mut self, body: &[u8]) -> Result<(), String> {
        // Version 2 and 3: version, length 5, type. Later: version, type.
        let kind = match body {
            [2 | 3, 5, kind, ..] | [4..=255, kind, ..] => *kind,
            _ => return Ok(()),
        };
        let revokes = matches!(
            Type::from(kind),
            Type::KeyRevocation | Type::SubkeyRevocation | Type::CertRevocation
        );
        let unread = |why: String| {
            if revokes && !matches!(self.about, About::Other) {
                Err(format!("it has a revocation that cannot be read: {why}"))
            } else {
                Ok(())
            }
        };
        let packet = match read(body) {
            Ok(packet) => packet,
            Err(why) => return unread(why),
        };
        let Some(config) = packet.config() else {
            return unread("its version is unknown".to_owned());
        };
        let primary = &self.certificate.primary;
        let ids = config.issuer_key_id();
        let fingerprints = config.issuer_fingerprint();
        let ours = ids.contains(&&primary.legacy_key_id())
            || fingerprints.contains(&&primary.fingerprint())
            || ids.is_empty() && fingerprints.is_empty();
        if !ours {
            if config.typ == Type::KeyRevocation {
                self.revokers
                    .extend(ids.iter().map(|id| id.as_ref().to_vec()));
                self.revokers
                    .extend(fingerprints.iter().map(|print| print.as_bytes().to_vec()));
            }
            return Ok(());
        }
        *self.checks = self
            .checks
            .checked_sub(1)
            .ok_or_else(|| format!("more than {MAX_CHECKS} signatures of the keys themselves"))?;
        let known = !matches!(self.about, About::Other);
        if !self.own(&packet)? && revokes && known {
            return Err("it has a revocation that does not hold, or is out of place".to_owned());
        }
        Ok(())
    }

    /// Takes in a signature that the primary key seems to have made; false if it does not hold for the part it is at.
    fn own(&mut self, packet: &Packet) -> Result<bool, String> {
        let Some(config) = packet.config() else {
            return Ok(false);
        };
        let primary = &self.certificate.primary;
        match (&mut self.about, config.typ) {
            (_, Type::KeyRevocation) if packet.verify_key(primary).is_ok() => {
                self.certificate.revocations.push(Revocation::read(packet)?);
            }
            (_, Type::Key) if packet.verify_key(primary).is_ok() => {
                self.may_revoke.extend(revokers(packet));
                statement(
                    packet,
                    primary.created_at().as_secs(),
                    &mut self.certificate.statements,
                    &mut self.certificate.weak,
                );
            }
            (
                About::UserId(id, statements, revoked),
                Type::CertGeneric
                | Type::CertPersona
                | Type::CertCasual
                | Type::CertPositive
                | Type::CertRevocation,
            ) if packet
                .verify_certification(primary, Tag::UserId, id)
                .is_ok() =>
            {
                self.may_revoke.extend(revokers(packet));
                certification(
                    packet,
                    primary,
                    statements,
                    revoked,
                    &mut self.certificate.weak,
                )?;
            }
            (About::Subkey(subkey), Type::SubkeyRevocation)
                if packet.verify_subkey_binding(primary, &subkey.key).is_ok() =>
            {
                subkey.revocations.push(Revocation::read(packet)?);
            }
            (About::Subkey(subkey), Type::SubkeyBinding)
                if packet.verify_subkey_binding(primary, &subkey.key).is_ok() =>
            {
                let before = subkey.statements.len();
                statement(
                    packet,
                    subkey.key.created_at().as_secs(),
                    &mut subkey.statements,
                    &mut subkey.weak,
                );
                let back = back_signature(packet, primary, &subkey.key);
                if let Some(new) = subkey.statements.get_mut(before) {
                    new.back = back;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Ends the part that the last signatures were about.
    fn close(&mut self) {
        match std::mem::replace(&mut self.about, About::Other) {
            About::UserId(_, statements, revoked) => {
                // A user id can be taken back and given again.
                let kept = statements
                    .into_iter()
                    .filter(|statement| revoked.is_none_or(|revoked| statement.created > revoked));
                self.certificate.statements.extend(kept);
            }
            About::Subkey(mut subkey) => {
                subkey.statements.sort_by_key(|statement| statement.created);
                self.certificate.subkeys.push(*subkey);
            }
            About::Primary | About::Other => {}
        }
    }

    fn finish(mut self) -> Certificate {
        self.close();
        self.certificate
            .statements
            .sort_by_key(|statement| statement.created);
        self.certificate.revoked_by_other = self
            .may_revoke
            .iter()
            .find(|known| {
                self.revokers
                    .iter()
                    .any(|revoker| !revoker.is_empty() && known.ends_with(revoker))
            })
            .map(|known| hex(known));
        self.certificate
    }
}

fn header(kind: Tag, body: &[u8]) -> Result<PacketHeader, String> {
    let len = u32::try_from(body.len()).map_err(|_| "a packet is too long")?;
    Ok(PacketHeader::new_fixed(kind, len))
}

/// Whether the library would write exactly what was read: it is what it hashes.
fn same(part: &impl Serialize, body: &[u8]) -> bool {
    part.to_bytes().is_ok_and(|bytes| bytes == body)
}

fn primary(body: &[u8]) -> Result<PublicKey, String> {
    if let [version @ (2 | 3 | 5), ..] = body {
        return Err(format!(
            "it is a key of version {version}; read are versions 4 and 6"
        ));
    }
    let mut rest = body;
    PublicKey::try_from_reader(header(Tag::PublicKey, body)?, &mut rest)
        .ok()
        .filter(|key| rest.is_empty() && same(key, body))
        .ok_or_else(|| "its primary key is not well-formed, or of an unknown algorithm".to_owned())
}

/// The fingerprints of those who may revoke the key.
fn revokers(packet: &Packet) -> Vec<Vec<u8>> {
    let subpackets = packet.config().map(|config| &config.hashed_subpackets);
    subpackets
        .into_iter()
        .flatten()
        .filter_map(|subpacket| match &subpacket.data {
            SubpacketData::RevocationKey(key) => Some(key.fingerprint.to_vec()),
            _ => None,
        })
        .collect()
}

fn certification(
    packet: &Packet,
    primary: &PublicKey,
    statements: &mut Vec<Statement>,
    revoked: &mut Option<Timestamp>,
    weak: &mut Option<String>,
) -> Result<(), String> {
    if packet.typ() == Some(Type::CertRevocation) {
        let created = Revocation::read(packet)?.created;
        *revoked = Some(revoked.map_or(created, |known| known.max(created)));
    } else {
        // A version 6 key speaks of itself in direct signatures only (RFC 9580 section 10.1.1).
        if packet.version() != pgp::packet::SignatureVersion::V6 {
            statement(packet, primary.created_at().as_secs(), statements, weak);
        }
    }
    Ok(())
}

/// Reads what a signature that holds says of a key made at `key_created`; one that is too weak or says what is not
/// understood says nothing.
fn statement(
    packet: &Packet,
    key_created: u32,
    statements: &mut Vec<Statement>,
    weak: &mut Option<String>,
) {
    let Some(config) = packet.config() else {
        return;
    };
    let subpackets = &config.hashed_subpackets;
    let Ok(times) = Times::read(subpackets) else {
        return;
    };
    if let Err(why) = strong(config.hash_alg, times.created) {
        *weak = Some(why);
        return;
    }
    let lasts = only(subpackets, "key expiration time", |data| match data {
        SubpacketData::KeyExpirationTime(time) => Some(time.as_secs()),
        _ => None,
    });
    let may_sign = only(subpackets, "key flags", |data| match data {
        SubpacketData::KeyFlags(flags) => Some(flags.sign()),
        _ => None,
    });
    let (Ok(lasts), Ok(may_sign)) = (lasts, may_sign) else {
        return;
    };
    if subpackets
        .iter()
        .any(|subpacket| understood(subpacket, true).is_err())
    {
        return;
    }
    statements.push(Statement {
        created: times.created,
        expires: times.expires,
        key_expires: lasts
            .filter(|lasts| *lasts != 0)
            .map(|lasts| seconds(key_created, lasts)),
        may_sign,
        back: false,
        direct: !packet.is_certification(),
    });
}

/// Whether `subkey` agrees, by the signature within its binding, to belong to `primary`.
fn back_signature(binding: &Packet, primary: &PublicKey, subkey: &PublicSubkey) -> bool {
    let Some(config) = binding.config() else {
        return false;
    };
    let mut embedded = config
        .hashed_subpackets
        .iter()
        .chain(&config.unhashed_subpackets)
        .filter_map(|subpacket| match &subpacket.data {
            SubpacketData::EmbeddedSignature(packet) => Some(packet),
            _ => None,
        });
    embedded.any(|packet| {
        packet.config().is_some_and(|config| {
            Times::read(&config.hashed_subpackets)
                .is_ok_and(|times| strong(config.hash_alg, times.created).is_ok())
                && config
                    .hashed_subpackets
                    .iter()
                    .all(|subpacket| understood(subpacket, true).is_ok())
        }) && packet.verify_primary_key_binding(subkey, primary).is_ok()
    })
}

/// Refuses hashes too weak for what a key says of itself.
fn strong(hash: HashAlgorithm, created: Timestamp) -> Result<(), String> {
    let old = hash == HashAlgorithm::Sha1 && created.as_second() < SHA1_UNTIL;
    match weak_hash(hash) {
        Some(_) if old => Ok(()),
        Some(why) => Err(why),
        None => Ok(()),
    }
}

impl Revocation {
    /// A revocation counts whatever its hash, its critical subpackets and its end: in doubt, the key is revoked.
    fn read(packet: &Packet) -> Result<Self, String> {
        let unread = |why: &str| format!("it has a revocation that cannot be read: {why}");
        let config = packet.config().ok_or_else(|| unread("unknown version"))?;
        let created = config.created().ok_or_else(|| unread("no creation time"))?;
        let reason = only(&config.hashed_subpackets, "reason", |data| match data {
            SubpacketData::RevocationReason(code, text) => Some((*code, text.clone())),
            _ => None,
        })
        .map_err(|why| unread(&why))?;
        let (soft, said) = match &reason {
            Some((RevocationCode::KeySuperseded, _)) => (true, "it was replaced"),
            Some((RevocationCode::KeyRetired, _)) => (true, "it is no longer used"),
            Some((RevocationCode::KeyCompromised, _)) => (false, "it was compromised"),
            _ => (false, "no reason is given, so it may be compromised"),
        };
        let text: String = reason
            .map(|(_, text)| String::from_utf8_lossy(&text).into_owned())
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        let created = seconds(created.as_secs(), 0);
        Ok(Self {
            created,
            soft,
            why: if text.is_empty() {
                format!("{said} ({created})")
            } else {
                format!("{said} ({created}: {text})")
            },
        })
    }
}
