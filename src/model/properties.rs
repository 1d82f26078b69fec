//! The properties of a message (AMQP 0-9-1, section 4.2.6 and the basic class): read in place, or taken apart and
//! written anew.

use super::{FieldTable, Name, TableError, decode_table, encode_table, skip_value};

const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const PRIORITY: u16 = 1 << 11;
const CORRELATION_ID: u16 = 1 << 10;
const REPLY_TO: u16 = 1 << 9;
const EXPIRATION: u16 = 1 << 8;
const MESSAGE_ID: u16 = 1 << 7;
const TIMESTAMP: u16 = 1 << 6;
const TYPE: u16 = 1 << 5;
const USER_ID: u16 = 1 << 4;
const APP_ID: u16 = 1 << 3;
const CLUSTER_ID: u16 = 1 << 2;
const CONTINUES: u16 = 1;

/// Why bytes are no property list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// The list ends inside a property.
    #[error("the property list is truncated")]
    Truncated,
    /// There are bytes behind the last property.
    #[error("there are bytes behind the property list")]
    Trailing,
    /// Flags that the basic class does not have.
    #[error("the property flags {0:#06x} are unknown")]
    UnknownFlags(u16),
    /// The headers are no field table.
    #[error(transparent)]
    Headers(#[from] TableError),
}

/// Properties read where they lie; each look-up walks over the properties before it, without allocation.
///
/// The walk stops at the first fault; [`PropertiesView::check`] finds it. A message that came over the wire has been
/// checked once, when its header arrived.
#[derive(Clone, Copy, Debug)]
pub struct PropertiesView<'a> {
    bytes: &'a [u8],
}

impl<'a> PropertiesView<'a> {
    /// A view of property flags and list.
    #[inline]
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Walks over the whole list once: lengths must fit and nothing may be left over. Headers are checked for their
    /// outer length only; what is inside is checked by whoever reads it.
    pub fn check(&self) -> Result<(), PropertyError> {
        let flags = self.flags().ok_or(PropertyError::Truncated)?;
        if flags & (CONTINUES | 2) != 0 {
            return Err(PropertyError::UnknownFlags(flags));
        }
        match self.walk(u16::MAX) {
            Some([]) => Ok(()),
            Some(_) => Err(PropertyError::Trailing),
            None => Err(PropertyError::Truncated),
        }
    }

    /// Whether no property is set.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == [0, 0] || self.flags().unwrap_or_default() == 0
    }

    /// Whether the message asks to be kept: delivery mode 2.
    #[must_use]
    pub fn is_persistent(&self) -> bool {
        self.delivery_mode() == Some(2)
    }

    /// Delivery mode, 1 or 2.
    #[must_use]
    pub fn delivery_mode(&self) -> Option<u8> {
        self.find(DELIVERY_MODE)?.first().copied()
    }

    /// Priority, 0 to 255.
    #[must_use]
    pub fn priority(&self) -> Option<u8> {
        self.find(PRIORITY)?.first().copied()
    }

    /// Expiration as it was sent: a text that should be a number of milliseconds.
    #[must_use]
    pub fn expiration(&self) -> Option<&'a [u8]> {
        self.short_string(EXPIRATION)
    }

    /// The user id that the publisher claims.
    #[must_use]
    pub fn user_id(&self) -> Option<&'a [u8]> {
        self.short_string(USER_ID)
    }

    /// The address for replies.
    #[must_use]
    pub fn reply_to(&self) -> Option<&'a [u8]> {
        self.short_string(REPLY_TO)
    }

    /// The message id.
    #[must_use]
    pub fn message_id(&self) -> Option<&'a [u8]> {
        self.short_string(MESSAGE_ID)
    }

    /// The correlation id.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&'a [u8]> {
        self.short_string(CORRELATION_ID)
    }

    /// The timestamp, in seconds since the Unix epoch.
    #[must_use]
    pub fn timestamp(&self) -> Option<u64> {
        self.find(TIMESTAMP)?.first_chunk().map(|b| u64::from_be_bytes(*b))
    }

    /// Whether there is a headers table.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        self.flags().unwrap_or_default() & HEADERS != 0
    }

    /// Whether the headers have one of `names`, found without decoding a value.
    #[must_use]
    pub fn has_header(&self, names: &[&str]) -> bool {
        let mut table = self.headers_bytes().unwrap_or_default();
        while let Some((&length, rest)) = table.split_first() {
            let Some((name, value)) = rest.split_at_checked(length.into()) else {
                return false;
            };
            if names.iter().any(|wanted| wanted.as_bytes() == name) {
                return true;
            }
            table = skip_value(value).unwrap_or_default();
        }
        false
    }

    /// The headers table as bytes, without its leading length; `None` where there is none.
    #[must_use]
    pub fn headers_bytes(&self) -> Option<&'a [u8]> {
        let (length, rest) = self.find(HEADERS)?.split_first_chunk::<4>()?;
        rest.get(..u32::from_be_bytes(*length) as usize)
    }

    /// The headers, decoded; an empty table where there are none.
    pub fn headers(&self) -> Result<FieldTable, TableError> {
        match self.find(HEADERS) {
            Some(bytes) => Ok(decode_table(bytes)?.0),
            None => Ok(FieldTable::new()),
        }
    }

    /// Everything, decoded.
    pub fn decode(&self) -> Result<Properties, PropertyError> {
        self.check()?;
        let text = |flag| {
            self.short_string(flag)
                .map(|b| Name::from(&*String::from_utf8_lossy(b)))
        };
        Ok(Properties {
            content_type: text(CONTENT_TYPE),
            content_encoding: text(CONTENT_ENCODING),
            headers: if self.has_headers() {
                Some(self.headers()?)
            } else {
                None
            },
            delivery_mode: self.delivery_mode(),
            priority: self.priority(),
            correlation_id: text(CORRELATION_ID),
            reply_to: text(REPLY_TO),
            expiration: text(EXPIRATION),
            message_id: text(MESSAGE_ID),
            timestamp: self.timestamp(),
            kind: text(TYPE),
            user_id: text(USER_ID),
            app_id: text(APP_ID),
            cluster_id: text(CLUSTER_ID),
        })
    }

    fn flags(&self) -> Option<u16> {
        self.bytes.first_chunk().map(|b| u16::from_be_bytes(*b))
    }

    fn short_string(&self, flag: u16) -> Option<&'a [u8]> {
        let (&length, rest) = self.find(flag)?.split_first()?;
        rest.get(..length.into())
    }

    /// The bytes from the value of `flag` on, where it is set.
    fn find(&self, flag: u16) -> Option<&'a [u8]> {
        let flags = self.flags()?;
        if flags & flag == 0 {
            return None;
        }
        // The properties come in the order of their flags, highest first: walk over those above.
        self.walk(!(flag | (flag - 1)))
    }

    /// Skips the set properties whose flags are in `mask`; gives what follows them.
    fn walk(&self, mask: u16) -> Option<&'a [u8]> {
        let mut rest = self.bytes.get(2..)?;
        let mut pending = self.flags()? & mask & !(CONTINUES | 2);
        while pending != 0 {
            let flag = 1 << (15 - pending.leading_zeros());
            pending &= !flag;
            let length = match flag {
                DELIVERY_MODE | PRIORITY => 1,
                TIMESTAMP => 8,
                HEADERS => 4 + u32::from_be_bytes(*rest.first_chunk()?) as usize,
                _ => 1 + usize::from(*rest.first()?),
            };
            rest = rest.get(length..)?;
        }
        Some(rest)
    }
}

