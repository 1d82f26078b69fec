//! One connection's life: a reader, a writer, heartbeats, and an orderly end.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tracing::Instrument;

use crate::broker::{Broker, Raised};
use crate::model::{AmqpError, ReplyCode};
use crate::session::{Next, Session, SessionSettings};

use super::reader::{Read, Reader};
use super::writer;

/// How long a client that cannot be told why waits for its refused login to be closed: it slows guessing down.
const LOGIN_PAUSE: Duration = Duration::from_secs(1);

/// How long a peer may take to answer `connection.close`, or to take what is still to be written.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// How long a closed socket is still read from, for a peer that has more to say.
const LINGER: Duration = Duration::from_secs(1);

/// Half heartbeats without a byte after which a peer is gone: two whole intervals (section 4.2.7).
const SILENT_TICKS: u32 = 4;

/// What all connections share.
pub struct Connections {
    broker: Arc<Broker>,
    settings: RwLock<Arc<SessionSettings>>,
    handshake_timeout: RwLock<Duration>,
    max: RwLock<usize>,
    open: AtomicUsize,
    stop: watch::Sender<bool>,
}

impl Connections {
    /// For connections to `broker`.
    #[must_use]
    pub fn new(broker: Arc<Broker>, settings: SessionSettings, handshake_timeout: Duration, max: usize) -> Arc<Self> {
        Arc::new(Self {
            broker,
            settings: RwLock::new(Arc::new(settings)),
            handshake_timeout: RwLock::new(handshake_timeout),
            max: RwLock::new(max),
            open: AtomicUsize::new(0),
            stop: watch::Sender::new(false),
        })
    }

