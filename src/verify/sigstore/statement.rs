//! in-toto statements: what is said of which artifact.
//!
//! Statements come signed in a DSSE envelope; nothing here is looked at before the signature holds. cosign's own statement is read
//! strictly ([`Claim::Signature`]); others have keys that this program does not know, which the in-toto specification wants ignored.
//!
//! | provenance | builder | repository and ref |
//! | --- | --- | --- |
//! | `https://slsa.dev/provenance/v0.2` | `builder.id` | `invocation.configSource.uri` |
//! | `https://slsa.dev/provenance/v1` | `runDetails.builder.id` | `buildDefinition.externalParameters`: `workflow`, `source.uri` or `configSource.uri` |
//!
//! The repository is compared without `git+` in front, `.git` at the end, and the ref after `@` or `#`. A certificate that names
//! a source repository and ref itself (Fulcio's extensions 12 and 14) must agree with what the policy expects, too.
//!
//! Source: in-toto Statement v1 and v0.1, SLSA provenance v1 and v0.2, Fulcio's `docs/oid-info.md`; GitHub's, slsa-github-generator's
//! and BuildKit's descriptions of their build types for where the source is.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Claim, Matcher};
use crate::{
    digest::Digest,
    verify::{Failure, bundle, json, shown},
};

/// The predicate type of a statement that says: this image is signed.
pub const SIGNED: &str = "https://sigstore.dev/cosign/sign/v1";
/// The DSSE payload type of statements.
pub(in crate::verify) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";
const STATEMENT_V0: &str = "https://in-toto.io/Statement/v0.1";
const SLSA_V1: &str = "https://slsa.dev/provenance/v1";
const SLSA_V0: &str = "https://slsa.dev/provenance/v0.2";

/// What SLSA provenance has to say; what is left out may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The builder's id, a URI.
    pub builder: Option<Matcher>,
    /// The source repository: `https://host/owner/name`, without `git+` and `.git`.
    pub source: Option<Matcher>,
    /// The git ref that was built: `refs/tags/v1`.
    pub reference: Option<Matcher>,
}

