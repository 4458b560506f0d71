//! The proxy on loopback: plain requests, and CONNECT with certificates of the step's own authority.

use std::{
    convert::Infallible,
    future::pending,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Either, Full, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::Incoming,
    header,
    server::conn::http1,
    service::service_fn,
    upgrade::{Parts, Upgraded},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, copy_bidirectional},
    net::{TcpListener, TcpStream},
    select,
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    answer::Answer,
    certificate::Authority,
    refusals::Refusals,
    stored::{Stored, Straight},
    url::{Url, is_local},
};

/// The body of a response: from a file, or in parts as they come.
pub type Body = Either<Stored, UnsyncBoxBody<Bytes, io::Error>>;

/// The most connections at a time; others wait.
const MAX_CONNECTIONS: usize = 512;
/// How many may wait. What is more is not even accepted, and waits for the kernel to try again.
const WAITING: i32 = 4096;
/// How long the client of a tunnel may be silent at first. Whoever waits for the server to speak first speaks no HTTP.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the head of a request may take, and how long a connection stays that nothing is asked on.
const IDLE: Duration = Duration::from_secs(300);
/// How often it is looked whether connections have ended, and how many times at most when the command has.
const SETTLE: Duration = Duration::from_millis(1);
const SETTLE_ROUNDS: usize = 1000;
/// How much is read at once of what a tunnel's client says first.
const FIRST: usize = 4 << 10;
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
    /// How many connections are not at their end.
    pub open: AtomicUsize,
}

impl Shared {
    /// Waits until what the command's processes sent is looked at, also if they did not wait for an answer: their connections end
    /// with them. Those of processes that live on are not waited for much longer.
    pub async fn settle(&self) {
        for _ in 0..SETTLE_ROUNDS {
            // Meanwhile what waits is accepted, and names are answered.
            tokio::time::sleep(SETTLE).await;
            if self.open.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }
}

/// A connection, from its start to its end.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves until the process ends.
pub async fn listen(listener: TcpListener, kind: Kind, shared: Arc<Shared>) {
    // It listens already, for as many as the library thinks fit.
    let _ = rustix::net::listen(&listener, WAITING);
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
        let (shared, open) = (Arc::clone(&shared), Open::new(&shared));
        tokio::spawn(async move {
            // It only delays small answers.
            let _ = stream.set_nodelay(true);
            match kind {
                Kind::Proxy => {
                    connection(stream.into(), To::Named, shared).await;
                }
                Kind::Direct => direct(stream.into(), shared).await,
            }
            drop((permit, open));
        });
    }
}

/// What requests come on.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The socket, if bytes go through it as they are.
    fn socket(&mut self) -> Option<&mut TcpStream>;
}

impl Wire for TcpStream {
    fn socket(&mut self) -> Option<&mut TcpStream> {
        Some(self)
    }
}

impl<S: Wire> Wire for TlsStream<S> {
    fn socket(&mut self) -> Option<&mut TcpStream> {
        None
    }
}

impl Wire for TokioIo<Upgraded> {
    fn socket(&mut self) -> Option<&mut TcpStream> {
        None
    }
}

impl<S: Wire> Wire for Begun<S> {
    fn socket(&mut self) -> Option<&mut TcpStream> {
        self.stream.socket()
    }
}

/// Speaks TLS first. `host`: whom the client asked for, `None` if only its greeting says so.
async fn encrypted<S: Wire>(stream: Begun<S>, host: Option<&str>, shared: Arc<Shared>) {
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
    let asked = Box::pin(connection(stream.into(), to, shared)).await;
    // Some look at the certificate only when they have greeted.
    if host.is_none() && !asked {
        distrusted(name.as_deref(), "it hung up");
    }
}

