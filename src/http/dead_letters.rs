//! `/api/warren/dead-letters`: the queues into which something dead-letters, what lies there, and the way back.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::auth::{Access, Resource};
use crate::broker::{
    AlertState, Broker, DeadLetterQueue, Letter, LetterFilter, LetterSource, PEEK_MAX, QueueCell, ReplayRequest,
};
use crate::model::Name;
use crate::queue::DeathReason;

use super::caller::Caller;
use super::error::ApiError;
use super::health;
use super::messages::PayloadEncoding;
use super::metrics::escaped;
use super::operations::{PeekedView, place, view};
use super::{Api, blocking, body, replays};

/// For how many queues `/metrics` has series, those with the most messages first.
const METRICS_MAX: usize = 200;

/// The paths.
pub fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/warren/dead-letters", get(index))
        .route("/warren/dead-letters/{vhost}", get(index))
        .route("/warren/dead-letters/{vhost}/{queue}", get(show))
        .route("/warren/dead-letters/{vhost}/{queue}/contents", delete(purge))
        .route(
            "/warren/dead-letters/{vhost}/{queue}/replays",
            get(replays::index).post(replays::start),
        )
        .route(
            "/warren/dead-letters/{vhost}/{queue}/replays/{id}",
            get(replays::show).delete(replays::stop),
        )
        .route("/warren/health/dead-letters", get(check))
}

/// A queue into which something dead-letters.
#[derive(Serialize)]
struct QueueView {
    vhost: Name,
    name: Name,
    messages: u64,
    oldest_age_ms: Option<u64>,
    sources: Vec<SourceView>,
    reasons: Map<String, Value>,
    reasons_sampled: u64,
    alert: Option<AlertView>,
}

#[derive(Serialize)]
struct SourceView {
    vhost: Name,
    queue: Name,
    exchange: Name,
    routing_key: Option<Name>,
}

#[derive(Serialize)]
struct AlertView {
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<u64>,
    raised: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
}

impl From<LetterSource> for SourceView {
    fn from(source: LetterSource) -> Self {
        Self {
            vhost: source.vhost,
            queue: source.queue,
            exchange: source.exchange,
            routing_key: source.routing_key,
        }
    }
}

impl From<AlertState> for AlertView {
    fn from(alert: AlertState) -> Self {
        Self {
            count: alert.count,
            age_ms: alert.age_ms,
            raised: alert.since.is_some(),
            since: alert.since,
        }
    }
}

impl QueueView {
    fn new(broker: &Broker, found: DeadLetterQueue) -> Result<Self, ApiError> {
        let reasons = broker.death_reasons(&found.queue).map_err(ApiError::internal)?;
        let words = DeathReason::ALL.iter().map(|reason| reason.word().to_owned());
        Ok(Self {
            vhost: found.queue.vhost.clone(),
            name: found.queue.name.clone(),
            messages: found.messages,
            oldest_age_ms: found.oldest_age_ms,
            sources: found.sources.into_iter().map(SourceView::from).collect(),
            reasons: words.zip(reasons.counts.map(Value::from)).collect(),
            reasons_sampled: reasons.sampled,
            alert: found.alert.map(AlertView::from),
        })
    }
}

/// All such queues that the caller may read, of one vhost or of all that it sees.
async fn index(
    State(api): State<Arc<Api>>,
    caller: Caller,
    vhost: Option<Path<String>>,
) -> Result<Json<Vec<QueueView>>, ApiError> {
    blocking(move || {
        let mut views = Vec::new();
        for vhost in caller.vhosts_at(vhost.as_ref().map(|Path(name)| name.as_str()))? {
            let readable = |found: &DeadLetterQueue| {
                let queue = Resource::Queue(&found.queue.name);
                caller.is_monitor() || caller.check(&vhost, queue, Access::Read).is_ok()
            };
            for found in api.broker.dead_letter_queues(&vhost).into_iter().filter(readable) {
                views.push(QueueView::new(&api.broker, found)?);
            }
        }
        Ok(Json(views))
    })
    .await
}

/// What filters are called.
const FILTERS: [&str; 3] = ["reason", "older_than_ms", "header"];

