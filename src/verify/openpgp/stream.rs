//! All the hashes that are wanted of some bytes, in one pass and in constant memory; each hash that is another than the
//! first on a thread of its own.

use std::{
    io::{self, Read},
    sync::{Arc, mpsc},
    thread,
};

use pgp::crypto::hash::HashAlgorithm;
use sha2::digest::DynDigest;

use super::Failure;
use crate::{digest::Algorithm, verify::stream::Hasher};

/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;
/// Chunks that may wait for a slower hash.
const WAITING: usize = 8;

/// One hash over the bytes.
pub(super) struct Lane {
    hash: HashAlgorithm,
    salt: Vec<u8>,
    text: bool,
    hasher: Running,
    /// In a text, a carriage return was met.
    carriage_return: bool,
}

impl Lane {
    /// With `salt` before the bytes; of a text, each line feed counts as CR LF.
    pub(super) fn new(hash: HashAlgorithm, salt: &[u8], text: bool) -> Result<Self, Failure> {
        let mut hasher = Running::new(hash).map_err(|error| Failure::Form {
            what: "OpenPGP signature",
            why: error.to_string(),
        })?;
        hasher.update(salt);
        Ok(Self {
            hash,
            salt: salt.to_vec(),
            text,
            hasher,
            carriage_return: false,
        })
    }

    /// Whether this is the hash by `hash` with `salt` of a text or of bytes.
    pub(super) fn is(&self, hash: HashAlgorithm, salt: &[u8], text: bool) -> bool {
        self.hash == hash && self.salt == salt && self.text == text
    }

    /// The hash of the bytes so far and `trailer`.
    ///
    /// # Errors
    /// A text with a carriage return: the signature would hold for other bytes too.
    pub(super) fn hash(&self, trailer: &[u8]) -> Result<Vec<u8>, Failure> {
        if self.carriage_return {
            return Err(Failure::Form {
                what: "signed text",
                why: "it has carriage returns, and a signature of type Text does not say where they belong; sign it as bytes"
                    .to_owned(),
            });
        }
        Ok(self.hasher.with(trailer))
    }

    fn update(&mut self, bytes: &[u8]) {
        if !self.text {
            return self.hasher.update(bytes);
        }
        self.carriage_return |= bytes.contains(&b'\r');
        let mut lines = bytes.split(|byte| *byte == b'\n');
        if let Some(first) = lines.next() {
            self.hasher.update(first);
        }
        for line in lines {
            self.hasher.update(b"\r\n");
            self.hasher.update(line);
        }
    }
}

/// A running hash: the usual ones as everywhere here, the others by the OpenPGP library.
enum Running {
    Usual(Box<Hasher>),
    Other(Box<dyn DynDigest + Send>),
}

impl Running {
    fn new(hash: HashAlgorithm) -> pgp::errors::Result<Self> {
        Ok(Self::Usual(Box::new(Hasher::new(match hash {
            HashAlgorithm::Sha256 => Algorithm::Sha256,
            HashAlgorithm::Sha384 => Algorithm::Sha384,
            HashAlgorithm::Sha512 => Algorithm::Sha512,
            other => return Ok(Self::Other(other.new_hasher()?)),
        }))))
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Usual(hasher) => hasher.update(bytes),
            Self::Other(hasher) => hasher.update(bytes),
        }
    }

    /// The hash of all so far and `trailer`.
    fn with(&self, trailer: &[u8]) -> Vec<u8> {
        match self {
            Self::Usual(hasher) => {
                let mut hasher = hasher.clone();
                hasher.update(trailer);
                hasher.finish()
            }
            Self::Other(hasher) => {
                let mut hasher = hasher.box_clone();
                hasher.update(trailer);
                hasher.finalize().into_vec()
            }
        }
    }
}

