//! The event exchange: what comes and goes in the broker, told in messages (RabbitMQ: "Event Exchange").
//!
//! Events are gathered in a bounded queue, from wherever they happen and whatever is locked there, and published by a
//! thread of their own, in their order. Where the exchange is off, nothing is gathered.

mod described;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex};
use serde_json::Value;

use crate::model::{AmqpError, FieldTable, FieldValue, Message, Millis, Name, Properties};
use crate::queue::Incoming;
use crate::routing::{ExchangeKind, ExchangeSpec};

use super::bindings::removals;
use super::exchanges::put_exchange;
use super::{Aftermath, Broker, PublishBatch, Raised, Vhost};

pub use described::{ConsumerEvent, LoginEvent};

/// The exchange of the events.
pub const EVENT_EXCHANGE: &str = "amq.rabbitmq.event";

/// Events that are published at a time.
const BATCH: usize = 256;

thread_local! {
    /// Who does what this thread does; empty for the broker itself.
    static ACTOR: RefCell<Name> = RefCell::default();
}

/// For as long as it lives, its thread acts for a user.
#[derive(Debug)]
pub struct Acting(Name);

impl Acting {
    /// Begins to act for `user`.
    #[must_use]
    pub fn on_behalf_of(user: &Name) -> Self {
        Self(ACTOR.replace(user.clone()))
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        ACTOR.set(std::mem::take(&mut self.0));
    }
}

/// Events that wait to be published.
#[derive(Debug)]
pub struct EventDesk {
    vhost: Name,
    most: usize,
    waiting: Mutex<Waiting>,
    changed: Condvar,
    published: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    stopped: bool,
}

/// Something that came or went.
#[derive(Debug)]
pub struct Event {
    key: &'static str,
    headers: FieldTable,
    at: Millis,
}

impl EventDesk {
    /// A desk for the exchange in `vhost`, where at most `most` events wait.
    #[must_use]
    pub fn new(vhost: Name, most: usize) -> Self {
        Self {
            vhost,
            most,
            waiting: Mutex::default(),
            changed: Condvar::new(),
            published: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }

    /// Events that were published, and those for which there was no room.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (count(&self.published), count(&self.dropped))
    }

    fn push(&self, event: Event) {
        let mut waiting = self.waiting.lock();
        if waiting.events.len() >= self.most {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.events.push_back(event);
        drop(waiting);
        self.changed.notify_one();
    }

    /// The next events; none once the desk is stopped and empty. Blocks its thread.
    fn take(&self) -> Vec<Event> {
        let mut waiting = self.waiting.lock();
        let is_idle = |waiting: &mut Waiting| waiting.events.is_empty() && !waiting.stopped;
        self.changed.wait_while(&mut waiting, is_idle);
        let count = waiting.events.len().min(BATCH);
        waiting.events.drain(..count).collect()
    }
}

impl Event {
    /// Adds a text.
    pub fn text(&mut self, name: &'static str, text: &str) -> &mut Self {
        self.value(name, FieldValue::text(text))
    }

