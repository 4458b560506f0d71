//! What the daemon can do, and whether that is enough.
//!
//! The versions are the first minor release whose capability list has the identifier, read from
//! `frontend/gateway/pb/caps.go` and `solver/pb/caps.go` at each of moby/buildkit's tags v0.8.0 to v0.32.0.

use std::collections::BTreeSet;

use super::{
    proto::{ApiCap, PongResponse},
    session::Worker,
};

/// Which of the daemon's two lists a capability is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The gateway protocol.
    Frontend,
    /// LLB.
    Llb,
}

/// Something that a daemon can do from some version on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// Which list it is in.
    pub scope: Scope,
    /// BuildKit's identifier.
    pub id: &'static str,
    /// The first version of BuildKit that has it, such as `v0.22`.
    pub since: &'static str,
    /// What it lets a build do, for people.
    pub what: &'static str,
}

const fn frontend(id: &'static str, since: &'static str, what: &'static str) -> Capability {
    Capability {
        scope: Scope::Frontend,
        id,
        since,
        what,
    }
}

const fn llb(id: &'static str, since: &'static str, what: &'static str) -> Capability {
    Capability {
        scope: Scope::Llb,
        id,
        since,
        what,
    }
}

impl Capability {
    /// The oldest BuildKit that this program works with. Its capability is unrelated: it is the one that appeared
    /// with stable `ADD --checksum` and named contexts for the frontend itself.
    pub const BASELINE: Self = frontend(
        "gateway.exec.secretenv",
        "v0.12",
        "build with verified-dockerfile",
    );
    /// `ResolveSourceMeta` for images.
    pub const SOURCE_META: Self = frontend("source.metaresolver", "v0.13", "resolve sources");
    /// `ResolveSourceMeta` for git and http, which older daemons answer with an echo. It has no capability of its own
    /// and appeared together with git signatures.
    pub const SOURCE_META_GIT_HTTP: Self = llb(
        "source.git.signatureverify",
        "v0.26",
        "resolve git references and URLs without fetching them first",
    );
    /// Requests of up to 16 MiB instead of 4. It has no capability of its own and appeared together with this one.
    pub const LARGE_REQUESTS: Self = llb(
        "file.copy.alwaysreplaceexistingdestpaths",
        "v0.14",
        "send requests larger than 4 MiB",
    );
    /// `Evaluate`: builds a result before it is returned.
    pub const EVALUATE: Self = frontend("gateway.evaluate", "v0.11", "build before returning");
    /// Warnings for the user.
    pub const WARNINGS: Self = frontend("gateway.warnings", "v0.10", "show warnings");
    /// Checksum of a git source, so `ADD --checksum` of a repository.
    pub const GIT_CHECKSUM: Self = llb(
        "source.git.checksum",
        "v0.22",
        "check the checksum of a git source",
    );
    /// Git sources without their submodules.
    pub const GIT_SKIP_SUBMODULES: Self = llb(
        "source.git.skipsubmodules",
        "v0.24",
        "leave out git submodules",
    );
    /// Checksum of an http source.
    pub const HTTP_CHECKSUM: Self = llb(
        "source.http.checksum",
        "v0.8",
        "check the checksum of a URL",
    );
    /// Request headers of an http source.
    pub const HTTP_HEADER: Self = llb("source.http.header", "v0.21", "set headers for a URL");
    /// Checksum attribute of an image source.
    pub const IMAGE_CHECKSUM: Self = llb(
        "source.image.checksum",
        "v0.25",
        "check the manifest digest of an image",
    );
    /// A blob of a registry as a source.
    pub const IMAGE_BLOB: Self = llb("source.imageblob", "v0.28", "fetch a blob from a registry");
    /// An OCI layout of the client as a source; not in Docker's graph drivers.
    pub const OCI_LAYOUT: Self = llb(
        "source.ocilayout",
        "v0.11",
        "use an OCI layout of the client",
    );
    /// Merging file systems; not in Docker's graph drivers.
    pub const MERGE: Self = llb("mergeop", "v0.10", "merge file systems");
    /// Source policies.
    pub const SOURCE_POLICY: Self = llb("source.policy", "v0.11", "apply a source policy");
}

