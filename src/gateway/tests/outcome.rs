//! Returning: results losslessly, errors always.

use std::sync::{Arc, Mutex};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::Message;
use tonic::codegen::Bytes;

use super::{
    SOON, a_ref, a_result, client,
    daemon::{Answer, reply},
};
use crate::gateway::{
    Attestation, AttestationKind, Detail, Ended, Error, InTotoSubject, Ref, SolveRequest, Source,
    Status, detail::Typed, proto,
};

type Log = Arc<Mutex<Vec<proto::ReturnRequest>>>;

/// A daemon that solves to `result`, and takes an outcome if `takes` says so.
async fn daemon(
    result: proto::Result,
    takes: fn(&proto::ReturnRequest) -> bool,
) -> (crate::gateway::Client, Log) {
    let log = Log::default();
    let kept = Arc::clone(&log);
    let client = client(move |method: &str, message: Bytes| {
        if method == "Solve" {
            return reply(&proto::SolveResponse {
                result: Some(result.clone()),
            });
        }
        let request = proto::ReturnRequest::decode(message).unwrap();
        let taken = takes(&request);
        kept.lock().unwrap().push(request);
        if taken {
            reply(&proto::ReturnResponse {})
        } else {
            Answer::Error(Status::new("no such ref: r"))
        }
    })
    .await;
    (client, log)
}

/// Everything that a result can have.
fn full() -> proto::Result {
    let refs = [("linux/amd64", a_ref("1")), ("linux/arm64", Ref::default())];
    let attestation = |kind: AttestationKind, r| Attestation {
        kind: kind.into(),
        metadata: [("reason".to_owned(), vec![0, 0xff])].into(),
        r#ref: r,
        path: "/sbom.json".to_owned(),
        in_toto_predicate_type: "https://example.com/predicate".to_owned(),
        in_toto_subjects: vec![
            InTotoSubject {
                kind: 1,
                digest: vec!["sha256:00".to_owned()],
                name: "n".to_owned(),
            },
            InTotoSubject::default(),
        ],
    };
    let list = vec![
        attestation(AttestationKind::Bundle, Some(a_ref("2"))),
        attestation(AttestationKind::InToto, None),
    ];
    proto::Result {
        refs: Some(proto::result::Refs::Map(proto::RefMap {
            refs: refs
                .into_iter()
                .map(|(platform, r)| (platform.to_owned(), r))
                .collect(),
        })),
        metadata: [
            ("refs.platforms".to_owned(), b"{}".to_vec()),
            ("binary".to_owned(), vec![0xff, 0]),
        ]
        .into(),
        attestations: [(
            "linux/amd64".to_owned(),
            proto::Attestations { attestation: list },
        )]
        .into(),
    }
}

#[tokio::test]
async fn a_result_goes_back_as_it_came_but_for_definitions() {
    let (client, log) = daemon(full(), |_| true).await;
    let result = client
        .solve(SolveRequest::definition(vec![]), SOON)
        .await
        .unwrap();
    let places: Vec<_> = result
        .all_refs()
        .map(|(place, r)| format!("{place}: {}", r.id))
        .collect();
    assert_eq!(
        places,
        [
            "the result for linux/amd64: 1",
            "the result for linux/arm64: ",
            "an attestation for linux/amd64: 2"
        ]
    );
    let _: Ended = client.return_result(result, SOON).await.unwrap();
    // The daemon takes only identifiers: definitions are up to several times the size of a request.
    let mut expected = full();
    if let Some(proto::result::Refs::Map(map)) = &mut expected.refs {
        // An empty value of a map would be written as none at all, and the daemon would use a nil reference.
        map.refs
            .values_mut()
            .for_each(|r| r.definition = r.is_scratch().then(Vec::new));
    }
    for list in expected.attestations.values_mut() {
        list.attestation
            .iter_mut()
            .filter_map(|a| a.r#ref.as_mut())
            .for_each(|r| r.definition = None);
    }
    assert_eq!(
        *log.lock().unwrap(),
        [proto::ReturnRequest {
            result: Some(expected),
            error: None
        }]
    );
}

#[tokio::test]
async fn a_single_and_an_empty_result_go_back_too() {
    let (client, log) = daemon(full(), |_| true).await;
    let _: Ended = client.return_result(a_result("r"), SOON).await.unwrap();
    let (other, more) = daemon(full(), |_| true).await;
    let answer = [("result.json".to_owned(), b"{}".to_vec())];
    let _: Ended = other
        .return_result(crate::gateway::BuildResult::metadata(answer.into()), SOON)
        .await
        .unwrap();
    for (log, id) in [(log, "r"), (more, "")] {
        let log = log.lock().unwrap();
        // The daemon dereferences the result: it must be there even if it is empty.
        let refs = log[0].result.as_ref().unwrap().refs.clone();
        assert_eq!(
            refs,
            Some(proto::result::Refs::Single(Ref {
                id: id.to_owned(),
                definition: None
            }))
        );
    }
}

#[tokio::test]
async fn a_result_that_is_refused_becomes_the_error() {
    let (client, log) = daemon(full(), |request| request.error.is_some()).await;
    let _: Ended = client.return_result(a_result("r"), SOON).await.unwrap();
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 2);
    assert_eq!(
        log[1],
        proto::ReturnRequest {
            result: None,
            error: Some(Status::new("no such ref: r"))
        }
    );
}

