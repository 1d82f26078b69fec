//! Checkpoints: what the records of a segment say, without the messages, so that a start need not read the segment.
//!
//! One is kept a segment in the [`Catalogue`], written when the segment is closed (so by bytes: every
//! `store.segment_bytes`) and for the last one at a clean end, always up to a place that is synced. A start applies them
//! in the order of the segments and reads only what follows: the tail of the last segment after a crash, nothing after a
//! clean end. One that is missing or damaged costs the reading of its segment, which makes it anew. Since a checkpoint is
//! never written again, they cost two bytes a message once, however long the messages wait.
//!
//! # Bytes
//! Version (u8), salt of the segment (u64), end (u64), entries, CRC-32 of all before (u32); numbers little-endian.
//! An entry stands for a record, in order: LEB128 of its length times 4 plus
//!
//! | | the record is | then follows |
//! |---|---|---|
//! | 0 | a publish of the queue of the publish before, with the sequence after it | |
//! | 1 | a publish | queue and sequence, LEB128 |
//! | 2 | a settlement or the removal of a queue | kind (u8), payload |
//! | 3 | a mark | |

use std::sync::Arc;

use crate::model::varint;
use crate::store::index::Place;
use crate::store::{QueueId, StoreError};

use super::record::{Entry, Kind, RECORD_HEADER_LEN, RecordHeader, SEGMENT_HEADER_LEN, read_entry};
use super::recovery::Found;
use super::{LogEngine, damaged};

/// Version of the bytes.
const VERSION: u8 = 1;
const HEADER_LEN: usize = 17;

/// The catalogue of all segments, and where their checkpoints are kept.
pub(in crate::store) trait Catalogue: Send + Sync {
    /// The segments that were noted or have a checkpoint, in order.
    fn list(&self) -> Result<Vec<u32>, StoreError>;
    /// Notes a segment that was made, on stable storage, as far as there is space.
    fn note(&self, segment: u32) -> Result<(), StoreError>;
    /// The checkpoint of a segment; `None` as well for one that was only noted.
    fn get(&self, segment: u32) -> Result<Option<Vec<u8>>, StoreError>;
    /// Sets it, as far as there is space. May get lost when the power fails, as a whole or in part.
    fn put(&self, segment: u32, checkpoint: &[u8]) -> Result<(), StoreError>;
    /// The segment is deleted.
    fn remove(&self, segment: u32) -> Result<(), StoreError>;
}

/// The records of a segment up to a place.
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    entries: Vec<u8>,
    end: u64,
    /// Queue and sequence of a publish that needs no words.
    next: (u64, u64),
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            end: SEGMENT_HEADER_LEN as u64,
            // No queue has this id.
            next: (u64::MAX, 0),
        }
    }
}

/// What it says of one record.
enum Brief<'a> {
    Publish(QueueId, u64),
    Other(Entry<'a>),
    Mark,
}

impl Checkpoint {
    /// Where in the segment the records end that it knows of.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Adds whole records, which follow in the segment.
    pub(super) fn add(&mut self, mut records: &[u8]) {
        while let Some(header) = records.first_chunk() {
            let length = RecordHeader::read(header).record_len();
            let Some((record, rest)) = records.split_at_checked(length) else {
                return;
            };
            records = rest;
            self.add_record(record);
        }
    }

    fn add_record(&mut self, record: &[u8]) {
        self.end += record.len() as u64;
        let length = (record.len() as u64) << 2;
        let (kind, payload) = (record[RECORD_HEADER_LEN - 1], &record[RECORD_HEADER_LEN..]);
        if kind == Kind::Mark as u8 {
            varint::put(&mut self.entries, length | 3);
        } else if let (true, Some((queue, rest))) = (kind == Kind::Publish as u8, payload.split_first_chunk::<8>()) {
            let sequence = rest.first_chunk().copied().unwrap_or_default();
            let this = (u64::from_le_bytes(*queue), u64::from_le_bytes(sequence));
            if this == self.next {
                varint::put(&mut self.entries, length);
            } else {
                varint::put(&mut self.entries, length | 1);
                varint::put(&mut self.entries, this.0);
                varint::put(&mut self.entries, this.1);
            }
            self.next = (this.0, this.1.wrapping_add(1));
        } else {
            varint::put(&mut self.entries, length | 2);
            self.entries.push(kind);
            self.entries.extend_from_slice(payload);
        }
    }

    pub(super) fn encode(&self, salt: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.entries.len() + 4);
        bytes.push(VERSION);
        bytes.extend_from_slice(&salt.to_le_bytes());
        bytes.extend_from_slice(&self.end.to_le_bytes());
        bytes.extend_from_slice(&self.entries);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// `None` where the bytes are damaged, or of another segment or version.
    pub(super) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let (bytes, crc) = bytes.split_last_chunk()?;
        let (header, entries) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let number = |at: usize| Some(u64::from_le_bytes(*header.get(at..)?.first_chunk()?));
        if u32::from_le_bytes(*crc) != crc32fast::hash(bytes) || header[0] != VERSION || number(1)? != salt {
            return None;
        }
        let mut checkpoint = Self {
            entries: entries.to_vec(),
            end: number(9)?,
            ..Self::default()
        };
        let (mut at, mut next) = (SEGMENT_HEADER_LEN as u64, checkpoint.next);
        let mut rest = entries;
        while !rest.is_empty() {
            at = at.checked_add(take_brief(&mut rest, &mut next)?.1)?;
        }
        checkpoint.next = next;
        (at == checkpoint.end).then_some(checkpoint)
    }
}

