//! One logical line: keyword, flags and words (BuildKit's `split_command.go` and `line_parsers.go`).
//!
//! Everything is found as ranges of the logical line. Only what BuildKit changes on the way (escapes in flags, JSON
//! strings, invalid UTF-8 in quoted words) is kept as text of its own.

use memchr::memchr;

use super::{
    Keyword, ParseErrorKind,
    json::{self, Array},
    text::{self, decode, is_blank, is_space_byte},
};

/// A range of the logical line, with the text if BuildKit's differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawWord {
    /// As written; for JSON with the quotes.
    pub start: u32,
    pub end: u32,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// The range as it is.
    Plain,
    /// The range without its quotes.
    Quoted,
    /// Something else.
    Owned(Box<str>),
}

impl RawWord {
    fn plain(start: usize, end: usize) -> Self {
        Self {
            start: small(start),
            end: small(end),
            value: Value::Plain,
        }
    }

    pub(super) fn text<'t>(&'t self, line: &'t [u8]) -> &'t [u8] {
        let (start, end) = (self.start as usize, self.end as usize);
        match &self.value {
            Value::Plain => line.get(start..end).unwrap_or_default(),
            Value::Quoted => line
                .get(start + 1..end.saturating_sub(1))
                .unwrap_or_default(),
            Value::Owned(text) => text.as_bytes(),
        }
    }
}

/// Offsets are 32 bits; the parser refuses files that don't fit.
fn small(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// The pieces of a logical line, as ranges of it.
pub(super) struct Split {
    pub keyword: (usize, usize),
    pub args: (usize, usize),
}

/// `splitCommand`: the keyword, the flags (pushed to `flags`), the rest without white space around it.
pub(super) fn split_command(
    line: &[u8],
    from: usize,
    to: usize,
    escape: u8,
    flags: &mut Vec<RawWord>,
) -> Split {
    let part = line.get(from..to).unwrap_or_default();
    let end = from + text::trimmed_len(part);
    let start = (from + text::leading_space(part)).min(end);
    let body = line.get(start..end).unwrap_or_default();
    let keyword_len = body
        .iter()
        .position(|byte| is_blank(*byte))
        .unwrap_or(body.len());
    let keyword = (start, start + keyword_len);
    let blanks = body
        .iter()
        .skip(keyword_len)
        .take_while(|byte| is_blank(**byte))
        .count();
    let args = extract_flags(line, keyword.1 + blanks, end, escape, flags);
    // The end is trimmed already; the flags may leave white space in front.
    let args = args + text::leading_space(line.get(args..end).unwrap_or_default());
    Split {
        keyword,
        args: (args, end),
    }
}

/// `extractBuilderFlags`: words that begin with `--`, byte by byte; returns where the rest begins.
fn extract_flags(
    line: &[u8],
    from: usize,
    end: usize,
    escape: u8,
    flags: &mut Vec<RawWord>,
) -> usize {
    let mut at = from;
    loop {
        while at < end && line.get(at).is_some_and(|byte| is_space_byte(*byte)) {
            at += 1;
        }
        if !line
            .get(at..end)
            .is_some_and(|rest| rest.starts_with(b"--"))
        {
            return at;
        }
        let (flag, next) = read_flag(line, at, end, escape);
        let is_end = match &flag.value {
            Value::Owned(text) => &**text == "--",
            _ => flag.end - flag.start == 2,
        };
        at = next;
        if is_end {
            return at;
        }
        flags.push(flag);
    }
}

fn read_flag(line: &[u8], start: usize, end: usize, escape: u8) -> (RawWord, usize) {
    let mut at = start;
    // The common case: nothing in it that would be changed.
    while let Some(&byte) = line.get(at).filter(|_| at < end) {
        if is_space_byte(byte) && byte.is_ascii() {
            return (RawWord::plain(start, at), at);
        }
        if !byte.is_ascii() || byte == escape || matches!(byte, b'\'' | b'"') {
            return read_changed_flag(line, start, end, escape);
        }
        at += 1;
    }
    (RawWord::plain(start, end), end)
}

fn read_changed_flag(line: &[u8], start: usize, end: usize, escape: u8) -> (RawWord, usize) {
    let mut value = String::new();
    let mut at = end;
    for item in FlagChars::new(line, start, end, escape) {
        match item {
            FlagChar::Value(c, _) => value.push(c),
            FlagChar::End(offset) => at = offset,
        }
    }
    (
        RawWord {
            start: small(start),
            end: small(at),
            value: Value::Owned(value.into()),
        },
        at,
    )
}

/// The characters of a flag's value with the offset of the byte each came from.
pub(super) struct FlagChars<'l> {
    line: &'l [u8],
    at: usize,
    end: usize,
    escape: u8,
    quote: Option<u8>,
    done: bool,
}

pub(super) enum FlagChar {
    Value(char, usize),
    End(usize),
}

impl<'l> FlagChars<'l> {
    pub(super) fn new(line: &'l [u8], start: usize, end: usize, escape: u8) -> Self {
        Self {
            line,
            at: start,
            end,
            escape,
            quote: None,
            done: false,
        }
    }

