//! What no daemon sends: an error each time, within bounded time and memory, and never a panic.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    SOON, a_ref, client, connect,
    daemon::{self, Answer, framed},
};
use crate::gateway::{Error, SolveRequest, Status};

#[tokio::test]
async fn bytes_that_are_not_http2() {
    for garbage in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        &[0xff; 4096],
        &[0; 4096],
        b"x",
    ] {
        let (ends, mut read, mut write) = daemon::pipes();
        tokio::spawn(async move {
            let mut some = [0; 24];
            read.read_exact(&mut some).await.unwrap();
            write.write_all(garbage).await.unwrap();
        });
        let error = connect(ends).await.unwrap_err();
        assert!(
            matches!(error, Error::Connection { call: "Ping", .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn messages_that_are_not_what_they_should_be() {
    let huge = {
        let mut frame = framed(b"");
        frame[1..5].copy_from_slice(&u32::MAX.to_be_bytes());
        frame
    };
    let cases: [(&str, Answer); 8] = [
        ("no protobuf", Answer::Reply(vec![0xff; 100])),
        ("says 4 GiB", Answer::Body(huge)),
        ("is 65 MiB", Answer::Reply(vec![0; 65 << 20])),
        ("is compressed", Answer::Body(vec![1, 0, 0, 0, 1, 0])),
        ("has half a frame", Answer::Body(vec![0, 0])),
        ("has no message", Answer::Body(Vec::new())),
        ("has no trailers", Answer::NoTrailers(framed(b"\x1a"))),
        ("is no gRPC", Answer::Http(500)),
    ];
    for (name, answer) in cases {
        let answer = std::sync::Mutex::new(Some(answer));
        let client = client(move |_, _| answer.lock().unwrap().take().unwrap()).await;
        let error = client
            .solve(SolveRequest::definition(vec![]), SOON)
            .await
            .expect_err(name);
        assert!(
            matches!(error, Error::Status(_) | Error::Connection { .. }),
            "{name}: {error:?}"
        );
        assert!(!error.to_string().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn trailers_beyond_the_limit() {
    let client = client(|_, _| Answer::Error(Status::new("x".repeat(24 << 20)))).await;
    let error = client.evaluate(&a_ref("r"), SOON).await.unwrap_err();
    assert!(
        matches!(error, Error::Connection { .. }),
        "{}",
        error.to_string().len()
    );
}

#[tokio::test]
async fn strings_that_are_not_utf8() {
    // SolveResponse.result.single.id = "\xff"
    let client = client(|_, _| Answer::Reply(vec![0x1a, 5, 0x1a, 3, 0x0a, 1, 0xff])).await;
    let error = client
        .solve(SolveRequest::definition(vec![]), SOON)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("UTF-8"), "{error}");
}

#[tokio::test]
async fn more_of_a_file_than_was_asked_for() {
    // ReadFileResponse.data = "abc", again and again.
    let client = client(|_, _| Answer::Reply(b"\x0a\x03abc".to_vec())).await;
    let error = client
        .read_file_range(&a_ref("r"), "f", 0, 2, SOON)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "BuildKit's answer to ReadFile cannot be used: more of f than was asked for"
    );
    assert_eq!(
        client
            .read_file_range(&a_ref("r"), "f", 0, 3, SOON)
            .await
            .unwrap(),
        b"abc"
    );
}
