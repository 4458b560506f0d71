//! Files of web servers: streamed to disk and hashed on the way, resumed where a connection broke.
//!
//! No credentials go along: what needs a login is no public artifact, and a build could not fetch it either.

use std::{
    fs::{self, File},
    io::{self, Read, Seek as _, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use sha2::Digest as _;
use ureq::http::header;

use crate::{
    digest::Digest,
    resolve::{
        ResolveError,
        registry::{
            Cause,
            transport::{Of, Request, Response, Transport},
            url::Url,
        },
    },
    verify::Content,
};

/// Time for one file.
pub(super) const TOTAL: Duration = Duration::from_secs(3600);
/// Redirects followed for one file.
const REDIRECTS: usize = 10;

/// Where to stop, whatever a server sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Largest file, in bytes.
    pub size: u64,
    /// In each such time ...
    pub window: Duration,
    /// ... at least so many bytes must come.
    pub least: u64,
    /// How often a download is taken up again.
    pub attempts: u32,
}

impl Default for Limits {
    /// 16 GiB; 32 KiB in 30 s; 8 attempts.
    fn default() -> Self {
        Self {
            size: 16 << 30,
            window: Duration::from_secs(30),
            least: 32 << 10,
            attempts: 8,
        }
    }
}

/// A file that was downloaded, or is here anyway. Its bytes are on disk under no name, so that nothing is left behind.
#[derive(Debug)]
pub struct Download {
    /// Digests of the bytes.
    pub sha256: Digest,
    /// See `sha256`.
    pub sha384: Digest,
    /// See `sha256`.
    pub sha512: Digest,
    /// `Last-Modified`, as the server says.
    pub modified: Option<Timestamp>,
    file: File,
}

impl Download {
    /// The file that `file` is.
    ///
    /// # Errors
    /// Whatever reading says.
    pub(super) fn of(mut file: File) -> io::Result<Self> {
        let mut hashes = Hashes::default();
        file.rewind()?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = file.read(&mut buffer)?;
            match buffer.get(..read) {
                Some([]) | None => break,
                Some(part) => hashes.update(part),
            }
        }
        hashes.finish(file, None).map_err(io::Error::other)
    }
}

impl Content for Download {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(From {
            file: &self.file,
            at: 0,
        }))
    }
}

/// A reader with a place of its own in a file.
struct From<'a> {
    file: &'a File,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at = self
            .at
            .saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(read)
    }
}

#[derive(Default)]
struct Hashes(sha2::Sha256, sha2::Sha384, sha2::Sha512);

impl Hashes {
    fn update(&mut self, part: &[u8]) {
        self.0.update(part);
        self.1.update(part);
        self.2.update(part);
    }

    fn finish(self, file: File, modified: Option<Timestamp>) -> Result<Download, String> {
        let digest = |name: &str, hash: &[u8]| {
            let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            let text = format!("{name}:{hex}");
            text.parse().map_err(|error| format!("{text}: {error}"))
        };
        Ok(Download {
            sha256: digest("sha256", &self.0.finalize())?,
            sha384: digest("sha384", &self.1.finalize())?,
            sha512: digest("sha512", &self.2.finalize())?,
            modified,
            file,
        })
    }
}

/// A new file without a name, for this user only.
fn nameless() -> io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!(".verified-dockerfile-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match file {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => {
                fs::remove_file(&path)?;
                return Ok(file);
            }
        }
    }
}

/// The host of a URL, with its port.
pub(super) fn host(url: &str) -> Result<String, ResolveError> {
    Ok(parse(url)?.authority)
}

fn parse(url: &str) -> Result<Url, ResolveError> {
    Url::parse(url).ok_or_else(|| ResolveError::Failed {
        cause: "the URL cannot be asked for".to_owned(),
        next: "write it in its plain form, without user name".to_owned(),
    })
}

