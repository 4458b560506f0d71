//! Graphs that BuildKit's own frontend made, see `testdata/llb/README.md`.

use super::*;
use crate::llb::{
    audit::Demand,
    build::{Git, Graph, Local},
};

macro_rules! stock {
    ($name:literal) => {
        Stock {
            dockerfile: include_bytes!(concat!("../../../../testdata/llb/", $name, ".Dockerfile")),
            definition: include_bytes!(concat!("../../../../testdata/llb/", $name, ".llb")),
        }
    };
}

struct Stock {
    dockerfile: &'static [u8],
    definition: &'static [u8],
}

const ALL: Stock = stock!("all");
/// The oldest BuildKit that is supported (Docker 26), and one between (Docker 28.5).
const OLD: Stock = stock!("all-v0.13");
const OLD_DEMANDS: Stock = stock!("demands-v0.13");
const MIDDLE: Stock = stock!("all-v0.25");
const MIDDLE_DEMANDS: Stock = stock!("demands-v0.25");
const DEMANDS: Stock = stock!("demands");
const GIT: Stock = stock!("git");
const HTTP: Stock = stock!("http");
const IMAGE: Stock = stock!("image");
const PINNED: Stock = stock!("pinned");

impl Stock {
    fn expected(&self) -> Expected {
        let busybox = ImagePin {
            repository: "docker.io/library/busybox".to_owned(),
            digest: digest("busybox"),
        };
        let mut expected = Draft::new().expected;
        expected.images.insert(busybox);
        expected.files = vec![SourceFile {
            filename: "Dockerfile".to_owned(),
            data: self.dockerfile.to_vec(),
        }];
        expected
    }

    fn audit(&self) -> Result<Report, Vec<Escape>> {
        audit(self.definition, &self.expected(), &DenyAll)
    }
}

#[test]
fn a_verified_dockerfile_is_accepted() {
    let report = ALL.audit().unwrap();
    assert_eq!(report.operations, 26);
    let identifiers: Vec<_> = report
        .sources
        .iter()
        .map(|source| source.identifier.as_str())
        .collect();
    for wanted in [
        "docker-image://docker.io/library/busybox@",
        "https://files.example.com/",
        "https://git.example.com/",
        "local://context",
    ] {
        assert!(
            identifiers
                .iter()
                .any(|identifier| identifier.starts_with(wanted)),
            "{wanted}: {identifiers:?}"
        );
    }
    assert_eq!(report.execs.len(), 4);
    assert!(
        report
            .execs
            .iter()
            .all(|exec| exec.demands.is_empty() && exec.proxies && !exec.lines.is_empty())
    );
    assert_eq!(report.execs[3].secrets, ["t", "v"]);
    assert!(IMAGE.audit().is_ok());
}

#[test]
fn another_dockerfile_is_not() {
    let result = audit(ALL.definition, &IMAGE.expected(), &DenyAll);
    assert_refused(
        "another file",
        result,
        EscapeKind::SourceFile,
        "another \"Dockerfile\"",
    );
}

#[test]
fn each_source_is_needed() {
    let with = |change: fn(&mut Expected)| {
        let mut expected = ALL.expected();
        change(&mut expected);
        audit(ALL.definition, &expected, &DenyAll)
    };
    let source = EscapeKind::Source;
    assert_refused(
        "images",
        with(|e| e.images.clear()),
        source,
        "docker.io/library/alpine",
    );
    assert_refused(
        "http",
        with(|e| e.http.clear()),
        source,
        "https://files.example.com/a.tar.gz",
    );
    assert_refused(
        "git",
        with(|e| e.git.clear()),
        source,
        "https://git.example.com/org/repo.git",
    );
    assert_refused(
        "context",
        with(|e| {
            e.locals.remove("context");
        }),
        source,
        "local://context",
    );
    assert_refused(
        "dockerfile",
        with(|e| {
            e.locals.remove("dockerfile");
        }),
        source,
        "local://dockerfile",
    );
    assert_refused(
        "platforms",
        with(|e| e.platforms.clear()),
        EscapeKind::Platform,
        "linux/amd64",
    );
    assert_refused(
        "hosts",
        with(|e| e.extra_hosts.clear()),
        EscapeKind::Environment,
        "db.test",
    );
    assert_refused(
        "proxy",
        with(|e| e.proxy = None),
        EscapeKind::Environment,
        "proxies",
    );
}

#[test]
fn unverified_fetches_are_refused_at_their_lines() {
    // BuildKit adds a digest to every image it resolves; that is not one that was verified.
    let escapes = PINNED.audit().unwrap_err();
    assert_eq!((escapes.len(), escapes[0].kind), (1, EscapeKind::Digest));
    assert_eq!(escapes[0].lines[0].start, 1);
    assert_refused("http", HTTP.audit(), EscapeKind::Digest, "has no checksum");
    assert_refused("git", GIT.audit(), EscapeKind::Digest, "\"main\"");
}

