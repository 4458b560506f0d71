//! The COSE envelope: COSE_Sign1, tagged (RFC 9052 section 4.2).
//!
//! Source: `signature-envelope-cose.md`. Only definite lengths are read, as all signers write them.

use jiff::Timestamp;
use minicbor::{Decoder, Encoder, data::Type};

use super::{
    super::shown, AUTHENTIC_TIME, EXPIRY, Envelope, Failure, Headers, MAX_ENVELOPE, SCHEME,
    SIGNING_TIME, Scheme, chain, form,
};

/// Most headers read.
const MAX_HEADERS: u64 = 64;

/// Longest value of an unknown header, in bytes.
const MAX_UNKNOWN: usize = 4096;

/// Every error of the decoder is one of form.
struct Malformed(Failure);

impl From<minicbor::decode::Error> for Malformed {
    fn from(error: minicbor::decode::Error) -> Self {
        Self(form(&shown(&error.to_string())))
    }
}

impl From<Failure> for Malformed {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

/// A header's name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Label {
    Number(i64),
    Name(String),
}

impl Label {
    fn read(decoder: &mut Decoder<'_>) -> Result<Self, Malformed> {
        match decoder.datatype()? {
            Type::String => Ok(Self::Name(decoder.str()?.to_owned())),
            _ => Ok(Self::Number(decoder.i64()?)),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Name(name) => shown(name),
        }
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Envelope, Failure> {
    if bytes.len() > MAX_ENVELOPE {
        return Err(form(&format!("more than {MAX_ENVELOPE} bytes")));
    }
    read(bytes).map_err(|Malformed(failure)| failure)
}

fn read(bytes: &[u8]) -> Result<Envelope, Malformed> {
    let mut decoder = Decoder::new(bytes);
    if decoder.tag()?.as_u64() != 18 {
        return Err(form("it is no tagged COSE_Sign1").into());
    }
    if decoder.array()? != Some(4) {
        return Err(form("a COSE_Sign1 has four parts").into());
    }
    let protected = decoder.bytes()?;
    let (certificates, timestamp) = unprotected(&mut decoder)?;
    let payload = decoder.bytes()?;
    let signature = decoder.bytes()?;
    end(&decoder, bytes)?;
    let headers = headers(protected)?;
    Ok(Envelope {
        headers,
        certificates: certificates
            .iter()
            .map(|der| chain::read(der))
            .collect::<Result<_, _>>()?,
        timestamp: timestamp.map(<[u8]>::to_vec),
        payload: payload.to_vec(),
        signature: signature.to_vec(),
        signed: to_be_signed(protected, payload)?,
    })
}

/// The `Sig_structure`.
fn to_be_signed(protected: &[u8], payload: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut encoder = Encoder::new(Vec::new());
    encoder
        .array(4)
        .and_then(|encoder| encoder.str("Signature1"))
        .and_then(|encoder| encoder.bytes(protected))
        .and_then(|encoder| encoder.bytes(&[]))
        .and_then(|encoder| encoder.bytes(payload))
        .map_err(|_| form("it cannot be encoded"))?;
    Ok(encoder.into_writer())
}

fn end(decoder: &Decoder<'_>, bytes: &[u8]) -> Result<(), Malformed> {
    if decoder.position() == bytes.len() {
        return Ok(());
    }
    Err(form("something follows the envelope or its headers").into())
}

/// How many pairs follow.
fn map(decoder: &mut Decoder<'_>) -> Result<u64, Malformed> {
    match decoder.map()? {
        Some(pairs) if pairs <= MAX_HEADERS => Ok(pairs),
        Some(_) => Err(form("too many headers").into()),
        None => Err(form("headers of indefinite length").into()),
    }
}

fn once(seen: &mut Vec<Label>, label: &Label) -> Result<(), Malformed> {
    if seen.contains(label) {
        return Err(form(&format!("the header {} is there twice", label.shown())).into());
    }
    seen.push(label.clone());
    Ok(())
}

type Unprotected<'b> = (Vec<&'b [u8]>, Option<&'b [u8]>);

fn unprotected<'b>(decoder: &mut Decoder<'b>) -> Result<Unprotected<'b>, Malformed> {
    let (mut certificates, mut timestamp, mut seen) = (Vec::new(), None, Vec::new());
    for _ in 0..map(decoder)? {
        let label = Label::read(decoder)?;
        once(&mut seen, &label)?;
        match &label {
            Label::Number(33) => {
                let count = decoder.array()?.unwrap_or(u64::MAX);
                if count > chain::MAX_CHAIN as u64 {
                    return Err(form("more than 8 certificates").into());
                }
                for _ in 0..count {
                    certificates.push(decoder.bytes()?);
                }
            }
            Label::Name(name) => match name.as_str() {
                "io.cncf.notary.timestampSignature" => timestamp = Some(decoder.bytes()?),
                "io.cncf.notary.signingAgent" => {
                    decoder.str()?;
                }
                _ => return Err(form(&format!("unknown header `{}`", label.shown())).into()),
            },
            Label::Number(_) => {
                return Err(form(&format!("unknown header {}", label.shown())).into());
            }
        }
    }
    Ok((certificates, timestamp))
}

