//! Bodies out of files: whole or in part, through memory in parts, or past it straight into a socket.

use std::{
    fmt::Write as _,
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::{Response, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};
use rustix::{buffer::spare_capacity, fs::sendfile};
use tokio::{
    io::{AsyncWriteExt as _, Interest},
    net::TcpStream,
    task::yield_now,
};

use super::bodies::CHUNK;

/// How much goes into a socket before others have their turn.
const TURN: u64 = 1 << 20;

/// Bytes of a file that are to be sent.
#[derive(Debug)]
pub struct Stored {
    file: File,
    next: u64,
    end: u64,
}

impl Stored {
    /// `length` bytes of the file at `path`, from `first` on.
    ///
    /// # Errors
    /// That it cannot be opened.
    pub fn open(path: &Path, first: u64, length: u64) -> io::Result<Self> {
        let file = File::open(path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        Ok(Self {
            file,
            next: first,
            end: first.saturating_add(length),
        })
    }

    fn left(&self) -> u64 {
        self.end.saturating_sub(self.next)
    }

    /// All of it, for what is small.
    ///
    /// # Errors
    /// That the file ends before.
    pub fn read(&self) -> io::Result<Bytes> {
        let mut bytes = vec![0; usize::try_from(self.left()).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, self.next)?;
        Ok(bytes.into())
    }

    /// The next part.
    fn part(&mut self) -> io::Result<Bytes> {
        let size = usize::try_from(self.left()).map_or(CHUNK, |left| left.min(CHUNK));
        let mut part = Vec::with_capacity(size);
        let read = loop {
            match rustix::io::pread(&self.file, spare_capacity(&mut part), self.next) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other?,
            }
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // The allocation may be larger than what was asked for.
        part.truncate(size);
        self.went(part.len());
        Ok(part.into())
    }

    fn went(&mut self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.next = self.next.saturating_add(count).min(self.end);
    }

    /// The rest of it into `socket`, without a copy in this process.
    async fn send(&mut self, socket: &TcpStream) -> io::Result<()> {
        while self.left() > 0 {
            let turn = usize::try_from(self.left().min(TURN)).map_err(io::Error::other)?;
            let mut offset = self.next;
            let sent = socket
                .async_io(Interest::WRITABLE, || {
                    sendfile(socket, &self.file, Some(&mut offset), turn).map_err(io::Error::from)
                })
                .await?;
            if sent == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.went(sent);
            yield_now().await;
        }
        Ok(())
    }
}

impl Body for Stored {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready((self.left() > 0).then(|| self.part().map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

/// A response whose body goes from its file into the socket.
#[derive(Debug)]
pub struct Straight {
    /// The response; it has its `content-length`.
    pub response: Response<Stored>,
    /// Whether the connection is used for further requests.
    pub lasts: bool,
}

impl Straight {
    /// Sends it.
    ///
    /// # Errors
    /// What the socket or the file says; the connection is broken off then.
    pub async fn send(self, socket: &mut TcpStream) -> io::Result<()> {
        let (parts, mut body) = self.response.into_parts();
        let mut head = format!("HTTP/1.1 {}", parts.status.as_str());
        // Texts take no errors.
        let _ = write!(head, " {}\r\n", reason(parts.status));
        let mut head = head.into_bytes();
        for (name, value) in &parts.headers {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        if !parts.headers.contains_key(header::DATE)
            && let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now())
        {
            head.extend_from_slice(format!("date: {date}\r\n").as_bytes());
        }
        if !self.lasts {
            head.extend_from_slice(b"connection: close\r\n");
        }
        head.extend_from_slice(b"\r\n");
        socket.write_all(&head).await?;
        body.send(socket).await
    }
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use hyper::header::HeaderValue;
    use tokio::{io::AsyncReadExt as _, net::TcpListener};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    }

    /// A file of bytes that do not repeat soon, longer than a part and a turn.
    fn file(name: &str) -> (std::path::PathBuf, Vec<u8>) {
        let name = format!("verified-stored-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let words = (0..700_000_u32).map(|number| number.wrapping_mul(2_654_435_761));
        let bytes: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        std::fs::write(&path, &bytes).unwrap();
        (path, bytes)
    }

    /// What a client gets, head and body, and how sending ended.
    async fn sent(stored: Stored, lasts: bool) -> (Vec<u8>, io::Result<()>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut response = Response::new(stored);
        let name = HeaderValue::from_static("\"a\"");
        response.headers_mut().insert(header::ETAG, name);
        let sending = async move { Straight { response, lasts }.send(&mut socket).await };
        let mut got = Vec::new();
        let (done, read) = tokio::join!(sending, client.read_to_end(&mut got));
        read.unwrap();
        (got, done)
    }

    #[test]
    fn both_ways_give_the_bytes_of_the_file_that_are_asked_for() {
        let (path, bytes) = file("both");
        let size = bytes.len() as u64;
        for (first, length) in [(0, size), (0, 1), (5, 70_000), (size - 1, 1), (3, size - 3)] {
            let wanted = &bytes[first as usize..(first + length) as usize];
            let open = || Stored::open(&path, first, length).unwrap();
            assert_eq!(open().read().unwrap(), wanted);
            runtime().block_on(async {
                assert_eq!(open().collect().await.unwrap().to_bytes(), wanted);
                for lasts in [true, false] {
                    let (got, done) = sent(open(), lasts).await;
                    done.unwrap();
                    let end = got.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
                    let head = String::from_utf8(got[..end].to_vec()).unwrap();
                    assert!(head.starts_with("HTTP/1.1 200 OK\r\netag: \"a\"\r\n"));
                    assert_eq!(head.contains("connection: close"), !lasts);
                    assert!(
                        head.contains("\r\ndate: ") && head.contains(" GMT"),
                        "{head}"
                    );
                    assert_eq!(&got[end + 4..], wanted);
                }
            });
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_ends_before_breaks_off() {
        let (path, bytes) = file("short");
        let open = || Stored::open(&path, 1, bytes.len() as u64).unwrap();
        open().read().unwrap_err();
        runtime().block_on(async {
            open().collect().await.unwrap_err();
            let (_, done) = sent(open(), true).await;
            assert_eq!(done.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        });
        std::fs::remove_file(&path).unwrap();
        Stored::open(&path, 0, 1).unwrap_err();
    }
}
