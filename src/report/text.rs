//! Findings for people: the lines of the file, a caret, the cause and the next step.

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Finding, Kind};
use crate::shell::masked;

/// How many places of one step are shown in one excerpt.
const MAX_PLACES: usize = 20;

/// Renders `findings` about a file whose text is `source`; with colours if `colour`. Findings of one kind about the same
/// instruction are shown in one excerpt.
///
/// `source` need not be UTF-8; what is not is shown as U+FFFD. Secrets in it are shown as `*`.
#[must_use]
pub fn render(findings: &[Finding], source: &[u8], colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = String::new();
    let lossy = String::from_utf8_lossy(source);
    let spans_fit = matches!(lossy, Cow::Borrowed(_));
    let text = masked(&lossy);
    // Found once: a file may have as many findings as lines.
    let starts: Vec<usize> = std::iter::once(0)
        .chain(text.match_indices('\n').map(|(at, _)| at.saturating_add(1)))
        .collect();
    for group in groups(findings, &text) {
        let Some(first) = group.first() else { continue };
        let level = match first.kind.level() {
            super::Level::Error => Level::ERROR,
            super::Level::Warning => Level::WARNING,
            super::Level::Note => Level::NOTE,
        };
        let title = level.primary_title(&first.cause).id(first.kind.code());
        let mut shown = Group::with_title(title);
        let excerpts: Vec<_> = group
            .iter()
            .map(|finding| excerpt(finding, &text, &starts, spans_fit))
            .collect();
        match snippet(&group, &excerpts, &text, &starts) {
            Some(snippet) => shown = shown.element(snippet.path(&first.file).fold(true)),
            None => {
                for finding in &group {
                    let text = format!("in {}: {}", finding.file, finding.subject);
                    shown = shown.element(Level::NOTE.message(text));
                }
            }
        }
        if !first.next.is_empty() {
            shown = shown.element(Level::HELP.message(&first.next));
        }
        out.push_str(&renderer.render(&[shown]));
        out.push_str("\n\n");
    }
    out
}

/// Findings that say the same about places of one step belong together. They stand beside each other or nearly so.
pub(super) fn groups<'f>(findings: &'f [Finding], text: &str) -> Vec<Vec<&'f Finding>> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let same = groups.iter_mut().rev().take(8).find(|group| {
            group.len() < MAX_PLACES
                && group.last().is_some_and(|last| {
                    last.kind == finding.kind
                        && last.cause == finding.cause
                        && last.file == finding.file
                        && one_step(last, finding, text)
                })
        });
        match same {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}

/// Whether it is about what a RUN step does.
pub(super) fn of_steps(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Download
            | Kind::Unclear
            | Kind::Tls
            | Kind::Unsigned
            | Kind::RunsDownload
            | Kind::Secret
            | Kind::WeakHash
            | Kind::Plain
    )
}

/// Whether both are about one RUN: no other one begins between them.
fn one_step(first: &Finding, second: &Finding, text: &str) -> bool {
    let start = |finding: &Finding| finding.place.as_ref()?.span.map(|(start, _)| start);
    let (Some(one), Some(other)) = (start(first), start(second)) else {
        return false;
    };
    let between = text.get(one.min(other)..one.max(other)).unwrap_or_default();
    of_steps(first.kind)
        && !between.lines().skip(1).any(|line| {
            let line = line.trim_start();
            let word = line.split_whitespace().next().unwrap_or_default();
            word.eq_ignore_ascii_case("run") || word.eq_ignore_ascii_case("onbuild")
        })
}

type Excerpt<'a> = Option<(usize, &'a str, std::ops::Range<usize>)>;

