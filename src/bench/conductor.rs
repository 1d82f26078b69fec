//! Running one load from the first declaration to the last deletion.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::block::Block;
use super::confirms::ConfirmWindow;
use super::connection::Connection;
use super::consumer::{Acks, Consumer};
use super::error::BenchError;
use super::figures::{Figures, Sample, Samples, expected};
use super::latency::Latencies;
use super::load::{Limit, Load};
use super::pace::Schedule;
use super::process;
use super::producer::Producer;
use super::progress::Progress;
use super::shared::{Control, Counters, Totals};
use super::topology;
use super::wire::PublishOptions;

/// How often the conductor looks at the counters.
const LOOK: Duration = Duration::from_millis(5);
/// Bytes of one read and one write. Large enough that a system call is nothing a message, small
/// enough to stay in a core's cache.
const BUFFER_BYTES: usize = 256 * 1024;
const WRITE_BYTES: usize = 128 * 1024;
/// All blocks of all producers together stay about under this.
const ALL_BLOCKS_BYTES: usize = 64 << 20;
/// Without a known number of messages to come, consumers are done after this time of silence.
const SILENCE: Duration = Duration::from_millis(500);
/// Threads of the load generator need little stack; there may be thousands.
const STACK_BYTES: usize = 256 * 1024;

type Worker = JoinHandle<Result<(Connection, Latencies), BenchError>>;

/// Runs `load`: declares, connects, warms up, measures, drains, checks, and deletes what it
/// declared unless that is to be kept. Progress goes to standard error once a second.
///
/// # Errors
/// The first error of any connection. What was declared is deleted then too, where the broker
/// still answers.
pub fn run(load: &Load) -> Result<Figures, BenchError> {
    let mut load = load.clone();
    if let Some(pid) = load.pid {
        process::usage(pid)?;
    }
    let mut operator = Connection::open(&load.address, 0)?;
    load.exchange_existed = topology::exchange_exists(&load)?;
    let result = topology::declare(&mut operator, &load).and_then(|()| measure(&load, &mut operator));
    match result {
        Ok(figures) => {
            if !load.keep {
                topology::delete(&mut operator, &load)?;
            }
            operator.close()?;
            Ok(figures)
        }
        Err(error) => {
            // The operator's channel may be what failed: a fresh connection cleans up.
            if let Ok(mut fresh) = Connection::open(&load.address, 0)
                && topology::delete(&mut fresh, &load).is_ok()
            {
                let _ = fresh.close();
            }
            Err(error)
        }
    }
}

fn measure(load: &Load, operator: &mut Connection) -> Result<Figures, BenchError> {
    let mut crew = Crew::assemble(load)?;
    let conducted = crew.conduct(operator);
    crew.control.stop_producers.store(true, Relaxed);
    crew.control.stop_all.store(true, Relaxed);
    let (lateness, latencies) = crew.dismiss()?;
    let samples = conducted?;
    Ok(Figures::new(
        load,
        &samples,
        latencies.percentiles(),
        lateness.percentiles(),
    ))
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    Done,
    Deadline,
    /// No counter moved for the load's patience.
    Stalled,
    /// A thread failed; its error comes when it is joined.
    Failed,
}

struct Crew<'a> {
    load: &'a Load,
    control: Arc<Control>,
    counters: Vec<Arc<Counters>>,
    /// Connected and not yet started.
    ready_producers: Vec<Producer>,
    ready_consumers: Vec<Consumer>,
    producers: Vec<Worker>,
    consumers: Vec<Worker>,
    progress: Progress,
}

impl<'a> Crew<'a> {
    /// Opens all connections, consumers first, so that no message comes before its consumer.
    fn assemble(load: &'a Load) -> Result<Self, BenchError> {
        let mut crew = Self {
            load,
            control: Arc::new(Control::new()),
            counters: Vec::new(),
            ready_producers: Vec::new(),
            ready_consumers: Vec::new(),
            producers: Vec::new(),
            consumers: Vec::new(),
            progress: Progress::new(load),
        };
        for index in 0..load.consumers {
            let mut connection = Connection::open(&load.address, BUFFER_BYTES)?;
            topology::consume(&mut connection, load, index)?;
            let consumer = Consumer {
                address: connection.address().to_owned(),
                connection,
                acks: Acks::new(load.ack),
                counters: crew.new_counters(),
                control: Arc::clone(&crew.control),
                latencies: Latencies::new()?,
            };
            crew.ready_consumers.push(consumer);
        }
        for index in 0..load.producers {
            let producer = crew.new_producer(index)?;
            crew.ready_producers.push(producer);
        }
        Ok(crew)
    }

