//! A lock's text, and changing an existing one by as little as possible: comments stay, and an entry that did not change stays as
//! it was written.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::{Entry, Key, Lock};
use crate::{
    digest::Digest,
    replay::{self, record::Recording},
};

/// How a new file begins.
pub(super) const HEAD: &str = "# Written by `verified-dockerfile lock`, for review: what each fetch is fixed to.\nversion = 1\n";

impl Lock {
    /// The text of the file whose text was `old`, which is a valid lock: what of it still holds is kept to the byte, with the comments
    /// above it. What is neither above nor in an entry that is gone, stays.
    #[must_use]
    pub fn render(&self, old: &str) -> String {
        let (head, mut blocks, mut runs) = split(old);
        let mut text = match head.trim_end() {
            "" => HEAD.to_owned(),
            head => format!("{head}\n"),
        };
        for (key, entry) in self.entries() {
            let block = match blocks.remove(&key) {
                Some((before, block)) if before == entry => block,
                Some((_, block)) => {
                    changed(&block, &entry).unwrap_or_else(|| self::block(&key, &entry))
                }
                None => self::block(&key, &entry),
            };
            // An empty line between two entries lets branches that add others merge.
            let _ = write!(text, "\n{}\n", block.trim_matches('\n'));
        }
        for (step, recording) in &self.runs {
            match runs.remove(step) {
                Some((before, block)) if before == *recording => {
                    let _ = write!(text, "\n{}\n", block.trim_matches('\n'));
                }
                _ => text.push_str(&Shown(recording).to_string()),
            }
        }
        text
    }
}

/// An entry as a new one is written.
pub(super) fn block(key: &Key, entry: &Entry) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut out = match key {
        Key::Image(reference, platform) => {
            let platform = platform.as_ref();
            let platform = platform.map(|name| format!("platform = {}\n", quoted(name)));
            format!(
                "[[image]]\nreference = \"{reference}\"\n{}",
                platform.unwrap_or_default()
            )
        }
        Key::Http(url) => format!("[[http]]\nurl = {}\n", quoted(url)),
        Key::Git(remote, reference) => format!(
            "[[git]]\nremote = {}\nref = {}\n",
            quoted(remote),
            quoted(reference)
        ),
    };
    let _ = writeln!(out, "{} = {}", pin_name(key), quoted(&entry.pin));
    if !entry.verified_by.is_empty() {
        let names: Array = entry.verified_by.iter().collect();
        let _ = writeln!(out, "verified-by = {names}");
    }
    if !entry.evidence.is_empty() {
        let _ = writeln!(out, "evidence = {}", ids(&entry.evidence));
    }
    out
}

fn pin_name(key: &Key) -> &'static str {
    match key {
        Key::Git(..) => "commit",
        _ => "digest",
    }
}

/// One a line: merging and review go by lines.
fn ids(evidence: &[Digest]) -> Array {
    let mut array = Array::new();
    for id in evidence {
        array.push_formatted(Value::from(id.to_string()).decorated("\n    ", ""));
    }
    array.set_trailing_comma(true);
    array.set_trailing("\n");
    array
}

/// `block` with the values of `entry`, and its comments.
fn changed(block: &str, entry: &Entry) -> Option<String> {
    let mut document: DocumentMut = block.parse().ok()?;
    let (name, item) = document.iter_mut().next()?;
    let pin = if name == "git" { "commit" } else { "digest" };
    let table = item.as_array_of_tables_mut()?.get_mut(0)?;
    set(table, pin, Some(Value::from(entry.pin.as_str())));
    let names: Array = entry.verified_by.iter().collect();
    set(
        table,
        "verified-by",
        (!names.is_empty()).then_some(names.into()),
    );
    let ids = ids(&entry.evidence);
    set(table, "evidence", (!ids.is_empty()).then_some(ids.into()));
    Some(document.to_string())
}

fn set(table: &mut Table, key: &str, value: Option<Value>) {
    let Some(mut value) = value else {
        table.remove(key);
        return;
    };
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) if old.to_string().trim() == value.to_string().trim() => {}
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            table.insert(key, Item::Value(value));
        }
    }
}

/// A recording as a new one is written.
struct Shown<'a>(&'a Recording);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        replay::lock::write(self.0, f)
    }
}

type Blocks = BTreeMap<Key, (Entry, String)>;
type Runs = BTreeMap<Digest, (Recording, String)>;

