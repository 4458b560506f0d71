//! npm, yarn, pnpm and bun, and node itself.

use super::{Args, Notes, Tool, Weak};
use crate::shell::options::{Field, Options, Style};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &["npm", "cnpm"],
        options: OPTIONS,
        read: npm,
    },
    Tool {
        names: &["yarn", "yarnpkg"],
        options: OPTIONS,
        read: yarn,
    },
    Tool {
        names: &["pnpm", "bun"],
        options: OPTIONS,
        read: npm,
    },
    Tool {
        names: &[
            "npx", "bunx", "pnpx", "corepack", "ng", "lerna", "nx", "turbo", "bower", "gulp",
            "grunt", "rush", "jspm",
        ],
        options: OPTIONS,
        read: runs,
    },
    Tool {
        names: &["node", "nodejs", "deno", "electron", "ts-node"],
        options: Options {
            style: Style::Gnu,
            short: "epr",
            long: &["eval", "print", "require"],
        },
        read: node,
    },
];

const OPTIONS: Options = Options {
    style: Style::Gnu,
    short: "CwF",
    long: &[
        "prefix",
        "registry",
        "cache",
        "workspace",
        "cwd",
        "filter",
        "dir",
        "tag",
        "userconfig",
        "network-timeout",
        "modules-folder",
        "cache-folder",
        "mutex",
        "omit",
        "include",
        "loglevel",
        "store-dir",
        "fetch-timeout",
        "fetch-retries",
        "network-concurrency",
    ],
};

fn weak(args: &Args<'_>, notes: &mut Notes) {
    for given in &args.sorted.options {
        let off = given.name == "strict-ssl"
            && given
                .value
                .as_ref()
                .is_some_and(|value| value.known() == Some("false"))
            || given.name == "no-strict-ssl";
        if off {
            notes
                .weak
                .push((Weak::Tls, "--strict-ssl=false".to_owned(), given.span));
        }
    }
    notes.weak_variable(args, Weak::Tls, "NODE_TLS_REJECT_UNAUTHORIZED", &["0"]);
    notes.weak_variable(args, Weak::Tls, "NPM_CONFIG_STRICT_SSL", &["false"]);
    if let Some(url) = args.value(&["registry"]) {
        let (shown, secret) = crate::shell::redacted(&url);
        if secret {
            notes.weak.push((Weak::Secret, shown, args.span));
        } else if shown.starts_with("http://") {
            notes.weak.push((Weak::Plain, shown, args.span));
        }
    }
}

/// `config set strict-ssl false`, `config set strict-ssl=false`
fn config(words: &[Field], notes: &mut Notes, span: crate::shell::Span) {
    let words: Vec<String> = words.iter().map(Field::shown).collect();
    let text = words.join(" ").replace('=', " ");
    if text.contains("strict-ssl false")
        || text.contains("strict-ssl \"false\"")
        || text.contains("enableStrictSsl false")
    {
        notes
            .weak
            .push((Weak::Tls, "strict-ssl=false".to_owned(), span));
    }
    if let Some(at) = words
        .iter()
        .position(|word| word.contains("_authToken") || word.contains("_password"))
    {
        let value = words.iter().skip(at).last().cloned().unwrap_or_default();
        let value = value.rsplit('=').next().unwrap_or_default();
        if !value.is_empty() && !value.starts_with('$') && !value.contains("_authToken") {
            notes
                .weak
                .push((Weak::Secret, "_authToken ***".to_owned(), span));
        }
    }
}

fn npm(args: &Args<'_>, notes: &mut Notes) {
    notes.tool(match args.name {
        "pnpm" => "pnpm",
        "bun" => "bun",
        _ => "npm",
    });
    if args.has(&["offline"]) {
        return;
    }
    match args.sub(0) {
        "install" | "i" | "ci" | "add" | "update" | "up" | "upgrade" | "install-clean"
        | "install-test" | "it" | "cit" | "audit" | "outdated" | "view" | "pack" | "exec"
        | "dlx" | "create" | "init" | "fetch" | "dedupe" | "rebuild" | "x" | "isntall"
        | "clean-install" => {
            if args.sub(0) == "init" && args.sorted.operands.len() < 2 {
                return;
            }
            notes.packages(args.sorted.rest(1));
            weak(args, notes);
        }
        "config" | "c" | "set" => config(args.words, notes, args.span),
        "cache" | "prune" | "ls" | "list" | "root" | "bin" | "prefix" | "uninstall" | "rm"
        | "remove" | "link" | "unlink" | "pkg" | "get" | "whoami" | "help" | "store" | "login"
        | "version" => {}
        "" if args.sorted.operands.is_empty() => {}
        "" => notes.unclear(format!("what `{}` is to do cannot be told", args.name)),
        _ => notes.unclear(format!("`{}` runs a script of the project", args.name)),
    }
}

fn yarn(args: &Args<'_>, notes: &mut Notes) {
    if args.has(&["offline"]) {
        return;
    }
    let global = matches!(args.sub(0), "global" | "workspace" | "workspaces");
    let sub = args.sub(usize::from(global));
    match sub {
        // Without a word it installs.
        "" if args.sorted.operands.is_empty() && !args.has(&["v", "version"]) => {
            notes.packages(Vec::new());
            weak(args, notes);
        }
        "install" | "add" | "upgrade" | "up" | "create" | "dlx" | "import" | "outdated"
        | "audit" | "info" => {
            notes.packages(args.sorted.rest(if global { 2 } else { 1 }));
            weak(args, notes);
        }
        "set" if args.sub(1) == "version" => notes.packages(vec!["yarn".to_owned()]),
        "config" => config(args.words, notes, args.span),
        "cache" | "bin" | "list" | "remove" | "link" | "unlink" | "autoclean" | "why" | "check"
        | "dir" | "licenses" | "help" => {}
        _ => notes.unclear("`yarn` runs a script of the project"),
    }
}

fn runs(args: &Args<'_>, notes: &mut Notes) {
    match (args.name, args.sub(0)) {
        ("corepack", "enable" | "disable") => {}
        ("npx" | "bunx" | "pnpx" | "corepack" | "bower", _) => {
            notes.packages(args.sorted.rest(0).into_iter().take(2).collect());
            weak(args, notes);
        }
        _ => notes.unclear(format!("`{}` runs what the project says", args.name)),
    }
}

fn node(args: &Args<'_>, notes: &mut Notes) {
    if args.name == "deno" {
        if matches!(
            args.sub(0),
            "cache" | "install" | "add" | "run" | "compile" | "bundle"
        ) {
            notes.packages(args.sorted.rest(1));
        }
        return;
    }
    if args.has(&["e", "eval", "p", "print"]) {
        notes.unclear("it runs a text of JavaScript");
        return;
    }
    match args.sorted.operands.first() {
        Some(script) if script.known() != Some("-") => {
            super::interpreter(args, notes, &script.shown());
        }
        _ => super::interpreter_input(args, notes),
    }
}
