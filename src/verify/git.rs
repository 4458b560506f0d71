//! Signed tags and commits of git, over their raw bytes, bound to the commit that is checked out.
//!
//! The proof is objects of the repository, of which each id is computed again: SHA-1 with detection of collisions, or SHA-256,
//! as the commit's own id has it. Either
//!
//! - `signed = "tag"`: the tag object of the ref asked for, signed, under just that name, and through at most
//!   [`MAX_TAGS`] nested tags about the commit. A tag cannot be given for another ref, nor for another commit.
//! - `signed = "commit"`: the commit itself, signed. Who signed it said nothing about branches and tags.
//!
//! Signatures are OpenPGP's, SSH's (namespace `git`), or X.509's: by an identity ([`gitsign`]) or below authorities of the policy ([`x509`]). An SSH signature states no time; as in git, its
//! key is judged at the object's own date, which must not lie after the time that counts.
//!
//! Source: git's `Documentation/gitformat-signature.adoc`, `object-file.c` (ids), `tag.c`, `commit.c`
//! (`parse_buffer_signed_by_header`) and `gpg-interface.c` (`parse_signed_buffer`) for which bytes are signed.

use jiff::Timestamp;
use sha1_checked::{CollisionResult, Digest as _};

use super::{Failure, Signer, gitsign, openpgp, shown, sigstore, ssh, stream::hex, x509};

/// The kind's name in `Dockerfile.evidence` and in reports.
pub const KIND: &str = "git";
/// Largest object read, in bytes.
pub const MAX_OBJECT: usize = 1 << 20;
/// Most tags from the ref to the commit.
pub const MAX_TAGS: usize = 8;
/// The namespace of SSH signatures by git.
pub const NAMESPACE: &str = "git";
/// Most header lines of one object, continuation lines included.
const MAX_HEADERS: usize = 10_000;

/// Which object a rule wants signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// The tag that the ref names.
    Tag,
    /// The commit that is checked out.
    Commit,
}

/// What is checked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkout<'a> {
    /// The full id of the commit: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
    pub commit: &'a str,
    /// The ref asked for, in full: `refs/tags/v1`.
    pub reference: &'a str,
    /// What must be signed.
    pub signed: Signed,
}

/// Objects of the repository, raw, without the header `type length NUL`. Untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// The tag that the ref names, then the tag it names, and so on; none for a ref that names a commit.
    pub tags: Vec<Vec<u8>>,
    /// The commit; needed where it is what must be signed.
    pub commit: Option<Vec<u8>>,
}

