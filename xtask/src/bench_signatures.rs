//! `cargo xtask bench signatures`: image signatures from evidence, against `cosign verify` one by one.
//!
//! Images are signed by the suite's cosign and put into the engine's registry. We verify them as a build does, from the text of a
//! `Dockerfile.evidence` with one policy; cosign as its users do, one command an image.

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use engine::{Engine, Lifetime, Result, Suite, image::Image, process, registry::Registry};
use serde_json::json;
use verified_dockerfile::{
    lock::Evidence,
    resolve::registry::{Client, Options, Repository, signatures},
    verify::{self, Artifact, Key, PublicKey, TrustedKey},
};

const LIMIT: Duration = Duration::from_secs(60);
const REPOSITORY: &str = "bench/signed";

/// Signs `count` images and verifies all of them both ways; gives how many times faster we are.
pub fn measure(suite: Suite, count: usize) -> Result<f64> {
    let engine = Engine::up(suite, Lifetime::Process)?;
    println!("{}", engine.describe());
    let folder = crate::workspace()
        .join("target/bench-signatures")
        .join(&engine.name);
    fs::create_dir_all(&folder)?;
    let cosign = || -> Command {
        let mut command = engine.command("cosign");
        command.current_dir(&folder).env("COSIGN_PASSWORD", "");
        command
    };
    for name in ["key.key", "key.pub"] {
        let _ = fs::remove_file(folder.join(name));
    }
    let mut command = cosign();
    command.args(["generate-key-pair", "--output-key-prefix", "key"]);
    process::run(&mut command, &[], LIMIT)?.success()?;

    let registry = Registry::new(&engine.registry);
    let repository = format!("{}/{REPOSITORY}", engine.registry);
    let mut digests = Vec::new();
    let words = engine.sign_words()?;
    for number in 0..count {
        let image = Image::new().with("Labels", json!({"number": number.to_string()}));
        let digest = registry.push(REPOSITORY, &format!("n{number}"), &image)?;
        let mut command = cosign();
        command
            .args(["sign", "--key", "key.key"])
            .args(&words)
            .arg(format!("{repository}@{digest}"));
        process::run(&mut command, &[], LIMIT)?.success()?;
        digests.push(digest);
    }

    let mut evidence = Evidence::default();
    let client = Client::new(Options::default())?;
    let from = Repository::new(&engine.registry, REPOSITORY)?;
    for digest in &digests {
        let digest = digest.parse()?;
        for signature in
            signatures::collect(&client, &from, &digest, &signatures::Place::ALL)?.signatures
        {
            evidence.insert(digest.clone(), signature.into());
        }
    }
    let text = evidence.to_string();
    let pem = fs::read_to_string(folder.join("key.pub"))?;

    let start = Instant::now();
    let evidence = Evidence::parse(text.as_bytes(), "Dockerfile.evidence")?;
    let keys = [TrustedKey {
        name: "bench".to_owned(),
        key: Key::Sigstore(PublicKey::from_pem(&pem)?.into()),
    }];
    let now = "2026-11-22T00:00:00Z".parse()?;
    for digest in &digests {
        let digest = digest.parse()?;
        let artifact = Artifact::Image {
            digest: &digest,
            repository: Some(&repository),
        };
        let mut proofs = evidence.of(&digest);
        if !proofs.any(|item| verify::verify(&artifact, item.proof(), &keys, now).is_ok()) {
            return Err(format!("{digest} does not verify").into());
        }
    }
    let ours = start.elapsed();

    let start = Instant::now();
    for digest in &digests {
        let mut command = cosign();
        command.args(["verify", "--key", "key.pub", "--insecure-ignore-tlog=true"]);
        command.args([
            "--allow-insecure-registry",
            &format!("{repository}@{digest}"),
        ]);
        process::run(&mut command, &[], LIMIT)?.success()?;
    }
    let theirs = start.elapsed();
    println!(
        "{count} image signatures ({} bytes of evidence): {ours:.1?}, cosign verify one by one {theirs:.1?}",
        text.len()
    );
    Ok(theirs.as_secs_f64() / ours.as_secs_f64())
}
