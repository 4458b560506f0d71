//! RUN steps that download: recorded once, then built without the network, from what was recorded.

use std::{fs, path::PathBuf, process::Command};

use engine::{Result, image::Tar, process};
use serde_json::json;
use verified_dockerfile::lock::Lock;

use crate::{
    Test,
    bench::{Case, DOWNLOAD_LIMIT, EXECUTE, Outcome, TOOL_LIMIT, accept, allow},
};

pub const TESTS: &[Test] = &[
    ("a_download_is_recorded_and_replayed", download),
    ("nothing_of_ours_is_left_in_the_image", nothing_left),
    ("all_forms_of_run_are_served", forms),
    ("another_user_without_shell_is_served", no_shell),
    ("equal_and_different_steps_have_their_own", own_recordings),
    ("without_a_store_the_urls_are_used", from_urls),
    ("what_the_policy_does_not_allow_is_refused", policy),
    ("git_is_cloned_without_the_network", git),
    ("only_missing_steps_are_recorded", missing),
];

/// The folder of bodies of a case.
pub fn store(case: &Case) -> PathBuf {
    case.folder.join("store")
}

/// Records what the steps of `dockerfile` download, by the command.
pub fn record(case: &Case, dockerfile: &str) -> Result<String> {
    record_with(case, dockerfile, &["--all"])
}

pub fn record_with(case: &Case, dockerfile: &str, words: &[&str]) -> Result<String> {
    let dockerfile = format!("# syntax={}\n{dockerfile}", case.bench.frontend);
    case.file("Dockerfile", dockerfile)?;
    case.file(".dockerignore", "store\nresult\n*.tar\n")?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_verified-dockerfile"));
    command
        .args(["record", "--store"])
        .arg(store(case))
        .args(words)
        .arg("Dockerfile")
        .current_dir(&case.folder);
    for (name, value) in case.bench.engine.variables() {
        command.env(name, value);
    }
    if let Some(programs) = case.bench.engine.programs() {
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", programs.display()));
    }
    Ok(process::run(&mut command, &[], DOWNLOAD_LIMIT)?
        .success()?
        .stdout)
}

/// Builds from lock and store, and puts the image's files into the folder `result`.
pub fn replay(case: &Case, dockerfile: &str) -> Result<Outcome> {
    replay_with(case, dockerfile, true)
}

fn replay_with(case: &Case, dockerfile: &str, with_store: bool) -> Result<Outcome> {
    let out = case.folder.join("result");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    let to = format!("type=local,dest={}", out.display());
    let context = format!("verified-store={}", store(case).display());
    let words = ["--output", to.as_str(), "--build-context", context.as_str()];
    let words = if with_store { &words[..] } else { &words[..2] };
    case.build(dockerfile)?.with(words).run()
}

pub fn lock(case: &Case) -> Result<Lock> {
    let bytes = fs::read(case.folder.join("Dockerfile.lock"))?;
    Ok(Lock::parse(&bytes, "lock").map_err(|error| error.message)?)
}

/// A rule for all URLs, which accepts what is in the lock.
pub fn any_url() -> String {
    accept("http", "http://**")
}

fn download(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/replay/download", b"first content");
    case.policy(&[accept("image", &base.repository), any_url()])?;
    let dockerfile = format!("FROM {}\nRUN wget -O /file {url}\n", base.tagged());
    let told = record(case, &dockerfile)?;
    assert!(
        told.contains("RUN wget -O /file") && told.contains("1 requests, 13 bytes"),
        "{told}"
    );
    let hits = case.bench.web.hits("/replay/download");
    assert_eq!(hits, 1);
    case.bench.web.put("/replay/download", b"other content");
    replay(case, &dockerfile)?.built()?;
    assert_eq!(case.read("result/file")?, "first content");
    assert_eq!(case.bench.web.hits("/replay/download"), hits);
    // What another step does is nothing to this one's recording.
    let more = dockerfile.replace("RUN wget", "RUN echo more > /more\nRUN wget");
    replay(case, &more)?.built()?;
    assert_eq!(case.read("result/file")?, "first content");
    Ok(())
}

