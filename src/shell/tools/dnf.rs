//! dnf, yum and their relatives, and rpm.

use super::{Args, Notes, Tool, Weak, base_name, is_local, is_url};
use crate::shell::options::{Options, Style};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &[
            "dnf",
            "dnf5",
            "yum",
            "microdnf",
            "tdnf",
            "dnf-3",
            "yum-builddep",
            "dnf-builddep",
            "yumdownloader",
            "yum-config-manager",
            "reposync",
        ],
        options: Options {
            style: Style::Gnu,
            short: "cdeRx",
            long: &[
                "config",
                "debuglevel",
                "enablerepo",
                "disablerepo",
                "disableplugin",
                "enableplugin",
                "exclude",
                "excludepkgs",
                "forcearch",
                "installroot",
                "releasever",
                "repo",
                "repoid",
                "setopt",
                "repofrompath",
                "destdir",
                "downloaddir",
                "add-repo",
                "rpmverbosity",
            ],
        },
        read,
    },
    Tool {
        names: &["rpm", "rpm2cpio"],
        options: Options {
            style: Style::Gnu,
            short: "rED",
            long: &["root", "define", "eval", "dbpath", "import"],
        },
        read: rpm,
    },
];

fn read(args: &Args<'_>, notes: &mut Notes) {
    let fetches = match args.sub(0) {
        _ if args.name.ends_with("builddep") || args.name == "yumdownloader" => {
            notes.packages(args.sorted.rest(0));
            true
        }
        _ if args.name == "yum-config-manager" || args.sub(0) == "config-manager" => {
            // The description of a repository is loaded.
            if let Some(url) = args.sorted.value(&["add-repo"]).cloned() {
                notes.url(&url, None, args.span);
            }
            false
        }
        _ if args.name == "reposync" => {
            notes.index();
            true
        }
        "install" | "reinstall" | "localinstall" | "groupinstall" | "group" | "builddep"
        | "build-dep" | "download" | "swap" | "distro-sync" | "downgrade" | "update"
        | "upgrade" | "update-minimal" | "upgrade-minimal" | "system-upgrade" | "module"
        | "copr" | "debuginfo-install" => {
            notes.packages(args.sorted.rest(1));
            true
        }
        "makecache" | "check-update" | "repolist" | "search" | "info" | "list" | "repoquery"
        | "provides" | "updateinfo" => {
            notes.index();
            true
        }
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
    notes.weak_option(
        args,
        Weak::Packages,
        &["nogpgcheck", "no-gpgchecks", "no-gpg-checks"],
    );
    for value in args.sorted.values(&["setopt"]) {
        let shown = value.shown();
        let Some((name, setting)) = shown.split_once('=') else {
            continue;
        };
        let off = matches!(setting, "0" | "false" | "False" | "no");
        let name = name.rsplit('.').next().unwrap_or_default();
        match name {
            "gpgcheck" | "repo_gpgcheck" | "localpkg_gpgcheck" if off && name == "gpgcheck" => {
                notes.weak.push((Weak::Packages, shown, args.span));
            }
            "sslverify" if off => notes.weak.push((Weak::Tls, shown, args.span)),
            _ => {}
        }
    }
}

fn rpm(args: &Args<'_>, notes: &mut Notes) {
    if let Some(key) = args.sorted.value(&["import"]).cloned() {
        if key.texts().iter().any(is_url) {
            notes.keys_fetched = true;
            notes.url(&key, None, args.span);
        }
        return;
    }
    let installs = args.sorted.options.iter().any(|given| {
        matches!(
            given.name.as_str(),
            "i" | "U" | "F" | "install" | "upgrade" | "freshen"
        )
    }) && !args.has(&["q", "query", "V", "verify"]);
    let mut files = Vec::new();
    for field in &args.sorted.operands {
        if field.value.texts().iter().any(is_url) {
            let saved = base_name(field.shown().split('?').next().unwrap_or_default()).to_owned();
            notes.url(&field.value, Some(saved.clone()), field.span);
            files.push(saved);
        } else if field
            .value
            .texts()
            .iter()
            .all(|text| is_local(text) || text.suffix().ends_with(".rpm"))
        {
            files.push(base_name(&field.shown()).to_owned());
        }
    }
    if installs && let Some(given) = args.sorted.given(&["nosignature", "nodigest", "noverify"]) {
        let what = format!("--{}", given.name);
        notes
            .weak_files
            .push((Weak::Packages, what, given.span, files));
    }
}
