//! `warren serve`: from the configuration to a running broker, and back down.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::interval;
use tokio_rustls::rustls::ServerConfig;

use crate::auth::{Accounts, HashingCost};
use crate::broker::{Broker, BrokerParts};
use crate::config::Config;
use crate::http::{self, LogRing};
use crate::net::{Connections, listen};
use crate::store::{MessageStore, StoreError};

use super::clock::SystemClock;
use super::log::{self, Levels};
use super::{
    REFUSED, STORAGE, ServeArguments, descriptors, guest, reload, resources, settings, systemd, telemetry, token_keys,
    topology,
};

/// How often systemd is told that the broker lives, where it did not say how often it wants to hear it.
const IDLE_TICK: Duration = Duration::from_secs(3600);

/// A running broker and what it takes to change it.
pub(super) struct Running {
    pub broker: Arc<Broker>,
    pub connections: Arc<Connections>,
    /// What was last read of the files of TLS without a fault.
    pub tls: Arc<Mutex<Option<Arc<ServerConfig>>>>,
    pub levels: Levels,
    /// The last lines of the log; empty where nobody asks for them.
    pub log_ring: Arc<LogRing>,
    pub name_seed: u64,
}

/// Runs the broker until a signal ends it.
pub(super) fn serve(arguments: &ServeArguments) -> ExitCode {
    let config = match arguments.read() {
        Ok(config) => config,
        Err(report) => {
            eprintln!("{report}");
            return REFUSED.into();
        }
    };
    let ring = config
        .pages
        .enabled
        .then(|| Arc::new(LogRing::new(config.pages.log_lines as usize)));
    let levels = log::start(&config.log, ring.clone());
    let parts = Logging { levels, ring };
    match start(config, parts, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("warren: {failure}");
            failure.code.into()
        }
    }
}

