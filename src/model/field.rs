//! Typed arguments and header tables.

use super::Name;

/// A value in a field table (AMQP 0-9-1, section 4.2.5.5, with the type letters that RabbitMQ and its clients use).
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// `t`
    Bool(bool),
    /// `b`, signed 8 bit.
    I8(i8),
    /// `B`, unsigned 8 bit.
    U8(u8),
    /// `s`, signed 16 bit.
    I16(i16),
    /// `u`, unsigned 16 bit.
    U16(u16),
    /// `I`, signed 32 bit.
    I32(i32),
    /// `i`, unsigned 32 bit.
    U32(u32),
    /// `l`, signed 64 bit.
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`: scale and unscaled value.
    Decimal(u8, i32),
    /// `S`, bytes that are usually UTF-8.
    LongString(Vec<u8>),
    /// `A`
    Array(Vec<FieldValue>),
    /// `T`, seconds since the Unix epoch.
    Timestamp(u64),
    /// `F`
    Table(FieldTable),
    /// `V`
    Void,
    /// `x`
    Bytes(Vec<u8>),
}

impl FieldValue {
    /// A long string with this text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::LongString(text.as_bytes().to_vec())
    }

    /// The value as an integer, whatever its width; `None` for all that is no integer.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match *self {
            Self::I8(v) => Some(v.into()),
            Self::U8(v) => Some(v.into()),
            Self::I16(v) => Some(v.into()),
            Self::U16(v) => Some(v.into()),
            Self::I32(v) => Some(v.into()),
            Self::U32(v) => Some(v.into()),
            Self::I64(v) => Some(v),
            _ => None,
        }
    }

    /// RabbitMQ's name of the value's type, as its reply texts have it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Decimal(..) => "decimal",
            Self::LongString(_) => "longstr",
            Self::Array(_) => "array",
            Self::Timestamp(_) => "timestamp",
            Self::Table(_) => "table",
            Self::Void => "void",
            Self::Bytes(_) => "binary",
        }
    }

    /// The value as text, where it is a long string of valid UTF-8.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::LongString(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }
}

/// A field table: pairs in the order in which they came.
///
/// Names are few, so look-ups walk; the first pair of a name counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldTable(Vec<(Name, FieldValue)>);

impl FieldTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// Sets `name`, in its old place where it had one.
    pub fn insert(&mut self, name: impl Into<Name>, value: FieldValue) {
        let name = name.into();
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Appends a pair without looking for an earlier one of that name (for decoders).
    pub fn push(&mut self, name: Name, value: FieldValue) {
        self.0.push((name, value));
    }

    /// Removes `name` and gives its value.
    pub fn remove(&mut self, name: &str) -> Option<FieldValue> {
        let at = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.remove(at).1)
    }

    /// All pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &FieldValue)> {
        self.0.iter().map(|(n, v)| (n, v))
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no pair.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<Name>> FromIterator<(N, FieldValue)> for FieldTable {
    fn from_iter<I: IntoIterator<Item = (N, FieldValue)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(n, v)| (n.into(), v)).collect())
    }
}