/// Reads `content` to its end into all `lanes`.
pub(super) fn hash(content: &mut dyn Read, lanes: &mut [Lane]) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::Read(error.to_string());
    let Some((first, others)) = lanes.split_first_mut() else {
        return Ok(());
    };
    if others.is_empty() {
        let mut buffer = vec![0; CHUNK];
        loop {
            let filled = read(content, &mut buffer).map_err(failed)?;
            match buffer.get(..filled) {
                None | Some([]) => return Ok(()),
                Some(chunk) => first.update(chunk),
            }
        }
    }
    thread::scope(|scope| {
        let mut senders = Vec::new();
        for lane in others {
            let (sender, receiver) = mpsc::sync_channel::<Arc<Vec<u8>>>(WAITING);
            senders.push(sender);
            thread::Builder::new()
                .spawn_scoped(scope, move || {
                    for chunk in receiver {
                        lane.update(&chunk);
                    }
                })
                .map_err(failed)?;
        }
        loop {
            let mut chunk = vec![0; CHUNK];
            let filled = read(content, &mut chunk).map_err(failed)?;
            if filled == 0 {
                return Ok(());
            }
            chunk.truncate(filled);
            let chunk = Arc::new(chunk);
            for sender in &senders {
                let sent = sender.send(Arc::clone(&chunk));
                sent.map_err(|_| Failure::Read("a thread ended early".to_owned()))?;
            }
            first.update(&chunk);
        }
    })
}

/// Fills `buffer` as far as there are bytes.
fn read(content: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0_usize;
    while let Some(free) = buffer.get_mut(filled..) {
        if free.is_empty() {
            break;
        }
        match content.read(free) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256, Sha512};

    use super::*;

    /// Gives few bytes at a time, and fails after the last if it is to.
    struct Slow<'a>(&'a [u8], bool);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() && self.1 {
                return Err(io::Error::other("the disk is gone"));
            }
            let count = self.0.len().min(buffer.len()).min(9973);
            let (now, later) = self.0.split_at(count);
            buffer[..count].copy_from_slice(now);
            self.0 = later;
            Ok(count)
        }
    }

    fn lanes() -> Vec<Lane> {
        [
            (HashAlgorithm::Sha256, &b""[..], false),
            (HashAlgorithm::Sha512, b"salt", false),
            (HashAlgorithm::Sha256, b"", true),
        ]
        .into_iter()
        .map(|(hash, salt, text)| Lane::new(hash, salt, text).unwrap())
        .collect()
    }

    #[test]
    fn all_hashes_are_of_all_bytes() {
        let line = b"a line\n\nanother";
        let content = line.repeat(5 * CHUNK / line.len());
        let text = String::from_utf8(content.clone())
            .unwrap()
            .replace('\n', "\r\n");
        let wanted = [
            Sha256::new_with_prefix(&content).finalize().to_vec(),
            Sha512::new_with_prefix("salt")
                .chain_update(&content)
                .chain_update("end")
                .finalize()
                .to_vec(),
            Sha256::digest(&text).to_vec(),
        ];
        let mut lanes = lanes();
        hash(&mut Slow(&content, false), &mut lanes).unwrap();
        assert_eq!(lanes[0].hash(b"").unwrap(), wanted[0]);
        assert_eq!(lanes[1].hash(b"end").unwrap(), wanted[1]);
        assert_eq!(lanes[2].hash(b"").unwrap(), wanted[2]);
        let mut alone = vec![lanes.remove(0)];
        alone[0] = Lane::new(HashAlgorithm::Sha256, b"", false).unwrap();
        hash(&mut Slow(&content, false), &mut alone).unwrap();
        assert_eq!(alone[0].hash(b"").unwrap(), wanted[0]);
    }

    #[test]
    fn a_text_with_carriage_returns_has_no_hash() {
        let mut lanes = lanes();
        hash(&mut &b"a\r\nb"[..], &mut lanes).unwrap();
        assert!(lanes[0].hash(b"").is_ok());
        assert!(lanes[2].hash(b"").is_err());
    }

    #[test]
    fn what_cannot_be_read_to_its_end_fails() {
        let content = vec![7; 3 * CHUNK];
        for count in [1, 3] {
            let mut lanes = lanes();
            lanes.truncate(count);
            let failure = hash(&mut Slow(&content, true), &mut lanes).unwrap_err();
            assert_eq!(failure, Failure::Read("the disk is gone".to_owned()));
        }
    }
}
