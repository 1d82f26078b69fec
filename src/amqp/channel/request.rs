//! What a client asks for on a channel, or of the connection while it is open.

use crate::model::{FieldTable, Name};

/// A method that is neither a publish, a settlement nor `basic.get`, in the model's words.
///
/// `nowait` says that the client expects no answer. Arguments are checked for form only.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// `exchange.declare`
    ExchangeDeclare {
        /// The exchange.
        exchange: Name,
        /// Its type, e.g. `topic`.
        kind: Name,
        /// Only ask whether it exists.
        passive: bool,
        /// Survives a restart.
        durable: bool,
        /// Goes when its last binding goes.
        auto_delete: bool,
        /// Takes messages from exchanges only.
        internal: bool,
        /// No answer.
        nowait: bool,
        /// `alternate-exchange` and others.
        arguments: FieldTable,
    },
    /// `exchange.delete`
    ExchangeDelete {
        /// The exchange.
        exchange: Name,
        /// Not if it has bindings.
        if_unused: bool,
        /// No answer.
        nowait: bool,
    },
    /// `exchange.bind`
    ExchangeBind {
        /// Where messages go to.
        destination: Name,
        /// Where messages come from.
        source: Name,
        /// The binding's key.
        routing_key: Name,
        /// No answer.
        nowait: bool,
        /// The binding's arguments.
        arguments: FieldTable,
    },
    /// `exchange.unbind`
    ExchangeUnbind {
        /// Where messages went to.
        destination: Name,
        /// Where messages came from.
        source: Name,
        /// The binding's key.
        routing_key: Name,
        /// No answer.
        nowait: bool,
        /// The binding's arguments.
        arguments: FieldTable,
    },
    /// `queue.declare`
    QueueDeclare {
        /// The queue; empty for a name made by the server.
        queue: Name,
        /// Only ask whether it exists.
        passive: bool,
        /// Survives a restart.
        durable: bool,
        /// For this connection only, and gone with it.
        exclusive: bool,
        /// Goes when its last consumer goes.
        auto_delete: bool,
        /// No answer.
        nowait: bool,
        /// `x-message-ttl` and others.
        arguments: FieldTable,
    },
    /// `queue.bind`
    QueueBind {
        /// The queue; empty for the last one declared on the channel.
        queue: Name,
        /// The exchange.
        exchange: Name,
        /// The binding's key.
        routing_key: Name,
        /// No answer.
        nowait: bool,
        /// The binding's arguments.
        arguments: FieldTable,
    },
    /// `queue.unbind`, always answered.
    QueueUnbind {
        /// The queue; empty for the last one declared on the channel.
        queue: Name,
        /// The exchange.
        exchange: Name,
        /// The binding's key.
        routing_key: Name,
        /// The binding's arguments.
        arguments: FieldTable,
    },
    /// `queue.purge`
    QueuePurge {
        /// The queue; empty for the last one declared on the channel.
        queue: Name,
        /// No answer.
        nowait: bool,
    },
    /// `queue.delete`
    QueueDelete {
        /// The queue; empty for the last one declared on the channel.
        queue: Name,
        /// Not if it has consumers.
        if_unused: bool,
        /// Not if it has messages.
        if_empty: bool,
        /// No answer.
        nowait: bool,
    },
    /// `basic.qos`; a prefetch size was refused already.
    BasicQos {
        /// Unacked messages; 0 for no limit.
        prefetch_count: u16,
        /// One limit for the channel, instead of one for each consumer that comes.
        global: bool,
    },
    /// `basic.consume`
    BasicConsume {
        /// The queue; empty for the last one declared on the channel.
        queue: Name,
        /// Empty for a tag made by the server.
        consumer_tag: Name,
        /// Not the connection's own messages. RabbitMQ ignores it.
        no_local: bool,
        /// Settled on delivery.
        no_ack: bool,
        /// No other consumer.
        exclusive: bool,
        /// No answer.
        nowait: bool,
        /// `x-priority` and others.
        arguments: FieldTable,
    },
    /// `basic.cancel`
    BasicCancel {
        /// The consumer.
        consumer_tag: Name,
        /// No answer.
        nowait: bool,
    },
    /// `basic.recover` and `basic.recover-async`, both with `requeue` (without it they were refused already).
    BasicRecover {
        /// `basic.recover-async`: without an answer.
        asynchronous: bool,
    },
    /// `tx.select`
    TxSelect,
    /// `tx.commit`
    TxCommit,
    /// `tx.rollback`
    TxRollback,
    /// `confirm.select`
    ConfirmSelect {
        /// No answer.
        nowait: bool,
    },
    /// `channel.flow` with `active`, to be answered with flow-ok; without it, it was refused already.
    ChannelFlow,
    /// `connection.update-secret`, on channel 0.
    UpdateSecret {
        /// The new secret.
        new_secret: Vec<u8>,
        /// Why, for the log.
        reason: Name,
    },
}
