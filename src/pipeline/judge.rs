//! The pin of each fetch, and what the policy says of it.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _};

use super::{
    AT_ONCE, Build, Memory, known_digest, place,
    prove::{At, Proven, prove},
    subject,
};
use crate::{
    digest::Digest,
    fetch::{Fetch, GitSource, Origin, Plan, Platform, Source},
    lock::{Item, Key, Lock},
    policy::{Body, Pin, Replaced, Subject, Verdict, url},
    reference::ImageReference,
    report::{Finding, Kind},
    resolve::{Resolve, ResolveError},
};

/// Where a pin comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinSource {
    /// It stands in the Dockerfile or in the build's options.
    Written,
    /// `Dockerfile.lock`.
    Lock,
    /// Resolved just now.
    Live,
}

/// What became of one fetch.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What it is fixed to, and who says so. `None`: nothing is (see `problem`), or it is the client's own folder.
    pub pin: Option<(Pin, PinSource)>,
    /// What the policy says; `None` if it could not be asked.
    pub verdict: Option<Verdict>,
    /// The image that it really is, where a named context stands in.
    pub image: Option<ImageReference>,
    /// Why there is no pin or no verdict: kind, cause, next step.
    pub problem: Option<(Kind, String, String)>,
    /// The proofs that were fetched for it, needed or not.
    pub found: Vec<Item>,
}

impl Judged {
    fn refused(kind: Kind, cause: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            pin: None,
            verdict: None,
            image: None,
            problem: Some((kind, cause.into(), next.into())),
            found: Vec::new(),
        }
    }

    /// Whether the build may use it.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problem.is_none()
            && self
                .verdict
                .as_ref()
                .is_none_or(|verdict| !verdict.is_refused())
    }

    /// Why the build may not use it: kind, cause, next step. `None` if it may.
    #[must_use]
    pub fn refusal(&self) -> Option<(Kind, String, String)> {
        match (&self.problem, &self.verdict) {
            (Some(problem), _) => Some(problem.clone()),
            (None, Some(verdict)) => {
                refusal(verdict).map(|(cause, next)| (Kind::Unverified, cause, next))
            }
            (None, None) => None,
        }
    }

    /// The digest that it is fixed to.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        match &self.pin {
            Some((Pin::Digest(digest), _)) => Some(digest),
            _ => None,
        }
    }

    /// The commit that it is fixed to.
    #[must_use]
    pub fn commit(&self) -> Option<&str> {
        match &self.pin {
            Some((Pin::Commit(commit), _)) => Some(commit),
            _ => None,
        }
    }

    /// What stops the build, if anything.
    pub(super) fn findings(&self, build: &Build<'_>, fetch: &Fetch) -> Option<Finding> {
        let (mut kind, mut cause, next) = self.refusal()?;
        if let Some(then) = self.locked(build.lock, fetch) {
            cause = format!("{cause}\n{then}");
        }
        if kind == Kind::Unverified && matches!(fetch.source, Source::Context { .. }) {
            kind = Kind::Context;
        }
        Some(Finding {
            kind,
            file: build.file.to_owned(),
            place: Some(place(&fetch.place)),
            subject: subject(fetch),
            cause,
            next,
        })
    }

    /// Why something is in the lock that is refused now; `None` if it is not from there.
    fn locked(&self, lock: &Lock, fetch: &Fetch) -> Option<String> {
        let pin = match self.pin.as_ref()? {
            (Pin::Digest(digest), PinSource::Lock) => digest.to_string(),
            (Pin::Commit(commit), PinSource::Lock) => commit.clone(),
            _ => return None,
        };
        let same = |key: &Key| match (key, &fetch.source) {
            (Key::Image(reference, _), Source::Image { reference: own, .. }) => {
                *reference == own.clone().with_default_tag()
            }
            (Key::Http(url), Source::Http { url: own, .. }) => {
                url::http(own).is_ok_and(|own| own == *url)
            }
            (Key::Git(remote, reference), Source::Git(git)) => {
                *reference == git.reference && url::git(&git.remote).is_ok_and(|own| own == *remote)
            }
            _ => false,
        };
        let (_, entry) = lock
            .entries()
            .find(|(key, entry)| entry.pin == pin && same(key))?;
        let names: Vec<String> = entry
            .verified_by
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        Some(if names.is_empty() {
            format!("the lock has it as {pin}, which was accepted without a signature then")
        } else {
            format!(
                "the lock has it as {pin}, which was signed by {} then",
                names.join(" and ")
            )
        })
    }
}

