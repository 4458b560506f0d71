//! Files and their publishers: `lock`, `verify` and `init` with signatures that were really made.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::server::{Asked, Server, ok, root, status};

fn testdata(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/proofs")
        .join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

struct Case {
    folder: PathBuf,
    server: Server,
}

impl Case {
    /// A server with `files`: name there, and path below testdata/proofs.
    fn new(name: &str, files: &'static [(&'static str, &'static str)]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("files-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("root.pem"), root()).unwrap();
        let server = Server::tls(move |asked: &Asked| {
            let found = files
                .iter()
                .find(|(name, _)| asked.target == format!("/v1/{name}"));
            found.map_or(status(404), |(_, path)| ok(testdata(path)))
        });
        Self { folder, server }
    }

    fn url(&self, name: &str) -> String {
        format!("https://{}/v1/{name}", self.server.host())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.folder.join(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }

    fn run(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_verified-dockerfile"))
            .args(words)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("SSL_CERT_FILE", self.folder.join("root.pem"))
            .output()
            .unwrap()
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn told(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

const SIGNED: &[(&str, &str)] = &[
    ("release.bin", "minisign/release.bin"),
    ("release.bin.minisig", "minisign/release.minisig"),
    ("app.tar.gz", "checksums/app.tar.gz"),
    ("SHA256SUMS", "checksums/SHA256SUMS"),
    ("SHA256SUMS.minisig", "checksums/SHA256SUMS.minisig"),
    ("other.tar.gz", "checksums/other.tar.gz"),
];

fn policy(case: &Case) -> String {
    // The second line of the file is the key.
    let key = |path: &str| {
        let text = String::from_utf8(testdata(path)).unwrap();
        text.lines().nth(1).unwrap().to_owned()
    };
    format!(
        "version = 1\n\n[keys.tool]\nminisign = \"{}\"\n\n[keys.list]\nminisign = \"{}\"\n\n\
         [[http]]\nmatch = \"{}\"\nsigned-by = [\"tool\"]\nsignature = \"*.minisig\"\n\n\
         [[http]]\nmatch = \"{}\"\nsigned-by = [\"list\"]\nchecksums = \"SHA256SUMS\"\nsignature = \"*.minisig\"\n",
        key("minisign/alice.pub"),
        key("checksums/minisign.pub"),
        case.url("release.bin"),
        case.url("*.tar.gz"),
    )
}

#[test]
fn signed_files_are_locked_with_their_proofs() {
    let case = Case::new("lock", SIGNED);
    case.write("verified.toml", policy(&case));
    let text = format!(
        "FROM scratch\nADD {} /a\nADD {} /b\n",
        case.url("release.bin"),
        case.url("app.tar.gz")
    );
    case.write("Dockerfile", &text);
    let output = case.run(&["lock"]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("2 added"), "{}", told(&output));
    let (lock, evidence) = (
        case.read("Dockerfile.lock"),
        case.read("Dockerfile.evidence"),
    );
    assert!(
        lock.contains("verified-by = [\"tool\"]") && lock.contains("verified-by = [\"list\"]"),
        "{lock}"
    );
    // The list and its signature, and the signature of the other file.
    assert_eq!(evidence.lines().count(), 3, "{evidence}");
    let asked = case.server.asked().len();
    assert_eq!(asked, 5);

    // With lock and evidence the list is not asked for again.
    assert!(case.run(&["lock"]).status.success());
    let again: Vec<String> = case.server.asked()[asked..]
        .iter()
        .map(|asked| asked.target.clone())
        .collect();
    assert!(
        !again
            .iter()
            .any(|target| target.contains("SHA256SUMS") || target.contains(".tar.gz")),
        "{again:?}"
    );
    assert_eq!(case.read("Dockerfile.lock"), lock);

    // A lock that today's policy does not accept: both reasons are told.
    let other = policy(&case).replace("signed-by = [\"list\"]", "signed-by = [\"tool\"]");
    case.write("verified.toml", other);
    let output = case.run(&["lock", "--check"]);
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "app.tar.gz",
        "not by `tool`",
        "which was signed by `list` then",
    ] {
        assert!(told(&output).contains(part), "{part}: {}", told(&output));
    }
    assert_eq!(case.read("Dockerfile.lock"), lock);
}

#[test]
fn what_is_not_signed_as_the_policy_says_is_not_locked() {
    // The same, with one signature of another file.
    const WRONG: &[(&str, &str)] = &[
        ("release.bin", "minisign/release.bin"),
        ("release.bin.minisig", "minisign/other.minisig"),
    ];
    let case = Case::new("wrong", WRONG);
    case.write("verified.toml", policy(&case));
    case.write(
        "Dockerfile",
        format!("FROM scratch\nADD {} /a\n", case.url("release.bin")),
    );
    let output = case.run(&["lock"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told(&output).contains("none of the keys"),
        "{}",
        told(&output)
    );
    assert!(!case.folder.join("Dockerfile.lock").exists());
}

#[test]
fn one_artifact_is_verified() {
    let case = Case::new("verify", SIGNED);
    case.write("verified.toml", policy(&case));
    case.write("release.bin", testdata("minisign/release.bin"));
    case.write("release.bin.minisig", testdata("minisign/release.minisig"));
    let url = case.url("release.bin");
    let good = case.run(&["verify", &url]);
    assert!(
        good.status.success() && told(&good).contains("signed by `tool`"),
        "{}",
        told(&good)
    );
    // A file here, for which nobody is asked.
    let asked = case.server.asked().len();
    let here = case.run(&["verify", "release.bin", "--as", &url]);
    assert!(
        here.status.success() && told(&here).contains("verified"),
        "{}",
        told(&here)
    );
    assert_eq!(case.server.asked().len(), asked);
    // One byte differs.
    let mut bytes = testdata("minisign/release.bin");
    bytes[0] ^= 1;
    case.write("release.bin", bytes);
    let changed = case.run(&["verify", "release.bin", "--as", &url]);
    assert_eq!(changed.status.code(), Some(1), "{}", told(&changed));
    // No rule; no such file; nothing that could be asked for.
    for (words, code) in [
        (&["verify", "https://files.example.com/x"][..], 1),
        (&["verify", "release.bin"], 2),
        (&["verify", "UPPER"], 2),
        (&["verify", &format!("{url}.none")], 1),
    ] {
        let output = case.run(words);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{words:?}: {}",
            told(&output)
        );
    }
}

#[test]
fn a_policy_is_proposed_and_nothing_accepted() {
    let case = Case::new("init", SIGNED);
    let text = format!(
        "FROM scratch\nADD {} /a\nADD {} /b\nADD {} /c\n",
        case.url("release.bin"),
        case.url("app.tar.gz"),
        case.url("other.tar.gz")
    );
    case.write("Dockerfile", &text);
    let output = case.run(&["init", "--output", "verified.toml"]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let proposed = case.read("verified.toml");
    for part in [
        "# minisign:",
        "# signature = \"*.minisig\"",
        "# checksums = \"SHA256SUMS\"",
        "# DECIDE: it is signed by a key that only its publisher can name",
        "(Dockerfile:2)",
    ] {
        assert!(proposed.contains(part), "{part}: {proposed}");
    }
    // As it is, it allows nothing.
    let locked = case.run(&["lock"]);
    assert_eq!(locked.status.code(), Some(1));
    assert!(told(&locked).contains("3 refused"), "{}", told(&locked));
    // And it is not written over.
    let again = case.run(&["init", "--output", "verified.toml"]);
    assert_eq!(again.status.code(), Some(2));
    assert_eq!(case.read("verified.toml"), proposed);
}

const STEPS: &[(&str, &str)] = &[
    ("app.tar.gz", "checksums/app.tar.gz"),
    ("other.tar.gz", "checksums/other.tar.gz"),
    ("tool.bin", "openpgp/release.bin"),
    ("tool.bin.asc", "openpgp/alice.sig.asc"),
];

#[test]
fn what_steps_download_and_check_is_proposed() {
    use verified_dockerfile::{digest::Digest, verify::openpgp};
    let case = Case::new("init-steps", STEPS);
    let by = openpgp::issuers(&testdata("openpgp/alice.sig.asc"));
    let [signer] = by.as_slice() else {
        panic!("{by:?}");
    };
    let good = Digest::sha256(&testdata("checksums/other.tar.gz"));
    let (good, wrong) = (good.hex(), "1".repeat(64));
    let (app, other, tool) = (
        case.url("app.tar.gz"),
        case.url("other.tar.gz"),
        case.url("tool.bin"),
    );
    case.write(
        "Dockerfile",
        format!(
            "FROM scratch AS other\n\
             RUN curl -fsSLO {other} && echo '{good}  other.tar.gz' | sha256sum -c -\n\
             RUN curl -fsSL -o app.tar.gz {app} && echo '{wrong}  app.tar.gz' | sha256sum -c -\n\
             FROM scratch\n\
             RUN curl -fsSLO {tool} && curl -fsSLO {tool}.asc && gpg --keyserver hkps://keys.test --recv-keys {signer} \
             && gpg --verify tool.bin.asc tool.bin\n\
             RUN apt-get update && apt-get install -y git\n\
             RUN make\n"
        ),
    );
    let output = case.run(&["init", "--output", "verified.toml"]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let proposed = case.read("verified.toml");
    let signer = signer.to_ascii_uppercase();
    for part in [
        format!(
            "# {other} (Dockerfile:2)\n# DECIDE: no signature was found, but a step compares it"
        ),
        format!("# reason = \"Dockerfile:2 compares it with sha256:{good}\""),
        format!("# CAREFUL: a step wants sha256:{wrong}, and now it is sha256:"),
        format!("# a step wants an OpenPGP signature by {signer}"),
        format!(
            "# [keys.tool-bin]\n# fingerprint = \"{signer}\"\n# openpgp = \"keys/tool-bin.asc\"\n"
        ),
        "# Dockerfile:5 takes it for the signature of tool.bin\n".to_owned(),
        "# RUN apt-get update && apt-get install -y git (Dockerfile:6)\n".to_owned(),
        "# it loads apt: git\n".to_owned(),
        "# match = \"apt-get update && apt-get install -y git\"\n".to_owned(),
        "# RUN make (Dockerfile:7)\n# it cannot be told what it loads".to_owned(),
    ] {
        assert!(proposed.contains(&part), "{part}\n{proposed}");
    }
    // The wrong hash is no reason to accept anything.
    assert!(
        !proposed.contains(&format!("compares it with sha256:{wrong}")),
        "{proposed}"
    );
    // As it is, it is a policy, and allows nothing.
    let document: toml_edit::DocumentMut = proposed.parse().unwrap();
    assert_eq!(
        document.iter().map(|(key, _)| key).collect::<Vec<_>>(),
        ["version"]
    );
    assert_eq!(case.run(&["check"]).status.code(), Some(1));
}

#[test]
fn without_an_engine_fetches_are_locked_and_steps_are_told() {
    let case = Case::new("steps", SIGNED);
    case.write("verified.toml", policy(&case));
    let step = format!("RUN curl -fsSLO {}\n", case.url("other.tar.gz"));
    let text = format!("FROM scratch\nADD {} /a\n{step}", case.url("release.bin"));
    case.write(
        "Dockerfile",
        format!("# syntax=docker/dockerfile:1\n{text}"),
    );
    fs::create_dir(case.folder.join("empty")).unwrap();
    let run = |words: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_verified-dockerfile"))
            .args(words)
            .current_dir(&case.folder)
            .env_clear()
            // No docker.
            .env("PATH", case.folder.join("empty"))
            .env("SSL_CERT_FILE", case.folder.join("root.pem"))
            .output()
            .unwrap()
    };
    for (words, why) in [
        (&["lock"][..], "nobody says which frontend records it"),
        (
            &["lock", "--frontend", "registry.test/frontend"],
            "docker: ",
        ),
        (&["lock", "--check"], "the lock has no recording of it"),
        (&["lock", "--record=always", "--frontend", "x"], "docker: "),
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(1), "{}", told(&output));
        for part in [why, "error[VD012]", "Dockerfile:4:1", "curl https://"] {
            assert!(told(&output).contains(part), "{part}: {}", told(&output));
        }
        assert!(case.read("Dockerfile.lock").contains("release.bin"));
        assert!(!case.read("Dockerfile.lock").contains("[[run]]"));
    }
    let left = run(&["lock", "--record=never"]);
    assert!(left.status.success(), "{}", told(&left));
    assert!(
        told(&left).contains("1 RUN step downloads and has no recording yet"),
        "{}",
        told(&left)
    );
    let json = run(&["lock", "--format", "json"]);
    assert_eq!(json.status.code(), Some(1));
    assert!(
        serde_json::from_slice::<serde_json::Value>(&json.stdout).is_ok(),
        "{}",
        told(&json)
    );
}

#[test]
fn stages_that_the_last_one_does_not_need_are_locked_unless_a_target_is_named() {
    let case = Case::new("stages", SIGNED);
    case.write("verified.toml", policy(&case));
    case.write(
        "Dockerfile",
        format!(
            "FROM scratch AS other\nADD {} /a\nFROM scratch\nADD {} /b\n",
            case.url("release.bin"),
            case.url("app.tar.gz")
        ),
    );
    let one = case.run(&["lock", "--target", "other"]);
    assert!(one.status.success(), "{}", told(&one));
    assert!(!case.read("Dockerfile.lock").contains("app.tar.gz"));
    let checked = case.run(&["check"]);
    let found = told(&checked);
    assert!(
        found.contains("2 fetches") && found.contains("app.tar.gz"),
        "{found}"
    );
    assert!(case.run(&["lock"]).status.success());
    for name in ["app.tar.gz", "release.bin"] {
        assert!(case.read("Dockerfile.lock").contains(name));
    }
}

#[test]
fn branches_that_add_different_entries_merge() {
    use verified_dockerfile::lock::{Entry, Key, Lock};
    let case = Case::new("merge", &[]);
    let entry = || Entry {
        pin: format!("sha256:{}", "1".repeat(64)),
        verified_by: vec!["key".to_owned()],
        evidence: Vec::new(),
    };
    let key = |name: &str| Key::Image(format!("registry.test/{name}:1").parse().unwrap(), None);
    let with = |text: &str, name: &str| {
        let mut lock = Lock::parse(text.as_bytes(), "x").unwrap();
        lock.set(key(name), entry()).unwrap();
        lock.render(text)
    };
    let base = with(&with(&with("version = 1\n", "b"), "d"), "f");
    case.write("base", &base);
    case.write("ours", with(&base, "c"));
    case.write("theirs", with(&base, "e"));
    let merged = Command::new("git")
        .args(["merge-file", "-p", "ours", "base", "theirs"])
        .current_dir(&case.folder)
        .output()
        .unwrap();
    assert!(merged.status.success(), "{}", told(&merged));
    let merged = String::from_utf8(merged.stdout).unwrap();
    assert_eq!(merged, with(&with(&base, "c"), "e"));
}
