//! What operators do to queues: pause and resume, peek, change arguments without a new declaration.

use crate::model::argument;
use crate::model::{AmqpError, FieldTable, FieldValue, Name, ReplyCode};

use super::arguments::{queue_options, resource};
use super::queue_cell::{Aftermath, PeekedMessage, QueueCell};
use super::queues::put_queue;
use super::{Broker, Vhost};

/// How many messages one peek gives at most.
pub const PEEK_MAX: usize = 1000;

/// Whether an argument can be changed while its queue stands.
fn is_changeable(name: &str) -> bool {
    argument::of_queue(name).is_some_and(|argument| argument.changeable)
}

/// What becomes of one argument.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgumentChange {
    /// It has this value from now on.
    Set(FieldValue),
    /// It counts as not given.
    Remove,
    /// It is again as it was declared.
    Reset,
}

impl Broker {
    /// Makes a queue hand nothing out, to consumers and to `basic.get`, until it is resumed. Publishing, expiry and
    /// limits go on. A durable queue stays paused over a restart.
    ///
    /// # Errors
    /// 404 where there is no such queue, 541 where it could not be stored (the queue is as it was).
    pub fn pause_queue(&self, vhost: &Vhost, name: &str) -> Result<(), AmqpError> {
        self.set_paused(vhost, name, true)
    }

    /// Lets a paused queue go on.
    ///
    /// # Errors
    /// As [`Broker::pause_queue`].
    pub fn resume_queue(&self, vhost: &Vhost, name: &str) -> Result<(), AmqpError> {
        self.set_paused(vhost, name, false)
    }

    /// Up to `count` (at most [`PEEK_MAX`]) of the messages that wait, from `position` on, 0 being the head. Neither
    /// order nor redelivered flags nor counts change.
    ///
    /// # Errors
    /// 404 where there is no such queue, 541 where a message on disk cannot be read.
    pub fn peek(
        &self,
        vhost: &Vhost,
        name: &str,
        position: usize,
        count: usize,
    ) -> Result<Vec<PeekedMessage>, AmqpError> {
        let queue = vhost.queue(name)?;
        super::blocking(|| self.peeked(&queue, position, count.min(PEEK_MAX))).map_err(|error| {
            tracing::error!(%error, "cannot read a message");
            AmqpError::connection(ReplyCode::InternalError, "a message could not be read")
        })
    }

    /// Changes arguments of a queue at once and for good: limits shorten it now, a TTL counts for what comes. A policy
    /// wins over what is set here, as over a declaration. What an application declares is still compared with the
    /// first declaration.
    ///
    /// # Errors
    /// 404 where there is no such queue; 406 for an argument that cannot be changed (`model::argument` says which can) or a
    /// value that a declaration would refuse; 541 where it could not be stored. Nothing has changed then.
    pub fn set_queue(&self, vhost: &Vhost, name: &str, changes: &[(Name, ArgumentChange)]) -> Result<(), AmqpError> {
        let admin = vhost.admin.lock();
        let queue = vhost.queue(name)?;
        let resource = resource("queue", name, &vhost.name);
        let before = queue.changed_arguments();
        let after = changed(&before, changes, &resource)?;
        let declaration = queue.declaration.changed_by(&after);
        let options = queue_options(&declaration, &resource)?;
        let options = Self::with_policies(vhost, name, &declaration, options);
        queue.set_changed_arguments(after);
        if let Err(error) = self.store_queue(&queue) {
            queue.set_changed_arguments(before);
            return Err(error);
        }
        let mut aftermath = Aftermath::default();
        queue.configure(options, self.now(), &mut aftermath);
        drop(admin);
        self.settle_aftermath(&mut aftermath);
        Ok(())
    }

    fn set_paused(&self, vhost: &Vhost, name: &str, paused: bool) -> Result<(), AmqpError> {
        let admin = vhost.admin.lock();
        let queue = vhost.queue(name)?;
        let before = queue.is_paused();
        let mut aftermath = Aftermath::default();
        queue.set_paused(paused, self.now(), &mut aftermath);
        let stored = self.store_queue(&queue);
        if stored.is_err() {
            queue.set_paused(before, self.now(), &mut aftermath);
        }
        drop(admin);
        self.settle_aftermath(&mut aftermath);
        stored
    }

    fn store_queue(&self, queue: &QueueCell) -> Result<(), AmqpError> {
        if !queue.is_kept() {
            return Ok(());
        }
        self.store(&[put_queue(queue)])
    }
}

/// The changes of before and now; void for an argument that is taken away.
fn changed(before: &FieldTable, changes: &[(Name, ArgumentChange)], resource: &str) -> Result<FieldTable, AmqpError> {
    let mut after = before.clone();
    for (name, change) in changes {
        if !is_changeable(name) {
            return Err(AmqpError::channel(
                ReplyCode::PreconditionFailed,
                format_args!("arg '{name}' of {resource} cannot be changed"),
            ));
        }
        match change {
            ArgumentChange::Set(value) => after.insert(name.clone(), value.clone()),
            ArgumentChange::Remove => after.insert(name.clone(), FieldValue::Void),
            ArgumentChange::Reset => {
                after.remove(name);
            }
        }
    }
    Ok(after)
}
