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

#[cfg(test)]
mod tests {
    use super::unified;

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
