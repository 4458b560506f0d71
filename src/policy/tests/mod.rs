//! `verified.toml` and the verdicts, each refusal beside what differs from it in one thing and passes.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::{
    digest::Digest,
    lock::Evidence,
    reference::ImageReference,
    verify::{Proof, cosign},
};

mod file;
mod verdicts;

const REPOSITORY: &str = "localhost:5077/team/app";
const ACCEPT: &str = "accept = \"digest\"\nreason = \"r\"\nuntil = 2027-06-01\n";

fn testdata(name: &str) -> String {
    let path = format!("{}/testdata/cosign/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn files() -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for name in ["p256", "other", "rsa1024"] {
        files.insert(
            format!("keys/{name}.pub"),
            testdata(&format!("{name}.pub")).into_bytes(),
        );
    }
    files.insert(
        "keys/base.pub".to_owned(),
        testdata("p256.pub").into_bytes(),
    );
    files.insert("keys/binary.pub".to_owned(), vec![0xff; 4]);
    files.insert("keys/big.pub".to_owned(), vec![b'-'; 100_000]);
    files
}

fn layer_named(file: &str, rules: &str) -> Layer {
    let text = format!(
        "version = 1\n[keys.p256]\ncosign = \"keys/p256.pub\"\n[keys.other]\ncosign = \"keys/other.pub\"\n{rules}"
    );
    Layer::parse(text.as_bytes(), file, &files()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn policy(rules: &str) -> Policy {
    Policy::new(vec![layer_named("verified.toml", rules)])
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn image(name: &str) -> Subject {
    Subject::image(&ImageReference::parse(name).unwrap())
}

fn pin() -> Pin {
    Pin::Digest(Digest::sha256(b"x"))
}

fn judge(policy: &Policy, subject: &Subject) -> Verdict {
    policy.judge(subject, &pin(), &Evidence::default(), now())
}

fn accepted_line(verdict: &Verdict) -> usize {
    match verdict {
        Verdict::Accepted(passed) => passed[0].rule.line,
        other => panic!("not accepted: {other:?}"),
    }
}

fn refusal(verdict: Verdict) -> Refusal {
    match verdict {
        Verdict::Refused(mut refusals) => refusals.remove(0),
        other => panic!("not refused: {other:?}"),
    }
}

proptest::proptest! {
    #[test]
    fn arbitrary_policies_do_no_harm(text in "(version = 1\n)?(\\[\\[(image|http|run)\\]\\]\n)?(match = \"[a-z*/:.@]{0,20}\"\n)?[\\[\\]a-z=\"\n .0-9]{0,100}", name in "[a-z*/:.@%?#]{0,30}") {
        let _ = Layer::parse(text.as_bytes(), "x", &files());
        let _ = Subject::http(&format!("https://{name}"));
        let _ = Subject::git(&name, "");
    }
}
