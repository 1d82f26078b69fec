//! The rows that brokers are compared by, each one command's worth of options.

use std::fmt::Write as _;

use super::conductor;
use super::connection::Connection;
use super::error::BenchError;
use super::figures::{Conservation, Figures};
use super::load::{AckMode, Load};
use super::process;
use super::report::{conservation, grouped};
use super::topology;

/// Connections opened to weigh one.
const IDLE_CONNECTIONS: usize = 500;
/// Durable queues declared to weigh one.
const DURABLE_QUEUES: usize = 1000;

/// One row: a name, what Warren aims at, and the load.
#[derive(Debug, Clone)]
pub struct Row {
    /// The name, which is also the label of its load.
    pub name: &'static str,
    /// The target on a machine with 2 cores, as text.
    pub target: &'static str,
    /// The load.
    pub load: Load,
}

/// Memory of an idle broker, and what connections and queues add to it.
#[derive(Debug, Clone, Copy)]
pub struct MemoryRow {
    /// Resident memory before the rows, bytes.
    pub idle_bytes: u64,
    /// Resident memory that one idle connection with a channel adds, bytes.
    pub connection_bytes: f64,
    /// Resident memory that one empty durable queue adds, bytes.
    pub durable_queue_bytes: f64,
}

/// What all rows measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Memory, where the broker's process is known.
    pub memory: Option<MemoryRow>,
    /// The rows in their order.
    pub rows: Vec<(Row, Figures)>,
}

/// All rows, with address, pid and durations from `base`.
pub fn rows(base: &Load) -> Vec<Row> {
    let base = plain(base);
    let row = |name: &'static str, target, change: fn(&mut Load)| {
        let mut load = base.clone();
        change(&mut load);
        load.label = match load.label.as_str() {
            "bench" => name.to_owned(),
            label => format!("{label}: {name}"),
        };
        Row { name, target, load }
    };
    vec![
        row("16 B, no ack", "0.25 µs", |load| load.ack = AckMode::None),
        row("16 B, ack each", "0.45 µs", |_| {}),
        row("1 KiB, no ack", "0.9 µs", |load| {
            load.sizes = vec![1024];
            load.ack = AckMode::None;
        }),
        row("1 KiB, ack each", "1.2 µs", |load| load.sizes = vec![1024]),
        row("16 KiB, ack each", "14 µs", |load| load.sizes = vec![16 * 1024]),
        row(
            "16 B persistent, 1,000 unconfirmed, consumed",
            "0.8 µs, 500k/s",
            |load| {
                durable(load, 16, 1000);
            },
        ),
        row(
            "1 KiB persistent, 1,000 unconfirmed, consumed",
            "2 µs, 300k/s",
            |load| {
                durable(load, 1024, 1000);
            },
        ),
        row(
            "1 KiB persistent, 1,000 unconfirmed, no consumer",
            "3 µs, 100k/s",
            |load| {
                durable(load, 1024, 1000);
                load.consumers = 0;
            },
        ),
        row("1 KiB persistent, 1 unconfirmed", "5k/s", |load| {
            durable(load, 1024, 1);
            load.consumers = 0;
        }),
        row("16 B at 2,000/s", "p50 60 µs, p99 200 µs", |load| {
            load.rate_per_s = Some(2000.0);
            load.ack = AckMode::None;
        }),
    ]
}

/// One producer, one consumer, 16 B, ack each; nothing of what other options ask for.
fn plain(base: &Load) -> Load {
    Load {
        producers: 1,
        consumers: 1,
        queues: 1,
        sizes: vec![16],
        confirm_window: 0,
        prefetch: 1000,
        ack: AckMode::Each,
        persistent: false,
        durable: false,
        mandatory: false,
        rate_per_s: None,
        exchange: None,
        key: None,
        binding_key: None,
        queue_arguments: Vec::new(),
        ..base.clone()
    }
}

fn durable(load: &mut Load, bytes: usize, window: u64) {
    load.sizes = vec![bytes];
    load.confirm_window = window;
    load.persistent = true;
    load.durable = true;
}

/// Runs all rows one after another. The memory row comes first, while the broker is idle, and
/// only where its process is known.
///
/// # Errors
/// The first error of a row.
pub fn run(base: &Load) -> Result<Measured, BenchError> {
    let memory = base.pid.map(|pid| weigh(base, pid)).transpose()?;
    let mut done = Vec::new();
    for row in rows(base) {
        let figures = conductor::run(&row.load)?;
        done.push((row, figures));
    }
    Ok(Measured { memory, rows: done })
}