    fn new_counters(&mut self) -> Arc<Counters> {
        let counters = Arc::new(Counters::default());
        self.counters.push(Arc::clone(&counters));
        counters
    }

    fn new_producer(&mut self, index: usize) -> Result<Producer, BenchError> {
        let load = self.load;
        let mut connection = Connection::open(&load.address, 0)?;
        if load.confirm_window > 0 {
            topology::select_confirms(&mut connection)?;
        }
        let options = PublishOptions {
            exchange: load.exchange_name(),
            mandatory: load.mandatory,
            persistent: load.persistent,
            frame_max: connection.frame_max(),
        };
        let write_bytes = WRITE_BYTES.min(ALL_BLOCKS_BYTES / load.producers).max(4096);
        let window = load.confirm_window;
        Ok(Producer {
            address: connection.address().to_owned(),
            connection,
            block: Block::new(&load.routing_keys(index), &load.sizes, options, write_bytes)?,
            window: (window > 0).then(|| ConfirmWindow::new(window)),
            schedule: None,
            quota: quota(load, index as u64),
            mandatory: load.mandatory,
            patience: load.patience,
            counters: self.new_counters(),
            control: Arc::clone(&self.control),
            lateness: Latencies::new()?,
            synchronised: false,
        })
    }

    /// The load itself: warm-up, measurement, drain.
    fn conduct(&mut self, operator: &mut Connection) -> Result<Samples, BenchError> {
        let mut samples = Samples {
            by_messages: matches!(self.load.limit, Limit::Messages(_)),
            ..Samples::default()
        };
        if self.load.warmup.is_zero() {
            samples.start = self.sample();
            self.control.measure_from_ns.store(0, Relaxed);
        }
        self.start()?;
        if !self.load.warmup.is_zero() {
            let deadline = Instant::now() + self.load.warmup;
            self.check(self.wait_until(Some(deadline), Self::producers_done), "warming up")?;
            samples.start = self.sample();
            let from_ns = samples.start.at_ns;
            self.control.measure_from_ns.store(from_ns, Relaxed);
        }
        let deadline = match self.load.limit {
            Limit::Messages(_) => None,
            Limit::Duration(duration) => Some(Instant::now() + duration),
        };
        let waited = self.wait_until(deadline, Self::producers_done);
        self.check(waited, "running")?;
        samples.stop = self.sample();
        self.control.stop_producers.store(true, Relaxed);
        let waited = self.wait_until(None, |crew| crew.producers_done());
        self.check(waited, "stopping the producers")?;
        if self.load.consumers > 0 {
            self.drain();
        } else {
            samples.backlog = Some(self.count_backlog(operator)?);
        }
        samples.end = self.sample();
        Ok(samples)
    }

    fn start(&mut self) -> Result<(), BenchError> {
        for consumer in self.ready_consumers.drain(..) {
            let worker = spawn("consumer", &self.control, move || consumer.run())?;
            self.consumers.push(worker);
        }
        let start_ns = self.control.now_ns() + 1_000_000;
        let producers = self.load.producers as f64;
        for (index, mut producer) in self.ready_producers.drain(..).enumerate() {
            producer.schedule = self.load.rate_per_s.map(|rate| {
                // Producers take turns within one interval instead of sending at one moment.
                let turn_ns = index as f64 / rate * 1e9;
                Schedule::new(start_ns + turn_ns as u64, rate / producers)
            });
            let worker = spawn("producer", &self.control, move || producer.run())?;
            self.producers.push(worker);
        }
        Ok(())
    }

    fn wait_until(&self, deadline: Option<Instant>, done: impl Fn(&Self) -> bool) -> Waited {
        let mut last = self.totals();
        let mut moved = Instant::now();
        loop {
            if self.control.failed.load(Relaxed) {
                return Waited::Failed;
            }
            if done(self) {
                return Waited::Done;
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Waited::Deadline;
            }
            let totals = self.totals();
            if totals != last {
                (last, moved) = (totals, now);
            } else if now - moved > self.load.patience {
                return Waited::Stalled;
            }
            self.progress.tell(&totals, now);
            let left = deadline.map_or(LOOK, |deadline| deadline - now);
            thread::sleep(left.min(LOOK));
        }
    }

