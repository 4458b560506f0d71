//! apt, apt-get, aptitude and what stands around them on Debian and its children.

use super::{Args, Notes, Tool, Weak, What};
use crate::shell::options::{FLAGS, Options, Style};

const OPTIONS: Options = Options {
    style: Style::Gnu,
    short: "oatcqP",
    long: &[
        "option",
        "host-architecture",
        "target-release",
        "default-release",
        "config-file",
        "build-profiles",
        "tool",
    ],
};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &[
            "apt",
            "apt-get",
            "aptitude",
            "apt-fast",
            "nala",
            "xx-apt",
            "xx-apt-get",
        ],
        options: Options {
            short: "oatcP",
            ..OPTIONS
        },
        read,
    },
    Tool {
        names: &["apt-key"],
        options: Options {
            style: Style::Gnu,
            short: "",
            long: &[
                "keyserver",
                "keyserver-options",
                "recv-keys",
                "recv",
                "recv-key",
                "fetch-keys",
                "homedir",
            ],
        },
        read: key,
    },
    Tool {
        names: &["add-apt-repository", "apt-add-repository"],
        options: FLAGS,
        read: repository,
    },
    Tool {
        names: &["mk-build-deps"],
        options: Options {
            short: "trsai",
            ..OPTIONS
        },
        read: build_dependencies,
    },
    Tool {
        names: &[
            "debootstrap",
            "mmdebstrap",
            "cdebootstrap",
            "apt-file",
            "tasksel",
            "dget",
            "pull-lp-source",
            "apt-src",
        ],
        options: FLAGS,
        read: bootstrap,
    },
];

fn weak(args: &Args<'_>, notes: &mut Notes) {
    notes.weak_option(
        args,
        Weak::Packages,
        &[
            "allow-unauthenticated",
            "force-yes",
            "allow-insecure-repositories",
            "allow-untrusted",
        ],
    );
    for value in args.sorted.values(&["o", "option"]) {
        let shown = value.shown();
        let Some((name, setting)) = shown.split_once('=') else {
            continue;
        };
        let name = name.to_ascii_lowercase();
        let setting = setting.trim_matches('"').to_ascii_lowercase();
        let on = matches!(setting.as_str(), "1" | "true" | "yes");
        let off = matches!(setting.as_str(), "0" | "false" | "no");
        let packages = [
            "apt::get::allowunauthenticated",
            "acquire::allowinsecurerepositories",
            "acquire::allowdowngradetoinsecurerepositories",
            "acquire::allowweakrepositories",
        ];
        if packages.contains(&name.as_str()) && on {
            notes.weak.push((Weak::Packages, shown, args.span));
        } else if name.starts_with("acquire::https") && name.ends_with("verify-peer") && off {
            notes.weak.push((Weak::Tls, shown, args.span));
        }
    }
}

fn read(args: &Args<'_>, notes: &mut Notes) {
    let fetches = match args.sub(0) {
        "update" => {
            notes.index();
            true
        }
        "install" | "reinstall" | "build-dep" | "source" | "download" | "satisfy" | "changelog" => {
            // A file that is here may still bring packages that it depends on.
            notes.packages(args.sorted.rest(1));
            true
        }
        "upgrade" | "dist-upgrade" | "full-upgrade" | "safe-upgrade" | "dselect-upgrade" => {
            notes.packages(Vec::new());
            true
        }
        "" if !args.words.is_empty() && args.sorted.operands.is_empty() => false,
        "" => {
            notes.unclear(format!("what `{}` is to do cannot be told", args.name));
            false
        }
        _ => false,
    };
    if fetches
        && !args.has(&[
            "print-uris",
            "simulate",
            "s",
            "dry-run",
            "just-print",
            "no-download",
        ])
    {
        weak(args, notes);
    }
}

fn key(args: &Args<'_>, notes: &mut Notes) {
    notes.tool("apt-key");
    let words: Vec<String> = args.words.iter().map(|word| word.shown()).collect();
    if words.iter().any(|word| word.starts_with("--recv")) {
        let mut ids: Vec<String> = args
            .sorted
            .values(&["recv-keys", "recv", "recv-key"])
            .map(|value| value.shown())
            .collect();
        ids.extend(args.sorted.rest(usize::from(args.sub(0) == "adv")));
        notes.fingerprints.extend(super::gpg::fingerprints(&ids));
        notes.fetch(What::Keys {
            ids,
            server: args.value(&["keyserver"]),
        });
    } else if let Some(url) = args.sorted.value(&["fetch-keys"]) {
        let url = url.clone();
        notes.url(&url, None, args.span);
    } else if args.sub(0) == "net-update" {
        notes.fetch(What::Keys {
            ids: Vec::new(),
            server: None,
        });
    }
}

fn repository(args: &Args<'_>, notes: &mut Notes) {
    if args.has(&["r", "remove"]) {
        return;
    }
    // It asks for the key of an archive, and then for the lists.
    notes.tool("apt");
    notes.index();
}

fn build_dependencies(args: &Args<'_>, notes: &mut Notes) {
    notes.tool("apt");
    // Of its letters only `-t` has a value; `-i` and `-r` may stand together with it.
    let installs = args.words.iter().any(|word| {
        word.known().is_some_and(|word| {
            word == "--install"
                || word.starts_with('-') && !word.starts_with("--") && word.contains('i')
        })
    });
    if installs {
        notes.packages(Vec::new());
    }
}

fn bootstrap(args: &Args<'_>, notes: &mut Notes) {
    if args.name == "apt-file" && args.sub(0) != "update" {
        return;
    }
    notes.packages(args.sorted.rest(0));
    notes.weak_option(
        args,
        Weak::Packages,
        &["no-check-gpg", "allow-unauthenticated"],
    );
}
