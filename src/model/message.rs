//! One message, in one allocation.

use std::borrow::Cow;
use std::sync::Arc;

use super::PropertiesView;

/// A published message: exchange, routing key, properties as they came, body.
///
/// All of it lies in one shared allocation (of a large one the body in another), so a clone costs one reference count
/// however many queues hold it, and the content header goes out byte for byte as it came in. A message whose frames came
/// together is kept as the piece of the input that it was ([`Message::framed`]); others are put together from their parts.
/// The properties are the bytes of the content header behind the body size: property flags and property list (AMQP
/// 0-9-1, section 4.2.6.1).
#[derive(Clone)]
pub struct Message {
    data: Data,
    properties_len: u32,
    exchange_len: u8,
    routing_key_len: u8,
    /// Its headers have something that receivers are not to see.
    has_secret: bool,
    /// The data is what [`Message::framed`] was given, and not the four parts next to each other.
    is_framed: bool,
}

/// Where a message's bytes lie. No larger than a reference to a slice.
#[derive(Clone)]
enum Data {
    Whole(Arc<[u8]>),
    Apart(Arc<Apart>),
}

/// Names and properties, and a body that was put together before the message was made.
struct Apart {
    head: Box<[u8]>,
    body: Vec<u8>,
}

impl Data {
    /// The bytes in which names and properties lie, and the body as well unless it is apart.
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Apart(apart) => &apart.head,
        }
    }
}

