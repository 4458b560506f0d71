//! Parsing: the tokens are the file, everything lies within it, no panic.
#![no_main]

use fuzz::dockerfile::{Dockerfile, syntax};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(found) = syntax::detect(bytes) {
        assert!(found.span.end <= bytes.len() && found.span.start <= found.span.end);
    }
    let file = match Dockerfile::parse(bytes) {
        Ok(file) => file,
        Err(error) => {
            assert!(error.span.end <= bytes.len() && error.span.start <= error.span.end);
            return;
        }
    };
    assert_eq!(file.print(), bytes);
    let mut end = 0;
    for token in file.tokens() {
        assert!(token.span.start == end && token.span.end > end);
        end = token.span.end;
    }
    for instruction in file.instructions() {
        let span = instruction.span();
        assert!(span.end <= bytes.len());
        assert!(
            instruction
                .words()
                .all(|word| word.span.start >= span.start && word.span.end <= span.end)
        );
        assert!(
            instruction
                .flags()
                .all(|flag| flag.span.start >= span.start && flag.span.end <= span.end)
        );
    }
    if let Err(error) = file.stages() {
        assert!(error.span.end <= bytes.len() && error.span.start <= error.span.end);
    }
});
