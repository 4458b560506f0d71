//! Real signatures by cosign 2.5 and 3.1 (testdata/cosign), and hostile ones that differ from a good one in one thing.
//!
//! What a thief without the key can change is tried on cosign's own output; what only the key's holder could write is signed here with a
//! test key, so that the check after the signature is what refuses it.

use super::*;

mod collision;
mod hostile;

const REPOSITORY: &str = "localhost:5077/team/app";
const KEYS: [&str; 4] = ["p256", "p384", "rsa", "ed25519"];

fn bytes(name: &str) -> Vec<u8> {
    let path = format!("{}/testdata/cosign/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn text(name: &str) -> String {
    String::from_utf8(bytes(name)).unwrap()
}

fn trusted(name: &str) -> TrustedKey {
    let key = PublicKey::from_pem(&text(&format!("{name}.pub"))).unwrap();
    TrustedKey {
        name: name.to_owned(),
        key: Key::Sigstore(key.into()),
    }
}

fn digest(name: &str) -> Digest {
    text(&format!("{name}.digest")).trim().parse().unwrap()
}

/// The older format as a registry holds it: the payload layer and its annotation.
fn cosign_proof(name: &str) -> cosign::Signature {
    let manifest: serde_json::Value =
        serde_json::from_slice(&bytes(&format!("{name}.sig.manifest.json"))).unwrap();
    let layer = &manifest["layers"][0];
    let payload = bytes(&format!("{name}.sig.payload.json"));
    assert_eq!(
        layer["digest"].as_str().unwrap(),
        Digest::sha256(&payload).to_string()
    );
    assert_eq!(layer["mediaType"].as_str().unwrap(), cosign::MEDIA_TYPE);
    let signature = layer["annotations"][cosign::ANNOTATION]
        .as_str()
        .unwrap()
        .to_owned();
    cosign::Signature {
        payload,
        signature,
        ..cosign::Signature::default()
    }
}

fn image<'a>(digest: &'a Digest, repository: &'a str) -> Artifact<'a> {
    Artifact::Image {
        digest,
        repository: Some(repository),
    }
}

fn at() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// The key that made the proof; a public key's signer is its fingerprint, whatever the time.
fn with<'k>(
    artifact: &Artifact<'_>,
    proof: &Proof,
    keys: &'k [TrustedKey],
) -> Result<&'k TrustedKey, Failure> {
    let (trusted, signer) = verify(artifact, proof, keys, at())?;
    let who = trusted.key.who();
    assert_eq!(signer, Signer { who, signed: None });
    Ok(trusted)
}

fn with_cosign<'k>(
    artifact: &Artifact<'_>,
    proof: &cosign::Signature,
    keys: &'k [TrustedKey],
) -> Result<&'k TrustedKey, Failure> {
    with(artifact, &Proof::Cosign(proof.clone()), keys)
}

fn with_bundle<'k>(
    artifact: &Artifact<'_>,
    bundle: &[u8],
    keys: &'k [TrustedKey],
) -> Result<&'k TrustedKey, Failure> {
    with(artifact, &Proof::Bundle(bundle.to_vec()), keys)
}

fn refused(result: Result<&TrustedKey, Failure>) -> String {
    match result {
        Ok(key) => panic!("accepted, by {}", key.name),
        Err(failure) => failure.to_string(),
    }
}

fn assert_refused(what: &str, result: Result<&TrustedKey, Failure>, reason: &str) {
    let failure = refused(result);
    assert!(
        failure.contains(reason),
        "{what}: wanted {reason:?} in {failure:?}"
    );
}

#[test]
fn what_cosign_signs_verifies_with_every_kind_of_key() {
    for name in KEYS {
        let keys = [trusted("other"), trusted(name)];
        for version in ["cosign2", "cosign3"] {
            let name = format!("{name}-{version}");
            let digest = digest(&name);
            let proof = Proof::Cosign(cosign_proof(&name));
            let by = with(&image(&digest, REPOSITORY), &proof, &keys);
            assert_eq!(by, Ok(&keys[1]), "{name}");
        }
        let name = format!("{name}-cosign3");
        let bundle = Proof::Bundle(bytes(&format!("{name}.bundle.json")));
        let digest = digest(&name);
        assert_eq!(
            with(&image(&digest, REPOSITORY), &bundle, &keys),
            Ok(&keys[1]),
            "{name}"
        );
        assert_refused(
            &name,
            with(&image(&digest, REPOSITORY), &bundle, &keys[..1]),
            "none of the keys `other`",
        );
        assert_refused(
            &name,
            with(&image(&digest, REPOSITORY), &bundle, &[]),
            "none of the keys",
        );
    }
}

