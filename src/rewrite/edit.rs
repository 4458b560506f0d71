//! Edits on byte spans: nothing outside the spans moves.

use std::ops::Range;

/// One replacement in a text. An insertion has an empty `span`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The bytes of the original that go away, as a half-open range.
    pub span: Range<usize>,
    /// What stands there instead.
    pub text: String,
}

impl Edit {
    /// Adds `text` in front of byte `at`.
    pub fn insert(at: usize, text: impl Into<String>) -> Self {
        Self {
            span: at..at,
            text: text.into(),
        }
    }

    /// Puts `text` in the place of `span`.
    pub fn replace(span: Range<usize>, text: impl Into<String>) -> Self {
        Self {
            span,
            text: text.into(),
        }
    }
}

/// Why a list of edits does not fit its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// A span that ends before it begins, or behind the end of the text.
    #[error("the edit of bytes {0:?} lies outside the file")]
    Outside(Range<usize>),
    /// Two edits claim the same byte.
    #[error("the edits of bytes {0:?} and {1:?} overlap")]
    Overlap(Range<usize>, Range<usize>),
}

/// The text after the edits, and which original line each of its lines comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The new text.
    pub bytes: Vec<u8>,
    /// `(first line of the new text, line of the original)`, 1-based, ascending; between two
    /// entries both count on together.
    anchors: Vec<(u32, u32)>,
}

impl Edited {
    /// The original line (1-based) that line `line` (1-based) of the new text comes from.
    ///
    /// A line that an edit added belongs to the line where the edit began.
    #[must_use]
    pub fn original_line(&self, line: u32) -> u32 {
        let at = self.anchors.partition_point(|(new, _)| *new <= line);
        match at
            .checked_sub(1)
            .and_then(|before| self.anchors.get(before))
        {
            Some((new, old)) => old.saturating_add(line.saturating_sub(*new)),
            None => line,
        }
    }

    /// Whether every line of the new text is the same line of the original.
    #[must_use]
    pub fn keeps_lines(&self) -> bool {
        self.anchors.iter().all(|(new, old)| new == old)
    }
}

/// `text` as it is.
#[must_use]
pub fn unchanged(text: &[u8]) -> Edited {
    Edited {
        bytes: text.to_vec(),
        anchors: vec![(1, 1)],
    }
}

/// Applies `edits`, in any order, to `text`.
///
/// # Errors
/// A span outside the text, or two that overlap. Two insertions at one place are both kept, in
/// the order given.
pub fn apply(text: &[u8], edits: &[Edit]) -> Result<Edited, EditError> {
    let mut order: Vec<&Edit> = edits.iter().collect();
    order.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let added: usize = order.iter().map(|edit| edit.text.len()).sum();
    let mut bytes = Vec::with_capacity(text.len().saturating_add(added));
    let mut anchors = vec![(1, 1)];
    let (mut new_line, mut old_line) = (1_u32, 1_u32);
    let mut done = 0;
    let mut last = 0..0;
    for edit in order {
        let Range { start, end } = edit.span;
        if start < done {
            return Err(EditError::Overlap(last, edit.span.clone()));
        }
        let (Some(kept), Some(gone)) = (text.get(done..start), text.get(start..end)) else {
            return Err(EditError::Outside(edit.span.clone()));
        };
        bytes.extend_from_slice(kept);
        bytes.extend_from_slice(edit.text.as_bytes());
        let kept_lines = newlines(kept);
        new_line = new_line.saturating_add(kept_lines);
        old_line = old_line.saturating_add(kept_lines);
        let (grown, shrunk) = (newlines(edit.text.as_bytes()), newlines(gone));
        if grown != shrunk {
            for extra in 1..=grown {
                let old = old_line.saturating_add(shrunk.min(extra));
                anchors.push((new_line.saturating_add(extra), old));
            }
        }
        new_line = new_line.saturating_add(grown);
        old_line = old_line.saturating_add(shrunk);
        if grown != shrunk {
            anchors.push((new_line.saturating_add(1), old_line.saturating_add(1)));
        }
        done = end;
        last = edit.span.clone();
    }
    bytes.extend_from_slice(text.get(done..).unwrap_or_default());
    // A second edit on the line where the first one ended knows better.
    anchors.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 = later.1;
        }
        same
    });
    Ok(Edited { bytes, anchors })
}

fn newlines(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edited(text: &str, edits: &[Edit]) -> Edited {
        apply(text.as_bytes(), edits).unwrap()
    }

    #[test]
    fn only_the_span_changes() {
        let out = edited(
            "FROM a\r\nRUN b\n",
            &[Edit::insert(6, "@x"), Edit::replace(8..11, "run")],
        );
        assert_eq!(out.bytes, b"FROM a@x\r\nrun b\n");
        assert!(out.keeps_lines());
    }

    #[test]
    fn two_insertions_at_one_place_keep_their_order() {
        let out = edited("ab", &[Edit::insert(1, "1"), Edit::insert(1, "2")]);
        assert_eq!(out.bytes, b"a12b");
    }

    #[test]
    fn an_edit_that_adds_lines_maps_them_to_where_it_began() {
        // Line 2 becomes lines 2 to 4; what was line 3 is line 5.
        let out = edited(
            "one\ntwo\nthree\nfour\n",
            &[Edit::replace(4..7, "two\n2b\n2c")],
        );
        assert!(!out.keeps_lines());
        let lines: Vec<u32> = (1..=6).map(|line| out.original_line(line)).collect();
        assert_eq!(lines, [1, 2, 2, 2, 3, 4]);
    }

    #[test]
    fn an_edit_that_removes_lines_keeps_the_rest_in_step() {
        let out = edited(
            "one\ntwo \\\n  more\nthree\n",
            &[Edit::replace(4..16, "two more")],
        );
        assert_eq!(out.bytes, b"one\ntwo more\nthree\n".to_vec().as_slice());
        assert_eq!(
            (1..=3).map(|l| out.original_line(l)).collect::<Vec<_>>(),
            [1, 2, 4]
        );
    }

    #[test]
    fn overlap_and_overrun_are_errors() {
        assert!(matches!(
            apply(
                b"abc",
                &[Edit::replace(0..2, "x"), Edit::replace(1..3, "y")]
            ),
            Err(EditError::Overlap(..))
        ));
        assert!(matches!(
            apply(b"abc", &[Edit::insert(4, "x")]),
            Err(EditError::Outside(_))
        ));
        #[expect(
            clippy::reversed_empty_ranges,
            reason = "a range that ends before it begins is the case"
        )]
        let backwards = Edit {
            span: 2..1,
            text: String::new(),
        };
        assert!(matches!(
            apply(b"abc", &[backwards]),
            Err(EditError::Outside(_))
        ));
    }

    proptest! {
        #[test]
        fn outside_the_spans_nothing_moves(text in prop::collection::vec(any::<u8>(), 0..200),
                                           at in 0usize..200, len in 0usize..20, new in "[a-z\n]{0,10}") {
            let start = at.min(text.len());
            let end = (start + len).min(text.len());
            let out = apply(&text, &[Edit::replace(start..end, new.clone())]).unwrap();
            prop_assert_eq!(&out.bytes[..start], &text[..start]);
            prop_assert_eq!(&out.bytes[start + new.len()..], &text[end..]);
        }
    }
}
