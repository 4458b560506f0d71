//! The stages of a build while it is planned, and the graph of what they load.

use std::{collections::HashMap, rc::Rc};

use super::{
    env::Scope,
    plan::{Base, Origin, Place, Trigger},
    platform::Platform,
};
use crate::dockerfile::{
    Dockerfile, Instruction, Span,
    command::{CommandKind, Stage},
};

/// Index of a [`State`].
pub(super) type StateId = usize;
/// Index of a vertex of the [`Graph`].
pub(super) type Vertex = usize;

/// What an LLB vertex stands for, as far as a plan is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A fetch, by its index.
    Fetch(usize),
    /// The build context.
    Context,
    /// A RUN, by its index.
    Run(usize),
    /// Files put together.
    Files,
}

/// The LLB in outline: what each result is made of.
#[derive(Debug, Default)]
pub(super) struct Graph {
    vertices: Vec<(Kind, Vec<Vertex>)>,
}

impl Graph {
    pub(super) fn add(
        &mut self,
        kind: Kind,
        inputs: impl IntoIterator<Item = Option<Vertex>>,
    ) -> Vertex {
        self.vertices
            .push((kind, inputs.into_iter().flatten().collect()));
        self.vertices.len() - 1
    }

    /// Everything that `from` is made of.
    pub(super) fn reachable(&self, from: Option<Vertex>) -> Vec<Kind> {
        let mut seen = vec![false; self.vertices.len()];
        let mut found = Vec::new();
        let mut open: Vec<Vertex> = from.into_iter().collect();
        while let Some(vertex) = open.pop() {
            let (Some(seen), Some((kind, inputs))) =
                (seen.get_mut(vertex), self.vertices.get(vertex))
            else {
                continue;
            };
            if !std::mem::replace(seen, true) {
                found.push(*kind);
                open.extend(inputs);
            }
        }
        found
    }
}

/// What a stage takes from the image it is built upon, and changes.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub os: Rc<str>,
    pub shell: Rc<[String]>,
    pub working_dir: Rc<str>,
}

/// An instruction to carry out.
#[derive(Clone, Debug)]
pub(super) struct Step<'a> {
    pub what: What<'a>,
    /// The stages it takes files from: of COPY one or none, of RUN one for each mount.
    pub sources: Vec<StateId>,
}

#[derive(Clone, Debug)]
pub(super) enum What<'a> {
    /// An instruction of the file: which of its stage.
    Own {
        stage: &'a Stage<'a>,
        command: usize,
    },
    /// A trigger.
    Trigger(Rc<Triggered>),
}

/// An ONBUILD trigger that a stage runs.
#[derive(Debug)]
pub(super) struct Triggered {
    /// The trigger as a file of its own.
    pub file: Dockerfile<'static>,
    pub text: String,
    /// The image that carries it.
    pub base: Option<Base>,
    /// Where it comes from: the ONBUILD instruction of this file, or the FROM that brings it in.
    pub index: usize,
}

/// Where an instruction's bytes are in the file.
pub(super) struct Site<'a> {
    pub file: &'a Dockerfile<'a>,
    pub index: usize,
    pub trigger: Option<&'a Triggered>,
}

impl Site<'_> {
    /// The bytes of the original file for bytes of the instruction's file. `None` in a trigger of a base image.
    pub(super) fn span(&self, span: Span) -> Option<Span> {
        let Some(trigger) = self.trigger else {
            return Some(span);
        };
        if trigger.base.is_some() {
            return None;
        }
        let onbuild = self.file.instruction(self.index)?;
        let start = onbuild.trigger_start();
        let len = onbuild.text().len().checked_sub(start)?;
        // Behind its first line a trigger holds heredocs, which nothing points into.
        if span.end > len {
            return None;
        }
        let first = onbuild.file_offset(start + span.start);
        let last = if span.end > span.start {
            onbuild.file_offset(start + span.end - 1) + 1
        } else {
            first
        };
        Some(Span {
            start: first,
            end: last,
        })
    }

    pub(super) fn place(&self, span: Span) -> Place {
        let lines = self
            .file
            .instruction(self.index)
            .map_or((0, 0), |instruction| instruction.lines());
        let whole = self
            .file
            .instruction(self.index)
            .map_or_else(Span::default, |instruction| instruction.span());
        Place {
            instruction: self.index,
            lines,
            span: self.span(span).unwrap_or(whole),
            trigger: self.trigger.map(|trigger| Trigger {
                text: trigger.text.clone(),
                base: trigger.base.clone(),
            }),
        }
    }
}

