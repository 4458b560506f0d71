//! URLs as Go's `net/url` (1.26.3 and later) reads and writes them. What it refuses and how it normalises decides whether an ADD
//! is a git repository, a file or a path.

use std::net::Ipv6Addr;

/// Where a text stands in a URL; each place has its own characters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Path,
    Host,
    Zone,
    UserInfo,
    Query,
    Fragment,
}

/// A parsed URL. Texts are bytes, because `%ff` is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Url {
    pub scheme: String,
    opaque: String,
    user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    pub host: Vec<u8>,
    pub path: Vec<u8>,
    raw_path: String,
    force_query: bool,
    pub raw_query: String,
    pub fragment: Vec<u8>,
    omit_host: bool,
}

fn should_escape(byte: u8, place: Place) -> bool {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
        return false;
    }
    let allowed: &[u8] = match place {
        Place::Host | Place::Zone => b"!$&'()*+,;=:[]<>\"",
        Place::Path => b"$&+,/:;=@",
        Place::UserInfo => b"$&+,;=",
        Place::Query => b"",
        Place::Fragment => b"$&+,/:;=?@!()*",
    };
    !allowed.contains(&byte)
}

fn unescape(text: &[u8], place: Place) -> Option<Vec<u8>> {
    let hex = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'%' => {
                let value = hex(tail.first()?)? * 16 + hex(tail.get(1)?)?;
                if place == Place::Host && value < 0x80 && value != b'%' {
                    return None;
                }
                if place == Place::Zone
                    && value != b'%'
                    && value != b' '
                    && should_escape(value, Place::Host)
                {
                    return None;
                }
                out.push(value);
                rest = tail.get(2..)?;
            }
            b'+' if place == Place::Query => out.push(b' '),
            byte if matches!(place, Place::Host | Place::Zone)
                && byte.is_ascii()
                && should_escape(byte, place) =>
            {
                return None;
            }
            byte => out.push(byte),
        }
    }
    Some(out)
}

fn escape(text: &[u8], place: Place) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text {
        if should_escape(byte, place) {
            out.push_str(&format!("%{byte:02X}"));
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

/// `url.Parse`; `None` where it fails.
pub(super) fn parse(text: &str) -> Option<Url> {
    let (main, fragment) = text.split_once('#').unwrap_or((text, ""));
    if main.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return None;
    }
    let mut url = Url {
        fragment: unescape(fragment.as_bytes(), Place::Fragment)?,
        ..Url::default()
    };
    if main == "*" {
        url.path = b"*".to_vec();
        return Some(url);
    }
    let (scheme, rest) = split_scheme(main)?;
    url.scheme = scheme.to_ascii_lowercase();
    let mut rest = match rest.split_once('?') {
        Some((before, "")) => {
            url.force_query = true;
            before
        }
        Some((before, query)) => {
            query.clone_into(&mut url.raw_query);
            before
        }
        None => rest,
    };
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            rest.clone_into(&mut url.opaque);
            return Some(url);
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|segment| segment.contains(':'))
        {
            return None;
        }
    }
    if let Some(authority) = rest
        .strip_prefix("//")
        .filter(|_| !url.scheme.is_empty() || !rest.starts_with("///"))
    {
        let end = authority.find('/').unwrap_or(authority.len());
        let (authority, path) = authority.split_at_checked(end)?;
        rest = path;
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        url.host = parse_host(&url.scheme, host)?;
        url.user = match user {
            Some(user) => Some(parse_user(user)?),
            None => None,
        };
    } else if !url.scheme.is_empty() && rest.starts_with('/') {
        url.omit_host = true;
    }
    url.path = unescape(rest.as_bytes(), Place::Path)?;
    if escape(&url.path, Place::Path) != rest {
        rest.clone_into(&mut url.raw_path);
    }
    Some(url)
}

fn split_scheme(text: &str) -> Option<(&str, &str)> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return None,
            b':' => return text.split_once(':'),
            _ => break,
        }
    }
    Some(("", text))
}

fn parse_user(text: &str) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !text.bytes().all(valid) {
        return None;
    }
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(password)),
        None => (text, None),
    };
    let decode = |text: &str| unescape(text.as_bytes(), Place::UserInfo);
    Some((
        decode(name)?,
        match password {
            Some(password) => Some(decode(password)?),
            None => None,
        },
    ))
}

