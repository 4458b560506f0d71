//! The pull side of the distribution API, for one request after the other.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::Deserialize;
use sha2::Digest as _;
use ureq::http::header;

use super::{
    Cause, Clock, Error, Limits, Repository, SystemClock,
    auth::{self, Credentials},
    transport::{Authorization, Of, Request, Response, Transport, held},
    url::Url,
};
use crate::digest::{Algorithm, Digest};

/// Media types of manifests and of signatures.
pub mod media_type {
    /// An OCI image manifest; artifacts use it too.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI index, also the answer of the referrers API.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// Docker's image manifest.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's manifest list.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// The payload of a cosign signature.
    pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
    /// A Sigstore bundle.
    pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    /// No content: what an artifact has for a config.
    pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
    /// A cosign signature as a referrer in the older layout (cosign's `--experimental-oci11`).
    pub const COSIGN_REFERRER: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
}

/// A manifest's name in its repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A tag, which may move.
    Tag(String),
    /// A digest, with which the bytes are compared.
    Digest(Digest),
}

/// A manifest or index, with the digest of exactly these bytes.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// What the registry sent.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
    /// The fields that matter here, read from the bytes.
    pub document: Document,
}

/// The fields of a manifest or index that matter here.
///
/// Source: OCI image-spec, `manifest.md` and `image-index.md`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Document {
    /// What it is.
    pub media_type: Option<String>,
    /// What an artifact is.
    pub artifact_type: Option<String>,
    /// The configuration of a manifest's image.
    pub config: Option<Descriptor>,
    /// The layers of a manifest.
    pub layers: Vec<Descriptor>,
    /// The entries of an index.
    pub manifests: Vec<Descriptor>,
    /// Free text by key.
    pub annotations: BTreeMap<String, String>,
}

/// A reference from one document to another.
///
/// Source: OCI image-spec, `descriptor.md`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What is behind it.
    pub media_type: String,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes.
    #[serde(default)]
    pub size: u64,
    /// What an artifact is.
    #[serde(default)]
    pub artifact_type: Option<String>,
    /// Of an entry of an index: for which platform it is.
    #[serde(default)]
    pub platform: Option<For>,
    /// Free text by key.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// The platform of an image in an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct For {
    /// `linux`.
    pub os: String,
    /// `amd64`.
    pub architecture: String,
    /// `v7`, or empty.
    pub variant: String,
}

/// How a [`Client`] works.
pub struct Options {
    /// The user's logins.
    pub credentials: Credentials,
    /// Hosts, with or without port, that may have a certificate of their own making or no TLS at all.
    /// Loopback and private addresses may anyway. No login is ever sent to a host without verified TLS.
    pub insecure: Vec<String>,
    /// A PEM bundle of trusted roots. Without one the Mozilla roots that are built in are used.
    pub roots: Option<Vec<u8>>,
    /// PEM bundles of further roots that are trusted for one host, with port if it has one.
    pub host_roots: BTreeMap<String, Vec<u8>>,
    /// Whether `HTTPS_PROXY` and its kin are heeded.
    pub proxy: bool,
    /// Where to stop.
    pub limits: Limits,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            credentials: Credentials::anonymous(),
            insecure: Vec::new(),
            roots: None,
            host_roots: BTreeMap::new(),
            proxy: true,
            limits: Limits::default(),
            clock: Arc::new(SystemClock::default()),
        }
    }
}

/// A client for any number of repositories, with one deadline for all it does. Any number of threads may use it at the same
/// time; clones share connections, tokens and the deadline.
#[derive(Clone)]
pub struct Client {
    pub(in crate::resolve) transport: Transport,
    pub(super) credentials: Arc<Credentials>,
    limits: Limits,
    /// What each repository wants with every request, once it has told. The inner lock is held while it is found out.
    authorizations: Arc<Mutex<BTreeMap<String, Known>>>,
}

type Known = Arc<Mutex<Option<Authorization>>>;

impl Client {
    /// A client whose deadline starts now.
    ///
    /// # Errors
    /// [`Cause::Roots`] if [`Options::roots`] has no certificate.
    pub fn new(options: Options) -> Result<Self, Error> {
        let Options {
            credentials,
            insecure,
            roots,
            host_roots,
            proxy,
            limits,
            clock,
        } = options;
        let roots = roots.as_deref();
        let transport = Transport::new(limits, insecure, roots, &host_roots, proxy, clock)
            .map_err(|cause| Error::new("the trusted roots", cause))?;
        Ok(Self {
            transport,
            credentials: Arc::new(credentials),
            limits,
            authorizations: Arc::default(),
        })
    }

    /// The same with `total` from now on.
    #[must_use]
    pub fn renewed(&self, total: Duration) -> Self {
        Self {
            transport: self.transport.renewed(total),
            ..self.clone()
        }
    }