#[tokio::test]
async fn a_result_that_is_too_large_becomes_the_error() {
    let (client, log) = daemon(full(), |_| true).await;
    let mut result = a_result("r");
    result.metadata.insert("large".to_owned(), vec![0; 5 << 20]);
    let _: Ended = client.return_result(result, SOON).await.unwrap();
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 1);
    let message = &log[0].error.as_ref().unwrap().message;
    assert!(
        message.starts_with("the request Return has 52429"),
        "{message}"
    );
}

#[tokio::test]
async fn an_error_goes_out_as_it_is() {
    let (client, log) = daemon(full(), |_| true).await;
    let unknown = Detail {
        type_url: "example.com/x".to_owned(),
        value: vec![0xff],
    };
    let status = Status {
        code: 5,
        message: "m".to_owned(),
        details: vec![unknown, Detail::subrequest("frontend.x")],
    };
    let _: Ended = client.return_error(status.clone(), SOON).await.unwrap();
    assert_eq!(
        *log.lock().unwrap(),
        [proto::ReturnRequest {
            result: None,
            error: Some(status)
        }]
    );
}

#[tokio::test]
async fn an_error_always_fits() {
    let lines = format!("{}\n", "#".repeat(4000)).repeat(2000);
    let big = Source::dockerfile("Dockerfile", lines.as_bytes(), [(1, 2000)]);
    let small = Source::dockerfile("Dockerfile", b"FROM a\n", [(1, 1)]);
    let vertex = Detail::vertex("sha256:00");
    let mut status = Status::with_sources("refused", &[big, small.clone()]);
    status.details.push(vertex.clone());
    let (client, log) = daemon(full(), |_| true).await;
    let _: Ended = client.return_error(status, SOON).await.unwrap();
    let sent = log.lock().unwrap()[0].error.clone().unwrap();
    assert_eq!(
        sent.details,
        [small.to_detail(), vertex],
        "only what doesn't fit is left out"
    );
    assert_eq!(sent.message, "refused");

    // As the stock frontend refuses a long line.
    let whole = serde_json::json!({
        "info": { "filename": "Dockerfile", "data": STANDARD.encode("#".repeat(2 << 20)) },
        "ranges": [{ "start": { "line": 1 }, "end": { "line": 1 } }],
    });
    let mut status = Status::new("refused");
    status.details.push(Detail {
        type_url: small.to_detail().type_url,
        value: whole.to_string().into_bytes(),
    });
    let (client, log) = daemon(full(), |_| true).await;
    let _: Ended = client.return_error(status, SOON).await.unwrap();
    let sent = log.lock().unwrap()[0].error.clone().unwrap();
    assert!(sent.details[0].value.len() < 10_000);
    assert!(matches!(sent.details[0].typed(), Typed::Source(_)));

    let (client, log) = daemon(full(), |_| true).await;
    let _: Ended = client
        .return_error(Status::new("é".repeat(3 << 20)), SOON)
        .await
        .unwrap();
    let message = log.lock().unwrap()[0].error.clone().unwrap().message;
    assert!(message.len() > (4 << 20) - 1024 && message.chars().all(|c| c == 'é'));
}

#[tokio::test]
async fn an_outcome_that_nobody_takes_is_an_error() {
    let (client, _) = daemon(full(), |_| false).await;
    let error = client.return_result(a_result("r"), SOON).await.unwrap_err();
    assert!(matches!(error, Error::Status(_)), "{error:?}");
}

#[tokio::test]
async fn an_error_is_never_a_success() {
    let (client, log) = daemon(full(), |_| true).await;
    let status = Status {
        code: 0,
        ..Status::new("why")
    };
    let _: Ended = client.return_error(status, SOON).await.unwrap();
    assert_eq!(
        log.lock().unwrap()[0].error,
        Some(Status {
            code: 2,
            ..Status::new("why")
        })
    );
}

#[tokio::test]
async fn many_details_are_no_trouble() {
    let (client, log) = daemon(full(), |_| true).await;
    let detail = Detail {
        type_url: "example.com/x".to_owned(),
        value: vec![0],
    };
    let status = Status {
        details: vec![detail; 300_000],
        ..Status::new("why")
    };
    let _: Ended = client.return_error(status, SOON).await.unwrap();
    let details = log.lock().unwrap()[0].error.clone().unwrap().details.len();
    assert!((100_000..300_000).contains(&details), "{details}");
}
