//! Reading: one large buffer a thread, handed to the session in place.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::session::{Next, Session};

/// Bytes that one read may take. Large enough that a busy connection pays few system calls; the threads of the runtime
/// share one buffer each, so an idle connection holds none.
const BUFFER_BYTES: usize = 256 * 1024;

/// Bytes in one read that make a connection a busy one.
const BUSY_BYTES: usize = 16 * 1024;

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// What one read brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Bytes, and what the session wants next.
    Some(Next),
    /// The peer has closed.
    End,
}

/// Reads for one session. Between reads it keeps only the start of a frame that was cut off.
#[derive(Debug, Default)]
pub struct Reader {
    rest: Vec<u8>,
    /// The session left the rest because its client has to read first, or a login to be checked: it is handled before
    /// more is read.
    is_left: bool,
    /// Bytes of the last read.
    last_len: usize,
}

impl Reader {
    /// Whether the last read brought so much that others should have their turn before the next: the runtime lets a
    /// task go on for as long as there is something to read, and whoever was woken by it waits behind it.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.last_len >= BUSY_BYTES
    }

    /// Reads once and has the session handle it.
    pub async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin), session: &mut Session) -> io::Result<Read> {
        poll_fn(|context| self.poll(context, stream, session)).await
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
        session: &mut Session,
    ) -> Poll<io::Result<Read>> {
        if self.is_left {
            return Poll::Ready(Ok(Read::Some(self.handle_rest(session))));
        }
        let mut buffer = BUFFER.take();
        let wanted = self.rest.len() + BUFFER_BYTES;
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        let kept = self.rest.len();
        let result = {
            let mut space = ReadBuf::new(&mut buffer[kept..]);
            ready_or_back(Pin::new(stream).poll_read(context, &mut space), &space)
        };
        let outcome = match result {
            Poll::Ready(Ok(0)) => Poll::Ready(Ok(Read::End)),
            Poll::Ready(Ok(length)) => {
                buffer[..kept].copy_from_slice(&self.rest);
                self.last_len = length;
                let filled = &buffer[..kept + length];
                let (consumed, next) = session.input(filled);
                self.keep(&filled[consumed..]);
                self.is_left = session.is_full() || next == Next::LogIn;
                Poll::Ready(Ok(Read::Some(next)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        if buffer.len() <= 2 * BUFFER_BYTES {
            BUFFER.set(buffer);
        }
        outcome
    }

    fn handle_rest(&mut self, session: &mut Session) -> Next {
        let rest = std::mem::take(&mut self.rest);
        let (consumed, next) = session.input(&rest);
        self.rest.extend_from_slice(&rest[consumed..]);
        self.is_left = session.is_full() || next == Next::LogIn;
        next
    }

    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() {
            self.rest = Vec::new();
            return;
        }
        // The rest lies in the thread's buffer, never in our own.
        self.rest.clear();
        self.rest.extend_from_slice(rest);
    }
}

fn ready_or_back(poll: Poll<io::Result<()>>, space: &ReadBuf<'_>) -> Poll<io::Result<usize>> {
    ready!(poll)?;
    Poll::Ready(Ok(space.filled().len()))
}
