//! The build steps around a replayed one: bodies come in, each checked; recordings go out.
//!
//! A store is a folder: `sha256/DIGITS` for each body, or `steps/DIGITS/sha256/DIGITS` for each body of a step. What `lock` gets out of a build is one, with `steps/DIGITS.json` for each
//! step that was recorded.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use super::{
    bodies,
    launch::{self, BODIES, RECORDING},
    record::Recording,
};

/// The launcher's name when it replays, beside the recording.
pub const REPLAY: &str = "replay";
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
    let launcher = out.join(REPLAY);
    fs::copy(std::env::current_exe()?, &launcher)?;
    fs::set_permissions(&launcher, fs::Permissions::from_mode(0o755))
}

fn wanted(recording: &Recording, digest: &crate::digest::Digest, error: &io::Error) -> io::Error {
    let exchange = recording
        .exchanges
        .iter()
        .find(|exchange| exchange.digest == *digest);
    let url = exchange.map_or("", |exchange| exchange.url.as_str());
    io::Error::other(format!("what {url} gave when it was recorded: {error}"))
}

/// Makes a folder that every user may write to.
///
/// # Errors
/// Whatever the file system says.
pub fn folder(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    // Not through the mode of `mkdir`, from which the daemon's mask is taken.
    fs::set_permissions(path, fs::Permissions::from_mode(0o777))
}
