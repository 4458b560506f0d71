//! Images: from a reference to digest and configuration, and to signatures.

use serde::Deserialize;

use super::{Live, QUESTION};
use crate::{
    digest::Digest,
    fetch::{ImageConfig, Platform},
    reference::ImageReference,
    resolve::{
        Image, ResolveError, config,
        registry::{
            self, Cause, Client, Document, For, Reference, Repository,
            signatures::{self, Place},
        },
    },
    verify::Proof,
};

/// How often an index may lead to an index.
const MAX_DEPTH: usize = 4;

/// A manifest or index as it was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    digest: Digest,
    document: std::rc::Rc<Document>,
}

/// An image's configuration, and when it was made.
#[derive(Clone, Debug)]
pub(super) struct Config {
    config: ImageConfig,
    made: Option<jiff::Timestamp>,
}

impl Live {
    pub(super) async fn resolve_image(
        &self,
        reference: &ImageReference,
        platform: &Platform,
    ) -> Result<Image, ResolveError> {
        let wanted = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => Reference::Digest(digest.clone()),
            (None, tag) => Reference::Tag(tag.unwrap_or("latest").to_owned()),
        };
        let first = self.manifest(reference, wanted).await?;
        let mut found = first.clone();
        for _ in 0..MAX_DEPTH {
            if let Some(descriptor) = &found.document.config {
                let config = self.config(reference, &descriptor.digest).await?;
                if let Some(made) = config.made {
                    self.made
                        .borrow_mut()
                        .insert(first.digest.to_string(), made);
                }
                return Ok(Image {
                    digest: first.digest,
                    config: config.config,
                });
            }
            let entry = choose(&found.document, platform).ok_or_else(|| ResolveError::Failed {
                cause: format!(
                    "it has no image for {platform}; {}",
                    offered(&found.document)
                ),
                next: "choose one of these platforms, or another image".to_owned(),
            })?;
            found = self.manifest(reference, Reference::Digest(entry)).await?;
        }
        Err(ResolveError::Failed {
            cause: "its index leads to an index, and so on".to_owned(),
            next: "check the image".to_owned(),
        })
    }

    async fn manifest(
        &self,
        reference: &ImageReference,
        wanted: Reference,
    ) -> Result<Found, ResolveError> {
        let name = match &wanted {
            Reference::Tag(tag) => tag.clone(),
            Reference::Digest(digest) => digest.to_string(),
        };
        let make = async || {
            let found = self
                .at_registry(reference, move |client, repository| {
                    client.manifest(repository, &wanted).map(Some)
                })
                .await?;
            Ok(Found {
                digest: found.digest,
                document: std::rc::Rc::new(found.document),
            })
        };
        self.manifests
            .get((reference.repository(), name), make)
            .await
    }

    async fn config(
        &self,
        reference: &ImageReference,
        digest: &Digest,
    ) -> Result<Config, ResolveError> {
        let make = async || {
            let wanted = digest.clone();
            let bytes = self
                .at_registry(reference, move |client, repository| {
                    client.blob(repository, &wanted).map(Some)
                })
                .await?;
            let config = config::parse(&bytes).map_err(|cause| ResolveError::Failed {
                cause,
                next: "use an image with an OCI image configuration".to_owned(),
            })?;
            Ok(Config {
                config,
                made: made(&bytes),
            })
        };
        self.configs
            .get((reference.repository(), digest.clone()), make)
            .await
    }

    pub(super) async fn collect_signatures(
        &self,
        reference: &ImageReference,
        digest: &Digest,
    ) -> Result<Vec<Proof>, ResolveError> {
        let make = async || {
            let parts = Place::ALL.map(|place| self.part(reference, digest, place));
            let parts = futures_util::future::try_join_all(parts).await?;
            let mut proofs: Vec<Proof> = Vec::new();
            for found in parts.into_iter().flatten() {
                if !proofs.contains(&found) {
                    proofs.push(found);
                }
            }
            Ok(proofs)
        };
        self.proofs
            .get((reference.repository(), digest.clone()), make)
            .await
    }

    pub(super) async fn collect_attestations(
        &self,
        reference: &ImageReference,
        digest: &Digest,
    ) -> Result<Vec<(Digest, Proof)>, ResolveError> {
        let make = async || {
            let of = digest.clone();
            self.at_registry(reference, move |client, repository| {
                let found = signatures::attestations(client, repository, &of)?;
                // A mirror may have the image and not its signatures.
                let enough = found.len() > 1 || !repository.is_mirror();
                Ok(enough.then_some(found))
            })
            .await
        };
        self.attestations
            .get((reference.repository(), digest.clone()), make)
            .await
    }

    /// Signatures at one place.
    async fn part(
        &self,
        reference: &ImageReference,
        digest: &Digest,
        place: Place,
    ) -> Result<Vec<Proof>, ResolveError> {
        let of = digest.clone();
        let found = self
            .at_registry(reference, move |client, repository| {
                let found = signatures::collect(client, repository, &of, &[place])?;
                // A mirror may have the image and not its signatures.
                let enough = !found.signatures.is_empty() || !repository.is_mirror();
                Ok(enough.then_some(found))
            })
            .await?;
        Ok(found.signatures.into_iter().map(Proof::from).collect())
    }

    /// The digest of what `reference` names now: what can be asked for with it need not wait for the rest.
    pub(super) async fn digest_of(
        &self,
        reference: &ImageReference,
    ) -> Result<Digest, ResolveError> {
        let tag = reference.tag().unwrap_or("latest").to_owned();
        Ok(self.manifest(reference, Reference::Tag(tag)).await?.digest)
    }

    /// Asks the mirrors of the registry, if there are, then the registry itself. `Ok(None)`: ask the next.
    async fn at_registry<T: Send + 'static>(
        &self,
        reference: &ImageReference,
        work: impl Fn(&Client, &Repository) -> Result<Option<T>, registry::Error> + Send + 'static,
    ) -> Result<T, ResolveError> {
        let own = Repository::of(reference).map_err(failed)?;
        let mut places = self.machine.mirrors(&own);
        let host = places.first().unwrap_or(&own).host().to_owned();
        places.push(own);
        self.ask(&host, &reference.familiar(), QUESTION, move |client| {
            let mut last = None;
            for place in &places {
                match work(&client, place) {
                    Ok(Some(found)) => return Ok(found),
                    Ok(None) => {}
                    Err(error) => last = Some(error),
                }
            }
            Err(last.map_or_else(|| super::internal("no registry was asked"), failed))
        })
        .await
    }
}

