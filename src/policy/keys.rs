//! `[keys.NAME]` of a policy: who is trusted, under which name.

use std::{collections::BTreeMap, ops::Range};

use super::{
    files::{Files, relative},
    strict::{FileError, Spanned, Table, shown},
};
use crate::verify::{
    MAX_KEY_BYTES, TrustedKey, Written, WrittenIdentity, WrittenProvenance, notation, openpgp,
    signify, sigstore, ssh,
};

/// A kind of key in the policy.
struct Kind {
    /// The member that says which kind it is.
    name: &'static str,
    /// What it holds.
    what: &'static str,
    /// The member with the key file, or with the key itself; not needed if it is another than `name`.
    file: &'static str,
    /// Largest file, in bytes.
    limit: usize,
    /// Whether the text is the key itself.
    inline: fn(&str) -> bool,
    /// The other members.
    members: &'static [&'static str],
    /// From the file, if there is one.
    written: fn(&Table<'_>, Option<Bytes<'_>>) -> Result<Written, FileError>,
}

/// A kind of key is one entry.
const KINDS: &[Kind] = &[
    Kind {
        name: "cosign",
        what: "give the path of a cosign public key, or its PEM block",
        file: "cosign",
        limit: MAX_KEY_BYTES,
        inline: is_block,
        members: PROVENANCE,
        written: |table, file| {
            Ok(Written::Sigstore {
                pem: file.map(Bytes::text).transpose()?,
                identity: None,
                provenance: provenance(table)?,
            })
        },
    },
    Kind {
        name: "issuer",
        what: "give the issuer of the identity, as its URL",
        file: "trusted-root",
        limit: sigstore::MAX_ROOTS,
        // The one instance besides the public one that everybody knows.
        inline: |text| text == Written::GITHUB,
        members: &["identity", "trusted-root", "builder", "source", "ref"],
        written: |table, file| {
            let issuer = table.required_string("issuer", "")?;
            let identity =
                table.required_string("identity", "say whom the issuer must have vouched for")?;
            if !issuer.value.starts_with("https://") {
                let message = "an issuer is a URL: https://...".to_owned();
                return Err(table.error(issuer.span, message));
            }
            Ok(Written::Sigstore {
                pem: None,
                identity: Some(WrittenIdentity {
                    issuer: issuer.value.to_owned(),
                    subject: identity.value.to_owned(),
                    roots: file.map(Bytes::text).transpose()?,
                }),
                provenance: provenance(table)?,
            })
        },
    },
    Kind {
        name: "openpgp",
        what: "give the path of an OpenPGP key or keyring",
        file: "openpgp",
        limit: openpgp::MAX_KEY_BYTES,
        inline: is_block,
        members: &["fingerprint"],
        written: |table, file| {
            let fingerprint = table.string("fingerprint")?;
            Ok(Written::openpgp(
                file.map_or(&[], |file| file.bytes),
                fingerprint.map(|text| text.value.to_owned()),
            ))
        },
    },
    Kind {
        name: "minisign",
        what: "give the path of a minisign key, or its second line",
        file: "minisign",
        limit: MAX_KEY_BYTES,
        // Base64 of 42 bytes that begin with `Ed`.
        inline: |text| text.len() == 56 && text.starts_with("RW"),
        members: &["legacy"],
        written: |table, file| {
            Ok(Written::Minisign {
                text: text(file)?,
                legacy: table.boolean("legacy")?.is_some_and(|legacy| legacy.value),
            })
        },
    },
    Kind {
        name: "notation",
        what: "give the path of the trust store: certificates in PEM",
        file: "notation",
        limit: notation::MAX_STORE,
        inline: is_block,
        members: &["identity", "authority", "timestamps"],
        written: |table, file| {
            let why = "say whom the store must have certified: \"x509.subject: C=..., ST=..., O=...\", or \"*\" for anyone";
            Ok(Written::Notation {
                certificates: text(file)?,
                authority: table.boolean("authority")?.is_some_and(|it| it.value),
                identity: table.required_string("identity", why)?.value.to_owned(),
                timestamps: timestamps(table)?,
            })
        },
    },
    Kind {
        name: "signify",
        what: "give the path of a signify key",
        file: "signify",
        limit: signify::MAX_KEY,
        inline: |_| false,
        members: &[],
        written: |_, file| Ok(Written::Signify { text: text(file)? }),
    },
    Kind {
        name: "ssh",
        what: "give the path of an SSH public key or an allowed-signers file, or the key itself",
        file: "ssh",
        limit: ssh::MAX_KEY,
        inline: |text| text.contains(' ') && text.contains(" AAAA"),
        members: &["principal", "namespace"],
        written: |table, file| {
            let member = |key| Ok(table.string(key)?.map(|text| text.value.to_owned()));
            Ok(Written::Ssh {
                text: text(file)?,
                principal: member("principal")?,
                namespace: member("namespace")?,
            })
        },
    },
    Kind {
        name: "x509",
        what: "give the path of the authorities' certificates (PEM)",
        file: "x509",
        limit: notation::MAX_STORE,
        inline: is_block,
        members: &["identity", "timestamps"],
        written: |table, file| {
            let why = "say whom the authorities must have certified: an e-mail address, \"x509.subject: CN=...\", or \"*\" for anyone";
            Ok(Written::X509 {
                certificates: text(file)?,
                identity: table.required_string("identity", why)?.value.to_owned(),
                timestamps: timestamps(table)?,
            })
        },
    },
];

