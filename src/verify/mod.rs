//! Proofs: who signed what, or exactly why not.
//!
//! One file per kind of proof, each a function from *what is to be proven* ([`Artifact`]), *what was given as proof*, *who is
//! trusted* (one [`Key`]) and *the time that counts* to who signed, or a [`Failure`]. Nothing here fetches, reads a clock or keeps
//! state. A new kind is one file, a variant of [`Proof`] and of [`Key`], and one line in [`verify_with`].
//!
//! | kind | file | what it binds |
//! | --- | --- | --- |
//! | cosign's older `.sig` payload | [`cosign`] | image digest and repository |
//! | Sigstore bundle | [`bundle`] | image digest; or a file's bytes or digest |
//! | OpenPGP signature | [`openpgp`] | a file's bytes |
//! | minisign signature | [`minisign`] | a file's bytes |
//! | signify signature | [`signify`] | a file's bytes |
//! | SSH signature | [`ssh`] | a file's bytes |
//! | Notary v2 envelope | [`notation`] | image digest; or a file's |
//! | simple signing | [`simple`] | image digest and repository |
//! | BuildKit's attestation manifest, signed in one of these ways | [`attestation`] | image digest |
//! | checksum list, signed in one of these ways | [`checksums`] | a file's digest under its name |
//! | git's signed tags and commits, X.509 ones by [`gitsign`] or [`x509`] | [`git`] | the commit, and the tag's name |
//!
//! A signature is checked over the exact bytes before anything in them is believed.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use jiff::Timestamp;

use crate::digest::Digest;

pub mod attestation;
pub mod bundle;
pub mod checksums;
mod cms;
pub mod cosign;
pub mod git;
pub mod gitsign;
pub mod json;
mod key;
pub mod minisign;
pub mod notation;
mod numbered;
pub mod openpgp;
pub mod signify;
pub mod sigstore;
pub mod simple;
pub mod ssh;
mod stream;
mod written;
pub mod x509;

pub use key::{KeyError, MAX_KEY_BYTES, PublicKey};
pub use written::{Written, WrittenIdentity, WrittenProvenance};

/// What a proof must be about.
#[derive(Clone, Copy, Debug)]
pub enum Artifact<'a> {
    /// An image: the digest of its index or manifest, and the repository it was named by (`docker.io/library/alpine`).
    Image {
        /// The digest that the build uses.
        digest: &'a Digest,
        /// The repository that a signature which names one must name; none if it has no repository (an OCI layout).
        repository: Option<&'a str>,
    },
    /// A file: its digest, and its bytes where they are at hand.
    File {
        /// The digest that the build uses.
        digest: &'a Digest,
        /// All of the file, needed by signatures over bytes rather than over a digest.
        content: Option<&'a dyn Content>,
    },
    /// What git checks out.
    Git(git::Checkout<'a>),
}

/// A file's bytes, read from the start as often as needed and never held in memory as a whole.
pub trait Content: fmt::Debug {
    /// The bytes, from the first.
    ///
    /// # Errors
    /// Whatever opening says.
    fn open(&self) -> io::Result<Box<dyn Read + '_>>;
}

impl Content for &[u8] {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(*self))
    }
}

impl Content for PathBuf {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(File::open(self)?))
    }
}

/// Who made a signature, as the signature itself proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The fingerprint of the key, or the identity in the certificate, in the form usual for the kind.
    pub who: String,
    /// When it was signed, if the kind proves or states a time.
    pub signed: Option<Timestamp>,
}

/// Who is trusted, under the name that the policy gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// `NAME` of `[keys.NAME]`.
    pub name: String,
    /// The key or identity itself.
    pub key: Key,
}

/// Who is trusted, in the form that one or several kinds of proof use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// For [`cosign`] and [`bundle`]: a key pair, or an identity.
    Sigstore(sigstore::Key),
    /// An OpenPGP key or keyring.
    OpenPgp(openpgp::Key),
    /// A minisign key.
    Minisign(minisign::Key),
    /// A signify key.
    Signify(signify::Key),
    /// SSH keys.
    Ssh(ssh::Key),
    /// A trust store and identity of Notary v2.
    Notation(notation::Key),
    /// Certificate authorities, and whom they must have certified.
    X509(x509::Key),
}

