//! Hash functions: made, and compared with lists.

use super::{Args, Notes, Output, Tool, base_name};
use crate::shell::{
    filter,
    options::{Options, Style},
    value::Value,
};

pub(super) const TOOLS: &[Tool] = &[Tool {
    names: &[
        "sha256sum",
        "sha512sum",
        "sha384sum",
        "sha224sum",
        "sha1sum",
        "md5sum",
        "shasum",
        "b2sum",
        "gsha256sum",
        "sha256",
        "sha512",
        "md5",
        "cksum",
        "sha3sum",
        "b3sum",
        "xxhsum",
    ],
    options: Options {
        style: Style::Gnu,
        short: "al",
        long: &["algorithm", "length"],
    },
    read,
}];

/// The function that a command computes.
pub(super) fn algorithm(name: &str, option: Option<&str>) -> &'static str {
    match (name, option.map(|text| text.trim_start_matches("sha"))) {
        ("shasum", None | Some("1")) => "sha1",
        ("shasum" | "cksum", Some("224")) => "sha224",
        ("shasum" | "cksum", Some("256")) => "sha256",
        ("shasum" | "cksum", Some("384")) => "sha384",
        ("shasum" | "cksum", Some("512" | "512256")) => "sha512",
        ("cksum", Some("1")) | ("sha1sum", _) => "sha1",
        ("sha256sum" | "gsha256sum" | "sha256", _) => "sha256",
        ("sha512sum" | "sha512", _) => "sha512",
        ("sha384sum", _) => "sha384",
        ("sha224sum", _) => "sha224",
        ("b2sum", _) => "blake2",
        ("b3sum", _) => "blake3",
        ("sha3sum", _) => "sha3",
        ("md5sum" | "md5", _) => "md5",
        _ => "crc32",
    }
}

fn read(args: &Args<'_>, notes: &mut Notes) {
    let option = args.value(&["a", "algorithm"]);
    let algorithm = algorithm(args.name, option.as_deref());
    let files = args.sorted.rest(0);
    if args.has(&["c", "check"]) {
        if files.is_empty() || files.iter().all(|file| file == "-") {
            notes
                .lists
                .push((algorithm, args.stdin.clone(), "standard input".to_owned()));
        }
        for file in files.iter().filter(|file| *file != "-") {
            let value = match file.as_str() {
                "/dev/stdin" => args.stdin.clone(),
                file => args.file(file).unwrap_or_else(|| {
                    let kind = crate::shell::value::HoleKind::File(base_name(file).to_owned());
                    Value::hole(format!("$(cat {file})"), kind)
                }),
            };
            notes
                .lists
                .push((algorithm, value, base_name(file).to_owned()));
        }
        notes.output = Output::Value(Value::unknown(format!("$({})", args.name)));
        return;
    }
    let file = match files.first().map(String::as_str) {
        None | Some("-") => from_stdin(args.stdin),
        Some(file) => Some(base_name(file).to_owned()),
    };
    notes.output = Output::Value(filter::hash_line(algorithm, file, false));
}

/// The file that comes in, if it is one.
pub(super) fn from_stdin(stdin: &Value) -> Option<String> {
    use crate::shell::value::HoleKind;
    match stdin.kind() {
        HoleKind::File(name) | HoleKind::Downloaded(Some(name)) => Some(name),
        _ => None,
    }
}
