//! The open connections: who they are, what they have open, and how to end one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use dashmap::DashMap;
use parking_lot::Mutex;

use crate::model::{FieldTable, Millis, Name};

use super::{Broker, CHURN, Counters, History, Hold, Round};

/// What the broker reaches of a connection that others own.
pub trait ConnectionLink: Send + Sync {
    /// Bytes so far.
    fn traffic(&self) -> Traffic;

    /// What keeps it from being read from.
    fn hold(&self) -> Hold;

    /// Asks the connection to end: its client hears 320 with `reason`. Returns at once.
    fn close(&self, reason: &str);
}

/// What the broker reaches of a channel.
pub trait ChannelLink: Send + Sync {
    /// How the channel stands.
    fn state(&self) -> ChannelState;

    /// What it counts.
    fn counters(&self) -> &Arc<Counters>;
}

/// Bytes of AMQP since the connection came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From the client.
    pub received_bytes: u64,
    /// To the client.
    pub sent_bytes: u64,
}

/// How a channel stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelState {
    /// Its number.
    pub number: u16,
    /// Deliveries that are not settled.
    pub unacked: u64,
    /// Consumers.
    pub consumers: u32,
    /// Prefetch of consumers to come; 0 for no limit.
    pub prefetch: u32,
    /// Prefetch of the whole channel; 0 for no limit.
    pub global_prefetch: u32,
    /// In confirm mode.
    pub confirm: bool,
    /// In transaction mode.
    pub transactional: bool,
    /// Something was published on it.
    pub publishes: bool,
}

/// What TLS agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsSession {
    /// `tlsv1.2` or `tlsv1.3`, as RabbitMQ writes it.
    pub protocol: &'static str,
    /// The cipher suite, by its IANA name.
    pub cipher: &'static str,
}

/// One open connection.
pub struct ConnectionEntry {
    /// Its number, never given twice in the life of a process.
    pub id: u64,
    /// As RabbitMQ names it: `CLIENT -> BROKER`.
    pub name: String,
    /// Who is logged in.
    pub user: Name,
    /// Where.
    pub vhost: Name,
    /// The client's address.
    pub peer: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
    /// `None` where it is in the open.
    pub tls: Option<TlsSession>,
    /// How it logged in.
    pub mechanism: String,
    /// What the client says about itself.
    pub client_properties: FieldTable,
    /// When it was opened.
    pub connected_at: Millis,
    /// Channels that it may open; 0 for no limit.
    pub channel_max: u16,
    /// Largest frame in bytes; 0 for no limit.
    pub frame_max: u32,
    /// Seconds between heartbeats; 0 for none.
    pub heartbeat_s: u16,
    /// The connection itself.
    pub link: Arc<dyn ConnectionLink>,
    channels: Mutex<BTreeMap<u16, Weak<dyn ChannelLink>>>,
    churn: Arc<Churn>,
    history: History<2>,
}

/// How many connections and channels came and went since the broker started.
#[derive(Debug, Default)]
pub struct Churn {
    /// Connections that were opened.
    pub connections_opened: AtomicU64,
    /// Connections that ended.
    pub connections_closed: AtomicU64,
    /// Channels that were opened.
    pub channels_opened: AtomicU64,
    /// Channels that ended.
    pub channels_closed: AtomicU64,
    /// Declarations of queues, of such that stood as well.
    pub queues_declared: AtomicU64,
    /// Queues that were made.
    pub queues_created: AtomicU64,
    /// Queues that went.
    pub queues_deleted: AtomicU64,
}

impl Churn {
    /// The counts under RabbitMQ's names.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); CHURN] {
        [
            ("connection_created", &self.connections_opened),
            ("connection_closed", &self.connections_closed),
            ("channel_created", &self.channels_opened),
            ("channel_closed", &self.channels_closed),
            ("queue_declared", &self.queues_declared),
            ("queue_created", &self.queues_created),
            ("queue_deleted", &self.queues_deleted),
        ]
        .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
    }
}

/// What a new [`ConnectionEntry`] is made of.
pub struct NewConnection {
    /// Its number.
    pub id: u64,
    /// Who is logged in.
    pub user: Name,
    /// Where.
    pub vhost: Name,
    /// The client's address.
    pub peer: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
    /// `None` where it is in the open.
    pub tls: Option<TlsSession>,
    /// How it logged in.
    pub mechanism: String,
    /// What the client says about itself.
    pub client_properties: FieldTable,
    /// Channels that it may open; 0 for no limit.
    pub channel_max: u16,
    /// Largest frame in bytes; 0 for no limit.
    pub frame_max: u32,
    /// Seconds between heartbeats; 0 for none.
    pub heartbeat_s: u16,
    /// The connection itself.
    pub link: Arc<dyn ConnectionLink>,
}

