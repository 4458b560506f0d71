//! Words and variables as BuildKit's shell lexer takes them apart (`shell/lex.go`).
//!
//! Two things set this apart from a textbook shell. The lexer has modes (quotes and escapes kept or removed, unset
//! variables kept or empty), because it also finds heredocs and prints commands. And splitting into words has a side
//! effect that decides which heredocs exist: a `${name:-word}` forgets what stood before it in the same word.
//!
//! Nesting is kept on a stack of our own and everything is written to one buffer, so that depth costs memory in
//! proportion to the text and nothing is copied once per level.

use std::borrow::Cow;

use super::{
    letters::{is_digit, is_letter},
    pattern::{self, PatternError},
    text::lossy,
};

/// Largest result of one expansion, in bytes. Variables that double each other would otherwise fill the memory.
pub const MAX_EXPANSION: usize = 16 << 20;

/// Where variables get their values.
pub trait Variables {
    /// The value of `name`, `None` when it is not set.
    fn get(&self, name: &str) -> Option<&str>;

    /// Accounts for `work` steps beyond the length of the text, before they are taken. `false` stops the expansion
    /// with [`ExpandError::TooLarge`].
    fn spend(&self, work: usize) -> bool {
        let _ = work;
        true
    }
}

/// No variables at all.
pub struct Unset;

impl Variables for Unset {
    fn get(&self, _: &str) -> Option<&str> {
        None
    }
}

/// Why a word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// `'` without its partner.
    #[error("unexpected end of statement while looking for matching single-quote")]
    SingleQuote,
    /// `"` without its partner.
    #[error("unexpected end of statement while looking for matching double-quote")]
    DoubleQuote,
    /// `${` without its end.
    #[error("syntax error: missing '{0}' in ${{}}")]
    Unterminated(char),
    /// `${}` and the like.
    #[error("syntax error: bad substitution")]
    BadSubstitution,
    /// Something behind the name in `${…}` that is no operator.
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    /// `${name:?message}` and name has no value.
    #[error("{0}: {1}")]
    Required(String, String),
    /// An escape in a pattern that means nothing.
    #[error("invalid pattern ({0}) in substitution")]
    Pattern(String),
    /// A heredoc's name that is one word, but several when its quotes are kept.
    #[error("the quotes in it hide empty words")]
    HiddenWords,
    /// Beyond what this program expands.
    #[error("the expansion takes more time or memory than any sensible Dockerfile needs")]
    TooLarge,
}

/// The lexer with its modes. The default is how an instruction's words expand.
#[derive(Clone, Copy, Debug)]
pub struct Lexer {
    /// `\` or `` ` ``.
    pub escape: char,
    /// Keep quotes in the result.
    pub raw_quotes: bool,
    /// Keep escape characters in the result.
    pub raw_escapes: bool,
    /// Quotes are ordinary characters.
    pub skip_quotes: bool,
    /// Leave variables alone that are not set.
    pub skip_unset: bool,
}

impl Lexer {
    /// Quotes and escapes removed, unset variables empty.
    #[must_use]
    pub fn new(escape: char) -> Self {
        Self {
            escape,
            raw_quotes: false,
            raw_escapes: false,
            skip_quotes: false,
            skip_unset: false,
        }
    }

    /// Expands `text` into one word (`ProcessWord`).
    ///
    /// # Errors
    /// See [`ExpandError`].
    pub fn expand<'t>(
        &self,
        text: &'t [u8],
        variables: &dyn Variables,
    ) -> Result<Cow<'t, str>, ExpandError> {
        let text = lossy(text);
        let plain = |c: char| {
            c != self.escape
                && (self.skip_quotes || !matches!(c, '\'' | '"'))
                && !matches!(c, '$' | '\u{feff}')
        };
        if text.chars().all(plain) {
            return Ok(text);
        }
        let mut run = Run::new(self, variables, &text, false);
        run.run()?;
        Ok(Cow::Owned(run.out))
    }

    /// Expands `text` and splits it (`ProcessWords`).
    ///
    /// # Errors
    /// See [`ExpandError`].
    pub fn words(
        &self,
        text: &[u8],
        variables: &dyn Variables,
    ) -> Result<Vec<String>, ExpandError> {
        let text = lossy(text);
        let mut run = Run::new(self, variables, &text, true);
        run.run()?;
        run.words.end_word();
        Ok(run.words.done)
    }
}

/// What happens when the word inside `${…}` ends.
enum Then<'t> {
    /// The whole text.
    Finish,
    /// Nothing was looked up; only the closing characters are written.
    Verbatim,
    /// Like Verbatim, and the replacement follows.
    VerbatimPattern,
    Operator {
        name: &'t str,
        operator: char,
        null_is_unset: bool,
        mark: usize,
    },
    Pattern {
        name: &'t str,
        all: bool,
        mark: usize,
    },
    Replacement {
        name: &'t str,
        all: bool,
        pattern: String,
        mark: usize,
    },
}

