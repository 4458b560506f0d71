//! Hostile cases signed by a trusted key, most of them data: testdata/cosign/cases.toml.

use p256::ecdsa::{SigningKey, signature::Signer as _};

use super::*;

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
            key: Key::Sigstore(key.into()),
        }],
    )
}

fn sign_raw(message: &[u8]) -> Vec<u8> {
    let signature: p256::ecdsa::Signature = test_key().0.sign(message);
    signature.to_der().as_bytes().to_vec()
}

fn sign(message: &[u8]) -> String {
    encode(&sign_raw(message))
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
    let signature = sign(payload.as_bytes());
    let proof = cosign::Signature {
        payload: payload.as_bytes().to_vec(),
        signature,
        ..cosign::Signature::default()
    };
    with_cosign(&image(&wanted(), REPOSITORY), &proof, &test_key().1).map(|_| ())
}

fn statement() -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{}"}},"annotations":{{"a":"b"}}}}],"predicateType":"https://sigstore.dev/cosign/sign/v1","predicate":{{}}}}"#,
        wanted().hex()
    )
}

/// A bundle whose envelope is signed as DSSE's protocol.md says, written apart from the code under test.
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

const IN_TOTO: &str = "application/vnd.in-toto+json";

fn check_statement(statement: &str) -> Result<(), Failure> {
    check_bundle(&envelope(IN_TOTO, statement))
}

fn check_bundle(bundle: &str) -> Result<(), Failure> {
    with_bundle(
        &image(&wanted(), REPOSITORY),
        bundle.as_bytes(),
        &test_key().1,
    )
    .map(|_| ())
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    what: String,
    from: String,
    to: String,
    reason: String,
}

fn run(kind: &str, good: &str, check: fn(&str) -> Result<(), Failure>) {
    let cases: std::collections::BTreeMap<String, Vec<Case>> =
        toml_edit::de::from_str(&text("cases.toml")).unwrap();
    assert_eq!(check(good), Ok(()), "{kind}: the good one");
    let mut seen = std::collections::BTreeSet::new();
    for Case {
        what,
        from,
        to,
        reason,
    } in &cases[kind]
    {
        assert!(seen.insert(what), "{kind}: {what} is there twice");
        let fill = |text: &str| {
            text.replace("{hex}", wanted().hex())
                .replace("{repo}", REPOSITORY)
                .replace("{nested}", &"[".repeat(300))
                .replace("{pad}", &" ".repeat(5 << 20))
        };
        let to = fill(to);
        let changed = match from.as_str() {
            "" => format!("{to}{good}"),
            "$" => format!("{good}{to}"),
            from => good.replacen(&fill(from), &to, 1),
        };
        assert_ne!(changed, good, "{kind}: {what} changes nothing");
        match check(&changed) {
            Ok(()) => panic!("{kind}: {what} is accepted"),
            Err(failure) => {
                let failure = failure.to_string();
                assert!(
                    failure.contains(reason),
                    "{kind}: {what}: wanted {reason:?} in {failure:?}"
                );
            }
        }
    }
}

