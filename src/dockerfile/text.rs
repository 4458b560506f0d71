//! Text as Go treats it. Dockerfiles are bytes, mostly UTF-8; where BuildKit works by rune, invalid bytes become
//! U+FFFD one by one, and where it works by byte, a byte stands for its Latin-1 character.

use std::borrow::Cow;

/// `utf8.DecodeRune`: the first character and its length; an invalid byte is U+FFFD of length 1, nothing has length 0.
pub(crate) fn decode(bytes: &[u8]) -> (char, usize) {
    let Some(&first) = bytes.first() else {
        return (char::REPLACEMENT_CHARACTER, 0);
    };
    if first.is_ascii() {
        return (char::from(first), 1);
    }
    let head = bytes.get(..4).unwrap_or(bytes);
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) => head
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok())
            .unwrap_or(""),
    };
    valid
        .chars()
        .next()
        .map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, c.len_utf8()))
}

/// `utf8.DecodeLastRune`.
fn decode_last(bytes: &[u8]) -> (char, usize) {
    let Some(&last) = bytes.last() else {
        return (char::REPLACEMENT_CHARACTER, 0);
    };
    if last.is_ascii() {
        return (char::from(last), 1);
    }
    for len in 2..=4 {
        let Some(tail) = bytes
            .len()
            .checked_sub(len)
            .and_then(|start| bytes.get(start..))
        else {
            break;
        };
        if let (c, width) = decode(tail)
            && width == len
        {
            return (c, len);
        }
    }
    (char::REPLACEMENT_CHARACTER, 1)
}

/// The bytes as characters as Go takes them: each invalid byte is its own U+FFFD (unlike [`String::from_utf8_lossy`]).
#[must_use]
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut out = String::with_capacity(bytes.len());
            let mut rest = bytes;
            while let (c, width @ 1..) = decode(rest) {
                out.push(c);
                rest = rest.get(width..).unwrap_or_default();
            }
            Cow::Owned(out)
        }
    }
}

/// `unicode.IsSpace` of a byte taken as a Latin-1 character.
pub(crate) fn is_space_byte(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ' | 0x85 | 0xa0)
}

/// What separates words: the class `[\t\v\f\r ]` of BuildKit's parser.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x0b | 0x0c | b'\r' | b' ')
}

/// The class `\s` of Go's regular expressions: ASCII, and without the vertical tab.
pub(crate) fn is_regex_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ')
}

/// What is behind the bytes in front that are `those`. Parts of texts rather than offsets: they need no check.
#[inline]
pub(crate) fn behind(text: &[u8], those: impl Fn(u8) -> bool) -> &[u8] {
    let mut rest = text;
    while let [first, tail @ ..] = rest
        && those(*first)
    {
        rest = tail;
    }
    rest
}

/// What is behind the bytes in front that are not blank.
#[inline]
pub(crate) fn behind_word(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let [first, tail @ ..] = rest
        && !is_blank(*first)
    {
        rest = match rest.first_chunk::<8>() {
            Some(first) => {
                // Only bytes up to the space can be blank; the lowest bit left is that of the first of them.
                let word = u64::from_le_bytes(*first);
                let low = word.wrapping_sub(0x2121_2121_2121_2121) & !word & 0x8080_8080_8080_8080;
                let skipped = low.trailing_zeros() as usize / 8;
                rest.get(skipped.max(1)..).unwrap_or_default()
            }
            None => tail,
        };
    }
    rest
}

/// The text without the Unicode white space in front.
#[inline]
pub(crate) fn trim_start(text: &[u8]) -> &[u8] {
    // Indentation is mostly a few blanks; how many there are of the first eight takes no loop.
    let rest = match text.first_chunk::<8>() {
        Some(first) if text.first() == Some(&b' ') => {
            let differ = u64::from_le_bytes(*first) ^ u64::from_ne_bytes([b' '; 8]);
            let blanks = differ.trailing_zeros() as usize / 8;
            text.get(blanks..).unwrap_or_default()
        }
        _ => text,
    };
    let rest = behind(rest, |byte| matches!(byte, b'\t'..=b'\r' | b' '));
    match rest.first() {
        Some(byte) if !byte.is_ascii() => rest.get(leading_wide_space(rest)..).unwrap_or_default(),
        _ => rest,
    }
}

/// How much of that there is when the first byte is not ASCII.
#[cold]
fn leading_wide_space(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let (c, width @ 1..) = decode(bytes.get(at..).unwrap_or_default())
        && c.is_whitespace()
    {
        at += width;
    }
    at
}

/// The text without the Unicode white space at its end.
#[inline]
pub(crate) fn trim_end(bytes: &[u8]) -> &[u8] {
    let mut text = bytes;
    while let [rest @ .., b'\t'..=b'\r' | b' '] = text {
        text = rest;
    }
    match text.last() {
        Some(byte) if !byte.is_ascii() => text.get(..trimmed_wide_len(text)).unwrap_or_default(),
        _ => text,
    }
}

/// How long that is when the last byte is not ASCII.
#[cold]
fn trimmed_wide_len(bytes: &[u8]) -> usize {
    let mut len = bytes.len();
    while let (c, width @ 1..) = decode_last(bytes.get(..len).unwrap_or_default())
        && c.is_whitespace()
    {
        len -= width;
    }
    len
}

/// `strings.TrimSpace`.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    trim_start(trim_end(bytes))
}

/// `strings.ToLower`, which maps character by character.
pub(crate) fn lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars()
        .map(|c| match c {
            '\u{130}' => 'i',
            c => c.to_lowercase().next().unwrap_or(c),
        })
        .collect()
}

/// `strings.ToUpper`, which maps character by character and leaves alone what would become several.
pub(crate) fn upper(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars()
        .map(|c| {
            let mut upper = c.to_uppercase();
            match (upper.next(), upper.next()) {
                (Some(upper), None) => upper,
                _ => c,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_like_go() {
        assert_eq!(decode(b"a"), ('a', 1));
        assert_eq!(decode("é!".as_bytes()), ('é', 2));
        assert_eq!(decode(b"\xff\xfe"), ('\u{fffd}', 1));
        assert_eq!(decode(b"\xe2\x82"), ('\u{fffd}', 1), "cut short");
        assert_eq!(
            lossy(b"a\xe2\x82b"),
            "a\u{fffd}\u{fffd}b",
            "one for each byte"
        );
        assert_eq!(decode_last("x€".as_bytes()), ('€', 3));
        assert_eq!(decode_last(b"x\x80"), ('\u{fffd}', 1));
    }

    #[test]
    fn words_end_at_blanks() {
        for len in 0..20 {
            for byte in 0..=u8::MAX {
                let word = [b"a".repeat(len), vec![byte], b"bcdefgh i".to_vec()].concat();
                let expected = word.iter().position(|byte| is_blank(*byte));
                let found = word.len() - behind_word(&word).len();
                assert_eq!(Some(found), expected, "{word:?}");
            }
        }
    }

    #[test]
    fn trims_unicode_space() {
        assert_eq!(trim("\u{a0} x\u{2003}\t\u{85}".as_bytes()), b"x");
        assert_eq!(trim(b" \n "), b"");
        assert_eq!(
            trim_start(b"\x85x"),
            b"\x85x",
            "a lone byte is no character"
        );
        assert!(is_space_byte(0x85));
    }

    #[test]
    fn folds_case_character_by_character() {
        assert_eq!(lower("WOR\u{212a}D\u{130}R"), "workdir");
        assert_eq!(
            upper("ma\u{131}nta\u{131}ner\u{17f}\u{df}"),
            "MAINTAINERS\u{df}"
        );
    }
}
