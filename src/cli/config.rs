//! `--config`: defaults for options, so that a repository says them once. What is given on the command line or in the environment goes first.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{
    CannotRun,
    args::{Cli, When},
    project,
};

/// The file. Unknown keys are refused: a word that is misspelt would do nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// `--policy`, relative to the file.
    policy: Option<PathBuf>,
    /// `--platform`.
    #[serde(default)]
    platform: Vec<String>,
    /// `--color`.
    color: Option<When>,
}

/// Fills in what was not given.
///
/// # Errors
/// A file that is not there or cannot be read.
pub(super) fn fill(cli: &mut Cli) -> Result<(), CannotRun> {
    let Some(path) = &cli.config else {
        return Ok(());
    };
    let bytes = project::read(path)?
        .ok_or_else(|| CannotRun::new(path.display(), "there is no such file"))?;
    let text =
        String::from_utf8(bytes).map_err(|_| CannotRun::new(path.display(), "it is not UTF-8"))?;
    let config: Config = toml_edit::de::from_str(&text)
        .map_err(|error| CannotRun::new(path.display(), error.message()))?;
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    cli.color = cli.color.or(config.color);
    if let Some(build) = cli.command.build_mut() {
        if build.policy.is_none() {
            build.policy = config.policy.map(|policy| folder.join(policy));
        }
        if build.platform.is_empty() {
            build.platform = config.platform;
        }
    }
    Ok(())
}
