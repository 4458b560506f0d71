//! The proxy on loopback: plain requests, and CONNECT with certificates of the step's own authority.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    answer::Answer,
    certificate::Authority,
    refusals::Refusals,
    url::{Url, is_local},
};

/// The body of a response, in parts as they come.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The most connections at a time; others wait.
const MAX_CONNECTIONS: usize = 512;
/// How long the client of a tunnel may be silent at first. Whoever waits for the server to speak first speaks no HTTP.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is wrong with a client that does not take our certificate.
const DISTRUSTED: &str = "the program that asks does not trust this step's authority, so what it wants is not known; see docs/replay.md";
/// The first byte of a client that wants to speak TLS. Source: RFC 8446, section 5.1.
const TLS_HANDSHAKE: u8 = 0x16;

/// Where requests of a connection go that do not say so themselves.
#[derive(Clone, Debug)]
enum To {
    /// They name their host in each request, as to a proxy.
    Named,
    /// They were asked for this host in a CONNECT, over TLS or not.
    Host(String, bool),
    /// They took us for the server; over TLS or not. The `Host` says which.
    Direct(bool),
}

/// What a listener expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Clients that know of the proxy.
    Proxy,
    /// Clients that take it for the server, over TLS or not.
    Direct,
}

/// What all connections share.
#[derive(Debug)]
pub struct Shared {
    /// Who answers.
    pub answer: Answer,
    /// Who vouches.
    pub authority: Arc<Authority>,
    /// Where is told what is refused.
    pub refusals: Arc<Refusals>,
}

/// Serves until the process ends.
pub async fn listen(listener: TcpListener, kind: Kind, shared: Arc<Shared>) {
    let limit = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&limit).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, or the client has gone: others may come.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // It only delays small answers.
            let _ = stream.set_nodelay(true);
            match kind {
                Kind::Proxy => {
                    connection(stream, To::Named, shared).await;
                }
                Kind::Direct => direct(stream, shared).await,
            }
            drop(permit);
        });
    }
}

/// Speaks TLS first. `host`: whom the client asked for, `None` if only its greeting says so.
async fn encrypted<S>(stream: S, host: Option<&str>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let name = host.map(|host| Url::new(true, host, "/").map(|url| url.host().to_owned()));
    let name = name.transpose().unwrap_or_default();
    let Ok(config) = shared.authority.server(name.as_deref()) else {
        return;
    };
    let refusals = Arc::clone(&shared.refusals);
    let distrusted = |name: Option<&str>, how: &str| {
        let what = format!("https://{}/", name.or(host).unwrap_or("an unnamed host"));
        refusals.tell(&what, &format!("{DISTRUSTED}: {how}"));
    };
    let stream = match TlsAcceptor::from(Arc::new(config)).accept(stream).await {
        Ok(stream) => stream,
        // Whoever hangs up asks for nothing; whoever says why wanted something.
        Err(error) => {
            if error
                .get_ref()
                .is_some_and(|cause| cause.is::<rustls::Error>())
            {
                distrusted(None, &error.to_string());
            }
            return;
        }
    };
    let name = stream.get_ref().1.server_name().map(str::to_owned);
    let to = match host {
        Some(host) => To::Host(host.to_owned(), true),
        None => To::Direct(true),
    };
    let asked = Box::pin(connection(stream, to, shared)).await;
    // Some look at the certificate only when they have greeted.
    if host.is_none() && !asked {
        distrusted(name.as_deref(), "it hung up");
    }
}

/// Serves a connection; whether anything was asked for.
async fn connection<S>(stream: S, to: To, shared: Arc<Shared>) -> bool
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let asked = AtomicBool::new(false);
    let service = service_fn(|request| {
        asked.store(true, Ordering::Relaxed);
        let (to, shared) = (to.clone(), Arc::clone(&shared));
        async move { Ok::<_, Infallible>(request_of(request, &to, shared).await) }
    });
    // What goes wrong on a connection is the client's to tell.
    let _ = http1::Builder::new()
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    asked.into_inner()
}

