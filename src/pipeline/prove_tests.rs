//! Proofs as a build finds them, with the real files and signatures of `testdata/proofs` and the step's own code.

use std::{cell::RefCell, collections::BTreeMap, path::PathBuf};

use futures_util::FutureExt as _;
use jiff::Timestamp;

use super::{Build, Outcome, run};
use crate::{
    digest::Digest,
    dockerfile::Dockerfile,
    fetch::{GitSource, ImageConfig, Platform},
    lock::{Evidence, Lock},
    policy::{Layer, Policy, Unchecked, commit_subject},
    reference::ImageReference,
    resolve::{Commit, Image, Offline, Resolve, ResolveError, bytes, step},
    verify::{Proof, Signer, git::Objects},
};

const BASE: &str = "https://files.test/v1";
const REPOSITORY: &str = "https://git.test/app.git";
/// The commit of `testdata/proofs/git/sha1.commit`.
const COMMIT: &str = "84305e30fa9bd428ce48c8c2ef5753db0ab7fb4b";

fn testdata(path: &str) -> Vec<u8> {
    let path = format!("{}/testdata/proofs/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Serves files and one repository, and counts who asks.
#[derive(Default)]
struct World {
    files: BTreeMap<String, Vec<u8>>,
    objects: Objects,
    asked: RefCell<Vec<String>>,
}

impl World {
    fn with(files: &[(&str, &str)]) -> Self {
        Self {
            files: files
                .iter()
                .map(|(name, path)| (format!("{BASE}/{name}"), testdata(path)))
                .collect(),
            ..Self::default()
        }
    }

    fn ask(&self, what: &str, url: &str) -> Result<&Vec<u8>, ResolveError> {
        self.asked.borrow_mut().push(format!("{what} {url}"));
        self.files.get(url).ok_or_else(|| ResolveError::Failed {
            cause: format!("{url}: not found"),
            next: "look for it".to_owned(),
        })
    }
}

impl Resolve for World {
    async fn image(&self, _: &ImageReference, _: &Platform) -> Result<Image, ResolveError> {
        Err(ResolveError::Offline)
    }

    async fn context(&self, _: &str, _: &str, _: &Platform) -> Result<ImageConfig, ResolveError> {
        Ok(ImageConfig::default())
    }

    async fn http(&self, url: &str) -> Result<Digest, ResolveError> {
        Ok(Digest::sha256(self.ask("digest", url)?))
    }

    async fn git(&self, _: &GitSource) -> Result<Commit, ResolveError> {
        Ok(Commit {
            commit: COMMIT.to_owned(),
            object: COMMIT.to_owned(),
        })
    }

    async fn signatures(
        &self,
        _: &ImageReference,
        _: &Digest,
        _: bool,
    ) -> Result<Vec<Proof>, ResolveError> {
        Ok(Vec::new())
    }

    async fn attestations(
        &self,
        _: &ImageReference,
        _: &Digest,
        _: bool,
    ) -> Result<Vec<(Digest, Proof)>, ResolveError> {
        Ok(Vec::new())
    }

    async fn small_file(&self, url: &str, _: usize) -> Result<Vec<u8>, ResolveError> {
        Ok(self.ask("file", url)?.clone())
    }

    async fn over_bytes(
        &self,
        url: &str,
        digest: &Digest,
        checks: &[Unchecked],
        now: Timestamp,
    ) -> Result<Vec<Result<Signer, String>>, ResolveError> {
        let folder = folder();
        let path = |name: &str| folder.join(name);
        std::fs::write(path("file"), self.ask("bytes", url)?).unwrap();
        let request = bytes::Request::new(digest, checks, now);
        std::fs::write(path("request"), request.encode().unwrap()).unwrap();
        bytes::run(&path("file"), &path("request"), &path("answer")).unwrap();
        let answer = request.answer(&std::fs::read(path("answer")).unwrap());
        std::fs::remove_dir_all(folder).unwrap();
        Ok(answer.unwrap())
    }

    async fn digests(&self, url: &str, _: &Digest) -> Result<Vec<Digest>, ResolveError> {
        let folder = folder();
        std::fs::write(folder.join("file"), self.ask("digests", url)?).unwrap();
        step::digests(&folder.join("file"), &folder.join("answer")).unwrap();
        let answer = std::fs::read(folder.join("answer")).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        Ok(step::read_digests(&answer).unwrap())
    }

    async fn objects(&self, _: &GitSource, _: &str) -> Result<Objects, ResolveError> {
        Ok(self.objects.clone())
    }
}

fn folder() -> PathBuf {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("verified-prove-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Judges `ADD what /` by one key, whose file `key` is in `testdata/proofs`, and `rule`.
fn judge(
    what: &str,
    [kind, key]: [&str; 2],
    rule: &str,
    evidence: &Evidence,
    locked: bool,
    resolver: &impl Resolve,
) -> Outcome {
    let text = format!("FROM scratch\nADD {what} /\n");
    let dockerfile = Dockerfile::parse(text.as_bytes()).unwrap();
    let policy = format!("version = 1\n[keys.publisher]\n{kind} = \"key\"\n{rule}");
    let files = BTreeMap::from([("key".to_owned(), testdata(key))]);
    let layer = Layer::parse(policy.as_bytes(), "verified.toml", &files).unwrap();
    let digest = Digest::sha256(&testdata("minisign/release.bin"));
    let lock = if locked && !what.contains('#') {
        format!("version = 1\n[[http]]\nurl = \"{what}\"\ndigest = \"{digest}\"\n")
    } else {
        "version = 1\n".to_owned()
    };
    let own = Platform::new("linux", "amd64", "");
    let build = Build {
        file: "Dockerfile",
        bytes: text.as_bytes(),
        dockerfile: &dockerfile,
        target: None,
        platforms: std::slice::from_ref(&own),
        build_platform: &own,
        build_args: &BTreeMap::new(),
        contexts: &BTreeMap::new(),
        policy: &Policy::new(vec![layer]),
        lock: &Lock::parse(lock.as_bytes(), "Dockerfile.lock").unwrap(),
        evidence,
        locked,
        checks_git: true,
        now: "2026-12-01T12:00:00Z".parse().unwrap(),
    };
    run(&build, resolver).now_or_never().unwrap().unwrap()
}

fn http(rule: &str) -> String {
    format!("[[http]]\nmatch = \"https://files.test/**\"\nsigned-by = [\"publisher\"]\n{rule}")
}

fn refused(outcome: &Outcome, why: &str) {
    let [finding] = outcome.findings.as_slice() else {
        panic!("{:?}", outcome.findings)
    };
    assert!(finding.cause.contains(why), "{why:?} in {}", finding.cause);
    assert_eq!(
        finding.place.as_ref().map(|place| place.first_line),
        Some(2)
    );
}

fn passed(outcome: &Outcome) {
    assert!(outcome.findings.is_empty(), "{:?}", outcome.findings);
}

const MINISIGN: [&str; 2] = ["minisign", "minisign/alice.pub"];
const RELEASE: (&str, &str) = ("release.bin", "minisign/release.bin");

#[test]
fn a_signature_beside_the_file_is_fetched_and_checked_over_its_bytes() {
    let url = format!("{BASE}/release.bin");
    let rule = http("signature = \"*.minisig\"\n");
    let judged = |world: &World| judge(&url, MINISIGN, &rule, &Evidence::default(), false, world);
    let good = World::with(&[RELEASE, ("release.bin.minisig", "minisign/release.minisig")]);
    passed(&judged(&good));
    assert_eq!(
        *good.asked.borrow(),
        [
            format!("digest {url}"),
            format!("file {url}.minisig"),
            format!("bytes {url}"),
        ]
    );
    for (proof, why) in [
        ("minisign/other.minisig", "none of the keys"),
        ("minisign/bob.minisig", "not by `publisher`"),
        ("minisign/legacy.minisig", "legacy"),
        ("ssh/ed25519.sig", "is for proofs of the kind ssh"),
        ("minisign/release.bin", "looks like no kind"),
    ] {
        let world = World::with(&[RELEASE, ("release.bin.minisig", proof)]);
        refused(&judged(&world), why);
    }
    refused(
        &judged(&World::with(&[RELEASE])),
        "its signature cannot be fetched",
    );
}

#[test]
fn a_locked_file_is_checked_with_the_evidence_alone() {
    let url = format!("{BASE}/release.bin");
    let rule = http("signature = \"*.minisig\"\n");
    let digest = Digest::sha256(&testdata("minisign/release.bin"));
    let mut evidence = Evidence::default();
    evidence.insert(
        digest,
        Proof::Minisign(testdata("minisign/release.minisig")),
    );
    let world = World::with(&[RELEASE]);
    passed(&judge(&url, MINISIGN, &rule, &evidence, true, &world));
    assert_eq!(*world.asked.borrow(), [format!("bytes {url}")]);
    refused(
        &judge(&url, MINISIGN, &rule, &Evidence::default(), true, &world),
        "no signature of",
    );
    // Nobody has the bytes: that is said, and is no pass.
    refused(
        &judge(&url, MINISIGN, &rule, &evidence, true, &Offline),
        "over the file's bytes, which are not here",
    );
}

#[test]
fn a_list_counts_if_it_is_signed_and_has_the_file_under_its_name() {
    const KEY: [&str; 2] = ["minisign", "checksums/minisign.pub"];
    const LIST: (&str, &str) = ("SHA256SUMS", "checksums/SHA256SUMS");
    const SIGNED: (&str, &str) = ("SHA256SUMS.minisig", "checksums/SHA256SUMS.minisig");
    let rule = http("checksums = \"SHA256SUMS\"\nsignature = \"*.minisig\"\n");
    let judged = |name: &str, key, rule: &str, files: &[(&str, &str)]| {
        let url = format!("{BASE}/{name}");
        judge(
            &url,
            key,
            rule,
            &Evidence::default(),
            false,
            &World::with(files),
        )
    };
    let file = ("app.tar.gz", "checksums/app.tar.gz");
    passed(&judged("app.tar.gz", KEY, &rule, &[file, LIST, SIGNED]));
    // By another hash function than the pin: the file is read once more, and still has to be the one in the list.
    let longer = http("checksums = \"SHA512SUMS\"\nsignature = \"*.minisig\"\n");
    let other = ("app.tar.gz", "checksums/other.tar.gz");
    let list = ("SHA512SUMS", "checksums/SHA512SUMS");
    let by = ("SHA512SUMS.minisig", "checksums/SHA512SUMS.minisig");
    passed(&judged("app.tar.gz", KEY, &longer, &[file, list, by]));
    refused(
        &judged("app.tar.gz", KEY, &longer, &[other, list, by]),
        "bytes",
    );
    refused(
        &judged("app.tar.gz", MINISIGN, &longer, &[file, list, by]),
        "not by `publisher`",
    );
    let renamed = ("renamed.tar.gz", "checksums/app.tar.gz");
    for (name, key, files, why) in [
        (
            "app.tar.gz",
            KEY,
            &[("app.tar.gz", "checksums/other.tar.gz"), LIST, SIGNED][..],
            "not for",
        ),
        (
            "renamed.tar.gz",
            KEY,
            &[renamed, LIST, SIGNED],
            "the checksum list",
        ),
        (
            "app.tar.gz",
            MINISIGN,
            &[file, LIST, SIGNED],
            "not by `publisher`",
        ),
        (
            "app.tar.gz",
            KEY,
            &[
                file,
                LIST,
                ("SHA256SUMS.minisig", "checksums/SHA512SUMS.minisig"),
            ],
            "none of the keys",
        ),
        ("app.tar.gz", KEY, &[file, LIST], "cannot be fetched"),
        ("app.tar.gz", KEY, &[file, SIGNED], "cannot be fetched"),
    ] {
        refused(&judged(name, key, &rule, files), why);
    }
    // Signed within itself; a list that is not signed at all is none.
    let within = http("checksums = \"SUMS\"\n");
    let signify = ["signify", "checksums/signify.pub"];
    passed(&judged(
        "app.tar.gz",
        signify,
        &within,
        &[file, ("SUMS", "checksums/bsd.sums.sig")],
    ));
    refused(
        &judged(
            "app.tar.gz",
            signify,
            &within,
            &[file, ("SUMS", "checksums/bsd.sums")],
        ),
        "has no signature",
    );
    // A signature of the file itself is not what the rule asks for.
    let mut evidence = Evidence::default();
    let digest = Digest::sha256(&testdata("minisign/release.bin"));
    evidence.insert(
        digest,
        Proof::Minisign(testdata("minisign/release.minisig")),
    );
    let url = format!("{BASE}/release.bin");
    refused(
        &judge(
            &url,
            MINISIGN,
            &rule,
            &evidence,
            true,
            &World::with(&[RELEASE]),
        ),
        "asks for a signed list",
    );
}

#[test]
fn a_tag_counts_if_it_is_signed_under_its_name_for_the_commit() {
    const KEY: [&str; 2] = ["openpgp", "git/alice.asc"];
    let rule = |signed: &str| {
        format!(
            "[[git]]\nmatch = \"{REPOSITORY}\"\nsigned-by = [\"publisher\"]\nsigned = \"{signed}\"\n"
        )
    };
    let world = |tag: &str, commit: &str| World {
        objects: Objects {
            tags: vec![testdata(&format!("git/{tag}"))],
            commit: Some(testdata(&format!("git/{commit}"))),
        },
        ..World::default()
    };
    let none = Evidence::default();
    let judged = |reference: &str, key, signed: &str, world: &World| {
        let what = format!("{REPOSITORY}#{reference}");
        judge(&what, key, &rule(signed), &none, false, world)
    };
    passed(&judged("v1", KEY, "tag", &world("sha1.tag", "sha1.commit")));
    passed(&judged(
        "v1",
        KEY,
        "commit",
        &world("sha1.tag", "sha1.commit"),
    ));
    for (reference, key, tag, commit, why) in [
        ("v9", KEY, "sha1.tag", "sha1.commit", "v1"),
        ("v1", KEY, "unsigned.tag", "sha1.commit", "sign"),
        ("v1", KEY, "moved.tag", "sha1.commit", ""),
        (
            "v1",
            ["openpgp", "git/bob.asc"],
            "sha1.tag",
            "sha1.commit",
            "not by `publisher`",
        ),
        ("v1", KEY, "sha1.tag", "sha1-ssh.commit", "commit"),
        (
            "v1",
            MINISIGN,
            "sha1.tag",
            "sha1.commit",
            "is for proofs of the kind git",
        ),
    ] {
        refused(&judged(reference, key, "tag", &world(tag, commit)), why);
    }
    // Evidence about another commit is not found.
    let mut evidence = Evidence::default();
    let proof = Proof::Git(world("sha1.tag", "sha1.commit").objects);
    evidence.insert(commit_subject(&"1".repeat(40)), proof);
    let what = format!("{REPOSITORY}#{COMMIT}");
    refused(
        &judge(&what, KEY, &rule("commit"), &evidence, true, &Offline),
        "no signature of",
    );
}
