//! Where the Dockerfile, the files beside it and the build context come from.
//!
//! The order is that of BuildKit's `frontend/dockerui/context.go` (v0.32): a git or http URL in the option that holds
//! the context; otherwise what the client passed as inputs; otherwise the client's folders. A remote context is
//! fixed here, once: the Dockerfile that is read and the context that is built are the same.

use std::collections::BTreeMap;

use super::{
    Failure,
    options::{Options, is_true},
};
use crate::{
    fetch::{self, GitSource},
    gateway::{Client, Error, Ref, Refs, Session, SolveRequest, Status},
    llb::{
        Definition,
        audit::{Expected, GitPin, HttpPin},
        build::{Git, Graph, Local},
        ops::Kind,
    },
    resolve::{
        Commit, Resolve, ResolveError,
        buildkit::{BuildKit, TRANSFER},
    },
};

/// The largest Dockerfile that is built, in bytes: with it, every request stays below the limits of old daemons.
pub const MAX_DOCKERFILE: usize = 3 << 20;
/// The largest file of settings that is read: policy, key, ignore file.
const MAX_SETTINGS: usize = 1 << 20;
/// The largest lock and evidence, in bytes.
const MAX_LOCK: usize = 32 << 20;
/// Under this name BuildKit stores the download of a remote context.
const DOWNLOAD: &str = "context";

/// What is built.
#[derive(Debug)]
pub struct Sources {
    /// The Dockerfile's name in its source.
    pub filename: String,
    /// The Dockerfile.
    pub dockerfile: Vec<u8>,
    /// `<Dockerfile>.dockerignore`.
    pub ignore: Option<Vec<u8>>,
    /// The project's files, by their name beside the Dockerfile: `verified.toml`, the lock, the evidence and the keys.
    pub project: BTreeMap<String, Vec<u8>>,
    /// The name of the project's policy file, for messages.
    pub policy_name: String,
    /// The remote context, fixed: an encoded definition.
    pub context: Option<Vec<u8>>,
    /// The definition that the Dockerfile was read from.
    pub loader: Vec<u8>,
}

/// A place that the Dockerfile and the files beside it are read from.
enum Place {
    /// A folder of the client, by its local name and session.
    Local { name: String, session: String },
    /// A definition.
    Definition(Vec<u8>),
}

