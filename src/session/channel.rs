//! One open channel of a connection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustc_hash::FxHashMap;

use crate::broker::{Aftermath, Counted, QueueCell, RouteCache};
use crate::model::{AmqpError, ChannelWindow, Millis, Name, ReplyCode};
use crate::queue::{ConsumerKey, Outcome, UnackedId};
use crate::store::QueueId;
use crate::telemetry::Tracer;

use super::confirms::ConfirmTracker;
use super::consumer::{ChannelDeliveries, Consumer, ReplyConsumer, Shown};
use super::outbox::Outbox;
use super::settle::SettleBatch;
use super::tally::Tally;
use super::tx::Transaction;
use super::unacked::{Unacked, UnackedTable};

/// A channel's list of queues is looked over when it grows beyond this.
const KEPT_QUEUES: usize = 64;

/// What a channel remembers. Owned by its connection's reader; what queues touch is in [`ChannelDeliveries`].
#[derive(Debug)]
pub struct Channel {
    /// The part that queues reach.
    pub deliveries: Arc<ChannelDeliveries>,
    /// What it counted since the last flush.
    pub tally: Tally,
    /// Routes just used.
    pub routes: RouteCache,
    /// In confirm mode.
    pub confirms: Option<Confirms>,
    /// In transaction mode.
    pub transaction: Option<Transaction>,
    /// By tag.
    pub consumers: BTreeMap<Name, Arc<Consumer>>,
    /// The consumer of direct replies.
    pub reply_consumer: Option<Arc<ReplyConsumer>>,
    /// Prefetch of the consumers to come; 0 for no limit.
    pub prefetch: u16,
    /// The last queue declared, which an empty name stands for.
    pub last_queue: Option<Name>,
    /// The exchange that was last found to be writable, with the accounts' generation then.
    pub writable: Option<(u64, Name)>,
    /// The exchange that was last found to take messages, with the topology's generation then.
    pub standing: Option<(u64, Name)>,
    /// The publish that was last let through.
    pub checked: Checked,
    /// That exchange is a topic exchange, where topic permissions have a say.
    pub to_topic: bool,
    /// Traces are on, or the firehose of the vhost.
    pub watched: bool,
    /// Unacked deliveries of consumers settled since the last flush, which the channel's window gets back.
    pub settled: u32,
    /// Its place among the channels of its user.
    pub counted: Option<Counted<Name>>,
    queues: Vec<Arc<QueueCell>>,
    queue_indexes: FxHashMap<QueueId, u32>,
}

/// The address of a publish that was found to be allowed, with the generations of the accounts and of the topology then.
#[derive(Debug, Default)]
pub struct Checked {
    generations: (u64, u64),
    /// Empty for none: an address has two lengths at least.
    address: Vec<u8>,
}

impl Checked {
    /// Whether a publish to `address` is like the last one.
    #[inline]
    #[must_use]
    pub fn is(&self, address: Option<&[u8]>, generations: (u64, u64)) -> bool {
        self.generations == generations && address.is_some_and(|address| self.address == address)
    }

    /// Notes one.
    pub fn note(&mut self, address: &[u8], generations: (u64, u64)) {
        self.generations = generations;
        self.address.clear();
        self.address.extend_from_slice(address);
    }

    /// The next publish is checked, whatever its address.
    pub fn forget(&mut self) {
        self.address.clear();
    }
}

/// What a channel holds of one queue.
#[derive(Debug)]
pub struct Holding {
    /// The queue.
    pub queue: Arc<QueueCell>,
    /// The channel's consumers there.
    pub consumers: Vec<ConsumerKey>,
    /// Its unacked deliveries.
    pub unacked: Vec<UnackedId>,
}

/// A channel in confirm mode.
#[derive(Debug)]
pub struct Confirms {
    /// Counts what is owed.
    pub tracker: Arc<ConfirmTracker>,
    /// The number of the last publish.
    pub last: u64,
    /// For each publish since the last flush, how many queues it reached.
    pub reached: Vec<u32>,
}

impl Channel {
    /// A new channel, on which at most `unacked_max` deliveries are out.
    #[must_use]
    pub fn new(
        connection: u64,
        number: u16,
        outbox: Arc<Outbox>,
        frame_max: u32,
        unacked_max: u32,
        tracer: Option<Arc<Tracer>>,
    ) -> Self {
        Self {
            deliveries: Arc::new(ChannelDeliveries {
                connection,
                number,
                outbox,
                frame_max,
                unacked: parking_lot::Mutex::new(UnackedTable::default()),
                window: Arc::new(ChannelWindow::with_most(unacked_max)),
                tracer,
                shown: Shown::default(),
                counters: Arc::default(),
            }),
            tally: Tally::default(),
            routes: RouteCache::default(),
            confirms: None,
            transaction: None,
            consumers: BTreeMap::new(),
            reply_consumer: None,
            prefetch: 0,
            last_queue: None,
            writable: None,
            standing: None,
            checked: Checked::default(),
            to_topic: false,
            watched: false,
            settled: 0,
            counted: None,
            queues: Vec::new(),
            queue_indexes: FxHashMap::default(),
        }
    }

