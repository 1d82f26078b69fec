//! The broker: vhosts with their exchanges and queues, and what moves messages between them.
//!
//! Everything here is called by sessions, timers and operators, from any thread; nothing here knows sockets. A call
//! that may fire further calls (dead letters, queues that go) collects them in an [`Aftermath`], which
//! [`Broker::settle_aftermath`] works off with no lock held.

mod accounts;
mod administration;
mod alarms;
mod arguments;
mod bindings;
mod connection_counts;
mod connection_state;
mod connections;
mod dead_letter;
mod dead_letter_queues;
mod deduplication;
mod definitions;
mod delayed;
mod direct_reply;
mod events;
mod exchange_side;
mod exchanges;
mod file_declared;
mod firehose;
mod gates;
mod global_parameters;
mod handover;
mod letter_desk;
mod limits;
mod login_attempts;
mod login_failures;
mod login_turns;
mod noted;
mod observers;
mod operations;
mod operator_messages;
mod paging;
mod policies;
mod publish;
mod queue_cell;
mod queues;
mod quotas;
mod recent_history;
mod remembered;
mod restore;
mod route_cache;
mod statistics;
mod timers;
mod vhost;
mod vhost_limits;
mod x_death;

#[cfg(test)]
mod feature_tests;

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;
use parking_lot::{Mutex, RwLock};

use crate::auth::{Accounts, TokenAuthority};
use crate::model::{AmqpError, Clock, Millis, Name, ReplyCode};
use crate::store::{Latency, MessageStore, QueueId, StateChange, StateStore, StoreError};

use timers::Timed;

pub use administration::{ConsumerInfo, ExchangeInfo};
pub use alarms::{AlarmLimits, Alarms, Raised, ResourceUsage};
pub use arguments::MAX_TIMER_MS;
pub use bindings::check_binding_names;
pub use connection_counts::{ConnectionCounts, Counted, Tally};
pub use connection_state::{ConnectionState, Hold, HoldNote, QuotaOf};
pub use connections::{
    ChannelLink, ChannelState, Churn, ConnectionEntry, ConnectionLink, NewConnection, TlsSession, Traffic,
};
pub use dead_letter_queues::{
    AlertState, DeadLetterQueue, DryRun, DryRunTarget, Letter, LetterFilter, LetterSource, MayPublish, REASON_SAMPLE,
    Reasons, Replay, ReplayCounts, ReplayReport, ReplayRequest, ReplayState, ReplayTo,
};
pub use definitions::stored_queues;
pub use direct_reply::{DIRECT_REPLY_QUEUE, ReplySink};
pub use events::{Acting, ConsumerEvent, EVENT_EXCHANGE, EventDesk, LoginEvent};
pub use exchanges::{ExchangeDeclare, check_not_reserved};
pub use file_declared::FileDeclared;
pub use firehose::{FIREHOSE, Party};
pub use gates::Terms;
pub use global_parameters::{CLUSTER_NAME, GlobalParameter};
pub use limits::BrokerLimits;
pub use login_attempts::{Attempts, LoginAttempts};
pub use login_failures::LoginFailures;
pub use observers::Observers;
pub use operations::{ArgumentChange, PEEK_MAX};
pub use operator_messages::AfterGet;
pub use paging::PagingCounts;
pub use policies::{ApplyTo, EffectivePolicy, Policy, PolicyError, PolicyKind};
pub use publish::PublishBatch;
pub use queue_cell::{
    Aftermath, ConsumerSink, Flow, PeekedMessage, QueueCell, QueueDeclaration, QueueRef, WaitingMessage,
};
pub use queues::{DeclaredQueue, DeleteCondition, QueueDeclare};
pub use quotas::{Quota, Rate};
pub use remembered::Remembered;
pub use restore::{BrokerParts, Restoration, RestoreError};
pub use route_cache::{Route, RouteCache};
pub use statistics::{
    CHURN, Count, Counters, ExchangeTraffic, History, Rates, Round, SAMPLED, SAMPLED_READY, SAMPLED_UNACKED,
    SampleRange, SizeCounts, Totals, no_sizes,
};
pub use vhost::Vhost;
pub use vhost_limits::{CountedConnection, VhostLimits};

/// The whole broker. One a process; everything is reached through it.
pub struct Broker {
    clock: Arc<dyn Clock>,
    accounts: Arc<Accounts>,
    tokens: RwLock<Option<Arc<TokenAuthority>>>,
    /// Held from looking at a user to keeping it: of two who change one, the last on disk is the last in memory.
    user_writes: Mutex<()>,
    state: Arc<dyn StateStore>,
    messages: MessageStore,
    limits: RwLock<BrokerLimits>,
    alarms: Arc<alarms::Alarms>,
    vhosts: DashMap<Name, Arc<Vhost>>,
    timers: Arc<timers::Timers>,
    paging: Arc<paging::Paging>,
    replies: direct_reply::DirectReplies,
    connections: connections::Registry,
    statistics: statistics::BrokerStatistics,
    global_parameters: global_parameters::GlobalParameters,
    connection_counts: ConnectionCounts,
    login_attempts: LoginAttempts,
    login_failures: LoginFailures,
    login_turns: login_turns::LoginTurns,
    confirm_latency: Arc<Latency>,
    alerts: dead_letter_queues::Alerts,
    alert_watch: Arc<dead_letter_queues::AlertWatch>,
    replays: dead_letter_queues::Replays,
    user_quotas: DashMap<Name, Arc<Quota>>,
    quota_changes: AtomicU64,
    observers: std::sync::OnceLock<Observers>,
    ending: std::sync::atomic::AtomicBool,
    next_queue: AtomicU64,
    next_connection: AtomicU64,
}

