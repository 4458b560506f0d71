//! The web server of the benchmarks of RUN steps: small files and a large one, plain and over TLS.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::unix::fs::FileExt as _,
    sync::Arc,
    thread,
};

use engine::Result;
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring, pki_types::PrivateKeyDer};

/// How many small files there are.
pub const SMALL: usize = 1_000;
const SMALL_SIZE: usize = 8 << 10;
const LARGE_SIZE: u64 = 1 << 30;
/// How much of the large file is written at once.
const PART: usize = 256 << 10;

/// A server, as long as the process runs.
pub struct Web {
    /// `http://ADDRESS:PORT`.
    pub http: String,
    /// `https://ADDRESS:PORT`.
    pub https: String,
    /// Whom to trust for it, as PEM.
    pub authority: String,
}

/// An address of this machine; the loopback address means "this container" in a step. Nothing is sent by this.
pub fn address() -> Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
    Ok(socket.local_addr()?.ip())
}

impl Web {
    /// Serves at `address`.
    pub fn start(address: IpAddr) -> Result<Self> {
        let key = rcgen::generate_simple_self_signed(vec![address.to_string()])?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![key.cert.der().clone()],
                PrivateKeyDer::try_from(key.signing_key.serialize_der())?,
            )?;
        let config = Arc::new(config);
        let large = Arc::new(large()?);
        let plain = TcpListener::bind((address, 0))?;
        let secret = TcpListener::bind((address, 0))?;
        let web = Self {
            http: format!("http://{}", plain.local_addr()?),
            https: format!("https://{}", secret.local_addr()?),
            authority: key.cert.pem(),
        };
        for (listener, config) in [(plain, None), (secret, Some(config))] {
            let large = Arc::clone(&large);
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (config, large) = (config.clone(), Arc::clone(&large));
                    // A client that has enough is no failure.
                    thread::spawn(move || {
                        stream.set_nodelay(true)?;
                        match config {
                            None => answer(stream, |stream| send_file(&large, stream)),
                            Some(config) => {
                                let secret = ServerConnection::new(config)?;
                                let stream = StreamOwned::new(secret, stream);
                                answer(stream, |stream| write_file(&large, stream))
                            }
                        }
                    });
                }
            });
        }
        Ok(web)
    }

    /// What curl reads with `-K` to fetch `what` from `from` (one of the two URLs), to files below `to`, or to nowhere.
    pub fn list(from: &str, what: What, to: Option<&str>) -> String {
        let one = |path: &str, name: &str| {
            let output = to.map_or_else(|| "/dev/null".to_owned(), |to| format!("{to}/{name}"));
            format!("url = {from}/{path}\noutput = {output}\n")
        };
        match what {
            What::Small => (0..SMALL)
                .map(|number| one(&format!("small/{number}"), &number.to_string()))
                .collect(),
            What::Large => one("large", "large"),
        }
    }
}

/// What is downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// [`SMALL`] files.
    Small,
    /// One file.
    Large,
}

impl What {
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "1,000 files of 8 KiB",
            Self::Large => "one file of 1 GiB",
        }
    }
}

/// The large file, without a name: served from the page cache, as a web server serves what was just uploaded.
fn large() -> Result<File> {
    let path = crate::workspace().join(format!("target/bench-large-{}", std::process::id()));
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    let part = vec![b'x'; PART];
    for _ in 0..LARGE_SIZE / PART as u64 {
        file.write_all(&part)?;
    }
    Ok(file)
}

/// The kernel moves it into the socket.
fn send_file(file: &File, stream: &mut TcpStream) -> io::Result<()> {
    let mut offset = 0;
    while offset < LARGE_SIZE {
        rustix::fs::sendfile(&*stream, file, Some(&mut offset), 1 << 20)?;
    }
    Ok(())
}

/// What is encrypted goes through memory.
fn write_file(file: &File, stream: &mut impl Write) -> io::Result<()> {
    let mut part = vec![0; PART];
    let mut offset = 0;
    while offset < LARGE_SIZE {
        file.read_exact_at(&mut part, offset)?;
        stream.write_all(&part)?;
        offset += PART as u64;
    }
    Ok(())
}

/// Answers one request after the other, one for the large file with `send`.
fn answer<S: Read + Write>(stream: S, send: impl Fn(&mut S) -> io::Result<()>) -> Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let large = line.contains("/large");
        let number = line.split(' ').nth(1).unwrap_or_default().to_owned();
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        let length = if large { LARGE_SIZE } else { SMALL_SIZE as u64 };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let stream = reader.get_mut();
        if large {
            stream.write_all(head.as_bytes())?;
            send(stream)?;
        } else {
            // Different for each, so that each is a body of its own.
            let mut body = number.into_bytes();
            body.resize(SMALL_SIZE, b'y');
            stream.write_all(&[head.into_bytes(), body].concat())?;
        }
        stream.flush()?;
    }
}
