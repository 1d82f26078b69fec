//! `warren queue` and `warren peek`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Failure, path};
use super::topology::{Argument, object};
use super::{InVhost, Target, done, table};

/// A queue.
#[derive(Debug, Args)]
pub struct Which {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    place: InVhost,
    /// The queue
    queue: String,
}

impl Which {
    fn path(&self, what: &str) -> String {
        path(&["warren", "queues", &self.place.vhost, &self.queue, what])
    }

    fn call(&self, method: &str, what: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let named = format!("queue '{}'", self.queue);
        let client = self.target.client()?;
        Ok(client.call(method, &self.path(what), body, &named)?.body)
    }

    fn done(&self, what: &str) {
        done(&self.target, &format!("queue '{}': {what}", self.queue));
    }
}

/// Pause and resume queues, and change their arguments while they stand.
#[derive(Debug, Subcommand)]
pub enum Queue {
    /// Hand nothing out until the queue is resumed; publishing goes on
    Pause {
        #[command(flatten)]
        which: Which,
    },
    /// Let a paused queue go on
    Resume {
        #[command(flatten)]
        which: Which,
    },
    /// Change arguments of a queue that stands
    Set {
        #[command(flatten)]
        which: Which,
        /// Arguments with their new values, such as x-max-length=1000
        #[arg(value_name = "NAME=VALUE")]
        arguments: Vec<Argument>,
        /// An argument that counts as not given from now on; may be given several times
        #[arg(long, value_name = "NAME")]
        remove: Vec<String>,
        /// An argument that is again as it was declared; may be given several times
        #[arg(long, value_name = "NAME")]
        reset: Vec<String>,
    },
}

impl Queue {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Pause { which } => {
                which.call("PUT", "pause", None)?;
                which.done("paused");
            }
            Self::Resume { which } => {
                which.call("DELETE", "pause", None)?;
                which.done("resumed");
            }
            Self::Set {
                which,
                arguments,
                remove,
                reset,
            } => {
                if arguments.is_empty() && remove.is_empty() && reset.is_empty() {
                    return Err(Failure::Use(
                        "nothing to change: give NAME=VALUE, --remove or --reset".to_owned(),
                    ));
                }
                let body = json!({ "set": object(arguments), "remove": remove, "reset": reset });
                which.call("POST", "arguments", Some(&body))?;
                which.done("arguments changed");
            }
        }
        Ok(())
    }
}

/// Look at messages of a queue without taking them.
#[derive(Debug, Args)]
pub struct Peek {
    #[command(flatten)]
    which: Which,
    /// How many messages to pass over
    #[arg(long, default_value_t = 0)]
    position: usize,
    /// How many messages at most, up to 1000
    #[arg(long, short = 'n', default_value_t = 1)]
    count: usize,
}

impl Peek {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let query = format!("?position={}&count={}", self.position, self.count);
        let which = &self.which;
        let named = format!("queue '{}'", which.queue);
        let client = which.target.client()?;
        let body = client.get(&(which.path("messages") + &query), &named)?;
        if which.target.json {
            println!("{body}");
            return Ok(());
        }
        let messages = body.as_array().map(Vec::as_slice).unwrap_or_default();
        if messages.is_empty() {
            println!("no message waits there");
            return Ok(());
        }
        let columns = [
            "position",
            "exchange",
            "routing_key",
            "redelivered",
            "payload_bytes",
            "payload",
        ];
        let row = |message: &Value| columns.iter().map(|column| message[*column].clone()).collect();
        let rows: Vec<Vec<Value>> = messages.iter().map(row).collect();
        print!("{}", table::render(&columns, &rows));
        Ok(())
    }
}
