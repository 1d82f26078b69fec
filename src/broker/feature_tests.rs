//! Queue features through the whole broker: store in memory, clock by hand.

use std::sync::Arc;

use crate::auth::{Accounts, HashingCost};
use crate::model::{FieldTable, FieldValue, ManualClock, Message, Properties, encode_table};
use crate::queue::{Delivery, Incoming, Outcome};
use crate::routing::{Binding, DestinationName};
use crate::store::{EngineKind, MessageStore, StoreOptions};

use super::*;

/// A broker with its clock. Queues are known by name, all in vhost `/`.
struct Lab {
    broker: Arc<Broker>,
    clock: Arc<ManualClock>,
}

/// A value of an argument.
trait Value {
    fn value(self) -> FieldValue;
}

impl Value for &str {
    fn value(self) -> FieldValue {
        FieldValue::text(self)
    }
}

impl Value for i64 {
    fn value(self) -> FieldValue {
        FieldValue::I64(self)
    }
}

impl Value for bool {
    fn value(self) -> FieldValue {
        FieldValue::Bool(self)
    }
}

macro_rules! arguments {
    ($($name:literal = $value:expr),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut table = FieldTable::new();
        $(table.insert($name, Value::value($value));)*
        table
    }};
}

fn broker(options: StoreOptions, clock: &Arc<ManualClock>) -> Arc<Broker> {
    let (messages, state) = MessageStore::open(options, Arc::new(|_| ())).unwrap();
    let parts = BrokerParts {
        clock: Arc::clone(clock) as Arc<dyn crate::model::Clock>,
        accounts: Accounts::new(HashingCost {
            memory_kib: 8,
            iterations: 1,
            lanes: 1,
        })
        .unwrap(),
        state,
        messages,
        limits: BrokerLimits::default(),
        memory_budget_bytes: u64::MAX,
    };
    Broker::restore(parts).unwrap().0
}

impl Lab {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(1_700_000_000_500));
        let options = StoreOptions {
            engine: EngineKind::Memory,
            ..StoreOptions::new("")
        };
        let broker = broker(options, &clock);
        Self { broker, clock }
    }

    fn try_declare(&self, name: &str, arguments: FieldTable) -> Result<Arc<QueueCell>, String> {
        let vhost = self.broker.vhost("/").unwrap();
        let declare = QueueDeclare {
            name: name.into(),
            durable: true,
            exclusive: false,
            auto_delete: false,
            arguments,
        };
        let declared = self.broker.declare_queue(&vhost, declare, 1);
        declared.map(|declared| declared.queue).map_err(|error| error.text)
    }

    fn declare(&self, name: &str, arguments: FieldTable) {
        self.try_declare(name, arguments).unwrap();
    }

    fn exchange(&self, name: &str, kind: &str, arguments: FieldTable) {
        let declare = ExchangeDeclare {
            name: name.into(),
            kind: kind.to_owned(),
            durable: true,
            auto_delete: false,
            internal: false,
            arguments,
        };
        let vhost = self.broker.vhost("/").unwrap();
        self.broker.declare_exchange(&vhost, declare).unwrap();
    }

    fn bind(&self, source: &str, key: &str, destination: DestinationName) {
        let vhost = self.broker.vhost("/").unwrap();
        self.broker.bind(&vhost, binding(source, key, destination), 1).unwrap();
    }

    fn queue(&self, name: &str) -> Arc<QueueCell> {
        self.broker.vhost("/").unwrap().find_queue(name).unwrap()
    }

    /// Publishes through the default exchange.
    fn publish(&self, queue: &str, body: &str, properties: &Properties) {
        let message = Message::new("", queue, &properties.encode(), &[body.as_bytes()]);
        let mut batch = vec![Incoming {
            persistent: message.properties().is_persistent(),
            message,
            ticket: None,
        }];
        self.with(|now, aftermath| self.queue(queue).enqueue(&mut batch, now, aftermath));
    }

    fn with<T>(&self, work: impl FnOnce(Millis, &mut Aftermath) -> T) -> T {
        let mut aftermath = Aftermath::default();
        let result = work(self.broker.now(), &mut aftermath);
        self.broker.settle_aftermath(&mut aftermath);
        result
    }

    fn get(&self, queue: &str) -> Option<Delivery> {
        self.with(|now, aftermath| self.queue(queue).get(false, now, aftermath))
            .0
    }

    /// Takes a message and settles it; gives its body.
    fn take(&self, queue: &str, outcome: Outcome) -> Option<String> {
        let delivery = self.get(queue)?;
        let ids = [delivery.unacked.unwrap()];
        self.with(|now, aftermath| self.queue(queue).settle(outcome, &ids, now, aftermath));
        Some(body(&delivery.message))
    }

    fn advance(&self, by: Millis) {
        self.clock.advance(by);
        self.broker.run_due_timers();
    }
}

fn binding(source: &str, key: &str, destination: DestinationName) -> Binding {
    Binding {
        source: source.into(),
        destination,
        routing_key: key.into(),
        arguments: FieldTable::new(),
    }
}

/// A queue at the end of a binding.
fn queue(name: &str) -> DestinationName {
    DestinationName::Queue(name.into())
}

fn body(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

fn headers(message: &Message) -> FieldTable {
    message.properties().headers().unwrap()
}

mod at_least_once;
mod dead_letter_queues;
mod dead_letters;
mod groups;
mod operations;
mod replays;
mod restart;
mod retries;
