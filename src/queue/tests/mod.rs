//! Tests of the queue core in words: a message is a name, effects are read as text.
//!
//! `a>0` delivers message a to consumer 0 (`a>0*2` redelivered, returned twice before); `keep a`, `keep! a` (in
//! flight), `forget a`, `taken 1`, `refused 1`, `dead a maxlen`, `active 0`, `idle 0`, `queue expired`.

mod consumers;
mod delivery;
mod expiry;
mod groups;
mod letters;
mod limits;
mod paused;
mod retry;
mod settle;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{ConfirmSink, ConfirmTicket, Message, Millis, Properties};

use super::*;

struct NoSink;

impl ConfirmSink for NoSink {
    fn taken(&self, _: u64) {}
    fn refused(&self, _: u64) {}
}

/// A message to publish: `m("a").ttl(5).priority(2)`.
#[derive(Clone, Default)]
struct M {
    name: String,
    properties: Properties,
    persistent: bool,
    ticket: Option<u64>,
}

fn m(name: &str) -> M {
    M {
        name: name.into(),
        ..M::default()
    }
}

impl M {
    fn ttl(mut self, ms: u64) -> Self {
        self.properties.expiration = Some(ms.to_string().as_str().into());
        self
    }

    fn group(mut self, key: &str) -> Self {
        let pair = ("x-group-id", crate::model::FieldValue::text(key));
        self.properties.headers = Some([pair].into_iter().collect());
        self
    }

    fn priority(mut self, priority: u8) -> Self {
        self.properties.priority = Some(priority);
        self
    }

    fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    fn ticket(mut self, tag: u64) -> Self {
        self.ticket = Some(tag);
        self
    }

    fn message(&self) -> Message {
        Message::new("x", "q", &self.properties.encode(), &[self.name.as_bytes()])
    }

    fn incoming(&self) -> Incoming {
        Incoming {
            message: self.message(),
            persistent: self.persistent,
            ticket: self.ticket.map(|tag| ConfirmTicket::new(Arc::new(NoSink), tag)),
        }
    }
}

/// A queue under test, with its clock and the ids of what is out.
struct Q {
    core: QueueCore,
    now: Millis,
    out: BTreeMap<String, UnackedId>,
    names: BTreeMap<Sequence, String>,
}

/// A queue with dead-letter exchange `dlx` and these settings.
fn queue(options: QueueOptions) -> Q {
    let dead_letter = Some(DeadLetterTarget {
        exchange: "dlx".into(),
        routing_key: None,
    });
    let options = QueueOptions { dead_letter, ..options };
    Q {
        core: QueueCore::new(options, 1000),
        now: 1000,
        out: BTreeMap::new(),
        names: BTreeMap::new(),
    }
}

fn plain() -> Q {
    queue(QueueOptions::default())
}

fn consumer(prefetch: u32) -> ConsumerOptions {
    ConsumerOptions {
        prefetch,
        ..ConsumerOptions::default()
    }
}