impl Broker {
    /// The broker is about to end: nothing new is to be sent here.
    pub fn begin_end(&self) {
        self.ending.store(true, Ordering::Release);
    }

    /// Whether it is about to end.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Users and permissions.
    #[must_use]
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    /// The broker's own limits.
    #[must_use]
    pub fn limits(&self) -> BrokerLimits {
        *self.limits.read()
    }

    /// Takes other limits; what stands beyond them stays.
    pub fn set_limits(&self, limits: BrokerLimits) {
        *self.limits.write() = limits;
    }

    /// Alarms, which block publishers.
    #[must_use]
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// Messages on stable storage.
    #[must_use]
    pub fn messages(&self) -> &MessageStore {
        &self.messages
    }

    /// How many connections vhosts, users and addresses have.
    #[must_use]
    pub fn connection_counts(&self) -> &ConnectionCounts {
        &self.connection_counts
    }

    /// Failed logins.
    #[must_use]
    pub fn login_failures(&self) -> &LoginFailures {
        &self.login_failures
    }

    /// Logins, and how they ended.
    #[must_use]
    pub fn login_attempts(&self) -> &LoginAttempts {
        &self.login_attempts
    }

    /// How long publishers waited for their confirms of late: one publish in flight a channel is timed.
    #[must_use]
    pub fn confirm_latency(&self) -> &Arc<Latency> {
        &self.confirm_latency
    }

    /// A number for a new connection; never given twice in the life of a process.
    #[must_use]
    pub fn new_connection(&self) -> u64 {
        self.next_connection.fetch_add(1, Ordering::Relaxed)
    }

    /// The vhost of that name.
    #[must_use]
    pub fn vhost(&self, name: &str) -> Option<Arc<Vhost>> {
        self.vhosts.get(name).map(|entry| Arc::clone(entry.value()))
    }

    /// All vhosts, in order of name.
    #[must_use]
    pub fn vhosts(&self) -> Vec<Arc<Vhost>> {
        let mut vhosts: Vec<_> = self.vhosts.iter().map(|entry| Arc::clone(entry.value())).collect();
        vhosts.sort_by(|a, b| a.name.cmp(&b.name));
        vhosts
    }

    /// Sends dead letters on and deletes queues, until nothing more comes of it.
    pub fn settle_aftermath(&self, aftermath: &mut Aftermath) {
        while !aftermath.is_empty() {
            let now = self.now();
            for (source, letters, forgets) in std::mem::take(&mut aftermath.dead_letters) {
                match self.vhost(&source.vhost) {
                    Some(vhost) if vhost.is_waiting_room(&source) => {
                        self.release_delayed(&vhost, &source, letters, forgets, aftermath);
                    }
                    _ => self.send_dead_letters(&source, letters, forgets, now, aftermath),
                }
            }
            if !aftermath.tapped.is_empty() {
                self.tap_deliveries(std::mem::take(&mut aftermath.tapped), aftermath);
            }
            for queue in std::mem::take(&mut aftermath.to_delete) {
                if let Err(error) = self.remove_queue(&queue, DeleteCondition::default()) {
                    tracing::error!(queue = %queue.name, vhost = %queue.vhost, %error, "cannot delete a queue");
                }
            }
        }
    }

    /// Runs the deadlines of queues until [`Broker::stop_timers`]; blocks its thread.
    pub fn run_timers(&self) {
        while let Some(due) = self.timers.wait(&*self.clock) {
            for timed in due.iter().filter_map(std::sync::Weak::upgrade) {
                // A fault in one queue must not end the deadlines of all others.
                let ticked = catch_unwind(AssertUnwindSafe(|| self.tick(std::iter::once(Arc::clone(&timed)))));
                if ticked.is_err() {
                    tracing::error!(of = %timed.title(), "a deadline panicked");
                }
            }
        }
    }

    /// Works off the deadlines that have come, for tests with a manual clock.
    pub fn run_due_timers(&self) {
        let due = self.timers.due(self.now());
        self.tick(due.iter().filter_map(std::sync::Weak::upgrade));
    }

    /// Ends [`Broker::run_timers`].
    pub fn stop_timers(&self) {
        self.timers.stop();
        self.stop_replays();
        self.flush_sides();
    }

    fn tick(&self, due: impl Iterator<Item = Arc<dyn Timed>>) {
        let mut aftermath = Aftermath::default();
        for timed in due {
            timed.tick(self.now(), &mut aftermath);
        }
        self.settle_aftermath(&mut aftermath);
        self.check_due_alerts();
    }

    /// Stores changes of definitions; they are on stable storage when this returns.
    ///
    /// An error here means that the store is broken: the client hears 541 and the definition does not stand.
    pub(crate) fn store(&self, changes: &[StateChange]) -> Result<(), AmqpError> {
        if changes.is_empty() {
            return Ok(());
        }
        blocking(|| self.state.commit(changes)).map_err(|error: StoreError| {
            tracing::error!(%error, "cannot store a definition");
            AmqpError::connection(ReplyCode::InternalError, "the definition could not be stored")
        })
    }

    fn new_queue_id(&self) -> QueueId {
        QueueId(self.next_queue.fetch_add(1, Ordering::Relaxed))
    }
}

/// Runs something that waits for a disk. On a thread of the tokio runtime its other tasks move elsewhere meanwhile.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("vhosts", &self.vhosts.len())
            .finish_non_exhaustive()
    }
}
