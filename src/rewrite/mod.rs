//! From verified pins to the Dockerfile that is built.
//!
//! The rewrite is convenience: what it misses, the audit ([`crate::llb::audit`]) refuses.

pub mod diff;
pub mod edit;
pub mod launch;
