//! `cargo xtask bench packages`: a build whose steps are recorded, and one whose steps are served from their recordings, against the same
//! build with the network.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use engine::{
    Engine, Lifetime, Result, Suite, debian,
    frontend::{self, Profile},
    process,
    registry::Registry,
};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(20 * 60);
/// How much longer than the build with the network recording may take, and the build from recordings.
const MOST: [f64; 2] = [1.25, 1.0];
const RELEASE: &str = "trixie";
const NPM: &str =
    r#"{"name":"test","version":"1.0.0","dependencies":{"express":"^4.21.0","webpack":"^5.90.0"}}"#;

/// What is built: its name, what its base has besides a minimal Debian, and its steps.
const PROJECTS: [(&str, &[&str], &str); 2] = [
    (
        "apt",
        &[],
        "RUN apt-get update && apt-get install -y --no-install-recommends libcatalyst-perl libdancer2-perl\n",
    ),
    (
        "npm and pip",
        &["ca-certificates", "npm", "python3-pip"],
        "WORKDIR /work\nCOPY package.json .\nRUN npm install\nRUN pip install --break-system-packages flask requests\n",
    ),
];

/// Measures, and tells whether the limits are kept.
pub fn measure(suite: Suite, runs: usize) -> Result<bool> {
    let was_up = Engine::find(suite).is_some();
    let engine = Engine::up(suite, Lifetime::Process)?;
    println!("{}", engine.describe());
    let kept = on(&engine, runs);
    if !was_up {
        Engine::down(suite)?;
    }
    kept
}

fn on(engine: &Engine, runs: usize) -> Result<bool> {
    let registry = Registry::new(&engine.registry);
    let binary = frontend::build(&crate::workspace(), Profile::Release)?;
    registry.push(
        "org/verified-dockerfile",
        "bench",
        &frontend::image(&binary, None)?,
    )?;
    let syntax = format!(
        "BUILDKIT_SYNTAX={}/org/verified-dockerfile:bench",
        engine.registry
    );
    let mut kept = true;
    for (number, (name, packages, steps)) in PROJECTS.into_iter().enumerate() {
        let layer = debian::layer(RELEASE, packages)?;
        let repository = format!("bench/packages-{number}");
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        registry.push_file(&repository, "latest", &layer, &json!({ "Env": [path] }))?;
        let base = format!("{}/{repository}", engine.registry);
        let folder = write(engine, number, &base, steps)?;
        let mut record = Command::new(&binary);
        record.args(["record", "--all", "--frontend"]);
        record.arg(syntax.trim_start_matches("BUILDKIT_SYNTAX="));
        record.current_dir(&folder).envs(engine.variables());
        if let Some(programs) = engine.programs() {
            let path = std::env::var("PATH").unwrap_or_default();
            record.env("PATH", format!("{}:{path}", programs.display()));
        }
        let store = folder.join("verified-store");
        let given = format!("verified-store={}", store.display());
        let replayed = ["--build-arg", &syntax, "--build-context", &given];
        let mut fastest = [Duration::MAX; 3];
        for _ in 0..runs {
            let online = build(engine, &folder, &[])?;
            if store.exists() {
                fs::remove_dir_all(&store)?;
            }
            let start = Instant::now();
            let told = process::run(&mut record, &[], LIMIT)?.success()?.stdout;
            let recorded = start.elapsed();
            print!("{told}");
            let replayed = build(engine, &folder, &replayed)?;
            for (fastest, time) in fastest.iter_mut().zip([online, recorded, replayed]) {
                *fastest = (*fastest).min(time);
            }
        }
        let [online, recorded, replayed] = fastest.map(|time| time.as_secs_f64());
        let ratios = [recorded / online, replayed / online];
        println!(
            "{name}: online {online:.1} s, recorded {recorded:.1} s ({:.2} times, at most {}), replayed {replayed:.1} s ({:.2} times, \
             at most {})",
            ratios[0], MOST[0], ratios[1], MOST[1]
        );
        kept &= ratios.iter().zip(MOST).all(|(ratio, most)| *ratio <= most);
    }
    Ok(kept)
}

fn write(engine: &Engine, number: usize, base: &str, steps: &str) -> Result<PathBuf> {
    let folder = crate::workspace()
        .join("target/bench-packages")
        .join(&engine.name)
        .join(number.to_string());
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let accept = "accept = \"digest\"\nreason = \"benchmark\"\nuntil = 2099-01-01\n";
    fs::write(folder.join("Dockerfile"), format!("FROM {base}\n{steps}"))?;
    fs::write(folder.join("package.json"), NPM)?;
    fs::write(folder.join(".dockerignore"), "verified-store\n")?;
    fs::write(
        folder.join("verified.toml"),
        format!(
            "version = 1\n[[image]]\nmatch = \"{base}\"\n{accept}[[http]]\nmatch = \"http://**\"\n{accept}\
             [[http]]\nmatch = \"https://**\"\n{accept}"
        ),
    )?;
    Ok(folder)
}

/// Builds without the cache of steps, and without an export, which is the same for both.
fn build(engine: &Engine, folder: &Path, words: &[&str]) -> Result<Duration> {
    let mut command = engine.command("docker");
    command
        .args([
            "buildx",
            "build",
            "--no-cache",
            "--output",
            "type=cacheonly",
        ])
        .args(words)
        .arg(".");
    let start = Instant::now();
    process::run(command.current_dir(folder), &[], LIMIT)?.success()?;
    Ok(start.elapsed())
}
