//! Lines to instructions: continuation, comments, directives, heredocs (BuildKit's `parser/parser.go`).

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use super::{
    Dockerfile, Keyword, ParseError, ParseErrorKind, Span,
    directive::{Directive, DirectiveName, Directives, Line, MAX_LINE},
    heredoc,
    newlines::Newlines,
    text::leading_space,
    words::{self, RawWord, Shape},
};

/// Offsets are kept in 32 bits, with room for twice the file.
const MAX_FILE: usize = 1 << 30;

/// An instruction as the tree keeps it; every range of text counts from the beginning of the logical line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub kind: Keyword,
    pub keyword: (u32, u32),
    pub args: (u32, u32),
    pub shape: Shape,
    pub flags: (u32, u32),
    pub words: (u32, u32),
    pub heredocs: (u32, u32),
    /// The instruction behind ONBUILD.
    pub nested: Option<u32>,
    /// Where the logical line is: in the file, or in `joined` when it has several lines.
    pub text: Text,
    pub first_line: u32,
    pub last_line: u32,
    /// Bytes of the file: from the first character of the instruction to the end of its last line (without newline).
    pub start: u32,
    pub end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    File {
        start: u32,
        end: u32,
    },
    Joined {
        start: u32,
        end: u32,
        segments: (u32, u32),
    },
}

/// A piece of a joined line: from `logical` on, the bytes come from `file` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub logical: u32,
    pub file: u32,
}

/// A heredoc's content and terminator, as bytes of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawHeredoc {
    pub name: Box<str>,
    pub expand: bool,
    pub chomp: bool,
    pub start: u32,
    pub end: u32,
    pub terminator_end: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arena {
    pub joined: Vec<u8>,
    pub segments: Vec<Segment>,
    pub flags: Vec<RawWord>,
    pub words: Vec<RawWord>,
    pub heredocs: Vec<RawHeredoc>,
    pub nested: Vec<Node>,
}

/// `usize` to the 32 bits of the tree. [`MAX_FILE`] makes sure that everything fits.
fn small(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

pub(super) fn parse(source: &[u8]) -> Result<Dockerfile<'_>, ParseError> {
    if source.len() > MAX_FILE {
        return Err(ParseError {
            span: Span::default(),
            lines: (1, 1),
            kind: ParseErrorKind::FileTooLarge,
        });
    }
    let mut parser = Parser {
        source,
        has_less_than: memchr(b'<', source).is_some(),
        newlines: Newlines::new(source),
        at: 0,
        line: 0,
        escape: b'\\',
        directives: Directives::new(b"#"),
        found: Vec::new(),
        arena: Arena {
            words: Vec::with_capacity(source.len() / 32),
            ..Arena::default()
        },
        nodes: Vec::with_capacity(source.len() / 64),
    };
    parser.file()?;
    let Parser {
        escape,
        found,
        arena,
        nodes,
        ..
    } = parser;
    Ok(Dockerfile {
        source: Cow::Borrowed(source),
        escape,
        directives: found,
        arena,
        nodes,
    })
}

struct Parser<'s> {
    source: &'s [u8],
    /// Without any `<` there are no heredocs.
    has_less_than: bool,
    /// Those behind `at`.
    newlines: Newlines<'s>,
    at: usize,
    line: usize,
    escape: u8,
    directives: Directives,
    found: Vec<Directive>,
    arena: Arena,
    nodes: Vec<Node>,
}

