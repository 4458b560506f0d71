//! The graph that is built through us is the one that the stock frontend makes of the same file, but for pins and the
//! network of steps: `testdata/equal`.
//!
//! Both frontends are asked by a third one, `tests/support/dump`, within one build. Comments at the end of a
//! file that start with `#:` say how it is built:
//! - `args WORDS`: words of the command line of `docker buildx build`;
//! - `network`: steps are allowed their network, and must keep it;
//! - `refused [SUITE]`: both refuse the file, because no engine, or not this one, can build it;
//! - `only SUITE`: other engines build something else, or cannot build it;
//! - `stricter SUITE`: we refuse what this stock frontend builds;
//! - `splits`: it is built, but to another graph, because a pinned `ADD` has one source.
//!
//! `registry.test`, `files.test`, `git.test`, `digest.test` and `commit.test` are replaced by what the tests serve.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use engine::{
    Result,
    frontend::{self, Profile},
    image::Tar,
};
use serde_json::{Value, json};
use similar::TextDiff;

use crate::{
    Test,
    bench::{Case, accept, allow},
    graph::{Origin, clean, render},
};

pub const TESTS: &[Test] = &[
    ("graphs_are_those_of_the_stock_frontend", all),
    ("differences_are_seen", differences),
];

/// How many files must at least have been compared, not counting those that are refused.
const FEWEST: usize = 60;
const AT_ONCE: usize = 3;

