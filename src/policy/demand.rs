//! What the rules for images, files and repositories ask for.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::{
    keys::NamedKey,
    strict::{FileError, Spanned, Table, shown},
    url,
};
use crate::{
    reference::ImageReference,
    verify::{TrustedKey, Written, attestation, git::Signed, openpgp},
};

/// Longest `reason`, in bytes.
const MAX_REASON: usize = 1000;

/// How a rule for files says that the step's own check counts.
const INLINE: &str = "checked-inline";

/// What a fetch must show.
#[derive(Clone, Debug)]
pub(super) enum Demand {
    /// A signature.
    Signed(SignedBy),
    /// Nothing but its digest.
    Accepted(Acceptance),
    /// That the step which downloads it compares its digest with one that stands in the Dockerfile.
    Compared(Acceptance),
    /// That it is OpenPGP keys, all of which have one of these fingerprints.
    Keys(BTreeSet<String>),
}

/// By whom something must be signed, and where the signature is.
#[derive(Clone, Debug)]
pub(super) struct SignedBy {
    /// One of these is enough.
    pub keys: Vec<TrustedKey>,
    /// The same keys as they are written down.
    pub written: Vec<Written>,
    pub at: ProofAt,
}

impl SignedBy {
    /// Each key with its written form.
    pub fn pairs(&self) -> impl Iterator<Item = (&TrustedKey, &Written)> {
        self.keys.iter().zip(&self.written)
    }
}

/// Where the signature is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProofAt {
    /// Beside the image in its registry.
    Registry {
        /// What must be signed.
        signed: attestation::Signed,
        /// The repository it must name instead of the one fetched from.
        signed_as: Option<String>,
    },
    /// In files beside the file: a list of checksums, if there is one, and the signature of that list or of the file. A name is
    /// relative to the file's folder, or a URL; `*` stands for the name of what is signed. A list without a signature is
    /// signed within itself.
    Beside {
        checksums: Option<String>,
        signature: Option<String>,
    },
    /// In the repository.
    Repository(Signed),
}

impl ProofAt {
    /// The name of the list of checksums, if there is one.
    pub fn checksums(&self) -> Option<&str> {
        match self {
            Self::Beside { checksums, .. } => checksums.as_deref(),
            _ => None,
        }
    }
}

/// Why something unproven is allowed, and how long.
#[derive(Clone, Debug)]
pub(super) struct Acceptance {
    pub reason: String,
    pub until: Date,
}

type Keys = BTreeMap<String, NamedKey>;

/// The demand of an `[[image]]`.
pub(super) fn image(table: &Table<'_>, keys: &Keys) -> Result<Demand, FileError> {
    demand(table, keys, &["signed-as", "signed"], |table| {
        let signed_as = match table.string("signed-as")? {
            None => None,
            Some(text) => match ImageReference::parse(text.value) {
                Ok(image) if image.repository() == text.value => Some(text.value.to_owned()),
                Ok(image) => {
                    return Err(table.error(
                        text.span,
                        format!(
                            "`signed-as` is a repository in its full form: \"{}\"",
                            image.repository()
                        ),
                    ));
                }
                Err(error) => return Err(table.error(text.span, format!("`signed-as`: {error}"))),
            },
        };
        let signed = match table.choice("signed", &["image", "attestations"])? {
            Some("attestations") => attestation::Signed::Attestations,
            _ => attestation::Signed::Image,
        };
        Ok(ProofAt::Registry { signed, signed_as })
    })
}

/// The demand of an `[[http]]`.
pub(super) fn http(table: &Table<'_>, keys: &Keys) -> Result<Demand, FileError> {
    if let Some(prints) = table.strings("fingerprints")? {
        table.only(&["match", "fingerprints"], &[])?;
        if prints.is_empty() {
            return Err(table.misplaced("fingerprints", "an empty list allows nothing"));
        }
        let read = prints.iter().map(|text| {
            openpgp::full_fingerprint(text.value)
                .map_err(|why| table.error(text.span.clone(), format!("`fingerprints`: {why}")))
        });
        return Ok(Demand::Keys(read.collect::<Result<_, _>>()?));
    }
    if table
        .string("accept")?
        .is_some_and(|how| how.value == INLINE)
    {
        table.only(&["match", "accept", "reason", "until"], &[])?;
        return Ok(Demand::Compared(acceptance(table)?));
    }
    demand(table, keys, &["signature", "checksums"], |table| {
        let name = |key: &str| -> Result<Option<String>, FileError> {
            let Some(Spanned { value, span }) = table.string(key)? else {
                return Ok(None);
            };
            beside("https://sample.test/folder/name", value)
                .map_err(|why| table.error(span, format!("`{key}`: {why}")))?;
            Ok(Some(value.to_owned()))
        };
        let (checksums, signature) = (name("checksums")?, name("signature")?);
        if checksums.is_none() && signature.is_none() {
            return Err(table.missing(
                "signature",
                "say where the file's signature is, for example signature = \"*.asc\", or where its checksums are",
            ));
        }
        Ok(ProofAt::Beside {
            checksums,
            signature,
        })
    })
}

