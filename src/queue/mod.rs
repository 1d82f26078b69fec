//! The queue core: what a queue does, without I/O.
//!
//! `QueueCore::apply` takes a [`Command`] and the time, changes the queue and notes in [`Effects`] what has to happen
//! outside: deliveries, records for the store, dead letters. The same commands in the same order give the same state
//! and the same effects, so that a lock drives them today and a replicated log can later.

mod command;
mod options;

pub use command::{
    Command, ConsumerKey, ConsumerOptions, DeadLetter, DeathReason, Delivery, Effect, Effects, Incoming, Outcome,
    QueueState, Reply, Restored, Sequence, SubscribeError, UnackedId,
};
pub use options::{DeadLetterTarget, Overflow, QueueOptions};
