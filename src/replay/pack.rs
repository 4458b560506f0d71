//! Packs of git's objects, as a server sends them: which commits and tags are in them.
//!
//! Trees and files are passed over, but counted: a pack must be just what its header says. Commits and tags may be stored as
//! differences to others of the same pack.
//!
//! Source: git's `Documentation/gitformat-pack.adoc` (version 2), `patch-delta.c` and `packfile.c`.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom},
    path::Path,
};

use flate2::bufread::ZlibDecoder;

use crate::verify::git::{Format, MAX_OBJECT};

/// Most objects of one pack. Of each 16 bytes are kept.
const MAX_OBJECTS: u32 = 8_000_000;
/// Most commits and tags of a repository. Of each about 200 bytes are kept.
const MAX_COMMITS: usize = 2_000_000;
/// Most bytes of commits whose child was not seen yet, and of tags.
const MAX_KEPT: usize = 256 << 20;
/// Longest chain of differences; git writes none of more than 4095.
const MAX_CHAIN: usize = 4095;
/// Most bytes of the differences in one chain.
const MAX_DIFFERENCES: usize = 64 << 20;
/// Most bytes that are read again to put objects together from differences, of one repository.
const MAX_AGAIN: u64 = 4 << 30;
/// Most bytes of all objects of a repository, inflated.
const MAX_INFLATED: u64 = 64 << 30;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Commit,
    Tag,
    /// A tree or a file.
    Other,
}

/// How an object is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stored {
    Whole(Kind),
    /// As the difference to the object that begins there.
    Difference(u64),
}

/// The commits and tags of one repository, by id.
#[derive(Debug)]
pub(super) struct Commits {
    format: Format,
    /// The bytes of those that no commit has named as its parent yet.
    commits: HashMap<String, Option<Vec<u8>>>,
    parents: HashSet<String>,
    pub tags: HashMap<String, Vec<u8>>,
    kept: usize,
    again: u64,
    inflated: u64,
}

impl Commits {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            commits: HashMap::new(),
            parents: HashSet::new(),
            tags: HashMap::new(),
            kept: 0,
            again: 0,
            inflated: 0,
        }
    }

    /// Whether there is a commit with this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.commits.contains_key(id)
    }

    /// The commits that are no other's parent: every other one is in the history of one of them.
    pub(super) fn tips(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.commits
            .iter()
            .filter_map(|(id, bytes)| Some((id.as_str(), bytes.as_deref()?)))
    }

    /// Adds those of the pack in `file`.
    ///
    /// # Errors
    /// What is wrong with it, or not read here.
    pub(super) fn add(&mut self, file: &Path) -> io::Result<()> {
        let mut pack = Pack::open(file)?;
        for _ in 0..pack.count {
            let start = pack.reader.at;
            let (stored, size) = pack.reader.header(start)?;
            let kind = match stored {
                Stored::Whole(kind) => kind,
                Stored::Difference(base) => pack.kind(base)?,
            };
            pack.objects.push((start, kind));
            self.inflated = self.inflated.saturating_add(size);
            if self.inflated > MAX_INFLATED {
                return Err(io::Error::other("its objects are too large"));
            }
            match (stored, kind) {
                (_, Kind::Other) | (Stored::Difference(_), _) => pack.reader.pass(size)?,
                (Stored::Whole(_), _) => {
                    let bytes = pack.reader.object(size)?;
                    self.insert(kind, bytes)?;
                    continue;
                }
            }
            if kind != Kind::Other {
                let bytes = pack.put_together(start, &mut self.again)?;
                self.insert(kind, bytes)?;
            }
        }
        pack.end(self.format)
    }

    fn insert(&mut self, kind: Kind, bytes: Vec<u8>) -> io::Result<()> {
        let named = if kind == Kind::Tag { "tag" } else { "commit" };
        let id = self.format.id(named, &bytes).map_err(io::Error::other)?;
        if self.commits.len().saturating_add(self.tags.len()) >= MAX_COMMITS {
            return Err(more("commits", MAX_COMMITS));
        }
        if kind == Kind::Tag {
            self.keep(bytes.len())?;
            self.tags.insert(id, bytes);
            return Ok(());
        }
        for parent in parents(&bytes) {
            if let Some(Some(bytes)) = self.commits.get_mut(parent).map(Option::take) {
                self.kept = self.kept.saturating_sub(bytes.len());
            }
            if !self.parents.contains(parent) {
                self.parents.insert(parent.to_owned());
            }
        }
        let kept = if self.parents.contains(&id) {
            None
        } else {
            self.keep(bytes.len())?;
            Some(bytes)
        };
        self.commits.insert(id, kept);
        Ok(())
    }

    fn keep(&mut self, bytes: usize) -> io::Result<()> {
        self.kept = self.kept.saturating_add(bytes);
        if self.kept > MAX_KEPT {
            return Err(more("bytes of commits and tags", MAX_KEPT));
        }
        Ok(())
    }
}

