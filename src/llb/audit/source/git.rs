//! `git://HOST/PATH#REF:SUBDIR`.
//!
//! The identifier is a key for the daemon's cache and for source policies; what it fetches from is `git.fullurl`. A
//! reference is fixed if it is a full commit, or if `git.checksum` is one: the daemon takes a checksum as a
//! prefix, so that a short one fixes nothing. Submodules are fetched too unless `git.skipsubmodules` is set; their
//! commits are fixed by the tree, their hosts are the repository's choice, so they are allowed and reported.

use crate::llb::audit::{EscapeKind, GitPin, graph::show};

use super::Judge;

/// How a remote is reached, and the key BuildKit makes of it.
struct Remote {
    key: String,
    ssh: bool,
}

impl Judge<'_> {
    /// The commit, and whether submodules are fetched too.
    pub(super) fn git(&mut self, rest: &str) -> (Option<String>, bool) {
        let attrs = &self.source.attrs;
        let submodules = attrs
            .get("git.skipsubmodules")
            .is_none_or(|value| value != "true");
        let Some(url) = attrs.get("git.fullurl") else {
            self.refuse(EscapeKind::Source, "does not say which remote it is");
            return (None, submodules);
        };
        let (key, reference, subdir) = split(rest);
        let remote = remote(url);
        if rest.contains(['?', '%', '\\']) || rest.contains(|c: char| c.is_control() || c == ' ') {
            self.refuse(
                EscapeKind::Identifier,
                "has characters that the daemon would read as something else",
            );
            return (None, submodules);
        }
        if remote.as_ref().is_none_or(|remote| remote.key != key) {
            self.refuse(
                EscapeKind::Identifier,
                &format!("is not the key of its remote {}", show(url)),
            );
        }
        let ssh = remote.is_some_and(|remote| remote.ssh);
        let checksum = attrs.get("git.checksum").map(String::as_str);
        let pins: &[GitPin] = self.expected.git.get(url).map_or(&[], Vec::as_slice);
        let pin = self.pin(url, pins, reference, checksum);
        let by_commit = pin.is_some();
        if let Some(pin) = pin
            && !subdir.is_empty()
            && !pin.subdirs.contains(subdir)
        {
            self.refuse(
                EscapeKind::Source,
                &format!(
                    "takes the directory {}, which was not verified",
                    show(subdir)
                ),
            );
        }
        self.attributes(|key, value| match key {
            // Judged above, with their own reasons.
            "git.fullurl" | "git.checksum" => Some(true),
            // Adds .git, skips submodules, sets times: the tree stays that of the commit.
            "git.keepgitdir" | "git.skipsubmodules" => Some(value == "true"),
            "git.mtime" => Some(matches!(value, "checkout" | "commit")),
            // Asks for the commit itself instead of the reference; needs it in full.
            "git.fetchbycommit" => Some(value == "true" && by_commit),
            // The names that client/llb always sets; the client's secrets under them go to the remote.
            "git.authtokensecret" => Some(value == "GIT_AUTH_TOKEN"),
            "git.authheadersecret" => Some(value == "GIT_AUTH_HEADER"),
            // Only for SSH; the commit fixes the content, whoever the host is.
            "git.knownsshhosts" => Some(ssh),
            "git.mountsshsock" => Some(ssh && value == "default"),
            // git.bundle takes another source, git.checkoutbundle makes another result, git.sig.* other keys.
            _ => None,
        });
        (pin.map(|pin| pin.commit.clone()), submodules)
    }

    /// The verified commit that the reference and checksum amount to.
    fn pin<'p>(
        &mut self,
        url: &str,
        pins: &'p [GitPin],
        reference: &str,
        checksum: Option<&str>,
    ) -> Option<&'p GitPin> {
        let Some(first) = pins.first() else {
            self.refuse(
                EscapeKind::Source,
                &format!("is {}, which was not verified", show(url)),
            );
            return None;
        };
        let fits = |pin: &&GitPin| {
            let by_commit =
                reference == pin.commit && checksum.is_none_or(|checksum| checksum == pin.commit);
            // A reference that looks like a commit is one to the daemon.
            let by_name = !is_commit(reference)
                && pin.refs.contains(reference)
                && checksum == Some(pin.commit.as_str());
            is_commit(&pin.commit) && (by_commit || by_name)
        };
        let found = pins.iter().find(fits);
        if found.is_none() {
            let asked = match checksum {
                Some(checksum) => format!("{} with checksum {}", show(reference), show(checksum)),
                None => show(reference),
            };
            self.refuse(
                EscapeKind::Digest,
                &format!(
                    "asks for {asked} instead of the verified commit {}",
                    first.commit
                ),
            );
        }
        found
    }
}

/// As `gitutil.IsCommitSHA`.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64)
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Key, reference and directory of an identifier without its scheme.
fn split(rest: &str) -> (&str, &str, &str) {
    let (key, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
    (key, reference, subdir)
}

/// Host and path of a URL or of `user@host:path`, as `llb.Git` makes its key; `None` where that is not plain.
fn remote(url: &str) -> Option<Remote> {
    let (scheme, authority, path) = match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            (scheme, authority, path)
        }
        None => {
            let (authority, path) = url.split_once(':')?;
            authority
                .contains('@')
                .then_some(("ssh", authority, path))?
        }
    };
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let plain = matches!(scheme, "http" | "https" | "ssh" | "git")
        && !host.is_empty()
        && !url.contains(['%', '?', '#', '\\'])
        && !url.contains(|c: char| c.is_control() || c == ' ')
        && path
            .split('/')
            .all(|segment| !matches!(segment, "." | ".."));
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    plain.then(|| Remote {
        key: format!("{host}/{}", segments.join("/")),
        ssh: scheme == "ssh",
    })
}