fn nothing_left(case: &Case) -> Result<()> {
    // As in any real image: where it is missing, BuildKit leaves an empty one behind.
    let devices = Tar::new().folder("dev");
    let base = case.push("base", &case.busybox("base").layer(&devices))?;
    let url = case.bench.web.put("/replay/nothing_left", b"content");
    // The second half has authorities mounted where this image has not even a folder.
    let command = format!("wget -q -O /file {url} && env > /dev/null && env -i /bin/true");
    let dockerfile = format!("FROM {}\nRUN {command}\n", base.tagged());
    let rules = [accept("image", &base.repository), any_url()];
    case.policy(&rules)?;
    record(case, &dockerfile)?;
    let export = |name: &str| -> Result<(String, serde_json::Value)> {
        // What `--output type=docker` gives, which the older engine does not have.
        let tag = base.repository.clone() + ":" + name;
        let context = format!("verified-store={}", store(case).display());
        case.build(&dockerfile)?
            .with(&[
                "--load",
                "--tag",
                &tag,
                "--build-context",
                &context,
                "--provenance=false",
                "--no-cache",
            ])
            .run()?
            .built()?;
        let mut save = case.bench.engine.command("docker");
        save.args(["save", "--output"]).arg(case.folder.join(name));
        process::run(save.arg(&tag), &[], TOOL_LIMIT)?.success()?;
        let mut list = Command::new("sh");
        list.args([
            "-c",
            "mkdir -p \"$1.d\" && tar xf \"$1\" -C \"$1.d\" && cd \"$1.d\" && for layer in $(find . -type f | sort); do tar tf \"$layer\" 2>/dev/null; done | sort -u; cat manifest.json >&2",
            "sh",
        ]);
        let done = process::run(list.arg(case.folder.join(name)), &[], TOOL_LIMIT)?.success()?;
        let manifest: serde_json::Value = serde_json::from_str(&done.stderr)?;
        let config = manifest[0]["Config"]
            .as_str()
            .ok_or("no config")?
            .to_owned();
        let config = case.read(&format!("{name}.d/{config}"))?;
        Ok((done.stdout, serde_json::from_str(&config)?))
    };
    let (replayed, replayed_config) = export("replayed.tar")?;
    // The same with the network, and without us in the step.
    case.policy(&[rules.concat(), allow(&command, "network = \"allow\"")])?;
    let (online, online_config) = export("online.tar")?;
    assert!(replayed.lines().any(|path| path == "file"), "{replayed}");
    assert_eq!(replayed, online);
    assert!(!replayed.contains("verified"), "{replayed}");
    assert_eq!(replayed_config["config"], online_config["config"]);
    // Where the base has layers without history, as this one, BuildKit adds for the layers that it counts too many which operation made
    // each, and the launcher is named there: docs/replay.md.
    let history = |config: &serde_json::Value| {
        let steps = config["history"].as_array().cloned().unwrap_or_default();
        let words = steps.iter().filter_map(|step| step["created_by"].as_str());
        let words = words.map(|words| words.replace("/dev/verified-dockerfile/replay ", ""));
        words.collect::<Vec<_>>()
    };
    assert_eq!(history(&replayed_config), history(&online_config));
    Ok(())
}

