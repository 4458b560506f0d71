//! From text to tree. Nothing is refused: where the text is no shell, reading ends and the rest is reported as unread.

use std::{cell::OnceCell, rc::Rc};

use super::{
    Dialect, Span,
    syntax::{
        AndOr, Arm, Assign, Command, Joint, Kind, Part, Pipeline, Redirect, RedirectKind, Script,
        Word,
    },
};

/// How deep constructs may be nested.
const MAX_DEPTH: usize = 40;

/// Where the bytes of a text stand in the step's text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// At this offset.
    At(usize),
    /// Somewhere in there: the text was put together, or had escapes in it.
    In(Span),
}

/// A text as it was read.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub script: Script,
    /// What could not be read, to the end.
    pub unread: Option<Span>,
}

/// Reads `text`.
pub(super) fn parse(text: &str, dialect: Dialect, origin: Origin) -> Parsed {
    nested(text, dialect, origin, 0)
}

/// The same, within a text that is `depth` deep itself.
pub(super) fn nested(text: &str, dialect: Dialect, origin: Origin, depth: usize) -> Parsed {
    let mut parser = Parser::new(text, dialect, origin, depth);
    let script = parser.list();
    if parser.at < text.len() {
        parser.fail();
    }
    // Heredocs without an end have all the rest.
    parser.take_heredocs();
    let unread = parser.broken.map(|from| parser.span(from, text.len()));
    Parsed { script, unread }
}

pub(super) struct Parser<'t> {
    pub text: &'t str,
    pub at: usize,
    pub dialect: Dialect,
    pub origin: Origin,
    pub depth: usize,
    heredocs: Vec<Heredoc>,
    pub broken: Option<usize>,
    /// `broken` is the start of the command in which it broke.
    placed: bool,
}

struct Heredoc {
    end: String,
    quoted: bool,
    chomp: bool,
    body: Rc<OnceCell<Word>>,
}

/// Words that end a list of commands.
const ENDS: [&str; 8] = ["then", "else", "elif", "fi", "do", "done", "esac", "}"];

impl<'t> Parser<'t> {
    pub fn new(text: &'t str, dialect: Dialect, origin: Origin, depth: usize) -> Self {
        Self {
            text,
            at: 0,
            dialect,
            origin,
            depth,
            heredocs: Vec::new(),
            broken: None,
            placed: false,
        }
    }

    pub fn peek(&self) -> Option<u8> {
        self.ahead(0)
    }

    pub fn ahead(&self, by: usize) -> Option<u8> {
        self.text
            .as_bytes()
            .get(self.at.saturating_add(by))
            .copied()
    }

