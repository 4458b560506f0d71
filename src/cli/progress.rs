//! What is under way, on standard error: one line that changes on a terminal, now and then a plain line elsewhere.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::resolve::live::Watch;

/// How often the line changes.
const REDRAW: Duration = Duration::from_millis(80);
/// How often a plain line comes.
const PLAIN: Duration = Duration::from_secs(5);
/// The width of the bar, and of the name beside it, in characters.
const BAR: usize = 20;
const NAME: usize = 44;

/// Shows what a resolver does.
pub(super) struct Progress {
    terminal: bool,
    state: Mutex<State>,
}

struct State {
    begun: usize,
    ended: usize,
    bytes: u64,
    /// What is under way: since when, and how many bytes are here.
    active: BTreeMap<String, (Instant, u64)>,
    shown: Instant,
    drawn: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        let terminal = io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            terminal,
            state: Mutex::new(State {
                begun: 0,
                ended: 0,
                bytes: 0,
                active: BTreeMap::new(),
                shown: Instant::now(),
                drawn: false,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the line away.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.drawn) {
            let _ = io::stderr().lock().write_all(b"\r\x1b[K");
        }
    }

    fn show(&self, state: &mut State) {
        let due = if self.terminal { REDRAW } else { PLAIN };
        if state.shown.elapsed() < due {
            return;
        }
        state.shown = Instant::now();
        let line = if self.terminal {
            state.drawn = true;
            format!("\r{}\x1b[K", state.line())
        } else {
            format!("{}\n", state.line())
        };
        // There is nobody left to tell if that fails.
        let _ = io::stderr().lock().write_all(line.as_bytes());
    }
}

impl State {
    fn line(&self) -> String {
        let full = self
            .ended
            .saturating_mul(BAR)
            .checked_div(self.begun)
            .unwrap_or_default()
            .min(BAR);
        let bar = format!(
            "{}{}",
            "#".repeat(full),
            "-".repeat(BAR.saturating_sub(full))
        );
        let oldest = self.active.iter().min_by_key(|(_, (since, _))| *since);
        let name = oldest.map_or(String::new(), |(name, (_, bytes))| {
            let count = name.chars().count();
            // The end tells more than the beginning.
            let cut: String = name.chars().skip(count.saturating_sub(NAME)).collect();
            match bytes {
                0 => format!("  {cut}"),
                _ => format!("  {cut} {}", size(*bytes)),
            }
        });
        let all = match self.bytes {
            0 => String::new(),
            bytes => format!(", {}", size(bytes)),
        };
        format!("[{bar}] {}/{} requests{all}{name}", self.ended, self.begun)
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

impl Watch for Progress {
    fn started(&self, what: &str) {
        let mut state = self.state();
        state.begun = state.begun.saturating_add(1);
        // A query may be a secret.
        let what = what.split('?').next().unwrap_or(what);
        state.active.insert(what.to_owned(), (Instant::now(), 0));
        self.show(&mut state);
    }

    fn finished(&self, what: &str) {
        let mut state = self.state();
        state.ended = state.ended.saturating_add(1);
        let what = what.split('?').next().unwrap_or(what);
        if let Some((_, bytes)) = state.active.remove(what) {
            state.bytes = state.bytes.saturating_add(bytes);
        }
        self.show(&mut state);
    }

    fn received(&self, what: &str, bytes: u64) {
        let mut state = self.state();
        let what = what.split('?').next().unwrap_or(what);
        if let Some((_, so_far)) = state.active.get_mut(what) {
            *so_far = bytes;
        }
        self.show(&mut state);
    }
}
