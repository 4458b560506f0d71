//! RFC 3161 timestamps in a Notary v2 envelope: no panic, and no time but the one that was stamped.
#![no_main]

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use verified_dockerfile::{
    digest::Digest,
    verify::{
        Artifact,
        notation::{self, Key, Proof, Store},
    },
};

const RELEASE: &[u8] = include_bytes!("../../../testdata/proofs/notation/release.bin");
const ENVELOPE: &str = include_str!("../../../testdata/proofs/notation/release.jws");
const ROOT: &str = include_str!("../../../testdata/proofs/notation/root.pem");
const TIME: &str = include_str!("../../../testdata/proofs/notation/tsa-root.pem");
static KEY: LazyLock<Key> = LazyLock::new(|| {
    let key = Key::parse(ROOT, Store::Ca, "*").expect("the root is good");
    key.with_timestamps(TIME).expect("the root is good")
});

libfuzzer_sys::fuzz_target!(|token: &[u8]| {
    let at = "2030-01-01T00:00:00Z".parse().expect("a time");
    let header = format!(
        "\"header\":{{\"io.cncf.notary.timestampSignature\":\"{}\",",
        STANDARD.encode(token)
    );
    let envelope = ENVELOPE.replace("\"header\":{", &header);
    let content = RELEASE;
    let artifact = Artifact::File {
        digest: &Digest::sha256(content),
        content: Some(&content),
    };
    let proof = Proof::Jws(envelope.into_bytes());
    if let Ok(signer) = notation::verify(&artifact, &proof, &KEY, at) {
        let signed = signer.signed.expect("a time").to_string();
        assert!(signed.starts_with("2026-11-22T1"), "{signed}");
    }
});
