//! The calls.

use std::{collections::BTreeMap, future::Future, os::fd::OwnedFd, time::Duration};

use prost::Message;
use tonic::{Request, Response, transport::Channel};

use super::{
    caps::{Capabilities, Capability},
    connect,
    error::Error,
    proto::{self, Platform, Ref, Stat, Status, WarnRequest, llb_bridge_client::LlbBridgeClient},
    result::{BuildResult, SolveRequest},
    source::{ImageConfig, Layout, ResolveMode, SourceMeta, SourceQuery},
};

type Bridge = LlbBridgeClient<Channel>;

/// How long the daemon may take to answer the very first call; as in BuildKit's own client.
const PING: Duration = Duration::from_secs(15);

/// The largest answer that is read. Daemons send up to 16 MiB, those before v0.14 any size.
const MAX_ANSWER: usize = 64 << 20;

/// How much of a file one call reads: less than any daemon's or client's limit, and all of nearly every Dockerfile.
const CHUNK: usize = 2 << 20;

/// A connection to the daemon, for one build.
///
/// Every call takes the time that it may last. A call that is not answered in time, or whose future is dropped, is
/// cancelled at the daemon.
#[derive(Debug)]
pub struct Client {
    bridge: Bridge,
    capabilities: Capabilities,
}

/// The daemon has the outcome. The process must end at once, and with exit status 0 even if the outcome is an error: the
/// daemon waits for it, and its exit status would replace a success. Call [`std::process::exit`], because
/// returning from `main` may wait for threads that read from the daemon.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the process must end now"]
pub struct Ended(());

impl Client {
    /// Connects over standard input and output, and asks what the daemon can do.
    ///
    /// # Errors
    /// If they are no pipes or sockets, or the daemon does not answer within 15 seconds.
    pub async fn connect_stdio() -> Result<Self, Error> {
        let (read, write) = connect::stdio().map_err(Error::Connect)?;
        Self::connect(read, write).await
    }

    /// Connects over two file descriptors, each a pipe or a stream socket, and asks what the daemon can do.
    ///
    /// # Errors
    /// If they are neither, or the daemon does not answer within 15 seconds.
    pub async fn connect(read: OwnedFd, write: OwnedFd) -> Result<Self, Error> {
        Self::connect_within(read, write, PING).await
    }

    pub(super) async fn connect_within(
        read: OwnedFd,
        write: OwnedFd,
        deadline: Duration,
    ) -> Result<Self, Error> {
        let channel = connect::connect(read, write)
            .await
            .map_err(Error::Connect)?;
        let bridge = Bridge::new(channel).max_decoding_message_size(MAX_ANSWER);
        let request = Request::new(proto::PingRequest {});
        let mut first = bridge.clone();
        let pong = within("Ping", deadline, async move { first.ping(request).await }).await?;
        Ok(Self {
            bridge,
            capabilities: Capabilities::from_pong(pong),
        })
    }

    /// What the daemon can do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn call<Q, A, F>(
        &self,
        call: &'static str,
        deadline: Duration,
        request: Q,
        send: impl FnOnce(Bridge, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        Q: Message,
        F: Future<Output = Result<Response<A>, tonic::Status>>,
    {
        let (size, limit) = (request.encoded_len(), self.capabilities.max_request());
        if size > limit {
            return Err(Error::TooLarge { call, size, limit });
        }
        within(
            call,
            deadline,
            send(self.bridge.clone(), Request::new(request)),
        )
        .await
    }

    /// Solves a definition, or has a frontend make one. Nothing runs yet, unless the request says so.
    ///
    /// # Errors
    /// See [`Error`]. Errors in the Dockerfile come as [`Error::Status`] with sources. A result whose references lack
    /// their definition is an error, too.
    pub async fn solve(
        &self,
        request: SolveRequest,
        deadline: Duration,
    ) -> Result<BuildResult, Error> {
        let request = request.into_proto();
        let reply = self
            .call("Solve", deadline, request, |mut b, q| async move {
                b.solve(q).await
            })
            .await?;
        BuildResult::from_proto(reply.result)
    }

    /// Resolves an image reference. `log_name` is what the progress display says meanwhile, if not empty.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resolve_image_config(
        &self,
        reference: &str,
        platform: Option<Platform>,
        mode: ResolveMode,
        log_name: &str,
        deadline: Duration,
    ) -> Result<ImageConfig, Error> {
        let request = ImageConfig::request(reference, platform, mode, log_name);
        let send = |mut b: Bridge, q| async move { b.resolve_image_config(q).await };
        ImageConfig::from_proto(
            self.call("ResolveImageConfig", deadline, request, send)
                .await?,
        )
    }

