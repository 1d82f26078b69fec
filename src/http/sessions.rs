//! Sessions of the pages: who signed in, by a random token in a cookie.
//!
//! The token is known to the browser alone; here stands its SHA-256. A session ends when it was idle too long, when it
//! is too old, when its user signs out, goes, or gets another password.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, COOKIE, HOST, ORIGIN, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::auth::{Credentials, Identity};
use crate::model::{Millis, Name};

use super::Api;
use super::body::Body;
use super::caller::{Caller, Given, Peer};
use super::error::ApiError;

/// What every request that changes something carries besides the cookie: a form of another site cannot send it.
const REQUEST_HEADER: &str = "x-warren-request";

/// Bytes of a token: nobody guesses 256 bits.
const TOKEN_BYTES: usize = 32;

/// How long sessions last and how many there are.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Without a request, in milliseconds.
    pub idle_ms: Millis,
    /// In all, in milliseconds.
    pub max_ms: Millis,
    /// At a time.
    pub count: usize,
}

type Digested = [u8; 32];

struct Session {
    identity: Identity,
    /// As it was at sign-in: another password ends the session. Empty for the bearer of a token.
    password_hash: String,
    began_at: Millis,
    used_at: Millis,
}

/// The sessions that stand.
pub(super) struct Sessions {
    limits: SessionLimits,
    standing: Mutex<HashMap<Digested, Session>>,
}

impl Sessions {
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            standing: Mutex::default(),
        }
    }

    /// Begins one; gives its token.
    fn begin(&self, identity: Identity, password_hash: String, now: Millis) -> Result<String, ApiError> {
        let mut token = [0; TOKEN_BYTES];
        getrandom::fill(&mut token).map_err(ApiError::internal)?;
        let token = BASE64.encode(token);
        let mut standing = self.standing.lock();
        standing.retain(|_, session| !self.is_over(session, now));
        if standing.len() >= self.limits.count {
            let idlest = standing.iter().min_by_key(|(_, session)| session.used_at);
            if let Some(digest) = idlest.map(|(digest, _)| *digest) {
                standing.remove(&digest);
            }
        }
        let session = Session {
            identity,
            password_hash,
            began_at: now,
            used_at: now,
        };
        standing.insert(digest(&token), session);
        Ok(token)
    }

    /// Whose session a token is, and the password's hash at sign-in; `touch` says whether the user did something.
    fn find(&self, token: &str, now: Millis, touch: bool) -> Option<(Identity, String)> {
        let digest = digest(token);
        let mut standing = self.standing.lock();
        let session = standing.get_mut(&digest)?;
        if self.is_over(session, now) {
            standing.remove(&digest);
            return None;
        }
        if touch {
            session.used_at = now;
        }
        Some((session.identity.clone(), session.password_hash.clone()))
    }

    fn end(&self, token: &str) {
        self.standing.lock().remove(&digest(token));
    }

    fn is_over(&self, session: &Session, now: Millis) -> bool {
        now.saturating_sub(session.used_at) >= self.limits.idle_ms
            || now.saturating_sub(session.began_at) >= self.limits.max_ms
    }
}

fn digest(token: &str) -> Digested {
    Sha256::digest(token.as_bytes()).into()
}

impl Api {
    /// The port is in the name, since cookies know no ports and one machine may run several brokers.
    fn cookie_name(&self) -> String {
        format!("warren_session_{}", self.address.port())
    }

    /// The token that the request's cookie holds.
    pub(super) fn session_token<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let name = self.cookie_name();
        let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, token)| token)
    }

    /// Whose session the cookie is, as long as its user and password stand.
    ///
    /// What a page asks for by itself (`X-Warren-Request: auto`, and the stream of updates) keeps no session awake.
    pub(super) fn session_identity(&self, headers: &HeaderMap) -> Option<Identity> {
        let token = self.session_token(headers)?;
        let touch = headers.get(REQUEST_HEADER).is_some_and(|value| value != "auto");
        let now = self.broker.now();
        let (identity, password_hash) = self.sessions.find(token, now, touch)?;
        let stands = match identity.expires_at_s() {
            Some(end) => now / 1000 < end,
            None => {
                let standing = self.broker.accounts().user(identity.user());
                standing.is_some_and(|standing| standing.password_hash == password_hash)
            }
        };
        if stands {
            return Some(identity);
        }
        self.sessions.end(token);
        None
    }

    fn set_cookie(&self, token: &str, max_age_s: u64, secure: bool) -> String {
        let name = self.cookie_name();
        let secure = if secure { "; Secure" } else { "" };
        format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}")
    }
}

/// Refuses a change that another site had a browser send.
///
/// # Errors
/// 401 without the header of our pages (`with_header`), or where the browser says that it comes from elsewhere.
pub(super) fn check_origin(parts: &Parts, with_header: bool) -> Result<(), ApiError> {
    if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let text = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let foreign = || Err(ApiError::not_authorised("the request comes from another site"));
    if with_header && !parts.headers.contains_key(REQUEST_HEADER) {
        return Err(ApiError::not_authorised(format!(
            "a session's request that changes something must carry the header {REQUEST_HEADER}"
        )));
    }
    // Browsers say it where the address can be trusted (HTTPS, loopback), and a proxy cannot spoil it.
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return Ok(()),
        Some(_) => return foreign(),
        None => {}
    }
    let Some(origin) = text(ORIGIN.as_str()) else {
        return Ok(());
    };
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    match authority == text(HOST.as_str()) && authority.is_some() {
        true => Ok(()),
        false => foreign(),
    }
}

