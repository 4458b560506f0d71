//! What recorded steps are served, for people who read a diff: the text of a build does not show it.

use std::collections::BTreeSet;

use crate::{
    digest::Digest,
    fetch::Plan,
    lock::Lock,
    replay::record::{Recording, command, shown},
};

/// Longest beginning of a command that is shown, in characters.
const MAX_SHOWN: usize = 60;

/// One line for each recorded step of `plan`: where it is, how many files it is served, and which recording these are of. Steps are found
/// by the beginning of their command, so one that stands there several times has all of its recordings.
#[must_use]
pub fn lines(file: &str, plan: &Plan, lock: &Lock) -> Vec<String> {
    let mut lines = Vec::new();
    let mut seen = BTreeSet::new();
    for step in plan.runs.iter().filter(|step| step.reachable) {
        let text = shown(&command(&step.argv));
        let of_it =
            |recording: &&Recording| recording.command == text && !recording.exchanges.is_empty();
        for recording in lock.runs().filter(of_it) {
            let line = line(file, step.place.lines.0, recording);
            if seen.insert(line.clone()) {
                lines.push(line);
            }
        }
    }
    lines
}

fn line(file: &str, line: usize, recording: &Recording) -> String {
    let bodies = recording.bodies();
    let size: u64 = bodies.values().sum();
    let mut start: String = recording.command.chars().take(MAX_SHOWN).collect();
    if recording.command.chars().nth(MAX_SHOWN).is_some() {
        start.push_str(" ...");
    }
    // What cannot be written has been refused before.
    let digest = Digest::sha256(&recording.to_json().unwrap_or_default());
    format!(
        "{file}:{line}: RUN {start}: served from {} recorded files, {size} bytes, recording {digest}\n",
        bodies.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::record::Exchange;

    #[test]
    fn files_are_counted_once_and_the_digest_is_of_all_that_is_served() {
        let exchange = |url: &str, body: &[u8]| Exchange {
            method: "GET".into(),
            url: url.into(),
            asked: [].into(),
            sent: None,
            status: 200,
            headers: [].into(),
            digest: Digest::sha256(body),
            size: body.len() as u64,
        };
        let mut recording = Recording::new(Digest::sha256(b"step"), &"curl ".repeat(20));
        recording.exchanges = vec![
            exchange("http://a.test/1", b"one"),
            exchange("http://a.test/2", b"one"),
            exchange("http://a.test/3", b"other"),
        ];
        let before = line("Dockerfile", 3, &recording);
        assert!(
            before.starts_with("Dockerfile:3: RUN curl curl"),
            "{before}"
        );
        assert!(
            before.contains(" ...: served from 2 recorded files, 8 bytes, "),
            "{before}"
        );
        recording.exchanges.pop();
        assert_ne!(line("Dockerfile", 3, &recording), before);
    }
}
