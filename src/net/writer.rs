//! Writing: empties a session's outbox into its socket, with few system calls.

use std::io::{self, IoSlice};
use std::sync::Arc;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::amqp::OutBuffer;
use crate::broker::{Aftermath, Broker};
use crate::session::Outbox;

/// Pieces that one write may gather.
const PIECES: usize = 64;

/// Writes until the outbox is closed and empty, or the socket fails.
pub async fn write(outbox: Arc<Outbox>, broker: Arc<Broker>, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let mut buffer = OutBuffer::new();
    loop {
        let last = outbox.take(&mut buffer);
        if buffer.is_empty() {
            if last {
                return stream.shutdown().await;
            }
            buffer.shrink();
            outbox.ready().await;
            continue;
        }
        write_all(stream, &mut buffer).await?;
        // TLS may hold back the last record; a plain socket has nothing to flush.
        stream.flush().await?;
        let paused = outbox.written();
        if !paused.is_empty() {
            let mut aftermath = Aftermath::default();
            let now = broker.now();
            for (queue, consumer) in paused {
                queue.resume(consumer, now, &mut aftermath);
            }
            broker.settle_aftermath(&mut aftermath);
        }
    }
}

async fn write_all(stream: &mut (impl AsyncWrite + Unpin), buffer: &mut OutBuffer) -> io::Result<()> {
    while !buffer.is_empty() {
        let mut slices = [IoSlice::new(&[]); PIECES];
        let count = buffer.io_slices(&mut slices);
        let written = stream.write_vectored(&slices[..count]).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        buffer.consume(written);
    }
    Ok(())
}
