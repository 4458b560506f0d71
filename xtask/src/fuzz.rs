//! `cargo xtask fuzz [--time SECONDS] [TARGET]`: coverage-guided fuzzing of whatever reads untrusted data.
//!
//! The targets are packages of their own, built with the coverage that libFuzzer reads: `fuzz/` for the Dockerfile reader and recordings, quick to
//! build, and `fuzz/proofs/` for proofs, with all their libraries. Seeds are files of `testdata`; what the fuzzer finds
//! interesting is kept in `fuzz/corpus`, what it finds wrong in `fuzz/artifacts`, neither committed.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

/// One program that libFuzzer drives.
struct Target {
    name: &'static str,
    /// The folder of its package.
    package: &'static str,
    /// The folder of its seeds.
    seeds: &'static str,
}

const fn target(name: &'static str, package: &'static str, seeds: &'static str) -> Target {
    Target {
        name,
        package,
        seeds,
    }
}

/// All targets, in the order in which they run.
const TARGETS: &[Target] = &[
    target("parse", "fuzz", "testdata/dockerfile"),
    target("expand", "fuzz", "testdata/dockerfile"),
    target("plan", "fuzz", "testdata/dockerfile"),
    target("shell", "fuzz", "testdata/shell"),
    target("recording", "fuzz", "testdata/replay"),
    target("openpgp", "fuzz/proofs", "testdata/proofs/openpgp"),
    target("openpgp_key", "fuzz/proofs", "testdata/proofs/openpgp"),
    target("git", "fuzz/proofs", "testdata/proofs/git"),
    target("gitsign", "fuzz/proofs", "testdata/proofs/gitsign"),
    target("x509", "fuzz/proofs", "testdata/proofs/x509"),
    target("attestation", "fuzz/proofs", "testdata/cosign"),
    target("cloned", "fuzz/proofs", "testdata/cloned"),
    target("minisign", "fuzz/proofs", "testdata/proofs/minisign"),
    target("ssh", "fuzz/proofs", "testdata/proofs/ssh"),
    target("ssh_signers", "fuzz/proofs", "testdata/proofs/ssh"),
    target("checksums", "fuzz/proofs", "testdata/proofs/checksums"),
    target("notation", "fuzz/proofs", "testdata/proofs/notation"),
    target(
        "notation_timestamp",
        "fuzz/proofs",
        "testdata/proofs/notation",
    ),
    target("bundle", "fuzz/proofs", "testdata/proofs/sigstore"),
    target("bundle_parts", "fuzz/proofs", "testdata/proofs/sigstore"),
];

/// What libFuzzer needs the compiler to put in.
const COVERAGE: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Fuzzes `target`, or one after the other, for `seconds` each. Fails on the first finding.
pub fn run(root: &Path, target: Option<&str>, seconds: u64) -> ExitCode {
    let folder = root.join("fuzz");
    let targets: Vec<&Target> = TARGETS
        .iter()
        .filter(|known| target.is_none_or(|wanted| wanted == known.name))
        .collect();
    if targets.is_empty() {
        let names: Vec<_> = TARGETS.iter().map(|known| known.name).collect();
        eprintln!(
            "error: there is no target {:?}; there are {}",
            target.unwrap_or_default(),
            names.join(", ")
        );
        return ExitCode::from(2);
    }
    // With a target named explicitly, build scripts and macros are built without coverage.
    let Some(host) = host() else {
        eprintln!("error: rustc -vV does not name the host");
        return ExitCode::from(2);
    };
    for target in targets {
        // Only what is asked for is built.
        let built = Command::new("cargo")
            .args(["build", "--quiet", "--release", "--target", &host])
            .args(["--bin", target.name])
            .current_dir(root.join(target.package))
            .env("RUSTFLAGS", COVERAGE)
            .status();
        if !built.is_ok_and(|status| status.success()) {
            eprintln!("error: the fuzz target {} does not build", target.name);
            return ExitCode::from(2);
        }
        let corpus = folder.join("corpus").join(target.name);
        let artifacts = folder.join("artifacts").join(target.name);
        for folder in [&corpus, &artifacts] {
            if let Err(error) = std::fs::create_dir_all(folder) {
                eprintln!("error: {}: {error}", folder.display());
                return ExitCode::from(2);
            }
        }
        let status = Command::new(
            root.join(target.package)
                .join("target")
                .join(&host)
                .join("release")
                .join(target.name),
        )
        .arg(format!("-max_total_time={seconds}"))
        .args([
            // A Sigstore bundle has some 6,000 bytes.
            if target.package == "fuzz" {
                "-max_len=4096"
            } else {
                "-max_len=12288"
            },
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-print_final_stats=1",
        ])
        .arg(format!(
            "-dict={}",
            folder.join("dockerfile.dict").display()
        ))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(&corpus)
        .arg(root.join(target.seeds))
        .status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("error: {}: see {}", target.name, artifacts.display());
            return ExitCode::FAILURE;
        }
        println!("{}: {seconds} seconds without a finding", target.name);
    }
    ExitCode::SUCCESS
}

/// The triple of this machine.
fn host() -> Option<String> {
    let output = Command::new("rustc").arg("-vV").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
}
