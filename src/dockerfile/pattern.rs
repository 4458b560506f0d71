//! Patterns of `${name#pattern}` and `${name/pattern/text}`: `*`, `?` and `\`.
//!
//! BuildKit turns them into Go regular expressions (`shell/lex.go`, `convertShellPatternToRegex`). What follows from
//! that is kept: neither wildcard matches a newline, the leftmost match wins, and in the replacement text `$1` and
//! `${name}` are references to groups that don't exist.

use super::letters::{is_digit, is_letter};

/// States of one search; a pattern times a value beyond this is refused instead of searched.
const MAX_STATES: usize = 1 << 26;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Many,
}

/// A parsed pattern.
pub(super) struct Pattern(Vec<Token>);

/// Why a pattern cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatternError {
    /// An escape that means nothing.
    Escape,
    /// Too large to be matched in bounded time.
    Size,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Many,
                '?' => Token::One,
                // `}` and `/` had to be escaped to get into the braces; the backslash isn't part of the pattern.
                '\\' if matches!(chars.peek(), Some('}' | '/')) => continue,
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '?' | '\\')) => Token::Literal(escaped),
                    _ => return Err(PatternError::Escape),
                },
                c => Token::Literal(c),
            });
        }
        Ok(Self(tokens))
    }

    fn search<'v>(&self, value: &'v str, greedy: bool) -> Result<Search<'_, 'v>, PatternError> {
        let width = value.len() + 1;
        let states = self
            .0
            .len()
            .checked_add(1)
            .and_then(|tokens| tokens.checked_mul(width));
        match states {
            Some(states) if states <= MAX_STATES => Ok(Search {
                tokens: &self.0,
                value,
                greedy,
                width,
                failed: vec![0; states / 64 + 1],
                stack: Vec::new(),
            }),
            _ => Err(PatternError::Size),
        }
    }
}

/// Backtracking that never looks at a state twice, so that its time is bounded by pattern times value.
struct Search<'p, 'v> {
    tokens: &'p [Token],
    value: &'v str,
    greedy: bool,
    width: usize,
    failed: Vec<u64>,
    stack: Vec<(usize, usize)>,
}

impl Search<'_, '_> {
    fn visit(&mut self, token: usize, at: usize) -> bool {
        let state = token * self.width + at;
        match self.failed.get_mut(state / 64) {
            Some(word) if *word & (1 << (state % 64)) == 0 => {
                *word |= 1 << (state % 64);
                true
            }
            _ => false,
        }
    }

    /// The end of the match that begins at `start`, if there is one.
    fn match_at(&mut self, start: usize) -> Option<usize> {
        self.stack.clear();
        self.stack.push((0, start));
        while let Some((mut token, mut at)) = self.stack.pop() {
            while self.visit(token, at) {
                let next = self.value.get(at..).and_then(|rest| rest.chars().next());
                match (self.tokens.get(token), next) {
                    (None, _) => return Some(at),
                    (Some(Token::Literal(wanted)), Some(c)) if *wanted == c => {
                        token += 1;
                        at += c.len_utf8();
                    }
                    (Some(Token::One), Some(c)) if c != '\n' => {
                        token += 1;
                        at += c.len_utf8();
                    }
                    (Some(Token::Many), Some(c)) if c != '\n' => {
                        let more = (token, at + c.len_utf8());
                        let done = (token + 1, at);
                        let (first, second) = if self.greedy {
                            (more, done)
                        } else {
                            (done, more)
                        };
                        self.stack.push(second);
                        (token, at) = first;
                    }
                    (Some(Token::Many), _) => token += 1,
                    _ => break,
                }
            }
        }
        None
    }

    fn find(&mut self, from: usize) -> Option<(usize, usize)> {
        let mut start = from;
        loop {
            if let Some(end) = self.match_at(start) {
                return Some((start, end));
            }
            start += self.value.get(start..)?.chars().next()?.len_utf8();
        }
    }
}

/// `${value#pattern}`, with `longest` `${value##pattern}`.
pub(super) fn trim_prefix(
    pattern: &str,
    value: &str,
    longest: bool,
) -> Result<String, PatternError> {
    let pattern = Pattern::parse(pattern)?;
    let end = pattern.search(value, longest)?.match_at(0).unwrap_or(0);
    Ok(value.get(end..).unwrap_or_default().to_owned())
}

/// `${value%pattern}`, with `longest` `${value%%pattern}`. BuildKit reverses both and trims the prefix.
pub(super) fn trim_suffix(
    pattern: &str,
    value: &str,
    longest: bool,
) -> Result<String, PatternError> {
    let reverse = |text: &str| text.chars().rev().collect::<String>();
    let mut reversed: Vec<char> = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        reversed.push(c);
        if c == '\\'
            && let Some(escaped) = chars.next()
        {
            // Stays in front of what it escapes once the whole is reversed.
            reversed.pop();
            reversed.push(escaped);
            reversed.push(c);
        }
    }
    let pattern: String = reversed.iter().rev().collect();
    Ok(reverse(&trim_prefix(&pattern, &reverse(value), longest)?))
}

