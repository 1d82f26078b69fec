//! `basic.publish`: checked, routed, and put into the batch of this read.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use crate::amqp::{Publish, encode};
use crate::broker::{Broker, DIRECT_REPLY_QUEUE, PublishBatch, QueueRef, Remembered, Route, RouteCache, Terms, Vhost};
use crate::model::{AmqpError, ConfirmTicket, Message, Method, Millis, Properties, PropertiesView, ReplyCode};
use crate::queue::Incoming;
use crate::routing::{ExchangeKind, sender_selected_keys};

use super::channel::{Channel, Confirms};
use super::tx::PendingPublish;
use super::watch::Watched;
use super::{Place, Session, tally};

const PUBLISH: Method = Method::new(60, 40);

/// The longest time that RabbitMQ's timers take, in milliseconds.
const MAX_EXPIRATION_MS: Millis = crate::broker::MAX_TIMER_MS;

/// What the properties of a message mean for its way.
#[derive(Default)]
struct Traits {
    persistent: bool,
    /// Keys of the CC and BCC headers.
    extra_keys: Vec<String>,
    /// Properties to send on in place of those that came.
    replaced: Option<Vec<u8>>,
}

impl Session {
    pub(super) fn publish(&mut self, number: u16, publish: &mut Publish<'_>) {
        if let Err(error) = self.try_publish(number, publish) {
            self.fail(number, &error.caused_by(PUBLISH));
        }
    }

    fn try_publish(&mut self, number: u16, publish: &mut Publish<'_>) -> Result<(), AmqpError> {
        let (Some(place), Some(channel)) = (&self.place, self.channels.get_mut(number)) else {
            // The protocol core lets methods through for open channels of open connections only.
            return Err(AmqpError::connection(
                ReplyCode::ChannelError,
                "expected 'channel.open'",
            ));
        };
        let generations = (place.access.generation(), place.vhost.generation());
        let is_again = channel.checked.is(publish.address(), generations);
        if !is_again && check(&self.broker, place, channel, publish, generations)? == Goes::ToRequester {
            return self.publish_reply(number, publish);
        }
        let properties = publish.properties();
        let traits = match properties.is_empty() {
            true => Traits::default(),
            false => read_traits(place, channel, properties, publish.exchange())?,
        };
        let mut message = message_of(publish, &traits);
        self.sizes.note(message.body_len() as u64);
        let is_watched = channel.watched;
        let tracer = if is_watched { self.broker.tracer() } else { None };
        let begun = tracer.and_then(|tracer| tracer.begin(message.properties()));
        let mandatory = publish.mandatory;
        let provisional = channel.transaction.is_some();
        let terms = Terms { mandatory, provisional };
        let known = is_again && traits.extra_keys.is_empty();
        let route = match channel.routes.last(generations.1).filter(|_| known) {
            Some(route) => route,
            None => {
                let key = as_text(publish.routing_key());
                let keys = &traits.extra_keys;
                let (routes, properties) = (&mut channel.routes, publish.properties());
                routes.route(&place.vhost, publish.exchange(), &key, keys, properties, terms)
            }
        };
        let may_return = mandatory && !route.is_absorbed;
        if route.is_metered || self.throttle.is_metered {
            self.throttle
                .charge(&self.broker, &place.vhost, &route.queues, message.body_len());
        }
        if is_watched {
            let watched = Watched {
                broker: &self.broker,
                vhost: &place.vhost,
                entry: self.entry.as_deref(),
                channel: number,
                extra_keys: &traits.extra_keys,
                begun,
                at_once: !provisional,
            };
            message = watched.publish(message, &route.queues, &mut self.publishes, &mut self.spans);
        }
        if let Some(transaction) = &mut channel.transaction {
            let traffic = channel.tally.exchange().cloned();
            transaction.gather(message, route, traits.persistent, may_return, traffic);
            return Ok(());
        }
        channel.tally.publish(route.queues.len(), may_return);
        tally::list(&mut channel.tally, number, &mut self.tallied);
        let confirms = channel.confirms.as_mut();
        let ticket = confirms.map(|confirms| ticket(confirms, number, route, &mut self.touched));
        if route.queues.is_empty() && may_return {
            return_message(channel, &message);
            return Ok(());
        }
        push(&mut self.publishes, &route.queues, message, traits.persistent, ticket);
        Ok(())
    }

