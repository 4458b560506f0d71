//! One build for each kind of proof: what is signed is built, and what differs in one thing is refused at its line. The files
//! and signatures are those of `testdata/proofs`, made by the real tools.

use std::{fs, path::Path};

use engine::{Result, process::run};

use crate::{
    Test,
    bench::{Case, EXECUTE, TOOL_LIMIT, accept},
};

pub const TESTS: &[Test] = &[
    ("minisign", |case| {
        let key = "minisign = \"keys/alice.pub\"";
        beside(
            case,
            "minisign",
            "alice.pub",
            key,
            ["release.bin", "release.minisig"],
        )
    }),
    ("signify", |case| {
        let key = "signify = \"keys/alice.pub\"";
        beside(
            case,
            "signify",
            "alice.pub",
            key,
            ["release.bin", "release.sig"],
        )
    }),
    ("ssh", |case| {
        let key = "ssh = \"keys/ed25519.pub\"";
        beside(
            case,
            "ssh",
            "ed25519.pub",
            key,
            ["release.bin", "ed25519.sig"],
        )
    }),
    ("openpgp", |case| {
        let key = "openpgp = \"keys/alice.asc\"";
        beside(
            case,
            "openpgp",
            "alice.asc",
            key,
            ["release.bin", "alice.sig"],
        )
    }),
    ("openpgp_within", |case| {
        let key = "openpgp = \"keys/alice.asc\"";
        beside(
            case,
            "openpgp",
            "alice.asc",
            key,
            ["release.bin", "inline.gpg"],
        )
    }),
    ("list_by_minisign", |case| {
        let key = "minisign = \"keys/minisign.pub\"";
        listed(
            case,
            "minisign.pub",
            key,
            "SHA256SUMS",
            Some("SHA256SUMS.minisig"),
        )
    }),
    ("longer_list_by_minisign", |case| {
        let key = "minisign = \"keys/minisign.pub\"";
        listed(
            case,
            "minisign.pub",
            key,
            "SHA512SUMS",
            Some("SHA512SUMS.minisig"),
        )
    }),
    ("list_by_ssh", |case| {
        let key = "ssh = \"keys/ssh.pub\"";
        listed(
            case,
            "ssh.pub",
            key,
            "SHA256SUMS",
            Some("SHA256SUMS.sshsig"),
        )
    }),
    ("list_by_signify_within", |case| {
        let key = "signify = \"keys/signify.pub\"";
        listed(case, "signify.pub", key, "bsd.sums.sig", None)
    }),
    ("git_tag_by_openpgp", |case| {
        git(case, "openpgp = \"keys/alice.asc\"", "alice.asc", "v1")
    }),
    ("git_tag_by_ssh", |case| {
        git(case, "ssh = \"keys/alice.pub\"", "alice.pub", "v2")
    }),
];

fn testdata(folder: &str, name: &str) -> Result<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/proofs")
        .join(folder)
        .join(name);
    fs::read(&path).map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The same bytes with one bit of the middle one changed.
fn changed(mut bytes: Vec<u8>) -> Vec<u8> {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes
}

fn policy(case: &Case, key: &str, rules: &str) -> Result<()> {
    let text = format!("version = 1\n[keys.publisher]\n{key}\n{rules}");
    case.file("verified.toml", text)
}

/// A signature over the file's bytes, in a file beside it.
fn beside(
    case: &Case,
    folder: &str,
    key_file: &str,
    key: &str,
    [file, signature]: [&str; 2],
) -> Result<()> {
    let (content, proof) = (testdata(folder, file)?, testdata(folder, signature)?);
    case.file(&format!("keys/{key_file}"), testdata(folder, key_file)?)?;
    let base = case.base("base")?;
    let rule = format!(
        "{}[[http]]\nmatch = \"http://{}/**\"\nsigned-by = [\"publisher\"]\nsignature = \"{signature}\"\n",
        accept("image", &base.repository),
        case.bench.web.host()
    );
    policy(case, key, &rule)?;
    let served = |name: &str, content: &[u8], proof: &[u8]| {
        let at = format!("/proofs/{}/{name}", case.name);
        case.bench.web.put(&format!("{at}/{signature}"), proof);
        let url = case.bench.web.put(&format!("{at}/{file}"), content);
        (
            format!("FROM {}\nADD {url} /file\n{EXECUTE}\n", base.tagged()),
            url,
        )
    };
    let (good, url) = served("good", &content, &proof);
    let out = ["--output", "type=local,dest=out"];
    case.build(&good)?.with(&out).run()?.executed()?;
    assert_eq!(fs::read(case.folder.join("out/file"))?, content);
    // A second build checks nothing again. What needs no bytes is checked by the frontend.
    let again = case.build(&good)?.with(&out).run()?.built()?;
    let step = format!("[verified] check signatures of {url}");
    assert!(
        again.is_cached(&step) || !again.output.contains(&step),
        "checked again: {}",
        again.output
    );
    let over_bytes = !matches!(signature, "inline.gpg");
    assert_eq!(again.output.contains(&step), over_bytes);

    let (bad, url) = served("content", &changed(content.clone()), &proof);
    case.build(&bad)?.run()?.refused("ADD", &[&url])?;
    let (bad, url) = served("signature", &content, &changed(proof.clone()));
    case.build(&bad)?.run()?.refused("ADD", &[&url])?;
    let (bad, url) = served("none", &content, b"");
    case.build(&bad)?.run()?.refused("ADD", &[&url])?;
    Ok(())
}

