//! Who asks: HTTP Basic credentials, checked against the broker's users, the token of a bearer, or the session of a page.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderValue;
use axum::http::header::{ACCEPT, AUTHORIZATION};
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::auth::{Access, Credentials, Identity, Resource, Tags, TokenAuthority};
use crate::broker::{Broker, LoginEvent, Vhost};
use crate::model::{AmqpError, Name};

use crate::routing::ExchangeKind;

use super::Api;
use super::error::ApiError;
use super::sessions::check_origin;

/// Tags that let their users in (RabbitMQ: "Management Plugin", permissions).
const MANAGEMENT_TAGS: [&str; 4] = ["administrator", "monitoring", "policymaker", "management"];

/// A user who is logged in and may use the API.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The login name.
    pub user: Name,
    /// Its tags.
    pub tags: Tags,
    identity: Identity,
    broker: Arc<Broker>,
}

impl Caller {
    /// Whether a token says who it is, and no user of the registry.
    pub fn is_bearer(&self) -> bool {
        self.identity.is_bearer()
    }

    /// May see everything of everybody.
    pub fn is_monitor(&self) -> bool {
        self.is_administrator() || self.tags.contains("monitoring")
    }

    /// May change users, vhosts and everything else.
    pub fn is_administrator(&self) -> bool {
        self.tags.contains("administrator")
    }

    /// 401 for all but administrators.
    pub fn require_administrator(&self) -> Result<(), ApiError> {
        match self.is_administrator() {
            true => Ok(()),
            false => Err(ApiError::not_authorised("Not administrator user")),
        }
    }

    /// 401 for all but administrators and those who make policies.
    pub fn require_policymaker(&self) -> Result<(), ApiError> {
        match self.is_policymaker() {
            true => Ok(()),
            false => Err(ApiError::not_authorised("Not policymaker user")),
        }
    }

    /// 401 for all but administrators and those who monitor.
    pub fn require_monitor(&self) -> Result<(), ApiError> {
        match self.is_monitor() {
            true => Ok(()),
            false => Err(ApiError::not_authorised("Not monitor user")),
        }
    }

    /// Whether the user sees a vhost in lists.
    pub fn sees(&self, vhost: &str) -> bool {
        self.is_monitor() || self.identity.check_vhost(self.broker.accounts(), vhost).is_ok()
    }

    /// The vhost, to look at.
    pub fn visible_vhost(&self, name: &str) -> Result<Arc<Vhost>, ApiError> {
        let vhost = self.broker.vhost(name).ok_or_else(ApiError::no_object)?;
        match self.sees(name) {
            true => Ok(vhost),
            false => Err(not_in_vhost()),
        }
    }

    /// The vhost, to work in: even an administrator needs a permission there.
    pub fn vhost(&self, name: &str) -> Result<Arc<Vhost>, ApiError> {
        let vhost = self.broker.vhost(name).ok_or_else(ApiError::no_object)?;
        match self.identity.check_vhost(self.broker.accounts(), name) {
            Ok(()) => Ok(vhost),
            Err(_) => Err(not_in_vhost()),
        }
    }

    /// The vhosts that the user sees, in order of name.
    pub fn vhosts(&self) -> Vec<Arc<Vhost>> {
        let mut vhosts = self.broker.vhosts();
        vhosts.retain(|vhost| self.sees(&vhost.name));
        vhosts
    }

    /// One vhost where the path names one, else all that the user sees.
    pub fn vhosts_at(&self, name: Option<&str>) -> Result<Vec<Arc<Vhost>>, ApiError> {
        match name {
            Some(name) => Ok(vec![self.visible_vhost(name)?]),
            None => Ok(self.vhosts()),
        }
    }

    /// 401 without the permission.
    pub fn check(&self, vhost: &Vhost, resource: Resource<'_>, access: Access) -> Result<(), ApiError> {
        let checked = self
            .identity
            .check(self.broker.accounts(), &vhost.name, resource, access);
        checked.map_err(|denied| AmqpError::from(denied).into())
    }

