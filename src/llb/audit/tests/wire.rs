//! Bytes that are not exactly one definition.

use super::*;
use crate::llb::wire::{put_bytes, put_number, put_varint};

/// Changes the bytes of one operation of the draft and audits that.
fn with_raw(op: usize, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Result<Report, Vec<Escape>> {
    let mut draft = Draft::new();
    let bytes = draft.definition().nodes[op].bytes().to_vec();
    draft.raw.insert(op, change(bytes));
    draft.audit()
}

fn appended(suffix: Vec<u8>) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |mut bytes| {
        bytes.extend(suffix);
        bytes
    }
}

fn number(field: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_number(&mut out, field, value);
    out
}

fn bytes(field: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, field, value);
    out
}

/// An operation with one field of its kind: `kind` is the oneof's number, `body` the message.
fn op(kind: u32, body: &[u8]) -> Vec<u8> {
    bytes(kind, body)
}

#[test]
fn operations() {
    let deep = |fields: &[u32], leaf: Vec<u8>| {
        fields
            .iter()
            .rev()
            .fold(leaf, |inner, field| bytes(*field, &inner))
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "unknown field of Op",
            number(9, 1),
            "Op (field 9): an unknown field",
        ),
        (
            "unknown large field of Op",
            number(200, 1),
            "Op (field 200): an unknown field",
        ),
        (
            "a second kind",
            op(4, &[]),
            "Op.kind (field 4): a single value is there twice",
        ),
        (
            "second constraints",
            bytes(11, &[]),
            "Op.constraints (field 11): a single value is there twice",
        ),
        (
            "input of the wrong type",
            number(1, 1),
            "Op.inputs (field 1): wire type 0",
        ),
        ("field number 0", vec![0, 0], "Op: an invalid field number"),
        (
            "group",
            vec![0x0b, 0x0c],
            "Op: an invalid field number or wire type",
        ),
        (
            "fixed 32",
            vec![0x0d, 0, 0, 0, 0],
            "Op.inputs (field 1): wire type 5",
        ),
        (
            "fixed 64",
            vec![0x09, 0, 0, 0, 0, 0, 0, 0, 0],
            "Op.inputs (field 1): wire type 1",
        ),
        (
            "tag above 32 bits",
            vec![0x8a, 0x80, 0x80, 0x80, 0x10, 0],
            "Op: an invalid field number",
        ),
        (
            "overlong tag",
            vec![0x8a, 0x00, 0],
            "Op: a number is not written in its shortest form",
        ),
        (
            "overlong length",
            vec![0x0a, 0x80, 0x00],
            "Op: a number is not written in its shortest form",
        ),
        (
            "truncated length",
            vec![0x0a],
            "Op: the bytes end inside a value",
        ),
        (
            "truncated bytes",
            vec![0x0a, 2, 0],
            "Op: the bytes end inside a value",
        ),
        (
            "length above memory",
            [vec![0x0a], vec![0xff; 9], vec![1]].concat(),
            "Op: the bytes end inside a value",
        ),
        (
            "varint above 64 bits",
            [vec![0x0a], vec![0xff; 9], vec![2]].concat(),
            "Op: a number is not written",
        ),
        (
            "unknown field of Input",
            bytes(1, &number(3, 1)),
            "Input (field 3): an unknown field",
        ),
        (
            "second digest of Input",
            bytes(1, &[bytes(1, b"x"), bytes(1, b"x")].concat()),
            "Input.digest (field 1): a single value is there twice",
        ),
        (
            "digest that is not UTF-8",
            bytes(1, &bytes(1, &[0xff])),
            "Input.digest (field 1): the text is not UTF-8",
        ),
        (
            "unknown field of constraints",
            deep(&[11], number(2, 1)),
            "Op.constraints",
        ),
    ];
    for (name, suffix, words) in cases {
        let words = if name == "unknown field of constraints" {
            "WorkerConstraints (field 2)"
        } else {
            words
        };
        assert_refused(
            name,
            with_raw(MERGE, appended(suffix)),
            EscapeKind::Malformed,
            words,
        );
    }
}

