//! Planning and source classification: no panic, edits within the file, and a pinned reference stays what it was.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use fuzz::{
    dockerfile::Dockerfile,
    fetch::{self, Configs, Edit, ImageConfig, Options, Platform, Source, git_url},
    reference::ImageReference,
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = git_url(text);
        let _ = Platform::parse(text, &Platform::new("linux", "amd64", ""));
        if let Ok(reference) = ImageReference::parse(text) {
            assert_eq!(
                ImageReference::parse(&reference.to_string()).as_ref(),
                Ok(&reference)
            );
            assert_eq!(ImageReference::parse(&reference.familiar()), Ok(reference));
        }
    }
    let Ok(file) = Dockerfile::parse(bytes) else {
        return;
    };
    let options = Options {
        target: None,
        platform: Platform::new("linux", "arm64", ""),
        build_platform: Platform::new("linux", "amd64", ""),
        build_args: BTreeMap::from([("A".to_owned(), "a:1".to_owned())]),
        named_contexts: BTreeSet::from(["n".to_owned()]),
    };
    let assumed = ImageConfig {
        env: vec!["E=x".to_owned()],
        onbuild: vec!["ADD https://h.test/t /a".to_owned(), "RUN t".to_owned()],
        ..ImageConfig::default()
    };
    let configs = Configs {
        assumed: Some(assumed),
        ..Configs::default()
    };
    let plan = match fetch::collect(&file, &options, &configs) {
        Ok(plan) => plan,
        Err(error) => {
            assert!(error.span.end <= bytes.len() && error.span.start <= error.span.end);
            return;
        }
    };
    for fetch in &plan.fetches {
        assert!(fetch.place.span.end <= bytes.len());
        match (&fetch.edit, &fetch.source) {
            (Some(Edit::Add(add)), _) => {
                assert!(add.flags_at <= bytes.len() && add.index < add.sources.len());
                assert!(add.sources.iter().all(|span| span.end <= bytes.len()));
            }
            (Some(Edit::Digest { at }), Source::Image { reference, .. }) => {
                let digest = format!("@sha256:{}", "0123456789abcdef".repeat(4));
                let edited = [&bytes[..*at], digest.as_bytes(), &bytes[*at..]].concat();
                // A line at the limit gets too long, nothing else may change.
                let Ok(file) = Dockerfile::parse(&edited) else {
                    return;
                };
                let again = fetch::collect(&file, &options, &configs).expect("still a build");
                let pinned = again
                    .fetches
                    .iter()
                    .find(|other| other.place.span.start == fetch.place.span.start);
                let Some(Source::Image {
                    reference: pinned, ..
                }) = pinned.map(|pinned| &pinned.source)
                else {
                    panic!("still an image");
                };
                assert_eq!(pinned.repository(), reference.repository());
                assert!(pinned.digest().is_some());
            }
            _ => {}
        }
    }
    assert!(
        plan.runs
            .iter()
            .all(|run| run.place.span.end <= bytes.len())
    );
});
