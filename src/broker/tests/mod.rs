//! The broker without sockets: what is declared, published and read through its own calls, with a clock that stands.

mod arguments;
mod deduplication;
mod delayed;
mod full_disk;
mod full_targets;
mod handover;
mod limits;
mod over_bindings;
mod policies;
mod statistics;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::auth::{Accounts, HashingCost};
use crate::model::{
    AmqpError, Clock, ConfirmSink, ConfirmTicket, FieldTable, FieldValue, ManualClock, Message, Name, Properties,
};
use crate::queue::Incoming;
use crate::store::{EngineKind, MessageStore, StateStore, StoreOptions, SyncMode};

use super::{
    Aftermath, Broker, BrokerLimits, BrokerParts, ExchangeDeclare, PublishBatch, QueueCell, QueueDeclare, RouteCache,
    Terms, Vhost,
};

/// The time at which the clock of every test starts.
pub(super) const START: u64 = 1_700_000_000_000;

/// Nobody's password is at stake.
pub(super) const CHEAP: HashingCost = HashingCost {
    memory_kib: 8,
    iterations: 1,
    lanes: 1,
};

/// A broker with its clock.
pub(super) struct Bench {
    pub broker: Arc<Broker>,
    pub clock: Arc<ManualClock>,
    pub state: Arc<dyn StateStore>,
    pub answers: Arc<Answers>,
    routes: parking_lot::Mutex<RouteCache>,
}

/// Counts what publishers were told.
#[derive(Default)]
pub(super) struct Answers {
    taken: AtomicU64,
    refused: AtomicU64,
}

impl ConfirmSink for Answers {
    fn taken(&self, _tag: u64) {
        self.taken.fetch_add(1, Ordering::SeqCst);
    }

    fn refused(&self, _tag: u64) {
        self.refused.fetch_add(1, Ordering::SeqCst);
    }
}

impl Answers {
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }
}

impl Bench {
    /// A broker that keeps nothing.
    pub fn new() -> Self {
        let (messages, state) = open(Path::new("."), EngineKind::Memory);
        Self::over(messages, state, START)
    }

    /// A broker on the log in a folder, at a time.
    pub fn on_disk(folder: &Path, now: u64) -> Self {
        let (messages, state) = open(folder, EngineKind::Log);
        Self::over(messages, state, now)
    }

    fn over(messages: MessageStore, state: Arc<dyn StateStore>, now: u64) -> Self {
        let clock = Arc::new(ManualClock::at(now));
        let parts = BrokerParts {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            accounts: Accounts::new(CHEAP).unwrap(),
            state: Arc::clone(&state),
            messages,
            limits: BrokerLimits::default(),
            memory_budget_bytes: u64::MAX,
        };
        Self {
            broker: Broker::restore(parts).unwrap().0,
            clock,
            state,
            answers: Arc::default(),
            routes: parking_lot::Mutex::default(),
        }
    }

    /// Another broker with the same definitions and no messages.
    pub fn restarted(&self) -> Self {
        let (messages, _) = open(Path::new("."), EngineKind::Memory);
        Self::over(messages, Arc::clone(&self.state), self.clock.now())
    }

    /// Writes all that is owed and ends the broker.
    pub fn stop(self) {
        self.broker.stop_timers();
        self.broker.messages().shutdown().unwrap();
    }

    pub fn vhost(&self) -> Arc<Vhost> {
        self.broker.vhost("/").unwrap()
    }

    pub fn advance(&self, milliseconds: u64) {
        self.clock.advance(milliseconds);
        self.broker.run_due_timers();
    }

    pub fn try_queue(&self, name: &str, arguments: FieldTable) -> Result<Arc<QueueCell>, AmqpError> {
        let declare = QueueDeclare {
            name: name.into(),
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments,
        };
        Ok(self.broker.declare_queue(&self.vhost(), declare, 1)?.queue)
    }

    pub fn queue(&self, name: &str, arguments: &[(&str, FieldValue)]) -> Arc<QueueCell> {
        self.try_queue(name, table(arguments)).unwrap()
    }

