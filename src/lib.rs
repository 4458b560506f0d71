//! A BuildKit frontend that pins and verifies everything a Dockerfile fetches.

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
pub mod report;
pub mod resolve;
pub mod rewrite;
pub mod verify;
