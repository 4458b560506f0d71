//! Commands.

use crate::llb::wire::{Budget, Field, Message, Packed, Problem, Scalar, Value, WireError};

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
