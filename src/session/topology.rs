//! The exchange and queue classes.

use crate::amqp::{Request, Response};
use crate::auth::Access as Wanted;
use crate::broker::{DIRECT_REPLY_QUEUE, DeleteCondition, ExchangeDeclare, QueueDeclare, check_not_reserved};
use crate::model::{AmqpError, FieldTable, Name};
use crate::routing::{Binding, DestinationName};

use super::Session;

impl Session {
    /// Declares, deletes, binds, unbinds and purges.
    pub(super) fn topology(&mut self, number: u16, request: Request) -> Result<(), AmqpError> {
        match request {
            Request::ExchangeDeclare {
                exchange,
                kind,
                passive,
                durable,
                auto_delete,
                internal,
                nowait,
                arguments,
            } => {
                let declare = ExchangeDeclare {
                    name: one_line(exchange),
                    kind: kind.to_string(),
                    durable,
                    auto_delete,
                    internal,
                    arguments,
                };
                self.declare_exchange(declare, passive)?;
                self.reply(number, nowait, Response::ExchangeDeclareOk);
            }
            Request::ExchangeDelete {
                exchange,
                if_unused,
                nowait,
            } => {
                let exchange = one_line(exchange);
                let place = self.place()?;
                self.broker.check_exchange_delete(&place.vhost, &exchange)?;
                place.access.configure_exchange(&exchange)?;
                self.broker.delete_exchange(&place.vhost, &exchange, if_unused)?;
                self.reply(number, nowait, Response::ExchangeDeleteOk);
            }
            Request::ExchangeBind {
                destination,
                source,
                routing_key,
                nowait,
                arguments,
            } => {
                self.bind(
                    DestinationName::Exchange(one_line(destination)),
                    source,
                    routing_key,
                    arguments,
                )?;
                self.reply(number, nowait, Response::ExchangeBindOk);
            }
            Request::ExchangeUnbind {
                destination,
                source,
                routing_key,
                nowait,
                arguments,
            } => {
                self.unbind(
                    DestinationName::Exchange(one_line(destination)),
                    source,
                    routing_key,
                    arguments,
                )?;
                self.reply(number, nowait, Response::ExchangeUnbindOk);
            }
            queue_class => return self.queue_class(number, queue_class),
        }
        Ok(())
    }

    fn queue_class(&mut self, number: u16, request: Request) -> Result<(), AmqpError> {
        match request {
            Request::QueueBind {
                queue,
                exchange,
                routing_key,
                nowait,
                arguments,
            } => {
                let (queue, routing_key) = self.binding_names(number, queue, routing_key)?;
                self.bind(DestinationName::Queue(queue), exchange, routing_key, arguments)?;
                self.reply(number, nowait, Response::QueueBindOk);
            }
            Request::QueueUnbind {
                queue,
                exchange,
                routing_key,
                arguments,
            } => {
                let (queue, routing_key) = self.binding_names(number, queue, routing_key)?;
                self.unbind(DestinationName::Queue(queue), exchange, routing_key, arguments)?;
                self.write(number, Response::QueueUnbindOk);
            }
            Request::QueuePurge { queue, nowait } => {
                let name = self.channel_mut(number)?.queue_name(&one_line(queue))?;
                let message_count = self.purge(&name)?;
                self.reply(number, nowait, Response::QueuePurgeOk { message_count });
            }
            Request::QueueDelete {
                queue,
                if_unused,
                if_empty,
                nowait,
            } => {
                let name = self.channel_mut(number)?.queue_name(&one_line(queue))?;
                let place = self.place()?;
                place.access.configure_queue(&name)?;
                let condition = DeleteCondition { if_unused, if_empty };
                let message_count = self.broker.delete_queue(&place.vhost, &name, condition, self.id)?;
                self.exclusive_queues.retain(|queue| !queue.is_deleted());
                self.reply(number, nowait, Response::QueueDeleteOk { message_count });
            }
            Request::QueueDeclare {
                queue,
                passive,
                durable,
                exclusive,
                auto_delete,
                nowait,
                arguments,
            } => {
                let declare = QueueDeclare {
                    name: one_line(queue),
                    durable,
                    exclusive,
                    auto_delete,
                    arguments,
                };
                self.declare_queue(number, declare, passive, nowait)?;
            }
            // The other methods are answered before this.
            _ => {}
        }
        Ok(())
    }

    fn declare_exchange(&self, declare: ExchangeDeclare, passive: bool) -> Result<(), AmqpError> {
        let place = self.place()?;
        if passive {
            place.access.see_exchange(&declare.name)?;
            return self.broker.check_exchange(&place.vhost, &declare.name);
        }
        self.broker.check_exchange_declare(&place.vhost, &declare)?;
        place.access.configure_exchange(&declare.name)?;
        if let Some(alternate) = text_of(&declare.arguments, "alternate-exchange") {
            place.access.read_exchange(&declare.name)?;
            place.access.write_exchange(alternate)?;
        }
        self.broker.declare_exchange(&place.vhost, declare)
    }

