//! LLB, BuildKit's build graph: reading it strictly, auditing it, and making our own.
//!
//! Source of every number and rule: BuildKit's `solver/pb/ops.proto`, `solver/pb/attr.go`,
//! `solver/llbsolver/vertex.go` (how a definition is loaded) and `client/llb` (how Go writes one).
//!
//! - [`wire`]: protocol buffers, read so that nothing is skipped and written as Go writes them.
//! - [`ops`]: the messages. What they do not name does not exist, and is an error.
//! - [`definition`]: a whole graph with metadata and source map.
//! - [`audit`](mod@audit): the gate. Nothing runs that it did not accept.
//! - [`build`]: graphs of our own.
//!
//! Nothing here uses the code that reads or rewrites Dockerfiles, so that a mistake there cannot repeat itself here.

pub mod audit;
pub mod build;
pub mod definition;
pub mod ops;
pub mod wire;

pub use audit::{Expected, audit};
pub use definition::{Definition, Node};
