//! Patterns of the shell (`*`, `?`, `[...]`) on texts with holes.

use super::value::{Piece, Text};

/// One piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Glob {
    Char(char),
    /// `*`
    Many,
    /// `?`
    One,
    /// `[...]`
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// How much work one match may take.
const MAX_WORK: usize = 100_000;

/// The pattern that `text` is. What is quoted stands for itself.
pub(super) fn compile(parts: &[(String, bool)]) -> Vec<Glob> {
    let mut globs = Vec::new();
    for (text, quoted) in parts {
        if *quoted {
            globs.extend(text.chars().map(Glob::Char));
            continue;
        }
        let mut rest = text.as_str();
        while let Some(c) = rest.chars().next() {
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            match c {
                '*' => globs.push(Glob::Many),
                '?' => globs.push(Glob::One),
                '[' => match set(rest) {
                    Some((glob, behind)) => {
                        globs.push(glob);
                        rest = behind;
                    }
                    None => globs.push(Glob::Char('[')),
                },
                other => globs.push(Glob::Char(other)),
            }
        }
    }
    globs
}

fn set(rest: &str) -> Option<(Glob, &str)> {
    let (negated, body) = match rest.strip_prefix(['!', '^']) {
        Some(body) => (true, body),
        None => (false, rest),
    };
    // A bracket right behind the opening one is a member.
    let first = body.chars().next()?.len_utf8();
    let end = body.get(first..)?.find(']')?.checked_add(first)?;
    let members = body.get(..end)?;
    let mut ranges = Vec::new();
    if members.contains("[:") {
        for (class, of) in [
            ("[:alpha:]", &[('a', 'z'), ('A', 'Z')][..]),
            ("[:digit:]", &[('0', '9')]),
            ("[:alnum:]", &[('a', 'z'), ('A', 'Z'), ('0', '9')]),
            ("[:space:]", &[(' ', ' '), ('\t', '\r')]),
        ] {
            // The class ends in the bracket that was taken for the end of the set.
            let behind = body
                .strip_prefix(class)
                .and_then(|rest| rest.strip_prefix(']'));
            if let Some(behind) = behind {
                let ranges = of.to_vec();
                return Some((Glob::Set { negated, ranges }, behind));
            }
        }
        return None;
    }
    let mut chars = members.chars().peekable();
    while let Some(from) = chars.next() {
        let mut ahead = chars.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) => {
                ranges.push((from, to));
                chars = ahead;
            }
            _ => ranges.push((from, from)),
        }
    }
    Some((
        Glob::Set { negated, ranges },
        body.get(end.checked_add(1)?..)?,
    ))
}

impl Glob {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::Many | Self::One => true,
            Self::Set { negated, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&c)) != *negated
            }
        }
    }
}

