//! Connections, and messages on their way through one queue.

use std::time::Duration;

use futures_lite::StreamExt;
use lapin::options::*;
use lapin::types::{AMQPValue, DecimalValue, FieldArray, FieldTable, ShortString};
use lapin::{BasicProperties, Confirmation, ErrorKind, Event};

use crate::session::*;

pub async fn connect(s: &Session) -> Outcome {
    // lapin keeps the server's properties to itself; the tuned limits can be seen.
    let tuned = s.connection.configuration();
    ok(tuned.channel_max() > 0, "channel_max is 0")?;
    ok(
        tuned.frame_max() >= 8192,
        &format!("frame_max is {}", tuned.frame_max()),
    )?;
    let (login, server) = URL.rsplit_once('@').ok_or("AMQP_URL has no login")?;
    let (user, _) = login.rsplit_once(':').ok_or("AMQP_URL has no password")?;
    let wrong = format!("{user}:{}@{server}", unique("password"));
    let properties = lapin::ConnectionProperties::default()
        .configure_backoff(|backoff| backoff.with_max_times(0));
    match within(lapin::Connection::connect(&wrong, properties), "refusal").await? {
        Ok(_) => Err("a wrong password was accepted".into()),
        Err(error) => match error.kind() {
            ErrorKind::ProtocolError(reason) => equal(reason.get_id(), 403, "reply code"),
            _ => Err(format!("a wrong password gives {error}").into()),
        },
    }
}

pub async fn heartbeat() -> Outcome {
    let connection = crate::session::connect(&format!("{}?heartbeat=3", *URL)).await?;
    equal(
        connection.configuration().heartbeat(),
        3,
        "negotiated heartbeat",
    )?;
    let mut events = Box::pin(connection.events_listener());
    // lapin reports an error when the broker's heartbeats stay away.
    let idle = async {
        while let Some(event) = events.next().await {
            if let Event::Error(error) = event {
                return error.to_string();
            }
        }
        "the connection's events ended".to_string()
    };
    if let Ok(problem) = tokio::time::timeout(Duration::from_secs(10), idle).await {
        return Err(format!("while only heartbeats were exchanged: {problem}").into());
    }
    connection
        .create_channel()
        .await?
        .close(200, "done".into())
        .await?;
    connection.close(200, "done".into()).await?;
    Ok(())
}

