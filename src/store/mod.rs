//! What survives a restart, behind a seam.
//!
//! Definitions go through [`StateStore`], messages through a [`QueueJournal`] a queue, which a commit thread drains into
//! a message engine. No other part of the program knows sled or a segment file.

mod codec;
mod commit;
mod disk;
mod engine;
mod folder;
mod index;
mod journal;
mod log;
mod memory;
mod message_store;
mod options;
mod seam;
mod sled_engine;
mod state;
mod statistics;
mod wake;

pub use engine::Recovered;
pub use journal::QueueJournal;
pub use message_store::{FatalHook, MessageStore};
pub use options::{EngineKind, StoreOptions, SyncMode};
pub use seam::{Keep, Pairs, QueueId, StateChange, StateStore, StoreError, StoredMessage, Table};
pub use statistics::Statistics;

#[cfg(test)]
mod tests;
