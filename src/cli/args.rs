//! The command line as it is typed. What the options mean is what they mean to `docker buildx build`.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Pins and verifies everything a Dockerfile fetches, and fails on anything unverifiable.
#[derive(Debug, Parser)]
#[command(name = "verified-dockerfile", version, about, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Colours: on a terminal only, always or never.
    #[arg(long, global = true, value_enum)]
    pub color: Option<When>,
    /// A file with defaults for options: policy, platform, color.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "VERIFIED_DOCKERFILE_CONFIG"
    )]
    pub config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  verified-dockerfile diff                          what a build would change in ./Dockerfile
  verified-dockerfile check services/               every Dockerfile below a folder
  verified-dockerfile check --format json           for machines; also sarif, github
  verified-dockerfile check --explain VD012         about a kind of finding
  verified-dockerfile explain --platform linux/arm64
  verified-dockerfile rewrite > Dockerfile.pinned   buildable without this frontend

In a build, put this line on top of the Dockerfile:
  # syntax=REGISTRY/org/verified-dockerfile
or leave the file as it is:
  docker buildx build --build-arg BUILDKIT_SYNTAX=REGISTRY/org/verified-dockerfile .

Environment: VERIFIED_DOCKERFILE_POLICY is --policy, VERIFIED_DOCKERFILE_CONFIG is --config, VERIFIED_DOCKERFILE_FRONTEND is --frontend
of lock and record; NO_COLOR, COLUMNS.

Exit codes: 0 clean, 1 findings, 2 could not run.";

const BUNDLE_EXAMPLES: &str = "\
Examples:
  verified-dockerfile verify-bundle --certificate-identity NAME@example.com \\
    --certificate-oidc-issuer https://issuer.example.com tool.tar.gz
  verified-dockerfile verify-bundle --key team.pub --bundle tool.bundle sha256:DIGEST

The bundle is tool.tar.gz.sigstore.json unless --bundle names another. Without --trusted-root the roots are those of
Sigstore's public-good instance, as they were when this program was built.

Exit codes: 0 it holds, 1 it does not, 2 could not run.";

/// The subcommands; one file each.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the unified diff from each Dockerfile to what would be built.
    Diff(DiffArgs),
    /// Print the rewritten Dockerfile, buildable by stock BuildKit.
    Rewrite(super::rewrite::RewriteArgs),
    /// Verify every fetch against policy and lock.
    Check(CheckArgs),
    /// List every fetch: line, what, pin, rule, proof.
    Explain(ExplainArgs),
    /// Fix what is not in the lock, with the proof of it; renew what is; record RUN steps that download.
    Lock(super::lock::LockArgs),
    /// Propose a policy: find out how each publisher signs, and what RUN steps check themselves.
    Init(super::init::InitArgs),
    /// Verify one image, file, URL or git reference against the policy.
    Verify(super::verify::VerifyArgs),
    /// Run the steps once with the network, and record what they download, by docker buildx.
    Record(super::record::RecordArgs),
    /// Verify one Sigstore bundle for a file or digest.
    #[command(after_help = BUNDLE_EXAMPLES)]
    VerifyBundle(VerifyBundleArgs),
    /// Print the completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, of all or of one command.
    Man {
        /// Which command.
        #[arg(value_name = "COMMAND")]
        of: Option<String>,
    },
    /// Run inside a build step; not for people.
    #[command(hide = true)]
    Internal(InternalArgs),
}

/// Options of the build that decide what a Dockerfile fetches.
#[derive(Debug, Clone, Default, Args)]
pub struct BuildArgs {
    /// Set a build argument, or take it from the environment: KEY[=VALUE].
    #[arg(long = "build-arg", value_name = "KEY[=VALUE]")]
    pub build_args: Vec<String>,
    /// The stage to build; else the last one (check, lock and init: every one that could be built).
    #[arg(long)]
    pub target: Option<String>,
    /// The platforms to build for, comma-separated.
    #[arg(long, value_delimiter = ',', value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Vec<String>,
    /// A named context: NAME=VALUE.
    #[arg(long = "build-context", value_name = "NAME=VALUE")]
    pub contexts: Vec<String>,
    /// An organisation's policy, in force beside each project's own verified.toml.
    #[arg(long, value_name = "FILE", env = "VERIFIED_DOCKERFILE_POLICY")]
    pub policy: Option<PathBuf>,
}

impl Command {
    /// The options of the build, if the command has them.
    pub fn build_mut(&mut self) -> Option<&mut BuildArgs> {
        match self {
            Self::Diff(args) => Some(&mut args.build),
            Self::Rewrite(args) => Some(&mut args.build),
            Self::Check(args) => Some(&mut args.build),
            Self::Explain(args) => Some(&mut args.build),
            Self::Lock(args) => Some(&mut args.build),
            Self::Init(args) => Some(&mut args.build),
            Self::Record(args) => Some(&mut args.build),
            _ => None,
        }
    }
}

