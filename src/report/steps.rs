//! What RUN steps would download, and what they weaken: readings of [`crate::shell`] as findings at the user's own lines.

use std::{borrow::Cow, collections::BTreeSet};

use super::{Finding, Kind, Place};
use crate::{
    dockerfile::{Dockerfile, Heredoc, Instruction, heredoc},
    fetch::{Network, Platform, RunStep},
    pipeline::PlatformOutcome,
    replay::record::shown,
    shell::{self, Budget, CheckKind, Checked, Fetch, Reading, Span, Step, Weak, What},
};

/// How many characters of a step's texts a message quotes.
const MAX_SHOWN: usize = 160;

/// Reads a step for a platform.
#[must_use]
pub fn read(step: &RunStep, platform: &Platform) -> Reading {
    read_within(step, platform, &mut Budget::default())
}

/// The same, with what is left for the steps of a file.
#[must_use]
pub fn read_within(step: &RunStep, platform: &Platform, budget: &mut Budget) -> Reading {
    let step = Step {
        argv: &step.argv,
        script: step.script.as_deref(),
        variables: &step.variables,
        architecture: &platform.architecture,
    };
    shell::read_within(&step, budget)
}

/// The RUN steps that the target reaches and that ask for a network, or nothing, each with whether it has one in the build.
pub fn of(built: &PlatformOutcome) -> impl Iterator<Item = (&RunStep, bool)> {
    let steps = built.plan.runs.iter().enumerate();
    steps
        .filter(|(_, step)| step.reachable && step.network != Network::None)
        .map(|(index, step)| {
            let cut_off = built.without_network.get(index).copied().unwrap_or(true);
            (step, !cut_off)
        })
}

/// What a recording of the step calls it ([`crate::replay::record::Recording::command`]).
#[must_use]
pub fn name(step: &RunStep) -> String {
    match step.argv.as_slice() {
        [_, option, text] if option.starts_with('-') && option.ends_with('c') => shown(text),
        words => shown(&words.join(" ")),
    }
}

/// The beginning of what a step runs.
#[must_use]
pub fn command(step: &RunStep) -> String {
    let text = step.script.as_ref().or(step.argv.last());
    let shell = step.argv.len() > 2 && step.argv.iter().any(|word| word.starts_with('-'));
    let text = match text {
        Some(text) if shell || step.script.is_some() => text.clone(),
        _ => step.argv.join(" "),
    };
    let words: Vec<&str> = text.split_whitespace().take(40).collect();
    let text = shell::redacted(&words.join(" ")).0;
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{} ...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// What there is to say about the RUN steps that the targets reach, in the order of the file.
///
/// Of a step that keeps its network by a rule, or is among those `recorded` ([`name`]), only what weakens it is said; of one
/// that asks for no network itself, nothing. Whether a recording is the step's own is decided in the build, not here.
#[must_use]
pub fn findings(
    file: &str,
    dockerfile: &Dockerfile,
    platforms: &[PlatformOutcome],
    recorded: &BTreeSet<String>,
) -> Vec<Finding> {
    let mut found = BTreeSet::new();
    let mut budget = Budget::default();
    for built in platforms {
        for (step, network) in of(built) {
            let reading = read_within(step, &built.platform, &mut budget);
            let places = Places::new(dockerfile, step);
            let about = About {
                file,
                places: &places,
                reading: &reading,
            };
            if !network && !recorded.contains(&name(step)) {
                found.extend(about.downloads());
                found.extend(about.unclear());
            }
            found.extend(about.weaknesses());
        }
    }
    let mut findings: Vec<Finding> = found.into_iter().collect();
    findings.sort_by_key(|finding| {
        let place = finding.place.as_ref();
        place.map(|place| (place.first_line, place.span))
    });
    findings
}

/// Where a part of a step's text stands in the Dockerfile; the whole step where that cannot be told.
#[must_use]
pub fn place(dockerfile: &Dockerfile, step: &RunStep, span: Span) -> Place {
    Places::new(dockerfile, step).place(span)
}

struct About<'a> {
    file: &'a str,
    places: &'a Places<'a>,
    reading: &'a Reading,
}

