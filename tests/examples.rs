//! The examples: they verify, and each of them stops verifying when one thing in it is changed.
//!
//! `examples/make.sh` signs with the real cosign and says how their lock and evidence are written again from what it made.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use verified_dockerfile::{
    digest::Digest,
    lock::{Evidence, Lock, Locked, write_atomic},
    reference::ImageReference,
    verify::{Proof, cosign},
};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// A copy of one example, to be changed; removed in the end.
struct Copy(PathBuf);

impl Copy {
    fn of(example: &str, test: &str) -> Self {
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{example}-{test}"));
        let _ = fs::remove_dir_all(&to);
        copy(&examples().join(example), &to);
        Self(to)
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap()
    }

    fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        fs::write(self.0.join(file), text).unwrap();
    }

    fn replace(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} has no {from}");
        self.write(file, text.replace(from, to));
    }

    /// The findings of `check`: line, kind and cause of each.
    fn check(&self) -> Vec<(u64, String, String)> {
        let output = Command::new(env!("CARGO_BIN_EXE_verified-dockerfile"))
            .args(["check", "--format", "json"])
            .current_dir(&self.0)
            .env_remove("VERIFIED_DOCKERFILE_POLICY")
            .output()
            .unwrap();
        let mut findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        // A note is no reason to fail.
        findings.retain(|finding| finding["level"] != "note");
        assert_eq!(output.status.code(), Some(i32::from(!findings.is_empty())));
        findings
            .iter()
            .map(|finding| {
                let text = |key: &str| finding[key].as_str().unwrap().to_owned();
                (
                    finding["start_line"].as_u64().unwrap(),
                    text("kind"),
                    text("cause"),
                )
            })
            .collect()
    }

    /// That exactly the fetches in `lines` are refused as unverified, all for a cause with `cause` in it.
    fn refuses(&self, lines: &[u64], cause: &str) {
        let findings = self.check();
        let found: Vec<u64> = findings.iter().map(|(line, ..)| *line).collect();
        assert_eq!(found, lines, "{findings:?}");
        for (_, kind, why) in findings {
            assert_eq!(kind, "unverified", "{why}");
            assert!(why.contains(cause), "{why}");
        }
    }

    /// Changes each proof by `change`, and gives the new ones the right `id`.
    fn change_proofs(&self, change: impl Fn(&mut Proof)) {
        let evidence = evidence(&self.0);
        let mut changed = Evidence::default();
        for item in evidence.iter() {
            let mut proof = item.proof().clone();
            change(&mut proof);
            changed.insert(item.subject().clone(), proof);
        }
        assert_ne!(changed.to_string(), evidence.to_string());
        self.write("Dockerfile.evidence", changed.to_string());
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn evidence(folder: &Path) -> Evidence {
    let bytes = fs::read(folder.join("Dockerfile.evidence")).unwrap();
    Evidence::parse(&bytes, "Dockerfile.evidence").unwrap()
}

/// The lines of the four signed images in `signed/Dockerfile`; those with the older format, those with a bundle.
const OLDER: [u64; 2] = [6, 13];
const BUNDLE: [u64; 2] = [9, 12];
const SIGNED: [u64; 4] = [6, 9, 12, 13];

#[test]
fn both_examples_verify_as_they_are() {
    for example in ["signed", "accepted"] {
        assert_eq!(Copy::of(example, "as-is").check(), []);
    }
}

#[test]
fn locks_and_evidence_are_as_they_would_be_written() {
    for example in ["signed", "accepted"] {
        let folder = examples().join(example);
        let text = fs::read_to_string(folder.join("Dockerfile.lock")).unwrap();
        let lock = Lock::parse(text.as_bytes(), "Dockerfile.lock").unwrap();
        assert_eq!(lock.to_string(), text);
        if example == "signed" {
            let text = fs::read_to_string(folder.join("Dockerfile.evidence")).unwrap();
            assert_eq!(evidence(&folder).to_string(), text);
        }
    }
}

#[test]
fn without_evidence_nothing_signed_verifies() {
    let example = Copy::of("signed", "no-evidence");
    fs::remove_file(example.0.join("Dockerfile.evidence")).unwrap();
    example.refuses(&SIGNED, "no signature of sha256:");
}

#[test]
fn another_key_of_the_same_kind_is_refused() {
    let example = Copy::of("signed", "keys");
    let (base, vendor) = (
        example.read("keys/base.pub"),
        example.read("keys/vendor.pub"),
    );
    example.write("keys/base.pub", vendor);
    example.write("keys/vendor.pub", base);
    example.refuses(&SIGNED, "by none of the keys");
}

#[test]
fn one_bit_of_each_signature_is_refused() {
    let example = Copy::of("signed", "signature");
    example.change_proofs(|proof| {
        // The last letter before the padding would be bits that count for nothing; one in the middle counts.
        let flip = |text: &str| {
            let mut text = text.to_owned().into_bytes();
            let middle = text.len() / 2;
            text[middle] = if text[middle] == b'A' { b'B' } else { b'A' };
            String::from_utf8(text).unwrap()
        };
        match proof {
            Proof::Cosign(signature) => signature.signature = flip(&signature.signature),
            Proof::Bundle(bytes) => {
                let mut bundle: Value = serde_json::from_slice(bytes).unwrap();
                let signature = &mut bundle["dsseEnvelope"]["signatures"][0]["sig"];
                *signature = flip(signature.as_str().unwrap()).into();
                *bytes = bundle.to_string().into_bytes();
            }
            other => panic!("the example has no {}", other.kind()),
        }
    });
    example.refuses(&SIGNED, "by none of the keys");
}

#[test]
fn one_byte_of_a_payload_is_refused() {
    let example = Copy::of("signed", "payload");
    example.change_proofs(|proof| {
        if let Proof::Cosign(signature) = proof {
            // Means the same to a JSON reader, and is another text to a signature.
            signature.payload.push(b' ');
        }
    });
    example.refuses(&OLDER, "by none of the keys");
}

#[test]
fn evidence_with_a_changed_byte_is_not_read() {
    let example = Copy::of("signed", "evidence");
    example.replace(
        "Dockerfile.evidence",
        "\"signature\":\"ME",
        "\"signature\":\"MF",
    );
    let findings = example.check();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].1, "configuration");
    assert!(findings[0].2.contains("it was changed"), "{findings:?}");
}

