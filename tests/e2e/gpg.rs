//! What gpg signs while the test runs: lists of checksums, images by simple signing, whose payload names the image, and commits, of
//! which BuildKit then has none from another test.

use std::{fs, process::Command};

use engine::{
    Result,
    process::{run, run_bytes},
};
use serde_json::json;
use verified_dockerfile::{digest::Digest, lock::Evidence, verify::Proof};

use crate::{
    Test,
    bench::{Case, EXECUTE, TOOL_LIMIT, accept, signed},
    proofs::policy,
};

pub const TESTS: &[Test] = &[
    ("list_by_openpgp", |case| list(case, Some("SUMS.asc"))),
    ("list_by_openpgp_within", |case| list(case, None)),
    ("simple_signing", simple),
    ("git_commit_by_openpgp", commit),
];

/// A key of gpg's, in a folder that goes away with it.
struct Signer(String);

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .args(["--homedir", &self.0, "--kill", "all"])
            .status();
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Signer {
    fn new() -> Result<Self> {
        // Not in the case's folder: an agent's socket has a short path.
        let made = run(Command::new("mktemp").arg("-d"), &[], TOOL_LIMIT)?.success()?;
        let signer = Self(made.stdout.trim().to_owned());
        let words = [
            "--passphrase",
            "",
            "--quick-generate-key",
            "a@example.com",
            "ed25519",
            "sign",
            "never",
        ];
        signer.gpg(&words, &[])?;
        Ok(signer)
    }

    fn gpg(&self, words: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        let mut command = Command::new("gpg");
        command
            .args(["--homedir", &self.0, "--batch", "--quiet"])
            .args(words);
        run_bytes(&mut command, input, TOOL_LIMIT)
    }

    fn public(&self) -> Result<Vec<u8>> {
        self.gpg(&["--armor", "--export"], &[])
    }
}

/// A list of checksums with a signature beside it, or within.
fn list(case: &Case, beside: Option<&str>) -> Result<()> {
    let (signer, stranger) = (Signer::new()?, Signer::new()?);
    case.file("keys/publisher.asc", signer.public()?)?;
    let base = case.base("base")?;
    let at = beside.map_or_else(String::new, |name| format!("signature = \"{name}\"\n"));
    let rule = format!(
        "{}[[http]]\nmatch = \"http://{}/**\"\nsigned-by = [\"publisher\"]\nchecksums = \"SUMS\"\n{at}",
        accept("image", &base.repository),
        case.bench.web.host()
    );
    policy(case, "openpgp = \"keys/publisher.asc\"", &rule)?;
    let content = format!("what {} signs", case.name);
    let sums = |content: &str| {
        let other = Digest::sha256(b"other");
        format!(
            "{}  app\n{}  other\n",
            Digest::sha256(content.as_bytes()).hex(),
            other.hex()
        )
    };
    // What is served, who signs the list of what, and what becomes of it.
    for (name, served, by, listed, good) in [
        ("good", content.as_str(), &signer, content.as_str(), true),
        ("stranger", &content, &stranger, &content, false),
        ("content", "changed", &signer, &content, false),
    ] {
        let list = sums(listed).into_bytes();
        let folder = format!("/gpg/{}/{name}", case.name);
        match beside {
            Some(signature) => {
                let made = by.gpg(&["--armor", "--detach-sign"], &list)?;
                case.bench.web.put(&format!("{folder}/SUMS"), &list);
                case.bench.web.put(&format!("{folder}/{signature}"), &made);
            }
            None => {
                let made = by.gpg(&["--clear-sign"], &list)?;
                case.bench.web.put(&format!("{folder}/SUMS"), &made);
            }
        }
        let url = case
            .bench
            .web
            .put(&format!("{folder}/app"), served.as_bytes());
        let built = case
            .build(&format!(
                "FROM {}\nADD {url} /file\n{EXECUTE}\n",
                base.tagged()
            ))?
            .run()?;
        if good {
            built.executed()?;
        } else {
            built.refused("ADD", &[&url])?;
        }
    }
    Ok(())
}

