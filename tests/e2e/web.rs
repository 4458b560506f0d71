//! A web server of the tests' own: files, smart git, and whatever a hostile registry answers.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use engine::{Engine, Result, process};

const GIT_LIMIT: Duration = Duration::from_secs(60);

/// A request, as far as the tests care.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path and query.
    pub target: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

/// What to answer.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Status line (`200 OK`), header lines, and body.
    Full(&'static str, String, Vec<u8>),
    /// Bytes that are no HTTP at all.
    Garbage(&'static [u8]),
    /// Nothing, for as long as the other side waits.
    Never,
}

type Handler = dyn Fn(&Request) -> Answer + Send + Sync;

/// A running server; it runs until the process ends.
#[derive(Clone)]
pub struct Web {
    address: SocketAddr,
    files: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    hits: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// Serves files, and the bare git repositories in `git` below `/git/`, at `address`.
    pub fn start(address: IpAddr, engine: Engine, git: PathBuf) -> Result<Self> {
        let files: Arc<Mutex<HashMap<String, Vec<u8>>>> = Arc::default();
        let known = Arc::clone(&files);
        let mut web = Self::answering(address, move |request| {
            if request.target.starts_with("/git/") {
                return git_backend(&engine, &git, request).unwrap_or_else(|error| {
                    Answer::Full(
                        "500 Internal Server Error",
                        String::new(),
                        error.to_string().into_bytes(),
                    )
                });
            }
            match lock(&known).get(&request.target) {
                Some(content) => Answer::Full("200 OK", String::new(), content.clone()),
                None => Answer::Full("404 Not Found", String::new(), Vec::new()),
            }
        })?;
        web.files = files;
        Ok(web)
    }

    /// Serves what `handler` says at a free port of `address`.
    pub fn answering(
        address: IpAddr,
        handler: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let web = Self {
            address: listener.local_addr()?,
            files: Arc::default(),
            hits: Arc::default(),
        };
        let (hits, handler): (_, Arc<Handler>) = (Arc::clone(&web.hits), Arc::new(handler));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (hits, handler) = (Arc::clone(&hits), Arc::clone(&handler));
                // A client that goes away is its own business.
                thread::spawn(move || serve(stream, &hits, handler.as_ref()));
            }
        });
        Ok(web)
    }

    /// `host:port`.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Serves `content` at `path` from now on, and gives its URL.
    pub fn put(&self, path: &str, content: &[u8]) -> String {
        lock(&self.files).insert(path.to_owned(), content.to_vec());
        format!("http://{}{path}", self.address)
    }

    /// How often something that contains `text` was asked for.
    pub fn hits(&self, text: &str) -> usize {
        lock(&self.hits)
            .iter()
            .filter(|target| target.contains(text))
            .count()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The first byte of a client that wants to speak TLS. Source: RFC 8446, section 5.1.
const TLS_HANDSHAKE: u8 = 0x16;

fn serve(stream: TcpStream, hits: &Mutex<Vec<String>>, handler: &Handler) -> Result<()> {
    let mut first = [0];
    if stream.peek(&mut first)? == 1 && first == [TLS_HANDSHAKE] {
        // Clients of insecure registries try TLS first, and take this as the sign to go on without.
        let mut stream = stream;
        return Ok(stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n")?);
    }
    let request = read(&stream)?;
    lock(hits).push(request.target.clone());
    let mut stream = stream;
    match handler(&request) {
        Answer::Full(status, headers, body) => {
            write!(
                stream,
                "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            )?;
            if request.method != "HEAD" {
                stream.write_all(&body)?;
            }
        }
        Answer::Garbage(bytes) => stream.write_all(bytes)?,
        Answer::Never => {
            // Ends when the other side gives up.
            let _ = stream.read(&mut [0]);
        }
    }
    Ok(())
}

fn read(stream: &TcpStream) -> Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_ascii_whitespace().map(str::to_owned);
    let (method, target) = words.next().zip(words.next()).ok_or("no request line")?;
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned())
            }
            None => break,
        };
    }
    if headers
        .get("expect")
        .is_some_and(|value| value == "100-continue")
    {
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    if headers
        .get("transfer-encoding")
        .is_some_and(|value| value == "chunked")
    {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = u64::from_str_radix(size.trim(), 16)?;
            reader.by_ref().take(size).read_to_end(&mut body)?;
            reader.read_line(&mut String::new())?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = headers.get("content-length") {
        reader.take(length.parse()?).read_to_end(&mut body)?;
    }
    Ok(Request {
        method,
        target,
        headers,
        body,
    })
}

/// Runs `git http-backend`, a CGI program. Source: git-http-backend(1), RFC 3875.
fn git_backend(engine: &Engine, folder: &std::path::Path, request: &Request) -> Result<Answer> {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((&request.target, ""));
    let mut command = engine.command("git");
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1");
    command
        .env("PATH_INFO", path.strip_prefix("/git").unwrap_or(path))
        .env("QUERY_STRING", query);
    command
        .env("REQUEST_METHOD", &request.method)
        .env("REMOTE_ADDR", "127.0.0.1");
    command.env("CONTENT_LENGTH", request.body.len().to_string());
    for (header, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "GIT_PROTOCOL"),
    ] {
        if let Some(value) = request.headers.get(header) {
            command.env(variable, value);
        }
    }
    let output = process::run_bytes(&mut command, &request.body, GIT_LIMIT)?;
    let split = output
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .ok_or("git answers without headers")?;
    let (headers, body) = output.split_at(split + 4);
    let headers = String::from_utf8_lossy(headers);
    let mut status = "200 OK";
    let mut rest = String::new();
    for line in headers.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("Status: ") {
            Some(line) if line.starts_with("404") => status = "404 Not Found",
            Some(_) => status = "500 Internal Server Error",
            None => rest.push_str(&format!("{line}\r\n")),
        }
    }
    Ok(Answer::Full(status, rest, body.to_vec()))
}
