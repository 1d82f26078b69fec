//! `/metrics`: the format, and that everything that dashboards and alerts ask for is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Broker;

/// The series of a scrape by name: labels and value. Fails on anything that Prometheus would refuse.
fn parse(text: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    let mut series: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut family = String::new();
    let name_is_sound = |name: &str| {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
    };
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("# ") {
            let mut words = head.splitn(3, ' ');
            let (what, name, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            assert!(name_is_sound(name), "{line}");
            match what {
                "HELP" => assert!(
                    helped.insert(name.to_owned()) && !rest.is_empty(),
                    "{line}: twice, or empty"
                ),
                "TYPE" => {
                    assert!(["gauge", "counter", "histogram"].contains(&rest), "{line}");
                    assert_eq!(rest == "counter", name.ends_with("_total"), "{line}");
                    assert!(
                        kinds.insert(name.to_owned(), rest.to_owned()).is_none(),
                        "{line}: twice"
                    );
                    family = name.to_owned();
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let (key, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let (name, labels) = match key.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("{line}"))),
            None => (key, ""),
        };
        assert!(name_is_sound(name), "{line}");
        let of = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end));
        let is_histogram = of.is_some_and(|of| of == family && kinds[&family] == "histogram");
        assert!(name == family || is_histogram, "{line} stands below {family}");
        check_labels(labels);
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let known = series.entry(name.to_owned()).or_default();
        assert!(known.iter().all(|(other, _)| other != labels), "{line}: twice");
        known.push((labels.to_owned(), value));
    }
    assert_eq!(helped, kinds.keys().cloned().collect(), "each family has both lines");
    for (name, _) in kinds.iter().filter(|(_, kind)| *kind == "histogram") {
        let buckets = &series[&format!("{name}_bucket")];
        assert!(
            buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1),
            "{name}: buckets add up"
        );
        assert_eq!(buckets.last().unwrap().0, "le=\"+Inf\"");
        assert_eq!(
            buckets.last().unwrap().1,
            series[&format!("{name}_count")][0].1,
            "{name}"
        );
    }
    series
}

