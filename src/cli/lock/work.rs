//! One Dockerfile: everything that it may fetch, for all platforms, targets and sets of arguments, and its new lock.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use futures_util::future;

use super::{
    LockArgs,
    changes::{Change, Changes, Made},
    steps::Steps,
};
use crate::{
    cli::{
        CannotRun,
        project::{self, Inputs, Project},
    },
    digest::Digest,
    fetch::{self, Fetch, Source},
    lock::{Entry, Evidence, Item, Key, Lock, sweep, write_atomic},
    pipeline::{self, Build, Judged},
    policy::{By, Pin, Subject, Verdict, Wanted, glob::Glob, url},
    report::{Finding, Kind},
    resolve::{Resolve as _, live::Live},
    shell::Budget,
    verify::attestation::Signed,
};

/// What became of one Dockerfile.
pub(super) struct Locked {
    /// What is different from before, in the order of the file.
    pub changes: Vec<Change>,
    /// What stops a build, as far as fetches go.
    pub findings: Vec<Finding>,
    /// How many things it fetches.
    pub fetches: usize,
    /// How many steps no rule allows: that is not the lock's matter.
    pub refused_steps: usize,
    /// Those that download.
    pub steps: Steps,
    /// How many recordings were taken out.
    pub pruned_steps: usize,
    /// The texts of lock and evidence; `None` where nothing changed.
    pub lock: Option<String>,
    evidence: Option<Written>,
}

struct Written {
    /// With what the old lock needs, too.
    both: String,
    new: String,
}

impl Locked {
    fn refused(finding: Finding) -> Self {
        Self {
            changes: Vec::new(),
            findings: vec![finding],
            fetches: 0,
            refused_steps: 0,
            steps: Steps::default(),
            pruned_steps: 0,
            lock: None,
            evidence: None,
        }
    }

    /// The files to write, one after the other: in between, each lock finds its evidence.
    pub(super) fn files(&self, project: &Project) -> Vec<(PathBuf, String)> {
        let (lock, evidence) = (project.path_beside("lock"), project.path_beside("evidence"));
        let mut files = Vec::new();
        if let Some(text) = &self.evidence {
            files.push((evidence.clone(), text.both.clone()));
        }
        if let Some(text) = &self.lock {
            files.push((lock, text.clone()));
        }
        if let Some(text) = self.evidence.as_ref().filter(|text| text.new != text.both) {
            files.push((evidence, text.new.clone()));
        }
        files
    }
}

/// Writes them, and clears away what others that were ended have left of them.
pub(super) fn write(files: &[(PathBuf, String)], beside: &[PathBuf]) -> Result<(), CannotRun> {
    for path in beside {
        sweep(path);
    }
    for (path, text) in files {
        write_atomic(path, text.as_bytes())
            .map_err(|error| CannotRun::new(path.display(), error))?;
    }
    Ok(())
}

