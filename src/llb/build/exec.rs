//! Commands, for what runs as a build step of our own.

use super::{Graph, Output, about, op};
use crate::llb::ops::{ExecOp, Kind, Meta, Mount, MountType, NetMode, Platform, SecretOpt};

/// An input at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// What is mounted; `None` for an empty directory.
    pub from: Option<Output>,
    /// A path inside it; empty or `/` for all.
    pub selector: String,
    /// Where.
    pub to: String,
    /// Whether it is read-only. What is not is an output of the command.
    pub readonly: bool,
}

/// A client secret as a file that only its owner, root, may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFile {
    /// The secret's id.
    pub id: String,
    /// Where.
    pub to: String,
    /// Whether it may be missing.
    pub optional: bool,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The root file system; read-only, so that it is no output.
    pub root: Output,
    /// Program and arguments.
    pub args: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// The file systems besides the root.
    pub binds: Vec<Bind>,
    /// Client secrets.
    pub secrets: Vec<SecretFile>,
    /// Network access.
    pub network: NetMode,
    /// The platform; the daemon's own if `None`.
    pub platform: Option<Platform>,
    /// Whether it runs even if the cache has its result.
    pub ignore_cache: bool,
}

impl Command {
    /// A command without network.
    #[must_use]
    pub fn new(root: Output, args: Vec<String>) -> Self {
        Self {
            root,
            args,
            env: Vec::new(),
            binds: Vec::new(),
            secrets: Vec::new(),
            network: NetMode::None,
            platform: None,
            ignore_cache: false,
        }
    }
}

impl Graph {
    /// Adds the command; its outputs are the writable binds in order of their paths.
    /// A command without writable binds has one output all the same: an empty directory at `/out`.
    pub fn exec(&mut self, command: &Command, name: &str) -> Vec<Output> {
        let mut binds = command.binds.clone();
        if binds.iter().all(|bind| bind.readonly) {
            binds.push(Bind {
                from: None,
                selector: String::new(),
                to: "/out".to_owned(),
                readonly: false,
            });
        }
        let root = Bind {
            from: Some(command.root.clone()),
            selector: String::new(),
            to: "/".to_owned(),
            readonly: true,
        };
        binds.push(root);
        // As client/llb: inputs are numbered in the order of the paths.
        binds.sort_by(|a, b| a.to.cmp(&b.to));
        let mut inputs: Vec<&Output> = Vec::new();
        let mut mounts = Vec::new();
        let mut outputs = 0_i64;
        for bind in &binds {
            let input = bind.from.as_ref().map(|from| {
                inputs
                    .iter()
                    .position(|input| *input == from)
                    .unwrap_or_else(|| {
                        inputs.push(from);
                        inputs.len().saturating_sub(1)
                    })
            });
            let output = if bind.readonly { -1 } else { outputs };
            if !bind.readonly {
                outputs = outputs.saturating_add(1);
            }
            mounts.push(Mount {
                input: input.map_or(-1, |input| i64::try_from(input).unwrap_or(i64::MAX)),
                selector: bind.selector.clone(),
                dest: bind.to.clone(),
                output,
                readonly: bind.readonly,
                ..Mount::default()
            });
        }
        mounts.extend(command.secrets.iter().map(|secret| Mount {
            input: -1,
            dest: secret.to.clone(),
            mount_type: MountType::Secret,
            secret_opt: Some(SecretOpt {
                id: secret.id.clone(),
                mode: 0o400,
                optional: secret.optional,
                ..SecretOpt::default()
            }),
            ..Mount::default()
        }));
        let meta = Meta {
            args: command.args.clone(),
            env: command.env.clone(),
            cwd: "/".to_owned(),
            ..Meta::default()
        };
        let exec = ExecOp {
            meta: Some(meta),
            mounts,
            network: command.network,
            ..ExecOp::default()
        };
        let inputs = inputs.into_iter().map(Output::input).collect();
        let platform = command.platform.clone();
        let op = op(inputs, platform, Kind::Exec(Box::new(exec)));
        let mut caps = vec!["exec.meta.base", "exec.mount.bind"];
        if command.network != NetMode::Unset {
            caps.push("exec.meta.network");
        }
        if !command.secrets.is_empty() {
            caps.push("exec.mount.secret");
        }
        if binds.iter().any(|bind| !bind.selector.is_empty()) {
            caps.push("exec.mount.selector");
        }
        let mut metadata = about(name, &caps);
        if command.ignore_cache {
            metadata.ignore_cache = true;
            metadata.caps.insert("meta.ignorecache".to_owned(), true);
        }
        let first = self.add(op, metadata);
        (0..outputs)
            .map(|index| Output {
                digest: first.digest.clone(),
                index,
            })
            .collect()
    }
}
