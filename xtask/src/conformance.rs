//! `cargo xtask conformance FILE.ndjson...`: compares the Dockerfile reader with recorded outcomes of BuildKit.
//!
//! Each line of a file is a JSON object: `dockerfile` (the text) or `file` (a path relative to the outcome file), and
//! BuildKit's outcome, of which an absent field is empty or false:
//!
//! - `parse_error`, `instructions_error`: that the first or second step of parsing refuses (not the wording);
//! - `escape`, `syntax`: the escape character in force, what the syntax detection finds;
//! - `nodes`: the instructions with lines, flags, words and heredocs;
//! - `targets`: for every named stage and the last one the sources of the LLB, or `error`, or `not_recorded`;
//! - `execs`: network and arguments of every RUN in the LLB of any target.
//!
//! The builds are for linux/amd64, without build arguments, upon images of which only `PATH` is set.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde::Deserialize;
use verified_dockerfile::{
    dockerfile::{Dockerfile, Instruction, lossy, syntax},
    fetch::{self, Configs, ImageConfig, Network, Options, Plan, Platform, Source},
};

/// How many differences of a field are shown.
const SHOWN: usize = 5;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Outcome {
    file: String,
    dockerfile: Option<String>,
    parse_error: String,
    escape: String,
    syntax: String,
    nodes: Vec<Node>,
    instructions_error: String,
    targets: Vec<Target>,
    execs: Vec<Vec<String>>,
}

#[derive(Deserialize, Default, Debug, PartialEq, Eq)]
#[serde(default)]
struct Node {
    instruction: String,
    start_line: usize,
    end_line: usize,
    flags: Vec<String>,
    json: bool,
    args: Vec<String>,
    heredocs: Vec<Heredoc>,
}

#[derive(Deserialize, Default, Debug, PartialEq, Eq)]
#[serde(default)]
struct Heredoc {
    name: String,
    expand: bool,
    chomp: bool,
    content: String,
}

#[derive(Deserialize, Default, Debug, PartialEq, Eq)]
#[serde(default)]
struct Target {
    name: String,
    sources: BTreeSet<String>,
    error: String,
    not_recorded: serde_json::Value,
}

impl Target {
    fn recorded(&self) -> bool {
        matches!(
            self.not_recorded,
            serde_json::Value::Null | serde_json::Value::Bool(false)
        )
    }
}

/// Agreements and differences of one field.
#[derive(Default)]
struct Tally {
    agree: usize,
    differ: Vec<String>,
}

#[derive(Default)]
struct Report {
    fields: BTreeMap<&'static str, Tally>,
    passed: usize,
    failed: usize,
}

impl Report {
    fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        file: &str,
        field: &'static str,
        theirs: &T,
        ours: &T,
    ) -> bool {
        let tally = self.fields.entry(field).or_default();
        if theirs == ours {
            tally.agree += 1;
            return true;
        }
        tally.differ.push(format!(
            "{file}: {field}\n    BuildKit: {theirs:?}\n    here:     {ours:?}"
        ));
        false
    }
}

/// Compares every line of `files`; fails on any difference.
pub fn run(files: &[PathBuf]) -> ExitCode {
    if files.is_empty() {
        eprintln!("error: conformance needs outcome files: cargo xtask conformance FILE.ndjson...");
        return ExitCode::from(2);
    }
    let mut report = Report::default();
    for file in files {
        if let Err(error) = run_file(file, &mut report) {
            eprintln!("error: {}: {error}", file.display());
            return ExitCode::from(2);
        }
    }
    for (field, tally) in &report.fields {
        println!(
            "{field:20} {:6} agree {:6} differ",
            tally.agree,
            tally.differ.len()
        );
    }
    for tally in report.fields.values() {
        for difference in tally.differ.iter().take(SHOWN) {
            println!("{difference}");
        }
    }
    println!("{} passed, {} failed", report.passed, report.failed);
    if report.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run_file(path: &Path, report: &mut Report) -> Result<(), Box<dyn std::error::Error>> {
    let folder = path.parent().unwrap_or(Path::new("."));
    for (number, line) in BufReader::new(File::open(path)?).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let at = |error: &dyn std::fmt::Display| format!("line {}: {error}", number + 1);
        let outcome: Outcome = serde_json::from_str(&line).map_err(|error| at(&error))?;
        let text = match &outcome.dockerfile {
            Some(text) => text.clone().into_bytes(),
            None => std::fs::read(folder.join(&outcome.file)).map_err(|error| at(&error))?,
        };
        if compare(&text, &outcome, report) {
            report.passed += 1;
        } else {
            report.failed += 1;
        }
    }
    Ok(())
}

