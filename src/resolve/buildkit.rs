//! Answers through BuildKit, from inside a build.
//!
//! The frontend has no network of its own, on purpose. The daemon asks registries and servers, with the
//! user's credentials; what it cannot ask for us is done by a build step that runs our own image:
//!
//! | question | BuildKit v0.26 and newer | older |
//! | --- | --- | --- |
//! | image: digest, configuration | `ResolveImageConfig` | the same |
//! | file: SHA-256 | `ResolveSourceMeta` | download as a source, hash in a step without network |
//! | git: commit | `ResolveSourceMeta` | fetch as a source with `.git`, read `HEAD` |
//! | image: signatures | a step with network | the same |
//! | file: signatures | download as a source, check in a step without network | the same |
//! | git: tag and commit | fetch as a source with `.git`, read in a step without network | the same |
//!
//! Steps are cached by BuildKit, so a warm build asks nothing twice.

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;

use super::{Commit, Image, Resolve, ResolveError, bytes, config, git_dir, step};
use crate::{
    digest::Digest,
    fetch::{GitSource, ImageConfig, Platform},
    gateway::{self, Capability, Client, Error, ResolveMode, SolveRequest, SourceQuery},
    llb::{
        build::{Bind, Command, Git, Graph, NewFile, Output, SecretFile},
        definition::Definition,
        ops::NetMode,
    },
    policy::Unchecked,
    reference::{ImageReference, layout},
    verify::{Proof, Signer, git::Objects},
};

/// How long the daemon may take for one question. Registries that never answer must not hold a build for ever.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take to fetch something of any size. Whoever builds sees its progress, and can end it.
pub const TRANSFER: Duration = Duration::from_secs(30 * 60);
/// Where BuildKit puts the definition of the frontend's own image (v0.10 and newer).
pub const OWN_IMAGE: &str = "/run/config/buildkit/metadata/frontend.bin";
/// The client secret that the step which fetches signatures reads, if the client gives it: a Docker `config.json`.
pub const CREDENTIALS: &str = "verified-dockerfile-registry";
/// The largest answer of a step, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// Asks the daemon.
#[derive(Debug)]
pub struct BuildKit<'a> {
    /// The connection.
    pub client: &'a Client,
    /// The file with the definition of our own image; [`OWN_IMAGE`].
    pub own_image: PathBuf,
    /// `NAME=value` of the proxies that the client gave for steps with network.
    pub proxies: Vec<String>,
    /// The client's session, which has its OCI layouts.
    pub session: String,
    /// Configurations that the client passed along for `input:` contexts, by context key.
    pub input_configs: std::collections::BTreeMap<String, ImageConfig>,
}

/// What a step is given to read.
#[derive(Default)]
struct Inputs {
    graph: Graph,
    /// Outputs of the graph, and where they are mounted.
    at: Vec<(Output, &'static str)>,
}

impl BuildKit<'_> {
    /// Whether a git reference can stay as it is with the commit as its checksum: before v0.26 BuildKit compares that with the
    /// tag object of an annotated tag, and there nobody tells which object that is.
    #[must_use]
    pub fn checks_commits(&self) -> bool {
        let capabilities = self.client.capabilities();
        [Capability::GIT_CHECKSUM, Capability::SOURCE_META_GIT_HTTP]
            .into_iter()
            .all(|capability| capabilities.has(capability))
    }

    /// Runs our own image as a build step and gives the file `/out/answer` that it wrote.
    async fn step(
        &self,
        arguments: &[&str],
        inputs: Inputs,
        network: NetMode,
        ignore_cache: bool,
        name: &str,
    ) -> Result<Vec<u8>, ResolveError> {
        let own = std::fs::read(&self.own_image).map_err(|error| ResolveError::Failed {
            cause: format!(
                "the frontend's own image is not known here ({}: {error})",
                self.own_image.display()
            ),
            next:
                "start this frontend through BuildKit's gateway, by `# syntax=` or BUILDKIT_SYNTAX"
                    .into(),
        })?;
        let own = Definition::decode(&own).map_err(internal)?;
        let Inputs { mut graph, at } = inputs;
        let root = graph.import(&own).map_err(internal)?;
        let mut args = vec!["/verified-dockerfile".to_owned(), "internal".to_owned()];
        args.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let mut command = Command::new(root, args);
        command.network = network;
        command.ignore_cache = ignore_cache;
        command.binds.extend(at.into_iter().map(|(from, to)| Bind {
            from: Some(from),
            selector: String::new(),
            to: to.into(),
            readonly: true,
        }));
        command.binds.push(Bind {
            from: None,
            selector: String::new(),
            to: "/out".into(),
            readonly: false,
        });
        if network != NetMode::None {
            command.env.extend(self.proxies.iter().cloned());
            command.secrets.push(SecretFile {
                id: CREDENTIALS.into(),
                to: step::CREDENTIALS_FILE.into(),
                optional: true,
            });
        }
        let outputs = graph.exec(&command, name);
        let Some(out) = outputs.first() else {
            return Err(internal("a step without output"));
        };
        let definition = graph.finish(out).encode();
        self.read(definition, "answer")
            .await
            .map_err(|error| failed(error, name))
    }

