//! The log over a disk that fails, forgets and fills up, against a model.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::store::disk::simulated::{Fault, SimulatedDisk};
use crate::store::engine::QueueBatch;
use crate::store::tests::{assert_same, keep};

const SEGMENT: u64 = 4 << 10;

/// What is known of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Taken and not forgotten: it has to be there.
    Kept,
    /// Forgotten or refused, and that is synced: it must not be there.
    Gone,
    /// Something failed in between: it may be there.
    Open,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    fate: Fate,
    length: usize,
    /// Once `Open`: what it becomes with the next sync.
    next: Fate,
}

/// An engine, its disk, and what has to be true of them.
struct Rig {
    disk: Arc<SimulatedDisk>,
    /// Survives a crash as a whole, unless a test takes something out.
    catalogue: Arc<MemoryCatalogue>,
    engine: Option<LogEngine>,
    known: BTreeMap<(u64, u64), Known>,
    /// The id of each queue slot.
    queues: [u64; 3],
    next_queue: u64,
    next_sequence: u64,
    /// Something of the settlements is owed.
    owes: bool,
}

type Outcome = Result<(), StoreError>;

impl Rig {
    fn new() -> Self {
        Self {
            disk: Arc::default(),
            catalogue: Arc::default(),
            engine: None,
            known: BTreeMap::new(),
            queues: [1, 2, 3],
            next_queue: 4,
            next_sequence: 0,
            owes: false,
        }
    }

    /// Starts an engine if there is none, and checks what it finds.
    fn engine(&mut self) -> Result<&mut LogEngine, StoreError> {
        if self.engine.is_none() {
            let engine = LogEngine::new(Arc::clone(&self.disk) as Arc<dyn Disk>, SEGMENT);
            let mut engine = engine.with_catalogue(Arc::clone(&self.catalogue) as Arc<dyn Catalogue>);
            let mut found = Vec::new();
            engine.recover(&mut |message| found.push(message))?;
            let mut places = BTreeMap::new();
            for stored in &found {
                let place = (stored.queue.0, stored.sequence);
                let known = self.known.get(&place);
                let known = known.unwrap_or_else(|| panic!("{place:?} came from nowhere"));
                assert_ne!(known.fate, Fate::Gone, "{place:?} came back");
                assert_same(stored, known.length);
                assert!(places.insert(place, ()).is_none(), "{place:?} came twice");
            }
            assert!(found.is_sorted_by_key(|stored| (stored.queue, stored.sequence)));
            for (place, known) in &mut self.known {
                let there = places.contains_key(place);
                assert!(there || known.fate != Fate::Kept, "{place:?} is lost");
                // The start has synced what it found.
                known.fate = if there { Fate::Kept } else { Fate::Gone };
            }
            self.owes = false;
            self.engine = Some(engine);
        }
        Ok(self.engine.as_mut().unwrap())
    }

    /// The process ends, and with `Some` the power fails.
    fn crash(&mut self, power: Option<u64>) {
        self.engine = None;
        self.disk.fail_at(None);
        if let Some(seed) = power {
            self.disk.lose_power(seed);
            self.lose_checkpoints(seed);
        }
    }

    /// They are not synced: some are gone, some are damaged.
    fn lose_checkpoints(&mut self, seed: u64) {
        let mut catalogue = self.catalogue.0.lock();
        catalogue.retain(|id, _| seed >> (id % 61) & 1 == 0);
        if let Some(bytes) = catalogue.values_mut().next_back().filter(|_| seed % 5 == 4) {
            let at = seed as usize % bytes.len();
            bytes[at] ^= 1 << (seed % 8);
        }
    }

    fn open_up(&mut self, queue: u64, sequence: u64, next: Fate) {
        if let Some(known) = self.known.get_mut(&(queue, sequence)) {
            known.fate = Fate::Open;
            known.next = next;
        }
    }

