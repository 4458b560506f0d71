//! All signatures of an image that its registry holds.
//!
//! Nothing is verified here. What is returned is what some push access left in the repository; each
//! signature speaks for itself when the caller verifies it against a key and the digest.
//!
//! Four places are read:
//! * the tag `sha256-<hex>.sig`: an image whose layers are simple-signing payloads, with the signature and
//!   its certificate as annotations (cosign's `specs/SIGNATURE_SPEC.md`);
//! * the tag `sha256-<hex>.att`: the same of DSSE envelopes, which become bundles (cosign's `specs/ATTESTATION_SPEC.md`);
//! * the referrers API, or its fallback tag `sha256-<hex>`: artifacts with one Sigstore bundle each
//!   (cosign's `specs/BUNDLE_SPEC.md`);
//! * there too, artifacts in the layout of the first, and Notary v2 envelopes.
//!
//! BuildKit's attestation manifests are in the image's index, or refer to it; their signatures are where those of an image are.

use std::collections::BTreeSet;

use super::{Cause, Client, Descriptor, Document, Error, Reference, Repository, media_type};
use crate::{
    digest::Digest,
    verify::{
        Proof,
        attestation::{self, Attestations},
        cosign, notation,
    },
};

/// The most signatures that are taken of one image.
pub const MAX_SIGNATURES: usize = 64;
/// The most bytes that are taken of one image's signatures.
pub const MAX_BYTES: usize = 16 << 20;
/// How many artifacts that turn out to be unusable are tried.
const MAX_SKIPPED: usize = 64;
/// How many artifacts are looked at.
const MAX_ARTIFACTS: usize = 256;

/// The predicate by which cosign marks a bundle that is an image's signature.
const SIGN_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// One signature as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawSignature {
    /// A simple-signing payload and the annotations that belong to it.
    Cosign {
        /// The payload's exact bytes, which were signed.
        payload: Vec<u8>,
        /// `dev.cosignproject.cosign/signature`: base64 of the signature.
        signature: String,
        /// `dev.sigstore.cosign/certificate`: the signer's certificate, PEM.
        certificate: Option<String>,
        /// `dev.sigstore.cosign/chain`: its issuers, PEM.
        chain: Option<String>,
        /// `dev.sigstore.cosign/bundle`: the transparency log's promise, JSON.
        bundle: Option<String>,
        /// `dev.sigstore.cosign/rfc3161timestamp`: a timestamp response, JSON.
        timestamp: Option<String>,
    },
    /// A Sigstore bundle.
    Bundle {
        /// Its exact JSON.
        json: Vec<u8>,
    },
    /// A Notary v2 envelope.
    Notation(notation::Proof),
}

/// What was found for an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The signatures, those that cosign marks as such first.
    pub signatures: Vec<RawSignature>,
    /// Why others were left out, to be shown when none of `signatures` is good.
    pub skipped: Vec<String>,
}

impl Collected {
    /// As proofs offered for `digest`.
    pub fn offered(self, digest: &Digest) -> impl Iterator<Item = (Digest, Proof)> {
        let signatures = self.signatures.into_iter();
        signatures.map(|signature| (digest.clone(), signature.into()))
    }
}

/// Where signatures of an image are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Under cosign's tag for signatures alone.
    Tag,
    /// Under cosign's tag for attestations.
    AttestationTag,
    /// Artifacts that refer to the image.
    Referrers,
}

impl Place {
    /// All of them: they may be asked one by one, at the same time.
    pub const ALL: [Self; 3] = [Self::Tag, Self::AttestationTag, Self::Referrers];
}

/// Fetches the signatures of the image `digest` that `repository` holds at `places`.
///
/// An artifact that is broken by itself (missing, too large, of another digest, not JSON) is
/// skipped and named, so that it cannot hide a good one.
///
/// # Errors
/// Any [`Cause`] that says nothing about what the repository has: no connection, no access, a failing registry. That
/// there are no signatures is no error.
pub fn collect(
    client: &Client,
    repository: &Repository,
    digest: &Digest,
    places: &[Place],
) -> Result<Collected, Error> {
    let mut gatherer = Gatherer::new(client, repository);
    for place in places {
        match place {
            Place::Tag => gatherer.tagged(cosign::tag(digest))?,
            Place::AttestationTag => gatherer.tagged(cosign::attestation_tag(digest))?,
            Place::Referrers => gatherer.referring(digest)?,
        }
    }
    Ok(gatherer.found)
}

