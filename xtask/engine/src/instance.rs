//! Starting, finding and ending the engines of suites.

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
use sha2::{Digest, Sha256};

use crate::{Engine, Lifetime, Result, Suite, engine::ENTER, network, root};

const START_LIMIT: Duration = Duration::from_secs(120);
const BUSY_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(15);
const REGISTRY_PORT: u16 = 5000;
/// What must be free on the disk, in bytes: a root is 1 GB, the tests build 1 GB with each engine.
const ROOM: u64 = 3 << 30;

/// A running engine of a suite.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Instance {
    /// What it runs.
    pub(crate) suite: Suite,
    /// The address of its bridge: the machine, as seen by the daemon, by build steps and by the machine itself.
    pub(crate) address: Ipv4Addr,
    /// Its registry, `host:port` at the bridge's address, plain HTTP. The daemon takes any port there as insecure.
    pub(crate) registry: String,
    /// The same registry on loopback, which build steps do not reach.
    pub(crate) loopback_registry: String,
    /// The root file system that it runs from.
    pub(crate) root: PathBuf,
    /// Its data, at the same path inside; removed when it is brought down.
    pub(crate) state: PathBuf,
    /// Its first process, and when that was started in clock ticks since boot.
    process: (u32, u64),
    /// The storage of its registry, if that is another engine's, which it reaches nothing besides.
    #[serde(default)]
    storage: Option<PathBuf>,
}

/// The folder of all roots and engines: `$VERIFIED_ENGINE_DIR`, or in the user's or the machine's cache.
pub(crate) fn cache() -> PathBuf {
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

/// Refuses to start on a disk that would run full, which would make everything fail for no reason that could be seen.
fn room(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let about = rustix::fs::statvfs(folder)?;
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    if free >= ROOM {
        return Ok(());
    }
    Err(format!(
        "{} has {} MB free, and an engine with its images and layers takes up to {} MB: make room, or set \
         VERIFIED_ENGINE_DIR to a folder on another disk",
        folder.display(),
        free >> 20,
        ROOM >> 20
    )
    .into())
}

impl Instance {
    /// Brings the engine of `suite` up, or finds it running. Leftovers of one that died are cleared away.
    ///
    /// # Errors
    /// If this is not root on Debian, the archive cannot be reached, or the daemon does not start.
    pub(crate) fn up(suite: Suite, lifetime: Lifetime) -> Result<Self> {
        let _lock = lock(suite)?;
        if let Some(engine) = Self::find(suite) {
            return Ok(engine);
        }
        room(&cache())?;
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
    pub(crate) fn down(suite: Suite) -> Result<()> {
        let _lock = lock(suite)?;
        Self::stop(suite)
    }

    /// The running engine of `suite`.
    #[must_use]
    pub(crate) fn find(suite: Suite) -> Option<Self> {
        let text = fs::read(state(suite).join("engine.json")).ok()?;
        let engine: Self = serde_json::from_slice(&text).ok()?;
        let (id, start) = engine.process;
        // On a busy machine one that runs may be slow to answer; to take it for a dead one would end it.
        let end = Instant::now() + BUSY_LIMIT;
        while start_time(id) == Some(start) {
            if engine.answers() {
                return Some(engine);
            }
            if Instant::now() > end {
                break;
            }
            thread::sleep(Duration::from_millis(200));
        }
        None
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
            storage: None,
        };
        engine.configure()?;
        // What must be removed should this fail from here on.
        fs::write(engine.state.join("address"), address.to_string())?;
        network::create(&engine.root, &label(suite), address)?;
        if let Err(error) = network::open(&engine.root, &label(suite), address) {
            eprintln!("{suite}: build steps reach this machine only: {error}");
        }
        engine.run(lifetime)?;
        Ok(engine)
    }

    /// Starts an engine with the same registry that reaches nothing else: its network has only the loopback interface. It lives as
    /// long as this process.
    ///
    /// # Errors
    /// If the daemon does not start.
    pub(crate) fn cut_off(&self) -> Result<Self> {
        let suite = self.suite;
        let _lock = lock(suite)?;
        let prefix = format!("run-{suite}-cut-");
        for entry in fs::read_dir(cache())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.strip_prefix(&prefix).map(str::parse::<u32>);
            // What one left that was ended.
            if let Some(Ok(owner)) = owner
                && !Path::new("/proc").join(owner.to_string()).exists()
            {
                discard(&entry.path(), &self.root)?;
            }
        }
        let mut engine = Self {
            state: cache().join(format!("{prefix}{}", std::process::id())),
            storage: Some(self.state.join("registry")),
            process: (0, 0),
            ..self.clone()
        };
        fs::create_dir_all(&engine.state)?;
        engine.configure()?;
        engine.run(Lifetime::Process)?;
        Ok(engine)
    }

    /// Ends an engine that [`Self::cut_off`] started, and removes its data.
    pub(crate) fn end(&self) -> Result<()> {
        stop(self.suite, &self.state)?;
        discard(&self.state, &self.root)
    }

    /// Starts the first process and waits until the engine answers.
    fn run(&mut self, lifetime: Lifetime) -> Result<()> {
        let engine = self;
        let suite = engine.suite;
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
            serde_json::to_vec_pretty(&*engine)?,
        )?;
        // Waiting for a child closes its standard input, which must stay open until this process ends.
        let stdin = child.stdin.take();
        thread::spawn(move || (child.wait(), stdin));
        Ok(())
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
            "bridge": if self.storage.is_some() { "none".to_owned() } else { label(self.suite) },
            "iptables": false,
            "ip6tables": false,
            "insecure-registries": [format!("{}/24", network_of(self.address))],
            "cgroup-parent": format!("/{}", label_of(&self.state)),
            "features": { "containerd-snapshotter": self.suite.containerd_store() },
        });
        file("daemon.json", daemon.to_string())?;
        let storage = self.storage.clone().unwrap_or_else(|| path("registry"));
        for (name, address) in [
            ("bridge", &self.registry),
            ("loopback", &self.loopback_registry),
        ] {
            // JSON is YAML too. Both serve the same storage, so they may not cache what is in it.
            let registry = serde_json::json!({
                "version": 0.1,
                "log": { "level": "warn", "accesslog": { "disabled": true } },
                "storage": {
                    "filesystem": { "rootdirectory": storage },
                    "delete": { "enabled": true },
                },
                "http": { "addr": address, "secret": "both registries share their storage" },
            });
            file(&format!("registry-{name}.yml"), registry.to_string())?;
        }
        let exports: String = Engine::from(self.clone())
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
        command.args(["unshare", "--mount", "--pid", "--fork", "--kill-child"]);
        if let Some(storage) = &self.storage {
            command
                .arg("--net")
                .env("STORAGE", storage)
                .env("ADDRESS", self.address.to_string());
        }
        command
            .args(["sh", "-c", include_str!("init.sh")])
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
        let docker = docker
            .is_ok_and(|stream| stream.set_read_timeout(limit).is_ok() && is_ok(stream, "/_ping"));
        // Those in a network of its own cannot be asked from here.
        docker
            && (self.storage.is_some()
                || [&self.registry, &self.loopback_registry]
                    .into_iter()
                    .all(|registry| {
                        TcpStream::connect(registry.as_str()).is_ok_and(|stream| {
                            stream.set_read_timeout(limit).is_ok() && is_ok(stream, "/v2/")
                        })
                    }))
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
    stop(suite, &state)?;
    let address = fs::read_to_string(state.join("address"))
        .ok()
        .and_then(|text| text.parse().ok());
    network::remove(root, &label(suite), address);
    remove_cgroups(&state);
    if state.exists() {
        fs::remove_dir_all(&state)?;
    }
    fs::create_dir_all(&state)?;
    Ok(())
}

