//! Bad input through the real engine: the error says where, what and what to do, the frontend takes bounded memory, and the
//! build ends soon. What servers do wrong is in `hostile`.

use std::time::{Duration, Instant};

use engine::{Result, memory};

use crate::{
    Test,
    bench::{Case, EXECUTE, accept},
};

/// More than any of these may take while other tests run.
const SOON: Duration = Duration::from_secs(120);
/// What the frontend's process may take at most, in KiB, whatever it is given.
const MEMORY: u64 = 256 << 10;
/// The command line of the frontend in its container.
const PROGRAM: &str = "/verified-dockerfile";

pub const TESTS: &[Test] = &[
    ("empty", |case| refused(case, b"", &["Dockerfile", "empty"])),
    ("only_comments", |case| {
        refused(case, b"# nothing\n\n", &["Dockerfile"])
    }),
    ("binary", |case| {
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        refused(case, &bytes, &["Dockerfile"])
    }),
    ("no_utf8", |case| {
        refused(
            case,
            b"FROM scratch\nLABEL a=\"\xff\xfe\"\nFETCH \xff\n",
            &["Dockerfile:3"],
        )
    }),
    ("ten_megabytes", |case| {
        let text = "# a comment\n".repeat(900_000);
        refused(case, text.as_bytes(), &["Dockerfile", "3145728 bytes"])
    }),
    ("one_line_of_five_megabytes", |case| {
        let text = format!("FROM scratch\nLABEL a={}\n", "x".repeat(5 << 20));
        refused(case, text.as_bytes(), &["Dockerfile", "3145728 bytes"])
    }),
    ("one_line_of_two_megabytes", |case| {
        let text = format!("FROM scratch\nLABEL a={}\nFETCH\n", "x".repeat(2 << 20));
        refused(case, text.as_bytes(), &["Dockerfile:2", "65535"])
    }),
    ("a_hundred_thousand_stages", many_stages),
    ("a_hundred_thousand_used_stages", many_used_stages),
    ("heredoc_of_a_million_lines", |case| {
        case.file("verified.toml", "version = 1\n")?;
        let text = format!(
            "FROM scratch\nCOPY <<END /x\n{}END\n",
            "x\n".repeat(1_000_000)
        );
        refused(case, text.as_bytes(), &["Dockerfile", "30000 lines"])
    }),
    ("heredoc_without_an_end", |case| {
        let text = format!("FROM scratch\nCOPY <<END /x\n{}", "x\n".repeat(1_000_000));
        refused(case, text.as_bytes(), &["Dockerfile:2", "heredoc"])
    }),
    ("endless_expansion", expansion),
    ("policy_truncated_in_a_string", |case| {
        policy(case, b"version = 1\n[[image]]\nmatch = \"regis", 3)
    }),
    ("policy_no_utf8", |case| {
        policy(case, b"version = 1\n[[image]]\nmatch = \"\xff\"\n", 3)
    }),
    ("policy_unknown_key_in_a_rule", |case| {
        let text = accept("image", "registry.example.com/**") + "verify = false\n";
        policy(case, format!("version = 1\n{text}").as_bytes(), 7)
    }),
    ("policy_wrong_type_in_a_rule", |case| {
        policy(case, b"version = 1\n[[image]]\nmatch = [\"a\"]\n", 3)
    }),
    ("policy_same_key_twice", |case| {
        policy(
            case,
            b"version = 1\n[keys.k]\ncosign = \"a.pub\"\n[keys.k]\ncosign = \"b.pub\"\n",
            4,
        )
    }),
    ("policy_of_the_future", |case| {
        policy(case, b"version = 2\n", 1)
    }),
    ("policy_key_by_absolute_path", |case| {
        policy(
            case,
            b"version = 1\n[keys.k]\ncosign = \"/etc/hostname\"\n",
            3,
        )
    }),
    ("policy_key_by_a_link_out", linked_key),
    ("policy_key_missing", missing_key),
    ("policy_too_large", |case| {
        case.file("verified.toml", "# a comment\n".repeat(200_000))?;
        refused(case, FINE, &["verified.toml", "1048576 bytes"])
    }),
    ("lock_truncated_in_a_string", |case| {
        settings(
            case,
            "lock",
            b"version = 1\n[[image]]\nreference = \"regis",
            3,
        )
    }),
    ("lock_duplicate", |case| {
        let digest = format!("sha256:{}", "0".repeat(64));
        let entry =
            format!("[[image]]\nreference = \"registry.example.com/x:1\"\ndigest = \"{digest}\"\n");
        let text = format!("version = 1\n{entry}{entry}");
        settings(case, "lock", text.as_bytes(), 6)
    }),
    ("lock_wrong_digest", |case| {
        let entry = "[[image]]\nreference = \"registry.example.com/x:1\"\ndigest = \"sha256:00\"\n";
        settings(case, "lock", format!("version = 1\n{entry}").as_bytes(), 4)
    }),
    ("lock_leaves_its_folder", |case| {
        let entry = "[[image]]\nreference = \"../../x\"\ndigest = \"sha256:00\"\n";
        settings(case, "lock", format!("version = 1\n{entry}").as_bytes(), 3)
    }),
    ("evidence_truncated", |case| {
        settings(case, "evidence", b"{\"sha256\":\"", 1)
    }),
    ("evidence_unknown_key", |case| {
        settings(case, "evidence", b"{\"unknown\":1}\n", 1)
    }),
    ("evidence_of_20_megabytes", |case| {
        let line = format!("{{\"{}\":1}}\n", "x".repeat(20 << 20));
        settings(case, "evidence", line.as_bytes(), 1)
    }),
];

