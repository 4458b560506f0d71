//! Flags of instructions (BuildKit's `instructions/bflag.go`).

use std::borrow::Cow;

use crate::dockerfile::{Instruction, ParseError, ParseErrorKind, Span, text};

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing, `true` or `false`.
    Bool,
    /// One value.
    One,
    /// A value each time.
    Many,
}

/// A flag that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<'d> {
    /// The value behind `=`, quotes and escapes removed; empty when there is none.
    pub value: Cow<'d, str>,
    /// The bytes of the whole flag in the file.
    pub span: Span,
    /// Which flag of the instruction it is.
    pub index: usize,
    name: &'static str,
}

/// The flags of one instruction.
#[derive(Debug)]
pub(super) struct Flags<'d>(Vec<Given<'d>>);

impl<'d> Flags<'d> {
    /// `BFlags.Parse`.
    pub(super) fn parse(
        instruction: Instruction<'d>,
        known: &'static [(&'static str, Kind)],
    ) -> Result<Self, ParseError> {
        if instruction.flags().len() == 0 {
            return Ok(Self(Vec::new()));
        }
        let mut given: Vec<Given<'d>> = Vec::with_capacity(instruction.flags().len());
        for (index, flag) in instruction.flags().enumerate() {
            let refuse = |kind| ParseError {
                span: flag.span,
                lines: instruction.lines(),
                kind,
            };
            let (full, value) = match flag.text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (&*flag.text, None),
            };
            let name = full.strip_prefix("--").unwrap_or(full);
            let Some(&(name, kind)) = known.iter().find(|(known, _)| *known == name) else {
                let keyword = instruction.kind().name();
                return Err(refuse(ParseErrorKind::UnknownFlag(
                    keyword,
                    full.to_owned(),
                )));
            };
            if kind != Kind::Many && given.iter().any(|earlier| earlier.name == name) {
                return Err(refuse(ParseErrorKind::DuplicateFlag(full.to_owned())));
            }
            match (kind, value) {
                (Kind::Bool, None) => {}
                (Kind::Bool, Some(value))
                    if matches!(text::lower(value).as_str(), "true" | "false") => {}
                (Kind::Bool, Some(value)) if !value.is_empty() => {
                    return Err(refuse(ParseErrorKind::NotBoolean(
                        full.to_owned(),
                        value.to_owned(),
                    )));
                }
                (Kind::One | Kind::Many, Some(_)) => {}
                _ => return Err(refuse(ParseErrorKind::MissingFlagValue(full.to_owned()))),
            }
            let value = match (value, &flag.text) {
                (None, _) => Cow::Borrowed(""),
                (Some(_), Cow::Borrowed(text)) => {
                    Cow::Borrowed(text.split_once('=').map_or("", |(_, value)| value))
                }
                (Some(value), Cow::Owned(_)) => Cow::Owned(value.to_owned()),
            };
            given.push(Given {
                value,
                span: flag.span,
                index,
                name,
            });
        }
        Ok(Self(given))
    }

    /// The flag, if it was given.
    pub(super) fn take(&mut self, name: &str) -> Option<Given<'d>> {
        let at = self.0.iter().position(|given| given.name == name)?;
        Some(self.0.swap_remove(at))
    }

    /// Whether none was given.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A boolean flag, if it was given.
    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        self.take(name)
            .map(|given| !given.value.eq_ignore_ascii_case("false"))
    }

    /// Every occurrence in order.
    pub(super) fn all(&mut self, name: &str) -> Vec<Given<'d>> {
        if !self.0.iter().any(|given| given.name == name) {
            return Vec::new();
        }
        let (mut found, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|g| g.name == name);
        self.0 = rest;
        found.sort_by_key(|given| given.index);
        found
    }
}