/// Removes what is left of an engine that has ended.
fn discard(state: &Path, root: &Path) -> Result<()> {
    remove_cgroups(state);
    if state.exists() {
        fs::remove_dir_all(state)?;
    }
    // Where it was mounted.
    let place = root.join(state.strip_prefix("/").unwrap_or(state));
    if place.exists() {
        fs::remove_dir(place)?;
    }
    Ok(())
}

/// Ends the engine whose data are in `state`.
fn stop(suite: Suite, state: &Path) -> Result<()> {
    if let Some(id) = read_pid(state).filter(|&id| is_ours(id, state)) {
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
    Ok(())
}

fn remove_cgroups(state: &Path) {
    if let Ok(controllers) = fs::read_dir("/sys/fs/cgroup") {
        let own = &label_of(state);
        remove_cgroup(&Path::new("/sys/fs/cgroup").join(own));
        controllers
            .flatten()
            .for_each(|controller| remove_cgroup(&controller.path().join(own)));
    }
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

/// What an engine's bridge and control group are called: different for each suite and place of its data, and at most the
/// 15 bytes that an interface's name has.
fn label(suite: Suite) -> String {
    label_of(&state(suite))
}

fn label_of(state: &Path) -> String {
    let hash = Sha256::digest(state.as_os_str().as_encoded_bytes());
    hash.iter().take(4).fold("vdf-".to_owned(), |label, byte| {
        format!("{label}{byte:02x}")
    })
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
