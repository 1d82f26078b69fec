//! Topic matching: a table, the recursive oracle, bounds and pruning.

use proptest::prelude::*;

use super::*;
use crate::routing::topic::TopicTrie;

/// The rule, word by word, with backtracking.
fn matches(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern.split_first(), key.split_first()) {
        (None, None) => true,
        (Some((&"#", rest)), _) => matches(rest, key) || (!key.is_empty() && matches(pattern, &key[1..])),
        (Some((&"*", rest)), Some((_, key))) => matches(rest, key),
        (Some((word, rest)), Some((first, key))) => word == first && matches(rest, key),
        _ => false,
    }
}

pub(super) fn oracle(pattern: &str, key: &str) -> bool {
    let words = |text: &'_ str| -> Vec<String> {
        if text.is_empty() {
            Vec::new()
        } else {
            text.split('.').map(str::to_owned).collect()
        }
    };
    let (pattern, key) = (words(pattern), words(key));
    let pattern: Vec<&str> = pattern.iter().map(String::as_str).collect();
    let key: Vec<&str> = key.iter().map(String::as_str).collect();
    matches(&pattern, &key)
}

#[test]
fn patterns_match_as_the_table_says() {
    // Pattern; keys that match; keys that do not.
    let rows: &[(&str, &[&str], &[&str])] = &[
        ("a.b.c", &["a.b.c"], &["a.b", "a.b.c.d", "a.b.d", "", "a.b.", ".a.b.c"]),
        ("*", &["a", "*", "#"], &["", "a.b", "."]),
        ("#", &["", "a", "a.b", ".", "..", "#"], &[]),
        ("a.*", &["a.b", "a."], &["a", "a.b.c", "b.a"]),
        ("*.*", &["a.b", ".", "a.", ".b"], &["a", "a.b.c", ""]),
        ("a.#", &["a", "a.b", "a.b.c", "a."], &["", "b", "aa"]),
        ("#.a", &["a", "b.a", "b.c.a", ".a"], &["a.b", "", "a."]),
        (
            "a.#.b",
            &["a.b", "a.x.b", "a..b", "a.b.b", "a.x.y.b"],
            &["a", "b", "a.b.c", "ab"],
        ),
        ("#.#", &["", "a", "a.b"], &[]),
        ("#.*", &["a", "a.b"], &[""]),
        ("*.#.*", &["a.b", "a.x.b"], &["a", ""]),
        ("#.a.#", &["a", "a.b", "b.a", "b.a.b", "a.a"], &["", "b", "ab"]),
        ("", &[""], &["a", "."]),
        ("a..b", &["a..b"], &["a.b", "a.x.b"]),
        (".", &["."], &["", "..", "a"]),
        ("a.*.c", &["a.*.c", "a.#.c", "a.b.c"], &["a.c"]),
        ("*a", &["*a"], &["ba", "a"]),
        ("ü.ß", &["ü.ß"], &["u.s"]),
    ];
    for (pattern, yes, no) in rows {
        let mut router = router_with(ExchangeKind::Topic);
        bind(&mut router, "x", pattern, "q");
        for key in *yes {
            assert_eq!(routed(&router, "x", key), ["q"], "{pattern:?} takes {key:?}");
        }
        for key in *no {
            assert!(routed(&router, "x", key).is_empty(), "{pattern:?} refuses {key:?}");
        }
    }
}

#[test]
fn a_long_word_does_not_fit_into_its_node_and_still_matches() {
    let word = "w".repeat(200);
    let mut router = router_with(ExchangeKind::Topic);
    bind(&mut router, "x", &format!("{word}.*"), "q");
    assert_eq!(routed(&router, "x", &format!("{word}.a")), ["q"]);
    assert!(routed(&router, "x", &format!("{word}w.a")).is_empty());
    assert_eq!(&*router.bindings_of_source("x")[0].routing_key, format!("{word}.*"));
}

#[test]
fn many_hashes_against_a_long_key_do_bounded_work() {
    // A matcher that backtracks would need some 10^37 steps here; this one at most nodes times words.
    let mut router = router_with(ExchangeKind::Topic);
    let pattern = format!("{}z", "#.a.".repeat(40));
    bind(&mut router, "x", &pattern, "q");
    bind(&mut router, "x", &"#.".repeat(127).replace("#.", "#.*."), "r");
    let key = "a.".repeat(127);
    assert!(routed(&router, "x", &key).iter().all(|name| name == "r"));
    assert!(routed(&router, "x", &format!("{key}z")).contains(&"q".to_owned()));
}

#[test]
fn nodes_go_with_the_bindings_that_need_them() {
    let keys = ["a.b.c", "a.b", "a.*.c", "#", "a.#.b", "", "a.b.#", "*.*.*"];
    let mut trie = TopicTrie::default();
    for key in keys {
        let place = trie.place(key);
        assert_eq!(trie.find(key), Some(place));
        assert_eq!(&*trie.key(place), key);
    }
    assert!(trie.node_count() > keys.len());
    for key in keys {
        if let Some(place) = trie.find(key) {
            trie.prune(place);
        }
    }
    // Keys that others ran through were not bare when they were pruned.
    for key in keys {
        if let Some(place) = trie.find(key) {
            trie.prune(place);
        }
    }
    assert_eq!(trie.node_count(), 1);
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "*", "#", "", "ab"])
}

fn key() -> impl Strategy<Value = String> {
    prop::collection::vec(word(), 0..7).prop_map(|words| words.join("."))
}

proptest! {
    #[test]
    fn the_trie_agrees_with_the_rule(patterns in prop::collection::vec(key(), 1..12), keys in prop::collection::vec(key(), 1..8)) {
        let mut router = router_with(ExchangeKind::Topic);
        let mut bound: Vec<&String> = Vec::new();
        for pattern in &patterns {
            let new = router.bind("x", queue(pattern), pattern, FieldTable::new()).unwrap();
            prop_assert_eq!(new, !bound.contains(&pattern));
            if new {
                bound.push(pattern);
            }
        }
        // With all bindings, and then with every second one gone.
        for _ in 0..2 {
            for key in &keys {
                let mut expected: Vec<String> = bound.iter().filter(|p| oracle(p, key)).map(|p| p.to_string()).collect();
                expected.sort();
                prop_assert_eq!(routed(&router, "x", key), expected, "key {:?}", key);
            }
            let (kept, gone): (Vec<_>, Vec<_>) = bound.iter().copied().enumerate().partition(|(at, _)| at % 2 == 0);
            for (_, pattern) in gone {
                prop_assert!(router.unbind("x", &queue_name(pattern), pattern, FieldTable::new()).existed);
            }
            bound = kept.into_iter().map(|(_, pattern)| pattern).collect();
        }
    }
}