/// In the frames of a publish: a length before each name.
const LENGTH: usize = 1;
/// Between routing key and properties: the method's bits and the end of its frame, the head of the content header's
/// frame, and class, weight and body size (AMQP 0-9-1, sections 2.3.5 and 2.3.5.2).
const KEY_TO_PROPERTIES: usize = 1 + FRAME_END + FRAME_HEAD + 2 + 2 + 8;
/// Between properties and body: the end of one frame and the head of the next.
const PROPERTIES_TO_BODY: usize = FRAME_END + FRAME_HEAD;
/// Type, channel and size.
const FRAME_HEAD: usize = 7;
/// The octet that ends a frame.
const FRAME_END: usize = 1;

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
            data: Data::Whole(data),
            properties_len: properties.len() as u32,
            exchange_len: exchange.len() as u8,
            routing_key_len: routing_key.len() as u8,
            has_secret: false,
            is_framed: false,
        }
    }

    /// A message whose body is worth no copy: it stays where it was put together. Names as for [`Message::new`].
    #[must_use]
    pub fn with_body(exchange: &str, routing_key: impl AsRef<[u8]>, properties: &[u8], body: Vec<u8>) -> Self {
        let head = Self::new(exchange, routing_key, properties, &[]);
        let apart = Apart {
            head: head.data.bytes().into(),
            body,
        };
        Self {
            data: Data::Apart(Arc::new(apart)),
            ..head
        }
    }

    /// A message as it came on the wire, copied in one go: from the length of the exchange's name in `basic.publish` to
    /// the end of the only body frame. That is what goes out again but for the numbers of channels; the 32 bytes of
    /// frames in it cost less than picking the parts out, twice.
    ///
    /// `frames` must be such frames, with an exchange that is UTF-8 and a body that is not empty: the protocol core has
    /// checked them. `properties_len` are the bytes of property flags and list.
    #[must_use]
    pub fn framed(frames: &[u8], properties_len: usize) -> Self {
        let exchange_len = frames[0];
        Self {
            data: Data::Whole(frames.into()),
            properties_len: properties_len as u32,
            exchange_len,
            routing_key_len: frames[LENGTH + usize::from(exchange_len)],
            has_secret: false,
            is_framed: true,
        }
    }

    /// Where the message is kept as it came: the exchange's name and the routing key, each behind its length.
    #[inline]
    #[must_use]
    pub fn framed_names(&self) -> Option<&[u8]> {
        let end = 2 * LENGTH + usize::from(self.exchange_len) + usize::from(self.routing_key_len);
        self.is_framed.then(|| &self.data.bytes()[..end])
    }

    /// Where the message is kept as it came: the end of the method's frame, the content header's and the body's frame, and
    /// where those two begin.
    #[inline]
    #[must_use]
    pub fn framed_content(&self) -> Option<(&[u8], [usize; 2])> {
        if !self.is_framed {
            return None;
        }
        let start = self.key_end() + 1;
        let body_frame = self.body_offset() - FRAME_HEAD - start;
        Some((&self.data.bytes()[start..], [FRAME_END, body_frame]))
    }

    /// The same message, with its header BCC kept from receivers where it has one. The keys stay with the message, for
    /// a dead letter goes to them as well.
    #[must_use]
    pub fn with_secret_keys(mut self) -> Self {
        self.has_secret = self.properties().has_header(&[SECRET]);
        self
    }

    /// The properties to send to a receiver, where they are not the message's own.
    #[inline]
    #[must_use]
    pub fn visible_properties(&self) -> Option<Vec<u8>> {
        if self.has_secret { self.without_secret() } else { None }
    }

    #[cold]
    fn without_secret(&self) -> Option<Vec<u8>> {
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
    #[inline]
    #[must_use]
    pub fn exchange_bytes(&self) -> &[u8] {
        let at = self.gap(LENGTH);
        &self.data.bytes()[at..at + usize::from(self.exchange_len)]
    }

    /// The routing key as bytes, at most 255.
    #[inline]
    #[must_use]
    pub fn routing_key_bytes(&self) -> &[u8] {
        let end = self.key_end();
        &self.data.bytes()[end - usize::from(self.routing_key_len)..end]
    }

    /// Property flags and property list as they came.
    #[inline]
    #[must_use]
    pub fn properties_bytes(&self) -> &[u8] {
        let at = self.properties_offset();
        &self.data.bytes()[at..at + self.properties_len as usize]
    }

    /// The properties, read where they lie.
    #[inline]
    #[must_use]
    pub fn properties(&self) -> PropertiesView<'_> {
        PropertiesView::new(self.properties_bytes())
    }

    /// The body.
    #[inline]
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match &self.data {
            Data::Whole(bytes) => &bytes[self.body_offset()..bytes.len() - self.gap(FRAME_END)],
            Data::Apart(apart) => &apart.body,
        }
    }

    /// Length of the body in bytes.
    #[inline]
    #[must_use]
    pub fn body_len(&self) -> usize {
        match &self.data {
            Data::Whole(bytes) => bytes.len() - self.gap(FRAME_END) - self.body_offset(),
            Data::Apart(apart) => apart.body.len(),
        }
    }

    /// Bytes of names, properties and body.
    #[must_use]
    pub fn content_len(&self) -> usize {
        let names = usize::from(self.exchange_len) + usize::from(self.routing_key_len);
        names + self.properties_len as usize + self.body_len()
    }

    /// Bytes of memory that these occupy.
    #[must_use]
    pub fn size(&self) -> usize {
        match &self.data {
            Data::Whole(bytes) => bytes.len(),
            Data::Apart(apart) => apart.head.len() + apart.body.capacity(),
        }
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

    /// What lies between two parts: nothing, unless the message is kept as it came.
    #[inline]
    fn gap(&self, framed: usize) -> usize {
        if self.is_framed { framed } else { 0 }
    }

    #[inline]
    fn key_end(&self) -> usize {
        self.gap(2 * LENGTH) + usize::from(self.exchange_len) + usize::from(self.routing_key_len)
    }

    #[inline]
    fn properties_offset(&self) -> usize {
        self.key_end() + self.gap(KEY_TO_PROPERTIES)
    }

    #[inline]
    fn body_offset(&self) -> usize {
        self.properties_offset() + self.properties_len as usize + self.gap(PROPERTIES_TO_BODY)
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
