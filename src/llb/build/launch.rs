//! Putting a launcher in front of commands of a graph that somebody else made.

use std::collections::BTreeMap;

use super::{Graph, Output, isolate::change};
use crate::{
    digest::Digest,
    llb::{
        definition::Definition,
        ops::{Input, Kind, Mount, NetMode},
    },
};

/// Something that is mounted into a command besides what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// What.
    pub from: Output,
    /// A path inside it.
    pub selector: String,
    /// Where.
    pub to: String,
    /// Whether it is read-only. What is not is one more output of the command.
    pub readonly: bool,
}

/// What is put in front of a command. Everything else of it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    /// Program and arguments, before the command's own.
    pub words: Vec<String>,
    /// What is mounted for it.
    pub attached: Vec<Attached>,
    /// The network that the command gets instead of its own, if any.
    pub network: Option<NetMode>,
}

/// Puts each of `launchers` in front of the command with that id. `graph` has what they mount. Gives the outputs that the
/// commands have now for what is attached and not read-only, by the command's former id.
pub fn launch(
    definition: &mut Definition,
    graph: &Graph,
    launchers: &BTreeMap<Digest, Launcher>,
) -> BTreeMap<Digest, Vec<Output>> {
    let mut written: BTreeMap<Digest, Vec<i64>> = BTreeMap::new();
    let ids = change(definition, |id, op| {
        let Some(launcher) = launchers.get(id) else {
            return false;
        };
        let Some(Kind::Exec(exec)) = &mut op.kind else {
            return false;
        };
        let Some(meta) = &mut exec.meta else {
            return false;
        };
        meta.args.splice(0..0, launcher.words.iter().cloned());
        if let Some(network) = launcher.network {
            exec.network = network;
        }
        let outputs = exec.mounts.iter().filter(|mount| mount.output >= 0).count();
        let mut output = i64::try_from(outputs).unwrap_or(i64::MAX);
        for attached in &launcher.attached {
            let input = attached.from.input();
            let mut mount = Mount {
                input: index(&mut op.inputs, input),
                selector: attached.selector.clone(),
                dest: attached.to.clone(),
                output: -1,
                readonly: attached.readonly,
                ..Mount::default()
            };
            if !attached.readonly {
                mount.output = output;
                written.entry(id.clone()).or_default().push(output);
                output = output.saturating_add(1);
            }
            exec.mounts.push(mount);
        }
        true
    });
    // What is mounted comes before whoever mounts it.
    let have: Vec<Digest> = definition
        .nodes
        .iter()
        .map(|node| node.id().clone())
        .collect();
    let new = graph.nodes.iter().filter(|node| !have.contains(node.id()));
    definition.nodes.splice(0..0, new.cloned());
    for (id, metadata) in &graph.metadata {
        definition
            .metadata
            .entry(id.clone())
            .or_insert_with(|| metadata.clone());
    }
    let outputs = |id: &Digest, indices: Vec<i64>| {
        let digest = ids.get(&id.to_string()).cloned().unwrap_or_default();
        let outputs = indices.into_iter().map(|index| Output {
            digest: digest.clone(),
            index,
        });
        outputs.collect()
    };
    written
        .into_iter()
        .map(|(id, indices)| {
            let outputs = outputs(&id, indices);
            (id, outputs)
        })
        .collect()
}

/// The place of `input` among `inputs`, where it is put if it is not there.
fn index(inputs: &mut Vec<Input>, input: Input) -> i64 {
    let at = inputs.iter().position(|other| *other == input);
    let at = at.unwrap_or_else(|| {
        inputs.push(input);
        inputs.len().saturating_sub(1)
    });
    i64::try_from(at).unwrap_or(i64::MAX)
}
