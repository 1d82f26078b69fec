//! From the protocol header to `connection.open-ok`.

use std::sync::Arc;

use crate::amqp::{LoginRefusal, StartOk};
use crate::auth::{Identity, LoginRefused, Mechanism};
use crate::broker::{LoginEvent, NewConnection};
use crate::model::{AmqpError, FieldTable, FieldValue, ReplyCode};

use super::access::Access;
use super::{Next, Place, Session, UPDATE_SECRET};

/// The RabbitMQ release whose behaviour is followed: clients and tools switch features on by it.
pub const COMPATIBLE_VERSION: &str = "4.0.0";

/// The mechanism of client certificates (RFC 4422, appendix A).
const EXTERNAL: &str = "EXTERNAL";

/// The mechanism of those who say nothing of themselves (RFC 4505).
const ANONYMOUS: &str = "ANONYMOUS";

/// What RabbitMQ announces and this broker does.
const CAPABILITIES: [&str; 9] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
];

fn server_properties(cluster_name: &str) -> FieldTable {
    let capabilities = CAPABILITIES
        .iter()
        .map(|name| (*name, FieldValue::Bool(true)))
        .collect();
    let platform = format!("Rust on {}", std::env::consts::OS);
    [
        ("capabilities", FieldValue::Table(capabilities)),
        ("cluster_name", FieldValue::text(cluster_name)),
        ("copyright", FieldValue::text("Copyright (c) the Warren authors")),
        ("information", FieldValue::text("Licensed under Apache-2.0 or MIT.")),
        ("platform", FieldValue::text(&platform)),
        ("product", FieldValue::text("Warren")),
        ("version", FieldValue::text(COMPATIBLE_VERSION)),
        ("warren_version", FieldValue::text(env!("CARGO_PKG_VERSION"))),
    ]
    .into_iter()
    .collect()
}

impl Session {
    pub(super) fn start(&mut self) {
        let properties = server_properties(&self.broker.cluster_name(&self.settings.cluster_name));
        let mechanisms = self.offered_mechanisms().join(" ");
        self.wire.start(&properties, &mechanisms, &mut self.scratch);
        self.write_scratch();
    }

    pub(super) fn log_in(&mut self, start_ok: &StartOk) {
        self.introduction = Some((start_ok.mechanism.clone(), start_ok.client_properties.clone()));
        let offered = self.offered_mechanisms().contains(&&*start_ok.mechanism);
        let unasked = match &*start_ok.mechanism {
            EXTERNAL => self.certificate_name.clone(),
            // What the client says of itself is for the eyes of operators (RFC 4505, section 2).
            ANONYMOUS => self.settings.anonymous_user.clone(),
            _ => None,
        };
        if let Some(name) = unasked.filter(|_| offered) {
            let loopback_users = &self.settings.loopback_users;
            let login = self.broker.log_in_unasked(&name, self.peer.ip(), loopback_users);
            return self.logged_in_at_once(login);
        }
        let mechanism = Mechanism::parse(&start_ok.mechanism).filter(|_| offered);
        let Some(mechanism) = mechanism else {
            tracing::warn!(mechanism = %start_ok.mechanism, "the client wants a SASL mechanism that is not offered");
            self.next = Next::CloseLater;
            return;
        };
        let credentials = match mechanism.decode(&start_ok.response) {
            Ok(credentials) => credentials,
            Err(error) => {
                tracing::warn!(mechanism = %start_ok.mechanism, %error, "the login cannot be read");
                self.next = Next::CloseLater;
                return;
            }
        };
        self.claimed = Some(credentials.user.clone());
        let loopback_users = &self.settings.loopback_users;
        match self.broker.log_in_again(&credentials, self.peer.ip(), loopback_users) {
            Some(login) => self.logged_in_at_once(login),
            None => {
                self.credentials = Some(credentials);
                self.next = Next::LogIn;
            }
        }
    }

    /// `EXTERNAL` is for clients with a certificate that names somebody, as RabbitMQ has it, and `ANONYMOUS` needs
    /// somebody whom it stands for.
    fn offered_mechanisms(&self) -> Vec<&str> {
        let stands_for_somebody = |name: &&str| match *name {
            EXTERNAL => self.certificate_name.is_some(),
            ANONYMOUS => self.settings.anonymous_user.is_some(),
            _ => true,
        };
        self.settings
            .mechanisms
            .split(' ')
            .filter(stands_for_somebody)
            .collect()
    }

