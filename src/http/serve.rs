//! Connections: with TLS and without, so many at a time, none that says nothing for ever.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// How long accepting pauses when the process is out of file descriptors: others may close meanwhile.
const PAUSE: Duration = Duration::from_millis(100);

/// Browsers that came over TLS once come over TLS only for two years (RFC 6797).
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Browsers take an answer for what it says that it is.
const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");

/// How a request came; an extension of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the open.
    Http,
    /// Over TLS: cookies may be `Secure`.
    Https,
}

/// The certificates of the moment: a reload brings others.
pub type Certificates = Arc<dyn Fn() -> Option<Arc<ServerConfig>> + Send + Sync>;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// At a time, over all listeners; more wait to be accepted.
    pub count: usize,
    /// For the head of a request, and between two requests.
    pub head_timeout: Duration,
    /// For the TLS handshake.
    pub tls_handshake_timeout: Duration,
}

/// What all listeners share.
pub(super) struct Door {
    routes: Router,
    limits: ConnectionLimits,
    places: Arc<Semaphore>,
}

impl Door {
    pub fn new(routes: Router, limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self {
            routes,
            limits,
            places: Arc::new(Semaphore::new(limits.count)),
        })
    }

    /// Serves for as long as the runtime lives: over TLS where there are certificates.
    pub async fn open(self: Arc<Self>, listener: TcpListener, tls: Option<Certificates>) {
        loop {
            // Nobody closes the semaphore.
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                return;
            };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    if !is_about_one_connection(&error) {
                        tracing::error!(%error, "cannot accept an HTTP connection; is the limit of open files too low?");
                        sleep(PAUSE).await;
                    }
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let (door, tls) = (Arc::clone(&self), tls.clone());
            tokio::spawn(async move {
                match tls {
                    None => door.serve(stream, peer, Scheme::Http).await,
                    Some(certificates) => door.serve_tls(stream, peer, &certificates).await,
                }
                drop(place);
            });
        }
    }

    async fn serve_tls(&self, stream: TcpStream, peer: SocketAddr, certificates: &Certificates) {
        let Some(config) = certificates() else {
            tracing::error!("an HTTPS connection came, and no certificate is configured");
            return;
        };
        let handshake = TlsAcceptor::from(config).accept(stream);
        match timeout(self.limits.tls_handshake_timeout, handshake).await {
            Ok(Ok(stream)) => self.serve(stream, peer, Scheme::Https).await,
            Ok(Err(error)) => tracing::info!(%peer, %error, "the TLS handshake failed"),
            Err(_) => tracing::info!(%peer, "the TLS handshake was not done in time"),
        }
    }

    async fn serve<S>(&self, stream: S, peer: SocketAddr, scheme: Scheme)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let routes = TowerToHyperService::new(self.routes.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(scheme);
            let answer = routes.call(request);
            async move { answer.await.map(|answer| marked(answer, scheme)) }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_timeout)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(error) = served.await {
            tracing::debug!(%peer, %error, "an HTTP connection ended");
        }
    }
}

fn marked(mut answer: Response<Body>, scheme: Scheme) -> Response<Body> {
    // A name with a script in it is a text in JSON, whatever a browser makes of it.
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFFING);
    if scheme == Scheme::Https {
        answer.headers_mut().insert(STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
    answer
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
