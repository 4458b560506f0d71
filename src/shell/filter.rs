//! What well-known commands print: the machine's architecture, and texts that others cut.

use super::{
    options::{FLAGS, Field, Options, Style},
    value::{HoleKind, Text, Value},
    walk::Walker,
};

/// An architecture by its names.
struct Architecture {
    /// BuildKit's and Go's.
    go: &'static str,
    dpkg: &'static str,
    uname: &'static str,
    apk: &'static str,
    rpm: &'static str,
}

const ARCHITECTURES: [Architecture; 7] = [
    Architecture {
        go: "amd64",
        dpkg: "amd64",
        uname: "x86_64",
        apk: "x86_64",
        rpm: "x86_64",
    },
    Architecture {
        go: "arm64",
        dpkg: "arm64",
        uname: "aarch64",
        apk: "aarch64",
        rpm: "aarch64",
    },
    Architecture {
        go: "arm",
        dpkg: "armhf",
        uname: "armv7l",
        apk: "armv7",
        rpm: "armv7hl",
    },
    Architecture {
        go: "386",
        dpkg: "i386",
        uname: "i686",
        apk: "x86",
        rpm: "i686",
    },
    Architecture {
        go: "ppc64le",
        dpkg: "ppc64el",
        uname: "ppc64le",
        apk: "ppc64le",
        rpm: "ppc64le",
    },
    Architecture {
        go: "s390x",
        dpkg: "s390x",
        uname: "s390x",
        apk: "s390x",
        rpm: "s390x",
    },
    Architecture {
        go: "riscv64",
        dpkg: "riscv64",
        uname: "riscv64",
        apk: "riscv64",
        rpm: "riscv64",
    },
];

/// What `name` prints; `None` if this is no such command.
pub(super) fn output(walker: &mut Walker<'_>, name: &str, words: &[Field]) -> Option<Value> {
    let word = |index: usize| words.get(index).and_then(Field::known);
    let machine = |of: fn(&Architecture) -> &'static str, otherwise: &str| {
        let own = walker.step.architecture;
        let found = ARCHITECTURES.iter().find(|known| known.go == own);
        match found {
            Some(found) => Value::literal(format!("{}\n", of(found))),
            None => Value::unknown(otherwise),
        }
    };
    let value = match (name, word(0)) {
        ("uname", Some("-m" | "-i" | "-p" | "--machine")) => machine(|it| it.uname, "$(uname -m)"),
        ("uname", Some("-s") | None) => Value::literal("Linux\n"),
        ("arch", None) => machine(|it| it.uname, "$(arch)"),
        ("dpkg", Some("--print-architecture")) => {
            machine(|it| it.dpkg, "$(dpkg --print-architecture)")
        }
        ("dpkg-architecture", _)
            if words.iter().any(|word| {
                word.known().is_some_and(|word| {
                    word.ends_with("DEB_HOST_ARCH") || word.ends_with("DEB_BUILD_ARCH")
                })
            }) =>
        {
            machine(|it| it.dpkg, "$(dpkg-architecture)")
        }
        ("apk", Some("--print-arch")) => machine(|it| it.apk, "$(apk --print-arch)"),
        ("cat", Some("/etc/apk/arch")) => machine(|it| it.apk, "$(cat /etc/apk/arch)"),
        ("rpm", Some("--eval" | "-E")) if word(1) == Some("%{_arch}") => {
            machine(|it| it.rpm, "$(rpm --eval)")
        }
        ("cat", _) => {
            let mut out = Value::default();
            let files = FLAGS.sort(words, false).operands;
            if files.is_empty() {
                out = walker.stdin.clone();
            }
            for file in files {
                let content = walker.read_file(&file.shown());
                out = walker.join(&out, &content);
            }
            out
        }
        ("basename", _) => {
            let suffix = word(1).unwrap_or_default().to_owned();
            changed(words.first()?, "$(basename)", |text| {
                let last = text.trim_end_matches('/').rsplit('/').next()?;
                Some(
                    last.strip_suffix(suffix.as_str())
                        .unwrap_or(last)
                        .to_owned(),
                )
            })
        }
        ("dirname", _) => changed(words.first()?, "$(dirname)", |text| {
            Some(text.rsplit_once('/').map_or(".", |(dir, _)| dir).to_owned())
        }),
        ("shuf" | "sort", Some("-e")) => {
            let mut out = Value::default();
            for word in words.iter().skip(1) {
                out = walker.join(&out, &word.value);
                out = walker.join(&out, &Value::literal("\n"));
            }
            out
        }
        ("tee", _) => {
            let sorted = FLAGS.sort(words, false);
            let value = walker.stdin.clone();
            for file in &sorted.operands {
                super::tools::configures(walker, &file.shown(), &value, file.span);
                walker.write(&file.shown(), value.clone(), sorted.has(&["a", "append"]));
            }
            value
        }
        (
            "sed" | "grep" | "egrep" | "fgrep" | "cut" | "tr" | "awk" | "head" | "tail" | "sort"
            | "uniq" | "xargs" | "rev" | "tac" | "jq" | "yq" | "gunzip" | "zcat" | "gzip" | "xz"
            | "xzcat" | "bzip2" | "base64" | "iconv" | "od" | "hexdump" | "xxd" | "paste" | "fold"
            | "nl" | "gawk" | "mawk" | "wc" | "column" | "dos2unix" | "envsubst" | "unzstd"
            | "zstd" | "lz4" | "funzip",
            _,
        ) => filtered(walker, name, words),
        _ => return None,
    };
    Some(value)
}

