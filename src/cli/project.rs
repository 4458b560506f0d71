//! A Dockerfile on this machine with the files beside it, walked through the pipeline without any network.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{CannotRun, args::BuildArgs};
use crate::{
    bounded,
    dockerfile::Dockerfile,
    fetch::Platform,
    lock::{Evidence, Lock},
    pipeline::{self, Build, Outcome},
    policy::{Layer, LocalFolder, Policy},
    report::{Finding, list, steps, text},
    resolve::Offline,
};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;
/// How deep folders are searched.
const MAX_DEPTH: usize = 64;

/// A Dockerfile and what is beside it.
#[derive(Debug)]
pub struct Project {
    /// The path as given.
    pub name: String,
    /// The Dockerfile.
    pub bytes: Vec<u8>,
    folder: PathBuf,
    beside: BTreeMap<String, Vec<u8>>,
    organisation: Option<(PathBuf, Vec<u8>)>,
    build: BuildArgs,
}

/// What came of it.
#[derive(Debug)]
pub struct Checked {
    /// `None` if the Dockerfile or a file beside it cannot be read.
    pub outcome: Option<Outcome>,
    /// Everything that stops a build.
    pub findings: Vec<Finding>,
    /// What is fixed; empty if it could not be read.
    pub lock: Lock,
}

