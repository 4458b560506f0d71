//! minisign: Ed25519 over a file, with a comment that is signed too.
//!
//! A proof is the file `NAME.minisig`, four lines:
//!
//! ```text
//! untrusted comment: signature from minisign secret key
//! base64 of: ED, key number, Ed25519 signature over BLAKE2b-512(file)
//! trusted comment: timestamp:1795366383<tab>file:release.bin<tab>hashed
//! base64 of: Ed25519 signature over the first signature and the trusted comment
//! ```
//!
//! The first comment may say anything and is not looked at; the second signature is always checked.
//!
//! **Legacy signatures.** Before version 0.10 (2022) minisign signed a file's bytes themselves, algorithm `Ed`; old releases are
//! signed so, and `minisign -S -l` still does it. The two letters are not signed, so that a signature over a file can be passed off as
//! a legacy one over the 64 bytes of that file's hash, and be "by" the publisher over something that he never saw.
//! Therefore legacy signatures are taken only if the policy says so of the key ([`Key::with_legacy`]), and even then never for a file of
//! exactly 64 bytes.
//!
//! Neither keys nor signatures have an end; a key in the policy is trusted at any time. The time in the comment is what the signer
//! says, and is passed on.
//!
//! Source: minisign's documentation (`jedisct1.github.io/minisign`, sections "Signature format" and "Public key format").

use blake2::{Blake2b512, Digest as _};
use jiff::Timestamp;

use super::{
    Artifact, Failure, Signer, base64,
    numbered::{self, NumberedKey, NumberedSignature},
    shown, stream,
};

/// The kind's name in `Dockerfile.evidence`.
pub const KIND: &str = "minisign";
/// Largest signature file read, in bytes: minisign itself allows 1 KiB and 8 KiB for the comments.
pub const MAX_PROOF: usize = 16 * 1024;
/// Largest key file read, in bytes.
pub const MAX_KEY: usize = numbered::MAX_KEY;

/// A public key that the policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    key: NumberedKey,
    legacy: bool,
}

impl Key {
    /// Reads a key file (`minisign.pub`), or its second line alone (`RW...`), as `minisign -P` takes it.
    ///
    /// # Errors
    /// [`Failure::Form`] and [`Failure::Weak`].
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let key = NumberedKey::parse("minisign key", text)?;
        Ok(Self { key, legacy: false })
    }

    /// The same key, also for legacy signatures (see the module's description).
    #[must_use]
    pub fn with_legacy(self) -> Self {
        Self {
            legacy: true,
            ..self
        }
    }

    /// The key in base64, as it is published.
    #[must_use]
    pub fn who(&self) -> String {
        self.key.who()
    }
}

/// The four lines.
struct Parsed<'p> {
    signature: NumberedSignature,
    comment: &'p str,
    /// Over the signature and the comment.
    global: ed25519_dalek::Signature,
}

fn parse(proof: &[u8]) -> Result<Parsed<'_>, Failure> {
    let form = |why: String| Failure::Form {
        what: "minisign signature",
        why,
    };
    if proof.len() > MAX_PROOF {
        return Err(form(format!("more than {MAX_PROOF} bytes")));
    }
    let text = std::str::from_utf8(proof).map_err(|_| form("not UTF-8".to_owned()))?;
    let lines: Vec<&str> = text.lines().collect();
    let [untrusted, signature, trusted, global] = lines.as_slice() else {
        return Err(form(format!("it has {} lines instead of 4", lines.len())));
    };
    if !untrusted.starts_with("untrusted comment: ") {
        return Err(form("no `untrusted comment: ` in line 1".to_owned()));
    }
    let comment = trusted
        .strip_prefix("trusted comment: ")
        .ok_or_else(|| form("no `trusted comment: ` in line 3".to_owned()))?;
    let global = base64("trusted comment's signature", global)?;
    Ok(Parsed {
        signature: NumberedSignature::parse(signature)?,
        comment,
        global: ed25519_dalek::Signature::from_slice(&global)
            .map_err(|_| form("the trusted comment's signature has not 64 bytes".to_owned()))?,
    })
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
    let parsed = parse(proof)?;
    key.key.made(&parsed.signature)?;
    let legacy = match &parsed.signature.algorithm {
        b"ED" => false,
        b"Ed" if key.legacy => true,
        b"Ed" => {
            return Err(Failure::Weak {
                what: "minisign signature",
                why: "it is a legacy one (over the file, not its hash), which the policy does not accept of this key"
                    .to_owned(),
            });
        }
        _ => return Err(parsed.signature.unknown()),
    };
    let mut message = parsed.signature.bytes.to_vec();
    message.extend(parsed.comment.as_bytes());
    let public = &key.key.key;
    public
        .verify_strict(&message, &parsed.global)
        .map_err(|_| Failure::Witness {
            what: "trusted comment",
            why: "the comment or its signature was changed".to_owned(),
        })?;

    let signature = parsed.signature.signature();
    let holds = if legacy {
        let mut verifier = public
            .verify_stream(&signature)
            .map_err(|_| Failure::Signature(key.who()))?;
        let mut length = 0_u64;
        stream::read(artifact, KIND, |bytes| {
            verifier.update(bytes);
            length = length.saturating_add(bytes.len() as u64);
        })?;
        if length == 64 {
            return Err(Failure::Weak {
                what: "minisign signature",
                why: "a legacy one over 64 bytes may be one over the hash of another file"
                    .to_owned(),
            });
        }
        verifier.finalize_and_verify().is_ok()
    } else {
        let mut hasher = Blake2b512::new();
        stream::read(artifact, KIND, |bytes| hasher.update(bytes))?;
        public.verify_strict(&hasher.finalize(), &signature).is_ok()
    };
    if !holds {
        return Err(Failure::Signature(key.who()));
    }
    Ok(Signer {
        who: key.who(),
        signed: stated_time(parsed.comment),
    })
}

/// `timestamp:SECONDS` at the start of the comment, as minisign writes it if one gives no other.
fn stated_time(comment: &str) -> Option<Timestamp> {
    let rest = shown(comment);
    let seconds = rest.strip_prefix("timestamp:")?;
    let end = seconds
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(seconds.len());
    Timestamp::from_second(seconds.get(..end)?.parse().ok()?).ok()
}
