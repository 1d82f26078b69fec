//! `warren dlq`: dead letters looked at, sent back and removed.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::client::{Client, Failure, encode, path};
use super::{InVhost, Target, done, table};

/// How often a replay is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);

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

/// Which letters are meant: those to which all of this applies.
#[derive(Debug, Args)]
struct Filter {
    /// Only letters that died for this reason
    #[arg(long, value_enum)]
    reason: Option<Reason>,
    /// Only letters that have been there for longer than this, such as 90s, 15m, 12h or 7d
    #[arg(long, value_name = "TIME", value_parser = milliseconds)]
    older_than: Option<u64>,
    /// Only letters with this header; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Reason {
    /// A consumer did not want it
    Rejected,
    /// Its time was up
    Expired,
    /// The queue was full
    Maxlen,
    /// It was returned too often
    DeliveryLimit,
}

fn milliseconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no number with ms, s, m, h or d behind it");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !name.contains(':') => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not NAME=VALUE")),
    }
}

impl Filter {
    fn parts(&self) -> Vec<(&'static str, String)> {
        let reason = self.reason.and_then(|reason| reason.to_possible_value());
        let reason = reason.map(|value| ("reason", value.get_name().to_owned()));
        let age = self.older_than.map(|age| ("older_than_ms", age.to_string()));
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| ("header", format!("{name}:{value}")));
        reason.into_iter().chain(age).chain(headers).collect()
    }

    fn query(&self, more: &[(&str, String)]) -> String {
        let parts = self.parts();
        let pairs = parts
            .iter()
            .chain(more)
            .map(|(name, value)| format!("{name}={}", encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        let mut headers = Vec::new();
        for (name, value) in self.parts() {
            match name {
                "header" => headers.push(Value::from(value)),
                _ => {
                    body.insert(name.to_owned(), value.into());
                }
            }
        }
        if !headers.is_empty() {
            body.insert("header".to_owned(), headers.into());
        }
        body
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
                let to = &letter["replay_to"];
                let to = to.as_object().map(|_| place_text(&to["exchange"], &to["routing_key"]));
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
    fn run(&self) -> Result<(), Failure> {
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

fn letters(count: &Value) -> String {
    match count.as_u64() {
        Some(1) => "1 letter".to_owned(),
        count => format!("{} letters", count.unwrap_or_default()),
    }
}

/// What a replay did, in one line.
fn summary(end: &Value) -> String {
    let count = |name: &str| end[name].as_u64().unwrap_or_default();
    format!(
        "{} sent back; of {} looked at {} were meant, {} lead nowhere and {} were refused or gone",
        letters(&end["replayed"]),
        count("scanned"),
        count("matched"),
        count("unroutable"),
        count("skipped")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, expected) in [
            ("5ms", 5),
            ("90s", 90_000),
            ("15m", 900_000),
            ("12h", 43_200_000),
            ("7d", 604_800_000),
        ] {
            assert_eq!(milliseconds(text), Ok(expected));
        }
        for text in ["", "5", "s", "5 s", "-5s", "5w", "99999999999999999d"] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
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

    #[test]
    fn headers_have_a_name() {
        assert_eq!(header("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(header("=b").is_err() && header("b").is_err() && header("a:b=c").is_err());
    }
}
