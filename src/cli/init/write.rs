//! The proposal as text: rules for what holds, comments for what a person must decide.

use std::collections::BTreeSet;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{Thing, find::How, steps::Rest};
use crate::{fetch::Source, policy::url};

/// How long a proposed acceptance lasts, in days.
const DAYS: i64 = 90;

const HEAD: &str = "\
# Proposed by `verified-dockerfile init`. Read it before you use it:
# - a rule below is for a signature that holds, by whoever made it. That this is the publisher is for you to check.
# - what begins with DECIDE is refused as long as it is a comment.
# - RUN steps have no network: `verified-dockerfile lock` records what they download, and the rules for files judge that.
version = 1
";

pub(super) fn policy<'a>(
    looked: &[(String, Thing, How)],
    rest: impl Iterator<Item = &'a Rest>,
    now: Timestamp,
) -> String {
    let mut out = HEAD.to_owned();
    let (mut names, mut keys, mut rules) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (name, thing, how) in looked {
        let (table, pattern) = pattern(thing);
        let rule = |by: &str, at: &str| {
            let at = match at.trim() {
                "" => String::new(),
                at => format!("{at}\n"),
            };
            format!(
                "[[{table}]]\nmatch = {}\nsigned-by = [\"{by}\"]\n{at}",
                quoted(&pattern)
            )
        };
        out.push_str(&format!(
            "\n# {} ({})\n",
            plain(name),
            plain(&thing.places.join(", "))
        ));
        for note in &how.notes {
            out.push_str(&commented(&plain(note)));
        }
        let fingerprints: Vec<&str> = thing
            .known
            .fingerprints
            .iter()
            .map(String::as_str)
            .collect();
        if !fingerprints.is_empty() {
            out.push_str(&commented(&format!(
                "a step wants an OpenPGP signature by {}",
                plain(&fingerprints.join(" or "))
            )));
        }
        if let Some((identity, issuer)) = &how.keyless {
            let key = (identity.clone(), issuer.clone());
            let label = label(&pattern);
            let key_name = match keys.iter().find(|(_, known)| *known == key) {
                Some((name, _)) => String::clone(name),
                None => {
                    let mut fresh = label.clone();
                    let mut number = 2_usize;
                    while !names.insert(fresh.clone()) {
                        fresh = format!("{label}-{number}");
                        number = number.saturating_add(1);
                    }
                    out.push_str(&format!(
                        "# CHECK that this is its publisher; a `*` may stand for what changes from release to release.\n[keys.{fresh}]\nissuer = {}\nidentity = {}\n\n",
                        quoted(issuer),
                        quoted(identity)
                    ));
                    keys.insert((fresh.clone(), key));
                    fresh
                }
            };
            let rule = rule(&key_name, &how.at);
            if rules.insert(rule.clone()) {
                out.push_str(&rule);
            }
            continue;
        }
        out.push_str(match (how.keyed.is_empty(), &how.compared) {
            (true, None) => {
                "# DECIDE: no signature was found. Ask the publisher for one, or accept the bare digest for some time:\n"
            }
            (true, Some(_)) => {
                "# DECIDE: no signature was found, but a step compares it with a hash that stands in the Dockerfile, and it has that. If whoever wrote\n# that hash can be relied on, accept it:\n"
            }
            (false, _) => {
                "# DECIDE: it is signed by a key that only its publisher can name. Get the key from there, compare its fingerprint, and:\n"
            }
        });
        let label = label(&pattern);
        for (kind, members) in &how.keyed {
            // The first line, and for Notary v2 the second, are the key's.
            let mut key = String::new();
            if kind.starts_with("OpenPGP")
                && let [one] = fingerprints.as_slice()
            {
                key = format!("fingerprint = {}\n", quoted(&plain(one)));
            }
            let mut at = String::new();
            for line in members.replace("NAME", &label).lines() {
                let of_rule = ["signature", "checksums", "signed"]
                    .iter()
                    .any(|name| line.starts_with(name));
                let to = if of_rule { &mut at } else { &mut key };
                to.push_str(line);
                to.push('\n');
            }
            out.push_str(&commented(&format!(
                "{kind}:\n[keys.{label}]\n{}\n{}",
                key.trim_end(),
                rule(&label, &at)
            )));
        }
        if how.keyed.is_empty() {
            let until = until(now);
            let reason = match &how.compared {
                Some(hash) => format!("{} compares it with {hash}", thing.places.join(", ")),
                None => String::new(),
            };
            out.push_str(&commented(&format!(
                "[[{table}]]\nmatch = {}\naccept = \"digest\"\nreason = {}\nuntil = {until}",
                quoted(&pattern),
                quoted(&plain(&reason))
            )));
        }
    }
    for step in rest {
        out.push_str(&of_step(step, until(now)));
    }
    out
}

