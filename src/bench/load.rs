//! What a load is: who sends what to which queues.

use std::time::Duration;

use super::address::Address;
use super::wire::FieldValue;

/// How consumers acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckMode {
    /// The broker expects none (`no-ack`).
    None,
    /// One ack frame a message; the frames of one read are written together.
    Each,
    /// One ack with `multiple` for this many messages.
    Batch(u64),
}

/// When producers stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// After this many messages in total.
    Messages(u64),
    /// After this time, counted from the end of the warm-up.
    Duration(Duration),
}

/// An exchange other than the default one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeOption {
    /// `direct`, `fanout`, `topic`, `headers` or a broker's own type.
    pub kind: String,
    /// Its name. One that starts with `amq.` is used and neither declared nor deleted.
    pub name: String,
}

/// One load, checked.
#[derive(Debug, Clone)]
pub struct Load {
    /// Name in reports.
    pub label: String,
    /// The broker.
    pub address: Address,
    /// Producers, each a connection and a thread.
    pub producers: usize,
    /// Consumers, each a connection and a thread. 0 leaves a backlog.
    pub consumers: usize,
    /// Queues, over which producers and consumers are spread.
    pub queues: usize,
    /// What the names of queues start with.
    pub queue_prefix: String,
    /// Body sizes, bytes, taken in turn.
    pub sizes: Vec<usize>,
    /// Unconfirmed messages a producer may have; 0 publishes without confirms.
    pub confirm_window: u64,
    /// Prefetch of each consumer; 0 is no limit.
    pub prefetch: u16,
    /// How consumers acknowledge.
    pub ack: AckMode,
    /// Delivery mode 2.
    pub persistent: bool,
    /// Durable queues and exchange.
    pub durable: bool,
    /// The mandatory bit.
    pub mandatory: bool,
    /// Messages a second of all producers together.
    pub rate_per_s: Option<f64>,
    /// Where to publish; without it the default exchange.
    pub exchange: Option<ExchangeOption>,
    /// The exchange was there before the load, which then leaves it there.
    pub exchange_existed: bool,
    /// Routing key; `{n}` counts from 0 to `key_count` and starts again.
    pub key: Option<String>,
    /// How many values `{n}` has.
    pub key_count: usize,
    /// Binding key of all queues; with `{n}`, one binding for each value, dealt to the queues in
    /// turn.
    pub binding_key: Option<String>,
    /// `x-…` arguments of the queues.
    pub queue_arguments: Vec<(String, FieldValue)>,
    /// When to stop.
    pub limit: Limit,
    /// Time before measuring starts.
    pub warmup: Duration,
    /// How long the load may go without progress before it is given up.
    pub patience: Duration,
    /// The broker's process on this machine.
    pub pid: Option<u32>,
    /// Leave queues and exchange where they are at the end.
    pub keep: bool,
    /// Print no progress.
    pub quiet: bool,
}

/// The numbers of a pattern that `{n}` stands for.
pub fn expand(pattern: &str, count: usize) -> Vec<String> {
    if !pattern.contains("{n}") {
        return vec![pattern.to_owned()];
    }
    (0..count).map(|n| pattern.replace("{n}", &n.to_string())).collect()
}

impl Load {
    /// Name of queue `index`.
    pub fn queue_name(&self, index: usize) -> String {
        format!("{}-{index}", self.queue_prefix)
    }

    /// The exchange's name, empty for the default one.
    pub fn exchange_name(&self) -> &str {
        self.exchange.as_ref().map_or("", |exchange| &exchange.name)
    }

    /// Whether the exchange is the load's own, to declare and to delete.
    pub fn owns_exchange(&self) -> bool {
        let name = self.exchange_name();
        !name.is_empty() && !name.starts_with("amq.") && !self.exchange_existed
    }

    /// Routing keys of producer `index`, in turn. On the default exchange these are its queues.
    pub fn routing_keys(&self, index: usize) -> Vec<String> {
        match &self.key {
            Some(pattern) => expand(pattern, self.key_count),
            None if self.exchange.is_some() => vec![String::new()],
            None => share(index, self.producers, self.queues)
                .map(|queue| self.queue_name(queue))
                .collect(),
        }
    }

    /// Queues of consumer `index`.
    pub fn consumed_queues(&self, index: usize) -> Vec<String> {
        share(index, self.consumers, self.queues)
            .map(|queue| self.queue_name(queue))
            .collect()
    }

