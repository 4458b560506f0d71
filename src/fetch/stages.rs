//! The stages of a file, and from which stages and images each takes files (BuildKit's `buildDispatchStates` and
//! `buildStageDependencyGraph`).

use std::rc::Rc;

use super::{
    Error, ErrorKind, Origin,
    collect::{Builder, SCRATCH, at, nowhere},
    env::Scope,
    platform::Platform,
    state::{Image, Implicit, Site, State, StateId, Step, What},
};
use crate::{
    dockerfile::{
        Instruction, Span,
        command::{CommandKind, Mount},
        expand::Unset,
        text,
    },
    reference::ImageReference,
};

impl<'a> Builder<'a> {
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
    pub(super) fn add_stages(&mut self) -> Result<(), Error> {
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
                stage.name.clone().into_owned()
            };
            let context = match &*stage.name {
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
    pub(super) fn add_steps(&mut self) -> Result<(), Error> {
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

    pub(super) fn depend(&mut self, id: StateId, sources: &[StateId]) {
        if let Some(state) = self.states.get_mut(id) {
            state.deps.extend(sources);
        }
    }

    /// The stages and images that an instruction takes files from (`toCommand`).
    pub(super) fn sources(
        &mut self,
        instruction: Instruction<'_>,
        kind: &CommandKind<'_>,
        site: &Site<'_>,
    ) -> Result<Vec<StateId>, Error> {
        let refuse = |kind| self.error(site, instruction.span(), kind);
        match kind {
            CommandKind::Copy(copy) => {
                let Some(from) = &copy.flags().from else {
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
                let mut sources = Vec::with_capacity(run.flags().mounts.len());
                for Mount { flag, from } in &run.flags().mounts {
                    // A mount without `from` is looked up as scratch, for which a stage may be named.
                    let name = from.as_ref().map_or(SCRATCH, |(name, _)| name);
                    let span = match from {
                        Some((name, end)) => instruction.flag_value_span(
                            flag.index,
                            end.saturating_sub(name.len()),
                            *end,
                        ),
                        None => flag.span,
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

    pub(super) fn check_circles(&self) -> Result<(), Error> {
        let Some(state) = self.states.circle().and_then(|id| self.states.get(id)) else {
            return Ok(());
        };
        let kind = ErrorKind::Circle(state.display.clone());
        Err(state.stage.map_or_else(
            || nowhere(kind.clone()),
            |stage| at(stage.instruction, kind.clone()),
        ))
    }
}
