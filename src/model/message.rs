//! One message, in one allocation.

use std::borrow::Cow;
use std::sync::Arc;

use super::PropertiesView;

/// A published message: exchange, routing key, properties as they came, body.
///
/// All of it lies in one shared allocation, so a clone costs one reference count however many queues hold it, and the
/// content header goes out byte for byte as it came in. The properties are the bytes of the content header behind
/// the body size: property flags and property list (AMQP 0-9-1, section 4.2.6.1).
#[derive(Clone)]
pub struct Message {
    data: Arc<[u8]>,
    properties_len: u32,
    exchange_len: u8,
    routing_key_len: u8,
    /// Its headers have something that receivers are not to see.
    has_secret: bool,
}

/// The header with routing keys that receivers do not see (RabbitMQ: "Sender-selected Distribution").
const SECRET: &str = "BCC";

impl Message {
    /// Puts a message together; `body` may come in several pieces.
    ///
    /// Exchange and routing key are short strings: bytes beyond 255 are cut (the wire cannot carry them, so none
    /// come from there). A routing key may be any bytes, as RabbitMQ has it; an exchange's name is UTF-8.
    #[must_use]
    pub fn new(exchange: &str, routing_key: impl AsRef<[u8]>, properties: &[u8], body: &[&[u8]]) -> Self {
        let exchange = &exchange[..exchange.floor_char_boundary(255)];
        let routing_key = routing_key.as_ref();
        let routing_key = &routing_key[..routing_key.len().min(255)];
        let head = exchange.len() + routing_key.len() + properties.len();
        let total = head + body.iter().map(|piece| piece.len()).sum::<usize>();
        // Collecting from an exact-size repetition makes the shared allocation at once, without a vector before it.
        let mut data: Arc<[u8]> = std::iter::repeat_n(0, total).collect();
        if let Some(mut rest) = Arc::get_mut(&mut data) {
            let pieces = [exchange.as_bytes(), routing_key, properties];
            for piece in pieces.iter().chain(body) {
                let (place, after) = rest.split_at_mut(piece.len());
                place.copy_from_slice(piece);
                rest = after;
            }
        }
        Self {
            data,
            properties_len: properties.len() as u32,
            exchange_len: exchange.len() as u8,
            routing_key_len: routing_key.len() as u8,
            has_secret: false,
        }
    }

    /// The same message, with its header BCC kept from receivers where it has one. The keys stay with the message, for
    /// a dead letter goes to them as well.
    #[must_use]
    pub fn with_secret_keys(mut self) -> Self {
        self.has_secret = self.properties().has_header(&[SECRET]);
        self
    }

    /// The properties to send to a receiver, where they are not the message's own.
    #[must_use]
    pub fn visible_properties(&self) -> Option<Vec<u8>> {
        if !self.has_secret {
            return None;
        }
        let mut properties = self.properties().decode().ok()?;
        if let Some(headers) = &mut properties.headers {
            headers.remove(SECRET);
        }
        Some(properties.encode())
    }

    /// The exchange it was published to, as text.
    #[must_use]
    pub fn exchange(&self) -> &str {
        // Made from a `str`, so the bytes are always UTF-8.
        std::str::from_utf8(self.exchange_bytes()).unwrap_or_default()
    }

    /// The routing key it was published with, as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn routing_key(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.routing_key_bytes())
    }

    /// The exchange as bytes, at most 255.
    #[must_use]
    pub fn exchange_bytes(&self) -> &[u8] {
        &self.data[..self.exchange_len.into()]
    }

    /// The routing key as bytes, at most 255.
    #[must_use]
    pub fn routing_key_bytes(&self) -> &[u8] {
        let at = usize::from(self.exchange_len);
        &self.data[at..at + usize::from(self.routing_key_len)]
    }

    /// Property flags and property list as they came.
    #[must_use]
    pub fn properties_bytes(&self) -> &[u8] {
        let at = usize::from(self.exchange_len) + usize::from(self.routing_key_len);
        &self.data[at..at + self.properties_len as usize]
    }

    /// The properties, read where they lie.
    #[must_use]
    pub fn properties(&self) -> PropertiesView<'_> {
        PropertiesView::new(self.properties_bytes())
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.data[self.body_offset()..]
    }

    /// Length of the body in bytes.
    #[must_use]
    pub fn body_len(&self) -> usize {
        self.data.len() - self.body_offset()
    }

    /// Bytes that the message occupies, names and properties included.
    #[must_use]
    pub fn size(&self) -> usize {
        self.data.len()
    }

    /// The same content under another exchange, routing key and other properties (dead lettering).
    #[must_use]
    pub fn republished(&self, exchange: &str, routing_key: impl AsRef<[u8]>, properties: &[u8]) -> Self {
        let again = Self::new(exchange, routing_key, properties, &[self.body()]);
        if self.has_secret {
            again.with_secret_keys()
        } else {
            again
        }
    }

    fn body_offset(&self) -> usize {
        usize::from(self.exchange_len) + usize::from(self.routing_key_len) + self.properties_len as usize
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("exchange", &self.exchange())
            .field("routing_key", &self.routing_key())
            .field("body_len", &self.body_len())
            .finish_non_exhaustive()
    }
}
