//! minisign and signify, which share their keys' form: no panic, and nothing is believed that the one key has not signed.
#![no_main]

use verified_dockerfile::{
    digest::Digest,
    verify::{Artifact, Failure, Signer, minisign, signify},
};

const RELEASE: &[u8] = include_bytes!("../../../testdata/proofs/minisign/release.bin");
const MINISIGN: &str = include_str!("../../../testdata/proofs/minisign/alice.pub");
const SIGNIFY: &str = include_str!("../../../testdata/proofs/signify/alice.pub");

fn only_release(verify: impl Fn(&Artifact<'_>) -> Result<Signer, Failure>) {
    let verify = |content: &[u8]| {
        verify(&Artifact::File {
            digest: &Digest::sha256(content),
            content: Some(&content),
        })
    };
    if verify(RELEASE).is_ok() {
        assert!(verify(b"another").is_err());
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let at = "2026-12-01T00:00:00Z".parse().expect("a time");
    let key = minisign::Key::parse(MINISIGN).expect("the key is good");
    only_release(|artifact| minisign::verify(artifact, data, &key, at));
    let legacy = key.with_legacy();
    only_release(|artifact| minisign::verify(artifact, data, &legacy, at));
    let key = signify::Key::parse(SIGNIFY).expect("the key is good");
    only_release(|artifact| signify::verify(artifact, data, &key, at));
    let _ = signify::message(data);
    if let Ok(text) = std::str::from_utf8(data) {
        assert_eq!(
            minisign::Key::parse(text).is_ok(),
            signify::Key::parse(text).is_ok()
        );
    }
});
