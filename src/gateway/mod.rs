//! BuildKit's frontend gateway: how a frontend, started by the daemon in a container, talks to it.
//!
//! The daemon is the gRPC server, the frontend the client, and the connection is the frontend's own
//! standard input and output: HTTP/2 in clear text from the first byte. So nothing else may ever be
//! printed on standard output, and the connection exists exactly once.
//!
//! A build goes like this: [`is_frontend`] says that BuildKit started the process, [`Session`] holds what
//! the environment tells, [`Client::connect_stdio`] connects and asks what the daemon can do,
//! [`support`] refuses daemons that are too old, the calls of [`Client`] do the work, and
//! [`Client::return_result`] or [`Client::return_error`] hands over the outcome. They take the client, because
//! a second outcome is an error, and give [`Ended`], because the process must then end at once.
//!
//! Every call takes a deadline and checks the size of its request, and none of them panics or waits forever
//! whatever the daemon sends.
//!
//! Source: moby/buildkit v0.32, `frontend/gateway/gateway.go` (the server),
//! `frontend/gateway/grpcclient/client.go` (the client of the stock frontends).

mod caps;
mod client;
mod connect;
mod detail;
mod error;
mod result;
mod session;
mod source;
mod status;
#[cfg(test)]
mod tests;

pub use caps::{Capabilities, Capability, Scope, Unsupported, support};
pub use client::{Client, Ended};
pub use detail::{Exit, Frame, Frontend, Name, Solve, Source, Stack, Typed, Vertex};
pub use error::Error;
pub use proto::{
    Attestation, AttestationKind, AttrConstraint, AttrMatch, CacheOptionsEntry, Detail,
    InTotoSubject, MatchType, Platform, Policy, PolicyAction, Position, Range, Ref, Rule, Selector,
    SourceInfo, SourceOp, Stat, Status, Update, WarnRequest,
};
pub use result::{BuildResult, Refs, SolveRequest, Subject};
pub use session::{Session, SessionError, Worker, is_frontend};
pub use source::{
    GitMeta, HttpMeta, ImageConfig, ImageMeta, Layout, ResolveMode, SourceMeta, SourceQuery,
};

/// The messages of `proto/gateway.proto`.
pub mod proto {
    tonic::include_proto!("moby.buildkit.v1.frontend");
}
