//! The client against a daemon of our own, which plays good and bad ones.

mod calls;
mod caps;
mod daemon;
mod details;
mod hostile;
mod outcome;
mod session;
mod transport;

use std::time::Duration;

use super::{BuildResult, Client, Error, Ref, Refs};

/// Long enough for every good answer on a busy machine.
const SOON: Duration = Duration::from_secs(30);

fn a_ref(id: &str) -> Ref {
    Ref {
        id: id.to_owned(),
        definition: Some(b"def".to_vec()),
    }
}

fn a_result(id: &str) -> BuildResult {
    BuildResult {
        refs: Refs::Single(a_ref(id)),
        metadata: [("containerimage.config".to_owned(), b"{}".to_vec())].into(),
        attestations: [].into(),
    }
}

/// The client of a daemon that answers Ping with the capabilities of v0.12, and the rest with `handler`.
async fn client(handler: impl daemon::Handler) -> Client {
    let daemon = daemon::start(daemon::pinging(&["gateway.exec.secretenv"], &[], handler));
    connect(daemon).await.expect("connects")
}

async fn connect(daemon: daemon::Ends) -> Result<Client, Error> {
    Client::connect_within(daemon.read, daemon.write, SOON).await
}
