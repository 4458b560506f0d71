//! Solving, and what comes of it.

use std::collections::BTreeMap;

use super::{
    error::Error,
    proto::{self, Attestation, CacheOptionsEntry, Policy, Ref},
};

/// What to solve.
#[derive(Debug, Clone, PartialEq)]
pub struct SolveRequest {
    /// The definition, or the frontend that makes one.
    pub subject: Subject,
    /// Build now. Otherwise nothing of the result runs before it is needed.
    pub evaluate: bool,
    /// Caches to take results from. For a frontend give its option `cache-imports` instead.
    pub cache_imports: Vec<CacheOptionsEntry>,
    /// Rules for the sources of the definition. They don't reach what a nested frontend solves.
    pub source_policies: Vec<Policy>,
}

/// The definition, or the frontend that makes one.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    /// An encoded `pb.Definition`.
    Definition(Vec<u8>),
    /// A frontend.
    Frontend {
        /// `dockerfile.v0`, or `gateway.v0` with the option `source`.
        name: String,
        /// Its options. Give `cmdline`, or `dockerfile.v0` follows `# syntax=` and starts this frontend again, without end.
        options: BTreeMap<String, String>,
        /// An encoded `pb.Definition` by name.
        inputs: BTreeMap<String, Vec<u8>>,
    },
}

impl SolveRequest {
    /// Solves a definition, lazily.
    #[must_use]
    pub fn definition(definition: Vec<u8>) -> Self {
        Self::new(Subject::Definition(definition))
    }

    /// Has a frontend make the definition, lazily.
    #[must_use]
    pub fn frontend(
        name: &str,
        options: BTreeMap<String, String>,
        inputs: BTreeMap<String, Vec<u8>>,
    ) -> Self {
        Self::new(Subject::Frontend {
            name: name.to_owned(),
            options,
            inputs,
        })
    }

    fn new(subject: Subject) -> Self {
        Self {
            subject,
            evaluate: false,
            cache_imports: Vec::new(),
            source_policies: Vec::new(),
        }
    }

    pub(super) fn into_proto(self) -> proto::SolveRequest {
        let request = proto::SolveRequest {
            allow_result_return: true,
            allow_result_array_ref: true,
            cache_imports: self.cache_imports,
            evaluate: self.evaluate,
            source_policies: self.source_policies,
            ..Default::default()
        };
        match self.subject {
            Subject::Definition(definition) => proto::SolveRequest {
                definition: Some(definition),
                ..request
            },
            Subject::Frontend {
                name,
                options,
                inputs,
            } => proto::SolveRequest {
                frontend: name,
                frontend_opt: options,
                frontend_inputs: inputs,
                ..request
            },
        }
    }
}

/// What a solve yields and a frontend returns. Returned as it came, it is the same to the daemon: its references by their
/// identifiers, metadata and attestations byte for byte. Fields that BuildKit v0.32 doesn't have are
/// dropped, so what they might name is not returned.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildResult {
    /// The file systems.
    pub refs: Refs,
    /// Image configurations and so on. With several platforms, keys end in `/` and the platform's identifier.
    pub metadata: BTreeMap<String, Vec<u8>>,
    /// Attestations by platform identifier.
    pub attestations: BTreeMap<String, Vec<Attestation>>,
}

/// The file systems of a result.
#[derive(Debug, Clone, PartialEq)]
pub enum Refs {
    /// One: one platform, or a subrequest's answer, which has an empty one.
    Single(Ref),
    /// By platform identifier. Never make up the identifiers: `refs.platforms` in the metadata must have the same.
    Map(BTreeMap<String, Ref>),
}

impl Ref {
    /// Whether this is the empty file system, which has neither identifier nor definition.
    #[must_use]
    pub fn is_scratch(&self) -> bool {
        self.id.is_empty()
    }
}

impl BuildResult {
    /// The answer to a subrequest: metadata and no file system.
    #[must_use]
    pub fn metadata(metadata: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            refs: Refs::Single(Ref::default()),
            metadata,
            attestations: BTreeMap::new(),
        }
    }

    /// Every reference in the result, with words for where it is: each will be built, so each is to be audited.
    pub fn all_refs(&self) -> impl Iterator<Item = (String, &Ref)> {
        let (single, map) = match &self.refs {
            Refs::Single(single) => (Some(("the result".to_owned(), single)), None),
            Refs::Map(map) => (None, Some(map)),
        };
        let map = map
            .into_iter()
            .flatten()
            .map(|(platform, r)| (format!("the result for {platform}"), r));
        let attestations = self
            .attestations
            .iter()
            .flat_map(|(platform, attestations)| {
                let refs = attestations
                    .iter()
                    .filter_map(|attestation| attestation.r#ref.as_ref());
                refs.map(move |r| (format!("an attestation for {platform}"), r))
            });
        single.into_iter().chain(map).chain(attestations)
    }

    pub(super) fn from_proto(result: Option<proto::Result>) -> Result<Self, Error> {
        let unusable = |reason: String| Error::Answer {
            call: "Solve",
            reason,
        };
        let result = result.ok_or_else(|| unusable("it has no result".to_owned()))?;
        let refs = match result.refs {
            Some(proto::result::Refs::Single(single)) => Refs::Single(single),
            Some(proto::result::Refs::Map(map)) => Refs::Map(map.refs),
            Some(proto::result::Refs::LegacySingle(_) | proto::result::Refs::LegacyMap(_)) => {
                return Err(unusable(
                    "it has references without definitions, as before BuildKit v0.8".to_owned(),
                ));
            }
            None => return Err(unusable("its result has no references".to_owned())),
        };
        let attestations = result
            .attestations
            .into_iter()
            .map(|(platform, list)| (platform, list.attestation))
            .collect();
        let result = Self {
            refs,
            metadata: result.metadata,
            attestations,
        };
        for (place, r) in result.all_refs() {
            // Without its definition nobody can say what the reference would run.
            let defined = r
                .definition
                .as_ref()
                .is_some_and(|definition| !definition.is_empty());
            if defined == r.is_scratch() {
                return Err(unusable(format!(
                    "{place} has only one of identifier and definition"
                )));
            }
        }
        Ok(result)
    }

    /// Without definitions: the daemon takes only identifiers, and definitions can be larger than a request may be.
    pub(super) fn into_proto(mut self) -> proto::Result {
        let attested = self
            .attestations
            .values_mut()
            .flatten()
            .filter_map(|attestation| attestation.r#ref.as_mut());
        match &mut self.refs {
            Refs::Single(single) => single.definition = None,
            // A map entry whose value has no fields is written without the value, and the daemon's decoder makes a nil
            // reference of that, which it then uses: an empty definition, which it ignores, keeps the value there.
            Refs::Map(map) => map
                .values_mut()
                .for_each(|r| r.definition = r.is_scratch().then(Vec::new)),
        }
        attested.for_each(|r| r.definition = None);
        proto::Result {
            refs: Some(match self.refs {
                Refs::Single(single) => proto::result::Refs::Single(single),
                Refs::Map(refs) => proto::result::Refs::Map(proto::RefMap { refs }),
            }),
            metadata: self.metadata,
            attestations: self
                .attestations
                .into_iter()
                .map(|(platform, attestation)| (platform, proto::Attestations { attestation }))
                .collect(),
        }
    }
}
