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

use std::{collections::BTreeMap, fmt};

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
mod edit;
mod entry;
mod evidence;

pub use crate::policy::strict::FileError as LockError;
pub use atomic::{sweep, write_atomic};
pub use entry::{Entry, Key};
pub use evidence::{Evidence, Item};

/// Longest git ref or platform, in bytes.
const MAX_NAME: usize = 1024;

/// All of a lock file. Written sorted; [`Display`](fmt::Display) gives the file's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    images: BTreeMap<(ImageReference, Option<String>), Locked>,
    http: BTreeMap<String, Locked>,
    git: BTreeMap<(String, String), LockedCommit>,
    runs: BTreeMap<Digest, Recording>,
}

/// What a git reference is fixed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedCommit {
    /// The full commit to use.
    pub commit: String,
    /// As in [`Locked`].
    pub verified_by: Vec<String>,
    /// As in [`Locked`].
    pub evidence: Vec<Digest>,
}

impl From<String> for LockedCommit {
    fn from(commit: String) -> Self {
        Self {
            commit,
            verified_by: Vec::new(),
            evidence: Vec::new(),
        }
    }
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
            table.only(&["remote", "ref", "commit", "verified-by", "evidence"], &[])?;
            let (remote, span) = normal(&table, "remote", url::git)?;
            let reference = table.required_string(
                "ref",
                "it says which branch, tag or commit was asked for; nothing (\"\") is the default branch",
            )?;
            let reference = match reference.value {
                "" => String::new(),
                _ => name(&table, &reference, "ref")?,
            };
            let commit = table.required_string("commit", "it says which commit to use")?;
            if !is_commit(commit.value) {
                return Err(table.error(
                    commit.span,
                    "`commit` is 40 or 64 digits 0-9 and a-f".to_owned(),
                ));
            }
            let mut locked = LockedCommit::from(commit.value.to_owned());
            (locked.verified_by, locked.evidence) = grounds(&table)?;
            if lock.git.insert((remote, reference), locked).is_some() {
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

    /// Takes out what a step was given.
    pub fn remove_run(&mut self, step: &Digest) {
        self.runs.remove(step);
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
        self.git.get(&key).map(|locked| locked.commit.as_str())
    }

    /// Everything in it: what, fixed to what.
    pub fn entries(&self) -> impl Iterator<Item = (Key, Entry)> {
        let images = self.images.iter().map(|((reference, platform), locked)| {
            let key = Key::Image(reference.clone(), platform.clone());
            (key, Entry::from(locked))
        });
        let http = self.http.iter();
        let http = http.map(|(url, locked)| (Key::Http(url.clone()), Entry::from(locked)));
        let git = self.git.iter().map(|((remote, reference), locked)| {
            let key = Key::Git(remote.clone(), reference.clone());
            (key, Entry::from(locked))
        });
        images.chain(http).chain(git)
    }

    /// What `key` is fixed to.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Entry> {
        match key {
            Key::Image(reference, platform) => {
                let key = (reference.clone(), platform.clone());
                self.images.get(&key).map(Entry::from)
            }
            Key::Http(url) => self.http.get(url).map(Entry::from),
            Key::Git(remote, reference) => {
                let key = (remote.clone(), reference.clone());
                self.git.get(&key).map(Entry::from)
            }
        }
    }

    /// Takes `key` out.
    pub fn remove(&mut self, key: &Key) {
        match key {
            Key::Image(reference, platform) => {
                self.images.remove(&(reference.clone(), platform.clone()));
            }
            Key::Http(url) => {
                self.http.remove(url);
            }
            Key::Git(remote, reference) => {
                self.git.remove(&(remote.clone(), reference.clone()));
            }
        }
    }

    /// Fixes `key` as `entry` says.
    ///
    /// # Errors
    /// A sentence: the pin is none, or of another kind than the key.
    pub fn set(&mut self, key: Key, entry: Entry) -> Result<(), String> {
        let Entry {
            pin,
            mut verified_by,
            mut evidence,
        } = entry;
        verified_by.sort();
        verified_by.dedup();
        evidence.sort();
        evidence.dedup();
        let locked = |pin: &str| -> Result<Locked, String> {
            Ok(Locked {
                digest: pin.parse().map_err(|error| format!("{pin}: {error}"))?,
                verified_by: verified_by.clone(),
                evidence: evidence.clone(),
            })
        };
        match key {
            Key::Image(reference, platform) => {
                self.images.insert((reference, platform), locked(&pin)?);
            }
            Key::Http(url) => {
                self.http.insert(url, locked(&pin)?);
            }
            Key::Git(..) if !is_commit(&pin) => return Err(format!("{pin} is no full commit")),
            Key::Git(remote, reference) => {
                let locked = LockedCommit {
                    commit: pin,
                    verified_by,
                    evidence,
                };
                self.git.insert((remote, reference), locked);
            }
        }
        Ok(())
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
        let before = self.git.insert(key, commit.to_owned().into());
        Ok(before.map(|locked| locked.commit))
    }
}

impl Locked {
    fn sort(&mut self) {
        self.verified_by.sort();
        self.verified_by.dedup();
        self.evidence.sort();
        self.evidence.dedup();
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(edit::HEAD)?;
        for (key, entry) in self.entries() {
            write!(f, "\n{}", edit::block(&key, &entry))?;
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
    (locked.verified_by, locked.evidence) = grounds(table)?;
    Ok(locked)
}

/// `verified-by` and `evidence`, sorted.
fn grounds(table: &Table<'_>) -> Result<(Vec<String>, Vec<Digest>), FileError> {
    let (mut verified_by, mut evidence) = (Vec::new(), Vec::new());
    for text in table.strings("verified-by")?.unwrap_or_default() {
        verified_by.push(name(table, &text, "verified-by")?);
    }
    for text in table.strings("evidence")?.unwrap_or_default() {
        evidence.push(digest(table, &text, "evidence")?);
    }
    verified_by.sort();
    evidence.sort();
    Ok((verified_by, evidence))
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
