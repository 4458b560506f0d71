//! One build for each kind of proof: what is signed is built, and what differs in one thing is refused at its line. The files
//! and signatures are those of `testdata/proofs`, made by the real tools.

use std::{fs, path::Path};

use engine::{Result, process::run};

use crate::{
    Test,
    bench::{Case, EXECUTE, Outcome, TOOL_LIMIT, accept},
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
    ("keyless", |case| {
        let file = ["release.bin", "file.json"];
        beside(case, "sigstore", "root.json", &identity(""), file)
    }),
    ("attested", |case| {
        let file = ["release.bin", "provenance.json"];
        let build =
            format!("builder = \"{IDENTITY}\"\nsource = \"{SOURCE}\"\nref = \"refs/tags/*\"\n");
        beside(case, "sigstore", "root.json", &identity(&build), file)
    }),
    ("attested_otherwise", attested_otherwise),
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
        let key = ["git", "alice.asc", "openpgp = \"keys/alice.asc\""];
        git(case, key, "v1", ["git", "sha1.tag"])
    }),
    ("git_tag_by_ssh", |case| {
        let key = ["git", "alice.pub", "ssh = \"keys/alice.pub\""];
        git(case, key, "v2", ["git", "sha1-ssh.tag"])
    }),
    ("git_tag_by_identity", |case| {
        let key = ["gitsign", "root.json", &identity("")];
        git(case, key, "v4", ["gitsign", "good.tag"])
    }),
    ("git_tag_by_certificate", |case| {
        let key = "x509 = \"keys/root.pem\"\nidentity = \"alice@example.com\"";
        git(
            case,
            ["x509", "root.pem", key],
            "v5",
            ["x509", "gpgsm-sha1.tag"],
        )
    }),
    // That of the policy, another, and one without proof of time.
    ("git_commit_by_identity", |case| {
        let key = ["gitsign", "root.json", &identity("")];
        let others = [
            ("other", ["gitsign", "other-identity.commit"], "evil"),
            ("online", ["gitsign", "no-time.commit"], "gitsign.rekorMode"),
        ];
        git_commit(case, key, ["gitsign", "good.commit"], &others)
    }),
];

/// Who signs in `testdata/proofs/sigstore` and `gitsign`, and from which repository.
const IDENTITY: &str =
    "https://git.example.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3";
const SOURCE: &str = "https://git.example.com/acme/app";

/// The members of a key: the identity, and `more`.
fn identity(more: &str) -> String {
    format!(
        "issuer = \"https://token.example.com\"\nidentity = \"{IDENTITY}\"\ntrusted-root = \"keys/root.json\"\n{more}"
    )
}