/// Answers the requests that come on `stream`; whether there was any. What goes wrong on a connection is the client's to tell.
async fn connection<S: Wire>(mut stream: Begun<S>, to: To, shared: Arc<Shared>) -> bool {
    let asked = AtomicBool::new(false);
    let plain = stream.socket().is_some();
    loop {
        // Bodies in files go past the server, straight into the socket: it is taken out of its hands, and given back.
        let (sender, mut receiver) = mpsc::channel::<Straight>(1);
        let service = service_fn(|request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            let (to, shared, sender) = (to.clone(), Arc::clone(&shared), sender.clone());
            let lasts = lasts(&request);
            async move {
                let (parts, body) = request_of(request, &to, shared).await.into_parts();
                match body {
                    Either::Left(body) if plain => {
                        let response = Response::from_parts(parts, body);
                        let _ = sender.send(Straight { response, lasts }).await;
                        pending().await
                    }
                    body => Ok::<_, Infallible>(Response::from_parts(parts, body)),
                }
            }
        });
        let mut connection = http1::Builder::new()
            .half_close(true)
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let straight = select! {
            _ = &mut connection => break,
            straight = receiver.recv() => straight,
        };
        let (Some(straight), Some(parts)) = (straight, connection.into_parts()) else {
            break;
        };
        stream = parts.io.into_inner();
        stream.put_back(parts.read_buf);
        let lasts = straight.lasts;
        let Some(socket) = stream.socket() else {
            break;
        };
        if straight.send(socket).await.is_err() || !lasts {
            break;
        }
    }
    asked.into_inner()
}

/// Whether the client wants to ask more on the same connection. Source: RFC 9112, section 9.3.
fn lasts(request: &Request<Incoming>) -> bool {
    let mut options = request
        .headers()
        .get_all(header::CONNECTION)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    request.version() == Version::HTTP_11
        && !options.any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// Serves a client that takes us for the server.
async fn direct(mut stream: Begun<TcpStream>, shared: Arc<Shared>) {
    // Who says nothing asks for nothing.
    let Ok(Ok(Some(byte))) = timeout(PATIENCE, stream.first_byte()).await else {
        return;
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
    let open = Open::new(&shared);
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else {
            return;
        };
        // Without what wraps it for the server, bytes go the short way.
        match upgraded.downcast::<TokioIo<Begun<TcpStream>>>() {
            Ok(Parts { io, read_buf, .. }) => {
                let mut stream = io.into_inner();
                stream.put_back(read_buf);
                tunnel(stream, &authority, &url, shared).await;
            }
            Err(upgraded) => {
                tunnel(TokioIo::new(upgraded).into(), &authority, &url, shared).await;
            }
        }
        drop(open);
    });
    Response::new(empty())
}

async fn tunnel<S: Wire>(mut stream: Begun<S>, authority: &str, url: &Url, shared: Arc<Shared>) {
    if is_local(url.host()) {
        if let Ok(mut local) = TcpStream::connect((url.host(), url.port())).await {
            // Either end may hang up.
            let _ = copy_bidirectional(&mut stream, &mut local).await;
        }
        return;
    }
    let refuse = |why: &str| {
        let _ = shared.refusals.refuse(&format!("CONNECT {authority}"), why);
    };
    let byte = match timeout(PATIENCE, stream.first_byte()).await {
        Ok(Ok(Some(byte))) => byte,
        // It has gone, without a word.
        Ok(_) => return,
        Err(_) => return refuse("it says nothing, so it speaks neither HTTP nor TLS"),
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

/// A stream of which something was read already.
struct Begun<S> {
    first: Bytes,
    stream: S,
}

impl<S> From<S> for Begun<S> {
    fn from(stream: S) -> Self {
        Self {
            first: Bytes::new(),
            stream,
        }
    }
}

impl<S: AsyncRead + Unpin> Begun<S> {
    /// Gives back what was read and not used; it comes first.
    fn put_back(&mut self, read: Bytes) {
        if self.first.is_empty() {
            self.first = read;
        } else if !read.is_empty() {
            self.first = [read, self.first.split_off(0)].concat().into();
        }
    }

    /// The first byte, which stays; `None` if none comes.
    async fn first_byte(&mut self) -> io::Result<Option<u8>> {
        if self.first.is_empty() {
            let mut buffer = BytesMut::with_capacity(FIRST);
            self.stream.read_buf(&mut buffer).await?;
            self.first = buffer.freeze();
        }
        Ok(self.first.first().copied())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let count = buffer.remaining().min(self.first.len());
        buffer.put_slice(self.first.get(..count).unwrap_or_default());
        self.first.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
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
    let mut response = Response::new(whole(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response
}

/// A body that is there.
pub fn whole(bytes: Bytes) -> Body {
    Either::Right(
        Full::new(bytes)
            .map_err(|never| match never {})
            .boxed_unsync(),
    )
}

/// No body.
pub fn empty() -> Body {
    whole(Bytes::new())
}
