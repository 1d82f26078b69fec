//! The book of replays: what runs, what ran, and how to stop it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::model::{AmqpError, Millis, Name, ReplyCode};

use super::super::queue_cell::QueueCell;
use super::super::{Broker, Vhost};
use super::flights::Answer;
use super::replay::{MayPublish, Worker};
use super::{ReplayCounts, ReplayRequest, ReplayState};

/// How many replays are remembered: the oldest that has ended goes first.
const REMEMBERED: usize = 1000;
/// How many replays may run at a time: each has a thread.
const RUNNING_MAX: usize = 32;
/// How long a stop of the broker waits for letters that are on their way.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// One replay of one queue.
#[derive(Debug)]
pub struct Replay {
    /// Its number, never given twice in the life of a process.
    pub id: u64,
    /// The vhost of the queue.
    pub vhost: Name,
    /// The queue.
    pub queue: Name,
    /// What was asked for.
    pub request: ReplayRequest,
    /// When it began, in milliseconds since the Unix epoch.
    pub started_at: Millis,
    pub(super) signal: Arc<Signal>,
    status: Mutex<ReplayReport>,
    ended: Condvar,
}

/// How far a replay is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayReport {
    /// Whether it goes on, and how it ended otherwise.
    pub state: ReplayState,
    /// What it did.
    pub counts: ReplayCounts,
    /// Why it could not go on.
    pub error: Option<String>,
    /// When it ended, in milliseconds since the Unix epoch.
    pub ended_at: Option<Millis>,
}

/// What others tell the thread of a replay.
#[derive(Debug, Default)]
pub(super) struct Signal {
    state: Mutex<Told>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Told {
    answers: Vec<Answer>,
    stopped: bool,
    /// The thread knows that it is to stop.
    heard_stop: bool,
}

impl Signal {
    pub fn answer(&self, answer: Answer) {
        self.state.lock().answers.push(answer);
        self.changed.notify_one();
    }

    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_one();
    }

    pub fn answers(&self) -> Vec<Answer> {
        std::mem::take(&mut self.state.lock().answers)
    }

    pub fn is_stopped(&self) -> bool {
        let mut told = self.state.lock();
        told.heard_stop = told.stopped;
        told.stopped
    }

    /// Waits for an answer or the stop, for so long at most.
    pub fn wait(&self, time: Duration) {
        let mut told = self.state.lock();
        let nothing = |told: &mut Told| told.answers.is_empty() && told.stopped == told.heard_stop;
        self.changed.wait_while_for(&mut told, nothing, time);
    }
}

impl Replay {
    /// How far it is.
    #[must_use]
    pub fn status(&self) -> ReplayReport {
        self.status.lock().clone()
    }

    /// Takes no more letters; those that are on their way are settled first.
    pub fn stop(&self) {
        self.signal.stop();
    }

    /// Waits for its end; says whether it came in time.
    pub fn wait(&self, time: Duration) -> bool {
        let mut status = self.status.lock();
        let running = |status: &mut ReplayReport| status.state == ReplayState::Running;
        !self.ended.wait_while_for(&mut status, running, time).timed_out()
    }

    pub(super) fn report(&self, state: ReplayState, counts: ReplayCounts, error: Option<String>, now: Millis) {
        let ended = state != ReplayState::Running;
        *self.status.lock() = ReplayReport {
            state,
            counts,
            error,
            ended_at: ended.then_some(now),
        };
        if ended {
            self.ended.notify_all();
        }
    }

    fn is_running(&self) -> bool {
        self.status.lock().state == ReplayState::Running
    }
}

/// All replays, the oldest first.
#[derive(Debug, Default)]
pub(in crate::broker) struct Replays(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    last_id: u64,
    replays: Vec<Arc<Replay>>,
}

