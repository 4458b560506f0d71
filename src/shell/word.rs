//! Words: quotes, `$name`, `${name...}`, `$(...)`, backquotes.

use super::{
    Dialect, Span,
    parse::{self, Origin, Parser, is_name},
    syntax::{Op, Param, Part, Word},
};

/// What ends a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A space or an operator.
    Bare,
    /// A double quote.
    Quoted,
    /// The `}` of a `${`, within double quotes or not.
    Braces { quoted: bool },
    /// The same, but a `/` too: a pattern that is replaced.
    Pattern { quoted: bool },
    /// The same, but a `:` too: where a slice begins.
    Offset,
    /// The end of a heredoc's lines.
    Heredoc,
}

/// Parts as they are put together.
#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    text: String,
    quoted: bool,
}

impl Parts {
    fn push(&mut self, text: &str, quoted: bool) {
        if self.quoted != quoted {
            self.flush();
            self.quoted = quoted;
        }
        self.text.push_str(text);
    }

    /// A quote, which makes a word even of nothing.
    fn quote(&mut self) {
        self.flush();
        self.quoted = true;
    }

    fn end_quote(&mut self) {
        if self.text.is_empty() {
            self.parts.push(Part::Text {
                text: String::new(),
                quoted: true,
            });
        }
        self.flush();
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.parts.push(Part::Text {
                text: std::mem::take(&mut self.text),
                quoted: self.quoted,
            });
        }
    }

    fn part(&mut self, part: Part) {
        self.flush();
        self.parts.push(part);
    }
}

