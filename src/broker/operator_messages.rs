//! Messages that an operator publishes or takes, one request at a time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::model::{AmqpError, ConfirmSink, ConfirmTicket, Message, Millis, Name, ReplyCode};
use crate::queue::{Delivery, Incoming, Outcome};

use super::{Aftermath, Broker, Count, PublishBatch, QueueCell, QueueRef, Remembered, Terms, Vhost};

/// How long a publish may take to reach stable storage.
const CONFIRM_WAIT: Duration = Duration::from_secs(30);

/// What becomes of messages that an operator looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterGet {
    /// They are gone.
    Ack,
    /// Back to their places, redelivered.
    Requeue,
    /// Rejected: dead letters where there is a target, else gone.
    Reject,
}

/// Counts the queues that still owe an answer for one publish.
#[derive(Default)]
struct Waiter {
    answers: Mutex<Answers>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
struct Answers {
    taken: usize,
    refused: usize,
}

impl ConfirmSink for Waiter {
    fn taken(&self, _tag: u64) {
        self.answers.lock().taken += 1;
        self.changed.notify_all();
    }

    fn refused(&self, _tag: u64) {
        self.answers.lock().refused += 1;
        self.changed.notify_all();
    }
}

impl Broker {
    /// Publishes one message under its keys (its own first) and waits until every queue that it reaches has it: for a
    /// persistent message in a durable queue, on stable storage. Blocks. Says how many queues those are.
    ///
    /// # Errors
    /// There is no such exchange, clients may not publish to it, or a queue refused the message.
    pub fn publish_one<'k>(
        &self,
        vhost: &Vhost,
        message: &Message,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Result<usize, AmqpError> {
        let (queues, remembered) = self.route_one(vhost, message, keys)?;
        self.place_one(vhost, message, &queues, &remembered)
    }

    /// The same for a user whose rate quotas count, and those of the vhost and the queues; says as well when the next
    /// message may come. This one is taken in any case.
    ///
    /// # Errors
    /// As [`Broker::publish_one`].
    pub fn publish_metered<'k>(
        &self,
        user: &Name,
        vhost: &Vhost,
        message: &Message,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Result<(Result<usize, AmqpError>, Millis), AmqpError> {
        let (queues, remembered) = self.route_one(vhost, message, keys)?;
        let until = self.charge(user, vhost, &queues, message.body_len());
        Ok((self.place_one(vhost, message, &queues, &remembered), until))
    }

    fn route_one<'k>(
        &self,
        vhost: &Vhost,
        message: &Message,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Result<(Vec<QueueRef>, Remembered), AmqpError> {
        vhost.check_publishable(message.exchange())?;
        let mut queues = Vec::new();
        let random = self.now().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let keys: Vec<&str> = keys.into_iter().collect();
        let (exchange, properties) = (message.exchange(), message.properties());
        let way = vhost.route_publish(exchange, &keys, properties, random, Terms::default(), &mut queues);
        vhost.exchange_traffic(message.exchange()).add(1, queues.len() as u64);
        vhost.traffic().add(Count::Publish, 1);
        vhost.traffic().add(Count::ReturnUnroutable, queues.is_empty().into());
        Ok((queues, way.map(|way| way.remembered).unwrap_or_default()))
    }

    fn place_one(
        &self,
        vhost: &Vhost,
        message: &Message,
        queues: &[QueueRef],
        remembered: &Remembered,
    ) -> Result<usize, AmqpError> {
        let waiter = Arc::new(Waiter::default());
        let mut batch = PublishBatch::default();
        for queue in queues {
            let incoming = Incoming {
                message: message.clone(),
                persistent: message.properties().is_persistent(),
                ticket: Some(remembered.guard(ConfirmTicket::new(Arc::clone(&waiter) as _, 0))),
            };
            batch.push(queue, incoming);
        }
        let mut aftermath = Aftermath::default();
        batch.flush(self.now(), &mut aftermath);
        self.settle_aftermath(&mut aftermath);
        let mut answers = waiter.answers.lock();
        let missing = |answers: &mut Answers| answers.taken + answers.refused < queues.len();
        let late = waiter.changed.wait_while_for(&mut answers, missing, CONFIRM_WAIT);
        let refuse = |text: &str| Err(AmqpError::channel(ReplyCode::PreconditionFailed, text));
        match *answers {
            _ if late.timed_out() => refuse("the message was not stored in time"),
            Answers { refused: 0, .. } => {
                vhost.traffic().add(Count::Confirm, 1);
                self.note_with_confirms(1);
                Ok(queues.len())
            }
            _ => refuse("a queue refused the message"),
        }
    }

    /// Takes up to `count` messages from the head of a queue and settles them all at the end, so that none comes
    /// twice; with each, how many wait behind it.
    #[must_use]
    pub fn get_many(&self, queue: &QueueCell, count: usize, after: AfterGet) -> Vec<(Delivery, u64)> {
        let now = self.now();
        let mut aftermath = Aftermath::default();
        let mut taken = Vec::new();
        while taken.len() < count {
            match self.get(queue, false, &mut aftermath) {
                (Some(delivery), left) => taken.push((delivery, left)),
                (None, _) => break,
            }
        }
        let ids: Vec<_> = taken.iter().filter_map(|(delivery, _)| delivery.unacked).collect();
        let outcome = match after {
            AfterGet::Ack => Outcome::Ack,
            AfterGet::Requeue => Outcome::Requeue,
            AfterGet::Reject => Outcome::Reject,
        };
        queue.settle(outcome, &ids, now, &mut aftermath);
        self.settle_aftermath(&mut aftermath);
        taken
    }

    /// Removes all that waits in a queue; says how many messages that were.
    pub fn purge_queue(&self, queue: &QueueCell) -> u64 {
        let mut aftermath = Aftermath::default();
        let purged = queue.purge(self.now(), &mut aftermath);
        self.settle_aftermath(&mut aftermath);
        purged
    }
}
