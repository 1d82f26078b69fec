//! Sending letters back to where they came from, without losing one.
//!
//! **No loss.** A letter is taken from its queue, published, and settled there only once every queue that it reaches
//! has it: for a persistent message in a durable queue, on stable storage. A broker that is killed in between has it in
//! both at most. What is refused by a queue, or no longer routed, goes back to its place as it was; the order of what
//! stays does not change. What some of its queues took and others refused stays too, and the next replay sends it to
//! the others only ([`Partly`](super::Partly)).
//!
//! **No circles.** Only what was there at the start is looked at: a letter that dies again meanwhile waits for the next
//! replay.
//!
//! **Straight to the queues.** A letter passed its exchange once. It is routed by the bindings that there are now, but
//! not delayed, deduplicated or kept as history by the exchange a second time.
//!
//! A replay looks at 256 messages under one lock of its queue, and has at most [`WINDOW`] letters, or
//! [`WINDOW_BYTES`], on their way; it pauses while an alarm blocks publishers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::model::{AmqpError, Millis, Name};
use crate::queue::{Sequence, WaitingPlace};
use crate::store::QueueId;

use super::super::queue_cell::{Aftermath, QueueCell, QueueRef};
use super::super::{Broker, Vhost};
use super::flights::{Batch, Flights, Landed};
use super::pace::Pace;
use super::replays::Replay;
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
    /// Of those, taken by some of their queues: the next replay sends them to the others only.
    pub partly: u64,
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
    flights: Flights,
    /// Letters met that only some of their queues have.
    met_partly: BTreeSet<Sequence>,
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
            flights: Flights::default(),
            met_partly: BTreeSet::new(),
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
            (Next::End, None) => {
                self.tidy_up();
                ReplayState::Done
            }
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
        if room == 0 || self.flights.bytes() >= WINDOW_BYTES {
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
            if self.queue.partly().knows(letter.sequence()) {
                self.met_partly.insert(letter.sequence());
            }
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
        let mut bytes = self.flights.bytes();
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

    /// Where a letter goes, without the queues that have it already; `None` for one that has to stay.
    fn route(&self, letter: &Letter, now: Millis) -> Result<Option<(ReplayTo, Vec<QueueRef>)>, AmqpError> {
        let Some(to) = letter.replay_to(&self.replay.request) else {
            return Ok(None);
        };
        let Some(queues) = self.vhost.replay_targets(&self.queue, letter, &to, now) else {
            return Ok(None);
        };
        (self.may_publish)(&to.exchange, &to.keys[0])?;
        Ok(Some((to, queues)))
    }

    fn publish(&mut self, routed: Vec<(Letter, ReplayTo, Vec<QueueRef>)>, now: Millis) {
        let mut aftermath = Aftermath::default();
        let wanted: Vec<_> = routed.iter().map(|(letter, ..)| letter.wanted()).collect();
        let taken = self.queue.take(&wanted, now, &mut aftermath);
        let mut taken = taken.into_iter().peekable();
        let mut batches: BTreeMap<QueueId, Batch> = BTreeMap::new();
        let mut landed = Vec::new();
        for (letter, to, queues) in routed {
            let sequence = letter.sequence();
            self.sent += 1;
            let delivery = taken.next_if(|delivery| delivery.sequence == sequence);
            let Some(id) = delivery.and_then(|delivery| delivery.unacked) else {
                self.counts.skipped += 1;
                continue;
            };
            let message = letter.sent_back(&to);
            if queues.is_empty() {
                landed.push(Landed::everywhere(sequence, id));
                continue;
            }
            for queue in &queues {
                let batch = batches.entry(queue.0.id);
                let batch = batch.or_insert_with(|| Batch::new(queue, &self.replay.signal));
                batch.push(&message, sequence);
            }
            self.flights.begin(sequence, id, message.body_len(), queues);
        }
        if let Some(pace) = &mut self.pace {
            pace.spend(wanted.len());
        }
        self.heard_at = now;
        for batch in batches.into_values() {
            batch.send(now, &mut aftermath);
        }
        self.broker.settle_aftermath(&mut aftermath);
        self.settle(landed, now);
    }

    /// Settles the letters for which all queues have answered.
    fn settle_answers(&mut self, now: Millis) {
        let answers = self.replay.signal.answers();
        if !answers.is_empty() {
            self.heard_at = now;
        }
        let mut landed: Vec<Landed> = answers
            .into_iter()
            .filter_map(|answer| self.flights.answered(answer))
            .collect();
        if !self.flights.is_empty() && now.saturating_sub(self.heard_at) >= ANSWER_WAIT_MS {
            self.failure = Some("a queue did not store its letters in time".to_owned());
            landed.extend(self.flights.give_up());
        }
        self.settle(landed, now);
    }

    /// Letters that all their queues have are gone; the others are back at their places, and the queue remembers who
    /// has them.
    fn settle(&mut self, landed: Vec<Landed>, now: Millis) {
        let (mut done, mut undone) = (Vec::new(), Vec::new());
        let partly = self.queue.partly();
        for landed in landed {
            if landed.is_done {
                self.counts.replayed += 1;
                partly.forget(landed.letter);
                done.push(landed.id);
                continue;
            }
            self.counts.skipped += 1;
            self.counts.partly += u64::from(!landed.taken_by.is_empty() || partly.knows(landed.letter));
            self.met_partly.insert(landed.letter);
            partly.note(landed.letter, landed.taken_by);
            undone.push(landed.id);
        }
        if done.is_empty() && undone.is_empty() {
            return;
        }
        let mut aftermath = Aftermath::default();
        self.queue.settle_taken(&done, &undone, now, &mut aftermath);
        self.broker.settle_aftermath(&mut aftermath);
    }

    /// Once all that was there has been looked at, the queue may forget letters that were not: consumers had them.
    fn tidy_up(&self) {
        let state = self.queue.state();
        if self.from.is_none() && self.replay.request.limit.is_none() && state.unacked + state.held == 0 {
            self.queue.partly().keep_only(&self.met_partly, self.end);
        }
    }
}

impl Drop for Worker {
    /// A fault must leave no letter out of reach.
    fn drop(&mut self) {
        let left = self.flights.give_up();
        self.settle(left, self.broker.now());
    }
}

impl Vhost {
    /// The queues to which a letter of `queue` would be sent back, without those that have it already; `None` where it
    /// leads nowhere.
    pub(super) fn replay_targets(
        &self,
        queue: &QueueCell,
        letter: &Letter,
        to: &ReplayTo,
        random: u64,
    ) -> Option<Vec<QueueRef>> {
        self.check_publishable(&to.exchange).ok()?;
        let mut queues = Vec::new();
        let keys = to.keys.iter().map(String::as_str);
        let properties = letter.waiting.message.properties();
        let random = random.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ letter.sequence();
        let _ = self
            .router
            .read()
            .route_many(&to.exchange, keys, properties, random, &mut queues);
        let left_out = queue.partly().leave_out(letter.sequence(), &mut queues);
        (left_out || !queues.is_empty()).then_some(queues)
    }
}
