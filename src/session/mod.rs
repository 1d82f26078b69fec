//! The glue between one connection's protocol state and the broker.
//!
//! A [`Session`] is owned by its connection's reader: [`Session::input`] takes what was read, handles every event in
//! it, and hands publishes and settlements over in batches at the end of the read. Other threads reach a connection
//! through its [`Outbox`] only.

mod access;
mod ack_timeout;
mod basic;
mod blocked;
mod channel;
mod channels;
mod confirms;
mod consumer;
mod handshake;
mod lifecycle;
mod login;
mod names;
mod outbox;
mod publish;
mod requests;
mod rights;
mod settings;
mod settle;
mod tally;
mod throttle;
mod topology;
mod tx;
mod unacked;
mod watch;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::amqp::{self, Event, OutBuffer, Response, Step};
use crate::auth::{Credentials, Identity};
use crate::broker::{
    Aftermath, Broker, ConnectionEntry, CountedConnection, PublishBatch, QueueCell, SizeCounts, TlsSession, Vhost,
    no_sizes,
};
use crate::model::{AmqpError, ErrorScope, FieldTable, Method, Name, ReplyCode};
use crate::queue::Outcome;
use crate::telemetry::PublishSpan;

use access::Access;
use channel::Channel;
use channels::Channels;
use names::NameSource;
use settle::SettleBatch;
use throttle::Throttle;

pub use handshake::COMPATIBLE_VERSION;
pub use login::LoginCheck;
pub use outbox::Outbox;
pub use rights::EXPIRED;
pub use settings::SessionSettings;

/// The method whose check waits for a turn, for errors.
const UPDATE_SECRET: Method = Method::new(10, 70);

/// What the reader does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read on.
    Read,
    /// Write what is owed, then close the socket.
    Close,
    /// Have a password checked, with [`Session::login_check`], and read on.
    LogIn,
    /// Close, but only after a pause, which slows down guessing of passwords.
    CloseLater,
}

/// One connection from its first byte to its last.
pub struct Session {
    id: u64,
    peer: SocketAddr,
    local: SocketAddr,
    broker: Arc<Broker>,
    settings: Arc<SessionSettings>,
    outbox: Arc<Outbox>,
    wire: amqp::Connection,
    /// What the protocol core writes, before it goes to the outbox.
    scratch: OutBuffer,
    /// Who is logged in.
    identity: Option<Identity>,
    /// Who a login claims to be from.
    claimed: Option<Name>,
    /// How the client logged in and what it says about itself, until the connection is open.
    introduction: Option<(String, FieldTable)>,
    /// Its place among the open connections.
    entry: Option<Arc<ConnectionEntry>>,
    /// A login that waits for its check.
    credentials: Option<Credentials>,
    /// Whom the client's certificate names, which TLS has verified.
    certificate_name: Option<Name>,
    tls: Option<TlsSession>,
    place: Option<Place>,
    /// Its place among the connections of its user and its vhost.
    counted: Option<CountedConnection>,
    channels: Channels,
    exclusive_queues: Vec<Arc<QueueCell>>,
    names: NameSource,
    publishes: PublishBatch,
    settles: SettleBatch,
    /// Deliveries that one settlement took, in its order; empty between events.
    taken: Vec<unacked::Unacked>,
    /// Something was published here: alarms concern this connection.
    publisher: bool,
    /// An alarm blocks this connection.
    blocked: bool,
    throttle: Throttle,
    /// Channels with something to do at the next flush.
    touched: Vec<u16>,
    /// Spans of publishes since the last flush.
    spans: Vec<PublishSpan>,
    /// Sizes of publishes since the last flush.
    sizes: SizeCounts,
    /// Channels that have counted something since.
    tallied: Vec<u16>,
    aftermath: Aftermath,
    next: Next,
    /// More is owed to the client than it may be: the rest of the input waits until it has read.
    is_full: bool,
    ended: bool,
}

/// Where an open connection works: its vhost and what it may do there.
struct Place {
    vhost: Arc<Vhost>,
    access: Access,
}

impl Session {
    /// A session of a connection of which nothing has come yet.
    #[must_use]
    pub fn new(broker: Arc<Broker>, settings: Arc<SessionSettings>, peer: SocketAddr) -> Self {
        let id = broker.new_connection();
        Self {
            id,
            peer,
            local: SocketAddr::from(([0, 0, 0, 0], 0)),
            outbox: Arc::new(Outbox::new(settings.outgoing_buffer_bytes)),
            wire: amqp::Connection::new(settings.wire.clone()),
            scratch: OutBuffer::new(),
            identity: None,
            claimed: None,
            introduction: None,
            entry: None,
            credentials: None,
            certificate_name: None,
            tls: None,
            place: None,
            counted: None,
            channels: Channels::default(),
            exclusive_queues: Vec::new(),
            names: NameSource::new(id, settings.name_seed),
            publishes: PublishBatch::default(),
            settles: SettleBatch::default(),
            taken: Vec::new(),
            publisher: false,
            blocked: false,
            throttle: Throttle::default(),
            touched: Vec::new(),
            spans: Vec::new(),
            sizes: no_sizes(),
            tallied: Vec::new(),
            aftermath: Aftermath::default(),
            next: Next::Read,
            is_full: false,
            ended: false,
            broker,
            settings,
        }
    }

