//! Notary v2 envelopes, JWS and COSE: no panic, and nothing is believed that was not signed.
#![no_main]

use std::sync::LazyLock;

use verified_dockerfile::{
    digest::Digest,
    verify::{
        Artifact,
        notation::{self, Key, Proof, Store},
    },
};

const RELEASE: &[u8] = include_bytes!("../../../testdata/proofs/notation/release.bin");
const ROOT: &str = include_str!("../../../testdata/proofs/notation/root.pem");
static KEYS: LazyLock<[Key; 2]> = LazyLock::new(|| {
    [Store::Ca, Store::SigningAuthority]
        .map(|store| Key::parse(ROOT, store, "*").expect("the root is good"))
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let at = "2026-12-01T00:00:00Z".parse().expect("a time");
    for proof in [Proof::Jws(data.to_vec()), Proof::Cose(data.to_vec())] {
        for key in KEYS.iter() {
            let verify = |content: &[u8]| {
                let artifact = Artifact::File {
                    digest: &Digest::sha256(content),
                    content: Some(&content),
                };
                notation::verify(&artifact, &proof, key, at)
            };
            if let Ok(signer) = verify(RELEASE) {
                assert!(signer.who.contains("O=example.com"));
                assert!(verify(b"another").is_err());
            }
        }
    }
});
