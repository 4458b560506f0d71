//! `init`: proposes a `verified.toml` for Dockerfiles: how each publisher signs, and what a person must decide.
//!
//! Nothing is accepted here: a rule is proposed only for a signature that was checked, with whoever made it; everything else
//! is written as comments, so that it stays refused until somebody decides.

mod find;
mod write;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use clap::Args;
use futures_util::{future, stream, stream::StreamExt as _};
use jiff::Timestamp;

use super::{
    CannotRun, Clean,
    args::BuildArgs,
    complain, lock, print,
    progress::Progress,
    project::{self, Project},
};
use crate::{
    fetch::Source,
    lock::write_atomic,
    pipeline::{self, Build},
    policy::{Layer, Pin, Policy},
    resolve::live::{self, Live},
};

/// A policy under which everything is looked at. It decides nothing.
const LOOK: &[u8] = b"version = 1\n\
    [[image]]\nmatch = \"**\"\naccept = \"digest\"\nreason = \"to look at it\"\nuntil = 9999-12-31\n\
    [[http]]\nmatch = \"**\"\naccept = \"digest\"\nreason = \"to look at it\"\nuntil = 9999-12-31\n\
    [[git]]\nmatch = \"**\"\naccept = \"digest\"\nreason = \"to look at it\"\nuntil = 9999-12-31\n";

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Dockerfiles, or folders with Dockerfiles below.
    #[arg(value_name = "PATH", default_value = "Dockerfile")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub build: BuildArgs,
    /// Write it to this file, which must not be there yet, instead of to standard output.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How many requests run at the same time.
    #[arg(long, default_value_t = live::JOBS, value_name = "NUMBER")]
    pub jobs: usize,
}

/// Something that Dockerfiles fetch, and where.
struct Thing {
    source: Source,
    pin: Pin,
    places: Vec<String>,
}

pub(super) fn run(args: &InitArgs) -> Result<Clean, CannotRun> {
    if let Some(path) = args.output.as_ref().filter(|path| path.exists()) {
        return Err(CannotRun::new(
            path.display(),
            "it is there already; nothing was changed",
        ));
    }
    let progress = Arc::new(Progress::new());
    let live = lock::resolver(args.jobs, Arc::clone(&progress))?;
    let projects = project::dockerfiles(&args.paths)?
        .iter()
        .map(|path| Project::open(path, &args.build))
        .collect::<Result<Vec<_>, _>>()?;
    let now = Timestamp::now();
    let done = project::runtime()?.block_on(async {
        let all = future::join_all(projects.iter().map(|project| things(project, &live))).await;
        let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
        for result in all {
            let (things, more) = result?;
            problems.extend(more);
            for (name, thing) in things {
                let known = found.entry(name).or_insert(Thing {
                    places: Vec::new(),
                    ..thing
                });
                known.places.extend(thing.places);
            }
        }
        let live = &live;
        let looked = found.into_iter().map(|(name, thing)| async move {
            let how = find::how(live, &thing.source, &thing.pin, now).await;
            (name, thing, how)
        });
        let looked: Vec<_> = stream::iter(looked)
            .buffered(args.jobs.max(1))
            .collect()
            .await;
        Ok::<_, CannotRun>((looked, problems))
    });
    progress.clear();
    let (looked, problems) = done?;
    let text = write::policy(&looked, now);
    for problem in &problems {
        complain(&format!("not looked at: {problem}\n"));
    }
    match &args.output {
        None => print(&text)?,
        Some(path) => write_atomic(path, text.as_bytes())
            .map_err(|error| CannotRun::new(path.display(), error))?,
    }
    let decided = looked.iter().all(|(.., how)| how.proven());
    Ok(if decided && problems.is_empty() {
        Clean::Yes
    } else {
        Clean::No
    })
}

type Things = BTreeMap<String, Thing>;

/// What one Dockerfile fetches, by name; and what could not be looked at.
async fn things(project: &Project, live: &Live) -> Result<(Things, Vec<String>), CannotRun> {
    let (mut things, mut problems) = (BTreeMap::new(), Vec::new());
    let mut inputs = match project.inputs()? {
        Ok(inputs) => inputs,
        Err(finding) => return Ok((things, vec![finding.headline()])),
    };
    let look = Layer::parse(LOOK, "init", &BTreeMap::<String, Vec<u8>>::new());
    let look = look.map_err(|error| CannotRun::new("init", error))?;
    inputs.policy = Policy::new(vec![look]);
    let build = Build {
        locked: false,
        ..project.build(&inputs)
    };
    let outcome = match pipeline::run(&build, live).await {
        Ok(outcome) => outcome,
        Err(error) => {
            return Ok((
                things,
                vec![pipeline::unreadable(&project.name, &error).headline()],
            ));
        }
    };
    for built in &outcome.platforms {
        for (fetch, judged) in built.plan.fetches.iter().zip(&built.fetches) {
            let place = format!("{}:{}", project.name, fetch.place.lines.0);
            let source = match (&fetch.source, &judged.image) {
                (Source::Context { platform, .. }, Some(image)) => Source::Image {
                    reference: image.clone(),
                    platform: platform.clone(),
                },
                (Source::Context { .. }, None) => continue,
                (source, _) => source.clone(),
            };
            let name = match &source {
                Source::Image { reference, .. } => reference.clone().with_default_tag().to_string(),
                Source::Http { url, .. } => url.clone(),
                Source::Git(git) => format!("{}#{}", git.remote, git.reference),
                Source::Context { .. } => continue,
            };
            let Some((pin, _)) = &judged.pin else {
                let why = judged
                    .refusal()
                    .map_or(String::new(), |(_, cause, _)| cause);
                problems.push(format!("{place}: {name}: {why}"));
                continue;
            };
            let known = things.entry(name).or_insert(Thing {
                source,
                pin: pin.clone(),
                places: Vec::new(),
            });
            if !known.places.contains(&place) {
                known.places.push(place);
            }
        }
    }
    Ok((things, problems))
}
