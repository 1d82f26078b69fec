//! What stops a load.

use std::io;
use std::time::Duration;

/// Why a load could not run, or could not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Options that contradict each other or are out of range.
    #[error("{0}")]
    Options(String),
    /// The broker's host has no address or did not accept the connection.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// `host:port`.
        address: String,
        /// The operating system's reason.
        source: io::Error,
    },
    /// Reading or writing failed on an open connection.
    #[error("{doing} {address} failed: {source}")]
    Socket {
        /// `host:port`.
        address: String,
        /// `reading from` or `writing to`.
        doing: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The broker ended the TCP connection without an AMQP close.
    #[error("{address} ended the connection while {during}")]
    Ended {
        /// `host:port`.
        address: String,
        /// What was going on.
        during: String,
    },
    /// The broker closed the connection or the channel.
    #[error("{address} closed the {scope}: {code} {text}")]
    Closed {
        /// `host:port`.
        address: String,
        /// `connection` or `channel`.
        scope: &'static str,
        /// AMQP reply code.
        code: u16,
        /// The broker's reply text.
        text: String,
    },
    /// The broker cancelled a consumer.
    #[error("{address} cancelled a consumer (was its queue deleted?)")]
    Cancelled {
        /// `host:port`.
        address: String,
    },
    /// The broker sent something that AMQP 0-9-1 does not allow.
    #[error("{address} broke the protocol: {what}")]
    Protocol {
        /// `host:port`.
        address: String,
        /// What is wrong with it.
        what: ProtocolError,
    },
    /// No answer or no progress in the time given.
    #[error("{address} gave no sign of progress for {} s while {during}", waited.as_secs())]
    Stalled {
        /// `host:port`.
        address: String,
        /// What was waited for.
        during: String,
        /// How long.
        waited: Duration,
    },
    /// The process of `--pid` cannot be read.
    #[error("cannot read process {pid} in /proc: {source}")]
    Process {
        /// The number given.
        pid: u32,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A thread of the load generator could not be started or died.
    #[error("a thread of the load generator failed: {0}")]
    Thread(String),
}

/// Bytes from the broker that are not AMQP 0-9-1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Another broker or another protocol answers.
    #[error("it answered the AMQP 0-9-1 header with other bytes")]
    NotAmqp,
    /// A frame is longer than agreed.
    #[error("a frame of {size} bytes is over the agreed {limit}")]
    FrameSize {
        /// Payload size announced by the frame, bytes.
        size: u32,
        /// Largest payload agreed, bytes.
        limit: u32,
    },
    /// A frame does not end with 0xCE.
    #[error("a frame ends with {0:#04x} instead of 0xce")]
    FrameEnd(u8),
    /// A payload is shorter than its fields.
    #[error("a payload ends before its last field")]
    Truncated,
    /// A confirm for a message that is not outstanding.
    #[error("it confirmed delivery tag {0}, which is not outstanding")]
    Confirm(u64),
    /// A frame of a kind that cannot come here.
    #[error("frame type {kind} came while {state}")]
    UnexpectedFrame {
        /// Frame type octet.
        kind: u8,
        /// What was expected.
        state: &'static str,
    },
    /// A method that cannot come here.
    #[error("method {class}.{method} came unasked")]
    UnexpectedMethod {
        /// Class number.
        class: u16,
        /// Method number.
        method: u16,
    },
}
