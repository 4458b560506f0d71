//! From one lock to the next: what is added, renewed and taken out, and whom a person must confirm.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::{
    lock::{Entry, Item, Key, Lock},
    pipeline::{Judged, PinSource},
    policy::{By, Verdict},
    report::{Finding, Kind},
    resolve::live::Live,
};

/// The name that stands for no signer at all.
const NOBODY: &str = "nobody";

/// One difference.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub key: Key,
    /// `None`: it is new.
    pub old: Option<Entry>,
    /// `None`: it is taken out.
    pub new: Option<Entry>,
    /// Who signed the new one, as the signatures themselves prove it.
    pub signers: Vec<String>,
    /// When the new one was made, as far as that is known.
    pub made: Option<Timestamp>,
}

/// Collects them.
pub(super) struct Changes<'a> {
    old: &'a Lock,
    live: &'a Live,
    accepted: &'a [String],
    file: &'a str,
    made: Made,
    changes: BTreeMap<Key, Change>,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Made {
    pub lock: Lock,
    /// New evidence.
    pub items: Vec<Item>,
    pub changes: Vec<Change>,
    pub findings: Vec<Finding>,
}

impl<'a> Changes<'a> {
    pub(super) fn new(
        old: &'a Lock,
        live: &'a Live,
        accepted: &'a [String],
        file: &'a str,
    ) -> Self {
        Self {
            old,
            live,
            accepted,
            file,
            made: Made {
                lock: old.clone(),
                ..Made::default()
            },
            changes: BTreeMap::new(),
        }
    }

    /// Takes what `key` is fixed to, which the policy allows.
    pub(super) fn take(&mut self, key: Key, judged: &Judged, entry: Entry, items: Vec<Item>) {
        match judged.pin {
            // It stands in the Dockerfile; only its evidence is kept.
            Some((_, PinSource::Written)) => {
                self.made.items.extend(items);
                return;
            }
            Some(_) => {}
            None => return,
        }
        let (keys, old) = self.before(&key);
        let same_pin = old.as_ref().is_some_and(|old| old.pin == entry.pin);
        if old.as_ref() == Some(&entry) {
            return;
        }
        // The proofs of something that the policy now takes without any are kept, and so is what is fixed for each platform apart.
        if same_pin && (entry.verified_by.is_empty() || keys.len() != 1) {
            return;
        }
        if let Some(changed) = old.as_ref().and_then(|old| self.other_signer(old, &entry)) {
            let finding = self.finding(&key, changed);
            if !self.made.findings.contains(&finding) {
                self.made.findings.push(finding);
            }
            return;
        }
        if self.changes.contains_key(&key) {
            return;
        }
        let set_as = match keys.as_slice() {
            [one] if same_pin => one.clone(),
            _ => key.clone(),
        };
        for before in keys {
            self.made.lock.remove(&before);
        }
        // It is of the kind of its key: both come from the same fetch.
        if self.made.lock.set(set_as, entry.clone()).is_err() {
            return;
        }
        self.made.items.extend(items);
        let change = Change {
            old,
            signers: signers(judged),
            made: self.live.made(&entry.pin),
            new: Some(entry),
            key: key.clone(),
        };
        self.changes.insert(key, change);
    }

    /// Takes out what is not among `fetched`.
    pub(super) fn prune(&mut self, fetched: &BTreeSet<Key>) {
        for (key, entry) in self.old.entries() {
            let whole = match &key {
                Key::Image(reference, _) => Key::Image(reference.clone(), None),
                key => key.clone(),
            };
            if fetched.contains(&whole) {
                continue;
            }
            self.made.lock.remove(&key);
            let change = Change {
                key: key.clone(),
                old: Some(entry),
                new: None,
                signers: Vec::new(),
                made: None,
            };
            self.changes.insert(key, change);
        }
    }

    pub(super) fn finish(self) -> Made {
        let mut made = self.made;
        made.changes = self.changes.into_values().collect();
        made
    }

    /// The entries that `key` had, one for each platform if it had several, and what they said together.
    fn before(&self, key: &Key) -> (Vec<Key>, Option<Entry>) {
        let same = |other: &Key| match (other, key) {
            (Key::Image(other, _), Key::Image(this, _)) => other == this,
            (other, this) => other == this,
        };
        let all: Vec<(Key, Entry)> = self
            .old
            .entries()
            .filter(|(other, _)| same(other))
            .collect();
        let mut together: Option<Entry> = None;
        for (_, entry) in &all {
            match &mut together {
                None => together = Some(entry.clone()),
                Some(so_far) => {
                    so_far.verified_by.extend(entry.verified_by.clone());
                    if so_far.pin != entry.pin {
                        so_far.pin = format!("{} and others", so_far.pin);
                    }
                }
            }
        }
        (all.into_iter().map(|(key, _)| key).collect(), together)
    }

    /// The names that a person must confirm: who signs now and did not, or `nobody`.
    fn other_signer(&self, old: &Entry, new: &Entry) -> Option<(String, Vec<String>)> {
        if old.verified_by.is_empty() {
            return None;
        }
        let now: Vec<String> = match new.verified_by.as_slice() {
            [] => vec![NOBODY.to_owned()],
            names => names.to_vec(),
        };
        let unknown: Vec<String> = now
            .iter()
            .filter(|name| !old.verified_by.contains(name) && !self.accepted.contains(name))
            .cloned()
            .collect();
        let cause = format!(
            "it was signed by {} when it was locked, and {} is signed by {}",
            named(&old.verified_by),
            new.pin,
            named(&now)
        );
        (!unknown.is_empty()).then_some((cause, unknown))
    }

    fn finding(&self, key: &Key, (cause, names): (String, Vec<String>)) -> Finding {
        let options: Vec<String> = names
            .iter()
            .map(|name| format!("--accept-signer={name}"))
            .collect();
        Finding {
            kind: Kind::Conflict,
            file: self.file.to_owned(),
            place: None,
            subject: key.to_string(),
            cause,
            next: format!(
                "find out from the publisher why; if it is right, confirm it by name: {}",
                options.join(" ")
            ),
        }
    }
}

fn named(names: &[String]) -> String {
    let mut names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.sort();
    names.dedup();
    names.join(" and ")
}

fn signers(judged: &Judged) -> Vec<String> {
    let Some(Verdict::Verified(passed)) = &judged.verdict else {
        return Vec::new();
    };
    passed
        .iter()
        .filter_map(|ground| match &ground.by {
            By::Signature { key, signer, .. } => Some(format!("{key} ({})", signer.who)),
            By::Acceptance { .. } | By::Keys { .. } => None,
        })
        .collect()
}
