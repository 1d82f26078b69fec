//! Messages encoded once and written again and again.

use std::ops::Range;

use super::error::BenchError;
use super::wire::{PublishOptions, publish};

/// Bytes of the time stamp at the start of a body.
const STAMP_BYTES: usize = 8;
/// A position that no stamp has.
const NO_STAMP: usize = usize::MAX;
/// A block may not be larger than this: a million routing keys fit.
const LARGEST_BLOCK_BYTES: usize = 512 << 20;

/// A ring of encoded messages: body sizes and routing keys alternate in it, only the time stamps
/// change between two rounds.
#[derive(Debug)]
pub struct Block {
    bytes: Vec<u8>,
    /// Where each message ends in `bytes`.
    ends: Vec<usize>,
    /// Where each message's stamp lies, or [`NO_STAMP`].
    stamps: Vec<usize>,
    next: usize,
    write_bytes: usize,
}

impl Block {
    /// Encodes whole rounds of all `keys` and `sizes`, until there are about `write_bytes`
    /// bytes, which is also the most that one write takes (a larger message goes alone).
    ///
    /// # Errors
    /// One round is over 512 MiB.
    pub fn new(
        keys: &[String],
        sizes: &[usize],
        options: PublishOptions<'_>,
        write_bytes: usize,
    ) -> Result<Self, BenchError> {
        let round = least_common_multiple(keys.len(), sizes.len());
        let mut block = Self {
            bytes: Vec::new(),
            ends: Vec::new(),
            stamps: Vec::new(),
            next: 0,
            write_bytes,
        };
        while block.bytes.len() < write_bytes {
            for index in 0..round {
                let size = sizes[index % sizes.len()];
                let key = &keys[index % keys.len()];
                let body = publish(&mut block.bytes, options, key, size);
                let stamped = body.len() >= STAMP_BYTES;
                block.stamps.push(if stamped { body.start } else { NO_STAMP });
                block.ends.push(block.bytes.len());
                if block.bytes.len() > LARGEST_BLOCK_BYTES {
                    return Err(BenchError::Options(format!(
                        "{} routing keys with {} body sizes take over 512 MiB: take fewer",
                        keys.len(),
                        sizes.len()
                    )));
                }
            }
        }
        Ok(block)
    }

    /// The next messages to write: at most `count`, at most one write's bytes, at least one.
    pub fn take(&mut self, count: u64) -> Range<usize> {
        let first = self.next;
        let limit = self.start_of(first) + self.write_bytes;
        let fitting = self.ends[first..].partition_point(|&end| end <= limit);
        let wanted = usize::try_from(count).unwrap_or(usize::MAX);
        let after = first + fitting.min(wanted).max(1);
        self.next = if after == self.ends.len() { 0 } else { after };
        first..after
    }

    /// Sets the same time stamp in all `messages`.
    pub fn stamp_all(&mut self, messages: Range<usize>, now_ns: u64) {
        let stamp = now_ns.to_be_bytes();
        for &at in &self.stamps[messages] {
            if at != NO_STAMP {
                self.bytes[at..at + STAMP_BYTES].copy_from_slice(&stamp);
            }
        }
    }

    /// Sets the time stamp of one message.
    pub fn stamp(&mut self, message: usize, at_ns: u64) {
        self.stamp_all(message..message + 1, at_ns);
    }

    /// The encoded `messages`.
    pub fn encoded(&self, messages: Range<usize>) -> &[u8] {
        &self.bytes[self.start_of(messages.start)..self.ends[messages.end - 1]]
    }

    fn start_of(&self, message: usize) -> usize {
        match message.checked_sub(1) {
            Some(before) => self.ends[before],
            None => 0,
        }
    }
}

fn least_common_multiple(a: usize, b: usize) -> usize {
    let (mut large, mut small) = (a, b);
    while small > 0 {
        (large, small) = (small, large % small);
    }
    a / large * b
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: PublishOptions<'_> = PublishOptions {
        exchange: "",
        mandatory: false,
        persistent: false,
        frame_max: 4096,
    };

    fn keys(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("key.{n}")).collect()
    }

    #[test]
    fn a_ring_in_writes_of_bounded_size() {
        let mut block = Block::new(&keys(2), &[0, 16, 100], OPTIONS, 1000).unwrap();
        assert_eq!(block.ends.len() % 6, 0, "whole rounds");
        let total = block.ends.len();
        let mut seen = 0;
        while seen < 3 * total {
            let at = seen % total;
            let messages = block.take(u64::MAX);
            assert_eq!(messages.start, at);
            assert!(block.encoded(messages.clone()).len() <= 1000);
            seen += messages.len();
        }
        assert_eq!(block.take(2).len(), 2);
    }

    #[test]
    fn a_message_over_the_write_size_goes_alone() {
        let mut block = Block::new(&keys(1), &[9000], OPTIONS, 1000).unwrap();
        assert_eq!(block.ends.len(), 1);
        assert_eq!(block.take(5), 0..1);
        assert_eq!(block.take(5), 0..1);
    }

    #[test]
    fn stamps_go_where_a_body_has_room() {
        let mut block = Block::new(&keys(1), &[7, 8], OPTIONS, 100).unwrap();
        let before = block.encoded(0..2).to_vec();
        block.stamp_all(0..2, 0x0102_0304_0506_0708);
        let after = block.encoded(0..2).to_vec();
        let changed: Vec<u8> = before
            .iter()
            .zip(&after)
            .filter(|(old, new)| old != new)
            .map(|(_, new)| *new)
            .collect();
        assert_eq!(changed, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(&after[after.len() - 9..], [1, 2, 3, 4, 5, 6, 7, 8, 0xCE]);
    }
}