    /// What the step `fetch-WHAT` finds of an image.
    async fn fetched(
        &self,
        what: &str,
        reference: &ImageReference,
        digest: &Digest,
        fresh: bool,
    ) -> Result<Vec<(Digest, Proof)>, ResolveError> {
        let asked = format!("{}@{digest}", reference.repository());
        let answer = self
            .step(
                &[&format!("fetch-{what}"), &asked, "/out/answer"],
                Inputs::default(),
                NetMode::Unset,
                fresh,
                &format!("[verified] fetch {what} of {}", reference.familiar()),
            )
            .await?;
        match step::read(&answer).map_err(internal)? {
            step::Answer::Found(proofs) => Ok(proofs),
            step::Answer::Failed { cause, next } => Err(ResolveError::Failed { cause, next }),
        }
    }

    /// The file `path` of what `definition` makes.
    async fn read(&self, definition: Vec<u8>, path: &str) -> Result<Vec<u8>, Error> {
        let result = self
            .client
            .solve(SolveRequest::definition(definition), TRANSFER)
            .await?;
        match &result.refs {
            gateway::Refs::Single(reference) => {
                self.client
                    .read_file(reference, path, MAX_ANSWER, TRANSFER)
                    .await
            }
            gateway::Refs::Map(_) => Err(Error::Answer {
                call: "Solve",
                reason: "one definition has become several results".into(),
            }),
        }
    }

    async fn meta(
        &self,
        identifier: String,
        attrs: &[(&str, String)],
    ) -> Result<gateway::SourceMeta, Error> {
        let source = gateway::SourceOp {
            identifier: identifier.clone(),
            attrs: attrs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect(),
        };
        let query = SourceQuery {
            source,
            ..SourceQuery::default()
        };
        let meta = self.client.resolve_source_meta(query, TRANSFER).await?;
        if meta.source.identifier != identifier {
            return Err(Error::Answer {
                call: "ResolveSourceMeta",
                reason: format!("a source policy replaced it by {}", meta.source.identifier),
            });
        }
        Ok(meta)
    }
}

