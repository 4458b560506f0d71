//! `[keys.NAME]` of a policy: who is trusted, under which name.

use std::{collections::BTreeMap, ops::Range};

use super::{
    files::{Files, relative},
    strict::{FileError, Spanned, Table, shown},
};
use crate::verify::{MAX_KEY_BYTES, TrustedKey, Written, openpgp};

const LATER: &str = "a later version reads this kind of key";

/// The kinds of key, each by the member that holds it: its name, what it holds, its other members, the largest file.
const KINDS: &[(&str, &str, &[&str], usize)] = &[
    ("cosign", "a cosign public key", &[], MAX_KEY_BYTES),
    (
        "openpgp",
        "an OpenPGP key or keyring",
        &["fingerprint"],
        openpgp::MAX_KEY_BYTES,
    ),
    (
        "minisign",
        "a minisign public key",
        &["legacy"],
        MAX_KEY_BYTES,
    ),
];

/// A key by its name, and as it is written down.
#[derive(Clone, Debug)]
pub(super) struct NamedKey {
    pub trusted: TrustedKey,
    pub written: Written,
}

/// All keys of the policy, by name.
pub(super) fn read(
    top: &Table<'_>,
    files: &dyn Files,
) -> Result<BTreeMap<String, NamedKey>, FileError> {
    let mut keys = BTreeMap::new();
    for (name, table, place) in places(top)? {
        let bytes = match &place.from {
            From::Inline(text) => text.clone().into_bytes(),
            From::Path(path) => files.read(path, place.limit).map_err(|error| {
                top.error(
                    place.span.clone(),
                    format!("the key file `{}` cannot be read: {error}", shown(path)),
                )
            })?,
        };
        let written = written(&table, &place, bytes)?;
        let key = written
            .read()
            .map_err(|error| top.error(place.span, error))?;
        let trusted = TrustedKey {
            name: name.clone(),
            key,
        };
        keys.insert(name, NamedKey { trusted, written });
    }
    Ok(keys)
}

/// The paths of the key files.
pub(super) fn paths(top: &Table<'_>) -> Result<Vec<String>, FileError> {
    Ok(places(top)?
        .into_iter()
        .filter_map(|(_, _, place)| match place.from {
            From::Path(path) => Some(path),
            From::Inline(_) => None,
        })
        .collect())
}

fn written(table: &Table<'_>, place: &Place, bytes: Vec<u8>) -> Result<Written, FileError> {
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes)
            .map_err(|_| table.error(place.span.clone(), "the key is not text".to_owned()))
    };
    Ok(match place.kind {
        "openpgp" => {
            let fingerprint = table.string("fingerprint")?;
            Written::openpgp(&bytes, fingerprint.map(|text| text.value.to_owned()))
        }
        "minisign" => Written::Minisign {
            text: text(bytes)?,
            legacy: table.boolean("legacy")?.is_some_and(|legacy| legacy.value),
        },
        _ => Written::Cosign { pem: text(bytes)? },
    })
}

/// Where a key comes from.
struct Place {
    kind: &'static str,
    from: From,
    limit: usize,
    span: Range<usize>,
}

enum From {
    Inline(String),
    Path(String),
}

fn places<'a>(top: &Table<'a>) -> Result<Vec<(String, Table<'a>, Place)>, FileError> {
    let mut places = Vec::new();
    for (name, table) in top.named_tables("keys")? {
        if name.is_empty() {
            return Err(table.error(table.span.clone(), "a key's name is not empty".to_owned()));
        }
        let mut kinds = KINDS.iter().filter(|(kind, ..)| table.has(kind));
        let Some((kind, what, members, limit)) = kinds.next() else {
            let all: Vec<_> = KINDS.iter().map(|(kind, ..)| *kind).collect();
            table.only(&all, &later())?;
            let known: Vec<_> = all.iter().map(|kind| format!("`{kind}`")).collect();
            let message = format!(
                "`keys.{}` has no key; known are {}",
                shown(&name),
                known.join(", ")
            );
            return Err(table.error(table.span.clone(), message));
        };
        let mut known = vec![*kind];
        known.extend(*members);
        table.only(&known, &later())?;
        let Spanned { value, span } = table.required_string(kind, what)?;
        let inline = value.trim_start().starts_with("-----BEGIN ")
            || (*kind == "minisign" && is_line(value));
        let from = if inline {
            From::Inline(value.to_owned())
        } else {
            relative(value)
                .map_err(|why| table.error(span.clone(), format!("`{}`: {why}", shown(value))))?;
            From::Path(value.to_owned())
        };
        let place = Place {
            kind,
            from,
            limit: *limit,
            span,
        };
        places.push((name, table, place));
    }
    Ok(places)
}

fn later() -> Vec<(&'static str, &'static str)> {
    let kinds = ["issuer", "identity", "signify", "ssh", "notation", "x509"];
    kinds.iter().map(|kind| (*kind, LATER)).collect()
}

/// Whether `text` is a minisign key itself: base64 of 42 bytes that begin with `Ed`.
fn is_line(text: &str) -> bool {
    text.len() == 56 && text.starts_with("RW")
}
