//! One pass of the lexer over a text.
//!
//! Nesting is kept on a stack of our own and everything is written to one buffer, so that depth costs memory in
//! proportion to the text and nothing is copied once per level.

use super::{ExpandError, Lexer, MAX_EXPANSION, MAX_TEXT, Variables};
use crate::dockerfile::{
    letters::{is_digit, is_letter},
    pattern::{self, PatternError},
};

/// What happens when the word inside `${…}` ends.
#[derive(Clone, Copy)]
enum Then {
    /// The whole text.
    Finish,
    /// Nothing was looked up; only the closing characters are written.
    Verbatim,
    /// Like Verbatim, and the replacement follows.
    VerbatimPattern,
    /// The operator stands behind the name and the `:`, if there is one.
    Operator {
        null_is_unset: bool,
    },
    Pattern {
        all: bool,
    },
    /// The pattern is the last of [`Run::patterns`].
    Replacement {
        all: bool,
    },
}

/// What the lexer is in. Sixteen bytes: six of the text are enough for another.
#[derive(Clone, Copy)]
enum Frame {
    Word {
        then: Then,
        raw_escapes: bool,
        /// Of the text.
        name: (u32, u32),
        /// Where in the result the word begins.
        mark: u32,
    },
    Quote,
}

/// The words so far. Only what happens at the top level counts.
pub(super) struct Words<'l> {
    found: &'l mut dyn FnMut(&str),
    current: String,
    in_word: bool,
}

impl<'l> Words<'l> {
    pub(super) fn new(found: &'l mut dyn FnMut(&str)) -> Self {
        Self {
            found,
            current: String::new(),
            in_word: false,
        }
    }

    fn push_raw(&mut self, c: char) {
        self.current.push(c);
        self.in_word = true;
    }

    fn push(&mut self, c: char) {
        if !c.is_whitespace() {
            self.push_raw(c);
        } else if self.in_word && !self.current.is_empty() {
            self.end_word();
            self.in_word = false;
        }
    }

    fn push_raw_str(&mut self, text: &str) {
        self.current.push_str(text);
        self.in_word = true;
    }

    pub(super) fn end_word(&mut self) {
        if !self.current.is_empty() {
            (self.found)(&self.current);
            self.current.clear();
        }
    }
}

pub(super) struct Run<'l, 't> {
    lexer: &'l Lexer,
    variables: &'l dyn Variables,
    text: &'t str,
    at: usize,
    /// The result.
    pub(super) out: String,
    frames: Vec<Frame>,
    patterns: Vec<String>,
    /// When the text is split.
    pub(super) words: Option<Words<'l>>,
    /// Where in `out` a construct began that the top level takes up when it is complete, and whether it is a quote.
    pending: Option<(usize, bool)>,
}

