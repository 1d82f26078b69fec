//! A connection with what the checks need around it: names, waits, comparisons.

use std::fmt::Debug;
use std::future::Future;
use std::panic::Location;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_lite::{StreamExt, future};
use lapin::message::Delivery;
use lapin::options::*;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ErrorKind,
    Event, ExchangeKind,
};

/// Longest time that a single event may take to arrive.
pub const EVENT_LIMIT: Duration = Duration::from_secs(10);
/// Longest time that a check may take.
pub const CHECK_LIMIT: Duration = Duration::from_secs(30);

/// Why a check failed, with the line.
#[derive(Debug)]
pub struct Failure(pub String);
pub type Outcome<T = ()> = Result<T, Failure>;

impl<E: std::fmt::Display> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        Failure(format!("{error} ({})", Location::caller()))
    }
}

#[track_caller]
pub fn ok(condition: bool, what: &str) -> Outcome {
    if condition { Ok(()) } else { Err(what.into()) }
}

#[track_caller]
pub fn equal<A: PartialEq<B> + Debug, B: Debug>(got: A, want: B, what: &str) -> Outcome {
    if got == want {
        Ok(())
    } else {
        Err(format!("{what}: got {got:?}, expected {want:?}").into())
    }
}

pub async fn within<T>(event: impl Future<Output = T>, what: &str) -> Outcome<T> {
    match tokio::time::timeout(EVENT_LIMIT, event).await {
        Ok(value) => Ok(value),
        Err(_) => Err(format!("timed out: {what}").into()),
    }
}

pub static URL: LazyLock<String> =
    LazyLock::new(|| std::env::var("AMQP_URL").expect("AMQP_URL names the broker"));
static RUN: LazyLock<String> = LazyLock::new(|| {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("{:x}-{:x}", now.as_nanos(), std::process::id())
});
static NAMES: AtomicUsize = AtomicUsize::new(0);

/// A queue or exchange name that no other run uses.
pub fn unique(what: &str) -> ShortString {
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    format!("conformance.lapin.{}.{what}.{number}", *RUN).into()
}

/// A field table from names and values.
pub fn table<const N: usize>(fields: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert(name.into(), value);
    }
    table
}

/// A text as a field value.
pub fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

pub fn body(message: &Delivery) -> String {
    String::from_utf8_lossy(&message.data).into_owned()
}

pub fn bodies<'a>(messages: impl IntoIterator<Item = &'a Delivery>) -> String {
    messages.into_iter().map(body).collect::<Vec<_>>().join(" ")
}

pub struct Session {
    pub connection: Connection,
    pub channel: Channel,
    /// Messages are put with confirms: only then must a message count include them.
    pub publisher: Channel,
}

impl Session {
    pub async fn open() -> Outcome<Session> {
        let connection = connect(&URL).await?;
        let channel = connection.create_channel().await?;
        let publisher = connection.create_channel().await?;
        publisher
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(Session {
            connection,
            channel,
            publisher,
        })
    }

    pub async fn queue(&self) -> Outcome<ShortString> {
        self.queue_with(FieldTable::default()).await
    }

    pub async fn queue_with(&self, arguments: FieldTable) -> Outcome<ShortString> {
        let options = QueueDeclareOptions {
            exclusive: true,
            ..Default::default()
        };
        let queue = self
            .channel
            .queue_declare(unique("queue"), options, arguments)
            .await?;
        Ok(queue.name().clone())
    }

    pub async fn exchange(&self, kind: &str) -> Outcome<ShortString> {
        let name = unique(kind);
        let options = ExchangeDeclareOptions {
            auto_delete: true,
            ..Default::default()
        };
        let kind = ExchangeKind::Custom(kind.into());
        self.channel
            .exchange_declare(name.clone(), kind, options, FieldTable::default())
            .await?;
        Ok(name)
    }

    /// Publishes and waits for the confirm.
    pub async fn publish(
        &self,
        exchange: &ShortString,
        key: &str,
        body: &[u8],
        properties: BasicProperties,
    ) -> Outcome<Confirmation> {
        let options = BasicPublishOptions::default();
        let publish =
            self.publisher
                .basic_publish(exchange.clone(), key.into(), options, body, properties);
        Ok(within(publish.await?, "confirm").await??)
    }

    /// Puts messages on a queue, each confirmed with ack.
    pub async fn put(&self, queue: &ShortString, bodies: &[&str]) -> Outcome {
        for body in bodies {
            let confirm = self
                .publish(
                    &"".into(),
                    queue.as_str(),
                    body.as_bytes(),
                    BasicProperties::default(),
                )
                .await?;
            equal(confirm, Confirmation::Ack(None), "confirm")?;
        }
        Ok(())
    }

    pub async fn consume(&self, queue: &ShortString, no_ack: bool) -> Outcome<Consumer> {
        consume_on(&self.channel, queue, "", no_ack).await
    }

