//! What `lock` prints.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{changes::Change, work::Locked};
use crate::{
    cli::{CannotRun, project::Project},
    report::json as findings_json,
    rewrite::diff,
};

/// How much of a digest is shown.
const SHOWN: usize = 19;

/// For people.
pub(super) fn text(project: &Project, result: &Locked, with_diff: bool) -> String {
    let count = |number: usize, what: &str| match number {
        0 => String::new(),
        _ => format!(", {number} {what}"),
    };
    let of = |old: bool, new: bool| {
        let is = |change: &&Change| change.old.is_some() == old && change.new.is_some() == new;
        result.changes.iter().filter(is).count()
    };
    let mut steps = match result.refused_steps {
        0 => String::new(),
        1 => "; 1 RUN step is refused, see `check`".to_owned(),
        steps => format!("; {steps} RUN steps are refused, see `check`"),
    };
    steps.push_str(&match result.steps.missing.len() {
        0 => String::new(),
        1 => "; 1 RUN step downloads and has no recording yet".to_owned(),
        steps => format!("; {steps} RUN steps download and have no recording yet"),
    });
    steps.push_str(&match result.steps.unclear {
        0 => String::new(),
        1 => "; of 1 RUN step cannot be told whether it downloads (--record=always)".to_owned(),
        steps => {
            format!("; of {steps} RUN steps cannot be told whether they download (--record=always)")
        }
    });
    if result.pruned_steps > 0 {
        let pruned = result.pruned_steps;
        steps.push_str(&format!("; {pruned} recordings taken out"));
    }
    let mut out = format!(
        "{}.lock: {} {}{}{}{}{}{steps}\n",
        project.name,
        result.fetches,
        if result.fetches == 1 {
            "fetch"
        } else {
            "fetches"
        },
        count(of(false, true), "added"),
        count(of(true, true), "renewed"),
        count(of(true, false), "taken out"),
        count(result.findings.len(), "refused"),
    );
    for change in &result.changes {
        out.push_str(&line(change, Timestamp::now()));
    }
    if with_diff && let Some(lock) = &result.lock {
        let name = project.path_beside("lock").display().to_string();
        let old = project.beside("lock").unwrap_or_default();
        out.push_str(&diff::unified(&name, old, lock.as_bytes(), false));
    }
    out
}

/// What was recorded, for people.
pub(super) fn recorded(result: &Locked) -> String {
    let lines = result.steps.recorded.iter();
    lines.map(|line| format!("  {line}\n")).collect()
}

fn line(change: &Change, now: Timestamp) -> String {
    let short = |pin: &str| pin.get(..SHOWN).unwrap_or(pin).to_owned();
    let (sign, pins) = match (&change.old, &change.new) {
        (Some(old), Some(new)) if old.pin == new.pin => ("~", short(&new.pin)),
        (Some(old), Some(new)) => ("~", format!("{} -> {}", short(&old.pin), short(&new.pin))),
        (None, Some(new)) => ("+", short(&new.pin)),
        (Some(old), None) => ("-", short(&old.pin)),
        (None, None) => ("?", String::new()),
    };
    let mut out = format!("  {sign} {}  {pins}", change.key);
    if !change.signers.is_empty() {
        let word = match &change.old {
            Some(old) if old.verified_by.is_empty() => ", now signed by",
            Some(old)
                if change
                    .new
                    .as_ref()
                    .is_some_and(|new| new.verified_by != old.verified_by) =>
            {
                ", new signer"
            }
            _ => ", signed by",
        };
        out.push_str(&format!("{word} {}", change.signers.join(" and ")));
    }
    if let Some(made) = change.made {
        out.push_str(&format!(", made {}", age(made, now)));
    }
    out.push('\n');
    out
}

fn age(made: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(made.as_second()).max(0);
    match (seconds / 3600, seconds / 86_400) {
        (0, _) => "less than an hour ago".to_owned(),
        (hours, 0) => format!("{hours} h ago"),
        (_, 1) => "1 day ago".to_owned(),
        (_, days) => format!("{days} days ago"),
    }
}

/// For machines: one object for each Dockerfile.
pub(super) fn json(results: &[(&Project, Locked)]) -> Result<String, CannotRun> {
    let change = |change: &Change| {
        let pin =
            |entry: &Option<crate::lock::Entry>| entry.as_ref().map(|entry| entry.pin.clone());
        json!({
            "what": change.key.to_string(),
            "old": pin(&change.old),
            "new": pin(&change.new),
            "verified-by": change.new.as_ref().map(|entry| &entry.verified_by),
            "signers": change.signers,
            "made": change.made.map(|made| made.to_string()),
        })
    };
    let all: Vec<Value> = results
        .iter()
        .map(|(project, result)| {
            json!({
                "file": project.name,
                "fetches": result.fetches,
                "changes": result.changes.iter().map(change).collect::<Vec<_>>(),
                "recorded": result.steps.recorded,
                "findings": findings_json::value(&result.findings),
            })
        })
        .collect();
    serde_json::to_string_pretty(&all)
        .map(|text| format!("{text}\n"))
        .map_err(|error| CannotRun::new("the result", error))
}
