//! A proxy before a registry: it takes its time, sometimes it fails, and it writes down everything.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub target: String,
    /// What the registry answered; `None` if the proxy failed it.
    pub status: Option<u16>,
    pub from: Instant,
    pub to: Instant,
}

pub struct Proxy {
    pub address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// How many requests were served at the same time, at most.
    pub most: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Proxy {
    /// Before `backend`; each request takes `delay` more, and one of `fails` fails (0: none).
    pub fn start(backend: &str, delay: Duration, fails: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap().to_string(),
            asked: Arc::default(),
            most: Arc::default(),
            stop: Arc::default(),
        };
        let (asked, most, stop) = (
            Arc::clone(&proxy.asked),
            Arc::clone(&proxy.most),
            Arc::clone(&proxy.stop),
        );
        let (number, now) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let backend = backend.to_owned();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Shared {
                    backend: backend.clone(),
                    delay,
                    fails,
                    asked: Arc::clone(&asked),
                    number: Arc::clone(&number),
                    now: Arc::clone(&now),
                    most: Arc::clone(&most),
                };
                thread::spawn(move || shared.serve(stream.unwrap()));
            }
        });
        proxy
    }

    /// The requests since the last call.
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
    }
}

struct Shared {
    backend: String,
    delay: Duration,
    fails: usize,
    asked: Arc<Mutex<Vec<Asked>>>,
    number: Arc<AtomicUsize>,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        while let Some(head) = head(&mut stream) {
            let from = Instant::now();
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            thread::sleep(self.delay);
            let target = head.split(' ').nth(1).unwrap().to_owned();
            let number = self.number.fetch_add(1, Ordering::SeqCst);
            let fails = self.fails != 0 && number % self.fails == self.fails / 2;
            let (status, open) = if fails {
                // In turn: busy, gone before the answer, gone within it.
                let answer: &[u8] = match number / self.fails % 3 {
                    0 => b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
                    1 => b"",
                    _ => b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
                };
                let _ = stream.write_all(answer);
                (None, answer.ends_with(b"\r\n\r\n"))
            } else {
                let answer = self.forward(&head);
                let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().ok();
                (status, stream.write_all(&answer).is_ok())
            };
            self.now.fetch_sub(1, Ordering::SeqCst);
            let to = Instant::now();
            self.asked.lock().unwrap().push(Asked {
                target,
                status,
                from,
                to,
            });
            if !open {
                let _ = stream.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// The registry's answer, whole.
    fn forward(&self, head: &str) -> Vec<u8> {
        let mut backend = TcpStream::connect(&self.backend).unwrap();
        let once = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        backend.write_all(once.as_bytes()).unwrap();
        let mut answer = Vec::new();
        backend.read_to_end(&mut answer).unwrap();
        // The connection to the client goes on.
        let end = answer
            .windows(4)
            .position(|part| part == b"\r\n\r\n")
            .unwrap();
        let text = String::from_utf8(answer[..end].to_vec()).unwrap();
        let kept: Vec<&str> = text
            .split("\r\n")
            .filter(|line| !line.to_lowercase().starts_with("connection:"))
            .collect();
        [kept.join("\r\n").as_bytes(), &answer[end..]].concat()
    }
}

/// A request without a body; `None` at the end of the connection, and for a greeting of TLS.
fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 || byte[0] == 0x16 {
            return None;
        }
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).ok()
}
