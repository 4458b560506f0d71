//! cargo and rustup.

use super::{Args, Notes, Tool};
use crate::shell::options::{Options, Style};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &["cargo", "xx-cargo"],
        options: Options {
            style: Style::Gnu,
            short: "pjFCZ",
            long: &[
                "version",
                "git",
                "branch",
                "tag",
                "rev",
                "path",
                "root",
                "registry",
                "index",
                "target",
                "features",
                "package",
                "jobs",
                "profile",
                "manifest-path",
                "target-dir",
                "config",
                "bin",
                "example",
                "color",
                "recipe-path",
            ],
        },
        read,
    },
    Tool {
        names: &["rustup", "rustup-init"],
        options: Options {
            style: Style::Gnu,
            short: "ct",
            long: &[
                "default-toolchain",
                "default-host",
                "profile",
                "component",
                "target",
                "toolchain",
            ],
        },
        read: rustup,
    },
];

fn read(args: &Args<'_>, notes: &mut Notes) {
    // `cargo +nightly build`
    let from = usize::from(args.sub(0).starts_with('+'));
    let sub = args.sub(from);
    if args.has(&["offline", "frozen"]) {
        return;
    }
    let rest = from.saturating_add(1);
    match sub {
        "install" | "binstall" | "add" | "fetch" | "update" | "search" | "generate-lockfile"
        | "vendor" | "quickinstall" => {
            let mut names = args.sorted.rest(rest);
            names.extend(
                args.sorted
                    .value(&["git"])
                    .map(crate::shell::value::Value::shown),
            );
            if sub == "install" && args.has(&["path"]) {
                names.clear();
            }
            notes.packages(names);
        }
        "build" | "b" | "run" | "r" | "test" | "t" | "check" | "c" | "bench" | "doc" | "rustc"
        | "clippy" | "chef" | "zigbuild" | "tree" | "metadata" | "package" | "publish" | "fix"
        | "build-deps" | "auditable" | "nextest" | "miri" | "component" | "deb" | "leptos" => {
            notes.unclear(format!("`cargo {sub}` loads crates that are not there yet"));
        }
        "new" | "init" | "clean" | "fmt" | "version" | "locate-project" | "pkgid" | "remove"
        | "rm" => {}
        "" if args.sorted.operands.is_empty() => {}
        _ => notes.unclear(format!("`cargo {sub}` is not known here")),
    }
}

fn rustup(args: &Args<'_>, notes: &mut Notes) {
    if args.name == "rustup-init" {
        let toolchain = args.value(&["default-toolchain"]);
        if toolchain.as_deref() != Some("none") {
            notes.packages(toolchain.into_iter().collect());
        }
        return;
    }
    match (args.sub(0), args.sub(1)) {
        ("toolchain" | "component" | "target", "install" | "add" | "update")
        | ("update" | "default" | "self" | "run" | "install", _) => {
            let from = if matches!(args.sub(0), "update" | "default" | "install") {
                1
            } else {
                2
            };
            notes.packages(args.sorted.rest(from));
        }
        _ => {}
    }
}
