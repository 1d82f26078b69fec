use super::driver::Driver;
use super::frames::*;
use crate::amqp::WireLimits;
use crate::amqp::table_scan::{ScanError, scan_table};
use crate::model::{FieldTable, FieldValue, TableError, decode_table, encode_table};
use proptest::prelude::*;

/// A table's content with `depth` containers within, of the kinds `A` or `F`.
fn nested(depth: usize, kind: u8) -> Vec<u8> {
    let mut content: Vec<u8> = Vec::new();
    for level in 0..depth {
        let mut outer = if kind == b'F' || level + 1 == depth {
            vec![1, b'a', kind]
        } else {
            vec![kind]
        };
        outer.extend((content.len() as u32).to_be_bytes());
        outer.extend(content);
        content = outer;
    }
    content
}

#[test]
fn sixteen_hundred_nested_arrays_before_the_login() {
    // As found in the wild: they overflow the stack of a parser that recurses.
    let content = nested(1600, b'A');
    assert!(content.len() > 7900 && content.len() < 8100);
    let mut driver = Driver::new(WireLimits::default());
    driver.feed(HEADER_0_9_1);
    let bytes = Args::new()
        .long_text(&content)
        .text("PLAIN")
        .long_text(b"\0a\0b")
        .text("en_US")
        .method(0, 10, 11);
    let events = driver.feed(&bytes);
    assert_eq!(
        events,
        ["error 502 SYNTAX_ERROR - malformed table: the table is nested deeper than 32 levels (10.11)"]
    );
    assert!(driver.connection.is_over());
}

#[test]
fn nesting_is_bounded_where_the_models_decoder_bounds_it() {
    for kind in [b'A', b'F'] {
        for depth in [0, 1, 30, 31, 32, 33, 1000] {
            let content = nested(depth, kind);
            let mut table = (content.len() as u32).to_be_bytes().to_vec();
            table.extend(&content);
            let decoded = decode_table(&table).map(|_| ());
            let scanned = scan_table(&content, 32, usize::MAX);
            match scanned {
                Ok(()) => assert_eq!(decoded, Ok(()), "depth {depth}"),
                Err(error) => {
                    assert_eq!(error, ScanError::TooDeep(32));
                    assert_eq!(decoded, Err(TableError::TooDeep), "depth {depth}");
                }
            }
            assert_eq!(scanned.is_ok(), depth < 32);
        }
    }
}

#[test]
fn a_methods_table_may_hold_so_many_values() {
    let voids = |count: usize| {
        let mut content = vec![1, b'a', b'A'];
        content.extend((count as u32).to_be_bytes());
        content.extend(std::iter::repeat_n(b'V', count));
        content
    };
    assert_eq!(scan_table(&voids(4095), 32, 4096), Ok(()));
    assert_eq!(scan_table(&voids(4096), 32, 4096), Err(ScanError::TooMany(4096)));
    let mut driver = Driver::running();
    driver.feed(
        &Args::new()
            .short(0)
            .text("q")
            .octet(0)
            .long_text(&voids(60_000))
            .method(1, 50, 10),
    );
    let text = "connection.close 502 SYNTAX_ERROR - malformed table: the table holds more than 4096 values (50.10)";
    assert_eq!(driver.sent(), [text]);
}

#[test]
fn every_type_comes_through() {
    let mut inner = FieldTable::new();
    inner.insert("z", FieldValue::Void);
    let values = [
        FieldValue::Bool(true),
        FieldValue::I8(-1),
        FieldValue::U8(200),
        FieldValue::I16(-300),
        FieldValue::U16(60_000),
        FieldValue::I32(-70_000),
        FieldValue::U32(4_000_000_000),
        FieldValue::I64(i64::MIN),
        FieldValue::F32(1.5),
        FieldValue::F64(-2.25),
        FieldValue::Decimal(2, -314),
        FieldValue::LongString(vec![0, 255]),
        FieldValue::Array(vec![FieldValue::Void, FieldValue::text("a")]),
        FieldValue::Timestamp(1_700_000_000),
        FieldValue::Table(inner),
        FieldValue::Void,
        FieldValue::Bytes(vec![1, 2]),
    ];
    let table: FieldTable = values
        .iter()
        .enumerate()
        .map(|(at, v)| (format!("{at:02}"), v.clone()))
        .collect();
    let mut driver = Driver::running();
    let events = driver.feed(&Args::new().short(0).text("q").octet(0).table(&table).method(1, 50, 10));
    assert!(
        events[0].ends_with(&format!("arguments: {table:?} }} }}")),
        "{events:?}"
    );
}

proptest! {
    #[test]
    fn scan_and_decode_agree_on_anything(content in prop::collection::vec(
        prop_oneof![Just(0u8), Just(1), Just(2), Just(4), Just(b'A'), Just(b'F'), Just(b'S'), Just(b'V'), Just(b't'), any::<u8>()],
        0..60,
    )) {
        let mut table = (content.len() as u32).to_be_bytes().to_vec();
        table.extend(&content);
        prop_assert_eq!(scan_table(&content, 32, usize::MAX).is_ok(), decode_table(&table).is_ok());
    }

    #[test]
    fn what_the_model_writes_is_accepted(names in prop::collection::vec("[a-z]{0,5}", 0..20)) {
        let table: FieldTable = names.iter().map(|name| (name.as_str(), FieldValue::text(name))).collect();
        let mut bytes = Vec::new();
        encode_table(&table, &mut bytes);
        prop_assert_eq!(scan_table(&bytes[4..], 32, usize::MAX), Ok(()));
    }
}
