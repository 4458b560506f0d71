//! SSH signatures: what `ssh-keygen -Y sign` makes, over files and over git objects.
//!
//! A proof is an armored block (`-----BEGIN SSH SIGNATURE-----`) with the public key, a namespace, a hash function and a signature over
//! `"SSHSIG" ‖ namespace ‖ reserved ‖ hash name ‖ hash(file)`. The namespace keeps a signature made for one purpose from
//! being used for another: `file` for files, `git` for git objects, or what the policy names.
//!
//! | key | signature |
//! | --- | --- |
//! | Ed25519 | `ssh-ed25519`; keys of small order refused |
//! | ECDSA P-256, P-384, P-521 | `ecdsa-sha2-nistp*` with the curve's own hash |
//! | RSA, 2048 to 4096 bits | `rsa-sha2-256` and `rsa-sha2-512`; never `ssh-rsa`, which is SHA-1 |
//! | security keys (`sk-`, FIDO) | as above, and only if somebody touched the key |
//!
//! Whom to trust is a public key (`ssh-ed25519 AAAA… comment`), or an allowed-signers file, see [`signers`]. Certificates are not
//! supported: they would need a revocation list that is always at hand.
//!
//! A signature states no time, so that `valid-before` of a key is held against the time of verification: to outlive it,
//! a signature must be renewed or its key trusted for longer.
//!
//! Source: OpenSSH's `PROTOCOL.sshsig` and `PROTOCOL.u2f`, ssh-keygen(1) section "ALLOWED SIGNERS", RFC 8332.

use jiff::Timestamp;
use ssh_encoding::{Decode as _, Encode as _};
use ssh_key::{HashAlg, PublicKey, SshSig, public::KeyData};

use super::{Artifact, Failure, Signer, base64, shown, stream};
use crate::digest::Algorithm;

pub mod signers;

pub use signers::{Key, MAX_KEY};

/// The kind's name in `Dockerfile.evidence`.
pub const KIND: &str = "ssh";
/// Largest signature read, in bytes of armored text.
pub const MAX_PROOF: usize = 16 * 1024;
/// The namespace of files, unless the policy names another.
pub const FILE: &str = "file";

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const CERTIFICATE: &str =
    "it is by a certificate, which is not supported; sign with the key itself";
/// Bit 0 of a security key's flags: somebody was there.
const USER_PRESENT: u8 = 1;

fn form(why: impl Into<String>) -> Failure {
    Failure::Form {
        what: "SSH signature",
        why: why.into(),
    }
}

/// Reads the armored block, and all that can be told from it alone.
fn parse(proof: &[u8]) -> Result<SshSig, Failure> {
    if proof.len() > MAX_PROOF {
        return Err(form(format!("more than {MAX_PROOF} bytes")));
    }
    let text = std::str::from_utf8(proof).map_err(|_| form("not UTF-8"))?;
    let inner = text
        .strip_prefix(BEGIN)
        .ok_or_else(|| form(format!("it does not start with {BEGIN}")))?;
    let (body, after) = inner
        .split_once(END)
        .ok_or_else(|| form(format!("no {END}")))?;
    if !matches!(after, "" | "\n" | "\r\n") {
        return Err(form("something follows the block"));
    }
    let body: String = body.lines().collect();
    let bytes = base64("SSH signature", &body)?;
    let mut rest = bytes.as_slice();
    if !rest.starts_with(b"SSHSIG") {
        return Err(form("the block holds no SSHSIG"));
    }
    if key_type(&bytes).is_some_and(|name| name.contains("-cert-")) {
        return Err(form(CERTIFICATE));
    }
    let signature = SshSig::decode(&mut rest).map_err(|error| form(error.to_string()))?;
    if !rest.is_empty() {
        return Err(form("something follows the signature"));
    }
    // The library passes over some lengths within a key: one key must have one encoding.
    let mut key = Vec::new();
    let encoded = signature.public_key().encode_prefixed(&mut key);
    if encoded.is_err()
        || !bytes
            .get(6 + 4..)
            .is_some_and(|key_on| key_on.starts_with(&key))
    {
        return Err(form("its key is not in its one encoding"));
    }
    if signature.version() != SshSig::VERSION {
        return Err(form(format!("version {}, not 1", signature.version())));
    }
    // Signers leave it empty; OpenSSH verifies as if it were.
    if !signature.reserved().is_empty() {
        return Err(form("its reserved field is not empty"));
    }
    Ok(signature)
}

/// The name of the key's algorithm, which follows the magic, the version, and the length of the key.
fn key_type(bytes: &[u8]) -> Option<String> {
    let mut key = bytes.get(6 + 4 + 4..)?;
    String::decode(&mut key).ok()
}

/// Checks the signature `proof` for the file `artifact`, in the key's namespace.
///
/// # Errors
/// [`Failure`]. Everything but the file's bytes is looked at first.
pub fn verify(
    artifact: &Artifact<'_>,
    proof: &[u8],
    key: &Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let signature = parse(proof)?;
    let who = admit(&signature, key, key.namespace(), at)?;
    let algorithm = match signature.hash_alg() {
        HashAlg::Sha256 => Algorithm::Sha256,
        HashAlg::Sha512 => Algorithm::Sha512,
        other => return Err(form(format!("unknown hash function {other}"))),
    };
    let Artifact::File { digest, .. } = artifact else {
        return Err(stream::not_a_file(artifact, KIND));
    };
    let hash = if digest.algorithm() == algorithm {
        // What is signed is the digest that the build uses: the bytes are not needed.
        stream::bytes(digest)
    } else {
        let mut hasher = stream::Hasher::new(algorithm);
        stream::read(artifact, KIND, |bytes| hasher.update(bytes))?;
        hasher.finish()
    };
    holds(&signature, &hash, who)
}

