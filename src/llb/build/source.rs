//! Sources, with the attributes that BuildKit's own clients set.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{BuildError, Graph, Output, about, op};
use crate::{
    digest::Digest,
    llb::{
        definition::Node,
        ops::{Kind, OpMetadata, Platform, SourceOp},
    },
};

/// A directory of the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// Its local name: `context`, `dockerfile`, or that of a named context.
    pub name: String,
    /// The client's session.
    pub session: String,
    /// Only these paths, links followed; empty for all.
    pub follow_paths: Vec<String>,
    /// Not what matches these, in the syntax of `.dockerignore`.
    pub exclude_patterns: Vec<String>,
    /// Key under which uploads are compared; the local name in BuildKit's frontends.
    pub shared_key_hint: String,
    /// Whether every file is sent again, without comparing times and sizes.
    pub no_differ: bool,
}

/// A repository at a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Git {
    /// The remote without query and fragment.
    pub remote: String,
    /// The full commit.
    pub commit: String,
    /// The branch or tag (empty: the default branch) to ask for, with the commit as checksum; BuildKit v0.22 and newer
    /// compare it. `None`: the commit itself is asked for.
    pub reference: Option<String>,
    /// A directory of the tree instead of all of it, without slash at either end; empty for all.
    pub subdir: String,
    /// Whether `.git` is there too.
    pub keep_git_dir: bool,
    /// Whether submodules are left out; daemons before BuildKit v0.24 cannot, and refuse the graph.
    pub skip_submodules: bool,
    /// Host keys for SSH, in the form of `known_hosts`.
    pub known_ssh_hosts: Option<String>,
}

impl Graph {
    /// A directory of the client.
    pub fn local(&mut self, local: &Local, name: &str) -> Output {
        let mut attrs = BTreeMap::new();
        let mut caps = vec!["source.local", "source.local.sessionid"];
        attrs.insert("local.session", local.session.clone());
        if !local.follow_paths.is_empty() {
            attrs.insert("local.followpaths", list(&local.follow_paths));
            caps.push("source.local.followpaths");
        }
        if !local.exclude_patterns.is_empty() {
            attrs.insert("local.excludepatterns", list(&local.exclude_patterns));
            caps.push("source.local.excludepatterns");
        }
        if !local.shared_key_hint.is_empty() {
            attrs.insert("local.sharedkeyhint", local.shared_key_hint.clone());
            caps.push("source.local.sharedkeyhint");
        }
        if local.no_differ {
            // As client/llb: not asked of the daemon, because an older one is only slower.
            attrs.insert("local.differ", "none".to_owned());
        }
        self.source(
            format!("local://{}", local.name),
            attrs,
            None,
            about(name, &caps),
        )
    }

    /// An image. `reference` is canonical with its digest: `docker.io/library/alpine:3.20@sha256:…`.
    pub fn image(&mut self, reference: &str, platform: &Platform, name: &str) -> Output {
        let platform = Some(platform.clone());
        self.source(
            format!("docker-image://{reference}"),
            BTreeMap::new(),
            platform,
            about(name, &["source.image"]),
        )
    }

    /// An image in an OCI layout of the client. `reference` is canonical with its digest; its name is for the eye only.
    pub fn layout(
        &mut self,
        reference: &str,
        store: &str,
        session: &str,
        platform: &Platform,
        name: &str,
    ) -> Output {
        let attrs = [
            ("oci.session", session.to_owned()),
            ("oci.store", store.to_owned()),
        ];
        self.source(
            format!("oci-layout://{reference}"),
            attrs.into(),
            Some(platform.clone()),
            about(name, &["source.ocilayout"]),
        )
    }

    /// A file from a URL, put into the root of the result as `filename`. BuildKit checks SHA-256 only.
    ///
    /// Without checksum the result is whatever is there; the audit refuses such a source.
    pub fn http(
        &mut self,
        url: &str,
        checksum: Option<&Digest>,
        filename: &str,
        name: &str,
    ) -> Output {
        let mut attrs = BTreeMap::from([("http.filename", filename.to_owned())]);
        let mut caps = vec!["source.http"];
        if let Some(checksum) = checksum {
            attrs.insert("http.checksum", checksum.to_string());
            caps.push("source.http.checksum");
        }
        self.source(url.to_owned(), attrs, None, about(name, &caps))
    }

