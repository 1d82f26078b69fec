//! `warren bench`: a load generator for any AMQP 0-9-1 broker.
//!
//! It is to cost less than the broker that it measures. So there is no client library and no
//! runtime: a producer or consumer is a blocking socket and a thread. Messages are encoded once
//! ([`block`]) and written by the hundred, only the time stamp in the body changes; deliveries and
//! confirms are decoded where they were read ([`frames`], [`deliveries`], [`confirms`]). Nothing
//! is allocated and no clock is read per message.
//!
//! | file | subject |
//! |---|---|
//! | [`arguments`], [`address`], [`load`] | the options, and the load that they describe |
//! | [`wire`], [`block`], [`frames`], [`deliveries`], [`confirms`], [`pace`] | pure: bytes and times in, bytes and counts out |
//! | [`connection`], [`topology`] | the handshake and all methods that are not hot |
//! | [`producer`], [`consumer`], [`shared`] | the threads, and what they share |
//! | [`conductor`] | one load from the first declaration to the last deletion |
//! | [`latency`], [`process`], [`figures`], [`progress`], [`report`], [`rows`] | what was measured, and how it is shown |
//!
//! Neither side waits for the other for ever: reads and writes time out after milliseconds, a
//! producer whose write finds no room reads, a consumer whose acks find no room reads on.

pub mod address;
pub mod arguments;
pub mod block;
pub mod conductor;
pub mod confirms;
pub mod connection;
pub mod consumer;
pub mod deliveries;
pub mod error;
pub mod figures;
pub mod frames;
pub mod latency;
pub mod load;
pub mod pace;
pub mod process;
pub mod producer;
pub mod progress;
pub mod report;
pub mod rows;
pub mod shared;
pub mod topology;
pub mod wire;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

pub use arguments::Arguments;
use arguments::What;
use error::BenchError;
use figures::{Conservation, Figures};

/// Runs `warren bench` and prints its report on standard output. The exit code is 0 if the load
/// ran and every message arrived, else 1; the reason is on standard error.
pub fn run(arguments: &Arguments) -> ExitCode {
    let result = match arguments.what {
        What::Load => run_load(arguments),
        What::Rows => run_rows(arguments),
    };
    match result {
        Ok((text, kept)) => {
            print!("{text}");
            if kept {
                ExitCode::SUCCESS
            } else {
                eprintln!("warren bench: messages are missing or came too often");
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("warren bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_load(arguments: &Arguments) -> Result<(String, bool), BenchError> {
    let figures = conductor::run(&arguments.load()?)?;
    let text = if arguments.json {
        report::json(&figures).map_err(unprintable)? + "\n"
    } else if arguments.csv {
        report::csv(std::slice::from_ref(&figures)).map_err(unprintable)?
    } else {
        report::table(&figures)
    };
    Ok((text, kept(&figures)))
}

fn run_rows(arguments: &Arguments) -> Result<(String, bool), BenchError> {
    let measured = rows::run(&arguments.row()?)?;
    let all_kept = measured.rows.iter().all(|(_, figures)| kept(figures));
    let text = if arguments.json || arguments.csv {
        let rows = measured.rows.into_iter();
        let figures: Vec<Figures> = rows.map(|(_, figures)| figures).collect();
        if arguments.json {
            serde_json::to_string_pretty(&figures).map_err(unprintable)? + "\n"
        } else {
            report::csv(&figures).map_err(unprintable)?
        }
    } else {
        rows::table(&measured)
    };
    Ok((text, all_kept))
}

fn kept(figures: &Figures) -> bool {
    matches!(figures.conservation, Conservation::Kept | Conservation::Unknown)
}

fn unprintable(error: serde_json::Error) -> BenchError {
    BenchError::Options(format!("the figures cannot be printed: {error}"))
}
