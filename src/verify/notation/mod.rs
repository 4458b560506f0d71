//! Notary v2 signatures, as notation makes them: a JWS or COSE envelope around the digest of an image or file, signed with an
//! X.509 certificate.
//!
//! For an image the envelope is the one layer of a referrer with the artifact type [`ARTIFACT_TYPE`]; for a file it stands beside it
//! (`notation blob sign`). What is checked, in this order: the form of the envelope; the certificate chain in it; the signature,
//! by the one algorithm that Notary v2 has for the size of the key; that the chain is trusted and the signer is the one whom the policy names; that neither
//! the signature nor a certificate has expired; and only then what is signed.
//!
//! **Time.** Under the scheme `notary.x509` all certificates must be valid at the time of verification, or, if the policy names roots of time
//! stamp authorities ([`Key::with_timestamps`]), at the time in the RFC 3161 timestamp, which then must be there. Under
//! `notary.x509.signingAuthority`, whose roots are a store of their own, they must have been valid at the time that the authority signed.
//!
//! **Revocation** cannot be checked: OCSP and CRLs need the network, and what they say today is no evidence for tomorrow. So this is
//! notation's verification level `strict` with revocation left out. A revoked signer is to be taken out of the policy;
//! short-lived certificates with timestamps are the better protection.
//!
//! Verification plugins are not supported: a signature that needs one is refused, as any with an unknown critical header.
//!
//! The media type and size in a signed descriptor are not compared for images, of which only the digest is known here: it fixes both the
//! bytes and their number. An image's media type must still be one of an image.
//!
//! Source: notaryproject/specifications: `signature-specification.md`, `signature-envelope-jws.md`, `signature-envelope-cose.md`,
//! `signing-scheme.md`, `trust-store-trust-policy.md`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, de::IgnoredAny};
use x509_cert::Certificate;

use super::{Artifact, Failure, Signer, base64, json, shown, stream};
use crate::digest::Digest;

pub(in crate::verify) mod chain;
mod cose;
pub(in crate::verify) mod identity;
mod jws;
pub(in crate::verify) mod timestamp;

use chain::{Hash, PublicKey, Purpose};
use identity::Identity;

/// The kind's name in `Dockerfile.evidence`.
pub const KIND: &str = "notation";
/// The artifact type of a referrer that is a signature, or the media type of its config.
pub const ARTIFACT_TYPE: &str = "application/vnd.cncf.notary.signature";
/// The media type of a JWS envelope.
pub const JWS: &str = "application/jose+json";
/// The media type of a COSE envelope.
pub const COSE: &str = "application/cose";
/// Largest envelope read, in bytes.
pub const MAX_ENVELOPE: usize = 1024 * 1024;
/// Largest file of trusted certificates read, in bytes.
pub const MAX_STORE: usize = 1024 * 1024;

const PAYLOAD: &str = "application/vnd.cncf.notary.payload.v1+json";
// The signed headers of Notary v2.
const SCHEME: &str = "io.cncf.notary.signingScheme";
const SIGNING_TIME: &str = "io.cncf.notary.signingTime";
const AUTHENTIC_TIME: &str = "io.cncf.notary.authenticSigningTime";
const EXPIRY: &str = "io.cncf.notary.expiry";
/// Media types of images.
const IMAGES: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// An envelope as it was found. Untrusted until [`verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Of the media type [`JWS`]; a file `*.jws.sig`.
    Jws(Vec<u8>),
    /// Of the media type [`COSE`]; a file `*.cose.sig`.
    Cose(Vec<u8>),
}

impl Proof {
    /// The envelope of that media type, if there is such an envelope.
    #[must_use]
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Option<Self> {
        match media_type {
            JWS => Some(Self::Jws(bytes)),
            COSE => Some(Self::Cose(bytes)),
            _ => None,
        }
    }

    /// The media type and the bytes.
    #[must_use]
    pub fn parts(&self) -> (&'static str, &[u8]) {
        match self {
            Self::Jws(bytes) => (JWS, bytes),
            Self::Cose(bytes) => (COSE, bytes),
        }
    }
}

/// Who vouches for signers: the type of notation's trust store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// `ca`: for the scheme `notary.x509`.
    Ca,
    /// `signingAuthority`: for the scheme of that name, which also says when it signed.
    SigningAuthority,
}

/// Whom the policy trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    store: Store,
    certificates: Vec<Certificate>,
    /// None for anyone whom the store vouches for.
    identity: Option<Identity>,
    timestamps: Vec<Certificate>,
}

