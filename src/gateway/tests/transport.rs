//! The connection itself: what it is made of, its limits, and its end.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use prost::Message;

use super::{
    SOON, a_ref, client, connect,
    daemon::{self, Answer, pinging, reply},
};
use crate::gateway::{Client, Detail, Error, SolveRequest, Source, Status, proto};

#[tokio::test]
async fn details_larger_than_any_default_header_limit_arrive() {
    for size in [150 << 10, 2 << 20] {
        let sent = Status::with_sources(
            "it failed",
            &[Source::dockerfile(
                "Dockerfile",
                &vec![b'#'; size],
                [(1, 1)],
            )],
        );
        let answer = sent.clone();
        let client = client(move |method, _| match method {
            "Solve" => Answer::Error(answer.clone()),
            _ => reply(&proto::EvaluateResponse {}),
        })
        .await;
        let error = client
            .solve(SolveRequest::definition(vec![]), SOON)
            .await
            .unwrap_err();
        assert_eq!(error.status(), Some(&sent));
        // The connection must outlive it: the outcome is still to be returned.
        client.evaluate(&a_ref("r"), SOON).await.unwrap();
    }
}

#[tokio::test]
async fn answers_larger_than_grpcs_default_arrive() {
    for size in [3 << 20, 20 << 20] {
        let client = client(move |_, _| {
            let definition = Some(vec![7; size]);
            let refs = Some(proto::result::Refs::Single(proto::Ref {
                id: "r".to_owned(),
                definition,
            }));
            reply(&proto::SolveResponse {
                result: Some(proto::Result {
                    refs,
                    ..Default::default()
                }),
            })
        })
        .await;
        let result = client
            .solve(SolveRequest::definition(vec![]), SOON)
            .await
            .unwrap();
        let (_, r) = result.all_refs().next().unwrap();
        assert_eq!(r.definition.as_ref().map(Vec::len), Some(size));
    }
}

#[tokio::test]
async fn a_request_that_the_daemon_would_refuse_is_not_sent() {
    let solves = Arc::new(AtomicUsize::new(0));
    for (llb, limit) in [
        (&[][..], 4 << 20),
        (&["file.copy.alwaysreplaceexistingdestpaths"][..], 16 << 20),
    ] {
        let count = Arc::clone(&solves);
        let handler = move |_: &str, _| {
            count.fetch_add(1, Ordering::Relaxed);
            Answer::Error(Status::new("arrived"))
        };
        let client = connect(daemon::start(pinging(&["solve.base"], llb, handler)))
            .await
            .unwrap();
        // Around the definition are its tag and length, and two flags.
        let fits = SolveRequest::definition(vec![0; limit - 16]);
        assert_eq!(
            client.solve(fits, SOON).await.unwrap_err().to_string(),
            "arrived"
        );
        let error = client
            .solve(SolveRequest::definition(vec![0; limit]), SOON)
            .await
            .unwrap_err();
        let Error::TooLarge {
            call: "Solve",
            size,
            limit: named,
        } = error
        else {
            panic!("{error:?}")
        };
        assert!(size > limit);
        assert_eq!(named, limit);
    }
    assert_eq!(solves.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_leaves_the_connection_usable() {
    let client = client(|method, _| match method {
        "Solve" => Answer::Silence,
        _ => reply(&proto::EvaluateResponse {}),
    })
    .await;
    let started = Instant::now();
    let deadline = Duration::from_millis(200);
    let error = client
        .solve(SolveRequest::definition(vec![]), deadline)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Deadline { call: "Solve", after } if after == deadline),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "BuildKit did not answer Solve within 0.2 s"
    );
    assert!(started.elapsed() < SOON);
    client.evaluate(&a_ref("r"), SOON).await.unwrap();
}

#[tokio::test]
async fn a_daemon_that_never_answers_the_first_call_is_an_error() {
    let daemon = daemon::start(|_, _| Answer::Silence);
    let short = Duration::from_millis(200);
    let error = Client::connect_within(daemon.read, daemon.write, short)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Deadline { call: "Ping", .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn nobody_at_the_other_end_is_an_error() {
    let (ends, read, write) = daemon::pipes();
    drop((read, write));
    let error = connect(ends).await.unwrap_err();
    assert!(
        matches!(error, Error::Connection { .. } | Error::Connect(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_end_of_the_connection_ends_the_call_and_there_is_no_other() {
    let client = client(|_, _| Answer::Close).await;
    let error = client.evaluate(&a_ref("r"), SOON).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Connection {
                call: "Evaluate",
                ..
            }
        ),
        "{error:?}"
    );
    // The second finds no connection, and must neither make one nor wait for one.
    let error = client.evaluate(&a_ref("r"), SOON).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Connection {
                call: "Evaluate",
                ..
            }
        ),
        "{error:?}"
    );
    let error = client
        .return_error(Status::new("why"), SOON)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Connection { call: "Return", .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn sockets_do_as_well_as_pipes() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let theirs = tokio::net::UnixStream::from_std(theirs).unwrap();
    tokio::spawn(daemon::serve(
        theirs,
        pinging(&["x"], &[], |_, _| reply(&proto::EvaluateResponse {})),
    ));
    let write = ours.try_clone().unwrap();
    let client = Client::connect_within(OwnedFd::from(ours), OwnedFd::from(write), SOON)
        .await
        .unwrap();
    client.evaluate(&a_ref("r"), SOON).await.unwrap();
}

#[tokio::test]
async fn what_is_no_pipe_or_socket_is_refused_by_name() {
    let null = || {
        OwnedFd::from(
            File::options()
                .read(true)
                .write(true)
                .open("/dev/null")
                .unwrap(),
        )
    };
    let (ends, _read, _write) = daemon::pipes();
    let Error::Connect(error) = Client::connect(null(), ends.write).await.unwrap_err() else {
        panic!()
    };
    assert!(
        error
            .to_string()
            .starts_with("standard input is neither a pipe nor a socket"),
        "{error}"
    );
    let (ends, _read, _write) = daemon::pipes();
    let Error::Connect(error) = Client::connect(ends.read, null()).await.unwrap_err() else {
        panic!()
    };
    assert!(
        error
            .to_string()
            .starts_with("standard output is neither a pipe nor a socket"),
        "{error}"
    );
}

#[tokio::test]
async fn details_of_another_status_than_the_headers_are_not_believed() {
    // Written by hand, because a good daemon cannot do it.
    let other = Status {
        code: 5,
        message: "other".to_owned(),
        details: vec![Detail::vertex("sha256:0")],
    };
    let grpc =
        tonic::Status::with_details(tonic::Code::Unknown, "this", other.encode_to_vec().into());
    let error = Error::from_grpc("Solve", &grpc);
    assert_eq!(error.status(), Some(&Status::new("this")));
    let garbage = tonic::Status::with_details(tonic::Code::Unknown, "this", vec![0xff; 9].into());
    assert_eq!(
        Error::from_grpc("Solve", &garbage).status(),
        Some(&Status::new("this"))
    );
}
