//! A repository with 40 images, behind a proxy that is slow and fails: locked at once, with no needless request, and never torn.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use engine::{
    image::{Blob, Image, Tar},
    local::LocalRegistry,
    registry::Registry,
};
use p256::{
    ecdsa::{Signature, SigningKey, signature::Signer as _},
    pkcs8::{EncodePublicKey as _, LineEnding},
};
use serde_json::json;

use crate::proxy::{Asked, Proxy};

/// How many times as long as the requests need it may take.
const MOST: f64 = 1.5;
/// How often it is tried on a machine that does other things as well.
const RUNS: usize = 15;
const DELAY: Duration = Duration::from_millis(50);
/// One of so many requests fails.
const FAILS: usize = 20;
const IMAGES: usize = 40;
const AT_ONCE: u32 = 16;
const PLATFORMS: &str = "linux/amd64,linux/arm64";

/// Registry, proxy and a tree of Dockerfiles.
struct Case {
    folder: PathBuf,
    registry: LocalRegistry,
    proxy: Proxy,
    /// The digest behind each `repository:tag`.
    digests: BTreeMap<String, String>,
    keys: [SigningKey; 2],
}

impl Case {
    /// `None` if there is no registry on this machine; then the test is skipped, loudly.
    fn new(name: &str, delay: Duration, fails: usize) -> Option<Self> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lock-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("tree/keys")).unwrap();
        let Some(registry) = LocalRegistry::start(&folder.join("registry")).unwrap() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "no docker-registry on this machine"
            );
            eprintln!("SKIPPED: no docker-registry on this machine");
            return None;
        };
        let proxy = Proxy::start(&registry.address, delay, fails);
        let key = |seed: u8| SigningKey::from_slice(&[seed; 32]).unwrap();
        let case = Self {
            folder,
            registry,
            proxy,
            digests: BTreeMap::new(),
            keys: [key(7), key(8)],
        };
        for (name, key) in ["one", "two"].iter().zip(&case.keys) {
            let pem = key
                .verifying_key()
                .to_public_key_pem(LineEnding::LF)
                .unwrap();
            fs::write(case.folder.join(format!("tree/keys/{name}.pub")), pem).unwrap();
        }
        Some(case)
    }

    fn registry(&self) -> Registry {
        Registry::new(&self.registry.address)
    }

    /// Pushes version `version` of image `number`: each fourth for two platforms, each fifth signed.
    fn push(&mut self, number: usize, version: usize) {
        let (repository, registry) = (repository(number), self.registry());
        let content = format!("{number} {version}");
        let made = |platform: &str| {
            Image::new()
                .platform(platform)
                .with(
                    "Env",
                    json!([format!("NUMBER={number}"), format!("VERSION={version}")]),
                )
                .layer(&Tar::new().file("which", 0o644, content.as_bytes()))
        };
        let digest = if number.is_multiple_of(4) {
            let images = [made("linux/amd64"), made("linux/arm64")];
            registry.push_index(&repository, "1", &images).unwrap()
        } else {
            registry
                .push(&repository, "1", &made("linux/amd64"))
                .unwrap()
        };
        if number.is_multiple_of(5) {
            self.sign(&repository, &digest, 0);
        }
        self.digests.insert(format!("{repository}:1"), digest);
    }

    /// As cosign does: simple signing, under a tag.
    fn sign(&self, repository: &str, digest: &str, key: usize) {
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": format!("{}/{repository}", self.proxy.address) },
                "image": { "docker-manifest-digest": digest },
                "type": "cosign container image signature",
            },
            "optional": null,
        });
        let payload = Blob {
            media_type: "application/vnd.dev.cosign.simplesigning.v1+json".to_owned(),
            bytes: payload.to_string().into_bytes(),
        };
        let config = Blob {
            media_type: "application/vnd.oci.image.config.v1+json".to_owned(),
            bytes: b"{}".to_vec(),
        };
        let signature: Signature = self.keys[key].sign(&payload.bytes);
        let mut layer = payload.descriptor();
        let signature = STANDARD.encode(signature.to_der().as_bytes());
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config.descriptor(),
            "layers": [layer],
        });
        let registry = self.registry();
        for blob in [&payload, &config] {
            registry.put_blob(repository, blob).unwrap();
        }
        let manifest = Blob {
            media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
            bytes: manifest.to_string().into_bytes(),
        };
        let tag = format!("{}.sig", digest.replace(':', "-"));
        registry.put_manifest(repository, &tag, &manifest).unwrap();
    }

    /// Ten Dockerfiles with four images each and one that all of them share.
    fn write_tree(&self) {
        let host = &self.proxy.address;
        let policy = format!(
            "version = 1\n\n[keys.one]\ncosign = \"keys/one.pub\"\n\n[keys.two]\ncosign = \"keys/two.pub\"\n\n\
             [[image]]\nmatch = \"{host}/signed/**\"\nsigned-by = [\"one\", \"two\"]\n\n\
             [[image]]\nmatch = \"{host}/**\"\naccept = \"digest\"\nreason = \"for tests\"\nuntil = 9999-12-31\n"
        );
        for file in 0..IMAGES / 4 {
            let folder = self.folder.join(format!("tree/service-{file}"));
            fs::create_dir_all(folder.join("keys")).unwrap();
            for key in ["one", "two"] {
                let key = format!("keys/{key}.pub");
                fs::copy(self.folder.join("tree").join(&key), folder.join(&key)).unwrap();
            }
            fs::write(folder.join("verified.toml"), &policy).unwrap();
            let name = |number: usize| format!("{host}/{}:1", repository(number));
            let numbers = [file * 4, file * 4 + 1, file * 4 + 2, file * 4 + 3];
            let [a, b, c, d] = numbers.map(name);
            let text = format!(
                "FROM {a} AS first\nFROM {b} AS second\nCOPY --from={c} /which /c\n\
                 FROM {d}\nCOPY --from=first /which /a\nCOPY --from=second /c /c\nCOPY --from={} /which /shared\n",
                name(0)
            );
            fs::write(folder.join("Dockerfile"), text).unwrap();
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_verified-dockerfile"));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.join("home"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn lock(&self, more: &[&str]) -> Output {
        self.run(&[&["lock", "--platform", PLATFORMS], more, &["tree"]].concat())
    }

    /// Locks everything from the start, and gives how many times as long as its requests need that took.
    fn measured(&self) -> f64 {
        for path in self.files().into_keys() {
            fs::remove_file(path).unwrap();
        }
        // The program itself takes some time to start, unoptimised.
        let start = Instant::now();
        good(&self.run(&["--version"]));
        let startup = start.elapsed();
        self.proxy.take();
        let start = Instant::now();
        good(&self.lock(&[]));
        let took = start.elapsed().saturating_sub(startup);
        let asked = self.proxy.take();

        let mut answered = BTreeSet::new();
        for request in asked.iter().filter(|request| request.status.is_some()) {
            assert!(
                answered.insert(&request.target),
                "asked for twice: {}",
                request.target
            );
        }
        let failed = asked
            .iter()
            .filter(|request| request.status.is_none())
            .count();
        assert!(
            failed >= asked.len() / 25,
            "{failed} of {} failed",
            asked.len()
        );
        let most = self.proxy.most.load(Ordering::SeqCst);
        assert!(most <= AT_ONCE as usize, "{most} at the same time");
        let needed = needed(&asked);
        let ratio = took.as_secs_f64() / needed.as_secs_f64();
        println!(
            "{} requests ({failed} failed), {most} at once: {took:?}, needed {needed:?}, ratio {ratio:.2}",
            asked.len()
        );
        ratio
    }

    /// All locks and evidence, by path.
    fn files(&self) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        for file in 0..IMAGES / 4 {
            for kind in ["lock", "evidence"] {
                let path = self
                    .folder
                    .join(format!("tree/service-{file}/Dockerfile.{kind}"));
                if let Ok(text) = fs::read_to_string(&path) {
                    files.insert(path, text);
                }
            }
        }
        files
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn repository(number: usize) -> String {
    let kind = if number.is_multiple_of(5) {
        "signed"
    } else {
        "plain"
    };
    format!("{kind}/image-{number}")
}

fn good(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}{err}", output.status);
    text
}

