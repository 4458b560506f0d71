//! The stock Dockerfile frontend, asked to turn the rewritten file into LLB. Nothing of the build runs by that.
//!
//! Traps, each read in BuildKit's sources and shown by a test:
//! - without `cmdline` it would follow `# syntax=` to us again, without end;
//! - with a remote `context` it would ignore the file it is given, and build the one in that context;
//! - a named context could replace the nested frontend itself, or what was pinned.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::{
    Failure,
    failure::at_own_lines,
    options::Options,
    source::{self, Sources},
};
use crate::{
    gateway::{BuildResult, CacheOptionsEntry, Client, Error, Ref, Refs, SolveRequest},
    llb::{
        audit::SourceFile,
        build::{Graph, NewFile, isolate, replace_source_file},
        definition::Definition,
    },
    pipeline::PlatformOutcome,
    resolve::buildkit::TRANSFER,
    rewrite::edit::Edited,
};

/// Key of a result's metadata that lists its platforms.
pub(super) const PLATFORMS: &str = "refs.platforms";

/// The frontend that is nested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stock {
    /// The one inside BuildKit.
    BuiltIn,
    /// One in an image, canonical with its digest: `docker.io/docker/dockerfile:1@sha256:...`.
    Image(String),
}

/// What is the same for every platform of a build.
#[derive(Debug)]
pub struct Nested<'a> {
    /// The connection.
    pub client: &'a Client,
    /// The options of the build.
    pub options: &'a Options,
    /// What the client passed as inputs.
    pub inputs: &'a BTreeMap<String, Vec<u8>>,
    /// The Dockerfile and what is beside it.
    pub sources: &'a Sources,
    /// The SBOM scanner, pinned, as a value of `attest:sbom`.
    pub sbom: Option<&'a str>,
    /// Which frontend.
    pub stock: &'a Stock,
}

impl Nested<'_> {
    /// The options of the nested frontend for what is in `built`.
    fn options(
        &self,
        built: &PlatformOutcome,
        platforms: Option<&[String]>,
    ) -> BTreeMap<String, String> {
        let mut options: BTreeMap<String, String> = self
            .options
            .raw()
            .iter()
            .filter(|(name, _)| {
                !name.starts_with("context:")
                    && !Options::asks_for_sbom(name)
                    && name.as_str() != "source"
                    && name.as_str() != "dockerfilekey"
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if self.sources.context.is_some() && self.options.remote_context().is_some() {
            let url = options
                .remove(self.options.context_option())
                .unwrap_or_default();
            options.insert("input:context".to_owned(), url);
            options.remove("contextkey");
            options.remove("context");
        }
        options.insert("filename".to_owned(), self.sources.filename.clone());
        known_capabilities(&mut options);
        options.entry("cmdline".to_owned()).or_default();
        for (key, value) in &built.contexts {
            options.insert(format!("context:{key}"), value.clone());
        }
        if let Some(sbom) = self.sbom {
            options.insert("attest:sbom".to_owned(), sbom.to_owned());
        }
        if built.force_no_network {
            options.insert("force-network-mode".to_owned(), "none".to_owned());
        }
        if let Some(platforms) = platforms {
            options.insert("platform".to_owned(), platforms.join(","));
            options.remove("build-arg:BUILDKIT_MULTI_PLATFORM");
            options.insert("multi-platform".to_owned(), "true".to_owned());
        }
        if let Stock::Image(reference) = self.stock {
            options.insert("source".to_owned(), reference.clone());
        }
        options
    }

    /// The inputs of the nested frontend: the client's, the fixed context, and `dockerfile`.
    fn inputs(&self, dockerfile: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
        let mut inputs = self.inputs.clone();
        let mut files = vec![NewFile::new(
            self.sources.filename.as_str(),
            dockerfile.to_vec(),
        )];
        if let Some(ignore) = &self.sources.ignore {
            files.push(NewFile::new(
                format!("{}.dockerignore", self.sources.filename),
                ignore.clone(),
            ));
        }
        let mut graph = Graph::default();
        let made = graph
            .files(&files, "[internal] load verified Dockerfile")
            .map_err(|error| {
                Failure::Gateway(Error::Answer {
                    call: "Inputs",
                    reason: error.to_string(),
                })
            })?;
        inputs.insert("dockerfile".to_owned(), graph.finish(&made).encode());
        if let Some(context) = &self.sources.context {
            inputs.insert("context".to_owned(), context.clone());
        }
        Ok(inputs)
    }

    fn frontend(&self) -> &'static str {
        match self.stock {
            Stock::BuiltIn => "dockerfile.v0",
            Stock::Image(_) => "gateway.v0",
        }
    }

    /// Has the stock frontend convert `built`; for `platforms` only, if the platforms of this build differ in their text.
    pub async fn solve(
        &self,
        built: &PlatformOutcome,
        platforms: Option<&[String]>,
    ) -> Result<BuildResult, Failure> {
        let request = SolveRequest::frontend(
            self.frontend(),
            self.options(built, platforms),
            self.inputs(&built.rewritten.bytes)?,
        );
        self.client
            .solve(request, TRANSFER)
            .await
            .map_err(|error| match error {
                Error::Status(status) => {
                    Failure::Status(at_own_lines(status, self.sources, &built.rewritten))
                }
                other => Failure::Gateway(other),
            })
    }

    /// What the stock frontend says of the file as the user wrote it: an error, if there is one.
    pub async fn complaint(&self, contexts: BTreeMap<String, String>) -> Option<Failure> {
        let untouched = PlatformOutcome {
            platform: crate::fetch::Platform::new("linux", "amd64", ""),
            plan: crate::fetch::Plan::default(),
            fetches: Vec::new(),
            without_network: Vec::new(),
            rewritten: crate::rewrite::edit::unchanged(&self.sources.dockerfile),
            contexts,
            force_no_network: false,
        };
        self.solve(&untouched, None).await.err()
    }
}

