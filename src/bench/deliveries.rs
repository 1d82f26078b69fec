//! Deliveries decoded in place: deliver method, content header, body frames.

use super::error::ProtocolError;
use super::frames::{Fields, Frame};
use super::wire::{BODY, HEADER, HEARTBEAT, METHOD, Method};

/// What one frame completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    /// Nothing: there is more to come, or it was a heartbeat.
    Partial,
    /// A whole message.
    Delivered(Delivered),
    /// A method that is no delivery; its frame is the caller's to look at.
    Other(Method),
}

/// What the load generator wants to know of a delivered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Tag to acknowledge it with.
    pub delivery_tag: u64,
    /// The broker says that it was delivered before.
    pub redelivered: bool,
    /// The first eight body bytes as a number, where the body has as many: when it was to be
    /// sent, in nanoseconds of the load generator's clock.
    pub sent_ns: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Method,
    Header(Delivered),
    Body { message: Delivered, left: u64 },
}

/// Puts the frames of one channel's deliveries together, without keeping their bytes.
#[derive(Debug)]
pub struct DeliveryDecoder {
    state: State,
}

impl Default for DeliveryDecoder {
    fn default() -> Self {
        Self { state: State::Method }
    }
}

impl DeliveryDecoder {
    /// Takes the connection's next frame.
    ///
    /// # Errors
    /// A frame that cannot come in this state.
    #[inline]
    pub fn take(&mut self, frame: Frame<'_>) -> Result<Incoming, ProtocolError> {
        match (self.state, frame.kind) {
            (State::Method, METHOD) => self.method(frame.payload),
            (State::Header(message), HEADER) => self.header(message, frame.payload),
            (State::Body { message, left }, BODY) => self.body(message, left, frame.payload),
            (_, HEARTBEAT) => Ok(Incoming::Partial),
            (state, kind) => Err(ProtocolError::UnexpectedFrame {
                kind,
                state: match state {
                    State::Method => "a method was due",
                    State::Header(_) => "a content header was due",
                    State::Body { .. } => "a body frame was due",
                },
            }),
        }
    }

    #[inline]
    fn method(&mut self, payload: &[u8]) -> Result<Incoming, ProtocolError> {
        let mut fields = Fields(payload);
        let method = fields.method()?;
        if method != (60, 60) {
            return Ok(Incoming::Other(method));
        }
        fields.short_string()?;
        self.state = State::Header(Delivered {
            delivery_tag: fields.long_long()?,
            redelivered: fields.octet()? & 1 == 1,
            sent_ns: None,
        });
        Ok(Incoming::Partial)
    }

    #[inline]
    fn header(&mut self, message: Delivered, payload: &[u8]) -> Result<Incoming, ProtocolError> {
        let mut fields = Fields(payload);
        fields.octets::<4>()?;
        let left = fields.long_long()?;
        if left == 0 {
            self.state = State::Method;
            return Ok(Incoming::Delivered(message));
        }
        self.state = State::Body { message, left };
        Ok(Incoming::Partial)
    }

    #[inline]
    fn body(&mut self, mut message: Delivered, left: u64, payload: &[u8]) -> Result<Incoming, ProtocolError> {
        if message.sent_ns.is_none()
            && let Some(stamp) = payload.first_chunk::<8>()
        {
            message.sent_ns = Some(u64::from_be_bytes(*stamp));
        }
        let left = left
            .checked_sub(payload.len() as u64)
            .ok_or(ProtocolError::UnexpectedFrame {
                kind: BODY,
                state: "the body was complete",
            })?;
        if left == 0 {
            self.state = State::Method;
            return Ok(Incoming::Delivered(message));
        }
        self.state = State::Body { message, left };
        Ok(Incoming::Partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Frame<'_> {
        Frame {
            kind,
            channel: 1,
            payload,
        }
    }

    fn deliver(tag: u8, redelivered: bool) -> Vec<u8> {
        let mut payload = vec![0, 60, 0, 60, 2, b'c', b't', 0, 0, 0, 0, 0, 0, 0, tag];
        payload.extend_from_slice(&[u8::from(redelivered), 0, 1, b'k']);
        payload
    }

    fn header(size: u64) -> Vec<u8> {
        let mut payload = vec![0, 60, 0, 0];
        payload.extend_from_slice(&size.to_be_bytes());
        payload.extend_from_slice(&[0, 0]);
        payload
    }

    #[test]
    fn a_body_in_two_frames_with_a_heartbeat_between() {
        let mut decoder = DeliveryDecoder::default();
        let mut take = |kind, payload: &[u8]| decoder.take(frame(kind, payload)).unwrap();
        assert_eq!(take(METHOD, &deliver(7, true)), Incoming::Partial);
        assert_eq!(take(HEADER, &header(11)), Incoming::Partial);
        assert_eq!(take(BODY, &[0, 0, 0, 0, 0, 0, 1, 0, 9]), Incoming::Partial);
        assert_eq!(take(HEARTBEAT, &[]), Incoming::Partial);
        let done = Delivered {
            delivery_tag: 7,
            redelivered: true,
            sent_ns: Some(256),
        };
        assert_eq!(take(BODY, &[1, 2]), Incoming::Delivered(done));
    }

    #[test]
    fn an_empty_body_is_complete_with_its_header_and_a_short_one_has_no_stamp() {
        let mut decoder = DeliveryDecoder::default();
        for (tag, size) in [(1, 0), (2, 7)] {
            decoder.take(frame(METHOD, &deliver(tag, false))).unwrap();
            let mut last = decoder.take(frame(HEADER, &header(size))).unwrap();
            if size > 0 {
                last = decoder.take(frame(BODY, &[0; 7])).unwrap();
            }
            let Incoming::Delivered(message) = last else {
                panic!("{last:?}");
            };
            assert_eq!(message.delivery_tag, u64::from(tag));
            assert_eq!(message.sent_ns, None);
        }
    }

    #[test]
    fn frames_out_of_order_are_the_brokers_fault() {
        let mut decoder = DeliveryDecoder::default();
        assert!(decoder.take(frame(BODY, &[1])).is_err());
        assert_eq!(
            decoder.take(frame(METHOD, &[0, 20, 0, 40])),
            Ok(Incoming::Other((20, 40)))
        );
        decoder.take(frame(METHOD, &deliver(1, false))).unwrap();
        assert!(decoder.take(frame(METHOD, &deliver(2, false))).is_err());
        decoder.take(frame(HEADER, &header(1))).unwrap();
        assert!(decoder.take(frame(BODY, &[1, 2])).is_err(), "too long");
        assert_eq!(
            DeliveryDecoder::default().take(frame(METHOD, &[0, 60, 0, 60, 9])),
            Err(ProtocolError::Truncated)
        );
    }
}
