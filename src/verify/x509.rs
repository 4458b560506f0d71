//! X.509 signatures of git objects below authorities that the policy names, as gpgsm and smimesign make them: a CMS message, without the
//! content, by a certificate of S/MIME or code signing.
//!
//! What is checked, in this order: the form; the signature over the object; the chain of certificates to one in the policy; that the
//! signer is the one whom the policy names; that all certificates were valid.
//!
//! **Time.** All certificates must be valid at the time that counts: what the signer says of the time proves nothing. If the policy names roots of
//! time stamp authorities, the signature must have an RFC 3161 timestamp, and the certificates need to be valid at that time only.
//!
//! **Revocation** is not checked, as for Notary v2 ([`notation`]): a revoked signer is to be taken out of the policy.
//!
//! Source: git's `gpg-interface.c` (`gpg.format = x509`), RFC 5652, RFC 5280, RFC 8550 section 4 for what an S/MIME certificate is.

use jiff::Timestamp;
use x509_cert::{Certificate, der::Encode as _};

use super::{
    Failure, Signer,
    cms::{DATA, Message, TIMESTAMP, unarmor},
    gitsign::{form, refused},
    notation::{
        self,
        chain::{self, Purpose},
        identity::Identity,
        timestamp,
    },
};

/// Who is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Authorities; others may be between them and the signer.
    authorities: Vec<Certificate>,
    who: Who,
    /// Roots of time stamp authorities, if a signature must have a timestamp.
    timestamps: Vec<Certificate>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    Anyone,
    /// An address, exactly as it is in the certificate.
    Address(String),
    Subject(Identity),
}

impl Key {
    /// Reads the certificates of authorities (PEM), whom they must have certified (an e-mail address; `x509.subject: CN=Alice, O=example.com`; or `*`
    /// for anyone), and the roots of time stamp authorities (PEM).
    ///
    /// # Errors
    /// [`Failure::Form`] and [`Failure::Certificate`].
    pub fn parse(
        authorities: &str,
        identity: &str,
        timestamps: Option<&str>,
    ) -> Result<Self, Failure> {
        let who = match identity {
            "*" => Who::Anyone,
            text if text.contains('=') => Who::Subject(Identity::parse(text)?),
            text if is_address(text) => Who::Address(text.to_owned()),
            _ => {
                return Err(Failure::Form {
                    what: "identity",
                    why:
                        "it is neither an e-mail address, `x509.subject: TYPE=VALUE, ...`, nor `*`"
                            .to_owned(),
                });
            }
        };
        Ok(Self {
            authorities: notation::pem(authorities)?,
            who,
            timestamps: timestamps.map_or_else(|| Ok(Vec::new()), notation::pem)?,
        })
    }

    /// The identity, or the names of those who vouch.
    #[must_use]
    pub fn who(&self) -> String {
        match &self.who {
            Who::Address(address) => address.clone(),
            Who::Subject(identity) => identity.to_string(),
            Who::Anyone => {
                let names: Vec<_> = self.authorities.iter().map(chain::name).collect();
                format!("anyone certified by `{}`", names.join("`, `"))
            }
        }
    }
}

fn is_address(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(name, domain)| {
        let plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'@')
        };
        plain(name) && plain(domain)
    })
}

/// Checks that whom `key` names made the signature `armor` over the bytes `payload`.
///
/// # Errors
/// [`Failure`].
pub(super) fn verify(
    payload: &[u8],
    armor: &[u8],
    key: &Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let failed = |error| refused(&error, &key.who());
    let der = unarmor(armor).map_err(failed)?;
    let message = Message::read(&der, DATA, "data").map_err(failed)?;
    if message.content.is_some() {
        return Err(form("it has a content of its own, besides the object"));
    }
    message.check(payload).map_err(failed)?;
    let leaf = &message.leaf;
    let who = chain::name(leaf);
    let chain = chain::build(leaf, &message.certificates, &key.authorities).ok_or_else(|| {
        Failure::Certificate(format!("that of `{who}` leads to none in the policy"))
    })?;
    chain::check(&chain, Purpose::Objects)?;
    let addresses = chain::addresses(leaf)?;
    let named = match &key.who {
        Who::Anyone => true,
        Who::Address(address) => addresses.contains(address),
        Who::Subject(identity) => identity.matches(&leaf.tbs_certificate.subject),
    };
    if !named {
        let shown = addresses.iter().map(|address| format!(" <{address}>"));
        return Err(Failure::Stranger {
            found: super::shown(&format!("`{who}`{}", shown.collect::<String>())),
            wanted: key.who(),
        });
    }
    let signed = time(&message, &chain, key, at)?;
    Ok(Signer { who, signed })
}

/// The time of signing, if it is proven.
fn time(
    message: &Message,
    chain: &[Certificate],
    key: &Key,
    at: Timestamp,
) -> Result<Option<Timestamp>, Failure> {
    if key.timestamps.is_empty() {
        chain::valid(chain, at)?;
        return Ok(None);
    }
    let failed = |error| refused(&error, &key.who());
    let token = message.unsigned(TIMESTAMP, "timestamp").map_err(failed)?;
    let token = token.ok_or_else(|| Failure::Witness {
        what: "timestamp",
        why: "there is none, and the policy wants one".to_owned(),
    })?;
    let token = token
        .to_der()
        .map_err(|_| form("its timestamp is malformed"))?;
    let signature = message.signer.signature.as_bytes();
    let (from, until) = timestamp::verify(&token, signature, &key.timestamps)?;
    if from > at {
        return Err(Failure::NotYetValid {
            what: "timestamp".to_owned(),
            from,
        });
    }
    chain::valid(chain, from)?;
    chain::valid(chain, until)?;
    Ok(Some(until))
}