/// Downloads the file at `url`; `note` is told how many bytes are here.
pub(super) fn download(
    transport: &Transport,
    url: &str,
    limits: Limits,
    note: &dyn Fn(u64),
) -> Result<Download, ResolveError> {
    let disk = |error: io::Error| ResolveError::Failed {
        cause: format!("the file cannot be kept: {error}"),
        next: "make room in the folder for temporary files (TMPDIR)".to_owned(),
    };
    let mut file = nameless().map_err(disk)?;
    let mut hashes = Hashes::default();
    let (mut at, mut validator): (u64, Option<String>) = (0, None);
    let mut attempt = 1;
    loop {
        let resumed = match &validator {
            Some(validator) if at > 0 => vec![
                (header::RANGE, format!("bytes={at}-")),
                (header::IF_RANGE, validator.clone()),
            ],
            _ => Vec::new(),
        };
        let answer = get(transport, url, Of::Stream, usize::MAX, &resumed)?;
        let goes_on = answer.status == 206
            && !resumed.is_empty()
            && answer
                .header(header::CONTENT_RANGE)
                .is_some_and(|range| range.starts_with(&format!("bytes {at}-")));
        if !goes_on {
            if answer.status == 206 {
                return Err(failed(Cause::Malformed {
                    host: answer.url.authority,
                    what: "a part that was not asked for",
                }));
            }
            (hashes, at) = (Hashes::default(), 0);
            file.set_len(0).and_then(|()| file.rewind()).map_err(disk)?;
            validator = strong(&answer);
        }
        let modified = answer.header(header::LAST_MODIFIED).and_then(time);
        let host = answer.url.authority.clone();
        let Some(mut stream) = answer.stream else {
            return Err(super::internal("an answer without a body"));
        };
        let (mut window, mut in_window) = (Instant::now(), 0_u64);
        let mut buffer = vec![0; 1 << 16];
        let broken = loop {
            let read = match stream.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => break error,
            };
            let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
                return hashes.finish(file, modified).map_err(super::internal);
            };
            let bytes = u64::try_from(read).unwrap_or(u64::MAX);
            at = at.saturating_add(bytes);
            in_window = in_window.saturating_add(bytes);
            if at > limits.size {
                let limit = usize::try_from(limits.size).unwrap_or(usize::MAX);
                return Err(failed(Cause::TooLarge { limit }));
            }
            hashes.update(part);
            file.write_all(part).map_err(disk)?;
            note(at);
            if window.elapsed() >= limits.window {
                if in_window < limits.least {
                    return Err(slow(&host, limits));
                }
                (window, in_window) = (Instant::now(), 0);
            }
            if transport.remaining().is_zero() {
                return Err(failed(Cause::Timeout {
                    host,
                    seconds: TOTAL.as_secs(),
                }));
            }
        };
        if attempt >= limits.attempts || !transport.pause(attempt) {
            return Err(ResolveError::Failed {
                cause: format!(
                    "{host} broke off after {at} bytes, {attempt} times ({})",
                    super::plain(&broken.to_string())
                ),
                next: "check the network and try again".to_owned(),
            });
        }
        attempt = attempt.saturating_add(1);
    }
}

/// The file at `url`, of at most `limit` bytes.
pub(super) fn small(
    transport: &Transport,
    url: &str,
    limit: usize,
) -> Result<Vec<u8>, ResolveError> {
    Ok(get(transport, url, Of::Web, limit, &[])?.body)
}

/// Whether `url` serves a file of at most `limit` bytes, and that; `None` if there is nothing.
pub(super) fn get(
    transport: &Transport,
    url: &str,
    of: Of,
    limit: usize,
    headers: &[(header::HeaderName, String)],
) -> Result<Response, ResolveError> {
    let answer = transport
        .send(&Request {
            url: parse(url)?,
            accept: "*/*",
            authorization: None,
            form: None,
            limit,
            redirects: REDIRECTS,
            headers,
            of,
        })
        .map_err(failed)?;
    let host = answer.url.authority.clone();
    match answer.status {
        200 | 206 => Ok(answer),
        404 | 410 => Err(failed(Cause::NotFound)),
        status @ (401 | 403) => Err(ResolveError::Failed {
            cause: format!("{host} does not give it to everybody (status {status})"),
            next: "use a public address, or copy the file to a server of your own".to_owned(),
        }),
        429 => Err(failed(Cause::RateLimited { host })),
        status @ 500..=599 => Err(failed(Cause::Server { host, status })),
        status => Err(failed(Cause::Status { host, status })),
    }
}

/// What a registry's client says, in words for a web server.
fn failed(cause: Cause) -> ResolveError {
    let (cause, next) = match cause {
        Cause::NotFound => ("the server has no such file".to_owned(), "check the URL"),
        Cause::Status { host, status } => (
            format!("{host} answered with status {status}"),
            "check the URL",
        ),
        Cause::Malformed { host, what } => {
            (format!("the answer of {host} is {what}"), "check the URL")
        }
        Cause::RedirectTarget { host } => (
            format!("{host} redirects to an address that is not https"),
            "use an address that stays with https",
        ),
        Cause::Tls { host, reason } => (
            format!("TLS with {host} failed ({reason})"),
            "check the address; an authority of your own goes into the file that SSL_CERT_FILE names",
        ),
        other => {
            let text = other.to_string();
            let (cause, next) = text
                .rsplit_once("; ")
                .unwrap_or((&text, "check the server"));
            return ResolveError::Failed {
                cause: cause.to_owned(),
                next: next.to_owned(),
            };
        }
    };
    ResolveError::Failed {
        cause,
        next: next.to_owned(),
    }
}

fn slow(host: &str, limits: Limits) -> ResolveError {
    ResolveError::Failed {
        cause: format!(
            "{host} sent less than {} bytes in {} s",
            limits.least,
            limits.window.as_secs()
        ),
        next: "check the network and try again".to_owned(),
    }
}

/// What names exactly these bytes, so that a download can go on (RFC 9110, section 13.1.5): a strong `ETag`.
fn strong(answer: &Response) -> Option<String> {
    let tag = answer.header(header::ETAG)?;
    (tag.starts_with('"') && tag.len() >= 2 && tag.ends_with('"')).then(|| tag.to_owned())
}

/// A time of HTTP: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn time(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(&text.replace("GMT", "+0000"))
        .ok()
        .map(|time| time.timestamp())
}
