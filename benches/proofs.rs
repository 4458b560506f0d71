//! `cargo bench --bench proofs [-- --quick]`: how fast a file's signature is checked, beside the tools that do it and beside the
//! fastest possible pass of the same hash.
//!
//! One file of 1 GiB (`--quick`: 64 MiB) in the temporary folder, read once before. Each line is the best of five rounds, in which
//! the candidates take turns. The unit is the fastest of the plain passes, which read the file and hash it and do nothing else: our own, and
//! those of the tools. Tools that are not installed are left out, and said to be.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use verified_dockerfile::{
    digest::Digest,
    verify::{Artifact, minisign, openpgp},
};

const ROUNDS: usize = 5;

/// Something that is timed; false if it failed, which ends the benchmark.
struct Candidate<'a> {
    name: String,
    /// Whether it does nothing but hash the file.
    plain: bool,
    run: Box<dyn Fn() -> bool + 'a>,
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let size: usize = if quick { 64 << 20 } else { 1 << 30 };
    let folder = std::env::temp_dir().join(format!("proofs-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("the temporary folder can be written");
    let file = folder.join("file");
    write_noise(&file, size);
    println!("{} MiB, best of {ROUNDS}", size >> 20);
    openpgp(&folder, &file);
    minisign(&folder, &file);
    let _ = fs::remove_dir_all(&folder);
    if let Some(peak) = peak_memory() {
        println!("most memory of this process, generating the file included: {peak}");
    }
}

/// Bytes that do not compress, the same every time.
fn write_noise(path: &Path, size: usize) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut chunk = vec![0_u8; 1 << 20];
    let mut file = File::create(path).expect("the temporary folder can be written");
    for _ in 0..size >> 20 {
        for word in chunk.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&chunk).expect("the disk has room");
    }
}