/// Cause and next step of a refusal; `None` if it is none.
pub fn refusal(verdict: &Verdict) -> Option<(String, String)> {
    let Verdict::Refused(refusals) = verdict else {
        return None;
    };
    let causes: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    let mut next: Vec<&str> = Vec::new();
    for refusal in refusals {
        if !next.contains(&refusal.next.as_str()) {
            next.push(&refusal.next);
        }
    }
    Some((causes.join("\n"), next.join("\n")))
}

/// Judges each fetch; each different one once, all at the same time.
pub(super) async fn all<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    memory: &Memory,
    fetches: &[Fetch],
) -> Vec<Judged> {
    let mut first: Vec<usize> = Vec::new();
    let mut same_as = Vec::with_capacity(fetches.len());
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (index, fetch) in fetches.iter().enumerate() {
        // The debug form of source and origin names everything that the judgement depends on.
        let replaced = matches!(fetch.source, Source::Context { .. }).then_some(&fetch.expanded);
        let key = format!(
            "{:?} {:?} {replaced:?} {:?}",
            fetch.origin == Origin::From,
            fetch.place.trigger.is_some(),
            fetch.source
        );
        let at = *known.entry(key).or_insert_with(|| {
            first.push(index);
            first.len().saturating_sub(1)
        });
        same_as.push(at);
    }
    let asked = first
        .iter()
        .filter_map(|index| fetches.get(*index))
        .map(|fetch| one(build, resolver, memory, fetch));
    let judged: Vec<Judged> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    same_as
        .into_iter()
        .filter_map(|at| judged.get(at).cloned())
        .collect()
}

async fn one<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    memory: &Memory,
    fetch: &Fetch,
) -> Judged {
    match &fetch.source {
        Source::Image {
            reference,
            platform,
        } => known_image(build, resolver, memory, reference, platform).await,
        Source::Http { url, checksum } => {
            file(
                build,
                resolver,
                url,
                checksum.as_deref(),
                Body::default(),
                fetch.place.trigger.is_some(),
            )
            .await
        }
        Source::Git(source) => git(build, resolver, source, fetch.place.trigger.is_some()).await,
        Source::Context { key, platform } => {
            context(build, resolver, memory, fetch, key, platform).await
        }
    }
}

/// An image: digest as written, as locked, or as it is now; then the policy, with the lock's proofs or live ones.
pub(super) async fn known_image<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    memory: &Memory,
    reference: &ImageReference,
    platform: &Platform,
) -> Judged {
    let subject = Subject::image(reference);
    let learnt = memory.images.get(&(reference.clone(), platform.clone()));
    let (digest, source) = match known_digest(build, reference, platform) {
        // Whatever its digest, a base that cannot be read cannot be built upon.
        Some(_) if matches!(learnt, Some(Err(ResolveError::Failed { .. }))) => {
            let Some(Err(error)) = learnt else {
                return not_locked(reference);
            };
            return unresolved(error.clone(), reference);
        }
        Some(known) => known,
        None if build.locked => return not_locked(reference),
        None if build.policy.refuses(&subject, build.now).is_some() => {
            return unasked(build, &subject);
        }
        None => {
            let answer = match learnt {
                Some(answer) => answer.clone(),
                None => resolver.image(reference, platform).await,
            };
            match answer {
                Ok(image) => (image.digest, PinSource::Live),
                Err(error) => return unresolved(error, reference),
            }
        }
    };
    let pin = Pin::Digest(digest.clone());
    let at = At::Image {
        reference,
        digest: &digest,
    };
    let Proven {
        verdict,
        problem,
        found,
    } = prove(build, resolver, &subject, &pin, at).await;
    Judged {
        pin: Some((pin, source)),
        verdict: Some(verdict),
        image: Some(reference.clone()),
        problem,
        found,
    }
}

