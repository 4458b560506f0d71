//! A BuildKit frontend that pins and verifies everything a Dockerfile fetches.
pub mod digest;
pub mod lock;
pub mod policy;
pub mod reference;
pub mod verify;
