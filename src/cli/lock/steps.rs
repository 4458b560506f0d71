//! RUN steps that download: `lock` records what its lock has nothing of, by the same build as `record`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use clap::ValueEnum;

use super::{LockArgs, work::Locked};
use crate::{
    cli::{CannotRun, args::BuildArgs, project::Project, record},
    dockerfile::syntax,
    lock::Lock,
    pipeline::PlatformOutcome,
    policy::glob::Glob,
    replay::record::shown,
    report::{Finding, Kind, Place, steps},
    shell::Budget,
};

/// How many downloads of a step are named, and how many answers that changed.
const MAX_NAMED: usize = 3;
const MAX_CHANGES: usize = 20;
/// How much of a digest is shown.
const SHOWN: usize = 19;
/// The stock frontend: it records nothing.
const STOCK: &str = "docker/dockerfile";

/// Which steps are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// Those that download and that the lock has nothing of.
    Auto,
    /// All that the build would have nothing of, also those of which cannot be told whether they download.
    Always,
    /// None.
    Never,
}

/// Of what a build is made, beside the Dockerfile: a target and arguments.
pub(super) type Variant = (Option<String>, BTreeMap<String, String>);

/// What there is to say about a Dockerfile's steps.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    /// What recordings call those that have no network.
    pub names: BTreeSet<String>,
    /// Those that download and are not recorded: what recordings would call them, and what is to be told.
    pub missing: BTreeMap<String, Finding>,
    /// The builds that have some of these.
    wanted: BTreeSet<Variant>,
    /// All builds.
    all: BTreeSet<Variant>,
    /// How many there are of which cannot be told whether they download.
    pub unclear: usize,
    /// What was recorded, a line each.
    pub recorded: Vec<String>,
}

impl Steps {
    /// Adds those of one build.
    pub(super) fn add(
        &mut self,
        file: &str,
        variant: &Variant,
        platforms: &[PlatformOutcome],
        lock: &Lock,
        budget: &mut Budget,
    ) {
        self.all.insert(variant.clone());
        for built in platforms {
            for (step, network) in steps::of(built) {
                if network {
                    continue;
                }
                let name = steps::name(step);
                let new = self.names.insert(name.clone());
                if lock.runs().any(|recording| recording.command == name) {
                    continue;
                }
                let reading = steps::read_within(step, &built.platform, budget);
                if reading.fetches.is_empty() {
                    let unclear = new && !reading.unclear.is_empty();
                    self.unclear = self.unclear.saturating_add(usize::from(unclear));
                    continue;
                }
                self.wanted.insert(variant.clone());
                let mut all: Vec<String> = reading.fetches.iter().map(steps::what).collect();
                all.dedup();
                let more = all.len().saturating_sub(MAX_NAMED);
                all.truncate(MAX_NAMED);
                let mut downloads = all.join("; ");
                if more > 0 {
                    downloads.push_str(&format!("; and {more} more"));
                }
                let line = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
                let (first, last) = step.place.lines;
                let span = step.place.span.start..step.place.span.end;
                self.missing.entry(name).or_insert_with(|| Finding {
                    kind: Kind::Download,
                    file: file.to_owned(),
                    place: Some(Place::lines(line(first), line(last)).with_span(span)),
                    subject: format!("RUN {}", steps::command(step)),
                    cause: format!(
                        "it downloads, and the lock has no recording of it: {downloads}"
                    ),
                    next: "record it: `verified-dockerfile lock`; or fetch it by ADD; or allow the step its network by a run rule"
                        .to_owned(),
                });
            }
        }
    }

    /// Takes the recordings out of `lock` that no step is called like, and says how many.
    pub(super) fn prune(&self, lock: &mut Lock) -> usize {
        let gone: Vec<_> = lock
            .runs()
            .filter(|recording| !self.names.contains(&recording.command))
            .map(|recording| recording.step.clone())
            .collect();
        gone.iter().for_each(|step| lock.remove_run(step));
        gone.len()
    }
}

