//! Tasks of this project: `cargo xtask --help`.

mod bench_command;
mod bench_files;
mod bench_lock;
mod bench_packages;
mod bench_replay;
mod bench_signatures;
mod bench_steps;
mod bench_web;
mod conformance;
mod conformance_sigstore;
mod corpus;
mod curated;
mod demo_command;
mod engine_command;
mod fuzz;
mod image_command;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use engine::Suite;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tasks of this project")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Real Docker engines to test against (root on Debian only)
    #[command(subcommand)]
    Engine(engine_command::Action),
    /// Build our image from a binary built here, without Docker
    Image(image_command::Arguments),
    /// Show a build through our image, and one that it refuses, on a real engine
    Demo {
        /// trixie or forky
        #[arg(long, default_value = "forky")]
        suite: Suite,
    },
    /// Measure
    #[command(subcommand)]
    Bench(bench_command::Subject),
    /// Compare the Dockerfile reader with recorded outcomes of BuildKit
    Conformance {
        /// Outcome files (ndjson)
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Check a tree of Dockerfiles, and compare what is found with recorded outcomes of BuildKit
    Corpus {
        /// The program; else target/release/verified-dockerfile, built before
        #[arg(long)]
        binary: Option<PathBuf>,
        /// Outcome file (ndjson), beside which the Dockerfiles are
        file: PathBuf,
    },
    /// Record and replay the Dockerfiles below a folder, as far as this machine's network permits
    Curated {
        /// trixie or forky
        #[arg(long, default_value = "forky")]
        suite: Suite,
        /// How long one build may take, in seconds
        #[arg(long, default_value_t = 300)]
        limit: u64,
        /// How long all may take, in seconds
        #[arg(long, default_value_t = 3600)]
        time: u64,
        /// Only those whose path has this in it
        #[arg(long, default_value = "")]
        only: String,
        /// The folder
        folder: PathBuf,
    },
    /// Run the verify cases of a checkout of sigstore-conformance
    ConformanceSigstore {
        /// The program; else target/debug/verified-dockerfile, built before
        #[arg(long)]
        binary: Option<PathBuf>,
        /// The checkout
        suite: PathBuf,
    },
    /// Fuzz the Dockerfile reader, coverage-guided
    Fuzz {
        /// Seconds for each target
        #[arg(long, default_value_t = 60)]
        time: u64,
        /// parse, expand or plan; all without it
        target: Option<String>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Fuzz { time, target } => Ok(fuzz::run(&workspace(), target.as_deref(), time)),
        Task::Engine(action) => engine_command::run(action),
        Task::Image(arguments) => image_command::run(&arguments),
        Task::Demo { suite } => demo_command::run(suite),
        Task::Bench(subject) => bench_command::run(subject),
        Task::Conformance { files } => Ok(conformance::run(&files)),
        Task::Corpus { binary, file } => {
            corpus::run(&binary.unwrap_or(corpus::built(&workspace())), &file)
        }
        Task::Curated {
            suite,
            limit,
            time,
            only,
            folder,
        } => {
            let [limit, time] = [limit, time].map(Duration::from_secs);
            curated::run(&folder, suite, limit, time, &only)
        }
        Task::ConformanceSigstore { binary, suite } => {
            let built = workspace().join("target/debug/verified-dockerfile");
            conformance_sigstore::run(&binary.unwrap_or(built), &suite).map_err(Into::into)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}

/// The folder of the workspace.
fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
