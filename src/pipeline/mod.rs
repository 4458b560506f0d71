//! From a Dockerfile, policy and lock to what would be built: the one path that `diff`, `check`, `explain` and the
//! frontend walk, and at different points leave.
//!
//! ```text
//! collect -> pin -> judge -> rewrite      for each platform
//! ```
//!
//! Nothing here stops at the first thing that is wrong: every refusal is a [`Finding`], and what has one is not built.

mod edits;
mod judge;
mod meant;
mod prove;
#[cfg(test)]
mod prove_tests;
mod runs;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;

pub use edits::without_syntax;
pub use judge::{Judged, PinSource, body, git_at, http, image, refusal};
pub use runs::{command_text, run_refusal};
pub use targets::targets;

use crate::{
    digest::Digest,
    dockerfile::{Dockerfile, Keyword},
    fetch::{self, Base, Configs, Fetch, ImageConfig, Plan, Platform},
    lock::{Evidence, Lock},
    policy::{Policy, Subject},
    reference::ImageReference,
    report::{Finding, Kind, Place},
    resolve::{Image, Resolve, ResolveError},
    rewrite::edit::{self, Edited},
};

/// How often bases may bring new bases (triggers that name images with triggers) before it is refused.
const MAX_ROUNDS: usize = 32;

/// How many places of one Dockerfile may fetch for one platform. The largest public ones have a few dozen.
const MAX_FETCHES: usize = 2_000;
/// How many stages and instructions are read: beyond, the stock frontend takes gigabytes to convert them. BuildKit
/// itself ends at some hundred layers.
const MAX_STAGES: usize = 1_000;
const MAX_INSTRUCTIONS: usize = 20_000;
/// The largest number of lines.
const MAX_LINES: usize = 30_000;
/// How many characters of what is wrong with a Dockerfile are shown.
const MAX_CAUSE: usize = 500;
/// How many questions are asked of the world at the same time.
pub(crate) const AT_ONCE: usize = 16;

/// What is to be built, and by whose rules.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    /// The Dockerfile's name, for messages.
    pub file: &'a str,
    /// The Dockerfile, as it came.
    pub bytes: &'a [u8],
    /// The same, read.
    pub dockerfile: &'a Dockerfile<'a>,
    /// `--target`.
    pub target: Option<&'a str>,
    /// The platforms to build for.
    pub platforms: &'a [Platform],
    /// The platform that builds.
    pub build_platform: &'a Platform,
    /// `--build-arg`.
    pub build_args: &'a BTreeMap<String, String>,
    /// Named contexts: key (`name` or `name::platform`) to value, as BuildKit gives them.
    pub contexts: &'a BTreeMap<String, String>,
    /// Who is trusted for what.
    pub policy: &'a Policy,
    /// What each fetch was fixed to.
    pub lock: &'a Lock,
    /// The proofs beside the lock.
    pub evidence: &'a Evidence,
    /// Whether what is not in the lock is refused instead of resolved.
    pub locked: bool,
    /// Whether BuildKit compares a repository with `ADD --checksum` (v0.22 and newer).
    pub checks_git: bool,
    /// The moment for which the policy is asked.
    pub now: Timestamp,
}

