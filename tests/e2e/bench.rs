//! What the tests work with: an engine with our image in its registry, and cases with images, keys and builds.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use engine::{
    Engine, Result,
    frontend::{self, Profile},
    image::{Image, Tar},
    process::{Finished, run},
    registry::Registry,
};

use serde_json::Value;

use crate::web::Web;

const BUILD_LIMIT: Duration = Duration::from_secs(300);
/// For builds that download.
pub const DOWNLOAD_LIMIT: Duration = Duration::from_secs(1200);
pub const TOOL_LIMIT: Duration = Duration::from_secs(180);
/// A command that shows in a build's output that it was executed; its own text does not look the same.
pub const EXECUTE: &str = "RUN echo executed-$((6*7))";
const EXECUTED: &str = "executed-42";

/// An engine, and what all tests on it share.
pub struct Bench {
    /// The engine.
    pub engine: Engine,
    /// Its registry.
    pub registry: Registry,
    /// A web server that daemon and build steps reach.
    pub web: Web,
    /// Our image without a policy inside.
    pub frontend: String,
    binary: PathBuf,
    signer: Option<Engine>,
    /// See [`Self::cut_off`].
    cut: OnceLock<std::result::Result<Option<Engine>, String>>,
    busybox: Tar,
    keys: PathBuf,
    /// Different in each run: names of repositories start with it.
    run: String,
    folder: PathBuf,
}

impl Bench {
    /// Puts our image into the registry of `engine`. Where its cosign makes no bundles, that of `signer` does.
    pub fn new(engine: Engine, signer: Option<Engine>) -> Result<Self> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let run = format!("run-{}-{}", process::id(), since.as_secs());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("e2e")
            .join(&engine.name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let (keys, git) = (folder.join("keys"), folder.join("git"));
        fs::create_dir_all(&keys)?;
        fs::create_dir_all(&git)?;
        let registry = Registry::new(&engine.registry);
        let binary = frontend::build(Path::new(env!("CARGO_MANIFEST_DIR")), Profile::EndToEnd)?;
        let repository = format!("{run}/verified-dockerfile");
        registry.push(&repository, "latest", &frontend::image(&binary, None)?)?;
        let bench = Self {
            web: Web::start(engine.address, engine.clone(), git)?,
            frontend: format!("{}/{repository}:latest", engine.registry),
            busybox: engine.busybox()?,
            signer,
            cut: OnceLock::new(),
            registry,
            engine,
            binary,
            keys,
            run,
            folder,
        };
        for name in ["base", "other"] {
            bench.cosign(
                &bench.engine,
                &["generate-key-pair", "--output-key-prefix", name],
            )?;
        }
        Ok(bench)
    }

    /// A new case with an empty folder.
    pub fn case(&self, name: &str) -> Result<Case<'_>> {
        let name = name.replace("::", "-");
        let folder = self.folder.join(&name);
        let case = Case {
            bench: self,
            name,
            folder,
        };
        case.copy_keys("keys")?;
        Ok(case)
    }

    /// The folder of bare git repositories that the web server serves below `/git/`.
    pub fn git_folder(&self) -> PathBuf {
        self.folder.join("git")
    }

    /// The engine whose cosign makes bundles, and which has notation, if there is one.
    pub fn signer(&self) -> &Engine {
        self.signer.as_ref().unwrap_or(&self.engine)
    }

    /// The same kind of engine with the same registry and nothing else that it could reach. The machine's own engine cannot be had so:
    /// there it is itself.
    pub fn cut_off(&self) -> Result<&Engine> {
        let cut = self.cut.get_or_init(|| {
            self.engine
                .cut_off()
                .map_err(|error| format!("no engine without network: {error}"))
        });
        let cut = cut.as_ref().map_err(Clone::clone)?;
        Ok(cut.as_ref().unwrap_or(&self.engine))
    }

    /// Ends what [`Self::cut_off`] started.
    pub fn end(&self) -> Result<()> {
        match self.cut.get() {
            Some(Ok(Some(engine))) => engine.end(),
            _ => Ok(()),
        }
    }

    fn cosign(&self, engine: &Engine, words: &[&str]) -> Result<Finished> {
        let mut command = engine.command("cosign");
        command
            .args(words)
            .current_dir(&self.keys)
            .env("COSIGN_PASSWORD", "");
        run(&mut command, &[], TOOL_LIMIT)?.success()
    }
}

/// The two ways in which cosign attaches signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Under the tag `sha256-<hex>.sig`.
    Tag,
    /// A Sigstore bundle that refers to the image.
    Bundle,
}

