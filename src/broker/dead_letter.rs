//! What a message becomes when it dies, and where it goes (RabbitMQ: "Dead Letter Exchanges").

use std::sync::Arc;

use crate::model::{Message, Millis, Name};
use crate::queue::{DeadLetter, DeathReason, Incoming, RETRY_AT_HEADER, RETRY_COUNT_HEADER};
use crate::routing::sender_selected_keys;
use crate::store::QueueId;
use crate::telemetry::Tracer;

use super::Vhost;
use super::gates::Terms;
use super::handover::Handover;
use super::letter_desk::LetterTry;
use super::publish::PublishBatch;
use super::queue_cell::{Aftermath, QueueCell, QueueRef};
use super::x_death::{Deaths, Obituary, record_death};

/// A dead letter, ready to be routed.
#[derive(Debug)]
pub struct Corpse {
    /// The message under its new exchange, key and headers.
    pub message: Message,
    /// The keys to route it with: the first is its routing key, the others come from CC.
    pub keys: Vec<String>,
    deaths: Deaths,
    /// A rejection cuts no cycle: somebody decided.
    rejected: bool,
}

impl DeathReason {
    /// The word in the `x-death` header.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

impl Corpse {
    /// Records that it died, where its trace is recorded.
    fn trace(&mut self, tracer: &Tracer, source: &QueueCell, letter: &DeadLetter) {
        let (vhost, queue, reason) = (&source.vhost, &source.name, letter.reason.word());
        if let Some(message) = tracer.dead_letter(vhost, queue, reason, &self.message) {
            self.message = message;
        }
    }

    /// Writes the death of `letter` in `queue` into its headers. Its expiration goes, and CC and BCC too where the queue
    /// has a routing key of its own for dead letters.
    #[must_use]
    pub fn new(letter: &DeadLetter, queue: &str) -> Self {
        let old = &letter.message;
        let mut properties = old.properties().decode().unwrap_or_default();
        let mut headers = properties.headers.take().unwrap_or_default();
        // Retries are counted by the queue that the message leaves.
        headers.remove(RETRY_COUNT_HEADER);
        headers.remove(RETRY_AT_HEADER);
        let mut keys = vec![old.routing_key().into_owned()];
        // A header that is no list of keys never came past the publish.
        let further = sender_selected_keys(&headers).unwrap_or_default();
        keys.extend(further.into_iter().map(str::to_owned));
        // A letter also goes to the keys of BCC, and its headers do not tell of them.
        let secret = headers.remove("BCC");
        let copies = sender_selected_keys(&headers).map_or(0, |keys| keys.len());
        let told_keys = keys[..=copies].to_vec();
        match &letter.target.routing_key {
            Some(_) => {
                headers.remove("CC");
            }
            None => secret.into_iter().for_each(|keys| headers.insert("BCC", keys)),
        }
        let expiration = properties.expiration.take();
        let deaths = record_death(
            &mut headers,
            &Obituary {
                queue,
                reason: letter.reason.word(),
                exchange: old.exchange(),
                routing_keys: &told_keys,
                expiration: expiration.as_deref(),
                time_s: letter.died_at / 1000,
            },
        );
        let keys = match &letter.target.routing_key {
            Some(key) => vec![key.as_str().to_owned()],
            None => keys,
        };
        properties.headers = Some(headers);
        Self {
            message: old.republished(&letter.target.exchange, &keys[0], &properties.encode()),
            keys,
            deaths,
            rejected: letter.reason == DeathReason::Rejected,
        }
    }

    /// Where the letter leads. An exchange that deduplicates remembers it only where nothing can send it back: on its next
    /// way it would be a duplicate, and lost.
    fn route(&self, vhost: &Vhost, letter: &DeadLetter, queues: &mut Vec<QueueRef>) {
        let message = &self.message;
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).collect();
        let mut route = |provisional| {
            let terms = Terms {
                mandatory: false,
                provisional,
            };
            queues.clear();
            let way = vhost.route_publish(message.exchange(), &keys, message.properties(), 0, terms, queues);
            let may_return = queues.iter().any(|queue| queue.0.may_refuse());
            way.is_some_and(|way| way.is_provisional) && !may_return
        };
        let must_remember = route(true);
        if must_remember && !letter.held {
            route(false);
        }
    }

    /// Whether the message went through `queue` before and nobody rejected it since: it would go round for ever.
    #[must_use]
    pub fn cycles_into(&self, queue: &str) -> bool {
        !self.rejected && self.deaths.cycle_into(queue)
    }
}

