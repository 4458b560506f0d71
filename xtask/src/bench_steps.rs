//! What recording and replaying a RUN step that downloads costs in a build: `docker buildx build` with the network, the same recorded
//! by the command, and the same from the recording.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use engine::{
    Engine, Lifetime, Result, Suite, frontend,
    image::{Image, Tar},
    process,
    registry::Registry,
};
use serde_json::json;

use crate::bench_web::{Web, What};

const LIMIT: Duration = Duration::from_secs(600);
/// How much longer than the plain build recording may take, and replaying.
const MOST: [f64; 2] = [1.25, 1.0];
/// The repository of the images.
const ORGANISATION: &str = "bench";
/// Where the lists of authorities of an image lie.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// Measures with `program` on the engine of `suite`; whether all limits are kept. `runs`: how often each, in turn; the fastest counts.
pub fn measure(suite: Suite, program: &Path, runs: usize) -> Result<bool> {
    let was_up = Engine::find(suite).is_some();
    let engine = Engine::up(suite, Lifetime::Process)?;
    println!("{}", engine.describe());
    let measured = on(&engine, program, runs);
    if !was_up {
        Engine::down(suite)?;
    }
    measured
}

fn on(engine: &Engine, program: &Path, runs: usize) -> Result<bool> {
    let registry = Registry::new(&engine.registry);
    let frontend = format!("{ORGANISATION}/verified-dockerfile");
    registry.push(&frontend, "replay", &frontend::image(program, None)?)?;
    let web = Web::start(engine.address)?;
    let client = client(engine)?.file(AUTHORITIES, 0o644, web.authority.as_bytes());
    let mut kept = true;
    for (scheme, from) in [("HTTP", &web.http), ("HTTPS", &web.https)] {
        for what in [What::Small, What::Large] {
            let list = Web::list(from, what, Some("/files"));
            let base = Image::new()
                .layer(&client.clone().file("list", 0o644, list.as_bytes()))
                .with("Env", json!(["PATH=/usr/bin:/bin"]));
            let name = format!("{scheme}-{what:?}").to_lowercase();
            let repository = format!("{ORGANISATION}/client-{name}");
            registry.push(&repository, "latest", &base)?;
            let case = Case {
                engine,
                program,
                folder: crate::workspace()
                    .join("target/bench-steps")
                    .join(&engine.name)
                    .join(name),
                syntax: format!("{}/{frontend}:replay", engine.registry),
                base: format!("{}/{repository}:latest", engine.registry),
            };
            print!("{scheme}, {}, in a build: ", what.name());
            kept &= case.measure(runs)?;
            fs::remove_dir_all(&case.folder)?;
        }
    }
    println!(
        "limits: recorded {} times the plain build, replayed {} times",
        MOST[0], MOST[1]
    );
    Ok(kept)
}

/// BusyBox and this machine's curl, with the libraries that it needs.
fn client(engine: &Engine) -> Result<Tar> {
    let mut find = Command::new("sh");
    find.args([
        "-c",
        "curl=$(command -v curl) && echo \"$curl\" && ldd \"$curl\"",
    ]);
    let found = process::run(&mut find, &[], LIMIT)?.success()?.stdout;
    let made = ["etc/ssl", "etc/ssl/certs", "usr", "usr/bin", "files"];
    let mut tar = made.into_iter().fold(engine.busybox()?, Tar::folder);
    let paths = found
        .split_ascii_whitespace()
        .filter(|word| word.starts_with('/'));
    let busybox = ["bin", "etc", "tmp"];
    let mut folders: Vec<PathBuf> = made.into_iter().chain(busybox).map(PathBuf::from).collect();
    for (number, path) in paths.enumerate() {
        let content = fs::read(path)?;
        let inside = if number == 0 { "/usr/bin/curl" } else { path };
        let inside = inside.trim_start_matches('/');
        for folder in Path::new(inside)
            .ancestors()
            .skip(1)
            .collect::<Vec<_>>()
            .iter()
            .rev()
        {
            if !folder.as_os_str().is_empty() && !folders.contains(&folder.to_path_buf()) {
                folders.push(folder.to_path_buf());
                tar = tar.folder(&folder.to_string_lossy());
            }
        }
        tar = tar.file(inside, 0o755, &content);
    }
    Ok(tar)
}

/// One step.
struct Case<'a> {
    engine: &'a Engine,
    program: &'a Path,
    folder: PathBuf,
    syntax: String,
    base: String,
}

impl Case<'_> {
    fn measure(&self, runs: usize) -> Result<bool> {
        fs::create_dir_all(&self.folder)?;
        let accept = |kind: &str, pattern: &str| {
            format!(
                "[[{kind}]]\nmatch = \"{pattern}\"\naccept = \"digest\"\nreason = \"benchmark\"\nuntil = 2099-01-01\n"
            )
        };
        let rules = [
            accept("image", &self.base),
            accept("http", "http://**"),
            accept("http", "https://**"),
        ];
        let write = |name: &str, text: &str| fs::write(self.folder.join(name), text);
        write("verified.toml", &format!("version = 1\n{}", rules.concat()))?;
        write(".dockerignore", "*\n!Dockerfile*\n!verified.toml\n")?;
        let step = format!("FROM {}\nRUN curl -fsS -K /list\n", self.base);
        write("Dockerfile", &format!("# syntax={}\n{step}", self.syntax))?;
        write("plain", &step)?;
        let store = self.folder.join("store");
        let given = format!("verified-store={}", store.display());
        let mut times = [vec![], vec![], vec![]];
        // Base and frontend are there before it counts.
        self.build(&["--file", "plain"])?;
        for _ in 0..runs {
            times[0].push(self.build(&["--file", "plain"])?);
            if store.exists() {
                fs::remove_dir_all(&store)?;
            }
            times[1].push(self.record(&store)?);
            times[2].push(self.build(&["--build-context", &given])?);
        }
        let [plain, recorded, replayed] =
            times.map(|times| times.iter().min().copied().unwrap_or_default());
        let ratio = |time: Duration| time.as_secs_f64() / plain.as_secs_f64();
        let ratios = [ratio(recorded), ratio(replayed)];
        println!(
            "plain {plain:.2?}, recorded {recorded:.2?} ({:.2} times), replayed {replayed:.2?} ({:.2} times)",
            ratios[0], ratios[1]
        );
        Ok(ratios.iter().zip(MOST).all(|(ratio, most)| *ratio <= most))
    }

    fn build(&self, words: &[&str]) -> Result<Duration> {
        let mut command = self.engine.command("docker");
        command
            .args(["buildx", "build", "--progress=quiet", "--no-cache"])
            .args(words)
            .arg(".");
        self.time(&mut command)
    }

    fn record(&self, store: &Path) -> Result<Duration> {
        let mut command = Command::new(self.program);
        command.args(["record", "--all", "--store"]);
        command.arg(store).arg("Dockerfile");
        command.envs(self.engine.variables());
        if let Some(programs) = self.engine.programs() {
            let path = std::env::var("PATH").unwrap_or_default();
            command.env("PATH", format!("{}:{path}", programs.display()));
        }
        self.time(&mut command)
    }

    fn time(&self, command: &mut Command) -> Result<Duration> {
        let start = Instant::now();
        process::run(command.current_dir(&self.folder), &[], LIMIT)?.success()?;
        Ok(start.elapsed())
    }
}
