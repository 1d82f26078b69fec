//! Records and segment headers as bytes. All numbers are little-endian.
//!
//! A segment starts with [`SEGMENT_HEADER_LEN`] bytes: magic (8), version (u32), id (u32), salt (u64), zeros (u32),
//! CRC of all before (u32). Records follow without gaps: CRC (u32), length of the payload (u32), kind (u8), payload.
//! The CRC is CRC-32 of length, kind and payload, started with the segment's salt, so that no bytes of another
//! segment, nor a body that looks like records, ever pass for records of this one.
//!
//! | kind | payload |
//! |---|---|
//! | 1 publish | queue (u64), sequence (u64), encoded message |
//! | 2 settle | queue (u64), runs of sequences: gap to the end of the run before and length of the run, LEB128 each |
//! | 3 remove queue | queue (u64) |
//! | 4 mark | up to where this segment was synced when the mark was written (u64) |

use crate::model::varint;
use crate::store::codec;
use crate::store::{Keep, QueueId};

pub(super) const SEGMENT_HEADER_LEN: usize = 32;
pub(super) const RECORD_HEADER_LEN: usize = 9;
pub(super) const MARK_LEN: usize = RECORD_HEADER_LEN + 8;
/// Bytes of a publish record before its encoded message.
const PUBLISH_KEY_LEN: usize = 16;
const MAGIC: &[u8; 8] = b"WARRENLG";
/// Version of the segment format.
pub(super) const VERSION: u32 = 1;
/// So many sequences go into one settle record.
const SETTLE_MAX: usize = 64 << 10;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Publish = 1,
    Settle = 2,
    RemoveQueue = 3,
    Mark = 4,
}

impl Kind {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [Self::Publish, Self::Settle, Self::RemoveQueue, Self::Mark]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// Why bytes are no segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFault {
    /// They are not, or not undamaged.
    Damaged,
    /// They are, of another version.
    Version(u32),
}

pub(super) fn segment_header(id: u32, salt: u64) -> [u8; SEGMENT_HEADER_LEN] {
    let mut header = [0; SEGMENT_HEADER_LEN];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&id.to_le_bytes());
    header[16..24].copy_from_slice(&salt.to_le_bytes());
    let crc = crc32fast::hash(&header[..28]);
    header[28..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// The salt of a segment, if its header is in order and says `id`.
pub(super) fn check_segment_header(header: &[u8], id: u32) -> Result<u64, HeaderFault> {
    let number = |at: usize| {
        let bytes = header.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    };
    if header.len() != SEGMENT_HEADER_LEN || header[..8] != *MAGIC {
        return Err(HeaderFault::Damaged);
    }
    if number(28) != Some(crc32fast::hash(&header[..28])) {
        return Err(HeaderFault::Damaged);
    }
    match number(8) {
        Some(VERSION) => {}
        other => return Err(HeaderFault::Version(other.unwrap_or_default())),
    }
    let salt = header[16..].first_chunk::<8>();
    match salt {
        Some(salt) if number(12) == Some(id) => Ok(u64::from_le_bytes(*salt)),
        _ => Err(HeaderFault::Damaged),
    }
}

fn checksum(salt: u64, length_kind_payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt as u32);
    hasher.update(length_kind_payload);
    hasher.finalize()
}

/// Appends a record whose payload is what `write` appends; how long the record is.
fn append(out: &mut Vec<u8>, salt: u64, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; RECORD_HEADER_LEN]);
    write(out);
    let length = (out.len() - start - RECORD_HEADER_LEN) as u32;
    out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    out[start + 8] = kind as u8;
    let crc = checksum(salt, &out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
    out.len() - start
}

/// How long the record of a message is.
pub(super) fn publish_len(keep: &Keep) -> usize {
    RECORD_HEADER_LEN + PUBLISH_KEY_LEN + codec::encoded_len(&keep.message)
}

pub(super) fn append_publish(out: &mut Vec<u8>, salt: u64, queue: QueueId, keep: &Keep) -> usize {
    append(out, salt, Kind::Publish, |out| {
        out.extend_from_slice(&queue.0.to_le_bytes());
        out.extend_from_slice(&keep.sequence.to_le_bytes());
        codec::encode(&keep.message, keep.expires_at, out);
    })
}

/// Appends a record whose payload comes from another segment.
pub(super) fn append_copy(out: &mut Vec<u8>, salt: u64, kind: Kind, payload: &[u8]) -> usize {
    append(out, salt, kind, |out| out.extend_from_slice(payload))
}

