//! The user's logins stay where they belong: at the registry and its token service, and nowhere else.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use sha2::{Digest as _, Sha256};

use crate::server::{Asked, Reply, Server, challenge, ok, redirect, root, status};

const PASSWORD: &str = "hunter2-of-the-user";
/// `user:` and the password, in base64.
const PAIR: &str = "dXNlcjpodW50ZXIyLW9mLXRoZS11c2Vy";
const TOKEN: &str = "token-of-the-service";

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

const CONFIG: &[u8] =
    br#"{"os":"linux","architecture":"amd64","config":{},"rootfs":{"diff_ids":["sha256:0"]}}"#;

fn manifest() -> Vec<u8> {
    let config = digest(CONFIG);
    format!(r#"{{"schemaVersion":2,"config":{{"mediaType":"c","digest":"{config}","size":1}},"layers":[]}}"#).into_bytes()
}

/// A registry that wants a login and keeps its blobs at `storage`.
fn registry(storage: String) -> Server {
    Server::tls(move |asked: &Asked| {
        let host = &asked.headers["host"];
        if asked.target.starts_with("/token") {
            return match asked.authorization() == Some(&format!("Basic {PAIR}")) {
                true => ok(format!(r#"{{"token":"{TOKEN}"}}"#)),
                false => status(401),
            };
        }
        if asked.authorization() != Some(&format!("Bearer {TOKEN}")) {
            return challenge(format!(
                "Bearer realm=\"https://{host}/token\",service=\"x\""
            ));
        }
        if asked.target.ends_with("/manifests/v1") {
            return ok(manifest());
        }
        if asked.target.contains("/blobs/") {
            return redirect(format!(
                "https://{storage}/blob?signed=secret-of-the-address"
            ));
        }
        status(404)
    })
}

struct Case {
    folder: PathBuf,
    storage: Server,
    registry: Server,
}

impl Case {
    fn new(name: &str, blob: impl Fn() -> Reply + Send + Sync + 'static) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("secrets-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("bin")).unwrap();
        let storage = Server::tls(move |_: &Asked| blob());
        let registry = registry(storage.host());
        let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
        write("root.pem", root());
        write(
            "Dockerfile",
            format!("FROM {}/team/app:v1\n", registry.host()),
        );
        write(
            "verified.toml",
            "version = 1\n[[image]]\nmatch = \"**\"\naccept = \"digest\"\nreason = \"test\"\nuntil = 9999-12-31\n".to_owned(),
        );
        Self {
            folder,
            storage,
            registry,
        }
    }

    fn login(&self, config: &str) {
        fs::write(
            self.folder.join("config.json"),
            config.replace("HOST", &self.registry.host()),
        )
        .unwrap();
    }

    fn run(&self, words: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap();
        Command::new(env!("CARGO_BIN_EXE_verified-dockerfile"))
            .args(words)
            .current_dir(&self.folder)
            .env_clear()
            .env(
                "PATH",
                format!("{}:{path}", self.folder.join("bin").display()),
            )
            .env("DOCKER_CONFIG", &self.folder)
            .env("SSL_CERT_FILE", self.folder.join("root.pem"))
            .output()
            .unwrap()
    }

    /// No secret in what was printed, in the files, or at another host.
    fn nothing_leaked(&self, outputs: &[&Output]) {
        let mut texts: Vec<String> = Vec::new();
        for output in outputs {
            texts.push(String::from_utf8_lossy(&output.stdout).into_owned());
            texts.push(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        for name in ["Dockerfile.lock", "Dockerfile.evidence"] {
            texts.push(fs::read_to_string(self.folder.join(name)).unwrap_or_default());
        }
        for text in texts {
            for secret in [PASSWORD, PAIR, TOKEN, "secret-of-the-address"] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
        for asked in self.storage.asked() {
            assert_eq!(asked.authorization(), None);
            let all = format!("{asked:?}");
            for secret in [PASSWORD, PAIR, TOKEN] {
                assert!(!all.contains(secret), "{all}");
            }
        }
        // The login itself goes to the token service only.
        for asked in self.registry.asked() {
            let is_login = asked
                .authorization()
                .is_some_and(|value| value.contains(PAIR));
            assert!(!is_login || asked.target.starts_with("/token"), "{asked:?}");
        }
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const AUTHS: &str = r#"{"auths":{"HOST":{"auth":"dXNlcjpodW50ZXIyLW9mLXRoZS11c2Vy"}}}"#;

#[test]
fn a_login_opens_the_registry_and_is_told_to_nobody_else() {
    let case = Case::new("good", || ok(CONFIG));
    case.login(AUTHS);
    let locked = case.run(&["lock"]);
    assert!(
        locked.status.success(),
        "{}",
        String::from_utf8_lossy(&locked.stderr)
    );
    let lock = fs::read_to_string(case.folder.join("Dockerfile.lock")).unwrap();
    assert!(lock.contains(&digest(&manifest())), "{lock}");
    let again = case.run(&["lock", "--update", "--format", "json"]);
    assert!(again.status.success());
    let checked = case.run(&["check", "--format", "json"]);
    let verified = case.run(&["verify", &format!("{}/team/app:v1", case.registry.host())]);
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stderr)
    );
    assert!(!case.storage.asked().is_empty());
    case.nothing_leaked(&[&locked, &again, &checked, &verified]);
}

#[test]
fn a_helper_is_asked_for_the_login() {
    let case = Case::new("helper", || ok(CONFIG));
    case.login(r#"{"auths":{"HOST":{}},"credHelpers":{"HOST":"of-the-test"}}"#);
    let helper = case.folder.join("bin/docker-credential-of-the-test");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = get ] || exit 1\nread -r server\n[ \"$server\" = {} ] || exit 1\n\
         echo '{{\"ServerURL\":\"x\",\"Username\":\"user\",\"Secret\":\"{PASSWORD}\"}}'\n",
        case.registry.host()
    );
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let locked = case.run(&["lock"]);
    assert!(
        locked.status.success(),
        "{}",
        String::from_utf8_lossy(&locked.stderr)
    );
    case.nothing_leaked(&[&locked]);
}

#[test]
fn failures_tell_no_secret() {
    // The storage refuses, at an address that is a secret; and the login is a wrong one.
    let refusing = Case::new("refusing", || status(403));
    refusing.login(AUTHS);
    let wrong = Case::new("wrong", || ok(CONFIG));
    wrong.login(&AUTHS.replace(
        "dXNlcjpodW50ZXIyLW9mLXRoZS11c2Vy",
        "dXNlcjp3cm9uZy1zZWNyZXQ=",
    ));
    let none = Case::new("none", || ok(CONFIG));
    let broken = Case::new("broken", || ok(CONFIG));
    broken.login(&AUTHS.replace("}}}", "}}"));
    for (case, code, why) in [
        (&refusing, 1, "forbids it"),
        (&wrong, 1, "were refused"),
        (&none, 1, "docker login"),
        (&broken, 2, "config.json"),
    ] {
        for format in ["text", "json"] {
            let output = case.run(&["lock", "--format", format]);
            let told = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            assert_eq!(output.status.code(), Some(code), "{told}");
            assert!(told.contains(why), "{why}: {told}");
            assert!(
                !told.contains("wrong-secret") && !told.contains("dXNlcj"),
                "{told}"
            );
            assert!(!case.folder.join("Dockerfile.lock").exists() || code == 1);
            case.nothing_leaked(&[&output]);
        }
    }
}