#[test]
fn a_locked_digest_with_another_digit_is_refused() {
    let example = Copy::of("signed", "digest");
    let lock = Lock::parse(example.read("Dockerfile.lock").as_bytes(), "").unwrap();
    for (image, line) in [("base/go:1.25", 6), ("base/os:13", 12)] {
        let reference = ImageReference::parse(&format!("registry.example.com/{image}")).unwrap();
        let digest = lock.image(&reference, None).unwrap().digest.to_string();
        let last = if digest.ends_with('0') { "1" } else { "0" };
        let other = format!("{}{last}", &digest[..digest.len() - 1]);
        example.replace("Dockerfile.lock", &digest, &other);
        // Also with the proofs offered for the new digest.
        let mut moved = Evidence::default();
        for item in evidence(&examples().join("signed")).iter() {
            let subject = if item.subject().to_string() == digest {
                other.parse().unwrap()
            } else {
                item.subject().clone()
            };
            moved.insert(subject, item.proof().clone());
        }
        example.write("Dockerfile.evidence", moved.to_string());
        example.refuses(&[line], "the signature is for");
        example.replace("Dockerfile.lock", &other, &digest);
    }
}

#[test]
fn the_signature_of_another_repository_is_refused() {
    let example = Copy::of("signed", "repository");
    for file in ["Dockerfile", "Dockerfile.lock"] {
        example.replace(file, "base/go:", "base/rust:");
    }
    example.refuses(&[6], "for the repository `registry.example.com/base/go`");
}

#[test]
fn what_is_not_in_the_lock_is_not_known_offline() {
    let example = Copy::of("signed", "tag");
    example.replace("Dockerfile", "GO_VERSION=1.25", "GO_VERSION=1.26");
    let findings = example.check();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((findings[0].0, findings[0].1.as_str()), (6, "unpinned"));
}

