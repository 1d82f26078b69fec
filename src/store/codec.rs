//! A message as bytes: the same in a record of the log and in the values of sled.

use crate::model::{Message, Millis};

/// Bytes before the names: expiry, lengths.
const HEAD_LEN: usize = 8 + 1 + 1 + 4 + 4;
/// Stands for "does not expire".
const NEVER: u64 = u64::MAX;

/// How many bytes [`encode`] appends.
pub(super) fn encoded_len(message: &Message) -> usize {
    HEAD_LEN + message.content_len()
}

/// Appends a message: expiry (u64, all ones for none), length of exchange and of routing key (u8), length of the
/// properties and of the body (u32), then exchange, routing key, properties and body. Little-endian.
pub(super) fn encode(message: &Message, expires_at: Option<Millis>, out: &mut Vec<u8>) {
    let exchange = message.exchange_bytes();
    let routing_key = message.routing_key_bytes();
    let properties = message.properties_bytes();
    out.extend_from_slice(&expires_at.unwrap_or(NEVER).to_le_bytes());
    // Message holds names to 255 bytes and properties to u32.
    out.push(exchange.len() as u8);
    out.push(routing_key.len() as u8);
    out.extend_from_slice(&(properties.len() as u32).to_le_bytes());
    out.extend_from_slice(&(message.body_len() as u32).to_le_bytes());
    for piece in [exchange, routing_key, properties, message.body()] {
        out.extend_from_slice(piece);
    }
}

/// Reads back what [`encode`] wrote; all of `bytes` is one message. `None` where it is not.
pub(super) fn decode(bytes: &[u8]) -> Option<(Message, Option<Millis>)> {
    let (expires, rest) = bytes.split_first_chunk::<8>()?;
    let (&[exchange_len, routing_key_len], rest) = rest.split_first_chunk::<2>()?;
    let (properties_len, rest) = rest.split_first_chunk::<4>()?;
    let (body_len, rest) = rest.split_first_chunk::<4>()?;
    let (exchange, rest) = rest.split_at_checked(exchange_len.into())?;
    let (routing_key, rest) = rest.split_at_checked(routing_key_len.into())?;
    let (properties, body) = rest.split_at_checked(u32::from_le_bytes(*properties_len) as usize)?;
    if body.len() != u32::from_le_bytes(*body_len) as usize {
        return None;
    }
    let message = Message::new(
        std::str::from_utf8(exchange).ok()?,
        std::str::from_utf8(routing_key).ok()?,
        properties,
        &[body],
    );
    let message = message.with_secret_keys();
    let expires = u64::from_le_bytes(*expires);
    Some((message, (expires != NEVER).then_some(expires)))
}
