//! `warren trace`

use clap::{Args, Subcommand};
use serde_json::json;

use super::client::{Failure, path};
use super::{InVhost, Target, done};

/// Switch the firehose of a vhost, as `rabbitmqctl trace_on` does.
#[derive(Debug, Subcommand)]
pub enum Trace {
    /// Copy every message that is published or delivered to the exchange amq.rabbitmq.trace, until the broker stops
    On(Switch),
    /// Stop copying
    Off(Switch),
}

/// Which vhost.
#[derive(Debug, Args)]
pub struct Switch {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    vhost: InVhost,
}

impl Trace {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let (switch, on) = match self {
            Self::On(switch) => (switch, true),
            Self::Off(switch) => (switch, false),
        };
        let vhost = &switch.vhost.vhost;
        let what = format!("vhost '{vhost}'");
        let client = switch.target.client()?;
        // A vhost that is not there must not be made by this.
        client.get(&path(&["vhosts", vhost]), &what)?;
        client.call("PUT", &path(&["vhosts", vhost]), Some(&json!({ "tracing": on })), &what)?;
        let state = if on { "on" } else { "off" };
        done(&switch.target, &format!("{what}: firehose {state}"));
        Ok(())
    }
}
