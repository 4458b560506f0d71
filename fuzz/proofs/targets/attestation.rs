//! BuildKit's attestations: no panic, and whatever index, manifest or statement is put in, only what names the image is about it.
#![no_main]

use verified_dockerfile::{
    digest::Digest,
    verify::attestation::{self, Attestations},
};

const STATEMENT: &str = r#"{"_type":"https://in-toto.io/Statement/v0.1","subject":[{"name":"a","digest":{"sha256":"HEX"}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{}}"#;

fn manifest(statement: &[u8]) -> Vec<u8> {
    let digest = Digest::sha256(statement);
    format!(
        r#"{{"schemaVersion":2,"config":{{}},"layers":[{{"mediaType":"application/vnd.in-toto+json","digest":"{digest}"}}]}}"#
    )
    .into_bytes()
}

// The first byte says what the others are.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((what, bytes)) = bytes.split_first() else {
        return;
    };
    let image = Digest::sha256(b"image");
    let statement = STATEMENT.replace("HEX", image.hex()).into_bytes();
    let (wanted, documents) = match what % 3 {
        0 => (
            Digest::sha256(bytes),
            Attestations {
                index: Some(bytes.to_vec()),
                manifests: vec![manifest(&statement)],
                statements: vec![statement],
            },
        ),
        1 => (
            image.clone(),
            Attestations {
                index: None,
                manifests: vec![bytes.to_vec()],
                statements: vec![statement],
            },
        ),
        _ => (
            image.clone(),
            Attestations {
                index: None,
                manifests: vec![manifest(bytes)],
                statements: vec![bytes.to_vec()],
            },
        ),
    };
    let _ = attestation::verify(&wanted, &documents, |about| {
        assert_eq!(about.image, image);
        assert!(!about.statements.is_empty());
        Ok(())
    });
});
