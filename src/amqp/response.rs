//! All that the server sends besides the hot methods of [`super::encode`].

use crate::model::{FieldTable, Method, encode_table};

use super::encode::{begin, short_string};
use super::frame::{END, HEARTBEAT};
use super::out_buffer::OutBuffer;

/// The longest reply text on the wire, in bytes.
const TEXT_MAX: usize = 255;

/// A method without content from the server to the client, or a heartbeat.
///
/// Names, tags and reasons are short strings; bytes beyond 255 are cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Response<'a> {
    /// `connection.start`, written by [`super::Connection::start`].
    Start {
        /// What the server tells about itself.
        server_properties: &'a FieldTable,
        /// SASL mechanisms, spaces between.
        mechanisms: &'a str,
        /// Locales, spaces between.
        locales: &'a str,
    },
    /// `connection.secure`, written by [`super::Connection::secure`].
    Secure {
        /// The challenge.
        challenge: &'a [u8],
    },
    /// `connection.tune`, written by [`super::Connection::tune`].
    Tune {
        /// Channels; 0 for no limit.
        channel_max: u16,
        /// Bytes of a frame; 0 for no limit.
        frame_max: u32,
        /// Seconds between heartbeats.
        heartbeat_s: u16,
    },
    /// `connection.open-ok`, written by [`super::Connection::open_ok`].
    OpenOk,
    /// `connection.close`, written by [`super::Connection::fail`].
    ConnectionClose {
        /// Reply code.
        code: u16,
        /// Reply text; too long a one ends in `...`, as RabbitMQ's does.
        text: &'a str,
        /// The method at fault.
        method: Method,
    },
    /// `connection.close-ok`
    ConnectionCloseOk,
    /// `connection.blocked`, for clients that can take it.
    ConnectionBlocked {
        /// Why, e.g. `low on memory`.
        reason: &'a str,
    },
    /// `connection.unblocked`, for clients that can take it.
    ConnectionUnblocked,
    /// `connection.update-secret-ok`
    UpdateSecretOk,
    /// `channel.open-ok`
    ChannelOpenOk,
    /// `channel.flow-ok`
    ChannelFlowOk {
        /// What was asked for.
        active: bool,
    },
    /// `channel.close`, written by [`super::Connection::fail`].
    ChannelClose {
        /// Reply code.
        code: u16,
        /// Reply text; too long a one ends in `...`, as RabbitMQ's does.
        text: &'a str,
        /// The method at fault.
        method: Method,
    },
    /// `channel.close-ok`
    ChannelCloseOk,
    /// `access.request-ok`
    AccessRequestOk,
    /// `exchange.declare-ok`
    ExchangeDeclareOk,
    /// `exchange.delete-ok`
    ExchangeDeleteOk,
    /// `exchange.bind-ok`
    ExchangeBindOk,
    /// `exchange.unbind-ok`
    ExchangeUnbindOk,
    /// `queue.declare-ok`
    QueueDeclareOk {
        /// The queue's name, made by the server where none was given.
        queue: &'a str,
        /// Messages that wait.
        message_count: u32,
        /// Consumers.
        consumer_count: u32,
    },
    /// `queue.bind-ok`
    QueueBindOk,
    /// `queue.unbind-ok`
    QueueUnbindOk,
    /// `queue.purge-ok`
    QueuePurgeOk {
        /// Messages removed.
        message_count: u32,
    },
    /// `queue.delete-ok`
    QueueDeleteOk {
        /// Messages that went with it.
        message_count: u32,
    },
    /// `basic.qos-ok`
    QosOk,
    /// `basic.consume-ok`
    ConsumeOk {
        /// The consumer.
        consumer_tag: &'a str,
    },
    /// `basic.cancel`: the consumer's queue went, for clients that can take it. Sent with `no-wait`, as RabbitMQ does,
    /// so that no answer comes.
    BasicCancel {
        /// The consumer.
        consumer_tag: &'a str,
    },
    /// `basic.cancel-ok`
    CancelOk {
        /// The consumer.
        consumer_tag: &'a str,
    },
    /// `basic.get-empty`
    GetEmpty,
    /// `basic.recover-ok`
    RecoverOk,
    /// `tx.select-ok`
    TxSelectOk,
    /// `tx.commit-ok`
    TxCommitOk,
    /// `tx.rollback-ok`
    TxRollbackOk,
    /// `confirm.select-ok`
    ConfirmSelectOk,
    /// A heartbeat frame, on channel 0 whatever channel is given.
    Heartbeat,
}

