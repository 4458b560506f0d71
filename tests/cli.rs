//! The command line as it is used: exit codes, formats, folders, colours; and hostile files, within bounded time and memory.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// How long any command may take, unoptimised and on a busy machine.
const LIMIT: Duration = Duration::from_secs(240);
/// How much address space any command may have, in KiB: some for the program, the rest for the largest Dockerfile.
const MEMORY: &str = "2000000";

const POLICY: &str = r#"version = 1

[[image]]
match = "registry.example.com/base/*"
accept = "digest"
reason = "for tests"
until = 9999-12-31
"#;

const LOCK: &str = r#"version = 1

[[image]]
reference = "registry.example.com/base/os:13"
digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
"#;

const PINNED: &str = "FROM registry.example.com/base/os:13@sha256:1111111111111111111111111111111111111111111111111111111111111111\n";

/// A folder for one test; removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{test}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// With a policy and a lock by which `FROM registry.example.com/base/os:13` is clean.
    fn ready(test: &str) -> Self {
        let folder = Self::new(test);
        folder.write("verified.toml", POLICY);
        folder.write("Dockerfile.lock", LOCK);
        folder.write("Dockerfile", "FROM registry.example.com/base/os:13\n");
        folder
    }

    fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Runs the program here, without any of its environment variables.
    fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Done {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -v $0 && exec \"$@\"", MEMORY])
            .arg(env!("CARGO_BIN_EXE_verified-dockerfile"))
            .args(arguments)
            .env_remove("VERIFIED_DOCKERFILE_POLICY")
            .env_remove("NO_COLOR")
            .envs(environment.iter().copied());
        self.wait(command)
    }

    fn wait(&self, mut command: Command) -> Done {
        // Files instead of pipes: nobody reads while it runs.
        let output = |name: &str| self.0.with_extension(name);
        let mut child = command
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .stdout(File::create(output("out")).unwrap())
            .stderr(File::create(output("err")).unwrap())
            .spawn()
            .unwrap();
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > LIMIT {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("not done after {LIMIT:?}: {command:?}");
            }
            thread::sleep(Duration::from_millis(5));
        };
        let text = |name: &str| {
            let bytes = fs::read(output(name)).unwrap();
            fs::remove_file(output(name)).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        Done {
            code: status.code().expect("it was ended by a signal"),
            out: text("out"),
            err: text("err"),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Done {
    /// That the command ended with `code` and said `text`, wherever.
    #[track_caller]
    fn says(&self, code: i32, text: &str) {
        let all = format!("{}{}", self.out, self.err);
        let shown: String = all.chars().take(2000).collect();
        assert_eq!(self.code, code, "{shown}");
        assert!(all.contains(text), "no {text:?} in:\n{shown}");
        assert!(!all.contains("panicked"), "{shown}");
    }
}

#[test]
fn exit_codes_are_0_clean_1_findings_2_could_not_run() {
    let folder = Folder::ready("exit-codes");
    folder
        .run(&["check"])
        .says(0, "1 Dockerfile, 1 fetch: 0 findings");
    folder.run(&["diff"]).says(0, PINNED);
    folder.run(&["diff", "--exit-code"]).says(1, PINNED);
    folder.run(&["explain"]).says(0, "verdict: accepted");
    let done = folder.run(&["rewrite"]);
    assert_eq!(
        (done.code, done.out.as_str(), done.err.as_str()),
        (0, PINNED, "")
    );

    folder.write("Dockerfile", PINNED);
    let done = folder.run(&["diff", "--exit-code"]);
    assert_eq!(
        (done.code, done.out.as_str()),
        (0, ""),
        "nothing is left to change"
    );

    folder.write("Dockerfile", "FROM registry.example.com/other\n");
    folder
        .run(&["check"])
        .says(1, "1 Dockerfile, 1 fetch: 1 finding");
    folder.run(&["diff"]).says(0, "refused: Dockerfile:1");
    folder.run(&["explain"]).says(0, "verdict: refused");
    let done = folder.run(&["rewrite"]);
    assert_eq!(
        (done.code, done.out.as_str()),
        (1, ""),
        "half a rewrite is none"
    );

    folder.write("Dockerfile", "FROM\n");
    for command in ["check", "diff", "explain", "rewrite"] {
        folder
            .run(&[command])
            .says(1, "FROM takes either one or three arguments");
    }
}

#[test]
fn what_could_not_run_says_why() {
    let folder = Folder::ready("could-not-run");
    for command in ["check", "diff", "explain", "rewrite"] {
        folder.run(&[command, "nowhere"]).says(2, "nowhere: ");
        folder
            .run(&[command, "--platform", "a/b/c/d"])
            .says(2, "--platform: ");
        folder
            .run(&[command, "--build-context", "x"])
            .says(2, "--build-context: ");
        folder
            .run(&[command, "--policy", "none.toml"])
            .says(2, "none.toml: ");
        folder
            .run(&[command, "--no-such-option"])
            .says(2, "--no-such-option");
    }
    fs::create_dir(folder.0.join("empty")).unwrap();
    folder
        .run(&["check", "empty"])
        .says(2, "there is no Dockerfile below this folder");
    folder.run(&["check", "--format", "xml"]).says(2, "xml");
    folder.run(&["build"]).says(2, "unrecognized subcommand");
    folder.run(&[]).says(2, "Usage:");
}

#[test]
fn each_command_has_help() {
    let folder = Folder::new("help");
    folder
        .run(&["--help"])
        .says(0, "Exit codes: 0 clean, 1 findings, 2 could not run.");
    folder
        .run(&["--version"])
        .says(0, env!("CARGO_PKG_VERSION"));
    let list = folder.run(&["--help"]).out;
    for command in ["diff", "rewrite", "check", "explain"] {
        assert!(list.contains(&format!("\n  {command} ")), "{list}");
        let done = folder.run(&[command, "--help"]);
        done.says(
            0,
            &format!("Usage: verified-dockerfile {command} [OPTIONS]"),
        );
        for option in [
            "--build-arg",
            "--target",
            "--platform",
            "--build-context",
            "--policy",
            "--color",
        ] {
            done.says(0, option);
        }
        assert_eq!(done.err, "");
    }
    assert!(
        !list.contains("internal"),
        "steps of a build are not for people"
    );
}

#[test]
fn json_is_an_array_of_findings() {
    let folder = Folder::ready("json");
    let done = folder.run(&["check", "--format", "json"]);
    assert_eq!((done.code, done.out.as_str()), (0, "[]\n"));

    folder.write(
        "Dockerfile",
        "# one\nFROM registry.example.com/other AS \\\n  build\nRUN true\n",
    );
    let done = folder.run(&["check", "--format", "json"]);
    assert_eq!(done.code, 1);
    let findings: Value = serde_json::from_str(&done.out).unwrap();
    let [finding] = findings.as_array().unwrap().as_slice() else {
        panic!("{findings}");
    };
    let finding = finding.as_object().unwrap();
    let keys: Vec<&str> = finding.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "cause",
            "code",
            "end_line",
            "file",
            "kind",
            "level",
            "next",
            "start_line",
            "subject"
        ]
    );
    assert_eq!(finding["kind"], "unverified");
    assert_eq!(finding["file"], "Dockerfile");
    assert_eq!(finding["start_line"], 2);
    assert_eq!(finding["end_line"], 3);
    for text in ["cause", "next", "subject"] {
        assert!(!finding[text].as_str().unwrap().is_empty(), "{text}");
    }

    let done = folder.run(&["explain", "--format", "json"]);
    let explained: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(explained["file"], "Dockerfile");
    assert_eq!(explained["findings"], findings);
    let fetch = &explained["fetches"][0];
    assert_eq!(fetch["line"], 2);
    assert_eq!(fetch["instruction"], "FROM");
    assert_eq!(fetch["reference"], "registry.example.com/other");
    assert_eq!(fetch["source"], "registry.example.com/other:latest");
    assert_eq!(fetch["verdict"], "refused");
    assert_eq!(fetch["pin"], Value::Null);
}

