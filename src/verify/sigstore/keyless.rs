//! Certificates, logs and timestamps: what the library `sigstore-verify` checks, and what it leaves open.
//!
//! The library checks the certificate's chain at every proven time of signing, its signed certificate timestamp, inclusion in
//! the log (proof, checkpoint, promise), timestamps, the signature, and that log entry and bundle are about the same thing.
//! Left open by it, and checked here or by the caller: that proven times are not after the time that counts (the library looks at the
//! process's clock, and only for log entries), who signed by patterns, what a statement says, JSON with a key
//! twice or with unknown keys, and how much of anything there may be. Its clock can make it refuse more, never less.

use std::io::{self, Read};

use jiff::Timestamp;
use sigstore_verify::{
    CertificateError, Error, Policy, PublicKeyVerificationPolicy, TimestampError,
    VerificationPolicy, VerificationResult,
    types::{self, ArtifactDigest, DerPublicKey, HashAlgorithm},
};

use super::{Identity, Roots, statement::Source};
use crate::{
    digest::{Algorithm, Digest},
    verify::{
        Content, Failure, PublicKey, Signer,
        key::unhex,
        shown,
        stream::{Hasher, hex},
    },
};

/// Largest file that is read into memory, which only Ed25519 certificates need.
const MAX_FILE: u64 = 256 << 20;

/// What was signed.
pub(in crate::verify) enum Input<'a> {
    /// These bytes, at hand anyway.
    Bytes(&'a [u8]),
    /// What has this digest, and its bytes if they are at hand.
    Digest(&'a Digest, Option<&'a dyn Content>),
}

/// A signature that holds.
pub(in crate::verify) struct Held {
    pub signer: Signer,
    /// Where the certificate says that the signer was built from.
    pub source: Option<Source>,
}

/// That `bundle` is a signature over `input` by `identity`, made before `at`.
pub(in crate::verify) fn by_identity(
    bundle: &types::Bundle,
    input: &Input<'_>,
    identity: &Identity,
    roots: &Roots,
    at: Timestamp,
) -> Result<Held, Failure> {
    if !roots.has_authorities() {
        return Err(Failure::Certificate(format!(
            "the trust root {} has no certificate authority",
            roots.name()
        )));
    }
    let mut policy = VerificationPolicy::any_identity();
    if !roots.has_logs() {
        policy = policy.skip_tlog_unsafe();
    }
    if !roots.has_certificate_logs() {
        policy = policy.skip_sct();
    }
    let result = run(bundle, input, &policy, roots, &identity.to_string())?;
    let signed = proven_time(&result, at)?;
    let complete = result.certificate_verified()
        && result.tlog_verified() == roots.has_logs()
        && result.sct_verified() == roots.has_certificate_logs();
    let (Some(signed), true) = (signed, complete) else {
        return Err(Failure::Certificate(
            "it was not checked in full".to_owned(),
        ));
    };
    let subject = result.identity().map_or("", |name| name.as_str());
    let issuer = result.issuer().unwrap_or("");
    if !identity.matches(issuer, subject) {
        return Err(Failure::Stranger {
            found: shown(&format!("{subject} ({issuer})")),
            wanted: identity.to_string(),
        });
    }
    let claims = result
        .certificate()
        .map(|certificate| &certificate.ci_claims);
    let source = claims.and_then(|claims| {
        Some(Source {
            repository: Source::of(claims.source_repository_uri.as_deref()?).repository,
            reference: claims.source_repository_ref.clone(),
        })
    });
    Ok(Held {
        signer: Signer {
            who: shown(&format!("{subject} ({issuer})")),
            signed: Some(signed),
        },
        source,
    })
}

/// That `bundle` is a signature over `input` by `key`, and in a log of `roots` since before `at`.
pub(in crate::verify) fn by_key_in_log(
    bundle: &types::Bundle,
    input: &Input<'_>,
    key: &PublicKey,
    roots: &Roots,
    at: Timestamp,
) -> Result<Signer, Failure> {
    if !roots.has_logs() {
        return Err(Failure::Witness {
            what: "log entry",
            why: format!("the trust root {} has no transparency log", roots.name()),
        });
    }
    let policy = PublicKeyVerificationPolicy::new(DerPublicKey::new(key.der().to_vec()));
    let result = run(bundle, input, &policy, roots, &key.who())?;
    let signed = proven_time(&result, at)?;
    if !result.tlog_verified() {
        return Err(Failure::Witness {
            what: "log entry",
            why: "it was not checked".to_owned(),
        });
    }
    Ok(Signer {
        who: key.who(),
        signed,
    })
}

/// The earliest time that is proven, none of which may be after `at`.
fn proven_time(result: &VerificationResult, at: Timestamp) -> Result<Option<Timestamp>, Failure> {
    let times = result.verified_timestamps();
    if let Some(late) = times.iter().find(|time| **time > at) {
        return Err(Failure::NotYetValid {
            what: "signature".to_owned(),
            from: *late,
        });
    }
    Ok(times.iter().min().copied())
}

