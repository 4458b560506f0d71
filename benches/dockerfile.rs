//! `cargo bench --bench dockerfile [-- --quick] [FOLDER...]`: how fast Dockerfiles are read, one core.
//!
//! Files: those below each folder, else below `testdata`. Ours beside `parse-dockerfile` and `dockerfile-parser`, in MB/s
//! over the files that all three accept, each from bytes to typed instructions, dropped again. Ours twice: the tree with
//! each typed instruction made from it, and all of them kept in stages. BuildKit's own Go parser does about 15 MB/s on
//! such files, without typed instructions. Then how time and memory grow with the file, and the worst cases known, each
//! at a tenth of its size and at its full size.
//!
//! What is claimed is checked: ahead of both in the same run where files are as long as usual, and the limits below. A claim
//! that fails fails the bench.

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use verified_dockerfile::dockerfile::Dockerfile;

/// Ten times what BuildKit's parser does, in MB/s.
const LEAST_SPEED: f64 = 150.0;

/// Bytes of a file on average from which being ahead is claimed. BuildKit's 15 MB/s are of files of 1,250 bytes; files of a few lines
/// mostly measure the allocator, and files of nothing but short lines are read a little faster by `parse-dockerfile`.
const USUAL: usize = 1_000;

/// How much more a byte of the larger file may cost.
const MOST_GROWTH: f64 = 2.0;

/// Claims that did not hold.
#[derive(Default)]
struct Failures(usize);

