//! pip and the other installers of Python, and python itself.

use super::{Args, Checked, Notes, Tool, Weak, What, is_local, is_url};
use crate::shell::options::{Field, Options, Style};

const OPTIONS: Options = Options {
    style: Style::Gnu,
    short: "rcietfdbC",
    long: &[
        "requirement",
        "constraint",
        "index-url",
        "extra-index-url",
        "find-links",
        "target",
        "trusted-host",
        "platform",
        "python-version",
        "implementation",
        "abi",
        "root",
        "prefix",
        "src",
        "upgrade-strategy",
        "global-option",
        "install-option",
        "config-settings",
        "proxy",
        "retries",
        "timeout",
        "cert",
        "client-cert",
        "cache-dir",
        "log",
        "progress-bar",
        "dest",
        "wheel-dir",
        "editable",
        "no-binary",
        "only-binary",
        "use-feature",
        "python",
        "index",
        "with",
        "from",
        "pip-args",
        "spec",
        "project",
        "directory",
        "allow-insecure-host",
        "group",
        "extra",
        "only",
        "without",
        "exists-action",
        "report",
    ],
};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &[
            "pip",
            "pipx",
            "uv",
            "uvx",
            "poetry",
            "pipenv",
            "pdm",
            "easy_install",
            "hatch",
            "rye",
        ],
        options: OPTIONS,
        read,
    },
    Tool {
        names: &["python", "python2", "python3", "pypy", "pypy3"],
        options: Options {
            style: Style::Gnu,
            short: "cmWX",
            long: &[],
        },
        read: python,
    },
];

fn read(args: &Args<'_>, notes: &mut Notes) {
    let (from, sub) = match (args.name, args.sub(0)) {
        // `uv pip install`
        ("uv", "pip" | "tool" | "python" | "self") => (2, args.sub(1)),
        ("poetry", "self") => (2, args.sub(1)),
        ("easy_install" | "uvx", _) => (0, "install"),
        (_, sub) => (1, sub),
    };
    let fetches = match sub {
        "install" | "download" | "wheel" | "sync" | "add" | "inject" | "upgrade" | "update"
        | "lock" | "run" | "upgrade-all" | "reinstall" => true,
        "" if args.sorted.operands.is_empty() => false,
        "" => {
            notes.unclear(format!("what `{}` is to do cannot be told", args.name));
            false
        }
        _ => false,
    };
    if !fetches {
        return;
    }
    if sub == "run" && matches!(args.name, "poetry" | "pipenv" | "pdm" | "hatch" | "rye") {
        notes.unclear(format!("`{} run` runs what the project says", args.name));
        return;
    }
    notes.tool("pip");
    let offline = args.has(&["no-index", "offline"]);
    let files = args.sorted.has(&["r", "requirement", "c", "constraint"]);
    let names = args.sorted.rest(from);
    let here = |field: &Field| field.value.texts().iter().all(is_local);
    let only_here = !files
        && !names.is_empty()
        && args.sorted.operands.iter().skip(from).all(here)
        && args.has(&["no-deps"]);
    if !offline && !only_here {
        let checked = args.has(&["require-hashes"]).then_some(Checked::Hash);
        let shown = names
            .iter()
            .map(|name| crate::shell::redacted(name).0)
            .collect();
        notes.fetches.push((What::Packages(shown), None, checked));
    }
    for field in args.sorted.operands.iter().skip(from) {
        if field.value.texts().iter().any(is_url) {
            let (shown, secret) = crate::shell::redacted(&field.shown());
            if secret {
                notes.weak.push((Weak::Secret, shown, field.span));
            }
        }
    }
    for given in &args.sorted.options {
        let name = given.name.as_str();
        let Some(value) = &given.value else { continue };
        if matches!(
            name,
            "i" | "index-url" | "extra-index-url" | "index" | "f" | "find-links"
        ) {
            let (shown, secret) = crate::shell::redacted(&value.shown());
            if secret {
                notes.weak.push((Weak::Secret, shown.clone(), given.span));
            }
            if shown.starts_with("http://") && !args.has(&["require-hashes"]) {
                notes.weak.push((Weak::Plain, shown, given.span));
            }
        }
    }
    notes.weak_option(args, Weak::Tls, &["trusted-host", "allow-insecure-host"]);
    if let Some(host) = args
        .variable("PIP_TRUSTED_HOST")
        .filter(|host| !host.is_empty())
    {
        notes
            .weak
            .push((Weak::Tls, format!("PIP_TRUSTED_HOST={host}"), args.span));
    }
}

fn python(args: &Args<'_>, notes: &mut Notes) {
    // Everything behind `-m module` belongs to the module.
    let mut words = args.words;
    while let [first, rest @ ..] = words {
        match first.known() {
            Some("-m") => {
                let Some((module, rest)) = rest.split_first() else {
                    return;
                };
                return self::module(args, module, rest, notes);
            }
            Some("-c") => {
                notes.unclear("it runs a text of Python");
                return;
            }
            Some("-W" | "-X") => words = rest.get(1..).unwrap_or_default(),
            Some("-") => break,
            Some(option) if option.starts_with('-') => words = rest,
            _ => break,
        }
    }
    match words.first() {
        Some(script) if script.known() != Some("-") => {
            super::interpreter(args, notes, &script.shown());
        }
        _ => super::interpreter_input(args, notes),
    }
}

fn module(args: &Args<'_>, module: &Field, rest: &[Field], notes: &mut Notes) {
    match module.known() {
        Some(name @ ("pip" | "pipx" | "uv" | "poetry" | "pipenv" | "easy_install")) => {
            let inner = Args {
                name,
                words: rest,
                sorted: OPTIONS.sort(rest, false),
                ..*args
            };
            read(&inner, notes);
        }
        // ensurepip has its wheels with it.
        Some(
            "venv" | "ensurepip" | "compileall" | "py_compile" | "site" | "json.tool" | "zipfile"
            | "tarfile" | "sysconfig" | "platform",
        ) => {}
        _ => notes.unclear(format!("it runs the Python module `{}`", module.shown())),
    }
}
