//! What each command fetches and checks: one file per tool, one line here for each.

mod apk;
mod apt;
mod archives;
mod aria2;
mod build;
mod cargo;
mod cloud;
mod conda;
mod containers;
mod curl;
mod dnf;
mod git;
mod go;
mod gpg;
mod harmless;
mod hashes;
mod languages;
mod node;
mod pacman;
mod pip;
mod ruby;
mod signers;
mod wget;
mod zypper;

use super::{
    CheckKind, Checked, Fetch, Span, Weak, Weakness, What, filter,
    options::{Field, Options, Sorted},
    secret,
    value::{HoleKind, Text, Value},
    walk::{Done, Walker},
};

/// A command that is known.
pub(super) struct Tool {
    /// Its names.
    pub names: &'static [&'static str],
    /// Which of its options take a value.
    pub options: Options,
    /// What it does with these words.
    pub read: fn(&Args<'_>, &mut Notes),
}

/// The tools.
const TOOLS: &[&[Tool]] = &[
    apk::TOOLS,
    apt::TOOLS,
    archives::TOOLS,
    aria2::TOOLS,
    build::TOOLS,
    cargo::TOOLS,
    cloud::TOOLS,
    conda::TOOLS,
    containers::TOOLS,
    curl::TOOLS,
    dnf::TOOLS,
    git::TOOLS,
    go::TOOLS,
    gpg::TOOLS,
    hashes::TOOLS,
    languages::TOOLS,
    node::TOOLS,
    pacman::TOOLS,
    pip::TOOLS,
    ruby::TOOLS,
    signers::TOOLS,
    wget::TOOLS,
    zypper::TOOLS,
];

/// Shells whose texts are not read.
pub(super) fn is_foreign_shell(path: &str) -> bool {
    let name = base_name(path).to_ascii_lowercase();
    let name = name.strip_suffix(".exe").unwrap_or(&name);
    matches!(
        name,
        "powershell" | "pwsh" | "cmd" | "fish" | "tcsh" | "csh" | "nu" | "elvish" | "xonsh"
    )
}

/// The last part of a path.
pub(super) fn base_name(path: &str) -> &str {
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default()
}

/// The name of the command that a word is, whatever the folder; a script in a folder that is not among the usual ones keeps
/// its path, since its name says nothing. `None` if it cannot be told.
pub(super) fn command_name(value: &Value) -> Option<String> {
    let [text] = value.texts() else { return None };
    match text.known() {
        Some(path) => {
            let usual = path
                .rsplit_once('/')
                .is_none_or(|(folder, _)| folder.ends_with("bin") || folder.ends_with("/busybox"));
            Some(if usual {
                base_name(path).to_owned()
            } else {
                path.to_owned()
            })
        }
        None => {
            let (folder, name) = text.suffix().rsplit_once('/')?;
            (folder.ends_with("bin") && !name.is_empty()).then(|| name.to_owned())
        }
    }
}

/// What a tool is called with.
pub(super) struct Args<'a> {
    /// The name by which it was called.
    pub name: &'a str,
    /// All words behind it.
    pub words: &'a [Field],
    /// The same, sorted.
    pub sorted: Sorted,
    /// The whole command.
    pub span: Span,
    /// What comes in.
    pub stdin: &'a Value,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    file: &'a dyn Fn(&str) -> Option<Value>,
}

impl Args<'_> {
    /// A variable, if it is known.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    /// What a file holds, if the step wrote it.
    pub fn file(&self, name: &str) -> Option<Value> {
        (self.file)(base_name(name))
    }

    /// The subcommand: the operand with that index.
    pub fn sub(&self, index: usize) -> &str {
        self.sorted.operand(index).unwrap_or_default()
    }

    pub fn has(&self, names: &[&str]) -> bool {
        self.sorted.has(names)
    }

    pub fn value(&self, names: &[&str]) -> Option<String> {
        self.sorted.value(names).map(Value::shown)
    }

    /// Whether it only prints help or its version.
    fn asks(&self) -> bool {
        let first = self.words.first().and_then(Field::known);
        matches!(
            first,
            Some("--version" | "--help" | "-version" | "-help" | "help" | "version")
        ) || self.words.len() == 1 && matches!(first, Some("-h" | "-V" | "-v"))
    }
}

