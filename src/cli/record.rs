//! `record`: runs a Dockerfile's steps once with the network, and puts what they download into lock and store.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;

use super::{CannotRun, Clean, args::BuildArgs, print};
use crate::{
    lock::{Lock, write_atomic},
    replay::collect::{Collected, collect},
};

/// `record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// The Dockerfile.
    #[arg(value_name = "PATH", default_value = "Dockerfile")]
    pub path: PathBuf,
    #[command(flatten)]
    pub build: BuildArgs,
    /// The build context; else the Dockerfile's folder.
    #[arg(long, value_name = "FOLDER")]
    pub context: Option<PathBuf>,
    /// The folder that keeps what was downloaded, by digest; a build gets it with `--build-context verified-store=FOLDER`.
    #[arg(long, value_name = "FOLDER", default_value = "verified-store")]
    pub store: PathBuf,
    /// This frontend's image; else the one that the Dockerfile names.
    #[arg(long, value_name = "IMAGE", env = "VERIFIED_DOCKERFILE_FRONTEND")]
    pub frontend: Option<String>,
    /// A host that steps find at an address, as in `docker buildx build`.
    #[arg(long = "add-host", value_name = "HOST:IP")]
    pub hosts: Vec<String>,
    /// Record every step anew, also those in the lock.
    #[arg(long)]
    pub all: bool,
}

pub(super) fn run(args: &RecordArgs) -> Result<Clean, CannotRun> {
    print(record(args)?)?;
    Ok(Clean::Yes)
}

/// Does it, and gives what there is to tell.
pub(super) fn record(args: &RecordArgs) -> Result<String, CannotRun> {
    let failed = |path: &Path, error: io::Error| CannotRun::new(path.display(), error);
    fs::create_dir_all(&args.store).map_err(|error| failed(&args.store, error))?;
    let store = args
        .store
        .canonicalize()
        .map_err(|error| failed(&args.store, error))?;
    let name = args.path.display().to_string();
    let path = PathBuf::from(format!("{name}.lock"));
    let old = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(&path, error)),
    };
    let mut lock = if old.is_empty() {
        Lock::default()
    } else {
        Lock::parse(old.as_bytes(), &path.display().to_string()).map_err(|error| {
            CannotRun::new(
                path.display(),
                format!("line {}: {}", error.line, error.message),
            )
        })?
    };
    // In the store: what is large is not copied from one file system to another.
    let fresh = Fresh::new(&store).map_err(|error| failed(&store, error))?;
    let which = if args.all { "all" } else { "missing" };
    let mut build = args.build.clone();
    build.build_args.push(format!("VERIFIED_RECORD={which}"));
    build
        .contexts
        .push(format!("verified-store={}", store.display()));
    let build = BuildxBuild {
        path: &args.path,
        build: &build,
        context: args.context.as_deref(),
        frontend: args.frontend.as_deref(),
        hosts: &args.hosts,
        // BuildKit would give what it has of the last time.
        anew: args.all,
    };
    build.run(&fresh.0)?;
    let collected =
        collect(&fresh.0, &store, &mut lock).map_err(|error| failed(&fresh.0, error))?;
    let text = lock.render(&old);
    if text != old {
        write_atomic(&path, text.as_bytes()).map_err(|error| failed(&path, error))?;
    }
    Ok(summary(&collected, &args.store, &path))
}

/// A folder that goes when it is dropped.
pub(super) struct Fresh(pub PathBuf);

impl Fresh {
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        let folder = parent.join(format!(".recorded-{}", std::process::id()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // It is named after this process; another may take it away later.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A build that gives a folder instead of an image.
pub(super) struct BuildxBuild<'a> {
    /// The Dockerfile.
    pub path: &'a Path,
    /// Options of the build.
    pub build: &'a BuildArgs,
    /// The build context; else the Dockerfile's folder.
    pub context: Option<&'a Path>,
    /// This frontend's image; else the one that the Dockerfile names.
    pub frontend: Option<&'a str>,
    /// Hosts that steps find at an address, `HOST:IP`.
    pub hosts: &'a [String],
    /// Whether nothing may come from BuildKit's cache.
    pub anew: bool,
}

impl BuildxBuild<'_> {
    /// Runs it by `docker buildx`, and puts what it gives into the folder `out`.
    pub(super) fn run(&self, out: &Path) -> Result<(), CannotRun> {
        let status = Command::new("docker")
            .args(self.words(out))
            .status()
            .map_err(|error| CannotRun::new("docker", error))?;
        if status.success() {
            return Ok(());
        }
        Err(CannotRun::new(
            "docker buildx build",
            format!("{status}; its words are above"),
        ))
    }

    /// The words after `docker`.
    fn words(&self, out: &Path) -> Vec<OsString> {
        let mut words: Vec<OsString> = ["buildx", "build", "--file"].map(Into::into).to_vec();
        words.push(self.path.into());
        let mut add = |option: &str, value: String| {
            words.push(option.into());
            words.push(value.into());
        };
        add("--output", format!("type=local,dest={}", out.display()));
        if let Some(frontend) = self.frontend {
            add("--build-arg", format!("BUILDKIT_SYNTAX={frontend}"));
        }
        for host in self.hosts {
            add("--add-host", host.clone());
        }
        for argument in &self.build.build_args {
            add("--build-arg", argument.clone());
        }
        if let Some(target) = &self.build.target {
            add("--target", target.clone());
        }
        if !self.build.platform.is_empty() {
            add("--platform", self.build.platform.join(","));
        }
        for context in &self.build.contexts {
            add("--build-context", context.clone());
        }
        let beside = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let context = self.context.or(beside).unwrap_or(Path::new("."));
        if self.anew {
            words.push("--no-cache".into());
        }
        words.push(context.into());
        words
    }
}

fn summary(collected: &Collected, store: &Path, lock: &Path) -> String {
    let mut text = String::new();
    for recording in &collected.recordings {
        let size: u64 = recording.bodies().values().sum();
        text.push_str(&format!(
            "RUN {}: {} requests, {size} bytes\n",
            recording.command,
            recording.exchanges.len()
        ));
    }
    text.push_str(&format!(
        "{} steps recorded in {}; {} new files in {}\n",
        collected.recordings.len(),
        lock.display(),
        collected.bodies,
        store.display()
    ));
    text
}
