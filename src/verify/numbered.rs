//! Ed25519 keys and signatures with a key number, in the form that signify defined and minisign took over.
//!
//! A key is the base64 of 42 bytes: the algorithm `Ed`, 8 bytes of key number, the point. A signature is the base64 of 74: the
//! algorithm, the number of the key, the signature. The number is chosen at random when a key is made, and proves nothing:
//! it tells which key to try.
//!
//! Source: signify(1) and `signify.c` of OpenBSD; minisign's documentation, sections "Signature format" and "Public key format".

use ed25519_dalek::VerifyingKey;

use super::{Failure, base64, shown};

/// Largest key file read, in bytes.
pub(super) const MAX_KEY: usize = 4 * 1024;

/// A public key and its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NumberedKey {
    number: [u8; 8],
    pub(super) key: VerifyingKey,
    text: String,
}

/// A signature, what it claims to be made with, and by which key.
pub(super) struct NumberedSignature {
    pub(super) algorithm: [u8; 2],
    number: [u8; 8],
    pub(super) bytes: [u8; 64],
}

impl NumberedKey {
    /// Reads the key file of either tool (a comment and the key), or the key's line alone.
    pub(super) fn parse(what: &'static str, text: &str) -> Result<Self, Failure> {
        let form = |why: &str| Failure::Form {
            what,
            why: why.to_owned(),
        };
        if text.len() > MAX_KEY {
            return Err(form(&format!("more than {MAX_KEY} bytes")));
        }
        let mut lines = text
            .lines()
            .map(str::trim_end)
            .filter(|line| !line.is_empty());
        let mut line = lines.next().ok_or_else(|| form("it is empty"))?;
        if line.starts_with("untrusted comment:") {
            line = lines.next().ok_or_else(|| form("only a comment"))?;
        }
        if lines.next().is_some() {
            return Err(form("more than one key"));
        }
        let bytes = base64(what, line)?;
        // The secret key has more and the same start.
        if bytes.starts_with(b"Ed") && bytes.len() > 100 {
            return Err(form(
                "this is a secret key; keep it out of the policy's folder and give its public half",
            ));
        }
        let length = || form("a key has 42 bytes: `Ed`, the key number, the point");
        let rest = bytes.strip_prefix(b"Ed").ok_or_else(length)?;
        let (number, point) = rest.split_first_chunk::<8>().ok_or_else(length)?;
        let point: &[u8; 32] = point.try_into().map_err(|_| length())?;
        let key = VerifyingKey::from_bytes(point).map_err(|_| form("it is no point of Ed25519"))?;
        if key.is_weak() {
            return Err(Failure::Weak {
                what,
                why: "it is of small order: anyone can sign for it".to_owned(),
            });
        }
        Ok(Self {
            number: *number,
            key,
            text: line.to_owned(),
        })
    }

    /// The key itself as its tool writes it, since its number proves nothing.
    pub(super) fn who(&self) -> String {
        self.text.clone()
    }

    /// Whether the signature says that it is by this key.
    pub(super) fn made(&self, signature: &NumberedSignature) -> Result<(), Failure> {
        if signature.number == self.number {
            return Ok(());
        }
        Err(Failure::Stranger {
            found: format!("the key number {}", number(signature.number)),
            wanted: format!("the key number {}", number(self.number)),
        })
    }
}

/// As minisign shows it: 16 upper-case digits.
fn number(bytes: [u8; 8]) -> String {
    format!("{:016X}", u64::from_le_bytes(bytes))
}

impl NumberedSignature {
    /// Reads the base64 of a signature.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let bytes = base64("signature", text)?;
        let parts = bytes
            .split_first_chunk::<2>()
            .and_then(|(algorithm, rest)| Some((algorithm, rest.split_first_chunk::<8>()?)));
        match parts {
            Some((algorithm, (number, signature))) if signature.len() == 64 => Ok(Self {
                algorithm: *algorithm,
                number: *number,
                bytes: signature.try_into().unwrap_or([0; 64]),
            }),
            _ => Err(Failure::Form {
                what: "signature",
                why: format!("it has {} bytes instead of 74", bytes.len()),
            }),
        }
    }

    pub(super) fn signature(&self) -> ed25519_dalek::Signature {
        ed25519_dalek::Signature::from_bytes(&self.bytes)
    }

    /// The refusal of an algorithm that is not the tool's.
    pub(super) fn unknown(&self) -> Failure {
        let name = String::from_utf8_lossy(&self.algorithm);
        Failure::Form {
            what: "signature",
            why: format!("unknown algorithm `{}`", shown(&name).escape_debug()),
        }
    }
}
