//! Queues: declare, delete, purge.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::model::{AmqpError, FieldTable, Name, ReplyCode};
use crate::queue::QueueOptions;
use crate::store::{QueueId, StateChange, Table};

use super::arguments::{check_same_flag, check_same_queue_arguments, is_quorum, queue_options, resource};
use super::bindings::removals;
use super::deduplication::{Deduplication, QueueDeduplication, SeenTable};
use super::definitions::{QueueRecord, key, pack, put};
use super::exchanges::over_limit;
use super::queue_cell::{Aftermath, QueueCell, QueueDeclaration, QueueIdentity, QueueRef};
use super::{Broker, Vhost};

/// What `queue.declare` says.
#[derive(Clone, Debug)]
pub struct QueueDeclare {
    /// Its name; never empty here.
    pub name: Name,
    /// Survives a restart.
    pub durable: bool,
    /// Belongs to the declaring connection.
    pub exclusive: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// Arguments.
    pub arguments: FieldTable,
}

impl QueueDeclare {
    fn declaration(&self, owner: Option<u64>) -> QueueDeclaration {
        QueueDeclaration {
            durable: self.durable,
            owner,
            auto_delete: self.auto_delete,
            arguments: self.arguments.clone(),
        }
    }
}

/// What `queue.declare-ok` says.
#[derive(Clone, Debug)]
pub struct DeclaredQueue {
    /// The queue.
    pub queue: Arc<QueueCell>,
    /// Messages that wait.
    pub messages: u32,
    /// Consumers.
    pub consumers: u32,
}

/// Under which conditions a queue may be deleted.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeleteCondition {
    /// Only without consumers.
    pub if_unused: bool,
    /// Only without waiting messages.
    pub if_empty: bool,
}

impl QueueCell {
    /// 405 where the queue is exclusive to another connection.
    pub fn check_owner(&self, connection: u64) -> Result<(), AmqpError> {
        match self.declaration.owner {
            Some(owner) if owner != connection => Err(self.locked()),
            _ => Ok(()),
        }
    }

    /// Whether the queue and its persistent messages survive a restart.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.declaration.is_kept()
    }

    /// The id under which the values are kept that it has seen, for deduplication.
    pub(super) fn seen_id(&self) -> Option<QueueId> {
        self.with_deduplication(|known| known.table()?.id()).flatten()
    }

    /// Whether it was declared as a quorum queue.
    #[must_use]
    pub fn is_quorum(&self) -> bool {
        is_quorum(&self.declaration.arguments)
    }

    fn locked(&self) -> AmqpError {
        AmqpError::channel(
            ReplyCode::ResourceLocked,
            format_args!(
                "cannot obtain exclusive access to locked {}. It could be originally declared on another connection \
                 or the exclusive property value does not match that of the original declaration.",
                resource("queue", &self.name, &self.vhost)
            ),
        )
    }

    fn declared(self: &Arc<Self>) -> DeclaredQueue {
        let state = self.state();
        DeclaredQueue {
            queue: Arc::clone(self),
            messages: u32::try_from(state.ready).unwrap_or(u32::MAX),
            consumers: state.consumers,
        }
    }
}

impl Broker {
    /// Looks a queue up (`queue.declare` with `passive`).
    pub fn find_queue(&self, vhost: &Vhost, name: &str, connection: u64) -> Result<DeclaredQueue, AmqpError> {
        let queue = vhost.queue(name)?;
        queue.check_owner(connection)?;
        self.touch(&queue);
        Ok(queue.declared())
    }

