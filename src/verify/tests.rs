//! Real signatures by cosign 2.5 and 3.1 (testdata/cosign), and hostile ones that differ from a good one in one thing.
//!
//! What a thief without the key can change is tried on cosign's own output; what only the key's holder could write is signed here with a
//! test key, so that the check after the signature is what refuses it.

use p256::ecdsa::{SigningKey, signature::Signer as _};

use super::*;

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
        key,
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
    cosign::Signature { payload, signature }
}

fn image<'a>(digest: &'a Digest, repository: &'a str) -> Artifact<'a> {
    Artifact::Image {
        digest,
        repository: Some(repository),
    }
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
            let by = verify(&image(&digest, REPOSITORY), &proof, &keys);
            assert_eq!(by, Ok(&keys[1]), "{name}");
        }
        let name = format!("{name}-cosign3");
        let bundle = Proof::Bundle(bytes(&format!("{name}.bundle.json")));
        let digest = digest(&name);
        assert_eq!(
            verify(&image(&digest, REPOSITORY), &bundle, &keys),
            Ok(&keys[1]),
            "{name}"
        );
        assert_refused(
            &name,
            verify(&image(&digest, REPOSITORY), &bundle, &keys[..1]),
            "none of the keys `other`",
        );
        assert_refused(
            &name,
            verify(&image(&digest, REPOSITORY), &bundle, &[]),
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
            cosign::verify(&image(&digest, REPOSITORY), &changed, &keys),
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
        refused(cosign::verify(&image(&digest, REPOSITORY), &changed, &keys));
    }
    // A changed digit of the key gives no point of the curve, or another key.
    let pem = text("p256.pub");
    for (at, byte) in pem.bytes().enumerate().skip(27).take(124) {
        let mut pem = pem.clone();
        pem.replace_range(at..=at, if byte == b'A' { "B" } else { "A" });
        if let Ok(key) = PublicKey::from_pem(&pem) {
            let keys = [TrustedKey {
                name: "p256".into(),
                key,
            }];
            refused(cosign::verify(&image(&digest, REPOSITORY), &good, &keys));
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
        refused(bundle::verify(&image(&digest, REPOSITORY), &changed, &keys));
    }
    for cut in 0..good.len() {
        refused(bundle::verify(
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
        cosign::verify(&image(&other, REPOSITORY), &proof, &keys),
        "not for sha256:",
    );
    assert_refused(
        "repository",
        cosign::verify(&image(&wanted, "localhost:5077/team/apq"), &proof, &keys),
        "for the repository `localhost:5077/team/app`, not for `localhost:5077/team/apq`",
    );
    let layout = Artifact::Image {
        digest: &wanted,
        repository: None,
    };
    assert_refused(
        "layout",
        cosign::verify(&layout, &proof, &keys),
        "signed-as",
    );
    let file = Artifact::File {
        digest: &wanted,
        bytes: None,
    };
    assert_refused("file", cosign::verify(&file, &proof, &keys), "the proof is");
    let bundle = bytes("p256-cosign3.bundle.json");
    assert_refused(
        "digest",
        bundle::verify(&image(&wanted, REPOSITORY), &bundle, &keys),
        "not for sha256:",
    );
    let file = Artifact::File {
        digest: &other,
        bytes: None,
    };
    assert_refused(
        "file",
        bundle::verify(&file, &bundle, &keys),
        "messageSignature",
    );

    let mirrored = digest("mirrored");
    let proof = cosign_proof("mirrored");
    let publisher = "registry.example.com/publisher/app";
    assert_eq!(
        cosign::verify(&image(&mirrored, publisher), &proof, &keys),
        Ok(&keys[0])
    );
    assert_refused(
        "mirror",
        cosign::verify(&image(&mirrored, REPOSITORY), &proof, &keys),
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
        verify(&image(&digest, REPOSITORY), &proof, &[key]),
        "none of the keys `p256`",
    );
}

// ---- signed here ----

fn test_key() -> (SigningKey, [TrustedKey; 1]) {
    use p256::pkcs8::{EncodePublicKey as _, LineEnding};
    let secret = SigningKey::from_slice(&[7; 32]).unwrap();
    let pem = secret
        .verifying_key()
        .to_public_key_pem(LineEnding::LF)
        .unwrap();
    let key = PublicKey::from_pem(&pem).unwrap();
    (
        secret,
        [TrustedKey {
            name: "test".to_owned(),
            key,
        }],
    )
}

fn sign(message: &[u8]) -> String {
    let signature: p256::ecdsa::Signature = test_key().0.sign(message);
    encode(signature.to_der().as_bytes())
}

fn encode(bytes: &[u8]) -> String {
    use base64ct::Encoding as _;
    base64ct::Base64::encode_string(bytes)
}

fn wanted() -> Digest {
    Digest::sha256(b"the image")
}

fn payload() -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{REPOSITORY}"}},"image":{{"docker-manifest-digest":"{}"}},"type":"cosign container image signature"}},"optional":{{"creator":"x"}}}}"#,
        wanted()
    )
}

