//! The documents' examples hold: policies, locks and Dockerfiles can be read, and commands print what is shown.
//!
//! Of each fenced block with the language `toml`, `dockerfile`, `json` or `console` something is checked; other languages are not for
//! examples that could be. What a document's blocks need beyond themselves stands in their info strings and in comments:
//!
//! ````text
//! ```toml file=app/verified.toml      the block is also written there, for the commands below it
//! ```console exit=1                   the last command leaves with that code
//! <!-- copy FROM TO -->               FROM, below the project's folder, is copied there for the commands below
//! ````
//!
//! In a `console` block, `$ ` begins a command. Those of `verified-dockerfile`, also as `cargo run --quiet --`, are run offline in a folder
//! of the document's own that has the project's `examples`, and print the lines that follow; a line `...` stands for any lines.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use verified_dockerfile::{
    dockerfile::Dockerfile,
    lock::{Evidence, Lock},
    policy::{Files, Layer},
};

const PROGRAM: &str = "verified-dockerfile";
/// What starts a command that cannot be run here: it needs an engine or a network, or runs this very test.
const NOT_HERE: [&str; 7] = [
    "docker buildx ",
    "verified-dockerfile record ",
    "verified-dockerfile lock",
    "verified-dockerfile init",
    "cargo test ",
    "cargo xtask ",
    "cargo install ",
];

/// A fenced block.
struct Block {
    line: usize,
    language: String,
    file: Option<String>,
    exit: i32,
    text: String,
}

/// What stands in a document, in order.
enum Part {
    Block(Block),
    Copy { from: String, to: String },
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All documents of the project, by their path below its folder.
fn documents() -> Vec<PathBuf> {
    let mut found = vec![
        PathBuf::from("README.md"),
        PathBuf::from("examples/README.md"),
    ];
    for folder in ["docs", "docs/findings"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name();
            if Path::new(&name)
                .extension()
                .is_some_and(|extension| extension == "md")
            {
                found.push(Path::new(folder).join(name));
            }
        }
    }
    found.sort();
    found
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                let mut words = info.split_whitespace();
                let mut block = Block {
                    line: number + 1,
                    language: words.next().unwrap_or_default().to_owned(),
                    file: None,
                    exit: 0,
                    text: String::new(),
                };
                for word in words {
                    match word.split_once('=') {
                        Some(("file", name)) => block.file = Some(name.to_owned()),
                        Some(("exit", code)) => block.exit = code.parse().unwrap(),
                        _ => panic!("line {}: {word}", number + 1),
                    }
                }
                open = Some(block);
            }
            (Some(_), Some("")) => parts.extend(open.take().map(Part::Block)),
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {
                let copy = line
                    .strip_prefix("<!-- copy ")
                    .and_then(|rest| rest.strip_suffix(" -->"))
                    .and_then(|rest| rest.split_once(' '));
                parts.extend(copy.map(|(from, to)| Part::Copy {
                    from: from.to_owned(),
                    to: to.to_owned(),
                }));
            }
        }
    }
    assert!(open.is_none(), "a block has no end");
    parts
}

/// Any key file: documents name keys that are not there.
struct AnyKey;

impl Files for AnyKey {
    fn read(&self, _path: &str, _limit: usize) -> Result<Vec<u8>, String> {
        fs::read(root().join("examples/signed/keys/base.pub")).map_err(|error| error.to_string())
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
}

/// Whether `printed` is `shown`, in which a line `...` stands for any lines.
fn fits(shown: &[&str], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((&"...", rest)) => (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..])),
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, others)| line == first && fits(rest, others)),
    }
}

