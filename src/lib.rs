//! A BuildKit frontend that pins and verifies everything a Dockerfile fetches.
pub mod digest;
pub mod report;
pub mod resolve;
pub mod rewrite;
