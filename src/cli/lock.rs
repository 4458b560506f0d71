//! `lock`: fixes what Dockerfiles fetch, with the proof of it, in the files beside them.

mod changes;
mod report;
mod steps;
mod work;

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use futures_util::stream::{self, StreamExt as _};

use super::{
    CannotRun, Clean,
    args::{BuildArgs, Format},
    complain, print,
    progress::Progress,
    project::{self, Project},
};
use crate::resolve::live::{self, Live, Machine, Places};

/// `lock`.
#[derive(Debug, Args)]
pub struct LockArgs {
    /// Dockerfiles, or folders with Dockerfiles below.
    #[arg(value_name = "PATH", default_value = "Dockerfile")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub build: BuildArgs,
    /// Lock for these stages only, comma-separated; without and without --target, for all.
    #[arg(long, value_delimiter = ',', value_name = "STAGE")]
    pub targets: Vec<String>,
    /// Lock with this set of build arguments, too: KEY=VALUE,.. May be given several times.
    #[arg(long = "with", value_name = "KEY=VALUE,..")]
    pub sets: Vec<String>,
    /// Renew what is in the lock: all, or what the pattern covers (an image, a URL, REMOTE#REF). Steps that loaded such a URL are
    /// recorded anew.
    #[arg(long, value_name = "GLOB", num_args = 0..=1, require_equals = true, default_missing_value = "**")]
    pub update: Option<String>,
    /// Take a renewed thing although it was signed by another key before: the new key's name, or `nobody`.
    #[arg(long = "accept-signer", value_name = "KEY")]
    pub accept_signer: Vec<String>,
    /// Take out what this Dockerfile, so built, does not fetch.
    #[arg(long)]
    pub prune: bool,
    /// Write nothing; fail if something is missing or refused.
    #[arg(long, conflicts_with_all = ["update", "dry_run", "prune"])]
    pub check: bool,
    /// Write nothing; show what would change.
    #[arg(long)]
    pub dry_run: bool,
    /// Which RUN steps to record, by docker buildx and this frontend's image: they run once, with the network.
    #[arg(long, value_enum, default_value_t = steps::When::Auto, value_name = "WHEN")]
    pub record: steps::When,
    /// This frontend's image, to record; else the one that the Dockerfile names.
    #[arg(long, value_name = "IMAGE", env = "VERIFIED_DOCKERFILE_FRONTEND")]
    pub frontend: Option<String>,
    /// The folder that keeps what steps download, by digest; a build gets it with `--build-context verified-store=FOLDER`.
    #[arg(long, value_name = "FOLDER", default_value = "verified-store")]
    pub store: PathBuf,
    /// The build context of what is recorded; else each Dockerfile's folder.
    #[arg(long, value_name = "FOLDER")]
    pub context: Option<PathBuf>,
    /// How many requests run at the same time.
    #[arg(long, default_value_t = live::JOBS, value_name = "NUMBER")]
    pub jobs: usize,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

pub(super) fn run(args: &LockArgs) -> Result<Clean, CannotRun> {
    let paths = project::dockerfiles(&args.paths)?;
    let projects = paths
        .iter()
        .map(|path| Project::open(path, &args.build))
        .collect::<Result<Vec<_>, _>>()?;
    let progress = Arc::new(Progress::new());
    let live = resolver(args.jobs, Arc::clone(&progress))?;
    let live = &live;
    let all = projects.iter().map(|project| async move {
        let result = work::lock(project, args, live).await?;
        if !args.check && !args.dry_run {
            let files = result.files(project);
            let beside = ["lock", "evidence"].map(|kind| project.path_beside(kind));
            // Elsewhere: a disk takes its time, and other Dockerfiles' requests go on.
            tokio::task::spawn_blocking(move || work::write(&files, &beside))
                .await
                .map_err(|error| CannotRun::new(&project.name, error))??;
        }
        Ok::<_, CannotRun>(result)
    });
    // All at once: what is shared is asked for once, and the resolver keeps the limits.
    let at_once = projects.len().max(1);
    let done: Vec<_> = project::runtime()?.block_on(stream::iter(all).buffered(at_once).collect());
    progress.clear();
    let mut results = Vec::new();
    for (project, result) in projects.iter().zip(done) {
        results.push((project, result?));
    }
    for (project, result) in &mut results {
        if args.format == Format::Text {
            print(report::text(project, result, args.dry_run))?;
        }
        // One after the other: each is a build.
        steps::record(project, args, result)?;
        if args.format == Format::Text {
            print(report::recorded(result))?;
            complain(&project.render(&result.findings, false));
        }
    }
    if args.format == Format::Json {
        print(report::json(&results)?)?;
    }
    let clean = results.iter().all(|(_, result)| result.findings.is_empty());
    Ok(if clean { Clean::Yes } else { Clean::No })
}

/// A resolver for this machine.
pub(super) fn resolver(jobs: usize, progress: Arc<Progress>) -> Result<Live, CannotRun> {
    let places = Places::of(&|name| std::env::var_os(name));
    Machine::read(&places)
        .and_then(|machine| Live::new(machine, jobs, progress))
        .map_err(|error| CannotRun::new("this machine's settings", error))
}
