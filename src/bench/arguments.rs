//! The options of `warren bench`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::address::Address;
use super::error::BenchError;
use super::load::{AckMode, ExchangeOption, Limit, Load};
use super::wire::FieldValue;

const DEFAULT_DURATION_S: f64 = 10.0;
const DEFAULT_WARMUP_S: f64 = 2.0;
/// Durations of one load of `rows`: there are ten.
const DEFAULT_ROW_DURATION_S: f64 = 5.0;
const DEFAULT_ROW_WARMUP_S: f64 = 1.0;

/// Drive a load against an AMQP 0-9-1 broker and measure it.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// What to run: one load made of the options, or the fixed rows that brokers are compared by
    /// (of the options those take --url, --pid, --duration-s, --warmup-s, --json, --csv, --label,
    /// --quiet).
    #[arg(value_enum, default_value = "load")]
    pub what: What,
    /// The broker: amqp://user:password@host:port/vhost.
    #[arg(long, default_value = "amqp://guest:guest@127.0.0.1:5672/")]
    pub url: Address,
    /// Name of the load in reports.
    #[arg(long, default_value = "bench")]
    pub label: String,
    /// Producers, each with a connection.
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = count)]
    pub producers: usize,
    /// Consumers, each with a connection.
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = count)]
    pub consumers: usize,
    /// No consumer: messages stay in the queues until the end.
    #[arg(long, conflicts_with = "consumers")]
    pub no_consumer: bool,
    /// Queues, over which producers and consumers are spread.
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = count)]
    pub queues: usize,
    /// Body size in bytes, or several with commas between, taken in turn.
    #[arg(long, value_name = "BYTES", default_value = "16", value_delimiter = ',', value_parser = body_bytes)]
    pub size: Vec<usize>,
    /// Unconfirmed messages that each producer may have; 0 publishes without confirms.
    #[arg(long, value_name = "WINDOW", default_value = "0", value_parser = clap::value_parser!(u64).range(..=10_000_000))]
    pub confirm: u64,
    /// Unacknowledged messages that each consumer may have; 0 is no limit.
    #[arg(long, value_name = "MESSAGES", default_value = "1000")]
    pub prefetch: u16,
    /// How consumers acknowledge: each, batch:N or none.
    #[arg(long, value_name = "MODE", default_value = "each", value_parser = ack_mode)]
    pub ack: AckMode,
    /// Publish with delivery mode 2.
    #[arg(long)]
    pub persistent: bool,
    /// Declare durable queues and a durable exchange.
    #[arg(long)]
    pub durable: bool,
    /// Publish with the mandatory flag and count what is returned.
    #[arg(long)]
    pub mandatory: bool,
    /// Messages a second of all producers together; without it, as fast as the broker takes
    /// them. Latency counts from the moment at which a message was to be sent.
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub rate: Option<f64>,
    /// Publish to this exchange instead of the default one. It is declared and deleted if it is
    /// not there before.
    #[arg(long, value_name = "TYPE:NAME", value_parser = exchange)]
    pub exchange: Option<ExchangeOption>,
    /// Routing key; what stands in braces counts from 0 to --key-count and starts again.
    // The pattern is shown by the value's name: clap writes a new line for it in a text.
    #[arg(long, value_name = "KEY.{n}", value_parser = routing_key)]
    pub key: Option<String>,
    /// How many values the number in the keys takes.
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = count)]
    pub key_count: usize,
    /// Binding key of the queues; with a number in braces, one binding for each value, dealt to the
    /// queues in turn. Default: `#` for topic, --key for direct.
    #[arg(long, value_name = "KEY.{n}", requires = "exchange", value_parser = routing_key)]
    pub binding_key: Option<String>,
    /// Argument of the queues, such as x-queue-type=quorum; whole numbers and true/false are
    /// sent as such, all else as text. May be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = queue_argument)]
    pub queue_argument: Vec<(String, FieldValue)>,
    /// Stop after this many messages in total.
    #[arg(long, value_name = "COUNT", conflicts_with = "duration_s", value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: Option<u64>,
    /// Measure for this many seconds [default: 10; of each row 5].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub duration_s: Option<Duration>,
    /// Run for this many seconds before measuring [default: 2; of each row 1; with --messages 0].
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub warmup_s: Option<Duration>,
    /// Give up after this many seconds in which nothing moves.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub patience_s: Duration,
    /// Process id of the broker on this machine, for its CPU and memory.
    #[arg(long)]
    pub pid: Option<u32>,
    /// Leave queues and exchange, with what is in them, where they are at the end.
    #[arg(long)]
    pub keep: bool,
    /// Print JSON.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print CSV.
    #[arg(long)]
    pub csv: bool,
    /// Print no progress on standard error.
    #[arg(long)]
    pub quiet: bool,
}

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// One load.
    Load,
    /// The rows that brokers are compared by.
    Rows,
}

