//! One connection's life: a reader, a writer, heartbeats, and an orderly end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ProtocolVersion, ServerConnection};
use tokio_rustls::server::TlsStream;
use tracing::Instrument;

use crate::broker::{Broker, Raised, TlsSession};
use crate::model::{AmqpError, ReplyCode};
use crate::session::{EXPIRED, Next, Session};

use super::contain::contain;
use super::duplex::Duplex;
use super::expiry::Expiry;
use super::proxy;
use super::pulse::{Pulse, every, tick};
use super::reader::{Read, Reader};
use super::settings::{ConnectionSettings, TlsSettings};
use super::tls::certificate_name;
use super::writer;

/// How long a client that cannot be told why waits for its refused login to be closed: it slows guessing down.
const LOGIN_PAUSE: Duration = Duration::from_secs(1);

/// How long a peer may take to answer `connection.close`, or to take what is still to be written.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// What clients hear when the broker stops, in RabbitMQ's words.
const SHUTDOWN: &str = "broker forced connection closure with reason 'shutdown'";

/// How long a closed socket is still read from, for a peer that has more to say.
const LINGER: Duration = Duration::from_secs(1);

/// What all connections share.
pub struct Connections {
    broker: Arc<Broker>,
    settings: RwLock<Arc<ConnectionSettings>>,
    open: watch::Sender<usize>,
    stop: watch::Sender<bool>,
}

impl Connections {
    /// For connections to `broker`.
    #[must_use]
    pub fn new(broker: Arc<Broker>, settings: ConnectionSettings) -> Arc<Self> {
        Arc::new(Self {
            broker,
            settings: RwLock::new(Arc::new(settings)),
            open: watch::Sender::new(0),
            stop: watch::Sender::new(false),
        })
    }

    /// Takes new settings, for connections to come.
    pub fn reload(&self, settings: ConnectionSettings) {
        *self.settings.write() = Arc::new(settings);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.open.borrow()
    }

    /// Hears how many there are whenever that changes.
    #[must_use]
    pub fn watch_count(&self) -> watch::Receiver<usize> {
        self.open.subscribe()
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

    /// Counts one more connection, unless there are too many.
    fn enter(&self, most: usize) -> Option<Open<'_>> {
        let entered = self.open.send_if_modified(|open| {
            let has_room = *open < most;
            *open += usize::from(has_room);
            has_room
        });
        entered.then(|| Open(&self.open))
    }
}

/// One among the open connections, until it is dropped.
struct Open<'a>(&'a watch::Sender<usize>);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// What lies between the socket and AMQP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Plain,
    Tls,
}

/// Serves one connection from its first byte to its last.
pub(super) async fn serve(connections: Arc<Connections>, stream: TcpStream, peer: SocketAddr, transport: Transport) {
    let stop = connections.stop.subscribe();
    let settings = Arc::clone(&connections.settings.read());
    let local = stream.local_addr().ok();
    let Some(_open) = connections.enter(settings.connections_max) else {
        tracing::warn!(%peer, "refused a connection: limits.connections_max is reached");
        return;
    };
    let mut stream = stream;
    let peer = match client_of(&mut stream, peer, &settings).await {
        Ok(peer) => peer,
        Err(error) => {
            tracing::warn!(proxy = %peer, %error, "refused a connection without a PROXY header");
            return;
        }
    };
    let address = peer.ip().to_canonical();
    let addresses = &connections.broker.connection_counts().addresses;
    let Some(_counted) = addresses.enter(address, settings.connections_per_address) else {
        tracing::warn!(%peer, "refused a connection: limits.connections_per_address is reached");
        return;
    };
    let mut session = Session::new(Arc::clone(&connections.broker), Arc::clone(&settings.session), peer);
    if let Some(local) = local {
        session.set_local(local);
    }
    let span = tracing::info_span!(
        "connection",
        id = session.id(),
        %peer,
        user = tracing::field::Empty,
        vhost = tracing::field::Empty
    );
    async {
        match (transport, &settings.tls) {
            (Transport::Plain, _) => run(&connections, stream, session, &settings, stop).await,
            // In a box: connections without TLS need not have room for it.
            (Transport::Tls, Some(tls)) => {
                Box::pin(serve_tls(&connections, stream, session, &settings, tls, stop)).await;
            }
            (Transport::Tls, None) => tracing::error!("a TLS connection came, and no certificate is configured"),
        }
    }
    .instrument(span)
    .await;
}