#[test]
fn secrets_of_urls_are_in_no_format() {
    let folder = Folder::new("secrets");
    folder.write(
        "Dockerfile",
        "FROM scratch\nARG KEY=hunter2secret\nADD https://someone:hunter2secret@files.example.com/a /a\n\
         ADD https://files.example.com/b?token=${KEY} /b\n",
    );
    for words in [
        &["check"][..],
        &["check", "--format", "json"],
        &["check", "--format", "sarif"],
        &["check", "--format", "github"],
        &["check", "--format", "list"],
        &["explain"],
        &["explain", "--format", "json"],
        &["lock", "--record=never"],
    ] {
        let done = folder.run(words);
        let all = format!("{}{}", done.out, done.err);
        assert!(all.contains("files.example.com"), "{words:?}: {all}");
        assert!(!all.contains("hunter2secret"), "{words:?}: {all}");
    }
}

#[test]
fn folders_mean_every_dockerfile_below() {
    let folder = Folder::new("folders");
    for name in [
        "Dockerfile",
        "a/Containerfile",
        "a/b/web.Dockerfile",
        "c/Dockerfile.dev",
    ] {
        folder.write(name, "FROM scratch\n");
    }
    for name in [
        "Dockerfile.dockerignore",
        "c/Dockerfile.dev.dockerignore",
        "a/NotADockerfile",
        ".git/Dockerfile",
    ] {
        folder.write(name, "this is no Dockerfile\n");
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(&folder.0, folder.0.join("a/loop")).unwrap();
    folder
        .run(&["check", "."])
        .says(0, "4 Dockerfiles, 0 fetches: 0 findings");
    folder.run(&["check", "a", "c"]).says(0, "3 Dockerfiles");
    folder
        .run(&["check", "a", "a/Containerfile"])
        .says(0, "2 Dockerfiles");

    // The files beside each Dockerfile are its own.
    folder.write("c/verified.toml", "version = 2\n");
    let done = folder.run(&["check", ".", "--format", "json"]);
    let findings: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(findings.as_array().unwrap().len(), 1, "{findings}");
    assert_eq!(findings[0]["file"], "./c/verified.toml");
}

#[test]
fn options_of_the_build_decide_what_is_fetched() {
    let folder = Folder::ready("options");
    folder.write(
        "Dockerfile",
        "ARG NAME=registry.example.com/base/os\nFROM scratch AS empty\nFROM ${NAME}:13 AS full\n",
    );
    let fetches = |arguments: &[&str], environment: &[(&str, &str)]| -> Vec<String> {
        let words = [&["explain", "--format", "json"], arguments].concat();
        let explained: Value =
            serde_json::from_str(&folder.run_with(&words, environment).out).unwrap();
        let fetches = explained["fetches"].as_array().unwrap().iter();
        fetches
            .map(|fetch| fetch["reference"].as_str().unwrap().to_owned())
            .collect()
    };
    let none: [String; 0] = [];
    assert_eq!(fetches(&[], &[]), ["registry.example.com/base/os:13"]);
    assert_eq!(fetches(&["--target", "empty"], &[]), none);
    assert_eq!(
        fetches(&["--build-arg", "NAME=a.test/x"], &[]),
        ["a.test/x:13"]
    );
    assert_eq!(
        fetches(&["--build-arg", "NAME"], &[("NAME", "b.test/x")]),
        ["b.test/x:13"]
    );
    assert_eq!(
        fetches(&["--platform", "linux/amd64,linux/arm64"], &[]).len(),
        2
    );

    // A folder in the place of a base that the policy guards.
    folder.run(&["check"]).says(0, "0 findings");
    folder
        .run(&[
            "check",
            "--build-context",
            "registry.example.com/base/os=./elsewhere",
        ])
        .says(0, "0 findings");
    folder.write("verified.toml", "version = 1\n");
    folder
        .run(&[
            "check",
            "--build-context",
            "registry.example.com/base/os:13=./elsewhere",
        ])
        .says(1, "error[VD007]");
}

#[test]
fn an_organisations_policy_holds_beside_the_projects() {
    let folder = Folder::ready("organisation");
    folder.write("org/policy.toml", "version = 1\n");
    let says = "no image rule covers registry.example.com/base/os (org/policy.toml)";
    folder
        .run(&["check", "--policy", "org/policy.toml"])
        .says(1, says);
    folder
        .run_with(
            &["check"],
            &[("VERIFIED_DOCKERFILE_POLICY", "org/policy.toml")],
        )
        .says(1, says);
    folder.write("org/policy.toml", POLICY);
    folder
        .run(&["check", "--policy", "org/policy.toml"])
        .says(0, "0 findings");
    folder.write("verified.toml", "version = 1\n");
    folder.run(&["check", "--policy", "org/policy.toml"]).says(
        1,
        "no image rule covers registry.example.com/base/os (verified.toml)",
    );
}

#[test]
fn colours_are_for_terminals() {
    let folder = Folder::new("colours");
    folder.write("Dockerfile", "FROM a.test/x\nRUN true\n");
    let coloured = |done: &Done| done.out.contains('\x1b');
    for command in ["check", "diff"] {
        assert!(!coloured(&folder.run(&[command])), "{command}");
        assert!(
            coloured(&folder.run(&[command, "--color", "always"])),
            "{command}"
        );
        assert!(
            !coloured(&folder.run(&[command, "--color", "never"])),
            "{command}"
        );
    }
}

/// `script` of util-linux gives the command a terminal.
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_there_are_colours_unless_no_color_is_set() {
    let folder = Folder::new("terminal");
    folder.write("Dockerfile", "FROM a.test/x\nRUN true\n");
    let on_a_terminal = |arguments: &str, no_color: &str| {
        let mut command = Command::new("script");
        let program = env!("CARGO_BIN_EXE_verified-dockerfile");
        command
            .args(["--quiet", "--return", "--command"])
            .arg(format!("'{program}' {arguments}"))
            .arg("/dev/null")
            .env("NO_COLOR", no_color);
        let done = folder.wait(command);
        assert!(done.out.contains("a.test/x"), "{}{}", done.out, done.err);
        done.out.contains('\x1b')
    };
    for command in ["check", "diff"] {
        assert!(on_a_terminal(command, ""), "{command}");
        assert!(!on_a_terminal(command, "1"), "{command}");
        assert!(
            !on_a_terminal(&format!("{command} --color never"), ""),
            "{command}"
        );
        assert!(
            on_a_terminal(&format!("{command} --color always"), "1"),
            "{command}"
        );
    }
}

#[test]
fn a_reader_that_has_gone_away_is_no_failure() {
    let folder = Folder::new("broken-pipe");
    folder.write(
        "Dockerfile",
        "FROM scratch\n".to_owned() + &"RUN true\n".repeat(20_000),
    );
    let mut command = Command::new("sh");
    command
        .args(["-c", "{ \"$0\" diff; echo \"code $?\" >&2; } | head -c 10"])
        .arg(env!("CARGO_BIN_EXE_verified-dockerfile"));
    folder.wait(command).says(0, "code 0");
}

#[test]
fn rewriting_keeps_every_byte_that_is_not_pinned() {
    let folder = Folder::ready("bytes");
    let rest = b"# caf\xe9 \x00\x01\r\nLABEL a=\"\xff\"  \n\n";
    let text = [
        b"# syntax=example.com/x\nFROM registry.example.com/base/os:13\n".as_slice(),
        rest,
    ]
    .concat();
    folder.write("Dockerfile", text);
    let mut command = Command::new("sh");
    command
        .args(["-c", "\"$0\" rewrite > rewritten"])
        .arg(env!("CARGO_BIN_EXE_verified-dockerfile"));
    folder.wait(command).says(0, "");
    let rewritten = fs::read(folder.0.join("rewritten")).unwrap();
    assert_eq!(rewritten, [PINNED.as_bytes(), rest].concat());
}

#[test]
fn broken_policies_are_refused_at_their_place() {
    let folder = Folder::ready("policies");
    let rule = "[[image]]\nmatch = \"x.test/*\"\n";
    for (text, line, says) in [
        ("", 1, "version"),
        ("version = 2\n", 1, "version 2"),
        ("version = \"1\"\n", 1, "version"),
        ("version = 1\nlockd = true\n", 2, "lockd"),
        ("version = 1\nlocked = \"yes\"\n", 2, "locked"),
        ("version = 1\nversion = 1\n", 2, "duplicate key"),
        ("version = 1\n[keys]\na = 1\n", 3, "a"),
        (
            "version = 1\n[keys.a]\ncosign = \"../outside.pub\"\n",
            3,
            "..",
        ),
        (
            "version = 1\n[keys.a]\ncosign = \"/etc/passwd\"\n",
            3,
            "absolute",
        ),
        (
            "version = 1\n[keys.a]\ncosign = \"none.pub\"\n",
            3,
            "none.pub",
        ),
        (
            "version = 1\n[keys.a]\ncosign = \"link.pub\"\n",
            3,
            "link to outside",
        ),
        (
            "version = 1\n[keys.a]\ncosign = \"verified.toml\"\n",
            3,
            "PUBLIC KEY",
        ),
        ("version = 1\n[keys.a]\nopenpgp = \"a.asc\"\n", 3, "a.asc"),
        ("version = 1\n[keys.a]\nx509 = \"a.pem\"\n", 3, "a.pem"),
        (&format!("version = 1\n{rule}"), 2, "signed-by"),
        (
            &format!("version = 1\n{rule}signed-by = [\"a\"]\n"),
            4,
            "`a`",
        ),
        (
            &format!("version = 1\n{rule}accept = \"digest\"\nuntil = 2030-01-01\n"),
            2,
            "reason",
        ),
        (
            &format!("version = 1\n{rule}accept = \"digest\"\nreason = \"x\"\nuntil = \"soon\"\n"),
            6,
            "until",
        ),
        (
            &format!("version = 1\n{rule}match = \"y\"\n"),
            4,
            "duplicate key",
        ),
        ("version = 1\n[[image]\n", 2, ""),
        ("version = 1\n\0", 2, ""),
    ] {
        folder.write("verified.toml", text);
        folder.write("../cli-policies-outside.pub", "");
        #[cfg(unix)]
        if text.contains("link.pub") {
            let _ = std::os::unix::fs::symlink(
                "../cli-policies-outside.pub",
                folder.0.join("link.pub"),
            );
        }
        refused_at(&folder, "verified.toml", line, says);
    }
    let _ = fs::remove_file(folder.0.join("../cli-policies-outside.pub"));
    folder.write("verified.toml", b"version = 1 # \xff\n");
    refused_at(&folder, "verified.toml", 1, "UTF-8");
}

#[test]
fn broken_locks_are_refused_at_their_place() {
    let folder = Folder::ready("locks");
    // A lock that was cut off anywhere is no lock, or has an entry less.
    for end in 0..LOCK.len() - 1 {
        folder.write("Dockerfile.lock", &LOCK[..end]);
        if end % 8 == 0 {
            let done = folder.run(&["check"]);
            assert_eq!(done.code, 1, "{end}: {}", done.out);
        }
    }
    let digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    let twice = format!("{LOCK}\n{}", LOCK.split_once('\n').unwrap().1);
    for (text, line, says) in [
        (LOCK.replace("version = 1", "version = 2"), 1, "version 2"),
        (LOCK.replace("digest", "digests"), 5, "digests"),
        (LOCK.replace("[[image]]", "[[images]]"), 3, "images"),
        (LOCK.replace(&format!("\"{digest}\""), "1"), 5, "digest"),
        (LOCK.replace(digest, "sha256:1111"), 5, "64"),
        (LOCK.replace("sha256", "md5"), 5, "unknown digest algorithm"),
        (LOCK.replace("/os:13", "/os"), 4, "written in full"),
        (
            LOCK.replace("registry.example.com", "Registry!"),
            4,
            "reference",
        ),
        (twice, 9, "twice"),
        (format!("{LOCK}digest = \"{digest}\"\n"), 6, "duplicate key"),
    ] {
        folder.write("Dockerfile.lock", text);
        refused_at(&folder, "Dockerfile.lock", line, says);
    }
}

#[test]
fn broken_evidence_is_refused_at_its_line() {
    let folder = Folder::ready("evidence");
    let good = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/signed/Dockerfile.evidence"),
    )
    .unwrap();
    folder.write("Dockerfile.evidence", &good);
    folder.run(&["check"]).says(0, "0 findings");
    let first = good.lines().next().unwrap();
    for (text, line, says) in [
        (good[..good.len() - 10].to_owned(), 4, "JSON"),
        (format!("{good}{first}\n"), 5, "twice"),
        (format!("{good}\n"), 5, "JSON"),
        (
            good.replacen("\"id\":\"sha256:", "\"id\":\"sha256:0", 1),
            1,
            "id",
        ),
        (
            good.replacen("\"kind\":\"", "\"kind\":\"x", 1),
            1,
            "unknown variant",
        ),
        (good.replacen("{\"id\"", "{\"more\":1,\"id\"", 1), 1, "more"),
        ("[".repeat(100_000), 1, "JSON"),
    ] {
        folder.write("Dockerfile.evidence", text);
        refused_at(&folder, "Dockerfile.evidence", line, says);
    }
}

