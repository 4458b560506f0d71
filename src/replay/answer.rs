//! The answers to a step's requests: from outside, and recorded; or as recorded.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Channel, Either, Full, Limited, channel::Sender};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Body as _, Frame, Incoming},
    header::{self, HeaderName, HeaderValue},
};
use tokio::{task::JoinSet, time::timeout};

use super::{
    bodies::{self, Writer},
    keep::Keeper,
    record::{ASKED, Exchange, KEPT, Recording},
    refusals::Refusals,
    replayed::{Asked, Found, Replayed},
    serve::{Body, empty, text, whole},
    stored::Stored,
    upstream::Upstream,
    url::Url,
};
use crate::digest::Digest;

/// Longest body of a request, in bytes.
const MAX_SENT: usize = 64 << 20;
/// How many parts of a body wait for a slow client.
const PARTS: usize = 4;
/// Up to which size a body is read at once, in bytes.
const SMALL: u64 = 64 << 10;
/// How long bodies that nobody reads to the end may take after the command has ended.
const FAREWELL: Duration = Duration::from_secs(30);
/// How much of a body is recorded that its client has left, in bytes. It must be all, or nothing: a build asks for it again.
const MAX_UNREAD: u64 = 4 << 30;

/// Headers of a request that concern only the connection to us.
const HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
];

/// Who answers.
#[derive(Debug)]
pub enum Answer {
    /// The servers outside; what they say is recorded.
    Record(Recorder),
    /// The recording.
    Replay(Player),
}

impl Answer {
    /// The response for `request`, which asks for `url`.
    pub async fn answer(&self, request: Request<Incoming>, url: &Url) -> Response<Body> {
        if url.is_local() {
            return local(request, url).await;
        }
        match self {
            Self::Record(recorder) => recorder.answer(request, url).await,
            Self::Replay(player) => player.answer(request, url).await,
        }
    }
}

/// What a step serves itself. Some tools ask a proxy even for that.
async fn local(request: Request<Incoming>, url: &Url) -> Response<Body> {
    let answered = async {
        let upstream =
            Upstream::new("", &BTreeMap::new(), Arc::default()).map_err(io::Error::other)?;
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, MAX_SENT).collect().await;
        let body = body.map_err(io::Error::other)?.to_bytes();
        let request = outgoing(&parts.method, url, &parts.headers, body)?;
        let response = upstream.send(request).await.map_err(io::Error::other)?;
        let (mut parts, body) = response.into_parts();
        for name in HOP {
            parts.headers.remove(name);
        }
        let body = body.map_err(io::Error::other).boxed_unsync();
        Ok::<_, io::Error>(Response::from_parts(parts, Either::Right(body)))
    };
    answered.await.unwrap_or_else(|error| {
        text(
            StatusCode::BAD_GATEWAY,
            &format!("verified-dockerfile: {url}: {error}\n"),
        )
    })
}

/// A request for a server.
fn outgoing(
    method: &hyper::Method,
    url: &Url,
    headers: &HeaderMap,
    body: Bytes,
) -> io::Result<Request<Full<Bytes>>> {
    let mut request = Request::builder()
        .method(method)
        .uri(url.to_string())
        .body(Full::new(body))
        .map_err(io::Error::other)?;
    for (name, value) in headers {
        if !HOP.contains(&name.as_str()) {
            request.headers_mut().append(name, value.clone());
        }
    }
    Ok(request)
}

/// What is known of a request before it is answered.
struct Known {
    asked: BTreeMap<String, String>,
    body: Bytes,
    sent: Option<Digest>,
}

async fn read(request: Request<Incoming>) -> Result<(hyper::http::request::Parts, Known), String> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, MAX_SENT)
        .collect()
        .await
        .map_err(|error| format!("its body cannot be read: {error}"))?
        .to_bytes();
    let known = Known {
        asked: some(&parts.headers, &ASKED),
        sent: (!body.is_empty()).then(|| Digest::sha256(&body)),
        body,
    };
    Ok((parts, known))
}

/// Those of the headers that are in `names`. What is no plain text has no part in HTTP that matters here.
fn some(headers: &HeaderMap, names: &[&str]) -> BTreeMap<String, String> {
    names
        .iter()
        .filter_map(|name| {
            let values: Vec<&str> = headers
                .get_all(*name)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .collect();
            (!values.is_empty()).then(|| ((*name).to_owned(), values.join(", ")))
        })
        .collect()
}

/// The head of a response as the recording has it: in both modes, so that a step sees the same.
fn head(
    status: u16,
    headers: &BTreeMap<String, String>,
    length: Option<u64>,
) -> Option<Response<()>> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let value = HeaderValue::from_str(value).ok()?;
        response.headers_mut().insert(name, value);
    }
    if let Some(length) = length {
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    Some(response)
}

/// Bodies that are not at their end yet, by the number of their request.
type Running = Arc<Mutex<BTreeMap<u64, String>>>;

/// Asks outside, and writes down what comes.
#[derive(Debug)]
pub struct Recorder {
    upstream: Upstream,
    folder: PathBuf,
    refusals: Arc<Refusals>,
    number: AtomicU64,
    done: Arc<Mutex<Vec<(u64, Exchange)>>>,
    running: Running,
    transfers: Mutex<JoinSet<()>>,
}

