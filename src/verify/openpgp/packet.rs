//! Packet framing (RFC 9580 section 4): the bytes of one packet after the other, never more than there are.

use std::borrow::Cow;

/// Packet types (RFC 9580 section 5) that are told apart here.
pub(super) mod tag {
    pub(crate) const SIGNATURE: u8 = 2;
    pub(crate) const ONE_PASS: u8 = 4;
    pub(crate) const SECRET_KEY: u8 = 5;
    pub(crate) const PUBLIC_KEY: u8 = 6;
    pub(crate) const SECRET_SUBKEY: u8 = 7;
    pub(crate) const COMPRESSED: u8 = 8;
    pub(crate) const MARKER: u8 = 10;
    pub(crate) const LITERAL: u8 = 11;
    pub(crate) const TRUST: u8 = 12;
    pub(crate) const USER_ID: u8 = 13;
    pub(crate) const PUBLIC_SUBKEY: u8 = 14;
    pub(crate) const USER_ATTRIBUTE: u8 = 17;
    pub(crate) const PADDING: u8 = 21;
}

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) tag: u8,
    pub(super) body: Cow<'a, [u8]>,
}

/// Packets that may be given in pieces or up to the end of the input: those that hold data.
fn holds_data(tag: u8) -> bool {
    matches!(tag, tag::COMPRESSED | tag::LITERAL)
}

/// Takes the next packet from the front of `bytes`; none at the end.
pub(super) fn next<'a>(bytes: &mut &'a [u8]) -> Result<Option<Packet<'a>>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let first = byte(bytes)?;
    if first & 0x80 == 0 {
        return Err("this is no OpenPGP packet".to_owned());
    }
    if first & 0x40 == 0 {
        let tag = (first >> 2) & 0x0f;
        let body = match first & 3 {
            0 => take(bytes, 1).and_then(|len| take(bytes, number(len)))?,
            1 => take(bytes, 2).and_then(|len| take(bytes, number(len)))?,
            2 => take(bytes, 4).and_then(|len| take(bytes, number(len)))?,
            _ if holds_data(tag) => std::mem::take(bytes),
            _ => return Err(format!("a packet of type {tag} has no length")),
        };
        return Ok(Some(Packet {
            tag,
            body: body.into(),
        }));
    }
    let tag = first & 0x3f;
    let mut body = Cow::Borrowed(&[][..]);
    loop {
        let octet = byte(bytes)?;
        let (len, last) = match octet {
            0..=191 => (usize::from(octet), true),
            192..=223 => {
                let low = usize::from(byte(bytes)?);
                (((usize::from(octet) - 192) << 8) + low + 192, true)
            }
            255 => (take(bytes, 4).map(number)?, true),
            _ => (1_usize << (octet & 0x1f), false),
        };
        if !last && !holds_data(tag) {
            return Err(format!("a packet of type {tag} is given in pieces"));
        }
        let piece = take(bytes, len)?;
        if last && body.is_empty() {
            body = piece.into();
        } else {
            body.to_mut().extend_from_slice(piece);
        }
        if last {
            return Ok(Some(Packet { tag, body }));
        }
    }
}

fn byte(bytes: &mut &[u8]) -> Result<u8, String> {
    match take(bytes, 1)? {
        [byte] => Ok(*byte),
        _ => Err(CUT.to_owned()),
    }
}

const CUT: &str = "a packet is cut off";

/// The first `len` bytes, taken away.
pub(super) fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8], String> {
    let (taken, rest) = bytes.split_at_checked(len).ok_or(CUT)?;
    *bytes = rest;
    Ok(taken)
}

/// At most four bytes as a number, most significant first.
fn number(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .fold(0, |number, byte| (number << 8) | usize::from(*byte))
}
