//! What a recording build gave, put into the lock and into the store.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    bodies,
    launch::{self, BODIES},
    record::Recording,
    store::STEPS,
};
use crate::lock::Lock;

/// What came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// The recordings, by step.
    pub recordings: Vec<Recording>,
    /// How many bodies are new in the store.
    pub bodies: usize,
}

/// Reads the folder `from` that a build with `VERIFIED_RECORD` exported, copies its bodies into `store`, each checked, and puts its
/// recordings into `lock`.
///
/// # Errors
/// What is not as the launcher writes it. Bodies that were copied before stay; they are named by their digest.
pub fn collect(from: &Path, store: &Path, lock: &mut Lock) -> io::Result<Collected> {
    let mut collected = Collected::default();
    let to = store.join(BODIES);
    fs::create_dir_all(&to)?;
    for path in recordings(&from.join(STEPS))? {
        let recording = launch::read(&path)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        for (digest, size) in recording.bodies() {
            if !bodies::path(&to, digest).exists() {
                bodies::import(&from.join(BODIES), &to, digest, size)?;
                collected.bodies = collected.bodies.saturating_add(1);
            }
        }
        collected.recordings.push(recording);
    }
    for recording in &collected.recordings {
        lock.set_run(recording.clone());
    }
    Ok(collected)
}

/// The recordings in a folder, sorted by name; none if there is no folder, which is what a build without such steps gives.
fn recordings(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