impl Build<'_> {
    /// The same for [`fetch::collect`].
    #[must_use]
    pub fn options(&self, platform: &Platform) -> fetch::Options {
        fetch::Options {
            target: self.target.map(str::to_owned),
            platform: platform.clone(),
            build_platform: self.build_platform.clone(),
            build_args: self.build_args.clone(),
            named_contexts: self.contexts.keys().cloned().collect::<BTreeSet<_>>(),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One for each platform, in order.
    pub platforms: Vec<PlatformOutcome>,
    /// Everything that stops the build, in the order of the file. Empty: it may be built.
    pub findings: Vec<Finding>,
}

/// What would be built for one platform.
#[derive(Clone, Debug)]
pub struct PlatformOutcome {
    /// The platform.
    pub platform: Platform,
    /// What the target fetches and runs.
    pub plan: Plan,
    /// The judgement on each of `plan.fetches`, in the same order.
    pub fetches: Vec<Judged>,
    /// For each of `plan.runs`, whether its network is taken away.
    pub without_network: Vec<bool>,
    /// The Dockerfile with pins, and without network.
    pub rewritten: Edited,
    /// The named contexts that the build uses, with pinned values.
    pub contexts: BTreeMap<String, String>,
    /// Whether a trigger of a base image runs a command whose network can only be taken away by the option
    /// `force-network-mode`.
    pub force_no_network: bool,
}

/// Why there is no outcome at all: the Dockerfile cannot be read.
pub type Unreadable = fetch::Error;

/// Walks the path for every platform.
///
/// # Errors
/// A Dockerfile, target or option that cannot be read.
pub async fn run<R: Resolve>(build: &Build<'_>, resolver: &R) -> Result<Outcome, Unreadable> {
    if let Some(finding) = too_large(build) {
        return Ok(Outcome {
            platforms: Vec::new(),
            findings: vec![finding],
        });
    }
    let mut memory = Memory::default();
    let mut platforms = Vec::new();
    let mut findings = Vec::new();
    for platform in build.platforms {
        let (plan, problems) = collect(build, resolver, platform, &mut memory).await?;
        if !problems.is_empty() {
            findings.extend(problems);
            continue;
        }
        let fetches = judge::all(build, resolver, &memory, &plan.fetches).await;
        let mut refused: Vec<(&Fetch, Finding)> = plan
            .fetches
            .iter()
            .zip(&fetches)
            .filter_map(|(fetch, judged)| Some((fetch, judged.findings(build, fetch)?)))
            .collect();
        meant::tell(build.dockerfile, &mut refused);
        findings.extend(refused.into_iter().map(|(_, finding)| finding));
        let runs = runs::all(build, &plan.runs);
        findings.extend(runs.findings);
        let (edits, problems) = edits::edits(build, &plan, &fetches, &runs.without_network);
        findings.extend(problems);
        let rewritten = edit::apply(build.bytes, &edits).unwrap_or_else(|error| {
            findings.push(Finding {
                kind: Kind::Unsupported,
                file: build.file.to_owned(),
                place: None,
                subject: String::new(),
                cause: format!("the pins cannot be written into the file: {error}"),
                next: "write each source of this ADD in an instruction of its own".to_owned(),
            });
            edit::unchanged(build.bytes)
        });
        let contexts = judge::pinned_contexts(build, &plan, &fetches);
        platforms.push(PlatformOutcome {
            platform: platform.clone(),
            plan,
            fetches,
            without_network: runs.without_network,
            rewritten,
            contexts,
            force_no_network: runs.force_no_network,
        });
    }
    let mut findings: Vec<Finding> = findings.into_iter().map(Finding::without_secrets).collect();
    findings.sort_by_key(|finding| finding.place.as_ref().map(|place| place.first_line));
    let mut seen = BTreeSet::new();
    findings.retain(|finding| seen.insert(finding.clone()));
    Ok(Outcome {
        platforms,
        findings,
    })
}

/// What was learnt of images so far; asked once each.
#[derive(Debug, Default)]
struct Memory {
    images: BTreeMap<(ImageReference, Platform), Result<Image, ResolveError>>,
}

/// What decides about an image's digest, before anybody is asked.
fn known_digest(
    build: &Build<'_>,
    reference: &ImageReference,
    platform: &Platform,
) -> Option<(Digest, PinSource)> {
    if let Some(digest) = reference.digest() {
        return Some((digest.clone(), PinSource::Written));
    }
    let locked = build.lock.image(reference, Some(&platform.short()))?;
    Some((locked.digest.clone(), PinSource::Lock))
}

/// Collects what the target fetches, learning the configurations of its bases as it goes.
async fn collect<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    platform: &Platform,
    memory: &mut Memory,
) -> Result<(Plan, Vec<Finding>), Unreadable> {
    let options = build.options(platform);
    let mut configs = Configs::default();
    for _ in 0..MAX_ROUNDS {
        let plan = fetch::collect(build.dockerfile, &options, &configs)?;
        let fetches = plan.fetches.len().max(plan.missing.len());
        if fetches > MAX_FETCHES {
            let cause =
                format!("it fetches in {fetches} places, and at most {MAX_FETCHES} are judged");
            return Ok((
                plan,
                vec![whole_file(
                    build,
                    "the Dockerfile",
                    cause,
                    "divide it into several builds",
                )],
            ));
        }
        if plan.missing.is_empty() {
            return Ok((plan, Vec::new()));
        }
        let asked = plan
            .missing
            .iter()
            .map(|base| learn(build, resolver, base, platform));
        let answers: Vec<Learnt> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        for (base, answer) in plan.missing.iter().zip(answers) {
            // A base that cannot be learnt has a finding of its own when it is judged.
            let config = match answer {
                Learnt::Image(learnt) => {
                    let LearntImage { key, image } = *learnt;
                    let config = image
                        .as_ref()
                        .map(|image| image.config.clone())
                        .unwrap_or_default();
                    memory.images.insert(key, image);
                    config
                }
                Learnt::Other(config) => config,
            };
            configs.known.insert(base.clone(), config);
        }
    }
    let plan = fetch::collect(build.dockerfile, &options, &configs)?;
    let cause = format!("the bases bring new bases more than {MAX_ROUNDS} times over");
    let finding = whole_file(
        build,
        "ONBUILD",
        cause,
        "build upon an image without triggers",
    );
    Ok((plan, vec![finding]))
}

