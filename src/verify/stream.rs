//! A file's bytes, read once and never held as a whole, for signatures over bytes rather than over a digest.

use std::io::{self, Read as _};

use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::{Artifact, Failure, shown};
use crate::digest::{Algorithm, Digest};

/// Bytes held at a time.
const BUFFER: usize = 256 * 1024;

/// Gives all bytes of a file to `sink`, in order, and makes sure that they are the ones which the digest names.
///
/// What `sink` gathered may be believed only after this returned without an error.
///
/// # Errors
/// [`Failure::Type`] for an image, [`Failure::NeedsBytes`] if the bytes are not at hand, [`Failure::Digest`] if they are
/// others, [`Failure::Read`].
pub(super) fn read(
    artifact: &Artifact<'_>,
    kind: &'static str,
    mut sink: impl FnMut(&[u8]),
) -> Result<(), Failure> {
    let Artifact::File { digest, content } = artifact else {
        return Err(not_a_file(artifact, kind));
    };
    let content = content.ok_or(Failure::NeedsBytes)?;
    let broken = |error: io::Error| Failure::Read(shown(&error.to_string()));
    let mut reader = content.open().map_err(broken)?;
    let mut hasher = Hasher::new(digest.algorithm());
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken(error)),
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        hasher.update(bytes);
        sink(bytes);
    }
    let found = format!("{}:{}", digest.algorithm().name(), hex(&hasher.finish()));
    if found != digest.to_string() {
        return Err(Failure::Digest {
            signed: found,
            wanted: Digest::clone(digest),
        });
    }
    Ok(())
}

/// The refusal to prove an image or a git object by a signature over a file.
pub(super) fn not_a_file(artifact: &Artifact<'_>, kind: &'static str) -> Failure {
    Failure::Type {
        what: "proof",
        found: kind.to_owned(),
        wanted: match artifact {
            Artifact::Git(_) => "a signature over a git object",
            _ => "a signature over an image",
        },
    }
}

/// A running digest of a known algorithm.
pub(super) enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Sha384(hasher) => hasher.finalize().to_vec(),
            Self::Sha512(hasher) => hasher.finalize().to_vec(),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
