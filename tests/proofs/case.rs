//! One line of a `cases.ndjson`.
//!
//! | member | what it says |
//! | --- | --- |
//! | `name` | what the case shows; unique in the file |
//! | `verified` | the exact signer that must come out |
//! | `signed` | with `verified`: the time of signing that must come out |
//! | `refused` | or else: words of the reason |
//! | `twin` | with `refused`: the name of the good case from which this one differs in one member |
//! | `at` | the time of verification |
//! | `artifact` | the file that is to be proven |
//! | `image` | instead of `artifact`: an image's manifest, a file or its digest |
//! | `repository` | with `image`: the name it was fetched by |
//! | `digest` | the digest that the build uses, if not the artifact's: all of it, or an algorithm (`sha512`); default `sha256` |
//! | `content` | `"none"`: the bytes are not at hand; `"as-is"`: those of the file without `edit-artifact` |
//! | `proof`, `key` | files: the proof, and whom to trust |
//! | `edit`, `edit-artifact`, `edit-key` | how the file is changed ([`super::edits`]); several in an array |
//!
//! A kind may have further members; they are text. A member that names a file `x` is changed by `edit-x`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::Digest as _;
use verified_dockerfile::{
    digest::Digest,
    verify::{Artifact, Content},
};

use super::edits;

/// The members that a case of any kind may have.
pub const SHARED: &[&str] = &[
    "at",
    "artifact",
    "image",
    "repository",
    "digest",
    "content",
    "proof",
    "key",
    "edit",
];

/// What must come out.
#[derive(Clone, Debug)]
pub enum Expected {
    /// This signer.
    Verified(String),
    /// A reason with these words.
    Refused(String),
}

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: String,
    pub twin: Option<String>,
    pub expected: Expected,
    pub signed: Option<Timestamp>,
    folder: PathBuf,
    members: Map<String, Value>,
}

impl Case {
    /// All cases of a folder. Panics if a line is wrong, and says which.
    pub fn read_all(folder: &Path, own: &[&str]) -> Vec<Self> {
        let path = folder.join("cases.ndjson");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let read = |(index, line)| {
            Self::read(folder, line, own)
                .unwrap_or_else(|error| panic!("{path:?}, line {}: {error}", index + 1))
        };
        let lines = text.lines().enumerate();
        lines
            .filter(|(_, line)| !line.is_empty())
            .map(read)
            .collect()
    }