    /// One round with everything around it.
    fn round(&mut self, batches: &[QueueBatch]) -> Outcome {
        self.engine()?;
        for batch in batches {
            let queue = batch.queue.0;
            for keep in &batch.keeps {
                let known = Known {
                    fate: Fate::Open,
                    length: keep.message.body_len(),
                    next: Fate::Kept,
                };
                self.known.insert((queue, keep.sequence), known);
            }
            for sequence in &batch.forgets {
                self.open_up(queue, *sequence, Fate::Gone);
            }
            if batch.removed {
                let all: Vec<u64> = self
                    .known
                    .range((queue, 0)..(queue + 1, 0))
                    .map(|(at, _)| at.1)
                    .collect();
                all.into_iter()
                    .for_each(|sequence| self.open_up(queue, sequence, Fate::Gone));
            }
        }
        let written = self.engine()?.write(batches)?;
        let keeps = batches
            .iter()
            .flat_map(|b| b.keeps.iter().map(|keep| (b.queue.0, keep.sequence)));
        for place in keeps.skip(written.kept) {
            self.known.get_mut(&place).unwrap().next = Fate::Gone;
        }
        self.engine()?.sync_job()()?;
        self.engine()?.synced();
        self.owes = !written.settled;
        let owes = self.owes;
        for known in self.known.values_mut().filter(|known| known.fate == Fate::Open) {
            if known.next == Fate::Kept || !owes {
                known.fate = known.next;
            }
        }
        self.maintain()
    }

    fn maintain(&mut self) -> Outcome {
        for _ in 0..10_000 {
            if !self.engine()?.maintain()? {
                return Ok(());
            }
        }
        panic!("cleaning does not end");
    }

    fn keeps(&mut self, slot: usize, count: u64, length: usize) -> QueueBatch {
        let queue = self.queues[slot];
        let mut batch = QueueBatch::new(QueueId(queue));
        for _ in 0..count {
            batch.keeps.push(keep(queue, self.next_sequence, length, None));
            self.next_sequence += 1;
        }
        batch
    }

    /// Settles every `step`th message of a queue.
    fn forgets(&mut self, slot: usize, step: usize) -> QueueBatch {
        let queue = self.queues[slot];
        let mut batch = QueueBatch::new(QueueId(queue));
        let live = self.known.range((queue, 0)..(queue + 1, 0));
        let live = live
            .filter(|(_, known)| known.fate == Fate::Kept)
            .map(|(place, _)| place.1);
        batch.forgets = live.step_by(step).collect();
        batch
    }

    fn removal(&mut self, slot: usize) -> QueueBatch {
        let mut batch = QueueBatch::new(QueueId(self.queues[slot]));
        batch.removed = true;
        self.queues[slot] = self.next_queue;
        self.next_queue += 1;
        batch
    }

    fn close(&mut self) -> Outcome {
        self.engine()?.close()?;
        self.engine = None;
        Ok(())
    }

    fn live_bytes(&mut self) -> u64 {
        self.engine().unwrap().usage().live_bytes
    }
}

/// What a proptest does.
#[derive(Clone, Debug)]
enum Step {
    Keep(usize, u64, usize),
    Forget(usize, usize),
    Both(usize, u64, usize),
    Remove(usize),
    Crash(Option<u64>),
    /// The round after this one meets a fault so many calls later.
    Fail(u64, Fault),
    Restart,
    /// Space for so many bytes more than there are.
    Capacity(Option<u64>),
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        Just(Fault::Error(ErrorKind::Other)),
        Just(Fault::Error(ErrorKind::StorageFull)),
        Just(Fault::Torn(ErrorKind::Other)),
        Just(Fault::Torn(ErrorKind::StorageFull)),
        Just(Fault::Short),
    ];
    prop_oneof![
        6 => (0..3usize, 1..8u64, 0..900usize).prop_map(|(slot, count, length)| Step::Keep(slot, count, length)),
        1 => (0..3usize, 1..3u64, 4000..9000usize).prop_map(|(slot, count, length)| Step::Keep(slot, count, length)),
        4 => (0..3usize, 1..5usize).prop_map(|(slot, step)| Step::Forget(slot, step)),
        4 => (0..3usize, 1..8u64, 0..900usize).prop_map(|(slot, count, length)| Step::Both(slot, count, length)),
        1 => (0..3usize).prop_map(Step::Remove),
        1 => prop::option::of(0..1000u64).prop_map(Step::Crash),
        1 => (1..12u64, fault).prop_map(|(calls, fault)| Step::Fail(calls, fault)),
        1 => Just(Step::Restart),
        1 => prop::option::of(0..6000u64).prop_map(Step::Capacity),
    ]
}

