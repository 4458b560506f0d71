//! RUN: the command and mounts as they stand in the LLB (BuildKit's `dispatchRun` and `convert_runmount.go`).

use std::collections::BTreeMap;

use super::{
    Error, ErrorKind, MountKind, Network, RunMount, RunStep,
    collect::Builder,
    env::Scope,
    mount, path,
    platform::Platform,
    state::{Image, Kind, Site, State, StateId, Task, Vertex},
};
use crate::dockerfile::{
    Dockerfile, Instruction,
    command::{CommandKind, Given, Run},
    heredoc, text,
};
use crate::shell;

/// The command as BuildKit passes it on.
struct Command {
    argv: Vec<String>,
    script: Option<String>,
    lossless: bool,
}

/// `dispatchRun` up to the arguments.
fn command(
    instruction: Instruction<'_>,
    run: &Run<'_>,
    shell: &[String],
    os: &str,
) -> Result<Command, ErrorKind> {
    let heredocs: Vec<_> = instruction.heredocs().collect();
    let mut script = None;
    let mut words: Vec<Vec<u8>> = run.command.words.iter().map(|word| word.to_vec()).collect();
    if let Some(first) = heredocs.first() {
        let ([line], true) = (words.as_slice(), run.command.shell) else {
            return Err(ErrorKind::RunHeredoc);
        };
        if heredoc::parse(line).ok().flatten().is_some() {
            // Nothing but a heredoc: its text is the script.
            let data = if first.chomp {
                heredoc::chomp(first.content)
            } else {
                first.content.to_vec()
            };
            words = if os != "windows" && data.starts_with(b"#!") {
                script = Some(text::lossy(&data).into_owned());
                vec![path::join(&["/dev/pipes/", first.name]).into_bytes()]
            } else {
                vec![data]
            };
        } else {
            let mut whole = line.clone();
            for heredoc in &heredocs {
                whole.push(b'\n');
                whole.extend_from_slice(heredoc.content);
                whole.extend_from_slice(heredoc.name.as_bytes());
            }
            words = vec![whole];
        }
    }
    let lossless = words.iter().all(|word| std::str::from_utf8(word).is_ok());
    let words = words.iter().map(|word| text::lossy(word).into_owned());
    let argv = if run.command.shell {
        let line = words.collect::<Vec<_>>().join(" ");
        let default: &[&str] = if os == "windows" {
            &["cmd", "/S", "/C"]
        } else {
            &["/bin/sh", "-c"]
        };
        let mut argv: Vec<String> = shell.to_vec();
        if argv.is_empty() {
            argv = default.iter().map(|&word| word.to_owned()).collect();
        }
        argv.push(line);
        argv
    } else {
        words.collect()
    };
    Ok(Command {
        argv,
        script,
        lossless,
    })
}

/// The step as far as the text alone says it.
fn step(instruction: Instruction<'_>, run: &Run<'_>, site: &Site<'_>, stage: &str) -> RunStep {
    let flags = run.flags();
    let span = |flag: &Option<Given<'_>>| flag.as_ref().and_then(|flag| site.span(flag.span));
    RunStep {
        place: site.place(instruction.span()),
        stage: stage.to_owned(),
        reachable: false,
        flags_at: site.span(instruction.keyword_span()).map(|span| span.end),
        network: match flags.network.as_ref().map(|flag| &*flag.value) {
            Some("none") => Network::None,
            Some("host") => Network::Host,
            _ => Network::Default,
        },
        network_flag: span(&flags.network),
        insecure: flags
            .security
            .as_ref()
            .is_some_and(|flag| flag.value == "insecure"),
        security_flag: span(&flags.security),
        mounts: Vec::new(),
        devices: flags.devices.clone(),
        argv: Vec::new(),
        script: None,
        variables: BTreeMap::new(),
    }
}

/// How many variables are kept of one step, and how long each may be: enough for any that a person wrote.
const MAX_VARIABLES: usize = 256;
const MAX_VARIABLE: usize = 4096;

/// The variables of `scope` that `command` names anywhere.
fn variables(scope: &Scope, command: &Command) -> BTreeMap<String, String> {
    let texts = command.argv.iter().chain(&command.script);
    let names = texts.flat_map(|text| {
        text.split(|c: char| c != '_' && !c.is_ascii_alphanumeric())
            .filter(|name| name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()))
    });
    let mut found = BTreeMap::new();
    for name in names.chain(shell::LOOKED_FOR) {
        if found.len() < MAX_VARIABLES
            && !found.contains_key(name)
            && let Some(value) = scope.get(name).filter(|value| value.len() <= MAX_VARIABLE)
        {
            found.insert(name.to_owned(), value.to_owned());
        }
    }
    found
}

