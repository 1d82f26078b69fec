use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, basic};

use super::driver::parse_frames;
use crate::amqp::encode::{self, Deliver, DeliveryInfo, Target};
use crate::amqp::{OutBuffer, Response};
use crate::model::{FieldTable, Message, Method, Properties};
use proptest::prelude::*;

fn bytes_of(out: &OutBuffer) -> Vec<u8> {
    let bytes: Vec<u8> = out.pieces().flatten().copied().collect();
    assert_eq!(bytes.len(), out.len_bytes());
    bytes
}

fn sample(body: &[u8]) -> Message {
    let properties = Properties {
        content_type: Some("text/plain".into()),
        priority: Some(3),
        ..Properties::default()
    };
    Message::new("orders", "eu.new", &properties.encode(), &[body])
}

/// Method, body size, priority and body, as the generated parser reads them; every frame must keep to `frame_max`.
fn read_content(bytes: &[u8], channel: u16) -> (basic::AMQPMethod, u64, Option<u8>, Vec<u8>) {
    let mut frames = parse_frames(bytes).into_iter();
    let Some(AMQPFrame::Method(c, AMQPClass::Basic(method))) = frames.next() else {
        panic!("no method")
    };
    let Some(AMQPFrame::Header(h, header)) = frames.next() else {
        panic!("no header")
    };
    assert_eq!((c, h), (channel, channel));
    assert_eq!(header.class_id, 60);
    let mut body = Vec::new();
    for frame in frames {
        let AMQPFrame::Body(b, piece) = frame else {
            panic!("no body")
        };
        assert_eq!(b, channel);
        body.extend(piece);
    }
    (method, header.body_size, *header.properties.priority(), body)
}

#[test]
fn deliver_is_read_as_it_was_meant() {
    let message = sample(b"hello");
    let mut out = OutBuffer::new();
    let info = DeliveryInfo {
        delivery_tag: 258,
        redelivered: true,
        properties: None,
    };
    let target = Target {
        channel: 3,
        frame_max: 4096,
    };
    Deliver::new(target, "tag").write(&mut out, info, &message);
    let (method, size, priority, body) = read_content(&bytes_of(&out), 3);
    let basic::AMQPMethod::Deliver(deliver) = method else {
        panic!("{method:?}")
    };
    assert_eq!(
        (deliver.consumer_tag.as_str(), deliver.delivery_tag, deliver.redelivered),
        ("tag", 258, true)
    );
    assert_eq!(
        (deliver.exchange.as_str(), deliver.routing_key.as_str()),
        ("orders", "eu.new")
    );
    assert_eq!((size, priority, &body[..]), (5, Some(3), &b"hello"[..]));
}

#[test]
fn get_ok_and_return() {
    let message = sample(b"");
    let mut out = OutBuffer::new();
    let target = Target {
        channel: 1,
        frame_max: 4096,
    };
    let replaced = Properties {
        priority: Some(9),
        ..Properties::default()
    }
    .encode();
    let info = DeliveryInfo {
        delivery_tag: 1,
        redelivered: false,
        properties: Some(&replaced),
    };
    encode::get_ok(&mut out, target, info, 42, &message);
    let (method, size, priority, body) = read_content(&bytes_of(&out), 1);
    let basic::AMQPMethod::GetOk(got) = method else {
        panic!("{method:?}")
    };
    assert_eq!((got.delivery_tag, got.redelivered, got.message_count), (1, false, 42));
    assert_eq!((got.exchange.as_str(), got.routing_key.as_str()), ("orders", "eu.new"));
    assert_eq!((size, priority, body.len()), (0, Some(9), 0));

    let mut out = OutBuffer::new();
    encode::return_(&mut out, target, 312, "NO_ROUTE", &message);
    let (method, _, priority, _) = read_content(&bytes_of(&out), 1);
    let basic::AMQPMethod::Return(returned) = method else {
        panic!("{method:?}")
    };
    assert_eq!((returned.reply_code, returned.reply_text.as_str()), (312, "NO_ROUTE"));
    assert_eq!(
        (returned.exchange.as_str(), returned.routing_key.as_str()),
        ("orders", "eu.new")
    );
    assert_eq!(priority, Some(3));
}

#[test]
fn confirms() {
    let mut out = OutBuffer::new();
    encode::ack(&mut out, 2, 77, true);
    encode::nack(&mut out, 2, 78, false);
    let frames = parse_frames(&bytes_of(&out));
    let text: Vec<String> = frames.iter().map(|frame| format!("{frame:?}")).collect();
    assert_eq!(
        text[0],
        "Method(2, Basic(Ack(Ack { delivery_tag: 77, multiple: true })))"
    );
    assert_eq!(
        text[1],
        "Method(2, Basic(Nack(Nack { delivery_tag: 78, multiple: false, requeue: false })))"
    );
}

