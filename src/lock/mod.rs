//! `Dockerfile.lock`: what each fetch is fixed to, for review in a pull request; and `Dockerfile.evidence`: why.
//!
//! ```toml
//! version = 1
//!
//! [[image]]
//! reference = "docker.io/library/alpine:3.20"
//! digest = "sha256:…"
//! verified-by = ["base"]
//! evidence = ["sha256:…"]
//! ```
//!
//! A lock is never trusted for its word: it says which digest to use, and each digest is judged again, by the policy and
//! [`Evidence`] of the moment. `verified-by` and `evidence` are for readers. The form is described in `docs/lock.md`.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use crate::{
    digest::Digest,
    policy::{
        strict::{FileError, Source, Spanned, Table, shown},
        url,
    },
    reference::ImageReference,
    replay::{self, record::Recording},
};

mod atomic;
mod evidence;

pub use crate::policy::strict::FileError as LockError;
pub use atomic::write_atomic;
pub use evidence::{Evidence, Item};

/// Longest git ref or platform, in bytes.
const MAX_NAME: usize = 1024;

/// All of a lock file. Written sorted; [`Display`](fmt::Display) gives the file's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    images: BTreeMap<(ImageReference, Option<String>), Locked>,
    http: BTreeMap<String, Locked>,
    git: BTreeMap<(String, String), String>,
    runs: BTreeMap<Digest, Recording>,
}

/// What an image or file is fixed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// The digest to use.
    pub digest: Digest,
    /// The names of the keys that signed it when it was locked, sorted.
    pub verified_by: Vec<String>,
    /// The identifiers of the evidence in `Dockerfile.evidence`, sorted.
    pub evidence: Vec<Digest>,
}

impl From<Digest> for Locked {
    fn from(digest: Digest) -> Self {
        Self {
            digest,
            verified_by: Vec::new(),
            evidence: Vec::new(),
        }
    }
}

impl Lock {
    /// Reads the lock `bytes` of the file called `file`.
    ///
    /// # Errors
    /// The first thing that is not exactly as described in `docs/lock.md`, with its place.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self, FileError> {
        let source = Source::new(bytes, file)?;
        let document = source.document("lock")?;
        let top = Table::top(&source, document.as_table());
        top.only(&["version", "image", "http", "git", "run"], &[])?;
        let mut lock = Self::default();
        for table in top.tables("image")? {
            table.only(
                &["reference", "platform", "digest", "verified-by", "evidence"],
                &[],
            )?;
            let (reference, span) = image_reference(&table)?;
            let platform = match table.string("platform")? {
                Some(text) => Some(name(&table, &text, "platform")?),
                None => None,
            };
            let locked = locked(&table)?;
            if reference
                .digest()
                .is_some_and(|digest| *digest != locked.digest)
            {
                return Err(table.error(
                    span,
                    "`reference` names another digest than `digest`".to_owned(),
                ));
            }
            if lock.images.insert((reference, platform), locked).is_some() {
                return Err(twice(&table, span));
            }
        }
        for table in top.tables("http")? {
            table.only(&["url", "digest", "verified-by", "evidence"], &[])?;
            let (url, span) = normal(&table, "url", url::http)?;
            if lock.http.insert(url, locked(&table)?).is_some() {
                return Err(twice(&table, span));
            }
        }
        for table in top.tables("git")? {
            table.only(&["remote", "ref", "commit"], &[])?;
            let (remote, span) = normal(&table, "remote", url::git)?;
            let reference = table
                .required_string("ref", "it says which branch, tag or commit was asked for")?;
            let reference = name(&table, &reference, "ref")?;
            let commit = table.required_string("commit", "it says which commit to use")?;
            if !is_commit(commit.value) {
                return Err(table.error(
                    commit.span,
                    "`commit` is 40 or 64 digits 0-9 and a-f".to_owned(),
                ));
            }
            if lock
                .git
                .insert((remote, reference), commit.value.to_owned())
                .is_some()
            {
                return Err(twice(&table, span));
            }
        }
        lock.runs = replay::lock::read(&top)?;
        Ok(lock)
    }

    /// What the step `step` was given when it was recorded.
    #[must_use]
    pub fn run(&self, step: &Digest) -> Option<&Recording> {
        self.runs.get(step)
    }

    /// All that steps were given.
    pub fn runs(&self) -> impl Iterator<Item = &Recording> {
        self.runs.values()
    }

    /// Fixes what a step is given, and gives what it was given before.
    pub fn set_run(&mut self, recording: Recording) -> Option<Recording> {
        self.runs.insert(recording.step.clone(), recording)
    }

    /// What `reference` is fixed to, for `platform` (`linux/amd64`, `linux/arm/v7`) if the lock tells platforms apart.
    /// Without tag and digest, `reference` has the tag `latest`.
    #[must_use]
    pub fn image(&self, reference: &ImageReference, platform: Option<&str>) -> Option<&Locked> {
        let reference = reference.clone().with_default_tag();
        let mut key = (reference, platform.map(str::to_owned));
        self.images.get(&key).or_else(|| {
            key.1 = None;
            self.images.get(&key)
        })
    }

    /// What the file at `url` is fixed to. A URL that cannot be judged is in no lock.
    #[must_use]
    pub fn http(&self, url: &str) -> Option<&Locked> {
        self.http.get(&url::http(url).ok()?)
    }

    /// The commit that `reference` of the git repository `remote` is fixed to.
    #[must_use]
    pub fn git(&self, remote: &str, reference: &str) -> Option<&str> {
        let key = (url::git(remote).ok()?, reference.to_owned());
        self.git.get(&key).map(String::as_str)
    }

    /// Fixes `reference`, for one platform where platforms differ, and gives what it was fixed to before.
    pub fn set_image(
        &mut self,
        reference: &ImageReference,
        platform: Option<&str>,
        mut locked: Locked,
    ) -> Option<Locked> {
        locked.sort();
        let reference = reference.clone().with_default_tag();
        self.images
            .insert((reference, platform.map(str::to_owned)), locked)
    }

    /// Fixes the file at `url`, and gives what it was fixed to before.
    ///
    /// # Errors
    /// A URL that cannot be judged.
    pub fn set_http(
        &mut self,
        url: &str,
        mut locked: Locked,
    ) -> Result<Option<Locked>, url::UrlError> {
        locked.sort();
        Ok(self.http.insert(url::http(url)?, locked))
    }

    /// Fixes `reference` of the git repository `remote` to a full commit, and gives the commit before.
    ///
    /// # Errors
    /// A remote that cannot be judged.
    pub fn set_git(
        &mut self,
        remote: &str,
        reference: &str,
        commit: &str,
    ) -> Result<Option<String>, url::UrlError> {
        let key = (url::git(remote)?, reference.to_owned());
        Ok(self.git.insert(key, commit.to_owned()))
    }
}

