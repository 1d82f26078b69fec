//! The pull parser: what the next bytes mean.

use crate::model::{AmqpError, Method};

use super::channel::publish::{self, InPlace};
use super::channel::{self, ChannelMethod, lifecycle, settle};
use super::channel_table::ChannelPhase;
use super::connection::{Connection, PartialFrame, Phase};
use super::content::PendingContent;
use super::event::{Event, Step};
use super::fault;
use super::frame::{BODY, FrameHead, HEAD_LEN, HEADER, HEARTBEAT, METHOD};
use super::handshake::{self, OLD_PROTOCOL_HEADER, PROTOCOL_HEADER};
use super::out_buffer::OutBuffer;
use super::response::Response;

/// `connection.close` with its longest text fits; longer methods on a closing connection are passed over unread.
const CLOSE_MAX: usize = 512;

/// What was found at the front of the input.
pub(super) enum Taken<'a> {
    /// Too little to tell.
    Short,
    /// This much, and nothing to tell.
    Silent(usize),
    Event(usize, Event<'a>),
}

/// What was found there of the methods that come with each message.
enum Hot<'a> {
    Whole(usize, Event<'a>),
    /// A small publish of which the rest is worth waiting for.
    Cut,
    /// Something else, or what must go the long way.
    Other,
}