/// Takes the next entry off; with it the length of its record.
fn take_brief<'a>(entries: &mut &'a [u8], next: &mut (u64, u64)) -> Option<(Brief<'a>, u64)> {
    let head = varint::take(entries)?;
    let length = head >> 2;
    // No record is shorter than its header, and none has a length that does not fit into one.
    if length < RECORD_HEADER_LEN as u64 || u32::try_from(length).is_err() {
        return None;
    }
    let brief = match head & 3 {
        2 => {
            let (kind, rest) = entries.split_first()?;
            let payload = usize::try_from(length).ok()?.checked_sub(RECORD_HEADER_LEN)?;
            let (payload, rest) = rest.split_at_checked(payload)?;
            *entries = rest;
            Brief::Other(read_entry(Kind::from_byte(*kind)?, payload)?)
        }
        3 => Brief::Mark,
        publish => {
            if publish == 1 {
                *next = (varint::take(entries)?, varint::take(entries)?);
            }
            let this = *next;
            next.1 = next.1.wrapping_add(1);
            Brief::Publish(QueueId(this.0), this.1)
        }
    };
    Some((brief, length))
}

impl LogEngine {
    /// The same with a place for checkpoints. Without one every segment is read at the start.
    pub(in crate::store) fn with_catalogue(self, catalogue: Arc<dyn Catalogue>) -> Self {
        Self {
            catalogue: Some(catalogue),
            ..self
        }
    }

    /// Reads every segment at the start, whatever the checkpoints say, and writes none: for who wants to know whether
    /// everything is whole.
    pub(in crate::store) fn distrusting(self) -> Self {
        Self {
            distrusts: true,
            ..self
        }
    }

    /// Segments that are catalogued and not there are lost: only the oldest are ever deleted.
    pub(super) fn check_catalogue(&self, last: Option<u32>) -> Result<(), StoreError> {
        let Some(catalogue) = &self.catalogue else {
            return Ok(());
        };
        match catalogue.list()?.last() {
            Some(id) if Some(*id) > last => Err(damaged(
                &*self.disk,
                last.map_or(*id, |last| last + 1),
                0,
                "the file is missing; restore the folder from a backup",
            )),
            _ => Ok(()),
        }
    }

    /// Applies the checkpoint of a segment that was opened, if there is one in order; the highest queue id in it.
    pub(super) fn apply_checkpoint(&mut self, id: u32, found: &Found) -> Result<Option<QueueId>, StoreError> {
        self.checkpoint = Checkpoint::default();
        let Some(catalogue) = self.catalogue.as_ref().filter(|_| !self.distrusts) else {
            return Ok(None);
        };
        let Some(bytes) = catalogue.get(id)? else {
            return Ok(None);
        };
        let Some(checkpoint) = Checkpoint::decode(&bytes, found.salt) else {
            let segment = self.disk.path().join(super::segment_name(id));
            tracing::warn!(segment = %segment.display(), "the checkpoint is damaged: the segment is read instead");
            return Ok(None);
        };
        if checkpoint.end > found.length {
            return Err(damaged(
                &*self.disk,
                id,
                found.length,
                "the file was longer when it was synced; restore the folder from a backup",
            ));
        }
        let (mut at, mut next) = (SEGMENT_HEADER_LEN as u64, Self::first_brief());
        let (mut rest, mut highest) = (checkpoint.entries.as_slice(), None);
        // It was taken apart once when it was decoded.
        while let Some((brief, length)) = take_brief(&mut rest, &mut next) {
            let place = Place {
                segment: id,
                offset: at as u32,
                length: length as u32,
            };
            highest = highest.max(match brief {
                Brief::Publish(queue, sequence) => self.apply(Entry::Publish(queue, sequence, &[]), place),
                Brief::Other(entry) => self.apply(entry, place),
                Brief::Mark => None,
            });
            at += length;
        }
        self.checkpoint = checkpoint;
        Ok(highest)
    }

    fn first_brief() -> (u64, u64) {
        Checkpoint::default().next
    }

    /// Keeps what is known of a segment; all of it is synced.
    pub(super) fn put_checkpoint(&self, id: u32, salt: u64) -> Result<(), StoreError> {
        match self.catalogue.as_ref().filter(|_| !self.distrusts) {
            Some(catalogue) => catalogue.put(id, &self.checkpoint.encode(salt)),
            None => Ok(()),
        }
    }

    /// Notes a segment that is on stable storage, so that its loss is seen.
    pub(super) fn note_segment(&self, id: u32) -> Result<(), StoreError> {
        match self.catalogue.as_ref().filter(|_| !self.distrusts) {
            Some(catalogue) => catalogue.note(id),
            None => Ok(()),
        }
    }