/// The Dockerfiles that `paths` name: files as they are, of folders every file below that is called `Dockerfile`,
/// `Containerfile`, `Dockerfile.*` or `*.Dockerfile` (also in lower case), `Dockerfile-*` or `Dockerfile_*`, sorted.
///
/// # Errors
/// A path that is not there or cannot be listed.
pub fn dockerfiles(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CannotRun> {
    let mut found = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| CannotRun::new(path.display(), error))?;
        if metadata.is_dir() {
            let before = found.len();
            walk(path, 0, &mut found)?;
            if found.len() == before {
                return Err(CannotRun::new(
                    path.display(),
                    "there is no Dockerfile below this folder",
                ));
            }
        } else {
            found.push(path.clone());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), CannotRun> {
    if depth > MAX_DEPTH {
        return Err(CannotRun::new(
            folder.display(),
            format!("more than {MAX_DEPTH} folders deep"),
        ));
    }
    let entries = fs::read_dir(folder).map_err(|error| CannotRun::new(folder.display(), error))?;
    for entry in entries {
        let entry = entry.map_err(|error| CannotRun::new(folder.display(), error))?;
        // Links are not followed: a loop would never end.
        let kind = entry
            .file_type()
            .map_err(|error| CannotRun::new(entry.path().display(), error))?;
        let name = entry.file_name();
        if kind.is_dir() && name != ".git" {
            walk(&entry.path(), depth.saturating_add(1), found)?;
        } else if kind.is_file() && is_dockerfile(&name.to_string_lossy()) {
            found.push(entry.path());
        }
    }
    Ok(())
}

fn is_dockerfile(name: &str) -> bool {
    // What lies beside one, is text about one, is to become one, or is a copy that an editor or a patch left.
    const SIDE: [&str; 13] = [
        "lock",
        "evidence",
        "dockerignore",
        "md",
        "rst",
        "j2",
        "jinja",
        "tmpl",
        "template",
        "orig",
        "rej",
        "bak",
        "swp",
    ];
    // Code that reads them: `dockerfile.go`. `Dockerfile.go` is one, for Go.
    const CODE: [&str; 6] = ["rs", "go", "py", "js", "ts", "rb"];
    // `Dockerfile-windows`, `Dockerfile_test`; but `dockerfile-lint` is a program, and `Dockerfile_parser.py` is none of it.
    let rest = ["Dockerfile", "Containerfile"]
        .iter()
        .find_map(|start| name.strip_prefix(start));
    if let Some(rest) = rest.filter(|rest| rest.starts_with(['-', '_'])) {
        return rest
            .split('.')
            .skip(1)
            .all(|part| part.starts_with(|first: char| first.is_ascii_digit()));
    }
    let lower = name.to_ascii_lowercase();
    match lower.split_once('.') {
        None => matches!(lower.as_str(), "dockerfile" | "containerfile"),
        Some(("dockerfile" | "containerfile", rest)) => {
            let is_code =
                CODE.contains(&rest) && name.starts_with(|c: char| c.is_ascii_lowercase());
            let last = rest.rsplit('.').next();
            !is_code && !last.is_some_and(|extension| SIDE.contains(&extension))
        }
        Some(_) => lower.ends_with(".dockerfile"),
    }
}

impl Project {
    /// Reads a Dockerfile and what is beside it.
    ///
    /// # Errors
    /// A file that is there and cannot be read, or a Dockerfile that is not there.
    pub fn open(path: &Path, build: &BuildArgs) -> Result<Self, CannotRun> {
        let name = path.display().to_string();
        let bytes = read(path)?.ok_or_else(|| CannotRun::new(&name, "there is no such file"))?;
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut beside = BTreeMap::new();
        for (kind, file) in [
            ("policy", folder.join("verified.toml")),
            ("lock", with_suffix(path, ".lock")),
            ("evidence", with_suffix(path, ".evidence")),
        ] {
            // Something that never ends, or never begins, would hold up whoever checks a foreign folder.
            if fs::metadata(&file).is_ok_and(|metadata| !metadata.is_file()) {
                return Err(CannotRun::new(file.display(), "it is not a regular file"));
            }
            if let Some(bytes) = read(&file)? {
                beside.insert(kind.to_owned(), bytes);
            }
        }
        let organisation = organisation(build)?;
        Ok(Self {
            name,
            bytes,
            folder,
            beside,
            organisation,
            build: build.clone(),
        })
    }

    /// The Dockerfile `text`, which is in no file, with the policy of `folder` and without a lock.
    ///
    /// # Errors
    /// As [`Project::open`].
    pub fn of_text(folder: &Path, text: String, build: &BuildArgs) -> Result<Self, CannotRun> {
        let mut beside = BTreeMap::new();
        if let Some(bytes) = read(&folder.join("verified.toml"))? {
            beside.insert("policy".to_owned(), bytes);
        }
        Ok(Self {
            name: "what was asked for".to_owned(),
            bytes: text.into_bytes(),
            folder: folder.to_path_buf(),
            beside,
            organisation: organisation(build)?,
            build: build.clone(),
        })
    }

    fn file(&self, kind: &str) -> String {
        match kind {
            "policy" => self.folder.join("verified.toml").display().to_string(),
            other => format!("{}.{other}", self.name),
        }
    }

    /// What there is to say about the RUN steps of what was `checked`.
    #[must_use]
    pub fn steps(&self, checked: &Checked) -> Vec<Finding> {
        match (&checked.outcome, Dockerfile::parse(&self.bytes)) {
            (Some(outcome), Ok(dockerfile)) => {
                let recorded = self.recorded();
                steps::findings(&self.name, &dockerfile, &outcome.platforms, &recorded)
            }
            _ => Vec::new(),
        }
    }

    /// The steps that the lock has a recording of, by what recordings call them.
    fn recorded(&self) -> BTreeSet<String> {
        let lock = self
            .beside
            .get("lock")
            .and_then(|bytes| Lock::parse(bytes, &self.file("lock")).ok());
        lock.iter()
            .flat_map(Lock::runs)
            .map(|recording| recording.command.clone())
            .collect()
    }

    /// `findings` for people, each with the lines of the file that it is about; with colours if `colour`.
    #[must_use]
    pub fn render(&self, findings: &[Finding], colour: bool) -> String {
        findings
            .chunk_by(|one, next| one.file == next.file)
            .filter_map(|about| Some(text::render(about, self.source_of(about.first()?), colour)))
            .collect()
    }

    /// The same, a line each.
    #[must_use]
    pub fn list(&self, findings: &[Finding], colour: bool) -> String {
        findings
            .chunk_by(|one, next| one.file == next.file)
            .filter_map(|about| Some(list::render(about, self.source_of(about.first()?), colour)))
            .collect()
    }

    /// The text of the file that `finding` is about.
    fn source_of(&self, finding: &Finding) -> &[u8] {
        if let Some((path, bytes)) = &self.organisation
            && path.display().to_string() == finding.file
        {
            return bytes;
        }
        let kind = ["policy", "lock", "evidence"]
            .into_iter()
            .find(|kind| self.file(kind) == finding.file);
        kind.and_then(|kind| self.beside.get(kind))
            .unwrap_or(&self.bytes)
    }

    /// The text of the file `kind` beside the Dockerfile (`policy`, `lock`, `evidence`), if there is one.
    #[must_use]
    pub fn beside(&self, kind: &str) -> Option<&[u8]> {
        self.beside.get(kind).map(Vec::as_slice)
    }

    /// The path of that file.
    #[must_use]
    pub fn path_beside(&self, kind: &str) -> PathBuf {
        self.file(kind).into()
    }

    /// Reads everything that a build is made of.
    ///
    /// # Errors
    /// An option that cannot be read. The finding: a file that cannot.
    pub fn inputs(&self) -> Result<Result<Inputs<'_>, Finding>, CannotRun> {
        let mut layers = Vec::new();
        if let Some((path, bytes)) = &self.organisation {
            let folder = LocalFolder::new(parent(path));
            match Layer::parse(bytes, &path.display().to_string(), &folder) {
                Ok(layer) => layers.push(layer),
                Err(error) => return Ok(Err(error.into())),
            }
        }
        if let Some(bytes) = self.beside.get("policy") {
            let folder = LocalFolder::new(parent(&self.folder.join("verified.toml")));
            match Layer::parse(bytes, &self.file("policy"), &folder) {
                Ok(layer) => layers.push(layer),
                Err(error) => return Ok(Err(error.into())),
            }
        }
        let lock = match self
            .beside
            .get("lock")
            .map(|bytes| Lock::parse(bytes, &self.file("lock")))
        {
            None => Lock::default(),
            Some(Ok(lock)) => lock,
            Some(Err(error)) => return Ok(Err(error.into())),
        };
        let evidence = match self
            .beside
            .get("evidence")
            .map(|bytes| Evidence::parse(bytes, &self.file("evidence")))
        {
            None => Evidence::default(),
            Some(Ok(evidence)) => evidence,
            Some(Err(error)) => return Ok(Err(error.into())),
        };
        let own = Platform::new("linux", architecture(), "").normalize();
        let platforms = platforms(&self.build.platform, &own)?;
        let dockerfile = match Dockerfile::parse(&self.bytes) {
            Ok(dockerfile) => dockerfile,
            Err(error) => return Ok(Err(pipeline::unreadable(&self.name, &error.into()))),
        };
        Ok(Ok(Inputs {
            policy: Policy::new(layers),
            lock,
            evidence,
            dockerfile,
            platforms,
            build_platform: own,
            build_args: build_args(&self.build.build_args),
            contexts: contexts(&self.build.contexts)?,
        }))
    }

    /// What is to be built of it.
    #[must_use]
    pub fn build<'a>(&'a self, inputs: &'a Inputs<'a>) -> Build<'a> {
        Build {
            file: &self.name,
            bytes: &self.bytes,
            dockerfile: &inputs.dockerfile,
            target: self.build.target.as_deref(),
            platforms: &inputs.platforms,
            build_platform: &inputs.build_platform,
            build_args: &inputs.build_args,
            contexts: &inputs.contexts,
            policy: &inputs.policy,
            lock: &inputs.lock,
            evidence: &inputs.evidence,
            locked: inputs.policy.locked(),
            checks_git: true,
            now: Timestamp::now(),
        }
    }

    /// Walks the pipeline, asking nobody.
    ///
    /// # Errors
    /// An option that cannot be read.
    pub fn check(&self) -> Result<Checked, CannotRun> {
        self.walk(|build| Ok(vec![build.target.map(str::to_owned)]))
    }

    /// The same for all that can be built, unless a target was named.
    ///
    /// # Errors
    /// An option that cannot be read.
    pub fn check_all(&self) -> Result<Checked, CannotRun> {
        self.walk(pipeline::targets)
    }

    fn walk(
        &self,
        targets: impl Fn(&Build<'_>) -> Result<Vec<Option<String>>, Box<Finding>>,
    ) -> Result<Checked, CannotRun> {
        let refused = |finding: Finding| Checked {
            outcome: None,
            findings: vec![finding],
            lock: Lock::default(),
        };
        let inputs = match self.inputs()? {
            Ok(inputs) => inputs,
            Err(finding) => return Ok(refused(finding)),
        };
        let build = self.build(&inputs);
        let targets = match targets(&build) {
            Ok(targets) => targets,
            Err(finding) => return Ok(refused(*finding)),
        };
        let (mut all, mut findings) = (None, Vec::new());
        let runtime = runtime()?;
        for target in &targets {
            let build = Build {
                target: target.as_deref(),
                ..build
            };
            match runtime.block_on(pipeline::run(&build, &Offline)) {
                Ok(outcome) => {
                    findings.extend(outcome.findings);
                    let platforms = outcome.platforms;
                    all.get_or_insert_with(Vec::new).extend(platforms);
                }
                Err(error) => findings.push(pipeline::unreadable(&self.name, &error)),
            }
        }
        let mut seen = BTreeSet::new();
        findings.retain(|finding: &Finding| seen.insert(finding.clone()));
        findings.sort_by_key(|finding| finding.place.as_ref().map(|place| place.first_line));
        let outcome = all.map(|platforms| Outcome {
            platforms,
            findings: findings.clone(),
        });
        Ok(Checked {
            outcome,
            findings,
            lock: inputs.lock,
        })
    }
}

