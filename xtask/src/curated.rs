//! `cargo xtask curated FOLDER`: which Dockerfiles of people can be recorded and built from their recordings here, and why the others cannot.
//!
//! What can be had depends on the network of the machine. Bases come from no registry: whatever is `FROM debian:...` gets a minimal
//! Debian made by debootstrap, of one release for all. Files of the context, which are not there, are made up.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use engine::{
    Engine, Lifetime, Result, Suite, debian,
    frontend::{self, Profile},
    process,
    registry::Registry,
};
use serde_json::json;
use verified_dockerfile::dockerfile::{Dockerfile, command::CommandKind};

const RELEASE: &str = "trixie";
/// What Debian is called in Dockerfiles.
const DEBIAN: &str = "debian";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// How much of a reason is shown, in characters.
const SHOWN: usize = 150;

/// What became of a Dockerfile.
enum Outcome {
    /// Recorded, and built from that: how many steps, requests and bytes.
    Replayed(String),
    /// No step downloads anything.
    Nothing,
    /// It was not tried: why.
    NotHere(String),
    /// It could not be recorded: the last thing it said.
    NotRecorded(String),
    /// It was recorded, and could not be built from that.
    NotReplayed(String),
}

/// Tries each Dockerfile below `folder` whose path contains `only`, until the time for all is over. `limit`: how long one build may take.
pub fn run(
    folder: &Path,
    suite: Suite,
    limit: Duration,
    all: Duration,
    only: &str,
) -> Result<ExitCode> {
    let was_up = Engine::find(suite).is_some();
    let engine = Engine::up(suite, Lifetime::Process)?;
    println!("{}", engine.describe());
    let done =
        Trial::new(&engine, limit).and_then(|trial| trial.all(folder, Instant::now() + all, only));
    if !was_up {
        Engine::down(suite)?;
    }
    done
}

struct Trial<'e> {
    engine: &'e Engine,
    binary: PathBuf,
    frontend: String,
    base: String,
    work: PathBuf,
    limit: Duration,
}

impl<'e> Trial<'e> {
    fn new(engine: &'e Engine, limit: Duration) -> Result<Self> {
        let registry = Registry::new(&engine.registry);
        let binary = frontend::build(&crate::workspace(), Profile::EndToEnd)?;
        let image = frontend::image(&binary, None)?;
        registry.push("curated/verified-dockerfile", "latest", &image)?;
        let layer = debian::layer(RELEASE, &[])?;
        registry.push_file(
            "curated/debian",
            "latest",
            &layer,
            &json!({ "Env": [PATH] }),
        )?;
        Ok(Self {
            engine,
            binary,
            frontend: format!("{}/curated/verified-dockerfile:latest", engine.registry),
            base: format!("{}/curated/debian:latest", engine.registry),
            work: crate::workspace().join("target/curated"),
            limit,
        })
    }

    fn all(&self, folder: &Path, end: Instant, only: &str) -> Result<ExitCode> {
        let mut paths = Vec::new();
        below(folder, &mut paths)?;
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for path in paths {
            let name = path
                .strip_prefix(folder)
                .unwrap_or(&path)
                .display()
                .to_string();
            if !name.contains(only) {
                continue;
            }
            let outcome = match Instant::now() < end {
                true => self.one(&fs::read(&path)?)?,
                false => Outcome::NotHere("the time was over".to_owned()),
            };
            let (kind, about) = match &outcome {
                Outcome::Replayed(about) => ("recorded and replayed", about.as_str()),
                Outcome::Nothing => ("downloads nothing in RUN", ""),
                Outcome::NotHere(why) => ("not tried", why.as_str()),
                Outcome::NotRecorded(why) => ("not recorded", why.as_str()),
                Outcome::NotReplayed(why) => ("NOT REPLAYED", why.as_str()),
            };
            println!("{name}: {kind}: {about}");
            *counts.entry(kind).or_default() += 1;
            if !matches!(outcome, Outcome::Replayed(_) | Outcome::Nothing) {
                *reasons.entry(format!("{kind}: {about}")).or_default() += 1;
            }
        }
        println!();
        for (kind, count) in &counts {
            println!("{count:4}  {kind}");
        }
        println!();
        let mut reasons: Vec<(String, usize)> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (why, count) in reasons {
            println!("{count:4}  {why}");
        }
        // Whatever can be recorded must be replayed.
        Ok(match counts.get("NOT REPLAYED") {
            None => ExitCode::SUCCESS,
            Some(_) => ExitCode::FAILURE,
        })
    }

