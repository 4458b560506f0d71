//! What is around operations: the definition, their metadata, the source map.

use std::collections::BTreeMap;

use crate::llb::wire::{Budget, Bytes, Field, Message, Problem, Value, WireError};

message! {
    /// What belongs to an operation but not to its id.
    OpMetadata {
        /// Whether the cache is not used.
        1 ignore_cache: bool,
        /// Texts; `llb.customname` is what the user sees.
        2 description: BTreeMap<String, String>,
        /// Whether it is exported to a cache.
        4 export_cache: Option<ExportCache>,
        /// What the daemon must be able to do; it checks that itself.
        5 caps: BTreeMap<String, bool>,
        /// Grouping in the progress display.
        6 progress_group: Option<ProgressGroup>,
        /// Resource limits of a command.
        7 linux_resources: Option<LinuxResources>,
    }
}

message! {
    /// Whether an operation is exported to a cache.
    ExportCache {
        /// Whether.
        1 value: bool,
    }
}

message! {
    /// Grouping in the progress display.
    ProgressGroup {
        /// The group's id.
        1 id: String,
        /// The group's name.
        2 name: String,
        /// Whether it counts only with others.
        3 weak: bool,
    }
}

message! {
    /// Resource limits of a command.
    LinuxResources {
        /// Bytes.
        1 memory: i64,
        /// Bytes.
        2 memory_swap: i64,
        /// Relative weight.
        3 cpu_shares: u64,
        /// Microseconds.
        4 cpu_period: u64,
        /// Microseconds.
        5 cpu_quota: i64,
        /// For example `0-3`.
        6 cpuset_cpus: String,
        /// For example `0,1`.
        7 cpuset_mems: String,
    }
}

message! {
    /// A graph as it is sent; [`crate::llb::Definition`] is the form to work with.
    WireDefinition {
        /// The operations, each a marshalled `Op`; the last one is the terminal.
        1 def: Vec<Bytes>,
        /// By operation id.
        2 metadata: BTreeMap<String, OpMetadata>,
        /// Where the operations come from.
        3 source: Option<Source>,
    }
}

message! {
    /// Where operations come from.
    Source {
        /// By operation id.
        1 locations: BTreeMap<String, Locations>,
        /// The files.
        2 infos: Vec<SourceInfo>,
    }
}

message! {
    /// Places of one operation.
    Locations {
        /// The places.
        1 locations: Vec<Location>,
    }
}

message! {
    /// A file that operations come from.
    SourceInfo {
        /// Its name.
        1 filename: String,
        /// Its bytes.
        2 data: Bytes,
        /// The graph that fetched it, a marshalled definition.
        3 definition: Option<Bytes>,
        /// For example `Dockerfile`.
        4 language: String,
    }
}

message! {
    /// Places in one file.
    Location {
        /// Which file.
        1 source_index: i32,
        /// Where in it.
        2 ranges: Vec<Range>,
    }
}

message! {
    /// Lines from `start` to `end`, both included.
    Range {
        /// First.
        1 start: Option<Position>,
        /// Last.
        2 end: Option<Position>,
    }
}

message! {
    /// A place in a file.
    Position {
        /// Line, counted from 1.
        1 line: i32,
        /// Character, counted from 0.
        2 character: i32,
    }
}
