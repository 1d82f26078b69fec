//! What a start reads, and what it refuses.

use super::*;

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
    assert_eq!(rig.checkpoints(), segments - 1);
    assert!(calls_of_a_start(&mut rig) <= with);
    assert!(without > with + segments, "{without} {with}");
    // A clean end leaves no tail.
    rig.engine().unwrap();
    rig.close().unwrap();
    assert_eq!(rig.checkpoints(), segments);
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

/// Written by the first release of the format: has to open for ever.
const SEGMENT_V1: &[u8] = include_bytes!("../../../../tests/data/store/segment-v1.log");

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
fn a_log_that_is_gone_as_a_whole_is_missed_from_its_first_message_on() {
    let mut rig = Rig::new();
    let batch = rig.keeps(0, 1, 10);
    rig.round(&[batch]).unwrap();
    rig.crash(None);
    rig.disk.lose("0000000001.log");
    let text = rig.engine().map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("0000000001.log") && text.contains("missing"), "{text}");
}