/// An image that no instruction names, such as the scanner of an SBOM.
pub async fn image<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    reference: &ImageReference,
    platform: &Platform,
) -> Judged {
    known_image(build, resolver, &Memory::default(), reference, platform).await
}

/// A file that no instruction names, fixed by `checksum`.
pub async fn http<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    url: &str,
    checksum: Option<&str>,
) -> Judged {
    file(build, resolver, url, checksum, Body::default(), false).await
}

/// A file that a RUN step downloads, with what is known of it.
pub async fn body<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    url: &str,
    digest: &Digest,
    body: Body,
) -> Judged {
    file(build, resolver, url, Some(&digest.to_string()), body, false).await
}

/// A repository that no instruction names, which must be fixed by `reference` or `checksum`.
pub async fn git_at<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    remote: &str,
    reference: &str,
    checksum: Option<&String>,
) -> Judged {
    let source = GitSource {
        remote: remote.to_owned(),
        reference: reference.to_owned(),
        checksum: checksum.cloned(),
        ..GitSource::default()
    };
    git(build, resolver, &source, true).await
}

async fn file<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    url: &str,
    checksum: Option<&str>,
    body: Body,
    in_trigger: bool,
) -> Judged {
    let subject = match Subject::body(url, body) {
        Ok(subject) => subject,
        Err(error) => {
            return Judged::refused(
                Kind::Unsupported,
                error.to_string(),
                "write the URL in its plain form",
            );
        }
    };
    if in_trigger && checksum.is_none() {
        return Judged::refused(
            Kind::Unpinnable,
            "a trigger of the base image adds a file without a checksum, and a trigger cannot be rewritten",
            "build upon an image without that trigger, or have its author add --checksum",
        );
    }
    let (digest, source) = match checksum.map(str::parse::<Digest>) {
        Some(Ok(digest)) => (digest, PinSource::Written),
        Some(Err(error)) => {
            return Judged::refused(
                Kind::Dockerfile,
                format!("--checksum: {error}"),
                "write sha256:<64 digits>",
            );
        }
        None => match build.lock.http(url) {
            Some(locked) => (locked.digest.clone(), PinSource::Lock),
            None if build.locked => return not_locked(url),
            None if build.policy.refuses(&subject, build.now).is_some() => {
                return unasked(build, &subject);
            }
            None => match resolver.http(url).await {
                Ok(digest) => (digest, PinSource::Live),
                Err(error) => return unresolved(error, url),
            },
        },
    };
    if digest.algorithm() != crate::digest::Algorithm::Sha256 {
        return Judged::refused(
            Kind::Unsupported,
            format!("BuildKit checks files by SHA-256 only, and the pin is {digest}"),
            "use the SHA-256 digest of the file",
        );
    }
    let pin = Pin::Digest(digest.clone());
    let at = At::File {
        url,
        digest: &digest,
    };
    let Proven {
        verdict,
        problem,
        found,
    } = prove(build, resolver, &subject, &pin, at).await;
    Judged {
        pin: Some((pin, source)),
        verdict: Some(verdict),
        image: None,
        problem,
        found,
    }
}

