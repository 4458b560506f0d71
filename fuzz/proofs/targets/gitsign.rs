//! X.509 signatures of git: no panic, and nothing is believed that the one identity has not signed.
#![no_main]

use std::sync::LazyLock;

use base64ct::{Base64, Encoding as _};
use verified_dockerfile::verify::{
    git::{self, Checkout, Key, Objects, Signed},
    sigstore::{self, By, Claim, Identity, Matcher, Roots},
};

const TAG: &[u8] = include_bytes!("../../../testdata/proofs/gitsign/good.tag");
const COMMIT: &str = "bc27b600c0ccffab25240610d381d0c6637e6172";
const WHO: &str =
    "https://git.example.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3";
static KEY: LazyLock<sigstore::Key> = LazyLock::new(|| {
    let exact = |text| Matcher::exact(text).expect("a text");
    let identity = Identity::new(exact("https://token.example.com"), exact(WHO));
    let roots = include_bytes!("../../../testdata/proofs/gitsign/root.json");
    sigstore::Key {
        by: By::Identity {
            identity: identity.expect("an identity"),
            roots: Roots::parse(roots).expect("the roots are good"),
        },
        claim: Claim::Signature,
    }
});

// A tag as it is, or the message in the armor of the good one.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let at = "2026-12-01T00:00:00Z".parse().expect("a time");
    let tag = if bytes.starts_with(b"object ") {
        bytes.to_vec()
    } else {
        let text = Base64::encode_string(bytes);
        let lines = text.as_bytes().chunks(64).flat_map(|line| [line, b"\n"]);
        let armor = [b"-----BEGIN SIGNED MESSAGE-----\n".as_slice()]
            .into_iter()
            .chain(lines)
            .chain([b"-----END SIGNED MESSAGE-----\n".as_slice()]);
        let start = TAG
            .windows(5)
            .position(|part| part == b"-----")
            .expect("it is signed");
        [&TAG[..start], &armor.collect::<Vec<_>>().concat()].concat()
    };
    let objects = Objects {
        tags: vec![tag.clone()],
        commit: None,
    };
    let checkout = Checkout {
        commit: COMMIT,
        reference: "refs/tags/v4",
        signed: Signed::Tag,
    };
    if let Ok(signer) = git::verify(&checkout, &objects, Key::Sigstore(&KEY), at) {
        let signed = signer.signed.expect("a time").to_string();
        assert_eq!(signed, "2026-11-01T12:00:00Z");
        // What is signed is in the object; only what is not signed may differ.
        let payload = TAG.split(|byte| *byte == b'-').next().expect("a payload");
        assert!(tag.starts_with(payload));
    }
});