#[test]
fn demands_are_refused_at_their_lines() {
    let escapes = DEMANDS.audit().unwrap_err();
    let mut found: Vec<_> = escapes
        .iter()
        .map(|escape| (escape.lines[0].start, escape.kind))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [2, 3, 4, 5].map(|line| (line, EscapeKind::Exec)));
    let reasons: String = escapes
        .iter()
        .map(|escape| escape.reason.clone() + "\n")
        .collect();
    for words in [
        "cache directory \"/i\"",
        "SSH agent \"k\"",
        "the host's network",
        "all privileges",
        "the network",
    ] {
        assert!(reasons.contains(words), "{words}: {reasons}");
    }
    let cache = Demand::Cache {
        id: "/i".to_owned(),
    };
    assert_eq!(
        serde_json::to_string(&cache).unwrap(),
        "{\"kind\":\"cache\",\"id\":\"/i\"}"
    );
}

/// Not v0.13: it wrote the kind before platform and constraints. That daemon does not write operations again, so
/// that the order only matters for sharing an operation with its frontend.
#[test]
fn our_bytes_are_those_of_go() {
    for stock in [ALL, DEMANDS, GIT, HTTP, IMAGE, PINNED, MIDDLE] {
        let definition = Definition::decode(stock.definition).unwrap();
        for node in &definition.nodes {
            assert_eq!(Node::new(node.op().clone()).bytes(), node.bytes());
        }
        assert_eq!(
            Definition::decode(&definition.encode()).unwrap(),
            definition
        );
    }
}

#[test]
fn our_sources_have_the_ids_of_stock_ones() {
    let definition = Definition::decode(ALL.definition).unwrap();
    let ids: Vec<_> = definition.nodes.iter().map(Node::id).collect();
    let mut graph = Graph::default();
    let checksum = digest("archive");
    graph.image(
        &format!("docker.io/library/alpine:3.20@{}", digest("alpine")),
        &linux("amd64"),
        "",
    );
    graph.http(
        "https://files.example.com/a.tar.gz",
        Some(&checksum),
        "a.tar.gz",
        "",
    );
    let git = Git {
        remote: "https://git.example.com/org/repo.git".to_owned(),
        commit: COMMIT.to_owned(),
        subdir: "sub".to_owned(),
        ..Git::default()
    };
    let git = graph.git(&git, "").unwrap();
    let nodes = graph.clone().finish(&git).nodes;
    for node in &nodes[..3] {
        assert!(ids.contains(&node.id()), "{:?}", node.op());
    }

    let loader = definition.source.unwrap().infos[0]
        .definition
        .clone()
        .unwrap();
    let loader = Definition::decode(&loader.0).unwrap();
    let local = Local {
        name: "dockerfile".to_owned(),
        session: "sid".to_owned(),
        follow_paths: ["Dockerfile", "Dockerfile.dockerignore", "dockerfile"]
            .map(str::to_owned)
            .to_vec(),
        shared_key_hint: "dockerfile".to_owned(),
        no_differ: true,
        ..Local::default()
    };
    let mut graph = Graph::default();
    let output = graph.local(&local, "");
    assert_eq!(graph.finish(&output).nodes[0], loader.nodes[0]);
}

#[test]
fn graphs_of_older_buildkits_are_read_alike() {
    for (all, operations, demands) in [(OLD, 24, OLD_DEMANDS), (MIDDLE, 25, MIDDLE_DEMANDS)] {
        let report = all.audit().unwrap();
        assert_eq!((report.operations, report.execs.len()), (operations, 4));
        let escapes = demands.audit().unwrap_err();
        let mut lines: Vec<_> = escapes
            .iter()
            .map(|escape| (escape.lines[0].start, escape.kind))
            .collect();
        lines.sort_unstable();
        assert_eq!(lines, [2, 3, 4].map(|line| (line, EscapeKind::Exec)));
    }
}

#[test]
fn our_remote_context_is_the_stock_one() {
    let bytes = include_bytes!("../../../../testdata/llb/context.llb");
    let stock = Definition::decode(bytes).unwrap();
    let mut graph = Graph::default();
    let archive = graph.http("https://files.example.com/a.tar.gz", None, "context", "");
    let unpacked = graph.unpack(&archive, "context", "").unwrap();
    let part = graph.subdirectory(&unpacked, "docs/x", "").unwrap();
    assert_eq!(graph.finish(&part).nodes, stock.nodes);
}
