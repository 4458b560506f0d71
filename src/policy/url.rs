//! One spelling for each URL, so that a pattern cannot be passed by spelling a URL differently.
//!
//! Normalised as RFC 3986 section 6.2.2 and 6.2.3 say: scheme and host in lower case, unreserved characters decoded, other
//! escapes in upper case, dot segments removed, no default port, an empty path as `/`, no fragment. What could make two
//! readers see two hosts (user information, backslashes, control characters, non-ASCII) is refused instead.

/// Longest URL, in bytes.
pub const MAX_URL: usize = 8 * 1024;

/// Why a URL cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// More than [`MAX_URL`] bytes.
    #[error("a URL has at most {MAX_URL} bytes")]
    Size,
    /// Not one of the schemes asked for.
    #[error("a URL begins with {0}")]
    Scheme(&'static str),
    /// A space, control character, backslash, quote or anything outside ASCII.
    #[error(
        "a URL has only printable ASCII characters without \\, \", <, >, ^, ` and braces; write others percent-encoded"
    )]
    Character,
    /// Before an `@`.
    #[error(
        "a URL with a user name or password in front of the host is refused: it hides the host and leaks the password; use a build secret"
    )]
    UserInfo,
    /// Empty, or not a name or an address.
    #[error("the URL's host is not a name or an address")]
    Host,
    /// Not 1 to 65535.
    #[error("the URL's port is not a number from 1 to 65535")]
    Port,
    /// `%` without two hexadecimal digits.
    #[error("a `%` in the URL is not followed by two hexadecimal digits")]
    Escape,
}

/// Normalises an `http` or `https` URL.
///
/// # Errors
/// [`UrlError`].
pub fn http(text: &str) -> Result<String, UrlError> {
    const SCHEMES: &[(&str, u16)] = &[("https", 443), ("http", 80)];
    normalise(text, SCHEMES, "https:// or http://")
}

/// Normalises a git remote: a URL, or the short form `user@host:path` of SSH.
///
/// # Errors
/// [`UrlError`]; local paths and `file://` are refused too, and dot segments and escapes in the short form.
pub fn git(text: &str) -> Result<String, UrlError> {
    const SCHEMES: &[(&str, u16)] = &[("https", 443), ("http", 80), ("ssh", 22), ("git", 9418)];
    const KNOWN: &str = "https://, http://, ssh:// or git://, or is user@host:path";
    if text.contains("://") {
        return normalise(text, SCHEMES, KNOWN);
    }
    if text.len() > MAX_URL {
        return Err(UrlError::Size);
    }
    let (user, rest) = text.split_once('@').ok_or(UrlError::Scheme(KNOWN))?;
    let (host, path) = rest.split_once(':').ok_or(UrlError::Scheme(KNOWN))?;
    if user.is_empty() || user.starts_with('-') || !user.bytes().all(is_name) || path.is_empty() {
        return Err(UrlError::Scheme(KNOWN));
    }
    if host.is_empty() || host.starts_with('-') || !host.bytes().all(is_name) {
        return Err(UrlError::Host);
    }
    // A path, not a URL: nothing in it is decoded, so nothing may need it.
    if !path.bytes().all(is_plain) || path.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(UrlError::Character);
    }
    Ok(format!("{user}@{}:{path}", host.to_ascii_lowercase()))
}

fn normalise(text: &str, schemes: &[(&str, u16)], known: &'static str) -> Result<String, UrlError> {
    if text.len() > MAX_URL {
        return Err(UrlError::Size);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme(known))?;
    let scheme = scheme.to_ascii_lowercase();
    let (_, default_port) = *schemes
        .iter()
        .find(|(name, _)| *name == scheme)
        .ok_or(UrlError::Scheme(known))?;
    if !rest
        .bytes()
        .all(|byte| is_plain(byte) || byte == b'%' || byte == b'#')
    {
        return Err(UrlError::Character);
    }
    let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let (user, authority) = match authority.rsplit_once('@') {
        None => ("", authority),
        Some((user, host)) if scheme == "ssh" && !user.is_empty() && user.bytes().all(is_name) => {
            (user, host)
        }
        Some(_) => return Err(UrlError::UserInfo),
    };
    let (host, port) = host_and_port(authority)?;
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    let mut url = format!("{scheme}://");
    if !user.is_empty() {
        url.push_str(user);
        url.push('@');
    }
    url.push_str(&host);
    if let Some(port) = port.filter(|port| *port != default_port) {
        url.push_str(&format!(":{port}"));
    }
    url.push_str(&without_dot_segments(&escapes(path)?));
    if let Some(query) = query {
        url.push('?');
        url.push_str(&escapes(query)?);
    }
    Ok(url)
}

fn host_and_port(authority: &str) -> Result<(String, Option<u16>), UrlError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(UrlError::Host)?;
        let address: std::net::Ipv6Addr = address.parse().map_err(|_| UrlError::Host)?;
        let port = match port {
            "" => None,
            _ => Some(port.strip_prefix(':').ok_or(UrlError::Port)?),
        };
        (format!("[{address}]"), port)
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        if host.is_empty() || !host.bytes().all(is_name) {
            return Err(UrlError::Host);
        }
        (host.to_ascii_lowercase(), port)
    };
    let port = match port {
        None | Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let port: u16 = digits.parse().map_err(|_| UrlError::Port)?;
            Some(port)
                .filter(|port| *port != 0)
                .ok_or(UrlError::Port)?
                .into()
        }
        Some(_) => return Err(UrlError::Port),
    };
    Ok((host, port))
}