fn check_payload(payload: &str) -> Result<(), Failure> {
    let signature = cosign::Signature {
        payload: payload.as_bytes().to_vec(),
        signature: sign(payload.as_bytes()),
    };
    cosign::verify(&image(&wanted(), REPOSITORY), &signature, &test_key().1).map(|_| ())
}

#[test]
fn hostile_payloads_with_a_good_signature() {
    let good = payload();
    assert_eq!(check_payload(&good), Ok(()));
    assert_eq!(
        check_payload(&good.replace(r#"{"creator":"x"}"#, "null")),
        Ok(())
    );
    let replaced = |from: &str, to: &str| {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        changed
    };
    let hex = wanted();
    let hex = hex.hex();
    for (what, payload, reason) in [
        ("empty", String::new(), "payload is malformed: EOF"),
        ("array", "[]".to_owned(), "payload is malformed"),
        (
            "truncated",
            good[..good.len() - 1].to_owned(),
            "payload is malformed: EOF",
        ),
        (
            "trailing data",
            format!("{good}{{}}"),
            "trailing characters",
        ),
        ("trailing zero", format!("{good}\0"), "trailing characters"),
        (
            "byte order mark",
            format!("\u{feff}{good}"),
            "payload is malformed",
        ),
        (
            "type",
            replaced("container image", "Container image"),
            "the payload's type is",
        ),
        (
            "atomic type",
            replaced(
                "cosign container image signature",
                "atomic container signature",
            ),
            "the payload's type is",
        ),
        (
            "no type",
            replaced(r#","type":"cosign container image signature""#, ""),
            "missing field `type`",
        ),
        (
            "type number",
            replaced(r#""cosign container image signature""#, "1"),
            "invalid type",
        ),
        (
            "type twice",
            replaced(r#""type":"#, r#""type":"x","type":"#),
            "is there twice",
        ),
        (
            "type twice, escaped",
            replaced(r#""type":"#, r#""typ\u0065":"x","type":"#),
            "is there twice",
        ),
        (
            "other digest",
            replaced(hex, &"0".repeat(64)),
            "not for sha256:",
        ),
        (
            "digest in upper case",
            replaced(hex, &hex.to_uppercase()),
            "not for sha256:",
        ),
        (
            "digest with space",
            replaced(hex, &format!("{hex} ")),
            "not for sha256:",
        ),
        (
            "digest without algorithm",
            replaced("sha256:", ""),
            "not for sha256:",
        ),
        (
            "digest of another algorithm",
            replaced("sha256:", "sha512:"),
            "not for sha256:",
        ),
        (
            "digest twice",
            replaced(
                r#""docker-manifest-digest""#,
                &format!(r#""docker-manifest-digest":"sha256:{hex}","docker-manifest-digest""#),
            ),
            "is there twice",
        ),
        (
            "no digest",
            replaced("docker-manifest-digest", "docker-manifest-digesT"),
            "unknown field",
        ),
        (
            "image twice",
            replaced(r#""image""#, r#""image":{},"image""#),
            "is there twice",
        ),
        (
            "no image",
            replaced(
                &format!(r#""image":{{"docker-manifest-digest":"sha256:{hex}"}},"#),
                "",
            ),
            "missing field `image`",
        ),
        (
            "no identity",
            replaced(
                &format!(r#""identity":{{"docker-reference":"{REPOSITORY}"}},"#),
                "",
            ),
            "missing field `identity`",
        ),
        (
            "other repository",
            replaced("team/app", "team/apq"),
            "for the repository",
        ),
        (
            "other registry",
            replaced("localhost:5077", "localhost:5078"),
            "for the repository",
        ),
        (
            "parent repository",
            replaced("team/app", "team"),
            "for the repository",
        ),
        (
            "empty identity",
            replaced(REPOSITORY, ""),
            "docker-reference is malformed",
        ),
        (
            "identity with tag",
            replaced("team/app", "team/app:1"),
            "names a tag",
        ),
        (
            "identity with digest",
            replaced("team/app", &format!("team/app@sha256:{hex}")),
            "names a tag",
        ),
        (
            "identity with blank",
            replaced("team/app", "team/app "),
            "docker-reference is malformed",
        ),
        (
            "unknown critical",
            replaced(r#""critical":{"#, r#""critical":{"expires":1,"#),
            "unknown field `expires`",
        ),
        (
            "unknown at top",
            replaced(r#""optional""#, r#""Optional":{},"optional""#),
            "unknown field `Optional`",
        ),
        (
            "critical in upper case",
            replaced(r#""critical""#, r#""Critical""#),
            "unknown field `Critical`",
        ),
        (
            "second critical",
            replaced(r#""optional":"#, r#""critical":{},"optional":"#),
            "is there twice",
        ),
        (
            "optional list",
            replaced(r#"{"creator":"x"}"#, "[]"),
            "invalid type",
        ),
        (
            "optional key twice",
            replaced(r#"{"creator":"x"}"#, r#"{"a":1,"a":2}"#),
            "is there twice",
        ),
        (
            "nested",
            replaced(r#""x""#, &"[".repeat(200)),
            "recursion limit",
        ),
        (
            "oversized",
            replaced(
                r#""x""#,
                &format!("\"{}\"", "x".repeat(cosign::MAX_PAYLOAD)),
            ),
            "more than 1048576 bytes",
        ),
    ] {
        let failure = check_payload(&payload).expect_err(what).to_string();
        assert!(
            failure.contains(reason),
            "{what}: wanted {reason:?} in {failure:?}"
        );
    }
}

#[test]
fn hostile_signatures_over_a_good_payload() {
    let good = sign(payload().as_bytes());
    let raw = {
        let signature: p256::ecdsa::Signature = test_key().0.sign(payload().as_bytes());
        signature.to_bytes().to_vec()
    };
    for (what, signature, reason) in [
        ("empty", String::new(), "none of the keys"),
        ("no base64", "%%%".to_owned(), "no base64"),
        ("line break", format!("{good}\n"), "no base64"),
        (
            "without padding",
            good.trim_end_matches('=').to_owned() + "!",
            "no base64",
        ),
        ("URL alphabet", "--__".to_owned(), "no base64"),
        (
            "loose bits",
            "QUJ=".to_owned().replace("J=", "F="),
            "no base64",
        ),
        ("not DER", encode(&raw), "none of the keys"),
        (
            "zero",
            encode(&[0x30, 6, 2, 1, 0, 2, 1, 0]),
            "none of the keys",
        ),
        (
            "trailing",
            {
                use base64ct::Encoding as _;
                let mut bytes = base64ct::Base64::decode_vec(&good).unwrap();
                bytes.push(0);
                encode(&bytes)
            },
            "none of the keys",
        ),
        ("other payload's", sign(b"x"), "none of the keys"),
        (
            "oversized",
            "A".repeat(cosign::MAX_SIGNATURE + 4),
            "more than 8192 bytes",
        ),
    ] {
        let proof = cosign::Signature {
            payload: payload().into_bytes(),
            signature,
        };
        assert_refused(
            what,
            cosign::verify(&image(&wanted(), REPOSITORY), &proof, &test_key().1),
            reason,
        );
    }
}

#[test]
fn an_identity_on_docker_hub_may_be_written_as_cosign_does() {
    let digest = wanted();
    let payload = payload().replace(REPOSITORY, "index.docker.io/library/alpine");
    let proof = cosign::Signature {
        signature: sign(payload.as_bytes()),
        payload: payload.into_bytes(),
    };
    let keys = test_key().1;
    assert!(cosign::verify(&image(&digest, "docker.io/library/alpine"), &proof, &keys).is_ok());
    assert_refused(
        "user's",
        cosign::verify(&image(&digest, "docker.io/user/alpine"), &proof, &keys),
        "library/alpine",
    );
}

fn statement() -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{}"}},"annotations":{{"a":"b"}}}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{{}}}}"#,
        wanted().hex()
    )
}

/// An envelope as DSSE's protocol.md signs it, written apart from the code under test.
fn envelope(payload_type: &str, payload: &str) -> String {
    let message = format!(
        "DSSEv1 {} {payload_type} {} {payload}",
        payload_type.len(),
        payload.len()
    );
    format!(
        r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":"h"}},"tlogEntries":[]}},"dsseEnvelope":{{"payload":"{}","payloadType":"{payload_type}","signatures":[{{"sig":"{}"}}]}}}}"#,
        encode(payload.as_bytes()),
        sign(message.as_bytes())
    )
}

fn check_bundle(bundle: &str) -> Result<(), Failure> {
    bundle::verify(
        &image(&wanted(), REPOSITORY),
        bundle.as_bytes(),
        &test_key().1,
    )
    .map(|_| ())
}

const IN_TOTO: &str = "application/vnd.in-toto+json";

#[test]
fn hostile_statements_with_a_good_signature() {
    let good = statement();
    assert_eq!(check_bundle(&envelope(IN_TOTO, &good)), Ok(()));
    let replaced = |from: &str, to: &str| {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        changed
    };
    let wanted = wanted();
    let hex = wanted.hex();
    let other = "0".repeat(64);
    let subject = format!(r#"{{"digest":{{"sha256":"{hex}"}},"annotations":{{"a":"b"}}}}"#);
    for (what, statement, reason) in [
        ("empty", String::new(), "statement is malformed: EOF"),
        ("trailing", format!("{good} 1"), "trailing characters"),
        (
            "type",
            replaced("Statement/v1", "Statement/v0.1"),
            "the statement's type is",
        ),
        (
            "predicate",
            replaced("cosign/sign/v1", "cosign/sign/v2"),
            "predicate type is",
        ),
        (
            "provenance",
            replaced(
                "https://sigstore.dev/cosign/sign/v1",
                "https://slsa.dev/provenance/v1",
            ),
            "predicate type is `https://slsa.dev/provenance/v1`",
        ),
        ("subject swapped", replaced(hex, &other), "not for sha256:"),
        (
            "two subjects",
            replaced(&subject, &format!("{subject},{subject}")),
            "2 subjects",
        ),
        (
            "other subject first",
            replaced(
                &subject,
                &format!("{},{subject}", subject.replace(hex, &other)),
            ),
            "2 subjects",
        ),
        ("no subject", replaced(&subject, ""), "0 subjects"),
        (
            "no digest",
            replaced(&format!(r#""sha256":"{hex}""#), ""),
            "0 digests",
        ),
        (
            "two digests",
            replaced(r#"{"sha256""#, r#"{"sha1":"00","sha256""#),
            "2 digests",
        ),
        (
            "digest twice",
            replaced(r#"{"sha256""#, &format!(r#"{{"sha256":"{hex}","sha256""#)),
            "is there twice",
        ),
        (
            "algorithm",
            replaced(r#"{"sha256""#, r#"{"sha512""#),
            "not for sha256:",
        ),
        (
            "upper case",
            replaced(hex, &hex.to_uppercase()),
            "not for sha256:",
        ),
        (
            "unknown",
            replaced(r#""predicate":"#, r#""extra":1,"predicate":"#),
            "unknown field `extra`",
        ),
        (
            "unknown in subject",
            replaced(r#""annotations""#, r#""uri""#),
            "unknown field `uri`",
        ),
        (
            "subject twice",
            replaced(r#""subject":"#, r#""subject":[],"subject":"#),
            "is there twice",
        ),
        (
            "predicate list",
            replaced(r#""predicate":{}"#, r#""predicate":[]"#),
            "invalid type",
        ),
        (
            "nested",
            replaced(
                r#""predicate":{}"#,
                &format!(r#""predicate":{}"#, "[".repeat(500)),
            ),
            "recursion limit",
        ),
    ] {
        let failure = check_bundle(&envelope(IN_TOTO, &statement))
            .expect_err(what)
            .to_string();
        assert!(
            failure.contains(reason),
            "{what}: wanted {reason:?} in {failure:?}"
        );
    }
    for payload_type in ["application/vnd.in-toto+jsom", "text/plain", ""] {
        let failure = check_bundle(&envelope(payload_type, &good))
            .unwrap_err()
            .to_string();
        assert!(failure.contains("payload type is"), "{failure}");
    }
}

#[test]
fn hostile_bundles_around_a_good_envelope() {
    let good = envelope(IN_TOTO, &statement());
    let replaced = |from: &str, to: &str| {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        changed
    };
    let signatures = &good[good.find(r#"[{"sig""#).unwrap()..good.len() - 2];
    for (what, bundle, reason) in [
        ("empty", String::new(), "bundle is malformed: EOF"),
        ("null", "null".to_owned(), "bundle is malformed"),
        (
            "media type",
            replaced("bundle.v0.3", "bundle.v0.4"),
            "media type is",
        ),
        (
            "older media type",
            replaced(
                "application/vnd.dev.sigstore.bundle.v0.3+json",
                "application/vnd.dev.sigstore.bundle+json;version=0.1",
            ),
            "media type is",
        ),
        (
            "payload type",
            replaced(IN_TOTO, "text/plain"),
            "none of the keys",
        ),
        (
            "no payload type",
            replaced(&format!(r#","payloadType":"{IN_TOTO}""#), ""),
            "missing field `payloadType`",
        ),
        (
            "keyless",
            replaced(
                r#""publicKey":{"hint":"h"}"#,
                r#""certificate":{"rawBytes":""}"#,
            ),
            "keyless",
        ),
        (
            "keyless, older",
            replaced(
                r#""publicKey":{"hint":"h"}"#,
                r#""x509CertificateChain":{}"#,
            ),
            "keyless",
        ),
        (
            "key and certificate",
            replaced(r#""publicKey""#, r#""certificate":{},"publicKey""#),
            "keyless",
        ),
        (
            "no key",
            replaced(r#""publicKey":{"hint":"h"},"#, ""),
            "no publicKey",
        ),
        (
            "null key",
            replaced(r#"{"hint":"h"}"#, "null"),
            "no publicKey",
        ),
        (
            "unknown",
            replaced(r#""mediaType""#, r#""extra":{},"mediaType""#),
            "unknown field `extra`",
        ),
        (
            "unknown in material",
            replaced(r#""tlogEntries""#, r#""logEntries""#),
            "unknown field `logEntries`",
        ),
        (
            "unknown in envelope",
            replaced(r#""payload":"#, r#""Payload":"","payload":"#),
            "unknown field `Payload`",
        ),
        (
            "both contents",
            replaced(
                r#""dsseEnvelope""#,
                r#""messageSignature":{"signature":""},"dsseEnvelope""#,
            ),
            "either",
        ),
        (
            "other content",
            format!(
                r#"{},"messageSignature":{{"signature":""}}}}"#,
                &good[..good.find(r#","dsseEnvelope""#).unwrap()]
            ),
            "the bundle's content is",
        ),
        (
            "no content",
            format!("{}}}", &good[..good.find(r#","dsseEnvelope""#).unwrap()]),
            "either",
        ),
        ("no signatures", replaced(signatures, "[]"), "0 signatures"),
        (
            "two signatures",
            replaced(
                signatures,
                &format!(
                    "{},{}",
                    &signatures[..signatures.len() - 1],
                    &signatures[1..]
                ),
            ),
            "2 signatures",
        ),
        (
            "signature of other type",
            replaced(
                &signatures[9..signatures.len() - 3],
                &sign(statement().as_bytes()),
            ),
            "none of the keys",
        ),
        (
            "payload twice",
            replaced(r#""payload":"#, r#""payload":"","payload":"#),
            "is there twice",
        ),
        (
            "payload no base64",
            replaced(r#""payload":""#, r#""payload":" "#),
            "no base64",
        ),
        ("trailing", format!("{good}x"), "trailing characters"),
        (
            "oversized",
            format!("{good}{}", " ".repeat(bundle::MAX_BUNDLE)),
            "more than 4194304 bytes",
        ),
        (
            "nested",
            replaced("[]", &"[".repeat(300)),
            "recursion limit",
        ),
    ] {
        let failure = check_bundle(&bundle).expect_err(what).to_string();
        assert!(
            failure.contains(reason),
            "{what}: wanted {reason:?} in {failure:?}"
        );
    }
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
            bytes: Some(&blob),
        };
        assert_eq!(
            bundle::verify(&whole, &bundle, &keys),
            Ok(&keys[1]),
            "{name}"
        );
        let other = Digest::sha256(b"other");
        let bad = Artifact::File {
            digest: &other,
            bytes: Some(&blob),
        };
        assert_refused(
            name,
            bundle::verify(&bad, &bundle, &keys),
            "not for sha256:",
        );
        let bad = Artifact::File {
            digest: &other,
            bytes: Some(b"other"),
        };
        assert_refused(
            name,
            bundle::verify(&bad, &bundle, &keys),
            "none of the keys",
        );
        let image = Artifact::Image {
            digest: &digest,
            repository: Some(REPOSITORY),
        };
        assert_refused(name, bundle::verify(&image, &bundle, &keys), "dsseEnvelope");

        let by_digest = Artifact::File {
            digest: &digest,
            bytes: None,
        };
        match name {
            "p256" | "rsa" => assert_eq!(bundle::verify(&by_digest, &bundle, &keys), Ok(&keys[1])),
            // cosign signs SHA-384 with P-384, and the bytes with Ed25519: a SHA-256 digest alone proves neither.
            "p384" => assert_refused(
                name,
                bundle::verify(&by_digest, &bundle, &keys),
                "none of the keys",
            ),
            _ => assert_refused(
                name,
                bundle::verify(&by_digest, &bundle, &keys),
                "the file's bytes",
            ),
        }
        let bad = Artifact::File {
            digest: &other,
            bytes: None,
        };
        refused(bundle::verify(&bad, &bundle, &keys));
        let long: Digest = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
        let long = Artifact::File {
            digest: &long,
            bytes: Some(&blob),
        };
        refused(bundle::verify(&long, &bundle, &keys));
    }
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_prove_nothing_and_do_no_harm(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), text in ".{0,80}") {
        let keys = [trusted("p256"), trusted("ed25519"), trusted("rsa")];
        let digest = wanted();
        let artifact = image(&digest, REPOSITORY);
        let _ = refused(bundle::verify(&artifact, &bytes, &keys));
        let _ = refused(cosign::verify(&artifact, &cosign::Signature { payload: bytes, signature: text }, &keys));
    }
}