impl Recorder {
    /// Puts bodies into `folder`.
    #[must_use]
    pub fn new(upstream: Upstream, folder: PathBuf, refusals: Arc<Refusals>) -> Self {
        Self {
            upstream,
            folder,
            refusals,
            number: AtomicU64::new(0),
            done: Arc::default(),
            running: Running::default(),
            transfers: Mutex::new(JoinSet::new()),
        }
    }

    /// All that was recorded, in `recording`. Bodies that no client waits for any more are read to their end first.
    pub async fn finish(&self, recording: &mut Recording) {
        let mut transfers = std::mem::take(
            &mut *self
                .transfers
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let _ = timeout(FAREWELL, async {
            while transfers.join_next().await.is_some() {}
        })
        .await;
        // It was asked for, so it will be asked for in a build.
        for what in
            std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner))
                .values()
        {
            let _ = self.refusals.refuse(what, &format!("its body had not come to its end {} seconds after the command had, so it is not recorded", FAREWELL.as_secs()));
        }
        let mut done =
            std::mem::take(&mut *self.done.lock().unwrap_or_else(PoisonError::into_inner));
        done.sort_by_key(|(number, _)| *number);
        recording
            .exchanges
            .extend(done.into_iter().map(|(_, exchange)| exchange));
        recording.sort();
    }

    async fn answer(&self, request: Request<Incoming>, url: &Url) -> Response<Body> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let what = format!("{} {url}", request.method());
        let (parts, known) = match read(request).await {
            Ok(read) => read,
            Err(why) => return self.refusals.refuse(&what, &why),
        };
        let mut exchange = Exchange {
            method: parts.method.as_str().to_owned(),
            url: url.to_string(),
            asked: known.asked,
            sent: known.sent,
            status: 502,
            headers: BTreeMap::new(),
            digest: Digest::sha256(&[]),
            size: 0,
        };
        let sent = match outgoing(&parts.method, url, &parts.headers, known.body) {
            Ok(request) => self
                .upstream
                .send(request)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let response = match sent {
            Ok(response) => response,
            // That a server does not answer is an answer, too: commands try one after the other.
            Err(error) => {
                let message = format!("verified-dockerfile: {what}: {error}\n");
                return self.own(number, exchange, &message);
            }
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return self
                .refusals
                .refuse(&what, "other protocols than HTTP are not recorded");
        }
        exchange.status = response.status().as_u16();
        exchange.headers = some(response.headers(), &KEPT);
        let told = response
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let bodiless = exchange.method == "HEAD" || matches!(exchange.status, 204 | 304);
        let length = if bodiless {
            told
        } else {
            response.body().size_hint().exact()
        };
        let Some(head) = head(exchange.status, &exchange.headers, length) else {
            return self.refusals.refuse(&what, "the answer is no plain HTTP");
        };
        if bodiless {
            exchange.size = length.unwrap_or(0);
            self.note(number, exchange);
            return head.map(|()| empty());
        }
        let writer = match Writer::new(&self.folder) {
            Ok(writer) => writer,
            Err(error) => {
                return self
                    .refusals
                    .refuse(&what, &format!("it cannot be kept: {error}"));
            }
        };
        let (sender, body) = Channel::<Bytes, io::Error>::new(PARTS);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(number, what);
        drop(running);
        let transfer = Transfer {
            number,
            exchange,
            keeper: Keeper::new(writer),
            done: Arc::clone(&self.done),
            running: Arc::clone(&self.running),
            refusals: Arc::clone(&self.refusals),
        };
        let mut transfers = self
            .transfers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while transfers.try_join_next().is_some() {}
        transfers.spawn(transfer.run(response.into_body(), sender));
        head.map(|()| Either::Right(body.boxed_unsync()))
    }

    /// A response of our own, which is recorded as the server's would be.
    fn own(&self, number: u64, mut exchange: Exchange, message: &str) -> Response<Body> {
        let kept = Writer::new(&self.folder).and_then(|mut writer| {
            writer.write(message.as_bytes())?;
            writer.finish()
        });
        match kept {
            Ok((digest, size)) => {
                (exchange.digest, exchange.size) = (digest, size);
                self.note(number, exchange);
                text(StatusCode::BAD_GATEWAY, message)
            }
            Err(error) => self
                .refusals
                .refuse(message, &format!("it cannot be kept: {error}")),
        }
    }

    fn note(&self, number: u64, exchange: Exchange) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push((number, exchange));
    }
}

/// A body on its way from the server to the client and to the folder.
struct Transfer {
    number: u64,
    exchange: Exchange,
    keeper: Keeper,
    done: Arc<Mutex<Vec<(u64, Exchange)>>>,
    running: Running,
    refusals: Arc<Refusals>,
}