/// The time of the longest chain of requests that wait for one another, and of all of them at 16 at a time: whichever is longer. A request
/// that the proxy failed is part of its chain.
fn needed(asked: &[Asked]) -> Duration {
    // What a request waits for: only the first one of an image is waited for by all others.
    let mut first: BTreeMap<String, Duration> = BTreeMap::new();
    let mut then: BTreeMap<(String, &str), Duration> = BTreeMap::new();
    let mut all = Duration::ZERO;
    for request in asked {
        let took = request.to - request.from;
        all += took;
        let parts: Vec<&str> = request.target.split('/').collect();
        let image = parts[2..4].join("/");
        let chain = match (parts[4], parts[5]) {
            ("manifests", "1") => {
                *first.entry(image).or_default() += took;
                continue;
            }
            ("manifests", name) if name.ends_with(".sig") => "signature",
            ("manifests", name) if name.ends_with(".att") => "attestation",
            ("manifests", name) if name.starts_with("sha256-") => "referrers",
            ("referrers", _) => "referrers",
            ("manifests", _) => "image",
            // Of a config or a payload; each waits for its own manifest.
            _ => "blob",
        };
        let longest = then.entry((image, chain)).or_default();
        *longest = match chain {
            "referrers" => *longest + took,
            _ => took.max(*longest),
        };
    }
    let of = |image: &str, chain: &'static str| {
        let took = then.get(&(image.to_owned(), chain));
        took.copied().unwrap_or_default()
    };
    let chain = |(image, first): (&String, &Duration)| {
        let by_manifest = of(image, "image").max(of(image, "signature")) + of(image, "blob");
        let beside = of(image, "referrers").max(of(image, "attestation"));
        *first + by_manifest.max(beside)
    };
    let longest = first.iter().map(chain).max().unwrap_or_default();
    println!(
        "longest chain {longest:?}, all at {AT_ONCE} at a time {:?}",
        all / AT_ONCE
    );
    longest.max(all / AT_ONCE)
}

