//! Writing a file so that a reader sees the old bytes or the new, never a part.

use std::{
    ffi::{OsStr, OsString},
    fs::{File, OpenOptions},
    io::{Error, ErrorKind, Result, Write as _},
    path::Path,
};

/// Replaces the file at `path` by `bytes`: a new file in the same folder is written, flushed to disk, and renamed over it.
/// Permissions of a file that was there are kept; a link is replaced, not followed.
///
/// # Errors
/// What the file system says; then `path` is as before and nothing is left beside it.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder.join(temporary);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary)?;
        if let Ok(old) = path.symlink_metadata()
            && old.is_file()
        {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    if let Err(error) = written {
        // A file that another process made under this name stays.
        if error.kind() != ErrorKind::AlreadyExists {
            let _ = std::fs::remove_file(&temporary);
        }
        return Err(error);
    }
    // The rename itself is durable only with its folder; some file systems cannot flush a folder.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Removes what processes left behind that were ended in the midst of replacing `path`. Without `/proc` nobody knows which those are.
pub fn sweep(path: &Path) {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else {
        return;
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !Path::new("/proc/self").exists() {
        return;
    }
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let file = entry.file_name();
        let process = file
            .to_str()
            .and_then(|file| file.strip_prefix('.')?.strip_prefix(name))
            .and_then(|rest| rest.strip_prefix('.')?.strip_suffix(".tmp"))
            .filter(|process| process.bytes().all(|byte| byte.is_ascii_digit()));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_all_or_nothing() {
        let folder = std::env::temp_dir().join(format!("verified-atomic-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("Dockerfile.lock");
        // Left by a process that is no more (numbers end far below), and by one that is.
        std::fs::write(folder.join(".Dockerfile.lock.4000000000.tmp"), "part").unwrap();
        let other = folder.join(".Dockerfile.lock.1.tmp");
        std::fs::write(&other, "part").unwrap();
        sweep(&path);
        write_atomic(&path, b"one, longer").unwrap();
        std::fs::remove_file(other).unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");

        // A folder in the way: the rename fails after the new file was written.
        let taken = folder.join("taken");
        std::fs::create_dir_all(taken.join("x")).unwrap();
        assert!(write_atomic(&taken, b"three").is_err());
        assert!(write_atomic(&folder.join("missing/x"), b"three").is_err());
        assert!(write_atomic(Path::new("/"), b"three").is_err());
        let names: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names.len(), 2, "nothing is left beside: {names:?}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