impl Key {
    /// The fingerprint or identity, in the form usual for the kind.
    #[must_use]
    pub fn who(&self) -> String {
        match self {
            Self::Sigstore(key) => key.who(),
            Self::OpenPgp(key) => key.who(),
            Self::Minisign(key) => key.who(),
            Self::Signify(key) => key.who(),
            Self::Ssh(key) => key.who(),
            Self::Notation(key) => key.who(),
            Self::X509(key) => key.who(),
        }
    }
}

/// Something that may prove an [`Artifact`], as it was found in a registry or in `Dockerfile.evidence`. Untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// cosign's older format.
    Cosign(cosign::Signature),
    /// The bytes of a Sigstore bundle (JSON).
    Bundle(Vec<u8>),
    /// OpenPGP signatures, armored or not: detached ones, or around the data.
    OpenPgp(Vec<u8>),
    /// The file that minisign writes.
    Minisign(Vec<u8>),
    /// The file that signify writes.
    Signify(Vec<u8>),
    /// An armored SSH signature.
    Ssh(Vec<u8>),
    /// A Notary v2 envelope.
    Notation(notation::Proof),
    /// A list of checksums, which proves something only if it is signed: by another proof, or within itself.
    Checksums(Vec<u8>),
    /// Objects of a git repository.
    Git(git::Objects),
    /// BuildKit's attestations, which prove something only if other proofs sign their manifests.
    Attestations(attestation::Attestations),
}

