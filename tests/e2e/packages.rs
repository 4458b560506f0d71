//! Package managers and other real clients: recorded once from where they really download, then built where there is no network.
//!
//! What they download comes from the machine's own archive and registries, as configured. Records are made on the engine; builds from
//! them run on one that reaches nothing but its registry.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use engine::{Result, debian, process};
use serde_json::json;

use crate::{
    Test,
    bench::{Build, Case, Pushed, TOOL_LIMIT, accept},
    replay::{lock, record, store},
};

pub const TESTS: &[Test] = &[
    ("a_hundred_packages_are_installed", apt),
    ("clients_are_served", clients),
    ("authorities_are_installed_before_a_download", authorities),
];

/// The release of the images. Its clients are those of the stable Debian of 2025.
const RELEASE: &str = "trixie";
/// Clients, and what they need.
const CLIENTS: &[&str] = &[
    "ant",
    "ca-certificates",
    "cargo",
    "curl",
    "default-jre-headless",
    "git",
    "npm",
    "python3-pip",
    "wget",
];

/// What is different each time that it is made, with or without a network: times and what depends on them.
const NEVER_EQUAL: &[&str] = &[
    // The times of the run, and numbers of files.
    "var/log/",
    "var/cache/apt/pkgcache.bin",
    "var/cache/apt/srcpkgcache.bin",
    "var/cache/ldconfig/aux-cache",
    // Key stores have the time at which each certificate was added.
    "etc/ssl/certs/java/cacerts",
    // npm's, pip's and cargo's notes on when they asked, and with which headers they were answered.
    "root/.npm/",
    "root/.cache/pip/",
    "root/.cargo/registry/CACHEDIR.TAG",
    "root/.cargo/.global-cache",
];

/// A Debian system in the registry.
fn debian(case: &Case, name: &str, packages: &[&str]) -> Result<Pushed> {
    let layer = debian::layer(RELEASE, packages)?;
    let config =
        json!({ "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] });
    case.push_file(name, &layer, &config)
}

fn rules(base: &Pushed) -> [String; 4] {
    [
        accept("image", &base.repository),
        accept("http", "http://**"),
        accept("http", "https://**"),
        accept("git", "http://**"),
    ]
}

/// What a client of this machine is configured to use. Its registry's name is nowhere in this project.
fn configured(words: &[&str]) -> Result<String> {
    let has = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join(words[0]).is_file());
    if !has {
        let why = format!(
            "this test asks `{}` of this machine for its registry: install it",
            words[0]
        );
        return Err(why.into());
    }
    let mut command = Command::new(words[0]);
    let told = process::run(command.args(&words[1..]), &[], TOOL_LIMIT)?.success()?;
    Ok(told.stdout.trim().trim_end_matches('/').to_owned())
}

/// One file of an image: what `tar` tells of it but its time, and the hash of its content.
type Files = BTreeMap<String, String>;

/// The files that a build gives.
fn files(build: Build<'_>, archive: &Path) -> Result<Files> {
    let to = format!("type=tar,dest={}", archive.display());
    build.with(&["--output", &to]).patient().run()?.built()?;
    // A hash for each file, without unpacking: users and modes stay what they are.
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "tar --list --verbose --numeric-owner --quoting-style=escape --file \"$1\" && echo && tar --extract --to-command='printf \"%s %s\\n\" \
         \"$(sha256sum | cut -c1-64)\" \"$TAR_FILENAME\"' --file \"$1\"",
        "sh",
    ]);
    let told = process::run(command.arg(archive), &[], TOOL_LIMIT)?.success()?;
    fs::remove_file(archive)?;
    let (list, hashes) = told.stdout.split_once("\n\n").ok_or("no list")?;
    let mut files = Files::new();
    for line in list.lines() {
        let mut words = line.split_ascii_whitespace();
        let (mode, owner, size) = (words.next(), words.next(), words.next());
        let name: Vec<&str> = words.skip(2).collect();
        let name = name.join(" ");
        let about = [mode, owner].map(Option::unwrap_or_default).join(" ");
        // Of a folder the size is nothing, of a file the hash says it.
        let _ = size;
        let path = name.split(" -> ").next().unwrap_or(&name).to_owned();
        files.insert(path, format!("{about} {name}"));
    }
    for line in hashes.lines() {
        let (hash, name) = line.split_once(' ').ok_or("no hash")?;
        if let Some(about) = files.get_mut(name) {
            about.push_str(&format!(" {hash}"));
        }
    }
    Ok(files)
}

/// How two images differ, where they should not.
fn differences(one: &Files, other: &Files) -> Vec<String> {
    let paths = one.keys().chain(other.keys());
    let mut different: Vec<String> = paths
        .filter(|path| !NEVER_EQUAL.iter().any(|start| path.starts_with(start)))
        // Compiled Python has the time of its source in it.
        .filter(|path| !path.ends_with(".pyc"))
        .filter(|path| one.get(*path) != other.get(*path))
        .map(|path| format!("{path}: {:?} {:?}", one.get(path), other.get(path)))
        .collect();
    different.sort();
    different.dedup();
    different
}

