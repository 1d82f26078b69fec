//! A published message: lying in the input, or put together from frames that came apart.

use crate::model::{Message, PropertiesView};

use super::channel::publish::PublishMethod;

/// A body's first room; it grows as the body comes, so that announcing a large one costs nothing.
const FIRST_ROOM: usize = 64 * 1024;

/// From so many bytes on, to copy a body costs more than to keep it in an allocation of its own.
const MOVED_BODY_MIN: usize = 32 * 1024;

/// A whole message as a client published it.
#[derive(Debug)]
pub struct Publish<'a> {
    /// Give the message back if it reaches no queue.
    pub mandatory: bool,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    InPlace {
        /// From the length of the exchange's name to the end of the last frame.
        frames: &'a [u8],
        exchange: &'a str,
        routing_key_len: u8,
        /// Where the properties begin in `frames`.
        properties_at: u16,
        properties_len: u32,
        /// The body is in one frame, the last one.
        body_len: u32,
    },
    Assembled(Box<PendingContent>),
}

impl<'a> Publish<'a> {
    /// `frames` are as above; the properties begin at `properties_at` in them, and the body is in the last one.
    #[inline]
    pub(super) fn in_place(
        frames: &'a [u8],
        method: &PublishMethod<'a>,
        (properties_at, properties_len): (usize, usize),
        body_len: usize,
    ) -> Self {
        let PublishMethod {
            exchange,
            routing_key,
            mandatory,
        } = *method;
        Self {
            mandatory,
            // Method and header are in front of the properties: two names of at most 255 bytes and what is between. The
            // others are less than a frame.
            content: Content::InPlace {
                frames,
                exchange,
                routing_key_len: routing_key.len() as u8,
                properties_at: properties_at as u16,
                properties_len: properties_len as u32,
                body_len: body_len as u32,
            },
        }
    }

    pub(super) fn assembled(content: Box<PendingContent>) -> Self {
        Self {
            mandatory: content.mandatory,
            content: Content::Assembled(content),
        }
    }

    /// The exchange.
    #[inline]
    #[must_use]
    pub fn exchange(&self) -> &str {
        match &self.content {
            Content::InPlace { exchange, .. } => exchange,
            Content::Assembled(content) => &content.exchange,
        }
    }

    /// The exchange and the routing key, each behind its length, where the publish lies in one piece: two publishes
    /// with the same address go the same way.
    #[inline]
    #[must_use]
    pub fn address(&self) -> Option<&[u8]> {
        match &self.content {
            Content::InPlace {
                frames,
                exchange,
                routing_key_len,
                ..
            } => Some(&frames[..2 + exchange.len() + usize::from(*routing_key_len)]),
            Content::Assembled(_) => None,
        }
    }

    /// The routing key: a short string, mostly UTF-8.
    #[inline]
    #[must_use]
    pub fn routing_key(&self) -> &[u8] {
        match &self.content {
            Content::InPlace {
                frames,
                exchange,
                routing_key_len,
                ..
            } => &frames[2 + exchange.len()..][..usize::from(*routing_key_len)],
            Content::Assembled(content) => &content.routing_key,
        }
    }

    /// Property flags and list as they came. They have been checked, the headers table included.
    #[inline]
    #[must_use]
    pub fn properties_bytes(&self) -> &[u8] {
        match &self.content {
            Content::InPlace {
                frames,
                properties_at,
                properties_len,
                ..
            } => &frames[usize::from(*properties_at)..][..*properties_len as usize],
            Content::Assembled(content) => &content.properties,
        }
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
        match &self.content {
            Content::InPlace { body_len: 0, .. } => &[],
            Content::InPlace { frames, body_len, .. } => {
                let end = frames.len() - 1;
                &frames[end - *body_len as usize..end]
            }
            Content::Assembled(content) => &content.body,
        }
    }

    /// The message, copied out of the input once; a large body that was put together is moved, and gone from here.
    #[inline]
    #[must_use]
    pub fn take_message(&mut self) -> Message {
        match &self.content {
            Content::InPlace {
                frames,
                properties_len,
                body_len: 1..,
                ..
            } => Message::framed(frames, *properties_len as usize),
            _ => self.take_message_with(None),
        }
    }

    /// The message with other properties, if any are given.
    #[must_use]
    pub fn take_message_with(&mut self, properties: Option<&[u8]>) -> Message {
        let large = match &mut self.content {
            Content::Assembled(content) if content.body.len() >= MOVED_BODY_MIN => {
                Some(std::mem::take(&mut content.body))
            }
            _ => None,
        };
        let properties = properties.unwrap_or_else(|| self.properties_bytes());
        match large {
            Some(body) => Message::with_body(self.exchange(), self.routing_key(), properties, body),
            None => Message::new(self.exchange(), self.routing_key(), properties, &[self.body()]),
        }
    }
}

/// A publish whose frames have not all come.
#[derive(Debug)]
pub(super) struct PendingContent {
    exchange: Box<str>,
    routing_key: Box<[u8]>,
    mandatory: bool,
    properties: Vec<u8>,
    body: Vec<u8>,
    /// `None` until the header came.
    announced: Option<u64>,
}

impl PendingContent {
    pub fn new(method: &PublishMethod<'_>) -> Box<Self> {
        Box::new(Self {
            exchange: method.exchange.into(),
            routing_key: method.routing_key.into(),
            mandatory: method.mandatory,
            properties: Vec::new(),
            body: Vec::new(),
            announced: None,
        })
    }

    pub fn has_header(&self) -> bool {
        self.announced.is_some()
    }

    pub fn set_header(&mut self, properties: &[u8], body_size: u64) {
        self.properties = properties.to_vec();
        self.announced = Some(body_size);
    }

    /// Whether header and body have come.
    pub fn is_whole(&self) -> bool {
        self.has_header() && self.missing() == 0
    }

    /// Bytes of the body that have not come.
    pub fn missing(&self) -> u64 {
        self.announced.unwrap_or_default() - self.body.len() as u64
    }

    /// Takes a piece, which is no longer than what is missing.
    pub fn push(&mut self, piece: &[u8]) {
        let room = self.body.capacity() - self.body.len();
        if room < piece.len() {
            // Double, but never beyond what was announced.
            let missing = usize::try_from(self.missing()).unwrap_or(usize::MAX);
            let wanted = self.body.len().max(FIRST_ROOM).max(piece.len());
            self.body.reserve_exact(wanted.min(missing));
        }
        self.body.extend_from_slice(piece);
    }

    /// Memory that it holds, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.exchange.len() + self.routing_key.len() + self.properties.capacity() + self.body.capacity()
    }

    /// The last bytes that came, to be quoted.
    pub fn tail(&self, length: usize) -> &[u8] {
        &self.body[self.body.len().saturating_sub(length)..]
    }
}
