//! The waiting messages of a queue some of which are on disk.

use crate::model::Message;

use super::Sequence;
use super::paged::Paged;
use super::ready::{Level, Ready};

/// Messages that go to disk and are not there yet.
pub(super) type Unwritten = Vec<(Sequence, Message)>;

impl Ready {
    /// Whether a part is on disk.
    pub(super) fn is_paging(&self) -> bool {
        self.paged_len > 0
    }

    /// Whether the message that is to be delivered next is in memory.
    pub(super) fn has_head(&self) -> bool {
        self.head().is_some()
    }

    pub(super) fn resident_len(&self) -> u64 {
        self.len - self.paged_len
    }

    pub(super) fn resident_bytes(&self) -> u64 {
        self.bytes - self.paged_bytes
    }

    /// The first messages on disk, in the order in which they would be delivered, up to the end of their level.
    pub(super) fn next_paged(&self) -> impl Iterator<Item = Paged> {
        let first = self.levels.iter().rev().find_map(|level| level.paged.as_ref());
        first.into_iter().flat_map(|run| run.iter())
    }

    /// How many messages, and bytes of bodies, are in memory before the first that is not.
    pub(super) fn ahead(&self) -> (u64, u64) {
        let (mut len, mut bytes) = (0, 0);
        for level in self.levels.iter().rev() {
            len += level.here;
            bytes += level.here_bytes;
            if level.paged.is_some() {
                break;
            }
        }
        (len, bytes)
    }

    /// Forgets the bodies behind the first `messages`, or as many as come to `bytes`. Gives those that the store does
    /// not have yet.
    pub(super) fn page_out(&mut self, messages: usize, bytes: u64) -> Unwritten {
        let mut unwritten = Unwritten::new();
        let (mut messages_left, mut bytes_left) = (messages, bytes);
        for level in self.levels.iter_mut().rev().filter(|level| level.here > 0) {
            // What is read ahead of a level that is on disk is bounded by itself.
            let stays = level.paged.is_some() && level.fresh.len() <= 2 * messages;
            let head = if stays {
                level.fresh.len()
            } else {
                level.fits(messages_left, bytes_left)
            };
            let (len, size) = level.page_out(head, &mut unwritten);
            self.paged_len += len;
            self.paged_bytes += size;
            messages_left = messages_left.saturating_sub(level.here as usize);
            bytes_left = bytes_left.saturating_sub(level.here_bytes);
            level.fresh.shrink_to(2 * messages);
        }
        unwritten
    }

    /// Takes the body of a message in that is the first of its level on disk, or drops the message where there is none:
    /// it is lost. False where it is not the first, or not on disk any more.
    pub(super) fn load(&mut self, sequence: Sequence, message: Option<Message>) -> bool {
        let is_it = |level: &Level| {
            let front = level.paged.as_ref().and_then(|run| run.front());
            front.is_some_and(|front| front.sequence == sequence)
        };
        let Some(number) = self.levels.iter().position(is_it) else {
            return false;
        };
        let Some(message) = message else {
            return self.take_paged(number as u8, sequence).is_some();
        };
        let Some(paged) = self.pop_run(number, sequence) else {
            return false;
        };
        self.levels[number].put_behind(sequence, paged.entry(number as u8, message));
        true
    }

    /// Takes the first message on disk of the level whose turn it is, without its body.
    pub(super) fn pop_paged(&mut self) -> Option<Paged> {
        let level = self.highest()?;
        let first = self.levels[level].paged.as_ref()?.front()?;
        self.take_paged(level as u8, first.sequence)
    }

    /// Takes a message that is on disk, without its body.
    pub(super) fn take_paged(&mut self, level: u8, sequence: Sequence) -> Option<Paged> {
        let paged = self.pop_run(level.into(), sequence)?;
        self.gone(level, paged.bytes);
        self.expires_no_more(level, sequence, paged.expires_at, paged.indexed);
        Some(paged)
    }

    fn pop_run(&mut self, level: usize, sequence: Sequence) -> Option<Paged> {
        let level = &mut self.levels[level];
        let run = level.paged.as_mut()?;
        let paged = run.remove(sequence)?;
        if run.is_empty() {
            level.paged = None;
        }
        self.paged_len -= 1;
        self.paged_bytes -= paged.bytes;
        Some(paged)
    }
}

impl Level {
    /// How many places at the front have at most so many messages, and no more once there are so many bytes.
    fn fits(&self, messages: usize, bytes: u64) -> usize {
        let mut left = bytes;
        let head = self.fresh.iter().take(messages).take_while(|place| {
            let fits = left > 0;
            left = left.saturating_sub(place.entry.as_ref().map_or(0, super::entry::Entry::bytes));
            fits
        });
        head.count()
    }

    /// Leaves all but the first `head` places to the disk; how many messages and bytes those were.
    fn page_out(&mut self, head: usize, unwritten: &mut Unwritten) -> (u64, u64) {
        let mut going = Vec::with_capacity(self.fresh.len() - head);
        for place in self.fresh.drain(head..) {
            let Some(entry) = place.entry else {
                self.gaps -= 1;
                continue;
            };
            going.push(Paged::of(place.sequence, &entry));
            if !entry.on_disk {
                unwritten.push((place.sequence, entry.message));
            }
        }
        self.trim();
        let bytes = going.iter().map(|paged| paged.bytes).sum();
        self.here -= going.len() as u64;
        self.here_bytes -= bytes;
        if !going.is_empty() {
            self.paged.get_or_insert_default().prepend(&going);
        }
        (going.len() as u64, bytes)
    }
}
