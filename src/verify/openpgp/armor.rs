//! ASCII armor (RFC 9580 section 6), read strictly: one form, nothing around it, no line that means two things.
//!
//! Stricter than the RFC in two ways: a checksum that is there must be right, and only the headers that are in use are known.

use base64ct::{Base64, Encoding as _};

/// Longest line of base64 read, in bytes; 76 is what is written.
const MAX_LINE: usize = 1024;
/// Most headers of one block.
const MAX_HEADERS: usize = 16;
const KNOWN_HEADERS: [&str; 5] = ["Version", "Comment", "Hash", "Charset", "MessageID"];

/// One block and what follows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// `PGP SIGNATURE` in `-----BEGIN PGP SIGNATURE-----`.
    pub(super) label: &'a str,
    /// The binary content.
    pub(super) bytes: Vec<u8>,
    /// All after the line that ends the block.
    pub(super) rest: &'a [u8],
}

/// The line up to the next line feed, without white space at its end, and what follows.
pub(super) fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let (line, rest) = match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (text.get(..end)?, text.get(end.checked_add(1)?..)?),
        None => (text, &[][..]),
    };
    Some((trim_end(line), rest))
}

/// Without blanks, tabs and carriage returns at the end.
pub(super) fn trim_end(line: &[u8]) -> &[u8] {
    let mut line = line;
    while let [front @ .., b' ' | b'\t' | b'\r'] = line {
        line = front;
    }
    line
}

/// `LABEL` of a line `-----BEGIN LABEL-----`.
pub(super) fn begins(line: &[u8]) -> Option<&str> {
    let label = line.strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----")?;
    std::str::from_utf8(label).ok()
}

/// Reads the block at the very start of `text`.
pub(super) fn read(text: &[u8]) -> Result<Block<'_>, String> {
    let (first, mut rest) = line(text).ok_or("there is nothing")?;
    let label = begins(first).ok_or("it does not begin with `-----BEGIN PGP ...-----`")?;
    for count in 0.. {
        let (header, after) = line(rest).ok_or("the armor has no end")?;
        rest = after;
        if header.is_empty() {
            break;
        }
        if count == MAX_HEADERS {
            return Err(format!("the armor has more than {MAX_HEADERS} headers"));
        }
        let known = std::str::from_utf8(header)
            .ok()
            .and_then(|header| header.split_once(':'))
            .is_some_and(|(name, _)| KNOWN_HEADERS.contains(&name));
        if !known {
            return Err("the armor has an unknown header, or no empty line after them".to_owned());
        }
    }
    let mut text = Vec::new();
    let mut checksum = None;
    loop {
        let (next, after) = line(rest).ok_or("the armor has no end")?;
        rest = after;
        if let Some(end) = next.strip_prefix(b"-----END ") {
            if end.strip_suffix(b"-----") != Some(label.as_bytes()) {
                return Err("the armor ends with another label than it begins with".to_owned());
            }
            break;
        }
        if next.len() > MAX_LINE {
            return Err(format!(
                "a line of the armor has more than {MAX_LINE} bytes"
            ));
        }
        if checksum.is_some() {
            return Err("the armor goes on after its checksum".to_owned());
        }
        match next {
            [] => return Err("the armor has an empty line in its middle".to_owned()),
            [b'=', sum @ ..] if sum.len() == 4 => checksum = Some(decode(sum)?),
            _ => text.extend_from_slice(next),
        }
    }
    let bytes = decode(&text)?;
    if let Some(sum) = checksum {
        let [_, high, middle, low] = crc24(&bytes).to_be_bytes();
        if sum != [high, middle, low] {
            return Err("the armor's checksum is wrong".to_owned());
        }
    }
    Ok(Block { label, bytes, rest })
}

fn decode(text: &[u8]) -> Result<Vec<u8>, String> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| Base64::decode_vec(text).ok())
        .ok_or_else(|| "the armor is no base64 (RFC 4648, padded)".to_owned())
}

/// RFC 9580 section 6.1.1.
fn crc24(bytes: &[u8]) -> u32 {
    let mut crc: u32 = 0x00b7_04ce;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4cfb;
            }
        }
    }
    crc & 0x00ff_ffff
}
