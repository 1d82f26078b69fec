//! Figures as a table, as JSON and as CSV.

use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::figures::{Conservation, Figures};

/// The figures as one JSON object.
///
/// # Errors
/// None in practice: the figures have text keys and finite numbers or nulls.
pub fn json(figures: &Figures) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(figures)
}

/// The figures of several loads as CSV, a header line first. What is not known is empty.
///
/// # Errors
/// As for [`json`].
pub fn csv(all: &[Figures]) -> Result<String, serde_json::Error> {
    let mut out = String::new();
    for (index, figures) in all.iter().enumerate() {
        let Ordered(fields) = serde_json::from_str(&serde_json::to_string(figures)?)?;
        if index == 0 {
            let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            out += &names.join(",");
            out.push('\n');
        }
        let cells: Vec<String> = fields.iter().map(|(_, value)| cell(value)).collect();
        out += &cells.join(",");
        out.push('\n');
    }
    Ok(out)
}

/// A JSON object's fields in the order of the text, which `serde_json::Map` does not keep.
struct Ordered(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OrderedVisitor)
    }
}

struct OrderedVisitor;

impl<'de> Visitor<'de> for OrderedVisitor {
    type Value = Ordered;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Ordered(fields))
    }
}

/// One CSV field; quoted where it holds a separator (RFC 4180).
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(object) => object.iter().map(|(name, value)| format!("{name}:{value}")).collect(),
        other => other.to_string(),
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// The figures of one load for people.
pub fn table(figures: &Figures) -> String {
    let mut out = format!("{} on {}\n", figures.label, figures.address);
    let mut line = |name: &str, value: String| {
        // Writing to a String does not fail.
        let _ = writeln!(out, "  {name:<12}{value}");
    };
    let rate = |value: Option<f64>| value.map_or("n/a".to_owned(), |v| format!("{}/s", grouped(v)));
    line(
        "load",
        format!(
            "{} producers, {} consumers, {} queues, {} B, ack {}, prefetch {}, confirm window {}, {}{}",
            figures.producers,
            figures.consumers,
            figures.queues,
            figures.body_bytes,
            figures.ack,
            figures.prefetch,
            figures.confirm_window,
            if figures.persistent { "persistent" } else { "transient" },
            if figures.durable { ", durable" } else { "" },
        ),
    );
    line("measured", format!("{:.2} s", figures.measured_s));
    line("published", rate(Some(figures.published_per_s)));
    line("confirmed", rate(figures.confirmed_per_s));
    line("consumed", rate(figures.consumed_per_s));
    line("broker CPU", cpu(figures));
    line("broker mem", memory(figures));
    line(
        "bench CPU",
        figures
            .bench_cpu_us_per_message
            .map_or("n/a".to_owned(), |us| format!("{us:.3} µs a message")),
    );
    line("latency", latency(figures));
    if let (Some(p50), Some(p99)) = (figures.send_lateness_p50_us, figures.send_lateness_p99_us) {
        line(
            "sent late",
            format!("p50 {p50:.1} µs, p99 {p99:.1} µs (part of the latency)"),
        );
    }
    line(
        "messages",
        format!(
            "{} published, {} confirmed, {} nacked, {} returned, {} consumed, {} redelivered{}",
            figures.published,
            figures.confirmed,
            figures.nacked,
            figures.returned,
            figures.consumed,
            figures.redelivered,
            figures
                .backlog
                .map_or(String::new(), |count| format!(", {count} in the queues")),
        ),
    );
    line("check", conservation(figures).to_owned() + &difference(figures));
    out
}

fn cpu(figures: &Figures) -> String {
    let parts = (
        figures.broker_cpu_us_per_message,
        figures.broker_user_us_per_message,
        figures.broker_system_us_per_message,
    );
    match parts {
        (Some(all), Some(user), Some(system)) => {
            format!("{all:.3} µs a message ({user:.3} user, {system:.3} system)")
        }
        _ => "n/a (give the broker's --pid)".to_owned(),
    }
}

fn memory(figures: &Figures) -> String {
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    match (
        figures.broker_resident_bytes,
        figures.broker_peak_resident_bytes,
        figures.broker_threads,
    ) {
        (Some(now), Some(peak), Some(threads)) => format!(
            "{:.1} MiB, peak {:.1} MiB, {threads} threads",
            mebibytes(now),
            mebibytes(peak)
        ),
        _ => "n/a".to_owned(),
    }
}

fn latency(figures: &Figures) -> String {
    let names = ["p50", "p90", "p99", "p99.9", "max"];
    let values = [
        figures.latency_p50_us,
        figures.latency_p90_us,
        figures.latency_p99_us,
        figures.latency_p999_us,
        figures.latency_max_us,
    ];
    let known: Vec<String> = names
        .iter()
        .zip(values)
        .filter_map(|(name, value)| value.map(|us| format!("{name} {} µs", grouped(us))))
        .collect();
    if known.is_empty() {
        return "n/a (needs a consumer and bodies of at least 8 B)".to_owned();
    }
    known.join(", ")
}

/// The conservation check in words, without the number.
pub fn conservation(figures: &Figures) -> &'static str {
    match figures.conservation {
        Conservation::Kept => "all that was published arrived once",
        Conservation::Missing(_) => "MESSAGES MISSING",
        Conservation::Surplus(_) => "MORE MESSAGES THAN PUBLISHED",
        Conservation::Unknown => "n/a (the options do not say where messages go)",
    }
}

fn difference(figures: &Figures) -> String {
    match figures.conservation {
        Conservation::Missing(count) | Conservation::Surplus(count) => format!(": {count}"),
        _ => String::new(),
    }
}

/// A number without decimals from 100 on, in groups of three digits.
pub fn grouped(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::figures::Samples;
    use super::super::load::tests::load;
    use super::*;

    fn figures() -> Figures {
        let mut load = load();
        load.label = "a, \"b\"".to_owned();
        let mut samples = Samples::default();
        samples.end.totals.published = 3;
        Figures::new(&load, &samples, None, None)
    }

    #[test]
    fn numbers_in_groups() {
        let texts = [99.94, 100.2, 999.6, 1234.0, 1_234_567.0].map(grouped);
        assert_eq!(texts, ["99.9", "100", "1,000", "1,234", "1,234,567"]);
    }

    #[test]
    fn csv_has_a_cell_for_each_name() {
        let text = csv(&[figures(), figures()]).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let columns = lines[0].split(',').count();
        assert_eq!(lines[1].split(',').count(), columns + 1, "a comma is quoted");
        assert!(lines[0].starts_with("label,address,producers,"));
        assert!(lines[0].contains("broker_cpu_us_per_message"));
        assert!(lines[1].contains("\"a, \"\"b\"\"\""), "{}", lines[1]);
        assert!(lines[1].contains("missing:3"), "{}", lines[1]);
    }

    #[test]
    fn json_keeps_what_is_not_known_as_null() {
        let value: Value = serde_json::from_str(&json(&figures()).unwrap()).unwrap();
        assert_eq!(value["published"], 3);
        assert_eq!(value["conservation"]["missing"], 3);
        assert!(value["latency_p50_us"].is_null());
    }

    #[test]
    fn the_table_says_what_is_missing() {
        let text = table(&figures());
        assert!(text.contains("MESSAGES MISSING: 3"), "{text}");
        assert!(text.contains("n/a (give the broker's --pid)"), "{text}");
    }
}
