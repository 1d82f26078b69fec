//! Bindings: from exchanges to queues and to other exchanges.

use crate::model::{AmqpError, Name, ReplyCode};
use crate::routing::{Binding, Destination, DestinationName, Unbound};
use crate::store::{StateChange, Table};

use super::definitions::{BindingRecord, key, pack, put};
use super::exchanges::{check_not_default, over_limit};
use super::queue_cell::{Aftermath, QueueRef};
use super::{Broker, Vhost};

impl Broker {
    /// Binds `destination` to the exchange of `binding`; the same binding again changes nothing.
    ///
    /// `connection` is who asks: an exclusive queue of another one is locked.
    pub fn bind(&self, vhost: &Vhost, binding: Binding, connection: u64) -> Result<(), AmqpError> {
        check_binding_names(&binding.source, &binding.destination)?;
        let admin = vhost.admin.lock();
        vhost.check_standing()?;
        if vhost.exchange_is_internal(&binding.source).is_none() {
            return Err(vhost.no_exchange(&binding.source));
        }
        let destination = destination(vhost, &binding.destination, connection)?;
        let durable = is_durable(vhost, &binding);
        let count = vhost.router.read().binding_count();
        if count >= self.limits().bindings_per_vhost {
            return Err(over_limit(
                vhost,
                "binding",
                &binding.routing_key,
                self.limits().bindings_per_vhost,
            ));
        }
        let new = place_binding(vhost, &binding, destination)?;
        if new && durable {
            let record = record(vhost, &binding);
            if let Err(error) = self.store(&[put(Table::Bindings, record.key(), &record)]) {
                take_binding(vhost, &binding);
                return Err(error);
            }
        }
        if new {
            self.tell_binding("binding.created", vhost, &binding);
            let mut aftermath = Aftermath::default();
            self.replay_history(vhost, &binding, &mut aftermath);
            drop(admin);
            self.settle_aftermath(&mut aftermath);
        }
        Ok(())
    }

    /// Unbinds; a binding that does not exist is unbound already, as RabbitMQ has it. An exchange declared with
    /// auto-delete goes with its last binding.
    pub fn unbind(&self, vhost: &Vhost, binding: &Binding) -> Result<(), AmqpError> {
        check_binding_names(&binding.source, &binding.destination)?;
        let _admin = vhost.admin.lock();
        let durable = is_durable(vhost, binding);
        let unbound = take_binding(vhost, binding);
        if !unbound.existed {
            return Ok(());
        }
        self.drop_sides(vhost, &unbound.auto_deleted);
        self.tell_removed(vhost, &[], std::slice::from_ref(binding));
        self.tell_removed(vhost, &unbound.auto_deleted, &unbound.bindings);
        let mut bindings = unbound.bindings;
        if durable {
            bindings.push(binding.clone());
        }
        self.store(&removals(vhost, &unbound.auto_deleted, &bindings))
    }
}

/// The changes that take the records of exchanges and bindings away; a key without a record is removed in vain.
pub(super) fn removals(vhost: &Vhost, exchanges: &[Name], bindings: &[Binding]) -> Vec<StateChange> {
    let bindings = bindings
        .iter()
        .map(|binding| StateChange::Remove(Table::Bindings, record(vhost, binding).key()));
    let exchanges = exchanges
        .iter()
        .map(|name| StateChange::Remove(Table::Exchanges, key(&[&vhost.name, name])));
    bindings.chain(exchanges).collect()
}

/// 403 where one end of a binding is the default exchange.
pub fn check_binding_names(source: &str, destination: &DestinationName) -> Result<(), AmqpError> {
    check_not_default(source)?;
    match destination {
        DestinationName::Exchange(name) => check_not_default(name),
        DestinationName::Queue(_) => Ok(()),
    }
}

/// Puts a binding into the router without storing it; true where it is new.
pub(super) fn place_binding(
    vhost: &Vhost,
    binding: &Binding,
    destination: Destination<QueueRef>,
) -> Result<bool, AmqpError> {
    let bound = vhost.router.write().bind(
        &binding.source,
        destination,
        &binding.routing_key,
        binding.arguments.clone(),
    );
    vhost.changed();
    bound.map_err(|error| AmqpError::channel(ReplyCode::PreconditionFailed, error))
}

fn take_binding(vhost: &Vhost, binding: &Binding) -> Unbound {
    let unbound = vhost.router.write().unbind(
        &binding.source,
        &binding.destination,
        &binding.routing_key,
        binding.arguments.clone(),
    );
    vhost.changed();
    unbound
}

pub(super) fn destination(
    vhost: &Vhost,
    name: &DestinationName,
    connection: u64,
) -> Result<Destination<QueueRef>, AmqpError> {
    match name {
        DestinationName::Queue(name) => {
            let queue = vhost.queue(name)?;
            queue.check_owner(connection)?;
            Ok(Destination::Queue {
                name: name.clone(),
                handle: QueueRef(queue),
            })
        }
        DestinationName::Exchange(name) => {
            check_not_default(name)?;
            if vhost.exchange_is_internal(name).is_none() {
                return Err(vhost.no_exchange(name));
            }
            Ok(Destination::Exchange(name.clone()))
        }
    }
}

/// Whether the binding survives a restart: both its ends do.
fn is_durable(vhost: &Vhost, binding: &Binding) -> bool {
    let router = vhost.router.read();
    let is_durable = |name: &Name| router.get(name).is_some_and(|exchange| exchange.spec().durable);
    is_durable(&binding.source)
        && match &binding.destination {
            DestinationName::Queue(name) => vhost.find_queue(name).is_some_and(|queue| queue.is_kept()),
            DestinationName::Exchange(name) => is_durable(name),
        }
}

fn record(vhost: &Vhost, binding: &Binding) -> BindingRecord {
    BindingRecord {
        vhost: vhost.name.to_string(),
        source: binding.source.to_string(),
        destination: binding.destination.name().to_string(),
        to_exchange: matches!(binding.destination, DestinationName::Exchange(_)),
        routing_key: binding.routing_key.to_string(),
        arguments: pack(&binding.arguments),
    }
}