#[test]
fn every_response_is_read_as_it_was_meant() {
    let table = FieldTable::new();
    let method = Method::new(50, 10);
    let cases = [
        (
            Response::Start {
                server_properties: &table,
                mechanisms: "PLAIN",
                locales: "en_US",
            },
            "Start { version_major: 0, version_minor: 9",
        ),
        (Response::Secure { challenge: b"c" }, "Secure(Secure"),
        (
            Response::Tune {
                channel_max: 1,
                frame_max: 2,
                heartbeat_s: 3,
            },
            "Tune { channel_max: 1, frame_max: 2, heartbeat: 3 }",
        ),
        (Response::OpenOk, "Connection(OpenOk"),
        (
            Response::ConnectionClose {
                code: 320,
                text: "bye",
                method,
            },
            "reply_code: 320, reply_text: ShortString(\"bye\"), class_id: 50, method_id: 10",
        ),
        (Response::ConnectionCloseOk, "Connection(CloseOk"),
        (
            Response::ConnectionBlocked {
                reason: "low on memory",
            },
            "Blocked { reason: ShortString(\"low on memory\") }",
        ),
        (Response::ConnectionUnblocked, "Connection(Unblocked"),
        (Response::UpdateSecretOk, "Connection(UpdateSecretOk"),
        (Response::ChannelOpenOk, "Channel(OpenOk"),
        (Response::ChannelFlowOk { active: true }, "FlowOk { active: true }"),
        (
            Response::ChannelClose {
                code: 404,
                text: "no",
                method,
            },
            "Channel(Close(Close { reply_code: 404, reply_text: ShortString(\"no\"), class_id: 50, method_id: 10",
        ),
        (Response::ChannelCloseOk, "Channel(CloseOk"),
        (Response::AccessRequestOk, "Access(RequestOk"),
        (Response::ExchangeDeclareOk, "Exchange(DeclareOk"),
        (Response::ExchangeDeleteOk, "Exchange(DeleteOk"),
        (Response::ExchangeBindOk, "Exchange(BindOk"),
        (Response::ExchangeUnbindOk, "Exchange(UnbindOk"),
        (
            Response::QueueDeclareOk {
                queue: "q",
                message_count: 4,
                consumer_count: 5,
            },
            "queue: ShortString(\"q\"), message_count: 4, consumer_count: 5",
        ),
        (Response::QueueBindOk, "Queue(BindOk"),
        (Response::QueueUnbindOk, "Queue(UnbindOk"),
        (
            Response::QueuePurgeOk { message_count: 6 },
            "PurgeOk { message_count: 6 }",
        ),
        (
            Response::QueueDeleteOk { message_count: 7 },
            "DeleteOk { message_count: 7 }",
        ),
        (Response::QosOk, "Basic(QosOk"),
        (
            Response::ConsumeOk { consumer_tag: "t" },
            "ConsumeOk { consumer_tag: ShortString(\"t\") }",
        ),
        (
            Response::BasicCancel { consumer_tag: "t" },
            "Cancel { consumer_tag: ShortString(\"t\"), nowait: true }",
        ),
        (
            Response::CancelOk { consumer_tag: "t" },
            "CancelOk { consumer_tag: ShortString(\"t\") }",
        ),
        (Response::GetEmpty, "Basic(GetEmpty"),
        (Response::RecoverOk, "Basic(RecoverOk"),
        (Response::TxSelectOk, "Tx(SelectOk"),
        (Response::TxCommitOk, "Tx(CommitOk"),
        (Response::TxRollbackOk, "Tx(RollbackOk"),
        (Response::ConfirmSelectOk, "Confirm(SelectOk"),
        (Response::Heartbeat, "Heartbeat"),
    ];
    for (response, expected) in cases {
        let mut out = OutBuffer::new();
        response.encode(0, &mut out);
        let frames = parse_frames(&bytes_of(&out));
        assert_eq!(frames.len(), 1);
        assert!(
            format!("{:?}", frames[0]).contains(expected),
            "{:?} should contain {expected}",
            frames[0]
        );
    }
}