/// A signature as a lookaside server has it, out of the evidence: the registry has none.
fn simple(case: &Case) -> Result<()> {
    let (signer, stranger) = (Signer::new()?, Signer::new()?);
    case.file("keys/publisher.asc", signer.public()?)?;
    let base = case.base("base")?;
    let payload = |repository: &str, digest: &str| {
        let critical = json!({
            "type": "atomic container signature",
            "identity": { "docker-reference": repository },
            "image": { "docker-manifest-digest": digest },
        });
        json!({ "critical": critical, "optional": {} }).to_string()
    };
    let rule = signed(&base.repository, &["publisher"]);
    policy(case, "openpgp = \"keys/publisher.asc\"", &rule)?;
    let dockerfile = format!("FROM {}\n{EXECUTE}\n", base.tagged());
    let other = Digest::sha256(b"other").to_string();
    let good = payload(&base.tagged(), &base.digest);
    for (by, payload, why) in [
        (&signer, good.clone(), None),
        (&stranger, good, Some("signed by")),
        (
            &signer,
            payload(&base.tagged(), &other),
            Some(other.as_str()),
        ),
        (
            &signer,
            payload("registry.test/other:latest", &base.digest),
            Some("registry.test/other"),
        ),
    ] {
        let message = by.gpg(&["--sign"], payload.as_bytes())?;
        let mut evidence = Evidence::default();
        evidence.insert(base.digest.parse()?, Proof::of_file(message)?);
        case.file("Dockerfile.evidence", evidence.to_string())?;
        let built = case.build(&dockerfile)?.run()?;
        match why {
            None => built.executed()?,
            Some(why) => built.refused("FROM", &[why])?,
        };
    }
    Ok(())
}

/// A signed commit, one by a stranger, and one without a signature, on branches of one repository.
fn commit(case: &Case) -> Result<()> {
    let (signer, stranger) = (Signer::new()?, Signer::new()?);
    case.file("keys/publisher.asc", signer.public()?)?;
    let base = case.base("base")?;
    let repository = case.git(&[("file", b"none".as_slice())])?;
    let bare = case
        .bench
        .git_folder()
        .join(&case.name)
        .with_extension("git");
    let git = |words: &[&str], input: &[u8]| -> Result<String> {
        let mut git = case.bench.engine.command("git");
        git.arg("--git-dir").arg(&bare).args(words);
        let done = run(&mut git, input, TOOL_LIMIT)?.success()?;
        Ok(done.stdout.trim().to_owned())
    };
    for (branch, by) in [
        ("good", Some(&signer)),
        ("stranger", Some(&stranger)),
        ("unsigned", None),
    ] {
        let blob = git(&["hash-object", "-w", "--stdin"], branch.as_bytes())?;
        let tree = git(
            &["mktree"],
            format!("100644 blob {blob}\tfile\n").as_bytes(),
        )?;
        let who = "test <a@example.com> 1700000000 +0000";
        let head = format!(
            "tree {tree}\nparent {}\nauthor {who}\ncommitter {who}\n",
            repository.commit
        );
        let message = format!("\n{branch} of {}\n", case.name);
        // As git does it: the signature is over the rest, and becomes a header, whose further lines begin with a blank.
        let signature = match by {
            None => String::new(),
            Some(by) => {
                let made = by.gpg(
                    &["--armor", "--detach-sign"],
                    (head.clone() + &message).as_bytes(),
                )?;
                let made = String::from_utf8(made)?;
                format!("gpgsig {}\n", made.trim_end().replace('\n', "\n "))
            }
        };
        let object = [head, signature, message].concat();
        let commit = git(
            &["hash-object", "-t", "commit", "-w", "--stdin"],
            object.as_bytes(),
        )?;
        git(
            &["update-ref", &format!("refs/heads/{branch}"), &commit],
            b"",
        )?;
    }
    let rule = format!(
        "{}[[git]]\nmatch = \"{}\"\nsigned-by = [\"publisher\"]\nsigned = \"commit\"\n",
        accept("image", &base.repository),
        repository.url
    );
    policy(case, "openpgp = \"keys/publisher.asc\"", &rule)?;
    let dockerfile = |branch: &str| {
        let url = &repository.url;
        format!(
            "FROM {}\nADD {url}#{branch} /source\n{EXECUTE}\n",
            base.tagged()
        )
    };
    case.build(&dockerfile("good"))?
        .with(&["--output", "type=local,dest=out"])
        .run()?
        .executed()?;
    assert_eq!(case.read("out/source/file")?, "good");
    for (bad, why) in [
        ("stranger", "signed by"),
        ("unsigned", "the commit is not signed"),
    ] {
        case.build(&dockerfile(bad))?
            .run()?
            .refused("ADD", &[&repository.url, why])?;
    }
    Ok(())
}
