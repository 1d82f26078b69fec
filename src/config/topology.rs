//! The arrays of tables: what stands in the broker when its port opens. Each
//! key is declared once: `key: type = default`; without a default it must be
//! given. What types cannot express is checked in `entry_checks.rs`.

use std::path::PathBuf;

use super::arguments::Arguments;
use super::declare::entry;
use super::values::{Secret, choice};

entry! {
    /// `[[vhosts]]`: a namespace of exchanges and queues. `/` exists always.
    Vhost = "vhosts" {
        /// Name, as clients give it when they connect.
        name: String;
        /// What it is for.
        description: String = String::new();
        /// Connections at a time. Of this and the further limits one that is not given stays as it stands, one
        /// that is taken out of the file is lifted by the next start or reload.
        max_connections: Option<u32> = None;
        /// Queues.
        max_queues: Option<u32> = None;
        /// Messages a second from all publishers together; who brings more is slowed, nothing is lost.
        message_rate_per_s: Option<u32> = None;
        /// Bytes of bodies a second from all publishers together.
        byte_rate_per_s: Option<u32> = None;
    }
}

entry! {
    /// `[[users]]`: who may log in. Give one of `password`, `password_hash` and
    /// `password_file`. Declaring any user means that there is no `guest`.
    User = "users" {
        /// Name.
        name: String;
        /// The password as it is.
        password: Option<Secret> = None;
        /// A hash of it: an Argon2 string (`$argon2id$…`), or one exported from
        /// RabbitMQ (base64 of salt and SHA-256 or SHA-512).
        password_hash: Option<Secret> = None;
        /// A file that holds the password, relative to the configuration's folder;
        /// a newline at its end is dropped.
        password_file: Option<PathBuf> = None;
        /// Rights over the broker itself: administrator, monitoring, management,
        /// policymaker, impersonator.
        tags: Vec<String> = Vec::new();
        /// Connections at a time. Of this and the further limits one that is not given stays as it stands, one
        /// that is taken out of the file is lifted by the next start or reload.
        max_connections: Option<u32> = None;
        /// Channels at a time, over all connections.
        max_channels: Option<u32> = None;
        /// Messages a second, over all connections; who brings more is slowed, nothing is lost.
        message_rate_per_s: Option<u32> = None;
        /// Bytes of bodies a second, over all connections.
        byte_rate_per_s: Option<u32> = None;
    }
}

/// How a user proves who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// The password, yet to be hashed.
    Password(&'a Secret),
    /// A hash of it.
    Hash(&'a Secret),
}

impl User {
    /// The password or its hash. `None` cannot come of [`load`](super::load).
    pub fn credential(&self) -> Option<Credential<'_>> {
        let hash = self.password_hash.as_ref().map(Credential::Hash);
        hash.or(self.password.as_ref().map(Credential::Password))
    }
}

entry! {
    /// `[[permissions]]`: what a user may do in a vhost. The three patterns are
    /// matched against names of exchanges and queues; "" matches nothing, ".*" all.
    Permission = "permissions" {
        /// User.
        user: String;
        /// Vhost.
        vhost: String = "/".into();
        /// Pattern of what the user may declare and delete.
        configure: String;
        /// Pattern of what the user may publish to, and bind.
        write: String;
        /// Pattern of what the user may consume from, and bind to.
        read: String;
    }
}

choice! {
    /// The type of an exchange.
    ExchangeType {
        /// To queues bound with the message's routing key.
        Direct = "direct",
        /// To all queues.
        Fanout = "fanout",
        /// By patterns of words.
        Topic = "topic",
        /// By headers.
        Headers = "headers",
        /// To one binding, by the hash of the routing key.
        ConsistentHash = "x-consistent-hash",
        /// To one binding at random.
        Random = "x-random",
        /// To one binding, by the hash modulo the number of bindings.
        ModulusHash = "x-modulus-hash",
        /// As `x-delayed-type` says, later.
        DelayedMessage = "x-delayed-message",
        /// To all, and the last messages to those who bind later.
        RecentHistory = "x-recent-history",
        /// To all, without duplicates.
        MessageDeduplication = "x-message-deduplication",
    }
}

