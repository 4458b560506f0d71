//! What the launcher of RUN steps costs: the same downloads by plain curl, while they are recorded, and from the recording.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use engine::{
    Result,
    frontend::{self, Profile},
    memory, process,
};

const LIMIT: Duration = Duration::from_secs(300);
const SMALL: usize = 1_000;
const SMALL_SIZE: usize = 8 << 10;
const LARGE_SIZE: u64 = 1 << 30;
/// Any key will do.
const STEP: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Measures; whether all limits are kept. `runs`: how often each, in turn; the fastest counts, because the machine has other work.
pub fn measure(runs: usize) -> Result<bool> {
    let program = frontend::build(&crate::workspace(), Profile::Release)?;
    let folder = crate::workspace().join("target/bench-replay");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let server = serve()?;
    let list: String = (0..SMALL)
        .map(|number| format!("url = {server}/small/{number}\noutput = /dev/null\n"))
        .collect();
    let (small, large) = (folder.join("small"), folder.join("large"));
    fs::write(&small, list)?;
    fs::write(
        &large,
        format!("url = {server}/large\noutput = /dev/null\n"),
    )?;
    let mut kept = Vec::new();
    let mut peaks = Vec::new();
    for (name, list) in [
        ("1,000 files of 8 KiB", &small),
        ("one file of 1 GiB", &large),
    ] {
        let curl = ["curl", "-fsS", "-K", &list.to_string_lossy()].map(str::to_owned);
        let records = folder.join(format!("records-{}", peaks.len()));
        let made = folder.join(format!("made-{}", peaks.len()));
        let launcher = |from: &Path, words: [&str; 2], mode: &str| {
            let mut all = vec![
                program.display().to_string(),
                "internal".into(),
                mode.into(),
            ];
            all.push(from.display().to_string());
            all.extend(
                words
                    .iter()
                    .filter(|word| !word.is_empty())
                    .map(|word| (*word).to_owned()),
            );
            all.extend(curl.clone());
            all
        };
        let settings = folder.join("settings").display().to_string();
        let record = launcher(&records, [STEP, &settings], "record");
        let replay = launcher(&made, [&settings, ""], "replay");
        let (mut plain_times, mut record_times, mut replay_times) = (vec![], vec![], vec![]);
        let mut peak = [0, 0];
        for _ in 0..runs {
            plain_times.push(time(&curl)?);
            let _ = fs::remove_dir_all(&records);
            let (taken, memory) = memory::peak_while(&record.join("\0"), || time(&record));
            record_times.push(taken?);
            import(&program, &records, &made)?;
            peak[0] = peak[0].max(memory);
            let (taken, memory) = memory::peak_while(&replay.join("\0"), || time(&replay));
            replay_times.push(taken?);
            peak[1] = peak[1].max(memory);
        }
        let fastest = |times: &[Duration]| times.iter().min().copied().unwrap_or_default();
        let (plain, recorded, replayed) = (
            fastest(&plain_times),
            fastest(&record_times),
            fastest(&replay_times),
        );
        println!(
            "{name}: curl {plain:.3?}, recorded {recorded:.3?} ({:.2} times), replayed {replayed:.3?} ({:.2} times); \
             most memory of the launcher {} and {} KB",
            recorded.as_secs_f64() / plain.as_secs_f64(),
            replayed.as_secs_f64() / plain.as_secs_f64(),
            peak[0],
            peak[1]
        );
        kept.push(replayed.as_secs_f64() <= 1.1 * plain.as_secs_f64());
        kept.push(recorded.as_secs_f64() <= 1.25 * plain.as_secs_f64());
        peaks.push(peak);
        fs::remove_dir_all(&records)?;
        fs::remove_dir_all(&made)?;
    }
    // Flat: the large file takes no more than a few buffers beyond what many small ones do.
    let most = peaks.iter().flatten().max().copied().unwrap_or_default();
    println!("limits: replayed 1.1 times, recorded 1.25 times, memory 40,000 KB");
    kept.push(most <= 40_000);
    Ok(kept.into_iter().all(|kept| kept))
}

/// Makes the folder that a step is given of what was recorded, as a build does once for all of its runs.
fn import(program: &Path, records: &Path, made: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(made);
    fs::create_dir(made)?;
    let step = fs::read_dir(records.join("steps"))?
        .next()
        .ok_or("nothing was recorded")??
        .path();
    let mut command = Command::new(program);
    command.args(["internal", "replay-store"]);
    command.arg(step).arg(records).arg(made);
    process::run(&mut command, &[], LIMIT)?.success()?;
    Ok(())
}

fn time(words: &[String]) -> Result<Duration> {
    let [program, arguments @ ..] = words else {
        return Err("no command".into());
    };
    let start = Instant::now();
    let mut command = Command::new(program);
    process::run(command.args(arguments), &[], LIMIT)?.success()?;
    Ok(start.elapsed())
}

/// A server on an address of this machine; gives its URL.
fn serve() -> Result<String> {
    // The loopback address means "this container" in a step. Nothing is sent by this.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
    let listener = TcpListener::bind((socket.local_addr()?.ip(), 0))?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that has enough is no failure.
            thread::spawn(move || answer(stream));
        }
    });
    Ok(url)
}

/// Answers one request after the other.
fn answer(mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let part = vec![b'x'; 256 << 10];
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let large = line.contains("/large");
        let number = line.split(' ').nth(1).unwrap_or_default().to_owned();
        while line.trim_end() != "" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        let length = if large { LARGE_SIZE } else { SMALL_SIZE as u64 };
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
        )?;
        if large {
            let mut left = length;
            while left > 0 {
                let size = part.len().min(usize::try_from(left)?);
                stream.write_all(&part[..size])?;
                left -= size as u64;
            }
        } else {
            // Different for each, so that each is a body of its own.
            let mut body = number.into_bytes();
            body.resize(SMALL_SIZE, b'y');
            stream.write_all(&body)?;
        }
    }
}
