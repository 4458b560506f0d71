//! What the calls send and what they make of the answers.

use std::sync::{Arc, Mutex};

use prost::Message;
use tonic::codegen::Bytes;

use super::{
    SOON, a_ref, client, connect,
    daemon::{self, Answer, Handler, pinging, reply},
};
use crate::gateway::{
    Attestation, Capability, Client, Detail, Error, Platform, Policy, PolicyAction, Ref, Refs,
    ResolveMode, Rule, Selector, Solve, SolveRequest, SourceOp, SourceQuery, Status, Typed,
    WarnRequest, proto,
};

/// A daemon with everything that v0.26 has, which answers `answer` to everything and keeps the requests.
async fn recorded(answer: Vec<u8>) -> (Client, Arc<Mutex<Vec<(String, Bytes)>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&log);
    let handler = move |method: &str, message: Bytes| {
        kept.lock().unwrap().push((method.to_owned(), message));
        Answer::Reply(answer.clone())
    };
    (connect(daemon::start(v26(handler))).await.unwrap(), log)
}

fn v26(handler: impl Handler) -> impl Handler {
    let frontend = ["gateway.exec.secretenv", Capability::SOURCE_META.id];
    pinging(&frontend, &[Capability::SOURCE_META_GIT_HTTP.id], handler)
}

fn sent(log: &Mutex<Vec<(String, Bytes)>>, method: &str) -> Bytes {
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].0, method);
    log[0].1.clone()
}

fn solved(result: proto::Result) -> Vec<u8> {
    proto::SolveResponse {
        result: Some(result),
    }
    .encode_to_vec()
}

fn single(r: Ref) -> Option<proto::result::Refs> {
    Some(proto::result::Refs::Single(r))
}

#[tokio::test]
async fn a_definition_goes_out_as_it_is() {
    let (client, log) = recorded(solved(proto::Result {
        refs: single(a_ref("r")),
        ..Default::default()
    }))
    .await;
    // An unknown field, as a newer BuildKit may have, and an encoding that no encoder would choose.
    let definition = vec![0x0a, 0x81, 0x00, 0x41, 0xf8, 0x3f, 0x01];
    client
        .solve(SolveRequest::definition(definition.clone()), SOON)
        .await
        .unwrap();
    // Field 1 of seven bytes; 5 and 6, the two flags, are true. Nothing else.
    let expected = [&[0x0a, 7][..], &definition, &[0x28, 1, 0x30, 1]].concat();
    assert_eq!(sent(&log, "Solve"), expected);
}

#[tokio::test]
async fn a_nested_frontend_gets_options_inputs_and_policies() {
    let (client, log) = recorded(solved(proto::Result {
        refs: single(Ref::default()),
        ..Default::default()
    }))
    .await;
    let deny = Policy {
        version: 1,
        rules: vec![Rule {
            action: PolicyAction::Deny.into(),
            selector: Some(Selector {
                identifier: "*".to_owned(),
                ..Default::default()
            }),
            updates: None,
        }],
    };
    let request = SolveRequest {
        evaluate: true,
        source_policies: vec![deny.clone()],
        ..SolveRequest::frontend(
            "dockerfile.v0",
            [("cmdline".to_owned(), "a=b\nc".to_owned())].into(),
            [("dockerfile".to_owned(), vec![1, 2])].into(),
        )
    };
    let result = client.solve(request, SOON).await.unwrap();
    assert!(matches!(result.refs, Refs::Single(r) if r.is_scratch()));
    let seen = proto::SolveRequest::decode(sent(&log, "Solve")).unwrap();
    assert_eq!(seen.frontend, "dockerfile.v0");
    assert_eq!(
        seen.definition, None,
        "a definition beside a frontend is an error to the daemon"
    );
    assert_eq!(seen.frontend_opt["cmdline"], "a=b\nc");
    assert_eq!(seen.frontend_inputs["dockerfile"], [1, 2]);
    assert!(seen.evaluate && seen.allow_result_return && seen.allow_result_array_ref);
    assert_eq!(seen.source_policies, [deny]);
}

