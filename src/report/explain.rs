//! Every fetch of a build, for review: where, what, to what it is fixed, by which rule, with which proof.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Finding, steps};
use crate::{
    fetch::{Fetch, Origin, Source},
    pipeline::{Judged, Outcome, PlatformOutcome},
    policy::{Pin, Verdict},
    shell::{Budget, Reading, redacted},
};

/// The fetches as a JSON object: `file`, `fetches`, `steps` and `findings`.
///
/// A fetch has `line`, `platform`, `instruction`, `reference`, `pin` (digest or commit), `pinned_by` (`written`, `lock`, `live`), `verdict`
/// (`verified`, `accepted`, `refused`, `local`) and `grounds`, the rules that decided, in words.
#[must_use]
pub fn json(file: &str, outcome: &Outcome) -> Value {
    let rows: Vec<Value> = outcome
        .platforms
        .iter()
        .flat_map(|built| {
            built
                .plan
                .fetches
                .iter()
                .zip(&built.fetches)
                .map(|(fetch, judged)| row(built, fetch, judged, &grounds(judged)))
        })
        .collect();
    json!({
        "file": file,
        "fetches": rows,
        "steps": steps(outcome),
        "findings": findings(&outcome.findings),
    })
}

/// One fetch of `built`, and what became of it on which grounds.
pub(super) fn row<G: Serialize>(
    built: &PlatformOutcome,
    fetch: &Fetch,
    judged: &Judged,
    grounds: &[G],
) -> Value {
    json!({
        "line": fetch.place.lines.0,
        "platform": built.platform.to_string(),
        "instruction": instruction(fetch.origin),
        "reference": redacted(&fetch.expanded).0,
        "source": redacted(&what(&fetch.source)).0,
        "loaded": fetch.loaded,
        "pin": judged.pin.as_ref().map(|(pin, _)| pinned(pin)),
        "pinned_by": judged.pin.as_ref().map(|(_, by)| by),
        "verdict": verdict(judged),
        "grounds": grounds,
    })
}

/// The RUN steps that download, check, or may do either: `line`, `platform`, `command` (its beginning), `network` (whether
/// it has one in the build), `downloads`, `checks` and `unclear`, in words.
fn steps(outcome: &Outcome) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut budget = Budget::default();
    for built in &outcome.platforms {
        for (step, network) in steps::of(built) {
            let Told {
                downloads,
                checks,
                unclear,
            } = told(&steps::read_within(step, &built.platform, &mut budget));
            if downloads.len() + checks.len() + unclear.len() > 0 {
                rows.push(json!({
                    "line": step.place.lines.0,
                    "platform": built.platform.to_string(),
                    "command": steps::command(step),
                    "network": network,
                    "downloads": downloads,
                    "checks": checks,
                    "unclear": unclear,
                }));
            }
        }
    }
    rows
}

/// A reading in words.
struct Told {
    downloads: Vec<String>,
    checks: Vec<String>,
    unclear: Vec<String>,
}

fn told(reading: &Reading) -> Told {
    let mut unclear: Vec<String> = Vec::new();
    for part in &reading.unclear {
        if !unclear.contains(&part.why) {
            unclear.push(part.why.clone());
        }
    }
    Told {
        downloads: reading.fetches.iter().map(steps::what).collect(),
        checks: reading.checks.iter().map(steps::check).collect(),
        unclear,
    }
}

/// Findings as JSON objects; see [`super::json`].
#[must_use]
pub fn findings(findings: &[Finding]) -> Value {
    super::json::value(findings)
}

