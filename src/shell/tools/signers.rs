//! Programs that check signatures, besides gpg.

use super::{Args, Notes, Output, Tool, base_name, hashes};
use crate::shell::{
    CheckKind, filter,
    options::{Options, Style},
};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &[
            "cosign",
            "slsa-verifier",
            "gh",
            "notation",
            "sigstore",
            "rekor-cli",
            "gitsign",
        ],
        options: Options {
            style: Style::Gnu,
            short: "RonO",
            long: &[
                "key",
                "signature",
                "certificate",
                "certificate-identity",
                "certificate-oidc-issuer",
                "certificate-identity-regexp",
                "certificate-oidc-issuer-regexp",
                "bundle",
                "provenance-path",
                "source-uri",
                "source-tag",
                "repo",
                "owner",
                "signer-workflow",
                "cert-identity",
                "trusted-root",
                "rekor-url",
                "certificate-chain",
                "pattern",
                "dir",
                "output",
                "predicate-type",
                "clone",
                "hostname",
            ],
        },
        read,
    },
    Tool {
        names: &["minisign", "signify", "rsign"],
        options: Options {
            style: Style::Gnu,
            short: "mpPxsct",
            long: &[],
        },
        read: key,
    },
    Tool {
        names: &["openssl", "libressl"],
        options: Options {
            style: Style::Single,
            short: "",
            long: &[
                "verify",
                "signature",
                "in",
                "out",
                "inkey",
                "sigfile",
                "connect",
                "sign",
                "CAfile",
                "passin",
                "passout",
                "subj",
                "days",
                "newkey",
                "keyout",
                "config",
                "hmac",
                "servername",
            ],
        },
        read: openssl,
    },
    Tool {
        names: &["ssh-keygen"],
        options: Options {
            style: Style::Gnu,
            short: "YfInsOtbNCPmzVR",
            long: &[],
        },
        read: ssh,
    },
];

fn read(args: &Args<'_>, notes: &mut Notes) {
    let sub = args.sub(0);
    let file = |index: usize| {
        args.sorted
            .operands
            .get(index)
            .map(|field| base_name(&field.shown()).to_owned())
    };
    match (args.name, sub, args.sub(1)) {
        (
            "cosign" | "sigstore",
            "verify-blob"
            | "verify-blob-attestation"
            | "verify-attestation"
            | "verify"
            | "dockerfile",
            _,
        ) => {
            notes.checks.push((CheckKind::Sigstore, file(1)));
            // Images and logs are asked for.
            if matches!(sub, "verify" | "verify-attestation" | "dockerfile") {
                notes.fetch(super::What::Image(args.sorted.rest(1).join(" ")));
            }
        }
        ("slsa-verifier", "verify-artifact" | "verify-image", _) => {
            notes.checks.push((CheckKind::Sigstore, file(1)));
        }
        ("gh", "attestation", "verify") => notes.checks.push((CheckKind::Sigstore, file(2))),
        ("gh", "release", "download") | ("gh", "run", "download") => {
            notes.fetch(super::What::Packages(
                args.value(&["R", "repo"]).into_iter().collect(),
            ));
        }
        ("gh", "repo", "clone") | ("gh", "api", _) => {
            notes.fetch(super::What::Git {
                remote: args.sorted.rest(2).into_iter().next().unwrap_or_default(),
                reference: None,
                submodules: false,
            });
        }
        ("notation", "verify", _) => notes.checks.push((CheckKind::Key, file(1))),
        (
            "cosign" | "gh" | "notation" | "rekor-cli",
            "version" | "login" | "auth" | "config" | "cert" | "policy" | "initialize",
            _,
        ) => {}
        _ => notes.unclear(format!("what `{}` loads cannot be told", args.name)),
    }
}

fn key(args: &Args<'_>, notes: &mut Notes) {
    if args.has(&["V"]) {
        let file = args.value(&["m"]).map(|name| base_name(&name).to_owned());
        notes.checks.push((CheckKind::Key, file));
    } else if args.has(&["C"]) {
        notes.checks.push((CheckKind::Key, None));
    }
}

fn openssl(args: &Args<'_>, notes: &mut Notes) {
    let sub = args.sub(0);
    let function = |name: &str| match name {
        "sha256" => Some("sha256"),
        "sha512" => Some("sha512"),
        "sha384" => Some("sha384"),
        "sha224" => Some("sha224"),
        "sha1" => Some("sha1"),
        "md5" => Some("md5"),
        _ => None,
    };
    match sub {
        "s_client" | "ocsp" | "s_time" => notes.unclear("what `openssl` loads cannot be told"),
        "dgst" if args.has(&["verify"]) => {
            let file = args.sorted.operands.get(1).map(|field| field.shown());
            notes.checks.push((CheckKind::Key, file));
        }
        "cms" | "smime" if args.has(&["verify"]) => notes
            .checks
            .push((CheckKind::Key, args.value(&["content", "in"]))),
        _ => {
            let algorithm = function(sub).or_else(|| {
                args.sorted
                    .options
                    .iter()
                    .find_map(|given| function(&given.name))
            });
            if let Some(algorithm) = algorithm.filter(|_| sub == "dgst" || function(sub).is_some())
            {
                let file = match args.sorted.operands.get(1) {
                    Some(field) => Some(base_name(&field.shown()).to_owned()),
                    None => hashes::from_stdin(args.stdin),
                };
                notes.output = Output::Value(filter::hash_line(algorithm, file, args.has(&["r"])));
            }
        }
    }
}

fn ssh(args: &Args<'_>, notes: &mut Notes) {
    if args.value(&["Y"]).as_deref() == Some("verify") {
        notes
            .checks
            .push((CheckKind::Key, hashes::from_stdin(args.stdin)));
    }
}
