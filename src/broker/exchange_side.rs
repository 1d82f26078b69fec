//! What some exchanges have beside their bindings: values they have seen, messages that wait, a history.
//!
//! A waiting room and a history are queues that nobody can find, so that order, expiry, limits and the way to the disk
//! are those of queues. An exchange with any of these is asked for every message; the routes of all others are cached
//! as ever.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::RwLock;

use crate::model::{AmqpError, Clock, ConfirmTicket, Millis, Name, PropertiesView};
use crate::queue::{QueueOptions, delay};
use crate::routing::{ExchangeKind, ExchangeSpec};
use crate::store::{QueueId, StoredMessage};

use super::deduplication::{Deduplication, QueueDeduplication, SeenTable};
use super::queue_cell::{Aftermath, QueueCell, QueueDeclaration, QueueIdentity, QueueRef};
use super::timers::{Timed, Timers};
use super::{Broker, Vhost, delayed, recent_history};

/// How long after a message its value follows it to the disk, where its publisher does not see to it itself
/// ([`Vhost::publishes_are_placed`]): by then the message is in its queues.
const SEEN_DELAY_MS: Millis = 1000;

/// The ids under which the store has what belongs to an exchange.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SideIds {
    pub room: Option<QueueId>,
    pub seen: Option<QueueId>,
}

/// What one exchange has.
pub(super) struct ExchangeSide {
    /// The messages that wait for their time.
    pub room: Option<QueueRef>,
    /// The last messages, for those who bind later.
    pub history: Option<QueueRef>,
    seen: Option<SeenTable>,
    /// Takes duplicates, where their confirm has to wait for the first one's way to the disk.
    duplicates: Option<QueueRef>,
    this: Weak<Self>,
    clock: Arc<dyn Clock>,
    timers: Arc<Timers>,
    scheduled: AtomicBool,
}

/// The sides of a vhost's exchanges, by the exchange's name.
pub(super) type Sides = RwLock<BTreeMap<Name, Arc<ExchangeSide>>>;

/// What is to become of a message before its routing.
pub(super) enum Entrance {
    /// It is routed. The value is to be remembered once it was.
    Routed(Option<Vec<u8>>),
    /// It waits for its time. The value is to be remembered once it does.
    Waits(Option<Vec<u8>>),
    /// It was routed before. Who has to answer for it, where that takes time.
    Duplicate(Option<QueueRef>),
}

impl ExchangeSide {
    /// Looks at a message before it is routed.
    pub fn enter(&self, properties: PropertiesView<'_>) -> Entrance {
        let value = self.seen.as_ref().and_then(|seen| seen.value(properties));
        if let (Some(seen), Some(value)) = (&self.seen, &value)
            && seen.contains(value, self.clock.now())
        {
            return Entrance::Duplicate(self.duplicates.clone());
        }
        match self.room.is_some() && delay(properties).is_some() {
            true => Entrance::Waits(value),
            false => Entrance::Routed(value),
        }
    }

    /// Remembers the value of a message that was routed, or waits; gives its number.
    pub fn remember(&self, value: Option<&[u8]>, properties: PropertiesView<'_>) -> Option<u64> {
        let (seen, value) = self.seen.as_ref().zip(value)?;
        let number = seen.remember(value, properties, self.clock.now());
        if seen.id().is_some() && !self.scheduled.swap(true, Ordering::AcqRel) {
            self.timers.schedule(self.clock.now() + SEEN_DELAY_MS, &self.this);
        }
        Some(number)
    }

    /// Forgets the value of that number; see [`SeenTable::forget`].
    pub fn forget(&self, number: u64, then: impl FnOnce() -> ConfirmTicket) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.forget(number, then))
    }

    /// The history, where the message belongs into it.
    pub fn history_for(&self, properties: PropertiesView<'_>) -> Option<QueueRef> {
        let history = self.history.as_ref()?;
        recent_history::is_stored(properties).then(|| history.clone())
    }

    /// Hands the journal the values of messages that this thread has placed.
    fn flush_own(&self) {
        if let Some(seen) = self.seen.as_ref().filter(|_| self.scheduled.load(Ordering::Acquire)) {
            seen.flush_own();
        }
    }

    /// Hands the journal what it owes.
    pub fn flush(&self) {
        self.scheduled.store(false, Ordering::Release);
        if let Some(seen) = &self.seen {
            seen.flush();
        }
    }
}

