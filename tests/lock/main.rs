//! `lock`, `verify` and `init` against real registries and servers on loopback.

mod files;
mod proxy;
mod secrets;
#[path = "../../src/resolve/registry/testing/server.rs"]
#[allow(dead_code, reason = "unit tests use the rest")]
mod server;
mod tree;