/// One header or several, each `name:value`.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Headers {
    #[default]
    None,
    One(String),
    Several(Vec<String>),
}

/// Which letters are meant, as queries and bodies say it.
#[derive(Default, Deserialize)]
pub(super) struct FilterQuery {
    reason: Option<String>,
    #[serde(default, deserialize_with = "body::count")]
    older_than_ms: Option<u64>,
    #[serde(default)]
    header: Headers,
}

impl FilterQuery {
    pub(super) fn filter(&self) -> Result<LetterFilter, ApiError> {
        let reason = self.reason.as_deref().map(|word| {
            DeathReason::parse(word).ok_or_else(|| {
                ApiError::bad_request(format!(
                    "reason '{word}' is none of rejected, expired, maxlen, delivery_limit"
                ))
            })
        });
        let headers = match &self.header {
            Headers::None => &[],
            Headers::One(header) => std::slice::from_ref(header),
            Headers::Several(headers) => headers.as_slice(),
        };
        let headers = headers.iter().map(|header| match header.split_once(':') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(ApiError::bad_request(format!("header '{header}' is no name:value"))),
        });
        Ok(LetterFilter {
            reason: reason.transpose()?,
            older_than_ms: self.older_than_ms,
            headers: headers.collect::<Result<_, _>>()?,
        })
    }
}

/// Reads the pairs of a query; several headers become a list. An unknown key is refused: a filter that is misspelt
/// would mean all letters.
fn from_query<T: DeserializeOwned>(pairs: Vec<(String, String)>, more: &[&str]) -> Result<T, ApiError> {
    let mut object = Map::new();
    let mut headers = Vec::new();
    for (key, value) in pairs {
        match key.as_str() {
            "header" => headers.push(Value::from(value)),
            _ => {
                object.insert(key, value.into());
            }
        }
    }
    if !headers.is_empty() {
        object.insert("header".to_owned(), headers.into());
    }
    from_object(object, more)
}

/// The same for the object in a body.
pub(super) fn from_object<T: DeserializeOwned>(object: Map<String, Value>, more: &[&str]) -> Result<T, ApiError> {
    let known: Vec<&str> = FILTERS.iter().chain(more).copied().collect();
    if let Some(unknown) = object.keys().find(|key| !known.contains(&key.as_str())) {
        let known = known.join(", ");
        return Err(ApiError::bad_request(format!(
            "unknown key '{unknown}'; there are {known}"
        )));
    }
    serde_json::from_value(Value::Object(object)).map_err(|error| ApiError::bad_request(error.to_string()))
}

#[derive(Deserialize)]
struct ShowQuery {
    #[serde(default, deserialize_with = "body::count")]
    position: Option<u64>,
    #[serde(default, deserialize_with = "body::count")]
    count: Option<u64>,
    #[serde(default, deserialize_with = "body::count")]
    truncate: Option<u64>,
    #[serde(default)]
    encoding: PayloadEncoding,
    #[serde(flatten)]
    filter: FilterQuery,
}

/// A letter where it waits.
#[derive(Serialize)]
struct LetterView {
    #[serde(flatten)]
    message: PeekedView,
    reason: Option<String>,
    first_queue: Option<String>,
    first_exchange: Option<String>,
    first_routing_key: Option<String>,
    death_count: u64,
    age_ms: u64,
    replay_to: Option<TargetView>,
    /// Queues that took it in a replay while another one refused it.
    already_in: Vec<Name>,
}

#[derive(Serialize)]
struct TargetView {
    exchange: Name,
    routing_key: String,
}

impl LetterView {
    fn new(queue: &QueueCell, position: usize, letter: &Letter, query: &ShowQuery, now: u64) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let to = letter.replay_to(&ReplayRequest::default());
        Self {
            message: view(&letter.peeked(position), query.truncate.map(sized), query.encoding),
            reason: owned(letter.reason()),
            first_queue: owned(letter.first_queue()),
            first_exchange: owned(letter.first_exchange()),
            first_routing_key: owned(letter.first_routing_key()),
            death_count: letter.death_count(),
            age_ms: letter.age_ms(now),
            replay_to: to.map(|to| TargetView {
                exchange: to.exchange.clone(),
                routing_key: to.keys[0].clone(),
            }),
            already_in: queue.sent_back_to(letter),
        }
    }
}

