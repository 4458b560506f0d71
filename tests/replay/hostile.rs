//! Servers and clients that mean no good, or have no end: each gets a clear end, and others are not hindered.

use std::{fs, time::Instant};

use super::{Case, can, text};
use verified_dockerfile::replay::launch;

/// Where the proxy is, for clients that speak to it byte by byte.
const CLIENT: &str = "
import os, socket, sys, time
def ask(text):
    host, port = os.environ['http_proxy'].split('//')[1].split(':')
    client = socket.create_connection((host, int(port)))
    client.sendall(text.encode())
    return client
url = os.environ['HTTP']
";

fn python(script: &str) -> String {
    format!("python3 - <<'END'\n{CLIENT}{script}\nEND\n")
}

#[test]
fn bodies_that_break_off_or_lie_are_not_recorded() {
    if !can(&["curl"]) {
        return;
    }
    let case = Case::new("broken");
    let done = case.record(
        "for name in short lying; do curl -sS $HTTP/$name -o $name && exit 9; curl -sS $HTTPS/$name -o $name && exit 9; done
        curl -fsS $HTTP/file -o file",
    );
    assert!(done.status.success(), "{}", text(&done));
    let recorded = case.recording();
    let urls: Vec<_> = recorded.exchanges.iter().map(|one| &one.url).collect();
    assert!(
        matches!(urls.as_slice(), [url] if url.ends_with("/file")),
        "{urls:?}"
    );
    // Nor is a part of them left.
    let bodies = case.folder.join("records").join(launch::BODIES);
    assert_eq!(fs::read_dir(bodies).unwrap().count(), 1);
}

#[test]
fn a_head_that_is_too_long_is_an_error() {
    if !can(&["curl"]) {
        return;
    }
    let case = Case::new("long-head");
    let sent = "printf 'x-long: ' > long; head -c 10485760 /dev/zero | tr '\\0' x >> long
        status=$(curl -s -o /dev/null -w '%{http_code}' -H @long $HTTP/file); [ \"$status\" = 431 ] || [ \"$status\" = 000 ]";
    let done = case.record(&format!("{sent} && curl -sS $HTTP/long-head -o answer"));
    assert!(done.status.success(), "{}", text(&done));
    // Of a server it is an answer as any that cannot be read.
    let recorded = case.recording();
    let [answer] = recorded.exchanges.as_slice() else {
        panic!("{recorded:?}");
    };
    assert!(answer.url.ends_with("/long-head") && answer.status == 502);
    let done = case.replay(sent);
    assert!(done.status.success(), "{}", text(&done));
}

#[test]
fn a_body_without_end_does_not_keep_the_step() {
    if !can(&["curl"]) {
        return;
    }
    let case = Case::new("stalled");
    let start = Instant::now();
    let done = case.record("curl -s -m 2 $HTTP/stalled -o part; curl -fsS $HTTP/file -o file");
    assert_eq!(
        done.status.code(),
        Some(launch::REFUSED.into()),
        "{}",
        text(&done)
    );
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        told.contains("/stalled: its body had not come to its end"),
        "{told}"
    );
    assert!(start.elapsed().as_secs() < 120);
    assert_eq!(case.recording().exchanges.len(), 1);
}

#[test]
fn a_full_disk_fails_the_step() {
    if !can(&["curl"]) {
        return;
    }
    let case = Case::new("full");
    let records = case.folder.join("records");
    fs::create_dir(&records).unwrap();
    let mut command = case.command("unshare", "recorded");
    command
        .args([
            "--mount",
            "sh",
            "-c",
            "mount -t tmpfs -o size=4m none \"$0\" && exec \"$@\"",
        ])
        .arg(&records)
        .args([super::PROGRAM, "internal", "record"])
        .arg(&records)
        .arg(verified_dockerfile::digest::Digest::sha256(b"step").to_string())
        .arg(case.folder.join("settings-1"))
        .args([
            "sh",
            "-c",
            "curl -sS $HTTP/big -o big; curl -fsS $HTTP/file -o file",
        ]);
    let done = command.output().unwrap();
    assert_eq!(
        done.status.code(),
        Some(launch::REFUSED.into()),
        "{}",
        text(&done)
    );
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        told.contains("/big: it cannot be kept: No space left"),
        "{told}"
    );
    // Others are served as before.
    assert!(case.folder.join("recorded/file").exists());
}

#[test]
fn clients_that_never_read_or_never_ask_hinder_nobody() {
    if !can(&["curl", "python3"]) {
        return;
    }
    let case = Case::new("idle");
    let script = python(
        "
unread = [ask(f'GET {url}/big HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n') for _ in range(3)]
slow = [ask('GET http://files.te') for _ in range(20)]
assert os.system('curl -fsS $HTTP/file -o one && curl -fsS $HTTPS/file -o two') == 0
# One client's next request does not wait for ever for its first answer to be read.
for client in unread:
    client.close()
assert os.system('curl -fsS $HTTP/big -o big') == 0
",
    );
    case.same(&script);
}

#[test]
fn hundreds_of_connections_wait_for_their_turn() {
    if !can(&["curl", "python3"]) {
        return;
    }
    let case = Case::new("many");
    let script = python(
        "
many = [ask('GET ') for _ in range(700)]
waiting = ask(f'GET {url}/file HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n')
waiting.settimeout(1)
try:
    assert not waiting.recv(1), 'answered, though others have the places'
except TimeoutError:
    pass
for client in many:
    client.close()
waiting.settimeout(60)
answer = b''
while part := waiting.recv(1 << 16):
    answer += part
open('file', 'wb').write(answer.split(b'\\r\\n\\r\\n')[1])
",
    );
    case.same(&script);
}

#[test]
fn requests_on_one_connection_are_answered_in_order() {
    if !can(&["python3"]) {
        return;
    }
    let case = Case::new("pipelined");
    // Large and small bodies go different ways; the large one's length is known, so its end is.
    let script = python(
        "
text = ''
for path in ('file', 'big', 'numbered/1', 'big', 'file'):
    text += f'GET {url}/{path} HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'
text += f'GET {url}/big HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n'
client = ask(text)
stream = client.makefile('rb')
bodies = []
for _ in range(6):
    assert stream.readline().startswith(b'HTTP/1.1 200 ')
    length = 0
    while (line := stream.readline().strip().lower()):
        if line.startswith(b'content-length:'):
            length = int(line.split(b':')[1])
    bodies.append(stream.read(length))
assert stream.read() == b'', 'more than was asked for'
for number, body in enumerate(bodies):
    open(str(number), 'wb').write(body)
old = ask(f'GET {url}/big HTTP/1.0\\r\\n\\r\\n')
answer = old.makefile('rb').read()
open('old', 'wb').write(answer.split(b'\\r\\n\\r\\n', 1)[1])
",
    );
    case.same(&script);
    let read = |name: &str| fs::read(case.folder.join("replayed").join(name)).unwrap();
    assert_eq!(read("0"), b"content of the file\n");
    assert_eq!(read("2"), b"/numbered/1");
    for name in ["1", "3", "5", "old"] {
        assert!(read(name) == super::server::big(), "{name}");
    }
}