fn compare(text: &[u8], theirs: &Outcome, report: &mut Report) -> bool {
    let name = theirs.file.as_str();
    let detected = syntax::detect(text)
        .map(|found| found.reference)
        .unwrap_or_default();
    let mut same = report.compare(name, "syntax", &theirs.syntax, &detected);
    let parsed = Dockerfile::parse(text);
    same &= report.compare(
        name,
        "parse_error",
        &!theirs.parse_error.is_empty(),
        &parsed.is_err(),
    );
    let (Ok(file), true) = (&parsed, theirs.parse_error.is_empty()) else {
        return same;
    };
    same &= report.compare(name, "escape", &theirs.escape, &file.escape().to_string());
    let nodes: Vec<Node> = file.instructions().map(node).collect();
    same &= report.compare(name, "nodes", &theirs.nodes, &nodes);
    let stages = file.stages();
    same &= report.compare(
        name,
        "instructions_error",
        &!theirs.instructions_error.is_empty(),
        &stages.is_err(),
    );
    let (Ok(stages), true) = (stages, theirs.instructions_error.is_empty()) else {
        return same;
    };

    let mut names: Vec<String> = stages
        .stages
        .iter()
        .map(|stage| stage.name.clone().into_owned())
        .collect();
    let last = names.len().saturating_sub(1);
    let mut index = 0;
    names.retain(|name| {
        index += 1;
        !name.is_empty() || index == last + 1
    });
    let ours: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let recorded: BTreeSet<&str> = theirs
        .targets
        .iter()
        .map(|target| target.name.as_str())
        .collect();
    same &= report.compare(name, "target names", &recorded, &ours);
    let mut execs = BTreeSet::new();
    for target in theirs.targets.iter().filter(|target| target.recorded()) {
        let plan = fetch::collect(file, &options(&target.name), &configs());
        let at = format!("{name} target {:?}", target.name);
        same &= report.compare(
            &at,
            "target refused",
            &!target.error.is_empty(),
            &plan.is_err(),
        );
        if let (Ok(plan), true) = (&plan, target.error.is_empty()) {
            same &= report.compare(&at, "sources", &target.sources, &sources(plan));
            execs.extend(plan.runs.iter().filter(|run| run.reachable).map(|run| {
                let network = match run.network {
                    Network::Default => "UNSET",
                    Network::None => "NONE",
                    Network::Host => "HOST",
                };
                [network.to_owned()]
                    .into_iter()
                    .chain(run.argv.iter().cloned())
                    .collect::<Vec<_>>()
            }));
        }
    }
    if theirs.targets.iter().all(Target::recorded) {
        let recorded: BTreeSet<Vec<String>> = theirs.execs.iter().cloned().collect();
        same &= report.compare(name, "execs", &recorded, &execs);
    }
    same
}

fn options(target: &str) -> Options {
    let platform = Platform::new("linux", "amd64", "");
    Options {
        target: Some(target.to_owned()),
        build_platform: platform.clone(),
        platform,
        build_args: BTreeMap::new(),
        named_contexts: BTreeSet::new(),
    }
}

fn configs() -> Configs {
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let assumed = ImageConfig {
        os: "linux".to_owned(),
        env: vec![path.to_owned()],
        ..ImageConfig::default()
    };
    Configs {
        assumed: Some(assumed),
        ..Configs::default()
    }
}

/// Source identifiers of the LLB, with the attributes that the outcome files record.
fn sources(plan: &Plan) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if plan.local_context {
        found.insert("local://context".to_owned());
    }
    for fetch in plan.fetches.iter().filter(|fetch| fetch.loaded) {
        found.insert(match &fetch.source {
            Source::Image { reference, .. } => format!("docker-image://{reference}"),
            Source::Http { url, checksum } => with(url, "http.checksum", checksum.as_deref()),
            Source::Git(git) => {
                let id = with(&git.identifier, "git.checksum", git.checksum.as_deref());
                with(&id, "git.fullurl", Some(&git.remote))
            }
            Source::Context { key, .. } => format!("context:{key}"),
        });
    }
    found
}

fn with(id: &str, name: &str, value: Option<&str>) -> String {
    value.map_or_else(|| id.to_owned(), |value| format!("{id} {name}={value}"))
}

fn node(instruction: Instruction<'_>) -> Node {
    let text = |bytes: &[u8]| lossy(bytes).into_owned();
    let mut flags: Vec<String> = instruction
        .flags()
        .map(|flag| flag.text.into_owned())
        .collect();
    let mut args: Vec<String> = Vec::new();
    // The recorded form shows one level of ONBUILD: of a second one only that something follows.
    let current = instruction.nested().unwrap_or(instruction);
    if instruction.nested().is_some() {
        args.push(String::new());
        args.push(format!("ONBUILD:{}", text(current.keyword())));
        flags.extend(current.flags().map(|flag| flag.text.into_owned()));
        args.extend(current.nested().map(|_| String::new()));
    }
    let pairs = matches!(
        current.kind(),
        verified_dockerfile::dockerfile::Keyword::Env
            | verified_dockerfile::dockerfile::Keyword::Label
    );
    for (index, word) in current.words().enumerate() {
        args.push(text(word.text));
        if pairs && index % 2 == 1 {
            args.push(if current.is_legacy_pair() {
                String::new()
            } else {
                "=".to_owned()
            });
        }
    }
    Node {
        instruction: text(instruction.keyword()),
        start_line: instruction.lines().0,
        end_line: instruction.lines().1,
        flags,
        json: instruction.is_json(),
        args,
        heredocs: instruction
            .heredocs()
            .map(|heredoc| Heredoc {
                name: heredoc.name.to_owned(),
                expand: heredoc.expand,
                chomp: heredoc.chomp,
                content: text(heredoc.content),
            })
            .collect(),
    }
}
