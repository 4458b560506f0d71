//! What a build fetches and runs: the result of [`collect`](super::collect).

use std::collections::{BTreeMap, BTreeSet};

use super::platform::Platform;
use crate::{dockerfile::Span, reference::ImageReference};

/// What decides, besides the Dockerfile, which stages are built and how words expand. One platform at a time.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--target`; `None` is the last stage.
    pub target: Option<String>,
    /// The platform to build for (`TARGETPLATFORM`).
    pub platform: Platform,
    /// The platform that builds (`BUILDPLATFORM`).
    pub build_platform: Platform,
    /// `--build-arg`: the options `build-arg:NAME` without that prefix.
    pub build_args: BTreeMap<String, String>,
    /// Names of the contexts given with `--build-context`: the options `context:KEY` without that prefix, so either
    /// `alpine:3.20` or, for one platform only, `alpine:3.20::linux/arm64`.
    pub named_contexts: BTreeSet<String>,
}

/// A base whose configuration a build depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// An image in a registry.
    Image {
        /// Normalised, with a tag or a digest.
        reference: ImageReference,
        /// For which platform.
        platform: Platform,
    },
    /// A named context, by the key under which it was found in [`Options::named_contexts`].
    Context(String),
}

/// The part of an image's configuration that a Dockerfile built upon it sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// `os`; decides the default shell. Empty counts as Linux.
    pub os: String,
    /// `config.Env`, `NAME=value`.
    pub env: Vec<String>,
    /// `config.OnBuild`: instructions that run first in a stage built upon the image.
    pub onbuild: Vec<String>,
    /// `config.Shell`, empty when not set.
    pub shell: Vec<String>,
    /// `config.WorkingDir`, empty when not set.
    pub working_dir: String,
    /// Whether the image has no layers; BuildKit then starts from an empty root and loads nothing.
    pub layerless: bool,
}

/// The configurations known so far. [`collect`](super::collect) reports in [`Plan::missing`] what else it needs.
#[derive(Clone, Debug, Default)]
pub struct Configs {
    /// Known configurations.
    pub known: BTreeMap<Base, ImageConfig>,
    /// What to assume of every other base, which is then not missing. For tests against recorded outcomes.
    pub assumed: Option<ImageConfig>,
}

/// Everything that building one target for one platform fetches and runs.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The name of the stage that is built, lower-cased; empty for an unnamed last stage.
    pub target: String,
    /// The names of the stages that it reaches, itself among them, lower-cased.
    pub stages: BTreeSet<String>,
    /// Every remote fetch that the target reaches, one per place, in the order of BuildKit's stages.
    pub fetches: Vec<Fetch>,
    /// Every RUN in the file and in reached triggers, also of stages that the target doesn't reach.
    pub runs: Vec<RunStep>,
    /// Bases whose configuration (variables, triggers, shell) the result depends on and which are not in [`Configs`].
    /// Not empty means: `fetches` and `runs` are preliminary, learn these and collect again.
    pub missing: Vec<Base>,
    /// Keys of the named contexts that were used.
    pub contexts: BTreeSet<String>,
    /// Whether the target reads the build context.
    pub local_context: bool,
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index into [`Dockerfile::instructions`](crate::dockerfile::Dockerfile::instructions).
    pub instruction: usize,
    /// First and last line of that instruction, 1-based.
    pub lines: (usize, usize),
    /// The bytes of the reference as written (the instruction for a [`RunStep`]). For something inside a trigger of a
    /// base image it is the FROM that brings it in.
    pub span: Span,
    /// Set when it came from an ONBUILD trigger.
    pub trigger: Option<Trigger>,
}

/// The ONBUILD trigger that brought something in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The instruction as BuildKit runs it, without `ONBUILD`.
    pub text: String,
    /// The base image that carries it; `None` when it is an ONBUILD instruction of this file, which [`Place`] then names.
    pub base: Option<Base>,
}

/// Which construct fetches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `FROM image`.
    From,
    /// `COPY --from=image`.
    CopyFrom,
    /// `RUN --mount=from=image`.
    MountFrom,
    /// `ADD URL` or `ADD git`.
    Add,
}

/// One remote fetch at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Which construct.
    pub origin: Origin,
    /// Where.
    pub place: Place,
    /// The stage it belongs to: its name, or `stage-N` with its index.
    pub stage: String,
    /// The reference after expansion, as BuildKit takes it.
    pub expanded: String,
    /// What is fetched.
    pub source: Source,
    /// How to pin it in the text. `None` when it isn't in the text (trigger of a base image) or nothing is needed.
    pub edit: Option<Edit>,
    /// Whether its bytes are in the target's LLB. `false`: BuildKit reads only its configuration (for example the
    /// `from` of a tmpfs mount), but it still asks the registry for it.
    pub loaded: bool,
}