/// What SLSA provenance must say.
const PROVENANCE: &[&str] = &["builder", "source", "ref"];

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
    for place in places(top)? {
        let bytes = match &place.from {
            None => None,
            Some(From::Inline(text)) => Some(text.clone().into_bytes()),
            Some(From::Path(path)) => {
                Some(files.read(path, place.kind.limit).map_err(|error| {
                    top.error(
                        place.span.clone(),
                        format!("the key file `{}` cannot be read: {error}", shown(path)),
                    )
                })?)
            }
        };
        let file = bytes.as_deref().map(|bytes| Bytes {
            bytes,
            table: &place.table,
            span: &place.span,
        });
        let written = (place.kind.written)(&place.table, file)?;
        let key = written
            .read()
            .map_err(|error| top.error(place.span, error))?;
        let trusted = TrustedKey {
            name: place.name.clone(),
            key,
        };
        keys.insert(place.name, NamedKey { trusted, written });
    }
    Ok(keys)
}

/// The paths of the key files.
pub(super) fn paths(top: &Table<'_>) -> Result<Vec<String>, FileError> {
    Ok(places(top)?
        .into_iter()
        .filter_map(|place| match place.from {
            Some(From::Path(path)) => Some(path),
            _ => None,
        })
        .collect())
}

/// A key's bytes, and where the policy names them.
struct Bytes<'a> {
    bytes: &'a [u8],
    table: &'a Table<'a>,
    span: &'a Range<usize>,
}

impl Bytes<'_> {
    fn text(self) -> Result<String, FileError> {
        String::from_utf8(self.bytes.to_vec()).map_err(|_| {
            let message = "the key is not text".to_owned();
            self.table.error(self.span.clone(), message)
        })
    }
}

fn text(file: Option<Bytes<'_>>) -> Result<String, FileError> {
    file.map_or_else(|| Ok(String::new()), Bytes::text)
}

/// The roots of time stamp authorities.
fn timestamps(table: &Table<'_>) -> Result<Option<String>, FileError> {
    match table.string("timestamps")? {
        Some(text) if !is_block(text.value) => {
            let message = "`timestamps` holds the certificates themselves, as PEM blocks";
            Err(table.error(text.span, message.to_owned()))
        }
        text => Ok(text.map(|text| text.value.to_owned())),
    }
}

fn provenance(table: &Table<'_>) -> Result<Option<WrittenProvenance>, FileError> {
    let part = |key| Ok(table.string(key)?.map(|text| text.value.to_owned()));
    let provenance = WrittenProvenance {
        builder: part("builder")?,
        source: part("source")?,
        reference: part("ref")?,
    };
    Ok((provenance != WrittenProvenance::default()).then_some(provenance))
}

/// Where a key comes from.
struct Place<'a> {
    name: String,
    table: Table<'a>,
    kind: &'static Kind,
    from: Option<From>,
    span: Range<usize>,
}

enum From {
    Inline(String),
    Path(String),
}

fn places<'a>(top: &Table<'a>) -> Result<Vec<Place<'a>>, FileError> {
    let mut places = Vec::new();
    for (name, table) in top.named_tables("keys")? {
        if name.is_empty() {
            return Err(table.error(table.span.clone(), "a key's name is not empty".to_owned()));
        }
        let Some(kind) = KINDS.iter().find(|kind| table.has(kind.name)) else {
            let all: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
            table.only(&all, &[])?;
            return Err(table.missing(
                "cosign",
                &format!("and no other kind of key; there are {}", all.join(", ")),
            ));
        };
        let mut known = vec![kind.name];
        known.extend(kind.members);
        table.only(&known, &[])?;
        let main = table.required_string(kind.name, kind.what)?;
        let from = match table.string(kind.file)? {
            None => None,
            Some(Spanned { value, .. }) if (kind.inline)(value) => {
                Some(From::Inline(value.to_owned()))
            }
            Some(Spanned { value, span }) => {
                relative(value)
                    .map_err(|why| table.error(span, format!("`{}`: {why}", shown(value))))?;
                Some(From::Path(value.to_owned()))
            }
        };
        places.push(Place {
            name,
            table,
            kind,
            from,
            span: main.span,
        });
    }
    Ok(places)
}

fn is_block(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ")
}
