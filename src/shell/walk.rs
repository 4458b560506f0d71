//! Walks the tree in the order in which a shell would, with what is known of variables and files.

use std::{cell::OnceCell, collections::HashMap, rc::Rc};

use super::{
    Budget, Check, CheckKind, Dialect, Fetch, MAX_FOUND, MAX_TEXT, Reading, Span, Step, Unclear,
    Weak, Weakness, check,
    options::Field,
    parse::{self, Origin},
    pattern,
    syntax::{
        AndOr, Arm, Assign, Command, Joint, Kind, Pipeline, Redirect, RedirectKind, Script, Word,
    },
    tools,
    value::{HoleKind, Value},
};

/// How much work one step may take, in letters and commands.
const FUEL: u64 = 1_000_000;
/// What a command costs, besides its letters.
const COMMAND: usize = 10;
/// How deep commands may be within each other, functions and texts that are run included.
const MAX_DEPTH: usize = 60;
/// How many rounds of a loop are walked one by one.
const MAX_ROUNDS: usize = 64;

/// What becomes of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    /// Whether it succeeds, where that can be told.
    pub ok: Option<bool>,
    /// Nothing behind it runs: `exit`, `exec`.
    pub stops: bool,
    /// It only asks: that it fails is no surprise.
    pub asks: bool,
}

impl Done {
    pub const MAYBE: Self = Self {
        ok: None,
        stops: false,
        asks: false,
    };
    pub const ASKED: Self = Self {
        ok: None,
        stops: false,
        asks: true,
    };

    pub fn known(ok: bool) -> Self {
        Self {
            ok: Some(ok),
            stops: false,
            asks: true,
        }
    }
}

/// What the shell knows at a point.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub vars: HashMap<String, Value>,
    /// `$1`, `$2`, ...; `None` where they are not known.
    pub positional: Option<Vec<Value>>,
    /// Files that the step wrote, by their last name.
    pub files: HashMap<String, Value>,
    /// What was printed since it was last taken.
    pub out: Value,
}

/// A walk over a step.
pub(super) struct Walker<'a> {
    pub step: Step<'a>,
    pub dialect: Dialect,
    pub state: State,
    pub stdin: Value,
    pub functions: HashMap<String, Rc<Command>>,
    pub found: Reading,
    /// Fingerprints that the step names to gpg.
    pub fingerprints: Vec<String>,
    /// Keys came from the network, by something else than a fingerprint.
    pub keys_fetched: bool,
    /// Programs that would be run although they were downloaded: span, name, whether a pipe does it.
    pub runs: Vec<(Span, String)>,
    /// Weak options that do not matter if all files of that name are checked.
    pub weak_files: Vec<(Weakness, Vec<String>)>,
    /// Commits that are checked out.
    pub commits: Vec<Span>,
    fuel: u64,
    depth: usize,
    exhausted: bool,
}

/// Reads a step.
pub(super) fn step(step: &Step<'_>, budget: &mut Budget) -> Reading {
    let fuel = FUEL.min(budget.0);
    let mut walker = Walker::new(*step, fuel);
    walker.start();
    budget.0 = budget.0.saturating_sub(fuel.saturating_sub(walker.fuel));
    check::finish(walker)
}

impl<'a> Walker<'a> {
    fn new(step: Step<'a>, fuel: u64) -> Self {
        let vars = step
            .variables
            .iter()
            .map(|(name, value)| (name.clone(), Value::literal(value.as_str())))
            .collect();
        Self {
            step,
            dialect: Dialect::Sh,
            state: State {
                vars,
                ..State::default()
            },
            stdin: Value::default(),
            functions: HashMap::new(),
            found: Reading::default(),
            fingerprints: Vec::new(),
            keys_fetched: false,
            runs: Vec::new(),
            weak_files: Vec::new(),
            commits: Vec::new(),
            fuel,
            depth: 0,
            exhausted: false,
        }
    }

