//! How long a message waits in a delayed exchange (the delayed message exchange of RabbitMQ's plug-ins).

use crate::model::{FieldValue, Millis, PropertiesView};

/// The header with the delay.
pub const DELAY_HEADER: &str = "x-delay";

/// The longest delay, in milliseconds. A message with a longer one goes on at once, as with the plug-in.
pub const MAX_DELAY_MS: i64 = 4_294_967_295;

/// The delay that the headers ask for, in milliseconds: integers, floats (cut) and text with an integer. `None` where
/// there is none, or one out of range, which means no delay.
#[must_use]
pub fn delay(properties: PropertiesView<'_>) -> Option<Millis> {
    if !properties.has_header(&[DELAY_HEADER]) {
        return None;
    }
    let headers = properties.headers().ok()?;
    let delay = milliseconds(headers.get(DELAY_HEADER)?)?;
    match delay {
        1..=MAX_DELAY_MS => u64::try_from(delay).ok(),
        _ => None,
    }
}

fn milliseconds(value: &FieldValue) -> Option<i64> {
    match value {
        FieldValue::F32(v) => Some(*v as i64),
        FieldValue::F64(v) => Some(*v as i64),
        FieldValue::LongString(_) => value.as_text()?.parse().ok(),
        other => other.as_integer(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Properties;

    #[test]
    fn delays_are_numbers_in_range() {
        for (value, expected) in [
            (FieldValue::I32(5), Some(5)),
            (FieldValue::U8(1), Some(1)),
            (FieldValue::I64(MAX_DELAY_MS), Some(4_294_967_295)),
            (FieldValue::I64(MAX_DELAY_MS + 1), None),
            (FieldValue::I64(0), None),
            (FieldValue::I32(-5), None),
            (FieldValue::F64(2.9), Some(2)),
            (FieldValue::text("30"), Some(30)),
            (FieldValue::text("soon"), None),
            (FieldValue::Bool(true), None),
        ] {
            let properties = Properties {
                headers: Some([(DELAY_HEADER, value.clone())].into_iter().collect()),
                ..Properties::default()
            };
            assert_eq!(delay(PropertiesView::new(&properties.encode())), expected, "{value:?}");
        }
        assert_eq!(delay(PropertiesView::new(&[0, 0])), None);
    }
}