impl Proof {
    /// The kind's name in `Dockerfile.evidence` and in reports.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cosign(_) => cosign::KIND,
            Self::Bundle(_) => bundle::KIND,
            Self::OpenPgp(_) => openpgp::KIND,
            Self::Minisign(_) => minisign::KIND,
            Self::Signify(_) => signify::KIND,
            Self::Ssh(_) => ssh::KIND,
            Self::Notation(_) => notation::KIND,
            Self::Checksums(_) => checksums::KIND,
            Self::Git(_) => git::KIND,
            Self::Attestations(_) => attestation::KIND,
        }
    }

    /// The digests of what this proof holds and other proofs must sign.
    #[must_use]
    pub fn signed_elsewhere(&self) -> Vec<Digest> {
        match self {
            Self::Checksums(list) => vec![Digest::sha256(list)],
            Self::Attestations(documents) => {
                let manifests = documents.manifests.iter();
                manifests.map(|bytes| Digest::sha256(bytes)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What the file `bytes`, which somebody calls a signature, is by its looks. That it is one is for [`verify`] to say.
    ///
    /// # Errors
    /// [`Failure::Form`] if it looks like no kind that is known.
    pub fn of_file(bytes: Vec<u8>) -> Result<Self, Failure> {
        let text = bytes.trim_ascii_start();
        // COSE's mark (RFC 9052 section 2), which as an OpenPGP packet would be encrypted data.
        if bytes.first() == Some(&0xd2) {
            return Ok(Self::Notation(notation::Proof::Cose(bytes)));
        }
        // OpenPGP's binary form: a packet of signature, one-pass signature, compressed data or marker.
        let is_packet = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
        if text.starts_with(b"-----BEGIN PGP ") || is_packet {
            Ok(Self::OpenPgp(bytes))
        } else if text.starts_with(b"-----BEGIN SSH SIGNATURE-----") {
            Ok(Self::Ssh(bytes))
        } else if text.starts_with(b"untrusted comment:") {
            // minisign has a comment of its own in the third line; signify has the message there, or nothing.
            let third = text.split(|byte| *byte == b'\n').nth(2);
            if third.is_some_and(|line| line.starts_with(b"trusted comment: ")) {
                Ok(Self::Minisign(bytes))
            } else {
                Ok(Self::Signify(bytes))
            }
        } else if text.starts_with(b"{") {
            // A bundle says what it is; all that is text in a JWS is its own.
            let is_bundle = memchr::memmem::find(text, b"\"mediaType\"").is_some();
            Ok(if is_bundle {
                Self::Bundle(bytes)
            } else {
                Self::Notation(notation::Proof::Jws(bytes))
            })
        } else {
            Err(Failure::Form {
                what: "signature file",
                why: "it looks like no kind of signature that is known (OpenPGP, minisign, signify, SSH, Sigstore bundle, Notary v2)".to_owned(),
            })
        }
    }
}

/// Why a [`Proof`] proves nothing about an [`Artifact`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Not of the form that its kind has.
    #[error("the {what} is malformed: {why}")]
    Form {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The keys at hand are for other kinds of proof.
    #[error("none of the keys {0} is for proofs of the kind {1}")]
    OtherKind(String, &'static str),
    /// None of the trusted keys made the signature.
    #[error("the signature is by none of the keys {0}, or what it signs was changed")]
    Signature(String),
    /// The signature holds, for another digest.
    #[error("the signature is for {signed}, not for {wanted}")]
    Digest {
        /// What the signature is about.
        signed: String,
        /// What the build uses.
        wanted: Digest,
    },
    /// An object of a git repository is not the one it should be.
    #[error("the {what} is {found}, not {wanted}")]
    Object {
        /// Tag or commit.
        what: &'static str,
        /// Its id.
        found: String,
        /// The id it should have.
        wanted: String,
    },
    /// The signature holds, for another repository.
    #[error("the signature is for the repository `{signed}`, not for `{wanted}`")]
    Identity {
        /// What the signature names.
        signed: String,
        /// What it should name.
        wanted: String,
    },
    /// The signature names a repository, and nothing says which it should name.
    #[error(
        "the signature is for the repository `{0}`, and an OCI layout has none to compare with; name it by `signed-as`"
    )]
    NoRepository(String),
    /// The signature holds, but is of a type that says something else.
    #[error("the {what} is `{found}`, not `{wanted}`")]
    Type {
        /// What has the type.
        what: &'static str,
        /// The type it has.
        found: String,
        /// The type it should have.
        wanted: &'static str,
    },
    /// The statement is about more or fewer things than one.
    #[error("the statement has {0} subjects instead of one")]
    Subjects(usize),
    /// Signed by an identity, where a public key is named.
    #[error(
        "it is signed with a certificate (keyless), not with a key; name its `identity` and `issuer`"
    )]
    Keyless,
    /// Signed by a key pair, where an identity is named.
    #[error("it is signed with a key, not with a certificate (keyless); name the public key")]
    Keyed,
    /// The signature is over bytes that are not at hand.
    #[error("this signature can only be checked with the file's bytes")]
    NeedsBytes,
    /// Key, certificate or signature is no longer valid at the time that counts.
    #[error("the {what} expired at {at}")]
    Expired {
        /// Which of them, with its name.
        what: String,
        /// The end of its validity.
        at: Timestamp,
    },
    /// Key, certificate or signature is not valid yet at the time that counts.
    #[error("the {what} is valid only from {from}")]
    NotYetValid {
        /// Which of them, with its name.
        what: String,
        /// The start of its validity.
        from: Timestamp,
    },
    /// The key was revoked by its owner.
    #[error("the {what} was revoked: {why}")]
    Revoked {
        /// Which key, with its fingerprint.
        what: String,
        /// The reason given.
        why: String,
    },
    /// An algorithm or key size that does not prove anything today.
    #[error("the {what} is too weak: {why}")]
    Weak {
        /// Which part.
        what: &'static str,
        /// What is used and what is wanted.
        why: String,
    },
    /// A certificate does not lead to a trust root, or is not for signing.
    #[error("the certificate is not trusted: {0}")]
    Certificate(String),
    /// The signature holds for somebody whom the policy does not name.
    #[error("it is signed by {found}, not by {wanted}")]
    Stranger {
        /// Who signed.
        found: String,
        /// Whom the policy names.
        wanted: String,
    },
    /// The signature was made for another purpose.
    #[error("the signature is for the namespace `{signed}`, not for `{wanted}`")]
    Namespace {
        /// What the signature, or its key, is for.
        signed: String,
        /// What it should be for.
        wanted: String,
    },
    /// The provenance is of another build than the one expected.
    #[error("the provenance's {what} is `{found}`, not `{wanted}`")]
    Provenance {
        /// Builder, source repository, source ref.
        what: &'static str,
        /// What it says.
        found: String,
        /// What the policy expects.
        wanted: String,
    },
    /// The transparency log or a timestamp does not prove what it should.
    #[error("the {what} does not hold: {why}")]
    Witness {
        /// Log entry, inclusion proof, timestamp...
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A list of checksums has no entry, or several, for the file.
    #[error("the checksum list {0}")]
    List(String),
    /// The bytes could not be read to the end.
    #[error("the file cannot be read: {0}")]
    Read(String),
    /// Signature and digest are by different hash functions.
    #[error("the signature is over a {signed} digest; known is {known}")]
    Hash {
        /// The hash the signature uses.
        signed: String,
        /// The hash of the digest at hand.
        known: &'static str,
    },
}

/// Checks `proof` for `artifact` and gives the one of `keys` that made it.
///
/// # Errors
/// [`Failure`]: that of the key which came furthest, the first of them. A signature is always looked at before what it signs.
pub fn verify<'k>(
    artifact: &Artifact<'_>,
    proof: &Proof,
    keys: &'k [TrustedKey],
    at: Timestamp,
) -> Result<(&'k TrustedKey, Signer), Failure> {
    let mut furthest = Failure::OtherKind(String::new(), proof.kind());
    for trusted in keys {
        match verify_with(artifact, proof, &trusted.key, at) {
            Ok(signer) => return Ok((trusted, signer)),
            // Malformed for one is malformed for all.
            Err(failure @ Failure::Form { .. }) => return Err(failure),
            Err(failure) if failure.progress() > furthest.progress() => furthest = failure,
            Err(_) => {}
        }
    }
    let names = || {
        let names: Vec<_> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
        names.join(", ")
    };
    Err(match furthest {
        Failure::OtherKind(_, kind) => Failure::OtherKind(names(), kind),
        Failure::Signature(_) => Failure::Signature(names()),
        Failure::Stranger { found, .. } => Failure::Stranger {
            found,
            wanted: names(),
        },
        other => other,
    })
}

