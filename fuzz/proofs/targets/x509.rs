//! X.509 signatures of git below an authority of the policy: no panic, and nothing is believed that the one address has not signed.
#![no_main]

use std::sync::LazyLock;

use base64ct::{Base64, Encoding as _};
use verified_dockerfile::verify::{
    git::{self, Checkout, Key, Objects, Signed},
    x509,
};

const TAG: &[u8] = include_bytes!("../../../testdata/proofs/x509/gpgsm-sha1.tag");
const COMMIT: &str = "044c18d0eebb1a69c1cb326bfd2569df4fedc1ba";
static KEY: LazyLock<x509::Key> = LazyLock::new(|| {
    let root = include_str!("../../../testdata/proofs/x509/root.pem");
    x509::Key::parse(root, "alice@example.com", None).expect("the root is good")
});

// A tag as it is, or the message in the armor of the good one.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let at = "2026-12-01T00:00:00Z".parse().expect("a time");
    let start = TAG
        .windows(5)
        .position(|part| part == b"-----")
        .expect("it is signed");
    let tag = if bytes.starts_with(b"object ") {
        bytes.to_vec()
    } else {
        let text = Base64::encode_string(bytes);
        let lines: Vec<&[u8]> = text.as_bytes().chunks(64).collect();
        let armor = [
            b"-----BEGIN SIGNED MESSAGE-----\n".as_slice(),
            &lines.join(&b'\n'),
            b"\n-----END SIGNED MESSAGE-----\n",
        ];
        [&TAG[..start], &armor.concat()].concat()
    };
    let objects = Objects {
        tags: vec![tag.clone()],
        commit: None,
    };
    let checkout = Checkout {
        commit: COMMIT,
        reference: "refs/tags/v5",
        signed: Signed::Tag,
    };
    if git::verify(&checkout, &objects, Key::X509(&KEY), at).is_ok() {
        assert!(tag.starts_with(&TAG[..start]));
    }
});
