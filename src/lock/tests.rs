//! The lock's and the evidence's form, and what is not of it.

use super::*;
use crate::verify::{Proof, cosign};

fn digest(digit: char) -> Digest {
    format!("sha256:{}", digit.to_string().repeat(64))
        .parse()
        .unwrap()
}

fn image(text: &str) -> ImageReference {
    ImageReference::parse(text).unwrap()
}

fn full() -> Lock {
    let mut lock = Lock::default();
    let signed = Locked {
        digest: digest('b'),
        verified_by: vec!["z\"".into(), "a".into()],
        evidence: vec![digest('2'), digest('1')],
    };
    lock.set_image(
        &image("registry.test/z"),
        Some("linux/arm64"),
        digest('a').into(),
    );
    lock.set_image(&image("registry.test/z"), None, signed);
    lock.set_image(&image("alpine:3.20"), None, digest('c').into());
    lock.set_http("HTTPS://Files.test/x", digest('d').into())
        .unwrap();
    lock.set_git("https://git.test/a.git", "v1", &"e".repeat(40))
        .unwrap();
    lock
}

#[test]
fn what_is_written_is_read_again_and_sorted() {
    let lock = full();
    let text = lock.to_string();
    assert_eq!(Lock::parse(text.as_bytes(), "x").unwrap(), lock, "{text}");
    assert_eq!(Lock::parse(text.as_bytes(), "x").unwrap().to_string(), text);
    let order: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("reference"))
        .collect();
    assert_eq!(
        order,
        [
            "reference = \"docker.io/library/alpine:3.20\"",
            "reference = \"registry.test/z:latest\"",
            "reference = \"registry.test/z:latest\"",
        ]
    );
    assert!(
        text.contains("verified-by = [\"a\", 'z\"']")
            || text.contains("verified-by = [\"a\", \"z\\\"\"]"),
        "{text}"
    );
}

#[test]
fn look_ups() {
    let lock = full();
    let found = |name: &str, platform| {
        lock.image(&image(name), platform)
            .map(|locked| locked.digest.clone())
    };
    assert_eq!(found("alpine:3.20", None), Some(digest('c')));
    assert_eq!(found("alpine:3.20", Some("linux/amd64")), Some(digest('c')));
    assert_eq!(found("alpine:3.21", None), None);
    assert_eq!(found("alpine", None), None);
    assert_eq!(
        found("registry.test/z", Some("linux/arm64")),
        Some(digest('a'))
    );
    assert_eq!(
        found("registry.test/z:latest", Some("linux/amd64")),
        Some(digest('b'))
    );
    assert_eq!(
        lock.http("https://files.test:443/x")
            .map(|locked| &locked.digest),
        Some(&digest('d'))
    );
    assert_eq!(lock.http("https://files.test/y"), None);
    assert_eq!(lock.http("https://files.test@evil.test/x"), None);
    assert_eq!(
        lock.git("https://git.test/a.git", "v1"),
        Some("e".repeat(40).as_str())
    );
    assert_eq!(lock.git("https://git.test/a.git", "v2"), None);
}

#[test]
fn the_example_of_the_documentation_is_read() {
    let text = include_str!("../../docs/lock.md");
    let toml = text
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let lock = Lock::parse(toml.as_bytes(), "docs/lock.md").unwrap();
    assert!(
        lock.image(
            &image("registry.example.com/base/os:1"),
            Some("linux/arm64")
        )
        .is_some()
    );
    assert!(
        lock.image(
            &image("registry.example.com/base/os:1"),
            Some("linux/amd64")
        )
        .is_none()
    );
    assert_eq!(
        (lock.images.len(), lock.http.len(), lock.git.len()),
        (2, 1, 1)
    );
}

