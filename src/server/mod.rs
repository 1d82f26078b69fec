//! The program: arguments, and the one place where the concrete parts are wired together.

mod clock;
mod descriptors;
mod guest;
mod launch;
mod log;
mod manual;
mod reload;
mod resources;
mod settings;
mod store_tools;
mod systemd;
mod telemetry;
mod token_keys;
mod topology;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::bench;
use crate::cli;
use crate::config::{self, Overrides};

/// The configuration or the use of the program was refused.
const REFUSED: u8 = 1;
/// The store failed.
const STORAGE: u8 = 2;

/// An AMQP 0-9-1 message broker.
#[derive(Debug, Parser)]
#[command(
    name = "warren",
    version,
    about,
    after_help = "Exit codes: 0 clean, 1 refused configuration or use, 2 storage; operator commands also: 3 no broker \
                  answers, 4 login or permission refused, 5 no such object, 6 a health check failed."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the broker
    Serve(ServeArguments),
    /// Check a configuration file and report every fault in it
    Check {
        /// The file
        file: PathBuf,
    },
    /// Check, count or convert the data folder of a stopped broker
    Store {
        /// What to do
        #[command(subcommand)]
        command: store_tools::StoreCommand,
    },
    /// Measure an AMQP broker
    Bench(Box<bench::Arguments>),
    #[command(flatten)]
    Operate(cli::Operation),
    /// Write the manual page, or that of a command, for `man`
    ///
    /// For example: warren manual | man -l -
    Manual {
        /// The command, such as `list` or `users add`; the whole program where it is left out
        command: Vec<String>,
    },
    /// Write what a shell needs to complete commands and options
    ///
    /// For example: warren completion bash > /etc/bash_completion.d/warren
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// What `warren serve` takes. Everything else stands in the configuration file or the environment.
#[derive(Clone, Debug, Args)]
struct ServeArguments {
    /// Configuration file; otherwise WARREN_CONFIG, or /etc/warren/warren.toml where that exists
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of everything that is kept [default: ./warren-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address for AMQP clients, may be given several times; port 0 takes a free one [default: 127.0.0.1:5672]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<SocketAddr>,
    /// Address for HTTP, or "off" [default: 127.0.0.1:15672]
    #[arg(long, value_name = "ADDR:PORT")]
    http: Option<String>,
}

impl ServeArguments {
    fn overrides(&self) -> Overrides {
        let mut flags = Overrides::default();
        if let Some(dir) = &self.data_dir {
            flags.set("--data-dir", "node.data_dir", &dir.to_string_lossy());
        }
        if !self.listen.is_empty() {
            let list: Vec<_> = self.listen.iter().map(ToString::to_string).collect();
            flags.set("--listen", "listeners.amqp", &list.join(","));
        }
        if let Some(http) = &self.http {
            flags.set("--http", "listeners.http", http);
        }
        flags
    }

    fn read(&self) -> Result<config::Config, config::Report> {
        config::read(self.config.as_deref(), &self.overrides())
    }
}

/// Runs the program with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; anything else is a wrong use.
            let _ = error.print();
            return if error.use_stderr() {
                REFUSED.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match cli.command {
        None => {
            let _ = Cli::command().print_long_help();
            ExitCode::SUCCESS
        }
        Some(Command::Serve(arguments)) => launch::serve(&arguments),
        Some(Command::Check { file }) => check(&file),
        Some(Command::Store { command }) => store_tools::run(&command),
        Some(Command::Bench(arguments)) => bench::run(&arguments),
        Some(Command::Operate(operation)) => cli::run(&operation),
        Some(Command::Manual { command }) => manual::page(&Cli::command(), &command),
        Some(Command::Completion { shell }) => manual::completion(&mut Cli::command(), shell),
    }
}

fn check(file: &std::path::Path) -> ExitCode {
    match config::check_file(file) {
        Ok(_) => {
            println!("{}: no faults", file.display());
            ExitCode::SUCCESS
        }
        Err(report) => {
            eprintln!("{report}");
            REFUSED.into()
        }
    }
}
