//! From stages to a plan: which stages are built, upon what, and in which order (BuildKit's `dockerfile2llb/convert.go`).

use std::collections::{BTreeSet, HashMap};

use super::{
    Base, Configs, Error, ErrorKind, Fetch, Options, Plan,
    env::{Fuel, Lookup},
    epoch,
    run::list_runs,
    state::{Graph, Kind, Site, StateId, States, Step, Task, Vertex, What},
};
use crate::dockerfile::{
    Dockerfile, Instruction, Span,
    command::{CommandKind, Stages, parse_bool},
    expand::{Lexer, Variables},
    syntax, text,
};

/// Work that one plan may take beyond reading the file, in bytes and states looked at: well under a second.
const MAX_WORK: u64 = 1 << 26;
/// Text that one plan may keep beyond the file: values of variables, triggers.
const MAX_KEPT: u64 = 1 << 26;

pub(super) const SCRATCH: &str = "scratch";
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Plans the build of one target for one platform.
///
/// # Errors
/// Where BuildKit refuses the build, as far as that can be known without fetching anything.
pub fn collect(file: &Dockerfile, options: &Options, configs: &Configs) -> Result<Plan, Error> {
    check_options(file)?;
    let stages = file.stages()?;
    let Some(last) = stages.stages.last() else {
        return Err(nowhere(ErrorKind::NoStages));
    };
    let target = options
        .target
        .as_deref()
        .filter(|target| !target.is_empty());
    let mut builder = Builder {
        file,
        stages: &stages,
        options,
        configs,
        lexer: Lexer::new(file.escape()),
        work: Fuel::new(MAX_WORK),
        kept: Fuel::new(MAX_KEPT + 8 * u64::try_from(file.source().len()).unwrap_or(u64::MAX >> 3)),
        build_args: options
            .build_args
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        globals: default_args(options, target.unwrap_or(&last.name)),
        states: States::default(),
        graph: Graph::default(),
        context: None,
        plan: Plan::default(),
        missing: BTreeSet::new(),
        lossless: Vec::new(),
    };
    builder.global_args()?;
    epoch::resolve(&mut builder)?;
    builder.add_stages()?;
    let target = match target {
        None => builder.states.list.len().saturating_sub(1),
        Some(name) => builder
            .states
            .by_name(name)
            .ok_or_else(|| nowhere(ErrorKind::UnknownTarget(name.to_owned())))?,
    };
    builder.add_steps()?;
    builder.check_circles()?;
    let reachable = builder.resolve(target)?;
    let reached = builder.states.list.iter().zip(&reachable);
    builder.plan.stages = reached
        .filter(|(_, reached)| **reached)
        .filter_map(|(state, _)| Some(state.stage?.name.clone().into_owned()))
        .filter(|name| !name.is_empty())
        .collect();
    builder.dispatch_all(&reachable)?;
    builder.finish(target)
}

/// An error that is nowhere in the file.
pub(super) fn nowhere(kind: ErrorKind) -> Error {
    Error {
        span: Span::default(),
        lines: (0, 0),
        trigger: None,
        kind,
    }
}

pub(super) fn at(instruction: Instruction<'_>, kind: impl Into<ErrorKind>) -> Error {
    Error {
        span: instruction.span(),
        lines: instruction.lines(),
        trigger: None,
        kind: kind.into(),
    }
}

/// `# check=`: `linter.ParseLintOptions` of the value up to its first space.
fn check_options(file: &Dockerfile) -> Result<(), Error> {
    let Some((options, span, line)) = syntax::check_options(file.source()) else {
        return Ok(());
    };
    let refuse = |part: &str| {
        Err(Error {
            span,
            lines: (line, line),
            trigger: None,
            kind: ErrorKind::CheckOption(part.to_owned()),
        })
    };
    if options.trim().is_empty() {
        return Ok(());
    }
    for part in options.splitn(3, ';') {
        let Some((key, value)) = part.split_once('=') else {
            return refuse(part);
        };
        match key.trim() {
            "skip" | "experimental" => {}
            "error" if parse_bool(value.trim()).is_some() => {}
            _ => return refuse(part),
        }
    }
    Ok(())
}

