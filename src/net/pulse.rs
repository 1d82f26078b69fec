//! What a connection does from time to time.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Half heartbeats without a byte after which a peer is gone: two whole intervals (section 4.2.7).
const SILENT_TICKS: u32 = 4;

/// Ticks after each `period`, none at once.
pub fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Waits for the next tick; without an interval there is none.
pub async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => pending().await,
    }
}

/// Heartbeats of one connection: no clock is read for a message, only a flag is looked at twice an interval.
#[derive(Default)]
pub struct Pulse {
    interval: Option<Interval>,
    is_set: bool,
    heard: bool,
    silent_ticks: u32,
}

impl Pulse {
    pub fn is_set(&self) -> bool {
        self.is_set
    }

    pub fn set(&mut self, heartbeat_s: u16) {
        self.is_set = true;
        if heartbeat_s > 0 {
            let half = Duration::from_millis(u64::from(heartbeat_s) * 500);
            self.interval = Some(every(half));
        }
    }

    pub fn heard(&mut self) {
        self.heard = true;
    }

    pub async fn tick(&mut self) {
        tick(&mut self.interval).await;
        self.silent_ticks = if self.heard { 0 } else { self.silent_ticks + 1 };
        self.heard = false;
    }

    pub fn is_lost(&self) -> bool {
        self.silent_ticks >= SILENT_TICKS
    }
}
