//! A registry of its own on loopback, without Docker: the program alone.

use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{Result, instance};

const START_LIMIT: Duration = Duration::from_secs(30);

/// A registry that ends when this is dropped.
#[derive(Debug)]
pub struct LocalRegistry {
    /// `127.0.0.1:PORT`, plain HTTP.
    pub address: String,
    process: Child,
}

impl LocalRegistry {
    /// Starts one that keeps everything in `folder`; `None` if this machine has no such program.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(folder: &Path) -> Result<Option<Self>> {
        let Some(program) = program("docker-registry").or_else(|| program("registry")) else {
            return Ok(None);
        };
        fs::create_dir_all(folder)?;
        // Free at this moment; nobody else takes ports this way.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let config = serde_json::json!({
            "version": 0.1,
            "log": { "level": "error", "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": folder.join("storage") } },
            "http": { "addr": address, "secret": "tests" },
        });
        let file = folder.join("registry.json");
        fs::write(&file, config.to_string())?;
        let log = fs::File::create(folder.join("registry.log"))?;
        let process = Command::new(program)
            .arg("serve")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let registry = Self { address, process };
        let end = Instant::now() + START_LIMIT;
        while TcpStream::connect(&registry.address).is_err() {
            if Instant::now() > end {
                return Err(format!("no registry at {}", registry.address).into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Some(registry))
    }
}

impl Drop for LocalRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program `name`: in `PATH`, else in a root that was made for an engine.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).map(|folder| folder.join(name));
    let roots = fs::read_dir(instance::cache())
        .into_iter()
        .flatten()
        .flatten();
    let in_roots = roots.map(|root| root.path().join("usr/bin").join(name));
    in_path.chain(in_roots).find(|program| program.is_file())
}