fn take_step(rig: &mut Rig, step: &Step) -> Outcome {
    match *step {
        Step::Keep(slot, count, length) => {
            let batch = rig.keeps(slot, count, length);
            rig.round(&[batch])
        }
        Step::Forget(slot, step) => {
            let batch = rig.forgets(slot, step);
            rig.round(&[batch])
        }
        Step::Both(slot, count, length) => {
            let mut first = rig.forgets(slot, 2);
            let second = rig.forgets((slot + 1) % 3, 1);
            first.keeps = rig.keeps(slot, count, length).keeps;
            rig.round(&[first, second])
        }
        Step::Remove(slot) => {
            let batch = rig.removal(slot);
            rig.round(&[batch])
        }
        Step::Crash(power) => {
            rig.crash(power);
            Ok(())
        }
        Step::Fail(calls, fault) => {
            rig.disk.fail_at(Some((rig.disk.calls() + calls, fault)));
            Ok(())
        }
        Step::Restart => {
            rig.disk.fail_at(None);
            rig.close()
        }
        Step::Capacity(more) => {
            rig.disk.set_capacity(more.map(|more| rig.disk.used() + more));
            Ok(())
        }
    }
}

/// The file of a segment that could not be made is removed; when the power fails it may be there again. The segment
/// before it, which was written on, is the last all the same, and its torn tail no damage.
#[test]
fn a_segment_that_could_not_be_made_hides_no_torn_tail() {
    let mut rig = Rig::new();
    let steps = [
        Step::Keep(0, 4, 662),
        Step::Both(2, 3, 129),
        Step::Keep(0, 5, 136),
        Step::Both(0, 3, 142),
        Step::Fail(7, Fault::Torn(ErrorKind::StorageFull)),
        Step::Both(0, 2, 837),
    ];
    steps.iter().for_each(|step| take_step(&mut rig, step).unwrap());
    rig.disk.fail_at(None);
    rig.crash(Some(9_465_189_521_056_876_452));
    rig.engine().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn nothing_taken_is_lost_and_nothing_settled_returns(
        steps in prop::collection::vec(step(), 1..60),
        seed in 0..u64::MAX,
    ) {
        let mut rig = Rig::new();
        for (at, step) in steps.iter().enumerate() {
            if take_step(&mut rig, step).is_err() {
                // The process ends with it; the power may go at the same time.
                let power = (seed >> (at % 60)) & 7;
                rig.crash((power < 6).then_some(if power < 2 { power } else { seed }));
            }
        }
        rig.disk.set_capacity(None);
        rig.disk.fail_at(None);
        rig.crash(Some(seed));
        rig.engine().unwrap();
        // The store works again, and gives its space back.
        let batches: Vec<QueueBatch> = (0..3).map(|slot| rig.keeps(slot, 3, 100)).collect();
        for _ in 0..70 {
            rig.round(&[]).unwrap();
        }
        rig.round(&batches).unwrap();
        let live = rig.live_bytes();
        prop_assert!(rig.disk.used() <= 2 * live + SEGMENT, "{} for {live}", rig.disk.used());
        rig.close().unwrap();
        rig.engine().unwrap();
    }
}

/// A life with all that can happen in it, in few calls.
fn life(rig: &mut Rig) -> Outcome {
    let stays = rig.keeps(2, 1, 700);
    rig.round(&[stays])?;
    for _ in 0..3 {
        let first = rig.keeps(0, 4, 500);
        let second = rig.keeps(1, 3, 300);
        rig.round(&[first, second])?;
        let (first, second) = (rig.forgets(0, 1), rig.forgets(1, 2));
        rig.round(&[first, second])?;
    }
    rig.close()?;
    let large = rig.keeps(1, 1, 6000);
    rig.round(&[large])?;
    let removal = rig.removal(1);
    rig.round(&[removal])?;
    let more = rig.keeps(0, 3, 900);
    rig.round(&[more])?;
    rig.close()?;
    rig.engine()?;
    Ok(())
}

