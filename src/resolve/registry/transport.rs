//! HTTP with bounds: how a host may be spoken to, redirects, retries, time and memory.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ureq::{
    Agent,
    http::{HeaderMap, header},
    tls::{Certificate, PemItem, RootCerts, TlsConfig},
};

use super::{
    Cause, Clock, Limits,
    auth::Secret,
    url::{Scheme, Url},
};

/// Time to reach a host, TLS included; after that a host without TLS is asked in plain.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest time without a single byte, where the whole answer has no limit of its own.
const SILENCE: Duration = Duration::from_secs(30);
/// How many connections are kept open for later requests: of one host, and of all.
const IDLE: (usize, usize) = (16, 64);
/// How much of an answer with an error status is read, in bytes.
const ERROR_BODY: usize = 16 << 10;

/// How a host is spoken to, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resolve) enum Channel {
    /// TLS with a certificate from a trusted root.
    Verified,
    /// TLS with any certificate.
    Unverified,
    /// No TLS.
    Plain,
}

/// The value of an `Authorization` header.
#[derive(Clone, Debug)]
pub(in crate::resolve) struct Authorization {
    pub(super) value: Secret,
    /// Whether it comes from the user's login. Then it is sent over verified TLS only.
    pub(super) login: bool,
}

/// One request.
pub(in crate::resolve) struct Request<'a> {
    pub(in crate::resolve) url: Url,
    pub(in crate::resolve) accept: &'a str,
    pub(in crate::resolve) authorization: Option<&'a Authorization>,
    /// Sent as a form with POST when present.
    pub(in crate::resolve) form: Option<&'a Secret>,
    /// The largest body, in bytes.
    pub(in crate::resolve) limit: usize,
    /// Redirects to follow.
    pub(in crate::resolve) redirects: usize,
    /// What else the header has.
    pub(in crate::resolve) headers: &'a [(header::HeaderName, String)],
    /// Of whom it is asked.
    pub(in crate::resolve) of: Of,
}

/// Of whom something is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resolve) enum Of {
    /// A registry: by TLS if the host has it.
    Registry,
    /// A server of files, exactly as its URL says. `https` means a certificate from a trusted root.
    Web,
    /// The same, and the body of a success is left to be read by the caller ([`Response::stream`]).
    Stream,
}

/// One answer.
pub(in crate::resolve) struct Response {
    pub(in crate::resolve) status: u16,
    pub(in crate::resolve) headers: HeaderMap,
    pub(in crate::resolve) body: Vec<u8>,
    /// Who answered, after redirects.
    pub(in crate::resolve) url: Url,
    pub(super) channel: Channel,
    /// The body of a success that was asked for so; then `body` is empty.
    pub(in crate::resolve) stream: Option<ureq::BodyReader<'static>>,
}