    fn byte(&self) -> Option<u8> {
        if self.at < self.end {
            self.line.get(self.at).copied()
        } else {
            None
        }
    }
}

impl Iterator for FlagChars<'_> {
    type Item = FlagChar;

    fn next(&mut self) -> Option<FlagChar> {
        if self.done {
            return None;
        }
        loop {
            let Some(mut byte) = self.byte() else {
                self.done = true;
                return Some(FlagChar::End(self.at));
            };
            match self.quote {
                Some(quote) if byte == quote => {
                    self.quote = None;
                    self.at += 1;
                    continue;
                }
                Some(_) => {}
                None if is_space_byte(byte) => {
                    self.done = true;
                    return Some(FlagChar::End(self.at));
                }
                None if matches!(byte, b'\'' | b'"') => {
                    self.quote = Some(byte);
                    self.at += 1;
                    continue;
                }
                None => {}
            }
            if byte == self.escape {
                self.at += 1;
                match self.byte() {
                    Some(escaped) => byte = escaped,
                    None => continue,
                }
            }
            self.at += 1;
            return Some(FlagChar::Value(char::from(byte), self.at - 1));
        }
    }
}

/// What a line parser found besides the words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// A JSON array.
    pub json: bool,
    /// `ENV name value`: one pair without `=`.
    pub legacy: bool,
}

/// Finds the words of an instruction's arguments, `line[start..end]`, as its line parser does.
pub(super) fn parse_args(
    keyword: Keyword,
    line: &[u8],
    (start, end): (usize, usize),
    escape: u8,
    words: &mut Vec<RawWord>,
) -> Result<Shape, ParseErrorKind> {
    let args = line.get(start..end).unwrap_or_default();
    match keyword {
        Keyword::Arg => {
            each_word(args, start, escape, |word| words.push(word));
            Ok(Shape::default())
        }
        Keyword::Env => pairs(args, start, escape, "ENV", words),
        Keyword::Label => pairs(args, start, escape, "LABEL", words),
        Keyword::From | Keyword::Expose => {
            split_blanks(args, start, words);
            Ok(Shape::default())
        }
        Keyword::Add | Keyword::Copy | Keyword::Volume => {
            let json = json_words(line, start, end, words)?;
            if !json {
                split_blanks(args, start, words);
            }
            Ok(Shape {
                json,
                legacy: false,
            })
        }
        Keyword::Run | Keyword::Cmd | Keyword::Entrypoint | Keyword::Shell => {
            shell_or_json(line, start, end, words)
        }
        Keyword::Healthcheck => {
            let kind = args
                .iter()
                .position(|byte| is_space_byte(*byte))
                .unwrap_or(args.len());
            let gap = args
                .iter()
                .skip(kind)
                .take_while(|byte| is_space_byte(**byte))
                .count();
            if kind == 0 {
                return Ok(Shape::default());
            }
            words.push(RawWord::plain(start, start + kind));
            shell_or_json(line, start + kind + gap, end, words)
        }
        Keyword::Maintainer | Keyword::Stopsignal | Keyword::User | Keyword::Workdir => {
            if !args.is_empty() {
                words.push(RawWord::plain(start, end));
            }
            Ok(Shape::default())
        }
        Keyword::Onbuild => Ok(Shape::default()),
        Keyword::Unknown => {
            words.push(RawWord::plain(start, start));
            Ok(Shape::default())
        }
    }
}

/// `parseMaybeJSON`.
fn shell_or_json(
    line: &[u8],
    start: usize,
    end: usize,
    words: &mut Vec<RawWord>,
) -> Result<Shape, ParseErrorKind> {
    let json = start < end && json_words(line, start, end, words)?;
    if !json && start < end {
        words.push(RawWord::plain(start, end));
    }
    Ok(Shape {
        json,
        legacy: false,
    })
}

/// `parseJSON`; `false` when it is no JSON.
fn json_words(
    line: &[u8],
    start: usize,
    end: usize,
    words: &mut Vec<RawWord>,
) -> Result<bool, ParseErrorKind> {
    let args = line.get(start..end).unwrap_or_default();
    let skipped = text::leading_space(args);
    let array = args.get(skipped..).unwrap_or_default();
    if !array.starts_with(b"[") {
        return Ok(false);
    }
    match json::parse_array(array) {
        Array::Invalid => Ok(false),
        Array::Other => Err(ParseErrorKind::NotStrings),
        Array::Strings(strings) => {
            for (from, to) in strings {
                let literal = array.get(from..to).unwrap_or_default();
                let value = if literal.contains(&b'\\') || std::str::from_utf8(literal).is_err() {
                    Value::Owned(json::decode_string(literal).into())
                } else {
                    Value::Quoted
                };
                let offset = start + skipped;
                words.push(RawWord {
                    start: small(offset + from),
                    end: small(offset + to),
                    value,
                });
            }
            Ok(true)
        }
    }
}

