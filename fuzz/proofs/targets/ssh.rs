//! SSH signatures: no panic, and nothing is believed that the keys have not signed.
#![no_main]

use std::sync::LazyLock;

use verified_dockerfile::{
    digest::Digest,
    verify::{Artifact, ssh},
};

const RELEASE: &[u8] = include_bytes!("../../../testdata/proofs/ssh/release.bin");
static KEYS: LazyLock<Vec<ssh::Key>> = LazyLock::new(|| {
    [
        include_str!("../../../testdata/proofs/ssh/ed25519.pub"),
        include_str!("../../../testdata/proofs/ssh/p256.pub"),
        include_str!("../../../testdata/proofs/ssh/rsa.pub"),
        include_str!("../../../testdata/proofs/ssh/sk-ed25519.pub"),
    ]
    .iter()
    .map(|text| ssh::Key::parse(text).expect("the key is good"))
    .collect()
});

libfuzzer_sys::fuzz_target!(|proof: &[u8]| {
    let at = "2026-12-01T00:00:00Z".parse().expect("a time");
    for key in KEYS.iter() {
        let verify = |content: &[u8]| {
            let artifact = Artifact::File {
                digest: &Digest::sha256(content),
                content: Some(&content),
            };
            ssh::verify(&artifact, proof, key, at)
        };
        if let Ok(signer) = verify(RELEASE) {
            assert_eq!(signer.who, key.who());
            assert!(verify(b"another").is_err());
            assert!(ssh::verify_bytes(RELEASE, proof, key, "git", at).is_err());
        }
        if ssh::verify_bytes(RELEASE, proof, key, "git", at).is_ok() {
            assert!(ssh::verify_bytes(b"another", proof, key, "git", at).is_err());
        }
    }
});