fn changed(field: &Field, name: &str, with: impl Fn(&str) -> Option<String>) -> Value {
    field.value.map(name, |text| {
        if let Some(known) = text.known() {
            return with(known).map(Text::literal);
        }
        // The last part may be known where the whole is not.
        let (_, last) = text.suffix().rsplit_once('/')?;
        with(last).map(Text::literal)
    })
}

/// A filter of texts: exact for the few forms that addresses are made by; else a hole that keeps where it came from.
fn filtered(walker: &mut Walker<'_>, name: &str, words: &[Field]) -> Value {
    const OPTIONS: Options = Options {
        style: Style::Gnu,
        short: "efdmAncCstk",
        long: &["expression", "file", "delimiter", "fields", "lines"],
    };
    let input = walker.stdin.clone();
    walker.spend(input.length().saturating_mul(4));
    let exact = match name {
        "sed" => sed(words),
        "tr" => tr(words),
        "cut" => cut(words),
        _ => None,
    };
    if let Some(exact) = exact {
        let shown = format!("$({name})");
        return input.map(&shown, |text| exact(text.known()?).map(Text::literal));
    }
    // grep and the like name files behind their first operand.
    let mut kind = input.kind();
    if kind == HoleKind::Any {
        let sorted = OPTIONS.sort(words, false);
        for file in sorted.operands.iter().rev() {
            let base = super::tools::base_name(&file.shown()).to_owned();
            if let Some(value) = walker.state.files.get(&base) {
                kind = match value.kind() {
                    HoleKind::Any => HoleKind::File(base),
                    other => other,
                };
                break;
            }
        }
        if kind == HoleKind::Any
            && let Some(last) = sorted.operands.get(1..).and_then(<[Field]>::last)
        {
            kind = HoleKind::File(super::tools::base_name(&last.shown()).to_owned());
        }
    }
    // The first column of a line with a hash is the hash.
    if let HoleKind::Hash { .. } = kind {
        let hash = input
            .texts()
            .iter()
            .flat_map(Text::holes)
            .find(|hole| hole.kind == kind);
        if let Some(hash) = hash {
            return Value::hole(hash.name.clone(), kind);
        }
    }
    Value::hole(format!("$({name})"), kind)
}

type Exact = Box<dyn Fn(&str) -> Option<String>>;

/// `s/literal/literal/` with `g`, any number of them; `^` and `$` at the ends.
fn sed(words: &[Field]) -> Option<Exact> {
    const OPTIONS: Options = Options {
        style: Style::Gnu,
        short: "e",
        long: &["expression"],
    };
    let sorted = OPTIONS.sort(words, false);
    if sorted
        .options
        .iter()
        .any(|given| !matches!(given.name.as_str(), "e" | "expression" | "E" | "r"))
    {
        return None;
    }
    let mut scripts: Vec<String> = Vec::new();
    for value in sorted.values(&["e", "expression"]) {
        scripts.push(value.known()?.to_owned());
    }
    let mut operands = sorted.operands.iter();
    if scripts.is_empty() {
        scripts.push(operands.next()?.known()?.to_owned());
    }
    if operands.next().is_some() {
        return None;
    }
    let mut rules = Vec::new();
    for script in scripts.iter().flat_map(|script| script.split(';')) {
        let script = script.trim();
        if script.is_empty() {
            continue;
        }
        let body = script.strip_prefix('s')?;
        let mark = body.chars().next()?;
        let mut parts = body.get(mark.len_utf8()..)?.split(mark);
        let (from, to, flags) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || to.contains(['\\', '&']) || !matches!(flags, "" | "g") {
            return None;
        }
        let start = from.starts_with('^');
        let end = from.ends_with('$');
        let from = from
            .trim_start_matches('^')
            .trim_end_matches('$')
            .replace("\\.", "\u{0}");
        if from.contains(['\\', '[', '*', '.', '+', '?', '(', '|', '{', '$', '^']) {
            return None;
        }
        rules.push((
            from.replace('\u{0}', "."),
            to.to_owned(),
            flags == "g",
            start,
            end,
        ));
    }
    Some(Box::new(move |text| {
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            let mut line = line.to_owned();
            for (from, to, all, start, end) in &rules {
                line = match (start, end) {
                    (true, true) if line == *from => to.clone(),
                    (true, true) => line,
                    (true, false) => match line.strip_prefix(from.as_str()) {
                        Some(rest) => format!("{to}{rest}"),
                        None => line,
                    },
                    (false, true) => match line.strip_suffix(from.as_str()) {
                        Some(rest) => format!("{rest}{to}"),
                        None => line,
                    },
                    (false, false) if *all => line.replace(from.as_str(), to),
                    (false, false) => line.replacen(from.as_str(), to, 1),
                };
            }
            lines.push(line);
        }
        Some(format!("{}\n", lines.join("\n")))
    }))
}

