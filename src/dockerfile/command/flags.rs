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
}

impl Given<'_> {
    /// What a boolean flag says.
    pub(super) fn is_true(&self) -> bool {
        !self.value.eq_ignore_ascii_case("false")
    }
}

/// `BFlags.Parse`: hands every flag of the instruction to `found` with its name, in order.
#[inline]
pub(super) fn parse<'d>(
    instruction: Instruction<'d>,
    known: &'static [(&'static str, Kind)],
    mut found: impl FnMut(&'static str, Given<'d>),
) -> Result<(), ParseError> {
    if instruction.flags().len() == 0 {
        return Ok(());
    }
    parse_some(instruction, known, &mut found)
}

/// The same where there are flags.
fn parse_some<'d>(
    instruction: Instruction<'d>,
    known: &'static [(&'static str, Kind)],
    found: &mut dyn FnMut(&'static str, Given<'d>),
) -> Result<(), ParseError> {
    let mut seen = 0_u32;
    for (index, flag) in instruction.flags().enumerate() {
        let refuse = |kind| ParseError {
            span: flag.span,
            lines: instruction.lines(),
            kind,
        };
        let equals = flag.text.bytes().position(|byte| byte == b'=');
        let (full, value) = match equals.and_then(|at| flag.text.split_at_checked(at)) {
            Some((name, rest)) => (name, rest.get(1..)),
            None => (&*flag.text, None),
        };
        let name = full.strip_prefix("--").unwrap_or(full);
        let Some(which) = known.iter().position(|(known, _)| *known == name) else {
            let keyword = instruction.kind().name();
            return Err(refuse(ParseErrorKind::UnknownFlag(
                keyword,
                full.to_owned(),
            )));
        };
        let Some(&(name, kind)) = known.get(which) else {
            continue;
        };
        if kind != Kind::Many && seen & 1 << which != 0 {
            return Err(refuse(ParseErrorKind::DuplicateFlag(full.to_owned())));
        }
        seen |= 1 << which;
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
        let value = match (&flag.text, equals) {
            (_, None) => Cow::Borrowed(""),
            (Cow::Borrowed(text), Some(at)) => Cow::Borrowed(text.get(at + 1..).unwrap_or("")),
            (Cow::Owned(_), Some(_)) => Cow::Owned(value.unwrap_or_default().to_owned()),
        };
        let span = flag.span;
        found(name, Given { value, span, index });
    }
    Ok(())
}