/// Whether the pattern matches all of `text`.
pub(super) fn matches(globs: &[Glob], text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    if globs.len().saturating_mul(chars.len()) > MAX_WORK {
        return false;
    }
    // Which positions of the text are reached, glob by glob.
    let mut reached = vec![false; chars.len().saturating_add(1)];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for glob in globs {
        let mut next = vec![false; reached.len()];
        let mut open = false;
        for (at, is) in reached.iter().enumerate() {
            if *glob == Glob::Many {
                open |= is;
                if let Some(slot) = next.get_mut(at) {
                    *slot = open;
                }
            } else if *is
                && chars.get(at).is_some_and(|c| glob.takes(*c))
                && let Some(slot) = next.get_mut(at.saturating_add(1))
            {
                *slot = true;
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

/// Whether the pattern matches `text`; `None` if a hole decides.
pub(super) fn may_match(globs: &[Glob], text: &Text) -> Option<bool> {
    if globs.iter().all(|glob| *glob == Glob::Many) && !globs.is_empty() {
        return Some(true);
    }
    if let Some(text) = text.known() {
        return Some(matches(globs, text));
    }
    // Each hole can be anything: if even then nothing fits, nothing does.
    let both: String = globs
        .iter()
        .map_while(|glob| match glob {
            Glob::Char(c) => Some(*c),
            _ => None,
        })
        .collect();
    let prefix = text.prefix();
    let apart = !prefix.starts_with(&both) && !both.starts_with(prefix);
    if apart {
        return Some(false);
    }
    if both.chars().count() == globs.len() {
        let fits = text.pieces.iter().all(|piece| match piece {
            Piece::Text(text) => both.contains(text.as_str()),
            Piece::Hole(_) => true,
        });
        if !fits {
            return Some(false);
        }
    }
    None
}

/// `text` without the shortest or longest match at its start or end.
pub(super) fn strip<'t>(globs: &[Glob], text: &'t str, suffix: bool, longest: bool) -> &'t str {
    let mut bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    bounds.push(text.len());
    if bounds.len().saturating_mul(bounds.len()) > MAX_WORK {
        return text;
    }
    if suffix != longest {
        bounds.reverse();
    }
    for at in bounds {
        let (cut, kept) = if suffix {
            (text.get(at..), text.get(..at))
        } else {
            (text.get(..at), text.get(at..))
        };
        if matches(globs, cut.unwrap_or_default()) {
            return kept.unwrap_or_default();
        }
    }
    text
}

/// `text` with the first match, or all, replaced; `kind` is `#` or `%` for a match at the start or end only.
pub(super) fn replace(globs: &[Glob], text: &str, with: &str, kind: u8) -> Option<String> {
    let mut bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    bounds.push(text.len());
    if globs.is_empty() || bounds.len() > 256 {
        return (globs.is_empty()).then(|| text.to_owned());
    }
    let mut out = String::new();
    let mut from = 0;
    let mut done = false;
    while from < text.len() {
        let ends = bounds.iter().rev().filter(|end| **end > from);
        let anchored = match kind {
            b'#' => from == 0,
            _ => true,
        };
        let found = (!done && anchored)
            .then(|| {
                ends.copied()
                    .filter(|end| kind != b'%' || *end == text.len())
                    .find(|end| matches(globs, text.get(from..*end).unwrap_or_default()))
            })
            .flatten();
        match found {
            Some(end) => {
                out.push_str(with);
                from = end;
                done = kind != b'/';
            }
            None => {
                let c = text.get(from..)?.chars().next()?;
                out.push(c);
                from = from.saturating_add(c.len_utf8());
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(text: &str) -> Vec<Glob> {
        compile(&[(text.to_owned(), false)])
    }

    #[test]
    fn patterns_match_as_a_shell_does() {
        for (pattern, text, expected) in [
            ("amd64", "amd64", true),
            ("amd64", "arm64", false),
            ("arm*", "arm64", true),
            ("*-arm??", "linux-arm64", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[x", "[x", true),
            ("*", "", true),
            ("?", "", false),
            ("[[:digit:]]*", "3rd", true),
        ] {
            assert_eq!(matches(&globs(pattern), text), expected, "{pattern} {text}");
        }
        assert!(matches(&compile(&[("*".to_owned(), true)]), "*"));
        assert!(!matches(&compile(&[("*".to_owned(), true)]), "x"));
    }

    #[test]
    fn parts_are_stripped_and_replaced() {
        let strip = |pattern, text, suffix, longest| strip(&globs(pattern), text, suffix, longest);
        assert_eq!(strip("*-", "a-b-c", false, false), "b-c");
        assert_eq!(strip("*-", "a-b-c", false, true), "c");
        assert_eq!(strip("-*", "a-b-c", true, false), "a-b");
        assert_eq!(strip("-*", "a-b-c", true, true), "a");
        assert_eq!(strip("[a-z]*", "3.12.0rc1", true, true), "3.12.0");
        assert_eq!(strip("x", "abc", true, true), "abc");
        let replace = |pattern, text, with, kind| replace(&globs(pattern), text, with, kind);
        assert_eq!(replace(".", "1.2.3", "_", b' ').unwrap(), "1_2.3");
        assert_eq!(replace(".", "1.2.3", "_", b'/').unwrap(), "1_2_3");
        assert_eq!(replace("v", "v1", "", b'#').unwrap(), "1");
        assert_eq!(replace("v", "1v", "", b'#').unwrap(), "1v");
        assert_eq!(replace("v", "v1v", "", b'%').unwrap(), "v1");
    }
}