/// What a tool prints.
#[derive(Debug, Default)]
pub(super) enum Output {
    /// Something.
    #[default]
    Unknown,
    /// Nothing that matters.
    Nothing,
    Value(Value),
}

/// What a tool does.
#[derive(Debug, Default)]
pub(super) struct Notes {
    tool: &'static str,
    pub fetches: Vec<(What, Option<String>, Option<Checked>)>,
    pub weak: Vec<(Weak, String, Span)>,
    /// Weak only if these files are not checked otherwise.
    pub weak_files: Vec<(Weak, String, Span, Vec<String>)>,
    pub unclear: Vec<String>,
    pub checks: Vec<(CheckKind, Option<String>)>,
    /// Lists of hashes: function, lines, where they are.
    pub lists: Vec<(&'static str, Value, String)>,
    pub output: Output,
    /// Files that it writes.
    pub wrote: Vec<(String, Value)>,
    /// Commands that it runs: what their words are.
    pub run: Vec<Vec<Field>>,
    pub fingerprints: Vec<String>,
    pub keys_fetched: bool,
    pub commit: bool,
    /// Programs that it runs although they came from the network.
    pub runs: Vec<String>,
}

impl Notes {
    /// Names what is fetched from here on.
    pub fn tool(&mut self, name: &'static str) {
        self.tool = name;
    }

    pub fn fetch(&mut self, what: What) {
        self.fetches.push((what, None, None));
    }

    /// A file; one that has a secret in its address is weak.
    pub fn url(&mut self, value: &Value, saved: Option<String>, span: Span) {
        let mut urls = Vec::new();
        let mut secret = false;
        for text in value.texts() {
            let (url, found) = secret::redacted(&text.shown());
            secret |= found;
            urls.push(url);
        }
        if secret {
            let what = urls.first().cloned().unwrap_or_default();
            self.weak.push((Weak::Secret, what, span));
        }
        let saved = saved.map(|name| base_name(&name).to_owned());
        self.fetches.push((What::Url(urls), saved, None));
    }

    pub fn packages(&mut self, names: Vec<String>) {
        let names = names.iter().map(|name| secret::redacted(name).0).collect();
        self.fetch(What::Packages(names));
    }

    pub fn index(&mut self) {
        self.fetch(What::Index);
    }

    pub fn unclear(&mut self, why: impl Into<String>) {
        self.unclear.push(why.into());
    }

    /// A weak option, if it is given.
    pub fn weak_option(&mut self, args: &Args<'_>, kind: Weak, names: &[&str]) {
        if let Some(given) = args.sorted.given(names) {
            let dashes = if given.name.chars().count() == 1 {
                "-"
            } else {
                "--"
            };
            let what = format!("{dashes}{}", given.name);
            self.weak.push((kind, what, given.span));
        }
    }

    /// A weak variable, if it is set to one of these values.
    pub fn weak_variable(&mut self, args: &Args<'_>, kind: Weak, name: &str, values: &[&str]) {
        if let Some(value) = args.variable(name)
            && values.iter().any(|bad| value.eq_ignore_ascii_case(bad))
        {
            self.weak.push((kind, format!("{name}={value}"), args.span));
        }
    }
}

/// Variables that weaken every tool behind them.
const WEAK_VARIABLES: [(&str, &[&str], Weak); 6] = [
    ("GIT_SSL_NO_VERIFY", &["1", "true", "yes", "on"], Weak::Tls),
    ("NODE_TLS_REJECT_UNAUTHORIZED", &["0"], Weak::Tls),
    ("PYTHONHTTPSVERIFY", &["0"], Weak::Tls),
    ("NPM_CONFIG_STRICT_SSL", &["false"], Weak::Tls),
    ("npm_config_strict_ssl", &["false"], Weak::Tls),
    ("GOSUMDB", &["off"], Weak::Packages),
];

/// Looks at variables that were just set for all that follows.
pub(super) fn variables<'n>(
    walker: &mut Walker<'_>,
    names: impl Iterator<Item = &'n str>,
    span: Span,
) {
    for name in names {
        let value = walker
            .state
            .vars
            .get(name)
            .and_then(Value::known)
            .map(str::to_owned);
        let Some(value) = value else { continue };
        let weak = WEAK_VARIABLES.iter().find(|(own, values, _)| {
            *own == name && values.iter().any(|bad| value.eq_ignore_ascii_case(bad))
        });
        if let Some((name, _, kind)) = weak {
            walker.weak(span, *kind, format!("{name}={value}"));
        }
    }
}

