//! Lines to instructions: continuation, comments, directives, heredocs (BuildKit's `parser/parser.go`).

use std::borrow::Cow;

use memchr::memchr;

use super::{
    Dockerfile, Keyword, ParseError, ParseErrorKind, Span,
    directive::{Directive, DirectiveName, Directives, Line, MAX_LINE},
    heredoc,
    newlines::Newlines,
    text::{behind, trim_start},
    words::{self, Shape, Words},
};

/// Offsets are kept in 32 bits, with room for twice the file.
const MAX_FILE: usize = 1 << 30;

/// An instruction as the tree keeps it. 32 bytes, because short instructions are many times the file otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub kind: Keyword,
    pub shape: Shape,
    /// Whether its logical line is put together from several.
    pub joined: bool,
    /// Where in [`Arena::words`] its flags begin, its words, and what is behind them. All of these count from the
    /// beginning of the logical line.
    pub flags: u32,
    pub words: u32,
    pub behind: u32,
    /// The first line.
    pub line: u32,
    /// Bytes of the file: from the first character of the instruction to the end of its last line (without newline).
    pub start: u32,
    pub end: u32,
    /// In [`Arena::more`]; [`NONE`] when it is all of one line of the file.
    pub more: u32,
}

/// What an instruction has that is not all of one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct More {
    /// Where in the logical line it begins: behind the ONBUILDs.
    pub from: u32,
    /// The logical line: bytes of [`Arena::joined`] if it is joined, else of the file.
    pub text: (u32, u32),
    pub last_line: u32,
}

/// No index.
const NONE: u32 = u32::MAX;

/// A piece of a joined line other than its first: what begins at `joined` in [`Arena::joined`] comes from `file` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub joined: u32,
    pub file: u32,
}

/// A heredoc's content and terminator, as bytes of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RawHeredoc {
    /// Bytes of [`Arena::names`].
    pub name: (u32, u32),
    pub expand: bool,
    pub chomp: bool,
    pub start: u32,
    pub end: u32,
    pub terminator_end: u32,
}

/// What the instructions refer to, each list in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arena {
    pub joined: Vec<u8>,
    pub segments: Vec<Segment>,
    pub words: Words,
    pub heredocs: Vec<RawHeredoc>,
    pub names: String,
    /// The instructions behind ONBUILD. They begin where it does; those of one file line by the place in it.
    pub nested: Vec<Node>,
    pub more: Vec<More>,
}

impl Arena {
    pub(super) fn more(&self, node: &Node) -> Option<&More> {
        self.more.get(node.more as usize)
    }

    /// Where in its logical line an instruction begins.
    pub(super) fn from(&self, node: &Node) -> usize {
        self.more(node).map_or(0, |more| more.from as usize)
    }

    /// The logical line of an instruction.
    #[inline]
    pub(super) fn text<'t>(&'t self, source: &'t [u8], node: &Node) -> &'t [u8] {
        let (start, end) = self.more(node).map_or((node.start, node.end), |m| m.text);
        let bytes = if node.joined { &self.joined } else { source };
        bytes.get(start as usize..end as usize).unwrap_or_default()
    }

    /// The instruction behind ONBUILD.
    pub(super) fn nested(&self, outer: &Node) -> Option<&Node> {
        let from = self.from(outer);
        let before = |node: &Node| (node.start, self.from(node)) <= (outer.start, from);
        let first = self.nested.partition_point(before);
        let node = self.nested.get(first)?;
        (node.start == outer.start).then_some(node)
    }

    /// The heredocs of an instruction.
    pub(super) fn heredocs(&self, node: &Node) -> &[RawHeredoc] {
        let from = self
            .heredocs
            .partition_point(|heredoc| heredoc.start < node.start);
        let to = self
            .heredocs
            .partition_point(|heredoc| heredoc.start < node.end);
        self.heredocs.get(from..to).unwrap_or_default()
    }
}