    /// The next messages of a consumer, exactly so many.
    pub async fn receive(&self, consumer: &mut Consumer, count: usize) -> Outcome<Vec<Delivery>> {
        let mut got = Vec::new();
        while got.len() < count {
            let what = format!("message {} of {count}", got.len() + 1);
            let next = within(consumer.next(), &what).await?;
            got.push(next.ok_or_else(|| format!("consumer cancelled before {what}"))??);
        }
        // A round trip flushes out anything that was sent beyond them.
        self.channel
            .basic_qos(0, BasicQosOptions::default())
            .await?;
        let more = future::poll_once(consumer.next()).await;
        ok(
            more.is_none(),
            &format!("more than {count} deliveries: {more:?}"),
        )?;
        Ok(got)
    }

    /// Takes a message that must be there with basic.get; with its remaining message count.
    pub async fn get(&self, queue: &ShortString, no_ack: bool) -> Outcome<(Delivery, u32)> {
        let got = self
            .channel
            .basic_get(queue.clone(), BasicGetOptions { no_ack })
            .await?;
        let message = got.ok_or_else(|| format!("basic.get found nothing on {queue}"))?;
        let count = message.message_count;
        Ok((message.delivery, count))
    }

    /// Takes everything that is ready with basic.get.
    pub async fn drain(&self, queue: &ShortString) -> Outcome<String> {
        let mut all = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        while let Some(message) = self.channel.basic_get(queue.clone(), options).await? {
            all.push(message.delivery);
        }
        Ok(bodies(&all))
    }

    /// Messages ready and consumers of a queue.
    pub async fn counts(&self, queue: &ShortString) -> Outcome<(u32, u32)> {
        let found = declare_passive(&self.channel, queue).await?;
        Ok((found.message_count(), found.consumer_count()))
    }

    /// Runs an action that must close its channel with this code and text.
    pub async fn refused(
        &self,
        code: u16,
        words: &str,
        action: impl AsyncFnOnce(&Channel) -> lapin::Result<()>,
    ) -> Outcome {
        let channel = self.connection.create_channel().await?;
        let mut events = Box::pin(self.connection.events_listener());
        let _ = action(&channel).await; // the event below says more
        let expected = format!("refusal {code} {words}");
        let error = loop {
            match within(events.next(), &expected).await? {
                Some(Event::Error(error)) => break error,
                Some(_) => {}
                None => return Err("the connection's events ended".into()),
            }
        };
        let ErrorKind::ProtocolError(reason) = error.kind() else {
            return Err(format!("{expected}: got {error}").into());
        };
        let message = reason.get_message().to_string();
        equal(reason.get_id(), code, &format!("reply code ({message})"))?;
        ok(
            message.contains(words),
            &format!("reply text is {message}, not {words}"),
        )?;
        ok(!channel.status().connected(), "the channel is still open")?;
        ok(
            self.connection.status().connected(),
            "the connection was closed too",
        )?;
        self.connection
            .create_channel()
            .await?
            .close(200, "done".into())
            .await?;
        Ok(())
    }
}

pub async fn connect(url: &str) -> Outcome<Connection> {
    let properties =
        ConnectionProperties::default().configure_backoff(|backoff| backoff.with_max_times(0));
    Ok(within(Connection::connect(url, properties), "connection").await??)
}

pub async fn consume_on(
    channel: &Channel,
    queue: &ShortString,
    tag: &str,
    no_ack: bool,
) -> Outcome<Consumer> {
    let options = BasicConsumeOptions {
        no_ack,
        ..Default::default()
    };
    let arguments = FieldTable::default();
    Ok(channel
        .basic_consume(queue.clone(), tag.into(), options, arguments)
        .await?)
}

pub async fn declare_passive(
    channel: &Channel,
    queue: &ShortString,
) -> lapin::Result<lapin::Queue> {
    let options = QueueDeclareOptions {
        passive: true,
        ..Default::default()
    };
    channel
        .queue_declare(queue.clone(), options, FieldTable::default())
        .await
}

/// The x-death entry of a message that died once.
pub fn death(message: &Delivery, queue: &ShortString, reason: &str) -> Outcome<FieldTable> {
    let headers = message.properties.headers().clone().unwrap_or_default();
    let field = |name: &str| headers.inner().get(name).cloned();
    let Some(AMQPValue::FieldArray(list)) = field("x-death") else {
        return Err(format!("x-death is {:?}", field("x-death")).into());
    };
    let [AMQPValue::FieldTable(death)] = list.as_slice() else {
        return Err(format!("x-death is {list:?}").into());
    };
    let name = text(queue.as_str());
    let keys = AMQPValue::FieldArray(vec![name.clone()].into());
    for (key, value) in [
        ("queue", name.clone()),
        ("reason", text(reason)),
        ("count", AMQPValue::LongLongInt(1)),
        ("exchange", text("")),
        ("routing-keys", keys),
    ] {
        equal(
            death.inner().get(key),
            Some(&value),
            &format!("x-death {key}"),
        )?;
    }
    let time = death.inner().get("time");
    ok(
        matches!(time, Some(AMQPValue::Timestamp(_))),
        &format!("x-death time is {time:?}"),
    )?;
    equal(
        field("x-first-death-queue"),
        Some(name),
        "x-first-death-queue",
    )?;
    equal(
        field("x-first-death-reason"),
        Some(text(reason)),
        "x-first-death-reason",
    )?;
    equal(
        field("x-first-death-exchange"),
        Some(text("")),
        "x-first-death-exchange",
    )?;
    Ok(death.clone())
}