/// What is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An image in a registry: `docker-image://`.
    Image {
        /// Normalised, with a tag or a digest.
        reference: ImageReference,
        /// For which platform.
        platform: Platform,
    },
    /// A file: `http://` or `https://`.
    Http {
        /// As BuildKit passes it on.
        url: String,
        /// `--checksum`, after expansion; a valid digest.
        checksum: Option<String>,
    },
    /// A repository: `git://` with `git.fullurl`.
    Git(GitSource),
    /// A named context stands in for the reference. What it is says the option `context:KEY`.
    Context {
        /// Key in [`Options::named_contexts`].
        key: String,
        /// For which platform.
        platform: Platform,
    },
}

/// A git repository as BuildKit's `llb.Git` takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitSource {
    /// The remote without fragment and query, normalised (`git.fullurl`).
    pub remote: String,
    /// The LLB identifier: `git://host/path#ref:subdir`.
    pub identifier: String,
    /// Branch, tag or commit; empty is the default branch.
    pub reference: String,
    /// Directory in the repository, or empty (`git.subdir`).
    pub subdir: String,
    /// Expected commit, from `--checksum` or the query (`git.checksum`); a prefix is enough for BuildKit.
    pub checksum: Option<String>,
    /// Whether `.git` is kept (`git.keepgitdir`).
    pub keep_git_dir: bool,
    /// Whether submodules are skipped (`git.skipsubmodules`).
    pub skip_submodules: bool,
    /// Whether the commit is fetched without asking the remote for the reference (`git.fetchbycommit`).
    pub fetch_by_commit: bool,
}

/// How a fetch is pinned by inserting text into the original file. All offsets are bytes of that file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Insert `@algorithm:hex` here, right behind the reference (before its closing quote, if that belongs to a flag).
    Digest {
        /// Offset of the insertion.
        at: usize,
    },
    /// An ADD.
    Add(AddEdit),
}

/// The parts of an ADD that a pin needs. All offsets are bytes of the original file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddEdit {
    /// Right behind the keyword: insert ` --checksum=…` here.
    pub flags_at: usize,
    /// Every source, in order; in JSON form with the quotes.
    pub sources: Vec<Span>,
    /// Which of them this fetch is.
    pub index: usize,
    /// The destination; in JSON form with the quotes.
    pub destination: Span,
    /// Whether the words are a JSON array.
    pub json: bool,
    /// Whether the instruction has exactly one source; only then BuildKit takes `--checksum`.
    pub single: bool,
    /// An existing `--checksum` flag as written, with its span.
    pub checksum: Option<Span>,
}

/// The network of a RUN step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// None given, or `default`.
    Default,
    /// `--network=none`.
    None,
    /// `--network=host`.
    Host,
}

/// One RUN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStep {
    /// Where; its span is the whole instruction.
    pub place: Place,
    /// The stage it belongs to: its name, or `stage-N` with its index.
    pub stage: String,
    /// Whether it is part of the target's LLB.
    pub reachable: bool,
    /// Right behind the keyword: insert ` --network=none` here. `None` in a trigger of a base image.
    pub flags_at: Option<usize>,
    /// The network that BuildKit gives it.
    pub network: Network,
    /// The `--network` flag as written, if there is one.
    pub network_flag: Option<Span>,
    /// Whether `--security=insecure` is asked for.
    pub insecure: bool,
    /// The `--security` flag as written, if there is one.
    pub security_flag: Option<Span>,
    /// Its mounts, in order. Of a step that is not reachable they may hold unexpanded variables.
    pub mounts: Vec<RunMount>,
    /// CDI devices (`--device`) by name.
    pub devices: Vec<String>,
    /// The command as it stands in the LLB: in shell form the shell, its option and the text.
    pub argv: Vec<String>,
    /// A script that BuildKit puts at `argv[0]` (a heredoc that begins with `#!`).
    pub script: Option<String>,
    /// What is known of the variables that the command names, and of those that tools look for ([`crate::shell`]). None of a
    /// step that is not reachable.
    pub variables: BTreeMap<String, String>,
}

/// What a mount of a RUN step mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountKind {
    /// Files of the build context, a stage or an image.
    Bind,
    /// A directory kept from build to build.
    Cache,
    /// Memory.
    Tmpfs,
    /// A file or variable given by the client.
    Secret,
    /// The client's SSH agent.
    Ssh,
}

/// A mount of a RUN step, expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunMount {
    /// What.
    pub kind: MountKind,
    /// `from`: stage or image; empty is the build context (nothing for a cache).
    pub from: String,
    /// `source` as written, or empty.
    pub source: String,
    /// `target` as written, or empty.
    pub target: String,
    /// `id`: of the cache, the secret or the SSH agent; empty when not given.
    pub id: String,
    /// Whether it can only be read.
    pub read_only: bool,
    /// The variable that holds the secret, for a secret given that way; empty is one named like the secret.
    pub env: Option<String>,
}