/// Serves a client that takes us for the server.
async fn direct(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut first = [0];
    // Who says nothing asks for nothing.
    let Ok(Ok(1)) = timeout(PATIENCE, stream.read(&mut first)).await else {
        return;
    };
    let [byte] = first;
    let stream = Peeked {
        first: Some(byte),
        stream,
    };
    if byte == TLS_HANDSHAKE {
        encrypted(stream, None, shared).await;
    } else if byte.is_ascii_uppercase() {
        connection(stream, To::Direct(false), shared).await;
    } else {
        shared
            .refusals
            .tell("a connection to a server", "it speaks neither HTTP nor TLS");
    }
}

async fn request_of(request: Request<Incoming>, to: &To, shared: Arc<Shared>) -> Response<Body> {
    if request.method() == Method::CONNECT {
        return connect(request, shared);
    }
    let uri = request.uri();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let url = match (uri.authority(), to) {
        (Some(_), _) => Url::parse(&uri.to_string()),
        (None, To::Host(host, tls)) => Url::new(*tls, host, path),
        (None, To::Direct(tls)) => Url::new(*tls, host_of(&request), path),
        (None, To::Named) => {
            return text(
                StatusCode::BAD_REQUEST,
                "verified-dockerfile: this is a proxy; a request to it has the whole URL\n",
            );
        }
    };
    let url = match url {
        Ok(url) => url,
        Err(error) => {
            let what = format!("{} {uri}", request.method());
            return shared.refusals.refuse(&what, &error.to_string());
        }
    };
    shared.answer.answer(request, &url).await
}

fn host_of(request: &Request<Incoming>) -> &str {
    let host = request.headers().get(header::HOST);
    host.and_then(|host| host.to_str().ok()).unwrap_or_default()
}

fn connect(request: Request<Incoming>, shared: Arc<Shared>) -> Response<Body> {
    let Some(authority) = request.uri().authority().map(ToString::to_string) else {
        return text(
            StatusCode::BAD_REQUEST,
            "verified-dockerfile: CONNECT to nowhere\n",
        );
    };
    let Ok(url) = Url::new(true, &authority, "/") else {
        return shared
            .refusals
            .refuse(&format!("CONNECT {authority}"), "there is no such host");
    };
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else {
            return;
        };
        tunnel(TokioIo::new(upgraded), &authority, &url, shared).await;
    });
    Response::new(empty())
}

async fn tunnel<S>(mut stream: S, authority: &str, url: &Url, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    if is_local(url.host()) {
        if let Ok(mut local) = TcpStream::connect((url.host(), url.port())).await {
            // Either end may hang up.
            let _ = copy_bidirectional(&mut stream, &mut local).await;
        }
        return;
    }
    let mut first = [0];
    let refuse = |why: &str| {
        let _ = shared.refusals.refuse(&format!("CONNECT {authority}"), why);
    };
    match timeout(PATIENCE, stream.read(&mut first)).await {
        Ok(Ok(1)) => {}
        // It has gone, without a word.
        Ok(_) => return,
        Err(_) => return refuse("it says nothing, so it speaks neither HTTP nor TLS"),
    }
    let [byte] = first;
    let stream = Peeked {
        first: Some(byte),
        stream,
    };
    if byte == TLS_HANDSHAKE {
        encrypted(stream, Some(authority), shared).await;
    } else if byte.is_ascii_uppercase() {
        let to = To::Host(authority.to_owned(), false);
        Box::pin(connection(stream, to, shared)).await;
    } else {
        refuse("it speaks neither HTTP nor TLS");
    }
}

/// A stream whose first byte was read already.
struct Peeked<S> {
    first: Option<u8>,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Peeked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && let Some(byte) = self.first.take()
        {
            buffer.put_slice(&[byte]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Peeked<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A response with a text.
pub fn text(status: StatusCode, text: &str) -> Response<Body> {
    let body = Full::new(Bytes::copy_from_slice(text.as_bytes()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// No body.
pub fn empty() -> Body {
    Full::new(Bytes::new())
        .map_err(|never| match never {})
        .boxed_unsync()
}