impl Key {
    /// Reads a trust store, one or more certificates in PEM, and a trusted identity: `x509.subject: C=US, ST=WA, O=example.com`, or `*`
    /// for anyone who has a certificate by the store.
    ///
    /// # Errors
    /// [`Failure::Form`] and [`Failure::Certificate`].
    pub fn parse(certificates: &str, store: Store, identity: &str) -> Result<Self, Failure> {
        Ok(Self {
            store,
            certificates: pem(certificates)?,
            identity: match identity {
                "*" => None,
                text => Some(Identity::complete(text)?),
            },
            timestamps: Vec::new(),
        })
    }

    /// The same, but a signature must have a timestamp by an authority below one of these roots (PEM); its certificates need to be valid at that time
    /// only.
    ///
    /// # Errors
    /// [`Failure::Form`] and [`Failure::Certificate`].
    pub fn with_timestamps(self, roots: &str) -> Result<Self, Failure> {
        Ok(Self {
            timestamps: pem(roots)?,
            ..self
        })
    }

    /// The trusted identity, or the names of those who vouch.
    #[must_use]
    pub fn who(&self) -> String {
        match &self.identity {
            Some(identity) => identity.to_string(),
            None => {
                let names: Vec<_> = self.certificates.iter().map(chain::name).collect();
                format!("anyone certified by `{}`", names.join("`, `"))
            }
        }
    }
}

/// All certificates in a PEM file; what is between them does not count.
pub(in crate::verify) fn pem(text: &str) -> Result<Vec<Certificate>, Failure> {
    const WHAT: &str = "file of trusted certificates";
    let form = |why: &str| Failure::Form {
        what: WHAT,
        why: why.to_owned(),
    };
    if text.len() > MAX_STORE {
        return Err(form(&format!("more than {MAX_STORE} bytes")));
    }
    if text.contains("PRIVATE KEY-----") {
        return Err(form(
            "there is a private key in it; keep it out of the policy's folder",
        ));
    }
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN CERTIFICATE-----") {
        let (body, after) = after
            .split_once("-----END CERTIFICATE-----")
            .ok_or_else(|| form("a certificate without an end"))?;
        let body: String = body.split_ascii_whitespace().collect();
        found.push(chain::read(&base64(WHAT, &body)?)?);
        rest = after;
    }
    if found.is_empty() {
        return Err(form("no certificate in it"));
    }
    Ok(found)
}

/// What both forms of envelope hold.
struct Envelope {
    headers: Headers,
    certificates: Vec<Certificate>,
    timestamp: Option<Vec<u8>>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    /// The bytes that the signature is over.
    signed: Vec<u8>,
}

/// The signed headers.
struct Headers {
    /// As JWS names it.
    algorithm: String,
    content_type: String,
    scheme: Scheme,
    signing_time: Option<Timestamp>,
    authentic_time: Option<Timestamp>,
    expiry: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    X509,
    SigningAuthority,
}

impl Scheme {
    fn parse(text: Option<&str>) -> Result<Self, Failure> {
        match text {
            Some("notary.x509") => Ok(Self::X509),
            Some("notary.x509.signingAuthority") => Ok(Self::SigningAuthority),
            Some(other) => Err(form(&format!("unknown signing scheme `{}`", shown(other)))),
            None => Err(form("no signing scheme")),
        }
    }
}

fn form(why: &str) -> Failure {
    Failure::Form {
        what: "notation signature",
        why: shown(why),
    }
}

impl Headers {
    /// Whether exactly those headers are critical that must be, and those of the scheme are there.
    fn check(&self, critical: &[String]) -> Result<(), Failure> {
        let mut wanted = vec![SCHEME];
        if self.authentic_time.is_some() {
            wanted.push(AUTHENTIC_TIME);
        }
        if self.expiry.is_some() {
            wanted.push(EXPIRY);
        }
        for (index, name) in critical.iter().enumerate() {
            if critical.iter().take(index).any(|other| other == name) {
                return Err(form(&format!("the critical header {name} is listed twice")));
            }
            if ![SCHEME, AUTHENTIC_TIME, EXPIRY].contains(&name.as_str()) {
                return Err(form(&format!(
                    "unknown critical header {name}; verification plugins are not supported"
                )));
            }
            if !wanted.contains(&name.as_str()) {
                return Err(form(&format!("the critical header {name} is missing")));
            }
        }
        if let Some(name) = wanted
            .iter()
            .find(|name| !critical.iter().any(|other| other == *name))
        {
            return Err(form(&format!("the header {name} is not critical")));
        }
        match (self.scheme, self.signing_time, self.authentic_time) {
            (Scheme::X509, Some(_), None) | (Scheme::SigningAuthority, None, Some(_)) => Ok(()),
            _ => Err(form(
                "the time of signing is missing, or it is that of the other signing scheme",
            )),
        }
    }

