//! Field tables as bytes. Depth and lengths are checked, so hostile input costs no more than its own size.

use super::{FieldTable, FieldValue, Name};

/// How deep tables and arrays may nest. 32 is far beyond what clients send and far below what a stack holds.
pub const MAX_TABLE_DEPTH: usize = 32;

/// Why bytes are no field table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A length points behind the end of what holds it.
    #[error("a length in the table points behind its end")]
    Truncated,
    /// Nested deeper than [`MAX_TABLE_DEPTH`].
    #[error("the table is nested deeper than {MAX_TABLE_DEPTH} levels")]
    TooDeep,
    /// A type letter that is none.
    #[error("the table has a value of the unknown type {0:#04x}")]
    UnknownType(u8),
    /// A field name that is not UTF-8.
    #[error("a name in the table is not UTF-8")]
    NameNotUtf8,
}

/// Decodes a table with its leading 32-bit length, and gives what follows it.
pub fn decode_table(input: &[u8]) -> Result<(FieldTable, &[u8]), TableError> {
    let (body, rest) = long_string(input)?;
    Ok((table_body(body, 0)?, rest))
}

/// Appends `table` with its leading 32-bit length.
pub fn encode_table(table: &FieldTable, out: &mut Vec<u8>) {
    with_length(out, |out| {
        for (name, value) in table.iter() {
            // Names come from short strings or are checked where they enter; a longer one would break the frame.
            let name = &name.as_bytes()[..name.len().min(Name::MAX_BYTES)];
            out.push(name.len() as u8);
            out.extend_from_slice(name);
            encode_value(value, out);
        }
    });
}

/// Walks over one value (type letter and content) without building it; gives what follows it.
pub fn skip_value(input: &[u8]) -> Result<&[u8], TableError> {
    let (&kind, rest) = input.split_first().ok_or(TableError::Truncated)?;
    let length = match kind {
        b't' | b'b' | b'B' => 1,
        b's' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'l' | b'd' | b'T' => 8,
        b'D' => 5,
        b'V' => 0,
        b'S' | b'A' | b'F' | b'x' => return Ok(long_string(rest)?.1),
        other => return Err(TableError::UnknownType(other)),
    };
    rest.get(length..).ok_or(TableError::Truncated)
}

fn table_body(mut body: &[u8], depth: usize) -> Result<FieldTable, TableError> {
    if depth >= MAX_TABLE_DEPTH {
        return Err(TableError::TooDeep);
    }
    let mut table = FieldTable::new();
    while let Some((&length, rest)) = body.split_first() {
        let (name, rest) = split(rest, length.into())?;
        let name = std::str::from_utf8(name).map_err(|_| TableError::NameNotUtf8)?;
        let (value, rest) = decode_value(rest, depth)?;
        table.push(Name::from(name), value);
        body = rest;
    }
    Ok(table)
}

fn array_body(mut body: &[u8], depth: usize) -> Result<Vec<FieldValue>, TableError> {
    if depth >= MAX_TABLE_DEPTH {
        return Err(TableError::TooDeep);
    }
    let mut values = Vec::new();
    while !body.is_empty() {
        let (value, rest) = decode_value(body, depth)?;
        values.push(value);
        body = rest;
    }
    Ok(values)
}

fn decode_value(input: &[u8], depth: usize) -> Result<(FieldValue, &[u8]), TableError> {
    let (&kind, rest) = input.split_first().ok_or(TableError::Truncated)?;
    macro_rules! number {
        ($variant:ident, $type:ty) => {{
            let (bytes, rest) = rest
                .split_first_chunk::<{ size_of::<$type>() }>()
                .ok_or(TableError::Truncated)?;
            (FieldValue::$variant(<$type>::from_be_bytes(*bytes)), rest)
        }};
    }
    Ok(match kind {
        b't' => {
            let (&byte, rest) = rest.split_first().ok_or(TableError::Truncated)?;
            (FieldValue::Bool(byte != 0), rest)
        }
        b'b' => number!(I8, i8),
        b'B' => number!(U8, u8),
        b's' => number!(I16, i16),
        b'u' => number!(U16, u16),
        b'I' => number!(I32, i32),
        b'i' => number!(U32, u32),
        b'l' => number!(I64, i64),
        b'f' => number!(F32, f32),
        b'd' => number!(F64, f64),
        b'T' => number!(Timestamp, u64),
        b'D' => {
            let (bytes, rest) = rest.split_first_chunk::<5>().ok_or(TableError::Truncated)?;
            let [scale, value @ ..] = *bytes;
            (FieldValue::Decimal(scale, i32::from_be_bytes(value)), rest)
        }
        b'V' => (FieldValue::Void, rest),
        b'S' | b'A' | b'F' | b'x' => {
            let (body, rest) = long_string(rest)?;
            let value = match kind {
                b'S' => FieldValue::LongString(body.to_vec()),
                b'x' => FieldValue::Bytes(body.to_vec()),
                b'A' => FieldValue::Array(array_body(body, depth + 1)?),
                _ => FieldValue::Table(table_body(body, depth + 1)?),
            };
            (value, rest)
        }
        other => return Err(TableError::UnknownType(other)),
    })
}

fn encode_value(value: &FieldValue, out: &mut Vec<u8>) {
    macro_rules! number {
        ($letter:literal, $value:expr) => {{
            out.push($letter);
            out.extend_from_slice(&$value.to_be_bytes());
        }};
    }
    match value {
        FieldValue::Bool(v) => out.extend_from_slice(&[b't', u8::from(*v)]),
        FieldValue::I8(v) => number!(b'b', v),
        FieldValue::U8(v) => number!(b'B', v),
        FieldValue::I16(v) => number!(b's', v),
        FieldValue::U16(v) => number!(b'u', v),
        FieldValue::I32(v) => number!(b'I', v),
        FieldValue::U32(v) => number!(b'i', v),
        FieldValue::I64(v) => number!(b'l', v),
        FieldValue::F32(v) => number!(b'f', v),
        FieldValue::F64(v) => number!(b'd', v),
        FieldValue::Timestamp(v) => number!(b'T', v),
        FieldValue::Decimal(scale, v) => {
            out.extend_from_slice(&[b'D', *scale]);
            out.extend_from_slice(&v.to_be_bytes());
        }
        FieldValue::Void => out.push(b'V'),
        FieldValue::LongString(bytes) => {
            out.push(b'S');
            with_length(out, |out| out.extend_from_slice(bytes));
        }
        FieldValue::Bytes(bytes) => {
            out.push(b'x');
            with_length(out, |out| out.extend_from_slice(bytes));
        }
        FieldValue::Array(values) => {
            out.push(b'A');
            with_length(out, |out| values.iter().for_each(|v| encode_value(v, out)));
        }
        FieldValue::Table(table) => {
            out.push(b'F');
            encode_table(table, out);
        }
    }
}

fn with_length(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

fn long_string(input: &[u8]) -> Result<(&[u8], &[u8]), TableError> {
    let (length, rest) = input.split_first_chunk::<4>().ok_or(TableError::Truncated)?;
    split(rest, u32::from_be_bytes(*length) as usize)
}

fn split(input: &[u8], at: usize) -> Result<(&[u8], &[u8]), TableError> {
    input.split_at_checked(at).ok_or(TableError::Truncated)
}