impl Response<'_> {
    /// Writes the frame. Connection methods belong on channel 0.
    pub fn encode(&self, channel: u16, out: &mut OutBuffer) {
        let bytes = out.bytes();
        if *self == Response::Heartbeat {
            bytes.extend_from_slice(&[HEARTBEAT, 0, 0, 0, 0, 0, 0, END]);
            return;
        }
        let (class_id, method_id) = self.ids();
        let start = bytes.len();
        begin(bytes, channel, 0, [0, class_id, 0, method_id]);
        self.arguments(bytes);
        // The size is known now.
        let size = (bytes.len() - start - super::frame::HEAD_LEN) as u32;
        bytes[start + 3..start + 7].copy_from_slice(&size.to_be_bytes());
        bytes.push(END);
    }

    fn ids(&self) -> (u8, u8) {
        match self {
            Self::Start { .. } => (10, 10),
            Self::Secure { .. } => (10, 20),
            Self::Tune { .. } => (10, 30),
            Self::OpenOk => (10, 41),
            Self::ConnectionClose { .. } => (10, 50),
            Self::ConnectionCloseOk => (10, 51),
            Self::ConnectionBlocked { .. } => (10, 60),
            Self::ConnectionUnblocked => (10, 61),
            Self::UpdateSecretOk => (10, 71),
            Self::ChannelOpenOk => (20, 11),
            Self::ChannelFlowOk { .. } => (20, 21),
            Self::ChannelClose { .. } => (20, 40),
            Self::ChannelCloseOk => (20, 41),
            Self::AccessRequestOk => (30, 11),
            Self::ExchangeDeclareOk => (40, 11),
            Self::ExchangeDeleteOk => (40, 21),
            Self::ExchangeBindOk => (40, 31),
            Self::ExchangeUnbindOk => (40, 51),
            Self::QueueDeclareOk { .. } => (50, 11),
            Self::QueueBindOk => (50, 21),
            Self::QueueUnbindOk => (50, 51),
            Self::QueuePurgeOk { .. } => (50, 31),
            Self::QueueDeleteOk { .. } => (50, 41),
            Self::QosOk => (60, 11),
            Self::ConsumeOk { .. } => (60, 21),
            Self::BasicCancel { .. } => (60, 30),
            Self::CancelOk { .. } => (60, 31),
            Self::GetEmpty => (60, 72),
            Self::RecoverOk => (60, 111),
            Self::ConfirmSelectOk => (85, 11),
            Self::TxSelectOk => (90, 11),
            Self::TxCommitOk => (90, 21),
            Self::TxRollbackOk => (90, 31),
            // Written without a method.
            Self::Heartbeat => (0, 0),
        }
    }

    fn arguments(&self, bytes: &mut Vec<u8>) {
        match *self {
            Self::Start {
                server_properties,
                mechanisms,
                locales,
            } => {
                bytes.extend_from_slice(&[0, 9]);
                encode_table(server_properties, bytes);
                long_string(bytes, mechanisms.as_bytes());
                long_string(bytes, locales.as_bytes());
            }
            Self::Secure { challenge } => long_string(bytes, challenge),
            Self::Tune {
                channel_max,
                frame_max,
                heartbeat_s,
            } => {
                bytes.extend_from_slice(&channel_max.to_be_bytes());
                bytes.extend_from_slice(&frame_max.to_be_bytes());
                bytes.extend_from_slice(&heartbeat_s.to_be_bytes());
            }
            Self::ConnectionClose { code, text, method } | Self::ChannelClose { code, text, method } => {
                bytes.extend_from_slice(&code.to_be_bytes());
                reply_text(bytes, text);
                bytes.extend_from_slice(&method.class_id.to_be_bytes());
                bytes.extend_from_slice(&method.method_id.to_be_bytes());
            }
            Self::ConnectionBlocked { reason } => reply_text(bytes, reason),
            Self::ChannelFlowOk { active } => bytes.push(active.into()),
            // A long string and a short string without content, both reserved.
            Self::ChannelOpenOk => bytes.extend_from_slice(&[0; 4]),
            Self::OpenOk | Self::GetEmpty => bytes.push(0),
            Self::AccessRequestOk => bytes.extend_from_slice(&[0, 1]),
            Self::QueueDeclareOk {
                queue,
                message_count,
                consumer_count,
            } => {
                short_string(bytes, queue.as_bytes());
                bytes.extend_from_slice(&message_count.to_be_bytes());
                bytes.extend_from_slice(&consumer_count.to_be_bytes());
            }
            Self::QueuePurgeOk { message_count } | Self::QueueDeleteOk { message_count } => {
                bytes.extend_from_slice(&message_count.to_be_bytes());
            }
            Self::ConsumeOk { consumer_tag } | Self::CancelOk { consumer_tag } => {
                short_string(bytes, consumer_tag.as_bytes());
            }
            Self::BasicCancel { consumer_tag } => {
                short_string(bytes, consumer_tag.as_bytes());
                bytes.push(1);
            }
            _ => {}
        }
    }
}

fn long_string(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend_from_slice(&(text.len() as u32).to_be_bytes());
    bytes.extend_from_slice(text);
}

/// A text for people. One that is too long keeps 252 bytes, cut between characters, and ends in three dots.
fn reply_text(bytes: &mut Vec<u8>, text: &str) {
    if text.len() <= TEXT_MAX {
        short_string(bytes, text.as_bytes());
    } else {
        let cut = text.floor_char_boundary(TEXT_MAX - 3);
        short_string(bytes, format!("{}...", &text[..cut]).as_bytes());
    }
}
