//! Commands that start another command: by their words, by a text, or by what they are given.

use super::{
    Dialect, Span,
    options::{Field, Options, Style},
    value::{HoleKind, Value},
    walk::{Done, Walker},
};

/// A command that runs the words behind its own.
struct Wrapper {
    name: &'static str,
    /// Its options that take a value: letters, then names.
    short: &'static str,
    long: &'static [&'static str],
    /// How many operands stand before the command.
    operands: usize,
}

const fn wrapper(
    name: &'static str,
    short: &'static str,
    long: &'static [&'static str],
    operands: usize,
) -> Wrapper {
    Wrapper {
        name,
        short,
        long,
        operands,
    }
}

const WRAPPERS: &[Wrapper] = &[
    wrapper(
        "sudo",
        "ughpCrtTUDR",
        &["user", "group", "host", "prompt", "chdir"],
        0,
    ),
    wrapper("doas", "uC", &[], 0),
    wrapper("env", "uCS", &["unset", "chdir"], 0),
    wrapper("command", "", &[], 0),
    wrapper("exec", "a", &[], 0),
    wrapper("builtin", "", &[], 0),
    wrapper("nohup", "", &[], 0),
    wrapper("nice", "n", &["adjustment"], 0),
    wrapper("ionice", "cn", &["class", "classdata"], 0),
    wrapper("time", "fo", &["format", "output"], 0),
    wrapper("timeout", "ks", &["kill-after", "signal"], 1),
    wrapper("stdbuf", "ioe", &["input", "output", "error"], 0),
    wrapper("setsid", "", &[], 0),
    wrapper("gosu", "", &[], 1),
    wrapper("su-exec", "", &[], 1),
    wrapper("chroot", "", &["userspec", "groups"], 1),
    wrapper("setarch", "", &[], 0),
    wrapper("linux32", "", &[], 0),
    wrapper("linux64", "", &[], 0),
    wrapper("fakeroot", "", &[], 0),
    wrapper("eatmydata", "", &[], 0),
    wrapper("strace", "eopsu", &[], 0),
    wrapper("flock", "wE", &["timeout"], 1),
    wrapper("tini", "vegsp", &[], 0),
    wrapper("dumb-init", "", &[], 0),
    wrapper("catchsegv", "", &[], 0),
    wrapper("xvfb-run", "enfps", &["server-args", "server-num"], 0),
    wrapper("busybox", "", &[], 0),
    wrapper("toybox", "", &[], 0),
    wrapper("unshare", "", &[], 0),
    wrapper("setpriv", "", &["reuid", "regid", "groups"], 0),
    wrapper("chpst", "uUbedonl", &[], 0),
    wrapper("s6-setuidgid", "", &[], 1),
    wrapper("proxychains", "f", &[], 0),
    wrapper("torsocks", "", &[], 0),
    wrapper("retry", "tmd", &["times", "delay"], 0),
];

