//! URLs as requests are compared by them.

use std::{fmt, net::IpAddr};

/// Longest URL, in bytes.
const MAX: usize = 16 << 10;

/// An absolute `http` or `https` URL. Scheme and host are in lower case, the scheme's own port and the fragment are left
/// out; path and query stay as the client wrote them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url {
    tls: bool,
    host: String,
    port: u16,
    path: String,
}

/// Why a text is no [`Url`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("only http:// and https:// URLs are fetched in a step")]
    Scheme,
    /// No host, or one that is no name or address.
    #[error("the URL has no usable host")]
    Host,
    /// A port that is no number from 1 to 65535.
    #[error("the URL's port is no number from 1 to 65535")]
    Port,
    /// Blanks or control characters, or too long.
    #[error("the URL has characters that no URL has, or is longer than {MAX} bytes")]
    Characters,
}

impl Url {
    /// Reads an absolute URL. A login in it is left out: it is no part of what is asked for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(UrlError::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(UrlError::Host)?;
        Self::new(tls, authority, path)
    }

    /// From its parts: `host[:port]`, and path with query.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(tls: bool, authority: &str, path: &str) -> Result<Self, UrlError> {
        if authority.len().saturating_add(path.len()) > MAX {
            return Err(UrlError::Characters);
        }
        let path = path.split('#').next().unwrap_or_default();
        if !path.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
            return Err(UrlError::Characters);
        }
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (host, port) = split_port(authority)?;
        let own = if tls { 443 } else { 80 };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
        let address = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
        if host.is_empty() || !(address || host.bytes().all(name)) {
            return Err(UrlError::Host);
        }
        Ok(Self {
            tls,
            host,
            port: port.unwrap_or(own),
            path,
        })
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// The host without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it names the container itself.
    #[must_use]
    pub fn is_local(&self) -> bool {
        is_local(self.host())
    }
}

/// Whether `name` may be one of a host, or of a service.
pub(super) fn is_name(name: &str) -> bool {
    let byte =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    !name.is_empty() && name.len() <= 253 && name.bytes().all(byte)
}

/// `host:port` of a CONNECT, or `host[:port]`.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let split = if let Some(end) = authority.rfind(']') {
        let (host, rest) = authority
            .split_at_checked(end.saturating_add(1))
            .ok_or(UrlError::Host)?;
        (host, rest.strip_prefix(':'))
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    match split {
        (host, None | Some("")) => Ok((host, None)),
        (host, Some(port)) => match port.parse() {
            Ok(port) if port > 0 => Ok((host, Some(port))),
            _ => Err(UrlError::Port),
        },
    }
}

/// Whether `host` is this container: what a step serves to itself is nobody's business.
pub fn is_local(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

impl fmt::Display for Url {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(out, "{scheme}://{}", self.host)?;
        if self.port != if self.tls { 443 } else { 80 } {
            write!(out, ":{}", self.port)?;
        }
        out.write_str(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_url_is_written_one_way() {
        for (text, same) in [
            ("HTTP://Files.Test", "http://files.test/"),
            ("http://files.test:80/a?b#c", "http://files.test/a?b"),
            ("https://files.test:443/A%2f", "https://files.test/A%2f"),
            (
                "https://u:p@files.test:8443?q",
                "https://files.test:8443/?q",
            ),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
            ("http://files.test./x", "http://files.test/x"),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), same, "{text}");
            assert_eq!(Url::parse(same).unwrap().to_string(), same, "{same}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for (text, why) in [
            ("ftp://files.test/", UrlError::Scheme),
            ("files.test/", UrlError::Scheme),
            ("http:///x", UrlError::Host),
            ("http://a b/", UrlError::Host),
            ("http://[::g]/", UrlError::Host),
            ("http://files.test:0/", UrlError::Port),
            ("http://files.test:99999/", UrlError::Port),
            ("http://files.test/a b", UrlError::Characters),
            ("http://files.test/\n", UrlError::Characters),
        ] {
            assert_eq!(Url::parse(text), Err(why), "{text}");
        }
        assert!(Url::parse(&format!("http://files.test/{}", "a".repeat(MAX))).is_err());
    }

    #[test]
    fn the_container_itself_is_known() {
        for host in ["localhost", "127.0.0.1", "127.9.9.9", "::1", "a.localhost"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["files.test", "10.0.0.1", "localhost.test", "::2"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
