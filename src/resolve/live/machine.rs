//! How the machine is set up to reach registries: Docker's and BuildKit's own files.
//!
//! | what | where |
//! | --- | --- |
//! | logins | `config.json` in `DOCKER_CONFIG`, or `~/.docker` (`auths`, `credHelpers`, `credsStore`) |
//! | mirrors, insecure registries | `daemon.json` (`registry-mirrors`, `insecure-registries`); `buildkitd.toml` (`[registry."HOST"]`: `mirrors`, `http`, `insecure`) |
//! | authorities | the file of `SSL_CERT_FILE`, else the system's, else those built in; `/etc/docker/certs.d/HOST/*.crt`, `ca` in `buildkitd.toml` |
//! | proxies | `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` |
//!
//! Source: Docker's `daemon.json` reference and `docs/buildkitd.toml.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;

use super::QUESTION;
use crate::{
    bounded,
    resolve::registry::{Limits, Options, Repository, auth::Credentials},
};

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 8 << 20;
/// Where systems keep the authorities that they trust.
const SYSTEM_ROOTS: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Where the files are.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// `config.json`.
    pub docker: Option<PathBuf>,
    /// `daemon.json` files.
    pub daemon: Vec<PathBuf>,
    /// `buildkitd.toml` files.
    pub buildkit: Vec<PathBuf>,
    /// `certs.d` folders.
    pub certificates: Vec<PathBuf>,
    /// A PEM bundle that must be there.
    pub roots: Option<PathBuf>,
    /// PEM bundles of which the first that is there counts.
    pub system_roots: Vec<PathBuf>,
}