impl Connection {
    /// Looks at the front of `input`: the next event and how many bytes it took, or that more bytes are needed.
    ///
    /// Call it again with what follows the consumed bytes, after the event was handled; bytes that were not consumed
    /// must come again. `out` gets the few answers that need nobody's decision, in their place between the caller's.
    ///
    /// # Errors
    /// A fault that ends the connection. No bytes were consumed: after [`Connection::fail`] the same bytes must come
    /// again, and their first frame is passed over.
    #[inline]
    pub fn next<'a>(&mut self, input: &'a [u8], out: &mut OutBuffer) -> Result<Step<'a>, AmqpError> {
        match self.hot(input) {
            Hot::Whole(consumed, event) => Ok(Step::Event { consumed, event }),
            Hot::Cut => Ok(Step::NeedMore),
            Hot::Other => self.next_slowly(input, out),
        }
    }

    #[inline]
    fn hot<'a>(&mut self, input: &'a [u8]) -> Hot<'a> {
        if self.phase != Phase::Running || self.partial.is_some() {
            return Hot::Other;
        }
        let Some(channel) = publish::channel_of(input).filter(|&number| self.channels.awaits_method(number)) else {
            return match settle::ack_in_place(input) {
                Some((channel, event)) if self.channels.awaits_method(channel) => Hot::Whole(settle::ACK_LEN, event),
                _ => Hot::Other,
            };
        };
        match publish::in_place(input, self.frame_max, &self.limits) {
            InPlace::Whole { consumed, publish } => Hot::Whole(consumed, Event::Publish { channel, publish }),
            InPlace::Cut => Hot::Cut,
            InPlace::Other => Hot::Other,
        }
    }

    /// For what [`Connection::hot`] has not found at the front.
    fn next_slowly<'a>(&mut self, input: &'a [u8], out: &mut OutBuffer) -> Result<Step<'a>, AmqpError> {
        let mut consumed = 0;
        loop {
            // What was passed over is reported before a fault, so that a fault always comes with nothing consumed.
            // It changes no state, and is found again with the next call.
            match self.take(&input[consumed..], out) {
                Ok(Taken::Event(length, event)) => {
                    return Ok(Step::Event {
                        consumed: consumed + length,
                        event,
                    });
                }
                Ok(Taken::Silent(length)) => consumed += length,
                Ok(Taken::Short) if consumed == 0 => return Ok(Step::NeedMore),
                Err(error) if consumed == 0 => {
                    self.at_faulty_frame = true;
                    return Err(error);
                }
                Ok(Taken::Short) | Err(_) => return Ok(Step::Skip { consumed }),
            }
            match self.hot(&input[consumed..]) {
                Hot::Whole(length, event) => {
                    return Ok(Step::Event {
                        consumed: consumed + length,
                        event,
                    });
                }
                Hot::Cut => return Ok(Step::Skip { consumed }),
                Hot::Other => {}
            }
        }
    }

    fn take<'a>(&mut self, input: &'a [u8], out: &mut OutBuffer) -> Result<Taken<'a>, AmqpError> {
        if input.is_empty() {
            return Ok(Taken::Short);
        }
        if self.phase == Phase::Done {
            return Ok(Taken::Silent(input.len()));
        }
        if let Some(partial) = self.partial {
            return self.go_on(partial, input);
        }
        match self.phase {
            Phase::Header => Ok(self.protocol_header(input, out)),
            Phase::StartPending | Phase::LoginPending | Phase::OpenPending => Ok(Taken::Short),
            Phase::Starting | Phase::Securing | Phase::Tuning | Phase::Opening => self.shaking_hands(input),
            Phase::Running => self.running(input, out),
            Phase::Closing | Phase::Done => Ok(self.closing(input, out)),
        }
    }

    fn protocol_header(&mut self, input: &[u8], out: &mut OutBuffer) -> Taken<'static> {
        let length = input.len().min(PROTOCOL_HEADER.len());
        let start = &input[..length];
        if *start != PROTOCOL_HEADER[..length] && *start != OLD_PROTOCOL_HEADER[..length] {
            self.end();
            out.bytes().extend_from_slice(&PROTOCOL_HEADER);
            return Taken::Event(input.len(), Event::BadHeader);
        }
        if length < PROTOCOL_HEADER.len() {
            return Taken::Short;
        }
        self.phase = Phase::StartPending;
        Taken::Event(length, Event::ProtocolHeader)
    }

    fn shaking_hands<'a>(&mut self, input: &'a [u8]) -> Result<Taken<'a>, AmqpError> {
        let Some(head) = FrameHead::read(input) else {
            return Ok(Taken::Short);
        };
        head.check_size(self.frame_max)?;
        let early_bytes = self.early_bytes + head.frame_len();
        if early_bytes > self.limits.bytes_before_open {
            return Err(fault::too_much_before_open(self.limits.bytes_before_open));
        }
        let Some(payload) = head.payload(input)? else {
            return Ok(Taken::Short);
        };
        if head.channel != 0 {
            return Err(fault::unexpected_frame(head.kind, payload));
        }
        let taken = self.on_channel_0(head, payload)?;
        self.early_bytes = early_bytes;
        Ok(taken)
    }

    fn on_channel_0<'a>(&mut self, head: FrameHead, payload: &'a [u8]) -> Result<Taken<'a>, AmqpError> {
        let event = match head.kind {
            METHOD => self.connection_method(payload)?,
            HEARTBEAT if payload.is_empty() => Event::Heartbeat,
            HEADER if payload.len() >= 12 => return Err(fault::unexpected_frame(HEADER, payload)),
            BODY => return Err(fault::unexpected_frame(BODY, payload)),
            kind => return Err(fault::unknown_frame(kind, payload)),
        };
        Ok(Taken::Event(head.frame_len(), event))
    }

    fn running<'a>(&mut self, input: &'a [u8], out: &mut OutBuffer) -> Result<Taken<'a>, AmqpError> {
        let Some(head) = FrameHead::read(input) else {
            return Ok(Taken::Short);
        };
        head.check_size(self.frame_max)?;
        let phase = self.channels.get_mut(head.channel).map(|channel| channel.phase);
        let closing = phase.is_some_and(|phase| phase != ChannelPhase::Open);
        if closing && matches!(head.kind, HEADER | BODY) {
            return self.begin_partial(head, input, false);
        }
        if head.kind == BODY && head.channel != 0 {
            self.check_body(head)?;
            return self.begin_partial(head, input, true);
        }
        let Some(payload) = head.payload(input)? else {
            return Ok(Taken::Short);
        };
        let length = head.frame_len();
        match head.kind {
            _ if head.channel == 0 => self.on_channel_0(head, payload),
            METHOD => self.channel_method(head.channel, payload, length, out),
            HEADER => self.content_header(head.channel, payload, length),
            HEARTBEAT if payload.is_empty() => Err(fault::unexpected_frame(HEARTBEAT, payload)),
            kind => Err(fault::unknown_frame(kind, payload)),
        }
    }

    fn channel_method<'a>(
        &mut self,
        number: u16,
        payload: &'a [u8],
        length: usize,
        out: &mut OutBuffer,
    ) -> Result<Taken<'a>, AmqpError> {
        let Some((&[c1, c0, m1, m0], fields)) = payload.split_first_chunk::<4>() else {
            return Err(fault::unknown_frame(METHOD, payload));
        };
        let method = Method::new(u16::from_be_bytes([c1, c0]), u16::from_be_bytes([m1, m0]));
        let Some(channel) = self.channels.get_mut(number) else {
            return self.method_on_closed(number, method, payload, length);
        };
        if channel.phase != ChannelPhase::Open {
            return Ok(self.method_on_closing(number, method, length, out));
        }
        if let Some(content) = &channel.content {
            return Err(if content.has_header() {
                fault::expected_body()
            } else {
                fault::expected_header()
            });
        }
        if method.class_id == channel::BASIC {
            if method == fault::BASIC_PUBLISH {
                channel.content = Some(PendingContent::new(&publish::method(fields)?));
                return Ok(Taken::Silent(length));
            }
            if let Some(event) = settle::decode(number, method, fields)? {
                return Ok(Taken::Event(length, event));
            }
        }
        Ok(match channel::decode(method, payload, self.limits.tables)? {
            ChannelMethod::Open => return Err(fault::second_channel_open(method)),
            ChannelMethod::Close(reason) => {
                self.channels.remove(number);
                Taken::Event(
                    length,
                    Event::ChannelClose {
                        channel: number,
                        reason,
                    },
                )
            }
            ChannelMethod::CloseOk => return Err(fault::unimplemented_method(method)),
            ChannelMethod::Access => {
                Response::AccessRequestOk.encode(number, out);
                Taken::Silent(length)
            }
            ChannelMethod::Request(request) => Taken::Event(
                length,
                Event::Request {
                    channel: number,
                    request,
                },
            ),
        })
    }

    /// Only `channel.open` may come on a channel that is not open.
    fn method_on_closed<'a>(
        &mut self,
        number: u16,
        method: Method,
        payload: &[u8],
        length: usize,
    ) -> Result<Taken<'a>, AmqpError> {
        self.check_room()?;
        if method.class_id == channel::CHANNEL && method.method_id == lifecycle::OPEN {
            channel::decode(method, payload, self.limits.tables)?;
            self.channels.open(number);
            return Ok(Taken::Event(length, Event::ChannelOpen(number)));
        }
        if channel::is_known(method) {
            Err(fault::expected_channel_open(method))
        } else {
            Err(fault::unknown_method(method))
        }
    }

    /// RabbitMQ counts channels; their numbers may be any.
    pub(super) fn check_room(&self) -> Result<(), AmqpError> {
        let count = self.channels.len();
        if self.channel_max != 0 && count >= self.channel_max.into() {
            return Err(fault::too_many_channels(count, self.channel_max));
        }
        Ok(())
    }

    fn method_on_closing(&mut self, number: u16, method: Method, length: usize, out: &mut OutBuffer) -> Taken<'static> {
        match (method.class_id, method.method_id) {
            (channel::CHANNEL, lifecycle::CLOSE) => {
                // Both sides closed at once. The client's own close-ok is still to come.
                Response::ChannelCloseOk.encode(number, out);
                Taken::Silent(length)
            }
            (channel::CHANNEL, lifecycle::CLOSE_OK) => {
                self.channels.remove(number);
                Taken::Event(length, Event::ChannelCloseOk(number))
            }
            _ => Taken::Silent(length),
        }
    }

    fn closing<'a>(&mut self, input: &'a [u8], out: &mut OutBuffer) -> Taken<'a> {
        let Some(head) = FrameHead::read(input) else {
            return Taken::Short;
        };
        if head.check_size(self.frame_max).is_err() {
            self.end();
            return Taken::Silent(input.len());
        }
        let faulty = std::mem::take(&mut self.at_faulty_frame);
        if faulty || head.kind != METHOD || head.channel != 0 || head.size > CLOSE_MAX {
            self.partial = Some(PartialFrame {
                kind: head.kind,
                channel: head.channel,
                size: head.size,
                left: head.size,
                kept: false,
            });
            return Taken::Silent(HEAD_LEN);
        }
        let payload = match head.payload(input) {
            Ok(Some(payload)) => payload,
            Ok(None) => return Taken::Short,
            Err(_) => {
                self.end();
                return Taken::Silent(input.len());
            }
        };
        match payload.first_chunk() {
            Some(&[0, 10, 0, id]) if u16::from(id) == handshake::CLOSE => {
                Response::ConnectionCloseOk.encode(0, out);
                Taken::Silent(head.frame_len())
            }
            Some(&[0, 10, 0, id]) if u16::from(id) == handshake::CLOSE_OK => {
                self.end();
                Taken::Event(head.frame_len(), Event::ConnectionCloseOk)
            }
            _ => Taken::Silent(head.frame_len()),
        }
    }
}
