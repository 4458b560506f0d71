//! The patterns of rules.
//!
//! In names ([`Glob`]): `*` is any text without `/`, `**` any text; every other character is itself. In text that is no path, such as a RUN
//! step's command ([`matches_text`]): `*` is any text. Matching takes at most (length of the pattern) × (length of the text) steps,
//! for text linear in both.

/// Longest pattern, in bytes.
pub const MAX_PATTERN: usize = 1024;

/// A pattern over names whose parts are divided by `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `*`
    Part,
    /// `**`
    All,
}

impl Glob {
    /// Reads `pattern`; every text is one.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        let mut tokens = Vec::new();
        for byte in pattern.bytes() {
            match (byte, tokens.last()) {
                (b'*', Some(Token::Part | Token::All)) => {
                    tokens.pop();
                    tokens.push(Token::All);
                }
                (b'*', _) => tokens.push(Token::Part),
                _ => tokens.push(Token::Byte(byte)),
            }
        }
        Self { tokens }
    }

    /// Whether the pattern covers all of `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        // The places in the pattern at which the text read so far may stand; one more than there are tokens.
        let mut here = self.closure(vec![0]);
        for byte in text.bytes() {
            let mut next = Vec::with_capacity(here.len());
            for &place in &here {
                match self.tokens.get(place) {
                    Some(Token::Byte(wanted)) if *wanted == byte => {
                        next.push(place.saturating_add(1))
                    }
                    Some(Token::Part) if byte != b'/' => next.push(place),
                    Some(Token::All) => next.push(place),
                    _ => {}
                }
            }
            if next.is_empty() {
                return false;
            }
            here = self.closure(next);
        }
        here.last() == Some(&self.tokens.len())
    }

    /// Adds the places reached by stars that take nothing. `places` ascends, and so does the result, without repetition.
    fn closure(&self, places: Vec<usize>) -> Vec<usize> {
        let mut all: Vec<usize> = Vec::with_capacity(places.len());
        for mut place in places {
            loop {
                if all.last().is_none_or(|last| *last < place) {
                    all.push(place);
                }
                match self.tokens.get(place) {
                    Some(Token::Part | Token::All) => place = place.saturating_add(1),
                    _ => break,
                }
            }
        }
        all
    }
}

/// Whether `pattern`, in which `*` is any text, covers all of `text`.
#[must_use]
pub fn matches_text(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(text) = text.strip_prefix(head) else {
        return false;
    };
    let Some(mut text) = text.strip_suffix(tail) else {
        return false;
    };
    // The first place that fits leaves the most for the pieces after it.
    for piece in middle.split('*') {
        match text.split_once(piece) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_star_stays_in_its_part() {
        for (pattern, text, covered) in [
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a//c", true),
            ("a/*/c", "a/b/b/c", false),
            ("a/**/c", "a/b/b/c", true),
            ("a/**/c", "a/c", false),
            ("a/**", "a/", true),
            ("a/**", "a", false),
            ("a/**", "ab", false),
            ("**", "", true),
            ("*", "a/b", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b", "ab", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("", "", true),
            ("", "a", false),
            ("***", "a/b", true),
            ("?", "a", false),
            ("[a]", "a", false),
            ("a.c", "abc", false),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(text),
                covered,
                "{pattern} over {text}"
            );
        }
    }

    #[test]
    fn a_star_in_text_is_anything() {
        for (pattern, text, covered) in [
            ("make fetch", "make fetch", true),
            ("make fetch", "make fetch all", false),
            ("make *", "make a/b && c\nd", true),
            ("*apt-get*", "apt-get", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c*d", "a-b-c-d", true),
            ("a*b*b*d", "a-b-d", false),
            ("*", "", true),
            ("**", "x", true),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(
                matches_text(pattern, text),
                covered,
                "{pattern} over {text}"
            );
        }
    }

    #[test]
    fn hostile_patterns_take_bounded_time() {
        let start = std::time::Instant::now();
        let pattern = "*a".repeat(MAX_PATTERN / 2);
        let text = "a".repeat(8192) + "b";
        assert!(!Glob::new(&pattern).matches(&text));
        assert!(!matches_text(
            &pattern,
            &"a".repeat(1 << 20).replace('a', "ab")
        ));
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }

    /// The definition, by trying everything.
    fn reference(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', b'*', rest @ ..] => (0..=text.len()).any(|n| reference(rest, &text[n..])),
            [b'*', rest @ ..] => (0..=text.len())
                .take_while(|n| !text[..*n].contains(&b'/'))
                .any(|n| reference(rest, &text[n..])),
            [byte, rest @ ..] => text.first() == Some(byte) && reference(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn matches_as_defined(pattern in "[ab/*]{0,8}", text in "[ab/]{0,10}") {
            prop_assert_eq!(
                Glob::new(&pattern).matches(&text),
                reference(pattern.as_bytes(), text.as_bytes())
            );
            let anything = pattern.replace('*', "**").replace("****", "**");
            prop_assert_eq!(
                matches_text(&pattern, &text),
                reference(anything.as_bytes(), text.as_bytes())
            );
        }
    }
}