#[test]
fn forty_images_are_locked_in_the_time_that_their_requests_need() {
    let Some(mut case) = Case::new("forty", DELAY, FAILS) else {
        return;
    };
    for number in 0..IMAGES {
        case.push(number, 1);
    }
    case.write_tree();
    case.proxy.take();

    // What else runs on this machine may be in the way: the best of some runs counts, and each must be right.
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        best = best.min(case.measured());
        if best <= MOST {
            break;
        }
    }
    assert!(
        best <= MOST,
        "it takes {best:.2} times as long as its requests need"
    );
    let files = case.files();
    assert_eq!(files.len(), IMAGES / 4 * 2);

    let mut locked = BTreeMap::new();
    for (path, text) in &files {
        if path.extension().unwrap() != "lock" {
            continue;
        }
        let table: toml_edit::DocumentMut = text.parse().unwrap();
        for entry in table["image"].as_array_of_tables().unwrap() {
            let reference = entry["reference"].as_str().unwrap().to_owned();
            let signed = entry.get("verified-by").map(ToString::to_string);
            assert_eq!(
                signed.is_some(),
                reference.contains("/signed/"),
                "{reference}"
            );
            locked.insert(reference, entry["digest"].as_str().unwrap().to_owned());
        }
    }
    let expected: BTreeMap<String, String> = case
        .digests
        .iter()
        .map(|(name, digest)| (format!("{}/{name}", case.proxy.address), digest.clone()))
        .collect();
    assert_eq!(locked, expected);

    // The same again: nothing changes; and from the start: the same.
    let said = good(&case.lock(&[]));
    assert!(!said.contains("added"), "{said}");
    assert!(case.files() == files);
    for path in files.keys() {
        fs::remove_file(path).unwrap();
    }
    good(&case.lock(&[]));
    assert!(case.files() == files);
    good(&case.lock(&["--check"]));

    // What is missing is told, and nothing is written.
    let (path, text) = files.first_key_value().unwrap();
    let lock = path.with_extension("lock");
    let less = fs::read_to_string(&lock).unwrap();
    let less = &less[..less.rfind("\n[[image]]").unwrap()];
    fs::write(&lock, less).unwrap();
    let output = case.lock(&["--check"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&lock).unwrap(), less);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("not in the lock"), "{told}");
    let shown = good(&case.lock(&["--dry-run"]));
    assert!(shown.contains("+[[image]]"), "{shown}");
    assert_eq!(fs::read_to_string(&lock).unwrap(), less);
    assert_eq!(&fs::read_to_string(path).unwrap(), text);
}

