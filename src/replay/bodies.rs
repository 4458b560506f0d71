//! Bodies in a folder, each under the digits of its SHA-256. Nothing but a digest ever becomes a path.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// How much is read at once, in bytes. As much as stays in a core's cache until it is written.
pub const CHUNK: usize = 128 << 10;

/// A body that is being written.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    part: PathBuf,
    file: File,
    hash: Sha256,
    size: u64,
}

static PARTS: AtomicU64 = AtomicU64::new(0);

impl Writer {
    /// Begins one in `folder`, which must exist.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let number = PARTS.fetch_add(1, Ordering::Relaxed);
        let part = folder.join(format!(".part-{}-{number}", std::process::id()));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&part)?;
        Ok(Self {
            folder: folder.to_owned(),
            part,
            file,
            hash: Sha256::new(),
            size: 0,
        })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.size = self
            .size
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// Puts it under its digest; gives that, and the size.
    ///
    /// # Errors
    /// Whatever the file system says.
    pub fn finish(self) -> io::Result<(Digest, u64)> {
        let digest = digest(&self.hash.clone().finalize());
        if self.size == 0 {
            fs::remove_file(&self.part)?;
        } else {
            fs::rename(&self.part, path(&self.folder, &digest))?;
        }
        Ok((digest, self.size))
    }

    /// Gives it up.
    pub fn discard(self) {
        // It is only a part of a file.
        let _ = fs::remove_file(&self.part);
    }
}

/// Where the body with `digest` lies in `folder`.
#[must_use]
pub fn path(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join(digest.hex())
}

/// Copies the body with `digest` and `size` from one folder to another, if it is what it should be.
///
/// # Errors
/// That it is not there, or has other bytes; then nothing is left in `to`.
pub fn import(from: &Path, to: &Path, wanted: &Digest, size: u64) -> io::Result<()> {
    let source = path(from, wanted);
    let about = fs::symlink_metadata(&source)
        .map_err(|error| io::Error::other(format!("{}: {error}", source.display())))?;
    // A link leads elsewhere; a pipe would be waited for, a device read without end.
    if !about.is_file() {
        return Err(io::Error::other("it is no plain file in the store"));
    }
    let mut source = File::open(&source)
        .map_err(|error| io::Error::other(format!("{}: {error}", source.display())))?;
    let mut writer = Writer::new(to)?;
    let mut buffer = vec![0; CHUNK];
    let done = loop {
        let step = source.read(&mut buffer).and_then(|read| {
            let part = buffer.get(..read).unwrap_or_default();
            writer.write(part).map(|()| read)
        });
        match step {
            Ok(0) => break Ok(()),
            Ok(_) if writer.size > size => break Err(io::Error::other("it is longer")),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    let found = digest(&writer.hash.clone().finalize());
    let done = done.and_then(|()| {
        if found == *wanted && writer.size == size {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "it is {} bytes with {found}, and not {size} bytes with {wanted}",
                writer.size
            )))
        }
    });
    match done {
        Ok(()) => writer.finish().map(|_| ()),
        Err(error) => {
            writer.discard();
            Err(error)
        }
    }
}

fn digest(hash: &[u8]) -> Digest {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    // It has the form of one.
    format!("sha256:{hex}")
        .parse()
        .unwrap_or_else(|_| Digest::sha256(&[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_bytes_come_in() {
        let dir = std::env::temp_dir().join(format!("verified-bodies-{}", std::process::id()));
        let (from, to) = (dir.join("from"), dir.join("to"));
        for folder in [&from, &to] {
            fs::create_dir_all(folder).unwrap();
        }
        let mut writer = Writer::new(&from).unwrap();
        writer.write(b"con").unwrap();
        writer.write(b"tent").unwrap();
        let (digest, size) = writer.finish().unwrap();
        assert_eq!((&digest, size), (&Digest::sha256(b"content"), 7));
        import(&from, &to, &digest, size).unwrap();
        assert_eq!(fs::read(path(&to, &digest)).unwrap(), b"content");
        fs::remove_file(path(&to, &digest)).unwrap();
        for (bytes, size) in [
            (&b"c0ntent"[..], 7),
            (b"content+", 7),
            (b"conten", 7),
            (b"content", 8),
        ] {
            fs::write(path(&from, &digest), bytes).unwrap();
            import(&from, &to, &digest, size).unwrap_err();
            assert_eq!(fs::read_dir(&to).unwrap().count(), 0, "{bytes:?}");
        }
        // A link leads to other bytes, at best.
        fs::remove_file(path(&from, &digest)).unwrap();
        let place = path(&from, &digest);
        fs::write(dir.join("elsewhere"), b"content").unwrap();
        std::os::unix::fs::symlink(dir.join("elsewhere"), &place).unwrap();
        import(&from, &to, &digest, 7).unwrap_err();
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        import(&from, &to, &digest, 7).unwrap_err();
        fs::remove_dir(&place).unwrap();
        // Nobody would ever write to it.
        let made = std::process::Command::new("mkfifo").arg(&place).status();
        assert!(made.unwrap().success());
        import(&from, &to, &digest, 7).unwrap_err();
        assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
        fs::remove_dir_all(&dir).unwrap();
    }
}