    /// An answer to a direct request goes straight to the channel that asked.
    fn publish_reply(&mut self, number: u16, publish: &mut Publish<'_>) -> Result<(), AmqpError> {
        if let Some(place) = &self.place
            && self.throttle.is_metered
        {
            self.throttle
                .charge(&self.broker, &place.vhost, &[], publish.body().len());
        }
        let message = publish.take_message();
        self.sizes.note(message.body_len() as u64);
        // What was published before on this channel goes first.
        self.flush();
        let reached = self
            .broker
            .reply_channel(&String::from_utf8_lossy(publish.routing_key()))
            .is_some_and(|sink| sink.reply(&message));
        let Some(channel) = self.channels.get_mut(number) else {
            return Ok(());
        };
        if !reached && publish.mandatory {
            return_message(channel, &message);
        }
        if let Some(place) = &self.place {
            // Requests and answers are the default exchange's, and no queue's.
            channel.forget_exchange();
            channel.tally.enter(place.vhost.exchange_traffic(""));
        }
        channel.tally.publish(usize::from(reached), publish.mandatory);
        tally::list(&mut channel.tally, number, &mut self.tallied);
        if let Some(confirms) = &mut channel.confirms {
            confirms.last += 1;
            confirms.reached.push(0);
            self.touched.push(number);
        }
        Ok(())
    }

    /// Enqueues what a transaction has gathered.
    pub(super) fn publish_pending(
        &mut self,
        number: u16,
        pending: Vec<PendingPublish>,
        ticket: &dyn Fn() -> ConfirmTicket,
    ) {
        let Some(channel) = self.channels.get_mut(number) else {
            return;
        };
        for mut publish in pending {
            let remembered = match (publish.is_provisional, &self.place) {
                (true, Some(place)) => route_again(&mut publish, &mut channel.routes, &place.vhost),
                _ => Remembered::default(),
            };
            if let Some(traffic) = publish.traffic {
                channel.tally.enter(traffic);
            }
            channel.tally.publish(publish.queues.len(), publish.mandatory);
            for queue in &publish.queues {
                let incoming = Incoming {
                    message: publish.message.clone(),
                    persistent: publish.persistent,
                    ticket: Some(remembered.guard(ticket())),
                };
                self.publishes.push(queue, incoming);
            }
            if publish.queues.is_empty() && publish.mandatory {
                return_message(channel, &publish.message);
            }
        }
        tally::list(&mut channel.tally, number, &mut self.tallied);
        // The tally is at the exchange of the last of them now; the next publish asks anew.
        channel.forget_exchange();
    }
}

/// Routes a message whose transaction is committed through exchanges that have not remembered it yet; says what they
/// remember now.
fn route_again(publish: &mut PendingPublish, routes: &mut RouteCache, vhost: &Vhost) -> Remembered {
    let message = &publish.message;
    let headers = message.properties().headers().unwrap_or_default();
    let keys = sender_selected_keys(&headers).unwrap_or_default();
    let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
    let terms = Terms {
        mandatory: publish.mandatory,
        provisional: false,
    };
    let (exchange, key) = (message.exchange(), message.routing_key());
    let route = routes.route(vhost, exchange, &key, &keys, message.properties(), terms);
    publish.mandatory &= !route.is_absorbed;
    publish.queues.clone_from(&route.queues);
    route.remembered.clone()
}

/// The message as it goes on.
#[inline]
fn message_of(publish: &mut Publish<'_>, traits: &Traits) -> Message {
    let message = match &traits.replaced {
        None => publish.take_message(),
        Some(properties) => publish.take_message_with(Some(properties)),
    };
    match traits.extra_keys.is_empty() {
        true => message,
        false => message.with_secret_keys(),
    }
}

