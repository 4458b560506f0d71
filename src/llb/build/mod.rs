//! Graphs of our own.
//!
//! A [`Graph`] collects operations and their metadata; an [`Output`] names one output in it. Everything is
//! written as Go writes it, and every operation has metadata, which BuildKit wants of graphs it gets as inputs.