pub(super) async fn lock(
    project: &Project,
    args: &LockArgs,
    live: &Live,
) -> Result<Locked, CannotRun> {
    let mut inputs = match project.inputs()? {
        Ok(inputs) => inputs,
        Err(finding) => return Ok(Locked::refused(finding)),
    };
    let old = inputs.lock.clone();
    if let Some(pattern) = &args.update {
        let glob = Glob::new(pattern);
        for (key, _) in old.entries() {
            let whole = match &key {
                Key::Image(reference, Some(_)) => Key::Image(reference.clone(), None).to_string(),
                key => key.to_string(),
            };
            if glob.matches(&whole) {
                inputs.lock.remove(&key);
            }
        }
    }
    let sets = argument_sets(args, &inputs)?;
    let targets = if args.targets.is_empty() {
        match pipeline::targets(&project.build(&inputs)) {
            Ok(targets) => targets,
            Err(finding) => return Ok(Locked::refused(*finding)),
        }
    } else {
        let own = args.build.target.iter().chain(&args.targets);
        own.cloned().map(Some).collect()
    };
    let mut builds = Vec::new();
    for build_args in &sets {
        for target in &targets {
            for platform in &inputs.platforms {
                builds.push(Build {
                    target: target.as_deref(),
                    build_args,
                    platforms: std::slice::from_ref(platform),
                    // What is missing is what this is for.
                    locked: args.check,
                    ..project.build(&inputs)
                });
            }
        }
    }
    let outcomes = future::join_all(builds.iter().map(|build| async {
        // The pipeline asks in an order; what is known to be wanted need not wait for it.
        future::join(ahead(build, live), pipeline::run(build, live))
            .await
            .1
    }))
    .await;
    let mut changes = Changes::new(&old, live, &args.accept_signer, &project.name);
    let mut findings = BTreeSet::new();
    let mut fetched = BTreeSet::new();
    let (mut steps, mut budget) = (Steps::default(), Budget::default());
    for (build, outcome) in builds.iter().zip(outcomes) {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                findings.insert(pipeline::unreadable(&project.name, &error));
                continue;
            }
        };
        findings.extend(outcome.findings);
        let variant = (build.target.map(str::to_owned), build.build_args.clone());
        steps.add(
            &project.name,
            &variant,
            &outcome.platforms,
            &old,
            &mut budget,
        );
        for built in &outcome.platforms {
            for (fetch, judged) in built.plan.fetches.iter().zip(&built.fetches) {
                let Some(key) = key(fetch, judged, &inputs) else {
                    continue;
                };
                fetched.insert(key.clone());
                if judged.passed() {
                    let (entry, items) = entry(judged, &inputs.evidence);
                    changes.take(key, judged, entry, items);
                }
            }
        }
    }
    let (refused, mut findings): (Vec<Finding>, Vec<Finding>) = findings
        .into_iter()
        .partition(|finding| finding.kind == Kind::Run);
    // A Dockerfile of which something is not known is not known to do without anything.
    if args.prune && findings.is_empty() {
        changes.prune(&fetched);
    }
    let mut made = changes.finish();
    findings.extend(std::mem::take(&mut made.findings));
    findings.sort_by_key(|finding| finding.place.as_ref().map(|place| place.first_line));
    let prune = args.prune && findings.is_empty();
    let pruned_steps = if prune {
        steps.prune(&mut made.lock)
    } else {
        0
    };
    let (lock, evidence) = texts(project, &old, &made, &inputs.evidence, prune);
    Ok(Locked {
        changes: made.changes,
        findings,
        fetches: fetched.len(),
        refused_steps: refused.len(),
        steps,
        pruned_steps,
        lock,
        evidence,
    })
}

/// Asks for everything that is not fixed, and that no rule refuses anyway, at once.
async fn ahead(build: &Build<'_>, live: &Live) {
    if build.locked {
        return;
    }
    let [platform] = build.platforms else {
        return;
    };
    let options = build.options(platform);
    // What bases bring is not known yet.
    let configs = fetch::Configs {
        assumed: Some(fetch::ImageConfig::default()),
        ..fetch::Configs::default()
    };
    let Ok(plan) = fetch::collect(build.dockerfile, &options, &configs) else {
        return;
    };
    let open = |subject: &Subject| build.policy.refuses(subject, build.now).is_none();
    let asked = plan.fetches.iter().map(|fetch| async {
        match &fetch.source {
            Source::Image {
                reference,
                platform,
            } => {
                let subject = Subject::image(reference);
                let fixed = reference.digest().is_some()
                    || build
                        .lock
                        .image(reference, Some(&platform.short()))
                        .is_some();
                if !fixed && open(&subject) {
                    let wanted = build.policy.wanted(&subject, build.now);
                    let signed = wanted.contains(&Wanted::Registry(Signed::Image));
                    live.prefetch(reference, platform, signed).await;
                }
            }
            Source::Http {
                url,
                checksum: None,
            } => {
                if build.lock.http(url).is_none() && Subject::http(url).is_ok_and(|url| open(&url))
                {
                    let _ = live.http(url).await;
                }
            }
            Source::Http { .. } | Source::Git(_) | Source::Context { .. } => {}
        }
    });
    future::join_all(asked).await;
}