impl Parser<'_> {
    pub fn word(&mut self) -> Word {
        let start = self.at;
        let parts = self.parts(Mode::Bare);
        Word {
            parts,
            span: self.span(start, self.at),
        }
    }

    /// The lines of a heredoc whose end is not quoted.
    pub fn expanding(&self, body: &str, span: Span) -> Word {
        let mut parser = Parser::new(body, self.dialect, Origin::In(span), self.depth);
        let parts = parser.parts(Mode::Heredoc);
        Word { parts, span }
    }

    fn parts(&mut self, mode: Mode) -> Vec<Part> {
        self.deeper(|this| this.collect(mode))
    }

    fn collect(&mut self, mode: Mode) -> Vec<Part> {
        let mut parts = Parts::default();
        let inside = matches!(
            mode,
            Mode::Quoted
                | Mode::Heredoc
                | Mode::Braces { quoted: true }
                | Mode::Pattern { quoted: true }
        );
        loop {
            let Some(byte) = self.peek() else {
                if !matches!(mode, Mode::Bare | Mode::Heredoc) {
                    self.fail();
                }
                break;
            };
            match (byte, mode) {
                (b'"', Mode::Quoted)
                | (b'}', Mode::Braces { .. } | Mode::Pattern { .. } | Mode::Offset)
                | (b'/', Mode::Pattern { .. })
                | (b':', Mode::Offset) => break,
                (b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b')', Mode::Bare) => break,
                (b'<' | b'>', Mode::Bare) => {
                    if self.ahead(1) != Some(b'(') || !parts.parts.is_empty() {
                        break;
                    }
                    self.at = self.at.saturating_add(2);
                    let script = self.list();
                    if !self.eat(")") {
                        self.fail();
                    }
                    parts.part(Part::Process(script));
                }
                (b'(', Mode::Bare) => break,
                (b'\\', _) => self.backslash(mode, inside, &mut parts),
                (b'\'', _) if !inside => {
                    self.at = self.at.saturating_add(1);
                    let from = self.at;
                    let rest = self.text.get(from..).unwrap_or_default();
                    match rest.find('\'') {
                        Some(length) => {
                            self.at = from.saturating_add(length).saturating_add(1);
                            parts.quote();
                            parts.push(self.slice(from, from.saturating_add(length)), true);
                            parts.end_quote();
                        }
                        None => self.fail(),
                    }
                }
                (b'"', Mode::Heredoc) => {
                    self.at = self.at.saturating_add(1);
                    parts.push("\"", true);
                }
                (b'"', _) => {
                    self.at = self.at.saturating_add(1);
                    parts.quote();
                    let inner = self.parts(Mode::Quoted);
                    if inner.is_empty() {
                        parts.end_quote();
                    }
                    parts.parts.extend(inner);
                    if !self.eat("\"") {
                        self.fail();
                    }
                }
                (b'$', _) => self.dollar(inside, &mut parts),
                (b'`', _) => self.backquote(inside, &mut parts),
                _ => {
                    let from = self.at;
                    let rest = self.text.get(from..).unwrap_or_default();
                    let length = rest
                        .bytes()
                        .position(|byte| b" \t\r\n;&|()<>\\'\"$`}/:".contains(&byte))
                        .unwrap_or(rest.len())
                        .max(1);
                    self.at = from.saturating_add(length);
                    parts.push(self.slice(from, self.at), inside);
                }
            }
        }
        parts.flush();
        parts.parts
    }

    fn backslash(&mut self, mode: Mode, inside: bool, parts: &mut Parts) {
        let rest = self
            .text
            .get(self.at.saturating_add(1)..)
            .unwrap_or_default();
        let Some(next) = rest.chars().next() else {
            self.at = self.text.len();
            parts.push("\\", true);
            return;
        };
        self.at = self.at.saturating_add(1).saturating_add(next.len_utf8());
        let special = match mode {
            _ if !inside => true,
            Mode::Heredoc => matches!(next, '$' | '`' | '\\'),
            Mode::Braces { .. } | Mode::Pattern { .. } => {
                matches!(next, '$' | '`' | '"' | '\\' | '}' | '/')
            }
            _ => matches!(next, '$' | '`' | '"' | '\\'),
        };
        if next == '\n' {
            return;
        }
        let mut buffer = [0; 4];
        if !special {
            parts.push("\\", true);
        }
        parts.push(next.encode_utf8(&mut buffer), true);
    }

    fn dollar(&mut self, quoted: bool, parts: &mut Parts) {
        let start = self.at;
        match self.ahead(1) {
            Some(b'(') if self.ahead(2) == Some(b'(') && self.is_arithmetic() => {
                self.at = self.at.saturating_add(1);
                self.arithmetic();
                parts.part(Part::Arithmetic);
            }
            Some(b'(') => {
                self.at = self.at.saturating_add(2);
                let script = self.list();
                if !self.eat(")") {
                    self.fail();
                }
                parts.part(Part::Command { script, quoted });
            }
            Some(b'{') => {
                self.at = self.at.saturating_add(2);
                let param = self.braces(quoted);
                parts.part(Part::Param {
                    param: Box::new(param),
                    quoted,
                });
            }
            Some(b'\'') if !quoted && self.dialect == Dialect::Bash => self.ansi(parts),
            Some(b'"') if !quoted && self.dialect == Dialect::Bash => {
                self.at = self.at.saturating_add(1);
            }
            Some(byte) if byte == b'_' || byte.is_ascii_alphabetic() => {
                let rest = self.text.get(start.saturating_add(1)..).unwrap_or_default();
                let length = rest
                    .bytes()
                    .position(|byte| byte != b'_' && !byte.is_ascii_alphanumeric())
                    .unwrap_or(rest.len());
                self.at = start.saturating_add(1).saturating_add(length);
                let name = rest.get(..length).unwrap_or_default();
                parts.part(plain(name, quoted));
            }
            Some(byte) if byte.is_ascii_digit() || b"@*#?-$!".contains(&byte) => {
                self.at = start.saturating_add(2);
                parts.part(plain(&char::from(byte).to_string(), quoted));
            }
            _ => {
                self.at = start.saturating_add(1);
                parts.push("$", quoted);
            }
        }
    }

    /// Whether the `$((` here has its `))`: else it is a command that begins with a subshell.
    fn is_arithmetic(&self) -> bool {
        let mut open = 0_usize;
        let rest = self.text.as_bytes().get(self.at.saturating_add(1)..);
        let mut bytes = rest.unwrap_or_default().iter().take(1024).peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'(' => open = open.saturating_add(1),
                b')' => {
                    open = open.saturating_sub(1);
                    if open == 1 && bytes.peek() == Some(&&b')') {
                        return true;
                    }
                    if open <= 1 {
                        return false;
                    }
                }
                _ => {}
            }
        }
        false
    }

    /// `$'...'`: what it escapes matters to no address; only quotes and backslashes are undone.
    fn ansi(&mut self, parts: &mut Parts) {
        self.at = self.at.saturating_add(2);
        let mut text = String::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let mut chars = rest.chars();
            let Some(c) = chars.next() else {
                self.fail();
                break;
            };
            self.at = self.at.saturating_add(c.len_utf8());
            match (c, chars.next()) {
                ('\'', _) => break,
                ('\\', Some(next)) => {
                    self.at = self.at.saturating_add(next.len_utf8());
                    match next {
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        '\'' | '"' | '\\' | '?' => text.push(next),
                        other => {
                            text.push('\\');
                            text.push(other);
                        }
                    }
                }
                _ => text.push(c),
            }
        }
        parts.quote();
        parts.push(&text, true);
        parts.end_quote();
    }

    fn backquote(&mut self, quoted: bool, parts: &mut Parts) {
        let start = self.at.saturating_add(1);
        let rest = self.text.get(start..).unwrap_or_default();
        let mut inner = String::new();
        let mut escaped = false;
        let mut chars = rest.char_indices();
        let end = loop {
            let Some((at, c)) = chars.next() else {
                self.fail();
                return;
            };
            match c {
                '`' => break at,
                '\\' => match chars.next() {
                    Some((_, next)) => {
                        escaped = true;
                        if !(matches!(next, '$' | '`' | '\\') || quoted && next == '"') {
                            inner.push('\\');
                        }
                        inner.push(next);
                    }
                    None => inner.push('\\'),
                },
                other => inner.push(other),
            }
        };
        self.at = start.saturating_add(end).saturating_add(1);
        let origin = match self.origin {
            Origin::At(_) if !escaped => Origin::At(self.span(start, start).start),
            _ => Origin::In(self.span(start.saturating_sub(1), self.at)),
        };
        let parsed = parse::nested(&inner, self.dialect, origin, self.depth);
        if parsed.unread.is_some() {
            self.broken.get_or_insert(start);
        }
        parts.part(Part::Command {
            script: parsed.script,
            quoted,
        });
    }

    /// Behind `${`.
    fn braces(&mut self, quoted: bool) -> Param {
        let length = self.peek() == Some(b'#') && self.ahead(1) != Some(b'}');
        if length {
            self.at = self.at.saturating_add(1);
        }
        let indirect = self.eat("!");
        let rest = self.text.get(self.at..).unwrap_or_default();
        let count = match rest.bytes().next() {
            Some(byte) if byte == b'_' || byte.is_ascii_alphabetic() => rest
                .bytes()
                .position(|byte| byte != b'_' && !byte.is_ascii_alphanumeric())
                .unwrap_or(rest.len()),
            Some(byte) if byte.is_ascii_digit() => rest
                .bytes()
                .position(|byte| !byte.is_ascii_digit())
                .unwrap_or(rest.len()),
            Some(byte) if b"@*#?-$!".contains(&byte) => 1,
            _ => 0,
        };
        let name = rest.get(..count).unwrap_or_default().to_owned();
        self.at = self.at.saturating_add(count);
        if count == 0 {
            self.fail();
        }
        let mut op = Op::None;
        let mut all = name == "@";
        if self.peek() == Some(b'[') {
            // All elements stand in one value; one alone is not told apart.
            let rest = self.text.get(self.at..).unwrap_or_default();
            let end = rest.find(']').unwrap_or(rest.len());
            all = matches!(rest.get(1..end), Some("@" | "*"));
            self.at = self
                .at
                .saturating_add(end)
                .saturating_add(1)
                .min(self.text.len());
            if !all {
                op = Op::Other;
            }
        }
        if self.peek() != Some(b'}') {
            let found = self.operation(quoted);
            if matches!(op, Op::None) {
                op = found;
            }
        }
        if !self.eat("}") {
            self.fail();
        }
        if length {
            op = Op::Length;
        } else if indirect {
            op = Op::Other;
        }
        Param { name, all, op }
    }

    fn operand(&mut self, mode: Mode) -> Word {
        let start = self.at;
        let parts = self.parts(mode);
        Word {
            parts,
            span: self.span(start, self.at),
        }
    }

    fn operation(&mut self, quoted: bool) -> Op {
        let colon = self.peek() == Some(b':');
        let next = if colon { self.ahead(1) } else { self.peek() };
        match next {
            Some(op @ (b'-' | b'=' | b'+' | b'?')) => {
                self.at = self.at.saturating_add(if colon { 2 } else { 1 });
                Op::Default {
                    op,
                    colon,
                    word: self.operand(Mode::Braces { quoted }),
                }
            }
            _ if colon => {
                self.at = self.at.saturating_add(1);
                let offset = self.operand(Mode::Offset);
                let length = self
                    .eat(":")
                    .then(|| self.operand(Mode::Braces { quoted: false }));
                Op::Slice { offset, length }
            }
            Some(byte @ (b'#' | b'%')) => {
                self.at = self.at.saturating_add(1);
                let longest = self.peek() == Some(byte);
                if longest {
                    self.at = self.at.saturating_add(1);
                }
                Op::Strip {
                    suffix: byte == b'%',
                    longest,
                    pattern: self.operand(Mode::Braces { quoted: false }),
                }
            }
            Some(b'/') => {
                self.at = self.at.saturating_add(1);
                let kind = match self.peek() {
                    Some(kind @ (b'/' | b'#' | b'%')) => {
                        self.at = self.at.saturating_add(1);
                        kind
                    }
                    _ => b' ',
                };
                let pattern = self.operand(Mode::Pattern { quoted: false });
                let with = if self.eat("/") {
                    self.operand(Mode::Braces { quoted: false })
                } else {
                    Word::default()
                };
                Op::Replace {
                    kind,
                    pattern,
                    with,
                }
            }
            Some(byte @ (b'^' | b',')) => {
                self.at = self.at.saturating_add(1);
                let all = self.peek() == Some(byte);
                let plain = if all {
                    self.at = self.at.saturating_add(1);
                    self.peek() == Some(b'}')
                } else {
                    self.peek() == Some(b'}')
                };
                if plain {
                    return Op::Case {
                        upper: byte == b'^',
                        all,
                    };
                }
                self.operand(Mode::Braces { quoted: false });
                Op::Other
            }
            _ => {
                self.operand(Mode::Braces { quoted: false });
                Op::Other
            }
        }
    }
}

fn plain(name: &str, quoted: bool) -> Part {
    debug_assert!(name.len() == 1 || is_name(name), "{name}");
    Part::Param {
        param: Box::new(Param {
            name: name.to_owned(),
            all: name == "@",
            op: Op::None,
        }),
        quoted,
    }
}
