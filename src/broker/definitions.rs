//! Exchanges, queues and bindings as they are kept: one record each, in JSON with its version.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::model::{FieldTable, decode_table, encode_table};
use crate::store::{Pairs, QueueId, StateChange, Table};

/// A durable exchange.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExchangeRecord {
    pub vhost: String,
    pub name: String,
    pub kind: String,
    pub auto_delete: bool,
    pub internal: bool,
    /// Under which id the store has the messages that wait in a delayed exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<u64>,
    /// Under which id the store has the values that a deduplicating exchange has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
    /// The field table as on the wire, in base64: every type comes back as it was.
    pub arguments: String,
}

/// A durable queue.
#[derive(Debug, Serialize, Deserialize)]
pub struct QueueRecord {
    pub vhost: String,
    pub name: String,
    pub id: u64,
    /// Under which id the store has the values that a deduplicating queue has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<u64>,
    pub auto_delete: bool,
    pub arguments: String,
    /// It hands nothing out.
    #[serde(default)]
    pub paused: bool,
    /// Arguments that were changed after the declaration, as a table; void for one that was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
}

/// A binding between durable things.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BindingRecord {
    pub vhost: String,
    pub source: String,
    pub destination: String,
    pub to_exchange: bool,
    pub routing_key: String,
    pub arguments: String,
}

/// A vhost.
#[derive(Debug, Serialize, Deserialize)]
pub struct VhostRecord {
    pub name: String,
    pub description: String,
}

/// A table as the records carry it.
pub fn pack(table: &FieldTable) -> String {
    let mut bytes = Vec::new();
    encode_table(table, &mut bytes);
    BASE64.encode(bytes)
}

/// The table of a record.
pub fn unpack(text: &str) -> Result<FieldTable, String> {
    let bytes = BASE64.decode(text).map_err(|error| error.to_string())?;
    Ok(decode_table(&bytes).map_err(|error| error.to_string())?.0)
}

/// The key of what belongs to a vhost: its parts, each closed by a zero byte, which no name may hold on the wire
/// unescaped (a zero in a name is doubled).
pub fn key(parts: &[&str]) -> Vec<u8> {
    let mut key = Vec::new();
    for part in parts {
        for byte in part.bytes() {
            key.push(byte);
            if byte == 0 {
                key.push(1);
            }
        }
        key.extend_from_slice(&[0, 0]);
    }
    key
}

/// A change that stores `record`.
pub fn put(table: Table, key: Vec<u8>, record: &impl Serialize) -> StateChange {
    // Plain structs of strings, numbers and booleans always serialise.
    let value = serde_json::to_vec(record).unwrap_or_default();
    StateChange::Put(table, key, value)
}

/// The queues of stored records: id, vhost and name. A record that cannot be read is passed over.
pub fn stored_queues(records: &Pairs) -> impl Iterator<Item = (QueueId, (String, String))> {
    records.iter().filter_map(|(_, value)| {
        let record: QueueRecord = serde_json::from_slice(value).ok()?;
        Some((QueueId(record.id), (record.vhost, record.name)))
    })
}

impl BindingRecord {
    /// Its key in the store.
    pub fn key(&self) -> Vec<u8> {
        let kind = if self.to_exchange { "e" } else { "q" };
        key(&[
            &self.vhost,
            &self.source,
            kind,
            &self.destination,
            &self.routing_key,
            &self.arguments,
        ])
    }
}
