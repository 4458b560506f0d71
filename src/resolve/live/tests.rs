//! The desk's resolver against servers that behave, misbehave and attack.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use super::*;
use crate::resolve::registry::{
    self, Options,
    testing::{self, Asked, BASIC, Reply, Server, ok, redirect, status},
};

fn config() -> Vec<u8> {
    br#"{"os":"linux","architecture":"amd64","created":"2026-01-02T03:04:05Z","config":{"Env":["A=b"]},"rootfs":{"diff_ids":["sha256:0"]}}"#.to_vec()
}

fn manifest() -> Vec<u8> {
    let config = Digest::sha256(&config());
    format!(r#"{{"schemaVersion":2,"config":{{"mediaType":"c","digest":"{config}","size":1}},"layers":[]}}"#).into_bytes()
}

/// A registry with one image.
fn registry(asked: &Asked) -> Reply {
    let config_at = format!("/v2/team/app/blobs/{}", Digest::sha256(&config()));
    match asked.target.as_str() {
        "/v2/team/app/manifests/v1" => ok(manifest()),
        target if target == config_at => ok(config()),
        _ => status(404),
    }
}

fn machine() -> Machine {
    Machine::read(&Places::default())
        .unwrap()
        .trusting(testing::roots())
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn live(machine: Machine) -> Live {
    Live::new(machine, 16, Arc::new(Unwatched)).unwrap()
}

fn image(live: &Live, reference: &str) -> Result<Image, ResolveError> {
    let platform = Platform::new("linux", "amd64", "");
    run(live.image(&reference.parse().unwrap(), &platform))
}

/// Cause and next step of a failure; it gives nothing away.
fn said<T: std::fmt::Debug>(result: Result<T, ResolveError>) -> String {
    let Err(ResolveError::Failed { cause, next }) = result else {
        panic!("{result:?}");
    };
    assert!(!cause.is_empty() && !next.is_empty(), "{cause}; {next}");
    let text = format!("{cause}; {next}");
    for secret in ["hunter2", "dXNlcjpodW50ZXIy", "signed=", "\u{1b}"] {
        assert!(!text.contains(secret), "{text}");
    }
    text
}

fn client() -> registry::Client {
    registry::Client::new(testing::options()).unwrap()
}

fn get(url: &str, limits: http::Limits) -> Result<Download, ResolveError> {
    http::download(&client().transport, url, limits, &|_| {})
}

#[test]
fn what_is_shown_has_no_secret() {
    for (said, shown) in [
        (
            "cannot open https://me:hunter2@git.test/a.git/info/refs?x=hunter2: no",
            "cannot open https://git.test/a.git/info/refs no",
        ),
        ("plain text", "plain text"),
        ("\u{1b}[31mred", "[31mred"),
    ] {
        let got = plain(said);
        assert_eq!(got, shown, "{said}");
        assert!(!got.contains("hunter2"));
    }
}

#[test]
fn each_thing_is_asked_for_once() {
    let server = Server::tls(registry);
    let live = live(machine());
    let reference: ImageReference = format!("{}/team/app:v1", server.host()).parse().unwrap();
    let platforms = ["amd64", "arm64", "s390x"].map(|arch| Platform::new("linux", arch, ""));
    let asked = platforms
        .iter()
        .cycle()
        .take(30)
        .map(|platform| live.image(&reference, platform));
    for answer in run(futures_util::future::join_all(asked)) {
        let image = answer.unwrap();
        assert_eq!(
            (image.digest, image.config.env),
            (Digest::sha256(&manifest()), vec!["A=b".to_owned()])
        );
    }
    let targets: Vec<String> = server
        .asked()
        .into_iter()
        .map(|asked| asked.target)
        .collect();
    assert_eq!(targets.len(), 2, "{targets:?}");
    assert!(
        live.made(&Digest::sha256(&manifest()).to_string())
            .is_some()
    );
}

#[test]
fn a_mirror_goes_first_and_gets_no_login_of_the_registry() {
    let origin = Server::tls(registry);
    let (good, bad) = (Server::tls(registry), Server::tls(|_| status(403)));
    let reference = format!("{}/team/app:v1", origin.host());
    for (mirror, asked_there) in [(&good, 0), (&bad, 2)] {
        let before = origin.asked().len();
        let machine = machine()
            .with_credentials(testing::logins(&[&origin.host()]))
            .mirrored(&origin.host(), &mirror.host());
        image(&live(machine), &reference).unwrap();
        assert_eq!(origin.asked().len() - before, asked_there);
        assert!(!mirror.asked().is_empty());
        assert!(
            mirror
                .asked()
                .iter()
                .all(|asked| asked.authorization().is_none())
        );
    }
    // Nor does a mirror that asks for one get it.
    let thief = Server::tls(|_| testing::challenge("Basic realm=\"x\""));
    let machine = machine()
        .with_credentials(testing::logins(&[&origin.host()]))
        .mirrored(&origin.host(), &thief.host());
    image(&live(machine), &reference).unwrap();
    assert!(
        thief
            .asked()
            .iter()
            .all(|asked| asked.authorization().is_none())
    );
}

#[test]
fn a_registry_that_asks_for_a_login_again_and_again_is_left() {
    let server = Server::tls(|asked: &Asked| match asked.target.as_str() {
        target if target.starts_with("/token") => ok(r#"{"token":"hunter2"}"#),
        _ => testing::challenge(format!(
            "Bearer realm=\"https://{}/token\"",
            asked.headers["host"]
        )),
    });
    let machine = machine().with_credentials(testing::logins(&[&server.host()]));
    let text = said(image(
        &live(machine),
        &format!("{}/team/app:v1", server.host()),
    ));
    assert!(
        text.contains("wants credentials") && text.contains("log in again"),
        "{text}"
    );
    assert!(server.asked().len() <= 4, "{:?}", server.asked().len());
    let basic = server
        .asked()
        .iter()
        .filter(|asked| asked.authorization() == Some(BASIC))
        .count();
    assert_eq!(basic, 1, "only the token service gets the login");
}

#[test]
fn broken_images_are_refused() {
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("index without the platform", br#"{"manifests":[{"mediaType":"m","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000","platform":{"os":"plan9","architecture":"mips"}}]}"#.to_vec(), "it has plan9/mips"),
        ("nothing in it", b"{}".to_vec(), "it names none"),
        ("no JSON", b"<html>".to_vec(), "no manifest"),
        ("a config that is not there", br#"{"config":{"mediaType":"c","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000000"}}"#.to_vec(), "no such thing"),
    ];
    for (case, body, why) in cases {
        let server = Server::tls(move |asked: &Asked| match asked.target.ends_with("/v1") {
            true => ok(body.clone()),
            false => status(404),
        });
        let text = said(image(
            &live(machine()),
            &format!("{}/team/app:v1", server.host()),
        ));
        assert!(text.contains(why), "{case}: {text}");
    }
    // The digest is compared, for manifest and config.
    let server = Server::tls(|asked: &Asked| match asked.target.contains("/manifests/") {
        true => ok(manifest()),
        false => ok("{}"),
    });
    let name = format!("{}/team/app", server.host());
    for reference in [
        format!("{name}@{}", Digest::sha256(b"other")),
        format!("{name}:v1"),
    ] {
        assert!(said(image(&live(machine()), &reference)).contains("its digest is"));
    }
}

#[test]
fn files_are_hashed_as_they_come() {
    let body: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let served = body.clone();
    let server = Server::tls(move |asked: &Asked| match asked.target.as_str() {
        "/v1/tool?x=1" => redirect("files/tool"),
        "/v1/files/tool" => {
            let time = "Sun, 06 Nov 1994 08:49:37 GMT".to_owned();
            Reply::Answer(200, vec![("Last-Modified", time)], served.clone())
        }
        _ => status(404),
    });
    let file = get(
        &format!("https://{}/v1/tool?x=1", server.host()),
        http::Limits::default(),
    )
    .unwrap();
    assert_eq!(file.sha256, Digest::sha256(&body));
    assert_eq!(file.modified.unwrap().as_second(), 784_111_777);
    let mut read = Vec::new();
    use crate::verify::Content as _;
    std::io::Read::read_to_end(&mut file.open().unwrap(), &mut read).unwrap();
    assert_eq!(read, body);
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| asked.authorization().is_none())
    );
    let missing = get(
        &format!("https://{}/none", server.host()),
        http::Limits::default(),
    );
    assert!(said(missing).contains("no such file"));
}

/// Answers in two parts: first half of it, then what `second` makes of the request.
fn halves(second: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
    let number = AtomicUsize::new(0);
    Server::tls(
        move |asked: &Asked| match number.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Raw(
                b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 10\r\n\r\n01234".to_vec(),
            ),
            _ => second(asked),
        },
    )
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let rest = |asked: &Asked| {
        assert_eq!(asked.headers["range"], "bytes=5-");
        assert_eq!(asked.headers["if-range"], "\"a\"");
        Reply::Answer(
            206,
            vec![("Content-Range", "bytes 5-9/10".to_owned())],
            b"56789".to_vec(),
        )
    };
    let whole = |_: &Asked| ok("abcdefghij");
    let other_part = |_: &Asked| {
        Reply::Answer(
            206,
            vec![("Content-Range", "bytes 0-9/10".to_owned())],
            b"56789".to_vec(),
        )
    };
    let url = |server: &Server| format!("https://{}/f", server.host());
    let resumed = halves(rest);
    assert_eq!(
        get(&url(&resumed), http::Limits::default()).unwrap().sha256,
        Digest::sha256(b"0123456789")
    );
    // The file is another one now: all of it, and nothing of the first half.
    let changed = halves(whole);
    assert_eq!(
        get(&url(&changed), http::Limits::default()).unwrap().sha256,
        Digest::sha256(b"abcdefghij")
    );
    let wrong = halves(other_part);
    assert!(said(get(&url(&wrong), http::Limits::default())).contains("not asked for"));
}

#[test]
fn hostile_servers_are_left_with_a_reason_and_in_time() {
    let limits = || http::Limits {
        size: 100_000,
        window: Duration::from_millis(400),
        least: 1000,
        attempts: 3,
    };
    let headers = || {
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        for number in 0..20_000 {
            head.extend(format!("X-{number}: {}\r\n", "y".repeat(50)).bytes());
        }
        Reply::Raw(head)
    };
    let endless = || {
        let mut body = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        body.extend(vec![b'x'; 200_000]);
        Reply::Raw(body)
    };
    type Make = Box<dyn Fn(&Asked) -> Reply + Send + Sync>;
    let cases: Vec<(&str, Make, &str)> = vec![
        (
            "endless",
            Box::new(move |_| endless()),
            "more than 100000 bytes",
        ),
        (
            "slow",
            Box::new(|_| Reply::Drip(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())),
            "less than 1000 bytes",
        ),
        ("giant headers", Box::new(move |_| headers()), "not HTTP"),
        (
            "too short",
            Box::new(|_| Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx".to_vec())),
            "broke off",
        ),
        (
            "no HTTP",
            Box::new(|_| Reply::Raw(b"SSH-2.0-x\r\n\r\n".to_vec())),
            "not HTTP",
        ),
        (
            "loop",
            Box::new(|_| redirect("/again")),
            "redirects without end",
        ),
        ("no address", Box::new(|_| status(302)), "not https"),
        (
            "login",
            Box::new(|_| testing::challenge("Basic realm=\"x\"")),
            "not give it to everybody",
        ),
        (
            "busy",
            Box::new(|_| Reply::Answer(429, vec![("Retry-After", "9999".to_owned())], vec![])),
            "limits the rate",
        ),
        ("broken", Box::new(|_| status(500)), "status 500"),
        ("teapot", Box::new(|_| status(418)), "status 418"),
        (
            "gone",
            Box::new(|_| Reply::Raw(Vec::new())),
            "closed the connection",
        ),
    ];
    for (case, make, why) in cases {
        let server = Server::tls(make);
        let start = Instant::now();
        let url = format!("https://{}/f?signed=secret", server.host());
        let text = said(get(&url, limits()));
        assert!(text.contains(why), "{case}: {text}");
        assert!(
            start.elapsed() < Duration::from_secs(15),
            "{case}: {:?}",
            start.elapsed()
        );
        assert!(
            server.asked().len() <= 12,
            "{case}: {}",
            server.asked().len()
        );
        let small = said(http::small(&client().transport, &url, 100));
        assert!(!small.is_empty(), "{case}");
    }
}

#[test]
fn tls_is_not_given_up() {
    let plain = Server::plain(|_| ok("x"));
    let away = format!("http://{}/f?signed=secret", plain.host());
    let to_plain = Server::tls(move |_| redirect(away.clone()));
    let text = said(get(
        &format!("https://{}/f", to_plain.host()),
        http::Limits::default(),
    ));
    assert!(text.contains("not https"), "{text}");
    assert!(plain.asked().is_empty());
    // Asked for in plain, it is plain; and `https` means a certificate, on loopback too.
    get(
        &format!("http://{}/f", plain.host()),
        http::Limits::default(),
    )
    .unwrap();
    let tls = Server::tls(|_| ok("x"));
    let strangers = registry::Client::new(Options {
        roots: None,
        ..testing::options()
    })
    .unwrap();
    let url = format!("https://{}/f", tls.host());
    let text = said(http::small(&strangers.transport, &url, 10));
    assert!(text.contains("TLS with"), "{text}");
}

#[test]
fn a_file_that_changed_is_not_checked_for_another() {
    let server = Server::tls(|_| ok("new"));
    let live = live(machine());
    let url = format!("https://{}/f", server.host());
    let text = said(run(live.digests(&url, &Digest::sha256(b"old"))));
    assert!(text.contains("now serves"), "{text}");
    assert_eq!(
        run(live.digests(&url, &Digest::sha256(b"new")))
            .unwrap()
            .len(),
        2
    );
    assert_eq!(server.asked().len(), 1);
}

/// A repository with an annotated tag, served by git itself; `None` where it cannot be.
fn repository(folder: &std::path::Path) -> Option<(std::process::Child, String)> {
    let git = |words: &[&str]| {
        let done = std::process::Command::new("git")
            .args([
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@example.com",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(words)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "--quiet", "--initial-branch=main", "app.git"]);
    for number in 0..20 {
        git(&[
            "-C",
            "app.git",
            "commit",
            "--quiet",
            "--allow-empty",
            "-m",
            &format!("commit {number}"),
        ]);
    }
    git(&["-C", "app.git", "tag", "-a", "v1", "-m", "one"]);
    git(&["-C", "app.git", "branch", "topic", "HEAD~3"]);
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    // By itself: `git daemon` starts it as a child, which would outlive it and keep our output open.
    let programs = std::process::Command::new("git")
        .arg("--exec-path")
        .output();
    let programs = String::from_utf8(programs.ok()?.stdout).ok()?;
    let daemon =
        std::process::Command::new(std::path::Path::new(programs.trim_end()).join("git-daemon"))
            .args(["--reuseaddr", "--export-all", "--listen=127.0.0.1"])
            .args([
                format!("--port={port}"),
                format!("--base-path={}", folder.display()),
            ])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .ok()?;
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((daemon, format!("git://127.0.0.1:{port}/app.git")));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

#[test]
fn git_references_are_resolved_without_a_clone() {
    let folder = std::env::temp_dir().join(format!("verified-git-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let Some((mut daemon, remote)) = repository(&folder) else {
        panic!("`git daemon` does not run here");
    };
    let live = live(machine());
    let source = |reference: &str| GitSource {
        remote: remote.clone(),
        reference: reference.to_owned(),
        ..GitSource::default()
    };
    let head = run(live.git(&source(""))).unwrap();
    assert_eq!(head.commit, head.object);
    let tag = run(live.git(&source("v1"))).unwrap();
    assert_eq!(tag.commit, head.commit);
    assert_ne!(tag.object, tag.commit);
    let full = run(live.git(&source("refs/tags/v1"))).unwrap();
    assert_eq!(full, tag);
    let topic = run(live.git(&source("topic"))).unwrap();
    assert_ne!(topic.commit, head.commit);
    let objects = run(live.objects(&source("v1"), &tag.commit)).unwrap();
    assert_eq!(objects.tags.len(), 1);
    assert!(objects.tags[0].starts_with(format!("object {}\n", tag.commit).as_bytes()));
    let commit = objects.commit.unwrap();
    assert!(commit.starts_with(b"tree "));
    assert!(live.made(&tag.commit).is_some());
    let of_branch = run(live.objects(&source("topic"), &topic.commit)).unwrap();
    assert!(of_branch.tags.is_empty() && of_branch.commit.is_some());
    assert!(said(run(live.git(&source("none")))).contains("no branch or tag"));
    for bad in ["file:///etc", "ext::sh -c true", "--upload-pack=x", "/tmp"] {
        let source = GitSource {
            remote: bad.to_owned(),
            ..GitSource::default()
        };
        said(run(live.git(&source)));
    }
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}
