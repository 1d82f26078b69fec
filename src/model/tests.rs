use super::*;
use proptest::prelude::*;

fn value(depth: u32) -> BoxedStrategy<FieldValue> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(FieldValue::Bool),
        any::<i8>().prop_map(FieldValue::I8),
        any::<u8>().prop_map(FieldValue::U8),
        any::<i16>().prop_map(FieldValue::I16),
        any::<u16>().prop_map(FieldValue::U16),
        any::<i32>().prop_map(FieldValue::I32),
        any::<u32>().prop_map(FieldValue::U32),
        any::<i64>().prop_map(FieldValue::I64),
        any::<i32>().prop_map(|v| FieldValue::F64(v.into())),
        (any::<u8>(), any::<i32>()).prop_map(|(s, v)| FieldValue::Decimal(s, v)),
        any::<u64>().prop_map(FieldValue::Timestamp),
        Just(FieldValue::Void),
        any::<Vec<u8>>().prop_map(FieldValue::LongString),
        any::<Vec<u8>>().prop_map(FieldValue::Bytes),
    ];
    leaf.prop_recursive(depth, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(FieldValue::Array),
            prop::collection::vec(("[a-z]{0,9}", inner), 0..4)
                .prop_map(|pairs| FieldValue::Table(pairs.iter().map(|(n, v)| (n.as_str(), v.clone())).collect())),
        ]
    })
    .boxed()
}

proptest! {
    #[test]
    fn a_table_comes_back_as_it_went(values in prop::collection::vec(("[a-z]{1,9}", value(4)), 0..8)) {
        let table: FieldTable = values.iter().map(|(n, v)| (n.as_str(), v.clone())).collect();
        let mut bytes = Vec::new();
        encode_table(&table, &mut bytes);
        bytes.push(7);
        let (back, rest) = decode_table(&bytes).unwrap();
        prop_assert_eq!(back, table);
        prop_assert_eq!(rest, &[7][..]);
    }

    #[test]
    fn any_bytes_are_a_table_or_an_error(bytes: Vec<u8>) {
        let _ = decode_table(&bytes);
        let view = PropertiesView::new(&bytes);
        if view.check().is_ok() {
            let _ = view.decode();
        }
        let _ = (view.priority(), view.expiration(), view.headers(), view.message_id());
    }
}

#[test]
fn tables_nested_too_deep_are_refused() {
    let nest = |levels: usize| {
        let mut inner = vec![0, 0, 0, 0];
        for _ in 1..levels {
            let mut outer = ((inner.len() + 3) as u32).to_be_bytes().to_vec();
            outer.extend_from_slice(b"\x01aF");
            outer.extend_from_slice(&inner);
            inner = outer;
        }
        inner
    };
    assert!(decode_table(&nest(MAX_TABLE_DEPTH)).is_ok());
    assert_eq!(decode_table(&nest(MAX_TABLE_DEPTH + 1)), Err(TableError::TooDeep));
    assert_eq!(decode_table(&nest(5000)), Err(TableError::TooDeep));
}

#[test]
fn properties_come_back_and_are_read_in_place() {
    let all = Properties {
        content_type: Some("text/plain".into()),
        content_encoding: Some("utf-8".into()),
        headers: Some([("x", FieldValue::I32(5))].into_iter().collect()),
        delivery_mode: Some(2),
        priority: Some(9),
        correlation_id: Some("c".into()),
        reply_to: Some("r".into()),
        expiration: Some("60000".into()),
        message_id: Some("m".into()),
        timestamp: Some(1_700_000_000),
        kind: Some("t".into()),
        user_id: Some("guest".into()),
        app_id: Some("a".into()),
        cluster_id: Some("k".into()),
    };
    let bytes = all.encode();
    let view = PropertiesView::new(&bytes);
    assert_eq!(view.decode().unwrap(), all);
    assert!(view.is_persistent());
    assert!(view.has_header(&["CC", "x"]) && !view.has_header(&["CC", "y"]));
    assert_eq!(view.expiration(), Some(&b"60000"[..]));
    assert_eq!(view.user_id(), Some(&b"guest"[..]));
    for cut in 0..bytes.len() {
        assert!(PropertiesView::new(&bytes[..cut]).check().is_err(), "cut at {cut}");
    }
    let none = Properties::default().encode();
    assert_eq!(none, [0, 0]);
    assert_eq!(PropertiesView::new(&none).decode().unwrap(), Properties::default());
    assert_eq!(PropertiesView::new(&[0, 0, 1]).check(), Err(PropertyError::Trailing));
    assert_eq!(
        PropertiesView::new(&[0, 1]).check(),
        Err(PropertyError::UnknownFlags(1))
    );
}

#[test]
fn a_message_keeps_its_parts_apart() {
    let message = Message::new("orders", "eu.paid", &[0, 0], &[b"he", b"", b"llo"]);
    assert_eq!((message.exchange(), &*message.routing_key()), ("orders", "eu.paid"));
    assert_eq!(message.properties_bytes(), [0, 0]);
    assert_eq!((message.body(), message.body_len()), (&b"hello"[..], 5));
    let again = message.republished("", "q", &[0x10, 0, 2]);
    assert_eq!(
        (again.exchange(), &*again.routing_key(), again.body()),
        ("", "q", &b"hello"[..])
    );
    assert!(again.properties().is_persistent());
    assert_eq!(Message::new("", [255, 1], &[], &[]).routing_key_bytes(), [255, 1]);
    let long = "ü".repeat(200);
    assert_eq!(Message::new(&long, "", &[], &[]).exchange().len(), 254);
}

#[test]
fn a_window_never_lends_more_than_its_limit() {
    let window = ChannelWindow::new();
    assert!((0..1000).all(|_| window.try_take()));
    assert!(!window.give_back(1000), "no limit, nobody waits");
    window.set_limit(2);
    assert!(window.try_take() && window.try_take() && !window.try_take());
    assert!(window.give_back(1), "it was full");
    assert!(window.try_take());
}

#[test]
fn a_window_of_the_broker_holds_whatever_the_client_sets() {
    let window = ChannelWindow::with_most(2);
    assert!(window.try_take() && window.try_take() && !window.try_take());
    window.set_limit(9);
    assert!(!window.try_take());
    assert!(window.give_back(2), "it was full");
    window.set_limit(1);
    assert!(window.try_take() && !window.try_take());
}

#[test]
fn errors_carry_their_place() {
    let error = AmqpError::channel(ReplyCode::NotFound, "no queue 'q' in vhost '/'").caused_by(Method::new(50, 10));
    assert_eq!(error.text, "NOT_FOUND - no queue 'q' in vhost '/'");
    assert_eq!(error.clone().caused_by(Method::new(1, 1)).method, Method::new(50, 10));
    assert_eq!(error.to_string(), "404 NOT_FOUND - no queue 'q' in vhost '/'");
}
