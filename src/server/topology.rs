//! What the configuration declares: checked as a whole against what stands, then made.

mod standing;

use std::fmt;
use std::sync::Arc;

use crate::auth::{Permission, Tags, User, UserLimits};
use crate::broker::{Broker, ExchangeDeclare, QueueDeclare, Vhost};
use crate::config::{self, ArgumentValue, Arguments, Config, Credential, DestinationType};
use crate::model::{AmqpError, FieldTable, FieldValue};
use crate::routing::{Binding, DestinationName};

/// Declarations that contradict what is stored, each with its place.
#[derive(Debug, Default)]
pub struct Contradictions(Vec<String>);

impl Contradictions {
    fn note(&mut self, at: &impl fmt::Display, what: impl fmt::Display) {
        self.0.push(format!("{at}: {what}"));
    }

    fn check(&mut self, at: &impl fmt::Display, outcome: Result<(), AmqpError>) {
        if let Err(error) = outcome {
            self.note(at, error.text);
        }
    }

    fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Contradictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Makes what the configuration declares, if nothing of it contradicts what stands; otherwise changes nothing.
///
/// # Errors
/// Every contradiction, with both values.
pub fn apply(broker: &Broker, config: &Config) -> Result<(), Contradictions> {
    check(broker, config)?;
    let mut failed = Contradictions::default();
    for vhost in &config.vhosts {
        failed.check(&vhost.at, broker.declare_vhost(&vhost.name, &vhost.description));
    }
    declare_accounts(broker, config, &mut failed);
    standing::declare(broker, config, &mut failed);
    for exchange in &config.exchanges {
        if let Some(vhost) = find_vhost(broker, &exchange.vhost, &exchange.at, &mut failed) {
            failed.check(
                &exchange.at,
                broker.declare_exchange(&vhost, exchange_declare(exchange)),
            );
        }
    }
    for queue in &config.queues {
        if let Some(vhost) = find_vhost(broker, &queue.vhost, &queue.at, &mut failed) {
            let declared = broker.declare_queue(&vhost, queue_declare(queue), 0);
            failed.check(&queue.at, declared.map(|_| ()));
        }
    }
    for declared in &config.bindings {
        if let Some(vhost) = find_vhost(broker, &declared.vhost, &declared.at, &mut failed) {
            failed.check(&declared.at, broker.bind(&vhost, binding(declared), 0));
        }
    }
    failed.into_result()
}

/// Finds every contradiction before anything is changed.
fn check(broker: &Broker, config: &Config) -> Result<(), Contradictions> {
    let mut faults = Contradictions::default();
    for exchange in &config.exchanges {
        let vhost = broker.vhost(&exchange.vhost);
        let outcome = broker.would_declare_exchange(vhost.as_deref(), &exchange.vhost, &exchange_declare(exchange));
        faults.check(&exchange.at, outcome);
    }
    for queue in &config.queues {
        let vhost = broker.vhost(&queue.vhost);
        let outcome = broker.would_declare_queue(vhost.as_deref(), &queue.vhost, &queue_declare(queue));
        faults.check(&queue.at, outcome);
    }
    standing::check(broker, config, &mut faults);
    for declared in &config.bindings {
        check_ends(broker, config, declared, &mut faults);
    }
    faults.into_result()
}

/// Both ends of a binding must stand or be declared.
fn check_ends(
    broker: &Broker,
    config: &Config,
    declared: &config::Declared<config::Binding>,
    faults: &mut Contradictions,
) {
    let vhost = broker.vhost(&declared.vhost);
    let exchange_known = |name: &str| {
        let declares = |exchange: &config::Exchange| exchange.vhost == declared.vhost && exchange.name == name;
        let stands = |vhost: &Arc<Vhost>| vhost.exchange_kind(name).is_some();
        let predeclared = Vhost::is_predeclared(name);
        predeclared || config.exchanges.iter().any(|e| declares(e)) || vhost.as_ref().is_some_and(stands)
    };
    let queue_known = |name: &str| {
        let declares = |queue: &config::Queue| queue.vhost == declared.vhost && queue.name == name;
        let stands = |vhost: &Arc<Vhost>| vhost.find_queue(name).is_some();
        config.queues.iter().any(|q| declares(q)) || vhost.as_ref().is_some_and(stands)
    };
    if !exchange_known(&declared.source) {
        let text = format!("no exchange '{}' in vhost '{}'", declared.source, declared.vhost);
        faults.note(&declared.at, text);
    }
    let (kind, known) = match declared.destination_type {
        DestinationType::Queue => ("queue", queue_known(&declared.destination)),
        DestinationType::Exchange => ("exchange", exchange_known(&declared.destination)),
    };
    if !known {
        let text = format!("no {kind} '{}' in vhost '{}'", declared.destination, declared.vhost);
        faults.note(&declared.at, text);
    }
}

fn declare_accounts(broker: &Broker, config: &Config, failed: &mut Contradictions) {
    for declared in &config.users {
        let tags = Tags(declared.tags.clone());
        let outcome = match declared.credential() {
            Some(Credential::Password(password)) => {
                broker.declare_user_with_password(&declared.name, password.expose().as_bytes(), tags)
            }
            Some(Credential::Hash(hash)) => {
                let standing = broker.accounts().user(&declared.name);
                let limits = standing.map(|user| user.limits).unwrap_or_default();
                broker.declare_user(&hashed_user(&declared.name, hash.expose(), tags, limits))
            }
            None => Ok(()),
        };
        if let Err(error) = outcome {
            failed.note(&declared.at, error);
        }
    }
    for declared in &config.permissions {
        let permission = Permission {
            user: declared.user.clone(),
            vhost: declared.vhost.clone(),
            configure: declared.configure.clone(),
            write: declared.write.clone(),
            read: declared.read.clone(),
        };
        if let Err(error) = broker.declare_permission(&permission) {
            failed.note(&declared.at, error);
        }
    }
}

fn hashed_user(name: &str, hash: &str, tags: Tags, limits: UserLimits) -> User {
    let algorithm = if hash.starts_with('$') {
        "argon2id"
    } else if hash.len() > RABBIT_SHA256_BASE64 {
        "rabbit_password_hashing_sha512"
    } else {
        "rabbit_password_hashing_sha256"
    };
    User {
        name: name.to_owned(),
        password_hash: hash.to_owned(),
        hashing_algorithm: algorithm.to_owned(),
        tags,
        limits,
    }
}

/// Length of RabbitMQ's salted SHA-256 in base64: 4 bytes of salt and 32 of digest.
const RABBIT_SHA256_BASE64: usize = 48;

fn find_vhost(broker: &Broker, name: &str, at: &impl fmt::Display, failed: &mut Contradictions) -> Option<Arc<Vhost>> {
    let vhost = broker.vhost(name);
    if vhost.is_none() {
        failed.note(at, format!("vhost '{name}' does not exist"));
    }
    vhost
}

fn exchange_declare(exchange: &config::Exchange) -> ExchangeDeclare {
    ExchangeDeclare {
        name: exchange.name.as_str().into(),
        kind: exchange.exchange_type.as_str().to_owned(),
        durable: exchange.durable,
        auto_delete: exchange.auto_delete,
        internal: exchange.internal,
        arguments: table(&exchange.arguments),
    }
}

fn queue_declare(queue: &config::Queue) -> QueueDeclare {
    QueueDeclare {
        name: queue.name.as_str().into(),
        durable: queue.durable,
        exclusive: false,
        auto_delete: queue.auto_delete,
        arguments: table(&queue.arguments),
    }
}

fn binding(declared: &config::Binding) -> Binding {
    let destination = declared.destination.as_str().into();
    Binding {
        source: declared.source.as_str().into(),
        destination: match declared.destination_type {
            DestinationType::Queue => DestinationName::Queue(destination),
            DestinationType::Exchange => DestinationName::Exchange(destination),
        },
        routing_key: declared.routing_key.as_str().into(),
        arguments: table(&declared.arguments),
    }
}

fn table(arguments: &Arguments) -> FieldTable {
    arguments
        .iter()
        .map(|(name, value)| (name.as_str(), field_value(value)))
        .collect()
}

fn field_value(value: &ArgumentValue) -> FieldValue {
    match value {
        ArgumentValue::String(text) => FieldValue::text(text),
        ArgumentValue::Integer(number) => FieldValue::I64(*number),
        ArgumentValue::Double(number) => FieldValue::F64(*number),
        ArgumentValue::Boolean(flag) => FieldValue::Bool(*flag),
        ArgumentValue::Timestamp(seconds) => FieldValue::Timestamp(*seconds),
        ArgumentValue::Array(values) => FieldValue::Array(values.iter().map(field_value).collect()),
        ArgumentValue::Table(entries) => FieldValue::Table(table(entries)),
    }
}

#[cfg(test)]
mod tests;
