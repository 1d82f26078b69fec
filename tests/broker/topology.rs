//! What the configuration declares.

use super::process::{Setup, errors};

const SHOP: &str = r##"
[[exchanges]]
name = "shop"
type = "topic"

[[exchanges]]
name = "archive"
type = "fanout"

[[queues]]
name = "shop.mail"
arguments = { x-max-length = 100 }

[[queues]]
name = "shop.archive"

[[bindings]]
source = "shop"
destination = "shop.mail"
routing_key = "order.*.paid"

[[bindings]]
source = "shop"
destination = "archive"
destination_type = "exchange"
routing_key = "#"

[[bindings]]
source = "archive"
destination = "shop.archive"
"##;

#[test]
fn what_is_declared_stands_when_the_port_opens_and_after_a_restart() {
    let setup = Setup::new(SHOP);
    for round in 1..=3 {
        let broker = setup.start();
        let mut client = broker.connect();
        client.confirms();
        client.publish("shop", "order.eu.paid", b"mail", true);
        client.publish("shop", "order.eu.created", b"no mail", true);
        client.confirmed(2);
        assert_eq!(client.waiting("shop.mail"), Some(round));
        assert_eq!(client.waiting("shop.archive"), Some(2 * round));
        broker.stop();
    }
}

#[test]
fn what_is_taken_out_of_the_file_stays_in_the_broker() {
    let setup = Setup::new(SHOP);
    setup.start().stop();
    setup.write("");
    let broker = setup.start();
    assert_eq!(broker.connect().waiting("shop.mail"), Some(0));
}

fn contradicts(changed: &str, values: &[&str]) {
    let setup = Setup::new(SHOP);
    setup.start().stop();
    setup.write(changed);
    let output = setup.refused();
    let text = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stdout.is_empty(), "no ready line");
    for value in values {
        assert!(text.contains(value), "{value:?} is missing in: {text}");
    }
    // Nothing was changed: the file as it was still agrees.
    setup.write(SHOP);
    setup.start().stop();
}

#[test]
fn another_argument_refuses_the_start_and_names_both_values() {
    contradicts(
        &SHOP.replace("x-max-length = 100", "x-max-length = 99"),
        &["shop.mail", "x-max-length", "'100'", "'99'", "warren.toml"],
    );
}

#[test]
fn another_exchange_type_refuses_the_start_and_names_both_values() {
    contradicts(&SHOP.replace("\"topic\"", "\"direct\""), &["shop", "topic", "direct"]);
}

#[test]
fn another_durability_refuses_the_start_and_names_both_values() {
    contradicts(
        &SHOP.replace("name = \"shop.archive\"", "name = \"shop.archive\"\ndurable = false"),
        &["shop.archive", "durable", "true", "false"],
    );
}

#[test]
fn all_contradictions_are_named_at_once() {
    let changed = SHOP
        .replace("x-max-length = 100", "x-max-length = 99")
        .replace("\"topic\"", "\"direct\"");
    contradicts(&changed, &["x-max-length", "topic", "direct"]);
}