impl<'l, 't> Run<'l, 't> {
    pub(super) fn new(
        lexer: &'l Lexer,
        variables: &'l dyn Variables,
        text: &'t str,
        words: Option<Words<'l>>,
    ) -> Self {
        // text/scanner drops a byte order mark in front.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self {
            lexer,
            variables,
            text,
            at: 0,
            out: String::with_capacity(text.len()),
            frames: vec![Frame::Word {
                then: Then::Finish,
                raw_escapes: lexer.raw_escapes,
                name: (0, 0),
                mark: 0,
            }],
            patterns: Vec::new(),
            words,
            pending: None,
        }
    }

    fn peek(&self) -> Option<char> {
        self.text
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// The words, where what is read is part of one.
    fn top_level(&mut self) -> Option<&mut Words<'l>> {
        self.words.as_mut().filter(|_| self.frames.len() == 1)
    }

    pub(super) fn run(&mut self) -> Result<(), ExpandError> {
        if self.text.len() > MAX_TEXT {
            return Err(ExpandError::TooLarge);
        }
        while let Some(frame) = self.frames.last() {
            if self.out.len() > MAX_EXPANSION {
                return Err(ExpandError::TooLarge);
            }
            match *frame {
                Frame::Quote => self.step_quote()?,
                Frame::Word {
                    then, raw_escapes, ..
                } => {
                    let stop = match then {
                        Then::Finish => None,
                        Then::VerbatimPattern | Then::Pattern { .. } => Some('/'),
                        _ => Some('}'),
                    };
                    self.step_word(stop, raw_escapes)?;
                }
            }
            if self.frames.len() == 1
                && let Some((start, quote)) = self.pending.take()
            {
                self.take_up(start, quote);
            }
        }
        Ok(())
    }

    /// Adds a completed `$…` or `"…"` to the words of the top level.
    fn take_up(&mut self, start: usize, quote: bool) {
        let added = self.out.get(start..).unwrap_or_default();
        match &mut self.words {
            Some(words) if quote => words.push_raw_str(added),
            Some(words) => added.chars().for_each(|c| words.push(c)),
            None => {}
        }
    }

    fn step_word(&mut self, stop: Option<char>, raw_escapes: bool) -> Result<(), ExpandError> {
        let Some(c) = self.next() else {
            return match stop {
                Some(stop) => Err(ExpandError::Unterminated(stop)),
                None => {
                    self.frames.pop();
                    Ok(())
                }
            };
        };
        match c {
            c if Some(c) == stop => self.close(),
            '$' => {
                if self.frames.len() == 1 {
                    self.pending = Some((self.out.len(), false));
                }
                self.dollar()
            }
            '<' => {
                let start = self.at - 1;
                if self.peek() == Some('<') {
                    self.at += 1;
                    while matches!(self.peek(), Some('\t' | '\r' | ' ')) {
                        self.at += 1;
                    }
                }
                let text = self.text;
                let found = text.get(start..self.at).unwrap_or_default();
                self.out.push_str(found);
                if let Some(words) = self.top_level() {
                    words.push_raw_str(found);
                }
                Ok(())
            }
            '\'' if !self.lexer.skip_quotes => self.single_quote(),
            '"' if !self.lexer.skip_quotes => {
                if self.frames.len() == 1 {
                    self.pending = Some((self.out.len(), true));
                }
                if self.lexer.raw_quotes {
                    self.out.push('"');
                }
                self.frames.push(Frame::Quote);
                Ok(())
            }
            c if c == self.lexer.escape => {
                if raw_escapes {
                    self.push_raw(c);
                }
                if let Some(escaped) = self.next() {
                    self.push_raw(escaped);
                }
                Ok(())
            }
            c => {
                self.out.push(c);
                if let Some(words) = self.top_level() {
                    words.push(c);
                }
                Ok(())
            }
        }
    }

    fn push_raw(&mut self, c: char) {
        self.out.push(c);
        if let Some(words) = self.top_level() {
            words.push_raw(c);
        }
    }

    fn single_quote(&mut self) -> Result<(), ExpandError> {
        let text = self.text;
        let rest = text.get(self.at..).unwrap_or_default();
        let Some(len) = rest.find('\'') else {
            return Err(ExpandError::SingleQuote);
        };
        let quoted = rest.get(..len).unwrap_or_default();
        self.at += len + 1;
        for part in if self.lexer.raw_quotes {
            ["'", quoted, "'"]
        } else {
            ["", quoted, ""]
        } {
            self.out.push_str(part);
            if let Some(words) = self.top_level() {
                words.push_raw_str(part);
            }
        }
        Ok(())
    }

    fn step_quote(&mut self) -> Result<(), ExpandError> {
        let raw_escapes = self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Word { raw_escapes, .. } => Some(*raw_escapes),
            Frame::Quote => None,
        });
        loop {
            match self.next() {
                None => return Err(ExpandError::DoubleQuote),
                Some('"') => {
                    if self.lexer.raw_quotes {
                        self.out.push('"');
                    }
                    self.frames.pop();
                    return Ok(());
                }
                Some('$') => return self.dollar(),
                Some(c) if c == self.lexer.escape => {
                    if raw_escapes == Some(true) {
                        self.out.push(c);
                    }
                    match self.peek() {
                        None => return Err(ExpandError::DoubleQuote),
                        Some(escaped)
                            if matches!(escaped, '"' | '$') || escaped == self.lexer.escape =>
                        {
                            self.next();
                            self.out.push(escaped);
                        }
                        Some(_) => self.out.push(c),
                    }
                }
                Some(c) => self.out.push(c),
            }
        }
    }

    /// A name, or one of the shell's special parameters, or nothing.
    fn name(&mut self) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = match rest.chars().next() {
            Some(c) if is_digit(c) => rest.find(|c| !is_digit(c)).unwrap_or(rest.len()),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
            _ => rest
                .find(|c| !is_letter(c) && !is_digit(c) && c != '_')
                .unwrap_or(rest.len()),
        };
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// What follows a `$`.
    fn dollar(&mut self) -> Result<(), ExpandError> {
        if self.peek() != Some('{') {
            let name = self.name();
            match self.variables.get(name) {
                _ if name.is_empty() => self.out.push('$'),
                Some(value) => self.out.push_str(value),
                None if self.lexer.skip_unset => {
                    self.out.push('$');
                    self.out.push_str(name);
                }
                None => {}
            }
            return Ok(());
        }
        self.at += 1;
        match self.peek() {
            None => return Err(ExpandError::Unterminated('}')),
            Some('{' | '}' | ':') => return Err(ExpandError::BadSubstitution),
            Some(_) => {}
        }
        let start = self.at;
        let name = self.name();
        let place = (small(start), small(self.at));
        let verbatim = self.lexer.skip_unset && self.variables.get(name).is_none();
        if verbatim {
            self.out.push_str("${");
            self.out.push_str(name);
        }
        match self.next() {
            Some('}') => {
                if verbatim {
                    self.out.push('}');
                } else {
                    self.out
                        .push_str(self.variables.get(name).unwrap_or_default());
                }
            }
            Some('/') => {
                let all = self.peek() == Some('/');
                if all {
                    self.at += 1;
                }
                let then = if verbatim {
                    self.out.push('/');
                    Then::VerbatimPattern
                } else {
                    Then::Pattern { all }
                };
                self.open(true, then, place);
            }
            Some(c @ (':' | '+' | '-' | '?' | '#' | '%')) => {
                let null_is_unset = c == ':';
                let operator = if null_is_unset {
                    self.next().ok_or(ExpandError::Unterminated('}'))?
                } else {
                    c
                };
                let raw_escapes = matches!(operator, '#' | '%');
                if null_is_unset && raw_escapes {
                    return Err(ExpandError::Modifier(format!(":{operator}")));
                }
                let then = if verbatim {
                    if null_is_unset {
                        self.out.push(':');
                    }
                    self.out.push(operator);
                    Then::Verbatim
                } else {
                    Then::Operator { null_is_unset }
                };
                self.open(raw_escapes, then, place);
            }
            Some(other) => return Err(ExpandError::Modifier(other.to_string())),
            None => return Err(ExpandError::Unterminated('}')),
        }
        Ok(())
    }

    fn open(&mut self, raw_escapes: bool, then: Then, name: (u32, u32)) {
        // The lexer has one buffer for words, which a nested word begins by emptying.
        if let Some(words) = &mut self.words {
            words.current.clear();
        }
        self.frames.push(Frame::Word {
            then,
            raw_escapes,
            name,
            mark: small(self.out.len()),
        });
    }

    /// The stop character was read.
    fn close(&mut self) -> Result<(), ExpandError> {
        let Some(Frame::Word {
            then,
            name: place,
            mark,
            ..
        }) = self.frames.pop()
        else {
            return Ok(());
        };
        let (name, mark) = (self.named(place), mark as usize);
        match then {
            Then::Finish => {}
            Then::Verbatim => self.out.push('}'),
            Then::VerbatimPattern => {
                self.out.push('/');
                self.open(true, Then::Verbatim, place);
            }
            Then::Operator { null_is_unset } => {
                let behind = place.1 as usize + usize::from(null_is_unset);
                let behind = self.text.get(behind..).unwrap_or_default();
                let operator = behind.chars().next().unwrap_or_default();
                let value = self.variables.get(name);
                let present = value.is_some_and(|value| !null_is_unset || !value.is_empty());
                match operator {
                    '-' if present => self.replace_from(mark, value.unwrap_or_default())?,
                    '-' => {}
                    '+' if present => {}
                    '+' => self.out.truncate(mark),
                    '?' if present => self.replace_from(mark, value.unwrap_or_default())?,
                    '?' => {
                        let message = match self.out.get(mark..) {
                            Some(message) if !message.is_empty() => message.to_owned(),
                            _ if value.is_some() => "is not allowed to be empty".to_owned(),
                            _ => "is not allowed to be unset".to_owned(),
                        };
                        return Err(ExpandError::Required(name.to_owned(), message));
                    }
                    '#' | '%' => {
                        let word = self.split_off(mark);
                        let (longest, word) = match word.strip_prefix(operator) {
                            Some(rest) => (true, rest),
                            None => (false, word.as_str()),
                        };
                        self.spend_on_pattern(word, value)?;
                        let trim = if operator == '#' {
                            pattern::trim_prefix
                        } else {
                            pattern::trim_suffix
                        };
                        let trimmed = trim(word, value.unwrap_or_default(), longest)
                            .map_err(|e| pattern_error(e, word))?;
                        self.out.push_str(&trimmed);
                    }
                    other => {
                        let colon = if null_is_unset { ":" } else { "" };
                        return Err(ExpandError::Modifier(format!("{colon}{other}")));
                    }
                }
            }
            Then::Pattern { all } => {
                let pattern = self.split_off(mark);
                self.patterns.push(pattern);
                self.open(true, Then::Replacement { all }, place);
            }
            Then::Replacement { all } => {
                let pattern = self.patterns.pop().unwrap_or_default();
                let replacement = self.split_off(mark);
                let value = self.variables.get(name).unwrap_or_default();
                self.spend_on_pattern(&pattern, Some(value))?;
                if value.len().saturating_mul(replacement.len()) > MAX_EXPANSION {
                    return Err(ExpandError::TooLarge);
                }
                let replaced = pattern::replace(&pattern, value, &replacement, all)
                    .map_err(|e| pattern_error(e, &pattern))?;
                self.out.push_str(&replaced);
            }
        }
        Ok(())
    }

    /// A name in the text.
    fn named(&self, (from, to): (u32, u32)) -> &'t str {
        self.text
            .get(from as usize..to as usize)
            .unwrap_or_default()
    }

    fn replace_from(&mut self, mark: usize, value: &str) -> Result<(), ExpandError> {
        self.spend(value.len())?;
        self.out.truncate(mark);
        self.out.push_str(value);
        Ok(())
    }

    fn spend(&self, work: usize) -> Result<(), ExpandError> {
        if self.variables.spend(work) {
            Ok(())
        } else {
            Err(ExpandError::TooLarge)
        }
    }

    fn spend_on_pattern(&self, pattern: &str, value: Option<&str>) -> Result<(), ExpandError> {
        self.spend(
            value
                .map_or(0, str::len)
                .saturating_add(1)
                .saturating_mul(pattern.len()),
        )
    }

    fn split_off(&mut self, mark: usize) -> String {
        let tail = self.out.get(mark..).unwrap_or_default().to_owned();
        self.out.truncate(mark);
        tail
    }
}

/// Offsets of texts and results, which are both limited.
fn small(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

fn pattern_error(error: PatternError, pattern: &str) -> ExpandError {
    match error {
        PatternError::Escape => ExpandError::Pattern(pattern.to_owned()),
        PatternError::Size => ExpandError::TooLarge,
    }
}