/// Files by which tools are told to check less: a part of the file's name, what stands in it, what that weakens.
const WEAK_FILES: [(&str, &str, Weak); 8] = [
    ("sources.list", "trusted=yes", Weak::Packages),
    (".repo", "gpgcheck=0", Weak::Packages),
    ("pacman.conf", "siglevel=never", Weak::Packages),
    (".repo", "sslverify=0", Weak::Tls),
    ("npmrc", "strict-ssl=false", Weak::Tls),
    ("pip.conf", "trusted-host", Weak::Tls),
    ("curlrc", "insecure", Weak::Tls),
    ("wgetrc", "check_certificate=off", Weak::Tls),
];

/// Looks at what is written to a file.
pub(super) fn configures(walker: &mut Walker<'_>, name: &str, value: &Value, span: Span) {
    for text in value.texts() {
        for line in text.lines() {
            let line: String = line
                .shown()
                .to_ascii_lowercase()
                .chars()
                .filter(|c| !c.is_whitespace())
                .collect();
            // A comment; or packages that were made here.
            if line.starts_with('#') || line.contains("file:") {
                continue;
            }
            for (file, setting, kind) in WEAK_FILES {
                if name.contains(file) && line.contains(setting) {
                    walker.weak(span, kind, setting);
                }
            }
        }
    }
}

/// Runs a command that the shell does not do itself.
pub(super) fn run(
    walker: &mut Walker<'_>,
    name: &str,
    first: &Field,
    words: &[Field],
    span: Span,
) -> Done {
    walker.spend(words.len());
    if let Some(value) = filter::output(walker, name, words) {
        walker.emit(&value);
        return if matches!(name, "grep" | "egrep" | "fgrep") {
            gpg::fingerprint_in_grep(walker, words);
            Done::ASKED
        } else {
            Done::MAYBE
        };
    }
    let lower = name.to_ascii_lowercase();
    let plain = lower.strip_suffix(".exe").unwrap_or(&lower);
    match tool_of(plain) {
        Some(tool) => {
            note(walker, tool, plain, words, span);
            Done::MAYBE
        }
        None if harmless::is_harmless(plain) => {
            if harmless::writes_nothing(plain) {
                // Its output is no text of its own.
            } else {
                let value = Value::hole(format!("$({name})"), walker.stdin.kind());
                walker.emit(&value);
            }
            harmless::files(walker, plain, words);
            if harmless::asks(plain) {
                Done::ASKED
            } else {
                Done::MAYBE
            }
        }
        None => {
            foreign(walker, name, first, words, span);
            Done::MAYBE
        }
    }
}

fn tool_of(name: &str) -> Option<&'static Tool> {
    let tools = || TOOLS.iter().copied().flatten();
    tools()
        .find(|tool| tool.names.contains(&name))
        .or_else(|| tools().find(|tool| versioned(name, tool.names)))
}

/// `python3.11`, `pip3`, `gcc-12` under the name without a number.
fn versioned(name: &str, names: &[&str]) -> bool {
    let short = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    !short.is_empty() && short != name && names.contains(&short)
}

fn note(walker: &mut Walker<'_>, tool: &Tool, name: &str, words: &[Field], span: Span) {
    let mut notes = Notes {
        tool: tool.names.first().copied().unwrap_or_default(),
        ..Notes::default()
    };
    let stdin = walker.stdin.clone();
    let state = &walker.state;
    let args = Args {
        name,
        words,
        sorted: tool.options.sort(words, false),
        span,
        stdin: &stdin,
        lookup: &|name| {
            state
                .vars
                .get(name)
                .and_then(Value::known)
                .map(str::to_owned)
        },
        file: &|name| state.files.get(name).cloned(),
    };
    if args.asks() {
        walker.emit(&Value::unknown(format!("$({name})")));
        return;
    }
    (tool.read)(&args, &mut notes);
    apply(walker, notes, name, span);
}

