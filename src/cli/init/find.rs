//! How a publisher signs something: looked for where publishers put signatures, and checked as far as that goes without knowing whom to trust.

use futures_util::future;
use jiff::Timestamp;

use super::steps::Known;
use crate::{
    digest::Digest,
    fetch::{GitSource, Source},
    policy::Pin,
    resolve::{Resolve as _, live::Live},
    verify::{
        self, Artifact, Failure, Key, Proof, TrustedKey, openpgp,
        sigstore::{self, By, Claim, Identity, Matcher, Roots},
    },
};

/// Largest file that is taken for a signature or list, in bytes.
const MAX_FILE: usize = 4 << 20;
/// What stands behind the file's own name.
const SIGNATURES: [&str; 7] = [
    ".sigstore.json",
    ".sigstore",
    ".asc",
    ".sig",
    ".minisig",
    ".bundle",
    ".sign",
];
/// Lists beside a file, and behind its name.
const LISTS: [&str; 7] = [
    "SHA256SUMS",
    "SHA256SUMS.txt",
    "sha256sums.txt",
    "SHASUMS256.txt",
    "checksums.txt",
    "SHA512SUMS",
    "CHECKSUMS",
];
const OWN_LISTS: [&str; 4] = [".sha256", ".sha256sum", ".sha512", ".sha512sum"];
/// What stands behind a list's name.
const OF_LISTS: [&str; 7] = [
    ".asc",
    ".sig",
    ".gpg",
    ".minisig",
    ".sign",
    ".sigstore.json",
    ".bundle",
];

/// How something is signed.
#[derive(Debug, Default)]
pub(super) struct How {
    /// Who signed, by certificate: identity and issuer. The signature holds.
    pub keyless: Option<(String, String)>,
    /// Signatures by keys that only the publisher can name: what, and the rule's members.
    pub keyed: Vec<(String, String)>,
    /// What else was found.
    pub notes: Vec<String>,
    /// For a file: the members of the rule that say where the keyless signature is.
    pub at: String,
    /// The hash in a step to which the file is compared, and which it has.
    pub compared: Option<String>,
}

impl How {
    /// Whether a rule can be proposed that holds.
    pub(super) fn proven(&self) -> bool {
        self.keyless.is_some()
    }
}

pub(super) async fn how(
    live: &Live,
    source: &Source,
    pin: &Pin,
    known: &Known,
    now: Timestamp,
) -> How {
    match (source, pin) {
        (Source::Image { reference, .. }, Pin::Digest(digest)) => {
            let mut how = How::default();
            match live.signatures(reference, digest, false).await {
                Ok(proofs) => {
                    let repository = reference.repository();
                    let artifact = Artifact::Image {
                        digest,
                        repository: Some(&repository),
                    };
                    for proof in &proofs {
                        judge(&mut how, &artifact, proof, "", now);
                    }
                }
                Err(error) => how
                    .notes
                    .push(format!("its signatures cannot be read: {error}")),
            }
            how
        }
        (Source::Http { url, .. }, Pin::Digest(digest)) => {
            let mut how = file(live, url, digest, known, now).await;
            compared(live, url, known, &mut how).await;
            how
        }
        (Source::Git(source), Pin::Commit(commit)) => git(live, source, commit).await,
        _ => How::default(),
    }
}

/// What became of the hashes to which steps compare the file.
async fn compared(live: &Live, url: &str, known: &Known, how: &mut How) {
    if known.hashes.is_empty() {
        return;
    }
    let Ok(file) = live.download(url).await else {
        return;
    };
    let own = [
        ("sha256", &file.sha256),
        ("sha384", &file.sha384),
        ("sha512", &file.sha512),
    ];
    let strong: Vec<&(String, String)> = known
        .hashes
        .iter()
        .filter(|(algorithm, _)| own.iter().any(|(name, _)| name == algorithm))
        .collect();
    let fits = strong.iter().find(|(algorithm, digits)| {
        let of = own.iter().find(|(name, _)| name == algorithm);
        of.is_some_and(|(_, digest)| digest.hex() == digits)
    });
    match (fits, strong.first()) {
        (Some((algorithm, digits)), _) => how.compared = Some(format!("{algorithm}:{digits}")),
        (None, Some((algorithm, digits))) => how.notes.push(format!(
            "CAREFUL: a step wants {algorithm}:{digits}, and now it is {}",
            file.sha256
        )),
        (None, None) => how
            .notes
            .push("a step compares it with a hash that does not hold (MD5, SHA-1)".to_owned()),
    }
}

