//! Sigstore bundles, cosign's older signatures and trust roots as a whole: no panic, and nothing is believed that nobody signed.
#![no_main]

use std::sync::LazyLock;

use verified_dockerfile::{
    digest::Digest,
    verify::{
        Artifact, PublicKey, bundle, cosign,
        sigstore::{By, Claim, Identity, Key, Matcher, Provenance, Roots},
    },
};

const SUBJECT: &str =
    "https://git.example.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3";
const RELEASE: &[u8] = include_bytes!("../../../testdata/proofs/sigstore/release.bin");
static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let read = |bytes: &[u8]| Roots::parse(bytes).expect("the root is good");
    let roots = read(include_bytes!(
        "../../../testdata/proofs/sigstore/root.json"
    ));
    let private = read(include_bytes!(
        "../../../testdata/proofs/sigstore/root-private.json"
    ));
    let exact = |text| Matcher::exact(text).expect("a value");
    let identity = Identity::new(exact("https://token.example.com"), exact(SUBJECT));
    let identity = identity.expect("an identity");
    let pem = include_str!("../../../testdata/proofs/sigstore/key.pub");
    let key = PublicKey::from_pem(pem).expect("a key");
    let by = [
        By::Identity {
            identity: identity.clone(),
            roots: roots.clone(),
        },
        By::Identity {
            identity,
            roots: private,
        },
        By::PublicKey {
            key: key.clone(),
            log: None,
        },
        By::PublicKey {
            key,
            log: Some(roots),
        },
    ];
    let claims = [
        Claim::Signature,
        Claim::Any,
        Claim::Provenance(Provenance::default()),
    ];
    by.into_iter()
        .flat_map(|by| {
            claims.clone().map(|claim| Key {
                by: by.clone(),
                claim,
            })
        })
        .collect()
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let at = "2026-11-22T00:00:00Z".parse().expect("a time");
    let (release, image, other) = (
        Digest::sha256(RELEASE),
        Digest::sha256(b"the image"),
        Digest::sha256(b"another"),
    );
    let artifacts = [&release, &image, &other].map(|digest| {
        let repository = Some("registry.example.com/acme/app");
        [
            Artifact::File {
                digest,
                content: None,
            },
            Artifact::Image { digest, repository },
        ]
    });
    // The older format: payload, signature and annotations, divided by zeros.
    let mut parts = bytes.split(|byte| *byte == 0);
    let mut text = || {
        parts
            .next()
            .map(|part| String::from_utf8_lossy(part).into_owned())
    };
    let older = cosign::Signature {
        payload: text().unwrap_or_default().into_bytes(),
        signature: text().unwrap_or_default(),
        certificate: text(),
        log: text(),
        timestamp: text(),
    };
    for key in KEYS.iter() {
        for (number, artifact) in artifacts.iter().flatten().enumerate() {
            for result in [
                bundle::verify(artifact, bytes, key, at),
                cosign::verify(artifact, &older, key, at),
            ] {
                if let Ok(signer) = result {
                    assert!(signer.who.starts_with(SUBJECT) || signer.who == key.who());
                    assert!(signer.signed.is_none_or(|signed| signed <= at));
                    // The last two are of what nobody signed.
                    assert!(number < 4, "{artifact:?}");
                }
            }
        }
    }
    let _ = Roots::parse(bytes);
});