/// Why the broker did not start or did not end well.
#[derive(Debug)]
struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    fn refused(text: impl ToString) -> Self {
        Self {
            code: REFUSED,
            text: text.to_string(),
        }
    }

    fn storage(text: impl ToString) -> Self {
        Self {
            code: STORAGE,
            text: text.to_string(),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// What was set up before anything could be logged.
struct Logging {
    levels: Levels,
    ring: Option<Arc<LogRing>>,
}

fn start(config: Config, logging: Logging, arguments: &ServeArguments) -> Result<(), Failure> {
    descriptors::prepare(config.limits.connections_max);
    let tls = settings::tls(&config).map_err(Failure::refused)?;
    let broker = open(&config)?;
    let telemetry =
        telemetry::start(&config, &broker, random_seed().map_err(Failure::refused)?).map_err(Failure::refused)?;
    topology::apply(&broker, &config).map_err(Failure::refused)?;
    telemetry::place_events(&config, &broker).map_err(Failure::refused)?;
    let runtime = Runtime::new().map_err(Failure::refused)?;
    let name_seed = random_seed().map_err(Failure::refused)?;
    let connection_settings = settings::connections(&config, tls.clone(), name_seed);
    let connections = Connections::new(Arc::clone(&broker), connection_settings);
    let running = Running {
        broker: Arc::clone(&broker),
        connections,
        tls: Arc::new(Mutex::new(tls)),
        levels: logging.levels,
        log_ring: logging.ring.unwrap_or_default(),
        name_seed,
    };
    let timers = std::thread::Builder::new().name("timers".to_owned()).spawn({
        let broker = Arc::clone(&broker);
        move || broker.run_timers()
    });
    let timers = timers.map_err(Failure::refused)?;
    let events = std::thread::Builder::new().name("events".to_owned()).spawn({
        let broker = Arc::clone(&broker);
        move || broker.run_events()
    });
    let events = events.map_err(Failure::refused)?;
    let loads = std::thread::Builder::new().name("loads".to_owned()).spawn({
        let broker = Arc::clone(&broker);
        move || broker.run_loads().inspect_err(fatal)
    });
    let loads = loads.map_err(Failure::refused)?;
    let outcome = runtime.block_on(run(config, &running, arguments));
    broker.stop_events();
    let _ = events.join();
    broker.stop_loads();
    let _ = loads.join();
    broker.stop_timers();
    let _ = timers.join();
    runtime.shutdown_timeout(Duration::from_secs(5));
    telemetry.stop();
    broker.messages().shutdown().map_err(Failure::storage)?;
    if outcome.is_ok() {
        tracing::info!("stopped");
    }
    outcome
}

/// Ends the process: a sync or a read that failed must not be tried again, and nothing may be confirmed after it.
fn fatal(error: &StoreError) {
    tracing::error!(%error, "the store failed; the broker stops at once");
    std::process::exit(STORAGE.into());
}

/// Opens the store and starts the broker from it.
fn open(config: &Config) -> Result<Arc<Broker>, Failure> {
    let (messages, state) = MessageStore::open(settings::store(config), Arc::new(fatal)).map_err(Failure::storage)?;
    let accounts = Accounts::new(HashingCost::default()).map_err(Failure::refused)?;
    let parts = BrokerParts {
        clock: Arc::new(SystemClock::new()),
        accounts,
        state,
        messages,
        limits: settings::broker(config),
        memory_budget_bytes: resources::budget(config),
    };
    let (broker, restoration) = Broker::restore(parts).map_err(Failure::storage)?;
    tracing::info!(
        queues = restoration.queues,
        messages = restoration.messages,
        folder = %config.node.data_dir.display(),
        "store opened"
    );
    Ok(broker)
}

async fn run(config: Config, running: &Running, arguments: &ServeArguments) -> Result<(), Failure> {
    // Before anybody is told that the broker is ready: a signal would end the process otherwise.
    let signals = Signals::catch().map_err(Failure::refused)?;
    running.broker.alarms().set_limits(resources::limits(&config));
    running
        .broker
        .set_history_max_bytes(settings::history_max_bytes(&config));
    // Before anybody can publish.
    resources::check(&running.broker);
    tokio::spawn(resources::watch(Arc::clone(&running.broker)));
    // In the runtime, since an answer may take a while; before anybody can log in.
    let refresh = tokio::task::block_in_place(|| token_keys::apply(&running.broker, &config));
    if let Some(refresh) = refresh.map_err(Failure::refused)? {
        tokio::spawn(refresh.run(Arc::clone(&running.broker)));
    }
    let amqps = start_tls_listeners(&config, running)?;
    let addresses = start_listeners(&config, running)?;
    let settings = settings::http(&config, addresses.clone(), amqps.clone(), Arc::clone(&running.log_ring));
    let mut listened = [&addresses[..], &amqps].concat();
    let wanted = http::Addresses {
        http: config.listeners.http.address(),
        https: config.listeners.https.address(),
    };
    let certificates = Arc::clone(&running.tls);
    let certificates = Arc::new(move || certificates.lock().clone());
    let opened = http::start(wanted, Arc::clone(&running.broker), settings, certificates);
    let opened = opened.await.map_err(Failure::refused)?;
    listened.extend(opened.http.iter().chain(&opened.https));
    if let Some(said) = tokio::task::block_in_place(|| guest::warning(running.broker.accounts(), &listened)) {
        tracing::warn!("{said}");
    }
    let http = opened
        .http
        .map_or_else(|| "off".to_owned(), |address| address.to_string());
    let version = env!("CARGO_PKG_VERSION");
    let mut ready = format!("warren {version} ready amqp={} http={http}", joined(&addresses));
    if !amqps.is_empty() {
        ready.push_str(&format!(" amqps={}", joined(&amqps)));
    }
    if let Some(https) = opened.https {
        ready.push_str(&format!(" https={https}"));
    }
    // Whoever waits for the line may be gone; the broker runs all the same.
    let _ = writeln!(std::io::stdout(), "{ready}").and_then(|()| std::io::stdout().flush());
    tracing::info!("{ready}");
    systemd::notify(NotifyState::Ready);
    serve_signals(signals, config, running, arguments).await;
    running.broker.begin_end();
    systemd::notify(NotifyState::Stopping);
    running.connections.shut_down().await;
    Ok(())
}

fn start_listeners(config: &Config, running: &Running) -> Result<Vec<SocketAddr>, Failure> {
    let mut listeners = systemd::sockets();
    // A socket that systemd hands over takes the place of those in the configuration.
    if listeners.is_empty() {
        for address in &config.listeners.amqp {
            let listener = listen(*address)
                .map_err(|error| Failure::refused(format!("cannot listen on {address} (listeners.amqp): {error}")))?;
            listeners.push(listener);
        }
    }
    if listeners.is_empty() && config.listeners.amqps.is_empty() {
        return Err(Failure::refused(
            "nothing to listen on: listeners.amqp and listeners.amqps are empty and systemd handed over no socket",
        ));
    }
    let accept = |listener| {
        let (listener, address) = adopt(listener)?;
        tokio::spawn(Arc::clone(&running.connections).accept(listener));
        Ok(address)
    };
    listeners.into_iter().map(accept).collect()
}

fn start_tls_listeners(config: &Config, running: &Running) -> Result<Vec<SocketAddr>, Failure> {
    let accept = |address: &SocketAddr| {
        let listener = listen(*address)
            .map_err(|error| Failure::refused(format!("cannot listen on {address} (listeners.amqps): {error}")))?;
        let (listener, address) = adopt(listener)?;
        tokio::spawn(Arc::clone(&running.connections).accept_tls(listener));
        Ok(address)
    };
    config.listeners.amqps.iter().map(accept).collect()
}

fn adopt(listener: TcpListener) -> Result<(tokio::net::TcpListener, SocketAddr), Failure> {
    listener.set_nonblocking(true).map_err(Failure::refused)?;
    let address = listener.local_addr().map_err(Failure::refused)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(Failure::refused)?;
    Ok((listener, address))
}

fn joined(addresses: &[SocketAddr]) -> String {
    let texts: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    texts.join(",")
}

/// The signals that the broker takes.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From here on they no longer end the process.
    fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// Waits for SIGTERM or SIGINT; reloads on SIGHUP meanwhile.
async fn serve_signals(mut signals: Signals, mut config: Config, running: &Running, arguments: &ServeArguments) {
    let mut watchdog = interval(systemd::watchdog().unwrap_or(IDLE_TICK));
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => break,
            _ = signals.interrupt.recv() => break,
            _ = signals.hang_up.recv() => reload::reload(&mut config, running, arguments),
            _ = watchdog.tick() => systemd::notify(NotifyState::Watchdog),
        }
    }
    tracing::info!("stopping");
}

fn random_seed() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}