    /// Resolves an image in an OCI layout of the client. `reference` names its digest.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn resolve_layout_config(
        &self,
        reference: &str,
        platform: Option<Platform>,
        layout: &Layout,
        log_name: &str,
        deadline: Duration,
    ) -> Result<ImageConfig, Error> {
        let request = ImageConfig::layout_request(reference, platform, layout, log_name);
        let send = |mut b: Bridge, q| async move { b.resolve_image_config(q).await };
        ImageConfig::from_proto(
            self.call("ResolveImageConfig", deadline, request, send)
                .await?,
        )
    }

    /// Resolves any source.
    ///
    /// # Errors
    /// See [`Error`]. [`Error::Unsupported`] for images before BuildKit v0.13, for others before v0.26.
    pub async fn resolve_source_meta(
        &self,
        query: SourceQuery,
        deadline: Duration,
    ) -> Result<SourceMeta, Error> {
        self.capabilities.require(Capability::SOURCE_META)?;
        if !query.is_image() {
            self.capabilities
                .require(Capability::SOURCE_META_GIT_HTTP)?;
        }
        let send = |mut b: Bridge, q| async move { b.resolve_source_meta(q).await };
        SourceMeta::from_proto(
            self.call("ResolveSourceMeta", deadline, query.into_proto(), send)
                .await?,
        )
    }

    /// Reads a part of a regular file: less than `length` bytes only where the file ends.
    ///
    /// # Errors
    /// See [`Error`], and [`Error::is_no_such_file`].
    pub async fn read_file_range(
        &self,
        of: &Ref,
        path: &str,
        offset: usize,
        length: usize,
        deadline: Duration,
    ) -> Result<Vec<u8>, Error> {
        const CALL: &str = "ReadFile";
        let signed = |number: usize| {
            i64::try_from(number).map_err(|_| Error::FileTooLarge {
                path: path.to_owned(),
                limit: usize::MAX,
            })
        };
        let range = Some(proto::FileRange {
            offset: signed(offset)?,
            length: signed(length)?,
        });
        let request = proto::ReadFileRequest {
            r#ref: of.id.clone(),
            path: path.to_owned(),
            range,
        };
        let reply = self
            .call(CALL, deadline, request, |mut b, q| async move {
                b.read_file(q).await
            })
            .await?;
        if reply.data.len() > length {
            return Err(Error::Answer {
                call: CALL,
                reason: format!("more of {path} than was asked for"),
            });
        }
        Ok(reply.data)
    }

    /// Reads a regular file of at most `max` bytes. The deadline is for all of it.
    ///
    /// # Errors
    /// See [`Error`], and [`Error::is_no_such_file`].
    pub async fn read_file(
        &self,
        of: &Ref,
        path: &str,
        max: usize,
        deadline: Duration,
    ) -> Result<Vec<u8>, Error> {
        let read = async {
            let mut data = Vec::new();
            loop {
                // One byte more than allowed shows that the file has more.
                let length = max.saturating_sub(data.len()).saturating_add(1).min(CHUNK);
                let part = self
                    .read_file_range(of, path, data.len(), length, deadline)
                    .await?;
                data.extend_from_slice(&part);
                if data.len() > max {
                    return Err(Error::FileTooLarge {
                        path: path.to_owned(),
                        limit: max,
                    });
                }
                if part.len() < length {
                    return Ok(data);
                }
            }
        };
        match tokio::time::timeout(deadline, read).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Deadline {
                call: "ReadFile",
                after: deadline,
            }),
        }
    }

    /// Lists a directory; `include` is a pattern for its entries, or empty for all.
    ///
    /// # Errors
    /// See [`Error`], and [`Error::is_no_such_file`].
    pub async fn read_dir(
        &self,
        of: &Ref,
        path: &str,
        include: &str,
        deadline: Duration,
    ) -> Result<Vec<Stat>, Error> {
        let request = proto::ReadDirRequest {
            r#ref: of.id.clone(),
            path: path.to_owned(),
            include_pattern: include.to_owned(),
        };
        let reply = self
            .call("ReadDir", deadline, request, |mut b, q| async move {
                b.read_dir(q).await
            })
            .await?;
        Ok(reply.entries)
    }

    /// Describes a path.
    ///
    /// # Errors
    /// See [`Error`], and [`Error::is_no_such_file`].
    pub async fn stat_file(&self, of: &Ref, path: &str, deadline: Duration) -> Result<Stat, Error> {
        const CALL: &str = "StatFile";
        let request = proto::StatFileRequest {
            r#ref: of.id.clone(),
            path: path.to_owned(),
        };
        let reply = self
            .call(CALL, deadline, request, |mut b, q| async move {
                b.stat_file(q).await
            })
            .await?;
        reply.stat.ok_or_else(|| Error::Answer {
            call: CALL,
            reason: "it is empty".to_owned(),
        })
    }

    /// Builds a result now. The errors of its steps come here and not to the user, with all their details.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn evaluate(&self, of: &Ref, deadline: Duration) -> Result<(), Error> {
        if of.is_scratch() {
            return Ok(());
        }
        let request = proto::EvaluateRequest {
            r#ref: of.id.clone(),
        };
        self.call("Evaluate", deadline, request, |mut b, q| async move {
            b.evaluate(q).await
        })
        .await?;
        Ok(())
    }

    /// The definitions that the client passed along, by name; each an encoded `pb.Definition`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn inputs(&self, deadline: Duration) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let request = proto::InputsRequest {};
        let reply = self
            .call("Inputs", deadline, request, |mut b, q| async move {
                b.inputs(q).await
            })
            .await?;
        Ok(reply.definitions)
    }

    /// Shows the user a warning.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn warn(&self, warning: WarnRequest, deadline: Duration) -> Result<(), Error> {
        self.call("Warn", deadline, warning, |mut b, q| async move {
            b.warn(q).await
        })
        .await?;
        Ok(())
    }

    /// Returns what was built. If the daemon doesn't take it, that is returned as the build's error.
    ///
    /// # Errors
    /// If the daemon took neither. The build fails then, but nobody can say why: print the error on standard error,
    /// which is the daemon's log, and exit with a status other than 0.
    pub async fn return_result(
        self,
        result: BuildResult,
        deadline: Duration,
    ) -> Result<Ended, Error> {
        let request = proto::ReturnRequest {
            result: Some(result.into_proto()),
            error: None,
        };
        match self.send_outcome(request, deadline).await {
            Err(error @ (Error::Status(_) | Error::TooLarge { .. })) => {
                self.return_error(error.into_status(), deadline).await
            }
            outcome => outcome,
        }
    }

    /// Returns why nothing was built. Details that don't fit into a request are left out.
    ///
    /// # Errors
    /// If the daemon didn't take it. The build fails then, but nobody can say why: print the error on standard error,
    /// which is the daemon's log, and exit with a status other than 0.
    pub async fn return_error(self, status: Status, deadline: Duration) -> Result<Ended, Error> {
        // The request has a few bytes around the status.
        let status = status
            .into_failure()
            .bounded(self.capabilities.max_request().saturating_sub(64));
        let request = proto::ReturnRequest {
            result: None,
            error: Some(status),
        };
        self.send_outcome(request, deadline).await
    }

    async fn send_outcome(
        &self,
        request: proto::ReturnRequest,
        deadline: Duration,
    ) -> Result<Ended, Error> {
        self.call("Return", deadline, request, |mut b, q| async move {
            b.r#return(q).await
        })
        .await?;
        Ok(Ended(()))
    }
}

async fn within<A>(
    call: &'static str,
    deadline: Duration,
    answer: impl Future<Output = Result<Response<A>, tonic::Status>>,
) -> Result<A, Error> {
    match tokio::time::timeout(deadline, answer).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) => Err(Error::from_grpc(call, &status)),
        Err(_) => Err(Error::Deadline {
            call,
            after: deadline,
        }),
    }
}
