//! apk(8) of Alpine and its children.

use super::{Args, Notes, Tool, Weak, base_name, is_local};
use crate::shell::options::{Options, Style};

pub(super) const TOOLS: &[Tool] = &[Tool {
    names: &["apk", "xx-apk"],
    options: Options {
        style: Style::Gnu,
        short: "pXt",
        long: &[
            "arch",
            "cache-dir",
            "cache-max-age",
            "keys-dir",
            "progress-fd",
            "repositories-file",
            "repository",
            "root",
            "timeout",
            "virtual",
            "wait",
        ],
    },
    read,
}];

fn read(args: &Args<'_>, notes: &mut Notes) {
    if args.has(&["no-network", "s", "simulate"]) {
        return;
    }
    let operands = args.sorted.operands.get(1..).unwrap_or_default();
    let here = |field: &crate::shell::options::Field| {
        field
            .value
            .texts()
            .iter()
            .all(|text| is_local(text) || text.suffix().ends_with(".apk"))
    };
    match args.sub(0) {
        "add" | "fetch" => {
            let names = args.sorted.rest(1);
            // `apk add --virtual name` alone adds a name.
            if !names.is_empty() {
                notes.packages(names);
            }
        }
        "upgrade" | "fix" => notes.packages(args.sorted.rest(1)),
        "update" => notes.index(),
        "" if args.sorted.operands.is_empty() => return,
        "" => notes.unclear("what `apk` is to do cannot be told"),
        _ => return,
    }
    if let Some(given) = args.sorted.given(&["allow-untrusted"]) {
        // Files that are here may have been checked otherwise.
        let files = if !operands.is_empty() && operands.iter().all(here) {
            operands
                .iter()
                .map(|field| base_name(&field.shown()).to_owned())
                .collect()
        } else {
            Vec::new()
        };
        notes.weak_files.push((
            Weak::Packages,
            "--allow-untrusted".to_owned(),
            given.span,
            files,
        ));
    }
}