impl Resolve for BuildKit<'_> {
    async fn image(
        &self,
        reference: &ImageReference,
        platform: &Platform,
    ) -> Result<Image, ResolveError> {
        let name = format!("[verified] resolve {}", reference.familiar());
        let asked = reference.to_string();
        let answer = self
            .client
            .resolve_image_config(
                &asked,
                Some(wire(platform)),
                ResolveMode::Pull,
                &name,
                PATIENCE,
            )
            .await
            .map_err(|error| failed(error, &asked))?;
        let replaced = ImageReference::parse(&answer.reference).is_ok_and(|other| {
            (other.repository(), other.tag()) != (reference.repository(), reference.tag())
        });
        if replaced {
            return Err(ResolveError::Failed {
                cause: format!("a source policy replaces it by {}", answer.reference),
                next: "name that image in the Dockerfile, or build without the source policy"
                    .into(),
            });
        }
        let Some(digest) = answer.digest else {
            return Err(ResolveError::Failed {
                cause: "it exists only in the local image store, which gives no digest".into(),
                next: "push it to a registry, or hand it in by --build-context".into(),
            });
        };
        if let Some(wanted) = reference.digest()
            && *wanted != digest
        {
            return Err(ResolveError::Failed {
                cause: format!("the registry answers with {digest} instead"),
                next: "check the registry, or correct the digest".into(),
            });
        }
        let config = config::parse(&answer.config).map_err(|cause| ResolveError::Failed {
            cause,
            next: "use an image with an OCI image configuration".into(),
        })?;
        Ok(Image { digest, config })
    }

    async fn context(
        &self,
        key: &str,
        value: &str,
        platform: &Platform,
    ) -> Result<ImageConfig, ResolveError> {
        if value.starts_with("input:") {
            return Ok(self.input_configs.get(key).cloned().unwrap_or_default());
        }
        let Some((store, digest)) = layout(value) else {
            return Ok(ImageConfig::default());
        };
        let layout = gateway::Layout {
            session: self.session.clone(),
            store: store.to_owned(),
        };
        // The daemon takes the digest of it; the name is for the eye and for provenance, as stock BuildKit gives it.
        let (name, _) = key.split_once("::").unwrap_or((key, ""));
        let shown = match ImageReference::parse(name) {
            Ok(name) => name.with_digest(digest).to_string(),
            Err(_) => return Ok(ImageConfig::default()),
        };
        let name = format!("[verified] resolve {value}");
        let answer = self
            .client
            .resolve_layout_config(&shown, Some(wire(platform)), &layout, &name, PATIENCE)
            .await
            .map_err(|error| failed(error, value))?;
        config::parse(&answer.config).map_err(|cause| ResolveError::Failed {
            cause,
            next: "use an image with an OCI image configuration".into(),
        })
    }

    async fn http(&self, url: &str) -> Result<Digest, ResolveError> {
        if self
            .client
            .capabilities()
            .has(Capability::SOURCE_META_GIT_HTTP)
        {
            let meta = self
                .meta(url.to_owned(), &[])
                .await
                .map_err(|error| failed(error, url))?;
            return match meta.http {
                Some(http) => Ok(http.checksum),
                None => Err(internal("an answer about something else than a file")),
            };
        }
        let mut graph = Graph::default();
        let source = graph.http(url, None, "file", &format!("[verified] download {url}"));
        let answer = self
            .step(
                &["sha256", "/in/file", "/out/answer"],
                Inputs {
                    graph,
                    at: vec![(source, "/in")],
                },
                NetMode::None,
                false,
                &format!("[verified] hash {url}"),
            )
            .await?;
        let text = String::from_utf8(answer).map_err(internal)?;
        text.trim().parse().map_err(internal)
    }

    async fn git(&self, source: &GitSource) -> Result<Commit, ResolveError> {
        let name = &source.remote;
        if self
            .client
            .capabilities()
            .has(Capability::SOURCE_META_GIT_HTTP)
        {
            let attrs = [
                ("git.fullurl", source.remote.clone()),
                ("git.authtokensecret", "GIT_AUTH_TOKEN".to_owned()),
                ("git.authheadersecret", "GIT_AUTH_HEADER".to_owned()),
            ];
            let mut attrs = attrs.to_vec();
            if is_ssh(&source.remote) {
                attrs.push(("git.mountsshsock", "default".to_owned()));
            }
            let meta = self
                .meta(source.identifier.clone(), &attrs)
                .await
                .map_err(|error| failed(error, name))?;
            return match meta.git {
                Some(git) => Ok(Commit {
                    commit: full(git.commit())?,
                    object: full(&git.checksum)?,
                }),
                None => Err(internal("an answer about something else than a repository")),
            };
        }
        let mut graph = Graph::default();
        let output = repository(&mut graph, source)?;
        // BuildKit checks out FETCH_HEAD, so HEAD is detached and holds the commit.
        let head = self
            .read(graph.finish(&output).encode(), ".git/HEAD")
            .await
            .map_err(|error| failed(error, name))?;
        // Daemons as old as this compare no checksums, so nobody asks for the tag's object.
        let commit = full(String::from_utf8_lossy(&head).trim())?;
        Ok(Commit {
            object: commit.clone(),
            commit,
        })
    }

    async fn signatures(
        &self,
        reference: &ImageReference,
        digest: &Digest,
        fresh: bool,
    ) -> Result<Vec<Proof>, ResolveError> {
        let found = self.fetched("signatures", reference, digest, fresh).await?;
        Ok(found.into_iter().map(|(_, proof)| proof).collect())
    }

    async fn attestations(
        &self,
        reference: &ImageReference,
        digest: &Digest,
        fresh: bool,
    ) -> Result<Vec<(Digest, Proof)>, ResolveError> {
        self.fetched("attestations", reference, digest, fresh).await
    }

    async fn small_file(&self, url: &str, limit: usize) -> Result<Vec<u8>, ResolveError> {
        let mut graph = Graph::default();
        let source = graph.http(url, None, "file", &format!("[verified] download {url}"));
        let definition = graph.finish(&source).encode();
        let solved = self
            .client
            .solve(SolveRequest::definition(definition), TRANSFER)
            .await
            .map_err(|error| failed(error, url))?;
        match &solved.refs {
            gateway::Refs::Single(reference) => self
                .client
                .read_file(reference, "file", limit, TRANSFER)
                .await
                .map_err(|error| failed(error, url)),
            gateway::Refs::Map(_) => Err(internal("one definition has become several results")),
        }
    }

    async fn over_bytes(
        &self,
        url: &str,
        digest: &Digest,
        checks: &[Unchecked],
        now: Timestamp,
    ) -> Result<Vec<Result<Signer, String>>, ResolveError> {
        let request = bytes::Request::new(digest, checks, now);
        let mut graph = Graph::default();
        let file = graph.http(
            url,
            Some(digest),
            "file",
            &format!("[verified] download {url}"),
        );
        let written = [NewFile::new("request", request.encode().map_err(internal)?)];
        let asked = graph
            .files(&written, &format!("[verified] signatures of {url}"))
            .map_err(internal)?;
        let answer = self
            .step(
                &[
                    "check-signatures",
                    "/in/file",
                    "/request/request",
                    "/out/answer",
                ],
                Inputs {
                    graph,
                    at: vec![(file, "/in"), (asked, "/request")],
                },
                NetMode::None,
                false,
                &format!("[verified] check signatures of {url}"),
            )
            .await?;
        request.answer(&answer).map_err(internal)
    }

    async fn digests(&self, url: &str, digest: &Digest) -> Result<Vec<Digest>, ResolveError> {
        let mut graph = Graph::default();
        let name = format!("[verified] download {url}");
        let file = graph.http(url, Some(digest), "file", &name);
        let inputs = Inputs {
            graph,
            at: vec![(file, "/in")],
        };
        let words = ["digests", "/in/file", "/out/answer"];
        let name = format!("[verified] hash {url}");
        let answer = self
            .step(&words, inputs, NetMode::None, false, &name)
            .await?;
        step::read_digests(&answer).map_err(internal)
    }

    async fn objects(&self, source: &GitSource, commit: &str) -> Result<Objects, ResolveError> {
        let mut graph = Graph::default();
        let folder = repository(&mut graph, source)?;
        let name = format!("[verified] read tag and commit of {}", source.remote);
        let words = [
            "git-objects",
            // A reference may begin with a dash.
            "--",
            "/in",
            commit,
            &source.reference,
            "/out/answer",
        ];
        let inputs = Inputs {
            graph,
            at: vec![(folder, "/in")],
        };
        let answer = self
            .step(&words, inputs, NetMode::None, false, &name)
            .await?;
        git_dir::read(&answer)
            .map_err(internal)?
            .map_err(|cause| ResolveError::Failed {
                cause,
                next: "check that the tag or commit exists".to_owned(),
            })
    }
}

