//! What RUN steps download, and what they check of it themselves: material for rules.
//!
//! A hash or a fingerprint that stands in a reviewed Dockerfile is somebody's word, and is proposed as such. It accepts nothing by itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    dockerfile::Dockerfile,
    fetch::{GitSource, Source},
    pipeline::PlatformOutcome,
    policy::url,
    report::steps,
    shell::{Budget, CheckKind, Checked, Fetch, Reading, What},
};

/// What the Dockerfile itself knows of something that it fetches.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Whether a step fetches it.
    pub step: bool,
    /// Hashes to which steps compare it: function and digits.
    pub hashes: BTreeSet<(String, String)>,
    /// Fingerprints of the OpenPGP keys by which steps let it be signed.
    pub fingerprints: BTreeSet<String>,
    /// What else is to be said.
    pub notes: BTreeSet<String>,
}

impl Known {
    pub(super) fn add(&mut self, other: Self) {
        self.step |= other.step;
        self.hashes.extend(other.hashes);
        self.fingerprints.extend(other.fingerprints);
        self.notes.extend(other.notes);
    }
}

/// A step of which something has no address that could be asked for: its command, the places, what it loads, what is not clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rest {
    pub places: BTreeSet<String>,
    /// The text that a run rule matches.
    pub command: String,
    pub loads: Vec<String>,
    pub unclear: Vec<String>,
}

/// What steps were found to do.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What can be asked for, and where it stands.
    pub sources: Vec<(Source, String, Known)>,
    pub rest: BTreeMap<String, Rest>,
}

/// Reads the steps of `platforms`, which were planned from `dockerfile`, called `file`.
pub(super) fn read(
    file: &str,
    dockerfile: &Dockerfile<'_>,
    platforms: &[PlatformOutcome],
) -> Found {
    let mut found = Found::default();
    let mut budget = Budget::default();
    for built in platforms {
        for (step, _) in steps::of(built) {
            let reading = steps::read_within(step, &built.platform, &mut budget);
            let command = match step.argv.as_slice() {
                [_, option, text] if option.starts_with('-') && option.ends_with('c') => {
                    text.clone()
                }
                words => words.join(" "),
            };
            let (mut loads, mut unclear) = (Vec::new(), Vec::new());
            for fetch in &reading.fetches {
                let line = steps::place(dockerfile, step, fetch.span).first_line;
                let place = format!("{file}:{line}");
                let sources = sources(fetch);
                if sources.is_empty() {
                    loads.push(steps::what(fetch));
                }
                let known = known(fetch, &reading, &place);
                for source in sources {
                    found.sources.push((source, place.clone(), known.clone()));
                }
            }
            unclear.extend(reading.unclear.iter().map(|part| part.why.clone()));
            if loads.is_empty() && unclear.is_empty() {
                continue;
            }
            let rest = found.rest.entry(command.clone()).or_default();
            rest.command = command;
            rest.places.insert(format!("{file}:{}", step.place.lines.0));
            for (to, from) in [(&mut rest.loads, loads), (&mut rest.unclear, unclear)] {
                for text in from {
                    if !to.contains(&text) {
                        to.push(text);
                    }
                }
            }
        }
    }
    found
}

/// Whether a text is known to its end: what is not, stands as `${NAME}` or `$(command)`.
fn whole(text: &str) -> bool {
    !text.contains(['$', '*']) && !text.is_empty()
}

/// The addresses of a download that can be asked for; none if one of them is not known.
fn sources(fetch: &Fetch) -> Vec<Source> {
    match &fetch.what {
        What::Url(urls) => {
            let normal = |text: &String| whole(text).then(|| url::http(text).ok()).flatten();
            let all: Option<Vec<String>> = urls.iter().map(normal).collect();
            let all = all.unwrap_or_default();
            all.into_iter()
                .map(|url| Source::Http {
                    url,
                    checksum: None,
                })
                .collect()
        }
        What::Git {
            remote, reference, ..
        } => {
            let reference = reference.clone().unwrap_or_default();
            let known = whole(remote) && !reference.contains('$');
            match url::git(remote) {
                Ok(remote) if known && remote.starts_with("http") => {
                    vec![Source::Git(GitSource {
                        remote,
                        reference,
                        ..GitSource::default()
                    })]
                }
                _ => Vec::new(),
            }
        }
        What::Packages(_) | What::Index | What::Keys { .. } | What::Image(_) => Vec::new(),
    }
}

/// What the step says of `fetch`.
fn known(fetch: &Fetch, reading: &Reading, place: &str) -> Known {
    let mut known = Known {
        step: true,
        ..Known::default()
    };
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let Some(saved) = fetch.saved.as_deref().map(base) else {
        return known;
    };
    for check in &reading.checks {
        let own = check.file.as_deref().map(base).as_ref() == Some(&saved);
        match &check.kind {
            CheckKind::Hash {
                algorithm,
                expected,
                ..
            } if own => {
                let pairs = expected
                    .iter()
                    .map(|digits| ((*algorithm).to_owned(), digits.clone()));
                known.hashes.extend(pairs);
            }
            CheckKind::OpenPgp { fingerprints, .. } if own => {
                let normal = |text: &String| text.replace(' ', "").to_ascii_uppercase();
                known.fingerprints.extend(fingerprints.iter().map(normal));
                if fingerprints.is_empty() {
                    known.notes.insert(format!(
                        "{place} checks an OpenPGP signature of it, by a key that is there"
                    ));
                }
            }
            CheckKind::OpenPgp {
                signature: Some(signature),
                ..
            } if base(signature) == saved => {
                let of = check.file.as_deref().unwrap_or("a file");
                known
                    .notes
                    .insert(format!("{place} takes it for the signature of {of}"));
            }
            CheckKind::Sigstore | CheckKind::Key if own => {
                known
                    .notes
                    .insert(format!("{place} checks a signature of it"));
            }
            _ => {}
        }
        if let CheckKind::Hash {
            list: Some(list), ..
        } = &check.kind
            && base(list) == saved
        {
            let of = check.file.as_deref().unwrap_or("files");
            known
                .notes
                .insert(format!("{place} takes it for the list of hashes of {of}"));
        }
    }
    match fetch.checked {
        Some(Checked::SignedList) => {
            known.notes.insert(format!(
                "{place} compares its hash with a list that is signed"
            ));
        }
        Some(Checked::List) => {
            known.notes.insert(format!(
                "{place} compares its hash with a list that came the same way: that proves nothing"
            ));
        }
        _ => {}
    }
    known
}
