//! The details of BuildKit's errors. They are JSON, each under its own type URL.
//!
//! Source: moby/buildkit v0.32, `solver/errdefs/errdefs.proto` and the `typeurl.Register` calls beside it,
//! `frontend/gateway/pb/exit.go`, `util/stack/stack.proto`; `util/grpcerrors/grpcerrors.go` for how they are read.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::llb::Definition;

use super::proto::{Detail, Position, Range, SourceInfo};

/// How large a file may be, in bytes, to go with an error as a whole.
pub(super) const LARGE: usize = 1 << 20;

/// How many lines go along around those that an error is about, if the file is larger.
const MARGIN: usize = 100;

/// How long a line may be, in bytes, to be shown as a whole.
const LONG_LINE: usize = 4096;

/// A detail, read.
#[derive(Debug, Clone, PartialEq)]
pub enum Typed {
    /// Which lines of which file the error is about.
    Source(Source),
    /// Which LLB operation failed.
    Vertex(Vertex),
    /// How a solve failed.
    Solve(Solve),
    /// Which frontend failed; v0.22 and newer.
    Frontend(Frontend),
    /// A frontend capability that the frontend doesn't have.
    FrontendCap(Name),
    /// A subrequest that the frontend doesn't know. Never return this for one that the stock frontend knows: buildx then
    /// asks the stock frontend instead, past this one.
    Subrequest(Name),
    /// The exit status of a process.
    Exit(Exit),
    /// Where in the daemon's or a frontend's code.
    Stack(Stack),
    /// Of another type, or not what its type says.
    Unknown,
}

const VERTEX: &str = "github.com/moby/buildkit/errdefs.Vertex+json";
const SOLVE: &str = "github.com/moby/buildkit/errdefs.Solve+json";
const FRONTEND: &str = "github.com/moby/buildkit/errdefs.Frontend+json";
const FRONTEND_CAP: &str = "github.com/moby/buildkit/errdefs.FrontendCap+json";
const SUBREQUEST: &str = "github.com/moby/buildkit/errdefs.Subrequest+json";
const EXIT: &str = "github.com/moby/buildkit/gatewayapi.ExitMessage+json";
const STACK: &str = "github.com/moby/buildkit/stack.Stack+json";

impl Detail {
    /// Reads this detail. The detail itself stays what travels on.
    #[must_use]
    pub fn typed(&self) -> Typed {
        let typed = match self.type_url.as_str() {
            Source::TYPE_URL => self
                .json::<SourceJson>()
                .and_then(SourceJson::read)
                .map(Typed::Source),
            VERTEX => self.json().map(Typed::Vertex),
            SOLVE => self.json().map(Typed::Solve),
            FRONTEND => self.json().map(Typed::Frontend),
            FRONTEND_CAP => self.json().map(Typed::FrontendCap),
            SUBREQUEST => self.json().map(Typed::Subrequest),
            EXIT => self.json().map(Typed::Exit),
            STACK => self.json().map(Typed::Stack),
            _ => None,
        };
        typed.unwrap_or(Typed::Unknown)
    }

    fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.value).ok()
    }

    /// A detail that says a subrequest is unknown. See [`Typed::Subrequest`] for when not to.
    #[must_use]
    pub fn subrequest(name: &str) -> Self {
        Self {
            type_url: SUBREQUEST.to_owned(),
            value: serde_json::json!({ "name": name }).to_string().into_bytes(),
        }
    }

    /// A detail that says a frontend capability is missing.
    #[must_use]
    pub fn frontend_cap(name: &str) -> Self {
        Self {
            type_url: FRONTEND_CAP.to_owned(),
            value: serde_json::json!({ "name": name }).to_string().into_bytes(),
        }
    }

    /// A detail that says which LLB operation failed.
    #[must_use]
    pub fn vertex(digest: &str) -> Self {
        Self {
            type_url: VERTEX.to_owned(),
            value: serde_json::json!({ "digest": digest })
                .to_string()
                .into_bytes(),
        }
    }
}

/// Which lines of which file an error or warning is about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Source {
    /// The file.
    pub info: SourceInfo,
    /// The lines.
    pub ranges: Vec<Range>,
}

impl Source {
    pub(super) const TYPE_URL: &str = "github.com/moby/buildkit/errdefs.Source+json";

    /// Lines of a Dockerfile. Each pair is the first and the last line, counted from 1.
    #[must_use]
    pub fn dockerfile(
        filename: &str,
        data: &[u8],
        lines: impl IntoIterator<Item = (usize, usize)>,
    ) -> Self {
        Self {
            info: SourceInfo {
                filename: filename.to_owned(),
                data: data.to_owned(),
                definition: None,
                language: "Dockerfile".to_owned(),
            },
            ranges: lines
                .into_iter()
                .map(|(first, last)| Range::lines(first, last))
                .collect(),
        }
    }

