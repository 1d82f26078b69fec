//! Streams that are read by one task and written by another.

use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

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

impl Duplex for TlsStream<TcpStream> {
    type Reader = ReadHalf<Self>;
    type Writer = WriteHalf<Self>;

    fn into_halves(self) -> (Self::Reader, Self::Writer) {
        split(self)
    }
}