/// The properties taken apart, to be changed and written anew.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Properties {
    /// MIME type of the body.
    pub content_type: Option<Name>,
    /// MIME encoding of the body.
    pub content_encoding: Option<Name>,
    /// Headers of the application and the broker.
    pub headers: Option<FieldTable>,
    /// 1 transient, 2 persistent.
    pub delivery_mode: Option<u8>,
    /// 0 to 255.
    pub priority: Option<u8>,
    /// Correlation id.
    pub correlation_id: Option<Name>,
    /// Address for replies.
    pub reply_to: Option<Name>,
    /// Milliseconds, as text.
    pub expiration: Option<Name>,
    /// Message id.
    pub message_id: Option<Name>,
    /// Seconds since the Unix epoch.
    pub timestamp: Option<u64>,
    /// Message type (`type` on the wire).
    pub kind: Option<Name>,
    /// User id.
    pub user_id: Option<Name>,
    /// Application id.
    pub app_id: Option<Name>,
    /// Reserved, once the cluster id.
    pub cluster_id: Option<Name>,
}

impl Properties {
    /// Property flags and list as they stand in a content header.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut flags = 0;
        let mut list = vec![0, 0];
        let mut text = |flag: u16, value: &Option<Name>, list: &mut Vec<u8>| {
            if let Some(value) = value {
                flags |= flag;
                let cut = value.floor_char_boundary(Name::MAX_BYTES);
                list.push(cut as u8);
                list.extend_from_slice(&value.as_bytes()[..cut]);
            }
        };
        text(CONTENT_TYPE, &self.content_type, &mut list);
        text(CONTENT_ENCODING, &self.content_encoding, &mut list);
        if let Some(headers) = &self.headers {
            encode_table(headers, &mut list);
        }
        list.extend(self.delivery_mode);
        list.extend(self.priority);
        text(CORRELATION_ID, &self.correlation_id, &mut list);
        text(REPLY_TO, &self.reply_to, &mut list);
        text(EXPIRATION, &self.expiration, &mut list);
        text(MESSAGE_ID, &self.message_id, &mut list);
        if let Some(timestamp) = self.timestamp {
            list.extend_from_slice(&timestamp.to_be_bytes());
        }
        text(TYPE, &self.kind, &mut list);
        text(USER_ID, &self.user_id, &mut list);
        text(APP_ID, &self.app_id, &mut list);
        text(CLUSTER_ID, &self.cluster_id, &mut list);
        for (flag, set) in [
            (HEADERS, self.headers.is_some()),
            (DELIVERY_MODE, self.delivery_mode.is_some()),
            (PRIORITY, self.priority.is_some()),
            (TIMESTAMP, self.timestamp.is_some()),
        ] {
            flags |= if set { flag } else { 0 };
        }
        list[..2].copy_from_slice(&flags.to_be_bytes());
        list
    }
}
