//! `cargo xtask demo`: the whole way once, for people to watch.

use std::{fs, path::Path, process::ExitCode, time::Duration};

use engine::{
    Engine, Lifetime, Result, Suite,
    frontend::{self, Profile},
    image::Image,
    process,
    registry::Registry,
};
use serde_json::json;

const BUILD_LIMIT: Duration = Duration::from_secs(300);
const TOOL_LIMIT: Duration = Duration::from_secs(180);

/// Brings an engine up, pushes our image, and builds a signed and an unsigned base through it.
pub fn run(suite: Suite) -> Result<ExitCode> {
    let was_up = Engine::find(suite).is_some();
    let engine = Engine::up(suite, Lifetime::Process)?;
    let result = show(&engine);
    if !was_up {
        Engine::down(suite)?;
    }
    result
}

fn show(engine: &Engine) -> Result<ExitCode> {
    println!("{}\n", engine.describe());
    let workspace = crate::workspace();
    let folder = workspace.join("target/demo");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;

    println!("Building our image ...");
    let registry = Registry::new(&engine.registry);
    let binary = frontend::build(&workspace, Profile::EndToEnd)?;
    registry.push(
        "org/verified-dockerfile",
        "latest",
        &frontend::image(&binary, None)?,
    )?;
    let frontend = format!("{}/org/verified-dockerfile", engine.registry);

    println!("Pushing two base images, and signing one of them with cosign ...");
    let base = Image::new()
        .layer(&engine.busybox()?)
        .with("Env", json!(["PATH=/bin"]));
    let signed = registry.push("team/signed", "latest", &base)?;
    registry.push(
        "team/unsigned",
        "latest",
        &base.with("Labels", json!({ "signed": "no" })),
    )?;
    let signed = format!("{}/team/signed@{signed}", engine.registry);
    cosign(
        engine,
        &folder,
        &["generate-key-pair", "--output-key-prefix", "team"],
    )?;
    let words = [
        &["sign", "--key", "team.key"][..],
        &engine.sign_words()?,
        &[&signed],
    ]
    .concat();
    cosign(engine, &folder, &words)?;

    let policy = format!(
        "version = 1\n\n[keys.team]\ncosign = \"team.pub\"\n\n[[image]]\nmatch = \"{}/team/*\"\nsigned-by = [\"team\"]\n",
        engine.registry
    );
    fs::write(folder.join("verified.toml"), &policy)?;
    println!("\nverified.toml:\n{}", indented(&policy));
    let mut as_expected = true;
    for (name, accepted) in [("signed", true), ("unsigned", false)] {
        let dockerfile = format!(
            "# syntax={frontend}\nFROM {}/team/{name}\nRUN echo \"built by $(id -un)\" > /greeting\n",
            engine.registry
        );
        println!("Dockerfile:\n{}", indented(&dockerfile));
        fs::write(folder.join("Dockerfile"), dockerfile)?;
        println!("$ docker buildx build .");
        let mut command = engine.command("docker");
        command
            .args(["buildx", "build", "--progress=plain", "."])
            .current_dir(&folder);
        let build = process::run(&mut command, &[], BUILD_LIMIT)?;
        println!("{}", indented(&build.stderr));
        let built = build.status.success();
        println!("=> {}\n", if built { "built" } else { "refused" });
        as_expected &= built == accepted;
    }
    if as_expected {
        return Ok(ExitCode::SUCCESS);
    }
    Err("the first should have been built and the second refused".into())
}

fn cosign(engine: &Engine, folder: &Path, words: &[&str]) -> Result<()> {
    let mut command = engine.command("cosign");
    command
        .args(words)
        .current_dir(folder)
        .env("COSIGN_PASSWORD", "");
    process::run(&mut command, &[], TOOL_LIMIT)?.success()?;
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