/// What the registry's client says, as cause and next step.
pub(super) fn failed(error: registry::Error) -> ResolveError {
    let text = error.to_string();
    let (cause, next) = text.rsplit_once("; ").unwrap_or((&text, ""));
    let next = match &error.cause {
        Cause::Unauthorized {
            host, sent: false, ..
        } => format!("log in: docker login {host}"),
        _ if next.is_empty() => "check the registry".to_owned(),
        _ => next.to_owned(),
    };
    ResolveError::Failed {
        cause: cause.to_owned(),
        next,
    }
}

/// The entry of an index that containerd takes for `platform`: the best of those that run there.
///
/// Source: containerd's `platforms` package (`compare.go`, `platformVector`).
fn choose(index: &Document, platform: &Platform) -> Option<Digest> {
    let wanted = accepted(platform);
    let rank = |entry: &For| {
        let entry = Platform::new(&entry.os, &entry.architecture, &entry.variant).normalize();
        wanted.iter().position(|wanted| *wanted == entry)
    };
    index
        .manifests
        .iter()
        .filter_map(|entry| Some((rank(entry.platform.as_ref()?)?, entry)))
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, entry)| entry.digest.clone())
}

/// The platforms whose images run on `platform`, the best first.
fn accepted(platform: &Platform) -> Vec<Platform> {
    let platform = platform.normalize();
    let like = |architecture: &str, variant: &str| {
        Platform::new(&platform.os, architecture, variant).normalize()
    };
    let number = |default: u8| match platform.variant.as_str() {
        "" => default,
        variant => variant.trim_start_matches('v').parse().unwrap_or(default),
    };
    let mut all = vec![like(&platform.architecture, &platform.variant)];
    match platform.architecture.as_str() {
        "amd64" => {
            all.extend(
                (1..number(1))
                    .rev()
                    .map(|n| like("amd64", &format!("v{n}"))),
            );
            all.push(like("386", ""));
        }
        "arm" => all.extend((5..number(7)).rev().map(|n| like("arm", &format!("v{n}")))),
        "arm64" => {
            all.extend(
                (8..number(8))
                    .rev()
                    .map(|n| like("arm64", &format!("v{n}"))),
            );
            all.extend((5..=8).rev().map(|n| like("arm", &format!("v{n}"))));
        }
        _ => {}
    }
    all
}

