//! `cargo xtask bench`: what our frontend costs.

use std::{
    fmt, fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
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
    /// Downloads of a RUN step: by themselves, recorded, and replayed; without engines and in builds
    Replay {
        /// trixie, forky, all, or none for the launcher by itself
        suites: Vec<String>,
        /// How many each way; the fastest counts
        #[arg(long, default_value = "5")]
        runs: NonZeroUsize,
        /// The program to measure; else it is built
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// Signatures over a large file, against gpg, minisign and plain hashing; no engine is needed
    Files {
        /// Of how many MiB
        #[arg(long, default_value = "1024")]
        size: usize,
        /// How many rounds; the fastest counts
        #[arg(long, default_value = "5")]
        runs: NonZeroUsize,
        /// The program to measure; else it is built
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// A build whose steps are served from their recordings, against the same build with the network
    Packages {
        /// trixie or forky
        #[arg(long, default_value = "forky")]
        suite: Suite,
        /// How many builds each way; the fastest counts
        #[arg(long, default_value = "2")]
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
    /// Locking a repository's images, against skopeo and cosign one image at a time; no engine is needed
    Lock {
        /// How many images
        #[arg(long, default_value = "40")]
        images: NonZeroUsize,
        /// How often each way
        #[arg(long, default_value = "3")]
        runs: NonZeroUsize,
        /// The program to measure; else it is built
        #[arg(long)]
        binary: Option<PathBuf>,
    },
}

/// Measures, and fails where a limit is exceeded.
pub fn run(subject: Subject) -> Result<ExitCode> {
    let (suites, runs) = match subject {
        Subject::Build { suites, runs } => (suites, runs),
        Subject::Lock {
            images,
            runs,
            binary,
        } => {
            let times = crate::bench_lock::measure(images.get(), runs.get(), binary)?;
            match times {
                Some(times) => println!("faster: {times:.0} times"),
                None => println!("no ratio: no peer is on this machine"),
            }
            return Ok(ExitCode::SUCCESS);
        }
        Subject::Files { size, runs, binary } => {
            return Ok(if crate::bench_files::measure(binary, size, runs.get())? {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Subject::Replay {
            suites,
            runs,
            binary,
        } => {
            let suites = match suites.as_slice() {
                [none] if none == "none" => Vec::new(),
                suites => crate::engine_command::suites(suites)?,
            };
            let program = crate::bench_replay::program(binary)?;
            let mut kept = crate::bench_replay::measure(&program, runs.get())?;
            for suite in suites {
                kept &= crate::bench_steps::measure(suite, &program, runs.get())?;
            }
            return Ok(if kept {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Subject::Packages { suite, runs } => {
            return Ok(if crate::bench_packages::measure(suite, runs.get())? {
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
    let passing = frontend::build_package(&crate::workspace(), "dump-llb", Profile::Release)?;
    let passing = frontend::image(&passing, None)?;
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
        let measured = measure(&engine, &image, &passing, runs.get());
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

/// What is built: a Dockerfile, and files beside it.
struct Project {
    name: &'static str,
    dockerfile: fn(base: &str) -> String,
    /// How many files, in folders of a hundred.
    files: usize,
}

/// Two stages and one file: nearly all of the time is fixed, so this is the worst ratio there is.
const SMALL: Project = Project {
    name: "small",
    dockerfile: |base| {
        format!(
            "ARG BASE={base}\nFROM ${{BASE}} AS build\nWORKDIR /work\nENV NAME=value\nCOPY files .\n\
             RUN echo one > one\nRUN echo $NAME > two\nFROM ${{BASE}}\nCOPY --from=build /work /work\n\
             RUN --mount=type=cache,target=/cache echo three > /three\nUSER 1\nCMD [\"sh\"]\n"
        )
    },
    files: 1,
};

/// As services are built: a stage for each of two languages, tests, and what is shipped; two thousand files.
const SERVICE: Project = Project {
    name: "service",
    dockerfile: |base| {
        format!(
            "FROM {base}:one AS page\nWORKDIR /page\nCOPY files/0 .\nRUN echo packages > packages\n\
             COPY files files\nRUN ls files > list\n\
             FROM {base}:two AS server\nWORKDIR /server\nCOPY files/1 .\nRUN echo modules > modules\n\
             COPY files files\nRUN --mount=type=cache,target=/cache ls files > list\n\
             FROM server AS test\nRUN test -s list\n\
             FROM {base}:three\nENV NAME=value\nRUN adduser -D -H someone || true\n\
             COPY --from=page /page/list /page\nCOPY --from=test /server/list /server\n\
             USER 1\nEXPOSE 80\nENTRYPOINT [\"/server\"]\n"
        )
    },
    files: 2000,
};

/// How a build is asked for.
struct Way {
    name: &'static str,
    /// The frontend; the built-in one without.
    frontend: Option<String>,
    /// Whether there is a lock beside the Dockerfile.
    locked: bool,
}

fn measure(engine: &Engine, image: &Image, passing: &Image, runs: usize) -> Result<Vec<bool>> {
    let registry = Registry::new(&engine.registry);
    let [ours, ours_pinned] = push(engine, &registry, "verified-dockerfile", image)?;
    let [_, passing] = push(engine, &registry, "passing", passing)?;
    let layer = engine.busybox()?;
    let base = format!("{}/bench/base", engine.registry);
    let mut lock = "version = 1\n".to_owned();
    for tag in ["latest", "one", "three", "two"] {
        let image = Image::new()
            .layer(&layer)
            .with("Env", json!(["PATH=/bin", format!("TAG={tag}")]));
        let digest = registry.push("bench/base", tag, &image)?;
        lock += &format!("\n[[image]]\nreference = \"{base}:{tag}\"\ndigest = \"{digest}\"\n");
    }
    let way = |name, frontend: Option<&String>, locked| Way {
        name,
        frontend: frontend.cloned(),
        locked,
    };
    let ways = [
        way("through us, locked", Some(&ours_pinned), true),
        way("through us, live", Some(&ours), false),
        way("passed on by an image", Some(&passing), false),
        way("built-in", None, false),
    ];

    let mut kept = Vec::new();
    for project in [SMALL, SERVICE] {
        let folder = project.write(engine, &base)?;
        // Once each before it counts: then every step is cached.
        for way in &ways {
            way.build(engine, &folder, &lock)?;
        }
        let mut times = [const { Vec::new() }; 4];
        for _ in 0..runs {
            for (way, times) in ways.iter().zip(&mut times) {
                times.push(way.build(engine, &folder, &lock)?);
            }
        }
        println!(
            "{} project, warm, {runs} builds each in turn:",
            project.name
        );
        let times = times.map(Summary::of);
        let [locked, .., built_in] = &times;
        let ratio = |times: &Summary| times.median.as_secs_f64() / built_in.median.as_secs_f64();
        for (way, times) in ways.iter().zip(&times) {
            println!("  {:21}  {times}, {:.2} times", way.name, ratio(times));
        }
        if project.name == SERVICE.name {
            kept.push(limit("ratio", ratio(locked), 1.3, "times"));
        }
    }

    let folder = SMALL.write(engine, &base)?;
    let comments = "# a comment that fills the file with what people write in comments\n";
    fs::write(
        folder.join("Dockerfile"),
        (SMALL.dockerfile)(&base) + &comments.repeat(MEGABYTE / comments.len()),
    )?;
    let (built, peak) = memory::peak_while(PROGRAM, || ways[1].build(engine, &folder, &lock));
    built?;
    if peak == 0 {
        return Err("the frontend's process was not seen".into());
    }
    kept.push(limit(
        "peak memory with a Dockerfile of 1 MB",
        peak as f64 / 1024.0,
        40.0,
        "MB",
    ));
    Ok(kept)
}

impl Project {
    /// The folder with the project, whose images come from `base`.
    fn write(&self, engine: &Engine, base: &str) -> Result<PathBuf> {
        let folder = crate::workspace()
            .join("target/bench-build")
            .join(&engine.name)
            .join(self.name);
        for number in 0..self.files {
            let place = folder.join(format!("files/{}", number / 100));
            fs::create_dir_all(&place)?;
            fs::write(
                place.join(format!("{number}.txt")),
                format!("{number}\n").repeat(500),
            )?;
        }
        fs::write(folder.join("Dockerfile"), (self.dockerfile)(base))?;
        fs::write(
            folder.join("verified.toml"),
            format!(
                "version = 1\n[[image]]\nmatch = \"{base}\"\naccept = \"digest\"\nreason = \"benchmark\"\nuntil = 2099-01-01\n"
            ),
        )?;
        Ok(folder)
    }
}

/// Puts a frontend's image into the registry, and gives its reference: by tag, and with its digest, as CI names it.
fn push(engine: &Engine, registry: &Registry, name: &str, image: &Image) -> Result<[String; 2]> {
    let repository = format!("org/{name}");
    let digest = registry.push(&repository, "bench", image)?;
    let tagged = format!("{}/{repository}:bench", engine.registry);
    Ok([tagged.clone(), format!("{tagged}@{digest}")])
}

impl Way {
    /// Builds the project in `folder`, and gives how long that took.
    fn build(&self, engine: &Engine, folder: &Path, lock: &str) -> Result<Duration> {
        let file = folder.join("Dockerfile.lock");
        if self.locked {
            fs::write(&file, lock)?;
        } else if file.exists() {
            fs::remove_file(&file)?;
        }
        let mut command = engine.command("docker");
        command.args(["buildx", "build", "--progress=quiet"]);
        if let Some(frontend) = &self.frontend {
            command
                .arg("--build-arg")
                .arg(format!("BUILDKIT_SYNTAX={frontend}"));
        }
        command.arg(".").current_dir(folder);
        let start = Instant::now();
        process::run(&mut command, &[], BUILD_LIMIT)?.success()?;
        Ok(start.elapsed())
    }
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
