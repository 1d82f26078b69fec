//! Sending letters back to where they came from, without losing one.
//!
//! **No loss.** A letter is taken from its queue, published, and settled there only once every queue that it reaches
//! has it: for a persistent message in a durable queue, on stable storage. A broker that is killed in between has it in
//! both at most. What is refused by a queue, or no longer routed, goes back to its place as it was; the order of what
//! stays does not change. Queues of an exchange that took a letter which another one refused have it already.
//!
//! **No circles.** Only what was there at the start is looked at: a letter that dies again meanwhile waits for the next
//! replay.
//!
//! **Straight to the queues.** A letter passed its exchange once. It is routed by the bindings that there are now, but
//! not delayed, deduplicated or kept as history by the exchange a second time.
//!
//! A replay looks at 256 messages under one lock of its queue, and has at most [`WINDOW`] letters, or
//! [`WINDOW_BYTES`], on their way; it pauses while an alarm blocks publishers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{AmqpError, ConfirmSink, ConfirmTicket, Millis, Name};
use crate::queue::{Incoming, Sequence, UnackedId, WaitingPlace};
use crate::store::QueueId;

use super::super::queue_cell::{Aftermath, QueueCell, QueueRef};
use super::super::{Broker, Vhost};
use super::replays::{Replay, Signal};
use super::{Letter, LetterFilter, ReplayTo};

/// How many letters of one replay may be on their way: enough to share a sync of the disk.
const WINDOW: usize = 1024;
/// How many bytes of bodies, the letter that passes this included.
const WINDOW_BYTES: usize = 8 << 20;
/// How long queues may take to answer before a replay gives up, in milliseconds.
const ANSWER_WAIT_MS: Millis = 30_000;
/// How long a replay waits while an alarm blocks publishers.
const ALARM_WAIT: Duration = Duration::from_millis(500);

/// Whether the one who asked for a replay may publish to an exchange with a key.
pub type MayPublish = Arc<dyn Fn(&str, &str) -> Result<(), AmqpError> + Send + Sync>;

/// What is to be sent back, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayRequest {
    /// Which letters.
    pub filter: LetterFilter,
    /// To this exchange instead of the one that they were published to first.
    pub exchange: Option<Name>,
    /// With this key instead of their first keys.
    pub routing_key: Option<Name>,
    /// At most so many letters.
    pub limit: Option<u64>,
    /// At most so many letters a second.
    pub rate_per_s: Option<u64>,
}

/// How far a replay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayState {
    /// It goes on.
    Running,
    /// All letters were looked at, or the limit was reached.
    Done,
    /// Somebody stopped it.
    Stopped,
    /// It could not go on.
    Failed,
}

/// What a replay did so far, in letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayCounts {
    /// Waited in the queue at the start.
    pub total: u64,
    /// Looked at.
    pub scanned: u64,
    /// Of those, meant by the filter.
    pub matched: u64,
    /// Of those, kept by their queues and gone from here.
    pub replayed: u64,
    /// Still here, or gone to a consumer, because a queue refused them or somebody else took them first.
    pub skipped: u64,
    /// Still here, because their exchange leads nowhere or they do not say where they came from.
    pub unroutable: u64,
}

/// What a replay does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum Next {
    /// There is more to do at once.
    Again,
    /// Not before answers came, or so much time went by.
    After(Duration),
    /// It is at its end.
    End,
}

/// A letter that is on its way.
struct Flight {
    id: UnackedId,
    /// Queues that have not answered.
    owed: usize,
    refused: bool,
    bytes: usize,
}

/// The one who does it.
pub(in crate::broker) struct Worker {
    broker: Arc<Broker>,
    vhost: Arc<Vhost>,
    queue: Arc<QueueCell>,
    replay: Arc<Replay>,
    may_publish: MayPublish,
    /// Where to look next; `None` at the end.
    from: Option<WaitingPlace>,
    /// Letters from this number on came later.
    end: Sequence,
    /// Letters that are meant and not yet sent.
    chosen: VecDeque<Letter>,
    flights: BTreeMap<Sequence, Flight>,
    flying_bytes: usize,
    sent: u64,
    pace: Option<Pace>,
    heard_at: Millis,
    counts: ReplayCounts,
    failure: Option<String>,
}

impl Worker {
    pub fn new(
        broker: Arc<Broker>,
        vhost: Arc<Vhost>,
        queue: Arc<QueueCell>,
        replay: Arc<Replay>,
        may_publish: MayPublish,
    ) -> Self {
        let now = broker.now();
        let (total, end) = queue.extent();
        Self {
            pace: replay.request.rate_per_s.map(|rate| Pace::new(rate, now)),
            broker,
            vhost,
            queue,
            replay,
            may_publish,
            from: Some(WaitingPlace::HEAD),
            end,
            chosen: VecDeque::new(),
            flights: BTreeMap::new(),
            flying_bytes: 0,
            sent: 0,
            heard_at: now,
            counts: ReplayCounts {
                total,
                ..ReplayCounts::default()
            },
            failure: None,
        }
    }

