//! Dockerfiles, exactly as BuildKit v0.32 reads them.
//!
//! [`Dockerfile::parse`] gives a lossless tree: every instruction with its bytes, lines, flags, words and heredocs, as
//! BuildKit's file-level parser sees them (`frontend/dockerfile/parser`). [`Dockerfile::stages`] reads the instructions
//! as BuildKit's second step does (`frontend/dockerfile/instructions`), with every flag and form. What either refuses
//! is refused here too. Variables are expanded by [`expand`], over the whole build by [`crate::fetch`].
//!
//! All offsets are bytes of the file as it was given; an edit is an insertion or replacement at such a [`Span`], and
//! nothing else moves.

pub mod command;
mod directive;
mod error;
pub mod expand;
pub(crate) mod heredoc;
mod json;
mod letters;
mod newlines;
mod parser;
mod pattern;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod token;
mod words;

use std::borrow::Cow;

pub use directive::{Directive, DirectiveName, MAX_LINE};
pub use error::{GRAMMAR, ParseError, ParseErrorKind};
pub use text::lossy;
pub use token::{Token, TokenKind};

/// Syntax detection, which happens before parsing and by rules of its own.
pub mod syntax {
    pub(crate) use super::directive::check_options;
    pub use super::directive::{SyntaxDirective, detect};
}

/// A range of bytes of a file: `start` is the first, `end` one behind the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset one behind the last byte.
    pub end: usize,
}

/// The instructions, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is the instruction of that name")]
pub enum Keyword {
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
    /// Something that BuildKit v0.32 doesn't know.
    Unknown,
}

impl Keyword {
    /// The name in upper case, `UNKNOWN` for what isn't known.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Arg => "ARG",
            Self::Cmd => "CMD",
            Self::Copy => "COPY",
            Self::Entrypoint => "ENTRYPOINT",
            Self::Env => "ENV",
            Self::Expose => "EXPOSE",
            Self::From => "FROM",
            Self::Healthcheck => "HEALTHCHECK",
            Self::Label => "LABEL",
            Self::Maintainer => "MAINTAINER",
            Self::Onbuild => "ONBUILD",
            Self::Run => "RUN",
            Self::Shell => "SHELL",
            Self::Stopsignal => "STOPSIGNAL",
            Self::User => "USER",
            Self::Volume => "VOLUME",
            Self::Workdir => "WORKDIR",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The instruction that `text` names, in any case (`strings.ToLower`, which also knows the Kelvin sign).
    fn of(text: &[u8]) -> Self {
        match Self::upper(text) {
            Self::Unknown if text.is_ascii() => {
                let mut name = [0; 16];
                let Some(name) = name.get_mut(..text.len()) else {
                    return Self::Unknown;
                };
                name.copy_from_slice(text);
                name.make_ascii_uppercase();
                Self::upper(name)
            }
            Self::Unknown => {
                let lowered = text::lower(&text::lossy(text));
                Self::upper(&lowered.into_bytes().to_ascii_uppercase())
            }
            known => known,
        }
    }

    /// The instruction of that name in upper case.
    fn upper(text: &[u8]) -> Self {
        match text {
            b"ADD" => Self::Add,
            b"ARG" => Self::Arg,
            b"CMD" => Self::Cmd,
            b"COPY" => Self::Copy,
            b"ENTRYPOINT" => Self::Entrypoint,
            b"ENV" => Self::Env,
            b"EXPOSE" => Self::Expose,
            b"FROM" => Self::From,
            b"HEALTHCHECK" => Self::Healthcheck,
            b"LABEL" => Self::Label,
            b"MAINTAINER" => Self::Maintainer,
            b"ONBUILD" => Self::Onbuild,
            b"RUN" => Self::Run,
            b"SHELL" => Self::Shell,
            b"STOPSIGNAL" => Self::Stopsignal,
            b"USER" => Self::User,
            b"VOLUME" => Self::Volume,
            b"WORKDIR" => Self::Workdir,
            _ => Self::Unknown,
        }
    }
}

/// A parsed Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile<'s> {
    source: Cow<'s, [u8]>,
    escape: u8,
    directives: Vec<Directive>,
    arena: parser::Arena,
    nodes: Vec<parser::Node>,
}

impl<'s> Dockerfile<'s> {
    /// Parses a file as BuildKit's file-level parser does.
    ///
    /// # Errors
    /// Where that parser refuses the file.
    pub fn parse(source: &'s [u8]) -> Result<Self, ParseError> {
        parser::parse(source)
    }

