//! HTTP: RabbitMQ's management API at its paths and with its JSON, health and metrics.
//!
//! A resource a file, with its own views. What waits (a store, many queues, a password's hash) is done by `blocking`
//! on a thread of its own, so that no request holds up a message; queues are locked one at a time and for a moment.

mod absent;
mod arguments;
mod bindings;
mod body;
mod caller;
mod channels;
mod connections;
mod consumers;
mod definitions;
mod error;
mod exchanges;
mod health;
mod limits;
mod listing;
mod messages;
mod metrics;
mod nodes;
mod operations;
mod overview;
mod parameters;
mod permissions;
mod policies;
mod queues;
mod routes;
mod statistics;
mod users;
mod vhosts;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

use crate::broker::{Broker, History};
use crate::model::Millis;

use error::ApiError;

/// How often counters are sampled for rates.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// How many passwords are hashed at a time: each takes a core and tens of megabytes for a moment.
const HASHING_AT_A_TIME: usize = 2;

/// What the API says of the broker that the broker itself does not know.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The node's name.
    pub node_name: String,
    /// What clients see as `cluster_name`.
    pub cluster_name: String,
    /// Users that may come from this machine only.
    pub loopback_users: Vec<String>,
    /// Where AMQP clients are listened for.
    pub amqp: Vec<SocketAddr>,
    /// The largest body of a message in bytes.
    pub message_max_bytes: u64,
    /// `/metrics` is served.
    pub metrics: bool,
    /// `/metrics/per-object` is served as well.
    pub metrics_per_object: bool,
}

/// What all requests share.
struct Api {
    broker: Arc<Broker>,
    settings: HttpSettings,
    address: SocketAddr,
    started_at: Millis,
    hashing: Semaphore,
    /// Held from reading limits to writing them back with one of them changed.
    limit_changes: parking_lot::Mutex<()>,
    /// What the node used.
    node_history: History<{ nodes::MEASURED }>,
}

impl Api {
    fn uptime_ms(&self) -> Millis {
        self.broker.now().saturating_sub(self.started_at)
    }
}

/// Starts serving; gives the real address, or `None` where HTTP is off.
///
/// # Errors
/// The address cannot be listened on; the text names it.
pub async fn start(
    address: Option<SocketAddr>,
    broker: Arc<Broker>,
    settings: HttpSettings,
) -> Result<Option<SocketAddr>, String> {
    let Some(address) = address else {
        return Ok(None);
    };
    let refused = |error| format!("cannot listen on {address} (listeners.http): {error}");
    let listener = tokio::net::TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let api = Arc::new(Api {
        started_at: broker.now(),
        broker,
        settings,
        address,
        hashing: Semaphore::new(HASHING_AT_A_TIME),
        limit_changes: parking_lot::Mutex::default(),
        node_history: History::default(),
    });
    tokio::spawn(sample(Arc::clone(&api)));
    let routes = routes::routes(api).into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "HTTP ended");
        }
    });
    Ok(Some(address))
}

/// Samples everything that is counted for as long as the runtime lives.
async fn sample(api: Arc<Api>) {
    let mut ticks = interval(SAMPLE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let api = Arc::clone(&api);
        let sampled = tokio::task::spawn_blocking(move || {
            let mut round = api.broker.sample_statistics();
            api.node_history.sample(&mut round, nodes::measure(&api));
        })
        .await;
        if let Err(error) = sampled {
            tracing::error!(%error, "rates could not be sampled");
        }
    }
}

/// Does what waits or takes long where it holds up nothing else.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?
}
