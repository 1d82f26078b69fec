//! Consumers and their turns.
//!
//! Consumers of one priority that can take a message stand in a line; whoever is served goes to its end. A consumer
//! that cannot (no credit, paused, not the active one) leaves the line when its turn comes and lines up again when it
//! can, so that a turn costs the same however many consumers there are.

use std::collections::VecDeque;

use slab::Slab;

use super::unacked::Holder;
use super::{ConsumerKey, ConsumerOptions, SubscribeError};

/// One consumer.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) options: ConsumerOptions,
    /// Grows with every consumer of the queue: the age.
    pub(super) serial: u64,
    pub(super) unacked: u32,
    /// Its connection has enough to write.
    pub(super) paused: bool,
    /// The window that it shares with its channel was full.
    pub(super) waiting: bool,
    /// It is not the single active consumer, or about to hand over.
    pub(super) standby: bool,
    in_line: bool,
}

impl Consumer {
    #[inline]
    fn can_take(&self) -> bool {
        let ConsumerOptions { no_ack, prefetch, .. } = self.options;
        let credit = no_ack || prefetch == 0 || self.unacked < prefetch;
        credit && !self.paused && !self.waiting && !self.standby
    }
}

/// Consumers of one priority.
#[derive(Debug)]
struct Line {
    priority: i32,
    members: u32,
    turns: VecDeque<u32>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) holder: Holder,
    pub(super) no_ack: bool,
}

/// All consumers of a queue.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    pub(super) slots: Slab<Consumer>,
    /// Highest priority first.
    lines: Vec<Line>,
    /// No line before this one has anybody in it.
    first: u32,
    next_serial: u64,
    /// A consumer with exclusive access is there.
    exclusive: bool,
    pub(super) single_active: bool,
    /// The single active consumer.
    pub(super) active: Option<ConsumerKey>,
    /// The active consumer gets nothing more and hands over when its messages are settled.
    pub(super) handing_over: bool,
    /// The queue hands nothing out.
    pub(super) queue_paused: bool,
}