    /// Works until there is nothing more to do.
    pub fn run(&mut self) {
        loop {
            match self.step() {
                Next::Again => {}
                Next::After(time) => self.replay.signal.wait(time),
                Next::End => return,
            }
        }
    }

    /// Does a piece of the work, without waiting for anything.
    pub fn step(&mut self) -> Next {
        let next = self.work();
        let state = match (next, &self.failure) {
            (Next::End, Some(_)) => ReplayState::Failed,
            (Next::End, None) if self.has_rest() => ReplayState::Stopped,
            (Next::End, None) => ReplayState::Done,
            _ => ReplayState::Running,
        };
        self.replay
            .report(state, self.counts, self.failure.clone(), self.broker.now());
        next
    }

    fn work(&mut self) -> Next {
        let now = self.broker.now();
        self.settle_answers(now);
        if self.queue.is_deleted() {
            self.failure.get_or_insert_with(|| "the queue was deleted".to_owned());
        }
        let ending = self.failure.is_some() || self.replay.signal.is_stopped();
        if !ending && self.chosen.is_empty() {
            self.choose(now);
        }
        if ending || (self.chosen.is_empty() && self.from.is_none()) {
            return match self.flights.is_empty() {
                true => Next::End,
                false => self.until_answers(now),
            };
        }
        if self.chosen.is_empty() {
            return Next::Again;
        }
        if self.broker.alarms().any_raised() {
            return Next::After(ALARM_WAIT);
        }
        let room = WINDOW - self.flights.len();
        if room == 0 || self.flying_bytes >= WINDOW_BYTES {
            return self.until_answers(now);
        }
        let allowed = match &mut self.pace {
            None => room,
            Some(pace) => match pace.allowed(now) {
                Ok(allowed) => allowed.min(room),
                Err(wait) => return Next::After(wait),
            },
        };
        self.send(allowed, now);
        Next::Again
    }

    fn has_rest(&self) -> bool {
        self.from.is_some() || !self.chosen.is_empty()
    }

    fn until_answers(&self, now: Millis) -> Next {
        let left = self.heard_at.saturating_add(ANSWER_WAIT_MS).saturating_sub(now);
        Next::After(Duration::from_millis(left.max(1)))
    }

    /// Looks at the next stretch of the queue.
    fn choose(&mut self, now: Millis) {
        let Some(from) = self.from else {
            return;
        };
        let request = &self.replay.request;
        let (waiting, next) = match self.broker.look(&self.queue, from) {
            Ok(found) => found,
            Err(error) => {
                self.failure = Some(error.to_string());
                return;
            }
        };
        self.from = next;
        for waiting in waiting {
            if waiting.place.sequence >= self.end {
                self.from = waiting.place.next_level();
                break;
            }
            let letter = Letter::new(waiting);
            self.counts.scanned += 1;
            if !request.filter.matches(&letter, now) {
                continue;
            }
            self.counts.matched += 1;
            self.chosen.push_back(letter);
            let chosen = self.sent + self.chosen.len() as u64;
            if request.limit.is_some_and(|limit| chosen >= limit) {
                self.from = None;
                break;
            }
        }
    }

    /// Sends up to `count` letters on their way.
    fn send(&mut self, count: usize, now: Millis) {
        let mut routed = Vec::new();
        let mut bytes = self.flying_bytes;
        while routed.len() < count && bytes < WINDOW_BYTES {
            let Some(letter) = self.chosen.pop_front() else {
                break;
            };
            match self.route(&letter, now) {
                Ok(Some((to, queues))) => {
                    bytes += letter.waiting.message.body_len();
                    routed.push((letter, to, queues));
                }
                Ok(None) => {
                    self.sent += 1;
                    self.counts.unroutable += 1;
                }
                Err(error) => {
                    self.chosen.push_front(letter);
                    self.failure = Some(error.text);
                    break;
                }
            }
        }
        self.publish(routed, now);
    }

    /// Where a letter goes; `None` for one that has to stay.
    fn route(&self, letter: &Letter, now: Millis) -> Result<Option<(ReplayTo, Vec<QueueRef>)>, AmqpError> {
        let Some(to) = letter.replay_to(&self.replay.request) else {
            return Ok(None);
        };
        let queues = self.vhost.replay_targets(letter, &to, now);
        if queues.is_empty() {
            return Ok(None);
        }
        (self.may_publish)(&to.exchange, &to.keys[0])?;
        Ok(Some((to, queues)))
    }