#[test]
fn every_call_may_fail() {
    let mut rig = Rig::new();
    life(&mut rig).unwrap();
    let calls = rig.disk.calls();
    assert!(calls > 100, "{calls}");
    let faults = [
        Fault::Error(ErrorKind::Other),
        Fault::Torn(ErrorKind::Other),
        Fault::Error(ErrorKind::StorageFull),
        Fault::Torn(ErrorKind::StorageFull),
        Fault::Short,
    ];
    for call in 1..=calls {
        for fault in faults {
            for power in [None, Some(0), Some(call + 2)] {
                let mut rig = Rig::new();
                rig.disk.fail_at(Some((call, fault)));
                let outcome = life(&mut rig);
                assert!(outcome.is_ok() || fault != Fault::Short, "{call}: {outcome:?}");
                rig.crash(power);
                rig.engine().unwrap();
                let more = rig.keeps(0, 3, 900);
                rig.round(&[more]).unwrap();
                rig.crash(Some(0));
                rig.engine().unwrap();
            }
        }
    }
}

#[test]
fn a_full_disk_refuses_and_works_again() {
    let mut rig = Rig::new();
    let first = rig.keeps(0, 20, 500);
    rig.round(&[first]).unwrap();
    rig.disk.set_capacity(Some(rig.disk.used() + 1200));
    let mut refused = 0;
    for _ in 0..5 {
        let batch = rig.keeps(1, 1, 500);
        let place = (batch.queue.0, batch.keeps[0].sequence);
        rig.round(&[batch]).unwrap();
        refused += usize::from(rig.known[&place].fate == Fate::Gone);
    }
    assert_eq!(refused, 4);
    // Consumers drain, whether or not their settlements find space.
    let all = rig.forgets(0, 1);
    rig.round(&[all]).unwrap();
    let batch = rig.keeps(1, 5, 500);
    let last = (batch.queue.0, batch.keeps[4].sequence);
    rig.round(&[batch]).unwrap();
    assert_eq!(
        rig.known[&last].fate,
        Fate::Kept,
        "the space that was drained is not used"
    );
    rig.crash(Some(0));
    rig.engine().unwrap();
}

#[test]
fn a_torn_tail_is_cut_and_damage_in_the_middle_refuses_the_start() {
    let mut rig = Rig::new();
    for _ in 0..4 {
        let batch = rig.keeps(0, 1, 500);
        rig.round(&[batch]).unwrap();
    }
    rig.close().unwrap();
    let start = |rig: &mut Rig| rig.engine().map(|_| ()).unwrap_err().to_string();
    // With a checkpoint the start reads what is live.
    rig.disk.damage("0000000001.log", 700);
    let text = start(&mut rig);
    assert!(text.contains("0000000001.log is damaged at byte"), "{text}");
    rig.engine = None;
    rig.disk.damage("0000000001.log", 700);
    rig.catalogue.0.lock().clear();
    // Each byte of the segment but the CRC of the last mark and what it says of itself.
    let length = 32 + 4 * (17 + 9 + 16 + 18 + 6 + 7 + 3 + 500);
    for offset in [0, 20, 33, 40, 60, 700, 1200, length - 1] {
        rig.disk.damage("0000000001.log", offset);
        let text = start(&mut rig);
        assert!(text.contains("0000000001.log is damaged at byte"), "{text}");
        rig.engine = None;
        rig.disk.damage("0000000001.log", offset);
    }
    rig.engine().unwrap();
    // Without a mark behind it, the last record counts as torn.
    let batch = rig.keeps(0, 1, 500);
    let place = (batch.queue.0, batch.keeps[0].sequence);
    rig.round(&[batch]).unwrap();
    let end = rig.engine().unwrap().segments[0].length as usize;
    rig.crash(None);
    rig.disk.damage("0000000001.log", end - 1);
    rig.known.get_mut(&place).unwrap().fate = Fate::Open;
    rig.engine().unwrap();
    assert_eq!(rig.known[&place].fate, Fate::Gone);
}