    /// 401 without the permission for a routing key, where the exchange is a topic exchange.
    pub fn check_topic(&self, vhost: &Vhost, exchange: &str, key: &str, access: Access) -> Result<(), ApiError> {
        if vhost.exchange_kind(exchange) != Some(ExchangeKind::Topic) {
            return Ok(());
        }
        let accounts = self.broker.accounts();
        let checked = self.identity.check_topic(accounts, &vhost.name, exchange, key, access);
        checked.map_err(|denied| AmqpError::from(denied).into())
    }
}

fn not_in_vhost() -> ApiError {
    ApiError::not_authorised("User not authorised to access virtual host")
}

/// The address that a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(Option<SocketAddr>);

impl Peer {
    fn of(parts: &Parts) -> Self {
        let connection = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Self(connection.map(|ConnectInfo(address)| *address))
    }
}

impl FromRequestParts<Arc<Api>> for Peer {
    type Rejection = ApiError;

    /// Where it changes something, it must not come from another site.
    async fn from_request_parts(parts: &mut Parts, _: &Arc<Api>) -> Result<Self, ApiError> {
        check_origin(parts, true)?;
        Ok(Self::of(parts))
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        if let Some(given) = Given::of(parts) {
            check_origin(parts, false)?;
            return Self::log_in(api, Peer::of(parts), given)
                .await
                .map_err(ApiError::with_challenge);
        }
        if let Some(identity) = api.session_identity(&parts.headers) {
            check_origin(parts, true)?;
            return Self::known(api, identity);
        }
        // A page asks for credentials itself; a browser's own question would stand in its way.
        match is_page(parts) {
            true => Err(ApiError::expired("the session is over: sign in again")),
            false => Err(ApiError::not_logged_in("Not_Authorized")),
        }
    }
}

/// A caller who may change users, vhosts and everything else; 401 for all others.
pub struct Administrator(pub Caller);

impl FromRequestParts<Arc<Api>> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, api).await?;
        caller.require_administrator()?;
        Ok(Self(caller))
    }
}

/// Whether one of our pages asks, and no program.
fn is_page(parts: &Parts) -> bool {
    let accept = parts.headers.get(ACCEPT).map(HeaderValue::as_bytes);
    parts.headers.contains_key("x-warren-request") || accept == Some(b"text/event-stream")
}

impl Caller {
    /// Checks credentials, for one request or for a session.
    ///
    /// # Errors
    /// 401: they are wrong, may not come from there, or their user has no tag that lets it in.
    pub(super) async fn log_in(api: &Arc<Api>, Peer(peer): Peer, given: Given) -> Result<Self, ApiError> {
        let (claimed, scheme) = given.claim();
        let login = match peer {
            Some(peer) => api.log_in(given, peer.ip()).await,
            None => None,
        };
        api.broker.login_attempts().http.note(login.is_some());
        match login {
            Some(identity) => Self::known(api, identity),
            None => {
                api.tell_refused(&claimed, scheme, peer);
                Err(ApiError::expired("Login failed"))
            }
        }
    }

    /// On what ground it is logged in.
    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether it still is who it was when it came: the user stands with the same tags, the token has not ended.
    pub(super) fn still_stands(&self) -> bool {
        let now_s = self.broker.now() / 1000;
        let lasts = self.identity.expires_at_s().is_none_or(|end| now_s < end);
        lasts && self.identity.tags(self.broker.accounts()) == self.tags
    }

    /// Somebody who has shown who it is.
    fn known(api: &Api, identity: Identity) -> Result<Self, ApiError> {
        let tags = identity.tags(api.broker.accounts());
        if !MANAGEMENT_TAGS.iter().any(|tag| tags.contains(tag)) {
            return Err(ApiError::not_authorised("Not management user"));
        }
        super::actor::note(identity.user());
        Ok(Self {
            user: identity.user().clone(),
            tags,
            identity,
            broker: Arc::clone(&api.broker),
        })
    }

