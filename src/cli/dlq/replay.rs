//! Sending letters back, with a progress bar, a count at the end, and Ctrl-C to stop.

use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use super::super::client::{Client, Failure};
use super::super::table;
use super::{Filter, Which, letters, place_text};

/// How often a replay is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);

/// Send letters back.
#[derive(Debug, Args)]
pub struct Replay {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    filter: Filter,
    /// To this exchange instead ("" for the default exchange, which leads to the queue named by the key)
    #[arg(long)]
    exchange: Option<String>,
    /// With this routing key instead
    #[arg(long, short = 'k')]
    routing_key: Option<String>,
    /// At most so many letters, from the head on
    #[arg(long)]
    limit: Option<u64>,
    /// At most so many letters a second
    #[arg(long)]
    rate: Option<u64>,
    /// Only say what would go where
    #[arg(long)]
    dry_run: bool,
}

impl Replay {
    pub fn run(&self) -> Result<(), Failure> {
        let which = &self.which;
        let client = which.target.client()?;
        let mut body = self.filter.body();
        let given: [(&str, Option<Value>); 5] = [
            ("exchange", self.exchange.clone().map(Value::from)),
            ("routing_key", self.routing_key.clone().map(Value::from)),
            ("limit", self.limit.map(Value::from)),
            ("rate_per_s", self.rate.map(Value::from)),
            ("dry_run", self.dry_run.then(|| true.into())),
        ];
        body.extend(
            given
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?))),
        );
        let place = format!("{}/replays", which.path());
        let answer = client.call("POST", &place, Some(&Value::Object(body)), &which.named())?;
        if self.dry_run {
            self.tell_dry(&answer.body);
            return Ok(());
        }
        let place = format!("{place}/{}", answer.body["id"]);
        let (end, interrupted) = self.watch(&client, &place)?;
        if which.target.json {
            println!("{end}");
        } else {
            println!("{}", summary(&end));
        }
        match end["state"].as_str() {
            Some("done") => Ok(()),
            Some("failed") => Err(Failure::Rejected(end["error"].as_str().unwrap_or_default().to_owned())),
            _ if interrupted => Err(Failure::Use(
                "interrupted; all other letters are where they were".to_owned(),
            )),
            _ => Err(Failure::Use(
                "stopped by somebody else; all other letters are where they were".to_owned(),
            )),
        }
    }

    /// Follows a replay to its end and stops it when somebody presses Ctrl-C; the bool says so.
    fn watch(&self, client: &Client, place: &str) -> Result<(Value, bool), Failure> {
        let no_signals = |error: std::io::Error| Failure::Use(format!("cannot wait for signals: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(no_signals)?;
        let bar = match self.which.target.json {
            true => ProgressBar::hidden(),
            // Hidden where standard error is no terminal.
            false => ProgressBar::new(0),
        };
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} looked at, {msg}  {elapsed}") {
            bar.set_style(style);
        }
        let watched = runtime.block_on(async {
            let mut interrupted = false;
            let mut interrupts = signal(SignalKind::interrupt()).map_err(no_signals)?;
            loop {
                let status = client.get(place, "the replay")?;
                bar.set_length(status["total"].as_u64().unwrap_or_default());
                bar.set_position(status["scanned"].as_u64().unwrap_or_default());
                bar.set_message(format!("{} sent back", status["replayed"]));
                if status["state"] != "running" {
                    return Ok((status, interrupted));
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    _ = interrupts.recv() => {
                        if interrupted {
                            return Err(Failure::Use("interrupted before the replay came to its end".to_owned()));
                        }
                        interrupted = true;
                        client.call("DELETE", place, None, "the replay")?;
                    }
                }
            }
        });
        bar.finish_and_clear();
        watched
    }

    fn tell_dry(&self, run: &Value) {
        if self.which.target.json {
            println!("{run}");
            return;
        }
        let targets = run["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rows: Vec<Vec<Value>> = targets
            .iter()
            .map(|target| {
                vec![
                    target["messages"].clone(),
                    place_text(&target["exchange"], &target["routing_key"]).into(),
                    target["queues"].clone(),
                    target["refused"].clone(),
                ]
            })
            .collect();
        print!(
            "{}",
            table::render(&["messages", "goes_to", "queues", "refused"], &rows)
        );
        let count = |name: &str| run[name].as_u64().unwrap_or_default();
        println!(
            "of {} letters {} are meant: {} would go, {} lead nowhere, {} may not be sent by this user",
            count("total"),
            count("matched"),
            count("replayed"),
            count("unroutable"),
            count("skipped")
        );
    }
}

/// What a replay did, in one line.
fn summary(end: &Value) -> String {
    let count = |name: &str| end[name].as_u64().unwrap_or_default();
    let partly = match count("partly") {
        0 => String::new(),
        partly => format!(" ({partly} by some of their queues only, to which the next replay sends them)"),
    };
    format!(
        "{} sent back; of {} looked at {} were meant, {} lead nowhere and {} were refused or gone{partly}",
        letters(&end["replayed"]),
        count("scanned"),
        count("matched"),
        count("unroutable"),
        count("skipped")
    )
}