    /// Adds several texts, each with its name.
    pub fn texts(&mut self, texts: &[(&'static str, &str)]) -> &mut Self {
        for (name, text) in texts {
            self.text(name, text);
        }
        self
    }

    /// Adds a yes or no.
    pub fn flag(&mut self, name: &'static str, flag: bool) -> &mut Self {
        self.value(name, FieldValue::Bool(flag))
    }

    /// Adds a number.
    pub fn number(&mut self, name: &'static str, number: impl Into<i64>) -> &mut Self {
        self.value(name, FieldValue::I64(number.into()))
    }

    /// Adds a table.
    pub fn table(&mut self, name: &'static str, table: &FieldTable) -> &mut Self {
        self.value(name, FieldValue::Table(table.clone()))
    }

    /// Adds what JSON says.
    pub fn json(&mut self, name: &'static str, value: &Value) -> &mut Self {
        self.value(name, field_value(value))
    }

    /// Adds any value.
    pub fn value(&mut self, name: &'static str, value: FieldValue) -> &mut Self {
        self.headers.insert(name, value);
        self
    }

    fn message(mut self) -> Message {
        self.value("timestamp_in_ms", FieldValue::I64(self.at as i64));
        let properties = Properties {
            headers: Some(self.headers),
            delivery_mode: Some(2),
            timestamp: Some(self.at / 1000),
            ..Properties::default()
        };
        Message::new(EVENT_EXCHANGE, self.key, &properties.encode(), &[])
    }
}

impl Broker {
    fn event_desk(&self) -> Option<&EventDesk> {
        self.observers.get()?.events.as_ref()
    }

    /// Events that were published, and those for which there was no room; `None` where the event exchange is off.
    #[must_use]
    pub fn event_counts(&self) -> Option<(u64, u64)> {
        self.event_desk().map(EventDesk::counts)
    }

    /// Says for whom this thread acts from here on, where anybody listens for events.
    #[must_use]
    pub fn acting(&self, user: Option<&Name>) -> Option<Acting> {
        self.event_desk()?;
        user.map(Acting::on_behalf_of)
    }

    /// Tells of something, under RabbitMQ's routing key for it; nothing is put together where nobody listens.
    pub fn tell(&self, key: &'static str, describe: impl FnOnce(&mut Event)) {
        let Some(desk) = self.event_desk() else {
            return;
        };
        let mut event = Event {
            key,
            headers: FieldTable::new(),
            at: self.now(),
        };
        describe(&mut event);
        let actor = ACTOR.with_borrow(Clone::clone);
        let actor = if actor.is_empty() { "rmq-internal" } else { &actor };
        event.text("user_who_performed_action", actor);
        desk.push(event);
    }

    /// Tells of alarms that were set or cleared since `before`.
    pub fn tell_alarms(&self, before: Raised) {
        let now = self.alarms().raised();
        for (source, before, now) in [("memory", before.memory, now.memory), ("disk", before.disk, now.disk)] {
            if before != now {
                let key = if now { "alarm.set" } else { "alarm.cleared" };
                self.tell(key, |event| {
                    event.texts(&[("source", source), ("node", self.node_name())]);
                });
            }
        }
    }

    /// Publishes events until [`Broker::stop_events`]; blocks its thread.
    pub fn run_events(&self) {
        let Some(desk) = self.event_desk() else {
            return;
        };
        loop {
            let events = desk.take();
            if events.is_empty() {
                return;
            }
            let count = events.len() as u64;
            if let Some(vhost) = self.vhost(&desk.vhost) {
                self.publish_events(&vhost, events);
            }
            desk.published.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Ends [`Broker::run_events`] once all that wait are published.
    pub fn stop_events(&self) {
        if let Some(desk) = self.event_desk() {
            desk.waiting.lock().stopped = true;
            desk.changed.notify_all();
        }
    }

    fn publish_events(&self, vhost: &Vhost, events: Vec<Event>) {
        let mut batch = PublishBatch::default();
        let mut queues = Vec::new();
        for event in events {
            let key = event.key;
            let message = event.message();
            queues.clear();
            vhost.route(EVENT_EXCHANGE, key, message.properties(), 0, &mut queues);
            for queue in &queues {
                let incoming = Incoming {
                    message: message.clone(),
                    persistent: true,
                    ticket: None,
                };
                batch.push(queue, incoming);
            }
        }
        let mut aftermath = Aftermath::default();
        batch.flush(self.now(), &mut aftermath);
        self.settle_aftermath(&mut aftermath);
    }

    /// Makes the event exchange in the vhost that is named, with what was bound to it before, and removes it from all
    /// others.
    ///
    /// # Errors
    /// The store failed.
    pub fn place_event_exchange(&self, wanted: Option<&str>) -> Result<(), AmqpError> {
        for vhost in self.vhosts() {
            let _admin = vhost.admin.lock();
            let stands = vhost.exchange_is_internal(EVENT_EXCHANGE).is_some();
            let is_wanted = wanted == Some(&*vhost.name);
            if is_wanted && !stands {
                let spec = ExchangeSpec {
                    kind: ExchangeKind::Topic,
                    durable: true,
                    auto_delete: false,
                    internal: true,
                    arguments: FieldTable::new(),
                };
                let name = Name::from(EVENT_EXCHANGE);
                let ids = self.new_side_ids(&spec)?;
                self.store(&[put_exchange(&vhost, &name, &spec, ids)])?;
                self.place_exchange(&vhost, name, spec, ids)?;
            } else if stands && !is_wanted {
                let removed = vhost.router.write().delete(EVENT_EXCHANGE);
                vhost.changed();
                self.drop_sides(&vhost, &removed.exchanges);
                self.store(&removals(&vhost, &removed.exchanges, &removed.bindings))?;
            }
        }
        Ok(())
    }
}

fn field_value(value: &Value) -> FieldValue {
    match value {
        Value::Null => FieldValue::Void,
        Value::Bool(flag) => FieldValue::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(number) => FieldValue::I64(number),
            None => FieldValue::F64(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => FieldValue::text(text),
        Value::Array(list) => FieldValue::Array(list.iter().map(field_value).collect()),
        Value::Object(map) => {
            let pairs = map.iter().map(|(name, value)| (name.as_str(), field_value(value)));
            FieldValue::Table(pairs.collect())
        }
    }
}
