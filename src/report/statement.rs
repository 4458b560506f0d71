//! What was verified of one platform's build, as the predicate of an in-toto statement about the image.
//!
//! It has no time and nothing random: the same build says the same, and BuildKit's cache has it already. The form is
//! described in docs/attestation.md.

use serde_json::{Value, json};

use super::{explain, steps};
use crate::{
    digest::Digest,
    pipeline::{Judged, PlatformOutcome},
    policy::{By, Passed, Verdict},
};

/// The predicate's type. A name, not an address: the project has no site.
pub const PREDICATE_TYPE: &str = "urn:verified-dockerfile:fetches:v1";

/// A file that a build was made from: its name, and its digest.
pub type Read = (String, Digest);

/// The predicate for what was built for one platform, from `dockerfile` and, judged by them, `settings`: the layers of the policy,
/// lock and evidence.
#[must_use]
pub fn predicate(dockerfile: &Read, settings: &[Read], built: &PlatformOutcome) -> Value {
    let fetches = built.plan.fetches.iter().zip(&built.fetches);
    let fetches: Vec<Value> = fetches
        .map(|(fetch, judged)| {
            let grounds: Vec<Value> = passed(judged).iter().map(ground).collect();
            explain::row(built, fetch, judged, &grounds)
        })
        .collect();
    let with_network = steps::of(built).filter(|(_, network)| *network);
    let with_network: Vec<Value> = with_network
        .map(|(step, _)| json!({ "line": step.place.lines.0, "command": steps::command(step) }))
        .collect();
    json!({
        "frontend": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "dockerfile": file(dockerfile),
        "settings": settings.iter().map(file).collect::<Vec<Value>>(),
        "target": built.plan.target,
        "platform": built.platform.to_string(),
        "fetches": fetches,
        "steps_with_network": with_network,
    })
}

fn file((name, digest): &Read) -> Value {
    json!({ "name": name, "digest": { (digest.algorithm().name()): digest.hex() } })
}

fn passed(judged: &Judged) -> &[Passed] {
    match &judged.verdict {
        Some(Verdict::Verified(passed) | Verdict::Accepted(passed)) => passed,
        Some(Verdict::Refused(_)) | None => &[],
    }
}

fn ground(passed: &Passed) -> Value {
    let rule = json!({
        "file": passed.layer,
        "line": passed.rule.line,
        "match": passed.rule.pattern,
    });
    match &passed.by {
        By::Signature {
            key,
            signer,
            kind,
            evidence,
        } => json!({
            "rule": rule,
            "key": key,
            "signer": signer.who,
            "signed": signer.signed.map(|time| time.to_string()),
            "proof": kind,
            "evidence": evidence.to_string(),
        }),
        By::Keys { fingerprints } => json!({ "rule": rule, "fingerprints": fingerprints }),
        By::Acceptance { reason, until } => {
            json!({ "rule": rule, "accepted": reason, "until": until.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fetch, pipeline::PinSource, policy, verify};

    fn judged(verdict: Verdict) -> Judged {
        Judged {
            pin: Some((
                policy::Pin::Digest(Digest::sha256(b"image")),
                PinSource::Lock,
            )),
            verdict: Some(verdict),
            image: None,
            problem: None,
            found: Vec::new(),
        }
    }

    #[test]
    fn a_ground_names_rule_and_key() {
        let rule = policy::RuleAt {
            line: 7,
            pattern: "r.test/**".into(),
        };
        let by = |by: By| Passed {
            layer: "verified.toml".into(),
            rule: rule.clone(),
            by,
        };
        let signed = by(By::Signature {
            key: "base".into(),
            signer: verify::Signer {
                who: "SHA256:abc".into(),
                signed: None,
            },
            kind: "cosign-signature",
            evidence: Digest::sha256(b"signature"),
        });
        let value = ground(&signed);
        assert_eq!(value["key"], "base");
        assert_eq!(value["signer"], "SHA256:abc");
        assert_eq!(value["proof"], "cosign-signature");
        assert_eq!(
            value["rule"],
            json!({ "file": "verified.toml", "line": 7, "match": "r.test/**" })
        );
        let accepted = by(By::Acceptance {
            reason: "reviewed".into(),
            until: jiff::civil::date(2030, 1, 1),
        });
        let value = ground(&accepted);
        assert_eq!(value["accepted"], "reviewed");
        assert_eq!(value["until"], "2030-01-01");
        assert_eq!(passed(&judged(Verdict::Verified(vec![signed]))).len(), 1);
    }

    #[test]
    fn the_same_build_says_the_same() {
        let built = PlatformOutcome {
            platform: fetch::Platform::new("linux", "amd64", ""),
            plan: fetch::Plan::default(),
            fetches: Vec::new(),
            without_network: Vec::new(),
            rewritten: crate::rewrite::edit::unchanged(b""),
            contexts: std::collections::BTreeMap::new(),
            force_no_network: false,
        };
        let read = |name: &str| (name.to_owned(), Digest::sha256(name.as_bytes()));
        let once = predicate(&read("Dockerfile"), &[read("verified.toml")], &built);
        assert_eq!(
            once,
            predicate(&read("Dockerfile"), &[read("verified.toml")], &built)
        );
        let hex = Digest::sha256(b"Dockerfile").hex().to_owned();
        assert_eq!(once["dockerfile"]["digest"]["sha256"], hex);
        assert_eq!(once["settings"][0]["name"], "verified.toml");
        assert_eq!(once["platform"], "linux/amd64");
    }
}
