//! The messages of BuildKit's `solver/pb/ops.proto`, as far as the stock Dockerfile frontend uses them.
//!
//! Each type lists every field the message has at BuildKit v0.32, with its number; older BuildKits write a
//! subset. Meaning is said where it matters for what a build fetches or may do; the rest is in `ops.proto`.
//! Build, diff and passthrough operations are recognised but not read: no Dockerfile makes them.

use std::collections::BTreeMap;

use crate::llb::wire::{
    Budget, Bytes, Field, Message, Oneof, Packed, Problem, Scalar, Value, WireError,
};

macro_rules! message {
    (
        $(#[$meta:meta])*
        $name:ident {
            $($(#[$field_meta:meta])* $number:literal $field:ident: $type:ty,)*
            $(; $(#[$oneof_meta:meta])* $oneof:ident: $oneof_type:ty)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            $($(#[$oneof_meta])* pub $oneof: Option<$oneof_type>,)?
        }

        impl Message for $name {
            const NAME: &'static str = stringify!($name);

            fn set(&mut self, number: u32, value: Value<'_>, first: bool, budget: &mut Budget) -> Result<(), WireError> {
                match number {
                    $($number => Field::read(&mut self.$field, value, first, budget)
                        .map_err(|error| error.at(Self::NAME, stringify!($field), number)),)*
                    _ => {
                        $(if let Some(read) = <$oneof_type as Oneof>::read(number, value, budget) {
                            let read = read.map_err(|error| error.at(Self::NAME, stringify!($oneof), number))?;
                            return match self.$oneof.replace(read) {
                                None => Ok(()),
                                Some(_) => Err(WireError::from(Problem::Duplicate)
                                    .at(Self::NAME, stringify!($oneof), number)),
                            };
                        })?
                        let _ = (first, budget, value);
                        Err(WireError::from(Problem::UnknownField).at(Self::NAME, "", number))
                    }
                }
            }

            fn write(&self, out: &mut Vec<u8>) {
                $(self.$field.write($number, out);)*
                $(if let Some(value) = &self.$oneof {
                    Oneof::write(value, out);
                })?
                let _ = out;
            }
        }
    };
}

macro_rules! oneof {
    (
        $(#[$meta:meta])*
        $name:ident { $($(#[$variant_meta:meta])* $number:literal $variant:ident($type:ty),)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant($type),)*
        }

        impl Oneof for $name {
            fn read(number: u32, value: Value<'_>, budget: &mut Budget) -> Option<Result<Self, WireError>> {
                match number {
                    $($number => Some(<$type as Scalar>::scalar(value, budget).map(Self::$variant)),)*
                    _ => None,
                }
            }

            fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant(value) => value.put($number, out),)*
                }
            }
        }
    };
}

macro_rules! values {
    (
        $(#[$meta:meta])*
        $name:ident { $(#[$first_meta:meta])* 0 $first:ident, $($(#[$variant_meta:meta])* $number:literal $variant:ident,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $(#[$first_meta])*
            #[default]
            $first,
            $($(#[$variant_meta])* $variant,)*
        }

        impl Scalar for $name {
            fn scalar(value: Value<'_>, budget: &mut Budget) -> Result<Self, WireError> {
                match i64::scalar(value, budget)? {
                    0 => Ok(Self::$first),
                    $($number => Ok(Self::$variant),)*
                    other => Err(Problem::UnknownValue(other).into()),
                }
            }

            fn put(&self, number: u32, out: &mut Vec<u8>) {
                let value: u64 = match self {
                    Self::$first => 0,
                    $(Self::$variant => $number,)*
                };
                value.put(number, out);
            }
        }

        impl Field for $name {
            fn read(&mut self, value: Value<'_>, first: bool, budget: &mut Budget) -> Result<(), WireError> {
                crate::llb::wire::single(self, value, first, budget)
            }

            fn write(&self, number: u32, out: &mut Vec<u8>) {
                if *self != Self::$first {
                    self.put(number, out);
                }
            }
        }
    };
}

message! {
    /// One vertex of the graph. Its id is the SHA-256 of its bytes.
    Op {
        /// What it reads: outputs of other operations.
        1 inputs: Vec<Input>,
        /// The platform it is for; only images and commands depend on it.
        10 platform: Option<Platform>,
        /// Which worker may run it.
        11 constraints: Option<WorkerConstraints>,
        ;
        /// What it does; `None` only in the terminal operation.
        kind: Kind
    }
}

oneof! {
    /// What an operation does.
    Kind {
        /// Runs a command.
        2 Exec(Box<ExecOp>),
        /// Fetches something.
        3 Source(SourceOp),
        /// Copies, makes and removes files.
        4 File(FileOp),
        /// Builds LLB read from a file of an earlier result; bytes not read.
        5 Build(Bytes),
        /// Lays results over each other.
        6 Merge(MergeOp),
        /// The difference of two results; bytes not read.
        7 Diff(Bytes),
        /// Orders operations without adding content; bytes not read.
        8 Passthrough(Bytes),
    }
}

/// Boxed, because it is much larger than the others.
impl Scalar for Box<ExecOp> {
    fn scalar(value: Value<'_>, budget: &mut Budget) -> Result<Self, WireError> {
        ExecOp::scalar(value, budget).map(Self::new)
    }

    fn put(&self, number: u32, out: &mut Vec<u8>) {
        self.as_ref().put(number, out);
    }
}

message! {
    /// A platform, as in the OCI image specification.
    #[derive(PartialOrd, Ord, Hash)]
    Platform {
        /// For example `amd64`.
        1 architecture: String,
        /// For example `linux`.
        2 os: String,
        /// For example `v7`.
        3 variant: String,
        /// For Windows.
        4 os_version: String,
        /// Unused.
        5 os_features: Vec<String>,
    }
}

message! {
    /// One output of another operation.
    Input {
        /// The other operation's id, `sha256:…`.
        1 digest: String,
        /// Which of its outputs.
        2 index: i64,
    }
}

message! {
    /// A command in a container.
    ExecOp {
        /// Command line and surroundings.
        1 meta: Option<Meta>,
        /// File systems, the root among them.
        2 mounts: Vec<Mount>,
        /// Network access.
        3 network: NetMode,
        /// Privileges.
        4 security: SecurityMode,
        /// Client secrets in environment variables.
        5 secret_env: Vec<SecretEnv>,
        /// Host devices.
        6 cdi_devices: Vec<CdiDevice>,
    }
}

message! {
    /// Arguments and surroundings of a command.
    Meta {
        /// The arguments, program first.
        1 args: Vec<String>,
        /// `NAME=value`.
        2 env: Vec<String>,
        /// Working directory.
        3 cwd: String,
        /// User, as in `USER`.
        4 user: String,
        /// Proxies, from build arguments; not part of the cache key.
        5 proxy_env: Option<ProxyEnv>,
        /// Additional `/etc/hosts` lines.
        6 extra_hosts: Vec<HostIp>,
        /// Host name.
        7 hostname: String,
        /// Resource limits.
        9 ulimit: Vec<Ulimit>,
        /// Parent control group.
        10 cgroup_parent: String,
        /// Whether empty mount points are removed afterwards.
        11 remove_mount_stubs_recursive: bool,
        /// Exit codes that count as success; empty means only 0.
        12 valid_exit_codes: Packed<i32>,
    }
}

message! {
    /// A line of `/etc/hosts`.
    #[derive(PartialOrd, Ord, Hash)]
    HostIp {
        /// Name.
        1 host: String,
        /// Address.
        2 ip: String,
    }
}

message! {
    /// A resource limit.
    Ulimit {
        /// For example `nofile`.
        1 name: String,
        /// Soft limit.
        2 soft: i64,
        /// Hard limit.
        3 hard: i64,
    }
}

values! {
    /// Network access of a command.
    NetMode {
        /// The worker's default network, usually the internet.
        0 Unset,
        /// The host's own network.
        1 Host,
        /// Loopback only.
        2 None,
    }
}

values! {
    /// Privileges of a command.
    SecurityMode {
        /// The usual container.
        0 Sandbox,
        /// All privileges of the host.
        1 Insecure,
    }
}

message! {
    /// A client secret in an environment variable.
    SecretEnv {
        /// The secret's id.
        1 id: String,
        /// The variable's name.
        2 name: String,
        /// Whether the secret may be missing.
        3 optional: bool,
    }
}

message! {
    /// A host device by its CDI name.
    CdiDevice {
        /// For example `vendor.test/gpu=0`.
        1 name: String,
        /// Whether it may be missing.
        2 optional: bool,
    }
}

message! {
    /// A file system of a command.
    Mount {
        /// Which input of the operation; -1 for none.
        1 input: i64,
        /// A path inside the input.
        2 selector: String,
        /// Where it is mounted; `/` is the root.
        3 dest: String,
        /// Which output of the operation; -1 for none.
        4 output: i64,
        /// Whether it is read-only.
        5 readonly: bool,
        /// What is mounted.
        6 mount_type: MountType,
        /// For a tmpfs.
        19 tmpfs_opt: Option<TmpfsOpt>,
        /// For a cache.
        20 cache_opt: Option<CacheOpt>,
        /// For a secret.
        21 secret_opt: Option<SecretOpt>,
        /// For an SSH agent.
        22 ssh_opt: Option<SshOpt>,
        /// Only for containers of the gateway protocol.
        23 result_id: String,
        /// Whether the cache key may depend on content.
        24 content_cache: MountContentCache,
    }
}

values! {
    /// What is mounted.
    MountType {
        /// An input, or an empty directory.
        0 Bind,
        /// A client secret.
        1 Secret,
        /// The client's SSH agent, or any socket the client forwards under that name.
        2 Ssh,
        /// A directory that outlives the build and is shared with other builds.
        3 Cache,
        /// Memory.
        4 Tmpfs,
    }
}

values! {
    /// Whether a mount's cache key depends on its content.
    MountContentCache {
        /// BuildKit decides.
        0 Default,
        /// Yes.
        1 On,
        /// No.
        2 Off,
    }
}

message! {
    /// Options of a tmpfs.
    TmpfsOpt {
        /// Size limit in bytes.
        1 size: i64,
    }
}

message! {
    /// Options of a cache mount.
    CacheOpt {
        /// Name space of the directory, shared by all builds that name it.
        1 id: String,
        /// How concurrent builds share it.
        2 sharing: CacheSharing,
    }
}

values! {
    /// How concurrent builds share a cache mount.
    CacheSharing {
        /// All write.
        0 Shared,
        /// Each its own.
        1 Private,
        /// One after the other.
        2 Locked,
    }
}

message! {
    /// Options of a secret mount.
    SecretOpt {
        /// The secret's id.
        1 id: String,
        /// Owner.
        2 uid: u32,
        /// Group.
        3 gid: u32,
        /// Permission bits.
        4 mode: u32,
        /// Whether it may be missing.
        5 optional: bool,
    }
}

message! {
    /// Options of an SSH agent mount.
    SshOpt {
        /// The agent's id.
        1 id: String,
        /// Owner.
        2 uid: u32,
        /// Group.
        3 gid: u32,
        /// Permission bits.
        4 mode: u32,
        /// Whether it may be missing.
        5 optional: bool,
    }
}

message! {
    /// A fetch: image, file, repository, or the client's files.
    SourceOp {
        /// `scheme://…`.
        1 identifier: String,
        /// Attributes of `solver/pb/attr.go`; some decide what is fetched.
        2 attrs: BTreeMap<String, String>,
    }
}

message! {
    /// Proxies.
    ProxyEnv {
        /// `http_proxy`.
        1 http_proxy: String,
        /// `https_proxy`.
        2 https_proxy: String,
        /// `ftp_proxy`.
        3 ftp_proxy: String,
        /// `no_proxy`.
        4 no_proxy: String,
        /// `all_proxy`.
        5 all_proxy: String,
    }
}

message! {
    /// Which worker may run an operation.
    WorkerConstraints {
        /// containerd filters.
        1 filter: Vec<String>,
    }
}

message! {
    /// File operations, one after the other.
    FileOp {
        /// The operations.
        2 actions: Vec<FileAction>,
    }
}

message! {
    /// One file operation.
    FileAction {
        /// What it changes: an input, or inputs + n for the result of action n; -1 for nothing yet.
        1 input: i64,
        /// What it copies from, counted alike; -1 for nothing.
        2 secondary_input: i64,
        /// Which output of the operation; -1 for none.
        3 output: i64,
        ;
        /// What it does.
        action: Action
    }
}

oneof! {
    /// What a file operation does.
    Action {
        /// Copies.
        4 Copy(FileActionCopy),
        /// Makes a file.
        5 MkFile(FileActionMkFile),
        /// Makes a directory.
        6 MkDir(FileActionMkDir),
        /// Removes.
        7 Rm(FileActionRm),
        /// Makes a symbolic link.
        8 Symlink(FileActionSymlink),
    }
}

message! {
    /// A copy.
    FileActionCopy {
        /// From where.
        1 src: String,
        /// To where.
        2 dest: String,
        /// New owner.
        3 owner: Option<ChownOpt>,
        /// New permission bits; -1 keeps them.
        4 mode: i32,
        /// Whether links in `src` are followed.
        5 follow_symlink: bool,
        /// Whether a directory's content is copied instead of itself.
        6 dir_copy_contents: bool,
        /// Whether an archive is unpacked.
        7 attempt_unpack: bool,
        /// Whether directories above `dest` are made.
        8 create_dest_path: bool,
        /// Whether `src` may be a pattern.
        9 allow_wildcard: bool,
        /// Whether the pattern may match nothing.
        10 allow_empty_wildcard: bool,
        /// New time in nanoseconds; -1 keeps it.
        11 timestamp: i64,
        /// Only what matches one of these.
        12 include_patterns: Vec<String>,
        /// Not what matches one of these.
        13 exclude_patterns: Vec<String>,
        /// Whether a file may replace a directory and the reverse.
        14 always_replace_existing_dest_paths: bool,
        /// Permission bits in symbolic form.
        15 mode_str: String,
        /// Paths that must be among what is copied.
        16 required_paths: Vec<String>,
    }
}

message! {
    /// A new file.
    FileActionMkFile {
        /// Where.
        1 path: String,
        /// Permission bits.
        2 mode: i32,
        /// Content.
        3 data: Bytes,
        /// Owner.
        4 owner: Option<ChownOpt>,
        /// Time in nanoseconds; -1 for now.
        5 timestamp: i64,
    }
}

message! {
    /// A new symbolic link.
    FileActionSymlink {
        /// What it points to.
        1 oldpath: String,
        /// Where it is.
        2 newpath: String,
        /// Owner.
        3 owner: Option<ChownOpt>,
        /// Time in nanoseconds; -1 for now.
        4 timestamp: i64,
    }
}

message! {
    /// A new directory.
    FileActionMkDir {
        /// Where.
        1 path: String,
        /// Permission bits.
        2 mode: i32,
        /// Whether directories above are made.
        3 make_parents: bool,
        /// Owner.
        4 owner: Option<ChownOpt>,
        /// Time in nanoseconds; -1 for now.
        5 timestamp: i64,
    }
}

message! {
    /// A removal.
    FileActionRm {
        /// What.
        1 path: String,
        /// Whether it may be missing.
        2 allow_not_found: bool,
        /// Whether it may be a pattern.
        3 allow_wildcard: bool,
    }
}

message! {
    /// Owner and group.
    ChownOpt {
        /// Owner.
        1 user: Option<UserOpt>,
        /// Group.
        2 group: Option<UserOpt>,
    }
}

message! {
    /// An owner or a group.
    UserOpt {
        ;
        /// By name or number.
        user: User
    }
}

oneof! {
    /// An owner or a group.
    User {
        /// By name, looked up in an input's `/etc/passwd` or `/etc/group`.
        1 ByName(NamedUserOpt),
        /// By number.
        2 ById(u32),
    }
}

message! {
    /// A name and where it is looked up.
    NamedUserOpt {
        /// The name.
        1 name: String,
        /// The input, counted as in [`FileAction::input`].
        2 input: i64,
    }
}

message! {
    /// Results laid over each other.
    MergeOp {
        /// Which inputs, lowest first.
        1 inputs: Vec<MergeInput>,
    }
}

message! {
    /// One layer of a merge.
    MergeInput {
        /// Which input of the operation.
        1 input: i64,
    }
}

message! {
    /// What belongs to an operation but not to its id.
    OpMetadata {
        /// Whether the cache is not used.
        1 ignore_cache: bool,
        /// Texts; `llb.customname` is what the user sees.
        2 description: BTreeMap<String, String>,
        /// Whether it is exported to a cache.
        4 export_cache: Option<ExportCache>,
        /// What the daemon must be able to do; it checks that itself.
        5 caps: BTreeMap<String, bool>,
        /// Grouping in the progress display.
        6 progress_group: Option<ProgressGroup>,
        /// Resource limits of a command.
        7 linux_resources: Option<LinuxResources>,
    }
}

message! {
    /// Whether an operation is exported to a cache.
    ExportCache {
        /// Whether.
        1 value: bool,
    }
}

message! {
    /// Grouping in the progress display.
    ProgressGroup {
        /// The group's id.
        1 id: String,
        /// The group's name.
        2 name: String,
        /// Whether it counts only with others.
        3 weak: bool,
    }
}

message! {
    /// Resource limits of a command.
    LinuxResources {
        /// Bytes.
        1 memory: i64,
        /// Bytes.
        2 memory_swap: i64,
        /// Relative weight.
        3 cpu_shares: u64,
        /// Microseconds.
        4 cpu_period: u64,
        /// Microseconds.
        5 cpu_quota: i64,
        /// For example `0-3`.
        6 cpuset_cpus: String,
        /// For example `0,1`.
        7 cpuset_mems: String,
    }
}

message! {
    /// A graph as it is sent; [`crate::llb::Definition`] is the form to work with.
    WireDefinition {
        /// The operations, each a marshalled [`Op`]; the last one is the terminal.
        1 def: Vec<Bytes>,
        /// By operation id.
        2 metadata: BTreeMap<String, OpMetadata>,
        /// Where the operations come from.
        3 source: Option<Source>,
    }
}

message! {
    /// Where operations come from.
    Source {
        /// By operation id.
        1 locations: BTreeMap<String, Locations>,
        /// The files.
        2 infos: Vec<SourceInfo>,
    }
}

message! {
    /// Places of one operation.
    Locations {
        /// The places.
        1 locations: Vec<Location>,
    }
}

message! {
    /// A file that operations come from.
    SourceInfo {
        /// Its name.
        1 filename: String,
        /// Its bytes.
        2 data: Bytes,
        /// The graph that fetched it, a marshalled definition.
        3 definition: Option<Bytes>,
        /// For example `Dockerfile`.
        4 language: String,
    }
}

message! {
    /// Places in one file.
    Location {
        /// Which file.
        1 source_index: i32,
        /// Where in it.
        2 ranges: Vec<Range>,
    }
}

message! {
    /// Lines from `start` to `end`, both included.
    Range {
        /// First.
        1 start: Option<Position>,
        /// Last.
        2 end: Option<Position>,
    }
}

message! {
    /// A place in a file.
    Position {
        /// Line, counted from 1.
        1 line: i32,
        /// Character, counted from 0.
        2 character: i32,
    }
}
