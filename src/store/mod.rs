//! What survives a restart, behind a seam.
//!
//! Definitions go through [`StateStore`], messages through a [`QueueJournal`] a queue, which a commit thread drains into
//! a message engine. No other part of the program knows sled or a segment file.

mod seam;

pub use seam::{Keep, QueueId, StateChange, StateStore, StoreError, StoredMessage, Table};
