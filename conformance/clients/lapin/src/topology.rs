//! Exchanges, queues and bindings, and what is refused.

use std::collections::BTreeMap;

use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, ErrorKind, ExchangeKind};

use crate::session::*;

fn none() -> FieldTable {
    FieldTable::default()
}

async fn declare_exchange(
    channel: &Channel,
    name: &ShortString,
    kind: ExchangeKind,
    options: ExchangeDeclareOptions,
) -> lapin::Result<()> {
    channel
        .exchange_declare(name.clone(), kind, options, none())
        .await
}

async fn exchange_exists(channel: &Channel, name: &ShortString) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions {
        passive: true,
        ..Default::default()
    };
    declare_exchange(channel, name, ExchangeKind::Direct, options).await
}

async fn bind(channel: &Channel, queue: &ShortString, exchange: &ShortString) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    channel
        .queue_bind(queue.clone(), exchange.clone(), "".into(), options, none())
        .await
}

pub async fn exchange(s: &Session) -> Outcome {
    let (c, queue) = (&s.channel, s.queue().await?);
    let durable = ExchangeDeclareOptions {
        durable: true,
        ..Default::default()
    };
    let plain = ExchangeDeclareOptions::default();
    let unused = ExchangeDeleteOptions {
        if_unused: true,
        ..Default::default()
    };
    let any = ExchangeDeleteOptions::default();
    let (source, middle) = (unique("direct"), unique("fanout"));
    declare_exchange(c, &source, ExchangeKind::Direct, durable).await?;
    declare_exchange(c, &source, ExchangeKind::Direct, durable).await?;
    exchange_exists(c, &source).await?;
    declare_exchange(c, &middle, ExchangeKind::Fanout, plain).await?;
    let options = ExchangeBindOptions::default();
    c.exchange_bind(
        middle.clone(),
        source.clone(),
        "key".into(),
        options,
        none(),
    )
    .await?;
    bind(c, &queue, &middle).await?;
    s.publish(&source, "key", b"through", BasicProperties::default())
        .await?;
    equal(
        s.drain(&queue).await?,
        "through",
        "message over two exchanges",
    )?;
    let text_in_use = format!("PRECONDITION_FAILED - exchange '{middle}' in vhost '/' in use");
    s.refused(406, &text_in_use, async |x| {
        x.exchange_delete(middle.clone(), unused).await
    })
    .await?;
    let options = ExchangeUnbindOptions::default();
    c.exchange_unbind(
        middle.clone(),
        source.clone(),
        "key".into(),
        options,
        none(),
    )
    .await?;
    s.publish(&source, "key", b"lost", BasicProperties::default())
        .await?;
    equal(s.drain(&queue).await?, "", "message after unbind")?;
    c.queue_unbind(queue.clone(), middle.clone(), "".into(), none())
        .await?;
    c.exchange_delete(middle, unused).await?;
    c.exchange_delete(source.clone(), any).await?;
    c.exchange_delete(source.clone(), any).await?;
    let missing = "NOT_FOUND - no exchange";
    s.refused(404, missing, async |x| exchange_exists(x, &source).await)
        .await?;
    alternate_exchange(s, &queue).await?;
    let gone = s.exchange("fanout").await?;
    bind(c, &queue, &gone).await?;
    c.queue_unbind(queue, gone.clone(), "".into(), none())
        .await?;
    s.refused(404, missing, async |x| exchange_exists(x, &gone).await)
        .await
}

async fn alternate_exchange(s: &Session, queue: &ShortString) -> Outcome {
    let alternate = s.exchange("fanout").await?;
    bind(&s.channel, queue, &alternate).await?;
    let first = unique("direct");
    let arguments = table([("alternate-exchange", text(alternate.as_str()))]);
    let options = ExchangeDeclareOptions::default();
    s.channel
        .exchange_declare(first.clone(), ExchangeKind::Direct, options, arguments)
        .await?;
    s.publish(&first, "unknown", b"caught", BasicProperties::default())
        .await?;
    equal(
        s.drain(queue).await?,
        "caught",
        "message over the alternate exchange",
    )?;
    s.channel
        .exchange_delete(first, ExchangeDeleteOptions::default())
        .await?;
    Ok(())
}

