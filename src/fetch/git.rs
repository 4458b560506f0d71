//! Which sources of ADD are git repositories (BuildKit's `dfgitutil`, `util/gitutil`, `util/sshutil` and `llb.Git`).

use super::{path, plan::GitSource, url};
use crate::dockerfile::command::parse_bool;

/// A git reference in an ADD.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GitRef {
    remote: String,
    reference: String,
    subdir: String,
    pub checksum: String,
    /// `github.com/org/repo`: BuildKit reads it as git and then takes it for a path.
    pub is_path: bool,
    pub keep_git_dir: Option<bool>,
    submodules: Option<bool>,
    fetch_by_commit: bool,
}

/// What a source is, as far as git is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A repository.
    Git(GitRef),
    /// Something else.
    Other,
    /// A repository with parameters that BuildKit refuses.
    Refused(String),
}

struct Remote {
    scheme: String,
    host: Vec<u8>,
    path: Vec<u8>,
    query: Vec<(Vec<u8>, Vec<u8>)>,
    fragment: Vec<u8>,
    text: String,
}

impl From<url::Url> for Remote {
    fn from(url: url::Url) -> Self {
        Self {
            text: url.without_query_and_fragment(),
            query: url::parse_query(&url.raw_query).0,
            scheme: url.scheme,
            host: url.host,
            path: url.path,
            fragment: url.fragment,
        }
    }
}

/// Why a text is no remote.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NoRemote {
    /// It has neither a protocol nor the form `user@host:path` (`gitutil.ErrUnknownProtocol`).
    UnknownProtocol,
    /// It has a protocol, but not one of git, or is no URL.
    Invalid,
}

/// `gitutil.ParseURL`.
fn parse_remote(text: &str) -> Result<Remote, NoRemote> {
    let protocol = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    if protocol > 0
        && text
            .get(protocol..)
            .is_some_and(|rest| rest.starts_with("://"))
    {
        let known = ["http", "https", "ssh", "git"];
        let written = text.get(..protocol).unwrap_or_default();
        return Some(text)
            .filter(|_| known.iter().any(|name| written.eq_ignore_ascii_case(name)))
            .and_then(url::parse)
            .map(Remote::from)
            .ok_or(NoRemote::Invalid);
    }
    parse_scp(text).ok_or(NoRemote::UnknownProtocol)
}

