//! curl(1).

use super::{Args, Notes, Output, Tool, Weak, base_name};
use crate::shell::{
    options::{Options, Style},
    secret,
    value::{HoleKind, Text, Value},
};

pub(super) const TOOLS: &[Tool] = &[Tool {
    names: &["curl"],
    options: Options {
        style: Style::Gnu,
        short: "AbcCdDeEFhHKmoPQrtTuUvwxXyYz",
        long: &[
            "abstract-unix-socket",
            "alt-svc",
            "aws-sigv4",
            "cacert",
            "capath",
            "cert",
            "cert-type",
            "ciphers",
            "config",
            "connect-timeout",
            "connect-to",
            "continue-at",
            "cookie",
            "cookie-jar",
            "create-file-mode",
            "crlfile",
            "curves",
            "data",
            "data-ascii",
            "data-binary",
            "data-raw",
            "data-urlencode",
            "dns-servers",
            "doh-url",
            "dump-header",
            "engine",
            "etag-compare",
            "etag-save",
            "expect100-timeout",
            "form",
            "form-string",
            "ftp-port",
            "header",
            "hostpubmd5",
            "hostpubsha256",
            "hsts",
            "interface",
            "ipfs-gateway",
            "json",
            "keepalive-time",
            "key",
            "key-type",
            "krb",
            "libcurl",
            "limit-rate",
            "local-port",
            "login-options",
            "max-filesize",
            "max-redirs",
            "max-time",
            "netrc-file",
            "noproxy",
            "oauth2-bearer",
            "output",
            "output-dir",
            "parallel-max",
            "pass",
            "pinnedpubkey",
            "preproxy",
            "proto",
            "proto-default",
            "proto-redir",
            "proxy",
            "proxy-cacert",
            "proxy-header",
            "proxy-user",
            "proxy1.0",
            "pubkey",
            "quote",
            "random-file",
            "range",
            "rate",
            "referer",
            "request",
            "request-target",
            "resolve",
            "retry",
            "retry-delay",
            "retry-max-time",
            "service-name",
            "socks4",
            "socks4a",
            "socks5",
            "socks5-hostname",
            "speed-limit",
            "speed-time",
            "stderr",
            "time-cond",
            "tls-max",
            "tls13-ciphers",
            "trace",
            "trace-ascii",
            "unix-socket",
            "upload-file",
            "url",
            "url-query",
            "user",
            "user-agent",
            "variable",
            "write-out",
        ],
    },
    read,
}];

fn read(args: &Args<'_>, notes: &mut Notes) {
    let sorted = &args.sorted;
    let mut urls: Vec<(Value, crate::shell::Span)> = sorted
        .operands
        .iter()
        .map(|field| (field.value.clone(), field.span))
        .collect();
    for given in &sorted.options {
        if let ("url", Some(value)) = (given.name.as_str(), &given.value) {
            urls.push((value.clone(), given.span));
        }
    }
    if sorted.has(&["K", "config"]) {
        notes.unclear("`curl --config` reads addresses from a file");
    }
    let mut names = sorted.values(&["o", "output"]);
    let named = sorted.has(&["O", "remote-name", "remote-name-all", "J"]);
    let mut printed = false;
    let mut files = Vec::new();
    for (url, span) in urls {
        let saved = match names.next() {
            Some(name) if matches!(name.known(), Some("-" | "/dev/stdout")) => None,
            Some(name) => Some(name.shown()),
            None if named => Some(
                base_name(&url.shown())
                    .split(['?', '#'])
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            ),
            None => None,
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
        // A scheme is optional; `{a,b}` and `[1-3]` stand for several addresses.
        let url = url.map("...", |text| {
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
        notes.url(&url, saved, span);
    }
    for given in &sorted.options {
        let Some(value) = &given.value else { continue };
        let shown = value.shown();
        let secret = match given.name.as_str() {
            "H" | "header" => secret::redacted(&shown).1,
            "u" | "user" => shown
                .split_once(':')
                .is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$')),
            _ => false,
        };
        if secret {
            let what = if given.name.len() == 1 { "-" } else { "--" };
            notes.weak.push((
                Weak::Secret,
                format!("{what}{} ***", given.name),
                given.span,
            ));
        }
    }
    if let Some(given) = sorted.given(&["k", "insecure", "proxy-insecure"]) {
        let what = if given.name == "k" {
            "-k"
        } else {
            "--insecure"
        };
        let files = if printed { Vec::new() } else { files };
        notes
            .weak_files
            .push((Weak::Tls, what.to_owned(), given.span, files));
    }
    notes.output = if printed {
        Output::Value(Value::hole("$(curl)", HoleKind::Downloaded(None)))
    } else {
        Output::Nothing
    };
}
