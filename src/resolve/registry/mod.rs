//! A small client for OCI registries, for what BuildKit cannot fetch on our behalf: signatures.
//!
//! It runs in a build step that has network, or on the desk. Nothing that it returns is trusted:
//! manifests and blobs asked for by digest are compared with it, and signatures are verified
//! by the caller against keys. So the worst a hostile registry or network can do is to withhold.
//! What must be protected here are the user's credentials (see [`auth`]), the time and
//! the memory of the step (see [`Limits`]), and the clarity of the error.
//!
//! * [`Client`]: manifests, blobs, tags and referrers of one [`Repository`].
//! * [`signatures::collect`]: all cosign signatures and Sigstore bundles of an image.
//!
//! Source: OCI distribution-spec 1.1 (`spec.md`); the token protocol is that of the distribution
//! project (`docs/content/spec/auth/token.md`).

use std::time::{Duration, Instant};

pub mod auth;
mod client;
mod error;
mod helper;
pub mod signatures;
#[cfg(test)]
pub(in crate::resolve) mod testing;
#[cfg(test)]
mod tests;
mod token;
pub(in crate::resolve) mod transport;
pub(in crate::resolve) mod url;

pub use client::{Client, Descriptor, Document, For, Manifest, Options, Reference, media_type};
pub use error::{Cause, Error};

/// Where to stop, whatever the registry sends.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of one manifest, index, tag list or token.
    pub manifest: usize,
    /// Bytes of one blob (a signature payload or bundle).
    pub blob: usize,
    /// Pages of one list.
    pub pages: usize,
    /// Redirects followed for one request.
    pub redirects: usize,
    /// How often one request is made when the registry says 429 or 5xx or drops the connection.
    pub attempts: u32,
    /// The first pause before another attempt; it doubles with each.
    pub backoff: Duration,
    /// The longest pause between two attempts, also when the registry asks for a longer one.
    pub pause: Duration,
    /// Time for one request, its body included.
    pub request: Duration,
    /// Time for everything this client does, pauses included.
    pub total: Duration,
}

impl Default for Limits {
    /// 4 MiB, 4 MiB, 16 pages, 5 redirects, 4 attempts, 0.5 s, 10 s, 20 s and 60 s.
    fn default() -> Self {
        Self {
            manifest: 4 << 20,
            blob: 4 << 20,
            pages: 16,
            redirects: 5,
            attempts: 4,
            backoff: Duration::from_millis(500),
            pause: Duration::from_secs(10),
            request: Duration::from_secs(20),
            total: Duration::from_secs(60),
        }
    }
}

/// Time as the client sees it, so that tests need not wait.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment; never goes back.
    fn now(&self) -> Duration;
    /// Waits.
    fn sleep(&self, time: Duration);
}

/// The machine's monotonic clock.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// A repository in a registry: `docker.io` and `library/alpine`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    domain: String,
    path: String,
    /// Another registry that has copies of it.
    mirror: Option<String>,
}

/// The host that serves `docker.io`.
const DOCKER_HUB: &str = "registry-1.docker.io";

impl Repository {
    /// Takes the two parts of a normalised reference, where the domain may have a port.
    ///
    /// They go into URLs as they are, so anything else than host and path characters is
    /// an error here, whatever was checked before.
    ///
    /// # Errors
    /// [`Cause::Reference`] if `domain` or `path` is not in the form of the distribution specification.
    pub fn new(domain: &str, path: &str) -> Result<Self, Error> {
        let host_byte = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b);
        let component = |part: &str| {
            let edge =
                |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            let bytes = part.as_bytes();
            let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(b);
            edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
        };
        let fits = !domain.is_empty()
            && domain.len() + path.len() <= 512
            && domain.bytes().all(host_byte)
            && path.split('/').all(component);
        if fits {
            Ok(Self {
                domain: domain.to_owned(),
                path: path.to_owned(),
                mirror: None,
            })
        } else {
            Err(Error::new("the reference", Cause::Reference))
        }
    }

    /// The repository that a reference is in.
    ///
    /// # Errors
    /// As [`Repository::new`].
    pub fn of(reference: &crate::reference::ImageReference) -> Result<Self, Error> {
        Self::new(reference.domain(), reference.path())
    }

    /// The same repository as `host` has it, a mirror; `prefix` stands before the path there.
    ///
    /// # Errors
    /// As [`Repository::new`].
    pub fn mirrored(&self, host: &str, prefix: &str) -> Result<Self, Error> {
        let path = match prefix.trim_matches('/') {
            "" => self.path.clone(),
            prefix => format!("{prefix}/{}", self.path),
        };
        Self::new(host, &path)?;
        Ok(Self {
            domain: self.domain.clone(),
            path,
            mirror: Some(host.to_owned()),
        })
    }

    /// Whether it is a mirror's.
    #[must_use]
    pub fn is_mirror(&self) -> bool {
        self.mirror.is_some()
    }

    /// The part of a reference before the first slash: `docker.io`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The rest: `library/alpine`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The host, with port if there is one, that answers for the domain.
    #[must_use]
    pub fn host(&self) -> &str {
        if let Some(mirror) = &self.mirror {
            return mirror;
        }
        match self.domain.as_str() {
            "docker.io" | "index.docker.io" => DOCKER_HUB,
            other => other,
        }
    }
}

impl std::fmt::Display for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let domain = self.mirror.as_deref().unwrap_or(&self.domain);
        write!(f, "{domain}/{}", self.path)
    }
}
