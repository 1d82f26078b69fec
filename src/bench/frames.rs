//! Splitting what the broker sends into frames, in place.

use std::io::{self, Read};

use super::error::ProtocolError;
use super::wire::{FRAME_END, FRAME_OVERHEAD, Method};

/// Octets of a frame before its payload.
const PREFIX: usize = 7;

/// One frame, borrowed from the read buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Frame type octet.
    pub kind: u8,
    /// Channel number.
    pub channel: u16,
    /// What lies between the size and the end octet.
    pub payload: &'a [u8],
}

/// A read buffer of fixed size that is filled by large reads and emptied frame by frame.
/// A frame that is not complete stays until the next read; no frame is copied out.
#[derive(Debug)]
pub struct FrameBuffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    payload_limit: u32,
}

impl FrameBuffer {
    /// A buffer of `capacity` bytes for frames of up to `frame_max` bytes, overhead included.
    /// It is made larger where two such frames would not fit.
    pub fn new(capacity: usize, frame_max: u32) -> Self {
        let capacity = capacity.max(2 * frame_max as usize);
        Self {
            bytes: vec![0; capacity].into_boxed_slice(),
            start: 0,
            end: 0,
            payload_limit: frame_max - FRAME_OVERHEAD,
        }
    }

    /// Reads once. Returns the number of bytes, 0 at the end of the stream.
    ///
    /// # Errors
    /// Those of `source`, a timeout included.
    pub fn fill(&mut self, source: &mut impl Read) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let read = source.read(&mut self.bytes[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// The next complete frame, if there is one.
    ///
    /// # Errors
    /// A frame over the limit, or without its end octet.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ProtocolError> {
        let unread = &self.bytes[self.start..self.end];
        let Some((prefix, rest)) = unread.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let [kind, c0, c1, s0, s1, s2, s3] = *prefix;
        let size = u32::from_be_bytes([s0, s1, s2, s3]);
        if size > self.payload_limit {
            return Err(match (kind, c0, c1, s0) {
                (b'A', b'M', b'Q', b'P') => ProtocolError::NotAmqp,
                _ => ProtocolError::FrameSize {
                    size,
                    limit: self.payload_limit,
                },
            });
        }
        let Some((payload, after)) = rest.split_at_checked(size as usize) else {
            return Ok(None);
        };
        let Some(&end) = after.first() else {
            return Ok(None);
        };
        if end != FRAME_END {
            return Err(ProtocolError::FrameEnd(end));
        }
        self.start += PREFIX + size as usize + 1;
        Ok(Some(Frame {
            kind,
            channel: u16::from_be_bytes([c0, c1]),
            payload,
        }))
    }
}

/// The fields of a payload, from the first to the last.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next `N` octets.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`], as for every other method.
    #[inline]
    pub fn octets<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(ProtocolError::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    /// The next `count` octets, borrowed.
    #[inline]
    pub fn slice(&mut self, count: usize) -> Result<&'a [u8], ProtocolError> {
        let (first, rest) = self.0.split_at_checked(count).ok_or(ProtocolError::Truncated)?;
        self.0 = rest;
        Ok(first)
    }

    /// One octet.
    #[inline]
    pub fn octet(&mut self) -> Result<u8, ProtocolError> {
        Ok(self.octets::<1>()?[0])
    }

    /// 16 bits.
    #[inline]
    pub fn short(&mut self) -> Result<u16, ProtocolError> {
        self.octets().map(u16::from_be_bytes)
    }

    /// 32 bits.
    #[inline]
    pub fn long(&mut self) -> Result<u32, ProtocolError> {
        self.octets().map(u32::from_be_bytes)
    }

    /// 64 bits.
    #[inline]
    pub fn long_long(&mut self) -> Result<u64, ProtocolError> {
        self.octets().map(u64::from_be_bytes)
    }

    /// A short string's bytes.
    #[inline]
    pub fn short_string(&mut self) -> Result<&'a [u8], ProtocolError> {
        let length = self.octet()?;
        self.slice(usize::from(length))
    }

    /// A long string's or a table's bytes.
    #[inline]
    pub fn long_string(&mut self) -> Result<&'a [u8], ProtocolError> {
        let length = self.long()?;
        self.slice(length as usize)
    }

    /// Class and method number.
    #[inline]
    pub fn method(&mut self) -> Result<Method, ProtocolError> {
        Ok((self.short()?, self.short()?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire;
    use super::*;

    /// Gives the bytes in pieces of `piece` bytes, then the end of the stream.
    struct Pieces<'a> {
        bytes: &'a [u8],
        piece: usize,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let count = self.piece.min(into.len()).min(self.bytes.len());
            let (now, later) = self.bytes.split_at(count);
            into[..count].copy_from_slice(now);
            self.bytes = later;
            Ok(count)
        }
    }

    fn stream_of(messages: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let options = wire::PublishOptions {
            exchange: "e",
            mandatory: false,
            persistent: false,
            frame_max: 4096,
        };
        for size in 0..messages {
            wire::publish(&mut bytes, options, "k", size * 37 % 4000);
        }
        bytes
    }

    fn frames_in_pieces(bytes: &[u8], piece: usize) -> Vec<(u8, usize)> {
        let mut buffer = FrameBuffer::new(0, 4096);
        let mut source = Pieces { bytes, piece };
        let mut frames = Vec::new();
        loop {
            let read = buffer.fill(&mut source).unwrap();
            while let Some(frame) = buffer.next_frame().unwrap() {
                assert_eq!(frame.channel, wire::CHANNEL);
                frames.push((frame.kind, frame.payload.len()));
            }
            if read == 0 {
                return frames;
            }
        }
    }

    #[test]
    fn frames_are_the_same_however_the_reads_cut_them() {
        let bytes = stream_of(150);
        let whole = frames_in_pieces(&bytes, usize::MAX);
        assert_eq!(whole.len(), 150 * 3 - 1, "the first message has no body");
        for piece in [1, 2, 7, 8, 13, 4095, 8192] {
            assert_eq!(frames_in_pieces(&bytes, piece), whole, "pieces of {piece}");
        }
    }

    #[test]
    fn frames_that_are_none() {
        let next = |bytes: &[u8]| {
            let mut buffer = FrameBuffer::new(0, 4096);
            buffer.fill(&mut &bytes[..]).unwrap();
            buffer.next_frame().map(|frame| frame.is_some())
        };
        assert_eq!(next(&[1, 0, 1, 0, 0, 0, 0, 0xCE]), Ok(true));
        assert_eq!(next(&[1, 0, 1, 0, 0, 0, 0]), Ok(false));
        assert_eq!(next(&[1, 0, 1, 0, 0, 0, 0, 0xCD]), Err(ProtocolError::FrameEnd(0xCD)));
        assert_eq!(
            next(&[1, 0, 1, 0, 0, 0x0F, 0xF9]),
            Err(ProtocolError::FrameSize {
                size: 4089,
                limit: 4088
            })
        );
        assert_eq!(next(b"AMQP\x00\x00\x09\x01"), Err(ProtocolError::NotAmqp));
    }

    #[test]
    fn fields_end_where_the_payload_ends() {
        let mut fields = Fields(&[0, 60, 0, 40, 2, b'h', b'i', 0, 0, 0, 9]);
        assert_eq!(fields.method(), Ok((60, 40)));
        assert_eq!(fields.short_string(), Ok(&b"hi"[..]));
        assert_eq!(fields.long_string(), Err(ProtocolError::Truncated));
        assert_eq!(fields.octet(), Err(ProtocolError::Truncated));
    }
}
