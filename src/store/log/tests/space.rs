//! Full disks, and space that comes back.

use super::*;

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

#[test]
fn small_blocks_find_their_place_taken_and_large_ones_are_not_written_twice() {
    let written = |length: usize| {
        let disk: Arc<SimulatedDisk> = Arc::default();
        let mut engine = LogEngine::new(Arc::clone(&disk) as Arc<dyn Disk>, 4 << 20);
        engine.recover(&mut |_| {}).unwrap();
        let mut used = Vec::new();
        for sequence in 1..=2 {
            let mut batch = QueueBatch::new(QueueId(1));
            batch.keeps.push(keep(1, sequence, length, None));
            assert_eq!(engine.write(&[batch]).unwrap().kept, 1);
            used.push(disk.used());
        }
        (used, engine.usage().disk_bytes, engine, disk)
    };
    let (used, length, mut engine, disk) = written(200);
    assert!(used[0] > ZEROS_BYTES && used[1] == used[0], "{used:?}");
    engine.close().unwrap();
    assert!(disk.used() < length + 100, "the zeros are not given back");
    let (used, length, ..) = written(SMALL_BLOCK_BYTES);
    assert!(used[0] < used[1] && used[1] == length, "{used:?}");
}