impl ConnectionEntry {
    /// The channels that are open, in order of number.
    #[must_use]
    pub fn channels(&self) -> Vec<(ChannelState, Arc<Counters>)> {
        let links = self.channel_links();
        let shown = links.iter().map(|link| (link.state(), Arc::clone(link.counters())));
        shown.collect()
    }

    fn channel_links(&self) -> Vec<Arc<dyn ChannelLink>> {
        self.channels.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// Bytes from and to the client, as they were sampled.
    #[must_use]
    pub fn history(&self) -> &History<2> {
        &self.history
    }

    pub(super) fn sample(&self, round: &mut Round) {
        let traffic = self.link.traffic();
        self.history.sample(round, [traffic.received_bytes, traffic.sent_bytes]);
        for link in self.channel_links() {
            let counters = link.counters();
            counters.sample(round, &counters.totals(), [0, link.state().unacked]);
        }
    }

    /// How many channels are open.
    #[must_use]
    pub fn channel_count(&self) -> usize {
        self.channels.lock().len()
    }

    /// A channel was opened.
    pub fn add_channel(&self, number: u16, channel: &Arc<dyn ChannelLink>) {
        self.channels.lock().insert(number, Arc::downgrade(channel));
        self.churn.channels_opened.fetch_add(1, Ordering::Relaxed);
    }

    /// A channel is gone.
    pub fn remove_channel(&self, number: u16) {
        if self.channels.lock().remove(&number).is_some() {
            self.churn.channels_closed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The name of one of its channels, as RabbitMQ has it.
    #[must_use]
    pub fn channel_name(&self, number: u16) -> String {
        format!("{} ({number})", self.name)
    }
}

impl std::fmt::Debug for ConnectionEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "connection {}", self.name)
    }
}

/// The registry. Connections enter it when their vhost is open and leave it when they end.
#[derive(Default)]
pub(super) struct Registry {
    open: DashMap<u64, Arc<ConnectionEntry>>,
    churn: Arc<Churn>,
}

impl Broker {
    /// A connection is open: its vhost is, and its handshake is done.
    #[must_use]
    pub fn add_connection(&self, new: NewConnection) -> Arc<ConnectionEntry> {
        let entry = Arc::new(ConnectionEntry {
            id: new.id,
            name: format!("{} -> {}", new.peer, new.local),
            user: new.user,
            vhost: new.vhost,
            peer: new.peer,
            local: new.local,
            tls: new.tls,
            mechanism: new.mechanism,
            client_properties: new.client_properties,
            connected_at: self.now(),
            channel_max: new.channel_max,
            frame_max: new.frame_max,
            heartbeat_s: new.heartbeat_s,
            link: new.link,
            channels: Mutex::default(),
            churn: Arc::clone(&self.connections.churn),
            history: History::default(),
        });
        self.connections.open.insert(entry.id, Arc::clone(&entry));
        let opened = &self.connections.churn.connections_opened;
        opened.fetch_add(1, Ordering::Relaxed);
        self.tell_connection_created(&entry);
        entry
    }

    /// A connection ended.
    pub fn remove_connection(&self, id: u64) {
        if self.connections.open.remove(&id).is_some() {
            let closed = &self.connections.churn.connections_closed;
            closed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The open connection of that number.
    #[must_use]
    pub fn connection(&self, id: u64) -> Option<Arc<ConnectionEntry>> {
        self.connections.open.get(&id).map(|entry| Arc::clone(entry.value()))
    }

    /// All open connections, in the order in which they came.
    #[must_use]
    pub fn connections(&self) -> Vec<Arc<ConnectionEntry>> {
        let open = &self.connections.open;
        let mut connections: Vec<_> = open.iter().map(|entry| Arc::clone(entry.value())).collect();
        connections.sort_by_key(|entry| entry.id);
        connections
    }

    /// What came and went.
    #[must_use]
    pub fn churn(&self) -> &Churn {
        &self.connections.churn
    }

    /// How many connections are open.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.connections.open.len()
    }
}
