//! A blocking client of the management API.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use ureq::http::Request;
use ureq::{Agent, Body};

use super::table::plain;

/// How long an answer may take: a large import or export takes a while.
const ANSWER_WAIT: Duration = Duration::from_secs(300);
/// How long the broker may take to accept a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes.
const ANSWER_MAX_BYTES: u64 = 1 << 30;
/// What is escaped in names: all but letters, digits and two signs that also stand in the API's own paths.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');
/// Items asked for at a time.
const PAGE_SIZE: usize = 500;

/// Why a command did not do what it was asked to. Its text says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was given cannot be used.
    #[error("{0}")]
    Use(String),
    /// The broker does not answer.
    #[error("no broker answers at {address}: {error}\nIs it running there? Give its address with --url or WARREN_URL.")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the system said.
        error: String,
    },
    /// The broker does not know the user, or does not let it do this.
    #[error(
        "the broker refused user '{user}': {reason}\nGive user and password in --url or WARREN_URL: \
             http://USER:PASSWORD@HOST:PORT; the user needs a tag (such as management) and permissions."
    )]
    Refused {
        /// Who asked.
        user: String,
        /// Why not.
        reason: String,
    },
    /// There is no such thing.
    #[error("{0} does not exist; `warren list` shows what does")]
    Missing(String),
    /// The broker found a fault.
    #[error("the broker refused the request: {0}")]
    Rejected(String),
    /// The broker is not well.
    #[error("{0}")]
    Unhealthy(String),
}

impl Failure {
    /// The exit code of the process: 1 wrong use or a refused request, 3 no broker answers, 4 login or permission
    /// refused, 5 no such object, 6 a health check failed. (2 is a failed store, which only `serve` ends with.)
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Use(_) | Self::Rejected(_) => 1,
            Self::Unreachable { .. } => 3,
            Self::Refused { .. } => 4,
            Self::Missing(_) => 5,
            Self::Unhealthy(_) => 6,
        }
    }
}

/// A broker that answers over HTTP.
pub struct Client {
    agent: Agent,
    /// `http://host:port` and a prefix, without a slash at the end.
    base: String,
    user: String,
    authorization: String,
}

/// An answer, whatever its status.
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body as JSON; null where it is none.
    pub body: Value,
}

impl Client {
    /// For the API at `url`: `http://USER:PASSWORD@HOST:PORT`.
    pub fn new(url: &str) -> Result<Self, Failure> {
        let wrong = |what: &str| {
            Failure::Use(format!(
                "--url {what}; it looks like http://guest:guest@127.0.0.1:15672"
            ))
        };
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(wrong("must begin with http:// (TLS is not supported here)"));
        };
        let (credentials, place) = rest.rsplit_once('@').unwrap_or(("guest:guest", rest));
        let (user, password) = credentials
            .split_once(':')
            .ok_or_else(|| wrong("has a user without a password"))?;
        if place.trim_end_matches('/').is_empty() {
            return Err(wrong("names no host"));
        }
        let user = percent_decode_str(user).decode_utf8_lossy().into_owned();
        let mut login = format!("{user}:").into_bytes();
        login.extend(percent_decode_str(password));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT_WAIT))
            .timeout_global(Some(ANSWER_WAIT))
            .build();
        Ok(Self {
            agent: Agent::new_with_config(config),
            base: format!("http://{}", place.trim_end_matches('/')),
            user,
            authorization: format!("Basic {}", BASE64.encode(login)),
        })
    }

    /// Asks, and gives the answer whatever its status.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        self.ask_with(method, path, body, &[])
    }

    fn ask_with(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("Authorization", &self.authorization)
            .header("Content-Type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let bytes = body.map(Value::to_string).unwrap_or_default();
        let request = request
            .body(bytes)
            .map_err(|error| Failure::Use(format!("--url cannot be used: {error}")))?;
        let unreachable = |error: ureq::Error| Failure::Unreachable {
            address: self.base.clone(),
            error: error.to_string(),
        };
        let mut response = self.agent.run(request).map_err(unreachable)?;
        let status = response.status().as_u16();
        let body = read(response.body_mut()).map_err(unreachable)?;
        Ok(Answer {
            status,
            body: serde_json::from_str(&body).unwrap_or_default(),
        })
    }

    /// Asks, and takes anything but success for a failure; `what` names the object in it.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>, what: &str) -> Result<Answer, Failure> {
        let answer = self.ask(method, path, body)?;
        self.check(answer, what)
    }

    /// The same for a deletion with a reason.
    pub fn delete_because(&self, path: &str, reason: &str, what: &str) -> Result<(), Failure> {
        let answer = self.ask_with("DELETE", path, None, &[("X-Reason", reason)])?;
        self.check(answer, what).map(|_| ())
    }

    /// What stands at a path.
    pub fn get(&self, path: &str, what: &str) -> Result<Value, Failure> {
        Ok(self.call("GET", path, None, what)?.body)
    }

    /// Every item of a list, asked for page by page; a list without pages comes as a whole.
    pub fn list(&self, path: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        for page in 1.. {
            let mut url = format!("{path}?page={page}&page_size={PAGE_SIZE}");
            for (name, value) in query {
                url.push_str(&format!("&{name}={}", encode(value)));
            }
            match self.get(&url, path)? {
                Value::Array(all) => return Ok(all),
                Value::Object(mut object) => {
                    let pages = object.get("page_count").and_then(Value::as_u64).unwrap_or_default();
                    if let Some(Value::Array(found)) = object.remove("items") {
                        items.extend(found);
                    }
                    if page >= pages {
                        break;
                    }
                }
                _ => break,
            }
        }
        Ok(items)
    }

    fn check(&self, answer: Answer, what: &str) -> Result<Answer, Failure> {
        if (200..300).contains(&answer.status) {
            return Ok(answer);
        }
        let reason = answer.body.get("reason").and_then(Value::as_str);
        // A name in it may come from anybody.
        let reason = reason.map_or_else(|| format!("status {}", answer.status), plain);
        let what = plain(what);
        Err(match answer.status {
            401 | 403 => Failure::Refused {
                user: plain(&self.user),
                reason,
            },
            404 if reason == "Not Found" => Failure::Missing(what),
            404 => Failure::Missing(format!("{what} ({reason})")),
            _ => Failure::Rejected(reason),
        })
    }
}

fn read(body: &mut Body) -> Result<String, ureq::Error> {
    body.with_config().limit(ANSWER_MAX_BYTES).read_to_string()
}

/// A name as a part of a path or a query.
pub fn encode(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

/// A path under `/api`, each part encoded.
pub fn path(parts: &[&str]) -> String {
    parts
        .iter()
        .fold("/api".to_owned(), |path, part| format!("{path}/{}", encode(part)))
}
