//! The three forms in which signatures come: beside the data (detached), below a text (cleartext signature framework, RFC
//! 9580 section 7), around the data (inline, section 10.3).
//!
//! Each form has one reading. What is handed out of a signed text is the text that was signed, and nothing else can be read
//! from the same signature: lines end with one line feed, and white space at their end, which a clear signature does not
//! cover, is gone.

use std::io::Read as _;

use pgp::{packet::Decompressor, types::CompressionAlgorithm};

use super::{
    Failure, MAX_CONTENT, MAX_SIGNATURES, armor,
    packet::{self, Packet, tag},
    shown,
    signature::DataSignature,
};

/// Each signature, or why it is none.
pub(super) type Signatures = Vec<Result<DataSignature, Failure>>;

/// A proof as it was read; nothing of it is checked.
#[derive(Debug)]
pub(super) enum Message {
    /// Signatures of something else.
    Detached(Signatures),
    /// Signatures with what they sign.
    Signed {
        /// What is handed out.
        content: Vec<u8>,
        /// How much of `content`, from its start, is hashed.
        hashed: usize,
        signatures: Signatures,
    },
}

impl Message {
    /// Reads armor or binary packets of any of the three forms.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        if bytes.first().is_some_and(|first| first & 0x80 != 0) {
            return packets(bytes);
        }
        let label = armor::line(bytes).and_then(|(first, _)| armor::begins(first));
        match label {
            Some("PGP SIGNED MESSAGE") => clear(bytes),
            Some("PGP SIGNATURE") => {
                let bytes = unarmored(bytes)?;
                match packets(&bytes)? {
                    detached @ Self::Detached(_) => Ok(detached),
                    Self::Signed { .. } => {
                        Err(form("its armor says signature, and it is a message"))
                    }
                }
            }
            Some("PGP MESSAGE") => {
                let bytes = unarmored(bytes)?;
                match packets(&bytes)? {
                    signed @ Self::Signed { .. } => Ok(signed),
                    Self::Detached(_) => Err(form("its armor says message, and it is a signature")),
                }
            }
            Some(other) => Err(Failure::Type {
                what: "armor",
                found: shown(other),
                wanted: "PGP SIGNATURE, PGP MESSAGE or PGP SIGNED MESSAGE",
            }),
            None => Err(form(
                "it begins neither with `-----BEGIN PGP` nor with a packet",
            )),
        }
    }
}

/// One armored block with nothing after it.
fn unarmored(text: &[u8]) -> Result<Vec<u8>, Failure> {
    let block = armor::read(text).map_err(form)?;
    if block.rest.trim_ascii().is_empty() {
        Ok(block.bytes)
    } else {
        Err(form("something follows its armor"))
    }
}

/// Packets without armor.
fn packets(bytes: &[u8]) -> Result<Message, Failure> {
    let packets = all(bytes)?;
    if let [
        Packet {
            tag: tag::COMPRESSED,
            body,
        },
    ] = packets.as_slice()
    {
        let plain = decompressed(body)?;
        let inner = all(&plain)?;
        if inner.iter().any(|packet| packet.tag == tag::COMPRESSED) {
            return Err(form("it is compressed more than once"));
        }
        return inline(&inner);
    }
    if packets.iter().all(|packet| packet.tag == tag::SIGNATURE) {
        return Ok(Message::Detached(signatures(&packets)?));
    }
    inline(&packets)
}

/// At most as many packets as a message with [`MAX_SIGNATURES`] has.
fn all(mut bytes: &[u8]) -> Result<Vec<Packet<'_>>, Failure> {
    let mut packets = Vec::new();
    while let Some(packet) = packet::next(&mut bytes).map_err(form)? {
        if packets.len() > MAX_SIGNATURES.saturating_mul(2) {
            return Err(form(format!(
                "it has more than {MAX_SIGNATURES} signatures"
            )));
        }
        packets.push(packet);
    }
    if packets.is_empty() {
        return Err(form("it is empty"));
    }
    Ok(packets)
}