/// An image in the registry.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// `host:port/path`.
    pub repository: String,
    /// The path in the registry.
    pub path: String,
    /// `sha256:...` of the manifest or index.
    pub digest: String,
}

impl Pushed {
    /// With the tag `latest`.
    pub fn tagged(&self) -> String {
        format!("{}:latest", self.repository)
    }

    /// The digest as cosign writes it in tags.
    pub fn tag_prefix(&self) -> String {
        self.digest.replace(':', "-")
    }

    /// With the digest.
    pub fn pinned(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }
}

/// A git repository on the web server.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Where it is.
    pub url: String,
    /// The full commit of its branch `main`.
    pub commit: String,
}

/// One test's folder, images and builds.
pub struct Case<'a> {
    /// What it runs on.
    pub bench: &'a Bench,
    pub name: String,
    /// The build context.
    pub folder: PathBuf,
}

impl Case<'_> {
    /// Writes a file of the build context.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.folder.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(path, content)?)
    }

    /// Writes the policy: keys `base` and `other`, and `rules`.
    pub fn policy(&self, rules: &[String]) -> Result<()> {
        self.file("verified.toml", self.policy_text(rules))
    }

    /// A policy with the keys `base` and `other`, and `rules`.
    pub fn policy_text(&self, rules: &[String]) -> String {
        let keys =
            ["base", "other"].map(|name| format!("[keys.{name}]\ncosign = \"keys/{name}.pub\"\n"));
        format!("version = 1\n{}{}", keys.concat(), rules.concat())
    }

    /// Copies the public keys into a folder of the context.
    pub fn copy_keys(&self, folder: &str) -> Result<()> {
        for name in ["base.pub", "other.pub"] {
            self.file(
                &format!("{folder}/{name}"),
                fs::read(self.bench.keys.join(name))?,
            )?;
        }
        Ok(())
    }

    /// Pushes our image with an organisation's policy inside, and gives its reference.
    pub fn frontend_with_policy(&self, policy: &str) -> Result<String> {
        let image = frontend::image(&self.bench.binary, Some(policy.as_bytes()))?;
        Ok(self.push("frontend", &image)?.tagged())
    }

    /// Asks our frontend `request` about `dockerfile`, as `docker buildx build --call` does.
    pub fn call(&self, dockerfile: &str, request: &str) -> Result<Outcome> {
        let word = if self.bench.engine.has_call()? {
            "--call"
        } else {
            "--print"
        };
        self.build(dockerfile)?
            .with(&[&format!("{word}={request}")])
            .run()
    }

    /// Pushes an image with BusyBox in it, unlike that of any other case.
    pub fn base(&self, name: &str) -> Result<Pushed> {
        self.push(name, &self.busybox(name))
    }

    /// Pushes the same image as [`Self::base`] does for `name` into another repository.
    pub fn base_as(&self, name: &str, repository: &str) -> Result<Pushed> {
        self.push(repository, &self.busybox(name))
    }

    /// An image with BusyBox, unlike that of any other case and run.
    pub fn busybox(&self, mark: &str) -> Image {
        let mark = format!("{} {} {mark}\n", self.bench.run, self.name);
        let layer = self
            .bench
            .busybox
            .clone()
            .file("etc/mark", 0o644, mark.as_bytes());
        Image::new()
            .layer(&layer)
            .with("Env", serde_json::json!(["PATH=/bin"]))
    }

    /// Pushes `image` as `name:latest`.
    pub fn push(&self, name: &str, image: &Image) -> Result<Pushed> {
        let path = self.path(name);
        let digest = self.bench.registry.push(&path, "latest", image)?;
        Ok(Pushed {
            repository: format!("{}/{path}", self.bench.engine.registry),
            path,
            digest,
        })
    }

    /// Pushes an image of one layer, the archive `layer`, as `name:latest`.
    pub fn push_file(&self, name: &str, layer: &Path, config: &Value) -> Result<Pushed> {
        let path = self.path(name);
        let digest = self
            .bench
            .registry
            .push_file(&path, "latest", layer, config)?;
        Ok(Pushed {
            repository: format!("{}/{path}", self.bench.engine.registry),
            path,
            digest,
        })
    }

    /// Pushes an index of `images` as `name:latest`.
    pub fn push_index(&self, name: &str, images: &[Image]) -> Result<Pushed> {
        let path = self.path(name);
        let digest = self.bench.registry.push_index(&path, "latest", images)?;
        Ok(Pushed {
            repository: format!("{}/{path}", self.bench.engine.registry),
            path,
            digest,
        })
    }

    /// The path of a repository of this case.
    pub fn path(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.bench.run, self.name.replace('_', "-"))
    }

    /// A file of the context, or of what was exported into it.
    pub fn read(&self, path: &str) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join(path))?)
    }

    /// Signs `image` with `key`.
    pub fn sign(&self, image: &Pushed, key: &str, format: Format) -> Result<()> {
        let (key, reference) = (format!("{key}.key"), image.pinned());
        let signer = self.bench.signer();
        let mut words = vec!["sign", "--key", &key];
        words.extend(signer.sign_words()?);
        match (format, signer.makes_bundles()?) {
            (Format::Tag, true) => words.push("--new-bundle-format=false"),
            (Format::Tag, false) | (Format::Bundle, true) => {}
            (Format::Bundle, false) => return Err("no cosign here can make a bundle".into()),
        }
        words.push(&reference);
        self.bench.cosign(signer, &words)?;
        Ok(())
    }

    /// Pushes an image as [`Self::base`] does, and signs it with the key `base`.
    pub fn signed_base(&self, name: &str, format: Format) -> Result<Pushed> {
        let image = self.base(name)?;
        self.sign(&image, "base", format)?;
        Ok(image)
    }

    /// Makes a git repository with one commit of `files` on its branch `main`, served by the web server.
    pub fn git(&self, files: &[(&str, &[u8])]) -> Result<Repository> {
        let (work, bare) = (
            self.folder.join(".work"),
            self.bench
                .git_folder()
                .join(&self.name)
                .with_extension("git"),
        );
        for (path, content) in files {
            self.file(&format!(".work/{path}"), content)?;
        }
        let git = |words: &[&str]| {
            let mut command = self.bench.engine.command("git");
            command
                .args(["-c", "user.name=test", "-c", "user.email=test@example.com"])
                .args(words);
            run(command.current_dir(&work), &[], TOOL_LIMIT)?.success()
        };
        let bare_path = bare.to_string_lossy();
        if !bare.exists() {
            git(&["init", "--quiet", "--initial-branch=main", "."])?;
            git(&[
                "init",
                "--quiet",
                "--bare",
                "--initial-branch=main",
                &bare_path,
            ])?;
        }
        git(&["add", "--all"])?;
        git(&["commit", "--quiet", "--message=test"])?;
        git(&["push", "--quiet", &bare_path, "main"])?;
        let commit = git(&["rev-parse", "HEAD"])?.stdout.trim().to_owned();
        let url = format!("http://{}/git/{}.git", self.bench.web.host(), self.name);
        Ok(Repository { url, commit })
    }

    /// A build of the context with `Dockerfile`, which is put under a first line that names our frontend.
    pub fn build(&self, dockerfile: &str) -> Result<Build<'_>> {
        let dockerfile = format!("# syntax={}\n{dockerfile}", self.bench.frontend);
        self.build_bytes(dockerfile.as_bytes())
    }

    /// A build of the context with `dockerfile` by the stock frontend.
    pub fn stock(&self, dockerfile: &str) -> Result<Build<'_>> {
        self.build_bytes(dockerfile.as_bytes())
    }

    /// A build of the context with exactly this Dockerfile, through our frontend only if it says so itself.
    pub fn build_bytes(&self, dockerfile: &[u8]) -> Result<Build<'_>> {
        self.file("Dockerfile", dockerfile)?;
        Ok(self.build_of(
            &String::from_utf8_lossy(dockerfile),
            &self.folder.to_string_lossy(),
        ))
    }

    /// A build of some context that has `dockerfile` in it.
    pub fn build_of(&self, dockerfile: &str, context: &str) -> Build<'_> {
        Build {
            case: self,
            engine: &self.bench.engine,
            limit: BUILD_LIMIT,
            dockerfile: dockerfile.to_owned(),
            context: context.to_owned(),
            words: Vec::new(),
            input: Vec::new(),
        }
    }
}