fn weigh(base: &Load, pid: u32) -> Result<MemoryRow, BenchError> {
    let resident = || process::usage(pid).map(|usage| usage.resident_bytes);
    let each = |before: u64, after: u64, count: usize| after.saturating_sub(before) as f64 / count as f64;
    let idle_bytes = resident()?;
    // The first login hashes a password, which takes megabytes once and not for each connection.
    let mut connections = vec![Connection::open(&base.address, 0)?];
    let before = resident()?;
    for _ in 0..IDLE_CONNECTIONS {
        connections.push(Connection::open(&base.address, 0)?);
    }
    let connection_bytes = each(before, resident()?, IDLE_CONNECTIONS);
    for mut connection in connections {
        connection.close()?;
    }
    let load = Load {
        queues: DURABLE_QUEUES,
        durable: true,
        exchange: None,
        queue_arguments: Vec::new(),
        ..base.clone()
    };
    let mut operator = Connection::open(&base.address, 0)?;
    let before = resident()?;
    topology::declare(&mut operator, &load)?;
    let durable_queue_bytes = each(before, resident()?, DURABLE_QUEUES);
    topology::delete(&mut operator, &load)?;
    operator.close()?;
    Ok(MemoryRow {
        idle_bytes,
        connection_bytes,
        durable_queue_bytes,
    })
}

/// The rows as a Markdown table.
pub fn table(measured: &Measured) -> String {
    let mut out = String::from(
        "| work | broker CPU a message (user + system) | published | confirmed | consumed \
         | latency p50 / p99 | bench CPU a message | target | check |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for (row, figures) in &measured.rows {
        // Writing to a String does not fail.
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.name,
            cpu(figures),
            rate(Some(figures.published_per_s)),
            rate(figures.confirmed_per_s),
            rate(figures.consumed_per_s),
            latency(figures),
            figures
                .bench_cpu_us_per_message
                .map_or("n/a".to_owned(), |us| format!("{us:.2} µs")),
            row.target,
            match figures.conservation {
                Conservation::Kept => "kept",
                _ => conservation(figures),
            },
        );
    }
    let memory = measured
        .memory
        .map_or("n/a (give the broker's --pid)".to_owned(), |memory| {
            format!(
                "idle {:.1} MiB, {:.1} KiB a connection, {:.1} KiB a durable queue \
             (target 12 MB, 20 KB, 2 KB)",
                memory.idle_bytes as f64 / f64::from(1 << 20),
                memory.connection_bytes / 1024.0,
                memory.durable_queue_bytes / 1024.0,
            )
        });
    let _ = writeln!(out, "\nmemory: {memory}");
    out
}

fn rate(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{}/s", grouped(value)))
}

fn cpu(figures: &Figures) -> String {
    match (
        figures.broker_cpu_us_per_message,
        figures.broker_user_us_per_message,
        figures.broker_system_us_per_message,
    ) {
        (Some(all), Some(user), Some(system)) => format!("{all:.2} µs ({user:.2} + {system:.2})"),
        _ => "n/a".to_owned(),
    }
}

fn latency(figures: &Figures) -> String {
    match (figures.latency_p50_us, figures.latency_p99_us) {
        (Some(p50), Some(p99)) => format!("{} / {} µs", grouped(p50), grouped(p99)),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::Samples;
    use super::super::load::tests::load;
    use super::*;

    #[test]
    fn each_row_has_a_name_of_its_own_and_keeps_the_broker() {
        let mut base = load();
        base.label = "bench".into();
        base.pid = Some(7);
        base.mandatory = true;
        let rows = rows(&base);
        assert_eq!(rows.len(), 10);
        let mut names: Vec<&str> = rows.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 10);
        for row in &rows {
            assert_eq!(row.load.pid, Some(7));
            assert_eq!(row.load.label, row.name);
            assert_eq!(row.load.persistent, row.load.durable);
            assert!(!row.load.mandatory, "a row is what its name says");
        }
    }

    #[test]
    fn a_table_line_for_each_row_and_one_for_memory() {
        let rows: Vec<(Row, Figures)> = rows(&load())
            .into_iter()
            .map(|row| {
                let figures = Figures::new(&row.load, &Samples::default(), None, None);
                (row, figures)
            })
            .collect();
        let memory = MemoryRow {
            idle_bytes: 3 << 20,
            connection_bytes: 2048.0,
            durable_queue_bytes: 512.0,
        };
        let text = table(&Measured {
            memory: Some(memory),
            rows,
        });
        assert_eq!(text.lines().filter(|line| line.starts_with('|')).count(), 12);
        let cells = |line: &str| line.matches('|').count();
        assert!(text.lines().take(12).all(|line| cells(line) == 10));
        assert!(text.contains("idle 3.0 MiB, 2.0 KiB a connection, 0.5 KiB"));
    }
}
