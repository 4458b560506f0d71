//! How a build ends when it is refused: errors at the user's own lines.
//!
//! An error carries excerpts of files, and the last of them is what people look at. Each one of ours has at least one
//! where it is about a line at all; without, BuildKit would show the `# syntax=` line.

use std::collections::BTreeMap;

use super::source::Sources;
use crate::{
    gateway::{self, Status},
    report::{self, Finding},
    rewrite::edit::Edited,
};

/// Above this size only the lines around an error travel with it, in bytes.
const WHOLE_FILE: usize = 32 << 10;
/// How many lines around them.
const MARGIN: usize = 8;
/// How many lines after the first of an instruction are marked: it may be a heredoc without an end.
const MAX_MARKED: usize = 20;
/// How many excerpts one error shows; the message names all findings.
const MAX_EXCERPTS: usize = 10;

/// The user's files, for the excerpts of errors.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The name of the Dockerfile.
    pub dockerfile: String,
    /// The graph that loads it, encoded. Clients may use it to show more of the file.
    pub loader: Vec<u8>,
    /// Dockerfile, policy, lock and evidence by the names that findings use.
    pub texts: BTreeMap<String, Vec<u8>>,
}

/// Why a build is not done.
#[derive(Debug)]
pub enum Failure {
    /// Something cannot be verified.
    Findings(Vec<Finding>),
    /// An error with its own words and excerpts.
    Status(Status),
    /// Talking to BuildKit failed, or it refused.
    Gateway(gateway::Error),
}

impl From<gateway::Error> for Failure {
    fn from(error: gateway::Error) -> Self {
        Self::Gateway(error)
    }
}

impl Failure {
    /// What BuildKit is told.
    #[must_use]
    pub fn into_status(self, files: &Files) -> Status {
        match self {
            Self::Status(status) => quiet(status),
            Self::Gateway(error) => quiet(error.into_status()),
            Self::Findings(findings) => {
                let mut excerpts: Vec<(&str, (usize, usize))> = Vec::new();
                for finding in &findings {
                    let Some(place) = &finding.place else {
                        continue;
                    };
                    let line = |line: u32| usize::try_from(line).unwrap_or(usize::MAX);
                    let first = line(place.first_line);
                    let last = line(place.last_line).min(first.saturating_add(MAX_MARKED));
                    let excerpt = (finding.file.as_str(), (first, last));
                    if !excerpts.contains(&excerpt) {
                        excerpts.push(excerpt);
                    }
                }
                let sources: Vec<gateway::Source> = excerpts
                    .into_iter()
                    .take(MAX_EXCERPTS)
                    .filter_map(|(file, lines)| excerpt(files, file, lines))
                    .collect();
                quiet(Status::with_sources(
                    report::build_message(&findings),
                    &sources,
                ))
            }
        }
    }
}

/// An error that is about no line. Without any source BuildKit would show the line that names this frontend; with
/// a source that has no lines it shows none.
///
/// Source: BuildKit `frontend/dockerfile/builder/build.go` (`forwardGateway`), `solver/errdefs/source.go` (`Print`).
fn quiet(status: Status) -> Status {
    if status.sources().is_empty() {
        status.replace_sources(&[gateway::Source::dockerfile("", b"", [])])
    } else {
        status
    }
}

/// Lines of one of the user's files.
fn excerpt(files: &Files, file: &str, lines: (usize, usize)) -> Option<gateway::Source> {
    let bytes = files.texts.get(file)?;
    let loader = (file == files.dockerfile).then_some(files.loader.as_slice());
    Some(source(file, bytes, loader, [lines]))
}

fn source(
    file: &str,
    bytes: &[u8],
    loader: Option<&[u8]>,
    lines: impl IntoIterator<Item = (usize, usize)>,
) -> gateway::Source {
    let mut source = gateway::Source::dockerfile(file, bytes, lines);
    source.info.definition = loader.map(<[u8]>::to_vec);
    if bytes.len() > WHOLE_FILE {
        source.excerpt(MARGIN)
    } else {
        source
    }
}