    /// Takes the outcome of a login that nothing had to be hashed for.
    fn logged_in_at_once(&mut self, login: Result<Identity, LoginRefused>) {
        if login.is_err() {
            self.broker.login_failures().note(self.peer.ip(), self.broker.now());
        }
        self.logged_in(login);
    }

    /// Takes the outcome of a login, or of the check of a new password where somebody is logged in.
    pub fn logged_in(&mut self, login: Result<Identity, LoginRefused>) {
        if self.identity.is_some() {
            let done = self.take_renewed(login);
            return self.check(0, UPDATE_SECRET, done);
        }
        self.broker.login_attempts().amqp.note(login.is_ok());
        match login {
            Ok(identity) => {
                self.tell_login(identity.user(), None);
                tracing::Span::current().record("user", &**identity.user());
                self.identity = Some(identity);
                self.wire.tune(&mut self.scratch);
                self.write_scratch();
            }
            Err(error) => self.refuse_login(&error.to_string()),
        }
    }

    fn tell_login(&self, user: &str, refused: Option<&str>) {
        let mechanism = self.introduction.as_ref().map_or("", |(mechanism, _)| mechanism);
        self.broker.tell_login(LoginEvent {
            user,
            peer: self.peer,
            local: self.local,
            protocol: "{0,9,1}",
            mechanism,
            refused,
        });
    }

    pub(super) fn refuse_login(&mut self, reason: &str) {
        tracing::warn!(reason, "login refused");
        let claimed = self.claimed.take().unwrap_or_default();
        self.tell_login(&claimed, Some(reason));
        if self.wire.refuse_login(&mut self.scratch) == LoginRefusal::Silent {
            self.next = Next::CloseLater;
        }
        self.write_scratch();
    }

    pub(super) fn open_vhost(&mut self, name: &str) {
        match self.place_at(name) {
            Ok(place) => {
                tracing::Span::current().record("vhost", name);
                let user = self.user();
                self.throttle.set_user(self.broker.user_quota(&user));
                self.place = Some(place);
                self.enter_registry();
                self.wire.open_ok(&mut self.scratch);
                self.write_scratch();
                tracing::info!("connection open");
            }
            Err(error) => self.fail(0, &error.caused_by(crate::model::Method::new(10, 40))),
        }
    }

    /// From here on operators see the connection, and can close it.
    fn enter_registry(&mut self) {
        let Some(place) = &self.place else {
            return;
        };
        let (mechanism, client_properties) = self.introduction.take().unwrap_or_default();
        let _acting = self.broker.acting(self.identity.as_ref().map(Identity::user));
        let entry = self.broker.add_connection(NewConnection {
            id: self.id,
            user: self.user(),
            vhost: place.vhost.name.clone(),
            peer: self.peer,
            local: self.local,
            tls: self.tls,
            mechanism,
            client_properties,
            channel_max: self.wire.channel_max(),
            frame_max: self.wire.frame_max(),
            heartbeat_s: self.wire.heartbeat_s(),
            link: Arc::clone(&self.outbox) as _,
        });
        self.entry = Some(entry);
    }

    fn place_at(&mut self, name: &str) -> Result<Place, AmqpError> {
        let not_allowed = |text: String| AmqpError::connection(ReplyCode::NotAllowed, text);
        let identity = self
            .identity
            .clone()
            .ok_or_else(|| not_allowed("nobody is logged in".to_owned()))?;
        let vhost = self
            .broker
            .vhost(name)
            .ok_or_else(|| not_allowed(format!("vhost {name} not found")))?;
        let settings = &self.settings;
        let counted = self.broker.count_connection(
            &vhost,
            identity.user(),
            settings.connections_per_vhost,
            settings.connections_per_user,
        )?;
        self.counted = Some(counted);
        identity.check_vhost(self.broker.accounts(), name)?;
        let access = Access::new(Arc::clone(self.broker.accounts()), identity, vhost.name.clone());
        Ok(Place { vhost, access })
    }
}
