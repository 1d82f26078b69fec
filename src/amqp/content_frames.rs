//! Content headers and bodies that did not come together with their publish, and frames that are taken piece by piece.

use crate::model::AmqpError;

use super::channel::publish;
use super::channel_table::ChannelPhase;
use super::connection::{Connection, PartialFrame, Phase};
use super::content::{PendingContent, Publish};
use super::event::Event;
use super::fault;
use super::frame::{END, FrameHead, HEAD_LEN, HEADER};
use super::receive::Taken;

impl Connection {
    pub(super) fn content_header<'a>(
        &mut self,
        number: u16,
        payload: &'a [u8],
        length: usize,
    ) -> Result<Taken<'a>, AmqpError> {
        if payload.len() < 12 {
            return Err(fault::unknown_frame(HEADER, payload));
        }
        let message_max = self.limits.message_max_bytes;
        let tables = self.limits.tables;
        let Some(channel) = self.channels.get_mut(number) else {
            self.check_room()?;
            return Err(fault::expected_method());
        };
        let Some(content) = &mut channel.content else {
            return Err(fault::expected_method());
        };
        if content.has_header() {
            return Err(fault::expected_body());
        }
        let header = publish::header(payload, tables)?;
        if header.body_size > message_max {
            channel.phase = ChannelPhase::Faulted;
            channel.content = None;
            let error = fault::message_too_large(header.body_size, message_max);
            return Ok(Taken::Event(length, Event::ChannelFault { channel: number, error }));
        }
        content.set_header(header.properties, header.body_size);
        Ok(self.finished_publish(number, length))
    }

    /// The publish event, if the channel's publish has come whole.
    fn finished_publish(&mut self, number: u16, length: usize) -> Taken<'static> {
        let channel = self.channels.get_mut(number);
        match channel.and_then(|channel| channel.content.take_if(|content| content.is_whole())) {
            Some(content) => {
                let publish = Publish::assembled(content);
                Taken::Event(
                    length,
                    Event::Publish {
                        channel: number,
                        publish,
                    },
                )
            }
            None => Taken::Silent(length),
        }
    }

    /// Whether a body frame of this size may begin.
    pub(super) fn check_body(&mut self, head: FrameHead) -> Result<(), AmqpError> {
        let Some(channel) = self.channels.get_mut(head.channel) else {
            self.check_room()?;
            return Err(fault::expected_method());
        };
        match &channel.content {
            None => Err(fault::expected_method()),
            Some(content) if !content.has_header() => Err(fault::expected_header()),
            Some(content) if head.size as u64 > content.missing() => Err(fault::body_over_announced()),
            Some(_) => Ok(()),
        }
    }

    /// A frame whose payload is taken as it comes.
    pub(super) fn begin_partial<'a>(
        &mut self,
        head: FrameHead,
        input: &'a [u8],
        kept: bool,
    ) -> Result<Taken<'a>, AmqpError> {
        let FrameHead { kind, channel, size } = head;
        let partial = PartialFrame {
            kind,
            channel,
            size,
            left: size,
            kept,
        };
        if input.len() >= head.frame_len() {
            // All of it is there: a wrong end must be found before the payload is taken.
            head.payload(input)?;
        }
        self.partial = Some(partial);
        Ok(Taken::Silent(HEAD_LEN))
    }

    /// More of a frame's payload, or its end.
    pub(super) fn go_on<'a>(&mut self, mut partial: PartialFrame, input: &'a [u8]) -> Result<Taken<'a>, AmqpError> {
        if partial.left > 0 {
            let length = partial.left.min(input.len());
            partial.left -= length;
            if let Some(content) = self.content_of(partial) {
                content.push(&input[..length]);
            }
            self.partial = Some(partial);
            return Ok(Taken::Silent(length));
        }
        if input[0] != END {
            let payload = self
                .content_of(partial)
                .map(|content| content.tail(partial.size))
                .unwrap_or_default();
            let error = fault::invalid_frame_end(partial.kind, payload, input[0]);
            return self.lost(error);
        }
        self.partial = None;
        Ok(if partial.kept {
            self.finished_publish(partial.channel, 1)
        } else {
            Taken::Silent(1)
        })
    }

    /// Out of step with the client: a closing connection throws away what comes, an open one fails.
    fn lost<'a>(&mut self, error: AmqpError) -> Result<Taken<'a>, AmqpError> {
        if self.phase == Phase::Closing {
            self.end();
            return Ok(Taken::Silent(1));
        }
        Err(error)
    }

    /// Where a partial frame's payload goes; nowhere once its channel or the connection has failed.
    fn content_of(&mut self, partial: PartialFrame) -> Option<&mut PendingContent> {
        if !partial.kept {
            return None;
        }
        self.channels.get_mut(partial.channel)?.content.as_deref_mut()
    }
}