/// What would be built if the rest were fine.
const FINE: &[u8] = b"FROM scratch\nCOPY Dockerfile /\n";

/// Builds through us, and requires what is always required of an error; gives the output.
fn refused(case: &Case, dockerfile: &[u8], words: &[&str]) -> Result<()> {
    let start = Instant::now();
    let syntax = format!("BUILDKIT_SYNTAX={}", case.bench.frontend);
    let build = case
        .build_bytes(dockerfile)?
        .with(&["--build-arg", &syntax]);
    let (outcome, peak) = memory::peak_while(PROGRAM, || build.run());
    let output = outcome?.failed(words)?.output;
    // A frontend that dies leaves BuildKit to guess: its own words are then all there is.
    for trace in [
        "panicked",
        "did not complete successfully",
        "no result",
        "transport is closing",
        "closed unexpectedly",
        "h2 protocol error",
    ] {
        assert!(!output.contains(trace), "{trace}: {output}");
    }
    let end: String = output.chars().rev().take(60_000).collect();
    assert!(
        output.len() < 1 << 20,
        "an error of {} bytes that ends in {end}",
        output.len()
    );
    let took = start.elapsed();
    assert!(took < SOON, "took {} s", took.as_secs());
    assert!(peak > 0, "the frontend's process was not seen");
    assert!(peak < MEMORY, "took {} MiB", peak >> 10);
    Ok(())
}

fn policy(case: &Case, text: &[u8], line: usize) -> Result<()> {
    case.file("verified.toml", text)?;
    refused(case, FINE, &[&format!("verified.toml:{line}")])
}

fn settings(case: &Case, extension: &str, text: &[u8], line: usize) -> Result<()> {
    case.file("verified.toml", "version = 1\n")?;
    let name = format!("Dockerfile.{extension}");
    case.file(&name, text)?;
    refused(case, FINE, &[&format!("{name}:{line}")])
}

/// All but the last are not used.
fn many_stages(case: &Case) -> Result<()> {
    case.file("verified.toml", "version = 1\n")?;
    let text = "FROM registry.example.com/x\n".repeat(100_000);
    refused(case, text.as_bytes(), &["Dockerfile:1001", "100000 stages"])
}

fn many_used_stages(case: &Case) -> Result<()> {
    case.file("verified.toml", "version = 1\n")?;
    let mut text = "FROM registry.example.com/x AS s0\n".to_owned();
    for number in 1..100_000 {
        text.push_str(&format!("FROM s{} AS s{number}\n", number - 1));
    }
    refused(case, text.as_bytes(), &["Dockerfile:1001", "100000 stages"])
}

/// Each line doubles what the one before it has.
fn expansion(case: &Case) -> Result<()> {
    case.file("verified.toml", "version = 1\n")?;
    let mut text = format!("FROM scratch\nARG A0=x\n{}", "");
    for number in 1..60 {
        let before = number - 1;
        text.push_str(&format!("ARG A{number}=$A{before}$A{before}\n"));
    }
    text.push_str("ADD http://registry.example.com/$A59 /\n");
    refused(case, text.as_bytes(), &["Dockerfile:"])
}

fn linked_key(case: &Case) -> Result<()> {
    let outside = case.folder.with_extension("outside");
    std::fs::write(&outside, case.read("keys/base.pub")?)?;
    std::os::unix::fs::symlink(&outside, case.folder.join("keys/linked.pub"))?;
    let text = "version = 1\n[keys.k]\ncosign = \"keys/linked.pub\"\n";
    case.file("verified.toml", text)?;
    refused(case, FINE, &["verified.toml:3", "keys/linked.pub"])
}

fn missing_key(case: &Case) -> Result<()> {
    let text = "version = 1\n[keys.k]\ncosign = \"keys/none.pub\"\n";
    case.file("verified.toml", text)?;
    let dockerfile = format!("FROM scratch\nCOPY Dockerfile /\n{EXECUTE}\n");
    refused(
        case,
        dockerfile.as_bytes(),
        &["verified.toml:3", "keys/none.pub"],
    )
}
