//! Who a certificate is for: exact values, or patterns that are anchored at both ends.
//!
//! A pattern is one of the policy's: `*` is any text without `/`, `**` any text, every other character is itself, and it covers all of
//! a value or nothing. No star stands in the part that says whose name it is: the scheme and host of a URI, the domain of
//! an email address.

use std::fmt;

use crate::policy::glob::{Glob, MAX_PATTERN};

/// What one value has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    text: String,
    glob: Option<Glob>,
}

/// Why a text is no [`Matcher`] or no part of an [`Identity`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Empty, too long, or with control characters.
    #[error("it has 1 to {MAX_PATTERN} bytes and no control characters")]
    Text,
    /// A pattern without a star.
    #[error("there is no `*` in this pattern; give it as an exact value")]
    NoStar,
    /// A star before the end of a URI's host.
    #[error("no `*` before the first `/` after the host: whose name would that be?")]
    Host,
    /// A star in an email address's domain.
    #[error("no `*` after the `@` of an email address: whose name would that be?")]
    Domain,
    /// Neither a URI nor an email address.
    #[error(
        "a pattern for an identity begins as a URI does (https://host/...), or ends in @domain"
    )]
    Neither,
}

impl Matcher {
    /// Exactly `text`.
    ///
    /// # Errors
    /// [`IdentityError::Text`].
    pub fn exact(text: &str) -> Result<Self, IdentityError> {
        Self::text(text, None)
    }

    /// All that `pattern` covers.
    ///
    /// # Errors
    /// [`IdentityError::Text`] and [`IdentityError::NoStar`].
    pub fn pattern(pattern: &str) -> Result<Self, IdentityError> {
        if !pattern.contains('*') {
            return Err(IdentityError::NoStar);
        }
        Self::text(pattern, Some(Glob::new(pattern)))
    }

    fn text(text: &str, glob: Option<Glob>) -> Result<Self, IdentityError> {
        if text.is_empty() || text.len() > MAX_PATTERN || text.chars().any(char::is_control) {
            return Err(IdentityError::Text);
        }
        Ok(Self {
            text: text.to_owned(),
            glob,
        })
    }

    /// Whether `value` is what it has to be. A value longer than 4 KiB never is.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match &self.glob {
            None => self.text == value,
            Some(glob) => value.len() <= 4 * MAX_PATTERN && glob.matches(value),
        }
    }

    /// That a pattern says whose name it is.
    fn owned(&self) -> Result<(), IdentityError> {
        if self.glob.is_none() {
            return Ok(());
        }
        if let Some((scheme, rest)) = self.text.split_once("://") {
            let host = rest.split_once('/').map(|(host, _)| host);
            return match host {
                Some(host) if !host.is_empty() && !host.contains('*') && !scheme.contains('*') => {
                    Ok(())
                }
                _ => Err(IdentityError::Host),
            };
        }
        match self.text.rsplit_once('@') {
            Some((_, domain)) if domain.contains('*') => Err(IdentityError::Domain),
            Some((local, domain)) if !domain.is_empty() && !local.contains("**") => Ok(()),
            _ => Err(IdentityError::Neither),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A signer by name: what Fulcio writes into certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    issuer: Matcher,
    subject: Matcher,
}

impl Identity {
    /// The `issuer` is who vouches (the OIDC provider's URL), the `subject` for whom (an email address, or a workflow's URI).
    ///
    /// # Errors
    /// A pattern that leaves open whose name it is.
    pub fn new(issuer: Matcher, subject: Matcher) -> Result<Self, IdentityError> {
        issuer.owned()?;
        subject.owned()?;
        Ok(Self { issuer, subject })
    }

    /// Whether a certificate that names this issuer and subject is for it.
    #[must_use]
    pub fn matches(&self, issuer: &str, subject: &str) -> bool {
        self.issuer.matches(issuer) && self.subject.matches(subject)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.subject, self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Matcher {
        Matcher::pattern(text).unwrap()
    }

    #[test]
    fn patterns_are_anchored_and_stars_stay_in_their_part() {
        let issuer = Matcher::exact("https://token.example.com").unwrap();
        let release = "https://git.example.com/acme/*/.github/workflows/release.yml@refs/tags/v*";
        let identity = Identity::new(issuer, pattern(release)).unwrap();
        let good = "https://git.example.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2";
        let by = "https://token.example.com";
        assert!(identity.matches(by, good));
        for (issuer, subject) in [
            ("https://token.example.com/", good.to_owned()),
            ("https://token.example.co", good.to_owned()),
            ("", good.to_owned()),
            (by, String::new()),
            (by, format!("{good}/x")),
            (by, format!("x{good}")),
            (by, good.replace("acme/app", "acme/app/x")),
            (by, good.replace("acme/", "acme-evil/")),
            (by, good.replace("release.yml", "release-yml")),
            (by, good.replace("refs/tags/", "refs/heads/")),
            (by, good.replace("https", "http")),
            (by, good.replace("https", "HTTPS")),
            (by, format!("{good}{}", "x".repeat(5000))),
        ] {
            assert!(!identity.matches(issuer, &subject), "{issuer} {subject}");
        }
    }

    #[test]
    fn a_pattern_says_whose_name_it_is() {
        let exact = || Matcher::exact("https://token.example.com").unwrap();
        for (text, why) in [
            ("**", IdentityError::Neither),
            ("*", IdentityError::Neither),
            ("release-*", IdentityError::Neither),
            ("https://*.example.com/acme", IdentityError::Host),
            ("https://git.example.com*", IdentityError::Host),
            ("https://*", IdentityError::Host),
            ("*://git.example.com/x", IdentityError::Host),
            ("https:///x*", IdentityError::Host),
            ("*@*", IdentityError::Domain),
            ("a@example.*", IdentityError::Domain),
            ("**@example.com", IdentityError::Neither),
            ("*@", IdentityError::Neither),
        ] {
            assert_eq!(
                Identity::new(exact(), pattern(text)),
                Err(why.clone()),
                "{text}"
            );
            assert_eq!(Identity::new(pattern(text), exact()), Err(why), "{text}");
        }
        let mail = Identity::new(exact(), pattern("*@example.com")).unwrap();
        assert!(mail.matches("https://token.example.com", "a@example.com"));
        assert!(!mail.matches("https://token.example.com", "a@example.com.test"));
        for text in ["", "a\nb", &"x".repeat(MAX_PATTERN + 1)] {
            assert_eq!(Matcher::exact(text), Err(IdentityError::Text));
        }
        assert_eq!(Matcher::pattern("a"), Err(IdentityError::NoStar));
    }
}