/// Reads everything, and notes in `expected` what the context itself fetches.
pub async fn load(
    client: &Client,
    resolver: &BuildKit<'_>,
    session: &Session,
    options: &Options,
    inputs: &BTreeMap<String, Vec<u8>>,
    expected: &mut Expected,
) -> Result<Sources, Failure> {
    let mut filename = options.filename().to_owned();
    let mut remote = None;
    if let Some(url) = options.remote_context() {
        remote = remote_context(
            client,
            resolver,
            session,
            url,
            options,
            expected,
            &mut filename,
        )
        .await?;
    }
    let from_input = inputs.get(options.dockerfile_local());
    let place = match (&remote, from_input) {
        _ if options.forces_local_dockerfile() => local(options, &session.id),
        (Some(definition), _) => Place::Definition(definition.clone()),
        (None, Some(definition)) => Place::Definition(definition.clone()),
        (None, None) => local(options, &session.id),
    };
    let context_input = remote
        .is_none()
        .then(|| inputs.get("context").cloned())
        .flatten();

    let base = filename.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = |name: &str| {
        if base.is_empty() {
            name.to_owned()
        } else {
            format!("{base}/{name}")
        }
    };
    let lower = beside("dockerfile");
    let (policy, lock, evidence) = (
        beside("verified.toml"),
        format!("{filename}.lock"),
        format!("{filename}.evidence"),
    );
    let ignore_name = format!("{filename}.dockerignore");
    let mut wanted = vec![filename.clone(), ignore_name.clone(), policy.clone()];
    let is_default = filename.rsplit('/').next() == Some("Dockerfile");
    if is_default {
        wanted.push(lower.clone());
    }
    // The lock and its evidence can be large, and change seldom: they are compared, and not sent in each build.
    let large = [lock.clone(), evidence.clone()];
    // BuildKit transfers a folder when it is first read from: the reads are what goes on at the same time.
    let (files, side) = tokio::join!(
        async {
            let Opened { folder, loader } =
                open(client, &place, &wanted, &filename, Transfer::Always).await?;
            let (dockerfile, ignore, beside) = tokio::try_join!(
                read(client, &folder, &filename, MAX_DOCKERFILE),
                read(client, &folder, &ignore_name, MAX_SETTINGS),
                read(client, &folder, &policy, MAX_SETTINGS),
            )?;
            Ok::<_, Failure>((folder, loader, dockerfile, ignore, beside))
        },
        async {
            let folder = open(client, &place, &large, &lock, Transfer::Changed)
                .await?
                .folder;
            tokio::try_join!(
                read(client, &folder, &lock, MAX_LOCK),
                read(client, &folder, &evidence, MAX_LOCK),
            )
        },
    );
    let ((folder, loader, dockerfile, ignore, policy_beside), side) = (files?, side?);
    let dockerfile = match dockerfile {
        Some(bytes) => bytes,
        None if is_default => read(client, &folder, &lower, MAX_DOCKERFILE)
            .await?
            .ok_or_else(|| missing(&filename))?,
        None => return Err(missing(&filename)),
    };

    let mut project = BTreeMap::new();
    for (name, bytes) in [("lock", side.0), ("evidence", side.1)] {
        if let Some(bytes) = bytes {
            project.insert(name.to_owned(), bytes);
        }
    }
    let elsewhere = options.get("context:verified-policy");
    let (policy_place, policy_folder, policy_path, policy_text) = match elsewhere {
        None => (place, folder, policy.clone(), policy_beside),
        Some(value) => {
            let Some(name) = value.strip_prefix("local:") else {
                return Err(Failure::Status(Status::new(format!(
                    "the named context verified-policy is {value}; give it as a folder: --build-context verified-policy=./policy"
                ))));
            };
            let session = options
                .local_session(name)
                .unwrap_or(&session.id)
                .to_owned();
            let place = Place::Local {
                name: name.to_owned(),
                session,
            };
            let folder = open(
                client,
                &place,
                &["verified.toml".to_owned()],
                "verified.toml",
                Transfer::Always,
            )
            .await?
            .folder;
            let path = "verified.toml".to_owned();
            let text = read(client, &folder, &path, MAX_SETTINGS).await?;
            (place, folder, path, text)
        }
    };
    if let Some(bytes) = policy_text {
        let keys = crate::policy::files_needed(&bytes, &policy_path).unwrap_or_default();
        if !keys.is_empty() {
            let root = policy_path
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            let at = |key: &str| {
                if root.is_empty() {
                    key.to_owned()
                } else {
                    format!("{root}/{key}")
                }
            };
            let mut paths: Vec<String> = keys.iter().map(|key| at(key)).collect();
            paths.push(policy_path.clone());
            // A folder that only holds what was asked for has to be asked again.
            let folder = match policy_place {
                Place::Local { .. } => {
                    open(
                        client,
                        &policy_place,
                        &paths,
                        &policy_path,
                        Transfer::Always,
                    )
                    .await?
                    .folder
                }
                Place::Definition(_) => policy_folder,
            };
            for key in keys {
                if let Some(bytes) = read(client, &folder, &at(&key), MAX_SETTINGS).await? {
                    project.insert(format!("keys/{key}"), bytes);
                }
            }
        }
        project.insert("policy".to_owned(), bytes);
    }
    Ok(Sources {
        filename,
        dockerfile,
        ignore,
        project,
        policy_name: policy,
        context: remote.or(context_input),
        loader,
    })
}

fn missing(filename: &str) -> Failure {
    Failure::Status(Status::new(format!(
        "failed to read dockerfile: open {filename}: no such file or directory"
    )))
}

/// Whether reading a Dockerfile out of this graph, which comes before anything can be judged, runs and fetches nothing:
/// it has only the client's folders and files.
pub(super) fn is_plain(definition: &[u8]) -> Result<(), Failure> {
    let refused = |why: String| {
        Failure::Status(Status::new(format!(
            "the Dockerfile that the client hands in cannot be read: {why}; hand it in as a file of a folder"
        )))
    };
    let definition = Definition::decode(definition).map_err(|error| refused(error.to_string()))?;
    for node in &definition.nodes {
        let plain = match &node.op().kind {
            None | Some(Kind::File(_)) => true,
            Some(Kind::Source(source)) => source.identifier.starts_with("local://"),
            Some(_) => false,
        };
        if !plain {
            return Err(refused(
                "the graph that it comes from runs or fetches something".to_owned(),
            ));
        }
    }
    Ok(())
}

fn local(options: &Options, session: &str) -> Place {
    let name = options.dockerfile_local();
    Place::Local {
        name: name.to_owned(),
        session: options.local_session(name).unwrap_or(session).to_owned(),
    }
}

/// When files of the client are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transfer {
    /// In each build, as BuildKit does with a Dockerfile: an edit that keeps size and time must not be missed.
    Always,
    /// When size or time are others than those of the last build.
    Changed,
}