/// What stands before the first entry, and each entry with the comment lines right above it.
fn split(text: &str) -> (String, Blocks, Runs) {
    let lines: Vec<&str> = text.lines().collect();
    let is = |index: usize, start: &str| {
        lines
            .get(index)
            .is_some_and(|line| line.trim_start().starts_with(start))
    };
    let mut starts: Vec<usize> = Vec::new();
    for index in 0..lines.len() {
        // A header, or a line of a command; that one's entry cannot be read then, and is written anew.
        if is(index, "[[") {
            let mut start = index;
            while let Some(above) = start.checked_sub(1).filter(|above| is(*above, "#")) {
                start = above;
            }
            starts.push(start);
        }
    }
    let part = |from: usize, to: usize| lines.get(from..to).unwrap_or_default().join("\n");
    let head = part(0, starts.first().copied().unwrap_or(lines.len()));
    let (mut blocks, mut runs) = (Blocks::new(), Runs::new());
    for (number, start) in starts.iter().enumerate() {
        let next = starts.get(number.saturating_add(1));
        let block = part(*start, next.copied().unwrap_or(lines.len()));
        let alone = format!("version = 1\n{block}\n");
        let Ok(mut lock) = Lock::parse(alone.as_bytes(), "the lock") else {
            continue;
        };
        if let Some((step, recording)) = lock.runs.pop_first() {
            runs.insert(step, (recording, block));
        } else if let Some((key, entry)) = lock.entries().next() {
            blocks.insert(key, (entry, block));
        }
    }
    (head, blocks, runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"# ours
version = 1

# why 3.20: see #17
[[image]]
reference = "docker.io/library/alpine:3.20"
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001"   # reviewed

[[image]]
reference = "registry.test/gone:1"
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000002"

# the tool
[[http]]
url = "https://files.test/tool"
digest = "sha256:0000000000000000000000000000000000000000000000000000000000000003"
verified-by = ["old"]   # a person
"#;

    fn entry(pin: &str, names: &[&str]) -> Entry {
        Entry {
            pin: pin.to_owned(),
            verified_by: names.iter().map(|name| (*name).to_owned()).collect(),
            evidence: names
                .iter()
                .map(|name| Digest::sha256(name.as_bytes()))
                .collect(),
        }
    }

    #[test]
    fn recordings_stay_with_their_comments() {
        let run = "\n# once a year\n[[run]]\nstep = \"sha256:0000000000000000000000000000000000000000000000000000000000000004\"\ncommand = \"true\"\nrequests = []\n";
        let old = format!("{OLD}{run}");
        let mut lock = Lock::parse(old.as_bytes(), "x").unwrap();
        assert_eq!(lock.render(&old), old);
        assert!(lock.render("").contains("command = \"true\""));
        lock.runs.clear();
        assert_eq!(lock.render(&old), OLD);
    }

    #[test]
    fn what_did_not_change_stays_to_the_byte() {
        let lock = Lock::parse(OLD.as_bytes(), "x").unwrap();
        assert_eq!(lock.render(OLD), OLD);
        let new = lock.to_string();
        assert_eq!(lock.render(&new), new);
        assert_eq!(lock.render(""), new);
    }

    #[test]
    fn comments_stay_where_something_changed() {
        let mut lock = Lock::parse(OLD.as_bytes(), "x").unwrap();
        let keys: Vec<Key> = lock.entries().map(|(key, _)| key).collect();
        let pin = Digest::sha256(b"new").to_string();
        lock.set(keys[0].clone(), entry(&pin, &["base"])).unwrap();
        lock.remove(&keys[1]);
        lock.set(keys[2].clone(), entry(&pin, &["new"])).unwrap();
        let git = Key::Git("https://git.test/a.git".to_owned(), String::new());
        lock.set(git, entry(&"1".repeat(40), &[])).unwrap();
        let text = lock.render(OLD);
        let wanted = format!(
            r#"# ours
version = 1

# why 3.20: see #17
[[image]]
reference = "docker.io/library/alpine:3.20"
digest = "{pin}"   # reviewed
verified-by = ["base"]
evidence = [
    "{}",
]

# the tool
[[http]]
url = "https://files.test/tool"
digest = "{pin}"
verified-by = ["new"]   # a person
evidence = [
    "{}",
]

[[git]]
remote = "https://git.test/a.git"
ref = ""
commit = "{}"
"#,
            Digest::sha256(b"base"),
            Digest::sha256(b"new"),
            "1".repeat(40)
        );
        assert_eq!(text, wanted);
        assert_eq!(Lock::parse(text.as_bytes(), "x").unwrap(), lock);
    }

    #[test]
    fn pins_of_another_kind_are_refused() {
        let mut lock = Lock::default();
        let git = Key::Git("https://git.test/a.git".to_owned(), "v1".to_owned());
        assert!(lock.set(git, entry("sha256:00", &[])).is_err());
        let http = Key::Http("https://files.test/x".to_owned());
        assert!(lock.set(http, entry(&"1".repeat(40), &[])).is_err());
        assert_eq!(lock, Lock::default());
    }
}