/// `reWhitespace.Split(rest, -1)`; nothing of nothing.
fn split_blanks(args: &[u8], start: usize, words: &mut Vec<RawWord>) {
    let mut at = 0;
    while at < args.len() {
        let rest = args.get(at..).unwrap_or_default();
        let len = rest
            .iter()
            .position(|byte| is_blank(*byte))
            .unwrap_or(rest.len());
        words.push(RawWord::plain(start + at, start + at + len));
        at += len
            + rest
                .iter()
                .skip(len)
                .take_while(|byte| is_blank(**byte))
                .count();
    }
}

/// `parseNameVal`: for each pair the name and the value.
fn pairs(
    args: &[u8],
    start: usize,
    escape: u8,
    instruction: &'static str,
    words: &mut Vec<RawWord>,
) -> Result<Shape, ParseErrorKind> {
    let first = words.len();
    // A first word without `=` makes it one pair, a later one is an error.
    let (mut legacy, mut missing) = (false, None);
    // Ranges count from the start of the logical line, which begins `start` bytes before `args`.
    let written = |word: &RawWord| args.get(word.start as usize - start..word.end as usize - start);
    each_word(args, start, escape, |word| {
        if legacy || missing.is_some() {
            return;
        }
        let equals = match &word.value {
            Value::Owned(text) => text.find('='),
            _ => written(&word).and_then(|text| memchr(b'=', text)),
        };
        match equals {
            Some(at) => {
                let [name, value] = halves(&word, at);
                words.push(name);
                words.push(value);
            }
            None if words.len() == first => legacy = true,
            None => missing = Some(word),
        }
    });
    if let Some(word) = missing {
        let text = match word.value {
            Value::Owned(text) => text.into(),
            _ => text::lossy(written(&word).unwrap_or_default()).into_owned(),
        };
        return Err(ParseErrorKind::MissingEquals(instruction, text));
    }
    if legacy {
        let name = args
            .iter()
            .position(|byte| is_blank(*byte))
            .ok_or_else(|| ParseErrorKind::MissingValue(instruction))?;
        let gap = args
            .iter()
            .skip(name)
            .take_while(|byte| is_blank(**byte))
            .count();
        words.push(RawWord::plain(start, start + name));
        words.push(RawWord::plain(start + name + gap, start + args.len()));
    }
    Ok(Shape {
        json: false,
        legacy,
    })
}

/// What is before the `=` at `at`, and what is behind it.
fn halves(word: &RawWord, at: usize) -> [RawWord; 2] {
    let (from, to) = (word.start as usize, word.end as usize);
    match &word.value {
        Value::Owned(text) => {
            let (name, value) = text.split_at_checked(at).unwrap_or_default();
            [name, value.get(1..).unwrap_or_default()].map(|half| RawWord {
                value: Value::Owned(half.into()),
                ..*word
            })
        }
        _ => [
            RawWord::plain(from, from + at),
            RawWord::plain(from + at + 1, to),
        ],
    }
}

/// `parseWords`: words separated by Unicode white space; quotes keep them together and stay, as do escapes.
fn each_word(args: &[u8], start: usize, escape: u8, mut found: impl FnMut(RawWord)) {
    let mut at = 0;
    loop {
        at += text::leading_space(args.get(at..).unwrap_or_default());
        if at >= args.len() {
            return;
        }
        let word_start = at;
        let mut word_end = at;
        let mut quote = None;
        let mut quoted = false;
        let mut valid = true;
        loop {
            // Most bytes mean nothing in particular, in quotes and out of them.
            let rest = args.get(at..).unwrap_or_default();
            let plain = |byte: &u8| {
                byte.is_ascii_graphic() && !matches!(byte, b'\'' | b'"') && *byte != escape
            };
            let skipped = rest.iter().take_while(|byte| plain(byte)).count();
            if skipped > 0 {
                at += skipped;
                word_end = at;
            }
            let (c, width) = decode(args.get(at..).unwrap_or_default());
            if width == 0 || (quote.is_none() && c.is_whitespace()) {
                break;
            }
            valid &= c != char::REPLACEMENT_CHARACTER || width > 1;
            if c == char::from(escape) && quote != Some('\'') {
                let next = decode(args.get(at + width..).unwrap_or_default());
                at += width + next.1;
                if next.1 > 0 {
                    valid &= next.0 != char::REPLACEMENT_CHARACTER || next.1 > 1;
                    word_end = at;
                }
                // At the very end BuildKit drops the escape character.
                continue;
            }
            match quote {
                None if matches!(c, '\'' | '"') => {
                    quote = Some(c);
                    quoted = true;
                }
                Some(open) if c == open => quote = None,
                _ => {}
            }
            at += width;
            word_end = at;
        }
        if quoted || word_end > word_start {
            let mut word = RawWord::plain(start + word_start, start + word_end);
            if !valid {
                let text = text::lossy(args.get(word_start..word_end).unwrap_or_default());
                word.value = Value::Owned(text.into());
            }
            found(word);
        }
    }
}
