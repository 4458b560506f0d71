//! The parts of a Sigstore bundle that are encoded within it, which changes to the whole would seldom reach: the input says which
//! bytes of which part of a good bundle are changed. No panic, and nothing else is believed for it.
#![no_main]

use std::sync::LazyLock;

use base64ct::{Base64, Encoding as _};
use serde_json::Value;
use verified_dockerfile::{
    digest::Digest,
    verify::{
        Artifact, bundle,
        sigstore::{By, Claim, Identity, Key, Matcher, Roots},
    },
};

const SUBJECT: &str =
    "https://git.example.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3";
const RELEASE: &[u8] = include_bytes!("../../../testdata/proofs/sigstore/release.bin");
/// Bundles, and the base64 in each.
const PARTS: &[(&[u8], &str)] = &[
    (
        include_bytes!("../../../testdata/proofs/sigstore/file-timestamp.json"),
        "/verificationMaterial/certificate/rawBytes",
    ),
    (
        include_bytes!("../../../testdata/proofs/sigstore/file-timestamp.json"),
        "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp",
    ),
    (
        include_bytes!("../../../testdata/proofs/sigstore/file-timestamp.json"),
        "/verificationMaterial/tlogEntries/0/canonicalizedBody",
    ),
    (
        include_bytes!("../../../testdata/proofs/sigstore/file.json"),
        "/messageSignature/signature",
    ),
    (
        include_bytes!("../../../testdata/proofs/sigstore/file-rekor2.json"),
        "/verificationMaterial/tlogEntries/0/canonicalizedBody",
    ),
    (
        include_bytes!("../../../testdata/proofs/sigstore/provenance.json"),
        "/dsseEnvelope/payload",
    ),
    (
        include_bytes!("../../../testdata/proofs/sigstore/file-private.json"),
        "/verificationMaterial/certificate/rawBytes",
    ),
    (
        include_bytes!("../../../testdata/proofs/sigstore/file-private.json"),
        "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp",
    ),
];
static KEYS: LazyLock<[Key; 2]> = LazyLock::new(|| {
    [
        include_bytes!("../../../testdata/proofs/sigstore/root.json").as_slice(),
        include_bytes!("../../../testdata/proofs/sigstore/root-private.json"),
    ]
    .map(|roots| {
        let exact = |text| Matcher::exact(text).expect("a value");
        let identity = Identity::new(exact("https://token.example.com"), exact(SUBJECT));
        Key {
            by: By::Identity {
                identity: identity.expect("an identity"),
                roots: Roots::parse(roots).expect("the root is good"),
            },
            claim: Claim::Any,
        }
    })
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [which, length, edits @ ..] = bytes else {
        return;
    };
    let Some((whole, pointer)) = PARTS.get(usize::from(*which)) else {
        return;
    };
    let mut whole: Value = serde_json::from_slice(whole).expect("a bundle");
    let part = whole.pointer_mut(pointer).expect("the part is there");
    let mut raw = Base64::decode_vec(part.as_str().expect("a text")).expect("base64");
    raw.truncate(raw.len().saturating_sub(usize::from(*length)));
    let size = raw.len();
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]]));
        if let Some(byte) = raw.get_mut(at % size.max(1)) {
            *byte ^= edit[2];
        }
    }
    *part = Base64::encode_string(&raw).into();
    let (release, other) = (Digest::sha256(RELEASE), Digest::sha256(b"another"));
    let at = "2026-11-22T00:00:00Z".parse().expect("a time");
    for key in KEYS.iter() {
        for digest in [&release, &other] {
            let artifact = Artifact::File {
                digest,
                content: None,
            };
            if let Ok(signer) = bundle::verify(&artifact, whole.to_string().as_bytes(), key, at) {
                assert!(signer.who.starts_with(SUBJECT));
                assert!(signer.signed.is_some_and(|signed| signed <= at));
                assert_eq!(*digest, release);
            }
        }
    }
});