/// Makes `place` readable. Of a client's folder only `paths` are transferred.
async fn open(
    client: &Client,
    place: &Place,
    paths: &[String],
    name: &str,
    transfer: Transfer,
) -> Result<Opened, Failure> {
    let definition = match place {
        Place::Definition(definition) => definition.clone(),
        Place::Local {
            name: local,
            session,
        } => {
            let mut graph = Graph::default();
            let source = Local {
                name: local.clone(),
                session: session.clone(),
                follow_paths: paths.to_vec(),
                // Not the name alone: BuildKit's own transfer of the Dockerfile would undo ours, and ours its.
                shared_key_hint: format!("verified-dockerfile {local} {}", paths.join(" ")),
                no_differ: transfer == Transfer::Always,
                ..Local::default()
            };
            let output = graph.local(
                &source,
                &format!("[internal] load {name} and what is beside it"),
            );
            graph.finish(&output).encode()
        }
    };
    let solved = client
        .solve(SolveRequest::definition(definition.clone()), TRANSFER)
        .await?;
    Ok(Opened {
        folder: single(solved.refs)?,
        loader: definition,
    })
}

/// A folder to read from.
struct Opened {
    folder: Ref,
    /// The definition that it comes from.
    loader: Vec<u8>,
}

pub(super) fn single(refs: Refs) -> Result<Ref, Failure> {
    match refs {
        Refs::Single(reference) => Ok(reference),
        Refs::Map(_) => Err(Failure::Gateway(Error::Answer {
            call: "Solve",
            reason: "one definition has become several results".into(),
        })),
    }
}

async fn read(
    client: &Client,
    folder: &Ref,
    path: &str,
    max: usize,
) -> Result<Option<Vec<u8>>, Failure> {
    if folder.is_scratch() {
        return Ok(None);
    }
    match client.read_file(folder, path, max, TRANSFER).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_no_such_file() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A git or http context, fixed, as a definition. `None` if the option names no remote context.
async fn remote_context(
    client: &Client,
    resolver: &BuildKit<'_>,
    session: &Session,
    url: &str,
    options: &Options,
    expected: &mut Expected,
    filename: &mut String,
) -> Result<Option<Vec<u8>>, Failure> {
    let name = format!(
        "[internal] load remote build context {}",
        without_login(url)
    );
    match fetch::git_url(url) {
        Ok(Some(source)) => {
            let keep = options
                .get("build-arg:BUILDKIT_CONTEXT_KEEP_GIT_DIR")
                .is_some_and(is_true);
            return git_context(resolver, source, keep, &name, expected)
                .await
                .map(Some);
        }
        Ok(None) => {}
        Err(error) => return Err(Failure::Status(Status::new(error.to_string()))),
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Ok(None);
    }
    let digest = if is_upload(url, &session.product) {
        expected.uploads.insert(url.to_owned());
        None
    } else {
        let digest = resolver
            .http(url)
            .await
            .map_err(|error| resolve_failure(url, &error))?;
        expected
            .http
            .entry(url.to_owned())
            .or_default()
            .push(HttpPin::from(digest.clone()));
        Some(digest)
    };
    let mut graph = Graph::default();
    let source = match &digest {
        Some(digest) => graph.http(url, Some(digest), DOWNLOAD, &name),
        None => graph.upload(url, DOWNLOAD, &name),
    };
    let downloaded = graph.clone().finish(&source).encode();
    let folder = single(
        client
            .solve(SolveRequest::definition(downloaded.clone()), TRANSFER)
            .await?
            .refs,
    )?;
    let head = client
        .read_file_range(&folder, DOWNLOAD, 0, 1024, TRANSFER)
        .await?;
    if !is_archive(&head) {
        // The file itself is the Dockerfile.
        DOWNLOAD.clone_into(filename);
        return Ok(Some(downloaded));
    }
    let unpacked = graph
        .unpack(&source, DOWNLOAD, &name)
        .map_err(|error| Failure::Status(Status::new(error.to_string())))?;
    Ok(Some(graph.finish(&unpacked).encode()))
}

async fn git_context(
    resolver: &BuildKit<'_>,
    source: GitSource,
    keep: bool,
    name: &str,
    expected: &mut Expected,
) -> Result<Vec<u8>, Failure> {
    let Commit { commit, object } = resolver
        .git(&source)
        .await
        .map_err(|error| resolve_failure(&source.remote, &error))?;
    if let Some(wanted) = source
        .checksum
        .as_ref()
        .map(|wanted| wanted.to_ascii_lowercase())
        && !commit.starts_with(&wanted)
        && !object.starts_with(&wanted)
    {
        return Err(Failure::Status(Status::new(format!(
            "the build context {}: expected checksum to match {wanted}, got {commit}",
            without_login(&source.remote)
        ))));
    }
    let mut pin = GitPin::commit(&commit);
    pin.refs.insert(source.reference.clone());
    if !source.subdir.is_empty() {
        pin.subdirs.insert(source.subdir.clone());
    }
    // With a checksum the branch or tag can stay, and with it what the provenance says of the context.
    let checked = resolver.checks_commits();
    expected
        .git
        .entry(source.remote.clone())
        .or_default()
        .push(pin);
    let mut graph = Graph::default();
    let output = graph
        .git(
            &Git {
                remote: source.remote,
                commit,
                reference: checked.then_some(source.reference),
                subdir: source.subdir,
                keep_git_dir: source.keep_git_dir || keep,
                skip_submodules: source.skip_submodules,
                known_ssh_hosts: None,
            },
            name,
        )
        .map_err(|error| Failure::Status(Status::new(error.to_string())))?;
    Ok(graph.finish(&output).encode())
}

fn resolve_failure(what: &str, error: &ResolveError) -> Failure {
    let next = match error {
        ResolveError::Failed { next, .. } => format!("\n  next: {next}"),
        ResolveError::Offline => String::new(),
    };
    Failure::Status(Status::new(format!(
        "the build context {} cannot be resolved: {error}{next}",
        without_login(what)
    )))
}

/// Whether the daemon itself serves this URL: a context that the client uploads for this build only.
///
/// Source: buildx `build/opt.go` (`http://buildkit-session/`), moby `builder-next/builder.go` (`http://build-context-`).
///
/// The second is dockerd's own; elsewhere such a name would be asked of the DNS.
fn is_upload(url: &str, product: &str) -> bool {
    let host = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_default();
    host == "buildkit-session"
        || product == "docker"
            && host.starts_with("build-context-")
            && !host.contains(['.', ':', '@'])
}

/// `url` without user and password, for messages.
fn without_login(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest
                .split_once('/')
                .map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = host.rsplit('@').next().unwrap_or_default();
            match path {
                Some(path) => format!("{scheme}://{host}/{path}"),
                None => format!("{scheme}://{host}"),
            }
        }
        None => url.to_owned(),
    }
}

