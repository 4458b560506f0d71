//! What stages are built upon: bases are resolved, and their ONBUILD triggers taken, until nothing new comes in
//! (BuildKit's `resolveStages`).

use std::rc::Rc;

use super::{
    Base, Edit, Error, ErrorKind, Fetch, ImageConfig, Origin, Source,
    collect::{Builder, SCRATCH, at, nowhere},
    state::{Image, Kind, Site, StateId, Step, Triggered, What},
};
use crate::{
    dockerfile::{
        Dockerfile,
        command::{Command, CommandKind},
        text,
    },
    reference::ImageReference,
};

impl Builder<'_> {
    /// Resolves the bases of all reachable stages, and takes triggers until none brings in anything new
    /// (`resolveStages`). Returns which states are reachable.
    pub(super) fn resolve(&mut self, target: StateId) -> Result<Vec<bool>, Error> {
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
                file: file.into_owned(),
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
}
