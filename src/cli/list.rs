//! `warren list`

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::client::{Failure, path};
use super::{Target, table};

/// List objects of one kind.
#[derive(Debug, Args)]
pub struct List {
    #[command(flatten)]
    target: Target,
    /// What to list
    kind: Kind,
    /// Only in this virtual host
    #[arg(long, short = 'V')]
    vhost: Option<String>,
    /// Only names that contain this text
    #[arg(long)]
    name: Option<String>,
    /// Columns, separated by commas; dots lead into inner objects
    #[arg(long, value_delimiter = ',')]
    columns: Vec<String>,
    /// Column to sort by
    #[arg(long)]
    sort: Option<String>,
    /// Largest first
    #[arg(long)]
    reverse: bool,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Queues,
    Exchanges,
    Bindings,
    Connections,
    Channels,
    Consumers,
    Users,
    Permissions,
    Policies,
    OperatorPolicies,
    Vhosts,
    VhostLimits,
    UserLimits,
}

/// What people want to see of a connection first.
const CONNECTION_COLUMNS: [&str; 9] = [
    "name",
    "user_provided_name",
    "user",
    "vhost",
    "state",
    "blocked_by",
    "channels",
    "recv_oct",
    "send_oct",
];

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Queues => "queues",
            Self::Exchanges => "exchanges",
            Self::Bindings => "bindings",
            Self::Connections => "connections",
            Self::Channels => "channels",
            Self::Consumers => "consumers",
            Self::Users => "users",
            Self::Permissions => "permissions",
            Self::Policies => "policies",
            Self::OperatorPolicies => "operator-policies",
            Self::Vhosts => "vhosts",
            Self::VhostLimits => "vhost-limits",
            Self::UserLimits => "user-limits",
        }
    }

    /// The columns that people want to see first.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Queues => &[
                "vhost",
                "name",
                "type",
                "messages",
                "messages_ready",
                "messages_unacknowledged",
                "consumers",
                "message_stats.publish_details.rate",
                "message_stats.deliver_get_details.rate",
            ],
            Self::Exchanges => &[
                "vhost",
                "name",
                "type",
                "durable",
                "auto_delete",
                "internal",
                "arguments",
            ],
            Self::Bindings => &[
                "vhost",
                "source",
                "destination",
                "destination_type",
                "routing_key",
                "arguments",
            ],
            Self::Connections => &CONNECTION_COLUMNS,
            Self::Channels => &[
                "name",
                "user",
                "vhost",
                "consumer_count",
                "messages_unacknowledged",
                "prefetch_count",
                "confirm",
            ],
            Self::Consumers => &[
                "queue.vhost",
                "queue.name",
                "consumer_tag",
                "ack_required",
                "prefetch_count",
                "activity_status",
                "channel_details.name",
            ],
            Self::Users => &["name", "tags", "hashing_algorithm"],
            Self::Permissions => &["user", "vhost", "configure", "write", "read"],
            Self::Policies | Self::OperatorPolicies => {
                &["vhost", "name", "pattern", "apply-to", "priority", "definition"]
            }
            Self::VhostLimits => &["vhost", "value"],
            Self::UserLimits => &["user", "value"],
            Self::Vhosts => &[
                "name",
                "description",
                "messages",
                "messages_ready",
                "messages_unacknowledged",
            ],
        }
    }

    /// How the path narrows the list to a vhost.
    fn in_vhost(self, vhost: &str) -> Result<String, Failure> {
        match self {
            Self::Queues
            | Self::Exchanges
            | Self::Bindings
            | Self::Consumers
            | Self::Policies
            | Self::OperatorPolicies
            | Self::VhostLimits => Ok(path(&[self.path(), vhost])),
            Self::Connections | Self::Channels | Self::Permissions => Ok(path(&["vhosts", vhost, self.path()])),
            Self::Users | Self::Vhosts | Self::UserLimits => Err(Failure::Use(format!(
                "{} belong to no vhost: leave --vhost out",
                self.path()
            ))),
        }
    }
}

impl List {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let columns: Vec<&str> = match self.columns.is_empty() {
            true => self.kind.columns().to_vec(),
            false => self.columns.iter().map(String::as_str).collect(),
        };
        let list = match &self.vhost {
            Some(vhost) => self.kind.in_vhost(vhost)?,
            None => path(&[self.kind.path()]),
        };
        let asked = columns.join(",");
        let mut query = Vec::new();
        // Programs get everything unless they name columns.
        if !self.target.json || !self.columns.is_empty() {
            query.push(("columns", asked.as_str()));
        }
        query.extend(self.name.as_deref().map(|name| ("name", name)));
        query.extend(self.sort.as_deref().map(|sort| ("sort", sort)));
        query.extend(self.reverse.then_some(("sort_reverse", "true")));
        let items = self.target.client()?.list(&list, &query)?;
        if self.target.json {
            println!("{}", Value::Array(items));
            return Ok(());
        }
        let headings: Vec<&str> = columns.iter().map(|column| heading(column)).collect();
        let row = |item: &Value| columns.iter().map(|column| at(item, column)).collect();
        let rows: Vec<Vec<Value>> = items.iter().map(row).collect();
        print!("{}", table::render(&headings, &rows));
        Ok(())
    }
}

/// The list of policies.
pub(super) fn policies(target: &Target, vhost: Option<&str>, operator: bool) -> Result<(), Failure> {
    let kind = match operator {
        true => Kind::OperatorPolicies,
        false => Kind::Policies,
    };
    whole(target, kind, vhost).run()
}

/// The list of limits.
pub(super) fn limits(target: &Target, users: bool) -> Result<(), Failure> {
    let kind = match users {
        true => Kind::UserLimits,
        false => Kind::VhostLimits,
    };
    whole(target, kind, None).run()
}

fn whole(target: &Target, kind: Kind, vhost: Option<&str>) -> List {
    List {
        target: target.clone(),
        kind,
        vhost: vhost.map(str::to_owned),
        name: None,
        columns: Vec::new(),
        sort: None,
        reverse: false,
    }
}

/// A shorter heading for the columns whose path says too much.
fn heading(column: &str) -> &str {
    match column {
        "message_stats.publish_details.rate" => "publish/s",
        "message_stats.deliver_get_details.rate" => "deliver/s",
        "messages_ready" => "ready",
        "user_provided_name" => "client",
        "messages_unacknowledged" => "unacked",
        "queue.vhost" => "vhost",
        "queue.name" => "queue",
        "channel_details.name" => "channel",
        other => other,
    }
}

fn at(item: &Value, column: &str) -> Value {
    let found = column.split('.').try_fold(item, |value, part| value.get(part));
    found.cloned().unwrap_or_default()
}
