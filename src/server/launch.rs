//! `warren serve`: from the configuration to a running broker, and back down.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::interval;

use crate::auth::{Accounts, HashingCost};
use crate::broker::{Broker, BrokerParts};
use crate::config::Config;
use crate::net::{Connections, listen};
use crate::store::{MessageStore, StoreError};

use super::clock::SystemClock;
use super::log::{self, Levels};
use super::{REFUSED, STORAGE, ServeArguments, reload, resources, settings, systemd, topology};

/// How often systemd is told that the broker lives, where it did not say how often it wants to hear it.
const IDLE_TICK: Duration = Duration::from_secs(3600);

/// A running broker and what it takes to change it.
pub(super) struct Running {
    pub broker: Arc<Broker>,
    pub connections: Arc<Connections>,
    pub levels: Levels,
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
    let levels = log::start(&config.log);
    match start(config, levels, arguments) {
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

fn start(config: Config, levels: Levels, arguments: &ServeArguments) -> Result<(), Failure> {
    let broker = open(&config)?;
    topology::apply(&broker, &config).map_err(Failure::refused)?;
    let runtime = Runtime::new().map_err(Failure::refused)?;
    let name_seed = random_seed().map_err(Failure::refused)?;
    let connections = Connections::new(
        Arc::clone(&broker),
        settings::sessions(&config, name_seed),
        settings::handshake_timeout(&config),
        config.limits.connections_max as usize,
    );
    let running = Running {
        broker: Arc::clone(&broker),
        connections,
        levels,
        name_seed,
    };
    let timers = std::thread::Builder::new().name("timers".to_owned()).spawn({
        let broker = Arc::clone(&broker);
        move || broker.run_timers()
    });
    let timers = timers.map_err(Failure::refused)?;
    let loads = std::thread::Builder::new().name("loads".to_owned()).spawn({
        let broker = Arc::clone(&broker);
        move || broker.run_loads().inspect_err(fatal)
    });
    let loads = loads.map_err(Failure::refused)?;
    let outcome = runtime.block_on(run(config, &running, arguments));
    broker.stop_loads();
    let _ = loads.join();
    broker.stop_timers();
    let _ = timers.join();
    runtime.shutdown_timeout(Duration::from_secs(5));
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
    running.broker.alarms().set_limits(resources::limits(&config));
    // Before anybody can publish.
    resources::check(&running.broker);
    tokio::spawn(resources::watch(Arc::clone(&running.broker)));
    let addresses = start_listeners(&config, running)?;
    let http = crate::http::start(config.listeners.http.address(), Arc::clone(&running.broker))
        .await
        .map_err(Failure::refused)?;
    let http = http.map_or_else(|| "off".to_owned(), |address| address.to_string());
    let amqp: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    let ready = format!(
        "warren {} ready amqp={} http={http}",
        env!("CARGO_PKG_VERSION"),
        amqp.join(",")
    );
    // Whoever waits for the line may be gone; the broker runs all the same.
    let _ = writeln!(std::io::stdout(), "{ready}").and_then(|()| std::io::stdout().flush());
    tracing::info!("{ready}");
    systemd::notify(NotifyState::Ready);
    let stopped = serve_signals(config, running, arguments).await;
    systemd::notify(NotifyState::Stopping);
    running.connections.shut_down().await;
    stopped
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
    if listeners.is_empty() {
        return Err(Failure::refused(
            "nothing to listen on: listeners.amqp is empty and systemd handed over no socket",
        ));
    }
    listeners
        .into_iter()
        .map(|listener| accept(listener, running))
        .collect()
}

fn accept(listener: TcpListener, running: &Running) -> Result<SocketAddr, Failure> {
    listener.set_nonblocking(true).map_err(Failure::refused)?;
    let address = listener.local_addr().map_err(Failure::refused)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(Failure::refused)?;
    tokio::spawn(Arc::clone(&running.connections).accept(listener));
    Ok(address)
}

/// Waits for SIGTERM or SIGINT; reloads on SIGHUP meanwhile.
async fn serve_signals(mut config: Config, running: &Running, arguments: &ServeArguments) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::refused)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::refused)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(Failure::refused)?;
    let mut watchdog = interval(systemd::watchdog().unwrap_or(IDLE_TICK));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => reload::reload(&mut config, running, arguments),
            _ = watchdog.tick() => systemd::notify(NotifyState::Watchdog),
        }
    }
    tracing::info!("stopping");
    Ok(())
}

fn random_seed() -> Result<u64, getrandom::Error> {
    getrandom::u64()
}
