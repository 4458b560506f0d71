//! OpenPGP keys and keyrings: no panic, and each key found is found by its fingerprint too.
#![no_main]

use verified_dockerfile::{
    digest::Digest,
    verify::{
        Artifact,
        openpgp::{self, Key},
    },
};

const RELEASE: &[u8] = include_bytes!("../../../testdata/proofs/openpgp/release.bin");
const SIGNATURE: &[u8] = include_bytes!("../../../testdata/proofs/openpgp/alice.sig");
const ALICE: &[u8] = include_bytes!("../../../testdata/proofs/openpgp/alice.gpg");

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(key) = Key::parse(bytes, None) else {
        return;
    };
    for fingerprint in key.who().split(", ") {
        let one = Key::parse(bytes, Some(fingerprint)).expect("the key is there");
        assert_eq!(one.who(), fingerprint);
    }
    let digest = Digest::sha256(RELEASE);
    let artifact = Artifact::File {
        digest: &digest,
        content: Some(&RELEASE),
    };
    let at = "2026-12-01T00:00:00Z".parse().expect("a time");
    if let Ok(signer) = openpgp::verify(&artifact, SIGNATURE, &key, at) {
        let alice = Key::parse(ALICE, None).expect("the key is good");
        assert_eq!(signer.who, alice.who());
    }
});