/// Fetches the attestation manifests about the image `digest`, their provenance, and the signatures of these manifests: proofs, each with
/// the digest that it is offered for.
///
/// # Errors
/// Any [`Cause`]. That there are none is no error.
pub fn attestations(
    client: &Client,
    repository: &Repository,
    digest: &Digest,
) -> Result<Vec<(Digest, Proof)>, Error> {
    let image = client.manifest(repository, &Reference::Digest(digest.clone()))?;
    let mut documents = Attestations::default();
    let mut about: Vec<Descriptor> = if image.document.manifests.is_empty() {
        let (all, _) = client.referrers(repository, digest, attestation::ARTIFACT_TYPE)?;
        let is = |kind: Option<&str>| kind == Some(attestation::ARTIFACT_TYPE);
        let all = all.into_iter();
        all.filter(|one| is(one.artifact_type.as_deref())).collect()
    } else {
        documents.index = Some(image.bytes);
        let all = image.document.manifests.into_iter();
        all.filter(|entry| attestation::is_listed(&entry.annotations))
            .collect()
    };
    about.truncate(attestation::MAX_IMAGES);
    let mut proofs = Vec::new();
    for Descriptor { digest: of, .. } in about {
        let manifest = client.manifest(repository, &Reference::Digest(of.clone()))?;
        for layer in enough(manifest.document.layers) {
            documents
                .statements
                .push(client.blob(repository, &layer.digest)?);
        }
        documents.manifests.push(manifest.bytes);
        proofs.extend(collect(client, repository, &of, &Place::ALL)?.offered(&of));
        if documents.size() > attestation::MAX_BYTES {
            break;
        }
    }
    proofs.push((digest.clone(), Proof::Attestations(documents)));
    Ok(proofs)
}

/// The layers of an attestation manifest that are fetched: its provenance, or if it has none its smallest.
fn enough(mut layers: Vec<Descriptor>) -> Vec<Descriptor> {
    let is_provenance = |layer: &Descriptor| {
        let kind = layer.annotations.get("in-toto.io/predicate-type");
        kind.is_some_and(|kind| kind.starts_with("https://slsa.dev/provenance/"))
    };
    layers.sort_by_key(|layer| (!is_provenance(layer), layer.size));
    let count = layers.iter().filter(|layer| is_provenance(layer)).count();
    layers.truncate(count.max(1));
    layers
}

struct Gatherer<'a> {
    client: &'a Client,
    repository: &'a Repository,
    /// Layers already taken: digest and signature.
    seen: BTreeSet<(Digest, Option<String>)>,
    bytes: usize,
    stopped: bool,
    found: Collected,
}

impl<'a> Gatherer<'a> {
    fn new(client: &'a Client, repository: &'a Repository) -> Self {
        Self {
            client,
            repository,
            seen: BTreeSet::new(),
            bytes: 0,
            stopped: false,
            found: Collected::default(),
        }
    }
}

