//! `rewrite`: the Dockerfile that would be built, without the line that names this frontend, so that stock BuildKit
//! builds it by itself.

use std::{fs, path::PathBuf};

use clap::Args;

use super::{
    CannotRun, Clean,
    args::BuildArgs,
    complain, print, project,
    record::{BuildxBuild, Fresh},
};
use crate::pipeline;

/// `rewrite`.
#[derive(Debug, Args)]
pub struct RewriteArgs {
    /// The Dockerfile.
    #[arg(value_name = "PATH", default_value = "Dockerfile")]
    pub path: PathBuf,
    #[command(flatten)]
    pub build: BuildArgs,
    /// An image with what recorded steps are served from, by its digest; asks BuildKit, by docker buildx.
    #[arg(long, value_name = "IMAGE@DIGEST")]
    pub store: Option<String>,
    /// With --store: the build context; else the Dockerfile's folder.
    #[arg(long, value_name = "FOLDER", requires = "store")]
    pub context: Option<PathBuf>,
    /// With --store: this frontend's image; else the one that the Dockerfile names.
    #[arg(long, value_name = "IMAGE", env = "VERIFIED_DOCKERFILE_FRONTEND")]
    pub frontend: Option<String>,
}

pub(super) fn run(args: &RewriteArgs) -> Result<Clean, CannotRun> {
    if let Some(store) = &args.store {
        return with_store(args, store);
    }
    let project = project::Project::open(&args.path, &args.build)?;
    let checked = project.check()?;
    // Half a rewrite would look like a whole one.
    if !checked.findings.is_empty() {
        complain(&project.render(&checked.findings, false));
        return Ok(Clean::No);
    }
    let Some(outcome) = checked.outcome else {
        return Ok(Clean::No);
    };
    let mut texts: Vec<&[u8]> = outcome
        .platforms
        .iter()
        .map(|built| built.rewritten.bytes.as_slice())
        .collect();
    texts.dedup();
    let [text] = texts.as_slice() else {
        return Err(CannotRun::new(
            project.name,
            "the platforms need different pins in the same place; rewrite one platform at a time",
        ));
    };
    print(pipeline::without_syntax(text))?;
    Ok(Clean::Yes)
}

/// The frontend does it: which recording is of which step is only known in the graph.
fn with_store(args: &RewriteArgs, store: &str) -> Result<Clean, CannotRun> {
    let failed = |error| CannotRun::new("the temporary folder", error);
    let out = Fresh::new(&std::env::temp_dir()).map_err(failed)?;
    let mut build = args.build.clone();
    build.build_args.push(format!("VERIFIED_REWRITE={store}"));
    let build = BuildxBuild {
        path: &args.path,
        build: &build,
        context: args.context.as_deref(),
        frontend: args.frontend.as_deref(),
        hosts: &[],
        anew: false,
    };
    build.run(&out.0)?;
    print(fs::read(out.0.join("Dockerfile")).map_err(failed)?)?;
    Ok(Clean::Yes)
}