/// Runs the commands of a block, and says how many were run.
fn run_console(block: &Block, folder: &Path) -> usize {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in block.text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command, Vec::new())),
            (None, Some((_, shown))) => shown.push(line),
            (None, None) => panic!("the block does not begin with a command"),
        }
    }
    let mut run = 0;
    let last = commands.len() - 1;
    for (index, (command, shown)) in commands.iter().enumerate() {
        let command = command.replace("cargo run --quiet --", PROGRAM);
        if NOT_HERE.iter().any(|start| command.starts_with(start)) {
            continue;
        }
        let mut printed = String::new();
        let mut code = 0;
        for single in command.split(" && ") {
            assert_eq!(code, 0, "`{command}` goes on after a failure");
            let mut words = single.split_whitespace();
            assert_eq!(
                words.next(),
                Some(PROGRAM),
                "`{single}` is not known to this test"
            );
            let output = Command::new(env!("CARGO_BIN_EXE_verified-dockerfile"))
                .args(words)
                .current_dir(folder)
                .env_remove("VERIFIED_DOCKERFILE_POLICY")
                .output()
                .unwrap();
            printed.push_str(&String::from_utf8(output.stdout).unwrap());
            printed.push_str(&String::from_utf8(output.stderr).unwrap());
            code = output.status.code().unwrap();
        }
        let printed: Vec<&str> = printed.lines().collect();
        // A document ends a block where the last empty line would be.
        let printed = match printed.split_last() {
            Some((&"", rest)) => rest,
            _ => &printed,
        };
        assert!(
            fits(shown, printed),
            "`{command}` prints\n{}",
            printed.join("\n")
        );
        assert_eq!(
            code,
            if index == last { block.exit } else { 0 },
            "`{command}`"
        );
        run += 1;
    }
    run
}

/// Checks a block, and says how many commands were run.
fn check(block: &Block, folder: &Path) -> usize {
    if let Some(file) = &block.file {
        let to = folder.join(file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, &block.text).unwrap();
    }
    let bytes = block.text.as_bytes();
    match block.language.as_str() {
        "console" => return run_console(block, folder),
        "dockerfile" => {
            Dockerfile::parse(bytes).unwrap();
        }
        // A lock says `digest` or `commit` of everything, and a policy never does.
        "toml" if block.text.contains("\ndigest = ") => {
            Lock::parse(bytes, "lock").unwrap_or_else(|error| panic!("{}", error.message));
        }
        "toml" => {
            Layer::parse(bytes, "policy", &AnyKey)
                .unwrap_or_else(|error| panic!("{}", error.message));
        }
        // Those in docs/lock.md show the form, with dots for what is long.
        "json" if block.text.contains('…') => {
            assert!(
                block
                    .text
                    .lines()
                    .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
            );
        }
        "json" => {
            Evidence::parse(bytes, "evidence").unwrap_or_else(|error| panic!("{}", error.message));
        }
        "text" => {}
        other => panic!("blocks of {other:?} are not known to this test"),
    }
    0
}

#[test]
fn every_example_in_the_documents_holds() {
    let mut run = 0;
    for document in documents() {
        let text = fs::read_to_string(root().join(&document)).unwrap();
        let name = document.display().to_string().replace('/', "-");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("docs-{name}"));
        let _ = fs::remove_dir_all(&folder);
        copy(&root().join("examples"), &folder.join("examples"));
        for part in parts(&text) {
            match part {
                Part::Copy { from, to } => copy(&root().join(from), &folder.join(to)),
                Part::Block(block) => {
                    // Shown only if the block's check panics.
                    println!("{}:{}", document.display(), block.line);
                    run += check(&block, &folder);
                }
            }
        }
        fs::remove_dir_all(&folder).unwrap();
    }
    assert!(run >= 8, "only {run} commands were found");
}

#[test]
fn every_link_leads_to_a_file() {
    let mut links = 0;
    for document in documents() {
        let text = fs::read_to_string(root().join(&document)).unwrap();
        let folder = root().join(document.parent().unwrap());
        for target in text.split("](").skip(1) {
            let target = target.split(')').next().unwrap();
            assert!(!target.contains("://"), "{}: {target}", document.display());
            assert!(
                folder.join(target).exists(),
                "{}: {target}",
                document.display()
            );
            links += 1;
        }
    }
    assert!(links > 10);
}

#[test]
fn what_is_shown_is_compared_line_by_line() {
    let lines = |text: &'static str| text.lines().collect::<Vec<_>>();
    let printed = lines("a\nb\nc");
    for shown in [
        "a\nb\nc",
        "...",
        "a\n...",
        "...\nc",
        "a\n...\nc",
        "...\nb\n...",
        "a\nb\nc\n...",
    ] {
        assert!(fits(&lines(shown), &printed), "{shown}");
    }
    for shown in [
        "",
        "a",
        "a\nb",
        "a\nc",
        "b\n...",
        "...\nb",
        "a\n...\nd",
        "a\nb\nc\nd",
        "...\nc\nb\n...",
    ] {
        assert!(!fits(&lines(shown), &printed), "{shown}");
    }
}