fn run(
    bundle: &types::Bundle,
    input: &Input<'_>,
    policy: &dyn Policy,
    roots: &Roots,
    who: &str,
) -> Result<VerificationResult, Failure> {
    let verifier = roots.verifier();
    let (digest, content) = match input {
        Input::Bytes(bytes) => {
            return verifier
                .verify(*bytes, bundle, policy)
                .map_err(|error| failure(error, who, &Digest::sha256(bytes)));
        }
        Input::Digest(digest, content) => (*digest, *content),
    };
    let by_digest = verifier
        .verify(known(digest)?, bundle, policy)
        .map_err(|error| failure(error, who, digest));
    let (Err(Failure::NeedsBytes), Some(content)) = (&by_digest, content) else {
        return by_digest;
    };
    // The signature is over a digest of another kind, or over the bytes themselves.
    let mut reader = Checked::open(digest, content)?;
    match verifier.verify_reader(&mut reader, bundle, policy) {
        Err(Error::UnsupportedArtifact(_)) => {}
        Err(error) => return Err(failure(error, who, digest)),
        Ok(result) => return reader.finish(digest).map(|()| result),
    }
    let mut reader = Checked::open(digest, content)?;
    let mut bytes = Vec::new();
    (&mut reader)
        .take(MAX_FILE.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::Read(shown(&error.to_string())))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Failure::Read(format!("it has more than {MAX_FILE} bytes")));
    }
    reader.finish(digest)?;
    verifier
        .verify(&bytes, bundle, policy)
        .map_err(|error| failure(error, who, digest))
}

/// Reads a file and its digest in one pass.
struct Checked<'a> {
    reader: Box<dyn Read + 'a>,
    hasher: Hasher,
}

impl<'a> Checked<'a> {
    fn open(digest: &Digest, content: &'a dyn Content) -> Result<Self, Failure> {
        Ok(Self {
            reader: content
                .open()
                .map_err(|error| Failure::Read(shown(&error.to_string())))?,
            hasher: Hasher::new(digest.algorithm()),
        })
    }

    /// That what was read, all of it, has this digest.
    fn finish(self, digest: &Digest) -> Result<(), Failure> {
        let found = format!(
            "{}:{}",
            digest.algorithm().name(),
            hex(&self.hasher.finish())
        );
        if found == digest.to_string() {
            return Ok(());
        }
        Err(Failure::Digest {
            signed: found,
            wanted: digest.clone(),
        })
    }
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.hasher.update(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

fn known(digest: &Digest) -> Result<types::Artifact<'static>, Failure> {
    let algorithm = match digest.algorithm() {
        Algorithm::Sha256 => HashAlgorithm::Sha2256,
        Algorithm::Sha384 => HashAlgorithm::Sha2384,
        Algorithm::Sha512 => HashAlgorithm::Sha2512,
    };
    ArtifactDigest::new(algorithm, unhex(digest.hex()))
        .map(types::Artifact::Digest)
        .map_err(|error| Failure::Form {
            what: "digest",
            why: shown(&error.to_string()),
        })
}

/// The library's reason as ours.
fn failure(error: Error, who: &str, wanted: &Digest) -> Failure {
    let why = shown(&error.to_string());
    match error {
        Error::SignatureInvalid(_) => Failure::Signature(who.to_owned()),
        // The library has one reason for both.
        Error::ArtifactMismatch(detail) if detail.contains("hashedrekord") => Failure::Witness {
            what: "log entry",
            why,
        },
        Error::ArtifactMismatch(_) => Failure::Digest {
            signed: "something else".to_owned(),
            wanted: wanted.clone(),
        },
        Error::UnsupportedArtifact(_) => Failure::NeedsBytes,
        Error::Certificate(CertificateError::Sct(_)) => Failure::Witness {
            what: "certificate's log entry",
            why,
        },
        Error::Certificate(CertificateError::NotYetValid { not_before, .. }) => {
            Failure::NotYetValid {
                what: "certificate, at the time of signing,".to_owned(),
                from: not_before,
            }
        }
        Error::Certificate(CertificateError::Expired { not_after, .. }) => Failure::Expired {
            what: "certificate, at the time of signing,".to_owned(),
            at: not_after,
        },
        // The library passes on what its own library says, with times that nobody can read.
        Error::Certificate(_) if why.contains("CertExpired") => {
            Failure::Certificate("it had expired at a time of signing".to_owned())
        }
        Error::Certificate(_) if why.contains("CertNotValidYet") => {
            Failure::Certificate("it was not valid yet at a time of signing".to_owned())
        }
        Error::Certificate(_) | Error::TrustedCertificate(_) | Error::InvalidTrustRoot(_) => {
            Failure::Certificate(why)
        }
        Error::TransparencyLog(_) => Failure::Witness {
            what: "log entry",
            why,
        },
        Error::Timestamp(TimestampError::NoVerifiedTimestamp(_)) => Failure::Witness {
            what: "time of signing",
            why: "nothing proves it".to_owned(),
        },
        Error::Timestamp(_) => Failure::Witness {
            what: "timestamp",
            why,
        },
        Error::ArtifactRead(_) => Failure::Read(why),
        _ => Failure::Form {
            what: "bundle",
            why,
        },
    }
}