impl Consumers {
    pub(super) fn new(single_active: bool) -> Self {
        Self {
            single_active,
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.slots.len() as u32
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn get_mut(&mut self, key: ConsumerKey) -> Option<&mut Consumer> {
        self.slots.get_mut(key.0 as usize)
    }

    /// Adds a consumer, at the end of its line. RabbitMQ refuses exclusive access to a queue with a single active
    /// consumer in the same words as to a queue in use.
    pub(super) fn add(&mut self, options: ConsumerOptions) -> Result<ConsumerKey, SubscribeError> {
        if self.exclusive || (options.exclusive && (self.single_active || !self.is_empty())) {
            return Err(SubscribeError::Exclusive);
        }
        self.exclusive = options.exclusive;
        self.next_serial += 1;
        let priority = options.priority;
        let slot = self.slots.insert(Consumer {
            options,
            serial: self.next_serial,
            unacked: 0,
            paused: false,
            waiting: false,
            standby: self.single_active,
            in_line: false,
        });
        match self.find_line(priority) {
            Ok(at) => self.lines[at].members += 1,
            Err(at) => {
                let line = Line {
                    priority,
                    members: 1,
                    turns: VecDeque::new(),
                };
                self.lines.insert(at, line);
                self.first = self.first.min(at as u32);
            }
        }
        let key = ConsumerKey(slot as u32);
        self.line_up(key);
        Ok(key)
    }

    /// Removes a consumer; false where there is none with that key.
    pub(super) fn remove(&mut self, key: ConsumerKey) -> bool {
        let Some(gone) = self.slots.try_remove(key.0 as usize) else {
            return false;
        };
        if gone.options.exclusive {
            self.exclusive = false;
        }
        if let Ok(at) = self.find_line(gone.options.priority) {
            let line = &mut self.lines[at];
            line.members -= 1;
            if line.members == 0 {
                self.lines.remove(at);
                self.first = self.first.min(at as u32);
            } else if gone.in_line {
                line.turns.retain(|slot| *slot != key.0);
            }
        }
        if self.active == Some(key) {
            self.active = None;
            self.handing_over = false;
        }
        true
    }

    /// The next consumer that can take a message, counted as having it.
    pub(super) fn take_turn(&mut self) -> Option<Turn> {
        if self.queue_paused {
            return None;
        }
        while let Some(line) = self.lines.get_mut(self.first as usize) {
            let Some(&slot) = line.turns.front() else {
                self.first += 1;
                continue;
            };
            let Some(consumer) = self.slots.get_mut(slot as usize) else {
                line.turns.pop_front();
                continue;
            };
            let no_ack = consumer.options.no_ack;
            let mut served = consumer.can_take();
            if served && !no_ack {
                if let Some(window) = &consumer.options.window {
                    served = window.try_take();
                    consumer.waiting = !served;
                }
                consumer.unacked += u32::from(served);
            }
            // To have taken a message changes nothing for one that settles none.
            if !(served && (no_ack || consumer.can_take())) {
                consumer.in_line = false;
                line.turns.pop_front();
            } else if line.turns.len() > 1 {
                line.turns.rotate_left(1);
            }
            if served {
                let holder = Holder {
                    key: ConsumerKey(slot),
                    serial: consumer.serial as u32,
                };
                return Some(Turn { holder, no_ack });
            }
        }
        None
    }

    /// The same for one consumer, out of its turn; `None` where it cannot, or is gone.
    pub(super) fn take_turn_of(&mut self, holder: Holder) -> Option<Turn> {
        if !self.holder_can_take(holder) {
            return None;
        }
        let consumer = self.get_mut(holder.key)?;
        let no_ack = consumer.options.no_ack;
        if !no_ack {
            if let Some(window) = &consumer.options.window
                && !window.try_take()
            {
                consumer.waiting = true;
                return None;
            }
            consumer.unacked += 1;
        }
        Some(Turn { holder, no_ack })
    }

    /// Whether the consumer is still there and can take a message, as far as that is known without asking its window.
    pub(super) fn holder_can_take(&self, holder: Holder) -> bool {
        let consumer = self.slots.get(holder.key.0 as usize);
        let there = consumer.is_some_and(|consumer| consumer.serial as u32 == holder.serial && consumer.can_take());
        there && !self.queue_paused
    }

    /// Whether some consumer can take a message, as far as that is known without asking its window.
    pub(super) fn can_take(&self) -> bool {
        if self.queue_paused {
            return false;
        }
        let mut lines = self.lines.iter().skip(self.first as usize);
        lines.any(|line| {
            let mut consumers = line.turns.iter().filter_map(|slot| self.slots.get(*slot as usize));
            consumers.any(Consumer::can_take)
        })
    }

    /// A message of `holder` was settled.
    pub(super) fn settled(&mut self, holder: Holder) {
        let Some(consumer) = self.slots.get_mut(holder.key.0 as usize) else {
            return;
        };
        if consumer.serial as u32 != holder.serial {
            return;
        }
        consumer.unacked = consumer.unacked.saturating_sub(1);
        if !consumer.in_line {
            self.line_up(holder.key);
        }
    }

    /// Puts a consumer at the end of its line if it can take messages and is not there already.
    pub(super) fn line_up(&mut self, key: ConsumerKey) {
        let Some(consumer) = self.slots.get_mut(key.0 as usize) else {
            return;
        };
        if consumer.in_line || !consumer.can_take() {
            return;
        }
        consumer.in_line = true;
        let priority = consumer.options.priority;
        if let Ok(at) = self.find_line(priority) {
            self.lines[at].turns.push_back(key.0);
            self.first = self.first.min(at as u32);
        }
    }

    fn find_line(&self, priority: i32) -> Result<usize, usize> {
        self.lines.binary_search_by(|line| priority.cmp(&line.priority))
    }
}
