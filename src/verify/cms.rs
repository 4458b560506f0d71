//! CMS messages with one signer, as timestamps and git's X.509 signatures are.
//!
//! Source: RFC 5652 sections 5 and 11; X.690 section 8.1 for lengths that are not stated.

use std::fmt;

use cms::{
    cert::CertificateChoices,
    content_info::ContentInfo,
    signed_data::{SignedData, SignerIdentifier, SignerInfo},
};
use x509_cert::{
    Certificate,
    attr::Attributes,
    der::{
        Any, Decode as _, Encode as _, Length,
        asn1::{ObjectIdentifier, OctetString, OctetStringRef},
        pem,
    },
    ext::pkix::SubjectKeyIdentifier,
};

use super::{
    notation::chain::{self, Hash, MAX_CHAIN, PublicKey},
    shown,
};

/// The unsigned attribute with an RFC 3161 timestamp over the signature.
pub(super) const TIMESTAMP: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.14");
/// What a signature of git is about.
pub(super) const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// Largest armored signature read, in bytes.
const MAX_ARMOR: usize = 256 * 1024;
/// What the armor says that it is.
const LABEL: &str = "SIGNED MESSAGE";
/// Deepest nesting of values whose length is not stated; gpgsm's is four.
const MAX_DEPTH: usize = 8;
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");

/// A message, taken apart; nothing in it is checked yet.
pub(super) struct Message {
    kind: ObjectIdentifier,
    /// What is signed, if it is within.
    pub(super) content: Option<Vec<u8>>,
    /// The one signer.
    pub(super) signer: SignerInfo,
    /// Its certificate.
    pub(super) leaf: Certificate,
    /// All certificates within.
    pub(super) certificates: Vec<Certificate>,
}

/// What is wrong with a message.
#[derive(Debug)]
pub(super) enum Error {
    /// It is not of the form that it should be, or uses what is too weak.
    Form(String),
    /// The signature is over something else, or by another key.
    Signature(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(why) => f.write_str(why),
            Self::Signature(why) => f.write_str(why),
        }
    }
}

impl From<x509_cert::der::Error> for Error {
    fn from(error: x509_cert::der::Error) -> Self {
        Self::Form(shown(&format!("it is malformed: {error}")))
    }
}

fn form(why: impl Into<String>) -> Error {
    Error::Form(why.into())
}

/// The message in a git signature's armor, which must be all that there is.
pub(super) fn unarmor(armor: &[u8]) -> Result<Vec<u8>, Error> {
    if armor.len() > MAX_ARMOR {
        return Err(form(format!("it has more than {MAX_ARMOR} bytes")));
    }
    let (label, der) =
        pem::decode_vec(armor).map_err(|_| form("its armor is not one PEM block"))?;
    if label != LABEL {
        return Err(form(format!("its armor is not labelled {LABEL}")));
    }
    if der.get(1) != Some(&0x80) {
        return Ok(der);
    }
    // gpgsm states no length for the outermost values.
    let unfinished = || form("a value in it does not end");
    let (value, rest) = definite(&der, MAX_DEPTH).ok_or_else(unfinished)?;
    if rest.is_empty() {
        Ok(value)
    } else {
        Err(form("something follows it"))
    }
}

/// The first value in `bytes` with its length stated, and what follows it; values of a stated length are taken as they are.
fn definite(bytes: &[u8], depth: usize) -> Option<(Vec<u8>, &[u8])> {
    let (&[tag, length], mut rest) = bytes.split_first_chunk()?;
    if length != 0x80 {
        // How many bytes state the length, if the first does not.
        let more = usize::from(if length < 0x80 { 0 } else { length & 0x7f });
        let (digits, _) = rest.split_at_checked(more).filter(|_| more <= 4)?;
        let stated = |sum, digit: &u8| sum << 8 | usize::from(*digit);
        let content = match more {
            0 => usize::from(length),
            _ => digits.iter().fold(0, stated),
        };
        let whole = content.checked_add(more)?.checked_add(2)?;
        let (value, rest) = bytes.split_at_checked(whole)?;
        return Some((value.to_vec(), rest));
    }
    let depth = depth.checked_sub(1)?;
    let mut content = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(&[0, 0]) {
            let mut value = vec![tag];
            value.extend(Length::try_from(content.len()).ok()?.to_der().ok()?);
            value.append(&mut content);
            return Some((value, after));
        }
        let (inner, after) = definite(rest, depth)?;
        content.extend(inner);
        rest = after;
    }
}

