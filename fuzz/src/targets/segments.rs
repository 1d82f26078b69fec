//! Segments of the log, as they may lie on a disk.
//!
//! The input says what was written, a byte a step with its arguments behind it. The bytes are made here, with checksums
//! that are right, so that it is looked at what records say and not at their checksums only.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use warren::store::{StoredMessage, read_segments};

const SALT: u64 = 0x5a17;

/// Bodies by queue and sequence.
type Messages = BTreeMap<(u64, u64), Vec<u8>>;

/// What lies on the disk.
struct Written {
    segments: Vec<Vec<u8>>,
    checkpoints: BTreeMap<u32, Vec<u8>>,
    /// What is live, as long as everything was written as the store writes it.
    live: Messages,
    is_sound: bool,
}

/// What was written as the store writes it is found; anything else is found or refused, the same way twice.
pub fn store_segments(data: &[u8]) {
    let written = Written::by(data);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (at, bytes) in written.segments.iter().enumerate() {
        let name = format!("{:010}.log", at + 1);
        fs::write(folder.path().join(name), bytes).expect("a temporary file can be written");
    }
    let found = read(folder.path(), &written.checkpoints);
    if written.is_sound {
        assert_eq!(found.as_ref(), Ok(&written.live));
    }
    assert_eq!(found, read(folder.path(), &written.checkpoints), "read twice");
}

fn read(folder: &Path, checkpoints: &BTreeMap<u32, Vec<u8>>) -> Result<Messages, String> {
    let found = read_segments(folder, checkpoints.clone()).map_err(|error| error.to_string())?;
    let key = |found: &StoredMessage| (found.queue.0, found.sequence);
    let in_order = found.windows(2).all(|pair| key(&pair[0]) < key(&pair[1]));
    assert!(in_order, "each once, and in order");
    let pair = |found: StoredMessage| (key(&found), found.message.body().to_vec());
    Ok(found.into_iter().map(pair).collect())
}

/// The steps of an input; where it ends in the midst of one, zeros follow.
struct Steps<'a>(&'a [u8]);

impl Steps<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        self.byte().into()
    }

    /// A length and so many bytes.
    fn bytes(&mut self) -> Vec<u8> {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes.to_vec()
    }
}

impl Written {
    fn by(data: &[u8]) -> Self {
        let mut written = Self {
            segments: Vec::new(),
            checkpoints: BTreeMap::new(),
            live: Messages::new(),
            is_sound: true,
        };
        written.begin_segment();
        let mut steps = Steps(data);
        while !steps.0.is_empty() {
            match steps.byte() % 9 {
                step @ 0..5 => written.append_sound(step, &mut steps),
                step => written.append_damage(step, &mut steps),
            }
        }
        written
    }

    /// Magic, version, number, salt, zeros and their checksum.
    fn begin_segment(&mut self) {
        let id = self.segments.len() as u32 + 1;
        let mut header = b"WARRENLG".to_vec();
        header.extend(1_u32.to_le_bytes());
        header.extend(id.to_le_bytes());
        header.extend(SALT.to_le_bytes());
        header.extend([0; 4]);
        header.extend(crc32fast::hash(&header).to_le_bytes());
        self.segments.push(header);
    }

    fn segment(&mut self) -> &mut Vec<u8> {
        self.segments.last_mut().expect("one was begun")
    }

    fn append(&mut self, kind: u8, payload: &[u8]) {
        let length = (payload.len() as u32).to_le_bytes();
        let rest = [&length[..], &[kind], payload].concat();
        let mut checksum = crc32fast::Hasher::new_with_initial(SALT as u32);
        checksum.update(&rest);
        let segment = self.segment();
        segment.extend(checksum.finalize().to_le_bytes());
        segment.extend(rest);
    }

    /// What the store does: a message, settlements, the end of a queue, a mark, the next segment.
    fn append_sound(&mut self, step: u8, steps: &mut Steps<'_>) {
        let queue = steps.number() % 4;
        let key = queue.to_le_bytes();
        match step {
            0 => {
                let (sequence, body) = (steps.number(), vec![b'b'; steps.byte().into()]);
                let lengths = [&[1, 2][..], &2_u32.to_le_bytes(), &(body.len() as u32).to_le_bytes()].concat();
                let message = [&[0xFF; 8][..], &lengths, b"xrk", &[0, 0], &body].concat();
                self.append(1, &[&key[..], &sequence.to_le_bytes(), &message].concat());
                self.live.insert((queue, sequence), body);
            }
            1 => {
                let (first, length) = (steps.byte() & 0x7F, steps.byte() & 0x7F);
                // One run; numbers below 128 are one byte.
                self.append(2, &[&key[..], &[first, length]].concat());
                let settled = u64::from(first)..u64::from(first) + u64::from(length);
                self.live
                    .retain(|(of, sequence), _| *of != queue || !settled.contains(sequence));
            }
            2 => {
                self.append(3, &key);
                self.live.retain(|(of, _), _| *of != queue);
            }
            3 => self.append(4, &32_u64.to_le_bytes()),
            _ => self.begin_segment(),
        }
    }

    /// What it does not do: any record, any bytes, a cut, any checkpoint.
    fn append_damage(&mut self, step: u8, steps: &mut Steps<'_>) {
        self.is_sound = false;
        match step {
            5 => {
                let kind = steps.byte();
                self.append(kind, &steps.bytes());
            }
            6 => {
                let bytes = steps.bytes();
                self.segment().extend(bytes);
            }
            7 => {
                let left = self.segment().len().saturating_sub(steps.byte().into());
                self.segment().truncate(left);
            }
            _ => {
                let end = u64::from(u16::from_le_bytes([steps.byte(), steps.byte()]));
                let mut checkpoint = [&[1][..], &SALT.to_le_bytes(), &end.to_le_bytes(), &steps.bytes()].concat();
                checkpoint.extend(crc32fast::hash(&checkpoint).to_le_bytes());
                self.checkpoints.insert(self.segments.len() as u32, checkpoint);
            }
        }
    }
}
