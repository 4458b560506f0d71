//! Logins that a program keeps: Docker's credential helpers.
//!
//! Source: the protocol of `docker-credential-helpers` (`docker-credential-NAME get`: the server's address on standard input, JSON
//! with `Username` and `Secret` on standard output; the user name `<token>` marks a refresh token).

use std::{
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde::Deserialize;

use super::auth::{Login, Secret};

/// How long a helper may take. Some ask the user.
const PATIENCE: Duration = Duration::from_secs(60);
/// Largest answer, in bytes.
const MAX_ANSWER: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// What the helper `name` knows for `server`; nothing, whatever the reason: then the registry says what it wants.
pub(super) fn get(name: &str, server: &str) -> Option<Login> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        return None;
    }
    let mut child = Command::new(format!("docker-credential-{name}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // A helper that reads nothing is no reason to stop.
    let _ = child.stdin.take()?.write_all(server.as_bytes());
    let out = child.stdout.take()?;
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = out.take(MAX_ANSWER).read_to_end(&mut bytes);
        bytes
    });
    if !ends_well(&mut child) {
        return None;
    }
    read(&reader.join().ok()?)
}

fn ends_well(child: &mut Child) -> bool {
    let end = Instant::now().checked_add(PATIENCE);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if end.is_some_and(|end| Instant::now() < end) => {
                thread::sleep(Duration::from_millis(5));
            }
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

fn read(bytes: &[u8]) -> Option<Login> {
    let Answer { username, secret } = serde_json::from_slice(bytes).ok()?;
    if secret.is_empty() {
        return None;
    }
    Some(match username.as_str() {
        "<token>" => Login::Refresh(Secret(secret)),
        _ => Login::Password {
            user: username,
            password: Secret(secret),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_logins() {
        let password = read(br#"{"ServerURL":"x","Username":"u","Secret":"p"}"#);
        assert!(matches!(password, Some(Login::Password { user, .. }) if user == "u"));
        let token = read(br#"{"Username":"<token>","Secret":"t"}"#);
        assert!(matches!(token, Some(Login::Refresh(Secret(t))) if t == "t"));
        for none in [
            &b""[..],
            b"credentials not found",
            br#"{"Username":"u","Secret":""}"#,
            br#"{"Username":"u"}"#,
        ] {
            assert!(read(none).is_none());
        }
    }

    #[test]
    fn only_plain_names_are_run() {
        for name in [
            "",
            "../x",
            "a/b",
            "a b",
            "$(x)",
            "no-such-helper-on-this-machine",
        ] {
            assert!(get(name, "registry.test").is_none(), "{name}");
        }
    }
}
