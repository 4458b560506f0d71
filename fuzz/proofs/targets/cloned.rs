//! What a server answers to a clone: no panic, and what is read of it can be read again.
#![no_main]

use std::{fs, path::PathBuf, sync::OnceLock};

use verified_dockerfile::{
    digest::Digest,
    replay::{
        bodies, cloned,
        launch::{BODIES, RECORDING},
        record::{Exchange, Recording},
    },
};

const REMOTE: &str = "https://git.test/app.git";

/// A recording of one answer, in a folder in memory. Nothing compares the answer with its digest again.
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = PathBuf::from(format!("/dev/shm/fuzz-cloned-{}", std::process::id()));
        fs::create_dir_all(folder.join(BODIES)).unwrap();
        let mut recording = Recording::new(Digest::sha256(b"step"), "git clone");
        recording.exchanges.push(Exchange {
            method: "POST".into(),
            url: format!("{REMOTE}/git-upload-pack"),
            asked: [].into(),
            sent: None,
            status: 200,
            headers: [].into(),
            digest: Digest::sha256(b"answer"),
            size: 1,
        });
        fs::write(folder.join(RECORDING), recording.to_json().unwrap()).unwrap();
        folder
    })
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let folder = folder();
    let body = bodies::path(&folder.join(BODIES), &Digest::sha256(b"answer"));
    fs::write(body, bytes).unwrap();
    let out = folder.join("answer");
    for tags in [false, true] {
        cloned::run(folder, REMOTE, tags, &out).unwrap();
        let tips = cloned::read(&fs::read(&out).unwrap()).unwrap();
        assert!(tips.is_err() || tips.is_ok_and(|tips| !tips.is_empty()));
    }
});