fn all(case: &Case) -> Result<()> {
    let setting = Setting::new(case)?;
    let files = files()?;
    let (next, compared) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match setting.compare(file) {
                        Ok(true) => {
                            compared.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(false) => {}
                        Err(error) => wrong
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .push(format!("== {}\n{error}", file.name)),
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !wrong.is_empty() {
        return Err(format!(
            "{} of {} files:\n{}",
            wrong.len(),
            files.len(),
            wrong.join("\n")
        )
        .into());
    }
    let compared = compared.into_inner();
    println!(
        "{}: {compared} graphs compared, {} files",
        case.bench.engine.name,
        files.len()
    );
    assert!(compared >= FEWEST, "only {compared} files were compared");
    Ok(())
}

/// One change to a file at a time, and the comparison must fail with it.
fn differences(case: &Case) -> Result<()> {
    let setting = Setting::new(case)?;
    let text = "FROM registry.test/base AS one\nENV A=1\nWORKDIR /w\nRUN --mount=type=cache,target=/c echo 1\n\
                FROM registry.test/base\nCOPY --chown=1 a.txt /a\nADD http://files.test/file /f\nCOPY --from=one /w /w\nCMD [\"x\"]\n";
    let stock = setting.dump(&File::new("stock", text))?;
    let cut_off = true;
    let (before, after) = (Origin::Stock { cut_off }, Origin::Ours { cut_off });
    same(&stock["stock"], before, &stock["ours"], after)?;
    for (was, becomes) in [
        ("ENV A=1", "ENV A=2"),
        ("WORKDIR /w", "WORKDIR /v"),
        ("target=/c", "target=/d"),
        ("echo 1", "echo 2"),
        ("--chown=1", "--chown=2"),
        ("a.txt /a", "a.txt /b"),
        ("test/file", "test/other"),
        ("base\nCOPY", "tools:1\nCOPY"),
        ("/w /w", "/w /v"),
        ("[\"x\"]", "[\"y\"]"),
        ("ENV", "\nENV"),
        ("RUN ", "RUN --network=host "),
    ] {
        let other = setting.dump(&File::new("other", &text.replacen(was, becomes, 1)))?;
        let stock = &stock["stock"];
        let other = &other["stock"];
        assert!(other.get("error").is_none(), "{becomes}: {other}");
        if same(stock, before, other, before).is_ok() {
            return Err(format!("{becomes:?} instead of {was:?} is not seen").into());
        }
    }
    // The stock frontend's own graph is not pinned, or its steps have a network.
    let unpinned = same(&stock["stock"], before, &stock["stock"], after);
    assert!(unpinned.is_err(), "what is not pinned is not seen");
    Ok(())
}

/// A file of `testdata/equal`, and how it is built.
struct File {
    name: String,
    text: String,
    settings: Vec<String>,
}

impl File {
    fn new(name: &str, text: &str) -> Self {
        let settings = text.lines().filter_map(|line| line.strip_prefix("#: "));
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            settings: settings.map(str::to_owned).collect(),
        }
    }

    /// Whether there is the setting `name`, for all engines or for `suite`.
    fn is(&self, name: &str, suite: &str) -> bool {
        self.settings
            .iter()
            .any(|setting| *setting == name || *setting == format!("{name} {suite}"))
    }

    fn arguments(&self) -> impl Iterator<Item = &str> {
        self.settings
            .iter()
            .filter_map(|setting| setting.strip_prefix("args "))
            .flat_map(str::split_whitespace)
    }
}

fn files() -> Result<Vec<File>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/equal");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = name.strip_suffix(".Dockerfile") {
            files.push(File::new(name, &fs::read_to_string(&path)?));
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// What all files are built with.
struct Setting<'a> {
    case: &'a Case<'a>,
    dump: String,
    strict: String,
    open: String,
    replacements: Vec<(&'static str, String)>,
}

impl<'a> Setting<'a> {
    fn new(case: &'a Case<'a>) -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dump = frontend::build_package(workspace, "dump-llb", Profile::EndToEnd)?;
        let dump = frontend::image(&dump, None)?;
        let accepted = ["image", "http", "git"]
            .map(|kind| accept(kind, "**"))
            .concat();
        let strict = format!("version = 1\n{accepted}");
        let granted = [
            allow("*host*", "network = \"host\""),
            allow("*", "network = \"allow\"\nssh = \"allow\""),
        ];
        let open = format!("{strict}{}", granted.concat());

        let (base, tools) = (case.base("base")?, case.busybox("tools"));
        case.push_index(
            "base",
            &[
                case.busybox("base"),
                case.busybox("base").platform("linux/arm64"),
            ],
        )?;
        let digest = case.push("tools", &tools)?.digest;
        case.bench
            .registry
            .push(&format!("{}/tools", prefix(&base.path)), "1", &tools)?;
        case.push("for-amd64", &case.busybox("for-amd64"))?;
        case.push(
            "for-arm64",
            &case.busybox("for-arm64").platform("linux/arm64"),
        )?;
        let settings = engine::image::Image::new().with("Env", json!(["FROM_BASE=yes"]));
        case.push("empty", &settings)?;
        case.push(
            "onbuild",
            &case.busybox("onbuild").with(
                "OnBuild",
                json!(["ENV TRIGGERED=yes", "RUN echo triggered"]),
            ),
        )?;
        let configured = case
            .busybox("configured")
            .with("Env", json!(["PATH=/bin", "BASE_ENV=/from-base"]))
            .with("WorkingDir", json!("/from/base"))
            .with("User", json!("7:8"))
            .with("Entrypoint", json!(["/bin/sh"]))
            .with("Cmd", json!(["-c", "true"]))
            .with("Labels", json!({ "base": "label" }))
            .with("ExposedPorts", json!({ "1/tcp": {} }))
            .with("Volumes", json!({ "/volume": {} }))
            .with("StopSignal", json!("SIGINT"));
        case.push("configured", &configured)?;

        for (path, content) in [
            ("a.txt", "a"),
            ("b.txt", "b"),
            ("dir/c.txt", "c"),
            ("dir/d/e", "e"),
        ] {
            case.file(path, content)?;
        }
        let archive = Tar::new().file("inside", 0o644, b"inside").bytes();
        case.file("archive.tar", &archive)?;
        for (name, content) in [
            ("file", &b"hello"[..]),
            ("file?query=1", b"queried"),
            ("other", b"other"),
            ("for-amd64", b"amd64"),
            ("for-arm64", b"arm64"),
            ("archive.tar", &archive),
        ] {
            case.bench.web.put(&format!("/equal/{name}"), content);
        }
        let repository = case.git(&[("README", b"read me"), ("sub/file", b"file")])?;
        let images = format!("{}/{}", case.bench.engine.registry, prefix(&base.path));
        Ok(Self {
            case,
            dump: case.push("dump", &dump)?.tagged(),
            strict: frontend_with(case, &strict)?,
            open: frontend_with(case, &open)?,
            replacements: vec![
                ("registry.test", images),
                ("files.test", format!("{}/equal", case.bench.web.host())),
                ("http://git.test/repository.git", repository.url),
                ("digest.test", digest),
                ("commit.test", repository.commit),
            ],
        })
    }

    /// Has a file built by both frontends, and gives what each of them answers.
    fn dump(&self, file: &File) -> Result<Value> {
        let fill = |text: &str| {
            self.replacements
                .iter()
                .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
        };
        let name = format!("{}.Dockerfile", file.name);
        let text = fill(&file.text);
        self.case.file(&name, &text)?;
        let out = format!("out/{}", file.name);
        let ours = if file.is("network", "") {
            &self.open
        } else {
            &self.strict
        };
        let mut words = vec![
            format!("--file={name}"),
            "--provenance=false".to_owned(),
            format!("--output=type=local,dest={out}"),
            format!("--build-arg=BUILDKIT_SYNTAX={}", self.dump),
            format!("--build-arg=DUMP_FRONTEND={ours}"),
        ];
        words.extend(file.arguments().map(fill));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.case
            .build_of(&text, ".")
            .with(&words)
            .run()?
            .built()
            .map_err(|error| format!("{}: {error}", file.name))?;
        Ok(serde_json::from_str(
            &self.case.read(&format!("{out}/dump.json"))?,
        )?)
    }

    /// Whether the file was compared; not if it is refused or not for this engine.
    fn compare(&self, file: &File) -> Result<bool> {
        let suite = &self.case.bench.engine.name;
        if file.settings.iter().any(|setting| {
            setting
                .strip_prefix("only ")
                .is_some_and(|only| only != suite)
        }) {
            return Ok(false);
        }
        let ignore = format!("{}.Dockerfile.dockerignore", file.name);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/equal");
        if let Ok(patterns) = fs::read(folder.join(&ignore)) {
            self.case.file(&ignore, patterns)?;
        }
        let dump = self.dump(file)?;
        let (stock, ours) = (&dump["stock"], &dump["ours"]);
        if file.is("refused", suite) {
            return match (stock["error"].as_str(), ours["error"].as_str()) {
                (Some(_), Some(_)) => Ok(false),
                _ => Err(format!(
                    "should be refused by both\nstock: {}\nours: {}",
                    stock["error"], ours["error"]
                )
                .into()),
            };
        }
        if file.is("stricter", suite) {
            return match (stock["error"].as_str(), ours["error"].as_str()) {
                (None, Some(_)) => Ok(false),
                _ => Err(format!("should be refused by us alone: {stock}").into()),
            };
        }
        if file.is("splits", suite) {
            return match (stock["error"].as_str(), ours["error"].as_str()) {
                (None, None) => Ok(false),
                _ => Err("should be built by both".into()),
            };
        }
        let cut_off = !file.is("network", suite);
        same(
            stock,
            Origin::Stock { cut_off },
            ours,
            Origin::Ours { cut_off },
        )?;
        Ok(true)
    }
}

