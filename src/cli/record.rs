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
    let words = words(args, &store, &fresh.0);
    let status = Command::new("docker")
        .args(&words)
        .status()
        .map_err(|error| CannotRun::new("docker", error))?;
    if !status.success() {
        return Err(CannotRun::new(
            "docker buildx build",
            format!("{status}; its words are above"),
        ));
    }
    let collected =
        collect(&fresh.0, &store, &mut lock).map_err(|error| failed(&fresh.0, error))?;
    let text = lock.render(&old);
    if text != old {
        write_atomic(&path, text.as_bytes()).map_err(|error| failed(&path, error))?;
    }
    Ok(summary(&collected, &args.store, &path))
}

/// A folder that goes when it is dropped.
struct Fresh(PathBuf);

impl Fresh {
    fn new(store: &Path) -> io::Result<Self> {
        let folder = store.join(format!(".recorded-{}", std::process::id()));
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

/// The words after `docker`.
fn words(args: &RecordArgs, store: &Path, out: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["buildx", "build", "--file"].map(Into::into).to_vec();
    words.push(args.path.clone().into());
    let mut add = |option: &str, value: String| {
        words.push(option.into());
        words.push(value.into());
    };
    add("--output", format!("type=local,dest={}", out.display()));
    let which = if args.all { "all" } else { "missing" };
    add("--build-arg", format!("VERIFIED_RECORD={which}"));
    if let Some(frontend) = &args.frontend {
        add("--build-arg", format!("BUILDKIT_SYNTAX={frontend}"));
    }
    for host in &args.hosts {
        add("--add-host", host.clone());
    }
    for argument in &args.build.build_args {
        add("--build-arg", argument.clone());
    }
    if let Some(target) = &args.build.target {
        add("--target", target.clone());
    }
    if !args.build.platform.is_empty() {
        add("--platform", args.build.platform.join(","));
    }
    for context in &args.build.contexts {
        add("--build-context", context.clone());
    }
    add(
        "--build-context",
        format!("verified-store={}", store.display()),
    );
    let beside = args
        .path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let context = args.context.as_deref().or(beside).unwrap_or(Path::new("."));
    if args.all {
        // BuildKit would give what it has of the last time.
        words.push("--no-cache".into());
    }
    words.push(context.into());
    words
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