#[test]
fn every_message_refuses_an_unknown_field() {
    // The path of field numbers from Op to each message that an operation may have, and the message's name.
    let messages: &[(&[u32], &str)] = &[
        (&[1], "Input"),
        (&[2], "ExecOp"),
        (&[2, 1], "Meta"),
        (&[2, 1, 5], "ProxyEnv"),
        (&[2, 1, 6], "HostIp"),
        (&[2, 1, 9], "Ulimit"),
        (&[2, 2], "Mount"),
        (&[2, 2, 19], "TmpfsOpt"),
        (&[2, 2, 20], "CacheOpt"),
        (&[2, 2, 21], "SecretOpt"),
        (&[2, 2, 22], "SshOpt"),
        (&[2, 5], "SecretEnv"),
        (&[2, 6], "CdiDevice"),
        (&[3], "SourceOp"),
        (&[3, 2], "SourceOp.attrs (field 2)"),
        (&[4], "FileOp"),
        (&[4, 2], "FileAction"),
        (&[4, 2, 4], "FileActionCopy"),
        (&[4, 2, 5], "FileActionMkFile"),
        (&[4, 2, 6], "FileActionMkDir"),
        (&[4, 2, 7], "FileActionRm"),
        (&[4, 2, 8], "FileActionSymlink"),
        (&[4, 2, 4, 3], "ChownOpt"),
        (&[4, 2, 4, 3, 1], "UserOpt"),
        (&[4, 2, 4, 3, 1, 1], "NamedUserOpt"),
        (&[6], "MergeOp"),
        (&[6, 1], "MergeInput"),
        (&[10], "Platform"),
        (&[11], "WorkerConstraints"),
    ];
    for (path, name) in messages {
        for field in [18, 63, 64, 1000] {
            let raw = path
                .iter()
                .rev()
                .fold(number(field, 1), |inner, number| bytes(*number, &inner));
            let words = if name.contains("attrs") {
                format!("{name}: an unknown field")
            } else {
                format!("{name} (field {field}): an unknown field")
            };
            assert_refused(
                name,
                with_raw(MERGE, |_| raw),
                EscapeKind::Malformed,
                &words,
            );
        }
    }
}

