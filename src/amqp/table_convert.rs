//! Tables of the generated parser as tables of the model.

use amq_protocol::types;

use crate::model::{FieldTable, FieldValue, Name};

/// Bytes that [`super::table_scan`] let pass are at most 32 levels deep, so the recursion is bounded.
pub(super) fn table(parsed: &types::FieldTable) -> FieldTable {
    parsed
        .into_iter()
        .map(|(name, parsed)| (Name::from(name.as_str()), value(parsed)))
        .collect()
}

fn value(parsed: &types::AMQPValue) -> FieldValue {
    use types::AMQPValue as P;
    match parsed {
        P::Boolean(v) => FieldValue::Bool(*v),
        P::ShortShortInt(v) => FieldValue::I8(*v),
        P::ShortShortUInt(v) => FieldValue::U8(*v),
        P::ShortInt(v) => FieldValue::I16(*v),
        P::ShortUInt(v) => FieldValue::U16(*v),
        P::LongInt(v) => FieldValue::I32(*v),
        P::LongUInt(v) => FieldValue::U32(*v),
        P::LongLongInt(v) => FieldValue::I64(*v),
        P::Float(v) => FieldValue::F32(*v),
        P::Double(v) => FieldValue::F64(*v),
        P::DecimalValue(v) => FieldValue::Decimal(v.scale, v.value.cast_signed()),
        P::ShortString(v) => FieldValue::text(v.as_str()),
        P::LongString(v) => FieldValue::LongString(v.as_bytes().to_vec()),
        P::FieldArray(v) => FieldValue::Array(v.as_slice().iter().map(value).collect()),
        P::Timestamp(v) => FieldValue::Timestamp(*v),
        P::FieldTable(v) => FieldValue::Table(table(v)),
        P::ByteArray(v) => FieldValue::Bytes(v.as_slice().to_vec()),
        P::Void => FieldValue::Void,
    }
}
