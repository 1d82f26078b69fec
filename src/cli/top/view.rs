//! What `warren top` shows, as text: the same on a screen and in a snapshot.

use serde_json::{Value, json};

use crate::cli::table::plain;

/// What is asked of a queue.
pub const QUEUE_FIELDS: &str = "vhost,name,messages,messages_ready,messages_unacknowledged,messages_details.rate,\
                                consumers,state,message_stats.publish_details.rate,\
                                message_stats.deliver_get_details.rate";
/// What is asked of a connection.
pub const CONNECTION_FIELDS: &str =
    "name,user_provided_name,user,vhost,state,blocked_by,channels,recv_oct_details.rate,send_oct_details.rate";

/// Headings of queues.
pub const QUEUE_COLUMNS: [&str; 9] = [
    "vhost",
    "name",
    "messages",
    "ready",
    "unacked",
    "change/s",
    "publish/s",
    "deliver/s",
    "consumers",
];
/// Headings of connections.
pub const CONNECTION_COLUMNS: [&str; 7] = ["name", "user", "vhost", "state", "channels", "in B/s", "out B/s"];

/// How a connection stands, and why it does not run.
fn state(connection: &Value) -> String {
    let state = connection["state"].as_str().unwrap_or("-");
    let reasons: Vec<_> = connection["blocked_by"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    match reasons.is_empty() {
        true => state.to_owned(),
        false => format!("{state}: {}", reasons.join(", ")),
    }
}

/// One look at the broker.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The overview.
    pub overview: Value,
    /// What is raised.
    pub alarms: Vec<Value>,
    /// The first queues in the order that was asked for.
    pub queues: Vec<Value>,
    /// The connections that send most.
    pub connections: Vec<Value>,
}

impl Snapshot {
    /// The broker in three lines.
    pub fn head(&self) -> [String; 3] {
        let overview = &self.overview;
        let text = |value: &Value| plain(value.as_str().unwrap_or("-"));
        let rate = |name: &str| {
            let rate = overview["message_stats"][format!("{name}_details")]["rate"].as_f64();
            format!("{:.1}/s", rate.unwrap_or_default())
        };
        let (totals, objects) = (&overview["queue_totals"], &overview["object_totals"]);
        [
            format!(
                "{} {}   queues {}   connections {}   channels {}   consumers {}",
                text(&overview["node"]),
                text(&overview["product_version"]),
                objects["queues"],
                objects["connections"],
                objects["channels"],
                objects["consumers"],
            ),
            format!(
                "ready {}   unacked {}   publish {}   deliver {}   ack {}",
                totals["messages_ready"],
                totals["messages_unacknowledged"],
                rate("publish"),
                rate("deliver_get"),
                rate("ack"),
            ),
            self.alarm_line(),
        ]
    }

    fn alarm_line(&self) -> String {
        let raised: Vec<_> = self
            .alarms
            .iter()
            .map(|alarm| plain(alarm["resource"].as_str().unwrap_or("unknown")))
            .collect();
        match raised.is_empty() {
            true => "no alarms".to_owned(),
            false => format!("ALARM: {}; publishers are blocked", raised.join(", ")),
        }
    }

    /// The cells of queues, under [`QUEUE_COLUMNS`].
    pub fn queue_rows(&self) -> Vec<Vec<Value>> {
        let row = |queue: &Value| {
            let rate = |name: &str| queue["message_stats"][format!("{name}_details")]["rate"].clone();
            vec![
                queue["vhost"].clone(),
                match queue["state"].as_str() {
                    Some("running") | None => queue["name"].clone(),
                    Some(state) => json!(format!("{} ({state})", queue["name"].as_str().unwrap_or_default())),
                },
                queue["messages"].clone(),
                queue["messages_ready"].clone(),
                queue["messages_unacknowledged"].clone(),
                queue["messages_details"]["rate"].clone(),
                rate("publish"),
                rate("deliver_get"),
                queue["consumers"].clone(),
            ]
        };
        self.queues.iter().map(row).collect()
    }

    /// The cells of connections, under [`CONNECTION_COLUMNS`].
    pub fn connection_rows(&self) -> Vec<Vec<Value>> {
        let row = |connection: &Value| {
            vec![
                match &connection["user_provided_name"] {
                    Value::Null => connection["name"].clone(),
                    given => given.clone(),
                },
                connection["user"].clone(),
                connection["vhost"].clone(),
                json!(state(connection)),
                connection["channels"].clone(),
                connection["recv_oct_details"]["rate"].clone(),
                connection["send_oct_details"]["rate"].clone(),
            ]
        };
        self.connections.iter().map(row).collect()
    }
}