/// Reads the file and hashes it.
fn plain<H: sha2::Digest>(path: &Path) -> String {
    let mut file = File::open(path).expect("the file is there");
    let mut buffer = vec![0; 256 << 10];
    let mut hasher = H::new();
    loop {
        match file.read(&mut buffer).expect("the file can be read") {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    let hash = hasher.finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn openpgp(folder: &Path, file: &Path) {
    let home = folder.join("gpg");
    let gpg = |arguments: &[&str]| {
        let mut command = Command::new("gpg");
        command
            .args([
                "--batch",
                "--quiet",
                "--no-tty",
                "--pinentry-mode",
                "loopback",
            ])
            .args(["--passphrase", "", "--trust-model", "always", "--homedir"])
            .arg(&home)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    fs::create_dir_all(&home).expect("the temporary folder can be written");
    let text = |path: &Path| path.to_str().expect("a path of text").to_owned();
    let (key, name) = (text(&folder.join("key")), text(file));
    let made = gpg(&[
        "--quick-gen-key",
        "bench@example.com",
        "ed25519",
        "sign",
        "never",
    ]) && gpg(&["--output", &key, "--export", "bench@example.com"]);
    if !made {
        println!("OpenPGP: left out, there is no gpg that makes keys");
        return;
    }
    let parsed = openpgp::Key::parse(&fs::read(&key).expect("the key was made"), None)
        .expect("the key is good");
    let digests = digests(file);
    let content: PathBuf = file.to_owned();
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    for algorithm in ["SHA256", "SHA512"] {
        let signature = text(&folder.join(algorithm));
        let signed = gpg(&[
            "--digest-algo",
            algorithm,
            "--output",
            &signature,
            "--detach-sign",
            &name,
        ]);
        assert!(signed, "gpg signs");
        let proof = fs::read(&signature).expect("the signature was made");
        let unit: Box<dyn Fn() -> bool> = match algorithm {
            "SHA256" => Box::new(|| !plain::<sha2::Sha256>(file).is_empty()),
            _ => Box::new(|| !plain::<sha2::Sha512>(file).is_empty()),
        };
        let mut candidates = vec![Candidate {
            name: "our own plain pass".to_owned(),
            plain: true,
            run: unit,
        }];
        let lower = algorithm.to_lowercase();
        candidates.push(plain_tool(&format!("{lower}sum"), &[&name]));
        candidates.push(plain_tool(
            "openssl",
            &["dgst", &format!("-{lower}"), &name],
        ));
        candidates.extend(ours(&digests, &content, |artifact| {
            openpgp::verify(artifact, &proof, &parsed, at).is_ok()
        }));
        candidates.push(Candidate {
            name: "gpg --verify".to_owned(),
            plain: false,
            run: Box::new(|| gpg(&["--verify", &signature, &name])),
        });
        println!("\nOpenPGP, detached, {algorithm}");
        compare(&candidates);
    }
    let _ = Command::new("gpgconf")
        .arg("--homedir")
        .arg(&home)
        .args(["--kill", "all"])
        .status();
}

fn minisign(folder: &Path, file: &Path) {
    let text = |path: &Path| path.to_str().expect("a path of text").to_owned();
    let (name, public) = (text(file), text(&folder.join("minisign.pub")));
    let secret = text(&folder.join("minisign.key"));
    let run = |arguments: &[&str]| (tool("minisign", arguments).run)();
    let made = run(&["-G", "-W", "-p", &public, "-s", &secret]);
    println!("\nminisign, BLAKE2b-512");
    if !made {
        println!("left out, there is no minisign");
        return;
    }
    let key = fs::read_to_string(&public).expect("the key was made");
    let key = minisign::Key::parse(&key).expect("the key is good");
    let digests = digests(file);
    let content: PathBuf = file.to_owned();
    let at = jiff::Timestamp::now();
    let signature = text(&folder.join("minisig"));
    assert!(run(&["-S", "-s", &secret, "-m", &name, "-x", &signature]));
    let proof = fs::read(&signature).expect("the signature was made");
    let mut candidates = vec![Candidate {
        name: "our own plain pass".to_owned(),
        plain: true,
        run: Box::new(|| !plain::<blake2::Blake2b512>(file).is_empty()),
    }];
    candidates.push(plain_tool("b2sum", &[&name]));
    candidates.push(plain_tool("openssl", &["dgst", "-blake2b512", &name]));
    candidates.extend(ours(&digests, &content, |artifact| {
        minisign::verify(artifact, &proof, &key, at).is_ok()
    }));
    candidates.push(tool(
        "minisign",
        &["-V", "-q", "-p", &public, "-m", &name, "-x", &signature],
    ));
    compare(&candidates);
}

/// The digests that a build may pin the file by.
fn digests(file: &Path) -> Vec<Digest> {
    let texts = [
        format!("sha256:{}", plain::<sha2::Sha256>(file)),
        format!("sha512:{}", plain::<sha2::Sha512>(file)),
    ];
    let texts = texts.iter();
    texts.map(|text| text.parse().expect("a digest")).collect()
}

/// `verify`, of the file as pinned by each of `digests`.
fn ours<'a>(
    digests: &'a [Digest],
    content: &'a PathBuf,
    verify: impl Fn(&Artifact<'_>) -> bool + Copy + 'a,
) -> impl Iterator<Item = Candidate<'a>> {
    digests.iter().map(move |digest| Candidate {
        name: format!("ours, file pinned by {}", digest.algorithm().name()),
        plain: false,
        run: Box::new(move || {
            verify(&Artifact::File {
                digest,
                content: Some(content),
            })
        }),
    })
}

/// A command that only hashes the file.
fn plain_tool<'a>(name: &str, arguments: &[&str]) -> Candidate<'a> {
    Candidate {
        plain: true,
        ..tool(name, arguments)
    }
}

/// A command that is timed as a whole.
fn tool<'a>(name: &str, arguments: &[&str]) -> Candidate<'a> {
    let (program, arguments): (String, Vec<String>) = (
        name.to_owned(),
        arguments.iter().map(|text| (*text).to_owned()).collect(),
    );
    Candidate {
        name: name.to_owned(),
        plain: false,
        run: Box::new(move || {
            Command::new(&program)
                .args(&arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        }),
    }
}

/// Prints each candidate's best time, and its ratio to that of the fastest plain pass.
fn compare(candidates: &[Candidate<'_>]) {
    let mut best = vec![None::<Duration>; candidates.len()];
    for _ in 0..ROUNDS {
        for (candidate, best) in candidates.iter().zip(&mut best) {
            let start = Instant::now();
            if (candidate.run)() {
                let time = start.elapsed();
                *best = Some(best.map_or(time, |known| known.min(time)));
            }
        }
    }
    let passes = candidates.iter().zip(&best);
    let passes = passes.filter_map(|(candidate, best)| best.filter(|_| candidate.plain));
    let unit = passes.min().unwrap_or(Duration::MAX);
    for (candidate, best) in candidates.iter().zip(best) {
        match best {
            Some(time) => println!(
                "{:<32} {:>7.3} s  {:>5.2}",
                candidate.name,
                time.as_secs_f64(),
                time.as_secs_f64() / unit.as_secs_f64()
            ),
            None => println!("{:<32} not there, or it failed", candidate.name),
        }
    }
}

/// The most memory that this process ever had, as Linux tells it.
fn peak_memory() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().to_owned())
}