    /// May set policies and parameters.
    pub fn is_policymaker(&self) -> bool {
        self.is_administrator() || self.tags.contains("policymaker")
    }
}

/// What a request gives to log in with.
pub(super) enum Given {
    /// RFC 7617.
    Basic(Credentials),
    /// RFC 6750: a token by itself.
    Bearer(Vec<u8>),
}

impl Given {
    /// Who wants to be let in, where that is said in the open, and the scheme.
    fn claim(&self) -> (Name, &'static str) {
        match self {
            Self::Basic(credentials) => (credentials.user.clone(), "Basic"),
            Self::Bearer(_) => (Name::default(), "Bearer"),
        }
    }

    fn of(parts: &Parts) -> Option<Self> {
        if let Some(credentials) = credentials(parts) {
            return Some(Self::Basic(credentials));
        }
        let (scheme, token) = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        let bears = scheme.eq_ignore_ascii_case("bearer");
        bears.then(|| Self::Bearer(token.trim().as_bytes().to_vec()))
    }
}

impl Api {
    /// Who that is, if what was given is right and may come from there. A hash is computed on a thread of its own, a few
    /// at a time, so that guessing costs no message its turn; a token may wait for keys there. A failure is held against
    /// the address, as one over AMQP is.
    async fn log_in(self: &Arc<Self>, given: Given, ip: IpAddr) -> Option<Identity> {
        let token = match given {
            Given::Bearer(token) => token,
            Given::Basic(credentials) if self.is_token(&credentials) => credentials.password,
            Given::Basic(credentials) => return self.log_in_account(credentials, ip).await,
        };
        let api = Arc::clone(self);
        let login = tokio::task::spawn_blocking(move || {
            let loopback_users = &api.settings.loopback_users;
            api.broker.log_in_bearer(&token, ip, loopback_users).ok()
        });
        self.noted(login.await.ok().flatten(), ip)
    }

    /// Tells the log and the event exchange of a login that failed. One that succeeds is an event for a connection only:
    /// a program that polls logs in with every request.
    fn tell_refused(&self, user: &str, scheme: &str, peer: Option<SocketAddr>) {
        tracing::warn!(peer = ?peer, user, "HTTP login refused");
        if let Some(peer) = peer {
            self.broker.tell_login(LoginEvent {
                user,
                peer,
                local: self.address,
                protocol: "http",
                mechanism: scheme,
                refused: Some("invalid credentials"),
            });
        }
    }

    fn is_token(&self, credentials: &Credentials) -> bool {
        TokenAuthority::is_token(&credentials.password) && self.broker.token_authority().is_some()
    }

    /// Holds a failure against its address.
    fn noted(&self, login: Option<Identity>, ip: IpAddr) -> Option<Identity> {
        if login.is_none() {
            self.broker.login_failures().note(ip, self.broker.now());
        }
        login
    }

    /// Whose password that is, if it may come from there.
    async fn log_in_account(self: &Arc<Self>, credentials: Credentials, ip: IpAddr) -> Option<Identity> {
        let loopback_users = &self.settings.loopback_users;
        if let Some(login) = self.broker.log_in_again(&credentials, ip, loopback_users) {
            return self.noted(login.ok(), ip);
        }
        let api = Arc::clone(self);
        let check = move || api.broker.log_in(&credentials, ip, &api.settings.loopback_users);
        self.broker.check_login_in_turn(ip, check).await.ok()
    }
}

/// RFC 7617: the scheme in any case, then user and password in base64 with a colon between.
fn credentials(parts: &Parts) -> Option<Credentials> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let user = std::str::from_utf8(&decoded[..colon]).ok()?;
    if user.len() > Name::MAX_BYTES {
        return None;
    }
    Some(Credentials {
        user: user.into(),
        password: decoded[colon + 1..].to_vec(),
    })
}