    /// The segment is deleted, and with it its checkpoint.
    pub(super) fn remove_checkpoint(&self, id: u32) -> Result<(), StoreError> {
        match self.catalogue.as_ref().filter(|_| !self.distrusts) {
            Some(catalogue) => catalogue.remove(id),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use parking_lot::Mutex;
    use proptest::prelude::*;

    use super::super::record;
    use super::*;
    use crate::store::tests::keep;

    /// A catalogue in memory that can lose and damage.
    #[derive(Default)]
    pub(in crate::store) struct MemoryCatalogue(pub(in crate::store) Mutex<BTreeMap<u32, Vec<u8>>>);

    impl Catalogue for MemoryCatalogue {
        fn list(&self) -> Result<Vec<u32>, StoreError> {
            Ok(self.0.lock().keys().copied().collect())
        }

        fn note(&self, segment: u32) -> Result<(), StoreError> {
            self.0.lock().entry(segment).or_default();
            Ok(())
        }

        fn get(&self, segment: u32) -> Result<Option<Vec<u8>>, StoreError> {
            Ok(self.0.lock().get(&segment).filter(|bytes| !bytes.is_empty()).cloned())
        }

        fn put(&self, segment: u32, checkpoint: &[u8]) -> Result<(), StoreError> {
            self.0.lock().insert(segment, checkpoint.to_vec());
            Ok(())
        }

        fn remove(&self, segment: u32) -> Result<(), StoreError> {
            self.0.lock().remove(&segment);
            Ok(())
        }
    }

    fn briefs(checkpoint: &Checkpoint) -> Vec<String> {
        let (mut rest, mut next) = (checkpoint.entries.as_slice(), LogEngine::first_brief());
        std::iter::from_fn(|| take_brief(&mut rest, &mut next))
            .map(|(brief, length)| match brief {
                Brief::Publish(queue, sequence) => format!("{} {sequence} {length}", queue.0),
                Brief::Other(entry) => format!("{entry:?} {length}"),
                Brief::Mark => format!("mark {length}"),
            })
            .collect()
    }

    #[test]
    fn it_says_what_the_records_say_in_two_bytes_a_message() {
        let mut records = Vec::new();
        record::append_mark(&mut records, 7, 32);
        for sequence in 1..=100 {
            record::append_publish(&mut records, 7, QueueId(5), &keep(5, sequence, 1024, None));
        }
        record::append_settle(&mut records, 7, QueueId(5), &[1, 2, 9]);
        record::append_publish(&mut records, 7, QueueId(6), &keep(6, 3, 0, None));
        record::append_remove_queue(&mut records, 7, QueueId(6));
        let mut checkpoint = Checkpoint::default();
        checkpoint.add(&records);
        assert_eq!(checkpoint.end(), 32 + records.len() as u64);
        let encoded = checkpoint.encode(7);
        assert!(encoded.len() < 300, "{}", encoded.len());
        let decoded = Checkpoint::decode(&encoded, 7).unwrap();
        assert_eq!(briefs(&decoded), briefs(&checkpoint));
        let briefs = briefs(&decoded);
        assert_eq!(briefs.len(), 104);
        assert_eq!(briefs[0], "mark 17");
        assert!(briefs[100].starts_with("5 100 1"), "{}", briefs[100]);
        assert_eq!(briefs[101], "Settle(QueueId(5), [(1, 2), (9, 1)]) 21");
        assert!(briefs[102].starts_with("6 3 "), "{}", briefs[102]);
        assert_eq!(briefs[103], "RemoveQueue(QueueId(6)) 17");
        // What follows is added as if it had never been put away.
        let mut more = Vec::new();
        record::append_publish(&mut more, 7, QueueId(6), &keep(6, 4, 0, None));
        let (mut one, mut other) = (checkpoint, decoded);
        one.add(&more);
        other.add(&more);
        assert_eq!(one.encode(7), other.encode(7));
    }

    proptest! {
        #[test]
        fn damage_of_any_byte_is_seen(at in 0..10_000usize, bit in 0..8u8, cut in 0..10_000usize) {
            let mut records = Vec::new();
            for sequence in 1..=20 {
                record::append_publish(&mut records, 7, QueueId(5), &keep(5, sequence, 9, None));
            }
            let mut checkpoint = Checkpoint::default();
            checkpoint.add(&records);
            let whole = checkpoint.encode(7);
            let mut bytes = whole.clone();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(Checkpoint::decode(&bytes, 7).is_none());
            prop_assert!(Checkpoint::decode(&whole[..cut % whole.len()], 7).is_none());
            prop_assert!(Checkpoint::decode(&whole, 8).is_none());
        }

        #[test]
        fn no_bytes_panic(entries in prop::collection::vec(any::<u8>(), 0..60)) {
            // With a CRC that is right, so that the entries are looked at.
            let checkpoint = Checkpoint { entries, ..Checkpoint::default() };
            let _ = Checkpoint::decode(&checkpoint.encode(7), 7);
        }
    }
}