/// Shows letters without taking them.
async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Vec<LetterView>>, ApiError> {
    let query: ShowQuery = from_query(pairs, &["position", "count", "truncate", "encoding"])?;
    let (_, queue) = place(&caller, &vhost, &name, Access::Read)?;
    let filter = query.filter.filter()?;
    blocking(move || {
        let count = sized(query.count.unwrap_or(1)).min(PEEK_MAX);
        let position = sized(query.position.unwrap_or(0));
        let found = api.broker.letters(&queue, &filter, position, count);
        let found = found.map_err(ApiError::internal)?;
        let now = api.broker.now();
        let views = found
            .iter()
            .map(|(position, letter)| LetterView::new(&queue, *position, letter, &query, now));
        Ok(Json(views.collect()))
    })
    .await
}

fn sized(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[derive(Deserialize)]
struct PurgeQuery {
    #[serde(default, deserialize_with = "body::count")]
    limit: Option<u64>,
    #[serde(flatten)]
    filter: FilterQuery,
}

/// Removes letters.
async fn purge(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((vhost, name)): Path<(String, String)>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, ApiError> {
    let query: PurgeQuery = from_query(pairs, &["limit"])?;
    let (_, queue) = place(&caller, &vhost, &name, Access::Read)?;
    let filter = query.filter.filter()?;
    blocking(move || {
        let purged = api.broker.purge_letters(&queue, &filter, query.limit);
        let purged = purged.map_err(ApiError::internal)?;
        tracing::info!(queue = %queue.name, vhost = %queue.vhost, user = %caller.user, purged, "dead letters purged");
        Ok(Json(json!({ "purged": purged })))
    })
    .await
}

/// No dead-letter alert is raised in the vhosts that the caller sees.
async fn check(State(api): State<Arc<Api>>, caller: Caller) -> Result<Response, ApiError> {
    blocking(move || {
        let mut raised = api.broker.check_alerts();
        raised.retain(|(vhost, _)| caller.sees(vhost));
        if raised.is_empty() {
            return Ok(Json(json!({ "status": "ok" })).into_response());
        }
        let queues: Vec<Value> = raised
            .iter()
            .map(|(vhost, name)| json!({ "vhost": vhost, "name": name }))
            .collect();
        let more = [("queues", Value::Array(queues))];
        Ok(health::failed("Dead-letter alerts are raised", &more))
    })
    .await
}

/// The series of `/metrics`: depth, age and alert of each queue into which something dead-letters.
pub(super) fn metrics(text: &mut String, broker: &Broker) {
    let vhosts = broker.vhosts();
    let mut found: Vec<DeadLetterQueue> = vhosts
        .iter()
        .flat_map(|vhost| broker.dead_letter_queues(vhost))
        .collect();
    found.sort_by_key(|found| std::cmp::Reverse(found.messages));
    found.truncate(METRICS_MAX);
    type Gauge = fn(&DeadLetterQueue) -> f64;
    let gauges: [(&str, &str, Gauge); 3] = [
        (
            "warren_dead_letter_messages",
            "Messages in a queue into which something dead-letters",
            |found| found.messages as f64,
        ),
        (
            "warren_dead_letter_oldest_age_seconds",
            "How long the oldest message has been there",
            |found| found.oldest_age_ms.unwrap_or(0) as f64 / 1000.0,
        ),
        (
            "warren_dead_letter_alert",
            "1 while the dead-letter alert of the queue's policy is raised",
            |found| f64::from(u8::from(found.alert.is_some_and(|alert| alert.since.is_some()))),
        ),
    ];
    for (name, help, value) in gauges {
        let _ = writeln!(text, "# TYPE {name} gauge\n# HELP {name} {help}");
        for found in &found {
            let (vhost, queue) = (escaped(&found.queue.vhost), escaped(&found.queue.name));
            let _ = writeln!(text, "{name}{{vhost=\"{vhost}\",queue=\"{queue}\"}} {}", value(found));
        }
    }
}