    /// Takes new settings, for connections to come.
    pub fn reload(&self, settings: SessionSettings, handshake_timeout: Duration, max: usize) {
        *self.settings.write() = Arc::new(settings);
        *self.handshake_timeout.write() = handshake_timeout;
        *self.max.write() = max;
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Closes all with 320 CONNECTION_FORCED and waits until they are gone.
    pub async fn shut_down(&self) {
        self.stop.send_replace(true);
        let all_gone = async {
            // Each connection holds one receiver for as long as it lives.
            self.stop.closed().await;
        };
        if timeout(CLOSE_WAIT * 2, all_gone).await.is_err() {
            tracing::warn!(open = self.count(), "some connections did not end in time");
        }
    }
}

/// Serves one connection from its first byte to its last.
pub async fn serve(connections: Arc<Connections>, stream: TcpStream, peer: SocketAddr) {
    let stop = connections.stop.subscribe();
    if connections.open.fetch_add(1, Ordering::Relaxed) >= *connections.max.read() {
        tracing::warn!(%peer, "refused a connection: limits.connections_max is reached");
        connections.open.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let settings = Arc::clone(&connections.settings.read());
    let session = Session::new(Arc::clone(&connections.broker), settings, peer);
    let span = tracing::info_span!(
        "connection",
        id = session.id(),
        %peer,
        user = tracing::field::Empty,
        vhost = tracing::field::Empty
    );
    run(&connections, stream, session, stop).instrument(span).await;
    connections.open.fetch_sub(1, Ordering::Relaxed);
}

async fn run(connections: &Connections, stream: TcpStream, mut session: Session, stop: watch::Receiver<bool>) {
    let (mut read_half, mut write_half) = stream.into_split();
    let outbox = Arc::clone(session.outbox());
    let broker = Arc::clone(&connections.broker);
    let writer = tokio::spawn({
        let outbox = Arc::clone(&outbox);
        async move {
            let result = writer::write(Arc::clone(&outbox), broker, &mut write_half).await;
            outbox.abandon();
            result
        }
        .in_current_span()
    });
    let handshake_timeout = *connections.handshake_timeout.read();
    let alarms = connections.broker.alarms().subscribe();
    let why = read(&mut read_half, &mut session, handshake_timeout, stop, alarms).await;
    tracing::info!(reason = %why, "connection closed");
    session.end();
    let mut writer = writer;
    if timeout(CLOSE_WAIT, &mut writer).await.is_err() {
        writer.abort();
    }
    // A socket that is closed with unread bytes in it resets the connection, and the peer never reads why.
    let _ = timeout(LINGER, drain(&mut read_half)).await;
}

async fn drain(stream: &mut OwnedReadHalf) {
    let mut bytes = vec![0; 4096];
    while matches!(stream.read(&mut bytes).await, Ok(length) if length > 0) {}
}

/// Reads until the connection ends; says why it did.
async fn read(
    stream: &mut OwnedReadHalf,
    session: &mut Session,
    handshake_timeout: Duration,
    mut stop: watch::Receiver<bool>,
    mut alarms: watch::Receiver<Raised>,
) -> String {
    let mut reader = Reader::default();
    let mut pulse = Pulse::default();
    let handshake = tokio::time::sleep(handshake_timeout);
    tokio::pin!(handshake);
    let outbox = Arc::clone(session.outbox());
    loop {
        if session.is_open() && !pulse.is_set() {
            pulse.set(session.heartbeat_s());
        }
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return shut_down(stream, session, reader).await,
            () = &mut handshake, if !session.is_open() => {
                return format!("the handshake was not done in {} s", handshake_timeout.as_secs());
            }
            () = pulse.tick() => {
                if session.is_blocked() {
                    // Its heartbeats are not read. One that is gone shows when ours cannot be written.
                    pulse.heard();
                    if outbox.is_closed() {
                        return "the client went while it was blocked".to_owned();
                    }
                }
                if pulse.is_lost() {
                    return "missed heartbeats from the client".to_owned();
                }
                session.heartbeat();
            }
            Ok(()) = alarms.changed() => session.heed_alarms(),
            result = reader.read(stream, session), if outbox.has_room() && !session.is_blocked() => {
                pulse.heard();
                if let Some(why) = after(result) {
                    if why.pause {
                        tokio::time::sleep(LOGIN_PAUSE).await;
                    }
                    return why.text;
                }
            }
            () = outbox.room(), if !outbox.has_room() => {}
        }
    }
}

/// Waits for the broker's stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

struct Why {
    text: String,
    pause: bool,
}

fn after(result: io::Result<Read>) -> Option<Why> {
    let (text, pause) = match result {
        Ok(Read::Some(Next::Read)) => return None,
        Ok(Read::Some(Next::Close)) => ("closed in order".to_owned(), false),
        Ok(Read::Some(Next::CloseLater)) => ("the login was refused".to_owned(), true),
        Ok(Read::End) => ("the client closed the socket".to_owned(), false),
        Err(error) => (error.to_string(), false),
    };
    Some(Why { text, pause })
}

/// Tells the client that the broker stops, and waits a while for its answer.
async fn shut_down(stream: &mut OwnedReadHalf, session: &mut Session, mut reader: Reader) -> String {
    session.close(&AmqpError::connection(
        ReplyCode::ConnectionForced,
        "broker forced connection closure with reason 'shutdown'",
    ));
    let answer = async { while let Ok(Read::Some(Next::Read)) = reader.read(stream, session).await {} };
    let _ = timeout(CLOSE_WAIT, answer).await;
    "the broker stops".to_owned()
}

/// Heartbeats of one connection: no clock is read for a message, only a flag is looked at twice an interval.
#[derive(Default)]
struct Pulse {
    interval: Option<Interval>,
    is_set: bool,
    heard: bool,
    silent_ticks: u32,
}

impl Pulse {
    fn is_set(&self) -> bool {
        self.is_set
    }

    fn set(&mut self, heartbeat_s: u16) {
        self.is_set = true;
        if heartbeat_s > 0 {
            let half = Duration::from_millis(u64::from(heartbeat_s) * 500);
            let mut interval = interval_at(Instant::now() + half, half);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            self.interval = Some(interval);
        }
    }

    fn heard(&mut self) {
        self.heard = true;
    }

    async fn tick(&mut self) {
        match &mut self.interval {
            Some(interval) => {
                interval.tick().await;
            }
            None => pending().await,
        }
        self.silent_ticks = if self.heard { 0 } else { self.silent_ticks + 1 };
        self.heard = false;
    }

    fn is_lost(&self) -> bool {
        self.silent_ticks >= SILENT_TICKS
    }
}