#[test]
fn payloads() {
    run("payload", &payload(), check_payload);
    assert_eq!(
        check_payload(&payload().replace(r#"{"creator":"x"}"#, "null")),
        Ok(())
    );
    assert_eq!(
        check_payload(&payload().replace(r#","optional":{"creator":"x"}"#, "")),
        Ok(())
    );
    assert!(check_payload("").is_err());
}

#[test]
fn statements() {
    run("statement", &statement(), check_statement);
    assert_eq!(
        check_statement(&statement().replace(r#","annotations":{"a":"b"}"#, "")),
        Ok(())
    );
    assert!(check_statement("").is_err());
}

#[test]
fn bundles() {
    run("bundle", &envelope(IN_TOTO, &statement()), check_bundle);
    let none = envelope(IN_TOTO, &statement());
    let (front, _) = none.split_once(r#"[{"sig""#).unwrap();
    let failure = check_bundle(&format!("{front}[]}}}}"))
        .unwrap_err()
        .to_string();
    assert!(failure.contains("0 signatures"), "{failure}");
    let (front, _) = none.split_once(r#","dsseEnvelope""#).unwrap();
    for content in ["", r#","dsseEnvelope":null"#] {
        let failure = check_bundle(&format!("{front}{content}}}"))
            .unwrap_err()
            .to_string();
        assert!(failure.contains("either a dsseEnvelope"), "{failure}");
    }
    let message = sign(b"the image");
    let message = format!(r#"{front},"messageSignature":{{"signature":"{message}"}}}}"#);
    let failure = check_bundle(&message).unwrap_err().to_string();
    assert!(
        failure.contains("content is `messageSignature`"),
        "{failure}"
    );
}

#[test]
fn a_signed_envelope_of_another_type_is_no_statement() {
    for payload_type in ["application/vnd.in-toto+jsom", "text/plain", ""] {
        let failure = check_bundle(&envelope(payload_type, &statement()))
            .unwrap_err()
            .to_string();
        assert!(failure.contains("payload type is"), "{failure}");
    }
    // A signature over the statement without DSSE's encoding around it.
    let good = envelope(IN_TOTO, &statement());
    let (front, _) = good.split_once(r#""sig":""#).unwrap();
    let bare = format!(r#"{front}"sig":"{}"}}]}}}}"#, sign(statement().as_bytes()));
    let failure = check_bundle(&bare).unwrap_err().to_string();
    assert!(failure.contains("none of the keys"), "{failure}");
}

#[test]
fn signatures_over_a_good_payload() {
    let good = sign(payload().as_bytes());
    let mut longer = sign_raw(payload().as_bytes());
    longer.push(0);
    let fixed: p256::ecdsa::Signature = test_key().0.sign(payload().as_bytes());
    for (what, signature, reason) in [
        ("empty", String::new(), "none of the keys"),
        ("no base64", "%%%".to_owned(), "no base64"),
        ("line break", format!("{good}\n"), "no base64"),
        (
            "padding cut",
            good.trim_end_matches('=')[..good.len() - 5].to_owned(),
            "no base64",
        ),
        ("URL alphabet", "--__".to_owned(), "no base64"),
        ("loose bits", "QUF=".to_owned(), "no base64"),
        (
            "fixed width instead of DER",
            encode(&fixed.to_bytes()),
            "none of the keys",
        ),
        (
            "zero",
            encode(&[0x30, 6, 2, 1, 0, 2, 1, 0]),
            "none of the keys",
        ),
        ("trailing byte", encode(&longer), "none of the keys"),
        ("another payload's", sign(b"x"), "none of the keys"),
        (
            "oversized",
            "A".repeat(cosign::MAX_SIGNATURE + 4),
            "more than 8192 bytes",
        ),
    ] {
        let proof = cosign::Signature {
            payload: payload().into_bytes(),
            signature,
            ..cosign::Signature::default()
        };
        let result = with_cosign(&image(&wanted(), REPOSITORY), &proof, &test_key().1)
            .map(|key| key.name.clone());
        let failure = result.expect_err(what).to_string();
        assert!(
            failure.contains(reason),
            "{what}: wanted {reason:?} in {failure:?}"
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
        ..cosign::Signature::default()
    };
    let keys = test_key().1;
    assert!(with_cosign(&image(&digest, "docker.io/library/alpine"), &proof, &keys).is_ok());
    let other = with_cosign(&image(&digest, "docker.io/user/alpine"), &proof, &keys);
    assert!(refused(other).contains("library/alpine"));
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_prove_nothing_and_do_no_harm(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300),
        text in ".{0,80}",
    ) {
        let keys = [trusted("p256"), trusted("ed25519"), trusted("rsa")];
        let digest = wanted();
        let artifact = image(&digest, REPOSITORY);
        let _ = refused(with_bundle(&artifact, &bytes, &keys));
        let proof = cosign::Signature {
            payload: bytes,
            signature: text,
            ..cosign::Signature::default()
        };
        let _ = refused(with_cosign(&artifact, &proof, &keys));
    }
}