#[test]
fn acceptance_ends_with_its_last_day() {
    let example = Copy::of("accepted", "until");
    example.replace("verified.toml", "until = 2036-12-31", "until = 2026-01-01");
    let findings = example.check();
    let found: Vec<(u64, &str)> = findings
        .iter()
        .map(|(line, kind, _)| (*line, kind.as_str()))
        .collect();
    let unverified = "unverified";
    assert_eq!(
        found,
        [
            (3, unverified),
            (4, unverified),
            (5, unverified),
            (7, "download")
        ],
        "the step whose rule has ended downloads, and has no network: {findings:?}"
    );
    for (_, _, cause) in findings.iter().take(3) {
        assert!(cause.contains("2026-01-01"), "{cause}");
    }
}

#[test]
fn bundles_and_the_older_format_are_both_there() {
    let evidence = evidence(&examples().join("signed"));
    let kinds: Vec<&str> = evidence.iter().map(|item| item.proof().kind()).collect();
    let count = |kind: &str| kinds.iter().filter(|found| **found == kind).count();
    assert_eq!(count("cosign-signature"), OLDER.len());
    assert_eq!(count("sigstore-bundle"), BUNDLE.len());
}

/// Writes the lock and the evidence of the examples from the answers of `examples/make.sh`.
#[test]
#[ignore = "writes into examples/; VERIFIED_EXAMPLES names the folder that examples/make.sh filled"]
fn write_the_examples() {
    let made = PathBuf::from(std::env::var_os("VERIFIED_EXAMPLES").expect("VERIFIED_EXAMPLES"));
    let text = |file: &str| fs::read_to_string(made.join(file)).unwrap();
    let digest = |name: &str| -> Digest { text(&format!("{name}.digest")).trim().parse().unwrap() };
    let file = |content: &str| Locked::from(Digest::sha256(content.as_bytes()));

    let (mut lock, mut evidence) = (Lock::default(), Evidence::default());
    for (name, reference, key) in [
        ("go", "registry.example.com/base/go:1.25", "base"),
        ("os", "registry.example.com/base/os:13", "base"),
        (
            "certificates",
            "registry.example.com/base/certificates:latest",
            "base",
        ),
        ("linter", "registry.example.com/vendor/linter:2", "vendor"),
    ] {
        let digest = digest(name);
        let proof = match fs::read(made.join(format!("{name}.bundle.json"))) {
            Ok(bundle) => Proof::Bundle(bundle),
            Err(_) => {
                let manifest: Value =
                    serde_json::from_str(&text(&format!("{name}.manifest.json"))).unwrap();
                let signature =
                    &manifest["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"];
                Proof::Cosign(cosign::Signature {
                    payload: fs::read(made.join(format!("{name}.payload.json"))).unwrap(),
                    signature: signature.as_str().unwrap().to_owned(),
                    ..cosign::Signature::default()
                })
            }
        };
        let id = evidence.insert(digest.clone(), proof);
        let locked = Locked {
            digest,
            verified_by: vec![key.to_owned()],
            evidence: vec![id],
        };
        lock.set_image(&ImageReference::parse(reference).unwrap(), None, locked);
    }
    let countries = "https://downloads.example.com/geo/countries-2026.csv";
    lock.set_http(countries, file("country,code\nIceland,IS\n"))
        .unwrap();
    let signed = examples().join("signed");
    write_atomic(&signed.join("Dockerfile.lock"), lock.to_string().as_bytes()).unwrap();
    write_atomic(
        &signed.join("Dockerfile.evidence"),
        evidence.to_string().as_bytes(),
    )
    .unwrap();

    let mut lock = Lock::default();
    let postgres = ImageReference::parse("mirror.example.com/library/postgres:17").unwrap();
    lock.set_image(&postgres, None, Locked::from(digest("postgres")));
    let extension = "https://downloads.example.com/extensions/vector-0.8.tar.gz";
    lock.set_http(extension, file("an archive\n")).unwrap();
    let schema = "https://git.example.com/team/schema.git";
    lock.set_git(schema, "v3", text("schema.commit").trim())
        .unwrap();
    let accepted = examples().join("accepted");
    write_atomic(
        &accepted.join("Dockerfile.lock"),
        lock.to_string().as_bytes(),
    )
    .unwrap();
}
