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

/// How many bytes of Unicode white space are in front.
pub(crate) fn leading_space(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match rest.first() {
            None => return at,
            Some(byte) if byte.is_ascii() => {
                if !matches!(byte, b'\t'..=b'\r' | b' ') {
                    return at;
                }
                at += 1;
            }
            Some(_) => {
                let (c, width) = decode(rest);
                if !c.is_whitespace() {
                    return at;
                }
                at += width;
            }
        }
    }
}

/// How long the text is without the Unicode white space at its end.
pub(crate) fn trimmed_len(bytes: &[u8]) -> usize {
    let mut len = bytes.len();
    loop {
        let (c, width) = decode_last(bytes.get(..len).unwrap_or_default());
        if width == 0 || !c.is_whitespace() {
            return len;
        }
        len -= width;
    }
}

/// `strings.TrimSpace`.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.get(..trimmed_len(bytes)).unwrap_or_default();
    bytes.get(leading_space(bytes)..).unwrap_or_default()
}

/// `strings.ToLower`, which maps character by character.
pub(crate) fn lower(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{130}' => 'i',
            c => c.to_lowercase().next().unwrap_or(c),
        })
        .collect()
}

/// `strings.ToUpper`, which maps character by character and leaves alone what would become several.
pub(crate) fn upper(text: &str) -> String {
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

/// `unicode.IsDigit`: category Nd, whose members come in runs of ten.
pub(crate) fn is_digit(c: char) -> bool {
    const ZEROS: [u32; 66] = [
        0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
        0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
        0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
        0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0,
        0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16a60,
        0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950,
    ];
    if c.is_ascii() {
        return c.is_ascii_digit();
    }
    let code = u32::from(c);
    ZEROS.iter().any(|zero| (*zero..*zero + 10).contains(&code))
        || (0x1e4f0..0x1e4fa).contains(&code)
        || (0x1fbf0..0x1fbfa).contains(&code)
}

/// `unicode.IsLetter`: category L. Rust knows the property Alphabetic, which has letter-like numbers besides.
pub(crate) fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
        || (!c.is_ascii()
            && c.is_alphabetic()
            && !c.is_numeric()
            && !matches!(u32::from(c), 0x24b6..=0x24e9 | 0x1f130..=0x1f189))
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
    fn trims_unicode_space() {
        assert_eq!(trim("\u{a0} x\u{2003}\t\u{85}".as_bytes()), b"x");
        assert_eq!(trim(b" \n "), b"");
        assert_eq!(leading_space(b"\x85x"), 0, "a lone byte is no character");
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

    #[test]
    fn letters_and_digits() {
        assert!(
            is_letter('é')
                && is_letter('ß')
                && is_letter('字')
                && !is_letter('Ⅷ')
                && !is_letter('ⓐ')
        );
        assert!(is_digit('٣') && !is_digit('²') && !is_digit('一'));
    }
}
