//! The build steps around a replayed one: bodies come in, each checked; recordings go out.
//!
//! A store is a folder: `sha256/DIGITS` for each body, or `steps/DIGITS/sha256/DIGITS` for each body of a step. What `lock` gets out of a build is one, with `steps/DIGITS.json` for each
//! step that was recorded.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use rustix::fs::XattrFlags;

use super::{
    bodies,
    launch::{self, BODIES, RECORDING},
    names::RESOLV,
    record::Recording,
    resolver, trust,
};

/// The launcher's name when it replays, beside the recording.
pub const REPLAY: &str = "replay";
/// The launcher's name when it records.
pub const RECORD: &str = "record";
/// The `resolv.conf` of a step with a launcher, beside it.
pub const RESOLV_CONF: &str = "resolv.conf";
/// The folder of what is beside a launcher that records, and that of what it records, in what [`folder`] makes.
pub const BESIDE: &str = "beside";
/// See [`BESIDE`].
pub const RECORDS: &str = "records";
/// The folder of recordings, in what `lock` gets out of a build.
pub const STEPS: &str = "steps";

/// Makes the folder that a replayed step gets: the launcher, the recording and its bodies, each of which is in `store` and has
/// its digest and size.
///
/// # Errors
/// The first body that is not there, or has other bytes.
pub fn import(recording: &Path, store: &Path, out: &Path) -> io::Result<()> {
    let recording = launch::read(recording)?;
    let to = out.join(BODIES);
    fs::create_dir(&to)?;
    // In a store image each step has its own.
    let own = store.join(STEPS).join(recording.step.hex()).join(BODIES);
    let from = if own.is_dir() {
        own
    } else {
        store.join(BODIES)
    };
    for (digest, size) in recording.bodies() {
        bodies::import(&from, &to, digest, size)
            .map_err(|error| wanted(&recording, digest, &error))?;
    }
    let json = recording.to_json().map_err(io::Error::other)?;
    fs::write(out.join(RECORDING), json)?;
    beside(out, REPLAY)
}

/// Puts the launcher and what every step needs of it into `folder`.
fn beside(folder: &Path, name: &str) -> io::Result<()> {
    let launcher = folder.join(name);
    fs::copy(std::env::current_exe()?, &launcher)?;
    fs::set_permissions(&launcher, fs::Permissions::from_mode(0o755))?;
    // Where a file system keeps none, or none may be given, other users than root have no name server.
    let _ = rustix::fs::setxattr(&launcher, CAPABILITY, &LOW_PORTS, XattrFlags::empty());
    fs::write(folder.join(RESOLV_CONF), RESOLV)?;
    let list = folder.join(trust::LIST);
    fs::write(&list, trust::EMPTY)?;
    fs::set_permissions(&list, fs::Permissions::from_mode(0o666))
}

/// The attribute of a program that gives capabilities to the process that runs it, whoever it is; none to what that starts.
const CAPABILITY: &str = "security.capability";
/// `CAP_NET_BIND_SERVICE` permitted. Not effective at once: then a container that does not have it could not even run the program.
/// Source: Linux `include/uapi/linux/capability.h`, `struct vfs_cap_data`, revision 2.
const LOW_PORTS: [u8; 20] = [0, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn wanted(recording: &Recording, digest: &crate::digest::Digest, error: &io::Error) -> io::Error {
    let exchange = recording
        .exchanges
        .iter()
        .find(|exchange| exchange.digest == *digest);
    let url = exchange.map_or("", |exchange| exchange.url.as_str());
    io::Error::other(format!("what {url} gave when it was recorded: {error}"))
}

/// Makes the folders of steps that are recorded: the launcher, with what this container has of name servers and the build of hosts
/// (`NAME=ADDRESS`); and one for recordings, which every user may write to.
///
/// # Errors
/// Whatever the file system says, or a host that is none.
pub fn folder(path: &Path, hosts: &[String]) -> io::Result<()> {
    let (launcher, records) = (path.join(BESIDE), path.join(RECORDS));
    fs::create_dir(&launcher)?;
    fs::create_dir(launcher.join(RECORDS))?;
    beside(&launcher, RECORD)?;
    resolver::write(&launcher, hosts)?;
    fs::create_dir(&records)?;
    // Not through the mode of `mkdir`, from which the daemon's mask is taken.
    fs::set_permissions(&records, fs::Permissions::from_mode(0o777))
}
