//! Authorities for programs that read no variables: the step's own, mounted over the image's list.
//!
//! A mounted list cannot be replaced, so that installing `ca-certificates` fails where it is. So only those steps have it that start such
//! programs, by their words, and that do not touch the list.

use std::{
    fs::OpenOptions,
    io::{Read as _, Write as _},
    path::Path,
};

/// Where the lists of most distributions lie: Debian, Ubuntu, Alpine, Arch; Fedora, RHEL. Other places are links to these, mostly.
pub const LISTS: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];
/// The name of the file that is mounted there, beside the launcher.
pub const LIST: &str = "authorities.pem";
/// What it has at first, and no list of an image.
pub const EMPTY: &str = "# verified-dockerfile: the authority of this step comes here\n";

/// Programs that pass no variables on to what they start, or that read none: GnuPG gets keys by a program of its own.
const PROGRAMS: [&str; 4] = ["sudo", "doas", "dirmngr", "login"];
/// Options of programs for the same; those of GnuPG may have a value behind `=`.
const OPTIONS: [&str; 8] = [
    "--recv-keys",
    "--recv-key",
    "--receive-keys",
    "--keyserver",
    "--search-keys",
    "--refresh-keys",
    "--locate-keys",
    "--ignore-environment",
];
/// Words of those who change the list.
const CHANGES: [&str; 3] = ["ca-certificates", "update-ca-trust", "ca-bundle"];

/// Whether the step with these arguments needs the list.
#[must_use]
pub fn is_needed(command: &[String]) -> bool {
    if CHANGES
        .iter()
        .any(|word| command.iter().any(|text| text.contains(word)))
    {
        return false;
    }
    let words = command.iter().flat_map(|text| {
        text.split(|letter: char| letter.is_whitespace() || ";&|()<>\"'`\\".contains(letter))
    });
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.iter().enumerate().any(|(at, word)| {
        let program = word.rsplit('/').next().unwrap_or(word);
        let option = word.split('=').next().unwrap_or(word);
        let next = words.get(at.saturating_add(1)).copied().unwrap_or_default();
        PROGRAMS.contains(&program)
            || OPTIONS.contains(&option)
            || program == "env" && matches!(next, "-i" | "-")
            || matches!(program, "su" | "runuser") && matches!(next, "-" | "-l" | "--login")
    })
}

/// Puts `authority` (PEM) into the lists that are mounted for it.
pub fn fill(authority: &str) {
    for path in LISTS {
        // A list of the image is none of ours, and where there is none, nothing is missing.
        let _ = fill_one(Path::new(path), authority);
    }
}

fn fill_one(path: &Path, authority: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).open(path)?;
    let mut begin = vec![0; EMPTY.len()];
    file.read_exact(&mut begin)?;
    if begin == EMPTY.as_bytes() {
        file.write_all(authority.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_steps_that_need_the_list_have_it() {
        let step = |text: &str| ["/bin/sh", "-c", text].map(str::to_owned);
        for text in [
            "env -i curl -O https://files.test/a",
            "cd /x && (sudo -u me curl https://files.test)",
            "su - me -c 'curl https://files.test'",
            "gpg --batch --keyserver hkps://keys.test --recv-keys \"$KEY\"",
            "gpg --keyserver=hkps://keys.test --recv 1",
            "/usr/bin/env -i sh -c true",
        ] {
            assert!(is_needed(&step(text)), "{text}");
        }
        for text in [
            "curl -O https://files.test/a",
            "env A=b curl https://files.test",
            "su me -c true; pseudo; echo su",
            "gpg --verify a.asc a",
            "apt-get install -y ca-certificates && sudo curl https://files.test",
            "sudo update-ca-trust",
        ] {
            assert!(!is_needed(&step(text)), "{text}");
        }
    }

    #[test]
    fn only_the_mounted_list_is_written() {
        let path = std::env::temp_dir().join(format!("verified-list-{}", std::process::id()));
        for (before, after) in [
            (EMPTY.to_owned(), format!("{EMPTY}authority")),
            ("an image's own\n".repeat(20), "an image's own\n".repeat(20)),
            (String::new(), String::new()),
        ] {
            std::fs::write(&path, before).unwrap();
            let _ = fill_one(&path, "authority");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
        std::fs::remove_file(path).unwrap();
    }
}