impl Arguments {
    /// The load that the options describe.
    ///
    /// # Errors
    /// Options that do not go together.
    pub fn load(&self) -> Result<Load, BenchError> {
        if let AckMode::Batch(size) = self.ack
            && self.prefetch > 0
            && size > u64::from(self.prefetch)
        {
            return Err(BenchError::Options(format!(
                "--ack batch:{size} would wait for ever with --prefetch {}: take a batch of at \
                 most the prefetch",
                self.prefetch
            )));
        }
        let limit = match (self.messages, self.duration_s) {
            (Some(messages), _) => Limit::Messages(messages),
            (None, Some(duration)) => Limit::Duration(duration),
            (None, None) => Limit::Duration(Duration::from_secs_f64(DEFAULT_DURATION_S)),
        };
        let warmup = match limit {
            Limit::Messages(_) => Duration::ZERO,
            Limit::Duration(_) => Duration::from_secs_f64(DEFAULT_WARMUP_S),
        };
        // A slow rate moves nothing for a while without being stuck.
        let interval = self.rate.map_or(0.0, |rate| 3.0 / rate);
        let patience = self.patience_s.max(Duration::from_secs_f64(interval.min(1e9)));
        Ok(Load {
            label: self.label.clone(),
            address: self.url.clone(),
            producers: self.producers,
            consumers: if self.no_consumer { 0 } else { self.consumers },
            queues: self.queues,
            queue_prefix: queue_prefix(),
            sizes: self.size.clone(),
            confirm_window: self.confirm,
            prefetch: self.prefetch,
            ack: self.ack,
            persistent: self.persistent,
            durable: self.durable,
            mandatory: self.mandatory,
            rate_per_s: self.rate,
            exchange: self.exchange.clone(),
            exchange_existed: false,
            key: self.key.clone(),
            key_count: self.key_count,
            binding_key: self.binding_key.clone(),
            queue_arguments: self.queue_argument.clone(),
            limit,
            warmup: self.warmup_s.unwrap_or(warmup),
            patience,
            pid: self.pid,
            keep: self.keep,
            quiet: self.quiet,
        })
    }

    /// The load that all rows start from: one producer, one consumer, as long as asked for.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn row(&self) -> Result<Load, BenchError> {
        let default = |seconds| move || Duration::from_secs_f64(seconds);
        let duration = self.duration_s.unwrap_or_else(default(DEFAULT_ROW_DURATION_S));
        let warmup = self.warmup_s.unwrap_or_else(default(DEFAULT_ROW_WARMUP_S));
        Ok(Load {
            limit: Limit::Duration(duration),
            warmup,
            ..self.load()?
        })
    }
}

/// A prefix that no other load and no application uses.
fn queue_prefix() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanoseconds = since.map_or(0, |since| since.as_nanos());
    format!("warren-bench-{}-{nanoseconds:x}", std::process::id())
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=10_000_000) => Ok(number),
        _ => Err("give a whole number from 1 to 10000000".to_owned()),
    }
}

fn body_bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 0..=134_217_728) => Ok(number),
        _ => Err("give a number of bytes from 0 to 134217728 (128 MiB)".to_owned()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e9).contains(&rate) => Ok(rate),
        _ => Err("give messages a second, over 0.001".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=1e6).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give seconds from 0 to 1000000".to_owned()),
    }
}

fn ack_mode(text: &str) -> Result<AckMode, String> {
    match (text, text.strip_prefix("batch:").map(str::parse)) {
        ("none", _) => Ok(AckMode::None),
        ("each", _) => Ok(AckMode::Each),
        (_, Some(Ok(size @ 1..))) => Ok(AckMode::Batch(size)),
        _ => Err("give each, batch:N or none".to_owned()),
    }
}

fn exchange(text: &str) -> Result<ExchangeOption, String> {
    match text.split_once(':') {
        Some((kind, name)) if !kind.is_empty() && (1..=255).contains(&name.len()) => Ok(ExchangeOption {
            kind: kind.to_owned(),
            name: name.to_owned(),
        }),
        _ => Err("give TYPE:NAME, such as topic:events".to_owned()),
    }
}

/// A short string on the wire; `{n}` may grow to eight digits.
fn routing_key(text: &str) -> Result<String, String> {
    if text.len() <= 250 {
        Ok(text.to_owned())
    } else {
        Err("a routing key is at most 250 bytes".to_owned())
    }
}

