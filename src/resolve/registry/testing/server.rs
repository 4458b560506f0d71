//! A server of our own making, for tests: on loopback, as well- or ill-behaved as a test wants.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// A name of 127.0.0.1, in tests: for the client a host like any other.
pub const ELSEWHERE: &str = "registry.test";

/// What a client asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Asked {
    pub fn authorization(&self) -> Option<&str> {
        self.headers.get("authorization").map(String::as_str)
    }
}

/// What the server does about it.
pub enum Reply {
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// These bytes, and the connection closes.
    Raw(Vec<u8>),
    /// These bytes, then one more every 20 ms without end.
    Drip(Vec<u8>),
    /// Nothing, for as long as the client stays.
    Hang,
}

pub fn ok(body: impl Into<Vec<u8>>) -> Reply {
    Reply::Answer(200, vec![], body.into())
}

pub fn status(status: u16) -> Reply {
    Reply::Answer(status, vec![], b"{}".to_vec())
}

pub fn redirect(to: impl Into<String>) -> Reply {
    Reply::Answer(307, vec![("Location", to.into())], vec![])
}

pub fn challenge(text: impl Into<String>) -> Reply {
    let body = br#"{"errors":[{"code":"UNAUTHORIZED","message":"\u001b[2J secret"}]}"#.to_vec();
    Reply::Answer(401, vec![("WWW-Authenticate", text.into())], body)
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

/// Serves until dropped.
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Without TLS.
    pub fn plain(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(handler))
    }

    /// With the certificate of [`roots`], which is good for 127.0.0.1 and [`ELSEWHERE`].
    pub fn tls(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(Some(Arc::clone(&identity().1)), Arc::new(handler))
    }

    fn start(tls: Option<Arc<rustls::ServerConfig>>, handler: Arc<Handler>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            stop: Arc::default(),
            asked: Arc::default(),
        };
        let (stop, asked) = (Arc::clone(&server.stop), Arc::clone(&server.asked));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let (tls, handler, asked) = (tls.clone(), Arc::clone(&handler), Arc::clone(&asked));
                thread::spawn(move || {
                    let stream = stream.unwrap();
                    stream
                        .set_read_timeout(Some(Duration::from_secs(20)))
                        .unwrap();
                    match tls {
                        None => serve(stream, &*handler, &asked),
                        Some(config) => {
                            let connection = rustls::ServerConnection::new(config).unwrap();
                            serve(
                                rustls::StreamOwned::new(connection, stream),
                                &*handler,
                                &asked,
                            );
                        }
                    }
                });
            }
        });
        server
    }

    /// 127.0.0.1 and the port.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The same under a name that has no privileges.
    pub fn elsewhere(&self) -> String {
        format!("{ELSEWHERE}:{}", self.address.port())
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: impl Read + Write, handler: &Handler, asked: &Mutex<Vec<Asked>>) {
    let mut bytes = Vec::new();
    let head = loop {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => bytes.push(byte[0]),
            _ => return,
        }
        if bytes[0] == 0x16 {
            // A TLS greeting where none is expected.
            let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nno TLS here");
            return;
        }
        if bytes.ends_with(b"\r\n\r\n") {
            break String::from_utf8(bytes).unwrap();
        }
    };
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap().split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    let request = Asked {
        method,
        target,
        headers,
        body: String::from_utf8(body).unwrap(),
    };
    let reply = handler(&request);
    asked.lock().unwrap().push(request);
    // The client may well have gone.
    let _ = match reply {
        Reply::Answer(status, headers, body) => {
            let length = body.len();
            let mut head =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n");
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            stream.write_all(&[head.as_bytes(), b"\r\n", &body].concat())
        }
        Reply::Raw(bytes) => stream.write_all(&bytes),
        Reply::Drip(bytes) => {
            let _ = stream.write_all(&bytes);
            while stream.write_all(b"a").and_then(|()| stream.flush()).is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        Reply::Hang => stream.read(&mut [0]).map(|_| ()),
    };
    let _ = stream.flush();
}

/// The servers' certificate, as PEM and as what a server needs.
fn identity() -> &'static (String, Arc<rustls::ServerConfig>) {
    static IDENTITY: OnceLock<(String, Arc<rustls::ServerConfig>)> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let names = vec!["127.0.0.1".to_owned(), ELSEWHERE.to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        (made.cert.pem(), Arc::new(config))
    })
}

/// The root under which [`Server::tls`] is verified, as PEM.
pub fn root() -> String {
    identity().0.clone()
}
