//! File operations: files from memory, archives, sub-directories.

use std::collections::{BTreeMap, BTreeSet};

use super::{BuildError, Graph, Output, about, op};
use crate::llb::{
    ops::{
        Action, FileAction, FileActionCopy, FileActionMkDir, FileActionMkFile, FileOp, Input, Kind,
    },
    wire::Bytes,
};

/// No input, no output, or a time that is not set.
const NONE: i64 = -1;

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Path without leading slash; directories above are made.
    pub path: String,
    /// Content.
    pub data: Vec<u8>,
    /// Permission bits.
    pub mode: i32,
}

impl NewFile {
    /// A file that everybody may read.
    #[must_use]
    pub fn new(path: impl Into<String>, data: Vec<u8>) -> Self {
        Self {
            path: path.into(),
            data,
            mode: 0o644,
        }
    }
}

impl Graph {
    /// A directory with just these files, in one operation (so in one snapshot, however many they are).
    /// Not set times are the time of the build.
    ///
    /// # Errors
    /// [`BuildError::Nothing`], [`BuildError::Path`] or [`BuildError::Twice`].
    pub fn files(&mut self, files: &[NewFile], name: &str) -> Result<Output, BuildError> {
        let mut directories = BTreeSet::new();
        let mut paths = BTreeSet::new();
        for file in files {
            check(&file.path)?;
            if !paths.insert(file.path.as_str()) {
                return Err(BuildError::Twice(file.path.clone()));
            }
            if let Some((directory, _)) = file.path.rsplit_once('/') {
                directories.insert(directory);
            }
        }
        let directories = directories.into_iter().map(|directory| {
            Action::MkDir(FileActionMkDir {
                path: format!("/{directory}"),
                mode: 0o755,
                make_parents: true,
                owner: None,
                timestamp: NONE,
            })
        });
        let files = files.iter().map(|file| {
            Action::MkFile(FileActionMkFile {
                path: format!("/{}", file.path),
                mode: file.mode,
                data: Bytes(file.data.clone()),
                owner: None,
                timestamp: NONE,
            })
        });
        let actions: Vec<Action> = directories.chain(files).collect();
        let last = actions.len().checked_sub(1).ok_or(BuildError::Nothing)?;
        let actions = actions
            .into_iter()
            .enumerate()
            .map(|(index, action)| FileAction {
                // There are no inputs, so that action n's result is number n.
                input: index.checked_sub(1).map_or(NONE, number),
                secondary_input: NONE,
                output: if index == last { 0 } else { NONE },
                action: Some(action),
            });
        Ok(self.file(Vec::new(), actions.collect(), name))
    }

    /// The content of the archive that `source` has as `filename` (see [`Graph::http`]), unpacked; as
    /// BuildKit's `dockerui` does with a remote context that is an archive.
    ///
    /// # Errors
    /// [`BuildError::Path`].
    pub fn unpack(
        &mut self,
        source: &Output,
        filename: &str,
        name: &str,
    ) -> Result<Output, BuildError> {
        check(filename)?;
        let src = format!("/{filename}");
        Ok(self.copy(
            source,
            FileActionCopy {
                src,
                attempt_unpack: true,
                ..whole()
            },
            name,
        ))
    }

    /// The content of a directory of `source`, as `contextsubdir` and named contexts have it.
    ///
    /// # Errors
    /// [`BuildError::Path`].
    pub fn subdirectory(
        &mut self,
        source: &Output,
        directory: &str,
        name: &str,
    ) -> Result<Output, BuildError> {
        check(directory)?;
        let src = format!("/{directory}");
        Ok(self.copy(
            source,
            FileActionCopy {
                src,
                dir_copy_contents: true,
                ..whole()
            },
            name,
        ))
    }

