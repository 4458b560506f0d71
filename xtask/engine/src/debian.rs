//! Debian systems as layers of images, made once by `debootstrap` and kept.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{Result, image, instance, process, root};

/// Where Debian has authorities that its administrator adds.
const AUTHORITIES: &str = "/usr/local/share/ca-certificates";
const INSTALL_LIMIT: Duration = Duration::from_secs(20 * 60);
const INSTALL: &str = "export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq -y --no-install-recommends \"$@\"
apt-get clean
rm -rf /var/lib/apt/lists/*";
const TAR_LIMIT: Duration = Duration::from_secs(10 * 60);

/// The archive of a Debian `release` with `packages` besides the minimal ones, as `debootstrap` makes it from the machine's own
/// archive. It is made first if it is not there.
///
/// # Errors
/// If this is not root on Debian, or the archive cannot be reached.
pub fn layer(release: &str, packages: &[&str]) -> Result<PathBuf> {
    let cache = instance::cache();
    fs::create_dir_all(&cache)?;
    let trusted = trusted()?;
    // Authorities of a network come and go with the machine: with others it is another system.
    let mut made_of = packages.join(" ");
    for (name, bytes) in &trusted {
        made_of.push_str(&format!(" {name} {}", image::digest(bytes)));
    }
    let name = format!("debian-{release}-{}", root::key(release, &made_of));
    let layer = cache.join(format!("{name}.tar"));
    let lock = fs::File::create(cache.join(format!("{name}.lock")))?;
    lock.lock()?;
    if layer.is_file() {
        return Ok(layer);
    }
    let system = cache.join(&name);
    // What is left of one that was interrupted may be half a system.
    if system.exists() {
        fs::remove_dir_all(&system)?;
    }
    root::bootstrap(release, "", &system)?;
    trust(&system, &trusted)?;
    if !packages.is_empty() {
        install(&system, packages)?;
    }
    let part = cache.join(format!("{name}.tar.part"));
    pack(&system, &part)?;
    fs::rename(&part, &layer)?;
    fs::remove_dir_all(&system)?;
    Ok(layer)
}

/// What this machine trusts besides the public authorities, by name.
fn trusted() -> Result<BTreeMap<String, Vec<u8>>> {
    let mut trusted = BTreeMap::new();
    let own = Path::new(AUTHORITIES);
    if !own.is_dir() {
        return Ok(trusted);
    }
    for entry in fs::read_dir(own)? {
        let entry = entry?;
        if entry.path().is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            trusted.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(trusted)
}

/// Puts `trusted` where `system` takes it from once it has any authorities: in some networks nothing else answers.
fn trust(system: &Path, trusted: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    let to = system.join(AUTHORITIES.trim_start_matches('/'));
    fs::create_dir_all(&to)?;
    for (name, bytes) in trusted {
        fs::write(to.join(name), bytes)?;
    }
    Ok(())
}

/// Installs `packages` by the system's own apt: debootstrap takes no alternative of a dependency but the first.
fn install(system: &Path, packages: &[&str]) -> Result<()> {
    eprintln!("{}: installing {}", system.display(), packages.join(" "));
    fs::copy("/etc/resolv.conf", system.join("etc/resolv.conf"))?;
    // Installing Java asks for /proc.
    let mut enter = Command::new("unshare");
    enter.args(["--mount", "--pid", "--fork", "--kill-child"]);
    enter.arg(format!("--mount-proc={}", system.join("proc").display()));
    enter.arg("chroot").arg(system);
    enter.args(["sh", "-ec", INSTALL, "sh"]).args(packages);
    process::run(&mut enter, &[], INSTALL_LIMIT)?.success()?;
    Ok(())
}

/// What is in `folder` but devices, which an image has none of, and what tells of the machine.
fn pack(folder: &Path, archive: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--sort=name",
        "--numeric-owner",
        "--exclude=./dev/*",
        "--exclude=./etc/hostname",
        "--exclude=./etc/resolv.conf",
        "--exclude=./var/log/*.log",
    ]);
    tar.arg("--file").arg(archive).arg("--directory");
    process::run(tar.arg(folder).arg("."), &[], TAR_LIMIT)?.success()?;
    Ok(())
}