/// The repository of `source` at its reference, with its `.git`.
fn repository(graph: &mut Graph, source: &GitSource) -> Result<Output, ResolveError> {
    let git = Git {
        remote: source.remote.clone(),
        commit: source.reference.clone(),
        keep_git_dir: true,
        ..Git::default()
    };
    graph
        .git(&git, &format!("[verified] fetch {}", source.remote))
        .map_err(internal)
}

fn full(text: &str) -> Result<String, ResolveError> {
    if matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(internal(format!("{text:?} is no commit")))
    }
}

fn is_ssh(remote: &str) -> bool {
    remote.starts_with("ssh://") || !remote.contains("://")
}

/// The platform as the gateway's messages have it.
#[must_use]
pub fn wire(platform: &Platform) -> gateway::Platform {
    gateway::Platform {
        architecture: platform.architecture.clone(),
        os: platform.os.clone(),
        variant: platform.variant.clone(),
        os_version: platform.os_version.clone(),
        os_features: Vec::new(),
    }
}

fn failed(error: Error, what: &str) -> ResolveError {
    let cause = error.to_string();
    let lower = cause.to_ascii_lowercase();
    let next = if matches!(error, Error::Deadline { .. }) {
        "check that the server can be reached from the builder, and try again".to_owned()
    } else if ["401", "403", "unauthorized", "authorization", "denied"]
        .iter()
        .any(|word| lower.contains(word))
    {
        format!(
            "log in to the registry or give the credentials for {what}; check the name for a typing error"
        )
    } else if lower.contains("429") || lower.contains("too many requests") {
        "wait, or log in: the server limits how often it may be asked".to_owned()
    } else if lower.contains("not found") || lower.contains("404") {
        format!("check that {what} exists")
    } else {
        "check the server and the network of the builder; a locked fetch needs neither tag nor reference".to_owned()
    };
    ResolveError::Failed { cause, next }
}

fn internal(error: impl std::fmt::Display) -> ResolveError {
    ResolveError::Failed {
        cause: format!("the answer of BuildKit or of our own step cannot be used: {error}"),
        next: "please report this".into(),
    }
}