/// Checks the signature `proof` over `message`, a git object for example, in the namespace `namespace`.
///
/// # Errors
/// [`Failure`].
pub fn verify_bytes(
    message: &[u8],
    proof: &[u8],
    key: &Key,
    namespace: &str,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let signature = parse(proof)?;
    let who = admit(&signature, key, namespace, at)?;
    let hash = signature.hash_alg().digest(message);
    holds(&signature, &hash, who)
}

/// Whether the key in the signature may sign this at this time, and under which name.
fn admit(signature: &SshSig, key: &Key, namespace: &str, at: Timestamp) -> Result<String, Failure> {
    if signature.namespace() != namespace {
        return Err(Failure::Namespace {
            signed: shown(signature.namespace()),
            wanted: shown(namespace),
        });
    }
    let public = signature.public_key();
    usable(public)?;
    let made_by = match signature.algorithm() {
        ssh_key::Algorithm::Rsa { .. } => ssh_key::Algorithm::Rsa { hash: None },
        other => other,
    };
    if made_by != public.algorithm() {
        return Err(form(format!(
            "a signature of {made_by} with a key of {}",
            public.algorithm()
        )));
    }
    if matches!(
        public,
        KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_)
    ) {
        // The trailer: one byte of flags, four of a counter. It is signed.
        let flags = signature.signature_bytes().iter().rev().nth(4);
        if flags.is_none_or(|flags| flags & USER_PRESENT == 0) {
            return Err(Failure::Weak {
                what: "SSH signature",
                why: "nobody touched the security key when it was made".to_owned(),
            });
        }
    }
    key.admit(public, namespace, at)
}

/// Whether signatures by this key prove anything.
fn usable(public: &KeyData) -> Result<(), Failure> {
    const WHAT: &str = "SSH key";
    let weak = |why: String| Failure::Weak { what: WHAT, why };
    let form = |why: String| Failure::Form { what: WHAT, why };
    match public {
        KeyData::Ed25519(key) => not_small(&key.0),
        KeyData::SkEd25519(key) => not_small(&key.public_key().0),
        KeyData::Ecdsa(_) | KeyData::SkEcdsaSha2NistP256(_) => Ok(()),
        KeyData::Rsa(key) => {
            let bits = key.n.as_positive_bytes().map_or(0, |n| {
                let zeros = n.first().map_or(0, |first| first.leading_zeros() as usize);
                n.len().saturating_mul(8).saturating_sub(zeros)
            });
            match bits {
                2048..=4096 => Ok(()),
                ..2048 => Err(weak(format!("RSA with {bits} bits; 2048 are wanted"))),
                _ => Err(form(format!("RSA with {bits} bits; at most 4096 are read"))),
            }
        }
        KeyData::Dsa(_) => Err(weak("DSA is no longer used".to_owned())),
        other => Err(form(format!(
            "unknown algorithm `{}`",
            shown(other.algorithm().as_str())
        ))),
    }
}

fn not_small(point: &[u8; 32]) -> Result<(), Failure> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(point).map_err(|_| Failure::Form {
        what: "SSH key",
        why: "it is no point of Ed25519".to_owned(),
    })?;
    if key.is_weak() {
        return Err(Failure::Weak {
            what: "SSH key",
            why: "it is of small order: anyone can sign for it".to_owned(),
        });
    }
    Ok(())
}

/// Whether the signature is over this hash.
fn holds(signature: &SshSig, hash: &[u8], who: String) -> Result<Signer, Failure> {
    use rsa::signature::Verifier as _;
    let mut signed = b"SSHSIG".to_vec();
    for field in [
        signature.namespace().as_bytes(),
        signature.reserved(),
        signature.hash_alg().as_str().as_bytes(),
        hash,
    ] {
        field
            .encode(&mut signed)
            .map_err(|error| form(error.to_string()))?;
    }
    match signature
        .public_key()
        .verify(&signed, signature.signature())
    {
        Ok(()) => Ok(Signer { who, signed: None }),
        Err(_) => Err(Failure::Signature(who)),
    }
}

/// `SHA256:…` as `ssh-keygen -l` shows it.
fn fingerprint(public: &KeyData) -> String {
    public.fingerprint(HashAlg::Sha256).to_string()
}

/// One public key as it stands in a `.pub` file: `ssh-ed25519 AAAA… comment`.
fn public_key(text: &str) -> Result<KeyData, Failure> {
    let name = text.split([' ', '\t']).next().unwrap_or_default();
    let key = PublicKey::from_openssh(text).map_err(|_| Failure::Form {
        what: "SSH key",
        why: if name.contains("-cert-") {
            "it is a certificate, which is not supported; trust the key itself".to_owned()
        } else {
            "it is no public key as in a `.pub` file".to_owned()
        },
    })?;
    let blob = text
        .split([' ', '\t'])
        .filter(|word| !word.is_empty())
        .nth(1);
    let blob = base64("SSH key", blob.unwrap_or_default())?;
    if key.to_bytes().ok().as_ref() != Some(&blob) {
        return Err(Failure::Form {
            what: "SSH key",
            why: "it is not in its one encoding".to_owned(),
        });
    }
    usable(key.key_data())?;
    Ok(key.key_data().clone())
}
