//! Git, by the machine's own `git`: it knows the user's logins, keys, proxies and rewritten addresses, for HTTP and SSH
//! alike; a library that does would make up a third of our binary. It speaks the smart protocol, and what is fetched is the
//! commit and its tag, without history (`--depth=1`) and without files (`--filter=tree:0`).
//!
//! Which of several refs of one name is meant is decided as BuildKit does (`source/git/source.go`).

use std::{
    env, fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{
    policy::url,
    resolve::{Commit, ResolveError, git_dir},
    verify::git::Objects,
};

/// Time for one question.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// Largest output of a command, in bytes.
const MAX_OUTPUT: u64 = 4 << 20;

/// Who is asked, for the limits.
pub(super) fn host(remote: &str) -> String {
    let rest = remote.split_once("://").map_or(remote, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let end = rest.find(['/', ':']).unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default().to_owned()
}

/// What `reference` names at `remote`.
pub(super) fn resolve(remote: &str, reference: &str) -> Result<Commit, ResolveError> {
    let folder = Folder::new()?;
    let (name, refs) = if reference.is_empty() {
        ("HEAD".to_owned(), vec!["HEAD".to_owned()])
    } else {
        let bare = |prefix: &str| {
            reference
                .strip_prefix(prefix)
                .unwrap_or(reference)
                .to_owned()
        };
        let (head, tag) = (
            format!("refs/heads/{}", bare("refs/heads/")),
            format!("refs/tags/{}", bare("refs/tags/")),
        );
        let partial = format!("refs/{}", bare("refs/"));
        let peeled = |name: &str| format!("{name}^{{}}");
        let peeled_partial = peeled(&partial);
        let peeled_tag = peeled(&tag);
        (
            reference.to_owned(),
            vec![partial, peeled_partial, head, tag, peeled_tag],
        )
    };
    let mut words = vec!["ls-remote", "--", remote];
    words.extend(refs.iter().map(String::as_str));
    let out = git(&folder.0, remote, &words)?;
    let found = |name: &str| {
        out.lines()
            .filter_map(|line| line.split_once('\t'))
            .find(|(_, found)| *found == name)
            .map(|(id, _)| id.to_owned())
            .filter(|id| is_id(id))
    };
    let object = refs
        .iter()
        .filter(|name| !name.ends_with("^{}"))
        .find_map(|name| Some((name, found(name)?)));
    let Some((chosen, object)) = object else {
        return Err(ResolveError::Failed {
            cause: format!("{} has no branch or tag {name:?}", super::plain(remote)),
            next: "check the name".to_owned(),
        });
    };
    let commit = found(&format!("{chosen}^{{}}")).unwrap_or_else(|| object.clone());
    Ok(Commit { commit, object })
}

/// The commit and the tags that lead to it.
pub(super) fn objects(
    remote: &str,
    reference: &str,
    commit: &str,
) -> Result<Objects, ResolveError> {
    if !is_id(commit) {
        return Err(super::internal("a commit that is none"));
    }
    let folder = Folder::new()?;
    let format = match commit.len() {
        64 => "--object-format=sha256",
        _ => "--object-format=sha1",
    };
    git(
        &folder.0,
        remote,
        &["init", "--quiet", "--bare", format, "."],
    )?;
    let name = reference.strip_prefix("refs/tags/").unwrap_or(reference);
    let tag = format!("+refs/tags/{name}:refs/tags/{name}");
    let fetch = |what: &str| {
        let options = [
            "fetch",
            "--quiet",
            "--depth=1",
            "--filter=tree:0",
            "--no-tags",
            "--",
        ];
        git(&folder.0, remote, &[&options[..], &[remote, what]].concat())
    };
    // A branch is no tag; then the commit alone counts.
    let tagged = !name.is_empty() && name != commit && fetch(&tag).is_ok();
    let read = || git_dir::objects(&folder.0, commit, reference);
    if let (true, Ok(found)) = (tagged, read()) {
        return Ok(found);
    }
    if let Err(error) = fetch(commit) {
        // Some servers give only what a name leads to.
        if name.is_empty() || fetch(&format!("+refs/heads/{name}:refs/heads/{name}")).is_err() {
            return Err(error);
        }
    }
    read().map_err(|error| ResolveError::Failed {
        cause: format!(
            "the commit cannot be read: {}",
            super::plain(&error.to_string())
        ),
        next: "check that the tag or commit exists".to_owned(),
    })
}

/// When a commit was made, as it says itself.
pub(super) fn committed(commit: &[u8]) -> Option<Timestamp> {
    let line = commit
        .split(|byte| *byte == b'\n')
        .find(|line| line.starts_with(b"committer "))?;
    let mut words = std::str::from_utf8(line).ok()?.rsplit(' ');
    let _zone = words.next()?;
    Timestamp::from_second(words.next()?.parse().ok()?).ok()
}

fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A folder of its own for one question; removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, ResolveError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!(".verified-dockerfile-git-{}-{number}", std::process::id());
        let path = env::temp_dir().join(name);
        let made = fs::create_dir(&path).or_else(|error| {
            // Left behind by a process that had the same number and was ended.
            fs::remove_dir_all(&path).map_err(|_| error)?;
            fs::create_dir(&path)
        });
        made.map(|()| Self(path))
            .map_err(|error| ResolveError::Failed {
                cause: format!("no temporary folder can be made: {error}"),
                next: "make room in the folder for temporary files (TMPDIR)".to_owned(),
            })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn git(folder: &Path, remote: &str, words: &[&str]) -> Result<String, ResolveError> {
    let failed = |cause: String, next: &str| ResolveError::Failed {
        cause,
        next: next.to_owned(),
    };
    if let Err(error) = url::git(remote) {
        return Err(failed(
            error.to_string(),
            "write the remote in its plain form",
        ));
    }
    let mut command = Command::new("git");
    command
        .args([
            "-c",
            "protocol.version=2",
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "gc.auto=0",
        ])
        .args(words)
        .current_dir(folder)
        .env("GIT_ALLOW_PROTOCOL", "https:http:ssh:git")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CEILING_DIRECTORIES", env::temp_dir())
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_TRACE",
        "GIT_TRACE_CURL",
    ] {
        command.env_remove(name);
    }
    if env::var_os("GIT_SSH_COMMAND").is_none() && env::var_os("GIT_SSH").is_none() {
        command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes");
    }
    let mut child = command.spawn().map_err(|error| {
        failed(
            format!("`git` cannot be run: {error}"),
            "install git, or write the full commit in the Dockerfile",
        )
    })?;
    let reader = |stream: Option<Box<dyn std::io::Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(stream) = stream {
                let _ = stream.take(MAX_OUTPUT).read_to_end(&mut bytes);
            }
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let out = reader(child.stdout.take().map(|stream| Box::new(stream) as _));
    let err = reader(child.stderr.take().map(|stream| Box::new(stream) as _));
    let end = Instant::now().checked_add(PATIENCE);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if end.is_some_and(|end| Instant::now() < end) => {
                thread::sleep(Duration::from_millis(5));
            }
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let Some(status) = status else {
        let cause = format!(
            "{} gave no answer within {} s",
            host(remote),
            PATIENCE.as_secs()
        );
        return Err(failed(cause, "check the network and try again"));
    };
    let (out, err) = (
        out.join().unwrap_or_default(),
        err.join().unwrap_or_default(),
    );
    if status.success() {
        return Ok(out);
    }
    let said = err
        .lines()
        .find_map(|line| {
            line.strip_prefix("fatal: ")
                .or(line.strip_prefix("error: "))
        })
        .unwrap_or("no reason was given");
    Err(failed(
        format!("git says: {}", super::plain(said)),
        "check the address, and that `git ls-remote` with it works here",
    ))
}