/// `name="value",…`, with quotes and backslashes escaped inside.
fn check_labels(labels: &str) {
    let mut rest = labels;
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{labels}"));
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{labels}");
        let mut escaped = false;
        let end = value.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        rest = &value[end.unwrap_or_else(|| panic!("{labels}")) + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

fn scrape(broker: &Broker, path: &str) -> BTreeMap<String, Vec<(String, f64)>> {
    let answer = broker.ask_as(None, "GET", path, None);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    parse(&answer.text)
}

fn value(series: &BTreeMap<String, Vec<(String, f64)>>, name: &str) -> f64 {
    let values = series.get(name).unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(values.len(), 1, "{name}: {values:?}");
    values[0].1
}

fn publish(broker: &Broker, key: &str, persistent: bool) {
    let mode = if persistent { 2 } else { 1 };
    let body = json!({
        "properties": { "delivery_mode": mode },
        "routing_key": key,
        "payload": "12345",
        "payload_encoding": "string",
    });
    broker.want(200, "POST", "/api/exchanges/%2F/amq.default/publish", Some(body));
}

#[test]
fn every_scrape_is_one_that_prometheus_takes() {
    let broker = Broker::start();
    for name in ["plain", "a%22b%5Cc", "two%0Alines"] {
        broker.declare_queue(name);
    }
    let all = "/metrics/detailed?family=queue_metrics&family=queue_delivery_metrics&family=connection_metrics\
               &family=vhost_status";
    for path in ["/metrics", "/metrics/per-object", "/metrics/detailed", all] {
        scrape(&broker, path);
    }
    let detailed = scrape(&broker, all);
    let queues: Vec<_> = detailed["rabbitmq_detailed_queue_messages"]
        .iter()
        .map(|(labels, _)| labels)
        .collect();
    assert_eq!(
        queues,
        [
            r#"vhost="/",queue="a\"b\\c""#,
            r#"vhost="/",queue="plain""#,
            r#"vhost="/",queue="two\nlines""#,
        ]
    );
}

#[test]
fn values_are_those_of_the_broker() {
    let broker = Broker::start();
    broker.want(201, "PUT", "/api/vhosts/other", Some(json!({})));
    broker.declare_queue("q");
    broker.want(201, "PUT", "/api/queues/other/elsewhere", Some(json!({})));
    publish(&broker, "q", true);
    publish(&broker, "q", false);
    let body = json!({ "count": 1, "ackmode": "ack_requeue_false", "encoding": "auto" });
    broker.want(200, "POST", "/api/queues/%2F/q/get", Some(body));
    let mut client = super::amqp::Client::connect(&broker.amqp);
    client.consume("q", "tag");
    let whole = scrape(&broker, "/metrics");
    for (name, wanted) in [
        ("rabbitmq_queues", 2.0),
        ("rabbitmq_queue_messages", 1.0),
        ("rabbitmq_queue_messages_bytes", 5.0),
        ("rabbitmq_queue_messages_unacked", 1.0),
        ("rabbitmq_connections", 1.0),
        ("rabbitmq_channels", 1.0),
        ("rabbitmq_consumers", 1.0),
        ("rabbitmq_channel_consumers", 1.0),
        ("rabbitmq_queues_created_total", 2.0),
        ("rabbitmq_global_messages_routed_total", 2.0),
        ("rabbitmq_global_messages_delivered_get_manual_ack_total", 1.0),
        ("rabbitmq_global_messages_delivered_consume_manual_ack_total", 1.0),
        ("rabbitmq_alarms_memory_used_watermark", 0.0),
        ("warren_blocked_connections", 0.0),
        (
            "warren_store_commit_seconds_count",
            value(&whole, "warren_store_commits_total"),
        ),
    ] {
        assert_eq!(value(&whole, name), wanted, "{name}");
    }
    assert!(
        value(&whole, "warren_store_commit_seconds_count") >= 1.0,
        "the persistent message"
    );
    assert!(value(&whole, "warren_store_sync_seconds_sum") > 0.0);
    assert!(
        value(&whole, "rabbitmq_resident_memory_limit_bytes") > value(&whole, "rabbitmq_process_resident_memory_bytes")
    );
    assert!(
        !whole.contains_key("warren_tls_certificate_expiry_timestamp_seconds"),
        "there is no TLS"
    );

    for (path, endpoint) in [
        ("/metrics", "aggregated"),
        ("/metrics/per-object", "per-object"),
        ("/metrics/detailed", "detailed"),
    ] {
        let (labels, _) = &scrape(&broker, path)["rabbitmq_identity_info"][0];
        let wanted = format!("rabbitmq_endpoint=\"{endpoint}\"");
        assert!(labels.ends_with(&wanted), "{labels}");
    }
    let one = "/metrics/detailed?vhost=other&family=queue_coarse_metrics";
    let one = scrape(&broker, one);
    let labels: Vec<_> = one["rabbitmq_detailed_queue_messages_ready"]
        .iter()
        .map(|(labels, _)| &**labels)
        .collect();
    assert_eq!(labels, [r#"vhost="other",queue="elsewhere""#]);
    assert!(!one.contains_key("rabbitmq_detailed_queue_consumers"), "another family");
    let refused = broker.ask_as(None, "GET", "/metrics/detailed?family=queues", None);
    assert_eq!(refused.status, 400);
    assert!(
        refused
            .text
            .contains("no family 'queues'; there are queue_coarse_metrics"),
        "{}",
        refused.text
    );
}

/// The names of metrics in an expression of PromQL.
fn names(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("rabbitmq_") || word.starts_with("warren_"));
    ours.map(str::to_owned).collect()
}

/// Every string below a key `expr`, or `expr:` of the alert rules.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "expr" => found.push(text.clone()),
                    other => expressions(other, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

#[test]
fn publishers_that_want_confirms_are_counted() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let mut client = super::amqp::Client::connect(&broker.amqp);
    client.publish("", "q", false);
    client.confirm_select();
    for _ in 0..3 {
        client.publish("", "q", false);
        client.expect(60, 80);
    }
    let whole = scrape(&broker, "/metrics");
    for (name, wanted) in [
        ("rabbitmq_global_messages_received_total", 4.0),
        ("rabbitmq_global_messages_received_confirm_total", 3.0),
        ("rabbitmq_global_messages_confirmed_total", 3.0),
        ("rabbitmq_message_size_bytes_count", 4.0),
    ] {
        assert_eq!(value(&whole, name), wanted, "{name}");
    }
}

#[test]
fn dashboard_and_alerts_ask_for_what_is_there() {
    let broker = Broker::start();
    broker.declare_queue("q");
    let arguments = json!({ "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q" });
    broker.want(
        201,
        "PUT",
        "/api/queues/%2F/work",
        Some(json!({ "arguments": arguments })),
    );
    let mut there: BTreeSet<String> = BTreeSet::new();
    for path in [
        "/metrics",
        "/metrics/detailed?family=queue_metrics&family=queue_delivery_metrics",
    ] {
        there.extend(scrape(&broker, path).into_keys());
    }
    // Only with TLS: tests/hostile/tls.rs has a certificate.
    there.insert("warren_tls_certificate_expiry_timestamp_seconds".to_owned());
    // The labels of rabbitmq_identity_info.
    there.extend(["rabbitmq_cluster", "rabbitmq_node"].map(str::to_owned));
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect(path);
    let dashboard: Value = serde_json::from_str(&read("config/grafana-dashboard.json")).expect("JSON");
    let mut asked = Vec::new();
    expressions(&dashboard, &mut asked);
    assert!(asked.len() > 40, "{}", asked.len());
    let rules = read("config/prometheus/alerts.yml");
    let mut in_expression = false;
    for line in rules.lines().map(str::trim_start) {
        let ends = ["for:", "labels:"].iter().any(|key| line.starts_with(key));
        in_expression = line.starts_with("expr:") || in_expression && !ends;
        if in_expression {
            asked.push(line.to_owned());
        }
    }
    // What RabbitMQ's own dashboard (Grafana's 10991) asks for, apart from Erlang.
    asked.extend(RABBITMQ_OVERVIEW.iter().map(|name| (*name).to_owned()));
    let missing: BTreeSet<String> = asked
        .iter()
        .flat_map(|text| names(text))
        .filter(|name| !there.contains(name))
        .collect();
    assert_eq!(missing, BTreeSet::new());
}

const RABBITMQ_OVERVIEW: [&str; 53] = [
    "rabbitmq_build_info",
    "rabbitmq_identity_info",
    "rabbitmq_channel_consumers",
    "rabbitmq_channel_get_ack_total",
    "rabbitmq_channel_get_empty_total",
    "rabbitmq_channel_get_total",
    "rabbitmq_channel_messages_acked_total",
    "rabbitmq_channel_messages_confirmed_total",
    "rabbitmq_channel_messages_delivered_ack_total",
    "rabbitmq_channel_messages_delivered_total",
    "rabbitmq_channel_messages_published_total",
    "rabbitmq_channel_messages_redelivered_total",
    "rabbitmq_channel_messages_unroutable_dropped_total",
    "rabbitmq_channel_messages_unroutable_returned_total",
    "rabbitmq_channels",
    "rabbitmq_channels_closed_total",
    "rabbitmq_channels_opened_total",
    "rabbitmq_connections",
    "rabbitmq_connections_closed_total",
    "rabbitmq_connections_opened_total",
    "rabbitmq_disk_space_available_bytes",
    "rabbitmq_erlang_uptime_seconds",
    "rabbitmq_global_consumers",
    "rabbitmq_global_messages_acknowledged_total",
    "rabbitmq_global_messages_confirmed_total",
    "rabbitmq_global_messages_delivered_consume_auto_ack_total",
    "rabbitmq_global_messages_delivered_consume_manual_ack_total",
    "rabbitmq_global_messages_delivered_get_auto_ack_total",
    "rabbitmq_global_messages_delivered_get_manual_ack_total",
    "rabbitmq_global_messages_delivered_total",
    "rabbitmq_global_messages_get_empty_total",
    "rabbitmq_global_messages_received_confirm_total",
    "rabbitmq_global_messages_received_total",
    "rabbitmq_global_messages_redelivered_total",
    "rabbitmq_global_messages_routed_total",
    "rabbitmq_global_messages_unroutable_dropped_total",
    "rabbitmq_global_messages_unroutable_returned_total",
    "rabbitmq_global_publishers",
    "rabbitmq_message_size_bytes_bucket",
    "rabbitmq_message_size_bytes_count",
    "rabbitmq_message_size_bytes_sum",
    "rabbitmq_process_max_fds",
    "rabbitmq_process_max_tcp_sockets",
    "rabbitmq_process_open_fds",
    "rabbitmq_process_open_tcp_sockets",
    "rabbitmq_process_resident_memory_bytes",
    "rabbitmq_queue_messages_ready",
    "rabbitmq_queue_messages_unacked",
    "rabbitmq_queues",
    "rabbitmq_queues_created_total",
    "rabbitmq_queues_declared_total",
    "rabbitmq_queues_deleted_total",
    "rabbitmq_resident_memory_limit_bytes",
];