    fn declare_queue(
        &mut self,
        number: u16,
        mut declare: QueueDeclare,
        passive: bool,
        nowait: bool,
    ) -> Result<(), AmqpError> {
        if declare.name == DIRECT_REPLY_QUEUE || declare.name.starts_with("amq.rabbitmq.reply-to.") {
            return self.declare_reply_queue(number, &declare.name, nowait);
        }
        let place = self.place()?;
        let declared = if passive {
            place.access.see_queue(&declare.name)?;
            self.broker.find_queue(&place.vhost, &declare.name, self.id)?
        } else {
            if declare.name.is_empty() {
                declare.name = self.names.next("amq.gen-").into();
            } else if place.vhost.find_queue(&declare.name).is_none() {
                check_not_reserved("queue", &declare.name)?;
            }
            let place = self.place()?;
            place.access.configure_queue(&declare.name)?;
            if let Some(exchange) = text_of(&declare.arguments, "x-dead-letter-exchange") {
                place.access.read_queue(&declare.name)?;
                place.access.write_exchange(exchange)?;
                // Whoever may publish with some keys only gets no further by way of a dead letter.
                if let Some(key) = text_of(&declare.arguments, "x-dead-letter-routing-key") {
                    place.access.check_topic(&place.vhost, exchange, key, Wanted::Write)?;
                }
            }
            self.broker.declare_queue(&place.vhost, declare, self.id)?
        };
        let queue = &declared.queue;
        if queue.declaration.owner == Some(self.id) && !self.exclusive_queues.iter().any(|own| own.id == queue.id) {
            self.exclusive_queues.push(std::sync::Arc::clone(queue));
        }
        self.channel_mut(number)?.last_queue = Some(queue.name.clone());
        let response = Response::QueueDeclareOk {
            queue: &queue.name,
            message_count: declared.messages,
            consumer_count: declared.consumers,
        };
        self.reply(number, nowait, response);
        Ok(())
    }

    /// A declaration of the pseudo queue asks whether somebody still waits for an answer (RabbitMQ: "Direct
    /// Reply-to").
    fn declare_reply_queue(&mut self, number: u16, name: &Name, nowait: bool) -> Result<(), AmqpError> {
        let place = self.place()?;
        let waiting = *name == DIRECT_REPLY_QUEUE || self.broker.reply_channel(name).is_some();
        if !waiting {
            return place.vhost.queue(name).map(|_| ());
        }
        let response = Response::QueueDeclareOk {
            queue: name,
            message_count: 0,
            consumer_count: 1,
        };
        self.reply(number, nowait, response);
        Ok(())
    }

    /// An empty queue name means the last one declared; then an empty key means that name too (section 1.7.2.3).
    fn binding_names(&mut self, number: u16, queue: Name, routing_key: Name) -> Result<(Name, Name), AmqpError> {
        let unnamed = queue.is_empty();
        let queue = self.channel_mut(number)?.queue_name(&one_line(queue))?;
        let routing_key = match unnamed && routing_key.is_empty() {
            true => queue.clone(),
            false => routing_key,
        };
        Ok((queue, routing_key))
    }

    fn bind(
        &self,
        destination: DestinationName,
        source: Name,
        routing_key: Name,
        arguments: FieldTable,
    ) -> Result<(), AmqpError> {
        let binding = self.checked_binding(destination, source, routing_key, arguments)?;
        self.broker.bind(&self.place()?.vhost, binding, self.id)
    }

    fn unbind(
        &self,
        destination: DestinationName,
        source: Name,
        routing_key: Name,
        arguments: FieldTable,
    ) -> Result<(), AmqpError> {
        let binding = self.checked_binding(destination, source, routing_key, arguments)?;
        self.broker.unbind(&self.place()?.vhost, &binding)
    }

    /// Binding needs write permission on the destination and read on the source (RabbitMQ: "Access Control").
    fn checked_binding(
        &self,
        destination: DestinationName,
        source: Name,
        routing_key: Name,
        arguments: FieldTable,
    ) -> Result<Binding, AmqpError> {
        let source = one_line(source);
        let place = self.place()?;
        crate::broker::check_binding_names(&source, &destination)?;
        match &destination {
            DestinationName::Queue(name) => place.access.write_queue(name)?,
            DestinationName::Exchange(name) => place.access.write_exchange(name)?,
        }
        place.access.read_exchange(&source)?;
        place
            .access
            .check_topic(&place.vhost, &source, &routing_key, Wanted::Read)?;
        Ok(Binding {
            source,
            destination,
            routing_key,
            arguments,
        })
    }

    fn purge(&mut self, name: &Name) -> Result<u32, AmqpError> {
        let place = self.place()?;
        place.access.read_queue(name)?;
        let queue = place.vhost.queue(name)?;
        queue.check_owner(self.id)?;
        let count = queue.purge(self.broker.now(), &mut self.aftermath);
        self.finish();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

fn text_of<'a>(arguments: &'a FieldTable, name: &str) -> Option<&'a str> {
    arguments.get(name)?.as_text()
}

/// RabbitMQ takes carriage returns and line feeds out of names.
fn one_line(name: Name) -> Name {
    if name.contains(['\r', '\n']) {
        return name.replace(['\r', '\n'], "").into();
    }
    name
}
