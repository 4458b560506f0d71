//! One logical line: keyword, flags and words (BuildKit's `split_command.go` and `line_parsers.go`).
//!
//! Everything is found as ranges of the logical line. Only what BuildKit changes on the way (escapes in flags, JSON
//! strings, invalid UTF-8 in quoted words) is kept as text of its own.

use super::{
    Keyword, ParseErrorKind,
    json::{self, Array},
    parser::make_room,
    text::{self, decode, is_blank, is_space_byte},
};

/// A range of the logical line. Eight bytes, because long lists of short words are many times the file otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawWord {
    /// Offset of the first byte; or with [`CHANGED`] an index of [`Words::changed`].
    start: u32,
    /// Offset one behind the last byte; with [`QUOTED`] the first and the last are quotes and not part of the text.
    end: u32,
}

/// No offset has this bit: files end at 2^30 bytes.
const CHANGED: u32 = 1 << 31;
const QUOTED: u32 = 1 << 31;

/// A word whose text is not what is written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Changed {
    start: u32,
    end: u32,
    /// Where its text ends in [`Words::texts`]; that of the word before ends where it begins.
    text_end: u32,
}

/// Flags and words of all instructions, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    all: Vec<RawWord>,
    changed: Vec<Changed>,
    texts: String,
    /// Bytes of the file, and where in it the line at hand begins.
    total: usize,
    line: usize,
}

impl Words {
    pub(super) fn of_file(total: usize) -> Self {
        Self {
            all: Vec::with_capacity(total / 16 + 4),
            total,
            ..Self::default()
        }
    }

