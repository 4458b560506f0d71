//! What a step asked for and did not get. It fails the step, whatever its command makes of it.

use std::{
    io::Write as _,
    sync::{Mutex, PoisonError},
};

use hyper::{Response, StatusCode};

use super::{
    record::shown,
    serve::{Body, text},
};

/// How many are told; a command may try for ever.
const MAX_TOLD: usize = 50;

/// Collects them, and tells each at once on standard error.
#[derive(Debug)]
pub struct Refusals {
    /// The step, for messages.
    step: String,
    next: &'static str,
    told: Mutex<usize>,
}

impl Refusals {
    /// Of the step with this command; `next` is what to do.
    #[must_use]
    pub fn new(command: &str, next: &'static str) -> Self {
        Self {
            step: shown(command),
            next,
            told: Mutex::new(0),
        }
    }

    /// Tells that `what` is refused, and why; the answer for the client.
    pub fn refuse(&self, what: &str, why: &str) -> Response<Body> {
        text(StatusCode::FORBIDDEN, &self.tell(what, why))
    }

    /// Tells that `what` is refused, and why; what was told.
    pub fn tell(&self, what: &str, why: &str) -> String {
        let message = format!(
            "verified-dockerfile: RUN {}: {}: {why}; {}\n",
            self.step,
            shown(what),
            self.next
        );
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        *told = told.saturating_add(1);
        if *told <= MAX_TOLD {
            // There is nobody else to tell.
            let _ = std::io::stderr().lock().write_all(message.as_bytes());
        }
        message
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