/// Who connects: the peer, or whom a proxy names.
async fn client_of(
    stream: &mut TcpStream,
    peer: SocketAddr,
    settings: &ConnectionSettings,
) -> std::io::Result<SocketAddr> {
    if !settings.is_proxy(peer.ip()) {
        return Ok(peer);
    }
    let source = timeout(settings.handshake_timeout, proxy::read(stream)).await??;
    Ok(proxy::client_address(source, peer))
}

async fn serve_tls(
    connections: &Connections,
    stream: TcpStream,
    mut session: Session,
    settings: &ConnectionSettings,
    tls: &TlsSettings,
    stop: watch::Receiver<bool>,
) {
    let Some(stream) = shake_hands(stream, tls).await else {
        return;
    };
    let tls_connection = stream.get_ref().1;
    let certificates = tls_connection.peer_certificates();
    let name = certificates.and_then(|chain| certificate_name(chain.first()?, tls.certificate_name));
    session.set_tls(agreed(tls_connection), name);
    run(connections, stream, session, settings, stop).await;
}

/// What the handshake agreed on.
fn agreed(connection: &ServerConnection) -> TlsSession {
    let suite = connection.negotiated_cipher_suite();
    TlsSession {
        protocol: match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "tlsv1.2",
            _ => "tlsv1.3",
        },
        cipher: suite.and_then(|suite| suite.suite().as_str()).unwrap_or_default(),
    }
}

async fn shake_hands(stream: TcpStream, tls: &TlsSettings) -> Option<TlsStream<TcpStream>> {
    let handshake = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream);
    match timeout(tls.handshake_timeout, handshake).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::info!(%error, "the TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::info!("the TLS handshake was not done in time");
            None
        }
    }
}

async fn run<S>(
    connections: &Connections,
    stream: S,
    mut session: Session,
    settings: &ConnectionSettings,
    stop: watch::Receiver<bool>,
) where
    S: Duplex,
{
    let (mut read_half, mut write_half) = stream.into_halves();
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
    let news = News {
        stop,
        alarms: connections.broker.alarms().subscribe(),
        rights: connections.broker.accounts().subscribe(),
    };
    // A fault of ours ends this connection and nothing else; what it held is given back all the same.
    let why = contain(read(&mut read_half, &mut session, settings.handshake_timeout, news)).await;
    let why = why.unwrap_or_else(|| "a fault of the broker".to_owned());
    tracing::info!(reason = %why, "connection closed");
    let _ = contain(async { session.end() }).await;
    outbox.close();
    let mut writer = writer;
    if timeout(CLOSE_WAIT, &mut writer).await.is_err() {
        writer.abort();
    }
    // A socket that is closed with unread bytes in it resets the connection, and the peer never reads why.
    let _ = timeout(LINGER, drain(&mut read_half)).await;
}

async fn drain(stream: &mut (impl AsyncRead + Unpin)) {
    let mut bytes = vec![0; 4096];
    while matches!(stream.read(&mut bytes).await, Ok(length) if length > 0) {}
}

/// What a connection hears besides its client.
struct News {
    /// The broker stops.
    stop: watch::Receiver<bool>,
    /// Alarms come or go.
    alarms: watch::Receiver<Raised>,
    /// Users or permissions change.
    rights: watch::Receiver<()>,
}