    fn one(&self, bytes: &[u8]) -> Result<Outcome> {
        let Ok(file) = Dockerfile::parse(bytes) else {
            return Ok(Outcome::NotHere("BuildKit refuses it".to_owned()));
        };
        let Ok(stages) = file.stages() else {
            return Ok(Outcome::NotHere("BuildKit refuses it".to_owned()));
        };
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        let names: Vec<&str> = stages.stages.iter().map(|stage| &*stage.name).collect();
        for stage in &stages.stages {
            let base = String::from_utf8_lossy(stage.base).into_owned();
            if base == "scratch" || names.contains(&base.to_ascii_lowercase().as_str()) {
                continue;
            }
            let repository = base.split([':', '@']).next().unwrap_or_default();
            if repository != DEBIAN {
                return Ok(Outcome::NotHere(format!("no base {repository} can be had")));
            }
            text = text.replace(&format!("FROM {base}"), &format!("FROM {}", self.base));
        }
        if self.work.exists() {
            fs::remove_dir_all(&self.work)?;
        }
        fs::create_dir_all(&self.work)?;
        let commands = stages.stages.iter().flat_map(|stage| &stage.commands);
        for command in commands {
            let sources = match &command.kind {
                CommandKind::Copy(copy) if copy.flags().from.is_none() => &copy.sources,
                CommandKind::Add(add) => &add.sources,
                _ => continue,
            };
            for (path, _) in sources.paths() {
                self.make_up(&String::from_utf8_lossy(path))?;
            }
        }
        let accept = "accept = \"digest\"\nreason = \"trial\"\nuntil = 2099-01-01\n";
        let rules =
            ["image", "http", "git"].map(|kind| format!("[[{kind}]]\nmatch = \"**\"\n{accept}"));
        fs::write(
            self.work.join("verified.toml"),
            format!("version = 1\n{}", rules.concat()),
        )?;
        fs::write(self.work.join("Dockerfile"), text)?;
        fs::write(self.work.join(".dockerignore"), "verified-store\n")?;
        let outcome = self.recorded();
        self.prune()?;
        outcome
    }

    /// Puts something where the context has a file. Patterns and what leaves the context stay missing.
    fn make_up(&self, path: &str) -> Result<()> {
        let relative = path.trim_start_matches(['/', '.']);
        let odd =
            relative.is_empty() || path.contains("..") || path.contains(['*', '?', '[', '$', ':']);
        if odd {
            return Ok(());
        }
        let file = match path.ends_with('/') {
            true => self.work.join(relative).join("file"),
            false => self.work.join(relative),
        };
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        if !file.exists() {
            fs::write(file, "#!/bin/sh\n")?;
        }
        Ok(())
    }

    fn recorded(&self) -> Result<Outcome> {
        let mut record = Command::new(&self.binary);
        record.args(["record", "--all", "--frontend", &self.frontend]);
        record.current_dir(&self.work).envs(self.engine.variables());
        if let Some(programs) = self.engine.programs() {
            let path = std::env::var("PATH").unwrap_or_default();
            record.env("PATH", format!("{}:{path}", programs.display()));
        }
        let told =
            match process::run(&mut record, &[], self.limit).and_then(process::Finished::success) {
                Ok(done) => done.stdout,
                Err(error) => return Ok(Outcome::NotRecorded(reason(&error.to_string()))),
            };
        let steps: Vec<&str> = told
            .lines()
            .filter(|line| line.contains(" requests, "))
            .collect();
        if steps.iter().all(|line| line.contains(": 0 requests")) {
            return Ok(Outcome::Nothing);
        }
        let store = format!(
            "verified-store={}",
            self.work.join("verified-store").display()
        );
        let syntax = format!("BUILDKIT_SYNTAX={}", self.frontend);
        let mut build = self.engine.command("docker");
        build.args([
            "buildx",
            "build",
            "--no-cache",
            "--output",
            "type=cacheonly",
            "--progress=plain",
        ]);
        build.args(["--build-arg", &syntax, "--build-context", &store, "."]);
        let built = process::run(build.current_dir(&self.work), &[], self.limit);
        Ok(match built.and_then(process::Finished::success) {
            Ok(_) => {
                let about = steps.iter().filter_map(|line| line.rsplit_once(": "));
                let about: Vec<&str> = about.map(|(_, about)| about).collect();
                Outcome::Replayed(about.join("; "))
            }
            Err(error) => Outcome::NotReplayed(reason(&error.to_string())),
        })
    }

    /// Hundreds of builds do not fit on a disk.
    fn prune(&self) -> Result<()> {
        let mut prune = self.engine.command("docker");
        prune.args(["buildx", "prune", "--all", "--force"]);
        process::run(&mut prune, &[], self.limit)?.success()?;
        Ok(())
    }
}

/// The files below `folder` that are called Dockerfile, sorted.
fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() {
            below(&path, found)?;
        } else if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("Dockerfile"))
        {
            found.push(path);
        }
    }
    Ok(())
}

/// The line of a failed build that says most: what the failed step's client complained of, else its last line, else the last of all.
fn reason(told: &str) -> String {
    const SAID: [&str; 6] = [
        "E: ",
        "curl: (",
        "fatal: ",
        "wget: ",
        "npm error",
        "not found",
    ];
    // BuildKit begins what a step says with its number and the time.
    let said = told.lines().filter_map(|line| {
        let mut words = line.trim().splitn(3, ' ');
        let number = words.next().is_some_and(|word| word.starts_with('#'));
        let time = words.next().is_some_and(|word| word.parse::<f64>().is_ok());
        words.next().filter(|_| number && time)
    });
    let said: Vec<&str> = said.collect();
    let complained = said
        .iter()
        .find(|line| SAID.iter().any(|start| line.contains(start)));
    let last = told.lines().rfind(|line| !line.trim().is_empty());
    let line = complained.or(said.last()).copied().or(last);
    line.unwrap_or_default()
        .trim()
        .chars()
        .take(SHOWN)
        .collect()
}
