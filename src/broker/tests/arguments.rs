//! Every argument of queues and exchanges: the values it takes, the values it refuses with the whole reply text, and
//! what it does. A table; [`all_arguments_stand_in_the_table`] keeps it whole.

mod exchanges;
mod queues;

use super::{Bench, number, table, text};
use crate::model::argument::{EXCHANGE, QUEUE};
use crate::model::{FieldTable, FieldValue};

/// What is written of one argument.
struct Row {
    name: &'static str,
    /// Arguments that have to stand beside it.
    beside: Vec<(&'static str, FieldValue)>,
    accepted: Vec<FieldValue>,
    /// With what follows `PRECONDITION_FAILED - `; `@` stands for `invalid arg 'NAME' for RESOURCE`.
    refused: Vec<(FieldValue, &'static str)>,
    effect: fn(&Bench),
}

impl Row {
    fn given(&self, value: &FieldValue) -> FieldTable {
        let mut pairs = self.beside.clone();
        pairs.push((self.name, value.clone()));
        table(&pairs)
    }

    fn expected(&self, text: &str, resource: &str) -> String {
        let invalid = format!("invalid arg '{}' for {resource}", self.name);
        format!("PRECONDITION_FAILED - {}", text.replace('@', &invalid))
    }
}

fn yes() -> FieldValue {
    FieldValue::Bool(true)
}

fn no() -> FieldValue {
    FieldValue::Bool(false)
}

fn numbers(values: &[i64]) -> Vec<FieldValue> {
    values.iter().map(|value| number(*value)).collect()
}

fn words(values: &[&str]) -> Vec<FieldValue> {
    values.iter().map(|value| text(value)).collect()
}

fn quorum() -> Vec<(&'static str, FieldValue)> {
    vec![("x-queue-type", text("quorum"))]
}

/// For arguments that are taken and do nothing: the queue works as any other.
fn none(_: &Bench) {}

#[test]
fn all_arguments_stand_in_the_table() {
    for (declared, rows) in [(QUEUE, queues::rows()), (EXCHANGE, exchanges::rows())] {
        let declared: Vec<&str> = declared.iter().filter_map(|argument| argument.name).collect();
        let tested: Vec<&str> = rows.iter().map(|row| row.name).collect();
        assert_eq!(tested, declared);
    }
}

#[test]
fn queues_take_what_they_take_and_refuse_the_rest_in_these_words() {
    for row in queues::rows() {
        let bench = Bench::new();
        for (at, value) in row.accepted.iter().enumerate() {
            let outcome = bench.try_queue(&format!("q{at}"), row.given(value));
            assert!(outcome.is_ok(), "{} = {value:?}: {outcome:?}", row.name);
        }
        for (value, expected) in &row.refused {
            let refused = bench.try_queue("q", row.given(value)).map(|_| ()).unwrap_err();
            let expected = row.expected(expected, "queue 'q' in vhost '/'");
            assert_eq!(refused.text, expected, "{} = {value:?}", row.name);
            assert!(bench.vhost().find_queue("q").is_none());
        }
    }
}

#[test]
fn exchanges_take_what_they_take_and_refuse_the_rest_in_these_words() {
    for row in exchanges::rows() {
        let bench = Bench::new();
        let kind = exchanges::kind_for(row.name);
        let pairs = |value: &FieldValue| {
            let mut pairs = row.beside.clone();
            pairs.push((row.name, value.clone()));
            pairs
        };
        for (at, value) in row.accepted.iter().enumerate() {
            let outcome = bench.try_exchange(&format!("e{at}"), kind, &pairs(value));
            assert!(outcome.is_ok(), "{} = {value:?}: {outcome:?}", row.name);
        }
        for (value, expected) in &row.refused {
            let refused = bench.try_exchange("e", kind, &pairs(value)).unwrap_err();
            let expected = row.expected(expected, "exchange 'e' in vhost '/'");
            assert_eq!(refused.text, expected, "{} = {value:?}", row.name);
            assert!(bench.vhost().exchange_kind("e").is_none());
        }
    }
}

#[test]
fn every_argument_does_what_it_says() {
    for row in queues::rows().into_iter().chain(exchanges::rows()) {
        (row.effect)(&Bench::new());
    }
}

#[test]
fn a_second_declaration_has_to_repeat_exactly_what_must_be_repeated() {
    for row in queues::rows() {
        let declared = QUEUE.iter().find(|argument| argument.name == Some(row.name)).unwrap();
        let Some(value) = row.accepted.first() else { continue };
        let bench = Bench::new();
        bench.try_queue("q", row.given(value)).unwrap();
        assert!(bench.try_queue("q", row.given(value)).is_ok(), "{}", row.name);
        let without = table(&row.beside);
        let outcome = bench.try_queue("q", without).map(|_| ());
        // A queue is classic without a word.
        let same = !declared.repeated || (row.name == "x-queue-type" && *value == text("classic"));
        match outcome {
            Ok(()) => assert!(same, "{} must be repeated", row.name),
            Err(error) => {
                let expected = format!("inequivalent arg '{}' for queue 'q' in vhost '/'", row.name);
                assert!(!same && error.text.contains(&expected), "{}", error.text);
            }
        }
    }
}
