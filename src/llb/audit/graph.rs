//! The walk over all operations.

use std::collections::BTreeMap;

use crate::{
    digest::Digest,
    llb::{
        audit::{
            Escape, EscapeKind, ExecPolicy, Expected, Lines, MAX_ESCAPES, MAX_SOURCE_DEPTH, Report,
            exec, file, source,
        },
        definition::{Definition, DefinitionError, MAX_VALUES},
        ops::{Kind, Op, Platform, Source, WireDefinition},
        wire::{self, Budget, Problem},
    },
};

/// How many line ranges an operation is shown with.
const MAX_LINES: usize = 8;
/// How much of a text from the graph is shown.
pub(super) const MAX_SHOWN: usize = 200;

pub(super) fn audit(
    definition: &[u8],
    expected: &Expected,
    policy: &dyn ExecPolicy,
) -> Result<Report, Vec<Escape>> {
    let mut walk = Walk {
        expected,
        policy,
        report: Report::default(),
        escapes: Vec::new(),
    };
    walk.definition(definition, 0);
    if walk.escapes.is_empty() {
        Ok(walk.report)
    } else {
        Err(walk.escapes)
    }
}

/// A text from the graph, for a message: shortened, quoted, control characters escaped.
pub(super) fn show(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(MAX_SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

/// What is wrong with one operation, before it is known where that is.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<(EscapeKind, String, String)>);

impl Refusals {
    pub(super) fn add(
        &mut self,
        kind: EscapeKind,
        reason: impl Into<String>,
        next: impl Into<String>,
    ) {
        // Every list of an operation is judged element by element, so that one operation could fill the memory.
        if self.0.len() < MAX_ESCAPES {
            self.0.push((kind, reason.into(), next.into()));
        }
    }

    /// A field or value that no Dockerfile makes.
    pub(super) fn foreign(&mut self, kind: EscapeKind, reason: impl Into<String>) {
        self.add(kind, reason, "no Dockerfile instruction makes this; report which frontend made the build, or remove the input that brings it");
    }
}

/// Which operation, and where it comes from.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) id: &'a Digest,
    pub(super) lines: &'a [Lines],
}

/// How many outputs an operation has; `None` if it was refused as a whole, so that its users are not blamed too.
type Outputs = Option<usize>;

struct Walk<'a> {
    expected: &'a Expected,
    policy: &'a dyn ExecPolicy,
    report: Report,
    escapes: Vec<Escape>,
}

