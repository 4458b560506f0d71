//! A web server for real clients: plain and over TLS, files and smart git. It counts, so that what is asked twice differs.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring, pki_types::PrivateKeyDer};

/// A name that only leads somewhere through the server: it is a proxy for it, too.
pub const NAME: &str = "files.test";
/// What is large for a test.
pub const BIG: usize = 20 << 20;

/// A server, as long as the process runs.
pub struct Server {
    /// `http://ADDRESS:PORT`.
    pub http: String,
    /// `https://ADDRESS:PORT`.
    pub https: String,
    /// Whom to trust for it, as a file.
    pub authority: PathBuf,
    hits: Arc<AtomicUsize>,
}

struct Request {
    method: String,
    target: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Server {
    /// Starts it; bare git repositories are in `git`.
    pub fn start(address: IpAddr, folder: &Path, git: &Path) -> Self {
        let key =
            rcgen::generate_simple_self_signed(vec![address.to_string(), NAME.to_owned()]).unwrap();
        let authority = folder.join("authority.pem");
        std::fs::write(&authority, key.cert.pem()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![key.cert.der().clone()],
                PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap(),
            )
            .unwrap();
        let (config, hits) = (Arc::new(config), Arc::new(AtomicUsize::new(0)));
        let behind = Arc::clone(&config);
        let plain = TcpListener::bind((address, 0)).unwrap();
        let secret = TcpListener::bind((address, 0)).unwrap();
        let server = Self {
            http: format!("http://{}", plain.local_addr().unwrap()),
            https: format!("https://{}", secret.local_addr().unwrap()),
            authority,
            hits: Arc::clone(&hits),
        };
        for (listener, tls) in [(plain, None), (secret, Some(config))] {
            let (hits, git, behind) = (Arc::clone(&hits), git.to_owned(), Arc::clone(&behind));
            let https = server.https.clone();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (hits, git, tls, https, behind) = (
                        Arc::clone(&hits),
                        git.clone(),
                        tls.clone(),
                        https.clone(),
                        Arc::clone(&behind),
                    );
                    // A client that goes away is its own business.
                    thread::spawn(move || match tls {
                        Some(config) => {
                            let connection = ServerConnection::new(config).unwrap();
                            serve(StreamOwned::new(connection, stream), &hits, &git, &https)
                        }
                        None => proxied(stream, behind, &hits, &git, &https),
                    });
                }
            });
        }
        server
    }

    /// How many requests there were.
    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

/// A client of the plain port, which may want a tunnel to the name.
fn proxied(
    mut stream: TcpStream,
    tls: Arc<ServerConfig>,
    hits: &AtomicUsize,
    git: &Path,
    https: &str,
) -> Option<()> {
    let mut begin = [0; 8];
    stream.peek(&mut begin).ok()?;
    if &begin != b"CONNECT " {
        return serve::<TcpStream>(stream, hits, git, https);
    }
    assert_eq!(read(&mut stream)?.target, format!("{NAME}:443"));
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let connection = ServerConnection::new(tls).unwrap();
    serve(StreamOwned::new(connection, stream), hits, git, https)
}

fn serve<S: Read + Write>(
    mut stream: S,
    hits: &AtomicUsize,
    git: &Path,
    https: &str,
) -> Option<()> {
    let request = read(&mut stream)?;
    let number = hits.fetch_add(1, Ordering::SeqCst);
    let named = format!("http://{NAME}");
    let target = request
        .target
        .strip_prefix(&named)
        .unwrap_or(&request.target);
    let path = target.split('?').next()?;
    let content = |text: &str| (200, String::new(), text.as_bytes().to_vec());
    let (status, headers, body) = match path {
        "/file" => content("content of the file\n"),
        "/pks/lookup" => match std::fs::read(git.join("key.asc")) {
            Ok(key) => (
                200,
                "Content-Type: application/pgp-keys\r\n".to_owned(),
                key,
            ),
            Err(_) => (404, String::new(), Vec::new()),
        },
        "/counted" => content(&format!("answer number {number}\n")),
        "/redirect" => (
            302,
            format!("Location: {https}/file\r\n"),
            b"over there\n".to_vec(),
        ),
        "/gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(b"content, compressed\n").unwrap();
            let headers = "Content-Encoding: gzip\r\nContent-Type: text/plain\r\n";
            (200, headers.to_owned(), encoder.finish().unwrap())
        }
        "/big" => (200, String::new(), big()),
        "/part" => match request.headers.get("range") {
            Some(_) => (
                206,
                "Content-Range: bytes 2-4/10\r\n".to_owned(),
                b"234".to_vec(),
            ),
            None => content("0123456789"),
        },
        "/echo" => (200, String::new(), request.body.clone()),
        "/empty" => (200, String::new(), Vec::new()),
        "/slow" => {
            stream
                .write_all(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
                )
                .ok()?;
            for part in ["one ", "two ", "three\n"] {
                write!(stream, "{:x}\r\n{part}\r\n", part.len()).ok()?;
                stream.flush().ok()?;
                thread::sleep(Duration::from_millis(100));
            }
            stream.write_all(b"0\r\n\r\n").ok()?;
            return stream.flush().ok();
        }
        "/short" => {
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nonly this";
            stream.write_all(head).ok()?;
            return stream.flush().ok();
        }
        "/lying" => {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            stream.write_all(head).ok()?;
            stream.write_all(b"5\r\nhello and more\r\n0\r\n\r\n").ok()?;
            return stream.flush().ok();
        }
        "/stalled" => {
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
            stream.write_all(head).ok()?;
            stream.flush().ok()?;
            thread::sleep(Duration::from_secs(600));
            return None;
        }
        "/long-head" => (
            200,
            format!("X-Long: {}\r\n", "x".repeat(10 << 20)),
            Vec::new(),
        ),
        _ if path.starts_with("/numbered/") => content(path),
        _ if path.starts_with("/git/") => backend(&request, git),
        _ => (404, String::new(), b"not here\n".to_vec()),
    };
    write!(
        stream,
        "HTTP/1.1 {status} OK\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .ok()?;
    if request.method != "HEAD" {
        stream.write_all(&body).ok()?;
    }
    stream.flush().ok()
}

/// Bytes that do not repeat soon.
pub fn big() -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..BIG).map(next).collect()
}

fn read<S: Read>(stream: &mut S) -> Option<Request> {
    let mut reader = BufReader::with_capacity(1, stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if let Some(length) = headers.get("content-length") {
        body.resize(length.parse().ok()?, 0);
        reader.read_exact(&mut body).ok()?;
    } else if headers.contains_key("transfer-encoding") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let length = usize::from_str_radix(line.trim(), 16).ok()?;
            let start = body.len();
            body.resize(start + length, 0);
            reader.read_exact(&mut body[start..]).ok()?;
            reader.read_line(&mut line).ok()?;
            if length == 0 {
                break;
            }
        }
    }
    Some(Request {
        method,
        target,
        headers,
        body,
    })
}

/// Smart git. Source: git-http-backend(1).
fn backend(request: &Request, git: &Path) -> (u16, String, Vec<u8>) {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", git)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("PATH_INFO", path.trim_start_matches("/git"))
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", &request.method)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&request.body)
        .unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    let end = output
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let status = head
        .lines()
        .find_map(|line| line.strip_prefix("Status: ")?.get(..3)?.parse().ok());
    (
        status.unwrap_or(200),
        format!("{head}\r\n"),
        output[end + 4..].to_vec(),
    )
}
