//! RUN steps that download, without the network.
//!
//! The launcher (our own binary) starts a step's command unchanged, and is its way to the network. While `lock` records, it passes
//! requests on and writes them down; in a build it serves exactly what was recorded, in a container without network.
//! `docs/replay.md` says what is recorded, and how requests are matched.
//!
//! ```text
//! launch       starts the command, waits for it, decides how the step ends
//! environment  tells tools where the proxy is and whom to trust
//! serve        the proxy: plain requests, CONNECT, and who takes it for the server
//! names        the name server: all names lead here; resolver  where they lead outside
//! trust        whom programs trust that read no variables
//! routes       whether anything went around all that
//! answer       a request's answer: from outside and recorded, or as recorded
//! record       what is recorded; replayed  which recorded answer a request gets; bodies  the bytes
//! keep         a body into a file, while it goes on; stored  a body out of a file
//! ```

pub mod answer;
pub mod bodies;
pub mod certificate;
pub mod cloned;
pub mod collect;
pub mod environment;
pub mod keep;
pub mod launch;
pub mod lock;
pub mod names;
mod pack;
pub mod record;
pub mod refusals;
pub mod replayed;
pub mod resolver;
pub mod routes;
pub mod serve;
pub mod step;
pub mod store;
pub mod stored;
pub mod trust;
pub mod upstream;
pub mod url;