impl Message {
    /// Reads a ContentInfo in DER with signed data of the type `kind`, which errors call `what`.
    pub(super) fn read(der: &[u8], kind: ObjectIdentifier, what: &str) -> Result<Self, Error> {
        let outer = ContentInfo::from_der(der)?;
        if outer.content_type != SIGNED_DATA {
            return Err(form("it is no signed data"));
        }
        let data: SignedData = outer.content.decode_as()?;
        let inner = &data.encap_content_info;
        if inner.econtent_type != kind {
            return Err(form(format!("it is about something else than {what}")));
        }
        let content = match &inner.econtent {
            None => None,
            Some(content) => {
                let content = content.decode_as::<OctetStringRef<'_>>()?;
                Some(content.as_bytes().to_vec())
            }
        };
        let [signer] = data.signer_infos.0.as_slice() else {
            return Err(form("it has not one signer"));
        };
        let certificates: Vec<Certificate> = data
            .certificates
            .iter()
            .flat_map(|set| set.0.iter())
            .filter_map(|choice| match choice {
                CertificateChoices::Certificate(certificate) => Some(certificate.clone()),
                CertificateChoices::Other(_) => None,
            })
            .take(2 * MAX_CHAIN)
            .collect();
        let leaf = certificates
            .iter()
            .find(|certificate| is_signer(certificate, &signer.sid))
            .ok_or_else(|| form("the certificate of its signer is not in it"))?;
        Ok(Self {
            kind,
            content,
            signer: signer.clone(),
            leaf: leaf.clone(),
            certificates,
        })
    }

    /// That the signer signed `content`; gives the bytes that the signature is over: the signed attributes.
    pub(super) fn check(&self, content: &[u8]) -> Result<Vec<u8>, Error> {
        let kind: ObjectIdentifier = self.signed(CONTENT_TYPE, "content type")?.decode_as()?;
        if kind != self.kind {
            return Err(form("it is signed as something else"));
        }
        let hash = by_oid(self.signer.digest_alg.oid)?;
        let digest: OctetString = self.signed(MESSAGE_DIGEST, "digest")?.decode_as()?;
        if digest.as_bytes() != hash.digest(content) {
            return Err(Error::Signature("its content was changed"));
        }
        let key = PublicKey::of(&self.leaf).map_err(|failure| form(failure.to_string()))?;
        let (signed_hash, rsa) = match self.signer.signature_algorithm.oid {
            RSA => (hash, true),
            other => chain::algorithm(other).map_err(Error::Form)?,
        };
        let attributes = self.signer.signed_attrs.to_der()?;
        if rsa != matches!(key, PublicKey::Rsa(_))
            || signed_hash != hash
            || !key.verify_x509(hash, &attributes, self.signer.signature.as_bytes())
        {
            return Err(Error::Signature("its signature does not hold"));
        }
        Ok(attributes)
    }

    /// The one value of a signed attribute, which must be there.
    pub(super) fn signed(&self, oid: ObjectIdentifier, what: &str) -> Result<&Any, Error> {
        let attributes = self.signer.signed_attrs.as_ref();
        let attributes = attributes.ok_or_else(|| form("it has no signed attributes"))?;
        one(attributes, oid)
            .map_err(|()| form(format!("it has not one signed {what}")))?
            .ok_or_else(|| form(format!("it has not one signed {what}")))
    }

    /// The one value of an attribute that is not signed, if it is there.
    pub(super) fn unsigned(
        &self,
        oid: ObjectIdentifier,
        what: &str,
    ) -> Result<Option<&Any>, Error> {
        match &self.signer.unsigned_attrs {
            None => Ok(None),
            Some(attributes) => {
                one(attributes, oid).map_err(|()| form(format!("it has more than one {what}")))
            }
        }
    }
}

/// The value of an attribute that is there once, with one value, or not at all.
fn one(attributes: &Attributes, oid: ObjectIdentifier) -> Result<Option<&Any>, ()> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
    match (
        found.next().map(|found| found.values.as_slice()),
        found.next(),
    ) {
        (None, _) => Ok(None),
        (Some([value]), None) => Ok(Some(value)),
        _ => Err(()),
    }
}

fn is_signer(certificate: &Certificate, id: &SignerIdentifier) -> bool {
    let tbs = &certificate.tbs_certificate;
    match id {
        SignerIdentifier::IssuerAndSerialNumber(id) => {
            tbs.issuer == id.issuer && tbs.serial_number == id.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            let mut extensions = tbs.extensions.iter().flatten();
            extensions.any(|extension| {
                extension.extn_id == KEY_IDENTIFIER
                    && SubjectKeyIdentifier::from_der(extension.extn_value.as_bytes())
                        .is_ok_and(|found| found == *id)
            })
        }
    }
}

/// The hash function of that name, if it is none of the weak ones.
pub(super) fn by_oid(oid: ObjectIdentifier) -> Result<Hash, Error> {
    match oid.to_string().as_str() {
        "2.16.840.1.101.3.4.2.1" => Ok(Hash::Sha256),
        "2.16.840.1.101.3.4.2.2" => Ok(Hash::Sha384),
        "2.16.840.1.101.3.4.2.3" => Ok(Hash::Sha512),
        other => Err(form(format!(
            "the hash function {other} is weak or unknown"
        ))),
    }
}