/// Whether `head` begins an archive that BuildKit unpacks. Source: `dockerui/context.go`, `isArchive`.
fn is_archive(head: &[u8]) -> bool {
    const MAGIC: [&[u8]; 3] = [
        b"BZh",
        &[0x1f, 0x8b, 0x08],
        &[0xfd, b'7', b'z', b'X', b'Z', 0],
    ];
    MAGIC.iter().any(|magic| head.starts_with(magic)) || is_tar(head)
}

/// A tar header: 512 bytes whose sum stands in bytes 148 to 155 (POSIX.1-1988, `ustar`).
fn is_tar(head: &[u8]) -> bool {
    let (Some(header), Some(field)) = (head.get(..512), head.get(148..156)) else {
        return false;
    };
    let text: String = field.iter().map(|byte| char::from(*byte)).collect();
    let Ok(stated) = u64::from_str_radix(text.trim_matches(['\0', ' ']), 8) else {
        return false;
    };
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(index, byte)| {
            if (148..156).contains(&index) {
                u64::from(b' ')
            } else {
                u64::from(*byte)
            }
        })
        .sum();
    sum == stated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_known_by_their_first_bytes() {
        let mut tar = vec![0_u8; 512];
        tar[0] = b'x';
        let sum: u64 = u64::from(b'x') + 8 * u64::from(b' ');
        tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(is_archive(&tar));
        tar[1] = b'y';
        assert!(!is_archive(&tar), "the sum no longer fits");
        assert!(is_archive(&[0x1f, 0x8b, 0x08, 0]));
        for none in [&b"FROM scratch\n"[..], b"", &[0; 512]] {
            assert!(!is_archive(none));
        }
    }

    #[test]
    fn only_the_daemons_own_urls_are_uploads() {
        assert!(is_upload("http://buildkit-session/abc", "buildkit"));
        assert!(is_upload("http://build-context-abc", "docker"));
        assert!(!is_upload("http://build-context-abc", "buildkit"));
        for other in [
            "https://buildkit-session/abc",
            "http://example.com/buildkit-session/",
            "http://build-context-a.example.com/x",
            "http://build-context-a@evil",
        ] {
            assert!(!is_upload(other, "docker"), "{other}");
        }
    }

    #[test]
    fn logins_are_not_shown() {
        assert_eq!(
            without_login("https://me:secret@h.test/r.git#x"),
            "https://h.test/r.git#x"
        );
        assert_eq!(without_login("https://h.test"), "https://h.test");
        assert_eq!(without_login("git@h.test:r.git"), "git@h.test:r.git");
    }
}
