//! Heredocs: finding them in a line and reading their names (BuildKit's `parser/parser.go`).

use std::borrow::Cow;

use super::{
    expand::{ExpandError, Lexer, Unset},
    text::{is_regex_space, lossy},
};

/// A heredoc as its word announces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announced<'w> {
    /// The terminator; for COPY and ADD also the name of the file.
    pub name: Cow<'w, str>,
    /// No part of the name was quoted, so variables expand.
    pub expand: bool,
    /// `<<-`: leading tabs don't count.
    pub chomp: bool,
}

/// `heredocsFromLine`: every word of the logical line that announces one, in order.
///
/// A line that cannot be lexed has none, which is only known at its end: `Ok(false)` takes back what was found.
pub(super) fn in_line(
    line: &[u8],
    found: &mut dyn FnMut(Announced<'_>),
) -> Result<bool, ExpandError> {
    let lexer = Lexer {
        raw_quotes: true,
        raw_escapes: true,
        skip_unset: true,
        ..Lexer::new('\\')
    };
    let mut first_error = None;
    let lexed = lexer.each_word(line, &Unset, &mut |word| {
        if first_error.is_none() {
            match parse(word.as_bytes()) {
                Ok(Some(heredoc)) => found(heredoc),
                Ok(None) => {}
                Err(error) => first_error = Some(error),
            }
        }
    });
    match (lexed, first_error) {
        (Err(_), _) => Ok(false),
        (Ok(()), Some(error)) => Err(error),
        (Ok(()), None) => Ok(true),
    }
}

/// `ParseHeredoc`: `^(\d*)<<(-?)\s*([^<]*)$`, and then a name that is one word.
pub(crate) fn parse(word: &[u8]) -> Result<Option<Announced<'_>>, ExpandError> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let Some(rest) = word.get(digits..).and_then(|rest| rest.strip_prefix(b"<<")) else {
        return Ok(None);
    };
    let (chomp, rest) = match rest.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let spaces = rest
        .iter()
        .take_while(|byte| is_regex_space(**byte))
        .count();
    let rest = rest.get(spaces..).unwrap_or_default();
    if rest.is_empty() || rest.contains(&b'<') {
        return Ok(None);
    }
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    // As usual there is nothing that the lexer would change, or just the quotes around the name.
    let quoted = match rest {
        [b'"', name @ .., b'"'] | [b'\'', name @ .., b'\''] => Some(name),
        _ => None,
    };
    let name = quoted.unwrap_or(rest);
    if !name.is_empty() && name.iter().all(plain) {
        return Ok(Some(Announced {
            name: lossy(name),
            expand: quoted.is_none(),
            chomp,
        }));
    }
    let lexer = Lexer {
        skip_unset: true,
        ..Lexer::new('\\')
    };
    let words = lexer.words(rest, &Unset)?;
    let raw = Lexer {
        raw_quotes: true,
        ..lexer
    }
    .words(rest, &Unset)?;
    let ([name], [raw]) = (words.as_slice(), raw.as_slice()) else {
        // With quotes kept, empty words appear that are none without; BuildKit refuses that.
        return if words.len() == 1 {
            Err(ExpandError::HiddenWords)
        } else {
            Ok(None)
        };
    };
    let quotes = |text: &str| {
        text.bytes()
            .filter(|byte| matches!(byte, b'\'' | b'"'))
            .count()
    };
    Ok(Some(Announced {
        expand: quotes(name) == quotes(raw),
        name: Cow::Owned(name.clone()),
        chomp,
    }))
}

/// `ChompHeredocContent`: the text without tabs at the beginning of its lines.
pub(crate) fn chomp(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let tabs = line.iter().take_while(|byte| **byte == b'\t').count();
        out.extend_from_slice(line.get(tabs..).unwrap_or_default());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        let mut found = Vec::new();
        if !in_line(line.as_bytes(), &mut |heredoc| {
            found.push((heredoc.name.into_owned(), heredoc.expand, heredoc.chomp));
        })
        .expect("readable")
        {
            found.clear();
        }
        found
            .iter()
            .map(|(name, expand, chomp)| {
                format!(
                    "{}{name}{}",
                    if *chomp { "-" } else { "" },
                    if *expand { "" } else { "!" }
                )
            })
            .collect()
    }

    #[test]
    fn finds_heredocs() {
        assert_eq!(
            names("RUN cat <<A 3<<-\"B\" <<'C' << D <<E\\F"),
            ["A", "-B!", "C!", "D", "EF"]
        );
        assert_eq!(
            names("RUN cat <<<A x<<B '<<C' \"<<D\" <<"),
            Vec::<String>::new()
        );
        assert_eq!(
            names("RUN <<A '"),
            Vec::<String>::new(),
            "a line that cannot be lexed"
        );
        assert_eq!(
            names("RUN <<${X:-A} <<$Y"),
            ["$Y"],
            "the nested word forgets the <<"
        );
        assert_eq!(names("RUN <<A'"), Vec::<String>::new());
    }

    #[test]
    fn chomps_tabs_of_every_line() {
        assert_eq!(chomp(b"\t\ta\tb\n\tc\n \td"), b"a\tb\nc\n \td");
    }
}
