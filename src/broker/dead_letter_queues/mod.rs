//! Dead letters as work: the queues into which something dead-letters, what lies there, and the way back.
//!
//! | file | what |
//! |---|---|
//! | `sources` | which queues dead-letter into which, found through exchanges, bindings and alternates |
//! | `origins` | from which queues letters were seen to come |
//! | `letter` | what a dead letter tells of itself, filters, where it is sent back to |
//! | `look` | going through a queue, on disk too |
//! | `overview` | depth, age and reasons of each such queue |
//! | `alerts` | the policy key `dead-letter-alert` |
//! | `replay`, `replays` | sending letters back, and the book of it |
//! | `flights`, `pace`, `partly` | what is on its way, how fast, and what only some of its queues took |
//! | `purge` | removing letters by filter, and counting what a replay would do |
//!
//! Dead lettering itself is in `dead_letter`.

mod alerts;
mod flights;
mod letter;
mod look;
mod origins;
mod overview;
mod pace;
mod partly;
mod purge;
mod replay;
mod replays;
mod sources;

pub use alerts::AlertState;
pub(super) use alerts::{AlertWatch, Alerts};
pub use letter::{Letter, LetterFilter, ReplayTo};
pub(super) use origins::Origins;
pub use overview::{DeadLetterQueue, REASON_SAMPLE, Reasons};
pub(super) use partly::Partly;
pub use purge::{DryRun, DryRunTarget};
pub use replay::{MayPublish, ReplayCounts, ReplayRequest, ReplayState};
#[cfg(test)]
pub(super) use replay::{Next, Worker};
pub(super) use replays::Replays;
pub use replays::{Replay, ReplayReport};
pub use sources::LetterSource;
