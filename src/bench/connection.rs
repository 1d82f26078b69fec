//! A blocking AMQP connection with one channel, without a client library.

use std::io::{ErrorKind, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::address::Address;
use super::error::{BenchError, ProtocolError};
use super::frames::{Fields, Frame, FrameBuffer};
use super::wire::{self, CHANNEL, FieldValue, METHOD, Method};

/// How long a read waits before the caller looks at what else there is to do.
const READ_TIMEOUT: Duration = Duration::from_millis(50);
/// How long a write waits for room before the caller reads: neither side may wait for ever.
const WRITE_TIMEOUT: Duration = Duration::from_millis(10);
/// How long a broker has to accept a TCP connection and to answer each step of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a broker has to answer a method: deleting a queue of millions takes its time.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// The frame size proposed, bytes; a broker that wants less gets less.
const FRAME_MAX: u32 = 131_072;

/// An open connection with channel 1 open.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    incoming: FrameBuffer,
    address: String,
    frame_max: u32,
}

/// How a read or a write ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// This many bytes moved.
    Bytes(usize),
    /// None in the time a read or write waits.
    TimedOut,
}

impl Connection {
    /// Connects, logs in (SASL PLAIN), opens the vhost and channel 1. Heartbeats are off.
    /// `buffer_bytes` is the size of a read.
    ///
    /// # Errors
    /// No connection, a refusal (with the broker's text), no answer in 10 s.
    pub fn open(address: &Address, buffer_bytes: usize) -> Result<Self, BenchError> {
        let stream = connect(address)?;
        let mut connection = Self {
            stream,
            incoming: FrameBuffer::new(buffer_bytes, FRAME_MAX),
            address: address.to_string(),
            frame_max: FRAME_MAX,
        };
        connection.send(b"AMQP\x00\x00\x09\x01")?;
        connection.wait_for((10, 10), HANDSHAKE_TIMEOUT)?;
        connection.cast(0, (10, 11), |out| start_ok(out, address))?;
        let tune = connection.wait_for((10, 30), HANDSHAKE_TIMEOUT)?;
        let mut tune = Fields(&tune);
        let channel_max = tune.short().map_err(|what| connection.broken(what))?;
        let frame_max = tune.long().map_err(|what| connection.broken(what))?;
        if frame_max >= 4096 {
            connection.frame_max = frame_max.min(FRAME_MAX);
        }
        let frame_max = connection.frame_max;
        connection.cast(0, (10, 31), |out| {
            out.extend_from_slice(&channel_max.to_be_bytes());
            out.extend_from_slice(&frame_max.to_be_bytes());
            out.extend_from_slice(&[0, 0]);
        })?;
        connection.cast(0, (10, 40), |out| {
            wire::short_string(out, &address.vhost);
            out.extend_from_slice(&[0, 0]);
        })?;
        connection.wait_for((10, 41), HANDSHAKE_TIMEOUT)?;
        connection.call((20, 10), (20, 11), |out| wire::short_string(out, ""))?;
        Ok(connection)
    }

    /// Frame size agreed, bytes, overhead included.
    pub fn frame_max(&self) -> u32 {
        self.frame_max
    }

