//! RUN steps: any text is read, within bounded size, and everything found lies within the text.
#![no_main]

use std::collections::BTreeMap;

use fuzz::shell::{self, Step};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let variables = BTreeMap::from([("VERSION".to_owned(), "1.2.3".to_owned())]);
    for shell in ["/bin/sh", "/bin/bash"] {
        let argv = [shell, "-c", text].map(str::to_owned);
        let found = shell::read(&Step {
            argv: &argv,
            script: None,
            variables: &variables,
            architecture: "amd64",
        });
        let spans = found.fetches.iter().map(|it| it.span);
        let spans = spans.chain(found.checks.iter().map(|it| it.span));
        let spans = spans.chain(found.weaknesses.iter().map(|it| it.span));
        for span in spans.chain(found.unclear.iter().map(|it| it.span)) {
            assert!(text.get(span.start..span.end).is_some(), "{span:?}");
        }
    }
});
