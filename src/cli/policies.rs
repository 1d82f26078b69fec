//! `warren policies`

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Failure, path};
use super::topology::{Argument, object};
use super::{InVhost, Target, done};

/// Set and clear policies: settings for all queues and exchanges whose names match a pattern.
#[derive(Debug, Subcommand)]
pub enum Policies {
    /// Set a policy; it applies at once to what stands
    Set {
        #[command(flatten)]
        which: Which,
        /// A regular expression, which has to be found in a name
        pattern: String,
        /// A setting such as max-length=1000; at least one
        #[arg(required = true, value_name = "NAME=VALUE")]
        definition: Vec<Argument>,
        /// all, exchanges, queues, classic_queues or quorum_queues
        #[arg(long, default_value = "all")]
        apply_to: String,
        /// Of several policies that match, the one of the highest priority holds
        #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
        priority: i64,
    },
    /// Clear a policy: what was declared holds again
    Clear {
        #[command(flatten)]
        which: Which,
    },
    /// List the policies
    List {
        #[command(flatten)]
        target: Target,
        /// Only in this virtual host
        #[arg(long, short = 'V')]
        vhost: Option<String>,
        /// Operator policies instead
        #[arg(long)]
        operator: bool,
    },
}

/// One policy.
#[derive(Debug, Args)]
pub struct Which {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    place: InVhost,
    /// An operator policy, which only lowers limits
    #[arg(long)]
    operator: bool,
    /// Its name
    name: String,
}

impl Which {
    fn call(&self, method: &str, body: Option<&Value>, what: &str) -> Result<(), Failure> {
        let kind = match self.operator {
            true => "operator-policies",
            false => "policies",
        };
        let path = path(&[kind, &self.place.vhost, &self.name]);
        self.target.client()?.call(method, &path, body, what)?;
        Ok(())
    }

    fn done(&self, what: &str) {
        let text = format!("policy '{}' in vhost '{}': {what}", self.name, self.place.vhost);
        done(&self.target, &text);
    }
}

impl Policies {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Set {
                which,
                pattern,
                definition,
                apply_to,
                priority,
            } => {
                let body = json!({
                    "pattern": pattern,
                    "definition": object(definition),
                    "apply-to": apply_to,
                    "priority": priority,
                });
                which.call("PUT", Some(&body), &format!("vhost '{}'", which.place.vhost))?;
                which.done("set");
            }
            Self::Clear { which } => {
                which.call("DELETE", None, &format!("policy '{}'", which.name))?;
                which.done("cleared");
            }
            Self::List {
                target,
                vhost,
                operator,
            } => return super::list::policies(target, vhost.as_deref(), *operator),
        }
        Ok(())
    }
}