/// The ARGs that are always there (`defaultArgs`).
fn default_args(options: &Options, target: &str) -> HashMap<String, String> {
    let (build, platform) = (&options.build_platform, &options.platform);
    [
        ("BUILDPLATFORM", build.short()),
        ("BUILDOS", build.os.clone()),
        ("BUILDOSVERSION", build.os_version.clone()),
        ("BUILDARCH", build.architecture.clone()),
        ("BUILDVARIANT", build.variant.clone()),
        ("TARGETPLATFORM", platform.to_string()),
        ("TARGETOS", platform.os.clone()),
        ("TARGETOSVERSION", platform.os_version.clone()),
        ("TARGETARCH", platform.architecture.clone()),
        ("TARGETVARIANT", platform.variant.clone()),
        (
            "TARGETSTAGE",
            if target.is_empty() { "default" } else { target }.to_owned(),
        ),
    ]
    .into_iter()
    .map(|(name, value)| {
        (
            name.to_owned(),
            options.build_args.get(name).cloned().unwrap_or(value),
        )
    })
    .collect()
}

/// A plan in the making.
pub(super) struct Builder<'a> {
    pub file: &'a Dockerfile<'a>,
    pub stages: &'a Stages<'a>,
    pub options: &'a Options,
    pub configs: &'a Configs,
    pub lexer: Lexer,
    pub work: Fuel,
    pub kept: Fuel,
    pub build_args: HashMap<String, String>,
    pub globals: HashMap<String, String>,
    pub states: States<'a>,
    pub graph: Graph,
    /// The vertex of the build context, once something uses it.
    pub context: Option<Vertex>,
    pub plan: Plan,
    /// What is in `plan.missing`.
    pub missing: BTreeSet<Base>,
    /// For each RUN of the plan whether its command is UTF-8.
    pub lossless: Vec<bool>,
}

impl<'a> Builder<'a> {
    /// Accounts for text that is kept.
    pub(super) fn keep(&self, text: &str) -> Result<(), ErrorKind> {
        if self.kept.spend(text.len().saturating_add(32)) {
            Ok(())
        } else {
            Err(ErrorKind::TooLarge)
        }
    }

    pub(super) fn spend(&self, work: usize) -> Result<(), Error> {
        if self.work.spend(work) {
            Ok(())
        } else {
            Err(nowhere(ErrorKind::TooLarge))
        }
    }

    pub(super) fn expand(
        &self,
        word: &[u8],
        variables: &dyn Variables,
    ) -> Result<String, ErrorKind> {
        let expanded = self.lexer.expand(word, variables)?;
        if !self.work.spend(expanded.len()) {
            return Err(ErrorKind::TooLarge);
        }
        Ok(expanded.into_owned())
    }

    pub(super) fn expand_global(&self, word: &[u8]) -> Result<String, ErrorKind> {
        self.expand(
            word,
            &Lookup {
                scope: &self.globals,
                fuel: &self.work,
            },
        )
    }

    /// ARGs in front of the first FROM (`buildMetaArgs`).
    fn global_args(&mut self) -> Result<(), Error> {
        for command in &self.stages.args {
            let CommandKind::Arg(declared) = &command.kind else {
                continue;
            };
            for (name, default) in declared.iter() {
                let name = text::lossy(name).into_owned();
                let value = match (self.build_args.get(&name), default) {
                    (Some(given), _) => given.clone(),
                    (None, Some(default)) => self
                        .expand_global(default)
                        .map_err(|kind| at(command.instruction, kind))?,
                    (None, None) => continue,
                };
                self.keep(&value)
                    .map_err(|kind| at(command.instruction, kind))?;
                self.globals.insert(name, value);
            }
        }
        Ok(())
    }

    pub(super) fn add_fetch(&mut self, fetch: Fetch) -> usize {
        self.plan.fetches.push(fetch);
        self.plan.fetches.len() - 1
    }

    pub(super) fn error(&self, site: &Site<'_>, span: Span, kind: ErrorKind) -> Error {
        let place = site.place(span);
        let trigger = place.trigger.map(|trigger| trigger.text);
        Error {
            span: place.span,
            lines: place.lines,
            trigger,
            kind,
        }
    }