    /// A header that nobody knows may be there, but not one of Notary's own.
    fn check_names<'n>(mut names: impl Iterator<Item = &'n str>) -> Result<(), Failure> {
        let known = [SCHEME, AUTHENTIC_TIME, EXPIRY, SIGNING_TIME];
        match names.find(|name| name.starts_with("io.cncf.notary.") && !known.contains(name)) {
            Some(name) => Err(form(&format!("unknown header {name}"))),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Payload {
    target_artifact: Descriptor,
}

/// An OCI descriptor.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(rename = "annotations", default)]
    _annotations: BTreeMap<String, String>,
    #[serde(rename = "artifactType", default)]
    _artifact_type: Option<String>,
    #[serde(rename = "urls", default)]
    _urls: Option<Vec<String>>,
    #[serde(rename = "data", default)]
    _data: Option<String>,
    #[serde(rename = "platform", default)]
    _platform: Option<IgnoredAny>,
}

/// Checks the envelope `proof` for `artifact` against one key.
///
/// # Errors
/// [`Failure`].
pub fn verify(
    artifact: &Artifact<'_>,
    proof: &Proof,
    key: &Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let envelope = match proof {
        Proof::Jws(bytes) => jws::parse(bytes)?,
        Proof::Cose(bytes) => cose::parse(bytes)?,
    };
    let chain = &envelope.certificates;
    chain::check(chain, Purpose::CodeSigning)?;
    let leaf = chain
        .first()
        .ok_or_else(|| Failure::Certificate("there is none".to_owned()))?;
    let who = chain::name(leaf);
    check_signature(&envelope, leaf, &who)?;
    check_trust(&envelope, leaf, key, &who)?;
    let signed = check_time(&envelope, key, at)?;
    check_payload(artifact, &envelope)?;
    Ok(Signer {
        who,
        signed: Some(signed),
    })
}

fn check_signature(envelope: &Envelope, leaf: &Certificate, who: &str) -> Result<(), Failure> {
    let public = PublicKey::of(leaf)?;
    let hash = public.hash().ok_or_else(|| {
        Failure::Certificate(format!(
            "`{who}`: its RSA key has not 2048, 3072 or 4096 bits"
        ))
    })?;
    let wanted = match (&public, hash) {
        (PublicKey::Rsa(_), Hash::Sha256) => "PS256",
        (PublicKey::Rsa(_), Hash::Sha384) => "PS384",
        (PublicKey::Rsa(_), Hash::Sha512) => "PS512",
        (_, Hash::Sha256) => "ES256",
        (_, Hash::Sha384) => "ES384",
        (_, Hash::Sha512) => "ES512",
    };
    if envelope.headers.algorithm != wanted {
        return Err(Failure::Type {
            what: "signature's algorithm",
            found: shown(&envelope.headers.algorithm),
            wanted,
        });
    }
    if !public.verify_jose(hash, &envelope.signed, &envelope.signature) {
        return Err(Failure::Signature(who.to_owned()));
    }
    if envelope.headers.content_type != PAYLOAD {
        return Err(Failure::Type {
            what: "payload's type",
            found: shown(&envelope.headers.content_type),
            wanted: PAYLOAD,
        });
    }
    Ok(())
}

fn check_trust(
    envelope: &Envelope,
    leaf: &Certificate,
    key: &Key,
    who: &str,
) -> Result<(), Failure> {
    let trusted = match (envelope.headers.scheme, key.store) {
        (Scheme::X509, Store::Ca) | (Scheme::SigningAuthority, Store::SigningAuthority) => {
            let mut chain = envelope.certificates.iter();
            chain.any(|certificate| key.certificates.contains(certificate))
        }
        (Scheme::X509, Store::SigningAuthority) => {
            return Err(Failure::Certificate(
                "the signature is not by a signing authority, as the policy wants".to_owned(),
            ));
        }
        (Scheme::SigningAuthority, Store::Ca) => {
            return Err(Failure::Certificate(
                "the signature claims to be by a signing authority, and the policy names none"
                    .to_owned(),
            ));
        }
    };
    if !trusted {
        return Err(Failure::Certificate(format!(
            "that of `{who}` leads to none in the trust store"
        )));
    }
    match &key.identity {
        Some(identity) if !identity.matches(&leaf.tbs_certificate.subject) => {
            Err(Failure::Stranger {
                found: format!("`{who}`"),
                wanted: format!("`{identity}`"),
            })
        }
        _ => Ok(()),
    }
}

/// The time of signing that is proven, or just stated.
fn check_time(envelope: &Envelope, key: &Key, at: Timestamp) -> Result<Timestamp, Failure> {
    let headers = &envelope.headers;
    if let Some(expiry) = headers.expiry
        && at >= expiry
    {
        return Err(Failure::Expired {
            what: "signature".to_owned(),
            at: expiry,
        });
    }
    let stated = headers.authentic_time.or(headers.signing_time);
    let stated = stated.ok_or_else(|| form("no time of signing"))?;
    if headers.scheme == Scheme::SigningAuthority {
        if stated > at {
            return Err(Failure::NotYetValid {
                what: "signature".to_owned(),
                from: stated,
            });
        }
        chain::valid(&envelope.certificates, stated)?;
        return Ok(stated);
    }
    if key.timestamps.is_empty() {
        chain::valid(&envelope.certificates, at)?;
        return Ok(stated);
    }
    let token = envelope
        .timestamp
        .as_deref()
        .ok_or_else(|| Failure::Witness {
            what: "timestamp",
            why: "there is none, and the policy wants one".to_owned(),
        })?;
    let (from, until) = timestamp::verify(token, &envelope.signature, &key.timestamps)?;
    if from > at {
        return Err(Failure::NotYetValid {
            what: "timestamp".to_owned(),
            from,
        });
    }
    chain::valid(&envelope.certificates, from)?;
    chain::valid(&envelope.certificates, until)?;
    Ok(until)
}

fn check_payload(artifact: &Artifact<'_>, envelope: &Envelope) -> Result<(), Failure> {
    let payload: Payload =
        json::read(&envelope.payload, MAX_ENVELOPE).map_err(|error| Failure::Form {
            what: "payload",
            why: error.to_string(),
        })?;
    let target = payload.target_artifact;
    let signed: Digest = target.digest.parse().map_err(|error| Failure::Form {
        what: "payload's digest",
        why: format!("{error}"),
    })?;
    let is_image = IMAGES.contains(&target.media_type.as_str());
    let other_type = |wanted| Failure::Type {
        what: "signed artifact",
        found: shown(&target.media_type),
        wanted,
    };
    match artifact {
        Artifact::Image { .. } if !is_image => Err(other_type("an image")),
        Artifact::Image { digest, .. } => same(&signed, digest),
        Artifact::File { .. } if is_image => Err(other_type("a file")),
        Artifact::File { digest, content } => {
            if signed.algorithm() == digest.algorithm() {
                same(&signed, digest)?;
                // The digest fixes how many bytes there are.
                if content.is_none() {
                    return Ok(());
                }
            }
            check_bytes(artifact, digest, &signed, target.size)
        }
        Artifact::Git(_) => Err(stream::not_a_file(artifact, KIND)),
    }
}

fn same(signed: &Digest, wanted: &Digest) -> Result<(), Failure> {
    if signed == wanted {
        return Ok(());
    }
    Err(Failure::Digest {
        signed: signed.to_string(),
        wanted: wanted.clone(),
    })
}

/// Whether the file's bytes have the digest that is signed, by whatever hash function, and are so many.
fn check_bytes(
    artifact: &Artifact<'_>,
    digest: &Digest,
    signed: &Digest,
    size: u64,
) -> Result<(), Failure> {
    // Where both are by the same function, reading compares already.
    let mut hasher =
        (signed.algorithm() != digest.algorithm()).then(|| stream::Hasher::new(signed.algorithm()));
    let mut length = 0_u64;
    stream::read(artifact, KIND, |bytes| {
        if let Some(hasher) = &mut hasher {
            hasher.update(bytes);
        }
        length = length.saturating_add(bytes.len() as u64);
    })?;
    if hasher.is_some_and(|hasher| stream::hex(&hasher.finish()) != signed.hex()) {
        return Err(Failure::Digest {
            signed: signed.to_string(),
            wanted: digest.clone(),
        });
    }
    if length != size {
        return Err(Failure::Form {
            what: "payload",
            why: format!("it is about {size} bytes; the file has {length}"),
        });
    }
    Ok(())
}