/// Why a state exists that is no stage of the file.
#[derive(Clone, Debug)]
pub(super) struct Implicit {
    pub origin: Origin,
    pub place: Place,
    /// Where a digest goes.
    pub digest_at: Option<usize>,
}

/// A stage, or an image that a COPY or mount names (`dispatchState`).
#[derive(Debug)]
pub(super) struct State<'a> {
    pub stage: Option<&'a Stage<'a>>,
    pub implicit: Option<Implicit>,
    /// The expanded base; once resolved, the normalised reference.
    pub base_name: String,
    /// For messages: the name or `stage-N`.
    pub display: String,
    pub platform: Option<Platform>,
    /// The stage's name is that of a named context: its key.
    pub context: Option<String>,
    pub base: Option<StateId>,
    pub deps: Vec<StateId>,
    pub steps: Vec<Step<'a>>,
    pub resolved: bool,
    pub dispatched: bool,
    /// Its instructions were carried out.
    pub carried_out: bool,
    pub onbuild_taken: bool,
    /// Triggers of the image that are still to be taken.
    pub onbuild: Vec<String>,
    /// The image they come from.
    pub onbuild_base: Option<Base>,
    pub vertex: Option<Vertex>,
    pub dir: String,
    pub image: Image,
    pub scope: Scope,
}

/// All states (`dispatchStates`).
#[derive(Debug, Default)]
pub(super) struct States<'a> {
    pub list: Vec<State<'a>>,
    by_name: HashMap<String, StateId>,
}

impl<'a> States<'a> {
    pub(super) fn add(&mut self, mut state: State<'a>) -> StateId {
        let id = self.list.len();
        state.base = self.by_name.get(&state.base_name).copied();
        if let Some(stage) = state.stage
            && !stage.name.is_empty()
        {
            self.by_name.insert(stage.name.clone().into_owned(), id);
        }
        self.list.push(state);
        id
    }

    pub(super) fn by_name(&self, name: &str) -> Option<StateId> {
        self.by_name
            .get(&crate::dockerfile::text::lower(name))
            .copied()
    }

    pub(super) fn get(&self, id: StateId) -> Option<&State<'a>> {
        self.list.get(id)
    }

    pub(super) fn get_mut(&mut self, id: StateId) -> Option<&mut State<'a>> {
        self.list.get_mut(id)
    }

    /// `allReachableStages`: `target`, its bases and what they copy from, as flags by index.
    pub(super) fn reachable(&self, target: StateId) -> Vec<bool> {
        let mut seen = vec![false; self.list.len()];
        let mut open = vec![target];
        while let Some(id) = open.pop() {
            let (Some(seen), Some(state)) = (seen.get_mut(id), self.list.get(id)) else {
                continue;
            };
            if !std::mem::replace(seen, true) {
                open.extend(state.base);
                open.extend(&state.deps);
            }
        }
        seen
    }

    /// `validateCircularDependency`: a state that takes files from itself, by way of others.
    pub(super) fn circle(&self) -> Option<StateId> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.list.len()];
        for root in 0..self.list.len() {
            // Each entry: a state and how many of its dependencies were looked at.
            let mut path = vec![(root, 0)];
            if marks.get(root) != Some(&Mark::New) {
                continue;
            }
            while let Some((id, next)) = path.pop() {
                if let Some(mark) = marks.get_mut(id) {
                    *mark = Mark::Open;
                }
                match self.list.get(id).and_then(|state| state.deps.get(next)) {
                    None => {
                        if let Some(mark) = marks.get_mut(id) {
                            *mark = Mark::Done;
                        }
                    }
                    Some(&dep) => {
                        path.push((id, next + 1));
                        match marks.get(dep) {
                            Some(Mark::Open) => return Some(dep),
                            Some(Mark::New) => path.push((dep, 0)),
                            _ => {}
                        }
                    }
                }
            }
        }
        None
    }
}

/// An instruction with its meaning, wherever it stands.
pub(super) struct Task<'a> {
    pub instruction: Instruction<'a>,
    pub kind: &'a CommandKind<'a>,
    pub site: Site<'a>,
    pub sources: &'a [StateId],
}
