//! Retries: a rejected message comes back to its queue after a delay, then after a longer one, until the delays of
//! `x-retry-delays` are used up.
//!
//! The count and the time of the return stand in the message's own headers, `x-retry-count` and `x-retry-at`, so that
//! they survive a restart with the message and consumers can see them. The message is kept anew for that, with a new
//! sequence: it comes back to the place that it would have had if it had been published when it was rejected.

use std::collections::BTreeMap;

use crate::model::{Blank, FieldValue, Message, Millis};

use super::entry::Entry;
use super::{DeathReason, EXPIRE_BATCH, Effect, Effects, QueueCore, Sequence};

/// How often a message has come back by a retry; a 64-bit integer.
pub const RETRY_COUNT_HEADER: &str = "x-retry-count";

/// When it came back or is to, in milliseconds since the Unix epoch; a 64-bit integer.
pub const RETRY_AT_HEADER: &str = "x-retry-at";

/// The messages that wait for their retry.
#[derive(Debug, Default)]
pub(super) struct Retries {
    /// By the time at which they come back, or expire.
    later: BTreeMap<(Millis, Sequence), Entry>,
    bytes: u64,
}

impl Blank for Retries {
    fn blank() -> &'static Self {
        static BLANK: Retries = Retries {
            later: BTreeMap::new(),
            bytes: 0,
        };
        &BLANK
    }
}

impl Retries {
    pub(super) fn len(&self) -> u64 {
        self.later.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.later.is_empty()
    }

    pub(super) fn next(&self) -> Option<Millis> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    fn add(&mut self, at: Millis, sequence: Sequence, entry: Entry) {
        self.bytes += entry.bytes();
        self.later.insert((at.min(entry.expires_at), sequence), entry);
    }

    pub(super) fn pop(&mut self) -> Option<(Sequence, Entry)> {
        let ((_, sequence), entry) = self.later.pop_first()?;
        self.bytes -= entry.bytes();
        Some((sequence, entry))
    }
}

impl QueueCore {
    /// A consumer rejects a message: it waits for its next retry, or dies.
    pub(super) fn reject(&mut self, sequence: Sequence, entry: Entry, effects: &mut Effects) {
        let Some((message, at)) = self.next_try(&entry.message) else {
            self.discard(sequence, entry, Some(DeathReason::Rejected), effects);
            return;
        };
        let again = self.next_sequence;
        self.next_sequence += 1;
        let kept = entry.persistent || self.options.tracked;
        if kept {
            effects.push(Effect::Keep {
                sequence: again,
                message: message.clone(),
                expires_at: entry.expires().then_some(entry.expires_at),
                ticket: None,
                in_flight: false,
                replaces: Some(sequence),
            });
        } else if entry.kept {
            effects.push(Effect::Forget(sequence));
        }
        let entry = Entry {
            message,
            kept,
            on_disk: entry.persistent,
            redelivered: true,
            delivery_count: entry.delivery_count.saturating_add(1),
            ..entry
        };
        self.retries.add(at, again, entry);
    }

    /// Puts back what is due, at most one batch; says whether there was something.
    pub(super) fn wake_retries(&mut self) -> bool {
        let mut woke = false;
        for _ in 0..EXPIRE_BATCH {
            if self.retries.next().is_none_or(|at| at > self.now) {
                break;
            }
            if let Some((sequence, entry)) = self.retries.pop() {
                self.return_ready(sequence, entry);
                woke = true;
            }
        }
        woke
    }

    /// Takes a restored message that waits for its retry; gives back any other.
    pub(super) fn restore_retry(&mut self, sequence: Sequence, entry: Entry) -> Option<Entry> {
        if self.options.retry_delays_ms.is_empty() {
            return Some(entry);
        }
        let at = header(&entry.message, RETRY_AT_HEADER).and_then(|at| Millis::try_from(at).ok());
        match at {
            Some(at) if at.min(entry.expires_at) > self.now => {
                self.retries.add(at, sequence, entry);
                None
            }
            _ => Some(entry),
        }
    }

    /// The message as it comes back, and when; `None` where the delays are used up.
    fn next_try(&self, message: &Message) -> Option<(Message, Millis)> {
        if self.options.retry_delays_ms.is_empty() {
            return None;
        }
        let count = header(message, RETRY_COUNT_HEADER).unwrap_or(0);
        let delay = self.options.retry_delays_ms.get(usize::try_from(count).ok()?)?;
        let at = self.now.saturating_add(*delay);
        let mut properties = message.properties().decode().ok()?;
        let headers = properties.headers.get_or_insert_default();
        headers.insert(RETRY_COUNT_HEADER, FieldValue::I64(count + 1));
        headers.insert(RETRY_AT_HEADER, FieldValue::I64(i64::try_from(at).ok()?));
        let again = message.republished(message.exchange(), message.routing_key_bytes(), &properties.encode());
        Some((again, at))
    }
}

fn header(message: &Message, name: &str) -> Option<i64> {
    let properties = message.properties();
    if !properties.has_header(&[name]) {
        return None;
    }
    properties.headers().ok()?.get(name)?.as_integer()
}