/// `${value/pattern/replacement}`, with `all` `${value//pattern/replacement}`.
pub(super) fn replace(
    pattern: &str,
    value: &str,
    replacement: &str,
    all: bool,
) -> Result<String, PatternError> {
    let pattern = Pattern::parse(pattern)?;
    let mut search = pattern.search(value, true)?;
    let mut out = String::with_capacity(value.len());
    if !all {
        let (start, end) = match search.find(0) {
            Some(found) => found,
            None => return Ok(value.to_owned()),
        };
        out.push_str(value.get(..start).unwrap_or_default());
        out.push_str(replacement);
        out.push_str(value.get(end..).unwrap_or_default());
        return Ok(out);
    }
    // regexp.ReplaceAllString: an empty match directly behind another match is not replaced.
    let (mut last_end, mut from) = (0, 0);
    while from <= value.len() {
        let Some((start, end)) = search.find(from) else {
            break;
        };
        out.push_str(value.get(last_end..start).unwrap_or_default());
        if end > last_end || start == 0 {
            push_template(
                &mut out,
                replacement,
                value.get(start..end).unwrap_or_default(),
            );
        }
        // Visited states of a successful match are not failures.
        search.failed.fill(0);
        last_end = end;
        let step = value
            .get(from..)
            .and_then(|rest| rest.chars().next())
            .map_or(1, char::len_utf8);
        from = end.max(from + step);
    }
    out.push_str(value.get(last_end..).unwrap_or_default());
    Ok(out)
}

/// `regexp.Expand` for an expression without groups: `$0` is the match, every other reference is empty.
fn push_template(out: &mut String, template: &str, matched: &str) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (braced, inner) = match rest.strip_prefix('{') {
            Some(inner) => (true, inner),
            None => (false, rest),
        };
        let tail = inner.trim_start_matches(|c| is_letter(c) || is_digit(c) || c == '_');
        let name = inner.get(..inner.len() - tail.len()).unwrap_or_default();
        let tail = if braced {
            tail.strip_prefix('}')
        } else {
            Some(tail)
        };
        match tail {
            Some(tail) if !name.is_empty() => {
                if name == "0" {
                    out.push_str(matched);
                }
                rest = tail;
            }
            _ => out.push('$'),
        }
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_ends() {
        for (pattern, value, longest, expected) in [
            ("v", "v1.2", false, "1.2"),
            ("*.", "1.2.3", false, "2.3"),
            ("*.", "1.2.3", true, "3"),
            ("?", "é!", false, "!"),
            ("x", "v1", false, "v1"),
            ("*", "a\nb", true, "\nb"),
            ("\\*", "*a", false, "a"),
            ("a\\/", "a/b", false, "b"),
        ] {
            assert_eq!(
                trim_prefix(pattern, value, longest).as_deref(),
                Ok(expected),
                "{value}#{pattern}"
            );
        }
        for (pattern, value, longest, expected) in [
            (".*", "1.2.3", false, "1.2"),
            (".*", "1.2.3", true, "1"),
            ("\\*", "a*", false, "a"),
            ("-??", "1-ab", false, "1"),
        ] {
            assert_eq!(
                trim_suffix(pattern, value, longest).as_deref(),
                Ok(expected),
                "{value}%{pattern}"
            );
        }
        assert_eq!(trim_prefix("\\a", "a", false), Err(PatternError::Escape));
        assert_eq!(trim_prefix("a\\", "a", false), Err(PatternError::Escape));
    }

    #[test]
    fn replaces_like_gos_regexp() {
        for (pattern, value, replacement, all, expected) in [
            ("a", "banana", "o", false, "bonana"),
            ("a", "banana", "o", true, "bonono"),
            ("", "ab", "-", true, "-a-b-"),
            ("*", "ab", "x", true, "x"),
            ("a*", "bab", "<$0>", true, "b<ab>"),
            ("a", "aa", "$$1${1}$x ", true, "$1 $1 "),
            ("a", "aa", "$", true, "$$"),
            ("a", "aa", "$1", false, "$1a"),
            ("z", "aa", "x", false, "aa"),
        ] {
            assert_eq!(
                replace(pattern, value, replacement, all).as_deref(),
                Ok(expected),
                "{value}/{pattern}"
            );
        }
    }

    #[test]
    fn hostile_patterns_are_bounded() {
        let value = "a".repeat(4000);
        let pattern = "*a".repeat(2000) + "b";
        assert_eq!(
            trim_prefix(&pattern, &value, true).as_deref(),
            Ok(value.as_str())
        );
        assert_eq!(
            replace(&"*".repeat(70_000), &value, "", true),
            Err(PatternError::Size)
        );
    }
}
