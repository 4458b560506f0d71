//! git's tags and commits: no panic, and nothing is believed that the one key has not signed.
#![no_main]

use std::sync::LazyLock;

use sha1_checked::Digest as _;
use verified_dockerfile::verify::{
    git::{self, Checkout, Key, Objects, Signed},
    openpgp,
};

static KEY: LazyLock<openpgp::Key> = LazyLock::new(|| {
    let file = include_bytes!("../../../testdata/proofs/git/alice.asc");
    openpgp::Key::parse(file, None).expect("the key is good")
});

/// An object as a commit under its own id, and as a tag of what it says; then cut in two, as nested tags.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let at = "2026-12-01T00:00:00Z".parse().expect("a time");
    let header = format!("commit {}\0", bytes.len());
    let hash = sha1_checked::Sha1::new_with_prefix(header)
        .chain_update(bytes)
        .finalize();
    let id: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let named = bytes
        .strip_prefix(b"object ")
        .and_then(|rest| rest.split(|byte| *byte == b'\n').next())
        .and_then(|id| std::str::from_utf8(id).ok())
        .unwrap_or(&id);
    let half = bytes.split_at(bytes.len() / 2);
    let cases = [
        (Signed::Commit, id.as_str(), vec![], Some(bytes.to_vec())),
        (Signed::Tag, named, vec![bytes.to_vec()], None),
        (
            Signed::Tag,
            named,
            vec![half.0.to_vec(), half.1.to_vec()],
            None,
        ),
    ];
    for (signed, commit, tags, object) in cases {
        let objects = Objects {
            tags,
            commit: object,
        };
        let checkout = Checkout {
            commit,
            reference: "refs/tags/v1",
            signed,
        };
        if let Ok(signer) = git::verify(&checkout, &objects, Key::OpenPgp(&KEY), at) {
            assert_eq!(signer.who, KEY.who());
            // The bytes that are signed are in the object; nothing was forged if its text is that of the files.
            let text = String::from_utf8_lossy(bytes);
            assert!(text.contains("Alice <alice@example.com> 1717200000 +0200"));
        }
    }
});
