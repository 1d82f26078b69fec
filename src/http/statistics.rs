//! `message_stats`: totals with their rates.

use serde_json::{Map, Value, json};

use crate::broker::{Count, Rates, Totals};

/// Totals and rates under RabbitMQ's names.
pub fn message_stats(totals: &Totals, rates: &Rates) -> Value {
    let mut stats = Map::new();
    for count in Count::ALL {
        put(&mut stats, count.name(), totals.of(count), rates.of(count));
    }
    let delivering = [Count::Deliver, Count::DeliverNoAck, Count::Get, Count::GetNoAck];
    let total = delivering.iter().map(|count| totals.of(*count)).sum();
    let rate = delivering.iter().map(|count| rates.of(*count)).sum();
    put(&mut stats, "deliver_get", total, rate);
    Value::Object(stats)
}

/// A rate in the form that stands beside a total.
pub fn details(rate: f64) -> Value {
    json!({ "rate": rate })
}

fn put(stats: &mut Map<String, Value>, name: &str, total: u64, rate: f64) {
    stats.insert(name.to_owned(), total.into());
    stats.insert(format!("{name}_details"), details(rate));
}
