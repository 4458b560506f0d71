//! gem, bundle, and ruby itself.

use super::{Args, Notes, Tool, Weak};
use crate::shell::options::{Options, Style};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &["gem"],
        options: Options {
            style: Style::Gnu,
            short: "vnirspP",
            long: &[
                "version",
                "source",
                "bindir",
                "install-dir",
                "platform",
                "trust-policy",
                "clear-sources",
                "add",
            ],
        },
        read: gem,
    },
    Tool {
        names: &["bundle", "bundler"],
        options: Options {
            style: Style::Gnu,
            short: "j",
            long: &["jobs", "retry", "path", "gemfile", "without", "with"],
        },
        read: bundle,
    },
    Tool {
        names: &["ruby", "jruby", "rake", "rails", "irb"],
        options: Options {
            style: Style::Gnu,
            short: "erIC",
            long: &[],
        },
        read: ruby,
    },
];

fn gem(args: &Args<'_>, notes: &mut Notes) {
    match args.sub(0) {
        "install" | "i" | "update" | "fetch" | "specification" | "search" | "outdated"
            if !args.has(&["local", "l"]) =>
        {
            notes.packages(args.sorted.rest(1));
            plain(args, notes, &["source", "s", "clear-sources"]);
        }
        "sources" => plain(args, notes, &["add", "a"]),
        _ => {}
    }
}

fn plain(args: &Args<'_>, notes: &mut Notes, names: &[&str]) {
    for value in args.sorted.values(names) {
        let (shown, secret) = crate::shell::redacted(&value.shown());
        if secret {
            notes.weak.push((Weak::Secret, shown, args.span));
        } else if shown.starts_with("http://") {
            notes.weak.push((Weak::Plain, shown, args.span));
        }
    }
}

fn bundle(args: &Args<'_>, notes: &mut Notes) {
    match args.sub(0) {
        "install" | "update" | "add" | "lock" | "cache" | "package" | "outdated"
            if args.has(&["local"]) => {}
        "install" | "update" | "add" | "lock" | "cache" | "package" | "outdated" => {
            notes.packages(args.sorted.rest(1));
        }
        "" if args.sorted.operands.is_empty() => notes.packages(Vec::new()),
        "exec" => notes.unclear("`bundle exec` runs what the project says"),
        "config" => {
            let words: Vec<String> = args.words.iter().map(|word| word.shown()).collect();
            if words.join(" ").contains("ssl_verify_mode 0") {
                notes
                    .weak
                    .push((Weak::Tls, "ssl_verify_mode 0".to_owned(), args.span));
            }
        }
        _ => {}
    }
}

fn ruby(args: &Args<'_>, notes: &mut Notes) {
    if matches!(args.name, "rake" | "rails") {
        notes.unclear(format!("`{}` runs what the project says", args.name));
    } else if args.has(&["e"]) {
        notes.unclear("it runs a text of Ruby");
    } else if let Some(script) = args.sorted.operands.first() {
        super::interpreter(args, notes, &script.shown());
    } else {
        super::interpreter_input(args, notes);
    }
}
