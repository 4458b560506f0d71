//! Graphs of our own.
//!
//! A [`Graph`] collects operations with their metadata, each once; an [`Output`] names one of their outputs.
//! [`Graph::finish`] adds the terminal. Everything is written as Go writes it, so that the ids are
//! those the daemon computes, and every operation has metadata: BuildKit takes a definition without
//! any for no definition (`pb.Definition.IsNil`).
//!
//! ```
//! use verified_dockerfile::llb::build::{Graph, NewFile};
//!
//! let mut graph = Graph::default();
//! let files = [NewFile::new("Dockerfile", b"FROM scratch\n".to_vec())];
//! let dockerfile = graph.files(&files, "[internal] load verified Dockerfile")?;
//! let definition = graph.finish(&dockerfile).encode();
//! # Ok::<(), verified_dockerfile::llb::build::BuildError>(())
//! ```

mod exec;
mod file;
mod isolate;
mod launch;
mod source;
mod source_map;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use exec::{Bind, Command, SecretFile};
pub use file::NewFile;
pub use isolate::{isolate, only};
pub use launch::{Access, Attached, Launcher, is_own, launch};
pub use source::{Git, Local};
pub use source_map::replace_source_file;

use crate::llb::{
    definition::{Definition, Node},
    ops::{Input, Kind, Op, OpMetadata, Platform, Source, WorkerConstraints},
};

/// Why a graph cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A path that is empty, absolute, or leaves its directory.
    #[error("{0:?} is no path below a directory: no leading slash, no empty, . or .. parts")]
    Path(String),
    /// A file name twice.
    #[error("{0:?} would be written twice")]
    Twice(String),
    /// No files.
    #[error("there is nothing to write")]
    Nothing,
    /// A remote from which no key can be made.
    #[error(
        "{0:?} is no git remote: https://HOST/PATH, ssh://, git:// or USER@HOST:PATH, without query and fragment"
    )]
    Remote(String),
    /// A definition whose last operation is no terminal with one input.
    #[error("the definition has no result: its last operation is not a terminal with one input")]
    NoResult,
}

/// One output of an operation in a [`Graph`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Output {
    digest: String,
    index: i64,
}

impl Output {
    fn input(&self) -> Input {
        Input {
            digest: self.digest.clone(),
            index: self.index,
        }
    }
}

/// A graph being made.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    ids: BTreeSet<String>,
    metadata: BTreeMap<String, OpMetadata>,
    source: Source,
}

impl Graph {
    /// Adds an operation, unless it is there; its first output.
    pub fn add(&mut self, op: Op, metadata: OpMetadata) -> Output {
        self.node(Node::new(op), metadata)
    }

    fn node(&mut self, node: Node, metadata: OpMetadata) -> Output {
        let digest = node.id().to_string();
        if self.ids.insert(digest.clone()) {
            self.nodes.push(node);
            self.metadata.insert(digest.clone(), metadata);
        }
        Output { digest, index: 0 }
    }

    /// Takes over another graph with its metadata and source map; its result.
    /// An operation that both have stays once, with the metadata it had here first.
    ///
    /// # Errors
    /// [`BuildError::NoResult`].
    pub fn import(&mut self, definition: &Definition) -> Result<Output, BuildError> {
        let (terminal, nodes) = definition.nodes.split_last().ok_or(BuildError::NoResult)?;
        let [result] = terminal.op().inputs.as_slice() else {
            return Err(BuildError::NoResult);
        };
        if terminal.op().kind.is_some() {
            return Err(BuildError::NoResult);
        }
        for node in nodes {
            let metadata = definition.metadata.get(&node.id().to_string());
            self.node(node.clone(), metadata.cloned().unwrap_or_default());
        }
        source_map::append(&mut self.source, definition.source.as_ref(), &self.ids);
        Ok(Output {
            digest: result.digest.clone(),
            index: result.index,
        })
    }

    /// The definition whose result is `result`.
    #[must_use]
    pub fn finish(mut self, result: &Output) -> Definition {
        let op = Op {
            inputs: vec![result.input()],
            ..Op::default()
        };
        // What client/llb asks of the daemon for any graph with descriptions.
        let caps = ["constraints", "meta.description", "platform"];
        self.node(Node::new(op), about("", &caps));
        let source = Some(self.source).filter(|source| !source.infos.is_empty());
        Definition {
            nodes: self.nodes,
            metadata: self.metadata,
            source,
        }
    }
}

/// An operation as client/llb makes it, with constraints that ask for nothing; so that the same
/// source has the same id in a stock frontend's graph and in ours, and is fetched and shown once.
fn op(inputs: Vec<Input>, platform: Option<Platform>, kind: Kind) -> Op {
    let constraints = Some(WorkerConstraints::default());
    Op {
        inputs,
        platform,
        constraints,
        kind: Some(kind),
    }
}

/// Metadata with a name for the progress display and the capabilities the daemon must have.
fn about(name: &str, caps: &[&str]) -> OpMetadata {
    let mut metadata = OpMetadata::default();
    if !name.is_empty() {
        metadata
            .description
            .insert("llb.customname".to_owned(), name.to_owned());
    }
    metadata.caps = caps.iter().map(|cap| ((*cap).to_owned(), true)).collect();
    metadata
}
