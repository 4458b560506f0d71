//! Objects out of a `.git` folder as BuildKit leaves it, read by our own image as a build step.
//!
//! Nothing here is believed: the ids of the objects are computed again where their signatures are checked.
//!
//! Source: git's `Documentation/gitformat-pack.adoc`, `gitformat-loose.adoc` (zlib of `TYPE SIZE NUL DATA`), `gitrepository-layout.adoc`.

use std::{
    fs::{self, File},
    io::{self, Read, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use base64ct::{Base64, Encoding as _};
use flate2::read::ZlibDecoder;
use serde::{Deserialize, Serialize};

use crate::verify::git::{MAX_OBJECT, MAX_TAGS, Objects};

/// Largest file of refs or pack index that is read, in bytes.
const MAX_INDEX: u64 = 64 << 20;
/// Most packs that are looked into.
const MAX_PACKS: usize = 64;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Answer {
    Objects {
        tags: Vec<String>,
        commit: Option<String>,
    },
    Failed(String),
}

/// The step: writes the commit `commit`, and the tags from `reference` to it, that the repository at `folder` has, to `out`.
///
/// # Errors
/// Whatever writing says; that the objects cannot be read is an answer.
pub fn run(folder: &Path, commit: &str, reference: &str, out: &Path) -> io::Result<()> {
    let answer = match objects(&folder.join(".git"), commit, reference) {
        Ok(Objects { tags, commit }) => Answer::Objects {
            tags: tags.iter().map(|tag| Base64::encode_string(tag)).collect(),
            commit: commit.as_deref().map(Base64::encode_string),
        },
        Err(error) => Answer::Failed(error.to_string()),
    };
    File::create(out)?.write_all(&serde_json::to_vec(&answer)?)
}

/// Reads what the step wrote: the objects, or why there are none.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Result<Objects, String>, String> {
    let decode = |text: String| Base64::decode_vec(&text).map_err(|error| error.to_string());
    match serde_json::from_slice(bytes).map_err(|error| error.to_string())? {
        Answer::Failed(why) => Ok(Err(why)),
        Answer::Objects { tags, commit } => Ok(Ok(Objects {
            tags: tags.into_iter().map(decode).collect::<Result<_, _>>()?,
            commit: commit.map(decode).transpose()?,
        })),
    }
}

/// The commit `commit` and the tags from `reference` to it, out of the git folder `git`.
pub(super) fn objects(git: &Path, commit: &str, reference: &str) -> io::Result<Objects> {
    let mut found = Objects::default();
    let name = reference.strip_prefix("refs/tags/").unwrap_or(reference);
    let mut next = tag_target(git, name)?;
    while let Some(id) = next.take() {
        let (kind, data) = object(git, &id)?;
        if kind != "tag" {
            break;
        }
        if found.tags.len() == MAX_TAGS {
            return Err(io::Error::other(format!(
                "more than {MAX_TAGS} nested tags"
            )));
        }
        // The first line is `object ID`.
        next = data
            .split(|byte| *byte == b'\n')
            .next()
            .and_then(|line| std::str::from_utf8(line).ok())
            .and_then(|line| line.strip_prefix("object "))
            .filter(|id| is_id(id))
            .map(str::to_owned);
        found.tags.push(data);
    }
    let (kind, data) = object(git, commit)?;
    if kind != "commit" {
        return Err(io::Error::other(format!(
            "{commit} is a {kind}, not a commit"
        )));
    }
    found.commit = Some(data);
    Ok(found)
}

/// The id that the tag `name` has, loose or packed; `None` if there is no such tag.
fn tag_target(git: &Path, name: &str) -> io::Result<Option<String>> {
    let plain = !name.is_empty()
        && !name.starts_with('/')
        && !name.split('/').any(|part| matches!(part, "" | "." | ".."));
    if !plain {
        return Ok(None);
    }
    let mut id = String::new();
    match File::open(git.join("refs/tags").join(name)) {
        Ok(file) => {
            file.take(100).read_to_string(&mut id)?;
            let id = id.trim();
            return Ok(is_id(id).then(|| id.to_owned()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut packed = String::new();
    match File::open(git.join("packed-refs")) {
        Ok(file) => file.take(MAX_INDEX).read_to_string(&mut packed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let full = format!("refs/tags/{name}");
    let line = packed.lines().filter_map(|line| line.split_once(' '));
    Ok(line
        .filter(|(id, name)| *name == full && is_id(id))
        .map(|(id, _)| id.to_owned())
        .next())
}

fn is_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Type and content of an object.
fn object(git: &Path, id: &str) -> io::Result<(String, Vec<u8>)> {
    let missing = || io::Error::other(format!("the object {id} is not in the repository"));
    let (first, rest) = id
        .split_at_checked(2)
        .filter(|_| is_id(id))
        .ok_or_else(missing)?;
    match File::open(git.join("objects").join(first).join(rest)) {
        Ok(file) => return loose(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let packs = match fs::read_dir(git.join("objects/pack")) {
        Ok(packs) => packs,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
        Err(error) => return Err(error),
    };
    for entry in packs.take(MAX_PACKS) {
        let index = entry?.path();
        if index
            .extension()
            .is_some_and(|extension| extension == "idx")
            && let Some(offset) = offset(&index, id)?
        {
            return packed(&index.with_extension("pack"), offset);
        }
    }
    Err(missing())
}

fn malformed() -> io::Error {
    io::Error::other("the repository's objects are malformed")
}

fn loose(file: File) -> io::Result<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let most = MAX_OBJECT.saturating_add(100) as u64;
    ZlibDecoder::new(file).take(most).read_to_end(&mut all)?;
    let end = all
        .iter()
        .position(|byte| *byte == 0)
        .ok_or_else(malformed)?;
    let data = all.split_off(end);
    let head = String::from_utf8(all).map_err(|_| malformed())?;
    let (kind, size) = head.split_once(' ').ok_or_else(malformed)?;
    let data = data.get(1..).unwrap_or_default().to_vec();
    if size.parse() == Ok(data.len()) {
        Ok((kind.to_owned(), data))
    } else {
        Err(malformed())
    }
}

/// Where the object `id` is in the pack of `index`; version 2 of the format.
fn offset(index: &Path, id: &str) -> io::Result<Option<u64>> {
    let mut bytes = Vec::new();
    File::open(index)?.take(MAX_INDEX).read_to_end(&mut bytes)?;
    let word = |at: usize| -> io::Result<u32> {
        let bytes = bytes.get(at..at.saturating_add(4)).ok_or_else(malformed)?;
        Ok(u32::from_be_bytes(
            bytes.try_into().map_err(|_| malformed())?,
        ))
    };
    if bytes.get(..8) != Some(b"\xfftOc\x00\x00\x00\x02") {
        return Err(malformed());
    }
    let wanted: Vec<u8> = (0..id.len() / 2)
        .filter_map(|at| u8::from_str_radix(id.get(2 * at..2 * at + 2)?, 16).ok())
        .collect();
    let width = wanted.len();
    let count = word(8 + 255 * 4)? as usize;
    let names = 8 + 256 * 4_usize;
    let table = |from: usize, size: usize| from.checked_add(count.checked_mul(size)?);
    let checks = table(names, width).ok_or_else(malformed)?;
    let offsets = table(checks, 4).ok_or_else(malformed)?;
    let large = table(offsets, 4).ok_or_else(malformed)?;
    let all = bytes.get(names..checks).ok_or_else(malformed)?;
    let Some(at) = all.chunks_exact(width).position(|name| name == wanted) else {
        return Ok(None);
    };
    let short = word(table_at(offsets, at, 4)?)?;
    if short & 0x8000_0000 == 0 {
        return Ok(Some(u64::from(short)));
    }
    let at = table_at(large, (short & 0x7fff_ffff) as usize, 8)?;
    Ok(Some(
        (u64::from(word(at)?) << 32) | u64::from(word(at.saturating_add(4))?),
    ))
}

fn table_at(from: usize, index: usize, size: usize) -> io::Result<usize> {
    index
        .checked_mul(size)
        .and_then(|bytes| from.checked_add(bytes))
        .ok_or_else(malformed)
}

fn packed(pack: &Path, offset: u64) -> io::Result<(String, Vec<u8>)> {
    let mut file = io::BufReader::new(File::open(pack)?);
    file.seek(SeekFrom::Start(offset))?;
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    let kind = (byte[0] >> 4) & 7;
    let mut size = u64::from(byte[0] & 0x0f);
    let mut shift = 4_u32;
    while byte[0] & 0x80 != 0 {
        file.read_exact(&mut byte)?;
        let part = u64::from(byte[0] & 0x7f).checked_shl(shift);
        size |= part.filter(|_| shift < 32).ok_or_else(malformed)?;
        shift = shift.saturating_add(7);
    }
    let kind = match kind {
        1 => "commit",
        2 => "tree",
        3 => "blob",
        4 => "tag",
        _ => {
            return Err(io::Error::other(
                "the repository stores the object as a difference to another, which is not read here",
            ));
        }
    };
    let most = MAX_OBJECT as u64;
    let mut data = Vec::new();
    ZlibDecoder::new(file)
        .take(most.saturating_add(1))
        .read_to_end(&mut data)?;
    if size > most || data.len() as u64 != size {
        return Err(malformed());
    }
    Ok((kind.to_owned(), data))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    const COMMIT: &str = "84305e30fa9bd428ce48c8c2ef5753db0ab7fb4b";
    const TREE: &str = "693a3de402bb23897ed5c931273e53c78eff0495";

    /// The packed repository of `testdata/git-packed`, below a folder that goes away with it.
    struct Repository(PathBuf);

    impl Drop for Repository {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    impl Repository {
        fn new(name: &str) -> Self {
            let name = format!("verified-git-dir-{name}-{}", std::process::id());
            let made = Self(std::env::temp_dir().join(name));
            let _ = fs::remove_dir_all(&made.0);
            made.put("packed-refs", testdata("git-packed/packed-refs"));
            for end in ["idx", "pack"] {
                let bytes = testdata(&format!("git-packed/objects/packed.{end}"));
                made.put(&format!("objects/pack/pack-1.{end}"), bytes);
            }
            made
        }

        fn put(&self, path: &str, bytes: Vec<u8>) {
            let path = self.0.join(".git").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }

        fn edit(&self, path: &str, edit: impl FnOnce(&mut Vec<u8>)) {
            let mut bytes = fs::read(self.0.join(".git").join(path)).unwrap();
            edit(&mut bytes);
            self.put(path, bytes);
        }

        fn loose(&self, id: &str, object: &[u8]) {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
            zlib.write_all(object).unwrap();
            let path = format!("objects/{}/{}", &id[..2], &id[2..]);
            self.put(&path, zlib.finish().unwrap());
        }

        /// What the step would find, through the file that it writes.
        fn read(&self, commit: &str, reference: &str) -> Result<Objects, String> {
            let out = self.0.join("answer");
            run(&self.0, commit, reference, &out).unwrap();
            super::read(&fs::read(out).unwrap()).unwrap()
        }
    }

    fn testdata(path: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        fs::read(folder.join(path)).unwrap()
    }

    fn object(name: &str) -> Vec<u8> {
        testdata(&format!("proofs/git/{name}"))
    }

    /// Where the commit is in the pack: after its header.
    const AT: usize = 12;

    #[test]
    fn packed_objects_are_read_through_their_refs() {
        let repository = Repository::new("packed");
        let commit = Some(object("sha1.commit"));
        let (v1, outer) = (object("sha1.tag"), object("outer.tag"));
        for (reference, tags) in [
            ("v1", vec![v1.clone()]),
            ("refs/tags/v1", vec![v1.clone()]),
            ("outer", vec![outer, v1]),
            ("refs/heads/main", vec![]),
            ("main", vec![]),
            (COMMIT, vec![]),
            ("-v1", vec![]),
            ("", vec![]),
            // Out of the folder of tags, and back in again.
            ("../heads/main", vec![]),
            ("x/../v1", vec![]),
            ("./v1", vec![]),
            ("/refs/tags/v1", vec![]),
            ("v1/", vec![]),
        ] {
            let found = repository.read(COMMIT, reference).unwrap();
            assert_eq!(found.tags, tags, "{reference}");
            assert_eq!(found.commit, commit, "{reference}");
        }
    }

    #[test]
    fn loose_objects_and_refs_go_first() {
        let repository = Repository::new("loose");
        let new = "0123456789012345678901234567890123456789";
        repository.put("refs/tags/v1", format!("{new}\n").into_bytes());
        let tag = format!("object {COMMIT}\ntype commit\ntag v1\n");
        let with_head = format!("tag {}\0{tag}", tag.len());
        repository.loose(new, with_head.as_bytes());
        let found = repository.read(COMMIT, "v1").unwrap();
        assert_eq!(found.tags, [tag.into_bytes()]);
        assert_eq!(found.commit, Some(object("sha1.commit")));
        // A symbolic one is none.
        repository.put("refs/tags/v1", b"ref: refs/heads/main\n".to_vec());
        assert!(repository.read(COMMIT, "v1").unwrap().tags.is_empty());
    }

    #[test]
    fn what_is_not_there_or_something_else_is_told() {
        let repository = Repository::new("missing");
        let other = COMMIT.replace("84", "85");
        for (id, why) in [
            (other.as_str(), "is not in the repository"),
            (TREE, "is a tree, not a commit"),
            ("HEAD", "is not in the repository"),
            ("../../../../etc/passwd", "is not in the repository"),
            ("", "is not in the repository"),
        ] {
            let error = repository.read(id, "main").unwrap_err();
            assert!(error.contains(why), "{id}: {error}");
        }
        // A ref to a tag that nobody has.
        repository.put("refs/tags/gone", format!("{other}\n").into_bytes());
        assert!(repository.read(COMMIT, "gone").is_err());
    }

    #[test]
    fn a_chain_of_tags_ends() {
        let repository = Repository::new("chain");
        let id = "0".repeat(40);
        repository.put("refs/tags/loop", id.clone().into_bytes());
        let tag = format!("object {id}\ntype tag\ntag loop\n");
        repository.loose(&id, format!("tag {}\0{tag}", tag.len()).as_bytes());
        let error = repository.read(COMMIT, "loop").unwrap_err();
        assert!(error.contains("nested tags"), "{error}");
    }

    #[test]
    fn objects_that_lie_about_themselves_are_malformed() {
        for object in [
            "commit 4\0abc",
            "commit 2\0abc",
            "commit x\0abc",
            "commit 3",
            "\0",
            "",
        ] {
            let repository = Repository::new("lies");
            repository.loose(COMMIT, object.as_bytes());
            assert!(repository.read(COMMIT, "main").is_err(), "{object:?}");
        }
        let repository = Repository::new("large");
        let size = 8 * MAX_OBJECT;
        let bomb = [format!("commit {size}\0").into_bytes(), vec![b' '; size]].concat();
        repository.loose(COMMIT, &bomb);
        assert!(repository.read(COMMIT, "main").is_err());
    }

    #[test]
    fn broken_packs_are_malformed() {
        type Edit = fn(&mut Vec<u8>);
        let (idx, pack) = ("objects/pack/pack-1.idx", "objects/pack/pack-1.pack");
        let edits: [(&str, &str, Edit, &str); 9] = [
            ("version", idx, |bytes| bytes[7] = 1, "malformed"),
            ("magic", idx, |bytes| bytes[0] = 0, "malformed"),
            ("count", idx, |bytes| bytes[8 + 255 * 4] = 0xff, "malformed"),
            ("cut names", idx, |bytes| bytes.truncate(1100), "malformed"),
            ("empty", idx, Vec::clear, "malformed"),
            // Of the commit, whose id is the fourth of five.
            (
                "far offset",
                idx,
                |bytes| bytes[8 + 1024 + 5 * 24 + 3 * 4] = 0x80,
                "malformed",
            ),
            ("cut", pack, |bytes| bytes.truncate(AT + 100), ""),
            ("delta", pack, |bytes| bytes[AT] |= 0x70, "difference"),
            // The low digits of the size.
            ("size", pack, |bytes| bytes[AT] ^= 0x01, "malformed"),
        ];
        for (name, path, edit, why) in edits {
            let repository = Repository::new("broken");
            assert!(repository.read(COMMIT, "main").is_ok());
            repository.edit(path, edit);
            let error = repository.read(COMMIT, "main").unwrap_err();
            assert!(error.contains(why), "{name}: {error}");
        }
        let repository = Repository::new("sizes");
        repository.edit(pack, |bytes| {
            let end = AT + 60;
            bytes[AT..end].fill(0xff);
            bytes[AT] = 0x9f;
        });
        let error = repository.read(COMMIT, "main").unwrap_err();
        assert!(error.contains("malformed"), "{error}");
    }
}