/// Who is trusted, by one of the kinds of signature that git makes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Key<'k> {
    /// `gpg.format = openpgp`.
    OpenPgp(&'k openpgp::Key),
    /// `gpg.format = ssh`.
    Ssh(&'k ssh::Key),
    /// `gpg.format = x509`, with gitsign.
    Sigstore(&'k sigstore::Key),
    /// `gpg.format = x509`, with gpgsm or smimesign.
    X509(&'k x509::Key),
}

impl Key<'_> {
    /// What it is, and whose.
    fn who(self) -> String {
        match self {
            Self::OpenPgp(key) => format!("the OpenPGP key {}", key.who()),
            Self::Ssh(key) => format!("the SSH key {}", key.who()),
            Self::Sigstore(key) => key.who(),
            Self::X509(key) => key.who(),
        }
    }
}

/// Checks that `key` signed what is checked out.
///
/// # Errors
/// [`Failure`]; ids and names are compared before the signature.
pub fn verify(
    checkout: &Checkout<'_>,
    objects: &Objects,
    key: Key<'_>,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let format = Format::of(checkout.commit)?;
    if let Some(commit) = &objects.commit {
        same("commit", &format.id("commit", commit)?, checkout.commit)?;
    }
    match checkout.signed {
        Signed::Commit => {
            let bytes = objects.commit.as_deref().ok_or_else(|| Failure::Form {
                what: "proof",
                why: "it has no commit object, and the commit is what must be signed".to_owned(),
            })?;
            Commit::parse(bytes, format)?.signature.check(key, at)
        }
        Signed::Tag => tag(checkout, format, &objects.tags, key, at),
    }
}

fn tag(
    checkout: &Checkout<'_>,
    format: Format,
    tags: &[Vec<u8>],
    key: Key<'_>,
    at: Timestamp,
) -> Result<Signer, Failure> {
    let name = checkout
        .reference
        .strip_prefix("refs/tags/")
        .ok_or_else(|| Failure::Type {
            what: "ref",
            found: shown(checkout.reference),
            wanted: "refs/tags/NAME, as a tag must be signed",
        })?;
    let (first, nested) = tags.split_first().ok_or_else(|| Failure::Form {
        what: "proof",
        why: "it has no tag object; a ref that names a commit directly (a lightweight tag) is not signed".to_owned(),
    })?;
    if tags.len() > MAX_TAGS {
        return Err(Failure::Form {
            what: "proof",
            why: format!("it has more than {MAX_TAGS} nested tags"),
        });
    }
    format.id("tag", first)?;
    let first = Tag::parse(first, format)?;
    if first.name != name {
        return Err(Failure::Object {
            what: "name in the tag object",
            found: format!("`{}`", shown(&first.name)),
            wanted: format!("`{}`", shown(name)),
        });
    }
    let mut target = first.target.clone();
    for bytes in nested {
        let Target::Tag(id) = &target else {
            return Err(Failure::Form {
                what: "proof",
                why: "it has a tag object that no other names".to_owned(),
            });
        };
        same("nested tag", &format.id("tag", bytes)?, id)?;
        target = Tag::parse(bytes, format)?.target;
    }
    match target {
        Target::Commit(id) => same("commit", checkout.commit, &id)?,
        Target::Tag(id) => {
            return Err(Failure::Form {
                what: "proof",
                why: format!("it lacks the tag object {id}, which the tag names"),
            });
        }
    }
    first
        .signature
        .ok_or_else(|| unsigned("tag"))?
        .check(key, at)
}

/// Whether an object is the one that was named.
fn same(what: &'static str, found: &str, wanted: &str) -> Result<(), Failure> {
    if found == wanted {
        Ok(())
    } else {
        Err(Failure::Object {
            what,
            found: found.to_owned(),
            wanted: wanted.to_owned(),
        })
    }
}

/// The repository's hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// With detection of collisions.
    Sha1,
    /// `extensions.objectFormat = sha256`
    Sha256,
}

impl Format {
    /// The format of an id: 40 or 64 lower-case hexadecimal digits.
    pub(crate) fn of(id: &str) -> Result<Self, Failure> {
        let digits = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match id.len() {
            40 if digits => Ok(Self::Sha1),
            64 if digits => Ok(Self::Sha256),
            _ => Err(Failure::Form {
                what: "commit id",
                why: format!("`{}` has not 40 or 64 hexadecimal digits", shown(id)),
            }),
        }
    }

    /// How many bytes an id has.
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The id of the object with these bytes.
    pub(crate) fn id(self, kind: &'static str, bytes: &[u8]) -> Result<String, Failure> {
        if bytes.len() > MAX_OBJECT {
            return Err(form(kind, format!("it has more than {MAX_OBJECT} bytes")));
        }
        let header = format!("{kind} {}\0", bytes.len());
        match self {
            Self::Sha1 => sha1(&[header.as_bytes(), bytes]).ok_or_else(|| Failure::Weak {
                what: "object",
                why: format!("this {kind} is one of two made to have the same SHA-1"),
            }),
            Self::Sha256 => {
                let hasher = sha2::Sha256::new_with_prefix(header.as_bytes());
                Ok(hex(&hasher.chain_update(bytes).finalize()))
            }
        }
    }

    /// An id of this format within an object.
    fn read(self, kind: &'static str, text: &str) -> Result<String, Failure> {
        match Self::of(text) {
            Ok(format) if format == self => Ok(text.to_owned()),
            _ => Err(form(
                kind,
                "it names another object by no full id".to_owned(),
            )),
        }
    }
}

/// The SHA-1 of `parts`, one after the other; none if they were made to have the same as something else.
pub(super) fn sha1(parts: &[&[u8]]) -> Option<String> {
    let mut hasher = sha1_checked::Sha1::new();
    for part in parts {
        hasher.update(part);
    }
    match hasher.try_finalize() {
        CollisionResult::Ok(hash) => Some(hex(&hash)),
        _ => None,
    }
}

/// A signature with the bytes it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    payload: Vec<u8>,
    armor: Vec<u8>,
    /// The date of the object's tagger or committer.
    date: Option<Timestamp>,
}