impl Response {
    /// A header's text, if it is there and visible ASCII.
    pub(in crate::resolve) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why one attempt failed.
struct Failure {
    cause: Cause,
    /// The connection was lost on the way; the same again may work.
    again: bool,
    /// The host may speak in a lesser way.
    lesser: bool,
}

/// Sends requests; see the module's documentation. Clones share connections and what was learnt of hosts.
#[derive(Clone)]
pub(in crate::resolve) struct Transport {
    verified: Agent,
    unverified: Agent,
    /// Agents for hosts with roots of their own.
    own: Arc<BTreeMap<String, Agent>>,
    insecure: Arc<[String]>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    deadline: Duration,
    /// What was found to work, by host.
    channels: Arc<Mutex<BTreeMap<String, Channel>>>,
    /// Held by whoever finds out about a host.
    probes: Arc<Mutex<BTreeMap<String, Arc<Mutex<()>>>>>,
}

impl Transport {
    /// `roots` is a PEM bundle; without one the built-in roots are used. `host_roots` are further bundles, by host.
    pub(super) fn new(
        limits: Limits,
        insecure: Vec<String>,
        roots: Option<&[u8]>,
        host_roots: &BTreeMap<String, Vec<u8>>,
        proxy: bool,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Cause> {
        let read = |pem: &[u8]| -> Result<RootCerts, Cause> {
            let certificates: Vec<Certificate<'static>> = ureq::tls::parse_pem(pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            if certificates.is_empty() {
                return Err(Cause::Roots);
            }
            Ok(RootCerts::new_with_certs(&certificates))
        };
        let roots_of_all = roots.map_or(Ok(RootCerts::WebPki), read)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let agent = |roots: &RootCerts, verify: bool| {
            let tls = TlsConfig::builder()
                .root_certs(roots.clone())
                .disable_verification(!verify)
                .unversioned_rustls_crypto_provider(Arc::clone(&provider))
                .build();
            let config = Agent::config_builder()
                .tls_config(tls)
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .max_idle_connections_per_host(IDLE.0)
                .max_idle_connections(IDLE.1)
                .accept_encoding("identity")
                .user_agent(concat!("verified-dockerfile/", env!("CARGO_PKG_VERSION")));
            let config = if proxy {
                config.build()
            } else {
                config.proxy(None).build()
            };
            new_agent(config)
        };
        let own = host_roots
            .iter()
            .map(|(host, pem)| {
                // Those of all hosts count here, too; the built-in ones are no list that could be added to.
                let mut all = pem.clone();
                all.push(b'\n');
                all.extend_from_slice(roots.unwrap_or_default());
                Ok((host.to_ascii_lowercase(), agent(&read(&all)?, true)))
            })
            .collect::<Result<_, Cause>>()?;
        Ok(Self {
            verified: agent(&roots_of_all, true),
            unverified: agent(&roots_of_all, false),
            own: Arc::new(own),
            deadline: clock.now().saturating_add(limits.total),
            insecure: insecure.into(),
            limits,
            clock,
            channels: Arc::default(),
            probes: Arc::default(),
        })
    }

    /// The same with `total` from now on.
    pub(super) fn renewed(&self, total: Duration) -> Self {
        Self {
            deadline: self.clock.now().saturating_add(total),
            ..self.clone()
        }
    }

    /// Waits before another attempt, the `attempt`th (from 1); `false` if none may follow.
    pub(in crate::resolve) fn pause(&self, attempt: u32) -> bool {
        let wait = self.backoff(attempt);
        let may = attempt < self.limits.attempts && wait < self.remaining();
        if may {
            self.clock.sleep(wait);
        }
        may
    }