async fn git<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    source: &GitSource,
    in_trigger: bool,
) -> Judged {
    let subject = match Subject::git(&source.remote, &source.reference) {
        Ok(subject) => subject,
        Err(error) => {
            return Judged::refused(
                Kind::Unsupported,
                error.to_string(),
                "write the remote in its plain form",
            );
        }
    };
    // BuildKit takes only lower case for a commit; anything else may be a branch of that name.
    let lower = !source
        .reference
        .bytes()
        .any(|byte| byte.is_ascii_uppercase());
    let written = (lower && is_commit(&source.reference)).then_some(&source.reference);
    let full_checksum = source
        .checksum
        .as_ref()
        .filter(|checksum| is_commit(checksum));
    if in_trigger && written.is_none() && full_checksum.is_none() {
        return Judged::refused(
            Kind::Unpinnable,
            "a trigger of the base image adds a repository without a full commit, and a trigger cannot be rewritten",
            "build upon an image without that trigger, or have its author name the commit",
        );
    }
    let (commit, object, from) = match written.or(full_checksum) {
        Some(commit) => (commit.to_ascii_lowercase(), None, PinSource::Written),
        None => match build.lock.git(&source.remote, &source.reference) {
            Some(commit) => (commit.to_owned(), None, PinSource::Lock),
            None if build.locked => return not_locked(&source.remote),
            None if build.policy.refuses(&subject, build.now).is_some() => {
                return unasked(build, &subject);
            }
            None => match resolver.git(source).await {
                Ok(resolved) => (resolved.commit, Some(resolved.object), PinSource::Live),
                Err(error) => return unresolved(error, &source.remote),
            },
        },
    };
    // As BuildKit compares it: the beginning is enough, of the commit or of the tag.
    if let Some(checksum) = source
        .checksum
        .as_ref()
        .map(|checksum| checksum.to_ascii_lowercase())
        && !commit.starts_with(&checksum)
        && !object.is_some_and(|object| object.starts_with(&checksum))
    {
        return Judged::refused(
            Kind::Conflict,
            format!("expected checksum to match {checksum}, got {commit}"),
            "correct the one that is wrong: the commit in the Dockerfile, or the lock",
        );
    }
    let pin = Pin::Commit(commit.clone());
    let at = At::Commit {
        source,
        commit: &commit,
    };
    let Proven {
        verdict,
        problem,
        found,
    } = prove(build, resolver, &subject, &pin, at).await;
    Judged {
        pin: Some((pin, from)),
        verdict: Some(verdict),
        image: None,
        problem,
        found,
    }
}

/// The image of a registry that a named context stands for, normalised; `None` if it is something else.
pub(super) fn context_image(value: &str) -> Option<ImageReference> {
    let reference = value.strip_prefix("docker-image:")?;
    let reference = reference.strip_prefix("//").unwrap_or(reference);
    (reference != "scratch").then(|| {
        ImageReference::parse(reference)
            .ok()
            .map(ImageReference::with_default_tag)
    })?
}

async fn context<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    memory: &Memory,
    fetch: &Fetch,
    key: &str,
    platform: &Platform,
) -> Judged {
    let value = build
        .contexts
        .get(key)
        .map(String::as_str)
        .unwrap_or_default();
    if let Some(reference) = context_image(value) {
        return known_image(build, resolver, memory, &reference, platform).await;
    }
    let scheme = value.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "docker-image" if is_scratch(value) => stand_in(build, fetch, Replaced::Source),
        // What the graph itself fetches is judged apart.
        "input" => stand_in(build, fetch, Replaced::Source),
        "local" => {
            let replaced = if fetch.origin == Origin::From {
                Replaced::Base
            } else {
                Replaced::Source
            };
            stand_in(build, fetch, replaced)
        }
        "oci-layout" => layout(build, value),
        "http" | "https" | "git" | "ssh" => remote_context(build, resolver, value).await,
        other if other.starts_with("git@") => remote_context(build, resolver, value).await,
        _ => Judged::refused(
            Kind::Unsupported,
            format!(
                "the named context {key} is {value:?}, of a kind that this version does not know"
            ),
            "give it as docker-image://, oci-layout://, a git or http URL, or a folder",
        ),
    }
}

/// Whether a named context is the empty image.
fn is_scratch(value: &str) -> bool {
    matches!(value, "docker-image://scratch" | "docker-image:scratch")
}

