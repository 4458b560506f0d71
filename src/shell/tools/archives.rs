//! Archives: what they unpack came from elsewhere and is no download; installers of files that are here.

use super::{Args, Notes, Output, Tool, base_name, is_url};
use crate::shell::{
    options::{Options, Style},
    value::{HoleKind, Value},
};

pub(super) const TOOLS: &[Tool] = &[Tool {
    names: &[
        "tar",
        "bsdtar",
        "unzip",
        "7z",
        "7za",
        "cpio",
        "dpkg",
        "dpkg-deb",
        "gdebi",
        "installer",
        "unrar",
        "ar",
        "jar",
    ],
    options: Options {
        style: Style::Gnu,
        short: "fCXTbFHgKLNV",
        long: &[
            "file",
            "directory",
            "strip-components",
            "use-compress-program",
            "to-command",
            "wildcards",
        ],
    },
    read,
}];

fn read(args: &Args<'_>, notes: &mut Notes) {
    for field in &args.sorted.operands {
        if field.value.texts().iter().any(is_url) {
            let saved = base_name(field.shown().split('?').next().unwrap_or_default()).to_owned();
            notes.url(&field.value, Some(saved), field.span);
        }
    }
    if let Some(command) = args.value(&["to-command"]) {
        notes.unclear(format!("`tar` starts `{command}`"));
    }
    let kind = args.stdin.kind();
    notes.output = match args.name {
        "dpkg" | "dpkg-deb" | "jar" => Output::Unknown,
        _ => Output::Value(Value::hole(
            format!("$({})", args.name),
            match kind {
                HoleKind::Downloaded(name) => HoleKind::Downloaded(name),
                _ => HoleKind::Any,
            },
        )),
    };
}
