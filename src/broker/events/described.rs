//! What each kind of event says. Names and types of headers are those that RabbitMQ 3.10.8 was seen to send, with two
//! differences: addresses are plain text, and arguments and client properties are tables (RabbitMQ sends both as
//! printed Erlang terms). A connection and a channel have their name where RabbitMQ has an Erlang process.

use crate::auth::{Permission, TopicPermission};
use crate::broker::{Broker, ConnectionEntry, Policy, PolicyKind, QueueCell, Vhost};
use crate::model::{FieldTable, FieldValue};
use crate::routing::{Binding, DestinationName, ExchangeSpec};

use super::Event;

/// A login, for its event.
#[derive(Clone, Copy, Debug)]
pub struct LoginEvent<'a> {
    /// Who wants to be logged in.
    pub user: &'a str,
    /// From where.
    pub peer: std::net::SocketAddr,
    /// To which of our addresses.
    pub local: std::net::SocketAddr,
    /// `{0,9,1}` for AMQP, as RabbitMQ writes it, or `http`.
    pub protocol: &'a str,
    /// The SASL mechanism, or the scheme of HTTP's `Authorization`.
    pub mechanism: &'a str,
    /// Why it was refused; `None` where it was not.
    pub refused: Option<&'a str>,
}

/// A consumer, for its event.
#[derive(Clone, Copy, Debug)]
pub struct ConsumerEvent<'a> {
    /// Its tag.
    pub tag: &'a str,
    /// The queue.
    pub queue: &'a QueueCell,
    /// The name of its channel.
    pub channel: &'a str,
}

impl Broker {
    pub(in crate::broker) fn tell_queue_created(&self, queue: &QueueCell) {
        self.tell("queue.created", |event| {
            let declaration = &queue.declaration;
            let owner = declaration.owner.and_then(|owner| self.connection(owner));
            event
                .texts(&[("vhost", &queue.vhost), ("name", &queue.name)])
                .flag("durable", declaration.durable)
                .flag("auto_delete", declaration.auto_delete)
                .table("arguments", &declaration.arguments)
                .text("owner_pid", owner.as_ref().map_or("", |owner| &owner.name))
                .flag("exclusive", declaration.owner.is_some());
        });
    }

    pub(in crate::broker) fn tell_queue_deleted(&self, queue: &QueueCell) {
        self.tell("queue.deleted", |event| {
            event.texts(&[("vhost", &queue.vhost), ("name", &queue.name)]);
        });
    }

    pub(in crate::broker) fn tell_exchange_created(&self, vhost: &Vhost, name: &str, spec: &ExchangeSpec) {
        self.tell("exchange.created", |event| {
            event
                .texts(&[("vhost", &vhost.name), ("name", name), ("type", spec.kind.as_str())])
                .flag("durable", spec.durable)
                .flag("auto_delete", spec.auto_delete)
                .flag("internal", spec.internal)
                .table("arguments", &spec.arguments)
                .text("policy", "");
        });
    }

    /// Exchanges and bindings that went, each by itself or with something else.
    pub(in crate::broker) fn tell_removed(
        &self,
        vhost: &Vhost,
        exchanges: &[crate::model::Name],
        bindings: &[Binding],
    ) {
        for binding in bindings {
            self.tell_binding("binding.deleted", vhost, binding);
        }
        for name in exchanges {
            self.tell("exchange.deleted", |event| {
                event.texts(&[("vhost", &vhost.name), ("name", name)]);
            });
        }
    }

    pub(in crate::broker) fn tell_binding(&self, key: &'static str, vhost: &Vhost, binding: &Binding) {
        self.tell(key, |event| {
            let kind = match binding.destination {
                DestinationName::Queue(_) => "queue",
                DestinationName::Exchange(_) => "exchange",
            };
            event
                .texts(&[
                    ("source_name", &binding.source),
                    ("source_kind", "exchange"),
                    ("destination_name", binding.destination.name()),
                    ("destination_kind", kind),
                    ("routing_key", &binding.routing_key),
                    ("vhost", &vhost.name),
                ])
                .table("arguments", &binding.arguments);
        });
    }

    pub(in crate::broker) fn tell_vhost(&self, key: &'static str, name: &str, description: Option<&str>) {
        self.tell(key, |event| {
            event.text("name", name);
            if let Some(description) = description {
                event.text("description", description).flag("tracing", false);
                event.value("tags", FieldValue::Array(Vec::new()));
            }
        });
    }

    pub(in crate::broker) fn tell_policy_set(&self, kind: PolicyKind, policy: &Policy) {
        let key = match kind {
            PolicyKind::User => "policy.set",
            PolicyKind::Operator => "operator.policy.set",
        };
        self.tell(key, |event| {
            event
                .texts(&[
                    ("vhost", &policy.vhost),
                    ("name", &policy.name),
                    ("pattern", &policy.pattern),
                ])
                .json("apply-to", &serde_json::json!(policy.apply_to))
                .number("priority", policy.priority)
                .json("definition", &policy.definition.clone().into());
        });
    }

    pub(in crate::broker) fn tell_policy_cleared(&self, kind: PolicyKind, vhost: &str, name: &str) {
        let key = match kind {
            PolicyKind::User => "policy.cleared",
            PolicyKind::Operator => "operator.policy.cleared",
        };
        self.tell(key, |event| {
            event.texts(&[("vhost", vhost), ("name", name)]);
        });
    }

