//! What each fuzz target does with its bytes: more than not to panic where there is a rule to hold.
//!
//! `tests/corpus.rs` replays the corpus through these functions without a fuzzer.

#[path = "targets/definitions.rs"]
mod definitions;
#[path = "targets/segments.rs"]
mod segments;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use warren::amqp::{Connection, Event, OutBuffer, Response, Step, WireLimits};
use warren::auth::Mechanism;
use warren::config::{self, ConfigFile, Inputs, Overrides};
use warren::model::{FieldTable, Message, decode_table, encode_table, skip_value};
use warren::net::read_proxy_header;
use warren::routing::{Destination, ExchangeKind, ExchangeSpec, Router};

pub use definitions::{definitions, stored_definitions};
pub use segments::store_segments;

/// One target.
pub type Target = fn(&[u8]);

/// All of them, by the name of their folder under `corpus`.
pub const ALL: [(&str, Target); 10] = [
    ("configuration", configuration),
    ("connection", connection),
    ("definitions", definitions),
    ("field_table", field_table),
    ("handshake", handshake),
    ("proxy_header", proxy_header),
    ("sasl", sasl),
    ("store_segments", store_segments),
    ("stored_definitions", stored_definitions),
    ("topic_pattern", topic_pattern),
];

/// A connection from its first byte. The first byte of the input says into which pieces the rest is cut.
pub fn handshake(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else {
        return;
    };
    same_however_cut(&[], data, usize::from(*cut) + 1);
}

/// A connection that is open, with channel 1 open. The first byte says how the rest is cut.
pub fn connection(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else {
        return;
    };
    same_however_cut(&opening(), data, usize::from(*cut) + 1);
}

/// What is understood must not depend on how the network cuts it.
fn same_however_cut(before: &[u8], data: &[u8], piece: usize) {
    let whole = understood(before, &mut [data].into_iter());
    let pieces = understood(before, &mut data.chunks(piece));
    assert_eq!(whole, pieces, "in pieces of {piece}");
}

/// Small limits, so that they are met.
fn limits() -> WireLimits {
    WireLimits {
        channel_max: 8,
        frame_max_bytes: 8_192,
        message_max_bytes: 20_000,
        ..WireLimits::default()
    }
}

/// The events of a connection, as text, and the channels that are open at the end.
fn understood(before: &[u8], reads: &mut dyn Iterator<Item = &[u8]>) -> (Vec<String>, Vec<u16>) {
    let mut connection = Connection::new(limits());
    let mut out = OutBuffer::new();
    let mut events = Vec::new();
    let rest = feed(&mut connection, before, &mut out, &mut events);
    assert!(rest.is_empty(), "the opening is understood");
    events.clear();
    let mut input = Vec::new();
    for read in reads {
        input.extend_from_slice(read);
        input = feed(&mut connection, &input, &mut out, &mut events);
        assert!(input.len() <= 8_192 + 64, "{} bytes are held back", input.len());
        let most = 8 * (20_000 + 8_192 + 1_024);
        assert!(connection.pending_bytes() <= most, "unfinished messages hold too much");
        let owed = out.len_bytes();
        out.consume(owed);
    }
    (events, connection.open_channels().collect())
}

/// Hands in what was read, answers, and gives what was not consumed.
fn feed(connection: &mut Connection, input: &[u8], out: &mut OutBuffer, events: &mut Vec<String>) -> Vec<u8> {
    let mut at = 0;
    let mut without_progress = 0;
    loop {
        let before = at;
        match connection.next(&input[at..], out) {
            Ok(Step::NeedMore) => return input[at..].to_vec(),
            Ok(Step::Skip { consumed }) => at += consumed,
            Ok(Step::Event { consumed, event }) => {
                at += consumed;
                events.push(text(&event));
                answer(connection, &event, out);
            }
            Err(error) => {
                // The text quotes the frame as far as it is at hand, which depends on the cut.
                events.push(format!("{:?} {:?} {:?}", error.code, error.scope, error.method));
                connection.fail(&error, 0, out);
            }
        }
        without_progress = if at > before { 0 } else { without_progress + 1 };
        assert!(without_progress < 4, "the connection goes round in circles");
    }
}

fn answer(connection: &mut Connection, event: &Event<'_>, out: &mut OutBuffer) {
    match event {
        Event::ProtocolHeader => connection.start(&FieldTable::new(), "PLAIN", out),
        Event::StartOk(_) | Event::SecureOk { .. } => connection.tune(out),
        Event::OpenVhost { .. } => connection.open_ok(out),
        Event::ChannelOpen(channel) => Response::ChannelOpenOk.encode(*channel, out),
        Event::ChannelClose { channel, .. } => Response::ChannelCloseOk.encode(*channel, out),
        Event::ChannelFault { channel, error } => connection.fail(error, *channel, out),
        Event::ConnectionClose(_) => Response::ConnectionCloseOk.encode(0, out),
        _ => {}
    }
}

/// A publish may lie in the input or in memory of its own; what it says is the same.
fn text(event: &Event<'_>) -> String {
    match event {
        Event::Publish { channel, publish } => format!(
            "publish {channel} {:?} {:?} {} {:?} {:?}",
            publish.exchange(),
            publish.routing_key(),
            publish.mandatory,
            publish.properties_bytes(),
            publish.body(),
        ),
        other => format!("{other:?}"),
    }
}