impl Walk<'_> {
    fn full(&self) -> bool {
        self.escapes.len() >= MAX_ESCAPES
    }

    fn escape(&mut self, op: Option<&Digest>, lines: Vec<Lines>, refusals: Refusals) {
        for (kind, reason, next) in refusals.0 {
            if self.full() {
                return;
            }
            self.escapes.push(Escape {
                op: op.cloned(),
                kind,
                reason,
                next,
                lines: lines.clone(),
            });
        }
    }

    /// Judges a definition; `depth` counts the source maps it lies in. Only the outermost one runs and is reported.
    fn definition(&mut self, bytes: &[u8], depth: usize) {
        let definition = match Definition::decode(bytes) {
            Ok(definition) => definition,
            Err(error) => return self.malformed(bytes, &error),
        };
        if depth == 0 {
            self.report.operations = definition.nodes.len();
        }
        let mut outputs: BTreeMap<String, Outputs> = BTreeMap::new();
        let last = definition.nodes.len().saturating_sub(1);
        let mut whole = Refusals::default();
        if definition.nodes.len() < 2 {
            whole.foreign(
                EscapeKind::Terminal,
                "the graph is empty: it has no operation besides the terminal",
            );
        }
        for (index, node) in definition.nodes.iter().enumerate() {
            if self.full() {
                return;
            }
            let id = node.id().to_string();
            let lines = lines(definition.source.as_ref(), &id);
            let mut refusals = Refusals::default();
            inputs(node.op(), &outputs, &mut refusals);
            let made = if index == last {
                terminal(node.op(), &mut refusals);
                Some(0)
            } else {
                self.operation(
                    At {
                        id: node.id(),
                        lines: &lines,
                    },
                    node.op(),
                    depth,
                    &mut refusals,
                )
            };
            if outputs.insert(id, made).is_some() {
                refusals.foreign(
                    EscapeKind::DuplicateOperation,
                    "the same operation is in the graph twice",
                );
            }
            self.escape(Some(node.id()), lines, refusals);
        }
        for key in definition
            .metadata
            .keys()
            .filter(|key| !outputs.contains_key(*key))
        {
            whole.foreign(
                EscapeKind::Metadata,
                format!(
                    "there is metadata for {}, which is no operation of the graph",
                    show(key)
                ),
            );
        }
        self.source_map(&definition, &outputs, depth, &mut whole);
        self.escape(None, Vec::new(), whole);
    }

    fn malformed(&mut self, bytes: &[u8], error: &DefinitionError) {
        let kind = match error.problem() {
            None | Some(Problem::TooLarge) => EscapeKind::TooLarge,
            Some(_) => EscapeKind::Malformed,
        };
        let mut refusals = Refusals::default();
        refusals.add(
            kind,
            format!("the graph cannot be read exactly: {error}"),
            "update verified-dockerfile if this daemon is newer than it; an unknown field is never passed over",
        );
        let (op, lines) = match error {
            DefinitionError::Op { id, .. } => {
                let envelope: Option<WireDefinition> =
                    wire::decode(bytes, &mut Budget::new(MAX_VALUES)).ok();
                let source = envelope.and_then(|envelope| envelope.source);
                (Some(id), lines(source.as_ref(), &id.to_string()))
            }
            _ => (None, Vec::new()),
        };
        self.escape(op, lines, refusals);
    }

    fn operation(&mut self, at: At<'_>, op: &Op, depth: usize, out: &mut Refusals) -> Outputs {
        if let Some(Kind::Source(fetch)) = &op.kind
            && op.inputs.is_empty()
            && self.expected.own.contains(at.id)
        {
            if depth == 0 {
                self.report.sources.push(source::own(at, fetch));
            }
            return Some(1);
        }
        if op
            .constraints
            .as_ref()
            .is_some_and(|constraints| !constraints.filter.is_empty())
        {
            out.foreign(
                EscapeKind::Constraints,
                "the operation asks for a certain worker",
            );
        }
        self.platform(op, out);
        match &op.kind {
            Some(Kind::Source(fetch)) => {
                let seen = source::judge(at, fetch, self.expected, out);
                if depth == 0 {
                    self.report.sources.extend(seen);
                }
                if !op.inputs.is_empty() {
                    out.foreign(EscapeKind::Input, "a source has an input");
                }
                Some(1)
            }
            Some(Kind::Exec(command)) => {
                let (outputs, seen) = exec::judge(
                    at,
                    command,
                    op.inputs.len(),
                    self.expected,
                    self.policy,
                    out,
                );
                if depth == 0 {
                    self.report.execs.push(seen);
                }
                Some(outputs)
            }
            Some(Kind::File(files)) => Some(file::judge(files, op.inputs.len(), out)),
            Some(Kind::Merge(merge)) => {
                let count = i64::try_from(op.inputs.len()).unwrap_or(i64::MAX);
                if merge.inputs.is_empty()
                    || merge
                        .inputs
                        .iter()
                        .any(|input| !(0..count).contains(&input.input))
                {
                    out.foreign(
                        EscapeKind::Merge,
                        "a merge names an input that the operation does not have",
                    );
                }
                Some(1)
            }
            Some(Kind::Build(_)) => {
                out.foreign(EscapeKind::Operation, "a build operation would run a graph read from a file, which cannot be seen before it runs");
                None
            }
            Some(Kind::Diff(_)) => {
                out.foreign(EscapeKind::Operation, "a diff operation");
                None
            }
            Some(Kind::Passthrough(_)) => {
                out.foreign(EscapeKind::Operation, "a passthrough operation");
                None
            }
            None => {
                out.foreign(
                    EscapeKind::Terminal,
                    "an operation that does nothing is not the last one",
                );
                None
            }
        }
    }

    /// Only images and commands depend on their platform.
    fn platform(&self, op: &Op, out: &mut Refusals) {
        let image = match &op.kind {
            Some(Kind::Source(source)) => source::platform_specific(&source.identifier),
            Some(Kind::Exec(_)) => false,
            _ => return,
        };
        match &op.platform {
            None if image => out.foreign(
                EscapeKind::Platform,
                "an image without a platform, so that the daemon would choose one",
            ),
            None => {}
            Some(platform) => {
                let wanted = normal(platform);
                if !self
                    .expected
                    .platforms
                    .iter()
                    .any(|expected| normal(expected) == wanted)
                {
                    out.add(
                        EscapeKind::Platform,
                        format!(
                            "the operation is for {}, which is no platform of this build",
                            show(&platform_text(platform))
                        ),
                        "verify the build for that platform too",
                    );
                }
            }
        }
    }

    fn source_map(
        &mut self,
        definition: &Definition,
        outputs: &BTreeMap<String, Outputs>,
        depth: usize,
        whole: &mut Refusals,
    ) {
        let default = Source::default();
        let source = definition.source.as_ref().unwrap_or(&default);
        for info in &source.infos {
            let expected = self.expected.files.iter();
            match expected
                .clone()
                .find(|file| file.filename == info.filename && file.data == info.data.0)
            {
                Some(_) => {}
                None if expected.clone().any(|file| file.filename == info.filename) => whole.add(
                    EscapeKind::SourceFile,
                    format!(
                        "the graph was made from another {} than the rewritten one",
                        show(&info.filename)
                    ),
                    "report this: the daemon read another file than it was given",
                ),
                None => whole.add(
                    EscapeKind::SourceFile,
                    format!(
                        "the graph was made from {}, which is no file of this build",
                        show(&info.filename)
                    ),
                    "report this: the daemon read another file than it was given",
                ),
            }
            if let Some(nested) = &info.definition {
                if depth < MAX_SOURCE_DEPTH {
                    self.definition(&nested.0, depth.saturating_add(1));
                } else {
                    whole.foreign(
                        EscapeKind::SourceMap,
                        "graphs in source maps of graphs, too deep",
                    );
                }
            }
        }
        let working = definition.nodes.iter().any(|node| {
            matches!(
                node.op().kind,
                Some(Kind::Exec(_) | Kind::File(_) | Kind::Merge(_))
            )
        });
        if depth == 0 && working && source.infos.is_empty() {
            whole.add(
                EscapeKind::SourceFile,
                "the graph does not say which Dockerfile it was made from",
                "report this: the daemon's frontend left out the source map",
            );
        }
        for (key, locations) in &source.locations {
            if !outputs.contains_key(key) {
                whole.foreign(
                    EscapeKind::SourceMap,
                    format!(
                        "there are lines for {}, which is no operation of the graph",
                        show(key)
                    ),
                );
            }
            let known =
                |index: i32| usize::try_from(index).is_ok_and(|index| index < source.infos.len());
            if !locations
                .locations
                .iter()
                .all(|location| known(location.source_index))
            {
                whole.foreign(
                    EscapeKind::SourceMap,
                    "lines of a file that the source map does not have",
                );
            }
        }
    }
}