/// A list of checksums, signed.
fn listed(
    case: &Case,
    key_file: &str,
    key: &str,
    list: &str,
    signature: Option<&str>,
) -> Result<()> {
    const FILE: &str = "app.tar.gz";
    let folder = "checksums";
    let content = testdata(folder, FILE)?;
    let list_bytes = testdata(folder, list)?;
    case.file(&format!("keys/{key_file}"), testdata(folder, key_file)?)?;
    let base = case.base("base")?;
    let at = signature.map_or_else(String::new, |name| format!("signature = \"{name}\"\n"));
    let rule = format!(
        "{}[[http]]\nmatch = \"http://{}/**\"\nsigned-by = [\"publisher\"]\nchecksums = \"{list}\"\n{at}",
        accept("image", &base.repository),
        case.bench.web.host()
    );
    policy(case, key, &rule)?;
    let served = |name: &str, content: &[u8], list_bytes: &[u8]| -> Result<_> {
        let at = format!("/proofs/{}/{name}", case.name);
        case.bench.web.put(&format!("{at}/{list}"), list_bytes);
        if let Some(signature) = signature {
            let proof = testdata(folder, signature)?;
            case.bench.web.put(&format!("{at}/{signature}"), &proof);
        }
        let url = case.bench.web.put(&format!("{at}/{FILE}"), content);
        let dockerfile = format!(
            "FROM {}\nADD --unpack=false {url} /file\n{EXECUTE}\n",
            base.tagged()
        );
        // Older grammars have no --unpack, and never unpack what comes from a URL.
        let dockerfile = dockerfile.replace(" --unpack=false", "");
        Ok((dockerfile, url))
    };
    let (good, _) = served("good", &content, &list_bytes)?;
    case.build(&good)?.run()?.executed()?;
    let (bad, url) = served("content", &changed(content.clone()), &list_bytes)?;
    case.build(&bad)?.run()?.refused("ADD", &[&url])?;
    let (bad, url) = served("list", &content, &changed(list_bytes))?;
    case.build(&bad)?.run()?.refused("ADD", &[&url])?;
    Ok(())
}

/// A signed tag, of the repository that the objects in `testdata/proofs/git` are of.
fn git(case: &Case, key: &str, key_file: &str, tag: &str) -> Result<()> {
    case.file(&format!("keys/{key_file}"), testdata("git", key_file)?)?;
    let base = case.base("base")?;
    let repository = case
        .bench
        .git_folder()
        .join(&case.name)
        .with_extension("git");
    let git = |words: &[&str], input: &[u8]| -> Result<String> {
        let mut command = case.bench.engine.command("git");
        command.arg("--git-dir").arg(&repository).args(words);
        Ok(run(&mut command, input, TOOL_LIMIT)?
            .success()?
            .stdout
            .trim()
            .to_owned())
    };
    git(&["init", "--quiet", "--bare", "--initial-branch=main"], b"")?;
    let blob = git(&["hash-object", "-w", "--stdin"], b"one\n")?;
    let line = format!("100644 blob {blob}\tfile\n");
    git(&["mktree"], line.as_bytes())?;
    let object = |kind: &str, name: &str| {
        let bytes = testdata("git", name)?;
        git(&["hash-object", "-t", kind, "-w", "--stdin"], &bytes)
    };
    object("commit", "sha1.commit")?;
    let commit = object("commit", "sha1-ssh.commit")?;
    let (v1, v2) = (object("tag", "sha1.tag")?, object("tag", "sha1-ssh.tag")?);
    let unsigned = object("tag", "unsigned.tag")?;
    for (name, id) in [
        ("refs/heads/main", &commit),
        ("refs/tags/v1", &v1),
        ("refs/tags/v2", &v2),
        // One that is not signed, and one that is, under another name.
        ("refs/tags/unsigned", &unsigned),
        ("refs/tags/v3", if tag == "v1" { &v1 } else { &v2 }),
    ] {
        git(&["update-ref", name, id], b"")?;
    }
    let url = format!("http://{}/git/{}.git", case.bench.web.host(), case.name);
    let rule = format!(
        "{}[[git]]\nmatch = \"{url}\"\nsigned-by = [\"publisher\"]\nsigned = \"tag\"\n",
        accept("image", &base.repository)
    );
    policy(case, key, &rule)?;
    let dockerfile = |reference: &str| {
        format!(
            "FROM {}\nADD {url}#{reference} /source\n{EXECUTE}\n",
            base.tagged()
        )
    };
    case.build(&dockerfile(tag))?
        .with(&["--output", "type=local,dest=out"])
        .run()?
        .executed()?;
    assert_eq!(case.read("out/source/file")?, "one\n");
    for bad in ["unsigned", "v3", "main"] {
        case.build(&dockerfile(bad))?
            .run()?
            .refused("ADD", &[&url])?;
    }
    Ok(())
}
