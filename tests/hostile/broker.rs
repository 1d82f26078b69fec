//! A broker in this process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use warren::amqp::WireLimits;
use warren::auth::{Accounts, HashingCost, Permission, Tags};
use warren::broker::{Broker, BrokerLimits, BrokerParts};
use warren::http::{self, Addresses, ConnectionLimits, HttpSettings, LogRing, PageSettings, SessionLimits};
use warren::model::{Clock, Millis};
use warren::net::{ConnectionSettings, Connections, listen};
use warren::session::SessionSettings;
use warren::store::{EngineKind, MessageStore, StoreOptions};

use super::client::PATIENCE;

/// Runs until it is dropped.
pub struct TestBroker {
    pub address: SocketAddr,
    /// For TLS, where the settings have it.
    pub tls_address: SocketAddr,
    pub broker: Arc<Broker>,
    pub connections: Arc<Connections>,
    runtime: Runtime,
}

/// The time that passes.
struct RealClock(std::time::Instant);

impl Clock for RealClock {
    fn now(&self) -> Millis {
        self.0.elapsed().as_millis() as Millis
    }
}

/// Settings as the built-in defaults have them, mostly.
pub fn settings() -> ConnectionSettings {
    ConnectionSettings {
        session: Arc::new(session()),
        handshake_timeout: Duration::from_secs(10),
        connections_max: 10_000,
        connections_per_address: 10_000,
        proxies: Vec::new(),
        tls: None,
    }
}

pub fn session() -> SessionSettings {
    SessionSettings {
        wire: WireLimits::default(),
        mechanisms: "PLAIN AMQPLAIN".to_owned(),
        cluster_name: "test".to_owned(),
        outgoing_buffer_bytes: 1 << 20,
        consumers_per_channel: 100,
        connections_per_vhost: 10_000,
        connections_per_user: 10_000,
        unacked_per_channel: 1_000_000,
        ack_timeout_ms: 0,
        anonymous_user: None,
        loopback_users: vec!["guest".to_owned()],
        name_seed: 1,
    }
}

impl TestBroker {
    pub fn start(settings: ConnectionSettings) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut options = StoreOptions::new("");
        options.engine = EngineKind::Memory;
        let fatal = Arc::new(|error: &warren::store::StoreError| panic!("{error}"));
        let (messages, state) = MessageStore::open(options, fatal).unwrap();
        let cost = HashingCost {
            memory_kib: 8,
            iterations: 1,
            lanes: 1,
        };
        let parts = BrokerParts {
            clock: Arc::new(RealClock(std::time::Instant::now())),
            accounts: Accounts::new(cost).unwrap(),
            state,
            messages,
            limits: BrokerLimits::default(),
            memory_budget_bytes: u64::MAX,
        };
        let (broker, _) = Broker::restore(parts).unwrap();
        add_user(&broker, "guest");
        add_user(&broker, "ann");
        let connections = Connections::new(Arc::clone(&broker), settings);
        let (listener, address) = free_port(&runtime);
        runtime.spawn(Arc::clone(&connections).accept(listener));
        let (listener, tls_address) = free_port(&runtime);
        runtime.spawn(Arc::clone(&connections).accept_tls(listener));
        Self {
            address,
            tls_address,
            broker,
            connections,
            runtime,
        }
    }

    /// Opens the HTTP API as well; gives its address.
    pub fn open_http(&self) -> SocketAddr {
        let minute = Duration::from_secs(60);
        let settings = HttpSettings {
            node_name: "test".to_owned(),
            cluster_name: "test".to_owned(),
            loopback_users: vec!["guest".to_owned()],
            amqp: Vec::new(),
            amqps: Vec::new(),
            certificate: None,
            message_max_bytes: 1 << 20,
            body_max_bytes: 1 << 20,
            connections: ConnectionLimits {
                count: 100,
                head_timeout: minute,
                tls_handshake_timeout: minute,
            },
            metrics: false,
            metrics_per_object: false,
            pages: PageSettings {
                enabled: false,
                sessions: SessionLimits {
                    idle_ms: 60_000,
                    max_ms: 60_000,
                    count: 1,
                },
                live_clients_max: 1,
                log: Arc::new(LogRing::new(1)),
            },
        };
        let addresses = Addresses {
            http: Some("127.0.0.1:0".parse().unwrap()),
            https: None,
        };
        let start = http::start(addresses, Arc::clone(&self.broker), settings, Arc::new(|| None));
        self.runtime.block_on(start).unwrap().http.unwrap()
    }

    /// Does something beside the test, in the broker's runtime.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.runtime.spawn(task)
    }

    /// Waits until `count` connections are left.
    pub fn await_connections(&self, count: usize) {
        let mut open = self.connections.watch_count();
        let reached = self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, open.wait_for(|open| *open == count))
                .await
                .is_ok()
        });
        assert!(
            reached,
            "{} connections are open, not {count}",
            self.connections.count()
        );
    }
}

/// A user whose password is its name, with all permissions on `/`.
fn add_user(broker: &Broker, name: &str) {
    broker
        .declare_user_with_password(name, name.as_bytes(), Tags::default())
        .unwrap();
    let all = || ".*".to_owned();
    let permission = Permission {
        user: name.to_owned(),
        vhost: "/".to_owned(),
        configure: all(),
        write: all(),
        read: all(),
    };
    broker.declare_permission(&permission).unwrap();
}

fn free_port(runtime: &Runtime) -> (tokio::net::TcpListener, SocketAddr) {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let _guard = runtime.enter();
    (tokio::net::TcpListener::from_std(listener).unwrap(), address)
}
