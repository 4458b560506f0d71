//! The way out of a step that is recorded: to the server itself, or through the proxy that the build gives to its steps.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, Uri, body::Incoming, rt};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    bodies::CHUNK,
    environment::Variables,
    names::HOME,
    resolver::Resolver,
    url::{Url, UrlError},
};

/// How long a server may take to take a connection. How long it takes to answer is the step's business.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest answer of a proxy to a CONNECT, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Servers outside.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: Client<Connect, Full<Bytes>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Proxies or authorities of the step cannot be used.
    #[error("{0}")]
    Settings(String),
    /// No connection, or no answer over it.
    #[error("{0}")]
    Failed(String),
}

impl Upstream {
    /// Trusts the public authorities, and those in `authorities` (PEM), as the step's own tools do. `own` are the step's
    /// variables, which may name proxies; `resolver` knows where servers are.
    ///
    /// # Errors
    /// [`UpstreamError::Settings`].
    pub fn new(
        authorities: &str,
        own: &Variables,
        resolver: Arc<Resolver>,
    ) -> Result<Self, UpstreamError> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        // Single entries of an image's list may be of a kind that is not known here.
        let found = CertificateDer::pem_slice_iter(authorities.as_bytes()).flatten();
        roots.add_parsable_certificates(found);
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| UpstreamError::Settings(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connect = Connect(Arc::new(Ways {
            tls: Arc::new(tls),
            proxies: Proxies::new(own)?,
            resolver,
        }));
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(16)
            .http1_max_buf_size(CHUNK)
            .build(connect);
        Ok(Self { client })
    }

    /// Sends `request`, whose URI is absolute.
    ///
    /// # Errors
    /// [`UpstreamError::Failed`].
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        self.client
            .request(request)
            .await
            .map_err(|error| UpstreamError::Failed(chain(&error)))
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The proxies that the build gives, by the variables that curl reads.
#[derive(Debug, Default)]
struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    /// Hosts without one: names with what ends in them, or `*`.
    direct: Vec<String>,
}

impl Proxies {
    fn new(own: &Variables) -> Result<Self, UpstreamError> {
        let named = |name: &str| {
            own.get(name)
                .or_else(|| own.get(&name.to_ascii_uppercase()))
                .map(|value| value.trim())
                .filter(|value| !value.is_empty())
        };
        let proxy = |name: &str| {
            let Some(value) = named(name).or_else(|| named("all_proxy")) else {
                return Ok(None);
            };
            let url = match Url::parse(value) {
                Err(UrlError::Scheme) if !value.contains("://") => {
                    Url::parse(&format!("http://{value}"))
                }
                other => other,
            };
            match url {
                Ok(url) if !url.tls() => Ok(Some(url)),
                _ => Err(UpstreamError::Settings(format!(
                    "{name} names no http:// proxy, and no other is used while a step is recorded"
                ))),
            }
        };
        let direct = named("no_proxy").unwrap_or_default().split(',');
        Ok(Self {
            http: proxy("http_proxy")?,
            https: proxy("https_proxy")?,
            direct: direct
                .map(|host| host.trim().trim_start_matches('.').to_ascii_lowercase())
                .filter(|host| !host.is_empty())
                .collect(),
        })
    }

    fn of(&self, url: &Url) -> Option<&Url> {
        let direct = self.direct.iter().any(|host| {
            host == "*"
                || url.host() == host
                || url
                    .host()
                    .strip_suffix(host.as_str())
                    .is_some_and(|before| before.ends_with('.'))
        });
        let proxy = if url.tls() { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !direct)
    }
}

#[derive(Debug)]
struct Ways {
    tls: Arc<ClientConfig>,
    proxies: Proxies,
    resolver: Arc<Resolver>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Stream").finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
struct Connect(Arc<Ways>);

impl Ways {
    async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut last = io::Error::other("there is no such host");
        for address in self.resolver.find(host).await? {
            // Nobody but us is there, and we would ask ourselves.
            if address.to_canonical() == HOME {
                return Err(io::Error::other("this is the launcher's own address"));
            }
            match TcpStream::connect((address, port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn open(&self, uri: &Uri) -> io::Result<Stream> {
        let url = Url::parse(&uri.to_string()).map_err(io::Error::other)?;
        let proxy = self.proxies.of(&url);
        let (host, port) = proxy.map_or((url.host(), url.port()), |proxy| {
            (proxy.host(), proxy.port())
        });
        let mut tcp = self
            .connect(host, port)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("{host}:{port}: {error}")))?;
        tcp.set_nodelay(true)?;
        if !url.tls() {
            return Ok(Stream {
                io: TokioIo::new(Box::new(tcp)),
                proxied: proxy.is_some(),
            });
        }
        if proxy.is_some() {
            tunnel(&mut tcp, url.host(), url.port()).await?;
        }
        let name = ServerName::try_from(url.host().to_owned()).map_err(io::Error::other)?;
        let tls = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, tcp)
            .await?;
        Ok(Stream {
            io: TokioIo::new(Box::new(tls)),
            proxied: false,
        })
    }
}

/// Asks the proxy at the other end for a tunnel.
async fn tunnel(tcp: &mut TcpStream, host: &str, port: u16) -> io::Result<()> {
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let ask = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
    tcp.write_all(ask.as_bytes()).await?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head belongs to the server behind.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD {
            return Err(io::Error::other("the proxy's answer is too long"));
        }
        head.push(tcp.read_u8().await?);
    }
    let status = head.split(|byte| *byte == b' ').nth(1);
    if status == Some(b"200") {
        return Ok(());
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Err(io::Error::other(format!(
        "the proxy refuses {host}:{port}: {}",
        String::from_utf8_lossy(line)
    )))
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection, encrypted or not.
struct Stream {
    io: TokioIo<Box<dyn Io>>,
    /// Whether the other end is a proxy, which is told whole URLs.
    proxied: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.proxied)
    }
}

impl rt::Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl rt::Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl tower::Service<Uri> for Connect {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let ways = Arc::clone(&self.0);
        Box::pin(async move {
            timeout(PATIENCE, ways.open(&uri))
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        })
    }
}
