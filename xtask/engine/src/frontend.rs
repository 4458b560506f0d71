//! Our own image, from a binary built on this machine.
//!
//! The `Dockerfile` at the top builds the same image with Docker; this way needs no base image and no network.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::json;

use crate::{
    Result,
    image::{Image, Tar},
    process,
};

const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);
const BINARY: &str = "verified-dockerfile";
/// What BuildKit may ask of us. Source: BuildKit `frontend/gateway/gateway.go` and `docs/reference`.
const CAPABILITIES: &str = "moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,\
                            moby.buildkit.frontend.contexts,moby.buildkit.frontend.gitquerystring";

/// How the binary is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As it is released.
    Release,
    /// Quicker to build, larger and slower to run; for tests.
    EndToEnd,
}

/// Builds the binary of the package in `folder`, statically linked, and gives its path.
///
/// # Errors
/// With the compiler's words, if it does not compile.
pub fn build(folder: &Path, profile: Profile) -> Result<PathBuf> {
    build_package(folder, BINARY, profile)
}

/// Builds the binary of the workspace's package `package` as [`build`] does: for tests that run a frontend of their own.
///
/// # Errors
/// With the compiler's words, if it does not compile.
pub fn build_package(folder: &Path, package: &str, profile: Profile) -> Result<PathBuf> {
    let name = match profile {
        Profile::Release => "release",
        Profile::EndToEnd => "e2e",
    };
    let target = host()?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder).args([
        "build",
        "--quiet",
        "--profile",
        name,
        "--package",
        package,
        "--bin",
        package,
        "--target",
        &target,
    ]);
    // With --target these are not for build scripts, which may need shared libraries.
    command.env("RUSTFLAGS", "-C target-feature=+crt-static");
    for (variable, _) in env::vars().filter(|(variable, _)| {
        // What cargo tells its own children: some build scripts run again where it differs.
        ["CARGO_PKG", "CARGO_MANIFEST"]
            .iter()
            .any(|start| variable.starts_with(start))
            || variable == "CARGO_ENCODED_RUSTFLAGS"
    }) {
        command.env_remove(variable);
    }
    process::run(&mut command, &[], BUILD_LIMIT)?.success()?;
    let target_folder =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder.join("target"), PathBuf::from);
    Ok(target_folder.join(target).join(name).join(package))
}

/// The image with `binary` as its only file, a folder for the user's own files, and the organisation's `policy` (`policy.toml`) where there is one.
///
/// # Errors
/// If the binary cannot be read.
pub fn image(binary: &Path, policy: Option<&[u8]>) -> Result<Image> {
    let layer = Tar::new()
        .file(BINARY, 0o755, &fs::read(binary)?)
        .folder("src");
    let image = Image::new()
        .platform(&format!("linux/{}", architecture()))
        .compressed()
        .layer(&layer)
        .with("Entrypoint", json!([format!("/{BINARY}")]))
        .with("WorkingDir", json!("/src"))
        .with(
            "Labels",
            json!({
                "moby.buildkit.frontend.network.none": "true",
                "moby.buildkit.frontend.caps": CAPABILITIES,
            }),
        );
    Ok(match policy {
        None => image,
        Some(policy) => {
            let folder = "etc/verified-dockerfile";
            let file = format!("{folder}/policy.toml");
            image.layer(
                &Tar::new()
                    .folder("etc")
                    .folder(folder)
                    .file(&file, 0o644, policy),
            )
        }
    })
}

/// This machine's target, as the compiler names it.
fn host() -> Result<String> {
    let about = process::run(
        Command::new("rustc").arg("-vV"),
        &[],
        Duration::from_secs(30),
    )?
    .success()?
    .stdout;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc does not tell its host")?.to_owned())
}

/// This machine's architecture, as OCI names it.
fn architecture() -> &'static str {
    match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