fn signatures(packets: &[Packet<'_>]) -> Result<Signatures, Failure> {
    if packets.is_empty() {
        return Err(form("it has no signature"));
    }
    if packets.len() > MAX_SIGNATURES {
        return Err(form(format!(
            "it has more than {MAX_SIGNATURES} signatures"
        )));
    }
    for (count, packet) in packets.iter().enumerate() {
        let before = packets.iter().take(count);
        if before.into_iter().any(|other| other.body == packet.body) {
            return Err(form("it has the same signature twice"));
        }
    }
    Ok(packets
        .iter()
        .map(|packet| DataSignature::parse(&packet.body))
        .collect())
}

fn decompressed(body: &[u8]) -> Result<Vec<u8>, Failure> {
    let [algorithm, packed @ ..] = body else {
        return Err(form("its compressed packet is empty"));
    };
    let algorithm = CompressionAlgorithm::from(*algorithm);
    if !matches!(
        algorithm,
        CompressionAlgorithm::ZIP | CompressionAlgorithm::ZLIB
    ) {
        return Err(form(format!(
            "it is compressed by {algorithm:?}; read are ZIP and ZLIB"
        )));
    }
    let broken = |error: std::io::Error| form(format!("it does not decompress: {error}"));
    let mut reader = Decompressor::from_algorithm(algorithm, packed).map_err(broken)?;
    let mut plain = Vec::new();
    (&mut reader)
        .take(MAX_CONTENT.saturating_add(1) as u64)
        .read_to_end(&mut plain)
        .map_err(broken)?;
    if plain.len() > MAX_CONTENT {
        return Err(form(format!(
            "decompressed it has more than {MAX_CONTENT} bytes"
        )));
    }
    if !reader.into_inner().is_empty() {
        return Err(form("something follows its compressed data"));
    }
    Ok(plain)
}

/// One-pass packets, data, signatures in the opposite order; or, older, signatures and data.
fn inline(packets: &[Packet<'_>]) -> Result<Message, Failure> {
    let known = [tag::SIGNATURE, tag::ONE_PASS, tag::LITERAL];
    if let Some(other) = packets.iter().find(|packet| !known.contains(&packet.tag)) {
        return Err(form(format!(
            "a packet of type {} does not belong in a signed message",
            other.tag
        )));
    }
    let place = packets.iter().position(|packet| packet.tag == tag::LITERAL);
    let Some((before, [literal, after @ ..])) = place.and_then(|at| packets.split_at_checked(at))
    else {
        return Err(form("it has neither only signatures nor signed data"));
    };
    let only = |packets: &[Packet<'_>], tag| packets.iter().all(|packet| packet.tag == tag);
    let signatures = if after.is_empty() && only(before, tag::SIGNATURE) {
        signatures(before)?
    } else if only(before, tag::ONE_PASS) && only(after, tag::SIGNATURE) {
        if before.len() != after.len() {
            return Err(form(
                "it announces another number of signatures than it has",
            ));
        }
        for (count, (announced, signature)) in before.iter().zip(after.iter().rev()).enumerate() {
            let last = count.saturating_add(1) == before.len();
            if !announces(&announced.body, &signature.body, last) {
                return Err(form("it announces another signature than it has"));
            }
        }
        signatures(after)?
    } else {
        return Err(form("its packets are not in order"));
    };
    let mut rest = &*literal.body;
    let mut field = |len| packet::take(&mut rest, len).map_err(form);
    if !matches!(field(1)?, [b'b' | b't' | b'u']) {
        return Err(form("its data is neither binary nor text"));
    }
    let name = field(1)?.first().copied().unwrap_or_default();
    field(usize::from(name))?;
    field(4)?;
    let mut content = rest.to_vec();
    let mut texts = signatures.iter().flatten().map(|signature| signature.text);
    let text = texts.next().unwrap_or_default();
    if texts.any(|other| other != text) {
        return Err(form("it is signed both as text and as bytes"));
    }
    if text {
        content = lines(&content);
    }
    Ok(Message::Signed {
        hashed: content.len(),
        content,
        signatures,
    })
}

/// CR LF as LF.
fn lines(content: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(content.len());
    let mut bytes = content.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\r' || bytes.peek() != Some(&b'\n') {
            text.push(byte);
        }
    }
    text
}

/// Whether a one-pass packet (RFC 9580 section 5.4) is that of a signature, and marked as the last only if it is.
fn announces(announced: &[u8], signature: &[u8], last: bool) -> bool {
    let (about, end) = match (announced, signature) {
        ([3, about @ ..], [4, ..]) if announced.len() == 13 => (about, 12_usize),
        ([6, about @ .., _], [6, ..]) => (about, announced.len().saturating_sub(1)),
        _ => return false,
    };
    let same = match (about, signature) {
        ([kind, hash, algorithm, ..], [_, of_kind, of_algorithm, of_hash, ..]) => {
            (kind, hash, algorithm) == (of_kind, of_hash, of_algorithm)
        }
        _ => false,
    };
    same && announced.get(end) == Some(&u8::from(last))
}

fn clear(bytes: &[u8]) -> Result<Message, Failure> {
    let cut = || form("the signed text has no signature below it");
    let (_, mut rest) = armor::line(bytes).ok_or_else(cut)?;
    let mut hashes: Option<Vec<&str>> = None;
    loop {
        let (header, after) = armor::line(rest).ok_or_else(cut)?;
        rest = after;
        if header.is_empty() {
            break;
        }
        let names = std::str::from_utf8(header)
            .ok()
            .and_then(|header| header.strip_prefix("Hash: "))
            .filter(|_| header.len() < 200)
            .ok_or_else(|| form("only `Hash:` headers are known above a signed text"))?;
        hashes
            .get_or_insert_default()
            .extend(names.split(',').map(str::trim));
        if hashes.as_ref().is_some_and(|hashes| hashes.len() > 32) {
            return Err(form("it has too many `Hash:` headers"));
        }
    }
    let mut content = Vec::new();
    loop {
        let (line, after) = armor::line(rest).ok_or_else(cut)?;
        if armor::begins(line) == Some("PGP SIGNATURE") {
            break;
        }
        let line = match line {
            [b'-', b' ', line @ ..] => line,
            // `- ` with nothing behind, of which the blank was cut off as white space.
            [b'-'] => &[],
            [b'-', ..] => return Err(form("a line of the text begins with `-`, unescaped")),
            line => line,
        };
        content.extend_from_slice(line);
        content.push(b'\n');
        rest = after;
    }
    let hashed = content.len().saturating_sub(1);
    if hashed == 0 {
        return Err(form("the signed text is empty"));
    }
    let Message::Detached(mut signatures) = packets(&unarmored(rest)?)? else {
        return Err(form("its armor says signature, and it is a message"));
    };
    for signature in &mut signatures {
        let Ok(found) = signature else { continue };
        let name = found.hash.to_string();
        if !found.text {
            *signature = Err(Failure::Type {
                what: "signature's type",
                found: "Binary".to_owned(),
                wanted: "Text, below a text",
            });
        } else if hashes
            .as_ref()
            .is_some_and(|hashes| !hashes.contains(&name.as_str()))
        {
            *signature = Err(form(format!(
                "the signature is by {name}, and the `Hash:` header says otherwise"
            )));
        }
    }
    Ok(Message::Signed {
        content,
        hashed,
        signatures,
    })
}

fn form(why: impl Into<String>) -> Failure {
    Failure::Form {
        what: "OpenPGP signature",
        why: why.into(),
    }
}