#[tokio::test]
async fn a_result_without_definitions_is_refused() {
    let bad = [
        (
            "references without definitions",
            proto::result::Refs::LegacySingle("r".to_owned()),
        ),
        (
            "references without definitions",
            proto::result::Refs::LegacyMap(proto::LegacyRefMap::default()),
        ),
        (
            "the result has only one of",
            proto::result::Refs::Single(Ref {
                id: "r".to_owned(),
                definition: None,
            }),
        ),
        ("the result has only one of", {
            proto::result::Refs::Single(Ref {
                id: "r".to_owned(),
                definition: Some(Vec::new()),
            })
        }),
        (
            "the result has only one of",
            proto::result::Refs::Single(Ref {
                definition: Some(vec![1]),
                ..Ref::default()
            }),
        ),
        ("the result for linux/arm64 has only", {
            let refs = [
                ("linux/amd64", a_ref("1")),
                (
                    "linux/arm64",
                    Ref {
                        id: "2".to_owned(),
                        definition: None,
                    },
                ),
            ];
            let refs = refs
                .into_iter()
                .map(|(platform, r)| (platform.to_owned(), r))
                .collect();
            proto::result::Refs::Map(proto::RefMap { refs })
        }),
    ];
    for (reason, refs) in bad {
        let (client, _) = recorded(solved(proto::Result {
            refs: Some(refs),
            ..Default::default()
        }))
        .await;
        let error = client
            .solve(SolveRequest::definition(vec![]), SOON)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
    for (reason, answer) in [
        ("no result", Vec::new()),
        ("no references", solved(proto::Result::default())),
        ("an attestation for p has only", {
            let attestation = Attestation {
                r#ref: Some(Ref {
                    id: "a".to_owned(),
                    definition: None,
                }),
                ..Default::default()
            };
            let attestations = [(
                "p".to_owned(),
                proto::Attestations {
                    attestation: vec![attestation],
                },
            )]
            .into();
            solved(proto::Result {
                refs: single(a_ref("r")),
                attestations,
                ..Default::default()
            })
        }),
    ] {
        let (client, _) = recorded(answer).await;
        let error = client
            .solve(SolveRequest::definition(vec![]), SOON)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
}

#[tokio::test]
async fn an_image_resolves_to_digest_config_and_reference() {
    let hex = "ab".repeat(32);
    let answer = proto::ResolveImageConfigResponse {
        digest: format!("sha256:{hex}"),
        config: b"{}".to_vec(),
        reference: "example.com/a:1".to_owned(),
    };
    let (client, log) = recorded(answer.encode_to_vec()).await;
    let platform = Platform {
        os: "linux".to_owned(),
        architecture: "arm".to_owned(),
        ..Default::default()
    };
    let image = client
        .resolve_image_config(
            "example.com/a:1",
            Some(platform.clone()),
            ResolveMode::Pull,
            "[x] a",
            SOON,
        )
        .await
        .unwrap();
    assert_eq!(image.digest.unwrap().hex(), hex);
    assert_eq!(
        (image.config, image.reference.as_str()),
        (b"{}".to_vec(), "example.com/a:1")
    );
    let seen = proto::ResolveImageConfigRequest::decode(sent(&log, "ResolveImageConfig")).unwrap();
    assert_eq!(
        (seen.resolve_mode.as_str(), seen.log_name.as_str()),
        ("pull", "[x] a")
    );
    assert_eq!(seen.platform, Some(platform));
    assert_eq!(seen.resolver_type, 0);
}