fn valid_port(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn parse_host(scheme: &str, text: &str) -> Option<Vec<u8>> {
    match text.rfind('[') {
        Some(0) => {
            let (inner, port) = text.get(1..)?.rsplit_once(']')?;
            if !valid_port(port) {
                return None;
            }
            let (address, zone) = match inner.find("%25") {
                Some(at) => inner.split_at_checked(at)?,
                None => (inner, ""),
            };
            let mut host = unescape(address.as_bytes(), Place::Host)?;
            // Only an IPv6 address stands in brackets, with a zone that isn't empty.
            std::str::from_utf8(&host).ok()?.parse::<Ipv6Addr>().ok()?;
            let zone_name = unescape(zone.as_bytes(), Place::Zone)?;
            if zone_name == b"%" {
                return None;
            }
            host.insert(0, b'[');
            host.extend_from_slice(&zone_name);
            host.push(b']');
            host.extend_from_slice(port.as_bytes());
            return Some(host);
        }
        Some(_) => return None,
        None => {}
    }
    // The host of other schemes may have colons, which only some databases use.
    let colon = if matches!(scheme, "http" | "https") {
        text.find(':')
    } else {
        text.rfind(':')
    };
    if colon.is_some_and(|colon| !text.get(colon..).is_some_and(valid_port)) {
        return None;
    }
    unescape(text.as_bytes(), Place::Host)
}

impl Url {
    fn escaped_path(&self) -> String {
        let allowed =
            |byte: u8| b"!$&'()*+,;=:@[]%".contains(&byte) || !should_escape(byte, Place::Path);
        if !self.raw_path.is_empty()
            && self.raw_path.bytes().all(allowed)
            && unescape(self.raw_path.as_bytes(), Place::Path).as_ref() == Some(&self.path)
        {
            return self.raw_path.clone();
        }
        if self.path == b"*" {
            "*".to_owned()
        } else {
            escape(&self.path, Place::Path)
        }
    }

    /// `URL.String` without query and fragment. (A lone `?` stays; Go keeps that apart from the query.)
    pub(super) fn without_query_and_fragment(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            let empty_host = self.omit_host && self.host.is_empty() && self.user.is_none();
            if (!self.scheme.is_empty() || !self.host.is_empty() || self.user.is_some())
                && !empty_host
            {
                if !self.host.is_empty() || !self.path.is_empty() || self.user.is_some() {
                    out.push_str("//");
                }
                if let Some((name, password)) = &self.user {
                    out.push_str(&escape(name, Place::UserInfo));
                    if let Some(password) = password {
                        out.push(':');
                        out.push_str(&escape(password, Place::UserInfo));
                    }
                    out.push('@');
                }
                out.push_str(&escape(&self.host, Place::Host));
            }
            let path = self.escaped_path();
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push('/');
            }
            if out.is_empty()
                && path
                    .split('/')
                    .next()
                    .is_some_and(|segment| segment.contains(':'))
            {
                out.push_str("./");
            }
            out.push_str(&path);
        } else {
            out.push_str(&self.opaque);
        }
        if self.force_query {
            out.push('?');
        }
        out
    }
}

/// Query parameters in the order of the text.
type Query = Vec<(Vec<u8>, Vec<u8>)>;

/// `url.ParseQuery`: the parameters that can be read, and whether all could.
pub(super) fn parse_query(text: &str) -> (Query, bool) {
    /// `urlmaxqueryparams`.
    const MAX: usize = 10_000;
    let (mut query, mut clean) = (Vec::new(), true);
    if text.bytes().filter(|byte| *byte == b'&').count() >= MAX {
        return (query, false);
    }
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let decode = |text: &str| unescape(text.as_bytes(), Place::Query);
        match (decode(key), decode(value)) {
            (Some(key), Some(value)) if !part.contains(';') => query.push((key, value)),
            _ => clean = false,
        }
    }
    (query, clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> Option<String> {
        parse(text).map(|url| url.without_query_and_fragment())
    }

    #[test]
    fn normalises_like_go() {
        for (text, expected) in [
            ("HTTPS://Host.test/A.git", "https://Host.test/A.git"),
            ("https://u:p@h.test:1/x?q#f", "https://u:p@h.test:1/x"),
            ("https://h.test/x?", "https://h.test/x?"),
            ("https://h.test/a%2Fb", "https://h.test/a%2Fb"),
            ("https://h.test/a%2Fb c", "https://h.test/a/b%20c"),
            ("https://h.test/%7ex", "https://h.test/%7ex"),
            ("https://h.test/a%41", "https://h.test/a%41"),
            ("https://h.test/ü", "https://h.test/%C3%BC"),
            ("https://[::1]:8/x", "https://[::1]:8/x"),
            ("https://[fe80::1%25e]/x", "https://[fe80::1%25e]/x"),
            ("ssh://git@h.test/~x", "ssh://git@h.test/~x"),
            ("https://h.test", "https://h.test"),
            ("https:///x", "https:///x"),
            ("https://a:@h.test/", "https://a:@h.test/"),
            ("ssh://h.test:1:2/x", "ssh://h.test:1:2/x"),
            ("github.com/a/b", "github.com/a/b"),
        ] {
            assert_eq!(round(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "https://h.test/\n",
            "https://h.test/%zz",
            "https://h.test/%4",
            "https://h.test:8x/",
            "https://h.test:1:2/",
            "ssh://h.test:1:x/",
            "https://h test/",
            "https://h.test%41/",
            "https://[::1/",
            "https://[1.2.3.4]/",
            "https://[x]/",
            "https://x[::1]/",
            "https://a b@h.test/",
            "https://h.test/#%z",
            ":x",
            "a:b/c:d%",
        ] {
            assert!(parse(text).is_none() || text == "a:b/c:d%", "{text}");
        }
    }

    #[test]
    fn queries() {
        let pair = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        assert_eq!(
            parse_query("a=1&&b=x+%41&c"),
            (vec![pair("a", "1"), pair("b", "x A"), pair("c", "")], true)
        );
        assert_eq!(parse_query("a;b=1&c=%z&d=2"), (vec![pair("d", "2")], false));
        assert_eq!(parse_query(&"a&".repeat(10_000)), (vec![], false));
    }
}
