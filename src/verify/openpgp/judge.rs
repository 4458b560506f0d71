//! Whether a key could make a signature at the time that the signature says it was made.
//!
//! 1. Primary key and signing key are strong enough: RSA of 2048 bits and more, ECDSA, EdDSA.
//! 2. Neither was revoked as compromised or without a reason, at any time; nor as replaced or retired before the signature was made.
//! 3. Neither was made after the signature.
//! 4. What counts is the owner's last word: the newest statement that the primary key made, at the latest at the time that
//!    counts, about itself and about the subkey. Of itself it speaks directly and on user ids (that were not taken back); one
//!    often says what the other leaves out, so the last word of each counts, and the stricter of both.
//! 5. Neither had expired, by that last word, when the signature was made. One that expired later still proves what it signed before.
//! 6. The last word allows the key to sign data; a subkey has agreed to belong to the primary key.
//!
//! The signature's own times are judged before: not made after the time that counts, and not expired by then.

use jiff::Timestamp;
use pgp::types::{EcdsaPublicParams, KeyDetails, PublicParams};
use rsa::traits::PublicKeyParts as _;

use super::{
    Failure,
    certificate::{Certificate, Revocation, Statement, Subkey},
    signature::{hex, seconds, weak_algorithm},
};

/// Smallest RSA modulus, in bits.
const MIN_RSA_BITS: usize = 2048;

/// Which key of a certificate.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which<'k> {
    Primary,
    Subkey(&'k Subkey),
}

/// Judges `which` of `certificate` for a signature made at `signed`, at the time `at`.
pub(super) fn judge(
    certificate: &Certificate,
    which: Which<'_>,
    signed: Timestamp,
    at: Timestamp,
) -> Result<(), Failure> {
    let primary = &certificate.primary;
    let name = format!("key {}", certificate.fingerprint());
    strong(primary)?;
    if let Some(other) = &certificate.revoked_by_other {
        return Err(Failure::Revoked {
            what: name,
            why: format!("{other}, who may do so, says so"),
        });
    }
    live(&name, &certificate.revocations, primary, signed)?;
    let word = |direct| {
        let statements = certificate.statements.iter();
        let statements = statements.filter(move |statement| statement.direct == direct);
        last(&name, statements, signed, at)
    };
    let words = match (word(true), word(false)) {
        (Ok(direct), Ok(on_user_id)) => vec![direct, on_user_id],
        (Ok(one), Err(_)) | (Err(_), Ok(one)) => vec![one],
        (Err(failure), Err(other)) => {
            let failure = match failure {
                Failure::Form { .. } => other,
                failure => failure,
            };
            return Err(stated(failure, certificate.weak.as_deref()));
        }
    };
    for word in &words {
        in_time(&name, word, signed)?;
    }
    match which {
        Which::Primary if words.iter().all(|word| word.may_sign != Some(false)) => Ok(()),
        Which::Primary => Err(Failure::Form {
            what: "OpenPGP key",
            why: format!("{name} is not for signing data"),
        }),
        Which::Subkey(subkey) => {
            let name = format!("subkey {}", hex(subkey.key.fingerprint().as_bytes()));
            strong(&subkey.key)?;
            live(&name, &subkey.revocations, &subkey.key, signed)?;
            let last = self::last(&name, subkey.statements.iter(), signed, at)
                .map_err(|failure| stated(failure, subkey.weak.as_deref()))?;
            in_time(&name, last, signed)?;
            let why = if last.may_sign != Some(true) {
                "is not for signing data"
            } else if !last.back {
                "has not agreed to belong to its primary key (no back signature)"
            } else {
                return Ok(());
            };
            Err(Failure::Form {
                what: "OpenPGP key",
                why: format!("{name} {why}"),
            })
        }
    }
}

fn strong(key: &impl KeyDetails) -> Result<(), Failure> {
    let weak = |why| {
        Err(Failure::Weak {
            what: "OpenPGP key",
            why,
        })
    };
    if let Some(why) = weak_algorithm(key.algorithm()) {
        return weak(why);
    }
    match key.public_params() {
        PublicParams::RSA(params) => {
            let bits = params.key.n().bits();
            if bits < MIN_RSA_BITS {
                return weak(format!("RSA with {bits} bits; wanted are {MIN_RSA_BITS}"));
            }
            Ok(())
        }
        PublicParams::ECDSA(EcdsaPublicParams::Unsupported { .. })
        | PublicParams::Unknown { .. } => Err(Failure::Form {
            what: "OpenPGP key",
            why: "it is of a curve or algorithm that is not supported".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn live(
    name: &str,
    revocations: &[Revocation],
    key: &impl KeyDetails,
    signed: Timestamp,
) -> Result<(), Failure> {
    let counts = |revocation: &&Revocation| !revocation.soft || revocation.created <= signed;
    if let Some(revocation) = revocations.iter().find(counts) {
        return Err(Failure::Revoked {
            what: name.to_owned(),
            why: revocation.why.clone(),
        });
    }
    let created = seconds(key.created_at().as_secs(), 0);
    if signed < created {
        return Err(Failure::NotYetValid {
            what: format!("{name}, which signed at {signed},"),
            from: created,
        });
    }
    Ok(())
}

/// The newest statement that is not after `at` and did not end before `signed`. They are sorted by time; of two made in the same
/// second the one that ends first counts.
fn last<'s>(
    name: &str,
    statements: impl Iterator<Item = &'s Statement> + Clone,
    signed: Timestamp,
    at: Timestamp,
) -> Result<&'s Statement, Failure> {
    let mut found: Option<&Statement> = None;
    for statement in statements.clone() {
        let holds =
            statement.created <= at && statement.expires.is_none_or(|expires| signed < expires);
        let newer = found.is_none_or(|found| {
            statement.created > found.created
                || ends(statement.key_expires) < ends(found.key_expires)
        });
        if holds && newer {
            found = Some(statement);
        }
    }
    found.ok_or_else(|| {
        let mut statements = statements;
        match statements.next().filter(|first| first.created > at) {
            Some(first) => Failure::NotYetValid {
                what: name.to_owned(),
                from: first.created,
            },
            None => Failure::Form {
                what: "OpenPGP key",
                why: format!("{name} has no valid signature of its primary key"),
            },
        }
    })
}

fn ends(end: Option<Timestamp>) -> Timestamp {
    end.unwrap_or(Timestamp::MAX)
}

/// Where nothing but weak statements was there, says so.
fn stated(failure: Failure, weak: Option<&str>) -> Failure {
    match (failure, weak) {
        (Failure::Form { .. }, Some(why)) => Failure::Weak {
            what: "signature of the OpenPGP key over its own parts",
            why: why.to_owned(),
        },
        (failure, _) => failure,
    }
}

fn in_time(name: &str, last: &Statement, signed: Timestamp) -> Result<(), Failure> {
    match last.key_expires {
        Some(end) if signed >= end => Err(Failure::Expired {
            what: format!("{name}, which signed at {signed},"),
            at: end,
        }),
        _ => Ok(()),
    }
}