/// Where something was built from: the repository, and the ref if it is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::verify) struct Source {
    pub repository: String,
    pub reference: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Strict {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<StrictSubject>,
    predicate_type: String,
    #[serde(rename = "predicate", default)]
    _predicate: Option<json::AnyObject>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictSubject {
    #[serde(rename = "name", default)]
    _name: String,
    digest: BTreeMap<String, String>,
    #[serde(rename = "annotations", default)]
    _annotations: Option<json::AnyObject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Open {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<OpenSubject>,
    predicate_type: String,
    #[serde(default)]
    predicate: Value,
}

#[derive(Deserialize)]
struct OpenSubject {
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SlsaV1 {
    build_definition: BuildDefinition,
    run_details: RunDetails,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BuildDefinition {
    external_parameters: ExternalParameters,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExternalParameters {
    workflow: Option<Workflow>,
    source: Option<Located>,
    config_source: Option<Located>,
}

#[derive(Deserialize)]
struct Workflow {
    repository: String,
    #[serde(rename = "ref")]
    reference: String,
}

#[derive(Deserialize)]
struct Located {
    uri: String,
}

#[derive(Deserialize)]
struct RunDetails {
    builder: Builder,
}

#[derive(Deserialize)]
struct Builder {
    id: String,
}

#[derive(Deserialize)]
struct SlsaV0 {
    builder: Builder,
    invocation: Option<Invocation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    config_source: Option<Located>,
}

/// That the statement `payload`, whose signature holds, says `claim` of the artifact `digest`. The certificate's own `source`
/// is given for a keyless signature, if it names one.
pub(in crate::verify) fn check(
    payload: &[u8],
    digest: &Digest,
    claim: &Claim,
    source: Option<&Source>,
) -> Result<(), Failure> {
    match claim {
        Claim::Signature => signed(&read(payload)?, digest),
        Claim::Any => about(&read(payload)?, digest),
        Claim::Provenance(wanted) => {
            let statement: Open = read(payload)?;
            about(&statement, digest)?;
            let (builder, sources) = provenance(statement)?;
            expect("builder", wanted.builder.as_ref(), Some(&builder))?;
            if sources.is_empty() && source.is_none() {
                expect("source repository", wanted.source.as_ref(), None)?;
                expect("source ref", wanted.reference.as_ref(), None)?;
            }
            for found in sources.iter().chain(source) {
                let (repository, reference) = (&found.repository, found.reference.as_ref());
                expect(
                    "source repository",
                    wanted.source.as_ref(),
                    Some(repository),
                )?;
                expect("source ref", wanted.reference.as_ref(), reference)?;
            }
            Ok(())
        }
    }
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Failure> {
    json::read(payload, bundle::MAX_BUNDLE).map_err(|error| Failure::Form {
        what: "statement",
        why: error.to_string(),
    })
}

/// cosign's statement, with the image as its one subject.
fn signed(statement: &Strict, digest: &Digest) -> Result<(), Failure> {
    if statement.kind != STATEMENT_V1 {
        return Err(Failure::Type {
            what: "statement's type",
            found: shown(&statement.kind),
            wanted: STATEMENT_V1,
        });
    }
    if statement.predicate_type != SIGNED {
        return Err(Failure::Type {
            what: "statement's predicate type",
            found: shown(&statement.predicate_type),
            wanted: SIGNED,
        });
    }
    let [subject] = statement.subject.as_slice() else {
        return Err(Failure::Subjects(statement.subject.len()));
    };
    let mut digests = subject.digest.iter();
    match (digests.next(), digests.next()) {
        (Some((algorithm, hex)), None) if names(algorithm, hex, digest) => Ok(()),
        (Some((algorithm, hex)), None) => Err(Failure::Digest {
            signed: shown(&format!("{algorithm}:{hex}")),
            wanted: digest.clone(),
        }),
        _ => Err(Failure::Form {
            what: "statement",
            why: format!(
                "its subject has {} digests instead of one",
                subject.digest.len()
            ),
        }),
    }
}

/// Any statement with the artifact among its subjects.
fn about(statement: &Open, digest: &Digest) -> Result<(), Failure> {
    if statement.kind != STATEMENT_V1 && statement.kind != STATEMENT_V0 {
        return Err(Failure::Type {
            what: "statement's type",
            found: shown(&statement.kind),
            wanted: STATEMENT_V1,
        });
    }
    let mut digests = statement.subject.iter().flat_map(|subject| &subject.digest);
    if digests
        .clone()
        .any(|(algorithm, hex)| names(algorithm, hex, digest))
    {
        return Ok(());
    }
    let signed = match (digests.next(), statement.subject.len()) {
        (Some((algorithm, hex)), 1) => shown(&format!("{algorithm}:{hex}")),
        (_, count) => format!("{count} other subjects"),
    };
    Err(Failure::Digest {
        signed,
        wanted: digest.clone(),
    })
}

fn names(algorithm: &str, hex: &str, digest: &Digest) -> bool {
    algorithm == digest.algorithm().name() && hex == digest.hex()
}

/// The builder, and the sources in all the places where there may be one.
fn provenance(statement: Open) -> Result<(String, Vec<Source>), Failure> {
    let form = |error: serde_json::Error| Failure::Form {
        what: "provenance",
        why: error.to_string(),
    };
    match statement.predicate_type.as_str() {
        SLSA_V1 => {
            let predicate: SlsaV1 = serde_json::from_value(statement.predicate).map_err(form)?;
            let parameters = predicate.build_definition.external_parameters;
            let located = [parameters.source, parameters.config_source];
            let mut sources: Vec<_> = located
                .iter()
                .flatten()
                .map(|at| Source::of(&at.uri))
                .collect();
            sources.extend(parameters.workflow.map(|workflow| Source {
                repository: Source::of(&workflow.repository).repository,
                reference: Some(workflow.reference),
            }));
            Ok((predicate.run_details.builder.id, sources))
        }
        SLSA_V0 => {
            let predicate: SlsaV0 = serde_json::from_value(statement.predicate).map_err(form)?;
            let located = predicate.invocation.and_then(|run| run.config_source);
            let sources = located.iter().map(|at| Source::of(&at.uri)).collect();
            Ok((predicate.builder.id, sources))
        }
        other => Err(Failure::Type {
            what: "statement's predicate type",
            found: shown(other),
            wanted: SLSA_V1,
        }),
    }
}

fn expect(
    what: &'static str,
    wanted: Option<&Matcher>,
    found: Option<&String>,
) -> Result<(), Failure> {
    match wanted {
        Some(wanted) if !found.is_some_and(|found| wanted.matches(found)) => {
            Err(Failure::Provenance {
                what,
                found: found.map_or_else(|| "not named".to_owned(), |found| shown(found)),
                wanted: wanted.to_string(),
            })
        }
        _ => Ok(()),
    }
}

impl Source {
    /// Reads `git+https://host/owner/name.git@refs/tags/v1`, or with BuildKit's `#refs/tags/v1:folder`.
    pub(in crate::verify) fn of(uri: &str) -> Self {
        let uri = uri.strip_prefix("git+").unwrap_or(uri);
        let (url, reference) = match uri.split_once('#') {
            Some((url, fragment)) => {
                let reference = fragment.split(':').next().unwrap_or(fragment);
                (url, Some(reference))
            }
            None => {
                // An `@` before the path belongs to the host.
                let path = uri.find("://").map_or(0, |at| at.saturating_add(3));
                let path = uri
                    .get(path..)
                    .and_then(|rest| rest.find('/'))
                    .map_or(uri.len(), |at| at.saturating_add(path));
                let (host, path) = uri.split_at_checked(path).unwrap_or((uri, ""));
                match path.split_once('@') {
                    Some((path, reference)) => (
                        uri.get(..host.len().saturating_add(path.len()))
                            .unwrap_or(uri),
                        Some(reference),
                    ),
                    None => (uri, None),
                }
            }
        };
        Self {
            repository: url.strip_suffix(".git").unwrap_or(url).to_owned(),
            reference: reference.filter(|text| !text.is_empty()).map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_in_the_forms_that_builders_write() {
        for (uri, repository, reference) in [
            (
                "git+https://h.test/o/r@refs/tags/v1",
                "https://h.test/o/r",
                Some("refs/tags/v1"),
            ),
            (
                "https://h.test/o/r.git#refs/heads/main:docs",
                "https://h.test/o/r",
                Some("refs/heads/main"),
            ),
            ("https://h.test/o/r", "https://h.test/o/r", None),
            ("https://h.test/o/r@", "https://h.test/o/r", None),
            (
                "git+https://me@h.test/o/r.git@v1",
                "https://me@h.test/o/r",
                Some("v1"),
            ),
            ("git+https://me@h.test", "https://me@h.test", None),
            (
                "https://h.test/o/r@refs/heads/a@b",
                "https://h.test/o/r",
                Some("refs/heads/a@b"),
            ),
            ("", "", None),
        ] {
            let source = Source::of(uri);
            assert_eq!(source.repository, repository, "{uri}");
            assert_eq!(source.reference.as_deref(), reference, "{uri}");
        }
    }
}