/// Everything that a build is made of, read.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// All layers.
    pub policy: Policy,
    /// Empty if there is none.
    pub lock: Lock,
    /// Empty if there is none.
    pub evidence: Evidence,
    /// The Dockerfile.
    pub dockerfile: Dockerfile<'a>,
    /// The platforms to build for.
    pub platforms: Vec<Platform>,
    /// This machine's.
    pub build_platform: Platform,
    /// `--build-arg`.
    pub build_args: BTreeMap<String, String>,
    /// `--build-context`.
    pub contexts: BTreeMap<String, String>,
}

/// What drives the pipeline: one thread, and others for work that blocks.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, CannotRun> {
    tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(256)
        .build()
        .map_err(|error| CannotRun::new("the runtime", error))
}

/// The file of `--policy`.
fn organisation(build: &BuildArgs) -> Result<Option<(PathBuf, Vec<u8>)>, CannotRun> {
    let Some(path) = &build.policy else {
        return Ok(None);
    };
    let bytes =
        read(path)?.ok_or_else(|| CannotRun::new(path.display(), "there is no such file"))?;
    Ok(Some((path.clone(), bytes)))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// All of a file; `None` if it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, CannotRun> {
    let cannot = |error: &dyn std::fmt::Display| CannotRun::new(path.display(), error);
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(&error)),
    };
    let bytes = bounded::read(file, MAX_FILE).map_err(|error| cannot(&error))?;
    Ok(Some(bytes))
}

