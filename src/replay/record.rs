//! What one step asked for and was given: the recording.
//!
//! It is kept in `Dockerfile.lock` and, as JSON, beside the launcher in a build. It names bodies by digest only.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::url::{Url, is_name};
use crate::digest::{Algorithm, Digest};

/// The most exchanges of one recording.
pub const MAX_EXCHANGES: usize = 50_000;
/// The most names of each kind that are kept of one step.
pub const MAX_NAMES: usize = 10_000;
/// The longest recording, in bytes of its JSON. Each exchange has two headers or so.
pub const MAX_BYTES: u64 = 64 << 20;
/// Longest value of a header, in bytes.
const MAX_VALUE: usize = 16 << 10;
/// Longest beginning of a command that is kept for readers, in characters.
const MAX_COMMAND: usize = 200;

/// Headers of a request that may decide what is answered, so that requests are told apart by them.
pub const ASKED: [&str; 8] = [
    "accept",
    "accept-encoding",
    "content-encoding",
    "git-protocol",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "range",
];

/// Headers of a response that are kept. What a client needs to read the body, to follow a redirect, to resume, and to
/// compare; neither dates nor cookies nor what a proxy adds.
pub const KEPT: [&str; 16] = [
    "accept-ranges",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-range",
    "content-type",
    "docker-content-digest",
    "docker-distribution-api-version",
    "etag",
    "last-modified",
    "link",
    "location",
    "www-authenticate",
    "x-linked-etag",
    "x-linked-size",
    "x-repo-commit",
];

/// All that a step was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recording {
    /// Which step; see [`super::step::Step`].
    pub step: Digest,
    /// The beginning of its command, for readers.
    pub command: String,
    /// What it asked for, sorted by URL; what is asked several times is in the order of the answers.
    pub exchanges: Vec<Exchange>,
    /// Names whose address it asked for without a request to them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub names: BTreeSet<String>,
    /// Such names that did not exist.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unknown_names: BTreeSet<String>,
}

/// One request and its response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Exchange {
    /// `GET`, `HEAD`, `POST`, ...
    pub method: String,
    /// Absolute, normalised ([`Url`]).
    pub url: String,
    /// Those of [`ASKED`] that the request had, by lower-case name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub asked: BTreeMap<String, String>,
    /// The digest of the request's body, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Digest>,
    /// The response's status.
    pub status: u16,
    /// Those of [`KEPT`] that the response had, by lower-case name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The digest of the response's body, as it was transferred (a `content-encoding` is not undone).
    pub digest: Digest,
    /// The length of the body in bytes. For the answer to a `HEAD`: of the body that a `GET` would have had, if it said so.
    pub size: u64,
}

/// Why a recording is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not the JSON of a [`Recording`].
    #[error("the recording cannot be read: {0}")]
    Form(String),
    /// More than [`MAX_EXCHANGES`].
    #[error("the recording has {0} requests, at most {MAX_EXCHANGES} are read")]
    TooMany(usize),
    /// Names that nobody could have asked for, or too many.
    #[error("the names of the recording: {0}")]
    Names(String),
    /// A field that nobody could have recorded.
    #[error("request {0} of the recording: {1}")]
    Exchange(usize, String),
}

impl Recording {
    /// A recording of nothing yet.
    #[must_use]
    pub fn new(step: Digest, command: &str) -> Self {
        Self {
            step,
            command: shown(command),
            exchanges: Vec::new(),
            names: BTreeSet::new(),
            unknown_names: BTreeSet::new(),
        }
    }

    /// Reads the JSON that [`Self::to_json`] writes.
    ///
    /// # Errors
    /// Whatever could not have been recorded.
    pub fn from_json(bytes: &[u8]) -> Result<Self, RecordError> {
        let recording: Self =
            serde_json::from_slice(bytes).map_err(|error| RecordError::Form(error.to_string()))?;
        recording.check()?;
        Ok(recording)
    }

    /// As the launcher reads it: the same bytes for the same recording.
    ///
    /// # Errors
    /// Never for what [`Self::check`] lets through.
    pub fn to_json(&self) -> Result<Vec<u8>, RecordError> {
        serde_json::to_vec(self).map_err(|error| RecordError::Form(error.to_string()))
    }

