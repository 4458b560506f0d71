//! signify: Ed25519 over a file, as OpenBSD signs its releases.
//!
//! A proof is a `.sig` file: a comment, which may say anything and is not looked at, and the base64 of `Ed`, key number and
//! signature. It stands beside the file that it signs, or (`signify -S -e`) has the signed message after its two lines, as
//! OpenBSD's `SHA256.sig` has; then the message must be the file, and [`message`] gives it to whoever needs it.
//!
//! Left out: `signify -S -z`, which hides a signature over a list of block hashes in a gzip header. It is the format of
//! OpenBSD's packages, meant for unpacking while checking; files that a build adds are not published so, and the signature says nothing
//! about the digest of the whole file.
//!
//! Neither keys nor signatures have an end, and none states a time; a key in the policy is trusted at any time.
//!
//! Source: signify(1) and `signify.c` of OpenBSD.

use jiff::Timestamp;

use super::{
    Artifact, Failure, Signer,
    numbered::{self, NumberedKey, NumberedSignature},
    stream,
};

/// The kind's name in `Dockerfile.evidence`.
pub const KIND: &str = "signify";
/// Largest proof read, in bytes, with an embedded message.
pub const MAX_PROOF: usize = 8 * 1024 * 1024;
/// Longest comment line, as signify has it.
pub const MAX_COMMENT: usize = 1024;
/// Largest key file read, in bytes.
pub const MAX_KEY: usize = numbered::MAX_KEY;

/// A public key that the policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(NumberedKey);

impl Key {
    /// Reads a key file (`openbsd-79-base.pub`), or its second line alone (`RW...`).
    ///
    /// # Errors
    /// [`Failure::Form`] and [`Failure::Weak`].
    pub fn parse(text: &str) -> Result<Self, Failure> {
        NumberedKey::parse("signify key", text).map(Self)
    }

    /// The key in base64, as it is published.
    #[must_use]
    pub fn who(&self) -> String {
        self.0.who()
    }
}

fn form(why: impl Into<String>) -> Failure {
    Failure::Form {
        what: "signify signature",
        why: why.into(),
    }
}

/// The signature and what follows it.
fn parse(proof: &[u8]) -> Result<(NumberedSignature, &[u8]), Failure> {
    if proof.len() > MAX_PROOF {
        return Err(form(format!("more than {MAX_PROOF} bytes")));
    }
    if proof.starts_with(&[0x1f, 0x8b]) {
        return Err(form("signatures in a gzip header are not supported"));
    }
    let (comment, rest) = line(proof).ok_or_else(|| form("no second line"))?;
    if !comment.starts_with(b"untrusted comment: ") || comment.len() > MAX_COMMENT {
        return Err(form(
            "the first line is not `untrusted comment: ` and at most 1024 bytes",
        ));
    }
    let (signature, message) = line(rest).ok_or_else(|| form("no line end after the signature"))?;
    let signature = std::str::from_utf8(signature).map_err(|_| form("not base64"))?;
    Ok((NumberedSignature::parse(signature)?, message))
}

/// The first line without its end, and the rest.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((
        line.strip_suffix(b"\r").unwrap_or(line),
        rest.get(1..).unwrap_or_default(),
    ))
}

/// The message embedded in a signature file, if there is one. Untrusted: [`verify`] it.
///
/// # Errors
/// [`Failure::Form`].
pub fn message(proof: &[u8]) -> Result<Option<&[u8]>, Failure> {
    let (_, message) = parse(proof)?;
    Ok((!message.is_empty()).then_some(message))
}

/// Checks the signature file `proof` for the file `artifact` against one key.
///
/// # Errors
/// [`Failure`]. Everything but the file's bytes is looked at first.
pub fn verify(
    artifact: &Artifact<'_>,
    proof: &[u8],
    key: &Key,
    _at: Timestamp,
) -> Result<Signer, Failure> {
    let (signature, message) = parse(proof)?;
    key.0.made(&signature)?;
    if signature.algorithm != *b"Ed" {
        return Err(signature.unknown());
    }
    let mut verifier = key
        .0
        .key
        .verify_stream(&signature.signature())
        .map_err(|_| form("its scalar is not reduced"))?;
    if message.is_empty() {
        stream::read(artifact, KIND, |bytes| verifier.update(bytes))?;
    } else {
        // The message is at hand, so that only its digest is to be compared.
        verifier.update(message);
        let Artifact::File { digest, .. } = artifact else {
            return Err(stream::not_a_file(artifact, KIND));
        };
        let embedded = Artifact::File {
            digest,
            content: Some(&message),
        };
        stream::read(&embedded, KIND, |_| ())?;
    }
    verifier
        .finalize_and_verify()
        .map_err(|_| Failure::Signature(key.who()))?;
    Ok(Signer {
        who: key.who(),
        signed: None,
    })
}
