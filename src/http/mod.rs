//! HTTP: RabbitMQ's management API at its paths and with its JSON, health and metrics.
//!
//! A resource a file, with its own views. What waits (a store, many queues, a password's hash) is done by `blocking`
//! on a thread of its own, so that no request holds up a message; queues are locked one at a time and for a moment.

mod actor;
mod arguments;
mod attempts;
mod bindings;
mod body;
mod caller;
mod certificates;
mod channels;
mod comparison;
mod connections;
mod consumers;
mod dead_letters;
mod definitions;
mod done;
mod error;
mod exchanges;
mod global_parameters;
mod health;
mod limits;
mod listing;
mod live;
mod log_ring;
mod messages;
mod metrics;
mod nodes;
mod openapi;
mod operations;
mod overview;
mod pages;
mod parameters;
mod permissions;
mod policies;
mod queues;
mod replays;
mod route_tests;
mod routes;
mod serve;
mod sessions;
mod statistics;
mod users;
mod vhosts;
mod vitals;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};

use crate::broker::{Acting, Broker, History};
use crate::model::Millis;

use error::ApiError;
use live::Live;
use serve::Door;
use sessions::Sessions;
use vitals::Vitals;

pub use definitions::{export_definitions, import_definitions};
pub use log_ring::{LogRing, RingLayer};
pub use serve::{Certificates, ConnectionLimits, Scheme};
pub use sessions::SessionLimits;

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
    /// The same over TLS.
    pub amqps: Vec<SocketAddr>,
    /// The certificate that is shown there, and those between it and its root, in PEM; read when its end is asked for.
    pub certificate: Option<PathBuf>,
    /// The largest body of a message in bytes.
    pub message_max_bytes: u64,
    /// The largest body of a request in bytes.
    pub body_max_bytes: usize,
    /// What connections may take.
    pub connections: ConnectionLimits,
    /// `/metrics` is served.
    pub metrics: bool,
    /// `/metrics/per-object` and `/metrics/detailed` are served as well.
    pub metrics_per_object: bool,
    /// The web pages.
    pub pages: PageSettings,
}

/// What concerns the pages.
#[derive(Clone, Debug)]
pub struct PageSettings {
    /// They are served.
    pub enabled: bool,
    /// How long people stay signed in.
    pub sessions: SessionLimits,
    /// Pages that are kept up to date at a time.
    pub live_clients_max: usize,
    /// The last lines of the log.
    pub log: Arc<LogRing>,
}

/// What all requests share.
struct Api {
    broker: Arc<Broker>,
    settings: HttpSettings,
    address: SocketAddr,
    started_at: Millis,
    hashing: Arc<Semaphore>,
    /// Held from reading limits to writing them back with one of them changed.
    limit_changes: parking_lot::Mutex<()>,
    sessions: Sessions,
    vitals: Vitals,
    live: Live,
    /// What the node used.
    node_history: History<{ nodes::MEASURED }>,
}

impl Api {
    fn uptime_ms(&self) -> Millis {
        self.broker.now().saturating_sub(self.started_at)
    }

    fn cluster_name(&self) -> String {
        self.broker.cluster_name(&self.settings.cluster_name)
    }

    /// Everything that is listened on, with RabbitMQ's name of its protocol.
    fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        let amqp = self.settings.amqp.iter().map(|address| ("amqp", *address));
        let amqps = self.settings.amqps.iter().map(|address| ("amqp/ssl", *address));
        amqp.chain(amqps).chain([("http", self.address)]).collect()
    }
}

/// Where HTTP is listened for; `None` for nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addresses {
    /// In the open.
    pub http: Option<SocketAddr>,
    /// Over TLS.
    pub https: Option<SocketAddr>,
}

/// Starts serving; gives the real addresses.
///
/// # Errors
/// An address cannot be listened on; the text names it.
pub async fn start(
    addresses: Addresses,
    broker: Arc<Broker>,
    settings: HttpSettings,
    certificates: Certificates,
) -> Result<Addresses, String> {
    let http = listen(addresses.http, "listeners.http").await?;
    let https = listen(addresses.https, "listeners.https").await?;
    let real = |listener: &Option<(TcpListener, SocketAddr)>| listener.as_ref().map(|(_, address)| *address);
    let addresses = Addresses {
        http: real(&http),
        https: real(&https),
    };
    let Some(address) = addresses.http.or(addresses.https) else {
        return Ok(addresses);
    };
    let limits = settings.connections;
    let pages = settings.pages.clone();
    let api = Arc::new(Api {
        started_at: broker.now(),
        broker,
        settings,
        address,
        hashing: Arc::new(Semaphore::new(HASHING_AT_A_TIME)),
        limit_changes: parking_lot::Mutex::default(),
        sessions: Sessions::new(pages.sessions),
        vitals: Vitals::default(),
        live: Live::new(pages.live_clients_max, pages.log),
        node_history: History::default(),
    });
    tokio::spawn(sample(Arc::clone(&api)));
    let door = Door::new(routes::routes(api), limits);
    if let Some((listener, _)) = http {
        tokio::spawn(Arc::clone(&door).open(listener, None));
    }
    if let Some((listener, _)) = https {
        tokio::spawn(door.open(listener, Some(certificates)));
    }
    Ok(addresses)
}

async fn listen(address: Option<SocketAddr>, option: &str) -> Result<Option<(TcpListener, SocketAddr)>, String> {
    let Some(address) = address else {
        return Ok(None);
    };
    let refused = |error| format!("cannot listen on {address} ({option}): {error}");
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok(Some((listener, address)))
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
            if api.settings.pages.enabled {
                api.vitals.sample(&api.broker);
                live::tell(&api);
            }
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
    let actor = actor::current();
    let work = move || {
        let _acting = actor.as_ref().map(Acting::on_behalf_of);
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?
}
