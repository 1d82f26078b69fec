//! Updates for pages that are open, as server-sent events.
//!
//! Counters are sampled every few seconds whether anybody looks or not; an event tells of the sample, so that a
//! message costs nothing for being watched. A client that does not keep up gets the newest sample and the lines of the
//! log that still stand: what waits for it is bounded.
//!
//! | event | data |
//! |---|---|
//! | `tick` | a sample was taken; `{"vitals": ...}` for those who may see all, else `{}` |
//! | `log` | `{"lines": [...], "missed": N}`, where `log=true` asked for them |
//! | `over` | the session is over; nothing more comes |

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::sleep;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::caller::Caller;
use super::error::ApiError;
use super::log_ring::LogRing;
use super::vitals::vitals;
use super::{Api, blocking};

/// Events that wait for one client.
const WAITING: usize = 2;

/// Lines of the log in one event.
const LINES_AT_A_TIME: usize = 200;

/// Lines that come together are sent together: at most so many events a second.
const LOG_PAUSE: Duration = Duration::from_millis(250);

/// What all open pages share.
pub(super) struct Live {
    clients: Arc<Semaphore>,
    ticks: watch::Sender<Arc<Value>>,
    pub log: Arc<LogRing>,
}

impl Live {
    pub fn new(clients_max: usize, log: Arc<LogRing>) -> Self {
        Self {
            clients: Arc::new(Semaphore::new(clients_max)),
            ticks: watch::Sender::new(Arc::default()),
            log,
        }
    }
}

/// Tells the open pages of a sample; does nothing where there are none.
pub(super) fn tell(api: &Api) {
    if api.live.ticks.receiver_count() > 0 {
        api.live.ticks.send_replace(Arc::new(json!({ "vitals": vitals(api) })));
    }
}

#[derive(Deserialize)]
pub struct LiveQuery {
    #[serde(default)]
    log: bool,
    /// The first line that is wanted; without it all that stand.
    #[serde(default)]
    from: u64,
}

/// One client.
struct Follower {
    api: Arc<Api>,
    caller: Caller,
    headers: HeaderMap,
    /// Where it is in the log, where it wants it.
    log_at: Option<u64>,
    events: mpsc::Sender<Event>,
    _place: OwnedSemaphorePermit,
}

/// The stream.
pub async fn stream(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<LiveQuery>,
) -> Result<Response, ApiError> {
    if query.log {
        caller.require_monitor()?;
    }
    let place = Arc::clone(&api.live.clients).try_acquire_owned();
    let place = place.map_err(|_| {
        ApiError::too_many("as many pages are open as pages.live_clients_max allows; close some, or raise it")
    })?;
    let (events, stream) = mpsc::channel(WAITING);
    let follower = Follower {
        api,
        caller,
        headers,
        log_at: query.log.then_some(query.from),
        events,
        _place: place,
    };
    tokio::spawn(follower.run());
    let stream = ReceiverStream::new(stream).map(Ok::<_, std::convert::Infallible>);
    // Proxies that gather answers must let this one through as it comes.
    let headers = [(CACHE_CONTROL.as_str(), "no-store"), ("x-accel-buffering", "no")];
    Ok((headers, Sse::new(stream)).into_response())
}

impl Follower {
    async fn run(mut self) {
        let mut ticks = self.api.live.ticks.subscribe();
        let api = Arc::clone(&self.api);
        let first = blocking(move || Ok(json!({ "vitals": vitals(&api) }))).await;
        if !self.tick(&first.unwrap_or_default()).await {
            return;
        }
        loop {
            let events = self.events.clone();
            let go_on = tokio::select! {
                () = events.closed() => false,
                Ok(()) = ticks.changed() => {
                    let sample = Arc::clone(&ticks.borrow_and_update());
                    self.tick(&sample).await
                }
                () = sleep(LOG_PAUSE), if self.log_at.is_some() => self.lines().await,
                else => false,
            };
            if !go_on {
                return;
            }
        }
    }

    /// Tells of a sample, as long as the client may hear it.
    async fn tick(&self, sample: &Value) -> bool {
        if !self.still_stands() {
            let _ = self.events.send(Event::default().event("over").data("{}")).await;
            return false;
        }
        let data = match self.caller.is_monitor() {
            true => sample.to_string(),
            false => "{}".to_owned(),
        };
        self.send("tick", data).await
    }

    async fn lines(&mut self) -> bool {
        let Some(at) = self.log_at else {
            return true;
        };
        let read = self.api.live.log.read(at, LINES_AT_A_TIME);
        self.log_at = Some(read.next);
        if read.lines.is_empty() && read.missed == 0 {
            return true;
        }
        let data = serde_json::to_string(&read).unwrap_or_default();
        self.send("log", data).await
    }

    async fn send(&self, name: &str, data: String) -> bool {
        let event = Event::default().event(name).data(data);
        self.events.send(event).await.is_ok()
    }

    /// Whether the session, or the user who came with a password, still is what it was.
    fn still_stands(&self) -> bool {
        let known = self.headers.contains_key(AUTHORIZATION) || self.api.session_identity(&self.headers).is_some();
        known && self.caller.still_stands()
    }
}
