//! Exchanges: declare, delete.

use crate::model::{AmqpError, FieldTable, Name, ReplyCode};
use crate::routing::{ExchangeKind, ExchangeSpec};
use crate::store::{StateChange, Table};

use super::arguments::{check_same_argument, check_same_flag, inequivalent, resource, wrong_exchange_type};
use super::bindings::removals;
use super::definitions::{ExchangeRecord, key, pack, put};
use super::exchange_side::{SideIds, check_arguments};
use super::{Broker, Vhost};

/// The argument that names where unrouted messages go.
const ALTERNATE: &str = "alternate-exchange";

/// What `exchange.declare` says.
#[derive(Clone, Debug)]
pub struct ExchangeDeclare {
    /// Its name.
    pub name: Name,
    /// Its type, as text.
    pub kind: String,
    /// Survives a restart.
    pub durable: bool,
    /// Goes when its last binding goes.
    pub auto_delete: bool,
    /// Takes messages from other exchanges only.
    pub internal: bool,
    /// Arguments.
    pub arguments: FieldTable,
}

impl Broker {
    /// 404 where there is no such exchange (`exchange.declare` with `passive`).
    pub fn check_exchange(&self, vhost: &Vhost, name: &str) -> Result<(), AmqpError> {
        check_not_default(name)?;
        match vhost.exchange_is_internal(name) {
            Some(_) => Ok(()),
            None => Err(vhost.no_exchange(name)),
        }
    }

    /// What can be said of a declaration before anybody's permissions are looked at: its type, and that it is not
    /// the default exchange.
    pub fn check_exchange_declare(&self, vhost: &Vhost, declare: &ExchangeDeclare) -> Result<(), AmqpError> {
        exchange_spec(declare, &vhost.name)?;
        check_not_default(&declare.name)
    }

    /// Declares an exchange, or agrees that it stands as declared.
    pub fn declare_exchange(&self, vhost: &Vhost, declare: ExchangeDeclare) -> Result<(), AmqpError> {
        let spec = exchange_spec(&declare, &vhost.name)?;
        check_not_default(&declare.name)?;
        let _admin = vhost.admin.lock();
        vhost.check_standing()?;
        if let Some(standing) = vhost.router.read().get(&declare.name) {
            return check_same_exchange(vhost, &declare.name, standing.spec(), &spec);
        }
        check_not_reserved("exchange", &declare.name)?;
        if vhost.router.read().exchanges().count() >= self.limits().exchanges_per_vhost {
            return Err(over_limit(
                vhost,
                "exchange",
                &declare.name,
                self.limits().exchanges_per_vhost,
            ));
        }
        let ids = self.new_side_ids(&spec)?;
        let record = spec.durable.then(|| put_exchange(vhost, &declare.name, &spec, ids));
        // Placed before it is stored: arguments that its type refuses must not stand in the store.
        self.place_exchange(vhost, declare.name.clone(), spec.clone(), ids)?;
        self.store(record.as_slice()).inspect_err(|_| {
            let removed = vhost.router.write().delete(&declare.name);
            vhost.changed();
            self.drop_sides(vhost, &removed.exchanges);
        })?;
        self.tell_exchange_created(vhost, &declare.name, &spec);
        Ok(())
    }

    /// Whether the declaration from the configuration could be made: the error that it would meet otherwise.
    pub fn would_declare_exchange(&self, vhost: &Vhost, declare: &ExchangeDeclare) -> Result<(), AmqpError> {
        let spec = exchange_spec(declare, &vhost.name)?;
        match vhost.router.read().get(&declare.name) {
            Some(standing) => check_same_exchange(vhost, &declare.name, standing.spec(), &spec),
            None => Ok(()),
        }
    }

    /// Puts an exchange into the router without storing it.
    pub(super) fn place_exchange(
        &self,
        vhost: &Vhost,
        name: Name,
        spec: ExchangeSpec,
        ids: SideIds,
    ) -> Result<(), AmqpError> {
        self.place_side(vhost, &name, &spec, ids)?;
        let placed = vhost.router.write().declare(name.clone(), spec);
        vhost.changed();
        match &placed {
            Ok(_) => Self::apply_exchange_policy(vhost, &name),
            Err(_) => self.drop_sides(vhost, std::slice::from_ref(&name)),
        }
        placed.map(|_| ()).map_err(|error| {
            AmqpError::channel(
                ReplyCode::PreconditionFailed,
                format_args!(
                    "invalid arguments for {}: {error}",
                    resource("exchange", &name, &vhost.name)
                ),
            )
        })
    }

