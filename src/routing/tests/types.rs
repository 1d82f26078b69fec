//! The exchange types other than topic, and what they refuse.

use std::collections::BTreeMap;

use super::*;
use crate::routing::{DeclareError, sender_selected_keys};
use FieldValue::{Array, Bool, Bytes, Decimal, F32, F64, I8, I32, I64, Timestamp, U8, U32, Void};

fn text(text: &str) -> FieldValue {
    FieldValue::text(text)
}

/// Named values of a binding's arguments or a message's headers.
type Fields = Vec<(&'static str, FieldValue)>;

#[test]
fn every_type_has_its_name() {
    for kind in ExchangeKind::ALL {
        assert_eq!(ExchangeKind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(ExchangeKind::parse("Direct"), None);
    assert_eq!(ExchangeKind::parse(""), None);
}

#[test]
fn direct_takes_the_equal_key_only() {
    let mut router = router_with(ExchangeKind::Direct);
    bind(&mut router, "x", "a", "q1");
    bind(&mut router, "x", "a", "q2");
    bind(&mut router, "x", "b", "q1");
    bind(&mut router, "x", "", "q3");
    assert_eq!(routed(&router, "x", "a"), ["q1", "q2"]);
    assert_eq!(routed(&router, "x", "b"), ["q1"]);
    assert_eq!(routed(&router, "x", ""), ["q3"]);
    assert!(routed(&router, "x", "*").is_empty());
    assert_eq!(routed_with(&router, "x", "a", PLAIN, 0).1, Cacheable::ByKey);
}

#[test]
fn fanout_takes_every_binding_and_each_queue_once() {
    let mut router = router_with(ExchangeKind::Fanout);
    for (key, to) in [("", "q2"), ("k", "q1"), ("l", "q1")] {
        bind(&mut router, "x", key, to);
    }
    assert_eq!(routed(&router, "x", "whatever"), ["q1", "q2"]);
    assert_eq!(routed_with(&router, "x", "a", PLAIN, 0).1, Cacheable::ByKey);
}

#[test]
fn headers_match_as_the_table_says() {
    let all = |more: &[(&'static str, FieldValue)]| [&[("x-match", text("all"))], more].concat();
    let any = |more: &[(&'static str, FieldValue)]| [&[("x-match", text("any"))], more].concat();
    let mode = |mode: &str, more: &[(&'static str, FieldValue)]| [&[("x-match", text(mode))], more].concat();
    // Arguments of the binding, headers of the message, whether they match.
    let rows: Vec<(Fields, Fields, bool)> = vec![
        (vec![], vec![], true),
        (vec![], vec![("a", I32(1))], true),
        (vec![("a", I32(1))], vec![("a", I32(1)), ("b", I32(2))], true),
        (vec![("a", I32(1)), ("b", I32(2))], vec![("a", I32(1))], false),
        (
            all(&[("a", I32(1)), ("b", I32(2))]),
            vec![("b", I32(2)), ("a", I32(1))],
            true,
        ),
        (all(&[("a", I32(1))]), vec![("a", I32(2))], false),
        (any(&[("a", I32(1)), ("b", I32(2))]), vec![("b", I32(2))], true),
        (
            any(&[("a", I32(1)), ("b", I32(2))]),
            vec![("a", I32(2)), ("c", I32(2))],
            false,
        ),
        (any(&[]), vec![("a", I32(1))], false),
        (all(&[("a", Void)]), vec![("a", text("anything"))], true),
        (all(&[("a", Void)]), vec![("a", Void)], true),
        (all(&[("a", Void)]), vec![("b", I32(1))], false),
        (all(&[("a", I32(1))]), vec![("a", Void)], false),
        (any(&[("a", Void)]), vec![("a", Array(vec![]))], true),
        // Arguments with x- count in the modes with x only, and x-match never.
        (all(&[("x-a", I32(1))]), vec![], true),
        (any(&[("x-a", I32(1))]), vec![("x-a", I32(1))], false),
        (mode("all-with-x", &[("x-a", I32(1))]), vec![], false),
        (mode("all-with-x", &[("x-a", I32(1))]), vec![("x-a", I32(1))], true),
        (
            mode("any-with-x", &[("x-a", I32(1)), ("b", I32(1))]),
            vec![("x-a", I32(1))],
            true,
        ),
        (mode("any-with-x", &[]), vec![("x-match", text("any-with-x"))], false),
        // By value, whatever the width.
        (vec![("a", I8(5))], vec![("a", I64(5))], true),
        (vec![("a", U32(u32::MAX))], vec![("a", I64(u32::MAX.into()))], true),
        (vec![("a", U8(255))], vec![("a", I8(-1))], false),
        (vec![("a", F32(0.5))], vec![("a", F64(0.5))], true),
        (vec![("a", I32(1))], vec![("a", F64(1.0))], false),
        (vec![("a", I32(1))], vec![("a", text("1"))], false),
        (vec![("a", I32(1))], vec![("a", Bool(true))], false),
        (vec![("a", Bool(true))], vec![("a", Bool(true))], true),
        (vec![("a", Bool(true))], vec![("a", Bool(false))], false),
        (vec![("a", text("t"))], vec![("a", Bytes(b"t".to_vec()))], true),
        (vec![("a", text("t"))], vec![("a", text("T"))], false),
        (vec![("a", Timestamp(7))], vec![("a", Timestamp(7))], true),
        (vec![("a", Timestamp(7))], vec![("a", Timestamp(8))], false),
        (vec![("a", Decimal(2, 314))], vec![("a", Decimal(2, 314))], true),
        (vec![("a", Decimal(2, 314))], vec![("a", Decimal(3, 3140))], false),
        (vec![("a", Array(vec![I32(1)]))], vec![("a", Array(vec![I32(1)]))], true),
        (
            vec![("a", Array(vec![I32(1)]))],
            vec![("a", Array(vec![I32(2)]))],
            false,
        ),
        (
            vec![("a", FieldValue::Table(table(&[("k", I32(1))])))],
            vec![("a", FieldValue::Table(table(&[("k", I32(1))])))],
            true,
        ),
    ];
    for (arguments, headers, expected) in rows {
        let mut router = router_with(ExchangeKind::Headers);
        assert_eq!(bind_with(&mut router, "x", "q", &arguments), Ok(true));
        let (queues, cacheable) = routed_with(&router, "x", "key", &with_headers(&headers), 0);
        assert_eq!(!queues.is_empty(), expected, "{arguments:?} against {headers:?}");
        assert_eq!(cacheable, Cacheable::No);
    }
}

#[test]
fn a_message_without_headers_matches_what_asks_for_none() {
    let mut router = router_with(ExchangeKind::Headers);
    bind_with(&mut router, "x", "any", &[("x-match", text("any")), ("a", Void)]).unwrap();
    bind_with(&mut router, "x", "all", &[]).unwrap();
    assert_eq!(routed(&router, "x", ""), ["all"]);
}

#[test]
fn a_wrong_x_match_is_refused_in_the_known_words() {
    let mut router = router_with(ExchangeKind::Headers);
    let wrong = bind_with(&mut router, "x", "q", &[("x-match", text("bogus"))]).unwrap_err();
    let expected = r#"Invalid x-match field value <<"bogus">>; expected all, any, all-with-x, or any-with-x"#;
    assert_eq!(wrong.to_string(), expected);
    let wrong = bind_with(&mut router, "x", "q", &[("x-match", I8(1))]).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "Invalid x-match field type byte (value 1); expected longstr"
    );
    // Nothing is left of a refused binding.
    assert_eq!((router.binding_count(), router.queue_count()), (0, 0));
    // Other types take any arguments.
    assert_eq!(
        bind_with(&mut router, "amq.direct", "q", &[("x-match", I8(1))]),
        Ok(true)
    );
}

#[test]
fn weights_are_positive_integers() {
    let mut router = router_with(ExchangeKind::ConsistentHash);
    let mut refusal = |key: &str| match router.bind("x", queue("q"), key, FieldTable::new()) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    for key in ["", "a", "1.5", "-", "1 ", "0x1"] {
        assert_eq!(
            refusal(key),
            match key {
                "" => "The binding key must be an integer: <<>>".to_owned(),
                key => format!("The binding key must be an integer: <<\"{key}\">>"),
            }
        );
    }
    for key in ["0", "-1", "-0", "000"] {
        assert_eq!(refusal(key), "The binding key must be greater than 0");
    }
    for key in ["1", "+7", "99999999999999999999999"] {
        assert_eq!(refusal(key), "");
    }
}

#[test]
fn arguments_of_a_declaration_are_checked() {
    let mut router: Router<u8> = Router::new();
    let mut declare = |kind, arguments: &[(&str, FieldValue)]| router.declare("x".into(), spec(kind, table(arguments)));
    use ExchangeKind::{ConsistentHash, DelayedMessage, Direct};
    assert_eq!(
        declare(ConsistentHash, &[("hash-property", text("app_id"))]),
        Err(DeclareError::HashProperty("app_id".into()))
    );
    assert_eq!(
        declare(
            ConsistentHash,
            &[("hash-property", text("message_id")), ("hash-header", text("h"))]
        ),
        Err(DeclareError::HashArguments)
    );
    let refused = declare(Direct, &[("alternate-exchange", I32(1))]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "invalid type 'signedint' for arg 'alternate-exchange'"
    );
    assert!(declare(ConsistentHash, &[("hash-header", I32(1))]).is_err());
    for delayed in [
        &[][..],
        &[("x-delayed-type", text("x-delayed-message"))],
        &[("x-delayed-type", text("no"))],
    ] {
        assert_eq!(declare(DelayedMessage, delayed), Err(DeclareError::DelayedType));
    }
    assert_eq!(declare(DelayedMessage, &[("x-delayed-type", text("topic"))]), Ok(true));
    // The delayed exchange routes as its inner type.
    router
        .bind(
            "x",
            Destination::Queue {
                name: "q".into(),
                handle: 1,
            },
            "a.*",
            FieldTable::new(),
        )
        .unwrap();
    let mut out = Vec::new();
    router.route("x", "a.b", PropertiesView::new(PLAIN), 0, &mut out);
    assert_eq!(out, [1]);
}

/// Where each of 20,000 keys goes.
fn spread(router: &Router<String>, exchange: &str) -> BTreeMap<String, String> {
    let keys = (0..20_000).map(|number| format!("order.{number}"));
    keys.map(|key| {
        let [queue] = routed(router, exchange, &key).try_into().unwrap();
        (key, queue)
    })
    .collect()
}

fn count(spread: &BTreeMap<String, String>, queue: &str) -> usize {
    spread.values().filter(|name| *name == queue).count()
}

#[test]
fn consistent_hash_spreads_by_weight_and_moves_only_what_it_must() {
    let mut router = router_with(ExchangeKind::ConsistentHash);
    for (name, weight) in [("q1", "1"), ("q2", "1"), ("q3", "2"), ("q4", "4")] {
        bind(&mut router, "x", weight, name);
    }
    let before = spread(&router, "x");
    for (name, weight) in [("q1", 1), ("q2", 1), ("q3", 2), ("q4", 4)] {
        let (got, expected) = (count(&before, name), 20_000 * weight / 8);
        assert!(
            got.abs_diff(expected) < expected / 10,
            "{name}: {got}, expected {expected}"
        );
    }

    // A further queue takes its share from all, and nothing moves between the others.
    bind(&mut router, "x", "2", "q5");
    let with_fifth = spread(&router, "x");
    for (key, queue) in &with_fifth {
        assert!(queue == "q5" || *queue == before[key], "{key} moved to {queue}");
    }
    assert!(count(&with_fifth, "q5").abs_diff(4_000) < 400);

    // A queue that goes gives only its own away; bound again it gets the very same back.
    router.remove_queue("q5");
    assert_eq!(spread(&router, "x"), before);
    router.unbind("x", &queue_name("q3"), "2", FieldTable::new());
    let without_third = spread(&router, "x");
    for (key, queue) in &before {
        assert!(queue == "q3" || without_third[key] == *queue, "{key} left {queue}");
    }
    assert_eq!(count(&without_third, "q3"), 0);
}

#[test]
fn consistent_hash_takes_a_header_or_a_property_in_place_of_the_key() {
    let properties = [
        (
            "correlation_id",
            Properties {
                correlation_id: Some("c1".into()),
                ..Properties::default()
            },
        ),
        (
            "message_id",
            Properties {
                message_id: Some("m1".into()),
                ..Properties::default()
            },
        ),
        (
            "timestamp",
            Properties {
                timestamp: Some(17),
                ..Properties::default()
            },
        ),
        (
            "header",
            Properties {
                headers: Some(table(&[("h", I32(5))])),
                ..Properties::default()
            },
        ),
    ];
    for (what, properties) in properties {
        let argument = match what {
            "header" => ("hash-header", text("h")),
            property => ("hash-property", text(property)),
        };
        let mut router: Router<String> = Router::new();
        router
            .declare("x".into(), spec(ExchangeKind::ConsistentHash, table(&[argument])))
            .unwrap();
        for number in 0..50 {
            bind(&mut router, "x", "1", &format!("q{number}"));
        }
        let encoded = properties.encode();
        let (first, cacheable) = routed_with(&router, "x", "key", &encoded, 0);
        assert_eq!((first.len(), cacheable), (1, Cacheable::No));
        assert_eq!(routed_with(&router, "x", "other key", &encoded, 0).0, first, "{what}");
        // Without it the message goes somewhere too; with 50 queues hardly to the same.
        let (without, _) = routed_with(&router, "x", "key", PLAIN, 0);
        assert_eq!(without.len(), 1);
        assert_ne!(without, first, "{what}");
    }
}

#[test]
fn integers_of_any_width_hash_alike() {
    let mut router: Router<String> = Router::new();
    let arguments = table(&[("hash-header", text("h"))]);
    router
        .declare("x".into(), spec(ExchangeKind::ConsistentHash, arguments))
        .unwrap();
    for number in 0..50 {
        bind(&mut router, "x", "1", &format!("q{number}"));
    }
    let to = |value| routed_with(&router, "x", "", &with_headers(&[("h", value)]), 0).0;
    assert_eq!(to(I8(5)), to(I64(5)));
    assert_ne!(to(I8(5)), to(I64(6)));
}

#[test]
fn random_reaches_each_queue_about_as_often() {
    let mut router = router_with(ExchangeKind::Random);
    assert!(routed(&router, "x", "").is_empty());
    for name in ["q1", "q2", "q3", "q4"] {
        bind(&mut router, "x", "", name);
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for random in 0..8_000 {
        let (queues, cacheable) = routed_with(&router, "x", "", PLAIN, random);
        let [name] = queues.try_into().unwrap();
        assert_eq!(cacheable, Cacheable::No);
        *counts.entry(name).or_default() += 1;
    }
    assert_eq!(counts.len(), 4);
    assert!(counts.values().all(|count| count.abs_diff(2_000) < 200), "{counts:?}");
    assert_eq!(
        routed_with(&router, "x", "", PLAIN, 9),
        routed_with(&router, "x", "", PLAIN, 9)
    );
}

#[test]
fn modulus_hash_picks_one_by_key_in_whatever_order_they_were_bound() {
    let mut router = router_with(ExchangeKind::ModulusHash);
    let mut reversed = router_with(ExchangeKind::ModulusHash);
    let names = ["q1", "q2", "q3", "q4", "q5"];
    for (name, other) in names.iter().zip(names.iter().rev()) {
        bind(&mut router, "x", "", name);
        bind(&mut reversed, "x", "", other);
    }
    let spread = spread(&router, "x");
    for name in names {
        assert!(count(&spread, name).abs_diff(4_000) < 400);
    }
    for (key, name) in spread {
        assert_eq!(routed(&reversed, "x", &key), [name]);
    }
    assert_eq!(routed_with(&router, "x", "k", PLAIN, 0).1, Cacheable::ByKey);
    router.remove_queue("q3");
    assert!((0..100).all(|number| routed(&router, "x", &number.to_string()) != ["q3"]));
}

#[test]
fn further_keys_come_from_cc_and_bcc() {
    let headers = table(&[
        ("BCC", Array(vec![text("c"), I32(1)])),
        ("CC", Array(vec![text("a"), text("b")])),
    ]);
    assert_eq!(sender_selected_keys(&headers).unwrap(), ["a", "b", "c"]);
    assert!(sender_selected_keys(&FieldTable::new()).unwrap().is_empty());
    let wrong = sender_selected_keys(&table(&[("CC", text("a"))])).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        r#"invalid message: {unacceptable_type_in_header,"CC",longstr}"#
    );
}

#[test]
fn all_keys_count_but_a_hash_takes_the_first() {
    let mut router = router_with(ExchangeKind::ConsistentHash);
    for number in 0..50 {
        bind(&mut router, "x", "1", &format!("q{number}"));
    }
    bind(&mut router, "amq.direct", "a", "q1");
    bind(&mut router, "amq.direct", "b", "q2");
    bind(&mut router, "amq.topic", "b.#", "q3");
    let many = |exchange: &str, keys: &[&str]| {
        let mut out = Vec::new();
        let cacheable = router.route_many(exchange, keys.iter().copied(), PropertiesView::new(PLAIN), 0, &mut out);
        assert_eq!(cacheable, Some(Cacheable::No));
        out
    };
    assert_eq!(many("amq.direct", &["b", "a", "b", "none"]), ["q1", "q2"]);
    assert_eq!(many("amq.topic", &["a", "b"]), ["q3"]);
    assert_eq!(many("", &["q7", "none", "q3"]), ["q3", "q7"]);
    assert_eq!(many("x", &["k", "l"]), routed(&router, "x", "k"));
}