    /// A manifest or index of any known media type.
    ///
    /// # Errors
    /// Any [`Cause`]; [`Cause::NotFound`] if there is none by that name.
    pub fn manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<Manifest, Error> {
        use media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
        let accept = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
        let name = reference.name();
        let fail = |cause| Error::new(format!("manifest {name} of {repository}"), cause);
        if !reference.fits() {
            return Err(fail(Cause::Reference));
        }
        let response = self
            .get(
                repository,
                &format!("manifests/{name}"),
                &accept,
                self.limits.manifest,
            )
            .map_err(fail)?;
        let host = repository.host().to_owned();
        let stated = response
            .headers
            .get("docker-content-digest")
            .and_then(|value| value.to_str().ok());
        let expected = match reference {
            Reference::Digest(digest) => Some(digest.clone()),
            // Only a check that the bytes arrived as they were sent.
            Reference::Tag(_) => stated.and_then(|text| text.parse().ok()),
        };
        let digest = match expected {
            Some(expected) => check(expected, &response.body).map_err(fail)?,
            None => Digest::sha256(&response.body),
        };
        let document = object(&response.body).ok_or_else(|| {
            fail(Cause::Malformed {
                host,
                what: "no manifest",
            })
        })?;
        Ok(Manifest {
            bytes: response.body,
            digest,
            document,
        })
    }

    /// A blob, compared with its digest.
    ///
    /// # Errors
    /// Any [`Cause`].
    pub fn blob(&self, repository: &Repository, digest: &Digest) -> Result<Vec<u8>, Error> {
        let fail = |cause| Error::new(format!("blob {digest} of {repository}"), cause);
        let response = self
            .get(
                repository,
                &format!("blobs/{digest}"),
                "*/*",
                self.limits.blob,
            )
            .map_err(fail)?;
        check(digest.clone(), &response.body).map_err(fail)?;
        Ok(response.body)
    }

    /// All tags, in the registry's order.
    ///
    /// # Errors
    /// Any [`Cause`].
    pub fn tags(&self, repository: &Repository) -> Result<Vec<String>, Error> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let fail = |cause| Error::new(format!("tags of {repository}"), cause);
        let mut tags = Vec::new();
        let accept = "application/json";
        let first = self
            .get(repository, "tags/list?n=1000", accept, self.limits.manifest)
            .map_err(fail)?;
        self.pages(repository, first, accept, |page| {
            let page: Page = object(&page.body)?;
            tags.extend(page.tags.unwrap_or_default());
            Some(())
        })
        .map_err(fail)?;
        Ok(tags)
    }

    /// What refers to a manifest: by the referrers API, and by the fallback tag where the API
    /// is missing or knows nothing.
    ///
    /// The second value is whether the registry left out other artifact types than `artifact_type`; if
    /// not, the list has all. Source: distribution-spec, "Listing Referrers".
    ///
    /// # Errors
    /// Any [`Cause`]. That nothing refers to the manifest is no error.
    pub fn referrers(
        &self,
        repository: &Repository,
        digest: &Digest,
        artifact_type: &str,
    ) -> Result<(Vec<Descriptor>, bool), Error> {
        let fail = |cause| Error::new(format!("referrers of {repository}@{digest}"), cause);
        let path = format!(
            "referrers/{digest}?artifactType={}",
            auth::query(artifact_type)
        );
        let accept = media_type::OCI_INDEX;
        let mut found = Vec::new();
        let mut filtered = false;
        match self.get(repository, &path, accept, self.limits.manifest) {
            Ok(first) if is_index(&first) => {
                filtered = first
                    .headers
                    .get("oci-filters-applied")
                    .is_some_and(|value| {
                        value.to_str().is_ok_and(|text| {
                            text.split(',').any(|name| name.trim() == "artifactType")
                        })
                    });
                self.pages(repository, first, accept, |page| {
                    let page: Document = object(&page.body)?;
                    found.extend(page.manifests);
                    Some(())
                })
                .map_err(fail)?;
            }
            // Something that is no index, or a status of those without the API.
            Ok(_)
            | Err(Cause::NotFound | Cause::Status { .. } | Cause::Server { status: 501, .. }) => {}
            Err(cause) => return Err(fail(cause)),
        }
        if found.is_empty() {
            filtered = false;
            let hex: String = digest.hex().chars().take(64).collect();
            let tag = Reference::Tag(format!("{}-{hex}", digest.algorithm().name()));
            match self.manifest(repository, &tag) {
                Ok(index) => found = index.document.manifests,
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok((found, filtered))
    }

    /// Takes a list's pages, all of them together no larger than one manifest may be.
    fn pages(
        &self,
        repository: &Repository,
        first: Response,
        accept: &str,
        mut take: impl FnMut(&Response) -> Option<()>,
    ) -> Result<(), Cause> {
        let limit = self.limits.manifest;
        let mut page = first;
        let mut left = limit;
        for _ in 0..self.limits.pages {
            let malformed = |what| Cause::Malformed {
                host: repository.host().to_owned(),
                what,
            };
            left = left
                .checked_sub(page.body.len())
                .ok_or(Cause::TooLarge { limit })?;
            take(&page).ok_or_else(|| malformed("no list"))?;
            let Some(link) = page.header(header::LINK) else {
                return Ok(());
            };
            let Some(target) = next(link) else {
                return Ok(());
            };
            let url = page
                .url
                .join(target)
                .ok_or_else(|| malformed("a list whose next page has no address"))?;
            if !url.same_origin(&page.url) {
                return Err(malformed("a list that goes on at another host"));
            }
            page = self.get_url(repository, &url, accept, limit)?;
        }
        Err(Cause::TooManyPages {
            limit: self.limits.pages,
        })
    }

    fn get(
        &self,
        repository: &Repository,
        path: &str,
        accept: &str,
        limit: usize,
    ) -> Result<Response, Cause> {
        let url = Url::new(
            repository.host(),
            format!("/v2/{}/{path}", repository.path()),
        );
        self.get_url(repository, &url, accept, limit)
    }

    /// GET with what the registry wants for it; a status other than 200 is an error.
    fn get_url(
        &self,
        repository: &Repository,
        url: &Url,
        accept: &str,
        limit: usize,
    ) -> Result<Response, Cause> {
        let key = format!("{} {repository}", repository.host());
        let slot = Arc::clone(held(&self.authorizations).entry(key).or_default());
        let known = held(&slot).clone();
        let mut response = self.ask(url, accept, known.as_ref(), limit)?;
        // A challenge counts only from the registry itself, not from where it redirects to.
        if response.status == 401 && response.url.authority == url.authority {
            let mut slot = held(&slot);
            // Somebody else may have found out in the meantime.
            let now_known = slot
                .clone()
                .filter(|now| known.as_ref().is_none_or(|known| known.value != now.value));
            let authorization = match now_known {
                Some(authorization) => authorization,
                None => self.authorize(repository, &response)?,
            };
            *slot = Some(authorization.clone());
            drop(slot);
            response = self.ask(url, accept, Some(&authorization), limit)?;
        }
        match response.status {
            200 => Ok(response),
            401 => Err(self.unauthorized(repository, &response)),
            _ => Err(refusal(&response)),
        }
    }

    fn ask(
        &self,
        url: &Url,
        accept: &str,
        authorization: Option<&Authorization>,
        limit: usize,
    ) -> Result<Response, Cause> {
        let redirects = self.limits.redirects;
        self.transport.send(&Request {
            url: url.clone(),
            accept,
            authorization,
            form: None,
            limit,
            redirects,
            headers: &[],
            of: Of::Registry,
        })
    }
}

impl Reference {
    fn name(&self) -> String {
        match self {
            Self::Tag(tag) => tag.clone(),
            Self::Digest(digest) => digest.to_string(),
        }
    }

    /// Whether a tag is one: it becomes a part of a URL.
    fn fits(&self) -> bool {
        match self {
            Self::Digest(_) => true,
            Self::Tag(tag) => {
                let first = tag
                    .bytes()
                    .next()
                    .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
                first
                    && tag.len() <= 128
                    && tag
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
            }
        }
    }
}

/// A JSON object; serde would take an array for a struct too.
pub(super) fn object<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    bytes
        .trim_ascii_start()
        .starts_with(b"{")
        .then(|| serde_json::from_slice(bytes).ok())?
}