/// The arguments of `--build-arg`, alone if there are no sets, else with each set.
fn argument_sets(
    args: &LockArgs,
    inputs: &Inputs,
) -> Result<Vec<BTreeMap<String, String>>, CannotRun> {
    let mut sets = Vec::new();
    for set in &args.sets {
        let words: Vec<String> = set.split(',').map(str::to_owned).collect();
        if words.iter().any(|word| !word.contains('=')) {
            return Err(CannotRun::new(
                "--with",
                format!("{set:?} is not KEY=VALUE,.."),
            ));
        }
        let mut all = inputs.build_args.clone();
        all.extend(project::build_args(&words));
        sets.push(all);
    }
    if sets.is_empty() {
        sets.push(inputs.build_args.clone());
    }
    Ok(sets)
}

/// Under what name a fetch is in the lock; `None` if it has none there.
fn key(fetch: &Fetch, judged: &Judged, inputs: &Inputs) -> Option<Key> {
    let git = |source: &crate::fetch::GitSource| {
        let remote = url::git(&source.remote).ok()?;
        Some(Key::Git(remote, source.reference.clone()))
    };
    match &fetch.source {
        Source::Image { reference, .. } => {
            Some(Key::Image(reference.clone().with_default_tag(), None))
        }
        Source::Http { url, .. } => Some(Key::Http(url::http(url).ok()?)),
        Source::Git(source) => git(source),
        Source::Context { key, .. } => match &judged.image {
            Some(reference) => Some(Key::Image(reference.clone().with_default_tag(), None)),
            None => {
                let value = inputs.contexts.get(key)?;
                match crate::fetch::git_url(value).ok()? {
                    Some(source) => git(&source),
                    None => Some(Key::Http(url::http(value).ok()?)),
                }
            }
        },
    }
}

/// What the lock says of it, and the evidence for that.
fn entry(judged: &Judged, evidence: &Evidence) -> (Entry, Vec<Item>) {
    let pin = match &judged.pin {
        Some((Pin::Digest(digest), _)) => digest.to_string(),
        Some((Pin::Commit(commit), _)) => commit.clone(),
        None => String::new(),
    };
    let mut pool: Evidence = evidence.clone();
    for item in &judged.found {
        pool.insert(item.subject().clone(), item.proof().clone());
    }
    let (mut verified_by, mut items) = (BTreeSet::new(), Vec::new());
    if let Some(Verdict::Verified(passed)) = &judged.verdict {
        for ground in passed {
            let By::Signature { key, evidence, .. } = &ground.by else {
                continue;
            };
            verified_by.insert(key.clone());
            let Some(item) = pool.iter().find(|item| item.id() == evidence) else {
                continue;
            };
            // What signs a list proves the file.
            for signed in item.proof().signed_elsewhere() {
                items.extend(pool.of(&signed).cloned());
            }
            items.push(item.clone());
        }
    }
    let mut ids: Vec<Digest> = items.iter().map(|item| item.id().clone()).collect();
    ids.sort();
    ids.dedup();
    let entry = Entry {
        pin,
        verified_by: verified_by.into_iter().collect(),
        evidence: ids,
    };
    (entry, items)
}

/// The texts to write, where they are others than before.
fn texts(
    project: &Project,
    old: &Lock,
    made: &Made,
    evidence: &Evidence,
    prune: bool,
) -> (Option<String>, Option<Written>) {
    let needed = |lock: &Lock| -> BTreeSet<Digest> {
        lock.entries()
            .flat_map(|(_, entry)| entry.evidence)
            .collect()
    };
    let Made {
        lock: new, items, ..
    } = made;
    let (before, mut now) = (needed(old), needed(new));
    now.extend(items.iter().map(|item| item.id().clone()));
    let mut both = evidence.clone();
    for item in items {
        both.insert(item.subject().clone(), item.proof().clone());
    }
    // What no entry names may be there for a reason that a person knows.
    let mut kept = Evidence::default();
    for item in both.iter() {
        if now.contains(item.id()) || !prune && !before.contains(item.id()) {
            kept.insert(item.subject().clone(), item.proof().clone());
        }
    }
    let old_text = String::from_utf8_lossy(project.beside("lock").unwrap_or_default());
    let text = new.render(&old_text);
    let lock = (new != old).then_some(text);
    let written = Written {
        both: both.to_string(),
        new: kept.to_string(),
    };
    let was = project.beside("evidence").unwrap_or_default();
    let changed = written.new.as_bytes() != was || written.both.as_bytes() != was;
    (lock, changed.then_some(written))
}
