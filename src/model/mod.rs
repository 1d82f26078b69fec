//! The words that every other part shares: names, messages, typed arguments, errors, time.
//!
//! Nothing here knows sockets, tasks, files or clocks; everything is plain data that the queue core and the router
//! can be driven with in a test.

pub mod argument;

mod by_bound;
mod clock;
mod confirm;
mod error;
mod field;
mod field_codec;
mod message;
mod name;
mod properties;
mod seldom;
pub mod varint;
mod window;

pub use by_bound::{CountsByBound, SharedCountsByBound};
pub use clock::{Clock, ManualClock, Millis};
pub use confirm::{ConfirmSink, ConfirmTicket};
pub use error::{AmqpError, ErrorScope, Method, ReplyCode};
pub use field::{FieldTable, FieldValue};
pub use field_codec::{MAX_TABLE_DEPTH, TableError, decode_table, encode_table, skip_value};
pub use message::Message;
pub use name::Name;
pub use properties::{Properties, PropertiesView, PropertyError};
pub use seldom::{Blank, Seldom};
pub use window::ChannelWindow;

#[cfg(test)]
mod tests;
