//! Asking the daemon what a reference or source is right now. It answers with the user's credentials, registry mirrors and
//! network, none of which the frontend has.

use std::str::FromStr;

use super::{
    error::Error,
    proto::{self, Platform, SourceOp},
};
use crate::digest::Digest;

/// Where the daemon looks for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResolveMode {
    /// As the daemon is set up: Docker's graph drivers look at local images first.
    Default,
    /// In the registry: the only mode in which every daemon gives a digest.
    #[default]
    Pull,
    /// Among local images first.
    Local,
}

impl ResolveMode {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Pull => "pull",
            Self::Local => "local",
        }
    }
}

impl FromStr for ResolveMode {
    type Err = String;

    /// Reads the frontend option `image-resolve-mode`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" | "default" => Ok(Self::Default),
            "pull" => Ok(Self::Pull),
            "local" => Ok(Self::Local),
            _ => Err(format!(
                "image-resolve-mode is default, pull or local, not {text:?}"
            )),
        }
    }
}

/// A question about a source.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SourceQuery {
    /// The source as in LLB, such as `https://example.com/file` or `docker-image://docker.io/library/alpine:3.20`.
    pub source: SourceOp,
    /// For an image; the daemon's own platform if absent.
    pub platform: Option<Platform>,
    /// For an image.
    pub mode: ResolveMode,
    /// What the progress display says meanwhile; empty for the daemon's own words.
    pub log_name: String,
    /// For git: asks for the commit and tag objects.
    pub git_objects: bool,
}

impl SourceQuery {
    /// Whether the source is one that daemons from v0.13 on resolve; others need v0.26.
    pub(super) fn is_image(&self) -> bool {
        let id = &self.source.identifier;
        id.starts_with("docker-image://") || id.starts_with("oci-layout://")
    }

    pub(super) fn into_proto(self) -> proto::ResolveSourceMetaRequest {
        proto::ResolveSourceMetaRequest {
            source: Some(self.source),
            platform: self.platform,
            log_name: self.log_name,
            resolve_mode: self.mode.name().to_owned(),
            git: self.git_objects.then_some(proto::ResolveSourceGitRequest {
                return_object: true,
            }),
            source_policies: Vec::new(),
        }
    }
}

/// What a source is right now. Exactly what fits its kind is there.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceMeta {
    /// The source that was resolved. It is another than the one asked for if a source policy of the client or daemon
    /// replaced it: compare before use.
    pub source: SourceOp,
    /// For an image.
    pub image: Option<ImageMeta>,
    /// For git.
    pub git: Option<GitMeta>,
    /// For a URL.
    pub http: Option<HttpMeta>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageMeta {
    /// Of what the reference names: an index where there is one. Absent only outside [`ResolveMode::Pull`], for an image
    /// in a graph driver.
    pub digest: Option<Digest>,
    /// The configuration of the platform's image, OCI JSON.
    pub config: Vec<u8>,
}

/// A git reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitMeta {
    /// The object that the reference names, in hexadecimal: a commit, or an annotated tag.
    pub checksum: String,
    /// The full reference, such as `refs/tags/v1`.
    pub reference: String,
    /// The commit, where `checksum` is a tag's. Else empty.
    pub commit_checksum: String,
    /// The commit object, if asked for. Else empty.
    pub commit_object: Vec<u8>,
    /// The tag object, if asked for and there is one. Else empty.
    pub tag_object: Vec<u8>,
}

impl GitMeta {
    /// The commit that is checked out, in hexadecimal.
    #[must_use]
    pub fn commit(&self) -> &str {
        if self.commit_checksum.is_empty() {
            &self.checksum
        } else {
            &self.commit_checksum
        }
    }
}

/// A file behind a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpMeta {
    /// Its digest: SHA-256 of the body, after `Content-Encoding: gzip` is undone.
    pub checksum: Digest,
    /// The name under which `ADD` stores it.
    pub filename: String,
}

const CALL: &str = "ResolveSourceMeta";

impl SourceMeta {
    pub(super) fn from_proto(reply: proto::ResolveSourceMetaResponse) -> Result<Self, Error> {
        let source = reply.source.ok_or_else(|| Error::Answer {
            call: CALL,
            reason: "it names no source".to_owned(),
        })?;
        let image = reply
            .image
            .map(|image| {
                Ok::<_, Error>(ImageMeta {
                    digest: optional_digest(CALL, &image.digest)?,
                    config: image.config,
                })
            })
            .transpose()?;
        let http = reply
            .http
            .map(|http| {
                Ok::<_, Error>(HttpMeta {
                    checksum: digest(CALL, &http.checksum)?,
                    filename: http.filename,
                })
            })
            .transpose()?;
        let git = reply.git.map(|git| GitMeta {
            checksum: git.checksum,
            reference: git.reference,
            commit_checksum: git.commit_checksum,
            commit_object: git.commit_object,
            tag_object: git.tag_object,
        });
        if image.is_none() && git.is_none() && http.is_none() {
            let reason = format!("it only repeats {}", source.identifier);
            return Err(Error::Answer { call: CALL, reason });
        }
        Ok(Self {
            source,
            image,
            git,
            http,
        })
    }
}

/// An image's digest and configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    /// Of what the reference names: an index where there is one. Absent only outside [`ResolveMode::Pull`], for an image
    /// in a graph driver.
    pub digest: Option<Digest>,
    /// The configuration of the platform's image, OCI JSON.
    pub config: Vec<u8>,
    /// The reference that was resolved. It is another than the one asked for if a source policy of the client or daemon
    /// replaced it: compare before use.
    pub reference: String,
}

/// An OCI layout of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The client's session.
    pub session: String,
    /// The client's name of the layout.
    pub store: String,
}

impl ImageConfig {
    pub(super) fn request(
        reference: &str,
        platform: Option<Platform>,
        mode: ResolveMode,
        log_name: &str,
    ) -> proto::ResolveImageConfigRequest {
        proto::ResolveImageConfigRequest {
            reference: reference.to_owned(),
            platform,
            resolve_mode: mode.name().to_owned(),
            log_name: log_name.to_owned(),
            ..Default::default()
        }
    }

    /// For an image in an OCI layout; `reference` names its digest, and otherwise only what is shown.
    pub(super) fn layout_request(
        reference: &str,
        platform: Option<Platform>,
        layout: &Layout,
        log_name: &str,
    ) -> proto::ResolveImageConfigRequest {
        proto::ResolveImageConfigRequest {
            resolver_type: 1,
            session_id: layout.session.clone(),
            store_id: layout.store.clone(),
            ..Self::request(reference, platform, ResolveMode::Default, log_name)
        }
    }

    pub(super) fn from_proto(reply: proto::ResolveImageConfigResponse) -> Result<Self, Error> {
        Ok(Self {
            digest: optional_digest("ResolveImageConfig", &reply.digest)?,
            config: reply.config,
            reference: reply.reference,
        })
    }
}

fn optional_digest(call: &'static str, text: &str) -> Result<Option<Digest>, Error> {
    if text.is_empty() {
        Ok(None)
    } else {
        digest(call, text).map(Some)
    }
}

fn digest(call: &'static str, text: &str) -> Result<Digest, Error> {
    text.parse().map_err(|error| Error::Answer {
        call,
        reason: format!("{text:?} is no digest: {error}"),
    })
}
