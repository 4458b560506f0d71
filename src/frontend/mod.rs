//! The frontend: what runs when BuildKit starts this program for a build.
//!
//! ```text
//! source    where the Dockerfile, the policy, the lock and the context come from
//! pipeline  collect, pin, judge, rewrite
//! nested    the stock frontend turns the rewritten file into LLB
//! gate      that LLB against what was verified
//! nested    the same LLB, naming the user's own file
//! attest    what was verified, beside the result
//! ```
//!
//! Nothing of the build runs before it is returned, and nothing is returned that the gate did not let through.

mod attest;
mod cloned;
mod downloads;
mod failure;
mod gate;
mod nested;
mod options;
mod replay;
mod requests;
mod source;
mod stock_text;

use std::{collections::BTreeMap, ffi::OsString, io::Write as _, path::Path, time::Duration};

use futures_util::future;
use jiff::Timestamp;

pub use failure::{Failure, Files};
use nested::{Nested, Stock};
use options::{CacheImport, Options, Wanted};
use source::Sources;

use crate::{
    digest::Digest,
    dockerfile::{Dockerfile, syntax},
    fetch::{self, ImageConfig, Platform, Source},
    gateway::{self, BuildResult, CacheOptionsEntry, Client, Ended, Session},
    llb::audit::Expected,
    lock::{Evidence, Lock},
    pipeline::{self, Build, Outcome, PlatformOutcome},
    policy::{Layer, LocalFolder, Policy, PolicyError},
    reference::ImageReference,
    report::{Finding, Kind, Place, statement::Read},
    resolve::{
        buildkit::{self, BuildKit},
        config,
    },
};

/// The folder of the organisation's policy in the frontend's image.
pub const ORGANISATION: &str = "/etc/verified-dockerfile";
/// How long handing over the outcome may take.
const FAREWELL: Duration = Duration::from_secs(30);

