//! The router as a whole: predeclared exchanges, bindings between exchanges, alternates, deletion, listings.

use super::*;

#[test]
fn the_predeclared_exchanges_are_there() {
    let router: Router<u8> = Router::new();
    let listed: Vec<_> = router
        .exchanges()
        .map(|x| (x.name().to_string(), x.spec().kind, x.spec().internal, x.spec().durable))
        .collect();
    use ExchangeKind::{Direct, Fanout, Headers, Topic};
    let expected = [
        ("", Direct, false),
        ("amq.direct", Direct, false),
        ("amq.fanout", Fanout, false),
        ("amq.headers", Headers, false),
        ("amq.match", Headers, false),
        ("amq.rabbitmq.trace", Topic, true),
        ("amq.topic", Topic, false),
    ]
    .map(|(name, kind, internal)| (name.to_owned(), kind, internal, true));
    assert_eq!(listed, expected);
}

#[test]
fn the_default_exchange_routes_by_queue_name() {
    let mut router: Router<String> = Router::new();
    router.add_queue("q".into(), "old".into());
    assert_eq!(routed(&router, "", "q"), ["old"]);
    router.add_queue("q".into(), "new".into());
    assert_eq!(routed(&router, "", "q"), ["new"]);
    assert!(routed(&router, "", "other").is_empty());
    assert!(router.remove_queue("q").existed);
    assert!(!router.remove_queue("q").existed);
    assert!(routed(&router, "", "q").is_empty());
    assert!(!router.delete("").existed);
    assert!(router.get("").is_some());
}

#[test]
fn an_unknown_exchange_routes_not_at_all() {
    let router: Router<u8> = Router::new();
    let mut out = vec![1];
    assert_eq!(router.route("none", "k", PropertiesView::new(PLAIN), 0, &mut out), None);
    assert!(out.is_empty());
}

#[test]
fn a_second_declaration_changes_nothing() {
    let mut router = router_with(ExchangeKind::Direct);
    bind(&mut router, "x", "k", "q");
    assert_eq!(
        router.declare("x".into(), ExchangeSpec::durable(ExchangeKind::Topic)),
        Ok(false)
    );
    assert_eq!(router.get("x").unwrap().spec().kind, ExchangeKind::Direct);
    assert_eq!(routed(&router, "x", "k"), ["q"]);
}

#[test]
fn the_same_binding_twice_is_one() {
    let mut router = router_with(ExchangeKind::Direct);
    let one = table(&[("a", FieldValue::I32(1)), ("b", FieldValue::F64(f64::NAN))]);
    let same = table(&[("b", FieldValue::F64(f64::NAN)), ("a", FieldValue::I32(1))]);
    let other = table(&[("a", FieldValue::I32(2))]);
    assert_eq!(router.bind("x", queue("q"), "k", one.clone()), Ok(true));
    assert_eq!(router.bind("x", queue("q"), "k", same.clone()), Ok(false));
    assert_eq!(router.bind("x", queue("q"), "k", other.clone()), Ok(true));
    assert_eq!(router.bind("x", queue("q"), "l", same.clone()), Ok(true));
    assert_eq!(router.get("x").unwrap().bindings_from(), 3);
    assert_eq!(routed(&router, "x", "k"), ["q"]);
    assert!(router.unbind("x", &queue_name("q"), "k", same).existed);
    assert!(!router.unbind("x", &queue_name("q"), "k", one).existed);
    assert_eq!(routed(&router, "x", "k"), ["q"]);
    assert!(router.unbind("x", &queue_name("q"), "k", other).existed);
    assert!(routed(&router, "x", "k").is_empty());
    assert_eq!(router.binding_count(), 1);
}

#[test]
fn missing_ends_of_a_binding_are_named() {
    let mut router = router_with(ExchangeKind::Direct);
    let bound = router.bind("none", queue("q"), "k", FieldTable::new());
    assert_eq!(bound, Err(BindError::NoSource("none".into())));
    let bound = router.bind("x", Destination::Exchange("none".into()), "k", FieldTable::new());
    assert_eq!(bound, Err(BindError::NoDestination(exchange_name("none"))));
    assert!(!router.unbind("none", &queue_name("q"), "k", FieldTable::new()).existed);
    assert!(!router.unbind("x", &queue_name("none"), "k", FieldTable::new()).existed);
}

