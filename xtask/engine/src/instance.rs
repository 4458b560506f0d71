//! Starting, finding and ending engines.

use std::{
    env, fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{Result, Suite, image::Tar, network, process, root};

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(15);
const REGISTRY_PORT: u16 = 5000;
/// Puts a suite's programs over the machine's own, for one process and its children: files keep their paths.
const ENTER: &str = r#"mount --bind "$0/usr" /usr && exec "$@""#;

/// How long an engine lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until [`Engine::down`].
    Detached,
    /// Until [`Engine::down`] or the end of the process that started it, however that ends.
    Process,
}

/// A running engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Engine {
    /// What it runs.
    pub suite: Suite,
    /// The address of its bridge: the machine, as seen by the daemon, by build steps and by the machine itself.
    pub address: Ipv4Addr,
    /// Its registry, `host:port` at the bridge's address, plain HTTP. The daemon takes any port there as insecure.
    pub registry: String,
    /// The same registry on loopback, which build steps do not reach.
    pub loopback_registry: String,
    /// The root file system that it runs from.
    pub root: PathBuf,
    /// Its data, at the same path inside; removed when it is brought down.
    pub state: PathBuf,
    /// Its first process, and when that was started in clock ticks since boot.
    process: (u32, u64),
}

/// The folder of all roots and engines: `$VERIFIED_ENGINE_DIR`, or in the user's or the machine's cache.
fn cache() -> PathBuf {
    let folder = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    folder("VERIFIED_ENGINE_DIR").unwrap_or_else(|| {
        folder("XDG_CACHE_HOME")
            .unwrap_or_else(|| "/var/cache".into())
            .join("verified-dockerfile/engine")
    })
}

fn state(suite: Suite) -> PathBuf {
    cache().join(format!("run-{suite}"))
}

/// Which suites have a running engine.
#[must_use]
pub fn status() -> Vec<(Suite, Option<Engine>)> {
    Suite::ALL
        .into_iter()
        .map(|suite| (suite, Engine::find(suite)))
        .collect()
}

impl Engine {
    /// Brings the engine of `suite` up, or finds it running. Leftovers of one that died are cleared away.
    ///
    /// # Errors
    /// If this is not root on Debian, the archive cannot be reached, or the daemon does not start.
    pub fn up(suite: Suite, lifetime: Lifetime) -> Result<Self> {
        let _lock = lock(suite)?;
        if let Some(engine) = Self::find(suite) {
            return Ok(engine);
        }
        let root = root::ensure(&cache(), suite)?;
        clear(suite, &root)?;
        Self::start(suite, root, lifetime).inspect_err(|_| {
            // The first error is the one to tell.
            let _ = Self::stop(suite);
        })
    }

    /// Ends the engine of `suite` and removes its data; the root is kept.
    ///
    /// # Errors
    /// If it does not end.
    pub fn down(suite: Suite) -> Result<()> {
        let _lock = lock(suite)?;
        Self::stop(suite)
    }

    /// The running engine of `suite`.
    #[must_use]
    pub fn find(suite: Suite) -> Option<Self> {
        let text = fs::read(state(suite).join("engine.json")).ok()?;
        let engine: Self = serde_json::from_slice(&text).ok()?;
        let (id, start) = engine.process;
        (start_time(id) == Some(start) && engine.answers()).then_some(engine)
    }