/// Reads until the connection ends; says why it did.
async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    session: &mut Session,
    handshake_timeout: Duration,
    mut news: News,
) -> String {
    let mut reader = Reader::default();
    let mut pulse = Pulse::default();
    let mut looks = session.look_interval().map(every);
    let mut expiry = Expiry::default();
    // For the handshake that opens the connection, and later for the one that closes it.
    let handshake = tokio::time::sleep(handshake_timeout);
    tokio::pin!(handshake);
    let mut is_closing = false;
    let outbox = Arc::clone(session.outbox());
    let close_requested = outbox.close_requested();
    tokio::pin!(close_requested);
    loop {
        if session.is_open() && !pulse.is_set() {
            pulse.set(session.heartbeat_s());
        }
        expiry.follow(session);
        if session.is_closing() && !is_closing {
            is_closing = true;
            handshake.as_mut().reset(Instant::now() + handshake_timeout);
        }
        tokio::select! {
            biased;
            () = stopped(&mut news.stop) => return shut_down(stream, session, reader, SHUTDOWN).await,
            reason = &mut close_requested, if session.is_open() => {
                return shut_down(stream, session, reader, &reason).await;
            }
            () = &mut handshake, if is_closing || !session.is_open() => {
                let what = if is_closing { "connection.close was not answered" } else { "the handshake was not done" };
                return format!("{what} in {} s", handshake_timeout.as_secs_f32());
            }
            () = pulse.tick() => {
                if let Some(why) = beat(session, &mut pulse) {
                    return why.to_owned();
                }
            }
            Ok(()) = news.alarms.changed() => session.heed_alarms(),
            Ok(()) = news.rights.changed() => session.heed_rights(),
            () = expiry.reached() => return shut_down(stream, session, reader, EXPIRED).await,
            () = tick(&mut looks) => session.close_overdue_channels(),
            () = pause(session.wakes_in()), if session.wakes_in().is_some() => session.wake(),
            result = reader.read(stream, session), if outbox.has_room() && !session.is_blocked() && !session.is_held() => {
                pulse.heard();
                if let Ok(Read::Some(Next::LogIn)) = result {
                    // A new password may come at any time.
                    let deadline = if session.is_open() { Instant::now() + handshake_timeout } else { handshake.deadline() };
                    if timeout_at(deadline, Box::pin(log_in(session))).await.is_err() {
                        return "the login could not be checked in time".to_owned();
                    }
                    continue;
                }
                if let Some(why) = after(result) {
                    if why.pause {
                        tokio::time::sleep(LOGIN_PAUSE).await;
                    }
                    return why.text;
                }
                if reader.is_busy() {
                    tokio::task::yield_now().await;
                }
            }
            () = outbox.room(), if !outbox.has_room() => {}
        }
    }
}

/// Sends a heartbeat, unless the client is gone: then it says why the connection ends.
fn beat(session: &Session, pulse: &mut Pulse) -> Option<&'static str> {
    if session.is_blocked() || session.is_held() {
        // Its heartbeats are not read. One that is gone shows when ours cannot be written.
        pulse.heard();
        if session.outbox().is_closed() {
            return Some("the client went while it was blocked");
        }
    }
    if pulse.is_lost() {
        return Some("missed heartbeats from the client");
    }
    session.heartbeat();
    None
}

async fn pause(wait: Option<Duration>) {
    if let Some(wait) = wait {
        tokio::time::sleep(wait).await;
    }
}

async fn log_in(session: &mut Session) {
    if let Some(check) = session.login_check() {
        let login = check.run_in_turn().await;
        session.logged_in(login);
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
        Ok(Read::Some(Next::Read | Next::LogIn)) => return None,
        Ok(Read::Some(Next::Close)) => ("closed in order".to_owned(), false),
        Ok(Read::Some(Next::CloseLater)) => ("the login was refused".to_owned(), true),
        Ok(Read::End) => ("the client closed the socket".to_owned(), false),
        // TLS calls it so where the client just closes.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            ("the client closed the socket".to_owned(), false)
        }
        Err(error) => (error.to_string(), false),
    };
    Some(Why { text, pause })
}

/// Tells the client that the broker ends the connection, and waits a while for its answer.
async fn shut_down(
    stream: &mut (impl AsyncRead + Unpin),
    session: &mut Session,
    mut reader: Reader,
    reason: &str,
) -> String {
    session.close(&AmqpError::connection(ReplyCode::ConnectionForced, reason));
    let answer = async { while let Ok(Read::Some(Next::Read)) = reader.read(stream, session).await {} };
    let _ = timeout(CLOSE_WAIT, answer).await;
    format!("the broker ended it: {reason}")
}
