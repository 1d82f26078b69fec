//! `traceparent` in a message's headers (W3C: "Trace Context", level 2, section 3.2).

use crate::model::{FieldValue, PropertiesView, skip_value};

/// The header that says which span a message belongs to.
pub const TRACEPARENT: &str = "traceparent";

/// Length of the header in its version 00: `00-TRACE-SPAN-FLAGS`.
const LENGTH: usize = 55;
/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;
/// The type letter of a long string in a field table.
const LONG_STRING: u8 = b'S';

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; not 0.
    pub trace: u128,
    /// The span in it; not 0.
    pub span: u64,
    /// Whether it is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// Reads a header's value: lower-case hexadecimal, neither id 0. A later version than 00 is read like 00, whatever
    /// follows behind its flags; version ff is none.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let known = text.get(..LENGTH)?;
        let version = hex(&known[..2])?;
        let dashes = [2, 35, 52].iter().all(|at| known[*at] == b'-');
        let ends = text.len() == LENGTH || version > 0 && text[LENGTH] == b'-';
        if version == 0xff || !dashes || !ends {
            return None;
        }
        let trace = hex(&known[3..35])?;
        // Sixteen digits fit.
        let span = hex(&known[36..52])? as u64;
        let flags = hex(&known[53..])? as u8;
        (trace != 0 && span != 0).then_some(Self {
            trace,
            span,
            sampled: flags & SAMPLED != 0,
        })
    }

    /// The context that a message carries. Fields are walked over, nothing is decoded.
    #[must_use]
    pub fn of(properties: PropertiesView<'_>) -> Option<Self> {
        Self::parse(value_in(properties.headers_bytes()?)?)
    }

    /// Property flags and list in which `traceparent` names this context. The value is put in place of an old one of
    /// the same length, so that the order of headers stays; otherwise the headers are written anew.
    #[must_use]
    pub fn written_into(&self, properties: &[u8]) -> Vec<u8> {
        let view = PropertiesView::new(properties);
        if let Some(value) = view.headers_bytes().and_then(value_in)
            && value.len() == LENGTH
        {
            // Both are parts of `properties`.
            let at = value.as_ptr().addr() - properties.as_ptr().addr();
            let mut written = properties.to_vec();
            written[at..at + LENGTH].copy_from_slice(self.to_string().as_bytes());
            return written;
        }
        // What the wire let in decodes; a table with an unknown type inside goes on as it came.
        let Ok(mut decoded) = view.decode() else {
            return properties.to_vec();
        };
        let headers = decoded.headers.get_or_insert_default();
        headers.insert(TRACEPARENT, FieldValue::text(&self.to_string()));
        decoded.encode()
    }
}

impl std::fmt::Display for TraceContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace,
            self.span,
            u8::from(self.sampled)
        )
    }
}

/// The bytes of a long string `traceparent` in a table without its length.
fn value_in(mut table: &[u8]) -> Option<&[u8]> {
    while let Some((&length, rest)) = table.split_first() {
        let (name, value) = rest.split_at_checked(length.into())?;
        if name == TRACEPARENT.as_bytes() {
            let (&kind, rest) = value.split_first()?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let text = rest.get(..u32::from_be_bytes(*length) as usize)?;
            return (kind == LONG_STRING).then_some(text);
        }
        table = skip_value(value).ok()?;
    }
    None
}

fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}
