//! The types between the store and those who use it.

use std::path::PathBuf;

use crate::model::{ConfirmTicket, Message, Millis};

/// A queue as the store knows it; given out once and never again, so that a new queue of an old name starts empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueId(pub u64);

/// Groups of definitions; each has its own keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// Key: name.
    Vhosts,
    /// Key: name.
    Users,
    /// Key: user and vhost.
    Permissions,
    /// Key: vhost and name.
    Policies,
    /// Key: vhost and name.
    OperatorPolicies,
    /// Key: vhost.
    VhostLimits,
    /// Key: name.
    GlobalParameters,
    /// Key: vhost and name.
    Exchanges,
    /// Key: vhost and name.
    Queues,
    /// Key: vhost, source, destination, key and arguments.
    Bindings,
    /// Counters and versions of the node itself.
    Node,
}

/// Keys with their values.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// One change of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateChange {
    /// Sets the value of a key.
    Put(Table, Vec<u8>, Vec<u8>),
    /// Removes a key.
    Remove(Table, Vec<u8>),
}

/// Definitions on stable storage.
pub trait StateStore: Send + Sync {
    /// All pairs of a table, in order of key.
    fn scan(&self, table: Table) -> Result<Pairs, StoreError>;

    /// Makes all changes or none; they are on stable storage when this returns. Blocks.
    fn commit(&self, changes: &[StateChange]) -> Result<(), StoreError>;
}

/// A message to be kept.
#[derive(Debug)]
pub struct Keep {
    /// Its place in its queue; grows.
    pub sequence: u64,
    /// The message.
    pub message: Message,
    /// When it expires.
    pub expires_at: Option<Millis>,
    /// Who waits for it.
    pub ticket: Option<ConfirmTicket>,
    /// It is with a consumer already: its settlement may come before it has to be written.
    pub in_flight: bool,
}

/// A message as it is found at the start.
#[derive(Debug)]
pub struct StoredMessage {
    /// Its queue.
    pub queue: QueueId,
    /// Its place.
    pub sequence: u64,
    /// The message.
    pub message: Message,
    /// When it expires.
    pub expires_at: Option<Millis>,
}

/// Why the store cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused an operation on a file.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} is damaged at byte {offset}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// Another process holds the data folder.
    #[error("the data folder {0} is in use by another process; stop it, or choose another with --data-dir")]
    InUse(PathBuf),
    /// The folder is of another format, engine or program.
    #[error("the data folder {path} {reason}")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What it is instead, and the way out.
        reason: String,
    },
    /// The state database failed.
    #[error("{path}: {reason}")]
    Database {
        /// The database.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
}

impl StoreError {
    /// Whether the disk is full, which passes; every other error is final.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if super::engine::is_full(source))
    }
}
