//! Plans of whole files. Exactness against BuildKit is shown by `cargo xtask conformance`; here is what its recorded
//! outcomes don't hold: build arguments, platforms, named contexts, image configurations, places and edits.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::dockerfile::Dockerfile;

fn options() -> Options {
    Options {
        target: None,
        platform: Platform::new("linux", "arm64", ""),
        build_platform: Platform::new("linux", "amd64", ""),
        build_args: BTreeMap::new(),
        named_contexts: BTreeSet::new(),
    }
}

fn assumed() -> Configs {
    Configs {
        assumed: Some(ImageConfig {
            os: "linux".to_owned(),
            ..ImageConfig::default()
        }),
        ..Configs::default()
    }
}

fn plan_with(text: &str, options: &Options, configs: &Configs) -> Plan {
    let file = Dockerfile::parse(text.as_bytes()).expect("readable");
    collect(&file, options, configs).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn plan(text: &str) -> Plan {
    plan_with(text, &options(), &assumed())
}

fn refused_with(text: &str, options: &Options) -> Error {
    let file = Dockerfile::parse(text.as_bytes()).expect("readable");
    collect(&file, options, &assumed()).expect_err(text)
}

fn refused(text: &str) -> ErrorKind {
    refused_with(text, &options()).kind
}

/// Source, what is written, and whether it is loaded.
fn summary(text: &str, plan: &Plan) -> Vec<String> {
    plan.fetches
        .iter()
        .map(|fetch| {
            let source = match &fetch.source {
                Source::Image {
                    reference,
                    platform,
                } => format!("{reference} {platform}"),
                Source::Http { url, checksum } => {
                    format!("{url} {}", checksum.as_deref().unwrap_or("-"))
                }
                Source::Git(git) => format!("{} {}", git.identifier, git.remote),
                Source::Context { key, .. } => format!("context {key}"),
            };
            let span = fetch.place.span;
            let written = text.get(span.start..span.end).unwrap_or("?");
            format!(
                "{source} <{written}>{}",
                if fetch.loaded { "" } else { " unused" }
            )
        })
        .collect()
}

fn fetches(text: &str) -> Vec<String> {
    summary(text, &plan(text))
}

#[test]
fn only_what_the_target_reaches() {
    let text = "FROM a AS x\nRUN 1\nFROM b AS y\nRUN 2\nFROM c\nCOPY --from=x /1 /2\nRUN --mount=from=d,target=/m 3\n";
    assert_eq!(
        fetches(text),
        [
            "docker.io/library/a:latest linux/arm64 <a>",
            "docker.io/library/c:latest linux/arm64 <c>",
            "docker.io/library/d:latest linux/arm64 <d>"
        ]
    );
    let runs: Vec<_> = plan(text)
        .runs
        .iter()
        .map(|run| (run.argv.last().cloned(), run.reachable))
        .collect();
    let run = |line: &str, reachable| (Some(line.to_owned()), reachable);
    assert_eq!(runs, [run("1", true), run("3", true), run("2", false)]);
    let only = Options {
        target: Some("Y".to_owned()),
        ..options()
    };
    assert_eq!(
        summary(text, &plan_with(text, &only, &assumed())),
        ["docker.io/library/b:latest linux/arm64 <b>"]
    );
    let unknown = Options {
        target: Some("z".to_owned()),
        ..options()
    };
    assert_eq!(
        refused_with(text, &unknown).kind,
        ErrorKind::UnknownTarget("z".to_owned())
    );
}

#[test]
fn what_is_resolved_but_not_loaded() {
    let text = "FROM a\nRUN --mount=type=tmpfs,from=b,target=/t x\nCOPY --from=c <<E /f\nE\n";
    assert_eq!(
        fetches(text),
        [
            "docker.io/library/a:latest linux/arm64 <a>",
            "docker.io/library/b:latest linux/arm64 <b> unused",
            "docker.io/library/c:latest linux/arm64 <c> unused"
        ]
    );
}

#[test]
fn arguments_and_platforms_expand() {
    let text = "ARG V=1\nARG R=a:$V\nFROM --platform=$BUILDPLATFORM $R AS b\nFROM ${X:-c}:$V-$TARGETARCH$TARGETSTAGE\nARG V\nARG U=https://h.test/$V/$TARGETOS\nADD $U /\n";
    assert_eq!(
        fetches(text),
        [
            "docker.io/library/c:1-arm64default linux/arm64 <${X:-c}:$V-$TARGETARCH$TARGETSTAGE>",
            "https://h.test/1/ - <$U>"
        ],
        "TARGETOS was not declared in the stage"
    );
    let mut given = Options {
        target: Some("b".to_owned()),
        ..options()
    };
    given.build_args.insert("V".to_owned(), "2".to_owned());
    assert_eq!(
        summary(text, &plan_with(text, &given, &assumed())),
        ["docker.io/library/a:2 linux/amd64 <$R>"]
    );
    assert_eq!(refused("FROM $X"), ErrorKind::BlankBase("$X".to_owned()));
    assert!(matches!(
        refused("FROM --platform=a/b/c/d x"),
        ErrorKind::Platform(_)
    ));
    assert!(
        matches!(
            refused("FROM x AS Base\nFROM Base"),
            ErrorKind::Reference(..)
        ),
        "FROM is case-sensitive"
    );
}

#[test]
fn variables_of_the_base_decide() {
    let text = "FROM a AS x\nARG U=arg\nFROM x\nADD https://h.test/$U /\n";
    let base = Base::Image {
        reference: "a:latest".parse().expect("valid"),
        platform: options().platform,
    };
    let first = plan_with(text, &options(), &Configs::default());
    assert_eq!(first.missing, std::slice::from_ref(&base));
    let config = ImageConfig {
        env: vec!["U=env".to_owned()],
        ..ImageConfig::default()
    };
    let configs = Configs {
        known: BTreeMap::from([(base.clone(), config)]),
        assumed: None,
    };
    let second = plan_with(text, &options(), &configs);
    assert_eq!(
        (second.missing.len(), summary(text, &second)[1].as_str()),
        (0, "https://h.test/env - <https://h.test/$U>")
    );
    let layerless = ImageConfig {
        layerless: true,
        ..ImageConfig::default()
    };
    let configs = Configs {
        known: BTreeMap::from([(base, layerless)]),
        assumed: None,
    };
    assert!(
        !plan_with(text, &options(), &configs).fetches[0].loaded,
        "nothing of it is loaded"
    );
}

#[test]
fn triggers_of_the_base_run() {
    let text = "FROM a AS x\nRUN own\n";
    let base = Base::Image {
        reference: "a:latest".parse().expect("valid"),
        platform: options().platform,
    };
    let config = ImageConfig {
        onbuild: vec![
            "RUN --network=host trigger".to_owned(),
            "COPY --from=c /1 /2".to_owned(),
            "ADD https://h.test/t /".to_owned(),
        ],
        shell: vec!["/bin/bash".to_owned(), "-c".to_owned()],
        ..ImageConfig::default()
    };
    let configs = Configs {
        known: BTreeMap::from([(base.clone(), config)]),
        assumed: None,
    };
    let plan = plan_with(text, &options(), &configs);
    let trigger = |at: usize| {
        plan.fetches[at]
            .place
            .trigger
            .clone()
            .expect("from a trigger")
    };
    assert_eq!(plan.fetches.len(), 3);
    assert_eq!(
        trigger(1),
        Trigger {
            text: "COPY --from=c /1 /2".to_owned(),
            base: Some(base)
        }
    );
    assert!(
        plan.fetches[1..]
            .iter()
            .all(|fetch| fetch.edit.is_none() && fetch.loaded && fetch.place.lines == (1, 1))
    );
    assert_eq!(plan.runs[0].argv, ["/bin/bash", "-c", "trigger"]);
    assert_eq!(
        (
            plan.runs[0].network,
            plan.runs[0].flags_at,
            plan.runs[0].reachable
        ),
        (Network::Host, None, true)
    );
    assert_eq!(plan.runs[1].argv, ["/bin/bash", "-c", "own"]);
    let wrong = ImageConfig {
        onbuild: vec!["RUN a\nRUN b".to_owned()],
        ..ImageConfig::default()
    };
    let file = Dockerfile::parse(text.as_bytes()).expect("readable");
    let error = collect(
        &file,
        &options(),
        &Configs {
            assumed: Some(wrong),
            ..Configs::default()
        },
    )
    .expect_err("two");
    assert_eq!(
        (error.kind, error.trigger.as_deref()),
        (ErrorKind::Trigger, Some("RUN a\nRUN b"))
    );
}

#[test]
fn images_of_a_stage_that_only_a_trigger_reaches_are_loaded() {
    let text = "FROM a AS base\nRUN --mount=from=late:1,target=/m x\nCOPY --from=scratch / /\nFROM b AS mid\nONBUILD COPY --from=base / /\nFROM mid\n";
    let mut with_context = options();
    with_context.named_contexts.insert("late:1".to_owned());
    for options in [options(), with_context] {
        let plan = plan_with(text, &options, &assumed());
        assert_eq!(
            summary(text, &plan),
            [
                "docker.io/library/b:latest linux/arm64 <b>",
                "docker.io/library/a:latest linux/arm64 <a>",
                "docker.io/library/late:1 linux/arm64 <late:1>",
            ]
        );
    }
}

#[test]
fn triggers_of_the_file_have_places_in_it() {
    let text = "FROM a AS x\nONBUILD  \\\n ADD --link \\\n https://h.test/$V /d\nONBUILD RUN <<E\nhi\nE\nONBUILD COPY --from=c:1 / /\nFROM x\nENV V=2\n";
    let plan = plan(text);
    assert_eq!(
        summary(text, &plan),
        [
            "docker.io/library/a:latest linux/arm64 <a>",
            "docker.io/library/c:1 linux/arm64 <c:1>",
            "https://h.test/ - <https://h.test/$V>"
        ],
        "triggers come before ENV"
    );
    let Some(Edit::Add(add)) = &plan.fetches[2].edit else {
        panic!("an ADD")
    };
    assert_eq!(&text[..add.flags_at], "FROM a AS x\nONBUILD  \\\n ADD");
    let run = &plan.runs[0];
    assert_eq!(run.argv, ["/bin/sh", "-c", "hi\n"]);
    assert!(text[..run.flags_at.expect("in the file")].ends_with("ONBUILD RUN"));
}

#[test]
fn copies_name_stages_by_index_and_name() {
    let text = "FROM a AS One\nFROM b\nCOPY --from=ONE /1 /1\nCOPY --from=+0 /2 /2\nCOPY --from=c /3 /3\nCOPY --from=2 /4 /4\n";
    assert_eq!(
        fetches(text).len(),
        3,
        "2 is the image c, which became a stage of its own"
    );
    assert_eq!(
        refused("FROM a\nCOPY --from=3 / /"),
        ErrorKind::StageIndex(3)
    );
    assert_eq!(
        refused("FROM a\nCOPY --from=$X / /"),
        ErrorKind::FromExpansion
    );
    assert!(matches!(
        refused("FROM a AS x\nCOPY --from=x / /"),
        ErrorKind::Circle(_)
    ));
    assert!(matches!(
        refused("FROM a AS x\nCOPY --from=y / /\nFROM x AS y"),
        ErrorKind::LaterStage(_)
    ));
    assert!(matches!(
        refused("FROM a\nRUN --mount=from=0,target=/x y\nFROM B"),
        ErrorKind::Reference(..)
    ));
}

#[test]
fn named_contexts_stand_in() {
    let text = "FROM alpine AS base\nRUN x\nFROM docker.io/library/busybox:latest\nCOPY --from=base / /\nCOPY --from=ghcr.io/a/b:1 / /\nRUN --mount=from=c,target=/c y\n";
    let with = |contexts: &[&str]| {
        let named_contexts = contexts.iter().map(|&key| key.to_owned()).collect();
        let options = Options {
            named_contexts,
            ..options()
        };
        let plan = plan_with(text, &options, &assumed());
        (summary(text, &plan), plan)
    };
    let (found, plan) = with(&[
        "base",
        "busybox",
        "ghcr.io/a/b:1::linux/arm64",
        "c::linux/amd64",
        "alpine",
    ]);
    assert_eq!(
        found,
        [
            "context base <alpine>",
            "context busybox <docker.io/library/busybox:latest>",
            "context ghcr.io/a/b:1::linux/arm64 <ghcr.io/a/b:1>",
            "docker.io/library/c:latest linux/arm64 <c>"
        ],
        "the stage's own name comes before its base, and a context of another platform doesn't count"
    );
    assert_eq!(
        plan.runs
            .iter()
            .map(|run| run.reachable)
            .collect::<Vec<_>>(),
        [true, false],
        "a replaced stage runs nothing"
    );
    assert_eq!(plan.contexts.len(), 3);
    let (found, _) = with(&["alpine:latest", "c", "c::linux/arm64"]);
    assert_eq!(
        found[0], "docker.io/library/alpine:latest linux/arm64 <alpine>",
        ":latest is never in a key"
    );
    assert_eq!(
        found[3], "context c::linux/arm64 <c>",
        "the exact one comes first"
    );
    let text = "FROM scratch AS context\nFROM scratch\nCOPY --from=context / /\n";
    let named_contexts = ["context", "scratch"].map(str::to_owned).into();
    assert!(
        plan_with(
            text,
            &Options {
                named_contexts,
                ..options()
            },
            &assumed()
        )
        .fetches
        .is_empty()
    );
}

#[test]
fn edits_pin_in_place() {
    let digest = format!("@sha256:{}", "ab".repeat(32));
    let text = "ARG V=1\nFROM --platform=linux/amd64 \"go:${V}\" AS b\nFROM c@sha256:1234567890123456789012345678901234567890123456789012345678901234\nCOPY --from=\"d:2\" / \\\n /\nRUN --mount=type=bind,from=e,target=/e --mount='\"from=f\",target=/f' x\nCOPY --from=b / /\n";
    let plan = plan(text);
    let mut edited = text.to_owned();
    let mut at: Vec<usize> = plan
        .fetches
        .iter()
        .filter_map(|fetch| match fetch.edit {
            Some(Edit::Digest { at }) => Some(at),
            _ => None,
        })
        .collect();
    assert_eq!(at.len(), 4, "c has its digest");
    at.sort_unstable();
    for at in at.iter().rev() {
        edited.insert_str(*at, &digest);
    }
    for expected in [
        "\"go:${V}\"@sha256:",
        "--from=\"d:2@sha256:",
        ",from=e@sha256:",
        "\"from=f@sha256:",
    ] {
        assert!(edited.contains(expected), "{expected} in {edited}");
    }
    let again = super::tests::plan(&edited);
    assert!(
        again.fetches.iter().all(|fetch| fetch.edit.is_none()),
        "all are pinned: {again:?}"
    );
    assert_eq!(again.fetches.len(), plan.fetches.len());
}

#[test]
fn adds_say_how_they_are_pinned() {
    let text = "FROM a\nADD --link https://h.test/a https://h.test/r.git#v1:d local /d/\nADD [\"https://h.test/b\", \"/\"]\nADD --checksum=sha256:1234567890123456789012345678901234567890123456789012345678901234 https://h.test/c /\n";
    let plan = plan(text);
    let at = |span: crate::dockerfile::Span| &text[span.start..span.end];
    let adds: Vec<&AddEdit> = plan
        .fetches
        .iter()
        .filter_map(|fetch| match &fetch.edit {
            Some(Edit::Add(add)) => Some(add),
            _ => None,
        })
        .collect();
    assert_eq!(adds.len(), 4);
    assert_eq!(
        adds[0]
            .sources
            .iter()
            .map(|span| at(*span))
            .collect::<Vec<_>>(),
        ["https://h.test/a", "https://h.test/r.git#v1:d", "local"]
    );
    assert_eq!(
        (adds[1].index, adds[1].single, at(adds[1].destination)),
        (1, false, "/d/")
    );
    assert_eq!(
        (adds[2].json, adds[2].single, at(adds[2].sources[0])),
        (true, true, "\"https://h.test/b\"")
    );
    assert!(
        adds[3]
            .checksum
            .is_some_and(|span| at(span).starts_with("--checksum=sha256:1234"))
    );
    assert!(text[..adds[3].flags_at].ends_with("\nADD"));
    assert!(plan.local_context);
    let Source::Git(git) = &plan.fetches[2].source else {
        panic!("git")
    };
    assert_eq!(
        (
            git.reference.as_str(),
            git.subdir.as_str(),
            git.remote.as_str()
        ),
        ("v1", "d", "https://h.test/r.git")
    );
}

#[test]
fn adds_are_refused_like_buildkits() {
    for (text, expected) in [
        ("ADD --checksum=x a /", ErrorKind::ChecksumLocal),
        (
            "ADD --checksum=x https://h.test/a b /",
            ErrorKind::ChecksumSources,
        ),
        ("ADD https://h.test/a/%ff/ /", ErrorKind::FileName),
        ("COPY https://h.test/a /", ErrorKind::CopyRemote("URL")),
        (
            "COPY git@h.test:a /",
            ErrorKind::CopyRemote("git repository"),
        ),
        (
            "ADD --keep-git-dir=false https://h.test/r.git?keep-git-dir /",
            ErrorKind::KeepGitDir,
        ),
        (
            "ADD --checksum=a https://h.test/r.git?checksum=b /",
            ErrorKind::ChecksumMismatch("a".into(), "b".into()),
        ),
        ("COPY --chmod=9 a b", ErrorKind::Mode("9".to_owned())),
        ("STOPSIGNAL X", ErrorKind::Signal("X".to_owned())),
        ("EXPOSE x", ErrorKind::Port("x".to_owned())),
        ("VOLUME $x", ErrorKind::EmptyVolume),
        ("RUN []", ErrorKind::NoCommand),
    ] {
        assert_eq!(refused(&format!("FROM a\n{text}\n")), expected, "{text}");
        plan(&format!("FROM a\n{text}\nFROM b\n"));
    }
    assert!(matches!(
        refused("FROM a\nADD --checksum=sha256:1 https://h.test/a /"),
        ErrorKind::Checksum(..)
    ));
    assert!(matches!(
        refused("FROM --platform=windows/amd64 a\nWORKDIR d:\\x"),
        ErrorKind::Path(_)
    ));
    assert!(matches!(
        refused("FROM a\nRUN --mount=type=bind,from=b x"),
        ErrorKind::Mount(_)
    ));
    assert!(matches!(
        refused("# check=bogus=1\nFROM a"),
        ErrorKind::CheckOption(_)
    ));
    plan("# check=skip=all;error=true\nFROM a");
}

#[test]
fn runs_are_what_buildkit_runs() {
    let text = "FROM a\nSHELL [\"/x\", \"-e\"]\nRUN a \\\n b\nRUN [\"c\", \"d\"]\nRUN <<E\n#!/e\nE\nRUN cat <<E - <<-F\n1\nE\n\t2\n\tF\nRUN --network=none --security=insecure --device=v <<E\n3\nE\n";
    let plan = plan(text);
    let argv: Vec<_> = plan.runs.iter().map(|run| run.argv.join("|")).collect();
    assert_eq!(
        argv,
        [
            "/x|-e|a  b",
            "c|d",
            "/x|-e|/dev/pipes/E",
            "/x|-e|cat <<E - <<-F\n1\nE\n\t2\nF",
            "/x|-e|3\n"
        ]
    );
    assert_eq!(plan.runs[2].script.as_deref(), Some("#!/e\n"));
    let last = &plan.runs[4];
    assert!(last.insecure && last.network == Network::None && last.devices == ["v"]);
    let at = |span: crate::dockerfile::Span| &text[span.start..span.end];
    assert_eq!(last.network_flag.map(at), Some("--network=none"));
    assert_eq!(last.security_flag.map(at), Some("--security=insecure"));
    assert!(
        plan.runs
            .iter()
            .all(|run| text[..run.flags_at.expect("in the file")].ends_with("\nRUN"))
    );
    let windows = Options {
        platform: Platform::new("windows", "amd64", ""),
        ..options()
    };
    let configs = Configs {
        assumed: Some(ImageConfig {
            os: "windows".to_owned(),
            ..ImageConfig::default()
        }),
        ..Configs::default()
    };
    assert_eq!(
        plan_with("FROM a\nRUN b", &windows, &configs).runs[0].argv,
        ["cmd", "/S", "/C", "b"]
    );
}

#[test]
fn mounts_are_expanded() {
    let text = "FROM a\nENV T=cache I=id1\nRUN --mount=type=$T,id=$I,target=/c --mount=type=secret,id=s,env=E --mount=type=ssh x\n";
    let mounts = &plan(text).runs[0].mounts;
    assert_eq!(
        mounts.iter().map(|mount| mount.kind).collect::<Vec<_>>(),
        [MountKind::Cache, MountKind::Secret, MountKind::Ssh]
    );
    assert_eq!(
        (mounts[0].id.as_str(), mounts[1].env.as_deref()),
        ("id1", Some("E"))
    );
    assert!(!plan(text).local_context);
    assert!(plan("FROM a\nRUN --mount=target=/x y").local_context);
}

#[test]
fn source_date_epoch() {
    let with = |value: &str, text: &str| {
        let mut options = options();
        options
            .build_args
            .insert("SOURCE_DATE_EPOCH".to_owned(), value.to_owned());
        let file = Dockerfile::parse(text.as_bytes()).expect("readable");
        collect(&file, &options, &assumed()).map(|plan| summary(text, &plan))
    };
    let text = "FROM scratch AS t\nADD https://h.test/t /\nFROM a\nARG SOURCE_DATE_EPOCH\nADD https://h.test/$SOURCE_DATE_EPOCH /\n";
    assert_eq!(
        with("007", text).expect("valid")[1],
        "https://h.test/7 - <https://h.test/$SOURCE_DATE_EPOCH>"
    );
    assert_eq!(
        with("t", text).expect("valid")[0],
        "https://h.test/t - <https://h.test/t> unused",
        "BuildKit asks it for its time"
    );
    assert!(with("nobody", text).is_err());
    assert!(with("t", &text.replace("scratch", "b")).is_err());
    assert!(with("context", text).is_ok());
    // Here, unlike in a build, a flag wins over the URL, and what is no good repository is a file.
    let source = |add: &str, expected: &str| {
        let text = format!("FROM scratch AS s\nADD {add} /\nFROM a\n");
        let found = with("\u{17f}", &text).map(|fetches| fetches[0].clone());
        assert_eq!(
            found.ok().as_deref().and_then(|f| f.split(" <").next()),
            Some(expected),
            "{add}"
        );
    };
    source(
        "--checksum=abc https://h.test/r.git?checksum=abd",
        "git://h.test/r.git https://h.test/r.git",
    );
    source(
        "--keep-git-dir=false https://h.test/r.git?keep-git-dir",
        "git://h.test/r.git https://h.test/r.git",
    );
    source(
        "https://h.test/r.git?bogus=1",
        "https://h.test/r.git?bogus=1 -",
    );
    assert!(with("t", &text.replace("ADD ", "ADD --checksum=$NONE ")).is_err());
    assert!(
        with(
            "t",
            &text.replace("https://h.test/t", "git@h.test:t?bogus=1")
        )
        .is_err()
    );
}

#[test]
fn hostile_files_are_bounded() {
    let itself = ImageConfig {
        onbuild: vec!["COPY --from=a / /".to_owned()],
        ..ImageConfig::default()
    };
    let file = Dockerfile::parse(b"FROM a").expect("readable");
    let error = collect(
        &file,
        &options(),
        &Configs {
            assumed: Some(itself),
            ..Configs::default()
        },
    )
    .expect_err("endless");
    assert_eq!(error.kind, ErrorKind::TooLarge);
    // Time and memory in proportion to the number of sources, not to its square.
    let many = format!("FROM a\nADD {} /", "http://h.test/ \\\n".repeat(20_000));
    let fetches = plan(&many).fetches;
    assert_eq!(fetches.len(), 20_001);
    assert!(fetches.iter().skip(1).all(|fetch| fetch.edit.is_none()));
    let doubling: String = (0..60).map(|_| "ENV A=$A$A\n").collect();
    assert!(matches!(
        refused(&format!("FROM a\nENV A=xx\n{doubling}")),
        ErrorKind::TooLarge | ErrorKind::Expand(_)
    ));
    let chain: String = (0..20_000)
        .map(|n| format!("FROM s{n} AS s{}\nENV V{n}=1\n", n + 1))
        .collect();
    assert_eq!(plan(&format!("FROM a AS s0\n{chain}")).fetches.len(), 1);
    let copies: String = (0..20_000)
        .map(|n| format!("FROM scratch AS s{}\nCOPY --from=s{n} / /\n", n + 1))
        .collect();
    assert_eq!(plan(&format!("FROM a AS s0\n{copies}")).fetches.len(), 1);
    let trigger = format!("FROM a AS b\nONBUILD RUN {}\n", "x".repeat(60_000));
    let many = "FROM b\nCOPY --from=b / /\n".repeat(10_000);
    let all: String = (0..9_999)
        .map(|n| format!("COPY --from={} / /\n", n + 1))
        .collect();
    assert_eq!(
        refused(&format!("{trigger}{many}FROM b\n{all}")),
        ErrorKind::TooLarge
    );
}
