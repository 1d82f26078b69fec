//! The shape of every method's arguments, checked before the generated parser sees them.

use crate::model::{AmqpError, Method};

use super::fault;
use super::limits::TableLimits;
use super::reader::Reader;
use super::table_scan::scan_table;

/// One argument as it lies on the wire (AMQP 0-9-1, section 4.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// One octet, or up to eight bits packed into one.
    Octet,
    Short,
    Long,
    ShortString,
    LongString,
    Table,
}

/// What is known of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A client may send it, with these arguments.
    Client(&'static [Field]),
    /// Only servers send it.
    ServerOnly,
    /// The class has no such method.
    Unknown,
}

/// Walks over all arguments: lengths must fit exactly, short strings be UTF-8, tables be well formed.
pub(super) fn check(method: Method, fields: &[u8], shape: &[Field], limits: TableLimits) -> Result<(), AmqpError> {
    let mut reader = Reader::new(method, fields);
    for field in shape {
        match field {
            Field::Octet => drop(reader.octet()?),
            Field::Short => drop(reader.short()?),
            Field::Long => drop(reader.long()?),
            Field::ShortString => drop(reader.short_string()?),
            Field::LongString => drop(reader.long_string()?),
            Field::Table => {
                let table = reader.long_string()?;
                let scanned = scan_table(table, limits.depth, limits.method_values);
                scanned.map_err(|why| fault::malformed_table(method, &why))?;
            }
        }
    }
    reader.end()
}
