//! `warren declare`, `warren delete` and `warren purge`

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::client::{Client, Failure, path};
use super::{InVhost, Target, done};

/// An argument: `NAME=VALUE`, where a value that is JSON is taken as such and anything else as text.
#[derive(Clone, Debug)]
pub struct Argument(pub(super) String, pub(super) Value);

impl std::str::FromStr for Argument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| format!("'{text}' is not NAME=VALUE"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        Ok(Self(name.to_owned(), value))
    }
}

pub(super) fn object(arguments: &[Argument]) -> Value {
    let pairs = arguments
        .iter()
        .map(|Argument(name, value)| (name.clone(), value.clone()));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// Declare something.
#[derive(Debug, Subcommand)]
pub enum Declare {
    /// Declare a queue; one that stands as declared is left alone
    Queue {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        place: InVhost,
        /// Its name
        name: String,
        /// It goes, with its messages, when the broker restarts
        #[arg(long)]
        transient: bool,
        /// It goes with its last consumer
        #[arg(long)]
        auto_delete: bool,
        /// An argument such as x-max-length=1000; may be given several times
        #[arg(long = "argument", short = 'a', value_name = "NAME=VALUE")]
        arguments: Vec<Argument>,
    },
    /// Declare an exchange; one that stands as declared is left alone
    Exchange {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        place: InVhost,
        /// Its name
        name: String,
        /// Its type: direct, fanout, topic, headers and others
        #[arg(default_value = "direct")]
        kind: String,
        /// It goes when the broker restarts
        #[arg(long)]
        transient: bool,
        /// It goes with its last binding
        #[arg(long)]
        auto_delete: bool,
        /// Only other exchanges may send to it
        #[arg(long)]
        internal: bool,
        /// An argument such as alternate-exchange=other; may be given several times
        #[arg(long = "argument", short = 'a', value_name = "NAME=VALUE")]
        arguments: Vec<Argument>,
    },
    /// Bind a queue or an exchange to an exchange
    Binding(BindingArguments),
    /// Make a virtual host, in which the user of --url gets all permissions
    Vhost {
        #[command(flatten)]
        target: Target,
        /// Its name
        name: String,
        /// What people should know of it
        #[arg(long)]
        description: Option<String>,
    },
}

/// A binding by its parts.
#[derive(Debug, Args)]
pub struct BindingArguments {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    place: InVhost,
    /// The exchange that messages come from
    source: String,
    /// The queue or exchange that they go to
    destination: String,
    /// What the destination is
    #[arg(long, value_enum, default_value_t = End::Queue)]
    to: End,
    /// The binding key
    #[arg(long, short = 'k', default_value = "")]
    routing_key: String,
    /// An argument such as x-match=any; may be given several times
    #[arg(long = "argument", short = 'a', value_name = "NAME=VALUE")]
    arguments: Vec<Argument>,
}

/// What a binding leads to.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum End {
    Queue,
    Exchange,
}

impl BindingArguments {
    fn path(&self) -> String {
        let kind = match self.to {
            End::Queue => "q",
            End::Exchange => "e",
        };
        let (vhost, source) = (&*self.place.vhost, &*self.source);
        path(&["bindings", vhost, "e", source, kind, &self.destination])
    }

    fn what(&self) -> String {
        format!("exchange '{}' or destination '{}'", self.source, self.destination)
    }

    fn declare(&self) -> Result<(), Failure> {
        let body = json!({ "routing_key": self.routing_key, "arguments": object(&self.arguments) });
        let client = self.target.client()?;
        client.call("POST", &self.path(), Some(&body), &self.what())?;
        done(
            &self.target,
            &format!("'{}' is bound to '{}'", self.destination, self.source),
        );
        Ok(())
    }

    fn delete(&self) -> Result<(), Failure> {
        let client = self.target.client()?;
        let bindings = client.get(&self.path(), &self.what())?;
        let wanted = |binding: &&Value| {
            binding["routing_key"] == *self.routing_key && binding["arguments"] == object(&self.arguments)
        };
        let found = bindings.as_array().and_then(|bindings| bindings.iter().find(wanted));
        let key = found.and_then(|binding| binding["properties_key"].as_str());
        let missing = || {
            Failure::Missing(format!(
                "a binding from '{}' to '{}' with the key '{}' and these arguments",
                self.source, self.destination, self.routing_key
            ))
        };
        let key = super::client::encode(key.ok_or_else(missing)?);
        client.call("DELETE", &format!("{}/{key}", self.path()), None, &self.what())?;
        done(
            &self.target,
            &format!("'{}' is bound to '{}' no more", self.destination, self.source),
        );
        Ok(())
    }
}

