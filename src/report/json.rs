//! Findings for machines: one JSON object a line would hide the end of a run, so it is one
//! array, sorted as found. The schema is docs/findings.schema.json.

use serde::Serialize;

use super::Finding;

/// A [`Finding`] as it is written.
#[derive(Serialize)]
struct Row<'a> {
    kind: super::Kind,
    code: &'a str,
    level: super::Level,
    file: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_line: Option<u32>,
    subject: &'a str,
    cause: &'a str,
    next: &'a str,
}

/// The findings as [`render`] writes them.
#[must_use]
pub fn value(findings: &[Finding]) -> serde_json::Value {
    serde_json::Value::Array(
        rows(findings)
            .iter()
            .filter_map(|row| serde_json::to_value(row).ok())
            .collect(),
    )
}

/// The findings as a JSON array of objects with the fields `kind`, `code`, `level` (`error`, `warning`, `note`), `file`,
/// `start_line`, `end_line` (1-based; absent when the finding is about no line), `subject`, `cause`, `next`.
///
/// # Errors
/// Only when the serializer fails, which it does for no value of these types.
pub fn render(findings: &[Finding]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&rows(findings))
}

fn rows(findings: &[Finding]) -> Vec<Row<'_>> {
    findings
        .iter()
        .map(|finding| Row {
            kind: finding.kind,
            code: finding.kind.code(),
            level: finding.kind.level(),
            file: &finding.file,
            start_line: finding.place.as_ref().map(|place| place.first_line),
            end_line: finding.place.as_ref().map(|place| place.last_line),
            subject: &finding.subject,
            cause: &finding.cause,
            next: &finding.next,
        })
        .collect()
}