/// A rule that wants a signature by one of `keys` for images that match.
pub fn signed(pattern: &str, keys: &[&str]) -> String {
    format!("[[image]]\nmatch = \"{pattern}\"\nsigned-by = {keys:?}\n")
}

/// A rule of `kind` (image, http, git) that accepts what matches by its digest.
pub fn accept(kind: &str, pattern: &str) -> String {
    format!(
        "[[{kind}]]\nmatch = \"{pattern}\"\naccept = \"digest\"\nreason = \"test\"\nuntil = 2099-01-01\n"
    )
}

/// A rule that gives RUN commands that match something: `network = "allow"` and so on.
pub fn allow(pattern: &str, what: &str) -> String {
    format!("[[run]]\nmatch = {pattern:?}\n{what}\nreason = \"test\"\nuntil = 2099-01-01\n")
}

/// A `docker buildx build` to be run.
pub struct Build<'a> {
    case: &'a Case<'a>,
    engine: &'a Engine,
    limit: Duration,
    dockerfile: String,
    context: String,
    words: Vec<String>,
    input: Vec<u8>,
}

impl<'a> Build<'a> {
    /// Adds words of the command line.
    pub fn with(mut self, words: &[&str]) -> Self {
        self.words
            .extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Runs it on `engine` instead of the one of the tests.
    pub fn on(mut self, engine: &'a Engine) -> Self {
        self.engine = engine;
        self
    }

    /// Gives it time for downloads.
    pub fn patient(mut self) -> Self {
        self.limit = DOWNLOAD_LIMIT;
        self
    }

    /// Gives the build standard input.
    pub fn input(mut self, input: &[u8]) -> Self {
        self.input = input.to_vec();
        self
    }

    /// Runs it.
    pub fn run(self) -> Result<Outcome> {
        let mut command = self.engine.command("docker");
        command
            .args(["buildx", "build", "--progress=plain"])
            .args(&self.words)
            .arg(&self.context);
        command.current_dir(&self.case.folder);
        if self.words.iter().any(|word| word.starts_with("--print")) {
            // An experiment of older clients. Not for all builds: then those would read no standard input.
            command.env("BUILDX_EXPERIMENTAL", "1");
        }
        let Finished {
            status,
            stdout,
            stderr,
        } = run(&mut command, &self.input, self.limit)?;
        Ok(Outcome {
            success: status.success(),
            stdout,
            output: stderr,
            dockerfile: self.dockerfile,
        })
    }
}

/// What a build did.
#[derive(Debug)]
pub struct Outcome {
    /// Whether the exit code is 0.
    pub success: bool,
    /// Standard output, where `--call` prints.
    pub stdout: String,
    /// Standard error: progress and errors.
    pub output: String,
    dockerfile: String,
}

impl Outcome {
    /// Requires that the build succeeded.
    pub fn built(self) -> Result<Self> {
        if self.success {
            return Ok(self);
        }
        Err(format!("was not built:\n{}", self.output).into())
    }