#[test]
fn values() {
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "unknown network",
            op(2, &number(3, 3)),
            "ExecOp.network (field 3): unknown value 3",
        ),
        (
            "unknown security",
            op(2, &number(4, 2)),
            "ExecOp.security (field 4): unknown value 2",
        ),
        (
            "network above 32 bits",
            op(2, &number(3, 1 << 32)),
            "ExecOp.network (field 3): unknown value",
        ),
        (
            "unknown mount type",
            op(2, &bytes(2, &number(6, 5))),
            "Mount.mount_type (field 6): unknown value 5",
        ),
        (
            "unknown content cache",
            op(2, &bytes(2, &number(24, 3))),
            "Mount.content_cache (field 24): unknown value 3",
        ),
        (
            "unknown sharing",
            op(2, &bytes(2, &bytes(20, &number(2, 3)))),
            "CacheOpt.sharing (field 2): unknown value 3",
        ),
        (
            "negative network",
            op(2, &number(3, u64::MAX)),
            "ExecOp.network (field 3): unknown value -1",
        ),
        (
            "bool of 2",
            op(2, &bytes(2, &number(5, 2))),
            "Mount.readonly (field 5): the number does not fit",
        ),
        (
            "uint32 above",
            op(2, &bytes(2, &bytes(21, &number(2, 1 << 32)))),
            "SecretOpt.uid (field 2): the number does not fit",
        ),
        (
            "int32 above",
            op(4, &bytes(2, &bytes(5, &number(2, 1 << 31)))),
            "FileActionMkFile.mode (field 2): the number does not fit",
        ),
        (
            "second network",
            op(2, &[number(3, 2), number(3, 0)].concat()),
            "ExecOp.network (field 3): a single value is there twice",
        ),
        (
            "second meta",
            op(2, &[bytes(1, &[]), bytes(1, &[])].concat()),
            "ExecOp.meta (field 1): a single value is there twice",
        ),
        (
            "second identifier",
            op(3, &[bytes(1, b"a"), bytes(1, b"b")].concat()),
            "SourceOp.identifier (field 1): a single value is there twice",
        ),
        (
            "second value of an attribute",
            op(3, &[attr("a", "b"), attr("a", "c")].concat()),
            "SourceOp.attrs (field 2): a single value is there twice",
        ),
        (
            "attribute with two keys",
            op(3, &bytes(2, &[bytes(1, b"a"), bytes(1, b"b")].concat())),
            "SourceOp.attrs (field 2): a single value is there twice",
        ),
        (
            "attribute with a number",
            op(3, &bytes(2, &number(2, 1))),
            "SourceOp.attrs (field 2): wire type 0",
        ),
        (
            "two actions in one",
            op(4, &bytes(2, &[bytes(5, &[]), bytes(6, &[])].concat())),
            "FileAction.action (field 6): a single value is there twice",
        ),
        (
            "owner by name and number",
            op(
                4,
                &bytes(
                    2,
                    &bytes(
                        5,
                        &bytes(4, &bytes(1, &[bytes(1, &[]), number(2, 0)].concat())),
                    ),
                ),
            ),
            "UserOpt.user (field 2): a single value is there twice",
        ),
        (
            "arguments that are not UTF-8",
            op(2, &bytes(1, &bytes(1, &[0xc3]))),
            "Meta.args (field 1): the text is not UTF-8",
        ),
        (
            "exit codes unpacked",
            op(2, &bytes(1, &number(12, 1))),
            "Meta.valid_exit_codes (field 12): wire type 0",
        ),
        (
            "exit codes twice",
            op(2, &bytes(1, &[bytes(12, &[1]), bytes(12, &[2])].concat())),
            "Meta.valid_exit_codes (field 12): a single value is there twice",
        ),
        (
            "exit code cut off",
            op(2, &bytes(1, &bytes(12, &[0x80]))),
            "Meta.valid_exit_codes (field 12): the bytes end",
        ),
    ];
    for (name, raw, words) in cases {
        assert_refused(name, with_raw(MERGE, |_| raw), EscapeKind::Malformed, words);
    }
}

fn attr(key: &str, value: &str) -> Vec<u8> {
    bytes(
        2,
        &[bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat(),
    )
}

#[test]
fn definitions() {
    let whole = Draft::new().bytes();
    let id = Draft::new().definition().nodes[IMAGE].id().to_string();
    let metadata = |fields: Vec<u8>| {
        bytes(
            2,
            &[
                bytes(1, digest("x").to_string().as_bytes()),
                bytes(2, &fields),
            ]
            .concat(),
        )
    };
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "unknown field",
            number(4, 1),
            "WireDefinition (field 4): an unknown field",
        ),
        (
            "second source map",
            bytes(3, &[]),
            "WireDefinition.source (field 3): a single value is there twice",
        ),
        (
            "second metadata",
            bytes(2, &[bytes(1, id.as_bytes()), bytes(2, &[])].concat()),
            "WireDefinition.metadata (field 2): a single value is there twice",
        ),
        (
            "unknown field of metadata",
            metadata(number(3, 1)),
            "OpMetadata (field 3): an unknown field",
        ),
        (
            "unknown field of resources",
            metadata(bytes(7, &number(8, 1))),
            "LinuxResources (field 8): an unknown field",
        ),
        (
            "unknown field of a group",
            metadata(bytes(6, &number(4, 1))),
            "ProgressGroup (field 4): an unknown field",
        ),
        (
            "unknown field of cache export",
            metadata(bytes(4, &number(2, 1))),
            "ExportCache (field 2): an unknown field",
        ),
        (
            "capability that is no bool",
            metadata(bytes(5, &[bytes(1, b"x"), number(2, 7)].concat())),
            "OpMetadata.caps (field 5): the number does not fit",
        ),
        (
            "one byte",
            vec![0x0a],
            "WireDefinition: the bytes end inside a value",
        ),
    ];
    for (name, suffix, words) in cases {
        let bytes = [whole.clone(), suffix].concat();
        let result = audit(&bytes, &Draft::expected(), &DenyAll);
        assert_refused(name, result, EscapeKind::Malformed, words);
    }
}

