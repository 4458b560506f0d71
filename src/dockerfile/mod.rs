//! Dockerfiles, exactly as BuildKit v0.32 reads them.

/// A range of bytes of a file: `start` is the first, `end` one behind the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset one behind the last byte.
    pub end: usize,
}
