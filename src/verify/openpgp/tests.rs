//! That every bit counts; the cases that are data are in `testdata/proofs/openpgp`.

use super::*;

fn file(name: &str) -> Vec<u8> {
    let path = format!(
        "{}/testdata/proofs/openpgp/{name}",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read(path).unwrap()
}

fn check(artifact: &[u8], proof: &[u8], key: &Key) -> Result<Signer, Failure> {
    let digest = Digest::sha256(artifact);
    let artifact = Artifact::File {
        digest: &digest,
        content: Some(&artifact),
    };
    verify(
        &artifact,
        proof,
        key,
        "2026-12-01T00:00:00Z".parse().unwrap(),
    )
}

/// The places where a bit of `proof` can be inverted without effect.
fn idle(artifact: &str, proof: &str, key: &str, end: usize) -> Vec<usize> {
    let (artifact, proof) = (file(artifact), file(proof));
    let key = Key::parse(&file(key), None).unwrap();
    check(&artifact, &proof, &key).unwrap();
    let mut idle = Vec::new();
    for at in 0..proof.len().min(end) {
        for bit in 0..8 {
            let mut changed = proof.clone();
            changed[at] ^= 1 << bit;
            if check(&artifact, &changed, &key).is_ok() {
                idle.push(at);
            }
        }
    }
    idle.dedup();
    idle
}

/// The places in `alice.sig` that say nothing: the key id in the unhashed area, which is a hint beside the signed fingerprint, with
/// the type in front of it; and how many bits the two numbers at the end have, of which only the bytes count.
fn says_nothing() -> Vec<usize> {
    let proof = file("alice.sig");
    let bits = |at: usize| (usize::from(proof[at]) << 8) | usize::from(proof[at + 1]);
    let first = 70;
    let second = first + 2 + bits(first).div_ceil(8);
    assert_eq!(second + 2 + bits(second).div_ceil(8), proof.len());
    (59..68)
        .chain([first, first + 1, second, second + 1])
        .collect()
}

#[test]
fn every_bit_of_a_signature_counts() {
    let known = says_nothing();
    let found = idle("release.bin", "alice.sig", "alice.asc", usize::MAX);
    assert!(found.iter().all(|at| known.contains(at)), "{found:?}");
    assert!((60..68).all(|at| found.contains(&at)), "{found:?}");
    let none: Vec<usize> = Vec::new();
    assert_eq!(idle("release.bin", "v6.sig", "v6.asc", usize::MAX), none);
}

#[test]
fn every_bit_of_a_signed_text_counts() {
    let proof = file("clear.asc");
    let end = proof
        .windows(24)
        .position(|window| window == b"-----BEGIN PGP SIGNATURE")
        .unwrap();
    let found = idle("canonical.txt", "clear.asc", "alice.asc", end);
    // White space at the end of a line is not signed, and not handed out.
    let blank = |at: &usize| matches!(proof[*at], b' ' | b'\t' | b'\r');
    assert!(found.iter().all(blank), "{found:?}");
}

#[test]
fn every_bit_of_a_message_counts_but_for_the_frame_of_its_data() {
    // The name and the date of the literal packet are not signed, nor handed out.
    let found = idle("release.bin", "plain.gpg", "alice.asc", usize::MAX);
    let frame = 15..52 - 18;
    let announced = 0..15;
    let signature: Vec<usize> = says_nothing().iter().map(|at| 52 + at).collect();
    let known = |at: &usize| frame.contains(at) || announced.contains(at) || signature.contains(at);
    assert!(found.iter().all(known), "{found:?}");
}
