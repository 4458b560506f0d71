//! What the launcher of RUN steps costs by itself: the same downloads by plain curl from this machine, while they are recorded, and
//! from the recording. What recording and replaying cost in builds is in `bench_steps`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use engine::{Result, memory, process};

use crate::bench_web::{Web, What, address};

const LIMIT: Duration = Duration::from_secs(300);
/// How much longer than plain curl a replayed step may take.
const MOST: f64 = 1.1;
/// The most memory of a launcher, in KiB: what many small files take, and a few buffers.
const MOST_MEMORY: u64 = 40_000;
/// Where this machine has the public authorities.
const PUBLIC: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Any key will do.
const STEP: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Measures; whether all limits are kept. `runs`: how often each, in turn; the fastest counts, because the machine has other work.
pub fn measure(program: &Path, runs: usize) -> Result<bool> {
    let folder = crate::workspace().join("target/bench-replay");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let web = Web::start(address()?)?;
    // As machines have it: with all the public ones, which curl reads each time it starts.
    let public = fs::read_to_string(PUBLIC).unwrap_or_default();
    let authority = folder.join("authority.pem");
    fs::write(&authority, public + &web.authority)?;
    let mut kept = true;
    for (scheme, from) in [("HTTP", &web.http), ("HTTPS", &web.https)] {
        for what in [What::Small, What::Large] {
            let list = folder.join("list");
            fs::write(&list, Web::list(from, what, None))?;
            let case = Case {
                program,
                authority: &authority,
                folder: &folder,
                curl: ["curl", "-fsS", "-K", &list.to_string_lossy()].map(str::to_owned),
            };
            print!("{scheme}, {}: ", what.name());
            kept &= case.measure(runs)?;
        }
    }
    fs::remove_dir_all(&folder)?;
    println!("limits: replayed {MOST} times curl, memory {MOST_MEMORY} KB");
    Ok(kept)
}

/// One list of downloads.
struct Case<'a> {
    program: &'a Path,
    authority: &'a Path,
    folder: &'a Path,
    curl: [String; 4],
}

impl Case<'_> {
    fn measure(&self, runs: usize) -> Result<bool> {
        let (records, made) = (self.folder.join("records"), self.folder.join("made"));
        let settings = self.folder.join("settings");
        let record = self.launcher("record", &[&records, Path::new(STEP), &settings]);
        let replay = self.launcher("replay", &[&made, &settings]);
        let mut times = [vec![], vec![], vec![]];
        let mut peaks = [0, 0];
        for _ in 0..runs {
            times[0].push(self.time(&self.curl)?);
            for folder in [&records, &made] {
                if folder.exists() {
                    fs::remove_dir_all(folder)?;
                }
            }
            let (taken, memory) = memory::peak_while(&record.join("\0"), || self.time(&record));
            times[1].push(taken?);
            peaks[0] = peaks[0].max(memory);
            import(self.program, &records, &made)?;
            let (taken, memory) = memory::peak_while(&replay.join("\0"), || self.time(&replay));
            times[2].push(taken?);
            peaks[1] = peaks[1].max(memory);
        }
        let [plain, recorded, replayed] =
            times.map(|times| times.iter().min().copied().unwrap_or_default());
        let ratio = |time: Duration| time.as_secs_f64() / plain.as_secs_f64();
        println!(
            "curl {plain:.3?}, replayed {replayed:.3?} ({:.2} times), recorded {recorded:.3?} ({:.2} times); \
             most memory of the launcher {} KB replaying, {} KB recording",
            ratio(replayed),
            ratio(recorded),
            peaks[1],
            peaks[0],
        );
        Ok(ratio(replayed) <= MOST && peaks.iter().all(|peak| (1..=MOST_MEMORY).contains(peak)))
    }

    /// The words that start curl under the launcher.
    fn launcher(&self, mode: &str, words: &[&Path]) -> Vec<String> {
        let mut all = vec![self.program.display().to_string()];
        all.extend(["internal".to_owned(), mode.to_owned()]);
        all.extend(words.iter().map(|word| word.display().to_string()));
        all.extend(self.curl.clone());
        all
    }

    fn time(&self, words: &[String]) -> Result<Duration> {
        let [program, arguments @ ..] = words else {
            return Err("no command".into());
        };
        let start = Instant::now();
        let mut command = Command::new(program);
        command.args(arguments);
        // The second is of curl alone, and goes before the first where the machine has it.
        for name in ["SSL_CERT_FILE", "CURL_CA_BUNDLE"] {
            command.env(name, self.authority);
        }
        process::run(&mut command, &[], LIMIT)?.success()?;
        Ok(start.elapsed())
    }
}

/// The program to measure, as it is released.
pub fn program(binary: Option<PathBuf>) -> Result<PathBuf> {
    match binary {
        Some(binary) => Ok(fs::canonicalize(binary)?),
        None => engine::frontend::build(&crate::workspace(), engine::frontend::Profile::Release),
    }
}

/// Makes the folder that a step is given of what was recorded, as a build does once for all of its runs.
fn import(program: &Path, records: &Path, made: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(made);
    fs::create_dir(made)?;
    let step = fs::read_dir(records.join("steps"))?
        .next()
        .ok_or("nothing was recorded")??
        .path();
    let mut command = Command::new(program);
    command.args(["internal", "replay-store"]);
    command.arg(step).arg(records).arg(made);
    process::run(&mut command, &[], LIMIT)?.success()?;
    Ok(())
}
