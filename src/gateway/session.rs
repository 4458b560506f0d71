//! What the daemon tells a frontend through its environment.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use serde::Deserialize;

use super::proto::Platform;

const OPTION_PREFIX: &[u8] = b"BUILDKIT_FRONTEND_OPT_";
const SESSION_ID: &str = "BUILDKIT_SESSION_ID";
const WORKERS: &str = "BUILDKIT_WORKERS";
const PRODUCT: &str = "BUILDKIT_EXPORTEDPRODUCT";

/// Whether BuildKit started this process as a frontend: the environment names a session and workers,
/// which the daemon always sets.
pub fn is_frontend<'a>(names: impl IntoIterator<Item = &'a OsStr>) -> bool {
    let (mut session, mut workers) = (false, false);
    for name in names {
        session |= name == SESSION_ID;
        workers |= name == WORKERS;
    }
    session && workers
}

/// One build, as the environment describes it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Session {
    /// Frontend options: `filename`, `target`, `build-arg:NAME` and so on.
    pub options: BTreeMap<String, String>,
    /// Identifier of the client's session, empty if there is none. Local sources may come from another: see the
    /// options `local-sessionid:NAME`.
    pub id: String,
    /// The daemon's workers, the default one first.
    pub workers: Vec<Worker>,
    /// `docker` or `buildkit`: what the daemon calls itself. Empty if it doesn't say.
    pub product: String,
}

/// What runs build steps.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Worker {
    /// The daemon's name for it.
    pub id: String,
    /// The platforms that it can run, its own first.
    #[serde(deserialize_with = "null_as_empty")]
    pub platforms: Vec<Platform>,
    /// The version of BuildKit, where it says: v0.11 and newer.
    #[serde(rename = "buildkitVersion")]
    version: Version,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Version {
    version: String,
}

impl Worker {
    /// The version of BuildKit as it names itself, for people to read. Never decide by it: Docker Engine as Debian builds
    /// it, for one, names none, or `v0.0.0+unknown`, which counts as none here.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        Some(self.version.version.as_str())
            .filter(|version| !version.is_empty() && !version.starts_with("v0.0.0"))
    }
}

fn null_as_empty<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Platform>, D::Error> {
    Option::<Vec<Platform>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Why the environment cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Options travel on as protobuf strings, which are UTF-8.
    #[error(
        "the environment variable {0:?}, which BuildKit sets for a frontend, is not UTF-8: {1:?}"
    )]
    NotUtf8(OsString, OsString),
    /// One option, two values.
    #[error(
        "the frontend option {0:?} is given twice, with different values; does the frontend image set BUILDKIT_FRONTEND_OPT_*?"
    )]
    Twice(String),
    /// The list of workers is not what BuildKit writes.
    #[error("BUILDKIT_WORKERS is not the JSON that BuildKit writes")]
    Workers(#[source] serde_json::Error),
}

impl Session {
    /// Reads an environment such as [`std::env::vars_os`] gives.
    ///
    /// An option is `BUILDKIT_FRONTEND_OPT_<anything>=<key>=<value>`; the value may hold anything, also line ends and `=`.
    ///
    /// # Errors
    /// If one of BuildKit's variables is not UTF-8, or contradicts another, or the list of workers can't be read.
    pub fn from_env(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SessionError> {
        let mut session = Self::default();
        for (name, value) in variables {
            if name.as_bytes().starts_with(OPTION_PREFIX) {
                let option = utf8(name, value)?;
                let (key, value) = option.split_once('=').unwrap_or((&option, ""));
                if let Some(other) = session.options.insert(key.to_owned(), value.to_owned())
                    && other != value
                {
                    return Err(SessionError::Twice(key.to_owned()));
                }
            } else if name == SESSION_ID {
                session.id = utf8(name, value)?;
            } else if name == PRODUCT {
                session.product = utf8(name, value)?;
            } else if name == WORKERS && !value.is_empty() {
                // `null` is what Go makes of no workers at all.
                session.workers = serde_json::from_str::<Option<Vec<Worker>>>(&utf8(name, value)?)
                    .map_err(SessionError::Workers)?
                    .unwrap_or_default();
            }
        }
        Ok(session)
    }
}

fn utf8(name: OsString, value: OsString) -> Result<String, SessionError> {
    String::from_utf8(value.into_vec())
        .map_err(|error| SessionError::NotUtf8(name, OsString::from_vec(error.into_bytes())))
}
