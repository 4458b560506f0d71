//! `lock`, `verify` and `init` against real registries and servers on loopback.

mod proxy;
mod tree;