    pub fn starts(&self, with: &str) -> bool {
        self.text
            .as_bytes()
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(with.as_bytes()))
    }

    pub fn eat(&mut self, text: &str) -> bool {
        let there = self.starts(text);
        if there {
            self.at = self.at.saturating_add(text.len());
        }
        there
    }

    pub fn slice(&self, from: usize, to: usize) -> &'t str {
        self.text.get(from..to).unwrap_or_default()
    }

    pub fn span(&self, from: usize, to: usize) -> Span {
        match self.origin {
            Origin::At(offset) => Span {
                start: offset.saturating_add(from),
                end: offset.saturating_add(to),
            },
            Origin::In(span) => span,
        }
    }

    /// Gives up here.
    pub fn fail(&mut self) {
        self.broken.get_or_insert(self.at);
        self.at = self.text.len();
    }

    /// Runs `inner` one level deeper, or gives up.
    pub fn deeper<T: Default>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> T {
        if self.depth >= MAX_DEPTH {
            self.fail();
            return T::default();
        }
        self.depth = self.depth.saturating_add(1);
        let found = inner(self);
        self.depth = self.depth.saturating_sub(1);
        found
    }

    /// Spaces, continuations and comments.
    pub fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\r') => self.at = self.at.saturating_add(1),
                Some(b'\\') if self.ahead(1) == Some(b'\n') => self.at = self.at.saturating_add(2),
                Some(b'#') => {
                    let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
                    let line = rest.iter().position(|byte| *byte == b'\n');
                    self.at = self.at.saturating_add(line.unwrap_or(rest.len()));
                }
                _ => break,
            }
        }
    }

    fn newline(&mut self) {
        self.at = self.at.saturating_add(1);
        self.take_heredocs();
    }

    /// The bodies of the heredocs that the line announced.
    fn take_heredocs(&mut self) {
        for heredoc in std::mem::take(&mut self.heredocs) {
            let start = self.at.min(self.text.len());
            let mut body = String::new();
            loop {
                let rest = self.text.get(self.at..).unwrap_or_default();
                if rest.is_empty() {
                    break;
                }
                let line = rest.split_inclusive('\n').next().unwrap_or_default();
                self.at = self.at.saturating_add(line.len());
                let kept = if heredoc.chomp {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if kept.trim_end_matches(['\n', '\r']) == heredoc.end {
                    break;
                }
                body.push_str(kept);
            }
            let span = self.span(start, self.at);
            let word = if heredoc.quoted {
                Word {
                    parts: vec![Part::Text {
                        text: body,
                        quoted: true,
                    }],
                    span,
                }
            } else {
                self.expanding(&body, span)
            };
            let _ = heredoc.body.set(word);
        }
    }

    fn separators(&mut self) {
        loop {
            self.blanks();
            match self.peek() {
                Some(b'\n') => self.newline(),
                _ => break,
            }
        }
    }

    /// The bare word here, without taking it.
    fn peek_bare(&self) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = rest
            .bytes()
            .position(|byte| b" \t\r\n;&|<>()'\"\\$`".contains(&byte))
            .unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    fn at_end(&self) -> bool {
        match self.peek() {
            None | Some(b')') => true,
            Some(b';') => matches!(self.ahead(1), Some(b';' | b'&')),
            _ => ENDS.contains(&self.peek_bare()),
        }
    }

    pub fn list(&mut self) -> Script {
        self.deeper(|this| {
            let mut script = Script::default();
            loop {
                this.separators();
                if this.at_end() {
                    break;
                }
                let before = this.at;
                script.items.push(this.and_or());
                this.blanks();
                match this.peek() {
                    Some(b';') if !matches!(this.ahead(1), Some(b';' | b'&')) => {
                        this.at = this.at.saturating_add(1);
                    }
                    Some(b'&') => this.at = this.at.saturating_add(1),
                    Some(b'\n') | None => {}
                    _ if this.at_end() => break,
                    _ => this.fail(),
                }
                if this.at == before {
                    this.fail();
                }
            }
            script
        })
    }

    fn and_or(&mut self) -> AndOr {
        let mut pipelines = vec![(Joint::And, self.pipeline())];
        loop {
            self.blanks();
            let joint = if self.eat("&&") {
                Joint::And
            } else if self.eat("||") {
                Joint::Or
            } else {
                break;
            };
            self.separators();
            pipelines.push((joint, self.pipeline()));
        }
        AndOr { pipelines }
    }

    fn pipeline(&mut self) -> Pipeline {
        let mut negated = false;
        self.blanks();
        while self.peek_bare() == "!" {
            self.at = self.at.saturating_add(1);
            negated = !negated;
            self.blanks();
        }
        let mut commands = vec![self.command()];
        loop {
            self.blanks();
            if self.starts("||") || !self.eat("|") {
                break;
            }
            self.eat("&");
            self.separators();
            commands.push(self.command());
        }
        Pipeline { negated, commands }
    }

    fn command(&mut self) -> Command {
        self.blanks();
        let start = self.at;
        let mut redirects = Vec::new();
        let kind = match self.peek_bare() {
            _ if self.starts("((") && self.dialect == Dialect::Bash => {
                self.arithmetic();
                Kind::Nothing
            }
            _ if self.peek() == Some(b'(') => {
                self.at = self.at.saturating_add(1);
                let script = self.list();
                self.expect(")");
                Kind::Subshell(script)
            }
            "{" => {
                self.eat("{");
                let script = self.list();
                self.expect_word("}");
                Kind::Group(script)
            }
            "if" => self.conditional(),
            "while" | "until" => {
                self.word_end();
                let condition = self.list();
                self.expect_word("do");
                let body = self.list();
                self.expect_word("done");
                Kind::While { condition, body }
            }
            "for" | "select" => self.loop_over(),
            "case" => self.case(),
            "function" if self.dialect == Dialect::Bash => {
                self.word_end();
                self.blanks();
                let name = self.peek_bare().to_owned();
                self.at = self.at.saturating_add(name.len());
                self.blanks();
                if self.eat("(") {
                    self.blanks();
                    self.expect(")");
                }
                self.function(name)
            }
            "[[" if self.dialect == Dialect::Bash => self.test(),
            "time" => {
                self.word_end();
                self.blanks();
                if self.peek_bare() == "-p" {
                    self.word_end();
                }
                return self.deeper(|this| Some(this.command())).unwrap_or(Command {
                    kind: Kind::Nothing,
                    redirects,
                    span: self.span(start, self.at),
                });
            }
            _ => self.simple(&mut redirects),
        };
        if !matches!(kind, Kind::Simple { .. } | Kind::Function { .. }) {
            loop {
                self.blanks();
                match self.redirect() {
                    Some(redirect) => redirects.push(redirect),
                    None => break,
                }
            }
        }
        if self.broken.is_some() && !self.placed {
            self.broken = Some(start);
            self.placed = true;
        }
        Command {
            kind,
            redirects,
            span: self.span(start, self.trimmed(start)),
        }
    }

    /// The end of what was read, without the space behind it.
    fn trimmed(&self, start: usize) -> usize {
        let read = self.slice(start, self.at);
        start.saturating_add(read.trim_end().len())
    }

    /// Past the bare word here.
    fn word_end(&mut self) {
        self.at = self.at.saturating_add(self.peek_bare().len());
    }

    fn expect(&mut self, text: &str) {
        self.separators();
        if !self.eat(text) {
            self.fail();
        }
    }

    fn expect_word(&mut self, word: &str) {
        self.separators();
        if self.peek_bare() == word {
            self.word_end();
        } else {
            self.fail();
        }
    }

    fn conditional(&mut self) -> Kind {
        let mut arms = Vec::new();
        let mut otherwise = None;
        self.word_end();
        loop {
            let condition = self.list();
            self.expect_word("then");
            let body = self.list();
            arms.push((condition, body));
            self.separators();
            match self.peek_bare() {
                "elif" => self.word_end(),
                "else" => {
                    self.word_end();
                    otherwise = Some(self.list());
                    self.expect_word("fi");
                    break;
                }
                _ => {
                    self.expect_word("fi");
                    break;
                }
            }
        }
        Kind::If { arms, otherwise }
    }

    fn loop_over(&mut self) -> Kind {
        self.word_end();
        self.blanks();
        if self.starts("((") {
            self.arithmetic();
            self.separators();
            self.eat(";");
            self.expect_word("do");
            let body = self.list();
            self.expect_word("done");
            return Kind::While {
                condition: Script::default(),
                body,
            };
        }
        let name = self.peek_bare().to_owned();
        self.at = self.at.saturating_add(name.len());
        self.separators();
        let mut words = None;
        if self.peek_bare() == "in" {
            self.word_end();
            let mut list = Vec::new();
            loop {
                self.blanks();
                match self.peek() {
                    None | Some(b';' | b'\n') => break,
                    Some(b'&' | b'|' | b'<' | b'>' | b'(' | b')') => {
                        self.fail();
                        break;
                    }
                    _ => list.push(self.word()),
                }
            }
            words = Some(list);
        }
        self.blanks();
        self.eat(";");
        self.expect_word("do");
        let body = self.list();
        self.expect_word("done");
        Kind::For { name, words, body }
    }

    fn case(&mut self) -> Kind {
        self.word_end();
        self.blanks();
        let subject = self.word();
        self.expect_word("in");
        let mut arms = Vec::new();
        loop {
            self.separators();
            if self.peek_bare() == "esac" {
                self.word_end();
                break;
            }
            if self.peek().is_none() {
                self.fail();
                break;
            }
            self.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                patterns.push(self.word());
                self.blanks();
                if !self.eat("|") {
                    break;
                }
            }
            self.expect(")");
            let body = self.list();
            self.separators();
            let falls = self.eat(";;&") || self.eat(";&");
            let ended = falls || self.eat(";;");
            arms.push(Arm {
                patterns,
                body,
                falls,
            });
            self.separators();
            if !ended && self.peek_bare() != "esac" {
                self.fail();
                break;
            }
        }
        Kind::Case { subject, arms }
    }

    fn function(&mut self, name: String) -> Kind {
        self.separators();
        let body = self.deeper(|this| Some(this.command()));
        match body {
            Some(body) => Kind::Function {
                name,
                body: Rc::new(body),
            },
            None => Kind::Nothing,
        }
    }

    /// `[[ ... ]]`: within, `<`, `>`, `(`, `&&` and the like are no operators of the shell.
    fn test(&mut self) -> Kind {
        self.word_end();
        let mut words = Vec::new();
        loop {
            self.blanks();
            match self.peek() {
                None => {
                    self.fail();
                    break;
                }
                Some(b'\n') => self.newline(),
                Some(byte @ (b'<' | b'>' | b'(' | b')' | b'&' | b'|' | b';')) => {
                    let from = self.at;
                    self.at = self.at.saturating_add(1);
                    words.push(Word {
                        parts: vec![Part::Text {
                            text: char::from(byte).to_string(),
                            quoted: false,
                        }],
                        span: self.span(from, self.at),
                    });
                }
                _ => {
                    let word = self.word();
                    if word.bare() == Some("]]") {
                        break;
                    }
                    words.push(word);
                }
            }
        }
        Kind::Test(words)
    }

    /// Past `(( ... ))`.
    pub fn arithmetic(&mut self) {
        let mut open = 0_usize;
        while let Some(byte) = self.peek() {
            self.at = self.at.saturating_add(1);
            match byte {
                b'(' => open = open.saturating_add(1),
                b')' => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 {
                return;
            }
        }
        self.fail();
    }

    fn simple(&mut self, redirects: &mut Vec<Redirect>) -> Kind {
        let mut assigns = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        loop {
            self.blanks();
            if let Some(redirect) = self.redirect() {
                redirects.push(redirect);
                continue;
            }
            match self.peek() {
                None | Some(b';' | b'&' | b'|' | b'\n' | b')') => break,
                Some(b'(') => {
                    if let ([name], true) = (words.as_slice(), assigns.is_empty())
                        && let Some(name) = name.bare()
                    {
                        let name = name.to_owned();
                        self.at = self.at.saturating_add(1);
                        self.expect(")");
                        return self.function(name);
                    }
                    self.fail();
                    break;
                }
                _ => {}
            }
            let before = self.at;
            let word = self.word();
            if self.at == before {
                self.fail();
                break;
            }
            let declares = words.first().and_then(Word::bare).is_some_and(|name| {
                matches!(
                    name,
                    "export" | "declare" | "local" | "readonly" | "typeset"
                )
            });
            match assignment(&word) {
                Some(mut assign) if words.is_empty() || declares => {
                    if self.peek() == Some(b'(') && assign.value.parts.is_empty() {
                        assign.value = self.array(assign.append);
                    }
                    assigns.push(assign);
                }
                _ => words.push(word),
            }
        }
        if assigns.is_empty() && words.is_empty() && redirects.is_empty() {
            // No command where one has to be: a shell refuses the whole text.
            self.fail();
        }
        Kind::Simple { assigns, words }
    }

    /// `(a b c)` as one word with spaces between.
    fn array(&mut self, append: bool) -> Word {
        let start = self.at;
        self.at = self.at.saturating_add(1);
        let space = || Part::Text {
            text: " ".to_owned(),
            quoted: false,
        };
        let mut parts: Vec<Part> = append.then(space).into_iter().collect();
        loop {
            self.separators();
            match self.peek() {
                Some(b')') => {
                    self.at = self.at.saturating_add(1);
                    break;
                }
                None | Some(b';' | b'&' | b'|' | b'<' | b'>' | b'(') => {
                    self.fail();
                    break;
                }
                _ => {}
            }
            if !parts.is_empty() {
                parts.push(space());
            }
            parts.extend(self.word().parts);
        }
        Word {
            parts,
            span: self.span(start, self.at),
        }
    }

    fn redirect(&mut self) -> Option<Redirect> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let op = rest.get(digits..)?;
        let (length, kind) = match op {
            [b'<' | b'>', b'(', ..] => return None,
            [b'<', b'<', b'<', ..] => (3, RedirectKind::Text),
            [b'<', b'<', b'-', ..] => (3, RedirectKind::Heredoc(Rc::default())),
            [b'<', b'<', ..] => (2, RedirectKind::Heredoc(Rc::default())),
            [b'>', b'>', ..] => (2, RedirectKind::Append),
            [b'<' | b'>', b'&', ..] | [b'<', b'>', ..] => (2, RedirectKind::Other),
            [b'>', b'|', ..] => (2, RedirectKind::Out),
            [b'&', b'>', b'>', ..] if digits == 0 => (3, RedirectKind::Append),
            [b'&', b'>', ..] if digits == 0 && self.dialect == Dialect::Bash => {
                (2, RedirectKind::Out)
            }
            [b'<', ..] => (1, RedirectKind::In),
            [b'>', ..] => (1, RedirectKind::Out),
            _ => return None,
        };
        let chomp = length == 3 && matches!(kind, RedirectKind::Heredoc(_));
        let fd = self.slice(self.at, self.at.saturating_add(digits)).parse();
        self.at = self.at.saturating_add(digits).saturating_add(length);
        self.blanks();
        let target = self.word();
        if let RedirectKind::Heredoc(body) = &kind {
            let mut end = String::new();
            let mut quoted = false;
            for part in &target.parts {
                if let Part::Text { text, quoted: own } = part {
                    end.push_str(text);
                    quoted |= own;
                }
            }
            self.heredocs.push(Heredoc {
                end,
                quoted,
                chomp,
                body: Rc::clone(body),
            });
        }
        Some(Redirect {
            fd: fd.ok(),
            kind,
            target,
        })
    }
}

/// `NAME=value` and `NAME+=value`, also of an element of an array.
fn assignment(word: &Word) -> Option<Assign> {
    let (
        Part::Text {
            text,
            quoted: false,
        },
        rest,
    ) = word.parts.split_first()?
    else {
        return None;
    };
    let (name, value) = text.split_once('=')?;
    let (name, append) = match name.strip_suffix('+') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let base = match name.split_once('[') {
        Some((base, index)) if index.ends_with(']') => base,
        Some(_) => return None,
        None => name,
    };
    if !is_name(base) {
        return None;
    }
    let mut parts = Vec::with_capacity(word.parts.len());
    if !value.is_empty() {
        parts.push(Part::Text {
            text: value.to_owned(),
            quoted: false,
        });
    }
    parts.extend(rest.iter().cloned());
    Some(Assign {
        name: base.to_owned(),
        // An element stands beside the others.
        append: append || base.len() != name.len(),
        value: Word {
            parts,
            span: word.span,
        },
    })
}

/// Whether `text` can name a variable.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|byte| byte == b'_' || byte.is_ascii_alphabetic())
        && bytes.all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
}
