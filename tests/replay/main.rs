//! The launcher with real clients, without Docker: a command is run and recorded, then run again where there is no network but
//! loopback, as in a build. It must do the same.
//!
//! A namespace without network takes `unshare` and `ip`, and root or user namespaces; clients that are not installed are passed over,
//! and both is said.

mod hostile;
mod server;

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::{IpAddr, Ipv4Addr, UdpSocket},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        OnceLock, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use server::Server;
use verified_dockerfile::{
    digest::Digest,
    replay::{bodies, cloned, launch, names, record::Recording, store, trust},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_verified-dockerfile");

/// An address of this machine that is not its loopback, which means "this container" in a step. Nothing is sent.
fn address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// A command, recorded and replayed.
struct Case {
    folder: PathBuf,
    server: Server,
}

/// Recording takes ports on loopback, which whoever knows of no proxy looks for; only one at a time can be found there.
static PORTS: RwLock<()> = RwLock::new(());

static CASES: AtomicUsize = AtomicUsize::new(0);

impl Case {
    fn new(name: &str) -> Self {
        let number = CASES.fetch_add(1, Ordering::SeqCst);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("replay-{name}-{number}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("git")).unwrap();
        let server = Server::start(address().unwrap(), &folder, &folder.join("git"));
        Self { folder, server }
    }

    fn command(&self, program: &str, work: &str) -> Command {
        let work = self.folder.join(work);
        let _ = fs::remove_dir_all(&work);
        fs::create_dir_all(&work).unwrap();
        let mut command = Command::new(program);
        command.current_dir(work);
        // Nothing of this machine's own proxies and authorities, but the server's.
        command.env_clear();
        command.env("PATH", std::env::var("PATH").unwrap());
        command.env("SSL_CERT_FILE", &self.server.authority);
        command
            .env("HTTP", &self.server.http)
            .env("HTTPS", &self.server.https);
        command
    }

    fn record(&self, script: &str) -> Output {
        self.record_words(&["sh", "-c", script])
    }

    fn record_words(&self, words: &[&str]) -> Output {
        let _others = PORTS.read().unwrap();
        self.record_by(self.command(PROGRAM, "recorded"), words)
    }

    fn record_by(&self, mut command: Command, words: &[&str]) -> Output {
        let _ = fs::remove_dir_all(self.folder.join("records"));
        command
            .args(["internal", "record"])
            .arg(self.folder.join("records"))
            .arg(Digest::sha256(b"step").to_string())
            .arg(self.folder.join("settings-1"))
            .args(words);
        let done = command.output().unwrap();
        // As the build does it: from lock and store into the folder that a step gets.
        let made = self.folder.join("made");
        let _ = fs::remove_dir_all(&made);
        fs::create_dir(&made).unwrap();
        let steps = self.folder.join("records").join(store::STEPS);
        let recording = fs::read_dir(steps).unwrap().next().unwrap().unwrap().path();
        store::import(&recording, &self.folder.join("records"), &made).unwrap();
        done
    }

    fn replay(&self, script: &str) -> Output {
        self.replay_words(&["sh", "-c", script])
    }

    fn replay_words(&self, words: &[&str]) -> Output {
        let mut command = self.command("unshare", "replayed");
        command
            .args([
                "--net",
                "sh",
                "-c",
                "ip link set lo up && exec \"$@\"",
                "sh",
                PROGRAM,
            ])
            .args(["internal", "replay"])
            .arg(self.folder.join("made"))
            .arg(self.folder.join("settings-2"))
            .args(words);
        command.output().unwrap()
    }

    /// As in a container: with our name server, and our list of authorities at the usual place.
    fn within(&self, work: &str, words: &[&str]) -> Command {
        let (resolv, list) = (
            self.folder.join("resolv.conf"),
            self.folder.join("list.pem"),
        );
        fs::write(&resolv, names::RESOLV).unwrap();
        fs::write(&list, trust::EMPTY).unwrap();
        let mut command = self.command("unshare", work);
        command
            .arg("--mount")
            .args(words)
            .args(["sh", "-ec", "ip link set lo up; mount --bind \"$1\" /etc/resolv.conf; mount --bind \"$2\" \"$3\"; shift 3; exec \"$@\"", "sh"])
            .args([&resolv, &list])
            .args([trust::LISTS[0], PROGRAM]);
        command
    }

    /// Records by programs that know of no proxy what is at [`server::NAME`].
    fn record_direct(&self, script: &str) -> Output {
        let _alone = PORTS.write().unwrap();
        let hosts = format!("192.0.2.1 {} other.test\n", server::NAME);
        fs::write(self.folder.join("hosts"), hosts).unwrap();
        let mut command = self.within("recorded", &[]);
        command
            .env("http_proxy", &self.server.http)
            .env("https_proxy", &self.server.http);
        self.record_by(command, &["sh", "-c", script])
    }

    fn replay_direct(&self, script: &str) -> Output {
        let mut command = self.within("replayed", &["--net"]);
        command
            .args(["internal", "replay"])
            .arg(self.folder.join("made"))
            .arg(self.folder.join("settings-2"))
            .args(["sh", "-c", script]);
        command.output().unwrap()
    }

    /// Records and replays; both must end well and leave the same files.
    fn same(&self, script: &str) -> Recording {
        self.same_by(script, Self::record, Self::replay)
    }

    fn same_by(
        &self,
        script: &str,
        record: fn(&Self, &str) -> Output,
        replay: fn(&Self, &str) -> Output,
    ) -> Recording {
        let recorded = record(self, script);
        assert!(recorded.status.success(), "{}", text(&recorded));
        let hits = self.server.hits();
        let replayed = replay(self, script);
        assert!(replayed.status.success(), "{}", text(&replayed));
        assert_eq!(self.server.hits(), hits, "the server was asked again");
        assert_eq!(
            files(&self.folder.join("recorded")),
            files(&self.folder.join("replayed"))
        );
        for settings in ["settings-1", "settings-2"] {
            assert!(!self.folder.join(settings).exists());
        }
        self.recording()
    }

    fn recording(&self) -> Recording {
        let json = fs::read(self.folder.join("made").join(launch::RECORDING)).unwrap();
        Recording::from_json(&json).unwrap()
    }

    fn write(&self, recording: &Recording) {
        let json = recording.to_json().unwrap();
        fs::write(self.folder.join("made").join(launch::RECORDING), json).unwrap();
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Every file below `folder` with its bytes; of git only what it checks out, its own files have times in them.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|name| name == ".git") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    assert!(!found.is_empty(), "the command left nothing to compare");
    found
}

/// Whether a test can be done here: there is a way to take the network away, and each of `programs`.
fn can(programs: &[&str]) -> bool {
    static NAMESPACES: OnceLock<bool> = OnceLock::new();
    let namespaces = *NAMESPACES.get_or_init(|| {
        let made = Command::new("unshare")
            .args(["--net", "ip", "link", "set", "lo", "up"])
            .output();
        made.is_ok_and(|made| made.status.success()) && address().is_some()
    });
    let here = |program: &&str| {
        let found = Command::new("sh")
            .args(["-c", "command -v \"$0\"", program])
            .output();
        found.is_ok_and(|found| found.status.success())
    };
    let missing: Vec<_> = programs.iter().filter(|program| !here(program)).collect();
    if !namespaces {
        eprintln!(
            "SKIPPED: no namespace without network can be made here (unshare --net, ip), or this machine has no address"
        );
    }
    if !missing.is_empty() {
        eprintln!("SKIPPED: not installed: {missing:?}");
    }
    namespaces && missing.is_empty()
}

#[test]
fn curl() {
    if !can(&["curl"]) {
        return;
    }
    let case = Case::new("curl");
    let recording = case.same(
        "set -e
        curl -fsS $HTTP/file -o plain
        curl -fsS $HTTPS/file -o secret
        curl -fsSL $HTTP/redirect -o redirected
        curl -fsSI $HTTPS/file | grep -i content-length > head
        curl -fsS --compressed $HTTPS/gzip -o unpacked
        curl -fsS $HTTPS/gzip -o packed
        curl -fsS -r 2-4 $HTTP/part -o part
        curl -sS $HTTP/missing -o missing; ! curl -fsS $HTTP/missing
        curl -fsS -d some -d thing $HTTPS/echo -o echo
        curl -fsS $HTTP/empty -o empty
        curl -fsS $HTTP/slow -o slow
        curl -fsS $HTTPS/big -o big
        curl -sS ${HTTPS%:*}:9/nobody -o nobody",
    );
    assert!(recording.exchanges.iter().any(|one| one.status == 302));
    assert!(recording.exchanges.iter().any(|one| one.status == 404));
    assert_eq!(
        fs::read(case.folder.join("replayed/unpacked")).unwrap(),
        b"content, compressed\n"
    );
    assert_eq!(
        fs::read(case.folder.join("replayed/big")).unwrap().len(),
        server::BIG
    );
}

#[test]
fn wget() {
    if !can(&["wget"]) {
        return;
    }
    let case = Case::new("wget");
    case.same("wget -q $HTTP/redirect -O a && wget -q $HTTPS/big -O b && wget -q --spider $HTTPS/file && wget -q -i - <<END\n$HTTPS/numbered/1\n$HTTP/numbered/2\nEND");
}

#[test]
fn git_over_smart_http() {
    if !can(&["git"]) {
        return;
    }
    let case = Case::new("git");
    let make = format!(
        "set -e; export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000' HOME=/none
        git init -q --bare -b main {0}/r.git; git init -q -b main .
        git config user.name test; git config user.email test@example.com
        for number in 1 2 3; do head -c 40000 $0 | tr $number x > f$number; git add .; git commit -qm $number; git tag v$number; done
        git push -q {0}/r.git main --tags",
        case.folder.join("git").display()
    );
    let made = case
        .command("sh", "git-made")
        .args(["-c", &make, PROGRAM])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let recording = case.same(
        "set -e; export HOME=$PWD
        git clone -q $HTTPS/git/r.git all; git clone -q --depth 1 -b v2 $HTTP/git/r.git one
        cd all; git rev-parse HEAD > ../head; git fetch -q origin tag v1",
    );
    assert!(recording.exchanges.iter().any(|one| one.method == "POST"));
    // What a server of git really sends is read, in each version of the protocol.
    for version in ["0", "1", "2"] {
        for (words, tag) in [("--depth 1 -b v2", "v2"), ("-q", "v3")] {
            let script = format!(
                "git -c protocol.version={version} clone {words} $HTTP/git/r.git one && git -C one rev-parse HEAD > head"
            );
            assert!(case.record(&script).status.success(), "{script}");
            let head = fs::read_to_string(case.folder.join("recorded/head")).unwrap();
            let out = case.folder.join("answer");
            let remote = format!("{}/git/r.git", case.server.http);
            cloned::run(&case.folder.join("made"), &remote, false, &out).unwrap();
            let tips = cloned::read(&fs::read(&out).unwrap()).unwrap().unwrap();
            assert_eq!(tips.len(), 1, "{script}: {tips:?}");
            assert_eq!(tips[0].commit, head.trim(), "{script}");
            assert_eq!(tips[0].tag, "");
            cloned::run(&case.folder.join("made"), &remote, true, &out).unwrap();
            let tips = cloned::read(&fs::read(&out).unwrap()).unwrap().unwrap();
            let tip = tips.iter().find(|tip| tip.tag == tag).unwrap();
            assert_eq!(tip.commit, head.trim(), "{script}");
        }
    }
}

#[test]
fn python() {
    if !can(&["python3"]) {
        return;
    }
    Case::new("python").same(
        "python3 -c '
import os, urllib.request
for name in (\"HTTP\", \"HTTPS\"):
    data = urllib.request.urlopen(os.environ[name] + \"/redirect\").read()
    open(name, \"wb\").write(data)
'",
    );
}

#[test]
fn java() {
    if !can(&["java", "javac"]) {
        return;
    }
    let case = Case::new("java");
    case.same(
        "cat > /dev/null; mkdir -p p; cat > p/Get.java <<'END'
import java.io.*; import java.net.*; import java.nio.file.*;
class Get {
    public static void main(String[] a) throws Exception {
        for (String name : new String[] {\"HTTP\", \"HTTPS\"}) {
            try (InputStream in = new URL(System.getenv(name) + \"/file\").openStream()) {
                Files.copy(in, Path.of(name));
            }
        }
    }
}
END
java p/Get.java </dev/null",
    );
}

#[test]
fn several_at_once() {
    if !can(&["curl"]) {
        return;
    }
    let recording = Case::new("several").same(
        "for number in $(seq 40); do
            curl -fsS $HTTPS/numbered/$number -o $number & curl -fsS $HTTP/big -o /dev/null &
            [ $((number % 10)) != 0 ] || wait
        done; wait",
    );
    let numbered = recording
        .exchanges
        .iter()
        .filter(|one| one.url.contains("numbered"));
    assert_eq!(numbered.count(), 40);
}

#[test]
fn what_is_asked_twice_is_answered_in_order() {
    if !can(&["curl"]) {
        return;
    }
    let case = Case::new("twice");
    let recording = case.same("for number in 1 2 3; do curl -fsS $HTTP/counted -o $number; done");
    assert_eq!(recording.exchanges.len(), 3);
}

#[test]
fn a_body_that_is_not_read_to_its_end_is_recorded_to_its_end() {
    if !can(&["curl"]) {
        return;
    }
    let case = Case::new("unread");
    let recording = case.same("curl -sS $HTTP/big | head -c 100 > begin");
    assert_eq!(recording.exchanges[0].size, server::BIG as u64);
}

#[test]
fn what_is_not_recorded_fails_the_step_whatever_its_command_makes_of_it() {
    if !can(&["curl", "python3"]) {
        return;
    }
    let case = Case::new("more");
    assert!(case.record("curl -fsS $HTTP/file -o file").status.success());
    for (more, told) in [
        ("curl -s $HTTP/counted", "GET http://"),
        ("curl -s $HTTPS/file", "GET https://"),
        ("curl -s -d x $HTTP/file", "POST http://"),
        ("curl -s $HTTP/file?x", "/file?x"),
        ("curl -s http://192.0.2.9/file", "http://192.0.2.9/file"),
        (
            "curl -s https://[2001:db8::1]/file",
            "https://[2001:db8::1]/file",
        ),
        (
            "printf 'CONNECT h.test:1 HTTP/1.1\\r\\n\\r\\n\\001' | curl -s -m 2 telnet://127.0.0.1:41141",
            "CONNECT h.test:1",
        ),
    ] {
        let done = case.replay(&format!("{more} >/dev/null; true"));
        assert_eq!(
            done.status.code(),
            Some(launch::REFUSED.into()),
            "{more}: {}",
            text(&done)
        );
        let told_all = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(
            told_all.contains(told) && told_all.contains("RUN curl -fsS $HTTP/file"),
            "{told_all}"
        );
    }
    // Around the proxy there is nothing, and whoever looks there wants something that was not recorded.
    for (around, told) in [
        (
            "curl -s --noproxy '*' http://192.0.2.1/",
            "addresses outside",
        ),
        (
            "curl -s --noproxy '*' 'http://[2001:db8::1]/'",
            "addresses outside",
        ),
        (
            "python3 -c 'import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b\"x\", (\"192.0.2.1\", 443))'",
            "addresses outside",
        ),
        (
            "env -i curl -s http://files.test/",
            "the address of files.test: this name is not in",
        ),
        (
            "getent hosts -s dns secrets.example.com",
            "the address of secrets.example.com",
        ),
        (
            "env -i curl -s http://127.41.41.41/a -H 'Host: files.test'",
            "GET http://files.test/a: this is not in",
        ),
        (
            "env -i curl -s https://127.41.41.41/",
            "https://an unnamed host/",
        ),
        (
            "echo hello | nc -q 1 127.41.41.41 443",
            "neither HTTP nor TLS",
        ),
    ] {
        if around.starts_with("echo") && !can(&["nc"]) {
            continue;
        }
        let done = case.replay_direct(&format!("curl -fsS $HTTP/file -o file && ! {around}; true"));
        let all = text(&done);
        assert_eq!(
            done.status.code(),
            Some(launch::REFUSED.into()),
            "{around}: {all}"
        );
        assert!(
            all.contains(told) && all.contains("RUN curl -fsS"),
            "{around}: {all}"
        );
    }
    // What stays in the container is nobody's business, and names of it lead nowhere else.
    let done = case.replay_direct("curl -fsS $HTTP/file -o file; getent hosts localhost; getent hosts 192.0.2.1; ! curl -s http://127.0.0.1/ && ! curl -s --noproxy '*' 'http://[::1]:81/' && ! curl -sf http://127.41.41.41/");
    assert!(done.status.success(), "{}", text(&done));
}

#[test]
fn programs_that_know_neither_proxy_nor_variables() {
    if !can(&["curl", "wget", "git"]) {
        return;
    }
    let case = Case::new("direct");
    let recording = case.same_by(
        "set -e
        env -i $(command -v curl) -fsS http://files.test/file -o plain
        env -i $(command -v curl) -fsS https://files.test/file -o secret
        env -i $(command -v wget) -q https://files.test/numbered/1 -O wget
        ! env -i $(command -v curl) -fsS https://files.test/missing
        env -i $(command -v curl) -fsSG -d a=b https://FILES.test/numbered/2 -o get
        ! getent ahosts none.test; getent ahosts other.test | sort -u > other
        touch done",
        Case::record_direct,
        Case::replay_direct,
    );
    assert_eq!(recording.exchanges.len(), 5, "{recording:?}");
    assert!(recording.names.contains("other.test"));
    assert!(recording.unknown_names.contains("none.test"));
    // Whoever does not trust us is told of, since nobody knows what it wanted.
    let script = format!(
        "env -i $(command -v curl) -s --cacert {} https://files.test/file; true",
        case.server.authority.display()
    );
    for done in [case.record_direct(&script), case.replay_direct(&script)] {
        let all = text(&done);
        assert_eq!(done.status.code(), Some(launch::REFUSED.into()), "{all}");
        assert!(
            all.contains("https://") && all.contains("does not trust"),
            "{all}"
        );
    }
}

#[test]
fn keyservers() {
    if !can(&["gpg", "dirmngr"]) {
        return;
    }
    let case = Case::new("keyserver");
    let make = format!(
        "set -e; export GNUPGHOME=$PWD/home; mkdir -m 700 home
        gpg -q --batch --passphrase '' --quick-generate-key 'Test <test@files.test>' ed25519 sign never
        gpg --armor --export > {}/git/key.asc
        gpg --with-colons --list-keys | sed -n 's/^fpr:*\\([0-9A-F]*\\):/\\1/p' | head -n 1 > fingerprint; gpgconf --kill all",
        case.folder.display()
    );
    let made = case.command("sh", "made").args(["-c", &make]).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let fingerprint = fs::read_to_string(case.folder.join("made/fingerprint")).unwrap();
    for server in ["hkp://files.test:80", "hkps://files.test"] {
        let script = format!(
            "set -e; export GNUPGHOME=$(mktemp -d)
            gpg --batch --keyserver {server} --recv-keys {0} 2>&1
            gpg --batch --list-keys --with-colons {0} | grep ^fpr > keys; gpgconf --kill all; rm -rf $GNUPGHOME",
            fingerprint.trim()
        );
        let recording = case.same_by(&script, Case::record_direct, Case::replay_direct);
        let lookups = recording.exchanges.iter();
        let lookups = lookups.filter(|one| one.url.contains("/pks/lookup?op=get"));
        assert!(lookups.count() > 0, "{recording:?}");
    }
}

#[test]
fn a_step_that_behaves_differently_when_it_is_not_recorded_is_refused() {
    if !can(&["curl"]) {
        return;
    }
    let case = Case::new("detects");
    let script = "if [ $(wc -l < /proc/net/route) -gt 1 ]; then curl -s $HTTP/file; else curl -s $HTTP/counted; fi; true";
    assert!(case.record(script).status.success());
    assert_eq!(
        case.replay(script).status.code(),
        Some(launch::REFUSED.into())
    );
}

#[test]
fn a_recording_edited_by_hand_is_refused() {
    if !can(&["curl"]) {
        return;
    }
    let case = Case::new("edited");
    let script = "curl -fsS $HTTP/file -o file";
    assert!(case.record(script).status.success());
    let before = case.recording();
    // Another digest: there is no such body.
    let mut other = before.clone();
    other.exchanges[0].digest = Digest::sha256(b"other");
    case.write(&other);
    assert!(!case.replay(script).status.success());
    // What no launcher writes is not served at all.
    for edit in [
        (|one| one.url = "file:///etc/passwd".to_owned())
            as fn(&mut verified_dockerfile::replay::record::Exchange),
        |one| one.method = "CONNECT".to_owned(),
        |one| one.status = 101,
        |one| drop(one.headers.insert("set-cookie".to_owned(), "a".to_owned())),
        |one| {
            drop(
                one.headers
                    .insert("location".to_owned(), "a\r\nb: c".to_owned()),
            )
        },
        |one| drop(one.asked.insert("cookie".to_owned(), "a".to_owned())),
    ] {
        let mut edited = before.clone();
        edit(&mut edited.exchanges[0]);
        case.write(&edited);
        let done = case.replay(script);
        assert_eq!(
            done.status.code(),
            Some(launch::FAILED.into()),
            "{}",
            text(&done)
        );
    }
    case.write(&before);
    assert!(case.replay(script).status.success());
}

#[test]
fn exit_codes_and_signals_pass_through() {
    if !can(&[]) {
        return;
    }
    let case = Case::new("exit");
    assert!(case.record("true").status.success());
    for (script, code) in [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        ("kill -TERM $$", 143),
        ("kill -KILL $$", 137),
    ] {
        assert_eq!(case.record(script).status.code(), Some(code), "{script}");
    }
    for (script, code) in [("exit 3", 3), ("kill -TERM $$", 143)] {
        assert_eq!(case.replay(script).status.code(), Some(code), "{script}");
    }
    assert_eq!(case.replay_words(&["/none/such"]).status.code(), Some(127));
    assert_eq!(case.replay_words(&["/etc/passwd"]).status.code(), Some(126));
    // A command's own arguments are its own.
    let done = case.replay_words(&["printf", "%s|", "--help", "a b", "", "-c"]);
    assert_eq!(String::from_utf8_lossy(&done.stdout), "--help|a b||-c|");
}

#[test]
fn a_terminal_passes_through() {
    if !can(&["script", "stty"]) {
        return;
    }
    let case = Case::new("terminal");
    let size = "stty rows 33 cols 77; test -t 0 && test -t 1 && test -t 2";
    assert_eq!(
        case.record(size).status.code(),
        Some(1),
        "there is none here"
    );
    let within = |mode: &str, words: &str| {
        let folder = case.folder.display();
        let line = format!(
            "stty rows 33 cols 77; {PROGRAM} internal {mode} {folder}/settings-3 \
             sh -c 'test -t 0 && test -t 1 && test -t 2 && stty size; {words}'"
        );
        let mut command = case.command("script", "terminal");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = command.spawn().unwrap();
        running.stdin.take().unwrap().write_all(b"typed\n").unwrap();
        let done = running.wait_with_output().unwrap();
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stdout).into_owned(),
        )
    };
    let record = format!(
        "record {}/records {}",
        case.folder.display(),
        Digest::sha256(b"step")
    );
    let replay = format!("replay {}/made", case.folder.display());
    for mode in [record, replay] {
        let (code, shown) = within(&mode, "read line; echo read-$line; exit 5");
        assert_eq!(code, Some(5), "{mode}: {shown}");
        assert!(
            shown.contains("33 77") && shown.contains("read-typed"),
            "{mode}: {shown}"
        );
    }
}

#[test]
fn what_a_step_serves_itself_is_its_own_business() {
    if !can(&["curl", "python3"]) {
        return;
    }
    let case = Case::new("local");
    let recording = case.same(
        "echo mine > file; python3 -m http.server --bind 127.0.0.1 38761 >/dev/null 2>&1 & server=$!
        for try in $(seq 60); do curl -sf http://127.0.0.1:38761/file -o got && break; sleep 0.3; done
        curl -sf --noproxy '' http://localhost:38761/file -o again; kill $server; cmp file got && cmp file again",
    );
    assert!(recording.exchanges.is_empty());
}

#[test]
fn a_server_whose_certificate_is_not_trusted_is_not_recorded() {
    if !can(&["curl"]) {
        return;
    }
    let case = Case::new("untrusted");
    let other = Case::new("other");
    let script = format!("curl -sk {}/file -o file; true", other.server.https);
    assert!(case.record(&script).status.success());
    let recording = case.recording();
    assert_eq!(recording.exchanges[0].status, 502);
    assert_eq!(other.server.hits(), 0);
}

#[test]
fn bodies_are_named_by_their_digest() {
    if !can(&["curl"]) {
        return;
    }
    let case = Case::new("bodies");
    let recording =
        case.same("curl -fsS $HTTP/numbered/../../../../../../etc/passwd --path-as-is -o file");
    let folder = case.folder.join("records").join(launch::BODIES);
    let names: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let wanted: Vec<_> = recording
        .bodies()
        .into_keys()
        .map(|digest| bodies::path(&folder, digest))
        .collect();
    assert_eq!(names, wanted);
    assert_eq!(
        Digest::sha256(&fs::read(&names[0]).unwrap()),
        recording.exchanges[0].digest
    );
}