    /// The same with a copy of the file, for what outlives it.
    #[must_use]
    pub fn into_owned(self) -> Dockerfile<'static> {
        Dockerfile {
            source: Cow::Owned(self.source.into_owned()),
            escape: self.escape,
            directives: self.directives,
            arena: self.arena,
            nodes: self.nodes,
        }
    }

    /// The file as it was given.
    #[must_use]
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// The escape character in force, `\` or `` ` ``.
    #[must_use]
    pub fn escape(&self) -> char {
        char::from(self.escape)
    }

    /// The parser directives at the top.
    #[must_use]
    pub fn directives(&self) -> &[Directive] {
        &self.directives
    }

    /// The instructions in order.
    pub fn instructions(&self) -> impl ExactSizeIterator<Item = Instruction<'_>> {
        self.nodes
            .iter()
            .map(|node| Instruction { file: self, node })
    }

    /// The instruction with that index.
    #[must_use]
    pub fn instruction(&self, index: usize) -> Option<Instruction<'_>> {
        self.nodes
            .get(index)
            .map(|node| Instruction { file: self, node })
    }
}

/// An instruction of a [`Dockerfile`].
#[derive(Clone, Copy, Debug)]
pub struct Instruction<'d> {
    file: &'d Dockerfile<'d>,
    node: &'d parser::Node,
}

/// A flag of an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag<'d> {
    /// Quotes and escapes removed: `--from=base`.
    pub text: Cow<'d, str>,
    /// The bytes of the file.
    pub span: Span,
}

/// A word of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'d> {
    /// As BuildKit's parser has it: quotes are kept, except those of JSON; nothing is expanded.
    pub text: &'d [u8],
    /// The bytes of the file, for JSON with the quotes.
    pub span: Span,
}

/// A heredoc of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heredoc<'d> {
    /// The terminator without quotes.
    pub name: &'d str,
    /// Whether variables expand (in COPY and ADD): no part of the name was quoted.
    pub expand: bool,
    /// `<<-`: tabs in front of lines are dropped when it is used.
    pub chomp: bool,
    /// The lines between, as they are.
    pub content: &'d [u8],
    /// The bytes of the content.
    pub span: Span,
    /// The bytes of the content and the terminator's line, without its newline.
    pub whole: Span,
}

impl<'d> Instruction<'d> {
    /// Which instruction.
    #[must_use]
    pub fn kind(&self) -> Keyword {
        self.node.kind
    }