/// The parents of a commit, read just as git reads them (`parse_commit_buffer`): the lines right behind the first. Any other line that
/// looks like one would hide a commit behind another that does not continue it.
fn parents(commit: &[u8]) -> impl Iterator<Item = &str> {
    let mut lines = commit.split(|byte| *byte == b'\n');
    let begins = lines.next().is_some_and(|line| line.starts_with(b"tree "));
    lines
        .map_while(move |line| line.strip_prefix(b"parent ").filter(|_| begins))
        .filter_map(|id| std::str::from_utf8(id).ok())
}

/// A pack that is being read.
struct Pack {
    reader: Reader,
    /// For what is read again.
    again: File,
    count: u32,
    /// Where each object begins, in order, and what it is.
    objects: Vec<(u64, Kind)>,
}

impl Pack {
    fn open(path: &Path) -> io::Result<Self> {
        let mut reader = Reader::new(File::open(path)?, 0);
        let mut head = [0; 12];
        reader.read_exact(&mut head).map_err(|_| malformed())?;
        let [b'P', b'A', b'C', b'K', 0, 0, 0, 2, a, b, c, d] = head else {
            return Err(io::Error::other("it is no pack of version 2"));
        };
        let count = u32::from_be_bytes([a, b, c, d]);
        if count > MAX_OBJECTS {
            return Err(more("objects", MAX_OBJECTS as usize));
        }
        Ok(Self {
            reader,
            again: File::open(path)?,
            count,
            objects: Vec::new(),
        })
    }

    fn kind(&self, start: u64) -> io::Result<Kind> {
        let found = self.objects.binary_search_by_key(&start, |(at, _)| *at);
        let object = found.ok().and_then(|index| self.objects.get(index));
        object.map(|(_, kind)| *kind).ok_or_else(malformed)
    }

    /// The object that begins at `start` and is stored as a difference.
    fn put_together(&self, start: u64, again: &mut u64) -> io::Result<Vec<u8>> {
        let mut differences = Vec::new();
        let mut together = 0_usize;
        let mut at = start;
        let mut whole = loop {
            if differences.len() > MAX_CHAIN || together > MAX_DIFFERENCES {
                return Err(malformed());
            }
            let mut file = &self.again;
            file.seek(SeekFrom::Start(at))?;
            let mut reader = Reader::new(file.try_clone()?, at);
            let (stored, size) = reader.header(at)?;
            let bytes = reader.object(size)?;
            *again = again
                .saturating_add(reader.at.saturating_sub(at))
                .saturating_add(size);
            if *again > MAX_AGAIN {
                return Err(io::Error::other(
                    "its commits are stored as too many differences",
                ));
            }
            match stored {
                Stored::Whole(_) => break bytes,
                Stored::Difference(base) => {
                    together = together.saturating_add(bytes.len());
                    differences.push(bytes);
                    at = base;
                }
            }
        };
        while let Some(difference) = differences.pop() {
            whole = apply(&whole, &difference).ok_or_else(malformed)?;
        }
        Ok(whole)
    }

