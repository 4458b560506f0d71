//! RUN steps that download: recorded once, then built without the network, from what was recorded.

use std::{fs, path::PathBuf};

use engine::Result;
use verified_dockerfile::{lock::Lock, replay::collect};

use crate::{
    Test,
    bench::{Case, Outcome, accept},
};

pub const TESTS: &[Test] = &[("a_download_is_recorded_and_replayed", download)];

/// The folder of bodies of a case.
fn store(case: &Case) -> PathBuf {
    case.folder.join("store")
}

/// Records what the steps of `dockerfile` download, into lock and store.
fn record(case: &Case, dockerfile: &str) -> Result<Outcome> {
    let out = case.folder.join("recorded");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    let to = format!("type=local,dest={}", out.display());
    let outcome = case
        .build(dockerfile)?
        .with(&["--build-arg", "VERIFIED_RECORD=all", "--output", &to])
        .run()?
        .built()?;
    let path = case.folder.join("Dockerfile.lock");
    let mut lock = match fs::read(&path) {
        Ok(bytes) => Lock::parse(&bytes, "lock").map_err(|error| error.message)?,
        Err(_) => Lock::default(),
    };
    collect::collect(&out, &store(case), &mut lock)?;
    fs::write(&path, lock.to_string())?;
    Ok(outcome)
}

/// Builds from lock and store, and puts the image's files into the folder `result`.
fn replay(case: &Case, dockerfile: &str) -> Result<Outcome> {
    let out = case.folder.join("result");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    let to = format!("type=local,dest={}", out.display());
    let context = format!("verified-store={}", store(case).display());
    case.build(dockerfile)?
        .with(&["--build-context", &context, "--output", &to])
        .run()
}

fn download(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/replay/download", b"first content");
    case.policy(&[
        accept("image", &base.repository),
        accept("http", "http://**"),
    ])?;
    let dockerfile = format!("FROM {}\nRUN wget -O /file {url}\n", base.tagged());
    record(case, &dockerfile)?;
    let hits = case.bench.web.hits("/replay/download");
    assert_eq!(hits, 1);
    case.bench.web.put("/replay/download", b"other content");
    replay(case, &dockerfile)?.built()?;
    assert_eq!(case.read("result/file")?, "first content");
    assert_eq!(case.bench.web.hits("/replay/download"), hits);
    Ok(())
}