    /// As a detail of an error. Of a large file only an [`Source::excerpt`] goes along. The definition that loads the file
    /// goes along where it can be read; it must be small, so not one that holds the file.
    #[must_use]
    pub fn to_detail(&self) -> Detail {
        let mut lines = self.info.data.split(|&byte| byte == b'\n');
        let data = if self.info.data.len() > LARGE || lines.any(|line| line.len() > LONG_LINE) {
            Cow::Owned(self.clone().excerpt(MARGIN).info.data)
        } else {
            Cow::Borrowed(&self.info.data)
        };
        let position =
            |p: Position| serde_json::json!({ "line": p.line, "character": p.character });
        // The daemon and clients dereference both ends of a range without asking whether they are there.
        let ranges: Vec<_> = self
            .ranges
            .iter()
            .filter_map(|range| {
                let start = range.start.or(range.end)?;
                let end = range.end.unwrap_or(start);
                Some(serde_json::json!({ "start": position(start), "end": position(end) }))
            })
            .collect();
        let mut json = serde_json::json!({
            "info": {
                "filename": self.info.filename,
                "data": STANDARD.encode(&*data),
                "language": self.info.language,
            },
            "ranges": ranges,
        });
        let definition = self
            .info
            .definition
            .as_deref()
            .and_then(|bytes| Definition::decode(bytes).ok());
        if let (Some(definition), Some(info)) = (
            definition,
            json.get_mut("info").and_then(|info| info.as_object_mut()),
        ) {
            info.insert("definition".to_owned(), definition.to_json());
        }
        Detail {
            type_url: Self::TYPE_URL.to_owned(),
            value: json.to_string().into_bytes(),
        }
    }

    /// The same lines, but of a file in which all lines further than `margin` from them are empty, and long ones are cut.
    /// Line numbers stay.
    ///
    /// An error carries the file with it through several processes, some of which have limits, and clients only show a
    /// few lines around the ranges.
    #[must_use]
    pub fn excerpt(mut self, margin: usize) -> Self {
        let line = |p: Option<Position>| p.and_then(|p| usize::try_from(p.line).ok());
        let mut shown: Vec<(usize, usize)> = self
            .ranges
            .iter()
            .filter_map(|range| {
                let start = line(range.start.or(range.end))?;
                let end = line(range.end).unwrap_or(start).max(start);
                Some((start.saturating_sub(margin), end.saturating_add(margin)))
            })
            .collect();
        shown.sort_unstable();
        let mut shown = shown.into_iter().peekable();
        let mut until = 0;
        let mut data = Vec::new();
        for (text, number) in self
            .info
            .data
            .split_inclusive(|&byte| byte == b'\n')
            .zip(1_usize..)
        {
            while let Some((_, last)) = shown.next_if(|&(first, _)| first <= number) {
                until = until.max(last);
            }
            if number <= until {
                data.extend_from_slice(&cut(text));
            } else if text.ends_with(b"\n") {
                data.push(b'\n');
            }
        }
        self.info.data = data;
        self
    }
}

impl Range {
    /// Whole lines, counted from 1; `last` is part of it.
    #[must_use]
    pub fn lines(first: usize, last: usize) -> Self {
        let line = |line| {
            Some(Position {
                line: i32::try_from(line).unwrap_or(i32::MAX),
                character: 0,
            })
        };
        Self {
            start: line(first),
            end: line(last),
        }
    }
}

/// The line, or as much of it as a terminal has use for.
fn cut(line: &[u8]) -> Cow<'_, [u8]> {
    if line.len() <= LONG_LINE {
        return Cow::Borrowed(line);
    }
    let is_start = |at: &usize| line.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let end = (0..=LONG_LINE).rev().find(is_start).unwrap_or_default();
    let mut short = line.get(..end).unwrap_or_default().to_owned();
    short.extend_from_slice(b" ...\n");
    Cow::Owned(short)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SourceJson {
    info: Option<InfoJson>,
    ranges: Option<Vec<RangeJson>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InfoJson {
    filename: String,
    data: Option<String>,
    language: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RangeJson {
    start: Option<PositionJson>,
    end: Option<PositionJson>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PositionJson {
    line: i32,
    character: i32,
}

impl SourceJson {
    fn read(self) -> Option<Source> {
        let info = self.info.unwrap_or_default();
        let position = |p: PositionJson| Position {
            line: p.line,
            character: p.character,
        };
        Some(Source {
            info: SourceInfo {
                filename: info.filename,
                data: STANDARD.decode(info.data.unwrap_or_default()).ok()?,
                definition: None,
                language: info.language,
            },
            ranges: self
                .ranges
                .unwrap_or_default()
                .into_iter()
                .map(|range| Range {
                    start: range.start.map(position),
                    end: range.end.map(position),
                })
                .collect(),
        })
    }
}

/// Which LLB operation failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Vertex {
    /// Its digest, as the daemon computes it.
    pub digest: String,
}

/// How a solve failed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Solve {
    /// The operation, as JSON of `pb.Op`.
    pub op: serde_json::Value,
    /// The operation's metadata: `llb.customname` is what the progress display calls it.
    pub description: BTreeMap<String, String>,
}

/// Which frontend failed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Frontend {
    /// `dockerfile.v0` or `gateway.v0`.
    pub name: String,
    /// The frontend's image, for `gateway.v0`.
    pub source: String,
}

/// The name of something.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Name {
    /// The name.
    pub name: String,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Exit {
    /// Its exit status; 255 if it is not known.
    #[serde(rename = "Code")]
    pub code: u32,
}

/// A stack trace of one process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Stack {
    /// The innermost call first.
    pub frames: Vec<Frame>,
    /// The process.
    pub cmdline: Vec<String>,
    /// The version of its program.
    pub version: String,
}

/// One call in a stack trace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame {
    /// The function.
    #[serde(rename = "Name")]
    pub name: String,
    /// The file.
    #[serde(rename = "File")]
    pub file: String,
    /// Counted from 1.
    #[serde(rename = "Line")]
    pub line: i32,
}
