//! Attacks on replayed steps: each is refused with its reason, and nothing of it comes into an image.

use std::{fs, process::Command};

use engine::{Result, image::Tar, process};
use serde_json::json;

use crate::{
    Test,
    bench::{Case, EXECUTE, Outcome, TOOL_LIMIT, accept},
    replay::{any_url, record, replay, store},
};

pub const TESTS: &[Test] = &[
    ("a_request_outside_the_recording_fails_the_build", outside),
    ("whoever_goes_around_the_launcher_fails_the_build", around),
    ("a_step_that_knows_it_is_recorded_is_refused", detects),
    ("the_launcher_cannot_be_changed", tampering),
    ("an_image_cannot_take_the_launchers_place", hostile_image),
    ("a_store_with_other_bytes_is_refused", other_bytes),
    ("a_store_that_is_no_folder_of_files_is_refused", odd_store),
    ("a_recording_edited_by_hand_is_refused", edited),
];

/// What another step is told to do that has the recording of the first.
fn replaced(case: &Case, change: impl Fn(&str) -> String) -> Result<Outcome> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/replay/replaced", b"content");
    let script = |text: &str| case.file("step.sh", text);
    case.policy(&[accept("image", &base.repository), any_url()])?;
    let dockerfile = format!(
        "FROM {}\nCOPY step.sh /\nRUN sh /step.sh\n{EXECUTE}\n",
        base.tagged()
    );
    script(&format!("wget -O /file {url}\n"))?;
    record(case, &dockerfile)?;
    script(&change(&url))?;
    replay(case, &dockerfile)
}

fn outside(case: &Case) -> Result<()> {
    let more = case.bench.web.put("/replay/more", b"more");
    let outcome = replaced(case, |url| {
        format!("wget -O /file {url}; wget -O /more {more}; true\n")
    })?;
    outcome.failed(&[
        "/replay/more: this is not in the step's recording",
        "RUN sh /step.sh",
    ])?;
    assert_eq!(case.bench.web.hits("/replay/more"), 0);
    Ok(())
}

/// A command of a script, which must not succeed.
const NOT: &str = "no() { if \"$@\"; then echo \"allowed: $*\"; exit 9; fi; }\n";

/// By address, by name, by the other protocol: there is nothing, and whoever looks for it fails the build.
fn around(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/replay/around", b"content");
    let more = case.bench.web.put("/replay/more_around", b"more");
    let address = case.bench.web.host();
    let (host, port) = address.split_once(':').ok_or("no port")?;
    case.policy(&[accept("image", &base.repository), any_url()])?;
    let dockerfile = format!(
        "FROM {}\nCOPY step.sh /\nRUN sh /step.sh\n{EXECUTE}\n",
        base.tagged()
    );
    case.file("step.sh", format!("wget -O /file {url}\n"))?;
    record(case, &dockerfile)?;
    for (attack, told) in [
        (
            format!("env -i /bin/wget -T 3 -O /more {more}"),
            "addresses outside",
        ),
        (
            format!("nc -w 3 {host} {port} </dev/null"),
            "addresses outside",
        ),
        (
            "env -i /bin/wget -T 3 -O /more http://192.0.2.1/".into(),
            "addresses outside",
        ),
        (
            "env -i /bin/wget -T 3 -O /more http://[2001:db8::1]/".into(),
            "addresses outside",
        ),
        (
            "nslookup secrets.example.com".into(),
            "the address of secrets.example.com",
        ),
        (
            "env -i /bin/wget -T 3 -O /more http://more.example.com/".into(),
            "the address of more.example.com",
        ),
        (
            format!("wget -T 3 -O /more {more}"),
            "/replay/more_around: this is not in the step's recording",
        ),
    ] {
        case.file("step.sh", format!("wget -O /file {url}; {attack}; true\n"))?;
        let outcome = replay(case, &dockerfile)?;
        outcome.failed(&[told, "verified-dockerfile: RUN sh /step.sh:"])?;
        assert!(!case.folder.join("result/more").exists());
    }
    assert_eq!(case.bench.web.hits("/replay/more_around"), 0);
    // Alone, without any of this, it is built: so each of them was the reason.
    case.file(
        "step.sh",
        format!(
            "wget -O /file {url}; wget -T 3 -O /none http://localhost/; nslookup localhost; true\n"
        ),
    )?;
    replay(case, &dockerfile)?.executed()?;
    Ok(())
}

