//! Streams that are read by one task and written by another.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A stream that comes apart. TCP does so by itself; others share a lock.
pub trait Duplex: Send + 'static {
    /// The side that is read.
    type Reader: AsyncRead + Unpin + Send;
    /// The side that is written.
    type Writer: AsyncWrite + Unpin + Send + 'static;

    /// Takes the stream apart.
    fn into_halves(self) -> (Self::Reader, Self::Writer);
}

impl Duplex for TcpStream {
    type Reader = tokio::net::tcp::OwnedReadHalf;
    type Writer = tokio::net::tcp::OwnedWriteHalf;

    fn into_halves(self) -> (Self::Reader, Self::Writer) {
        self.into_split()
    }
}