    /// Whether every field is one that a step can have been given.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), RecordError> {
        if self.exchanges.len() > MAX_EXCHANGES {
            return Err(RecordError::TooMany(self.exchanges.len()));
        }
        for names in [&self.names, &self.unknown_names] {
            if names.len() > MAX_NAMES {
                let why = format!("there are {}, at most {MAX_NAMES} are read", names.len());
                return Err(RecordError::Names(why));
            }
            if let Some(name) = names.iter().find(|name| !is_name(name)) {
                let why = format!("{:?} is no name of a host", shown(name));
                return Err(RecordError::Names(why));
            }
        }
        for (index, exchange) in self.exchanges.iter().enumerate() {
            exchange
                .check()
                .map_err(|why| RecordError::Exchange(index.saturating_add(1), why))?;
        }
        Ok(())
    }

    /// Sorts by URL and leaves out what says the same twice, so that two recordings of the same are the same.
    pub fn sort(&mut self) {
        // Stable: equal requests stay in the order of their answers.
        self.exchanges.sort_by(|a, b| a.request().cmp(&b.request()));
        self.exchanges.dedup();
    }

    /// The bodies, each once, with their sizes.
    #[must_use]
    pub fn bodies(&self) -> BTreeMap<&Digest, u64> {
        self.exchanges
            .iter()
            .filter(|exchange| exchange.has_body())
            .map(|exchange| (&exchange.digest, exchange.size))
            .collect()
    }
}

impl Exchange {
    /// What tells one request from another.
    fn request(&self) -> (&str, &str, &BTreeMap<String, String>, &Option<Digest>) {
        (&self.url, &self.method, &self.asked, &self.sent)
    }

    /// Whether there are bytes to serve. An answer to a `HEAD` has none, whatever its headers say.
    #[must_use]
    pub fn has_body(&self) -> bool {
        self.size > 0 && self.method != "HEAD"
    }

    fn check(&self) -> Result<(), String> {
        let method = !self.method.is_empty()
            && self.method.len() <= 20
            && self.method.bytes().all(|byte| byte.is_ascii_uppercase());
        if !method || self.method == "CONNECT" {
            return Err(format!("{:?} is no method to record", shown(&self.method)));
        }
        match Url::parse(&self.url) {
            Ok(url) if url.to_string() == self.url => {}
            Ok(url) => return Err(format!("the URL is written {url}")),
            Err(error) => return Err(error.to_string()),
        }
        headers(&self.asked, &ASKED)?;
        headers(&self.headers, &KEPT)?;
        if !(200..=599).contains(&self.status) {
            return Err(format!("{} is no status of a response", self.status));
        }
        if self.digest.algorithm() != Algorithm::Sha256
            || self
                .sent
                .as_ref()
                .is_some_and(|sent| sent.algorithm() != Algorithm::Sha256)
        {
            return Err("its digests are SHA-256".to_owned());
        }
        Ok(())
    }
}

fn headers(found: &BTreeMap<String, String>, known: &[&str]) -> Result<(), String> {
    for (name, value) in found {
        if !known.contains(&name.as_str()) {
            return Err(format!("the header {:?} is not recorded", shown(name)));
        }
        let plain = |byte: u8| byte == b'\t' || (0x20..=0x7e).contains(&byte);
        if value.len() > MAX_VALUE || !value.bytes().all(plain) {
            return Err(format!("the header {name} has a value that is not plain"));
        }
    }
    Ok(())
}

/// What a reader takes for the command with these arguments: the text of a shell, or all words.
#[must_use]
pub fn command<T: AsRef<str>>(argv: &[T]) -> String {
    let words: Vec<&str> = argv.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [_, option, text] if option.starts_with('-') && option.ends_with('c') => (*text).to_owned(),
        words => words.join(" "),
    }
}

/// The beginning of `text` in one line.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(MAX_COMMAND)
        .collect();
    if text.chars().nth(MAX_COMMAND).is_some() {
        out.push_str(" ...");
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A plain request for `url`, with an answer.
    pub(crate) fn exchange(url: &str) -> Exchange {
        Exchange {
            method: "GET".into(),
            url: url.into(),
            asked: BTreeMap::new(),
            sent: None,
            status: 200,
            headers: BTreeMap::new(),
            digest: Digest::sha256(url.as_bytes()),
            size: url.len() as u64,
        }
    }
}
