//! What the user of a connection may do in its vhost, asked in the words of the protocol.

use std::sync::Arc;

use crate::auth::{Access as Wanted, Accounts, Identity, Resource};
use crate::broker::Vhost;
use crate::model::{AmqpError, Name};
use crate::routing::ExchangeKind;

/// The permissions of one user in one vhost. Each question looks at the registry as it stands now; the hot one, for
/// publishing, is remembered by the channel.
#[derive(Debug)]
pub(super) struct Access {
    accounts: Arc<Accounts>,
    identity: Identity,
    vhost: Name,
    impersonator: bool,
    /// How often the login was renewed: each time the rights may be others.
    renewed: u64,
}

impl Access {
    pub fn new(accounts: Arc<Accounts>, identity: Identity, vhost: Name) -> Self {
        Self {
            impersonator: identity.tags(&accounts).contains("impersonator"),
            accounts,
            identity,
            vhost,
            renewed: 0,
        }
    }

    /// Goes on with the rights of a renewed login.
    pub fn renew(&mut self, identity: Identity) {
        self.impersonator = identity.tags(&self.accounts).contains("impersonator");
        self.identity = identity;
        self.renewed += 1;
    }

    pub fn user(&self) -> &Name {
        self.identity.user()
    }

    /// Moves whenever an answer may change.
    pub fn generation(&self) -> u64 {
        // Both only grow, so their sum moves with either.
        self.accounts.generation() + self.renewed
    }

    /// Whether a message may name `claimed` as its user (RabbitMQ: "Validated User-ID").
    pub fn may_publish_as(&self, claimed: &[u8]) -> bool {
        claimed == self.user().as_bytes() || self.impersonator
    }

    pub fn configure_exchange(&self, name: &str) -> Result<(), AmqpError> {
        self.check(Resource::Exchange(name), Wanted::Configure)
    }

    pub fn write_exchange(&self, name: &str) -> Result<(), AmqpError> {
        self.check(Resource::Exchange(name), Wanted::Write)
    }

    pub fn read_exchange(&self, name: &str) -> Result<(), AmqpError> {
        self.check(Resource::Exchange(name), Wanted::Read)
    }

    pub fn configure_queue(&self, name: &str) -> Result<(), AmqpError> {
        self.check(Resource::Queue(name), Wanted::Configure)
    }

    pub fn write_queue(&self, name: &str) -> Result<(), AmqpError> {
        self.check(Resource::Queue(name), Wanted::Write)
    }

    pub fn read_queue(&self, name: &str) -> Result<(), AmqpError> {
        self.check(Resource::Queue(name), Wanted::Read)
    }

    /// Topic permission to publish with `key` to a topic exchange; the channel knows which exchange is one.
    pub fn check_topic_write(&self, exchange: &str, key: &str) -> Result<(), AmqpError> {
        self.check_key(exchange, key, Wanted::Write)
    }

    /// Topic permission to bind with `key`, or to have dead letters published with it.
    pub fn check_topic(&self, vhost: &Vhost, exchange: &str, key: &str, wanted: Wanted) -> Result<(), AmqpError> {
        // Topic permissions concern topic exchanges only (RabbitMQ: "Topic Authorisation").
        if vhost.exchange_kind(exchange) != Some(ExchangeKind::Topic) {
            return Ok(());
        }
        self.check_key(exchange, key, wanted)
    }

    /// Whether the user may know of an exchange: any right on it will do. RabbitMQ tells everybody.
    pub fn see_exchange(&self, name: &str) -> Result<(), AmqpError> {
        self.see(Resource::Exchange(name))
    }

    /// The same for a queue, whose messages and consumers a passive declaration counts.
    pub fn see_queue(&self, name: &str) -> Result<(), AmqpError> {
        self.see(Resource::Queue(name))
    }

    fn see(&self, resource: Resource<'_>) -> Result<(), AmqpError> {
        let any = [Wanted::Read, Wanted::Write].map(|wanted| self.check(resource, wanted).is_ok());
        match any.contains(&true) {
            true => Ok(()),
            false => self.check(resource, Wanted::Configure),
        }
    }

    fn check_key(&self, exchange: &str, key: &str, wanted: Wanted) -> Result<(), AmqpError> {
        Ok(self
            .identity
            .check_topic(&self.accounts, &self.vhost, exchange, key, wanted)?)
    }

    fn check(&self, resource: Resource<'_>, wanted: Wanted) -> Result<(), AmqpError> {
        Ok(self.identity.check(&self.accounts, &self.vhost, resource, wanted)?)
    }
}
