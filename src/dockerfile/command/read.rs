//! From an instruction's words and flags to what it says, and where BuildKit refuses it.

use std::borrow::Cow;

use super::{
    Add, Command, CommandKind, CommandLine, Copy, CopyFlags, Declarations, Healthcheck, Mount,
    Pairs, Run, RunFlags, Sources, Stage, Stages, Statement, Words, announced, csv,
    flags::{self, Given, Kind as FlagKind},
    health, parse_bool,
};
use crate::dockerfile::{Dockerfile, Instruction, Keyword, ParseError, ParseErrorKind, Span, text};

impl Dockerfile<'_> {
    /// Reads instruction by instruction, as BuildKit's `instructions.Parse` does. Nothing is kept of them.
    ///
    /// # Errors
    /// Where that refuses: unknown instructions and flags, wrong numbers of words, values that are none. What comes
    /// behind a refusal counts for nothing.
    pub fn statements(&self) -> impl Iterator<Item = Result<Statement<'_>, ParseError>> {
        let mut in_stage = false;
        self.instructions()
            .enumerate()
            .map(move |(index, instruction)| {
                let keyword = instruction.kind();
                if keyword == Keyword::From {
                    in_stage = true;
                    return stage(index, instruction).map(Statement::From);
                }
                let kind = instruction.command()?;
                if !in_stage && keyword != Keyword::Arg {
                    let keyword = text::lossy(instruction.keyword()).into_owned();
                    return Err(refuse(instruction, ParseErrorKind::NoStage(keyword)));
                }
                Ok(Statement::Command(Command {
                    index,
                    instruction,
                    kind,
                }))
            })
    }

    /// Reads every instruction and sorts them into stages.
    ///
    /// # Errors
    /// The same.
    pub fn stages(&self) -> Result<Stages<'_>, ParseError> {
        let mut result = Stages {
            args: Vec::new(),
            stages: Vec::new(),
        };
        for statement in self.statements() {
            match (statement?, result.stages.last_mut()) {
                (Statement::From(stage), _) => result.stages.push(stage),
                (Statement::Command(command), Some(stage)) => stage.commands.push(command),
                (Statement::Command(command), None) => result.args.push(command),
            }
        }
        Ok(result)
    }
}

fn refuse(instruction: Instruction<'_>, kind: ParseErrorKind) -> ParseError {
    ParseError {
        span: instruction.span(),
        lines: instruction.lines(),
        kind,
    }
}

/// Adds what a flag of the instruction says. There are no more than it has flags, and room for as many is all it takes.
fn push<T>(list: &mut Vec<T>, item: T, instruction: Instruction<'_>) {
    if list.capacity() == 0 {
        list.reserve_exact(instruction.flags().len());
    }
    list.push(item);
}

fn stage<'d>(index: usize, instruction: Instruction<'d>) -> Result<Stage<'d>, ParseError> {
    let mut words = instruction.word_texts();
    let (base, name) = match (words.next(), words.next(), words.next(), words.next()) {
        (Some(base), None, ..) => (base, Cow::Borrowed("")),
        (Some(base), Some(r#as), Some(written), None) if is_as(r#as) => {
            let mut name = text::lossy(written);
            if !name.bytes().all(is_name_byte) {
                name = Cow::Owned(text::lower(&name));
            }
            let valid = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
                && name.bytes().all(is_name_byte);
            if !valid {
                let span = instruction
                    .words()
                    .nth(2)
                    .map_or(instruction.span(), |word| word.span);
                let kind = ParseErrorKind::StageName(text::lossy(written).into_owned());
                return Err(ParseError {
                    span,
                    lines: instruction.lines(),
                    kind,
                });
            }
            (base, name)
        }
        _ => {
            return Err(refuse(
                instruction,
                ParseErrorKind::Arguments(
                    "FROM",
                    "either one or three arguments (IMAGE [AS NAME])",
                ),
            ));
        }
    };
    let mut platform = None;
    flags::parse(instruction, &[("platform", FlagKind::One)], |_, flag| {
        platform = Some(flag).filter(|flag| !flag.value.is_empty());
    })?;
    Ok(Stage {
        index,
        instruction,
        base,
        name,
        platform,
        commands: Vec::new(),
    })
}

