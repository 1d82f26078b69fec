//! A dead-letter target that is full and refuses: nothing is dropped.

use super::{Bench, number, text};
use crate::queue::Outcome;

/// Two letters for a queue that has room for one, by way of `exchange`: the second waits until there is room.
fn the_second_letter_waits_for_room(bench: &Bench, exchange: &str) {
    let letters = [
        ("x-dead-letter-exchange", text(exchange)),
        ("x-dead-letter-routing-key", text("full")),
    ];
    let source = bench.queue("q", &letters);
    for body in ["0", "1"] {
        bench.publish("", "q", &[("x-deduplication-header", text(body))], body);
    }
    for _ in 0..2 {
        let mut aftermath = crate::broker::Aftermath::default();
        let now = bench.broker.now();
        let (delivery, _) = source.get(false, now, &mut aftermath);
        let id = delivery.unwrap().unacked.unwrap();
        source.settle(Outcome::Reject, &[id], now, &mut aftermath);
        bench.broker.settle_aftermath(&mut aftermath);
    }
    let held = |bench: &Bench| (bench.waiting("full"), source.state().held);
    assert_eq!(held(bench), (1, 1), "none is lost");
    bench.advance(60_000);
    assert_eq!(held(bench), (1, 1), "for as long as the target is full");
    assert_eq!(bench.bodies("full"), ["0"]);
    bench.advance(1_000);
    // The store's thread answers for the target.
    while source.state().held > 0 {
        bench.advance(0);
        std::thread::yield_now();
    }
    assert_eq!(held(bench), (1, 0));
    assert_eq!(bench.bodies("full"), ["1"]);
}

fn with_a_full_target() -> Bench {
    let bench = Bench::new();
    bench.queue(
        "full",
        &[("x-max-length", number(1)), ("x-overflow", text("reject-publish"))],
    );
    bench
}

#[test]
fn a_letter_that_a_full_target_refuses_is_held_until_there_is_room() {
    the_second_letter_waits_for_room(&with_a_full_target(), "");
}

#[test]
fn a_letter_that_comes_back_through_a_deduplicating_exchange_is_no_duplicate() {
    let bench = with_a_full_target();
    let options = [("x-message-deduplication", crate::model::FieldValue::Bool(true))];
    bench.exchange("once", "direct", &options);
    bench.bind("once", "full", "full");
    the_second_letter_waits_for_room(&bench, "once");
}
