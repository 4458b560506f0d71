//! conda, mamba and micromamba.

use super::{Args, Notes, Tool, Weak};
use crate::shell::options::{Options, Style};

pub(super) const TOOLS: &[Tool] = &[Tool {
    names: &["conda", "mamba", "micromamba"],
    options: Options {
        style: Style::Gnu,
        short: "ncpfr",
        long: &[
            "name",
            "channel",
            "prefix",
            "file",
            "root-prefix",
            "solver",
            "platform",
        ],
    },
    read,
}];

fn read(args: &Args<'_>, notes: &mut Notes) {
    let env = args.sub(0) == "env";
    match args.sub(usize::from(env)) {
        "install" | "create" | "update" | "upgrade" | "search" if args.has(&["offline"]) => {}
        "install" | "create" | "update" | "upgrade" | "search" => {
            notes.packages(args.sorted.rest(if env { 2 } else { 1 }));
            notes.weak_option(args, Weak::Tls, &["k", "insecure"]);
        }
        "run" => notes.unclear("`conda run` runs something that is not read"),
        "config" => {
            let words: Vec<String> = args.words.iter().map(|word| word.shown()).collect();
            let text = words.join(" ");
            if text.to_ascii_lowercase().contains("ssl_verify false") {
                notes
                    .weak
                    .push((Weak::Tls, "ssl_verify false".to_owned(), args.span));
            }
        }
        _ => {}
    }
}