impl Walker<'_> {
    /// Runs what `name` starts; `None` if it starts nothing.
    pub fn wrapper(&mut self, name: &str, words: &[Field], span: Span) -> Option<Done> {
        if let Some(dialect) = Dialect::of(name) {
            self.shell(dialect, name, words, span);
            return Some(Done::MAYBE);
        }
        if let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name == name) {
            return Some(self.wrapped(wrapper, words, span));
        }
        match name {
            "su" | "runuser" => self.su(words, span),
            "xargs" | "parallel" => {
                self.xargs(words, span);
            }
            "find" => self.find(words, span),
            "start-stop-daemon" | "watch" | "at" | "crontab" | "script" | "expect" | "ssh"
            | "screen" | "tmux" => {
                self.unclear(span, format!("`{name}` starts something that is not read"));
            }
            _ => return None,
        }
        Some(Done::MAYBE)
    }

    fn wrapped(&mut self, wrapper: &Wrapper, words: &[Field], span: Span) -> Done {
        let options = Options {
            style: Style::Gnu,
            short: wrapper.short,
            long: wrapper.long,
        };
        let sorted = options.sort(words, true);
        let mut rest = sorted.operands.get(wrapper.operands..).unwrap_or_default();
        let mut before = Vec::new();
        if matches!(wrapper.name, "sudo" | "env" | "doas") {
            while let Some((first, more)) = rest.split_first() {
                let text = first.value.texts().first();
                let prefix = text.map(|text| text.prefix()).unwrap_or_default();
                let Some((name, _)) = prefix.split_once('=') else {
                    break;
                };
                if !super::parse::is_name(name) {
                    break;
                }
                before.push((name.to_owned(), self.state.vars.get(name).cloned()));
                let value = super::options::behind(&first.value, '=');
                let name = name.to_owned();
                self.assign(&name, value);
                rest = more;
            }
            // `env -S 'text'`
            if let Some(text) = sorted
                .value(&["S", "split-string"])
                .filter(|_| wrapper.name == "env")
            {
                self.value_as_text(text, Dialect::Sh, span, span, "env");
            }
        }
        if rest.is_empty() {
            return if sorted.operands.is_empty() || wrapper.name == "env" {
                self.emit(&Value::unknown(format!("$({})", wrapper.name)));
                Done::MAYBE
            } else {
                Done::MAYBE
            };
        }
        let done = self.run(rest, span);
        for (name, value) in before {
            match value {
                Some(value) => self.state.vars.insert(name, value),
                None => self.state.vars.remove(&name),
            };
        }
        Done {
            // `exec` replaces the shell.
            stops: wrapper.name == "exec" || done.stops && wrapper.name == "builtin",
            ..done
        }
    }

    /// A shell: `-c TEXT`, a file, or what comes in.
    fn shell(&mut self, dialect: Dialect, name: &str, words: &[Field], span: Span) {
        let mut words = words.iter();
        let mut text = false;
        let mut stdin = false;
        let mut operand = None;
        while let Some(word) = words.next() {
            let shown = word.shown();
            match shown.strip_prefix(['-', '+']) {
                Some("-version" | "-help") => return,
                Some("-") => {
                    operand = words.next();
                    break;
                }
                Some("-rcfile" | "-init-file") => {
                    words.next();
                }
                Some(letters) if !letters.is_empty() && !letters.starts_with('-') => {
                    text |= letters.contains('c');
                    stdin |= letters.contains('s');
                    if letters.ends_with(['o', 'O']) {
                        words.next();
                    }
                }
                Some("") => stdin = true,
                Some(_) => {}
                None => {
                    operand = Some(word);
                    break;
                }
            }
        }
        let words: Vec<Value> = words.map(|word| word.value.clone()).collect();
        match operand {
            Some(script) if text => {
                // The word behind the text is `$0`.
                let words = words.get(1..).unwrap_or_default().to_vec();
                let outer = self.state.positional.replace(words);
                self.inner_shell(|this| {
                    this.value_as_text(&script.value, dialect, script.span, span, name);
                });
                self.state.positional = outer;
            }
            Some(file) if !stdin => self.script_file(file, dialect, words, span),
            _ => {
                let input = self.stdin.clone();
                let empty = input.known() == Some("");
                if empty && !stdin {
                    return;
                }
                let input = if empty {
                    Value::unknown("standard input")
                } else {
                    input
                };
                self.inner_shell(|this| this.value_as_text(&input, dialect, span, span, name));
            }
        }
    }

    /// What a shell of its own sets is gone behind it.
    fn inner_shell(&mut self, inner: impl FnOnce(&mut Self)) {
        self.spend(self.state.vars.len());
        let vars = self.state.vars.clone();
        let stdin = std::mem::take(&mut self.stdin);
        inner(self);
        self.stdin = stdin;
        self.state.vars = vars;
    }

    fn script_file(&mut self, file: &Field, dialect: Dialect, words: Vec<Value>, span: Span) {
        let shown = file.shown();
        if file.value.downloaded() {
            self.runs.push((span, String::new()));
            self.unclear(span, "it runs what it downloads");
            return;
        }
        let content = self.read_file(&shown);
        match content.kind() {
            HoleKind::Downloaded(name) => {
                self.runs.push((span, name.unwrap_or_default()));
                self.unclear(span, format!("it runs `{shown}`, which it downloads"));
            }
            HoleKind::Any if content.texts().iter().all(|text| !text.prefix().is_empty()) => {
                let outer = self.state.positional.replace(words);
                self.inner_shell(|this| {
                    this.value_as_text(&content, dialect, file.span, span, &shown);
                });
                self.state.positional = outer;
            }
            _ => self.unclear(span, format!("it runs the script `{shown}`")),
        }
    }

    fn su(&mut self, words: &[Field], span: Span) {
        const OPTIONS: Options = Options {
            style: Style::Gnu,
            short: "csgGwu",
            long: &["command", "shell", "group", "user"],
        };
        let sorted = OPTIONS.sort(words, false);
        if let Some(given) = sorted.given(&["c", "command"])
            && let Some(text) = &given.value
        {
            let at = words
                .iter()
                .find(|word| word.value == *text)
                .map_or(span, |word| word.span);
            let text = text.clone();
            self.inner_shell(|this| this.value_as_text(&text, Dialect::Sh, at, span, "su"));
            return;
        }
        // `runuser -u user -- command`
        let rest: Vec<Field> = if sorted.has(&["u", "user"]) {
            sorted.operands
        } else {
            sorted.operands.into_iter().skip(1).collect()
        };
        if !rest.is_empty() {
            self.run(&rest, span);
        }
    }

    fn xargs(&mut self, words: &[Field], span: Span) {
        const OPTIONS: Options = Options {
            style: Style::Gnu,
            short: "nPILsdaEj",
            long: &[
                "max-args",
                "max-procs",
                "replace",
                "delimiter",
                "arg-file",
                "jobs",
            ],
        };
        let sorted = OPTIONS.sort(words, true);
        let mut command = sorted.operands.clone();
        let input = self.stdin.clone();
        let mark = sorted
            .value(&["I", "replace"])
            .and_then(Value::known)
            .map(str::to_owned);
        if command.is_empty() {
            let sum = input.map("$(xargs)", |text| {
                let text = text.known()?;
                let words: Vec<&str> = text.split_whitespace().collect();
                Some(super::value::Text::literal(format!(
                    "{}\n",
                    words.join(" ")
                )))
            });
            self.emit(&sum);
            return;
        }
        match mark {
            Some(mark) => replace_word(&mut command, &mark, &input),
            None => {
                let fields = input.texts().iter().flat_map(|text| text.fields());
                let fields: Vec<Field> = fields
                    .take(1_000)
                    .map(|text| Field {
                        value: Value::of(vec![text]),
                        span,
                    })
                    .collect();
                if fields.is_empty() {
                    command.push(Field {
                        value: Value::unknown("$(xargs)"),
                        span,
                    });
                }
                command.extend(fields);
            }
        }
        let outer = std::mem::take(&mut self.stdin);
        self.run(&command, span);
        self.stdin = outer;
    }

    fn find(&mut self, words: &[Field], span: Span) {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if !matches!(word.known(), Some("-exec" | "-execdir" | "-ok" | "-okdir")) {
                continue;
            }
            let mut command: Vec<Field> = Vec::new();
            for word in words.by_ref() {
                match word.known() {
                    Some(";") => break,
                    Some("+")
                        if command
                            .last()
                            .is_some_and(|last| last.known() == Some("{}")) =>
                    {
                        break;
                    }
                    _ => command.push(word.clone()),
                }
            }
            replace_word(&mut command, "{}", &Value::unknown("$(find)"));
            self.run(&command, span);
        }
        self.emit(&Value::unknown("$(find)"));
    }
}

/// Puts `with` where a word is `mark`.
fn replace_word(command: &mut [Field], mark: &str, with: &Value) {
    for field in command {
        if field.known() == Some(mark) {
            field.value = with.clone();
        } else if field.known().is_some_and(|word| word.contains(mark)) {
            field.value = Value::hole(field.shown().replace(mark, &with.shown()), with.kind());
        }
    }
}
