//! What the index knows of a message, and many of those in few bytes.
//!
//! Messages of one queue mostly follow each other in sequence and on disk, and are equally long. Packed, such a one is
//! counted: a byte stands for up to 128 of them. What differs is written as a difference.

use crate::model::varint;

/// Where a message lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Segment of the log; nothing to sled.
    pub(super) segment: u32,
    /// Where its record starts in the segment; to sled, how many chunks it has.
    pub(super) offset: u32,
    /// Bytes that it occupies.
    pub(super) length: u32,
}

/// A place with its sequence, in 20 bytes: the sequence is split so that nothing is lost to alignment. Length 0 marks
/// a slot whose message is gone (no record is empty).
#[derive(Clone, Copy)]
pub(super) struct Slot {
    high: u32,
    low: u32,
    pub(super) place: Place,
}

impl Slot {
    pub(super) fn new(sequence: u64, place: Place) -> Self {
        Self {
            high: (sequence >> 32) as u32,
            low: sequence as u32,
            place,
        }
    }

    pub(super) fn sequence(&self) -> u64 {
        u64::from(self.high) << 32 | u64::from(self.low)
    }

    pub(super) fn is_live(&self) -> bool {
        self.place.length != 0
    }
}

/// This bit, and in the others one less than how many slots in a row differ in nothing.
const RUN: u8 = 0x80;
const RUN_MAX: u8 = 0x80;
const SEQUENCE: u8 = 1;
const SEGMENT: u8 = 2;
const OFFSET: u8 = 4;
const LENGTH: u8 = 8;
/// The offset is that of the slot before, and not behind its record.
const SAME_OFFSET: u8 = 16;

/// What the slots before tell about the next one.
#[derive(Clone, Copy)]
struct Expected {
    sequence: u64,
    segment: u32,
    offset: u32,
    last_offset: u32,
    length: u32,
}

impl Expected {
    const FIRST: Self = Self {
        sequence: 0,
        segment: 0,
        offset: 0,
        last_offset: 0,
        length: 0,
    };

    fn after(sequence: u64, place: Place) -> Self {
        Self {
            sequence: sequence.wrapping_add(1),
            segment: place.segment,
            offset: place.offset.wrapping_add(place.length),
            last_offset: place.offset,
            length: place.length,
        }
    }
}

/// Packs the live ones.
pub(super) fn pack(slots: &[Slot]) -> Box<[u8]> {
    let mut out = Vec::new();
    let mut expected = Expected::FIRST;
    let mut equal = 0;
    for slot in slots.iter().filter(|slot| slot.is_live()) {
        let (sequence, place) = (slot.sequence(), slot.place);
        let offset = match place.offset {
            offset if offset == expected.offset => 0,
            offset if offset == expected.last_offset => SAME_OFFSET,
            _ => OFFSET,
        };
        let flag = |differs: bool, flag: u8| if differs { flag } else { 0 };
        let flags = offset
            | flag(sequence != expected.sequence, SEQUENCE)
            | flag(place.segment != expected.segment, SEGMENT)
            | flag(place.length != expected.length, LENGTH);
        if flags == 0 {
            equal += 1;
            if equal == RUN_MAX {
                out.push(RUN | (equal - 1));
                equal = 0;
            }
        } else {
            if equal > 0 {
                out.push(RUN | (equal - 1));
                equal = 0;
            }
            put(&mut out, flags, &expected, sequence, place);
        }
        expected = Expected::after(sequence, place);
    }
    if equal > 0 {
        out.push(RUN | (equal - 1));
    }
    out.into_boxed_slice()
}

fn put(out: &mut Vec<u8>, flags: u8, expected: &Expected, sequence: u64, place: Place) {
    out.push(flags);
    if flags & SEQUENCE != 0 {
        varint::put_difference(out, expected.sequence, sequence);
    }
    if flags & SEGMENT != 0 {
        varint::put_difference(out, expected.segment.into(), place.segment.into());
    }
    if flags & OFFSET != 0 {
        varint::put_difference(out, expected.offset.into(), place.offset.into());
    }
    if flags & LENGTH != 0 {
        varint::put_difference(out, expected.length.into(), place.length.into());
    }
}

/// Reads packed slots.
pub(super) struct Unpack<'a> {
    rest: &'a [u8],
    /// So many more differ in nothing.
    equal: u8,
    expected: Expected,
}

/// The slots that were packed.
pub(super) fn unpack(packed: &[u8]) -> Unpack<'_> {
    Unpack {
        rest: packed,
        equal: 0,
        expected: Expected::FIRST,
    }
}

impl Iterator for Unpack<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let expected = self.expected;
        let mut flags = 0;
        if self.equal > 0 {
            self.equal -= 1;
        } else {
            let (&first, rest) = self.rest.split_first()?;
            self.rest = rest;
            match first & RUN {
                0 => flags = first,
                _ => self.equal = first & !RUN,
            }
        }
        let mut number = |flag: u8, expected: u64| match flags & flag {
            0 => Some(expected),
            _ => varint::take_difference(&mut self.rest, expected),
        };
        let sequence = number(SEQUENCE, expected.sequence)?;
        let segment = number(SEGMENT, expected.segment.into())? as u32;
        let offset = match flags & SAME_OFFSET {
            0 => number(OFFSET, expected.offset.into())? as u32,
            _ => expected.last_offset,
        };
        let length = number(LENGTH, expected.length.into())? as u32;
        let place = Place {
            segment,
            offset,
            length,
        };
        self.expected = Expected::after(sequence, place);
        Some(Slot::new(sequence, place))
    }
}
