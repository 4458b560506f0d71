//! OpenPGP signatures (RFC 9580, and RFC 4880 before it): over a file, below a text, around data.
//!
//! The packets and the arithmetic are the `pgp` crate's; which signature and which key are believed is decided here, since no
//! library decides it for a given moment and says why:
//!
//! - A signature is of version 4 or 6 over data, by SHA-2 or SHA-3 with RSA from 2048 bits, ECDSA or EdDSA, names its key, and
//!   has no critical part that is not understood.
//! - The time that counts is the one given. The signature was made then or before, and has not expired by then. The key is
//!   judged at the time that the signature was made ([`judge`] has the rule), but for one thing: a key that
//!   was revoked as compromised, or without a reason, proves nothing at any time, for whoever has it can write any date.
//! - One good signature of several is enough. Whoever can change the proof can take signatures away, so a bad one beside
//!   a good one says nothing.
//! - What is signed as text fixes the bytes only up to their line endings, so a text is taken only with line feeds.

use std::io::Read;

use jiff::Timestamp;
use pgp::crypto::hash::HashAlgorithm;

use super::{Artifact, Failure, Signer, shown, stream::not_a_file};
use crate::digest::{Algorithm, Digest};

mod armor;
mod certificate;
mod judge;
mod message;
mod packet;
mod signature;
mod stream;

use certificate::{Certificate, MAX_CHECKS, PRIVATE};
use judge::{Which, judge};
use message::{Message, Signatures};
use signature::hex;
use stream::Lane;

/// The kind's name in `Dockerfile.evidence` and in reports.
pub const KIND: &str = "openpgp";
/// Largest key file read, in bytes: a keyring of a distribution is well below 1 MiB.
pub const MAX_KEY_BYTES: usize = 4 << 20;
/// Largest signature without data read, in bytes.
pub const MAX_SIGNATURE_BYTES: usize = 256 << 10;
/// Largest data that comes within its signature, in bytes, also after decompression.
pub const MAX_CONTENT: usize = 16 << 20;
/// Largest proof of any form, in bytes: armor takes a third more.
pub const MAX_PROOF: usize = MAX_CONTENT / 2 * 3;
/// Most signatures of one proof.
pub const MAX_SIGNATURES: usize = 16;
/// Most keys of one key file.
const MAX_CERTIFICATES: usize = 256;

/// One key, or the keys of one keyring, of which each may sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    certificates: Vec<Certificate>,
}

/// Why bytes are no usable [`Key`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// More than [`MAX_KEY_BYTES`].
    #[error("an OpenPGP key file has at most {MAX_KEY_BYTES} bytes")]
    Size,
    /// Not a key, or not one that is read here.
    #[error("this is no usable OpenPGP key: {0}")]
    Form(String),
    /// A fingerprint that is not written as one.
    #[error(
        "`{0}` is no full fingerprint: that has 40 hexadecimal digits (version 4) or 64 (version 6); a shorter key id can be made by anyone"
    )]
    Fingerprint(String),
    /// None of the keys has the fingerprint.
    #[error("no key has the fingerprint {wanted}; there is {found}")]
    Other {
        /// The fingerprint asked for.
        wanted: String,
        /// Those found.
        found: String,
    },
}

impl Key {
    /// Reads a key or keyring, binary or in one or more blocks of armor with any text around them. With `fingerprint`, only the
    /// key with this fingerprint is taken, so that the bytes may come from anywhere.
    ///
    /// # Errors
    /// [`KeyError`]. A key that is too weak, expired or revoked is read; it is refused where it signed something, with the
    /// reason.
    pub fn parse(bytes: &[u8], fingerprint: Option<&str>) -> Result<Self, KeyError> {
        if bytes.len() > MAX_KEY_BYTES {
            return Err(KeyError::Size);
        }
        let wanted = fingerprint.map(full_fingerprint).transpose()?;
        let mut certificates: Vec<Certificate> = Vec::new();
        let mut found = Vec::new();
        let mut checks = MAX_CHECKS;
        for block in blocks(bytes).map_err(KeyError::Form)? {
            let mut rest = block.as_slice();
            while !rest.is_empty() {
                if found.len() == MAX_CERTIFICATES {
                    return Err(KeyError::Form(format!("more than {MAX_CERTIFICATES} keys")));
                }
                let certificate = Certificate::take(&mut rest, wanted.as_deref(), &mut checks)
                    .map_err(KeyError::Form)?;
                let name = match &certificate {
                    Ok(certificate) => certificate.fingerprint(),
                    Err(other) => other.clone(),
                };
                if certificate.is_ok() && found.contains(&name) {
                    return Err(KeyError::Form(format!("it has {name} twice")));
                }
                certificates.extend(certificate);
                found.push(name);
            }
        }
        match (wanted, certificates.is_empty()) {
            (Some(wanted), true) => Err(KeyError::Other {
                wanted,
                found: found.join(", "),
            }),
            (None, true) => Err(KeyError::Form("it is empty".to_owned())),
            (_, false) => Ok(Self { certificates }),
        }
    }

