//! Checksum lists: `SHA256SUMS` and its relatives, signed as a whole by any other kind of proof.
//!
//! A list proves nothing by itself. [`verify`] has the list verified first, as a file of its own, by whatever signs it, and only then
//! reads it; the one entry for the wanted file then says what its digest is.
//!
//! | form | example |
//! | --- | --- |
//! | GNU | `HASH  dist/app.tar.gz`, `HASH *app.tar.gz` (binary), `\HASH  a\\b` (escaped) |
//! | BSD | `SHA256 (app.tar.gz) = HASH`, also as openssl writes it: `SHA2-256(app.tar.gz)= HASH` |
//! | bare | `HASH`, alone in its file |
//!
//! The hash functions are SHA-256, SHA-384 and SHA-512; entries by others are no entries. Empty lines and lines that start
//! with `#` or `;` are comments. Any other line makes the list refused: what cannot be read could be a second entry.
//!
//! **Which entry.** A name that is exactly the wanted path relative to the list (`./` in front does not count) is the file's. Only if there is
//! none, an entry in some folder whose last part is the wanted name counts, and only if it is the only one. A name that is there twice
//! for one hash function is refused, even with equal hashes: no tool writes such a list, so that it is not what its signer
//! thinks it is, and which line holds would depend on the reader.
//!
//! **Which hash.** That of the digest which the build uses, if the list has it; otherwise the strongest in the list, which
//! needs the file's bytes.
//!
//! Source: coreutils' manual, "cksum general options" and "md5sum invocation"; the outputs of FreeBSD's `sha256`, `openssl dgst` and
//! `shasum`.

use std::collections::BTreeMap;

use super::{Artifact, Failure, shown, stream};
use crate::digest::{Algorithm, Digest};

/// The kind's name in `Dockerfile.evidence`.
pub const KIND: &str = "checksums";
/// Largest list read, in bytes.
pub const MAX_LIST: usize = 8 * 1024 * 1024;
/// Longest line read, in bytes: a path has at most 4096.
const MAX_LINE: usize = 8 * 1024;

/// What a list says about one path.
#[derive(Default)]
struct Entries {
    /// By hash function; none if it is there twice.
    known: BTreeMap<Algorithm, Option<Digest>>,
    /// One that proves nothing.
    other: Option<String>,
}

