//! `cargo xtask bench lock`: resolving and verifying a repository's images, against the usual tools one image at a time.
//!
//! A registry of its own runs on loopback, without Docker. Of the images some are signed by cosign. We lock a Dockerfile that names
//! all of them; the peers do per image what a script with them does: `skopeo inspect` for the digest, `cosign verify` for the signed ones.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use engine::{
    Result, frontend,
    frontend::Profile,
    image::{Image, Tar},
    local::{self, LocalRegistry},
    process,
    registry::Registry,
};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(120);
/// Each so manieth image is signed.
const SIGNED: usize = 5;

/// Locks `images` images both ways, `runs` times; prints the times and gives how many times faster we are than skopeo and cosign one by
/// one, if they are here.
pub fn measure(images: usize, runs: usize, binary: Option<PathBuf>) -> Result<Option<f64>> {
    let binary = match binary {
        Some(binary) => fs::canonicalize(binary)?,
        None => frontend::build(&crate::workspace(), Profile::EndToEnd)?,
    };
    let folder = crate::workspace().join("target/bench-lock");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let Some(registry) = LocalRegistry::start(&folder.join("registry"))? else {
        return Err(
            "no docker-registry on this machine: install it, or `cargo xtask engine up`".into(),
        );
    };
    let host = registry.address.clone();
    let (skopeo, cosign) = (local::program("skopeo"), local::program("cosign"));
    for (name, program) in [("skopeo", &skopeo), ("cosign", &cosign)] {
        match program {
            Some(path) => println!("{name}: {}", path.display()),
            None => println!("{name}: not measured, it is not on this machine"),
        }
    }
    if let Some(cosign) = &cosign {
        let mut command = run_in(cosign, &folder);
        command.args(["generate-key-pair", "--output-key-prefix", "key"]);
        process::run(&mut command, &[], LIMIT)?.success()?;
    }
    let (mut dockerfile, mut signed) = (String::new(), 0_usize);
    for number in 0..images {
        let kind = if number % SIGNED == 0 && cosign.is_some() {
            "signed"
        } else {
            "plain"
        };
        let repository = format!("{kind}/image-{number}");
        let image = Image::new()
            .with("Env", json!([format!("NUMBER={number}")]))
            .layer(&Tar::new().file("which", 0o644, number.to_string().as_bytes()));
        let digest = Registry::new(&host).push(&repository, "1", &image)?;
        if let (Some(cosign), "signed") = (&cosign, kind) {
            signed += 1;
            let mut command = run_in(cosign, &folder);
            command.args([
                "sign",
                "--key",
                "key.key",
                "--tlog-upload=false",
                "--yes",
                "--allow-insecure-registry",
            ]);
            process::run(
                command.arg(format!("{host}/{repository}@{digest}")),
                &[],
                LIMIT,
            )?
            .success()?;
        }
        writeln!(dockerfile, "FROM {host}/{repository}:1 AS s{number}")?;
    }
    dockerfile.push_str("FROM scratch\n");
    for number in 0..images {
        writeln!(dockerfile, "COPY --from=s{number} /which /{number}")?;
    }
    fs::write(folder.join("Dockerfile"), dockerfile)?;
    let mut policy = "version = 1\n".to_owned();
    if cosign.is_some() {
        write!(
            policy,
            "[keys.ours]\ncosign = \"key.pub\"\n[[image]]\nmatch = \"{host}/signed/**\"\nsigned-by = [\"ours\"]\n"
        )?;
    }
    write!(
        policy,
        "[[image]]\nmatch = \"{host}/**\"\naccept = \"digest\"\nreason = \"benchmark\"\nuntil = 2099-01-01\n"
    )?;
    fs::write(folder.join("verified.toml"), policy)?;

    let names: Vec<String> = fs::read_to_string(folder.join("Dockerfile"))?
        .lines()
        .filter_map(|line| {
            line.strip_prefix("FROM ")?
                .split(' ')
                .next()
                .map(str::to_owned)
        })
        .filter(|name| name != "scratch")
        .collect();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let _ = fs::remove_file(folder.join("Dockerfile.lock"));
        let _ = fs::remove_file(folder.join("Dockerfile.evidence"));
        let start = Instant::now();
        process::run(run_in(&binary, &folder).arg("lock"), &[], LIMIT)?.success()?;
        ours.push(start.elapsed());
        if let Some(skopeo) = &skopeo {
            let start = Instant::now();
            for name in &names {
                let mut command = run_in(skopeo, &folder);
                command.args(["inspect", "--tls-verify=false", "--format", "{{.Digest}}"]);
                process::run(command.arg(format!("docker://{name}")), &[], LIMIT)?.success()?;
                if let Some(cosign) = cosign.as_ref().filter(|_| name.contains("/signed/")) {
                    let mut command = run_in(cosign, &folder);
                    command.args([
                        "verify",
                        "--key",
                        "key.pub",
                        "--insecure-ignore-tlog",
                        "--allow-insecure-registry",
                    ]);
                    process::run(command.arg(name), &[], LIMIT)?.success()?;
                }
            }
            theirs.push(start.elapsed());
        }
    }
    println!("{images} images, {signed} of them signed; {runs} runs, the median counts");
    let ours = median(ours);
    println!("  verified-dockerfile lock          {ours:>8.3} s");
    if theirs.is_empty() {
        return Ok(None);
    }
    let theirs = median(theirs);
    println!("  skopeo and cosign, one by one     {theirs:>8.3} s");
    Ok(Some(theirs / ours))
}

fn run_in(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env("COSIGN_PASSWORD", "");
    command
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times
        .get(times.len() / 2)
        .map_or(0.0, Duration::as_secs_f64)
}