    /// The fingerprints of the primary keys, as OpenPGP tools show them.
    #[must_use]
    pub fn who(&self) -> String {
        let prints: Vec<_> = self
            .certificates
            .iter()
            .map(Certificate::fingerprint)
            .collect();
        prints.join(", ")
    }

    /// The keys that `signature` says made it.
    fn named<'k>(
        &'k self,
        signature: &signature::DataSignature,
    ) -> impl Iterator<Item = (&'k Certificate, Which<'k>)> {
        let names = move |certificate: &'k Certificate| {
            let primary = signature
                .names(&certificate.primary)
                .then_some((certificate, Which::Primary));
            let subkeys: Vec<_> = certificate
                .subkeys
                .iter()
                .filter(|subkey| signature.names(&subkey.key))
                .map(|subkey| (certificate, Which::Subkey(subkey)))
                .collect();
            primary.into_iter().chain(subkeys)
        };
        self.certificates
            .iter()
            .flat_map(names)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// The fingerprints of the primary keys in what a keyserver gave: keys, and nothing around them.
///
/// # Errors
/// Whatever else it has.
pub fn published(bytes: &[u8]) -> Result<Vec<String>, KeyError> {
    if bytes.first().is_none_or(|first| first & 0x80 == 0) {
        let mut within = false;
        let mut rest = bytes;
        while let Some((line, after)) = armor::line(rest) {
            let line = line.trim_ascii();
            if armor::begins(line).is_some() {
                within = true;
            } else if line.starts_with(b"-----END ") {
                within = false;
            } else if !within && !line.is_empty() {
                let why = "there is text besides the keys".to_owned();
                return Err(KeyError::Form(why));
            }
            rest = after;
        }
    }
    let key = Key::parse(bytes, None)?;
    let prints = key.certificates.iter().map(Certificate::fingerprint);
    Ok(prints.collect())
}

/// Checks the signatures in `proof` for the file `artifact`: detached ones over its bytes, or ones that come with just its bytes.
/// Those around data that names an image are [`super::simple`]'s.
///
/// # Errors
/// [`Failure`]; all that can be said without the file's bytes is said before they are read.
pub fn verify(
    artifact: &Artifact<'_>,
    proof: &[u8],
    key: &Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let Artifact::File { digest, content } = artifact else {
        return Err(not_a_file(artifact, KIND));
    };
    match parse(proof)? {
        Message::Detached(signatures) => {
            let ready = Ready::new(&signatures, key, at)?;
            let content = content.ok_or(Failure::NeedsBytes)?;
            let mut content = content
                .open()
                .map_err(|error| Failure::Read(error.to_string()))?;
            ready.check(&mut content, Some(digest))
        }
        Message::Signed {
            content,
            hashed,
            signatures,
        } => {
            let signer = signed(&content, hashed, &signatures, key, at)?;
            // Tools differ in whether a clear-signed file's last line feed is the text's or the frame's.
            let without_end = content.get(..hashed).unwrap_or_default();
            is(digest, content.as_slice())
                .or_else(|failure| is(digest, without_end).map_err(|_| failure))?;
            Ok(signer)
        }
    }
}

