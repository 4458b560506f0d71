//! From a Dockerfile and the options of a build to the exact set of what it fetches and runs.
//!
//! `collect(&Dockerfile, &Options, &Configs) -> Result<Plan, Error>` is a pure function, for one target and one
//! platform. It needs the configuration of the base images (their variables expand in ADD, their triggers run); what
//! it misses it reports in [`Plan::missing`], and is then called again.

pub(crate) mod path;
mod plan;
mod platform;

pub use path::PathError;
pub use plan::{
    AddEdit, Base, Configs, Edit, Fetch, GitSource, ImageConfig, MountKind, Network, Options,
    Origin, Place, Plan, RunMount, RunStep, Source, Trigger,
};
pub use platform::{Platform, PlatformError};

/// temporary
pub type Error = crate::dockerfile::ParseError;
/// temporary
pub fn collect(_: &crate::dockerfile::Dockerfile, _: &Options, _: &Configs) -> Result<Plan, Error> { Ok(Plan::default()) }
/// temporary
pub fn git_url(_: &str) -> Result<Option<GitSource>, PlatformError> { Ok(None) }