impl Timed for ExchangeSide {
    fn title(&self) -> String {
        "a deduplicating exchange".to_owned()
    }

    fn tick(&self, _now: Millis, _aftermath: &mut Aftermath) {
        self.flush();
    }
}

impl Vhost {
    /// All that this thread has routed is in its queues: now the values that exchanges remember of it may follow to the
    /// disk. Were one there without its message, a crash between the two would make a duplicate of the only copy.
    pub fn publishes_are_placed(&self) {
        if self.has_sides() {
            self.sides.read().values().for_each(|side| side.flush_own());
        }
    }
}

impl Broker {
    /// The ids for what a new exchange keeps on disk.
    pub(super) fn new_side_ids(&self, spec: &ExchangeSpec) -> Result<SideIds, AmqpError> {
        let on_disk = Deduplication::of_exchange(spec)?.is_some_and(|options| options.is_on_disk());
        let waits = spec.kind == ExchangeKind::DelayedMessage;
        Ok(SideIds {
            room: (spec.durable && waits).then(|| self.new_queue_id()),
            seen: (spec.durable && on_disk).then(|| self.new_queue_id()),
        })
    }

    /// Makes what the exchange has beside its bindings, if anything; to be called before the exchange can be found.
    pub(super) fn place_side(
        &self,
        vhost: &Vhost,
        name: &Name,
        spec: &ExchangeSpec,
        ids: SideIds,
    ) -> Result<(), AmqpError> {
        let deduplication = Deduplication::of_exchange(spec)?;
        let room = (spec.kind == ExchangeKind::DelayedMessage)
            .then(|| self.hidden_queue(vhost, name, ids.room, delayed::options(name)));
        let history = match spec.kind {
            ExchangeKind::RecentHistory => {
                let options = recent_history::options(&spec.arguments)?;
                Some(self.hidden_queue(vhost, name, None, options))
            }
            _ => None,
        };
        if deduplication.is_none() && room.is_none() && history.is_none() {
            return Ok(());
        }
        let seen = deduplication.map(|options| SeenTable::new(options, ids.seen.map(|id| self.messages.table(id))));
        let duplicates = ids.seen.map(|id| {
            let sink = self.hidden_queue(vhost, name, Some(id), QueueOptions::default());
            sink.0.deduplicate(QueueDeduplication::refuse_all());
            sink
        });
        let side = Arc::new_cyclic(|this| ExchangeSide {
            room,
            history,
            seen,
            duplicates,
            this: this.clone(),
            clock: Arc::clone(&self.clock),
            timers: Arc::clone(&self.timers),
            scheduled: AtomicBool::new(false),
        });
        vhost.sides.write().insert(name.clone(), side);
        vhost.has_sides.store(true, Ordering::Release);
        Ok(())
    }

    /// Cancels what waits in exchanges that are deleted, and forgets what they have seen.
    pub(super) fn drop_sides(&self, vhost: &Vhost, exchanges: &[Name]) {
        for name in exchanges {
            vhost.exchange_traffic.remove(name);
            let Some(side) = vhost.sides.write().remove(name) else {
                continue;
            };
            for hidden in [&side.room, &side.history, &side.duplicates].into_iter().flatten() {
                let _deleted: Result<_, std::convert::Infallible> = hidden.0.delete_if(|_| Ok(()));
                if let Some(spilled) = hidden.0.spilled_id() {
                    self.messages.remove_queue(spilled);
                }
            }
            let room = side.room.as_ref().filter(|room| room.0.journal().is_some());
            let kept = room.map(|room| room.0.id);
            let seen = side.seen.as_ref().and_then(SeenTable::id);
            for id in [kept, seen].into_iter().flatten() {
                self.messages.remove_queue(id);
            }
        }
    }