    fn backoff(&self, attempt: u32) -> Duration {
        let factor = 1_u32
            .checked_shl(attempt.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let wait = self.limits.backoff.saturating_mul(factor);
        wait.min(self.limits.pause)
    }

    /// Sends a request and follows redirects. Credentials stay at the host they were meant for.
    pub(in crate::resolve) fn send(&self, request: &Request<'_>) -> Result<Response, Cause> {
        let mut url = request.url.clone();
        let mut authorization = request.authorization;
        for _ in 0..=request.redirects {
            let response = self.persist(&url, authorization, request)?;
            if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let target = response
                .header(header::LOCATION)
                .and_then(|location| match request.of {
                    Of::Registry => response.url.join(location),
                    Of::Web | Of::Stream => response.url.join_web(location),
                });
            let refused = || Cause::RedirectTarget {
                host: response.url.authority.clone(),
            };
            let target = target.ok_or_else(refused)?;
            let downgrade = response.channel == Channel::Verified
                || request.of == Of::Registry && !self.may_be_insecure(&target.authority);
            if target.scheme == Scheme::Http && downgrade {
                return Err(refused());
            }
            if !target.same_origin(&response.url) {
                authorization = None;
            }
            url = target;
        }
        Err(Cause::Redirects {
            host: url.authority,
        })
    }

    /// Repeats while the host says that it is busy, or drops the connection.
    fn persist(
        &self,
        url: &Url,
        authorization: Option<&Authorization>,
        request: &Request<'_>,
    ) -> Result<Response, Cause> {
        let mut attempt = 1;
        loop {
            let backoff = self.backoff(attempt);
            let result = self.descend(url, authorization, request);
            let wait = match &result {
                Ok(response) if matches!(response.status, 429 | 500 | 502 | 503 | 504) => {
                    let asked = response
                        .header(header::RETRY_AFTER)
                        .and_then(|text| text.parse().ok());
                    asked.map_or(backoff, Duration::from_secs)
                }
                // A connection that is gone says nothing about how busy the host is.
                Err(failure) if failure.again && attempt == 1 => Duration::ZERO,
                Err(failure) if failure.again => backoff,
                _ => return result.map_err(|failure| failure.cause),
            };
            let wait = wait.min(self.limits.pause);
            if attempt >= self.limits.attempts || wait >= self.remaining() {
                return result.map_err(|failure| failure.cause);
            }
            self.clock.sleep(wait);
            attempt = attempt.saturating_add(1);
        }
    }

    /// Finds the best way to speak to the host.
    fn descend(
        &self,
        url: &Url,
        authorization: Option<&Authorization>,
        request: &Request<'_>,
    ) -> Result<Response, Failure> {
        // What one finds out of a host, the others that want to know wait for.
        let probe = (self.ways(url, request.of).len() > 1).then(|| {
            let mut probes = held(&self.probes);
            Arc::clone(probes.entry(url.authority.clone()).or_default())
        });
        let probing = probe.as_deref().map(held);
        let ways = self.ways(url, request.of);
        // Known by now: nobody waits any longer.
        let mut probing = probing.filter(|_| ways.len() > 1);
        let mut first: Option<Failure> = None;
        for &channel in ways {
            let last = channel == Channel::Plain && first.is_some();
            if last {
                // All that is left: the others need not wait for the answer. It is forgotten if it was not this, either.
                held(&self.channels).insert(url.authority.clone(), channel);
                probing = None;
            }
            let result = self.attempt(url, channel, authorization, request);
            // A TLS server's answer to plain HTTP.
            let of_tls = |response: &Response| last && response.status == 400;
            if last && result.as_ref().map_or(true, of_tls) {
                held(&self.channels).remove(&url.authority);
            }
            match result {
                // Then the first failure is the interesting one.
                Ok(response) if of_tls(&response) => break,
                Ok(response) => {
                    if url.scheme != Scheme::Http {
                        held(&self.channels).insert(url.authority.clone(), channel);
                    }
                    return Ok(response);
                }
                Err(failure) => {
                    let (lesser, again) = (failure.lesser, failure.again);
                    // The first failure is what is shown; that a later way may work next time counts all the same.
                    first.get_or_insert(failure).again |= again;
                    if !lesser {
                        break;
                    }
                }
            }
        }
        drop(probing);
        let host = url.authority.clone();
        Err(first.unwrap_or(Failure {
            cause: Cause::Connect {
                host,
                reason: "no way to speak to it".to_owned(),
            },
            again: false,
            lesser: false,
        }))
    }

    /// What to try, best first. Only a host that was not asked for by scheme is ever asked in plain.
    fn ways(&self, url: &Url, of: Of) -> &'static [Channel] {
        use Channel::{Plain, Unverified, Verified};
        if of != Of::Registry && url.scheme != Scheme::Http {
            return &[Verified];
        }
        let known = held(&self.channels).get(&url.authority).copied();
        match (url.scheme, known) {
            (Scheme::Http, _) | (Scheme::Best, Some(Plain)) => &[Plain],
            (_, Some(Verified)) => &[Verified],
            (_, Some(Unverified)) => &[Unverified],
            _ if !self.may_be_insecure(&url.authority) => &[Verified],
            (Scheme::Https, _) => &[Verified, Unverified],
            (Scheme::Best, None) => &[Verified, Unverified, Plain],
        }
    }