/// Browsers speak HTTPS to us or to a proxy before us.
fn is_https(headers: &HeaderMap) -> bool {
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.is_some_and(|origin| origin.starts_with("https://"))
}

#[derive(Deserialize)]
struct SignIn {
    user: String,
    password: String,
}

/// Signs in: checks as for every request, and answers with the cookie.
pub async fn sign_in(
    State(api): State<Arc<Api>>,
    peer: Peer,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let SignIn { user, password } = body.read()?;
    if user.len() > Name::MAX_BYTES {
        return Err(ApiError::expired("Login failed"));
    }
    let credentials = Credentials {
        user: user.as_str().into(),
        password: password.into_bytes(),
    };
    let caller = Caller::log_in(&api, peer, Given::Basic(credentials)).await?;
    let standing = api.broker.accounts().user(&caller.user).filter(|_| !caller.is_bearer());
    let hash = standing.map(|user| user.password_hash).unwrap_or_default();
    let now = api.broker.now();
    if let Some(token) = api.session_token(&headers) {
        api.sessions.end(token);
    }
    let token = api.sessions.begin(caller.identity().clone(), hash, now)?;
    let cookie = api.set_cookie(&token, api.sessions.limits.max_ms / 1000, is_https(&headers));
    tracing::info!(user = %caller.user, "signed in to the pages");
    let headers = [(SET_COOKIE, cookie), (CACHE_CONTROL, "no-store".to_owned())];
    Ok((headers, Json(view(&api, &caller))).into_response())
}

/// Who is signed in; `user` is null for nobody, which is no error: so does every visit begin.
pub async fn show(State(api): State<Arc<Api>>, caller: Result<Caller, ApiError>) -> Response {
    let view = match caller {
        Ok(caller) => view(&api, &caller),
        Err(_) => json!({ "user": null }),
    };
    ([(CACHE_CONTROL, "no-store")], Json(view)).into_response()
}

/// Signs out. Needs no session, so that one that is over can be left too.
pub async fn sign_out(State(api): State<Arc<Api>>, _: Peer, headers: HeaderMap) -> Response {
    if let Some(token) = api.session_token(&headers) {
        api.sessions.end(token);
    }
    let cookie = api.set_cookie("", 0, is_https(&headers));
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response()
}

fn view(api: &Api, caller: &Caller) -> Value {
    let limits = api.sessions.limits;
    json!({
        "user": &*caller.user,
        "tags": caller.tags,
        "is_administrator": caller.is_administrator(),
        "is_monitor": caller.is_monitor(),
        "is_policymaker": caller.is_policymaker(),
        "idle_s": limits.idle_ms / 1000,
        "node": api.settings.node_name,
        "version": env!("CARGO_PKG_VERSION"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(count: usize) -> Sessions {
        Sessions::new(SessionLimits {
            idle_ms: 100,
            max_ms: 1_000,
            count,
        })
    }

    fn identity(user: &str) -> Identity {
        Identity::account(user.into())
    }

    fn is_there(sessions: &Sessions, token: &str, now: Millis, touch: bool) -> bool {
        sessions.find(token, now, touch).is_some()
    }

    #[test]
    fn a_session_ends_when_it_is_idle_or_old() {
        let sessions = sessions(10);
        let token = sessions.begin(identity("ann"), "hash".into(), 0).unwrap();
        assert!(is_there(&sessions, &token, 99, false));
        assert!(!is_there(&sessions, &token, 100, false), "looking on is not using");
        let token = sessions.begin(identity("ann"), "hash".into(), 0).unwrap();
        for now in (0..1_000).step_by(90) {
            assert!(is_there(&sessions, &token, now, true), "{now}");
        }
        assert!(!is_there(&sessions, &token, 1_000, true), "a day is over");
        assert!(sessions.standing.lock().is_empty());
    }

    #[test]
    fn the_idlest_makes_room_and_an_ended_one_is_gone() {
        let sessions = sessions(2);
        let first = sessions.begin(identity("a"), String::new(), 0).unwrap();
        let second = sessions.begin(identity("b"), String::new(), 1).unwrap();
        assert!(is_there(&sessions, &first, 2, true));
        let third = sessions.begin(identity("c"), String::new(), 3).unwrap();
        assert!(!is_there(&sessions, &second, 4, true));
        assert_eq!(*sessions.find(&first, 4, true).unwrap().0.user(), *"a");
        sessions.end(&third);
        assert!(!is_there(&sessions, &third, 4, true));
        assert_ne!(first, second);
    }

    #[test]
    fn changes_come_from_our_own_pages() {
        let check = |method: &str, headers: &[(&str, &str)]| {
            let mut request = axum::http::Request::builder().method(method).uri("/api/queues");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            check_origin(&request.body(()).unwrap().into_parts().0, true).is_ok()
        };
        let ours = ("x-warren-request", "user");
        assert!(check("GET", &[("sec-fetch-site", "cross-site")]), "nothing is changed");
        assert!(!check("POST", &[]));
        assert!(check("POST", &[ours]));
        assert!(check("PUT", &[ours, ("sec-fetch-site", "same-origin")]));
        assert!(!check("PUT", &[ours, ("sec-fetch-site", "same-site")]));
        assert!(check("DELETE", &[ours, ("origin", "http://b:1"), ("host", "b:1")]));
        assert!(!check("DELETE", &[ours, ("origin", "http://evil"), ("host", "b:1")]));
        assert!(!check("DELETE", &[ours, ("origin", "null"), ("host", "b:1")]));
    }
}