pub async fn close(watcher: &Session) -> Outcome {
    let s = Session::open().await?;
    let kept = unique("queue");
    watcher
        .channel
        .queue_declare(
            kept.clone(),
            QueueDeclareOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let exclusive = s.queue().await?;
    s.put(&kept, &["unacked"]).await?;
    let mut first = s.consume(&kept, false).await?;
    s.receive(&mut first, 1).await?;
    let mut second = watcher.consume(&kept, false).await?;
    within(s.connection.close(200, "done".into()), "close-ok").await??;
    let message = watcher.receive(&mut second, 1).await?;
    equal(
        bodies(&message),
        "unacked",
        "message of the closed connection",
    )?;
    ok(message[0].redelivered, "the redelivered flag is not set")?;
    watcher
        .channel
        .queue_delete(kept, QueueDeleteOptions::default())
        .await?;
    watcher
        .refused(404, "NOT_FOUND", async |c| {
            declare_passive(c, &exclusive).await.map(drop)
        })
        .await
}

/// A table with every type that lapin can write.
fn every_type() -> FieldTable {
    let list = |values: Vec<AMQPValue>| AMQPValue::FieldArray(FieldArray::from(values));
    table([
        ("bool", AMQPValue::Boolean(true)),
        ("i8", AMQPValue::ShortShortInt(-5)),
        ("u8", AMQPValue::ShortShortUInt(200)),
        ("i16", AMQPValue::ShortInt(-300)),
        ("u16", AMQPValue::ShortUInt(40_000)),
        ("i32", AMQPValue::LongInt(-70_000)),
        ("u32", AMQPValue::LongUInt(u32::MAX)),
        ("i64", AMQPValue::LongLongInt(-(1 << 40))),
        ("f32", AMQPValue::Float(-0.5)),
        ("f64", AMQPValue::Double(std::f64::consts::PI)),
        (
            "decimal",
            AMQPValue::DecimalValue(DecimalValue {
                scale: 2,
                value: 314,
            }),
        ),
        ("text", text("gr\u{fc}\u{df}")),
        ("empty", text("")),
        ("time", AMQPValue::Timestamp(1_709_208_001)),
        ("bytes", AMQPValue::ByteArray(vec![0, 255, 254].into())),
        ("nothing", AMQPValue::Void),
        (
            "array",
            list(vec![
                AMQPValue::LongInt(1),
                text("a"),
                AMQPValue::Void,
                list(vec![]),
            ]),
        ),
        (
            "table",
            AMQPValue::FieldTable(table([(
                "inner",
                AMQPValue::FieldTable(table([("deep", list(vec![AMQPValue::Boolean(false)]))])),
            )])),
        ),
        ("no table", AMQPValue::FieldTable(FieldTable::default())),
    ])
}

pub async fn publish(s: &Session) -> Outcome {
    let queue = s.queue().await?;
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(every_type())
        .with_delivery_mode(2)
        .with_priority(7)
        .with_correlation_id("correlation".into())
        .with_reply_to("reply".into())
        .with_expiration("60000".into())
        .with_message_id("message".into())
        .with_timestamp(1_709_208_001)
        .with_type("kind".into())
        .with_user_id(s.connection.status().username().into())
        .with_app_id("application".into())
        .with_cluster_id("cluster".into());
    s.publish(&"".into(), queue.as_str(), b"body", properties.clone())
        .await?;
    s.publish(
        &"".into(),
        queue.as_str(),
        b"bare",
        BasicProperties::default(),
    )
    .await?;
    let mut consumer = s.consume(&queue, true).await?;
    let got = s.receive(&mut consumer, 2).await?;
    equal(bodies(&got), "body bare", "bodies")?;
    equal(got[0].exchange.as_str(), "", "exchange")?;
    equal(&got[0].routing_key, &queue, "routing key")?;
    equal(&got[0].properties, &properties, "properties")?;
    equal(
        &got[1].properties,
        &BasicProperties::default(),
        "absent properties",
    )
}

pub async fn consume(s: &Session) -> Outcome {
    let queue = s.queue().await?;
    let sent: Vec<String> = (0..100).map(|i| format!("m{i}")).collect();
    let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
    s.put(&queue, &sent[..50]).await?;
    let mut consumer = consume_on(&s.channel, &queue, "my tag", true).await?;
    equal(consumer.tag().as_str(), "my tag", "consumer tag")?;
    s.put(&queue, &sent[50..]).await?;
    let got = s.receive(&mut consumer, 100).await?;
    equal(bodies(&got), sent.join(" "), "order")?;
    let tags: Vec<u64> = got.iter().map(|m| m.delivery_tag).collect();
    equal(tags, (1..=100).collect::<Vec<u64>>(), "delivery tags")?;
    ok(
        got.iter().all(|m| !m.redelivered),
        "a first delivery is marked as redelivered",
    )?;
    s.channel
        .basic_cancel("my tag".into(), BasicCancelOptions::default())
        .await?;
    s.put(&queue, &["later"]).await?;
    equal(s.counts(&queue).await?.0, 1, "messages ready after cancel")?;
    let made = s.consume(&queue, true).await?.tag();
    ok(
        made.as_str().starts_with("amq.ctag-"),
        &format!("tag made by the broker: {made}"),
    )
}

pub async fn confirm(s: &Session) -> Outcome {
    let queue = s.queue().await?;
    s.put(&queue, &["one"]).await?;
    equal(s.counts(&queue).await?.0, 1, "messages after a confirm")?;
    let mut waiting = Vec::new();
    for _ in 0..500 {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        let publish =
            s.publisher
                .basic_publish("".into(), queue.clone(), options, b"m", properties);
        waiting.push(publish.await?);
    }
    for confirm in waiting {
        equal(
            within(confirm, "confirm").await??,
            Confirmation::Ack(None),
            "confirm",
        )?;
    }
    equal(
        s.counts(&queue).await?.0,
        501,
        "messages after many confirms",
    )?;
    // lapin joins a return to a confirm only if the return came first.
    let message = unroutable(s, &"".into(), unique("nowhere")).await?;
    equal(message.reply_code, 312, "reply code")
}

async fn unroutable(
    s: &Session,
    exchange: &ShortString,
    key: ShortString,
) -> Outcome<lapin::message::BasicReturnMessage> {
    let options = BasicPublishOptions {
        mandatory: true,
        ..Default::default()
    };
    let properties = BasicProperties::default().with_message_id("42".into());
    let publish = s
        .publisher
        .basic_publish(exchange.clone(), key, options, b"back", properties)
        .await?;
    match within(publish, "confirm").await?? {
        Confirmation::Ack(Some(message)) => Ok(*Box::new(message)),
        other => Err(format!("an unroutable message gives {other:?}").into()),
    }
}

pub async fn returned(s: &Session) -> Outcome {
    let nowhere = unique("nowhere");
    let silent = s
        .publish(
            &"".into(),
            nowhere.as_str(),
            b"",
            BasicProperties::default(),
        )
        .await?;
    equal(silent, Confirmation::Ack(None), "confirm without mandatory")?;
    let message = unroutable(s, &"".into(), nowhere.clone()).await?;
    equal(message.reply_code, 312, "reply code")?;
    equal(message.reply_text.as_str(), "NO_ROUTE", "reply text")?;
    equal(message.delivery.exchange.as_str(), "", "exchange")?;
    equal(&message.delivery.routing_key, &nowhere, "routing key")?;
    equal(body(&message.delivery), "back", "body")?;
    equal(
        message.delivery.properties.message_id(),
        &Some("42".into()),
        "property",
    )?;
    let direct = s.exchange("direct").await?;
    let message = unroutable(s, &direct, "key".into()).await?;
    equal(&message.delivery.exchange, &direct, "exchange")?;
    equal(message.delivery.routing_key.as_str(), "key", "routing key")
}

pub async fn qos(s: &Session) -> Outcome {
    let queue = s.queue().await?;
    s.put(&queue, &["a", "b", "c", "d", "e", "f", "g", "h"])
        .await?;
    let channel = s.connection.create_channel().await?;
    channel.basic_qos(3, BasicQosOptions::default()).await?;
    let mut consumer = consume_on(&channel, &queue, "", false).await?;
    let first = s.receive(&mut consumer, 3).await?;
    equal(s.counts(&queue).await?.0, 5, "messages held back")?;
    first[0].ack(BasicAckOptions::default()).await?;
    equal(
        bodies(&s.receive(&mut consumer, 1).await?),
        "d",
        "next after one ack",
    )?;
    first[2].ack(BasicAckOptions { multiple: true }).await?;
    equal(
        bodies(&s.receive(&mut consumer, 2).await?),
        "e f",
        "next after a multiple ack",
    )?;
    let shared = s.connection.create_channel().await?;
    let other = s.queue().await?;
    shared
        .basic_qos(2, BasicQosOptions { global: true })
        .await?;
    let mut one = consume_on(&shared, &other, "one", false).await?;
    let mut two = consume_on(&shared, &other, "two", false).await?;
    s.put(&other, &["a", "b", "c", "d"]).await?;
    s.receive(&mut one, 1).await?;
    s.receive(&mut two, 1).await?;
    equal(
        s.counts(&other).await?.0,
        2,
        "messages beyond the limit of the channel",
    )
}

pub async fn get(s: &Session) -> Outcome {
    let queue = s.queue().await?;
    equal(s.drain(&queue).await?, "", "get from an empty queue")?;
    for body in ["a", "b", "c"] {
        let properties = BasicProperties::default().with_type("kind".into());
        s.publish(&"".into(), queue.as_str(), body.as_bytes(), properties)
            .await?;
    }
    let (message, count) = s.get(&queue, false).await?;
    equal(
        (body(&message).as_str(), count, message.redelivered),
        ("a", 2, false),
        "first get-ok",
    )?;
    equal(message.exchange.as_str(), "", "exchange")?;
    equal(&message.routing_key, &queue, "routing key")?;
    equal(message.properties.kind(), &Some("kind".into()), "property")?;
    message.ack(BasicAckOptions::default()).await?;
    equal(s.get(&queue, true).await?.1, 1, "second get-ok")?;
    equal(s.get(&queue, true).await?.1, 0, "third get-ok")?;
    equal(s.drain(&queue).await?, "", "get from a drained queue")
}

pub async fn nack(s: &Session) -> Outcome {
    let target = s.queue().await?;
    let letters = table([
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(target.as_str())),
    ]);
    let queue = s.queue_with(letters).await?;
    s.put(&queue, &["a", "b", "c", "d"]).await?;
    let mut taken = Vec::new();
    for _ in 0..4 {
        taken.push(s.get(&queue, false).await?.0);
    }
    taken[1]
        .nack(BasicNackOptions {
            multiple: true,
            requeue: true,
        })
        .await?;
    taken[2]
        .reject(BasicRejectOptions { requeue: true })
        .await?;
    let mut again = Vec::new();
    for _ in 0..3 {
        again.push(s.get(&queue, false).await?.0);
    }
    equal(
        bodies(&again),
        "a b c",
        "requeued messages keep their place",
    )?;
    ok(
        again.iter().all(|m| m.redelivered),
        "a requeued message is not marked as redelivered",
    )?;
    taken[3].ack(BasicAckOptions::default()).await?;
    let mut consumer = s.consume(&target, true).await?;
    again[0]
        .reject(BasicRejectOptions { requeue: false })
        .await?;
    let dead = s.receive(&mut consumer, 1).await?;
    equal(bodies(&dead), "a", "rejected message")?;
    death(&dead[0], &queue, "rejected")?;
    again[2]
        .nack(BasicNackOptions {
            multiple: true,
            requeue: false,
        })
        .await?;
    equal(
        bodies(&s.receive(&mut consumer, 2).await?),
        "b c",
        "messages of a multiple nack",
    )?;
    equal(s.counts(&queue).await?.0, 0, "messages left")
}