pub async fn queue(s: &Session) -> Outcome {
    let c = &s.channel;
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        ..Default::default()
    };
    let made = c.queue_declare("".into(), exclusive, none()).await?;
    ok(
        made.name().as_str().starts_with("amq.gen-"),
        &format!("server-named queue is {}", made.name()),
    )?;
    let queue = unique("queue");
    let durable = QueueDeclareOptions {
        durable: true,
        ..Default::default()
    };
    c.queue_declare(queue.clone(), durable, none()).await?;
    s.put(&queue, &["a", "b", "c"]).await?;
    equal(s.counts(&queue).await?, (3, 0), "counts")?;
    let purged = c
        .queue_purge(queue.clone(), QueuePurgeOptions::default())
        .await?;
    equal(purged, 3, "purged messages")?;
    s.put(&queue, &["d"]).await?;
    let empty = QueueDeleteOptions {
        if_empty: true,
        ..Default::default()
    };
    let unused = QueueDeleteOptions {
        if_unused: true,
        ..Default::default()
    };
    let not_empty = format!("PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty");
    s.refused(406, &not_empty, async |x| {
        x.queue_delete(queue.clone(), empty).await.map(drop)
    })
    .await?;
    let mut consumer = s.consume(&queue, true).await?;
    equal(bodies(&s.receive(&mut consumer, 1).await?), "d", "message")?;
    equal(s.counts(&queue).await?.1, 1, "consumers")?;
    let in_use = format!("PRECONDITION_FAILED - queue '{queue}' in vhost '/' in use");
    s.refused(406, &in_use, async |x| {
        x.queue_delete(queue.clone(), unused).await.map(drop)
    })
    .await?;
    c.basic_cancel(consumer.tag(), BasicCancelOptions::default())
        .await?;
    s.put(&queue, &["e", "f"]).await?;
    equal(
        c.queue_delete(queue.clone(), unused).await?,
        2,
        "deleted messages",
    )?;
    let any = QueueDeleteOptions::default();
    equal(
        c.queue_delete(queue, any).await?,
        0,
        "deleting what is gone",
    )?;
    let (mine, other) = (s.queue().await?, Session::open().await?);
    let locked = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue";
    other
        .refused(405, locked, async |x| {
            declare_passive(x, &mine).await.map(drop)
        })
        .await?;
    other.connection.close(200, "done".into()).await?;
    let fleeting = unique("queue");
    let auto_delete = QueueDeclareOptions {
        auto_delete: true,
        ..Default::default()
    };
    c.queue_declare(fleeting.clone(), auto_delete, none())
        .await?;
    let tag = s.consume(&fleeting, false).await?.tag();
    c.basic_cancel(tag, BasicCancelOptions::default()).await?;
    s.refused(404, "NOT_FOUND", async |x| {
        declare_passive(x, &fleeting).await.map(drop)
    })
    .await
}

/// A routing key or, for the headers exchange, a table.
fn key(kind: &str, field: &str) -> Outcome<(String, FieldTable)> {
    if kind != "headers" {
        return Ok((field.into(), none()));
    }
    let mut table = none();
    for pair in field.split(',') {
        let (name, value) = pair.split_once('=').ok_or("no = in the routing table")?;
        let (letter, rest) = value.split_once(':').ok_or("no : in the routing table")?;
        let value = match letter {
            "s" => text(rest),
            "i" => AMQPValue::LongInt(rest.parse()?),
            "t" => AMQPValue::Boolean(rest == "true"),
            _ => AMQPValue::Void,
        };
        table.insert(name.into(), value);
    }
    Ok((String::new(), table))
}

/// Binds the queues of the shared table and sees which of them get each message.
pub async fn routing(s: &Session, kind: &str) -> Outcome {
    let beside = concat!(
        env!("CARGO_PKG_NAME"),
        " needs ROUTING_TABLE to name routing.txt"
    );
    let path = std::env::var("ROUTING_TABLE").map_err(|_| beside)?;
    let lines = std::fs::read_to_string(path)?;
    let exchange = s.exchange(kind).await?;
    let mut queues = BTreeMap::new();
    let mut sent = 0;
    for line in lines.lines() {
        match line.split('|').collect::<Vec<_>>()[..] {
            [k, "bind", letter, field] if k == kind => {
                if !queues.contains_key(letter) {
                    queues.insert(letter.to_string(), s.queue().await?);
                }
                let (name, table) = key(kind, field)?;
                let (queue, options) = (queues[letter].clone(), QueueBindOptions::default());
                let bound =
                    s.channel
                        .queue_bind(queue, exchange.clone(), name.into(), options, table);
                bound.await?;
            }
            [k, "send", field, letters] if k == kind => {
                sent += 1;
                let (name, table) = key(kind, field)?;
                let properties = BasicProperties::default().with_headers(table);
                s.publish(&exchange, &name, b"m", properties).await?;
                let mut got = String::new();
                for (letter, queue) in &queues {
                    got += &letter.repeat(s.drain(queue).await?.split_whitespace().count());
                }
                equal(got.as_str(), letters, &format!("queues that got {field:?}"))?;
            }
            _ => {}
        }
    }
    ok(sent > 0, "no such lines in the routing table")
}

