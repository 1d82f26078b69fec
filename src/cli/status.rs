//! `warren status`, `warren health` and `warren connections`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Answer, Client, Failure, path};
use super::{Target, done, table};

/// Show the running broker at a glance.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    target: Target,
}

impl Status {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let overview = self.target.client()?.get("/api/overview", "the overview")?;
        if self.target.json {
            println!("{overview}");
            return Ok(());
        }
        let rate = |name: &str| overview["message_stats"][format!("{name}_details")]["rate"].clone();
        let (totals, objects) = (&overview["queue_totals"], &overview["object_totals"]);
        let rows = [
            ("version", overview["product_version"].clone()),
            ("as RabbitMQ", overview["rabbitmq_version"].clone()),
            ("node", overview["node"].clone()),
            ("listeners", listeners(&overview)),
            ("connections", objects["connections"].clone()),
            ("channels", objects["channels"].clone()),
            ("queues", objects["queues"].clone()),
            ("consumers", objects["consumers"].clone()),
            ("messages ready", totals["messages_ready"].clone()),
            ("messages unacked", totals["messages_unacknowledged"].clone()),
            ("publish/s", rate("publish")),
            ("deliver/s", rate("deliver_get")),
            ("ack/s", rate("ack")),
        ];
        let rows: Vec<Vec<Value>> = rows.into_iter().map(|(name, value)| vec![json!(name), value]).collect();
        print!("{}", table::render(&["what", "value"], &rows));
        Ok(())
    }
}

fn listeners(overview: &Value) -> Value {
    let listeners = overview["listeners"].as_array().map(Vec::as_slice).unwrap_or_default();
    let shown = listeners.iter().map(|listener| {
        let text = |name: &str| listener[name].as_str().unwrap_or_default();
        json!(format!(
            "{}={}:{}",
            text("protocol"),
            text("ip_address"),
            listener["port"]
        ))
    });
    shown.collect()
}

/// Check that the broker is well.
#[derive(Debug, Args)]
pub struct Health {
    #[command(flatten)]
    target: Target,
    /// Only ask whether the broker serves clients, which needs no user: for containers
    #[arg(long)]
    ready: bool,
}

/// What is checked, by path: of each row one is enough, as clients come over TLS or without.
const CHECKS: [&[&str]; 3] = [
    &["alarms"],
    &["virtual-hosts"],
    &["protocol-listener/amqp", "protocol-listener/amqps"],
];

impl Health {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let client = self.target.client()?;
        if self.ready {
            return self.ready(&client);
        }
        let mut failed = Vec::new();
        let mut rows = Vec::new();
        for choices in CHECKS {
            let (check, answer) = first_that_holds(&client, choices)?;
            if answer.status == 401 {
                client.get("/api/whoami", "the user")?;
            }
            let status = match answer.status {
                200 => json!("ok"),
                _ => answer.body["reason"].clone(),
            };
            if answer.status != 200 {
                failed.push(check);
            }
            rows.push(vec![json!(check), status]);
        }
        match self.target.json {
            true => {
                let checks = rows.iter().map(|row| json!({ "check": row[0], "status": row[1] }));
                println!("{}", Value::from_iter(checks));
            }
            false => print!("{}", table::render(&["check", "status"], &rows)),
        }
        match failed.is_empty() {
            true => Ok(()),
            false => Err(Failure::Unhealthy(format!("failed: {}", failed.join(", ")))),
        }
    }
}

/// Asks one check after another until one holds; gives that, or the first.
fn first_that_holds<'c>(client: &Client, choices: &[&'c str]) -> Result<(&'c str, Answer), Failure> {
    let ask = |check: &'c str| {
        let answer = client.ask("GET", &format!("/api/health/checks/{check}"), None)?;
        Ok::<_, Failure>((check, answer))
    };
    let (first, others) = choices.split_first().unwrap_or((&"alarms", &[]));
    let found = ask(first)?;
    if found.1.status == 503 {
        for other in others {
            let other = ask(other)?;
            if other.1.status == 200 {
                return Ok(other);
            }
        }
    }
    Ok(found)
}

impl Health {
    fn ready(&self, client: &Client) -> Result<(), Failure> {
        let answer = client.ask("GET", "/health/ready", None)?;
        match (answer.status, self.target.json) {
            (200, true) => println!("{}", json!({ "ready": true })),
            (200, false) => println!("ready"),
            (_, true) => println!("{}", json!({ "ready": false })),
            (_, false) => {}
        }
        match answer.status {
            200 => Ok(()),
            status => Err(Failure::Unhealthy(format!("/health/ready answered {status}"))),
        }
    }
}

/// Close connections.
#[derive(Debug, Subcommand)]
pub enum Connections {
    /// Close a connection, or all of a user
    Close {
        #[command(flatten)]
        target: Target,
        /// Its name as `warren list connections` shows it
        #[arg(required_unless_present = "user")]
        name: Option<String>,
        /// Close all connections of this user
        #[arg(long, conflicts_with = "name")]
        user: Option<String>,
        /// What the client is told
        #[arg(long, default_value = "Closed by an operator")]
        reason: String,
    },
}

impl Connections {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let Self::Close {
            target,
            name,
            user,
            reason,
        } = self;
        let client = target.client()?;
        let (place, what) = match (name, user) {
            (_, Some(user)) => (
                path(&["connections", "username", user]),
                format!("connections of '{user}'"),
            ),
            (Some(name), None) => (path(&["connections", name]), format!("connection '{name}'")),
            (None, None) => return Err(Failure::Use("give the name of a connection, or --user".into())),
        };
        client.delete_because(&place, reason, &what)?;
        done(target, &format!("{what}: closed"));
        Ok(())
    }
}
