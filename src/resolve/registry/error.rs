//! What can go wrong between a registry and us, and what to do about it.

use crate::digest::Digest;

/// A request that could not be answered: what was asked, and why there is no answer.
///
/// No part of it repeats what a registry sent beyond a status, an error code of the
/// specification or a host name, and none holds a credential, a query string or a token.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {subject}: {cause}")]
pub struct Error {
    /// What was asked for, for example `manifest v1 of registry.test/app`.
    pub subject: String,
    /// Why that failed.
    pub cause: Cause,
}

impl Error {
    pub(super) fn new(subject: impl Into<String>, cause: Cause) -> Self {
        Self {
            subject: subject.into(),
            cause,
        }
    }

    /// Whether the registry says that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.cause, Cause::NotFound)
    }
}

/// Why a request failed; each text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The reference has characters that a registry's URL cannot have.
    #[error(
        "not a repository in the form HOST[:PORT]/PATH; write the reference as the OCI distribution specification does"
    )]
    Reference,
    /// 401, also with the credentials or the anonymous token that the registry asked for.
    #[error(
        "{host} wants credentials ({}), or the repository does not exist; {}", shown(.code),
        if *.sent { "those given were refused: log in again with `docker login`" }
        else { "give this build a Docker config.json that has a login for this host" }
    )]
    Unauthorized {
        /// Who refused.
        host: String,
        /// The registry's own error code.
        code: Option<String>,
        /// Whether credentials were given for the host.
        sent: bool,
    },
    /// 403.
    #[error("{host} forbids it ({}); the account has no right to pull, or the address is blocked", shown(.code))]
    Forbidden {
        /// Who refused.
        host: String,
        /// The registry's own error code.
        code: Option<String>,
    },
    /// 404.
    #[error("the registry has no such thing; check the name")]
    NotFound,
    /// 429 until the attempts were used up.
    #[error("{host} limits the rate of requests (429); wait, or log in for a higher limit")]
    RateLimited {
        /// Who refused.
        host: String,
    },
    /// 5xx until the attempts were used up.
    #[error("{host} failed with status {status}; try again later")]
    Server {
        /// Who failed.
        host: String,
        /// The last status.
        status: u16,
    },
    /// A status that has no meaning here.
    #[error(
        "{host} answered with status {status}, which this request cannot have; is it an OCI registry?"
    )]
    Status {
        /// Who answered.
        host: String,
        /// The status.
        status: u16,
    },
    /// An answer that is not what the specification says.
    #[error("the answer is {what}; is {host} an OCI registry?")]
    Malformed {
        /// Who answered.
        host: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The bytes are not those of the digest.
    #[error(
        "its digest is {actual} and not {expected}; the registry or the network changed it, do not use it"
    )]
    Digest {
        /// The digest that was asked for, or that the registry states.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// More bytes than [`super::Limits`] allows.
    #[error("it has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// More pages than [`super::Limits`] allows.
    #[error("the list has more than {limit} pages")]
    TooManyPages {
        /// The limit.
        limit: usize,
    },
    /// No complete answer within the time for a request or for all of them.
    #[error("{host} gave no complete answer within {seconds} s; check the network and try again")]
    Timeout {
        /// Who was asked.
        host: String,
        /// The time that was given, rounded.
        seconds: u64,
    },
    /// More redirects than [`super::Limits`] allows, or one without an address.
    #[error("{host} redirects without end")]
    Redirects {
        /// The host of the last redirect.
        host: String,
    },
    /// A redirect away from TLS, to another scheme or to something that is no URL.
    #[error(
        "{host} redirects to an address that is not https; only a registry on plain HTTP may do that"
    )]
    RedirectTarget {
        /// Who sent the redirect.
        host: String,
    },
    /// TLS could not be established.
    #[error(
        "TLS with {host} failed ({reason}); for a registry with its own authority put that authority's certificate into the image's CA bundle"
    )]
    Tls {
        /// Who was called.
        host: String,
        /// What the TLS library says.
        reason: String,
    },
    /// No connection.
    #[error(
        "no connection to {host} ({reason}); check the name, the network and the proxy settings"
    )]
    Connect {
        /// Who was called.
        host: String,
        /// What the system says.
        reason: String,
    },
    /// The registry wants credentials over a connection that cannot protect them.
    #[error(
        "{host} wants credentials but has no verified TLS; credentials are never sent over such a connection: give the registry a certificate"
    )]
    Unprotected {
        /// Who asked.
        host: String,
    },
    /// The login is with a program that does not exist where this runs.
    #[error(
        "the login for {host} is kept by the credential helper {helper:?}, which cannot run here; give a config.json whose `auths` has the login itself"
    )]
    CredentialHelper {
        /// The registry.
        host: String,
        /// The helper's name in the config.
        helper: String,
    },
    /// The Docker config is not one.
    #[error("the Docker config.json cannot be used: {0}")]
    DockerConfig(&'static str),
    /// The CA bundle has nothing usable.
    #[error("the CA bundle has no certificate that can be read")]
    Roots,
}

impl Cause {
    /// A short, stable name of the cause, for records that programs read.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::NotFound => "not-found",
            Self::RateLimited { .. } => "rate-limited",
            Self::Server { .. } => "server",
            Self::Status { .. } => "status",
            Self::Malformed { .. } => "malformed",
            Self::Digest { .. } => "digest",
            Self::TooLarge { .. } => "too-large",
            Self::TooManyPages { .. } => "too-many-pages",
            Self::Timeout { .. } => "timeout",
            Self::Redirects { .. } => "redirects",
            Self::RedirectTarget { .. } => "redirect-target",
            Self::Tls { .. } => "tls",
            Self::Connect { .. } => "connect",
            Self::Unprotected { .. } => "unprotected",
            Self::CredentialHelper { .. } => "credential-helper",
            Self::DockerConfig(_) => "docker-config",
            Self::Roots => "roots",
        }
    }
}

fn shown(code: &Option<String>) -> &str {
    code.as_deref().unwrap_or("no error code")
}
