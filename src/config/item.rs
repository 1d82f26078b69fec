//! A parsed value that knows where it stands: the one form in which a file,
//! a variable and a flag reach the settings.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use super::report::{Fault, Location, Source};

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub at: Location,
    pub value: Value,
}

/// `Text` is from a variable or a flag and takes whatever type the setting
/// has; the others are TOML's.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Datetime(Datetime),
    Array(Vec<Item>),
    Table(Vec<Entry>),
}

/// One key of a table, with the place of the key itself.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key: String,
    pub key_at: Location,
    pub item: Item,
}

impl Item {
    pub fn text(source: Source, text: impl Into<String>) -> Self {
        Item {
            at: Location::whole(source),
            value: Value::Text(text.into()),
        }
    }

    /// The value as a fault names it: short, on one line.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Text(text) | Value::String(text) => {
                let mut short: String = text.chars().take(60).collect();
                if short.len() < text.len() {
                    short.push('…');
                }
                format!("{short:?}")
            }
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => format!("{number:?}"),
            Value::Boolean(flag) => flag.to_string(),
            Value::Datetime(moment) => moment.to_string(),
            Value::Array(_) => "an array".into(),
            Value::Table(_) => "a table".into(),
        }
    }

    /// The kind of value, for where the value itself must not be shown.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) | Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a datetime",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
        }
    }

    /// The string of a value that is one, from whatever source.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::String(text) => Some(text),
            _ => None,
        }
    }
}

/// The most dots that a key may have. The parser bounds the depth of arrays and
/// inline tables but not of dotted keys, and its tables are dropped by
/// recursion.
const KEY_DOTS: usize = 16;

/// Parses a file as far as it can be: the table, and the faults of syntax.
pub(crate) fn parse(name: &Arc<str>, text: &str) -> (Vec<Entry>, Vec<Fault>) {
    let places = Places::new(name, text);
    if let Some(offset) = too_many_dots(text) {
        let message = format!("more than {KEY_DOTS} dots in a key");
        return (Vec::new(), vec![places.fault(offset, message)]);
    }
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<Fault> = errors
        .iter()
        .map(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            places.fault(offset, error.message().trim().replace('\n', ", "))
        })
        .collect();
    let entries = table(root.get_ref(), &places, &mut faults);
    (entries, faults)
}

/// The byte at which a key has one dot too many, strings and comments aside.
fn too_many_dots(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut dots) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' | b'\'' => {
                at = after_string(bytes, at);
                continue;
            }
            b'#' => {
                at += bytes[at..].iter().position(|b| *b == b'\n').unwrap_or(0);
                dots = 0;
            }
            b'=' | b',' | b'{' | b'}' | b'[' | b']' | b'\n' => dots = 0,
            b'.' => dots += 1,
            _ => {}
        }
        if dots > KEY_DOTS {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The byte after the string that starts at `start`, or after its line if the
/// string is not closed there.
fn after_string(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let long = bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if long { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 1,
            b'\n' if !long => return at,
            byte if byte == quote && !long => return at + 1,
            _ if long && bytes[at..].starts_with(&[quote; 3]) => return at + 3,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn table(from: &DeTable<'_>, places: &Places<'_>, faults: &mut Vec<Fault>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = from
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_at: places.location(key.span().start),
            item: item(value, places, faults),
        })
        .collect();
    // The parser sorts by key; the order of the file is what people read.
    entries.sort_by_key(|entry| (entry.key_at.line, entry.key_at.column));
    entries
}

fn item(from: &Spanned<DeValue<'_>>, places: &Places<'_>, faults: &mut Vec<Fault>) -> Item {
    let offset = from.span().start;
    let value = match from.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => {
                let message = format!("the number {digits} does not fit in 64 bits");
                faults.push(places.fault(offset, message));
                Value::Integer(0)
            }
        },
        DeValue::Float(digits) => match digits.as_str().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => {
                faults.push(places.fault(offset, format!("{digits} is not a number")));
                Value::Float(0.0)
            }
        },
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(moment) => Value::Datetime(*moment),
        DeValue::Array(values) => {
            Value::Array(values.iter().map(|v| item(v, places, faults)).collect())
        }
        DeValue::Table(nested) => Value::Table(table(nested, places, faults)),
    };
    Item {
        at: places.location(offset),
        value,
    }
}

/// Turns byte offsets into lines and columns.
struct Places<'a> {
    source: Source,
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(name: &Arc<str>, text: &'a str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Places {
            source: Source::File(name.clone()),
            text,
            line_starts: std::iter::once(0).chain(after_newlines).collect(),
        }
    }

    fn location(&self, offset: usize) -> Location {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        Location {
            source: self.source.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(before.chars().count() + 1).unwrap_or(u32::MAX),
        }
    }

    fn fault(&self, offset: usize, message: String) -> Fault {
        Fault {
            at: self.location(offset),
            key: String::new(),
            message,
            hint: None,
        }
    }
}