/// Notes what `proof` is, and who made it if that can be seen.
fn judge(how: &mut How, artifact: &Artifact<'_>, proof: &Proof, at: &str, now: Timestamp) {
    match signer(artifact, proof, now) {
        Signer::Holds(identity, issuer) => {
            if how.keyless.is_none() {
                how.keyless = Some((identity, issuer));
                how.at = at.to_owned();
            }
        }
        Signer::Keyed(kind, member) => {
            let found = (kind, format!("{member}\n{at}"));
            if !how.keyed.contains(&found) {
                how.keyed.push(found);
            }
        }
        Signer::Broken(why) => {
            let note = format!("a signature ({}) does not hold: {why}", proof.kind());
            if !how.notes.contains(&note) {
                how.notes.push(note);
            }
        }
    }
}

enum Signer {
    /// Identity and issuer.
    Holds(String, String),
    /// What it is called, and the member of `[keys.NAME]` that it needs.
    Keyed(String, String),
    Broken(String),
}

/// Whoever signed. It is verified as if by somebody who does not exist: what is refused for that alone, holds.
fn signer(artifact: &Artifact<'_>, proof: &Proof, now: Timestamp) -> Signer {
    let keyed = |kind: &str, member: &str| Signer::Keyed(kind.to_owned(), member.to_owned());
    match proof {
        Proof::OpenPgp(bytes) => {
            return keyed(&openpgp_by(bytes), "openpgp = \"keys/NAME.asc\"");
        }
        Proof::Minisign(_) => return keyed("minisign", "minisign = \"keys/NAME.pub\""),
        Proof::Signify(_) => return keyed("signify", "signify = \"keys/NAME.pub\""),
        Proof::Ssh(_) => return keyed("SSH", "ssh = \"keys/NAME.pub\""),
        Proof::Notation(_) => {
            return keyed("Notary v2", "notation = \"keys/NAME.pem\"\nidentity = \"\"");
        }
        Proof::Cosign(signature) if signature.certificate.is_none() => {
            return keyed("cosign with a key", "cosign = \"keys/NAME.pub\"");
        }
        Proof::Cosign(_) | Proof::Bundle(_) => {}
        Proof::Checksums(_) | Proof::Git(_) | Proof::Attestations(_) => {
            return Signer::Broken("it is none".to_owned());
        }
    }
    let mut why = String::new();
    for roots in [Roots::public_good(), Roots::github()] {
        let nobody = || {
            let issuer = Matcher::exact("https://nobody.invalid").ok()?;
            let subject = Matcher::exact("https://nobody.invalid/").ok()?;
            Identity::new(issuer, subject).ok()
        };
        let (Ok(roots), Some(identity)) = (roots, nobody()) else {
            continue;
        };
        let key = TrustedKey {
            name: "nobody".to_owned(),
            key: Key::Sigstore(sigstore::Key {
                by: By::Identity { identity, roots },
                claim: Claim::Signature,
            }),
        };
        match verify::verify(artifact, proof, &[key], now) {
            Err(Failure::Stranger { found, .. }) => {
                let parts = found
                    .strip_suffix(')')
                    .and_then(|text| text.rsplit_once(" ("));
                if let Some((identity, issuer)) = parts {
                    return Signer::Holds(identity.to_owned(), issuer.to_owned());
                }
            }
            Err(failure) if why.is_empty() => why = failure.to_string(),
            _ => {}
        }
    }
    // A bundle by a key pair names no certificate.
    if let Proof::Bundle(bytes) = proof
        && !contains(bytes, b"ertificate")
    {
        return keyed("cosign with a key", "cosign = \"keys/NAME.pub\"");
    }
    Signer::Broken(why)
}

