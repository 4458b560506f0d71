//! The pipeline with a world of its own: images, files and repositories by name, and a count of what was asked.

use std::{cell::RefCell, collections::BTreeMap};

use super::*;
use crate::{
    dockerfile::Dockerfile,
    fetch::GitSource,
    policy::{Layer, LocalFolder, Unchecked},
    resolve::{Commit, Offline},
    verify::{Proof, Signer, git::Objects},
};

const ACCEPT: &str = r#"
version = 1
[[image]]
match = "**"
accept = "digest"
reason = "test"
until = 2030-01-01
[[http]]
match = "**"
accept = "digest"
reason = "test"
until = 2030-01-01
[[git]]
match = "**"
accept = "digest"
reason = "test"
until = 2030-01-01
"#;

/// Knows `docker.io/library/*` and whatever `onbuild` says of them.
#[derive(Default)]
struct World {
    onbuild: BTreeMap<String, Vec<String>>,
    env: BTreeMap<String, Vec<String>>,
    asked: RefCell<Vec<String>>,
}

fn digest_of(name: &str) -> Digest {
    Digest::sha256(name.as_bytes())
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The annotated tag that names [`COMMIT`].
const TAG: &str = "fedcba9876543210fedcba9876543210fedcba98";

impl Resolve for World {
    async fn image(
        &self,
        reference: &ImageReference,
        platform: &Platform,
    ) -> Result<Image, ResolveError> {
        self.asked
            .borrow_mut()
            .push(format!("image {reference} {platform}"));
        let repository = reference.repository();
        if repository.contains("missing") {
            return Err(ResolveError::Failed {
                cause: "404".into(),
                next: "check".into(),
            });
        }
        Ok(Image {
            digest: reference
                .digest()
                .cloned()
                .unwrap_or_else(|| digest_of(&repository)),
            config: ImageConfig {
                onbuild: self.onbuild.get(&repository).cloned().unwrap_or_default(),
                env: self.env.get(&repository).cloned().unwrap_or_default(),
                ..ImageConfig::default()
            },
        })
    }

    async fn context(&self, _: &str, _: &str, _: &Platform) -> Result<ImageConfig, ResolveError> {
        Ok(ImageConfig::default())
    }

    async fn http(&self, url: &str) -> Result<Digest, ResolveError> {
        self.asked.borrow_mut().push(format!("http {url}"));
        Ok(digest_of(url))
    }

    async fn git(&self, source: &GitSource) -> Result<Commit, ResolveError> {
        self.asked
            .borrow_mut()
            .push(format!("git {}", source.remote));
        Ok(Commit {
            commit: COMMIT.to_owned(),
            object: TAG.to_owned(),
        })
    }

    async fn signatures(
        &self,
        _: &ImageReference,
        _: &Digest,
        _: bool,
    ) -> Result<Vec<Proof>, ResolveError> {
        Ok(Vec::new())
    }

    async fn attestations(
        &self,
        _: &ImageReference,
        _: &Digest,
        _: bool,
    ) -> Result<Vec<(Digest, Proof)>, ResolveError> {
        Ok(Vec::new())
    }

    async fn small_file(&self, _: &str, _: usize) -> Result<Vec<u8>, ResolveError> {
        Err(ResolveError::Offline)
    }

    async fn over_bytes(
        &self,
        _: &str,
        _: &Digest,
        _: &[Unchecked],
        _: Timestamp,
    ) -> Result<Vec<Result<Signer, String>>, ResolveError> {
        Err(ResolveError::Offline)
    }

    async fn digests(&self, _: &str, _: &Digest) -> Result<Vec<Digest>, ResolveError> {
        Err(ResolveError::Offline)
    }

    async fn objects(&self, _: &GitSource, _: &str) -> Result<Objects, ResolveError> {
        Err(ResolveError::Offline)
    }
}

/// What varies from test to test.
#[derive(Default)]
struct Case<'a> {
    policy: &'a str,
    lock: &'a str,
    contexts: &'a [(&'a str, &'a str)],
    platforms: &'a [&'a str],
    locked: bool,
    checks_git: bool,
}

