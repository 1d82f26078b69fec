//! `warren definitions`

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::Value;

use super::client::{Failure, path};
use super::table::plain;
use super::{Target, done};

/// Export and import everything that is declared.
#[derive(Debug, Subcommand)]
pub enum Definitions {
    /// Write vhosts, users, permissions, exchanges, queues and bindings as RabbitMQ's JSON
    Export {
        #[command(flatten)]
        target: Target,
        /// The file; standard output where it is left out
        file: Option<PathBuf>,
        /// Only exchanges, queues and bindings of this virtual host
        #[arg(long, short = 'V')]
        vhost: Option<String>,
        /// For RabbitMQ: without the password hashes that it cannot read, for which it refuses the whole file
        #[arg(long, conflicts_with = "vhost")]
        for_rabbitmq: bool,
    },
    /// Make what a file declares, such as one exported by RabbitMQ; what stands already stays
    Import {
        #[command(flatten)]
        target: Target,
        /// The file; "-" for the standard input
        file: PathBuf,
        /// Make exchanges, queues and bindings in this virtual host
        #[arg(long, short = 'V')]
        vhost: Option<String>,
    },
}

impl Definitions {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::Export {
                target,
                file,
                vhost,
                for_rabbitmq,
            } => {
                let place = match for_rabbitmq {
                    true => format!("{}?for=rabbitmq", place(None)),
                    false => place(vhost.as_deref()),
                };
                let document = target.client()?.get(&place, "the vhost")?;
                if *for_rabbitmq {
                    warn_of_users(&document);
                }
                // What was parsed from JSON is written as JSON again.
                let text = serde_json::to_string_pretty(&document).unwrap_or_default() + "\n";
                match file {
                    None => print!("{text}"),
                    Some(file) => {
                        let failed = |error| Failure::Use(format!("cannot write {}: {error}", file.display()));
                        std::fs::write(file, text).map_err(failed)?;
                        done(target, &format!("exported to {}", file.display()));
                    }
                }
            }
            Self::Import { target, file, vhost } => {
                let document = read(file)?;
                let client = target.client()?;
                client.call("POST", &place(vhost.as_deref()), Some(&document), "the vhost")?;
                done(target, "imported");
            }
        }
        Ok(())
    }
}

/// Names those who cannot log in where the file goes.
fn warn_of_users(document: &Value) {
    let users = document["users"].as_array().into_iter().flatten();
    let names: Vec<_> = users
        .filter(|user| user["password_hash"] == "")
        .filter_map(|user| user["name"].as_str().map(plain))
        .collect();
    if !names.is_empty() {
        eprintln!(
            "without a password in the file: {}; give them one there with rabbitmqctl change_password",
            names.join(", ")
        );
    }
}

fn place(vhost: Option<&str>) -> String {
    match vhost {
        Some(vhost) => path(&["definitions", vhost]),
        None => path(&["definitions"]),
    }
}

fn read(file: &Path) -> Result<Value, Failure> {
    let text = match file.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(file),
    };
    let text = text.map_err(|error| Failure::Use(format!("cannot read {}: {error}", file.display())))?;
    serde_json::from_str(&text).map_err(|error| Failure::Use(format!("{} is no JSON: {error}", file.display())))
}