/// Adds the RUNs of a stage that is not carried out, with the shell that its own instructions set.
pub(super) fn list_runs(
    file: &Dockerfile,
    state: &State<'_>,
    platform: &Platform,
    runs: &mut Vec<RunStep>,
) {
    let Some(stage) = state.stage else { return };
    let os = state.platform.as_ref().unwrap_or(platform).os.as_str();
    let mut shell: Vec<String> = Vec::new();
    for command in &stage.commands {
        match &command.kind {
            CommandKind::Shell(words) => {
                shell = words
                    .iter()
                    .map(|word| text::lossy(word).into_owned())
                    .collect()
            }
            CommandKind::Run(run) => {
                let site = Site {
                    file,
                    index: command.index,
                    trigger: None,
                };
                let mut found = step(command.instruction, run, &site, &state.display);
                // What cannot be expanded here is left out; nothing of it is going to run.
                let parsed = run.flags().mounts.iter().map(|mount| {
                    mount::parse(&mount.flag.value, |word| Ok::<_, String>(word.to_owned()))
                });
                found.mounts = parsed.flatten().collect();
                if let Ok(parts) = self::command(command.instruction, run, &shell, os) {
                    (found.argv, found.script) = (parts.argv, parts.script);
                }
                runs.push(found);
            }
            _ => {}
        }
    }
}

impl From<String> for ErrorKind {
    fn from(reason: String) -> Self {
        Self::Mount(reason)
    }
}

impl Builder<'_> {
    pub(super) fn run(&mut self, id: StateId, task: &Task<'_>, run: &Run<'_>) -> Result<(), Error> {
        self.run_step(id, task, run)
            .map_err(|kind| self.error(&task.site, task.instruction.span(), kind))
    }

    fn run_step(&mut self, id: StateId, task: &Task<'_>, run: &Run<'_>) -> Result<(), ErrorKind> {
        // Mounts are expanded before anything else happens.
        let mut mounts = Vec::with_capacity(run.flags().mounts.len());
        for given in &run.flags().mounts {
            mounts.push(mount::parse(&given.flag.value, |word| {
                self.expand_in(id, word.as_bytes())
            })?);
        }
        let Some(state) = self.states.get(id) else {
            return Ok(());
        };
        let Image { os, shell, .. } = &state.image;
        let parts = command(task.instruction, run, shell, os)?;
        let known = variables(&state.scope, &parts);
        let mut step = step(task.instruction, run, &task.site, &state.display);
        let dir = state.dir.clone();
        let mut inputs = vec![state.vertex];
        for (index, mount) in mounts.into_iter().enumerate() {
            let source = task.sources.get(index).copied();
            if let Some(vertex) = self.mount_input(&mount, source, &dir)? {
                inputs.push(vertex);
            }
            step.mounts.push(mount);
        }
        parts.argv.iter().try_for_each(|word| self.keep(word))?;
        step.variables = known;
        step.variables
            .values()
            .try_for_each(|value| self.keep(value))?;
        (step.argv, step.script) = (parts.argv, parts.script);
        self.plan.runs.push(step);
        self.lossless.push(parts.lossless);
        let vertex = self.graph.add(Kind::Run(self.plan.runs.len() - 1), inputs);
        if let Some(state) = self.states.get_mut(id) {
            state.vertex = Some(vertex);
        }
        Ok(())
    }

    /// One round of `dispatchRunMounts`: what the mount loads. The outer `None` is no input at all.
    fn mount_input(
        &mut self,
        mount: &RunMount,
        source: Option<StateId>,
        dir: &str,
    ) -> Result<Option<Option<Vertex>>, ErrorKind> {
        let refuse = |reason: &str| Err(ErrorKind::Mount(reason.to_owned()));
        // A cache without `from` starts from scratch, for which a stage may be named.
        let from = (!mount.from.is_empty() || mount.kind == MountKind::Cache)
            .then_some(source)
            .flatten();
        if let Some(state) = from.and_then(|id| self.states.get(id))
            && !state.dispatched
        {
            return Err(ErrorKind::LaterStage(state.display.clone()));
        }
        match mount.kind {
            MountKind::Secret => return Ok(None),
            MountKind::Ssh if !mount.source.is_empty() => {
                return refuse("an ssh mount has no source");
            }
            MountKind::Ssh => return Ok(None),
            _ => {}
        }
        let absolute = path::clean(&mount.target).starts_with('/');
        let target = if absolute {
            mount.target.clone()
        } else {
            path::join(&["/", dir, &mount.target])
        };
        if target == "/" {
            return refuse("a mount cannot be at /; give it a target");
        }
        Ok(match (mount.kind, from) {
            (MountKind::Tmpfs, _) => None,
            (_, Some(id)) => Some(self.states.get(id).and_then(|state| state.vertex)),
            (_, None) => Some(Some(self.build_context())),
        })
    }
}