/// What is to be decided about a step of which something cannot be asked for.
fn of_step(step: &Rest, until: Date) -> String {
    let places: Vec<&str> = step.places.iter().map(String::as_str).collect();
    let command = crate::shell::redacted(&step.command).0;
    let mut out = format!(
        "\n# RUN {} ({})\n",
        plain(&command),
        plain(&places.join(", "))
    );
    for load in &step.loads {
        out.push_str(&commented(&format!("it loads {}", plain(load))));
    }
    for why in &step.unclear {
        out.push_str(&commented(&format!(
            "it cannot be told what it loads: {}",
            plain(why)
        )));
    }
    // With `*` it would cover other commands, too; with a secret in it, it would be told.
    let exact = command == step.command && !command.contains('*');
    if step.loads.is_empty() {
        out.push_str("# If it loads nothing, there is nothing to do. Else `verified-dockerfile lock --record=always` records it.\n");
        return out;
    }
    out.push_str("# DECIDE: let it be recorded, and accept the addresses that the lock shows then; its packages are not verified by their own signatures:\n");
    out.push_str(&commented(&format!(
        "[[http]]\nmatch = \"https://HOST/**\"\naccept = \"digest\"\nreason = \"\"\nuntil = {until}"
    )));
    if exact {
        out.push_str("# or give it the network, unverified:\n");
        out.push_str(&commented(&format!(
            "[[run]]\nmatch = {}\nnetwork = \"allow\"\nreason = \"\"\nuntil = {until}",
            quoted(&step.command)
        )));
    }
    out
}

fn until(now: Timestamp) -> Date {
    let today = now.to_zoned(TimeZone::UTC).date();
    today.saturating_add(jiff::Span::new().days(DAYS))
}

/// The table of the rule, and what it covers: the repository, the file, the remote.
fn pattern(thing: &Thing) -> (&'static str, String) {
    match &thing.source {
        Source::Image { reference, .. } => ("image", reference.repository()),
        Source::Http { url, .. } => ("http", url::http(url).unwrap_or_else(|_| url.clone())),
        Source::Git(git) => (
            "git",
            url::git(&git.remote).unwrap_or_else(|_| git.remote.clone()),
        ),
        Source::Context { .. } => ("image", String::new()),
    }
}

/// A name for a key: the last part of what it signs.
fn label(pattern: &str) -> String {
    let last = pattern
        .trim_end_matches(".git")
        .rsplit('/')
        .find(|part| !part.is_empty())
        .unwrap_or("publisher");
    let name: String = last
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .take(32)
        .collect();
    match name.trim_matches('-') {
        "" => "publisher".to_owned(),
        name => name.to_owned(),
    }
}

fn commented(text: &str) -> String {
    text.lines()
        .map(|line| format!("# {line}").trim_end().to_owned() + "\n")
        .collect()
}

/// One line, whatever a server said.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(500)
        .collect()
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cli::init::steps::Known;
    use crate::{
        digest::Digest,
        fetch::Platform,
        policy::{Layer, Pin},
        reference::ImageReference,
    };

    fn image(name: &str, how: How) -> (String, Thing, How) {
        let reference: ImageReference = name.parse().unwrap();
        let source = Source::Image {
            reference,
            platform: Platform::new("linux", "amd64", ""),
        };
        let pin = Pin::Digest(Digest::sha256(b"x"));
        let places = vec!["Dockerfile:1".to_owned()];
        (
            name.to_owned(),
            Thing {
                source,
                pin,
                places,
                known: Known::default(),
            },
            how,
        )
    }

    #[test]
    fn what_is_not_proven_is_a_comment() {
        let keyless = || {
            Some((
                "https://ci.test/a\"b".to_owned(),
                "https://issuer.test".to_owned(),
            ))
        };
        let looked = [
            image(
                "registry.test/signed:1",
                How {
                    keyless: keyless(),
                    ..How::default()
                },
            ),
            image(
                "registry.test/other:1",
                How {
                    keyless: keyless(),
                    ..How::default()
                },
            ),
            image(
                "registry.test/keyed:1",
                How {
                    keyed: vec![(
                        "OpenPGP".to_owned(),
                        "openpgp = \"keys/NAME.asc\"\nsignature = \"*.asc\"".to_owned(),
                    )],
                    ..How::default()
                },
            ),
            image(
                "registry.test/bare:1",
                How {
                    notes: vec!["said\n[[image]]\nmatch = \"**\"".to_owned()],
                    ..How::default()
                },
            ),
        ];
        let step = Rest {
            places: ["Dockerfile:9".to_owned()].into(),
            command: "apt-get install x\n[[run]]".to_owned(),
            loads: vec!["apt: x\n[[image]]".to_owned()],
            unclear: vec!["why".to_owned()],
        };
        let text = policy(&looked, [&step].into_iter(), Timestamp::UNIX_EPOCH);
        let layer =
            Layer::parse(text.as_bytes(), "x", &BTreeMap::<String, Vec<u8>>::new()).unwrap();
        let document: toml_edit::DocumentMut = text.parse().unwrap();
        let rules = document["image"].as_array_of_tables().unwrap();
        assert_eq!(rules.len(), 2, "{text}");
        assert_eq!(document["keys"].as_table().unwrap().len(), 1, "{text}");
        assert!(
            text.matches("# DECIDE").count() == 3 && !layer.locked,
            "{text}"
        );
        assert!(text.contains("# until = 1970-04-01"), "{text}");
        assert!(
            text.contains("# [keys.keyed]\n# openpgp = \"keys/keyed.asc\"\n# [[image]]"),
            "{text}"
        );
    }
}
