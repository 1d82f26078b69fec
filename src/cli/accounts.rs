//! `warren users` and `warren permissions`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Failure, path};
use super::{InVhost, Target, done};

/// Where a password comes from: never from the command line, which every user of the machine can read.
#[derive(Debug, Args)]
pub struct PasswordSource {
    /// File with the password in its first line; standard input where it is left out
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordSource {
    fn read(&self) -> Result<String, Failure> {
        let read = match &self.password_file {
            Some(file) => std::fs::read_to_string(file),
            None => {
                let mut line = String::new();
                std::io::stdin().read_line(&mut line).map(|_| line)
            }
        };
        let text = read.map_err(|error| Failure::Use(format!("cannot read the password: {error}")))?;
        match text.lines().next().filter(|line| !line.is_empty()) {
            Some(password) => Ok(password.to_owned()),
            None => Err(Failure::Use(
                "the password is empty: give it in the first line of --password-file or of the standard input".into(),
            )),
        }
    }
}

/// Add, change and delete users.
#[derive(Debug, Subcommand)]
pub enum Users {
    /// Add a user, or replace its password and tags
    Add {
        #[command(flatten)]
        target: Target,
        /// The login name
        name: String,
        /// Tags, separated by commas: administrator, monitoring, policymaker, management
        #[arg(long, value_delimiter = ',')]
        tags: Vec<String>,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Give a user another password
    Passwd {
        #[command(flatten)]
        target: Target,
        /// The login name
        name: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Delete a user with its permissions
    Delete {
        #[command(flatten)]
        target: Target,
        /// The login name
        name: String,
    },
    /// Give a user other tags
    Tags {
        #[command(flatten)]
        target: Target,
        /// The login name
        name: String,
        /// The tags; none takes all away
        tags: Vec<String>,
    },
}

impl Users {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Add {
                target,
                name,
                tags,
                password,
            } => {
                let body = json!({ "password": password.read()?, "tags": tags });
                put(target, name, &body)?;
                done(
                    target,
                    &format!("user '{name}': set; `warren permissions set` lets it into a vhost"),
                );
            }
            Self::Passwd { target, name, password } => {
                let standing = find(target, name)?;
                put(
                    target,
                    name,
                    &json!({ "password": password.read()?, "tags": standing["tags"] }),
                )?;
                done(target, &format!("user '{name}': password set"));
            }
            Self::Delete { target, name } => {
                let what = format!("user '{name}'");
                target.client()?.call("DELETE", &path(&["users", name]), None, &what)?;
                done(target, &format!("{what}: deleted"));
            }
            Self::Tags { target, name, tags } => {
                let mut user = find(target, name)?;
                user["tags"] = json!(tags);
                put(target, name, &user)?;
                done(target, &format!("user '{name}': tags set"));
            }
        }
        Ok(())
    }
}

fn find(target: &Target, name: &str) -> Result<Value, Failure> {
    target.client()?.get(&path(&["users", name]), &format!("user '{name}'"))
}

fn put(target: &Target, name: &str, body: &Value) -> Result<(), Failure> {
    let client = target.client()?;
    client.call("PUT", &path(&["users", name]), Some(body), &format!("user '{name}'"))?;
    Ok(())
}

/// Set and clear what users may do in a vhost.
#[derive(Debug, Subcommand)]
pub enum Permissions {
    /// Set what a user may do: three regular expressions that names have to match
    Set {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        place: InVhost,
        /// The user
        user: String,
        /// What it may declare and delete
        configure: String,
        /// What it may publish to
        write: String,
        /// What it may consume
        read: String,
    },
    /// Take a user's permissions in a vhost away
    Clear {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        place: InVhost,
        /// The user
        user: String,
    },
}

impl Permissions {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Set {
                target,
                place,
                user,
                configure,
                write,
                read,
            } => {
                let body = json!({ "configure": configure, "write": write, "read": read });
                let path = path(&["permissions", &place.vhost, user]);
                let what = format!("user '{user}' or vhost '{}'", place.vhost);
                target.client()?.call("PUT", &path, Some(&body), &what)?;
                done(
                    target,
                    &format!("user '{user}' in vhost '{}': permissions set", place.vhost),
                );
            }
            Self::Clear { target, place, user } => {
                let path = path(&["permissions", &place.vhost, user]);
                let what = format!("a permission of user '{user}' in vhost '{}'", place.vhost);
                target.client()?.call("DELETE", &path, None, &what)?;
                done(
                    target,
                    &format!("user '{user}' in vhost '{}': permissions cleared", place.vhost),
                );
            }
        }
        Ok(())
    }
}
