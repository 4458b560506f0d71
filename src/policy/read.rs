//! `verified.toml` into a [`Layer`].

use std::collections::BTreeMap;

use super::{
    demand::{self, Acceptance, Demand, acceptance},
    files::Files,
    glob::{Glob, MAX_PATTERN},
    keys,
    strict::{FileError, Source, Spanned, Table},
    url,
    verdict::RuleAt,
};
use crate::reference::ImageReference;

/// Longest `match` of a run rule, in bytes.
pub(super) const MAX_COMMAND: usize = 64 * 1024;
/// The rules of one policy file.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The file's name, as the caller gave it: for errors and reports.
    pub file: String,
    /// Whether everything fetched must be in the lock (`locked = true`).
    pub locked: bool,
    pub(super) images: Vec<Rule<Demand>>,
    pub(super) http: Vec<Rule<Demand>>,
    pub(super) git: Vec<Rule<Demand>>,
    pub(super) runs: Vec<Rule<Grant>>,
    pub(super) caches: Vec<Rule<Acceptance>>,
}

/// One rule and what it asks for or gives.
#[derive(Clone, Debug)]
pub(super) struct Rule<T> {
    pub at: RuleAt,
    pub glob: Glob,
    pub then: T,
}

/// What a RUN step may have.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub network: bool,
    pub host_network: bool,
    pub insecure: bool,
    pub ssh: bool,
    pub devices: bool,
    pub acceptance: Acceptance,
}

impl Layer {
    /// Reads the policy `bytes` of the file called `file`; key files come from `files`.
    ///
    /// # Errors
    /// The first thing that is not exactly as described in `docs/policy.md`, with its place.
    pub fn parse(bytes: &[u8], file: &str, files: &dyn Files) -> Result<Self, FileError> {
        let source = Source::new(bytes, file)?;
        let document = source.document("policy")?;
        let top = Table::top(&source, document.as_table());
        top.only(
            &[
                "version", "locked", "keys", "image", "http", "git", "run", "cache",
            ],
            &[],
        )?;
        let keys = keys::read(&top, files)?;
        Ok(Self {
            file: file.to_owned(),
            locked: top.boolean("locked")?.is_some_and(|locked| locked.value),
            images: rules(&top, "image", image_pattern, |table| {
                demand::image(table, &keys)
            })?,
            http: rules(&top, "http", http_pattern, |table| {
                demand::http(table, &keys)
            })?,
            git: rules(&top, "git", git_pattern, |table| demand::git(table, &keys))?,
            runs: rules(&top, "run", command_pattern, grant)?,
            caches: rules(&top, "cache", size, |table| {
                table.only(&["match", "reason", "until"], &[])?;
                acceptance(table)
            })?,
        })
    }

    /// The well-known publishers that apply without any policy: none in this version.
    pub(super) fn built_in() -> Self {
        Self {
            file: "built-in catalogue".to_owned(),
            locked: false,
            images: Vec::new(),
            http: Vec::new(),
            git: Vec::new(),
            runs: Vec::new(),
            caches: Vec::new(),
        }
    }
}