#[test]
fn ended_at_any_moment_the_old_files_are_whole_or_the_new_ones() {
    let Some(mut case) = Case::new("killed", Duration::from_millis(2), 0) else {
        return;
    };
    for number in 0..IMAGES {
        case.push(number, 1);
    }
    case.write_tree();
    good(&case.lock(&[]));
    let old = case.files();
    for number in 0..IMAGES {
        case.push(number, 2);
    }
    let start = Instant::now();
    good(&case.lock(&["--update"]));
    let whole = start.elapsed();
    let new = case.files();
    assert!(
        old.iter()
            .all(|(path, text)| new[path] != *text || !text.contains("[[image]]"))
    );

    let (mut before, mut torn, mut after) = (0, 0, 0);
    for round in 0..40_u32 {
        for (path, text) in &old {
            fs::write(path, text).unwrap();
        }
        let mut child = case
            .command(&["lock", "--platform", PLATFORMS, "--update", "tree"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if round % 2 == 0 {
            // Spread over all of it.
            thread::sleep(whole * round / 40);
        } else {
            // While files are written: as soon as the first one differs, and a little later each time.
            let lock = old.keys().next().unwrap();
            while fs::read_to_string(lock).is_ok_and(|text| text == old[lock])
                && child.try_wait().unwrap().is_none()
            {}
            thread::sleep(Duration::from_micros(150) * round);
        }
        let _ = child.kill();
        child.wait().unwrap();
        let mut changed = 0;
        for (path, text) in case.files() {
            let is_new = text == new[&path];
            changed += usize::from(is_new && text != old[&path]);
            if path.extension().unwrap() == "lock" {
                assert!(is_new || text == old[&path], "{}: {text}", path.display());
                // Each lock has the evidence that it needs.
                let evidence =
                    fs::read_to_string(path.with_extension("evidence")).unwrap_or_default();
                let wanted =
                    if is_new { &new } else { &old }[&path.with_extension("evidence")].lines();
                for item in wanted {
                    assert!(evidence.contains(item), "{}", path.display());
                }
            }
        }
        match changed {
            0 => before += 1,
            n if n < new.len() => torn += 1,
            _ => after += 1,
        }
    }
    println!("ended before: {before}, between files: {torn}, after: {after}");
    assert!(before > 0 && torn > 0, "{before} {torn} {after}");
    // And then it goes on where it stopped.
    good(&case.lock(&["--update", "--prune"]));
    assert!(case.files() == new);
    for file in 0..IMAGES / 4 {
        let folder = case.folder.join(format!("tree/service-{file}"));
        assert_eq!(
            fs::read_dir(folder).unwrap().count(),
            5,
            "something is left behind"
        );
    }
}

#[test]
fn another_signer_is_confirmed_by_name() {
    let Some(mut case) = Case::new("signer", Duration::ZERO, 0) else {
        return;
    };
    for number in 0..4 {
        case.push(number, 1);
    }
    case.write_tree();
    let run = |more: &[&str]| {
        let words = [&["lock"], more, &["tree/service-0"]].concat();
        case.run(&words)
    };
    good(&run(&[]));
    let lock = case.folder.join("tree/service-0/Dockerfile.lock");
    let before = fs::read_to_string(&lock).unwrap();
    assert!(before.contains("verified-by = [\"one\"]"), "{before}");

    // The next one is signed by the other key, which the policy trusts as well.
    let image = Image::new().with("Env", json!(["NEXT=1"]));
    let digest = case.registry().push(&repository(0), "1", &image).unwrap();
    case.sign(&repository(0), &digest, 1);
    for more in [&["--update"][..], &["--update", "--accept-signer=one"]] {
        let output = run(more);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            told.contains("signed by `one` when it was locked"),
            "{told}"
        );
        assert!(told.contains("--accept-signer=two"), "{told}");
        assert_eq!(fs::read_to_string(&lock).unwrap(), before);
    }
    let said = good(&run(&["--update=**/image-0:1", "--accept-signer=two"]));
    assert!(
        said.contains("new signer two (SHA256:") || said.contains("new signer two ("),
        "{said}"
    );
    let after = fs::read_to_string(&lock).unwrap();
    assert!(
        after.contains(&digest) && after.contains("verified-by = [\"two\"]"),
        "{after}"
    );
    // A pattern that covers nothing renews nothing.
    good(&run(&["--update=**/other:1"]));
    assert_eq!(fs::read_to_string(&lock).unwrap(), after);
}
