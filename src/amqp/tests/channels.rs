use super::driver::Driver;
use super::frames::*;
use crate::amqp::WireLimits;
use crate::model::{AmqpError, Method, ReplyCode};

fn not_found() -> AmqpError {
    AmqpError::channel(ReplyCode::NotFound, "no queue 'q' in vhost '/'").caused_by(Method::new(50, 10))
}

#[test]
fn a_failed_channel_is_deaf_until_close_ok() {
    let mut driver = Driver::running();
    driver.connection.fail(&not_found(), 1, &mut driver.out);
    driver.connection.fail(&not_found(), 1, &mut driver.out);
    driver.connection.fail(&not_found(), 9, &mut driver.out);
    assert_eq!(
        driver.sent(),
        ["channel.close 1 404 NOT_FOUND - no queue 'q' in vhost '/' (50.10)"]
    );
    assert!(!driver.connection.is_open(1));
    for ignored in [
        message(1, b"body", 2),
        ack(1, 1, false),
        channel_open(1),
        body(1, b"x"),
        header(1, 9, &[0, 0]),
    ] {
        assert!(driver.feed(&ignored).is_empty());
    }
    assert!(driver.sent().is_empty());
    assert!(driver.feed(&channel_close(1)).is_empty());
    assert_eq!(driver.sent(), ["1 Channel(CloseOk(CloseOk))"]);
    assert_eq!(driver.feed(&channel_close_ok(1)), ["ChannelCloseOk(1)"]);
    assert_eq!(driver.feed(&channel_open(1)), ["ChannelOpen(1)"]);
}

#[test]
fn a_channel_that_fails_within_a_body_drops_the_rest() {
    let mut driver = Driver::running();
    let bytes = message(1, &[1; 50_000], 50_000);
    assert!(driver.feed(&bytes[..20_000]).is_empty());
    driver.connection.fail(&not_found(), 1, &mut driver.out);
    assert!(driver.feed(&bytes[20_000..]).is_empty());
    assert_eq!(driver.feed(&channel_close_ok(1)), ["ChannelCloseOk(1)"]);
    assert!(driver.input.is_empty());
}

#[test]
fn close_and_open_again() {
    let mut driver = Driver::running();
    let events = driver.feed(&[channel_close(1), channel_open(1)].concat());
    assert!(
        events[0].starts_with("ChannelClose { channel: 1, reason: CloseReason { code: 200"),
        "{events:?}"
    );
    assert_eq!(events[1], "ChannelOpen(1)");
    assert_eq!(driver.sent().len(), 2);
}

#[test]
fn channels_are_counted_not_numbered() {
    let limits = WireLimits {
        channel_max: 2,
        ..WireLimits::default()
    };
    let mut driver = Driver::running_with(limits.clone());
    assert_eq!(driver.feed(&channel_open(65_535)), ["ChannelOpen(65535)"]);
    driver.sent();
    driver.feed(&channel_open(3));
    let text = "connection.close 530 NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max \
                (2) (0.0)";
    assert_eq!(driver.sent(), [text]);

    let mut driver = Driver::running_with(limits);
    driver.feed(&[channel_open(2), channel_close(2), channel_open(3)].concat());
    assert_eq!(driver.connection.open_channels().collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn many_channels_in_any_order() {
    let mut driver = Driver::running();
    for number in (2..500).rev() {
        driver.feed(&channel_open(number));
    }
    for number in (1..500).step_by(7) {
        let events = driver.feed(&ack(number, number.into(), true));
        let expected = format!("Settle {{ channel: {number}, delivery_tag: {number}, multiple: true, outcome: Ack }}");
        assert_eq!(events, [expected]);
    }
}

#[test]
fn access_tickets_are_given_at_once() {
    let mut driver = Driver::running();
    assert!(
        driver
            .feed(&Args::new().text("/data").octet(0).method(1, 30, 10))
            .is_empty()
    );
    assert_eq!(driver.sent(), ["1 Access(RequestOk(RequestOk))"]);
}