/// That `check` has one finding, about `line` of `file`, that says `text`.
#[track_caller]
fn refused_at(folder: &Folder, file: &str, line: u64, text: &str) {
    let done = folder.run(&["check", "--format", "json"]);
    assert_eq!(done.code, 1, "{text}: {}{}", done.out, done.err);
    let findings: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(findings.as_array().unwrap().len(), 1, "{findings}");
    let finding = &findings[0];
    assert_eq!(finding["kind"], "configuration");
    assert_eq!(finding["file"], file);
    assert_eq!(finding["start_line"], line, "{finding}");
    assert!(
        finding["cause"].as_str().unwrap().contains(text),
        "no {text:?} in {finding}"
    );
    // For people, the lines are those of the file that it is about.
    folder.run(&["explain"]).says(1, &format!("{file}:{line}:"));
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_holds_nobody_up() {
    let folder = Folder::ready("pipes");
    for file in ["verified.toml", "Dockerfile.lock", "Dockerfile.evidence"] {
        let path = folder.0.join(file);
        let _ = fs::remove_file(&path);
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        folder
            .run(&["check"])
            .says(2, &format!("{file}: it is not a regular file"));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        folder
            .run(&["check"])
            .says(2, &format!("{file}: it is not a regular file"));
        fs::remove_dir(&path).unwrap();
    }
    // In a folder, a pipe under a Dockerfile's name is none.
    fs::remove_file(folder.0.join("Dockerfile")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(folder.0.join("Dockerfile"))
            .status()
            .unwrap()
            .success()
    );
    folder
        .run(&["check", "."])
        .says(2, "there is no Dockerfile below this folder");
}

#[test]
fn files_beyond_any_sense_are_refused_in_bounded_time() {
    let folder = Folder::new("large");
    let policy = format!(
        "version = 1\n{}",
        "[[image]]\nmatch = \"a\"\n".repeat(200_000)
    );
    folder.write("Dockerfile", "FROM scratch\n");
    folder.write("verified.toml", policy);
    folder.run(&["check"]).says(1, "error[VD002]");
    fs::remove_file(folder.0.join("verified.toml")).unwrap();
    let huge = File::create(folder.0.join("Dockerfile.evidence")).unwrap();
    huge.set_len(100 << 30).unwrap();
    folder
        .run(&["check"])
        .says(2, "it has more than 67108864 bytes");
}

#[test]
fn hostile_dockerfiles_end_in_a_clear_message() {
    let folder = Folder::new("hostile");
    let long = "x".repeat(5_000_000);
    let deep = format!("FROM scratch\nENV A={}\n", "${A:-".repeat(10_000));
    let doubling = "ENV A=$A$A$A$A$A$A$A$A$A$A\n".repeat(40);
    for (what, text, says) in [
        ("empty", String::new(), "found no instruction"),
        (
            "comments only",
            "# a\n\n".repeat(1000),
            "found no instruction",
        ),
        (
            "one line",
            format!("FROM {long}\n"),
            "line longer than 65535 bytes",
        ),
        (
            "one line without end",
            format!("FROM scratch\nRUN {long}"),
            "line longer than 65535 bytes",
        ),
        (
            "not text",
            "\0\u{1}\u{2}\u{fffd}".repeat(10_000),
            "error[VD001]",
        ),
        ("nested expansion", deep, "error[VD001]"),
        (
            "growing expansion",
            format!("FROM scratch\nARG A=aaaaaaaaaa\n{doubling}"),
            "more time or memory",
        ),
        (
            "heredoc without end",
            "FROM scratch\nRUN <<E\nx\n".to_owned(),
            "error[VD001]",
        ),
        (
            "stage of itself",
            "FROM a AS a\nFROM b\nCOPY --from=9 / /\n".to_owned(),
            "error[",
        ),
    ] {
        folder.write("Dockerfile", text);
        println!("{what}");
        let done = folder.run(&["check"]);
        done.says(1, says);
        assert!(
            done.out.len() < 10_000,
            "{what}: a message of {} bytes",
            done.out.len()
        );
        assert!(!done.out.contains(['\x1b', '\0']), "{what}");
    }
    // Random bytes, always the same ones (SplitMix64).
    let mut state: u64 = 7;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 56) as u8
    })
    .take(1 << 20)
    .collect();
    folder.write("Dockerfile", bytes);
    folder.run(&["check"]).says(1, "error[VD001]");
}

#[test]
fn a_dockerfile_of_ten_megabytes_is_refused() {
    let folder = Folder::new("ten-megabytes");
    folder.write(
        "Dockerfile",
        "FROM scratch\n".to_owned() + &"RUN echo hello world\n".repeat(500_000),
    );
    folder
        .run(&["check"])
        .says(1, "it has 500001 instructions, and at most 20000 are read");
}

#[test]
fn a_hundred_thousand_stages_are_refused() {
    let folder = Folder::new("stages");
    let stages: String = (0..100_000)
        .map(|n| format!("FROM a.test/x{n} AS s{n}\n"))
        .collect();
    folder.write("Dockerfile", format!("{stages}FROM scratch\n"));
    folder
        .run(&["check"])
        .says(1, "it has 100001 stages, and at most 1000 are read");
}
