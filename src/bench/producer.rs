//! A producer: one connection, one thread, blocks of encoded messages.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use super::block::Block;
use super::confirms::{self, ConfirmWindow, Settled};
use super::connection::{Connection, Progress, unasked};
use super::error::BenchError;
use super::latency::Latencies;
use super::pace::Schedule;
use super::shared::{Control, Counters};
use super::wire::{CHANNEL, Method};

/// Timers are late by some tens of microseconds; the last of the wait is spent awake.
const AWAKE: Duration = Duration::from_micros(70);
/// The longest sleep, so that an order to stop is heard.
const LONGEST_SLEEP: Duration = Duration::from_millis(20);

const QOS: Method = (60, 10);
const QOS_OK: Method = (60, 11);

/// Everything that one producer's thread needs.
#[derive(Debug)]
pub struct Producer {
    /// Its open connection, in confirm mode where there is a window.
    pub connection: Connection,
    /// `host:port`, for errors.
    pub address: String,
    /// What it sends.
    pub block: Block,
    /// Unconfirmed messages, if it asks for confirms.
    pub window: Option<ConfirmWindow>,
    /// When it sends, if not as fast as it can.
    pub schedule: Option<Schedule>,
    /// How many messages it sends at most.
    pub quota: u64,
    /// Whether messages may be returned.
    pub mandatory: bool,
    /// How long it waits for confirms without progress.
    pub patience: Duration,
    /// What it has done.
    pub counters: Arc<Counters>,
    /// Orders.
    pub control: Arc<Control>,
    /// How late it wrote against its schedule.
    pub lateness: Latencies,
    /// The broker has answered a method that was sent behind all messages.
    pub synchronised: bool,
}

impl Producer {
    /// Sends until its quota is spent or it is told to stop, then waits for the confirms.
    /// Gives back the connection, open, and how late messages were written.
    ///
    /// # Errors
    /// The connection's, or no confirm in `patience`.
    pub fn run(mut self) -> Result<(Connection, Latencies), BenchError> {
        if self.schedule.is_some() {
            sharpen_timer();
        }
        while self.quota > 0 && !self.control.producers_stop() {
            let room = self.room();
            if room == 0 {
                self.read(false)?;
                continue;
            }
            match self.schedule {
                None => self.send_now(room.min(self.quota))?,
                Some(schedule) => self.send_due(schedule, room.min(self.quota))?,
            }
        }
        self.await_confirms()?;
        if self.mandatory && self.window.is_none() {
            self.await_returns()?;
        }
        Ok((self.connection, self.lateness))
    }

    /// How many messages may go out. Without a schedule a window is refilled by quarters, so
    /// that writes stay large.
    fn room(&self) -> u64 {
        let Some(window) = &self.window else {
            return u64::MAX;
        };
        let room = window.room();
        let least = match self.schedule {
            None => (window.size() / 4).clamp(1, self.quota),
            Some(_) => 1,
        };
        if room < least { 0 } else { room }
    }

    fn send_now(&mut self, count: u64) -> Result<(), BenchError> {
        let messages = self.block.take(count);
        let now_ns = self.control.now_ns();
        self.block.stamp_all(messages.clone(), now_ns);
        self.write(messages)?;
        if self.mandatory {
            self.read(true)?;
        }
        Ok(())
    }

    fn send_due(&mut self, schedule: Schedule, most: u64) -> Result<(), BenchError> {
        let sent = self.counters.published.load(Relaxed);
        let now_ns = self.control.now_ns();
        let due = schedule.due(now_ns).saturating_sub(sent);
        if due == 0 {
            if self.mandatory || self.window.is_some() {
                self.read(true)?;
            }
            self.wait_until(schedule.intended_ns(sent));
            return Ok(());
        }
        let messages = self.block.take(due.min(most));
        for (index, message) in messages.clone().enumerate() {
            let intended_ns = schedule.intended_ns(sent + index as u64);
            self.block.stamp(message, intended_ns);
            self.lateness.record(intended_ns, now_ns);
        }
        self.write(messages)
    }