#[test]
fn source_maps() {
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "unknown field of a source map",
            number(3, 1),
            "Source (field 3)",
        ),
        (
            "unknown field of a file",
            bytes(2, &number(5, 1)),
            "SourceInfo (field 5)",
        ),
        (
            "unknown field of lines",
            bytes(1, &bytes(2, &number(2, 1))),
            "Locations (field 2)",
        ),
        (
            "unknown field of a place",
            bytes(1, &bytes(2, &bytes(1, &number(3, 1)))),
            "Location (field 3)",
        ),
        (
            "unknown field of a range",
            bytes(1, &bytes(2, &bytes(1, &bytes(2, &number(3, 1))))),
            "Range (field 3)",
        ),
        (
            "unknown field of a position",
            bytes(1, &bytes(2, &bytes(1, &bytes(2, &bytes(1, &number(3, 1)))))),
            "Position (field 3)",
        ),
    ];
    let mut definition = Draft::new().definition();
    definition.source = None;
    for (name, source, words) in cases {
        let bytes = [definition.encode(), bytes(3, &source)].concat();
        let result = audit(&bytes, &Draft::expected(), &DenyAll);
        assert_refused(
            name,
            result,
            EscapeKind::Malformed,
            &format!("{words}: an unknown field"),
        );
    }
}

#[test]
fn a_malformed_operation_is_shown_at_its_lines() {
    let escapes = with_raw(RUN, appended(number(9, 1))).unwrap_err();
    assert_eq!(escapes[0].lines[0].start, 4);
    assert!(escapes[0].op.is_some());
}

#[test]
fn limits() {
    use crate::llb::definition::{MAX_BYTES, MAX_OPS, MAX_VALUES};
    let long = vec![0; MAX_BYTES + 1];
    assert_refused(
        "bytes",
        audit(&long, &Expected::default(), &DenyAll),
        EscapeKind::TooLarge,
        "bytes",
    );
    let many = [0x0a, 0].repeat(MAX_OPS + 1);
    assert_refused(
        "operations",
        audit(&many, &Expected::default(), &DenyAll),
        EscapeKind::TooLarge,
        "operations",
    );
    let mut values = Vec::new();
    put_varint(&mut values, 4 << 3 | 2);
    let actions = [0x12, 0].repeat(MAX_VALUES);
    put_varint(&mut values, actions.len() as u64);
    values.extend(actions);
    let result = audit(&bytes(1, &values), &Expected::default(), &DenyAll);
    assert_refused(
        "values",
        result,
        EscapeKind::TooLarge,
        "more data than is read",
    );
}

#[test]
fn numbers_go_both_ways() {
    use crate::llb::wire::{Reader, Value};
    for value in [
        0,
        1,
        127,
        128,
        16_383,
        16_384,
        u64::from(u32::MAX),
        u64::MAX >> 1,
        u64::MAX,
    ] {
        let out = number(5, value);
        let mut reader = Reader::new(&out);
        assert_eq!(reader.field(), Ok(Some((5, Value::Varint(value)))));
        assert_eq!(reader.field(), Ok(None));
    }
}