pub async fn errors(s: &Session) -> Outcome {
    let (no, queue, exchange) = (
        unique("missing"),
        s.queue().await?,
        s.exchange("direct").await?,
    );
    let no_queue = format!("NOT_FOUND - no queue '{no}' in vhost '/'");
    let no_exchange = format!("NOT_FOUND - no exchange '{no}' in vhost '/'");
    s.refused(404, &no_queue, async |c| {
        declare_passive(c, &no).await.map(drop)
    })
    .await?;
    s.refused(404, &no_exchange, async |c| exchange_exists(c, &no).await)
        .await?;
    s.refused(404, &no_queue, async |c| {
        let options = BasicConsumeOptions::default();
        c.basic_consume(no.clone(), "".into(), options, none())
            .await
            .map(drop)
    })
    .await?;
    s.refused(404, &no_exchange, async |c| {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        c.basic_publish(no.clone(), "".into(), options, b"", properties)
            .await
            .map(drop)
    })
    .await?;
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        ..Default::default()
    };
    let length = format!(
        "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '{queue}' in vhost '/': \
         received the value '7' of type"
    );
    s.refused(406, &length, async |c| {
        let arguments = table([("x-max-length", AMQPValue::LongInt(7))]);
        c.queue_declare(queue.clone(), exclusive, arguments)
            .await
            .map(drop)
    })
    .await?;
    let kind = format!(
        "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '{exchange}' in vhost '/': \
         received 'fanout' but current is 'direct'"
    );
    let plain = ExchangeDeclareOptions {
        auto_delete: true,
        ..Default::default()
    };
    s.refused(406, &kind, async |c| {
        declare_exchange(c, &exchange, ExchangeKind::Fanout, plain).await
    })
    .await?;
    let reserved = "name 'amq.mine' contains reserved prefix 'amq.*'";
    let mine = ShortString::from("amq.mine");
    s.refused(
        403,
        &format!("ACCESS_REFUSED - queue {reserved}"),
        async |c| {
            c.queue_declare(mine.clone(), exclusive, none())
                .await
                .map(drop)
        },
    )
    .await?;
    s.refused(
        403,
        &format!("ACCESS_REFUSED - exchange {reserved}"),
        async |c| declare_exchange(c, &mine, ExchangeKind::Direct, plain).await,
    )
    .await?;
    let default = "ACCESS_REFUSED - operation not permitted on the default exchange";
    s.refused(403, default, async |c| bind(c, &queue, &"".into()).await)
        .await?;
    s.refused(
        406,
        "PRECONDITION_FAILED - unknown delivery tag 99",
        async |c| c.basic_ack(99, BasicAckOptions::default()).await,
    )
    .await?;
    s.channel
        .exchange_delete(exchange, ExchangeDeleteOptions::default())
        .await?;
    missing_vhost(&no).await
}

async fn missing_vhost(no: &ShortString) -> Outcome {
    let (server, _) = URL.rsplit_once('/').ok_or("AMQP_URL has no vhost")?;
    let properties = lapin::ConnectionProperties::default()
        .configure_backoff(|backoff| backoff.with_max_times(0));
    let url = format!("{server}/{no}");
    let Err(error) = within(lapin::Connection::connect(&url, properties), "refusal").await? else {
        return Err("connected to a missing vhost".into());
    };
    let ErrorKind::ProtocolError(reason) = error.kind() else {
        return Err(format!("a missing vhost gives {error}").into());
    };
    equal(reason.get_id(), 530, "reply code")?;
    let want = format!("NOT_ALLOWED - vhost {no} not found");
    equal(reason.get_message().to_string(), want, "reply text")
}
