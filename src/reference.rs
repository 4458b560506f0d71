//! Image references, as BuildKit reads them.
//!
//! Source: the grammar of `distribution/reference` (`reference.go`, `regexp.go`) with the normalisation of
//! `ParseNormalizedNamed` (`normalize.go`):
//!
//! ```text
//! reference := name [ ":" tag ] [ "@" digest ]
//! name      := [ domain "/" ] component { "/" component }
//! domain    := ( label { "." label } | "[" ipv6 "]" ) [ ":" digits ]
//! component := alnum { ( "." | "_" | "__" | "-"+ ) alnum }        alnum := [a-z0-9]+
//! tag       := [A-Za-z0-9_] [A-Za-z0-9_.-]{0,127}
//! ```

use std::{fmt, str::FromStr};

use crate::digest::{Digest, DigestError};

const DEFAULT_DOMAIN: &str = "docker.io";
const LEGACY_DOMAIN: &str = "index.docker.io";
const OFFICIAL_PREFIX: &str = "library/";
const MAX_PATH: usize = 255;
const MAX_TAG: usize = 128;

/// A normalised image reference: where, what, and optionally which tag and digest.
///
/// [`Display`](fmt::Display) gives the canonical form, `docker.io/library/alpine:3.20@sha256:…`, which is also what
/// stands behind `docker-image://` in BuildKit's LLB (there always with a tag or a digest, see
/// [`with_default_tag`](Self::with_default_tag)).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no [`ImageReference`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing there.
    #[error("an image reference is empty")]
    Empty,
    /// 64 hexadecimal digits: an image identifier, which a registry cannot be asked for.
    #[error("64 hexadecimal digits are an image identifier, not a name")]
    Identifier,
    /// An upper-case letter in the repository name.
    #[error("invalid reference format: repository name must be lowercase")]
    Uppercase,
    /// Anything else that the grammar does not allow.
    #[error("invalid reference format")]
    Format,
    /// A repository path over 255 bytes.
    #[error("repository name must not be more than {MAX_PATH} characters")]
    TooLong,
    /// What follows `@` is no digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl ImageReference {
    /// Reads `text` as `ParseNormalizedNamed` does: `alpine` is `docker.io/library/alpine`, nothing is tagged.
    ///
    /// # Errors
    /// Whatever the grammar above refuses, and digests that [`Digest`] refuses.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(ReferenceError::Identifier);
        }
        let (domain, remainder) = split_domain(text);
        let lower_cased_part = remainder.split(':').next().unwrap_or_default();
        if lower_cased_part.chars().any(char::is_uppercase) {
            return Err(ReferenceError::Uppercase);
        }

        let (named, digest) = match remainder.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (remainder.as_str(), None),
        };
        // A tag has no `/`, so its colon stands behind the last one.
        let last = named.rfind('/').map_or(0, |slash| slash + 1);
        let (path, tag) = match named.get(last..).and_then(|component| component.find(':')) {
            Some(colon) => {
                let (path, tag) = named.split_at(last + colon);
                (path, tag.get(1..))
            }
            None => (named, None),
        };
        if !path.split('/').all(is_path_component) || !tag.is_none_or(is_tag) {
            return Err(ReferenceError::Format);
        }
        // `my_host.test/x` is no domain by the grammar but a path component, and then the whole is the path. Whoever
        // asks a registry takes the first component for the host all the same (containerd's reference/docker).
        if !is_domain(&domain) && !is_path_component(&domain) {
            return Err(ReferenceError::Format);
        }
        let grammar_path = if is_domain(&domain) {
            path.len()
        } else {
            domain.len() + 1 + path.len()
        };
        if grammar_path > MAX_PATH {
            return Err(ReferenceError::TooLong);
        }
        Ok(Self {
            path: path.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::parse).transpose()?,
            domain,
        })
    }

    /// The registry, with its port if it has one: `docker.io`, `localhost:5000`.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository within the registry: `library/alpine`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Domain and path: `docker.io/library/alpine`.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The tag as written, if any.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest as written, if any. With a tag beside it the digest decides.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same reference at `digest`; a digest it had is replaced, its tag stays.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// Adds the tag `latest` when there is neither tag nor digest (`TagNameOnly`).
    #[must_use]
    pub fn with_default_tag(self) -> Self {
        match (&self.tag, &self.digest) {
            (None, None) => Self {
                tag: Some("latest".to_owned()),
                ..self
            },
            _ => self,
        }
    }

    /// The short form that users write (`FamiliarString`): `alpine:3.20`, `acme/app`, `ghcr.io/acme/app`.
    #[must_use]
    pub fn familiar(&self) -> String {
        let mut out = String::new();
        if self.domain == DEFAULT_DOMAIN {
            match self.path.strip_prefix(OFFICIAL_PREFIX) {
                Some(rest) if !rest.contains('/') => out.push_str(rest),
                _ => out.push_str(&self.path),
            }
        } else {
            out.push_str(&self.domain);
            out.push('/');
            out.push_str(&self.path);
        }
        self.push_version(&mut out);
        out
    }

    fn push_version(&self, out: &mut String) {
        if let Some(tag) = &self.tag {
            out.push(':');
            out.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            out.push('@');
            out.push_str(&digest.to_string());
        }
    }
}

