//! The Debian suites whose engines we test against, and what is installed in their roots.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Error;

/// A Debian suite with a Docker engine in its archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// Debian stable of 2025: the oldest engine that is supported. Images are in a graph driver.
    Trixie,
    /// Debian testing: close to what most people run. Images are in containerd, so multi-platform builds and
    /// attestations can be exported.
    Forky,
}

const PACKAGES: &str = "busybox-static,ca-certificates,cosign,curl,docker-buildx,docker-cli,docker-registry,docker.io,\
                        git,gpg,iproute2,iptables,minisign";

impl Suite {
    /// All suites, the oldest first.
    pub const ALL: [Self; 2] = [Self::Trixie, Self::Forky];

    /// The name in the Debian archive.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trixie => "trixie",
            Self::Forky => "forky",
        }
    }

    /// A small number that is different for each suite.
    pub(crate) fn index(self) -> u8 {
        match self {
            Self::Trixie => 0,
            Self::Forky => 1,
        }
    }

    /// The packages of the root, separated by commas as debootstrap wants them.
    pub(crate) fn packages(self) -> String {
        match self {
            Self::Trixie => PACKAGES.to_owned(),
            Self::Forky => format!("{PACKAGES},notation,oras"),
        }
    }

    /// Whether images are kept in containerd instead of in a graph driver.
    pub(crate) fn containerd_store(self) -> bool {
        match self {
            Self::Trixie => false,
            Self::Forky => true,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Suite {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|suite| suite.name() == text)
            .ok_or_else(|| format!("unknown suite {text:?}; known are trixie and forky").into())
    }
}