    /// `dispatchStages`: carries out the instructions of all reachable stages.
    fn dispatch_all(&mut self, reachable: &[bool]) -> Result<(), Error> {
        for (id, _) in reachable
            .iter()
            .enumerate()
            .filter(|(_, reached)| **reached)
        {
            let Some(state) = self.states.get(id).filter(|state| !state.dispatched) else {
                continue;
            };
            let inherited = state
                .base
                .and_then(|base| self.states.get(base))
                .map(|base| {
                    let scope = base.scope.clone();
                    (
                        base.vertex,
                        base.platform.clone(),
                        base.image.clone(),
                        base.dir.clone(),
                        scope,
                    )
                });
            let Some(state) = self.states.get_mut(id) else {
                continue;
            };
            if let Some((vertex, platform, image, dir, scope)) = inherited {
                (
                    state.vertex,
                    state.platform,
                    state.image,
                    state.dir,
                    state.scope,
                ) = (vertex, platform, image, dir, scope);
            }
            state.dispatched = true;
            state.carried_out = true;
            let platform = state
                .platform
                .get_or_insert_with(|| self.options.platform.clone());
            if !state.scope.image_has("PATH") && platform.os != "windows" {
                state.scope.add_image_entry(&format!("PATH={DEFAULT_PATH}"));
            }
            let os = platform.os.clone();
            let steps = std::mem::take(&mut state.steps);
            let (working_dir, stage) = (state.image.working_dir.clone(), state.stage);
            if !working_dir.is_empty() {
                self.workdir(id, &working_dir, &os).map_err(|kind| {
                    stage.map_or_else(
                        || nowhere(kind.clone()),
                        |s| at(s.instruction, kind.clone()),
                    )
                })?;
            }
            for step in &steps {
                self.step(id, step)?;
            }
            if let Some(state) = self.states.get_mut(id) {
                state.scope.settle();
            }
        }
        Ok(())
    }

    fn step(&mut self, id: StateId, step: &Step<'a>) -> Result<(), Error> {
        match &step.what {
            What::Own { stage, command } => {
                let Some(command) = stage.commands.get(*command) else {
                    return Ok(());
                };
                let site = Site {
                    file: self.file,
                    index: command.index,
                    trigger: None,
                };
                let task = Task {
                    instruction: command.instruction,
                    kind: &command.kind,
                    site,
                    sources: &step.sources,
                };
                self.dispatch(id, &task)
            }
            What::Trigger(triggered) => {
                let Some(instruction) = triggered.file.instruction(0) else {
                    return Ok(());
                };
                let site = Site {
                    file: self.file,
                    index: triggered.index,
                    trigger: Some(triggered),
                };
                let kind = instruction
                    .command()
                    .map_err(|error| self.error(&site, instruction.span(), error.kind.into()))?;
                let task = Task {
                    instruction,
                    kind: &kind,
                    site,
                    sources: &step.sources,
                };
                self.dispatch(id, &task)
            }
        }
    }

    /// Marks what the target's LLB holds, and lists the RUNs of stages that it doesn't reach.
    fn finish(mut self, target: StateId) -> Result<Plan, Error> {
        let state = self.states.get(target);
        self.plan.target = state
            .and_then(|state| state.stage)
            .map(|stage| stage.name.clone().into_owned())
            .unwrap_or_default();
        let vertex = state.and_then(|state| state.vertex);
        for kind in self.graph.reachable(vertex) {
            match kind {
                Kind::Fetch(index) => {
                    if let Some(fetch) = self.plan.fetches.get_mut(index) {
                        fetch.loaded = true;
                    }
                }
                Kind::Run(index) => {
                    if let Some(run) = self.plan.runs.get_mut(index) {
                        run.reachable = true;
                    }
                }
                Kind::Context => self.plan.local_context = true,
                Kind::Files => {}
            }
        }
        for (run, lossless) in self
            .plan
            .runs
            .iter()
            .zip(&self.lossless)
            .filter(|(run, _)| run.reachable)
        {
            let refuse = |kind| Error {
                span: run.place.span,
                lines: run.place.lines,
                trigger: run
                    .place
                    .trigger
                    .as_ref()
                    .map(|trigger| trigger.text.clone()),
                kind,
            };
            if run.argv.is_empty() {
                return Err(refuse(ErrorKind::NoCommand));
            }
            if !lossless {
                return Err(refuse(ErrorKind::NotUtf8));
            }
        }
        for state in self.states.list.iter().filter(|state| !state.carried_out) {
            list_runs(
                self.file,
                state,
                &self.options.platform,
                &mut self.plan.runs,
            );
        }
        Ok(self.plan)
    }
}
