//! The connection class (10): the handshake, and channel 0 afterwards.

use amq_protocol::protocol::{AMQPClass, connection::AMQPMethod, parse_class};

use crate::model::{AmqpError, Method};

use super::arguments::Field::{LongString, Octet, Short, ShortString, Table};
use super::arguments::{self, Shape};
use super::channel::Request;
use super::connection::{Connection, Phase};
use super::event::{ClientCapabilities, CloseReason, Event, StartOk};
use super::fault;
use super::frame::FRAME_MIN_SIZE;
use super::reader::Reader;
use super::table_convert::table;

pub(super) const CONNECTION: u16 = 10;
const START_OK: u16 = 11;
const SECURE_OK: u16 = 21;
const TUNE_OK: u16 = 31;
const OPEN: u16 = 40;
pub(super) const CLOSE: u16 = 50;
pub(super) const CLOSE_OK: u16 = 51;
const UPDATE_SECRET: u16 = 70;

/// What a 0-9-1 client begins with, and what the server answers to anything else (section 2.2.4).
pub(super) const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";
/// The header of 0-9-1 in the form of 0-9, which RabbitMQ takes too.
pub(super) const OLD_PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x01\x01\x00\x09";

pub(super) fn shape(method_id: u16) -> Shape {
    match method_id {
        START_OK => Shape::Client(&[Table, ShortString, LongString, ShortString]),
        SECURE_OK => Shape::Client(&[LongString]),
        TUNE_OK => Shape::Client(&[Short, super::arguments::Field::Long, Short]),
        OPEN => Shape::Client(&[ShortString, ShortString, Octet]),
        CLOSE => Shape::Client(&[Short, ShortString, Short, Short]),
        CLOSE_OK => Shape::Client(&[]),
        UPDATE_SECRET => Shape::Client(&[LongString, ShortString]),
        10 | 20 | 30 | 41 | 60 | 61 | 71 => Shape::ServerOnly,
        _ => Shape::Unknown,
    }
}

impl Connection {
    /// A method on channel 0. State changes only once everything was found right.
    pub(super) fn connection_method<'a>(&mut self, payload: &'a [u8]) -> Result<Event<'a>, AmqpError> {
        let Some((&[c1, c0, m1, m0], fields)) = payload.split_first_chunk::<4>() else {
            return Err(fault::unknown_frame(super::frame::METHOD, payload));
        };
        let method = Method::new(u16::from_be_bytes([c1, c0]), u16::from_be_bytes([m1, m0]));
        if method.class_id != CONNECTION && super::channel::is_known_class(method.class_id) {
            return Err(fault::unexpected_method(self.state_name(), method));
        }
        let shape = match method.class_id {
            CONNECTION => shape(method.method_id),
            _ => Shape::Unknown,
        };
        match shape {
            // RabbitMQ notes the method for faults on channel 0, whatever the fault.
            Shape::Client(shape) => {
                let checked = arguments::check(method, fields, shape, self.limits.tables);
                checked.map_err(|e| e.caused_by(method))?;
            }
            Shape::ServerOnly => {}
            Shape::Unknown => return Err(fault::unknown_method(method)),
        }
        match (self.phase, method.method_id) {
            (Phase::Starting, START_OK) => self.start_ok(method, payload),
            (Phase::Securing, SECURE_OK) => {
                let response = Reader::new(method, fields).long_string()?;
                self.phase = Phase::LoginPending;
                Ok(Event::SecureOk { response })
            }
            (Phase::Tuning, TUNE_OK) => self.tune_ok(method, fields),
            (Phase::Opening, OPEN) => {
                let vhost = Reader::new(method, fields).short_string()?;
                self.phase = Phase::OpenPending;
                Ok(Event::OpenVhost { vhost })
            }
            (Phase::Running, CLOSE) => {
                let Ok(([], AMQPClass::Connection(AMQPMethod::Close(close)))) = parse_class(payload) else {
                    return Err(fault::cannot_decode(method, fields));
                };
                self.end();
                Ok(Event::ConnectionClose(CloseReason {
                    code: close.reply_code,
                    text: close.reply_text.as_str().to_owned(),
                    method: Method::new(close.class_id, close.method_id),
                }))
            }
            (Phase::Running, UPDATE_SECRET) => update_secret(method, payload),
            _ => Err(fault::unexpected_method(self.state_name(), method)),
        }
    }

    fn start_ok(&mut self, method: Method, payload: &[u8]) -> Result<Event<'static>, AmqpError> {
        let Ok(([], AMQPClass::Connection(AMQPMethod::StartOk(parsed)))) = parse_class(payload) else {
            return Err(fault::cannot_decode(method, payload.get(4..).unwrap_or_default()));
        };
        let client_properties = table(&parsed.client_properties);
        self.capabilities = ClientCapabilities::read(&client_properties);
        self.mechanism = parsed.mechanism.as_str().into();
        self.phase = Phase::LoginPending;
        Ok(Event::StartOk(Box::new(StartOk {
            client_properties,
            mechanism: parsed.mechanism.as_str().to_owned(),
            response: parsed.response.as_bytes().to_vec(),
            locale: parsed.locale.as_str().to_owned(),
        })))
    }

    /// RabbitMQ takes what the client answers, within its own limits; the client decides on heartbeats alone.
    fn tune_ok(&mut self, method: Method, fields: &[u8]) -> Result<Event<'static>, AmqpError> {
        let mut reader = Reader::new(method, fields);
        let channel_max = reader.short()?;
        let frame_max = reader.long()?;
        let heartbeat_s = reader.short()?;
        fault::check_negotiated("frame_max", frame_max, FRAME_MIN_SIZE, self.limits.frame_max_bytes)?;
        fault::check_negotiated("channel_max", channel_max.into(), 1, self.limits.channel_max.into())?;
        self.channel_max = channel_max;
        self.frame_max = frame_max;
        self.heartbeat_s = heartbeat_s;
        self.phase = Phase::Opening;
        Ok(Event::Tuned {
            channel_max,
            frame_max,
            heartbeat_s,
        })
    }

    /// The state's name in RabbitMQ's texts.
    fn state_name(&self) -> &'static str {
        match self.phase {
            Phase::Header | Phase::StartPending | Phase::Starting => "starting",
            Phase::LoginPending | Phase::Securing => "securing",
            Phase::Tuning => "tuning",
            Phase::Opening | Phase::OpenPending => "opening",
            Phase::Running => "running",
            Phase::Closing => "closing",
            Phase::Done => "closed",
        }
    }
}

fn update_secret(method: Method, payload: &[u8]) -> Result<Event<'static>, AmqpError> {
    let Ok(([], AMQPClass::Connection(AMQPMethod::UpdateSecret(parsed)))) = parse_class(payload) else {
        return Err(fault::cannot_decode(method, payload.get(4..).unwrap_or_default()));
    };
    let request = Request::UpdateSecret {
        new_secret: parsed.new_secret.as_bytes().to_vec(),
        reason: parsed.reason.as_str().into(),
    };
    Ok(Event::Request { channel: 0, request })
}
