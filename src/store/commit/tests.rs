//! The commit thread without a thread: steps in made-up time, over the log on a simulated disk.

use std::io::ErrorKind;

use super::*;
use crate::store::disk::Disk;
use crate::store::disk::simulated::{Fault, SimulatedDisk};
use crate::store::log::LogEngine;
use crate::store::tests::{Answers, keep};
use crate::store::{Keep, QueueId};

struct Rig {
    disk: Arc<SimulatedDisk>,
    committer: Committer,
    journal: Arc<QueueJournal>,
    table: Arc<QueueJournal>,
    answers: Arc<Answers>,
    counters: Arc<Counters>,
}

fn rig(sync: SyncMode) -> Rig {
    let disk: Arc<SimulatedDisk> = Arc::default();
    let mut engine = LogEngine::new(Arc::clone(&disk) as Arc<dyn Disk>, 1 << 20);
    engine.recover(&mut |_| panic!("not empty")).unwrap();
    let options = StoreOptions {
        sync,
        ..StoreOptions::new("nowhere")
    };
    let shared: Arc<Shared> = Arc::default();
    let counters: Arc<Counters> = Arc::default();
    let engine: Arc<Mutex<Box<dyn Engine>>> = Arc::new(Mutex::new(Box::new(engine)));
    let mut rig = Rig {
        disk,
        committer: Committer::new(&options, Arc::clone(&shared), engine, Arc::clone(&counters)),
        table: QueueJournal::new(QueueId(2), true, Arc::clone(&shared)),
        journal: QueueJournal::new(QueueId(1), false, shared),
        answers: Arc::default(),
        counters,
    };
    // The reserve file.
    rig.committer.step(0).unwrap();
    rig
}

impl Rig {
    fn keep(&self, sequence: u64, in_flight: bool) {
        let ticket = Some(self.answers.ticket(sequence));
        let keep = Keep {
            in_flight,
            ..keep(1, sequence, 100, ticket)
        };
        self.journal.keep(&mut vec![keep]);
    }

    fn step(&mut self, now: u64) -> Next {
        self.committer.step(now).unwrap()
    }

    fn taken(&self, tag: u64) -> bool {
        self.answers.of(tag) == (1, 0)
    }

    fn rounds(&self) -> u64 {
        self.counters.read().rounds
    }

    /// What a start would find if the power failed now.
    fn after_power_loss(&self) -> Vec<u64> {
        self.after_losing(0)
    }

    /// The same where some of what was not synced survives.
    fn after_losing(&self, seed: u64) -> Vec<u64> {
        self.disk.lose_power(seed);
        let mut engine = LogEngine::new(Arc::clone(&self.disk) as Arc<dyn Disk>, 1 << 20);
        let mut found = Vec::new();
        engine.recover(&mut |stored| found.push(stored.sequence)).unwrap();
        found
    }
}

#[test]
fn a_confirm_that_somebody_waits_for_makes_a_round_at_once() {
    let mut rig = rig(SyncMode::Always);
    rig.keep(1, false);
    assert!(!rig.taken(1));
    rig.step(10);
    assert!(rig.taken(1));
    assert_eq!(rig.after_power_loss(), [1]);
}

#[test]
fn a_flowing_queue_writes_nothing() {
    let mut rig = rig(SyncMode::Always);
    let calls = rig.disk.calls();
    for at in 0..100u64 {
        rig.keep(at, true);
        assert!(matches!(rig.step(at * 500), Next::Sleep(Sleep::Short, Some(_))));
        rig.journal.forget(&[at], None);
        assert!(rig.taken(at));
    }
    assert_eq!(rig.step(60_000), Next::Sleep(Sleep::Short, Some(1000)));
    assert_eq!(rig.step(61_000), Next::Sleep(Sleep::Deep, None));
    assert_eq!((rig.rounds(), rig.disk.calls()), (0, calls));
}

#[test]
fn a_record_in_flight_is_written_after_its_window() {
    let mut rig = rig(SyncMode::Always);
    rig.keep(1, true);
    assert_eq!(rig.step(0), Next::Sleep(Sleep::Short, Some(1000)));
    rig.keep(2, true);
    assert_eq!(rig.step(600), Next::Sleep(Sleep::Short, Some(400)));
    // The window of 1 is over; that of 2 starts when it is seen behind 1.
    assert_eq!(rig.step(1000), Next::Sleep(Sleep::Short, Some(1000)));
    assert!(rig.taken(1) && !rig.taken(2));
    rig.step(2000);
    assert!(rig.taken(2));
    assert_eq!(rig.rounds(), 2);
}

#[test]
fn a_round_leaves_alone_what_may_wait() {
    let mut rig = rig(SyncMode::Always);
    rig.keep(1, true);
    rig.keep(2, false);
    rig.keep(3, true);
    rig.step(0);
    assert!(!rig.taken(1) && rig.taken(2) && !rig.taken(3));
    rig.journal.forget(&[3, 1], None);
    assert!(rig.taken(1) && rig.taken(3));
    assert_eq!(rig.after_power_loss(), [2]);
}