#[test]
fn one_byte_anywhere_in_a_signature_or_payload_is_refused() {
    let keys = [trusted("p256")];
    let digest = digest("p256-cosign2");
    let good = cosign_proof("p256-cosign2");
    for at in 0..good.payload.len() {
        let mut changed = good.clone();
        changed.payload[at] ^= 1;
        assert_refused(
            "payload",
            with_cosign(&image(&digest, REPOSITORY), &changed, &keys),
            "none of the keys",
        );
    }
    for at in 0..good.signature.len() {
        let mut changed = good.clone();
        let byte = if changed.signature.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        changed.signature.replace_range(at..=at, byte);
        refused(with_cosign(&image(&digest, REPOSITORY), &changed, &keys));
    }
    // A changed digit of the key gives no point of the curve, or another key.
    let pem = text("p256.pub");
    for (at, byte) in pem.bytes().enumerate().skip(27).take(124) {
        let mut pem = pem.clone();
        pem.replace_range(at..=at, if byte == b'A' { "B" } else { "A" });
        if let Ok(key) = PublicKey::from_pem(&pem) {
            let keys = [TrustedKey {
                name: "p256".into(),
                key: Key::Sigstore(key.into()),
            }];
            refused(with_cosign(&image(&digest, REPOSITORY), &good, &keys));
        }
    }
}

#[test]
fn every_byte_of_a_bundle_counts_or_is_known_not_to() {
    let keys = [trusted("p256")];
    let digest = digest("p256-cosign3");
    let good = text("p256-cosign3.bundle.json");
    let hint = good.find("hint").unwrap() + 7;
    let hint = hint..hint + 44;
    for at in (0..good.len()).filter(|at| !hint.contains(at)) {
        let mut changed = good.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        refused(with_bundle(&image(&digest, REPOSITORY), &changed, &keys));
    }
    for cut in 0..good.len() {
        refused(with_bundle(
            &image(&digest, REPOSITORY),
            &good.as_bytes()[..cut],
            &keys,
        ));
    }
}

#[test]
fn the_artifact_must_be_the_one_signed() {
    let keys = [trusted("p256")];
    let (wanted, other) = (digest("p256-cosign2"), digest("p256-cosign3"));
    let proof = cosign_proof("p256-cosign2");
    assert_refused(
        "digest",
        with_cosign(&image(&other, REPOSITORY), &proof, &keys),
        "not for sha256:",
    );
    assert_refused(
        "repository",
        with_cosign(&image(&wanted, "localhost:5077/team/apq"), &proof, &keys),
        "for the repository `localhost:5077/team/app`, not for `localhost:5077/team/apq`",
    );
    let layout = Artifact::Image {
        digest: &wanted,
        repository: None,
    };
    assert_refused("layout", with_cosign(&layout, &proof, &keys), "signed-as");
    let file = Artifact::File {
        digest: &wanted,
        content: None,
    };
    assert_refused("file", with_cosign(&file, &proof, &keys), "the proof is");
    let bundle = bytes("p256-cosign3.bundle.json");
    assert_refused(
        "digest",
        with_bundle(&image(&wanted, REPOSITORY), &bundle, &keys),
        "not for sha256:",
    );
    let file = Artifact::File {
        digest: &other,
        content: None,
    };
    assert_refused(
        "file",
        with_bundle(&file, &bundle, &keys),
        "messageSignature",
    );

    let mirrored = digest("mirrored");
    let proof = cosign_proof("mirrored");
    let publisher = "registry.example.com/publisher/app";
    assert_eq!(
        with_cosign(&image(&mirrored, publisher), &proof, &keys),
        Ok(&keys[0])
    );
    assert_refused(
        "mirror",
        with_cosign(&image(&mirrored, REPOSITORY), &proof, &keys),
        "publisher/app",
    );
}

#[test]
fn another_key_of_the_same_name_is_refused() {
    let mut key = trusted("other");
    key.name = "p256".to_owned();
    let digest = digest("p256-cosign2");
    let proof = Proof::Cosign(cosign_proof("p256-cosign2"));
    assert_refused(
        "key",
        with(&image(&digest, REPOSITORY), &proof, &[key]),
        "none of the keys `p256`",
    );
}

