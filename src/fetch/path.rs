//! Slash-separated paths as Go's `path` package and BuildKit's `util/system` treat them, the Windows rules included:
//! a path on a drive other than `C:` is refused before anything is built.

/// `path.Clean`: the shortest equivalent path; the empty path is `.`.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// `path.Join`: the non-empty elements with slashes between them, cleaned; nothing of nothing.
pub(crate) fn join(elements: &[&str]) -> String {
    let kept: Vec<&str> = elements
        .iter()
        .copied()
        .filter(|element| !element.is_empty())
        .collect();
    if kept.is_empty() {
        String::new()
    } else {
        clean(&kept.join("/"))
    }
}

/// Why a path cannot be used on the platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A drive letter with nothing behind it.
    #[error("no relative path specified in {0:?}")]
    DriveOnly(String),
    /// `\\server\share`.
    #[error("UNC paths are not supported")]
    Unc,
    /// Another drive than `C:`.
    #[error("the path is not on the system drive (C:)")]
    Drive,
}

/// `system.CheckSystemDriveAndRemoveDriveLetter`; does nothing unless `os` is `windows`.
pub(crate) fn without_drive(path: &str, os: &str, keep_slash: bool) -> Result<String, PathError> {
    if os != "windows" {
        return Ok(path.to_owned());
    }
    if path.len() == 2 && path.ends_with(':') {
        return Err(PathError::DriveOnly(path.to_owned()));
    }
    let slashed = path.replace('\\', "/");
    if slashed.starts_with("//") {
        return Err(PathError::Unc);
    }
    let rest = match slashed.split_once(':') {
        None => slashed.as_str(),
        Some((drive, rest)) if drive.eq_ignore_ascii_case("c") => rest,
        Some(_) => return Err(PathError::Drive),
    };
    let mut cleaned = clean(rest);
    if keep_slash && cleaned.len() > 1 && rest.ends_with('/') {
        cleaned.push('/');
    }
    Ok(cleaned)
}

/// `system.NormalizePath`: `new` as seen from `parent`, absolute, without drive letter, with forward slashes.
pub(crate) fn normalize(
    parent: &str,
    new: &str,
    os: &str,
    keep_slash: bool,
) -> Result<String, PathError> {
    let slash = |path: &str| {
        if os == "windows" {
            path.replace('\\', "/")
        } else {
            path.to_owned()
        }
    };
    let original = slash(new);
    let mut parent = slash(if parent.is_empty() { "/" } else { parent });
    parent = without_drive(&parent, os, keep_slash)?;
    if !is_absolute(&parent, os) {
        parent = join(&["/", &parent]);
    }
    let new = if original.is_empty() {
        parent.clone()
    } else {
        original.clone()
    };
    let mut new = without_drive(&new, os, keep_slash)?;
    if !is_absolute(&new, os) {
        new = join(&[&parent, &new]);
    }
    if keep_slash {
        if original.ends_with('/') && !new.ends_with('/') {
            new.push('/');
        } else if original.ends_with("/.") {
            if new != "/" {
                new.push('/');
            }
            new.push('.');
        }
    }
    Ok(slash(&new))
}

/// `system.IsAbs`.
pub(crate) fn is_absolute(path: &str, os: &str) -> bool {
    without_drive(path, os, false).is_ok_and(|path| path.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_joins_and_splits_like_go() {
        for (path, cleaned) in [
            ("", "."),
            ("/", "/"),
            ("a//b/./c/..", "a/b"),
            ("/../a", "/a"),
            ("../a", "../a"),
            ("a/../..", ".."),
        ] {
            assert_eq!(clean(path), cleaned, "{path:?}");
        }
        assert_eq!(join(&["/", "", "x/../y"]), "/y");
        assert_eq!(join(&["", ""]), "");
    }

    #[test]
    fn windows_paths_stay_on_the_system_drive() {
        assert_eq!(
            normalize("/", "c:\\a\\b", "windows", false),
            Ok("/a/b".to_owned())
        );
        assert_eq!(
            normalize("/w", "x", "windows", false),
            Ok("/w/x".to_owned())
        );
        assert_eq!(
            normalize("/", "d:\\a", "windows", false),
            Err(PathError::Drive)
        );
        assert_eq!(
            normalize("/", "C:", "windows", false),
            Err(PathError::DriveOnly("C:".to_owned()))
        );
        assert_eq!(
            normalize("/", "\\\\s\\a", "windows", false),
            Err(PathError::Unc)
        );
        assert_eq!(
            normalize("/", "d:/a", "linux", true),
            Ok("/d:/a".to_owned())
        );
    }
}
