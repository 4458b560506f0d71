//! Whom to trust: a public key, or an allowed-signers file as git and ssh-keygen use it.
//!
//! Each line of an allowed-signers file is `PRINCIPALS [OPTIONS] KEY`: patterns of identities, what the key may be used for, the key.
//!
//! | option | meaning |
//! | --- | --- |
//! | `namespaces="git,file"` | only signatures in these namespaces (patterns) |
//! | `valid-after="20260101Z"`, `valid-before="…Z"` | only at these times |
//! | `cert-authority` | refused: certificates are not supported |
//!
//! Times are `YYYYMMDD` or `YYYYMMDDHHMM[SS]` and must end in `Z`. ssh-keygen reads them without it too, in the time zone
//! of the machine; a proof must not depend on that, so that they are refused. Anything that cannot be read makes the whole file refused: it is
//! the policy's own, and a line left out without a word would be a surprise.
//!
//! Source: ssh-keygen(1), section "ALLOWED SIGNERS"; ssh_config(5), section "PATTERNS".

use jiff::{Timestamp, civil, tz::TimeZone};
use ssh_key::public::KeyData;

use super::{FILE, Failure, fingerprint, public_key, shown};

/// Largest file read, in bytes.
pub const MAX_KEY: usize = 1024 * 1024;
/// Longest list of patterns read, in bytes.
const MAX_PATTERNS: usize = 8 * 1024;

/// Whom the policy trusts, for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    lines: Vec<Line>,
    principal: Option<String>,
    namespace: String,
}

/// One key and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// None for a bare public key, which is nobody's and anybody's.
    principals: Option<String>,
    key: KeyData,
    namespaces: Option<String>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
}

