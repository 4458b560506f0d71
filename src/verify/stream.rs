//! A file's bytes, read once and never held as a whole, for signatures over bytes rather than over a digest.

use std::{
    io::{self, Read},
    sync::{Arc, mpsc},
    thread,
};

use ring::digest::{Context, SHA384, SHA512};
use sha2::{Digest as _, Sha256};

use super::{Artifact, Failure, shown};
use crate::digest::{Algorithm, Digest};

/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;
/// Chunks that may wait for the slower of two hashes.
const WAITING: usize = 8;

/// Gives all bytes of a file to `sink`, in order, and makes sure that they are the ones which the digest names. The digest is computed on
/// a thread of its own where there is more than one chunk.
///
/// What `sink` gathered may be believed only after this returned without an error.
///
/// # Errors
/// [`Failure::Type`] for anything but a file, [`Failure::NeedsBytes`] if the bytes are not at hand, [`Failure::Digest`] if they are
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
    let mut reader = content.open().map_err(broken)?;
    let mut hasher = Hasher::new(digest.algorithm());
    let first = chunk(&mut reader)?;
    if first.len() < CHUNK {
        hasher.update(&first);
        sink(&first);
    } else {
        hasher = thread::scope(|scope| {
            let (sender, receiver) = mpsc::sync_channel::<Arc<Vec<u8>>>(WAITING);
            let other = thread::Builder::new()
                .spawn_scoped(scope, move || {
                    for chunk in receiver {
                        hasher.update(&chunk);
                    }
                    hasher
                })
                .map_err(broken)?;
            let mut next = first;
            while !next.is_empty() {
                let shared = Arc::new(next);
                sender.send(Arc::clone(&shared)).map_err(|_| ended())?;
                sink(&shared);
                next = chunk(&mut reader)?;
            }
            drop(sender);
            other.join().map_err(|_| ended())
        })?;
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

fn broken(error: io::Error) -> Failure {
    Failure::Read(shown(&error.to_string()))
}

fn ended() -> Failure {
    Failure::Read("a thread ended early".to_owned())
}

/// The next bytes: less than a whole chunk only at the end.
fn chunk(reader: &mut impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::with_capacity(CHUNK);
    reader
        .take(CHUNK as u64)
        .read_to_end(&mut bytes)
        .map_err(broken)?;
    Ok(bytes)
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

/// A running digest of a known algorithm. The longer ones are by ring, which takes two thirds of the other library's time.
#[derive(Clone)]
pub(super) enum Hasher {
    Sha256(Sha256),
    Longer(Context),
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha384 => Self::Longer(Context::new(&SHA384)),
            Algorithm::Sha512 => Self::Longer(Context::new(&SHA512)),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Longer(hasher) => hasher.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(hasher) => hasher.finalize().to_vec(),
            Self::Longer(hasher) => hasher.finish().as_ref().to_vec(),
        }
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that a digest's digits stand for.
pub(super) fn bytes(digest: &Digest) -> Vec<u8> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or_default();
    let pair = |pair: &[u8]| pair.iter().fold(0, |sum, next| sum << 4 | digit(next));
    let pairs = digest.hex().as_bytes().chunks(2);
    pairs
        .filter_map(|two| u8::try_from(pair(two)).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Content;

    /// Gives few bytes at a time, and breaks at the end if it is to.
    #[derive(Debug)]
    struct Slow(Vec<u8>, bool);

    struct Reader<'a>(&'a [u8], bool);

    impl Content for Slow {
        fn open(&self) -> io::Result<Box<dyn Read + '_>> {
            Ok(Box::new(Reader(&self.0, self.1)))
        }
    }

    impl Read for Reader<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() && self.1 {
                return Err(io::Error::other("broken"));
            }
            let most = buffer.len().min(1000);
            (&mut self.0).take(most as u64).read(buffer)
        }
    }

    #[test]
    fn all_bytes_arrive_in_order_whatever_their_number() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7] {
            let all: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let digest = Digest::sha256(&all);
            assert_eq!(bytes(&digest), Sha256::digest(&all).to_vec());
            for broken in [false, true] {
                let content = Slow(all.clone(), broken);
                let artifact = Artifact::File {
                    digest: &digest,
                    content: Some(&content),
                };
                let mut found = Vec::new();
                let result = read(&artifact, "test", |bytes| found.extend_from_slice(bytes));
                assert!(all.starts_with(&found), "{length}");
                assert_eq!(found.len() == length, !broken || length % CHUNK == 0);
                let wanted = if broken {
                    Err(Failure::Read("broken".to_owned()))
                } else {
                    Ok(())
                };
                assert_eq!(result, wanted, "{length}");
            }
            let digest = Digest::sha256(b"other");
            let content = Slow(all, false);
            let artifact = Artifact::File {
                digest: &digest,
                content: Some(&content),
            };
            let result = read(&artifact, "test", |_| {});
            assert!(matches!(result, Err(Failure::Digest { .. })));
        }
    }
}