/// `user@host:path`, with query and fragment (`sshutil.ParseSCPStyleURL`).
fn parse_scp(text: &str) -> Option<Remote> {
    let (user, rest) = text.split_once('@')?;
    let (host, rest) = rest.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if user.is_empty() || host.is_empty() || rest.contains('\n') {
        return None;
    }
    if !user.bytes().all(|b| plain(b) || b == b'_') || !host.bytes().all(|b| plain(b) || b == b'.')
    {
        return None;
    }
    let (main, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = main.split_once('?').unwrap_or((main, ""));
    let (query, clean) = url::parse_query(query);
    clean.then(|| Remote {
        scheme: "ssh".to_owned(),
        host: host.as_bytes().to_vec(),
        path: path.as_bytes().to_vec(),
        query,
        fragment: fragment.as_bytes().to_vec(),
        text: format!("{user}@{host}:{path}"),
    })
}

/// The repository that the text of a context names (`https://host/repo.git#ref:dir`, `git@host:repo`, `github.com/org/repo`);
/// `None` if it names none.
///
/// Source: BuildKit `frontend/dockerui/context.go`, `DetectGitContext`.
///
/// # Errors
/// A repository with parameters that BuildKit refuses, in words.
pub fn git_url(text: &str) -> Result<Option<GitSource>, String> {
    match parse(text) {
        Parsed::Git(git) => {
            let keep = git.keep_git_dir.unwrap_or_default();
            git.source(&git.checksum, keep).map(Some)
        }
        Parsed::Other => Ok(None),
        Parsed::Refused(why) => Err(why),
    }
}

/// `dfgitutil.ParseGitRef`.
pub(super) fn parse(text: &str) -> Parsed {
    if text.starts_with("./") || text.starts_with("../") {
        return Parsed::Other;
    }
    let is_path = text.starts_with("github.com/");
    let remote = if is_path {
        url::parse(text).map(Remote::from)
    } else {
        parse_remote(text)
            .ok()
            .filter(|remote| !remote.scheme.starts_with("http") || remote.path.ends_with(b".git"))
    };
    let Some(remote) = remote else {
        return Parsed::Other;
    };
    let (reference, subdir) = match utf8(&remote.fragment) {
        Ok("") => (String::new(), String::new()),
        Ok(fragment) => {
            let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
            (
                reference.to_owned(),
                path::join(&["/", subdir])
                    .trim_start_matches('/')
                    .to_owned(),
            )
        }
        Err(error) => return Parsed::Refused(error),
    };
    let mut git = GitRef {
        remote: remote.text,
        reference,
        subdir,
        is_path,
        ..GitRef::default()
    };
    match git.load_query(&remote.query) {
        Ok(()) => Parsed::Git(git),
        Err(error) => Parsed::Refused(error),
    }
}

fn utf8(text: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(text).map_err(|_| "the URL decodes to text that is not UTF-8".to_owned())
}

impl GitRef {
    fn load_query(&mut self, query: &[(Vec<u8>, Vec<u8>)]) -> Result<(), String> {
        let (mut tag, mut branch) = (String::new(), String::new());
        let mut commit = None;
        for (index, (key, value)) in query.iter().enumerate() {
            let (key, value) = (utf8(key)?, utf8(value)?);
            if query
                .iter()
                .take(index)
                .any(|(earlier, _)| earlier == key.as_bytes())
            {
                return Err(format!("query {key:?} has multiple values"));
            }
            let flag = || match value {
                "" => Ok(true),
                value => parse_bool(value).ok_or_else(|| format!("invalid {key} value: {value:?}")),
            };
            match key {
                "keep-git-dir" => self.keep_git_dir = Some(flag()?),
                "submodules" => self.submodules = Some(flag()?),
                "fetch-by-commit" => self.fetch_by_commit = flag()?,
                key if value.is_empty() => return Err(format!("query {key:?} has no value")),
                "ref" => set(&mut self.reference, value, "ref")?,
                "subdir" => set(&mut self.subdir, value, "subdir")?,
                "tag" => value.clone_into(&mut tag),
                "branch" => value.clone_into(&mut branch),
                // BuildKit takes either at random; two that differ are never right.
                "checksum" | "commit" if commit.is_some_and(|earlier| earlier != value) => {
                    return Err("checksum and commit differ".to_owned());
                }
                "checksum" | "commit" => commit = Some(value),
                "mtime" if matches!(value, "checkout" | "commit") => {}
                "mtime" => {
                    return Err(format!(
                        "invalid mtime value: {value:?} (must be \"checkout\" or \"commit\")"
                    ));
                }
                key => return Err(format!("unexpected query {key:?}")),
            }
        }
        commit.unwrap_or_default().clone_into(&mut self.checksum);
        if !tag.is_empty() {
            let full = if tag.starts_with("refs/tags/") {
                tag.clone()
            } else {
                format!("refs/tags/{tag}")
            };
            set(&mut self.reference, &full, "ref")?;
        }
        if !branch.is_empty() {
            if !tag.is_empty() {
                return Err("branch conflicts with tag".to_owned());
            }
            let full = if branch.starts_with("refs/heads/") {
                branch
            } else {
                format!("refs/heads/{branch}")
            };
            set(&mut self.reference, &full, "ref")?;
        }
        Ok(())
    }

    /// `llb.Git`: what is fetched, with the `checksum` and `keep_git_dir` in force.
    ///
    /// # Errors
    /// When the identifier would not be text.
    pub(super) fn source(&self, checksum: &str, keep_git_dir: bool) -> Result<GitSource, String> {
        let (mut text, mut remote) = (self.remote.clone(), parse_remote(&self.remote));
        if matches!(remote, Err(NoRemote::UnknownProtocol)) {
            text.insert_str(0, "https://");
            remote = parse_remote(&text);
        }
        let identifier = match &remote {
            Err(_) => text.clone(),
            Ok(remote) => {
                let path = path::join(&["/", utf8(&remote.path)?]);
                let mut identifier = format!("{}{path}", utf8(&remote.host)?);
                if !self.reference.is_empty() || !self.subdir.is_empty() {
                    identifier.push('#');
                    identifier.push_str(&self.reference);
                }
                if !self.subdir.is_empty() {
                    identifier.push(':');
                    identifier.push_str(&self.subdir);
                }
                identifier
            }
        };
        Ok(GitSource {
            remote: remote.map_or(text, |remote| remote.text),
            identifier: format!("git://{identifier}"),
            reference: self.reference.clone(),
            subdir: self.subdir.clone(),
            checksum: (!checksum.is_empty()).then(|| checksum.to_owned()),
            keep_git_dir,
            skip_submodules: self.submodules == Some(false),
            fetch_by_commit: self.fetch_by_commit,
        })
    }
}

fn set(field: &mut String, value: &str, name: &str) -> Result<(), String> {
    if !field.is_empty() && field != value {
        return Err(format!("{name} conflicts: {field:?} vs {value:?}"));
    }
    value.clone_into(field);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identifier(text: &str) -> String {
        match parse(text) {
            Parsed::Git(git) if git.is_path => "path".to_owned(),
            Parsed::Git(git) => {
                let source = git.source(&git.checksum, false).expect("text");
                format!(
                    "{} {} {}",
                    source.identifier,
                    source.remote,
                    source.checksum.unwrap_or_default()
                )
            }
            Parsed::Other => "other".to_owned(),
            Parsed::Refused(_) => "refused".to_owned(),
        }
    }

    #[test]
    fn tells_repositories_from_files_and_paths() {
        for (text, expected) in [
            (
                "https://h.test/r.git",
                "git://h.test/r.git https://h.test/r.git ",
            ),
            (
                "HTTPS://h.test/r.git#v1:a/../b",
                "git://h.test/r.git#v1:b https://h.test/r.git ",
            ),
            (
                "https://h.test/r.git?tag=v1&subdir=s",
                "git://h.test/r.git#refs/tags/v1:s https://h.test/r.git ",
            ),
            (
                "https://h.test/r.git?branch=b&commit=abc",
                "git://h.test/r.git#refs/heads/b https://h.test/r.git abc",
            ),
            ("https://h.test/r.git/", "other"),
            ("https://h.test/r.tgz?x=.git", "other"),
            ("git://h.test/r", "git://h.test/r git://h.test/r "),
            (
                "ssh://git@h.test:22/r",
                "git://h.test:22/r ssh://git@h.test:22/r ",
            ),
            (
                "git@h.test:o/r.git#main",
                "git://h.test/o/r.git#main git@h.test:o/r.git ",
            ),
            ("a@b:c", "git://b/c a@b:c "),
            ("./a@b:c", "other"),
            ("a@b/c:d", "other"),
            ("ftp://h.test/r.git", "other"),
            ("github.com/o/r", "path"),
            ("github.com/o/r?x=1", "refused"),
            ("https://h.test/r.git?x=1", "refused"),
            ("https://h.test/r.git?ref", "refused"),
            ("https://h.test/r.git?ref=a&ref=b", "refused"),
            ("https://h.test/r.git?ref=a#b", "refused"),
            ("https://h.test/r.git?tag=a&branch=b", "refused"),
            ("https://h.test/r.git?commit=a&checksum=b", "refused"),
            ("https://h.test/r.git?mtime=x", "refused"),
            (
                "https://h.test/r.git?keep-git-dir",
                "git://h.test/r.git https://h.test/r.git ",
            ),
            ("https://h.test/r.git?submodules=maybe", "refused"),
            ("https://h.test/%zz.git", "other"),
            // Go reads this, and then not what it wrote of it.
            (
                "https://[::1%25é]/r.git#v1",
                "git://https://[::1%25%C3%A9]/r.git https://[::1%25%C3%A9]/r.git ",
            ),
            ("", "other"),
        ] {
            assert_eq!(identifier(text), expected, "{text}");
        }
    }

    #[test]
    fn contexts_may_leave_out_the_protocol() {
        let source = git_url("github.com/o/r#v1:d")
            .expect("valid")
            .expect("a repository");
        assert_eq!(
            (source.identifier.as_str(), source.remote.as_str()),
            ("git://github.com/o/r#v1:d", "https://github.com/o/r")
        );
        assert_eq!(git_url("https://h.test/x.tgz"), Ok(None));
        assert!(git_url("github.com/o/r?x=1").is_err());
    }

    #[test]
    fn parameters_reach_the_source() {
        let Parsed::Git(git) =
            parse("https://h.test/r.git?submodules=0&fetch-by-commit=1&keep-git-dir=false")
        else {
            panic!("a repository")
        };
        let source = git.source("", true).expect("text");
        assert!(source.skip_submodules && source.fetch_by_commit && source.keep_git_dir);
        assert_eq!(git.keep_git_dir, Some(false));
    }
}