impl Signature {
    fn check(&self, key: Key<'_>, at: Timestamp) -> Result<Signer, Failure> {
        let kind = Armor::of(&self.armor).ok_or_else(|| Failure::Form {
            what: "signature",
            why: "it is neither OpenPGP's, SSH's nor X.509's".to_owned(),
        })?;
        match (kind, key) {
            (Armor::OpenPgp, Key::OpenPgp(key)) => {
                openpgp::verify_bytes(&self.payload, &self.armor, key, at)
            }
            (Armor::X509, Key::Sigstore(key)) => {
                gitsign::verify(&self.payload, &self.armor, key, at)
            }
            (Armor::X509, Key::X509(key)) => x509::verify(&self.payload, &self.armor, key, at),
            (Armor::Ssh, Key::Ssh(key)) => {
                let date = self.date.unwrap_or(at);
                if date > at {
                    return Err(Failure::NotYetValid {
                        what: "date of the signed object".to_owned(),
                        from: date,
                    });
                }
                let signer = ssh::verify_bytes(&self.payload, &self.armor, key, NAMESPACE, date)?;
                Ok(Signer {
                    signed: self.date,
                    ..signer
                })
            }
            (found, key) => Err(Failure::Stranger {
                found: format!("an {} key", found.name()),
                wanted: key.who(),
            }),
        }
    }
}

/// The kinds of signature that git makes, by their first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Armor {
    OpenPgp,
    Ssh,
    X509,
}

impl Armor {
    fn of(line: &[u8]) -> Option<Self> {
        let known: [(&[u8], Self); 4] = [
            (b"-----BEGIN PGP SIGNATURE-----", Self::OpenPgp),
            (b"-----BEGIN PGP MESSAGE-----", Self::OpenPgp),
            (b"-----BEGIN SSH SIGNATURE-----", Self::Ssh),
            (b"-----BEGIN SIGNED MESSAGE-----", Self::X509),
        ];
        known
            .into_iter()
            .find_map(|(start, kind)| line.starts_with(start).then_some(kind))
    }