    /// Notes our own address, for listings.
    pub fn set_local(&mut self, local: SocketAddr) {
        self.local = local;
    }

    /// The connection is over TLS. The name is that of the client's verified certificate: `EXTERNAL` logs that user in.
    pub fn set_tls(&mut self, tls: TlsSession, certificate_name: Option<Name>) {
        self.tls = Some(tls);
        self.certificate_name = certificate_name;
    }

    /// Its number in logs.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The outgoing side, for the writer.
    #[must_use]
    pub fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Whether the handshake is done.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.place.is_some()
    }

    /// Whether `connection.close` was written to an open connection, and nothing but its answer is awaited.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.is_open() && !self.wire.is_running()
    }

    /// Seconds between heartbeats, 0 for none; settled once the session is open.
    #[must_use]
    pub fn heartbeat_s(&self) -> u16 {
        self.wire.heartbeat_s()
    }

    /// Handles what was read, and says how much of it: the rest must come again, with more behind it, or by itself
    /// where [`Session::is_full`].
    pub fn input(&mut self, input: &[u8]) -> (usize, Next) {
        let mut at = 0;
        self.is_full = false;
        if let Some(place) = &self.place {
            self.throttle.begin(&place.vhost);
        }
        while self.next == Next::Read && !self.is_full && !self.throttle.is_held() {
            // Looked at where it lies: an event is large, and there are many.
            match &mut self.wire.next(&input[at..], &mut self.scratch) {
                Ok(Step::NeedMore) => break,
                Ok(Step::Skip { consumed }) => at += *consumed,
                Ok(Step::Event { consumed, event }) => {
                    // What the core answered by itself came before this event.
                    self.write_scratch();
                    at += *consumed;
                    at += self.event(event, &input[at..]);
                }
                Err(error) => self.fail(0, error),
            }
            if self.wire.is_over() {
                self.next = Next::Close;
            }
        }
        self.write_scratch();
        self.flush();
        self.outbox.received(at);
        self.heed_alarms();
        self.heed_quotas();
        (at, self.next)
    }

    /// Whether the last input was left in the middle: because the client has to read first (a read full of `basic.get`
    /// would otherwise be answered whole, whatever that costs), or because of a rate quota.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_full || self.is_held()
    }

    /// Writes a heartbeat.
    pub fn heartbeat(&self) {
        self.write(0, Response::Heartbeat);
    }

    /// Closes the connection from the broker's side, e.g. for a shutdown: the client is told, and its answer awaited.
    pub fn close(&mut self, error: &AmqpError) {
        self.fail(0, error);
    }

    /// The socket is gone: everything that the connection held is given back.
    pub fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            if std::mem::take(&mut self.blocked) {
                self.broker.alarms().note_blocked(false);
            }
            self.broker.remove_connection(self.id);
            let _acting = self.broker.acting(self.identity.as_ref().map(Identity::user));
            self.flush();
            self.release_all();
            if let Some(entry) = &self.entry {
                self.broker.tell_connection_closed(entry);
            }
            self.outbox.close();
        }
    }

    /// Handles an event, and what of the `rest` is handled along with it: says how many bytes that is.
    fn event(&mut self, event: &mut Event<'_>, rest: &[u8]) -> usize {
        match event {
            Event::Publish { channel, publish } => {
                self.publisher = true;
                self.publish(*channel, publish);
                if self.publishes.is_full() {
                    self.flush();
                }
            }
            Event::Settle {
                channel,
                delivery_tag,
                multiple,
                outcome,
            } => {
                let (method, outcome) = settle::meaning(*outcome);
                let rest = if outcome == Outcome::Ack { rest } else { &[] };
                let (handled, done) = self.settle(*channel, (*delivery_tag, *multiple), outcome, rest);
                self.check(*channel, method, done);
                return handled;
            }
            Event::Heartbeat => {}
            other => {
                // Everything else happens after what came before it on the connection.
                self.flush();
                self.rare_event(std::mem::replace(other, Event::Heartbeat));
                self.is_full = !self.outbox.has_room();
            }
        }
        0
    }

    fn rare_event(&mut self, event: Event<'_>) {
        match event {
            Event::ProtocolHeader => self.start(),
            Event::BadHeader => self.next = Next::Close,
            Event::StartOk(start_ok) => self.log_in(&start_ok),
            // No mechanism on offer asks for a second response.
            Event::SecureOk { .. } => self.refuse_login("an unexpected response"),
            Event::Tuned { .. } => {}
            Event::OpenVhost { vhost } => self.open_vhost(vhost),
            Event::ChannelOpen(number) => self.open_channel(number),
            Event::ChannelClose { channel, .. } => {
                self.release_channel(channel);
                self.write(channel, Response::ChannelCloseOk);
            }
            Event::ChannelCloseOk(_) => {}
            Event::ChannelFault { channel, error } => self.fail(channel, &error),
            Event::ConnectionClose(_) => {
                self.release_all();
                self.write(0, Response::ConnectionCloseOk);
                self.next = Next::Close;
            }
            Event::ConnectionCloseOk => self.next = Next::Close,
            Event::Get { channel, queue, no_ack } => {
                let done = self.get(channel, queue, no_ack);
                self.check(channel, Method::new(60, 70), done);
            }
            Event::Request { channel, request } => {
                let method = requests::method(&request);
                let _acting = self.broker.acting(self.identity.as_ref().map(Identity::user));
                let done = self.request(channel, request);
                self.check(channel, method, done);
                if let Some(channel) = self.channels.get(channel) {
                    channel.show();
                }
            }
            Event::Publish { .. } | Event::Settle { .. } | Event::Heartbeat => {}
        }
    }

    /// Hands over what was gathered, then works off what came of it.
    fn flush(&mut self) {
        self.hand_over_tallies();
        if self.touched.is_empty() && self.publishes.is_empty() && self.settles.is_empty() {
            return;
        }
        let now = self.broker.now();
        for &number in &self.touched {
            if let Some(confirms) = self.channels.get_mut(number).and_then(|c| c.confirms.as_mut()) {
                confirms.tracker.register(&mut confirms.reached);
            }
        }
        self.publishes.flush(now, &mut self.aftermath);
        if let Some(place) = &self.place {
            place.vhost.publishes_are_placed();
        }
        if !self.spans.is_empty() {
            self.end_spans();
        }
        self.settles.flush(now, &mut self.aftermath);
        for number in self.touched.drain(..) {
            if let Some(channel) = self.channels.get_mut(number) {
                channel.return_window(now, &mut self.aftermath);
            }
        }
        self.finish();
    }

    fn finish(&mut self) {
        if !self.aftermath.is_empty() {
            self.broker.settle_aftermath(&mut self.aftermath);
        }
    }

    /// Reports the outcome of a method: an error closes its channel or the connection.
    fn check(&mut self, channel: u16, method: Method, done: Result<(), AmqpError>) {
        if let Err(error) = done {
            self.fail(channel, &error.caused_by(method));
        }
    }

    /// Ends what `error` ends, and gives back what that held.
    fn fail(&mut self, channel: u16, error: &AmqpError) {
        self.flush();
        if error.scope == ErrorScope::Connection || channel == 0 {
            tracing::warn!(%error, "closing the connection");
            self.throttle.release();
            self.release_all();
        } else {
            tracing::info!(channel, %error, "closing a channel");
            self.release_channel(channel);
        }
        self.wire.fail(error, channel, &mut self.scratch);
        self.write_scratch();
        if self.wire.is_over() {
            self.next = Next::Close;
        }
    }

    fn release_all(&mut self) {
        let numbers: Vec<_> = self.channels.iter().map(Channel::number).collect();
        for number in numbers {
            self.release_channel(number);
        }
        let queues = std::mem::take(&mut self.exclusive_queues);
        self.broker.delete_exclusive_queues(queues);
        // Before anything is written of it: a client that hears of its end may come again at once.
        self.counted = None;
    }

    fn channel_mut(&mut self, number: u16) -> Result<&mut Channel, AmqpError> {
        // The protocol core lets methods through for open channels only.
        self.channels
            .get_mut(number)
            .ok_or_else(|| AmqpError::connection(ReplyCode::ChannelError, "expected 'channel.open'"))
    }

    fn place(&self) -> Result<&Place, AmqpError> {
        self.place
            .as_ref()
            .ok_or_else(|| AmqpError::connection(ReplyCode::NotAllowed, "no vhost is open"))
    }

    fn write(&self, channel: u16, response: Response<'_>) {
        self.outbox.write(|out| response.encode(channel, out));
    }

    /// Writes a reply unless the client wanted none.
    fn reply(&self, channel: u16, nowait: bool, response: Response<'_>) {
        if !nowait {
            self.write(channel, response);
        }
    }

    fn write_scratch(&mut self) {
        if self.scratch.is_empty() {
            return;
        }
        let scratch = &mut self.scratch;
        self.outbox.write(|out| out.append(scratch));
    }
}

impl Drop for Session {
    /// A connection whose task panicked gives back what it held all the same.
    fn drop(&mut self) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.end()));
        if ended.is_err() {
            self.outbox.abandon();
            tracing::error!(connection = self.id, "the connection did not end in order");
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "connection {} from {}", self.id, self.peer)
    }
}