    /// The keyword as written.
    #[must_use]
    pub fn keyword(&self) -> &'d [u8] {
        let (start, end) = self.keyword_range();
        self.text().get(start..end).unwrap_or_default()
    }

    /// The bytes of the keyword.
    #[must_use]
    pub fn keyword_span(&self) -> Span {
        let (start, end) = self.keyword_range();
        self.file_span(start, end)
    }

    fn keyword_range(&self) -> (usize, usize) {
        let from = self.file.arena.from(self.node);
        let rest = self.text().get(from..).unwrap_or_default();
        let rest = text::trim_end(rest);
        let end = from + rest.len();
        let keyword = text::trim_start(rest);
        (
            end - keyword.len(),
            end - words::behind_keyword(keyword).len(),
        )
    }

    /// First and last line, 1-based, heredocs included.
    #[must_use]
    pub fn lines(&self) -> (usize, usize) {
        let more = self.file.arena.more(self.node);
        let last = more.map_or(self.node.line, |more| more.last_line);
        (self.node.line as usize, last as usize)
    }

    /// The bytes from its first character to the end of its last line, heredocs included, without the newline.
    #[must_use]
    pub fn span(&self) -> Span {
        Span {
            start: self.node.start as usize,
            end: self.node.end as usize,
        }
    }

    /// The logical line: continuations joined, comments between them dropped, heredocs not included.
    #[must_use]
    pub fn text(&self) -> &'d [u8] {
        self.file.arena.text(&self.file.source, self.node)
    }

    /// The offset in the file of a byte of [`text`](Self::text).
    #[must_use]
    pub fn file_offset(&self, logical: usize) -> usize {
        let arena = &self.file.arena;
        let (start, end) = match arena.more(self.node) {
            Some(more) if self.node.joined => more.text,
            _ => return self.node.start as usize + logical,
        };
        let at = start as usize + logical;
        // What begins where this text ends is another instruction's.
        let before = |s: &parser::Segment| s.joined as usize <= at && s.joined < end;
        let after = arena.segments.partition_point(before);
        match after
            .checked_sub(1)
            .and_then(|last| arena.segments.get(last))
        {
            Some(segment) if segment.joined >= start => {
                segment.file as usize + (at - segment.joined as usize)
            }
            // In its first piece.
            _ => self.node.start as usize + logical,
        }
    }

    fn file_span(&self, start: usize, end: usize) -> Span {
        let first = self.file_offset(start);
        // The end belongs to the last byte, not to what a continuation puts behind it.
        let last = if end > start {
            self.file_offset(end - 1) + 1
        } else {
            first
        };
        Span {
            start: first,
            end: last,
        }
    }

    /// The flags in order.
    pub fn flags(&self) -> impl ExactSizeIterator<Item = Flag<'d>> + use<'d> {
        let this = *self;
        let words = &self.file.arena.words;
        let flags = words.get(self.node.flags, self.node.words);
        flags.iter().map(move |flag| Flag {
            text: text::lossy(words.text(*flag, this.text())),
            span: this.word_span(*flag),
        })
    }

    fn word_span(&self, word: words::RawWord) -> Span {
        let (start, end) = self.file.arena.words.range(word);
        self.file_span(start as usize, end as usize)
    }

    /// The bytes of the file that are `from..to` of a flag's value (counted behind the `=`, quotes and escapes removed).
    /// The span ends right behind the last of them, before a closing quote.
    #[must_use]
    pub fn flag_value_span(&self, flag: usize, from: usize, to: usize) -> Span {
        let words = &self.file.arena.words;
        let flags = words.get(self.node.flags, self.node.words);
        let Some(raw) = flags.get(flag) else {
            return self.span();
        };
        let (raw_start, raw_end) = words.range(*raw);
        let line = self.text();
        let (mut behind_equals, mut at) = (false, 0);
        let mut span: Option<(usize, usize)> = None;
        let mut end = raw_start as usize;
        for item in
            words::FlagChars::new(line, raw_start as usize, raw_end as usize, self.file.escape)
        {
            let words::FlagChar::Value(c, offset) = item else {
                break;
            };
            if behind_equals {
                let range = at..at + c.len_utf8();
                at = range.end;
                if range.end > from && range.start < to {
                    span = Some((span.map_or(offset, |(start, _)| start), offset + 1));
                }
            }
            end = offset + 1;
            behind_equals |= c == '=';
        }
        let (start, end) = span.unwrap_or((end, end));
        let first = self.file_offset(start);
        Span {
            start: first,
            end: if end > start {
                self.file_offset(end - 1) + 1
            } else {
                first
            },
        }
    }

    /// The words in order. ENV and LABEL have a name and a value for each pair; ONBUILD has none, see
    /// [`nested`](Self::nested).
    pub fn words(&self) -> impl ExactSizeIterator<Item = Word<'d>> + use<'d> {
        let this = *self;
        self.raw_words()
            .iter()
            .map(move |word| this.with_place(*word))
    }

    /// The word with that index.
    #[must_use]
    pub fn word(&self, index: usize) -> Option<Word<'d>> {
        self.raw_words()
            .get(index)
            .map(|word| self.with_place(*word))
    }

    fn with_place(&self, word: words::RawWord) -> Word<'d> {
        Word {
            text: self.file.arena.words.text(word, self.text()),
            span: self.word_span(word),
        }
    }

    fn raw_words(&self) -> &'d [words::RawWord] {
        let words = &self.file.arena.words;
        words.get(self.node.words, self.node.behind)
    }

    /// The text of each word.
    fn word_texts(
        &self,
    ) -> impl ExactSizeIterator<Item = &'d [u8]> + DoubleEndedIterator + use<'d> {
        let (words, text) = (&self.file.arena.words, self.text());
        let raw = self.raw_words().iter();
        raw.map(move |word| words.text(*word, text))
    }

    /// Whether the words were a JSON array.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.node.shape.json
    }

    /// `ENV name value`: one pair without `=`.
    #[must_use]
    pub fn is_legacy_pair(&self) -> bool {
        self.node.shape.legacy
    }

    /// The heredocs in order. Those of an ONBUILD belong to it, not to the instruction behind it.
    pub fn heredocs(&self) -> impl ExactSizeIterator<Item = Heredoc<'d>> + use<'d> {
        let file = self.file;
        file.arena.heredocs(self.node).iter().map(move |heredoc| {
            let span = Span {
                start: heredoc.start as usize,
                end: heredoc.end as usize,
            };
            Heredoc {
                name: file
                    .arena
                    .names
                    .get(heredoc.name.0 as usize..heredoc.name.1 as usize)
                    .unwrap_or_default(),
                expand: heredoc.expand,
                chomp: heredoc.chomp,
                content: file.source.get(span.start..span.end).unwrap_or_default(),
                span,
                whole: Span {
                    start: span.start,
                    end: heredoc.terminator_end as usize,
                },
            }
        })
    }

    /// The instruction behind ONBUILD.
    #[must_use]
    pub fn nested(&self) -> Option<Self> {
        let node = match self.node.kind {
            Keyword::Onbuild => self.file.arena.nested(self.node)?,
            _ => return None,
        };
        Some(Self {
            file: self.file,
            node,
        })
    }
}