/// Checks `proof` for `artifact` with one key.
fn verify_with(
    artifact: &Artifact<'_>,
    proof: &Proof,
    key: &Key,
    at: Timestamp,
) -> Result<Signer, Failure> {
    match (proof, key) {
        (Proof::Cosign(signature), Key::Sigstore(key)) => {
            cosign::verify(artifact, signature, key, at)
        }
        (Proof::Bundle(bytes), Key::Sigstore(key)) => bundle::verify(artifact, bytes, key, at),
        (Proof::OpenPgp(bytes), Key::OpenPgp(key)) => match artifact {
            Artifact::Image { .. } => simple::verify(artifact, bytes, key, at),
            _ => openpgp::verify(artifact, bytes, key, at),
        },
        (Proof::Minisign(bytes), Key::Minisign(key)) => minisign::verify(artifact, bytes, key, at),
        (Proof::Signify(bytes), Key::Signify(key)) => signify::verify(artifact, bytes, key, at),
        (Proof::Ssh(bytes), Key::Ssh(key)) => ssh::verify(artifact, bytes, key, at),
        (Proof::Notation(envelope), Key::Notation(key)) => {
            notation::verify(artifact, envelope, key, at)
        }
        (Proof::Git(objects), key) => {
            let key = match key {
                Key::OpenPgp(key) => git::Key::OpenPgp(key),
                Key::Ssh(key) => git::Key::Ssh(key),
                Key::Sigstore(key) => git::Key::Sigstore(key),
                Key::X509(key) => git::Key::X509(key),
                other => return Err(Failure::OtherKind(other.who(), git::KIND)),
            };
            let Artifact::Git(checkout) = artifact else {
                return Err(Failure::Type {
                    what: "artifact",
                    found: "no commit".to_owned(),
                    wanted: "a commit of a repository",
                });
            };
            git::verify(checkout, objects, key, at)
        }
        _ => Err(Failure::OtherKind(key.who(), proof.kind())),
    }
}

impl Failure {
    /// How far a proof came before it failed: the furthest failure is the one worth telling.
    fn progress(&self) -> u8 {
        match self {
            Self::OtherKind(..) => 0,
            Self::Keyless | Self::Keyed => 1,
            Self::Signature(_) => 2,
            Self::Stranger { .. } => 3,
            _ => 4,
        }
    }
}

/// Strict base64 (RFC 4648 section 4, padded, no white space, no loose bits at the end).
fn base64(what: &'static str, text: &str) -> Result<Vec<u8>, Failure> {
    use base64ct::Encoding as _;
    base64ct::Base64::decode_vec(text).map_err(|_| Failure::Form {
        what,
        why: "it is no base64 (RFC 4648, padded)".to_owned(),
    })
}

/// Foreign text cut and stripped of control characters, fit for an error message.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;
