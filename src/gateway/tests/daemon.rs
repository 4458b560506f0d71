//! The daemon's end of the connection: HTTP/2 and gRPC framing by hand over real pipes, so that it shares no code with
//! the client and can break every rule.

use std::os::fd::OwnedFd;

use prost::Message;
use tokio::net::unix::pipe;
use tonic::codegen::{Bytes, http};

use crate::gateway::proto::{ApiCap, PongResponse, Status};

/// What the daemon does with a call.
pub enum Answer {
    /// Answers with a message.
    Reply(Vec<u8>),
    /// Answers with an error.
    Error(Status),
    /// Sends these bytes as the body and then the trailers of a success.
    Body(Vec<u8>),
    /// Sends this HTTP status and nothing else.
    Http(u16),
    /// Sends the body but no trailers.
    NoTrailers(Vec<u8>),
    /// Says nothing.
    Silence,
    /// Closes the connection, without an answer.
    Close,
}

pub trait Handler: Fn(&str, Bytes) -> Answer + Send + 'static {}
impl<F: Fn(&str, Bytes) -> Answer + Send + 'static> Handler for F {}

/// The frontend's ends of the pipes.
pub struct Ends {
    pub read: OwnedFd,
    pub write: OwnedFd,
}

/// Two pipes: the frontend's ends, and what the daemon reads from and writes to.
pub fn pipes() -> (Ends, pipe::Receiver, pipe::Sender) {
    let (daemon_read, write) = std::io::pipe().unwrap();
    let (read, daemon_write) = std::io::pipe().unwrap();
    let ends = Ends {
        read: read.into(),
        write: write.into(),
    };
    (
        ends,
        pipe::Receiver::from_owned_fd(daemon_read.into()).unwrap(),
        pipe::Sender::from_owned_fd(daemon_write.into()).unwrap(),
    )
}

pub fn reply(message: &impl Message) -> Answer {
    Answer::Reply(message.encode_to_vec())
}

/// A gRPC message with its five bytes in front.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    frame
}

/// Answers Ping with capabilities, and everything else with `handler`.
pub fn pinging<H: Handler>(frontend: &[&str], llb: &[&str], handler: H) -> impl Handler + use<H> {
    let caps = |ids: &[&str]| {
        ids.iter()
            .map(|id| ApiCap {
                id: (*id).to_owned(),
                enabled: true,
            })
            .collect()
    };
    let pong = PongResponse {
        frontend_caps: caps(frontend),
        llb_caps: caps(llb),
    };
    move |method: &str, message: Bytes| match method {
        "Ping" => reply(&pong),
        _ => handler(method, message),
    }
}

/// Starts a daemon that answers with `handler`.
pub fn start(handler: impl Handler) -> Ends {
    let (ends, read, write) = pipes();
    tokio::spawn(serve(tokio::io::join(read, write), handler));
    ends
}

pub async fn serve<T>(io: T, handler: impl Handler)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(1 << 30)
        .initial_connection_window_size(1 << 30);
    let mut connection = builder.handshake::<_, Bytes>(io).await.unwrap();
    // The body must be read while the connection is driven, so calls are handled in tasks of their own.
    let (calls, mut ready) = tokio::sync::mpsc::unbounded_channel();
    loop {
        tokio::select! {
            call = connection.accept() => {
                let Some(Ok((request, respond))) = call else { return };
                let calls = calls.clone();
                tokio::spawn(async move {
                    let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
                    assert_eq!(request.uri().path(), format!("/moby.buildkit.v1.frontend.LLBBridge/{method}"));
                    let mut body = request.into_body();
                    let mut message = Vec::new();
                    while let Some(Ok(part)) = body.data().await {
                        message.extend_from_slice(&part);
                    }
                    // A call that was cancelled may have no body.
                    let message = message.get(5..).unwrap_or_default().to_vec();
                    let _ = calls.send((method, message, respond));
                });
            }
            Some((method, message, respond)) = ready.recv() => {
                match handler(&method, message.into()) {
                    Answer::Close => return,
                    Answer::Silence => std::mem::forget(respond),
                    answer => respond_with(respond, answer),
                }
            }
        }
    }
}

fn respond_with(mut respond: h2::server::SendResponse<Bytes>, answer: Answer) {
    let head = |status: u16| {
        http::Response::builder()
            .status(status)
            .header("content-type", "application/grpc")
            .body(())
            .unwrap()
    };
    let (body, trailers) = match answer {
        Answer::Http(status) => {
            respond.send_response(head(status), true).unwrap();
            return;
        }
        Answer::Reply(message) => (framed(&message), Some(trailers(&Status::default()))),
        Answer::Error(status) => (Vec::new(), Some(trailers(&status))),
        Answer::Body(body) => (body, Some(trailers(&Status::default()))),
        Answer::NoTrailers(body) => (body, None),
        Answer::Silence | Answer::Close => panic!("no answer"),
    };
    let Ok(mut stream) = respond.send_response(head(200), false) else {
        return;
    };
    stream.send_data(body.into(), trailers.is_none()).unwrap();
    if let Some(trailers) = trailers {
        stream.send_trailers(trailers).unwrap();
    }
}

fn trailers(status: &Status) -> http::HeaderMap {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", status.code.into());
    if status.code != 0 {
        trailers.insert("grpc-message", status.message.parse().unwrap());
        let details = STANDARD_NO_PAD.encode(status.encode_to_vec());
        trailers.insert("grpc-status-details-bin", details.parse().unwrap());
    }
    trailers
}