fn forms(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = |name: &str| {
        case.bench
            .web
            .put(&format!("/replay/forms/{name}"), name.as_bytes())
    };
    case.policy(&[accept("image", &base.repository), any_url()])?;
    let dockerfile = format!(
        "FROM {}\nARG NAME=shell\nRUN wget -O /$NAME {}\nRUN [\"wget\", \"-O\", \"/exec\", \"{}\"]\n\
         RUN <<END\nset -e\nwget -O /heredoc {}\nEND\nRUN <<END\n#!/bin/ash\nwget -O /script {}\nEND\n\
         SHELL [\"/bin/ash\", \"-e\", \"-c\"]\nRUN wget -O /other {} | cat\n",
        base.tagged(),
        url("shell"),
        url("exec"),
        url("heredoc"),
        url("script"),
        url("other"),
    );
    record(case, &dockerfile)?;
    assert_eq!(lock(case)?.runs().count(), 5);
    let hits = case.bench.web.hits("/replay/forms/");
    replay(case, &dockerfile)?.built()?;
    for name in ["shell", "exec", "heredoc", "script", "other"] {
        assert_eq!(case.read(&format!("result/{name}"))?, name);
    }
    assert_eq!(case.bench.web.hits("/replay/forms/"), hits);
    // A build argument is part of what a step is.
    let other = dockerfile.replace("NAME=shell", "NAME=renamed");
    replay(case, &other)?.failed(&[])?;
    Ok(())
}

/// Only one program, and nothing that it could start.
fn no_shell(case: &Case) -> Result<()> {
    let tools = case.busybox("tools");
    let tools = case.push("tools", &tools)?;
    let url = case.bench.web.put("/replay/no_shell", b"content");
    case.policy(&[accept("image", &tools.repository), any_url()])?;
    let dockerfile = format!(
        "FROM {} AS tools\nRUN mkdir /empty && chmod 777 /empty\nFROM scratch\nCOPY --from=tools /bin/busybox /wget\n\
         COPY --from=tools --chown=1000:1000 /empty /work\nUSER 1000:1000\nWORKDIR /work\nRUN [\"/wget\", \"-O\", \"file\", \"{url}\"]\n",
        tools.tagged()
    );
    record(case, &dockerfile)?;
    replay(case, &dockerfile)?.built()?;
    assert_eq!(case.read("result/work/file")?, "content");
    assert_eq!(case.bench.web.hits("/replay/no_shell"), 1);
    Ok(())
}

fn own_recordings(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/replay/own", b"one");
    case.policy(&[accept("image", &base.repository), any_url()])?;
    // The same URL with different content, in two steps; and twice the same step.
    let dockerfile = format!(
        "FROM {} AS a\nRUN wget -O /a {url}\nFROM {} AS b\nRUN sleep 1; wget -O /b {url}\nFROM {}\n\
         RUN wget -O /c {url}\nRUN mv /c /d\nRUN wget -O /c {url}\nCOPY --from=a /a /\nCOPY --from=b /b /\n",
        base.tagged(),
        base.tagged(),
        base.tagged()
    );
    record(case, &dockerfile.replace("RUN sleep", "RUN true || sleep"))?;
    case.bench.web.put("/replay/own", b"two");
    record_with(case, &dockerfile, &[])?;
    assert_eq!(
        lock(case)?
            .runs()
            .filter(|run| !run.exchanges.is_empty())
            .count(),
        5
    );
    replay(case, &dockerfile)?.built()?;
    for (name, content) in [("a", "one"), ("b", "two"), ("c", "one"), ("d", "one")] {
        assert_eq!(case.read(&format!("result/{name}"))?, content, "{name}");
    }
    Ok(())
}

fn from_urls(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/replay/from_urls", b"content");
    case.policy(&[accept("image", &base.repository), any_url()])?;
    let dockerfile = format!(
        "FROM {}\nRUN wget -O /file {url}\n{EXECUTE}\n",
        base.tagged()
    );
    record(case, &dockerfile)?;
    replay_with(case, &dockerfile, false)?.executed()?;
    assert_eq!(case.read("result/file")?, "content");
    // Other bytes there now, and nobody who has the right ones.
    let other = case
        .bench
        .web
        .put("/replay/from_urls/other", b"other content");
    let changed = dockerfile.replace(&url, &other);
    record(case, &changed)?;
    case.bench
        .web
        .put("/replay/from_urls/other", b"0ther content");
    replay_with(case, &changed, false)?.refused("RUN wget", &[])?;
    Ok(())
}

