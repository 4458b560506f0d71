//! URLs as registries use them.

use super::transport::Channel;

/// What a URL says about TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::resolve) enum Scheme {
    /// Nothing: as good as the host can.
    Best,
    Https,
    Http,
}

/// The parts of a URL that matter here. Has no user, no password and no fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::resolve) struct Url {
    pub(in crate::resolve) scheme: Scheme,
    /// Host, and port if there is one.
    pub(in crate::resolve) authority: String,
    /// Path and query. May hold a secret of its sender, so it is never shown.
    target: String,
}

impl Url {
    /// `target` on `authority`, by TLS if the host has it.
    pub(in crate::resolve) fn new(authority: &str, target: String) -> Self {
        Self {
            scheme: Scheme::Best,
            authority: authority.to_ascii_lowercase(),
            target,
        }
    }

    /// An absolute URL.
    pub(in crate::resolve) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = match text.split_once("://")? {
            (scheme, rest) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            (scheme, rest) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            _ => return None,
        };
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let host = |b: u8| b.is_ascii_alphanumeric() || b".-:[]_".contains(&b);
        if authority.is_empty()
            || !authority.bytes().all(host)
            || !target.bytes().all(|b| b.is_ascii_graphic())
        {
            return None;
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Some(Self {
            scheme,
            authority: authority.to_ascii_lowercase(),
            target: format!("{slash}{target}"),
        })
    }

    /// What `location` means when this URL answers with it: absolute, or from the root of the host.
    pub(in crate::resolve) fn join(&self, location: &str) -> Option<Self> {
        let scheme = if self.scheme == Scheme::Http {
            "http"
        } else {
            "https"
        };
        if location.starts_with("//") {
            Self::parse(&format!("{scheme}:{location}"))
        } else if location.starts_with('/') {
            Self::parse(&format!("{scheme}://{}{location}", self.authority))
        } else {
            Self::parse(location)
        }
    }

    /// The same, or beside this URL, as web servers have it.
    pub(in crate::resolve) fn join_web(&self, location: &str) -> Option<Self> {
        if location.is_empty() || location.starts_with('/') || location.contains("://") {
            return self.join(location);
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let (folder, _) = path.rsplit_once('/').unwrap_or_default();
        self.join(&format!("{folder}/{location}"))
    }

    /// Whether both are the same host by the same scheme and port.
    pub(in crate::resolve) fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.authority == other.authority
    }

    /// With a query added.
    pub(in crate::resolve) fn with_query(mut self, query: &str) -> Self {
        self.target
            .push(if self.target.contains('?') { '&' } else { '?' });
        self.target.push_str(query);
        self
    }

    /// As text, for one channel; may hold a secret of its sender.
    pub(in crate::resolve) fn text(&self, channel: Channel) -> String {
        let scheme = if channel == Channel::Plain {
            "http"
        } else {
            "https"
        };
        format!("{scheme}://{}{}", self.authority, self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url = Url::parse("https://A.test:1/v2/x?y=1#z").unwrap();
        assert_eq!(
            (url.authority.as_str(), url.target.as_str()),
            ("a.test:1", "/v2/x?y=1")
        );
        assert_eq!(
            url.join("/b").unwrap().text(Channel::Verified),
            "https://a.test:1/b"
        );
        assert_eq!(
            url.join("//c.test/b").unwrap().text(Channel::Verified),
            "https://c.test/b"
        );
        assert_eq!(
            url.join("http://d.test").unwrap().text(Channel::Plain),
            "http://d.test/"
        );
        assert_eq!(url.join("http://d.test").unwrap().scheme, Scheme::Http);
        assert_eq!(
            url.with_query("q=1").text(Channel::Verified),
            "https://a.test:1/v2/x?y=1&q=1"
        );
        for bad in [
            "",
            "/x",
            "ftp://a.test/",
            "https://",
            "https:///x",
            "https://u:p@a.test/",
            "https://a.test/ b",
            "https://a.test/\u{e9}",
        ] {
            assert_eq!(Url::parse(bad), None, "{bad}");
        }
        assert_eq!(Url::new("a.test", "/v2/".into()).join("relative"), None);
        let beside = Url::new("a.test", "/v2/a?b/c".into()).join_web("relative");
        let wanted = "https://a.test/v2/relative";
        assert_eq!(beside.unwrap().text(Channel::Verified), wanted);
        for bad in ["", "ftp://b.test/", "https://u:p@b.test/"] {
            assert_eq!(Url::new("a.test", "/".into()).join_web(bad), None);
        }
    }
}
