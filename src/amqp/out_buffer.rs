//! Bytes on their way out.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;

use crate::model::Message;

/// Bodies (or parts of them in one frame) of at least this many bytes are not copied into the buffer: the message is
/// held and its bytes are written from where they lie.
pub const SHARED_BODY_MIN: usize = 32 * 1024;

/// What an empty buffer may keep for its next use, in bytes: about what a busy connection fills. Given back after each
/// write it would be grown anew for the next one, which copies every byte once more. An idle connection keeps nothing
/// ([`OutBuffer::shrink`]).
const KEEP: usize = 1024 * 1024;

/// Written bytes at the front that are left alone.
const WRITTEN_MAX: usize = 256 * 1024;

/// A queue of outgoing bytes: one contiguous piece, with shared bodies between.
///
/// Appending to it is appending to a vector. Written bytes are given back with [`OutBuffer::consume`].
#[derive(Debug, Default)]
pub struct OutBuffer {
    bytes: Vec<u8>,
    /// Bytes at the front of `bytes` that are written.
    head: usize,
    /// Shared bodies by the place in `bytes` before which they go out, in order.
    shared: VecDeque<Shared>,
    /// Bytes in `shared`.
    shared_len: usize,
}

#[derive(Debug)]
struct Shared {
    at: usize,
    message: Message,
    range: Range<usize>,
}

impl OutBuffer {
    /// An empty buffer, which holds no memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes wait.
    #[inline]
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len() - self.head + self.shared_len
    }

    /// Whether nothing waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len_bytes() == 0
    }

    /// Bytes of memory that the buffer holds by itself, shared bodies not counted.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.bytes.capacity() + self.shared.capacity() * size_of::<Shared>()
    }

    /// Appends bytes as they are.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Makes room for so many bytes more, as far as an empty buffer may keep them.
    #[inline]
    pub fn reserve(&mut self, bytes: usize) {
        let room = KEEP.saturating_sub(self.bytes.len());
        self.bytes.reserve(bytes.min(room));
    }

    /// Appends a part of the message's body, shared where it is large.
    #[inline]
    pub fn push_body(&mut self, message: &Message, range: Range<usize>) {
        if range.len() < SHARED_BODY_MIN {
            self.bytes.extend_from_slice(&message.body()[range]);
        } else {
            self.shared_len += range.len();
            self.shared.push_back(Shared {
                at: self.bytes.len(),
                message: message.clone(),
                range,
            });
        }
    }

    /// Appends all that waits in `other`, which is empty then and keeps its memory for further use.
    pub fn append(&mut self, other: &mut Self) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            std::mem::swap(self, other);
            return;
        }
        // Places count from the front of the vector, written bytes included.
        let base = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes[other.head..]);
        self.shared_len += other.shared_len;
        let head = other.head;
        self.shared.extend(other.shared.drain(..).map(|shared| Shared {
            at: base + shared.at - head,
            ..shared
        }));
        other.clear();
    }

    /// The pieces that wait, in order; none is empty.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.shared.iter().map(|shared| shared.at).chain([self.bytes.len()]);
        let starts = [self.head]
            .into_iter()
            .chain(self.shared.iter().map(|shared| shared.at));
        let plain = starts.zip(ends).map(|(start, end)| &self.bytes[start..end]);
        let bodies = self
            .shared
            .iter()
            .map(|shared| &shared.message.body()[shared.range.clone()]);
        // One plain piece more than bodies: the last one gets an empty companion.
        let bodies = bodies.chain([&[][..]]);
        plain
            .zip(bodies)
            .flat_map(|(plain, body)| [plain, body])
            .filter(|piece| !piece.is_empty())
    }

    /// Fills `slices` with the first pieces, for a vectored write; gives how many it set.
    pub fn io_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slot, piece) in slices.iter_mut().zip(self.pieces()) {
            *slot = IoSlice::new(piece);
            count += 1;
        }
        count
    }

    /// Takes `written` bytes off the front; more than there are empties the buffer.
    pub fn consume(&mut self, mut written: usize) {
        while let Some(first) = self.shared.front_mut() {
            let plain = first.at - self.head;
            if written < plain {
                break;
            }
            written -= plain;
            self.head = first.at;
            if written < first.range.len() {
                first.range.start += written;
                self.shared_len -= written;
                return;
            }
            written -= first.range.len();
            self.shared_len -= first.range.len();
            self.shared.pop_front();
        }
        self.head = self.bytes.len().min(self.head + written);
        if self.is_empty() {
            self.clear();
        } else if self.head >= WRITTEN_MAX && self.head >= self.bytes.len() / 2 {
            self.compact();
        }
    }

    /// Gives back all memory if nothing waits, for a connection that falls idle.
    pub fn shrink(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Where encoders append.
    #[inline]
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.head = 0;
        self.shared.clear();
        self.shared_len = 0;
        if self.capacity_bytes() > KEEP {
            *self = Self::default();
        }
    }

    /// Moves what waits to the front. It is at most as much as was written since the last time, so it costs no more
    /// than a copy of each byte.
    fn compact(&mut self) {
        let head = self.head;
        self.bytes.copy_within(head.., 0);
        self.bytes.truncate(self.bytes.len() - head);
        self.shared.iter_mut().for_each(|shared| shared.at -= head);
        self.head = 0;
    }
}
