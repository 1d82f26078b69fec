use super::*;

/// An AMQP table as RabbitMQ's encoder writes it, put together by hand.
fn wire(fields: &[(&str, char, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, letter, value) in fields {
        bytes.push(name.len() as u8);
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(*letter as u8);
        bytes.extend_from_slice(value);
    }
    sized(&bytes)
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

fn text(text: &str) -> Vec<u8> {
    sized(text.as_bytes())
}

fn keys(keys: &[&str]) -> Vec<u8> {
    let keys = keys.iter().flat_map(|key| [b"S".to_vec(), text(key)].concat());
    sized(&keys.collect::<Vec<_>>())
}

fn entry(expiration: Option<&str>, count: i64, reason: &str, queue: &str, time: u64, with: &[&str]) -> Vec<u8> {
    let mut fields = Vec::new();
    if let Some(expiration) = expiration {
        fields.push(("original-expiration", 'S', text(expiration)));
    }
    fields.extend([
        ("count", 'l', count.to_be_bytes().to_vec()),
        ("reason", 'S', text(reason)),
        ("queue", 'S', text(queue)),
        ("time", 'T', time.to_be_bytes().to_vec()),
        ("exchange", 'S', text("")),
        ("routing-keys", 'A', keys(with)),
    ]);
    [b"F".to_vec(), wire(&fields)].concat()
}

#[test]
fn x_death_is_rabbitmqs_table_byte_for_byte() {
    let lab = Lab::new();
    lab.declare(
        "a",
        arguments! {"x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "b"},
    );
    lab.declare(
        "b",
        arguments! {"x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "c"},
    );
    lab.declare(
        "c",
        arguments! {"x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "a"},
    );
    let properties = Properties {
        headers: Some(arguments! {"own" = "kept", "alpha" = true}),
        expiration: Some("020".into()),
        ..Properties::default()
    };
    lab.publish("a", "m", &properties);
    lab.advance(20);
    lab.advance(2_000);
    assert_eq!(lab.take("b", Outcome::Reject).as_deref(), Some("m"));
    lab.advance(3_000);
    assert_eq!(lab.take("c", Outcome::Reject).as_deref(), Some("m"));
    lab.advance(1_000);
    assert_eq!(lab.take("a", Outcome::Reject).as_deref(), Some("m"));
    lab.advance(1_000);
    assert_eq!(lab.take("b", Outcome::Reject).as_deref(), Some("m"));
    let delivery = lab.get("c").unwrap();
    let deaths = [
        entry(None, 2, "rejected", "b", 1_700_000_002, &["b"]),
        entry(None, 1, "rejected", "a", 1_700_000_006, &["a"]),
        entry(None, 1, "rejected", "c", 1_700_000_005, &["c"]),
        entry(Some("20"), 1, "expired", "a", 1_700_000_000, &["a"]),
    ];
    let expected = wire(&[
        ("alpha", 't', vec![1]),
        ("own", 'S', text("kept")),
        ("x-death", 'A', sized(&deaths.concat())),
        ("x-first-death-exchange", 'S', text("")),
        ("x-first-death-queue", 'S', text("a")),
        ("x-first-death-reason", 'S', text("expired")),
        ("x-last-death-exchange", 'S', text("")),
        ("x-last-death-queue", 'S', text("b")),
        ("x-last-death-reason", 'S', text("rejected")),
    ]);
    let view = delivery.message.properties();
    assert_eq!(sized(view.headers_bytes().unwrap()), expected);
    assert_eq!(view.expiration(), None);
    assert_eq!(
        (delivery.message.exchange(), &*delivery.message.routing_key()),
        ("", "c")
    );
}

#[test]
fn keys_of_cc_are_named_and_followed_and_bcc_stays_unknown() {
    let lab = Lab::new();
    lab.declare("q", arguments! {"x-dead-letter-exchange" = "amq.direct"});
    lab.declare(
        "own-key",
        arguments! {"x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "d"},
    );
    lab.declare("d", arguments! {});
    lab.bind("amq.direct", "cc1", queue("d"));
    let properties = Properties {
        headers: Some(
            [("CC", FieldValue::Array(vec![FieldValue::text("cc1")]))]
                .into_iter()
                .collect(),
        ),
        ..Properties::default()
    };
    for (queue, cc) in [("q", true), ("own-key", false)] {
        lab.publish(queue, "m", &properties);
        lab.take(queue, Outcome::Reject).unwrap();
        let found = headers(&lab.get("d").unwrap().message);
        assert_eq!(found.get("CC").is_some(), cc);
        let mut bytes = Vec::new();
        encode_table(&found, &mut bytes);
        let with = [b"routing-keysA".to_vec(), keys(&[queue, "cc1"])].concat();
        assert!(bytes.windows(with.len()).any(|window| window == with));
    }
}

#[test]
fn only_a_rejection_makes_a_cycle_go_on() {
    let lab = Lab::new();
    let to_itself = arguments! {
        "x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "q", "x-message-ttl" = 10,
    };
    lab.declare("q", to_itself);
    lab.publish("q", "m", &Properties::default());
    assert_eq!(lab.take("q", Outcome::Reject).as_deref(), Some("m"));
    assert_eq!(lab.queue("q").state().ready, 1, "a rejection comes round");
    lab.advance(10);
    assert_eq!(
        lab.queue("q").state().ready,
        0,
        "expired since the rejection, but came here by itself"
    );
}

#[test]
fn a_history_that_a_client_publishes_is_counted_on() {
    let lab = Lab::new();
    lab.declare(
        "q",
        arguments! {"x-dead-letter-exchange" = "", "x-dead-letter-routing-key" = "d"},
    );
    lab.declare("d", arguments! {});
    lab.publish("q", "m", &Properties::default());
    lab.take("q", Outcome::Reject).unwrap();
    let again = lab.get("d").unwrap().message.properties().decode().unwrap();
    lab.publish("q", "m", &again);
    lab.take("q", Outcome::Reject).unwrap();
    let found = headers(&lab.get("d").unwrap().message);
    let Some(FieldValue::Array(deaths)) = found.get("x-death") else {
        panic!("{found:?}");
    };
    let [FieldValue::Table(death)] = &deaths[..] else {
        panic!("{deaths:?}");
    };
    assert_eq!(death.get("count"), Some(&FieldValue::I64(2)));
    let junk = Properties {
        headers: Some([("x-death", FieldValue::text("junk"))].into_iter().collect()),
        ..Properties::default()
    };
    lab.publish("q", "m", &junk);
    lab.take("q", Outcome::Reject).unwrap();
    let found = headers(&lab.get("d").unwrap().message);
    assert!(matches!(found.get("x-death"), Some(FieldValue::Array(deaths)) if deaths.len() == 1));
}