    /// The files `from` of many sources, each put to a path `to`, in one operation.
    ///
    /// # Errors
    /// [`BuildError::Nothing`], [`BuildError::Path`] or [`BuildError::Twice`].
    pub fn collect(
        &mut self,
        files: &[(Output, String, String)],
        name: &str,
    ) -> Result<Output, BuildError> {
        let last = files.len().checked_sub(1).ok_or(BuildError::Nothing)?;
        let mut inputs: Vec<&Output> = Vec::new();
        let mut known = BTreeMap::new();
        let mut paths = BTreeSet::new();
        let mut sources = Vec::new();
        for (output, from, to) in files {
            check(from)?;
            check(to)?;
            if !paths.insert(to) {
                return Err(BuildError::Twice(to.clone()));
            }
            sources.push(*known.entry(output).or_insert_with(|| {
                inputs.push(output);
                inputs.len().saturating_sub(1)
            }));
        }
        let copies = files.iter().zip(sources).enumerate();
        let actions = copies.map(|(index, ((_, from, to), source))| {
            let before = index.checked_sub(1);
            let copy = FileActionCopy {
                src: format!("/{from}"),
                dest: format!("/{to}"),
                create_dest_path: true,
                ..whole()
            };
            FileAction {
                input: before.map_or(NONE, |before| number(inputs.len().saturating_add(before))),
                secondary_input: number(source),
                output: if index == last { 0 } else { NONE },
                action: Some(Action::Copy(copy)),
            }
        });
        let actions = actions.collect();
        let inputs = inputs.into_iter().map(Output::input).collect();
        Ok(self.file(inputs, actions, name))
    }

    /// What is in the directory `from` of each of many sources, all together in one directory, in one operation. Where two have
    /// the same path, the later one stays.
    ///
    /// # Errors
    /// [`BuildError::Nothing`] or [`BuildError::Path`].
    pub fn together(
        &mut self,
        sources: &[Output],
        from: &str,
        name: &str,
    ) -> Result<Output, BuildError> {
        check(from)?;
        let last = sources.len().checked_sub(1).ok_or(BuildError::Nothing)?;
        let actions = (0..sources.len()).map(|index| {
            let before = index.checked_sub(1);
            let copy = FileActionCopy {
                src: format!("/{from}"),
                dir_copy_contents: true,
                ..whole()
            };
            FileAction {
                input: before.map_or(NONE, |before| number(sources.len().saturating_add(before))),
                secondary_input: number(index),
                output: if index == last { 0 } else { NONE },
                action: Some(Action::Copy(copy)),
            }
        });
        let actions = actions.collect();
        let inputs = sources.iter().map(Output::input).collect();
        Ok(self.file(inputs, actions, name))
    }

    /// The folders `from`, each put to a path, in one operation.
    ///
    /// # Errors
    /// [`BuildError::Nothing`], [`BuildError::Path`] or [`BuildError::Twice`].
    pub fn folders(&mut self, from: &[(Output, String)], name: &str) -> Result<Output, BuildError> {
        let last = from.len().checked_sub(1).ok_or(BuildError::Nothing)?;
        let mut paths = BTreeSet::new();
        let mut actions = Vec::new();
        for (index, (_, to)) in from.iter().enumerate() {
            check(to)?;
            if !paths.insert(to) {
                return Err(BuildError::Twice(to.clone()));
            }
            let before = index.checked_sub(1);
            let copy = FileActionCopy {
                src: "/".to_owned(),
                dest: format!("/{to}"),
                dir_copy_contents: true,
                create_dest_path: true,
                ..whole()
            };
            actions.push(FileAction {
                input: before.map_or(NONE, |before| number(from.len().saturating_add(before))),
                secondary_input: number(index),
                output: if index == last { 0 } else { NONE },
                action: Some(Action::Copy(copy)),
            });
        }
        let inputs = from.iter().map(|(output, _)| output.input()).collect();
        Ok(self.file(inputs, actions, name))
    }

    fn copy(&mut self, source: &Output, copy: FileActionCopy, name: &str) -> Output {
        let action = FileAction {
            input: NONE,
            secondary_input: 0,
            output: 0,
            action: Some(Action::Copy(copy)),
        };
        self.file(vec![source.input()], vec![action], name)
    }

    fn file(&mut self, inputs: Vec<Input>, actions: Vec<FileAction>, name: &str) -> Output {
        let kind = Kind::File(FileOp { actions });
        self.add(op(inputs, None, kind), about(name, &["file.base"]))
    }
}

/// A copy to `/` that keeps modes and times.
fn whole() -> FileActionCopy {
    FileActionCopy {
        dest: "/".to_owned(),
        mode: -1,
        timestamp: NONE,
        ..FileActionCopy::default()
    }
}

fn number(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

fn check(path: &str) -> Result<(), BuildError> {
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    if path.split('/').all(plain) && !path.contains('\0') {
        Ok(())
    } else {
        Err(BuildError::Path(path.to_owned()))
    }
}