#[test]
fn message_signatures_over_files() {
    for name in KEYS {
        let keys = [trusted("other"), trusted(name)];
        let blob = bytes(&format!("{name}.blob"));
        let bundle = bytes(&format!("{name}.blob.bundle.json"));
        let digest = Digest::sha256(&blob);
        let whole = Artifact::File {
            digest: &digest,
            content: Some(&blob.as_slice()),
        };
        assert_eq!(with_bundle(&whole, &bundle, &keys), Ok(&keys[1]), "{name}");
        let other = Digest::sha256(b"other");
        let bad = Artifact::File {
            digest: &other,
            content: Some(&blob.as_slice()),
        };
        assert_refused(name, with_bundle(&bad, &bundle, &keys), "not for sha256:");
        let bad = Artifact::File {
            digest: &other,
            content: Some(&b"other".as_slice()),
        };
        assert_refused(name, with_bundle(&bad, &bundle, &keys), "none of the keys");
        let image = Artifact::Image {
            digest: &digest,
            repository: Some(REPOSITORY),
        };
        assert_refused(name, with_bundle(&image, &bundle, &keys), "dsseEnvelope");

        let by_digest = Artifact::File {
            digest: &digest,
            content: None,
        };
        match name {
            "p256" | "rsa" => assert_eq!(with_bundle(&by_digest, &bundle, &keys), Ok(&keys[1])),
            // cosign signs SHA-384 with P-384, and the bytes with Ed25519: a SHA-256 digest alone proves neither.
            "p384" => assert_refused(
                name,
                with_bundle(&by_digest, &bundle, &keys),
                "none of the keys",
            ),
            _ => assert_refused(
                name,
                with_bundle(&by_digest, &bundle, &keys),
                "the file's bytes",
            ),
        }
        let bad = Artifact::File {
            digest: &other,
            content: None,
        };
        refused(with_bundle(&bad, &bundle, &keys));
        if name == "p384" {
            use sha2::Digest as _;
            let sha384 = sha2::Sha384::digest(&blob);
            let hex: String = sha384.iter().map(|byte| format!("{byte:02x}")).collect();
            let sha384: Digest = format!("sha384:{hex}").parse().unwrap();
            let whole = blob.as_slice();
            for content in [None, Some(&whole as &dyn Content)] {
                let by_digest = Artifact::File {
                    digest: &sha384,
                    content,
                };
                assert_eq!(with_bundle(&by_digest, &bundle, &keys), Ok(&keys[1]));
            }
        }
        let long: Digest = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
        let long = Artifact::File {
            digest: &long,
            content: Some(&blob.as_slice()),
        };
        refused(with_bundle(&long, &bundle, &keys));
    }
}

#[test]
fn a_signature_file_is_seen_for_what_it_is() {
    for (file, kind) in [
        ("openpgp/alice.sig", Some(openpgp::KIND)),
        ("openpgp/alice.sig.asc", Some(openpgp::KIND)),
        ("openpgp/inline.gpg", Some(openpgp::KIND)),
        ("openpgp/clear.asc", Some(openpgp::KIND)),
        ("minisign/release.minisig", Some(minisign::KIND)),
        ("minisign/legacy.minisig", Some(minisign::KIND)),
        ("signify/release.sig", Some(signify::KIND)),
        ("checksums/bsd.sums.sig", Some(signify::KIND)),
        ("ssh/ed25519.sig", Some(ssh::KIND)),
        ("sigstore/file.json", Some(bundle::KIND)),
        ("sigstore/file-0.1.json", Some(bundle::KIND)),
        ("sigstore/provenance.json", Some(bundle::KIND)),
        ("notation/release.jws", Some(notation::KIND)),
        ("notation/release.cose", Some(notation::KIND)),
        ("checksums/SHA256SUMS", None),
        ("minisign/release.bin", None),
    ] {
        let path = format!("{}/testdata/proofs/{file}", env!("CARGO_MANIFEST_DIR"));
        let proof = Proof::of_file(std::fs::read(path).unwrap());
        assert_eq!(proof.ok().map(|proof| proof.kind()), kind, "{file}");
    }
    assert!(Proof::of_file(Vec::new()).is_err());
}