fn check(expected: Digest, bytes: &[u8]) -> Result<Digest, Cause> {
    let hex = |hash: &[u8]| {
        hash.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let actual = match expected.algorithm() {
        Algorithm::Sha256 => hex(&sha2::Sha256::digest(bytes)),
        Algorithm::Sha384 => hex(&sha2::Sha384::digest(bytes)),
        Algorithm::Sha512 => hex(&sha2::Sha512::digest(bytes)),
    };
    if actual == expected.hex() {
        Ok(expected)
    } else {
        Err(Cause::Digest {
            expected,
            actual: Digest::sha256(bytes),
        })
    }
}

/// The error for an answer other than 200 and 401.
pub(super) fn refusal(response: &Response) -> Cause {
    let host = response.url.authority.clone();
    match response.status {
        403 => Cause::Forbidden {
            host,
            code: code(response),
        },
        404 => Cause::NotFound,
        429 => Cause::RateLimited { host },
        status @ 500..=599 => Cause::Server { host, status },
        status => Cause::Status { host, status },
    }
}

/// The error code in a body, if it looks like one of the specification: `MANIFEST_UNKNOWN`.
pub(super) fn code(response: &Response) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        code: String,
    }
    let body: Body = object(&response.body)?;
    let code = body.errors.into_iter().next()?.code;
    let fits = code.len() <= 40 && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    fits.then_some(code)
}

/// Whether this is an answer of the referrers API: some registries answer 200 with something else.
fn is_index(response: &Response) -> bool {
    let stated = response
        .header(header::CONTENT_TYPE)
        .is_some_and(|text| text.starts_with(media_type::OCI_INDEX));
    stated && object::<Document>(&response.body).is_some()
}

/// The address in a `Link` header of the form `<ADDRESS>; rel="next"`.
fn next(link: &str) -> Option<&str> {
    let (address, params) = link.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = |param: &str| matches!(param.trim(), "rel=\"next\"" | "rel=next");
    params.split([';', ',']).any(is_next).then_some(address)
}
