//! What the shell itself does: printing, asking, setting, reading texts as commands.

use super::{
    Dialect, Span, check,
    options::Field,
    parse::Origin,
    value::{HoleKind, Piece, Text, Value},
    walk::{Done, Walker},
};

impl Walker<'_> {
    /// Runs a builtin; `None` if there is none of that name.
    pub fn builtin(&mut self, name: &str, words: &[Field], span: Span) -> Option<Done> {
        let done = match name {
            ":" | "true" => Done::known(true),
            "false" => Done::known(false),
            "echo" => {
                self.echo(words);
                Done::known(true)
            }
            "printf" => {
                self.printf(words);
                Done::known(true)
            }
            "test" => self.test(words, span),
            "[" => {
                let inner = match words.split_last() {
                    Some((last, inner)) if last.known() == Some("]") => inner,
                    _ => words,
                };
                self.test(inner, span)
            }
            "exit" | "return" => Done {
                ok: words.first().and_then(Field::known).map(|code| code == "0"),
                stops: true,
                asks: false,
            },
            "set" => {
                let operands = words.iter().position(|word| word.known() == Some("--"));
                if let Some(at) = operands {
                    let words = words.iter().skip(at.saturating_add(1));
                    self.state.positional = Some(words.map(|word| word.value.clone()).collect());
                }
                Done::known(true)
            }
            "shift" => {
                if let Some(words) = &mut self.state.positional
                    && !words.is_empty()
                {
                    words.remove(0);
                }
                Done::known(true)
            }
            "unset" => {
                for word in words {
                    if let Some(name) = word.known() {
                        self.state.vars.insert(name.to_owned(), Value::default());
                    }
                }
                Done::known(true)
            }
            "export" | "declare" | "local" | "readonly" | "typeset" | "cd" | "pushd" | "popd"
            | "umask" | "ulimit" | "shopt" | "wait" | "break" | "continue" | "alias"
            | "getopts" | "let" | "enable" | "times" | "jobs" | "unalias" | "setopt"
            | "complete" => {
                // A folder that is not there ends the step, nothing else.
                Done {
                    asks: false,
                    ..Done::MAYBE
                }
            }
            "type" | "hash" => Done::ASKED,
            "command"
                if words
                    .first()
                    .is_some_and(|word| matches!(word.known(), Some("-v" | "-V"))) =>
            {
                self.emit(&Value::unknown("$(command -v)"));
                Done::ASKED
            }
            "read" | "mapfile" | "readarray" => {
                let value = Value::hole("$(read)", self.stdin.kind());
                for word in words {
                    if let Some(name) = word.known().filter(|name| super::parse::is_name(name)) {
                        self.assign(name, value.clone());
                    }
                }
                Done::ASKED
            }
            "eval" => {
                let mut text = Value::default();
                for (index, word) in words.iter().enumerate() {
                    if index > 0 {
                        text = self.join(&text, &Value::literal(" "));
                    }
                    text = self.join(&text, &word.value);
                }
                let at = words.first().map_or(span, |word| word.span);
                self.value_as_text(&text, self.dialect, at, span, "eval");
                Done::MAYBE
            }
            "trap" => {
                if let [script, _, ..] = words {
                    self.value_as_text(&script.value, self.dialect, script.span, span, "trap");
                }
                Done::known(true)
            }
            "." | "source" => {
                self.source(words, span);
                Done::MAYBE
            }
            _ => return None,
        };
        Some(done)
    }

    /// Walks a text that is itself a value. What it runs counts as standing at `at`.
    pub fn value_as_text(
        &mut self,
        value: &Value,
        dialect: Dialect,
        at: Span,
        whole: Span,
        name: &str,
    ) {
        if value.downloaded() {
            self.runs.push((whole, String::new()));
            self.unclear(whole, "it runs what it downloads");
            return;
        }
        for text in value.texts() {
            let mut script = String::new();
            let mut holes = Vec::new();
            for piece in &text.pieces {
                match piece {
                    Piece::Text(text) => script.push_str(text),
                    Piece::Hole(hole) => {
                        // A variable of the text it stands in for; quoted, for what it holds is one value.
                        let stand_in = format!("__hole{}", holes.len());
                        script.push_str(&format!("${{{stand_in}}}"));
                        holes.push((stand_in, hole.clone()));
                    }
                }
            }
            if matches!(text.pieces.first(), Some(Piece::Hole(_))) {
                let shown = text.shown();
                self.unclear(
                    whole,
                    format!("`{name}` runs `{shown}`, which cannot be told"),
                );
                continue;
            }
            for (name, hole) in &holes {
                let value = Value::hole(hole.name.clone(), hole.kind.clone());
                self.state.vars.insert(name.clone(), value);
            }
            let done = self.deeper(whole, |this| {
                this.text(&script, dialect, Origin::In(at));
                Done::MAYBE
            });
            debug_assert!(!done.stops);
            for (name, _) in &holes {
                self.state.vars.remove(name);
            }
        }
    }

    fn source(&mut self, words: &[Field], span: Span) {
        let Some(file) = words.first() else { return };
        let shown = file.shown();
        if shown == "/etc/os-release"
            || shown == "/usr/lib/os-release"
            || shown == "/etc/lsb-release"
        {
            for name in [
                "ID",
                "VERSION_ID",
                "VERSION_CODENAME",
                "UBUNTU_CODENAME",
                "ID_LIKE",
                "NAME",
                "DISTRIB_CODENAME",
                "DISTRIB_RELEASE",
            ] {
                self.assign(name, Value::unknown(format!("${{{name}}}")));
            }
            return;
        }
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
            _ if content.texts().iter().all(|text| text.known().is_some()) => {
                self.value_as_text(&content, self.dialect, file.span, span, "source");
            }
            _ => self.unclear(span, format!("it runs the text in `{shown}`")),
        }
    }

    fn echo(&mut self, words: &[Field]) {
        let mut out = Value::default();
        let mut first = true;
        let mut newline = true;
        let mut options = true;
        for word in words {
            if options && let Some("-n" | "-e" | "-ne" | "-en" | "-E") = word.known() {
                newline &= !word.known().is_some_and(|word| word.contains('n'));
                continue;
            }
            options = false;
            if !first {
                out = self.join(&out, &Value::literal(" "));
            }
            first = false;
            out = self.join(&out, &word.value);
        }
        if newline {
            out = self.join(&out, &Value::literal("\n"));
        }
        self.emit(&out);
    }

    /// `printf` with `%s`, `%d`, `%b` and the common escapes; the format is used up to the last word.
    fn printf(&mut self, words: &[Field]) {
        let words = match words.first().and_then(Field::known) {
            Some("--") => words.get(1..).unwrap_or_default(),
            Some("-v") => {
                let name = words.get(1).and_then(Field::known).map(str::to_owned);
                let (value, ()) = self.captured(|this| {
                    this.printf(words.get(2..).unwrap_or_default());
                });
                if let Some(name) = name {
                    self.assign(&name, value);
                }
                return;
            }
            _ => words,
        };
        let Some((format, words)) = words.split_first() else {
            return;
        };
        let mut words = words.iter();
        let mut out = Value::default();
        loop {
            let before = words.len();
            for text in format.value.texts().iter().take(1) {
                for piece in &text.pieces {
                    match piece {
                        Piece::Hole(hole) => {
                            let hole = Value::hole(hole.name.clone(), hole.kind.clone());
                            out = self.join(&out, &hole);
                        }
                        Piece::Text(text) => {
                            let mut literal = String::new();
                            let mut chars = text.chars();
                            while let Some(c) = chars.next() {
                                match c {
                                    '\\' => match chars.next() {
                                        Some('n') => literal.push('\n'),
                                        Some('t') => literal.push('\t'),
                                        Some(other) => literal.push(other),
                                        None => literal.push('\\'),
                                    },
                                    '%' => match chars.find(char::is_ascii_alphabetic) {
                                        Some(_) => {
                                            out = self.join(
                                                &out,
                                                &Value::literal(std::mem::take(&mut literal)),
                                            );
                                            if let Some(word) = words.next() {
                                                out = self.join(&out, &word.value);
                                            }
                                        }
                                        None => literal.push('%'),
                                    },
                                    other => literal.push(other),
                                }
                            }
                            out = self.join(&out, &Value::literal(literal));
                        }
                    }
                }
            }
            self.spend(1);
            if words.len() == 0 || words.len() == before {
                break;
            }
        }
        self.emit(&out);
    }

    /// `test`, `[` and `[[`, as far as the words say it.
    pub fn test(&mut self, words: &[Field], span: Span) -> Done {
        check::compared(self, words, span);
        match truth(words) {
            Some(ok) => Done::known(ok),
            None => Done::ASKED,
        }
    }
}

fn truth(words: &[Field]) -> Option<bool> {
    match words {
        [] => Some(false),
        [not, rest @ ..] if not.known() == Some("!") => truth(rest).map(|truth| !truth),
        [one] => filled(&one.value),
        [op, word] => match op.known()? {
            "-n" => filled(&word.value),
            "-z" => filled(&word.value).map(|filled| !filled),
            _ => None,
        },
        [first, op, second] => {
            let equal = || {
                let (first, second) = (first.known()?, second.known()?);
                // In `[[`, a pattern.
                let pattern = super::pattern::compile(&[(second.to_owned(), false)]);
                Some(first == second || super::pattern::matches(&pattern, first))
            };
            match op.known()? {
                "=" | "==" => equal(),
                "!=" => equal().map(|equal| !equal),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether a value has any letter.
fn filled(value: &Value) -> Option<bool> {
    let each = |text: &Text| match text.known() {
        Some(text) => Some(!text.is_empty()),
        None => (!text.prefix().is_empty() || !text.suffix().is_empty()).then_some(true),
    };
    let mut all = value.texts().iter().map(each);
    let first = all.next().flatten()?;
    all.all(|other| other == Some(first)).then_some(first)
}