    /// What comes is of the logical line that begins there in the file.
    pub(super) fn begin_line(&mut self, start: usize) {
        self.line = start;
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// For [`Self::rewind`].
    fn mark(&self) -> (usize, usize, usize) {
        (self.all.len(), self.changed.len(), self.texts.len())
    }

    /// Takes back what was added since.
    fn rewind(&mut self, (all, changed, texts): (usize, usize, usize)) {
        self.all.truncate(all);
        self.changed.truncate(changed);
        self.texts.truncate(texts);
    }

    fn push(&mut self, word: RawWord, end: usize) {
        make_room(&mut self.all, self.line + end, self.total);
        self.all.push(word);
    }

    pub(super) fn get(&self, from: u32, to: u32) -> &[RawWord] {
        self.all.get(from as usize..to as usize).unwrap_or_default()
    }

    fn plain(&mut self, start: usize, end: usize) {
        let word = RawWord {
            start: small(start),
            end: small(end),
        };
        self.push(word, end);
    }

    fn quoted(&mut self, start: usize, end: usize) {
        let word = RawWord {
            start: small(start),
            end: small(end) | QUOTED,
        };
        self.push(word, end);
    }

    fn changed(&mut self, start: usize, end: usize, text: &str) {
        let word = RawWord {
            start: small(self.changed.len()) | CHANGED,
            end: 0,
        };
        self.push(word, end);
        self.texts.push_str(text);
        make_room(&mut self.changed, self.line + end, self.total);
        self.changed.push(Changed {
            start: small(start),
            end: small(end),
            text_end: small(self.texts.len()),
        });
    }

    fn find(&self, word: RawWord) -> Option<&Changed> {
        if word.start & CHANGED == 0 {
            return None;
        }
        self.changed.get((word.start & !CHANGED) as usize)
    }

    /// What a changed word says.
    #[cold]
    fn changed_text(&self, word: RawWord) -> &[u8] {
        let index = (word.start & !CHANGED) as usize;
        let end = |index: usize| self.changed.get(index).map(|word| word.text_end as usize);
        let start = index.checked_sub(1).and_then(end).unwrap_or_default();
        let text = self.texts.as_bytes();
        end(index)
            .and_then(|end| text.get(start..end))
            .unwrap_or_default()
    }

    /// The bytes of the line that are the word, for JSON with the quotes.
    pub(super) fn range(&self, word: RawWord) -> (u32, u32) {
        match self.find(word) {
            Some(changed) => (changed.start, changed.end),
            None => (word.start, word.end & !QUOTED),
        }
    }

    /// What the word says.
    #[inline]
    pub(super) fn text<'t>(&'t self, word: RawWord, line: &'t [u8]) -> &'t [u8] {
        let (start, end) = (word.start as usize, (word.end & !QUOTED) as usize);
        match (word.start & CHANGED != 0, word.end & QUOTED != 0) {
            (true, _) => self.changed_text(word),
            (false, false) => line.get(start..end).unwrap_or_default(),
            (false, true) => line
                .get(start + 1..end.saturating_sub(1))
                .unwrap_or_default(),
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
    flags: &mut Words,
) -> Split {
    let part = text::trim_end(line.get(from..to).unwrap_or_default());
    let end = from + part.len();
    let part = text::trim_start(part);
    let rest = behind_keyword(part);
    let keyword = (end - part.len(), end - rest.len());
    let rest = text::behind(rest, is_blank);
    let args = end - rest.len();
    let args = match rest.first() {
        // Neither a flag nor more white space.
        Some(b'!'..=b',' | b'.'..=b'~') | None => args,
        Some(_) => {
            let args = extract_flags(line, args, end, escape, flags);
            // The end is trimmed already; the flags may leave white space in front.
            end - text::trim_start(line.get(args..end).unwrap_or_default()).len()
        }
    };
    Split {
        keyword,
        args: (args, end),
    }
}

/// What is behind the keyword that `text` begins with.
pub(super) fn behind_keyword(text: &[u8]) -> &[u8] {
    text::behind_word(text)
}

/// `extractBuilderFlags`: words that begin with `--`, byte by byte; returns where the rest begins.
fn extract_flags(line: &[u8], from: usize, end: usize, escape: u8, flags: &mut Words) -> usize {
    let mut at = from;
    loop {
        let rest = text::behind(line.get(at..end).unwrap_or_default(), is_space_byte);
        at = end - rest.len();
        if !rest.starts_with(b"--") {
            return at;
        }
        // The common case: nothing in it that would be changed.
        let behind = text::behind(rest, is_plain);
        let len = rest.len() - behind.len();
        match behind.first() {
            None | Some(b'\t'..=b'\r' | b' ') => {
                at += len;
                if len == 2 {
                    return at;
                }
                flags.plain(at - len, at);
            }
            Some(_) => {
                let start = at;
                let mut value = String::new();
                at = end;
                for item in FlagChars::new(line, start, end, escape) {
                    match item {
                        FlagChar::Value(c, _) => value.push(c),
                        FlagChar::End(offset) => at = offset,
                    }
                }
                if value == "--" {
                    return at;
                }
                flags.changed(start, at, &value);
            }
        }
    }
}

/// Whether a byte is a printable ASCII character that neither quotes nor escapes.
fn is_plain(byte: u8) -> bool {
    static PLAIN: [bool; 256] = {
        let mut table = [false; 256];
        let mut rest: &mut [bool] = &mut table;
        let mut byte: u8 = 0;
        while let [plain, tail @ ..] = rest {
            *plain = matches!(byte, b'!'..=b'~') && !matches!(byte, b'\'' | b'"' | b'\\' | b'`');
            byte = byte.wrapping_add(1);
            rest = tail;
        }
        table
    };
    PLAIN.get(usize::from(byte)) == Some(&true)
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
    words: &mut Words,
) -> Result<Shape, ParseErrorKind> {
    let args = line.get(start..end).unwrap_or_default();
    match keyword {
        Keyword::Arg => {
            each_word(args, escape, |from, to, valid| {
                if valid {
                    words.plain(start + from, start + to);
                } else {
                    let text = text::lossy(args.get(from..to).unwrap_or_default());
                    words.changed(start + from, start + to, &text);
                }
            });
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
            words.plain(start, start + kind);
            shell_or_json(line, start + kind + gap, end, words)
        }
        Keyword::Maintainer | Keyword::Stopsignal | Keyword::User | Keyword::Workdir => {
            if !args.is_empty() {
                words.plain(start, end);
            }
            Ok(Shape::default())
        }
        Keyword::Onbuild => Ok(Shape::default()),
        Keyword::Unknown => {
            words.plain(start, start);
            Ok(Shape::default())
        }
    }
}

/// `parseMaybeJSON`.
fn shell_or_json(
    line: &[u8],
    start: usize,
    end: usize,
    words: &mut Words,
) -> Result<Shape, ParseErrorKind> {
    let json = start < end && json_words(line, start, end, words)?;
    if !json && start < end {
        words.plain(start, end);
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
    words: &mut Words,
) -> Result<bool, ParseErrorKind> {
    let array = text::trim_start(line.get(start..end).unwrap_or_default());
    if !array.starts_with(b"[") {
        return Ok(false);
    }
    let before = words.mark();
    let result = json::parse_array(array, |from, to| {
        let literal = array.get(from..to).unwrap_or_default();
        let offset = end - array.len();
        if literal.contains(&b'\\') || std::str::from_utf8(literal).is_err() {
            words.changed(offset + from, offset + to, &json::decode_string(literal));
        } else {
            words.quoted(offset + from, offset + to);
        }
    });
    if result == Array::Strings {
        return Ok(true);
    }
    words.rewind(before);
    match result {
        Array::Other => Err(ParseErrorKind::NotStrings),
        _ => Ok(false),
    }
}

/// `reWhitespace.Split(rest, -1)`; nothing of nothing.
fn split_blanks(args: &[u8], start: usize, words: &mut Words) {
    let end = start + args.len();
    let mut rest = args;
    while !rest.is_empty() {
        let behind = text::behind_word(rest);
        words.plain(end - rest.len(), end - behind.len());
        rest = text::behind(behind, is_blank);
    }
}

/// `parseNameVal`: for each pair the name and the value.
fn pairs(
    args: &[u8],
    start: usize,
    escape: u8,
    instruction: &'static str,
    words: &mut Words,
) -> Result<Shape, ParseErrorKind> {
    let first = words.len();
    // A first word without `=` makes it one pair, a later one is an error.
    let (mut legacy, mut missing) = (false, None);
    each_word(args, escape, |from, to, valid| {
        if legacy || missing.is_some() {
            return;
        }
        let written = args.get(from..to).unwrap_or_default();
        match written.iter().position(|byte| *byte == b'=') {
            Some(at) if valid => {
                words.plain(start + from, start + from + at);
                words.plain(start + from + at + 1, start + to);
            }
            Some(at) => {
                let (name, value) = written.split_at_checked(at).unwrap_or_default();
                for half in [name, value.get(1..).unwrap_or_default()] {
                    words.changed(start + from, start + to, &text::lossy(half));
                }
            }
            None if words.len() == first => legacy = true,
            None => missing = Some(text::lossy(written).into_owned()),
        }
    });
    if let Some(word) = missing {
        return Err(ParseErrorKind::MissingEquals(instruction, word));
    }
    if legacy {
        let Some(name) = args.iter().position(|byte| is_blank(*byte)) else {
            return Err(ParseErrorKind::MissingValue(instruction));
        };
        let gap = args
            .iter()
            .skip(name)
            .take_while(|byte| is_blank(**byte))
            .count();
        words.plain(start, start + name);
        words.plain(start + name + gap, start + args.len());
    }
    Ok(Shape {
        json: false,
        legacy,
    })
}

/// `parseWords`: words separated by Unicode white space; quotes keep them together and stay, as do escapes.
///
/// `found` gets the range of each in `args`, and whether that is valid UTF-8.
fn each_word(args: &[u8], escape: u8, mut found: impl FnMut(usize, usize, bool)) {
    let mut at = 0;
    loop {
        let rest = text::trim_start(args.get(at..).unwrap_or_default());
        if rest.is_empty() {
            return;
        }
        at = args.len() - rest.len();
        let word_start = at;
        let mut word_end = at;
        let mut quote = None;
        let mut quoted = false;
        let mut valid = true;
        loop {
            // Most bytes mean nothing in particular, in quotes and out of them.
            let rest = args.get(at..).unwrap_or_default();
            let plain = |byte: &&u8| is_plain(**byte);
            let skipped = rest.iter().take_while(plain).count();
            if skipped > 0 {
                at += skipped;
                word_end = at;
            }
            let (c, width) = decode(rest.get(skipped..).unwrap_or_default());
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
            found(word_start, word_end, valid);
        }
    }
}
