//! JSON arrays of strings, the exec form, as Go's `encoding/json` takes them.
//!
//! What is no valid JSON is silently the shell form, so the border must be Go's: invalid UTF-8 and lone surrogates are
//! accepted (and become U+FFFD), control characters are not, nesting ends at 10,000, and a number too large for a
//! float makes the whole no JSON.

use super::text::decode;

/// `maxNestingDepth` of `encoding/json`.
const MAX_DEPTH: usize = 10_000;

/// What stands in brackets.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Array {
    /// Valid, strings only.
    Strings,
    /// Valid, but something is no string. BuildKit refuses it.
    Other,
    /// No JSON array.
    Invalid,
}

/// Reads `text`, which must be one array and nothing else but JSON white space. `found` gets the range of each string
/// in the text, with its quotes; what it got counts for nothing unless the result is [`Array::Strings`].
pub(super) fn parse_array(text: &[u8], found: impl FnMut(usize, usize)) -> Array {
    let mut scanner = Scanner { text, at: 0 };
    match scanner.array(found) {
        Some(true) => Array::Strings,
        Some(false) => Array::Other,
        None => Array::Invalid,
    }
}

/// Whether `text` is a JSON object, and if so the value of its last member `key` when that is a string.
pub(super) fn object_member(text: &[u8], key: &str) -> Option<String> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.space();
    if scanner.peek()? != b'{' {
        return None;
    }
    scanner.at += 1;
    scanner.space();
    let mut found = None;
    if scanner.peek()? == b'}' {
        scanner.at += 1;
    } else {
        loop {
            let name = scanner.string()?;
            scanner.space();
            scanner.expect(b':')?;
            scanner.space();
            let start = scanner.at;
            let is_string = scanner.peek()? == b'"';
            scanner.value(1)?;
            if decode_string(text.get(name.0..name.1)?) == key {
                found = is_string
                    .then(|| decode_string(text.get(start..scanner.at).unwrap_or_default()));
            }
            scanner.space();
            match scanner.take()? {
                b',' => scanner.space(),
                b'}' => break,
                _ => return None,
            }
        }
    }
    scanner.space();
    if scanner.at == text.len() {
        found
    } else {
        None
    }
}

/// The value of a string literal, quotes included, that the scanner accepted.
pub(super) fn decode_string(literal: &[u8]) -> String {
    let inner = literal
        .get(1..literal.len().saturating_sub(1))
        .unwrap_or_default();
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner;
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix(b"\\") {
            let (c, len) = decode_escape(tail);
            out.push(c);
            rest = tail.get(len..).unwrap_or_default();
        } else {
            let (c, len) = decode(rest);
            out.push(c);
            rest = rest.get(len..).unwrap_or_default();
        }
    }
    out
}

/// What stands behind a backslash: the character and how many bytes it took.
fn decode_escape(rest: &[u8]) -> (char, usize) {
    match rest.first() {
        Some(b'b') => ('\u{8}', 1),
        Some(b'f') => ('\u{c}', 1),
        Some(b'n') => ('\n', 1),
        Some(b'r') => ('\r', 1),
        Some(b't') => ('\t', 1),
        Some(b'u') => {
            let unit = hex(rest.get(1..5)).unwrap_or(0xfffd);
            if let Some(c) = char::from_u32(unit) {
                return (c, 5);
            }
            let low = rest
                .get(5..7)
                .filter(|prefix| prefix == b"\\u")
                .and_then(|_| hex(rest.get(7..11)));
            match low {
                Some(low @ 0xdc00..=0xdfff) if unit < 0xdc00 => {
                    let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    (
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
                        11,
                    )
                }
                _ => (char::REPLACEMENT_CHARACTER, 5),
            }
        }
        Some(other) => (char::from(*other), 1),
        None => (char::REPLACEMENT_CHARACTER, 0),
    }
}

fn hex(digits: Option<&[u8]>) -> Option<u32> {
    digits?.iter().try_fold(0, |value, digit| {
        Some(value * 16 + char::from(*digit).to_digit(16)?)
    })
}

struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.take()? == byte).then_some(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Whether there are only strings.
    fn array(&mut self, mut found: impl FnMut(usize, usize)) -> Option<bool> {
        let mut only_strings = true;
        self.space();
        self.expect(b'[')?;
        self.space();
        if self.peek()? == b']' {
            self.at += 1;
        } else {
            loop {
                if self.peek()? == b'"' {
                    let (from, to) = self.string()?;
                    found(from, to);
                } else {
                    only_strings = false;
                    self.value(1)?;
                }
                self.space();
                match self.take()? {
                    b',' => self.space(),
                    b']' => break,
                    _ => return None,
                }
            }
        }
        self.space();
        (self.at == self.text.len()).then_some(only_strings)
    }

    /// Skips a string and returns its range.
    fn string(&mut self) -> Option<(usize, usize)> {
        let start = self.at;
        self.expect(b'"')?;
        loop {
            let rest = self.text.get(self.at..)?;
            let plain = |byte: &&u8| !matches!(**byte, 0..=0x1f | b'"' | b'\\');
            self.at += rest.iter().take_while(plain).count();
            match self.take()? {
                b'"' => return Some((start, self.at)),
                b'\\' => match self.take()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        hex(self.text.get(self.at..self.at + 4))?;
                        self.at += 4;
                    }
                    _ => return None,
                },
                0..=0x1f => return None,
                _ => {}
            }
        }
    }

    /// Skips any value; `depth` containers are open around it.
    fn value(&mut self, depth: usize) -> Option<()> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                bracket @ (b'[' | b'{') => {
                    self.at += 1;
                    open.push(bracket);
                    if depth + open.len() > MAX_DEPTH {
                        return None;
                    }
                    self.space();
                    let closing = if bracket == b'[' { b']' } else { b'}' };
                    if self.peek()? == closing {
                        self.at += 1;
                        open.pop();
                    } else {
                        self.member(bracket)?;
                        continue;
                    }
                }
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => self.number()?,
            }
            // A value is complete: close what ends here, or go on to the next member.
            loop {
                let Some(&bracket) = open.last() else {
                    return Some(());
                };
                self.space();
                match (self.take()?, bracket) {
                    (b',', _) => {
                        self.space();
                        self.member(bracket)?;
                        break;
                    }
                    (b']', b'[') | (b'}', b'{') => {
                        open.pop();
                    }
                    _ => return None,
                }
            }
        }
    }

    /// In an object, skips `"name":` in front of a value.
    fn member(&mut self, bracket: u8) -> Option<()> {
        if bracket == b'{' {
            self.string()?;
            self.space();
            self.expect(b':')?;
            self.space();
        }
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let end = self.at + word.len();
        (self.text.get(self.at..end)? == word).then(|| self.at = end)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.at += 1;
        }
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let number = std::str::from_utf8(self.text.get(start..self.at)?).ok()?;
        number.parse::<f64>().ok()?.is_finite().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(text: &str) -> Option<Vec<String>> {
        let text = text.as_bytes();
        let mut strings = Vec::new();
        match parse_array(text, |from, to| {
            strings.push(decode_string(&text[from..to]))
        }) {
            Array::Strings => Some(strings),
            _ => None,
        }
    }

    fn kind(text: &[u8]) -> Array {
        parse_array(text, |_, _| {})
    }

    #[test]
    fn reads_arrays_of_strings() {
        assert_eq!(strings("[]"), Some(vec![]));
        assert_eq!(
            strings(" [ \"a\" ,\t\"b c\" ] "),
            Some(vec!["a".to_owned(), "b c".to_owned()])
        );
        assert_eq!(
            strings(r#"["\u0041\n\"\ud83d\ude00\ud83dx\/"]"#),
            Some(vec!["A\n\"😀\u{fffd}x/".to_owned()])
        );
        assert_eq!(kind(b"[\"\xff\"]"), Array::Strings);
        assert_eq!(decode_string(b"\"\xff\""), "\u{fffd}");
    }

    #[test]
    fn other_values_are_valid_but_not_strings() {
        for text in [
            "[1]",
            "[\"a\", null]",
            "[[\"a\"]]",
            "[{\"a\": [true, -0.5e+3]}]",
            "[[],{}]",
        ] {
            assert_eq!(kind(text.as_bytes()), Array::Other, "{text}");
        }
    }

    #[test]
    fn everything_else_is_no_json() {
        for text in [
            "",
            "[",
            "[\"a\"",
            "[\"a\",]",
            "[,]",
            "['a']",
            "[\"a\"] x",
            "[\"a\tb\"]",
            "[\"\\x\"]",
            "[01]",
            "[1.]",
            "[-]",
            "[1e999]",
            "[tru]",
            "[{\"a\"}]",
            "[{1:2}]",
            "[\"\\u12g4\"]",
            "{}",
            "[[1e999], \"a\"]",
            "[[}]",
        ] {
            assert_eq!(kind(text.as_bytes()), Array::Invalid, "{text}");
        }
    }

    #[test]
    fn depth_is_gos() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(kind(nested(10_000).as_bytes()), Array::Other);
        assert_eq!(kind(nested(10_001).as_bytes()), Array::Invalid);
    }

    #[test]
    fn finds_members_of_objects() {
        let member = |text: &str| object_member(text.as_bytes(), "syntax");
        assert_eq!(
            member(r#" {"a": {"syntax": "no"}, "syntax": "x/y", "b": 1} "#).as_deref(),
            Some("x/y")
        );
        assert_eq!(
            member(r#"{"syntax": "a", "syntax": "b"}"#).as_deref(),
            Some("b")
        );
        assert_eq!(member(r#"{"syntax": "a", "syntax": 1}"#), None);
        assert_eq!(member(r#"{"syntax": "a"} FROM x"#), None);
        assert_eq!(member(r#"{}"#), None);
        assert_eq!(member("FROM x"), None);
    }
}