fn too_large(build: &Build<'_>) -> Option<Finding> {
    let stages = || {
        let all = build.dockerfile.instructions();
        all.filter(|node| node.kind() == Keyword::From)
    };
    let (first, cause) = if let Some(node) = stages().nth(MAX_STAGES) {
        let count = stages().count();
        let cause = format!("it has {count} stages, and at most {MAX_STAGES} are read");
        (Some(node), cause)
    } else if let Some(node) = build.dockerfile.instructions().nth(MAX_INSTRUCTIONS) {
        let count = build.dockerfile.instructions().count();
        let cause = format!("it has {count} instructions, and at most {MAX_INSTRUCTIONS} are read");
        (Some(node), cause)
    } else if has_too_many_lines(build.bytes) {
        let cause = format!("it has more than the {MAX_LINES} lines that are read");
        (None, cause)
    } else {
        return None;
    };
    Some(Finding {
        place: first.map(|node| {
            let (start, end) = node.lines();
            Place::lines(line(start), line(end))
        }),
        ..whole_file(
            build,
            "the Dockerfile",
            cause,
            "divide it into several builds, or copy long texts from files",
        )
    })
}

/// Whether a file has so many lines that the stock frontend, whose time for a heredoc grows with the square of its lines, might be
/// busy for minutes: it may not be given such a file.
#[must_use]
pub fn has_too_many_lines(dockerfile: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', dockerfile)
        .nth(MAX_LINES)
        .is_some()
}

/// The finding for a Dockerfile that cannot be read or planned.
#[must_use]
pub fn unreadable(file: &str, error: &fetch::Error) -> Finding {
    // It may quote a word as long as the file.
    let cause = error.to_string();
    let cause = match cause.char_indices().nth(MAX_CAUSE) {
        Some((end, _)) => format!("{} ...", cause.get(..end).unwrap_or_default()),
        None => cause,
    };
    let (start, end) = error.lines;
    Finding {
        kind: Kind::Dockerfile,
        file: file.to_owned(),
        place: Some(
            Place::lines(line(start), line(end)).with_span(error.span.start..error.span.end),
        ),
        subject: String::new(),
        cause,
        next: "correct the line; the grammar is that of BuildKit v0.32 (docker/dockerfile 1.26)"
            .into(),
    }
}

fn line(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A finding about no line.
fn whole_file(build: &Build<'_>, subject: &str, cause: String, next: &str) -> Finding {
    Finding {
        kind: Kind::Unsupported,
        file: build.file.to_owned(),
        place: None,
        subject: subject.to_owned(),
        cause,
        next: next.to_owned(),
    }
}

enum Learnt {
    Image(Box<LearntImage>),
    Other(ImageConfig),
}

struct LearntImage {
    key: (ImageReference, Platform),
    image: Result<Image, ResolveError>,
}

async fn learn<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    base: &Base,
    target: &Platform,
) -> Learnt {
    let (reference, platform) = match base {
        Base::Image {
            reference,
            platform,
        } => (reference.clone(), platform),
        Base::Context(key) => {
            let value = build
                .contexts
                .get(key)
                .map(String::as_str)
                .unwrap_or_default();
            match judge::context_image(value) {
                Some(reference) => (reference, target),
                None => {
                    return Learnt::Other(
                        resolver
                            .context(key, value, target)
                            .await
                            .unwrap_or_default(),
                    );
                }
            }
        }
    };
    let image = match known_digest(build, &reference, platform) {
        Some((digest, _)) => {
            resolver
                .image(&reference.with_digest(digest), platform)
                .await
        }
        None if build.locked => Err(ResolveError::Offline),
        // It has its finding without asking anybody.
        None if build
            .policy
            .refuses(&Subject::image(&reference), build.now)
            .is_some() =>
        {
            Err(ResolveError::Offline)
        }
        None => resolver.image(&reference, platform).await,
    };
    Learnt::Image(Box::new(LearntImage {
        key: (reference, platform.clone()),
        image,
    }))
}

/// The lines and bytes of `place`, as a report shows them.
fn place(place: &fetch::Place) -> Place {
    let line = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
    Place::lines(line(place.lines.0), line(place.lines.1))
        .with_span(place.span.start..place.span.end)
}

/// What a fetch is called in messages: as written, and as expanded where that differs.
fn subject(fetch: &Fetch) -> String {
    let origin = match fetch.origin {
        fetch::Origin::From => "FROM",
        fetch::Origin::CopyFrom => "COPY --from",
        fetch::Origin::MountFrom => "RUN --mount from",
        fetch::Origin::Add => "ADD",
    };
    match &fetch.place.trigger {
        Some(trigger) => format!(
            "{origin} {} (by the trigger `{}`)",
            fetch.expanded, trigger.text
        ),
        None => format!("{origin} {}", fetch.expanded),
    }
}
