//! `SOURCE_DATE_EPOCH`, which can name a stage whose only ADD gives the time (BuildKit's `dockerfile2llb/epoch.go`).

use std::collections::HashMap;

use super::{
    Edit, Error, ErrorKind, Fetch, Origin, Source,
    add::{Classified, classify, http_source, is_http},
    collect::{Builder, SCRATCH, at},
    env::Lookup,
    state::{Site, Task},
};
use crate::dockerfile::{
    Span,
    command::{Add, Command, CommandKind, Stage},
    text,
};

const NAME: &str = "SOURCE_DATE_EPOCH";

/// Resolves the value as far as that goes without asking anyone: a number is normalised, anything else is unset
/// afterwards, and a stage yields the fetch that BuildKit asks for its time.
pub(super) fn resolve(builder: &mut Builder<'_>) -> Result<(), Error> {
    let given = builder.build_args.get(NAME).cloned();
    let global = builder
        .globals
        .get(NAME)
        .filter(|value| !value.is_empty())
        .cloned();
    let Some(value) = given.or(global) else {
        return Ok(());
    };
    let known = match value.parse::<i64>() {
        Ok(seconds) => Some(seconds.to_string()),
        Err(_) if value.is_empty() || value == "context" => None,
        Err(_) => {
            match builder.named_context(&value, None) {
                Some(key) => context(builder, key, &value),
                None => stage_source(builder, &value)?,
            }
            None
        }
    };
    for values in [&mut builder.build_args, &mut builder.globals] {
        if values.contains_key(NAME) {
            match &known {
                Some(known) => values.insert(NAME.to_owned(), known.clone()),
                None => values.remove(NAME),
            };
        }
    }
    Ok(())
}

/// A named context, of which BuildKit asks the time. It is no part of the graph.
fn context(builder: &mut Builder<'_>, key: String, name: &str) {
    let site = Site {
        file: builder.file,
        index: 0,
        trigger: None,
    };
    let fetch = Fetch {
        origin: Origin::Add,
        place: site.place(Span::default()),
        stage: String::new(),
        expanded: name.to_owned(),
        source: Source::Context {
            key: key.clone(),
            platform: builder.options.platform.clone(),
        },
        edit: None,
        loaded: false,
    };
    builder.plan.contexts.insert(key);
    builder.add_fetch(fetch);
}

fn stage_source(builder: &mut Builder<'_>, name: &str) -> Result<(), Error> {
    // `strings.EqualFold`, for which the long s is an s. Names of stages are ASCII.
    let wanted = text::lower(name).replace('\u{17f}', "s");
    let mut stages = builder.stages.stages.iter();
    let Some(stage) = stages.find(|stage| !stage.name.is_empty() && stage.name == wanted) else {
        let kind = ErrorKind::Epoch(format!("{name:?} is neither a number nor a stage"));
        return Err(Error {
            span: Span::default(),
            lines: (0, 0),
            trigger: None,
            kind,
        });
    };
    let mut scope = builder.globals.clone();
    scope.remove(NAME);
    let (command, add, source, expanded) =
        only_source(builder, stage, &mut scope).map_err(|kind| at(stage.instruction, kind))?;
    let site = Site {
        file: builder.file,
        index: command.index,
        trigger: None,
    };
    let task = Task {
        instruction: command.instruction,
        kind: &command.kind,
        site,
        sources: &[],
    };
    let span = command
        .instruction
        .words()
        .next()
        .map_or(command.instruction.span(), |word| word.span);
    let fetch = Fetch {
        origin: Origin::Add,
        place: task.site.place(span),
        stage: stage.name.clone().into_owned(),
        expanded,
        source,
        edit: builder.add_edit(&task, add, 0).map(Edit::Add),
        loaded: false,
    };
    builder.add_fetch(fetch);
    Ok(())
}

/// `sourceDateEpochStageSource`: FROM scratch, ARGs, and one ADD of one remote source.
fn only_source<'a>(
    builder: &Builder<'a>,
    stage: &'a Stage<'a>,
    scope: &mut HashMap<String, String>,
) -> Result<(&'a Command<'a>, &'a Add<'a>, Source, String), ErrorKind> {
    let refuse = |reason: &str| {
        Err(ErrorKind::Epoch(format!(
            "the stage {:?} {reason}",
            stage.name
        )))
    };
    let expand = |scope: &HashMap<String, String>, word: &[u8]| {
        builder.expand(
            word,
            &Lookup {
                scope,
                fuel: &builder.work,
            },
        )
    };
    if expand(scope, stage.base)? != SCRATCH {
        return refuse("must be FROM scratch");
    }
    let mut found = None;
    for command in &stage.commands {
        match &command.kind {
            CommandKind::Arg(declared) => {
                for (name, default) in declared.iter() {
                    let name = text::lossy(name).into_owned();
                    let value = match (builder.build_args.get(&name), default) {
                        (Some(given), _) => given.clone(),
                        (None, Some(default)) => expand(scope, default)?,
                        (None, None) => continue,
                    };
                    scope.insert(name, value);
                }
            }
            CommandKind::Add(add) if found.is_none() => {
                let mut paths = add.sources.paths();
                let (Some((path, _)), None, None) =
                    (paths.next(), paths.next(), add.sources.contents().next())
                else {
                    return refuse("must have exactly one remote ADD source");
                };
                let source = expand(scope, path)?;
                let flag = add.checksum.as_ref().filter(|flag| !flag.value.is_empty());
                let checksum = flag
                    .map(|flag| expand(scope, flag.value.as_bytes()))
                    .transpose()?;
                let remote = match classify(&source) {
                    // Unlike in a build, the flag wins over the URL.
                    Ok(Classified::Git(git)) => {
                        let keep = add.keep_git_dir == Some(true) || git.keep_git_dir == Some(true);
                        let checksum = checksum.as_ref().unwrap_or(&git.checksum);
                        git.source(checksum, keep)
                            .map(Source::Git)
                            .map_err(ErrorKind::Git)?
                    }
                    // Unlike in a build, a repository with parameters that are refused is taken for a file.
                    Ok(Classified::Http) => http_source(&source, checksum.as_deref())?,
                    Err(_) if is_http(&source) => http_source(&source, checksum.as_deref())?,
                    Err(error) => return Err(error),
                    Ok(Classified::Path) => return refuse("must ADD an HTTP(S) or git source"),
                };
                found = Some((command, &**add, remote, source));
            }
            _ => return refuse("can only have ARG and one remote ADD"),
        }
    }
    match found {
        Some(found) => Ok(found),
        None => refuse("must have exactly one remote ADD"),
    }
}
