//! `cargo xtask conformance-sigstore DIR`: the verify cases of a checkout of sigstore-conformance, through `verify-bundle`.
//!
//! Each folder of `DIR/test/assets/bundle-verify` is a case, tried with the file and with its digest, as the suite does. A folder
//! whose name ends in `_fail` must be refused. Source: that folder's README and the suite's `docs/cli_protocol.md`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use verified_dockerfile::digest::Digest;

const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// Runs all cases with the program at `binary`.
pub fn run(binary: &Path, suite: &Path) -> Result<ExitCode, String> {
    let cases = suite.join("test/assets/bundle-verify");
    let said = |error: io::Error| format!("{}: {error}", cases.display());
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&cases).map_err(said)? {
        let path = entry.map_err(said)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    let (mut passed, mut refused, mut wrong) = (0_usize, 0_usize, Vec::new());
    for folder in &folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let must_fail = name.ends_with("_fail");
        for by_digest in [false, true] {
            let held = verify(binary, &cases, folder, by_digest)?;
            match (held, must_fail) {
                (true, false) => passed += 1,
                (false, true) => refused += 1,
                _ => wrong.push(format!("{name} (by digest: {by_digest})")),
            }
        }
    }
    println!(
        "{} folders: {passed} verified, {refused} refused, {} wrong",
        folders.len(),
        wrong.len()
    );
    for name in &wrong {
        println!("wrong: {name}");
    }
    Ok(if wrong.is_empty() && passed > 0 && refused > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn verify(binary: &Path, cases: &Path, folder: &Path, by_digest: bool) -> Result<bool, String> {
    let optional = |name: &str| {
        let path = folder.join(name);
        path.exists().then_some(path)
    };
    let text = |name: &str, usual: &str| match optional(name) {
        None => Ok(usual.to_owned()),
        Some(path) => fs::read_to_string(&path)
            .map(|text| text.trim().to_owned())
            .map_err(|error| format!("{}: {error}", path.display())),
    };
    let mut command = Command::new(binary);
    command.args(["verify-bundle", "--bundle"]);
    command.arg(folder.join("bundle.sigstore.json"));
    match optional("key.pub") {
        Some(key) => command.arg("--key").arg(key),
        None => command
            .arg("--certificate-identity")
            .arg(text("identity", IDENTITY)?)
            .arg("--certificate-oidc-issuer")
            .arg(text("issuer", ISSUER)?),
    };
    if let Some(root) = optional("trusted_root.json") {
        command.arg("--trusted-root").arg(root);
    }
    let artifact = optional("artifact").unwrap_or_else(|| cases.join("a.txt"));
    if by_digest {
        let bytes = fs::read(&artifact).map_err(|error| error.to_string())?;
        command.arg(Digest::sha256(&bytes).to_string());
    } else {
        command.arg(artifact);
    }
    let output = command
        .output()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    // What is neither an answer nor a plain refusal is a failure of ours, not a refusal.
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1 | 2) => Ok(false),
        _ => Err(format!("{}: {}", folder.display(), output.status)),
    }
}