/// `OpenPGP, as it says by FINGERPRINT`.
fn openpgp_by(bytes: &[u8]) -> String {
    let issuers = openpgp::issuers(bytes);
    match issuers.is_empty() {
        true => "OpenPGP".to_owned(),
        false => format!("OpenPGP, as it says by {}", issuers.join(" and ")),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

/// A file's signature beside it, a signed list, or at least a list.
async fn file(live: &Live, url: &str, digest: &Digest, known: &Known, now: Timestamp) -> How {
    let mut how = How::default();
    how.notes.extend(known.notes.iter().cloned());
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let Some((folder, name)) = path.rsplit_once('/') else {
        return how;
    };
    let get = |url: String| async move { live.small_file(&url, MAX_FILE).await.ok() };
    let beside = SIGNATURES.map(|end| async move { (end, get(format!("{path}{end}")).await) });
    let content = live.download(url).await.ok();
    for (end, bytes) in future::join_all(beside).await {
        if let Some(proof) = bytes.and_then(|bytes| Proof::of_file(bytes).ok()) {
            let content = content.as_deref();
            let artifact = Artifact::File {
                digest,
                content: content.map(|content| content as &dyn verify::Content),
            };
            judge(
                &mut how,
                &artifact,
                &proof,
                &format!("signature = \"*{end}\""),
                now,
            );
        }
    }
    let digests: Vec<String> = match &content {
        Some(file) => [&file.sha256, &file.sha384, &file.sha512]
            .map(|d| d.hex().to_owned())
            .to_vec(),
        None => vec![digest.hex().to_owned()],
    };
    let own = OWN_LISTS.map(|end| format!("{name}{end}"));
    let names = LISTS.iter().map(|name| (*name).to_owned()).chain(own);
    let lists = names.map(|list| async move {
        let bytes = get(format!("{folder}/{list}")).await;
        (list, bytes)
    });
    for (list, bytes) in future::join_all(lists).await {
        // A page that says "not found" is none.
        let Some(bytes) = bytes.filter(|bytes| {
            let lower = bytes.to_ascii_lowercase();
            digests.iter().any(|hex| contains(&lower, hex.as_bytes()))
        }) else {
            continue;
        };
        let shown = if list.starts_with(name) {
            list.replacen(name, "*", 1)
        } else {
            list.clone()
        };
        let of_list = OF_LISTS.map(|end| {
            let url = format!("{folder}/{list}{end}");
            async move { (end, get(url).await) }
        });
        let list_digest = Digest::sha256(&bytes);
        let mut signed = false;
        for (end, signature) in future::join_all(of_list).await {
            let Some(proof) = signature.and_then(|bytes| Proof::of_file(bytes).ok()) else {
                continue;
            };
            signed = true;
            let content = bytes.as_slice();
            let artifact = Artifact::File {
                digest: &list_digest,
                content: Some(&content),
            };
            let at = format!("checksums = \"{shown}\"\nsignature = \"*{end}\"");
            judge(&mut how, &artifact, &proof, &at, now);
        }
        if contains(&bytes, b"-----BEGIN PGP SIGNED MESSAGE-----") {
            signed = true;
            how.keyed.push((
                "OpenPGP within a list".to_owned(),
                format!("openpgp = \"keys/NAME.asc\"\nchecksums = \"{shown}\""),
            ));
        }
        if !signed {
            how.notes.push(format!(
                "the list {list} has its checksum, and nobody has signed the list"
            ));
        }
    }
    if let Some(note) = attested(live, url, digest).await {
        how.notes.push(note);
    }
    how
}

/// Attestations that GitHub keeps of a release's files.
async fn attested(live: &Live, url: &str, digest: &Digest) -> Option<String> {
    let rest = url.strip_prefix("https://github.com/")?;
    let mut parts = rest.split('/');
    let (owner, repository) = (parts.next()?, parts.next()?);
    (parts.next()? == "releases").then_some(())?;
    let api = format!("https://api.github.com/repos/{owner}/{repository}/attestations/{digest}");
    let answer = live.small_file(&api, MAX_FILE).await.ok()?;
    let answer: serde_json::Value = serde_json::from_slice(&answer).ok()?;
    let count = answer.get("attestations")?.as_array()?.len();
    (count > 0).then(|| {
        format!("GitHub has {count} attestations of it: store the bundle beside the file, and name {owner}/{repository} as `source`")
    })
}

async fn git(live: &Live, source: &GitSource, commit: &str) -> How {
    let mut how = How::default();
    match live.objects(source, commit).await {
        Ok(objects) => {
            let mut note = |what: &str, bytes: &[u8]| {
                let (kind, member) = if contains(bytes, b"-----BEGIN SSH SIGNATURE-----") {
                    ("SSH", "ssh = \"keys/NAME.pub\"")
                } else if contains(bytes, b"-----BEGIN PGP SIGNATURE-----") {
                    ("OpenPGP", "openpgp = \"keys/NAME.asc\"")
                } else if contains(bytes, b"-----BEGIN SIGNED MESSAGE-----") {
                    ("Sigstore", "issuer = \"\"\nidentity = \"\"")
                } else {
                    return;
                };
                how.keyed.push((
                    format!("{kind} in the {what}"),
                    format!("{member}\nsigned = \"{what}\""),
                ));
            };
            objects.tags.iter().for_each(|tag| note("tag", tag));
            objects
                .commit
                .iter()
                .for_each(|commit| note("commit", commit));
        }
        Err(error) => how
            .notes
            .push(format!("tag and commit cannot be read: {error}")),
    }
    how
}
