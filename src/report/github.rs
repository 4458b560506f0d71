//! Findings as annotations of GitHub Actions: one workflow command a line.
//!
//! Form and escapes: GitHub Docs, "Workflow commands for GitHub Actions", and actions/toolkit `packages/core/src/command.ts`:
//! `%`, CR and LF in a message, in a property `:` and `,` too.

use super::{Finding, Level};

/// The commands, each on a line of its own.
#[must_use]
pub fn render(findings: &[Finding]) -> String {
    findings.iter().map(command).collect()
}

fn command(finding: &Finding) -> String {
    let name = match finding.kind.level() {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "notice",
    };
    let mut properties = format!("file={}", property(&finding.file));
    if let Some(place) = &finding.place {
        let (first, last) = (place.first_line, place.last_line.max(place.first_line));
        properties.push_str(&format!(",line={first},endLine={last}"));
    }
    let title = format!("{} {}", finding.kind.code(), finding.kind.title());
    let mut message = finding.cause.clone();
    if !finding.subject.is_empty() {
        message = format!("{}: {message}", finding.subject);
    }
    if !finding.next.is_empty() {
        message = format!("{message}\n{}", finding.next);
    }
    format!(
        "::{name} {properties},title={}::{}\n",
        property(&title),
        escaped(&message)
    )
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Kind, Place};

    #[test]
    fn a_text_cannot_leave_its_command() {
        let finding = Finding {
            kind: Kind::Tls,
            file: "a,b:c\n::error::x".into(),
            place: Some(Place::lines(3, 5)),
            subject: "-k\r\n::set-output name=x::y".into(),
            cause: "100% wrong".into(),
            next: "next".into(),
        };
        let out = render(&[finding]);
        assert_eq!(out.lines().count(), 1, "{out}");
        assert!(out.starts_with(
            "::warning file=a%2Cb%3Ac%0A%3A%3Aerror%3A%3Ax,line=3,endLine=5,title=VD014 "
        ));
        assert!(out.contains("%0D%0A::set-output"));
        assert!(out.ends_with("100%25 wrong%0Anext\n"), "{out}");
    }
}
