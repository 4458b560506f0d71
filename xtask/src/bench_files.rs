//! `cargo xtask bench files`: what checking a signature over a large file costs, by the binary as it is released and in the way in which a step of a
//! build runs it, beside the tools that do it and beside the fastest pass of the same hash that can be had here.
//!
//! Each time is the best of several rounds, in which all candidates take turns. The unit is the fastest of those that hash the file and do nothing else
//! or check the same signature: coreutils, OpenSSL, and with minisign libsodium.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use engine::{
    Result,
    frontend::{self, Profile},
    memory, process,
};
use verified_dockerfile::{
    digest::Digest,
    lock::Evidence,
    policy::Unchecked,
    resolve::bytes::Request,
    verify::{Proof, Written},
};

const LIMIT: Duration = Duration::from_secs(300);
/// Against the fastest pass.
const MOST: f64 = 1.15;
/// Memory of our process, in KB, whatever the file's size.
const MOST_MEMORY: u64 = 32_000;

/// Something that is timed.
struct Candidate {
    name: String,
    ours: bool,
    line: Vec<String>,
}

/// Measures with a file of `size` MiB and `runs` rounds; whether the limits are kept.
pub fn measure(binary: Option<PathBuf>, size: usize, runs: usize) -> Result<bool> {
    let program = match binary {
        Some(binary) => binary,
        None => frontend::build(&crate::workspace(), Profile::Release)?,
    };
    let folder = crate::workspace().join("target/bench-files");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let file = folder.join("file");
    noise(&file, size)?;
    println!(
        "a file of {size} MiB, best of {runs}; limit {MOST} times the fastest pass, {MOST_MEMORY} KB"
    );
    let bench = Bench {
        program,
        file: path(&file),
        folder,
        runs,
    };
    let mut kept = true;
    for (title, signature, plain) in bench.signatures()? {
        kept &= bench.compare(&title, &signature, plain)?;
    }
    fs::remove_dir_all(&bench.folder)?;
    Ok(kept)
}

/// A signature, the key that made it, and the tool's own check.
struct Signature {
    proof: Vec<u8>,
    key: Written,
    tool: Vec<String>,
}

/// Commands that hash the file that follows, and do nothing else.
type Plain = [String; 2];

struct Bench {
    program: PathBuf,
    file: String,
    folder: PathBuf,
    runs: usize,
}

impl Bench {
    fn signatures(&self) -> Result<Vec<(String, Signature, Plain)>> {
        let mut all = Vec::new();
        let at = |name: &str| path(&self.folder.join(name));
        let home = self.folder.join("gpg");
        fs::create_dir_all(&home)?;
        let gpg = |more: &[&str]| -> Vec<String> {
            let words = [
                "gpg",
                "--batch",
                "--quiet",
                "--no-tty",
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                "",
                "--trust-model",
                "always",
                "--homedir",
            ];
            let words = words.iter().map(|word| (*word).to_owned());
            words
                .chain([path(&home)])
                .chain(more.iter().map(|word| (*word).to_owned()))
                .collect()
        };
        run(&gpg(&[
            "--quick-gen-key",
            "bench@example.com",
            "ed25519",
            "sign",
            "never",
        ]))?;
        run(&gpg(&[
            "--output",
            &at("key"),
            "--export",
            "bench@example.com",
        ]))?;
        let key = Written::openpgp(&fs::read(at("key"))?, None);
        for hash in ["sha256", "sha512"] {
            let made = at(hash);
            run(&gpg(&[
                "--digest-algo",
                hash,
                "--output",
                &made,
                "--detach-sign",
                &self.file,
            ]))?;
            let signature = Signature {
                proof: fs::read(&made)?,
                key: key.clone(),
                tool: gpg(&["--verify", &made, &self.file]),
            };
            let plain = [format!("{hash}sum"), format!("openssl dgst -{hash}")];
            all.push((format!("OpenPGP, {hash}"), signature, plain));
        }
        run(&words(
            "minisign",
            &[
                "-G",
                "-W",
                "-p",
                &at("minisign.pub"),
                "-s",
                &at("minisign.key"),
            ],
        ))?;
        let made = at("minisig");
        run(&words(
            "minisign",
            &[
                "-S",
                "-s",
                &at("minisign.key"),
                "-m",
                &self.file,
                "-x",
                &made,
            ],
        ))?;
        let signature = Signature {
            proof: fs::read(&made)?,
            key: Written::Minisign {
                text: fs::read_to_string(at("minisign.pub"))?,
                legacy: false,
            },
            tool: words(
                "minisign",
                &[
                    "-V",
                    "-q",
                    "-p",
                    &at("minisign.pub"),
                    "-m",
                    &self.file,
                    "-x",
                    &made,
                ],
            ),
        };
        let plain = ["b2sum", "openssl dgst -blake2b512"].map(str::to_owned);
        all.push(("minisign, BLAKE2b".to_owned(), signature, plain));
        let _ = run(&words(
            "gpgconf",
            &["--homedir", &path(&home), "--kill", "all"],
        ));
        Ok(all)
    }

