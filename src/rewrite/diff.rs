//! The unified diff from the user's Dockerfile to the one that is built, as `git diff` shows it.

use std::fmt::Write as _;

use similar::{ChangeTag, TextDiff};

/// The unified diff with three lines of context; empty if the two are equal.
///
/// Bytes that are not UTF-8 are shown as U+FFFD. With `colour`, ANSI colours as `git diff` uses.
#[must_use]
pub fn unified(name: &str, old: &[u8], new: &[u8], colour: bool) -> String {
    if old == new {
        return String::new();
    }
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let diff = TextDiff::from_lines(old.as_ref(), new.as_ref());
    let (bold, cyan, red, green, reset) = if colour {
        (
            "\u{1b}[1m",
            "\u{1b}[36m",
            "\u{1b}[31m",
            "\u{1b}[32m",
            "\u{1b}[0m",
        )
    } else {
        ("", "", "", "", "")
    };
    let mut out = format!("{bold}--- a/{name}{reset}\n{bold}+++ b/{name}{reset}\n");
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        let _ = writeln!(out, "{cyan}{}{reset}", hunk.header());
        for change in hunk.iter_changes() {
            let (sign, start, end) = match change.tag() {
                ChangeTag::Delete => ('-', red, reset),
                ChangeTag::Insert => ('+', green, reset),
                ChangeTag::Equal => (' ', "", ""),
            };
            let line: &str = change.value();
            let _ = writeln!(
                out,
                "{start}{sign}{}{end}",
                line.strip_suffix('\n').unwrap_or(line)
            );
            if !line.ends_with('\n') {
                out.push_str("\\ No newline at end of file\n");
            }
        }
    }
    out
}

/// Both files beside each other in `width` columns, changed lines with three lines of context; empty if the two are equal.
/// A line that is too long goes on in the next row. `|` stands between lines that differ, `<` and `>` where one side has none.
#[must_use]
pub fn side_by_side(name: &str, old: &[u8], new: &[u8], width: usize, colour: bool) -> String {
    if old == new {
        return String::new();
    }
    let (old, new) = (String::from_utf8_lossy(old), String::from_utf8_lossy(new));
    let diff = TextDiff::from_lines(old.as_ref(), new.as_ref());
    let mut table = Table {
        column: (width.clamp(43, 4_000) - 3) / 2,
        colour,
        out: String::new(),
    };
    table.row(&format!("a/{name}"), ' ', &format!("b/{name}"));
    for group in diff.grouped_ops(3) {
        table.row("", ' ', "");
        for op in group {
            let (mut left, mut right) = (Vec::new(), Vec::new());
            for change in diff.iter_changes(&op) {
                let line = change.value().trim_end_matches(['\n', '\r']);
                match change.tag() {
                    ChangeTag::Delete => left.push(line),
                    ChangeTag::Insert => right.push(line),
                    ChangeTag::Equal => table.row(line, ' ', line),
                }
            }
            for index in 0..left.len().max(right.len()) {
                match (left.get(index), right.get(index)) {
                    (Some(left), Some(right)) => table.row(left, '|', right),
                    (Some(left), None) => table.row(left, '<', ""),
                    (None, right) => table.row("", '>', right.unwrap_or(&"")),
                }
            }
        }
    }
    table.out
}

/// Two columns.
struct Table {
    column: usize,
    colour: bool,
    out: String,
}

impl Table {
    fn row(&mut self, left: &str, mark: char, right: &str) {
        let (left, right) = (self.cells(left), self.cells(right));
        let (red, green, reset) = match (self.colour, mark) {
            (false, _) | (true, ' ') => ("", "", ""),
            (true, _) => ("\u{1b}[31m", "\u{1b}[32m", "\u{1b}[0m"),
        };
        for index in 0..left.len().max(right.len()).max(1) {
            let left = left.get(index).map_or("", String::as_str);
            let right = right.get(index).map_or("", String::as_str);
            let pad = " ".repeat(self.column.saturating_sub(left.chars().count()));
            let row = format!("{red}{left}{reset}{pad} {mark} {green}{right}{reset}");
            self.out.push_str(row.trim_end());
            self.out.push('\n');
        }
    }

    /// The rows that a line takes. Tabs become four spaces; other control characters are shown as U+FFFD.
    fn cells(&self, line: &str) -> Vec<String> {
        let chars: Vec<char> = line
            .replace('\t', "    ")
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        chars
            .chunks(self.column.max(1))
            .map(|cell| cell.iter().collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{side_by_side, unified};

    #[test]
    fn side_by_side_keeps_every_letter() {
        let old = b"FROM alpine:3.20\nRUN make\nRUN x\n";
        let new = b"FROM alpine:3.20@sha256:0123456789abcdef0123456789abcdef\nRUN make\n";
        let out = side_by_side("Dockerfile", old, new, 43, false);
        assert_eq!(
            out,
            "a/Dockerfile           b/Dockerfile\n\n\
             FROM alpine:3.20     | FROM alpine:3.20@sha\n                     | 256:0123456789abcdef\n                     | 0123456789abcdef\n\
             RUN make               RUN make\nRUN x                <\n"
        );
        assert_eq!(side_by_side("D", old, old, 80, true), "");
        let coloured = side_by_side("D", b"a\n", b"\x1b[31m\n", 0, true);
        assert!(
            coloured.contains("\u{1b}[32m\u{fffd}[31m\u{1b}[0m"),
            "{coloured}"
        );
    }

    #[test]
    fn reads_like_git_diff() {
        let old = b"FROM alpine:3.20\nRUN make\n";
        let new = b"FROM alpine:3.20@sha256:ab\nRUN --network=none make\n";
        assert_eq!(
            unified("Dockerfile", old, new, false),
            "--- a/Dockerfile\n+++ b/Dockerfile\n@@ -1,2 +1,2 @@\n-FROM alpine:3.20\n-RUN make\n\
             +FROM alpine:3.20@sha256:ab\n+RUN --network=none make\n"
        );
    }

    #[test]
    fn equal_files_have_no_diff_and_a_missing_last_newline_is_told() {
        assert_eq!(unified("D", b"FROM a", b"FROM a", true), "");
        let out = unified("D", b"FROM a", b"FROM b", false);
        assert_eq!(
            out.matches("\\ No newline at end of file").count(),
            2,
            "{out}"
        );
        assert!(unified("D", b"FROM a", b"FROM b", true).contains("\u{1b}[32m+FROM b\u{1b}[0m"));
    }
}