    fn attempt(
        &self,
        url: &Url,
        channel: Channel,
        authorization: Option<&Authorization>,
        request: &Request<'_>,
    ) -> Result<Response, Failure> {
        let host = || url.authority.clone();
        let fatal = |cause| Failure {
            cause,
            again: false,
            lesser: false,
        };
        let login = authorization.is_some_and(|a| a.login) || request.form.is_some();
        if login && channel != Channel::Verified {
            return Err(fatal(Cause::Unprotected { host: host() }));
        }
        let time = self.limits.request.min(self.remaining());
        let timeout = || Cause::Timeout {
            host: host(),
            seconds: time.as_secs().max(1),
        };
        if time.is_zero() {
            let seconds = self.limits.total.as_secs().max(1);
            return Err(fatal(Cause::Timeout {
                host: host(),
                seconds,
            }));
        }
        let agent = if channel == Channel::Verified {
            self.own.get(&url.authority).unwrap_or(&self.verified)
        } else {
            &self.unverified
        };
        let mut message = ureq::http::Request::builder()
            .method(if request.form.is_some() {
                "POST"
            } else {
                "GET"
            })
            .uri(url.text(channel))
            .header(header::ACCEPT, request.accept);
        if let Some(authorization) = authorization {
            message = message.header(header::AUTHORIZATION, &authorization.value.0);
        }
        if request.form.is_some() {
            message = message.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        for (name, value) in request.headers {
            message = message.header(name, value);
        }
        let body = request.form.map_or("", |form| &form.0).to_owned();
        let message = message.body(body).map_err(|_| {
            fatal(Cause::Malformed {
                host: host(),
                what: "an address that cannot be asked",
            })
        })?;
        let streamed = request.of == Of::Stream;
        let message = agent
            .configure_request(message)
            .timeout_global((!streamed).then_some(time))
            .timeout_recv_response(Some(time))
            .timeout_per_read(Some(SILENCE.min(time)))
            .timeout_connect(Some(CONNECT.min(time)))
            .build();
        let failed = |error| failure(url, error, &timeout);
        let mut answer = agent.run(message).map_err(failed)?;
        let status = answer.status().as_u16();
        let success = answer.status().is_success();
        let limit = if success { request.limit } else { ERROR_BODY };
        if success
            && answer
                .body()
                .content_length()
                .is_some_and(|n| usize::try_from(n).is_ok_and(|n| n > limit))
        {
            return Err(fatal(Cause::TooLarge { limit }));
        }
        let headers = std::mem::take(answer.headers_mut());
        let answered = |body, stream| {
            let mut url = url.clone();
            url.scheme = if channel == Channel::Plain {
                Scheme::Http
            } else {
                Scheme::Https
            };
            Response {
                status,
                headers,
                body,
                url,
                channel,
                stream,
            }
        };
        if streamed && success {
            let stream = answer.into_body().into_reader();
            return Ok(answered(Vec::new(), Some(stream)));
        }
        let mut bytes = Vec::new();
        let more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = answer
            .body_mut()
            .as_reader()
            .take(more)
            .read_to_end(&mut bytes);
        // Of an error, what came is enough.
        if success {
            read.map_err(|error| failed(error.into()))?;
            if bytes.len() > limit {
                return Err(fatal(Cause::TooLarge { limit }));
            }
        }
        Ok(answered(bytes, None))
    }

    pub(in crate::resolve) fn remaining(&self) -> Duration {
        self.deadline.saturating_sub(self.clock.now())
    }

    /// Whether a host may be spoken to without verified TLS: it was named for that, or its
    /// address is the machine's own or a private one, as Docker has it for its own registry.
    pub(super) fn may_be_insecure(&self, authority: &str) -> bool {
        let bare = host_of(authority);
        if self
            .insecure
            .iter()
            .any(|name| name == authority || name == bare)
        {
            return true;
        }
        match bare.trim_matches(['[', ']']).parse() {
            Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private(),
            Ok(IpAddr::V6(ip)) => ip == Ipv6Addr::LOCALHOST || ip.is_unique_local(),
            Err(_) => bare == "localhost" || bare.ends_with(".localhost"),
        }
    }
}

/// A lock that is taken also after a panic elsewhere: what it guards is whole at any time.
pub(in crate::resolve) fn held<T: ?Sized>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(not(test))]
fn new_agent(config: ureq::config::Config) -> Agent {
    config.new_agent()
}

/// Tests have names of their own for loopback.
#[cfg(test)]
fn new_agent(config: ureq::config::Config) -> Agent {
    use ureq::unversioned::transport::DefaultConnector;
    Agent::with_parts(config, DefaultConnector::default(), super::testing::Names)
}

/// An authority without its port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|b| b.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}

fn failure(url: &Url, error: ureq::Error, timeout: &dyn Fn() -> Cause) -> Failure {
    let host = || url.authority.clone();
    let connect = |reason: &str| Cause::Connect {
        host: host(),
        reason: reason.to_owned(),
    };
    let tls = |reason: String| Cause::Tls {
        host: host(),
        reason: plain(&reason),
    };
    let (cause, again, lesser) = match error {
        ureq::Error::Timeout(ureq::Timeout::Connect) => (connect("no answer"), false, true),
        ureq::Error::Timeout(_) => (timeout(), false, false),
        ureq::Error::HostNotFound => (connect("the name is not known"), false, false),
        ureq::Error::Rustls(error) => (tls(error.to_string()), false, true),
        ureq::Error::Tls(reason) => (tls(reason.to_owned()), false, true),
        ureq::Error::ConnectProxyFailed(_) | ureq::Error::InvalidProxyUrl => {
            (connect("the proxy refused"), false, false)
        }
        ureq::Error::Io(error) => {
            use io::ErrorKind as Kind;
            let inner = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match (inner, error.kind()) {
                (Some(inner), _) => (tls(inner.to_string()), false, true),
                (None, Kind::TimedOut | Kind::WouldBlock) => (timeout(), false, false),
                (
                    None,
                    Kind::ConnectionReset
                    | Kind::ConnectionAborted
                    | Kind::UnexpectedEof
                    | Kind::BrokenPipe,
                ) => (connect("it closed the connection"), true, true),
                (None, kind) => (connect(&kind.to_string()), false, true),
            }
        }
        ureq::Error::Protocol(_) | ureq::Error::Http(_) | ureq::Error::LargeResponseHeader(..) => (
            Cause::Malformed {
                host: host(),
                what: "not HTTP",
            },
            false,
            false,
        ),
        _ => (connect("the request failed"), false, false),
    };
    Failure {
        cause,
        again,
        lesser,
    }
}

/// A library's text for a terminal: short, and without control characters.
fn plain(text: &str) -> String {
    text.chars()
        .take(200)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_or_named_hosts_may_be_insecure() {
        let clock = Arc::new(super::super::SystemClock::default());
        let named = vec!["named.test".to_owned(), "port.test:5000".to_owned()];
        let transport = Transport::new(
            Limits::default(),
            named,
            None,
            &BTreeMap::new(),
            false,
            clock,
        )
        .unwrap();
        for yes in [
            "localhost",
            "localhost:5000",
            "a.localhost:80",
            "127.0.0.1:5000",
            "127.9.9.9",
            "172.17.0.1:5000",
            "10.0.0.1",
            "192.168.1.1:80",
            "[::1]:5000",
            "[fd00::1]",
            "named.test",
            "named.test:8080",
            "port.test:5000",
        ] {
            assert!(transport.may_be_insecure(yes), "{yes}");
        }
        for no in [
            "registry.test",
            "localhost.registry.test",
            "notlocalhost",
            "127.0.0.1.registry.test",
            "172.32.0.1:5000",
            "8.8.8.8",
            "169.254.169.254",
            "[2001:db8::1]:5000",
            "[fe80::1]",
            "sub.named.test",
            "port.test",
            "port.test:5001",
            "127.1",
            "",
        ] {
            assert!(!transport.may_be_insecure(no), "{no}");
        }
    }
}