/// Checks a clear-signed or inline signed message and gives what was signed: a text with one line feed at the end of each
/// line, or the bytes.
///
/// # Errors
/// [`Failure`].
pub fn open(proof: &[u8], key: &Key, at: Timestamp) -> Result<(Vec<u8>, Signer), Failure> {
    match parse(proof)? {
        Message::Detached(_) => Err(Failure::Type {
            what: "OpenPGP proof",
            found: "a detached signature".to_owned(),
            wanted: "a message with what it signs",
        }),
        Message::Signed {
            content,
            hashed,
            signatures,
        } => {
            let signer = signed(&content, hashed, &signatures, key, at)?;
            Ok((content, signer))
        }
    }
}

/// Checks a detached signature over `content`, whose digest nobody knows before.
pub(super) fn verify_bytes(
    content: &[u8],
    proof: &[u8],
    key: &Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    match parse(proof)? {
        Message::Detached(signatures) => {
            Ready::new(&signatures, key, at)?.check(&mut { content }, None)
        }
        Message::Signed { .. } => Err(Failure::Type {
            what: "OpenPGP proof",
            found: "a message".to_owned(),
            wanted: "a detached signature",
        }),
    }
}

/// Who made the signatures in `proof`, by their own word: fingerprints or key ids. Nothing is checked.
#[must_use]
pub fn issuers(proof: &[u8]) -> Vec<String> {
    let Ok(Message::Detached(signatures) | Message::Signed { signatures, .. }) = parse(proof)
    else {
        return Vec::new();
    };
    signatures
        .iter()
        .flatten()
        .map(signature::DataSignature::issuer)
        .collect()
}

fn parse(proof: &[u8]) -> Result<Message, Failure> {
    let too_long = |limit| Failure::Form {
        what: "OpenPGP signature",
        why: format!("it has more than {limit} bytes"),
    };
    if proof.len() > MAX_PROOF {
        return Err(too_long(MAX_PROOF));
    }
    let message = Message::parse(proof)?;
    if matches!(message, Message::Detached(_)) && proof.len() > MAX_SIGNATURE_BYTES {
        return Err(too_long(MAX_SIGNATURE_BYTES));
    }
    Ok(message)
}

fn signed(
    content: &[u8],
    hashed: usize,
    signatures: &Signatures,
    key: &Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let mut hashed = content.get(..hashed).unwrap_or_default();
    Ready::new(signatures, key, at)?.check(&mut hashed, None)
}

/// Signatures for which all holds but what needs the data.
struct Ready<'p> {
    candidates: Vec<(&'p signature::DataSignature, &'p Certificate, Which<'p>)>,
    who: String,
}

impl<'p> Ready<'p> {
    fn new(signatures: &'p Signatures, key: &'p Key, at: Timestamp) -> Result<Self, Failure> {
        let mut candidates = Vec::new();
        let mut ours = None;
        let mut unread = None;
        let mut strangers = Vec::new();
        for signature in signatures {
            let signature = match signature {
                Ok(signature) => signature,
                Err(failure) => {
                    unread.get_or_insert(failure);
                    continue;
                }
            };
            let mut named = false;
            for (certificate, which) in key.named(signature) {
                named = true;
                match in_time(signature, at)
                    .and_then(|()| judge(certificate, which, signature.created, at))
                {
                    Ok(()) => candidates.push((signature, certificate, which)),
                    Err(failure) => {
                        ours.get_or_insert(failure);
                    }
                }
            }
            if !named {
                strangers.push(signature.issuer());
            }
        }
        if candidates.is_empty() {
            return Err(ours
                .or(unread.cloned())
                .unwrap_or_else(|| Failure::Stranger {
                    found: strangers.join(", "),
                    wanted: key.who(),
                }));
        }
        Ok(Self {
            candidates,
            who: key.who(),
        })
    }

