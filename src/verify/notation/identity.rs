//! Trusted identities: `x509.subject: C=US, ST=WA, O=example.com`.
//!
//! All attributes stated must be in the subject of the signing certificate, with exactly these values, and each attribute there once; the
//! subject may have others. Notary v2 wants country, state and organization stated.
//!
//! Source: `trust-store-trust-policy.md`, section "Trusted Identities Constraints".

use std::fmt;

use x509_cert::{
    attr::AttributeTypeAndValue,
    der::{Tag, Tagged as _, asn1::ObjectIdentifier},
    name::Name,
};

use super::{Failure, shown};

/// Longest identity read, in bytes.
const MAX_IDENTITY: usize = 4096;

/// Attribute types by their names in a policy (RFC 4514 section 3, RFC 4519).
const TYPES: [(&str, &str); 11] = [
    ("C", "2.5.4.6"),
    ("ST", "2.5.4.8"),
    ("S", "2.5.4.8"),
    ("L", "2.5.4.7"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("CN", "2.5.4.3"),
    ("STREET", "2.5.4.9"),
    ("POSTALCODE", "2.5.4.17"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("DC", "0.9.2342.19200300.100.1.25"),
];

/// What must be in a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::verify) struct Identity {
    text: String,
    wanted: Vec<(ObjectIdentifier, String)>,
}

fn form(why: String) -> Failure {
    Failure::Form {
        what: "trusted identity",
        why,
    }
}

impl Identity {
    /// That of a policy of notation, which must state country, state and organization.
    pub(super) fn complete(text: &str) -> Result<Self, Failure> {
        let identity = Self::parse(text)?;
        for (name, number) in [("C", "2.5.4.6"), ("ST", "2.5.4.8"), ("O", "2.5.4.10")] {
            if !identity
                .wanted
                .iter()
                .any(|(oid, _)| oid.to_string() == number)
            {
                return Err(form(format!(
                    "it must state {name}; wanted are C, ST and O"
                )));
            }
        }
        Ok(identity)
    }

    pub(in crate::verify) fn parse(text: &str) -> Result<Self, Failure> {
        if text.len() > MAX_IDENTITY {
            return Err(form(format!("more than {MAX_IDENTITY} bytes")));
        }
        let list = text.strip_prefix("x509.subject:").unwrap_or(text).trim();
        let mut wanted: Vec<(ObjectIdentifier, String)> = Vec::new();
        for part in split(list) {
            let (name, value) = part
                .split_once('=')
                .ok_or_else(|| form(format!("`{}` is not TYPE=VALUE", shown(part))))?;
            let name = name.trim();
            let (_, oid) = TYPES
                .iter()
                .find(|(known, _)| name.eq_ignore_ascii_case(known))
                .ok_or_else(|| form(format!("unknown attribute `{}`", shown(name))))?;
            let oid = ObjectIdentifier::new(oid).map_err(|error| form(error.to_string()))?;
            if wanted.iter().any(|(other, _)| *other == oid) {
                return Err(form(format!(
                    "the attribute `{}` is there twice",
                    shown(name)
                )));
            }
            let value = unescape(value.trim_start())
                .filter(|value| !value.is_empty())
                .ok_or_else(|| form(format!("`{}` has no proper value", shown(name))))?;
            wanted.push((oid, value));
        }
        Ok(Self {
            text: list.to_owned(),
            wanted,
        })
    }

    /// Whether the subject has all that is stated.
    pub(in crate::verify) fn matches(&self, subject: &Name) -> bool {
        self.wanted.iter().all(|(oid, value)| {
            let attributes = subject.0.iter().flat_map(|part| part.0.iter());
            let mut found = attributes.filter(|attribute| attribute.oid == *oid);
            match (found.next(), found.next()) {
                (Some(one), None) => text(one).is_some_and(|text| text == value),
                _ => false,
            }
        })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The value, if it is of a string type that means one text only.
fn text(attribute: &AttributeTypeAndValue) -> Option<&str> {
    let value = &attribute.value;
    match value.tag() {
        Tag::Utf8String => std::str::from_utf8(value.value()).ok(),
        Tag::PrintableString | Tag::Ia5String if value.value().is_ascii() => {
            std::str::from_utf8(value.value()).ok()
        }
        _ => None,
    }
}

/// At commas that no backslash is in front of.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(text.get(start..index).unwrap_or_default());
                start = index.saturating_add(1);
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

/// Without blanks at the end and without the backslashes in front of `,`, `;`, `\`, `+`, `"`, `#`, `=` and blanks.
fn unescape(text: &str) -> Option<String> {
    let (mut out, mut kept, mut chars) = (String::new(), 0, text.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                out.push(chars.next().filter(|c| ",;\\+\"#= <>".contains(*c))?);
                kept = out.len();
            }
            ';' | '+' | '"' => return None,
            ' ' => out.push(' '),
            c => {
                out.push(c);
                kept = out.len();
            }
        }
    }
    out.truncate(kept);
    Some(out)
}