#[test]
fn plain_settlements_wait_and_those_with_a_ticket_do_not() {
    let mut rig = rig(SyncMode::Always);
    (1..=3).for_each(|sequence| rig.keep(sequence, false));
    rig.step(0);
    rig.journal.forget(&[1], None);
    assert_eq!(rig.step(0), Next::Sleep(Sleep::Long, Some(100_000)));
    assert_eq!(rig.rounds(), 1);
    rig.step(100_000);
    assert_eq!(rig.rounds(), 2);
    rig.journal.forget(&[2], Some(rig.answers.ticket(77)));
    assert!(!rig.taken(77));
    rig.step(100_001);
    assert!(rig.taken(77));
    assert_eq!(rig.after_power_loss(), [3]);
}

#[test]
fn settlements_do_not_come_early_because_other_queues_flow() {
    let mut rig = rig(SyncMode::Always);
    rig.keep(1, false);
    rig.step(0);
    rig.journal.forget(&[1], None);
    for at in 1..100 {
        rig.keep(at * 2, true);
        rig.step(at * 1000);
        rig.journal.forget(&[at * 2], None);
    }
    assert_eq!(rig.rounds(), 1);
    rig.step(101_000);
    assert_eq!(rig.rounds(), 2);
}

#[test]
fn a_ticket_for_settlements_of_what_was_never_written_is_taken_at_once() {
    let mut rig = rig(SyncMode::Always);
    rig.keep(1, false);
    rig.keep(2, false);
    rig.journal.forget(&[1, 2], Some(rig.answers.ticket(9)));
    assert!(rig.taken(1) && rig.taken(2) && rig.taken(9));
    rig.step(0);
    assert_eq!(rig.rounds(), 0);
}

#[test]
fn who_publishes_faster_than_the_disk_writes_is_told_and_told_again_when_it_is_written() {
    let mut rig = rig(SyncMode::Always);
    let (told, hears) = std::sync::mpsc::channel();
    let backlog = &rig.committer.shared.backlog;
    backlog.set_limit(1000);
    backlog.set_hook(Box::new(move |over| told.send(over).unwrap()));
    let size = |sequence| keep(1, sequence, 100, None).message.size() as u64;
    let most = 1000 / size(9);
    assert!((4..9).contains(&most));
    (1..=most).for_each(|sequence| rig.keep(sequence, sequence % 2 == 0));
    assert!(hears.try_recv().is_err());
    rig.keep(most + 1, false);
    assert!(hears.try_recv().unwrap());
    rig.keep(most + 2, false);
    assert!(hears.try_recv().is_err(), "once is enough");
    let waits = |rig: &Rig| rig.committer.shared.backlog.bytes();
    assert_eq!(waits(&rig), (1..=most + 2).map(size).sum::<u64>());
    // What is settled before it is written waits no longer.
    rig.journal.forget(&[1, 2], None);
    assert_eq!(waits(&rig), (3..=most + 2).map(size).sum::<u64>());
    rig.step(0);
    assert!(!hears.try_recv().unwrap());
    rig.step(1000);
    rig.step(2000);
    assert_eq!(waits(&rig), 0);
    // A queue that goes takes with it what waits.
    rig.keep(most + 3, false);
    rig.journal.remove();
    assert_eq!(waits(&rig), 0);
    assert!(hears.try_recv().is_err());
}

#[test]
fn who_waits_for_all_waits_for_what_is_held_as_well() {
    let mut rig = rig(SyncMode::Always);
    rig.keep(1, true);
    rig.journal.after_all(rig.answers.ticket(50));
    assert!(!rig.taken(50));
    rig.step(0);
    assert!(rig.taken(1) && rig.taken(50));
    let calls = rig.disk.calls();
    rig.journal.after_all(rig.answers.ticket(51));
    rig.step(1);
    assert!(rig.taken(51));
    assert_eq!(rig.disk.calls(), calls, "nothing is on its way");
    rig.disk.set_capacity(Some(rig.disk.used() + 10));
    rig.keep(2, true);
    rig.journal.after_all(rig.answers.ticket(52));
    rig.step(2);
    assert_eq!((rig.answers.of(2), rig.answers.of(52)), ((0, 1), (0, 1)));
    assert_eq!(rig.after_power_loss(), [1]);
}

#[test]
fn what_a_table_gets_is_never_on_disk_before_what_came_before_it() {
    for in_flight in [false, true] {
        let mut rig = rig(SyncMode::Always);
        // The table is in the commit thread's hands already, and the queue's window has begun.
        rig.table.keep(&mut vec![keep(2, 100, 10, None)]);
        rig.keep(1, true);
        rig.step(0);
        rig.keep(2, in_flight);
        let ticket = (!in_flight).then(|| rig.answers.ticket(200));
        rig.table.keep(&mut vec![keep(2, 101, 10, ticket)]);
        let mut now = 1;
        while rig.rounds() < 2 {
            now += 100;
            rig.step(now);
            let disk = rig.disk.after_power_loss(0);
            let mut engine = LogEngine::new(Arc::new(disk), 1 << 20);
            let mut found = Vec::new();
            engine.recover(&mut |stored| found.push(stored.sequence)).unwrap();
            assert!(!found.contains(&101) || found.contains(&2), "{found:?}");
            assert!(now < 10_000);
        }
        assert_eq!(rig.after_power_loss(), [1, 2, 100, 101]);
    }
}

