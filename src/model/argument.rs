//! Every argument of queues, exchanges, bindings and consumers, every header and every key of a policy that has a
//! meaning: its name, the values it takes, what it means, since when. Declared once, in [`QUEUE`] and its like.
//!
//! The broker checks declarations and policies by these tables, the configuration checks `[[queues]]` and
//! `[[policies]]` by them, and the table of features in the README is written from them.

mod exchanges;
mod messages;
mod queues;

pub use exchanges::{BINDING, EXCHANGE, EXCHANGE_TYPES, ExchangeType};
pub use messages::{CONSUMER, MESSAGE};
pub use queues::QUEUE;

use super::Millis;

/// The longest time that RabbitMQ takes for a TTL or an expiry: ten years, in milliseconds.
pub const MAX_TIMER_MS: Millis = 315_360_000_000;

/// Which values an argument takes. The broker has RabbitMQ's text for what each refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// An integer from the first to the second.
    Integer(i64, i64),
    /// Milliseconds from this to [`MAX_TIMER_MS`].
    Timer(i64),
    /// One of these integers; and what is said of another, with `{}` for it.
    OneOfIntegers(&'static [i64], &'static str),
    /// `true` or `false`.
    Boolean,
    /// `true` or `false`, as a boolean or in words.
    Switch,
    /// An integer of at least 1, as an integer or in digits.
    Positive,
    /// Any text.
    Text,
    /// The name of an exchange.
    Exchange,
    /// The name of a header: 1 to 255 bytes.
    Header,
    /// One of these words; and what is said of another, with `{}` for it.
    OneOf(&'static [&'static str], &'static str),
    /// Durations such as `1s,10s,1m`.
    Delays,
    /// A number and one of Y, M, D, h, m, s.
    Age,
    /// A table with `count`, `age-s` or both, each at least 1.
    Alert,
    /// A list of texts.
    Texts,
    /// What the key of a group, or a value that is compared, can be.
    Any,
}

/// Which queues an argument is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKinds {
    /// All.
    All,
    /// Classic queues; others refuse it.
    Classic,
    /// Quorum queues; others refuse it.
    Quorum,
    /// Streams, of which there are none: all refuse it.
    Stream,
}

/// Who has the argument beside Warren.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// RabbitMQ.
    RabbitMq,
    /// A plug-in for RabbitMQ.
    PlugIn,
    /// Nobody.
    Warren,
}

impl Origin {
    /// As the README has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RabbitMq => "RabbitMQ",
            Self::PlugIn => "a plug-in for RabbitMQ",
            Self::Warren => "Warren",
        }
    }
}

/// The key of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyKey {
    /// Its name.
    pub name: &'static str,
    /// What RabbitMQ calls it where a value is refused: `-1 is not a valid message TTL`.
    pub title: &'static str,
    /// Whether an operator policy may set it.
    pub operator: bool,
}

/// One argument, header or policy key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name where it is given as an argument; `None` for what only a policy can say.
    pub name: Option<&'static str>,
    /// Which values it takes.
    pub takes: Takes,
    /// What it means, in a sentence or two.
    pub meaning: &'static str,
    /// The version of Warren that has it first.
    pub since: &'static str,
    /// Who else has it.
    pub origin: Origin,
    /// The policy key of the same meaning.
    pub policy: Option<PolicyKey>,
    /// Which queues take it.
    pub kinds: QueueKinds,
    /// Whether a second declaration of the same queue or exchange must repeat it.
    pub repeated: bool,
    /// Whether it can be changed while the queue stands.
    pub changeable: bool,
}

impl Argument {
    const fn new(name: &'static str, takes: Takes, meaning: &'static str) -> Self {
        Self {
            name: Some(name),
            takes,
            meaning,
            since: "0.1.0",
            origin: Origin::RabbitMq,
            policy: None,
            kinds: QueueKinds::All,
            repeated: false,
            changeable: false,
        }
    }

