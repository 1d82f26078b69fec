use super::driver::Driver;
use super::frames::*;
use crate::amqp::{Connection, Event, LoginRefusal, OutBuffer, Step, WireLimits};
use crate::model::{AmqpError, FieldTable, FieldValue, ReplyCode};

fn up_to_tune() -> Driver {
    let mut driver = Driver::new(WireLimits::default());
    driver.feed(HEADER_0_9_1);
    driver.feed(&start_ok(&FieldTable::new(), "PLAIN"));
    driver.sent();
    driver.events.clear();
    driver
}

fn out_bytes(out: &OutBuffer) -> Vec<u8> {
    out.pieces().flatten().copied().collect()
}

fn capable() -> FieldTable {
    let mut capabilities = FieldTable::new();
    capabilities.insert("authentication_failure_close", FieldValue::Bool(true));
    capabilities.insert("consumer_cancel_notify", FieldValue::Bool(true));
    let mut properties = FieldTable::new();
    properties.insert("product", FieldValue::text("a client"));
    properties.insert("capabilities", FieldValue::Table(capabilities));
    properties
}

#[test]
fn a_whole_handshake() {
    let mut driver = Driver::new(WireLimits::default());
    assert_eq!(driver.feed(HEADER_0_9_1), ["ProtocolHeader"]);
    let sent = driver.sent();
    assert_eq!(sent.len(), 1);
    assert!(
        sent[0].contains("Start(Start { version_major: 0, version_minor: 9"),
        "{sent:?}"
    );
    let events = driver.feed(&start_ok(&capable(), "PLAIN"));
    assert!(
        events[0].contains("mechanism: \"PLAIN\", response: [0, 103,"),
        "{events:?}"
    );
    assert!(events[0].contains("locale: \"en_US\""), "{events:?}");
    assert!(driver.connection.capabilities().authentication_failure_close);
    assert!(driver.connection.capabilities().consumer_cancel_notify);
    assert!(!driver.connection.capabilities().connection_blocked);
    assert_eq!(
        driver.sent(),
        ["0 Connection(Tune(Tune { channel_max: 2047, frame_max: 131072, heartbeat: 60 }))"]
    );
    let events = driver.feed(&tune_ok(100, 8192, 5));
    assert_eq!(events, ["Tuned { channel_max: 100, frame_max: 8192, heartbeat_s: 5 }"]);
    assert_eq!(driver.connection.heartbeat_s(), 5);
    assert_eq!(driver.connection.frame_max(), 8192);
    assert!(!driver.connection.is_running());
    assert_eq!(driver.feed(&open("/")), ["OpenVhost { vhost: \"/\" }"]);
    assert_eq!(driver.sent(), ["0 Connection(OpenOk(OpenOk))"]);
    assert!(driver.connection.is_running());
    assert_eq!(driver.feed(&channel_open(7)), ["ChannelOpen(7)"]);
    assert_eq!(driver.connection.open_channels().collect::<Vec<_>>(), [7]);
    assert_eq!(driver.feed(&connection_close()).len(), 1);
    assert!(driver.connection.is_over());
    assert!(driver.feed(b"anything more").is_empty());
    assert!(driver.input.is_empty());
}

#[test]
fn other_headers_get_the_servers_own() {
    let headers: [&[u8]; 8] = [
        b"AMQP\x00\x01\x00\x00",
        b"AMQP\x03\x01\x00\x00",
        b"AMQP\x01\x01\x00\x08",
        b"AMQP\x00\x00\x09\x02",
        b"AMQP\x02",
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x16, 3, 1, 2, 0, 1],
        &[0],
    ];
    for header in headers {
        let mut driver = Driver::new(WireLimits::default());
        assert_eq!(driver.feed(header), ["BadHeader"], "{header:?}");
        assert_eq!(out_bytes(&driver.out), HEADER_0_9_1);
        assert!(driver.connection.is_over());
    }
    // 0-9-1 in the form of 0-9, which RabbitMQ takes too.
    let mut driver = Driver::new(WireLimits::default());
    assert_eq!(driver.feed(b"AMQP\x01\x01\x00\x09"), ["ProtocolHeader"]);
    let mut driver = Driver::new(WireLimits::default());
    assert!(driver.feed(b"AMQP\x00\x00\x09").is_empty());
    assert!(driver.out.is_empty());
}