    fn start(&mut self) {
        let argv = self.step.argv;
        if let Some(script) = self.step.script {
            let line = script.lines().next().unwrap_or_default();
            let mut words = line.trim_start_matches("#!").split_whitespace();
            let mut name = words.next().unwrap_or_default();
            if tools::base_name(name) == "env" {
                name = words
                    .find(|word| !word.starts_with('-'))
                    .unwrap_or_default();
            }
            let whole = Span {
                start: 0,
                end: script.len(),
            };
            match Dialect::of(name) {
                Some(dialect) => self.text(script, dialect, Origin::At(0)),
                None => {
                    let name = tools::base_name(name);
                    self.unclear(
                        whole,
                        format!("it is a script for `{name}`, which is not read"),
                    );
                }
            }
            return;
        }
        let Some((text, before)) = argv.split_last() else {
            return;
        };
        let whole = Span {
            start: 0,
            end: text.len(),
        };
        // A shell form, or an exec form that does the same.
        if let [shell, options @ ..] = before
            && options.last().is_some_and(|option| {
                option.starts_with('-') && !option.starts_with("--") && option.ends_with('c')
            })
            && let Some(dialect) = Dialect::of(shell)
        {
            self.text(text, dialect, Origin::At(0));
            return;
        }
        if let [shell, ..] = before
            && tools::is_foreign_shell(shell)
        {
            let name = tools::base_name(shell);
            self.unclear(
                whole,
                format!("it is a text for `{name}`, which is not read"),
            );
            return;
        }
        // The words of an exec form stand in no text of their own.
        let fields: Vec<Field> = argv
            .iter()
            .map(|word| Field {
                value: Value::literal(word.as_str()),
                span: whole,
            })
            .collect();
        self.run(&fields, whole);
    }