    /// Its number.
    #[inline]
    #[must_use]
    pub fn number(&self) -> u16 {
        self.deliveries.number
    }

    /// The next publish asks for its exchange anew.
    pub fn forget_exchange(&mut self) {
        self.standing = None;
        self.checked.forget();
    }

    /// Notes for listings what a request may have changed.
    pub fn show(&self) {
        let shown = &self.deliveries.shown;
        shown.consumers.store(self.consumers.len() as u32, Ordering::Relaxed);
        shown.prefetch.store(self.prefetch, Ordering::Relaxed);
        shown.confirm.store(self.confirms.is_some(), Ordering::Relaxed);
        shown.transactional.store(self.transaction.is_some(), Ordering::Relaxed);
    }

    /// The queue that `name` means: the last one declared where it is empty (section 1.7.2.1).
    pub fn queue_name(&self, name: &Name) -> Result<Name, AmqpError> {
        if !name.is_empty() {
            return Ok(name.clone());
        }
        self.last_queue
            .clone()
            .ok_or_else(|| AmqpError::channel(ReplyCode::NotFound, "no previously declared queue"))
    }

    /// The queue's number in unacked entries of this channel.
    pub fn queue_index(&mut self, queue: &Arc<QueueCell>) -> u32 {
        if let Some(index) = self.queue_indexes.get(&queue.id) {
            return *index;
        }
        if self.queues.len() >= KEPT_QUEUES && self.consumers.is_empty() && self.is_all_settled() {
            // A channel that gets from ever new queues does not keep them all alive.
            self.queues.clear();
            self.queue_indexes.clear();
        }
        let index = self.queues.len() as u32;
        self.queues.push(Arc::clone(queue));
        self.queue_indexes.insert(queue.id, index);
        index
    }

    fn is_all_settled(&self) -> bool {
        self.transaction.is_none() && self.deliveries.unacked.lock().is_empty()
    }

    /// The queue of an unacked entry.
    #[must_use]
    pub fn queue(&self, index: u32) -> &Arc<QueueCell> {
        // Indexes come from `queue_index` and the list shrinks only when nothing refers to it.
        &self.queues[index as usize]
    }

    /// Notes what was taken of the unacked deliveries, for its queues and for the channel's window.
    pub fn settle(&mut self, taken: &[Unacked], outcome: Outcome, settles: &mut SettleBatch) {
        for run in taken.chunk_by(|one, next| one.queue == next.queue) {
            let ids = run.iter().map(|unacked| unacked.id);
            settles.extend(&self.queues[run[0].queue as usize], outcome, ids);
        }
        self.settled += taken.iter().filter(|unacked| unacked.windowed).count() as u32;
    }

    /// Gives back the places of settled deliveries, and wakes the channel's consumers where it was full.
    pub fn return_window(&mut self, now: Millis, aftermath: &mut Aftermath) {
        let settled = std::mem::take(&mut self.settled);
        if settled > 0 && self.deliveries.window.give_back(settled) {
            self.resume_consumers(now, aftermath);
        }
    }

    /// Lets consumers go on that waited for the channel's window; those of a full connection once there is room.
    pub fn resume_consumers(&self, now: Millis, aftermath: &mut Aftermath) {
        for consumer in self.consumers.values().filter(|consumer| !consumer.is_gone()) {
            if !self.deliveries.outbox.resume_later(&consumer.queue, consumer.key()) {
                consumer.queue.resume(consumer.key(), now, aftermath);
            }
        }
    }

    /// What the channel holds, a queue: its consumers there, and its unacked deliveries, those included that an open
    /// transaction has settled. Taken out of the table of unacked deliveries.
    pub fn holdings(&self) -> Vec<Holding> {
        let mut unacked = Vec::new();
        self.deliveries.unacked.lock().take_up_to(0, &mut unacked);
        if let Some(transaction) = &self.transaction {
            unacked.extend(transaction.settlements.iter().map(|(unacked, _)| *unacked));
        }
        let mut holdings: BTreeMap<QueueId, Holding> = BTreeMap::new();
        let holding = |queue: &Arc<QueueCell>| Holding {
            queue: Arc::clone(queue),
            consumers: Vec::new(),
            unacked: Vec::new(),
        };
        for consumer in self.consumers.values().filter(|consumer| !consumer.is_gone()) {
            let queue = &consumer.queue;
            let held = holdings.entry(queue.id).or_insert_with(|| holding(queue));
            held.consumers.push(consumer.key());
        }
        for entry in unacked {
            let queue = self.queue(entry.queue);
            let held = holdings.entry(queue.id).or_insert_with(|| holding(queue));
            held.unacked.push(entry.id);
        }
        holdings.into_values().collect()
    }

    /// Whether a consumer of that tag stands on the channel.
    #[must_use]
    pub fn uses_tag(&self, tag: &Name) -> bool {
        let replies = self.reply_consumer.as_ref().is_some_and(|reply| reply.tag == *tag);
        replies || self.consumers.get(tag).is_some_and(|consumer| !consumer.is_gone())
    }
}
