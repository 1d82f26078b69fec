//! The operator's command line: everything it does, it does through the HTTP API of a running broker.
//!
//! Tables are for people, `--json` is for programs. Exit codes are those of `Failure::code` in `client`.

mod accounts;
mod client;
mod definitions;
mod dlq;
mod limits;
mod list;
mod messages;
mod policies;
mod queue;
mod status;
mod table;
mod top;
mod topology;
mod trace;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use client::{Client, Failure};

/// What every operator command takes.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// The broker's HTTP API, with user and password
    #[arg(
        long,
        env = "WARREN_URL",
        hide_env_values = true,
        default_value = "http://guest:guest@127.0.0.1:15672"
    )]
    url: String,
    /// Print JSON for programs instead of text for people
    #[arg(long)]
    json: bool,
}

/// The vhost that a command works in.
#[derive(Clone, Debug, Args)]
pub struct InVhost {
    /// Virtual host
    #[arg(long, short = 'V', default_value = "/")]
    vhost: String,
}

/// The operator commands.
#[derive(Debug, Subcommand)]
pub enum Operation {
    /// Show the running broker at a glance
    Status(status::Status),
    /// List queues, exchanges, bindings, connections, channels, consumers, users, permissions, policies or vhosts
    List(list::List),
    /// Declare a queue, an exchange, a binding or a vhost
    #[command(subcommand)]
    Declare(topology::Declare),
    /// Delete a queue, an exchange, a binding or a vhost
    #[command(subcommand)]
    Delete(topology::Delete),
    /// Remove all messages that wait in a queue
    Purge(topology::Purge),
    /// Publish a message
    Publish(messages::Publish),
    /// Look at messages of a queue, or take them
    Get(messages::Get),
    /// Look at messages of a queue without taking them
    Peek(queue::Peek),
    /// Pause and resume queues, and change their arguments while they stand
    #[command(subcommand)]
    Queue(queue::Queue),
    /// Dead letters: list the queues that have any, show them, send them back, remove them
    #[command(subcommand)]
    Dlq(dlq::Dlq),
    /// Set, clear and list policies
    #[command(subcommand)]
    Policies(policies::Policies),
    /// Set, clear and list limits of vhosts and users: connections, queues, channels, messages and bytes a second
    #[command(subcommand)]
    Limits(limits::Limits),
    /// Add, change and delete users
    #[command(subcommand)]
    Users(accounts::Users),
    /// Set and clear what users may do in a vhost
    #[command(subcommand)]
    Permissions(accounts::Permissions),
    /// Export and import everything that is declared
    #[command(subcommand)]
    Definitions(definitions::Definitions),
    /// Close connections
    #[command(subcommand)]
    Connections(status::Connections),
    /// Switch the firehose of a vhost
    #[command(subcommand)]
    Trace(trace::Trace),
    /// Check that the broker is well; exit code 6 where it is not
    Health(status::Health),
    /// Watch queues, rates, connections and alarms; q ends it
    Top(top::Top),
}

/// Runs one command against the broker.
#[must_use]
pub fn run(operation: &Operation) -> ExitCode {
    let done = match operation {
        Operation::Status(status) => status.run(),
        Operation::List(list) => list.run(),
        Operation::Declare(declare) => declare.run(),
        Operation::Delete(delete) => delete.run(),
        Operation::Purge(purge) => purge.run(),
        Operation::Publish(publish) => publish.run(),
        Operation::Get(get) => get.run(),
        Operation::Peek(peek) => peek.run(),
        Operation::Queue(queue) => queue.run(),
        Operation::Dlq(dlq) => dlq.run(),
        Operation::Policies(policies) => policies.run(),
        Operation::Limits(limits) => limits.run(),
        Operation::Users(users) => users.run(),
        Operation::Permissions(permissions) => permissions.run(),
        Operation::Definitions(definitions) => definitions.run(),
        Operation::Connections(connections) => connections.run(),
        Operation::Trace(trace) => trace.run(),
        Operation::Health(health) => health.run(),
        Operation::Top(top) => top.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Names in it may come from anybody; its own lines stay lines.
            let text = failure.to_string();
            let lines: Vec<_> = text.split('\n').map(table::plain).collect();
            eprintln!("warren: {}", lines.join("\n"));
            ExitCode::from(failure.code())
        }
    }
}

impl Target {
    fn client(&self) -> Result<Client, Failure> {
        Client::new(&self.url)
    }
}

/// Prints what was done, for people only: a program has the exit code.
fn done(target: &Target, text: &str) {
    if !target.json {
        println!("{}", table::plain(text));
    }
}
