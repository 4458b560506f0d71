//! Secrets in texts: found where they commonly stand, and never shown.

/// Which bytes of `text` are secrets: the password or token in front of the `@` of an address, the value of a telling
/// parameter (`?token=...`), what follows `Authorization:` and the like, the value of a telling option (`--password`), and the
/// password that curl is given with `-u`. A variable (`$TOKEN`) is none: it is a name.
#[must_use]
pub fn places(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        address(text, at.saturating_add(3), &mut found);
    }
    let lower = text.to_ascii_lowercase();
    for name in HEADERS {
        for (at, _) in lower.match_indices(name) {
            header(text, at.saturating_add(name.len()), &mut found);
        }
    }
    for name in OPTIONS {
        for (at, _) in lower.match_indices(name) {
            option(text, at.saturating_add(name.len()), &mut found);
        }
    }
    if let Some(curl) = lower.find("curl") {
        for name in LOGINS {
            for (at, _) in text.match_indices(name).filter(|(at, _)| *at > curl) {
                login(text, at.saturating_add(name.len()), &mut found);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Headers that hold a secret, in lower case.
const HEADERS: [&str; 9] = [
    "authorization:",
    "cookie:",
    "private-token:",
    "job-token:",
    "api-key:",
    "x-auth-token:",
    "x-vault-token:",
    "x-jfrog-art-api:",
    "x-amz-security-token:",
];

/// Options and settings whose value is a secret, in lower case; ` ` or `=` follows.
const OPTIONS: [&str; 8] = [
    "--password",
    "--http-password",
    "--ftp-password",
    "--proxy-password",
    "--oauth2-bearer",
    "--token",
    "_authtoken",
    ":_password",
];

/// Options of curl whose value is `NAME:PASSWORD`.
const LOGINS: [&str; 6] = [
    " -u ",
    " -u",
    " --user ",
    " --user=",
    " --proxy-user ",
    " -U ",
];

/// `text` with every secret replaced by `***`, and without what would move a terminal; the second is whether there was a secret.
#[must_use]
pub fn redacted(text: &str) -> (String, bool) {
    let places = places(text);
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (start, end) in &places {
        if *start >= from {
            out.push_str(text.get(from..*start).unwrap_or_default());
            out.push_str("***");
            from = *end;
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
    let moves = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if out.contains(moves) {
        out = out.replace(moves, "\u{fffd}");
    }
    (out, !places.is_empty())
}

/// `text` with every byte of a secret replaced by `*`, so that nothing moves.
#[must_use]
pub fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (start, end) in places(text) {
        for byte in bytes.get_mut(start..end).unwrap_or_default() {
            *byte = b'*';
        }
    }
    // Whole characters were replaced.
    String::from_utf8(bytes).unwrap_or_default()
}

fn ends_address(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '|' | ';' | ')')
}

/// The address whose authority begins at `from`.
fn address(text: &str, from: usize, found: &mut Vec<(usize, usize)>) {
    let rest = text.get(from..).unwrap_or_default();
    let rest = rest
        .get(..rest.find(ends_address).unwrap_or(rest.len()))
        .unwrap_or_default();
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    if let Some(at) = authority.rfind('@') {
        let user = authority.get(..at).unwrap_or_default();
        let (name, password) = match user.find(':') {
            Some(colon) => (
                user.get(..colon).unwrap_or_default(),
                user.get(colon.saturating_add(1)..),
            ),
            None => (user, None),
        };
        let mut add = |start: usize, secret: &str| {
            if !secret.is_empty() && !secret.starts_with('$') {
                let start = from.saturating_add(start);
                found.push((start, start.saturating_add(secret.len())));
            }
        };
        // A token may stand where the name belongs: `TOKEN:x-oauth-basic@`.
        if is_token(name) || password == Some("x-oauth-basic") {
            add(0, name);
        }
        if let Some(password) = password {
            add(name.len().saturating_add(1), password);
        }
    }
    let Some(query) = rest.find('?') else { return };
    let mut at = query.saturating_add(1);
    for pair in rest.get(at..).unwrap_or_default().split('&') {
        if let Some((name, value)) = pair.split_once('=')
            && tells(name)
            && !value.is_empty()
            && !value.starts_with('$')
        {
            let start = from
                .saturating_add(at)
                .saturating_add(name.len())
                .saturating_add(1);
            found.push((start, start.saturating_add(value.len())));
        }
        at = at.saturating_add(pair.len()).saturating_add(1);
    }
}

/// The value of a header, which begins at `from`: to the quote or the end of the line, behind a scheme (`Bearer`).
fn header(text: &str, from: usize, found: &mut Vec<(usize, usize)>) {
    let rest = text.get(from..).unwrap_or_default();
    let line = rest
        .get(..rest.find(['"', '\'', '\n']).unwrap_or(rest.len()))
        .unwrap_or_default();
    let value = line.trim_start();
    let mut start = from.saturating_add(line.len().saturating_sub(value.len()));
    let value = value.trim_end();
    let mut secret = value;
    if let Some((scheme, behind)) = value.split_once(' ')
        && scheme.bytes().all(|byte| byte.is_ascii_alphabetic())
    {
        start = start.saturating_add(scheme.len()).saturating_add(1);
        secret = behind;
    }
    if !secret.is_empty() && !secret.starts_with('$') {
        found.push((start, start.saturating_add(secret.len())));
    }
}

/// The value of an option whose name ends at `from`: up to the next blank or quote.
fn option(text: &str, from: usize, found: &mut Vec<(usize, usize)>) {
    let rest = text.get(from..).unwrap_or_default();
    let value = rest.trim_start_matches(['=', ' ', '"', '\'']);
    // Another option, or a longer name.
    if value.len() == rest.len() || value.starts_with('-') {
        return;
    }
    let start = from.saturating_add(rest.len().saturating_sub(value.len()));
    let end = value.find(ends_word).unwrap_or(value.len());
    if end > 0 && !value.starts_with(['$', '/']) {
        found.push((start, start.saturating_add(end)));
    }
}

/// The password in `NAME:PASSWORD`, which begins at `from`. Two numbers are a user and a group.
fn login(text: &str, from: usize, found: &mut Vec<(usize, usize)>) {
    let rest = text.get(from..).unwrap_or_default();
    let value = rest.trim_start_matches(['"', '\'']);
    let start = from.saturating_add(rest.len().saturating_sub(value.len()));
    let value = value
        .get(..value.find(ends_word).unwrap_or(value.len()))
        .unwrap_or_default();
    if let Some((name, password)) = value.split_once(':')
        && !password.is_empty()
        && !password.starts_with('$')
        && !password.bytes().all(|byte| byte.is_ascii_digit())
    {
        let start = start.saturating_add(name.len()).saturating_add(1);
        found.push((start, start.saturating_add(password.len())));
    }
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | ';' | '|' | '&' | ')')
}

/// The beginnings of tokens that well-known services give out, long numbers, and what is too long and mixed for a name.
fn is_token(text: &str) -> bool {
    const BEGINNINGS: [&str; 8] = [
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "npm_",
        "pypi-",
        "hf_",
    ];
    BEGINNINGS
        .iter()
        .any(|beginning| text.starts_with(beginning))
        || text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        || text.len() >= 20
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            && text.bytes().any(|byte| byte.is_ascii_digit())
            && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether a parameter of that name holds a secret.
fn tells(name: &str) -> bool {
    const NAMES: [&str; 20] = [
        "token",
        "access_token",
        "access-token",
        "refresh_token",
        "client_secret",
        "jwt",
        "pat",
        "signature",
        "x-goog-signature",
        "x-amz-security-token",
        "private_token",
        "api_key",
        "apikey",
        "api-key",
        "password",
        "passwd",
        "secret",
        "auth",
        "sig",
        "x-amz-signature",
    ];
    NAMES.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_and_the_rest_is_not() {
        for (text, shown) in [
            (
                "https://user:pw@example.com/a",
                "https://user:***@example.com/a",
            ),
            ("https://u:p@w@example.com", "https://u:***@example.com"),
            ("https://ghp_abc@example.com/x", "https://***@example.com/x"),
            (
                "https://ghp_abc:x@example.com/x",
                "https://***:***@example.com/x",
            ),
            (
                "curl 'https://example.com/?a=b&token=xyz&c=d' x",
                "curl 'https://example.com/?a=b&token=***&c=d' x",
            ),
            (
                "curl -H \"Authorization: Bearer abc\" https://example.com",
                "curl -H \"Authorization: Bearer ***\" https://example.com",
            ),
            ("-H 'PRIVATE-TOKEN: abc'", "-H 'PRIVATE-TOKEN: ***'"),
            (
                "curl -u ci:abc https://example.com",
                "curl -u ci:*** https://example.com",
            ),
            ("curl -fsS --user 'ci:abc' x", "curl -fsS --user 'ci:***' x"),
            ("wget --password=abc x", "wget --password=*** x"),
            ("svn co --password abc x", "svn co --password *** x"),
            ("curl --oauth2-bearer abc x", "curl --oauth2-bearer *** x"),
            (
                "npm config set //r.example.com/:_authToken abc",
                "npm config set //r.example.com/:_authToken ***",
            ),
            (
                "https://abc:x-oauth-basic@example.com/x",
                "https://***:***@example.com/x",
            ),
            (
                "https://Zq3vT8sKp0aLm2xYw9Rb@example.com/x",
                "https://***@example.com/x",
            ),
        ] {
            assert_eq!(redacted(text), (shown.to_owned(), true), "{text}");
            let hidden = masked(text);
            assert_eq!(hidden.len(), text.len());
            for secret in ["pw", "p@w", "ghp_abc", "xyz", "abc"] {
                assert!(!hidden.contains(secret), "{hidden}");
            }
        }
        for text in [
            "https://example.com/a?b=c",
            "https://user@example.com/a",
            "https://user:${TOKEN}@example.com?token=$X",
            "https://example.com/a:b@c",
            "-H 'Authorization: Bearer $TOKEN'",
            "-H 'Accept: text/plain'",
            "curl -u $NAME:$PASSWORD x",
            "curl -o x y && docker run -u 1000:1000 z",
            "chown -u app:app x",
            "mysql --password-file=x --token-file y",
            "nothing",
        ] {
            assert_eq!(redacted(text), (text.to_owned(), false), "{text}");
            assert_eq!(masked(text), text);
        }
        let (shown, secret) = redacted("a\u{1b}[2Jb\r\nc\u{9b}");
        assert_eq!(
            (shown.as_str(), secret),
            ("a\u{fffd}[2Jb\u{fffd}\nc\u{fffd}", false)
        );
    }
}