pub fn testdata(folder: &str, name: &str) -> Result<Vec<u8>> {
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

pub fn policy(case: &Case, key: &str, rules: &str) -> Result<()> {
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
    // A second build checks nothing again. What needs no bytes is checked by the frontend. BuildKit 0.13 was once seen, on a very busy
    // machine, to have lost what it had just cached: it gets a second chance.
    let step = format!("[verified] check signatures of {url}");
    let build = || case.build(&good)?.with(&out).run()?.built();
    let fresh = |built: &Outcome| built.output.contains(&step) && !built.is_cached(&step);
    let mut again = build()?;
    if fresh(&again) {
        again = build()?;
    }
    assert!(!fresh(&again), "checked again: {}", again.output);
    let over_bytes = signature != "inline.gpg" && folder != "sigstore";
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

/// A policy that expects another build of a file than the one attested, or only a signature.
fn attested_otherwise(case: &Case) -> Result<()> {
    const FILE: &str = "release.bin";
    case.file("keys/root.json", testdata("sigstore", "root.json")?)?;
    let base = case.base("base")?;
    let at = format!("/proofs/{}", case.name);
    let bundle = testdata("sigstore", "provenance.json")?;
    case.bench.web.put(&format!("{at}/{FILE}.json"), &bundle);
    let content = testdata("sigstore", FILE)?;
    let url = case.bench.web.put(&format!("{at}/{FILE}"), &content);
    let dockerfile = format!("FROM {}\nADD {url} /file\n{EXECUTE}\n", base.tagged());
    let rule = format!(
        "{}[[http]]\nmatch = \"{url}\"\nsigned-by = [\"publisher\"]\nsignature = \"*.json\"\n",
        accept("image", &base.repository)
    );
    let wants = |what: &str, value: &str| format!("{what} = \"{value}\"\n");
    policy(case, &identity(&wants("source", SOURCE)), &rule)?;
    case.build(&dockerfile)?.run()?.executed()?;
    for (more, why) in [
        (
            wants("builder", &IDENTITY.replace("acme", "evil")),
            "the provenance's builder is",
        ),
        (
            wants("source", &SOURCE.replace("acme", "evil")),
            "the provenance's source repository is",
        ),
        (
            wants("ref", "refs/heads/main"),
            "the provenance's source ref is",
        ),
        (String::new(), "messageSignature"),
    ] {
        policy(case, &identity(&more), &rule)?;
        case.build(&dockerfile)?
            .run()?
            .refused("ADD", &[&url, why])?;
    }
    Ok(())
}

/// A bare repository of the objects in `testdata/proofs`, with these refs.
pub fn repository(case: &Case, refs: &[(&str, &str, [&str; 2])]) -> Result<String> {
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
    let object = |kind: &str, [folder, name]: [&str; 2]| {
        let bytes = testdata(folder, name)?;
        git(&["hash-object", "-t", kind, "-w", "--stdin"], &bytes)
    };
    // What the tags are of.
    object("commit", ["git", "sha1.commit"])?;
    object("commit", ["git", "sha1-ssh.commit"])?;
    object("commit", ["git", "unsigned.commit"])?;
    object("commit", ["x509", "gpgsm-sha1.commit"])?;
    for (name, kind, file) in refs {
        git(&["update-ref", name, &object(kind, *file)?], b"")?;
    }
    Ok(format!(
        "http://{}/git/{}.git",
        case.bench.web.host(),
        case.name
    ))
}

/// The rules for a repository, and the start of a Dockerfile that adds a reference of it.
fn git_policy(case: &Case, key: [&str; 3], url: &str, signed: &str) -> Result<String> {
    let [folder, file, key] = key;
    case.file(&format!("keys/{file}"), testdata(folder, file)?)?;
    let base = case.base("base")?;
    let rule = format!(
        "{}[[git]]\nmatch = \"{url}\"\nsigned-by = [\"publisher\"]\nsigned = \"{signed}\"\n",
        accept("image", &base.repository)
    );
    policy(case, key, &rule)?;
    Ok(format!("FROM {}\nADD {url}", base.tagged()))
}

/// A signed tag.
fn git(case: &Case, key: [&str; 3], tag: &str, object: [&str; 2]) -> Result<()> {
    // BuildKit keeps what it fetched by commit, and newer ones by name, whatever the repository: no two tests use a tag of one commit.
    let other = format!("{tag}-too");
    let url = repository(
        case,
        &[
            ("refs/heads/main", "commit", ["git", "sha1-ssh.commit"]),
            (&format!("refs/tags/{tag}"), "tag", object),
            // One that is not signed, and one that is, under another name.
            ("refs/tags/unsigned", "tag", ["git", "unsigned.tag"]),
            (&format!("refs/tags/{other}"), "tag", object),
        ],
    )?;
    let start = git_policy(case, key, &url, "tag")?;
    case.build(&format!("{start}#{tag} /source\n{EXECUTE}\n"))?
        .with(&["--output", "type=local,dest=out"])
        .run()?
        .executed()?;
    assert_eq!(case.read("out/source/file")?, "one\n");
    for bad in ["unsigned", &other, "main"] {
        case.build(&format!("{start}#{bad} /source\n{EXECUTE}\n"))?
            .run()?
            .refused("ADD", &[&url])?;
    }
    Ok(())
}

/// A signed commit; `others` are refused, each with its reason.
fn git_commit(
    case: &Case,
    key: [&str; 3],
    good: [&str; 2],
    others: &[(&str, [&str; 2], &str)],
) -> Result<()> {
    let unsigned = ("unsigned", ["git", "unsigned.commit"], "not signed");
    let others: Vec<_> = others.iter().copied().chain([unsigned]).collect();
    let names: Vec<String> = ["good"]
        .into_iter()
        .chain(others.iter().map(|(name, ..)| *name))
        .map(|name| format!("refs/heads/{name}"))
        .collect();
    let files = [good]
        .into_iter()
        .chain(others.iter().map(|(_, file, _)| *file));
    let refs: Vec<_> = names
        .iter()
        .zip(files)
        .map(|(name, file)| (name.as_str(), "commit", file))
        .collect();
    let url = repository(case, &refs)?;
    let start = git_policy(case, key, &url, "commit")?;
    let dockerfile = |name: &str| format!("{start}#{name} /source\n{EXECUTE}\n");
    case.build(&dockerfile("good"))?
        .with(&["--output", "type=local,dest=out"])
        .run()?
        .executed()?;
    assert_eq!(case.read("out/source/file")?, "one\n");
    for (bad, _, why) in others {
        case.build(&dockerfile(bad))?
            .run()?
            .refused("ADD", &[&url, why])?;
    }
    Ok(())
}
