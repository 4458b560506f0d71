//! Properties of the Dockerfile reader, over arbitrary bytes and over texts made of Dockerfile parts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use verified_dockerfile::{
    dockerfile::{Dockerfile, syntax},
    fetch::{self, Configs, Edit, ImageConfig, Options, Platform, Source, git_url},
    reference::ImageReference,
};

fn options() -> Options {
    Options {
        target: None,
        platform: Platform::new("linux", "amd64", ""),
        build_platform: Platform::new("linux", "amd64", ""),
        build_args: BTreeMap::from([("A".to_owned(), "alpine".to_owned())]),
        named_contexts: BTreeSet::from(["named".to_owned()]),
    }
}

fn configs() -> Configs {
    let onbuild = vec![
        "ADD https://h.test/trigger /a".to_owned(),
        "RUN trigger".to_owned(),
    ];
    let assumed = ImageConfig {
        env: vec!["E=x".to_owned()],
        onbuild,
        ..ImageConfig::default()
    };
    Configs {
        assumed: Some(assumed),
        ..Configs::default()
    }
}

/// Everything that can be asked of a file, and what must always hold.
fn check(bytes: &[u8]) {
    let _ = syntax::detect(bytes);
    let Ok(file) = Dockerfile::parse(bytes) else {
        return;
    };
    assert_eq!(file.print(), bytes, "the tokens are the file");
    let mut end = 0;
    for token in file.tokens() {
        assert_eq!(token.span.start, end, "no gap and no overlap");
        assert!(token.span.end > token.span.start);
        end = token.span.end;
    }
    let mut end = 0;
    for instruction in file.instructions() {
        let span = instruction.span();
        assert!(span.start >= end && span.end <= bytes.len());
        end = span.end;
        let inside = |part: verified_dockerfile::dockerfile::Span| {
            part.start >= span.start && part.end <= span.end
        };
        assert!(inside(instruction.keyword_span()));
        assert!(instruction.flags().all(|flag| inside(flag.span)));
        assert!(instruction.words().all(|word| inside(word.span)));
        assert!(instruction.heredocs().all(|heredoc| inside(heredoc.whole)));
    }
    let plan = fetch::collect(&file, &options(), &configs());
    assert!(
        file.stages().is_ok() || plan.is_err(),
        "no plan without instructions"
    );
    let Ok(plan) = plan else { return };
    check_edits(bytes, &plan);
}

/// A digest inserted where the plan says pins exactly that fetch and changes nothing else.
fn check_edits(bytes: &[u8], plan: &fetch::Plan) {
    let digest = format!("@sha256:{}", "0123456789abcdef".repeat(4));
    for (index, fetch) in plan.fetches.iter().enumerate() {
        let (Some(Edit::Digest { at }), Source::Image { reference, .. }) =
            (&fetch.edit, &fetch.source)
        else {
            continue;
        };
        let edited = [&bytes[..*at], digest.as_bytes(), &bytes[*at..]].concat();
        let file = Dockerfile::parse(&edited).expect("still readable");
        let again = fetch::collect(&file, &options(), &configs()).expect("still a build");
        assert_eq!(again.fetches.len(), plan.fetches.len());
        for (other, (before, after)) in plan.fetches.iter().zip(&again.fetches).enumerate() {
            if other != index && before.place != fetch.place {
                assert_eq!(before.source, after.source, "another fetch is what it was");
            }
        }
        let Source::Image {
            reference: pinned, ..
        } = &again.fetches[index].source
        else {
            panic!("still an image")
        };
        assert_eq!(pinned.repository(), reference.repository());
        assert_eq!(format!("@{}", pinned.digest().expect("pinned")), digest);
        assert_eq!(
            again.runs.iter().map(|run| &run.argv).collect::<Vec<_>>(),
            plan.runs.iter().map(|run| &run.argv).collect::<Vec<_>>()
        );
    }
}

/// Lines that make up files which mostly can be built.
fn line() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "FROM alpine AS base",
        "FROM ${A}:${V:-3} AS \"x",
        "FROM base",
        "FROM --platform=$BUILDPLATFORM golang:1 AS two",
        "FROM \"quoted:$A\"",
        "FROM named",
        "ARG V=1 W",
        "ARG A",
        "ENV B=\"$A c\" D=e",
        "ENV f g h",
        "COPY --from=base /a /b",
        "COPY --from='img:1' a b",
        "COPY --from=\"im\\g\" [\"a\", \"b\"]",
        "COPY --from=0 a b",
        "COPY <<E <<-'F' /d\n$x\nE\n\ty\nF",
        "ADD https://h.test/$V /x",
        "ADD --checksum=$C https://h.test/r.git#v1 /x",
        "ADD a \\\n# c\n\n git@h.test:r /y",
        "RUN a && \\\n  b",
        "RUN --mount=type=cache,target=/c --mount=\"from=img2,target=/m\" c",
        "RUN --mount='\"from=img3\",dst=/q' --network=none <<E\n#!/x\nE",
        "RUN [\"a\", \"\\u0041\"]",
        "ONBUILD COPY --from=ob:2 \\\n /a /b",
        "ONBUILD RUN x",
        "SHELL [\"x\", \"-c\"]",
        "HEALTHCHECK --interval=1s CMD x",
        "WORKDIR rel/$V",
        "# comment",
        "",
        "# escape=`",
        "EXPOSE 80 $P",
    ])
    .prop_map(str::to_owned);
    prop_oneof![12 => fixed, 1 => "[ -~\\t\\r]{0,20}", 1 => "\\PC{0,12}"]
}

fn file() -> impl Strategy<Value = String> {
    (
        prop::collection::vec(line(), 0..12),
        prop::sample::select(vec!["\n", "\r\n", "\n\n"]),
    )
        .prop_map(|(lines, newline)| format!("FROM start{newline}{}", lines.join(newline)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&bytes);
    }

    #[test]
    fn bytes_of_dockerfiles(bytes in prop::collection::vec(prop::sample::select(b"FROMRUNADCPYVE $\\\"'`{}[]<->#=:/,\n\r\t a1\xff\xc2\xa0".to_vec()), 0..120)) {
        check(&[b"FROM a\n".as_slice(), &bytes].concat());
    }

    #[test]
    fn any_lines(text in file()) {
        check(text.as_bytes());
    }

    #[test]
    fn cut_and_changed_lines(text in file(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        check(&bytes);
        check(&bytes[..at]);
    }

    #[test]
    fn references_and_repositories(text in "\\PC{0,40}", likely in "[a-zA-Z0-9._:/@#?%\\[\\]-]{0,40}") {
        for text in [text, likely] {
            let _ = git_url(&text);
            if let Ok(reference) = ImageReference::parse(&text) {
                let canonical = reference.to_string();
                prop_assert_eq!(ImageReference::parse(&canonical).expect("canonical"), reference.clone());
                prop_assert_eq!(ImageReference::parse(&reference.familiar()).expect("familiar"), reference);
            }
        }
    }
}
