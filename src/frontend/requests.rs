//! What a client asks for besides a build: the views of this frontend, and those of the stock one, which are passed on.

use std::collections::BTreeMap;

use super::{
    Failure, nested::known_capabilities, options::Options, reads_context, source::Sources,
};
use crate::{
    gateway::{BuildResult, Client, SolveRequest},
    llb::{
        audit::{Expected, GitPin, HttpPin, ImagePin, MAX_SOURCE_DEPTH, SourceFile},
        definition::Definition,
        ops::{Kind as OpKind, SourceOp},
    },
    pipeline::{Build, Outcome},
    reference::ImageReference,
    report::{Finding, Kind, explain, served},
    resolve::buildkit::{BuildKit, PATIENCE},
    rewrite::diff,
};

const DIFF: &str = "frontend.diff";
const EXPLAIN: &str = "frontend.explain";
const DESCRIBE: &str = "frontend.subrequests.describe";

/// Whether this frontend answers `request` itself.
pub fn is_own(request: &str) -> bool {
    matches!(request, DIFF | EXPLAIN)
}

/// Passes a request to the stock frontend, about the file as the user wrote it. Nothing is built by it.
pub async fn forward(
    client: &Client,
    options: &Options,
    inputs: BTreeMap<String, Vec<u8>>,
    request: &str,
) -> Result<BuildResult, Failure> {
    let mut raw = options.raw().clone();
    raw.remove("source");
    // Otherwise the stock frontend would follow `# syntax=` back to us.
    raw.entry("cmdline".to_owned()).or_default();
    known_capabilities(&mut raw);
    let mut result = client
        .solve(
            SolveRequest::frontend("dockerfile.v0", raw, inputs),
            PATIENCE,
        )
        .await?;
    if request == DESCRIBE {
        describe_own(&mut result);
    }
    Ok(result)
}

/// Adds our own requests to the list that the stock frontend gives of its own.
fn describe_own(result: &mut BuildResult) {
    let Some(json) = result.metadata.get("result.json") else {
        return;
    };
    let Ok(mut list) = serde_json::from_slice::<Vec<serde_json::Value>>(json) else {
        return;
    };
    let mut text = result
        .metadata
        .get("result.txt")
        .cloned()
        .unwrap_or_default();
    for (name, description) in [
        (
            DIFF,
            "Show what would be built instead of the Dockerfile, as a unified diff",
        ),
        (EXPLAIN, "List every fetch with its pin, rule and proof"),
    ] {
        list.push(serde_json::json!({
            "name": name, "version": "1.0.0", "type": "rpc", "description": description, "opts": null, "inputs": null,
            "metadata": [
                {"name": "result.json", "description": "", "opts": null},
                {"name": "result.txt", "description": "", "opts": null},
            ],
            "refs": null,
        }));
        text.extend_from_slice(format!("{name}: {description}\n").as_bytes());
    }
    if let Ok(json) = serde_json::to_vec_pretty(&list) {
        result.metadata.insert("result.json".to_owned(), json);
        result.metadata.insert("result.txt".to_owned(), text);
    }
}

/// The answer to a request of our own.
pub fn answer(request: &str, build: &Build<'_>, outcome: &Outcome) -> Result<BuildResult, Failure> {
    let text;
    let json;
    if request == DIFF {
        let mut diffs: Vec<String> = Vec::new();
        let mut notes: Vec<String> = Vec::new();
        for built in &outcome.platforms {
            let diff = diff::unified(build.file, build.bytes, &built.rewritten.bytes, false);
            if !diffs.contains(&diff) {
                diffs.push(diff);
            }
            notes.extend(served::lines(build.file, &built.plan, build.lock));
        }
        notes.dedup();
        text = format!(
            "{}{}{}",
            notes.concat(),
            diffs.concat(),
            explain::refusals(&outcome.findings)
        );
        json = serde_json::json!({
            "diffs": diffs, "served": notes, "findings": explain::findings(&outcome.findings),
        });
    } else {
        text = explain::text(build.file, outcome);
        json = explain::json(build.file, outcome);
    }
    let json = serde_json::to_vec_pretty(&json).map_err(|error| {
        Failure::Status(crate::gateway::Status::new(format!(
            "the answer cannot be written: {error}"
        )))
    })?;
    Ok(BuildResult::metadata(BTreeMap::from([
        ("result.json".to_owned(), json),
        ("result.txt".to_owned(), text.into_bytes()),
        ("version".to_owned(), b"1.0.0".to_vec()),
    ])))
}

/// A graph that the client hands in and the build uses: its name, for messages, and its bytes.
pub type HandedIn = (String, Vec<u8>);

/// The inputs that become part of the build: the context, and named contexts `input:NAME`.
pub fn inputs_in_use(
    inputs: &BTreeMap<String, Vec<u8>>,
    sources: &Sources,
    outcome: &Outcome,
) -> Vec<HandedIn> {
    let mut used = Vec::new();
    if let (Some(context), Some(input)) = (&sources.context, inputs.get("context"))
        && context == input
    {
        used.push(("the build context".to_owned(), input.clone()));
    }
    for built in &outcome.platforms {
        for (key, value) in &built.contexts {
            let Some(name) = value.strip_prefix("input:") else {
                continue;
            };
            let Some(input) = inputs.get(name) else {
                continue;
            };
            let shown = format!("the named context {key}");
            if reads_context(built, key) && !used.iter().any(|(known, _)| *known == shown) {
                used.push((shown, input.clone()));
            }
        }
    }
    used
}