fn offered(index: &Document) -> String {
    let mut names: Vec<String> = index
        .manifests
        .iter()
        .filter_map(|entry| entry.platform.as_ref())
        .filter(|entry| entry.os != "unknown")
        .map(|entry| Platform::new(&entry.os, &entry.architecture, &entry.variant).short())
        .collect();
    names.sort();
    names.dedup();
    names.truncate(20);
    if names.is_empty() {
        return "it names none".to_owned();
    }
    format!("it has {}", super::plain(&names.join(", ")))
}

/// When the image was made, as its configuration says. Images made reproducibly say 1970.
fn made(config: &[u8]) -> Option<jiff::Timestamp> {
    #[derive(Deserialize)]
    struct Created {
        created: Option<String>,
    }
    let created: Created = serde_json::from_slice(config).ok()?;
    let made: jiff::Timestamp = created.created?.parse().ok()?;
    (made.as_second() > 0).then_some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> Document {
        let entries: Vec<String> = platforms
            .iter()
            .map(|text| {
                let mut parts = text.split('/');
                let mut next = || parts.next().unwrap_or_default();
                format!(
                    r#"{{"mediaType":"m","digest":"{}","platform":{{"os":"{}","architecture":"{}","variant":"{}"}}}}"#,
                    Digest::sha256(text.as_bytes()), next(), next(), next()
                )
            })
            .collect();
        serde_json::from_str(&format!(r#"{{"manifests":[{}]}}"#, entries.join(","))).unwrap()
    }

    #[test]
    fn platforms_are_chosen_as_containerd_does() {
        let all = [
            "linux/386",
            "linux/amd64",
            "linux/arm/v5",
            "linux/arm/v7",
            "linux/arm64/v8",
            "windows/amd64",
            "unknown/unknown",
        ];
        for (wanted, chosen) in [
            ("linux/amd64", Some("linux/amd64")),
            ("linux/amd64/v3", Some("linux/amd64")),
            ("linux/arm64", Some("linux/arm64/v8")),
            ("linux/arm/v7", Some("linux/arm/v7")),
            ("linux/arm/v6", Some("linux/arm/v5")),
            ("linux/386", Some("linux/386")),
            ("linux/s390x", None),
            ("windows/arm64", None),
        ] {
            let host = Platform::new("linux", "amd64", "");
            let platform = Platform::parse(wanted, &host).unwrap();
            let expected = chosen.map(|text| Digest::sha256(text.as_bytes()));
            assert_eq!(choose(&index(&all), &platform), expected, "{wanted}");
        }
        let host = Platform::new("linux", "amd64", "");
        assert!(choose(&index(&["linux/386"]), &host).is_some());
        assert_eq!(
            offered(&index(&all)),
            "it has linux/386, linux/amd64, linux/arm/v5, linux/arm/v7, linux/arm64/v8, windows/amd64"
        );
    }

    #[test]
    fn times_are_read_where_they_mean_something() {
        assert!(made(br#"{"created":"2026-01-02T03:04:05.678Z"}"#).is_some());
        for none in [
            "{}",
            r#"{"created":"1970-01-01T00:00:00Z"}"#,
            r#"{"created":"x"}"#,
            "[",
        ] {
            assert!(made(none.as_bytes()).is_none(), "{none}");
        }
    }
}