    /// Deletes an exchange and its bindings. One that does not exist is deleted already, as RabbitMQ has it.
    pub fn delete_exchange(&self, vhost: &Vhost, name: &str, if_unused: bool) -> Result<(), AmqpError> {
        self.check_exchange_delete(vhost, name)?;
        let _admin = vhost.admin.lock();
        {
            let router = vhost.router.read();
            let Some(exchange) = router.get(name) else {
                return Ok(());
            };
            if if_unused && exchange.bindings_from() > 0 {
                return Err(AmqpError::channel(
                    ReplyCode::PreconditionFailed,
                    format_args!("{} in use", resource("exchange", name, &vhost.name)),
                ));
            }
        }
        let removed = vhost.router.write().delete(name);
        vhost.changed();
        self.drop_sides(vhost, &removed.exchanges);
        self.tell_removed(vhost, &removed.exchanges, &removed.bindings);
        self.store(&removals(vhost, &removed.exchanges, &removed.bindings))
    }

    /// What can be said of a deletion before anybody's permissions are looked at: the broker's own exchanges stay.
    pub fn check_exchange_delete(&self, vhost: &Vhost, name: &str) -> Result<(), AmqpError> {
        check_not_default(name)?;
        if name.starts_with("amq.") {
            return Err(AmqpError::channel(
                ReplyCode::AccessRefused,
                format_args!(
                    "deletion of system {} not allowed",
                    resource("exchange", name, &vhost.name)
                ),
            ));
        }
        Ok(())
    }
}

/// The record of a durable exchange.
pub(super) fn put_exchange(vhost: &Vhost, name: &Name, spec: &ExchangeSpec, ids: SideIds) -> StateChange {
    let record = ExchangeRecord {
        vhost: vhost.name.to_string(),
        name: name.to_string(),
        kind: spec.kind.as_str().to_owned(),
        auto_delete: spec.auto_delete,
        internal: spec.internal,
        room: ids.room.map(|id| id.0),
        seen: ids.seen.map(|id| id.0),
        arguments: pack(&spec.arguments),
    };
    put(Table::Exchanges, key(&[&vhost.name, name]), &record)
}

/// The specification of a declaration; the error of a type that is none.
pub(super) fn exchange_spec(declare: &ExchangeDeclare, vhost: &str) -> Result<ExchangeSpec, AmqpError> {
    let Some(kind) = ExchangeKind::parse(&declare.kind) else {
        let what = if declare.kind.is_empty() { "invalid" } else { "unknown" };
        return Err(AmqpError::channel(
            ReplyCode::PreconditionFailed,
            format_args!("{what} exchange type '{}'", declare.kind),
        ));
    };
    if let Some(value) = declare.arguments.get(ALTERNATE)
        && value.as_text().is_none()
    {
        return Err(wrong_exchange_type(
            ALTERNATE,
            value,
            &resource("exchange", &declare.name, vhost),
        ));
    }
    let spec = ExchangeSpec {
        kind,
        durable: declare.durable,
        auto_delete: declare.auto_delete,
        internal: declare.internal,
        arguments: declare.arguments.clone(),
    };
    check_arguments(&spec)?;
    Ok(spec)
}

pub(super) fn check_same_exchange(
    vhost: &Vhost,
    name: &str,
    standing: &ExchangeSpec,
    given: &ExchangeSpec,
) -> Result<(), AmqpError> {
    let resource = resource("exchange", name, &vhost.name);
    if standing.kind != given.kind {
        let given = format!("'{}'", given.kind.as_str());
        let current = format!("'{}'", standing.kind.as_str());
        return Err(inequivalent("type", &resource, &given, &current));
    }
    check_same_flag("durable", standing.durable, given.durable, &resource)?;
    check_same_flag("auto_delete", standing.auto_delete, given.auto_delete, &resource)?;
    check_same_flag("internal", standing.internal, given.internal, &resource)?;
    check_same_argument(
        ALTERNATE,
        standing.arguments.get(ALTERNATE),
        given.arguments.get(ALTERNATE),
        &resource,
    )
}

pub(super) fn check_not_default(exchange: &str) -> Result<(), AmqpError> {
    if exchange.is_empty() {
        return Err(AmqpError::channel(
            ReplyCode::AccessRefused,
            "operation not permitted on the default exchange",
        ));
    }
    Ok(())
}

/// 403 for a name that is the broker's own.
pub fn check_not_reserved(kind: &str, name: &str) -> Result<(), AmqpError> {
    if name.starts_with("amq.") {
        return Err(AmqpError::channel(
            ReplyCode::AccessRefused,
            format_args!("{kind} name '{name}' contains reserved prefix 'amq.*'"),
        ));
    }
    Ok(())
}

pub(super) fn over_limit(vhost: &Vhost, kind: &str, name: &str, limit: usize) -> AmqpError {
    AmqpError::channel(
        ReplyCode::PreconditionFailed,
        format_args!(
            "cannot declare {}: {kind} limit in vhost '{}' ({limit}) is reached",
            resource(kind, name, &vhost.name),
            vhost.name
        ),
    )
}