    const fn only_policy(policy: PolicyKey, takes: Takes, meaning: &'static str) -> Self {
        Self {
            name: None,
            policy: Some(policy),
            ..Self::new("", takes, meaning)
        }
    }

    const fn policy(self, name: &'static str, title: &'static str) -> Self {
        let operator = false;
        Self {
            policy: Some(PolicyKey { name, title, operator }),
            ..self
        }
    }

    const fn operator_policy(self, name: &'static str, title: &'static str) -> Self {
        let operator = true;
        Self {
            policy: Some(PolicyKey { name, title, operator }),
            ..self
        }
    }

    const fn from(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    const fn only(self, kinds: QueueKinds) -> Self {
        Self { kinds, ..self }
    }

    const fn repeated(self) -> Self {
        Self { repeated: true, ..self }
    }

    const fn changeable(self) -> Self {
        Self {
            changeable: true,
            ..self
        }
    }
}

impl QueueKinds {
    /// Whether queues of this type take the argument.
    #[must_use]
    pub fn covers(self, quorum: bool) -> bool {
        match self {
            Self::All => true,
            Self::Classic => !quorum,
            Self::Quorum => quorum,
            Self::Stream => false,
        }
    }
}

impl Takes {
    /// The values in words.
    #[must_use]
    pub fn in_words(self) -> String {
        match self {
            Self::Integer(least, i64::MAX) => format!("an integer of at least {least}"),
            Self::Integer(least, most) => format!("an integer from {least} to {most}"),
            Self::Timer(least) => format!("milliseconds from {least} to {MAX_TIMER_MS}"),
            Self::OneOfIntegers(numbers, _) => joined(numbers.iter().map(i64::to_string)),
            Self::Boolean => "true or false".to_owned(),
            Self::Switch => "true or false, also as text".to_owned(),
            Self::Positive => "an integer of at least 1, also as text".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Exchange => "the name of an exchange".to_owned(),
            Self::Header => "the name of a header".to_owned(),
            Self::OneOf(words, _) => joined(words.iter().map(|word| format!("`{word}`"))),
            Self::Delays => "up to 100 durations with ms, s, m, h or d, such as `1s,10s,1m`".to_owned(),
            Self::Age => "a number and one of Y, M, D, h, m, s".to_owned(),
            Self::Alert => "`count`, `age-s` or both, each at least 1".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::Any => "anything".to_owned(),
        }
    }
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// The argument of a queue.
#[must_use]
pub fn of_queue(name: &str) -> Option<&'static Argument> {
    QUEUE.iter().find(|argument| argument.name == Some(name))
}

/// The argument of an exchange.
#[must_use]
pub fn of_exchange(name: &str) -> Option<&'static Argument> {
    EXCHANGE.iter().find(|argument| argument.name == Some(name))
}

/// What a policy key means: queues' and exchanges' together, in order of key.
pub fn policy_keys() -> impl Iterator<Item = (PolicyKey, &'static Argument)> {
    let all = QUEUE.iter().chain(EXCHANGE);
    all.filter_map(|argument| Some((argument.policy?, argument)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_once_and_in_order() {
        for table in [QUEUE, EXCHANGE, BINDING, CONSUMER, MESSAGE] {
            let names: Vec<&str> = table.iter().filter_map(|argument| argument.name).collect();
            assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        }
        let mut keys: Vec<&str> = policy_keys().map(|(key, _)| key.name).collect();
        keys.sort_unstable();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
    }

    #[test]
    fn a_policy_key_is_the_argument_without_its_x() {
        for (key, argument) in policy_keys() {
            let Some(name) = argument.name else { continue };
            assert_eq!(name.strip_prefix("x-").unwrap_or(name), key.name);
        }
    }

    #[test]
    fn every_entry_says_what_it_means() {
        for argument in [QUEUE, EXCHANGE, BINDING, CONSUMER, MESSAGE].concat() {
            assert!(argument.meaning.ends_with('.'), "{argument:?}");
            assert!(!argument.meaning.contains('|'), "{argument:?}");
        }
    }
}