    /// `host:port`, for errors.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends a method on channel 1 and waits for its answer, whose arguments it returns.
    ///
    /// # Errors
    /// A close by the broker, another method than `answer`, none in 60 s.
    pub fn call(
        &mut self,
        method: Method,
        answer: Method,
        arguments: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Vec<u8>, BenchError> {
        self.cast(CHANNEL, method, arguments)?;
        self.wait_for(answer, CALL_TIMEOUT)
    }

    /// Waits for `count` answers to methods sent together.
    ///
    /// # Errors
    /// As for [`Self::call`]; the 60 s count for each answer.
    pub fn wait_for_many(&mut self, answer: Method, count: usize) -> Result<(), BenchError> {
        for _ in 0..count {
            self.wait_for(answer, CALL_TIMEOUT)?;
        }
        Ok(())
    }

    /// Sends a method and waits for nothing.
    ///
    /// # Errors
    /// The socket's.
    pub fn cast(
        &mut self,
        channel: u16,
        method: Method,
        arguments: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), BenchError> {
        let mut frame = Vec::new();
        wire::method_frame(&mut frame, channel, method, arguments);
        self.send(&frame)
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// The socket's, or no room in 60 s.
    pub fn send(&mut self, mut bytes: &[u8]) -> Result<(), BenchError> {
        let deadline = Instant::now() + CALL_TIMEOUT;
        while !bytes.is_empty() {
            match self.write(bytes)? {
                Progress::Bytes(count) => bytes = &bytes[count..],
                Progress::TimedOut if Instant::now() < deadline => {}
                Progress::TimedOut => return Err(self.stalled("writing", CALL_TIMEOUT)),
            }
        }
        Ok(())
    }

    /// Writes once, waiting at most 10 ms for room.
    ///
    /// # Errors
    /// The socket's. Where the broker gave its reason before it hung up, that reason.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> Result<Progress, BenchError> {
        match self.stream.write(bytes) {
            Ok(count) => Ok(Progress::Bytes(count)),
            Err(error) if is_timeout(&error) => Ok(Progress::TimedOut),
            Err(source) => Err(self.reason_to_close().unwrap_or(BenchError::Socket {
                address: self.address.clone(),
                doing: "writing to",
                source,
            })),
        }
    }

    /// Reads once, waiting at most 50 ms for bytes.
    ///
    /// # Errors
    /// The socket's, or the end of the stream.
    #[inline]
    pub fn fill(&mut self) -> Result<Progress, BenchError> {
        match self.incoming.fill(&mut self.stream) {
            Ok(0) => Err(self.ended("the load ran")),
            Ok(count) => Ok(Progress::Bytes(count)),
            Err(error) if is_timeout(&error) => Ok(Progress::TimedOut),
            Err(source) => Err(BenchError::Socket {
                address: self.address.clone(),
                doing: "reading from",
                source,
            }),
        }
    }

    /// Reads once without waiting.
    ///
    /// # Errors
    /// As for [`Self::fill`].
    pub fn fill_at_once(&mut self) -> Result<Progress, BenchError> {
        let failed = |connection: &Self, source| BenchError::Socket {
            address: connection.address.clone(),
            doing: "reading from",
            source,
        };
        let switched = self.stream.set_nonblocking(true);
        switched.map_err(|source| failed(self, source))?;
        let filled = self.fill();
        let switched = self.stream.set_nonblocking(false);
        switched.map_err(|source| failed(self, source))?;
        filled
    }

    /// The next frame already read.
    ///
    /// # Errors
    /// A frame that is none.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, BenchError> {
        self.incoming.next_frame().map_err(|what| BenchError::Protocol {
            address: self.address.clone(),
            what,
        })
    }

    /// Closes the connection and waits for the broker to agree: it has then read all that was
    /// written before.
    ///
    /// # Errors
    /// The socket's, no answer in 60 s.
    pub fn close(&mut self) -> Result<(), BenchError> {
        self.cast(0, (10, 50), |out| {
            out.extend_from_slice(&200u16.to_be_bytes());
            wire::short_string(out, "bye");
            out.extend_from_slice(&[0; 4]);
        })?;
        let deadline = Instant::now() + CALL_TIMEOUT;
        loop {
            while let Some(frame) = self.next_frame()? {
                let closed = frame.kind == METHOD && frame.payload.starts_with(&[0, 10, 0, 51]);
                if closed {
                    return Ok(());
                }
            }
            if self.fill()? == Progress::TimedOut && Instant::now() > deadline {
                return Err(self.stalled("closing", CALL_TIMEOUT));
            }
        }
    }

    /// An error of this connection's broker.
    pub fn broken(&self, what: ProtocolError) -> BenchError {
        BenchError::Protocol {
            address: self.address.clone(),
            what,
        }
    }

    /// An error for no progress.
    pub fn stalled(&self, during: &str, waited: Duration) -> BenchError {
        BenchError::Stalled {
            address: self.address.clone(),
            during: during.to_owned(),
            waited,
        }
    }

    fn ended(&self, during: &str) -> BenchError {
        BenchError::Ended {
            address: self.address.clone(),
            during: during.to_owned(),
        }
    }