/// One excerpt for all places of a group.
fn snippet<'a>(
    group: &[&'a Finding],
    excerpts: &[Excerpt<'a>],
    text: &'a str,
    starts: &[usize],
) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let first = excerpts.iter().flatten().map(|(line, ..)| *line).min()?;
    let start = *starts.get(first.checked_sub(1)?)?;
    let end = excerpts
        .iter()
        .flatten()
        .filter_map(|(line, shown, _)| starts.get(line.checked_sub(1)?)?.checked_add(shown.len()))
        .max()?;
    let mut snippet = Snippet::source(text.get(start..end)?).line_start(first);
    for (finding, excerpt) in group.iter().zip(excerpts) {
        let (line, _, span) = excerpt.as_ref()?;
        let from = starts.get(line.checked_sub(1)?)?.checked_sub(start)?;
        let span = from.checked_add(span.start)?..from.checked_add(span.end)?;
        snippet = snippet.annotation(AnnotationKind::Primary.span(span).label(&finding.subject));
    }
    Some(snippet)
}

/// The first line, the text and the span in it to show for `finding`. `starts` is where each line begins; `spans_fit` if spans
/// count the bytes of `text`.
fn excerpt<'a>(
    finding: &Finding,
    text: &'a str,
    starts: &[usize],
    spans_fit: bool,
) -> Option<(usize, &'a str, std::ops::Range<usize>)> {
    let place = finding.place.as_ref()?;
    let first = usize::try_from(place.first_line).ok()?.checked_sub(1)?;
    let last = usize::try_from(place.last_line)
        .ok()?
        .max(first.saturating_add(1));
    let start = *starts.get(first)?;
    let end = starts.get(last).copied().unwrap_or(text.len());
    let shown = text.get(start..end)?;
    let whole = 0..shown.trim_end().len().max(usize::from(!shown.is_empty()));
    // Spans count the bytes of the file; they fit the shown text only where that has the same bytes.
    let span = match place.span {
        Some((from, to)) if spans_fit => {
            let (from, to) = (from.checked_sub(start), to.checked_sub(start));
            match (from, to) {
                (Some(from), Some(to)) if from < to && shown.get(from..to).is_some() => from..to,
                _ => whole,
            }
        }
        _ => whole,
    };
    Some((first.saturating_add(1), shown, span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Place;

    fn finding(place: Option<Place>) -> Finding {
        Finding {
            kind: Kind::Unverified,
            file: "Dockerfile".into(),
            place,
            subject: "FROM alpine".into(),
            cause: "no rule allows docker.io/library/alpine".into(),
            next: "add a rule".into(),
        }
    }

    #[test]
    fn shows_the_line_with_a_caret_under_the_span() {
        let source = b"# syntax=x\nFROM alpine\nRUN true\n";
        let out = render(
            &[finding(Some(Place::lines(2, 2).with_span(16..22)))],
            source,
            false,
        );
        assert!(out.contains("Dockerfile:2:6"), "{out}");
        assert!(out.contains("^^^^^^ FROM alpine"), "{out}");
        assert!(out.contains("add a rule"), "{out}");
        assert!(!out.contains("\u{1b}["), "no colours: {out}");
        assert!(render(&[finding(None)], source, true).contains("\u{1b}["));
    }

    #[test]
    fn odd_places_are_shown_as_well_as_they_can_be() {
        for place in [
            Place::lines(0, 0),
            Place::lines(9, 9),
            Place::lines(1, 99),
            Place::lines(2, 1),
            Place::lines(1, 1).with_span(90..91),
            Place::lines(1, 1).with_span(0..0),
        ] {
            let out = render(&[finding(Some(place))], b"FROM \xff\n", false);
            assert!(out.contains("no rule allows"), "{out}");
        }
        assert!(!render(&[finding(Some(Place::lines(1, 1)))], b"", false).is_empty());
    }

    #[test]
    fn places_of_one_step_share_an_excerpt_and_secrets_are_hidden() {
        let source = b"RUN curl https://u:hunter2@a.test && \\\n  curl https://b.test\nRUN curl https://c.test\n";
        let at = |from: usize, line: u32| Finding {
            kind: Kind::Download,
            place: Some(Place::lines(line, line).with_span(from..from + 4)),
            ..finding(None)
        };
        let out = render(&[at(4, 1), at(41, 2), at(64, 3)], source, false);
        assert_eq!(out.matches("error[VD012]").count(), 2, "{out}");
        assert!(
            !out.contains("hunter2") && out.contains("u:*******@a.test"),
            "{out}"
        );
    }
}
