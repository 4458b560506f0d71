//! Allowed-signers files: no panic, and only who is listed is believed.
#![no_main]

use verified_dockerfile::{digest::Digest, verify::Artifact, verify::ssh};

const RELEASE: &[u8] = include_bytes!("../../../testdata/proofs/ssh/release.bin");
const PROOF: &[u8] = include_bytes!("../../../testdata/proofs/ssh/ed25519.sig");
const PUBLIC: &str = include_str!("../../../testdata/proofs/ssh/ed25519.pub");

libfuzzer_sys::fuzz_target!(|text: &str| {
    let at = "2026-12-01T00:00:00Z".parse().expect("a time");
    let Ok(key) = ssh::Key::parse(text) else {
        return;
    };
    let _ = key.who();
    let content = RELEASE;
    let artifact = Artifact::File {
        digest: &Digest::sha256(content),
        content: Some(&content),
    };
    let public = PUBLIC.split(' ').nth(1).expect("a key");
    if ssh::verify(&artifact, PROOF, &key, at).is_ok() {
        assert!(text.contains(public));
    }
    let named = key.with_principal("alice@example.com");
    if ssh::verify(&artifact, PROOF, &named, at).is_ok() {
        // Its own name, or a pattern.
        assert!(text.contains("alice@example.com") || text.contains(['*', '?']));
    }
});