fn policy(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let url = case.bench.web.put("/replay/policy", b"content");
    case.policy(&[accept("image", &base.repository)])?;
    let dockerfile = format!(
        "FROM {}\nRUN wget -O /file {url}\n{EXECUTE}\n",
        base.tagged()
    );
    record(case, &dockerfile)?;
    replay(case, &dockerfile)?.refused("RUN wget", &["it downloads http://", "/replay/policy"])?;
    case.policy(&[accept("image", &base.repository), any_url()])?;
    replay(case, &dockerfile)?.executed()?;
    Ok(())
}

fn git(case: &Case) -> Result<()> {
    let Some(programs) = git_image(case)? else {
        eprintln!("SKIPPED: this engine's root has no git to put into an image");
        return Ok(());
    };
    let repository = case.git(&[("file", b"first")])?;
    case.policy(&[accept("image", &programs), accept("git", &repository.url)])?;
    let dockerfile = format!(
        "FROM {programs}:latest\nRUN git clone {} /clone && rm -rf /clone/.git\n",
        repository.url
    );
    record(case, &dockerfile)?;
    case.git(&[("file", b"second")])?;
    let hits = case.bench.web.hits("/git/");
    replay(case, &dockerfile)?.built()?;
    assert_eq!(case.read("result/clone/file")?, "first");
    assert_eq!(case.bench.web.hits("/git/"), hits);
    Ok(())
}

/// An image with git and what it needs, from the engine's own root.
pub fn git_image(case: &Case) -> Result<Option<String>> {
    let script = "tar c -h $(for program in /usr/bin/git /usr/lib/git-core/git-remote-http; do echo $program; \
                  ldd $program | grep -o '/[^ ]*'; done | sort -u) 2>/dev/null | base64 -w0";
    let mut command = case.bench.engine.command("git");
    command.args(["-c", &format!("alias.pack=!{script}"), "pack"]);
    let Ok(done) = process::run(&mut command, &[], TOOL_LIMIT)?.success() else {
        return Ok(None);
    };
    let folder = case.folder.join("programs");
    fs::create_dir_all(&folder)?;
    case.file("programs.b64", done.stdout)?;
    let mut unpack = Command::new("sh");
    unpack.args([
        "-c",
        "base64 -d programs.b64 | tar x -C programs && find programs -type f",
    ]);
    let list = process::run(unpack.current_dir(&case.folder), &[], TOOL_LIMIT)?
        .success()?
        .stdout;
    let mut tar = Tar::new();
    for path in list.lines() {
        let name = path.trim_start_matches("programs/");
        tar = tar.file(name, 0o755, &fs::read(case.folder.join(path))?);
    }
    fs::remove_dir_all(&folder)?;
    fs::remove_file(case.folder.join("programs.b64"))?;
    let tar = tar
        .link("usr/lib/git-core/git", "/usr/bin/git")
        .link("usr/lib/git-core/git-remote-https", "git-remote-http");
    let tar = tar.folder("tmp").folder("root");
    let image = case
        .busybox("git")
        .layer(&tar)
        .with("Env", json!(["PATH=/bin:/usr/bin", "HOME=/root"]));
    Ok(Some(case.push("git", &image)?.repository))
}

fn missing(case: &Case) -> Result<()> {
    let base = case.base("base")?;
    let one = case.bench.web.put("/replay/missing/one", b"one");
    let two = case.bench.web.put("/replay/missing/two", b"two");
    case.policy(&[accept("image", &base.repository), any_url()])?;
    let dockerfile = format!("FROM {}\nRUN wget -O /one {one}\n", base.tagged());
    record(case, &dockerfile)?;
    case.bench.web.put("/replay/missing/one", b"changed");
    let more = format!(
        "{dockerfile}RUN wget -O /two {two} && cat /one\nRUN --network=none ! wget -O /none {one}\n"
    );
    let told = record_with(case, &more, &[])?;
    assert!(told.contains("1 steps recorded"), "{told}");
    assert_eq!(case.bench.web.hits("/replay/missing/one"), 1);
    replay(case, &more)?.built()?;
    assert_eq!(case.read("result/one")?, "one");
    assert_eq!(case.read("result/two")?, "two");
    Ok(())
}
