//! The edits that put pins into the text, and take the network away. Where it can be done, text is only inserted.

use std::collections::BTreeMap;

use super::{Build, Judged, PinSource, place, subject};
use crate::{
    dockerfile::{Span, syntax},
    fetch::{AddEdit, Edit as At, Fetch, Plan, Source},
    policy::Pin,
    report::{Finding, Kind},
    rewrite::edit::Edit,
};

/// The edits for `plan`, and what cannot be written.
pub(super) fn edits(
    build: &Build<'_>,
    plan: &Plan,
    fetches: &[Judged],
    without_network: &[bool],
) -> (Vec<Edit>, Vec<Finding>) {
    let mut edits = Vec::new();
    let mut findings = Vec::new();
    let mut several: BTreeMap<usize, Vec<(&AddEdit, String)>> = BTreeMap::new();
    for (fetch, judged) in plan.fetches.iter().zip(fetches) {
        let (Some(at), Some((pin, from))) = (&fetch.edit, &judged.pin) else {
            continue;
        };
        let refuse = |cause: &str, next: &str| Finding {
            kind: Kind::Unpinnable,
            file: build.file.to_owned(),
            place: Some(place(&fetch.place)),
            subject: subject(fetch),
            cause: cause.to_owned(),
            next: next.to_owned(),
        };
        match (at, &fetch.source, pin) {
            (At::Digest { at }, Source::Image { reference, .. }, Pin::Digest(digest)) => {
                if reference.digest().is_none() {
                    edits.push(Edit::insert(*at, format!("@{digest}")));
                }
            }
            (At::Add(add), Source::Http { checksum, .. }, Pin::Digest(digest)) => {
                if checksum.is_some() {
                    // It stands there already, and is the pin.
                } else if add.single {
                    edits.push(Edit::insert(add.flags_at, format!(" --checksum={digest}")));
                } else {
                    several
                        .entry(fetch.place.instruction)
                        .or_default()
                        .push((add, format!(" --checksum={digest}")));
                }
            }
            (At::Add(_), Source::Git(_), Pin::Commit(_)) if *from == PinSource::Written => {}
            // The reference was resolved just now, so that it can stay, and with it what `.git` in the image says.
            // A commit in the URL must be equal to the flag, also where only its beginning is written there.
            (At::Add(add), Source::Git(source), Pin::Commit(commit))
                if *from == PinSource::Live
                    && build.checks_git
                    && add.single
                    && (source.checksum.is_none() || add.checksum.is_some()) =>
            {
                let checksum = format!("--checksum={commit}");
                edits.push(match add.checksum {
                    Some(Span { start, end }) => Edit::replace(start..end, checksum),
                    None => Edit::insert(add.flags_at, format!(" {checksum}")),
                });
            }
            (At::Add(add), Source::Git(source), Pin::Commit(commit)) => {
                let word =
                    git_at_commit(&fetch.expanded, commit).and_then(|url| quoted(&url, add.json));
                match (word, add.sources.get(add.index)) {
                    (Some(word), Some(span)) => edits.push(Edit::replace(span.start..span.end, word)),
                    _ => findings.push(refuse(
                        "the commit cannot be written into this URL",
                        "write the URL without quotes, blanks, backslashes and dollar signs after expansion",
                    )),
                }
                // A checksum that named the tag must name the commit, now that the commit is asked for.
                if let (Some(Span { start, end }), Some(checksum)) =
                    (add.checksum, &source.checksum)
                    && !commit.starts_with(&checksum.to_ascii_lowercase())
                {
                    edits.push(Edit::replace(start..end, format!("--checksum={commit}")));
                }
            }
            // It is pinned in the option: a digest in the text would take the named context away.
            (_, Source::Context { .. }, _) => {}
            _ => findings.push(refuse(
                "this cannot be pinned in the text",
                "write it as an instruction of its own",
            )),
        }
    }
    for (instruction, pins) in several {
        match split_add(build, plan, instruction, &pins) {
            Some(edit) => edits.push(edit),
            None => {
                let fetch = plan
                    .fetches
                    .iter()
                    .find(|fetch| fetch.place.instruction == instruction);
                findings.extend(fetch.map(|fetch| {
                    Finding {
                        kind: Kind::Unpinnable,
                        file: build.file.to_owned(),
                        place: Some(place(&fetch.place)),
                        subject: subject(fetch),
                        cause:
                            "--checksum takes an ADD with one source, and this one cannot be split"
                                .to_owned(),
                        next: "write an ADD of its own for each URL".to_owned(),
                    }
                }));
            }
        }
    }
    for (step, take) in plan.runs.iter().zip(without_network) {
        let (true, Some(at)) = (*take, step.flags_at) else {
            continue;
        };
        edits.push(match step.network_flag {
            Some(Span { start, end }) => Edit::replace(start..end, "--network=none"),
            None => Edit::insert(at, " --network=none"),
        });
    }
    (edits, findings)
}