#[tokio::test]
async fn an_image_without_digest_is_seen_and_a_false_digest_refused() {
    let answer = |digest: &str| proto::ResolveImageConfigResponse {
        digest: digest.to_owned(),
        ..Default::default()
    };
    let resolve = async |digest| {
        let (client, _) = recorded(answer(digest).encode_to_vec()).await;
        client
            .resolve_image_config("example.com/a", None, ResolveMode::Local, "", SOON)
            .await
    };
    assert_eq!(resolve("").await.unwrap().digest, None);
    for digest in ["sha256:ab", "md5:00", "latest"] {
        let error = resolve(digest).await.unwrap_err();
        assert!(
            matches!(
                error,
                Error::Answer {
                    call: "ResolveImageConfig",
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

fn query(identifier: &str) -> SourceQuery {
    let source = SourceOp {
        identifier: identifier.to_owned(),
        attrs: [].into(),
    };
    SourceQuery {
        source,
        ..Default::default()
    }
}

#[tokio::test]
async fn sources_resolve_by_kind() {
    let hex = "cd".repeat(32);
    let source = Some(SourceOp {
        identifier: "https://example.com/f".to_owned(),
        attrs: [].into(),
    });
    let http = proto::ResolveSourceHttpResponse {
        checksum: format!("sha256:{hex}"),
        filename: "f".to_owned(),
        last_modified: Some(proto::Timestamp {
            seconds: 1,
            nanos: 2,
        }),
    };
    let answer = proto::ResolveSourceMetaResponse {
        source: source.clone(),
        http: Some(http),
        ..Default::default()
    };
    let (client, log) = recorded(answer.encode_to_vec()).await;
    let meta = client
        .resolve_source_meta(query("https://example.com/f"), SOON)
        .await
        .unwrap();
    let http = meta.http.unwrap();
    assert_eq!(
        (http.checksum.hex(), http.filename.as_str()),
        (hex.as_str(), "f")
    );
    assert!(meta.image.is_none() && meta.git.is_none());
    let seen = proto::ResolveSourceMetaRequest::decode(sent(&log, "ResolveSourceMeta")).unwrap();
    assert_eq!(seen.source, source);

    let git = proto::ResolveSourceGitResponse {
        checksum: "aa".to_owned(),
        reference: "refs/tags/v1".to_owned(),
        commit_checksum: "bb".to_owned(),
        commit_object: b"tree".to_vec(),
        tag_object: b"object".to_vec(),
    };
    let answer = proto::ResolveSourceMetaResponse {
        source,
        git: Some(git),
        ..Default::default()
    };
    let (client, log) = recorded(answer.encode_to_vec()).await;
    let asked = SourceQuery {
        git_objects: true,
        ..query("git://example.com/r#v1")
    };
    let git = client
        .resolve_source_meta(asked, SOON)
        .await
        .unwrap()
        .git
        .unwrap();
    assert_eq!((git.commit(), git.checksum.as_str()), ("bb", "aa"));
    let seen = proto::ResolveSourceMetaRequest::decode(sent(&log, "ResolveSourceMeta")).unwrap();
    assert_eq!(
        seen.git,
        Some(proto::ResolveSourceGitRequest {
            return_object: true
        })
    );
}

#[tokio::test]
async fn a_source_that_is_only_repeated_is_not_resolved() {
    let source = Some(SourceOp {
        identifier: "https://example.com/f".to_owned(),
        attrs: [].into(),
    });
    for source in [source, None] {
        let answer = proto::ResolveSourceMetaResponse {
            source,
            ..Default::default()
        };
        let (client, _) = recorded(answer.encode_to_vec()).await;
        let error = client
            .resolve_source_meta(query("https://example.com/f"), SOON)
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                Error::Answer {
                    call: "ResolveSourceMeta",
                    ..
                }
            ),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_daemon_that_cannot_resolve_a_source_is_not_asked() {
    let never = |_: &str, _| panic!("was asked");
    for (caps, identifier, version) in [
        (
            &["gateway.exec.secretenv"][..],
            "docker-image://example.com/a",
            "v0.13",
        ),
        (
            &[Capability::SOURCE_META.id][..],
            "https://example.com/f",
            "v0.26",
        ),
        (
            &[Capability::SOURCE_META.id][..],
            "git://example.com/r",
            "v0.26",
        ),
    ] {
        let client = connect(daemon::start(pinging(caps, &["source.http"], never)))
            .await
            .unwrap();
        let error = client
            .resolve_source_meta(query(identifier), SOON)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
        assert!(error.to_string().contains(version), "{error}");
    }
}

/// Serves the file `f` of `size` bytes, whose bytes tell their place.
fn file(size: usize) -> impl Handler {
    move |_: &str, message: Bytes| {
        let request = proto::ReadFileRequest::decode(message).unwrap();
        if request.path != "f" {
            return Answer::Error(Status::new(format!(
                "open {}: no such file or directory",
                request.path
            )));
        }
        let range = request.range.unwrap();
        let start = usize::try_from(range.offset).unwrap().min(size);
        let end = (start + usize::try_from(range.length).unwrap()).min(size);
        let data = (start..end)
            .map(|i| u8::try_from(i % 251).unwrap())
            .collect();
        reply(&proto::ReadFileResponse { data })
    }
}

#[tokio::test]
async fn files_are_read_whole_in_parts() {
    const PART: usize = 2 << 20;
    for size in [0, 1, PART - 1, PART, PART + 1, 3 * PART, 5 * PART + 7] {
        let client = client(file(size)).await;
        let data = client
            .read_file(&a_ref("r"), "f", size, SOON)
            .await
            .unwrap();
        assert_eq!(data.len(), size);
        assert!(
            data.iter()
                .enumerate()
                .all(|(i, &byte)| usize::from(byte) == i % 251)
        );
        if size > 0 {
            let error = client
                .read_file(&a_ref("r"), "f", size - 1, SOON)
                .await
                .unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("f is larger than {} bytes", size - 1)
            );
        }
    }
}

#[tokio::test]
async fn a_missing_file_is_told_from_other_errors() {
    let client = client(file(3)).await;
    let error = client
        .read_file(&a_ref("r"), "g", 10, SOON)
        .await
        .unwrap_err();
    assert!(error.is_no_such_file());
    let error = client
        .read_file(&a_ref("r"), "f", 1, SOON)
        .await
        .unwrap_err();
    assert!(!error.is_no_such_file());
    let says = |message: &str| Error::Status(Status::new(message)).is_no_such_file();
    assert!(
        says("open a b: no such file or directory") && says("lstat a: no such file or directory")
    );
    assert!(!says("no such ref: x"));
    assert!(!says(
        "failed to start: exec /bin/sh: no such file or directory"
    ));
    assert!(!says("open a: not a directory"));
}

#[tokio::test]
async fn directories_and_single_paths_are_described() {
    let stat = proto::Stat {
        path: "f".to_owned(),
        mode: 0o644,
        size: 3,
        ..Default::default()
    };
    let answer = proto::ReadDirResponse {
        entries: vec![stat.clone()],
    };
    let (client, log) = recorded(answer.encode_to_vec()).await;
    assert_eq!(
        client
            .read_dir(&a_ref("r"), "/d", "f*", SOON)
            .await
            .unwrap(),
        std::slice::from_ref(&stat)
    );
    let seen = proto::ReadDirRequest::decode(sent(&log, "ReadDir")).unwrap();
    assert_eq!(
        (
            seen.r#ref.as_str(),
            seen.path.as_str(),
            seen.include_pattern.as_str()
        ),
        ("r", "/d", "f*")
    );

    let (client, _) = recorded(
        proto::StatFileResponse {
            stat: Some(stat.clone()),
        }
        .encode_to_vec(),
    )
    .await;
    assert_eq!(
        client.stat_file(&a_ref("r"), "f", SOON).await.unwrap(),
        stat
    );
    let (client, _) = recorded(Vec::new()).await;
    let error = client.stat_file(&a_ref("r"), "f", SOON).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Answer {
                call: "StatFile",
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn inputs_come_as_they_are() {
    // InputsResponse.definitions["context"] = seven bytes that no encoder would choose.
    let definition = [0x0a, 0x81, 0x00, 0x41, 0xf8, 0x3f, 0x01];
    let entry = [&[0x0a, 7][..], b"context", &[0x12, 7], &definition].concat();
    let answer = [&[0x0a, u8::try_from(entry.len()).unwrap()][..], &entry].concat();
    let (client, _) = recorded(answer).await;
    assert_eq!(
        client.inputs(SOON).await.unwrap(),
        [("context".to_owned(), definition.to_vec())].into()
    );
}

#[tokio::test]
async fn an_evaluation_fails_with_all_the_details_of_the_step() {
    let unknown = Detail {
        type_url: "example.com/unknown".to_owned(),
        value: vec![0xff, 0],
    };
    let solve = Detail {
        type_url: "github.com/moby/buildkit/errdefs.Solve+json".to_owned(),
        value: br#"{"inputIDs":["x"],"op":{"exec":{}},"description":{"llb.customname":"[2/2] RUN false"}}"#.to_vec(),
    };
    let details = vec![unknown.clone(), Detail::vertex("sha256:00"), solve];
    let sent = Status {
        details,
        ..Status::new("process did not complete")
    };
    let answer = sent.clone();
    let client = client(move |_, _| Answer::Error(answer.clone())).await;
    let error = client.evaluate(&a_ref("r"), SOON).await.unwrap_err();
    assert_eq!(error.status(), Some(&sent));
    let details = error.into_status().details;
    assert_eq!(details[0], unknown);
    assert_eq!(details[0].typed(), Typed::Unknown);
    assert!(matches!(details[1].typed(), Typed::Vertex(vertex) if vertex.digest == "sha256:00"));
    let Typed::Solve(Solve { description, .. }) = details[2].typed() else {
        panic!()
    };
    assert_eq!(description["llb.customname"], "[2/2] RUN false");
    // The empty file system has nothing to evaluate, and the daemon would not know it.
    client.evaluate(&Ref::default(), SOON).await.unwrap();
}

#[tokio::test]
async fn a_warning_names_file_and_lines() {
    let (client, log) = recorded(Vec::new()).await;
    let source = crate::gateway::Source::dockerfile("Dockerfile", b"FROM a\n", [(1, 1)]);
    let warning = WarnRequest {
        digest: "sha256:00".to_owned(),
        level: 1,
        short: b"short".to_vec(),
        info: Some(source.info),
        ranges: source.ranges,
        ..Default::default()
    };
    client.warn(warning.clone(), SOON).await.unwrap();
    assert_eq!(
        proto::WarnRequest::decode(sent(&log, "Warn")).unwrap(),
        warning
    );
}
