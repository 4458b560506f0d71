//! What was verified, attached to the image as an attestation wherever BuildKit attaches its provenance.
//!
//! So nobody gets an index instead of an image, or a further file in a folder, who would not have got it without us.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Failure,
    nested::{PLATFORMS, broken},
    source::single,
};
use crate::{
    fetch::Platform,
    gateway::{Attestation, AttestationKind, BuildResult, Client, Ref, SolveRequest},
    llb::build::{Graph, NewFile},
    pipeline::Outcome,
    report::statement::{self, PREDICATE_TYPE, Read},
    resolve::buildkit::TRANSFER,
};

/// The file's name where attestations become files beside the result.
const FILE: &str = "verified-dockerfile.json";

/// The platforms of a result, as its metadata lists them.
///
/// Source: BuildKit `exporter/containerimage/exptypes/types.go`, `Platforms`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Platforms {
    platforms: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Platform")]
    platform: Spec,
}

#[derive(Deserialize)]
struct Spec {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: String,
}

/// What was verified for one platform, in a file.
pub struct Statement {
    platform: Platform,
    file: Ref,
}

/// Makes what was verified for each platform of `outcome` into a file.
pub async fn statements(
    client: &Client,
    (dockerfile, settings): (&Read, &[Read]),
    outcome: &Outcome,
) -> Result<Vec<Statement>, Failure> {
    let mut made = Vec::new();
    for built in &outcome.platforms {
        let predicate = statement::predicate(dockerfile, settings, built);
        let bytes =
            serde_json::to_vec_pretty(&predicate).map_err(|error| broken(error.to_string()))?;
        let mut graph = Graph::default();
        let name = format!("[verified] statement for {}", built.platform);
        let file = graph
            .files(&[NewFile::new(FILE, bytes)], &name)
            .map_err(|error| broken(error.to_string()))?;
        let request = SolveRequest::definition(graph.finish(&file).encode());
        made.push(Statement {
            platform: built.platform.clone(),
            file: single(client.solve(request, TRANSFER).await?.refs)?,
        });
    }
    Ok(made)
}

/// Adds the `statements` to `result`, each for its platform. With `inline_only` they are left out where BuildKit leaves its
/// own provenance out.
pub fn attach(
    result: &mut BuildResult,
    statements: &[Statement],
    inline_only: bool,
) -> Result<(), Failure> {
    for (id, platform) in platforms(result)? {
        let made = match statements {
            [only] => Some(only),
            several => several.iter().find(|made| made.platform == platform),
        };
        let made = made.ok_or_else(|| broken(format!("its platform {id} was not asked for")))?;
        let metadata = BTreeMap::from([(
            "inline-only".to_owned(),
            inline_only.to_string().into_bytes(),
        )]);
        result
            .attestations
            .entry(id)
            .or_default()
            .push(Attestation {
                kind: AttestationKind::InToto.into(),
                metadata,
                r#ref: Some(made.file.clone()),
                path: FILE.to_owned(),
                in_toto_predicate_type: PREDICATE_TYPE.to_owned(),
                // None: the image itself.
                in_toto_subjects: Vec::new(),
            });
    }
    Ok(())
}

fn platforms(result: &BuildResult) -> Result<Vec<(String, Platform)>, Failure> {
    let list = result
        .metadata
        .get(PLATFORMS)
        .ok_or_else(|| broken(format!("it has no {PLATFORMS}")))?;
    let list: Platforms =
        serde_json::from_slice(list).map_err(|error| broken(error.to_string()))?;
    let listed = list.platforms.into_iter();
    Ok(listed
        .map(|Listed { id, platform }| {
            let Spec {
                os,
                architecture,
                variant,
            } = platform;
            (id, Platform::new(&os, &architecture, &variant).normalize())
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(text: &str) -> Result<Vec<(String, Platform)>, Failure> {
        let metadata = BTreeMap::from([(PLATFORMS.to_owned(), text.as_bytes().to_vec())]);
        platforms(&BuildResult::metadata(metadata))
    }

    #[test]
    fn platforms_are_those_of_the_metadata() {
        let listed = listing(
            r#"{"Platforms":[{"ID":"linux/amd64","Platform":{"architecture":"amd64","os":"linux"}},
                {"ID":"linux/arm64","Platform":{"architecture":"arm64","os":"linux","variant":"v8"}}]}"#,
        )
        .unwrap();
        assert_eq!(listed[0].1, Platform::new("linux", "amd64", ""));
        assert_eq!(
            listed[1],
            (
                "linux/arm64".to_owned(),
                Platform::new("linux", "arm64", "v8").normalize()
            )
        );
        for other in ["", "{}", r#"{"Platforms":[{"ID":"linux/amd64"}]}"#] {
            assert!(listing(other).is_err(), "{other}");
        }
        assert!(platforms(&BuildResult::metadata(BTreeMap::new())).is_err());
    }
}