    /// Reads and walks a text.
    pub fn text(&mut self, text: &str, dialect: Dialect, origin: Origin) {
        let end = text
            .char_indices()
            .map(|(at, c)| at.saturating_add(c.len_utf8()))
            .take_while(|end| *end <= MAX_TEXT)
            .last()
            .unwrap_or(0);
        let (text, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        self.spend(text.len());
        let parsed = parse::parse(text, dialect, origin);
        let outer = std::mem::replace(&mut self.dialect, dialect);
        self.script(&parsed.script);
        self.dialect = outer;
        if let Some(span) = parsed.unread {
            self.unclear(span, "this is no shell text that can be read");
        }
        if !rest.is_empty() {
            let span = match origin {
                Origin::At(at) => Span {
                    start: at.saturating_add(end),
                    end: at.saturating_add(end).saturating_add(rest.len()),
                },
                Origin::In(span) => span,
            };
            self.unclear(span, "the text is too long to be read");
        }
    }

    pub fn spend(&mut self, work: usize) {
        let work = u64::try_from(work).unwrap_or(u64::MAX);
        self.fuel = self.fuel.saturating_sub(work);
    }

    /// Whether to give up; then the rest is unclear.
    fn tired(&mut self, span: Span) -> bool {
        let tired = self.fuel == 0 || self.depth >= MAX_DEPTH;
        if tired && !self.exhausted {
            self.exhausted = true;
            self.unclear(span, "from here on there is too much to read");
        }
        tired
    }

    pub fn unclear(&mut self, span: Span, why: impl Into<String>) {
        let unclear = Unclear {
            span,
            why: super::redacted(&why.into()).0,
        };
        let list = &mut self.found.unclear;
        if list.len() < MAX_FOUND && !list.contains(&unclear) {
            list.push(unclear);
        }
    }

    pub fn fetch(&mut self, mut fetch: Fetch) {
        fetch.what.redact();
        fetch.saved = fetch.saved.map(|name| super::redacted(&name).0);
        self.spend(self.found.fetches.len());
        if self.found.fetches.len() >= MAX_FOUND {
            self.unclear(
                fetch.span,
                "the step downloads too many things to list them",
            );
        } else if !self.found.fetches.contains(&fetch) {
            self.found.fetches.push(fetch);
        }
    }

    pub fn check(&mut self, span: Span, kind: CheckKind, file: Option<String>) {
        let check = Check { span, kind, file };
        if self.found.checks.len() < MAX_FOUND && !self.found.checks.contains(&check) {
            self.found.checks.push(check);
        }
    }

    pub fn weak(&mut self, span: Span, kind: Weak, what: impl Into<String>) {
        let weak = Weakness {
            span,
            kind,
            what: super::redacted(&what.into()).0,
        };
        let list = &mut self.found.weaknesses;
        if list.len() < MAX_FOUND && !list.contains(&weak) {
            list.push(weak);
        }
    }

    pub fn lookup(&mut self, name: &str) -> Option<Value> {
        match (name, &self.state.positional) {
            ("@" | "*", Some(words)) => {
                let mut value = Value::default();
                for (index, word) in words.iter().enumerate() {
                    if index > 0 {
                        value = value.then(&Value::literal(" "));
                    }
                    value = value.then(word);
                }
                self.spend(value.length().saturating_add(1));
                Some(value)
            }
            (number, Some(words)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                let index = number.parse::<usize>().ok()?.checked_sub(1)?;
                Some(words.get(index).cloned().unwrap_or_default())
            }
            _ => {
                let value = self.state.vars.get(name).cloned();
                self.spend(value.as_ref().map_or(1, Value::length));
                value
            }
        }
    }

    pub fn assign(&mut self, name: &str, value: Value) {
        self.spend(value.length());
        self.state.vars.insert(name.to_owned(), value);
    }

    /// Prints.
    pub fn emit(&mut self, value: &Value) {
        self.spend(self.state.out.length().saturating_add(value.length()));
        self.state.out = self.state.out.then(value);
    }

    /// What `inner` prints.
    pub fn captured<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> (Value, T) {
        let outer = std::mem::take(&mut self.state.out);
        let done = inner(self);
        let value = std::mem::replace(&mut self.state.out, outer);
        (value, done)
    }

    /// Runs `inner` in a subshell: what it sets is gone behind it, but not the files.
    fn subshell<T>(&mut self, inner: impl FnOnce(&mut Self) -> T) -> T {
        self.spend(self.state.vars.len());
        let vars = self.state.vars.clone();
        let positional = self.state.positional.clone();
        let done = inner(self);
        self.state.vars = vars;
        self.state.positional = positional;
        done
    }

    /// `$( ... )`
    pub fn substitution(&mut self, script: &Script) -> Value {
        let (value, _) = self.captured(|this| this.subshell(|this| this.script(script)));
        let name = value.shown();
        value.map(&name, |text| {
            use super::value::{Piece, Text};
            let mut pieces = text.pieces.clone();
            if let Some(Piece::Text(last)) = pieces.last_mut() {
                last.truncate(last.trim_end_matches('\n').len());
                if last.is_empty() {
                    pieces.pop();
                }
            }
            Some(Text { pieces })
        })
    }

    /// Runs `inner` as what may or may not happen.
    fn maybe(&mut self, inner: impl FnOnce(&mut Self) -> Done) -> Done {
        let before = self.snapshot();
        let done = inner(self);
        if done.stops {
            self.state = before;
        } else {
            self.merge(before);
        }
        Done {
            ok: None,
            stops: false,
            asks: done.asks,
        }
    }

    fn snapshot(&mut self) -> State {
        self.spend(
            self.state
                .vars
                .len()
                .saturating_add(self.state.files.len())
                .saturating_add(self.state.out.length()),
        );
        self.state.clone()
    }

    /// Both this state and `other` are possible.
    fn merge(&mut self, other: State) {
        let own = &mut self.state;
        for (name, value) in &mut own.vars {
            match other.vars.get(name) {
                Some(before) if before == value => {}
                Some(before) => *value = before.or(value),
                None => *value = Value::unknown(format!("${{{name}}}")).or(value),
            }
        }
        for (name, value) in other.vars {
            let unset = Value::unknown(format!("${{{name}}}"));
            own.vars.entry(name).or_insert_with(|| unset.or(&value));
        }
        for (name, value) in other.files {
            let merged = match own.files.get(&name) {
                Some(now) => now.or(&value),
                None => value,
            };
            own.files.insert(name, merged);
        }
        own.out = other.out.or(&own.out);
    }

    pub fn script(&mut self, script: &Script) -> Done {
        let mut done = Done::known(true);
        for item in &script.items {
            done = self.and_or(item);
            if done.stops {
                break;
            }
        }
        done
    }

    fn and_or(&mut self, item: &AndOr) -> Done {
        let mut done = Done::known(true);
        for (index, (joint, pipeline)) in item.pipelines.iter().enumerate() {
            if done.stops {
                break;
            }
            if index == 0 {
                done = self.pipeline(pipeline);
                continue;
            }
            done = match (joint, done.ok) {
                (Joint::And, Some(false)) | (Joint::Or, Some(true)) => done,
                (Joint::And, Some(true)) | (Joint::Or, Some(false)) => self.pipeline(pipeline),
                // The step ends where something fails, unless that is what is asked.
                (Joint::And, None) if !done.asks => self.pipeline(pipeline),
                (_, None) => self.maybe(|this| this.pipeline(pipeline)),
            };
        }
        done
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Done {
        let mut done = match pipeline.commands.as_slice() {
            [one] => self.command(one),
            several => {
                let outer = std::mem::take(&mut self.stdin);
                let last = several.len().saturating_sub(1);
                let mut done = Done::MAYBE;
                for (index, command) in several.iter().enumerate() {
                    if index == 0 {
                        self.stdin = outer.clone();
                    }
                    let (out, ended) =
                        self.captured(|this| this.subshell(|this| this.command(command)));
                    done = Done {
                        stops: false,
                        ..ended
                    };
                    if index == last {
                        self.emit(&out);
                    } else {
                        self.stdin = out;
                    }
                }
                self.stdin = outer;
                done
            }
        };
        if pipeline.negated {
            done.ok = done.ok.map(|ok| !ok);
        }
        done
    }

    /// Runs `inner` one level deeper, unless that is too deep.
    pub fn deeper(&mut self, span: Span, inner: impl FnOnce(&mut Self) -> Done) -> Done {
        self.spend(COMMAND);
        if self.tired(span) {
            return Done::MAYBE;
        }
        self.depth = self.depth.saturating_add(1);
        let done = inner(self);
        self.depth = self.depth.saturating_sub(1);
        done
    }

    pub fn command(&mut self, command: &Command) -> Done {
        self.deeper(command.span, |this| this.redirected(command))
    }

    fn redirected(&mut self, command: &Command) -> Done {
        let outer = self.stdin.clone();
        let mut output = None;
        let mut silent = false;
        for redirect in &command.redirects {
            self.redirect(redirect, &mut output, &mut silent);
        }
        let done = match output {
            None if silent => self.captured(|this| this.kind(command)).1,
            None => self.kind(command),
            Some((name, append)) => {
                let (out, done) = self.captured(|this| this.kind(command));
                if let Some(name) = name {
                    tools::configures(self, &name, &out, command.span);
                    self.write(&name, out, append);
                }
                done
            }
        };
        self.stdin = outer;
        done
    }

    fn redirect(
        &mut self,
        redirect: &Redirect,
        output: &mut Option<(Option<String>, bool)>,
        silent: &mut bool,
    ) {
        let target = match &redirect.kind {
            RedirectKind::Heredoc(_) => Value::default(),
            _ => self.single(&redirect.target),
        };
        match (&redirect.kind, redirect.fd) {
            (RedirectKind::Heredoc(body), None | Some(0)) => {
                let body: &OnceCell<Word> = body;
                self.stdin = match body.get() {
                    Some(word) => self.single(word),
                    None => Value::default(),
                };
            }
            (RedirectKind::Text, None | Some(0)) => {
                self.stdin = target.then(&Value::literal("\n"));
            }
            (RedirectKind::In, None | Some(0)) => self.stdin = self.read_file(&target.shown()),
            (RedirectKind::Out | RedirectKind::Append, None | Some(1)) => {
                let name = target.shown();
                let kept = name != "/dev/null";
                if name != "/dev/stdout" {
                    let append = matches!(redirect.kind, RedirectKind::Append);
                    *output = Some((kept.then_some(name), append));
                }
            }
            (RedirectKind::Other, None | Some(1)) => {
                *silent |= target.known() == Some("2");
            }
            _ => {}
        }
    }

    /// What a file holds, if the step wrote it.
    pub fn read_file(&mut self, name: &str) -> Value {
        if matches!(name, "-" | "/dev/stdin" | "/proc/self/fd/0" | "/dev/fd/0") {
            return self.stdin.clone();
        }
        let base = tools::base_name(name);
        match self.state.files.get(base) {
            Some(value) => value.clone(),
            None => Value::hole(format!("$(cat {name})"), HoleKind::File(base.to_owned())),
        }
    }

    pub fn write(&mut self, name: &str, value: Value, append: bool) {
        self.spend(value.length());
        let base = tools::base_name(name).to_owned();
        let value = match self.state.files.get(&base).filter(|_| append) {
            Some(before) => before.then(&value),
            None => value,
        };
        // What came from the network is known by its file from here on.
        let value = match value.kind() {
            HoleKind::Downloaded(_) => Value::hole(
                format!("$(cat {name})"),
                HoleKind::Downloaded(Some(base.clone())),
            ),
            _ => value,
        };
        self.state.files.insert(base, value);
    }

    fn kind(&mut self, command: &Command) -> Done {
        match &command.kind {
            Kind::Simple { assigns, words } => self.simple(assigns, words, command.span),
            Kind::Group(script) => self.script(script),
            Kind::Subshell(script) => {
                let done = self.subshell(|this| this.script(script));
                Done {
                    // An exit leaves the subshell only; as the last thing it fails.
                    stops: false,
                    ok: if done.stops { None } else { done.ok },
                    ..done
                }
            }
            Kind::If { arms, otherwise } => self.conditional(arms, otherwise.as_ref()),
            Kind::For { name, words, body } => self.loop_over(name, words.as_deref(), body),
            Kind::While { condition, body } => self.maybe(|this| {
                this.script(condition);
                this.script(body);
                Done::MAYBE
            }),
            Kind::Case { subject, arms } => self.case(subject, arms),
            Kind::Function { name, body } => {
                self.functions.insert(name.clone(), Rc::clone(body));
                Done::known(true)
            }
            Kind::Test(words) => {
                let mut fields = Vec::with_capacity(words.len());
                for word in words {
                    // What is not quoted on the right side is a pattern.
                    fields.push(Field {
                        value: self.single(word),
                        span: word.span,
                    });
                }
                self.test(&fields, command.span)
            }
            Kind::Nothing => Done::ASKED,
        }
    }

    fn conditional(&mut self, arms: &[(Script, Script)], otherwise: Option<&Script>) -> Done {
        // The states behind the branches that may be taken.
        let mut ends: Vec<State> = Vec::new();
        let mut sure = false;
        let mut done = Done::MAYBE;
        for (condition, body) in arms {
            let asked = self.script(condition);
            if asked.ok == Some(false) {
                continue;
            }
            let before = self.snapshot();
            done = self.script(body);
            let after = std::mem::replace(&mut self.state, before);
            if !done.stops {
                ends.push(after);
            }
            if asked.ok == Some(true) {
                sure = true;
                break;
            }
        }
        if !sure {
            let mut stops = false;
            if let Some(body) = otherwise {
                let before = self.snapshot();
                stops = self.script(body).stops;
                let after = std::mem::replace(&mut self.state, before);
                if !stops {
                    ends.push(after);
                }
            } else {
                ends.push(self.snapshot());
            }
            done = Done {
                stops: stops && ends.is_empty(),
                ..Done::MAYBE
            };
        }
        self.join_ends(ends, done)
    }

    fn join_ends(&mut self, ends: Vec<State>, done: Done) -> Done {
        let mut ends = ends.into_iter();
        let Some(first) = ends.next() else {
            return Done {
                stops: true,
                ..done
            };
        };
        self.state = first;
        for end in ends {
            self.spend(end.vars.len());
            self.merge(end);
        }
        Done {
            stops: false,
            ..done
        }
    }

    fn loop_over(&mut self, name: &str, words: Option<&[Word]>, body: &Script) -> Done {
        let mut fields: Vec<Value> = Vec::new();
        match words {
            Some(words) => {
                for word in words {
                    fields.extend(self.fields(word).into_iter().map(|field| field.value));
                }
            }
            None => match &self.state.positional {
                Some(words) => fields.extend(words.iter().cloned()),
                None => fields.push(Value::unknown("$@")),
            },
        }
        if fields.len() > MAX_ROUNDS {
            fields = vec![Value::unknown(format!("${{{name}}}"))];
        }
        for value in fields {
            self.assign(name, value);
            let done = self.script(body);
            if done.stops {
                return done;
            }
        }
        Done::MAYBE
    }

    fn case(&mut self, subject: &Word, arms: &[Arm]) -> Done {
        let subject = self.single(subject);
        let mut ends: Vec<State> = Vec::new();
        // The texts that no arm took for sure yet.
        let mut open = subject.into_texts();
        let mut falling = false;
        for arm in arms {
            let mut taken = falling;
            for pattern in &arm.patterns {
                let globs = self.pattern(pattern);
                self.spend(open.len().saturating_add(1));
                open.retain(|text| {
                    let fits = globs
                        .as_ref()
                        .and_then(|globs| pattern::may_match(globs, text));
                    taken |= fits != Some(false);
                    fits != Some(true)
                });
            }
            if !taken {
                continue;
            }
            falling = arm.falls;
            let before = self.snapshot();
            let done = self.script(&arm.body);
            let after = std::mem::replace(&mut self.state, before);
            if !done.stops {
                ends.push(after);
            }
            if open.is_empty() && !falling {
                break;
            }
        }
        if !open.is_empty() {
            ends.push(self.snapshot());
        }
        self.join_ends(ends, Done::MAYBE)
    }

    fn simple(&mut self, assigns: &[Assign], words: &[Word], span: Span) -> Done {
        let mut fields = Vec::new();
        for word in words {
            fields.extend(self.fields(word));
        }
        let mut before = Vec::new();
        let name = fields.first().and_then(Field::known).unwrap_or_default();
        let declares = matches!(
            name,
            "export" | "declare" | "local" | "readonly" | "typeset"
        );
        let special = matches!(
            name,
            "set" | ":" | "eval" | "." | "exec" | "unset" | "shift"
        );
        let stays = fields.is_empty() || declares || special && self.dialect == Dialect::Sh;
        for assign in assigns {
            let mut value = self.single(&assign.value);
            if assign.append
                && let Some(own) = self.lookup(&assign.name)
            {
                value = self.join(&own, &value);
            }
            if !stays {
                before.push((
                    assign.name.clone(),
                    self.state.vars.get(&assign.name).cloned(),
                ));
            }
            self.assign(&assign.name, value);
        }
        if declares {
            tools::variables(
                self,
                assigns.iter().map(|assign| assign.name.as_str()),
                span,
            );
        }
        if fields.is_empty() {
            return Done {
                asks: false,
                ..Done::known(true)
            };
        }
        let done = self.run(&fields, span);
        for (name, value) in before {
            match value {
                Some(value) => self.state.vars.insert(name, value),
                None => self.state.vars.remove(&name),
            };
        }
        done
    }

    /// Runs a command by its words: a function, a builtin, one that starts another, or a tool.
    pub fn run(&mut self, fields: &[Field], span: Span) -> Done {
        self.deeper(span, |this| this.dispatch(fields, span))
    }

    fn dispatch(&mut self, fields: &[Field], span: Span) -> Done {
        let Some((first, rest)) = fields.split_first() else {
            return Done::MAYBE;
        };
        let shown = first.shown();
        let Some(name) = tools::command_name(&first.value) else {
            if first.value.downloaded() {
                self.runs.push((span, String::new()));
                self.unclear(span, "it runs what it downloads");
            } else {
                self.unclear(span, format!("which command `{shown}` is cannot be told"));
            }
            self.emit(&Value::unknown(format!("$({shown})")));
            return Done::MAYBE;
        };
        if let Some(body) = self.functions.get(&name).cloned() {
            let words = rest.iter().map(|field| field.value.clone()).collect();
            let outer = self.state.positional.replace(words);
            let done = self.command(&body);
            self.state.positional = outer;
            return Done {
                // `return` is one of the ways to get here.
                stops: done.stops && self.always_exits(&body),
                ..done
            };
        }
        if let Some(done) = self.builtin(&name, rest, span) {
            return done;
        }
        if let Some(done) = self.wrapper(&name, rest, span) {
            return done;
        }
        tools::run(self, &name, first, rest, span)
    }

    /// Whether a function ends the shell: its last command is `exit`.
    fn always_exits(&self, body: &Command) -> bool {
        let (Kind::Group(script) | Kind::Subshell(script)) = &body.kind else {
            return false;
        };
        script
            .items
            .last()
            .and_then(|item| item.pipelines.last())
            .and_then(|(_, pipeline)| pipeline.commands.last())
            .is_some_and(|command| match &command.kind {
                Kind::Simple { words, .. } => words.first().and_then(Word::bare) == Some("exit"),
                _ => false,
            })
    }
}
