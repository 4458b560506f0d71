//! zypper(8) of SUSE.

use super::{Args, Notes, Tool, Weak};
use crate::shell::options::{Options, Style};

pub(super) const TOOLS: &[Tool] = &[Tool {
    names: &["zypper"],
    options: Options {
        style: Style::Gnu,
        short: "rRDct",
        long: &[
            "repo",
            "root",
            "from",
            "type",
            "reposd-dir",
            "cache-dir",
            "plus-repo",
        ],
    },
    read,
}];

fn read(args: &Args<'_>, notes: &mut Notes) {
    match args.sub(0) {
        "install"
        | "in"
        | "update"
        | "up"
        | "dup"
        | "dist-upgrade"
        | "patch"
        | "source-install"
        | "si"
        | "download"
        | "install-new-recommends"
        | "inr"
        | "verify" => {
            notes.packages(args.sorted.rest(1));
        }
        "refresh" | "ref" | "search" | "se" | "info" => notes.index(),
        "addrepo" | "ar" => {
            notes.weak_option(
                args,
                Weak::Packages,
                &[
                    "no-gpgcheck",
                    "G",
                    "gpgcheck-allow-unsigned",
                    "gpgcheck-allow-unsigned-repo",
                ],
            );
            return;
        }
        "" if !args.sorted.operands.is_empty() => {
            notes.unclear("what `zypper` is to do cannot be told");
            return;
        }
        _ => return,
    }
    notes.weak_option(
        args,
        Weak::Packages,
        &["no-gpg-checks", "allow-unsigned-rpm"],
    );
}
