//! aria2c(1), axel(1), HTTPie, lynx and other programs that take addresses as operands.

use super::{Args, Notes, Output, Tool, Weak, base_name, is_url};
use crate::shell::{
    options::{Options, Style},
    value::{HoleKind, Value},
};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &[
            "aria2c",
            "axel",
            "lftp",
            "lftpget",
            "fetch",
            "http",
            "https",
            "xh",
            "lynx",
            "links",
            "w3m",
            "youtube-dl",
            "yt-dlp",
        ],
        options: Options {
            style: Style::Gnu,
            short: "dijknosUx",
            long: &[
                "dir",
                "out",
                "output",
                "max-connection-per-server",
                "split",
                "checksum",
            ],
        },
        read,
    },
    Tool {
        names: &[
            "ftp", "tftp", "sftp", "scp", "rsync", "nc", "ncat", "netcat", "telnet", "socat",
        ],
        options: Options {
            style: Style::Gnu,
            short: "cefilopPS",
            long: &["rsh", "password-file", "exclude", "include"],
        },
        read: remote,
    },
];

fn read(args: &Args<'_>, notes: &mut Notes) {
    let named = args.value(&["o", "out", "output"]);
    let mut any = false;
    for field in &args.sorted.operands {
        if !field.value.texts().iter().any(is_url) {
            continue;
        }
        any = true;
        let saved = named.clone().unwrap_or_else(|| {
            base_name(field.shown().split('?').next().unwrap_or_default()).to_owned()
        });
        let kind = HoleKind::Downloaded(Some(base_name(&saved).to_owned()));
        notes.wrote.push((saved.clone(), Value::hole("...", kind)));
        notes.url(&field.value, Some(saved), field.span);
        // aria2c checks by itself what it is told.
        if let (Some((_, _, checked)), Some(hash)) =
            (notes.fetches.last_mut(), args.value(&["checksum"]))
            && !hash.starts_with("md5")
            && !hash.starts_with("sha-1=")
        {
            *checked = Some(crate::shell::Checked::Hash);
        }
    }
    if !any {
        notes.unclear(format!("what `{}` loads cannot be told", args.name));
    }
    if args.value(&["check-certificate"]).as_deref() == Some("false")
        || args.value(&["verify"]).as_deref() == Some("no")
    {
        notes
            .weak
            .push((Weak::Tls, "--check-certificate=false".to_owned(), args.span));
    }
    notes.output = Output::Value(Value::hole(
        format!("$({})", args.name),
        HoleKind::Downloaded(None),
    ));
}

fn remote(args: &Args<'_>, notes: &mut Notes) {
    // `host:path`, and `rsync://`; what has no colon stays on this machine.
    let far = args
        .sorted
        .operands
        .iter()
        .any(|field| field.shown().contains(':'));
    if far || !matches!(args.name, "rsync" | "scp") {
        notes.unclear(format!("what `{}` loads cannot be told", args.name));
        notes.output = Output::Value(Value::hole(
            format!("$({})", args.name),
            HoleKind::Downloaded(None),
        ));
    }
}