#[test]
fn a_missing_segment_refuses_the_start() {
    let mut rig = Rig::new();
    for _ in 0..6 {
        let batch = rig.keeps(0, 5, 500);
        rig.round(&[batch]).unwrap();
    }
    rig.close().unwrap();
    rig.disk.lose("0000000002.log");
    let text = rig.engine().map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("0000000002.log") && text.contains("missing"), "{text}");
}

/// Calls to the disk that a start makes, but for the reading of what is live.
fn calls_of_a_start(rig: &mut Rig) -> u64 {
    let before = rig.disk.calls();
    rig.engine().unwrap();
    let calls = rig.disk.calls() - before;
    rig.crash(None);
    calls
}

#[test]
fn a_start_reads_what_no_checkpoint_covers() {
    let mut rig = Rig::new();
    for _ in 0..40 {
        let batch = rig.keeps(0, 1, 900);
        rig.round(&[batch]).unwrap();
    }
    // All but the first go; it keeps its segment, and with it all the others, as long as nothing is cleaned.
    let mut rest = rig.forgets(0, 1);
    rest.forgets.remove(0);
    rig.engine().unwrap().clean_pause = u32::MAX;
    rig.round(&[rest]).unwrap();
    let segments = rig.engine().unwrap().segments.len() as u64;
    assert!(segments > 9, "{segments}");
    rig.crash(None);
    let with = calls_of_a_start(&mut rig);
    rig.catalogue.0.lock().clear();
    let without = calls_of_a_start(&mut rig);
    // Every segment was read in full once, and has its checkpoint again; only the last one's tail has none.
    assert_eq!(rig.catalogue.0.lock().len() as u64, segments - 1);
    assert!(calls_of_a_start(&mut rig) <= with);
    assert!(without > with + segments, "{without} {with}");
    // A clean end leaves no tail.
    rig.engine().unwrap();
    rig.close().unwrap();
    assert_eq!(rig.catalogue.0.lock().len() as u64, segments);
    assert!(calls_of_a_start(&mut rig) <= with);
}

#[test]
fn a_last_segment_that_is_missing_or_too_short_refuses_the_start() {
    let mut rig = Rig::new();
    for _ in 0..6 {
        let batch = rig.keeps(0, 5, 500);
        rig.round(&[batch]).unwrap();
    }
    rig.close().unwrap();
    let last = *rig.catalogue.0.lock().last_key_value().unwrap().0;
    let file = rig.disk.open(&segment_name(last)).unwrap();
    let length = file.length().unwrap();
    let record = record::publish_len(&keep(1, 29, 500, None)) as u64;
    file.truncate(length - record - 2 * MARK_LEN as u64).unwrap();
    let text = rig.engine().map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("was longer when it was synced"), "{text}");
    rig.engine = None;
    rig.disk.lose(&segment_name(last));
    let text = rig.engine().map(|_| ()).unwrap_err().to_string();
    assert!(text.contains(&segment_name(last)) && text.contains("missing"), "{text}");
}

#[test]
fn a_segment_of_another_version_is_refused_by_name() {
    let mut rig = Rig::new();
    rig.disk.create("0000000001.log").unwrap();
    let file = rig.disk.open("0000000001.log").unwrap();
    let mut header = record::segment_header(1, 7);
    header[8] = 9;
    let crc = crc32fast::hash(&header[..28]);
    header[28..].copy_from_slice(&crc.to_le_bytes());
    file.write_at(&header, 0).unwrap();
    let text = rig.engine().map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("segment format 9"), "{text}");
}

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
        record::append_settle(&mut bytes, 3, QueueId(8), sequences);
        assert!(bytes.len() <= record::settle_max_len(sequences.len()));
        let (kind, payload) = record::check_record(&bytes, 3).unwrap();
        assert!(record::check_record(&bytes, 4).is_none());
        let Some(record::Entry::Settle(QueueId(8), runs)) = record::read_entry(kind, payload) else {
            panic!("not a settlement");
        };
        let read: Vec<u64> = runs
            .into_iter()
            .flat_map(|(first, length)| (0..length).map(move |at| first + at))
            .collect();
        assert_eq!(read, sequences);
    }
}

