//! The gate: does this graph fetch and run only what was verified?
//!
//! [`audit`] reads a definition's raw bytes and compares every operation with [`Expected`]. It knows what
//! each message, field, scheme and attribute means; what it does not know, it refuses. So whatever turned a
//! Dockerfile into this graph, and whatever it understood differently, nothing gets past that was not verified.
//!
//! It shares no code with the parser or the rewriting. What it relies on is that the daemon runs
//! exactly this graph (it does: see `solver/llbsolver/result.go`, evaluated from the same request), and that a client
//! cannot put other results under these keys (see `docs/audit.md` for what is outside).
//!
//! `docs/audit.md` lists the checks in a table.

mod exec;
mod expected;
mod file;
mod graph;
mod report;
mod source;

#[cfg(test)]
mod tests;

pub use expected::{Expected, GitPin, HttpPin, ImagePin, OciPin, SourceFile};
pub use report::{Escape, EscapeKind, Lines, Report, SeenExec, SeenSource, SourceKind};

pub use exec::{Demand, DenyAll, ExecDecision, ExecPolicy, ExecRequest};

/// The most escapes that are reported; the audit stops there.
pub const MAX_ESCAPES: usize = 100;
/// How deep definitions may lie inside the source maps of definitions.
pub const MAX_SOURCE_DEPTH: usize = 4;

/// Compares the graph in `definition`, a marshalled `pb.Definition`, with what was verified.
///
/// Every operation is judged, reachable or not. `policy` is asked for each command that could reach more than its
/// inputs (see [`Demand`]); a command that demands nothing is not asked about.
/// Time and memory are linear in the length of `definition`; no bytes make it panic.
///
/// # Errors
/// What is not as expected, in the order of the graph, at most [`MAX_ESCAPES`]. Never empty.
pub fn audit(
    definition: &[u8],
    expected: &Expected,
    policy: &dyn ExecPolicy,
) -> Result<Report, Vec<Escape>> {
    graph::audit(definition, expected, policy)
}
