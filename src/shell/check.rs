//! What a step checks by itself: lists of hashes, hashes that are compared, signatures. And which downloads that covers.

use super::{
    Check, CheckKind, Checked, Reading, Span, Weak, What,
    options::Field,
    tools::base_name,
    value::{HoleKind, Text, Value},
    walk::Walker,
};

/// The digits of a hash by each function: what a literal must have to be one.
const LENGTHS: [(&str, usize); 6] = [
    ("md5", 32),
    ("sha1", 40),
    ("sha224", 56),
    ("sha256", 64),
    ("sha384", 96),
    ("sha512", 128),
];

/// Whether the function still holds against somebody who makes two files.
fn is_weak(algorithm: &str) -> bool {
    matches!(algorithm, "md5" | "sha1" | "crc32")
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `[ "$(sha256sum file)" = "HASH" ]` and the like.
pub(super) fn compared(walker: &mut Walker<'_>, words: &[Field], span: Span) {
    let mut hash = None;
    let mut expected = Vec::new();
    let mut downloaded = None;
    for word in words {
        for text in word.value.texts() {
            for hole in text.holes() {
                match &hole.kind {
                    HoleKind::Hash { algorithm, file } => {
                        hash = Some((*algorithm, file.clone()));
                    }
                    HoleKind::Downloaded(name) => downloaded = Some(name.clone()),
                    _ => {}
                }
            }
            if let Some(known) = text.known() {
                for token in known.split([' ', '*', '\n', '=']) {
                    if LENGTHS.iter().any(|(_, length)| is_hex(token, *length)) {
                        expected.push(token.to_ascii_lowercase());
                    }
                }
            }
        }
    }
    let Some((algorithm, file)) = hash else {
        return;
    };
    let list = match downloaded {
        Some(name) if expected.is_empty() => Some(name.unwrap_or_else(|| "a download".to_owned())),
        _ => None,
    };
    let kind = CheckKind::Hash {
        algorithm,
        expected,
        list,
    };
    walker.check(span, kind, file);
}

/// The lines that `sha256sum -c` reads.
pub(super) fn list(
    walker: &mut Walker<'_>,
    algorithm: &'static str,
    value: &Value,
    name: &str,
    span: Span,
) {
    let mut found: Vec<(Option<String>, Option<String>, Option<String>)> = Vec::new();
    for text in value.texts() {
        for line in text.lines() {
            found.push(entry(&line, name));
        }
    }
    if found.is_empty() {
        found.push((None, None, Some(name.to_owned())));
    }
    let mut files: Vec<Option<String>> = found.iter().map(|(file, ..)| file.clone()).collect();
    files.sort();
    files.dedup();
    for file in files {
        let of = || found.iter().filter(|(own, ..)| *own == file);
        let mut expected: Vec<String> = of().filter_map(|(_, hash, _)| hash.clone()).collect();
        expected.sort();
        expected.dedup();
        let list = of().find_map(|(.., list)| list.clone());
        let kind = CheckKind::Hash {
            algorithm,
            expected,
            list,
        };
        walker.check(span, kind, file);
    }
}

/// File, hash and where the hash comes from, of one line.
fn entry(line: &Text, name: &str) -> (Option<String>, Option<String>, Option<String>) {
    let fields = line.fields();
    let shown = |text: &Text| text.shown().trim_start_matches('*').to_owned();
    let source = |text: &Text| {
        text.holes().find_map(|hole| match &hole.kind {
            HoleKind::Downloaded(Some(name)) | HoleKind::File(name) => Some(name.clone()),
            HoleKind::Downloaded(None) => Some("a download".to_owned()),
            // A variable is the word of whoever starts the build.
            _ if hole.name.starts_with("${") => None,
            _ => Some(hole.name.clone()),
        })
    };
    match fields.as_slice() {
        // A whole line that is not known.
        [one] if one.known().is_none() => (None, None, source(one).or(Some(name.to_owned()))),
        // `SHA256 (file) = hash`
        [_, file, equals, hash] if equals.known() == Some("=") => (
            Some(base_name(shown(file).trim_matches(['(', ')'])).to_owned()),
            hash.known().map(str::to_ascii_lowercase),
            source(hash),
        ),
        [hash, file, ..] => (
            Some(base_name(&shown(file)).to_owned()),
            hash.known()
                .map(|hash| hash.trim_start_matches('\\').to_ascii_lowercase()),
            source(hash),
        ),
        _ => (None, None, Some(name.to_owned())),
    }
}

/// Puts checks and downloads together, and drops the alarms that a check makes needless.
pub(super) fn finish(walker: Walker<'_>) -> Reading {
    let Walker {
        mut found,
        fingerprints,
        keys_fetched,
        runs,
        weak_files,
        commits,
        ..
    } = walker;
    let mut signed: Vec<String> = Vec::new();
    for check in &mut found.checks {
        if let CheckKind::OpenPgp {
            fingerprints: own,
            signature,
            ..
        } = &mut check.kind
        {
            own.extend(fingerprints.iter().cloned());
            own.sort();
            own.dedup();
            // A key that came over the same way as the file proves nothing.
            if !keys_fetched || !own.is_empty() {
                signed.extend(check.file.iter().chain(signature.iter()).cloned());
            }
        }
    }
    let checks = found.checks.clone();
    for fetch in &mut found.fetches {
        let Some(saved) = &fetch.saved else { continue };
        let base = base_name(saved);
        for check in &checks {
            let how = covers(check, base, fetch.span, keys_fetched, &signed);
            fetch.checked = match (fetch.checked, how) {
                (None, how) => how,
                (own, None) => own,
                (Some(own), Some(how)) => Some(own.min(how)),
            };
        }
    }
    for span in &commits {
        let before = |fetch: &&mut super::Fetch| {
            matches!(fetch.what, What::Git { .. }) && fetch.span.start <= span.start
        };
        if let Some(fetch) = found.fetches.iter_mut().rfind(before) {
            fetch.checked = Some(Checked::Commit);
        }
    }
    weak_hashes(&mut found);
    let held = |name: &str| {
        found.fetches.iter().any(|fetch| {
            fetch.saved.as_deref().map(base_name) == Some(name)
                && fetch.checked.is_some_and(Checked::holds)
        })
    };
    let mut more = Vec::new();
    for (span, name) in runs {
        if name.is_empty() || !held(&name) {
            more.push((span, Weak::Runs, name));
        }
    }
    for (weak, files) in weak_files {
        if files.is_empty() || !files.iter().all(|name| held(name)) {
            more.push((weak.span, weak.kind, weak.what));
        }
    }
    for fetch in &found.fetches {
        // A signature that somebody changed on the way fits nothing.
        let proof = fetch.saved.as_deref().is_some_and(|saved| {
            checks.iter().any(|check| {
                matches!(&check.kind, CheckKind::OpenPgp { signature: Some(name), .. } if base_name(name) == base_name(saved))
            })
        });
        let holds = proof || fetch.checked.is_some_and(Checked::holds);
        match &fetch.what {
            What::Url(urls) if !holds => {
                let plain = |url: &&String| url.starts_with("http://") || url.starts_with("ftp://");
                if let Some(url) = urls.iter().find(plain) {
                    more.push((fetch.span, Weak::Plain, url.clone()));
                }
            }
            What::Git { remote, .. }
                if !holds && (remote.starts_with("http://") || remote.starts_with("git://")) =>
            {
                more.push((fetch.span, Weak::Plain, remote.clone()));
            }
            _ => {}
        }
    }
    for (span, kind, what) in more {
        let weak = super::Weakness { span, kind, what };
        if !found.weaknesses.contains(&weak) {
            found.weaknesses.push(weak);
        }
    }
    found.weaknesses.sort_by_key(|weak| (weak.span, weak.kind));
    found.fetches = merged(found.fetches);
    found
}

/// Downloads in the order of the text; keys that the rounds of a loop ask for are one download.
fn merged(mut fetches: Vec<super::Fetch>) -> Vec<super::Fetch> {
    fetches.sort_by_key(|fetch| fetch.span.start);
    let mut out: Vec<super::Fetch> = Vec::new();
    for fetch in fetches {
        if let What::Keys { ids, server } = &fetch.what
            && let Some(last) = out.last_mut()
            && last.span == fetch.span
            && let What::Keys {
                ids: own,
                server: from,
            } = &mut last.what
        {
            let more = ids.iter().filter(|id| !own.contains(id)).cloned();
            let more: Vec<String> = more.collect();
            own.extend(more);
            if let (Some(from), Some(server)) = (from, server)
                && !from.split(" or ").any(|own| own == server)
            {
                from.push_str(" or ");
                from.push_str(server);
            }
            continue;
        }
        out.push(fetch);
    }
    out
}

/// How `check` covers the file called `base`, fetched at `span`.
fn covers(
    check: &Check,
    base: &str,
    span: Span,
    keys_fetched: bool,
    signed: &[String],
) -> Option<Checked> {
    if check.span.start < span.start {
        return None;
    }
    let same = check.file.as_deref().map(base_name) == Some(base);
    match &check.kind {
        CheckKind::Hash { list, .. } => {
            let how = match list {
                None => Checked::Hash,
                Some(list) if base_name(list) == base => return None,
                Some(list) if signed.iter().any(|name| base_name(name) == base_name(list)) => {
                    Checked::SignedList
                }
                Some(_) => Checked::List,
            };
            // Lines that are not known may be about any file but the list itself and its signature.
            let any =
                check.file.is_none() && list.is_some() && !signed.iter().any(|name| name == base);
            (same || any).then_some(how)
        }
        CheckKind::OpenPgp {
            fingerprints,
            signature,
            inline,
        } => {
            let holds = !keys_fetched || !fingerprints.is_empty();
            let inline = *inline && signature.as_deref().map(base_name) == Some(base);
            (holds && (same || inline)).then_some(Checked::Signature)
        }
        CheckKind::Sigstore | CheckKind::Key => same.then_some(Checked::Signature),
    }
}

/// A download that only MD5 or SHA-1 checks.
fn weak_hashes(found: &mut Reading) {
    let mut weak = Vec::new();
    for fetch in &mut found.fetches {
        let Some(base) = fetch.saved.as_deref().map(base_name) else {
            continue;
        };
        if fetch.checked != Some(Checked::Hash) {
            continue;
        }
        let own = |check: &&Check| check.file.as_deref().map(base_name) == Some(base);
        let mut strong = false;
        let mut by = None;
        for check in found.checks.iter().filter(own) {
            match &check.kind {
                CheckKind::Hash { algorithm, .. } if is_weak(algorithm) => {
                    by = Some((check.span, *algorithm));
                }
                _ => strong = true,
            }
        }
        if let Some((span, algorithm)) = by.filter(|_| !strong) {
            fetch.checked = None;
            weak.push(super::Weakness {
                span,
                kind: Weak::Hash,
                what: algorithm.to_owned(),
            });
        }
    }
    found.weaknesses.extend(weak);
}
