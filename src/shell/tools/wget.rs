//! wget(1), GNU's and BusyBox's.

use super::{Args, Notes, Output, Tool, Weak, base_name};
use crate::shell::{
    options::{Options, Style},
    secret,
    value::{HoleKind, Text, Value},
};

pub(super) const TOOLS: &[Tool] = &[Tool {
    names: &["wget", "wget2"],
    options: Options {
        style: Style::Gnu,
        short: "aAbBDeiIlOoPQRtTUwYX",
        long: &[
            "accept",
            "append-output",
            "base",
            "bind-address",
            "body-data",
            "body-file",
            "ca-certificate",
            "ca-directory",
            "certificate",
            "certificate-type",
            "ciphers",
            "compression",
            "config",
            "connect-timeout",
            "crl-file",
            "cut-dirs",
            "default-page",
            "directory-prefix",
            "dns-timeout",
            "domains",
            "exclude-directories",
            "exclude-domains",
            "execute",
            "follow-tags",
            "ftp-password",
            "ftp-user",
            "header",
            "http-password",
            "http-user",
            "ignore-tags",
            "include-directories",
            "input-file",
            "level",
            "limit-rate",
            "load-cookies",
            "local-encoding",
            "max-redirect",
            "method",
            "output-document",
            "output-file",
            "password",
            "post-data",
            "post-file",
            "prefer-family",
            "private-key",
            "progress",
            "proxy-password",
            "proxy-user",
            "quota",
            "read-timeout",
            "referer",
            "regex-type",
            "reject",
            "remote-encoding",
            "restrict-file-names",
            "retry-on-http-error",
            "save-cookies",
            "secure-protocol",
            "span-hosts",
            "start-pos",
            "timeout",
            "tries",
            "user",
            "user-agent",
            "wait",
            "waitretry",
        ],
    },
    read,
}];

fn read(args: &Args<'_>, notes: &mut Notes) {
    let sorted = &args.sorted;
    // `-nv`, `-nc`, `-nd`, `-nH`: two letters each, none of which is an `O` or the like.
    let document = sorted.value(&["O", "output-document"]).map(Value::shown);
    if let Some(list) = sorted.value(&["i", "input-file"]) {
        let list = if list.known() == Some("-") {
            args.stdin.clone()
        } else {
            args.file(&list.shown())
                .unwrap_or_else(|| Value::unknown("..."))
        };
        let known = list.known().map(str::to_owned);
        match known {
            Some(lines) => {
                for line in lines.split_whitespace() {
                    let saved = base_name(line.split('?').next().unwrap_or_default()).to_owned();
                    notes.url(&Value::literal(line), Some(saved), args.span);
                }
            }
            None => notes.unclear("`wget -i` reads addresses from a file"),
        }
    }
    if sorted.has(&["r", "recursive", "m", "mirror", "p", "page-requisites"]) {
        notes.unclear("`wget` follows links");
    }
    let mut printed = false;
    let mut files = Vec::new();
    for field in &sorted.operands {
        let saved = match &document {
            Some(name) if matches!(name.as_str(), "-" | "/dev/stdout") => None,
            Some(name) => Some(name.clone()),
            None => {
                let shown = field.shown();
                // The query is part of the name, and may be a secret.
                let name = base_name(shown.split(['#', '?']).next().unwrap_or_default());
                Some(if name.contains("://") || shown.ends_with('/') {
                    "index.html".to_owned()
                } else {
                    name.to_owned()
                })
            }
        };
        match &saved {
            Some(name) => {
                let kind = HoleKind::Downloaded(Some(base_name(name).to_owned()));
                notes
                    .wrote
                    .push((name.clone(), Value::hole(format!("$(cat {name})"), kind)));
                files.push(base_name(name).to_owned());
            }
            None => printed = true,
        }
        let url = field.value.map("...", |text| {
            let plain = text.prefix().contains("://") || text.prefix().is_empty();
            let mut full = if plain {
                Text::default()
            } else {
                Text::literal("http://")
            };
            for piece in &text.pieces {
                full.push(piece);
            }
            Some(full)
        });
        notes.url(&url, saved, field.span);
    }
    for given in &sorted.options {
        let Some(value) = &given.value else { continue };
        let shown = value.shown();
        let secret = match given.name.as_str() {
            "header" => secret::redacted(&shown).1,
            "password" | "http-password" | "ftp-password" | "proxy-password" => {
                !shown.is_empty() && !shown.starts_with('$')
            }
            _ => false,
        };
        if secret {
            notes
                .weak
                .push((Weak::Secret, format!("--{} ***", given.name), given.span));
        }
    }
    if let Some(given) = sorted.given(&["no-check-certificate"]) {
        let files = if printed { Vec::new() } else { files };
        notes.weak_files.push((
            Weak::Tls,
            "--no-check-certificate".to_owned(),
            given.span,
            files,
        ));
    }
    notes.output = if printed {
        Output::Value(Value::hole("$(wget)", HoleKind::Downloaded(None)))
    } else {
        Output::Nothing
    };
}
