//! A broker in this process, behind a real socket.

mod alarms;
mod client;
mod full_disk;
mod paging;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;

use warren::amqp::WireLimits;
use warren::auth::{Accounts, HashingCost, Permission, Tags};
use warren::broker::{Broker, BrokerLimits, BrokerParts};
use warren::model::ManualClock;
use warren::net::{ConnectionSettings, Connections, listen};
use warren::session::SessionSettings;
use warren::store::{EngineKind, MessageStore, StoreOptions};

/// A running broker.
struct Running {
    broker: Arc<Broker>,
    clock: Arc<ManualClock>,
    address: SocketAddr,
    /// Ends the connections when it goes.
    runtime: Runtime,
}

impl Running {
    /// Ends it and gives its folder back.
    fn stop(self) {
        let Self { broker, runtime, .. } = self;
        drop(runtime);
        broker.messages().shutdown().unwrap();
        assert_eq!(Arc::strong_count(&broker), 1, "somebody still holds the broker");
    }
}

/// Starts one over the folder, or over none.
fn start(dir: Option<&Path>) -> Running {
    let engine = if dir.is_some() {
        EngineKind::Log
    } else {
        EngineKind::Memory
    };
    start_engine(engine, dir, u64::MAX)
}

/// The engines that write to a disk.
const ENGINES: [EngineKind; 2] = [EngineKind::Log, EngineKind::Sled];

fn start_engine(engine: EngineKind, dir: Option<&Path>, memory_budget_bytes: u64) -> Running {
    let mut options = StoreOptions::new(dir.unwrap_or(Path::new("unused")));
    options.engine = engine;
    start_with(options, memory_budget_bytes)
}

fn start_with(options: StoreOptions, memory_budget_bytes: u64) -> Running {
    let (messages, state) = MessageStore::open(options, Arc::new(|error| panic!("{error}"))).unwrap();
    let clock = Arc::new(ManualClock::at(1_000_000));
    let parts = BrokerParts {
        clock: Arc::clone(&clock) as _,
        accounts: Accounts::new(HashingCost::default()).unwrap(),
        state,
        messages,
        limits: BrokerLimits::default(),
        memory_budget_bytes,
    };
    let (broker, _) = Broker::restore(parts).unwrap();
    let tags = Tags(vec!["administrator".to_owned()]);
    broker.declare_user_with_password("guest", b"guest", tags).unwrap();
    let all = || ".*".to_owned();
    let permission = Permission {
        user: "guest".to_owned(),
        vhost: "/".to_owned(),
        configure: all(),
        write: all(),
        read: all(),
    };
    broker.declare_permission(&permission).unwrap();
    let settings = SessionSettings {
        wire: WireLimits::default(),
        mechanisms: "PLAIN".to_owned(),
        cluster_name: "test".to_owned(),
        outgoing_buffer_bytes: 1 << 20,
        consumers_per_channel: 10,
        connections_per_vhost: 100,
        connections_per_user: 100,
        unacked_per_channel: 1_000,
        ack_timeout_ms: 0,
        anonymous_user: None,
        loopback_users: Vec::new(),
        name_seed: 1,
    };
    let settings = ConnectionSettings {
        session: Arc::new(settings),
        handshake_timeout: Duration::from_secs(30),
        connections_max: 100,
        connections_per_address: 100,
        proxies: Vec::new(),
        tls: None,
    };
    let connections = Connections::new(Arc::clone(&broker), settings);
    let runtime = Runtime::new().unwrap();
    let listener = listen(([127, 0, 0, 1], 0).into()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let _inside = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    runtime.spawn(connections.accept(listener));
    drop(_inside);
    Running {
        broker,
        clock,
        address,
        runtime,
    }
}