/// The capabilities that were in BuildKit before it could list them: what an empty list means. Frozen by BuildKit
/// (`defaultCaps`, `defaultLLBCaps` in `frontend/gateway/grpcclient/client.go`).
const DEFAULT_FRONTEND: &[&str] = &[
    "solve.base",
    "solve.inlinereturn",
    "resolveimage",
    "readfile",
];
const DEFAULT_LLB: &[&str] = &[
    "source.image",
    "source.local",
    "source.local.unique",
    "source.local.sessionid",
    "source.local.includepatterns",
    "source.local.followpaths",
    "source.local.excludepatterns",
    "source.local.sharedkeyhint",
    "source.git",
    "source.git.keepgitdir",
    "source.git.fullurl",
    "source.http",
    "source.http.checksum",
    "source.http.perm",
    "soruce.http.uidgid",
    "source.buildop.llbfilename",
    "exec.meta.base",
    "exec.meta.proxyenv",
    "exec.mount.bind",
    "exec.mount.cache",
    "exec.mount.cache.sharing",
    "exec.mount.selector",
    "exec.mount.tmpfs",
    "exec.mount.secret",
    "constraints",
    "platform",
    "meta.ignorecache",
    "meta.description",
    "meta.exportcache",
];

/// What a daemon can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    frontend: BTreeSet<String>,
    llb: BTreeSet<String>,
}

impl Capabilities {
    pub(super) fn from_pong(pong: PongResponse) -> Self {
        Self {
            frontend: enabled(pong.frontend_caps, DEFAULT_FRONTEND),
            llb: enabled(pong.llb_caps, DEFAULT_LLB),
        }
    }

    /// Whether the daemon knows `capability` and has it switched on.
    #[must_use]
    pub fn has(&self, capability: Capability) -> bool {
        match capability.scope {
            Scope::Frontend => self.frontend.contains(capability.id),
            Scope::Llb => self.llb.contains(capability.id),
        }
    }

    /// Like [`Capabilities::has`], as an error that names the version to upgrade to.
    ///
    /// # Errors
    /// If the daemon can't.
    pub fn require(&self, capability: Capability) -> Result<(), Unsupported> {
        if self.has(capability) {
            Ok(())
        } else {
            Err(Unsupported {
                capability,
                version: None,
            })
        }
    }

    /// How large a request may be, in bytes: more is refused by the daemon.
    #[must_use]
    pub fn max_request(&self) -> usize {
        if self.has(Capability::LARGE_REQUESTS) {
            16 << 20
        } else {
            4 << 20
        }
    }
}

fn enabled(caps: Vec<ApiCap>, default: &[&str]) -> BTreeSet<String> {
    if caps.is_empty() {
        return default.iter().map(|&id| id.to_owned()).collect();
    }
    let mut set = BTreeSet::new();
    for cap in caps {
        // The last entry counts, as it does where Go fills a map.
        if cap.enabled {
            set.insert(cap.id);
        } else {
            set.remove(&cap.id);
        }
    }
    set
}

/// The daemon can't do something that the build needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// What is missing.
    pub capability: Capability,
    /// The version that the daemon gives itself, if it does.
    pub version: Option<String>,
}

impl std::error::Error for Unsupported {}

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Capability {
            id, since, what, ..
        } = self.capability;
        write!(f, "this BuildKit")?;
        if let Some(version) = &self.version {
            write!(f, " ({version})")?;
        }
        write!(
            f,
            " cannot {what}: that needs BuildKit {since} or newer (capability {id}). "
        )?;
        write!(f, "Upgrade Docker Engine")?;
        if let Some(engine) = engine_with(since) {
            write!(f, " to {engine} or newer")?;
        }
        write!(
            f,
            ", or build with a newer BuildKit: docker buildx create --driver docker-container --use"
        )
    }
}

/// The first Docker Engine with a version of BuildKit, from the go.mod of moby/moby's tags.
fn engine_with(buildkit: &str) -> Option<&'static str> {
    Some(match buildkit {
        "v0.8" => "20.10",
        "v0.10" => "23.0",
        "v0.11" => "24.0",
        "v0.12" => "25.0",
        "v0.13" => "26.0",
        "v0.14" => "27.0",
        "v0.21" => "28.1",
        "v0.22" => "28.2",
        "v0.24" => "28.4",
        "v0.25" => "28.5",
        "v0.26" => "29.1",
        "v0.28" => "29.3",
        _ => return None,
    })
}

/// Whether the daemon is new enough for this program at all: BuildKit v0.12.
///
/// Capabilities decide; the workers only tell the version to name in the error.
///
/// # Errors
/// If it is older.
pub fn support(capabilities: &Capabilities, workers: &[Worker]) -> Result<(), Unsupported> {
    capabilities
        .require(Capability::BASELINE)
        .map_err(|unsupported| Unsupported {
            version: workers.iter().find_map(Worker::version).map(str::to_owned),
            ..unsupported
        })
}
