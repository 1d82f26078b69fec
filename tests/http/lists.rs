//! Pages, filters, sorts and columns.

use serde_json::{Value, json};

use super::{Broker, names};

fn publish(broker: &Broker, queue: &str, count: usize) {
    for _ in 0..count {
        let body = json!({ "routing_key": queue, "payload": "x", "properties": {} });
        let answer = broker.want(200, "POST", "/api/exchanges/%2F/amq.default/publish", Some(body));
        assert_eq!(answer["routed"], true);
    }
}

#[test]
fn lists_are_cut_filtered_and_sorted() {
    let broker = Broker::start();
    for name in ["a.1", "a.2", "B.1", "c"] {
        broker.declare_queue(name);
    }
    publish(&broker, "a.1", 2);
    publish(&broker, "c", 3);
    let rows: &[(&str, &[&str])] = &[
        ("", &["B.1", "a.1", "a.2", "c"]),
        ("?sort=name&sort_reverse=true", &["c", "a.2", "a.1", "B.1"]),
        ("?sort_reverse=true", &["c", "a.2", "a.1", "B.1"]),
        ("?sort=messages&sort_reverse=true", &["c", "a.1", "a.2", "B.1"]),
        ("?sort=message_stats.publish", &["B.1", "a.2", "a.1", "c"]),
        ("?sort=nothing", &["B.1", "a.1", "a.2", "c"]),
        // Without a page there is no filter.
        ("?name=a", &["B.1", "a.1", "a.2", "c"]),
    ];
    for (query, expected) in rows {
        let list = broker.get(&format!("/api/queues/%2F{query}"));
        assert_eq!(names(&list), *expected, "{query}");
    }
    let rows: &[(&str, &[&str], [u64; 4])] = &[
        ("page=1&page_size=3", &["B.1", "a.1", "a.2"], [4, 4, 3, 2]),
        ("page=2&page_size=3", &["c"], [4, 4, 1, 2]),
        ("page=2&page_size=4", &[], [4, 4, 0, 1]),
        ("page=1&name=b", &["B.1"], [4, 1, 1, 1]),
        ("page=1&name=%5Ea%5C.&use_regex=true", &["a.1", "a.2"], [4, 2, 2, 1]),
        (
            "page=1&page_size=1&sort=messages&sort_reverse=true",
            &["c"],
            [4, 4, 1, 4],
        ),
        ("page=1&name=zzz", &[], [4, 0, 0, 0]),
    ];
    for (query, expected, counts) in rows {
        let page = broker.get(&format!("/api/queues?{query}"));
        assert_eq!(names(&page["items"]), *expected, "{query}");
        let found = ["total_count", "filtered_count", "item_count", "page_count"].map(|name| page[name].as_u64());
        assert_eq!(found, counts.map(Some), "{query}");
    }
}

#[test]
fn columns_cut_every_item() {
    let broker = Broker::start();
    broker.declare_queue("q");
    publish(&broker, "q", 1);
    let cut = json!({ "name": "q", "message_stats": { "publish": 1 } });
    let query = "columns=name,message_stats.publish,none";
    assert_eq!(broker.get(&format!("/api/queues?{query}")), json!([cut]));
    assert_eq!(broker.get(&format!("/api/queues/%2F/q?{query}")), cut);
    assert_eq!(
        broker.get(&format!("/api/queues?page=1&{query}"))["items"],
        json!([cut])
    );
}

#[test]
fn every_list_knows_pages() {
    let broker = Broker::start();
    broker.declare_queue("q");
    for list in [
        "queues",
        "exchanges",
        "bindings",
        "connections",
        "channels",
        "consumers",
        "users",
        "permissions",
        "vhosts",
        "nodes",
    ] {
        let page = broker.get(&format!("/api/{list}?page=1&page_size=10"));
        assert!(page["items"].is_array(), "{list}: {page}");
    }
}

#[test]
fn bindings_are_told_apart_by_their_properties_key() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let path = "/api/bindings/%2F/e/amq.headers/q/q";
    for body in [
        json!({ "routing_key": "a.~%/ b" }),
        json!({ "routing_key": "", "arguments": { "x-match": "any", "a": 1 } }),
        json!({ "routing_key": "", "arguments": { "x-match": "all", "a": 1 } }),
        json!({}),
    ] {
        let answer = broker.ask("POST", path, Some(body));
        assert_eq!(answer.status, 201, "{}", answer.text);
        let location = answer.headers["location"].to_str().expect("text");
        let shown = broker.get(&format!("/api/bindings/%2F/e/amq.headers/q/{location}"));
        assert_eq!(shown["destination"], "q");
    }
    let bindings = broker.get(path);
    let bindings = bindings.as_array().expect("a list");
    assert_eq!(bindings.len(), 4);
    let queue = broker.get("/api/queues/%2F/q/bindings");
    assert_eq!(queue.as_array().map(Vec::len), Some(5), "and the implied one");
    for binding in bindings {
        let key = binding["properties_key"].as_str().expect("a key");
        let encoded: String = key.bytes().map(|byte| format!("%{byte:02X}")).collect();
        broker.want(204, "DELETE", &format!("{path}/{encoded}"), None);
        broker.want(404, "DELETE", &format!("{path}/{encoded}"), None);
    }
    assert_eq!(broker.get(path), Value::Array(Vec::new()));
}
