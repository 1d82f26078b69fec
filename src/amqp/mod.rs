//! AMQP 0-9-1 as a server speaks it, without sockets, clocks or tasks.
//!
//! [`Connection`] is one connection's protocol state. It is pulled: [`Connection::next`] looks at the front of the
//! bytes that were read and gives one [`Event`] at a time; what a method means is the caller's business, and the
//! caller answers with [`Response`]s and [`encode`] into an [`OutBuffer`]. Confirms, transactions, consumers and
//! delivery tags are not known here.
//!
//! - A publish whose three frames lie together in the input is decoded where it lies, without allocation
//!   (`channel::publish`); acks, nacks, rejects and gets likewise.
//! - All other methods are checked field by field first (`arguments`, `table_scan`: iterative, so no input can
//!   exhaust the stack), then parsed by `amq_protocol`, and leave this folder as [`Request`].
//! - Whatever comes in costs no more memory than the limits say: see [`WireLimits`].
//! - Faults carry RabbitMQ's reply codes and texts (`fault`), because clients and people match on them.

mod arguments;
mod channel;
mod channel_table;
mod connection;
mod content;
mod content_frames;
pub mod encode;
mod event;
mod fault;
mod frame;
mod handshake;
mod limits;
mod out_buffer;
mod reader;
mod receive;
mod response;
mod table_convert;
mod table_scan;

pub use channel::Request;
pub use channel::settle::{ACK_LEN, ack_on};
pub use connection::{Connection, LoginRefusal};
pub use content::Publish;
pub use event::{ClientCapabilities, CloseReason, Event, Outcome, StartOk, Step};
pub use frame::{DEFAULT_FRAME_MAX, FRAME_MIN_SIZE, FRAME_OVERHEAD};
pub use limits::{TableLimits, WireLimits};
pub use out_buffer::{OutBuffer, SHARED_BODY_MIN};
pub use response::Response;

#[cfg(test)]
mod tests;
