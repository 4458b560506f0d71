//! Random bytes and random changes: no panic, and what is accepted fetches and reaches the same as before.

use proptest::prelude::*;

use super::*;

/// What of an operation decides about fetching and reaching out, told without the audit's own code.
fn effect(op: &Op) -> String {
    match &op.kind {
        Some(Kind::Source(source)) => {
            let free = [
                "http.filename",
                "http.perm",
                "http.uid",
                "http.gid",
                "image.resolvemode",
                "image.recordtype",
                "local.includepattern",
                "local.excludepatterns",
                "local.followpaths",
                "local.sharedkeyhint",
                "local.differ",
                "git.keepgitdir",
                "git.mtime",
                "git.skipsubmodules",
            ];
            let attrs: Vec<_> = source
                .attrs
                .iter()
                .filter(|(key, _)| !free.contains(&key.as_str()))
                .collect();
            // The tag of an image and the name of an OCI layout say nothing once there is a digest.
            let (name, digest) = source
                .identifier
                .split_once('@')
                .unwrap_or((&source.identifier, ""));
            let layout = name.starts_with("oci-layout://");
            let name = match name.rsplit_once(':') {
                _ if layout => "oci-layout",
                Some((name, tag)) if !digest.is_empty() && !tag.contains('/') => name,
                _ => name,
            };
            format!("{name} {digest} {attrs:?}")
        }
        Some(Kind::Exec(exec)) => {
            let mounts: Vec<_> = exec.mounts.iter().map(|mount| mount.mount_type).collect();
            let meta = exec.meta.clone().unwrap_or_default();
            format!(
                "{:?} {:?} {mounts:?} {:?} {:?} {:?} {:?}",
                exec.network,
                exec.security,
                exec.cdi_devices,
                meta.proxy_env,
                meta.extra_hosts,
                meta.valid_exit_codes.0
            )
        }
        Some(Kind::File(_)) => "file".to_owned(),
        Some(Kind::Merge(_)) => "merge".to_owned(),
        None => "end".to_owned(),
        Some(other) => format!("{other:?}"),
    }
}

fn effects(definition: &Definition) -> Vec<String> {
    definition
        .nodes
        .iter()
        .map(|node| effect(node.op()))
        .collect()
}

#[derive(Clone, Debug)]
enum Edit {
    Flip(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Repeat(usize, usize),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = 0..100_000_usize;
    let edit = prop_oneof![
        (place.clone(), any::<u8>()).prop_map(|(at, byte)| Edit::Flip(at, byte)),
        (place.clone(), any::<u8>()).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        place.clone().prop_map(Edit::Remove),
        (place, 1..64_usize).prop_map(|(at, length)| Edit::Repeat(at, length)),
    ];
    proptest::collection::vec(edit, 1..4)
}

fn apply(bytes: &mut Vec<u8>, edits: &[Edit]) {
    for edit in edits {
        let length = bytes.len();
        if length == 0 {
            return;
        }
        match *edit {
            Edit::Flip(at, byte) => bytes[at % length] ^= byte,
            Edit::Insert(at, byte) => bytes.insert(at % length, byte),
            Edit::Remove(at) => {
                bytes.remove(at % length);
            }
            Edit::Repeat(at, count) => {
                let at = at % length;
                let part = bytes[at..length.min(at + count)].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let mut at = 0;
    while at + from.len() <= bytes.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
        at += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn random_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert!(audit(&bytes, &Expected::default(), &DenyAll).is_err());
    }

    /// The whole definition changed: if it is accepted, its operations are what they were.
    #[test]
    fn changed_definitions(edits in edits()) {
        let draft = Draft::new();
        let before = draft.definition();
        let mut bytes = before.encode();
        apply(&mut bytes, &edits);
        if audit(&bytes, &draft.expected, &DenyAll).is_ok() {
            let after = Definition::decode(&bytes).unwrap();
            prop_assert_eq!(effects(&after), effects(&before));
            let files = |definition: &Definition| -> Vec<_> {
                let infos = definition.source.clone().unwrap_or_default().infos.into_iter();
                infos.map(|info| (info.filename, info.data)).collect()
            };
            prop_assert_eq!(files(&after), files(&before));
        }
    }

    /// One operation changed, and all that name it linked to it again: if it is accepted, it has the same effect.
    #[test]
    fn changed_operations(op in 0..END, edits in edits()) {
        let draft = Draft::new();
        let before = draft.definition();
        let mut nodes: Vec<Vec<u8>> = before.nodes.iter().map(|node| node.bytes().to_vec()).collect();
        apply(&mut nodes[op], &edits);
        let bytes = relinked(&draft, &before, nodes, op);
        if audit(&bytes, &draft.expected, &DenyAll).is_ok() {
            let after = Definition::decode(&bytes).unwrap();
            prop_assert_eq!(effects(&after), effects(&before));
        }
    }
}

/// A definition of these operations, `op` of which was changed, with all that name it linked to it again.
fn relinked(draft: &Draft, before: &Definition, mut nodes: Vec<Vec<u8>>, op: usize) -> Vec<u8> {
    for index in op..nodes.len() {
        let old = before.nodes[index].id().to_string();
        let new = Digest::sha256(&nodes[index]).to_string();
        for later in nodes.iter_mut().skip(index + 1) {
            replace(later, old.as_bytes(), new.as_bytes());
        }
    }
    let nodes = nodes.into_iter().map(Node::of_bytes).collect();
    let mut source = draft.source.clone();
    source.locations.clear();
    let metadata = BTreeMap::new();
    Definition {
        nodes,
        metadata,
        source: Some(source),
    }
    .encode()
}

/// Counts the accepted ones among `changed`, all of which must have the effect of `before`.
fn accepted(draft: &Draft, before: &Definition, changed: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut accepted = 0;
    for (at, bytes) in changed.enumerate() {
        if audit(&bytes, &draft.expected, &DenyAll).is_ok() {
            accepted += 1;
            let after = Definition::decode(&bytes).unwrap();
            assert_eq!(effects(&after), effects(before), "change {at}");
        }
    }
    accepted
}

#[test]
fn each_byte_of_the_definition() {
    let draft = Draft::new();
    let before = draft.definition();
    let bytes = before.encode();
    let changed = (0..bytes.len()).map(|at| {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        changed
    });
    // Names, descriptions and lines may change; they are a small part.
    let accepted = accepted(&draft, &before, changed);
    assert!(
        accepted > 0 && accepted < bytes.len() / 4,
        "{accepted} of {}",
        bytes.len()
    );
}

#[test]
fn each_byte_of_each_operation() {
    let draft = Draft::new();
    let before = draft.definition();
    let nodes: Vec<Vec<u8>> = before
        .nodes
        .iter()
        .map(|node| node.bytes().to_vec())
        .collect();
    for op in 0..END {
        let changed = (0..nodes[op].len()).map(|at| {
            let mut nodes = nodes.clone();
            nodes[op][at] ^= 1 << (at % 8);
            relinked(&draft, &before, nodes, op)
        });
        let accepted = accepted(&draft, &before, changed);
        // The other half of the test: operations with nothing free in them accept nothing.
        let free = !matches!(op, MERGE | GIT);
        assert_eq!(accepted > 0, free, "operation {op}: {accepted}");
    }
}
