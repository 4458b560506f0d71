//! Trust roots of Sigstore instances: `trusted_root.json`.
//!
//! What a root has is demanded: with transparency logs in it every bundle must prove that it is in one of them, with certificate
//! transparency logs every certificate must be in one of those. GitHub's instance for private repositories has neither, and proves
//! times by its timestamp authority alone.
//!
//! Source: `sigstore_trustroot.proto` of sigstore/protobuf-specs, and its client specification for which parts are to be checked.

use std::{fmt, sync::Arc};

use serde::de::IgnoredAny;
use sigstore_verify::{
    Verifier,
    trust_root::{SIGSTORE_GITHUB_TRUSTED_ROOT, SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot},
};

use super::crypto;
use crate::{
    digest::Digest,
    verify::{json, shown},
};

/// Largest `trusted_root.json` read, in bytes.
pub const MAX_ROOTS: usize = 1024 * 1024;
/// Most logs or authorities of one sort.
const MAX_INSTANCES: usize = 64;
/// Most certificates of one authority.
const MAX_CHAIN: usize = 16;
/// The day on which sigstore-verify 0.15.1 was published, which carries the embedded roots.
pub const EMBEDDED: &str = "2026-10-23";

const MEDIA_TYPES: [&str; 2] = [
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

/// The certificate authorities, logs and timestamp authorities of one Sigstore instance, read once; cheap to clone.
#[derive(Clone)]
pub struct Roots(Arc<Inner>);

struct Inner {
    verifier: Verifier,
    name: String,
    /// Of the file: two roots are the same if their files are.
    digest: Digest,
    logs: bool,
    scts: bool,
    authorities: bool,
}

/// Why bytes are no [`Roots`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RootsError {
    /// Too large, no JSON, a key twice, or not of the form of a trusted root.
    #[error("this is no trusted_root.json: {0}")]
    Form(String),
    /// Of another media type.
    #[error("this is no trusted_root.json: its media type is `{0}`")]
    MediaType(String),
    /// More of something than is read.
    #[error("this trusted_root.json has more than {1} {0}")]
    Count(&'static str, usize),
    /// A key or certificate that cannot be used, a log named twice, or a window that ends before it begins.
    #[error("this trusted_root.json cannot be used: {0}")]
    Content(String),
}

impl Roots {
    /// Sigstore's public-good instance, as of [`EMBEDDED`].
    ///
    /// # Errors
    /// None in practice: the embedded file is read by the tests.
    pub fn public_good() -> Result<Self, RootsError> {
        Self::read(SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes(), "Sigstore")
    }

    /// GitHub's own instance, which signs the artifact attestations of private repositories, as of [`EMBEDDED`].
    ///
    /// # Errors
    /// None in practice: the embedded file is read by the tests.
    pub fn github() -> Result<Self, RootsError> {
        Self::read(SIGSTORE_GITHUB_TRUSTED_ROOT.as_bytes(), "GitHub")
    }

    /// Reads the bytes of a `trusted_root.json`, at most [`MAX_ROOTS`].
    ///
    /// # Errors
    /// [`RootsError`]; a part that cannot be used makes the whole file unusable.
    pub fn parse(bytes: &[u8]) -> Result<Self, RootsError> {
        let digest = Digest::sha256(bytes);
        Self::read(bytes, &format!("trusted_root.json {digest}"))
    }

    fn read(bytes: &[u8], name: &str) -> Result<Self, RootsError> {
        crypto::install();
        json::read::<IgnoredAny>(bytes, MAX_ROOTS)
            .map_err(|error| RootsError::Form(error.to_string()))?;
        let form = |error: String| RootsError::Form(shown(&error));
        let text = std::str::from_utf8(bytes).map_err(|error| form(error.to_string()))?;
        let root = TrustedRoot::from_json(text).map_err(|error| form(error.to_string()))?;
        if !MEDIA_TYPES.contains(&root.media_type.as_str()) {
            return Err(RootsError::MediaType(shown(&root.media_type)));
        }
        for (what, count) in [
            ("transparency logs", root.tlogs.len()),
            ("certificate transparency logs", root.ctlogs.len()),
            (
                "certificate authorities",
                root.certificate_authorities.len(),
            ),
            ("timestamp authorities", root.timestamp_authorities.len()),
        ] {
            if count > MAX_INSTANCES {
                return Err(RootsError::Count(what, MAX_INSTANCES));
            }
        }
        let chains = root
            .certificate_authorities
            .iter()
            .map(|authority| &authority.cert_chain)
            .chain(root.timestamp_authorities.iter().map(|tsa| &tsa.cert_chain));
        for chain in chains {
            if chain.certificates.len() > MAX_CHAIN {
                return Err(RootsError::Count("certificates in a chain", MAX_CHAIN));
            }
        }
        let verifier =
            Verifier::new(&root).map_err(|error| RootsError::Content(shown(&error.to_string())))?;
        Ok(Self(Arc::new(Inner {
            verifier,
            name: name.to_owned(),
            digest: Digest::sha256(bytes),
            logs: !root.tlogs.is_empty(),
            scts: !root.ctlogs.is_empty(),
            authorities: !root.certificate_authorities.is_empty(),
        })))
    }

    /// `Sigstore`, `GitHub`, or the file's digest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Whether there are transparency logs, so that every signature must be in one.
    #[must_use]
    pub fn has_logs(&self) -> bool {
        self.0.logs
    }

    /// Whether there are certificate transparency logs, so that every certificate must be in one.
    #[must_use]
    pub fn has_certificate_logs(&self) -> bool {
        self.0.scts
    }

    /// Whether there is a certificate authority, without which no identity can be proven.
    #[must_use]
    pub fn has_authorities(&self) -> bool {
        self.0.authorities
    }

    pub(super) fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }
}

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for Roots {}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.0.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_roots_are_good_and_different() {
        let (sigstore, github) = (Roots::public_good().unwrap(), Roots::github().unwrap());
        assert!(
            sigstore.has_authorities() && sigstore.has_logs() && sigstore.has_certificate_logs()
        );
        assert!(github.has_authorities() && !github.has_logs() && !github.has_certificate_logs());
        assert_ne!(sigstore, github);
        let again = Roots::parse(SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes()).unwrap();
        assert_eq!(sigstore, again);
        assert_eq!((sigstore.name(), github.name()), ("Sigstore", "GitHub"));
        assert!(again.name().contains("sha256:"));
    }

    #[test]
    fn what_is_no_root_is_refused() {
        for (text, reason) in [
            ("", "EOF"),
            ("[]", "this is no trusted_root.json"),
            ("{}", "missing field `mediaType`"),
            (r#"{"mediaType":"x"}"#, "its media type is `x`"),
        ] {
            let error = Roots::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        let one = r#"{"certChain":{"certificates":[]}}"#;
        let many = vec![one; MAX_INSTANCES + 1].join(",");
        let text = format!(
            r#"{{"mediaType":"{}","timestampAuthorities":[{many}]}}"#,
            MEDIA_TYPES[0]
        );
        assert_eq!(
            Roots::parse(text.as_bytes()),
            Err(RootsError::Count("timestamp authorities", MAX_INSTANCES))
        );
    }
}