#[test]
fn messages_pass_over_exchanges_and_cycles_end() {
    let mut router = router_with(ExchangeKind::Fanout);
    for name in ["y", "z"] {
        router
            .declare(name.into(), spec(ExchangeKind::Topic, FieldTable::new()))
            .unwrap();
    }
    link(&mut router, "x", "", "y");
    link(&mut router, "x", "", "x");
    link(&mut router, "y", "a.#", "z");
    link(&mut router, "z", "#", "x");
    bind(&mut router, "z", "*.b", "q1");
    bind(&mut router, "x", "", "q2");
    assert_eq!(routed(&router, "x", "a.b"), ["q1", "q2"]);
    assert_eq!(routed(&router, "x", "c.b"), ["q2"]);
    assert_eq!(routed(&router, "y", "a.c"), ["q2"]);
    assert_eq!(routed_with(&router, "x", "a.b", PLAIN, 0).1, Cacheable::ByKey);
    // One exchange on the way that looks at headers is enough.
    link(&mut router, "z", "#", "amq.headers");
    assert_eq!(routed_with(&router, "x", "a.b", PLAIN, 0).1, Cacheable::No);
    assert_eq!(routed_with(&router, "x", "c.b", PLAIN, 0).1, Cacheable::ByKey);
}

#[test]
fn alternates_take_what_no_binding_took() {
    let mut router: Router<String> = Router::new();
    let with_alternate = |name: &str| {
        let arguments = table(&[("alternate-exchange", FieldValue::text(name))]);
        spec(ExchangeKind::Direct, arguments)
    };
    router.declare("x".into(), with_alternate("y")).unwrap();
    router.declare("y".into(), with_alternate("z")).unwrap();
    router.declare("z".into(), with_alternate("x")).unwrap();
    bind(&mut router, "x", "a", "qx");
    bind(&mut router, "y", "b", "qy");
    bind(&mut router, "z", "c", "qz");
    assert_eq!(routed(&router, "x", "a"), ["qx"]);
    assert_eq!(routed(&router, "x", "b"), ["qy"]);
    assert_eq!(routed(&router, "x", "c"), ["qz"]);
    assert!(routed(&router, "x", "d").is_empty());
    assert_eq!(routed(&router, "z", "b"), ["qy"]);
    // A match that leads nowhere is a match.
    router
        .declare("dead end".into(), spec(ExchangeKind::Fanout, FieldTable::new()))
        .unwrap();
    link(&mut router, "x", "b", "dead end");
    assert!(routed(&router, "x", "b").is_empty());
    // The alternate of an exchange further on counts as well; one that is missing is no fault.
    router.set_alternate("dead end", Some("y".into()));
    assert_eq!(routed(&router, "x", "b"), ["qy"]);
    router.set_alternate("dead end", Some("missing".into()));
    assert!(routed(&router, "x", "b").is_empty());
    router.set_alternate("dead end", Some("".into()));
    router.add_queue("b".into(), "queue b".into());
    assert_eq!(routed(&router, "x", "b"), ["queue b"]);
    assert!(router.set_alternate("dead end", None));
    assert!(!router.set_alternate("none", None));
    assert_eq!(router.get("dead end").unwrap().alternate(), None);
    assert_eq!(router.get("x").unwrap().alternate(), Some(&"y".into()));
}

#[test]
fn auto_delete_exchanges_go_with_the_last_binding_from_them() {
    let mut router: Router<String> = Router::new();
    for name in ["a", "b", "c"] {
        router.declare(name.into(), auto_delete(ExchangeKind::Fanout)).unwrap();
    }
    // a -> b -> c -> q, and a -> q2.
    link(&mut router, "a", "", "b");
    link(&mut router, "b", "", "c");
    bind(&mut router, "c", "", "q");
    bind(&mut router, "a", "", "q2");
    let unbound = router.unbind("a", &queue_name("q2"), "", FieldTable::new());
    assert!(unbound.existed && unbound.auto_deleted.is_empty() && unbound.bindings.is_empty());
    // c loses its last, so b does, so a does.
    let unbound = router.unbind("c", &queue_name("q"), "", FieldTable::new());
    assert_eq!(unbound.auto_deleted, names(&["c", "b", "a"]));
    let gone: Vec<_> = unbound
        .bindings
        .iter()
        .map(|b| (b.source.to_string(), b.destination.clone()))
        .collect();
    assert_eq!(
        gone,
        [
            ("b".to_owned(), exchange_name("c")),
            ("a".to_owned(), exchange_name("b"))
        ]
    );
    assert!(["a", "b", "c"].iter().all(|name| router.get(name).is_none()));
    assert_eq!((router.binding_count(), router.queue_count()), (0, 2));
}