    /// Binding keys of queue `index`; none on the default exchange.
    pub fn binding_keys(&self, index: usize) -> Vec<String> {
        let Some(exchange) = &self.exchange else {
            return Vec::new();
        };
        let pattern = match (&self.binding_key, exchange.kind.as_str()) {
            (Some(pattern), _) => pattern.as_str(),
            (None, "topic") => "#",
            (None, "fanout" | "headers") => "",
            (None, _) => self.key.as_deref().unwrap_or(""),
        };
        if !pattern.contains("{n}") {
            return vec![pattern.to_owned()];
        }
        let all = expand(pattern, self.key_count);
        all.into_iter().skip(index).step_by(self.queues).collect()
    }

    /// How many queues get each message, where the options say so for certain.
    pub fn copies(&self) -> Option<u64> {
        let Some(exchange) = &self.exchange else {
            return self.key.is_none().then_some(1);
        };
        let all = Some(self.queues as u64);
        let key = self.key.as_deref().unwrap_or("");
        match (exchange.kind.as_str(), self.binding_key.as_deref()) {
            _ if !self.owns_exchange() => None,
            ("fanout", _) | ("headers", None) | ("topic", None | Some("#")) => all,
            ("direct", None) if !key.contains("{n}") => all,
            ("direct", None) => Some(1),
            ("direct" | "topic", Some(bound)) if bound == key => {
                let counted = key.contains("{n}");
                let plain = !key.contains(['*', '#']);
                plain.then_some(if counted { 1 } else { self.queues as u64 })
            }
            _ => None,
        }
    }
}

/// Which of `items` fall to worker `index` of `workers`: all are covered, as evenly as can be.
fn share(index: usize, workers: usize, items: usize) -> impl Iterator<Item = usize> {
    let first = if workers > items { index % items } else { index };
    (first..items).step_by(workers)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn load() -> Load {
        Load {
            label: "test".into(),
            address: "amqp://localhost".parse().unwrap(),
            producers: 1,
            consumers: 1,
            queues: 1,
            queue_prefix: "q".into(),
            sizes: vec![16],
            confirm_window: 0,
            prefetch: 0,
            ack: AckMode::Each,
            persistent: false,
            durable: false,
            mandatory: false,
            rate_per_s: None,
            exchange: None,
            exchange_existed: false,
            key: None,
            key_count: 4,
            binding_key: None,
            queue_arguments: Vec::new(),
            limit: Limit::Messages(1),
            warmup: Duration::ZERO,
            patience: Duration::from_secs(1),
            pid: None,
            keep: false,
            quiet: true,
        }
    }

    #[test]
    fn queues_are_spread_so_that_each_is_served() {
        for workers in 1..8 {
            for items in 1..8 {
                let mut seen: Vec<usize> = (0..workers).flat_map(|w| share(w, workers, items)).collect();
                assert_eq!(seen.len(), workers.max(items));
                seen.sort_unstable();
                seen.dedup();
                assert_eq!(seen, (0..items).collect::<Vec<_>>());
            }
        }
        let load = Load {
            producers: 2,
            queues: 3,
            ..load()
        };
        assert_eq!(load.routing_keys(0), ["q-0", "q-2"]);
        assert_eq!(load.routing_keys(1), ["q-1"]);
        assert_eq!(load.copies(), Some(1));
    }

    #[track_caller]
    fn check(kind: &str, key: &str, binding: Option<&str>, bound: [&[&str]; 2], copies: Option<u64>) {
        let load = Load {
            queues: 2,
            exchange: Some(ExchangeOption {
                kind: kind.into(),
                name: "x".into(),
            }),
            key: Some(key.into()),
            binding_key: binding.map(str::to_owned),
            ..load()
        };
        assert_eq!(load.binding_keys(0), bound[0]);
        assert_eq!(load.binding_keys(1), bound[1]);
        assert_eq!(load.copies(), copies);
    }

    #[test]
    fn bindings_follow_the_exchange_type() {
        check("fanout", "k", None, [&[""], &[""]], Some(2));
        check("topic", "k.{n}", None, [&["#"], &["#"]], Some(2));
        let dealt: [&[&str]; 2] = [&["k.0", "k.2"], &["k.1", "k.3"]];
        check("direct", "k.{n}", None, dealt, Some(1));
        check("direct", "k", None, [&["k"], &["k"]], Some(2));
        check("topic", "k.{n}", Some("k.{n}"), dealt, Some(1));
        check("topic", "k.{n}", Some("k.*"), [&["k.*"], &["k.*"]], None);
        check("x-hash", "k", Some("1"), [&["1"], &["1"]], None);
    }

    #[test]
    fn exchanges_of_the_broker_are_not_the_loads_own() {
        let mut load = load();
        assert!(!load.owns_exchange());
        load.exchange = Some(ExchangeOption {
            kind: "topic".into(),
            name: "amq.topic".into(),
        });
        assert!(!load.owns_exchange());
        assert_eq!(load.copies(), None, "others may have bound there");
    }
}
