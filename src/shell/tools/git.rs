//! git(1), and other version control.

use super::{Args, Checked, Notes, Output, Tool, Weak, What};
use crate::shell::{
    options::{Field, Options, Style},
    secret,
    value::{HoleKind, Value},
};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &["git"],
        options: Options {
            style: Style::Gnu,
            short: "C",
            long: &[
                "git-dir",
                "work-tree",
                "namespace",
                "exec-path",
                "config-env",
            ],
        },
        read,
    },
    Tool {
        names: &["svn", "hg", "bzr", "fossil", "cvs", "repo"],
        options: OTHERS,
        read: other,
    },
];

/// Options of the others that take a value and stand in front of what is fetched.
const OTHERS: Options = Options {
    style: Style::Gnu,
    short: "r",
    long: &[
        "username",
        "password",
        "revision",
        "config-dir",
        "config-option",
        "depth",
        "trust-server-cert-failures",
        "config",
        "rev",
    ],
};

/// Options behind `clone` and the like that take a value.
const BEHIND: Options = Options {
    style: Style::Gnu,
    short: "bojucC",
    long: &[
        "branch",
        "depth",
        "origin",
        "jobs",
        "upload-pack",
        "config",
        "reference",
        "reference-if-able",
        "separate-git-dir",
        "shallow-since",
        "shallow-exclude",
        "filter",
        "template",
        "revision",
        "server-option",
        "bundle-uri",
        "refmap",
    ],
};

/// Whether it is the id of a commit in full.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn read(args: &Args<'_>, notes: &mut Notes) {
    // Git's own options stand in front of the subcommand; `-c` there is no `-c` behind it.
    let mut words = args.words;
    let mut weak = None;
    while let [first, rest @ ..] = words {
        let shown = first.shown();
        match shown.as_str() {
            "-C" | "-c" | "--git-dir" | "--work-tree" | "--namespace" => {
                let Some((value, behind)) = rest.split_first() else {
                    return;
                };
                if shown == "-c" && ignores_tls(&value.shown()) {
                    weak = Some(value.clone());
                }
                words = behind;
            }
            option if option.starts_with('-') => words = rest,
            _ => break,
        }
    }
    let Some((sub, rest)) = words.split_first() else {
        return;
    };
    let sorted = BEHIND.sort(rest, false);
    let shown = |field: &Field| secret::redacted(&field.shown()).0;
    let mut remote = None;
    let fetches = match sub.known() {
        Some("clone") => {
            let Some(from) = sorted.operands.first() else {
                return;
            };
            let local = from.value.texts().iter().all(super::is_local);
            if !local {
                remote = Some(from.clone());
                let reference = sorted.value(&["b", "branch", "revision"]).map(Value::shown);
                let checked = sorted
                    .value(&["revision"])
                    .and_then(Value::known)
                    .filter(|name| is_commit(name))
                    .map(|_| Checked::Commit);
                let what = What::Git {
                    remote: shown(from),
                    reference,
                    submodules: sorted.has(&["recursive", "recurse-submodules"]),
                };
                notes.fetches.push((what, None, checked));
            }
            !local
        }
        Some(name @ ("fetch" | "pull" | "ls-remote" | "archive")) => {
            let from = if name == "archive" {
                match sorted.options.iter().find(|given| given.name == "remote") {
                    Some(_) => None,
                    None => return,
                }
            } else {
                sorted.operands.first()
            };
            remote = from.cloned();
            let reference = sorted.operands.get(1).map(Field::shown);
            let commit = reference
                .as_deref()
                .map(|name| name.trim_end_matches(':').trim_start_matches('+'))
                .filter(|name| is_commit(name.split(':').next().unwrap_or_default()));
            notes.fetches.push((
                What::Git {
                    remote: from.map_or_else(|| "origin".to_owned(), shown),
                    reference: reference.clone(),
                    submodules: sorted.has(&["recurse-submodules"]),
                },
                None,
                commit.map(|_| Checked::Commit),
            ));
            true
        }
        Some("remote") => {
            let fetch = sorted.operand(0) == Some("update") || sorted.has(&["f"]);
            if fetch {
                let what = What::Git {
                    remote: sorted.operands.last().map_or_else(String::new, shown),
                    reference: None,
                    submodules: false,
                };
                notes.fetch(what);
            }
            fetch
        }
        Some("submodule") => {
            let fetch = matches!(sorted.operand(0), Some("update" | "add"));
            if fetch {
                // Their commits stand in the repository.
                let what = What::Git {
                    remote: "submodules".to_owned(),
                    reference: None,
                    submodules: true,
                };
                notes.fetch(what);
            }
            fetch
        }
        Some("lfs") => {
            let fetch = matches!(sorted.operand(0), Some("pull" | "fetch" | "clone"));
            if fetch {
                notes.fetch(What::Packages(Vec::new()));
            }
            fetch
        }
        Some("checkout" | "reset" | "switch") => {
            notes.commit = sorted
                .operands
                .iter()
                .any(|field| field.known().is_some_and(is_commit));
            false
        }
        Some("verify-tag" | "verify-commit") => {
            notes.commit = true;
            false
        }
        Some("config") => {
            let text: Vec<String> = sorted.operands.iter().map(Field::shown).collect();
            if ignores_tls(&text.join("=")) {
                notes.weak.push((Weak::Tls, text.join(" "), args.span));
            }
            false
        }
        Some("svn" | "p4" | "cvsimport") => {
            notes.unclear("what it loads cannot be told");
            false
        }
        Some(_) => false,
        None => {
            notes.unclear(format!("which `git {}` it is cannot be told", sub.shown()));
            false
        }
    };
    if fetches {
        if let Some(value) = weak {
            notes.weak.push((Weak::Tls, value.shown(), value.span));
        }
        notes.weak_variable(
            args,
            Weak::Tls,
            "GIT_SSL_NO_VERIFY",
            &["1", "true", "yes", "on"],
        );
    }
    if let Some(field) = remote {
        let (shown, secret) = secret::redacted(&field.shown());
        if secret {
            notes.weak.push((Weak::Secret, shown, field.span));
        }
    }
    notes.output = Output::Value(Value::hole("$(git)", HoleKind::Any));
}

/// `http.sslVerify=false`, of all or one host.
fn ignores_tls(setting: &str) -> bool {
    let setting = setting.to_ascii_lowercase();
    let Some((name, value)) = setting.split_once('=') else {
        return false;
    };
    name.starts_with("http.")
        && name.ends_with("sslverify")
        && matches!(value, "false" | "0" | "no" | "off")
}

fn other(args: &Args<'_>, notes: &mut Notes) {
    if matches!(
        args.sub(0),
        "checkout"
            | "co"
            | "clone"
            | "export"
            | "pull"
            | "update"
            | "up"
            | "branch"
            | "sync"
            | "init"
    ) {
        if args.sub(0) == "init" && args.name != "repo" {
            return;
        }
        let (remote, secret) =
            secret::redacted(&args.sorted.rest(1).into_iter().next().unwrap_or_default());
        if secret {
            notes.weak.push((Weak::Secret, remote.clone(), args.span));
        }
        notes.fetch(What::Git {
            remote,
            reference: None,
            submodules: false,
        });
        if args.has(&["insecure"])
            || args.value(&["trust-server-cert-failures"]).is_some()
            || args.has(&["trust-server-cert"])
        {
            notes
                .weak
                .push((Weak::Tls, "--trust-server-cert".to_owned(), args.span));
        }
    }
}