#[test]
fn an_auto_delete_exchange_without_bindings_waits_for_its_first() {
    let mut router: Router<String> = Router::new();
    router.declare("a".into(), auto_delete(ExchangeKind::Direct)).unwrap();
    link(&mut router, "amq.direct", "k", "a");
    // A binding to it does not count.
    assert!(
        router
            .unbind("amq.direct", &exchange_name("a"), "k", FieldTable::new())
            .auto_deleted
            .is_empty()
    );
    assert!(router.get("a").is_some());
    bind(&mut router, "a", "k", "q");
    let removed = router.remove_queue("q");
    assert_eq!((removed.exchanges, removed.bindings.len()), (names(&["a"]), 1));
}

#[test]
fn deletion_takes_the_bindings_on_both_sides() {
    let mut router = router_with(ExchangeKind::Direct);
    router
        .declare("auto".into(), auto_delete(ExchangeKind::Direct))
        .unwrap();
    router
        .declare("keeps".into(), spec(ExchangeKind::Direct, FieldTable::new()))
        .unwrap();
    link(&mut router, "auto", "k", "x");
    link(&mut router, "keeps", "k", "x");
    link(&mut router, "x", "k", "x");
    link(&mut router, "x", "k", "keeps");
    bind(&mut router, "x", "k", "q");
    bind(&mut router, "keeps", "k", "q");
    let removed = router.delete("x");
    assert!(removed.existed);
    assert_eq!(removed.exchanges, names(&["x", "auto"]));
    assert_eq!(removed.bindings.len(), 5);
    assert_eq!(router.binding_count(), 1);
    assert_eq!(routed(&router, "keeps", "k"), ["q"]);
    assert_eq!(router.get("keeps").unwrap().bindings_to(), 0);
    assert_eq!(router.delete("x"), Default::default());
}

#[test]
fn a_self_bound_auto_delete_exchange_goes_once() {
    let mut router: Router<String> = Router::new();
    router.declare("a".into(), auto_delete(ExchangeKind::Fanout)).unwrap();
    link(&mut router, "a", "", "a");
    let unbound = router.unbind("a", &exchange_name("a"), "", FieldTable::new());
    assert_eq!(unbound.auto_deleted, names(&["a"]));
    router.declare("a".into(), auto_delete(ExchangeKind::Fanout)).unwrap();
    link(&mut router, "a", "", "a");
    let removed = router.delete("a");
    assert_eq!((removed.exchanges, removed.bindings.len()), (names(&["a"]), 1));
}

#[test]
fn listings_are_ordered_and_complete() {
    let mut router: Router<String> = Router::new();
    for kind in ["amq.topic", "amq.direct", "amq.fanout"] {
        for key in ["b.*", "a", ""] {
            for to in ["q2", "q1"] {
                bind(&mut router, kind, key, to);
            }
        }
    }
    link(&mut router, "amq.topic", "#", "amq.direct");
    let shown = |bindings: Vec<crate::routing::Binding>| -> Vec<String> {
        bindings
            .iter()
            .map(|b| format!("{} {} {}", b.source, b.routing_key, b.destination.name()))
            .collect()
    };
    assert_eq!(
        shown(router.bindings_of_source("amq.topic")),
        [
            "amq.topic  q1",
            "amq.topic a q1",
            "amq.topic b.* q1",
            "amq.topic  q2",
            "amq.topic a q2",
            "amq.topic b.* q2",
            "amq.topic # amq.direct"
        ]
    );
    let to_queue = shown(router.bindings_of_destination(&queue_name("q1")));
    assert_eq!(to_queue.len(), 9);
    assert!(to_queue.is_sorted());
    assert_eq!(
        shown(router.bindings_of_destination(&exchange_name("amq.direct"))),
        ["amq.topic # amq.direct"]
    );
    assert!(router.bindings_of_source("none").is_empty());
    assert!(router.bindings_of_destination(&queue_name("none")).is_empty());
    assert_eq!(router.binding_count(), 19);
}
