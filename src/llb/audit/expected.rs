//! What a graph may fetch.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    digest::Digest,
    llb::ops::{HostIp, Platform, ProxyEnv},
};

/// What was verified, and what the client itself provides. A default value allows nothing.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Images from registries.
    pub images: BTreeSet<ImagePin>,
    /// Files by their URL, exactly as in the Dockerfile after expansion.
    pub http: BTreeMap<String, Vec<HttpPin>>,
    /// URLs under which the daemon itself serves what the client uploads for this build: its context, which is the
    /// client's own as its directories are. They have no checksum.
    pub uploads: BTreeSet<String>,
    /// Repositories by the remote BuildKit puts in `git.fullurl`: the URL without query and fragment, for example
    /// `https://git.example.com/org/repo.git` or `git@git.example.com:org/repo.git`.
    pub git: BTreeMap<String, Vec<GitPin>>,
    /// The client's directories: local name to the session ids it may come from.
    pub locals: BTreeMap<String, BTreeSet<String>>,
    /// Images in the client's OCI layouts.
    pub oci_layouts: BTreeSet<OciPin>,
    /// Sources that are accepted by the operation's id: those of the definition that BuildKit mounts as the
    /// frontend's own image. It runs already, and a daemon may name it without a digest.
    pub own: BTreeSet<Digest>,
    /// The files that operations may come from: the rewritten Dockerfile, and the files of other graphs that
    /// the client hands in.
    pub files: Vec<SourceFile>,
    /// The platforms of images and commands, normalised as BuildKit does (`arm64` has no variant `v8`).
    pub platforms: BTreeSet<Platform>,
    /// Additional hosts given as option; a command has no others.
    pub extra_hosts: BTreeSet<HostIp>,
    /// Proxies given as build arguments; a command has these or none.
    pub proxy: Option<ProxyEnv>,
}

/// An image that was verified.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImagePin {
    /// Domain and path in canonical form, without tag: `docker.io/library/alpine`.
    pub repository: String,
    /// The digest in the reference; of an index or a manifest.
    pub digest: Digest,
}

/// A file that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpPin {
    /// Digest of the content. BuildKit compares SHA-256 only.
    pub digest: Digest,
    /// Which client secret is sent as `Authorization`.
    pub auth_header_secret: Option<String>,
    /// Request headers by the name in the attribute (`accept`, `user-agent`).
    pub headers: BTreeMap<String, String>,
}

impl From<Digest> for HttpPin {
    fn from(digest: Digest) -> Self {
        Self {
            digest,
            auth_header_secret: None,
            headers: BTreeMap::new(),
        }
    }
}

/// A commit that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitPin {
    /// The commit, 40 or 64 hexadecimal digits in lower case. A reference to it needs no checksum.
    pub commit: String,
    /// References that may be named instead, then with the commit as `git.checksum`.
    pub refs: BTreeSet<String>,
    /// Directories that may be taken instead of the whole tree, as in the identifier: no slash at either end.
    pub subdirs: BTreeSet<String>,
}

impl GitPin {
    /// Only this commit, whole.
    #[must_use]
    pub fn commit(commit: impl Into<String>) -> Self {
        Self {
            commit: commit.into(),
            refs: BTreeSet::new(),
            subdirs: BTreeSet::new(),
        }
    }
}

/// An image in the client's OCI layout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OciPin {
    /// The store's name, attribute `oci.store`.
    pub store: String,
    /// The session it is read through, attribute `oci.session`.
    pub session: String,
    /// The digest in the reference.
    pub digest: Digest,
}

/// A file that operations come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name, as in the `filename` option.
    pub filename: String,
    /// Its bytes.
    pub data: Vec<u8>,
}
