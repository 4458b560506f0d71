//! A BuildKit frontend that pins and verifies everything a Dockerfile fetches.

pub mod digest;
pub mod dockerfile;
pub mod fetch;
pub mod reference;
pub mod llb;
pub mod report;
pub mod resolve;
pub mod rewrite;
pub mod gateway;