/// `tr a b`, `tr -d a`, and the classes for the two cases.
fn tr(words: &[Field]) -> Option<Exact> {
    let words: Option<Vec<&str>> = words.iter().map(Field::known).collect();
    let set = |text: &str| -> Option<Vec<char>> {
        Some(match text {
            "[:upper:]" | "A-Z" | "[A-Z]" => ('A'..='Z').collect(),
            "[:lower:]" | "a-z" | "[a-z]" => ('a'..='z').collect(),
            "\\n" => vec!['\n'],
            one if !one.contains(['[', '\\']) && (one.len() < 3 || !one.contains('-')) => {
                one.chars().collect()
            }
            _ => return None,
        })
    };
    match words?.as_slice() {
        ["-d", what] => {
            let what = set(what)?;
            Some(Box::new(move |text| {
                Some(text.chars().filter(|c| !what.contains(c)).collect())
            }))
        }
        [from, to] if !from.starts_with('-') => {
            let (from, to) = (set(from)?, set(to)?);
            let last = *to.last()?;
            Some(Box::new(move |text| {
                let change = |c: char| match from.iter().position(|own| *own == c) {
                    Some(at) => to.get(at).copied().unwrap_or(last),
                    None => c,
                };
                Some(text.chars().map(change).collect())
            }))
        }
        _ => None,
    }
}

/// `cut -d X -f N`, also of several fields `N,M` and `N-`, `-M`, `N-M`.
fn cut(words: &[Field]) -> Option<Exact> {
    const OPTIONS: Options = Options {
        style: Style::Gnu,
        short: "df",
        long: &["delimiter", "fields"],
    };
    let sorted = OPTIONS.sort(words, false);
    if !sorted.operands.is_empty() || sorted.options.len() > 2 {
        return None;
    }
    let mark = sorted
        .value(&["d", "delimiter"])
        .map_or(Some("\t"), Value::known)?
        .to_owned();
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for range in sorted.value(&["f", "fields"])?.known()?.split(',') {
        let number = |text: &str| text.parse::<usize>().ok();
        ranges.push(match range.split_once('-') {
            Some(("", to)) => (1, number(to)?),
            Some((from, "")) => (number(from)?, usize::MAX),
            Some((from, to)) => (number(from)?, number(to)?),
            None => (number(range)?, number(range)?),
        });
    }
    if mark.is_empty() {
        return None;
    }
    Some(Box::new(move |text| {
        let mut lines: Vec<String> = Vec::new();
        for line in text.lines() {
            if !line.contains(mark.as_str()) {
                lines.push(line.to_owned());
                continue;
            }
            let kept: Vec<&str> = line
                .split(mark.as_str())
                .enumerate()
                .filter(|(index, _)| {
                    let number = index.saturating_add(1);
                    ranges
                        .iter()
                        .any(|(from, to)| (*from..=*to).contains(&number))
                })
                .map(|(_, part)| part)
                .collect();
            lines.push(kept.join(mark.as_str()));
        }
        Some(format!("{}\n", lines.join("\n")))
    }))
}

/// A hash as `sha256sum` prints it: the hole, two spaces, the name.
pub(super) fn hash_line(algorithm: &'static str, file: Option<String>, reversed: bool) -> Value {
    let name = file.clone().unwrap_or_else(|| "-".to_owned());
    let hole = HoleKind::Hash { algorithm, file };
    let hash = Value::hole(format!("$({algorithm} of {name})"), hole);
    if reversed {
        hash.then(&Value::literal(format!(" *{name}\n")))
    } else {
        hash.then(&Value::literal(format!("  {name}\n")))
    }
}