impl Book {
    fn add(&mut self, queue: &QueueCell, request: ReplayRequest, now: Millis) -> Result<Arc<Replay>, AmqpError> {
        let refuse = |text: String| Err(AmqpError::channel(ReplyCode::PreconditionFailed, text));
        let running = self.replays.iter().filter(|replay| replay.is_running());
        let running: Vec<_> = running.collect();
        let same = |replay: &&&Arc<Replay>| replay.queue == queue.name && replay.vhost == queue.vhost;
        if let Some(replay) = running.iter().find(same) {
            return refuse(format!(
                "replay {} of queue '{}' in vhost '{}' is still running: wait for its end or stop it",
                replay.id, queue.name, queue.vhost
            ));
        }
        if running.len() >= RUNNING_MAX {
            return refuse(format!(
                "{RUNNING_MAX} replays are running: wait for the end of one or stop one"
            ));
        }
        if self.replays.len() >= REMEMBERED
            && let Some(at) = self.replays.iter().position(|replay| !replay.is_running())
        {
            self.replays.remove(at);
        }
        self.last_id += 1;
        let replay = Arc::new(Replay {
            id: self.last_id,
            vhost: queue.vhost.clone(),
            queue: queue.name.clone(),
            request,
            started_at: now,
            signal: Arc::default(),
            status: Mutex::new(ReplayReport {
                state: ReplayState::Running,
                counts: ReplayCounts::default(),
                error: None,
                ended_at: None,
            }),
            ended: Condvar::new(),
        });
        self.replays.push(Arc::clone(&replay));
        Ok(replay)
    }
}

impl Broker {
    /// Begins to send letters of a queue back, on a thread of its own.
    ///
    /// # Errors
    /// 406 while another replay of the queue runs, or too many of all queues; 541 where the system has no thread.
    pub fn start_replay(
        self: &Arc<Self>,
        vhost: &Arc<Vhost>,
        queue: &Arc<QueueCell>,
        request: ReplayRequest,
        may_publish: MayPublish,
    ) -> Result<Arc<Replay>, AmqpError> {
        let (replay, mut worker) = self.new_replay(vhost, queue, request, may_publish)?;
        let id = replay.id;
        let name = format!("replay {id}");
        let spawned = std::thread::Builder::new().name(name).spawn({
            let (broker, replay) = (Arc::clone(self), Arc::clone(&replay));
            move || {
                let ran = catch_unwind(AssertUnwindSafe(|| worker.run()));
                drop(worker);
                if ran.is_err() {
                    let counts = replay.status().counts;
                    let error = "an internal fault; see the log".to_owned();
                    replay.report(ReplayState::Failed, counts, Some(error), broker.now());
                }
                let ReplayReport {
                    state, counts, error, ..
                } = replay.status();
                tracing::info!(replay = id, queue = %replay.queue, vhost = %replay.vhost, ?state, error,
                    matched = counts.matched, replayed = counts.replayed, skipped = counts.skipped, partly = counts.partly,
                    unroutable = counts.unroutable, "replay of dead letters ended");
            }
        });
        if let Err(error) = spawned {
            let text = format!("no thread for a replay: {error}");
            replay.report(
                ReplayState::Failed,
                ReplayCounts::default(),
                Some(text.clone()),
                self.now(),
            );
            return Err(AmqpError::channel(ReplyCode::InternalError, text));
        }
        tracing::info!(replay = id, queue = %queue.name, vhost = %vhost.name, "replay of dead letters began");
        Ok(replay)
    }

    /// A replay and who does it.
    pub(in crate::broker) fn new_replay(
        self: &Arc<Self>,
        vhost: &Arc<Vhost>,
        queue: &Arc<QueueCell>,
        request: ReplayRequest,
        may_publish: MayPublish,
    ) -> Result<(Arc<Replay>, Worker), AmqpError> {
        let replay = self.replays.0.lock().add(queue, request, self.now())?;
        let worker = Worker::new(
            Arc::clone(self),
            Arc::clone(vhost),
            Arc::clone(queue),
            Arc::clone(&replay),
            may_publish,
        );
        Ok((replay, worker))
    }

    /// The replays of a queue that are remembered, the oldest first.
    #[must_use]
    pub fn replays(&self, vhost: &str, queue: &str) -> Vec<Arc<Replay>> {
        let book = self.replays.0.lock();
        let replays = book
            .replays
            .iter()
            .filter(|replay| replay.vhost == vhost && replay.queue == queue);
        replays.cloned().collect()
    }

    /// Stops all replays and waits a while for what is on its way.
    pub(in crate::broker) fn stop_replays(&self) {
        let replays = self.replays.0.lock().replays.clone();
        replays.iter().for_each(|replay| replay.stop());
        let until = Instant::now() + STOP_WAIT;
        for replay in replays {
            replay.wait(until.saturating_duration_since(Instant::now()));
        }
    }
}
