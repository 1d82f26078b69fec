//! What survives a restart, behind a seam.
//!
//! Definitions go through [`StateStore`], messages through a [`QueueJournal`] a queue, which a commit thread drains
//! into a message engine. No other part of the program knows sled or a segment file.
//!
//! # The way of a message
//! A queue, while it is locked, hands batches to its [`QueueJournal`]: [`keep`](QueueJournal::keep) and
//! [`forget`](QueueJournal::forget). The journal puts itself on the commit thread's list when it turns dirty and wakes
//! the thread only if that would sleep through it. The thread takes what all journals have, writes it as one round,
//! syncs once, and answers every ticket: whatever comes during a sync is in the next round.
//!
//! **Settled before written is never written.** A message that is forgotten while it waits is dropped and its ticket
//! answered at once. So that this happens, a record that nobody needs at once (it is with a consumer already, or has no
//! ticket) waits one to two settle windows (1 ms each) before it makes a round; a queue that flows costs no I/O. A
//! record with a ticket that no consumer has makes a round at once. Settlements without a ticket go with the next
//! round, after 100 ms at the latest.
//!
//! # What a confirm promises
//! | `store.sync` | `taken` means | lost when the process is killed | lost when the power fails |
//! |---|---|---|---|
//! | `always` | synced, or settled already | nothing | nothing |
//! | `interval` | handed to the operating system | nothing | up to one interval |
//! | `never` | handed to the operating system | nothing | what the system had not written yet, often 30 s |
//!
//! The last column is that of the log, and of sled where its file is written through. sled 0.34.7 takes what
//! `sync_file_range` has written for safe, which on Linux no power loss respects: it notes in the head of each new segment
//! up to where all before it is on stable storage, and writes new segments over those whose pages it has moved. Where the
//! power goes before our own sync, the note or the overwritten pages may be on the disk and what they rest on not; sled
//! then refuses the database ("corrupted data") or passes over the hole. So the file that has all its pages gets the
//! attribute `chattr +S`: each write to it is one with an fdatasync, and what sled takes for safe is. A file system without
//! it (tmpfs, NFS) is warned of at the start. With `interval` and `never` this holds as well, so that sled's speed is the
//! same in every mode.
//!
//! In every mode what is left after a loss is whole messages, in order; a clean end syncs. `refused` means that the
//! disk is full: nothing of the message is kept, and the store works again as soon as there is space. Any other failure
//! of a write, and every failure of a sync, is final: the [`FatalHook`] is called and the process has to end, since the
//! operating system may have thrown away what it could not write.
//!
//! What is handed over and not written is in memory. Above a limit
//! ([`set_backlog_limit`](MessageStore::set_backlog_limit)) somebody is told, who lets publishers wait: be it that they
//! publish without confirms, or that their transient messages go to disk to spare memory.
//!
//! A settlement takes effect at once. If it gets lost, its message comes back after the restart (at least once).
//!
//! # The folder
//! | file | content |
//! |---|---|
//! | `LOCK` | locked by the one process that has the folder |
//! | `FORMAT` | text: `warren store`, `version 1`, `messages log` (or `sled`) |
//! | `state/` | sled: a byte for the table and the key, to the value; also the catalogue of segments with their checkpoints |
//! | `state.new/`, `messages-sled.new/` | a database while it is made |
//! | `messages-sled.old/` | a database whose successor is being given its place |
//! | `messages-log/NNNNNNNNNN.log` | segments, see `log/record.rs` for the bytes and `log/mod.rs` for the invariants |
//! | `messages-log/reserve` | space that is given up so that settlements can be written to a full disk |
//! | `messages-sled/` | sled: queue, sequence, chunk, to up to 4 KiB of a message |
//!
//! **Start.** Each closed segment has a checkpoint in the catalogue (`log/checkpoint.rs`): where its messages lie and
//! what it settles, two bytes a message. A start applies them in order, reads the tail of the last segment, and then
//! every live message, so that no damage to one goes unseen. A checkpoint that is missing or damaged costs the reading of
//! its segment and a line in the log. A catalogued segment that is not there refuses the start, and so do definitions of
//! queues without the folder of their messages (`lost.rs`), and messages without definitions.
//!
//! A torn tail of the last segment is cut. Damage anywhere else refuses the start and names file and place, or, where
//! nothing live is touched, is found by `warren store check`, which believes no checkpoint. What cannot be told from a
//! torn tail is damage to the very last write of a process that was killed; a clean end marks its end.
//!
//! **Deduplication tables** ([`table`](MessageStore::table)) are journals of their own beside the queues', in the engine
//! of the messages, and not in the definitions' database. A value must not be on disk before its message: a crash would
//! leave a value whose message is lost, and its second try would be taken for a duplicate. And a confirm is to say that
//! both are there. In one engine both are in one round, in this order, under one sync. Two databases would need two
//! syncs a round, one after the other, and a write to sled costs 5 to 20 times the CPU of one to the log (figures
//! below). With `store.messages = "sled"` the tables lie in sled, beside the messages.
//!
//! sled gets nothing while less than 16 MiB are free, because it cannot go on after an ENOSPC of its own:
//! [`StateStore::commit`] fails with an error that [`is_full`](StoreError::is_full), and nothing is changed. The log
//! refuses messages that would leave less than 8 MiB, so that the definitions can be opened again (that takes 4 MiB).
//!
//! # Figures
//! `cargo bench --bench store` on 2 cores of a shared virtual machine, ext4, 1 KiB messages, each batch synced and
//! confirmed before the next; "in" writes, "out" settles, CPU is user and system of the whole process a message:
//!
//! | batch | log in | log out | sled in | sled out |
//! |---|---|---|---|---|
//! | 1 | 5,000/s, 95 µs | 5,500/s, 80 µs | 2,900/s, 295 µs | 2,900/s, 255 µs |
//! | 64 | 101,000/s, 3.0 µs | 187,000/s, 1.9 µs | 44,000/s, 15.1 µs | 62,000/s, 11.4 µs |
//! | 1,000 | 698,000/s, 0.8 µs | 1,483,000/s, 0.4 µs | 53,000/s, 16.8 µs | 83,000/s, 11.5 µs |
//!
//! Taken while the machine was quiet, and before sled's file was written through. With builds on both cores a commit of
//! 64 took 3.4 ms in the log and 1.2 to 2.2 ms in sled (36,000 and 33,000 messages/s in): why the log waits longer then
//! is not known.
//!
//! A start reads 600,000 messages/s from the log and 400,000/s from sled.
//!
//! Messages that are settled while they wait: 22 million/s, 0.04 µs, no I/O. Hence the log is the default. The log's index
//! takes 1 to 6 bytes a live message.

mod backlog;
mod catalogue;
mod codec;
mod commit;
mod database;
mod disk;
mod engine;
mod flush_watch;
mod folder;
mod index;
mod journal;
mod latency;
mod log;
mod lost;
mod memory;
mod message_store;
mod offline;
mod options;
mod seam;
mod segments;
mod sled_engine;
mod slots;
mod state;
mod statistics;
mod timed;
mod wake;
mod write_through;

pub use backlog::BacklogHook;
pub use engine::Recovered;
pub use journal::QueueJournal;
pub use latency::{Latency, Quantiles};
pub use message_store::{FatalHook, MessageStore};
pub use offline::{Inspection, QueueInspection, SegmentInspection, convert, engine_of, forget_lost, inspect};
pub use options::{EngineKind, StoreOptions, SyncMode};
pub use seam::{Keep, Pairs, QueueId, StateChange, StateStore, StoreError, StoredMessage, Table};
pub use segments::read_segments;
pub use statistics::Statistics;
pub use timed::Timed;

#[cfg(test)]
pub(crate) mod simulated_folder;
#[cfg(test)]
mod tests;
