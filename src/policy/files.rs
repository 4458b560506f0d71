//! Reading the files that a policy names, never from outside the policy's folder.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

/// Something that reads a file by its path below the policy's folder.
///
/// The path was checked by [`relative`]: it has no part that leads out of the folder by name. Links are the reader's to check.
pub trait Files {
    /// All of the file, at most `limit` bytes.
    ///
    /// # Errors
    /// A sentence that says why not.
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, String>;
}

/// Files that the caller has read already, by path; see [`files_needed`](super::files_needed).
impl Files for BTreeMap<String, Vec<u8>> {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, String> {
        match self.get(path) {
            Some(bytes) if bytes.len() > limit => Err(format!("it has more than {limit} bytes")),
            Some(bytes) => Ok(bytes.clone()),
            None => Err("there is no such file".to_owned()),
        }
    }
}

/// A folder of this machine. Links are followed as long as they stay in it.
#[derive(Clone, Debug)]
pub struct LocalFolder {
    root: PathBuf,
}

impl LocalFolder {
    /// The folder at `root`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl Files for LocalFolder {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, String> {
        let read = || -> std::io::Result<Result<Vec<u8>, String>> {
            let root = self.root.canonicalize()?;
            let file = root.join(Path::new(path)).canonicalize()?;
            if !file.starts_with(&root) {
                return Ok(Err(
                    "it is a link to outside of the policy's folder".to_owned()
                ));
            }
            if !file.metadata()?.is_file() {
                return Ok(Err("it is not a regular file".to_owned()));
            }
            let mut bytes = Vec::new();
            let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
            File::open(file)?.take(most).read_to_end(&mut bytes)?;
            if bytes.len() > limit {
                return Ok(Err(format!("it has more than {limit} bytes")));
            }
            Ok(Ok(bytes))
        };
        read().unwrap_or_else(|error| Err(error.to_string()))
    }
}

/// Checks that `path` is relative, stays below its folder, and is written in the plain form `a/b.pub`.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn relative(path: &str) -> Result<(), &'static str> {
    if path.is_empty() || path.len() > 4096 {
        return Err("a path has 1 to 4096 bytes");
    }
    if path.starts_with('/') {
        return Err("the path is absolute; it is relative to the policy's folder");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return Err("the path has a backslash or control character; parts are divided by /");
    }
    if path.split('/').any(|part| part == "..") {
        return Err("the path leads out of the policy's folder");
    }
    if path.split('/').any(|part| part.is_empty() || part == ".") {
        return Err("the path has an empty or `.` part");
    }
    if path.as_bytes().get(1) == Some(&b':') {
        return Err("the path begins with a drive letter");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_in_the_folder() {
        for good in ["a", "keys/a.pub", "..a/b..", "a b"] {
            relative(good).unwrap();
        }
        for (bad, why) in [
            ("", "1 to 4096"),
            ("/etc/passwd", "absolute"),
            ("../a", "leads out"),
            ("a/../../b", "leads out"),
            ("a/..", "leads out"),
            ("./a", "empty or `.`"),
            ("a//b", "empty or `.`"),
            ("a\\..\\b", "backslash"),
            ("C:/a", "drive"),
            ("a\0b", "control"),
        ] {
            assert!(relative(bad).unwrap_err().contains(why), "{bad}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_out_of_the_folder_are_refused() {
        use std::os::unix::fs::symlink;
        let base = std::env::temp_dir().join(format!("verified-policy-{}", std::process::id()));
        let root = base.join("project");
        std::fs::create_dir_all(root.join("keys")).unwrap();
        std::fs::write(base.join("secret"), "secret").unwrap();
        std::fs::write(root.join("keys/a"), "key").unwrap();
        symlink("keys/a", root.join("inside")).unwrap();
        symlink("../secret", root.join("outside")).unwrap();
        symlink("..", root.join("up")).unwrap();
        let files = LocalFolder::new(&root);
        assert_eq!(files.read("keys/a", 3), Ok(b"key".to_vec()));
        assert_eq!(files.read("inside", 3), Ok(b"key".to_vec()));
        for (path, why) in [
            ("keys/a", "more than 2 bytes"),
            ("outside", "outside of the policy's folder"),
            ("up/secret", "outside of the policy's folder"),
            ("keys", "not a regular file"),
            ("missing", "No such file"),
        ] {
            let error = files.read(path, 2).unwrap_err();
            assert!(error.contains(why), "{path}: {error}");
        }
        std::fs::remove_dir_all(base).unwrap();
    }
}