/// The demand of a `[[git]]`.
pub(super) fn git(table: &Table<'_>, keys: &Keys) -> Result<Demand, FileError> {
    demand(table, keys, &["signed"], |table| {
        match table.choice("signed", &["tag", "commit"])? {
            Some("tag") => Ok(ProofAt::Repository(Signed::Tag)),
            Some(_) => Ok(ProofAt::Repository(Signed::Commit)),
            None => Err(table.missing(
                "signed",
                "say what is signed: signed = \"tag\" or signed = \"commit\"",
            )),
        }
    })
}

/// The URL of `name` beside the file at `url`.
pub(super) fn beside(url: &str, name: &str) -> Result<String, String> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let (folder, file) = path.rsplit_once('/').unwrap_or((path, ""));
    let name = name.replace('*', file);
    if name.contains("://") {
        return url::http(&name).map_err(|error| error.to_string());
    }
    if name.is_empty() || name.starts_with('/') || name.split('/').any(|part| part == "..") {
        return Err(
            "it is a name below the file's folder, or a URL; `*` stands for the file's name"
                .to_owned(),
        );
    }
    url::http(&format!("{folder}/{name}")).map_err(|error| error.to_string())
}

fn demand(
    table: &Table<'_>,
    keys: &Keys,
    members: &[&str],
    at: impl Fn(&Table<'_>) -> Result<ProofAt, FileError>,
) -> Result<Demand, FileError> {
    let mut known = vec!["match", "signed-by", "accept", "reason", "until"];
    known.extend(members);
    table.only(&known, &[])?;
    let Some(names) = table.strings("signed-by")? else {
        if let Some(key) = members.iter().find(|key| table.has(key)) {
            return Err(table.misplaced(key, "it belongs to `signed-by`"));
        }
        return accepted(
            table,
            "say `signed-by = [\"key name\"]`, or `accept = \"digest\"` with `reason` and `until`",
        );
    };
    for key in ["accept", "reason", "until"] {
        if table.has(key) {
            return Err(table.misplaced(key, "a rule has either `signed-by` or `accept`, and `reason` and `until` belong to `accept`"));
        }
    }
    if names.is_empty() {
        return Err(table.misplaced(
            "signed-by",
            "an empty list allows nothing; name at least one key",
        ));
    }
    let (mut trusted, mut written) = (Vec::new(), Vec::new());
    for name in names {
        let Some(key) = keys.get(name.value) else {
            let known: Vec<_> = keys.keys().map(|key| format!("`{key}`")).collect();
            let known = if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            };
            return Err(table.error(
                name.span,
                format!(
                    "no key is called `{}`; there are: {known}. Add [keys.NAME]",
                    shown(name.value)
                ),
            ));
        };
        trusted.push(key.trusted.clone());
        written.push(key.written.clone());
    }
    Ok(Demand::Signed(SignedBy {
        keys: trusted,
        written,
        at: at(table)?,
    }))
}

fn accepted(table: &Table<'_>, else_say: &str) -> Result<Demand, FileError> {
    match table.choice("accept", &["digest"])? {
        Some(_) => Ok(Demand::Accepted(acceptance(table)?)),
        None => Err(table.missing("accept", else_say)),
    }
}

/// Why something is allowed without proof, and until when.
pub(super) fn acceptance(table: &Table<'_>) -> Result<Acceptance, FileError> {
    let reason = table.required_string(
        "reason",
        "say why this is acceptable, for those who review it",
    )?;
    let text = reason.value.trim();
    if text.is_empty() || text.len() > MAX_REASON || text.chars().any(char::is_control) {
        return Err(table.error(
            reason.span,
            format!("`reason` is one line of 1 to {MAX_REASON} bytes"),
        ));
    }
    let until = table.date("until")?.ok_or_else(|| {
        table.missing(
            "until",
            "say the last day on which the rule holds, for example until = 2027-06-01",
        )
    })?;
    Ok(Acceptance {
        reason: text.to_owned(),
        until: until.value,
    })
}