/// Written by the first release of the format: has to open for ever.
const SEGMENT_V1: &[u8] = include_bytes!("../../../tests/data/store/segment-v1.log");

#[test]
fn a_segment_of_the_first_release_opens() {
    let disk: Arc<SimulatedDisk> = Arc::default();
    let file = disk.create("0000000001.log").unwrap();
    file.write_at(SEGMENT_V1, 0).unwrap();
    let mut engine = LogEngine::new(disk, SEGMENT);
    let mut found = Vec::new();
    let recovered = engine.recover(&mut |stored| found.push(stored)).unwrap();
    assert_eq!(recovered.highest_queue, Some(QueueId(8)));
    let places: Vec<(u64, u64)> = found.iter().map(|stored| (stored.queue.0, stored.sequence)).collect();
    assert_eq!(places, [(7, 1), (7, 3)]);
    found.iter().for_each(|stored| assert_same(stored, 64));
    assert_eq!(found[1].expires_at, Some(1003));
    assert_eq!(engine.usage().disk_bytes, SEGMENT_V1.len() as u64);
}

#[test]
fn churn_stays_under_three_times_the_live_bytes() {
    let mut rig = Rig::new();
    // A cold message that stays, and a backlog that is consumed out of order behind it.
    let cold = rig.keeps(2, 1, 600);
    rig.round(&[cold]).unwrap();
    for round in 0..1500usize {
        let mut batch = rig.forgets(0, 1);
        // Between 20 and 60 messages wait; every third round leaves its oldest ones alone.
        let backlog = 20 + round % 40;
        let excess = batch.forgets.len().saturating_sub(backlog);
        let skip = if round % 3 == 0 { 10.min(batch.forgets.len()) } else { 0 };
        batch.forgets = batch.forgets.into_iter().skip(skip).take(excess).collect();
        batch.keeps = rig.keeps(0, 4, 200 + round % 500).keeps;
        rig.round(&[batch]).unwrap();
        let live = rig.live_bytes();
        assert!(rig.disk.used() <= 3 * live + SEGMENT, "{} for {live}", rig.disk.used());
    }
    let rest = rig.forgets(0, 1);
    rig.round(&[rest]).unwrap();
    assert!(rig.disk.used() < SEGMENT, "{}", rig.disk.used());
    rig.crash(Some(0));
    rig.engine().unwrap();
}

#[test]
fn a_reserve_of_another_size_is_made_anew() {
    let disk: Arc<SimulatedDisk> = Arc::default();
    for bytes in [SEGMENT / 16, 300, 0, 70] {
        let engine = LogEngine::new(Arc::clone(&disk) as Arc<dyn Disk>, SEGMENT);
        let mut engine = engine.with_reserve(bytes);
        engine.recover(&mut |_| {}).unwrap();
        engine.maintain().unwrap();
        let found = disk.open(RESERVE_NAME).map(|file| file.length().unwrap());
        assert_eq!(found.unwrap_or(0), bytes);
        assert_eq!(engine.usage().disk_bytes, bytes);
    }
}

#[test]
fn what_is_written_into_space_that_was_read_before_can_be_read() {
    let disk: Arc<SimulatedDisk> = Arc::default();
    let mut engine = LogEngine::new(Arc::clone(&disk) as Arc<dyn Disk>, 1 << 20);
    engine.recover(&mut |_| {}).unwrap();
    for sequence in 1..=3 {
        let mut batch = QueueBatch::new(QueueId(1));
        batch.keeps.push(keep(1, sequence, 200, None));
        engine.write(&[batch]).unwrap();
        let loaded = engine.load(QueueId(1), sequence, 1, 1).unwrap();
        assert_eq!(loaded.len(), 1);
        assert_same(&loaded[0], 200);
    }
}