/// It can know that it is recorded; what it then asks for only in the build was never recorded.
fn detects(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/replay/detects", b"harmless");
    let evil = case.bench.web.put("/replay/detects_evil", b"evil");
    case.policy(&[accept("image", &base.repository), any_url()])?;
    for (test, step) in [
        (
            "test -e /dev/verified-dockerfile/record",
            "recorded by its name",
        ),
        (
            "test $(wc -l < /proc/net/route) -gt 1",
            "recorded with a network",
        ),
    ] {
        let dockerfile = format!(
            "FROM {}\nRUN : {step}; if {test}; then wget -O /file {url}; else wget -O /file {evil}; fi; true\n{EXECUTE}\n",
            base.tagged()
        );
        record(case, &dockerfile)?;
        replay(case, &dockerfile)?
            .failed(&["detects_evil: this is not in the step's recording"])?;
    }
    assert_eq!(case.bench.web.hits("detects_evil"), 0);
    Ok(())
}

/// An image that has things where ours are, and variables that our tools read.
fn hostile_image(case: &Case) -> Result<()> {
    let evil = b"#!/bin/sh\necho evil > /file\n";
    let layer = Tar::new()
        .file("dev/verified-dockerfile/replay", 0o755, evil)
        .file("dev/verified-dockerfile/record", 0o755, evil)
        .file("dev/shm/verified-dockerfile/ca.pem", 0o644, evil)
        .file("etc/resolv.conf", 0o644, b"nameserver 192.0.2.53\n")
        .file("evil.so", 0o755, evil);
    let image = case.busybox("hostile").layer(&layer).with(
        "Env",
        json!([
            "PATH=/dev/verified-dockerfile:/bin",
            "LD_PRELOAD=/evil.so",
            "LD_LIBRARY_PATH=/",
            "SSL_CERT_FILE=/dev/shm/verified-dockerfile/ca.pem",
            "no_proxy=*",
            "APT_CONFIG=/dev/zero",
            "WGETRC=/dev/zero",
        ]),
    );
    let base = case.push("hostile", &image)?;
    let url = case.bench.web.put("/replay/hostile", b"content");
    case.policy(&[accept("image", &base.repository), any_url()])?;
    let dockerfile = format!("FROM {}\nRUN wget -O /file {url}\n", base.tagged());
    record(case, &dockerfile)?;
    let hits = case.bench.web.hits("/replay/hostile");
    assert_eq!(hits, 1);
    replay(case, &dockerfile)?.built()?;
    assert_eq!(case.read("result/file")?, "content");
    assert_eq!(case.bench.web.hits("/replay/hostile"), hits);
    Ok(())
}

/// What is not a plain file in the store, and other places for it.
fn odd_store(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/replay/odd_store", b"content");
    case.policy(&[accept("image", &base.repository), any_url()])?;
    let dockerfile = format!(
        "FROM {}\nRUN wget -O /file {url}\n{EXECUTE}\n",
        base.tagged()
    );
    record(case, &dockerfile)?;
    let bodies = store(case).join("sha256");
    let body = fs::read_dir(&bodies)?.next().ok_or("no body")??.path();
    let run = |script: &str| -> Result<()> {
        let mut command = Command::new("sh");
        command.args(["-ec", script, "sh"]).arg(&body).arg(&bodies);
        process::run(&mut command, &[], TOOL_LIMIT)?.success()?;
        Ok(())
    };
    for change in [
        "rm \"$1\"; mkfifo \"$1\"",
        "rm \"$1\"; mkdir \"$1\"",
        "rmdir \"$1\"; ln -s ../../../../../../verified-dockerfile \"$1\"",
        "rm \"$1\"; mknod \"$1\" c 1 5",
        "rm \"$1\"; truncate -s 3G \"$1\"",
        "rm \"$1\"; mv \"$2\" \"$2.other\"; ln -s / \"$2\"",
    ] {
        run(change)?;
        // Whether it is not even sent, or sent and found to be another: there is no image.
        replay(case, &dockerfile)?.failed(&["Dockerfile"])?;
    }
    run("rm \"$2\"; mv \"$2.other\" \"$2\"; printf content > \"$1\"")?;
    replay(case, &dockerfile)?.executed()?;
    // A hard link has the bytes that it has.
    run("ln \"$1\" \"$1.link\"")?;
    replay(case, &dockerfile)?.built()?;
    assert_eq!(case.read("result/file")?, "content");
    Ok(())
}

