//! Transactions of one channel: publishes and settlements that wait for `tx.commit`.
//!
//! RabbitMQ: "tx" in the protocol reference. A transaction is atomic on its channel: nothing of it is seen before
//! the commit, and `commit-ok` comes when the persistent messages that it published are on stable storage. Its
//! settlements are in force by then and reach the disk with the next round, as plain acks do: a crash right after
//! `commit-ok` may bring a settled message again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::amqp::Response;
use crate::broker::{ExchangeTraffic, QueueRef, Route};
use crate::model::{ConfirmSink, ConfirmTicket, Message};
use crate::queue::Outcome;

use super::outbox::Outbox;
use super::unacked::Unacked;

/// What a transaction has gathered.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Publishes in order.
    pub publishes: Vec<PendingPublish>,
    /// Settlements in order; they are out of the channel's table until a rollback puts them back.
    pub settlements: Vec<(Unacked, Outcome)>,
}

impl Transaction {
    /// Takes a publish until the commit.
    pub fn gather(
        &mut self,
        message: Message,
        route: &Route,
        persistent: bool,
        mandatory: bool,
        traffic: Option<Arc<ExchangeTraffic>>,
    ) {
        self.publishes.push(PendingPublish {
            message,
            queues: route.queues.clone(),
            persistent,
            mandatory,
            is_provisional: route.is_provisional,
            traffic,
        });
    }
}

/// A publish that waits for its commit.
#[derive(Debug)]
pub struct PendingPublish {
    /// The message.
    pub message: Message,
    /// Where it goes; routed when it was published, as RabbitMQ does.
    pub queues: Vec<QueueRef>,
    /// Delivery mode 2.
    pub persistent: bool,
    /// To be returned where it reaches no queue.
    pub mandatory: bool,
    /// An exchange that remembers what it routes has to be asked again.
    pub is_provisional: bool,
    /// Where its exchange counts it.
    pub traffic: Option<Arc<ExchangeTraffic>>,
}

/// Counts what a commit still waits for, and answers it.
#[derive(Debug)]
pub struct CommitWaiter {
    channel: u16,
    outbox: Arc<Outbox>,
    /// Answers still owed, and one that the commit itself gives back when all are handed over.
    owed: AtomicU64,
}

impl CommitWaiter {
    /// A waiter that `done` must be called on once all tickets are handed out.
    #[must_use]
    pub fn new(channel: u16, outbox: Arc<Outbox>) -> Arc<Self> {
        Arc::new(Self {
            channel,
            outbox,
            owed: AtomicU64::new(1),
        })
    }

    /// A ticket for one message in one queue.
    #[must_use]
    pub fn ticket(self: &Arc<Self>) -> ConfirmTicket {
        self.owed.fetch_add(1, Ordering::AcqRel);
        ConfirmTicket::new(Arc::clone(self) as Arc<dyn ConfirmSink>, 0)
    }

    /// All tickets are handed out.
    pub fn done(&self) {
        if self.owed.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.outbox.write(|out| Response::TxCommitOk.encode(self.channel, out));
        }
    }
}

impl ConfirmSink for CommitWaiter {
    fn taken(&self, _tag: u64) {
        self.done();
    }

    /// A queue that refuses a message of a transaction drops it, as RabbitMQ does: there is no reply for it.
    fn refused(&self, _tag: u64) {
        self.done();
    }
}