/// Leaves out the capabilities that a client only asks for where a frontend can pass the build on to a newer one. The
/// nested frontend is the last one, and an older one would refuse what it does not know.
///
/// Source: BuildKit `frontend/dockerfile/builder/caps.go`: the suffix `+forward`.
pub(super) fn known_capabilities(options: &mut BTreeMap<String, String>) {
    let Some(caps) = options.get_mut("frontend.caps") else {
        return;
    };
    let kept: Vec<&str> = caps
        .split(',')
        .filter(|cap| !cap.ends_with("+forward"))
        .collect();
    *caps = kept.join(",");
    if caps.is_empty() {
        options.remove("frontend.caps");
    }
}

/// Takes the network from the scanner of an SBOM, which BuildKit runs beside the build: it sees all of the result, and
/// needs nothing from outside.
///
/// The graphs are changed before they are audited, and are solved as they were audited.
pub fn without_network(result: &mut BuildResult, scanner: &str) -> Result<(), Failure> {
    let attestations = result.attestations.values_mut().flatten();
    for reference in attestations.filter_map(|attestation| attestation.r#ref.as_mut()) {
        let Some(bytes) = &mut reference.definition else {
            continue;
        };
        let mut definition = decode(bytes)?;
        isolate(&mut definition, scanner);
        *bytes = definition.encode();
    }
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<Definition, Failure> {
    Definition::decode(bytes).map_err(|error| broken(error.to_string()))
}

/// The same result, whose graphs name the user's own file instead of the rewritten one, so that an error while it runs
/// shows the user's own lines.
///
/// The operations, and so the cache, are the same.
pub async fn with_own_file(
    client: &Client,
    mut result: BuildResult,
    sources: &Sources,
    rewritten: &Edited,
    cache_imports: &[CacheOptionsEntry],
) -> Result<BuildResult, Failure> {
    let references: Vec<&mut Ref> = match &mut result.refs {
        Refs::Single(reference) => vec![reference],
        Refs::Map(map) => map.values_mut().collect(),
    };
    let attested = result
        .attestations
        .values_mut()
        .flatten()
        .filter_map(|attestation| attestation.r#ref.as_mut());
    let theirs = SourceFile {
        filename: sources.filename.clone(),
        data: rewritten.bytes.clone(),
    };
    let own = SourceFile {
        filename: sources.filename.clone(),
        data: sources.dockerfile.clone(),
    };
    let renamed = references.into_iter().chain(attested).map(|reference| {
        let (theirs, own, loader) = (&theirs, &own, sources.loader.as_slice());
        async move {
            let Some(bytes) = &reference.definition else {
                return Ok::<(), Failure>(());
            };
            let mut definition = decode(bytes)?;
            replace_source_file(&mut definition, theirs, own, Some(loader), &|line| {
                rewritten.original_line(line)
            });
            let mut request = SolveRequest::definition(definition.encode());
            request.cache_imports = cache_imports.to_vec();
            *reference = source::single(client.solve(request, TRANSFER).await?.refs)?;
            Ok(())
        }
    });
    for outcome in join_all(renamed).await {
        outcome?;
    }
    Ok(result)
}

/// The refusal of a result that no frontend gives.
pub(super) fn broken(reason: String) -> Failure {
    Failure::Gateway(Error::Answer {
        call: "Solve",
        reason,
    })
}

/// Several results, each for some of the platforms, as one.
pub fn merge(results: Vec<BuildResult>) -> Result<BuildResult, Failure> {
    let mut refs = BTreeMap::new();
    let mut merged = BuildResult::metadata(BTreeMap::new());
    let mut platforms: Vec<serde_json::Value> = Vec::new();
    for result in results {
        let Refs::Map(map) = result.refs else {
            return Err(broken(
                "a result for several platforms has only one".to_owned(),
            ));
        };
        refs.extend(map);
        merged.attestations.extend(result.attestations);
        for (key, value) in result.metadata {
            if key != PLATFORMS {
                merged.metadata.insert(key, value);
                continue;
            }
            let list: serde_json::Value =
                serde_json::from_slice(&value).map_err(|error| broken(error.to_string()))?;
            let list = list.get("Platforms").and_then(|list| list.as_array());
            platforms.extend(
                list.ok_or_else(|| broken(format!("{PLATFORMS} lists no platforms")))?
                    .iter()
                    .cloned(),
            );
        }
    }
    let list = serde_json::json!({ "Platforms": platforms });
    merged
        .metadata
        .insert(PLATFORMS.to_owned(), list.to_string().into_bytes());
    merged.refs = Refs::Map(refs);
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(platform: &str) -> BuildResult {
        let reference = Ref {
            id: platform.into(),
            definition: Some(vec![1]),
        };
        BuildResult {
            refs: Refs::Map(BTreeMap::from([(platform.to_owned(), reference)])),
            metadata: BTreeMap::from([
                (format!("containerimage.config/{platform}"), b"{}".to_vec()),
                (
                    PLATFORMS.to_owned(),
                    format!("{{\"Platforms\":[{{\"ID\":\"{platform}\"}}]}}").into_bytes(),
                ),
            ]),
            attestations: BTreeMap::new(),
        }
    }

    #[test]
    fn results_of_several_platforms_become_one_in_order() {
        let merged = merge(vec![part("linux/s390x"), part("linux/amd64")]).unwrap();
        assert_eq!(merged.all_refs().count(), 2);
        let platforms = String::from_utf8(merged.metadata[PLATFORMS].clone()).unwrap();
        assert_eq!(
            platforms,
            r#"{"Platforms":[{"ID":"linux/s390x"},{"ID":"linux/amd64"}]}"#
        );
        assert!(
            merged
                .metadata
                .contains_key("containerimage.config/linux/s390x")
        );
    }

    #[test]
    fn capabilities_to_pass_on_are_not_asked_of_the_last_frontend() {
        let mut options =
            BTreeMap::from([("frontend.caps".to_owned(), "a.b,c+forward".to_owned())]);
        known_capabilities(&mut options);
        assert_eq!(options["frontend.caps"], "a.b");
        options.insert("frontend.caps".to_owned(), "c+forward".to_owned());
        known_capabilities(&mut options);
        assert!(options.is_empty());
    }

    #[test]
    fn a_part_without_platforms_is_no_part() {
        let mut single = part("linux/amd64");
        single.refs = Refs::Single(Ref::default());
        assert!(merge(vec![single]).is_err());
        let mut unlisted = part("linux/amd64");
        unlisted
            .metadata
            .insert(PLATFORMS.to_owned(), b"{}".to_vec());
        assert!(merge(vec![unlisted]).is_err());
    }
}