    fn read(folder: &Path, line: &str, own: &[&str]) -> Result<Self, String> {
        let mut members: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        let mut take = |key: &str| match members.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{key}` is no text")),
        };
        let name = take("name")?.ok_or("no `name`")?;
        let twin = take("twin")?;
        let signed = take("signed")?;
        let expected = match (take("verified")?, take("refused")?) {
            (Some(who), None) if twin.is_none() => Expected::Verified(who),
            (None, Some(words)) if twin.is_some() && !words.is_empty() => Expected::Refused(words),
            _ => return Err("either `verified`, or `refused` and `twin`".to_owned()),
        };
        let signed = signed
            .map(|text| text.parse().map_err(|_| "`signed` is no time"))
            .transpose()?;
        for key in members.keys() {
            let plain = key.strip_prefix("edit-").unwrap_or(key);
            if !SHARED.contains(&plain) && !own.contains(&plain) {
                return Err(format!("unknown member `{key}`"));
            }
            if plain != key && !members.contains_key(plain) {
                return Err(format!("`{key}` without `{plain}`"));
            }
        }
        if !members.contains_key("at") {
            return Err("no `at`".to_owned());
        }
        Ok(Self {
            name,
            twin,
            expected,
            signed,
            folder: folder.to_owned(),
            members,
        })
    }

    /// The text of a member, if the case has it.
    pub fn text(&self, member: &str) -> Option<&str> {
        let value = self.members.get(member)?;
        Some(
            value
                .as_str()
                .unwrap_or_else(|| panic!("`{member}` is no text")),
        )
    }

    /// The time of verification.
    pub fn at(&self) -> Timestamp {
        self.text("at").unwrap().parse().expect("`at` is a time")
    }

    /// The bytes of the file that a member names, changed as the case says.
    pub fn file(&self, member: &str) -> Vec<u8> {
        self.optional_file(member)
            .unwrap_or_else(|| panic!("no `{member}`"))
    }

    /// The same, if the case has the member.
    pub fn optional_file(&self, member: &str) -> Option<Vec<u8>> {
        let mut bytes = self.raw(member)?;
        let edit = match member {
            "proof" => "edit".to_owned(),
            _ => format!("edit-{member}"),
        };
        let texts: Vec<&str> = match self.members.get(&edit) {
            None => return Some(bytes),
            Some(Value::Array(list)) => list.iter().map(|edit| edit.as_str().unwrap()).collect(),
            Some(one) => vec![one.as_str().unwrap()],
        };
        for text in texts {
            let after = edits::apply(text, &bytes)
                .unwrap_or_else(|error| panic!("`{edit}`: `{text}`: {error}"));
            assert!(after != bytes, "`{edit}`: `{text}` changes nothing");
            bytes = after;
        }
        Some(bytes)
    }

    /// The same as text.
    pub fn file_text(&self, member: &str) -> String {
        String::from_utf8(self.file(member)).expect("the file is text")
    }

    fn raw(&self, member: &str) -> Option<Vec<u8>> {
        self.text(member).map(|name| self.named(name))
    }

    /// The bytes of a file in the folder.
    pub fn named(&self, name: &str) -> Vec<u8> {
        let path = self.folder.join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
    }

    /// What is to be proven.
    pub fn subject(&self) -> Subject {
        if let Some(image) = self.text("image") {
            let digest = match image.parse() {
                Ok(digest) => digest,
                Err(_) => Digest::sha256(&self.file("image")),
            };
            return Subject {
                digest,
                repository: self.text("repository").map(str::to_owned),
                content: None,
                image: true,
            };
        }
        let bytes = self.file("artifact");
        let digest = match self.text("digest") {
            Some(text) if text.contains(':') => text.to_owned(),
            Some("sha384") => format!("sha384:{}", hex(&sha2::Sha384::digest(&bytes))),
            Some("sha512") => format!("sha512:{}", hex(&sha2::Sha512::digest(&bytes))),
            Some("sha256") | None => format!("sha256:{}", hex(&sha2::Sha256::digest(&bytes))),
            Some(other) => panic!("`digest`: unknown algorithm {other}"),
        };
        Subject {
            digest: digest.parse().expect("`digest` is a digest"),
            repository: None,
            content: match self.text("content") {
                None => Some(Bytes(bytes)),
                Some("as-is") => self.raw("artifact").map(Bytes),
                Some("none") => None,
                Some(other) => panic!("`content`: {other}"),
            },
            image: false,
        }
    }

    /// The members in which two cases differ.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut keys: Vec<&String> = self.members.keys().chain(other.members.keys()).collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| self.members.get(*key) != other.members.get(*key));
        keys.into_iter().cloned().collect()
    }

    /// What tells this case from every other.
    pub fn content(&self) -> String {
        serde_json::to_string(&self.members).unwrap()
    }

    /// Everything that may be the name of a file.
    pub fn words(&self) -> Vec<String> {
        let texts = self.members.values().filter_map(Value::as_str);
        texts
            .flat_map(|text| text.split([' ', '/']))
            .map(str::to_owned)
            .collect()
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is to be proven, owned.
pub struct Subject {
    digest: Digest,
    repository: Option<String>,
    content: Option<Bytes>,
    image: bool,
}

/// All bytes of a file. Its name in an error message would be a digest, not a page of numbers.
struct Bytes(Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Content for Bytes {
    fn open(&self) -> std::io::Result<Box<dyn std::io::Read + '_>> {
        Ok(Box::new(self.0.as_slice()))
    }
}

impl Subject {
    /// As the library takes it.
    pub fn artifact(&self) -> Artifact<'_> {
        if self.image {
            return Artifact::Image {
                digest: &self.digest,
                repository: self.repository.as_deref(),
            };
        }
        Artifact::File {
            digest: &self.digest,
            content: self.content.as_ref().map(|bytes| bytes as &dyn Content),
        }
    }
}