/// Runs one build for the BuildKit that started this process, and gives the exit status to leave with.
///
/// The status is 0 also for a refused build: the daemon has the error then, and would take another status for it.
#[must_use]
pub fn main(environment: impl IntoIterator<Item = (OsString, OsString)>) -> i32 {
    let failed = |error: &dyn std::fmt::Display| {
        // The daemon's log; nobody else sees it.
        let _ = writeln!(std::io::stderr(), "verified-dockerfile: {error}");
        1
    };
    let session = match Session::from_env(environment) {
        Ok(session) => session,
        Err(error) => return failed(&error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(run(&session)) {
        Ok(_) => 0,
        Err(error) => failed(&error),
    }
}

async fn run(session: &Session) -> Result<Ended, gateway::Error> {
    let client = Client::connect_stdio().await?;
    let mut files = Files::default();
    let outcome = build(
        &client,
        session,
        Path::new(ORGANISATION),
        Timestamp::now(),
        &mut files,
    )
    .await;
    match outcome {
        Ok(result) => client.return_result(result, FAREWELL).await,
        Err(failure) => {
            client
                .return_error(failure.into_status(&files), FAREWELL)
                .await
        }
    }
}

/// One build. `files` receives the user's files by name, for the excerpts of errors.
async fn build(
    client: &Client,
    session: &Session,
    organisation: &Path,
    now: Timestamp,
    files: &mut Files,
) -> Result<BuildResult, Failure> {
    gateway::support(client.capabilities(), &session.workers)
        .map_err(|error| Failure::Gateway(gateway::Error::Unsupported(error)))?;
    let options = Options::new(session.options.clone());
    let inputs = client.inputs(buildkit::PATIENCE).await?;
    if let Some(dockerfile) = inputs.get(options.dockerfile_local()) {
        source::is_plain(dockerfile)?;
    }
    if let Some(request) = options.request()
        && !requests::is_own(request)
    {
        return requests::forward(client, &options, inputs, request).await;
    }
    let resolver = BuildKit {
        session: session.id.clone(),
        client,
        own_image: buildkit::OWN_IMAGE.into(),
        proxies: proxies(&options),
        input_configs: input_configs(&options),
    };
    let mut expected = Expected::default();
    let sources =
        source::load(client, &resolver, session, &options, &inputs, &mut expected).await?;
    files.dockerfile = sources.filename.clone();
    files.loader = sources.loader.clone();
    files
        .texts
        .insert(sources.filename.clone(), sources.dockerfile.clone());
    for (name, shown) in [
        ("policy", sources.policy_name.clone()),
        ("lock", format!("{}.lock", sources.filename)),
        ("evidence", format!("{}.evidence", sources.filename)),
    ] {
        if let Some(bytes) = sources.project.get(name) {
            files.texts.insert(shown, bytes.clone());
        }
    }
    let settings = Settings::read(&sources, organisation)?;
    let locked = settings.policy.locked() || options.locked().map_err(option_failure)?;
    let contexts = options.named_contexts();
    let build_platform = build_platform(session);

    let untouched = Nested {
        client,
        options: &options,
        inputs: &inputs,
        sources: &sources,
        sbom: None,
        stock: &Stock::BuiltIn,
    };
    let dockerfile = match Dockerfile::parse(&sources.dockerfile) {
        Ok(dockerfile) => dockerfile,
        Err(error) => return Err(refuse(&untouched, contexts, &error.into()).await),
    };
    let platforms = platforms(&options, &build_platform)?;
    let build_args = options.build_args();
    let build = Build {
        file: &sources.filename,
        bytes: &sources.dockerfile,
        dockerfile: &dockerfile,
        target: options.target(),
        platforms: &platforms,
        build_platform: &build_platform,
        build_args: &build_args,
        contexts: &contexts,
        policy: &settings.policy,
        lock: &settings.lock,
        evidence: &settings.evidence,
        locked,
        checks_git: resolver.checks_commits(),
        now,
    };
    let mut outcome = match pipeline::run(&build, &resolver).await {
        Ok(outcome) => outcome,
        Err(error) => return Err(refuse(&untouched, contexts, &error).await),
    };
    let stock = stock(&build, &resolver, &options, &mut outcome).await;
    let sbom = scanner(
        &build,
        &resolver,
        &options,
        &build_platform,
        &mut outcome,
        &mut expected,
    )
    .await?;
    let imports = options.cache_imports().map_err(option_failure)?;
    outcome.findings.extend(cache_findings(&build, &imports));
    let handed_in = requests::inputs_in_use(&inputs, &sources, &outcome);
    outcome
        .findings
        .extend(requests::judge_inputs(&build, &resolver, &handed_in, &mut expected).await);

    if let Some(request) = options.request() {
        return requests::answer(request, &build, &outcome);
    }
    none(std::mem::take(&mut outcome.findings))?;

    gate::expect(
        &mut expected,
        &outcome,
        &options,
        &session.id,
        &build_platform,
    );
    let nested = Nested {
        client,
        options: &options,
        inputs: &inputs,
        sources: &sources,
        sbom: sbom.as_ref().map(|scanner| scanner.option.as_str()),
        stock: &stock,
    };
    let imports: Vec<CacheOptionsEntry> = imports.into_iter().map(cache_entry).collect();
    let wanted = options.wanted().map_err(option_failure)?;
    let steps = replay::Steps::new(client, &build, &resolver, &options, &session.id)?;
    // Recordings, a store and a text are no image.
    let provenance = match wanted {
        Wanted::Image => options.provenance().map_err(option_failure)?,
        _ => None,
    };
    let dockerfile = (
        sources.filename.clone(),
        Digest::sha256(&sources.dockerfile),
    );
    let statements = async {
        let read = (&dockerfile, settings.read.as_slice());
        match provenance {
            Some(_) => attest::statements(client, read, &outcome).await,
            None => Ok(Vec::new()),
        }
    };
    let groups = groups(&outcome.platforms);
    let built = async {
        let mut results = Vec::new();
        for group in &groups {
            let Some(first) = group.first() else { continue };
            let names: Vec<String> = group
                .iter()
                .map(|built| built.platform.to_string())
                .collect();
            let mut result = nested
                .solve(first, (groups.len() > 1).then_some(names.as_slice()))
                .await?;
            if let Some(scanner) = &sbom {
                nested::without_network(&mut result, &scanner.source)?;
            }
            let look = |result: &BuildResult, expected: &Expected| {
                let policy = &settings.policy;
                let escaped = gate::check(
                    result,
                    expected,
                    &sources.filename,
                    &first.rewritten,
                    policy,
                    now,
                );
                none(escaped)
            };
            look(&result, &expected)?;
            none(downloads::fetch(client, &result, &sources.filename, &first.rewritten).await?)?;
            if let Some(steps) = &steps {
                // What launchers bring in is for them only: the stock frontend's graph of the next platform may not have it.
                let mut expected = expected.clone();
                result = match &wanted {
                    Wanted::Image => {
                        none(steps.replay(&mut result, &mut expected, first).await?)?;
                        look(&result, &expected)?;
                        result
                    }
                    Wanted::Recordings(which) => {
                        let recorded = steps.record(*which, result, &mut expected, first).await?;
                        recorded.map_err(Failure::Findings)?
                    }
                    Wanted::Store => {
                        let store = steps.store_image(result, &mut expected, first).await?;
                        store.map_err(Failure::Findings)?
                    }
                    Wanted::Text(store) => {
                        let text = steps.text(store, result, first).await?;
                        text.map_err(Failure::Findings)?
                    }
                };
            }
            results.push(
                nested::with_own_file(client, result, &sources, &first.rewritten, &imports).await?,
            );
        }
        Ok(results)
    };
    let (mut results, statements) = future::try_join(built, statements).await?;
    let mut result = match results.len() {
        1 => results.pop().ok_or_else(nothing)?,
        0 => return Err(nothing()),
        _ => nested::merge(results)?,
    };
    if let Some(inline_only) = provenance {
        attest::attach(&mut result, &statements, inline_only)?;
    }
    Ok(result)
}

/// An error, unless there are no findings.
fn none(findings: Vec<Finding>) -> Result<(), Failure> {
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::Findings(findings))
}

/// The refusal of a file that cannot be read or planned.
///
/// The stock frontend's words are what users know; ours stand where it would build the file, or might never end.
async fn refuse(
    untouched: &Nested<'_>,
    contexts: BTreeMap<String, String>,
    error: &fetch::Error,
) -> Failure {
    let file = &untouched.sources.filename;
    let finding = pipeline::unreadable(file, error);
    let ours = Failure::Findings(vec![finding]);
    if error.is_bound() || pipeline::has_too_many_lines(&untouched.sources.dockerfile) {
        return ours;
    }
    untouched.complaint(contexts).await.unwrap_or(ours)
}

fn nothing() -> Failure {
    Failure::Gateway(gateway::Error::Answer {
        call: "Solve",
        reason: "there is no platform to build for".into(),
    })
}

/// Consecutive platforms that are built from the same text with the same contexts.
fn groups(platforms: &[PlatformOutcome]) -> Vec<Vec<&PlatformOutcome>> {
    let mut groups: Vec<Vec<&PlatformOutcome>> = Vec::new();
    for built in platforms {
        match groups.last_mut() {
            Some(group)
                if group.first().is_some_and(|first| {
                    first.rewritten.bytes == built.rewritten.bytes
                        && first.contexts == built.contexts
                        && first.force_no_network == built.force_no_network
                }) =>
            {
                group.push(built);
            }
            _ => groups.push(vec![built]),
        }
    }
    groups
}

/// Policy, lock and evidence of a build.
struct Settings {
    /// The files that were read for them, the organisation's first.
    read: Vec<Read>,
    policy: Policy,
    lock: Lock,
    evidence: Evidence,
}

impl Settings {
    fn read(sources: &Sources, organisation: &Path) -> Result<Self, Failure> {
        let (mut read, mut layers) = (Vec::new(), Vec::new());
        let path = organisation.join("policy.toml");
        match std::fs::read(&path) {
            Ok(bytes) => {
                let name = path.display().to_string();
                layers.push(
                    Layer::parse(&bytes, &name, &LocalFolder::new(organisation))
                        .map_err(bad_file)?,
                );
                read.push((name, Digest::sha256(&bytes)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            // A policy that is there and cannot be read must not count as none.
            Err(error) => {
                return Err(Failure::Findings(vec![Finding {
                    kind: Kind::Configuration,
                    file: path.display().to_string(),
                    place: None,
                    subject: "the organisation's policy".into(),
                    cause: error.to_string(),
                    next: "mend the frontend's image".into(),
                }]));
            }
        }
        if let Some(bytes) = sources.project.get("policy") {
            let keys: BTreeMap<String, Vec<u8>> = sources
                .project
                .iter()
                .filter_map(|(name, bytes)| {
                    Some((name.strip_prefix("keys/")?.to_owned(), bytes.clone()))
                })
                .collect();
            layers.push(Layer::parse(bytes, &sources.policy_name, &keys).map_err(bad_file)?);
            read.push((sources.policy_name.clone(), Digest::sha256(bytes)));
        }
        let file = |extension: &str| format!("{}.{extension}", sources.filename);
        for name in ["lock", "evidence"] {
            if let Some(bytes) = sources.project.get(name) {
                read.push((file(name), Digest::sha256(bytes)));
            }
        }
        let lock = match sources.project.get("lock") {
            Some(bytes) => Lock::parse(bytes, &file("lock")).map_err(bad_file)?,
            None => Lock::default(),
        };
        let evidence = match sources.project.get("evidence") {
            Some(bytes) => Evidence::parse(bytes, &file("evidence")).map_err(bad_file)?,
            None => Evidence::default(),
        };
        Ok(Self {
            read,
            policy: Policy::new(layers),
            lock,
            evidence,
        })
    }
}

fn bad_file(error: PolicyError) -> Failure {
    Failure::Findings(vec![error.into()])
}

impl From<PolicyError> for Finding {
    fn from(error: PolicyError) -> Self {
        let line = u32::try_from(error.line).unwrap_or(u32::MAX);
        Self {
            kind: Kind::Configuration,
            place: Some(Place::lines(line, line).with_span(error.span)),
            subject: String::new(),
            cause: error.message,
            next: "correct the file; its form is described in docs/".into(),
            file: error.file,
        }
    }
}

fn option_failure(error: options::OptionError) -> Failure {
    Failure::Status(gateway::Status::new(error.to_string()))
}

fn build_platform(session: &Session) -> Platform {
    let own = session
        .workers
        .first()
        .and_then(|worker| worker.platforms.first());
    match own {
        Some(platform) => {
            Platform::new(&platform.os, &platform.architecture, &platform.variant).normalize()
        }
        None => Platform::new("linux", std::env::consts::ARCH, "").normalize(),
    }
}

fn platforms(options: &Options, build_platform: &Platform) -> Result<Vec<Platform>, Failure> {
    let written = options.platforms();
    if written.is_empty() {
        return Ok(vec![build_platform.clone()]);
    }
    written
        .into_iter()
        .map(|text| {
            Platform::parse(text, build_platform)
                .map(|platform| platform.normalize())
                .map_err(|error| Failure::Status(gateway::Status::new(error.to_string())))
        })
        .collect()
}

fn proxies(options: &Options) -> Vec<String> {
    options
        .build_args()
        .into_iter()
        .filter(|(name, _)| {
            ["http_proxy", "https_proxy", "no_proxy", "all_proxy"]
                .contains(&name.to_ascii_lowercase().as_str())
        })
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// The image configurations that clients pass for `input:` contexts.
///
/// Source: BuildKit `frontend/dockerui/namedcontext.go`: `input-metadata:NAME` is a JSON object of base64 values.
fn input_configs(options: &Options) -> BTreeMap<String, ImageConfig> {
    use base64ct::Encoding as _;
    let mut configs = BTreeMap::new();
    for (key, value) in options.named_contexts() {
        let Some(input) = value.strip_prefix("input:") else {
            continue;
        };
        let Some(json) = options.get(&format!("input-metadata:{input}")) else {
            continue;
        };
        let Ok(metadata) = serde_json::from_str::<BTreeMap<String, String>>(json) else {
            continue;
        };
        let config = metadata
            .get("containerimage.config")
            .and_then(|text| base64ct::Base64::decode_vec(text).ok())
            .and_then(|bytes| config::parse(&bytes).ok());
        if let Some(config) = config {
            configs.insert(key, config);
        }
    }
    configs
}

fn cache_entry(import: CacheImport) -> CacheOptionsEntry {
    CacheOptionsEntry {
        r#type: import.kind,
        attrs: import.attrs,
    }
}

fn cache_findings(build: &Build<'_>, imports: &[CacheImport]) -> Vec<Finding> {
    imports
        .iter()
        .filter_map(|import| {
            let reference = import.attrs.get("ref").map(String::as_str);
            let verdict = build.policy.cache(&import.kind, reference, build.now);
            let (cause, next) = pipeline::refusal(&verdict)?;
            Some(Finding {
                kind: Kind::Cache,
                file: build.file.to_owned(),
                place: None,
                subject: format!("--cache-from {}", import.subject()),
                cause,
                next,
            })
        })
        .collect()
}

/// The frontend that the file itself names, if it is started for another one by BUILDKIT_SYNTAX; else the one inside BuildKit.
async fn stock(
    build: &Build<'_>,
    resolver: &BuildKit<'_>,
    options: &Options,
    outcome: &mut Outcome,
) -> Stock {
    let Some(directive) = syntax::detect(build.bytes) else {
        return Stock::BuiltIn;
    };
    let own = options
        .get("source")
        .and_then(|source| ImageReference::parse(source).ok());
    let named = ImageReference::parse(&directive.reference);
    // Our own image may be in several registries; its name is the same in each.
    let name = |reference: &ImageReference| reference.path().rsplit('/').next().map(str::to_owned);
    let is_own = match (&named, &own) {
        (Ok(named), Some(own)) => name(named) == name(own),
        _ => false,
    };
    if options.get("build-arg:BUILDKIT_SYNTAX").is_none() || is_own {
        return Stock::BuiltIn;
    }
    let mut refuse = |kind: Kind, cause: String, next: String| {
        let line = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
        outcome.findings.push(Finding {
            kind,
            file: build.file.to_owned(),
            place: Some(Place::lines(line(directive.line), line(directive.line))),
            subject: format!("syntax={}", directive.reference),
            cause,
            next,
        });
        Stock::BuiltIn
    };
    let Ok(named) = named else {
        return refuse(
            Kind::Dockerfile,
            "it is no image reference".into(),
            "name a frontend as an image, or remove the line".into(),
        );
    };
    if !matches!(
        named.repository().as_str(),
        "docker.io/docker/dockerfile" | "docker.io/docker/dockerfile-upstream"
    ) {
        return refuse(
            Kind::Unsupported,
            "the file is written for another frontend than the Dockerfile one".into(),
            "build it without verified-dockerfile, or name docker/dockerfile".into(),
        );
    }
    let named = named.with_default_tag();
    // BuildKit looks for the frontend's own image among the named contexts, too.
    let replaced = build.contexts.keys().find(|key| {
        let name = key.split("::").next().unwrap_or_default();
        ImageReference::parse(name).is_ok_and(|context| context.repository() == named.repository())
    });
    if let Some(key) = replaced {
        return refuse(
            Kind::Context,
            format!("the named context {key} would stand in for the frontend"),
            "build without that named context".into(),
        );
    }
    let judged = pipeline::image(build, resolver, &named, build.build_platform).await;
    if let Some((kind, cause, next)) = judged.refusal() {
        return refuse(kind, cause, next);
    }
    match judged.digest() {
        Some(digest) => Stock::Image(named.with_digest(digest.clone()).to_string()),
        None => refuse(
            Kind::Unpinned,
            "it has no digest".into(),
            "name it by its digest".into(),
        ),
    }
}

/// The scanner of an SBOM, pinned.
struct Scanner {
    /// The value of `attest:sbom`.
    option: String,
    /// Its source in the graph.
    source: String,
}

/// The scanner that the build would run, judged as any image, and among what may run.
async fn scanner(
    build: &Build<'_>,
    resolver: &BuildKit<'_>,
    options: &Options,
    platform: &Platform,
    outcome: &mut Outcome,
    expected: &mut Expected,
) -> Result<Option<Scanner>, Failure> {
    let Some(scanner) = options.sbom_scanner().map_err(option_failure)? else {
        return Ok(None);
    };
    let mut refuse = |kind: Kind, cause: String, next: String| {
        outcome.findings.push(Finding {
            kind,
            file: build.file.to_owned(),
            place: None,
            subject: format!("--sbom with the scanner {scanner}"),
            cause,
            next,
        });
    };
    let reference = match ImageReference::parse(&scanner) {
        Ok(reference) => reference.with_default_tag(),
        Err(error) => {
            refuse(
                Kind::Unsupported,
                error.to_string(),
                "name the scanner as an image".into(),
            );
            return Ok(None);
        }
    };
    let judged = pipeline::image(build, resolver, &reference, platform).await;
    if let Some((kind, cause, next)) = judged.refusal() {
        refuse(kind, cause, next);
        return Ok(None);
    }
    let Some(digest) = judged.digest() else {
        return Ok(None);
    };
    gate::expect_image(expected, reference.repository(), digest.clone());
    let pinned = reference.with_digest(digest.clone());
    let option = options
        .sbom_with_scanner(&pinned.to_string())
        .map_err(option_failure)?;
    Ok(Some(Scanner {
        option,
        source: format!("docker-image://{pinned}"),
    }))
}

/// Whether any of `fetches` reads from the named context `key`.
fn reads_context(built: &PlatformOutcome, key: &str) -> bool {
    built
        .plan
        .fetches
        .iter()
        .any(|fetch| matches!(&fetch.source, Source::Context { key: used, .. } if used == key))
}