/// Makes room in a list that is full, as if the rest of the file were like the part that is read. So large lists are
/// moved once or twice, and what is reserved and not used stays within what the densest file needs.
#[inline]
pub(super) fn make_room<T>(list: &mut Vec<T>, read: usize, total: usize) {
    #[cold]
    fn grow<T>(list: &mut Vec<T>, read: usize, total: usize) {
        let rest = total.saturating_sub(read).saturating_mul(list.len()) / read.max(1);
        list.reserve_exact(rest.max(list.len() / 16) + 4);
    }
    if list.len() == list.capacity() {
        grow(list, read, total);
    }
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
        less_than: None,
        newlines: Newlines::new(source),
        at: 0,
        line: 0,
        escape: b'\\',
        directives: Directives::new(b"#"),
        found: Vec::new(),
        arena: Arena {
            words: Words::of_file(source.len()),
            ..Arena::default()
        },
        nodes: Vec::with_capacity(source.len() / 32 + 4),
        too_long: None,
    };
    parser.file().map_err(|error| *error)?;
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
    /// The first `<` not behind `at` that may announce a heredoc, once one was looked for; the end of the file if none.
    less_than: Option<usize>,
    /// Those behind `at`.
    newlines: Newlines<'s>,
    at: usize,
    line: usize,
    escape: u8,
    directives: Directives,
    found: Vec<Directive>,
    arena: Arena,
    nodes: Vec<Node>,
    /// The line that ended reading, if it wasn't the end of the file.
    too_long: Option<Span>,
}

/// A part of a line, from the byte `start` of the file on.
#[derive(Clone, Copy)]
struct Piece<'s> {
    start: usize,
    text: &'s [u8],
}

impl Piece<'_> {
    fn end(self) -> usize {
        self.start + self.text.len()
    }

    fn span(self) -> Span {
        Span {
            start: self.start,
            end: self.end(),
        }
    }
}

/// In a box, so that what goes well is returned in registers.
type Failure = Box<ParseError>;