/// One ADD with several sources as several ADDs with one source each, in the same order.
///
/// `None` if a part is not where it should be, or if a pin of another kind edits the same instruction.
fn split_add(
    build: &Build<'_>,
    plan: &Plan,
    instruction: usize,
    pins: &[(&AddEdit, String)],
) -> Option<Edit> {
    let (add, _) = pins.first()?;
    let others = plan
        .fetches
        .iter()
        .filter(|fetch| fetch.place.instruction == instruction)
        .any(|fetch: &Fetch| !matches!(fetch.source, Source::Http { .. }));
    // Contents of heredocs follow the instruction; they would stay with the last of the ADDs.
    let heredocs = build
        .dockerfile
        .instruction(instruction)
        .is_none_or(|node| node.heredocs().len() > 0);
    if others || heredocs {
        return None;
    }
    let text = |start: usize, end: usize| std::str::from_utf8(build.bytes.get(start..end)?).ok();
    let before = text(add.flags_at, add.sources.first()?.start)?;
    let flags = if add.json {
        before.trim_end().strip_suffix('[')?
    } else {
        before
    }
    .trim();
    let destination = text(add.destination.start, add.destination.end)?;
    let end = if add.json {
        let rest = build.bytes.get(add.destination.end..)?;
        let bracket = rest.iter().position(|byte| *byte == b']')?;
        add.destination.end.checked_add(bracket)?.checked_add(1)?
    } else {
        add.destination.end
    };
    let mut out = String::new();
    for (index, source) in add.sources.iter().enumerate() {
        if index > 0 {
            out.push_str("\nADD");
        }
        if let Some((_, checksum)) = pins.iter().find(|(pin, _)| pin.index == index) {
            out.push_str(checksum);
        }
        if !flags.is_empty() {
            out.push(' ');
            out.push_str(flags);
        }
        let source = text(source.start, source.end)?;
        if add.json {
            out.push_str(&format!(" [{source}, {destination}]"));
        } else {
            out.push_str(&format!(" {source} {destination}"));
        }
    }
    Some(Edit::replace(add.flags_at..end, out))
}

/// The git URL `url` with its branch, tag or commit replaced by `commit`; directory and other settings stay.
///
/// Source: BuildKit `frontend/dockerfile/dfgitutil/git_ref.go`: `#ref:subdir`, and a query whose `ref`, `tag`, `branch`,
/// `subdir`, `checksum` and `commit` say the same.
pub(super) fn git_at_commit(url: &str, commit: &str) -> Option<String> {
    let (base, fragment) = url
        .split_once('#')
        .map_or((url, None), |(base, fragment)| (base, Some(fragment)));
    let (base, query) = base
        .split_once('?')
        .map_or((base, None), |(base, query)| (base, Some(query)));
    let mut subdir = fragment
        .and_then(|fragment| fragment.split_once(':'))
        .map(|(_, dir)| dir.to_owned());
    let mut kept = Vec::new();
    for pair in query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
    {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            "ref" | "tag" | "branch" | "checksum" | "commit" => {}
            // A percent sign would mean something else in a fragment.
            "subdir" if value.contains(['%', '+']) => return None,
            "subdir" => subdir = Some(value.to_owned()),
            _ => kept.push(pair),
        }
    }
    let mut out = base.to_owned();
    if !kept.is_empty() {
        out.push('?');
        out.push_str(&kept.join("&"));
    }
    out.push('#');
    out.push_str(commit);
    if let Some(subdir) = subdir.filter(|dir| !dir.is_empty()) {
        out.push(':');
        out.push_str(&subdir);
    }
    Some(out)
}