#[test]
fn what_is_not_of_the_form_is_refused_at_its_place() {
    let hex = "0".repeat(64);
    let head = "version = 1\n";
    let entry =
        format!("[[image]]\nreference = \"docker.io/library/a:1\"\ndigest = \"sha256:{hex}\"\n");
    let http = format!("[[http]]\nurl = \"https://a.test/\"\ndigest = \"sha256:{hex}\"\n");
    let git = format!(
        "[[git]]\nremote = \"https://a.test/\"\nref = \"v1\"\ncommit = \"{}\"\n",
        &hex[..40]
    );
    for good in [&entry, &http, &git] {
        Lock::parse(format!("{head}{good}").as_bytes(), "x").unwrap();
    }
    for (text, line, reason) in [
        (String::new(), 1, "begins with `version = 1`"),
        (
            "version = 2".to_owned(),
            1,
            "has version 2; this build reads version 1",
        ),
        (
            "version = \"1\"".to_owned(),
            1,
            "whole number, not of type string",
        ),
        (
            "version = 1.0".to_owned(),
            1,
            "whole number, not of type float",
        ),
        ("version = 1\nversion = 1".to_owned(), 2, "duplicate key"),
        (format!("{head}extra = 1"), 2, "unknown key `extra`"),
        (format!("{head}image = 1"), 2, "written as `[[image]]`"),
        (format!("{head}[image]"), 2, "written as `[[image]]`"),
        (
            format!("{head}{entry}x = 1"),
            5,
            "unknown key `x` in [[image]]",
        ),
        (format!("{head}{entry}platform = 1"), 5, "text in quotes"),
        (
            format!("{head}{entry}platform = \"\""),
            5,
            "1 to 1024 bytes",
        ),
        (
            format!("{head}{entry}evidence = [\"a\"]"),
            5,
            "algorithm:hex",
        ),
        (format!("{head}{entry}evidence = [1]"), 5, "list of texts"),
        (
            format!("{head}{entry}verified-by = \"a\""),
            5,
            "list of texts",
        ),
        (
            format!("{head}{entry}verified-by = [\"a\", \"a\"]"),
            5,
            "twice",
        ),
        (format!("{head}{entry}{entry}"), 6, "in the lock twice"),
        (format!("{head}{http}{http}"), 6, "in the lock twice"),
        (format!("{head}{git}{git}"), 7, "in the lock twice"),
        (
            format!("{head}[[image]]\ndigest = \"sha256:{hex}\""),
            2,
            "no `reference`",
        ),
        (
            format!("{head}{}", &entry[..entry.len() - 2]),
            4,
            "not valid TOML",
        ),
        (
            format!("{head}{}", &entry[..entry.len() - 83]),
            2,
            "has no `digest`",
        ),
        (
            format!("{head}{}", entry.replace("docker.io/library/a:1", "a:1")),
            3,
            "written in full: \"docker.io/library/a:1\"",
        ),
        (
            format!("{head}{}", entry.replace("library/a:1", "library/a")),
            3,
            "written in full",
        ),
        (
            format!(
                "{head}{}",
                entry.replace(
                    "library/a:1",
                    &format!("library/a@sha256:{}", "1".repeat(64))
                )
            ),
            3,
            "another digest",
        ),
        (
            format!("{head}{}", entry.replace("library/a:1", "library/A:1")),
            3,
            "lowercase",
        ),
        (
            format!("{head}{}", entry.replace("sha256:0", "sha256:g")),
            4,
            "digits 0-9 and a-f",
        ),
        (
            format!("{head}{}", entry.replace("sha256:0", "sha256:")),
            4,
            "64 hexadecimal digits",
        ),
        (
            format!("{head}{}", entry.replace("sha256", "md5")),
            4,
            "unknown digest algorithm",
        ),
        (
            format!(
                "{head}{}",
                http.replace("https://a.test/", "https://A.test")
            ),
            3,
            "normal form: \"https://a.test/\"",
        ),
        (
            format!("{head}{}", http.replace("https://a", "https://b@a")),
            3,
            "user name",
        ),
        (
            format!("{head}{}", git.replace("commit = \"0", "commit = \"")),
            5,
            "40 or 64 digits",
        ),
        (
            format!("{head}{}", git.replace("commit = \"0", "commit = \"A")),
            5,
            "40 or 64 digits",
        ),
        (
            format!("{head}{}", git.replace("v1", "v\\u0001")),
            4,
            "control characters",
        ),
        (
            format!("{head}a = {}", "[".repeat(10_000)),
            2,
            "not valid TOML",
        ),
    ] {
        let error = Lock::parse(text.as_bytes(), "the.lock").expect_err(&text);
        assert!(
            error.message.contains(reason),
            "{text:.200}: wanted {reason:?} in {error}"
        );
        assert_eq!(error.line, line, "{text:.200}: {error}");
        assert!(
            error.to_string().starts_with(&format!("the.lock:{line}:")),
            "{error}"
        );
    }
    let error = Lock::parse(b"version = 1\n# \xff", "x").unwrap_err();
    assert_eq!((error.line, error.column), (2, 3), "{error}");
    let big = vec![b' '; crate::policy::strict::MAX_FILE + 1];
    assert!(
        Lock::parse(&big, "x")
            .unwrap_err()
            .message
            .contains("more than")
    );
}

fn evidence() -> Evidence {
    let mut evidence = Evidence::default();
    let proof = cosign::Signature {
        payload: b"{}".to_vec(),
        signature: "AA==".into(),
        certificate: Some("-----".into()),
        log: None,
        timestamp: Some("{}".into()),
    };
    evidence.insert(digest('1'), Proof::Cosign(proof.clone()));
    evidence.insert(digest('1'), Proof::Bundle(b"{}".to_vec()));
    evidence.insert(digest('2'), Proof::Cosign(proof));
    evidence
}

