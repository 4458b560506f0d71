//! gpg and gpgv: keys that are fetched, signatures that are checked.

use super::{Args, Notes, Output, Tool, What, base_name};
use crate::shell::{
    CheckKind,
    options::{Field, Options, Style},
    value::{HoleKind, Value},
    walk::Walker,
};

const OPTIONS: Options = Options {
    style: Style::Gnu,
    short: "oruN",
    long: &[
        "homedir",
        "keyserver",
        "keyserver-options",
        "output",
        "keyring",
        "primary-keyring",
        "no-default-keyring-at",
        "status-fd",
        "status-file",
        "logger-fd",
        "logger-file",
        "keyid-format",
        "recipient",
        "local-user",
        "trust-model",
        "options",
        "passphrase",
        "passphrase-fd",
        "pinentry-mode",
        "trusted-key",
        "display-charset",
        "charset",
        "cipher-algo",
        "digest-algo",
        "batch-size",
        "default-key",
        "auto-key-locate",
        "assert-signer",
        "fetch-keys",
        "fetch-key",
        "secret-keyring",
        "weak-digest",
        "dirmngr-program",
    ],
};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        names: &["gpg", "gpg1", "gpg2", "gpgv", "gpgv1", "gpgv2", "sq", "sqv"],
        options: OPTIONS,
        read,
    },
    Tool {
        names: &["keyringctl", "dirmngr-client"],
        options: OPTIONS,
        read: |args, notes| notes.unclear(format!("what `{}` loads cannot be told", args.name)),
    },
];

/// The full fingerprints among `words`: 40 digits (version 4), or 64 (version 6).
pub(super) fn fingerprints(words: &[String]) -> Vec<String> {
    words
        .iter()
        .flat_map(|words| words.split_whitespace())
        .map(|word| {
            word.trim_start_matches("0x")
                .trim_end_matches('!')
                .to_ascii_uppercase()
        })
        .filter(|word| {
            matches!(word.len(), 40 | 64) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
        .collect()
}

/// The name of the file that a signature's name tells.
fn signed(signature: &str) -> Option<String> {
    [".asc", ".sig", ".sign", ".gpg"]
        .iter()
        .find_map(|ending| signature.strip_suffix(ending))
        .map(str::to_owned)
}

fn read(args: &Args<'_>, notes: &mut Notes) {
    notes.tool("gpg");
    let words = args.sorted.rest(0);
    let has = |names: &[&str]| args.has(names);
    notes.output = Output::Value(Value::hole("$(gpg)", HoleKind::Any));
    if has(&[
        "recv-keys",
        "recv-key",
        "recv",
        "refresh-keys",
        "search-keys",
        "locate-keys",
        "locate-external-keys",
    ]) {
        let named = fingerprints(&words);
        // An id that is no fingerprint can be made to fit another key.
        notes.keys_fetched |= named.len() < words.len();
        notes.fingerprints.extend(named);
        let ids: Vec<String> = words
            .iter()
            .flat_map(|ids| ids.split_whitespace())
            .map(str::to_owned)
            .collect();
        notes.fetch(What::Keys {
            ids,
            server: args.value(&["keyserver"]),
        });
        return;
    }
    if let Some(url) = args.sorted.value(&["fetch-keys", "fetch-key"]).cloned() {
        notes.keys_fetched = true;
        notes.url(&url, None, args.span);
        return;
    }
    if has(&["import"]) || args.name == "sq" && args.sub(0) == "cert" {
        let from_file = args.sorted.operands.iter().any(|field| {
            args.file(&field.shown())
                .is_some_and(|value| value.downloaded())
                || field.value.downloaded()
        });
        notes.keys_fetched |= from_file || args.stdin.downloaded();
        return;
    }
    if let Some(given) = args.sorted.given(&["assert-signer"])
        && let Some(value) = &given.value
    {
        notes.fingerprints.extend(fingerprints(&[value.shown()]));
    }
    let verifies =
        args.name.starts_with("gpgv") || args.name == "sqv" || has(&["verify", "verify-files"]);
    let decrypts = has(&["decrypt", "d"]) || args.name == "sq" && args.sub(0) == "verify";
    // `gpg FILE` without a command decrypts and checks, too.
    let bare = args.name.starts_with("gpg") && !verifies && !decrypts && {
        const OTHER: [&str; 22] = [
            "dearmor",
            "export",
            "export-secret-keys",
            "list-keys",
            "k",
            "K",
            "fingerprint",
            "armor",
            "a",
            "gen-key",
            "full-generate-key",
            "quick-gen-key",
            "quick-generate-key",
            "sign",
            "s",
            "detach-sign",
            "b",
            "version",
            "delete-keys",
            "edit-key",
            "with-colons",
            "show-keys",
        ];
        !has(&OTHER)
            && !words.is_empty()
            && !has(&["c", "symmetric", "e", "encrypt", "import-ownertrust"])
    };
    if verifies || decrypts || bare {
        let mut words = words.iter();
        let signature = words.next().cloned();
        let file = match words.next() {
            Some(file) if file != "-" => Some(file.clone()),
            Some(_) => None,
            None => signature.as_deref().and_then(signed),
        };
        let written = args.value(&["output", "o"]);
        if let (Some(written), true) = (&written, decrypts || bare) {
            // What comes out is as good as the signature.
            let kind = HoleKind::File(base_name(written).to_owned());
            notes.wrote.push((
                written.clone(),
                Value::hole(format!("$(cat {written})"), kind),
            ));
        }
        let base = |name: String| base_name(&name).to_owned();
        notes.checks.push((
            CheckKind::OpenPgp {
                fingerprints: Vec::new(),
                signature: signature.map(base),
                inline: decrypts || bare || file.is_none(),
            },
            written.or(file),
        ));
    }
    // `--dearmor` of a key that came from the network.
    if has(&["dearmor"]) {
        let downloaded = args.stdin.downloaded();
        notes.output = Output::Value(Value::hole("$(gpg)", args.stdin.kind()));
        if let (Some(out), true) = (args.value(&["output", "o"]), downloaded) {
            notes
                .wrote
                .push((out, Value::hole("$(gpg)", args.stdin.kind())));
        }
    }
}

/// `gpg --fingerprint KEY | grep "AB12 ..."` names a fingerprint, too.
pub(super) fn fingerprint_in_grep(walker: &mut Walker<'_>, words: &[Field]) {
    for word in words {
        for text in word.value.texts() {
            let known: String = text
                .known()
                .unwrap_or_default()
                .chars()
                .filter(|c| !c.is_whitespace())
                .collect();
            let digits: String = known
                .rsplit(['=', ':', '^', '$'])
                .find(|part| part.len() >= 40)
                .unwrap_or_default()
                .to_owned();
            walker.fingerprints.extend(fingerprints(&[digits]));
        }
    }
}
