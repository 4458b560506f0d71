//! Findings for people: the lines of the file, a caret, the cause and the next step.

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::Finding;

/// Renders `findings` about a file whose text is `source`; with colours if `colour`.
///
/// `source` need not be UTF-8; what is not is shown as U+FFFD.
#[must_use]
pub fn render(findings: &[Finding], source: &[u8], colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = String::new();
    let text = String::from_utf8_lossy(source);
    // Found once: a file may have as many findings as lines.
    let starts: Vec<usize> = std::iter::once(0)
        .chain(text.match_indices('\n').map(|(at, _)| at.saturating_add(1)))
        .collect();
    let spans_fit = matches!(text, Cow::Borrowed(_));
    for finding in findings {
        let title = Level::ERROR
            .primary_title(&finding.cause)
            .id(finding.kind.name());
        let mut group = Group::with_title(title);
        match excerpt(finding, &text, &starts, spans_fit) {
            Some((line, shown, span)) => {
                group = group.element(
                    Snippet::source(shown)
                        .line_start(line)
                        .path(&finding.file)
                        .fold(true)
                        .annotation(AnnotationKind::Primary.span(span).label(&finding.subject)),
                );
            }
            None => {
                group = group.element(
                    Level::NOTE.message(format!("in {}: {}", finding.file, finding.subject)),
                );
            }
        }
        if !finding.next.is_empty() {
            group = group.element(Level::HELP.message(&finding.next));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out
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
    use crate::report::{Kind, Place};

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
}
