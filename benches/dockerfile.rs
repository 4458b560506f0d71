//! `cargo bench [-- --quick] [FOLDER...]`: how fast Dockerfiles are read, one core.
//!
//! Files: those below the folders, else below `testdata`. Ours (with typed instructions) beside `parse-dockerfile` and
//! `dockerfile-parser`, in MB/s over the files that all three accept; then how the time grows with the file, and the
//! worst cases known. BuildKit's own Go parser does about 15 MB/s on such files, without typed instructions.

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use verified_dockerfile::dockerfile::Dockerfile;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let least = Duration::from_millis(if quick { 100 } else { 1000 });
    let mut folders: Vec<PathBuf> = arguments
        .iter()
        .filter(|a| !a.starts_with("--"))
        .map(PathBuf::from)
        .collect();
    if folders.is_empty() {
        folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata"));
    }
    let mut files = Vec::new();
    for folder in &folders {
        read_below(folder, &mut files);
    }
    compare(&files, least);
    growth(least);
    worst_cases();
}

/// Collects the files below `folder` that are Dockerfiles by their name or their first instruction.
fn read_below(folder: &Path, files: &mut Vec<Vec<u8>>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read_below(&path, files);
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes
                .windows(5)
                .any(|window| window.eq_ignore_ascii_case(b"from "))
        {
            files.push(bytes);
        }
    }
}

fn ours(file: &[u8]) -> bool {
    Dockerfile::parse(file).is_ok_and(|file| black_box(file.stages()).is_ok())
}

fn parse_dockerfile_crate(file: &[u8]) -> bool {
    std::str::from_utf8(file).is_ok_and(|text| black_box(parse_dockerfile::parse(text)).is_ok())
}

fn dockerfile_parser_crate(file: &[u8]) -> bool {
    std::str::from_utf8(file)
        .is_ok_and(|text| black_box(dockerfile_parser::Dockerfile::parse(text)).is_ok())
}

/// Time that this thread had on a processor, so that other work on the machine doesn't count; where the system doesn't
/// tell (Linux does), time that passed.
fn now(start: Instant) -> Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = spent
        .as_deref()
        .and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanoseconds.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Seconds for one run of `work`, the best of several within about `least`.
fn time(least: Duration, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    let first = now(start);
    let (mut rounds, mut best) = (1_u32, f64::INFINITY);
    loop {
        let begin = now(start);
        for _ in 0..rounds {
            work();
        }
        let spent = now(start).saturating_sub(begin);
        // The clock ticks coarsely: only a sample of some milliseconds says anything.
        if spent >= Duration::from_millis(4) {
            best = best.min(spent.as_secs_f64() / f64::from(rounds));
            if now(start).saturating_sub(first) >= least {
                return best;
            }
        } else {
            rounds = rounds.saturating_mul(2);
        }
    }
}

fn mb_per_s(bytes: usize, seconds: f64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "files are far below 2^52 bytes")]
    let bytes = bytes as f64;
    bytes / seconds / 1e6
}

/// Whether a parser takes the file.
type Reader = fn(&[u8]) -> bool;

fn compare(files: &[Vec<u8>], least: Duration) {
    let common: Vec<&Vec<u8>> = files
        .iter()
        .filter(|file| ours(file) && parse_dockerfile_crate(file) && dockerfile_parser_crate(file))
        .collect();
    let bytes: usize = common.iter().map(|file| file.len()).sum();
    println!(
        "{} of {} files are read by all three: {bytes} bytes",
        common.len(),
        files.len()
    );
    let readers: [(&str, Reader); 3] = [
        ("verified-dockerfile", ours),
        ("parse-dockerfile", parse_dockerfile_crate),
        ("dockerfile-parser", dockerfile_parser_crate),
    ];
    for (name, read) in readers {
        let seconds = time(least, || {
            for file in &common {
                black_box(read(file));
            }
        });
        println!("{name:20} {:8.1} MB/s", mb_per_s(bytes, seconds));
    }
}

/// Text like that of a usual Dockerfile, about `size` bytes.
fn usual(size: usize) -> Vec<u8> {
    let stage = "FROM golang:1.24 AS build\nWORKDIR /src\nCOPY go.mod go.sum ./\nRUN --mount=type=cache,target=/go \\\n    \
                 # modules\n    go mod download && \\\n    go vet ./...\nENV A=1 B=\"two words\"\nCOPY --from=build /a /b\n";
    stage.bytes().cycle().take(size).collect()
}

fn growth(least: Duration) {
    println!("time for one file as it grows");
    for size in [1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20] {
        let mut file = usual(size);
        let whole = file
            .iter()
            .rposition(|byte| *byte == b'F')
            .unwrap_or_default();
        file.truncate(whole);
        let seconds = time(least / 4, || assert!(ours(&file), "the text is valid"));
        println!(
            "{:10} bytes {:10.1} us {:8.1} MB/s",
            file.len(),
            seconds * 1e6,
            mb_per_s(file.len(), seconds)
        );
    }
}

fn worst_cases() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (
            "one line of 5 MB (refused)",
            [b"FROM x\nRUN ".as_slice(), &vec![b'a'; 5 << 20]].concat(),
        ),
        (
            "100,000 continuation lines",
            ["FROM x\nRUN a".to_owned(), " \\\n aaaaaaa".repeat(100_000)]
                .concat()
                .into_bytes(),
        ),
        (
            "100,000 stages",
            "FROM x AS y\nRUN z\n".repeat(100_000).into_bytes(),
        ),
        ("100,000 heredocs in one line", {
            let words = "<<A ".repeat(100_000);
            let folded: Vec<String> = words
                .as_bytes()
                .chunks(4000)
                .map(|c| String::from_utf8_lossy(c).into_owned())
                .collect();
            format!(
                "FROM x\nRUN {}\n{}",
                folded.join("\\\n"),
                "A\n".repeat(100_000)
            )
            .into_bytes()
        }),
        ("1,000,000 deep ${a:-", {
            let open = "${a:-".repeat(10_000);
            let lines = vec![open; 100].join("\\\n");
            format!("FROM x\nRUN <<A {lines}\nA\n").into_bytes()
        }),
        ("ONBUILD 500,000 times", {
            let line = "ONBUILD ".repeat(8_000);
            format!("FROM x\n{}\n", vec![line; 62].join("\\\n")).into_bytes()
        }),
        (
            "JSON nested 32,000 deep",
            format!("FROM x\nRUN {}\n", "[".repeat(32_000)).into_bytes(),
        ),
    ];
    println!("worst cases");
    for (name, file) in cases {
        let read = Dockerfile::parse(&file).is_ok();
        let seconds = time(Duration::ZERO, || {
            black_box(Dockerfile::parse(&file).is_ok());
        });
        println!(
            "{name:32} {:9} bytes {:8.1} ms {:8.1} MB/s {}",
            file.len(),
            seconds * 1e3,
            mb_per_s(file.len(), seconds),
            if read { "read" } else { "refused" }
        );
    }
}
