//! Real Docker engines to test against, on a bare Debian machine and without a hub.
//!
//! [`Engine`] is one Debian suite's `dockerd`, `docker buildx`, registry and signers, run from a root that
//! `debootstrap` made. [`image`] makes images from bytes, and [`registry`] puts them into a registry.
//!
//! An engine lives in mount and process namespaces of its own: ending its first process ends all of it, and its
//! mounts go with the namespace, so nothing can be left mounted, even after `kill -9`. It stays in the machine's
//! network namespace, so that daemon, tests and build steps all reach one another at the address of its bridge.

pub mod debian;
mod engine;
mod existing;
pub mod frontend;
pub mod image;
mod instance;
pub mod local;
pub mod memory;
mod network;
pub mod process;
pub mod registry;
mod root;
mod suite;

pub use engine::{Engine, Lifetime};
pub use suite::Suite;

/// What went wrong, for a developer to read.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything that talks to an engine.
pub type Result<T> = std::result::Result<T, Error>;