/// The fetches for people, and the RUN steps that download or may, a paragraph each, in the order of the file.
#[must_use]
pub fn text(file: &str, outcome: &Outcome) -> String {
    let mut paragraphs: BTreeSet<(usize, usize, String)> = BTreeSet::new();
    for built in &outcome.platforms {
        for (fetch, judged) in built.plan.fetches.iter().zip(&built.fetches) {
            let mut out = format!(
                "{file}:{}: {} {}\n",
                fetch.place.lines.0,
                instruction(fetch.origin),
                redacted(&fetch.expanded).0
            );
            if let Some((pin, by)) = &judged.pin {
                let by = match by {
                    crate::pipeline::PinSource::Written => "as written",
                    crate::pipeline::PinSource::Lock => "by the lock",
                    crate::pipeline::PinSource::Live => "resolved live",
                };
                out.push_str(&format!("  pin:     {} ({by})\n", pinned(pin)));
            }
            out.push_str(&format!("  verdict: {}\n", verdict(judged)));
            for ground in grounds(judged) {
                out.push_str(&format!(
                    "  ground:  {}\n",
                    ground.replace('\n', "\n           ")
                ));
            }
            paragraphs.insert((fetch.place.lines.0, fetch.place.span.start, out));
        }
    }
    let mut budget = Budget::default();
    for built in &outcome.platforms {
        for (step, network) in steps::of(built) {
            let told = told(&steps::read_within(step, &built.platform, &mut budget));
            let parts = [
                ("loads:  ", told.downloads),
                ("checks: ", told.checks),
                ("unclear:", told.unclear),
            ];
            if parts.iter().all(|(_, lines)| lines.is_empty()) {
                continue;
            }
            let mut out = format!(
                "{file}:{}: RUN {}\n  network: {}\n",
                step.place.lines.0,
                steps::command(step),
                if network {
                    "as the step asks"
                } else {
                    "none in the build"
                },
            );
            for (name, lines) in parts {
                for line in lines {
                    out.push_str(&format!("  {name} {line}\n"));
                }
            }
            paragraphs.insert((step.place.lines.0, step.place.span.start, out));
        }
    }
    let mut texts: Vec<String> = paragraphs.into_iter().map(|(.., text)| text).collect();
    if texts.is_empty() {
        texts.push(format!("{file}: fetches nothing\n"));
    }
    format!("{}{}", texts.join("\n"), refusals(&outcome.findings))
}

/// The findings as lines, each with a leading `refused:`.
#[must_use]
pub fn refusals(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| {
            format!(
                "\nrefused: {}\n",
                finding.headline().replace('\n', "\n         ")
            )
        })
        .collect()
}

fn instruction(origin: Origin) -> &'static str {
    match origin {
        Origin::From => "FROM",
        Origin::CopyFrom => "COPY --from",
        Origin::MountFrom => "RUN --mount from",
        Origin::Add => "ADD",
    }
}

fn what(source: &Source) -> String {
    match source {
        Source::Image { reference, .. } => reference.to_string(),
        Source::Http { url, .. } => url.clone(),
        Source::Git(git) => git.remote.clone(),
        Source::Context { key, .. } => format!("named context {key}"),
    }
}

fn pinned(pin: &Pin) -> String {
    match pin {
        Pin::Digest(digest) => digest.to_string(),
        Pin::Commit(commit) => commit.clone(),
    }
}

fn verdict(judged: &Judged) -> &'static str {
    match (&judged.problem, &judged.verdict) {
        (Some(_), _) | (None, Some(Verdict::Refused(_))) => "refused",
        (None, Some(Verdict::Verified(_))) => "verified",
        (None, Some(Verdict::Accepted(passed))) if passed.is_empty() => "local",
        (None, Some(Verdict::Accepted(_))) => "accepted",
        (None, None) => "local",
    }
}

fn grounds(judged: &Judged) -> Vec<String> {
    let grounds: Vec<String> = match (&judged.problem, &judged.verdict) {
        (Some((_, cause, _)), _) => vec![cause.clone()],
        (None, Some(Verdict::Refused(refusals))) => {
            refusals.iter().map(ToString::to_string).collect()
        }
        (None, Some(Verdict::Verified(passed) | Verdict::Accepted(passed))) => {
            passed.iter().map(ToString::to_string).collect()
        }
        (None, None) => Vec::new(),
    };
    grounds.iter().map(|ground| redacted(ground).0).collect()
}
