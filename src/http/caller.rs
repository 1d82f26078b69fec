//! Who asks: HTTP Basic credentials, checked against the broker's users.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::auth::{Access, Credentials, Resource, Tags, may_log_in_from};
use crate::broker::{Broker, Vhost};
use crate::model::Name;

use super::Api;
use super::error::ApiError;

/// Tags that let their users in (RabbitMQ: "Management Plugin", permissions).
const MANAGEMENT_TAGS: [&str; 4] = ["administrator", "monitoring", "policymaker", "management"];

/// A user who is logged in and may use the API.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The login name.
    pub user: Name,
    /// Its tags.
    pub tags: Tags,
    broker: Arc<Broker>,
}

impl Caller {
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
        match self.is_administrator() || self.tags.contains("policymaker") {
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
        self.is_monitor() || self.broker.accounts().check_vhost(&self.user, vhost).is_ok()
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
        match self.broker.accounts().check_vhost(&self.user, name) {
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
        let accounts = self.broker.accounts();
        accounts
            .check(&self.user, &vhost.name, resource, access)
            .map_err(|denied| crate::model::AmqpError::from(denied).into())
    }
}

fn not_in_vhost() -> ApiError {
    ApiError::not_authorised("User not authorised to access virtual host")
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let credentials = credentials(parts).ok_or_else(|| ApiError::not_logged_in("Not_Authorized"))?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let ip = peer.map(|ConnectInfo(address)| address.ip());
        let local = ip.is_some_and(|ip| may_log_in_from(ip, &credentials.user, &api.settings.loopback_users));
        if !local || !api.knows(&credentials).await {
            tracing::warn!(user = %credentials.user, peer = ?ip, "HTTP login refused");
            return Err(ApiError::not_logged_in("Login failed"));
        }
        let user = api.broker.accounts().user(&credentials.user);
        let tags = user.map(|user| user.tags).unwrap_or_default();
        if !MANAGEMENT_TAGS.iter().any(|tag| tags.contains(tag)) {
            return Err(ApiError::not_authorised("Not management user"));
        }
        super::actor::note(&credentials.user);
        Ok(Self {
            user: credentials.user,
            tags,
            broker: Arc::clone(&api.broker),
        })
    }
}

impl Api {
    /// Whether the password is right. A hash is computed on a thread of its own, a few at a time, so that guessing
    /// costs no message its turn.
    async fn knows(self: &Arc<Self>, credentials: &Credentials) -> bool {
        let Credentials { user, password } = credentials;
        if self.broker.accounts().log_in_again(user, password).is_some() {
            return true;
        }
        let Ok(_turn) = self.hashing.acquire().await else {
            return false;
        };
        let (api, credentials) = (Arc::clone(self), credentials.clone());
        let known = tokio::task::spawn_blocking(move || {
            let Credentials { user, password } = &credentials;
            let accounts = api.broker.accounts();
            accounts.log_in_again(user, password).is_some() || accounts.log_in(user, password).is_ok()
        });
        known.await.unwrap_or(false)
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