#[test]
fn a_challenge_and_its_answer() {
    let mut connection = Connection::new(WireLimits::default());
    let mut out = OutBuffer::new();
    assert!(matches!(
        connection.next(HEADER_0_9_1, &mut out),
        Ok(Step::Event {
            consumed: 8,
            event: Event::ProtocolHeader
        })
    ));
    // Until the caller has done its part, nothing is looked at.
    let bytes = start_ok(&FieldTable::new(), "DEMO");
    assert!(matches!(connection.next(&bytes, &mut out), Ok(Step::NeedMore)));
    connection.start(&FieldTable::new(), "DEMO", &mut out);
    assert!(matches!(
        connection.next(&bytes, &mut out),
        Ok(Step::Event {
            event: Event::StartOk(_),
            ..
        })
    ));
    connection.secure(b"who?", &mut out);
    let bytes = Args::new().long_text(b"me").method(0, 10, 21);
    match connection.next(&bytes, &mut out) {
        Ok(Step::Event {
            event: Event::SecureOk { response },
            ..
        }) => assert_eq!(response, b"me"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_login_is_told_to_those_who_can_hear_it() {
    for (properties, refusal) in [
        (capable(), LoginRefusal::CloseSent),
        (FieldTable::new(), LoginRefusal::Silent),
    ] {
        let mut driver = Driver::new(WireLimits::default());
        driver.feed(HEADER_0_9_1);
        driver.sent();
        let bytes = start_ok(&properties, "PLAIN");
        let step = driver.connection.next(&bytes, &mut driver.out);
        assert!(matches!(
            step,
            Ok(Step::Event {
                event: Event::StartOk(_),
                ..
            })
        ));
        assert_eq!(driver.connection.refuse_login(&mut driver.out), refusal);
        let expected: &[&str] = match refusal {
            LoginRefusal::CloseSent => &[
                "connection.close 403 ACCESS_REFUSED - Login was refused using authentication \
                                          mechanism PLAIN. For details see the broker logfile. (0.0)",
            ],
            LoginRefusal::Silent => &[],
        };
        assert_eq!(driver.sent(), expected);
        assert_eq!(driver.connection.is_over(), refusal == LoginRefusal::Silent);
    }
}

#[test]
fn faults_before_the_login_are_not_answered() {
    let faults = [
        connection_close(),
        channel_open(1),
        tune_ok(0, 131_072, 0),
        frame(1, 0, &[]),
        frame(3, 0, &[0; 9000]),
        Args::new().table(&FieldTable::new()).text("PLAIN").method(0, 10, 11),
    ];
    for bytes in faults {
        let mut driver = Driver::new(WireLimits::default());
        driver.feed(HEADER_0_9_1);
        driver.sent();
        let events = driver.feed(&bytes);
        assert!(events[0].starts_with("error 50"), "{events:?}");
        assert!(driver.sent().is_empty());
        assert!(driver.connection.is_over());
    }
}

#[test]
fn tuning_keeps_to_the_servers_limits() {
    let cases = [
        (
            tune_ok(2047, 4095, 0),
            "negotiated frame_max = 4095 is lower than the minimum allowed value (4096)",
        ),
        (
            tune_ok(2047, 1, 0),
            "negotiated frame_max = 1 is lower than the minimum allowed value (4096)",
        ),
        (
            tune_ok(2047, 131_073, 0),
            "negotiated frame_max = 131073 is higher than the maximum allowed value (131072)",
        ),
        (
            tune_ok(2047, 0, 0),
            "negotiated frame_max = 0 is higher than the maximum allowed value (131072)",
        ),
        (
            tune_ok(2048, 4096, 0),
            "negotiated channel_max = 2048 is higher than the maximum allowed value (2047)",
        ),
        (
            tune_ok(0, 4096, 0),
            "negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)",
        ),
    ];
    for (bytes, text) in cases {
        let mut driver = up_to_tune();
        driver.feed(&bytes);
        assert_eq!(
            driver.sent(),
            [format!("connection.close 530 NOT_ALLOWED - {text} (10.30)")]
        );
    }
    let unlimited = WireLimits {
        channel_max: 0,
        frame_max_bytes: 0,
        ..WireLimits::default()
    };
    let driver = Driver::running_with(unlimited);
    assert_eq!((driver.connection.channel_max(), driver.connection.frame_max()), (0, 0));
}

#[test]
fn the_wrong_method_for_the_state() {
    let mut driver = up_to_tune();
    driver.feed(&tune_ok(2047, 131_072, 0));
    driver.feed(&connection_close());
    let text = "connection.close 504 CHANNEL_ERROR - unexpected method in connection state opening (10.50)";
    assert_eq!(driver.sent(), [text]);

    let mut driver = up_to_tune();
    driver.feed(&tune_ok(2047, 131_072, 0));
    driver.feed(&channel_open(1));
    let text = "connection.close 505 UNEXPECTED_FRAME - type 1, all octets = <<0,20,0,10,0>> (0.0)";
    assert_eq!(driver.sent(), [text]);
}

#[test]
fn a_client_cannot_go_on_for_ever_before_it_is_in() {
    let mut driver = up_to_tune();
    let mut fed = 0;
    while driver.events.iter().all(|event| event == "Heartbeat") {
        driver.feed(&heartbeat());
        fed += 8;
        assert!(fed <= 64 * 1024);
    }
    assert!(
        driver
            .events
            .last()
            .unwrap()
            .contains("more than 65536 bytes before the connection was open")
    );
}

#[test]
fn closing_waits_for_close_ok_only() {
    let mut driver = Driver::running();
    let forced = AmqpError::connection(ReplyCode::ConnectionForced, "broker forced connection closure");
    driver.connection.close_connection(&forced, &mut driver.out);
    driver.connection.close_connection(&forced, &mut driver.out);
    let text = "connection.close 320 CONNECTION_FORCED - broker forced connection closure (0.0)";
    assert_eq!(driver.sent(), [text]);
    assert!(!driver.connection.is_open(1));
    assert!(driver.feed(&message(1, &[7; 3000], 1000)).is_empty());
    assert!(driver.feed(&channel_open(2)).is_empty());
    assert!(driver.feed(&heartbeat()).is_empty());
    assert!(driver.sent().is_empty());
    assert!(driver.feed(&connection_close()).is_empty());
    assert_eq!(driver.sent(), ["0 Connection(CloseOk(CloseOk))"]);
    assert_eq!(driver.feed(&connection_close_ok()), ["ConnectionCloseOk"]);
    assert!(driver.connection.is_over());
}

#[test]
fn a_secret_can_be_updated() {
    let mut driver = Driver::running();
    let events = driver.feed(&Args::new().long_text(b"new").text("expired").method(0, 10, 70));
    assert_eq!(
        events,
        ["Request { channel: 0, request: UpdateSecret { new_secret: [110, 101, 119], reason: \"expired\" } }"]
    );
}