/// Records `dockerfile`, builds it by the stock frontend with the network and from the recording without, and compares. Gives the
/// files.
fn same(case: &Case, dockerfile: &str, between: impl FnOnce() -> Result<()>) -> Result<Files> {
    let cut = case.bench.cut_off()?;
    let archive = |name: &str| case.folder.join(name);
    record(case, dockerfile)?;
    let online = files(case.stock(dockerfile)?, &archive("online.tar"))?;
    between()?;
    let context = format!("verified-store={}", store(case).display());
    let build = case.build(dockerfile)?.on(cut);
    let replayed = build.with(&["--build-context", &context]);
    let replayed = files(replayed, &archive("replayed.tar"))?;
    let different = differences(&online, &replayed);
    assert!(
        different.is_empty(),
        "{} of {} differ:\n{}",
        different.len(),
        online.len(),
        different.join("\n")
    );
    let ours: Vec<&String> = replayed
        .keys()
        .filter(|path| path.contains("verified"))
        .filter(|path| !online.contains_key(*path))
        .collect();
    assert!(ours.is_empty(), "left behind: {ours:?}");
    Ok(replayed)
}

fn apt(case: &Case) -> Result<()> {
    let base = debian(case, "debian", &[])?;
    case.policy(&rules(&base))?;
    let dockerfile = format!(
        "FROM {}\nRUN apt-get update && apt-get install -y --no-install-recommends libcatalyst-perl libdancer2-perl \
         && rm -rf /var/lib/apt/lists/*\n",
        base.tagged()
    );
    let files = same(case, &dockerfile, || Ok(()))?;
    let packages = files
        .keys()
        .filter(|path| path.starts_with("var/lib/dpkg/info/") && path.ends_with(".list"))
        .count();
    let recorded = lock(case)?;
    let debs = recorded
        .runs()
        .flat_map(|run| &run.exchanges)
        .filter(|exchange| exchange.url.ends_with(".deb"))
        .count();
    assert!(debs >= 100, "only {debs} packages were downloaded");
    assert!(packages > debs, "{packages} of {debs} are installed");
    Ok(())
}

fn clients(case: &Case) -> Result<()> {
    let base = debian(case, "clients", CLIENTS)?;
    case.policy(&rules(&base))?;
    let npm = configured(&["npm", "config", "get", "registry"])?;
    let repository = case.git(&[("file", b"first")])?;
    let file = case.bench.web.put("/packages/file", b"first");
    let package = format!("{npm}/is-number/-/is-number-7.0.0.tgz");
    case.file(
        "build.xml",
        format!("<project><get src=\"{package}\" dest=\"/got/ant.tgz\"/></project>"),
    )?;
    case.file(
        "package.json",
        r#"{"name":"test","version":"1.0.0","dependencies":{"express":"^4.21.0","webpack":"^5.90.0"}}"#,
    )?;
    case.file(
        "Cargo.toml",
        "[package]\nname = \"test\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n[dependencies]\nserde = \"1\"\nregex = \"1\"\n",
    )?;
    case.file("lib.rs", "")?;
    // Only what they put there: the system around it is more than a gigabyte.
    let dockerfile = format!(
        "FROM {} AS work\n\
         RUN pip install --break-system-packages flask requests\n\
         WORKDIR /npm\nCOPY package.json .\nRUN npm install --package-lock-only\nRUN npm ci\n\
         WORKDIR /cargo\nCOPY Cargo.toml lib.rs ./\nRUN cargo fetch\n\
         RUN curl -fsSL {package} | tar xz -C /opt\n\
         RUN mkdir /got && wget -nv -O /got/wget.tgz {package}\n\
         RUN git clone {} /got/clone && rm -rf /got/clone/.git\n\
         COPY build.xml /\nRUN ant -q -f /build.xml\n\
         RUN curl -fsSLo /got/file {file} && chmod 777 /got\n\
         USER 1000:1000\nWORKDIR /got\nRUN curl -fsSLO {package} && wget -q -O again {package}\n\
         FROM scratch\nCOPY --from=work /npm /npm\nCOPY --from=work /cargo /cargo\nCOPY --from=work /root /root\n\
         COPY --from=work /usr/local /usr/local\nCOPY --from=work /opt /opt\nCOPY --from=work /got /got\nCOPY --from=work /dev /dev\n\
         COPY --from=work /tmp /tmp\nCOPY --from=work /etc /etc\n",
        base.tagged(),
        repository.url,
    );
    let files = same(case, &dockerfile, || {
        case.git(&[("file", b"second")])?;
        case.bench.web.put("/packages/file", b"second");
        Ok(())
    })?;
    for path in [
        "npm/node_modules/express/package.json",
        "opt/package/package.json",
        "got/ant.tgz",
        "got/wget.tgz",
        "got/clone/file",
        "got/file",
        "got/again",
    ] {
        assert!(files.contains_key(path), "{path} is not there");
    }
    Ok(())
}

/// A step that has no authorities at all, installs them, and needs them at once.
fn authorities(case: &Case) -> Result<()> {
    let base = debian(case, "debian", &[])?;
    case.policy(&rules(&base))?;
    let npm = configured(&["npm", "config", "get", "registry"])?;
    let dockerfile = format!(
        "FROM {} AS work\n\
         RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates wget \
         && wget -nv -O /file.tgz {npm}/is-number/-/is-number-7.0.0.tgz\n\
         FROM scratch\nCOPY --from=work /file.tgz /\nCOPY --from=work /etc/ssl /etc/ssl\n",
        base.tagged()
    );
    let files = same(case, &dockerfile, || Ok(()))?;
    assert!(
        files.contains_key("file.tgz") && files.contains_key("etc/ssl/certs/ca-certificates.crt")
    );
    Ok(())
}