/// Checks that `list` is signed (`signed` says by whom) and that it names the digest of `artifact`, the file which it calls `name`.
///
/// `name` is the file's path relative to the list's folder, or its last part.
///
/// # Errors
/// [`Failure::List`] if there is not exactly one entry, [`Failure::Digest`] if it names another digest, [`Failure::Weak`] if it is by a
/// broken hash function, [`Failure::NeedsBytes`] if it is by another hash function than the digest; and those of `signed`.
pub fn verify<T>(
    artifact: &Artifact<'_>,
    list: &[u8],
    name: &str,
    signed: impl FnOnce(&Artifact<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Artifact::File { digest, .. } = artifact else {
        return Err(stream::not_a_file(artifact, KIND));
    };
    if list.len() > MAX_LIST {
        return Err(Failure::List(format!("has more than {MAX_LIST} bytes")));
    }
    let content: &[u8] = list;
    let signer = signed(&Artifact::File {
        digest: &Digest::sha256(list),
        content: Some(&content),
    })?;
    let entry = find(list, name, digest.algorithm())?;
    let found = if entry.algorithm() == digest.algorithm() {
        digest.to_string()
    } else {
        let mut hasher = stream::Hasher::new(entry.algorithm());
        stream::read(artifact, KIND, |bytes| hasher.update(bytes))?;
        format!(
            "{}:{}",
            entry.algorithm().name(),
            stream::hex(&hasher.finish())
        )
    };
    if found != entry.to_string() {
        return Err(Failure::Digest {
            signed: entry.to_string(),
            wanted: Digest::clone(digest),
        });
    }
    Ok(signer)
}

/// The digest that the list names for the file: that of `wanted`, if it has it, else the strongest.
///
/// # Errors
/// [`Failure::List`] and [`Failure::Weak`]. The list is believed; see [`verify`].
pub fn find(list: &[u8], name: &str, wanted: Algorithm) -> Result<Digest, Failure> {
    let text = std::str::from_utf8(list).map_err(|_| Failure::List("is not UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let name = plain(name);
    let shown_name = shown(name);
    if let Some(digest) = bare(text) {
        return Ok(digest);
    }
    let mut exact = None::<Entries>;
    // Those whose last part is the name, by their whole path.
    let mut elsewhere = BTreeMap::<String, Entries>::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let entry = parse(line).map_err(|why| {
            let number = index.saturating_add(1);
            Failure::List(format!("cannot be read in line {number}: {why}"))
        })?;
        let path = plain(&entry.name);
        let entries = if path == name {
            exact.get_or_insert_default()
        } else if path.rsplit('/').next() == Some(name) {
            elsewhere.entry(path.to_owned()).or_default()
        } else {
            continue;
        };
        entries.add(entry.hash);
    }
    let entries = match (exact, elsewhere.len()) {
        (Some(entries), _) => entries,
        (None, 0 | 1) => elsewhere
            .pop_first()
            .map(|(_, entries)| entries)
            .ok_or_else(|| Failure::List(format!("has no entry for `{shown_name}`")))?,
        _ => {
            let paths: Vec<_> = elsewhere.keys().take(3).map(|path| shown(path)).collect();
            return Err(Failure::List(format!(
                "has `{shown_name}` in several folders: `{}`",
                paths.join("`, `")
            )));
        }
    };
    entries.choose(wanted, &shown_name)
}

impl Entries {
    fn add(&mut self, hash: Hash) {
        match hash {
            Hash::Known(digest) => {
                self.known
                    .entry(digest.algorithm())
                    .and_modify(|entry| *entry = None)
                    .or_insert(Some(digest));
            }
            Hash::Other(function) => self.other = Some(function),
        }
    }

    /// The entry for the wanted hash function, else for the strongest. None may be there twice.
    fn choose(mut self, wanted: Algorithm, name: &str) -> Result<Digest, Failure> {
        if self.known.values().any(Option::is_none) {
            return Err(Failure::List(format!("has `{name}` more than once")));
        }
        let strongest = self.known.keys().next_back().copied();
        let chosen = self.known.remove(&wanted).flatten();
        chosen
            .or_else(|| self.known.remove(&strongest?).flatten())
            .ok_or_else(|| Failure::Weak {
                what: "checksum",
                why: format!(
                    "`{name}` has only one by {}; SHA-256, SHA-384 or SHA-512 is wanted",
                    shown(&self.other.unwrap_or_default())
                ),
            })
    }
}

/// A path without `./` in front.
fn plain(mut path: &str) -> &str {
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    path
}

/// A list that is one hash and nothing else.
fn bare(text: &str) -> Option<Digest> {
    known(text.trim_end())
}

struct Entry {
    hash: Hash,
    name: String,
}

enum Hash {
    Known(Digest),
    /// By a hash function that proves nothing, or is not known.
    Other(String),
}

/// One line, GNU or BSD.
fn parse(line: &str) -> Result<Entry, &'static str> {
    const FORM: &str = "it is neither `HASH  NAME` nor `SHA256 (NAME) = HASH`";
    if line.len() > MAX_LINE {
        return Err("it is too long");
    }
    if line.chars().any(|c| c.is_control() && c != '\t') {
        return Err("there is a control character in it");
    }
    let (escaped, line) = match line.strip_prefix('\\') {
        Some(line) => (true, line),
        None => (false, line),
    };
    let entry = match gnu(line) {
        Some(entry) => entry,
        None => bsd(line).ok_or(FORM)?,
    };
    let (hash, name) = entry;
    let name = if escaped {
        unescape(name).ok_or("its name has an unknown escape")?
    } else {
        name.to_owned()
    };
    if name.is_empty() {
        return Err(FORM);
    }
    Ok(Entry { hash, name })
}

/// `HASH`, a blank, a blank or `*`, the name; or just one blank or tab, as some write it.
fn gnu(line: &str) -> Option<(Hash, &str)> {
    let end = line.find([' ', '\t'])?;
    let (digits, rest) = line.split_at_checked(end)?;
    let hash = match (known(digits), digits.len()) {
        (Some(digest), _) => Hash::Known(digest),
        (None, length) if is_hex(digits) => match length {
            32 => Hash::Other("MD5".to_owned()),
            40 => Hash::Other("SHA-1".to_owned()),
            56 => Hash::Other("SHA-224".to_owned()),
            _ => return None,
        },
        _ => return None,
    };
    let name = ["  ", " *", " ", "\t"]
        .iter()
        .find_map(|separator| rest.strip_prefix(separator))?;
    Some((hash, name))
}

/// `SHA256 (NAME) = HASH`.
fn bsd(line: &str) -> Option<(Hash, &str)> {
    let (function, rest) = line.split_once('(')?;
    let function = function.trim_end();
    let (name, digits) = rest.rsplit_once(')')?;
    let digits = digits.trim_start().strip_prefix('=')?.trim_start();
    let algorithm = match function {
        "SHA256" | "SHA2-256" => Algorithm::Sha256,
        "SHA384" | "SHA2-384" => Algorithm::Sha384,
        "SHA512" | "SHA2-512" => Algorithm::Sha512,
        // `SIZE (name) = 17` is of this form too.
        _ if is_name(function) && digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            return Some((Hash::Other(function.to_owned()), name));
        }
        _ => return None,
    };
    let digest = known(digits).filter(|digest| digest.algorithm() == algorithm)?;
    Some((Hash::Known(digest), name))
}

fn is_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'/' | b'_');
    (1..=20).contains(&text.len()) && text.bytes().all(known)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The digest that so many hexadecimal digits of either case are.
fn known(digits: &str) -> Option<Digest> {
    let algorithm = match digits.len() {
        64 => "sha256",
        96 => "sha384",
        128 => "sha512",
        _ => return None,
    };
    format!("{algorithm}:{}", digits.to_ascii_lowercase())
        .parse()
        .ok()
}

/// `\\`, `\n` and `\r`, as coreutils writes them.
fn unescape(name: &str) -> Option<String> {
    let (mut out, mut chars) = (String::new(), name.chars());
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            c => c,
        });
    }
    Some(out)
}
