//! `warren dlq`: dead letters looked at, sent back and removed.

mod filter;
mod replay;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::{Failure, path};
use super::{InVhost, Target, done, table};
use filter::Filter;
pub use replay::Replay;

/// Dead letters: which queues have any, what lies there, sending it back, removing it.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List the queues into which something dead-letters, with depth, age and reasons
    List {
        #[command(flatten)]
        target: Target,
        /// Only of this virtual host
        #[arg(long, short = 'V')]
        vhost: Option<String>,
    },
    /// Look at letters without taking them
    Show(Show),
    /// Send letters back to the exchange and key that they first came from
    Replay(Replay),
    /// Remove letters for good; without a filter all of them
    Purge(Purge),
}

impl Dlq {
    pub(super) fn run(&self) -> Result<(), Failure> {
        match self {
            Self::List { target, vhost } => list(target, vhost.as_deref()),
            Self::Show(show) => show.run(),
            Self::Replay(replay) => replay.run(),
            Self::Purge(purge) => purge.run(),
        }
    }
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    place: InVhost,
    /// The queue with the letters
    queue: String,
}

impl Which {
    fn path(&self) -> String {
        path(&["warren", "dead-letters", &self.place.vhost, &self.queue])
    }

    fn named(&self) -> String {
        format!("queue '{}'", self.queue)
    }
}

fn list(target: &Target, vhost: Option<&str>) -> Result<(), Failure> {
    let parts: Vec<&str> = ["warren", "dead-letters"].into_iter().chain(vhost).collect();
    let named = vhost.map_or_else(String::new, |vhost| format!("vhost '{vhost}'"));
    let body = target.client()?.get(&path(&parts), &named)?;
    if target.json {
        println!("{body}");
        return Ok(());
    }
    let queues = body.as_array().map(Vec::as_slice).unwrap_or_default();
    if queues.is_empty() {
        println!("nothing dead-letters into any queue");
        return Ok(());
    }
    let rows: Vec<Vec<Value>> = queues.iter().map(row).collect();
    let columns = ["vhost", "name", "messages", "oldest", "reasons", "from", "alert"];
    print!("{}", table::render(&columns, &rows));
    Ok(())
}

fn row(queue: &Value) -> Vec<Value> {
    let reasons = queue["reasons"].as_object().into_iter().flatten();
    let reasons = reasons.filter(|(_, count)| count.as_u64() > Some(0));
    let reasons: Vec<String> = reasons.map(|(reason, count)| format!("{reason} {count}")).collect();
    let sources = queue["sources"].as_array().into_iter().flatten();
    let sources: Vec<Value> = sources.map(|source| source["queue"].clone()).collect();
    let alert = match (&queue["alert"], queue["alert"]["raised"].as_bool()) {
        (Value::Null, _) => Value::Null,
        (_, Some(true)) => json!("raised"),
        _ => json!("ok"),
    };
    vec![
        queue["vhost"].clone(),
        queue["name"].clone(),
        queue["messages"].clone(),
        queue["oldest_age_ms"].as_u64().map(age).into(),
        reasons.join(", ").into(),
        sources.into(),
        alert,
    ]
}

/// A time as people say it, in its two largest units.
fn age(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// Look at letters without taking them.
#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    filter: Filter,
    /// How many messages of the queue to pass over
    #[arg(long, default_value_t = 0)]
    position: usize,
    /// How many letters at most, up to 1000
    #[arg(long, short = 'n', default_value_t = 10)]
    count: usize,
}

impl Show {
    fn run(&self) -> Result<(), Failure> {
        let which = &self.which;
        let more = [
            ("position", self.position.to_string()),
            ("count", self.count.to_string()),
        ];
        let place = format!("{}?{}", which.path(), self.filter.query(&more));
        let body = which.target.client()?.get(&place, &which.named())?;
        if which.target.json {
            println!("{body}");
            return Ok(());
        }
        let letters = body.as_array().map(Vec::as_slice).unwrap_or_default();
        if letters.is_empty() {
            println!("no such letter waits there");
            return Ok(());
        }
        let columns = [
            "position",
            "reason",
            "age",
            "deaths",
            "first_queue",
            "goes_to",
            "payload_bytes",
            "payload",
        ];
        let rows: Vec<Vec<Value>> = letters
            .iter()
            .map(|letter| {
                let to = goes_to(letter);
                vec![
                    letter["position"].clone(),
                    letter["reason"].clone(),
                    letter["age_ms"].as_u64().map(age).into(),
                    letter["death_count"].clone(),
                    letter["first_queue"].clone(),
                    to.into(),
                    letter["payload_bytes"].clone(),
                    letter["payload"].clone(),
                ]
            })
            .collect();
        print!("{}", table::render(&columns, &rows));
        Ok(())
    }
}

/// Where a replay sends a letter, and who has it already.
fn goes_to(letter: &Value) -> Option<String> {
    let to = &letter["replay_to"];
    let mut text = to
        .as_object()
        .map(|_| place_text(&to["exchange"], &to["routing_key"]))?;
    let names = letter["already_in"].as_array().into_iter().flatten();
    let names: Vec<&str> = names.filter_map(Value::as_str).collect();
    if !names.is_empty() {
        text += &format!(", already in {}", names.join(", "));
    }
    Some(text)
}

/// Exchange and key in one word.
fn place_text(exchange: &Value, key: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match text(exchange) {
        default if default.is_empty() => format!("(default) {}", text(key)),
        exchange => format!("{exchange} {}", text(key)),
    }
}

/// Remove letters for good.
#[derive(Debug, Args)]
pub struct Purge {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    filter: Filter,
    /// At most so many letters, from the head on
    #[arg(long)]
    limit: Option<u64>,
}

impl Purge {
    fn run(&self) -> Result<(), Failure> {
        let which = &self.which;
        let limit: Vec<_> = self
            .limit
            .map(|limit| ("limit", limit.to_string()))
            .into_iter()
            .collect();
        let place = format!("{}/contents?{}", which.path(), self.filter.query(&limit));
        let answer = which.target.client()?.call("DELETE", &place, None, &which.named())?;
        if which.target.json {
            println!("{}", answer.body);
        }
        done(
            &which.target,
            &format!("{}: {} removed", which.named(), letters(&answer.body["purged"])),
        );
        Ok(())
    }
}

fn letters(count: &Value) -> String {
    match count.as_u64() {
        Some(1) => "1 letter".to_owned(),
        count => format!("{} letters", count.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_two_units() {
        for (milliseconds, text) in [
            (999, "0s"),
            (59_000, "59s"),
            (61_000, "1m 1s"),
            (3_720_000, "1h 2m"),
            (90_000_000, "1d 1h"),
        ] {
            assert_eq!(age(milliseconds), text);
        }
    }
}