#[test]
fn a_long_reply_text_ends_in_dots_between_characters() {
    let mut out = OutBuffer::new();
    let text = "ü".repeat(200);
    Response::ConnectionClose {
        code: 404,
        text: &text,
        method: Method::NONE,
    }
    .encode(0, &mut out);
    let bytes = bytes_of(&out);
    let length = usize::from(bytes[13]);
    let cut = std::str::from_utf8(&bytes[14..14 + length]).unwrap();
    assert_eq!(cut, format!("{}...", "ü".repeat(126)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bodies_are_cut_into_frames(length in 0usize..150_000, frame_max in prop_oneof![Just(0u32), 4096u32..140_000]) {
        let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        let message = sample(&body);
        let mut out = OutBuffer::new();
        let info = DeliveryInfo { delivery_tag: 1, redelivered: false, properties: None };
        Deliver::new(Target { channel: 9, frame_max }, "c").write(&mut out, info, &message);
        let bytes = bytes_of(&out);
        let (_, size, _, read) = read_content(&bytes, 9);
        prop_assert_eq!(size, length as u64);
        prop_assert!(read == body);
        let mut at = 0;
        while at < bytes.len() {
            let size = u32::from_be_bytes([bytes[at + 3], bytes[at + 4], bytes[at + 5], bytes[at + 6]]);
            prop_assert!(frame_max == 0 || size + 8 <= frame_max);
            at += size as usize + 8;
        }
    }
}

/// A message as it is taken out of the input, and the same put together from its parts.
fn framed_and_packed(exchange: &str, key: &str, properties: &[u8], content: &[u8]) -> (Message, Message) {
    let mut frames = super::frames::publish(9, exchange, key, 0);
    frames.extend(super::frames::header(9, content.len() as u64, properties));
    frames.extend(super::frames::body(9, content));
    let exchange_at = 7 + 4 + 2;
    let framed = Message::framed(&frames[exchange_at..], properties.len());
    (framed, Message::new(exchange, key, properties, &[content]))
}

#[test]
fn a_message_kept_in_its_frames_has_the_parts_of_one_put_together() {
    let priority = Properties {
        priority: Some(3),
        ..Properties::default()
    };
    let long = "x".repeat(255);
    for (exchange, key) in [("", ""), ("", "q"), ("orders", "eu.new"), (&*long, &*long)] {
        for properties in [vec![0, 0], priority.encode()] {
            let (framed, packed) = framed_and_packed(exchange, key, &properties, b"hello");
            assert_eq!((framed.exchange(), &*framed.routing_key()), (exchange, key));
            assert_eq!(framed.properties_bytes(), properties);
            assert_eq!((framed.body(), framed.body_len()), (&b"hello"[..], 5));
            assert_eq!(framed.content_len(), packed.content_len());
            assert_eq!(packed.content_len(), packed.size());
            assert_eq!(framed.size(), packed.size() + 32);
        }
    }
}

#[test]
fn a_message_kept_in_its_frames_goes_out_like_one_put_together() {
    let info = DeliveryInfo {
        delivery_tag: u64::MAX - 1,
        redelivered: true,
        properties: None,
    };
    let other = Properties {
        message_id: Some("m".into()),
        ..Properties::default()
    };
    let other = other.encode();
    for length in [1, 2, 4087, 4088, 4089, 32_767, 32_768, 131_064, 131_065, 200_000] {
        let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        for properties in [None, Some(&other[..])] {
            let (framed, packed) = framed_and_packed("orders", "eu.new", &[0, 0], &content);
            for frame_max in [0, 4096, 131_072] {
                let target = Target {
                    channel: 513,
                    frame_max,
                };
                let [framed, packed] = [framed.clone(), packed.clone()].map(|message| {
                    let mut out = OutBuffer::new();
                    // Something before it, so that places are not counted from the front.
                    Response::Heartbeat.encode(0, &mut out);
                    Deliver::new(target, "tag").write(&mut out, DeliveryInfo { properties, ..info }, &message);
                    bytes_of(&out)
                });
                assert!(framed == packed, "{length} bytes, frame_max {frame_max}");
            }
        }
    }
}

#[test]
fn a_batch_of_deliveries_grows_an_empty_buffer_once() {
    let (framed, packed) = framed_and_packed("exchange", "a.key", &[0, 0], b"body of a message");
    for message in [framed, packed, sample(b"with properties")] {
        let target = Target {
            channel: 3,
            frame_max: 4096,
        };
        let deliver = Deliver::new(target, "tag");
        let mut out = OutBuffer::new();
        deliver.reserve(&mut out, 1000, &message);
        let room = out.capacity_bytes();
        for delivery_tag in 0..1000 {
            let info = DeliveryInfo {
                delivery_tag,
                redelivered: false,
                properties: None,
            };
            deliver.write(&mut out, info, &message);
        }
        assert_eq!(out.capacity_bytes(), room);
        assert!(room < 2 * out.len_bytes(), "{room} for {}", out.len_bytes());
        // However many there are: no more than an empty buffer may keep.
        deliver.reserve(&mut out, usize::MAX, &message);
        assert!(out.capacity_bytes() <= 1 << 20);
    }
}