/// Records what is to be recorded of a Dockerfile whose lock is written; what is missing then is a finding.
pub(super) fn record(
    project: &Project,
    args: &LockArgs,
    result: &mut Locked,
) -> Result<(), CannotRun> {
    let steps = &mut result.steps;
    let path = project.path_beside("lock");
    let old = read(&path)?;
    let renew = args.update.as_deref().is_some_and(|pattern| {
        let glob = Glob::new(pattern);
        old.runs()
            .flat_map(|recording| &recording.exchanges)
            .any(|exchange| glob.matches(&exchange.url))
    });
    let builds: Vec<Variant> = match args.record {
        When::Never => Vec::new(),
        When::Always => steps.all.iter().cloned().collect(),
        When::Auto if renew => steps.all.iter().cloned().collect(),
        When::Auto => steps.wanted.iter().cloned().collect(),
    };
    let mut why = None;
    if !builds.is_empty() && !args.check && !args.dry_run {
        match frontend(project, args) {
            None => {
                why = Some((
                    "nobody says which frontend records it".to_owned(),
                    "name this frontend's image: --frontend, VERIFIED_DOCKERFILE_FRONTEND, or the Dockerfile's `# syntax=` line",
                ));
            }
            Some(frontend) => {
                why = builds
                    .iter()
                    .find_map(|variant| build(project, args, variant, &frontend, renew).err())
                    .map(|error| {
                        (
                            error.to_string(),
                            "recording needs docker buildx, and a build that works; or fetch it by ADD; or allow the step its network by a run rule",
                        )
                    });
            }
        }
        let new = read(&path)?;
        steps.recorded = changes(&old, &new);
        let named: BTreeSet<&str> = new.runs().map(|run| run.command.as_str()).collect();
        steps
            .missing
            .retain(|name, _| !named.contains(name.as_str()));
        // A build that failed although nothing was known to be missing.
        if let (Some((cause, next)), true) = (&why, steps.missing.is_empty()) {
            result.findings.push(Finding {
                kind: Kind::Download,
                file: project.name.clone(),
                place: None,
                subject: "recording".to_owned(),
                cause: cause.clone(),
                next: (*next).to_owned(),
            });
        }
    }
    // What would be done is told, and no reason to fail.
    if args.record == When::Never || args.dry_run {
        return Ok(());
    }
    for finding in steps.missing.values_mut() {
        if let Some((cause, next)) = &why {
            finding.cause = format!("{}; it was not recorded: {cause}", finding.cause);
            finding.next = (*next).to_owned();
        }
        result.findings.push(finding.clone());
    }
    Ok(())
}

/// The frontend's image: as named, else that of the Dockerfile, if it is not the stock one.
fn frontend(project: &Project, args: &LockArgs) -> Option<String> {
    let written = || {
        let reference = syntax::detect(&project.bytes)?.reference;
        let bare = reference.strip_prefix("docker.io/").unwrap_or(&reference);
        let stock = bare
            .strip_prefix(STOCK)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@', '-']));
        (!stock).then_some(reference)
    };
    args.frontend.clone().or_else(written)
}

fn build(
    project: &Project,
    args: &LockArgs,
    (target, build_args): &Variant,
    frontend: &str,
    all: bool,
) -> Result<(), CannotRun> {
    record::record(&record::RecordArgs {
        path: PathBuf::from(&project.name),
        build: BuildArgs {
            build_args: build_args
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect(),
            target: target.clone(),
            ..args.build.clone()
        },
        context: args.context.clone(),
        store: args.store.clone(),
        frontend: Some(frontend.to_owned()),
        hosts: Vec::new(),
        all,
    })
    .map(|_| ())
}

fn read(path: &Path) -> Result<Lock, CannotRun> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Lock::default()),
        Err(error) => return Err(CannotRun::new(path.display(), error)),
    };
    Lock::parse(&bytes, &path.display().to_string()).map_err(|error| {
        CannotRun::new(
            path.display(),
            format!("line {}: {}", error.line, error.message),
        )
    })
}

/// What the new recordings have that the old ones have not.
fn changes(old: &Lock, new: &Lock) -> Vec<String> {
    let short = |digest: &crate::digest::Digest| {
        let text = digest.to_string();
        text.get(..SHOWN).unwrap_or(&text).to_owned()
    };
    let mut lines = Vec::new();
    for recording in new.runs() {
        let before = old.run(&recording.step);
        if before == Some(recording) {
            continue;
        }
        let size = recording
            .bodies()
            .values()
            .fold(0_u64, |sum, size| sum.saturating_add(*size));
        let sign = if before.is_some() { "~" } else { "+" };
        lines.push(format!(
            "{sign} RUN {}  {} requests, {size} bytes",
            shown(&recording.command),
            recording.exchanges.len()
        ));
        let Some(before) = before else { continue };
        let mut was: BTreeMap<(&str, &str), Vec<_>> = BTreeMap::new();
        for exchange in &before.exchanges {
            let key = (exchange.method.as_str(), exchange.url.as_str());
            was.entry(key).or_default().push(&exchange.digest);
        }
        let mut told = Vec::new();
        for exchange in &recording.exchanges {
            let key = (exchange.method.as_str(), exchange.url.as_str());
            let url = shown(&exchange.url);
            match was.get(&key) {
                None => told.push(format!("  + {url}  {}", short(&exchange.digest))),
                Some(digests) if digests.contains(&&exchange.digest) => {}
                Some(digests) => {
                    let from = digests.first().map(|digest| short(digest));
                    told.push(format!(
                        "  ~ {url}  {} -> {}",
                        from.unwrap_or_default(),
                        short(&exchange.digest)
                    ));
                }
            }
        }
        let more = told.len().saturating_sub(MAX_CHANGES);
        lines.extend(told.into_iter().take(MAX_CHANGES));
        if more > 0 {
            lines.push(format!("  and {more} more"));
        }
    }
    lines
}