pub async fn recover(s: &Session) -> Outcome {
    let queue = s.queue().await?;
    s.put(&queue, &["a", "b"]).await?;
    let mut consumer = s.consume(&queue, false).await?;
    let first = s.receive(&mut consumer, 2).await?;
    ok(
        first.iter().all(|m| !m.redelivered),
        "a first delivery is marked as redelivered",
    )?;
    s.channel
        .basic_recover(BasicRecoverOptions { requeue: true })
        .await?;
    let again = s.receive(&mut consumer, 2).await?;
    equal(bodies(&again), "a b", "recovered messages")?;
    ok(
        again.iter().all(|m| m.redelivered),
        "a recovered message is not marked as redelivered",
    )?;
    let tags: Vec<u64> = again.iter().map(|m| m.delivery_tag).collect();
    equal(tags, vec![3, 4], "delivery tags")
}

pub async fn tx(s: &Session) -> Outcome {
    let queue = s.queue().await?;
    let channel = s.connection.create_channel().await?;
    channel.tx_select().await?;
    let put = async |body: &str| -> Outcome {
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        channel
            .basic_publish(
                "".into(),
                queue.clone(),
                options,
                body.as_bytes(),
                properties,
            )
            .await?;
        Ok(())
    };
    put("a").await?;
    put("b").await?;
    equal(s.counts(&queue).await?.0, 0, "messages before commit")?;
    channel.tx_commit().await?;
    equal(s.counts(&queue).await?.0, 2, "messages after commit")?;
    put("lost").await?;
    channel.tx_rollback().await?;
    channel.tx_commit().await?;
    equal(s.counts(&queue).await?.0, 2, "messages after rollback")?;
    let got = channel
        .basic_get(queue.clone(), BasicGetOptions::default())
        .await?;
    let tag = got.ok_or("basic.get found nothing")?.delivery_tag;
    channel.basic_ack(tag, BasicAckOptions::default()).await?;
    channel.tx_rollback().await?;
    channel.basic_ack(tag, BasicAckOptions::default()).await?;
    channel.tx_commit().await?;
    channel.close(200, "done".into()).await?;
    equal(
        s.drain(&queue).await?,
        "b",
        "messages after an ack was committed",
    )
}

pub async fn big_body(s: &Session) -> Outcome {
    let queue = s.queue().await?;
    let big: Vec<u8> = (0..1 << 20).map(|i: u32| i.to_le_bytes()[0]).collect();
    let frame = usize::try_from(s.connection.configuration().frame_max())? - 8;
    let sent = [&[][..], &big, &big[..frame], &big[..=frame], &[]];
    for body in sent {
        s.publish(&"".into(), queue.as_str(), body, BasicProperties::default())
            .await?;
    }
    let mut consumer = s.consume(&queue, true).await?;
    for (message, body) in s.receive(&mut consumer, sent.len()).await?.iter().zip(sent) {
        equal(message.data.len(), body.len(), "body size")?;
        ok(message.data == body, "a body changed on its way")?;
    }
    Ok(())
}