pub(super) fn append_remove_queue(out: &mut Vec<u8>, salt: u64, queue: QueueId) {
    append(out, salt, Kind::RemoveQueue, |out| {
        out.extend_from_slice(&queue.0.to_le_bytes());
    });
}

pub(super) fn append_mark(out: &mut Vec<u8>, salt: u64, synced: u64) {
    append(out, salt, Kind::Mark, |out| {
        out.extend_from_slice(&synced.to_le_bytes())
    });
}

/// Appends the settlement of sequences, which are sorted and without repetition, in as many records as it takes.
pub(super) fn append_settle(out: &mut Vec<u8>, salt: u64, queue: QueueId, sequences: &[u64]) {
    for sequences in sequences.chunks(SETTLE_MAX) {
        append(out, salt, Kind::Settle, |out| {
            out.extend_from_slice(&queue.0.to_le_bytes());
            let mut end = 0;
            for run in sequences.chunk_by(|a, b| a.wrapping_add(1) == *b) {
                varint::put(out, run[0].wrapping_sub(end));
                varint::put(out, run.len() as u64);
                end = run[0].wrapping_add(run.len() as u64);
            }
        });
    }
}

/// How long the settlement of so many sequences is at most.
pub(super) fn settle_max_len(sequences: usize) -> usize {
    (1 + sequences / SETTLE_MAX) * (RECORD_HEADER_LEN + 8) + sequences * 13
}

/// The start of a record: what its header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordHeader {
    pub(super) payload_len: usize,
}

impl RecordHeader {
    pub(super) fn read(header: &[u8; RECORD_HEADER_LEN]) -> Self {
        let [_, _, _, _, a, b, c, d, _] = *header;
        Self {
            payload_len: u32::from_le_bytes([a, b, c, d]) as usize,
        }
    }

    /// Of header and payload together.
    pub(super) fn record_len(self) -> usize {
        RECORD_HEADER_LEN + self.payload_len
    }
}

/// A whole record taken apart: kind and payload; `None` where it is damaged.
pub(super) fn check_record(record: &[u8], salt: u64) -> Option<(Kind, &[u8])> {
    let (crc, rest) = record.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*crc) != checksum(salt, rest) {
        return None;
    }
    Some((Kind::from_byte(*rest.get(4)?)?, rest.get(5..)?))
}

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    Publish(QueueId, u64, &'a [u8]),
    /// Queue, and runs of first sequence and length.
    Settle(QueueId, Vec<(u64, u64)>),
    RemoveQueue(QueueId),
    Mark(u64),
}

/// Takes a payload apart; `None` where it is not what its kind says.
pub(super) fn read_entry(kind: Kind, payload: &[u8]) -> Option<Entry<'_>> {
    let (first, mut rest) = payload.split_first_chunk::<8>()?;
    let first = u64::from_le_bytes(*first);
    Some(match kind {
        Kind::Publish => {
            let (sequence, message) = rest.split_first_chunk::<8>()?;
            Entry::Publish(QueueId(first), u64::from_le_bytes(*sequence), message)
        }
        Kind::Settle => {
            let mut runs = Vec::new();
            let mut end = 0u64;
            let mut left = SETTLE_MAX as u64;
            while !rest.is_empty() {
                let start = end.wrapping_add(varint::take(&mut rest)?);
                let length = varint::take(&mut rest)?;
                // More is never written; who believed a length of 2^63 would be busy for years.
                left = left.checked_sub(length)?;
                runs.push((start, length));
                end = start.wrapping_add(length);
            }
            Entry::Settle(QueueId(first), runs)
        }
        Kind::RemoveQueue => Entry::RemoveQueue(QueueId(first)),
        Kind::Mark => Entry::Mark(first),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settlements_of_any_shape_are_read_back() {
        let shapes: [&[u64]; 5] = [
            &[0],
            &[5, 6, 7, 100],
            &[u64::MAX],
            &[0, u64::MAX - 1, u64::MAX],
            &[1, 3, 5, 7],
        ];
        for sequences in shapes {
            let mut bytes = Vec::new();
            append_settle(&mut bytes, 3, QueueId(8), sequences);
            assert!(bytes.len() <= settle_max_len(sequences.len()));
            let (kind, payload) = check_record(&bytes, 3).unwrap();
            assert!(check_record(&bytes, 4).is_none());
            let Some(Entry::Settle(QueueId(8), runs)) = read_entry(kind, payload) else {
                panic!("not a settlement");
            };
            let read: Vec<u64> = runs
                .into_iter()
                .flat_map(|(first, length)| (0..length).map(move |at| first + at))
                .collect();
            assert_eq!(read, sequences);
        }
    }
}