    /// Declares a queue, or agrees that it stands as declared.
    pub fn declare_queue(
        &self,
        vhost: &Vhost,
        declare: QueueDeclare,
        connection: u64,
    ) -> Result<DeclaredQueue, AmqpError> {
        self.churn().queues_declared.fetch_add(1, Ordering::Relaxed);
        let resource = resource("queue", &declare.name, &vhost.name);
        let owner = declare.exclusive.then_some(connection);
        if let Some(queue) = vhost.find_queue(&declare.name) {
            return self.agree(&queue, &declare, owner, &resource);
        }
        let declaration = declare.declaration(owner);
        let options = queue_options(&declaration, &resource)?;
        let admin = vhost.admin.lock();
        vhost.check_standing()?;
        if let Some(queue) = vhost.find_queue(&declare.name) {
            drop(admin);
            return self.agree(&queue, &declare, owner, &resource);
        }
        if vhost.queue_count() >= self.limits().queues_per_vhost {
            return Err(over_limit(
                vhost,
                "queue",
                &declare.name,
                self.limits().queues_per_vhost,
            ));
        }
        vhost.check_queue_limit(&declare.name)?;
        let queue = self.new_queue(vhost, declare.name, self.new_queue_id(), declaration, options);
        self.equip_queue(&queue, None)?;
        if queue.is_kept() {
            self.store(&[put_queue(&queue)])?;
        }
        place_queue(vhost, &queue);
        self.tell_queue_created(&queue);
        self.churn().queues_created.fetch_add(1, Ordering::Relaxed);
        Ok(queue.declared())
    }

    /// Whether the declaration from the configuration could be made: the error that it would meet otherwise.
    pub fn would_declare_queue(
        &self,
        vhost: Option<&Vhost>,
        vhost_name: &str,
        declare: &QueueDeclare,
    ) -> Result<(), AmqpError> {
        let resource = resource("queue", &declare.name, vhost_name);
        if let Some(queue) = vhost.and_then(|vhost| vhost.find_queue(&declare.name)) {
            return check_same_queue(&queue, declare, None, &resource);
        }
        queue_options(&declare.declaration(None), &resource).map(|_| ())
    }

    /// Deletes a queue; says how many messages went with it.
    pub fn delete_queue(
        &self,
        vhost: &Vhost,
        name: &str,
        condition: DeleteCondition,
        connection: u64,
    ) -> Result<u32, AmqpError> {
        // RabbitMQ: deleting what is not there succeeds with no messages.
        let Some(queue) = vhost.find_queue(name) else {
            return Ok(0);
        };
        queue.check_owner(connection)?;
        self.remove_queue(&queue, condition)
    }

    /// Deletes a queue, tells its consumers, and removes its bindings and its messages from the store.
    pub(super) fn remove_queue(&self, queue: &Arc<QueueCell>, condition: DeleteCondition) -> Result<u32, AmqpError> {
        let Some(vhost) = self.vhost(&queue.vhost) else {
            return Ok(0);
        };
        let refuse = |what: &str| {
            AmqpError::channel(
                ReplyCode::PreconditionFailed,
                format_args!("{} {what}", resource("queue", &queue.name, &queue.vhost)),
            )
        };
        let admin = vhost.admin.lock();
        if queue.is_deleted() {
            return Ok(0);
        }
        let (state, sinks) = queue.delete_if(|state| match condition {
            DeleteCondition { if_empty: true, .. } if state.ready > 0 => Err(refuse("not empty")),
            DeleteCondition { if_unused: true, .. } if state.consumers > 0 => Err(refuse("in use")),
            _ => Ok(()),
        })?;
        vhost.queues.remove(&queue.name);
        self.retire_queue(&vhost, &queue.counters().totals());
        self.churn().queues_deleted.fetch_add(1, Ordering::Relaxed);
        let removed = vhost.router.write().remove_queue(&queue.name);
        vhost.changed();
        self.drop_sides(&vhost, &removed.exchanges);
        self.tell_removed(&vhost, &removed.exchanges, &removed.bindings);
        self.tell_queue_deleted(queue);
        let mut changes = removals(&vhost, &removed.exchanges, &removed.bindings);
        if queue.is_kept() {
            changes.push(StateChange::Remove(Table::Queues, key(&[&queue.vhost, &queue.name])));
            self.messages.remove_queue(queue.id);
            if let Some(seen) = queue.seen_id() {
                self.messages.remove_queue(seen);
            }
        }
        if let Some(spilled) = queue.spilled_id() {
            self.messages.remove_queue(spilled);
        }
        let stored = self.store(&changes);
        drop(admin);
        for sink in sinks {
            sink.cancelled();
        }
        stored?;
        Ok(u32::try_from(state.ready).unwrap_or(u32::MAX))
    }