    /// Puts back what the exchanges of a vhost have seen, and what waited; to be called when all queues have their
    /// messages, of which those with a value count as seen.
    pub(super) fn restore_sides(
        &self,
        vhost: &Vhost,
        messages: &mut BTreeMap<QueueId, Vec<StoredMessage>>,
        aftermath: &mut Aftermath,
    ) -> usize {
        let now = self.now();
        let mut count = 0;
        let sides: Vec<Arc<ExchangeSide>> = vhost.sides.read().values().cloned().collect();
        for side in sides {
            if let Some(seen) = &side.seen
                && let Some(stored) = seen.id().and_then(|id| messages.remove(&id))
            {
                seen.restore(stored);
            }
            if let Some(room) = &side.room
                && let Some(stored) = messages.remove(&room.0.id)
            {
                count += stored.len();
                for stored in &stored {
                    rediscover(&side, stored, now);
                }
                let stored = stored.into_iter().map(super::restore::restored).collect();
                room.0.restore(stored, now, aftermath);
            }
        }
        count
    }

    /// The ids under which the store may have something for the exchanges of a vhost that keep what they have seen.
    pub(super) fn side_ids(vhost: &Vhost) -> Vec<QueueId> {
        let sides = vhost.sides.read();
        let ids = |side: &Arc<ExchangeSide>| {
            let seen = side.seen.as_ref().and_then(SeenTable::id)?;
            Some([side.room.as_ref().map(|room| room.0.id), Some(seen)])
        };
        sides.values().filter_map(ids).flatten().flatten().collect()
    }

    /// The queues in which messages of delayed exchanges wait.
    pub(super) fn waiting_rooms(vhost: &Vhost) -> Vec<Arc<QueueCell>> {
        let sides = vhost.sides.read();
        let rooms = sides.values().filter_map(|side| side.room.as_ref());
        rooms.map(|room| Arc::clone(&room.0)).collect()
    }

    /// A message of a queue came back: the exchange that it was published to has seen it.
    pub(super) fn rediscover(vhost: &Vhost, stored: &[StoredMessage], now: Millis) {
        if vhost.sides.read().is_empty() {
            return;
        }
        for stored in stored {
            if let Some(side) = vhost.side(stored.message.exchange()) {
                rediscover(&side, stored, now);
            }
        }
    }

    /// Hands the journals what exchanges have seen, before a stop.
    pub(super) fn flush_sides(&self) {
        for vhost in self.vhosts() {
            let sides: Vec<Arc<ExchangeSide>> = vhost.sides.read().values().cloned().collect();
            sides.iter().for_each(|side| side.flush());
        }
    }

    fn hidden_queue(&self, vhost: &Vhost, name: &Name, kept: Option<QueueId>, options: QueueOptions) -> QueueRef {
        let declaration = QueueDeclaration {
            durable: kept.is_some(),
            owner: None,
            auto_delete: false,
            arguments: crate::model::FieldTable::new(),
        };
        let options = QueueOptions {
            durable: kept.is_some(),
            ..options
        };
        let identity = QueueIdentity {
            id: kept.unwrap_or_else(|| self.new_queue_id()),
            vhost: vhost.name.clone(),
            name: name.clone(),
            declaration,
        };
        let journal = kept.map(|id| self.messages.journal(id));
        let timers = Arc::clone(&self.timers);
        // What is copied to those who bind is always looked at as a whole.
        let paging = match options.delayed {
            true => Arc::clone(&self.paging),
            false => Arc::default(),
        };
        QueueRef(QueueCell::new(identity, options, journal, timers, paging, self.now()))
    }
}

fn rediscover(side: &ExchangeSide, stored: &StoredMessage, now: Millis) {
    if let Some(seen) = &side.seen {
        seen.rediscover(&stored.message, now);
    }
}
