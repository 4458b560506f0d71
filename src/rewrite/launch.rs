//! The launcher in the text: RUN instructions that stock BuildKit serves from their recordings, with a store image.
//!
//! The command becomes the exec form of the very arguments that it has, with the launcher in front, and what it is served is one more
//! mount. The image's configuration stays; its history shows the instruction as it stands in the new text.

use super::edit::{Edit, Edited, apply};
use crate::dockerfile::{Dockerfile, Instruction, Keyword};

/// Longest line that BuildKit reads, in bytes. Source: BuildKit `frontend/dockerfile/parser/parser.go`, a `bufio.Scanner`.
const MAX_LINE: usize = 65_535;
/// Where BuildKit puts scripts, which only a heredoc can give.
const SCRIPTS: &str = "/dev/pipes/";

/// A RUN that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its first line, 1-based.
    pub line: u32,
    /// The value of its `--mount`.
    pub mount: String,
    /// The launcher.
    pub launcher: String,
    /// The arguments of its command, as BuildKit has them.
    pub argv: Vec<String>,
}

/// Why a RUN cannot be written so: its line, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct CannotWrite {
    /// The first line of the instruction.
    pub line: u32,
    /// What stands against it.
    pub cause: &'static str,
}

/// `text` with the launcher in front of each of `served`.
///
/// # Errors
/// The first that cannot be written.
pub fn with_launchers(text: &[u8], served: &[Served]) -> Result<Edited, CannotWrite> {
    let whole = |cause| CannotWrite { line: 1, cause };
    let dockerfile = Dockerfile::parse(text).map_err(|_| whole("the text cannot be read"))?;
    let mut edits = Vec::new();
    for step in served {
        edits.push(edit(&dockerfile, step)?);
    }
    let edited = apply(text, &edits).map_err(|_| whole("two instructions overlap"))?;
    check(&edited.bytes, served)?;
    Ok(edited)
}

fn edit(dockerfile: &Dockerfile<'_>, step: &Served) -> Result<Edit, CannotWrite> {
    let cannot = |cause| CannotWrite {
        line: step.line,
        cause,
    };
    let run = dockerfile
        .instructions()
        .find(|node| node.kind() == Keyword::Run && starts(node, step.line))
        .ok_or_else(|| {
            cannot("a trigger of its base brings this command in; write it as a RUN of its own")
        })?;
    if step
        .argv
        .first()
        .is_some_and(|word| word.starts_with(SCRIPTS))
    {
        return Err(cannot(
            "a heredoc that begins with #! has no other form; give the script to its interpreter in the RUN",
        ));
    }
    let words: Vec<&String> = std::iter::once(&step.launcher).chain(&step.argv).collect();
    let words = serde_json::to_string(&words).map_err(|_| cannot("it has no exec form"))?;
    let mount = format!("--mount={}", step.mount);
    if words.len().saturating_add(mount.len()) > MAX_LINE {
        return Err(cannot(
            "as one line it is longer than BuildKit reads; divide it",
        ));
    }
    let keyword = run.keyword_span().end;
    let flags = run.flags().map(|flag| flag.span.end).max();
    let from = flags.unwrap_or(keyword).max(keyword);
    let next = format!(" {}\n    ", dockerfile.escape());
    Ok(Edit::replace(
        from..run.span().end,
        format!("{next}{mount}{next}{words}"),
    ))
}

fn starts(node: &Instruction<'_>, line: u32) -> bool {
    u32::try_from(node.lines().0).is_ok_and(|first| first == line)
}

/// What was written is read again: each command has to be there as it was meant.
fn check(text: &[u8], served: &[Served]) -> Result<(), CannotWrite> {
    let again = Dockerfile::parse(text).ok();
    let runs: Vec<(Vec<&[u8]>, bool)> = again
        .iter()
        .flat_map(|file| file.instructions())
        .filter(|node| node.kind() == Keyword::Run)
        .map(|node| {
            let words = node.words().map(|word| word.text).collect();
            (words, node.is_json())
        })
        .collect();
    for step in served {
        let wanted = std::iter::once(&step.launcher).chain(&step.argv);
        let wanted: Vec<&[u8]> = wanted.map(|word| word.as_bytes()).collect();
        if !runs.iter().any(|(words, json)| *json && *words == wanted) {
            return Err(CannotWrite {
                line: step.line,
                cause: "its arguments cannot be written as they are",
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(line: u32, argv: &[&str]) -> Served {
        Served {
            line,
            mount: "type=bind,from=r.test/store@sha256:00,source=/steps/k,target=/dev/l".into(),
            launcher: "/dev/l/replay".into(),
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    #[test]
    fn all_forms_become_the_exec_form_of_what_they_are() {
        let text = "FROM a\nRUN --network=none curl x | \\\n  # comment\n  tar \"y\"\nRUN --network=none <<E\none\ntwo\nE\nRUN --network=none [\"/a\", \"b\"]\nRUN c\n";
        let steps = [
            served(2, &["/bin/sh", "-c", "curl x |   tar \"y\""]),
            served(5, &["/bin/sh", "-c", "one\ntwo\n"]),
            served(9, &["/a", "b"]),
        ];
        let edited = with_launchers(text.as_bytes(), &steps).unwrap();
        let mount = "\\\n    --mount=type=bind,from=r.test/store@sha256:00,source=/steps/k,target=/dev/l \\\n    [\"/dev/l/replay\",";
        assert_eq!(
            String::from_utf8(edited.bytes).unwrap(),
            format!(
                "FROM a\nRUN --network=none {mount}\"/bin/sh\",\"-c\",\"curl x |   tar \\\"y\\\"\"]\n\
                 RUN --network=none {mount}\"/bin/sh\",\"-c\",\"one\\ntwo\\n\"]\n\
                 RUN --network=none {mount}\"/a\",\"b\"]\nRUN c\n"
            )
        );
    }

    #[test]
    fn what_has_no_exec_form_is_refused_with_its_line() {
        for (text, step, cause) in [
            (
                "FROM a\nRUN <<E\n#!/bin/x\nE\n",
                served(2, &["/dev/pipes/E"]),
                "#!",
            ),
            ("FROM a\nCOPY b c\n", served(2, &["x"]), "trigger"),
            ("FROM a\nRUN x\n", served(3, &["x"]), "trigger"),
            (
                "FROM a\nRUN x\n",
                served(2, &[&"y".repeat(70_000)]),
                "longer",
            ),
        ] {
            let error = with_launchers(text.as_bytes(), std::slice::from_ref(&step)).unwrap_err();
            assert!(error.cause.contains(cause), "{error}");
            assert_eq!(error.line, step.line);
        }
    }

    #[test]
    fn another_escape_character_stays_one() {
        let text = "# escape=`\nFROM a\nRUN x `\n  y\n";
        let edited = with_launchers(text.as_bytes(), &[served(3, &["/bin/sh", "-c", "x   y"])]);
        let text = String::from_utf8(edited.unwrap().bytes).unwrap();
        assert!(text.contains("RUN `\n    --mount="), "{text}");
    }
}
