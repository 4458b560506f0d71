//! `cargo xtask corpus FILE.ndjson`: whether the command line finds every source that BuildKit was seen to fetch.
//!
//! The file is one of recorded outcomes ([`super::conformance`]), and the Dockerfiles are beside it. All of them are checked in one call, which must
//! have a finding in the right file for each source of each target (there is no policy, so that nothing is allowed). Then each target is
//! explained, which must list exactly its sources.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Output},
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::Value;

type Failed = engine::Error;

/// How often all files are checked; the fastest counts.
const RUNS: usize = 5;
/// How long that may take.
const LIMIT: Duration = Duration::from_secs(2);
/// How many failures are shown.
const SHOWN: usize = 20;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Outcome {
    file: String,
    parse_error: String,
    instructions_error: String,
    targets: Vec<Target>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Target {
    name: String,
    sources: BTreeSet<String>,
    error: String,
    not_recorded: Value,
}

/// Checks all, and fails if something is not found.
pub fn run(binary: &Path, outcomes: &Path) -> Result<ExitCode, Failed> {
    let binary = binary.canonicalize()?;
    let folder = outcomes.parent().unwrap_or(Path::new("."));
    let mut recorded = Vec::new();
    for line in BufReader::new(File::open(outcomes)?).lines() {
        recorded.push(serde_json::from_str::<Outcome>(&line?)?);
    }
    let top: BTreeSet<&str> = recorded
        .iter()
        .filter_map(|outcome| outcome.file.split('/').next())
        .collect();

    let mut best = Duration::MAX;
    let mut text = Vec::new();
    for format in ["json"].into_iter().chain(["list"; RUNS]) {
        let words = ["check", "--platform", "linux/amd64", "--format", format];
        let start = Instant::now();
        let output = command(&binary, folder, words.iter().chain(&top))?;
        if format == "json" {
            text = output.stdout;
        } else {
            best = best.min(start.elapsed());
        }
        if output.status.code() != Some(1) {
            return Err(format!("check: {}", output.status).into());
        }
    }
    let findings: Vec<Value> = serde_json::from_slice(&text)?;
    let mut causes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for finding in &findings {
        let field = |name: &str| {
            finding
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        causes
            .entry(field("file"))
            .or_default()
            .push(field("cause"));
    }

    let (mut passed, mut sources, mut failed) = (0, 0, Vec::new());
    for outcome in &recorded {
        let of_file = causes
            .get(outcome.file.as_str())
            .cloned()
            .unwrap_or_default();
        if !outcome.parse_error.is_empty() || !outcome.instructions_error.is_empty() {
            match of_file.is_empty() {
                true => failed.push(format!("{}: it is refused, and not here", outcome.file)),
                false => passed += 1,
            }
            continue;
        }
        for target in &outcome.targets {
            if !matches!(target.not_recorded, Value::Null | Value::Bool(false)) {
                continue;
            }
            let at = format!("{} {:?}", outcome.file, target.name);
            if !target.error.is_empty() {
                match of_file.is_empty() {
                    true => failed.push(format!("{at}: it is refused, and not here")),
                    false => passed += 1,
                }
                continue;
            }
            let wanted: BTreeSet<String> = target
                .sources
                .iter()
                .filter(|source| !source.starts_with("local:"))
                .map(|source| {
                    source
                        .strip_prefix("docker-image://")
                        .unwrap_or(source)
                        .to_owned()
                })
                .collect();
            sources += wanted.len();
            let mut problems = Vec::new();
            for source in &wanted {
                let name = covered(source);
                if !of_file.iter().any(|cause| cause.contains(&name)) {
                    problems.push(format!("{at}: {source} has no finding"));
                }
            }
            let explained = explained(&binary, folder, outcome, target)?;
            for source in wanted.difference(&explained) {
                problems.push(format!("{at}: {source} is not explained"));
            }
            for source in explained.difference(&wanted) {
                problems.push(format!("{at}: {source} is explained, and not fetched"));
            }
            match problems.is_empty() {
                true => passed += 1,
                false => failed.extend(problems),
            }
        }
    }
    for problem in failed.iter().take(SHOWN) {
        println!("{problem}");
    }
    println!(
        "{} Dockerfiles, {sources} sources of their targets, {} findings; checked in {best:?} at best",
        recorded.len(),
        findings.len()
    );
    println!("{passed} passed, {} failed", failed.len());
    if best > LIMIT {
        println!("that is more than {LIMIT:?}");
    }
    Ok(if failed.is_empty() && best <= LIMIT {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the cause of a finding about `source` names: the repository, or the address.
fn covered(source: &str) -> String {
    let is_url = source.contains("://");
    let without_digest = source.split('@').next().unwrap_or(source);
    match without_digest.rsplit_once(':') {
        Some((repository, tag)) if !is_url && !tag.contains('/') => format!("{repository} "),
        _ if is_url => source.to_owned(),
        _ => format!("{without_digest} "),
    }
}

/// The sources that `explain` lists for a target.
fn explained(
    binary: &Path,
    folder: &Path,
    outcome: &Outcome,
    target: &Target,
) -> Result<BTreeSet<String>, Failed> {
    let mut words = vec!["explain", "--platform", "linux/amd64", "--format", "json"];
    if !target.name.is_empty() {
        words.extend(["--target", &target.name]);
    }
    words.push(&outcome.file);
    let output = command(binary, folder, words)?;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let fetches = answer.get("fetches").and_then(Value::as_array);
    Ok(fetches
        .into_iter()
        .flatten()
        .filter(|fetch| fetch.get("loaded") != Some(&Value::Bool(false)))
        .filter_map(|fetch| Some(fetch.get("source")?.as_str()?.to_owned()))
        .collect())
}

fn command(
    binary: &Path,
    folder: &Path,
    words: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<Output, Failed> {
    let words: Vec<String> = words
        .into_iter()
        .map(|word| word.as_ref().to_owned())
        .collect();
    let output = Command::new(binary)
        .args(&words)
        .current_dir(folder)
        .env_clear()
        .output()?;
    Ok(output)
}

/// The program, built as it is released.
pub fn built(workspace: &Path) -> PathBuf {
    workspace.join("target/release/verified-dockerfile")
}
