//! `warren top`: the busiest queues, rates, connections and alarms, once or for as long as one looks.

mod screen;
mod view;

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::client::{Client, Failure};
use super::{Target, table};

use view::Snapshot;

/// Queues and connections that are asked for: more than any screen shows.
const ROWS: usize = 200;

/// Watch queues, rates, connections and alarms.
///
/// On a terminal it stays and asks anew every few seconds; keys: d, p, c and n sort by depth, publish rate, deliver
/// rate and name, r reverses, arrows move, space asks at once, q ends it. Without a terminal, with --once or --json it
/// prints one snapshot.
#[derive(Debug, Args)]
pub struct Top {
    #[command(flatten)]
    target: Target,
    /// Print one snapshot and end
    #[arg(long)]
    once: bool,
    /// Seconds from one look to the next
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    /// What queues are sorted by
    #[arg(long, value_enum, default_value_t = Order::Depth)]
    sort: Order,
    /// Queues, and connections, that a snapshot shows
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=200))]
    rows: u64,
}

/// What queues are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Messages in the queue
    Depth,
    /// Messages that come, a second
    Publish,
    /// Messages that go, a second
    Deliver,
    /// Name
    Name,
}

impl Order {
    fn column(self) -> &'static str {
        match self {
            Self::Depth => "messages",
            Self::Publish => "message_stats.publish_details.rate",
            Self::Deliver => "message_stats.deliver_get_details.rate",
            Self::Name => "name",
        }
    }

    /// Names from the first letter on, numbers from the largest.
    fn is_descending(self) -> bool {
        self != Self::Name
    }
}

impl Top {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let client = self.target.client()?;
        let first = look(&client, self.sort, self.sort.is_descending())?;
        if self.once || self.target.json || !std::io::stdout().is_terminal() {
            self.print(&first);
            return Ok(());
        }
        screen::run(&client, first, self.sort, std::time::Duration::from_secs(self.interval))
    }

    fn print(&self, snapshot: &Snapshot) {
        let rows = usize::try_from(self.rows).unwrap_or(usize::MAX);
        if self.target.json {
            let queues = &snapshot.queues[..snapshot.queues.len().min(rows)];
            println!(
                "{}",
                json!({
                    "overview": snapshot.overview, "alarms": snapshot.alarms,
                    "queues": queues, "connections": snapshot.connections,
                })
            );
            return;
        }
        for line in snapshot.head() {
            println!("{line}");
        }
        println!();
        let cells: Vec<Vec<Value>> = snapshot.queue_rows().into_iter().take(rows).collect();
        print!("{}", table::render(&view::QUEUE_COLUMNS, &cells));
        println!();
        let cells: Vec<Vec<Value>> = snapshot.connection_rows().into_iter().take(rows).collect();
        print!("{}", table::render(&view::CONNECTION_COLUMNS, &cells));
    }
}

/// Asks the broker how it is.
fn look(client: &Client, order: Order, is_descending: bool) -> Result<Snapshot, Failure> {
    let page = |list: &str, columns: &str, sort: &str, is_descending: bool| {
        let url =
            format!("/api/{list}?page=1&page_size={ROWS}&columns={columns}&sort={sort}&sort_reverse={is_descending}");
        Ok::<_, Failure>(client.get(&url, list)?["items"].take())
    };
    let list = |value: Value| match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    };
    let alarms = client.ask("GET", "/api/health/checks/alarms", None)?.body["alarms"].take();
    Ok(Snapshot {
        overview: client.get("/api/overview", "the overview")?,
        alarms: list(alarms),
        queues: list(page("queues", view::QUEUE_FIELDS, order.column(), is_descending)?),
        connections: list(page(
            "connections",
            view::CONNECTION_FIELDS,
            "recv_oct_details.rate",
            true,
        )?),
    })
}
