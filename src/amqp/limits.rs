//! What one connection may ask for.

use super::frame::DEFAULT_FRAME_MAX;
use crate::model::MAX_TABLE_DEPTH;

/// The server's side of the negotiation, and bounds on what a connection can make the broker hold.
///
/// Memory that one connection can pin here: for each open channel one unfinished message of at most
/// `message_max_bytes` and its properties (one frame), and nothing beyond the caller's read buffer otherwise. A read
/// buffer needs room for one frame that is no body frame: bodies are taken piece by piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireLimits {
    /// Channels open at a time, offered in `connection.tune`; 0 for no limit.
    pub channel_max: u16,
    /// Largest frame in bytes, its 8 bytes of framing included, offered in `connection.tune`; 0 for no limit (frames
    /// that are no body are then held to [`WireLimits::UNTUNED_FRAME_BYTES`]).
    pub frame_max_bytes: u32,
    /// Heartbeat interval offered in `connection.tune`, in seconds; the client's answer counts (RabbitMQ:
    /// "Heartbeats").
    pub heartbeat_s: u16,
    /// Largest frame in bytes until the client has answered `connection.tune`.
    pub frame_max_before_tune_bytes: u32,
    /// How many bytes a client may send until its `connection.open` was answered.
    pub bytes_before_open: usize,
    /// Largest body of a message in bytes. A larger one closes its channel with 406.
    pub message_max_bytes: u64,
    /// What field tables may hold.
    pub tables: TableLimits,
}

/// What a field table may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableLimits {
    /// How deep arrays and tables may be nested, the outermost table counted; more than 32 counts as 32.
    pub depth: usize,
    /// How many values a method's table may hold, nested ones included. A table of a frame's size with minimal entries
    /// would otherwise become some hundred times its size in memory. A message's headers are not decoded, and cost no
    /// more than their bytes.
    pub method_values: usize,
}

impl Default for TableLimits {
    fn default() -> Self {
        Self {
            depth: MAX_TABLE_DEPTH,
            method_values: 4096,
        }
    }
}

impl WireLimits {
    /// Bound on method and header frames where no `frame_max` was negotiated, in bytes.
    pub const UNTUNED_FRAME_BYTES: u32 = 1024 * 1024;
}

impl Default for WireLimits {
    /// RabbitMQ's defaults: 2,047 channels, frames of 128 KiB, heartbeats of 60 s, 8 KiB before tuning, 16 MiB bodies.
    fn default() -> Self {
        Self {
            channel_max: 2047,
            frame_max_bytes: DEFAULT_FRAME_MAX,
            heartbeat_s: 60,
            frame_max_before_tune_bytes: 8192,
            bytes_before_open: 64 * 1024,
            message_max_bytes: 16 * 1024 * 1024,
            tables: TableLimits::default(),
        }
    }
}
