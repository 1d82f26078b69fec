//! `warren publish` and `warren get`

use std::io::Read;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::client::{Failure, path};
use super::topology::{Argument, object};
use super::{InVhost, Target, done, table};

/// How paths name the default exchange, whose name is empty.
const DEFAULT_EXCHANGE: &str = "amq.default";

/// Publish a message.
#[derive(Debug, Args)]
pub struct Publish {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    place: InVhost,
    /// The exchange; "" for the default exchange, which leads to the queue named by the key
    exchange: String,
    /// The routing key
    routing_key: String,
    /// The body; standard input where it is left out
    #[arg(conflicts_with = "file")]
    payload: Option<String>,
    /// Take the body from this file
    #[arg(long)]
    file: Option<PathBuf>,
    /// Keep the message on disk
    #[arg(long)]
    persistent: bool,
    /// A property such as content_type=application/json; may be given several times
    #[arg(long = "property", short = 'p', value_name = "NAME=VALUE")]
    properties: Vec<Argument>,
    /// A header; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE")]
    headers: Vec<Argument>,
}

impl Publish {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut properties = match object(&self.properties) {
            Value::Object(properties) => properties,
            _ => Map::new(),
        };
        if self.persistent {
            properties.insert("delivery_mode".to_owned(), 2.into());
        }
        if !self.headers.is_empty() {
            properties.insert("headers".to_owned(), object(&self.headers));
        }
        let body = json!({
            "routing_key": self.routing_key,
            "properties": properties,
            "payload": BASE64.encode(self.payload()?),
            "payload_encoding": "base64",
        });
        let exchange = match self.exchange.is_empty() {
            true => DEFAULT_EXCHANGE,
            false => &self.exchange,
        };
        let path = path(&["exchanges", &self.place.vhost, exchange, "publish"]);
        let what = format!("exchange '{}'", self.exchange);
        let answer = self.target.client()?.call("POST", &path, Some(&body), &what)?;
        if answer.body["routed"] == true {
            done(&self.target, "published");
            return Ok(());
        }
        Err(Failure::Rejected(format!(
            "the message reached no queue: nothing is bound to exchange '{}' that matches the key '{}'",
            self.exchange, self.routing_key
        )))
    }

    fn payload(&self) -> Result<Vec<u8>, Failure> {
        let unreadable = |what: &str, error: std::io::Error| Failure::Use(format!("cannot read {what}: {error}"));
        if let Some(payload) = &self.payload {
            return Ok(payload.clone().into_bytes());
        }
        if let Some(file) = &self.file {
            return std::fs::read(file).map_err(|error| unreadable(&file.display().to_string(), error));
        }
        let mut payload = Vec::new();
        let read = std::io::stdin().read_to_end(&mut payload);
        read.map_err(|error| unreadable("the standard input", error))?;
        Ok(payload)
    }
}

/// Look at messages of a queue, or take them.
#[derive(Debug, Args)]
pub struct Get {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    place: InVhost,
    /// The queue
    queue: String,
    /// How many messages at most
    #[arg(long, short = 'n', default_value_t = 1)]
    count: u64,
    /// What becomes of them
    #[arg(long, value_enum, default_value_t = Then::Requeue)]
    then: Then,
}

/// What becomes of messages that were looked at.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Then {
    /// Back to their places, marked as redelivered
    Requeue,
    /// Gone
    Ack,
    /// Dead-lettered where the queue has a dead-letter exchange, else gone
    Reject,
}

impl Get {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mode = match self.then {
            Then::Requeue => "ack_requeue_true",
            Then::Ack => "ack_requeue_false",
            Then::Reject => "reject_requeue_false",
        };
        let body = json!({ "count": self.count, "ackmode": mode, "encoding": "auto" });
        let path = path(&["queues", &self.place.vhost, &self.queue, "get"]);
        let what = format!("queue '{}'", self.queue);
        let answer = self.target.client()?.call("POST", &path, Some(&body), &what)?;
        if self.target.json {
            println!("{}", answer.body);
            return Ok(());
        }
        let messages = answer.body.as_array().map(Vec::as_slice).unwrap_or_default();
        if messages.is_empty() {
            println!("the queue is empty");
            return Ok(());
        }
        let columns = ["exchange", "routing_key", "redelivered", "payload_bytes", "payload"];
        let row = |message: &Value| columns.iter().map(|column| message[*column].clone()).collect();
        let rows: Vec<Vec<Value>> = messages.iter().map(row).collect();
        print!("{}", table::render(&columns, &rows));
        Ok(())
    }
}
