//! What the fuzz targets test: the Dockerfile reader and recordings, and nothing else of the package, so that only it is instrumented
//! and the targets build in seconds. `cargo xtask fuzz` builds and runs them.

#[path = "../../src/digest.rs"]
pub mod digest;
#[path = "../../src/dockerfile/mod.rs"]
pub mod dockerfile;
#[path = "../../src/fetch/mod.rs"]
pub mod fetch;
#[path = "../../src/reference.rs"]
pub mod reference;
/// What is read of recordings, without what serves them.
#[path = "../../src/replay"]
pub mod replay {
    pub mod record;
    pub mod replayed;
    pub mod url;
}
#[path = "../../src/shell/mod.rs"]
pub mod shell;
