//! The go command.

use super::{Args, Notes, Tool, Weak};
use crate::shell::options::{Options, Style};

pub(super) const TOOLS: &[Tool] = &[Tool {
    names: &["go", "xx-go"],
    options: Options {
        style: Style::Single,
        short: "",
        long: &[
            "o",
            "p",
            "tags",
            "ldflags",
            "gcflags",
            "asmflags",
            "mod",
            "modfile",
            "C",
            "run",
            "count",
            "timeout",
            "buildmode",
            "compiler",
            "gccgoflags",
            "installsuffix",
            "overlay",
            "pkgdir",
            "toolexec",
            "covermode",
            "coverprofile",
            "coverpkg",
            "exec",
            "bench",
            "cpu",
            "parallel",
            "asan",
            "vettool",
            "f",
            "go",
        ],
    },
    read,
}];

fn read(args: &Args<'_>, notes: &mut Notes) {
    let names = args.sorted.rest(1);
    let versioned = names.iter().any(|name| name.contains('@'));
    let vendored = args.value(&["mod"]).as_deref() == Some("vendor");
    let fetches = match args.sub(0) {
        "get" => {
            notes.packages(names);
            true
        }
        "install" | "run" if versioned => {
            notes.packages(names);
            true
        }
        "mod"
            if matches!(
                args.sub(1),
                "download" | "tidy" | "vendor" | "verify" | "why" | "graph"
            ) =>
        {
            notes.packages(args.sorted.rest(2));
            true
        }
        "work" if args.sub(1) == "sync" => {
            notes.packages(Vec::new());
            true
        }
        name @ ("build" | "install" | "run" | "test" | "vet" | "generate" | "list") => {
            if !vendored || name == "generate" {
                notes.unclear(format!("`go {name}` loads modules that are not there yet"));
            }
            true
        }
        "" if !args.sorted.operands.is_empty() => {
            notes.unclear("what `go` is to do cannot be told");
            true
        }
        _ => false,
    };
    if !fetches {
        return;
    }
    notes.weak_option(args, Weak::Tls, &["insecure"]);
    notes.weak_variable(args, Weak::Packages, "GOSUMDB", &["off"]);
    notes.weak_variable(args, Weak::Packages, "GONOSUMCHECK", &["1"]);
    notes.weak_variable(
        args,
        Weak::Packages,
        "GOFLAGS",
        &["-insecure", "-mod=mod -insecure"],
    );
    for name in ["GOINSECURE", "GONOSUMDB"] {
        if let Some(value) = args.variable(name).filter(|value| !value.is_empty()) {
            notes
                .weak
                .push((Weak::Packages, format!("{name}={value}"), args.span));
        }
    }
}