impl<'s> Parser<'s> {
    fn slice(&self, span: Span) -> &'s [u8] {
        self.source.get(span.start..span.end).unwrap_or_default()
    }

    /// The next line, without the newline and the carriage returns in front of it.
    fn next_line(&mut self) -> Result<Option<Span>, ParseError> {
        let start = self.at;
        let rest = self.source.get(start..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let newline = self.newlines.next();
        let len = newline.map_or(rest.len(), |newline| newline - start);
        self.line += 1;
        if len > MAX_LINE {
            let end = start + len;
            let kind = ParseErrorKind::LineTooLong;
            return Err(self.error(Span { start, end }, self.line, kind));
        }
        self.at = start + len + usize::from(newline.is_some());
        let line = rest.get(..len).unwrap_or_default();
        let returns = line.iter().rev().take_while(|byte| **byte == b'\r').count();
        Ok(Some(Span {
            start,
            end: start + len - returns,
        }))
    }

    fn error(&self, span: Span, first_line: usize, kind: ParseErrorKind) -> ParseError {
        ParseError {
            span,
            lines: (first_line, self.line.max(first_line)),
            kind,
        }
    }

    fn file(&mut self) -> Result<(), ParseError> {
        while let Some(mut content) = self.next_line()? {
            if self.line == 1 && self.slice(content).starts_with(b"\xef\xbb\xbf") {
                content.start += 3;
            }
            content.start += leading_space(self.slice(content));
            let text = self.slice(content);
            match self.directives.read(text) {
                Line::Other => {}
                Line::Directive(name, (from, to)) => {
                    self.directive(
                        name,
                        Span {
                            start: content.start + from,
                            end: content.start + to,
                        },
                    )?;
                }
                Line::Duplicate(name) => {
                    let kind = ParseErrorKind::DuplicateDirective(name.name());
                    return Err(self.error(content, self.line, kind));
                }
            }
            if text.first().is_some_and(|byte| *byte != b'#') {
                self.instruction(content)?;
            }
        }
        if self.nodes.is_empty() {
            let end = Span {
                start: self.source.len(),
                end: self.source.len(),
            };
            return Err(self.error(end, self.line.max(1), ParseErrorKind::NoInstructions));
        }
        Ok(())
    }

    fn directive(&mut self, name: DirectiveName, value: Span) -> Result<(), ParseError> {
        if name == DirectiveName::Escape {
            self.escape = match self.slice(value) {
                b"`" => b'`',
                b"\\" => b'\\',
                other => {
                    let found = String::from_utf8_lossy(other).into_owned();
                    return Err(self.error(
                        value,
                        self.line,
                        ParseErrorKind::EscapeCharacter(found),
                    ));
                }
            };
        }
        self.found.push(Directive {
            name,
            value,
            line: self.line,
        });
        Ok(())
    }

    /// Cuts off a continuation: an escape character at the end that doesn't follow another one, and blanks behind it.
    fn continued(&self, content: Span) -> Option<Span> {
        let mut body = self.slice(content);
        while let Some((b' ' | b'\t', rest)) = body.split_last() {
            body = rest;
        }
        let body = body.strip_suffix(&[self.escape])?;
        (body.last() != Some(&self.escape)).then_some(Span {
            start: content.start,
            end: content.start + body.len(),
        })
    }

    fn instruction(&mut self, first: Span) -> Result<(), ParseError> {
        let first_line = self.line;
        let mut end = first.end;
        let text = match self.continued(first) {
            None => Text::File {
                start: small(first.start),
                end: small(first.end),
            },
            Some(piece) => self.join(piece, &mut end)?,
        };
        let whole = Span {
            start: first.start,
            end,
        };
        let mut node = self.node(text, whole, first_line)?;
        self.heredocs(&mut node, whole, first_line)?;
        node.last_line = small(self.line);
        self.nodes.push(node);
        Ok(())
    }

    /// Joins a continued line with those that follow. Comments and blank lines between them are dropped.
    fn join(&mut self, first: Span, end: &mut usize) -> Result<Text, ParseError> {
        let start = self.arena.joined.len();
        let first_segment = self.arena.segments.len();
        if self.arena.joined.capacity() == 0 {
            // At most the rest of the file: nothing is moved as it grows.
            self.arena
                .joined
                .reserve_exact(self.source.len().saturating_sub(first.start));
            self.arena.segments.reserve(16);
        }
        let mut piece = first;
        let mut more = true;
        loop {
            if piece.end > piece.start {
                let logical = small(self.arena.joined.len() - start);
                self.arena.segments.push(Segment {
                    logical,
                    file: small(piece.start),
                });
                self.arena
                    .joined
                    .extend_from_slice(self.source.get(piece.start..piece.end).unwrap_or_default());
            }
            if !more {
                break;
            }
            piece = loop {
                let Some(content) = self.next_line()? else {
                    more = false;
                    break Span {
                        start: *end,
                        end: *end,
                    };
                };
                *end = content.end;
                let text = self.slice(content);
                match text.get(leading_space(text)) {
                    None | Some(b'#') => continue,
                    Some(_) => {}
                }
                match self.continued(content) {
                    Some(piece) => break piece,
                    None => {
                        more = false;
                        break content;
                    }
                }
            };
        }
        Ok(Text::Joined {
            start: small(start),
            end: small(self.arena.joined.len()),
            segments: (small(first_segment), small(self.arena.segments.len())),
        })
    }

    /// `newNodeFromLine`, and for ONBUILD the instruction behind it, and so on without recursion.
    fn node(&mut self, text: Text, whole: Span, first_line: usize) -> Result<Node, ParseError> {
        let Self {
            source,
            arena,
            escape,
            line,
            ..
        } = self;
        let logical = match text {
            Text::File { start, end } => source.get(start as usize..end as usize),
            Text::Joined { start, end, .. } => arena.joined.get(start as usize..end as usize),
        };
        let logical = logical.unwrap_or_default();
        let (mut from, mut to) = (0, logical.len());
        let mut outer: Option<Node> = None;
        let first_nested = arena.nested.len();
        loop {
            let flags = arena.flags.len();
            let split = words::split_command(logical, from, to, *escape, &mut arena.flags);
            let keyword = Keyword::of(
                logical
                    .get(split.keyword.0..split.keyword.1)
                    .unwrap_or_default(),
            );
            let words = arena.words.len();
            let shape = words::parse_args(keyword, logical, split.args, *escape, &mut arena.words)
                .map_err(|kind| ParseError {
                    span: whole,
                    lines: (first_line, *line),
                    kind,
                })?;
            let heredocs = small(arena.heredocs.len());
            let node = Node {
                kind: keyword,
                keyword: (small(split.keyword.0), small(split.keyword.1)),
                args: (small(split.args.0), small(split.args.1)),
                shape,
                flags: (small(flags), small(arena.flags.len())),
                words: (small(words), small(arena.words.len())),
                heredocs: (heredocs, heredocs),
                nested: None,
                text,
                first_line: small(first_line),
                last_line: small(*line),
                start: small(whole.start),
                end: small(whole.end),
            };
            match &mut outer {
                None => outer = Some(node),
                Some(top) => {
                    let index = small(arena.nested.len());
                    arena.nested.push(node);
                    match arena
                        .nested
                        .len()
                        .checked_sub(2)
                        .filter(|previous| *previous >= first_nested)
                    {
                        Some(previous) => {
                            if let Some(previous) = arena.nested.get_mut(previous) {
                                previous.nested = Some(index);
                            }
                        }
                        None => top.nested = Some(index),
                    }
                }
            }
            if keyword != Keyword::Onbuild || split.args.0 >= split.args.1 {
                break;
            }
            (from, to) = split.args;
        }
        // The loop ran at least once.
        outer.ok_or(ParseError {
            span: whole,
            lines: (first_line, *line),
            kind: ParseErrorKind::NoInstructions,
        })
    }

    fn heredocs(
        &mut self,
        node: &mut Node,
        whole: Span,
        first_line: usize,
    ) -> Result<(), ParseError> {
        let carrier = match node
            .nested
            .and_then(|index| self.arena.nested.get(index as usize))
        {
            Some(nested) => (nested.kind, nested.shape.json),
            None => (node.kind, node.shape.json),
        };
        if !matches!(
            carrier,
            (Keyword::Add | Keyword::Copy | Keyword::Run, false)
        ) {
            return Ok(());
        }
        let logical = match node.text {
            Text::File { start, end } => self.source.get(start as usize..end as usize),
            Text::Joined { start, end, .. } => self.arena.joined.get(start as usize..end as usize),
        };
        let logical = logical.unwrap_or_default();
        if !self.has_less_than
            || !memchr_iter(b'<', logical).any(|at| logical.get(at + 1) == Some(&b'<'))
        {
            return Ok(());
        }
        let announced = heredoc::in_line(logical)
            .map_err(|error| self.error(whole, first_line, ParseErrorKind::HeredocName(error)))?;
        for heredoc::Announced {
            name,
            expand,
            chomp,
        } in announced
        {
            let start = self.at;
            loop {
                let before = self.at;
                let Some(content) = self.next_line()? else {
                    return Err(self.error(
                        whole,
                        first_line,
                        ParseErrorKind::UnterminatedHeredoc(name),
                    ));
                };
                let mut text = self.slice(content);
                if chomp {
                    let tabs = text.iter().take_while(|byte| **byte == b'\t').count();
                    text = text.get(tabs..).unwrap_or_default();
                }
                if text == name.as_bytes() {
                    node.end = small(content.end);
                    self.arena.heredocs.push(RawHeredoc {
                        name: name.into(),
                        expand,
                        chomp,
                        start: small(start),
                        end: small(before),
                        terminator_end: small(content.end),
                    });
                    break;
                }
            }
        }
        node.heredocs.1 = small(self.arena.heredocs.len());
        Ok(())
    }
}
