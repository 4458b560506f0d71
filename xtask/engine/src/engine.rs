//! An engine and the programs that go with it.

use std::{net::IpAddr, path::PathBuf, process::Command, time::Duration};

use crate::{Result, Suite, existing, image::Tar, instance::Instance, process};

/// Puts a suite's programs over the machine's own, for one process and its children: files keep their paths.
pub(crate) const ENTER: &str = r#"mount --bind "$0/usr" /usr && exec "$@""#;
const ASK_LIMIT: Duration = Duration::from_secs(120);

/// How long an engine lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until [`Engine::down`].
    Detached,
    /// Until [`Engine::down`] or the end of the process that started it, however that ends.
    Process,
}

/// A Docker engine, with a registry and the programs to use them.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The suite's name, or `existing`.
    pub name: String,
    /// This machine, as seen by the daemon, by build steps and by the machine itself.
    pub address: IpAddr,
    /// A registry, `host:port`, plain HTTP, that all of them reach. The daemon takes any port at `address` as insecure.
    pub registry: String,
    instance: Option<Instance>,
}

impl From<Instance> for Engine {
    fn from(instance: Instance) -> Self {
        Self {
            name: instance.suite.to_string(),
            address: instance.address.into(),
            registry: instance.registry.clone(),
            instance: Some(instance),
        }
    }
}

impl Engine {
    /// Brings the engine of `suite` up, or finds it running. Leftovers of one that died are cleared away.
    ///
    /// # Errors
    /// If this is not root on Debian, the archive cannot be reached, or the daemon does not start.
    pub fn up(suite: Suite, lifetime: Lifetime) -> Result<Self> {
        Instance::up(suite, lifetime).map(Self::from)
    }

    /// Ends the engine of `suite` and removes its data; the root is kept.
    ///
    /// # Errors
    /// If it does not end.
    pub fn down(suite: Suite) -> Result<()> {
        Instance::down(suite)
    }

    /// The running engine of `suite`.
    #[must_use]
    pub fn find(suite: Suite) -> Option<Self> {
        Instance::find(suite).map(Self::from)
    }

    /// An engine of the same kind with the same registry that reaches nothing else, not even this machine: its network has only the
    /// loopback interface. It lives until [`Engine::end`] or the end of this process. `None` of a machine's own engine.
    ///
    /// # Errors
    /// If the daemon does not start.
    pub fn cut_off(&self) -> Result<Option<Self>> {
        let instance = self.instance.as_ref();
        let cut = instance.map(Instance::cut_off).transpose()?;
        Ok(cut.map(Self::from))
    }

    /// Ends an engine that [`Engine::cut_off`] gave, and removes its data.
    ///
    /// # Errors
    /// If it does not end.
    pub fn end(&self) -> Result<()> {
        self.instance.as_ref().map_or(Ok(()), Instance::end)
    }

    /// The engine of the `docker` in `PATH` that the environment describes, as `cargo xtask engine env` prints it: by
    /// `VERIFIED_ENGINE_REGISTRY` and `VERIFIED_ENGINE_ADDRESS`. Also wanted in `PATH`: `cosign`, `git` and a statically linked
    /// `busybox`. `None` without those variables.
    ///
    /// # Errors
    /// If the daemon or a program is missing, or the address is none.
    pub fn described() -> Result<Option<Self>> {
        existing::described()
    }

    /// The engine of the `docker` in `PATH` without further description, where its daemon takes a registry of the tests' own.
    /// `None` without `docker buildx`. [`Engine::clear`] removes that registry.
    ///
    /// # Errors
    /// If the daemon or a program is missing, or the daemon is not set up for such a registry.
    pub fn detected() -> Result<Option<Self>> {
        existing::detected()
    }

    /// Removes what [`Engine::detected`] started in this process.
    ///
    /// # Errors
    /// If the daemon does not do it.
    pub fn clear() -> Result<()> {
        existing::clear()
    }

    pub(crate) fn of_the_machine(address: IpAddr, registry: String) -> Self {
        Self {
            name: "existing".to_owned(),
            address,
            registry,
            instance: None,
        }
    }