enum Frame<'t> {
    Word {
        stop: Option<char>,
        raw_escapes: bool,
        then: Then<'t>,
    },
    Quote,
}

/// The words so far. Only what happens at the top level counts.
#[derive(Default)]
struct Words {
    done: Vec<String>,
    current: String,
    in_word: bool,
}

impl Words {
    fn push_raw(&mut self, c: char) {
        self.current.push(c);
        self.in_word = true;
    }

    fn push(&mut self, c: char) {
        if !c.is_whitespace() {
            self.push_raw(c);
        } else if self.in_word && !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
            self.in_word = false;
        }
    }

    fn push_raw_str(&mut self, text: &str) {
        self.current.push_str(text);
        self.in_word = true;
    }

    fn end_word(&mut self) {
        if !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
        }
    }
}

struct Run<'l, 't> {
    lexer: &'l Lexer,
    variables: &'l dyn Variables,
    text: &'t str,
    at: usize,
    out: String,
    frames: Vec<Frame<'t>>,
    splitting: bool,
    words: Words,
    /// Where in `out` a construct began that the top level takes up when it is complete, and whether it is a quote.
    pending: Option<(usize, bool)>,
}

impl<'l, 't> Run<'l, 't> {
    fn new(lexer: &'l Lexer, variables: &'l dyn Variables, text: &'t str, splitting: bool) -> Self {
        // text/scanner drops a byte order mark in front.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self {
            lexer,
            variables,
            text,
            at: 0,
            out: String::with_capacity(text.len()),
            frames: vec![Frame::Word {
                stop: None,
                raw_escapes: lexer.raw_escapes,
                then: Then::Finish,
            }],
            splitting,
            words: Words::default(),
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

    fn top_level(&self) -> bool {
        self.splitting && self.frames.len() == 1
    }

    fn run(&mut self) -> Result<(), ExpandError> {
        while let Some(frame) = self.frames.last() {
            if self.out.len() > MAX_EXPANSION {
                return Err(ExpandError::TooLarge);
            }
            match *frame {
                Frame::Quote => self.step_quote()?,
                Frame::Word {
                    stop, raw_escapes, ..
                } => self.step_word(stop, raw_escapes)?,
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
        if !self.splitting {
            return;
        }
        let added = self.out.get(start..).unwrap_or_default();
        if quote {
            self.words.push_raw_str(added);
        } else {
            added.chars().for_each(|c| self.words.push(c));
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
                let found = self.text.get(start..self.at).unwrap_or_default();
                self.out.push_str(found);
                if self.top_level() {
                    self.words.push_raw_str(found);
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
                if self.top_level() {
                    self.words.push(c);
                }
                Ok(())
            }
        }
    }

    fn push_raw(&mut self, c: char) {
        self.out.push(c);
        if self.top_level() {
            self.words.push_raw(c);
        }
    }

    fn single_quote(&mut self) -> Result<(), ExpandError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let Some(len) = rest.find('\'') else {
            return Err(ExpandError::SingleQuote);
        };
        let start = self.out.len();
        let quoted = rest.get(..len).unwrap_or_default();
        self.at += len + 1;
        if self.lexer.raw_quotes {
            self.out.push('\'');
            self.out.push_str(quoted);
            self.out.push('\'');
        } else {
            self.out.push_str(quoted);
        }
        if self.top_level() {
            self.words
                .push_raw_str(self.out.get(start..).unwrap_or_default());
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
        let name = self.name();
        let verbatim = self.lexer.skip_unset && self.variables.get(name).is_none();
        if verbatim {
            self.out.push_str("${");
            self.out.push_str(name);
        }
        let mark = self.out.len();
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
                    Then::Pattern { name, all, mark }
                };
                self.open('/', true, then);
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
                    Then::Operator {
                        name,
                        operator,
                        null_is_unset,
                        mark,
                    }
                };
                self.open('}', raw_escapes, then);
            }
            Some(other) => return Err(ExpandError::Modifier(other.to_string())),
            None => return Err(ExpandError::Unterminated('}')),
        }
        Ok(())
    }

    fn open(&mut self, stop: char, raw_escapes: bool, then: Then<'t>) {
        // The lexer has one buffer for words, which a nested word begins by emptying.
        self.words.current.clear();
        self.frames.push(Frame::Word {
            stop: Some(stop),
            raw_escapes,
            then,
        });
    }

    /// The stop character was read.
    fn close(&mut self) -> Result<(), ExpandError> {
        let Some(Frame::Word { then, .. }) = self.frames.pop() else {
            return Ok(());
        };
        match then {
            Then::Finish => {}
            Then::Verbatim => self.out.push('}'),
            Then::VerbatimPattern => {
                self.out.push('/');
                self.open('}', true, Then::Verbatim);
            }
            Then::Operator {
                name,
                operator,
                null_is_unset,
                mark,
            } => {
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
            Then::Pattern { name, all, mark } => {
                let pattern = self.split_off(mark);
                self.open(
                    '}',
                    true,
                    Then::Replacement {
                        name,
                        all,
                        pattern,
                        mark,
                    },
                );
            }
            Then::Replacement {
                name,
                all,
                pattern,
                mark,
            } => {
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

fn pattern_error(error: PatternError, pattern: &str) -> ExpandError {
    match error {
        PatternError::Escape => ExpandError::Pattern(pattern.to_owned()),
        PatternError::Size => ExpandError::TooLarge,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    impl Variables for BTreeMap<&str, &str> {
        fn get(&self, name: &str) -> Option<&str> {
            BTreeMap::get(self, name).copied()
        }
    }

    fn expand(text: &str) -> String {
        let variables = BTreeMap::from([
            ("x", "value"),
            ("v", "v1.2.3"),
            ("e", ""),
            ("s", "a b"),
            ("1", "one"),
        ]);
        match Lexer::new('\\').expand(text.as_bytes(), &variables) {
            Ok(text) => text.into_owned(),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn substitutes() {
        for (text, expected) in [
            ("a$x-b", "avalue-b"),
            ("${x}y$", "valuey$"),
            ("$1x$10", "onex"),
            ("$$|$@", "|"),
            ("${u:-d$x}", "dvalue"),
            ("${e:-d}${e-d}", "d"),
            ("${x:+y}${u:+y}${e+z}", "yz"),
            ("${v#v}|${v%.*}|${v%%.*}|${v##*.}", "1.2.3|v1.2|v1|3"),
            ("${v/./_}|${v//./_}", "v1_2.3|v1_2_3"),
            ("${x:?no}", "value"),
            ("${u:-${v:-${x}}}", "v1.2.3"),
            ("'$x'\"$x\"\\$x", "$xvalue$x"),
            ("\"a\\b\\\"\\$\"", "a\\b\"$"),
            ("\\", ""),
            ("${x:-'}'}", "value"),
            ("${u:-'}'}", "}"),
            ("${u:-\"${x}\"}", "value"),
            ("<< a", "<< a"),
            ("\u{feff}a$x", "avalue"),
        ] {
            assert_eq!(expand(text), expected, "{text}");
        }
        for text in [
            "'a", "\"a", "${", "${}", "${:-x}", "${{x}", "${x", "${x:-", "${x:#y}", "${x!}",
            "${x:zy}", "${u:?}", "${e:?}", "${u?}", "${x#\\a}", "${x/a", "${x/a/b", "\"a\\",
        ] {
            assert!(expand(text).starts_with('!'), "{text}: {}", expand(text));
        }
        assert_eq!(expand("${u:?no such}"), "! u: no such");
    }

    #[test]
    fn splits_after_expansion() {
        let variables = BTreeMap::from([("s", "a b"), ("x", "1")]);
        let words = |text: &str| {
            Lexer::new('\\')
                .words(text.as_bytes(), &variables)
                .expect("valid")
        };
        assert_eq!(words("$s \"$s\" c\\ d ''"), ["a", "b", "a b", "c d"]);
        assert_eq!(
            words("80${u:-} 90"),
            ["90"],
            "the nested word forgets what stood before it"
        );
        assert_eq!(words("80$u 90"), ["80", "90"]);
    }

    #[test]
    fn keeps_what_it_is_told_to_keep() {
        let raw = Lexer {
            raw_quotes: true,
            raw_escapes: true,
            skip_unset: true,
            ..Lexer::new('\\')
        };
        let words = |text: &str| raw.words(text.as_bytes(), &Unset).expect("valid");
        assert_eq!(
            words("cat << \"EOF\" $a ${b:-c d}"),
            ["cat", "<< \"EOF\"", "$a", "${b:-c", "d}"]
        );
        assert_eq!(words("a\\ b 'c d'"), ["a\\ b", "'c d'"]);
        assert_eq!(words("x${b//c/d}"), ["${b/c/d}"]);
        let data = Lexer {
            skip_quotes: true,
            ..Lexer::new('\\')
        };
        assert_eq!(
            data.expand(b"'$a' \"\\$a\"", &BTreeMap::from([("a", "1")]))
                .expect("valid"),
            "'1' \"$a\""
        );
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let depth = 200_000;
        let text = "${u:-".repeat(depth) + "x" + &"}".repeat(depth);
        assert_eq!(expand(&text), "x");
        assert!(expand(&"${u:-".repeat(depth)).starts_with('!'));
        let big = "y".repeat(1 << 20);
        let variables = BTreeMap::from([("x", big.as_str())]);
        assert_eq!(
            Lexer::new('\\').expand("$x".repeat(17).as_bytes(), &variables),
            Err(ExpandError::TooLarge)
        );
    }
}
