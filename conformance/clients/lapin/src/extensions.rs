//! What RabbitMQ adds to the protocol: limits, dead letters, priorities, direct reply-to.

use futures_lite::StreamExt;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation};

use crate::session::*;

pub async fn cancel(s: &Session) -> Outcome {
    let queue = s.queue().await?;
    let mut consumer = s.consume(&queue, false).await?;
    let other = s.connection.create_channel().await?;
    other
        .queue_delete(queue, QueueDeleteOptions::default())
        .await?;
    let end = within(consumer.next(), "basic.cancel from the broker").await?;
    ok(end.is_none(), &format!("the consumer got {end:?}"))?;
    s.channel.basic_qos(1, BasicQosOptions::default()).await?;
    Ok(())
}

pub async fn ttl(s: &Session) -> Outcome {
    let (target, dead) = (s.queue().await?, s.exchange("direct").await?);
    let options = QueueBindOptions::default();
    s.channel
        .queue_bind(
            target.clone(),
            dead.clone(),
            "dead".into(),
            options,
            FieldTable::default(),
        )
        .await?;
    let letters = table([
        ("x-dead-letter-exchange", text(dead.as_str())),
        ("x-dead-letter-routing-key", text("dead")),
    ]);
    let mut arguments = letters.clone();
    arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(100));
    let queue = s.queue_with(arguments).await?;
    let mut consumer = s.consume(&target, true).await?;
    let properties = BasicProperties::default().with_headers(table([("mine", text("kept"))]));
    s.publish(&"".into(), queue.as_str(), b"old", properties)
        .await?;
    let message = s.receive(&mut consumer, 1).await?.remove(0);
    equal(body(&message), "old", "body")?;
    equal(&message.exchange, &dead, "exchange")?;
    equal(message.routing_key.as_str(), "dead", "routing key")?;
    let headers = message.properties.headers().clone().unwrap_or_default();
    equal(headers.inner().get("mine"), Some(&text("kept")), "header")?;
    death(&message, &queue, "expired")?;
    let own = s.queue_with(letters).await?;
    let properties = BasicProperties::default().with_expiration("50".into());
    s.publish(&"".into(), own.as_str(), b"own", properties)
        .await?;
    let message = s.receive(&mut consumer, 1).await?.remove(0);
    equal(body(&message), "own", "body")?;
    equal(message.properties.expiration(), &None, "expiration")?;
    let death = death(&message, &own, "expired")?;
    equal(
        death.inner().get("original-expiration"),
        Some(&text("50")),
        "original-expiration",
    )
}

pub async fn max_length(s: &Session) -> Outcome {
    let target = s.queue().await?;
    let queue = s
        .queue_with(table([
            ("x-max-length", AMQPValue::LongInt(3)),
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(target.as_str())),
        ]))
        .await?;
    let mut consumer = s.consume(&target, true).await?;
    s.put(&queue, &["a", "b", "c", "d", "e"]).await?;
    let dropped = s.receive(&mut consumer, 2).await?;
    equal(bodies(&dropped), "a b", "dropped messages")?;
    death(&dropped[0], &queue, "maxlen")?;
    equal(s.drain(&queue).await?, "c d e", "kept messages")?;
    let full = s
        .queue_with(table([
            ("x-max-length", AMQPValue::LongInt(2)),
            ("x-overflow", text("reject-publish")),
        ]))
        .await?;
    s.put(&full, &["a", "b"]).await?;
    let third = s
        .publish(&"".into(), full.as_str(), b"c", BasicProperties::default())
        .await?;
    equal(
        third,
        Confirmation::Nack(None),
        "confirm of a publish to a full queue",
    )?;
    equal(s.drain(&full).await?, "a b", "kept messages")
}

pub async fn priority(s: &Session) -> Outcome {
    let queue = s
        .queue_with(table([("x-max-priority", AMQPValue::LongInt(5))]))
        .await?;
    s.put(&queue, &["none"]).await?;
    for (body, level) in [("a1", 1), ("a5", 5), ("a3", 3), ("b5", 5), ("b9", 9)] {
        let properties = BasicProperties::default().with_priority(level);
        s.publish(&"".into(), queue.as_str(), body.as_bytes(), properties)
            .await?;
    }
    equal(
        s.drain(&queue).await?,
        "a5 b5 b9 a3 a1 none",
        "order by priority",
    )
}

pub async fn reply_to(server: &Session) -> Outcome {
    let pseudo = "amq.rabbitmq.reply-to";
    let client = Session::open().await?;
    let queue = server.queue().await?;
    let mut replies = client.consume(&pseudo.into(), true).await?;
    let mut requests = server.consume(&queue, true).await?;
    let properties = BasicProperties::default()
        .with_reply_to(pseudo.into())
        .with_correlation_id("7".into());
    let options = BasicPublishOptions {
        mandatory: true,
        ..Default::default()
    };
    client
        .channel
        .basic_publish("".into(), queue, options, b"ask", properties)
        .await?;
    let asked = server.receive(&mut requests, 1).await?.remove(0);
    equal(body(&asked), "ask", "request")?;
    equal(
        asked.properties.correlation_id(),
        &Some("7".into()),
        "correlation id",
    )?;
    let address = asked.properties.reply_to().clone().ok_or("no reply-to")?;
    let prefix = format!("{pseudo}.");
    ok(
        address.as_str().starts_with(&prefix),
        &format!("reply-to is {address}"),
    )?;
    let properties = BasicProperties::default().with_correlation_id("7".into());
    server
        .publish(&"".into(), address.as_str(), b"answer", properties)
        .await?;
    let got = client.receive(&mut replies, 1).await?.remove(0);
    equal(body(&got), "answer", "reply")?;
    equal(&got.routing_key, &address, "routing key of the reply")?;
    equal(
        got.properties.correlation_id(),
        &Some("7".into()),
        "correlation id",
    )?;
    client.connection.close(200, "done".into()).await?;
    let none = "PRECONDITION_FAILED - fast reply consumer does not exist";
    server
        .refused(406, none, async |c| {
            let options = BasicPublishOptions::default();
            let properties = BasicProperties::default().with_reply_to(pseudo.into());
            c.basic_publish("".into(), "x".into(), options, b"", properties)
                .await
                .map(drop)
        })
        .await
}