    /// A command that runs a program against this engine: `docker`, `cosign`, `git` and so on.
    ///
    /// It has the machine's files at their own paths; with a suite, only `/usr` is the suite's.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let Some(instance) = &self.instance else {
            return Command::new(program);
        };
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", ENTER]);
        command
            .arg(&instance.root)
            .arg(program)
            .envs(self.variables());
        command
    }

    /// The environment in which programs find this engine.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("VERIFIED_ENGINE_ADDRESS", self.address.to_string()),
            ("VERIFIED_ENGINE_REGISTRY", self.registry.clone()),
        ];
        if let Some(instance) = &self.instance {
            let path = |name| instance.state.join(name).to_string_lossy().into_owned();
            variables.push(("DOCKER_HOST", format!("unix://{}", path("docker.sock"))));
            variables.push(("DOCKER_CONFIG", path("config")));
            variables.push((
                "VERIFIED_ENGINE_LOOPBACK_REGISTRY",
                instance.loopback_registry.clone(),
            ));
        }
        variables
    }

    /// A folder with the suite's programs by name, to be put first into `PATH`.
    #[must_use]
    pub fn programs(&self) -> Option<PathBuf> {
        self.instance
            .as_ref()
            .map(|instance| instance.state.join("bin"))
    }

    /// The files of a small system: BusyBox, statically linked, with a link for each of its programs.
    ///
    /// # Errors
    /// If there is none.
    pub fn busybox(&self) -> Result<Tar> {
        // By itself: what is called so in `PATH` may be a script that starts it.
        let mut read = self.command("busybox");
        read.args(["cat", "/proc/self/exe"]);
        let program = process::run_bytes(&mut read, &[], ASK_LIMIT)?;
        let list = self.ask("busybox", &["--list"])?;
        let tar = ["bin", "etc", "tmp"]
            .into_iter()
            .fold(Tar::new(), Tar::folder);
        let tar = tar.file("bin/busybox", 0o755, &program);
        let names = list.lines().filter(|name| *name != "busybox");
        Ok(names.fold(tar, |tar, name| tar.link(&format!("bin/{name}"), "busybox")))
    }

    /// Whether images are in containerd: only then several platforms and attestations can be exported.
    ///
    /// # Errors
    /// If the daemon does not answer.
    pub fn has_attestations(&self) -> Result<bool> {
        let status = self.ask("docker", &["info", "--format", "{{json .DriverStatus}}"])?;
        Ok(status.contains("io.containerd.snapshotter"))
    }

    /// Whether the client has `--check` and `--call`; older ones had `--print`.
    ///
    /// # Errors
    /// If the client does not answer.
    pub fn has_call(&self) -> Result<bool> {
        Ok(self
            .ask("docker", &["buildx", "build", "--help"])?
            .contains("--call"))
    }

    /// The words after `cosign sign --key K` for a signature that goes nowhere but into the registry.
    ///
    /// # Errors
    /// If cosign does not answer.
    pub fn sign_words(&self) -> Result<Vec<&'static str>> {
        let mut words = vec!["--tlog-upload=false", "--allow-insecure-registry", "--yes"];
        if self.makes_bundles()? {
            words.push("--use-signing-config=false");
        }
        Ok(words)
    }

    /// Whether its cosign makes Sigstore bundles.
    ///
    /// # Errors
    /// If cosign does not answer.
    pub fn makes_bundles(&self) -> Result<bool> {
        Ok(self
            .ask("cosign", &["sign", "--help"])?
            .contains("--use-signing-config"))
    }

    /// What this engine is, in one line, with versions as its programs tell them.
    #[must_use]
    pub fn describe(&self) -> String {
        let ask = |words: &[&str]| {
            self.ask("docker", words)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let server = ask(&["version", "--format", "{{.Server.Version}}"]);
        let buildx = ask(&["buildx", "version"]);
        let buildx = buildx.split(' ').nth(1).unwrap_or("unknown");
        let store = ask(&["info", "--format", "{{.Driver}}"]);
        format!(
            "{}: Docker {server}, buildx {buildx}, images in {store}, registry {}",
            self.name, self.registry
        )
    }

    fn ask(&self, program: &str, words: &[&str]) -> Result<String> {
        Ok(
            process::run(self.command(program).args(words), &[], ASK_LIMIT)?
                .success()?
                .stdout,
        )
    }
}
