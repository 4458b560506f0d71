//! A whole LLB graph: operations with their ids, metadata, source map.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding as _};

use crate::{
    digest::Digest,
    llb::{
        ops::{Op, OpMetadata, Source, WireDefinition},
        wire::{self, Budget, Bytes, Problem, WireError},
    },
};

/// The longest definition that is read, in bytes. The gateway itself stops at 16 MiB.
pub const MAX_BYTES: usize = 64 << 20;
/// The most operations of a definition. A Dockerfile line makes one or two.
pub const MAX_OPS: usize = 100_000;
/// The most nested values (messages, list elements, map entries) of a definition.
pub const MAX_VALUES: usize = 1_000_000;

/// One operation with the bytes it was read from and their SHA-256, which is its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    id: Digest,
    bytes: Vec<u8>,
    op: Op,
}

impl Node {
    /// The operation `op`, written as Go writes it.
    #[must_use]
    pub fn new(op: Op) -> Self {
        let bytes = wire::encode(&op);
        Self {
            id: Digest::sha256(&bytes),
            bytes,
            op,
        }
    }

    /// The operation `op`, written in the order of its field numbers, as Go wrote it before BuildKit v0.18. Newer daemons
    /// write every operation anew before they compute its id; older ones take the id of these bytes.
    #[must_use]
    pub fn in_tag_order(op: Op) -> Self {
        // Messages that are concatenated are one message with the fields of both.
        let inputs = Op {
            inputs: op.inputs.clone(),
            ..Op::default()
        };
        let kind = Op {
            kind: op.kind.clone(),
            ..Op::default()
        };
        let rest = Op {
            platform: op.platform.clone(),
            constraints: op.constraints.clone(),
            ..Op::default()
        };
        let bytes = [inputs, kind, rest]
            .iter()
            .flat_map(wire::encode)
            .collect::<Vec<u8>>();
        Self {
            id: Digest::sha256(&bytes),
            bytes,
            op,
        }
    }

    /// Bytes that need not be an operation, to test what becomes of them.
    #[cfg(test)]
    pub(crate) fn of_bytes(bytes: Vec<u8>) -> Self {
        let op = wire::decode(&bytes, &mut Budget::new(MAX_VALUES)).unwrap_or_default();
        Self {
            id: Digest::sha256(&bytes),
            bytes,
            op,
        }
    }

    fn decode(bytes: Vec<u8>, budget: &mut Budget) -> Result<Self, (Digest, WireError)> {
        let id = Digest::sha256(&bytes);
        match wire::decode(&bytes, budget) {
            Ok(op) => Ok(Self { id, bytes, op }),
            Err(error) => Err((id, error)),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &Digest {
        &self.id
    }

    /// Its bytes, exactly as received.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the bytes say.
    #[must_use]
    pub fn op(&self) -> &Op {
        &self.op
    }
}

/// Why bytes are no definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// More than [`MAX_BYTES`] bytes or [`MAX_OPS`] operations.
    #[error("the definition has {found} {what}, at most {limit} are read")]
    TooLarge {
        /// `bytes` or `operations`.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are read.
        limit: usize,
    },
    /// The definition around the operations is not as it should be.
    #[error("{0}")]
    Envelope(WireError),
    /// An operation is not as it should be.
    #[error("operation {id}: {error}")]
    Op {
        /// The operation's id.
        id: Digest,
        /// What is wrong in it.
        error: WireError,
    },
}

impl DefinitionError {
    /// What is wrong with the bytes, if it is not their amount.
    #[must_use]
    pub fn problem(&self) -> Option<Problem> {
        match self {
            Self::TooLarge { .. } => None,
            Self::Envelope(error) | Self::Op { error, .. } => Some(error.problem),
        }
    }
}

/// A graph. The last node is the terminal: it has no kind, and its one input is the result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// The operations in the order of the definition.
    pub nodes: Vec<Node>,
    /// Metadata by operation id, `sha256:…`. Never empty when BuildKit is to take it as an input.
    pub metadata: BTreeMap<String, OpMetadata>,
    /// Source map.
    pub source: Option<Source>,
}

impl Definition {
    /// Reads a marshalled `pb.Definition`, strictly (see [`wire`]).
    ///
    /// # Errors
    /// Anything in the bytes that `ops.proto` does not define, and more than [`MAX_BYTES`], [`MAX_OPS`] or [`MAX_VALUES`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DefinitionError> {
        if bytes.len() > MAX_BYTES {
            return Err(DefinitionError::TooLarge {
                what: "bytes",
                found: bytes.len(),
                limit: MAX_BYTES,
            });
        }
        let mut budget = Budget::new(MAX_VALUES);
        let wire: WireDefinition =
            wire::decode(bytes, &mut budget).map_err(DefinitionError::Envelope)?;
        if wire.def.len() > MAX_OPS {
            return Err(DefinitionError::TooLarge {
                what: "operations",
                found: wire.def.len(),
                limit: MAX_OPS,
            });
        }
        let mut nodes = Vec::with_capacity(wire.def.len());
        for op in wire.def {
            let node = Node::decode(op.0, &mut budget)
                .map_err(|(id, error)| DefinitionError::Op { id, error })?;
            nodes.push(node);
        }
        Ok(Self {
            nodes,
            metadata: wire.metadata,
            source: wire.source,
        })
    }

    /// As BuildKit writes it in the JSON of an error's source: operations in base64, and their metadata. Without source map.
    ///
    /// Source: `encoding/json` of `solver/pb` `Definition` and `OpMetadata`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let operations: Vec<String> = self
            .nodes
            .iter()
            .map(|node| Base64::encode_string(node.bytes()))
            .collect();
        let metadata: serde_json::Map<String, serde_json::Value> = self
            .metadata
            .iter()
            .map(|(id, about)| {
                (
                    id.clone(),
                    serde_json::json!({ "description": about.description, "caps": about.caps }),
                )
            })
            .collect();
        serde_json::json!({ "def": operations, "metadata": metadata })
    }

    /// Writes a `pb.Definition`. The operations' own bytes are not changed, so their ids stay.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        wire::encode(&WireDefinition {
            def: self
                .nodes
                .iter()
                .map(|node| Bytes(node.bytes.clone()))
                .collect(),
            metadata: self.metadata.clone(),
            source: self.source.clone(),
        })
    }
}