    /// Deletes the exclusive queues of a connection that ended.
    pub fn delete_exclusive_queues(&self, queues: impl IntoIterator<Item = Arc<QueueCell>>) {
        for queue in queues {
            if let Err(error) = self.remove_queue(&queue, DeleteCondition::default()) {
                tracing::error!(queue = %queue.name, vhost = %queue.vhost, %error, "cannot delete an exclusive queue");
            }
        }
    }

    /// Makes a queue that nobody can find yet.
    pub(super) fn new_queue(
        &self,
        vhost: &Vhost,
        name: Name,
        id: crate::store::QueueId,
        declaration: QueueDeclaration,
        options: QueueOptions,
    ) -> Arc<QueueCell> {
        let options = Self::with_policies(vhost, &name, &declaration, options);
        let journal = declaration.is_kept().then(|| self.messages.journal(id));
        let identity = QueueIdentity {
            id,
            vhost: vhost.name.clone(),
            name,
            declaration,
        };
        let timers = Arc::clone(&self.timers);
        let queue = QueueCell::new(identity, options, journal, timers, Arc::clone(&self.paging), self.now());
        queue.set_rate(vhost, Self::policy_rate(vhost, &queue.name, queue.is_quorum()));
        queue
    }

    /// Gives a new queue what it needs to know duplicates; `seen` is the id under which its values were kept before.
    pub(super) fn equip_queue(&self, queue: &QueueCell, seen: Option<QueueId>) -> Result<(), AmqpError> {
        let Some(options) = Deduplication::read(&queue.declaration.arguments)? else {
            return Ok(());
        };
        let kept = queue.is_kept() && options.is_on_disk();
        let table = options.remembers().then(|| {
            let journal = kept.then(|| self.messages.table(seen.unwrap_or_else(|| self.new_queue_id())));
            SeenTable::new(options.clone(), journal)
        });
        queue.deduplicate(QueueDeduplication::new(options, table));
        Ok(())
    }

    fn agree(
        &self,
        queue: &Arc<QueueCell>,
        declare: &QueueDeclare,
        owner: Option<u64>,
        resource: &str,
    ) -> Result<DeclaredQueue, AmqpError> {
        check_same_queue(queue, declare, owner, resource)?;
        self.touch(queue);
        Ok(queue.declared())
    }

    /// A declaration is a use, for `x-expires`.
    fn touch(&self, queue: &QueueCell) {
        let mut aftermath = Aftermath::default();
        queue.touch(self.now(), &mut aftermath);
        self.settle_aftermath(&mut aftermath);
    }
}

/// Whether a declaration agrees with the queue that stands.
fn check_same_queue(
    queue: &QueueCell,
    declare: &QueueDeclare,
    owner: Option<u64>,
    resource: &str,
) -> Result<(), AmqpError> {
    let standing = &queue.declaration;
    if standing.owner != owner {
        return Err(queue.locked());
    }
    check_same_flag("durable", standing.durable, declare.durable, resource)?;
    check_same_flag("auto_delete", standing.auto_delete, declare.auto_delete, resource)?;
    check_same_queue_arguments(&standing.arguments, &declare.arguments, resource)
}

/// Makes a queue known: from here on it can be found and routed to.
pub(super) fn place_queue(vhost: &Vhost, queue: &Arc<QueueCell>) {
    queue.set_tapped(vhost.is_tapped());
    vhost.queues.insert(queue.name.clone(), Arc::clone(queue));
    vhost
        .router
        .write()
        .add_queue(queue.name.clone(), QueueRef(Arc::clone(queue)));
    vhost.changed();
}

pub(super) fn put_queue(queue: &QueueCell) -> StateChange {
    let changed = queue.changed_arguments();
    let record = QueueRecord {
        vhost: queue.vhost.to_string(),
        name: queue.name.to_string(),
        id: queue.id.0,
        seen: queue.seen_id().map(|id| id.0),
        auto_delete: queue.declaration.auto_delete,
        arguments: pack(&queue.declaration.arguments),
        paused: queue.is_paused(),
        changed: (!changed.is_empty()).then(|| pack(&changed)),
    };
    put(Table::Queues, key(&[&queue.vhost, &queue.name]), &record)
}