/// `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Dockerfiles, or folders with Dockerfiles below.
    #[arg(value_name = "PATH", default_value = "Dockerfile")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub build: BuildArgs,
    /// Exit with 1 if there is a difference.
    #[arg(long)]
    pub exit_code: bool,
    /// Both files beside each other, as wide as the terminal (COLUMNS).
    #[arg(long)]
    pub side_by_side: bool,
}

/// `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Dockerfiles, or folders with Dockerfiles below.
    #[arg(value_name = "PATH", default_value = "Dockerfile")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub build: BuildArgs,
    /// Output format; else excerpts, or a list if there are many findings in several Dockerfiles.
    #[arg(long, value_enum)]
    pub format: Option<CheckFormat>,
    /// Show notes too: what cannot be told. JSON and SARIF always have them.
    #[arg(long)]
    pub notes: bool,
    /// Print the page about a kind of finding, by its code or name, and check nothing.
    #[arg(long, value_name = "CODE")]
    pub explain: Option<String>,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The Dockerfile.
    #[arg(value_name = "PATH", default_value = "Dockerfile")]
    pub path: PathBuf,
    #[command(flatten)]
    pub build: BuildArgs,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// `verify-bundle`.
#[derive(Debug, Args)]
pub struct VerifyBundleArgs {
    /// The bundle; else the file's name with `.sigstore.json` added.
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// Who must have signed: the email address or URI in the certificate.
    #[arg(
        long = "certificate-identity",
        value_name = "IDENTITY",
        requires = "issuer",
        required_unless_present = "key",
        conflicts_with = "key"
    )]
    pub identity: Option<String>,
    /// Who must have vouched for that: the OIDC issuer in the certificate.
    #[arg(
        long = "certificate-oidc-issuer",
        value_name = "URL",
        requires = "identity",
        conflicts_with = "key"
    )]
    pub issuer: Option<String>,
    /// The public key that must have signed, instead of an identity.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The Sigstore instance's trusted_root.json; else the public-good instance, as embedded.
    #[arg(long, value_name = "FILE")]
    pub trusted_root: Option<PathBuf>,
    /// The file, or its digest.
    #[arg(value_name = "FILE_OR_sha256:DIGEST")]
    pub artifact: String,
}

/// Steps of a build that our own image runs.
#[derive(Debug, Args)]
pub struct InternalArgs {
    /// The step.
    #[command(subcommand)]
    pub step: Step,
}

/// What a build step of our own does.
#[derive(Debug, Subcommand)]
pub enum Step {
    /// Write the SHA-256 of a file to another.
    Sha256 {
        /// The file to read.
        file: PathBuf,
        /// The file to write.
        out: PathBuf,
    },
    /// Write the SHA-384 and SHA-512 digests of a file.
    Digests {
        /// The file.
        file: PathBuf,
        /// The file to write.
        out: PathBuf,
    },
    /// Fetch the signatures of an image from its registry.
    FetchSignatures {
        /// `repository@digest`.
        reference: String,
        /// The file to write.
        out: PathBuf,
    },
    /// Fetch BuildKit's attestations about an image, and their signatures.
    FetchAttestations {
        /// `repository@digest`.
        reference: String,
        /// The file to write.
        out: PathBuf,
    },
    /// Check signatures over a file's bytes.
    CheckSignatures {
        /// The file.
        file: PathBuf,
        /// What is to be checked.
        request: PathBuf,
        /// The file to write.
        out: PathBuf,
    },
    /// Run a command as the launcher does that records.
    Record {
        /// The folder to fill.
        records: PathBuf,
        /// The step's key.
        step: String,
        /// A folder for what variables of the command name; it is made and removed.
        settings: PathBuf,
        /// The command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Run a command as the launcher does that replays.
    Replay {
        /// The folder with the recording and its bodies.
        from: PathBuf,
        /// A folder for what variables of the command name; it is made and removed.
        settings: PathBuf,
        /// The command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Make the folder that a replayed step gets: its recording, and the bodies of it, checked.
    ReplayStore {
        /// The recording.
        recording: PathBuf,
        /// The folder of bodies.
        store: PathBuf,
        /// The folder to fill.
        out: PathBuf,
    },
    /// Make the folders of steps that are recorded.
    ReplayFolder {
        /// The folder to fill.
        folder: PathBuf,
        /// Hosts of the build, as NAME=ADDRESS.
        hosts: Vec<String>,
    },
    /// Read the commits that a recorded step was given of a repository.
    ClonedCommits {
        /// Read those that were offered as a tag, too.
        #[arg(long)]
        tags: bool,
        /// The folder with the recording and its bodies.
        folder: PathBuf,
        /// The repository's URL.
        remote: String,
        /// The file to write.
        out: PathBuf,
    },
    /// Read the objects of a commit and of a tag that names it.
    GitObjects {
        /// The folder with `.git`.
        folder: PathBuf,
        /// The commit's id.
        commit: String,
        /// The tag.
        reference: String,
        /// The file to write.
        out: PathBuf,
    },
}

/// An output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// An output format of `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For people: excerpts of the files.
    Text,
    /// For people: a line for each finding.
    List,
    /// An array of findings.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
