//! How well RUN steps are read: 150 steps of public Dockerfiles, drawn at random, with labels made by hand before the reader was
//! written (testdata/shell/README.md). Prints recall and precision, and fails where they are worse than they have to be.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use serde::Deserialize;
use verified_dockerfile::{
    dockerfile::Dockerfile,
    fetch::{self, Configs, Options, Platform},
    report::steps,
    shell::{Checked, Fetch, What},
};

/// What has to be found: of all labelled downloads, those found or told to be unclear.
const RECALL: f64 = 0.98;
/// Of all downloads that are reported, those that are labelled.
const PRECISION: f64 = 0.95;
/// Of all downloads that are labelled, those found for what they are: a reader that says "cannot tell" of everything is none.
const EXACT: f64 = 0.90;
/// Of all parts told to be unclear, those that are.
const UNCLEAR: f64 = 0.75;

#[derive(Deserialize)]
struct Sample {
    file: String,
    lines: (usize, usize),
    #[serde(default)]
    escape: Option<String>,
    /// ARGs in front of the first FROM.
    #[serde(default)]
    global: Vec<String>,
    /// ARG, ENV and SHELL of the stage, and of those it is built upon.
    #[serde(default)]
    before: Vec<String>,
    text: String,
    fetches: Vec<Label>,
    unclear: Vec<Mark>,
}

/// A text of the step: the `nth` time that it stands there.
#[derive(Deserialize)]
struct Mark {
    at: String,
    #[serde(default = "first")]
    nth: usize,
}

fn first() -> usize {
    1
}

#[derive(Deserialize)]
struct Label {
    tool: String,
    #[serde(flatten)]
    mark: Mark,
    /// The address in full, where it can be known.
    url: Option<String>,
    /// Some of the packages.
    #[serde(default)]
    packages: Vec<String>,
    /// How the step checks it.
    checked: Option<String>,
}

impl Mark {
    fn bytes(&self, text: &str) -> (usize, usize) {
        let (at, found) = text
            .match_indices(&self.at)
            .nth(self.nth - 1)
            .unwrap_or_else(|| panic!("{} is not in {text}", self.at));
        (at, at + found.len())
    }
}

fn meet(one: (usize, usize), other: (usize, usize)) -> bool {
    one.0 < other.1 && other.0 < one.1
}

/// Whether `shown` can be `url`: what stands for a variable or command fits anything.
fn fits(shown: &str, url: &str) -> bool {
    let Some(open) = shown.find("${").into_iter().chain(shown.find("$(")).min() else {
        return shown == url;
    };
    let (before, rest) = shown.split_at(open);
    let close = rest.find(['}', ')']).map_or(rest.len(), |at| at + 1);
    let Some(behind) = url.strip_prefix(before) else {
        return false;
    };
    (0..=behind.len())
        .filter(|at| behind.is_char_boundary(*at))
        .any(|at| fits(&rest[close..], &behind[at..]))
}

fn is_what(fetch: &Fetch, label: &Label) -> bool {
    let url = match (&label.url, &fetch.what) {
        (None, _) => true,
        (Some(url), What::Url(shown)) => shown.iter().any(|shown| fits(shown, url)),
        (Some(url), What::Git { remote, .. }) => fits(remote, url),
        _ => false,
    };
    let packages = match &fetch.what {
        What::Packages(names) | What::Keys { ids: names, .. } => {
            label.packages.iter().all(|name| names.contains(name))
        }
        _ => label.packages.is_empty(),
    };
    url && packages
}

#[derive(Default)]
struct Count {
    labels: usize,
    exact: usize,
    covered: usize,
    reported: usize,
    right: usize,
    unclear: usize,
    needless: usize,
    checked: usize,
    wrong: String,
}