    pub(in crate::broker) fn tell_limits(
        &self,
        key: &'static str,
        of: (&'static str, &str),
        limits: &[(&'static str, Option<i64>)],
    ) {
        self.tell(key, |event| {
            event.texts(&[of, ("name", "limits")]);
            for (name, limit) in limits {
                if let Some(limit) = limit {
                    event.number(name, *limit);
                }
            }
        });
    }

    pub(in crate::broker) fn tell_user(&self, key: &'static str, name: &str) {
        self.tell(key, |event| {
            event.text("name", name);
        });
    }

    /// A user was set: what is new of it is told.
    pub(in crate::broker) fn tell_user_set(&self, before: Option<&crate::auth::User>, name: &str) {
        let Some(after) = self.accounts.user(name) else {
            return;
        };
        match before {
            None => self.tell_user("user.created", name),
            Some(before) if before.password_hash != after.password_hash => {
                self.tell_user("user.password.changed", name)
            }
            Some(_) => {}
        }
        if before.is_none_or(|before| before.tags != after.tags) {
            self.tell("user.tags.set", |event| {
                let tags = after.tags.0.iter().map(|tag| FieldValue::text(tag));
                event
                    .text("name", name)
                    .value("tags", FieldValue::Array(tags.collect()));
            });
        }
    }

    pub(in crate::broker) fn tell_permission(&self, permission: &Permission) {
        self.tell("permission.created", |event| {
            event.texts(&[
                ("user", &permission.user),
                ("vhost", &permission.vhost),
                ("configure", &permission.configure),
                ("write", &permission.write),
                ("read", &permission.read),
            ]);
        });
    }

    pub(in crate::broker) fn tell_topic_permission(&self, permission: &TopicPermission) {
        self.tell("topic.permission.created", |event| {
            event.texts(&[
                ("user", &permission.user),
                ("vhost", &permission.vhost),
                ("exchange", &permission.exchange),
                ("write", &permission.write),
                ("read", &permission.read),
            ]);
        });
    }

    pub(in crate::broker) fn tell_permission_deleted(&self, key: &'static str, user: &str, vhost: &str) {
        self.tell(key, |event| {
            event.texts(&[("user", user), ("vhost", vhost)]);
        });
    }

    pub(in crate::broker) fn tell_connection_created(&self, entry: &ConnectionEntry) {
        self.tell("connection.created", |event| {
            event
                .texts(&[("type", "network"), ("pid", &entry.name), ("name", &entry.name)])
                .texts(&[
                    ("host", &entry.local.ip().to_string()),
                    ("peer_host", &entry.peer.ip().to_string()),
                ])
                .number("port", entry.local.port())
                .number("peer_port", entry.peer.port())
                .texts(&[
                    ("auth_mechanism", &entry.mechanism),
                    ("protocol", "{0,9,1}"),
                    ("user", &entry.user),
                    ("vhost", &entry.vhost),
                    ("node", self.node_name()),
                ])
                .number("timeout", entry.heartbeat_s)
                .number("frame_max", entry.frame_max)
                .number("channel_max", entry.channel_max)
                .table("client_properties", &entry.client_properties)
                .value("connected_at", FieldValue::I64(entry.connected_at as i64));
        });
    }

    /// A connection ended.
    pub fn tell_connection_closed(&self, entry: &ConnectionEntry) {
        self.tell("connection.closed", |event| {
            event
                .texts(&[("name", &entry.name), ("pid", &entry.name), ("node", self.node_name())])
                .table("client_properties", &entry.client_properties);
        });
    }

    /// A channel was opened or closed: `channel.created`, `channel.closed`.
    pub fn tell_channel(&self, key: &'static str, entry: &ConnectionEntry, number: u16) {
        self.tell(key, |event| {
            let name = entry.channel_name(number);
            event
                .texts(&[
                    ("pid", &name),
                    ("name", &name),
                    ("connection", &entry.name),
                    ("user", &entry.user),
                    ("vhost", &entry.vhost),
                ])
                .number("number", number);
        });
    }

    /// A consumer came.
    pub fn tell_consumer_created(
        &self,
        consumer: ConsumerEvent<'_>,
        (no_ack, exclusive, prefetch): (bool, bool, u16),
        arguments: &FieldTable,
    ) {
        self.tell("consumer.created", |event| {
            describe_consumer(event, consumer);
            event
                .flag("ack_required", !no_ack)
                .flag("exclusive", exclusive)
                .number("prefetch_count", prefetch)
                .table("arguments", arguments);
        });
    }

    /// A consumer went.
    pub fn tell_consumer_deleted(&self, consumer: ConsumerEvent<'_>) {
        self.tell("consumer.deleted", |event| describe_consumer(event, consumer));
    }

    /// Somebody logged in, or was refused.
    pub fn tell_login(&self, login: LoginEvent<'_>) {
        let key = match login.refused {
            None => "user.authentication.success",
            Some(_) => "user.authentication.failure",
        };
        self.tell(key, |event| {
            event
                .texts(&[
                    ("connection_type", "network"),
                    ("name", login.user),
                    ("host", &login.local.ip().to_string()),
                    ("connection_name", &format!("{} -> {}", login.peer, login.local)),
                    ("peer_host", &login.peer.ip().to_string()),
                    ("protocol", login.protocol),
                    ("auth_mechanism", login.mechanism),
                ])
                .number("peer_port", login.peer.port());
            if let Some(reason) = login.refused {
                event.text("error", reason);
            }
        });
    }
}

fn describe_consumer(event: &mut Event, consumer: ConsumerEvent<'_>) {
    event.texts(&[
        ("consumer_tag", consumer.tag),
        ("channel", consumer.channel),
        ("vhost", &consumer.queue.vhost),
        ("queue", &consumer.queue.name),
    ]);
}