impl Gatherer<'_> {
    fn tagged(&mut self, tag: String) -> Result<(), Error> {
        match self.client.manifest(self.repository, &Reference::Tag(tag)) {
            Ok(manifest) => self.layers(manifest.document),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn referring(&mut self, digest: &Digest) -> Result<(), Error> {
        for (index, descriptor) in self.referrers(digest)?.into_iter().enumerate() {
            if self.full(index) {
                break;
            }
            let wanted = Reference::Digest(descriptor.digest);
            let result = self.client.manifest(self.repository, &wanted);
            if let Some(manifest) = self.usable(result)? {
                self.layers(manifest.document)?;
            }
        }
        Ok(())
    }

    /// Whether enough was read; the first time it says so.
    fn full(&mut self, artifacts: usize) -> bool {
        let full = self.found.signatures.len() >= MAX_SIGNATURES
            || self.bytes >= MAX_BYTES
            || self.found.skipped.len() >= MAX_SKIPPED
            || artifacts >= MAX_ARTIFACTS;
        if full && !self.stopped {
            self.stopped = true;
            self.found.skipped.push(format!(
                "there are more than {MAX_SIGNATURES} signatures, {MAX_ARTIFACTS} artifacts or {} MiB; the rest was not read",
                MAX_BYTES >> 20
            ));
        }
        full
    }

    /// `Ok(None)` if what is there is of no use; `Err` if it is not known what is there.
    fn usable<T>(&mut self, result: Result<T, Error>) -> Result<Option<T>, Error> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) => match error.cause {
                Cause::NotFound
                | Cause::Digest { .. }
                | Cause::TooLarge { .. }
                | Cause::Malformed { .. } => {
                    self.found.skipped.push(error.to_string());
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    }

    /// Signature artifacts that refer to the image, the likeliest first, each once.
    fn referrers(&mut self, digest: &Digest) -> Result<Vec<Descriptor>, Error> {
        let mut all = Vec::new();
        for artifact_type in [
            media_type::BUNDLE,
            media_type::COSIGN_REFERRER,
            media_type::EMPTY,
            notation::ARTIFACT_TYPE,
        ] {
            let result = self
                .client
                .referrers(self.repository, digest, artifact_type);
            let (found, filtered) = result?;
            all.extend(found);
            if !filtered {
                break;
            }
        }
        let mut known = BTreeSet::new();
        all.retain(|descriptor| {
            likely(descriptor.artifact_type.as_deref()) && known.insert(descriptor.digest.clone())
        });
        let predicate = |descriptor: &Descriptor| {
            descriptor
                .annotations
                .get("dev.sigstore.bundle.predicateType")
                .cloned()
        };
        all.sort_by_key(|descriptor| {
            predicate(descriptor).is_some_and(|kind| kind != SIGN_PREDICATE)
        });
        Ok(all)
    }

    fn layers(&mut self, document: Document) -> Result<(), Error> {
        for layer in document.layers {
            let simple = layer.media_type == media_type::SIMPLE_SIGNING;
            let envelope = notation::Proof::new(&layer.media_type, Vec::new()).is_some();
            let attestation = layer.media_type == cosign::ENVELOPE_TYPE;
            if !simple && !envelope && !attestation && !is_bundle(&layer.media_type) {
                continue;
            }
            if self.full(0) {
                break;
            }
            let mut annotations = layer.annotations;
            let signature = annotations.remove("dev.cosignproject.cosign/signature");
            if simple && signature.is_none() {
                self.found.skipped.push(format!(
                    "{} of {} has no signature",
                    layer.digest, self.repository
                ));
                continue;
            }
            if !self.seen.insert((layer.digest.clone(), signature.clone())) {
                continue;
            }
            let result = self.client.blob(self.repository, &layer.digest);
            let Some(bytes) = self.usable(result)? else {
                continue;
            };
            let mut take = |name: &str| annotations.remove(&format!("dev.sigstore.cosign/{name}"));
            let item = match signature {
                Some(signature) if simple => RawSignature::Cosign {
                    payload: bytes,
                    signature,
                    certificate: take("certificate"),
                    chain: take("chain"),
                    bundle: take("bundle"),
                    timestamp: take("rfc3161timestamp"),
                },
                _ if envelope => match notation::Proof::new(&layer.media_type, bytes) {
                    Some(envelope) => RawSignature::Notation(envelope),
                    None => continue,
                },
                _ if attestation => {
                    let parts = [
                        take("certificate"),
                        take("bundle"),
                        take("rfc3161timestamp"),
                    ];
                    let [certificate, log, stamp] = parts.each_ref().map(Option::as_deref);
                    match cosign::attestation(&bytes, certificate, log, stamp) {
                        Ok(json) => RawSignature::Bundle { json },
                        Err(failure) => {
                            let skipped =
                                format!("{} of {}: {failure}", layer.digest, self.repository);
                            self.found.skipped.push(skipped);
                            continue;
                        }
                    }
                }
                _ => RawSignature::Bundle { json: bytes },
            };
            self.bytes = self.bytes.saturating_add(item.size());
            self.found.signatures.push(item);
        }
        Ok(())
    }
}

impl RawSignature {
    fn size(&self) -> usize {
        match self {
            Self::Bundle { json } => json.len(),
            Self::Notation(envelope) => envelope.parts().1.len(),
            Self::Cosign {
                payload,
                signature,
                certificate,
                chain,
                bundle,
                timestamp,
            } => {
                let optional = [certificate, chain, bundle, timestamp]
                    .into_iter()
                    .flatten()
                    .map(String::len);
                payload
                    .len()
                    .saturating_add(signature.len())
                    .saturating_add(optional.sum())
            }
        }
    }
}

/// Whether an artifact of this type may hold a signature; its layers then tell.
///
/// cosign writes a bundle into the fallback tag with the type of the artifact's empty config, as registries
/// that know no `artifactType` of manifests list it too.
fn likely(artifact_type: Option<&str>) -> bool {
    artifact_type.is_none_or(|kind| {
        is_bundle(kind)
            || [
                media_type::COSIGN_REFERRER,
                media_type::EMPTY,
                notation::ARTIFACT_TYPE,
            ]
            .contains(&kind)
    })
}

/// Any version: which ones are good is for the verifier to say.
fn is_bundle(media_type: &str) -> bool {
    media_type
        .strip_prefix("application/vnd.dev.sigstore.bundle")
        .is_some_and(|rest| rest.starts_with('.') || rest.starts_with('+'))
}
