//! The log over a disk that fails, forgets and fills up, against a model.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::store::disk::simulated::{Fault, SimulatedDisk};
use crate::store::engine::QueueBatch;
use crate::store::tests::{assert_same, keep};

mod space;
mod start;

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
        let mut checkpoints = catalogue.values_mut().filter(|bytes| !bytes.is_empty());
        if let Some(bytes) = checkpoints.next_back().filter(|_| seed % 5 == 4) {
            let at = seed as usize % bytes.len();
            bytes[at] ^= 1 << (seed % 8);
        }
    }

    /// Segments that have a checkpoint.
    fn checkpoints(&self) -> u64 {
        let catalogue = self.catalogue.0.lock();
        catalogue.values().filter(|bytes| !bytes.is_empty()).count() as u64
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
