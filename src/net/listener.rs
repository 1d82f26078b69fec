//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;

use super::connection::{Connections, Transport, serve};

/// Sockets that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How long accepting pauses when the process is out of file descriptors: others may close meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens a listening socket. Port 0 takes a free port.
///
/// # Errors
/// What the system says, e.g. that the address is in use.
pub fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Connections {
    /// Accepts AMQP connections for as long as the broker runs.
    pub async fn accept(self: Arc<Self>, listener: TcpListener) {
        self.accept_all(listener, Transport::Plain).await;
    }

    /// The same over TLS, where the settings have it.
    pub async fn accept_tls(self: Arc<Self>, listener: TcpListener) {
        self.accept_all(listener, Transport::Tls).await;
    }

    async fn accept_all(self: Arc<Self>, listener: TcpListener, transport: Transport) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // Small frames must not wait for an acknowledgement of earlier ones.
                    let _ = stream.set_nodelay(true);
                    let connections = Arc::clone(&self);
                    tokio::spawn(async move { serve(connections, stream, peer, transport).await });
                }
                Err(error) if is_about_one_connection(&error) => {
                    tracing::debug!(%error, "a connection ended before it was accepted");
                }
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection; is the limit of open files too low?");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
