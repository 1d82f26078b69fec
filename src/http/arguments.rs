//! Arguments and headers as JSON, and back.

use serde_json::{Map, Number, Value};

use crate::model::{FieldTable, FieldValue, MAX_TABLE_DEPTH, Name};

use super::error::ApiError;

/// A table as a JSON object. What JSON cannot say is said as text: bytes that are no UTF-8 lose them.
pub fn to_json(table: &FieldTable) -> Value {
    let pairs = table
        .iter()
        .map(|(name, value)| (name.to_string(), value_to_json(value)));
    Value::Object(pairs.collect())
}

fn value_to_json(value: &FieldValue) -> Value {
    if let Some(integer) = value.as_integer() {
        return integer.into();
    }
    let float = |number: f64| Number::from_f64(number).map_or(Value::Null, Value::Number);
    match value {
        FieldValue::Bool(flag) => (*flag).into(),
        FieldValue::F32(number) => float((*number).into()),
        FieldValue::F64(number) => float(*number),
        FieldValue::Decimal(scale, digits) => float(f64::from(*digits) / 10_f64.powi((*scale).into())),
        FieldValue::LongString(bytes) | FieldValue::Bytes(bytes) => String::from_utf8_lossy(bytes).into(),
        FieldValue::Array(values) => values.iter().map(value_to_json).collect(),
        FieldValue::Timestamp(seconds) => (*seconds).into(),
        FieldValue::Table(table) => to_json(table),
        _ => Value::Null,
    }
}

/// A JSON object as a table: integers become signed 64 bit, as RabbitMQ's API has it.
///
/// # Errors
/// A name has more than 255 bytes, a number fits no field, or it is nested deeper than a table on the wire may be: that
/// could be stored and not be read again.
pub fn from_json(object: &Map<String, Value>) -> Result<FieldTable, ApiError> {
    table_from_json(object, 0)
}

fn check_depth(depth: usize) -> Result<(), ApiError> {
    let too_deep = || ApiError::bad_request(format!("arguments are nested deeper than {MAX_TABLE_DEPTH} levels"));
    (depth < MAX_TABLE_DEPTH).then_some(()).ok_or_else(too_deep)
}

fn table_from_json(object: &Map<String, Value>, depth: usize) -> Result<FieldTable, ApiError> {
    check_depth(depth)?;
    let pairs = object.iter().map(|(name, value)| {
        if name.len() > Name::MAX_BYTES {
            return Err(ApiError::bad_request("the name of an argument has more than 255 bytes"));
        }
        Ok((name.as_str(), value_from_json(value, depth)?))
    });
    pairs.collect()
}

fn value_from_json(value: &Value, depth: usize) -> Result<FieldValue, ApiError> {
    Ok(match value {
        Value::Null => FieldValue::Void,
        Value::Bool(flag) => FieldValue::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => FieldValue::I64(integer),
            (None, Some(float)) if number.is_f64() => FieldValue::F64(float),
            _ => return Err(ApiError::bad_request(format!("{number} is too large for an argument"))),
        },
        Value::String(text) => FieldValue::text(text),
        Value::Array(values) => {
            check_depth(depth + 1)?;
            let values = values.iter().map(|value| value_from_json(value, depth + 1));
            FieldValue::Array(values.collect::<Result<_, _>>()?)
        }
        Value::Object(object) => FieldValue::Table(table_from_json(object, depth + 1)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_back_as_they_went() {
        let json = serde_json::json!({
            "x-max-length": 10, "ratio": 0.5, "x-overflow": "drop-head", "on": true, "none": null,
            "list": [1, "two", {"three": 3}],
        });
        let table = from_json(json.as_object().unwrap()).unwrap();
        assert_eq!(table.get("x-max-length"), Some(&FieldValue::I64(10)));
        assert_eq!(to_json(&table), json);
    }

    #[test]
    fn what_is_taken_can_be_read_again() {
        use crate::model::{decode_table, encode_table};

        for nest in [
            |inner| serde_json::json!([inner]),
            |inner| serde_json::json!({ "a": inner }),
        ] {
            let mut value = serde_json::json!(1);
            let mut taken = 0;
            while let Ok(table) = from_json(serde_json::json!({ "x": value }).as_object().unwrap()) {
                let mut bytes = Vec::new();
                encode_table(&table, &mut bytes);
                assert_eq!(decode_table(&bytes).unwrap().0, table);
                value = nest(value);
                taken += 1;
            }
            assert_eq!(taken, MAX_TABLE_DEPTH);
        }
    }

    #[test]
    fn what_fits_no_field_is_refused() {
        for bad in [
            serde_json::json!({"n": u64::MAX}),
            serde_json::json!({ "x".repeat(256): 1 }),
        ] {
            assert!(from_json(bad.as_object().unwrap()).is_err(), "{bad}");
        }
    }
}