/// The daemon's error about the rewritten file, told about the user's own: same words, own lines.
#[must_use]
pub fn at_own_lines(status: Status, own: &Sources, rewritten: &Edited) -> Status {
    let sources: Vec<gateway::Source> = status
        .sources()
        .into_iter()
        .map(|theirs| {
            if theirs.info.filename != own.filename || theirs.info.data != rewritten.bytes {
                return theirs;
            }
            let line = |position: Option<gateway::Position>| {
                let line = u32::try_from(position?.line).ok()?;
                usize::try_from(rewritten.original_line(line)).ok()
            };
            let lines: Vec<(usize, usize)> = theirs
                .ranges
                .iter()
                .filter_map(|range| {
                    let start = line(range.start).or(line(range.end))?;
                    Some((start, line(range.end).unwrap_or(start).max(start)))
                })
                .collect();
            source(&own.filename, &own.dockerfile, Some(&own.loader), lines)
        })
        .collect();
    status.replace_sources(&sources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{Kind, Place},
        rewrite::edit::{self, Edit},
    };

    fn finding(file: &str, line: u32) -> Finding {
        Finding {
            kind: Kind::Unverified,
            file: file.into(),
            place: Some(Place::lines(line, line)),
            subject: "FROM a".into(),
            cause: "no rule".into(),
            next: "add one".into(),
        }
    }

    fn texts(texts: BTreeMap<String, Vec<u8>>) -> Files {
        Files {
            dockerfile: "Dockerfile".into(),
            loader: Vec::new(),
            texts,
        }
    }

    #[test]
    fn each_finding_has_its_excerpt_once() {
        let files = BTreeMap::from([
            ("Dockerfile".to_owned(), b"FROM a\nFROM b\n".to_vec()),
            ("verified.toml".to_owned(), b"version = 2\n".to_vec()),
        ]);
        let findings = vec![
            finding("Dockerfile", 2),
            finding("Dockerfile", 2),
            finding("verified.toml", 1),
        ];
        let status = Failure::Findings(findings).into_status(&texts(files));
        let sources = status.sources();
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0].info.data, b"FROM a\nFROM b\n");
        assert_eq!(sources[0].ranges[0].start.unwrap().line, 2);
        assert_eq!(sources[1].info.filename, "verified.toml");
        assert!(
            status.message.contains("Dockerfile:2: FROM a: no rule"),
            "{}",
            status.message
        );
    }

    #[test]
    fn an_error_about_no_line_shows_none() {
        let none = BTreeMap::new();
        let status = Failure::Status(Status::new("no such target")).into_status(&texts(none));
        assert_eq!(status.sources().len(), 1);
        assert!(status.sources()[0].ranges.is_empty());
        assert_eq!(status.message, "no such target");
    }

    #[test]
    fn a_large_file_travels_as_the_lines_around() {
        let mut text = "RUN x\n".repeat(100_000);
        text.push_str("FROM here\n");
        let files = BTreeMap::from([("Dockerfile".to_owned(), text.into_bytes())]);
        let status =
            Failure::Findings(vec![finding("Dockerfile", 100_001)]).into_status(&texts(files));
        let data = &status.sources()[0].info.data;
        assert!(data.len() < 101_000);
        assert!(data.ends_with(b"FROM here\n"));
    }

    #[test]
    fn of_a_long_instruction_the_first_lines_are_marked() {
        let files = BTreeMap::from([("Dockerfile".to_owned(), "x\n".repeat(1000).into_bytes())]);
        let mut found = finding("Dockerfile", 2);
        found.place = Some(Place::lines(2, 1000));
        let status = Failure::Findings(vec![found]).into_status(&texts(files));
        let sources = status.sources();
        let range = &sources[0].ranges[0];
        assert_eq!(range.start.unwrap().line, 2);
        assert_eq!(range.end.unwrap().line, 22);
    }

    #[test]
    fn errors_about_the_rewritten_file_name_the_users_lines() {
        let original = b"ADD a b /\nRUN x\n";
        let rewritten = edit::apply(original, &[Edit::replace(0..9, "ADD a /\nADD b /")]).unwrap();
        let theirs = gateway::Source::dockerfile("Dockerfile", &rewritten.bytes, [(3, 3)]);
        let other = gateway::Source::dockerfile("Dockerfile", b"another", [(1, 1)]);
        let status = Status::with_sources("failed", &[theirs, other]);
        let own = Sources {
            filename: "Dockerfile".into(),
            dockerfile: original.to_vec(),
            ignore: None,
            project: BTreeMap::new(),
            policy_name: String::new(),
            context: None,
            loader: Vec::new(),
        };
        let sources = at_own_lines(status, &own, &rewritten).sources();
        assert_eq!(sources[0].info.data, original);
        assert_eq!(sources[0].ranges[0].start.unwrap().line, 2);
        assert_eq!(sources[1].info.data, b"another");
    }
}
