//! RFC 3161 timestamps over a signature.
//!
//! What is checked follows `trust-store-trust-policy.md`, section "Timestamp Countersignature Verification details": the hash of
//! the signature, the CMS signature of the authority, its certificate (named in the signed attributes) and its chain to a root of the policy, at the time
//! stamped.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use x509_cert::{
    Certificate,
    der::{
        Decode as _, Encode as _, Reader, SliceReader, Tag, TagNumber, Tagged as _,
        asn1::{AnyRef, ObjectIdentifier, OctetString},
    },
    spki::AlgorithmIdentifierOwned,
};

use super::{
    super::cms::{self, Message, by_oid},
    Failure,
    chain::{self, Hash, Purpose},
    shown,
};

const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
/// The baseline policy of RFC 3628, whose accuracy is one second.
const BASELINE: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.4.0.2023.1.1");

fn bad(why: impl Into<String>) -> Failure {
    Failure::Witness {
        what: "timestamp",
        why: why.into(),
    }
}

fn malformed(error: x509_cert::der::Error) -> Failure {
    bad(shown(&format!("it is malformed: {error}")))
}

impl From<cms::Error> for Failure {
    fn from(error: cms::Error) -> Self {
        bad(error.to_string())
    }
}

/// The earliest and the latest time at which the authority saw `signature`.
pub(in crate::verify) fn verify(
    token: &[u8],
    signature: &[u8],
    roots: &[Certificate],
) -> Result<(Timestamp, Timestamp), Failure> {
    let message = Message::read(token, TST_INFO, "time")?;
    let content = message
        .content
        .as_deref()
        .ok_or_else(|| bad("it is empty"))?;
    let info = Info::read(content).map_err(malformed)?;
    if info.imprint != by_oid(info.hash)?.digest(signature) {
        return Err(bad("it is over another signature"));
    }
    message.check(content)?;
    check_name(&message)?;
    let chain = chain::build(&message.leaf, &message.certificates, roots).ok_or_else(|| {
        Failure::Certificate(format!(
            "the time stamp authority's `{}` leads to no root in the policy",
            chain::name(&message.leaf)
        ))
    })?;
    let (from, until) = info.range()?;
    chain::check(&chain, Purpose::TimeStamping)?;
    chain::valid(&chain, info.time)?;
    Ok((from, until))
}

/// That the authority signed the name of its certificate, too.
fn check_name(message: &Message) -> Result<(), Failure> {
    let named = message.signed(SIGNING_CERTIFICATE_V2, "signing certificate")?;
    let named = named.to_der().map_err(malformed)?;
    let (hash, named) = first_certificate(&named).map_err(malformed)?;
    let hash = hash.map_or(Ok(Hash::Sha256), by_oid)?;
    if named != hash.digest(&message.leaf.to_der().map_err(malformed)?) {
        return Err(bad("its certificate is not the one that it names"));
    }
    Ok(())
}

/// The first of a SigningCertificateV2's certificates (RFC 5035 section 3): its hash, and by which function if it is not SHA-256.
fn first_certificate(der: &[u8]) -> x509_cert::der::Result<(Option<ObjectIdentifier>, Vec<u8>)> {
    let mut reader = SliceReader::new(der)?;
    let whole = AnyRef::decode(&mut reader)?;
    let mut whole = SliceReader::new(whole.value())?;
    let list = AnyRef::decode(&mut whole)?;
    let mut list = SliceReader::new(list.value())?;
    let first = AnyRef::decode(&mut list)?;
    let mut first = SliceReader::new(first.value())?;
    let hash = match first.peek_tag()? {
        Tag::Sequence => Some(AlgorithmIdentifierOwned::decode(&mut first)?.oid),
        _ => None,
    };
    Ok((hash, OctetString::decode(&mut first)?.as_bytes().to_vec()))
}

/// The TSTInfo (RFC 3161 section 2.4.2).
struct Info {
    policy: ObjectIdentifier,
    hash: ObjectIdentifier,
    imprint: Vec<u8>,
    time: Timestamp,
    /// Rounded up to seconds, if stated.
    accuracy: Option<i64>,
}