/// Our image with `policy` inside, by its digest: the next one takes the same tag.
fn frontend_with(case: &Case, policy: &str) -> Result<String> {
    let tagged = case.frontend_with_policy(policy)?;
    let repository = tagged
        .strip_suffix(":latest")
        .and_then(|tagged| tagged.split_once('/'))
        .ok_or("an image without a path")?;
    let digest = case
        .bench
        .registry
        .manifest(repository.1, "latest")?
        .digest();
    Ok(format!("{}/{}@{digest}", repository.0, repository.1))
}

fn prefix(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(prefix, _)| prefix)
}

/// Compares all graphs, image configurations and whatever else two answers have.
fn same(one: &Value, one_is: Origin, other: &Value, other_is: Origin) -> Result<()> {
    if let Some(error) = one["error"].as_str().or(other["error"].as_str()) {
        return Err(format!("refused: {error}").into());
    }
    let (one, other) = (written(one, one_is)?, written(other, other_is)?);
    if one == other {
        return Ok(());
    }
    let diff = TextDiff::from_lines(&one, &other);
    Err(diff
        .unified_diff()
        .context_radius(6)
        .header("stock", "ours")
        .to_string()
        .into())
}

fn written(answer: &Value, origin: Origin) -> Result<String> {
    let definitions: BTreeMap<String, String> =
        serde_json::from_value(answer["definitions"].clone())?;
    let mut text = format!("several results: {}\n", answer["several"]);
    for (place, definition) in definitions {
        let definition = BASE64_STANDARD.decode(definition)?;
        text.push_str(&format!("{place}:\n{}", render(&definition, origin)?));
    }
    let metadata: BTreeMap<String, String> = serde_json::from_value(answer["metadata"].clone())?;
    for (key, value) in metadata {
        let value = match serde_json::from_str::<Value>(&value) {
            Ok(json) => serde_json::to_string_pretty(&json)?,
            Err(_) => value,
        };
        text.push_str(&format!("{key}: {}\n", clean(&value, origin)));
    }
    Ok(text)
}
