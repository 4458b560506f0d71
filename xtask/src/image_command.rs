//! `cargo xtask image`: our image from a binary built here.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;
use engine::{
    Result,
    frontend::{self, Profile},
    registry::Registry,
};

/// What to build and where to put it.
#[derive(Args)]
pub struct Arguments {
    /// Push it there: host:port/repository:tag, plain HTTP
    #[arg(long, value_name = "REFERENCE")]
    push: Option<String>,
    /// Put this policy inside, as an organisation does
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Build quickly instead of small, for tests
    #[arg(long)]
    dev: bool,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let profile = if arguments.dev {
        Profile::EndToEnd
    } else {
        Profile::Release
    };
    let binary = frontend::build(&crate::workspace(), profile)?;
    let policy = arguments.policy.as_ref().map(fs::read).transpose()?;
    let image = frontend::image(&binary, policy.as_deref())?;
    let (manifest, blobs) = image.build()?;
    let size: usize = blobs.iter().map(|blob| blob.bytes.len()).sum();
    println!(
        "binary      {} ({} bytes)",
        binary.display(),
        fs::metadata(&binary)?.len()
    );
    println!(
        "image       {} ({size} bytes compressed)",
        manifest.digest()
    );
    if let Some(reference) = &arguments.push {
        let (registry, name) = reference
            .split_once('/')
            .ok_or("--push takes host:port/repository:tag")?;
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let digest = Registry::new(registry).push(repository, tag, &image)?;
        println!("pushed      {registry}/{repository}:{tag}@{digest}");
    }
    Ok(ExitCode::SUCCESS)
}