impl About<'_> {
    fn finding(
        &self,
        kind: Kind,
        span: Span,
        subject: String,
        cause: String,
        next: &str,
    ) -> Finding {
        Finding {
            kind,
            file: self.file.to_owned(),
            place: Some(self.places.place(span)),
            subject: short(&subject),
            cause,
            next: next.to_owned(),
        }
    }

    fn downloads(&self) -> impl Iterator<Item = Finding> {
        self.reading.fetches.iter().map(|fetch| {
            let next = match fetch.what {
                What::Url(_) => {
                    "fetch it by ADD, which is pinned and verified like any other fetch, record it (`verified-dockerfile lock`), or allow the step its network by a run rule"
                }
                What::Git { .. } => {
                    "fetch it by ADD, which is pinned to a commit, record it (`verified-dockerfile lock`), or allow the step its network by a run rule"
                }
                _ => "take it from an image that has it, record it (`verified-dockerfile lock`), or allow the step its network by a run rule",
            };
            self.finding(
                Kind::Download,
                fetch.span,
                what(fetch),
                "this step downloads, and has no network in the build".to_owned(),
                next,
            )
        })
    }

    fn unclear(&self) -> impl Iterator<Item = Finding> {
        self.reading.unclear.iter().map(|unclear| {
            self.finding(
                Kind::Unclear,
                unclear.span,
                unclear.why.clone(),
                "it cannot be told whether this step downloads; if it does, it fails: it has no network in the build"
                    .to_owned(),
                "",
            )
        })
    }

    fn weaknesses(&self) -> impl Iterator<Item = Finding> {
        self.reading.weaknesses.iter().map(|weak| {
            let (kind, cause, next) = match weak.kind {
                Weak::Tls => (
                    Kind::Tls,
                    "the certificate of the server is not checked: anybody on the way can send something else",
                    "drop it; a certificate authority of your own is named by an option or in the image's store",
                ),
                Weak::Packages => (
                    Kind::Unsigned,
                    "signatures of packages are not checked",
                    "drop it and add the repository's key, or check the file by a hash before it is installed",
                ),
                Weak::Runs => (
                    Kind::RunsDownload,
                    "what is downloaded is run, and nothing checks it before",
                    "save it, compare it with a hash that stands in the Dockerfile, then run it",
                ),
                Weak::Secret => (
                    Kind::Secret,
                    "a secret stands in the Dockerfile, and so in the history of the image",
                    "give it by a secret mount (RUN --mount=type=secret), and replace the secret: whoever has the file has it",
                ),
                Weak::Hash => (
                    Kind::WeakHash,
                    "this hash function does not hold: two files with the same hash can be made",
                    "compare with a SHA-256 or SHA-512 hash",
                ),
                Weak::Plain => (
                    Kind::Plain,
                    "this is loaded without TLS, and nothing else checks it: anybody on the way can send something else",
                    "use https, or compare it with a hash that stands in the Dockerfile",
                ),
            };
            self.finding(kind, weak.span, weak.what.clone(), cause.to_owned(), next)
        })
    }
}

