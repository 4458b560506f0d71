use std::collections::BTreeSet;

use super::*;
use crate::{
    digest::Digest,
    llb::{
        audit::{DenyAll, Expected, GitPin, HttpPin, ImagePin, SourceFile, audit},
        ops::{Action, Location, Locations, NetMode, Platform, Position, Range, SourceInfo},
        wire::Bytes,
    },
};

fn linux() -> Platform {
    Platform {
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        ..Platform::default()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// One of each source, collected, given to a command.
fn whole() -> Definition {
    let mut graph = Graph::default();
    let checksum = Digest::sha256(b"archive");
    let reference = format!(
        "docker.io/library/alpine:3.20@{}",
        Digest::sha256(b"alpine")
    );
    let image = graph.image(&reference, &linux(), "image");
    let local = Local {
        name: "context".to_owned(),
        session: "sid".to_owned(),
        follow_paths: vec!["a".to_owned()],
        exclude_patterns: vec!["*.log".to_owned()],
        shared_key_hint: "context".to_owned(),
        no_differ: true,
    };
    let local = graph.local(&local, "context");
    let http = graph.http(
        "https://files.example.com/a.tar.gz",
        Some(&checksum),
        "context",
        "archive",
    );
    let unpacked = graph.unpack(&http, "context", "unpack").unwrap();
    let git = Git {
        remote: "git@git.example.com:org/repo.git".to_owned(),
        reference: None,
        commit: COMMIT.to_owned(),
        subdir: "sub".to_owned(),
        keep_git_dir: true,
        skip_submodules: true,
        known_ssh_hosts: Some("git.example.com ssh-ed25519 AAAA".to_owned()),
    };
    let git = graph.git(&git, "repo").unwrap();
    let part = graph.subdirectory(&git, "docs", "docs").unwrap();
    let evidence = graph
        .files(&[NewFile::new("a/b/sig", b"sig".to_vec())], "evidence")
        .unwrap();
    let files = [
        (part.clone(), "x", "p/x"),
        (unpacked, "y", "y"),
        (part, "z", "z"),
    ];
    let files = files.map(|(output, from, to)| (output, from.to_owned(), to.to_owned()));
    let files = graph.collect(&files, "collect").unwrap();
    let bind = |from: &Output, to: &str| Bind {
        from: Some(from.clone()),
        selector: String::new(),
        to: to.to_owned(),
        readonly: true,
    };
    let command = Command {
        env: vec!["A=b".to_owned()],
        binds: vec![
            bind(&local, "/context"),
            bind(&files, "/files"),
            bind(&evidence, "/evidence"),
        ],
        secrets: vec![SecretFile {
            id: "token".to_owned(),
            to: "/run/secrets/token".to_owned(),
            optional: true,
        }],
        platform: Some(linux()),
        ignore_cache: true,
        ..Command::new(image, vec!["/verify".to_owned()])
    };
    let outputs = graph.exec(&command, "verify");
    let mut definition = graph.finish(&outputs[0]);
    definition.source = Some(Source {
        locations: BTreeMap::new(),
        infos: vec![SourceInfo {
            filename: "Dockerfile".to_owned(),
            ..SourceInfo::default()
        }],
    });
    definition
}

fn expected() -> Expected {
    Expected {
        images: BTreeSet::from([ImagePin {
            repository: "docker.io/library/alpine".to_owned(),
            digest: Digest::sha256(b"alpine"),
        }]),
        http: BTreeMap::from([(
            "https://files.example.com/a.tar.gz".to_owned(),
            vec![HttpPin::from(Digest::sha256(b"archive"))],
        )]),
        git: BTreeMap::from([(
            "git@git.example.com:org/repo.git".to_owned(),
            vec![GitPin {
                subdirs: BTreeSet::from(["sub".to_owned()]),
                ..GitPin::commit(COMMIT)
            }],
        )]),
        locals: BTreeMap::from([("context".to_owned(), BTreeSet::from(["sid".to_owned()]))]),
        files: vec![SourceFile {
            filename: "Dockerfile".to_owned(),
            data: Vec::new(),
        }],
        platforms: BTreeSet::from([linux()]),
        ..Expected::default()
    }
}

#[test]
fn what_is_built_passes_the_audit() {
    let definition = whole();
    let report = audit(&definition.encode(), &expected(), &DenyAll).unwrap();
    assert_eq!((report.sources.len(), report.execs.len()), (4, 1));
    assert_eq!(report.execs[0].secrets, ["token"]);
    assert!(!report.sources[3].submodules);
    for node in &definition.nodes {
        assert!(
            definition.metadata.contains_key(&node.id().to_string()),
            "no metadata"
        );
    }
}

#[test]
fn it_reads_back_as_written() {
    let definition = whole();
    let again = Definition::decode(&definition.encode()).unwrap();
    assert_eq!(again, definition);
    for node in &again.nodes {
        assert_eq!(Node::new(node.op().clone()).bytes(), node.bytes());
    }
}

/// Bytes written down by hand from `ops.proto` and the order of Go: inputs, constraints, then the kind.
#[test]
fn the_bytes_are_those_of_go() {
    let mut graph = Graph::default();
    let output = graph
        .files(&[NewFile::new("a", b"x".to_vec())], "")
        .unwrap();
    let definition = graph.finish(&output);
    // constraints{} (11), file (4) { actions (2) { input -1, secondaryInput -1, mkfile (5) { path, mode, data, timestamp -1 } } }
    let minus_one = "ffffffffffffffffff01";
    let mkfile = format!("0a022f61 10a403 1a0178 28{minus_one}").replace(' ', "");
    assert_eq!(mkfile.len() / 2, 21);
    let action = format!("08{minus_one}10{minus_one}2a15{mkfile}");
    assert_eq!(action.len() / 2, 45);
    assert_eq!(
        hex(definition.nodes[0].bytes()),
        format!("5a00222f122d{action}")
    );
    // The terminal has one input; its index 0 is left out.
    let id = definition.nodes[0].id().to_string();
    assert_eq!(
        hex(definition.nodes[1].bytes()),
        format!("0a490a47{}", hex(id.as_bytes()))
    );
}

#[test]
fn directories_are_made_once() {
    let mut graph = Graph::default();
    let files = ["d/a", "d/b", "e/f/g", "h"].map(|path| NewFile::new(path, Vec::new()));
    let output = graph.files(&files, "files").unwrap();
    let definition = graph.finish(&output);
    let Some(Kind::File(file)) = &definition.nodes[0].op().kind else {
        panic!()
    };
    let paths: Vec<_> = file
        .actions
        .iter()
        .map(|action| match &action.action {
            Some(Action::MkDir(dir)) => dir.path.clone() + "/",
            Some(Action::MkFile(file)) => file.path.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(paths, ["/d/", "/e/f/", "/d/a", "/d/b", "/e/f/g", "/h"]);
    let ends: Vec<_> = file
        .actions
        .iter()
        .map(|action| (action.input, action.output))
        .collect();
    assert_eq!(ends, [(-1, -1), (0, -1), (1, -1), (2, -1), (3, -1), (4, 0)]);
}

#[test]
fn bad_paths_and_remotes_are_refused() {
    let mut graph = Graph::default();
    for path in ["", "/a", "a/", "a//b", "../a", "a/./b", "a/..", "a\0b"] {
        let result = graph.files(&[NewFile::new(path, Vec::new())], "x");
        assert_eq!(result, Err(BuildError::Path(path.to_owned())));
    }
    let twice = [NewFile::new("a", Vec::new()), NewFile::new("a", Vec::new())];
    assert_eq!(
        graph.files(&twice, "x"),
        Err(BuildError::Twice("a".to_owned()))
    );
    assert_eq!(graph.files(&[], "x"), Err(BuildError::Nothing));
    for remote in [
        "",
        "x",
        "ftp://h/p",
        "https:///p",
        "https://h/p?q",
        "https://h/p#f",
        "https://h/../p",
        "h:p",
        "@:p",
    ] {
        let git = Git {
            remote: remote.to_owned(),
            commit: COMMIT.to_owned(),
            ..Git::default()
        };
        assert_eq!(
            graph.git(&git, "x"),
            Err(BuildError::Remote(remote.to_owned())),
            "{remote}"
        );
    }
}

#[test]
fn the_outputs_of_a_command_are_its_writable_binds() {
    let mut graph = Graph::default();
    let root = graph
        .files(&[NewFile::new("x", Vec::new())], "root")
        .unwrap();
    let bind = |to: &str| Bind {
        from: None,
        selector: String::new(),
        to: to.to_owned(),
        readonly: false,
    };
    let command = Command {
        binds: vec![bind("/b"), bind("/a")],
        network: NetMode::Unset,
        ..Command::new(root, vec!["/x".to_owned()])
    };
    let outputs = graph.exec(&command, "run");
    assert_eq!(
        outputs
            .iter()
            .map(|output| output.index)
            .collect::<Vec<_>>(),
        [0, 1]
    );
    let definition = graph.finish(&outputs[1]);
    let Some(Kind::Exec(exec)) = &definition.nodes[1].op().kind else {
        panic!()
    };
    let mounts: Vec<_> = exec
        .mounts
        .iter()
        .map(|mount| (mount.dest.as_str(), mount.input, mount.output))
        .collect();
    assert_eq!(mounts, [("/", 0, -1), ("/a", -1, 0), ("/b", -1, 1)]);
    assert_eq!(exec.network, NetMode::Unset);
}

#[test]
fn imported_graphs_share_operations() {
    let definition = whole();
    let mut graph = Graph::default();
    let first = graph.import(&definition).unwrap();
    let second = graph.import(&definition).unwrap();
    assert_eq!(first, second);
    let again = graph.finish(&first);
    assert_eq!(again.nodes, definition.nodes);
    assert_eq!(again.source, definition.source);
    assert_eq!(again.encode(), definition.encode());
    let none = Definition {
        nodes: definition.nodes[..1].to_vec(),
        ..Definition::default()
    };
    assert_eq!(Graph::default().import(&none), Err(BuildError::NoResult));
    assert_eq!(
        Graph::default().import(&Definition::default()),
        Err(BuildError::NoResult)
    );
}

fn mapped(filename: &str, data: &[u8], id: &str, line: i32) -> Source {
    let position = Some(Position { line, character: 3 });
    let ranges = vec![Range {
        start: position,
        end: None,
    }];
    let info = SourceInfo {
        filename: filename.to_owned(),
        data: Bytes(data.to_vec()),
        definition: Some(Bytes(vec![1])),
        language: "Dockerfile".to_owned(),
    };
    let locations = Locations {
        locations: vec![Location {
            source_index: 0,
            ranges,
        }],
    };
    Source {
        locations: BTreeMap::from([(id.to_owned(), locations)]),
        infos: vec![info],
    }
}

#[test]
fn imported_source_maps_keep_their_files() {
    let definitions = ["a", "b"].map(|name| {
        let mut graph = Graph::default();
        let output = graph
            .files(&[NewFile::new(name, Vec::new())], name)
            .unwrap();
        let mut definition = graph.finish(&output);
        let id = definition.nodes[0].id().to_string();
        definition.source = Some(mapped(name, name.as_bytes(), &id, 7));
        definition
    });
    let mut graph = Graph::default();
    let outputs = definitions
        .each_ref()
        .map(|definition| graph.import(definition).unwrap());
    let source = graph.finish(&outputs[0]).source.unwrap();
    assert_eq!(source.infos.len(), 2);
    for (index, definition) in (0..).zip(&definitions) {
        let id = definition.nodes[0].id().to_string();
        assert_eq!(source.locations[&id].locations[0].source_index, index);
    }
}

#[test]
fn the_source_file_is_replaced_and_nothing_else() {
    let mut definition = whole();
    let id = definition.nodes[0].id().to_string();
    definition.source = Some(mapped("Dockerfile", b"new", &id, 7));
    let file = |data: &[u8]| SourceFile {
        filename: "Dockerfile".to_owned(),
        data: data.to_vec(),
    };
    let before = definition.clone();
    assert_eq!(
        replace_source_file(
            &mut definition,
            &file(b"other"),
            &file(b"old"),
            None,
            &|line| { line }
        ),
        0
    );
    assert_eq!(definition, before);
    assert_eq!(
        replace_source_file(
            &mut definition,
            &file(b"new"),
            &file(b"old"),
            None,
            &|line| line - 2
        ),
        1
    );
    assert_eq!(definition.nodes, before.nodes);
    assert_eq!(definition.metadata, before.metadata);
    let source = definition.source.unwrap();
    assert_eq!(
        (
            source.infos[0].data.0.as_slice(),
            &source.infos[0].definition
        ),
        (b"old".as_slice(), &None)
    );
    let range = &source.locations[&id].locations[0].ranges[0];
    assert_eq!(range.start.as_ref().map(|position| position.line), Some(5));
    assert_eq!(range.end.as_ref().map(|position| position.line), Some(5));
}

#[test]
fn an_upload_is_the_operation_that_buildkit_asks_with() {
    // What Docker 26.1.5 (BuildKit v0.13) and 28.5.2 (v0.25) answer to: source, then empty constraints.
    let mut graph = Graph::default();
    let output = graph.upload("http://buildkit-session/x", "context", "load");
    let definition = graph.finish(&output);
    let bytes = definition.nodes[0].bytes();
    assert!(bytes.ends_with(&[0x5a, 0x00]), "{bytes:02x?}");
    assert_eq!(
        bytes.first(),
        Some(&0x1a),
        "the source comes first: it is field 3"
    );
    let again = Definition::decode(&definition.encode()).unwrap();
    assert_eq!(again.nodes[0].id(), definition.nodes[0].id());
}

#[test]
fn only_the_command_in_that_image_loses_its_network() {
    let digest = Digest::sha256(b"");
    let platform = Platform {
        os: "linux".into(),
        architecture: "amd64".into(),
        ..Platform::default()
    };
    let scanner = format!("r.test/scanner@{digest}");
    let mut graph = Graph::default();
    let root = graph.image(&scanner, &platform, "scanner");
    let other = graph.image(&format!("r.test/base@{digest}"), &platform, "base");
    let run = |root: &Output, name: &str| {
        let mut command = Command::new(root.clone(), vec![name.to_owned()]);
        command.network = NetMode::Unset;
        command
    };
    let base = graph.exec(&run(&other, "base"), "base");
    let mut scan = run(&root, "scan");
    scan.binds.push(Bind {
        from: base.first().cloned(),
        selector: String::new(),
        to: "/scan".into(),
        readonly: true,
    });
    let scanned = graph.exec(&scan, "scan");
    let before = graph.finish(&scanned[0]);
    let mut after = before.clone();
    assert_eq!(isolate(&mut after, &format!("docker-image://{scanner}")), 1);
    let network = |definition: &Definition, argument: &str| {
        definition
            .nodes
            .iter()
            .find_map(|node| match &node.op().kind {
                Some(Kind::Exec(exec))
                    if exec
                        .meta
                        .as_ref()
                        .is_some_and(|meta| meta.args == [argument]) =>
                {
                    Some(exec.network)
                }
                _ => None,
            })
    };
    assert_eq!(network(&after, "scan"), Some(NetMode::None));
    assert_eq!(
        network(&after, "base"),
        Some(NetMode::Unset),
        "another image's command is not ours to change"
    );
    // Still one graph: every input is an operation before it, and every operation has metadata.
    let again = Definition::decode(&after.encode()).unwrap();
    let mut seen = Vec::new();
    for node in &again.nodes {
        assert!(
            node.op()
                .inputs
                .iter()
                .all(|input| seen.contains(&input.digest))
        );
        seen.push(node.id().to_string());
        assert!(again.metadata.contains_key(&node.id().to_string()));
    }
    let mut untouched = before.clone();
    assert_eq!(isolate(&mut untouched, "docker-image://r.test/none"), 0);
    assert_eq!(untouched, before);
}
