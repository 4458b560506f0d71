//! Taking the network from a command that no text describes: the scanner of an SBOM, which BuildKit itself puts into
//! the graph.

use std::collections::BTreeMap;

use crate::{
    digest::Digest,
    llb::{
        definition::{Definition, Node},
        ops::{Kind, NetMode, Op},
    },
};

/// Gives every command that runs in the image `identifier` (`docker-image://...@sha256:...`) no network, if it has the
/// worker's; returns how many. Their ids change, and with them the ids of what depends on them; metadata and source
/// map follow.
pub fn isolate(definition: &mut Definition, identifier: &str) -> usize {
    let mut isolated = 0_usize;
    let mut images: Vec<String> = Vec::new();
    change(definition, |id, op| {
        if let Some(Kind::Source(source)) = &op.kind
            && source.identifier == identifier
        {
            images.push(id.to_string());
        }
        let Some(Kind::Exec(exec)) = &mut op.kind else {
            return false;
        };
        let root = exec.mounts.iter().find(|mount| mount.dest == "/");
        let input = root
            .and_then(|root| usize::try_from(root.input).ok())
            .and_then(|input| op.inputs.get(input));
        let takes = input.is_some_and(|input| images.contains(&input.digest))
            && exec.network == NetMode::Unset;
        if takes {
            exec.network = NetMode::None;
            isolated = isolated.saturating_add(1);
        }
        takes
    });
    isolated
}

/// Changes operations: `edit` gets each with its id, whose inputs still have the ids they had, and says whether it changed it. Ids
/// of what depends on a change, metadata and source map follow. Gives the new ids by the old ones.
pub(super) fn change(
    definition: &mut Definition,
    mut edit: impl FnMut(&Digest, &mut Op) -> bool,
) -> BTreeMap<String, String> {
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for node in &mut definition.nodes {
        let id = node.id().clone();
        let mut op = node.op().clone();
        let mut changed = edit(&id, &mut op);
        for input in &mut op.inputs {
            if let Some(new) = ids.get(&input.digest) {
                input.digest.clone_from(new);
                changed = true;
            }
        }
        if changed {
            *node = Node::new(op);
            ids.insert(id.to_string(), node.id().to_string());
        }
    }
    for (old, new) in &ids {
        if let Some(metadata) = definition.metadata.remove(old) {
            definition.metadata.insert(new.clone(), metadata);
        }
        if let Some(source) = &mut definition.source
            && let Some(locations) = source.locations.remove(old)
        {
            source.locations.insert(new.clone(), locations);
        }
    }
    ids
}

/// The graph of one operation with all that it depends on, as a definition of its own.
///
/// `None` if there is no such operation.
#[must_use]
pub fn only(definition: &Definition, id: &Digest) -> Option<Definition> {
    let node = definition.nodes.iter().find(|node| node.id() == id)?;
    // Sources depend on nothing, so that one node is all.
    if !node.op().inputs.is_empty() {
        return None;
    }
    let mut graph = super::Graph::default();
    let metadata = definition
        .metadata
        .get(&id.to_string())
        .cloned()
        .unwrap_or_default();
    let output = graph.node(node.clone(), metadata);
    Some(graph.finish(&output))
}
