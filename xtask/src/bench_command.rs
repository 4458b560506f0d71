//! `cargo xtask bench`: what our frontend costs.

use std::{
    fmt, fs,
    num::NonZeroUsize,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Subcommand;
use engine::{
    Engine, Lifetime, Result, Suite,
    frontend::{self, Profile},
    image::Image,
    memory, process,
    registry::Registry,
};
use serde_json::json;

const BUILD_LIMIT: Duration = Duration::from_secs(300);
/// The command line of the frontend in its container.
const PROGRAM: &str = "/verified-dockerfile";
const MEGABYTE: usize = 1_000_000;

/// What to measure.
#[derive(Subcommand)]
pub enum Subject {
    /// A warm build with nothing to do, through us and through the built-in frontend; image size; memory
    Build {
        /// trixie, forky or all
        suites: Vec<String>,
        /// How many builds each way; the median counts
        #[arg(long, default_value = "15")]
        runs: NonZeroUsize,
    },
    /// Downloads of a RUN step: by themselves, recorded, and replayed
    Replay {
        /// How many each way; the fastest counts
        #[arg(long, default_value = "5")]
        runs: NonZeroUsize,
    },
    /// Signatures of images from evidence, against `cosign verify` one by one
    Signatures {
        /// trixie, whose cosign writes the older format, or forky
        #[arg(long, default_value = "forky")]
        suite: Suite,
        /// How many images
        #[arg(long, default_value = "200")]
        images: NonZeroUsize,
    },
}

/// Measures, and fails where a limit is exceeded.
pub fn run(subject: Subject) -> Result<ExitCode> {
    let (suites, runs) = match subject {
        Subject::Build { suites, runs } => (suites, runs),
        Subject::Replay { runs } => {
            return Ok(if crate::bench_replay::measure(runs.get())? {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Subject::Signatures { suite, images } => {
            let was_up = Engine::find(suite).is_some();
            let times = crate::bench_signatures::measure(suite, images.get());
            if !was_up {
                Engine::down(suite)?;
            }
            let times = times?;
            println!("faster: {times:.0} times, at least 50");
            return Ok(if times >= 50.0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
    };
    let suites = crate::engine_command::suites(&suites)?;
    let binary = frontend::build(&crate::workspace(), Profile::Release)?;
    let image = frontend::image(&binary, None)?;
    let size: usize = image.build()?.1.iter().map(|blob| blob.bytes.len()).sum();
    let mut limits = vec![limit(
        "image, compressed",
        size as f64 / MEGABYTE as f64,
        6.0,
        "MB",
    )];
    for suite in suites {
        let was_up = Engine::find(suite).is_some();
        let engine = Engine::up(suite, Lifetime::Process)?;
        println!("{}", engine.describe());
        let measured = measure(&engine, &image, runs.get());
        if !was_up {
            Engine::down(suite)?;
        }
        limits.extend(measured?);
    }
    Ok(if limits.into_iter().all(|kept| kept) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn measure(engine: &Engine, image: &Image, runs: usize) -> Result<[bool; 2]> {
    let registry = Registry::new(&engine.registry);
    registry.push("org/verified-dockerfile", "bench", image)?;
    let frontend = format!("{}/org/verified-dockerfile:bench", engine.registry);
    let base = Image::new()
        .layer(&engine.busybox()?)
        .with("Env", json!(["PATH=/bin"]));
    registry.push("bench/base", "latest", &base)?;
    let folder = crate::workspace()
        .join("target/bench-build")
        .join(&engine.name);
    fs::create_dir_all(&folder)?;
    let base = format!("{}/bench/base", engine.registry);
    let policy = format!(
        "version = 1\n[[image]]\nmatch = \"{base}\"\naccept = \"digest\"\nreason = \"benchmark\"\nuntil = 2099-01-01\n"
    );
    fs::write(folder.join("verified.toml"), policy)?;
    fs::write(folder.join("file"), "content")?;
    let dockerfile = format!(
        "ARG BASE={base}\nFROM ${{BASE}} AS build\nWORKDIR /work\nENV NAME=value\nCOPY file .\n\
         RUN echo one > one\nRUN echo $NAME > two\nFROM ${{BASE}}\nCOPY --from=build /work /work\n\
         RUN --mount=type=cache,target=/cache echo three > /three\nUSER 1\nCMD [\"sh\"]\n"
    );
    fs::write(folder.join("Dockerfile"), &dockerfile)?;
    let syntax = format!("BUILDKIT_SYNTAX={frontend}");
    let ours = ["--build-arg", syntax.as_str()];

    // Once each before it counts: then every step is cached.
    build(engine, &folder, &ours)?;
    build(engine, &folder, &[])?;
    let (mut with_us, mut built_in) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        with_us.push(build(engine, &folder, &ours)?);
        built_in.push(build(engine, &folder, &[])?);
    }
    let (with_us, built_in) = (Summary::of(with_us), Summary::of(built_in));
    println!("warm build, {runs} each in turn:\n  through us {with_us}\n  built-in   {built_in}");
    println!(
        "  docker/dockerfile as an image of its own: not measured, there is none without a hub"
    );
    let ratio = limit(
        "ratio",
        with_us.median.as_secs_f64() / built_in.median.as_secs_f64(),
        1.3,
        "times",
    );

    let comments = "# a comment that fills the file with what people write in comments\n";
    fs::write(
        folder.join("Dockerfile"),
        dockerfile + &comments.repeat(MEGABYTE / comments.len()),
    )?;
    let (built, peak) = memory::peak_while(PROGRAM, || build(engine, &folder, &ours));
    built?;
    if peak == 0 {
        return Err("the frontend's process was not seen".into());
    }
    let memory = limit(
        "peak memory with a Dockerfile of 1 MB",
        peak as f64 / 1024.0,
        40.0,
        "MB",
    );
    Ok([ratio, memory])
}

fn build(engine: &Engine, folder: &Path, words: &[&str]) -> Result<Duration> {
    let mut command = engine.command("docker");
    command
        .args(["buildx", "build", "--progress=quiet", "--provenance=false"])
        .args(words)
        .arg(".");
    let start = Instant::now();
    process::run(command.current_dir(folder), &[], BUILD_LIMIT)?.success()?;
    Ok(start.elapsed())
}

/// Some durations in short.
struct Summary {
    fastest: Duration,
    median: Duration,
    slowest: Duration,
}

impl Summary {
    /// Of at least one duration.
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self {
            fastest: times[0],
            median: times[times.len() / 2],
            slowest: times[times.len() - 1],
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            fastest,
            median,
            slowest,
        } = self;
        write!(f, "median {median:.0?} ({fastest:.0?} to {slowest:.0?})")
    }
}

fn limit(what: &str, value: f64, most: f64, unit: &str) -> bool {
    let kept = value <= most;
    println!(
        "{what}: {value:.2} {unit}, at most {most} {unit}{}",
        if kept { "" } else { "  EXCEEDED" }
    );
    kept
}
