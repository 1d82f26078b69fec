//! Letters whose bodies are on disk.

use super::*;

#[test]
fn letters_on_disk_are_found_sent_back_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    let options = StoreOptions {
        sync: crate::store::SyncMode::Never,
        ..StoreOptions::new(dir.path())
    };
    let lab = Lab {
        broker: broker(options, &clock),
        clock,
    };
    let lab = set_up(lab);
    lab.broker.set_memory_budget(0);
    let text = |at: usize| format!("{at:02048}");
    for at in 0..1_200 {
        let customer = if at % 3 == 0 { "x" } else { "y" };
        let table = arguments! {"customer" = customer};
        die(&lab, "shop", "new", &persistent(table), &text(at));
    }
    let queue = lab.queue("dlq");
    assert!(queue.on_disk() > 100, "{} on disk", queue.on_disk());
    let only_x = LetterFilter {
        headers: vec![("customer".to_owned(), "x".to_owned())],
        ..LetterFilter::default()
    };
    let found = lab.broker.letters(&queue, &only_x, 0, 1_000).unwrap();
    let places: Vec<usize> = found.iter().map(|(position, _)| *position).collect();
    assert_eq!(places, (0..1_200).step_by(3).collect::<Vec<_>>());
    let request = ReplayRequest {
        filter: only_x,
        ..ReplayRequest::default()
    };
    let report = run(&lab, request);
    assert_eq!((report.counts.scanned, report.counts.replayed), (1_200, 400));
    let only_y = LetterFilter {
        headers: vec![("customer".to_owned(), "y".to_owned())],
        ..LetterFilter::default()
    };
    assert_eq!(lab.broker.purge_letters(&queue, &only_y, Some(100)).unwrap(), 100);
    assert_eq!(run(&lab, ReplayRequest::default()).counts.replayed, 700);
    assert_eq!((queue.state().ready, queue.on_disk()), (0, 0));
    lab.broker.set_memory_budget(u64::MAX);
    let mut back = Vec::new();
    loop {
        lab.broker.run_due_loads().unwrap();
        match lab.take("orders", Outcome::Ack) {
            Some(body) => back.push(body),
            None if lab.queue("orders").state().ready == 0 => break,
            None => {}
        }
    }
    let x = (0..1_200).filter(|at| at % 3 == 0);
    let y = (0..1_200).filter(|at| at % 3 != 0).skip(100);
    assert_eq!(back, x.chain(y).map(text).collect::<Vec<_>>());
}
