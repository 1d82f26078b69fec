//! What a queue was declared as.

use crate::model::{FieldTable, Name};
use crate::store::QueueId;

/// What was declared, apart from the arguments' meaning.
#[derive(Clone, Debug)]
pub struct QueueDeclaration {
    /// The queue survives a restart.
    pub durable: bool,
    /// The connection that alone may use it, and with which it goes.
    pub owner: Option<u64>,
    /// The queue goes when its last consumer does.
    pub auto_delete: bool,
    /// The arguments as they were declared.
    pub arguments: FieldTable,
}

/// Which queue it is.
#[derive(Clone, Debug)]
pub struct QueueIdentity {
    /// Its key in the store.
    pub id: QueueId,
    /// The vhost it is in.
    pub vhost: Name,
    /// Its name.
    pub name: Name,
    /// How it was declared.
    pub declaration: QueueDeclaration,
}

impl QueueDeclaration {
    /// Whether the queue and its persistent messages survive a restart: an exclusive queue ends with its connection,
    /// so it is not kept even if it was declared durable.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.durable && self.owner.is_none()
    }
}
