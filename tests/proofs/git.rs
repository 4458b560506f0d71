//! git: `proof` is the object that must be signed; further members are the id of the `commit` that is checked out, the `reference`
//! asked for, what must be `signed` (`tag` or `commit`), the tags that the tag names (`nested`), and the commit's `object`.
//! The `commit` may be `of the proof, sha1`: then the id fits, whatever an edit does to the object. For gitsign, `key` is the
//! `trusted_root.json` of an instance or `public-good`, and further members are those of the identity.

use verified_dockerfile::verify::{
    PublicKey, Signer,
    git::{self, Checkout, Key, Objects, Signed},
    openpgp,
    sigstore::{self, By, Claim, Roots},
    ssh, x509,
};

use sha1_checked::Digest as _;

use super::{Case, Kind};

pub const KIND: Kind = Kind {
    folder: git::KIND,
    members: &["commit", "reference", "signed-object", "nested", "object"],
    run,
};

/// The same objects, signed by an identity.
pub const GITSIGN: Kind = Kind {
    folder: "gitsign",
    members: &[
        "commit",
        "reference",
        "signed-object",
        "identity",
        "issuer",
        "identity-pattern",
    ],
    run,
};

/// The same objects, signed below authorities: `key` has them, `whom` says who, `stamps` has the roots of time stamp authorities.
pub const X509: Kind = Kind {
    folder: "x509",
    members: &["commit", "reference", "signed-object", "whom", "stamps"],
    run,
};

fn run(case: &Case) -> Result<Signer, String> {
    let signed = match case.text("signed-object") {
        Some("tag") => Signed::Tag,
        Some("commit") => Signed::Commit,
        other => panic!("`signed-object`: {other:?}"),
    };
    let commit = match case.text("commit").unwrap() {
        "of the proof, sha1" => id(&case.file("proof")),
        id => id.to_owned(),
    };
    let checkout = Checkout {
        commit: &commit,
        reference: case.text("reference").unwrap(),
        signed,
    };
    let mut objects = Objects {
        tags: Vec::new(),
        commit: case.optional_file("object"),
    };
    let proof = case.optional_file("proof");
    match signed {
        Signed::Tag => objects.tags.extend(proof),
        Signed::Commit => objects.commit = proof,
    }
    if case.text("nested").is_some_and(|names| names.contains(' ')) {
        for name in case.text("nested").unwrap().split(' ') {
            let path = super::testdata().join(git::KIND).join(name);
            objects.tags.push(std::fs::read(path).unwrap());
        }
    } else {
        objects.tags.extend(case.optional_file("nested"));
    }
    if let Some(whom) = case
        .text("whom")
        .filter(|_| case.text("key").unwrap().ends_with(".pem"))
    {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let stamps = case.optional_file("stamps").map(text);
        return x509::Key::parse(&text(case.file("key")), whom, stamps.as_deref())
            .and_then(|key| git::verify(&checkout, &objects, Key::X509(&key), case.at()))
            .map_err(|error| error.to_string());
    }
    if let Some(identity) = super::sigstore::identity(case)? {
        let roots = match case.text("key") {
            Some("public-good") => Roots::public_good(),
            Some(name) if name.ends_with(".json") => Roots::parse(&case.file("key")),
            _ => return by_other_key(case, &checkout, &objects),
        };
        let roots = roots.map_err(|error| error.to_string())?;
        let key = sigstore::Key {
            by: By::Identity { identity, roots },
            claim: Claim::Signature,
        };
        return git::verify(&checkout, &objects, Key::Sigstore(&key), case.at())
            .map_err(|error| error.to_string());
    }
    by_other_key(case, &checkout, &objects)
}

fn by_other_key(case: &Case, checkout: &Checkout<'_>, objects: &Objects) -> Result<Signer, String> {
    let file = case.file("key");
    if file.starts_with(b"-----BEGIN PGP") {
        let key = openpgp::Key::parse(&file, None).unwrap();
        git::verify(checkout, objects, Key::OpenPgp(&key), case.at())
    } else if file.starts_with(b"-----BEGIN PUBLIC KEY") {
        let pem = std::str::from_utf8(&file).unwrap();
        let key = PublicKey::from_pem(pem).unwrap().into();
        git::verify(checkout, objects, Key::Sigstore(&key), case.at())
    } else {
        let key = ssh::Key::parse(std::str::from_utf8(&file).unwrap()).unwrap();
        git::verify(checkout, objects, Key::Ssh(&key), case.at())
    }
    .map_err(|error| error.to_string())
}

fn id(commit: &[u8]) -> String {
    let header = format!("commit {}\0", commit.len());
    let hasher = sha1_checked::Sha1::new_with_prefix(header);
    super::case::hex(&hasher.chain_update(commit).finalize())
}