    fn name(self) -> &'static str {
        match self {
            Self::OpenPgp => "OpenPGP",
            Self::Ssh => "SSH",
            Self::X509 => "X.509",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Commit(String),
    Tag(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tag {
    name: String,
    target: Target,
    signature: Option<Signature>,
}

impl Tag {
    fn parse(bytes: &[u8], format: Format) -> Result<Self, Failure> {
        let object = Object::parse("tag", bytes)?;
        let mut headers = object.headers.iter();
        let mut next = |name: &str| object.value(headers.next(), name);
        let id = format.read("tag", next("object")?)?;
        let target = match next("type")? {
            "commit" => Target::Commit(id),
            "tag" => Target::Tag(id),
            other => {
                return Err(Failure::Type {
                    what: "tagged object",
                    found: shown(other),
                    wanted: "commit or tag",
                });
            }
        };
        let name = next("tag")?.to_owned();
        // The oldest tags have no tagger.
        let mut date = None;
        let mut seen = Vec::new();
        for header in headers {
            match header.name {
                "tagger" if seen.is_empty() => date = Some(object.date(header)?),
                "gpgsig" | "gpgsig-sha256" => {}
                other => {
                    let why = format!("the header `{}` is unknown or out of place", shown(other));
                    return Err(form("tag", why));
                }
            }
            if seen.contains(&header.name) {
                let why = format!("it has `{}` twice", shown(header.name));
                return Err(form("tag", why));
            }
            seen.push(header.name);
        }
        // The signature is the message's end, from the last line that begins one.
        let mut start = 0_usize;
        let mut found = None;
        for line in object.message.split_inclusive(|byte| *byte == b'\n') {
            if Armor::of(line).is_some() {
                found = Some(start);
            }
            start = start.saturating_add(line.len());
        }
        let signature = found
            .and_then(|at| object.message.split_at_checked(at))
            .map(|(message, armor)| Signature {
                payload: object.payload(message),
                armor: armor.to_vec(),
                date,
            });
        Ok(Self {
            name,
            target,
            signature,
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Commit {
    signature: Signature,
}

impl Commit {
    fn parse(bytes: &[u8], format: Format) -> Result<Self, Failure> {
        let object = Object::parse("commit", bytes)?;
        let mut headers = object.headers.iter().peekable();
        format.read("commit", object.value(headers.next(), "tree")?)?;
        while let Some(header) = headers.next_if(|header| header.name == "parent") {
            format.read("commit", object.value(Some(header), "parent")?)?;
        }
        object.value(headers.next(), "author")?;
        let committer = headers.next();
        object.value(committer, "committer")?;
        let date = committer.map(|header| object.date(header)).transpose()?;
        let ours = match format {
            Format::Sha1 => "gpgsig",
            Format::Sha256 => "gpgsig-sha256",
        };
        let mut seen = Vec::new();
        let mut armor = None;
        for header in headers {
            let name = header.name;
            if matches!(name, "tree" | "parent" | "author" | "committer") {
                let why = format!("the header `{name}` is out of place");
                return Err(form("commit", why));
            }
            // A merge of several tags has several; so may what other tools wrote.
            let once = matches!(name, "encoding" | "gpgsig" | "gpgsig-sha256");
            if once && seen.contains(&name) {
                return Err(form("commit", format!("it has `{name}` twice")));
            }
            seen.push(name);
            if name == ours {
                armor = Some(header.value());
            }
        }
        Ok(Self {
            signature: Signature {
                payload: object.payload(object.message),
                armor: armor.ok_or_else(|| unsigned("commit"))?,
                date,
            },
        })
    }
}

/// A tag or commit, taken apart: every byte is in one header, the empty line, or the message.
struct Object<'a> {
    kind: &'static str,
    headers: Vec<Header<'a>>,
    /// All after the empty line.
    message: &'a [u8],
    /// Whether there is an empty line; an object without message may lack it.
    parted: bool,
}

/// `name value`, with lines that continue it.
struct Header<'a> {
    name: &'a str,
    /// All of its lines, as they are.
    raw: &'a [u8],
}

impl Header<'_> {
    /// The value with the blank at the start of each further line taken away, ending in a line feed.
    fn value(&self) -> Vec<u8> {
        let mut value = Vec::new();
        let lines = self.raw.split_inclusive(|byte| *byte == b'\n');
        for (count, line) in lines.enumerate() {
            let skip = if count == 0 {
                self.name.len().saturating_add(1)
            } else {
                1
            };
            value.extend_from_slice(line.get(skip..).unwrap_or_default());
        }
        value
    }
}

impl<'a> Object<'a> {
    fn parse(kind: &'static str, bytes: &'a [u8]) -> Result<Self, Failure> {
        if bytes.contains(&0) {
            return Err(form(kind, "it has a NUL byte".to_owned()));
        }
        let mut headers: Vec<Header<'a>> = Vec::new();
        let mut rest = bytes;
        let mut start = bytes;
        for count in 0.. {
            if rest.is_empty() {
                break;
            }
            if count == MAX_HEADERS {
                return Err(form(
                    kind,
                    format!("it has more than {MAX_HEADERS} headers"),
                ));
            }
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (line, after) = end
                .and_then(|end| rest.split_at_checked(end.saturating_add(1)))
                .ok_or_else(|| form(kind, "its last header does not end".to_owned()))?;
            rest = after;
            if line == b"\n" {
                return Ok(Self {
                    kind,
                    headers,
                    message: rest,
                    parted: true,
                });
            }
            if line.first() == Some(&b' ') {
                let last = headers
                    .last_mut()
                    .ok_or_else(|| form(kind, "its first line continues another".to_owned()))?;
                let len = last.raw.len().saturating_add(line.len());
                last.raw = start.get(..len).unwrap_or_default();
                continue;
            }
            let name = line
                .split(|byte| *byte == b' ')
                .next()
                .filter(|name| name.len() < line.len() && !name.is_empty())
                .and_then(|name| std::str::from_utf8(name).ok())
                .filter(|name| name.bytes().all(|b| b.is_ascii_graphic()))
                .ok_or_else(|| form(kind, "a header has no name".to_owned()))?;
            let skipped = bytes
                .len()
                .saturating_sub(rest.len())
                .saturating_sub(line.len());
            start = bytes.get(skipped..).unwrap_or_default();
            headers.push(Header { name, raw: line });
        }
        Ok(Self {
            kind,
            headers,
            message: &[],
            parted: false,
        })
    }

    /// The value of `header`, which must have this name and one line of UTF-8.
    fn value<'h>(&self, header: Option<&'h Header<'a>>, name: &str) -> Result<&'h str, Failure> {
        let header = header.filter(|header| header.name == name);
        let line = header
            .and_then(|header| header.raw.get(header.name.len().saturating_add(1)..))
            .and_then(|value| value.strip_suffix(b"\n"))
            .filter(|value| !value.contains(&b'\n'));
        match (line, name) {
            // Names of people are in any encoding; only their date is read.
            (Some(_), "author" | "committer") => Ok(""),
            (Some(line), _) => std::str::from_utf8(line)
                .map_err(|_| form(self.kind, format!("its `{name}` is no UTF-8"))),
            (None, _) => Err(form(
                self.kind,
                format!("it has no header `{name}` of one line where one belongs"),
            )),
        }
    }

    /// The date in `NAME <ADDRESS> SECONDS ZONE`.
    fn date(&self, header: &Header<'_>) -> Result<Timestamp, Failure> {
        let line = header.raw.strip_suffix(b"\n").unwrap_or(header.raw);
        let mut words = line.rsplit(|byte| *byte == b' ');
        let seconds = words
            .nth(1)
            .filter(|digits| digits.len() <= 11 && digits.iter().all(u8::is_ascii_digit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| digits.parse().ok())
            .and_then(|seconds| Timestamp::from_second(seconds).ok());
        seconds.ok_or_else(|| form(self.kind, format!("its `{}` has no date", header.name)))
    }

    /// What is signed: all headers but signatures, and `message`.
    fn payload(&self, message: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        for header in &self.headers {
            if !matches!(header.name, "gpgsig" | "gpgsig-sha256") {
                payload.extend_from_slice(header.raw);
            }
        }
        if self.parted {
            payload.push(b'\n');
        }
        payload.extend_from_slice(message);
        payload
    }
}

fn unsigned(kind: &str) -> Failure {
    Failure::Form {
        what: "git object",
        why: format!("the {kind} is not signed"),
    }
}

fn form(kind: &'static str, why: String) -> Failure {
    Failure::Form {
        what: match kind {
            "tag" => "tag object",
            _ => "commit object",
        },
        why,
    }
}
