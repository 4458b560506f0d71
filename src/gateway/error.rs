//! What can go wrong in a call.

use std::{io, time::Duration};

use prost::Message;

use super::{
    caps::Unsupported,
    proto::{Detail, Status},
};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The daemon answered with an error.
    #[error("{0}")]
    Status(Status),
    /// The daemon didn't answer in time. The call is cancelled.
    #[error("BuildKit did not answer {call} within {} s", .after.as_secs_f32())]
    Deadline {
        /// Which call.
        call: &'static str,
        /// The deadline.
        after: Duration,
    },
    /// The request is larger than the daemon takes. Nothing was sent.
    #[error("the request {call} has {size} bytes; this BuildKit takes at most {limit}")]
    TooLarge {
        /// Which call.
        call: &'static str,
        /// In bytes.
        size: usize,
        /// In bytes.
        limit: usize,
    },
    /// The connection failed, or what came over it is not the protocol.
    #[error("the connection to BuildKit failed during {call}: {reason}")]
    Connection {
        /// Which call.
        call: &'static str,
        /// As HTTP/2 and gRPC put it.
        reason: String,
    },
    /// There is no connection to begin with.
    #[error("cannot use standard input and output to talk to BuildKit")]
    Connect(#[source] io::Error),
    /// The daemon's answer makes no sense.
    #[error("BuildKit's answer to {call} cannot be used: {reason}")]
    Answer {
        /// Which call.
        call: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is larger than the caller takes.
    #[error("{path} is larger than {limit} bytes")]
    FileTooLarge {
        /// Which file.
        path: String,
        /// In bytes.
        limit: usize,
    },
    /// The daemon can't do this.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}

impl Error {
    /// The daemon's own words, if it is the daemon that refused.
    #[must_use]
    pub fn status(&self) -> Option<&Status> {
        match self {
            Self::Status(status) => Some(status),
            _ => None,
        }
    }

    /// What to return for this error: the daemon's status as it came, or a new one that says it in words.
    #[must_use]
    pub fn into_status(self) -> Status {
        match self {
            Self::Status(status) => status,
            Self::Connect(source) => Status::new(format!("cannot talk to BuildKit: {source}")),
            other => Status::new(other.to_string()),
        }
    }

    /// Whether the daemon says that a path does not exist, in answer to a read or stat.
    #[must_use]
    pub fn is_no_such_file(&self) -> bool {
        // There is no code for it: Go's text for a failed open(2) or lstat(2) is all that comes. The start tells it from
        // the failure of a step that would make the file.
        self.status().is_some_and(|Status { message, .. }| {
            (message.starts_with("open ") || message.starts_with("lstat "))
                && message.ends_with(": no such file or directory")
        })
    }

    /// What gRPC made of a failed call.
    pub(super) fn from_grpc(call: &'static str, grpc: &tonic::Status) -> Self {
        // A status that the daemon sent has no source: only a failure on this side has one.
        if let Some(mut source) = std::error::Error::source(grpc) {
            let mut reason = source.to_string();
            while let Some(inner) = source.source() {
                reason.push_str(": ");
                reason.push_str(&inner.to_string());
                source = inner;
            }
            return Self::Connection { call, reason };
        }
        Self::Status(status(grpc))
    }
}

fn status(grpc: &tonic::Status) -> Status {
    let code = i32::from(grpc.code());
    let details: Vec<Detail> = match Status::decode(grpc.details()) {
        // The header is what counts, as in Go: a status of another code is somebody else's.
        Ok(full) if full.code == code => full.details,
        _ => Vec::new(),
    };
    Status {
        code,
        message: grpc.message().to_owned(),
        details,
    }
}