fn apply(walker: &mut Walker<'_>, notes: Notes, name: &str, span: Span) {
    let tool = notes.tool;
    for (what, saved, checked) in notes.fetches {
        walker.fetch(Fetch {
            span,
            tool,
            what,
            saved,
            checked,
        });
    }
    for (kind, what, span) in notes.weak {
        walker.weak(span, kind, what);
    }
    for (kind, what, span, files) in notes.weak_files {
        walker
            .weak_files
            .push((Weakness { span, kind, what }, files));
    }
    for why in notes.unclear {
        walker.unclear(span, why);
    }
    for (kind, file) in notes.checks {
        walker.check(span, kind, file.map(|file| base_name(&file).to_owned()));
    }
    for (algorithm, value, name) in notes.lists {
        super::check::list(walker, algorithm, &value, &name, span);
    }
    for (file, value) in notes.wrote {
        walker.write(&file, value, false);
    }
    walker.fingerprints.extend(notes.fingerprints);
    walker.keys_fetched |= notes.keys_fetched;
    if notes.commit {
        walker.commits.push(span);
    }
    for file in notes.runs {
        walker.runs.push((span, file));
    }
    match notes.output {
        Output::Nothing => {}
        Output::Unknown => {
            let value = Value::hole(format!("$({name})"), walker.stdin.kind());
            walker.emit(&value);
        }
        Output::Value(value) => walker.emit(&value),
    }
    for fields in notes.run {
        walker.run(&fields, span);
    }
}

/// A command that no table has.
fn foreign(walker: &mut Walker<'_>, name: &str, first: &Field, words: &[Field], span: Span) {
    let only_asks = matches!(
        words,
        [one] if matches!(one.known(), Some("--version" | "--help" | "-version" | "-V"))
    );
    walker.emit(&Value::unknown(format!("$({name})")));
    let own = walker.state.files.get(base_name(name)).map(Value::kind);
    match own {
        Some(HoleKind::Downloaded(file)) => {
            walker.runs.push((span, file.unwrap_or_default()));
            walker.unclear(
                span,
                format!("it runs `{}`, which it downloads", first.shown()),
            );
        }
        _ if only_asks => {}
        _ => {
            let shown = first.shown();
            let shown: String = shown.chars().take(80).collect();
            walker.unclear(span, format!("it runs `{shown}`, which is not known here"));
        }
    }
}

/// An interpreter that is given a file.
fn interpreter(args: &Args<'_>, notes: &mut Notes, script: &str) {
    match args.file(script).map(|value| value.kind()) {
        Some(HoleKind::Downloaded(name)) => {
            notes.runs.push(name.unwrap_or_default());
            notes.unclear(format!("it runs `{script}`, which it downloads"));
        }
        _ => notes.unclear(format!("it runs `{script}` by `{}`", args.name)),
    }
}

/// An interpreter that is given its text by what comes in.
fn interpreter_input(args: &Args<'_>, notes: &mut Notes) {
    if args.stdin.downloaded() {
        notes.runs.push(String::new());
        notes.unclear("it runs what it downloads");
    } else if args.stdin.known() != Some("") {
        notes.unclear(format!("it runs a text by `{}`", args.name));
    }
}

/// Whether a text is a path of a file that is here.
pub(super) fn is_local(text: &Text) -> bool {
    let prefix = text.prefix();
    prefix.starts_with('/')
        || prefix.starts_with("./")
        || prefix.starts_with("../")
        || prefix == "."
        || prefix.starts_with("file:")
}

/// Whether a text is an address.
pub(super) fn is_url(text: &Text) -> bool {
    let prefix = text.prefix();
    ["http://", "https://", "ftp://", "ftps://", "sftp://"]
        .iter()
        .any(|scheme| prefix.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_in_one_table() {
        let mut names: Vec<&str> = TOOLS
            .iter()
            .copied()
            .flatten()
            .flat_map(|tool| tool.names)
            .copied()
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for name in names {
            assert!(!harmless::is_harmless(name), "{name}");
        }
    }
}