#[test]
fn evidence_is_read_as_it_was_written() {
    let all = evidence();
    let text = all.to_string();
    let read = Evidence::parse(text.as_bytes(), "x").unwrap();
    assert!(read.iter().eq(all.iter()), "{text}");
    assert_eq!(read.to_string(), text);
    let windows = Evidence::parse(text.replace('\n', "\r\n").as_bytes(), "x").unwrap();
    assert!(windows.iter().eq(all.iter()));
    assert_eq!(read.of(&digest('1')).count(), 2);
    assert_eq!(read.of(&digest('2')).count(), 1);
    assert_eq!(read.of(&digest('3')).count(), 0);
    assert_eq!(Evidence::parse(b"", "x").unwrap().iter().count(), 0);
    // The id is the SHA-256 of the other members, as a reader with other tools computes it.
    let line = text.lines().next().unwrap();
    let (id, rest) = line[7..].split_once("\",").unwrap();
    assert_eq!(
        id,
        Digest::sha256(format!("{{{rest}").as_bytes()).to_string()
    );
    // Adding what is there changes nothing.
    let mut twice = all.clone();
    twice.insert(digest('1'), Proof::Bundle(b"{}".to_vec()));
    assert_eq!(twice.to_string(), text);
}

#[test]
fn changed_evidence_is_refused_at_its_line() {
    let text = evidence().to_string();
    let second = text.lines().nth(1).unwrap().to_owned();
    let named = |content: &str| {
        format!(
            "{{\"id\":\"{}\",{}",
            Digest::sha256(content.as_bytes()),
            &content[1..]
        )
    };
    let subject = digest('1');
    let changed = |from: &str, to: &str| {
        let line = second.replacen(from, to, 1);
        assert_ne!(line, second, "{from}");
        line
    };
    for (line, reason) in [
        (
            changed("\"subject\":\"sha256:1", "\"subject\":\"sha256:2"),
            "it was changed",
        ),
        (
            changed("\"id\":\"sha256:", "\"id\":\"sha512:"),
            "hexadecimal digits",
        ),
        (changed("\"id\":", "\"ID\":"), "`id` is missing"),
        (changed("\"id\":", "\"id\":1,\"id\":"), "is there twice"),
        (changed("e30=", "e31="), "it was changed"),
        (
            named(&format!(
                "{{\"kind\":\"sigstore-bundle\",\"subject\":\"{subject}\",\"bundle\":\"e3\"}}"
            )),
            "no base64",
        ),
        (
            named(&format!(
                "{{\"kind\":\"cosign-signature\",\"subject\":\"{subject}\",\"payload\":\"!\",\"signature\":\"\"}}"
            )),
            "no base64",
        ),
        (
            named(&format!(
                "{{\"kind\":\"notary\",\"subject\":\"{subject}\"}}"
            )),
            "unknown variant `notary`",
        ),
        (
            named(&format!("{{\"subject\":\"{subject}\",\"bundle\":\"\"}}")),
            "kind",
        ),
        (
            named(&format!(
                "{{\"kind\":\"sigstore-bundle\",\"subject\":\"{subject}\",\"bundle\":\"\",\"x\":1}}"
            )),
            "unknown field `x`",
        ),
        (
            named(&format!(
                "{{\"kind\":\"cosign-signature\",\"subject\":\"{subject}\",\"payload\":\"\"}}"
            )),
            "missing field `signature`",
        ),
        (
            named("{\"kind\":\"sigstore-bundle\",\"subject\":\"x\",\"bundle\":\"\"}"),
            "algorithm:hex",
        ),
        (second[..second.len() - 1].to_owned(), "not one JSON object"),
        (format!("{second}{{}}"), "not one JSON object"),
        (String::new(), "not one JSON object"),
        ("[]".to_owned(), "not one JSON object"),
        (text.lines().next().unwrap().to_owned(), "is there twice"),
        ("[".repeat(5000), "not one JSON object"),
    ] {
        let first = text.lines().next().unwrap();
        let file = format!("{first}\n{line}\n{}\n", text.lines().nth(2).unwrap());
        let error = Evidence::parse(file.as_bytes(), "e").expect_err(&line);
        assert!(
            error.message.contains(reason),
            "{line:.200}: wanted {reason:?} in {error}"
        );
        assert_eq!(error.line, 2, "{line:.200}");
        assert_eq!(&file[error.span.clone()], line);
    }
    let bundle = "A".repeat(crate::verify::bundle::MAX_BUNDLE / 3 * 4 + 8);
    let big = named(&format!(
        "{{\"kind\":\"sigstore-bundle\",\"subject\":\"{subject}\",\"bundle\":\"{bundle}\"}}"
    ));
    assert!(
        Evidence::parse(big.as_bytes(), "e")
            .unwrap_err()
            .message
            .contains("more than 4194304 bytes")
    );
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), text in "(version = 1\n)?[\\[\\]a-z=\"\n .0-9]{0,200}") {
        let _ = Lock::parse(&bytes, "x");
        let _ = Lock::parse(text.as_bytes(), "x");
        let _ = Evidence::parse(&bytes, "x");
    }
}
