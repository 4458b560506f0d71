//! One instruction after the other: variables, directories, and what BuildKit checks on the way.

use std::rc::Rc;

use super::{
    Error, ErrorKind, checks,
    collect::Builder,
    env::Lookup,
    path,
    state::{StateId, Task},
};
use crate::dockerfile::{
    command::{CommandKind, Declarations, Pairs, Words},
    expand::{Lexer, Variables},
    text,
};

/// ARGs that BuildKit keeps out of the environment.
const NOT_IN_ENV: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

impl Builder<'_> {
    /// Expands a word with the variables of a stage.
    pub(super) fn expand_in(&self, id: StateId, word: &[u8]) -> Result<String, ErrorKind> {
        match self.states.get(id) {
            Some(state) => self.expand(
                word,
                &Lookup {
                    scope: &state.scope,
                    fuel: &self.work,
                },
            ),
            None => Ok(String::new()),
        }
    }

    /// Expands the text of a heredoc: quotes are ordinary characters and the escape character is `\`.
    pub(super) fn expand_data(&self, id: StateId, data: &[u8]) -> Result<(), ErrorKind> {
        let Some(state) = self.states.get(id) else {
            return Ok(());
        };
        let lookup = Lookup {
            scope: &state.scope,
            fuel: &self.work,
        };
        let lexer = Lexer {
            skip_quotes: true,
            ..Lexer::new('\\')
        };
        let expanded = lexer.expand(data, &lookup)?;
        if lookup.spend(expanded.len()) {
            Ok(())
        } else {
            Err(ErrorKind::TooLarge)
        }
    }

    /// Carries out an instruction (`dispatch`).
    pub(super) fn dispatch(&mut self, id: StateId, task: &Task<'_>) -> Result<(), Error> {
        let done = match task.kind {
            CommandKind::Add(add) => return self.add(id, task, add),
            CommandKind::Copy(copy) => return self.copy(id, task, copy),
            CommandKind::Run(run) => return self.run(id, task, run),
            CommandKind::Env(pairs) => self.env(id, *pairs),
            CommandKind::Arg(declared) => self.arg(id, *declared),
            CommandKind::Label(pairs) => {
                self.expand_all(id, pairs.iter().flat_map(|(name, value)| [name, value]))
            }
            CommandKind::User(user) => self.expand_all(id, [*user]),
            CommandKind::Workdir(dir) => self.expand_in(id, dir).and_then(|dir| {
                let os = self
                    .states
                    .get(id)
                    .and_then(|state| state.platform.as_ref())
                    .map(|p| p.os.clone());
                self.workdir(id, &dir, &os.unwrap_or_default())
            }),
            CommandKind::Expose(ports) => self.expose(id, *ports),
            CommandKind::Volume(volumes) => volumes.iter().try_for_each(|volume| {
                let volume = self.expand_in(id, text::trim(volume))?;
                if volume.is_empty() {
                    Err(ErrorKind::EmptyVolume)
                } else {
                    Ok(())
                }
            }),
            CommandKind::Stopsignal(signal) => self.expand_in(id, signal).and_then(|signal| {
                if checks::is_signal(&signal) {
                    Ok(())
                } else {
                    Err(ErrorKind::Signal(signal))
                }
            }),
            CommandKind::Shell(shell) => {
                let shell: Rc<[String]> = shell
                    .iter()
                    .map(|word| text::lossy(word).into_owned())
                    .collect();
                if let Some(state) = self.states.get_mut(id) {
                    state.image.shell = shell;
                }
                Ok(())
            }
            CommandKind::Cmd(_)
            | CommandKind::Entrypoint(_)
            | CommandKind::Healthcheck(_)
            | CommandKind::Maintainer(_)
            | CommandKind::Onbuild(_) => Ok(()),
        };
        done.map_err(|kind| self.error(&task.site, task.instruction.span(), kind))
    }

    fn expand_all<'w>(
        &self,
        id: StateId,
        words: impl IntoIterator<Item = &'w [u8]>,
    ) -> Result<(), ErrorKind> {
        words
            .into_iter()
            .try_for_each(|word| self.expand_in(id, word).map(drop))
    }

    /// `dispatchEnv`: every pair is expanded before the first is set.
    fn env(&mut self, id: StateId, pairs: Pairs<'_>) -> Result<(), ErrorKind> {
        let mut expanded = Vec::new();
        for (name, value) in pairs.iter() {
            expanded.push((self.expand_in(id, name)?, self.expand_in(id, value)?));
        }
        for (name, value) in &expanded {
            self.keep(value)?;
            if let Some(state) = self.states.get_mut(id) {
                state.scope.env(name, value);
            }
        }
        Ok(())
    }

    /// `dispatchArg`: a build argument, else the default, else the global value.
    fn arg(&mut self, id: StateId, declared: Declarations<'_>) -> Result<(), ErrorKind> {
        for (name, default) in declared.iter() {
            let name = text::lossy(name);
            let value = match (self.build_args.get(&*name), default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(self.expand_in(id, default)?),
                (None, None) => self.globals.get(&*name).cloned(),
            };
            let Some(value) = value.filter(|_| !NOT_IN_ENV.contains(&&*name)) else {
                continue;
            };
            self.keep(&value)?;
            if let Some(state) = self.states.get_mut(id) {
                state.scope.arg(&name, &value);
            }
        }
        Ok(())
    }

    /// `dispatchWorkdir`.
    pub(super) fn workdir(&mut self, id: StateId, dir: &str, os: &str) -> Result<(), ErrorKind> {
        let Some(state) = self.states.get_mut(id) else {
            return Ok(());
        };
        let normal = path::normalize(&state.image.working_dir, dir, os, false)?;
        state.image.working_dir = normal.as_str().into();
        state.dir = normal;
        Ok(())
    }

    /// `dispatchExpose`: each word may expand to several.
    fn expose(&self, id: StateId, ports: Words<'_>) -> Result<(), ErrorKind> {
        let Some(state) = self.states.get(id) else {
            return Ok(());
        };
        let lookup = Lookup {
            scope: &state.scope,
            fuel: &self.work,
        };
        let mut specs = Vec::new();
        for port in ports.iter() {
            specs.extend(self.lexer.words(port, &lookup)?);
        }
        match specs.into_iter().find(|spec| !checks::is_port(spec)) {
            Some(spec) => Err(ErrorKind::Port(spec)),
            None => Ok(()),
        }
    }
}
