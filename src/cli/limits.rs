//! `warren limits`

use clap::{Args, Subcommand};
use serde_json::json;

use super::client::{Failure, path};
use super::{Target, done, list};

/// Set, clear and list the limits of vhosts and users.
#[derive(Debug, Subcommand)]
pub enum Limits {
    /// Set a limit; it holds for what comes
    Set {
        #[command(flatten)]
        whose: Whose,
        /// max-connections; max-queues of a vhost; max-channels of a user; message-rate-per-s; byte-rate-per-s
        limit: String,
        /// At most so many; less than 0 for any number
        #[arg(allow_negative_numbers = true)]
        value: i64,
    },
    /// Clear a limit
    Clear {
        #[command(flatten)]
        whose: Whose,
        /// Its name
        limit: String,
    },
    /// List the limits of vhosts, or of users
    List {
        #[command(flatten)]
        target: Target,
        /// Those of users instead
        #[arg(long)]
        users: bool,
    },
}

/// A vhost or a user.
#[derive(Debug, Args)]
pub struct Whose {
    #[command(flatten)]
    target: Target,
    /// Virtual host
    #[arg(long, short = 'V', default_value = "/", conflicts_with = "user")]
    vhost: String,
    /// The user, instead of a virtual host
    #[arg(long)]
    user: Option<String>,
}

impl Whose {
    fn path(&self, limit: &str) -> String {
        match &self.user {
            Some(user) => path(&["user-limits", user, limit]),
            None => path(&["vhost-limits", &self.vhost, limit]),
        }
    }

    fn what(&self) -> String {
        match &self.user {
            Some(user) => format!("user '{user}'"),
            None => format!("vhost '{}'", self.vhost),
        }
    }
}

impl Limits {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Set { whose, limit, value } => {
                let body = json!({ "value": value });
                let client = whose.target.client()?;
                client.call("PUT", &whose.path(limit), Some(&body), &whose.what())?;
                done(&whose.target, &format!("{}: {limit} is {value}", whose.what()));
            }
            Self::Clear { whose, limit } => {
                let client = whose.target.client()?;
                client.call("DELETE", &whose.path(limit), None, &whose.what())?;
                done(&whose.target, &format!("{}: {limit} cleared", whose.what()));
            }
            Self::List { target, users } => return list::limits(target, *users),
        }
        Ok(())
    }
}
