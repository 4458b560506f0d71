//! BuildKit's attestation manifests as what is signed: they name the image that they are about, so their signature is one of it.
//!
//! BuildKit puts a manifest of attestations for each image into the index (or lets it refer to the image): its layers are in-toto statements, unsigned,
//! with the image's digest as their subject. Who signs that manifest signs the statements. So an image is proven if a
//! signed attestation manifest has a statement about it, and an index if each image in it is. A policy must ask for
//! this: a signature of an image (`cosign sign --recursive` makes some of attestation manifests, too) says nothing of what statements beside it name.
//!
//! An index is read strictly, because what runs is one of its entries: each is an image with an attestation manifest of its own here, or such a
//! manifest; nothing else is in it. The statements at hand may be some of the manifest's, and all of them must be about the image.
//!
//! Source: BuildKit's `docs/attestations/attestation-storage.md`, OCI image-spec `image-index.md` and `manifest.md`, in-toto Statement v1.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    Artifact, Failure, Key, Proof, Signer, TrustedKey, bundle, json, shown,
    sigstore::{Claim, statement},
};
use crate::digest::Digest;

/// The kind's name in `Dockerfile.evidence`.
pub const KIND: &str = "attestations";
/// The artifact type of an attestation manifest that refers to its image.
pub const ARTIFACT_TYPE: &str = "application/vnd.docker.attestation.manifest.v1+json";
/// Most bytes of index, manifests and statements together.
pub const MAX_BYTES: usize = bundle::MAX_BUNDLE;
/// Most images in an index.
pub const MAX_IMAGES: usize = 64;
/// The annotation that makes an index's entry an attestation manifest, and its value.
const REFERENCE_TYPE: (&str, &str) = ("vnd.docker.reference.type", "attestation-manifest");
/// The annotation with the digest of the image that it is about.
const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
/// The platform of an attestation manifest: nothing runs there.
const NOWHERE: &str = "unknown";
const STATEMENT: &str = "application/vnd.in-toto+json";
const IMAGES: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// What must be signed of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signed {
    /// What the Dockerfile leads to.
    Image,
    /// The attestation manifests about it.
    Attestations,
}

/// Documents as a registry has them. Untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attestations {
    /// The image's index; none if what is to be proven is one manifest.
    pub index: Option<Vec<u8>>,
    /// The attestation manifests.
    pub manifests: Vec<Vec<u8>>,
    /// Statements that are layers of these.
    pub statements: Vec<Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Index {
    manifests: Vec<Entry>,
    #[serde(rename = "schemaVersion")]
    _version: IgnoredAny,
    #[serde(rename = "mediaType", default)]
    _media_type: Option<IgnoredAny>,
    #[serde(rename = "artifactType", default)]
    _artifact_type: Option<IgnoredAny>,
    #[serde(rename = "annotations", default)]
    _annotations: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    media_type: String,
    digest: Digest,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Manifest {
    layers: Vec<Layer>,
    #[serde(rename = "schemaVersion")]
    _version: IgnoredAny,
    #[serde(rename = "mediaType", default)]
    _media_type: Option<IgnoredAny>,
    #[serde(rename = "artifactType", default)]
    _artifact_type: Option<IgnoredAny>,
    #[serde(rename = "config")]
    _config: IgnoredAny,
    #[serde(rename = "subject", default)]
    _subject: Option<IgnoredAny>,
    #[serde(rename = "annotations", default)]
    _annotations: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: Digest,
}

/// An attestation manifest whose signature proves `image`.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// Its digest.
    pub manifest: Digest,
    /// The image.
    pub image: Digest,
    /// What it says of it: at least one statement.
    pub statements: Vec<&'a [u8]>,
}

fn form(what: &'static str, why: impl Into<String>) -> Failure {
    Failure::Form {
        what,
        why: why.into(),
    }
}

/// Checks that `documents` lead from signed attestation manifests to all of `digest`; `signed` says who signed one of them and says what
/// is wanted of its image. Gives what it said of the first.
///
/// # Errors
/// [`Failure`], and that of `signed`.
pub fn verify<S>(
    digest: &Digest,
    documents: &Attestations,
    mut signed: impl FnMut(&About<'_>) -> Result<S, Failure>,
) -> Result<S, Failure> {
    let mut signer = None;
    for about in documents.about(digest)? {
        let one = signed(&about)?;
        signer.get_or_insert(one);
    }
    signer.ok_or_else(|| form("index", "there is no image in it"))
}

impl Attestations {
    /// How many bytes there are.
    #[must_use]
    pub fn size(&self) -> usize {
        let all = self.index.iter().chain(&self.manifests);
        all.chain(&self.statements).map(Vec::len).sum()
    }

    /// Each attestation manifest that must be signed.
    fn about(&self, digest: &Digest) -> Result<Vec<About<'_>>, Failure> {
        if self.size() > MAX_BYTES {
            return Err(form(
                "proof",
                format!("its documents have more than {MAX_BYTES} bytes"),
            ));
        }
        let pairs = match &self.index {
            Some(index) => pairs(digest, index)?,
            None if self.manifests.is_empty() => {
                return Err(form(
                    "proof",
                    "there is no attestation manifest of the image",
                ));
            }
            None => {
                let manifests = self.manifests.iter().take(MAX_IMAGES);
                let pair = |bytes: &Vec<u8>| (digest.clone(), Digest::sha256(bytes));
                manifests.map(pair).collect()
            }
        };
        let pairs = pairs.into_iter();
        pairs
            .map(|(image, manifest)| self.one(image, manifest))
            .collect()
    }

    fn one(&self, image: Digest, manifest: Digest) -> Result<About<'_>, Failure> {
        const WHAT: &str = "attestation manifest";
        let named = |digest: &Digest, all: &'_ [Vec<u8>]| {
            all.iter()
                .position(|bytes| Digest::sha256(bytes) == *digest)
        };
        let bytes = named(&manifest, &self.manifests).and_then(|at| self.manifests.get(at));
        let bytes =
            bytes.ok_or_else(|| form("proof", format!("it lacks the manifest {manifest}")))?;
        let document: Manifest =
            json::read(bytes, MAX_BYTES).map_err(|error| form(WHAT, error.to_string()))?;
        let mut statements = Vec::new();
        for layer in &document.layers {
            if layer.media_type != STATEMENT {
                return Err(Failure::Type {
                    what: "attestation manifest's layer",
                    found: shown(&layer.media_type),
                    wanted: STATEMENT,
                });
            }
            let found = named(&layer.digest, &self.statements);
            if let Some(statement) = found.and_then(|at| self.statements.get(at)) {
                statement::check(statement, &image, &Claim::Any, None)?;
                statements.push(statement.as_slice());
            }
        }
        if statements.is_empty() {
            return Err(form(WHAT, "no statement of it is at hand"));
        }
        Ok(About {
            manifest,
            image,
            statements,
        })
    }
}

