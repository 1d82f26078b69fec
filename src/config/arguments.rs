//! Arguments of exchanges, queues, bindings and policies as TOML writes them.

use std::collections::BTreeMap;

use toml::value::{Datetime, Offset};

use crate::model::MAX_TABLE_DEPTH;

use super::item::{Item, Value};
use super::reader::Reader;
use super::setting::Setting;

/// A table of arguments. Ordered by name, so that it compares and prints the
/// same however it was written.
pub type Arguments = BTreeMap<String, ArgumentValue>;

/// A value in a table of arguments. The types are those that TOML can tell
/// apart; each has one type of AMQP's field tables.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgumentValue {
    /// A long string (`S`).
    String(String),
    /// A 64-bit integer (`l`).
    Integer(i64),
    /// A double (`d`).
    Double(f64),
    /// A boolean (`t`).
    Boolean(bool),
    /// A timestamp (`T`) in seconds since 1970, never negative. TOML writes a
    /// date and time with an offset.
    Timestamp(u64),
    /// An array (`A`).
    Array(Vec<ArgumentValue>),
    /// A table (`F`).
    Table(Arguments),
}

impl ArgumentValue {
    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            ArgumentValue::String(text) => Some(text),
            _ => None,
        }
    }
}

impl Setting for ArgumentValue {
    fn expects() -> String {
        "any value".into()
    }

    fn read(item: &Item, reader: &mut Reader) -> Option<Self> {
        if !fits(item, DEPTH_MAX) {
            let expected = format!("arrays and tables within each other to {DEPTH_MAX} levels");
            reader.wrong(item, &expected);
            return None;
        }
        Some(match &item.value {
            Value::Text(text) | Value::String(text) => ArgumentValue::String(text.clone()),
            Value::Integer(number) => ArgumentValue::Integer(*number),
            Value::Float(number) => ArgumentValue::Double(*number),
            Value::Boolean(flag) => ArgumentValue::Boolean(*flag),
            Value::Datetime(moment) => match seconds_since_1970(moment) {
                Some(seconds) => ArgumentValue::Timestamp(seconds),
                None => {
                    let expected = "a date and time since 1970 with an offset, \
                                    such as 2026-01-31T12:00:00Z";
                    reader.wrong(item, expected);
                    return None;
                }
            },
            Value::Array(_) => ArgumentValue::Array(Vec::read(item, reader)?),
            Value::Table(_) => ArgumentValue::Table(Arguments::read(item, reader)?),
        })
    }

    fn placeholder() -> Self {
        ArgumentValue::Boolean(false)
    }

    fn show(&self) -> String {
        match self {
            ArgumentValue::String(text) => text.show(),
            ArgumentValue::Integer(number) => number.to_string(),
            ArgumentValue::Double(number) => format!("{number:?}"),
            ArgumentValue::Boolean(flag) => flag.show(),
            ArgumentValue::Timestamp(seconds) => format!("{seconds} s since 1970"),
            ArgumentValue::Array(values) => values.show(),
            ArgumentValue::Table(values) => values.show(),
        }
    }
}

/// Arrays and tables within an argument: one that goes deeper could be stored and not be read again. The table of all
/// arguments is a level, too.
const DEPTH_MAX: usize = MAX_TABLE_DEPTH - 1;

/// Whether a value has no more than so many levels of arrays and tables.
fn fits(item: &Item, depth: usize) -> bool {
    match &item.value {
        Value::Array(items) => depth > 0 && items.iter().all(|item| fits(item, depth - 1)),
        Value::Table(entries) => depth > 0 && entries.iter().all(|entry| fits(&entry.item, depth - 1)),
        _ => true,
    }
}

/// Days before each month in a year that is not a leap year.
const DAYS_BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

/// Seconds since 1970 of a moment that is complete and not before it.
fn seconds_since_1970(moment: &Datetime) -> Option<u64> {
    let (date, time, offset) = (moment.date?, moment.time?, moment.offset?);
    let year = i64::from(date.year);
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let past = year - 1;
    let days_of_years = past * 365 + past / 4 - past / 100 + past / 400 - 719_162;
    let days_of_months = DAYS_BEFORE.get(usize::from(date.month).checked_sub(1)?)?;
    let leap_day = i64::from(leap && date.month > 2);
    let days = days_of_years + days_of_months + leap_day + i64::from(date.day) - 1;
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let of_day = i64::from(time.hour) * 3_600 + i64::from(time.minute) * 60;
    let seconds = days * 86_400 + of_day + i64::from(time.second.unwrap_or(0)) - minutes * 60;
    u64::try_from(seconds).ok()
}