/// `splitDockerDomain`: the first component is the registry when it looks like one, else Docker Hub is meant.
fn split_domain(name: &str) -> (String, String) {
    let Some((first, rest)) = name.split_once('/') else {
        return (
            DEFAULT_DOMAIN.to_owned(),
            format!("{OFFICIAL_PREFIX}{name}"),
        );
    };
    let (domain, remainder) = if first == LEGACY_DOMAIN {
        (DEFAULT_DOMAIN, rest)
    } else if first == "localhost"
        || first.contains(['.', ':'])
        || first.chars().any(char::is_uppercase)
    {
        (first, rest)
    } else {
        (DEFAULT_DOMAIN, name)
    };
    if domain == DEFAULT_DOMAIN && !remainder.contains('/') {
        return (domain.to_owned(), format!("{OFFICIAL_PREFIX}{remainder}"));
    }
    (domain.to_owned(), remainder.to_owned())
}

fn is_domain(text: &str) -> bool {
    let (host, port) = if text.starts_with('[') {
        match text.find(']') {
            Some(end) => text.split_at(end + 1),
            None => return false,
        }
    } else {
        text.split_at(text.find(':').unwrap_or(text.len()))
    };
    let port_ok = match port.strip_prefix(':') {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    let host_ok = match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(ipv6) => !ipv6.is_empty() && ipv6.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(is_domain_label),
    };
    port_ok && host_ok
}

fn is_domain_label(label: &str) -> bool {
    !label.is_empty()
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Runs of `[a-z0-9]` with exactly one separator between them; of separators only dashes repeat freely.
fn is_path_component(text: &str) -> bool {
    let is_alnum = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut rest = text;
    loop {
        let tail = rest.trim_start_matches(is_alnum);
        if tail.len() == rest.len() {
            return false;
        }
        if tail.is_empty() {
            return true;
        }
        let next = tail.trim_start_matches(|c| !is_alnum(c));
        let separator = tail.get(..tail.len() - next.len()).unwrap_or_default();
        if !(matches!(separator, "." | "_" | "__") || separator.bytes().all(|b| b == b'-')) {
            return false;
        }
        rest = next;
    }
}

fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = self.repository();
        self.push_version(&mut out);
        f.write_str(&out)
    }
}

