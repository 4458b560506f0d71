//! Running programs within a time limit.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::Result;

/// What a program did.
#[derive(Debug, Clone)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// Its standard error; bytes that are no UTF-8 are replaced.
    pub stderr: String,
}

impl Finished {
    /// Itself if the program ended with exit code 0.
    ///
    /// # Errors
    /// With what the program printed, if it did not.
    pub fn success(self) -> Result<Self> {
        if self.status.success() {
            return Ok(self);
        }
        Err(format!(
            "ended with {}:\n{}{}",
            self.status, self.stdout, self.stderr
        )
        .into())
    }
}

/// Runs `command` with `input` as its standard input, and ends it with all its children after `limit`.
///
/// # Errors
/// If it cannot be started or does not end in time. A failing exit code is no error.
pub fn run(command: &mut Command, input: &[u8], limit: Duration) -> Result<Finished> {
    let (status, stdout, stderr) = outcome(command, input, limit)?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Finished {
        status,
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

/// Like [`run`], and gives the bytes that a program printed to standard output.
///
/// # Errors
/// Also if it ends with another exit code than 0.
pub fn run_bytes(command: &mut Command, input: &[u8], limit: Duration) -> Result<Vec<u8>> {
    let (status, stdout, stderr) = outcome(command, input, limit)?;
    if status.success() {
        return Ok(stdout);
    }
    Err(format!(
        "{} ended with {status}: {}",
        describe(command),
        String::from_utf8_lossy(&stderr)
    )
    .into())
}

fn outcome(
    command: &mut Command,
    input: &[u8],
    limit: Duration,
) -> Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let name = describe(command);
    let mut child =
        start(command, Stdio::piped()).map_err(|error| format!("cannot run {name}: {error}"))?;
    let stdin = child.stdin.take();
    let input = input.to_vec();
    thread::spawn(move || {
        // A program may end without reading all of its input.
        stdin.map(|mut stdin| stdin.write_all(&input))
    });
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let status = wait(&mut child, limit)?;
    let (stdout, stderr) = (
        stdout.join().unwrap_or_default(),
        stderr.join().unwrap_or_default(),
    );
    let status = status.ok_or_else(|| {
        let [stdout, stderr] = [&stdout, &stderr].map(|bytes| String::from_utf8_lossy(bytes));
        format!(
            "{name} did not end within {} s:\n{stdout}{stderr}",
            limit.as_secs()
        )
    })?;
    Ok((status, stdout, stderr))
}

/// Runs `command` and gives each line that it prints to `line` as soon as it is there.
///
/// # Errors
/// If it cannot be started, does not end in time, or ends with another exit code than 0.
pub fn follow(command: &mut Command, limit: Duration, mut line: impl FnMut(&str)) -> Result<()> {
    let name = describe(command);
    let mut child =
        start(command, Stdio::null()).map_err(|error| format!("cannot run {name}: {error}"))?;
    let (sender, receiver) = mpsc::channel();
    for stream in [
        child
            .stdout
            .take()
            .map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        child
            .stderr
            .take()
            .map(|stream| Box::new(stream) as Box<dyn Read + Send>),
    ]
    .into_iter()
    .flatten()
    {
        let sender = sender.clone();
        thread::spawn(move || {
            BufReader::new(stream)
                .lines()
                .map_while(|line| line.ok())
                .try_for_each(|line| sender.send(line))
        });
    }
    drop(sender);
    let end = Instant::now() + limit;
    let mut last = Vec::new();
    while let Ok(text) = receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
        line(&text);
        last.push(text);
        if last.len() > 20 {
            last.remove(0);
        }
    }
    let status = wait(&mut child, end.saturating_duration_since(Instant::now()))?
        .ok_or_else(|| format!("{name} did not end within {} s", limit.as_secs()))?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{name} ended with {status}:\n{}", last.join("\n")).into())
}

fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

fn start(command: &mut Command, stdin: Stdio) -> std::io::Result<Child> {
    // A process group of its own, so that its children can be ended with it.
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error is still worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// Waits for the end of `child`; ends its process group and gives `None` after `limit`.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit {
            Command::new("kill")
                .args(["-KILL", "--", &format!("-{}", child.id())])
                .status()?;
            child.wait()?;
            return Ok(None);
        }
        // Benchmarks take this time: half a percent is less than they tell.
        let pause = start.elapsed() / 200;
        thread::sleep(pause.clamp(Duration::from_micros(200), Duration::from_millis(20)));
    }
}
