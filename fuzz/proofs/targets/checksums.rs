//! Checksum lists: no panic, and no digest that is not in the list.
#![no_main]

use verified_dockerfile::{digest::Algorithm, verify::checksums};

libfuzzer_sys::fuzz_target!(|list: &[u8]| {
    for wanted in [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512] {
        for name in [
            "app.tar.gz",
            "dist/app.tar.gz",
            "tool.zip",
            "back\\slash",
            "",
        ] {
            if let Ok(digest) = checksums::find(list, name, wanted) {
                let text = String::from_utf8_lossy(list).to_ascii_lowercase();
                assert!(text.contains(digest.hex()));
                // The same line again makes it ambiguous, unless the hash is all there is.
                let twice = [list, b"\n", list].concat();
                assert!(checksums::find(&twice, name, wanted).is_err());
            }
        }
    }
});