/// The name that images use for this machine's processor.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn platforms(written: &[String], own: &Platform) -> Result<Vec<Platform>, CannotRun> {
    if written.is_empty() {
        return Ok(vec![own.clone()]);
    }
    written
        .iter()
        .map(|text| Platform::parse(text, own).map(|platform| platform.normalize()))
        .collect::<Result<_, _>>()
        .map_err(|error| CannotRun::new("--platform", error))
}

/// `KEY=VALUE`, or `KEY` with the value that the environment has, as buildx takes them.
pub(super) fn build_args(written: &[String]) -> BTreeMap<String, String> {
    written
        .iter()
        .filter_map(|arg| match arg.split_once('=') {
            Some((key, value)) => Some((key.to_owned(), value.to_owned())),
            None => Some((arg.clone(), std::env::var(arg).ok()?)),
        })
        .collect()
}

/// `NAME=VALUE`, in the form in which buildx hands them on: what is no URL is a folder.
fn contexts(written: &[String]) -> Result<BTreeMap<String, String>, CannotRun> {
    written
        .iter()
        .map(|context| {
            let (name, value) = context.split_once('=').ok_or_else(|| {
                CannotRun::new("--build-context", format!("{context:?} is not NAME=VALUE"))
            })?;
            let known = [
                "docker-image://",
                "oci-layout://",
                "https://",
                "http://",
                "git://",
                "ssh://",
                "git@",
                "target:",
            ];
            let value = if known.iter().any(|scheme| value.starts_with(scheme)) {
                value.to_owned()
            } else {
                format!("local:{name}")
            };
            Ok((name.to_owned(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockerfiles_are_known_by_their_names() {
        for name in [
            "Dockerfile",
            "dockerfile",
            "Containerfile",
            "Dockerfile.dev",
            "app.Dockerfile",
            "web.dockerfile",
            "Dockerfile-windows",
            "Dockerfile_test",
            "Containerfile-3.12",
            "Dockerfile.go",
            "dockerfile.dev",
        ] {
            assert!(is_dockerfile(name), "{name}");
        }
        for name in [
            "Dockerfile.lock",
            "Dockerfile.dev.evidence",
            "Dockerfile.dockerignore",
            "Dockerfile-windows.lock",
            "Dockerfile_parser.py",
            "dockerfile-lint",
            "dockerfile.rs",
            "Dockerfile.md",
            "Dockerfile.j2",
            "Dockerfile.orig",
            "MyDockerfile",
            "x.toml",
        ] {
            assert!(!is_dockerfile(name), "{name}");
        }
    }

    #[test]
    fn contexts_are_handed_on_as_buildx_does() {
        let contexts = contexts(&["a=docker-image://x".into(), "b=../lib".into()]).unwrap();
        assert_eq!(contexts["a"], "docker-image://x");
        assert_eq!(contexts["b"], "local:b");
        assert!(super::contexts(&["a".into()]).is_err());
    }
}