/// `word` as it is written in an ADD, or `None` if expansion would change it.
fn quoted(word: &str, json: bool) -> Option<String> {
    if word.contains(['$', '\\', '\'', '"', '`']) || word.contains(char::is_whitespace) {
        return None;
    }
    Some(if json {
        format!("\"{word}\"")
    } else {
        word.to_owned()
    })
}

/// `bytes` without the line that names the frontend, so that stock BuildKit builds it itself.
///
/// The whole line goes, because anything left in its place would end the directives that follow.
#[must_use]
pub fn without_syntax(bytes: &[u8]) -> Vec<u8> {
    let Some(directive) = syntax::detect(bytes) else {
        return bytes.to_vec();
    };
    // A JSON object is no Dockerfile that stock BuildKit could build.
    if directive.line == 0 {
        return bytes.to_vec();
    }
    let Span { start, end } = directive.span;
    let newline = |part: &[u8]| part.iter().position(|byte| *byte == b'\n');
    let begin = bytes
        .get(..start)
        .and_then(|before| before.iter().rposition(|byte| *byte == b'\n'));
    let begin = begin.map_or(0, |at| at.saturating_add(1));
    let end = bytes
        .get(end..)
        .and_then(newline)
        .map_or(bytes.len(), |at| end.saturating_add(at).saturating_add(1));
    match (bytes.get(..begin), bytes.get(end..)) {
        (Some(before), Some(after)) => [before, after].concat(),
        _ => bytes.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_takes_the_place_of_the_reference_only() {
        let c = "0123456789012345678901234567890123456789";
        for (url, pinned) in [
            ("https://h.test/r.git", format!("https://h.test/r.git#{c}")),
            (
                "https://h.test/r.git#v1",
                format!("https://h.test/r.git#{c}"),
            ),
            (
                "https://h.test/r.git#v1:sub/dir",
                format!("https://h.test/r.git#{c}:sub/dir"),
            ),
            (
                "https://h.test/r.git#:sub",
                format!("https://h.test/r.git#{c}:sub"),
            ),
            ("git@h.test:o/r.git#main", format!("git@h.test:o/r.git#{c}")),
            (
                "https://h.test/r.git?branch=main&subdir=x&keep-git-dir=true",
                format!("https://h.test/r.git?keep-git-dir=true#{c}:x"),
            ),
        ] {
            assert_eq!(git_at_commit(url, c).unwrap(), pinned, "{url}");
        }
        assert_eq!(git_at_commit("https://h.test/r.git?subdir=a%2fb", c), None);
    }

    #[test]
    fn the_line_that_names_the_frontend_goes_as_a_whole() {
        let file = b"#!/bin/x\n# syntax=r.test/org/verified-dockerfile\r\n# escape=`\nFROM a\n";
        assert_eq!(without_syntax(file), b"#!/bin/x\n# escape=`\nFROM a\n");
        assert_eq!(without_syntax(b"# syntax=a"), b"");
        assert_eq!(without_syntax(b"FROM a\n"), b"FROM a\n");
    }

    #[test]
    fn words_that_expansion_would_change_are_not_written() {
        assert_eq!(
            quoted("https://h.test/r.git#a", false).unwrap(),
            "https://h.test/r.git#a"
        );
        assert_eq!(quoted("a", true).unwrap(), "\"a\"");
        for word in ["a$b", "a b", "a\\b", "a'b", "a\"b"] {
            assert_eq!(quoted(word, false), None, "{word}");
        }
    }
}