impl Key {
    /// Reads a public key file, or an allowed-signers file.
    ///
    /// # Errors
    /// [`Failure::Form`] with the line, [`Failure::Weak`].
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if text.len() > MAX_KEY {
            return Err(form(0, &format!("more than {MAX_KEY} bytes")));
        }
        if text.contains("PRIVATE KEY-----") {
            return Err(form(
                0,
                "this is a private key; keep it out of the policy's folder and give its public half",
            ));
        }
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                lines.push(Line::parse(line).map_err(|error| numbered(index, error))?);
            }
        }
        if lines.is_empty() {
            return Err(form(0, "no key in it"));
        }
        Ok(Self {
            lines,
            principal: None,
            namespace: FILE.to_owned(),
        })
    }

    /// The same, but only keys of this identity (`release@example.com`) in the allowed-signers file.
    #[must_use]
    pub fn with_principal(self, principal: &str) -> Self {
        Self {
            principal: Some(principal.to_owned()),
            ..self
        }
    }

    /// The same, but files must be signed in another namespace than [`FILE`].
    #[must_use]
    pub fn with_namespace(self, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            ..self
        }
    }

    /// The namespace for files.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The fingerprints of all keys, with the identities in front where there are any.
    #[must_use]
    pub fn who(&self) -> String {
        let names: Vec<_> = self.lines.iter().map(Line::who).collect();
        names.join(", ")
    }

    /// Whether `public` may sign in this namespace at this time; its name if so, else what the last word against it was.
    pub(super) fn admit(
        &self,
        public: &KeyData,
        namespace: &str,
        at: Timestamp,
    ) -> Result<String, Failure> {
        let mut refusal = Failure::Stranger {
            found: fingerprint(public),
            wanted: self.who(),
        };
        for line in self.lines.iter().filter(|line| line.key == *public) {
            match line.admit(self.principal.as_deref(), namespace, at) {
                Ok(()) => return Ok(line.who()),
                Err(reason) => refusal = reason,
            }
        }
        Err(refusal)
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self, Failure> {
        if is_key(line) {
            return Ok(Self {
                principals: None,
                key: public_key(line)?,
                namespaces: None,
                after: None,
                before: None,
            });
        }
        let (principals, rest) = word(line).ok_or_else(|| plain("no key after the principals"))?;
        let principals = principals
            .strip_prefix('"')
            .map_or(Ok(principals), |quoted| {
                quoted
                    .strip_suffix('"')
                    .ok_or_else(|| plain("a quote that does not end"))
            })?;
        if principals.len() > MAX_PATTERNS {
            return Err(plain("too many principals"));
        }
        let mut parsed = Self {
            principals: Some(principals.to_owned()),
            key: KeyData::Ed25519(ssh_key::public::Ed25519PublicKey([0; 32])),
            namespaces: None,
            after: None,
            before: None,
        };
        parsed.key = if is_key(rest) {
            public_key(rest)?
        } else {
            let (options, key) = word(rest).ok_or_else(|| plain("no key after the options"))?;
            parsed.read_options(options)?;
            public_key(key)?
        };
        if let (Some(after), Some(before)) = (parsed.after, parsed.before)
            && before <= after
        {
            return Err(plain("valid-before is not after valid-after"));
        }
        Ok(parsed)
    }

    fn read_options(&mut self, text: &str) -> Result<(), Failure> {
        for option in split_quoted(text, |c| c == ',') {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'));
            let twice = match (name.to_ascii_lowercase().as_str(), value) {
                ("cert-authority", None) => {
                    return Err(plain(
                        "cert-authority is not supported; list the keys themselves",
                    ));
                }
                ("namespaces", Some(list)) if list.len() <= MAX_PATTERNS => {
                    self.namespaces.replace(list.to_owned()).is_some()
                }
                ("valid-after", Some(text)) => self.after.replace(time(text)?).is_some(),
                ("valid-before", Some(text)) => self.before.replace(time(text)?).is_some(),
                _ => return Err(plain(&format!("unknown option `{}`", shown(option)))),
            };
            if twice {
                return Err(plain(&format!("the option {name} is there twice")));
            }
        }
        Ok(())
    }

    fn admit(
        &self,
        principal: Option<&str>,
        namespace: &str,
        at: Timestamp,
    ) -> Result<(), Failure> {
        if let Some(wanted) = principal {
            let listed = self.principals.as_deref().unwrap_or_default();
            if !matches_list(wanted, listed) {
                return Err(Failure::Stranger {
                    found: self.who(),
                    wanted: shown(wanted),
                });
            }
        }
        if let Some(allowed) = &self.namespaces
            && !matches_list(namespace, allowed)
        {
            return Err(Failure::Namespace {
                signed: shown(namespace),
                wanted: shown(allowed),
            });
        }
        if let Some(from) = self.after
            && at < from
        {
            return Err(Failure::NotYetValid {
                what: format!("key {}", self.who()),
                from,
            });
        }
        if let Some(until) = self.before
            && at > until
        {
            return Err(Failure::Expired {
                what: format!("key {}", self.who()),
                at: until,
            });
        }
        Ok(())
    }

    fn who(&self) -> String {
        let fingerprint = fingerprint(&self.key);
        match &self.principals {
            None => fingerprint,
            Some(names) => format!("{} {fingerprint}", shown(names)),
        }
    }
}

fn plain(why: &str) -> Failure {
    Failure::Form {
        what: "list of SSH keys",
        why: why.to_owned(),
    }
}

fn form(line: usize, why: &str) -> Failure {
    numbered(line, plain(why))
}

/// Says in which line, counted from 1, what is wrong.
fn numbered(index: usize, failure: Failure) -> Failure {
    let line = index.saturating_add(1);
    match failure {
        Failure::Form { what, why } => Failure::Form {
            what,
            why: format!("line {line}: {why}"),
        },
        Failure::Weak { what, why } => Failure::Weak {
            what,
            why: format!("line {line}: {why}"),
        },
        other => other,
    }
}

/// The first word, blanks in quotes included, and the rest.
fn word(text: &str) -> Option<(&str, &str)> {
    let mut words = split_quoted(text, |c| c == ' ' || c == '\t').into_iter();
    let first = words.next()?;
    let rest = text.get(first.len()..)?.trim_start();
    (!first.is_empty() && !rest.is_empty()).then_some((first, rest))
}

