//! The proofs that the policy asks for and the lock does not have: fetched, checked where the bytes are, and judged.

use futures_util::future;

use super::Build;
use crate::{
    digest::Digest,
    fetch::GitSource,
    lock::{Evidence, Item},
    policy::{Pin, Subject, Verdict, Wanted, commit_subject},
    reference::ImageReference,
    report::Kind,
    resolve::{Resolve, ResolveError},
    verify::{Proof, attestation::Signed, checksums},
};

/// Largest signature or list of checksums that is fetched, in bytes.
const MAX_FILE: usize = 16 << 20;

/// What is fetched.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Image {
        reference: &'a ImageReference,
        digest: &'a Digest,
    },
    File {
        url: &'a str,
        digest: &'a Digest,
    },
    Commit {
        source: &'a GitSource,
        commit: &'a str,
    },
}

type Problem = (Kind, String, String);

/// What came of it.
pub(super) struct Proven {
    /// With all proofs that can be had.
    pub verdict: Verdict,
    /// Why one cannot be had, if that may be the reason for a refusal.
    pub problem: Option<Problem>,
    /// The proofs that were fetched, for whoever keeps them.
    pub found: Vec<Item>,
}

/// Judges, with all proofs that can be had.
pub(super) async fn prove<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    subject: &Subject,
    pin: &Pin,
    at: At<'_>,
) -> Proven {
    let mut evidence = build.evidence.clone();
    let mut found = Vec::new();
    let (verdict, problem) =
        judged(build, resolver, subject, pin, at, &mut evidence, &mut found).await;
    Proven {
        verdict,
        problem,
        found: evidence
            .iter()
            .filter(|item| found.contains(item.id()))
            .cloned()
            .collect(),
    }
}

async fn judged<R: Resolve>(
    build: &Build<'_>,
    resolver: &R,
    subject: &Subject,
    pin: &Pin,
    at: At<'_>,
    evidence: &mut Evidence,
    fetched: &mut Vec<Digest>,
) -> (Verdict, Option<Problem>) {
    let judge = |evidence: &Evidence| build.policy.judge(subject, pin, evidence, build.now);
    let verdict = judge(build.evidence);
    let wanted = build.policy.wanted(subject, build.now);
    if !verdict.is_refused() || wanted.is_empty() {
        return (verdict, None);
    }
    // What is in the file may convince one layer, and what is found another.
    let (mut verdict, mut problem) = (verdict, None);
    let from_registry = wanted
        .iter()
        .any(|wanted| matches!(wanted, Wanted::Registry(_)));
    // What a cache has may be from before the image was signed.
    let attempts: &[bool] = match (build.locked, from_registry) {
        (true, _) => &[],
        (false, true) => &[false, true],
        (false, false) => &[false],
    };
    for &fresh in attempts {
        let found = future::try_join_all(
            wanted
                .iter()
                .map(|wanted| fetch(resolver, at, wanted, fresh)),
        )
        .await;
        problem = None;
        match found {
            Ok(found) => {
                for (subject, proof) in found.into_iter().flatten() {
                    fetched.push(evidence.insert(subject, proof));
                }
            }
            Err(ResolveError::Offline) => break,
            Err(ResolveError::Failed { cause, next }) => {
                let cause = format!("its signature cannot be fetched: {cause}");
                problem = Some((Kind::Unverified, cause, next));
            }
        }
        verdict = judge(evidence);
        if !verdict.is_refused() {
            return (verdict, None);
        }
    }
    if let At::File { url, digest } = at {
        let open = build.policy.unchecked(subject, pin, evidence, build.now);
        if !open.is_empty() {
            match resolver.over_bytes(url, digest, &open, build.now).await {
                Ok(outcomes) => {
                    for (check, outcome) in open.iter().zip(outcomes) {
                        evidence.note(check.item.id().clone(), check.key.id(), outcome);
                    }
                    problem = None;
                    verdict = judge(evidence);
                }
                Err(ResolveError::Offline) => problem = Some(not_here()),
                Err(ResolveError::Failed { cause, next }) => {
                    let cause = format!("its signature cannot be checked: {cause}");
                    problem = Some((Kind::Unverified, cause, next));
                }
            }
        }
    }
    if let At::File { url, digest } = at
        && build
            .policy
            .needs_digests(subject, pin, evidence, build.now)
    {
        match resolver.digests(url, digest).await {
            Ok(others) => {
                evidence.note_digests(digest.clone(), others);
                verdict = judge(evidence);
            }
            Err(ResolveError::Offline) => problem = Some(not_here()),
            Err(ResolveError::Failed { cause, next }) => {
                let cause = format!("it cannot be compared with the list: {cause}");
                problem = Some((Kind::Unverified, cause, next));
            }
        }
    }
    if !verdict.is_refused() {
        problem = None;
    }
    (verdict, problem)
}

fn not_here() -> Problem {
    let cause = "its signature is over the file's bytes, which are not here";
    let next = "build it: a build has the file, and checks the signature";
    (Kind::Unverified, cause.to_owned(), next.to_owned())
}

/// The proofs that `wanted` names, each with the digest it is offered for.
async fn fetch<R: Resolve>(
    resolver: &R,
    at: At<'_>,
    wanted: &Wanted,
    fresh: bool,
) -> Result<Vec<(Digest, Proof)>, ResolveError> {
    match (wanted, at) {
        (Wanted::Registry(Signed::Attestations), At::Image { reference, digest }) => {
            resolver.attestations(reference, digest, fresh).await
        }
        (Wanted::Registry(Signed::Image), At::Image { reference, digest }) => {
            let proofs = resolver.signatures(reference, digest, fresh).await?;
            Ok(proofs
                .into_iter()
                .map(|proof| (digest.clone(), proof))
                .collect())
        }
        (
            Wanted::Files {
                checksums: None,
                signature: Some(signature),
            },
            At::File { digest, .. },
        ) => Ok(vec![(digest.clone(), proof(resolver, signature).await?)]),
        (
            Wanted::Files {
                checksums: Some(list),
                signature,
            },
            At::File { digest, .. },
        ) => {
            let list = resolver.small_file(list, checksums::MAX_LIST).await?;
            let mut proofs = Vec::new();
            if let Some(signature) = signature {
                let proof = proof(resolver, signature).await?;
                proofs.push((Digest::sha256(&list), proof));
            }
            proofs.push((digest.clone(), Proof::Checksums(list)));
            Ok(proofs)
        }
        (Wanted::Objects, At::Commit { source, commit }) => {
            let objects = resolver.objects(source, commit).await?;
            Ok(vec![(commit_subject(commit), Proof::Git(objects))])
        }
        _ => Ok(Vec::new()),
    }
}

/// The signature at `url`.
async fn proof<R: Resolve>(resolver: &R, url: &str) -> Result<Proof, ResolveError> {
    let bytes = resolver.small_file(url, MAX_FILE).await?;
    Proof::of_file(bytes).map_err(|failure| ResolveError::Failed {
        cause: format!("{url}: {failure}"),
        next: "correct `signature` in the rule".to_owned(),
    })
}