    /// Whether the step called `name` was taken from the cache.
    pub fn is_cached(&self, name: &str) -> bool {
        let step = self
            .output
            .lines()
            .find_map(|line| line.strip_suffix(name)?.trim().strip_prefix('#'));
        step.is_some_and(|number| self.output.contains(&format!("\n#{number} CACHED")))
    }

    /// Requires that the build succeeded, and that [`EXECUTE`] was executed.
    pub fn executed(self) -> Result<Self> {
        let outcome = self.built()?;
        if outcome.output.contains(EXECUTED) {
            return Ok(outcome);
        }
        Err(format!("nothing was executed:\n{}", outcome.output).into())
    }

    /// Requires that the build failed before anything was executed, and says each of `words`.
    pub fn failed(self, words: &[&str]) -> Result<Self> {
        let wrong = if self.success {
            Some("was built".to_owned())
        } else if self.output.contains(EXECUTED) {
            Some("a command was executed".to_owned())
        } else {
            words
                .iter()
                .find(|word| !self.output.contains(**word))
                .map(|word| format!("does not say {word:?}"))
        };
        match wrong {
            None => Ok(self),
            Some(wrong) => Err(format!("{wrong}:\n{}", self.output).into()),
        }
    }

    /// Like [`Self::failed`], and the line that starts with `line`, and only it, is marked in an excerpt.
    pub fn refused(self, line: &str, words: &[&str]) -> Result<Self> {
        let lines = self.dockerfile.lines().zip(1..);
        let wanted: Vec<usize> = lines
            .filter(|(text, _)| text.starts_with(line))
            .map(|(_, number)| number)
            .collect();
        let [wanted] = wanted[..] else {
            return Err(format!(
                "the test's Dockerfile has not one line that starts with {line:?}"
            )
            .into());
        };
        let outcome = self.failed(words)?;
        let marked: Vec<usize> = outcome
            .output
            .lines()
            .filter_map(|text| text.split_once(" | >>>")?.0.trim().parse().ok())
            .collect();
        if marked == [wanted] && outcome.output.contains(&format!(":{wanted}\n")) {
            return Ok(outcome);
        }
        Err(format!(
            "marks the lines {marked:?}, not {wanted}:\n{}",
            outcome.output
        )
        .into())
    }
}