entry! {
    /// `[[exchanges]]`: an exchange.
    Exchange = "exchanges" {
        /// Vhost.
        vhost: String = "/".into();
        /// Name.
        name: String;
        /// Type.
        exchange_type as "type": ExchangeType;
        /// Whether it survives a restart.
        durable: bool = true;
        /// Whether it goes when its last binding does.
        auto_delete: bool = false;
        /// Whether only other exchanges may publish to it.
        internal: bool = false;
        /// Optional arguments, such as { alternate-exchange = "unrouted" }.
        arguments: Arguments = Arguments::new();
    }
}

entry! {
    /// `[[queues]]`: a queue.
    Queue = "queues" {
        /// Vhost.
        vhost: String = "/".into();
        /// Name.
        name: String;
        /// Whether it survives a restart.
        durable: bool = true;
        /// Whether it goes when its last consumer does.
        auto_delete: bool = false;
        /// Optional arguments, such as { x-message-ttl = 30000 }.
        arguments: Arguments = Arguments::new();
    }
}

choice! {
    /// What a binding leads to.
    DestinationType {
        /// A queue.
        Queue = "queue",
        /// An exchange.
        Exchange = "exchange",
    }
}

entry! {
    /// `[[bindings]]`: a binding. Its ends may also be declared by clients.
    Binding = "bindings" {
        /// Vhost.
        vhost: String = "/".into();
        /// Exchange that messages come from.
        source: String;
        /// Queue or exchange that they go to.
        destination: String;
        /// Which of the two.
        destination_type: DestinationType = DestinationType::Queue;
        /// Routing key, or pattern of one.
        routing_key: String = String::new();
        /// Optional arguments: for a headers exchange, what to match.
        arguments: Arguments = Arguments::new();
    }
}

choice! {
    /// What a policy applies to.
    ApplyTo {
        /// Queues and exchanges.
        All = "all",
        /// Exchanges.
        Exchanges = "exchanges",
        /// Queues of all types.
        Queues = "queues",
        /// Classic queues.
        ClassicQueues = "classic_queues",
        /// Quorum queues.
        QuorumQueues = "quorum_queues",
        /// Streams.
        Streams = "streams",
    }
}

entry! {
    /// `[[policies]]`: optional arguments for all queues and exchanges whose names
    /// match a pattern; of several policies the one of highest priority applies.
    Policy = "policies" {
        /// Vhost.
        vhost: String = "/".into();
        /// Name.
        name: String;
        /// Regular expression; matches anywhere in a name unless anchored.
        pattern: String;
        /// What it applies to.
        apply_to: ApplyTo = ApplyTo::All;
        /// Priority.
        priority: i32 = 0;
        /// Settings, without `x-`: { message-ttl = 60000, max-length = 1000 }.
        definition: Arguments;
    }
}

choice! {
    /// What an operator policy applies to.
    OperatorApplyTo {
        /// Queues of all types.
        Queues = "queues",
        /// Classic queues.
        ClassicQueues = "classic_queues",
        /// Quorum queues.
        QuorumQueues = "quorum_queues",
    }
}

entry! {
    /// `[[operator_policies]]`: limits for all queues whose names match a pattern, which policies and arguments
    /// may go below and never above.
    OperatorPolicy = "operator_policies" {
        /// Vhost.
        vhost: String = "/".into();
        /// Name.
        name: String;
        /// Regular expression; matches anywhere in a name unless anchored.
        pattern: String;
        /// What it applies to.
        apply_to: OperatorApplyTo = OperatorApplyTo::Queues;
        /// Priority.
        priority: i32 = 0;
        /// Limits, without `x-`: { max-length = 1000000 }.
        definition: Arguments;
    }
}