    /// Reads `content` once and looks for a signature that holds over it, and for `digest` if one is wanted.
    fn check(&self, content: &mut dyn Read, digest: Option<&Digest>) -> Result<Signer, Failure> {
        let mut lanes: Vec<Lane> = Vec::new();
        let digests = digest.map(|digest| (hash_of(digest), &[][..], false));
        let wanted = self
            .candidates
            .iter()
            .map(|(signature, ..)| (signature.hash, signature.salt.as_slice(), signature.text));
        for (hash, salt, text) in digests.into_iter().chain(wanted) {
            if !lanes.iter().any(|lane| lane.is(hash, salt, text)) {
                lanes.push(Lane::new(hash, salt, text)?);
            }
        }
        stream::hash(content, &mut lanes)?;
        let lane = |hash, salt: &[u8], text| {
            lanes
                .iter()
                .find(|lane| lane.is(hash, salt, text))
                .ok_or(Failure::NeedsBytes)
        };
        if let Some(digest) = digest {
            same(digest, &lane(hash_of(digest), &[], false)?.hash(&[])?)?;
        }
        for (signature, certificate, which) in &self.candidates {
            let hash =
                lane(signature.hash, &signature.salt, signature.text)?.hash(&signature.trailer)?;
            let holds = match which {
                Which::Primary => signature.holds(&certificate.primary, &hash),
                Which::Subkey(subkey) => signature.holds(&subkey.key, &hash),
            };
            if holds {
                return Ok(Signer {
                    who: certificate.fingerprint(),
                    signed: Some(signature.created),
                });
            }
        }
        Err(Failure::Signature(self.who.clone()))
    }
}

/// The signature's own times.
fn in_time(signature: &signature::DataSignature, at: Timestamp) -> Result<(), Failure> {
    let what = || "OpenPGP signature".to_owned();
    if signature.created > at {
        return Err(Failure::NotYetValid {
            what: what(),
            from: signature.created,
        });
    }
    match signature.expires {
        Some(end) if end <= at => Err(Failure::Expired {
            what: what(),
            at: end,
        }),
        _ => Ok(()),
    }
}

fn hash_of(digest: &Digest) -> HashAlgorithm {
    match digest.algorithm() {
        Algorithm::Sha256 => HashAlgorithm::Sha256,
        Algorithm::Sha384 => HashAlgorithm::Sha384,
        Algorithm::Sha512 => HashAlgorithm::Sha512,
    }
}

/// Whether these are the artifact's bytes.
fn is(wanted: &Digest, mut bytes: &[u8]) -> Result<(), Failure> {
    let mut lane = Lane::new(hash_of(wanted), &[], false)?;
    stream::hash(&mut bytes, std::slice::from_mut(&mut lane))?;
    same(wanted, &lane.hash(&[])?)
}

/// Whether this is the artifact's hash.
fn same(wanted: &Digest, hash: &[u8]) -> Result<(), Failure> {
    let found = hex(hash).to_lowercase();
    if found == wanted.hex() {
        Ok(())
    } else {
        Err(Failure::Digest {
            signed: format!("{}:{found}", wanted.algorithm().name()),
            wanted: wanted.clone(),
        })
    }
}

/// The digits of a full fingerprint, in upper case; blanks between them as `gpg` prints them, and `0x` before, are allowed.
///
/// # Errors
/// [`KeyError::Fingerprint`].
pub fn full_fingerprint(text: &str) -> Result<String, KeyError> {
    let digits: String = text.split(' ').collect::<String>().to_uppercase();
    let digits = digits.strip_prefix("0X").unwrap_or(&digits);
    let full = matches!(digits.len(), 40 | 64) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if full {
        Ok(digits.to_owned())
    } else {
        Err(KeyError::Fingerprint(shown(text)))
    }
}

/// The binary packets of a key file.
fn blocks(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        return Ok(vec![bytes.to_vec()]);
    }
    let mut blocks = Vec::new();
    let mut rest = bytes;
    while let Some((line, after)) = armor::line(rest) {
        let Some(label) = armor::begins(line) else {
            if line.starts_with(b"-----") {
                return Err("a line of dashes is no start of a block".to_owned());
            }
            rest = after;
            continue;
        };
        match label {
            "PGP PUBLIC KEY BLOCK" => {}
            "PGP PRIVATE KEY BLOCK" => return Err(PRIVATE.to_owned()),
            other => {
                return Err(format!(
                    "its armor says `{}`, not `PGP PUBLIC KEY BLOCK`",
                    shown(other)
                ));
            }
        }
        if blocks.len() == MAX_CERTIFICATES {
            return Err(format!("more than {MAX_CERTIFICATES} blocks"));
        }
        let block = armor::read(rest)?;
        blocks.push(block.bytes);
        rest = block.rest;
    }
    if blocks.is_empty() {
        return Err(
            "it begins neither with `-----BEGIN PGP PUBLIC KEY BLOCK-----` nor with a packet"
                .to_owned(),
        );
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests;
