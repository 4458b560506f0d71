//! The root file system of a suite, made once by `debootstrap` and kept.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};

use crate::{Result, Suite, process};

const BOOTSTRAP_LIMIT: Duration = Duration::from_secs(20 * 60);
const APT_LIMIT: Duration = Duration::from_secs(5 * 60);
const PROGRESS: Duration = Duration::from_secs(10);
const SCRIPTS: &str = "/usr/share/debootstrap/scripts";

/// The root of `suite` in `cache`, which is made first if it is not there.
///
/// The caller holds the suite's lock.
pub(crate) fn ensure(cache: &Path, suite: Suite) -> Result<PathBuf> {
    let packages = suite.packages();
    let root = cache.join(format!("{suite}-{}", key(suite.name(), &packages)));
    if root.is_dir() {
        return Ok(root);
    }
    bootstrap(suite.name(), &packages, &root)?;
    Ok(root)
}

/// What tells a system from others: by the hash of what it is made of.
pub(crate) fn key(release: &str, packages: &str) -> String {
    let hash = Sha256::digest(format!("{release} {packages}"));
    let bytes = hash.iter().take(6);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a system of `packages` (separated by commas) in `root`, which is there once all of it is.
pub(crate) fn bootstrap(release: &str, packages: &str, root: &Path) -> Result<()> {
    require_debian()?;
    install_debootstrap()?;
    let part = root.with_extension("part");
    if part.exists() {
        fs::remove_dir_all(&part)?;
    }
    let (mirror, proxy) = (mirror()?, proxy());
    let script = if Path::new(SCRIPTS).join(release).exists() {
        release
    } else {
        "sid"
    };
    let start = Instant::now();
    eprintln!(
        "{release}: bootstrapping {} (once; some minutes, about 1 GB)",
        root.display()
    );
    let mut told = start;
    let mut command = Command::new("debootstrap");
    command.arg("--variant=minbase");
    if !packages.is_empty() {
        command.arg(format!("--include={packages}"));
    }
    command
        .arg(release)
        .arg(&part)
        .arg(mirror)
        .arg(Path::new(SCRIPTS).join(script));
    if let Some(proxy) = proxy {
        command.env("http_proxy", &proxy).env("https_proxy", proxy);
    }
    process::follow(&mut command, BOOTSTRAP_LIMIT, |line| {
        if told.elapsed() > PROGRESS {
            told = Instant::now();
            eprintln!("{release}: {:3} s  {line}", start.elapsed().as_secs());
        }
    })?;
    // Hundreds of megabytes of packages that nothing installs again.
    for entry in fs::read_dir(part.join("var/cache/apt/archives"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "deb") {
            fs::remove_file(path)?;
        }
    }
    // Only now does it count as made.
    fs::rename(&part, root)?;
    Ok(())
}

fn require_debian() -> Result<()> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !release.lines().any(|line| line == "ID=debian") {
        return Err("an engine can be brought up on Debian only".into());
    }
    Ok(())
}

fn install_debootstrap() -> Result<()> {
    if Path::new(SCRIPTS).is_dir() {
        return Ok(());
    }
    eprintln!("installing debootstrap");
    let apt = |words: &[&str]| {
        process::run(
            Command::new("apt-get")
                .args(words)
                .env("DEBIAN_FRONTEND", "noninteractive"),
            &[],
            APT_LIMIT,
        )?
        .success()
    };
    apt(&["update"])?;
    apt(&["install", "-y", "--no-install-recommends", "debootstrap"])?;
    Ok(())
}

/// The archive that the machine itself installs from.
fn mirror() -> Result<String> {
    let format = "$(RELEASE) $(REPO_URI)";
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", format, "Created-By: Packages"]);
    let targets = process::run(&mut command, &[], APT_LIMIT)?
        .success()?
        .stdout;
    // `bookworm-security` and the like are other archives.
    targets
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(release, uri)| {
            !release.contains('-') && !release.contains('/') && uri.starts_with("http")
        })
        .map(|(_, uri)| uri.to_owned())
        .ok_or_else(|| "apt has no Debian archive configured".into())
}

/// The proxy that apt is configured to use, if any.
fn proxy() -> Option<String> {
    let mut command = Command::new("apt-config");
    command.args(["dump", "--format", "%v%n", "Acquire::http::Proxy"]);
    let value = process::run(&mut command, &[], APT_LIMIT).ok()?.stdout;
    Some(value.lines().next()?.trim().to_owned())
        .filter(|proxy| !proxy.is_empty() && proxy != "DIRECT")
}
