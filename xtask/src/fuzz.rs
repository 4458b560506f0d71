//! `cargo xtask fuzz [--time SECONDS] [TARGET]`: coverage-guided fuzzing of the Dockerfile reader.
//!
//! The targets are a package of their own (`fuzz/`), built with the coverage that libFuzzer reads. Seeds are the files
//! below `testdata/dockerfile`; what the fuzzer finds interesting is kept in `fuzz/corpus`, what it finds wrong in
//! `fuzz/artifacts`, neither committed.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

/// All targets, in the order in which they run.
pub const TARGETS: [&str; 3] = ["parse", "expand", "plan"];

/// What libFuzzer needs the compiler to put in.
const COVERAGE: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Fuzzes `target`, or one after the other, for `seconds` each. Fails on the first finding.
pub fn run(root: &Path, target: Option<&str>, seconds: u64) -> ExitCode {
    let folder = root.join("fuzz");
    let targets: Vec<&str> = TARGETS
        .into_iter()
        .filter(|known| target.is_none_or(|wanted| wanted == *known))
        .collect();
    if targets.is_empty() {
        eprintln!(
            "error: there is no target {:?}; there are {}",
            target.unwrap_or_default(),
            TARGETS.join(", ")
        );
        return ExitCode::from(2);
    }
    // With a target named explicitly, build scripts and macros are built without coverage.
    let Some(host) = host() else {
        eprintln!("error: rustc -vV does not name the host");
        return ExitCode::from(2);
    };
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--target", &host])
        .current_dir(&folder)
        .env("RUSTFLAGS", COVERAGE)
        .status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("error: the fuzz targets do not build");
        return ExitCode::from(2);
    }
    for target in targets {
        let corpus = folder.join("corpus").join(target);
        let artifacts = folder.join("artifacts").join(target);
        for folder in [&corpus, &artifacts] {
            if let Err(error) = std::fs::create_dir_all(folder) {
                eprintln!("error: {}: {error}", folder.display());
                return ExitCode::from(2);
            }
        }
        let status = Command::new(
            folder
                .join("target")
                .join(&host)
                .join("release")
                .join(target),
        )
        .arg(format!("-max_total_time={seconds}"))
        .args([
            "-max_len=4096",
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
        .arg(root.join("testdata/dockerfile"))
        .status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("error: {target}: see {}", artifacts.display());
            return ExitCode::FAILURE;
        }
        println!("{target}: {seconds} seconds without a finding");
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
