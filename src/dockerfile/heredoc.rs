//! Heredocs: finding them in a line and reading their names (BuildKit's `parser/parser.go`).

use super::{
    expand::{ExpandError, Lexer, Unset},
    text::is_regex_space,
};

/// A heredoc as its word announces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    /// The terminator; for COPY and ADD also the name of the file.
    pub name: String,
    /// No part of the name was quoted, so variables expand.
    pub expand: bool,
    /// `<<-`: leading tabs don't count.
    pub chomp: bool,
}

/// `heredocsFromLine`: every word of the logical line that announces one.
pub(super) fn in_line(line: &[u8]) -> Result<Vec<Announced>, ExpandError> {
    let lexer = Lexer {
        raw_quotes: true,
        raw_escapes: true,
        skip_unset: true,
        ..Lexer::new('\\')
    };
    // A line that cannot be lexed has no heredocs.
    let words = lexer.words(line, &Unset).unwrap_or_default();
    let mut found = Vec::new();
    for word in &words {
        if let Some(heredoc) = parse(word.as_bytes())? {
            found.push(heredoc);
        }
    }
    Ok(found)
}

/// `ParseHeredoc`: `^(\d*)<<(-?)\s*([^<]*)$`, and then a name that is one word.
pub(crate) fn parse(word: &[u8]) -> Result<Option<Announced>, ExpandError> {
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
        name: name.clone(),
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
        in_line(line.as_bytes())
            .expect("readable")
            .iter()
            .map(|h| {
                format!(
                    "{}{}{}",
                    if h.chomp { "-" } else { "" },
                    h.name,
                    if h.expand { "" } else { "!" }
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
        assert!(in_line(b"RUN <<A'").expect("readable").is_empty());
    }

    #[test]
    fn chomps_tabs_of_every_line() {
        assert_eq!(chomp(b"\t\ta\tb\n\tc\n \td"), b"a\tb\nc\n \td");
    }
}