#[test]
fn a_round_that_is_torn_has_no_value_without_its_message() {
    for seed in 2..60 {
        let mut rig = rig(SyncMode::Always);
        rig.table.keep(&mut vec![keep(2, 100, 10, None)]);
        rig.step(0);
        rig.step(2000);
        // The table's journal comes first, and is listed first.
        rig.table.keep(&mut vec![keep(2, 101, 1, None)]);
        rig.journal
            .keep(&mut vec![keep(1, 1, 3000, Some(rig.answers.ticket(1)))]);
        rig.table.keep(&mut vec![keep(2, 102, 1, Some(rig.answers.ticket(2)))]);
        // Free space, write, then a sync that never ends.
        let sync = rig.disk.calls() + 3;
        rig.disk.fail_at(Some((sync, Fault::Error(ErrorKind::Other))));
        assert!(rig.committer.step(2001).is_err());
        let found = rig.after_losing(seed);
        assert!(!found.contains(&102) || found.contains(&1), "{found:?}");
    }
}

#[test]
fn an_interval_syncs_when_it_is_over() {
    let mut rig = rig(SyncMode::Interval(50));
    rig.keep(1, false);
    let next = rig.step(0);
    assert!(rig.taken(1));
    assert_eq!(next, Next::Sleep(Sleep::Long, Some(50_000)));
    let calls = rig.disk.calls();
    rig.step(49_999);
    assert_eq!(rig.disk.calls(), calls);
    rig.step(50_000);
    assert_eq!(rig.disk.calls(), calls + 1);
    assert_eq!(rig.after_power_loss(), [1]);
}

#[test]
fn a_full_disk_refuses_once_each_and_recovers_without_a_restart() {
    let mut rig = rig(SyncMode::Always);
    rig.keep(1, false);
    rig.step(0);
    rig.disk.set_capacity(Some(rig.disk.used() + 10));
    rig.keep(2, false);
    rig.keep(3, false);
    rig.step(1);
    assert_eq!((rig.answers.of(2), rig.answers.of(3)), ((0, 1), (0, 1)));
    // The settlement finds the reserve's space.
    rig.journal.forget(&[1, 2], Some(rig.answers.ticket(50)));
    rig.step(2);
    assert!(rig.taken(50));
    rig.disk.set_capacity(None);
    rig.keep(4, false);
    rig.step(3);
    assert!(rig.taken(4));
    let counted = rig.counters.read();
    assert_eq!((counted.written, counted.refused), (2, 2));
    assert_eq!(rig.after_power_loss(), [4]);
}

#[test]
fn a_sync_that_fails_is_final_and_answers_nobody() {
    let mut rig = rig(SyncMode::Always);
    rig.keep(1, false);
    rig.step(0);
    rig.keep(2, false);
    // Free space, write, then sync.
    let sync = rig.disk.calls() + 3;
    rig.disk.fail_at(Some((sync, Fault::Error(ErrorKind::StorageFull))));
    assert!(rig.committer.step(1).is_err());
    assert_eq!(rig.answers.all().len(), 1);
}

#[test]
fn told_to_end_it_writes_all_that_is_owed() {
    let mut rig = rig(SyncMode::Never);
    rig.keep(1, true);
    rig.keep(2, false);
    rig.journal.forget(&[2], None);
    rig.committer.shared.stop.store(true, Ordering::SeqCst);
    assert_eq!(rig.step(0), Next::End);
    rig.committer.engine.lock().close().unwrap();
    assert!(rig.taken(1));
    assert_eq!(rig.after_power_loss(), [1]);
}

#[test]
fn another_sync_mode_takes_over_what_was_not_synced() {
    let mut rig = rig(SyncMode::Never);
    rig.keep(1, false);
    rig.step(1);
    assert!(rig.taken(1));
    let idle = |rig: &mut Rig, now| {
        let before = rig.disk.calls();
        rig.step(now);
        rig.disk.calls() - before
    };
    rig.step(2);
    assert_eq!(idle(&mut rig, 10_000_000), 0);
    *rig.committer.shared.new_sync.lock() = Some(SyncMode::Interval(5));
    assert_eq!(idle(&mut rig, 10_000_001), 1, "the interval is long over");
    rig.keep(2, false);
    rig.step(10_000_002);
    assert_eq!(idle(&mut rig, 10_000_003), 0);
    *rig.committer.shared.new_sync.lock() = Some(SyncMode::Always);
    assert_eq!(idle(&mut rig, 10_000_004), 1);
    assert_eq!(idle(&mut rig, 20_000_004), 0);
}