/// What the name of a stage consists of.
fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.')
}

/// `strings.EqualFold(word, "as")`, for which the long s is an s.
fn is_as(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"as") || matches!(word, [b'a' | b'A', 0xc5, 0xbf])
}

impl<'d> Instruction<'d> {
    /// What the instruction says. FROM is no command; it is refused here.
    ///
    /// # Errors
    /// Where BuildKit's `instructions.ParseCommand` refuses it.
    pub fn command(self) -> Result<CommandKind<'d>, ParseError> {
        let keyword = self.kind();
        let name = keyword.name();
        let refuse = |kind| Err(refuse(self, kind));
        let arguments = |expected| refuse(ParseErrorKind::Arguments(name, expected));
        let no_flags = || flags::parse(self, &[], |_, _| {});
        let words = Words { instruction: self };
        Ok(match keyword {
            Keyword::From => return refuse(ParseErrorKind::Trigger("FROM".to_owned())),
            Keyword::Unknown => {
                let written = text::lossy(self.keyword()).into_owned();
                let span = self.keyword_span();
                let kind = ParseErrorKind::UnknownInstruction(written);
                return Err(ParseError {
                    span,
                    lines: self.lines(),
                    kind,
                });
            }
            Keyword::Add => self.add()?,
            Keyword::Copy => self.copy()?,
            Keyword::Run => self.run()?,
            Keyword::Healthcheck => self.healthcheck()?,
            Keyword::Onbuild => self.onbuild()?,
            // ARG and STOPSIGNAL don't look at their flags at all.
            Keyword::Arg => {
                if words.is_empty() {
                    return arguments("at least one argument");
                }
                let declared = Declarations(words);
                let blank =
                    |(name, default): (&[u8], Option<&[u8]>)| name.is_empty() && default.is_some();
                if declared.iter().any(blank) {
                    return refuse(ParseErrorKind::BlankName("ARG"));
                }
                CommandKind::Arg(declared)
            }
            Keyword::Stopsignal => match words.iter().next() {
                Some(signal) => CommandKind::Stopsignal(signal),
                None => return arguments("exactly one argument"),
            },
            Keyword::Env | Keyword::Label => {
                no_flags()?;
                let pairs = Pairs(words);
                if words.len() < 2 {
                    return arguments("at least one argument");
                }
                if pairs.iter().any(|(name, _)| name.is_empty()) {
                    return refuse(ParseErrorKind::BlankName(name));
                }
                if keyword == Keyword::Env {
                    CommandKind::Env(pairs)
                } else {
                    CommandKind::Label(pairs)
                }
            }
            Keyword::Maintainer | Keyword::User | Keyword::Workdir => {
                let Some(word) = words.iter().next() else {
                    return arguments("exactly one argument");
                };
                no_flags()?;
                match keyword {
                    Keyword::Maintainer => CommandKind::Maintainer(word),
                    Keyword::User => CommandKind::User(word),
                    _ => CommandKind::Workdir(word),
                }
            }
            Keyword::Expose | Keyword::Volume | Keyword::Shell if words.is_empty() => {
                return arguments("at least one argument");
            }
            Keyword::Expose => {
                no_flags()?;
                CommandKind::Expose(words)
            }
            Keyword::Volume => {
                no_flags()?;
                if words.iter().any(|volume| text::trim(volume).is_empty()) {
                    return refuse(ParseErrorKind::EmptyVolume);
                }
                CommandKind::Volume(words)
            }
            Keyword::Cmd => {
                no_flags()?;
                CommandKind::Cmd(self.command_line())
            }
            Keyword::Entrypoint => {
                no_flags()?;
                CommandKind::Entrypoint(self.command_line())
            }
            Keyword::Shell => {
                no_flags()?;
                if !self.is_json() {
                    return refuse(ParseErrorKind::ShellForm);
                }
                CommandKind::Shell(words)
            }
        })
    }

    /// `parseShellDependentCommand`.
    fn command_line(self) -> CommandLine<'d> {
        CommandLine {
            words: Words { instruction: self },
            shell: !self.is_json(),
        }
    }

    fn add(self) -> Result<CommandKind<'d>, ParseError> {
        const KNOWN: [(&str, FlagKind); 7] = [
            ("chown", FlagKind::One),
            ("chmod", FlagKind::One),
            ("link", FlagKind::Bool),
            ("keep-git-dir", FlagKind::Bool),
            ("checksum", FlagKind::One),
            ("unpack", FlagKind::Bool),
            ("exclude", FlagKind::Many),
        ];
        self.needs_destination()?;
        let mut add = Box::new(Add {
            sources: self.sources()?,
            chown: None,
            chmod: None,
            checksum: None,
            keep_git_dir: None,
            unpack: None,
            link: false,
            exclude: Vec::new(),
        });
        flags::parse(self, &KNOWN, |name, given| match name {
            "chown" => add.chown = Some(given),
            "chmod" => add.chmod = Some(given),
            "link" => add.link = given.is_true(),
            "keep-git-dir" => add.keep_git_dir = Some(given.is_true()),
            "checksum" => add.checksum = Some(given),
            "unpack" => add.unpack = Some(given.is_true()),
            _ => push(&mut add.exclude, given, self),
        })?;
        Ok(CommandKind::Add(add))
    }

    fn copy(self) -> Result<CommandKind<'d>, ParseError> {
        const KNOWN: [(&str, FlagKind); 6] = [
            ("chown", FlagKind::One),
            ("from", FlagKind::One),
            ("chmod", FlagKind::One),
            ("link", FlagKind::Bool),
            ("exclude", FlagKind::Many),
            ("parents", FlagKind::Bool),
        ];
        self.needs_destination()?;
        let mut flags: Option<Box<CopyFlags<'d>>> = None;
        flags::parse(self, &KNOWN, |name, given| {
            let flags = flags.get_or_insert_default();
            match name {
                "exclude" => push(&mut flags.exclude, given, self),
                "from" => flags.from = Some(given).filter(|from| !from.value.is_empty()),
                "chown" => flags.chown = Some(given),
                "chmod" => flags.chmod = Some(given),
                "link" => flags.link = given.is_true(),
                _ => flags.parents = given.is_true(),
            }
        })?;
        let sources = self.sources()?;
        Ok(CommandKind::Copy(Copy { sources, flags }))
    }

    fn needs_destination(self) -> Result<(), ParseError> {
        if self.word_texts().len() < 2 {
            let kind = ParseErrorKind::Arguments(
                self.kind().name(),
                "at least two arguments, the last is the destination",
            );
            return Err(refuse(self, kind));
        }
        Ok(())
    }

    /// `parseSourcesAndDest`. A word that announces a heredoc is one, even where there is none (then it is empty).
    fn sources(self) -> Result<Sources<'d>, ParseError> {
        let mut texts = self.word_texts();
        if texts.next_back().and_then(announced).is_some() {
            let kind = ParseErrorKind::HeredocDestination(self.kind().name());
            return Err(refuse(self, kind));
        }
        Ok(Sources {
            words: Words { instruction: self },
            inline: texts.any(|word| announced(word).is_some()),
        })
    }

    fn run(self) -> Result<CommandKind<'d>, ParseError> {
        const KNOWN: [(&str, FlagKind); 4] = [
            ("mount", FlagKind::Many),
            ("network", FlagKind::One),
            ("security", FlagKind::One),
            ("device", FlagKind::Many),
        ];
        let mut flags: Option<Box<RunFlags<'d>>> = None;
        let mut devices = Vec::new();
        flags::parse(self, &KNOWN, |name, given| {
            let flags = flags.get_or_insert_default();
            match name {
                "mount" => {
                    let mount = Mount {
                        flag: given,
                        from: None,
                    };
                    push(&mut flags.mounts, mount, self);
                }
                "network" => flags.network = Some(given),
                "security" => flags.security = Some(given),
                _ => push(&mut devices, given, self),
            }
        })?;
        let command = self.command_line();
        if let Some(flags) = &mut flags {
            self.check_run_flags(flags, devices)?;
        }
        Ok(CommandKind::Run(Run { command, flags }))
    }

    fn check_run_flags(
        self,
        flags: &mut RunFlags<'d>,
        devices: Vec<Given<'d>>,
    ) -> Result<(), ParseError> {
        let at = |span: Span, kind| {
            Err(ParseError {
                span,
                lines: self.lines(),
                kind,
            })
        };
        for mount in &mut flags.mounts {
            match first_look_at_mount(&mount.flag.value) {
                Ok(from) => mount.from = from,
                Err(kind) => return at(mount.flag.span, kind),
            }
        }
        for device in devices {
            match device_name(&device.value) {
                Some(name) => flags.devices.push(name),
                None => {
                    return at(
                        device.span,
                        ParseErrorKind::Device(device.value.into_owned()),
                    );
                }
            }
        }
        if let Some(network) = &flags.network
            && !matches!(&*network.value, "default" | "none" | "host")
        {
            return at(
                network.span,
                ParseErrorKind::NetworkMode(network.value.clone().into_owned()),
            );
        }
        if let Some(security) = &flags.security
            && !matches!(&*security.value, "sandbox" | "insecure")
        {
            return at(
                security.span,
                ParseErrorKind::SecurityMode(security.value.clone().into_owned()),
            );
        }
        Ok(())
    }

    fn healthcheck(self) -> Result<CommandKind<'d>, ParseError> {
        let name = "HEALTHCHECK";
        let mut texts = self.word_texts();
        let Some(kind) = texts.next() else {
            return Err(refuse(
                self,
                ParseErrorKind::Arguments(name, "at least one argument"),
            ));
        };
        let kind = text::upper(&text::lossy(kind));
        if kind == "NONE" {
            if texts.len() > 0 {
                return Err(refuse(
                    self,
                    ParseErrorKind::Arguments("HEALTHCHECK NONE", "no arguments"),
                ));
            }
            // Its flags are not looked at.
            return Ok(CommandKind::Healthcheck(Healthcheck::None));
        }
        const KNOWN: [(&str, FlagKind); 5] = [
            ("interval", FlagKind::One),
            ("timeout", FlagKind::One),
            ("start-period", FlagKind::One),
            ("start-interval", FlagKind::One),
            ("retries", FlagKind::One),
        ];
        let mut given = Vec::new();
        flags::parse(self, &KNOWN, |name, flag| given.push((name, flag)))?;
        if kind != "CMD" {
            return Err(refuse(self, ParseErrorKind::HealthcheckType(kind)));
        }
        let command = self.command_line();
        if command.words.is_empty() {
            return Err(refuse(
                self,
                ParseErrorKind::Arguments("HEALTHCHECK CMD", "a command"),
            ));
        }
        for (flag, _) in KNOWN {
            let given = given.iter().find(|(name, _)| *name == flag);
            let Some((_, given)) = given.filter(|(_, given)| !given.value.is_empty()) else {
                continue;
            };
            let (valid, expected) = if flag == "retries" {
                (
                    health::int32(&given.value).is_some_and(|n| n >= 0),
                    "a number",
                )
            } else {
                let least = 1_000_000;
                (
                    health::duration(&given.value).is_some_and(|d| d == 0 || d >= least),
                    "a duration of at least 1ms, for example 30s",
                )
            };
            if !valid {
                let value = given.value.clone().into_owned();
                let kind = ParseErrorKind::HealthcheckValue(flag, value, expected);
                return Err(ParseError {
                    span: given.span,
                    lines: self.lines(),
                    kind,
                });
            }
        }
        Ok(CommandKind::Healthcheck(Healthcheck::Cmd(command)))
    }

    fn onbuild(self) -> Result<CommandKind<'d>, ParseError> {
        let Some(nested) = self.nested() else {
            return Err(refuse(
                self,
                ParseErrorKind::Arguments("ONBUILD", "an instruction"),
            ));
        };
        flags::parse(self, &[], |_, _| {})?;
        let trigger = text::upper(&text::lossy(text::trim(nested.keyword())));
        if matches!(trigger.as_str(), "ONBUILD" | "MAINTAINER" | "FROM") {
            return Err(refuse(self, ParseErrorKind::Trigger(trigger)));
        }
        let mut expression = self
            .text()
            .get(self.trigger_start()..)
            .unwrap_or_default()
            .to_vec();
        for heredoc in self.heredocs() {
            expression.push(b'\n');
            expression.extend_from_slice(heredoc.content);
            expression.extend_from_slice(heredoc.name.as_bytes());
        }
        Ok(CommandKind::Onbuild(expression))
    }

    /// Where in [`text`](Self::text) the trigger of an ONBUILD begins: behind `(?i)^\s*ONBUILD\s*`.
    pub(crate) fn trigger_start(self) -> usize {
        let text = self.text();
        let spaces = |from: usize| {
            text.iter()
                .skip(from)
                .take_while(|byte| text::is_regex_space(**byte))
                .count()
        };
        let keyword = spaces(0);
        match text.get(keyword..keyword + 7) {
            Some(word) if word.eq_ignore_ascii_case(b"onbuild") => {
                keyword + 7 + spaces(keyword + 7)
            }
            _ => 0,
        }
    }
}