fn headers(bytes: &[u8]) -> Result<Headers, Malformed> {
    let mut decoder = Decoder::new(bytes);
    let (mut algorithm, mut content_type, mut scheme) = (None, None, None);
    let (mut signing_time, mut authentic_time, mut expiry) = (None, None, None);
    let (mut critical, mut seen) = (None, Vec::new());
    for _ in 0..map(&mut decoder)? {
        let label = Label::read(&mut decoder)?;
        once(&mut seen, &label)?;
        match &label {
            Label::Number(1) => algorithm = Some(name(decoder.i64()?)?),
            Label::Number(2) => {
                let count = decoder.array()?.unwrap_or(u64::MAX);
                if count > MAX_HEADERS {
                    return Err(form("too many critical headers").into());
                }
                let mut list = Vec::new();
                for _ in 0..count {
                    list.push(Label::read(&mut decoder)?.shown());
                }
                critical = Some(list);
            }
            Label::Number(3) => content_type = Some(decoder.str()?.to_owned()),
            Label::Number(_) => skip(&mut decoder)?,
            Label::Name(header) => match header.as_str() {
                SCHEME => scheme = Some(decoder.str()?),
                SIGNING_TIME => signing_time = Some(time(&mut decoder)?),
                AUTHENTIC_TIME => {
                    authentic_time = Some(time(&mut decoder)?);
                }
                EXPIRY => expiry = Some(time(&mut decoder)?),
                _ => skip(&mut decoder)?,
            },
        }
    }
    end(&decoder, bytes)?;
    let headers = Headers {
        algorithm: algorithm.ok_or_else(|| form("no header `alg`"))?.to_owned(),
        content_type: content_type.ok_or_else(|| form("no header `content type`"))?,
        scheme: Scheme::parse(scheme)?,
        signing_time,
        authentic_time,
        expiry,
    };
    let critical = critical.ok_or_else(|| form("no list `crit` of critical headers"))?;
    headers.check(&critical)?;
    let names: Vec<String> = seen.iter().map(Label::shown).collect();
    Headers::check_names(names.iter().map(String::as_str))?;
    Ok(headers)
}

/// Passes over a value that nobody reads.
fn skip(decoder: &mut Decoder<'_>) -> Result<(), Malformed> {
    let start = decoder.position();
    decoder.skip()?;
    if decoder.position().saturating_sub(start) > MAX_UNKNOWN {
        return Err(form("an unknown header is too long").into());
    }
    Ok(())
}

/// The name that JWS has for an algorithm.
fn name(number: i64) -> Result<&'static str, Malformed> {
    Ok(match number {
        -7 => "ES256",
        -35 => "ES384",
        -36 => "ES512",
        -37 => "PS256",
        -38 => "PS384",
        -39 => "PS512",
        other => return Err(form(&format!("unknown algorithm {other}")).into()),
    })
}

/// Tag 1: seconds since 1970.
fn time(decoder: &mut Decoder<'_>) -> Result<Timestamp, Malformed> {
    let wrong = || form("a time is no number of seconds with tag 1");
    if decoder.tag()?.as_u64() != 1 {
        return Err(wrong().into());
    }
    Ok(Timestamp::from_second(decoder.i64()?).map_err(|_| wrong())?)
}