    pub fn try_exchange(&self, name: &str, kind: &str, arguments: &[(&str, FieldValue)]) -> Result<(), AmqpError> {
        let declare = ExchangeDeclare {
            name: name.into(),
            kind: kind.to_owned(),
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: table(arguments),
        };
        self.broker.declare_exchange(&self.vhost(), declare)
    }

    pub fn exchange(&self, name: &str, kind: &str, arguments: &[(&str, FieldValue)]) {
        self.try_exchange(name, kind, arguments).unwrap();
    }

    pub fn bind(&self, source: &str, queue: &str, routing_key: &str) {
        let binding = crate::routing::Binding {
            source: source.into(),
            destination: crate::routing::DestinationName::Queue(queue.into()),
            routing_key: routing_key.into(),
            arguments: FieldTable::new(),
        };
        self.broker.bind(&self.vhost(), binding, 1).unwrap();
    }

    /// Publishes a persistent message in confirm mode; says how many queues it was routed to.
    pub fn publish(&self, exchange: &str, key: &str, headers: &[(&str, FieldValue)], body: &str) -> usize {
        let properties = Properties {
            headers: (!headers.is_empty()).then(|| table(headers)),
            delivery_mode: Some(2),
            ..Properties::default()
        };
        let message = Message::new(exchange, key, &properties.encode(), &[body.as_bytes()]);
        let mut batch = PublishBatch::default();
        let reached = {
            let mut routes = self.routes.lock();
            let route = routes.route(
                &self.vhost(),
                exchange,
                key,
                &[],
                message.properties(),
                Terms::default(),
            );
            for queue in &route.queues {
                let incoming = Incoming {
                    message: message.clone(),
                    persistent: true,
                    ticket: Some(route.remembered.guard(self.ticket())),
                };
                batch.push(queue, incoming);
            }
            route.queues.len()
        };
        let mut aftermath = Aftermath::default();
        batch.flush(self.clock.now(), &mut aftermath);
        self.broker.settle_aftermath(&mut aftermath);
        reached
    }

    /// What is owed for one publish to one queue.
    pub fn ticket(&self) -> ConfirmTicket {
        ConfirmTicket::new(Arc::clone(&self.answers) as Arc<dyn ConfirmSink>, 1)
    }

    /// Puts messages straight into a queue.
    pub fn fill(&self, queue: &str, count: usize) {
        for at in 0..count {
            self.publish("", queue, &[], &format!("{at}"));
        }
    }

    /// Takes the message at the head, settled with it.
    pub fn get(&self, queue: &str) -> Option<Message> {
        let cell = self.vhost().find_queue(queue)?;
        let mut aftermath = Aftermath::default();
        let (delivery, _) = cell.get(true, self.clock.now(), &mut aftermath);
        self.broker.settle_aftermath(&mut aftermath);
        delivery.map(|delivery| delivery.message)
    }

    /// How many messages wait.
    pub fn waiting(&self, queue: &str) -> u64 {
        self.vhost().find_queue(queue).map_or(0, |cell| cell.state().ready)
    }

    /// The bodies of all that waits, taken out.
    pub fn bodies(&self, queue: &str) -> Vec<String> {
        std::iter::from_fn(|| self.get(queue))
            .map(|message| String::from_utf8_lossy(message.body()).into_owned())
            .collect()
    }
}

fn open(folder: &Path, engine: EngineKind) -> (MessageStore, Arc<dyn StateStore>) {
    let mut options = StoreOptions::new(folder);
    options.engine = engine;
    options.sync = SyncMode::Never;
    MessageStore::open(options, Arc::new(|error| panic!("{error}"))).unwrap()
}

pub(super) fn table(pairs: &[(&str, FieldValue)]) -> FieldTable {
    pairs
        .iter()
        .map(|(name, value)| (Name::from(*name), value.clone()))
        .collect()
}

pub(super) fn number(value: i64) -> FieldValue {
    FieldValue::I64(value)
}

pub(super) fn text(value: &str) -> FieldValue {
    FieldValue::text(value)
}
