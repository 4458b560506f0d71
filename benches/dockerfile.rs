//! `cargo bench [-- --quick] [FOLDER...]`: how fast Dockerfiles are read, one core.
//!
//! Files: those below the folders, else below `testdata`. Ours beside `parse-dockerfile` and `dockerfile-parser`, in MB/s
//! over the files that all three accept: each from bytes to typed instructions, dropped again. BuildKit's own Go parser
//! does about 15 MB/s on such files, without typed instructions. Then how time and memory grow with the file, and the
//! worst cases known, each at a tenth of its size and at its full size.

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use verified_dockerfile::dockerfile::Dockerfile;

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
    let mut files = Vec::new();
    for folder in &folders {
        read_below(folder, &mut files);
    }
    compare(&files, least);
    println!(
        "{:28} {:>10} {:>9} {:>8} {:>7}  memory",
        "case", "bytes", "ms", "ns/byte", "MB/s"
    );
    for size in [1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20] {
        grow("usual", usual, size);
    }
    for (name, make, size) in WORST {
        grow(name, make, size / 10);
        grow(name, make, size);
    }
    ExitCode::SUCCESS
}

/// Runs the bench in a process whose allocator keeps what it once got, if this one's doesn't: else what is measured for
/// all three is how fast the system hands out pages.
fn again() -> Option<ExitCode> {
    const KEEP: [&str; 2] = ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"];
    if KEEP.iter().any(|name| std::env::var_os(name).is_some()) {
        return None;
    }
    let status = Command::new(std::env::current_exe().ok()?)
        .args(std::env::args_os().skip(1))
        .envs(KEEP.map(|name| (name, "4294967296")))
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
    while start.elapsed() < least * u32::try_from(work.len()).unwrap_or(1) {
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
            &mut read_all(parse_dockerfile_crate),
            &mut read_all(dockerfile_parser_crate),
        ],
    );
    let names = [
        "verified-dockerfile",
        "parse-dockerfile",
        "dockerfile-parser",
    ];
    for (name, seconds) in names.into_iter().zip(seconds) {
        println!("{name:20} {:8.1} MB/s", float(bytes) / seconds / 1e6);
    }
}

/// Makes a file of about that many bytes.
type Make = fn(usize) -> Vec<u8>;

/// The worst cases known, with their sizes.
const WORST: [(&str, Make, usize); 8] = [
    ("one line (refused)", one_line, 5 << 20),
    ("continuation lines", continuations, 11 * 100_000),
    ("stages", stages, 18 * 100_000),
    ("heredocs in one line", heredocs, 6 * 100_000),
    ("deep ${a:-${b:-", deep, 5 << 20),
    ("ONBUILD ONBUILD", onbuild, 4 << 20),
    ("pairs of one ENV", pairs, 4 << 20),
    ("JSON nested (one line)", json, 60_000),
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
    format!("FROM x\n{start}{}\n{end}", lines.join("\\\n")).into_bytes()
}

fn heredocs(size: usize) -> Vec<u8> {
    let count = size / 6;
    let words = folded("RUN ", "<<A ", count * 4, "");
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

fn grow(name: &str, make: Make, size: usize) {
    let file = make(size);
    let read = ours(&file);
    let seconds = times(
        Duration::from_millis(200),
        &mut [&mut || {
            black_box(ours(&file));
        }],
    )[0];
    let memory = memory(name, size).map_or_else(
        || "?".to_owned(),
        |bytes| format!("{:.1} x the file", float(bytes) / float(file.len())),
    );
    println!(
        "{name:28} {:10} {:9.3} {:8.2} {:7.0}  {} {}",
        file.len(),
        seconds * 1e3,
        seconds * 1e9 / float(file.len()),
        float(file.len()) / seconds / 1e6,
        if file.len() < 50_000 { "-" } else { &memory },
        if read { "" } else { "(refused)" },
    );
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
    let make = WORST.iter().find(|(known, ..)| *known == name);
    let file = make.map_or(usual as Make, |(_, make, _)| *make)(size);
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