/// The ticket of a publish that takes this route; its channel is noted at the first of a flush.
fn ticket(confirms: &mut Confirms, number: u16, route: &Route, touched: &mut Vec<u16>) -> ConfirmTicket {
    if confirms.reached.is_empty() {
        touched.push(number);
    }
    confirms.last += 1;
    confirms.reached.push(route.queues.len() as u32);
    route.remembered.guard(confirms.tracker.ticket(confirms.last))
}

#[inline]
fn push(
    batch: &mut PublishBatch,
    queues: &[QueueRef],
    message: Message,
    persistent: bool,
    ticket: Option<ConfirmTicket>,
) {
    let Some((last, others)) = queues.split_last() else {
        return;
    };
    for queue in others {
        let incoming = Incoming {
            message: message.clone(),
            persistent,
            ticket: ticket.clone(),
        };
        batch.push(queue, incoming);
    }
    // Most often there is but one queue, and nothing to count.
    let incoming = Incoming {
        message,
        persistent,
        ticket,
    };
    batch.push(last, incoming);
}

fn return_message(channel: &Channel, message: &Message) {
    let deliveries = &channel.deliveries;
    let visible = message.visible_properties();
    let visible =
        visible.map(|properties| message.republished(message.exchange(), message.routing_key_bytes(), &properties));
    let message = visible.as_ref().unwrap_or(message);
    deliveries.outbox.write(|out| {
        encode::return_(
            out,
            deliveries.target(),
            ReplyCode::NoRoute.number(),
            ReplyCode::NoRoute.name(),
            message,
        );
    });
}

/// A routing key as text: nearly all are UTF-8, and to see that is faster than to look for what is not.
#[inline]
fn as_text(key: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(key) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(key),
    }
}

/// Where a publish goes.
#[derive(PartialEq, Eq)]
enum Goes {
    ToExchange,
    /// A direct reply, to the channel that asked (RabbitMQ: "Direct Reply-to").
    ToRequester,
}

/// Whether the publish may go where it wants to. Noted with the channel, so that the next one with the same address is
/// not asked.
fn check(
    broker: &Broker,
    place: &Place,
    channel: &mut Channel,
    publish: &Publish<'_>,
    generations: (u64, u64),
) -> Result<Goes, AmqpError> {
    channel.checked.forget();
    let exchange = publish.exchange();
    check_writable(place, channel, exchange)?;
    if exchange.is_empty() && publish.routing_key().starts_with(DIRECT_REPLY_QUEUE.as_bytes()) {
        return Ok(Goes::ToRequester);
    }
    check_exchange(broker, place, channel, exchange)?;
    if channel.to_topic {
        let key = as_text(publish.routing_key());
        place.access.check_topic_write(exchange, &key)?;
    }
    if let Some(address) = publish.address() {
        channel.checked.note(address, generations);
    }
    Ok(Goes::ToExchange)
}

/// Write permission on the exchange, asked for once an exchange and generation of the accounts.
fn check_writable(place: &Place, channel: &mut Channel, exchange: &str) -> Result<(), AmqpError> {
    let generation = place.access.generation();
    if let Some((known, writable)) = &channel.writable
        && *known == generation
        && writable == exchange
    {
        return Ok(());
    }
    place.access.write_exchange(exchange)?;
    channel.writable = Some((generation, exchange.into()));
    Ok(())
}

/// 404 for a missing exchange, 403 for an internal one; asked for once an exchange and generation of the topology.
fn check_exchange(broker: &Broker, place: &Place, channel: &mut Channel, exchange: &str) -> Result<(), AmqpError> {
    let generation = place.vhost.generation();
    if let Some((known, standing)) = &channel.standing
        && *known == generation
        && standing == exchange
    {
        return Ok(());
    }
    place.vhost.check_publishable(exchange)?;
    channel.to_topic = place.vhost.exchange_kind(exchange) == Some(ExchangeKind::Topic);
    let shown = &channel.deliveries.shown;
    shown.publishes.store(true, Ordering::Relaxed);
    channel.watched = broker.tracer().is_some() || place.vhost.is_tapped();
    channel.tally.enter(place.vhost.exchange_traffic(exchange));
    channel.standing = Some((generation, exchange.into()));
    Ok(())
}

