//! Findings as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), for code scanning.
//!
//! One run, one rule for each kind; a result's fingerprint is made of kind, file, subject and cause, not of its line, so that it stays the
//! same finding when lines are put above it.

use serde_json::{Value, json};
use sha2::Digest as _;

use super::{ALL, Finding, Kind};

/// Where the pages about the codes are read.
const PAGES: &str = concat!(env!("CARGO_PKG_NAME"), "/docs/findings/");

/// The log.
#[must_use]
pub fn value(findings: &[Finding]) -> Value {
    let rules: Vec<Value> = ALL.iter().map(|kind| rule(*kind)).collect();
    let mut seen: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let fingerprint = fingerprint(finding);
            // The same thing twice in a file: told apart by their order.
            let count = seen.entry(fingerprint.clone()).or_default();
            *count = count.saturating_add(1);
            result(finding, &format!("{fingerprint}:{count}"))
        })
        .collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": env!("CARGO_PKG_NAME"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            // Columns are not given; lines are those of the file.
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(kind: Kind) -> Value {
    json!({
        "id": kind.code(),
        "name": kind.name(),
        "shortDescription": { "text": kind.title() },
        "help": { "text": kind.page(), "markdown": kind.page() },
        "defaultConfiguration": { "level": kind.level().name() },
        "properties": {
            "tags": ["security", "supply-chain"],
            "page": format!("{PAGES}{}.md", kind.code()),
        },
    })
}

fn result(finding: &Finding, fingerprint: &str) -> Value {
    let kind = finding.kind;
    let text = [&finding.subject, &finding.cause, &finding.next]
        .into_iter()
        .filter(|text| !text.is_empty())
        .cloned()
        .collect::<Vec<_>>()
        .join("\n");
    let mut location = json!({ "artifactLocation": { "uri": uri(&finding.file) } });
    if let Some(place) = &finding.place {
        let first = place.first_line.max(1);
        let region = json!({ "startLine": first, "endLine": place.last_line.max(first) });
        if let Some(object) = location.as_object_mut() {
            object.insert("region".to_owned(), region);
        }
    }
    json!({
        "ruleId": kind.code(),
        "ruleIndex": ALL.iter().position(|other| *other == kind),
        "level": kind.level().name(),
        "message": { "text": text },
        "locations": [{ "physicalLocation": location }],
        "partialFingerprints": { "findingHash/v1": fingerprint },
    })
}

/// A path as a relative reference (RFC 3986): what is no path character is escaped.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let path = path.strip_prefix("./").unwrap_or(path);
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    if path.starts_with('/') {
        return format!("file://{out}");
    }
    out
}

fn fingerprint(finding: &Finding) -> String {
    let mut hash = sha2::Sha256::new();
    for part in [
        finding.kind.code(),
        &finding.file,
        &finding.subject,
        &finding.cause,
    ] {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Place;

    fn finding(file: &str, place: Option<Place>) -> Finding {
        Finding {
            kind: Kind::Tls,
            file: file.into(),
            place,
            subject: "-k".into(),
            cause: "certificates are not checked".into(),
            next: "drop it".into(),
        }
    }

    /// What sections 3.13 to 3.30 of the specification require of the members that are used here.
    fn check(log: &Value) {
        assert_eq!(log["version"], "2.1.0");
        for run in log["runs"].as_array().unwrap() {
            let driver = &run["tool"]["driver"];
            assert!(driver["name"].is_string());
            let rules = driver["rules"].as_array().unwrap();
            for rule in rules {
                assert!(rule["id"].is_string());
                assert!(rule["shortDescription"]["text"].is_string());
                assert!(rule["help"]["text"].is_string());
                level(&rule["defaultConfiguration"]["level"]);
            }
            assert!(matches!(
                run["columnKind"].as_str(),
                Some("utf16CodeUnits" | "unicodeCodePoints")
            ));
            for result in run["results"].as_array().unwrap() {
                level(&result["level"]);
                let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
                assert_eq!(rules[index]["id"], result["ruleId"]);
                assert!(!result["message"]["text"].as_str().unwrap().is_empty());
                for location in result["locations"].as_array().unwrap() {
                    let physical = &location["physicalLocation"];
                    let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
                    assert!(uri.is_ascii() && !uri.contains([' ', '\n', '"', '<', '\\']));
                    if let Some(region) = physical.get("region") {
                        let first = region["startLine"].as_u64().unwrap();
                        assert!(first >= 1 && region["endLine"].as_u64().unwrap() >= first);
                    }
                }
                for fingerprint in result["partialFingerprints"].as_object().unwrap().values() {
                    assert!(fingerprint.is_string());
                }
            }
        }
    }

    fn level(value: &Value) {
        assert!(matches!(
            value.as_str(),
            Some("none" | "note" | "warning" | "error")
        ));
    }

    #[test]
    fn the_log_has_the_members_that_the_specification_requires() {
        let findings = [
            finding("Dockerfile", Some(Place::lines(3, 5))),
            finding("Dockerfile", Some(Place::lines(9, 9))),
            finding("a b/ü\n\"<", Some(Place::lines(0, 0))),
            finding("/abs/Dockerfile", None),
        ];
        let log = value(&findings);
        check(&log);
        let results = log["runs"][0]["results"].as_array().unwrap();
        let print = |index: usize| results[index]["partialFingerprints"]["findingHash/v1"].clone();
        assert_ne!(print(0), print(1));
        // Lines above move nothing.
        let moved = value(&[finding("Dockerfile", Some(Place::lines(4, 6)))]);
        assert_eq!(
            moved["runs"][0]["results"][0]["partialFingerprints"]["findingHash/v1"],
            print(0)
        );
        check(&value(&[]));
    }
}