/// Image and attestation manifest, for each entry of the second kind.
fn pairs(digest: &Digest, index: &[u8]) -> Result<Vec<(Digest, Digest)>, Failure> {
    let found = Digest::sha256(index);
    if found != *digest {
        return Err(Failure::Digest {
            signed: found.to_string(),
            wanted: digest.clone(),
        });
    }
    let index: Index =
        json::read(index, MAX_BYTES).map_err(|error| form("index", error.to_string()))?;
    let (mut images, mut pairs) = (Vec::new(), Vec::new());
    for entry in &index.manifests {
        if !IMAGES.contains(&entry.media_type.as_str()) {
            return Err(Failure::Type {
                what: "entry of the index",
                found: shown(&entry.media_type),
                wanted: "a manifest",
            });
        }
        if !entry.is_attestation() {
            images.push(&entry.digest);
            continue;
        }
        let image = entry.annotations.get(REFERENCE_DIGEST);
        let image = image
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| form("index", "an attestation manifest names no image"))?;
        pairs.push((image, entry.digest.clone()));
    }
    if images.len() > MAX_IMAGES || pairs.len() > MAX_IMAGES {
        return Err(form(
            "index",
            format!("it has more than {MAX_IMAGES} images"),
        ));
    }
    if let Some(image) = images
        .iter()
        .find(|image| !pairs.iter().any(|(about, _)| about == **image))
    {
        return Err(form(
            "index",
            format!("there is no attestation manifest of its image {image}"),
        ));
    }
    if let Some((image, _)) = pairs.iter().find(|(image, _)| !images.contains(&image)) {
        return Err(form(
            "index",
            format!("an attestation manifest is about {image}, which is not in it"),
        ));
    }
    Ok(pairs)
}

/// Whether annotations in an index say that their entry is an attestation manifest.
#[must_use]
pub fn is_listed(annotations: &BTreeMap<String, String>) -> bool {
    let (name, value) = REFERENCE_TYPE;
    annotations.get(name).is_some_and(|text| text == value)
}

impl Entry {
    /// One that can be run is an image, whatever it says.
    fn is_attestation(&self) -> bool {
        let platform = self.platform.as_ref();
        is_listed(&self.annotations)
            && platform.is_some_and(|at| at.os == NOWHERE && at.architecture == NOWHERE)
    }
}

/// Which of `keys` made one of `proofs` for the attestation manifest, that says of its image what the policy wants of that key. What
/// a keyless certificate says of where its holder was built is not compared: the statement speaks for itself.
///
/// # Errors
/// [`Failure`]: of the last proof.
pub fn signed_by<'k, 'p>(
    about: &About<'_>,
    repository: Option<&str>,
    proofs: impl Iterator<Item = &'p Proof>,
    keys: &'k [TrustedKey],
    at: Timestamp,
) -> Result<(&'k TrustedKey, Signer), Failure> {
    let artifact = Artifact::Image {
        digest: &about.manifest,
        repository,
    };
    let plain: Vec<TrustedKey> = keys.iter().map(without_claim).collect();
    let mut failure = form(
        "proof",
        format!(
            "no signature of the attestation manifest {} was found",
            about.manifest
        ),
    );
    for proof in proofs {
        match super::verify(&artifact, proof, &plain, at) {
            Ok((signer, who)) => {
                let trusted = keys.iter().find(|key| key.name == signer.name);
                match trusted.map(|trusted| says(about, trusted).map(|()| trusted)) {
                    Some(Ok(trusted)) => return Ok((trusted, who)),
                    Some(Err(why)) => failure = why,
                    None => {}
                }
            }
            Err(why) => failure = why,
        }
    }
    Err(failure)
}

/// The same signer, of whom a signature is enough: of the attestation manifest, whose statements are looked at then.
fn without_claim(trusted: &TrustedKey) -> TrustedKey {
    let mut trusted = trusted.clone();
    if let Key::Sigstore(key) = &mut trusted.key {
        key.claim = Claim::Signature;
    }
    trusted
}

/// That one of the statements says what is wanted.
fn says(about: &About<'_>, trusted: &TrustedKey) -> Result<(), Failure> {
    let Key::Sigstore(key) = &trusted.key else {
        return Ok(());
    };
    let Claim::Provenance(_) = &key.claim else {
        return Ok(());
    };
    let mut outcome = Err(form("attestation manifest", "it has no statement"));
    for statement in &about.statements {
        outcome = statement::check(statement, &about.image, &key.claim, None);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

#[cfg(test)]
#[path = "tests/attestation.rs"]
mod tests;
