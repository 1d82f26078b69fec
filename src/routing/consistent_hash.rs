//! The consistent hash exchange (RabbitMQ: "Consistent Hash Exchange Type"): each message goes to one binding, the
//! same for the same key, in proportion to the weights that the binding keys give.
//!
//! What is hashed is the routing key, or the header named by `hash-header`, or the property named by `hash-property`
//! (`correlation_id`, `message_id`, `timestamp`). A message without it is hashed like one with an empty one, so all of
//! these go to one binding.
//!
//! The binding is chosen by weighted rendezvous: each gets a score from the hash of key and destination and from its
//! weight, the best wins. So a new binding takes its share from the others in proportion, a binding that goes gives
//! only its own share away, and nothing depends on the order of binding. The cost is linear in the bindings.

use std::collections::BTreeMap;

use super::binding::DestinationName;
use super::error::{BindError, DeclareError};
use super::stable_hash;
use super::traverse::Envelope;
use crate::model::{FieldTable, FieldValue, Name, encode_table};

/// The bindings of one consistent hash exchange.
#[derive(Debug)]
pub(super) struct HashRing {
    hash_on: HashOn,
    members: BTreeMap<u32, Member>,
}

#[derive(Debug)]
struct Member {
    hash: u64,
    weight: f64,
}

/// What of a message is hashed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HashOn {
    RoutingKey,
    Header(Name),
    CorrelationId,
    MessageId,
    Timestamp,
}

impl HashOn {
    /// Reads the arguments of an exchange declaration.
    ///
    /// # Errors
    /// Both arguments at once, one that is no text, or a property that cannot be hashed.
    pub fn new(arguments: &FieldTable) -> Result<Self, DeclareError> {
        let text = |name: &'static str| match arguments.get(name) {
            None => Ok(None),
            Some(value) => match value.as_text() {
                Some(text) => Ok(Some(text)),
                None => Err(DeclareError::argument_type(name, value)),
            },
        };
        match (text("hash-header")?, text("hash-property")?) {
            (None, None) => Ok(Self::RoutingKey),
            (Some(header), None) => Ok(Self::Header(Name::from(header))),
            (None, Some("correlation_id")) => Ok(Self::CorrelationId),
            (None, Some("message_id")) => Ok(Self::MessageId),
            (None, Some("timestamp")) => Ok(Self::Timestamp),
            (None, Some(other)) => Err(DeclareError::HashProperty(other.to_owned())),
            (Some(_), Some(_)) => Err(DeclareError::HashArguments),
        }
    }
}

impl HashRing {
    pub fn new(hash_on: HashOn) -> Self {
        Self {
            hash_on,
            members: BTreeMap::new(),
        }
    }

    pub fn add(&mut self, link: u32, destination: &DestinationName, weight: u32) {
        let kind = stable_hash::hash(destination.kind().as_bytes());
        let hash = stable_hash::mix(kind ^ stable_hash::hash(destination.name().as_bytes()));
        let weight = f64::from(weight);
        self.members.insert(link, Member { hash, weight });
    }

    pub fn remove(&mut self, link: u32) {
        self.members.remove(&link);
    }

    /// Whether the routing key alone decides.
    pub fn is_by_key(&self) -> bool {
        self.hash_on == HashOn::RoutingKey
    }

    fn hash(&self, envelope: &Envelope<'_>) -> u64 {
        let properties = envelope.properties;
        match &self.hash_on {
            HashOn::RoutingKey => stable_hash::hash(envelope.keys.first().unwrap_or(&"").as_bytes()),
            HashOn::Header(name) => envelope.headers().get(name).map_or(stable_hash::hash(b""), hash_value),
            HashOn::CorrelationId => stable_hash::hash(properties.correlation_id().unwrap_or_default()),
            HashOn::MessageId => stable_hash::hash(properties.message_id().unwrap_or_default()),
            HashOn::Timestamp => {
                let text = properties.timestamp().map(|seconds| seconds.to_string());
                stable_hash::hash(text.unwrap_or_default().as_bytes())
            }
        }
    }
}

/// Reads a binding key: the weight of the binding, capped at 2^32 - 1.
///
/// # Errors
/// It is no integer, or less than 1.
pub(super) fn weight(key: &str) -> Result<u32, BindError> {
    let (negative, digits) = match key.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BindError::WeightNotInteger(key.to_owned()));
    }
    let value = digits.iter().fold(0_u32, |value, digit| {
        value.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
    });
    if negative || value == 0 {
        return Err(BindError::WeightNotPositive);
    }
    Ok(value)
}

/// The binding that the message falls on.
pub(super) fn select(ring: &HashRing, envelope: &Envelope<'_>, each: &mut impl FnMut(u32)) {
    let hash = ring.hash(envelope);
    let best = ring
        .members
        .iter()
        .map(|(&link, member)| (member.score(hash), link))
        .max_by(|left, right| left.0.total_cmp(&right.0));
    if let Some((_, link)) = best {
        each(link);
    }
}

impl Member {
    /// Exponentially distributed with the weight as its rate: the greatest of all is this one's with a probability of
    /// weight over the sum of weights.
    fn score(&self, hash: u64) -> f64 {
        let mixed = stable_hash::mix(hash ^ self.hash);
        // The upper 53 bits, moved by half a step, are strictly between 0 and 1.
        let uniform = ((mixed >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        self.weight / -uniform.ln()
    }
}

fn hash_value(value: &FieldValue) -> u64 {
    match value {
        FieldValue::LongString(bytes) | FieldValue::Bytes(bytes) => stable_hash::hash(bytes),
        other => match other.as_integer() {
            Some(integer) => stable_hash::hash(integer.to_string().as_bytes()),
            None => {
                let mut bytes = Vec::new();
                encode_table(&FieldTable::from_iter([("", other.clone())]), &mut bytes);
                stable_hash::hash(&bytes)
            }
        },
    }
}
