//! OpenPGP proofs of all forms: no panic, and nothing is believed that the one key has not signed.
#![no_main]

use std::sync::LazyLock;

use verified_dockerfile::{
    digest::Digest,
    verify::{Artifact, openpgp},
};

const RELEASE: &[u8] = include_bytes!("../../../testdata/proofs/openpgp/release.bin");
const TEXT: &[u8] = include_bytes!("../../../testdata/proofs/openpgp/text.txt");
const CANONICAL: &[u8] = include_bytes!("../../../testdata/proofs/openpgp/canonical.txt");
static KEY: LazyLock<openpgp::Key> = LazyLock::new(|| {
    let file = include_bytes!("../../../testdata/proofs/openpgp/ring.gpg");
    openpgp::Key::parse(file, None).expect("the keyring is good")
});

libfuzzer_sys::fuzz_target!(|proof: &[u8]| {
    let at = "2026-12-01T00:00:00Z".parse().expect("a time");
    let mut content = RELEASE;
    let digest = Digest::sha256(content);
    let artifact = Artifact::File {
        digest: &digest,
        content: Some(&content),
    };
    if let Ok(signer) = openpgp::verify(&artifact, proof, &KEY, at) {
        assert!(KEY.who().contains(&signer.who));
        assert!(signer.signed.is_some_and(|signed| signed <= at));
        content = b"another";
        let digest = Digest::sha256(content);
        let artifact = Artifact::File {
            digest: &digest,
            content: Some(&content),
        };
        assert!(openpgp::verify(&artifact, proof, &KEY, at).is_err());
    }
    if let Ok((content, _)) = openpgp::open(proof, &KEY, at) {
        // Some seeds are messages about images.
        let known = [RELEASE, TEXT, CANONICAL].contains(&content.as_slice());
        assert!(known || content.starts_with(b"{\"critical\":"));
    }
});