/// `text` without its end, if it is long, and without secrets.
fn short(text: &str) -> String {
    let text = shell::redacted(text).0.replace(['\n', '\r'], " ");
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{} ...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// What a download is, in words: `curl https://...`, `apt: git, curl`, and how the step checks it.
#[must_use]
pub fn what(fetch: &Fetch) -> String {
    let tool = fetch.tool;
    let mut text = match &fetch.what {
        What::Url(urls) => format!("{tool} {}", urls.join(" or ")),
        What::Git {
            remote,
            reference,
            submodules,
        } => {
            let mut text = format!("{tool} {remote}");
            if let Some(reference) = reference {
                text.push_str(&format!(" at {reference}"));
            }
            if *submodules {
                text.push_str(" with submodules");
            }
            text
        }
        What::Packages(names) if names.is_empty() => format!("{tool}: what the project lists"),
        What::Packages(names) => format!("{tool}: {}", names.join(", ")),
        What::Index => format!("{tool}: the list of packages"),
        What::Keys { ids, server } => {
            let from = server
                .as_deref()
                .map_or(String::new(), |server| format!(" from {server}"));
            match ids.as_slice() {
                [] => format!("{tool}: keys{from}"),
                [one] => format!("{tool}: key {one}{from}"),
                [first, rest @ ..] => format!("{tool}: key {first} and {} more{from}", rest.len()),
            }
        }
        What::Image(reference) => format!("{tool} {reference}"),
    };
    text = short(&text);
    if let Some(checked) = fetch.checked {
        text.push_str(match checked {
            Checked::Hash => " (the step compares its hash)",
            Checked::Signature => " (the step checks its signature)",
            Checked::SignedList => " (the step compares its hash with a signed list)",
            Checked::List => " (the step compares its hash with a list from elsewhere)",
            Checked::Commit => " (at a commit)",
        });
    }
    text
}

/// What a step checks, in words.
#[must_use]
pub fn check(check: &shell::Check) -> String {
    let file = check.file.as_deref().unwrap_or("a file");
    short(&match &check.kind {
        CheckKind::Hash {
            algorithm,
            expected,
            list,
        } => match (expected.as_slice(), list) {
            ([], Some(list)) => format!("{algorithm} of {file} by {list}"),
            ([], None) => format!("{algorithm} of {file}"),
            ([one], _) => format!("{algorithm} of {file}: {one}"),
            (several, _) => format!("{algorithm} of {file}: one of {}", several.join(", ")),
        },
        CheckKind::OpenPgp { fingerprints, .. } => match fingerprints.as_slice() {
            [] => format!("OpenPGP signature of {file} by a key that is there"),
            several => format!("OpenPGP signature of {file} by {}", several.join(", ")),
        },
        CheckKind::Sigstore => format!("Sigstore signature of {file}"),
        CheckKind::Key => format!("signature of {file}"),
    })
}

/// Where the bytes of a step's text stand in the Dockerfile.
struct Places<'a> {
    dockerfile: &'a Dockerfile<'a>,
    step: &'a RunStep,
    /// The pieces of the text, in order: where each begins, and how its offsets are those of the file.
    pieces: Vec<(usize, Piece<'a>)>,
    length: usize,
}

enum Piece<'a> {
    /// The instruction's logical line, from this offset on.
    Line(Instruction<'a>, usize),
    /// Lines of a heredoc: where each begins in the text and in the file.
    Lines(Vec<(usize, usize)>),
    /// Nowhere in the file.
    Nothing,
}

impl<'a> Places<'a> {
    fn new(dockerfile: &'a Dockerfile, step: &'a RunStep) -> Self {
        let text = step.script.as_ref().or(step.argv.last());
        let text = text.map(String::as_str).unwrap_or_default();
        let mut places = Self {
            dockerfile,
            step,
            pieces: Vec::new(),
            length: text.len(),
        };
        if step.place.trigger.is_none()
            && let Some(instruction) = dockerfile.instruction(step.place.instruction)
            && !instruction.is_json()
        {
            let pieces = pieces(instruction, text);
            // What was put together in another way stands nowhere.
            places.pieces = pieces.unwrap_or_default();
        }
        places
    }

    fn file_offset(&self, at: usize) -> Option<usize> {
        let after = self.pieces.partition_point(|(start, _)| *start <= at);
        let (start, piece) = self.pieces.get(after.checked_sub(1)?)?;
        let within = at.checked_sub(*start)?;
        match piece {
            Piece::Line(instruction, from) => {
                Some(instruction.file_offset(from.checked_add(within)?))
            }
            Piece::Lines(lines) => {
                let after = lines.partition_point(|(text, _)| *text <= within);
                let (text, file) = lines.get(after.checked_sub(1)?)?;
                file.checked_add(within.checked_sub(*text)?)
            }
            Piece::Nothing => None,
        }
    }

    /// The lines and bytes of `span`; those of the step where they cannot be told.
    fn place(&self, span: Span) -> Place {
        let whole = &self.step.place;
        let line = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
        let otherwise = || {
            Place::lines(line(whole.lines.0), line(whole.lines.1))
                .with_span(whole.span.start..whole.span.end)
        };
        if span.start >= span.end || span.end > self.length {
            return otherwise();
        }
        let (Some(start), Some(last)) = (
            self.file_offset(span.start),
            self.file_offset(span.end.saturating_sub(1)),
        ) else {
            return otherwise();
        };
        let source = self.dockerfile.source();
        let end = last.saturating_add(1).min(source.len());
        if start >= end {
            return otherwise();
        }
        let lines = |to: usize| {
            let before = source.get(whole.span.start..to).unwrap_or_default();
            let newlines = before.iter().filter(|byte| **byte == b'\n').count();
            line(whole.lines.0.saturating_add(newlines))
        };
        Place::lines(lines(start), lines(last)).with_span(start..end)
    }
}

/// The pieces that `text` was put together from, as `fetch` does it; `None` if it is another text.
fn pieces<'a>(instruction: Instruction<'a>, text: &str) -> Option<Vec<(usize, Piece<'a>)>> {
    let heredocs: Vec<Heredoc<'a>> = instruction.heredocs().collect();
    let word = instruction.word(0)?.text;
    let lines = |content: &[u8], kept: &dyn Fn(&[u8]) -> usize, start: usize| {
        let mut places = Vec::new();
        let (mut in_text, mut in_file) = (0_usize, start);
        for line in content.split_inclusive(|byte| *byte == b'\n') {
            let dropped = kept(line);
            places.push((in_text, in_file.saturating_add(dropped)));
            in_text = in_text.saturating_add(line.len().saturating_sub(dropped));
            in_file = in_file.saturating_add(line.len());
        }
        places
    };
    if let Some(first) = heredocs.first() {
        let content: Cow<'_, [u8]> = if first.chomp {
            heredoc::chomp(first.content).into()
        } else {
            first.content.into()
        };
        if *content == *text.as_bytes() {
            let tabs = |line: &[u8]| line.iter().take_while(|byte| **byte == b'\t').count();
            let none = |_: &[u8]| 0;
            let kept: &dyn Fn(&[u8]) -> usize = if first.chomp { &tabs } else { &none };
            let places = lines(first.content, kept, first.span.start);
            return Some(vec![(0, Piece::Lines(places))]);
        }
    }
    let from = memchr::memmem::rfind(instruction.text(), word)?;
    let mut whole = word.to_vec();
    let mut found = vec![(0, Piece::Line(instruction, from))];
    for heredoc in &heredocs {
        found.push((whole.len(), Piece::Nothing));
        whole.push(b'\n');
        let places = lines(heredoc.content, &|_| 0, heredoc.span.start);
        found.push((whole.len(), Piece::Lines(places)));
        whole.extend_from_slice(heredoc.content);
        found.push((whole.len(), Piece::Nothing));
        whole.extend_from_slice(heredoc.name.as_bytes());
    }
    (*whole == *text.as_bytes()).then_some(found)
}
