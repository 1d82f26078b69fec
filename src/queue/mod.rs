//! The queue core: what a queue does, without I/O.
//!
//! `QueueCore::apply` takes a [`Command`] and the time, changes the queue and notes in [`Effects`] what has to happen
//! outside: deliveries, records for the store, dead letters. The same commands in the same order give the same state
//! and the same effects, so that a lock drives them today and a replicated log can later.
//!
//! `apply` takes commands apart; `enqueue`, `dispatch`, `settle`, `limits`, `expiry`, `retry` and `letters` carry them
//! out on what `ready`, `unacked` and `consumers` (with `single_active` and `groups`) hold; `paging`, `spill` and
//! `paged` leave bodies on disk; `inspect` only looks.

mod apply;
mod command;
mod consumers;
mod deduplication;
mod delay;
mod dispatch;
mod enqueue;
mod entry;
mod expiry;
mod groups;
mod inspect;
mod letters;
mod limits;
mod options;
mod paged;
mod paging;
mod ready;
mod retry;
mod settle;
mod single_active;
mod spill;
mod take;
mod unacked;

pub use apply::QueueCore;

#[cfg(test)]
use command::Asked;
pub use command::{
    Command, ConsumerKey, ConsumerOptions, DeadLetter, DeathReason, Delivery, Effect, Effects, Incoming, Outcome,
    QueueState, Reply, Restored, Sequence, SubscribeError, UnackedId,
};
pub use deduplication::SeenValues;
pub use delay::{DELAY_HEADER, MAX_DELAY_MS, delay};
pub use dispatch::{DISPATCH_BATCH, DISPATCH_BYTES};
pub use expiry::EXPIRE_BATCH;
pub use inspect::{ConsumerView, MessageView, PagedView, WaitingView};
pub use letters::{LETTER_RETRY_MS, LETTER_WINDOW};
pub use options::{DeadLetterTarget, Overflow, QueueOptions};
pub use paging::{READ_AHEAD, READ_AHEAD_BYTES, Wanted};
pub use take::{PlacedView, WaitingPlace};

pub use retry::{RETRY_AT_HEADER, RETRY_COUNT_HEADER};

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