impl Failures {
    fn expect(&mut self, holds: bool, claim: &str) {
        if !holds {
            self.0 += 1;
            println!("FAILED: {claim}");
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    if let [option, case, size] = arguments.as_slice()
        && option == "--memory"
    {
        print_memory(case, size.parse().unwrap_or_default());
        return ExitCode::SUCCESS;
    }
    if let Some(code) = again() {
        return code;
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let least = Duration::from_millis(if quick { 300 } else { 3000 });
    let mut folders: Vec<PathBuf> = arguments
        .iter()
        .filter(|a| !a.starts_with("--"))
        .map(PathBuf::from)
        .collect();
    if folders.is_empty() {
        folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata"));
    }
    let mut failures = Failures::default();
    for folder in &folders {
        let mut files = Vec::new();
        read_below(folder, &mut files);
        println!("\n{}", folder.display());
        compare(&files, least, &mut failures);
    }
    println!(
        "\n{:28} {:>10} {:>9} {:>8} {:>7} {:>8}  memory",
        "case", "bytes", "ms", "ns/byte", "MB/s", "growth"
    );
    let sizes = [1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20];
    grow("usual", usual, &sizes, 8.0, &mut failures);
    for (name, make, size, most) in CASES {
        grow(name, make, &[size / 10, size], most, &mut failures);
    }
    match failures.0 {
        0 => ExitCode::SUCCESS,
        count => {
            println!("{count} claims FAILED");
            ExitCode::FAILURE
        }
    }
}

/// Runs the bench in a process whose allocator keeps what it once got, if this one's doesn't: else what is measured for
/// all three is how fast the system hands out pages.
fn again() -> Option<ExitCode> {
    // The first is the largest that the C library takes: a larger one it ignores.
    const KEEP: [(&str, &str); 2] = [
        ("MALLOC_MMAP_THRESHOLD_", "33554432"),
        ("MALLOC_TRIM_THRESHOLD_", "4294967296"),
    ];
    if KEEP
        .iter()
        .any(|(name, _)| std::env::var_os(name).is_some())
    {
        return None;
    }
    let status = Command::new(std::env::current_exe().ok()?)
        .args(std::env::args_os().skip(1))
        .envs(KEEP)
        .status();
    Some(match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
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
    Dockerfile::parse(file).is_ok_and(|file| file.statements().all(|s| black_box(s).is_ok()))
}

fn ours_kept(file: &[u8]) -> bool {
    Dockerfile::parse(file).is_ok_and(|file| black_box(file.stages()).is_ok())
}

fn parse_dockerfile_crate(file: &[u8]) -> bool {
    std::str::from_utf8(file).is_ok_and(|text| black_box(parse_dockerfile::parse(text)).is_ok())
}

fn dockerfile_parser_crate(file: &[u8]) -> bool {
    std::str::from_utf8(file)
        .is_ok_and(|text| black_box(dockerfile_parser::Dockerfile::parse(text)).is_ok())
}

/// Seconds of one run of each, the best of many. They take turns, so that other work on the machine hits all alike.
fn times(least: Duration, work: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; work.len()];
    let start = Instant::now();
    let least = least * u32::try_from(work.len()).unwrap_or(1);
    // The first run of a large file is one of getting pages from the system.
    let mut runs = 0;
    while runs < 5 || start.elapsed() < least {
        runs += 1;
        for (work, best) in work.iter_mut().zip(&mut best) {
            let begin = Instant::now();
            work();
            *best = best.min(begin.elapsed().as_secs_f64());
        }
    }
    best
}

fn float(bytes: usize) -> f64 {
    bytes as f64
}

/// Whether a parser takes the file.
type Reader = fn(&[u8]) -> bool;

fn compare(files: &[Vec<u8>], least: Duration, failures: &mut Failures) {
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
    let read_all = |read: Reader| {
        let common = &common;
        move || {
            for file in common {
                black_box(read(file));
            }
        }
    };
    let seconds = times(
        least,
        &mut [
            &mut read_all(ours),
            &mut read_all(ours_kept),
            &mut read_all(parse_dockerfile_crate),
            &mut read_all(dockerfile_parser_crate),
        ],
    );
    let names = [
        "verified-dockerfile",
        "the same, in stages",
        "parse-dockerfile",
        "dockerfile-parser",
    ];
    let fastest = seconds.first().copied().unwrap_or_default();
    let speed = float(bytes) / fastest / 1e6;
    for (name, seconds) in names.into_iter().zip(seconds) {
        let ratio = seconds / fastest;
        let own = float(bytes) / seconds / 1e6;
        println!("{name:20} {own:8.1} MB/s; verified-dockerfile is {ratio:6.2} times as fast");
        let other = name.contains("parse") && bytes >= USUAL * common.len().max(1);
        failures.expect(!other || ratio > 1.0, &format!("ahead of {name}"));
    }
    let claim = format!("{LEAST_SPEED} MB/s, ten times BuildKit's parser");
    failures.expect(speed >= LEAST_SPEED, &claim);
}

/// Makes a file of about that many bytes.
type Make = fn(usize) -> Vec<u8>;

/// The worst cases known, with their sizes, and how many times the file their memory may be: less where a file could
/// look like that, more where it is made to fill the memory.
const CASES: [(&str, Make, usize, f64); 14] = [
    ("one line (refused)", one_line, 5 << 20, 8.0),
    ("continuation lines", continuations, 11 * 100_000, 8.0),
    ("stages", stages, 18 * 100_000, 8.0),
    ("heredocs in one line", heredocs, 6 * 100_000, 8.0),
    ("deep ${a:-${b:-", deep, 5 << 20, 8.0),
    ("ONBUILD ONBUILD", onbuild, 4 << 20, 8.0),
    ("pairs of one ENV", pairs, 4 << 20, 8.0),
    ("JSON nested (one line)", json, 60_000, 8.0),
    (
        "shortest instructions",
        |size| repeated("FROM x\n", "CMD\n", size),
        2 << 20,
        12.0,
    ),
    (
        "shortest stages",
        |size| repeated("", "FROM x\n", size),
        2 << 20,
        12.0,
    ),
    (
        "shortest joined",
        |size| repeated("FROM x\n", "CMD\\\nx\n", size),
        2 << 20,
        12.0,
    ),
    (
        "JSON escapes",
        |size| folded("RUN [", "\"\\n\",", size, "\"\"]"),
        2 << 20,
        12.0,
    ),
    (
        "quoted flags",
        |size| folded("RUN ", "--mount=\"a\" ", size, "x"),
        2 << 20,
        12.0,
    ),
    ("files inline", inline, 2 << 20, 12.0),
];

/// Text like that of a usual Dockerfile.
fn usual(size: usize) -> Vec<u8> {
    let stage = "FROM golang:1.24 AS build\nWORKDIR /src\nCOPY go.mod go.sum ./\nRUN --mount=type=cache,target=/go \\\n    \
                 # modules\n    go mod download && \\\n    go vet ./...\nENV A=1 B=\"two words\"\nCOPY --from=build /a /b\n";
    stage.repeat((size / stage.len()).max(1)).into_bytes()
}

fn one_line(size: usize) -> Vec<u8> {
    format!("FROM x\nRUN {}", "a".repeat(size)).into_bytes()
}

fn continuations(size: usize) -> Vec<u8> {
    format!("FROM x\nRUN a{}", " \\\n aaaaaaa".repeat(size / 11)).into_bytes()
}

fn stages(size: usize) -> Vec<u8> {
    "FROM x AS y\nRUN z\n".repeat(size / 18).into_bytes()
}

/// What follows RUN, in lines short enough to be read.
fn folded(start: &str, part: &str, size: usize, end: &str) -> Vec<u8> {
    let line = part.repeat((size / part.len()).clamp(1, 32_000 / part.len()));
    let lines = vec![line.as_str(); (size / line.len()).max(1)];
    format!("FROM x\n{start}{}{end}\n", lines.join("\\\n")).into_bytes()
}

fn repeated(start: &str, part: &str, size: usize) -> Vec<u8> {
    [start, &part.repeat(size / part.len())]
        .concat()
        .into_bytes()
}

fn heredocs(size: usize) -> Vec<u8> {
    announced("RUN ", "", size)
}

fn inline(size: usize) -> Vec<u8> {
    announced("ADD ", "/", size)
}

/// Heredocs in one line, with their bodies.
fn announced(start: &str, end: &str, size: usize) -> Vec<u8> {
    let count = size / 6;
    let words = folded(start, "<<A ", count * 4, end);
    let bodies = String::from_utf8_lossy(&words).matches("<<A").count();
    [words, "A\n".repeat(bodies).into_bytes()].concat()
}

/// Every `${a:-` is closed: the text expands.
fn deep(size: usize) -> Vec<u8> {
    let depth = size / 6;
    let text = ["${a:-".repeat(depth), "}".repeat(depth)].concat();
    let lines: Vec<&[u8]> = text.as_bytes().chunks(30_000).collect();
    [b"FROM x\nRUN <<A ", &*lines.join(&b"\\\n"[..]), b"\nA\n"].concat()
}

fn onbuild(size: usize) -> Vec<u8> {
    folded("", "ONBUILD ", size, "")
}

fn pairs(size: usize) -> Vec<u8> {
    folded("ENV ", "a=b ", size, "")
}

fn json(size: usize) -> Vec<u8> {
    format!("FROM x\nRUN {}\n", "[".repeat(size)).into_bytes()
}

/// Reads a case at several sizes, the smallest first. A byte of the largest should cost what one of the others does.
fn grow(name: &str, make: Make, sizes: &[usize], most: f64, failures: &mut Failures) {
    let mut least = f64::INFINITY;
    for size in sizes {
        let file = make(*size);
        let read = ours(&file);
        let seconds = times(
            Duration::from_millis(300),
            &mut [&mut || {
                black_box(ours(&file));
            }],
        );
        let seconds = seconds.first().copied().unwrap_or_default();
        let cost = seconds * 1e9 / float(file.len());
        least = least.min(cost);
        let growth = cost / least;
        // Of small files the system's own pages would be counted.
        let memory = memory(name, *size).filter(|_| file.len() >= 50_000);
        let memory = memory.map(|bytes| float(bytes) / float(file.len()));
        println!(
            "{name:28} {:10} {:9.3} {cost:8.2} {:7.0} {growth:8.2}  {} {}",
            file.len(),
            seconds * 1e3,
            float(file.len()) / seconds / 1e6,
            memory.map_or("-".to_owned(), |times| format!("{times:.1} x the file")),
            if read { "" } else { "(refused)" },
        );
        let claim =
            format!("{name}: a byte costs at most {MOST_GROWTH} times that of a smaller file");
        failures.expect(growth <= MOST_GROWTH, &claim);
        let claim = format!("{name}: memory at most {most} times the file");
        failures.expect(memory.is_none_or(|times| times <= most), &claim);
    }
}

/// Peak of the memory that reading one file adds, in bytes, taken in a process of its own. `None` where the system
/// doesn't tell (Linux does).
fn memory(name: &str, size: usize) -> Option<usize> {
    let output = Command::new(std::env::current_exe().ok()?)
        .args(["--memory", name, &size.to_string()])
        .env_remove("MALLOC_MMAP_THRESHOLD_")
        .env_remove("MALLOC_TRIM_THRESHOLD_")
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn print_memory(name: &str, size: usize) {
    let make = CASES.iter().find(|(known, ..)| *known == name);
    let file = make.map_or(usual as Make, |(_, make, ..)| *make)(size);
    // What the allocator has free would hide what is needed.
    let before = status("VmRSS:");
    if std::fs::write("/proc/self/clear_refs", "5").is_err() {
        return;
    }
    black_box(ours(&file));
    if let (Some(before), Some(peak)) = (before, status("VmHWM:")) {
        println!("{}", peak.saturating_sub(before));
    }
}

/// A size in `/proc/self/status`, in bytes.
fn status(name: &str) -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: usize = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes << 10)
}