impl fmt::Debug for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Store and digest of an image in an OCI layout of the client, as a named context has it: `oci-layout://STORE[:TAG]@DIGEST`.
#[must_use]
pub fn layout(value: &str) -> Option<(&str, Digest)> {
    let name = value.strip_prefix("oci-layout:")?;
    let (store, digest) = name.trim_start_matches("//").rsplit_once('@')?;
    let store = match store.rsplit_once(':') {
        Some((store, tag)) if !tag.contains('/') => store,
        _ => store,
    };
    Some((store, digest.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn canonical(text: &str) -> String {
        match ImageReference::parse(text) {
            Ok(reference) => reference.to_string(),
            Err(error) => format!("! {error}"),
        }
    }

    #[test]
    fn normalises_docker_hub_names() {
        for (text, expected) in [
            ("alpine", "docker.io/library/alpine"),
            ("alpine:3.20", "docker.io/library/alpine:3.20"),
            ("acme/app", "docker.io/acme/app"),
            ("docker.io/alpine", "docker.io/library/alpine"),
            ("index.docker.io/alpine", "docker.io/library/alpine"),
            ("index.docker.io/acme/app:1", "docker.io/acme/app:1"),
            ("localhost/x", "localhost/x"),
            ("localhost:5000/x:y", "localhost:5000/x:y"),
            ("host:80", "docker.io/library/host:80"),
            ("Host/x", "Host/x"),
            ("[::1]:5000/x", "[::1]:5000/x"),
            ("a.test/b/c/d", "a.test/b/c/d"),
            ("my_host.test/x", "my_host.test/x"),
            ("a__b/c---d", "docker.io/a__b/c---d"),
        ] {
            assert_eq!(canonical(text), expected, "{text}");
            assert_eq!(
                canonical(expected),
                expected,
                "canonical form of {text} is stable"
            );
        }
    }

    #[test]
    fn refuses_what_the_grammar_refuses() {
        for text in [
            "",
            "Alpine",
            "a/B",
            "alpine:",
            "alpine@",
            "alpine:-x",
            "alpine:a:b",
            "alpine/",
            "/alpine",
            "a//b",
            "-a/b",
            "a_-b",
            "a___b",
            "a..b/c",
            "a.test:/x",
            "a.test:80x/y",
            "-a.test/x",
            "[::1/x",
            "[]/x",
            "alp ine",
            "alpine\n",
            "alpiné",
            "alpine@sha256:00",
            "alpine@md5:0123456789abcdef0123456789abcdef",
            HEX,
        ] {
            assert!(ImageReference::parse(text).is_err(), "{text:?} is refused");
        }
        assert!(ImageReference::parse(&format!("alpine@sha256:{}", HEX.to_uppercase())).is_err());
        assert!(ImageReference::parse(&format!("alpine@sha256:{HEX}")).is_ok());
        assert!(
            ImageReference::parse(&HEX[1..]).is_ok(),
            "63 digits are a name"
        );
    }

    #[test]
    fn bounds_lengths() {
        let path = "a".repeat(255);
        assert!(ImageReference::parse(&format!("a.test/{path}")).is_ok());
        assert_eq!(
            ImageReference::parse(&format!("a.test/{path}a")),
            Err(ReferenceError::TooLong)
        );
        assert!(ImageReference::parse(&path[..247]).is_ok());
        assert_eq!(
            ImageReference::parse(&path[..248]),
            Err(ReferenceError::TooLong),
            "library/ counts"
        );
        let tag = "t".repeat(128);
        assert!(ImageReference::parse(&format!("a:{tag}")).is_ok());
        assert!(ImageReference::parse(&format!("a:{tag}t")).is_err());
    }

    #[test]
    fn keeps_tag_and_digest_apart() {
        let text = format!("ghcr.io/acme/app:1.0@sha256:{HEX}");
        let reference: ImageReference = text.parse().expect("valid");
        assert_eq!(reference.domain(), "ghcr.io");
        assert_eq!(reference.path(), "acme/app");
        assert_eq!(reference.repository(), "ghcr.io/acme/app");
        assert_eq!(reference.tag(), Some("1.0"));
        assert_eq!(reference.digest().map(Digest::hex), Some(HEX));
        assert_eq!(reference.clone().with_default_tag(), reference);
        assert_eq!(reference.familiar(), text);
        let other = Digest::sha256(b"other");
        assert_eq!(
            reference.with_digest(other.clone()).to_string(),
            format!("ghcr.io/acme/app:1.0@{other}")
        );
    }

    #[test]
    fn short_forms_are_familiar() {
        for (text, expected) in [
            ("docker.io/library/alpine:3", "alpine:3"),
            ("docker.io/library/a/b", "library/a/b"),
            ("docker.io/acme/app", "acme/app"),
            ("quay.io/a/b", "quay.io/a/b"),
        ] {
            assert_eq!(
                ImageReference::parse(text).expect("valid").familiar(),
                expected
            );
        }
        assert_eq!(canonical("alpine"), "docker.io/library/alpine");
        assert_eq!(
            ImageReference::parse("alpine")
                .expect("valid")
                .with_default_tag()
                .to_string(),
            "docker.io/library/alpine:latest"
        );
    }
}