/// The paths that [`Layer::parse`] will read, sorted, for callers that must fetch them first. Each was checked by [`relative`].
///
/// # Errors
/// What is wrong in the file's frame or its keys.
pub fn files_needed(bytes: &[u8], file: &str) -> Result<Vec<String>, FileError> {
    let source = Source::new(bytes, file)?;
    let document = source.document("policy")?;
    let mut paths = keys::paths(&Table::top(&source, document.as_table()))?;
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn rules<T>(
    top: &Table<'_>,
    kind: &str,
    check: impl Fn(&str) -> Result<(), String>,
    read: impl Fn(&Table<'_>) -> Result<T, FileError>,
) -> Result<Vec<Rule<T>>, FileError> {
    let mut rules = Vec::new();
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for table in top.tables(kind)? {
        let Spanned { value, span } =
            table.required_string("match", "it says what the rule is for")?;
        let then = read(&table)?;
        check(value).map_err(|why| table.error(span.clone(), why))?;
        if let Some(line) = lines.insert(value, table.line()) {
            return Err(table.error(
                span,
                format!("this rule is never reached: line {line} has the same `match`"),
            ));
        }
        let at = RuleAt {
            line: table.line(),
            pattern: value.to_owned(),
        };
        rules.push(Rule {
            at,
            glob: Glob::new(value),
            then,
        });
    }
    Ok(rules)
}

fn grant(table: &Table<'_>) -> Result<Grant, FileError> {
    table.only(
        &[
            "match", "network", "security", "ssh", "devices", "reason", "until",
        ],
        &[],
    )?;
    let network = table.choice("network", &["allow", "host"])?;
    let grant = Grant {
        network: network.is_some(),
        host_network: network == Some("host"),
        insecure: table.choice("security", &["insecure"])?.is_some(),
        ssh: table.choice("ssh", &["allow"])?.is_some(),
        devices: table.choice("devices", &["allow"])?.is_some(),
        acceptance: acceptance(table)?,
    };
    if grant.network || grant.insecure || grant.ssh || grant.devices {
        Ok(grant)
    } else {
        Err(table.missing(
            "network",
            "a run rule gives something: `network`, `security`, `ssh` or `devices`",
        ))
    }
}

fn size(pattern: &str) -> Result<(), String> {
    if pattern.is_empty() || pattern.len() > MAX_PATTERN {
        return Err(format!("`match` has 1 to {MAX_PATTERN} bytes"));
    }
    Ok(())
}

/// Commands are matched in linear time, so their patterns may be as long as a command is.
fn command_pattern(pattern: &str) -> Result<(), String> {
    if pattern.is_empty() || pattern.len() > MAX_COMMAND {
        return Err(format!(
            "`match` has 1 to {MAX_COMMAND} bytes; cover the rest of a command by `*`"
        ));
    }
    Ok(())
}

/// `**` not beside other text of its part: `**.example.com` would also cover `evil.test/x.example.com`.
fn whole_stars(pattern: &str, ends: &[char]) -> Result<(), String> {
    if pattern
        .split(ends)
        .any(|part| part.contains("**") && part != "**")
    {
        return Err("`**` stands alone between slashes, since it also covers slashes; within a name use `*`".to_owned());
    }
    Ok(())
}

/// An image pattern is a canonical reference without a digest, with stars.
fn image_pattern(pattern: &str) -> Result<(), String> {
    size(pattern)?;
    if pattern.contains('@') {
        return Err(
            "an image pattern names no digest; which digest is used is the lock's matter"
                .to_owned(),
        );
    }
    if let Some(store) = pattern.strip_prefix("oci-layout://") {
        return if store.is_empty() {
            Err("an OCI layout pattern is oci-layout:// and the store's name".to_owned())
        } else {
            whole_stars(pattern, &['/'])
        };
    }
    if pattern.contains("://") {
        return Err("an image pattern has no scheme (other than oci-layout://)".to_owned());
    }
    let (repository, tag) = split_tag(pattern);
    whole_stars(repository, &['/'])?;
    if pattern.starts_with('*') {
        return Ok(());
    }
    // A name that the pattern covers must be what the reader of references makes of it.
    let sample = |text: &str| text.replace("**", "x/x").replace('*', "x");
    let name = sample(repository);
    let written = match tag {
        Some(tag) => format!("{name}:{}", sample(tag)),
        None => name.clone(),
    };
    let image = ImageReference::parse(&written)
        .map_err(|error| format!("the pattern covers no image reference: {error}"))?;
    let full = image.repository();
    if full == name {
        return Ok(());
    }
    let short = repository
        .strip_prefix("index.docker.io/")
        .unwrap_or(repository);
    let short = short.strip_prefix("docker.io/").unwrap_or(short);
    let full = match full.strip_suffix(&sample(short)) {
        Some(front) => format!(
            "{front}{}",
            pattern
                .strip_prefix(repository)
                .map_or_else(String::new, |tag| format!("{short}{tag}"))
        ),
        None => full,
    };
    Err(format!("image patterns are written in full: \"{full}\""))
}

/// Splits a pattern at the colon of its tag. A colon before a slash belongs to a port.
pub(super) fn split_tag(pattern: &str) -> (&str, Option<&str>) {
    match pattern.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (pattern, None),
    }
}

fn http_pattern(pattern: &str) -> Result<(), String> {
    url_pattern(pattern, url::http)
}

fn git_pattern(pattern: &str) -> Result<(), String> {
    url_pattern(pattern, url::git)
}

/// A URL pattern is a normalised URL with stars; no star lets a part of the host's name reach into the path.
fn url_pattern(
    pattern: &str,
    normalise: fn(&str) -> Result<String, url::UrlError>,
) -> Result<(), String> {
    size(pattern)?;
    whole_stars(pattern, &['/', '?'])?;
    if pattern.starts_with('*') || pattern.ends_with("://**") {
        return Ok(());
    }
    let sample = pattern.replace("**", "x").replace('*', "x");
    match normalise(&sample) {
        Ok(normal) if normal == sample => Ok(()),
        Ok(normal) if normal == format!("{sample}/") => {
            Err(format!("a URL pattern goes on after the host: \"{pattern}/**\" covers all of it"))
        }
        Ok(_) if pattern.contains('*') => {
            Err("the pattern is not a normalised URL (lower-case scheme and host, no default port, no dot segments, no fragment), so it covers nothing".to_owned())
        }
        Ok(normal) => Err(format!("URL patterns are written in normal form: \"{normal}\"")),
        Err(error) => Err(format!("the pattern covers no URL: {error}")),
    }
}
