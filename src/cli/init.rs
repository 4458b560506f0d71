//! `init`: proposes a `verified.toml` for Dockerfiles: how each publisher signs, and what a person must decide.
//!
//! Nothing is accepted here: a rule is proposed only for a signature that was checked, with whoever made it; everything else
//! is written as comments, so that it stays refused until somebody decides. What RUN steps download counts as well, and what they check
//! themselves is told.

mod find;
mod steps;
mod write;

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::PathBuf,
    sync::Arc,
};

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
    resolve::{
        Resolve as _,
        live::{self, Live},
    },
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
    /// What the Dockerfile itself knows of it.
    known: steps::Known,
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
        let (mut found, mut problems) = (Things::new(), Vec::new());
        let mut rest: BTreeMap<String, steps::Rest> = BTreeMap::new();
        for result in all {
            let seen = result?;
            problems.extend(seen.problems);
            for (command, step) in seen.rest {
                match rest.entry(command) {
                    Entry::Vacant(slot) => {
                        slot.insert(step);
                    }
                    Entry::Occupied(mut known) => known.get_mut().places.extend(step.places),
                }
            }
            for (name, thing) in seen.things {
                match found.entry(name) {
                    Entry::Vacant(slot) => {
                        slot.insert(thing);
                    }
                    Entry::Occupied(mut slot) => {
                        let known = slot.get_mut();
                        known.places.extend(thing.places);
                        known.known.add(thing.known);
                    }
                }
            }
        }
        let live = &live;
        let looked = found.into_iter().map(|(name, thing)| async move {
            let how = find::how(live, &thing.source, &thing.pin, &thing.known, now).await;
            (name, thing, how)
        });
        let looked: Vec<_> = stream::iter(looked)
            .buffered(args.jobs.max(1))
            .collect()
            .await;
        Ok::<_, CannotRun>((looked, rest, problems))
    });
    progress.clear();
    let (looked, rest, problems) = done?;
    let text = write::policy(&looked, rest.values(), now);
    for problem in &problems {
        complain(&format!(
            "not looked at: {}\n",
            crate::shell::redacted(problem).0
        ));
    }
    match &args.output {
        None => print(&text)?,
        Some(path) => write_atomic(path, text.as_bytes())
            .map_err(|error| CannotRun::new(path.display(), error))?,
    }
    let decided = looked.iter().all(|(.., how)| how.proven());
    Ok(if decided && rest.is_empty() && problems.is_empty() {
        Clean::Yes
    } else {
        Clean::No
    })
}

type Things = BTreeMap<String, Thing>;

/// What was seen of one Dockerfile.
#[derive(Default)]
struct Seen {
    /// What it fetches, by name.
    things: Things,
    /// Steps of which something cannot be asked for, by their commands.
    rest: BTreeMap<String, steps::Rest>,
    /// What could not be looked at.
    problems: Vec<String>,
}

/// What one Dockerfile fetches, whatever is built of it.
async fn things(project: &Project, live: &Live) -> Result<Seen, CannotRun> {
    let mut seen = Seen::default();
    let mut inputs = match project.inputs()? {
        Ok(inputs) => inputs,
        Err(finding) => {
            seen.problems.push(finding.headline());
            return Ok(seen);
        }
    };
    let look = Layer::parse(LOOK, "init", &BTreeMap::<String, Vec<u8>>::new());
    let look = look.map_err(|error| CannotRun::new("init", error))?;
    inputs.policy = Policy::new(vec![look]);
    let build = Build {
        locked: false,
        ..project.build(&inputs)
    };
    let targets = match pipeline::targets(&build) {
        Ok(targets) => targets,
        Err(finding) => {
            seen.problems.push(finding.headline());
            return Ok(seen);
        }
    };
    let mut platforms = Vec::new();
    for target in &targets {
        let build = Build {
            target: target.as_deref(),
            ..build
        };
        match pipeline::run(&build, live).await {
            Ok(outcome) => platforms.extend(outcome.platforms),
            Err(error) => {
                let finding = pipeline::unreadable(&project.name, &error);
                seen.problems.push(finding.headline());
            }
        }
    }
    for built in &platforms {
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
                let problem = format!("{place}: {name}: {why}");
                if !seen.problems.contains(&problem) {
                    seen.problems.push(problem);
                }
                continue;
            };
            seen.add(name, source, pin.clone(), place, steps::Known::default());
        }
    }
    let found = steps::read(&project.name, &inputs.dockerfile, &platforms);
    seen.rest = found.rest;
    let asked = found
        .sources
        .into_iter()
        .map(|(source, place, known)| async move {
            let (name, pin) = match &source {
                Source::Git(git) => {
                    let pin = live.git(git).await.map(|found| Pin::Commit(found.commit));
                    (format!("{}#{}", git.remote, git.reference), pin)
                }
                Source::Http { url, .. } => (url.clone(), live.http(url).await.map(Pin::Digest)),
                Source::Image { .. } | Source::Context { .. } => return None,
            };
            Some((name, source, pin, place, known))
        });
    for (name, source, pin, place, known) in future::join_all(asked).await.into_iter().flatten() {
        match pin {
            Ok(pin) => seen.add(name, source, pin, place, known),
            Err(error) => seen.problems.push(format!("{place}: {name}: {error}")),
        }
    }
    Ok(seen)
}

impl Seen {
    fn add(&mut self, name: String, source: Source, pin: Pin, place: String, known: steps::Known) {
        let thing = self.things.entry(name).or_insert(Thing {
            source,
            pin,
            places: Vec::new(),
            known: steps::Known::default(),
        });
        if !thing.places.contains(&place) {
            thing.places.push(place);
        }
        thing.known.add(known);
    }
}