impl<'s> Parser<'s> {
    fn slice(&self, span: Span) -> &'s [u8] {
        self.source.get(span.start..span.end).unwrap_or_default()
    }

    /// The next line, without the newline and the carriage returns in front of it. `None` is for [`Self::end`].
    #[inline]
    fn next_line(&mut self) -> Option<Piece<'s>> {
        let start = self.at;
        let newline = self.newlines.next();
        let len = newline.unwrap_or(self.source.len()) - start;
        if newline.is_none() && len == 0 {
            return None;
        }
        self.line += 1;
        if len > MAX_LINE {
            let end = start + len;
            self.too_long = Some(Span { start, end });
            return None;
        }
        self.at = start + len + usize::from(newline.is_some());
        let mut text = self.source.get(start..start + len).unwrap_or_default();
        while let [rest @ .., b'\r'] = text {
            text = rest;
        }
        Some(Piece { start, text })
    }

    /// Why there was no further line: none is left, or one is too long.
    fn end(&self) -> Result<(), Failure> {
        match self.too_long {
            Some(line) => Err(self.error(line, self.line, ParseErrorKind::LineTooLong)),
            None => Ok(()),
        }
    }

    fn error(&self, span: Span, first_line: usize, kind: ParseErrorKind) -> Failure {
        Box::new(ParseError {
            span,
            lines: (first_line, self.line.max(first_line)),
            kind,
        })
    }

    fn file(&mut self) -> Result<(), Failure> {
        while let Some(line) = self.next_line() {
            let text = match line.text {
                [0xef, 0xbb, 0xbf, text @ ..] if self.line == 1 => text,
                text => text,
            };
            let text = trim_start(text);
            let content = Piece {
                start: line.end() - text.len(),
                text,
            };
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
                    return Err(self.error(content.span(), self.line, kind));
                }
            }
            if text.first().is_some_and(|byte| *byte != b'#') {
                self.instruction(content)?;
            }
        }
        self.end()?;
        if self.nodes.is_empty() {
            let end = Span {
                start: self.source.len(),
                end: self.source.len(),
            };
            return Err(self.error(end, self.line.max(1), ParseErrorKind::NoInstructions));
        }
        Ok(())
    }

    fn directive(&mut self, name: DirectiveName, value: Span) -> Result<(), Failure> {
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
    fn continued(&self, content: Piece<'s>) -> Option<Piece<'s>> {
        let mut body = content.text;
        while let [rest @ .., b' ' | b'\t'] = body {
            body = rest;
        }
        match body {
            [text @ .., last] if *last == self.escape => {
                (text.last() != Some(last)).then_some(Piece { text, ..content })
            }
            _ => None,
        }
    }

    fn instruction(&mut self, first: Piece<'s>) -> Result<(), Failure> {
        let first_line = self.line;
        let mut end = first.end();
        let joined = match self.continued(first) {
            None => None,
            Some(piece) => Some(self.join(piece, &mut end)?),
        };
        let whole = Span {
            start: first.start,
            end,
        };
        self.node(joined, whole, first_line)?;
        self.heredocs(whole, first_line)
    }

    /// Joins a continued line with those that follow. Comments and blank lines between them are dropped.
    fn join(&mut self, first: Piece<'s>, end: &mut usize) -> Result<(u32, u32), Failure> {
        let total = self.source.len();
        if self.arena.joined.capacity() == 0 {
            // At most the rest of the file: nothing is moved as it grows.
            let rest = total.saturating_sub(first.start);
            self.arena.joined.reserve_exact(rest);
        }
        let start = small(self.arena.joined.len());
        self.arena.joined.extend_from_slice(first.text);
        let mut more = true;
        while more {
            let Some(content) = self.next_line() else {
                self.end()?;
                break;
            };
            *end = content.end();
            if let None | Some(b'#') = trim_start(content.text).first() {
                continue;
            }
            let continued = self.continued(content);
            more = continued.is_some();
            let piece = continued.unwrap_or(content);
            if !piece.text.is_empty() {
                let Arena {
                    joined, segments, ..
                } = &mut self.arena;
                make_room(segments, self.at, total);
                segments.push(Segment {
                    joined: small(joined.len()),
                    file: small(piece.start),
                });
                joined.extend_from_slice(piece.text);
            }
        }
        Ok((start, small(self.arena.joined.len())))
    }

    /// `newNodeFromLine`, and for ONBUILD the instruction behind it, and so on without recursion.
    fn node(
        &mut self,
        joined: Option<(u32, u32)>,
        whole: Span,
        first_line: usize,
    ) -> Result<(), Failure> {
        let Self {
            source,
            arena,
            nodes,
            escape,
            line,
            ..
        } = self;
        let Arena {
            joined: bytes,
            words: found,
            nested,
            more,
            ..
        } = arena;
        let text = joined.unwrap_or((small(whole.start), small(whole.end)));
        let bytes = if joined.is_some() { bytes } else { *source };
        let logical = bytes.get(text.0 as usize..text.1 as usize);
        let logical = logical.unwrap_or_default();
        let (mut from, mut to) = (0, logical.len());
        found.begin_line(whole.start);
        loop {
            let flags = found.len();
            let split = words::split_command(logical, from, to, *escape, found);
            let (keyword, args) = (split.keyword, split.args);
            let kind = Keyword::of(logical.get(keyword.0..keyword.1).unwrap_or_default());
            let words = found.len();
            let shape = words::parse_args(kind, logical, args, *escape, found).map_err(|kind| {
                Box::new(ParseError {
                    span: whole,
                    lines: (first_line, *line),
                    kind,
                })
            })?;
            let read = whole.start + from;
            let index = if from > 0 || joined.is_some() {
                make_room(more, read, source.len());
                more.push(More {
                    from: small(from),
                    text,
                    last_line: small(*line),
                });
                small(more.len() - 1)
            } else {
                NONE
            };
            let into = if from == 0 { &mut *nodes } else { &mut *nested };
            make_room(into, read, source.len());
            into.push(Node {
                kind,
                shape,
                joined: joined.is_some(),
                flags: small(flags),
                words: small(words),
                behind: small(found.len()),
                line: small(first_line),
                start: small(whole.start),
                end: small(whole.end),
                more: index,
            });
            if kind != Keyword::Onbuild || args.0 >= args.1 {
                return Ok(());
            }
            (from, to) = args;
        }
    }

    /// Whether a `<<` may be in the line once its pieces are joined: a `<` is followed by another, or by the end of its
    /// piece. Lines must be asked for in order.
    fn may_announce(&mut self, line: Span) -> bool {
        let mut next = self.less_than.unwrap_or_default();
        if self.less_than.is_none() || next < line.start {
            next = next.max(line.start);
            while let Some(found) = memchr(b'<', self.source.get(next..).unwrap_or_default()) {
                next += found;
                let follows = self.source.get(next + 1);
                if follows.is_some_and(|byte| *byte == b'<' || *byte == self.escape) {
                    break;
                }
                next += 1;
            }
            if self.source.get(next) != Some(&b'<') {
                next = self.source.len();
            }
            self.less_than = Some(next);
        }
        next < line.end
    }

    fn heredocs(&mut self, whole: Span, first_line: usize) -> Result<(), Failure> {
        let Some(node) = self.nodes.last() else {
            return Ok(());
        };
        let carrier = match node.kind {
            Keyword::Onbuild => self.arena.nested(node).unwrap_or(node),
            _ => node,
        };
        let carries = matches!(carrier.kind, Keyword::Add | Keyword::Copy | Keyword::Run);
        if !carries || carrier.shape.json {
            return Ok(());
        }
        if !self.may_announce(whole) {
            return Ok(());
        }
        let Some(node) = self.nodes.last() else {
            return Ok(());
        };
        let mut names = std::mem::take(&mut self.arena.names);
        let mut heredocs = std::mem::take(&mut self.arena.heredocs);
        let first = heredocs.len();
        let logical = self.arena.text(self.source, node);
        let lexed = heredoc::in_line(logical, &mut |heredoc| {
            let start = small(names.len());
            names.push_str(&heredoc.name);
            make_room(&mut heredocs, whole.end, self.source.len());
            heredocs.push(RawHeredoc {
                name: (start, small(names.len())),
                expand: heredoc.expand,
                chomp: heredoc.chomp,
                start: 0,
                end: 0,
                terminator_end: 0,
            });
        })
        .map_err(|error| self.error(whole, first_line, ParseErrorKind::HeredocName(error)))?;
        if !lexed {
            heredocs.truncate(first);
        }
        for heredoc in heredocs.get_mut(first..).unwrap_or_default() {
            let (from, to) = heredoc.name;
            let name = names.get(from as usize..to as usize).unwrap_or_default();
            heredoc.start = small(self.at);
            loop {
                let before = self.at;
                let Some(content) = self.next_line() else {
                    self.end()?;
                    let kind = ParseErrorKind::UnterminatedHeredoc(name.to_owned());
                    return Err(self.error(whole, first_line, kind));
                };
                let mut text = content.text;
                if heredoc.chomp {
                    text = behind(text, |byte| byte == b'\t');
                }
                if text == name.as_bytes() {
                    heredoc.end = small(before);
                    heredoc.terminator_end = small(content.end());
                    break;
                }
            }
        }
        let last = heredocs.get(first..).and_then(<[_]>::last);
        if let (Some(node), Some(last)) = (self.nodes.last_mut(), last) {
            let more = &mut self.arena.more;
            if node.more == NONE {
                node.more = small(more.len());
                make_room(more, whole.end, self.source.len());
                more.push(More {
                    from: 0,
                    text: (node.start, node.end),
                    last_line: node.line,
                });
            }
            if let Some(more) = more.get_mut(node.more as usize) {
                more.last_line = small(self.line);
            }
            node.end = last.terminator_end;
        }
        (self.arena.names, self.arena.heredocs) = (names, heredocs);
        Ok(())
    }
}