    /// Behind the objects there is a checksum, which git compares, and nothing else.
    fn end(mut self, format: Format) -> io::Result<()> {
        let mut rest = Vec::new();
        let wanted = format.bytes();
        (&mut self.reader)
            .take(wanted.saturating_add(1))
            .read_to_end(&mut rest)?;
        if rest.len() as u64 == wanted {
            Ok(())
        } else {
            Err(malformed())
        }
    }
}

/// A file, and where in it we are.
struct Reader {
    file: BufReader<File>,
    at: u64,
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.at = self.at.saturating_add(read as u64);
        Ok(read)
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.file.consume(amount);
        self.at = self.at.saturating_add(amount as u64);
    }
}

impl Reader {
    fn new(file: File, at: u64) -> Self {
        Self {
            file: BufReader::new(file),
            at,
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.read_exact(&mut byte).map_err(|_| malformed())?;
        let [byte] = byte;
        Ok(byte)
    }

    /// How the object that begins at `start` is stored, and how many bytes that is when inflated.
    fn header(&mut self, start: u64) -> io::Result<(Stored, u64)> {
        let mut byte = self.byte()?;
        let kind = (byte >> 4) & 7;
        let mut size = u64::from(byte & 0x0f);
        let mut shift = 4_u32;
        while byte & 0x80 != 0 {
            byte = self.byte()?;
            if shift > 53 {
                return Err(malformed());
            }
            size |= u64::from(byte & 0x7f) << shift;
            shift = shift.saturating_add(7);
        }
        let stored = match kind {
            1 => Stored::Whole(Kind::Commit),
            2 | 3 => Stored::Whole(Kind::Other),
            4 => Stored::Whole(Kind::Tag),
            6 => Stored::Difference(self.offset(start)?),
            7 => {
                return Err(io::Error::other(
                    "it has differences to objects that it does not have itself, as what `git fetch` gets: clone anew instead",
                ));
            }
            _ => return Err(malformed()),
        };
        Ok((stored, size))
    }

    /// Where the base of the difference that begins at `start` begins: before it.
    fn offset(&mut self, start: u64) -> io::Result<u64> {
        let mut byte = self.byte()?;
        let mut back = u64::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.byte()?;
            if back > 1 << 50 {
                return Err(malformed());
            }
            back = (back.saturating_add(1) << 7) | u64::from(byte & 0x7f);
        }
        start
            .checked_sub(back)
            .filter(|base| *base < start)
            .ok_or_else(malformed)
    }

    /// Inflates an object and forgets it.
    fn pass(&mut self, size: u64) -> io::Result<()> {
        let mut inflated = ZlibDecoder::new(&mut *self).take(size.saturating_add(1));
        let read = io::copy(&mut inflated, &mut io::sink())?;
        self.inflated(read, size)
    }

    /// Inflates an object.
    fn object(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > MAX_OBJECT as u64 {
            return Err(more("bytes in one commit or tag", MAX_OBJECT));
        }
        let mut bytes = Vec::new();
        let mut inflated = ZlibDecoder::new(&mut *self).take(size.saturating_add(1));
        let read = inflated.read_to_end(&mut bytes)?;
        self.inflated(read as u64, size)?;
        Ok(bytes)
    }

    fn inflated(&self, read: u64, size: u64) -> io::Result<()> {
        if read == size {
            Ok(())
        } else {
            Err(malformed())
        }
    }
}

