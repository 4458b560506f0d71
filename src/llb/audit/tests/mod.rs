//! The audit's tests. A [`Draft`] is a graph as a stock frontend makes it, with one of everything; each test changes one
//! thing in it. Operations name their inputs by position (`#0`), so that a change does not break the links.

mod accepted;
mod random;
mod refused;
mod stock;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    digest::Digest,
    llb::{
        audit::{
            DenyAll, Escape, EscapeKind, ExecPolicy, Expected, GitPin, HttpPin, ImagePin, OciPin,
            Report, SourceFile, audit,
        },
        definition::{Definition, Node},
        ops::*,
        wire::Bytes,
    },
};

pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(super) const UPLOAD: &str = "http://buildkit-session/0";
pub(super) const DOCKERFILE: &[u8] = b"FROM alpine\nCOPY . /src\nADD files /f\nRUN make\n";

pub(super) fn digest(of: &str) -> Digest {
    Digest::sha256(of.as_bytes())
}

pub(super) fn strings(map: &[(&str, &str)]) -> BTreeMap<String, String> {
    map.iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// A graph before its links are made.
#[derive(Clone)]
pub(super) struct Draft {
    pub ops: Vec<Op>,
    pub metadata: OpMetadata,
    pub more_metadata: BTreeMap<String, OpMetadata>,
    pub source: Source,
    /// Bytes of an operation as they are instead of what `ops` says.
    pub raw: BTreeMap<usize, Vec<u8>>,
    pub expected: Expected,
}

pub(super) const IMAGE: usize = 0;
pub(super) const LOCAL: usize = 1;
pub(super) const HTTP: usize = 2;
pub(super) const GIT: usize = 3;
pub(super) const OCI: usize = 4;
pub(super) const COPY: usize = 5;
pub(super) const ADD: usize = 6;
pub(super) const RUN: usize = 7;
pub(super) const MERGE: usize = 8;
pub(super) const FILES: usize = 9;
pub(super) const END: usize = 10;

pub(super) fn linux(architecture: &str) -> Platform {
    Platform {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        ..Platform::default()
    }
}

pub(super) fn source(identifier: &str, attrs: &[(&str, &str)]) -> Op {
    let platform = identifier.contains("docker-image") || identifier.contains("oci-layout");
    Op {
        platform: platform.then(|| linux("amd64")),
        constraints: Some(WorkerConstraints::default()),
        kind: Some(Kind::Source(SourceOp {
            identifier: identifier.to_owned(),
            attrs: strings(attrs),
        })),
        ..Op::default()
    }
}

pub(super) fn inputs(of: &[usize]) -> Vec<Input> {
    of.iter()
        .map(|index| Input {
            digest: format!("#{index}"),
            index: 0,
        })
        .collect()
}

pub(super) fn bind(input: i64, dest: &str, output: i64) -> Mount {
    Mount {
        input,
        dest: dest.to_owned(),
        output,
        readonly: output == -1,
        ..Mount::default()
    }
}

fn copy(input: i64, from: i64, output: i64) -> FileAction {
    let copy = FileActionCopy {
        src: "/".to_owned(),
        dest: "/src".to_owned(),
        mode: -1,
        create_dest_path: true,
        timestamp: -1,
        ..FileActionCopy::default()
    };
    FileAction {
        input,
        secondary_input: from,
        output,
        action: Some(Action::Copy(copy)),
    }
}

fn named(input: i64) -> Option<ChownOpt> {
    let name = User::ByName(NamedUserOpt {
        name: "app".to_owned(),
        input,
    });
    Some(ChownOpt {
        user: Some(UserOpt { user: Some(name) }),
        group: Some(UserOpt {
            user: Some(User::ById(0)),
        }),
    })
}

impl Draft {
    pub fn new() -> Self {
        let image = format!(
            "docker-image://docker.io/library/alpine:3.20@{}",
            digest("alpine")
        );
        let layout = format!("oci-layout://docker.io/library/base@{}", digest("layout"));
        let http_checksum = digest("archive").to_string();
        let sources = vec![
            source(&image, &[("image.resolvemode", "local")]),
            source(
                "local://context",
                &[
                    ("local.session", "sid"),
                    ("local.excludepatterns", "[\"*.log\"]"),
                    ("local.followpaths", "[\"src\"]"),
                    ("local.sharedkeyhint", "context"),
                ],
            ),
            source(
                "https://files.example.com/a.tar.gz",
                &[
                    ("http.checksum", &http_checksum),
                    ("http.filename", "a.tar.gz"),
                ],
            ),
            source(
                &format!("git://git.example.com/org/repo.git#{COMMIT}"),
                &[
                    ("git.fullurl", "https://git.example.com/org/repo.git"),
                    ("git.authtokensecret", "GIT_AUTH_TOKEN"),
                    ("git.authheadersecret", "GIT_AUTH_HEADER"),
                ],
            ),
            source(&layout, &[("oci.session", "sid"), ("oci.store", "base")]),
        ];
        let mut ops = sources;
        ops.push(Self::files(&[IMAGE, LOCAL], vec![copy(0, 1, 0)]));
        ops.push(Self::files(
            &[COPY, HTTP, GIT, OCI],
            vec![copy(0, 1, -1), copy(4, 2, -1), copy(5, 3, 0)],
        ));
        ops.push(Self::run());
        let layers = vec![MergeInput { input: 0 }, MergeInput { input: 1 }];
        ops.push(Op {
            inputs: inputs(&[ADD, RUN]),
            constraints: Some(WorkerConstraints::default()),
            kind: Some(Kind::Merge(MergeOp { inputs: layers })),
            ..Op::default()
        });
        ops.push(Self::files(&[MERGE], Self::actions()));
        ops.push(Op {
            inputs: inputs(&[FILES]),
            ..Op::default()
        });
        let line = |line| Some(Position { line, character: 0 });
        let ranges = vec![Range {
            start: line(4),
            end: line(4),
        }];
        let locations = Locations {
            locations: vec![Location {
                source_index: 0,
                ranges,
            }],
        };
        Self {
            ops,
            metadata: OpMetadata {
                ignore_cache: true,
                description: strings(&[("llb.customname", "[2/4] RUN make")]),
                export_cache: Some(ExportCache { value: true }),
                caps: BTreeMap::from([("exec.meta.base".to_owned(), true)]),
                progress_group: Some(ProgressGroup {
                    id: "g".to_owned(),
                    ..ProgressGroup::default()
                }),
                linux_resources: Some(LinuxResources {
                    memory: 1,
                    ..LinuxResources::default()
                }),
            },
            more_metadata: BTreeMap::new(),
            source: Source {
                locations: BTreeMap::from([(format!("#{RUN}"), locations)]),
                infos: vec![SourceInfo {
                    filename: "Dockerfile".to_owned(),
                    data: Bytes(DOCKERFILE.to_vec()),
                    definition: Some(Bytes(Self::loader())),
                    language: "Dockerfile".to_owned(),
                }],
            },
            raw: BTreeMap::new(),
            expected: Self::expected(),
        }
    }

    /// The graph that loaded the Dockerfile.
    fn loader() -> Vec<u8> {
        let node = Node::new(source(
            "local://dockerfile",
            &[("local.session", "sid"), ("local.differ", "none")],
        ));
        let input = Input {
            digest: node.id().to_string(),
            index: 0,
        };
        let end = Node::new(Op {
            inputs: vec![input],
            ..Op::default()
        });
        Definition {
            nodes: vec![node, end],
            ..Definition::default()
        }
        .encode()
    }

    fn files(of: &[usize], actions: Vec<FileAction>) -> Op {
        Op {
            inputs: inputs(of),
            constraints: Some(WorkerConstraints::default()),
            kind: Some(Kind::File(FileOp { actions })),
            ..Op::default()
        }
    }

    fn actions() -> Vec<FileAction> {
        let dir = FileActionMkDir {
            path: "/d".to_owned(),
            mode: 0o755,
            make_parents: true,
            owner: named(0),
            timestamp: -1,
        };
        let file = FileActionMkFile {
            path: "/d/f".to_owned(),
            mode: 0o644,
            data: Bytes(b"text".to_vec()),
            owner: None,
            timestamp: -1,
        };
        let link = FileActionSymlink {
            oldpath: "f".to_owned(),
            newpath: "/d/l".to_owned(),
            owner: None,
            timestamp: -1,
        };
        let rm = FileActionRm {
            path: "/tmp/*".to_owned(),
            allow_not_found: true,
            allow_wildcard: true,
        };
        let actions = [
            Action::MkDir(dir),
            Action::MkFile(file),
            Action::Symlink(link),
            Action::Rm(rm),
        ];
        (0..)
            .zip(actions)
            .map(|(index, action)| FileAction {
                input: index,
                secondary_input: -1,
                output: if index == 3 { 0 } else { -1 },
                action: Some(action),
            })
            .collect()
    }

    fn run() -> Op {
        let secret = Mount {
            input: -1,
            dest: "/run/secrets/token".to_owned(),
            mount_type: MountType::Secret,
            secret_opt: Some(SecretOpt {
                id: "token".to_owned(),
                mode: 0o400,
                ..SecretOpt::default()
            }),
            ..Mount::default()
        };
        let tmpfs = Mount {
            mount_type: MountType::Tmpfs,
            tmpfs_opt: Some(TmpfsOpt { size: 1 << 20 }),
            readonly: false,
            ..bind(-1, "/tmp", -1)
        };
        let mounts = vec![bind(0, "/", 0), bind(1, "/context", -1), tmpfs, secret];
        let meta = Meta {
            args: ["/bin/sh", "-c", "make"].map(str::to_owned).to_vec(),
            env: vec!["PATH=/bin".to_owned()],
            cwd: "/src".to_owned(),
            user: "app".to_owned(),
            proxy_env: Some(ProxyEnv {
                http_proxy: "http://proxy.example.com".to_owned(),
                ..ProxyEnv::default()
            }),
            extra_hosts: vec![HostIp {
                host: "db.test".to_owned(),
                ip: "192.0.2.1".to_owned(),
            }],
            hostname: "builder".to_owned(),
            ulimit: vec![Ulimit {
                name: "nofile".to_owned(),
                soft: 1024,
                hard: 1024,
            }],
            cgroup_parent: "builds".to_owned(),
            remove_mount_stubs_recursive: true,
            ..Meta::default()
        };
        let exec = ExecOp {
            meta: Some(meta),
            mounts,
            network: NetMode::None,
            secret_env: vec![SecretEnv {
                id: "env".to_owned(),
                name: "TOKEN".to_owned(),
                optional: true,
            }],
            ..ExecOp::default()
        };
        Op {
            inputs: inputs(&[ADD, LOCAL]),
            platform: Some(linux("amd64")),
            constraints: Some(WorkerConstraints::default()),
            kind: Some(Kind::Exec(Box::new(exec))),
        }
    }

    fn expected() -> Expected {
        let sessions = || BTreeSet::from(["sid".to_owned()]);
        Expected {
            images: BTreeSet::from([ImagePin {
                repository: "docker.io/library/alpine".to_owned(),
                digest: digest("alpine"),
            }]),
            http: BTreeMap::from([(
                "https://files.example.com/a.tar.gz".to_owned(),
                vec![HttpPin::from(digest("archive"))],
            )]),
            git: BTreeMap::from([(
                "https://git.example.com/org/repo.git".to_owned(),
                vec![GitPin {
                    commit: COMMIT.to_owned(),
                    refs: BTreeSet::from(["v1".to_owned()]),
                    subdirs: BTreeSet::from(["sub".to_owned()]),
                }],
            )]),
            locals: BTreeMap::from([
                ("context".to_owned(), sessions()),
                ("dockerfile".to_owned(), sessions()),
            ]),
            oci_layouts: BTreeSet::from([OciPin {
                store: "base".to_owned(),
                session: "sid".to_owned(),
                digest: digest("layout"),
            }]),
            own: BTreeSet::new(),
            uploads: BTreeSet::from([UPLOAD.to_owned()]),
            files: vec![SourceFile {
                filename: "Dockerfile".to_owned(),
                data: DOCKERFILE.to_vec(),
            }],
            platforms: BTreeSet::from([linux("amd64")]),
            extra_hosts: BTreeSet::from([HostIp {
                host: "db.test".to_owned(),
                ip: "192.0.2.1".to_owned(),
            }]),
            proxy: Some(ProxyEnv {
                http_proxy: "http://proxy.example.com".to_owned(),
                ..ProxyEnv::default()
            }),
        }
    }

    pub fn exec(&mut self) -> &mut ExecOp {
        match &mut self.ops[RUN].kind {
            Some(Kind::Exec(exec)) => exec,
            other => panic!("{other:?}"),
        }
    }

    pub fn meta(&mut self) -> &mut Meta {
        self.exec().meta.get_or_insert_default()
    }

    pub fn actions_of(&mut self, op: usize) -> &mut Vec<FileAction> {
        match &mut self.ops[op].kind {
            Some(Kind::File(file)) => &mut file.actions,
            other => panic!("{other:?}"),
        }
    }

    pub fn source_of(&mut self, op: usize) -> &mut SourceOp {
        match &mut self.ops[op].kind {
            Some(Kind::Source(source)) => source,
            other => panic!("{other:?}"),
        }
    }

    pub fn attr(&mut self, op: usize, key: &str, value: &str) {
        self.source_of(op)
            .attrs
            .insert(key.to_owned(), value.to_owned());
    }

    pub fn identifier(&mut self, op: usize, identifier: &str) {
        self.source_of(op).identifier = identifier.to_owned();
    }

    /// Links the operations.
    pub fn definition(&self) -> Definition {
        let mut nodes: Vec<Node> = Vec::new();
        for (index, op) in self.ops.iter().enumerate() {
            let mut op = op.clone();
            for input in &mut op.inputs {
                let node = input
                    .digest
                    .strip_prefix('#')
                    .and_then(|index| nodes.get(index.parse::<usize>().ok()?));
                if let Some(node) = node {
                    input.digest = node.id().to_string();
                }
            }
            nodes.push(match self.raw.get(&index) {
                Some(raw) => Node::of_bytes(raw.clone()),
                None => Node::new(op),
            });
        }
        let mut metadata = self.more_metadata.clone();
        metadata.extend(
            nodes
                .iter()
                .map(|node| (node.id().to_string(), self.metadata.clone())),
        );
        let mut source = self.source.clone();
        source.locations = std::mem::take(&mut source.locations)
            .into_iter()
            .map(|(key, value)| {
                let node = key
                    .strip_prefix('#')
                    .and_then(|index| nodes.get(index.parse::<usize>().ok()?));
                (
                    node.map_or(key.clone(), |node| node.id().to_string()),
                    value,
                )
            })
            .collect();
        Definition {
            nodes,
            metadata,
            source: Some(source),
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.definition().encode()
    }

    pub fn audit(&self) -> Result<Report, Vec<Escape>> {
        self.audit_with(&DenyAll)
    }

    pub fn audit_with(&self, policy: &dyn ExecPolicy) -> Result<Report, Vec<Escape>> {
        audit(&self.bytes(), &self.expected, policy)
    }
}

/// Asserts that the draft is refused with exactly this kind and these words, and nothing else.
pub(super) fn assert_refused(
    name: &str,
    result: Result<Report, Vec<Escape>>,
    kind: EscapeKind,
    words: &str,
) {
    let escapes = result.expect_err(name);
    let found: Vec<_> = escapes
        .iter()
        .map(|escape| (escape.kind, escape.reason.as_str()))
        .collect();
    assert!(
        escapes.iter().all(|escape| escape.kind == kind)
            && escapes.iter().any(|escape| escape.reason.contains(words)),
        "{name}: wanted only {kind:?} with {words:?}, found {found:?}"
    );
    for escape in &escapes {
        assert!(!escape.next.is_empty(), "{name}: no next step");
        assert!(
            !escape.to_string().contains('\n'),
            "{name}: control characters"
        );
    }
}