fn queue_argument(text: &str) -> Result<(String, FieldValue), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| (1..=255).contains(&name.len()))
        .ok_or("give NAME=VALUE, such as x-max-length=1000")?;
    let value = match (value, value.parse()) {
        (_, Ok(number)) => FieldValue::Integer(number),
        ("true" | "false", _) => FieldValue::Boolean(value == "true"),
        _ => FieldValue::Text(value.to_owned()),
    };
    Ok((name.to_owned(), value))
}

#[cfg(test)]
pub(super) mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        arguments: Arguments,
    }

    pub fn parsed(line: &str) -> Result<Arguments, String> {
        let words = std::iter::once("bench").chain(line.split_whitespace());
        let program = Program::try_parse_from(words);
        program
            .map(|program| program.arguments)
            .map_err(|error| error.to_string())
    }

    fn load(line: &str) -> Load {
        parsed(line).unwrap().load().unwrap()
    }

    #[test]
    fn the_help_shows_how_a_number_is_written_in_a_key() {
        let help = parsed("--help").unwrap_err();
        for line in ["--key <KEY.{n}>", "--binding-key <KEY.{n}>"] {
            assert!(help.contains(line), "{line} is not in {help}");
        }
        assert!(
            !help.lines().any(|line| line.trim_start().starts_with("in it")),
            "{help}"
        );
    }

    #[test]
    fn without_options() {
        let load = load("");
        assert_eq!(load.address.to_string(), "127.0.0.1:5672");
        assert_eq!((load.producers, load.consumers, load.queues), (1, 1, 1));
        assert_eq!(load.sizes, [16]);
        assert_eq!(load.limit, Limit::Duration(Duration::from_secs(10)));
        assert_eq!(load.warmup, Duration::from_secs(2));
        assert_eq!(parsed("").unwrap().what, What::Load);
    }

    #[test]
    fn all_options_of_a_load() {
        let load = load(
            "--url amqp://u:p@h:1/v --producers 2 --queues 3 --no-consumer --size 16,1024,16384 \
             --confirm 1000 --prefetch 50 --ack batch:50 --persistent --durable --mandatory \
             --rate 2000 --exchange topic:events --key key.{n} --key-count 7 --binding-key key.* \
             --queue-argument x-max-length=5 --queue-argument x-queue-mode=lazy \
             --queue-argument x-flag=true --messages 9 --pid 4 --label l --keep --quiet",
        );
        assert_eq!((load.producers, load.consumers, load.queues), (2, 0, 3));
        assert_eq!(load.sizes, [16, 1024, 16384]);
        assert_eq!((load.confirm_window, load.prefetch), (1000, 50));
        assert_eq!(load.ack, AckMode::Batch(50));
        assert!(load.persistent && load.durable && load.mandatory && load.keep && load.quiet);
        assert_eq!(load.rate_per_s, Some(2000.0));
        assert_eq!(load.exchange_name(), "events");
        assert_eq!(load.routing_keys(0).len(), 7);
        assert_eq!(
            load.queue_arguments,
            [
                ("x-max-length".into(), FieldValue::Integer(5)),
                ("x-queue-mode".into(), FieldValue::Text("lazy".into())),
                ("x-flag".into(), FieldValue::Boolean(true)),
            ]
        );
        assert_eq!(load.limit, Limit::Messages(9));
        assert_eq!((load.warmup, load.pid), (Duration::ZERO, Some(4)));
    }

    #[test]
    fn rows_have_their_own_durations() {
        let arguments = parsed("rows --url amqp://h").unwrap();
        assert_eq!(arguments.what, What::Rows);
        let row = arguments.row().unwrap();
        assert_eq!(row.limit, Limit::Duration(Duration::from_secs(5)));
        let row = parsed("rows --duration-s 0.5").unwrap().row().unwrap();
        assert_eq!(row.limit, Limit::Duration(Duration::from_millis(500)));
    }

    #[track_caller]
    fn refused(line: &str, reason: &str) {
        let error = parsed(line).unwrap_err();
        assert!(error.contains(reason), "{line}: {error}");
    }

    #[test]
    fn options_that_are_refused() {
        refused("--url http://h", "starts with amqp://");
        refused("--producers 0", "from 1 to");
        refused("--size 16,x", "number of bytes");
        refused("--ack some", "each, batch:N or none");
        refused("--ack batch:0", "each, batch:N or none");
        refused("--rate 0", "messages a second");
        refused("--rate nan", "messages a second");
        refused("--exchange topic", "TYPE:NAME");
        refused("--binding-key x", "--exchange");
        refused("--queue-argument x", "NAME=VALUE");
        refused("--messages 1 --duration-s 1", "cannot be used");
        refused("--no-consumer --consumers 2", "cannot be used");
        refused("--duration-s=-1", "seconds from 0");
        let stuck = parsed("--ack batch:11 --prefetch 10").unwrap().load();
        assert!(stuck.unwrap_err().to_string().contains("batch:11"));
    }
}
