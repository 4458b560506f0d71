//! `verify`: one artifact against the policy, as a build that fetches it would judge it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;

use super::{
    CannotRun, Clean,
    args::{BuildArgs, Format},
    complain, lock, print,
    progress::Progress,
    project::{self, Project},
};
use crate::{
    pipeline,
    reference::ImageReference,
    report::explain,
    resolve::live::{JOBS, Live},
};

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// An image, a URL of a file, a git repository (REMOTE#REF), or a file here.
    #[arg(value_name = "IMAGE|URL|FILE")]
    pub artifact: String,
    /// For a file here: the URL that it is from. Its rule counts, and signatures beside the file are taken for those beside the URL.
    #[arg(long = "as", value_name = "URL")]
    pub url: Option<String>,
    /// The platform of an image.
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,
    /// The folder whose verified.toml counts.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub project: PathBuf,
    /// An organisation's policy, in force beside the project's own.
    #[arg(long, value_name = "FILE", env = "VERIFIED_DOCKERFILE_POLICY")]
    pub policy: Option<PathBuf>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

pub(super) fn run(args: &VerifyArgs) -> Result<Clean, CannotRun> {
    let progress = Arc::new(Progress::new());
    let live = lock::resolver(JOBS, Arc::clone(&progress))?;
    let text = dockerfile(args, &live)?;
    let build = BuildArgs {
        platform: args.platform.iter().cloned().collect(),
        policy: args.policy.clone(),
        ..BuildArgs::default()
    };
    let project = Project::of_text(&args.project, text, &build)?;
    let inputs = project
        .inputs()?
        .map_err(|finding| CannotRun::new(finding.headline(), finding.next))?;
    let build = pipeline::Build {
        // There is no lock that it could be in.
        locked: false,
        ..project.build(&inputs)
    };
    let outcome = project::runtime()?.block_on(pipeline::run(&build, &live));
    progress.clear();
    let outcome = outcome.map_err(|error| CannotRun::new(&args.artifact, error))?;
    match args.format {
        Format::Text => {
            for built in &outcome.platforms {
                print(explain::text(
                    &crate::shell::redacted(&args.artifact).0,
                    &single(built),
                ))?;
            }
            complain(&project.render(&outcome.findings, false));
        }
        Format::Json => {
            let json = serde_json::to_string_pretty(&explain::json(&args.artifact, &outcome))
                .map_err(|error| CannotRun::new(&args.artifact, error))?;
            print(format!("{json}\n"))?;
        }
    }
    Ok(if outcome.findings.is_empty() {
        Clean::Yes
    } else {
        Clean::No
    })
}

/// The same without findings: they are shown with more of the file.
fn single(built: &pipeline::PlatformOutcome) -> pipeline::Outcome {
    pipeline::Outcome {
        platforms: vec![built.clone()],
        findings: Vec::new(),
    }
}

/// A Dockerfile that fetches the artifact and nothing else.
fn dockerfile(args: &VerifyArgs, live: &Live) -> Result<String, CannotRun> {
    let wrong = |why: &str| CannotRun::new(&args.artifact, why);
    let add = |url: &str| {
        if url.chars().any(|c| c == '$' || c.is_control()) {
            return Err(wrong("a `$` or control character cannot be in it"));
        }
        let json = serde_json::to_string(&[url, "/artifact"]);
        let json = json.map_err(|error| wrong(&error.to_string()))?;
        Ok(format!("FROM scratch\nADD {json}\n"))
    };
    let artifact = args.artifact.as_str();
    if let Some(url) = &args.url {
        let file = live.preset(url, Path::new(artifact));
        file.map_err(|error| wrong(&error.to_string()))?;
        return add(url);
    }
    let remote = artifact.contains("://") || matches!(crate::fetch::git_url(artifact), Ok(Some(_)));
    if remote {
        return add(artifact);
    }
    if Path::new(artifact).is_file() {
        return Err(wrong(
            "rules are about URLs: say where the file is from with --as URL",
        ));
    }
    let image = ImageReference::parse(artifact).map_err(|error| wrong(&error.to_string()))?;
    // In full, it is the name of no stage; and its triggers are not run.
    Ok(format!(
        "FROM scratch\nCOPY --from={} / /\n",
        image.with_default_tag()
    ))
}
