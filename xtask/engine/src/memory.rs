//! How much memory a program that runs in an engine's container takes.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

const PAUSE: Duration = Duration::from_millis(4);

/// Runs `task`, and gives with its result the largest resident set, in KiB, of processes whose whole command line is
/// `program` meanwhile; 0 if there was none. The kernel keeps each peak, so looking now and then misses only what a process
/// allocates in its very last moment.
///
/// Source: proc_pid_status(5), `VmHWM`.
pub fn peak_while<T>(program: &str, task: impl FnOnce() -> T) -> (T, u64) {
    let (peak, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
                    let found = peak_of(&process.path(), program).unwrap_or(0);
                    peak.fetch_max(found, Ordering::Relaxed);
                }
                thread::sleep(PAUSE);
            }
        });
        let ended = Ended(&done);
        let result = task();
        drop(ended);
        result
    });
    (result, peak.into_inner())
}

/// Says so when it is dropped, also by a panic: a scope waits for its threads.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn peak_of(process: &Path, program: &str) -> Option<u64> {
    let command = fs::read(process.join("cmdline")).ok()?;
    if command.strip_suffix(b"\0")? != program.as_bytes() {
        return None;
    }
    let status = fs::read_to_string(process.join("status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_seen_while_it_runs() {
        let sleep = || Command::new("sleep").arg("0.2").status().map(|_| ());
        assert_eq!(peak_while("sleep", sleep).1, 0, "it has an argument");
        let read = || {
            let mut child = Command::new("cat")
                .stdin(std::process::Stdio::piped())
                .spawn()?;
            thread::sleep(Duration::from_millis(200));
            drop(child.stdin.take());
            child.wait().map(|_| ())
        };
        assert!(peak_while("cat", read).1 > 0);
    }
}