fn read_traits(
    place: &Place,
    channel: &Channel,
    properties: PropertiesView<'_>,
    exchange: &str,
) -> Result<Traits, AmqpError> {
    check_user_id(place, properties)?;
    check_expiration(properties)?;
    let mut traits = Traits {
        persistent: match properties.delivery_mode() {
            None | Some(1) => false,
            Some(2) => true,
            Some(other) => {
                let text = format!("invalid message: {{delivery_mode_unknown,{other}}}");
                return Err(precondition(text));
            }
        },
        ..Traits::default()
    };
    let has_keys = properties.has_header(&["CC", "BCC"]);
    let asks_reply = properties.reply_to() == Some(DIRECT_REPLY_QUEUE.as_bytes());
    if has_keys || asks_reply {
        let mut decoded = properties.decode().map_err(precondition)?;
        if has_keys {
            traits.extra_keys = further_keys(&decoded)?;
            if channel.to_topic {
                for key in &traits.extra_keys {
                    place.access.check_topic_write(exchange, key)?;
                }
            }
        }
        if asks_reply {
            let Some(consumer) = &channel.reply_consumer else {
                return Err(precondition("fast reply consumer does not exist"));
            };
            decoded.reply_to = Some(consumer.address.as_str().into());
            traits.replaced = Some(decoded.encode());
        }
    }
    Ok(traits)
}

/// The keys of CC and BCC. BCC stays with the message and is kept from receivers (RabbitMQ: "Sender-selected
/// Distribution").
fn further_keys(properties: &Properties) -> Result<Vec<String>, AmqpError> {
    let Some(headers) = &properties.headers else {
        return Ok(Vec::new());
    };
    let keys = sender_selected_keys(headers).map_err(precondition)?;
    Ok(keys.into_iter().map(str::to_owned).collect())
}

fn check_user_id(place: &Place, properties: PropertiesView<'_>) -> Result<(), AmqpError> {
    match properties.user_id() {
        Some(claimed) if !place.access.may_publish_as(claimed) => Err(precondition(format!(
            "user_id property set to '{}' but authenticated user was '{}'",
            String::from_utf8_lossy(claimed),
            place.access.user()
        ))),
        _ => Ok(()),
    }
}

/// An expiration is a decimal number of milliseconds (RabbitMQ: "Time-To-Live and Expiration").
fn check_expiration(properties: PropertiesView<'_>) -> Result<(), AmqpError> {
    let Some(expiration) = properties.expiration() else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(expiration);
    match expiration_fault(&text) {
        None => Ok(()),
        Some(fault) => Err(precondition(format!("invalid expiration '{text}': {fault}"))),
    }
}

fn expiration_fault(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.len() - unsigned.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = text.split_at(text.len() - unsigned.len() + digits);
    if digits == 0 {
        return Some("no_integer".to_owned());
    }
    if !rest.is_empty() {
        return Some(format!("{{leftover_string,{rest:?}}}"));
    }
    let number = number.trim_start_matches('+');
    match number.parse::<i128>() {
        Ok(n) if n < 0 => Some(format!("{{value_negative,{number}}}")),
        Ok(n) if n <= i128::from(MAX_EXPIRATION_MS) => None,
        _ => Some(format!("{{value_too_large,{number}}}")),
    }
}

fn precondition(details: impl std::fmt::Display) -> AmqpError {
    AmqpError::channel(ReplyCode::PreconditionFailed, details)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expirations_are_decimal_milliseconds() {
        for good in ["0", "60000", "4294967296", "315360000000", "+5"] {
            assert_eq!(expiration_fault(good), None, "{good}");
        }
        for (bad, fault) in [
            ("", "no_integer"),
            ("soon", "no_integer"),
            (" 5", "no_integer"),
            ("-", "no_integer"),
            ("1.5", "{leftover_string,\".5\"}"),
            ("5 ", "{leftover_string,\" \"}"),
            ("-1", "{value_negative,-1}"),
            ("315360000001", "{value_too_large,315360000001}"),
            (
                "99999999999999999999999999999999999999999999",
                "{value_too_large,99999999999999999999999999999999999999999999}",
            ),
        ] {
            assert_eq!(expiration_fault(bad).as_deref(), Some(fault), "{bad}");
        }
    }
}