impl Info {
    fn read(der: &[u8]) -> x509_cert::der::Result<Self> {
        let wrong = || Tag::GeneralizedTime.value_error();
        let whole = AnyRef::from_der(der)?;
        whole.tag().assert_eq(Tag::Sequence)?;
        let mut reader = SliceReader::new(whole.value())?;
        if u8::decode(&mut reader)? != 1 {
            return Err(Tag::Integer.value_error());
        }
        let policy = ObjectIdentifier::decode(&mut reader)?;
        let imprint = AnyRef::decode(&mut reader)?;
        imprint.tag().assert_eq(Tag::Sequence)?;
        let mut inner = SliceReader::new(imprint.value())?;
        let hash = AlgorithmIdentifierOwned::decode(&mut inner)?.oid;
        let imprint = OctetString::decode(&mut inner)?.as_bytes().to_vec();
        let serial = AnyRef::decode(&mut reader)?;
        serial.tag().assert_eq(Tag::Integer)?;
        let time = AnyRef::decode(&mut reader)?;
        time.tag().assert_eq(Tag::GeneralizedTime)?;
        let time = std::str::from_utf8(time.value()).ok().and_then(parse_time);
        let mut info = Self {
            policy,
            hash,
            imprint,
            time: time.ok_or_else(wrong)?,
            accuracy: None,
        };
        while !reader.is_finished() {
            let next = AnyRef::decode(&mut reader)?;
            match next.tag() {
                Tag::Sequence => info.accuracy = Some(accuracy(next.value())?),
                Tag::ContextSpecific {
                    number: TagNumber::N1,
                    ..
                } => no_critical(next.value())?,
                // Ordering, nonce, and the authority's name, which its certificate tells better.
                _ => {}
            }
        }
        Ok(info)
    }

    fn range(&self) -> Result<(Timestamp, Timestamp), Failure> {
        let seconds = self.accuracy.unwrap_or(i64::from(self.policy == BASELINE));
        let width = SignedDuration::from_secs(seconds);
        match (self.time.checked_sub(width), self.time.checked_add(width)) {
            (Ok(from), Ok(until)) => Ok((from, until)),
            _ => Err(bad("its accuracy is no time")),
        }
    }
}

/// None of these extensions must be understood.
fn no_critical(der: &[u8]) -> x509_cert::der::Result<()> {
    let mut extensions = SliceReader::new(der)?;
    while !extensions.is_finished() {
        let extension = AnyRef::decode(&mut extensions)?;
        let mut reader = SliceReader::new(extension.value())?;
        ObjectIdentifier::decode(&mut reader)?;
        if reader.peek_tag()? == Tag::Boolean && bool::decode(&mut reader)? {
            return Err(Tag::Boolean.value_error());
        }
    }
    Ok(())
}

fn accuracy(der: &[u8]) -> x509_cert::der::Result<i64> {
    let mut reader = SliceReader::new(der)?;
    let mut seconds = 0_i64;
    while !reader.is_finished() {
        let part = AnyRef::decode(&mut reader)?;
        match part.tag() {
            Tag::Integer => seconds = seconds.saturating_add(i64::from(part.decode_as::<u32>()?)),
            // Milliseconds and microseconds, less than one second each.
            Tag::ContextSpecific { number, .. } if number <= TagNumber::N1 => {
                seconds = seconds.saturating_add(1);
            }
            other => return Err(other.value_error()),
        }
    }
    Ok(seconds)
}

/// `20261122170000Z`, or with a fraction of a second, which is cut off.
fn parse_time(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z')?;
    let (digits, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.len() != 14 || !all(digits) || !all(fraction) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<i8>().ok();
    let time = civil::DateTime::new(
        digits.get(..4)?.parse().ok()?,
        number(4..6)?,
        number(6..8)?,
        number(8..10)?,
        number(10..12)?,
        number(12..14)?,
        0,
    );
    Some(time.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
}