    fn wait_until(&self, moment_ns: u64) {
        let left = moment_ns.saturating_sub(self.control.now_ns());
        let left = Duration::from_nanos(left);
        if left > AWAKE {
            thread::sleep((left - AWAKE).min(LONGEST_SLEEP));
        } else {
            while self.control.now_ns() < moment_ns {
                std::hint::spin_loop();
            }
        }
    }

    fn write(&mut self, messages: Range<usize>) -> Result<(), BenchError> {
        let count = messages.len() as u64;
        if let Some(window) = &mut self.window {
            window.publish(count);
        }
        let length = self.block.encoded(messages.clone()).len();
        let mut written = 0;
        let mut since = Instant::now();
        while written < length {
            let rest = &self.block.encoded(messages.clone())[written..];
            match self.connection.write(rest)? {
                Progress::Bytes(bytes) => written += bytes,
                // The broker may be waiting for us to read before it reads on.
                Progress::TimedOut => {
                    let progress = self.read(true)?;
                    if matches!(progress, Progress::Bytes(_)) {
                        since = Instant::now();
                    }
                    if self.control.all_stop() || since.elapsed() > self.patience {
                        return Err(self.connection.stalled("publishing", since.elapsed()));
                    }
                }
            }
        }
        self.counters.published.fetch_add(count, Relaxed);
        self.quota -= count;
        Ok(())
    }

    fn await_confirms(&mut self) -> Result<(), BenchError> {
        let mut since = Instant::now();
        while self.window.as_ref().is_some_and(|w| w.outstanding() > 0) {
            if matches!(self.read(false)?, Progress::Bytes(_)) {
                since = Instant::now();
            }
            if self.control.all_stop() || since.elapsed() > self.patience {
                return Err(self.connection.stalled("waiting for confirms", since.elapsed()));
            }
        }
        Ok(())
    }

    /// Without confirms nothing says that the last message was routed; the answer to a method
    /// behind it does.
    fn await_returns(&mut self) -> Result<(), BenchError> {
        let everything_before = |out: &mut Vec<u8>| out.extend_from_slice(&[0; 7]);
        self.connection.cast(CHANNEL, QOS, everything_before)?;
        let mut since = Instant::now();
        while !self.synchronised {
            if matches!(self.read(false)?, Progress::Bytes(_)) {
                since = Instant::now();
            }
            if self.control.all_stop() || since.elapsed() > self.patience {
                return Err(self.connection.stalled("waiting for returns", since.elapsed()));
            }
        }
        Ok(())
    }

    /// Reads once and takes what came.
    fn read(&mut self, at_once: bool) -> Result<Progress, BenchError> {
        let progress = if at_once {
            self.connection.fill_at_once()?
        } else {
            self.connection.fill()?
        };
        if progress == Progress::TimedOut {
            return Ok(progress);
        }
        let mut settled = Settled::default();
        while let Some(frame) = self.connection.next_frame()? {
            match confirms::take(&mut self.window, &mut settled, frame) {
                Ok(None) => {}
                Ok(Some(QOS_OK)) => self.synchronised = true,
                Ok(Some(_)) => unasked(&self.address, frame)?,
                Err(what) => return Err(self.connection.broken(what)),
            }
        }
        self.counters.confirmed.fetch_add(settled.acked, Relaxed);
        self.counters.nacked.fetch_add(settled.nacked, Relaxed);
        self.counters.returned.fetch_add(settled.returned, Relaxed);
        Ok(progress)
    }
}

/// Linux wakes a sleeping thread up to 50 µs late to save power. A thread may ask for less
/// (proc_pid_timerslack_ns(5)); where it may not, latencies show the lateness and the report
/// names it.
fn sharpen_timer() {
    let Ok(place) = fs::read_link("/proc/thread-self") else {
        return;
    };
    if let Some(thread) = place.file_name() {
        let file = Path::new("/proc").join(thread).join("timerslack_ns");
        let _ = fs::write(file, "1");
    }
}
