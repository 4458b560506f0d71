//! The tree of a shell text, as far as reading it needs: what runs, in which order and under which conditions.

use std::{cell::OnceCell, rc::Rc};

use super::Span;

/// Commands in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub items: Vec<AndOr>,
}

/// Pipelines joined by `&&` and `||`; the joint of the first means nothing.
#[derive(Clone, Debug)]
pub(super) struct AndOr {
    pub pipelines: Vec<(Joint, Pipeline)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    And,
    Or,
}

#[derive(Clone, Debug)]
pub(super) struct Pipeline {
    pub negated: bool,
    pub commands: Vec<Command>,
}

#[derive(Clone, Debug)]
pub(super) struct Command {
    pub kind: Kind,
    pub redirects: Vec<Redirect>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Simple {
        assigns: Vec<Assign>,
        words: Vec<Word>,
    },
    /// `{ ...; }`
    Group(Script),
    /// `( ... )`
    Subshell(Script),
    If {
        arms: Vec<(Script, Script)>,
        otherwise: Option<Script>,
    },
    For {
        name: String,
        /// `None` is the positional parameters.
        words: Option<Vec<Word>>,
        body: Script,
    },
    /// `while` and `until`.
    While {
        condition: Script,
        body: Script,
    },
    Case {
        subject: Word,
        arms: Vec<Arm>,
    },
    Function {
        name: String,
        body: Rc<Command>,
    },
    /// `[[ ... ]]`, its words as they stand.
    Test(Vec<Word>),
    /// `(( ... ))` and what else computes and starts nothing.
    Nothing,
}

#[derive(Clone, Debug)]
pub(super) struct Arm {
    pub patterns: Vec<Word>,
    pub body: Script,
    /// Ends in `;&` or `;;&`: the next arm may run too.
    pub falls: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Assign {
    pub name: String,
    pub append: bool,
    pub value: Word,
}

#[derive(Clone, Debug)]
pub(super) struct Redirect {
    pub fd: Option<u32>,
    pub kind: RedirectKind,
    pub target: Word,
}

#[derive(Clone, Debug)]
pub(super) enum RedirectKind {
    /// `<`
    In,
    /// `>`, `>|`, `&>`
    Out,
    /// `>>`
    Append,
    /// `<<<`
    Text,
    /// `<<`: its lines are read at the end of the line.
    Heredoc(Rc<OnceCell<Word>>),
    /// `>&`, `<&`, `<>`
    Other,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    pub parts: Vec<Part>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    Text {
        text: String,
        quoted: bool,
    },
    Param {
        param: Box<Param>,
        quoted: bool,
    },
    /// `$( ... )` and backquotes.
    Command {
        script: Script,
        quoted: bool,
    },
    /// `<( ... )`, `>( ... )`
    Process(Script),
    /// `$(( ... ))`
    Arithmetic,
}

/// `$name` and `${name...}`.
#[derive(Clone, Debug)]
pub(super) struct Param {
    pub name: String,
    /// `[@]`, `[*]`: all elements, split even within quotes.
    pub all: bool,
    pub op: Op,
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    None,
    /// `-`, `=`, `+`, `?`; with a colon an empty value counts as none.
    Default {
        op: u8,
        colon: bool,
        word: Word,
    },
    /// `#`, `##`, `%`, `%%`
    Strip {
        suffix: bool,
        longest: bool,
        pattern: Word,
    },
    /// `/`, `//`, `/#`, `/%`
    Replace {
        kind: u8,
        pattern: Word,
        with: Word,
    },
    /// `:offset:length`
    Slice {
        offset: Word,
        length: Option<Word>,
    },
    /// `^`, `^^`, `,`, `,,`
    Case {
        upper: bool,
        all: bool,
    },
    /// `${#name}`
    Length,
    /// What this reader does not know.
    Other,
}

impl Word {
    /// The text, if the word is one literal and nothing in it is quoted.
    pub fn bare(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [
                Part::Text {
                    text,
                    quoted: false,
                },
            ] => Some(text),
            _ => None,
        }
    }
}
