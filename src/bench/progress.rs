//! A line on standard error once a second.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use super::figures::per_second;
use super::load::Load;
use super::process::{self, Usage};
use super::report::grouped;
use super::shared::Totals;

const INTERVAL: Duration = Duration::from_secs(1);

/// Tells how a load goes while it runs.
#[derive(Debug)]
pub struct Progress {
    label: String,
    quiet: bool,
    pid: Option<u32>,
    confirming: bool,
    consuming: bool,
    began: Instant,
    last: RefCell<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    at: Instant,
    totals: Totals,
    usage: Option<Usage>,
}

impl Progress {
    /// For one load, from now on.
    pub fn new(load: &Load) -> Self {
        let now = Instant::now();
        Self {
            label: load.label.clone(),
            quiet: load.quiet,
            pid: load.pid,
            confirming: load.confirm_window > 0,
            consuming: load.consumers > 0,
            began: now,
            last: RefCell::new(Last {
                at: now,
                totals: Totals::default(),
                usage: load.pid.and_then(|pid| process::usage(pid).ok()),
            }),
        }
    }

    /// Prints a line if a second has passed since the last.
    pub fn tell(&self, totals: &Totals, now: Instant) {
        let mut last = self.last.borrow_mut();
        if self.quiet || now - last.at < INTERVAL {
            return;
        }
        let usage = self.pid.and_then(|pid| process::usage(pid).ok());
        let current = Last {
            at: now,
            totals: *totals,
            usage,
        };
        eprintln!("{}", self.line(&last, &current));
        *last = current;
    }

    fn line(&self, last: &Last, current: &Last) -> String {
        let elapsed = current.at - last.at;
        let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let rate = |before: u64, after: u64| grouped(per_second(after - before, nanoseconds));
        let (before, after) = (&last.totals, &current.totals);
        let seconds = (current.at - self.began).as_secs_f64();
        let mut line = format!(
            "{} {seconds:.0} s: published {}/s",
            self.label,
            rate(before.published, after.published)
        );
        if self.confirming {
            line += &format!(", confirmed {}/s", rate(before.confirmed, after.confirmed));
        }
        if self.consuming {
            line += &format!(", consumed {}/s", rate(before.consumed, after.consumed));
        }
        if let (Some(before), Some(after)) = (last.usage, current.usage) {
            let spent = after.cpu().saturating_sub(before.cpu());
            let cores = spent.as_secs_f64() / elapsed.as_secs_f64();
            let mebibytes = after.resident_bytes as f64 / f64::from(1 << 20);
            line += &format!(", broker {cores:.2} cores, {mebibytes:.0} MiB");
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::tests::load;
    use super::*;

    #[test]
    fn rates_are_those_of_the_time_since_the_last_line() {
        let mut load = load();
        load.confirm_window = 1;
        let progress = Progress::new(&load);
        let at = |seconds, published, cpu_s| Last {
            at: progress.began + Duration::from_secs(seconds),
            totals: Totals {
                published,
                confirmed: published / 2,
                consumed: published / 4,
                ..Totals::default()
            },
            usage: Some(Usage {
                user: Duration::from_secs(cpu_s),
                resident_bytes: 3 << 20,
                ..Usage::default()
            }),
        };
        assert_eq!(
            progress.line(&at(2, 1_000, 1), &at(4, 9_000, 4)),
            "test 4 s: published 4,000/s, confirmed 2,000/s, consumed 1,000/s, \
             broker 1.50 cores, 3 MiB"
        );
    }
}
