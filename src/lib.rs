//! Warren, an AMQP 0-9-1 message broker: the architecture page.
//!
//! # From above
//!
//! ```text
//! main → server → net ───────→ session → broker → routing, queue, store, auth, telemetry → model
//!           │   → http ──────────────────↗  │
//!           │   → config, cli, bench             └ session → amqp → model
//! ```
//!
//! Left may use right only; `tests/tidy.rs` holds the house to it. What is pure knows no sockets, clocks, files or
//! randomness, and is tested without any:
//!
//! | part | what lives there |
//! |---|---|
//! | [`model`] | names, messages, properties, typed arguments, errors with their reply codes, the clock's face |
//! | [`routing`] | pure: all exchanges and bindings of a vhost; one file an exchange type |
//! | [`queue`] | pure: what a queue does, as commands in and effects out |
//! | [`amqp`] | pure: the protocol of one connection, pulled out of bytes; the encoder; the outgoing buffer |
//! | [`store`] | definitions in sled, messages through a journal a queue into an engine; the commit thread |
//! | [`auth`] | users, password hashes, permissions, SASL |
//! | [`telemetry`] | traces: contexts, sampling, spans, the exporter's thread |
//! | [`broker`] | vhosts, queues in their locks, publishing, declaring, dead letters, timers |
//! | [`session`] | one connection: protocol events ↔ broker calls, confirms, transactions, unacked deliveries |
//! | [`net`] | tokio: listeners, TLS, PROXY headers, reading, writing, heartbeats, turns of logins |
//! | [`http`] | the management API, health and metrics; one file a resource |
//! | [`cli`] | the operator's commands, which use the API of a running broker |
//! | [`config`] | one struct a TOML section, each option declared once |
//! | [`server`] | arguments, wiring, signals, logs, what a configuration declares |
//! | [`mod@bench`] | `warren bench`, a load generator of its own that uses no other part |
//!
//! # The route of one message
//!
//! 1. `net/reader` reads up to 256 KiB into a buffer that the thread owns, and hands it to the session in place.
//! 2. [`amqp::Connection::next`] splits it: method, header and body of a publish that lie together become one event
//!    that borrows from the buffer. Nothing is allocated yet.
//! 3. `session/publish` checks permission and properties, makes the [`model::Message`] (its one allocation: names,
//!    properties as they came, body), and asks the channel's [`broker::RouteCache`]. A route just used costs a
//!    comparison; any change of topology moves the vhost's generation, and with it every cached route is gone.
//! 4. `broker/publish` gathers the messages of this read a queue. At the end of the read, or before any method that
//!    could see a difference, each queue is locked once and gets its batch: [`queue::QueueCore::apply`].
//! 5. The core answers in [`queue::Effects`], a list of deliveries and one of all else, which `broker/queue_cell` carries
//!    out while the queue is locked: records go to the queue's [`store::QueueJournal`], deliveries to the consumers' sinks,
//!    which encode them from where they lie. Dead letters, and queues that have to go, are collected in an
//!    [`broker::Aftermath`] and done once no lock is held.
//! 6. `session/consumer` numbers a delivery, notes it as unacked and encodes it into the connection's
//!    [`session::Outbox`]. The writer of a connection is woken once for all that came meanwhile, and writes it with
//!    few system calls; bodies from 32 KiB on are shared, not copied.
//! 7. Acks come back the same way: those that follow each other on a channel are taken out of its unacked table under one
//!    lock, and gathered over a read, one lock a queue. A message that was settled before the commit thread took its
//!    record is never written.
//! 8. The commit thread drains all journals, writes, syncs, and answers the tickets; `session/confirms` lets the
//!    writer send them, many under one `multiple`, in the order of publishing.
//!
//! # Invariants
//!
//! - Lock order: a vhost's `admin`; a queue; its journal or a channel's unacked table; an outbox; a confirm tracker.
//!   Never two queues at once, never a lock across an await, no dashmap guard beyond the cloning of an `Arc`.
//! - `consume-ok` is written before the consumer's first delivery, `basic.return` before the ack of its message,
//!   `recover-ok` before what is delivered again.
//! - A declaration that is to last is answered after it is on stable storage; a confirm for a persistent message on a
//!   durable queue likewise, or after its settlement.
//! - A message that goes from one place into others (a dead letter, a retry, a delayed message whose time has come) is
//!   forgotten by its old place's disk only once the new ones have it on theirs (`broker/handover`): a crash finds it in
//!   one of them or twice, and never nowhere.
//! - The value by which a queue knows duplicates is on disk never before its message, and a confirm says that both are:
//!   the tables of values are in the engine of the messages, in the same rounds ([`store::MessageStore::table`]).
//! - What one connection can make the broker hold is bounded: frames and unfinished bodies by [`amqp::WireLimits`],
//!   what is to be written by `limits.outgoing_buffer_bytes`. Over that its consumers are paused, and nothing more is
//!   read from a client that does not read. What waits for the disk is bounded for all of them together
//!   ([`store::MessageStore::set_backlog_limit`]): above that no publisher is read from.
//! - The queue core is deterministic: the same commands at the same times give the same state and effects. A lock
//!   drives it today; a replicated log can later.
//! - A fault ends its channel or its connection, with RabbitMQ's code and text (`conformance/DIFFERENCES.md` lists
//!   where not). A panic ends its connection's task only. A failed sync ends the process: trying again is unsafe.
//!
//! # Where to begin
//!
//! - A method of the protocol: `session/requests.rs`, then `session/basic.rs` or `session/topology.rs`.
//! - An argument of a queue: `broker/arguments.rs`, then [`queue::QueueOptions`].
//! - An exchange type: [`routing`], one file each.
//! - What is on disk: the documentation of [`store`].
//! - A queue bigger than memory: `queue/paging.rs` (which bodies go), `broker/paging.rs` (who reads them back).
//! - Dead letters that somebody looks at and replays: `broker/dead_letter_queues`.
//! - Rate quotas: `broker/quotas.rs`, `session/throttle.rs`. Rates and samples: `broker/statistics`.
//! - The web pages: `http/pages`, plain modules for the browser; what only they ask for is under `/api/warren`.
//! - An option: `config/sections.rs`, then `server/settings.rs`.
//!
//! # Deliberately absent
//!
//! - An actor a queue: with batches a lock is faster, and a publish stays a call stack.
//! - A record of its own for every delivery state on disk: after a restart a message counts as redelivered.
//! - Clusters, streams, MQTT and STOMP: the queue core's commands, the log's segments and the sans-I/O protocol core
//!   are where they will begin.

#![forbid(unsafe_code)]

pub mod amqp;
pub mod auth;
pub mod bench;
pub mod broker;
pub mod cli;
pub mod config;
pub mod http;
pub mod model;
pub mod net;
pub mod queue;
pub mod routing;
pub mod server;
pub mod session;
pub mod store;
pub mod telemetry;
