//! A BuildKit frontend that pins and verifies everything a Dockerfile fetches.

// What comes from outside must never make it panic; tests may.
#![warn(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod bounded;
pub mod cli;
pub mod digest;
pub mod dockerfile;
pub mod fetch;
pub mod frontend;
pub mod gateway;
pub mod llb;
pub mod lock;
pub mod pipeline;
pub mod policy;
pub mod reference;
pub mod replay;
pub mod report;
pub mod resolve;
pub mod rewrite;
pub mod shell;
pub mod verify;
