//! A body that is written down while it goes on to the client: what is small at once, the rest by a thread beside.

use std::io;

use bytes::Bytes;
use tokio::{
    sync::mpsc::{Sender, channel},
    task::{JoinHandle, spawn_blocking},
};

use super::bodies::Writer;
use crate::digest::Digest;

/// From which size on hashing and writing take longer than handing over to a thread, in bytes.
const SMALL: usize = 256 << 10;
/// How many parts wait for a slow disk.
const PARTS: usize = 4;

/// A body that is being kept.
#[derive(Debug)]
pub struct Keeper {
    size: usize,
    hand: Hand,
}

#[derive(Debug)]
enum Hand {
    Here(Writer),
    Beside(Sender<Bytes>, JoinHandle<io::Result<Writer>>),
    /// It failed, and was told so.
    Done,
}

impl Keeper {
    /// Keeps what comes with `writer`.
    #[must_use]
    pub fn new(writer: Writer) -> Self {
        Self {
            size: 0,
            hand: Hand::Here(writer),
        }
    }

    /// Takes bytes; waits if more than a few parts are not written yet.
    ///
    /// # Errors
    /// Whatever the file system said about these or earlier ones. Then nothing is left of the body.
    pub async fn keep(&mut self, bytes: Bytes) -> io::Result<()> {
        self.size = self.size.saturating_add(bytes.len());
        self.hand = match std::mem::replace(&mut self.hand, Hand::Done) {
            Hand::Here(mut writer) if self.size <= SMALL => {
                if let Err(error) = writer.write(&bytes) {
                    writer.discard();
                    return Err(error);
                }
                Hand::Here(writer)
            }
            Hand::Here(writer) => {
                let (sender, handle) = beside(writer);
                // It takes the first part, or tells why not when the next one comes.
                let _ = sender.send(bytes).await;
                Hand::Beside(sender, handle)
            }
            Hand::Beside(sender, handle) => {
                if sender.send(bytes).await.is_err() {
                    return Err(failure(handle.await));
                }
                Hand::Beside(sender, handle)
            }
            Hand::Done => return Err(io::Error::other("it was given up before")),
        };
        Ok(())
    }

    async fn writer(self) -> io::Result<Writer> {
        match self.hand {
            Hand::Here(writer) => Ok(writer),
            Hand::Beside(sender, handle) => {
                drop(sender);
                match handle.await {
                    Ok(Ok(writer)) => Ok(writer),
                    other => Err(failure(other)),
                }
            }
            Hand::Done => Err(io::Error::other("it was given up before")),
        }
    }

    /// Puts the body under its digest; gives that, and its size.
    ///
    /// # Errors
    /// Whatever the file system said.
    pub async fn finish(self) -> io::Result<(Digest, u64)> {
        self.writer().await?.finish()
    }

    /// Gives it up.
    pub async fn discard(self) {
        if let Ok(writer) = self.writer().await {
            writer.discard();
        }
    }
}

fn beside(mut writer: Writer) -> (Sender<Bytes>, JoinHandle<io::Result<Writer>>) {
    let (sender, mut receiver) = channel::<Bytes>(PARTS);
    let handle = spawn_blocking(move || {
        while let Some(bytes) = receiver.blocking_recv() {
            if let Err(error) = writer.write(&bytes) {
                writer.discard();
                return Err(error);
            }
        }
        Ok(writer)
    });
    (sender, handle)
}

/// Why a thread that writes has ended before its time.
fn failure(ended: Result<io::Result<Writer>, tokio::task::JoinError>) -> io::Error {
    match ended {
        Ok(Err(error)) => error,
        Ok(Ok(writer)) => {
            writer.discard();
            io::Error::other("writing ended early")
        }
        Err(error) => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let name = format!("verified-keep-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(work)
    }

    #[test]
    fn small_and_large_bodies_are_kept_whole() {
        let folder = folder("whole");
        for size in [0, 1, SMALL, SMALL + 1, 5 * SMALL + 7] {
            let bytes: Vec<u8> = (0..size).map(|number| (number % 251) as u8).collect();
            let (digest, length) = block_on(async {
                let mut keeper = Keeper::new(Writer::new(&folder).unwrap());
                for part in bytes.chunks(10_000) {
                    keeper.keep(Bytes::copy_from_slice(part)).await.unwrap();
                }
                keeper.finish().await.unwrap()
            });
            assert_eq!((&digest, length), (&Digest::sha256(&bytes), size as u64));
            if size > 0 {
                let kept = fs::read(super::super::bodies::path(&folder, &digest)).unwrap();
                assert_eq!(kept, bytes);
            }
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn nothing_is_left_of_what_is_given_up() {
        let folder = folder("discard");
        for size in [1, 3 * SMALL] {
            block_on(async {
                let mut keeper = Keeper::new(Writer::new(&folder).unwrap());
                for _ in 0..size.div_ceil(10_000) {
                    keeper.keep(Bytes::from_static(&[0; 10_000])).await.unwrap();
                }
                keeper.discard().await;
            });
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
