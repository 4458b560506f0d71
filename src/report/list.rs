//! Many findings for people: a line each, below the name of their file. Excerpts and what to do are in [`super::text`].

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Level, text};

/// How many characters of a line are shown.
const MAX_LINE: usize = 200;
/// How many of the most frequent causes are told.
const MAX_CAUSES: usize = 10;

/// `findings` about one file, whose text is `source`; with colours if `colour`. What is about one step is on one line.
#[must_use]
pub fn render(findings: &[Finding], source: &[u8], colour: bool) -> String {
    let (bold, end) = if colour {
        ("\u{1b}[1m", "\u{1b}[0m")
    } else {
        ("", "")
    };
    let mut out = String::new();
    let source = String::from_utf8_lossy(source);
    for about in findings.chunk_by(|one, next| one.file == next.file) {
        let Some(first) = about.first() else { continue };
        out.push_str(&format!("{bold}{}{end}\n", one_line(&first.file)));
        for group in text::groups(about, &source) {
            out.push_str(&line(&group, colour));
        }
        out.push('\n');
    }
    out
}

fn line(group: &[&Finding], colour: bool) -> String {
    let Some(first) = group.first() else {
        return String::new();
    };
    let (start, end) = match (colour, first.kind.level()) {
        (false, _) => ("", ""),
        (true, Level::Error) => ("\u{1b}[31m", "\u{1b}[0m"),
        (true, Level::Warning) => ("\u{1b}[33m", "\u{1b}[0m"),
        (true, Level::Note) => ("\u{1b}[32m", "\u{1b}[0m"),
    };
    let mut subjects: Vec<&str> = Vec::new();
    for finding in group {
        if !finding.subject.is_empty() && !subjects.contains(&finding.subject.as_str()) {
            subjects.push(&finding.subject);
        }
    }
    // Of steps the kind says it all.
    let mut said = subjects.join("; ");
    if !text::of_steps(first.kind) {
        let colon = if said.is_empty() { "" } else { ": " };
        said = format!("{said}{colon}{}", first.cause);
    }
    let said = one_line(&said);
    let said = match said.char_indices().nth(MAX_LINE) {
        Some((at, _)) => format!("{} ...", said.get(..at).unwrap_or_default()),
        None => said,
    };
    let place = first.place.as_ref();
    let number = place.map_or(String::new(), |place| place.first_line.to_string());
    format!("{number:>6}  {start}{}{end}  {said}\n", first.kind.code())
}

/// What stands most often in `findings`, in how many files, and where to go on.
#[must_use]
pub fn frequent(findings: &[Finding]) -> String {
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let errors = findings
        .iter()
        .filter(|finding| finding.kind.level() == Level::Error && !text::of_steps(finding.kind));
    for finding in errors {
        files
            .entry(&finding.cause)
            .or_default()
            .insert(&finding.file);
    }
    let mut counts: Vec<(usize, &str)> = files
        .iter()
        .map(|(cause, files)| (files.len(), *cause))
        .filter(|(count, _)| *count > 1)
        .collect();
    counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let mut out = String::new();
    if !counts.is_empty() {
        out.push_str("in most files:\n");
    }
    for (count, cause) in counts.iter().take(MAX_CAUSES) {
        out.push_str(&format!("{count:>6}  {}\n", one_line(cause)));
    }
    out
}

/// Without what would break the line or the terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Kind, Place};

    fn finding(kind: Kind, file: &str, line: u32, subject: &str) -> Finding {
        Finding {
            kind,
            file: file.into(),
            place: Some(Place::lines(line, line).with_span(0..1)),
            subject: subject.into(),
            cause: "no rule\ncovers it".into(),
            next: String::new(),
        }
    }

    #[test]
    fn a_line_for_each_and_a_line_for_a_step() {
        let findings = [
            finding(Kind::Unverified, "a", 1, "FROM x"),
            finding(Kind::Download, "a", 2, "curl\u{1b} one"),
            finding(Kind::Download, "a", 2, "curl two"),
            finding(Kind::Unverified, "b", 7, &"y".repeat(500)),
        ];
        let out = render(&findings, b"RUN x\n", false);
        assert_eq!(
            out.split("     7").next().unwrap(),
            "a\n     1  VD004  FROM x: no rule covers it\n     2  VD012  curl  one; curl two\n\nb\n"
        );
        assert!(out.ends_with("yyy ...\n\n"), "{out}");
        assert!(render(&findings, b"", true).contains("\u{1b}[31mVD004\u{1b}[0m"));
        assert_eq!(
            frequent(&findings),
            "in most files:\n     2  no rule covers it\n"
        );
        assert_eq!(frequent(&findings[..2]), "");
    }
}
