//! The tokens of a file: every byte belongs to exactly one, in order, so that their texts joined are the file.

use super::{Dockerfile, Instruction, Span};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// The byte order mark in front of the first line.
    ByteOrderMark,
    /// `# escape=…` and the like at the top, from the `#` on.
    Directive,
    /// A comment from the `#` to the end of its line, also one between continued lines.
    Comment,
    /// Blanks.
    Space,
    /// The end of a line.
    Newline,
    /// An escape character at the end of a line with the blanks and the newline behind it.
    Continuation,
    /// The name of an instruction.
    Keyword,
    /// A flag.
    Flag,
    /// A word. One that goes over several lines includes what is between them.
    Word,
    /// Anything else: the brackets and commas of JSON, the `=` of a pair.
    Punctuation,
    /// The lines of a heredoc.
    Heredoc,
    /// The line that ends a heredoc.
    Terminator,
}

/// A piece of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its bytes.
    pub span: Span,
}

impl Dockerfile<'_> {
    /// The tokens in order, without gaps: the first begins at 0, each begins where the one before it ends, and the
    /// last ends with the file.
    #[must_use]
    pub fn tokens(&self) -> Vec<Token> {
        let mut tokens = Tokens {
            file: self,
            at: 0,
            found: Vec::new(),
        };
        if self.source.starts_with(b"\xef\xbb\xbf") {
            tokens.push(TokenKind::ByteOrderMark, 3);
        }
        for instruction in self.instructions() {
            tokens.fill(instruction.span().start);
            tokens.instruction(instruction);
            for heredoc in instruction.heredocs() {
                tokens.fill(heredoc.span.start);
                tokens.push(TokenKind::Heredoc, heredoc.span.end);
                tokens.push(TokenKind::Terminator, heredoc.whole.end);
            }
            tokens.fill(instruction.span().end);
        }
        tokens.fill(self.source.len());
        tokens.found
    }

    /// The file, put together from its tokens.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.source.len());
        for token in self.tokens() {
            out.extend_from_slice(
                self.source
                    .get(token.span.start..token.span.end)
                    .unwrap_or_default(),
            );
        }
        out
    }
}

struct Tokens<'d> {
    file: &'d Dockerfile<'d>,
    at: usize,
    found: Vec<Token>,
}

impl Tokens<'_> {
    fn push(&mut self, kind: TokenKind, end: usize) {
        if end > self.at {
            self.found.push(Token {
                kind,
                span: Span {
                    start: self.at,
                    end,
                },
            });
            self.at = end;
        }
    }

    fn instruction(&mut self, instruction: Instruction<'_>) {
        let mut current = Some(instruction);
        while let Some(instruction) = current {
            self.part(TokenKind::Keyword, instruction.keyword_span());
            instruction
                .flags()
                .for_each(|flag| self.part(TokenKind::Flag, flag.span));
            instruction
                .words()
                .for_each(|word| self.part(TokenKind::Word, word.span));
            current = instruction.nested();
        }
    }

    fn part(&mut self, kind: TokenKind, span: Span) {
        if span.start >= self.at && span.end > span.start {
            self.fill(span.start);
            self.push(kind, span.end);
        }
    }

    /// Tokens for what is between the parts of instructions, up to `end`.
    fn fill(&mut self, end: usize) {
        while let Some(rest) = self
            .file
            .source
            .get(self.at..end)
            .filter(|rest| !rest.is_empty())
        {
            let blanks = rest
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'\t' | 0x0b | 0x0c))
                .count();
            let newline = match rest.get(blanks..) {
                Some([b'\n', ..]) => Some(1),
                Some([b'\r', b'\n', ..]) => Some(2),
                _ => None,
            };
            let line_start = self.at == 0
                || matches!(
                    self.found.last().map(|token| token.kind),
                    Some(TokenKind::ByteOrderMark)
                )
                || self.file.source.get(self.at - 1) == Some(&b'\n');
            match (rest.first(), newline) {
                (_, Some(len)) if blanks == 0 => self.push(TokenKind::Newline, self.at + len),
                _ if blanks > 0 && !(line_start && rest.get(blanks) == Some(&b'#')) => {
                    self.push(TokenKind::Space, self.at + blanks);
                }
                _ if line_start && rest.get(blanks) == Some(&b'#') => {
                    self.push(TokenKind::Space, self.at + blanks);
                    let start = self.at;
                    let rest = self.file.source.get(start..end).unwrap_or_default();
                    let mut len = rest
                        .iter()
                        .position(|byte| *byte == b'\n')
                        .unwrap_or(rest.len());
                    len -= rest
                        .get(..len)
                        .unwrap_or_default()
                        .iter()
                        .rev()
                        .take_while(|byte| **byte == b'\r')
                        .count();
                    let directive = self
                        .file
                        .directives
                        .iter()
                        .any(|directive| (start..start + len).contains(&directive.value.start));
                    self.push(
                        if directive {
                            TokenKind::Directive
                        } else {
                            TokenKind::Comment
                        },
                        start + len.max(1),
                    );
                }
                (Some(byte), _) if *byte == self.file.escape => {
                    let blanks = rest
                        .iter()
                        .skip(1)
                        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
                        .count();
                    match rest.get(blanks + 1) {
                        Some(b'\n') => self.push(TokenKind::Continuation, self.at + blanks + 2),
                        _ => self.push(TokenKind::Punctuation, self.at + 1),
                    }
                }
                _ => self.push(TokenKind::Punctuation, self.at + 1),
            }
        }
    }
}
