//! What the protocol core tells its caller.

use crate::model::{AmqpError, FieldTable, Method};

use super::channel::Request;
use super::content::Publish;

/// The outcome of one look at the input.
#[derive(Debug)]
pub enum Step<'a> {
    /// Nothing can be said before more bytes come; none were consumed. Keep the input and read more.
    NeedMore,
    /// These bytes are done with and tell nothing.
    Skip {
        /// How many.
        consumed: usize,
    },
    /// Something happened.
    Event {
        /// The bytes that are done with once the event was handled.
        consumed: usize,
        /// What.
        event: Event<'a>,
    },
}

/// What a client did. The caller's duty is written with each.
#[derive(Debug)]
pub enum Event<'a> {
    /// The protocol header was right: [`super::Connection::start`] is next.
    ProtocolHeader,
    /// The first bytes were no AMQP 0-9-1. The server's own header was written; flush and close the socket.
    BadHeader,
    /// The client wants to log in: [`super::Connection::secure`], [`super::Connection::tune`],
    /// [`super::Connection::refuse_login`] or an error is next.
    StartOk(Box<StartOk>),
    /// The answer to a challenge; the caller goes on as after [`Event::StartOk`].
    SecureOk {
        /// The response.
        response: &'a [u8],
    },
    /// The limits are settled. Heartbeats begin. No answer.
    Tuned {
        /// Channels open at a time; 0 for no limit.
        channel_max: u16,
        /// Largest frame in bytes; 0 for no limit.
        frame_max: u32,
        /// Seconds between heartbeats; 0 for none.
        heartbeat_s: u16,
    },
    /// The client wants this vhost: [`super::Connection::open_ok`] or an error is next.
    OpenVhost {
        /// The vhost.
        vhost: &'a str,
    },
    /// A channel was opened; answer [`super::Response::ChannelOpenOk`].
    ChannelOpen(u16),
    /// The client closed a channel, which is gone here already; give back what it holds and answer
    /// [`super::Response::ChannelCloseOk`].
    ChannelClose {
        /// The channel.
        channel: u16,
        /// Why.
        reason: CloseReason,
    },
    /// The client has seen that the server closed the channel. The number is free again. No answer.
    ChannelCloseOk(u16),
    /// The core found a fault that ends the channel: give back what it holds, then [`super::Connection::fail`].
    ChannelFault {
        /// The channel.
        channel: u16,
        /// The fault.
        error: AmqpError,
    },
    /// The client closes the connection; answer [`super::Response::ConnectionCloseOk`], flush and close the socket.
    ConnectionClose(CloseReason),
    /// The client has seen that the server closed the connection: close the socket.
    ConnectionCloseOk,
    /// A heartbeat. Any other byte received counts as one too.
    Heartbeat,
    /// A whole message.
    Publish {
        /// The channel.
        channel: u16,
        /// The message.
        publish: Publish<'a>,
    },
    /// Deliveries are settled.
    Settle {
        /// The channel.
        channel: u16,
        /// The last delivery meant; 0 with `multiple` means all.
        delivery_tag: u64,
        /// All up to the tag.
        multiple: bool,
        /// What becomes of them.
        outcome: Outcome,
    },
    /// `basic.get`
    Get {
        /// The channel.
        channel: u16,
        /// The queue; empty for the last one declared on the channel.
        queue: &'a str,
        /// Settled on delivery.
        no_ack: bool,
    },
    /// Any other method. The channel is 0 for [`Request::UpdateSecret`].
    Request {
        /// The channel.
        channel: u16,
        /// The method.
        request: Request,
    },
}

/// `connection.start-ok`
#[derive(Clone, Debug, PartialEq)]
pub struct StartOk {
    /// What the client tells about itself.
    pub client_properties: FieldTable,
    /// The SASL mechanism, e.g. `PLAIN`.
    pub mechanism: String,
    /// The mechanism's first response.
    pub response: Vec<u8>,
    /// `en_US`
    pub locale: String,
}

/// Why a client closed a channel or the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// The reply code, 200 where all is well.
    pub code: u16,
    /// The reply text.
    pub text: String,
    /// The method that the client objects to.
    pub method: Method,
}

/// What becomes of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `basic.ack`
    Ack,
    /// `basic.nack`
    Nack {
        /// Back to the queue.
        requeue: bool,
    },
    /// `basic.reject`
    Reject {
        /// Back to the queue.
        requeue: bool,
    },
}

/// What a client says that it can take, in its properties' `capabilities` (RabbitMQ: "Client Feature Announcement").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCapabilities {
    /// `connection.blocked` and `connection.unblocked` may be sent.
    pub connection_blocked: bool,
    /// `basic.cancel` may be sent.
    pub consumer_cancel_notify: bool,
    /// A refused login is answered with `connection.close`.
    pub authentication_failure_close: bool,
}

impl ClientCapabilities {
    pub(super) fn read(client_properties: &FieldTable) -> Self {
        use crate::model::FieldValue;
        let Some(FieldValue::Table(capabilities)) = client_properties.get("capabilities") else {
            return Self::default();
        };
        let has = |name| matches!(capabilities.get(name), Some(FieldValue::Bool(true)));
        Self {
            connection_blocked: has("connection.blocked"),
            consumer_cancel_notify: has("consumer_cancel_notify"),
            authentication_failure_close: has("authentication_failure_close"),
        }
    }
}