    fn check(&self, waited: Waited, during: &str) -> Result<(), BenchError> {
        match waited {
            Waited::Done | Waited::Deadline => Ok(()),
            Waited::Stalled => Err(BenchError::Stalled {
                address: self.load.address.to_string(),
                during: during.to_owned(),
                waited: self.load.patience,
            }),
            Waited::Failed => Err(BenchError::Thread(format!("a connection failed {during}"))),
        }
    }

    /// Waits for the consumers to get what is still on its way. A stall is no error here: the
    /// conservation check then says what is missing.
    fn drain(&self) {
        let totals = self.totals();
        match expected(self.load, &totals) {
            Some((least, _)) => {
                self.wait_until(None, |crew| crew.totals().consumed >= least);
            }
            None => {
                self.wait_until(None, |crew| {
                    let last_ns = crew.totals().last_consumed_ns;
                    let silence_ns = crew.control.now_ns().saturating_sub(last_ns);
                    Duration::from_nanos(silence_ns) > SILENCE
                });
            }
        }
    }

    /// Asks for the queues' messages until all are there or no more come.
    fn count_backlog(&self, operator: &mut Connection) -> Result<u64, BenchError> {
        let least = expected(self.load, &self.totals()).map(|(least, _)| least);
        let (mut count, mut grown) = (0, Instant::now());
        loop {
            let now = topology::backlog(operator, self.load)?;
            if now > count {
                (count, grown) = (now, Instant::now());
            }
            let patience = if least.is_some() { self.load.patience } else { SILENCE };
            if least.is_some_and(|least| count >= least) || grown.elapsed() > patience {
                return Ok(count);
            }
            thread::sleep(LOOK);
        }
    }

    fn producers_done(&self) -> bool {
        self.producers.iter().all(JoinHandle::is_finished)
    }

    fn totals(&self) -> Totals {
        Totals::of(self.counters.iter().map(Arc::as_ref))
    }

    fn sample(&self) -> Sample {
        Sample {
            at_ns: self.control.now_ns(),
            totals: self.totals(),
            broker: self.load.pid.and_then(|pid| process::usage(pid).ok()),
            own: process::usage(std::process::id()).ok(),
        }
    }

    /// Joins all threads and closes their connections. Returns the producers' lateness and the
    /// consumers' latencies.
    fn dismiss(self) -> Result<(Latencies, Latencies), BenchError> {
        let (producers, consumers) = (join(self.producers), join(self.consumers));
        // Both are joined before the first error is given back.
        Ok((producers?, consumers?))
    }
}

/// How many of the load's messages fall to producer `index`.
fn quota(load: &Load, index: u64) -> u64 {
    let producers = load.producers as u64;
    match load.limit {
        Limit::Duration(_) => u64::MAX,
        Limit::Messages(all) => all / producers + u64::from(index < all % producers),
    }
}

fn spawn(
    name: &str,
    control: &Arc<Control>,
    run: impl FnOnce() -> Result<(Connection, Latencies), BenchError> + Send + 'static,
) -> Result<Worker, BenchError> {
    let control = Arc::clone(control);
    let guarded = move || {
        let result = run();
        if result.is_err() {
            control.failed.store(true, Relaxed);
        }
        result
    };
    thread::Builder::new()
        .name(name.to_owned())
        .stack_size(STACK_BYTES)
        .spawn(guarded)
        .map_err(|error| BenchError::Thread(error.to_string()))
}

fn join(workers: Vec<Worker>) -> Result<Latencies, BenchError> {
    let mut all = Latencies::new()?;
    let mut failure = None;
    let mut connections = Vec::with_capacity(workers.len());
    for worker in workers {
        match worker.join() {
            Ok(Ok((connection, latencies))) => {
                connections.push(connection);
                all.merge(&latencies)?;
            }
            Ok(Err(error)) => failure = failure.or(Some(error)),
            Err(_) => failure = failure.or_else(|| Some(BenchError::Thread("panic".to_owned()))),
        }
    }
    for mut connection in connections {
        // The figures are taken: a broker that hangs up first changes nothing.
        let _ = connection.close();
    }
    failure.map_or(Ok(all), Err)
}

#[cfg(test)]
mod tests {
    use super::super::load::tests::load;
    use super::*;

    #[test]
    fn quotas_sum_up() {
        let mut load = load();
        load.limit = Limit::Messages(10);
        load.producers = 4;
        let quotas: Vec<u64> = (0..4).map(|index| quota(&load, index)).collect();
        assert_eq!(quotas, [3, 3, 2, 2]);
        load.limit = Limit::Duration(Duration::from_secs(1));
        assert_eq!(quota(&load, 0), u64::MAX);
    }
}
