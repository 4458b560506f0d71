//! `verify-bundle` as scripts use it: exit codes 0 (it holds), 1 (it does not) and 2 (could not run), and what is printed.

use std::{
    path::Path,
    process::{Command, Output},
};

const IDENTITY: &str =
    "https://git.example.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3";
const ISSUER: &str = "https://token.example.com";

fn run(words: &[&str]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/proofs/sigstore");
    Command::new(env!("CARGO_BIN_EXE_verified-dockerfile"))
        .arg("verify-bundle")
        .args(words)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn by_identity<'a>(bundle: &'a str, root: &'a str, artifact: &'a str) -> Vec<&'a str> {
    let who = [
        "--certificate-identity",
        IDENTITY,
        "--certificate-oidc-issuer",
        ISSUER,
    ];
    let mut words = vec!["--bundle", bundle, "--trusted-root", root];
    words.extend(who);
    words.push(artifact);
    words
}

fn assert_exit(words: &[&str], code: i32, text: &str) {
    let output = run(words);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
    assert!(said.contains(text), "{words:?}: wanted {text:?} in {said}");
}

#[test]
fn what_holds_is_said_with_signer_and_time() {
    let signed = format!("signed by {IDENTITY} ({ISSUER}) at 2026-11-01T12:00:00Z\n");
    let file = std::fs::read("testdata/proofs/sigstore/release.bin").unwrap();
    let digest = verified_dockerfile::digest::Digest::sha256(&file).to_string();
    for artifact in ["release.bin", &digest] {
        assert_exit(&by_identity("file.json", "root.json", artifact), 0, &signed);
        // An attestation counts by its subjects.
        let words = by_identity("provenance.json", "root.json", artifact);
        assert_exit(&words, 0, &signed);
    }
    for bundle in ["keyed.json", "keyed-rekor2.json"] {
        let words = [
            "--bundle",
            bundle,
            "--trusted-root",
            "root.json",
            "--key",
            "key.pub",
            "release.bin",
        ];
        assert_exit(&words, 0, "signed by sha256:");
    }
}

#[test]
fn what_does_not_hold_is_refused_with_the_reason() {
    for (bundle, root, artifact, reason) in [
        ("file.json", "root.json", "other.bin", "not for sha256:"),
        ("file.json", "root-other.json", "release.bin", "log entry"),
        (
            "file-other-identity.json",
            "root.json",
            "release.bin",
            "evil/app",
        ),
        (
            "keyed.json",
            "root.json",
            "release.bin",
            "signed with a key",
        ),
        ("release.bin", "root.json", "release.bin", "malformed"),
    ] {
        assert_exit(&by_identity(bundle, root, artifact), 1, reason);
    }
    let key = ["--bundle", "keyed.json", "--key", "key.pub", "release.bin"];
    assert_exit(&key, 1, "log entry");
    let key = [
        "--bundle",
        "keyed.json",
        "--trusted-root",
        "root.json",
        "--key",
        "other-key.pub",
        "release.bin",
    ];
    assert_exit(&key, 1, "none of the keys");
}

#[test]
fn what_cannot_be_tried_is_neither() {
    let nothing = by_identity("nothing.json", "root.json", "release.bin");
    assert_exit(&nothing, 2, "nothing.json");
    assert_exit(
        &by_identity("file.json", "file.json", "release.bin"),
        2,
        "trusted_root.json",
    );
    assert_exit(
        &by_identity("file.json", "root.json", "nothing"),
        2,
        "nothing",
    );
    // Not a digest: a file of that name.
    assert_exit(
        &by_identity("file.json", "root.json", "sha256:00"),
        2,
        "sha256:00",
    );
    let both = [
        "--bundle",
        "file.json",
        "--key",
        "key.pub",
        "--certificate-identity",
        IDENTITY,
        "--certificate-oidc-issuer",
        ISSUER,
        "release.bin",
    ];
    assert_exit(&both, 2, "cannot be used with");
    assert_exit(&["--bundle", "file.json", "release.bin"], 2, "required");
    let half = [
        "--bundle",
        "file.json",
        "--certificate-identity",
        IDENTITY,
        "release.bin",
    ];
    assert_exit(&half, 2, "--certificate-oidc-issuer");
    let private = [
        "--bundle",
        "keyed.json",
        "--key",
        "file.json",
        "release.bin",
    ];
    assert_exit(&private, 2, "no PEM block");
}
