//! From a reference to a digest, live, and to the signatures of a digest.
//!
//! The pipeline asks a [`Resolve`]; who answers is the frontend's business (through BuildKit) or the
//! desk's. Nothing that an answer says is trusted: a digest is judged by the policy, a signature is verified.

use std::future::Future;

use jiff::Timestamp;

use crate::{
    digest::Digest,
    fetch::{GitSource, ImageConfig, Platform},
    policy::Unchecked,
    reference::ImageReference,
    verify::{Proof, Signer, git::Objects},
};

pub mod buildkit;
pub mod bytes;
pub mod config;
pub mod git_dir;
pub mod live;
pub mod registry;
pub mod step;

/// An image as a registry has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Of what the reference names: the index, where there is one.
    pub digest: Digest,
    /// Of the platform's image.
    pub config: ImageConfig,
}

/// What a git reference names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The commit that is checked out, in full.
    pub commit: String,
    /// The object that the reference itself names: the commit, or an annotated tag. BuildKit compares an expected
    /// checksum with either.
    pub object: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Nothing is asked here: there is no network, by design.
    #[error("nothing is resolved here")]
    Offline,
    /// The question was asked and not answered.
    #[error("{cause}")]
    Failed {
        /// What the registry, the server or the daemon said.
        cause: String,
        /// What to do about it.
        next: String,
    },
}

/// Answers from the world outside.
///
/// Implementations bound the time and the size of every answer.
pub trait Resolve {
    /// What `reference` is for `platform`. A reference with a digest asks only for the configuration.
    fn image(
        &self,
        reference: &ImageReference,
        platform: &Platform,
    ) -> impl Future<Output = Result<Image, ResolveError>>;

    /// The configuration that the named context `key` brings, whose option has the value `value`.
    ///
    /// Only asked for contexts that are not images of a registry.
    fn context(
        &self,
        key: &str,
        value: &str,
        platform: &Platform,
    ) -> impl Future<Output = Result<ImageConfig, ResolveError>>;

    /// The SHA-256 digest of what `url` serves.
    fn http(&self, url: &str) -> impl Future<Output = Result<Digest, ResolveError>>;

    /// What `source.reference` names.
    fn git(&self, source: &GitSource) -> impl Future<Output = Result<Commit, ResolveError>>;

    /// What may prove that the image `digest` of `reference` is signed. `fresh`: not from a cache, because what was
    /// found there does not prove it.
    fn signatures(
        &self,
        reference: &ImageReference,
        digest: &Digest,
        fresh: bool,
    ) -> impl Future<Output = Result<Vec<Proof>, ResolveError>>;

    /// What may prove it by signed attestation manifests: these and their signatures, each with the digest that it is offered for.
    fn attestations(
        &self,
        reference: &ImageReference,
        digest: &Digest,
        fresh: bool,
    ) -> impl Future<Output = Result<Vec<(Digest, Proof)>, ResolveError>>;

    /// The file at `url`, which is a signature or a list of checksums: at most `limit` bytes.
    fn small_file(
        &self,
        url: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<u8>, ResolveError>>;

    /// What came of each of `checks`, in their order, over the bytes of the file at `url`, which has the digest `digest`.
    fn over_bytes(
        &self,
        url: &str,
        digest: &Digest,
        checks: &[Unchecked],
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Result<Signer, String>>, ResolveError>>;

    /// The SHA-384 and SHA-512 digests of the file at `url`, which has the digest `digest`.
    fn digests(
        &self,
        url: &str,
        digest: &Digest,
    ) -> impl Future<Output = Result<Vec<Digest>, ResolveError>>;

    /// The commit `commit` of `source` and the tags from its reference to it, as objects.
    fn objects(
        &self,
        source: &GitSource,
        commit: &str,
    ) -> impl Future<Output = Result<Objects, ResolveError>>;
}

/// Asks nobody: everything must be in the lock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offline;

impl Resolve for Offline {
    async fn image(&self, _: &ImageReference, _: &Platform) -> Result<Image, ResolveError> {
        Err(ResolveError::Offline)
    }

    async fn context(&self, _: &str, _: &str, _: &Platform) -> Result<ImageConfig, ResolveError> {
        Ok(ImageConfig::default())
    }

    async fn http(&self, _: &str) -> Result<Digest, ResolveError> {
        Err(ResolveError::Offline)
    }

    async fn git(&self, _: &GitSource) -> Result<Commit, ResolveError> {
        Err(ResolveError::Offline)
    }

    async fn signatures(
        &self,
        _: &ImageReference,
        _: &Digest,
        _: bool,
    ) -> Result<Vec<Proof>, ResolveError> {
        Err(ResolveError::Offline)
    }

    async fn attestations(
        &self,
        _: &ImageReference,
        _: &Digest,
        _: bool,
    ) -> Result<Vec<(Digest, Proof)>, ResolveError> {
        Err(ResolveError::Offline)
    }

    async fn small_file(&self, _: &str, _: usize) -> Result<Vec<u8>, ResolveError> {
        Err(ResolveError::Offline)
    }

    async fn over_bytes(
        &self,
        _: &str,
        _: &Digest,
        _: &[Unchecked],
        _: Timestamp,
    ) -> Result<Vec<Result<Signer, String>>, ResolveError> {
        Err(ResolveError::Offline)
    }

    async fn digests(&self, _: &str, _: &Digest) -> Result<Vec<Digest>, ResolveError> {
        Err(ResolveError::Offline)
    }

    async fn objects(&self, _: &GitSource, _: &str) -> Result<Objects, ResolveError> {
        Err(ResolveError::Offline)
    }
}
