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
    assert!(told(&output).contains("app.tar.gz"), "{}", told(&output));
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
