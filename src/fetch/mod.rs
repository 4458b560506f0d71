//! From a Dockerfile and the options of a build to the exact set of what it fetches and runs.
//!
//! [`collect`] is a pure function, for one target and one platform. It follows BuildKit's own conversion
//! (`frontend/dockerfile/dockerfile2llb`): the same stages are reached, the same words expand with the same variables,
//! the same triggers run, and what it refuses is refused. Two things only a registry knows: the variables of base
//! images (they expand in ADD) and their ONBUILD triggers. Those come in through [`Configs`]; what is not there yet is
//! reported in [`Plan::missing`], and `collect` is called again.

mod add;
mod bases;
mod checks;
mod collect;
mod dispatch;
mod env;
mod epoch;
mod error;
mod git;
mod mount;
pub(crate) mod path;
mod plan;
mod platform;
mod run;
mod stages;
mod state;
#[cfg(test)]
mod tests;
mod url;

pub use collect::collect;
pub use error::{Error, ErrorKind};
pub use git::git_url;
pub use path::PathError;
pub use plan::{
    AddEdit, Base, Configs, Edit, Fetch, GitSource, ImageConfig, MountKind, Network, Options,
    Origin, Place, Plan, RunMount, RunStep, Source, Trigger,
};
pub use platform::{Platform, PlatformError};