    fn wait_for(&mut self, answer: Method, patience: Duration) -> Result<Vec<u8>, BenchError> {
        let deadline = Instant::now() + patience;
        let during = || format!("method {}.{} was awaited", answer.0, answer.1);
        loop {
            let address = self.address.clone();
            while let Some(frame) = self.next_frame()? {
                if frame.kind != METHOD {
                    continue;
                }
                if let Some(arguments) = arguments_of(frame, answer) {
                    return Ok(arguments.to_vec());
                }
                unasked(&address, frame)?;
            }
            match self.fill() {
                Ok(Progress::TimedOut) if Instant::now() > deadline => {
                    return Err(self.stalled(&during(), patience));
                }
                Ok(_) => {}
                Err(BenchError::Ended { .. }) => return Err(self.ended(&during())),
                Err(error) => return Err(error),
            }
        }
    }

    /// After a failed write: the close that the broker may have sent before it hung up.
    fn reason_to_close(&mut self) -> Option<BenchError> {
        loop {
            let address = self.address.clone();
            while let Ok(Some(frame)) = self.next_frame() {
                if frame.kind == METHOD
                    && let Err(reason @ BenchError::Closed { .. }) = unasked(&address, frame)
                {
                    return Some(reason);
                }
            }
            if !matches!(self.incoming.fill(&mut self.stream), Ok(1..)) {
                return None;
            }
        }
    }
}

/// The arguments of a method frame, if it is that method.
fn arguments_of(frame: Frame<'_>, method: Method) -> Option<&[u8]> {
    let mut fields = Fields(frame.payload);
    (fields.method() == Ok(method)).then_some(fields.0)
}

/// What a method means that nobody asked for: a close or a cancel ends the load, a notice
/// (blocked, unblocked, flow) does not.
///
/// # Errors
/// The close with the broker's text, the cancel, or a method that may not come.
pub fn unasked(address: &str, frame: Frame<'_>) -> Result<(), BenchError> {
    let address = || address.to_owned();
    let broken = |what| BenchError::Protocol {
        address: address(),
        what,
    };
    let mut fields = Fields(frame.payload);
    let (class, method) = fields.method().map_err(broken)?;
    match (class, method) {
        (10, 50) | (20, 40) => Err(BenchError::Closed {
            address: address(),
            scope: if class == 10 { "connection" } else { "channel" },
            code: fields.short().map_err(broken)?,
            text: String::from_utf8_lossy(fields.short_string().map_err(broken)?).into_owned(),
        }),
        (60, 30) => Err(BenchError::Cancelled { address: address() }),
        (10, 60 | 61) | (20, 20) => Ok(()),
        _ => Err(broken(ProtocolError::UnexpectedMethod { class, method })),
    }
}

fn connect(address: &Address) -> Result<TcpStream, BenchError> {
    let failed = |source| BenchError::Connect {
        address: address.to_string(),
        source,
    };
    let places = (address.host.as_str(), address.port)
        .to_socket_addrs()
        .map_err(failed)?;
    let mut last = std::io::Error::new(ErrorKind::NotFound, "the host has no address");
    for place in places {
        match TcpStream::connect_timeout(&place, HANDSHAKE_TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(failed)?;
                let wait = Some(READ_TIMEOUT);
                stream.set_read_timeout(wait).map_err(failed)?;
                let wait = Some(WRITE_TIMEOUT);
                stream.set_write_timeout(wait).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

fn start_ok(out: &mut Vec<u8>, address: &Address) {
    let text = |name: &str, value: &str| (name.to_owned(), FieldValue::Text(value.to_owned()));
    let capability = |name: &str| (name.to_owned(), FieldValue::Boolean(true));
    // `authentication_failure_close` makes a broker say why it refuses a login.
    let capabilities = vec![
        capability("authentication_failure_close"),
        capability("basic.nack"),
        capability("consumer_cancel_notify"),
        capability("publisher_confirms"),
    ];
    wire::table(
        out,
        &[
            text("product", "warren bench"),
            text("version", env!("CARGO_PKG_VERSION")),
            ("capabilities".to_owned(), FieldValue::Table(capabilities)),
        ],
    );
    wire::short_string(out, "PLAIN");
    let login = format!("\0{}\0{}", address.user, address.password);
    wire::long_string(out, login.as_bytes());
    wire::short_string(out, "en_US");
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