    /// Prints all times; whether ours keeps the limits.
    fn compare(&self, title: &str, signature: &Signature, plain: Plain) -> Result<bool> {
        let mut candidates: Vec<Candidate> = Vec::new();
        for name in plain {
            let mut line: Vec<String> = name.split(' ').map(str::to_owned).collect();
            line.push(self.file.clone());
            candidates.push(Candidate {
                name,
                ours: false,
                line,
            });
        }
        candidates.push(Candidate {
            name: signature.tool.first().cloned().unwrap_or_default(),
            ours: false,
            line: signature.tool.clone(),
        });
        // A file is pinned by the SHA-256 that BuildKit computes.
        let mut command = Command::new("sha256sum");
        let line = process::run(command.arg(&self.file), &[], LIMIT)?.success()?;
        let hex = line.stdout.split(' ').next().unwrap_or_default();
        let digest: Digest = format!("sha256:{hex}").parse()?;
        let mut evidence = Evidence::default();
        let proof = Proof::of_file(signature.proof.clone())?;
        evidence.insert(digest.clone(), proof);
        let item = evidence.iter().next().ok_or("no signature")?.clone();
        let checks = [Unchecked {
            item,
            key: signature.key.clone(),
        }];
        // A key that was made in this second must not lie in the future.
        let soon = SystemTime::now() + Duration::from_secs(3600);
        let request = Request::new(&digest, &checks, soon.try_into()?);
        let (asked, answer) = (self.folder.join("request"), self.folder.join("answer"));
        fs::write(&asked, request.encode()?)?;
        let step = words(
            &path(&self.program),
            &[
                "internal",
                "check-signatures",
                &self.file,
                &path(&asked),
                &path(&answer),
            ],
        );
        candidates.push(Candidate {
            name: "verified-dockerfile".to_owned(),
            ours: true,
            line: step,
        });
        let mut best = vec![Duration::MAX; candidates.len()];
        let mut peak = 0;
        for _ in 0..self.runs {
            for (candidate, best) in candidates.iter().zip(&mut best) {
                let start = Instant::now();
                if candidate.ours {
                    let program = candidate.line.join("\0");
                    let (done, memory) = memory::peak_while(&program, || run(&candidate.line));
                    done?;
                    peak = peak.max(memory);
                } else {
                    run(&candidate.line)?;
                }
                *best = (*best).min(start.elapsed());
            }
        }
        for outcome in request.answer(&fs::read(&answer)?)? {
            outcome?;
        }
        let others = candidates
            .iter()
            .zip(&best)
            .filter(|(candidate, _)| !candidate.ours);
        let unit = others.map(|(_, best)| *best).min().unwrap_or_default();
        println!("\n{title}");
        let mut kept = peak <= MOST_MEMORY;
        for (candidate, best) in candidates.iter().zip(best) {
            let ratio = best.as_secs_f64() / unit.as_secs_f64();
            kept &= !candidate.ours || ratio <= MOST;
            println!(
                "{:<24} {:>7.3} s {ratio:>6.2}",
                candidate.name,
                best.as_secs_f64()
            );
        }
        println!("most memory of verified-dockerfile: {peak} KB");
        Ok(kept)
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn words(program: &str, more: &[&str]) -> Vec<String> {
    let more = more.iter().map(|word| (*word).to_owned());
    [program.to_owned()].into_iter().chain(more).collect()
}

fn run(words: &[String]) -> Result<()> {
    let [program, arguments @ ..] = words else {
        return Err("no command".into());
    };
    let mut command = Command::new(program);
    process::run(command.args(arguments), &[], LIMIT)?.success()?;
    Ok(())
}

/// Bytes that do not compress, the same every time.
fn noise(path: &Path, size: usize) -> Result<()> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut chunk = vec![0_u8; 1 << 20];
    let mut file = File::create(path)?;
    for _ in 0..size {
        for word in chunk.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&chunk)?;
    }
    Ok(())
}
