//! What tests of the client need: a server (see [`server`]), names of loopback, and time that passes at will.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use ureq::{
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

use super::*;

#[path = "testing/server.rs"]
mod server;

pub use server::*;

/// Takes each name for one of 127.0.0.1.
#[derive(Debug)]
pub struct Names;

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        found.push(([127, 0, 0, 1], uri.port_u16().unwrap()).into());
        Ok(found)
    }
}

/// The root under which [`Server::tls`] is verified.
pub fn roots() -> Option<Vec<u8>> {
    Some(server::root().into_bytes())
}

/// Waits for nothing, but its time passes.
#[derive(Clone)]
pub struct FakeClock {
    start: Instant,
    pub slept: Arc<Mutex<Vec<Duration>>>,
}

impl FakeClock {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            slept: Arc::default(),
        }
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        self.start.elapsed() + self.slept.lock().unwrap().iter().sum::<Duration>()
    }

    fn sleep(&self, time: Duration) {
        self.slept.lock().unwrap().push(time);
    }
}

/// Options that trust [`roots`], heed no proxy and never really wait.
pub fn options() -> Options {
    Options {
        roots: roots(),
        proxy: false,
        clock: Arc::new(FakeClock::new()),
        ..Options::default()
    }
}

/// A login `user:hunter2` for each host.
pub fn logins(hosts: &[&str]) -> auth::Credentials {
    let entries: Vec<String> = hosts
        .iter()
        .map(|host| format!(r#""{host}":{{"auth":"dXNlcjpodW50ZXIy"}}"#))
        .collect();
    auth::Credentials::from_docker_config(
        format!(r#"{{"auths":{{{}}}}}"#, entries.join(",")).as_bytes(),
    )
    .unwrap()
}

/// The value of the header that [`logins`] makes.
pub const BASIC: &str = "Basic dXNlcjpodW50ZXIy";