impl Transfer {
    async fn run(mut self, from: Incoming, to: Sender<Bytes, io::Error>) {
        let what = format!("{} {}", self.exchange.method, self.exchange.url);
        let kept = match self.pass_on(from, to).await {
            Ok(true) => self.keeper.finish().await.map(Some),
            Ok(false) => {
                self.keeper.discard().await;
                Ok(None)
            }
            Err(error) => {
                self.keeper.discard().await;
                Err(error)
            }
        };
        match kept {
            Ok(Some((digest, size))) => {
                (self.exchange.digest, self.exchange.size) = (digest, size);
                let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
                done.push((self.number, self.exchange));
            }
            Ok(None) => {}
            Err(error) => {
                let why = format!("it cannot be kept: {error}");
                let _ = self.refusals.refuse(&what, &why);
            }
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.remove(&self.number);
    }

    /// Whether it came to its end. What the client saw of one that broke off is not recorded: it asks again, or fails.
    async fn pass_on(
        &mut self,
        mut from: Incoming,
        to: Sender<Bytes, io::Error>,
    ) -> io::Result<bool> {
        let mut to = Some(to);
        let mut unread = 0_u64;
        while let Some(frame) = from.frame().await {
            let data = match frame.map(Frame::into_data) {
                Ok(Ok(data)) => data,
                // Trailers are not recorded.
                Ok(Err(_)) => continue,
                Err(error) => {
                    if let Some(to) = to {
                        to.abort(io::Error::other(error));
                    }
                    return Ok(false);
                }
            };
            // To the client first, which waits for it.
            if let Some(client) = &mut to {
                if client.send_data(data.clone()).await.is_err() {
                    // It has enough, and gets the same when it is served from the recording.
                    to = None;
                }
            } else {
                unread = unread.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                if unread > MAX_UNREAD {
                    return Err(io::Error::other(format!(
                        "its client left, and it went on for more than {MAX_UNREAD} bytes"
                    )));
                }
            }
            if let Err(error) = self.keeper.keep(data).await {
                if let Some(to) = to {
                    to.abort(io::Error::new(error.kind(), error.to_string()));
                }
                return Err(error);
            }
        }
        Ok(true)
    }
}

/// Serves a recording.
#[derive(Debug)]
pub struct Player {
    replayed: Replayed,
    folder: PathBuf,
    refusals: Arc<Refusals>,
}

impl Player {
    /// Bodies are in `folder`.
    #[must_use]
    pub fn new(recording: Recording, folder: PathBuf, refusals: Arc<Refusals>) -> Self {
        Self {
            replayed: Replayed::new(recording),
            folder,
            refusals,
        }
    }

    async fn answer(&self, request: Request<Incoming>, url: &Url) -> Response<Body> {
        let what = format!("{} {url}", request.method());
        let (parts, known) = match read(request).await {
            Ok(read) => read,
            Err(why) => return self.refusals.refuse(&what, &why),
        };
        let asked = Asked {
            method: parts.method.as_str(),
            url: &url.to_string(),
            headers: &known.asked,
            sent: known.sent.as_ref(),
        };
        let Some(found) = self.replayed.find(&asked) else {
            return self
                .refusals
                .refuse(&what, "this is not in the step's recording");
        };
        self.serve(found)
            .unwrap_or_else(|error| self.refusals.refuse(&what, &error.to_string()))
    }

    fn serve(&self, found: Found<'_>) -> io::Result<Response<Body>> {
        let broken = || io::Error::other("its recording cannot be served");
        let (Found::Whole(exchange)
        | Found::Head(exchange)
        | Found::Part(exchange, ..)
        | Found::Beyond(exchange)) = found;
        let mut headers = exchange.headers.clone();
        let response = match found {
            Found::Whole(_) => {
                let bodiless = matches!(exchange.status, 204 | 304) && exchange.size == 0;
                let length = (!bodiless).then_some(exchange.size);
                let head = head(exchange.status, &headers, length).ok_or_else(broken)?;
                if !exchange.has_body() {
                    return Ok(head.map(|()| empty()));
                }
                let body = self.body(exchange, 0, exchange.size)?;
                head.map(|()| body)
            }
            Found::Head(_) => {
                let head =
                    head(exchange.status, &headers, Some(exchange.size)).ok_or_else(broken)?;
                head.map(|()| empty())
            }
            Found::Part(_, first, last) => {
                let size = exchange.size;
                headers.insert(
                    "content-range".to_owned(),
                    format!("bytes {first}-{last}/{size}"),
                );
                let length = last.saturating_sub(first).saturating_add(1);
                let head = head(206, &headers, Some(length)).ok_or_else(broken)?;
                let body = self.body(exchange, first, length)?;
                head.map(|()| body)
            }
            Found::Beyond(_) => {
                headers.insert(
                    "content-range".to_owned(),
                    format!("bytes */{}", exchange.size),
                );
                let head = head(416, &headers, Some(0)).ok_or_else(broken)?;
                head.map(|()| empty())
            }
        };
        Ok(response)
    }

    /// The bytes of a body from `first` on.
    fn body(&self, exchange: &Exchange, first: u64, length: u64) -> io::Result<Body> {
        let path = bodies::path(&self.folder, &exchange.digest);
        let stored = Stored::open(&path, first, length)?;
        if length <= SMALL {
            return stored.read().map(whole);
        }
        Ok(Either::Left(stored))
    }
}
