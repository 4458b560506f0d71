//! Putting a launcher in front of commands of a graph that somebody else made.

use std::collections::BTreeMap;

use super::{Graph, Output, isolate::change};
use crate::{
    digest::Digest,
    llb::{
        definition::Definition,
        ops::{HostIp, Input, Kind, Mount, NetMode},
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
    /// What the command may do with it.
    pub access: Access,
}

/// What a command may do with something that is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Read,
    /// Write to it, for itself: what it writes goes with it.
    Scratch,
    /// Write to it; it is one more output of the command.
    Output,
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

/// Whether a host is the container itself, which it stays with a launcher. All others are found by the launcher's name server.
pub fn is_own(host: &HostIp) -> bool {
    host.ip
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Puts each of `launchers` in front of the command with that id. `graph` has what they mount. Gives the outputs that the
/// commands have now for what is attached as such, by the command's former id.
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
        meta.extra_hosts.retain(is_own);
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
                readonly: attached.access == Access::Read,
                ..Mount::default()
            };
            if attached.access == Access::Output {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llb::{
        audit::{DenyAll, EscapeKind, Expected, audit},
        build::{Bind, Command, Local, NewFile},
    };

    /// Two commands, of which the second one uses what the first one writes.
    fn graph() -> (Definition, Expected) {
        let mut graph = Graph::default();
        let local = Local {
            name: "context".into(),
            session: "s".into(),
            ..Local::default()
        };
        let root = graph.local(&local, "root");
        let first = Command::new(root.clone(), vec!["first".into()]);
        let first = graph.exec(&first, "first").remove(0);
        let mut second = Command::new(root, vec!["second".into(), "argument".into()]);
        second.binds.push(Bind {
            from: Some(first),
            selector: String::new(),
            to: "/in".into(),
            readonly: true,
        });
        let second = graph.exec(&second, "second").remove(0);
        let mut expected = Expected::default();
        let session = [("s".to_owned())].into();
        expected.locals.insert("context".into(), session);
        (graph.finish(&second), expected)
    }

    fn commands(definition: &Definition) -> Vec<(Digest, Vec<String>)> {
        let nodes = definition.nodes.iter();
        let commands = nodes.filter_map(|node| match &node.op().kind {
            Some(Kind::Exec(exec)) => {
                Some((node.id().clone(), exec.meta.as_ref().unwrap().args.clone()))
            }
            _ => None,
        });
        commands.collect()
    }

    /// What the audit has against it; that it comes from no Dockerfile is left aside.
    fn escapes(definition: &Definition, expected: &Expected) -> Vec<EscapeKind> {
        let escapes = audit(&definition.encode(), expected, &DenyAll)
            .err()
            .unwrap_or_default();
        let kinds = escapes.into_iter().map(|escape| escape.kind);
        kinds
            .filter(|kind| *kind != EscapeKind::SourceFile)
            .collect()
    }

    #[test]
    fn only_the_command_that_is_meant_changes_and_the_graph_stays_one_that_is_let_through() {
        let (mut definition, mut expected) = graph();
        assert!(escapes(&definition, &expected).is_empty());
        let before = commands(&definition);
        let mut store = Graph::default();
        let files = [NewFile::new("replay", b"program".to_vec())];
        let folder = store.files(&files, "folder").unwrap();
        let launcher = |network, access| Launcher {
            words: vec!["/launcher".into(), "key".into()],
            attached: vec![Attached {
                from: folder.clone(),
                selector: "/replay".into(),
                to: "/launcher".into(),
                access,
            }],
            network,
        };
        let one = [(before[0].0.clone(), launcher(None, Access::Read))].into();
        assert!(launch(&mut definition, &store, &one).is_empty());
        let after = commands(&definition);
        assert_eq!(after[0].1, ["/launcher", "key", "first"]);
        assert_eq!(after[1].1, before[1].1);
        // What depends on it is another operation now, and all of it is let through again.
        assert_ne!(after[1].0, before[1].0);
        assert!(escapes(&definition, &expected).is_empty());
        assert_eq!(definition.metadata.len(), definition.nodes.len());

        // With the network it is not.
        let (mut open, _) = graph();
        let one = [(
            before[0].0.clone(),
            launcher(Some(NetMode::Unset), Access::Scratch),
        )]
        .into();
        launch(&mut open, &store, &one);
        assert_eq!(escapes(&open, &expected), [EscapeKind::Exec]);
        // Nor is a source that nobody expects.
        let mut foreign = Graph::default();
        let local = Local {
            name: "other".into(),
            session: "s".into(),
            ..Local::default()
        };
        let from = foreign.local(&local, "other");
        let (mut mounted, _) = graph();
        let mut launcher = launcher(None, Access::Output);
        launcher.attached[0].from = from;
        let one = [(before[0].0.clone(), launcher)].into();
        let outputs = launch(&mut mounted, &foreign, &one);
        assert_eq!(outputs[&before[0].0].len(), 1);
        assert_eq!(outputs[&before[0].0][0].index, 1);
        assert!(!escapes(&mounted, &expected).is_empty());
        expected
            .locals
            .insert("other".into(), ["s".to_owned()].into());
        assert!(escapes(&mounted, &expected).is_empty());
    }
}