/// What a client says up to the first open channel.
pub fn opening() -> Vec<u8> {
    let start_ok = [&[0; 4][..], b"\x05PLAIN", &[0, 0, 0, 4], b"\0a\0b", b"\x05en_US"].concat();
    let tune_ok = [0, 8, 0, 0, 0x20, 0, 0, 0];
    let mut bytes = b"AMQP\x00\x00\x09\x01".to_vec();
    bytes.extend(method(0, 10, 11, &start_ok));
    bytes.extend(method(0, 10, 31, &tune_ok));
    bytes.extend(method(0, 10, 40, b"\x01/\0\0"));
    bytes.extend(method(1, 20, 10, b"\0"));
    bytes
}

fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
    let length = (payload.len() as u32).to_be_bytes();
    [&[1][..], &channel.to_be_bytes(), &length, &payload, &[0xCE]].concat()
}

/// A table that decodes comes back as it went.
pub fn field_table(data: &[u8]) {
    let _ = skip_value(data);
    let Ok((table, rest)) = decode_table(data) else {
        return;
    };
    assert!(rest.len() <= data.len());
    let mut bytes = Vec::new();
    encode_table(&table, &mut bytes);
    let (again, rest) = decode_table(&bytes).expect("what was encoded decodes");
    assert!(rest.is_empty());
    let mut twice = Vec::new();
    encode_table(&again, &mut twice);
    assert_eq!(bytes, twice);
}

/// A pattern, a line feed and a key: the trie and the rule agree.
pub fn topic_pattern(data: &[u8]) {
    let Some((pattern, key)) = std::str::from_utf8(data).ok().and_then(|text| text.split_once('\n')) else {
        return;
    };
    if pattern.len() > 255 || key.len() > 255 {
        return;
    }
    let mut router = Router::new();
    let spec = ExchangeSpec {
        kind: ExchangeKind::Topic,
        durable: false,
        auto_delete: false,
        internal: false,
        arguments: FieldTable::new(),
    };
    router.declare("x".into(), spec).expect("no arguments, no fault");
    let queue = Destination::Queue {
        name: "q".into(),
        handle: 1,
    };
    router
        .bind("x", queue, pattern, FieldTable::new())
        .expect("any pattern may be bound");
    let message = Message::new("x", key, &[0, 0], &[]);
    let mut reached = Vec::new();
    let _ = router.route("x", key, message.properties(), 0, &mut reached);
    assert_eq!(!reached.is_empty(), matches(pattern, key), "{pattern:?} and {key:?}");
}

/// The rule of topic exchanges, by a table of all prefixes: its time is bounded by their product.
fn matches(pattern: &str, key: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let any = !text.is_empty();
        text.split('.').filter(|_| any).map(str::to_owned).collect()
    };
    let key = words(key);
    // Which numbers of words of the key the pattern so far can stand for.
    let mut reached = vec![false; key.len() + 1];
    reached[0] = true;
    for word in words(pattern) {
        let before = reached.clone();
        for at in 0..=key.len() {
            reached[at] = match word.as_str() {
                "#" => before[..=at].contains(&true),
                "*" => at > 0 && before[at - 1],
                other => at > 0 && before[at - 1] && key[at - 1] == other,
            };
        }
    }
    reached[key.len()]
}

/// A configuration file: loads, or every fault has a place in it.
pub fn configuration(data: &[u8]) {
    let file = ConfigFile {
        path: "etc/warren.toml".into(),
        bytes: data.to_vec(),
    };
    let loaded = config::load(&Inputs {
        flags: &Overrides::default(),
        environment: &BTreeMap::new(),
        file: Some(&file),
        read_file: &|_: &Path| Ok("secret".to_owned()),
    });
    match loaded {
        Ok(config) => {
            let changes = config.changes(&config);
            assert!(changes.reloadable.is_empty() && changes.needs_restart.is_empty());
        }
        Err(report) => {
            assert!(!report.faults.is_empty());
            assert!(report.to_string().starts_with("etc/warren.toml"), "{report}");
        }
    }
}

/// A PROXY header: bounded, and nothing behind it is touched.
pub fn proxy_header(data: &[u8]) {
    let mut left = data;
    let done = {
        let mut reading = pin!(read_proxy_header(&mut left));
        match reading.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result.is_ok(),
            Poll::Pending => panic!("bytes in memory are never pending"),
        }
    };
    let used = data.len() - left.len();
    assert!(used <= 16 + 4_096, "{used} bytes");
    if done && data.starts_with(b"PROXY ") {
        assert!(data[..used].ends_with(b"\r\n"));
    }
}

/// SASL responses.
pub fn sasl(data: &[u8]) {
    for mechanism in [Mechanism::Plain, Mechanism::AmqPlain] {
        match mechanism.decode(data) {
            Ok(credentials) => assert!(credentials.user.len() <= 255),
            // An error's text holds nothing of what came, which may be a password.
            Err(error) => assert!(error.to_string().is_ascii()),
        }
    }
}
