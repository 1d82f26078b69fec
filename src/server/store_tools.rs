//! `warren store`: what an operator does with the data folder of a stopped broker.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use crate::broker::stored_queues;
use crate::config::{self, Config, Overrides};
use crate::store::{
    EngineKind, Inspection, QueueInspection, StoreError, StoreOptions, convert, engine_of, forget_lost, inspect,
};

use super::{REFUSED, STORAGE, settings};

/// `warren store ...`
#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Read every message and definition, and name the first damage
    Check(FolderArguments),
    /// Say what the folder holds: segments, live and dead bytes, queues, oldest messages
    Stats(FolderArguments),
    /// Rewrite the messages for the other engine; nothing is lost, and cut short it has changed nothing
    Convert {
        #[command(flatten)]
        folder: FolderArguments,
        /// The engine to convert to [default: what store.messages says]
        #[arg(long, value_name = "ENGINE")]
        to: Option<Engine>,
    },
    /// Go on without messages whose folder is lost, with empty queues; refused where the messages are there
    ForgetLost(FolderArguments),
}

/// Which folder.
#[derive(Debug, Args)]
pub(super) struct FolderArguments {
    /// Configuration file; otherwise WARREN_CONFIG, or /etc/warren/warren.toml where that exists
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data folder [default: ./warren-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// An engine for persistent messages.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Engine {
    /// Segments of a log
    Log,
    /// A sled database
    Sled,
}

impl From<Engine> for EngineKind {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Log => Self::Log,
            Engine::Sled => Self::Sled,
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Config(config::Report),
    #[error("warren: {0}")]
    Store(#[from] StoreError),
}

impl Failure {
    /// Damage and the operating system's refusals are of the storage; a folder that is in use or not Warren's is a
    /// wrong use.
    fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Store(StoreError::InUse(_) | StoreError::Foreign { .. }) => REFUSED,
            Self::Store(_) => STORAGE,
        }
    }
}

/// Carries out a command and prints what came of it.
pub(super) fn run(command: &StoreCommand) -> ExitCode {
    let done = match command {
        StoreCommand::Check(folder) => check(folder),
        StoreCommand::Stats(folder) => stats(folder),
        StoreCommand::Convert { folder, to } => convert_to(folder, *to),
        StoreCommand::ForgetLost(folder) => forget(folder),
    };
    match done {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            failure.code().into()
        }
    }
}

impl FolderArguments {
    fn config(&self) -> Result<Config, Failure> {
        let mut flags = Overrides::default();
        if let Some(dir) = &self.data_dir {
            flags.set("--data-dir", "node.data_dir", &dir.to_string_lossy());
        }
        config::read(self.config.as_deref(), &flags).map_err(Failure::Config)
    }

    /// How to open the folder, with the engine that wrote it.
    fn options(&self) -> Result<(StoreOptions, Config), Failure> {
        let config = self.config()?;
        let mut options = settings::store(&config);
        options.engine = engine_of(&options.dir)?;
        Ok((options, config))
    }
}

fn check(folder: &FolderArguments) -> Result<String, Failure> {
    let (options, _) = folder.options()?;
    let inspection = inspect(&options)?;
    Ok(format!(
        "{}: no damage, {} messages in {} queues\n",
        options.dir.display(),
        inspection.messages(),
        inspection.queues.len()
    ))
}

fn stats(folder: &FolderArguments) -> Result<String, Failure> {
    let (options, _) = folder.options()?;
    let inspection = inspect(&options)?;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_stats(&mut text, &options, &inspection);
    Ok(text)
}

fn write_stats(text: &mut String, options: &StoreOptions, inspection: &Inspection) -> fmt::Result {
    let dead = inspection.disk_bytes.saturating_sub(inspection.live_bytes);
    writeln!(text, "folder        {}", options.dir.display())?;
    writeln!(text, "engine        {}", options.engine.name())?;
    writeln!(text, "messages      {}", inspection.messages())?;
    writeln!(text, "live bytes    {}", inspection.live_bytes)?;
    writeln!(text, "dead bytes    {dead}")?;
    writeln!(text, "bytes on disk {}", inspection.disk_bytes)?;
    writeln!(
        text,
        "definitions   {} bytes on disk, with the checkpoints",
        inspection.state_bytes
    )?;
    if !inspection.segments.is_empty() {
        writeln!(
            text,
            "\n{:>10} {:>12} {:>12} {:>12} {:>12} {:>10}",
            "segment", "bytes", "live bytes", "dead bytes", "messages", "checkpoint"
        )?;
    }
    for segment in &inspection.segments {
        writeln!(
            text,
            "{:>10} {:>12} {:>12} {:>12} {:>12} {:>10}",
            segment.id,
            segment.bytes,
            segment.live_bytes,
            segment.bytes - segment.live_bytes,
            segment.live_messages,
            if segment.has_checkpoint { "yes" } else { "no" }
        )?;
    }
    write_queues(text, inspection)
}

fn write_queues(text: &mut String, inspection: &Inspection) -> fmt::Result {
    let names: BTreeMap<_, _> = stored_queues(&inspection.queue_records).collect();
    writeln!(
        text,
        "\n{:>12} {:>14} {:>12} {:>12} {:>12}  queue (vhost, name)",
        "messages", "body bytes", "oldest", "newest", "published"
    )?;
    for queue in &inspection.queues {
        let name = match names.get(&queue.queue) {
            Some((vhost, name)) => format!("{vhost} {name}"),
            // A crash came between the deletion of the definition and that of the messages.
            None => format!("deleted, id {}", queue.queue.0),
        };
        write_queue(text, queue, &name)?;
    }
    let empty = names
        .keys()
        .filter(|id| inspection.queues.iter().all(|queue| queue.queue != **id));
    writeln!(text, "\nempty queues  {}", empty.count())
}

/// The oldest and newest message are told by their place in the queue; `published` is the oldest one's timestamp.
fn write_queue(text: &mut String, queue: &QueueInspection, name: &str) -> fmt::Result {
    let published = queue
        .first_timestamp
        .map_or_else(|| "-".to_owned(), |seconds| seconds.to_string());
    writeln!(
        text,
        "{:>12} {:>14} {:>12} {:>12} {:>12}  {name}",
        queue.messages, queue.body_bytes, queue.first_sequence, queue.last_sequence, published
    )
}

fn forget(folder: &FolderArguments) -> Result<String, Failure> {
    let (options, _) = folder.options()?;
    forget_lost(&options)?;
    Ok(format!(
        "{}: the next start finds all queues empty\n",
        options.dir.display()
    ))
}

fn convert_to(folder: &FolderArguments, to: Option<Engine>) -> Result<String, Failure> {
    let (options, config) = folder.options()?;
    let to = to.map_or_else(|| settings::store(&config).engine, EngineKind::from);
    let dir = options.dir.display();
    if to == options.engine {
        return Ok(format!(
            "{dir}: the messages are in the engine \"{}\" already\n",
            to.name()
        ));
    }
    let recovered = convert(&options, to)?;
    Ok(format!(
        "{dir}: {} messages converted from \"{from}\" to \"{to}\"; start the broker with store.messages = \"{to}\"\n",
        recovered.messages,
        from = options.engine.name(),
        to = to.name()
    ))
}