impl Places {
    /// Those that `environment` names, and the usual ones.
    #[must_use]
    pub fn of(environment: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| {
            environment(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let home = path("HOME");
        let own =
            path("XDG_CONFIG_HOME").or_else(|| home.as_ref().map(|home| home.join(".config")));
        let both = |system: &str, below: &str| {
            let mut all = vec![PathBuf::from(system)];
            all.extend(own.as_ref().map(|own| own.join(below)));
            all
        };
        let docker = path("DOCKER_CONFIG").or_else(|| home.map(|home| home.join(".docker")));
        Self {
            docker: docker.map(|folder| folder.join("config.json")),
            daemon: both("/etc/docker/daemon.json", "docker/daemon.json"),
            buildkit: both("/etc/buildkit/buildkitd.toml", "buildkit/buildkitd.toml"),
            certificates: both("/etc/docker/certs.d", "docker/certs.d"),
            roots: path("SSL_CERT_FILE"),
            system_roots: SYSTEM_ROOTS.map(PathBuf::from).to_vec(),
        }
    }
}

/// What the files say.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    credentials: Credentials,
    /// By the domain of references: host and prefix of each mirror.
    mirrors: BTreeMap<String, Vec<(String, String)>>,
    insecure: BTreeSet<String>,
    roots: Option<Vec<u8>>,
    host_roots: BTreeMap<String, Vec<u8>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Daemon {
    registry_mirrors: Vec<String>,
    insecure_registries: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BuildKit {
    registry: BTreeMap<String, Registry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Registry {
    mirrors: Vec<String>,
    http: bool,
    insecure: bool,
    ca: Vec<PathBuf>,
}

impl Machine {
    /// Reads what is at `places`. A file that is not there says nothing.
    ///
    /// # Errors
    /// A sentence that names the file: it cannot be read, or is not of its form. It shows nothing of a file with logins.
    pub fn read(places: &Places) -> Result<Self, String> {
        let mut machine = Self::default();
        if let Some(path) = &places.docker
            && let Some(bytes) = read(path)?
        {
            machine.credentials = Credentials::from_docker_config(&bytes)
                .map_err(|error| format!("{}: {}", path.display(), error.cause))?
                .with_helpers();
        }
        for path in &places.daemon {
            if let Some(bytes) = read(path)? {
                let daemon: Daemon = serde_json::from_slice(&bytes)
                    .map_err(|error| format!("{}: {error}", path.display()))?;
                machine.insecure.extend(daemon.insecure_registries);
                machine.add_mirrors("docker.io", &daemon.registry_mirrors);
            }
        }
        for path in &places.buildkit {
            if let Some(bytes) = read(path)? {
                machine.add_buildkit(path, &bytes)?;
            }
        }
        for folder in &places.certificates {
            machine.add_certificates(folder)?;
        }
        machine.roots = match &places.roots {
            Some(path) => Some(read(path)?.ok_or_else(|| {
                format!(
                    "{}: SSL_CERT_FILE names it, and it is not there",
                    path.display()
                )
            })?),
            None => places
                .system_roots
                .iter()
                .find_map(|path| read(path).ok().flatten()),
        };
        Ok(machine)
    }

    /// Another file of logins instead of the machine's.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Self {
        Self {
            credentials,
            ..self
        }
    }

    /// With these authorities.
    #[cfg(test)]
    pub(super) fn trusting(self, roots: Option<Vec<u8>>) -> Self {
        Self { roots, ..self }
    }

    /// With a mirror of the registry `domain`.
    #[cfg(test)]
    pub(super) fn mirrored(mut self, domain: &str, mirror: &str) -> Self {
        self.add_mirrors(domain, &[mirror.to_owned()]);
        self
    }

    fn add_buildkit(&mut self, path: &Path, bytes: &[u8]) -> Result<(), String> {
        let cannot = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::str::from_utf8(bytes).map_err(|error| cannot(&error))?;
        let file: BuildKit = toml_edit::de::from_str(text).map_err(|error| cannot(&error))?;
        for (host, registry) in file.registry {
            if registry.http || registry.insecure {
                self.insecure.insert(host.clone());
            }
            self.add_mirrors(&host, &registry.mirrors);
            for path in registry.ca {
                self.trust(&host, &path)?;
            }
        }
        Ok(())
    }

    fn add_mirrors(&mut self, domain: &str, urls: &[String]) {
        for url in urls {
            let plain = url.starts_with("http://");
            let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
            let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if plain {
                self.insecure.insert(host.to_owned());
            }
            self.mirrors
                .entry(domain.to_owned())
                .or_default()
                .push((host.to_owned(), prefix.trim_end_matches('/').to_owned()));
        }
    }

    fn add_certificates(&mut self, folder: &Path) -> Result<(), String> {
        let Ok(hosts) = fs::read_dir(folder) else {
            return Ok(());
        };
        for host in hosts.flatten() {
            let Ok(files) = fs::read_dir(host.path()) else {
                continue;
            };
            let mut files: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
            files.sort();
            for file in files {
                if file.extension().is_some_and(|extension| extension == "crt") {
                    self.trust(&host.file_name().to_string_lossy(), &file)?;
                }
            }
        }
        Ok(())
    }

    fn trust(&mut self, host: &str, path: &Path) -> Result<(), String> {
        let bytes =
            read(path)?.ok_or_else(|| format!("{}: there is no such file", path.display()))?;
        let all = self
            .host_roots
            .entry(host.to_ascii_lowercase())
            .or_default();
        all.extend(bytes);
        all.push(b'\n');
        Ok(())
    }

    /// The mirrors of a repository, to be asked before the registry itself. One that cannot be named is left out.
    pub(super) fn mirrors(&self, repository: &Repository) -> Vec<Repository> {
        let domain = match repository.domain() {
            "index.docker.io" => "docker.io",
            other => other,
        };
        self.mirrors
            .get(domain)
            .into_iter()
            .flatten()
            .filter_map(|(host, prefix)| repository.mirrored(host, prefix).ok())
            .collect()
    }

    /// How a client works here.
    pub(super) fn options(&self) -> Options {
        Options {
            credentials: self.credentials.clone(),
            insecure: self.insecure.iter().cloned().collect(),
            roots: self.roots.clone(),
            host_roots: self.host_roots.clone(),
            limits: Limits {
                blob: crate::resolve::config::MAX_CONFIG,
                attempts: 6,
                backoff: Duration::from_millis(50),
                pause: Duration::from_secs(30),
                request: Duration::from_secs(30),
                total: QUESTION,
                ..Limits::default()
            },
            ..Options::default()
        }
    }
}

/// All of a file; `None` if it is not there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let cannot = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // Of another user's file nothing can be known, as Docker's client has it.
        Err(error)
            if error.kind() == io::ErrorKind::PermissionDenied && path.starts_with("/etc") =>
        {
            return Ok(None);
        }
        Err(error) => return Err(cannot(&error)),
    };
    let bytes = bounded::read(file, MAX_FILE).map_err(|error| cannot(&error))?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_where_the_environment_says() {
        let environment = |name: &str| match name {
            "HOME" => Some(OsString::from("/home/me")),
            "DOCKER_CONFIG" => Some(OsString::from("/d")),
            _ => None,
        };
        let places = Places::of(&environment);
        assert_eq!(places.docker, Some(PathBuf::from("/d/config.json")));
        assert!(
            places
                .daemon
                .contains(&PathBuf::from("/home/me/.config/docker/daemon.json"))
        );
        let nothing = Places::of(&|_| None);
        assert_eq!(nothing.docker, None);
    }

    #[test]
    fn mirrors_and_authorities_are_read() {
        let folder = std::env::temp_dir().join(format!("verified-machine-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let ca = write("ca.pem", "PEM of the authority");
        let places = Places {
            daemon: vec![write(
                "daemon.json",
                r#"{"registry-mirrors":["https://mirror.test","http://plain.test:5000/hub/"],"insecure-registries":["old.test"],"debug":true}"#,
            )],
            buildkit: vec![write(
                "buildkitd.toml",
                &format!(
                    "debug = true\n[registry.\"own.test\"]\nmirrors = [\"near.test\"]\nhttp = true\nca = [{:?}]\n",
                    ca
                ),
            )],
            certificates: vec![folder.join("certs.d"), folder.join("none")],
            ..Places::default()
        };
        write("certs.d/x.test:5000/ca.crt", "PEM of x");
        write("certs.d/x.test:5000/client.key", "secret");
        let machine = Machine::read(&places).unwrap();
        let hosts = |domain: &str, path: &str| -> Vec<String> {
            let repository = Repository::new(domain, path).unwrap();
            machine
                .mirrors(&repository)
                .iter()
                .map(|m| format!("{} {m}", m.host()))
                .collect()
        };
        assert_eq!(
            hosts("docker.io", "library/alpine"),
            [
                "mirror.test mirror.test/library/alpine",
                "plain.test:5000 plain.test:5000/hub/library/alpine"
            ]
        );
        assert_eq!(hosts("own.test", "a"), ["near.test near.test/a"]);
        assert_eq!(hosts("other.test", "a"), [""; 0]);
        let insecure: Vec<&str> = machine.insecure.iter().map(String::as_str).collect();
        assert_eq!(insecure, ["old.test", "own.test", "plain.test:5000"]);
        assert_eq!(machine.host_roots["x.test:5000"], b"PEM of x\n");
        assert_eq!(machine.host_roots["own.test"], b"PEM of the authority\n");

        let broken = |places: Places| Machine::read(&places).unwrap_err();
        let missing = Places {
            roots: Some(folder.join("none.pem")),
            ..Places::default()
        };
        assert!(broken(missing).contains("SSL_CERT_FILE"));
        let secret = write("config.json", r#"{"auths":{"a":{"auth":"c2VjcmV0"}}"#);
        let told = broken(Places {
            docker: Some(secret),
            ..Places::default()
        });
        assert!(
            told.contains("config.json") && !told.contains("c2VjcmV0"),
            "{told}"
        );
        fs::remove_dir_all(folder).unwrap();
    }
}
