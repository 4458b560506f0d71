//! Words and variables as BuildKit's shell lexer takes them apart (`shell/lex.go`).
//!
//! Two things set this apart from a textbook shell. The lexer has modes (quotes and escapes kept or removed, unset
//! variables kept or empty), because it also finds heredocs and prints commands. And splitting into words has a side
//! effect that decides which heredocs exist: a `${name:-word}` forgets what stood before it in the same word.

mod run;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::text::lossy;
use run::{Run, Words};

/// Largest result of one expansion, in bytes. Variables that double each other would otherwise fill the memory.
pub const MAX_EXPANSION: usize = 16 << 20;

/// Largest text that is looked at, in bytes. A file cannot be larger.
const MAX_TEXT: usize = 1 << 30;

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
        let mut run = Run::new(self, variables, &text, None);
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
        let mut words = Vec::new();
        self.each_word(text, variables, &mut |word| words.push(word.to_owned()))?;
        Ok(words)
    }

    /// The same, word by word. What `found` got before an error counts for nothing.
    pub(crate) fn each_word(
        &self,
        text: &[u8],
        variables: &dyn Variables,
        found: &mut dyn FnMut(&str),
    ) -> Result<(), ExpandError> {
        if text.len() <= MAX_EXPANSION && text.iter().all(|byte| self.is_plain(*byte)) {
            each_plain_word(text, found);
            return Ok(());
        }
        let text = lossy(text);
        let mut run = Run::new(self, variables, &text, Some(Words::new(found)));
        run.run()?;
        if let Some(words) = &mut run.words {
            words.end_word();
        }
        Ok(())
    }
    /// Whether a byte is a blank, or a printable ASCII character that neither quotes, escapes nor names a variable.
    fn is_plain(&self, byte: u8) -> bool {
        matches!(byte, b' '..=b'~' | b'\t')
            && !matches!(byte, b'\'' | b'"' | b'$')
            && char::from(byte) != self.escape
    }
}

/// The words of a text that has nothing but plain bytes: what is between blanks, except that those behind `<<` are part
/// of the word.
fn each_plain_word(text: &[u8], found: &mut dyn FnMut(&str)) {
    let blanks = |text: &[u8]| {
        text.iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count()
    };
    let mut rest = text;
    loop {
        rest = rest.get(blanks(rest)..).unwrap_or_default();
        let mut len = 0;
        loop {
            match rest.get(len..).unwrap_or_default() {
                [] | [b' ' | b'\t', ..] => break,
                [b'<', b'<', behind @ ..] => len += 2 + blanks(behind),
                _ => len += 1,
            }
        }
        let (word, behind) = rest.split_at_checked(len).unwrap_or_default();
        if word.is_empty() {
            return;
        }
        found(&lossy(word));
        rest = behind;
    }
}