impl Declare {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Queue {
                target,
                place,
                name,
                transient,
                auto_delete,
                arguments,
            } => {
                let body = json!({
                    "durable": !transient, "auto_delete": auto_delete, "arguments": object(arguments),
                });
                put(target, &path(&["queues", &place.vhost, name]), &body, "queue", name)
            }
            Self::Exchange {
                target,
                place,
                name,
                kind,
                transient,
                auto_delete,
                internal,
                arguments,
            } => {
                let body = json!({
                    "type": kind, "durable": !transient, "auto_delete": auto_delete, "internal": internal,
                    "arguments": object(arguments),
                });
                let path = path(&["exchanges", &place.vhost, name]);
                put(target, &path, &body, "exchange", name)
            }
            Self::Binding(binding) => binding.declare(),
            Self::Vhost {
                target,
                name,
                description,
            } => {
                let body = match description {
                    Some(description) => json!({ "description": description }),
                    None => json!({}),
                };
                put(target, &path(&["vhosts", name]), &body, "vhost", name)
            }
        }
    }
}

fn put(target: &Target, path: &str, body: &Value, kind: &str, name: &str) -> Result<(), Failure> {
    let answer = target.client()?.call("PUT", path, Some(body), "the vhost")?;
    let outcome = if answer.status == 201 {
        "declared"
    } else {
        "stands already"
    };
    done(target, &format!("{kind} '{name}': {outcome}"));
    Ok(())
}

/// Delete something.
#[derive(Debug, Subcommand)]
pub enum Delete {
    /// Delete a queue with its messages
    Queue {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        place: InVhost,
        /// Its name
        name: String,
        /// Only without waiting messages
        #[arg(long)]
        if_empty: bool,
        /// Only without consumers
        #[arg(long)]
        if_unused: bool,
    },
    /// Delete an exchange with its bindings
    Exchange {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        place: InVhost,
        /// Its name
        name: String,
        /// Only without bindings from it
        #[arg(long)]
        if_unused: bool,
    },
    /// Unbind a queue or an exchange from an exchange
    Binding(BindingArguments),
    /// Delete a virtual host with everything in it
    Vhost {
        #[command(flatten)]
        target: Target,
        /// Its name
        name: String,
    },
}

impl Delete {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Queue {
                target,
                place,
                name,
                if_empty,
                if_unused,
            } => {
                let path = path(&["queues", &place.vhost, name]);
                let path = format!("{path}?if-empty={if_empty}&if-unused={if_unused}");
                delete(&target.client()?, target, &path, "queue", name)
            }
            Self::Exchange {
                target,
                place,
                name,
                if_unused,
            } => {
                let path = path(&["exchanges", &place.vhost, name]);
                let path = format!("{path}?if-unused={if_unused}");
                delete(&target.client()?, target, &path, "exchange", name)
            }
            Self::Binding(binding) => binding.delete(),
            Self::Vhost { target, name } => {
                let path = path(&["vhosts", name]);
                delete(&target.client()?, target, &path, "vhost", name)
            }
        }
    }
}

fn delete(client: &Client, target: &Target, path: &str, kind: &str, name: &str) -> Result<(), Failure> {
    let what = format!("{kind} '{name}'");
    client.call("DELETE", path, None, &what)?;
    done(target, &format!("{what}: deleted"));
    Ok(())
}

/// Remove all messages that wait in a queue.
#[derive(Debug, Args)]
pub struct Purge {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    place: InVhost,
    /// The queue
    queue: String,
}

impl Purge {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let path = path(&["queues", &self.place.vhost, &self.queue, "contents"]);
        let what = format!("queue '{}'", self.queue);
        self.target.client()?.call("DELETE", &path, None, &what)?;
        done(&self.target, &format!("{what}: purged"));
        Ok(())
    }
}