    /// What the client uploads for this build, under a URL that only the daemon knows and answers once: so this must be
    /// the very operation with which BuildKit itself has asked before, in every version.
    ///
    /// Source: `frontend/dockerui/context.go`, `DetectHTTPContext`.
    pub fn upload(&mut self, url: &str, filename: &str, name: &str) -> Output {
        let attrs = BTreeMap::from([("http.filename".to_owned(), filename.to_owned())]);
        let kind = Kind::Source(SourceOp {
            identifier: url.to_owned(),
            attrs,
        });
        self.node(
            Node::in_tag_order(op(Vec::new(), None, kind)),
            about(name, &["source.http"]),
        )
    }

    /// The tree of a commit.
    ///
    /// # Errors
    /// [`BuildError::Remote`].
    pub fn git(&mut self, git: &Git, name: &str) -> Result<Output, BuildError> {
        let key = key(&git.remote).ok_or_else(|| BuildError::Remote(git.remote.clone()))?;
        let asked = git.reference.as_ref().unwrap_or(&git.commit);
        let mut identifier = format!("git://{}", key.path);
        if !asked.is_empty() || !git.subdir.is_empty() {
            identifier.push('#');
            identifier.push_str(asked);
        }
        if !git.subdir.is_empty() {
            identifier.push(':');
            identifier.push_str(&git.subdir);
        }
        let mut caps = vec!["source.git", "source.git.fullurl"];
        let mut attrs = BTreeMap::from([
            ("git.fullurl", git.remote.clone()),
            ("git.authtokensecret", "GIT_AUTH_TOKEN".to_owned()),
            ("git.authheadersecret", "GIT_AUTH_HEADER".to_owned()),
        ]);
        if git.reference.is_some() {
            attrs.insert("git.checksum", git.commit.clone());
            caps.push("source.git.checksum");
        }
        if git.keep_git_dir {
            attrs.insert("git.keepgitdir", "true".to_owned());
            caps.push("source.git.keepgitdir");
        }
        if git.skip_submodules {
            attrs.insert("git.skipsubmodules", "true".to_owned());
            caps.push("source.git.skipsubmodules");
        }
        if key.ssh {
            attrs.insert("git.mountsshsock", "default".to_owned());
            caps.push("source.git.mountsshsock");
            if let Some(hosts) = &git.known_ssh_hosts {
                attrs.insert("git.knownsshhosts", hosts.clone());
                caps.push("source.git.knownsshhosts");
            }
        }
        Ok(self.source(identifier, attrs, None, about(name, &caps)))
    }

    fn source(
        &mut self,
        identifier: String,
        attrs: BTreeMap<&str, String>,
        platform: Option<Platform>,
        metadata: OpMetadata,
    ) -> Output {
        let attrs = attrs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let kind = Kind::Source(SourceOp { identifier, attrs });
        self.add(op(Vec::new(), platform, kind), metadata)
    }
}

fn list(items: &[String]) -> String {
    Value::from(items).to_string()
}

struct Key {
    path: String,
    ssh: bool,
}

/// Host and path, from which BuildKit makes the identifier, so that `https` and `ssh` share one. The audit has its own.
fn key(remote: &str) -> Option<Key> {
    if remote.contains(['%', '?', '#', '\\', ' ']) || remote.contains(char::is_control) {
        return None;
    }
    let (ssh, rest) = if let Some((scheme, rest)) = remote.split_once("://") {
        (
            scheme == "ssh",
            matches!(scheme, "http" | "https" | "ssh" | "git").then(|| rest.to_owned())?,
        )
    } else {
        let (host, path) = remote.split_once(':')?;
        (true, host.contains('@').then(|| format!("{host}/{path}"))?)
    };
    let mut parts = rest.split('/').filter(|part| !part.is_empty());
    let authority = parts.next()?;
    let host = authority.rsplit('@').next()?;
    let path: Vec<&str> = parts.collect();
    let plain = !host.is_empty()
        && !rest.starts_with('/')
        && !path.iter().any(|part| matches!(*part, "." | ".."));
    plain.then(|| Key {
        path: format!("{host}/{}", path.join("/")),
        ssh,
    })
}
