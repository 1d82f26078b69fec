//! A dead-letter target that is full and refuses: nothing is dropped.

use super::{Bench, number, text};
use crate::queue::Outcome;

#[test]
fn a_letter_that_a_full_target_refuses_is_held_until_there_is_room() {
    let bench = Bench::new();
    bench.queue(
        "full",
        &[("x-max-length", number(1)), ("x-overflow", text("reject-publish"))],
    );
    let letters = [
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text("full")),
    ];
    let source = bench.queue("q", &letters);
    bench.fill("q", 2);
    for _ in 0..2 {
        let mut aftermath = crate::broker::Aftermath::default();
        let now = bench.broker.now();
        let (delivery, _) = source.get(false, now, &mut aftermath);
        let id = delivery.unwrap().unacked.unwrap();
        source.settle(Outcome::Reject, &[id], now, &mut aftermath);
        bench.broker.settle_aftermath(&mut aftermath);
    }
    let held = |bench: &Bench| (bench.waiting("full"), source.state().held);
    assert_eq!(held(&bench), (1, 1), "none is lost");
    bench.advance(60_000);
    assert_eq!(held(&bench), (1, 1), "for as long as the target is full");
    assert_eq!(bench.bodies("full"), ["0"]);
    bench.advance(1_000);
    // The store's thread answers for the target.
    while source.state().held > 0 {
        bench.advance(0);
        std::thread::yield_now();
    }
    assert_eq!(held(&bench), (1, 0));
    assert_eq!(bench.bodies("full"), ["1"]);
}
