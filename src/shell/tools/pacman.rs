//! pacman(8) of Arch, emerge, xbps-install, brew, nix, guix, opkg and snap.

use super::{Args, Notes, Tool, Weak};
use crate::shell::options::{FLAGS, Options, Style};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &["pacman", "yay", "paru", "pacstrap"],
        options: Options {
            style: Style::Gnu,
            short: "rb",
            long: &[
                "root", "dbpath", "cachedir", "config", "gpgdir", "ignore", "arch",
            ],
        },
        read,
    },
    Tool {
        names: &["pacman-key"],
        options: FLAGS,
        read: keys,
    },
    Tool {
        names: &[
            "emerge",
            "xbps-install",
            "brew",
            "nix-env",
            "nix",
            "nix-shell",
            "nix-build",
            "nix-channel",
            "guix",
            "opkg",
            "snap",
            "flatpak",
            "pkg",
            "pkg_add",
            "slackpkg",
            "eopkg",
            "swupd",
            "urpmi",
            "cave",
            "asdf",
            "mise",
            "sdk",
            "nvm",
            "pyenv",
            "rbenv",
            "fnm",
            "n",
            "volta",
        ],
        options: FLAGS,
        read: other,
    },
];

fn read(args: &Args<'_>, notes: &mut Notes) {
    let packages = args.sorted.rest(0);
    if args.name == "pacstrap" {
        notes.packages(packages);
    } else if args.has(&["S", "sync"]) {
        if args.has(&["c", "clean"]) && packages.is_empty() {
            return;
        }
        if packages.is_empty() {
            notes.index();
        }
        if !packages.is_empty() || args.has(&["u", "sysupgrade"]) {
            notes.packages(packages);
        }
    } else if args.has(&["U", "upgrade"]) {
        notes.packages(packages);
    }
}

fn keys(args: &Args<'_>, notes: &mut Notes) {
    if args.has(&["r", "recv-keys", "refresh-keys"]) {
        notes.fetch(super::What::Keys {
            ids: args.sorted.rest(0),
            server: args.value(&["keyserver"]),
        });
    }
}

fn other(args: &Args<'_>, notes: &mut Notes) {
    const STAYS: [&str; 22] = [
        "list",
        "ls",
        "cleanup",
        "clean",
        "remove",
        "uninstall",
        "rehash",
        "global",
        "use",
        "alias",
        "info",
        "init",
        "config",
        "delete",
        "--prefix",
        "reshim",
        "local",
        "which",
        "link",
        "default",
        "autoremove",
        "gc",
    ];
    if !args.sorted.operands.is_empty() && STAYS.contains(&args.sub(0)) {
        return;
    }
    notes.packages(args.sorted.rest(1));
    notes.weak_option(args, Weak::Packages, &["no-check-sigs", "force-checksum"]);
}
