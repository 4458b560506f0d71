//! From a reference to what it names right now.
pub mod registry;
