//! Frames (AMQP 0-9-1, section 2.3.5): type, channel, size, payload, end octet.

use crate::model::AmqpError;

use super::fault;

/// `frame_max` that RabbitMQ offers, in bytes.
pub const DEFAULT_FRAME_MAX: u32 = 131_072;
/// The smallest `frame_max` that may be negotiated, in bytes (section 2.3.5; RabbitMQ up to 4.0).
pub const FRAME_MIN_SIZE: u32 = 4096;
/// Bytes of a frame that are not payload.
pub const FRAME_OVERHEAD: usize = 8;

pub(super) const METHOD: u8 = 1;
pub(super) const HEADER: u8 = 2;
pub(super) const BODY: u8 = 3;
pub(super) const HEARTBEAT: u8 = 8;
pub(super) const END: u8 = 0xCE;

/// Bytes before the payload.
pub(super) const HEAD_LEN: usize = 7;

/// The start of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub kind: u8,
    pub channel: u16,
    pub size: usize,
}

impl FrameHead {
    /// Reads it from the front of `input`; `None` where fewer than 7 bytes are there.
    #[inline]
    pub fn read(input: &[u8]) -> Option<Self> {
        let &[kind, c1, c0, s3, s2, s1, s0] = input.first_chunk::<HEAD_LEN>()?;
        Some(Self {
            kind,
            channel: u16::from_be_bytes([c1, c0]),
            size: u32::from_be_bytes([s3, s2, s1, s0]) as usize,
        })
    }

    /// Bytes of the whole frame.
    #[inline]
    pub fn frame_len(self) -> usize {
        self.size + FRAME_OVERHEAD
    }

    /// The payload, if the whole frame is at the front of `input`; checks the end octet.
    #[inline]
    pub fn payload(self, input: &[u8]) -> Result<Option<&[u8]>, AmqpError> {
        let Some(&end) = input.get(HEAD_LEN + self.size) else {
            return Ok(None);
        };
        let payload = &input[HEAD_LEN..HEAD_LEN + self.size];
        if end == END {
            Ok(Some(payload))
        } else {
            Err(fault::invalid_frame_end(self.kind, payload, end))
        }
    }

    /// Refuses a frame over `frame_max`; 8 bytes more are tolerated, as RabbitMQ does, because clients get it wrong.
    #[inline]
    pub fn check_size(self, frame_max: u32) -> Result<(), AmqpError> {
        let too_large = if frame_max == 0 {
            self.kind != BODY && self.size > super::WireLimits::UNTUNED_FRAME_BYTES as usize
        } else {
            self.size > frame_max as usize
        };
        if too_large {
            Err(fault::frame_too_large(self.kind, self.size, frame_max))
        } else {
            Ok(())
        }
    }
}