/// Inputs come from earlier operations, so that there are no cycles; Go writes them in this order.
fn inputs(op: &Op, outputs: &BTreeMap<String, Outputs>, out: &mut Refusals) {
    for input in &op.inputs {
        match outputs.get(&input.digest) {
            None => out.foreign(
                EscapeKind::Input,
                format!(
                    "an input is {}, which is no earlier operation of the graph",
                    show(&input.digest)
                ),
            ),
            Some(None) => {}
            Some(Some(count)) => {
                if !usize::try_from(input.index).is_ok_and(|index| index < *count) {
                    out.foreign(
                        EscapeKind::Input,
                        format!(
                            "an input is output {} of {}, which has {count}",
                            input.index,
                            show(&input.digest)
                        ),
                    );
                }
            }
        }
    }
}

fn terminal(op: &Op, out: &mut Refusals) {
    if op.kind.is_some() {
        out.foreign(EscapeKind::Terminal, "the last operation is not a terminal");
    } else if op.inputs.len() != 1 {
        out.foreign(
            EscapeKind::Terminal,
            format!("the terminal has {} inputs instead of one", op.inputs.len()),
        );
    } else if op.platform.is_some() || op.constraints.is_some() {
        out.foreign(EscapeKind::Terminal, "the terminal has more than its input");
    }
}

fn lines(source: Option<&Source>, id: &str) -> Vec<Lines> {
    let Some(source) = source else {
        return Vec::new();
    };
    let Some(locations) = source.locations.get(id) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for location in &locations.locations {
        let info = usize::try_from(location.source_index)
            .ok()
            .and_then(|index| source.infos.get(index));
        let Some(info) = info else { continue };
        for range in &location.ranges {
            if lines.len() >= MAX_LINES {
                return lines;
            }
            let start = range.start.as_ref().map_or(0, |position| position.line);
            let end = range.end.as_ref().map_or(start, |position| position.line);
            lines.push(Lines {
                filename: info.filename.chars().take(MAX_SHOWN).collect(),
                start: u32::try_from(start).unwrap_or(0),
                end: u32::try_from(end.max(start)).unwrap_or(0),
            });
        }
    }
    lines
}

fn platform_text(platform: &Platform) -> String {
    let mut text = format!("{}/{}", platform.os, platform.architecture);
    if !platform.variant.is_empty() {
        text.push('/');
        text.push_str(&platform.variant);
    }
    text
}

/// As containerd's `platforms.Normalize`: variants that are an architecture's only or first one are left out.
fn normal(platform: &Platform) -> Platform {
    let mut normal = platform.clone();
    match (normal.architecture.as_str(), normal.variant.as_str()) {
        ("arm64", "8" | "v8") | ("amd64", "v1") => normal.variant.clear(),
        ("arm", "" | "7") => "v7".clone_into(&mut normal.variant),
        _ => {}
    }
    normal
}
