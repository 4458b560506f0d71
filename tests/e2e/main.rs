//! End-to-end tests: real builds on real engines, with real registries and signers.
//!
//! Each test runs once on each engine. Engines are brought up when the first test needs them (see the `engine` crate),
//! and down at the end unless they ran before. Where none can be had, the tests are skipped loudly; with `CI=true`
//! in the environment they fail.

mod alike;
mod attacks;
mod bad_input;
mod bench;
mod capture;
mod clones;
mod contexts;
mod drop_in;
mod equal;
mod fetches;
mod gpg;
mod graph;
mod hostile;
mod image_proofs;
mod instance;
mod lock;
mod packages;
mod places;
mod proofs;
mod replay;
mod signatures;
mod steps;
mod stock;
mod stores;
mod web;

use std::{
    env,
    process::{Command, ExitCode},
    sync::OnceLock,
};

use engine::{Engine, Lifetime, Result, Suite};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::bench::{Bench, Case};

/// A test: its name, and what it does.
type Test = (&'static str, fn(&Case) -> Result<()>);

const GROUPS: &[(&str, &[Test])] = &[
    ("stock", stock::TESTS),
    ("signatures", signatures::TESTS),
    ("proofs", proofs::TESTS),
    ("proofs", gpg::TESTS),
    ("proofs", image_proofs::TESTS),
    ("places", places::TESTS),
    ("fetches", fetches::TESTS),
    ("steps", steps::TESTS),
    ("replay", replay::TESTS),
    ("lock", lock::TESTS),
    ("replay", attacks::TESTS),
    ("replay", capture::TESTS),
    ("replay", clones::TESTS),
    ("stores", stores::TESTS),
    ("packages", packages::TESTS),
    ("contexts", contexts::TESTS),
    ("drop_in", drop_in::TESTS),
    ("drop_in", alike::TESTS),
    ("hostile", hostile::TESTS),
    ("bad_input", bad_input::TESTS),
    ("equal", equal::TESTS),
];

/// Where the tests run.
#[derive(Clone, Copy)]
enum Place {
    /// The engine that the environment describes.
    Existing,
    /// A suite's own.
    Suite(Suite),
}

/// The machine's own engine, and whether it was found rather than described.
static EXISTING: OnceLock<(bool, Engine)> = OnceLock::new();
static BENCHES: [OnceLock<std::result::Result<Bench, String>>; 2] =
    [OnceLock::new(), OnceLock::new()];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let (places, missing) = places();
    let must_run = env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    let skip = missing.is_some() && !must_run;
    let before: Vec<Suite> = Suite::ALL
        .into_iter()
        .filter(|&suite| Engine::find(suite).is_some())
        .collect();
    let mut trials = Vec::new();
    for (bench, place) in BENCHES.iter().zip(places) {
        for (group, tests) in GROUPS {
            for (name, test) in *tests {
                let name = format!("{group}::{name}");
                let title = match place {
                    Place::Existing => name.clone(),
                    Place::Suite(suite) => format!("{name} ({suite})"),
                };
                let trial = Trial::test(title, move || {
                    let bench =
                        bench.get_or_init(|| start(place).map_err(|error| error.to_string()));
                    let bench = bench
                        .as_ref()
                        .map_err(|error| Failed::from(format!("no engine: {error}")))?;
                    let case = bench
                        .case(&name)
                        .map_err(|error| Failed::from(error.to_string()))?;
                    test(&case).map_err(|error| Failed::from(error.to_string()))
                });
                trials.push(trial.with_ignored_flag(skip));
            }
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    for bench in BENCHES
        .iter()
        .filter_map(|bench| bench.get()?.as_ref().ok())
    {
        if let Err(error) = bench.end() {
            eprintln!("{}, without network: {error}", bench.engine.name);
        }
    }
    let started = BENCHES.iter().any(|bench| bench.get().is_some());
    for suite in Suite::ALL
        .into_iter()
        .filter(|suite| started && !before.contains(suite))
    {
        if let Err(error) = Engine::down(suite) {
            eprintln!("{suite}: {error}");
        }
    }
    if started
        && EXISTING.get().is_some_and(|(detected, _)| *detected)
        && let Err(error) = Engine::clear()
    {
        eprintln!("the registry of the tests: {error}");
    }
    if let Some(missing) = missing.filter(|_| skip && conclusion.num_ignored > 0) {
        let count = conclusion.num_ignored;
        eprintln!(
            "\n{0}\nSKIPPED: {count} end-to-end tests. {missing}\n{0}\n",
            "=".repeat(100)
        );
    }
    conclusion.exit_code()
}

/// Where the tests run, and why they cannot, if so: on the engine that the environment describes; else on our own, which
/// need root on Debian; else on the machine's.
fn places() -> (Vec<Place>, Option<String>) {
    let existing = |engine: Engine, detected: bool| {
        let _ = EXISTING.set((detected, engine));
        (vec![Place::Existing], None)
    };
    let own = Suite::ALL.map(Place::Suite).to_vec();
    let unusable = |what: &str, error: engine::Error| {
        let why = format!("{what} cannot be used: {error}.");
        (vec![Place::Existing], Some(why))
    };
    match Engine::described() {
        Ok(Some(engine)) => return existing(engine, false),
        Err(error) => return unusable("The engine in the environment", error),
        Ok(None) => {}
    }
    let Some(missing) = missing() else {
        return (own, None);
    };
    match Engine::detected() {
        Ok(Some(engine)) => existing(engine, true),
        Ok(None) => {
            let why = format!("{missing}, and there is no `docker buildx` in PATH.");
            (own, Some(why))
        }
        Err(error) => unusable(
            &format!("{missing}, and the `docker buildx` in PATH"),
            error,
        ),
    }
}

fn start(place: Place) -> Result<Bench> {
    match place {
        Place::Existing => {
            let (_, engine) = EXISTING.get().ok_or("there is no engine")?;
            Bench::new(engine.clone(), None)
        }
        // The older cosign knows the older format of signatures only.
        Place::Suite(suite) => {
            let signer = Engine::up(Suite::Forky, Lifetime::Process)?;
            Bench::new(Engine::up(suite, Lifetime::Process)?, Some(signer))
        }
    }
}

/// Why there cannot be an engine here, if so.
fn missing() -> Option<String> {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n");
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let missing = match (release.lines().any(|line| line == "ID=debian"), is_root) {
        (true, true) => return None,
        (false, _) => "An engine can be brought up on Debian only",
        (true, false) => "Only root can bring an engine up",
    };
    Some(missing.to_owned())
}