impl Locked {
    fn sort(&mut self) {
        self.verified_by.sort();
        self.verified_by.dedup();
        self.evidence.sort();
        self.evidence.dedup();
    }

    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "digest = \"{}\"", self.digest)?;
        if !self.verified_by.is_empty() {
            let names: toml_edit::Array = self.verified_by.iter().collect();
            writeln!(f, "verified-by = {names}")?;
        }
        if !self.evidence.is_empty() {
            f.write_str("evidence = [\n")?;
            for id in &self.evidence {
                writeln!(f, "    \"{id}\",")?;
            }
            f.write_str("]\n")?;
        }
        Ok(())
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| toml_edit::Value::from(text).to_string();
        f.write_str("# Written by `verified-dockerfile lock`, for review: what each fetch is fixed to.\nversion = 1\n")?;
        for ((reference, platform), locked) in &self.images {
            writeln!(f, "\n[[image]]\nreference = \"{reference}\"")?;
            if let Some(platform) = platform {
                writeln!(f, "platform = {}", quoted(platform))?;
            }
            locked.write(f)?;
        }
        for (url, locked) in &self.http {
            writeln!(f, "\n[[http]]\nurl = {}", quoted(url))?;
            locked.write(f)?;
        }
        for ((remote, reference), commit) in &self.git {
            f.write_char('\n')?;
            writeln!(
                f,
                "[[git]]\nremote = {}\nref = {}",
                quoted(remote),
                quoted(reference)
            )?;
            writeln!(f, "commit = {}", quoted(commit))?;
        }
        for recording in self.runs.values() {
            replay::lock::write(recording, f)?;
        }
        Ok(())
    }
}

type Place = std::ops::Range<usize>;

fn image_reference(table: &Table<'_>) -> Result<(ImageReference, Place), FileError> {
    let text = table.required_string("reference", "it says which image")?;
    let reference = ImageReference::parse(text.value)
        .map_err(|error| table.error(text.span.clone(), format!("`reference`: {error}")))?;
    let reference = reference.with_default_tag();
    if reference.to_string() != text.value {
        let full = format!("`reference` is written in full: \"{reference}\"");
        return Err(table.error(text.span, full));
    }
    Ok((reference, text.span))
}

fn normal(
    table: &Table<'_>,
    key: &str,
    normalise: fn(&str) -> Result<String, url::UrlError>,
) -> Result<(String, Place), FileError> {
    let text = table.required_string(key, "it says where from")?;
    match normalise(text.value) {
        Ok(url) if url == text.value => Ok((url, text.span)),
        Ok(url) => Err(table.error(
            text.span,
            format!("`{key}` is written in normal form: \"{url}\""),
        )),
        Err(error) => Err(table.error(text.span, format!("`{key}`: {error}"))),
    }
}

fn locked(table: &Table<'_>) -> Result<Locked, FileError> {
    let text = table.required_string("digest", "it says what to use")?;
    let mut locked = Locked::from(digest(table, &text, "digest")?);
    for text in table.strings("verified-by")?.unwrap_or_default() {
        locked.verified_by.push(name(table, &text, "verified-by")?);
    }
    for text in table.strings("evidence")?.unwrap_or_default() {
        locked.evidence.push(digest(table, &text, "evidence")?);
    }
    locked.sort();
    Ok(locked)
}

fn digest(table: &Table<'_>, text: &Spanned<&str>, key: &str) -> Result<Digest, FileError> {
    text.value
        .parse()
        .map_err(|error| table.error(text.span.clone(), format!("`{key}`: {error}")))
}

fn name(table: &Table<'_>, text: &Spanned<&str>, key: &str) -> Result<String, FileError> {
    let plain = !text.value.chars().any(char::is_control);
    if plain && (1..=MAX_NAME).contains(&text.value.len()) {
        return Ok(text.value.to_owned());
    }
    let message = format!(
        "`{key}` has 1 to {MAX_NAME} bytes and no control characters, not \"{}\"",
        shown(text.value)
    );
    Err(table.error(text.span.clone(), message))
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn twice(table: &Table<'_>, span: Place) -> FileError {
    table.error(span, format!("this {} is in the lock twice", table.name))
}

#[cfg(test)]
mod tests;