/// Letters, digits, `-`, `.` and `_`.
fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// What may stand unescaped in a path or query: the characters of RFC 3986, with `[`, `]` and `|`, which are common in practice.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'%' | b'#' | b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'}'
        )
}

/// Escapes in one spelling: none for unreserved characters, upper-case digits for others.
fn escapes(text: &str) -> Result<String, UrlError> {
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || {
                bytes
                    .next()
                    .and_then(|byte| (byte as char).to_digit(16))
                    .ok_or(UrlError::Escape)
            };
            let code = u8::try_from(digit()?.saturating_mul(16).saturating_add(digit()?))
                .map_err(|_| UrlError::Escape)?;
            if is_name(code) || code == b'~' {
                out.push(code as char);
            } else {
                out.push_str(&format!("%{code:02X}"));
            }
        } else if is_plain(byte) {
            out.push(byte as char);
        } else {
            return Err(UrlError::Character);
        }
    }
    Ok(out)
}

/// RFC 3986 section 5.2.4; the result begins with `/`.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        for (text, normal) in [
            ("https://good.test", "https://good.test/"),
            ("https://good.test?a=/b", "https://good.test/?a=/b"),
            ("HTTPS://Good.Test:443/A/b", "https://good.test/A/b"),
            ("http://good.test:80", "http://good.test/"),
            ("http://good.test:443/", "http://good.test:443/"),
            ("https://good.test:0443/", "https://good.test/"),
            ("https://good.test:/", "https://good.test/"),
            (
                "https://good.test/a/../b/./c//d",
                "https://good.test/b/c//d",
            ),
            ("https://good.test/%2e%2E/../x/..", "https://good.test/"),
            ("https://good.test/a/b/..", "https://good.test/a/"),
            (
                "https://good.test/%7euser/%2f%41",
                "https://good.test/~user/%2FA",
            ),
            ("https://good.test/x#frag", "https://good.test/x"),
            (
                "https://good.test/x?y=%zz#f".replace("%zz", "%2F").as_str(),
                "https://good.test/x?y=%2F",
            ),
            ("https://good.test/a@b", "https://good.test/a@b"),
            ("https://[0:0::1]:8443/", "https://[::1]:8443/"),
        ] {
            assert_eq!(http(text).as_deref(), Ok(normal), "{text}");
            assert_eq!(http(normal).as_deref(), Ok(normal), "stable: {normal}");
        }
    }

    #[test]
    fn two_readings_are_refused() {
        for (text, error) in [
            ("https://good.test/@evil.test/\\", UrlError::Character),
            ("https://good.test@evil.test/", UrlError::UserInfo),
            ("https://user:pass@good.test/", UrlError::UserInfo),
            ("https://@good.test/", UrlError::UserInfo),
            ("https://good.test\\@evil.test/", UrlError::Character),
            ("https://good%2etest/", UrlError::Host),
            ("https://good.test\t/", UrlError::Character),
            ("https:// good.test/", UrlError::Character),
            ("https://good.test/\u{0}", UrlError::Character),
            ("https://g\u{f6}\u{f6}d.test/", UrlError::Character),
            ("https:///x", UrlError::Host),
            ("https://", UrlError::Host),
            ("https:/good.test/", UrlError::Scheme("https:// or http://")),
            ("ftp://good.test/", UrlError::Scheme("https:// or http://")),
            ("//good.test/", UrlError::Scheme("https:// or http://")),
            ("https://good.test:99999/", UrlError::Port),
            ("https://good.test:+443/", UrlError::Port),
            ("https://good.test:0/", UrlError::Port),
            ("https://good.test:1:2/", UrlError::Port),
            ("https://[::1/", UrlError::Host),
            ("https://[::1]x/", UrlError::Port),
            ("https://[evil.test]/", UrlError::Host),
            ("https://good.test/%", UrlError::Escape),
            ("https://good.test/%2", UrlError::Escape),
            ("https://good.test/%+1", UrlError::Escape),
        ] {
            assert_eq!(http(text), Err(error), "{text}");
        }
        assert_eq!(
            http(&format!("https://good.test/{}", "a".repeat(MAX_URL))),
            Err(UrlError::Size)
        );
    }

    #[test]
    fn git_remotes() {
        for (text, normal) in [
            ("https://Git.test/a/b.git", "https://git.test/a/b.git"),
            ("ssh://git@Git.test:22/a.git", "ssh://git@git.test/a.git"),
            ("git@Git.test:a/b.git", "git@git.test:a/b.git"),
            ("git://git.test:9418/a", "git://git.test/a"),
        ] {
            assert_eq!(git(text).as_deref(), Ok(normal), "{text}");
        }
        for text in [
            "https://user@git.test/a",
            "ssh://git:pw@git.test/a",
            "file:///etc",
            "/srv/git",
            "git.test:a",
            "a b@git.test:x",
            "git@git.test:",
            "git@[::1]:x",
            "git@git.test:good/../evil",
            "git@git.test:%41",
            "-x@git.test:a",
            "-oProxyCommand=x@git.test",
        ] {
            assert!(git(text).is_err(), "{text}");
        }
    }
}