impl Count {
    fn add(&mut self, sample: &Sample) {
        let mut head = String::new();
        if let Some(escape) = &sample.escape {
            head = format!("# escape={escape}\n");
        }
        for line in &sample.global {
            let _ = writeln!(head, "{line}");
        }
        head.push_str("FROM scratch\nWORKDIR /src\n");
        for line in &sample.before {
            let _ = writeln!(head, "{line}");
        }
        let start = head.len();
        let file = format!("{head}{}\n", sample.text);
        let name = format!("{}:{}", sample.file, sample.lines.0);
        let dockerfile = Dockerfile::parse(file.as_bytes()).unwrap();
        let platform = Platform::new("linux", "amd64", "");
        let options = Options {
            target: None,
            platform: platform.clone(),
            build_platform: platform.clone(),
            build_args: [].into(),
            named_contexts: [].into(),
        };
        let plan = fetch::collect(&dockerfile, &options, &Configs::default()).unwrap();
        let step = plan.runs.last().unwrap();
        let reading = steps::read(step, &platform);
        let place = |span| {
            let (from, to) = steps::place(&dockerfile, step, span).span.unwrap();
            (from.saturating_sub(start), to.saturating_sub(start))
        };
        let fetches: Vec<_> = reading
            .fetches
            .iter()
            .map(|fetch| (fetch, place(fetch.span)))
            .collect();
        let unclear: Vec<_> = reading
            .unclear
            .iter()
            .map(|unclear| (unclear, place(unclear.span)))
            .collect();
        let covers = |at| unclear.iter().any(|(_, span)| meet(*span, at));
        let mut known: BTreeSet<usize> = BTreeSet::new();
        // Keys in a loop: each round is a fetch of its own.
        let all_ids = |at| -> Vec<String> {
            fetches
                .iter()
                .filter(|(_, span)| meet(*span, at))
                .flat_map(|(fetch, _)| match &fetch.what {
                    What::Keys { ids, .. } => ids.clone(),
                    _ => Vec::new(),
                })
                .collect()
        };
        for label in &sample.fetches {
            self.labels += 1;
            let at = label.mark.bytes(&sample.text);
            let mut found = None;
            for (index, (fetch, span)) in fetches.iter().enumerate() {
                let keys = matches!(fetch.what, What::Keys { .. })
                    && label.packages.iter().all(|id| all_ids(at).contains(id));
                if fetch.tool == label.tool && meet(*span, at) && (keys || is_what(fetch, label)) {
                    known.insert(index);
                    found.get_or_insert(*fetch);
                }
            }
            match found {
                Some(fetch) => {
                    self.exact += 1;
                    let checked = match fetch.checked {
                        None => None,
                        Some(Checked::Hash) => Some("hash"),
                        Some(Checked::Signature) => Some("signature"),
                        Some(Checked::SignedList) => Some("list"),
                        Some(Checked::List) => Some("unsigned list"),
                        Some(Checked::Commit) => Some("commit"),
                    };
                    if checked != label.checked.as_deref() {
                        let _ = writeln!(
                            self.wrong,
                            "{name}: {} is checked by {checked:?}, not {:?}",
                            label.mark.at, label.checked
                        );
                    }
                    self.checked += usize::from(checked.is_some());
                }
                None if covers(at) => self.covered += 1,
                None => {
                    let _ = writeln!(
                        self.wrong,
                        "{name}: missed {} {}",
                        label.tool, label.mark.at
                    );
                }
            }
        }
        for mark in &sample.unclear {
            self.labels += 1;
            let at = mark.bytes(&sample.text);
            if covers(at) {
                self.exact += 1;
            } else if fetches.iter().any(|(_, span)| meet(*span, at)) {
                self.covered += 1;
            } else {
                let _ = writeln!(self.wrong, "{name}: missed that {} is unclear", mark.at);
            }
        }
        for (index, (fetch, span)) in fetches.iter().enumerate() {
            self.reported += 1;
            let marked = sample
                .unclear
                .iter()
                .any(|mark| meet(mark.bytes(&sample.text), *span));
            if known.contains(&index) || marked {
                self.right += 1;
            } else {
                let _ = writeln!(self.wrong, "{name}: not so: {}", steps::what(fetch));
            }
        }
        for (reason, span) in &unclear {
            self.unclear += 1;
            let marked = sample
                .unclear
                .iter()
                .chain(sample.fetches.iter().map(|label| &label.mark))
                .any(|mark| meet(mark.bytes(&sample.text), *span));
            if !marked {
                self.needless += 1;
                let _ = writeln!(self.wrong, "{name}: needless: {}", reason.why);
            }
        }
    }
}

#[test]
fn downloads_of_the_sample_are_found() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/shell/sample.ndjson");
    let text = fs::read_to_string(path).unwrap();
    let samples: Vec<Sample> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(samples.len(), 150);
    let mut count = Count::default();
    for sample in &samples {
        count.add(sample);
    }
    let ratio = |part: usize, whole: usize| part as f64 / whole as f64;
    let recall = ratio(count.exact + count.covered, count.labels);
    let exact = ratio(count.exact, count.labels);
    let precision = ratio(count.right, count.reported);
    let unclear = ratio(count.unclear - count.needless, count.unclear);
    println!("{}", count.wrong);
    println!(
        "150 steps, {} downloads and unclear parts labelled",
        count.labels
    );
    println!(
        "recall     {recall:.3} ({} exactly, {} as unclear or the other way round)",
        count.exact, count.covered
    );
    println!("exact      {exact:.3}");
    println!(
        "precision  {precision:.3} ({} of {} reported)",
        count.right, count.reported
    );
    println!(
        "unclear    {unclear:.3} ({} needless of {})",
        count.needless, count.unclear
    );
    println!("checked    {}", count.checked);
    assert!(recall >= RECALL, "recall {recall}");
    assert!(precision >= PRECISION, "precision {precision}");
    assert!(exact >= EXACT, "exact {exact}");
    assert!(unclear >= UNCLEAR, "unclear {unclear}");
    assert!(!count.wrong.contains("is checked by"), "{}", count.wrong);
}
