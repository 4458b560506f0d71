//! `cargo xtask bench`: what our frontend costs.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use clap::Subcommand;
use engine::{
    Engine, Lifetime, Result,
    frontend::{self, Profile},
    image::Image,
    process,
    registry::Registry,
};
use serde_json::json;

const RUNS: usize = 15;
const BUILD_LIMIT: Duration = Duration::from_secs(300);
const MEGABYTE: usize = 1_000_000;

/// What to measure.
#[derive(Subcommand)]
pub enum Subject {
    /// A warm build with nothing to do, through us and through the built-in frontend; image size; memory
    Build {
        /// trixie, forky or all
        suites: Vec<String>,
    },
}

/// Measures, and fails where a limit is exceeded.
pub fn run(subject: Subject) -> Result<ExitCode> {
    let Subject::Build { suites } = subject;
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
        let measured = measure(&engine, &image);
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

fn measure(engine: &Engine, image: &Image) -> Result<[bool; 2]> {
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
        "FROM {base}\nWORKDIR /work\nCOPY file .\nRUN echo one > one\nRUN echo two > two\nCMD [\"sh\"]\n"
    );
    fs::write(folder.join("Dockerfile"), &dockerfile)?;
    let syntax = format!("BUILDKIT_SYNTAX={frontend}");
    let ours = ["--build-arg", syntax.as_str()];

    // Once each before it counts: then every step is cached.
    build(engine, &folder, &ours)?;
    build(engine, &folder, &[])?;
    let (mut with_us, mut built_in) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        with_us.push(build(engine, &folder, &ours)?);
        built_in.push(build(engine, &folder, &[])?);
    }
    let (with_us, built_in) = (median(with_us), median(built_in));
    println!(
        "warm build, median of {RUNS} in turn: {with_us:.0?} through us, {built_in:.0?} built-in"
    );
    let ratio = limit(
        "ratio",
        with_us.as_secs_f64() / built_in.as_secs_f64(),
        1.3,
        "times",
    );

    let comments = "# a comment that fills the file with what people write in comments\n";
    fs::write(
        folder.join("Dockerfile"),
        dockerfile + &comments.repeat(MEGABYTE / comments.len()),
    )?;
    let peak = peak_memory(|| build(engine, &folder, &ours).map(|_| ()))?;
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

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The largest resident set, in KiB, of our processes while `task` runs. The kernel keeps the peak, so looking now and
/// then misses only what a process allocates in its very last moment.
fn peak_memory(task: impl FnOnce() -> Result<()>) -> Result<u64> {
    let (peak, done) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for folder in fs::read_dir("/proc").into_iter().flatten().flatten() {
                    peak.fetch_max(peak_of(folder.path()).unwrap_or(0), Ordering::Relaxed);
                }
                thread::sleep(Duration::from_millis(2));
            }
        });
        let result = task();
        done.store(true, Ordering::Relaxed);
        result
    })?;
    match peak.into_inner() {
        0 => Err("the frontend's process was not seen".into()),
        peak => Ok(peak),
    }
}

fn peak_of(process: PathBuf) -> Option<u64> {
    // The name is cut to 15 bytes. See proc_pid_comm(5).
    if fs::read_to_string(process.join("comm")).ok()?.trim() != "verified-docker" {
        return None;
    }
    let status = fs::read_to_string(process.join("status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

fn limit(what: &str, value: f64, most: f64, unit: &str) -> bool {
    let kept = value <= most;
    println!(
        "{what}: {value:.2} {unit}, at most {most} {unit}{}",
        if kept { "" } else { "  EXCEEDED" }
    );
    kept
}