fn no_ack() -> ConsumerOptions {
    ConsumerOptions {
        no_ack: true,
        ..ConsumerOptions::default()
    }
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

impl Q {
    fn apply(&mut self, command: Command<'_>) -> (Reply, String) {
        let mut effects = Effects::default();
        let reply = self.core.apply(command, self.now, &mut effects);
        if let Reply::Got(Some(delivery), _) = &reply {
            self.note(delivery);
        }
        let words: Vec<String> = effects.in_order().into_iter().map(|asked| self.word(asked)).collect();
        (reply, words.join(", "))
    }

    fn run(&mut self, command: Command<'_>) -> String {
        self.apply(command).1
    }

    fn publish(&mut self, messages: impl IntoIterator<Item = M>) -> String {
        let mut incoming = messages.into_iter().map(|m| m.incoming()).collect();
        let words = self.run(Command::Enqueue(&mut incoming));
        assert!(incoming.is_empty());
        words
    }

    fn names(&mut self, names: &str) -> String {
        self.publish(names.split(' ').map(m))
    }

    fn subscribe(&mut self, options: ConsumerOptions) -> String {
        match self.apply(Command::Subscribe(options)) {
            (Reply::Subscribed(_), words) => words,
            (Reply::SubscribeRefused(error), words) => format!("{error:?}{words}"),
            (reply, _) => panic!("{reply:?}"),
        }
    }

    fn ids(&mut self, names: &str) -> Vec<UnackedId> {
        let names = names.split_whitespace();
        names
            .map(|name| self.out.remove(name).unwrap_or_else(|| panic!("{name} is not out")))
            .collect()
    }

    fn settle(&mut self, outcome: Outcome, names: &str) -> String {
        let ids = self.ids(names);
        self.run(Command::Settle(outcome, &ids))
    }

    fn ack(&mut self, names: &str) -> String {
        self.settle(Outcome::Ack, names)
    }

    fn requeue(&mut self, names: &str) -> String {
        self.settle(Outcome::Requeue, names)
    }

    fn get(&mut self) -> String {
        match self.apply(Command::Get(false)) {
            (Reply::Got(Some(delivery), left), _) => {
                format!("{}{} +{left}", text(&delivery.message), mark(&delivery))
            }
            (Reply::Got(None, 0), _) => "empty".into(),
            (reply, _) => panic!("{reply:?}"),
        }
    }

    /// Lets time pass and ticks.
    fn wait(&mut self, ms: Millis) -> String {
        self.now += ms;
        self.run(Command::Tick)
    }

    fn waiting(&self) -> String {
        let names: Vec<String> = self.core.ready_messages().map(|view| text(view.message)).collect();
        names.join(" ")
    }

    fn note(&mut self, delivery: &Delivery) {
        let name = text(&delivery.message);
        self.names.insert(delivery.sequence, name.clone());
        if let Some(id) = delivery.unacked {
            self.out.insert(name, id);
        }
    }

    fn word(&mut self, asked: Asked<'_>) -> String {
        let effect = match asked {
            Asked::Delivery(delivery) => {
                self.note(delivery);
                return format!("{}>{}{}", text(&delivery.message), delivery.consumer.0, mark(delivery));
            }
            Asked::Other(effect) => effect,
        };
        match effect {
            Effect::Keep {
                sequence,
                message,
                in_flight,
                replaces,
                ..
            } => {
                self.names.insert(*sequence, text(message));
                let instead = replaces.map_or("", |_| " instead");
                format!("keep{} {}{instead}", if *in_flight { "!" } else { "" }, text(message))
            }
            Effect::Spill { sequence, message } => {
                self.names.insert(*sequence, text(message));
                format!("spill {}", text(message))
            }
            Effect::Forget(sequence) => format!("forget {}", self.names[sequence]),
            Effect::ForgetRun { first, count } => {
                let names = (*first..first + count).map(|sequence| self.names[&sequence].clone());
                format!("forget {}", names.collect::<Vec<_>>().join(" "))
            }
            Effect::Taken(ticket) => format!("taken {}", tag(ticket)),
            Effect::Refused(ticket) => format!("refused {}", tag(ticket)),
            Effect::DeadLetter(dead) => {
                assert_eq!(dead.target.exchange.as_str(), "dlx");
                let reason = match dead.reason {
                    DeathReason::Rejected => "rejected",
                    DeathReason::Expired => "expired",
                    DeathReason::MaxLength => "maxlen",
                    DeathReason::DeliveryLimit => "delivery_limit",
                };
                let held = if dead.held { " held" } else { "" };
                self.names.insert(dead.sequence, text(&dead.message));
                format!("dead {} {reason}{held}", text(&dead.message))
            }
            Effect::Activated(key, true) => format!("active {}", key.0),
            Effect::Activated(key, false) => format!("idle {}", key.0),
            Effect::Expired => "queue expired".into(),
            Effect::Load => "load".into(),
        }
    }
}

fn mark(delivery: &Delivery) -> String {
    match (delivery.redelivered, delivery.delivery_count) {
        (false, 0) => String::new(),
        (true, count) => format!("*{count}"),
        (false, count) => panic!("returned {count} times and not redelivered"),
    }
}

fn tag(ticket: &ConfirmTicket) -> String {
    let text = format!("{ticket:?}");
    text.trim_start_matches("ConfirmTicket(")
        .trim_end_matches(')')
        .to_owned()
}
