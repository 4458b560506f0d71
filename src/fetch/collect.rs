//! From stages to a plan: which stages are built, upon what, and in which order (BuildKit's `dockerfile2llb/convert.go`).

use std::{
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

use super::{
    Base, Configs, Edit, Error, ErrorKind, Fetch, ImageConfig, Options, Origin, Plan, Source,
    env::{Fuel, Lookup, Scope},
    epoch,
    platform::Platform,
    run::list_runs,
    state::{
        Graph, Image, Implicit, Kind, Site, State, StateId, States, Step, Task, Triggered, Vertex,
        What,
    },
};
use crate::{
    dockerfile::{
        Dockerfile, Instruction, Span,
        command::{Command, CommandKind, Stages, parse_bool},
        expand::{Lexer, Unset, Variables},
        syntax, text,
    },
    reference::ImageReference,
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
    builder.dispatch_all(&reachable)?;
    builder.finish(target)
}

/// An error that is nowhere in the file.
fn nowhere(kind: ErrorKind) -> Error {
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
    pub file: &'a Dockerfile,
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

    fn spend(&self, work: usize) -> Result<(), Error> {
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

    fn new_state(&self, base_name: String, display: String) -> State<'a> {
        State {
            stage: None,
            implicit: None,
            base_name,
            display,
            platform: None,
            context: None,
            base: None,
            deps: Vec::new(),
            steps: Vec::new(),
            resolved: false,
            dispatched: false,
            carried_out: false,
            onbuild_taken: false,
            onbuild: Vec::new(),
            onbuild_base: None,
            vertex: None,
            dir: "/".to_owned(),
            image: Image {
                os: "".into(),
                shell: Rc::from([]),
                working_dir: "".into(),
            },
            scope: Scope::new(),
        }
    }

    /// `buildDispatchStates`.
    fn add_stages(&mut self) -> Result<(), Error> {
        for (index, stage) in self.stages.stages.iter().enumerate() {
            let refuse = |kind| at(stage.instruction, kind);
            let base_name = self.expand_global(stage.base).map_err(refuse)?;
            if base_name.is_empty() {
                return Err(refuse(ErrorKind::BlankBase(
                    text::lossy(stage.base).into_owned(),
                )));
            }
            let platform = match &stage.platform {
                None => None,
                Some(flag) => {
                    let expanded = self.expand_global(flag.value.as_bytes()).map_err(refuse)?;
                    if expanded.is_empty() {
                        return Err(refuse(ErrorKind::BlankPlatform(
                            flag.value.clone().into_owned(),
                        )));
                    }
                    let parsed = Platform::parse(&expanded, &self.options.build_platform);
                    Some(parsed.map_err(|error| refuse(error.into()))?)
                }
            };
            let display = if stage.name.is_empty() {
                format!("stage-{index}")
            } else {
                stage.name.clone()
            };
            let context = match stage.name.as_str() {
                "" => None,
                name => self.named_context(name, platform.as_ref()),
            };
            let replaced = context.is_some();
            let new = self.new_state(base_name, display);
            let id = self.states.add(State {
                stage: Some(stage),
                platform,
                context,
                ..new
            });
            if replaced && let Some(state) = self.states.get_mut(id) {
                state.base = None;
            }
        }
        Ok(())
    }

    /// The key of the named context that stands in for `name` (`dockerui.Client.NamedContext`).
    pub(super) fn named_context(&self, name: &str, platform: Option<&Platform>) -> Option<String> {
        if name.eq_ignore_ascii_case(SCRATCH) || name.eq_ignore_ascii_case("context") {
            return None;
        }
        let familiar = ImageReference::parse(name).ok()?.familiar();
        let name = familiar.strip_suffix(":latest").unwrap_or(&familiar);
        let platform = platform.unwrap_or(&self.options.platform).normalize();
        let exact = format!("{name}::{platform}");
        let contexts = &self.options.named_contexts;
        [exact.as_str(), name]
            .into_iter()
            .find(|key| contexts.contains(*key))
            .map(str::to_owned)
    }

    /// What every stage does, and from which others it takes files (`buildStageDependencyGraph`).
    fn add_steps(&mut self) -> Result<(), Error> {
        for id in 0..self.states.list.len() {
            let Some(stage) = self.states.get(id).and_then(|state| state.stage) else {
                continue;
            };
            let mut steps = Vec::with_capacity(stage.commands.len());
            for (index, command) in stage.commands.iter().enumerate() {
                let site = Site {
                    file: self.file,
                    index: command.index,
                    trigger: None,
                };
                let sources = self.sources(command.instruction, &command.kind, &site)?;
                self.depend(id, &sources);
                steps.push(Step {
                    what: What::Own {
                        stage,
                        command: index,
                    },
                    sources,
                });
            }
            if let Some(state) = self.states.get_mut(id) {
                state.steps = steps;
            }
        }
        Ok(())
    }

    fn depend(&mut self, id: StateId, sources: &[StateId]) {
        if let Some(state) = self.states.get_mut(id) {
            state.deps.extend(sources);
        }
    }

    /// The stages and images that an instruction takes files from (`toCommand`).
    fn sources(
        &mut self,
        instruction: Instruction<'_>,
        kind: &CommandKind<'_>,
        site: &Site<'_>,
    ) -> Result<Vec<StateId>, Error> {
        let refuse = |kind| self.error(site, instruction.span(), kind);
        match kind {
            CommandKind::Copy(copy) => {
                let Some(from) = &copy.from else {
                    return Ok(Vec::new());
                };
                let expanded = self.lexer.expand(from.value.as_bytes(), &Unset);
                if expanded.map_err(|error| refuse(error.into()))? != *from.value {
                    return Err(refuse(ErrorKind::FromExpansion));
                }
                if let Ok(index) = from.value.parse::<i64>() {
                    let id = usize::try_from(index)
                        .ok()
                        .filter(|id| *id < self.states.list.len());
                    return id
                        .map(|id| vec![id])
                        .ok_or_else(|| refuse(ErrorKind::StageIndex(index)));
                }
                if let Some(id) = self.states.by_name(&from.value) {
                    return Ok(vec![id]);
                }
                let value = instruction.flag_value_span(from.index, 0, from.value.len());
                Ok(vec![self.implicit(
                    &from.value,
                    Origin::CopyFrom,
                    site,
                    value,
                )])
            }
            CommandKind::Run(run) => {
                let mut sources = Vec::with_capacity(run.mounts.len());
                for (mount, from) in run.mounts.iter().zip(&run.mount_from) {
                    // A mount without `from` is looked up as scratch, for which a stage may be named.
                    let name = from.as_ref().map_or(SCRATCH, |(name, _)| name);
                    let span = match from {
                        Some((name, end)) => instruction.flag_value_span(
                            mount.index,
                            end.saturating_sub(name.len()),
                            *end,
                        ),
                        None => mount.span,
                    };
                    let id = self.states.by_name(name);
                    sources.push(
                        id.unwrap_or_else(|| self.implicit(name, Origin::MountFrom, site, span)),
                    );
                }
                Ok(sources)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// A state for an image that no stage is named after.
    fn implicit(&mut self, name: &str, origin: Origin, site: &Site<'_>, span: Span) -> StateId {
        let implicit = Implicit {
            origin,
            place: site.place(span),
            digest_at: site.span(span).map(|span| span.end),
        };
        let new = self.new_state(name.to_owned(), name.to_owned());
        self.states.add(State {
            implicit: Some(implicit),
            ..new
        })
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

    fn check_circles(&self) -> Result<(), Error> {
        let Some(state) = self.states.circle().and_then(|id| self.states.get(id)) else {
            return Ok(());
        };
        let kind = ErrorKind::Circle(state.display.clone());
        Err(state.stage.map_or_else(
            || nowhere(kind.clone()),
            |stage| at(stage.instruction, kind.clone()),
        ))
    }

    /// Resolves the bases of all reachable stages, and takes triggers until none brings in anything new
    /// (`resolveStages`). Returns which states are reachable.
    fn resolve(&mut self, target: StateId) -> Result<Vec<bool>, Error> {
        loop {
            // Images whose triggers copy from each other would go round for ever (in BuildKit they do).
            self.spend(
                self.states
                    .list
                    .len()
                    .saturating_mul(64)
                    .saturating_add(1024),
            )?;
            let reachable = self.states.reachable(target);
            for (id, reached) in reachable.iter().enumerate() {
                self.resolve_base(id, *reached)?;
            }
            let mut new = false;
            for (id, _) in reachable
                .iter()
                .enumerate()
                .filter(|(_, reached)| **reached)
            {
                new |= self.take_triggers(id)?;
            }
            if !new {
                return Ok(reachable);
            }
        }
    }

    /// `resolveBaseImage`, as far as it can go without asking anyone.
    fn resolve_base(&mut self, id: StateId, reachable: bool) -> Result<(), Error> {
        let Some(state) = self.states.get(id) else {
            return Ok(());
        };
        let implicit = state.implicit.clone();
        // BuildKit is done with an image when it first sees it named, even by a stage that nothing reaches yet. When a
        // trigger reaches that stage later, the image is loaded as it stands: no context in its place, no configuration.
        let late = implicit.is_some() && state.dispatched && reachable;
        if state.base.is_some() || state.resolved || (state.dispatched && !late) {
            return Ok(());
        }
        let stage = state.stage;
        let context = state.context.clone();
        let written = state.base_name.clone();
        let is_scratch = written == SCRATCH && context.is_none();
        let target = &self.options.platform;
        let platform = state
            .platform
            .clone()
            .filter(|_| !is_scratch)
            .unwrap_or_else(|| target.clone());
        if let Some(state) = self.states.get_mut(id) {
            state.resolved = reachable;
            state.dispatched = state.implicit.is_some();
            if is_scratch {
                state.platform = Some(platform);
                state.image.os = target.os.as_str().into();
                state.image.working_dir = "/".into();
                return Ok(());
            }
        }
        let reference = ImageReference::parse(&written).map_err(|error| {
            let kind = ErrorKind::Reference(written.clone(), error);
            match (stage, &implicit) {
                (Some(stage), _) => at(stage.instruction, kind),
                (None, Some(implicit)) => Error {
                    span: implicit.place.span,
                    lines: implicit.place.lines,
                    trigger: implicit
                        .place
                        .trigger
                        .as_ref()
                        .map(|trigger| trigger.text.clone()),
                    kind,
                },
                (None, None) => nowhere(kind),
            }
        })?;
        let reference = reference.with_default_tag();
        let name = reference.to_string();
        let replaces_stage = context.is_some();
        let source = match context.or_else(|| {
            self.named_context(&name, Some(&platform))
                .filter(|_| reachable && !late)
        }) {
            Some(key) => Source::Context {
                key,
                platform: platform.clone(),
            },
            None => Source::Image {
                reference,
                platform: platform.clone(),
            },
        };
        if let Some(state) = self.states.get_mut(id) {
            state.base_name = name;
            if !(reachable && replaces_stage) {
                state.platform = Some(platform);
            }
        }
        if !reachable {
            return Ok(());
        }
        let base = match &source {
            Source::Context { key, .. } => {
                self.plan.contexts.insert(key.clone());
                Base::Context(key.clone())
            }
            Source::Image {
                reference,
                platform,
            } => Base::Image {
                reference: reference.clone(),
                platform: platform.clone(),
            },
            _ => return Ok(()),
        };
        let (place, origin, digest_at) = match (stage, implicit) {
            (Some(stage), _) => {
                let site = Site {
                    file: self.file,
                    index: stage.index,
                    trigger: None,
                };
                let span = stage
                    .instruction
                    .words()
                    .next()
                    .map_or(stage.instruction.span(), |word| word.span);
                (site.place(span), Origin::From, Some(span.end))
            }
            (None, Some(implicit)) => (implicit.place, implicit.origin, implicit.digest_at),
            (None, None) => return Ok(()),
        };
        let pinned =
            matches!(&source, Source::Image { reference, .. } if reference.digest().is_some());
        let stage_name = self
            .states
            .get(id)
            .map(|state| state.display.clone())
            .unwrap_or_default();
        let fetch = Fetch {
            origin,
            place,
            stage: stage_name,
            expanded: written,
            source,
            edit: digest_at.filter(|_| !pinned).map(|at| Edit::Digest { at }),
            loaded: false,
        };
        let index = self.add_fetch(fetch);
        if late {
            let vertex = self.graph.add(Kind::Fetch(index), []);
            if let Some(state) = self.states.get_mut(id) {
                state.vertex = Some(vertex);
            }
            return Ok(());
        }
        self.configure(id, base, index, stage.is_some(), replaces_stage);
        Ok(())
    }

    pub(super) fn add_fetch(&mut self, fetch: Fetch) -> usize {
        self.plan.fetches.push(fetch);
        self.plan.fetches.len() - 1
    }

    /// Starts a state from the configuration of its image.
    fn configure(
        &mut self,
        id: StateId,
        base: Base,
        fetch: usize,
        is_stage: bool,
        replaces_stage: bool,
    ) {
        let known = self
            .configs
            .known
            .get(&base)
            .or(self.configs.assumed.as_ref());
        if known.is_none() && is_stage && self.missing.insert(base.clone()) {
            self.plan.missing.push(base.clone());
        }
        let unknown = ImageConfig {
            os: self.options.platform.os.clone(),
            ..ImageConfig::default()
        };
        let config = known.unwrap_or(&unknown);
        let vertex = (!config.layerless).then(|| self.graph.add(Kind::Fetch(fetch), []));
        let Some(state) = self.states.get_mut(id) else {
            return;
        };
        state.vertex = vertex;
        state.image = Image {
            os: config.os.as_str().into(),
            shell: config.shell.clone().into(),
            working_dir: config.working_dir.as_str().into(),
        };
        for entry in &config.env {
            state.scope.add_image_entry(entry);
        }
        state.onbuild.clone_from(&config.onbuild);
        state.onbuild_base = Some(base);
        // A context in place of the whole stage: none of its instructions are carried out.
        state.dispatched |= replaces_stage;
    }

    /// `initOnBuildTriggers`; returns whether the triggers bring in stages or images.
    fn take_triggers(&mut self, id: StateId) -> Result<bool, Error> {
        let Some(state) = self.states.get_mut(id) else {
            return Ok(false);
        };
        let mut triggers: Vec<(Vec<u8>, Option<Base>, Option<usize>)> =
            std::mem::take(&mut state.onbuild)
                .into_iter()
                .map(|text| (text.into_bytes(), state.onbuild_base.clone(), None))
                .collect();
        let user = state.stage.map(|stage| stage.index);
        if let (Some(base), false) = (state.base, state.onbuild_taken) {
            state.onbuild_taken = true;
            triggers.clear();
            for step in self
                .states
                .get(base)
                .map(|base| base.steps.as_slice())
                .unwrap_or_default()
            {
                if let What::Own { stage, command } = step.what
                    && let Some(Command {
                        index,
                        kind: CommandKind::Onbuild(text),
                        ..
                    }) = stage.commands.get(command)
                {
                    triggers.push((text.clone(), None, Some(*index)));
                }
            }
        }
        if triggers.is_empty() {
            return Ok(false);
        }
        let mut steps = Vec::with_capacity(triggers.len());
        let mut new = false;
        for (bytes, base, index) in triggers {
            let text = text::lossy(&bytes).into_owned();
            let index = index.or(user).unwrap_or_default();
            let whole = Error {
                trigger: Some(text.clone()),
                ..self.file.instruction(index).map_or_else(
                    || nowhere(ErrorKind::Trigger),
                    |i| at(i, ErrorKind::Trigger),
                )
            };
            let within = |kind: ErrorKind| Error {
                kind,
                ..whole.clone()
            };
            self.keep(&text).map_err(within)?;
            let file = Dockerfile::parse(&bytes).map_err(|error| within(error.kind.into()))?;
            let triggered = Rc::new(Triggered {
                file,
                text,
                base,
                index,
            });
            let instruction = triggered
                .file
                .instruction(0)
                .filter(|_| triggered.file.instructions().len() == 1);
            let instruction = instruction.ok_or_else(|| within(ErrorKind::Trigger))?;
            let kind = instruction
                .command()
                .map_err(|error| within(error.kind.into()))?;
            let site = Site {
                file: self.file,
                index,
                trigger: Some(&triggered),
            };
            let sources = self.sources(instruction, &kind, &site)?;
            new |= !sources.is_empty();
            self.depend(id, &sources);
            steps.push(Step {
                what: What::Trigger(triggered.clone()),
                sources,
            });
        }
        if let Some(state) = self.states.get_mut(id) {
            steps.append(&mut state.steps);
            state.steps = steps;
        }
        Ok(new)
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
            .map(|stage| stage.name.clone())
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
