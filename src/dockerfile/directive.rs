//! Parser directives: `# escape=`, `# syntax=` and `# check=` at the very top (BuildKit's `parser/directives.go`).

use super::{
    Span,
    text::{is_regex_space, trim_start},
};

/// Longest line that BuildKit reads, without its newline (`bufio.MaxScanTokenSize` - 1).
pub const MAX_LINE: usize = 65_535;

/// What a directive sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectiveName {
    /// `syntax`: the frontend image.
    Syntax,
    /// `escape`: the escape character.
    Escape,
    /// `check`: options of the linter.
    Check,
}

impl DirectiveName {
    /// As written in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Escape => "escape",
            Self::Check => "check",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A line `# name = value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Which.
    pub name: DirectiveName,
    /// The bytes of the value in the file.
    pub value: Span,
    /// The line, 1-based.
    pub line: usize,
}

/// `DirectiveParser`: reads lines until the first that is no directive.
pub(super) struct Directives {
    marker: &'static [u8],
    seen: u8,
    done: bool,
}

/// What a line was.
pub(super) enum Line {
    /// A directive; its value is a range of the line.
    Directive(DirectiveName, (usize, usize)),
    /// The second of its name.
    Duplicate(DirectiveName),
    /// None, and none will follow.
    Other,
}

impl Directives {
    pub(super) fn new(marker: &'static [u8]) -> Self {
        Self {
            marker,
            seen: 0,
            done: false,
        }
    }

    #[inline]
    pub(super) fn read(&mut self, line: &[u8]) -> Line {
        if self.done {
            return Line::Other;
        }
        self.read_one(line)
    }

    fn read_one(&mut self, line: &[u8]) -> Line {
        let Some((name, value)) = parse(line, self.marker) else {
            self.done = true;
            return Line::Other;
        };
        if self.seen & name.bit() != 0 {
            return Line::Duplicate(name);
        }
        self.seen |= name.bit();
        Line::Directive(name, value)
    }
}

/// `^([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$` behind the marker and any white space.
fn parse(line: &[u8], marker: &[u8]) -> Option<(DirectiveName, (usize, usize))> {
    let rest = line.strip_prefix(marker)?;
    let rest = trim_start(rest);
    let name_len = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric())
        .count();
    let (name, rest) = rest.split_at_checked(name_len)?;
    let spaces = |text: &[u8]| {
        text.iter()
            .take_while(|byte| is_regex_space(**byte))
            .count()
    };
    let rest = rest.get(spaces(rest)..)?.strip_prefix(b"=")?;
    let name = match name.to_ascii_lowercase().as_slice() {
        b"syntax" => DirectiveName::Syntax,
        b"escape" => DirectiveName::Escape,
        b"check" => DirectiveName::Check,
        _ => return None,
    };
    if rest.is_empty() {
        return None;
    }
    let start = line.len() - rest.len();
    let skipped = spaces(rest);
    if skipped == rest.len() {
        // Nothing but blanks: the value must have a character, so it gets the last one.
        return Some((name, (line.len() - 1, line.len())));
    }
    let trailing = rest
        .iter()
        .rev()
        .take_while(|byte| is_regex_space(**byte))
        .count();
    Some((name, (start + skipped, line.len() - trailing)))
}

/// What BuildKit's syntax detection finds (`DetectSyntax`), which decides the frontend before anything is parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxDirective {
    /// The frontend image: the value up to the first space.
    pub reference: String,
    /// The whole value, which the frontend gets as `cmdline`.
    pub cmdline: String,
    /// The bytes of the value in the file; for the JSON form the whole file.
    pub span: Span,
    /// The line, 1-based; 0 where BuildKit gives none (JSON form).
    pub line: usize,
}

/// Finds the syntax directive of a file as `DetectSyntax` does, which is not how the parser reads directives: a `#!`
/// line in front is skipped, `#` must be in the first column, and `// syntax=` lines and a JSON object with a member
/// `syntax` count too.
#[must_use]
pub fn detect(file: &[u8]) -> Option<SyntaxDirective> {
    for marker in [b"#".as_slice(), b"//"] {
        if let Some(found) = detect_lines(file, marker, DirectiveName::Syntax) {
            return Some(found);
        }
    }
    let (body, skipped) = body(file);
    let value = super::json::object_member(body, "syntax")?;
    Some(SyntaxDirective {
        reference: value.clone(),
        cmdline: value,
        span: Span {
            start: file.len() - body.len(),
            end: file.len(),
        },
        line: skipped,
    })
}

/// The `check` directive up to its first space, with its place, as `ParseDirective` finds it.
pub(crate) fn check_options(file: &[u8]) -> Option<(String, Span, usize)> {
    let found = detect_lines(file, b"#", DirectiveName::Check)?;
    Some((found.reference, found.span, found.line))
}

/// The file without byte order mark and `#!` line, and how many lines that skips.
fn body(file: &[u8]) -> (&[u8], usize) {
    let body = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    if !body.starts_with(b"#!") {
        return (body, 0);
    }
    let line = body
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(body.len(), |newline| newline + 1);
    (body.get(line..).unwrap_or_default(), 1)
}

fn detect_lines(
    file: &[u8],
    marker: &'static [u8],
    wanted: DirectiveName,
) -> Option<SyntaxDirective> {
    let (body, skipped) = body(file);
    let mut directives = Directives::new(marker);
    let mut offset = file.len() - body.len();
    for (index, full) in body.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = full.strip_suffix(b"\n").unwrap_or(full);
        if line.len() > MAX_LINE {
            return None;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match directives.read(line) {
            Line::Directive(name, (from, to)) if name == wanted => {
                let value = super::text::lossy(line.get(from..to)?).into_owned();
                return Some(SyntaxDirective {
                    reference: value.split(' ').next().unwrap_or_default().to_owned(),
                    cmdline: value,
                    span: Span {
                        start: offset + from,
                        end: offset + to,
                    },
                    line: index + 1 + skipped,
                });
            }
            Line::Directive(..) => {}
            Line::Duplicate(_) | Line::Other => return None,
        }
        offset += full.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(file: &str) -> Option<(String, String, usize)> {
        let found = detect(file.as_bytes())?;
        if found.line > 0 && !file.starts_with('{') {
            assert_eq!(
                &file.as_bytes()[found.span.start..found.span.end],
                found.cmdline.as_bytes()
            );
        }
        Some((found.reference, found.cmdline, found.line))
    }

    #[test]
    fn detects_all_forms() {
        let expect = |reference: &str, cmdline: &str, line| {
            Some((reference.to_owned(), cmdline.to_owned(), line))
        };
        assert_eq!(
            detected("# syntax=a/b:1\nFROM x"),
            expect("a/b:1", "a/b:1", 1)
        );
        assert_eq!(
            detected("#\t SYNTAX = a/b x y \r\nFROM x"),
            expect("a/b", "a/b x y", 1)
        );
        assert_eq!(
            detected("#!/bin/x\n# escape=`\n# syntax=a"),
            expect("a", "a", 3)
        );
        assert_eq!(
            detected("\u{feff}# check=x\n#syntax=a\n"),
            expect("a", "a", 2)
        );
        assert_eq!(detected("// syntax=a\nFROM x"), expect("a", "a", 1));
        assert_eq!(detected("{\"syntax\": \"a b\"}"), expect("a b", "a b", 0));
        assert_eq!(detected("# syntax=a\n# syntax=b\n"), expect("a", "a", 1));
        assert_eq!(detected("# escape=x\n# syntax=b\n"), expect("b", "b", 2));
    }

    #[test]
    fn stops_where_buildkit_stops() {
        for file in [
            "",
            "\n# syntax=a\n",
            " # syntax=a\n",
            "# hello\n# syntax=a\n",
            "# x=y\n# syntax=a\n",
            "# syntax=\n",
            "# escape=`\n# escape=`\n# syntax=a\n",
            "#!/bin/x\n#!/bin/y\n# syntax=a\n",
            "// a\n// syntax=a\n",
            "FROM x\n# syntax=a\n",
        ] {
            assert_eq!(detected(file), None, "{file:?}");
        }
        let long = format!("# check={}\n# syntax=a\n", "x".repeat(MAX_LINE));
        assert_eq!(detected(&long), None);
    }
}