    /// A command that runs a program of the suite against this engine: `docker`, `cosign`, `git` and so on.
    ///
    /// It has the machine's files at their own paths, only `/usr` is the suite's.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", ENTER]);
        command.arg(&self.root).arg(program);
        command.envs(self.variables());
        command
    }

    /// The environment in which the suite's programs find this engine.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let path = |name| self.state.join(name).to_string_lossy().into_owned();
        vec![
            ("DOCKER_HOST", format!("unix://{}", path("docker.sock"))),
            ("DOCKER_CONFIG", path("config")),
            ("VERIFIED_ENGINE_SUITE", self.suite.to_string()),
            ("VERIFIED_ENGINE_ADDRESS", self.address.to_string()),
            ("VERIFIED_ENGINE_REGISTRY", self.registry.clone()),
            (
                "VERIFIED_ENGINE_LOOPBACK_REGISTRY",
                self.loopback_registry.clone(),
            ),
            (
                "VERIFIED_ENGINE_ROOT",
                self.root.to_string_lossy().into_owned(),
            ),
        ]
    }

    /// A folder with the suite's programs by name, to be put first into `PATH`.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.state.join("bin")
    }

    /// Runs the suite's docker client.
    ///
    /// # Errors
    /// If it does not end within `limit`. A failing exit code is no error.
    pub fn docker(&self, words: &[&str], limit: Duration) -> Result<process::Finished> {
        process::run(self.command("docker").args(words), &[], limit)
    }

    /// The files of a small system: BusyBox, statically linked, with a link for each of its programs.
    ///
    /// # Errors
    /// If the root has none.
    pub fn busybox(&self) -> Result<Tar> {
        let program = self.root.join("usr/bin/busybox");
        let list = process::run(
            Command::new(&program).arg("--list"),
            &[],
            Duration::from_secs(10),
        )?
        .success()?;
        let tar = ["bin", "etc", "tmp"]
            .into_iter()
            .fold(Tar::new(), Tar::folder);
        let tar = tar.file("bin/busybox", 0o755, &fs::read(program)?);
        let names = list.stdout.lines().filter(|name| *name != "busybox");
        Ok(names.fold(tar, |tar, name| tar.link(&format!("bin/{name}"), "busybox")))
    }

    /// Whether it can export several platforms and attestations.
    #[must_use]
    pub fn has_attestations(&self) -> bool {
        self.suite.containerd_store()
    }

    /// Whether its client has `--check` and `--call`; before buildx 0.15 there was only `--print`.
    #[must_use]
    pub fn has_check(&self) -> bool {
        self.suite != Suite::Trixie
    }

    /// What this engine is, in one line, with versions as its programs tell them.
    #[must_use]
    pub fn describe(&self) -> String {
        let limit = Duration::from_secs(20);
        let ask = |words: &[&str]| {
            let answer = self
                .docker(words, limit)
                .map(|finished| finished.stdout)
                .unwrap_or_default();
            answer.trim().to_owned()
        };
        let server = ask(&["version", "--format", "{{.Server.Version}}"]);
        let buildx = ask(&["buildx", "version"]);
        let buildx = buildx.split(' ').nth(1).unwrap_or("unknown");
        let store = if self.suite.containerd_store() {
            "containerd"
        } else {
            "graph driver"
        };
        format!(
            "{}: Docker {server}, buildx {buildx}, images in {store}, registry {} and {}",
            self.suite, self.registry, self.loopback_registry
        )
    }

    fn start(suite: Suite, root: PathBuf, lifetime: Lifetime) -> Result<Self> {
        let address = network::free_address(suite)?;
        let mut engine = Self {
            suite,
            address,
            registry: format!("{address}:{REGISTRY_PORT}"),
            loopback_registry: format!(
                "127.0.0.1:{}",
                free_port(REGISTRY_PORT + 1 + u16::from(suite.index()))?
            ),
            state: state(suite),
            root,
            process: (0, 0),
        };
        engine.configure()?;
        // What must be removed should this fail from here on.
        fs::write(engine.state.join("address"), address.to_string())?;
        network::create(&engine.root, suite, address)?;
        if let Err(error) = network::open(&engine.root, suite, address) {
            eprintln!("{suite}: build steps reach this machine only: {error}");
        }
        let mut child = engine.spawn(lifetime)?;
        let end = Instant::now() + START_LIMIT;
        while !engine.answers() {
            let ended = child.try_wait()?.is_some();
            if ended || Instant::now() > end {
                let log = fs::read_to_string(engine.state.join("log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(15).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                return Err(
                    format!("{suite}: the engine did not start:\n{}", last.join("\n")).into(),
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
        let id = read_pid(&engine.state).ok_or("the engine's process id is not there")?;
        engine.process = (
            id,
            start_time(id).ok_or("the engine ended right after it had started")?,
        );
        fs::write(
            engine.state.join("engine.json"),
            serde_json::to_vec_pretty(&engine)?,
        )?;
        // Waiting for a child closes its standard input, which must stay open until this process ends.
        let stdin = child.stdin.take();
        thread::spawn(move || (child.wait(), stdin));
        Ok(engine)
    }

    /// Writes the configuration of daemon and registries, and the programs to call.
    fn configure(&self) -> Result<()> {
        let file = |name: &str, text: String| fs::write(self.state.join(name), text);
        let path = |name: &str| self.state.join(name);
        for name in ["config", "bin", "registry"] {
            fs::create_dir_all(path(name))?;
        }
        let daemon = serde_json::json!({
            "hosts": [format!("unix://{}", path("docker.sock").display())],
            "data-root": path("docker"),
            "bridge": network::interface(self.suite),
            "iptables": false,
            "ip6tables": false,
            "insecure-registries": [format!("{}/24", network_of(self.address))],
            "cgroup-parent": cgroup(self.suite),
            "features": { "containerd-snapshotter": self.suite.containerd_store() },
        });
        file("daemon.json", daemon.to_string())?;
        for (name, address) in [
            ("bridge", &self.registry),
            ("loopback", &self.loopback_registry),
        ] {
            // JSON is YAML too. Both serve the same storage, so they may not cache what is in it.
            let registry = serde_json::json!({
                "version": 0.1,
                "log": { "level": "warn", "accesslog": { "disabled": true } },
                "storage": {
                    "filesystem": { "rootdirectory": path("registry") },
                    "delete": { "enabled": true },
                },
                "http": { "addr": address, "secret": "both registries share their storage" },
            });
            file(&format!("registry-{name}.yml"), registry.to_string())?;
        }
        let exports: String = self
            .variables()
            .into_iter()
            .map(|(name, value)| format!("export {name}='{value}'\n"))
            .collect();
        file("env", exports.clone())?;
        let script = format!(
            "#!/bin/sh\n{exports}exec unshare --mount --propagation private sh -c '{ENTER}' '{}' \"/usr/bin/${{0##*/}}\" \"$@\"\n",
            self.root.display()
        );
        for program in [
            "busybox", "cosign", "docker", "git", "gpg", "minisign", "notation", "oras",
        ] {
            if self.root.join("usr/bin").join(program).exists() {
                let script_path = path("bin").join(program);
                fs::write(&script_path, &script)?;
                fs::set_permissions(
                    &script_path,
                    std::os::unix::fs::PermissionsExt::from_mode(0o755),
                )?;
            }
        }
        Ok(())
    }

    fn spawn(&self, lifetime: Lifetime) -> Result<Child> {
        let log = fs::File::create(self.state.join("log"))?;
        let mut command = Command::new("setsid");
        command
            .args([
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                include_str!("init.sh"),
            ])
            .env("ROOT", &self.root)
            .env("STATE", &self.state)
            .env(
                "OWNED",
                if lifetime == Lifetime::Process {
                    "yes"
                } else {
                    "no"
                },
            )
            .stdin(if lifetime == Lifetime::Process {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(log.try_clone()?)
            .stderr(log);
        Ok(command
            .spawn()
            .map_err(|error| format!("cannot run setsid: {error}"))?)
    }

    /// Whether the daemon and both registries answer.
    fn answers(&self) -> bool {
        let docker = UnixStream::connect(self.state.join("docker.sock"));
        let limit = Some(Duration::from_secs(5));
        docker.is_ok_and(|stream| stream.set_read_timeout(limit).is_ok() && is_ok(stream, "/_ping"))
            && [&self.registry, &self.loopback_registry]
                .into_iter()
                .all(|registry| {
                    TcpStream::connect(registry.as_str()).is_ok_and(|stream| {
                        stream.set_read_timeout(limit).is_ok() && is_ok(stream, "/v2/")
                    })
                })
    }

    fn stop(suite: Suite) -> Result<()> {
        let state = state(suite);
        if !state.exists() {
            return Ok(());
        }
        let recorded = fs::read(state.join("engine.json")).ok();
        let root = recorded
            .and_then(|text| serde_json::from_slice::<Self>(&text).ok())
            .map(|engine| engine.root);
        let root = match root {
            Some(root) if root.is_dir() => root,
            _ => root::ensure(&cache(), suite)?,
        };
        clear(suite, &root)
    }
}

/// Ends what is left of an engine and removes all traces of it.
fn clear(suite: Suite, root: &Path) -> Result<()> {
    let state = state(suite);
    if let Some(id) = read_pid(&state).filter(|&id| is_ours(id, &state)) {
        let start = start_time(id);
        let signal = |name: &str| Command::new("kill").args([name, &id.to_string()]).status();
        signal("-TERM")?;
        let end = Instant::now() + STOP_LIMIT;
        while start_time(id) == start && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        if start_time(id) == start {
            signal("-KILL")?;
            thread::sleep(Duration::from_secs(1));
        }
        if start_time(id) == start {
            return Err(format!("{suite}: process {id} does not end").into());
        }
    }
    let address = fs::read_to_string(state.join("address"))
        .ok()
        .and_then(|text| text.parse().ok());
    network::remove(root, suite, address);
    if let Ok(controllers) = fs::read_dir("/sys/fs/cgroup") {
        let own = Path::new(cgroup(suite)).file_name().unwrap_or_default();
        remove_cgroup(&Path::new("/sys/fs/cgroup").join(own));
        controllers
            .flatten()
            .for_each(|controller| remove_cgroup(&controller.path().join(own)));
    }
    if state.exists() {
        fs::remove_dir_all(&state)?;
    }
    fs::create_dir_all(&state)?;
    Ok(())
}

/// Removes a control group and those in it; only empty ones can be.
fn remove_cgroup(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
    {
        remove_cgroup(&entry.path());
    }
    let _ = fs::remove_dir(folder);
}

fn cgroup(suite: Suite) -> &'static str {
    match suite {
        Suite::Trixie => "/verified-dockerfile-trixie",
        Suite::Forky => "/verified-dockerfile-forky",
    }
}

/// Held while an engine is started or ended, by one process at a time.
fn lock(suite: Suite) -> Result<fs::File> {
    let cache = cache();
    fs::create_dir_all(&cache)?;
    let lock = fs::File::create(cache.join(format!("{suite}.lock")))?;
    lock.lock()?;
    Ok(lock)
}

fn read_pid(state: &Path) -> Option<u32> {
    fs::read_to_string(state.join("pid"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Whether process `id` was started with `state` as its data: its number may be another's by now.
fn is_ours(id: u32, state: &Path) -> bool {
    let wanted = [b"STATE=", state.as_os_str().as_encoded_bytes()].concat();
    fs::read(format!("/proc/{id}/environ"))
        .is_ok_and(|text| text.split(|&byte| byte == 0).any(|entry| entry == wanted))
}

/// When process `id` was started, in clock ticks since boot; `None` if it is not there or has ended.
fn start_time(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before the last parenthesis can hold anything. See proc_pid_stat(5).
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let is_dead = matches!(fields.next()?, "Z" | "X");
    fields.nth(18)?.parse().ok().filter(|_| !is_dead)
}

fn network_of(address: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(address) & 0xffff_ff00)
}

fn free_port(wanted: u16) -> Result<u16> {
    let bind = |port| TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    Ok(bind(wanted).or_else(|_| bind(0))?.local_addr()?.port())
}

/// Whether an HTTP server answers `path` with 200.
fn is_ok(mut stream: impl Read + Write, path: &str) -> bool {
    let mut answer = [0; 12];
    write!(stream, "GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer.ends_with(b" 200")
}