/// Parts between separators that are not in quotes; a backslash takes a quote's meaning away.
fn split_quoted(text: &str, separator: impl Fn(char) -> bool) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            c if !quoted && separator(c) => {
                parts.push(text.get(start..index).unwrap_or_default());
                start = index.saturating_add(c.len_utf8());
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// Whether the text starts with the name of a key's algorithm.
fn is_key(text: &str) -> bool {
    let first = text.split([' ', '\t']).next().unwrap_or_default();
    let plain = ["ssh-", "ecdsa-sha2-nistp"];
    match first.split_once('@') {
        None => plain.iter().any(|start| first.starts_with(start)),
        Some((name, domain)) => {
            domain == "openssh.com" && (name.starts_with("sk-") || name.ends_with("-cert-v01"))
        }
    }
}

/// `YYYYMMDDZ`, `YYYYMMDDHHMMZ`, `YYYYMMDDHHMMSSZ`.
fn time(text: &str) -> Result<Timestamp, Failure> {
    let wrong = || {
        plain(&format!(
            "`{}` is no time; write 20260131Z or 20260131235959Z",
            shown(text)
        ))
    };
    let digits = text.strip_suffix(['Z', 'z']).ok_or_else(|| {
        plain(&format!(
            "the time `{}` has no time zone; put a Z for UTC at its end",
            shown(text)
        ))
    })?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(digits.len(), 8 | 12 | 14) {
        return Err(wrong());
    }
    let number = |range: std::ops::Range<usize>| -> Option<i8> {
        digits.get(range).map_or(Some(0), |part| part.parse().ok())
    };
    let year = digits.get(..4).and_then(|year| year.parse::<i16>().ok());
    let parts = (
        year,
        number(4..6),
        number(6..8),
        number(8..10),
        number(10..12),
        number(12..14),
    );
    let (Some(year), Some(month), Some(day), Some(hour), Some(minute), Some(second)) = parts else {
        return Err(wrong());
    };
    civil::DateTime::new(year, month, day, hour, minute, second, 0)
        .and_then(|time| time.to_zoned(TimeZone::UTC))
        .map(|time| time.timestamp())
        .map_err(|_| wrong())
}

/// Whether a list of patterns has one that matches and none that forbids (`!pattern`).
fn matches_list(text: &str, list: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(forbidden) if matches(text, forbidden) => return false,
            Some(_) => {}
            None => found |= matches(text, pattern),
        }
    }
    found
}

/// `*` for any characters, `?` for one. Takes at most as many steps as the product of both lengths.
fn matches(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let (mut t, mut p) = (0_usize, 0_usize);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                p = p.saturating_add(1);
                retry = Some((p, t));
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                (t, p) = (t.saturating_add(1), p.saturating_add(1));
            }
            _ => {
                let Some((star, from)) = retry else {
                    return false;
                };
                let from = from.saturating_add(1);
                (p, t, retry) = (star, from, Some((star, from)));
            }
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_ssh_config_says() {
        for (text, list, wanted) in [
            ("alice@example.com", "alice@example.com", true),
            ("alice@example.com", "*@example.com", true),
            ("alice@example.com", "a*e@*.c?m", true),
            ("alice@example.com", "bob@example.com,alice@*", true),
            ("alice@example.com", "*,!alice@*", false),
            ("alice@example.com", "!bob@*", false),
            ("alice@example.com", "", false),
            ("alice@example.com.evil.test", "*@example.com", false),
            ("xalice@example.com", "alice@example.com", false),
            ("", "*", true),
            ("git", "gi", false),
            ("gi", "git", false),
            ("aaa", "a*a*a*a", false),
        ] {
            assert_eq!(matches_list(text, list), wanted, "{text} {list}");
        }
        let long = "a".repeat(5000);
        assert!(!matches(&long, &format!("{}b", "*a".repeat(2000))));
    }

    #[test]
    fn times_have_a_zone() {
        let at = |text: &str| time(text).map(|time| time.to_string());
        assert_eq!(at("20260102Z").unwrap(), "2026-01-02T00:00:00Z");
        assert_eq!(at("202601020304Z").unwrap(), "2026-01-02T03:04:00Z");
        assert_eq!(at("20260102030405Z").unwrap(), "2026-01-02T03:04:05Z");
        for wrong in [
            "20260102",
            "2026Z",
            "20261302Z",
            "20260230Z",
            "2026010203Z",
            "٢٠٢٦٠١٠٢Z",
        ] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