/// What BuildKit looks at in a mount before variables are known: that it is CSV, and its `from`.
fn first_look_at_mount(value: &str) -> Result<Option<(String, usize)>, ParseErrorKind> {
    let refuse = || ParseErrorKind::MountCsv(value.to_owned());
    let mut from = None;
    let mut look = |field: &str, end: usize| {
        // What most fields show by their first byte.
        if let Some(b'\0'..=b'E' | b'G'..=b'e' | b'g'..=b'\x7f') | None = field.as_bytes().first() {
            return Ok(());
        }
        let equals = field.bytes().position(|byte| byte == b'=');
        let Some((key, value)) =
            equals.and_then(|at| Some((field.get(..at)?, field.get(at + 1..)?)))
        else {
            return Ok(());
        };
        if !key.eq_ignore_ascii_case("from") && (key.is_ascii() || text::lower(key) != "from") {
            return Ok(());
        }
        if value.find('$').is_some_and(|at| at + 1 != value.len()) {
            return Err(ParseErrorKind::MountFrom(value.to_owned()));
        }
        from = (!value.is_empty()).then(|| (value.to_owned(), end));
        Ok(())
    };
    if value.is_empty() || value.bytes().any(|byte| matches!(byte, b'"' | b'\n')) {
        for field in csv::fields(value).ok_or_else(refuse)? {
            look(&field.text, field.end)?;
        }
    } else {
        // Without quotes the fields are what is between the commas.
        let mut end = 0;
        for field in value.as_bytes().split(|byte| *byte == b',') {
            let start = end;
            end += field.len();
            look(value.get(start..end).unwrap_or_default(), end)?;
            end += 1;
        }
    }
    Ok(from)
}

/// `ParseDevice`: the name, `None` where BuildKit refuses.
fn device_name(value: &str) -> Option<String> {
    let mut name = String::new();
    for field in csv::fields(value)? {
        let (key, value) = match field.text.split_once('=') {
            Some((key, value)) => (text::lower(key), Some(value)),
            None => (text::lower(&field.text), None),
        };
        match (key.as_str(), value) {
            ("required", None) => {}
            ("required", Some(value)) => {
                parse_bool(value)?;
            }
            ("name", Some(value)) if name.is_empty() => value.clone_into(&mut name),
            ("name", Some(_)) => return None,
            _ if name.is_empty() => name = field.text,
            _ => return None,
        }
    }
    Some(name)
}
