//! The last lines of the log, for the live log of the pages.
//!
//! A layer of `tracing` writes them into a ring of fixed length; who reads does so from a place of its own and is told
//! how many lines it missed. A line costs what formatting it costs, and nobody waits for a reader.

use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Longest value that is kept of one field, in bytes.
const VALUE_MAX_BYTES: usize = 2_000;

/// One line.
#[derive(Clone, Debug, Serialize)]
pub struct LogLine {
    /// Its number, from 0 on.
    pub number: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// How grave.
    pub level: &'static str,
    /// The module.
    pub target: &'static str,
    /// What happened.
    pub message: String,
    /// What it happened to.
    pub fields: Map<String, Value>,
}

/// What a reader gets.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Lines {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// Lines that were gone before they could be read.
    pub missed: u64,
    /// Where to go on.
    #[serde(skip)]
    pub next: u64,
}

/// The ring.
#[derive(Debug, Default)]
pub struct LogRing {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<LogLine>,
    next: u64,
}

impl LogRing {
    /// One that keeps so many lines.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            state: Mutex::default(),
        }
    }

    /// Up to `count` lines from number `from` on.
    #[must_use]
    pub fn read(&self, from: u64, count: usize) -> Lines {
        let state = self.state.lock();
        let oldest = state.next - state.lines.len() as u64;
        let start = from.clamp(oldest, state.next);
        let lines = state.lines.iter().skip((start - oldest) as usize).take(count);
        let lines: Vec<_> = lines.cloned().collect();
        Lines {
            next: start + lines.len() as u64,
            missed: start.saturating_sub(from),
            lines,
        }
    }

    fn push(&self, mut line: LogLine) {
        let mut state = self.state.lock();
        line.number = state.next;
        state.next += 1;
        if state.lines.len() >= self.capacity {
            state.lines.pop_front();
        }
        state.lines.push_back(line);
    }
}

/// Puts what is logged into a ring.
#[derive(Debug)]
pub struct RingLayer(pub std::sync::Arc<LogRing>);

impl<S: Subscriber> Layer<S> for RingLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut line = LogLine {
            number: 0,
            at: now.as_millis() as u64,
            level: metadata.level().as_str(),
            target: metadata.target(),
            message: String::new(),
            fields: Map::new(),
        };
        event.record(&mut line);
        self.0.push(line);
    }
}

impl Visit for LogLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = value[..value.floor_char_boundary(VALUE_MAX_BYTES)].to_owned();
        match field.name() {
            "message" => self.message = value,
            name => _ = self.fields.insert(name.to_owned(), value.into()),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a string cannot fail; a value that refuses to be written leaves what it wrote.
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn filled(lines: u64) -> Arc<LogRing> {
        let ring = Arc::new(LogRing::new(3));
        let subscriber = tracing_subscriber::registry().with(RingLayer(Arc::clone(&ring)));
        tracing::subscriber::with_default(subscriber, || {
            for line in 0..lines {
                tracing::warn!(queue = "<b>q</b>", line, "line {line}");
            }
        });
        ring
    }

    #[test]
    fn a_reader_goes_on_where_it_was_and_hears_what_it_missed() {
        let ring = filled(2);
        let first = ring.read(0, 1);
        assert_eq!((first.lines.len(), first.missed, first.next), (1, 0, 1));
        let second = ring.read(first.next, 10);
        assert_eq!(second.lines[0].message, "line 1");
        assert_eq!(second.lines[0].fields["queue"], "<b>q</b>");
        assert_eq!(second.lines[0].level, "WARN");
        assert_eq!(ring.read(second.next, 10).lines.len(), 0);
        let ring = filled(10);
        let read = ring.read(2, 10);
        assert_eq!((read.missed, read.next), (5, 10));
        let numbers: Vec<_> = read.lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [7, 8, 9]);
        assert_eq!(ring.read(99, 10).next, 10, "a place that never was");
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let ring = Arc::new(LogRing::new(1));
        let subscriber = tracing_subscriber::registry().with(RingLayer(Arc::clone(&ring)));
        tracing::subscriber::with_default(subscriber, || tracing::info!(text = "ä".repeat(5_000), "long"));
        let kept = &ring.read(0, 1).lines[0].fields["text"];
        assert_eq!(kept.as_str().unwrap().len(), VALUE_MAX_BYTES);
    }
}