    fn publish(&mut self, routed: Vec<(Letter, ReplayTo, Vec<QueueRef>)>, now: Millis) {
        let mut aftermath = Aftermath::default();
        let wanted: Vec<_> = routed.iter().map(|(letter, ..)| letter.wanted()).collect();
        let taken = self.queue.take(&wanted, now, &mut aftermath);
        let mut taken = taken.into_iter().peekable();
        let mut batches: BTreeMap<QueueId, (QueueRef, Vec<Incoming>)> = BTreeMap::new();
        for (letter, to, queues) in routed {
            let sequence = letter.waiting.place.sequence;
            self.sent += 1;
            let delivery = taken.next_if(|delivery| delivery.sequence == sequence);
            let Some(id) = delivery.and_then(|delivery| delivery.unacked) else {
                self.counts.skipped += 1;
                continue;
            };
            let message = letter.sent_back(&to);
            let flight = Flight {
                id,
                owed: queues.len(),
                refused: false,
                bytes: message.body_len(),
            };
            self.flying_bytes += flight.bytes;
            self.flights.insert(sequence, flight);
            for queue in queues {
                let sink = Arc::clone(&self.replay.signal) as Arc<dyn ConfirmSink>;
                let batch = batches.entry(queue.0.id);
                let (_, batch) = batch.or_insert_with(|| (queue, Vec::new()));
                batch.push(Incoming {
                    message: message.clone(),
                    persistent: message.properties().is_persistent(),
                    ticket: Some(ConfirmTicket::new(sink, sequence)),
                });
            }
        }
        if let Some(pace) = &mut self.pace {
            pace.spend(wanted.len());
        }
        self.heard_at = now;
        for (queue, batch) in batches.into_values() {
            queue.0.enqueue_again(batch, now, &mut aftermath);
        }
        self.broker.settle_aftermath(&mut aftermath);
    }

    /// Settles the letters for which all queues have answered.
    fn settle_answers(&mut self, now: Millis) {
        let answers = self.replay.signal.answers();
        if !answers.is_empty() {
            self.heard_at = now;
        }
        let (mut done, mut undone) = (Vec::new(), Vec::new());
        for (sequence, refused) in answers {
            let Some(flight) = self.flights.get_mut(&sequence) else {
                continue;
            };
            flight.refused |= refused;
            flight.owed = flight.owed.saturating_sub(1);
            if flight.owed > 0 {
                continue;
            }
            let list = if flight.refused { &mut undone } else { &mut done };
            list.push(flight.id);
            self.flying_bytes -= flight.bytes;
            self.flights.remove(&sequence);
        }
        if !self.flights.is_empty() && now.saturating_sub(self.heard_at) >= ANSWER_WAIT_MS {
            self.failure = Some("a queue did not store its letters in time".to_owned());
            undone.extend(std::mem::take(&mut self.flights).into_values().map(|flight| flight.id));
            self.flying_bytes = 0;
        }
        if done.is_empty() && undone.is_empty() {
            return;
        }
        self.counts.replayed += done.len() as u64;
        self.counts.skipped += undone.len() as u64;
        let mut aftermath = Aftermath::default();
        self.queue.settle_taken(&done, &undone, now, &mut aftermath);
        self.broker.settle_aftermath(&mut aftermath);
    }
}

impl Drop for Worker {
    /// A fault must leave no letter out of reach.
    fn drop(&mut self) {
        let left: Vec<UnackedId> = self.flights.values().map(|flight| flight.id).collect();
        if !left.is_empty() {
            let mut aftermath = Aftermath::default();
            let now = self.broker.now();
            self.queue.settle_taken(&[], &left, now, &mut aftermath);
            self.broker.settle_aftermath(&mut aftermath);
        }
    }
}

impl Vhost {
    /// The queues to which a letter would be sent back.
    pub(super) fn replay_targets(&self, letter: &Letter, to: &ReplayTo, random: u64) -> Vec<QueueRef> {
        let mut queues = Vec::new();
        if self.check_publishable(&to.exchange).is_err() {
            return queues;
        }
        let keys = to.keys.iter().map(String::as_str);
        let properties = letter.waiting.message.properties();
        let random = random.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ letter.waiting.place.sequence;
        let router = self.router.read();
        let _ = router.route_many(&to.exchange, keys, properties, random, &mut queues);
        queues
    }
}

impl ConfirmSink for Signal {
    fn taken(&self, tag: u64) {
        self.answer(tag, false);
    }

    fn refused(&self, tag: u64) {
        self.answer(tag, true);
    }
}

/// Letters a second, with a tenth of a second's worth at once at most. Counted in thousandths of a letter.
struct Pace {
    rate: u64,
    credit: u64,
    at: Millis,
}

impl Pace {
    fn new(rate: u64, now: Millis) -> Self {
        Self {
            rate: rate.max(1),
            credit: 1000,
            at: now,
        }
    }

    /// How many letters may go now; otherwise how long until one may.
    fn allowed(&mut self, now: Millis) -> Result<usize, Duration> {
        let earned = now.saturating_sub(self.at).saturating_mul(self.rate);
        let most = self.rate.saturating_mul(100).max(1000);
        self.credit = self.credit.saturating_add(earned).min(most);
        self.at = now;
        match self.credit / 1000 {
            // A few at a time where the rate is high.
            0 => Err(Duration::from_millis((1000 - self.credit).div_ceil(self.rate).max(10))),
            allowed => Ok(usize::try_from(allowed).unwrap_or(usize::MAX)),
        }
    }

    fn spend(&mut self, letters: usize) {
        self.credit = self.credit.saturating_sub(letters as u64 * 1000);
    }
}
