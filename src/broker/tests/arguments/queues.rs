//! The rows of queues.

mod dead_letters;
mod deduplication;
mod kinds;
mod limits;

use super::{Bench, FieldValue, Row, no, none, number, numbers, quorum, table, text, words, yes};
use crate::queue::{Outcome, Overflow};

const NOT_AN_INTEGER: &str = "@: \"expected integer, got longstr\"";
const NOT_A_BOOLEAN: &str = "@: {unacceptable_type,long}";
const NOT_A_TEXT: &str = "@: {unacceptable_type,long}";
const NO_STREAM: &str = "@ of queue type rabbit_classic_queue";

fn row(
    name: &'static str,
    accepted: Vec<FieldValue>,
    refused: Vec<(FieldValue, &'static str)>,
    effect: fn(&Bench),
) -> Row {
    Row {
        name,
        beside: Vec::new(),
        accepted,
        refused,
        effect,
    }
}

fn with(beside: Vec<(&'static str, FieldValue)>, row: Row) -> Row {
    Row { beside, ..row }
}

fn value(name: &str) -> [(&'static str, FieldValue); 1] {
    [("x-deduplication-header", text(name))]
}

/// Takes the message at the head and settles it so; its body.
fn take(bench: &Bench, queue: &str, outcome: Outcome) -> Option<String> {
    let cell = bench.vhost().find_queue(queue)?;
    let now = bench.broker.now();
    let mut aftermath = crate::broker::Aftermath::default();
    let (delivery, _) = cell.get(false, now, &mut aftermath);
    let delivery = delivery?;
    cell.settle(outcome, &[delivery.unacked?], now, &mut aftermath);
    bench.broker.settle_aftermath(&mut aftermath);
    Some(String::from_utf8_lossy(delivery.message.body()).into_owned())
}

fn dead_letters_to(bench: &Bench, queue: &str) -> Vec<(&'static str, FieldValue)> {
    bench.queue(queue, &[]);
    vec![
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(queue)),
    ]
}

pub fn rows() -> Vec<Row> {
    let mut rows = deduplication::rows();
    rows.extend(dead_letters::rows());
    rows.extend(limits::rows());
    rows.extend(kinds::rows());
    rows.sort_by_key(|row| row.name);
    rows
}
