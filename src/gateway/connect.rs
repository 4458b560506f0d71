//! The connection: HTTP/2 over two file descriptors, which can be used once.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::FileTypeExt, net::UnixStream as StdUnixStream},
    },
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{UnixStream, unix::pipe},
};
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// An error's details come in the trailers, with the whole Dockerfile in them, twice. HTTP/2 libraries allow 16 KiB by
/// default, and more than the limit ends the whole connection.
const MAX_HEADER_LIST: u32 = 16 << 20;

/// Duplicates of standard input and output.
pub(super) fn stdio() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok((
        io::stdin().as_fd().try_clone_to_owned()?,
        io::stdout().as_fd().try_clone_to_owned()?,
    ))
}

/// Connects over `read` and `write`, each a pipe or a stream socket. Nothing is waited for: a daemon that isn't there
/// shows at the first call.
pub(super) async fn connect(read: OwnedFd, write: OwnedFd) -> io::Result<Channel> {
    let mut once = Some(TokioIo::new(tokio::io::join(reader(read)?, writer(write)?)));
    Endpoint::from_static("http://localhost")
        .http2_max_header_list_size(MAX_HEADER_LIST)
        .connect_with_connector(service_fn(move |_: Uri| {
            std::future::ready(
                once.take()
                    .ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)),
            )
        }))
        .await
        .map_err(io::Error::other)
}

enum Kind {
    Pipe(OwnedFd),
    Socket(UnixStream),
}

fn kind(fd: OwnedFd, name: &str) -> io::Result<Kind> {
    let file = File::from(fd);
    let kind = file.metadata()?.file_type();
    if kind.is_fifo() {
        Ok(Kind::Pipe(file.into()))
    } else if kind.is_socket() {
        let socket = StdUnixStream::from(OwnedFd::from(file));
        socket.set_nonblocking(true)?;
        Ok(Kind::Socket(UnixStream::from_std(socket)?))
    } else {
        Err(io::Error::other(format!(
            "{name} is neither a pipe nor a socket, so BuildKit didn't start this process"
        )))
    }
}

fn reader(fd: OwnedFd) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
    Ok(match kind(fd, "standard input")? {
        Kind::Pipe(fd) => Box::new(pipe::Receiver::from_owned_fd(fd)?),
        Kind::Socket(socket) => Box::new(socket),
    })
}

fn writer(fd: OwnedFd) -> io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
    Ok(match kind(fd, "standard output")? {
        Kind::Pipe(fd) => Box::new(pipe::Sender::from_owned_fd(fd)?),
        Kind::Socket(socket) => Box::new(socket),
    })
}