/// Something without a digest of its own in the place of an image or a stage: a folder or a graph of the client, or nothing.
fn stand_in(build: &Build<'_>, fetch: &Fetch, replaced: Replaced) -> Judged {
    let verdict = match ImageReference::parse(&fetch.expanded) {
        Ok(reference) => build.policy.local_override(&reference, replaced, build.now),
        Err(_) => Verdict::Accepted(Vec::new()),
    };
    Judged {
        pin: None,
        verdict: Some(verdict),
        image: None,
        problem: None,
        found: Vec::new(),
    }
}

/// An image in an OCI layout of the client: `oci-layout://STORE[:TAG]@DIGEST`.
fn layout(build: &Build<'_>, value: &str) -> Judged {
    let Some((store, digest)) = crate::reference::layout(value) else {
        return Judged::refused(
            Kind::Unpinned,
            format!("{value} has no digest"),
            "name the image in the layout by its digest: oci-layout://STORE@sha256:...",
        );
    };
    let pin = Pin::Digest(digest);
    let verdict = build
        .policy
        .judge(&Subject::layout(store), &pin, build.evidence, build.now);
    Judged {
        pin: Some((pin, PinSource::Written)),
        verdict: Some(verdict),
        image: None,
        problem: None,
        found: Vec::new(),
    }
}

async fn remote_context<R: Resolve>(build: &Build<'_>, resolver: &R, value: &str) -> Judged {
    match crate::fetch::git_url(value) {
        Ok(Some(source)) => git(build, resolver, &source, false).await,
        Ok(None) if value.starts_with("http://") || value.starts_with("https://") => {
            file(build, resolver, value, None, Body::default(), false).await
        }
        Ok(None) => Judged::refused(
            Kind::Unsupported,
            format!("{value} is neither a git repository nor a URL of a file"),
            "give the named context as a git or http URL",
        ),
        Err(error) => Judged::refused(
            Kind::Dockerfile,
            error.to_string(),
            "correct the URL of the named context",
        ),
    }
}

/// What the policy refuses anyway: nobody outside is asked about it.
fn unasked(build: &Build<'_>, subject: &Subject) -> Judged {
    let verdict = build.policy.refuses(subject, build.now);
    Judged {
        pin: None,
        verdict,
        image: None,
        problem: None,
        found: Vec::new(),
    }
}

fn not_locked(what: impl std::fmt::Display) -> Judged {
    Judged::refused(
        Kind::Unpinned,
        format!("{what} is not in the lock, and only what is in the lock may be used"),
        "add it to the lock, or build without `locked`",
    )
}

fn unresolved(error: ResolveError, what: impl std::fmt::Display) -> Judged {
    match error {
        ResolveError::Offline => Judged::refused(
            Kind::Unpinned,
            format!("{what} is not in the lock, so its digest is not known here"),
            "add it to the lock; without a lock, a build resolves and verifies it live",
        ),
        ResolveError::Failed { cause, next } => Judged::refused(
            Kind::Unpinned,
            format!("{what} cannot be resolved: {cause}"),
            next,
        ),
    }
}

/// Whether `text` is a full commit id of SHA-1 or SHA-256.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The values to hand to the nested frontend for the named contexts that the plan uses.
pub(super) fn pinned_contexts(
    build: &Build<'_>,
    plan: &Plan,
    fetches: &[Judged],
) -> BTreeMap<String, String> {
    let mut contexts = BTreeMap::new();
    for key in &plan.contexts {
        if let Some(value) = build.contexts.get(key) {
            contexts.insert(key.clone(), value.clone());
        }
    }
    for (fetch, judged) in plan.fetches.iter().zip(fetches) {
        let Source::Context { key, .. } = &fetch.source else {
            continue;
        };
        let Some(value) = build.contexts.get(key) else {
            continue;
        };
        let pinned = match (&judged.pin, &judged.image) {
            (Some((Pin::Digest(digest), _)), Some(image)) => {
                format!("docker-image://{}", image.with_digest(digest.clone()))
            }
            (Some((Pin::Commit(commit), _)), _) => match super::edits::git_at_commit(value, commit)
            {
                Some(pinned) => pinned,
                None => continue,
            },
            _ => continue,
        };
        contexts.insert(key.clone(), pinned);
    }
    contexts
}