/// A letter that may come back.
struct Tried {
    attempt: Arc<LetterTry>,
    letter: DeadLetter,
    targets: Vec<QueueId>,
}

impl super::Broker {
    /// Routes dead letters of one queue and puts them where they lead. The queue's disk forgets what it may (`forgets`)
    /// once the targets have the letters on theirs, but for what the queue keeps after all.
    ///
    /// A letter that its queue does not hold and that would go round for ever, or leads nowhere, is dropped (RabbitMQ:
    /// "Dead Letter Exchanges", at-most-once). One that a full target refuses goes back to its queue, unless it had to
    /// leave there for want of room.
    pub(super) fn send_dead_letters(
        &self,
        source: &Arc<QueueCell>,
        letters: Vec<DeadLetter>,
        mut forgets: Vec<u64>,
        now: Millis,
        aftermath: &mut Aftermath,
    ) {
        let Some(vhost) = self.vhost(&source.vhost) else {
            source.forget(&forgets);
            return;
        };
        let handover = Handover::new(source);
        let mut batch = PublishBatch::default();
        let mut queues = Vec::new();
        let mut tried = Vec::new();
        for letter in letters {
            let mut corpse = Corpse::new(&letter, &source.name);
            if let Some(tracer) = self.tracer() {
                corpse.trace(tracer, source, &letter);
            }
            let message = &corpse.message;
            corpse.route(&vhost, &letter, &mut queues);
            queues.retain(|queue| !corpse.cycles_into(&queue.0.name));
            let answering = answering(source, &letter, &mut queues);
            let watched = (letter.kept && !letter.held).then_some(&handover);
            let attempt = (answering > 0).then(|| LetterTry::new(source, &letter, answering, watched.cloned()));
            note_origin(&vhost, source, &letter, &queues);
            let targets = queues.iter().map(|queue| queue.0.id).collect();
            for queue in queues.drain(..) {
                let asked = letter.held || queue.0.may_refuse();
                let ticket = match attempt.as_ref().filter(|_| asked) {
                    Some(attempt) => Some(attempt.ticket(queue.0.id)),
                    None => watched.map(|handover| handover.ticket(letter.sequence)),
                };
                let incoming = Incoming {
                    message: message.clone(),
                    persistent: message.properties().is_persistent(),
                    ticket,
                };
                batch.push(&queue, incoming);
            }
            if let Some(attempt) = attempt.filter(|_| !letter.held) {
                tried.push(Tried {
                    attempt,
                    letter,
                    targets,
                });
            }
        }
        batch.flush(now, aftermath);
        take_back(source, tried, &mut forgets, now, aftermath);
        handover.asked(forgets);
        source.settle_letters(now, aftermath);
    }
}

/// Tells the targets whose letter comes to them, where its own key led there.
fn note_origin(vhost: &Vhost, source: &QueueCell, letter: &DeadLetter, queues: &[QueueRef]) {
    if letter.target.routing_key.is_some() {
        return;
    }
    let stands = |name: &Name| vhost.find_queue(name).is_some();
    for queue in queues {
        queue.0.origins().note(&source.name, &letter.target.exchange, stands);
    }
}

/// Leaves those targets in `queues` that still have to get the letter, and says how many of them will answer. A held
/// letter that leads nowhere stays where it is for now.
fn answering(source: &QueueCell, letter: &DeadLetter, queues: &mut Vec<QueueRef>) -> usize {
    if letter.held {
        let found = queues.len();
        queues.retain(|queue| !source.letters().is_placed(letter.sequence, queue.0.id));
        if queues.is_empty() {
            source.letters().note(letter.sequence, found == 0);
        }
        return queues.len();
    }
    let may_come_back = letter.sequence != 0 && letter.reason != DeathReason::MaxLength;
    if !may_come_back {
        return 0;
    }
    queues.iter().filter(|queue| queue.0.may_refuse()).count()
}

/// Gives the source back what a target refused at once.
fn take_back(source: &QueueCell, tried: Vec<Tried>, forgets: &mut Vec<u64>, now: Millis, aftermath: &mut Aftermath) {
    let mut refused = Vec::new();
    for Tried {
        attempt,
        letter,
        targets,
    } in tried
    {
        let refused_by = attempt.refused_by();
        if refused_by.is_empty() {
            continue;
        }
        let placed = targets
            .into_iter()
            .filter(|target| !refused_by.contains(target))
            .collect();
        source.letters().note_placed(letter.sequence, placed);
        forgets.retain(|sequence| *sequence != letter.sequence);
        refused.push(letter);
    }
    if !refused.is_empty() {
        source.take_back(refused, now, aftermath);
    }
}
