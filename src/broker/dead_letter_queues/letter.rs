//! What a dead letter tells of itself, and where it is sent back to.

use crate::model::{FieldTable, FieldValue, Message, Millis, Name, Properties};
use crate::queue::{DeathReason, Sequence, WaitingPlace};
use crate::routing::sender_selected_keys;

use super::super::queue_cell::{PeekedMessage, WaitingMessage};
use super::super::x_death::{DEATHS_BEFORE_REPLAY, Death, Deaths};
use super::ReplayRequest;

/// The header that counts how often an operator sent the message back.
const REPLAY_COUNT: &str = "x-replay-count";

impl DeathReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Rejected, Self::Expired, Self::MaxLength, Self::DeliveryLimit];

    /// The reason of this word in `x-death`; `None` where there is none.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// Which letters are meant: those to which all of this applies. Without anything, all messages of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// The reason of the last death.
    pub reason: Option<DeathReason>,
    /// They came here more than so many milliseconds ago.
    pub older_than_ms: Option<Millis>,
    /// They have these headers with these values; numbers and booleans are compared as they are written.
    pub headers: Vec<(String, String)>,
}

impl LetterFilter {
    /// Whether every message is meant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether this letter is meant.
    #[must_use]
    pub fn matches(&self, letter: &Letter, now: Millis) -> bool {
        let reason = self.reason.is_none_or(|reason| letter.reason() == Some(reason.word()));
        let age = self.older_than_ms.is_none_or(|age| letter.age_ms(now) > age);
        let has = |(name, value): &(String, String)| {
            let found = letter.headers.get(name).and_then(written);
            found.as_deref() == Some(value)
        };
        reason && age && self.headers.iter().all(has)
    }
}

/// A value as people write it.
fn written(value: &FieldValue) -> Option<String> {
    if let FieldValue::Bool(flag) = value {
        return Some(flag.to_string());
    }
    let text = value.as_text().map(str::to_owned);
    text.or_else(|| value.as_integer().map(|number| number.to_string()))
}

/// How long a message with these headers has been in its queue, which knows since when it has it.
pub(super) fn age_ms(came: Millis, headers: &FieldTable, now: Millis) -> Millis {
    age(came, &Deaths::of(headers), now)
}

fn age(came: Millis, deaths: &Deaths, now: Millis) -> Millis {
    let died = deaths.latest().filter(|death| death.count == 1);
    let died = died.map(|death| death.time_s.saturating_mul(1000));
    let since = died.filter(|died| *died > 0 && died / 1000 < came / 1000);
    now.saturating_sub(since.unwrap_or(came))
}

/// Where a letter is sent back to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplayTo {
    /// The exchange.
    pub exchange: Name,
    /// The keys: the routing key, then those of CC.
    pub keys: Vec<String>,
}

/// A message of a dead-letter queue with its history; one that nobody dead-lettered has none.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The message where it waits.
    pub waiting: WaitingMessage,
    headers: FieldTable,
    deaths: Deaths,
}

impl Letter {
    /// Reads the history of a message.
    #[must_use]
    pub fn new(waiting: WaitingMessage) -> Self {
        let headers = waiting.message.properties().headers().unwrap_or_default();
        let deaths = Deaths::of(&headers);
        Self {
            waiting,
            headers,
            deaths,
        }
    }

    /// Its number in the queue.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.waiting.place.sequence
    }

    /// What the queue needs to hand it out.
    #[must_use]
    pub fn wanted(&self) -> (WaitingPlace, Message) {
        (self.waiting.place, self.waiting.message.clone())
    }

    /// As a look at the queue shows it.
    #[must_use]
    pub fn peeked(&self, position: usize) -> PeekedMessage {
        let waiting = &self.waiting;
        PeekedMessage {
            position,
            message: waiting.message.clone(),
            enqueued_at: waiting.enqueued_at,
            expires_at: waiting.expires_at,
            redelivered: waiting.redelivered,
            delivery_count: waiting.delivery_count,
        }
    }

    /// Why it died last.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.deaths.latest().map(|death| death.reason.as_str())
    }

    /// The queue in which it died first.
    #[must_use]
    pub fn first_queue(&self) -> Option<&str> {
        self.first().map(|death| death.queue.as_str())
    }

    /// The exchange to which it was published first.
    #[must_use]
    pub fn first_exchange(&self) -> Option<&str> {
        self.first().map(|death| death.exchange.as_str())
    }

    /// The routing key with which it was published first.
    #[must_use]
    pub fn first_routing_key(&self) -> Option<&str> {
        self.first()?.routing_keys.first()?.as_text()
    }

    /// How often it died.
    #[must_use]
    pub fn death_count(&self) -> u64 {
        self.deaths.total()
    }

    /// How long it has been here, in milliseconds. After a restart, when the queue itself no longer knows, since the
    /// second of its death, if it died there and so but once.
    #[must_use]
    pub fn age_ms(&self, now: Millis) -> Millis {
        age(self.waiting.enqueued_at, &self.deaths, now)
    }

    /// Where a replay sends it: as the request says, and to where it was published first otherwise. `None` where
    /// neither knows.
    #[must_use]
    pub fn replay_to(&self, request: &ReplayRequest) -> Option<ReplayTo> {
        let first = self.first();
        let exchange = match &request.exchange {
            Some(exchange) => exchange.clone(),
            None => first?.exchange.as_str().into(),
        };
        let keys = match (&request.routing_key, first) {
            (Some(key), _) => vec![key.to_string()],
            (None, Some(first)) => {
                let keys = first.routing_keys.iter().filter_map(FieldValue::as_text);
                keys.map(str::to_owned).collect()
            }
            (None, None) => self.own_keys(),
        };
        (!keys.is_empty()).then_some(ReplayTo { exchange, keys })
    }

    /// The message as it is sent back: under its new exchange and key, with CC as it was, its history as it is, and a
    /// note that it was sent back. Its expiration stays away, as dead lettering took it: it would only expire again.
    #[must_use]
    pub fn sent_back(&self, to: &ReplayTo) -> Message {
        let old = &self.waiting.message;
        let mut headers = self.headers.clone();
        let count = headers.get(REPLAY_COUNT).and_then(FieldValue::as_integer).unwrap_or(0);
        headers.insert(REPLAY_COUNT, FieldValue::I64(count.saturating_add(1)));
        let deaths = i64::try_from(self.deaths.total()).unwrap_or(i64::MAX);
        headers.insert(DEATHS_BEFORE_REPLAY, FieldValue::I64(deaths));
        match &to.keys[1..] {
            [] => {
                headers.remove("CC");
            }
            further => {
                let further = further.iter().map(|key| FieldValue::text(key)).collect();
                headers.insert("CC", FieldValue::Array(further));
            }
        }
        let properties = Properties {
            headers: Some(headers),
            ..old.properties().decode().unwrap_or_default()
        };
        old.republished(&to.exchange, &to.keys[0], &properties.encode())
    }

    fn first(&self) -> Option<&Death> {
        self.deaths.first(&self.headers)
    }

    fn own_keys(&self) -> Vec<String> {
        let mut keys = vec![self.waiting.message.routing_key().into_owned()];
        let further = sender_selected_keys(&self.headers).unwrap_or_default();
        keys.extend(further.into_iter().map(str::to_owned));
        keys
    }
}