fn tampering(case: &Case) -> Result<()> {
    let outcome = replaced(case, |url| {
        format!(
            "set -e\nplace=/dev/verified-dockerfile\n{NOT}no dd if=/proc/1/mem of=/dev/null bs=1 count=1\nno readlink /proc/1/fd/0\nno cp /step.sh /etc/resolv.conf\nno umount /etc/resolv.conf\nno cp /step.sh $place/replay\nno cp /step.sh $place/recording.json\n\
             no rm $place/recording.json\nno mv $place /dev/other\nno touch $place/sha256/x\nno mount -o remount,rw $place\nno umount $place\n\
             no cat /proc/1/environ\nno cat /proc/1/maps\nkill -9 1; kill -15 1; kill -19 1\nrm -rf /dev/shm/verified-dockerfile\nwget -O /file {url}\n"
        )
    })?;
    outcome.executed()?;
    assert_eq!(case.read("result/file")?, "content");
    Ok(())
}

fn other_bytes(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/replay/other_bytes", b"content");
    case.policy(&[accept("image", &base.repository), any_url()])?;
    let dockerfile = format!(
        "FROM {}\nRUN wget -O /file {url}\n{EXECUTE}\n",
        base.tagged()
    );
    record(case, &dockerfile)?;
    let bodies: Vec<_> =
        fs::read_dir(store(case).join("sha256"))?.collect::<std::io::Result<_>>()?;
    let [body] = bodies.as_slice() else {
        return Err("there is not one body".into());
    };
    let body = body.path();
    for (change, told) in [
        (
            &(|| fs::write(&body, b"c0ntent")) as &dyn Fn() -> std::io::Result<()>,
            "and not 7 bytes",
        ),
        (&|| fs::write(&body, b"content and more"), "longer"),
        (&|| fs::remove_file(&body), "No such file"),
        (
            &|| std::os::unix::fs::symlink("/verified-dockerfile", &body),
            "other_bytes gave",
        ),
    ] {
        change()?;
        replay(case, &dockerfile)?.refused("RUN wget", &["cannot be had as recorded", told])?;
    }
    fs::remove_file(&body)?;
    fs::write(&body, b"content")?;
    replay(case, &dockerfile)?.executed()?;
    Ok(())
}

fn edited(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/replay/edited", b"content");
    let evil = case.bench.web.put("/replay/evil", b"evil");
    case.policy(&[accept("image", &base.repository), accept("http", &url)])?;
    let dockerfile = format!(
        "FROM {}\nRUN wget -O /file {url}\n{EXECUTE}\n",
        base.tagged()
    );
    record(case, &dockerfile)?;
    let text = case.read("Dockerfile.lock")?;
    for (from, to, told) in [
        // A request more than the rule covers.
        (
            "requests = [\n",
            format!(
                "requests = [\n    {{ url = \"{evil}\", digest = \"sha256:{}\", size = 4 }},\n",
                "0".repeat(64)
            ),
            "/replay/evil",
        ),
        (", size = 7", ", size = 8".to_owned(), "Dockerfile"),
        ("{ url = ", "{ status = 99, url = ".to_owned(), "status"),
        (
            "{ url = ",
            "{ asked = [\"cookie: a\"], url = ".to_owned(),
            "cookie",
        ),
        (
            "{ url = ",
            "{ headers = [\"set-cookie: a\"], url = ".to_owned(),
            "set-cookie",
        ),
        (
            "digest = \"sha256:",
            format!("digest = \"sha256:{}", "0".repeat(8)),
            "digest",
        ),
        // Another step's: then this one has none, and no network.
        (
            "step = \"sha256:",
            "step = \"sha256:00".to_owned(),
            "digest",
        ),
        (
            "step = \"sha256:",
            "more = 1\nstep = \"sha256:".to_owned(),
            "more",
        ),
        ("url = \"http:", "url = \"file:".to_owned(), "http"),
    ] {
        let edited = text.replacen(from, &to, 1);
        assert_ne!(edited, text, "{from}");
        case.file("Dockerfile.lock", edited)?;
        replay(case, &dockerfile)?.failed(&[told])?;
    }
    case.file("Dockerfile.lock", &text)?;
    replay(case, &dockerfile)?.executed()?;
    Ok(())
}
