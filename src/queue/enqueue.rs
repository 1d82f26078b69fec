//! Messages on their way in.

use crate::model::{Message, Millis};

use super::consumers::Turn;
use super::entry::{Entry, NEVER};
use super::{DeathReason, Effect, Effects, Incoming, Overflow, QueueCore, Restored, Sequence};

impl QueueCore {
    /// Takes messages in. Each goes straight to a consumer if nothing waits and one can take it; how many do so is
    /// bounded by the vector, not by the batch of a dispatch, for a message with TTL 0 has only this one chance.
    pub(super) fn enqueue(&mut self, incoming: &mut Vec<Incoming>, now: Millis, effects: &mut Effects) {
        if !self.ready.is_empty() {
            self.dispatch(now, effects);
        }
        for Incoming {
            message,
            persistent,
            ticket,
        } in incoming.drain(..)
        {
            if self.limited() && self.options.overflow != Overflow::DropHead && self.would_overflow(&message) {
                self.refuse(message, ticket, effects);
                continue;
            }
            let sequence = self.next_sequence;
            self.next_sequence += 1;
            let mut entry = self.entry(message, now);
            entry.persistent = persistent && self.options.durable;
            entry.on_disk = entry.persistent;
            entry.kept = entry.persistent || self.options.tracked;
            let turn = if self.groups.is_some() {
                self.group_turn(&entry.message)
            } else if self.ready.is_empty() {
                self.consumers.take_turn()
            } else {
                None
            };
            let leaves = match turn {
                Some(turn) => turn.no_ack,
                None => entry.expires_at <= now,
            };
            // What leaves with this command need not be kept at all, unless it has to reach another queue first.
            let becomes_letter = turn.is_none() && self.options.dead_letter.is_some();
            entry.kept &= !leaves || becomes_letter || self.options.tracked;
            if entry.kept {
                effects.push(Effect::Keep {
                    sequence,
                    message: entry.message.clone(),
                    expires_at: entry.expires().then_some(entry.expires_at),
                    ticket,
                    in_flight: leaves || turn.is_some(),
                    replaces: None,
                });
            } else if let Some(ticket) = ticket {
                effects.push(Effect::Taken(ticket));
            }
            match turn {
                Some(turn) => self.deliver(turn, sequence, entry, effects),
                None if leaves => self.discard(sequence, entry, Some(DeathReason::Expired), effects),
                None => {
                    self.push_ready(sequence, entry, effects);
                    self.shorten(effects);
                }
            }
        }
    }

    /// Puts back what the store kept.
    pub(super) fn restore(&mut self, mut messages: Vec<Restored>, now: Millis, effects: &mut Effects) {
        messages.sort_by_key(|message| message.sequence);
        messages.dedup_by_key(|message| message.sequence);
        for restored in messages {
            if restored.sequence < self.next_sequence {
                continue;
            }
            self.next_sequence = restored.sequence.saturating_add(1);
            let level = self.level(&restored.message);
            let entry = Entry {
                message: restored.message,
                expires_at: restored.expires_at.unwrap_or(NEVER),
                enqueued_at: now,
                delivery_count: restored.delivery_count,
                level,
                kept: true,
                persistent: true,
                on_disk: true,
                redelivered: restored.redelivered,
                indexed: false,
            };
            if let Some(entry) = self.restore_retry(restored.sequence, entry) {
                self.push_ready(restored.sequence, entry, effects);
            }
        }
    }

    /// Gives a message to whose turn it is.
    #[inline]
    pub(super) fn deliver(&mut self, turn: Turn, sequence: Sequence, entry: Entry, effects: &mut Effects) {
        let forget = turn.no_ack && entry.kept;
        effects.deliver(self.hand_out(turn.holder, turn.no_ack, sequence, entry));
        if forget {
            effects.push(Effect::Forget(sequence));
        }
    }

    /// Removes a message for good: as a dead letter where there is a reason and a target.
    ///
    /// The dead letter comes before the store may forget the message, so that a crash between the two loses nothing.
    pub(super) fn discard(
        &mut self,
        sequence: Sequence,
        entry: Entry,
        reason: Option<DeathReason>,
        effects: &mut Effects,
    ) {
        if let Some(reason) = reason
            && self.options.dead_letter.is_some()
        {
            if self.holds_letters() {
                self.hold_letter(sequence, entry.message, entry.kept, reason, effects);
                return;
            }
            self.dead_letter(sequence, entry.message, entry.kept, reason, effects);
        }
        if entry.kept {
            effects.push(Effect::Forget(sequence));
        }
    }

    pub(super) fn dead_letter(
        &self,
        sequence: Sequence,
        message: Message,
        kept: bool,
        reason: DeathReason,
        effects: &mut Effects,
    ) {
        if let Some(target) = &self.options.dead_letter {
            effects.push(Effect::DeadLetter(super::DeadLetter {
                sequence,
                message,
                reason,
                target: target.clone(),
                died_at: self.now,
                kept,
                held: false,
            }));
        }
    }

    fn entry(&self, message: Message, now: Millis) -> Entry {
        let properties = message.properties();
        let own = match self.options.delayed {
            _ if properties.is_empty() => None,
            true => super::delay(properties),
            false => properties.expiration().and_then(decimal),
        };
        let ttl = match (own, self.options.message_ttl_ms) {
            (Some(own), Some(queue)) => Some(own.min(queue)),
            (own, queue) => own.or(queue),
        };
        Entry {
            expires_at: ttl.map_or(NEVER, |ttl| now.saturating_add(ttl)),
            level: self.level(&message),
            message,
            enqueued_at: now,
            delivery_count: 0,
            kept: false,
            persistent: false,
            on_disk: false,
            redelivered: false,
            indexed: false,
        }
    }

    /// RabbitMQ, "Priority Queue Support": no priority is priority 0, a higher one than the queue's counts as that.
    fn level(&self, message: &Message) -> u8 {
        match self.ready.highest_level() {
            0 => 0,
            highest => message.properties().priority().unwrap_or(0).min(highest),
        }
    }
}

/// The number in an `expiration` property, whose form was checked when it was published.
fn decimal(text: &[u8]) -> Option<Millis> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