fn outcome(text: &str, case: &Case<'_>, resolver: &impl Resolve) -> Outcome {
    let own = Platform::new("linux", "amd64", "");
    let dockerfile = Dockerfile::parse(text.as_bytes()).unwrap();
    let layer = Layer::parse(
        case.policy.as_bytes(),
        "verified.toml",
        &LocalFolder::new("."),
    )
    .unwrap();
    let lock = Lock::parse(case.lock.as_bytes(), "Dockerfile.lock").unwrap();
    let contexts = case
        .contexts
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    let platforms: Vec<Platform> = match case.platforms {
        [] => vec![own.clone()],
        list => list
            .iter()
            .map(|text| Platform::parse(text, &own).unwrap())
            .collect(),
    };
    let build = Build {
        file: "Dockerfile",
        bytes: text.as_bytes(),
        dockerfile: &dockerfile,
        target: None,
        platforms: &platforms,
        build_platform: &own,
        build_args: &BTreeMap::new(),
        contexts: &contexts,
        policy: &Policy::new(vec![layer]),
        lock: &lock,
        evidence: &Evidence::default(),
        locked: case.locked,
        checks_git: case.checks_git,
        now: "2026-11-22T00:00:00Z".parse().unwrap(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(run(&build, resolver)).unwrap()
}

fn accepting(text: &str) -> Outcome {
    outcome(
        text,
        &Case {
            policy: ACCEPT,
            lock: "version = 1\n",
            ..Case::default()
        },
        &World::default(),
    )
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8(outcome.platforms[0].rewritten.bytes.clone()).unwrap()
}

fn kinds(outcome: &Outcome) -> Vec<(Kind, u32)> {
    outcome
        .findings
        .iter()
        .map(|f| (f.kind, f.place.as_ref().map_or(0, |p| p.first_line)))
        .collect()
}

#[test]
fn every_place_that_names_an_image_is_pinned_by_an_insertion() {
    let out = accepting(
        "ARG V=3.20\nFROM alpine:${V} AS a\nFROM debian\nCOPY --from=busybox /x /\nCOPY --from=a /y /\n\
         RUN --mount=type=bind,from=redis,target=/m true\n",
    );
    let at = |name: &str| digest_of(&format!("docker.io/library/{name}"));
    assert_eq!(out.findings, []);
    assert_eq!(
        text(&out),
        format!(
            "ARG V=3.20\nFROM alpine:${{V}}@{} AS a\nFROM debian@{}\nCOPY --from=busybox@{} /x /\nCOPY --from=a /y /\n\
             RUN --network=none --mount=type=bind,from=redis@{},target=/m true\n",
            at("alpine"),
            at("debian"),
            at("busybox"),
            at("redis")
        )
    );
}

#[test]
fn files_and_repositories_are_pinned() {
    let out = accepting(
        "FROM scratch\nADD https://h.test/f /\nADD --chown=1 https://h.test/r.git#v1:sub /r\nADD https://h.test/a https://h.test/b /d/\nADD x /\n",
    );
    assert_eq!(out.findings, []);
    let at = |name: &str| digest_of(&format!("https://h.test/{name}"));
    assert_eq!(
        text(&out),
        format!(
            "FROM scratch\nADD --checksum={} https://h.test/f /\nADD --chown=1 https://h.test/r.git#{COMMIT}:sub /r\n\
             ADD --checksum={} https://h.test/a /d/\nADD --checksum={} https://h.test/b /d/\nADD x /\n",
            at("f"),
            at("a"),
            at("b")
        )
    );
    // The line that was added belongs to the ADD it came from, and what follows keeps its own.
    let lines: Vec<u32> = (1..=6)
        .map(|line| out.platforms[0].rewritten.original_line(line))
        .collect();
    assert_eq!(lines, [1, 2, 3, 4, 4, 5]);
}

#[test]
fn several_urls_in_json_form_are_split_too() {
    let out = accepting("FROM scratch\nADD [\"https://h.test/a\", \"x\", \"/d/\"]\n");
    assert_eq!(
        text(&out),
        format!(
            "FROM scratch\nADD --checksum={} [\"https://h.test/a\", \"/d/\"]\nADD [\"x\", \"/d/\"]\n",
            digest_of("https://h.test/a")
        )
    );
}

#[test]
fn what_is_pinned_already_stays_as_it_is() {
    let d = digest_of("x");
    let file = format!(
        "FROM alpine@{d}\nADD --checksum={d} https://h.test/f /\nADD https://h.test/r.git#{COMMIT} /r\nRUN --network=none true\n"
    );
    let world = World::default();
    let out = outcome(
        &file,
        &Case {
            policy: ACCEPT,
            lock: "version = 1\n",
            ..Case::default()
        },
        &world,
    );
    assert_eq!(out.findings, []);
    assert_eq!(text(&out), file);
    let asked = world.asked.borrow();
    assert!(asked.iter().all(|asked| asked.starts_with("image docker.io/library/alpine") && asked.contains('@')), "{asked:?}");
}

#[test]
fn without_a_rule_each_place_is_refused_at_its_own_line() {
    let file = "FROM alpine AS a\nFROM debian\nCOPY --from=busybox /x /\nRUN --mount=from=redis,target=/m true\n\
                ADD https://h.test/f /\nADD https://h.test/r.git /r\nRUN --network=host true\nRUN --security=insecure true\n";
    let out = outcome(
        file,
        &Case {
            policy: "version = 1\n",
            lock: "version = 1\n",
            ..Case::default()
        },
        &World::default(),
    );
    assert_eq!(
        kinds(&out),
        [
            (Kind::Unverified, 2),
            (Kind::Unverified, 3),
            (Kind::Unverified, 4),
            (Kind::Unverified, 5),
            (Kind::Unverified, 6),
            (Kind::Run, 7),
            (Kind::Run, 8),
        ],
        "the stage that the target does not reach is no fetch"
    );
    assert!(
        out.findings
            .iter()
            .all(|finding| !finding.next.is_empty() && !finding.cause.is_empty())
    );
}

#[test]
fn a_run_rule_gives_exactly_what_it_names() {
    let policy = format!(
        "{ACCEPT}[[run]]\nmatch = \"make fetch\"\nnetwork = \"allow\"\nreason = \"r\"\nuntil = 2030-01-01\n"
    );
    let case = Case {
        policy: &policy,
        lock: "version = 1\n",
        ..Case::default()
    };
    let out = outcome(
        "FROM a\nRUN make fetch\nRUN make other\nRUN --network=host make fetch\n",
        &case,
        &World::default(),
    );
    assert!(text(&out).contains(
        "\nRUN make fetch\nRUN --network=none make other\nRUN --network=host make fetch\n"
    ));
    assert_eq!(kinds(&out), [(Kind::Run, 4)]);
}

#[test]
fn an_agent_is_refused_only_beside_a_network() {
    let policy = format!(
        "{ACCEPT}[[run]]\nmatch = \"with\"\nnetwork = \"allow\"\nreason = \"r\"\nuntil = 2030-01-01\n"
    );
    let case = Case {
        policy: &policy,
        lock: "version = 1\n",
        ..Case::default()
    };
    let out = outcome(
        "FROM a\nRUN --mount=type=ssh without\nRUN --mount=type=ssh with\n",
        &case,
        &World::default(),
    );
    assert_eq!(kinds(&out), [(Kind::Run, 3)]);
}

#[test]
fn the_lock_decides_and_nothing_else_when_locked() {
    let d = digest_of("locked");
    let lock = format!(
        "version = 1\n[[image]]\nreference = \"docker.io/library/alpine:latest\"\ndigest = \"{d}\"\n"
    );
    let case = Case {
        policy: ACCEPT,
        lock: &lock,
        ..Case::default()
    };
    let out = outcome(
        "FROM alpine\nADD https://h.test/f /\n",
        &case,
        &World::default(),
    );
    assert!(text(&out).starts_with(&format!("FROM alpine@{d}\nADD --checksum=")));
    let world = World::default();
    let out = outcome(
        "FROM alpine\nADD https://h.test/f /\n",
        &Case {
            locked: true,
            ..case
        },
        &world,
    );
    assert_eq!(kinds(&out), [(Kind::Unpinned, 2)]);
    assert!(
        !world
            .asked
            .borrow()
            .iter()
            .any(|asked| asked.starts_with("http"))
    );
    let case = Case {
        policy: ACCEPT,
        lock: &lock,
        ..Case::default()
    };
    let out = outcome("FROM alpine\nFROM debian\n", &case, &Offline);
    assert_eq!(kinds(&out), [(Kind::Unpinned, 2)]);
}

#[test]
fn a_checksum_of_another_commit_is_a_conflict() {
    let lock = format!(
        "version = 1\n[[git]]\nremote = \"https://h.test/r.git\"\nref = \"v1\"\ncommit = \"{COMMIT}\"\n"
    );
    let case = Case {
        policy: ACCEPT,
        lock: &lock,
        ..Case::default()
    };
    let good = outcome(
        "FROM scratch\nADD --checksum=01234567 https://h.test/r.git#v1 /\n",
        &case,
        &World::default(),
    );
    assert_eq!(kinds(&good), []);
    let bad = outcome(
        "FROM scratch\nADD --checksum=11234567 https://h.test/r.git#v1 /\n",
        &case,
        &World::default(),
    );
    assert_eq!(kinds(&bad), [(Kind::Conflict, 2)]);
}

#[test]
fn an_expected_commit_is_never_ignored() {
    let case = || Case {
        policy: ACCEPT,
        lock: "version = 1\n",
        ..Case::default()
    };
    let add = |words: &str| {
        outcome(
            &format!("FROM scratch\nADD {words} /\n"),
            &case(),
            &World::default(),
        )
    };
    for good in [
        "https://h.test/r.git?tag=v1&commit=01234567",
        "--checksum=01234567 https://h.test/r.git#v1",
        &format!("--checksum={COMMIT} https://h.test/r.git#v1"),
    ] {
        assert_eq!(kinds(&add(good)), [], "{good}");
    }
    for bad in [
        "https://h.test/r.git?tag=v1&commit=11234567",
        "--checksum=11234567 https://h.test/r.git#v1",
    ] {
        assert_eq!(kinds(&add(bad)), [(Kind::Conflict, 2)], "{bad}");
    }
    // The tag's own id is as good; the commit takes its place, because that is what is asked for then.
    let out = add("--checksum=fedcba98 https://h.test/r.git#v1");
    assert_eq!(
        text(&out),
        format!("FROM scratch\nADD --checksum={COMMIT} https://h.test/r.git#{COMMIT} /\n")
    );
}

#[test]
fn a_reference_of_this_moment_stays_where_the_daemon_compares_commits() {
    let case = Case {
        policy: ACCEPT,
        lock: "version = 1\n",
        checks_git: true,
        ..Case::default()
    };
    let out = outcome(
        "FROM scratch\nADD --keep-git-dir https://h.test/r.git#v1 /\n",
        &case,
        &World::default(),
    );
    assert_eq!(
        text(&out),
        format!("FROM scratch\nADD --checksum={COMMIT} --keep-git-dir https://h.test/r.git#v1 /\n")
    );
}

#[test]
fn triggers_of_a_base_are_read_and_what_they_fetch_is_judged() {
    let trigger = |text: &str| World {
        onbuild: BTreeMap::from([("docker.io/library/base".to_owned(), vec![text.to_owned()])]),
        ..World::default()
    };
    let case = || Case {
        policy: ACCEPT,
        lock: "version = 1\n",
        ..Case::default()
    };
    for (text, expected) in [
        ("COPY . /app", vec![]),
        ("ADD https://h.test/f /", vec![(Kind::Unpinnable, 1)]),
        ("ADD https://h.test/r.git /", vec![(Kind::Unpinnable, 1)]),
        ("COPY --from=missing /x /", vec![(Kind::Unpinned, 1)]),
        ("COPY --from=debian /x /", vec![]),
        ("RUN --network=host true", vec![(Kind::Run, 1)]),
    ] {
        assert_eq!(
            kinds(&outcome("FROM base\n", &case(), &trigger(text))),
            expected,
            "{text}"
        );
    }
    let out = outcome("FROM base\nRUN x\n", &case(), &trigger("RUN y"));
    assert_eq!(kinds(&out), []);
    assert!(
        out.platforms[0].force_no_network,
        "a trigger's network can only be taken away by an option"
    );
    let policy = format!(
        "{ACCEPT}[[run]]\nmatch = \"x\"\nnetwork = \"allow\"\nreason = \"r\"\nuntil = 2030-01-01\n"
    );
    let mixed = Case {
        policy: &policy,
        lock: "version = 1\n",
        ..Case::default()
    };
    assert_eq!(
        kinds(&outcome("FROM base\nRUN x\n", &mixed, &trigger("RUN y"))),
        [(Kind::Run, 1)]
    );
}

#[test]
fn variables_of_the_base_decide_what_add_fetches() {
    let world = World {
        env: BTreeMap::from([(
            "docker.io/library/base".to_owned(),
            vec!["URL=https://h.test/x".to_owned()],
        )]),
        ..World::default()
    };
    let case = Case {
        policy: ACCEPT,
        lock: "version = 1\n",
        ..Case::default()
    };
    let out = outcome("FROM base\nADD $URL /\n", &case, &world);
    assert!(text(&out).contains(&format!(
        "ADD --checksum={} $URL /",
        digest_of("https://h.test/x")
    )));
}

#[test]
fn named_contexts_are_judged_as_what_they_are() {
    let policy = "version = 1\n[[image]]\nmatch = \"docker.io/library/good\"\naccept = \"digest\"\nreason = \"r\"\nuntil = 2030-01-01\n";
    let with = |contexts: &[(&str, &str)], file: &str| {
        outcome(
            file,
            &Case {
                policy,
                lock: "version = 1\n",
                contexts,
                ..Case::default()
            },
            &World::default(),
        )
    };
    let out = with(&[("base", "docker-image://good")], "FROM base\n");
    assert_eq!(kinds(&out), []);
    assert_eq!(
        text(&out),
        "FROM base\n",
        "a digest here would take the context away"
    );
    let pinned = &out.platforms[0].contexts["base"];
    assert_eq!(
        *pinned,
        format!(
            "docker-image://docker.io/library/good:latest@{}",
            digest_of("docker.io/library/good")
        )
    );
    for (contexts, file) in [
        // Each of the ways in which a context gets between the file and an image.
        (&[("good", "docker-image://evil")][..], "FROM good\n"),
        (
            &[("stage", "docker-image://evil")],
            "FROM good AS stage\nFROM stage\n",
        ),
        (
            &[("good", "docker-image://evil")],
            "FROM scratch\nCOPY --from=good /x /\n",
        ),
        (
            &[("good", "docker-image://evil")],
            "FROM scratch\nRUN --mount=from=good,target=/m true\n",
        ),
        (
            &[("good::linux/amd64", "docker-image://evil")],
            "FROM good\n",
        ),
        (&[("other", "local:other")], "FROM other\n"),
        (&[("good", "https://h.test/x.git")], "FROM good\n"),
        (
            &[(
                "good",
                "oci-layout://store@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            )],
            "FROM good\n",
        ),
        (&[("good", "weird:thing")], "FROM good\n"),
    ] {
        assert_eq!(
            with(contexts, file).findings.len(),
            1,
            "{contexts:?} {file}: {:?}",
            with(contexts, file).findings
        );
    }
    assert_eq!(
        kinds(&with(
            &[("src", "local:src")],
            "FROM scratch\nCOPY --from=src /x /\n"
        )),
        []
    );
}

#[test]
fn platforms_may_need_different_pins() {
    let case = Case {
        policy: ACCEPT,
        lock: "version = 1\n",
        platforms: &["linux/amd64", "linux/arm64"],
        ..Case::default()
    };
    let out = outcome(
        "FROM scratch\nARG TARGETARCH\nADD https://h.test/$TARGETARCH /\n",
        &case,
        &World::default(),
    );
    assert_eq!(out.findings, []);
    assert_ne!(
        out.platforms[0].rewritten.bytes,
        out.platforms[1].rewritten.bytes
    );
    let same = outcome("FROM alpine\n", &case, &World::default());
    assert_eq!(same.platforms[0].rewritten, same.platforms[1].rewritten);
}

#[test]
fn each_thing_is_asked_once() {
    let world = World::default();
    let case = Case {
        policy: ACCEPT,
        lock: "version = 1\n",
        ..Case::default()
    };
    outcome(
        "FROM alpine AS a\nFROM alpine\nCOPY --from=a /x /\nADD https://h.test/f /a\nADD https://h.test/f /b\n",
        &case,
        &world,
    );
    let asked = world.asked.borrow();
    let mut distinct = asked.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(asked.len(), distinct.len(), "{asked:?}");
}

#[test]
fn the_text_for_rules_is_what_the_shell_would_run() {
    let text = |words: &[&str]| {
        command_text(
            &words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>(),
        )
    };
    assert_eq!(text(&["/bin/sh", "-c", "make x"]), "make x");
    assert_eq!(
        text(&["/bin/bash", "-o", "pipefail", "-ec", "make x"]),
        "make x"
    );
    assert_eq!(text(&["make", "x"]), "make x");
    assert_eq!(
        text(&["/bin/bash", "-euo", "pipefail", "-c", "make x"]),
        "make x"
    );
    // Each would run something else than its last word says.
    for forged in [
        &["/bin/sh", "-c", "evil", "-c", "make x"][..],
        &["/bin/sh", "-c", "evil", "make x"],
        &["/evil", "-c", "make x"],
        &["/bin/evil/sh", "-c", "make x"],
        &["/bin/sh", "/evil", "-c", "make x"],
        &["/bin/sh", "-s", "-c", "make x"],
        &["/bin/sh", "/C", "make x"],
        &["/bin/sh", "pipefail", "-c", "make x"],
        &["/bin/sh", "-o", "-c", "make x"],
        &["/bin/sh", "-o", "evil", "-c", "make x"],
        &["sh", "-c", "make x"],
        &["cmd", "/C", "make x"],
        &["/bin/bash", "--rcfile", "/evil", "-ic", "make x"],
        &["-c", "make x"],
        &["/bin/sh", "make x"],
    ] {
        assert_eq!(text(forged), forged.join(" "));
    }
    for script in [
        &["/bin/sh", "-c", "/dev/pipes/EOF"][..],
        &["/dev/pipes/EOF"],
        &["/bin/sh", "-c", "/dev/pipes/EOF", "x"],
    ] {
        assert_eq!(
            text(script),
            "\u{0}",
            "a script is named by no rule but `*`"
        );
    }
}

#[test]
fn only_a_rule_for_everything_allows_a_script() {
    let rule = |pattern: &str| {
        format!(
            "{ACCEPT}[[run]]\nmatch = \"{pattern}\"\nnetwork = \"host\"\nreason = \"r\"\nuntil = 2030-01-01\n"
        )
    };
    let file = "FROM a\nRUN --network=host <<EOF\n#!/bin/sh\ntrue\nEOF\n";
    let out = |pattern: &str| {
        let policy = rule(pattern);
        outcome(
            file,
            &Case {
                policy: &policy,
                lock: "version = 1\n",
                ..Case::default()
            },
            &World::default(),
        )
    };
    assert_eq!(kinds(&out("*")), []);
    for pattern in ["/dev/pipes/EOF", "/dev/pipes/*", "/*", "*EOF"] {
        assert_eq!(kinds(&out(pattern)), [(Kind::Run, 2)], "{pattern}");
    }
    assert!(
        out("/*").findings[0].next.contains("#!"),
        "{:?}",
        out("/*").findings
    );
}

#[test]
fn what_the_client_hands_in_does_not_stand_in_for_a_signed_image() {
    let policy = "version = 1\n[keys.k]\ncosign = \"testdata/cosign/KEY\"\n[[image]]\nmatch = \"docker.io/library/good\"\nsigned-by = [\"k\"]\n";
    let key = std::fs::read_dir("testdata/cosign")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .find(|name| name.ends_with(".pub"))
        .unwrap();
    let policy = policy.replace("KEY", &key);
    let with = |value: &'static str| {
        let contexts = [("good", value)];
        let case = Case {
            policy: &policy,
            lock: "version = 1\n",
            contexts: &contexts,
            ..Case::default()
        };
        outcome("FROM good\n", &case, &World::default())
    };
    for value in ["local:x", "input:x", "docker-image://scratch"] {
        assert_eq!(kinds(&with(value)), [(Kind::Context, 1)], "{value}");
    }
}

#[test]
fn a_file_that_fetches_without_end_is_refused_before_anybody_is_asked() {
    let mut file = "FROM scratch\n".to_owned();
    for number in 0..=MAX_FETCHES {
        file.push_str(&format!("ADD https://h.test/{number} /\n"));
    }
    let world = World::default();
    let out = outcome(
        &file,
        &Case {
            policy: ACCEPT,
            lock: "version = 1\n",
            ..Case::default()
        },
        &world,
    );
    assert_eq!(kinds(&out), [(Kind::Unsupported, 0)]);
    assert_eq!(*world.asked.borrow(), Vec::<String>::new());
}

#[test]
fn a_file_that_the_stock_frontend_could_not_convert_is_refused() {
    for (file, line) in [
        ("FROM scratch\n".repeat(MAX_STAGES + 2), MAX_STAGES + 1),
        (
            format!("FROM scratch\n{}", "ENV a=b\n".repeat(MAX_INSTRUCTIONS)),
            MAX_INSTRUCTIONS + 1,
        ),
        (heredoc(MAX_LINES), 0),
    ] {
        let out = outcome(
            &file,
            &Case {
                policy: ACCEPT,
                lock: "version = 1\n",
                ..Case::default()
            },
            &World::default(),
        );
        let line = u32::try_from(line).unwrap();
        assert_eq!(kinds(&out), [(Kind::Unsupported, line)]);
    }
    assert_eq!(kinds(&accepting(&"FROM scratch\n".repeat(MAX_STAGES))), []);
    assert_eq!(kinds(&accepting(&heredoc(MAX_LINES - 3))), []);
}

fn heredoc(lines: usize) -> String {
    format!("FROM scratch\nCOPY <<E /x\n{}E\n", "x\n".repeat(lines))
}

#[test]
fn a_mistyped_stage_is_told() {
    let next = |file: &str| {
        let case = Case {
            policy: "version = 1\n",
            lock: "version = 1\n",
            ..Case::default()
        };
        let out = outcome(file, &case, &World::default());
        let nexts: Vec<String> = out.findings.into_iter().map(|found| found.next).collect();
        nexts.join("\n")
    };
    let told = "if the stage build is meant, write that; else ";
    assert!(next("FROM scratch AS build\nFROM bulid\n").starts_with(told));
    assert!(next("FROM scratch AS build\nFROM scratch\nCOPY --from=buil / /\n").starts_with(told));
    let other = next("FROM scratch AS build\nFROM debian\n");
    assert!(!other.is_empty() && !other.contains("the stage"), "{other}");
}
