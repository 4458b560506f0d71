//! What can be wrong with a Dockerfile, and where.

use std::fmt;

use super::{Span, expand::ExpandError};

/// The version of the grammar that this reader knows.
pub const GRAMMAR: &str = "BuildKit v0.32 (Dockerfile 1.26)";

/// A refusal: what was found, what was expected, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// The bytes at fault.
    pub span: Span,
    /// First and last line of the instruction (or the line), 1-based.
    pub lines: (usize, usize),
    /// What is wrong.
    pub kind: ParseErrorKind,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.lines.0, self.kind)
    }
}

impl std::error::Error for ParseError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.kind)
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// More bytes than offsets can count.
    #[error("the file is larger than 1 GiB")]
    FileTooLarge,
    /// A line that BuildKit's scanner refuses.
    #[error(
        "found a line longer than {} bytes, which BuildKit does not read",
        super::MAX_LINE
    )]
    LineTooLong,
    /// Nothing but comments and blank lines.
    #[error("found no instruction; a Dockerfile begins with FROM (or ARG before it)")]
    NoInstructions,
    /// A second `# escape=` or the like.
    #[error("found a second parser directive {0:?}; only one can be used")]
    DuplicateDirective(&'static str),
    /// `# escape=` with something else.
    #[error("found the escape character {0:?}; expected ` or \\")]
    EscapeCharacter(String),
    /// The end of the file inside a heredoc.
    #[error("found the end of the file inside the heredoc {0:?}; expected a line with just {0}")]
    UnterminatedHeredoc(String),
    /// A heredoc's name that cannot be read.
    #[error("found a heredoc whose name cannot be read: {0}")]
    HeredocName(ExpandError),
    /// `["a", 1]`.
    #[error(
        "found a JSON array with something else than strings; expected strings in double quotes only"
    )]
    NotStrings,
    /// `ENV name` and `LABEL name`.
    #[error("{0} has a name and no value; expected NAME=value")]
    MissingValue(&'static str),
    /// `ENV a=b c`.
    #[error("found {1:?} without '='; every pair of {0} is NAME=value")]
    MissingEquals(&'static str, String),
    /// No such instruction.
    #[error("unknown instruction {0:?} (this reader knows the grammar of {GRAMMAR})")]
    UnknownInstruction(String),
    /// Something in front of the first FROM.
    #[error("found {0} before the first FROM; only ARG can stand there")]
    NoStage(String),
    /// `--flag` that the instruction doesn't have.
    #[error("{0} has no flag {1:?} (this reader knows the grammar of {GRAMMAR})")]
    UnknownFlag(&'static str, String),
    /// A flag twice that takes one value.
    #[error("found the flag {0} twice")]
    DuplicateFlag(String),
    /// `--flag` without `=value`.
    #[error("the flag {0} needs a value: {0}=…")]
    MissingFlagValue(String),
    /// `--link=x`.
    #[error("found {1:?} as value of {0}; expected true or false")]
    NotBoolean(String, String),
    /// Too few or too many words.
    #[error("{0} takes {1}")]
    Arguments(&'static str, &'static str),
    /// `FROM x AS 1`.
    #[error(
        "found {0:?} as name of a stage; expected a letter, then letters, digits, '-', '_' or '.'"
    )]
    StageName(String),
    /// `ENV =x`.
    #[error("found a pair of {0} without a name; expected NAME=value")]
    BlankName(&'static str),
    /// A heredoc as the destination of ADD or COPY.
    #[error("{0} cannot write to a heredoc; expected a path")]
    HeredocDestination(&'static str),
    /// `ONBUILD FROM` and the like.
    #[error("{0} cannot be an ONBUILD trigger")]
    Trigger(String),
    /// `SHELL bash`.
    #[error("SHELL needs a JSON array: SHELL [\"bash\", \"-c\"]")]
    ShellForm,
    /// `HEALTHCHECK x`.
    #[error("found {0:?} behind HEALTHCHECK; expected CMD or NONE")]
    HealthcheckType(String),
    /// An interval, timeout or number of retries.
    #[error("found {1:?} as value of {0}; expected {2}")]
    HealthcheckValue(&'static str, String, &'static str),
    /// `VOLUME ""`.
    #[error("found an empty volume")]
    EmptyVolume,
    /// `--network=x`.
    #[error("found the network mode {0:?}; expected default, none or host")]
    NetworkMode(String),
    /// `--security=x`.
    #[error("found the security mode {0:?}; expected sandbox or insecure")]
    SecurityMode(String),
    /// `--device=x`.
    #[error("found the device {0:?}; expected [name=]NAME[,required]")]
    Device(String),
    /// A mount whose fields cannot be told apart.
    #[error(
        "found a quote in the mount {0:?} that BuildKit's CSV reader refuses, or no field at all"
    )]
    MountCsv(String),
    /// A variable in `from=` of a mount.
    #[error("found a variable in from={0}; name a stage with FROM instead, there variables expand")]
    MountFrom(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_grammar_names_the_version() {
        let kind = ParseErrorKind::UnknownFlag("COPY", "--new".to_owned());
        assert_eq!(
            kind.to_string(),
            "COPY has no flag \"--new\" (this reader knows the grammar of BuildKit v0.32 (Dockerfile 1.26))"
        );
        let error = ParseError {
            span: Span { start: 0, end: 1 },
            lines: (7, 8),
            kind,
        };
        assert!(error.to_string().starts_with("line 7: COPY"));
    }
}
