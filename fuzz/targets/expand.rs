//! Expansion: no panic, bounded results, and no change where there is nothing to expand.
#![no_main]

use fuzz::dockerfile::expand::{Lexer, MAX_EXPANSION, Variables};

struct Pairs<'t>(Vec<(&'t str, &'t str)>);

impl Variables for Pairs<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }
}

// The first byte sets the modes; lines up to an empty one are variables; the rest is expanded.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((modes, rest)) = bytes.split_first() else {
        return;
    };
    let split = rest.windows(2).position(|pair| pair == b"\n\n");
    let (variables, text) = match split {
        Some(at) => (&rest[..at], &rest[at + 2..]),
        None => (&b""[..], rest),
    };
    let variables = std::str::from_utf8(variables).unwrap_or_default();
    let variables = Pairs(
        variables
            .lines()
            .filter_map(|line| line.split_once('='))
            .collect(),
    );
    let lexer = Lexer {
        escape: if modes & 1 == 0 { '\\' } else { '`' },
        raw_quotes: modes & 2 != 0,
        raw_escapes: modes & 4 != 0,
        skip_quotes: modes & 8 != 0,
        skip_unset: modes & 16 != 0,
    };
    if let Ok(expanded) = lexer.expand(text, &variables) {
        assert!(expanded.len() <= 2 * MAX_EXPANSION);
        if text.is_ascii() && !text.iter().any(|byte| b"$'\"\\`".contains(byte)) {
            assert_eq!(expanded.as_bytes(), text);
        }
    }
    if let Ok(words) = lexer.words(text, &variables) {
        assert!(words.iter().all(|word| !word.is_empty()));
    }
});