/// Judges what the graphs fetch that the client hands in, and expects it. Their commands are judged by the gate.
pub async fn judge_inputs(
    build: &Build<'_>,
    resolver: &BuildKit<'_>,
    handed_in: &[HandedIn],
    expected: &mut Expected,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, bytes) in handed_in {
        let mut refuse = |subject: &str, (kind, cause, next): (Kind, String, String)| {
            findings.push(Finding {
                kind,
                file: build.file.to_owned(),
                place: None,
                subject: format!("{subject} in {name}"),
                cause,
                next,
            });
        };
        let definition = match Definition::decode(bytes) {
            Ok(definition) => definition,
            Err(error) => {
                refuse(
                    "the graph",
                    (
                        Kind::Unsupported,
                        error.to_string(),
                        "use a client that this version knows".into(),
                    ),
                );
                continue;
            }
        };
        for info in definition.source.iter().flat_map(|source| &source.infos) {
            expected.files.push(SourceFile {
                filename: info.filename.clone(),
                data: info.data.0.clone(),
            });
        }
        expect_origins(expected, &definition, MAX_SOURCE_DEPTH);
        for node in &definition.nodes {
            if let Some(platform) = &node.op().platform {
                expected.platforms.insert(platform.clone());
            }
            let Some(OpKind::Source(source)) = &node.op().kind else {
                continue;
            };
            let identifier = source.identifier.as_str();
            let unpinned = || {
                (
                    Kind::Unpinnable,
                    "what the client hands in is not fixed by a digest".to_owned(),
                    "build that context through verified-dockerfile, too, or name it as docker-image:// or a URL".to_owned(),
                )
            };
            if let Some(reference) = identifier.strip_prefix("docker-image://") {
                let reference = match ImageReference::parse(reference) {
                    Ok(reference) if reference.digest().is_some() => reference,
                    _ => {
                        refuse(identifier, unpinned());
                        continue;
                    }
                };
                let judged =
                    crate::pipeline::image(build, resolver, &reference, build.build_platform).await;
                match (judged.refusal(), judged.digest()) {
                    (Some(refusal), _) => refuse(identifier, refusal),
                    (None, Some(digest)) => {
                        let digest = digest.clone();
                        expected.images.insert(ImagePin {
                            repository: reference.repository(),
                            digest,
                        });
                    }
                    (None, None) => refuse(identifier, unpinned()),
                }
            } else if identifier.starts_with("local://") {
                expect_local(expected, source);
            } else if identifier.starts_with("http://") || identifier.starts_with("https://") {
                let checksum = source.attrs.get("http.checksum").map(String::as_str);
                if checksum.is_none() {
                    refuse(identifier, unpinned());
                    continue;
                }
                let judged = crate::pipeline::http(build, resolver, identifier, checksum).await;
                match (judged.refusal(), judged.digest()) {
                    (Some(refusal), _) => refuse(identifier, refusal),
                    (None, Some(digest)) => {
                        expected
                            .http
                            .entry(identifier.to_owned())
                            .or_default()
                            .push(HttpPin::from(digest.clone()));
                    }
                    (None, None) => refuse(identifier, unpinned()),
                }
            } else if identifier.starts_with("git://") {
                let remote = source.attrs.get("git.fullurl").cloned().unwrap_or_default();
                let fragment = identifier
                    .split_once('#')
                    .map(|(_, fragment)| fragment)
                    .unwrap_or_default();
                let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
                let judged = crate::pipeline::git_at(
                    build,
                    resolver,
                    &remote,
                    reference,
                    source.attrs.get("git.checksum"),
                )
                .await;
                match (judged.refusal(), judged.commit()) {
                    (Some(refusal), _) => refuse(identifier, refusal),
                    (None, Some(commit)) => {
                        let mut pin = GitPin::commit(commit);
                        pin.refs.insert(reference.to_owned());
                        if !subdir.is_empty() {
                            pin.subdirs.insert(subdir.to_owned());
                        }
                        expected.git.entry(remote).or_default().push(pin);
                    }
                    (None, None) => refuse(identifier, unpinned()),
                }
            }
            // Other schemes are refused by the gate, with their reason.
        }
    }
    findings
}

/// Notes the folders that the files of earlier builds were read from, and those of the builds that they built upon.
/// Nothing is built from these graphs.
fn expect_origins(expected: &mut Expected, definition: &Definition, depth: usize) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    for info in definition.source.iter().flat_map(|source| &source.infos) {
        let Some(Ok(origin)) = info
            .definition
            .as_ref()
            .map(|graph| Definition::decode(&graph.0))
        else {
            continue;
        };
        for source in sources(&origin) {
            expect_local(expected, source);
        }
        expect_origins(expected, &origin, depth);
    }
}

/// The sources of a graph.
fn sources(definition: &Definition) -> impl Iterator<Item = &SourceOp> {
    definition
        .nodes
        .iter()
        .filter_map(|node| match &node.op().kind {
            Some(OpKind::Source(source)) => Some(source),
            _ => None,
        })
}

/// Notes a folder of a client.
fn expect_local(expected: &mut Expected, source: &SourceOp) {
    if let Some(name) = source.identifier.strip_prefix("local://") {
        let session = source
            .attrs
            .get("local.session")
            .cloned()
            .unwrap_or_default();
        expected
            .locals
            .entry(name.to_owned())
            .or_default()
            .insert(session);
    }
}
