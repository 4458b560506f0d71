//! Why a build cannot be planned, and where.

use std::fmt;

use super::{path::PathError, platform::PlatformError};
use crate::{
    digest::DigestError,
    dockerfile::{ParseError, ParseErrorKind, Span, expand::ExpandError},
    reference::ReferenceError,
};

/// A refusal. BuildKit refuses these builds too, except where [`ErrorKind`] says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The bytes at fault; empty when it is nothing in the file (an unknown target).
    pub span: Span,
    /// First and last line of the instruction, 1-based; zeros when it is nothing in the file.
    pub lines: (usize, usize),
    /// The ONBUILD trigger in which it is, if it is in one.
    pub trigger: Option<String>,
    /// What is wrong.
    pub kind: ErrorKind,
}

impl Error {
    /// Whether something is too large: BuildKit has no bound there and may not come to an end, or names another line.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::TooLarge
                | ErrorKind::Expand(ExpandError::TooLarge)
                | ErrorKind::Parse(ParseErrorKind::FileTooLarge | ParseErrorKind::LineTooLong)
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.0 > 0 {
            write!(f, "line {}: ", self.lines.0)?;
        }
        if let Some(trigger) = &self.trigger {
            write!(f, "in the trigger ONBUILD {trigger}: ")?;
        }
        self.kind.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.kind)
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Self {
            span: error.span,
            lines: error.lines,
            trigger: None,
            kind: ErrorKind::Parse(error.kind),
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// An instruction is refused.
    #[error(transparent)]
    Parse(#[from] ParseErrorKind),
    /// A word cannot be expanded.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// No FROM.
    #[error("the Dockerfile has no stage to build; expected FROM")]
    NoStages,
    /// `# check=` that cannot be read.
    #[error("invalid check option {0:?}; expected skip=, experimental= or error=")]
    CheckOption(String),
    /// A base that expands to nothing.
    #[error("the base {0:?} expands to nothing; give the ARG a default or pass --build-arg")]
    BlankBase(String),
    /// A platform that expands to nothing.
    #[error("the platform {0:?} expands to nothing")]
    BlankPlatform(String),
    /// A platform that is none.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// An image reference that is none.
    #[error("{0:?} is neither a stage nor an image: {1}")]
    Reference(String, ReferenceError),
    /// `--target` names no stage.
    #[error("there is no stage {0:?} to build")]
    UnknownTarget(String),
    /// `COPY --from=$X`.
    #[error("--from takes no variables; name a stage with FROM ${{…}} AS name and copy from that")]
    FromExpansion,
    /// `COPY --from=9`.
    #[error("there is no stage with the index {0}")]
    StageIndex(i64),
    /// Stages that copy from each other.
    #[error("the stages depend on each other in a circle: {0}")]
    Circle(String),
    /// A stage further down.
    #[error("{0:?} is a stage further down; a stage can only use stages above it")]
    LaterStage(String),
    /// A trigger that is not one instruction.
    #[error("an ONBUILD trigger is exactly one instruction")]
    Trigger,
    /// A Windows path on another drive.
    #[error(transparent)]
    Path(#[from] PathError),
    /// `--chmod`
    #[error("found the mode {0:?}; expected an octal number up to 7777 or a symbolic mode")]
    Mode(String),
    /// `STOPSIGNAL`
    #[error("found the signal {0:?}; expected a name or a number")]
    Signal(String),
    /// `EXPOSE`
    #[error("found the port {0:?}; expected PORT[-PORT][/PROTOCOL]")]
    Port(String),
    /// `VOLUME $x`
    #[error("a volume expands to nothing")]
    EmptyVolume,
    /// `--checksum` with several sources.
    #[error("--checksum needs exactly one source")]
    ChecksumSources,
    /// `--checksum` of a local file.
    #[error("--checksum needs an HTTP(S) or git source")]
    ChecksumLocal,
    /// A checksum that is no digest.
    #[error("{0:?} is no checksum: {1}")]
    Checksum(String, DigestError),
    /// Two checksums of one repository.
    #[error("--checksum and the URL name different commits: {0:?} and {1:?}")]
    ChecksumMismatch(String, String),
    /// Two settings of one repository.
    #[error("--keep-git-dir and the URL disagree")]
    KeepGitDir,
    /// Parameters of a git URL.
    #[error("{0}")]
    Git(String),
    /// `ADD https://host/%ff`.
    #[error("the file name in the URL decodes to text that is not UTF-8")]
    FileName,
    /// `COPY https://…`
    #[error("COPY takes no {0}; ADD does")]
    CopyRemote(&'static str),
    /// A mount.
    #[error("{0}")]
    Mount(String),
    /// A RUN with nothing to run.
    #[error("RUN has no command")]
    NoCommand,
    /// A JSON RUN with heredocs.
    #[error("RUN in JSON form cannot have heredocs")]
    RunHeredoc,
    /// Bytes that protobuf cannot carry.
    #[error("the command is not UTF-8")]
    NotUtf8,
    /// `SOURCE_DATE_EPOCH`
    #[error("SOURCE_DATE_EPOCH: {0}")]
    Epoch(String),
    /// Refused here only: more triggers, variables or text than any sensible build has.
    #[error("the build takes more time or memory to expand than any sensible Dockerfile needs")]
    TooLarge,
}