/// The object that `difference` makes of `base`; `None` if it makes none.
fn apply(base: &[u8], difference: &[u8]) -> Option<Vec<u8>> {
    let mut rest = difference;
    let mut take = || {
        let (first, tail) = rest.split_first()?;
        rest = tail;
        Some(*first)
    };
    let number = |take: &mut dyn FnMut() -> Option<u8>| {
        let mut number = 0_usize;
        for shift in (0..56).step_by(7) {
            let byte = take()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    };
    if number(&mut take)? != base.len() {
        return None;
    }
    let size = number(&mut take).filter(|size| *size <= MAX_OBJECT)?;
    let mut made = Vec::new();
    while let Some(code) = take() {
        if code & 0x80 != 0 {
            let mut part = |bits: std::ops::Range<u32>| {
                let mut number = 0_usize;
                for (place, bit) in bits.enumerate() {
                    if code >> bit & 1 != 0 {
                        number |= usize::from(take()?) << (8 * place);
                    }
                }
                Some(number)
            };
            let from = part(0..4)?;
            let len = match part(4..7)? {
                0 => 0x10000,
                len => len,
            };
            made.extend_from_slice(base.get(from..from.checked_add(len)?)?);
        } else {
            if code == 0 {
                return None;
            }
            for _ in 0..code {
                made.push(take()?);
            }
        }
        if made.len() > size {
            return None;
        }
    }
    (made.len() == size).then_some(made)
}

fn malformed() -> io::Error {
    io::Error::other("the pack is malformed")
}

fn more(what: &str, most: usize) -> io::Error {
    io::Error::other(format!(
        "it has more than {most} {what}: clone one branch or tag, with --depth"
    ))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    /// An object of a pack that is made for a test.
    pub enum Put<'a> {
        /// Type 1 to 4, and its bytes.
        Whole(u8, &'a [u8]),
        /// To the object that many places before it.
        Difference(usize, &'a [u8]),
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(bytes).unwrap();
        zlib.finish().unwrap()
    }

    fn head(kind: u8, size: usize) -> Vec<u8> {
        let mut rest = size >> 4;
        let mut bytes = vec![kind << 4 | (size & 15) as u8];
        while rest > 0 {
            *bytes.last_mut().unwrap() |= 0x80;
            bytes.push((rest & 0x7f) as u8);
            rest >>= 7;
        }
        bytes
    }

    /// How far back, as a pack has it.
    fn back(mut distance: usize) -> Vec<u8> {
        let mut bytes = vec![(distance & 0x7f) as u8];
        while distance >> 7 > 0 {
            distance = (distance >> 7) - 1;
            bytes.insert(0, 0x80 | (distance & 0x7f) as u8);
        }
        bytes
    }

    /// A pack with a checksum that nobody compares.
    pub fn pack(objects: &[Put<'_>]) -> Vec<u8> {
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend((objects.len() as u32).to_be_bytes());
        let mut starts = Vec::new();
        for object in objects {
            let start = pack.len();
            match object {
                Put::Whole(kind, bytes) => {
                    pack.extend(head(*kind, bytes.len()));
                    pack.extend(zlib(bytes));
                }
                Put::Difference(places, bytes) => {
                    pack.extend(head(6, bytes.len()));
                    let base: usize = starts[starts.len() - places];
                    pack.extend(back(start - base));
                    pack.extend(zlib(bytes));
                }
            }
            starts.push(start);
        }
        pack.extend([0; 20]);
        pack
    }

    pub const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";

    pub fn commit(parents: &[&str], message: &str) -> Vec<u8> {
        let parents: String = parents.iter().map(|id| format!("parent {id}\n")).collect();
        let who = "A <a@example.com> 1700000000 +0000";
        format!("{TREE}{parents}author {who}\ncommitter {who}\n\n{message}\n").into_bytes()
    }

    pub fn id(bytes: &[u8]) -> String {
        Format::Sha1.id("commit", bytes).unwrap()
    }

    struct Read(Commits, io::Result<()>);

    /// Reads `packs` one after the other, up to the first that is refused.
    fn read(name: &str, packs: &[&[u8]]) -> Read {
        let name = format!("verified-pack-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut commits = Commits::new(Format::Sha1);
        let mut outcome = Ok(());
        for pack in packs {
            std::fs::write(&path, pack).unwrap();
            outcome = commits.add(&path);
            if outcome.is_err() {
                break;
            }
        }
        std::fs::remove_file(&path).unwrap();
        Read(commits, outcome)
    }

    fn tips(commits: &Commits) -> Vec<String> {
        let mut ids: Vec<String> = commits.tips().map(|(id, _)| id.to_owned()).collect();
        ids.sort();
        ids
    }

    /// A difference that takes the first `len` bytes of a base of `size`, and adds `more`.
    fn difference(size: usize, len: usize, more: &[u8]) -> Vec<u8> {
        let number = |mut number: usize| {
            let mut bytes = Vec::new();
            loop {
                let byte = (number & 0x7f) as u8;
                number >>= 7;
                bytes.push(if number > 0 { byte | 0x80 } else { byte });
                if number == 0 {
                    return bytes;
                }
            }
        };
        let mut bytes = number(size);
        bytes.extend(number(len + more.len()));
        bytes.extend([0xb0, (len & 0xff) as u8, (len >> 8) as u8]);
        bytes.push(more.len() as u8);
        bytes.extend(more);
        bytes
    }

    #[test]
    fn tips_are_the_commits_that_nobody_continues() {
        let first = commit(&[], "first");
        let second = commit(&[&id(&first)], "second");
        let other = commit(&[&id(&first), &"0".repeat(40)], "other");
        // In any order, and in several packs.
        for order in [
            [&first, &second, &other],
            [&other, &second, &first],
            [&second, &first, &other],
        ] {
            let objects: Vec<Put<'_>> = order.iter().map(|bytes| Put::Whole(1, bytes)).collect();
            let Read(commits, outcome) = read("tips", &[&pack(&objects)]);
            outcome.unwrap();
            let mut wanted = vec![id(&second), id(&other)];
            wanted.sort();
            assert_eq!(tips(&commits), wanted);
            assert!(commits.has(&id(&first)));
            let each: Vec<Vec<u8>> = order
                .iter()
                .map(|bytes| pack(&[Put::Whole(1, bytes)]))
                .collect();
            let each: Vec<&[u8]> = each.iter().map(Vec::as_slice).collect();
            let Read(commits, outcome) = read("tips", &each);
            outcome.unwrap();
            assert_eq!(tips(&commits), wanted);
        }
    }

    #[test]
    fn only_parents_in_their_place_are_parents() {
        let hidden = commit(&[], "hidden");
        let line = format!("parent {}\n", id(&hidden));
        let good = String::from_utf8(commit(&[], "good")).unwrap();
        for (from, at) in [
            ("\n\n", 1),
            ("author", 0),
            ("committer", 0),
            ("good\n", 0),
            ("tree", 0),
        ] {
            let at = good.find(from).unwrap() + at;
            let (before, behind) = good.split_at(at);
            let text = [before, &line, behind].concat();
            let bytes = pack(&[Put::Whole(1, text.as_bytes()), Put::Whole(1, &hidden)]);
            let Read(commits, outcome) = read("place", &[&bytes]);
            outcome.unwrap();
            // In front of the author it is one.
            let is_tip = tips(&commits).contains(&id(&hidden));
            assert_eq!(is_tip, from != "author", "{text}");
        }
    }

    #[test]
    fn commits_that_are_stored_as_differences_are_put_together() {
        let base = commit(&[], &"long ".repeat(100));
        let changed = [&base[..300], b"changed\n".as_slice()].concat();
        let again = [&changed[..304], b"again\n".as_slice()].concat();
        let (one, two) = (
            difference(base.len(), 300, b"changed\n"),
            difference(changed.len(), 304, b"again\n"),
        );
        // Trees and files between them are nothing to us, neither whole nor as differences.
        let bytes = pack(&[
            Put::Whole(1, &base),
            Put::Whole(3, b"file"),
            Put::Difference(1, b"\x04\x01\x01x"),
            Put::Difference(3, &one),
            Put::Difference(1, &two),
        ]);
        let Read(commits, outcome) = read("differences", &[&bytes]);
        outcome.unwrap();
        let mut wanted = vec![id(&base), id(&changed), id(&again)];
        wanted.sort();
        assert_eq!(tips(&commits), wanted);
        assert!(commits.tips().any(|(_, bytes)| bytes == again));
    }

    #[test]
    fn what_is_no_pack_is_refused() {
        let first = commit(&[], "first");
        let size = first.len();
        let good = pack(&[Put::Whole(1, &first), Put::Whole(3, b"file")]);
        assert!(read("good", &[&good]).1.is_ok());
        let edit = |edit: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            edit(&mut bytes);
            bytes
        };
        let bad = |objects: &[Put<'_>]| pack(objects);
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("empty", Vec::new(), "malformed"),
            ("version", edit(&|bytes| bytes[7] = 3), "version 2"),
            ("name", edit(&|bytes| bytes[0] = b'p'), "version 2"),
            (
                "fewer objects than it says",
                edit(&|bytes| bytes[11] = 3),
                "",
            ),
            (
                "more objects than it says",
                edit(&|bytes| bytes[11] = 1),
                "malformed",
            ),
            ("too many objects", edit(&|bytes| bytes[8] = 1), "more than"),
            (
                "no checksum",
                edit(&|bytes| bytes.truncate(bytes.len() - 20)),
                "malformed",
            ),
            (
                "cut checksum",
                edit(&|bytes| bytes.truncate(bytes.len() - 1)),
                "malformed",
            ),
            (
                "something behind it",
                edit(&|bytes| bytes.push(0)),
                "malformed",
            ),
            (
                "another size than it says",
                edit(&|bytes| bytes[12] ^= 1),
                "malformed",
            ),
            (
                "a type that is none",
                bad(&[Put::Whole(5, b"")]),
                "malformed",
            ),
            (
                "a difference to what is elsewhere",
                bad(&[Put::Whole(7, b"")]),
                "clone anew",
            ),
            (
                "a commit too large",
                bad(&[Put::Whole(1, &vec![b'x'; MAX_OBJECT + 1])]),
                "more than",
            ),
            (
                "a difference to something between objects",
                {
                    let mut bytes = bad(&[
                        Put::Whole(1, &first),
                        Put::Difference(1, &difference(size, 10, b"x")),
                    ]);
                    let at = 12 + head(1, size).len() + zlib(&first).len() + 1;
                    bytes[at] -= 1;
                    bytes
                },
                "malformed",
            ),
            (
                "a difference to a base of another size",
                bad(&[
                    Put::Whole(1, &first),
                    Put::Difference(1, &difference(size + 1, 10, b"x")),
                ]),
                "malformed",
            ),
            (
                "a difference that takes more than there is",
                bad(&[
                    Put::Whole(1, &first),
                    Put::Difference(1, &difference(size, size + 1, b"x")),
                ]),
                "malformed",
            ),
            (
                "a difference that makes less than it says",
                bad(&[
                    Put::Whole(1, &first),
                    Put::Difference(1, &difference(size, 10, b"x")[..6]),
                ]),
                "malformed",
            ),
            (
                "a difference with an instruction that is none",
                bad(&[
                    Put::Whole(1, &first),
                    Put::Difference(1, &[difference(size, 10, b"x"), vec![0]].concat()),
                ]),
                "malformed",
            ),
        ];
        for (name, bytes, why) in cases {
            let error = read("bad", &[&bytes]).1.unwrap_err();
            assert!(error.to_string().contains(why), "{name}: {error}");
        }
    }

    #[test]
    fn a_difference_to_itself_or_to_what_follows_is_refused() {
        let mut bytes = b"PACK\0\0\0\x02\0\0\0\x01".to_vec();
        bytes.extend(head(6, 4));
        bytes.push(0);
        bytes.extend(zlib(b"\0\0\0\0"));
        bytes.extend([0; 20]);
        read("itself", &[&bytes]).1.unwrap_err();
        // Further back than the file begins.
        bytes[13] = 100;
        read("itself", &[&bytes]).1.unwrap_err();
    }

    #[test]
    fn no_pack_that_is_cut_or_changed_anywhere_panics() {
        let first = commit(&[], "first");
        let bytes = pack(&[
            Put::Whole(1, &first),
            Put::Difference(1, &difference(first.len(), 100, b"more")),
        ]);
        for len in 0..bytes.len() {
            assert!(read("cut", &[&bytes[..len]]).1.is_err(), "{len}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let _ = read("changed", &[&changed]);
            }
        }
    }
}
